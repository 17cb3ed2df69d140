/* SPDX-License-Identifier: MIT
 *
 * An answer that a cache has: its fields as far as they go to others, what it says to caches, what its choice depends
 * on (Vary), and its body in pieces that may still come while others read.
 *
 * Invariant: a piece lives as long as somebody can still reach it; what an entry says does not change while its body
 * comes. Test: tests/web/test_cache.c.
 */
#include "base/timefmt.h"
#include "web/cache_core.h"

enum { PIECE = 16384, LINES_MAX = 32768 };

/* --- pieces ------------------------------------------------------------------------------------------------------- */

void plait__cache_piece_unref(struct plait__cache_entry *e, struct plait__cache_piece *piece)
{
    while (piece && --piece->refs == 0) {
        struct plait__cache_piece *next = piece->next;
        e->held -= piece->len;
        plait_mem_free(piece);
        piece = next;
    }
}

void plait__cache_entry_let_go(struct plait__cache_entry *e)
{
    struct plait__cache_piece *first = e->first;
    e->keeps = false;
    e->first = NULL;
    plait__cache_piece_unref(e, first);
}

static void *take_memory(struct plait__cache *c, size_t bytes)
{
    void *made = plait_mem_resize(&c->budget, NULL, bytes);
    while (!made && plait__cache_evict(c))
        made = plait_mem_resize(&c->budget, NULL, bytes);
    return made;
}

/* What is kept counts in the cache; what only passes through, as any answer. */
static struct plait__cache_piece *new_piece(struct plait__cache_entry *e, size_t len)
{
    const bool grows = e->keeps && e->length == PLAIT_LENGTH_UNKNOWN && len < PIECE;
    const size_t bytes = sizeof(struct plait__cache_piece) + (grows ? PIECE : len);
    struct plait__cache_piece *piece = e->keeps
                                           ? take_memory(e->cache, bytes)
                                           : plait_mem_resize(plait_reactor_budget(e->cache->reactor), NULL, bytes);
    if (piece)
        *piece = (struct plait__cache_piece){.refs = 1, .len = len, .cap = grows ? PIECE : len};
    return piece;
}

static bool add_piece(struct plait__cache_entry *e, plait_slice bytes)
{
    struct plait__cache_piece *piece = new_piece(e, bytes.len), *last = e->last;
    if (!piece)
        return false;
    memcpy(piece->bytes, bytes.ptr, bytes.len);
    e->held += bytes.len;
    e->last = piece;
    if (last) {
        last->next = piece;
        piece->refs++;
        plait__cache_piece_unref(e, last);
    } else {
        e->first = piece;
        piece->refs++;
    }
    return true;
}

bool plait__cache_entry_append(struct plait__cache_entry *e, plait_slice piece)
{
    struct plait__cache_piece *last = e->last;
    size_t room = last ? last->cap - last->len : 0;
    room = room < piece.len ? room : piece.len;
    if (room) {
        memcpy(last->bytes + last->len, piece.ptr, room);
        last->len += room;
        e->held += room;
    }
    if (room < piece.len && !add_piece(e, plait_slice_sub(piece, room, piece.len))) {
        if (room) {
            last->len -= room; /* it comes again, or never */
            e->held -= room;
        }
        return false;
    }
    e->bytes += piece.len;
    return true;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct plait__cache_entry *plait__cache_entry_new(struct plait__cache *c)
{
    struct plait__cache_entry *e = take_memory(c, sizeof(*e));
    if (!e)
        return NULL;
    memset(e, 0, sizeof(*e));
    e->refs = 1;
    e->cache = c;
    c->refs++;
    plait__list_init(&e->link);
    plait__list_init(&e->sibling);
    plait_buf_init(&e->fields, &c->budget, LINES_MAX);
    plait_buf_init(&e->type, &c->budget, LINES_MAX);
    plait_buf_init(&e->vary, &c->budget, LINES_MAX);
    e->keeps = true;
    return e;
}

struct plait__cache_entry *plait__cache_entry_ref(struct plait__cache_entry *e)
{
    e->refs++;
    return e;
}

void plait__cache_entry_unref(struct plait__cache_entry **entry)
{
    struct plait__cache_entry *e = *entry;
    *entry = NULL;
    if (!e || --e->refs > 0)
        return;
    struct plait__cache *c = e->cache;
    plait__cache_entry_let_go(e);
    plait__cache_piece_unref(e, e->last);
    plait_buf_deinit(&e->fields);
    plait_buf_deinit(&e->type);
    plait_buf_deinit(&e->vary);
    plait_mem_free(e);
    plait__cache_unref(c);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

bool plait__cache_line(plait_slice *lines, plait_slice *name, plait_slice *value)
{
    const size_t end = plait_slice_find(*lines, PLAIT_LIT("\r\n"), 0), colon = plait_slice_find_byte(*lines, ':', 0);
    if (end == SIZE_MAX)
        return false;
    *name = plait_slice_sub(*lines, 0, colon);
    *value = plait_slice_sub(*lines, colon + 2, end);
    *lines = plait_slice_sub(*lines, end + 2, lines->len);
    return true;
}

static void put_line(struct plait_buf *out, plait_slice name, plait_slice value)
{
    plait_buf_put(out, name);
    plait_buf_put(out, PLAIT_LIT(": "));
    plait_buf_put(out, value);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static plait_slice line_of(plait_slice lines, const char *wanted)
{
    plait_slice name, value;
    while (plait__cache_line(&lines, &name, &value)) {
        if (plait_slice_equal_nocase(name, plait_slice_text(wanted)))
            return value;
    }
    return plait_slice_of(NULL, 0);
}

plait_slice plait__cache_entry_field(const struct plait__cache_entry *e, const char *name)
{
    return line_of(plait_buf_slice(&e->fields), name);
}

static bool is_one_of(plait_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(names[i])))
            return true;
    }
    return false;
}

/* What is of a connection, or ours to say (RFC 9111 section 3.1). */
static bool stays_here(plait_slice name)
{
    static const char *const names[] = {"connection",
                                        "proxy-authenticate",
                                        "proxy-authentication-info",
                                        "proxy-authorization",
                                        "proxy-connection",
                                        "keep-alive",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "age"};
    return is_one_of(name, names, sizeof names / sizeof names[0]);
}

/* What a 304 does not change: how the body is framed and coded (section 3.2). */
static bool is_of_body(plait_slice name)
{
    static const char *const names[] = {"content-length", "content-encoding", "content-type", "content-range"};
    return is_one_of(name, names, sizeof names / sizeof names[0]);
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

int64_t plait__cache_wall(const struct plait__cache *c)
{
    int64_t now;
    uint32_t nanoseconds;
    plait_wall_clock(c->reactor, &now, &nanoseconds);
    return now;
}

static int64_t read_date(plait_slice text, int64_t now, int64_t otherwise)
{
    int64_t date;
    return text.ptr && plait__parse_http_date(text, now, &date) == PLAIT_OK ? date : otherwise;
}

/* Section 4.2.3, with the time on the way counted as none: handlers are near. */
static void read_facts(struct plait__cache_entry *e)
{
    struct plait__cache_facts *f = &e->facts;
    plait_slice lines = plait_buf_slice(&e->fields), name, value;
    struct plait__cache_control targeted;
    size_t expiries = 0;
    bool sound = true;
    plait__cache_control_init(&f->cc);
    plait__cache_control_init(&targeted);
    while (plait__cache_line(&lines, &name, &value)) {
        if (plait_slice_equal_nocase(name, PLAIT_LIT("cache-control")))
            plait__cache_control_add(&f->cc, value);
        if (plait_slice_equal_nocase(name, PLAIT_LIT("cdn-cache-control"))) {
            plait__cache_control_add(&targeted, value);
            sound &= plait__cache_control_is_targeted(value);
        }
        expiries += plait_slice_equal_nocase(name, PLAIT_LIT("expires"));
    }
    const plait_slice expires = plait__cache_entry_field(e, "expires");
    targeted.any &= sound;
    e->came = plait__cache_wall(e->cache);
    f->status = e->status;
    f->date = read_date(plait__cache_entry_field(e, "date"), e->came, e->came);
    f->has_expires = expires.ptr != NULL && !targeted.any;
    f->cc = targeted.any ? targeted : f->cc; /* RFC 9213: it takes the place of what is said to everybody */
    f->expires = expiries > 1 ? 0 : read_date(expires, e->came, 0); /* several are none (section 5.3) */
    f->modified = read_date(plait__cache_entry_field(e, "last-modified"), e->came, -1);
    f->has_tag = plait__cache_entry_field(e, "etag").ptr != NULL;
    e->age = e->came > f->date ? e->came - f->date : 0;
    e->age = e->told_age > e->age ? e->told_age : e->age;
    e->lifetime = plait__cache_lifetime(f, e->cache->options.heuristic_percent);
}

int64_t plait__cache_entry_age(const struct plait__cache_entry *e, int64_t now)
{
    return e->age + (now > e->came ? now - e->came : 0);
}

/* What a request has under a name: the values of all its fields. */
static void put_asked(struct plait_buf *out, const struct plait_request *req, plait_slice wanted)
{
    bool first = true;
    plait_buf_put(out, wanted);
    plait_buf_put(out, PLAIT_LIT(": "));
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (!plait_slice_equal_nocase(name, wanted))
            continue;
        plait_buf_put_text(out, first ? "" : ", ");
        plait_buf_put(out, value);
        first = false;
    }
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static bool asks_the_same(const struct plait_request *req, plait_slice wanted, plait_slice expected)
{
    bool first = true;
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (!plait_slice_equal_nocase(name, wanted))
            continue;
        if (!first && !plait_slice_starts(expected, PLAIT_LIT(", ")))
            return false;
        expected = plait_slice_sub(expected, first ? 0 : 2, expected.len);
        if (!plait_slice_starts(expected, value))
            return false;
        expected = plait_slice_sub(expected, value.len, expected.len);
        first = false;
    }
    return expected.len == 0;
}

bool plait__cache_entry_serves(const struct plait__cache_entry *e, const struct plait_request *req)
{
    plait_slice lines = plait_buf_slice(&e->vary), name, value;
    bool same = !e->vary_all;
    while (same && plait__cache_line(&lines, &name, &value))
        same = asks_the_same(req, name, value);
    return same;
}

static void read_vary(struct plait__cache_entry *e, const struct plait_request *req)
{
    plait_slice lines = plait_buf_slice(&e->fields), name, value;
    plait_buf_clear(&e->vary);
    e->vary_all = false;
    while (plait__cache_line(&lines, &name, &value)) {
        struct plait_scan scan = plait_scan_of(value);
        plait_slice element;
        while (plait_slice_equal_nocase(name, PLAIT_LIT("vary")) && !plait_scan_done(&scan)) {
            if (!plait_scan_until(&scan, ',', &element)) {
                element = plait_scan_rest(&scan);
                scan.at = scan.end;
            }
            (void)plait_scan_byte(&scan, ',');
            element = plait_slice_trim(element);
            e->vary_all |= plait_slice_equal(element, PLAIT_LIT("*"));
            if (element.len)
                put_asked(&e->vary, req, element);
        }
    }
}

/* Appends the fields of an answer that go to others. */
static void put_fields(struct plait_buf *out, const struct plait_request *inner, bool of_body)
{
    plait_slice lines = plait_buf_slice(&inner->fields), name, value;
    while (plait__cache_line(&lines, &name, &value)) {
        if (!stays_here(name) && (of_body || !is_of_body(name)))
            put_line(out, name, value);
    }
}

static void read_told_age(struct plait__cache_entry *e, const struct plait_request *inner)
{
    const plait_slice text = line_of(plait_buf_slice(&inner->fields), "age");
    if (!text.ptr || !plait__cache_age(text, &e->told_age))
        e->told_age = 0;
}

static bool take(struct plait__cache_entry *e, const struct plait_request *inner, const struct plait_reply_head *head)
{
    plait_buf_clear(&e->fields);
    plait_buf_clear(&e->type);
    put_fields(&e->fields, inner, true);
    plait_buf_put(&e->type, head->type);
    plait_buf_put_u8(&e->type, 0);
    read_vary(e, inner);
    return !e->fields.err && !e->type.err && !e->vary.err;
}

bool plait__cache_entry_take(struct plait__cache_entry *e, const struct plait_request *inner,
                             const struct plait_reply_head *head)
{
    e->status = head->status;
    e->length = head->length;
    e->error_page = head->error_page;
    while (!take(e, inner, head)) {
        if (!plait__cache_evict(e->cache))
            return false;
    }
    read_told_age(e, inner);
    read_facts(e);
    return true;
}

bool plait__cache_entry_freshen(struct plait__cache_entry *e, const struct plait_request *inner)
{
    const plait_slice update = plait_buf_slice(&inner->fields);
    plait_slice lines = plait_buf_slice(&e->fields), name, value;
    struct plait_buf fields;
    plait_buf_init(&fields, &e->cache->budget, LINES_MAX);
    while (plait__cache_line(&lines, &name, &value)) {
        plait_slice rest = update, other, ignored;
        bool replaced = false;
        while (!replaced && !is_of_body(name) && plait__cache_line(&rest, &other, &ignored))
            replaced = plait_slice_equal_nocase(name, other);
        if (!replaced)
            put_line(&fields, name, value);
    }
    put_fields(&fields, inner, false);
    if (fields.err) {
        plait_buf_deinit(&fields);
        return false;
    }
    plait_buf_deinit(&e->fields);
    e->fields = fields;
    read_told_age(e, inner);
    read_facts(e);
    return true;
}
