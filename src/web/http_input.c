/* SPDX-License-Identifier: MIT
 *
 * A request's body on its way to the handler: by length or in chunks, streamed or collected, with the answer 100
 * where the client waits for it. What nobody reads is thrown away.
 *
 * Invariant: the handler's function is never called inside a call of its own, and its last call says `end` exactly
 * once. Test: tests/web/test_http_server.c.
 */
#include "base/try.h"
#include "web/http_core.h"

/* Hands a piece to the handler, and the end when it is there. The request may be gone afterwards. */
static void hand_on(struct plait_request *req, plait_slice piece)
{
    bool end = req->body_done;
    if (!req->body_fn || req->end_told || (piece.len == 0 && !end))
        return;
    req->end_told = end;
    req->body_fn(req, piece, end, req->body_ctx);
}

static size_t take_length(struct plait_request *req, plait_slice in, plait_slice *piece)
{
    size_t len = in.len < req->body_left ? in.len : (size_t)req->body_left;
    *piece = plait_slice_of(in.ptr, len);
    req->body_left -= len;
    req->body_done = req->body_left == 0;
    return len;
}

static size_t take_chunks(struct plait_request *req, plait_slice in, plait_slice *piece, int *refusal)
{
    size_t used = 0;
    enum plait__http1_step step = plait__http1_chunks_read(&req->chunks, in, &used, piece);
    if (step == PLAIT__HTTP1_BAD)
        *refusal = 400;
    req->body_done = step == PLAIT__HTTP1_DONE;
    return used;
}

static size_t take_kind(struct plait_request *req, plait_slice in, plait_slice *piece, int *refusal)
{
    if (req->body_kind == PLAIT__HB_LENGTH)
        return take_length(req, in, piece);
    if (req->body_kind == PLAIT__HB_CHUNKED)
        return take_chunks(req, in, piece, refusal);
    *piece = in;
    req->body_done = req->body_ending;
    return in.len;
}

/* Whether nobody minds more bytes of the body now. */
bool plait__request_wants(const struct plait_request *req)
{
    if (req->phase == PLAIT__HR_ANSWERED)
        return true;
    return req->body_fn && !req->paused;
}

size_t plait__request_take(struct plait_request *req, plait_slice in, int *refusal)
{
    plait_slice piece = {NULL, 0};
    if (req->body_done || !plait__request_wants(req))
        return 0;
    size_t used = take_kind(req, in, &piece, refusal);
    req->body_seen += piece.len;
    req->rate_seen += piece.len;
    if (*refusal)
        return used;
    uint64_t max = req->phase == PLAIT__HR_ANSWERED ? PLAIT__HR_DISCARD : req->service->options.limits.body_max;
    if (req->body_seen > max) {
        *refusal = 413;
        return used;
    }
    if (req->phase != PLAIT__HR_ANSWERED)
        hand_on(req, piece);
    return used;
}

void plait__request_pump(struct plait_request *req)
{
    if (req->carrier && req->body_done && !req->paused && req->phase != PLAIT__HR_ANSWERED)
        hand_on(req, plait_slice_of(NULL, 0));
}

plait_err plait_request_body(struct plait_request *req, plait_body_fn fn, void *ctx)
{
    if (req->body_fn || req->phase != PLAIT__HR_OPEN)
        return PLAIT_FAIL(PLAIT_ESTATE);
    req->body_fn = fn;
    req->body_ctx = ctx;
    req->rate_from = plait_now(req->web->reactor);
    if (req->body_done)
        plait_soon_queue(&req->soon);
    if (!req->carrier || req->body_done)
        return PLAIT_OK;
    if (req->continue_due) {
        req->continue_due = false;
        req->ops->interim(req, 100, plait_slice_of(NULL, 0));
    }
    if (req->carrier)
        req->ops->wake(req);
    return PLAIT_OK;
}

static void collect(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)ctx;
    if (piece.len > req->collect_max - req->collected.len) {
        plait_reply_error(req, 413, NULL);
        return;
    }
    plait_buf_put(&req->collected, piece);
    if (req->collected.err)
        plait_reply_error(req, 503, NULL);
    else if (end)
        req->collect_fn(req, plait_buf_slice(&req->collected), req->collect_ctx);
}

plait_err plait_request_collect(struct plait_request *req, size_t max, plait_collect_fn fn, void *ctx)
{
    PLAIT_TRY(plait_request_body(req, collect, NULL));
    req->collect_max = max;
    req->collect_fn = fn;
    req->collect_ctx = ctx;
    return PLAIT_OK;
}

void plait_request_pause(struct plait_request *req)
{
    req->paused = true;
}

void plait_request_resume(struct plait_request *req)
{
    if (!req->paused)
        return;
    req->paused = false;
    req->rate_from = plait_now(req->web->reactor);
    req->rate_seen = 0;
    if (req->body_done)
        plait_soon_queue(&req->soon);
    else if (req->carrier)
        req->ops->wake(req);
}
