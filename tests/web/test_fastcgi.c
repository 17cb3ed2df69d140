/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/fastcgi.c: requests that an application answers, over connections that are kept or not, in line when
 * there are too many.
 */
#include "tests/web/fcgi_site.h"

static struct visitor other;

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void an_application_answers(void **state)
{
    (void)state;
    open_with(app_reply, "Status: 203 So\nContent-Type: text/plain\nX-A: b\n\nhello", NULL);
    assert_int_equal(ask(&w, &v, GET("/f/x")), 203);
    assert_non_null(strstr(v.got, "X-A: b\r\n"));
    assert_string_equal(body_of(&v), "hello");
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0);
    assert_int_equal(ask(&w, &v, GET("/f")), 203);
    assert_int_equal(app.connections, 2);
    assert_string_equal(w.log, "");
    gw_close(&w);
}

static void tell_vars(struct app_conn *c, bool input)
{
    static const char *const names[] = {
        "SCRIPT_NAME",  "SCRIPT_FILENAME", "PATH_INFO",   "QUERY_STRING", "REQUEST_METHOD", "CONTENT_LENGTH",
        "CONTENT_TYPE", "HTTP_X_LONG",     "HTTP_COOKIE", "MORE",         "REMOTE_ADDR",    "HTTP_AUTHORIZATION"};
    if (!input)
        return;
    app_say(c, PLAIT_LIT("Content-Type: text/plain\n\n"));
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        app_say(c, plait_slice_text(names[i]));
        app_say(c, PLAIT_LIT("="));
        app_say(c, app_var(c, names[i]));
        app_say(c, PLAIT_LIT("\n"));
    }
    app_end(c, 0, 0);
}

static void a_request_is_told_in_parameters(void **state)
{
    static const char *const more[] = {"MORE=or=less", NULL};
    const struct plait_fastcgi_options options = {.env = more};
    static char text[1000];
    static const char begin[] =
        "POST /f/a%20b/c?x=1 HTTP/1.0\r\nHost: h\r\nCookie: a=b\r\nAuthorization: Basic YTpi\r\n"
        "Content-Type: text/x\r\nContent-Length: 3\r\nX-Long: ";
    char longer[301] = "";
    (void)state;
    memset(longer, 'y', 300);
    (void)snprintf(text, sizeof text, "%s%s\r\n\r\nabc", begin, longer);
    open_with(tell_vars, NULL, &options);
    assert_int_equal(ask(&w, &v, text), 200);
    (void)snprintf(text, sizeof text,
                   "SCRIPT_NAME=/f\nSCRIPT_FILENAME=\nPATH_INFO=/a b/c\nQUERY_STRING=x=1\nREQUEST_METHOD=POST\n"
                   "CONTENT_LENGTH=3\nCONTENT_TYPE=text/x\nHTTP_X_LONG=%s\nHTTP_COOKIE=a=b\nMORE=or=less\n"
                   "REMOTE_ADDR=10.0.0.2\nHTTP_AUTHORIZATION=\n",
                   longer);
    assert_string_equal(body_of(&v), text);
    gw_close(&w);
}

static void a_body_goes_to_the_application(void **state)
{
    static char text[200000];
    const size_t head =
        (size_t)snprintf(text, sizeof text, "POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 100000);
    (void)state;
    for (size_t i = 0; i < 100000; i++)
        text[head + i] = (char)('a' + i % 23);
    open_with(app_reply, "Content-Type: a/b\n\n", NULL);
    assert_int_equal(ask(&w, &v, text), 200);
    assert_string_equal(body_of(&v), text + head);
    assert_int_equal(ask(&w, &v,
                         "POST /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
                     200);
    assert_non_null(strstr(v.got, "abcde"));
    assert_int_equal(ask(&w, &v,
                         "POST /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "0\r\n\r\n"),
                     200);
    gw_close(&w);
}

static void redirect_or_reply(struct app_conn *c, bool input)
{
    const bool first = plait_slice_equal(app_var(c, "PATH_INFO"), PLAIT_LIT("/first"));
    c->app->text = first ? "Location: /f/second\n\n" : HELLO;
    if (input || first)
        app_reply(c, true);
}

static void a_local_redirection_stays_here(void **state)
{
    (void)state;
    open_with(redirect_or_reply, NULL, NULL);
    assert_int_equal(ask(&w, &v, GET("/f/first")), 200);
    assert_string_equal(body_of(&v), "hello");
    assert_int_equal(ask(&w, &v, "POST /f/first HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"), 200);
    assert_string_equal(body_of(&v), "hello");
    gw_close(&w);
}

/* It answers before it has read all, and what still comes is thrown away. */
static void reply_early(struct app_conn *c, bool input)
{
    if (!input)
        app_reply(c, true);
}

static void an_answer_may_come_before_the_bodys_end(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_with(reply_early, HELLO, &options);
    visit(&w, &v, "POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
    plait_sim_run_for(w.sim, plait_seconds(2));
    if (v.stream)
        plait_write(v.stream, PLAIT_LIT("def"));
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    assert_string_equal(body_of(&v), "hello");
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0); /* the rest of the body would be the next request's */
    gw_close(&w);
}

static void say_errors(struct app_conn *c, bool input)
{
    if (!input)
        return;
    app_say_record(c, PLAIT__FCGI_STDERR, PLAIT_LIT("first line\r\nsecond"), 1);
    app_say_record(c, 11, PLAIT_LIT("of no type we know"), 1);
    app_say(c, plait_slice_text(c->app->text));
    app_say_record(c, PLAIT__FCGI_STDERR, PLAIT_LIT(" line"), 0);
    app_end(c, 3, 0);
}

static void what_it_says_beside_goes_to_the_log(void **state)
{
    (void)state;
    open_with(say_errors, HELLO, NULL);
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    assert_string_equal(body_of(&v), "hello");
    assert_true(logged(&w, "line=\"first line\""));
    assert_true(logged(&w, "line=\"second line\""));
    assert_true(logged(&w, "status=3"));
    assert_true(logged(&w, "program=tcp:application:9000"));
    gw_close(&w);
}

/* --- pace --------------------------------------------------------------------------------------------------------- */

static char flood[900001];

static void a_slow_client_holds_the_application(void **state)
{
    const struct plait_fastcgi_options options = {.silence = plait_seconds(2)};
    (void)state;
    memset(flood, 'x', sizeof flood - 1);
    memcpy(flood, "Content-Type: a/b\n\n", 19);
    open_with(app_reply, flood, &options);
    v.deaf = true;
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(20));
    assert_string_equal(w.log, "");
    assert_int_equal(app.open, 1);
    v.deaf = false;
    plait_resume(v.stream);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    assert_int_equal(v.len, sizeof v.got - 1);
    gw_close(&w);
}

/* Reads nothing for a while. */
static void stop_reading(struct app_conn *c, bool input)
{
    if (input)
        app_reply(c, true);
    else
        plait_pause(c->stream);
}

static void a_slow_application_holds_the_client(void **state)
{
    static char text[2000100];
    const size_t head =
        (size_t)snprintf(text, sizeof text, "POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 2000000);
    (void)state;
    memset(text + head, 'z', 2000000);
    open_with(stop_reading, "Content-Type: a/b\n\n", NULL);
    visit(&w, &v, text);
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_true(w.heap.live < 1000000);
    plait_resume(app.last->stream);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    gw_close(&w);
}

/* --- connections that are kept ------------------------------------------------------------------------------------ */

static void connections_are_kept(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_with(app_reply, HELLO, &options);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(&w, &v, GET("/f")), 200);
    assert_int_equal(app.connections, 1);
    visit(&w, &v, GET("/f"));
    visit(&w, &other, GET("/f"));
    visit_ends(&w, &v);
    visit_ends(&w, &other);
    assert_int_equal(app.connections, 2);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 1); /* one more than may be kept */
    plait_sim_run_for(w.sim, plait_seconds(30));
    assert_int_equal(app.open, 0);
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    assert_int_equal(app.connections, 3);
    gw_close(&w);
}

static void a_kept_connection_that_was_closed_is_not_used(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 4};
    (void)state;
    open_with(app_reply, HELLO, &options);
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    plait_close(app.last->stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    assert_int_equal(app.connections, 2);
    plait_write(app.last->stream, PLAIT_LIT("nobody asked"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

/* The second request on a connection is not answered. */
static void once(struct app_conn *c, bool input)
{
    if (input && c->requests > 1)
        plait_abort(c->stream);
    else
        app_reply(c, input);
}

static void what_a_kept_connection_lost_is_sent_again(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 1, .connections = 1};
    (void)state;
    open_with(once, HELLO, &options);
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    visit(&w, &v, GET("/f"));
    visit(&w, &other, GET("/f"));
    visit_ends(&w, &v);
    visit_ends(&w, &other);
    assert_int_equal(status_of(&v), 200);
    assert_int_equal(status_of(&other), 200);
    assert_true(app.requests > 3);
    assert_string_equal(w.log, "");
    gw_close(&w);
}

static void what_does_something_is_not_sent_again(void **state)
{
    static const char *const requests[] = {"POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
                                           "GET /f HTTP/1.0\r\nHost: h\r\nContent-Length: 1\r\n\r\na"};
    const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(requests); i++) {
        open_with(once, HELLO, &options);
        assert_int_equal(ask(&w, &v, GET("/f")), 200);
        assert_int_equal(ask(&w, &v, requests[i]), 502);
        assert_int_equal(app.requests, 2);
        gw_close(&w);
    }
}

/* What comes behind the end of a request would be taken for the next one's answer. */
static void say_too_much(struct app_conn *c, bool input)
{
    struct plait_buf out;
    if (!input)
        return;
    plait_buf_init(&out, plait_stream_budget(c->stream), 4096);
    app_record(&out, PLAIT__FCGI_STDOUT, 1, plait_slice_text(c->app->text), 0);
    app_record(&out, PLAIT__FCGI_END, 1, plait_slice_of("\0\0\0\0\0\0\0", 8), 0);
    app_record(&out, PLAIT__FCGI_STDOUT, 1, PLAIT_LIT("evil"), 0);
    plait_write(c->stream, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

static void a_connection_on_which_too_much_came_is_not_kept(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_with(say_too_much, HELLO, &options);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&w, &v, GET("/f")), 200);
        assert_string_equal(body_of(&v), "hello");
    }
    assert_int_equal(app.connections, 3);
    gw_close(&w);
}

static void use_twice(void)
{
    visit(&w, &v, GET("/f"));
    visit(&w, &other, GET("/f"));
    visit_ends(&w, &v);
    visit_ends(&w, &other);
    assert_int_equal(app.open, 2);
}

static void nothing_is_kept_by_a_server_that_drains(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 2};
    (void)state;
    open_with(app_reply, HELLO, &options);
    use_twice();
    plait_deferred_ignore(plait_drain(w.r, plait_seconds(1)));
    plait_sim_run_for(w.sim, plait_seconds(2));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

static void nothing_is_kept_behind_the_resource(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 2};
    struct plait_listener *listener;
    struct plait_address at;
    (void)state;
    open_world();
    app_start(app_reply, HELLO);
    mount("f", &options);
    plait_host_address(w.server, PLAIT_ADDR_IP4, 80, &at);
    assert_ok(plait_listen(w.r, &at, NULL, plait_http(w.root), &listener));
    use_twice();
    plait_listener_close(&listener);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

/* --- too many ----------------------------------------------------------------------------------------------------- */

static void hold(struct app_conn *c, bool input)
{
    (void)c;
    (void)input;
}

static void more_requests_than_connections_wait(void **state)
{
    static struct visitor third;
    const struct plait_fastcgi_options options = {.connections = 1, .waiting = 1, .silence = plait_seconds(60)};
    (void)state;
    open_with(hold, HELLO, &options);
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    visit(&w, &other, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(ask(&w, &third, GET("/f")), 503);
    assert_true(logged(&w, "too many requests wait"));
    app.answer = app_reply;
    app_reply(app.last, true);
    visit_ends(&w, &v);
    visit_ends(&w, &other);
    assert_int_equal(status_of(&v), 200);
    assert_int_equal(status_of(&other), 200);
    gw_close(&w);
}

static void who_waits_may_leave(void **state)
{
    const struct plait_fastcgi_options options = {.connections = 1, .silence = plait_seconds(60)};
    (void)state;
    open_with(hold, HELLO, &options);
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    visit(&w, &other, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_abort(other.stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    app_reply(app.last, true);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.requests, 1);
    gw_close(&w);
}

TEST_MAIN(cmocka_unit_test(an_application_answers), cmocka_unit_test(a_request_is_told_in_parameters),
          cmocka_unit_test(a_body_goes_to_the_application), cmocka_unit_test(a_local_redirection_stays_here),
          cmocka_unit_test(an_answer_may_come_before_the_bodys_end),
          cmocka_unit_test(what_it_says_beside_goes_to_the_log), cmocka_unit_test(a_slow_client_holds_the_application),
          cmocka_unit_test(a_slow_application_holds_the_client), cmocka_unit_test(connections_are_kept),
          cmocka_unit_test(a_kept_connection_that_was_closed_is_not_used),
          cmocka_unit_test(what_a_kept_connection_lost_is_sent_again),
          cmocka_unit_test(what_does_something_is_not_sent_again),
          cmocka_unit_test(a_connection_on_which_too_much_came_is_not_kept),
          cmocka_unit_test(nothing_is_kept_behind_the_resource),
          cmocka_unit_test(nothing_is_kept_by_a_server_that_drains),
          cmocka_unit_test(more_requests_than_connections_wait), cmocka_unit_test(who_waits_may_leave))
