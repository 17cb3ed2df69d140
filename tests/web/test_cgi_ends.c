/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/cgi.c and gateway.c: programs that answer wrongly, say nothing or do not end, clients that leave,
 * memory that fails. That no process, descriptor or byte is left is looked at in each.
 */
#include "tests/web/cgi_site.h"

#include "web/cgi_wire.h"

#include <plait/site.h>

/* --- programs that fail ------------------------------------------------------------------------------------------- */

static void bad_programs_are_502(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "ended before its header did"},
        {"Content-Type: a/b\n", "ended before its header did"},
        {"no header\n\n", "no field"},
        {"X-A: b\n\n", "neither Content-Type nor Location nor Status"},
        {"Transfer-Encoding: chunked\n\n", "frames its body itself"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct script s = {.text = cases[i].text, .status = 3};
        open_with(&s, NULL);
        assert_int_equal(ask(&w, &v, GET("/c/s")), 502);
        assert_true(logged(&w, cases[i].reason));
        assert_true(logged(&w, "program=/srv/cgi/s"));
        plait_sim_run_for(w.sim, plait_seconds(5));
        gw_close(&w);
    }
}

static void more_fields_than_an_answer_may_have_are_502(void **state)
{
    static char text[PLAIT__CGI_HEAD_MAX];
    struct script s = {.text = text};
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 98; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "X-%0161d:y\n", i);
    (void)snprintf(text + len, sizeof text - len, "Content-Type: a/b\n\n");
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 502);
    assert_true(logged(&w, "more than an answer can have"));
    gw_close(&w);
}

static void a_status_is_logged(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\nfine", .status = 3};
    (void)state;
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 200);
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_true(logged(&w, "status=3"));
    gw_close(&w);
}

static void what_it_says_beside_goes_to_the_log(void **state)
{
    static char many[2600];
    struct script s = {.text = "Content-Type: a/b\n\n", .errors = many};
    (void)state;
    memset(many, 'y', sizeof many - 1);
    memcpy(many, "first line\r\nsecond \001line\n\n", 25);
    memcpy(many + sizeof many - 6, "\nrest", 5);
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 200);
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_true(logged(&w, "line=\"first line\""));
    assert_true(logged(&w, "line=\"second \\x01line\""));
    assert_true(logged(&w, "line=rest"));
    gw_close(&w);
}

static void silence_and_life_have_an_end(void **state)
{
    static const struct {
        const char *text;
        plait_span silence, life;
        int status;
        const char *reason;
    } cases[] = {
        {NULL, PLAIT_NEVER, 3000000000, 504, "ran for longer"},
        {NULL, 3000000000, PLAIT_NEVER, 504, "silent for too long"},
        {"Content-Type: a/b\n\nhalf", 3000000000, PLAIT_NEVER, 200, "silent for too long"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct script s = {.text = cases[i].text, .stays = true};
        const struct plait_cgi_options options = {.silence = cases[i].silence, .life = cases[i].life};
        open_with(&s, &options);
        const plait_time began = plait_sim_now(w.sim);
        assert_int_equal(ask(&w, &v, GET("/c/s")), cases[i].status);
        assert_true(plait_sim_now(w.sim) - began < plait_seconds(4));
        assert_true(logged(&w, cases[i].reason));
        plait_sim_run_for(w.sim, plait_seconds(5));
        assert_int_equal(s.asked, 1);
        gw_close(&w);
    }
}

static void output_has_a_limit(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\n", .flood = 40960};
    const struct plait_cgi_options exact = {.output_max = 40960}, less = {.output_max = 40959};
    (void)state;
    open_with(&s, &exact);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 200);
    assert_int_equal(strlen(body_of(&v)), 40960);
    gw_close(&w);
    open_with(&s, &less);
    (void)ask(&w, &v, GET("/c/s"));
    assert_true(strlen(body_of(&v)) < 40960);
    assert_true(logged(&w, "longer than allowed"));
    gw_close(&w);
}

static struct visitor other;

static void more_programs_than_may_run_are_503(void **state)
{
    struct script s = {.stays = true};
    const struct plait_cgi_options options = {.at_once = 1, .silence = plait_seconds(3)};
    (void)state;
    open_with(&s, &options);
    visit(&w, &v, GET("/c/s"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(ask(&w, &other, GET("/c/s")), 503);
    assert_non_null(strstr(other.got, "Retry-After: 1\r\n"));
    visit_ends(&w, &v);
    plait_sim_run_for(w.sim, plait_seconds(5));
    s = (struct script){.text = "Status: 204\n\n"};
    assert_int_equal(ask(&w, &v, GET("/c/s")), 204);
    gw_close(&w);
}

static void a_program_that_can_not_be_started_is_told_apart(void **state)
{
    static const struct {
        const char *call;
        int os_errno, status;
    } cases[] = {{"spawn", ENOENT, 500}, {"spawn", ENOEXEC, 500}, {"spawn", EAGAIN, 503}, {"pipe2", EMFILE, 503}};
    struct script s = {.text = "Status: 204\n\n"};
    (void)state;
    open_with(&s, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        assert_ok(fail_call(cases[i].call, cases[i].os_errno));
        assert_int_equal(ask(&w, &v, GET("/c/s")), cases[i].status);
    }
    assert_int_equal(ask(&w, &v, GET("/c/s")), 204);
    gw_close(&w);
}

static void output_that_can_not_be_read_is_502(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\nhello", .stays = true};
    (void)state;
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, GET("/none")), 404);
    const struct plait_sim_rule rule = {.host = w.server, .call = "read", .os_errno = ENOMEM};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_int_equal(ask(&w, &v, GET("/c/s")), 502);
    assert_true(logged(&w, "could not be read"));
    plait_sim_clear_rules(w.sim);
    gw_close(&w);
}

/* --- clients that leave ------------------------------------------------------------------------------------------- */

static void a_client_that_leaves_ends_the_program(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\n", .stays = true};
    (void)state;
    open_with(&s, NULL);
    visit(&w, &v, GET("/c/s"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_abort(v.stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(s.asked, 1);
    gw_close(&w);
}

static void a_stubborn_program_is_killed(void **state)
{
    struct script s = {.stays = true, .stubborn = true};
    (void)state;
    open_with(&s, NULL);
    visit(&w, &v, GET("/c/s"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_abort(v.stream);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(s.asked, 1);
    struct plait_reactor_left left;
    plait_sim_run_for(w.sim, plait_seconds(2));
    plait_reactor_look(w.r, &left);
    assert_int_equal(left.deferreds, 0);
    gw_close(&w);
}

/* Whether a client that closed its side still reads can't be seen: it gets what comes soon. */
static void a_client_that_closes_its_side_waits_a_little(void **state)
{
    struct script quick = {.text = "Content-Type: a/b\n\nhello"}, slow = {.stays = true};
    (void)state;
    open_with(&quick, NULL);
    v.shut = true;
    assert_int_equal(ask(&w, &v, GET("/c/s")), 200);
    assert_string_equal(body_of(&v), "hello");
    gw_close(&w);
    open_with(&slow, NULL);
    const plait_time began = plait_sim_now(w.sim);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 0);
    assert_true(plait_sim_now(w.sim) - began < plait_seconds(6));
    v.shut = false;
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_int_equal(slow.asked, 1);
    gw_close(&w);
}

/* The silence of a program that waits for its client is not its own. */
static void a_slow_client_is_no_silent_program(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\n", .flood = 3 << 20};
    const struct plait_cgi_options options = {.silence = plait_seconds(2)};
    (void)state;
    open_with(&s, &options);
    v.deaf = true;
    visit(&w, &v, GET("/c/s"));
    plait_sim_run_for(w.sim, plait_seconds(20));
    assert_string_equal(w.log, "");
    v.deaf = false;
    plait_resume(v.stream);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    assert_int_equal(v.len, sizeof v.got - 1);
    gw_close(&w);
}

/* What still comes of a body when its answer is made is nobody's. */
static void a_body_may_come_behind_its_answer(void **state)
{
    struct script s = {.text = "Content-Type: text/plain\n\n", .flood = 1 << 20};
    static const struct plait_compress_options all = {.least = 1};
    (void)state;
    gw_open(&w);
    add("/srv/cgi/s", &script_program, &s);
    mount("c", "/srv/cgi", NULL);
    assert_ok(plait_compress_wrap(w.root, &all));
    gw_serve(&w);
    v.deaf = true;
    visit(&w, &v, "POST /c/s HTTP/1.0\r\nHost: h\r\nAccept-Encoding: gzip\r\nContent-Length: 6\r\n\r\nabc");
    plait_sim_run_for(w.sim, plait_seconds(2));
    plait_write(v.stream, PLAIT_LIT("def"));
    plait_sim_run_for(w.sim, plait_seconds(2));
    v.deaf = false;
    plait_resume(v.stream);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    gw_close(&w);
}

static void a_server_that_stops_takes_its_programs_along(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\n", .stays = true, .stubborn = true};
    (void)state;
    open_with(&s, NULL);
    visit(&w, &v, GET("/c/s"));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_host_kill(w.server);
    plait_sim_run_for(w.sim, plait_seconds(5));
    gw_close(&w);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void every_allocation_fails_once(const char *request, const char *text)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct script s = {.text = text, .errors = "a line\n"};
        open_with(&s, NULL);
        add("/srv/cgi/echo", &echo_program, NULL);
        visit(&w, &v, request);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        plait_sim_run_while(w.sim, plait_seconds(100), visitor_waits, &v);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        if (v.stream)
            plait_abort(v.stream);
        s.text = "Status: 204\n\n";
        assert_int_equal(ask(&w, &v, GET("/c/s")), 204);
        gw_close(&w);
        assert_true(k < 300);
    }
}

static void a_server_outlives_every_failing_allocation(void **state)
{
    (void)state;
    every_allocation_fails_once(GET("/c/s"), "Content-Type: a/b\n\nhello");
    every_allocation_fails_once("POST /c/echo HTTP/1.0\r\nHost: h\r\nContent-Length: 64\r\n\r\n" MANY, "");
    every_allocation_fails_once(CHUNKED "4\r\nabcd\r\n0\r\n\r\n", "");
    every_allocation_fails_once(GET("/c/s"), "Location: /c/echo\n\n");
}

/* Layers that leave a request no memory of its own, and one that reads its body. */
static void eat(struct plait_request *req, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 8; i++)
        (void)!plait_request_memory(req, 64);
    plait_request_pass(req);
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

static const struct plait_layer eater = {.name = "eater", .request = eat};
static const struct plait_layer reader = {.name = "reader", .request = read_it};

static void a_request_without_memory_is_503(void **state)
{
    int status = 0;
    (void)state;
    for (uint64_t k = 1; status != 200; k++) {
        struct script s = {.text = "Content-Type: a/b\n\nhello"};
        open_with(&s, NULL);
        assert_ok(plait_resource_wrap(w.root, &eater, NULL));
        visit(&w, &v, GET("/c/s"));
        w.heap.fail_at = w.heap.calls + k;
        plait_sim_run_while(w.sim, plait_seconds(100), visitor_waits, &v);
        w.heap.fail_at = 0;
        status = strstr(v.got, "hello") ? status_of(&v) : 0;
        gw_close(&w);
        assert_true(k < 300);
    }
}

static void a_body_that_somebody_reads_is_no_programs(void **state)
{
    struct script s = {.text = "Status: 204\n\n"};
    (void)state;
    open_with(&s, NULL);
    assert_ok(plait_resource_wrap(w.root, &reader, NULL));
    assert_int_equal(ask(&w, &v, "POST /c/s HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"), 500);
    assert_int_equal(s.runs, 0);
    gw_close(&w);
}

static void a_resource_may_not_be_made(void **state)
{
    static const char *const wrong[] = {"no equals sign", NULL}, *const right[] = {"A=b", NULL};
    static char longest[5000];
    struct plait_cgi_options options = {.env = wrong};
    struct plait_resource *made = NULL;
    struct script s = {0};
    (void)state;
    gw_open(&w);
    add("/srv/cgi/s", &script_program, &s);
    assert_ok(plait_host_write_file(w.server, "/srv/cgi/text", "x", 1));
    memset(longest, 'a', sizeof longest - 1);
    longest[0] = '/';
    assert_err(plait_cgi_new(w.r, "s", NULL, &made), PLAIT_EINVAL);
    assert_err(plait_cgi_new(w.r, longest, NULL, &made), PLAIT_EINVAL);
    assert_err(plait_cgi_new(w.r, "/none", NULL, &made), PLAIT_ENOTFOUND);
    assert_err(plait_cgi_new(w.r, "/srv/cgi", NULL, &made), PLAIT_EACCESS);
    assert_err(plait_cgi_new(w.r, "/srv/cgi/text", NULL, &made), PLAIT_EACCESS);
    assert_err(plait_cgi_folder_new(w.r, "/srv/cgi/text", NULL, &made), PLAIT_EINVAL);
    assert_err(plait_cgi_new(w.r, "/srv/cgi/s", &options, &made), PLAIT_EINVAL);
    options = (struct plait_cgi_options){.env = right, .root = "/srv"};
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t k = 1; err == PLAIT_ENOMEM; k++) {
        w.heap.fail_at = w.heap.calls + k;
        err = plait_cgi_folder_new(w.r, "/srv/cgi", &options, &made);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    }
    w.heap.fail_at = 0;
    assert_ok(err);
    plait_resource_unref(&made);
    gw_serve(&w);
    gw_close(&w);
}

TEST_MAIN(cmocka_unit_test(bad_programs_are_502), cmocka_unit_test(more_fields_than_an_answer_may_have_are_502),
          cmocka_unit_test(a_status_is_logged), cmocka_unit_test(a_body_may_come_behind_its_answer),
          cmocka_unit_test(a_request_without_memory_is_503),
          cmocka_unit_test(a_body_that_somebody_reads_is_no_programs),
          cmocka_unit_test(what_it_says_beside_goes_to_the_log), cmocka_unit_test(silence_and_life_have_an_end),
          cmocka_unit_test(output_has_a_limit), cmocka_unit_test(more_programs_than_may_run_are_503),
          cmocka_unit_test(a_program_that_can_not_be_started_is_told_apart),
          cmocka_unit_test(output_that_can_not_be_read_is_502), cmocka_unit_test(a_client_that_leaves_ends_the_program),
          cmocka_unit_test(a_stubborn_program_is_killed),
          cmocka_unit_test(a_client_that_closes_its_side_waits_a_little),
          cmocka_unit_test(a_slow_client_is_no_silent_program),
          cmocka_unit_test(a_server_that_stops_takes_its_programs_along),
          cmocka_unit_test(a_server_outlives_every_failing_allocation), cmocka_unit_test(a_resource_may_not_be_made))
