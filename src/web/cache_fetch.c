/* SPDX-License-Identifier: MIT
 *
 * Fetches of what a cache does not have, or has to ask about: one inner request for all who wait for the same. When its
 * head comes it is seen who of them it is for; they read its body as it comes, and others begin anew. What may not be
 * kept goes to the one who began it.
 *
 * Invariant: a visit is on the list of at most one fetch, and off it when its request is over; a fetch ends with its
 * inner request, and what it was for is kept only when that ended whole. Test: tests/web/test_cache.c.
 */
#include "web/cache_core.h"

#include "base/timefmt.h"

enum { HEAD_BYTES = PLAIT__HTTP1_HEAD_MAX, AHEAD_MAX = 262144 };

struct plait__cache_fetch {
    size_t refs; /* its inner request, and calls under way */
    struct plait__cache *cache;
    struct plait_request *inner;      /* NULL: over */
    struct plait__cache_entry *stale; /* that it asks about */
    struct plait__cache_entry *entry; /* being fetched; NULL before the head */
    struct plait__list visits;
    struct plait_soon left; /* looks whether somebody still waits */
    bool listed;            /* others may join */
    bool asks;              /* conditional */
    bool background, authorized, full, out_of_memory;
    size_t key_len;
    uint8_t key[];
};

static plait_slice key_of(const struct plait__cache_fetch *f)
{
    return plait_slice_of(f->key, f->key_len);
}

static void unlist(struct plait__cache_fetch *f)
{
    if (f->listed)
        (void)plait__table_remove(&f->cache->fetches, key_of(f));
    f->listed = false;
}

/* Nobody waits any more. What is to be kept is fetched all the same: it is not much, and somebody may come. */
static void on_left(void *ctx)
{
    struct plait__cache_fetch *f = ctx;
    const bool wanted = f->entry && f->entry->keeps;
    if (f->inner && plait__list_empty(&f->visits) && !wanted)
        plait__inner_leave(f->inner);
}

static void fetch_unref(struct plait__cache_fetch *f)
{
    if (--f->refs > 0)
        return;
    struct plait__cache *c = f->cache;
    plait_soon_cancel(&f->left);
    unlist(f);
    plait__cache_entry_unref(&f->stale);
    plait__cache_entry_unref(&f->entry);
    plait_mem_free(f);
    plait__cache_unref(c);
}

/* --- visits ------------------------------------------------------------------------------------------------------- */

/* Takes every visit off, and hands it to `what`. Some of them may end, and new ones may come, before it returns. */
static void each_visit(struct plait__cache_fetch *f,
                       void (*what)(struct plait__cache_fetch *, struct plait__cache_visit *))
{
    struct plait__list taken;
    plait__list_init(&taken);
    while (!plait__list_empty(&f->visits)) {
        struct plait__list *first = f->visits.next;
        plait__list_remove(first);
        plait__list_add_tail(&taken, first);
    }
    while (!plait__list_empty(&taken)) {
        struct plait__cache_visit *v = plait__container(taken.next, struct plait__cache_visit, link);
        plait__list_remove(&v->link);
        plait__list_add_tail(&f->visits, &v->link);
        what(f, v);
    }
}

static void part(struct plait__cache_visit *v)
{
    plait__list_remove(&v->link);
    v->fetch = NULL;
}

/* Whoever waited for something that is not for him. */
static void send_away(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    (void)f;
    part(v);
    plait__cache_again(v);
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

static bool is_error(int status)
{
    return status == 500 || (status >= 502 && status <= 504);
}

/* RFC 5861 section 4. */
static bool may_serve_after_error(const struct plait__cache_entry *e, const struct plait__cache_visit *v)
{
    const int64_t stale = plait__cache_entry_age(e, plait__cache_wall(e->cache)) - e->lifetime;
    const int64_t own = e->facts.cc.stale_if_error, asked = v->cc.stale_if_error;
    return plait__cache_may_be_stale(&e->facts.cc) && (stale <= own || stale <= asked);
}

static void answer_stale(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    struct plait__cache_entry *stale = f->stale;
    const bool confirmed = f->asks && v->fwd_status == 304;
    if (!plait__cache_entry_serves(stale, v->req)) {
        send_away(f, v);
    } else if (confirmed || may_serve_after_error(stale, v)) {
        part(v);
        plait__cache_answer(v, stale);
    }
}

static void note_confirmed(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    v->fwd_status = 304;
    answer_stale(f, v);
}

/* What came is for those who asked for the same choice; what is not to be kept, for one. */
static void answer_fresh(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    const bool kept = f->entry->keeps;
    if (!v->led && (!kept || !plait__cache_entry_serves(f->entry, v->req))) {
        v->alone = !kept;
        send_away(f, v);
        return;
    }
    v->fwd_status = f->entry->status;
    v->stored = kept;
    plait__cache_answer(v, f->entry);
}

/* A 304 to a condition of ours. */
static void confirmed(struct plait__cache_fetch *f, struct plait_request *inner)
{
    const plait_slice tag = plait_reply_field_of(inner, "etag");
    const plait_slice own = plait__cache_entry_field(f->stale, "etag");
    const bool same = !tag.ptr || !own.ptr || plait_slice_equal(tag, own);
    if (same && plait__cache_entry_freshen(f->stale, inner)) {
        each_visit(f, note_confirmed);
    } else {
        plait__cache_remove(f->stale); /* it is of something else */
        each_visit(f, send_away);
    }
}

/* Whether a new answer is to be kept. One that is never fresh and can't be asked about is of no use. */
static bool is_worth_it(const struct plait__cache_fetch *f)
{
    const struct plait__cache_entry *e = f->entry;
    const struct plait__cache_facts *facts = &e->facts;
    const uint64_t most = f->cache->options.entry_max;
    if (!plait__cache_may_store(facts, f->authorized) || e->vary_all)
        return false;
    if (e->length != PLAIT_LENGTH_UNKNOWN && e->length > most)
        return false;
    return e->lifetime > e->age || facts->has_tag || facts->modified >= 0 || facts->cc.stale_if_error > 0 ||
           facts->cc.stale_while_revalidate > 0;
}

/* What there was is no more, and what there is can't be kept. */
static void not_kept(struct plait__cache_fetch *f)
{
    plait__cache_note_pass(f->cache, key_of(f));
    if (f->stale)
        plait__cache_remove(f->stale);
}

static void on_head(struct plait_request *inner, const struct plait_reply_head *head, void *ctx)
{
    struct plait__cache_fetch *f = ctx;
    f->refs++;
    unlist(f);
    if (f->asks && head->status == 304) {
        confirmed(f, inner);
        fetch_unref(f);
        return;
    }
    if (f->stale && is_error(head->status))
        each_visit(f, answer_stale);
    f->entry = plait__cache_entry_new(f->cache);
    if (!f->entry || !plait__cache_entry_take(f->entry, inner, head)) {
        plait__cache_entry_unref(&f->entry);
        f->out_of_memory = true; /* they are told at its end */
        fetch_unref(f);
        return;
    }
    if (!is_worth_it(f)) {
        plait__cache_entry_let_go(f->entry);
        if (!is_error(head->status))
            not_kept(f);
    }
    each_visit(f, answer_fresh);
    fetch_unref(f);
}

/* --- the body ----------------------------------------------------------------------------------------------------- */

static void pump(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    (void)f;
    plait__cache_pump(v);
}

static void on_body(struct plait_request *inner, plait_slice piece, void *ctx)
{
    struct plait__cache_fetch *f = ctx;
    struct plait__cache_entry *e = f->entry;
    (void)inner;
    if (!e || e->broken)
        return;
    if (e->keeps && e->bytes + piece.len > f->cache->options.entry_max)
        plait__cache_entry_let_go(e);
    bool there = plait__cache_entry_append(e, piece);
    if (!there && e->keeps) {
        plait__cache_entry_let_go(e);
        there = plait__cache_entry_append(e, piece);
    }
    e->broken = !there;
    f->refs++;
    each_visit(f, pump);
    if (!e->keeps)
        plait__cache_entry_let_go(e); /* all who are to read it have begun */
    if (!e->keeps && plait__list_empty(&f->visits))
        plait_soon_queue(&f->left);
    fetch_unref(f);
}

static bool on_full(void *ctx)
{
    struct plait__cache_fetch *f = ctx;
    f->full = f->entry && !f->entry->keeps && f->entry->held > AHEAD_MAX;
    return f->full;
}

void plait__cache_went_on(struct plait__cache_fetch *f)
{
    if (!f->full || on_full(f))
        return;
    f->refs++;
    if (f->inner)
        plait__inner_room(f->inner);
    fetch_unref(f);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void finish(struct plait__cache_fetch *f, struct plait__cache_visit *v)
{
    const bool reads = v->entry != NULL;
    if (!reads && f->stale && may_serve_after_error(f->stale, v)) {
        answer_stale(f, v);
        return;
    }
    part(v);
    if (reads)
        plait__cache_pump(v);
    else
        plait__cache_fail(v, f->out_of_memory ? 503 : 502);
}

static void on_done(bool whole, void *ctx)
{
    struct plait__cache_fetch *f = ctx;
    struct plait__cache_entry *e = f->entry;
    unlist(f);
    if (e) {
        e->whole = whole && !e->broken;
        e->broken = !e->whole;
        if (e->whole && e->keeps) {
            e->length = e->bytes;
            plait__cache_put(f->cache, key_of(f), e, f->inner);
        }
    }
    f->inner = NULL;
    each_visit(f, finish);
    fetch_unref(f);
}

/* To those who wait already; it is not kept. */
static void on_interim(int status, plait_slice fields, void *ctx)
{
    const struct plait__cache_fetch *f = ctx;
    for (struct plait__list *at = f->visits.next; at != &f->visits; at = at->next) {
        struct plait_request *req = plait__container(at, struct plait__cache_visit, link)->req;
        if (req->carrier && req->version > 10 && req->phase == PLAIT__HR_OPEN)
            req->ops->interim(req, status, fields);
    }
}

static const struct plait__inner_ops inner_ops = {
    .head = on_head, .interim = on_interim, .body = on_body, .is_full = on_full, .done = on_done};

/* --- beginning ---------------------------------------------------------------------------------------------------- */

/* What an inner request does not take over: what frames or belongs to the connection, and conditions, which are
 * ours. */
static bool is_left_out(plait_slice name)
{
    static const char *const names[] = {"host",
                                        "connection",
                                        "keep-alive",
                                        "proxy-connection",
                                        "te",
                                        "transfer-encoding",
                                        "content-length",
                                        "content-type",
                                        "upgrade",
                                        "expect",
                                        "trailer",
                                        "range",
                                        "if-match",
                                        "if-none-match",
                                        "if-modified-since",
                                        "if-range",
                                        "http2-settings",
                                        "if-unmodified-since"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(names[i])))
            return true;
    }
    return false;
}

static void put_field(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_put_text(out, name);
    plait_buf_put(out, PLAIT_LIT(": "));
    plait_buf_put(out, value);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

/* Fields that belong to the client's connection, as it says itself (RFC 9110 section 7.6.1). */
static bool is_of_connection(const struct plait_request *req, plait_slice wanted)
{
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (plait_slice_equal_nocase(name, PLAIT_LIT("connection")) && plait__http1_list_has(value, wanted))
            return true;
    }
    return false;
}

static void write_head(struct plait_buf *out, const struct plait_request *req, const struct plait__cache_entry *stale)
{
    plait_buf_put(out, PLAIT_LIT("GET "));
    plait_buf_put(out, plait_request_target(req));
    plait_buf_put(out, PLAIT_LIT(" HTTP/1.1\r\n"));
    put_field(out, "Host", req->host);
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (is_left_out(name) || is_of_connection(req, name))
            continue;
        plait_buf_put(out, name);
        put_field(out, "", value);
    }
    const plait_slice tag = stale ? plait__cache_entry_field(stale, "etag") : plait_slice_of(NULL, 0);
    const plait_slice modified = stale ? plait__cache_entry_field(stale, "last-modified") : plait_slice_of(NULL, 0);
    if (tag.len)
        put_field(out, "If-None-Match", tag);
    if (modified.len)
        put_field(out, "If-Modified-Since", modified);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static bool begin(struct plait__cache_fetch *f, struct plait_request *outer)
{
    struct plait_buf head;
    plait_buf_init(&head, plait_reactor_budget(f->cache->reactor), HEAD_BYTES);
    write_head(&head, outer, f->asks ? f->stale : NULL);
    const plait_err err =
        head.err ? head.err : plait__inner_new(outer, plait_buf_slice(&head), &inner_ops, f, &f->inner);
    plait_buf_deinit(&head);
    return err == PLAIT_OK;
}

bool plait__cache_fetch(struct plait__cache_visit *v, struct plait__cache_entry *stale, bool background)
{
    struct plait__cache *c = v->cache;
    struct plait__cache_fetch *f = plait_mem_new(plait_reactor_budget(c->reactor), sizeof(*f) + v->key.len);
    if (!f)
        return false;
    f->refs = 2; /* its inner request, and this call */
    f->cache = c;
    c->refs++;
    plait__list_init(&f->visits);
    plait_soon_init(&f->left, c->reactor, "cache fetch", on_left, f);
    f->stale = stale ? plait__cache_entry_ref(stale) : NULL;
    f->asks = stale && (stale->facts.has_tag || stale->facts.modified >= 0) && stale->status == 200;
    f->background = background;
    f->authorized = v->authorized;
    f->key_len = v->key.len;
    memcpy(f->key, v->key.ptr, v->key.len);
    f->listed = !v->alone && plait__table_insert(&c->fetches, v->key, f) == PLAIT_OK;
    if (!begin(f, v->req)) {
        f->refs--;
        fetch_unref(f);
        return false;
    }
    if (!background) {
        v->fetch = f;
        v->led = true;
        plait__list_add_tail(&f->visits, &v->link);
    }
    plait_request_pass(f->inner);
    fetch_unref(f);
    return true;
}

bool plait__cache_join(struct plait__cache_visit *v)
{
    struct plait__cache_fetch *f = plait__table_find(&v->cache->fetches, v->key);
    if (!f)
        return false;
    v->fetch = f;
    v->collapsed = true;
    plait__list_add_tail(&f->visits, &v->link);
    return true;
}

void plait__cache_leave(struct plait__cache_visit *v)
{
    struct plait__cache_fetch *f = v->fetch;
    if (!f)
        return;
    part(v);
    if (plait__list_empty(&f->visits) && !f->background)
        plait_soon_queue(&f->left);
}
