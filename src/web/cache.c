/* SPDX-License-Identifier: MIT
 *
 * A response cache as a layer: what happens to a request. It is answered with an entry, waits for a fetch, or goes on
 * to who answers it, whose answer is then only looked at for what it changes. Test: tests/web/test_cache.c.
 *
 * Invariant: a visit lives in its request's memory and ends with it (visit_over); until then it has at most one of a
 * fetch that it waits for and an answer that it sends, or both while the body still comes.
 */
#include "web/cache_core.h"
#include "web/web_layer.h"

#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"

#include <stdio.h>

enum { ROUNDS_MAX = 4, MEMORY = 64 << 20, STATUS_BYTES = 160 };

/* --- the end of a visit ------------------------------------------------------------------------------------------- */

static void visit_over(struct plait_request *req, void *ctx)
{
    struct plait__cache_visit *v = ctx;
    struct plait__cache *c = v->cache;
    (void)req;
    v->req = NULL;
    v->reading = false;
    plait__cache_leave(v);
    if (v->at)
        plait__cache_piece_unref(v->entry, v->at);
    plait__cache_entry_unref(&v->entry);
    plait__cache_unref(c);
}

/* A client that only closed its own side gets its answer. */
static void on_gone(struct plait_request *req, void *ctx)
{
    if (req->carrier)
        plait_request_gone(req, on_gone, ctx);
    else
        plait_request_drop(req);
}

void plait__cache_fail(struct plait__cache_visit *v, int status)
{
    plait_reply_error(v->req, status, NULL);
}

/* --- Cache-Status (RFC 9211) and Age ------------------------------------------------------------------------------ */

static void put_status(struct plait__cache_visit *v, int64_t ttl)
{
    char text[STATUS_BYTES];
    int len;
    if (!v->fwd)
        len = snprintf(text, sizeof text, "plait; hit; ttl=%lld", (long long)ttl);
    else if (v->fwd_status)
        len = snprintf(text, sizeof text, "plait; fwd=%s; fwd-status=%d%s%s", v->fwd, v->fwd_status,
                       v->stored ? "; stored" : "", v->collapsed ? "; collapsed" : "");
    else
        len = snprintf(text, sizeof text, "plait; fwd=%s", v->fwd);
    (void)plait_reply_field(v->req, "Cache-Status", plait_slice_of(text, (size_t)len));
}

static void put_age(struct plait__cache_visit *v, const struct plait__cache_entry *e, int64_t age)
{
    char text[24];
    if (v->fwd && v->fwd_status != 304 && age == 0 && e->told_age == 0)
        return; /* it comes from who made it */
    const int len = snprintf(text, sizeof text, "%lld", (long long)age);
    (void)plait_reply_field(v->req, "Age", plait_slice_of(text, (size_t)len));
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Moves a reader to where bytes stand; false when there are none yet. */
static bool find_bytes(struct plait__cache_visit *v)
{
    struct plait__cache_entry *e = v->entry;
    if (!v->at && !e->first)
        return false;
    if (!v->at) {
        v->at = e->first;
        v->at->refs++;
    }
    for (;;) {
        const uint64_t here = v->at->len - v->offset;
        const size_t pass = v->skip < here ? (size_t)v->skip : (size_t)here;
        struct plait__cache_piece *before = v->at;
        v->offset += pass;
        v->skip -= pass;
        if (v->offset < before->len)
            return true;
        if (!before->next)
            return false;
        v->at = before->next;
        v->at->refs++;
        v->offset = 0;
        plait__cache_piece_unref(e, before);
    }
}

static void send_pieces(struct plait__cache_visit *v)
{
    while (v->left && !plait_reply_is_full(v->req) && find_bytes(v)) {
        const size_t here = v->at->len - v->offset, len = v->left < here ? (size_t)v->left : here;
        const plait_slice piece = plait_slice_of(v->at->bytes + v->offset, len);
        v->offset += len;
        if (v->left != PLAIT_LENGTH_UNKNOWN)
            v->left -= len;
        plait_reply_write(v->req, piece);
    }
}

static void go_on(struct plait__cache_visit *v)
{
    const struct plait__cache_entry *e = v->entry;
    send_pieces(v);
    if (e->whole && (v->left == 0 || !find_bytes(v))) {
        v->reading = false;
        plait_reply_end(v->req);
    } else if (e->broken && !find_bytes(v)) {
        v->reading = false;
        plait_request_drop(v->req);
    } else if (v->fetch) {
        plait__cache_went_on(v->fetch);
    }
}

void plait__cache_pump(struct plait__cache_visit *v)
{
    if (v->reading)
        go_on(v);
}

static void on_room(struct plait_request *req, void *ctx)
{
    (void)req;
    plait__cache_pump(ctx);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static bool is_content_field(plait_slice name)
{
    return name.len > 8 && plait_slice_equal_nocase(plait_slice_sub(name, 0, 8), PLAIT_LIT("content-")) &&
           !plait_slice_equal_nocase(name, PLAIT_LIT("content-location"));
}

/* RFC 9110 section 15.4.5: what describes a body does not go with 304. */
static bool put_fields(struct plait__cache_visit *v, const struct plait__cache_entry *e, bool body)
{
    plait_slice lines = plait_buf_slice(&e->fields), name, value;
    bool fine = true;
    while (fine && plait__cache_line(&lines, &name, &value)) {
        const bool dated = plait_slice_equal_nocase(name, PLAIT_LIT("date")); /* the server's own */
        if (!dated && (body || !is_content_field(name)))
            fine = plait__reply_put(v->req, name, value) == PLAIT_OK;
    }
    return fine;
}

/* The part of a whole answer that a request asks for. Returns the status. */
static int choose_range(struct plait__cache_visit *v, const struct plait__cache_entry *e, plait_slice tag)
{
    const plait_slice field = plait_request_field(v->req, "range");
    struct plait__http_range range[PLAIT__HTTP_RANGES];
    char text[80];
    if (!field.ptr || !e->whole || e->status != 200 || v->req->head_only ||
        !plait__http_range_holds(v->req, tag, e->facts.modified, plait__cache_wall(v->cache)))
        return e->status;
    const int count = plait__http_ranges(field, e->length, range);
    if (count == 0 || count > 1)
        return e->status; /* several: all of it does as well (RFC 9110 section 14.2) */
    if (count < 0) {
        (void)snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)e->length);
        (void)plait_reply_field(v->req, "Content-Range", plait_slice_text(text));
        return 416;
    }
    v->skip = range[0].from;
    v->left = range[0].bytes;
    (void)snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)v->skip,
                   (unsigned long long)(v->skip + v->left - 1), (unsigned long long)e->length);
    (void)plait_reply_field(v->req, "Content-Range", plait_slice_text(text));
    return 206;
}

static void send_entry(struct plait__cache_visit *v, const struct plait__cache_entry *e, int status)
{
    const char *type = (const char *)plait_buf_slice(&e->type).ptr;
    v->req->error_page = e->error_page;
    v->reading = true;
    plait_reply_room(v->req, on_room, v);
    plait_reply_begin(v->req, status, *type ? type : NULL, v->left);
    if (v->req->no_body)
        v->left = 0;
    plait__cache_pump(v);
}

void plait__cache_answer(struct plait__cache_visit *v, struct plait__cache_entry *e)
{
    const int64_t now = plait__cache_wall(v->cache), age = plait__cache_entry_age(e, now);
    const plait_slice tag = plait__cache_entry_field(e, "etag");
    v->entry = plait__cache_entry_ref(e);
    v->left = e->whole ? e->bytes : e->length;
    const int64_t modified = e->facts.modified >= 0 ? e->facts.modified : e->facts.date; /* section 4.3.2 */
    const int judged = e->status == 200 ? plait__http_judge(v->req, tag, modified, now) : 0;
    const int status = judged ? judged : choose_range(v, e, tag);
    const bool own = status == e->status || status == 206; /* its body, or a part */
    if (plait__reply_date(v->req, e->facts.date) != PLAIT_OK || !put_fields(v, e, own)) {
        plait__cache_fail(v, 503);
        return;
    }
    put_age(v, e, age);
    put_status(v, e->lifetime - age);
    plait_metric_add(v->fwd ? &v->cache->misses : &v->cache->hits, 1);
    if (status == 304)
        plait_reply(v->req, 304, NULL, plait_slice_of(NULL, 0));
    else if (status == 412 || status == 416)
        plait_reply_error(v->req, status, NULL);
    else
        send_entry(v, e, status);
}

/* --- going on ----------------------------------------------------------------------------------------------------- */

static void forget_url(struct plait__cache_visit *v, plait_slice text)
{
    const size_t host = plait_slice_find(v->key, PLAIT_LIT("://"), 0) + 3;
    const size_t path = plait_slice_find_byte(v->key, '/', host);
    char key[1024];
    plait_slice origin = plait_slice_sub(v->key, 0, path), rest = text;
    if (text.len >= origin.len && plait_slice_equal_nocase(plait_slice_sub(text, 0, origin.len), origin))
        rest = plait_slice_sub(text, origin.len, text.len);
    if (rest.len == 0 || rest.ptr[0] != '/' || plait_slice_starts(rest, PLAIT_LIT("//")) ||
        origin.len + rest.len > sizeof key)
        return;
    memcpy(key, origin.ptr, origin.len);
    memcpy(key + origin.len, rest.ptr, rest.len);
    plait__cache_forget(v->cache, plait_slice_of(key, origin.len + rest.len));
}

/* RFC 9111 section 4.4. */
static void forget_what_changed(struct plait__cache_visit *v, int status)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++) {
        if (plait_slice_equal(plait_request_method(v->req), plait_slice_text(safe[i])))
            return;
    }
    if (status < 200 || status > 399)
        return;
    plait__cache_forget(v->cache, v->key);
    forget_url(v, plait_reply_field_of(v->req, "location"));
    forget_url(v, plait_reply_field_of(v->req, "content-location"));
}

static bool passed_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    struct plait__cache_visit *v = ctx;
    (void)req;
    if (!v->passing)
        return false;
    v->fwd_status = head->status;
    put_status(v, 0);
    forget_what_changed(v, head->status);
    return false;
}

static const struct plait_filter watcher = {.head = passed_head, .done = visit_over};

static void pass(struct plait__cache_visit *v, const char *why)
{
    v->passing = true;
    v->fwd = why;
    plait_metric_add(&v->cache->misses, 1);
    plait_request_pass(v->req);
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */

static bool is_stale_while_asking(const struct plait__cache_visit *v, const struct plait__cache_entry *e, int64_t age)
{
    const struct plait__cache_control *own = &e->facts.cc, *asked = &v->cc;
    return plait__cache_may_be_stale(own) && !asked->no_cache && asked->min_fresh < 0 &&
           (asked->max_age < 0 || age <= asked->max_age) && age - e->lifetime <= own->stale_while_revalidate;
}

/* Answers with what there is, if that does. */
static bool try_entry(struct plait__cache_visit *v, struct plait__cache_entry *e)
{
    const int64_t age = plait__cache_entry_age(e, plait__cache_wall(v->cache));
    if (v->authorized && !plait__cache_is_shared(&e->facts.cc))
        return false;
    if (plait__cache_suffices(&e->facts.cc, &v->cc, age, e->lifetime)) {
        plait__cache_answer(v, e);
        return true;
    }
    if (!is_stale_while_asking(v, e, age))
        return false;
    (void)plait__cache_entry_ref(e);
    if (!plait__table_find(&v->cache->fetches, v->key))
        (void)plait__cache_fetch(v, e, true); /* without it the next one asks */
    plait__cache_answer(v, e);
    plait__cache_entry_unref(&e);
    return true;
}

static void decide(struct plait__cache_visit *v)
{
    struct plait_request *req = v->req;
    struct plait__cache_entry *e = plait__cache_find(v->cache, v->key, req);
    v->fwd = NULL;
    v->fwd_status = 0;
    v->led = v->stored = v->collapsed = false;
    if (e && try_entry(v, e))
        return;
    v->fwd = e ? v->cc.no_cache || v->cc.max_age >= 0 ? "request" : "stale" : "uri-miss";
    if (v->cc.only_if_cached) {
        plait_reply_error(req, 504, "Only what is in the cache was asked for, and it is not there.");
        return;
    }
    v->alone |= v->authorized || plait__cache_passes(v->cache, v->key);
    if (req->head_only || (!e && plait_request_field(req, "range").ptr) || v->rounds > ROUNDS_MAX)
        pass(v, v->fwd);
    else if (!(!v->alone && plait__cache_join(v)) && !plait__cache_fetch(v, e, false))
        pass(v, v->fwd);
}

void plait__cache_again(struct plait__cache_visit *v)
{
    v->rounds++;
    decide(v);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static bool make_key(struct plait__cache_visit *v)
{
    const plait_slice host = v->req->host, scheme = plait_request_tls(v->req) ? PLAIT_LIT("https") : PLAIT_LIT("http");
    plait_slice target = plait_request_target(v->req);
    if (target.ptr[0] != '/') {
        const size_t authority = plait_slice_find(target, PLAIT_LIT("://"), 0);
        size_t end = authority == SIZE_MAX ? target.len : authority + 3;
        while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?')
            end++;
        target = plait_slice_sub(target, end, target.len);
    }
    uint8_t *key = plait_request_memory(v->req, scheme.len + host.len + target.len + 4);
    if (!key)
        return false;
    memcpy(key, scheme.ptr, scheme.len);
    memcpy(key + scheme.len, "://", 3);
    size_t len = scheme.len + 3;
    for (size_t i = 0; i < host.len; i++)
        key[len++] = plait__lower(host.ptr[i]);
    if (target.len == 0 || target.ptr[0] != '/')
        key[len++] = '/';
    if (target.len)
        memcpy(key + len, target.ptr, target.len);
    v->key = plait_slice_of(key, len + target.len);
    return true;
}

/* RFC 9111 section 5.4: Pragma counts where nothing else is said. */
static void read_control(struct plait__cache_visit *v)
{
    bool pragma = false;
    plait__cache_control_init(&v->cc);
    for (size_t i = 0; i < plait_request_field_count(v->req); i++) {
        plait_slice name, value;
        plait_request_field_at(v->req, i, &name, &value);
        if (plait_slice_equal_nocase(name, PLAIT_LIT("cache-control")))
            plait__cache_control_add(&v->cc, value);
        pragma |=
            plait_slice_equal_nocase(name, PLAIT_LIT("pragma")) && plait__http1_list_has(value, PLAIT_LIT("no-cache"));
    }
    v->cc.no_cache |= pragma && !v->cc.any;
    v->authorized = plait_request_field(v->req, "authorization").ptr != NULL;
}

static bool is_for_caches(const struct plait_request *req)
{
    const plait_slice method = plait_request_method(req);
    return (plait_slice_equal(method, PLAIT_LIT("GET")) || req->head_only) && plait_request_length(req) == 0 &&
           !plait_request_field(req, "upgrade").ptr;
}

static void on_request(struct plait_request *req, void *ctx)
{
    struct plait__cache *c = ctx;
    struct plait__cache_visit *v = plait_request_memory(req, sizeof(*v));
    if (!v || plait_request_filter(req, &watcher, v) != PLAIT_OK) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    *v = (struct plait__cache_visit){.cache = c, .req = req};
    plait__list_init(&v->link);
    c->refs++;
    read_control(v);
    if (!make_key(v)) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    if (!is_for_caches(req)) {
        pass(v, "method");
    } else if (v->cc.no_store || req->as_get) { /* one that was sent on is kept under the name that it was asked by */
        pass(v, "bypass");
    } else {
        plait_request_gone(req, on_gone, v);
        decide(v);
    }
}

/* --- the layer ---------------------------------------------------------------------------------------------------- */

static void destroy(void *ctx)
{
    struct plait__cache *c = ctx;
    while (!plait__list_empty(&c->entries))
        plait__cache_remove(plait__container(c->entries.next, struct plait__cache_entry, link));
    plait__cache_unref(c);
}

static const struct plait_layer cache_layer = {.name = "cache", .request = on_request, .destroy = destroy};

static void count(struct plait__cache *c, struct plait_metric *metric, const char *name, const char *help)
{
    metric->name = name;
    metric->help = help;
    metric->unit = "";
    metric->labels = "";
    plait_metrics_add(plait_reactor_metrics(c->reactor), metric);
}

static void add_metrics(struct plait__cache *c)
{
    c->bytes.kind = PLAIT_GAUGE;
    count(c, &c->hits, "plait_cache_hits", "Requests that were answered from a cache.");
    count(c, &c->misses, "plait_cache_misses", "Requests that were forwarded by a cache.");
    count(c, &c->evicted, "plait_cache_evicted", "Answers that were forgotten to make room.");
    count(c, &c->bytes, "plait_cache_bytes", "Memory that caches hold.");
}

static plait_err cache_new(struct plait_resource *resource, const struct plait_cache_options *options,
                           struct plait__cache **out)
{
    const struct plait_cache_options none = {0}, *o = options ? options : &none;
    const size_t memory = o->memory ? o->memory : MEMORY;
    if (o->entry_max > memory || o->heuristic_percent > 100)
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct plait_reactor *r = plait__resource_reactor(resource);
    struct plait__cache *c = plait_mem_new(plait_reactor_budget(r), sizeof(*c));
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    c->refs = 1;
    c->reactor = r;
    c->options = *o;
    c->options.memory = memory;
    c->options.entry_max = o->entry_max ? o->entry_max : memory / 8;
    plait_budget_init(&c->budget, plait_reactor_budget(r), NULL, memory);
    plait__table_init(&c->slots, &c->budget, r->hash_key);
    plait__table_init(&c->fetches, plait_reactor_budget(r), r->hash_key);
    plait__list_init(&c->entries);
    add_metrics(c);
    *out = c;
    return PLAIT_OK;
}

plait_err plait_cache_wrap(struct plait_resource *resource, const struct plait_cache_options *options)
{
    struct plait__cache *c = NULL;
    const plait_err err = resource ? cache_new(resource, options, &c) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err) {
        plait__resource_fail(resource);
        return err;
    }
    return plait_resource_wrap(resource, &cache_layer, c);
}
