/* SPDX-License-Identifier: MIT
 *
 * Filters: what layers put on the way of a request's answer. Each sees the head, may change it, and may take the body
 * piece by piece and pass on what it makes of it. The innermost is the one that was added last, for a request passes
 * layers from the outside in and its answer from the inside out.
 *
 * It isn't a queue: pieces go through all filters inside one call (http_feed.c holds them back when the client is
 * slow). Invariant: `done` of each filter runs exactly once, before the request's memory goes. Test:
 * tests/web/test_web_layer.c.
 */
#include "base/try.h"
#include "web/http_core.h"

struct plait__http_filter {
    struct plait__http_filter *outer;
    const struct plait_filter *ops;
    void *ctx;
    bool wants; /* the body */
};

plait_err plait_request_filter(struct plait_request *req, const struct plait_filter *filter, void *ctx)
{
    if (req->phase != PLAIT__HR_OPEN)
        return PLAIT_FAIL(PLAIT_ESTATE);
    struct plait__http_filter *f = plait_request_memory(req, sizeof(*f));
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *f = (struct plait__http_filter){req->filters, filter, ctx, false};
    req->filters = f;
    return PLAIT_OK;
}

void plait__filters_head(struct plait_request *req, struct plait_reply_head *head)
{
    const uint64_t length = head->length;
    for (struct plait__http_filter *f = req->filters; f; f = f->outer) {
        f->wants = f->ops->head && f->ops->head(req, head, f->ctx) && f->ops->body;
        req->filtered |= f->wants;
    }
    if (!req->filtered)
        head->length = length; /* nobody can make it true */
}

/* From `f` outwards the first that takes bodies; NULL: the client. */
static struct plait__http_filter *taker(struct plait__http_filter *f)
{
    while (f && !f->wants)
        f = f->outer;
    return f;
}

/* To the client; more or less than the head said ends the connection. */
static void write_out(struct plait_request *req, plait_slice piece)
{
    if (!req->carrier)
        return;
    if (req->wire_left != PLAIT_LENGTH_UNKNOWN) {
        if (piece.len > req->wire_left) {
            plait__http_break(req, PLAIT_ESTATE, "a filter made more than it announced");
            return;
        }
        req->wire_left -= piece.len;
    }
    req->reply_bytes += piece.len;
    req->ops->write(req, piece);
}

static void hand_to(struct plait_request *req, struct plait__http_filter *f, plait_slice piece)
{
    struct plait__http_filter *before = req->filter_at;
    req->filter_at = f;
    f->ops->body(req, piece, f->ctx);
    req->filter_at = before;
}

void plait__filters_write(struct plait_request *req, plait_slice piece)
{
    hand_to(req, taker(req->filters), piece);
}

void plait_filter_write(struct plait_request *req, plait_slice piece)
{
    if (piece.len == 0 || !req->filter_at)
        return;
    struct plait__http_filter *next = taker(req->filter_at->outer);
    if (next)
        hand_to(req, next, piece);
    else
        write_out(req, piece);
}

void plait__filters_end(struct plait_request *req)
{
    for (struct plait__http_filter *f = taker(req->filters); f && req->carrier; f = taker(f->outer)) {
        req->filter_at = f;
        if (f->ops->end)
            f->ops->end(req, f->ctx);
    }
    req->filter_at = NULL;
    if (req->carrier && req->wire_left != 0 && req->wire_left != PLAIT_LENGTH_UNKNOWN)
        plait__http_break(req, PLAIT_ESTATE, "a filter made less than it announced");
    const bool whole = req->carrier;
    if (whole)
        req->ops->end(req);
    plait__http_answered(req, whole);
}

void plait_filter_fail(struct plait_request *req, plait_err err, const char *detail)
{
    if (req->carrier)
        plait__http_break(req, err, detail);
}

void plait__filters_done(struct plait_request *req)
{
    if (req->told)
        return;
    req->told = true;
    for (struct plait__http_filter *f = req->filters; f; f = f->outer) {
        if (f->ops->done)
            f->ops->done(req, f->ctx);
    }
}

void plait__filters_renew(struct plait_request *req)
{
    struct plait__http_filter *kept = NULL;
    for (struct plait__http_filter *f = req->filters; f; f = f->outer) {
        if (req->inner && !f->outer)
            kept = f;
        else if (f->ops->done)
            f->ops->done(req, f->ctx);
    }
    req->filters = kept;
}

/* --- fields of the answer ----------------------------------------------------------------------------------------- */

/* Finds the next line of a name; `*at` is where it begins, its end is returned (0: there is none). */
static size_t find_line(const struct plait_request *req, plait_slice name, size_t *at, plait_slice *value)
{
    const plait_slice lines = plait_buf_slice(&req->fields);
    for (size_t from = *at; from < lines.len;) {
        const size_t end = plait_slice_find(lines, PLAIT_LIT("\r\n"), from);
        const size_t colon = plait_slice_find_byte(lines, ':', from);
        if (plait_slice_equal_nocase(plait_slice_sub(lines, from, colon), name)) {
            *at = from;
            *value = plait_slice_sub(lines, colon + 2, end);
            return end + 2;
        }
        from = end + 2;
    }
    return 0;
}

plait_slice plait_reply_field_of(const struct plait_request *req, const char *name)
{
    size_t at = 0;
    plait_slice value = {NULL, 0};
    (void)find_line(req, plait_slice_text(name), &at, &value);
    return value;
}

void plait_reply_field_remove(struct plait_request *req, const char *name)
{
    size_t at = 0, end;
    plait_slice value;
    if (req->phase != PLAIT__HR_OPEN)
        return;
    while ((end = find_line(req, plait_slice_text(name), &at, &value)) > 0) {
        uint8_t *lines = req->fields.ptr + req->fields.at;
        memmove(lines + at, lines + end, req->fields.len - end);
        req->fields.len -= end - at;
    }
}

plait_err plait_reply_field_set(struct plait_request *req, const char *name, plait_slice value)
{
    plait_reply_field_remove(req, name);
    return plait_reply_field(req, name, value);
}

plait_err plait_reply_field_list(struct plait_request *req, const char *name, plait_slice element)
{
    const plait_slice n = plait_slice_text(name);
    plait_slice value;
    size_t at = 0, end;
    while ((end = find_line(req, n, &at, &value)) > 0) {
        if (plait__http1_list_has(value, element) || plait_slice_equal(value, PLAIT_LIT("*")))
            return PLAIT_OK;
        at = end;
    }
    return plait_reply_field(req, name, element);
}

int plait_request_status(const struct plait_request *req)
{
    return req->status;
}
