/* SPDX-License-Identifier: MIT
 *
 * Requests of our own. Handlers can't tell them from a client's: they have a head, a peer, filters and a feed; what
 * carries them is this file, which hands the answer to who asked. Every body goes through a filter here, so it comes in
 * pieces and waits where there is no room.
 *
 * Invariant: `done` comes exactly once, whether the answer ends, breaks off, or is given up. Test:
 * tests/web/test_cache.c.
 */
#include "web/http_inner.h"

#include "base/try.h"

/* --- the filter that takes the answer ----------------------------------------------------------------------------- */

static bool take_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    struct plait__inner *in = ctx;
    in->ops->head(req, head, in->ctx);
    return true;
}

static void take_body(struct plait_request *req, plait_slice piece, void *ctx)
{
    struct plait__inner *in = ctx;
    in->ops->body(req, piece, in->ctx);
}

static void take_done(struct plait_request *req, void *ctx)
{
    struct plait__inner *in = ctx;
    (void)req;
    in->ops->done(in->whole, in->ctx);
}

/* What it takes is all of it: no more or less than announced can come. */
static void take_end(struct plait_request *req, void *ctx)
{
    (void)ctx;
    req->wire_left = 0;
}

static const struct plait_filter taker = {.head = take_head, .body = take_body, .end = take_end, .done = take_done};

/* --- the carrier -------------------------------------------------------------------------------------------------- */

static void inner_begin(struct plait_request *req, const struct plait__http_reply *reply)
{
    (void)req;
    (void)reply;
}

static void inner_end(struct plait_request *req)
{
    req->inner->whole = true;
}

/* An answer without a body. */
static void inner_whole(struct plait_request *req, const struct plait__http_reply *reply, plait_slice body)
{
    (void)reply;
    (void)body;
    inner_end(req);
}

static void inner_interim(struct plait_request *req, int status, plait_slice fields)
{
    req->inner->ops->interim(status, fields, req->inner->ctx);
}

static bool inner_is_full(const struct plait_request *req)
{
    return req->inner->ops->is_full(req->inner->ctx);
}

static bool inner_offers(const struct plait_request *req, const char *protocol)
{
    (void)req;
    (void)protocol;
    return false;
}

static void inner_abandon(struct plait_request *req, plait_err err, const char *detail)
{
    (void)req;
    (void)err;
    (void)detail;
}

/* What is not here never comes: an inner request has no body and offers no protocol, and its answer's body goes through
 * a filter. */
static const struct plait__http_carrier_ops inner_carrier = {.begin = inner_begin,
                                                             .whole = inner_whole,
                                                             .end = inner_end,
                                                             .interim = inner_interim,
                                                             .is_full = inner_is_full,
                                                             .offers = inner_offers,
                                                             .answered = plait__request_free,
                                                             .abandon = inner_abandon};

/* --- making one --------------------------------------------------------------------------------------------------- */

static struct plait__inner *inner_of(struct plait_request *outer, struct plait_request *req,
                                     const struct plait__inner_ops *ops, void *ctx)
{
    const struct plait_tls_info *tls = plait_request_tls(outer);
    struct plait__inner *in = plait_request_memory(req, sizeof(*in));
    if (!in)
        return NULL;
    *in = (struct plait__inner){.ops = ops, .ctx = ctx, .secure = tls != NULL};
    if (tls) /* the rest of it goes with the client's connection */
        in->tls = (struct plait_tls_info){
            .version = tls->version, .cipher = tls->cipher, .server_name = "", .peer_subject = ""};
    plait_request_peer(outer, &in->peer);
    plait__request_local(outer, &in->local);
    return in;
}

static bool copy_path(struct plait_request *req, plait_slice path)
{
    uint8_t *copy = plait_request_memory(req, path.len);
    if (!copy)
        return false;
    memcpy(copy, path.ptr, path.len);
    req->path = plait_slice_of(copy, path.len);
    return true;
}

/* Stands it where the other one stands in the tree. */
static bool stand_beside(struct plait_request *req, const struct plait_request *outer)
{
    if (outer->rewritten && !copy_path(req, outer->path))
        return false;
    req->rewritten = outer->rewritten;
    req->rest = plait_slice_sub(req->path, outer->path.len - outer->rest.len, outer->path.len);
    req->resource = outer->resource;
    req->layer = outer->layer;
    req->bare_end = outer->bare_end;
    req->hops = outer->hops;
    for (size_t i = 0; i < outer->held_count; i++)
        req->held[req->held_count++] = plait_resource_ref(outer->held[i]);
    return true;
}

static plait_err fill(struct plait_request *req, struct plait_request *outer, plait_slice head)
{
    if (plait__http1_head_read(&req->head, head) != PLAIT__HTTP1_DONE)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    const int status = plait__request_begin(req, head.ptr);
    if (status)
        return PLAIT_FAIL(status == 503 ? PLAIT_ENOMEM : PLAIT_EMALFORMED);
    return stand_beside(req, outer) ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait__inner_new(struct plait_request *outer, plait_slice head, const struct plait__inner_ops *ops, void *ctx,
                           struct plait_request **out)
{
    struct plait_request *req = plait__request_new(outer->service);
    if (!req)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait_err err = fill(req, outer, head);
    req->inner = err ? NULL : inner_of(outer, req, ops, ctx);
    if (!err && !req->inner)
        err = PLAIT_FAIL(PLAIT_ENOMEM);
    if (!err)
        err = plait_request_filter(req, &taker, req->inner);
    if (err) {
        plait__request_free(req);
        return err;
    }
    req->ops = &inner_carrier;
    req->carrier = req->inner;
    *out = req;
    return PLAIT_OK;
}

void plait__inner_room(struct plait_request *inner)
{
    if (inner->room_fn && inner->phase == PLAIT__HR_BEGUN)
        inner->room_fn(inner, inner->room_ctx);
}

void plait__inner_leave(struct plait_request *inner)
{
    plait__request_left(inner);
}
