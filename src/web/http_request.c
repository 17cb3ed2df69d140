/* SPDX-License-Identifier: MIT
 *
 * A request's life and what it tells its handler. Requests are pooled with the memory that a usual head and path
 * need, so that one costs no allocation in the steady state; what is larger comes from counted blocks that go with
 * it.
 *
 * Invariant: a request in use is on the reactor's list of live ones; its slices point into its own memory, never into
 * the stream's input. Test: tests/web/test_http_server.c.
 */
#include "base/try.h"
#include "web/http_inner.h"

enum { POOL_MAX = 64, FIELDS_KEPT = 4096 };

struct plait__http_block {
    struct plait__http_block *next;
    uint8_t bytes[] __attribute__((aligned(16)));
};

/* --- birth and death ------------------------------------------------------------------------------------------- */

static void soon_pump(void *ctx)
{
    plait__request_pump(ctx);
}

static struct plait_request *request_from_heap(struct plait__web *web)
{
    struct plait_budget *budget = plait_reactor_budget(web->reactor);
    struct plait_request *req = plait_mem_new(budget, sizeof(*req));
    if (!req)
        return NULL;
    req->web = web;
    plait_buf_init(&req->fields, budget, PLAIT__HR_FIELDS);
    plait_buf_init(&req->trailers, budget, PLAIT__HTTP1_TRAILER_MAX);
    plait_buf_init(&req->collected, budget, SIZE_MAX / 2);
    plait_soon_init(&req->soon, web->reactor, "http request", soon_pump, req);
    return req;
}

struct plait_request *plait__request_new(struct plait__http_service *service)
{
    struct plait__web *web = service->web;
    struct plait_request *req = web->pool;
    if (req) {
        web->pool = req->next_free;
        web->pooled--;
    } else {
        req = request_from_heap(web);
        if (!req)
            return NULL;
    }
    plait__list_add_head(&web->live, &req->link);
    req->service = service;
    req->service->refs++;
    plait__http1_head_init(&req->head, false);
    return req;
}

/* Everything between the pool's links and the buffers goes back to zero. */
static void request_clear(struct plait_request *req)
{
    req->carrier = NULL;
    req->stream = NULL;
    req->inner = NULL;
    req->base = NULL;
    req->path = req->rest = req->query = req->host = plait_slice_of(NULL, 0);
    req->resource = NULL;
    req->layer = req->hops = 0;
    req->rewritten = false;
    req->error_page = req->filtered = req->told = req->complete = req->as_get = req->dated = false;
    req->user = plait_slice_of(NULL, 0);
    req->auth = NULL;
    req->filters = req->filter_at = NULL;
    req->wire_left = 0;
    req->blocks = NULL;
    req->phase = PLAIT__HR_HEAD;
    req->body_kind = PLAIT__HB_NONE;
    req->body_ending = false;
    req->body_done = req->end_told = req->paused = req->continue_due = false;
    req->head_only = req->no_body = req->chunked_out = false;
    req->held_count = 0;
    req->small_used = 0;
    req->status = 0;
    req->body_left = req->body_seen = req->rate_seen = 0;
    memset(&req->chunks, 0, sizeof(req->chunks));
    req->body_fn = NULL;
    req->collect_fn = NULL;
    req->gone_fn = req->room_fn = NULL;
    req->reply_left = req->reply_bytes = 0;
    if (req->fields.cap > FIELDS_KEPT)
        plait_buf_deinit(&req->fields);
    plait_buf_clear(&req->fields);
    plait_buf_deinit(&req->trailers);
    plait_buf_deinit(&req->collected);
}

void plait__request_free(struct plait_request *req)
{
    struct plait__web *web = req->web;
    struct plait__http_service *service = req->service;
    plait_soon_cancel(&req->soon);
    plait__feed_free(req);
    plait__filters_done(req);
    for (size_t i = 0; i < req->held_count; i++)
        plait_resource_unref(&req->held[i]);
    while (req->blocks) {
        struct plait__http_block *block = req->blocks;
        req->blocks = block->next;
        plait_mem_free(block);
    }
    plait__list_remove(&req->link);
    request_clear(req);
    if (web->pooled < POOL_MAX) {
        req->next_free = web->pool;
        web->pool = req;
        web->pooled++;
    } else {
        plait_buf_deinit(&req->fields);
        plait_mem_free(req);
    }
    plait__http_service_unref(service);
}

void *plait_request_memory(struct plait_request *req, size_t bytes)
{
    size_t rounded = (bytes + 15) & ~(size_t)15;
    if (bytes <= PLAIT__HR_SMALL && rounded <= (size_t)(PLAIT__HR_SMALL - req->small_used)) {
        void *at = req->small + req->small_used;
        req->small_used = (uint16_t)(req->small_used + rounded);
        return at;
    }
    if (bytes > SIZE_MAX - sizeof(struct plait__http_block))
        return NULL;
    struct plait__http_block *block = plait_mem_new(plait_reactor_budget(req->web->reactor), sizeof(*block) + bytes);
    if (!block)
        return NULL;
    block->next = req->blocks;
    req->blocks = block;
    return block->bytes;
}

void plait__request_left(struct plait_request *req)
{
    plait_request_fn gone = req->gone_fn;
    bool awaits_body = (req->body_fn || req->collect_fn) && !req->end_told;
    req->carrier = NULL;
    req->stream = NULL;
    if (req->phase == PLAIT__HR_HEAD || req->phase == PLAIT__HR_ANSWERED || (!gone && awaits_body)) {
        plait__request_free(req);
        return;
    }
    req->gone_fn = NULL;
    if (gone)
        gone(req, req->gone_ctx);
}

/* --- the head -------------------------------------------------------------------------------------------------- */

/* Keeps the head's bytes beyond the life of the stream's window. */
static bool keep_head(struct plait_request *req, const uint8_t *head)
{
    uint8_t *copy = req->inline_head;
    if (req->head.at > PLAIT__HR_INLINE) {
        copy = plait_request_memory(req, req->head.at);
        if (!copy)
            return false;
    }
    memcpy(copy, head, req->head.at);
    req->base = copy;
    return true;
}

/* Decodes a path in memory of the request. An encoded slash would make another path of it: there is no such resource.
 * */
static int decode_path(struct plait_request *req, plait_slice raw)
{
    uint8_t *out = plait_request_memory(req, raw.len);
    size_t len;
    if (!out)
        return 503;
    for (size_t i = 0; i + 2 < raw.len; i++) {
        if (raw.ptr[i] == '%' && raw.ptr[i + 1] == '2' && (raw.ptr[i + 2] | 0x20) == 'f')
            return 404;
    }
    if (plait_percent_decode(raw, false, out, &len) != PLAIT_OK)
        return 400;
    len = plait_path_normalise(out, len);
    if (len == SIZE_MAX)
        return 400;
    req->path = plait_slice_of(out, len);
    return 0;
}

/* Whether a path is written as it means: no escapes, no dot segments. One look for '?' on the way. */
static bool path_is_plain(plait_slice target, size_t *path_len)
{
    bool plain = true;
    size_t i = 0;
    for (; i < target.len && target.ptr[i] != '?'; i++) {
        uint8_t c = target.ptr[i];
        if (c == '%' || (c == '.' && i > 0 && target.ptr[i - 1] == '/'))
            plain = false;
    }
    *path_len = i;
    return plain;
}

static int origin_form(struct plait_request *req, plait_slice target)
{
    size_t path_len;
    bool plain = path_is_plain(target, &path_len);
    plait_slice path = plait_slice_sub(target, 0, path_len);
    if (path_len < target.len)
        req->query = plait_slice_sub(target, path_len + 1, target.len);
    if (!plain)
        return decode_path(req, path);
    req->path = path;
    return 0;
}

/* RFC 9112 section 3.2.2: the authority takes the Host field's place. */
static int absolute_form(struct plait_request *req, plait_slice target)
{
    size_t scheme = 0;
    if (target.len >= 7 && plait_slice_equal_nocase(plait_slice_sub(target, 0, 7), PLAIT_LIT("http://")))
        scheme = 7;
    else if (target.len >= 8 && plait_slice_equal_nocase(plait_slice_sub(target, 0, 8), PLAIT_LIT("https://")))
        scheme = 8;
    if (scheme == 0)
        return 400;
    size_t end = scheme;
    while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?')
        end++;
    req->host = plait_slice_sub(target, scheme, end);
    if (end == scheme || !plait__http1_is_host(req->host))
        return 400;
    if (end < target.len && target.ptr[end] == '/')
        return origin_form(req, plait_slice_sub(target, end, target.len));
    req->path = PLAIT_LIT("/");
    if (end < target.len)
        req->query = plait_slice_sub(target, end + 1, target.len);
    return 0;
}

/* RFC 9112 section 3.2.3: a host with its port, for who makes tunnels. */
static int authority_form(struct plait_request *req, plait_slice target)
{
    if (!plait__resource_connects(req->service->root))
        return 501;
    const bool port = target.len > 0 && target.ptr[target.len - 1] >= '0' && target.ptr[target.len - 1] <= '9' &&
                      plait_slice_find_byte(target, ':', 0) != SIZE_MAX;
    if (!port || !plait__http1_is_host(target) || req->body_kind != PLAIT__HB_NONE)
        return 400;
    req->host = target;
    req->path = PLAIT_LIT("/");
    return 0;
}

/* RFC 9112 section 3.2: the four forms of a target. */
static int split_target(struct plait_request *req)
{
    plait_slice target = plait_request_target(req), method = plait_request_method(req);
    req->host = plait_slice_of(req->base + req->head.host, req->head.host_len);
    if (plait_slice_equal(method, PLAIT_LIT("CONNECT")))
        return authority_form(req, target);
    if (target.ptr[0] == '/')
        return origin_form(req, target);
    if (plait_slice_equal(target, PLAIT_LIT("*"))) {
        req->path = target;
        return plait_slice_equal(method, PLAIT_LIT("OPTIONS")) ? 0 : 400;
    }
    return absolute_form(req, target);
}

bool plait__request_again(struct plait_request *req, plait_slice target)
{
    uint8_t *copy = plait_request_memory(req, target.len);
    if (!copy || target.len == 0 || target.ptr[0] != '/' || !plait__http1_is_target(target))
        return false;
    memcpy(copy, target.ptr, target.len);
    req->query = plait_slice_of(NULL, 0);
    req->as_get = req->rewritten = true;
    req->body_fn = NULL;
    req->collect_fn = NULL;
    req->end_told = req->paused = false;
    return origin_form(req, plait_slice_of(copy, target.len)) == 0;
}

int plait__request_ready(struct plait_request *req)
{
    const struct plait__http1_head *h = &req->head;
    req->phase = PLAIT__HR_OPEN;
    req->began = plait_now(req->web->reactor);
    req->body_left = h->length;
    req->body_done = req->body_kind == PLAIT__HB_NONE;
    req->continue_due = h->expect && !req->body_done;
    req->head_only = h->method_len == 4 && memcmp(req->base + h->method, "HEAD", 4) == 0;
    uint64_t body_max = req->service->options.limits.body_max;
    if (h->has_length && req->body_left > body_max)
        return 413;
    return split_target(req);
}

int plait__request_begin(struct plait_request *req, const uint8_t *head)
{
    const struct plait__http1_head *h = &req->head;
    req->phase = PLAIT__HR_OPEN;
    req->version = (uint8_t)(10 + h->minor);
    if (!keep_head(req, head))
        return 503;
    req->body_kind = h->chunked ? PLAIT__HB_CHUNKED : h->has_length && h->length ? PLAIT__HB_LENGTH : PLAIT__HB_NONE;
    return plait__request_ready(req);
}

/* --- what it tells --------------------------------------------------------------------------------------------- */

plait_slice plait_request_method(const struct plait_request *req)
{
    if (req->as_get)
        return req->head_only ? PLAIT_LIT("HEAD") : PLAIT_LIT("GET");
    return plait_slice_of(req->base + req->head.method, req->head.method_len);
}

bool plait__request_is_safe(const struct plait_request *req)
{
    const plait_slice method = plait_request_method(req);
    return plait_slice_equal(method, PLAIT_LIT("GET")) || plait_slice_equal(method, PLAIT_LIT("HEAD")) ||
           plait_slice_equal(method, PLAIT_LIT("OPTIONS"));
}

plait_slice plait_request_target(const struct plait_request *req)
{
    return plait_slice_of(req->base + req->head.target, req->head.target_len);
}

plait_slice plait_request_path(const struct plait_request *req)
{
    return req->path;
}

plait_slice plait_request_rest(const struct plait_request *req)
{
    return req->rest;
}

plait_slice plait_request_query(const struct plait_request *req)
{
    return req->query;
}

plait_slice plait_request_host(const struct plait_request *req)
{
    return req->host;
}

plait_slice plait_request_field(const struct plait_request *req, const char *name)
{
    return plait__http1_head_field(&req->head, req->base, plait_slice_text(name));
}

size_t plait_request_field_count(const struct plait_request *req)
{
    return req->head.count;
}

void plait_request_field_at(const struct plait_request *req, size_t i, plait_slice *name, plait_slice *value)
{
    const struct plait__http1_field *f = &req->head.field[i < req->head.count ? i : 0];
    bool there = i < req->head.count;
    *name = there ? plait_slice_of(req->base + f->name, f->name_len) : plait_slice_of(NULL, 0);
    *value = there ? plait_slice_of(req->base + f->value, f->value_len) : plait_slice_of(NULL, 0);
}

int plait_request_version(const struct plait_request *req)
{
    return req->version;
}

uint64_t plait_request_length(const struct plait_request *req)
{
    if (req->body_kind == PLAIT__HB_NONE || req->as_get)
        return 0;
    return req->head.has_length ? req->head.length : PLAIT_LENGTH_UNKNOWN;
}

struct plait_reactor *plait_request_reactor(const struct plait_request *req)
{
    return req->web->reactor;
}

void plait_request_peer(const struct plait_request *req, struct plait_address *out)
{
    memset(out, 0, sizeof(*out));
    if (req->inner)
        *out = req->inner->peer;
    else if (req->stream)
        plait_stream_peer(req->stream, out);
}

void plait__request_local(const struct plait_request *req, struct plait_address *out)
{
    memset(out, 0, sizeof(*out));
    if (req->inner)
        *out = req->inner->local;
    else if (req->stream)
        plait_stream_local(req->stream, out);
}

const struct plait_tls_info *plait_request_tls(const struct plait_request *req)
{
    if (req->inner)
        return req->inner->secure ? &req->inner->tls : NULL;
    return req->stream ? plait_stream_tls(req->stream) : NULL;
}

/* One "name=value" of a query, decoded into memory of the request when the name is the one. */
static bool arg_is(struct plait_request *req, plait_slice pair, plait_slice name, plait_slice *value)
{
    size_t equals = plait_slice_find_byte(pair, '=', 0);
    plait_slice key = plait_slice_sub(pair, 0, equals < pair.len ? equals : pair.len);
    plait_slice text = equals < pair.len ? plait_slice_sub(pair, equals + 1, pair.len) : plait_slice_of(NULL, 0);
    uint8_t small[256];
    size_t len;
    if (key.len > sizeof(small) || plait_percent_decode(key, true, small, &len) != PLAIT_OK ||
        !plait_slice_equal(plait_slice_of(small, len), name))
        return false;
    uint8_t *out = plait_request_memory(req, text.len + 1);
    if (!out || plait_percent_decode(text, true, out, &len) != PLAIT_OK)
        return false;
    *value = plait_slice_of(out, len);
    return true;
}

bool plait_request_arg(struct plait_request *req, const char *name, plait_slice *value)
{
    plait_slice query = req->query;
    size_t at = 0;
    while (at < query.len) {
        size_t end = plait_slice_find_byte(query, '&', at);
        if (end == SIZE_MAX)
            end = query.len;
        if (arg_is(req, plait_slice_sub(query, at, end), plait_slice_text(name), value))
            return true;
        at = end + 1;
    }
    return false;
}

void plait_request_gone(struct plait_request *req, plait_request_fn fn, void *ctx)
{
    req->gone_fn = fn;
    req->gone_ctx = ctx;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void log_access(const struct plait_request *req)
{
    const struct plait_http_options *options = &req->service->options;
    struct plait_http_access access = {.request = req,
                                       .status = req->status,
                                       .body_bytes = req->reply_bytes,
                                       .took = plait_now(req->web->reactor) - req->began,
                                       .complete = req->complete};
    options->log(&access, options->log_ctx);
}

void plait__http_answered(struct plait_request *req, bool complete)
{
    plait_metric_add(&req->web->requests, req->inner ? 0 : 1);
    req->complete = complete && req->carrier;
    plait__filters_done(req);
    if (req->service->options.log && !req->inner)
        log_access(req);
    if (req->carrier)
        req->ops->answered(req);
    else
        plait__request_free(req);
}

void plait__http_break(struct plait_request *req, plait_err err, const char *detail)
{
    req->ops->abandon(req, err, detail);
    req->carrier = NULL;
    req->stream = NULL;
}

void plait_request_drop(struct plait_request *req)
{
    if (req->carrier)
        plait__http_break(req, PLAIT_ECANCELLED, "the request was dropped");
    plait__http_answered(req, false);
}
