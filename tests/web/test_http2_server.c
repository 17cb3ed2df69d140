/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 connections of the server: how they begin, requests and answers, urgency, clients that leave, ends. The
 * handlers are those that HTTP/1 has.
 */
#include "tests/web/http2_peer.h"

static struct h2_peer p;

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello, World!");
}

static struct plait_request *kept[8];
static size_t kept_count, gone_count;

static void on_gone(struct plait_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    gone_count++;
}

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_gone(req, on_gone, NULL);
    kept[kept_count++] = req;
}

static void leave(struct plait_request *req, void *ctx)
{
    (void)ctx;
    gone_count++;
    plait_request_drop(req);
}

static void keep_until_gone(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_gone(req, leave, NULL);
    kept[kept_count++] = req;
}

static void echo_body(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", body);
}

static void collect(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 100, echo_body, ctx));
}

static size_t streamed, pieces, ends;

static void count_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)ctx;
    streamed += piece.len;
    pieces++;
    ends += end;
    if (end)
        plait_reply_text(req, 201, "stored");
}

static void store(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, count_piece, ctx));
}

static void show(struct plait_request *req, void *ctx)
{
    struct plait_buf out;
    plait_slice name, value;
    (void)ctx;
    assert_false(plait_request_upgrade_offered(req, "websocket"));
    plait_buf_init(&out, plait_reactor_budget(plait_request_reactor(req)), 4096);
    plait_buf_put(&out, plait_request_method(req));
    plait_buf_put(&out, PLAIT_LIT("|"));
    plait_buf_put(&out, plait_request_path(req));
    plait_buf_printf(&out, "|%d|%d|", plait_request_version(req), (int)plait_request_length(req));
    plait_buf_put(&out, plait_request_host(req));
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_request_field_at(req, i, &name, &value);
        plait_buf_put(&out, PLAIT_LIT("|"));
        plait_buf_put(&out, name);
        plait_buf_put(&out, PLAIT_LIT("="));
        plait_buf_put(&out, value);
    }
    plait_reply_buf(req, 200, "text/plain", &out);
}

static void open_standard(struct world *w, const struct plait_http_options *options)
{
    kept_count = gone_count = streamed = pieces = ends = 0;
    world_open(w);
    assert_ok(plait_resource_get(w->root, "hello", hello, NULL));
    assert_ok(plait_resource_on(w->root, "*", "show", show, NULL));
    assert_ok(plait_resource_on(w->root, "*", "later", keep, NULL));
    assert_ok(plait_resource_on(w->root, "*", "gone", keep_until_gone, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "collect", collect, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "store", store, NULL));
    world_serve(w, options);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static void a_request_is_answered(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_ask(&w, &p, GET_FIELDS("/hello"));
    assert_non_null(strstr(p.log, ":status=200; server=plait; date="));
    assert_non_null(strstr(p.log, " GMT; content-type=text/plain; charset=utf-8; content-length=13;\n"));
    assert_string_equal(p.answer[0].body, "Hello, World!");
    assert_true(p.answer[0].ended);
    assert_int_equal(p.settings_acks, 1);
    world_close(&w);
}

static void answer_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    struct world w;
    size_t at = 0, step;
    (void)ctx;
    open_standard(&w, NULL);
    h2_open_bare(&w, &p);
    while ((step = test_cut_next(cut)) > 0) {
        plait_write(p.raw.stream, plait_slice_sub(input, at, at + step));
        for (int i = 0; i < 4; i++)
            assert_ok(plait_reactor_step(w.r, 0));
        at += step;
    }
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "Hello, World!");
    assert_string_equal(p.answer[1].body, "abcdefgh");
    assert_int_equal(p.answer[2].status, 201);
    assert_int_equal(streamed, 3);
    assert_true(p.answer[0].ended && p.answer[1].ended && p.answer[2].ended);
    assert_int_equal(p.goaway, -1);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_connection_is_read_whatever_way_it_is_cut(void **state)
{
    static struct h2_peer text;
    (void)state;
    text.out_len = 0;
    h2_bytes(&text, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
    h2_setting(&text, 3, 7);
    h2_headers(&text, WHOLE, 1, GET_FIELDS("/hello"));
    h2_headers(&text, OPEN, 3, POST_FIELDS("/collect"));
    h2_data(&text, 0, 3, "abcd");
    h2_headers(&text, OPEN, 5, POST_FIELDS("/store") "content-length 3\n");
    h2_ping(&text, 0);
    h2_frame(&text, PLAIT__H2_DATA, END | 8, 3, "\2efgh\0\0", 7);
    h2_data(&text, END, 5, "xyz");
    h2_frame(&text, 77, 3, 9, "unknown", 7);
    test_every_cut(plait_slice_of(text.out, text.out_len), 12, answer_cut, NULL);
}

static void http1_is_told_apart_by_the_first_bytes(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p.raw);
    peer_send(&w, &p.raw, "P");
    peer_send(&w, &p.raw, "OST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(status_of(&p.raw), 405);
    peer_close(&w, &p.raw);
    peer_open(&w, &p.raw);
    peer_send(&w, &p.raw, "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n");
    assert_int_equal(status_of(&p.raw), 505);
    peer_close(&w, &p.raw);
    peer_open(&w, &p.raw);
    peer_send(&w, &p.raw, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" PLAIT__H2_PREFACE);
    assert_int_equal(count_of(&p.raw, "HTTP/1.1 505"), 1);
    peer_close(&w, &p.raw);
    world_close(&w);
}

static void http2_can_be_turned_off(void **state)
{
    static const struct plait_http_options options = {.no_http2 = true};
    struct world w;
    (void)state;
    open_standard(&w, &options);
    peer_open(&w, &p.raw);
    peer_send(&w, &p.raw, PLAIT__H2_PREFACE);
    assert_int_equal(status_of(&p.raw), 505);
    peer_close(&w, &p.raw);
    world_close(&w);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void a_handler_sees_what_http1_would_show(void **state)
{
    static const struct {
        const char *fields, *shown;
    } rows[] = {
        {GET_FIELDS("/show?x=1") "accept */*\n", "GET|/show|20|0|x|accept=*/*|host=x"},
        {":method PUT\n:scheme https\n:path /%73how\nhost h:8\n", "PUT|/show|20|0|h:8|host=h:8"},
        {GET_FIELDS("/show") "host X\n", "GET|/show|20|0|x|host=X"},
        {GET_FIELDS("/show") "cookie a=1\nx y\ncookie b=2\ncookie c=3\nz w\n",
         "GET|/show|20|0|x|cookie=a=1; b=2; c=3|x=y|z=w|host=x"},
        {GET_FIELDS("/show") "cookie a=1\n", "GET|/show|20|0|x|cookie=a=1|host=x"},
        {GET_FIELDS("/show") "te trailers\n", "GET|/show|20|0|x|te=trailers|host=x"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        open_standard(&w, NULL);
        h2_ask(&w, &p, rows[i].fields);
        assert_string_equal(p.answer[0].body, rows[i].shown);
        world_close(&w);
    }
}

static void methods_and_places_are_answered_as_in_http1(void **state)
{
    static const struct {
        const char *fields;
        int status;
        const char *has;
    } rows[] = {
        {":method HEAD\n:scheme http\n:path /hello\n:authority x\n", 200, "content-length=13; end"},
        {":method OPTIONS\n:scheme http\n:path *\n:authority x\n", 204, "allow=GET, HEAD, OPTIONS; end"},
        {":method OPTIONS\n:scheme http\n:path /hello\n:authority x\n", 204, "allow=GET, HEAD, OPTIONS"},
        {GET_FIELDS("/nothing"), 404, NULL},
        {":method BREW\n:scheme http\n:path /hello\n:authority x\n", 501, NULL},
        {":method CONNECT\n:authority x:80\n", 501, NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        open_standard(&w, NULL);
        h2_ask(&w, &p, rows[i].fields);
        assert_int_equal(p.answer[0].status, rows[i].status);
        assert_true(p.answer[0].ended);
        assert_true(!rows[i].has || strstr(p.log, rows[i].has));
        world_close(&w);
    }
}

static void answers_come_in_the_order_in_which_they_are_ready(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/hello"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[2].status, 200);
    assert_int_equal(p.answer[0].status, 0);
    plait_reply_text(kept[1], 200, "second");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[1].body, "second");
    plait_reply_text(kept[0], 200, "first");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "first");
    h2_close(&w, &p);
    world_close(&w);
}

static void with_fields(struct plait_request *req, void *ctx)
{
    char value[16];
    (void)ctx;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(value, sizeof value, "v%d", i);
        assert_ok(plait_reply_field(req, "X-Field", plait_slice_text(value)));
    }
    assert_ok(plait_reply_field(req, "Upgrade", PLAIT_LIT("h2c")));
    assert_ok(plait_reply_field(req, "Proxy-Connection", PLAIT_LIT("close")));
    assert_ok(plait_reply_field(req, "Empty", PLAIT_LIT("")));
    plait_reply(req, 204, NULL, plait_slice_of(NULL, 0));
}

static void hint(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_ok(plait_reply_early_hints(req, PLAIT_LIT("</style.css>; rel=preload")));
    plait_reply_text(req, 200, "hinted");
}

static void hints_come_before_the_answer(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "x", hint, NULL));
    world_serve(&w, NULL);
    h2_ask(&w, &p, GET_FIELDS("/x"));
    assert_non_null(strstr(p.log, ":status=103; link=</style.css>; rel=preload;\nHEADERS 1 "));
    assert_string_equal(p.answer[0].body, "hinted");
    world_close(&w);
}

static void fields_are_in_lower_case_and_without_those_of_http1(void **state)
{
    static const struct plait_http_options options = {.server = ""};
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "x", with_fields, NULL));
    world_serve(&w, &options);
    h2_ask(&w, &p, GET_FIELDS("/x"));
    assert_int_equal(p.answer[0].status, 204);
    assert_non_null(strstr(p.log, "x-field=v0; x-field=v1;"));
    assert_non_null(strstr(p.log, "x-field=v59; empty=;"));
    assert_null(strstr(p.log, "server="));
    assert_null(strstr(p.log, "upgrade"));
    assert_null(strstr(p.log, "proxy-connection"));
    assert_null(strstr(p.log, "content-length"));
    world_close(&w);
}

/* --- urgency ------------------------------------------------------------------------------------------------------ */

static size_t place(const char *what)
{
    const char *at = strstr(p.log, what);
    assert_non_null(at);
    return (size_t)(at - p.log);
}

static void what_is_urgent_goes_first(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later") "priority u=7\n");
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/later") "priority u=0\n");
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/later") "priority u=7\n");
    h2_frame(&p, PLAIT__H2_PRIORITY_UPDATE, 0, 0, "\0\0\0\7u=1", 7); /* RFC 9218 section 7.1 */
    h2_send(&w, &p);
    for (size_t i = 0; i < 4; i++)
        plait_reply_text(kept[i], 200, "text");
    h2_spin(&w, &p);
    assert_true(place("DATA 5 ") < place("DATA 7 "));
    assert_true(place("DATA 7 ") < place("DATA 3 "));
    assert_true(place("DATA 3 ") < place("DATA 1 "));
    h2_close(&w, &p);
    world_close(&w);
}

/* --- clients that leave ------------------------------------------------------------------------------------------- */

static void a_client_that_gives_up_is_noticed(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/gone"));
    h2_headers(&p, OPEN, 5, POST_FIELDS("/store"));
    h2_headers(&p, OPEN, 7, POST_FIELDS("/collect"));
    h2_send(&w, &p);
    for (uint32_t id = 1; id < 9; id += 2)
        h2_number(&p, PLAIT__H2_RST_STREAM, id, 8);
    h2_send(&w, &p);
    assert_int_equal(gone_count, 2);
    plait_reply_text(kept[0], 200, "too late");
    h2_headers(&p, WHOLE, 9, GET_FIELDS("/hello"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[4].status, 200);
    assert_int_equal(ends, 0);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_lost_connection_ends_its_requests(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/gone"));
    h2_headers(&p, OPEN, 3, POST_FIELDS("/store"));
    h2_headers(&p, OPEN | 0, 5, POST_FIELDS("/later"));
    h2_frame(&p, PLAIT__H2_HEADERS, 0, 7, "\x82", 1); /* a head that is not whole */
    h2_send(&w, &p);
    h2_close(&w, &p);
    assert_int_equal(gone_count, 2);
    plait_request_drop(kept[1]);
    world_close(&w);
}

static void a_handler_can_give_up(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/later"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/later"));
    h2_send(&w, &p);
    plait_request_drop(kept[0]);
    plait_reply_begin(kept[1], 200, NULL, 3);
    plait_reply_write(kept[1], PLAIT_LIT("too much"));
    plait_reply_end(kept[1]);
    plait_reply_begin(kept[2], 200, NULL, 30);
    plait_reply_end(kept[2]);
    h2_spin(&w, &p);
    assert_int_equal(p.answer[0].reset, NGHTTP2_CANCEL);
    assert_int_equal(p.answer[1].reset, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(p.answer[2].reset, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(p.goaway, -1); /* the others go on */
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/hello"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[3].status, 200);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_client_that_closed_its_side_gets_what_it_asked_for(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later"));
    h2_headers(&p, OPEN, 3, POST_FIELDS("/store"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/later"));
    h2_send(&w, &p);
    plait_request_gone(kept[1], NULL, NULL);
    plait_close_write(p.raw.stream);
    h2_spin(&w, &p);
    assert_int_equal(gone_count, 1);
    assert_int_equal(p.answer[1].reset, NGHTTP2_CANCEL);
    plait_reply_text(kept[0], 200, "still");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "still");
    assert_false(p.raw.ended);
    plait_reply_text(kept[1], 200, "this too");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[2].body, "this too");
    assert_true(p.raw.ended);
    h2_close(&w, &p);
    world_close(&w);
}

static void an_idle_connection_closes_with_its_client(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    plait_close_write(p.raw.stream);
    h2_spin(&w, &p);
    assert_true(p.raw.ended || p.raw.lost);
    h2_close(&w, &p);
    h2_open(&w, &p);
    h2_frame(&p, PLAIT__H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    h2_send(&w, &p);
    assert_true(p.raw.ended || p.raw.lost);
    h2_close(&w, &p);
    world_close(&w);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void a_drain_comes_in_two_steps(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/later"));
    h2_send(&w, &p);
    h2_drain(&w);
    h2_drain(&w);
    h2_spin(&w, &p);
    assert_int_equal(p.goaways, 1);
    assert_int_equal(p.goaway_last, INT32_MAX);
    assert_int_equal(p.pings, 1);
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/later")); /* it was on its way */
    h2_ping(&p, PLAIT__H2_ACK);
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/later")); /* this comes too late */
    h2_send(&w, &p);
    assert_int_equal(kept_count, 2);
    assert_int_equal(p.goaways, 2);
    assert_int_equal(p.goaway_last, 3);
    assert_false(p.raw.ended);
    plait_reply_text(kept[1], 200, "b");
    plait_reply_text(kept[0], 200, "a");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "a");
    assert_string_equal(p.answer[1].body, "b");
    assert_true(p.raw.ended);
    h2_close(&w, &p);
    world_close(&w);
}

static void an_idle_connection_drains_at_once(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_ping(&p, PLAIT__H2_ACK); /* nobody asked */
    h2_send(&w, &p);
    h2_drain(&w);
    h2_spin(&w, &p);
    assert_int_equal(p.goaways, 1);
    assert_int_equal(p.goaway, NGHTTP2_NO_ERROR);
    assert_true(p.raw.ended);
    h2_close(&w, &p);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_request_is_answered), cmocka_unit_test(a_connection_is_read_whatever_way_it_is_cut),
          cmocka_unit_test(http1_is_told_apart_by_the_first_bytes), cmocka_unit_test(http2_can_be_turned_off),
          cmocka_unit_test(a_handler_sees_what_http1_would_show),
          cmocka_unit_test(methods_and_places_are_answered_as_in_http1),
          cmocka_unit_test(answers_come_in_the_order_in_which_they_are_ready),
          cmocka_unit_test(hints_come_before_the_answer),
          cmocka_unit_test(fields_are_in_lower_case_and_without_those_of_http1),
          cmocka_unit_test(what_is_urgent_goes_first), cmocka_unit_test(a_client_that_gives_up_is_noticed),
          cmocka_unit_test(a_lost_connection_ends_its_requests), cmocka_unit_test(a_handler_can_give_up),
          cmocka_unit_test(a_client_that_closed_its_side_gets_what_it_asked_for),
          cmocka_unit_test(an_idle_connection_closes_with_its_client), cmocka_unit_test(a_drain_comes_in_two_steps),
          cmocka_unit_test(an_idle_connection_drains_at_once))
