/* SPDX-License-Identifier: MIT
 *
 * Connections of the HTTP server: keep-alive, pipelining, bodies, deferred answers, clients that leave, limits,
 * drain.
 */
#include "tests/web/http_world.h"

#include "engine/stream_core.h"

#define HOST "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

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

static void keep_silently(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept[kept_count++] = req;
}

static void echo_body(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "application/octet-stream", body);
}

static void collect(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 100, echo_body, ctx));
    assert_err(plait_request_collect(req, 100, echo_body, ctx), PLAIT_ESTATE);
}

static size_t streamed, pieces, ends;

static void count_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)ctx;
    streamed += piece.len;
    pieces++;
    if (end) {
        ends++;
        plait_reply_text(req, 201, "stored");
    }
}

static void store(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, count_piece, ctx));
}

static struct plait_request *reading;

static void count_and_pause(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    plait_request_pause(req);
    reading = req;
    count_piece(req, piece, end, ctx);
    if (end)
        reading = NULL;
}

static void store_slowly(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, count_and_pause, ctx));
}

static void open_standard(struct world *w, const struct plait_http_options *options)
{
    kept_count = gone_count = streamed = pieces = ends = 0;
    world_open(w);
    assert_ok(plait_resource_get(w->root, "hello", hello, NULL));
    assert_ok(plait_resource_get(w->root, "later", keep, NULL));
    assert_ok(plait_resource_get(w->root, "silent", keep_silently, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "collect", collect, NULL));
    assert_ok(plait_resource_on(w->root, "PUT", "store", store, NULL));
    assert_ok(plait_resource_on(w->root, "PUT", "slowly", store_slowly, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "hello", hello, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "later", keep, NULL));
    world_serve(w, options);
}

static void a_request_is_answered(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    ask(&w, &p, GET("/hello"));
    assert_memory_equal(p.got, "HTTP/1.1 200 OK\r\nServer: plait\r\nDate: ", 38);
    assert_non_null(strstr(p.got, " GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
                                  "Hello, World!"));
    world_close(&w);
}

static void a_connection_is_kept_for_more(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    for (int i = 0; i < 5; i++)
        peer_send(&w, &p, GET("/hello"));
    assert_int_equal(count_of(&p, "Hello, World!"), 5);
    assert_false(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void a_request_byte_by_byte_is_answered(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    const char *text = GET("/hello") "PUT /store HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                     "5\r\nhello\r\n0\r\nA: b\r\n\r\n" GET("/hello");
    for (size_t i = 0; text[i]; i++) {
        plait_write(p.stream, plait_slice_of(text + i, 1));
        for (int k = 0; k < 4; k++)
            assert_ok(plait_reactor_step(w.r, 0));
    }
    spin(&w);
    assert_int_equal(count_of(&p, "Hello, World!"), 2);
    assert_int_equal(streamed, 5);
    assert_int_equal(ends, 1);
    assert_non_null(strstr(p.got, "HTTP/1.1 201 Created"));
    peer_close(&w, &p);
    world_close(&w);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/hello") GET("/later") GET("/nothing") GET("/hello"));
    assert_int_equal(kept_count, 1);
    assert_int_equal(count_of(&p, "HTTP/1.1"), 1);
    plait_reply_text(kept[0], 200, "late");
    spin(&w);
    assert_int_equal(count_of(&p, "HTTP/1.1"), 4);
    const char *late = strstr(p.got, "late"), *nothing = strstr(p.got, "404");
    assert_true(late && nothing && late < nothing && nothing < strstr(late, "Hello, World!"));
    peer_close(&w, &p);
    world_close(&w);
}

static void connections_end_as_asked(void **state)
{
    static const struct {
        const char *request;
        bool ends;
        const char *field;
    } cases[] = {
        {GET("/hello"), false, NULL},
        {"GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", true, "Connection: close\r\n"},
        {"GET /hello HTTP/1.0\r\n\r\n", true, "Connection: close\r\n"},
        {"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, "Connection: keep-alive\r\n"},
        {"GET /hello HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", true, "Connection: close\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct world w;
        struct peer p;
        open_standard(&w, NULL);
        peer_open(&w, &p);
        peer_send(&w, &p, cases[i].request);
        assert_int_equal(status_of(&p), 200);
        assert_int_equal(p.ended, cases[i].ends);
        assert_int_equal(cases[i].field ? count_of(&p, cases[i].field) : !count_of(&p, "Connection:"), 1);
        peer_close(&w, &p);
        world_close(&w);
    }
}

static void HEAD_has_the_head_of_GET_and_no_body(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    ask(&w, &p, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(count_of(&p, "Content-Length: 13\r\n"), 1);
    assert_string_equal(body_of(&p), "");
    ask(&w, &p, "HEAD /nothing HTTP/1.1\r\n" HOST "\r\n" GET("/hello"));
    assert_int_equal(status_of(&p), 404);
    assert_memory_equal(body_of(&p), "HTTP/1.1 200", 12);
    world_close(&w);
}

static void refused_requests_end_the_connection(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"nonsense\r\n\r\n", 400},
        {"GET / HTTP/3.0\r\n\r\n", 505},
        {"GET nonsense HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /%00 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /../a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /%2e%2E/a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /a%2fb HTTP/1.1\r\n" HOST "\r\n", 404},
        {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 501},
        {"POST /collect HTTP/1.1\r\n" HOST "Content-Length: 999999999999\r\n\r\n", 413},
        {"POST /collect HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST /collect HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {"POST /collect HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    };
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct peer p;
        peer_open(&w, &p);
        peer_send(&w, &p, cases[i].request);
        if (status_of(&p) != cases[i].status || !p.ended || !count_of(&p, "Connection: close\r\n"))
            fail_msg("%s gave %d: %s", cases[i].request, status_of(&p), p.got);
        peer_send(&w, &p, GET("/hello"));
        assert_int_equal(count_of(&p, "HTTP/1.1"), 1);
        peer_close(&w, &p);
    }
    world_close(&w);
}

static void bodies_are_collected(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST /collect HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    assert_int_equal(p.len, 0);
    peer_send(&w, &p, "lo" GET("/hello"));
    assert_non_null(strstr(p.got, "\r\n\r\nhelloHTTP/1.1 200"));
    peer_send(&w, &p, "POST /collect HTTP/1.1\r\n" HOST "\r\n" GET("/hello"));
    assert_int_equal(count_of(&p, "Content-Length: 0\r\n"), 1);
    assert_int_equal(count_of(&p, "Hello, World!"), 2);
    peer_close(&w, &p);
    world_close(&w);
}

static void a_body_longer_than_wanted_is_413(void **state)
{
    struct world w;
    struct peer p;
    char text[512];
    (void)state;
    open_standard(&w, NULL);
    for (int len = 100; len <= 101; len++) {
        (void)snprintf(text, sizeof(text), "POST /collect HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%0*d", len, len,
                       7);
        ask(&w, &p, text);
        assert_int_equal(status_of(&p), len == 100 ? 200 : 413);
        (void)snprintf(text, sizeof(text),
                       "POST /collect HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%x\r\n%0*d\r\n0\r\n\r\n",
                       (unsigned)len, len, 7);
        ask(&w, &p, text);
        assert_int_equal(status_of(&p), len == 100 ? 200 : 413);
    }
    world_close(&w);
}

static void a_waiting_client_is_told_to_go_on(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, "PUT /store HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_string_equal(p.got, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send(&w, &p, "abc");
    assert_int_equal(streamed, 3);
    assert_int_equal(count_of(&p, "HTTP/1.1 201"), 1);
    assert_false(p.ended);
    /* one whose body nobody wants gets the answer instead */
    peer_send(&w, &p, "POST /hello HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_int_equal(count_of(&p, "100 Continue"), 1);
    assert_int_equal(count_of(&p, "Hello, World!"), 1);
    assert_true(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void unread_bodies_are_thrown_away_or_end_the_connection(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    assert_int_equal(count_of(&p, "Hello, World!"), 1);
    peer_send(&w, &p, "lo" GET("/hello"));
    assert_int_equal(count_of(&p, "Hello, World!"), 2);
    assert_false(p.ended);
    peer_send(&w, &p, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\n");
    assert_int_equal(count_of(&p, "Hello, World!"), 3);
    assert_true(p.ended);
    assert_int_equal(count_of(&p, "Connection: close"), 1);
    peer_close(&w, &p);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST /hello HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_int_equal(count_of(&p, "Hello, World!"), 1);
    assert_true(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/later"));
    peer_close(&w, &p);
    assert_int_equal(gone_count, 1);
    struct plait_address from;
    plait_request_peer(kept[0], &from);
    assert_int_equal(from.kind, PLAIT_ADDR_NONE);
    plait_reply_text(kept[0], 200, "to nobody");
    /* without a function to tell, the request is simply answered into the void */
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/silent"));
    peer_close(&w, &p);
    plait_reply_begin(kept[1], 200, NULL, PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(kept[1], PLAIT_LIT("x"));
    plait_reply_end(kept[1]);
    spin(&w);
    world_close(&w);
}

static void a_client_that_only_closed_its_side_gets_its_answer(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/later") GET("/hello"));
    plait_close_write(p.stream);
    spin(&w);
    assert_int_equal(gone_count, 1);
    plait_reply_text(kept[0], 200, "late");
    spin(&w);
    assert_int_equal(count_of(&p, "late"), 1);
    assert_int_equal(count_of(&p, "Hello, World!"), 1);
    assert_true(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void a_body_that_breaks_off_ends_the_request(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, "PUT /store HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    plait_close_write(p.stream);
    spin(&w);
    assert_int_equal(ends, 0);
    assert_int_equal(streamed, 3);
    assert_true(p.lost);
    world_close(&w);
}

static void a_body_can_be_read_later_and_held_back(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    /* the handler asks for the body in a turn of its own */
    peer_send(&w, &p, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    assert_int_equal(kept_count, 1);
    assert_ok(plait_request_body(kept[0], count_piece, NULL));
    spin(&w);
    assert_int_equal(streamed, 5);
    assert_int_equal(ends, 1);
    peer_send(&w, &p, "POST /later HTTP/1.1\r\n" HOST "\r\n");
    assert_ok(plait_request_body(kept[1], count_piece, NULL));
    assert_int_equal(ends, 1);
    spin(&w);
    assert_int_equal(ends, 2);
    /* each piece is followed by a pause; the last one ends the request */
    peer_send(&w, &p,
              "PUT /slowly HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_int_equal(streamed, 8);
    for (int i = 0; i < 3 && reading; i++) {
        plait_request_resume(reading);
        if (reading)
            plait_request_resume(reading);
        spin(&w);
    }
    assert_null(reading);
    assert_int_equal(streamed, 10);
    assert_int_equal(ends, 3);
    peer_send(&w, &p, GET("/hello"));
    assert_int_equal(count_of(&p, "Hello, World!"), 1);
    peer_close(&w, &p);
    world_close(&w);
}

static void a_body_over_the_servers_limit_is_413(void **state)
{
    struct world w;
    struct peer p;
    static const struct plait_http_options options = {.limits = {.body_max = 5}};
    (void)state;
    open_standard(&w, &options);
    ask(&w, &p, "PUT /store HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    assert_int_equal(status_of(&p), 201);
    ask(&w, &p, "PUT /store HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nhello!");
    assert_int_equal(status_of(&p), 413);
    ask(&w, &p, "PUT /store HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
    assert_int_equal(status_of(&p), 413);
    world_close(&w);
}

static void every_lack_of_memory_ends_one_connection_only(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct world w;
        struct peer p;
        open_standard(&w, NULL);
        peer_open(&w, &p);
        w.heap.fail_at = w.heap.calls + n;
        peer_send(&w, &p,
                  "POST /collect HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                  "GET /hell%6f?x HTTP/1.1\r\n" HOST "\r\n" GET("/nothing"));
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        ask(&w, &p, GET("/hello"));
        assert_int_equal(status_of(&p), 200);
        world_close(&w);
    }
}

static void more_requests_at_once_than_are_pooled(void **state)
{
    enum { MANY = 70 };
    static struct peer peers[MANY];
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    for (size_t i = 0; i < MANY; i++) {
        kept_count = 0;
        peer_open(&w, &peers[i]);
        peer_send(&w, &peers[i], "GET /la");
    }
    for (size_t i = 0; i < MANY; i++) {
        kept_count = 0;
        peer_send(&w, &peers[i], "ter HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(kept_count, 1);
    }
    for (size_t i = 0; i < MANY; i++)
        peer_close(&w, &peers[i]);
    assert_int_equal(gone_count, MANY);
    world_close(&w);
}

static void a_dropped_request_aborts_its_connection(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/later"));
    plait_request_drop(kept[0]);
    spin(&w);
    assert_true(p.lost);
    assert_int_equal(p.len, 0);
    assert_int_equal(gone_count, 0);
    world_close(&w);
}

static void requests_left_at_the_end_go_with_the_reactor(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/silent"));
    world_close(&w);
}

static void a_connection_has_only_so_many_requests(void **state)
{
    struct world w;
    struct peer p;
    static const struct plait_http_options options = {.limits = {.requests = 2}};
    (void)state;
    open_standard(&w, &options);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/hello") GET("/hello") GET("/hello"));
    assert_int_equal(count_of(&p, "Hello, World!"), 2);
    assert_int_equal(count_of(&p, "Connection: close"), 1);
    assert_true(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void wait_for(struct world *w, const bool *what)
{
    for (int i = 0; i < 400 && !*what; i++)
        assert_ok(plait_reactor_step(w->r, plait_millis(5)));
    spin(w);
}

static void deadlines_are_kept(void **state)
{
    static const struct plait_http_options options = {.limits = {.head = 20000000, .idle = 30000000, .body = 25000000}};
    static const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        {"", ""},
        {"GET / HT", "HTTP/1.1 408 Request Timeout\r\n"},
        {"PUT /store HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", "HTTP/1.1 408 Request Timeout\r\n"},
        {GET("/hello"), "HTTP/1.1 200 OK\r\n"},
        {GET("/hello") "GET", "HTTP/1.1 200 OK\r\n"},
        {"POST /hello HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\n"},
    };
    struct world w;
    (void)state;
    open_standard(&w, &options);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct peer p;
        peer_open(&w, &p);
        peer_send(&w, &p, cases[i].request);
        wait_for(&w, &p.ended);
        if (!p.ended || strncmp(p.got, cases[i].answer, strlen(cases[i].answer)) != 0)
            fail_msg("%s: %s", cases[i].request, p.got);
        peer_close(&w, &p);
    }
    world_close(&w);
}

static void drain_ends_idle_connections_and_lets_answers_finish(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/later"));
    struct plait__http_conn *conn = kept[0]->carrier;
    conn->stream->protocol->drain(conn->stream, conn);
    spin(&w);
    assert_false(p.ended);
    plait_reply_text(kept[0], 200, "last words");
    spin(&w);
    assert_int_equal(count_of(&p, "Connection: close"), 1);
    assert_int_equal(count_of(&p, "last words"), 1);
    assert_true(p.ended);
    peer_close(&w, &p);
    world_close(&w);
}

static void big_answers_wait_for_the_reader(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    open_standard(&w, NULL);
    peer_open(&w, &p);
    p.deaf = true;
    for (int i = 0; i < 200; i++)
        plait_write(p.stream, PLAIT_LIT("HEAD /nothing HTTP/1.1\r\n" HOST "X: 0123456789\r\n\r\n" GET("/hello")));
    spin(&w);
    p.deaf = false;
    plait_pause(p.stream);
    plait_resume(p.stream);
    spin(&w);
    assert_int_equal(count_of(&p, "HTTP/1.1 404"), 200);
    assert_int_equal(count_of(&p, "HTTP/1.1 200"), 200);
    peer_close(&w, &p);
    world_close(&w);
}

static struct plait_http_access last;

static void note_access(const struct plait_http_access *access, void *ctx)
{
    last = *access;
    ++*(int *)ctx;
}

static void answers_can_be_logged(void **state)
{
    struct world w;
    struct peer p;
    int count = 0;
    struct plait_http_options options = {.log = note_access, .log_ctx = &count, .server = ""};
    (void)state;
    open_standard(&w, &options);
    ask(&w, &p, GET("/hello"));
    assert_int_equal(count, 1);
    assert_int_equal(last.status, 200);
    assert_int_equal(last.body_bytes, 13);
    assert_true(last.complete);
    assert_int_equal(count_of(&p, "Server:"), 0);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/later"));
    peer_close(&w, &p);
    plait_reply_text(kept[0], 200, "");
    assert_int_equal(count, 2);
    assert_false(last.complete);
    world_close(&w);
}

static void an_idle_connection_holds_little(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    assert_true(sizeof(struct plait__http_conn) <= 128);
    open_standard(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET("/hello"));
    uint64_t calls = w.heap.calls;
    size_t used = plait_reactor_budget(w.r)->used;
    peer_send(&w, &p, GET("/hello") GET("/hello"));
    /* the pair's own output may allocate; the server must not hold more than before */
    assert_int_equal(plait_reactor_budget(w.r)->used, used);
    (void)calls;
    peer_close(&w, &p);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_request_is_answered), cmocka_unit_test(a_connection_is_kept_for_more),
          cmocka_unit_test(a_request_byte_by_byte_is_answered),
          cmocka_unit_test(pipelined_requests_are_answered_in_order), cmocka_unit_test(connections_end_as_asked),
          cmocka_unit_test(HEAD_has_the_head_of_GET_and_no_body), cmocka_unit_test(refused_requests_end_the_connection),
          cmocka_unit_test(bodies_are_collected), cmocka_unit_test(a_body_longer_than_wanted_is_413),
          cmocka_unit_test(a_waiting_client_is_told_to_go_on),
          cmocka_unit_test(unread_bodies_are_thrown_away_or_end_the_connection),
          cmocka_unit_test(a_client_that_leaves_is_noticed),
          cmocka_unit_test(a_client_that_only_closed_its_side_gets_its_answer),
          cmocka_unit_test(a_body_that_breaks_off_ends_the_request),
          cmocka_unit_test(a_body_can_be_read_later_and_held_back),
          cmocka_unit_test(a_body_over_the_servers_limit_is_413),
          cmocka_unit_test(every_lack_of_memory_ends_one_connection_only),
          cmocka_unit_test(more_requests_at_once_than_are_pooled),
          cmocka_unit_test(a_dropped_request_aborts_its_connection),
          cmocka_unit_test(requests_left_at_the_end_go_with_the_reactor),
          cmocka_unit_test(a_connection_has_only_so_many_requests), cmocka_unit_test(deadlines_are_kept),
          cmocka_unit_test(drain_ends_idle_connections_and_lets_answers_finish),
          cmocka_unit_test(big_answers_wait_for_the_reader), cmocka_unit_test(answers_can_be_logged),
          cmocka_unit_test(an_idle_connection_holds_little))
