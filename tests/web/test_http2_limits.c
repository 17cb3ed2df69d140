/* SPDX-License-Identifier: MIT
 *
 * Limits and deadlines of HTTP/2: each is reached exactly, and passed by one. The clock is the test's own.
 */
#include "tests/web/http2_peer.h"

#include <plait/testing.h>

struct timed {
    struct world w;
    struct plait_testbed *bed;
};

static struct h2_peer p;
static struct plait_request *kept[200];
static size_t kept_count, gone_count;

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "hello");
}

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept[kept_count++] = req;
}

static void leave(struct plait_request *req, void *ctx)
{
    (void)ctx;
    gone_count++;
    plait_request_drop(req);
}

static void leave_when_gone(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_gone(req, leave, NULL);
}

static void take_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)piece;
    (void)ctx;
    if (end)
        plait_reply_text(req, 200, "taken");
}

static void take(struct plait_request *req, void *ctx)
{
    plait_request_gone(req, leave, NULL);
    assert_ok(plait_request_body(req, take_piece, ctx));
}

static void take_under_answer(struct plait_request *req, void *ctx)
{
    plait_request_gone(req, leave, NULL);
    assert_ok(plait_request_body(req, take_piece, ctx));
    plait_reply_begin(req, 200, NULL, PLAIT_LENGTH_UNKNOWN);
}

static void pause_in_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)piece;
    (void)end;
    (void)ctx;
    plait_request_pause(req);
}

static void take_and_pause(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, pause_in_piece, ctx));
}

static void give_much(struct plait_request *req, void *ctx)
{
    static const char block[100000];
    (void)ctx;
    plait_request_gone(req, leave, NULL);
    plait_reply_begin(req, 200, NULL, PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(req, plait_slice_of(block, sizeof block));
}

static void timed_open(struct timed *t, const struct plait_http_options *options)
{
    memset(t, 0, sizeof *t);
    kept_count = gone_count = 0;
    t->bed = plait_testbed_new(1);
    assert_non_null(t->bed);
    t->w.r = plait_testbed_reactor(t->bed);
    t->w.root = plait_resource_new(t->w.r);
    assert_ok(plait_resource_get(t->w.root, "hello", hello, NULL));
    assert_ok(plait_resource_on(t->w.root, "*", "keep", keep, NULL));
    assert_ok(plait_resource_get(t->w.root, "gone", leave_when_gone, NULL));
    assert_ok(plait_resource_on(t->w.root, "POST", "take", take, NULL));
    assert_ok(plait_resource_on(t->w.root, "POST", "under", take_under_answer, NULL));
    assert_ok(plait_resource_on(t->w.root, "POST", "pause", take_and_pause, NULL));
    assert_ok(plait_resource_get(t->w.root, "much", give_much, NULL));
    world_serve(&t->w, options);
    h2_open(&t->w, &p);
}

static void timed_close(struct timed *t)
{
    h2_close(&t->w, &p);
    while (kept_count)
        plait_request_drop(kept[--kept_count]);
    plait__http_service_unref(t->w.service);
    plait_sim_check_end(plait_testbed_sim(t->bed));
    assert_null(plait_sim_failure(plait_testbed_sim(t->bed)));
    plait_testbed_free(&t->bed);
}

static void advance(struct timed *t, plait_span span)
{
    plait_testbed_advance(t->bed, span);
    h2_spin(&t->w, &p);
}

/* --- how many ----------------------------------------------------------------------------------------------------- */

static void streams_at_once_are_limited(void **state)
{
    static const struct plait_http_options few = {.limits = {.streams = 3}};
    static const struct plait_http_options *const options[] = {&few, NULL};
    static const size_t max[] = {3, 100};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct timed t;
        uint32_t id = 1;
        timed_open(&t, options[i]);
        for (size_t n = 0; n < max[i]; n++, id += 2)
            h2_headers(&p, WHOLE, id, GET_FIELDS("/keep"));
        h2_send(&t.w, &p);
        assert_int_equal(kept_count, max[i]);
        assert_int_equal(p.goaway, -1);
        h2_headers(&p, WHOLE, id, GET_FIELDS("/keep"));
        h2_send(&t.w, &p);
        assert_int_equal(kept_count, max[i]);
        assert_int_equal(p.goaway, NGHTTP2_PROTOCOL_ERROR); /* our setting was acknowledged */
        timed_close(&t);
    }
}

static void requests_of_a_connection_are_limited(void **state)
{
    static const struct plait_http_options options = {.limits = {.requests = 3}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/hello"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/hello"));
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[2].status, 200);
    assert_int_equal(p.answer[3].status, 0);
    assert_int_equal(p.answer[3].reset, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(p.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(p.goaway_last, 5);
    assert_true(p.raw.ended);
    timed_close(&t);
}

static char fields[1 << 17];

/* Fields whose list (section 6.5.2) has `bytes`, with those of a GET. */
static const char *list_of(size_t bytes)
{
    const size_t fixed = (7 + 3 + 32) + (7 + 4 + 32) + (5 + 6 + 32) + (10 + 1 + 32);
    size_t left = bytes - fixed, len = (size_t)snprintf(fields, sizeof fields, "%s", GET_FIELDS("/hello"));
    while (left > 0) {
        const size_t step = left > 2000 ? 1000 : left;
        len += (size_t)snprintf(fields + len, sizeof fields - len, "x %0*d\n", (int)(step - 33), 1);
        left -= step;
    }
    return fields;
}

static const char *fields_of(size_t count)
{
    size_t len = (size_t)snprintf(fields, sizeof fields, "%s", GET_FIELDS("/hello"));
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(fields + len, sizeof fields - len, "x y\n");
    return fields;
}

static const char *path_of(size_t len)
{
    (void)snprintf(fields, sizeof fields, ":method GET\n:scheme http\n:path /%0*d\n:authority x\n", (int)len - 1, 1);
    return fields;
}

static const char *method_of(int len)
{
    (void)snprintf(fields, sizeof fields, ":method %0*d\n:scheme http\n:path /keep\n:authority x\n", len, 1);
    return fields;
}

static int status_for(const char *text)
{
    struct timed t;
    timed_open(&t, NULL);
    h2_headers(&p, WHOLE, 1, text);
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    const int status = p.answer[0].status;
    assert_int_equal(p.answer[1].status, 200);
    const size_t count = kept_count;
    timed_close(&t);
    return count ? 299 : status;
}

static void heads_are_limited(void **state)
{
    (void)state;
    assert_int_equal(status_for(list_of(16384)), 200);
    assert_int_equal(status_for(list_of(16385)), 431);
    assert_int_equal(status_for(list_of(60000)), 431);
    assert_int_equal(status_for(fields_of(99)), 200); /* and Host, made of the authority */
    assert_int_equal(status_for(fields_of(100)), 200);
    assert_int_equal(status_for(fields_of(101)), 431);
    assert_int_equal(status_for(path_of(8192)), 404);
    assert_int_equal(status_for(path_of(8193)), 414);
    assert_int_equal(status_for(method_of(32)), 299);
    assert_int_equal(status_for(method_of(33)), 501);
}

static void a_head_of_many_frames_is_limited(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct timed t;
        uint8_t block[256];
        timed_open(&t, NULL);
        const size_t len = h2_block(GET_FIELDS("/hello"), block, sizeof block);
        h2_frame(&p, PLAIT__H2_HEADERS, END, 1, block, len);
        for (int i = 0; i < 7 + over; i++)
            h2_frame(&p, PLAIT__H2_CONTINUATION, 0, 1, "\0\1x\1y", 5);
        h2_frame(&p, PLAIT__H2_CONTINUATION, PLAIT__H2_END_HEADERS, 1, "", 0);
        h2_send(&t.w, &p);
        assert_int_equal(p.answer[0].status, over ? 0 : 200);
        assert_int_equal(p.raw.lost || p.raw.ended, over);
        timed_close(&t);
    }
}

static void trailer_sections_are_limited(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct timed t;
        timed_open(&t, NULL);
        h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
        (void)snprintf(fields, sizeof fields, "x %0*d\n", 8192 - 33 + over, 1);
        h2_headers(&p, WHOLE, 1, fields);
        h2_send(&t.w, &p);
        assert_int_equal(p.answer[0].status, over ? 0 : 200);
        assert_int_equal(p.answer[0].reset, over ? NGHTTP2_INTERNAL_ERROR : -1);
        timed_close(&t);
    }
}

static void bodies_are_limited(void **state)
{
    static const struct plait_http_options options = {.limits = {.body_max = 5}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/take") "content-length 5\n");
    h2_data(&p, END, 1, "12345");
    h2_headers(&p, OPEN, 3, POST_FIELDS("/take") "content-length 6\n");
    h2_headers(&p, OPEN, 5, POST_FIELDS("/take"));
    h2_data(&p, 0, 5, "12345");
    h2_data(&p, END, 5, "6");
    h2_headers(&p, OPEN, 7, POST_FIELDS("/under"));
    h2_send(&t.w, &p);
    h2_data(&p, 0, 7, "123456");
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].status, 200);
    assert_int_equal(p.answer[1].status, 413);
    assert_string_equal(p.answer[1].body, "Content Too Large");
    assert_int_equal(p.answer[1].reset, -1);
    advance(&t, plait_millis(1001));
    assert_int_equal(p.answer[1].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(p.answer[2].status, 413);
    assert_int_equal(p.answer[3].status, 200); /* begun before */
    assert_int_equal(p.answer[3].reset, NGHTTP2_CANCEL);
    assert_int_equal(gone_count, 2);
    timed_close(&t);
}

/* RFC 9113 sections 8.1 and 8.1.1: what comes behind a whole answer is judged all the same, for a moment. */
static void a_request_may_go_wrong_behind_its_answer(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_headers(&p, OPEN, 1, GET_FIELDS("/hello") "content-length 1\n");
    for (uint32_t id = 3; id <= 7; id += 2)
        h2_headers(&p, OPEN, id, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    h2_data(&p, END, 1, "ab");
    h2_headers(&p, OPEN, 3, "x-trailer a\n");
    h2_data(&p, END, 5, "ab");
    h2_send(&t.w, &p);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(p.answer[i].status, 200);
    assert_int_equal(p.answer[0].reset, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(p.answer[1].reset, NGHTTP2_PROTOCOL_ERROR);
    advance(&t, plait_millis(900));
    assert_int_equal(p.answer[3].reset, -1);
    advance(&t, plait_millis(200));
    assert_int_equal(p.answer[2].reset, -1);
    assert_int_equal(p.answer[3].reset, NGHTTP2_NO_ERROR);
    timed_close(&t);
}

/* --- what leads nowhere ------------------------------------------------------------------------------------------- */

static void give_up(uint32_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        h2_headers(&p, WHOLE, first + (uint32_t)(2 * i), GET_FIELDS("/gone"));
        h2_number(&p, PLAIT__H2_RST_STREAM, first + (uint32_t)(2 * i), 8);
    }
}

/* CVE-2023-44487 */
static void rapid_resets_are_limited(void **state)
{
    static const struct plait_http_options options = {.limits = {.resets = 20}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    give_up(1, 20);
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    advance(&t, plait_seconds(1)); /* 50 a second are forgotten */
    give_up(101, 20);
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    give_up(201, 1);
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(gone_count, 41);
    assert_true(p.raw.ended || p.raw.lost);
    timed_close(&t);
}

/* CVE-2025-8671: streams that the client makes us reset count too; answered ones do not. */
static void what_a_client_has_us_reset_counts(void **state)
{
    static const struct plait_http_options options = {.limits = {.resets = 3}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    for (uint32_t id = 1; id < 41; id += 2) {
        h2_headers(&p, WHOLE, id, GET_FIELDS("/hello"));
        h2_number(&p, PLAIT__H2_RST_STREAM, id, 8);
    }
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    for (uint32_t id = 101; id < 109; id += 2) {
        h2_headers(&p, WHOLE, id, GET_FIELDS("/gone"));
        h2_number(&p, PLAIT__H2_WINDOW_UPDATE, id, 0x7fffffff);
        h2_send(&t.w, &p);
        assert_int_equal(p.goaway, id == 107 ? NGHTTP2_ENHANCE_YOUR_CALM : -1);
    }
    timed_close(&t);
}

static void flood(unsigned type, unsigned flags, uint32_t id, const char *bytes, size_t len, size_t count)
{
    for (size_t i = 0; i < count; i++)
        h2_frame(&p, type, flags, id, bytes, len);
}

static void floods_are_limited(void **state)
{
    static const struct {
        const char *what;
        unsigned type, flags;
        uint32_t stream;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"PING (CVE-2019-9512)", 6, 0, 0, "12345678", 8},
        {"PING, answers", 6, 1, 0, "12345678", 8},
        {"SETTINGS (CVE-2019-9515)", 4, 0, 0, "", 0},
        {"PRIORITY (CVE-2019-9513)", 2, 0, 9, "\0\0\0\0\0", 5},
        {"PRIORITY_UPDATE", 16, 0, 0, "\0\0\0\1u=1", 7},
        {"empty DATA (CVE-2019-9518)", 0, 0, 1, "", 0},
        {"DATA that is all padding", 0, 8, 1, "\1x", 2},
        {"WINDOW_UPDATE", 8, 0, 1, "\0\0\0\1", 4},
        {"unknown frames", 200, 0, 0, "x", 1},
    };
    static const struct plait_http_options options = {.limits = {.floods = 50}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct timed t;
        timed_open(&t, &options);
        h2_headers(&p, OPEN, 1, POST_FIELDS("/keep"));
        h2_send(&t.w, &p);
        advance(&t, plait_seconds(10));
        flood(rows[i].type, rows[i].flags, rows[i].stream, rows[i].bytes, rows[i].len, 50);
        h2_send(&t.w, &p);
        if (p.goaway != -1)
            fail_msg("%s: %d", rows[i].what, p.goaway);
        flood(rows[i].type, rows[i].flags, rows[i].stream, rows[i].bytes, rows[i].len, 1);
        h2_send(&t.w, &p);
        if (p.goaway != NGHTTP2_ENHANCE_YOUR_CALM)
            fail_msg("%s: %d", rows[i].what, p.goaway);
        assert_true(p.raw.ended || p.raw.lost);
        timed_close(&t);
    }
}

static void frames_that_go_with_something_are_no_flood(void **state)
{
    static const struct plait_http_options options = {.limits = {.floods = 10}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    for (uint32_t id = 1; id < 201; id += 2) {
        h2_headers(&p, WHOLE, id, GET_FIELDS("/hello"));
        h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 5);
        h2_number(&p, PLAIT__H2_WINDOW_UPDATE, id, 5);
        h2_frame(&p, PLAIT__H2_PRIORITY, 0, id, "\0\0\0\0\0", 5);
        h2_send(&t.w, &p);
    }
    assert_int_equal(p.goaway, -1);
    advance(&t, plait_seconds(5)); /* and 20 a second come anew */
    flood(PLAIT__H2_PING, 0, 0, "12345678", 8, 10);
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    timed_close(&t);
}

static void a_list_of_settings_is_limited(void **state)
{
    static const uint8_t many[33 * 6];
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct timed t;
        timed_open(&t, NULL);
        h2_frame(&p, PLAIT__H2_SETTINGS, 0, 0, many, (32 + over) * 6);
        h2_send(&t.w, &p);
        assert_int_equal(p.goaway, over ? NGHTTP2_ENHANCE_YOUR_CALM : -1);
        timed_close(&t);
    }
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

static void an_idle_connection_is_closed(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    advance(&t, plait_seconds(59));
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(30));
    h2_ping(&p, 0); /* is no request */
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(29));
    assert_false(p.raw.ended);
    advance(&t, plait_seconds(2));
    assert_int_equal(p.goaway, NGHTTP2_NO_ERROR);
    assert_true(p.raw.ended);
    timed_close(&t);
}

static void a_deadline_can_be_taken_off(void **state)
{
    static const struct plait_http_options options = {
        .limits = {.head = PLAIT_NEVER, .idle = PLAIT_NEVER, .body = PLAIT_NEVER, .body_rate = UINT64_MAX}};
    struct timed t;
    (void)state;
    timed_open(&t, &options);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
    h2_frame(&p, PLAIT__H2_HEADERS, END, 3, "\x82", 1);
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(10000));
    assert_false(p.raw.ended || p.raw.lost);
    assert_int_equal(p.answer[0].status, 0);
    timed_close(&t);
}

static void a_frame_that_does_not_come_whole_ends_the_connection(void **state)
{
    static const char *const starts[] = {"\0", "\0\0\x0c\4\0\0\0\0\0", "\0\0\1\1\0\0\0\0\1\x82"};
    static const size_t lens[] = {1, 9, 10};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(starts); i++) {
        struct timed t;
        timed_open(&t, NULL);
        h2_bytes(&p, starts[i], lens[i]);
        h2_send(&t.w, &p);
        advance(&t, plait_seconds(9));
        assert_false(p.raw.ended);
        advance(&t, plait_seconds(2));
        assert_int_equal(p.goaway, NGHTTP2_PROTOCOL_ERROR);
        assert_true(p.raw.ended || p.raw.lost);
        timed_close(&t);
    }
}

static void a_head_that_drips_is_not_waited_for(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_frame(&p, PLAIT__H2_HEADERS, END, 1, "\x82", 1);
    h2_send(&t.w, &p);
    for (int i = 0; i < 6 && p.goaway < 0; i++) {
        advance(&t, plait_seconds(2));
        h2_frame(&p, PLAIT__H2_CONTINUATION, 0, 1, "\x86", 1);
        h2_send(&t.w, &p);
    }
    assert_int_equal(p.goaway, NGHTTP2_PROTOCOL_ERROR);
    timed_close(&t);
}

static void frames_that_keep_coming_are_waited_for(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    for (uint32_t id = 1; id < 41; id += 2) {
        uint8_t block[256];
        const size_t len = h2_block(GET_FIELDS("/hello"), block, sizeof block);
        h2_frame_head(&p, len, PLAIT__H2_HEADERS, WHOLE, id);
        h2_bytes(&p, block, 3);
        h2_send(&t.w, &p);
        advance(&t, plait_seconds(2));
        h2_bytes(&p, block + 3, len - 3);
    }
    h2_send(&t.w, &p);
    assert_int_equal(p.goaway, -1);
    assert_int_equal(p.answer[19].status, 200);
    timed_close(&t);
}

static void a_client_without_a_preface_is_not_waited_for(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_close(&t.w, &p);
    h2_open_bare(&t.w, &p);
    h2_bytes(&p, PLAIT__H2_PREFACE, 10);
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(11));
    assert_true(p.raw.ended);
    timed_close(&t);
}

static void a_silent_body_is_refused(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
    h2_headers(&p, OPEN, 3, POST_FIELDS("/under"));
    h2_headers(&p, OPEN, 5, POST_FIELDS("/pause"));
    h2_data(&p, 0, 5, "a piece");
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(19));
    assert_int_equal(p.answer[0].status, 0);
    advance(&t, plait_seconds(2));
    assert_int_equal(p.answer[0].status, 408);
    advance(&t, plait_seconds(1));
    assert_int_equal(p.answer[0].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(p.answer[1].reset, NGHTTP2_CANCEL);
    assert_int_equal(p.answer[2].reset, -1); /* the handler itself makes it wait */
    assert_int_equal(gone_count, 2);
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/hello"));
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[3].status, 200);
    timed_close(&t);
}

static void a_body_that_crawls_is_refused(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
    h2_send(&t.w, &p);
    for (int i = 0; i < 12 && p.answer[0].status == 0; i++) {
        advance(&t, plait_seconds(1));
        h2_data(&p, 0, 1, "0123456789012345678901234567890123456789012345678901234567890");
        h2_send(&t.w, &p);
    }
    assert_int_equal(p.answer[0].status, 408);
    timed_close(&t);
}

static void an_answer_whose_window_stays_shut_is_given_up(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/much"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/keep"));
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].bytes, 65535);
    advance(&t, plait_seconds(50));
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1); /* it goes on a little */
    h2_send(&t.w, &p);
    advance(&t, plait_seconds(50));
    assert_int_equal(p.answer[0].reset, -1);
    advance(&t, plait_seconds(30));
    assert_int_equal(p.answer[0].reset, NGHTTP2_CANCEL);
    assert_int_equal(p.answer[1].reset, -1);
    assert_int_equal(gone_count, 1);
    timed_close(&t);
}

static void answers_whose_connection_stays_shut_are_given_up(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_setting(&p, 4, 1 << 20);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/much"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/much"));
    h2_send(&t.w, &p);
    for (int i = 0; i < 20; i++) { /* as long as anything moves, nothing is given up */
        advance(&t, plait_seconds(10));
        h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1);
        h2_send(&t.w, &p);
    }
    assert_int_equal(p.answer[0].reset, -1);
    assert_int_equal(p.answer[1].reset, -1);
    advance(&t, plait_seconds(80));
    assert_int_equal(p.answer[0].reset, NGHTTP2_CANCEL);
    assert_int_equal(p.answer[1].reset, NGHTTP2_CANCEL);
    timed_close(&t);
}

static void a_drain_does_not_wait_for_an_answer_to_its_ping(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, NULL);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/keep"));
    h2_send(&t.w, &p);
    h2_drain(&t.w);
    h2_spin(&t.w, &p);
    assert_int_equal(p.goaways, 1);
    advance(&t, plait_seconds(70));
    assert_int_equal(p.goaways, 2);
    plait_reply_text(kept[--kept_count], 200, "done");
    advance(&t, plait_seconds(5));
    assert_string_equal(p.answer[0].body, "done");
    assert_true(p.raw.ended || p.raw.lost);
    timed_close(&t);
}

TEST_MAIN(cmocka_unit_test(streams_at_once_are_limited), cmocka_unit_test(requests_of_a_connection_are_limited),
          cmocka_unit_test(heads_are_limited), cmocka_unit_test(a_head_of_many_frames_is_limited),
          cmocka_unit_test(trailer_sections_are_limited), cmocka_unit_test(bodies_are_limited),
          cmocka_unit_test(rapid_resets_are_limited), cmocka_unit_test(a_request_may_go_wrong_behind_its_answer),
          cmocka_unit_test(what_a_client_has_us_reset_counts), cmocka_unit_test(floods_are_limited),
          cmocka_unit_test(frames_that_go_with_something_are_no_flood), cmocka_unit_test(a_list_of_settings_is_limited),
          cmocka_unit_test(an_idle_connection_is_closed), cmocka_unit_test(a_deadline_can_be_taken_off),
          cmocka_unit_test(a_frame_that_does_not_come_whole_ends_the_connection),
          cmocka_unit_test(a_head_that_drips_is_not_waited_for),
          cmocka_unit_test(frames_that_keep_coming_are_waited_for),
          cmocka_unit_test(a_client_without_a_preface_is_not_waited_for), cmocka_unit_test(a_silent_body_is_refused),
          cmocka_unit_test(a_body_that_crawls_is_refused),
          cmocka_unit_test(an_answer_whose_window_stays_shut_is_given_up),
          cmocka_unit_test(answers_whose_connection_stays_shut_are_given_up),
          cmocka_unit_test(a_drain_does_not_wait_for_an_answer_to_its_ping))
