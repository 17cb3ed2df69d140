/* SPDX-License-Identifier: MIT
 *
 * Multipart forms of a request (RFC 7578), part by part as they come. Parts are counted and measured; a body that is
 * no form, breaks its rules or a limit, ends in one call with the error.
 *
 * Invariant: `done` is called once, and last; nothing is touched behind it, for it answers. Test:
 * tests/web/test_web_multipart.c.
 */
#include "base/try.h"
#include "web/http_core.h"
#include "web/web_wire.h"

struct parts {
    struct plait__multipart reader;
    struct plait_parts_limits limits;
    const struct plait_parts_handler *handler;
    void *ctx;
    struct plait_part part;
    size_t count;
    bool ended; /* the last delimiter came */
    bool told;
};

static void parts_done(struct plait_request *req, void *ctx)
{
    struct parts *p = ctx;
    (void)req;
    plait__multipart_deinit(&p->reader);
}

static const struct plait_filter parts_filter = {.done = parts_done};

static void finish(struct plait_request *req, struct parts *p, plait_err err)
{
    p->told = true;
    p->handler->done(req, err, p->ctx);
}

static plait_err begin_part(struct plait_request *req, struct parts *p)
{
    if (p->count == p->limits.parts)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    p->part = (struct plait_part){
        .name = p->reader.name, .filename = p->reader.filename, .type = p->reader.type, .index = p->count++};
    return p->handler->begin ? p->handler->begin(req, &p->part, p->ctx) : PLAIT_OK;
}

static plait_err take_data(struct plait_request *req, struct parts *p, plait_slice data)
{
    if (data.len > p->limits.part - p->part.bytes)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    p->part.bytes += data.len;
    return p->handler->data ? p->handler->data(req, &p->part, data, p->ctx) : PLAIT_OK;
}

static plait_err take_event(struct plait_request *req, struct parts *p, plait_slice *in)
{
    plait_slice data;
    switch (plait__multipart_next(&p->reader, in, &data)) {
    case PLAIT__MULTIPART_PART:
        return begin_part(req, p);
    case PLAIT__MULTIPART_DATA:
        return take_data(req, p, data);
    case PLAIT__MULTIPART_OVER:
        return p->handler->end ? p->handler->end(req, &p->part, p->ctx) : PLAIT_OK;
    case PLAIT__MULTIPART_BAD:
        return PLAIT_FAIL(p->reader.err);
    case PLAIT__MULTIPART_END:
        p->ended = true;
        return PLAIT_OK;
    default:
        return PLAIT_OK;
    }
}

static void on_body(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    struct parts *p = ctx;
    plait_err err = PLAIT_OK;
    while (piece.len && err == PLAIT_OK && !p->told)
        err = take_event(req, p, &piece);
    if (p->told)
        return;
    if (err != PLAIT_OK)
        finish(req, p, err);
    else if (end)
        finish(req, p, p->ended ? PLAIT_OK : PLAIT_FAIL(PLAIT_ETRUNCATED));
}

/* The boundary of a multipart/form-data request, in memory of the request. */
static plait_err find_boundary(struct plait_request *req, plait_slice *out)
{
    plait_slice rest, name;
    bool escaped;
    if (!plait__request_type_is(req, PLAIT_LIT("multipart/form-data"), &rest))
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    while (plait__param_next(&rest, &name, out, &escaped)) {
        if (plait_slice_equal_nocase(name, PLAIT_LIT("boundary")))
            return PLAIT_OK;
    }
    return PLAIT_FAIL(PLAIT_ESYNTAX);
}

static plait_err parts_begin(struct plait_request *req, const struct plait_parts_limits *limits,
                             const struct plait_parts_handler *handler, void *ctx)
{
    plait_slice boundary;
    PLAIT_TRY(find_boundary(req, &boundary));
    struct parts *p = plait_request_memory(req, sizeof(*p));
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memset(p, 0, sizeof(*p));
    p->limits = limits ? *limits : (struct plait_parts_limits){0};
    p->limits.parts = p->limits.parts ? p->limits.parts : 100;
    p->limits.head = p->limits.head ? p->limits.head : 8192;
    p->limits.part = p->limits.part ? p->limits.part : UINT64_MAX;
    p->handler = handler;
    p->ctx = ctx;
    PLAIT_TRY(plait__multipart_init(&p->reader, boundary, plait_reactor_budget(req->web->reactor), p->limits.head));
    PLAIT_TRY(plait_request_filter(req, &parts_filter, p));
    return plait_request_body(req, on_body, p);
}

plait_err plait_request_parts(struct plait_request *req, const struct plait_parts_limits *limits,
                              const struct plait_parts_handler *handler, void *ctx)
{
    const plait_err err = parts_begin(req, limits, handler, ctx);
    if (err != PLAIT_OK)
        plait_reply_refusal(req, err);
    return err;
}

void plait_reply_refusal(struct plait_request *req, plait_err err)
{
    static const struct {
        plait_err err;
        int status;
    } table[] = {{PLAIT_EMALFORMED, 400}, {PLAIT_ESYNTAX, 400},   {PLAIT_EINVAL, 400},       {PLAIT_ETRUNCATED, 400},
                 {PLAIT_EACCESS, 403},    {PLAIT_ENOTFOUND, 404}, {PLAIT_EEXISTS, 409},      {PLAIT_ELIMIT, 413},
                 {PLAIT_ETOOLONG, 413},   {PLAIT_ENOSPACE, 507},  {PLAIT_EUNSUPPORTED, 415}, {PLAIT_ENOMEM, 503}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].err == err) {
            plait_reply_error(req, table[i].status, NULL);
            return;
        }
    }
    plait_reply_error(req, 500, NULL);
}
