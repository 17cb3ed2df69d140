/* SPDX-License-Identifier: MIT
 *
 * The reverse proxy: requests and bodies on their way, what fails and is tried again, clients that leave, connections
 * that go on in another protocol.
 */
#include "tests/web/proxy_world.h"

static struct stage st;
static struct guest g;

/* What the farm says, by path; a body of a request is counted, not looked at. */
static size_t body_seen;

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    static const struct {
        const char *path, *text;
        bool closes;
    } row[] = {
        {"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
         0},
        {"/open", "HTTP/1.1 200 OK\r\n\r\nto the end", 1},
        {"/empty", "HTTP/1.1 204 No Content\r\n\r\n", 0},
        {"/same", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n", 0},
        {"/teapot", "HTTP/1.1 418 Teapot\r\nContent-Type: text/tea\r\nContent-Length: 3\r\n\r\ntea", 0},
        {"/none", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
        {"/odd", "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n", 0},
        {"/bad", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
        {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 1},
        {"/cut-head", "HTTP/1.1 200 OK\r\nContent-Le", 1},
        {"/shut", "", 1},
        {"/hints",
         "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
         "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
         0},
        {"/fields",
         "HTTP/1.1 200 OK\r\nConnection: X-One, close\r\nX-One: 1\r\nX-Two: 2\r\nKeep-Alive: x\r\n"
         "Trailer: T\r\nUpgrade: u\r\nProxy-Authenticate: Basic\r\nServer: other\r\nVia: 1.0 far\r\n"
         "Date: never\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Type: t/a\r\nContent-Type: t/b\r\n"
         "Content-Length: 2\r\n\r\nok",
         0},
        {"/dated",
         "HTTP/1.1 200 OK\r\nDate: Fri, 31 Dec 1999 23:59:59 GMT\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
         "Content-Length: 2\r\n\r\nok",
         0},
        {"/go", "HTTP/1.1 100 Continue\r\n\r\n", 0},
        {"/no", "HTTP/1.1 401 Who\r\nContent-Length: 2\r\n\r\nno", 0},
        {"/silence", NULL, 0},
    };
    body_seen += rest.len;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        if (!farm_asked(head, row[i].path))
            continue;
        if (row[i].text)
            farm_say(c, row[i].text);
        if (row[i].closes)
            plait_close(c->stream);
        return rest.len;
    }
    farm_echo(c, head);
    return rest.len;
}

static void begin(const struct plait_reverse_proxy_options *options)
{
    body_seen = 0;
    stage_open(&st, answer, "http://server", options);
}

static void end(void)
{
    guest_leave(&g);
    stage_close(&st);
}

static void ask(const char *text)
{
    guest_ask(&st, &g, text);
}

static void ask_path(const char *path)
{
    char text[200];
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: site\r\n\r\n", path);
    ask(text);
}

static bool said(const char *text)
{
    return strstr(g.got, text) != NULL;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void a_request_goes_to_the_origin_and_its_answer_comes_back(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/a/b?c=d");
    guest_expect(&g, 200, "/a/b?c=d");
    assert_true(said("Via: 1.1 plait\r\n"));
    assert_non_null(strstr(st.farm.last, "GET /a/b?c=d HTTP/1.1\r\nHost: site\r\n"));
    g.len = 0;
    guest_send(&g, "GET /second HTTP/1.1\r\nHost: site\r\n\r\nGET /third HTTP/1.1\r\nHost: site\r\n\r\n");
    assert_true(said("/second") && said("/third"));
    assert_int_equal(st.farm.connections, 1);
    end();
}

static void answers_of_every_framing_pass(void **state)
{
    static const struct {
        const char *path, *has;
        int status;
        const char *body;
    } row[] = {{"/chunked", "Transfer-Encoding: chunked\r\n", 200, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"},
               {"/open", "Transfer-Encoding: chunked\r\n", 200, "a\r\nto the end\r\n0\r\n\r\n"},
               {"/empty", "204", 204, ""},
               {"/same", "ETag: \"e\"\r\n", 304, ""},
               {"/teapot", "Content-Type: text/tea\r\nContent-Length: 3\r\n", 418, "tea"},
               {"/none", "Content-Length: 0\r\n", 200, ""},
               {"/no", "Content-Length: 2\r\n", 401, "no"}};
    (void)state;
    begin(NULL);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        ask_path(row[i].path);
        guest_expect(&g, row[i].status, row[i].body);
        assert_true(said(row[i].has));
        guest_send(&g, "GET /next HTTP/1.1\r\nHost: site\r\n\r\n"); /* the client's connection goes on */
        assert_true(said("/next"));
        guest_leave(&g);
    }
    stage_close(&st);
}

static void the_answer_to_head_has_no_body(void **state)
{
    (void)state;
    begin(NULL);
    ask("HEAD /teapot HTTP/1.1\r\nHost: site\r\n\r\n"); /* whose body never comes: the farm's is nobody's */
    guest_expect(&g, 418, "");
    assert_true(said("Content-Length: 3\r\n"));
    guest_leave(&g);
    ask("HEAD /open HTTP/1.1\r\nHost: site\r\n\r\n");
    guest_expect(&g, 200, "");
    assert_false(said("Content-Length"));
    end();
}

static void an_answer_keeps_the_date_it_was_made_at(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/dated");
    guest_expect(&g, 200, "ok");
    assert_true(said("\r\nDate: Fri, 31 Dec 1999 23:59:59 GMT\r\n"));
    assert_false(said("2000"));
    end();
}

static void fields_of_one_connection_stay_there(void **state)
{
    static const char *const gone[] = {"X-One", "Keep-Alive", "Trailer", "Upgrade", "Proxy-", "other", "never", "t/b"};
    (void)state;
    begin(NULL);
    ask_path("/fields");
    guest_expect(&g, 200, "ok");
    assert_true(said("X-Two: 2\r\n") && said("Set-Cookie: a\r\nSet-Cookie: b\r\n") && said("Content-Type: t/a\r\n"));
    assert_true(said("Via: 1.0 far\r\n") && said("Via: 1.1 plait\r\n"));
    for (size_t i = 0; i < TEST_COUNT(gone); i++)
        assert_false(said(gone[i]));
    end();
}

static void hints_pass_and_other_interim_answers_do_not(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/hints");
    assert_true(strncmp(g.got, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n", 57) == 0);
    assert_false(said("102") || said("100 Continue"));
    end();
}

/* --- what can't be had -------------------------------------------------------------------------------------------- */

static void an_origin_that_fails_is_a_bad_gateway(void **state)
{
    static const char *const path[] = {"/odd", "/bad", "/cut-head", "/shut"};
    (void)state;
    begin(NULL);
    for (size_t i = 0; i < TEST_COUNT(path); i++) {
        ask_path(path[i]);
        guest_expect(&g, 502, NULL);
        guest_leave(&g);
    }
    stage_close(&st);
    stage_open(&st, answer, "http://server:9", NULL); /* nobody listens */
    ask_path("/");
    guest_expect(&g, 502, NULL);
    end();
}

static void an_answer_that_breaks_off_breaks_off_here_too(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/cut");
    assert_true(g.lost && g.err == PLAIT_ERESET);
    assert_int_equal(st.farm.requests, 1); /* the client has begun to read: it is not tried again */
    end();
}

static void an_origin_that_is_silent_is_a_timeout(void **state)
{
    const struct plait_reverse_proxy_options o = {.times.first_byte = plait_seconds(5), .idle = plait_seconds(3)};
    (void)state;
    begin(&o);
    ask_path("/silence");
    stage_pass(&st, plait_millis(4900));
    assert_int_equal(g.len, 0);
    stage_pass(&st, plait_millis(200));
    guest_expect(&g, 504, NULL);
    assert_int_equal(st.farm.requests, 1);
    end();
}

static size_t answer_slowly(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    return rest.len;
}

static void silence_inside_an_answer_ends_it(void **state)
{
    const struct plait_reverse_proxy_options o = {.times.first_byte = plait_seconds(5), .idle = plait_seconds(3)};
    (void)state;
    stage_open(&st, answer_slowly, "http://server", &o);
    ask_path("/");
    guest_expect(&g, 200, "abc");
    stage_pass(&st, plait_millis(2900));
    assert_false(g.lost);
    stage_pass(&st, plait_millis(200));
    assert_true(g.lost);
    end();
}

static void spans_without_end_never_pass(void **state)
{
    const struct plait_reverse_proxy_options o = {.times.first_byte = PLAIT_NEVER, .idle = PLAIT_NEVER};
    (void)state;
    begin(&o);
    ask_path("/silence");
    stage_pass(&st, plait_seconds(4000));
    assert_int_equal(g.len, 0);
    end();
}

static void who_finds_no_connection_in_time_is_told_to_come_again(void **state)
{
    const struct plait_reverse_proxy_options o = {.pool = {.per_origin = 1, .waiting = 1},
                                                  .times.wait = plait_seconds(2)};
    static struct guest second, third;
    (void)state;
    begin(&o);
    ask_path("/silence");
    guest_ask(&st, &second, "GET /a HTTP/1.1\r\nHost: site\r\n\r\n");
    guest_ask(&st, &third, "GET /b HTTP/1.1\r\nHost: site\r\n\r\n");
    guest_expect(&third, 503, NULL); /* no more may wait */
    assert_non_null(strstr(third.got, "Retry-After: 1\r\n"));
    assert_int_equal(second.len, 0);
    stage_pass(&st, plait_seconds(2));
    guest_expect(&second, 503, NULL);
    guest_leave(&second);
    guest_leave(&third);
    end();
}

/* --- trying again ------------------------------------------------------------------------------------------------- */

static void a_connection_that_was_closed_meanwhile_is_replaced(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/a");
    ask_path("/shut"); /* closed without a word, twice; on a connection that was used, that is no try */
    guest_expect(&g, 502, NULL);
    assert_int_equal(st.farm.requests, 4);
    end();
}

static size_t second_shuts(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    if (c->requests == 2)
        plait_close(c->stream);
    else
        farm_echo(c, head);
    return rest.len;
}

static void only_what_may_be_done_twice_is(void **state)
{
    static const struct {
        const char *text;
        int status;
    } row[] = {{"GET /x HTTP/1.1\r\nHost: site\r\n\r\n", 200},
               {"DELETE /x HTTP/1.1\r\nHost: site\r\n\r\n", 200},
               {"OPTIONS /x HTTP/1.1\r\nHost: site\r\n\r\n", 200},
               {"POST /x HTTP/1.1\r\nHost: site\r\nContent-Length: 0\r\n\r\n", 502},
               {"PUT /x HTTP/1.1\r\nHost: site\r\nContent-Length: 2\r\n\r\nab", 502}}; /* its body is gone */
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        stage_open(&st, second_shuts, "http://server", NULL);
        ask_path("/first");
        guest_leave(&g);
        ask(row[i].text);
        guest_expect(&g, row[i].status, NULL);
        end();
    }
}

static void what_was_not_sent_goes_to_another_origin(void **state)
{
    (void)state;
    stage_open(&st, answer, "http://server:9,http://server", NULL);
    ask("POST /teapot HTTP/1.1\r\nHost: site\r\nContent-Length: 2\r\n\r\nab");
    guest_expect(&g, 418, "tea");
    assert_int_equal(body_seen, 2);
    end();
}

static void there_are_only_so_many_tries(void **state)
{
    const struct plait_reverse_proxy_options never = {.retries = UINT32_MAX}, more = {.retries = 3};
    static const char origins[] = "http://server:9,http://server:8,http://server:7,http://server";
    (void)state;
    stage_open(&st, answer, origins, &never);
    ask_path("/");
    guest_expect(&g, 502, NULL);
    end();
    stage_open(&st, answer, origins, &more);
    ask_path("/");
    guest_expect(&g, 200, NULL);
    end();
}

/* --- the client's body -------------------------------------------------------------------------------------------- */

static void bodies_of_requests_pass(void **state)
{
    (void)state;
    begin(NULL);
    ask("POST /teapot HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\n\r\nhello");
    guest_expect(&g, 418, "tea");
    assert_int_equal(body_seen, 5);
    assert_non_null(strstr(st.farm.last, "Content-Length: 5\r\n"));
    guest_leave(&g);
    ask("POST /none HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    guest_expect(&g, 200, "");
    assert_non_null(strstr(st.farm.last, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(st.farm.last, "Content-Length"));
    assert_int_equal(body_seen, 5 + 13);
    end();
}

static void a_client_that_asks_first_is_told_what_the_origin_says(void **state)
{
    (void)state;
    begin(NULL);
    ask("POST /go HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(g.got, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_non_null(strstr(st.farm.last, "Expect: 100-continue\r\n"));
    guest_leave(&g);
    ask("POST /no HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    guest_expect(&g, 401, "no");
    assert_false(said("100 Continue"));
    guest_leave(&g);
    ask("POST /silence HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(g.len, 0);
    stage_pass(&st, plait_seconds(1)); /* an origin that says nothing may not know the field */
    assert_string_equal(g.got, "HTTP/1.1 100 Continue\r\n\r\n");
    end();
}

/* An origin that takes nothing holds the client up; what waits in between stays small. */
static size_t heard;

static size_t listen_on(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)self;
    heard += in.len;
    return in.len;
}

static const struct plait_protocol listens = {.name = "listens", .data = listen_on};

static struct plait_stream *deaf_stream;

static plait_err open_deaf(struct plait_stream *s, void *ctx)
{
    deaf_stream = s;
    plait_stream_attach(s, &listens, ctx);
    plait_pause(s);
    return PLAIT_OK;
}

static void a_slow_origin_slows_the_client(void **state)
{
    static const struct plait_service_ops ops = {.name = "deaf", .open = open_deaf};
    static char block[1 << 16];
    struct plait_address at;
    (void)state;
    stage_open(&st, answer, "http://server:82", NULL);
    plait_host_address(st.farm.server, PLAIT_ADDR_IP4, 82, &at);
    struct plait_reactor *r = plait_host_reactor(st.farm.server);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &ops, NULL), NULL));
    heard = 0;
    ask("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 16777216\r\n\r\n");
    for (int i = 0; i < 256; i++)
        plait_write(g.stream, plait_slice_of(block, sizeof block));
    stage_pass(&st, plait_seconds(2));
    const size_t waits = plait_pending(g.stream);
    assert_true(waits > 12u << 20); /* of 16 MiB: buffers of the kernel and ours took the rest */
    plait_resume(deaf_stream);
    stage_pass(&st, plait_seconds(20));
    assert_int_equal(plait_pending(g.stream), 0);
    assert_true(heard > 16u << 20);
    end();
}

static char much[1 << 20];

static size_t answer_much(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    memset(much, 'x', sizeof much);
    farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
    for (int i = 0; i < 8; i++)
        plait_write(c->stream, plait_slice_of(much, sizeof much));
    return rest.len;
}

static void a_slow_client_slows_the_origin(void **state)
{
    (void)state;
    stage_open(&st, answer_much, "http://server", NULL);
    guest_open(&st, &g);
    plait_pause(g.stream);
    guest_send(&g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    stage_pass(&st, plait_seconds(20));
    assert_true(st.farm.heap.live > 0);
    assert_true(plait_reactor_budget(st.farm.r)->used < 2u << 20);
    plait_resume(g.stream);
    stage_pass(&st, plait_seconds(20));
    assert_true(strncmp(g.got, "HTTP/1.1 200", 12) == 0);
    assert_int_equal(g.len, sizeof(g.got) - 1);
    guest_leave(&g);
    stage_close(&st);
}

/* --- clients that leave ------------------------------------------------------------------------------------------- */

static void the_origins_work_ends_with_a_client_that_left(void **state)
{
    (void)state;
    begin(NULL);
    ask_path("/silence");
    assert_int_equal(st.farm.open, 1);
    guest_leave(&g);
    assert_int_equal(st.farm.open, 0);
    ask_path("/silence");
    plait_close_write(g.stream); /* this too is how clients leave */
    stage_pass(&st, plait_millis(50));
    assert_int_equal(st.farm.open, 0);
    assert_true(g.lost);
    stage_close(&st);
}

static void a_client_that_only_closed_its_side_may_wait(void **state)
{
    const struct plait_reverse_proxy_options o = {.half_closed = true, .times.first_byte = plait_seconds(5)};
    (void)state;
    begin(&o);
    ask_path("/silence");
    plait_close_write(g.stream);
    stage_pass(&st, plait_seconds(1));
    assert_int_equal(st.farm.open, 1);
    stage_pass(&st, plait_seconds(5));
    guest_expect(&g, 504, NULL);
    end();
}

static void a_client_that_leaves_inside_the_answer_ends_it(void **state)
{
    (void)state;
    stage_open(&st, answer_much, "http://server", NULL);
    guest_open(&st, &g);
    plait_pause(g.stream);
    guest_send(&g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    stage_pass(&st, plait_seconds(2));
    guest_leave(&g);
    stage_pass(&st, plait_seconds(2));
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

/* --- what goes no further ----------------------------------------------------------------------------------------- */

static void some_requests_go_no_further(void **state)
{
    static const struct {
        const char *text;
        int status;
    } row[] = {{"TRACE / HTTP/1.1\r\nHost: site\r\n\r\n", 405},
               {"OPTIONS / HTTP/1.1\r\nHost: site\r\nMax-Forwards: 0\r\n\r\n", 204},
               {"GET / HTTP/1.1\r\nHost: site\r\nVia: 1.1 plait,1.1 plait,1.1 plait,1.1 plait,1.1 plait,1.1 plait,"
                "1.1 plait,1.1 plait\r\nVia: 1.1 plait,1.1 plait,1.1 plait,1.1 plait,1.1 plait,1.1 plait,1.1 plait,"
                "1.1 plait\r\n\r\n",
                508}};
    (void)state;
    begin(NULL);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        ask(row[i].text);
        guest_expect(&g, row[i].status, NULL);
        guest_leave(&g);
    }
    assert_int_equal(st.farm.requests, 0);
    ask("OPTIONS / HTTP/1.1\r\nHost: site\r\nMax-Forwards: 7\r\n\r\n");
    assert_non_null(strstr(st.farm.last, "Max-Forwards: 6\r\n"));
    end();
}

/* --- another protocol --------------------------------------------------------------------------------------------- */

static size_t echo_all(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = echo_all};

static size_t upgrade(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    if (farm_asked(head, "/no") || plait_slice_find(head, PLAIT_LIT("Upgrade: websocket\r\n"), 0) == SIZE_MAX)
        return answer(c, head, rest);
    farm_say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Accept: x\r\n\r\nhello ");
    struct plait_stream *s = c->stream;
    c->farm->open--;
    c->farm->ended++;
    free(c);
    plait_stream_attach(s, &echo, NULL);
    return 0;
}

#define WEBSOCKET "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Key: k\r\n\r\n"

static void a_connection_goes_on_in_another_protocol(void **state)
{
    (void)state;
    stage_open(&st, upgrade, "http://server", NULL);
    ask("GET /chat HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
    guest_expect(&g, 101, "hello ");
    assert_true(said("Sec-WebSocket-Accept: x\r\n") && said("Upgrade: websocket\r\n"));
    assert_non_null(strstr(st.farm.last, "Sec-WebSocket-Key: k\r\n"));
    assert_non_null(strstr(st.farm.last, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    guest_send(&g, "and back");
    guest_expect(&g, 101, "hello and back");
    plait_close(g.stream);
    stage_pass(&st, plait_seconds(3));
    assert_true(g.lost);
    stage_close(&st);
}

static void a_tunnel_that_is_silent_ends(void **state)
{
    const struct plait_reverse_proxy_options o = {.tunnel_idle = plait_seconds(10)};
    (void)state;
    stage_open(&st, upgrade, "http://server", &o);
    ask("GET /chat HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
    guest_expect(&g, 101, NULL);
    stage_pass(&st, plait_seconds(11));
    assert_true(g.lost);
    stage_close(&st);
}

static void an_origin_may_decline_another_protocol(void **state)
{
    (void)state;
    stage_open(&st, upgrade, "http://server", NULL);
    ask("GET /no HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
    guest_expect(&g, 401, "no");
    end();
}

static void only_protocols_that_are_listed_are_offered(void **state)
{
    static const struct plait_reverse_proxy_options row[] = {{.upgrades = ""}, {.upgrades = "irc,,chat"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        stage_open(&st, upgrade, "http://server", &row[i]);
        ask("GET /x HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
        guest_expect(&g, 200, "/x");
        assert_null(strstr(st.farm.last, "Upgrade"));
        end();
    }
}

static size_t upgrade_unasked(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    farm_say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    return rest.len;
}

static void another_protocol_that_nobody_asked_for_is_a_fault(void **state)
{
    (void)state;
    stage_open(&st, upgrade_unasked, "http://server", NULL);
    ask_path("/");
    guest_expect(&g, 502, NULL);
    end();
}

/* --- what can't be made ------------------------------------------------------------------------------------------- */

static void what_is_no_proxy_is_refused(void **state)
{
    static const struct plait_reverse_proxy_options
        via = {.via = "two words"},
        long_via = {.via = "0123456789012345678901234567890123456789012345678901234567890123"}, trust = {.trust = "x"};
    static const struct {
        const char *origins;
        const struct plait_reverse_proxy_options *options;
        plait_err err;
    } row[] = {{"", NULL, PLAIT_ESYNTAX},
               {"server", NULL, PLAIT_ESYNTAX},
               {"http://", NULL, PLAIT_ESYNTAX},
               {"http://a b", NULL, PLAIT_ESYNTAX},
               {"http://u@server", NULL, PLAIT_ESYNTAX},
               {"http://server?q", NULL, PLAIT_ESYNTAX},
               {"http://server#f", NULL, PLAIT_ESYNTAX},
               {"http://server,", NULL, PLAIT_ESYNTAX},
               {"ftp://server", NULL, PLAIT_EUNSUPPORTED},
               {"http://server", &via, PLAIT_EINVAL},
               {"http://server", &long_via, PLAIT_EINVAL},
               {"http://server", &trust, PLAIT_ESYNTAX}};
    char many[65 * 9 + 1];
    struct plait_resource *proxy;
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        assert_err(plait_reverse_proxy_new(farm.r, row[i].origins, row[i].options, &proxy), row[i].err);
        assert_null(proxy);
    }
    for (size_t i = 0; i < 65; i++)
        (void)snprintf(many + i * 9, 10, "http://a,");
    many[65 * 9 - 1] = 0;
    assert_err(plait_reverse_proxy_new(farm.r, many, NULL, &proxy), PLAIT_ELIMIT);
    many[64 * 9 - 1] = 0;
    assert_ok(plait_reverse_proxy_new(farm.r, many, NULL, &proxy));
    plait_resource_unref(&proxy);
    farm_close(&farm);
}

TEST_MAIN(cmocka_unit_test(a_request_goes_to_the_origin_and_its_answer_comes_back),
          cmocka_unit_test(answers_of_every_framing_pass), cmocka_unit_test(the_answer_to_head_has_no_body),
          cmocka_unit_test(fields_of_one_connection_stay_there),
          cmocka_unit_test(an_answer_keeps_the_date_it_was_made_at),
          cmocka_unit_test(hints_pass_and_other_interim_answers_do_not),
          cmocka_unit_test(an_origin_that_fails_is_a_bad_gateway),
          cmocka_unit_test(an_answer_that_breaks_off_breaks_off_here_too),
          cmocka_unit_test(an_origin_that_is_silent_is_a_timeout), cmocka_unit_test(silence_inside_an_answer_ends_it),
          cmocka_unit_test(spans_without_end_never_pass),
          cmocka_unit_test(who_finds_no_connection_in_time_is_told_to_come_again),
          cmocka_unit_test(a_connection_that_was_closed_meanwhile_is_replaced),
          cmocka_unit_test(only_what_may_be_done_twice_is), cmocka_unit_test(what_was_not_sent_goes_to_another_origin),
          cmocka_unit_test(there_are_only_so_many_tries), cmocka_unit_test(bodies_of_requests_pass),
          cmocka_unit_test(a_client_that_asks_first_is_told_what_the_origin_says),
          cmocka_unit_test(a_slow_origin_slows_the_client), cmocka_unit_test(a_slow_client_slows_the_origin),
          cmocka_unit_test(the_origins_work_ends_with_a_client_that_left),
          cmocka_unit_test(a_client_that_only_closed_its_side_may_wait),
          cmocka_unit_test(a_client_that_leaves_inside_the_answer_ends_it),
          cmocka_unit_test(some_requests_go_no_further), cmocka_unit_test(a_connection_goes_on_in_another_protocol),
          cmocka_unit_test(a_tunnel_that_is_silent_ends), cmocka_unit_test(an_origin_may_decline_another_protocol),
          cmocka_unit_test(only_protocols_that_are_listed_are_offered),
          cmocka_unit_test(another_protocol_that_nobody_asked_for_is_a_fault),
          cmocka_unit_test(what_is_no_proxy_is_refused))
