/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/fastcgi.c: applications that can't be reached, refuse, answer wrongly, fall silent or break off,
 * clients that leave, memory that fails. That no descriptor and no byte is left is looked at in each.
 */
#include "tests/web/fcgi_site.h"

#include <plait/web.h>

static struct visitor other;

/* --- applications that fail --------------------------------------------------------------------------------------- */

static void an_application_that_is_not_there_is_502(void **state)
{
    struct plait_resource *made;
    (void)state;
    open_with(app_reply, HELLO, NULL);
    assert_ok(plait_fastcgi_new(w.r, "tcp:application:9001", NULL, &made, NULL));
    assert_ok(plait_resource_mount(w.root, "g", made));
    assert_int_equal(ask(&w, &v, GET("/g")), 502);
    assert_true(logged(&w, "refused"));
    gw_close(&w);
}

static void an_application_that_does_not_take_a_connection_is_504(void **state)
{
    const struct plait_fastcgi_options options = {.connect = plait_seconds(3)};
    (void)state;
    open_with(app_reply, HELLO, &options);
    assert_ok(plait_sim_partition(w.sim, w.server, app_host));
    const plait_time began = plait_sim_now(w.sim);
    assert_int_equal(ask(&w, &v, GET("/f")), 504);
    assert_true(plait_sim_now(w.sim) - began < plait_seconds(4));
    gw_close(&w);
}

static const char *bytes;
static size_t bytes_len;

static void say_bytes(struct app_conn *c, bool input)
{
    if (!input)
        return;
    plait_write(c->stream, plait_slice_of(bytes, bytes_len));
    plait_close(c->stream);
}

#define RECORD(type, len) "\1" type "\0\1\0" len "\0\0"
#define END(status) RECORD("\3", "\10") "\0\0\0\0" status "\0\0\0"
#define STDOUT_HELLO RECORD("\6", "\31") "Content-Type: a/b\n\nhello!"
#define ANSWER(text) text, sizeof(text) - 1

static void what_answers_wrongly_is_told(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        int status;
        const char *body, *reason;
    } cases[] = {
        {"whole", ANSWER(STDOUT_HELLO END("\0")), 200, "hello!", NULL},
        {"its output ends, and the connection", ANSWER(STDOUT_HELLO RECORD("\6", "\0")), 200, "hello!", NULL},
        {"it breaks off", ANSWER(STDOUT_HELLO), 200, "hello!", "closed the connection before"},
        {"it breaks off in its head", ANSWER(RECORD("\6", "\6") "Status"), 502, NULL, "closed the connection before"},
        {"it says nothing", ANSWER(""), 502, NULL, "closed the connection before"},
        {"another version", ANSWER("\2\6\0\1\0\0\0\0"), 502, NULL, "does not speak FastCGI"},
        {"another request", ANSWER("\1\6\0\2\0\0\0\0"), 502, NULL, "does not speak FastCGI"},
        {"a short end", ANSWER(RECORD("\3", "\7") "\0\0\0\0\0\0\0"), 502, NULL, "does not speak FastCGI"},
        {"an end without a head", ANSWER(END("\0")), 502, NULL, "ended before its header"},
        {"it can't multiplex", ANSWER(END("\1")), 502, NULL, "refused"},
        {"it has too much to do", ANSWER(END("\2")), 503, NULL, "refused"},
        {"another role", ANSWER(END("\3")), 502, NULL, "refused"},
        {"no head", ANSWER(RECORD("\6", "\5") "what\n" END("\0")), 502, NULL, "no field"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        bytes = cases[i].bytes;
        bytes_len = cases[i].len;
        open_with(say_bytes, NULL, NULL);
        if (ask(&w, &v, GET("/f")) != cases[i].status)
            fail_msg("%s: %d", cases[i].name, status_of(&v));
        if (cases[i].body)
            assert_string_equal(body_of(&v), cases[i].body);
        if (cases[i].reason ? !logged(&w, cases[i].reason) : w.log_len > 0)
            fail_msg("%s: %s", cases[i].name, w.log);
        gw_close(&w);
    }
}

static void hold(struct app_conn *c, bool input)
{
    (void)c;
    (void)input;
}

static void silence_has_an_end(void **state)
{
    const struct plait_fastcgi_options options = {.silence = plait_seconds(3)};
    (void)state;
    open_with(hold, NULL, &options);
    const plait_time began = plait_sim_now(w.sim);
    assert_int_equal(ask(&w, &v, GET("/f")), 504);
    assert_true(plait_sim_now(w.sim) - began < plait_seconds(4));
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

static void output_has_a_limit(void **state)
{
    const struct plait_fastcgi_options exact = {.output_max = 5}, less = {.output_max = 4};
    (void)state;
    open_with(app_reply, HELLO, &exact);
    assert_int_equal(ask(&w, &v, GET("/f")), 200);
    gw_close(&w);
    open_with(app_reply, HELLO, &less);
    (void)ask(&w, &v, GET("/f"));
    assert_string_equal(body_of(&v), "");
    assert_true(logged(&w, "longer than allowed"));
    gw_close(&w);
}

/* --- clients that leave ------------------------------------------------------------------------------------------- */

static void a_client_that_leaves_ends_the_connection(void **state)
{
    (void)state;
    open_with(hold, NULL, NULL);
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 1);
    plait_abort(v.stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

static void a_client_may_leave_while_the_application_is_connected_to(void **state)
{
    (void)state;
    open_with(hold, NULL, NULL);
    assert_ok(plait_sim_partition(w.sim, w.server, app_host));
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_abort(v.stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    struct plait_reactor_left left;
    plait_reactor_look(w.r, &left);
    assert_int_equal(left.deferreds, 0);
    gw_close(&w);
}

static void a_server_that_stops_lets_its_application_go(void **state)
{
    const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_with(hold, HELLO, &options);
    visit(&w, &v, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    visit(&w, &other, GET("/f"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    app_reply(app.last, true);
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_host_kill(w.server);
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_int_equal(app.open, 0);
    gw_close(&w);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void every_allocation_fails_once(const char *request)
{
    const struct plait_fastcgi_options options = {.keep = 1};
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        open_with(app_reply, HELLO, &options);
        visit(&w, &v, request);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        plait_sim_run_while(w.sim, plait_seconds(100), visitor_waits, &v);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        if (v.stream)
            plait_abort(v.stream);
        assert_int_equal(ask(&w, &v, GET("/f")), 200);
        gw_close(&w);
        assert_true(k < 300);
    }
}

static void a_server_outlives_every_failing_allocation(void **state)
{
    (void)state;
    every_allocation_fails_once(GET("/f"));
    every_allocation_fails_once("POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd");
    every_allocation_fails_once(
        "POST /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
}

static void ignore(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)req;
    (void)piece;
    (void)end;
    (void)ctx;
}

static void read_it(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_ok(plait_request_body(req, ignore, NULL));
    plait_request_pass(req);
}

static const struct plait_layer reader = {.name = "reader", .request = read_it};

static void a_body_that_somebody_reads_is_no_applications(void **state)
{
    (void)state;
    open_with(app_reply, HELLO, NULL);
    assert_ok(plait_resource_wrap(w.root, &reader, NULL));
    assert_int_equal(ask(&w, &v, "POST /f HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"), 500);
    assert_int_equal(app.connections, 0);
    gw_close(&w);
}

static void variables_have_a_limit(void **state)
{
    static char longest[200000], *more[] = {longest, NULL};
    struct plait_fastcgi_options options = {.env = (const char *const *)more};
    struct plait_resource *made = NULL;
    (void)state;
    memset(longest, 'A', sizeof longest - 1);
    longest[1] = '=';
    open_world();
    assert_err(plait_fastcgi_new(w.r, "tcp:application:9000", &options, &made, NULL), PLAIT_ETOOLONG);
    gw_serve(&w);
    gw_close(&w);
}

static void a_resource_may_not_be_made(void **state)
{
    static const char *const wrong[] = {"no equals sign", NULL}, *const right[] = {"A=b", NULL};
    static char longest[5000];
    struct plait_fastcgi_options options = {.env = wrong};
    struct plait_resource *made = NULL, *files = NULL;
    char why[200];
    (void)state;
    open_world();
    memset(longest, 'a', sizeof longest - 1);
    assert_err(plait_fastcgi_new(w.r, "nonsense", NULL, &made, why), PLAIT_ESYNTAX);
    assert_true(strlen(why) > 10);
    assert_err(plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why), PLAIT_EINVAL);
    options = (struct plait_fastcgi_options){.root = "relative"};
    assert_err(plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why), PLAIT_EINVAL);
    options = (struct plait_fastcgi_options){.suffix = longest};
    assert_err(plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why), PLAIT_EINVAL);
    options = (struct plait_fastcgi_options){.suffix = "/x"};
    assert_err(plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why), PLAIT_EINVAL);
    longest[0] = '/';
    options = (struct plait_fastcgi_options){.root = longest};
    assert_err(plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why), PLAIT_EINVAL);
    assert_ok(plait_files_new(w.r, "/", NULL, &files));
    options = (struct plait_fastcgi_options){
        .env = right, .root = "/srv", .suffix = ".pl", .front = "/index.pl", .others = files};
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t k = 1; err == PLAIT_ENOMEM; k++) {
        w.heap.fail_at = w.heap.calls + k;
        err = plait_fastcgi_new(w.r, "tcp:h:1", &options, &made, why);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    }
    w.heap.fail_at = 0;
    assert_ok(err);
    plait_resource_unref(&made);
    plait_resource_unref(&files);
    gw_serve(&w);
    gw_close(&w);
}

TEST_MAIN(cmocka_unit_test(an_application_that_is_not_there_is_502),
          cmocka_unit_test(an_application_that_does_not_take_a_connection_is_504),
          cmocka_unit_test(what_answers_wrongly_is_told), cmocka_unit_test(silence_has_an_end),
          cmocka_unit_test(output_has_a_limit), cmocka_unit_test(a_client_that_leaves_ends_the_connection),
          cmocka_unit_test(a_client_may_leave_while_the_application_is_connected_to),
          cmocka_unit_test(a_server_that_stops_lets_its_application_go),
          cmocka_unit_test(a_server_outlives_every_failing_allocation),
          cmocka_unit_test(a_body_that_somebody_reads_is_no_applications), cmocka_unit_test(variables_have_a_limit),
          cmocka_unit_test(a_resource_may_not_be_made))
