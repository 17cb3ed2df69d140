/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/cgi.c, cgi_vars.c and gateway.c: programs of a simulated host that answer, bodies both ways,
 * redirects, variables. That no process, descriptor or byte is left is looked at in each.
 */
#include "tests/web/cgi_site.h"

#include "tests/sim/scenario_certs.h"

#include <plait/tls.h>

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void a_program_answers(void **state)
{
    struct script s = {.text = "Content-Type: text/x\nStatus: 203 Fine\nX-A: b\n\nhello"};
    (void)state;
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, GET("/c/s")), 203);
    assert_non_null(strstr(v.got, "Content-Type: text/x\r\n"));
    assert_non_null(strstr(v.got, "X-A: b\r\n"));
    assert_string_equal(body_of(&v), "hello");
    assert_int_equal(ask(&w, &v, "HEAD /c/s HTTP/1.0\r\nHost: h\r\n\r\n"), 203);
    assert_string_equal(body_of(&v), "");
    assert_string_equal(w.log, "");
    gw_close(&w);
}

static void a_length_that_a_program_states_is_the_answers(void **state)
{
    struct script s = {.text = "Content-Type: a/b\nContent-Length: 5\n\nhello"};
    (void)state;
    open_with(&s, NULL);
    assert_int_equal(ask(&w, &v, "GET /c/s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), 200);
    assert_non_null(strstr(v.got, "Content-Length: 5\r\n"));
    assert_string_equal(body_of(&v), "hello");
    gw_close(&w);
}

static void programs_are_found_by_path(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {GET("/c/s"), 200},
        {GET("/c/s/more/of/it"), 200},
        {GET("/c/sub/deep/t"), 200},
        {GET("/c/sub/deep/t/"), 200},
        {GET("/c"), 404},
        {GET("/c/"), 404},
        {GET("/c/none"), 404},
        {GET("/c/sub"), 404},
        {GET("/c/sub/"), 404},
        {GET("/c/sub//deep"), 404},
        {GET("/c/.s"), 404},
        {GET("/c/sub/.x"), 404},
        {GET("/c/text"), 403},
        {GET("/one"), 200},
        {GET("/one/x"), 200},
        {GET("/c/s/.x"), 200},
        {GET("/c/../c/s"), 200},
    };
    struct script s = {.text = "Content-Type: a/b\n\n"};
    static char longest[5000];
    (void)state;
    gw_open(&w);
    add("/srv/cgi/s", &script_program, &s);
    add("/srv/cgi/.s", &script_program, &s);
    add("/srv/cgi/sub/deep/t", &script_program, &s);
    assert_ok(plait_host_write_file(w.server, "/srv/cgi/text", "x", 1));
    mount("c", "/srv/cgi/", NULL);
    mount("one", "/srv/cgi/s", NULL);
    gw_serve(&w);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        if (ask(&w, &v, cases[i].request) != cases[i].status)
            fail_msg("%s: %d", cases[i].request, status_of(&v));
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "GET /c/", 7);
    memcpy(longest + 4300, " HTTP/1.0\r\nHost: h\r\n\r\n", 23);
    assert_int_equal(ask(&w, &v, longest), 404);
    const struct plait_listen_options by_path = {.unix_mode = 0600};
    struct plait_address at;
    assert_ok(plait_address_unix(PLAIT_LIT("/srv/cgi/socket"), &at));
    assert_ok(plait_listen(w.r, &at, &by_path, plait_http(plait_resource_new(w.r)), NULL));
    assert_int_equal(ask(&w, &v, GET("/c/socket")), 404);
    gw_close(&w);
}

static void what_can_not_be_looked_at_is_told_apart(void **state)
{
    struct script s = {.text = "Content-Type: a/b\n\n"};
    (void)state;
    open_with(&s, NULL);
    assert_ok(fail_call("fstatat", EACCES));
    assert_int_equal(ask(&w, &v, GET("/c/s")), 403);
    assert_ok(fail_call("fstatat", EIO));
    assert_int_equal(ask(&w, &v, GET("/c/s")), 503);
    gw_close(&w);
}

static void a_request_is_told_in_variables(void **state)
{
    static const char *const more[] = {"MORE=or less", NULL};
    const struct plait_cgi_options options = {.env = more, .root = "/srv/www"};
    (void)state;
    gw_open(&w);
    add("/srv/cgi/vars", &vars_program, NULL);
    mount("c", "/srv/cgi", &options);
    gw_serve(&w);
    assert_int_equal(ask(&w, &v,
                         "POST /c/vars/a%20b/c?x=%201&y HTTP/1.0\r\nHost: h.example:81\r\nX-A: 1\r\nCookie: a=b\r\n"
                         "x-a: 2\r\nCookie: c=d\r\nProxy: http://evil\r\nX_A: 3\r\nAuthorization: Basic YTpi\r\n"
                         "Content-Type: text/x\r\nContent-Length: 3\r\n\r\nabc"),
                     200);
    assert_string_equal(body_of(&v),
                        "CONTENT_LENGTH=3\nCONTENT_TYPE=text/x\nDOCUMENT_ROOT=/srv/www\nGATEWAY_INTERFACE=CGI/1.1\n"
                        "HTTP_COOKIE=a=b; c=d\nHTTP_HOST=h.example:81\nHTTP_X_A=1, 2\nMORE=or less\n"
                        "PATH=/usr/local/bin:/usr/bin:/bin\nPATH_INFO=/a b/c\nPATH_TRANSLATED=/srv/www/a b/c\n"
                        "QUERY_STRING=x=%201&y\nREDIRECT_STATUS=200\nREMOTE_ADDR=10.0.0.2\n"
                        "REQUEST_METHOD=POST\nREQUEST_SCHEME=http\nREQUEST_URI=/c/vars/a%20b/c?x=%201&y\n"
                        "SCRIPT_NAME=/c/vars\nSCRIPT_FILENAME=/srv/cgi/vars\nSERVER_ADDR=10.0.0.1\n"
                        "SERVER_NAME=h.example\nSERVER_PORT=80\nSERVER_PROTOCOL=HTTP/1.0\nSERVER_SOFTWARE=plait\n");
    gw_close(&w);
}

static void a_server_without_a_name_has_an_address(void **state)
{
    (void)state;
    gw_open(&w);
    add("/srv/cgi/vars", &vars_program, NULL);
    mount("c", "/srv/cgi", NULL);
    gw_serve(&w);
    assert_int_equal(ask(&w, &v, "GET /c/vars HTTP/1.0\r\n\r\n"), 200);
    assert_non_null(strstr(v.got, "SERVER_NAME=10.0.0.1\nSERVER_PORT=80\n"));
    gw_close(&w);
}

static void tls_is_told(void **state)
{
    struct plait_listen_options listening = {0};
    struct plait_address at;
    (void)state;
    gw_open(&w);
    add("/srv/cgi/vars", &vars_program, NULL);
    mount("c", "/srv/cgi", NULL);
    assert_ok(plait_tls_server_new(w.r, &(struct plait_tls_server_options){.cert_pem = kit_server_pem}, &listening.tls,
                                   NULL));
    assert_ok(plait_tls_client_new(plait_host_reactor(w.client),
                                   &(struct plait_tls_client_options){.ca_pem = kit_ca_pem}, &v.connect.tls, NULL));
    plait_host_address(w.server, PLAIT_ADDR_IP4, 443, &at);
    assert_ok(plait_listen(w.r, &at, &listening, plait_http(w.root), NULL));
    v.port = 443;
    assert_int_equal(ask(&w, &v, GET("/c/vars")), 200);
    assert_non_null(strstr(v.got, "HTTPS=on\n"));
    assert_non_null(strstr(v.got, "REQUEST_SCHEME=https\n"));
    assert_non_null(strstr(v.got, "SERVER_PORT=443\n"));
    plait_tls_server_unref(&listening.tls);
    plait_tls_client_unref(&v.connect.tls);
    v.port = 0;
    gw_close(&w);
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static void bodies_go_through(void **state)
{
    (void)state;
    gw_open(&w);
    add("/srv/cgi/echo", &echo_program, NULL);
    const struct plait_cgi_options options = {.gather_max = 10};
    mount("c", "/srv/cgi", &options);
    gw_serve(&w);
    assert_int_equal(ask(&w, &v, "POST /c/echo HTTP/1.0\r\nHost: h\r\nContent-Length: 64\r\n\r\n" MANY), 200);
    assert_string_equal(body_of(&v), MANY);
    assert_int_equal(ask(&w, &v, CHUNKED "4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n"), 200);
    assert_non_null(strstr(body_of(&v), "abcdefghij"));
    assert_int_equal(ask(&w, &v, CHUNKED "0\r\n\r\n"), 200);
    assert_int_equal(ask(&w, &v, CHUNKED "b\r\nabcdefghijk\r\n0\r\n\r\n"), 413);
    gw_close(&w);
}

/* More than pipes hold, both ways at once: nothing is lost, and nothing gathers in the server. */
static void a_body_waits_for_its_program(void **state)
{
    enum { BYTES = 1 << 20 };
    static char request[BYTES + 200];
    (void)state;
    gw_open(&w);
    add("/srv/cgi/echo", &echo_program, NULL);
    mount("c", "/srv/cgi", NULL);
    gw_serve(&w);
    const size_t len =
        (size_t)snprintf(request, 200, "POST /c/echo HTTP/1.0\r\nHost: h\r\nContent-Length: %d\r\n\r\n", BYTES);
    for (size_t i = 0; i < BYTES; i++)
        request[len + i] = (char)('a' + i % 26);
    visit(&w, &v, request);
    v.deaf = true;
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_true(plait_reactor_budget(w.r)->used < BYTES);
    v.deaf = false;
    plait_resume(v.stream);
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    assert_memory_equal(body_of(&v), request + len, 100000);
    gw_close(&w);
}

static void what_a_program_does_not_read_is_thrown_away(void **state)
{
    static char request[300000];
    struct script s = {.text = "Content-Type: a/b\n\nI know already"};
    (void)state;
    open_with(&s, NULL);
    memset(request, 'x', sizeof request - 1);
    const size_t len =
        (size_t)snprintf(request, 100, "POST /c/s HTTP/1.0\r\nHost: h\r\nContent-Length: 250000\r\n\r\n");
    request[len] = 'x';
    request[len + 250000] = '\0';
    assert_int_equal(ask(&w, &v, request), 200);
    assert_string_equal(body_of(&v), "I know already");
    gw_close(&w);
}

/* --- redirects ---------------------------------------------------------------------------------------------------- */

static void a_path_in_location_is_answered_here(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"Location: /c/vars/on?q=2\n\n", 200}, {"Location: /none\n\n", 404}, {"Location: /c/s\n\n", 508},
        {"Location: /a%zz\n\n", 502},          {"Location: /a b\n\n", 502},  {"Location: http://h/\n\n", 302},
    };
    struct script s = {0};
    (void)state;
    open_with(&s, NULL);
    add("/srv/cgi/vars", &vars_program, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        s.text = cases[i].text;
        if (ask(&w, &v, "POST /c/s HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc") != cases[i].status)
            fail_msg("%s: %d", cases[i].text, status_of(&v));
        if (i == 0) {
            assert_non_null(strstr(v.got, "REQUEST_METHOD=GET\n"));
            assert_non_null(strstr(v.got, "PATH_INFO=/on\n"));
            assert_non_null(strstr(v.got, "QUERY_STRING=q=2\n"));
            assert_null(strstr(v.got, "CONTENT_LENGTH"));
        }
    }
    s.text = cases[0].text;
    assert_int_equal(ask(&w, &v, "HEAD /c/s HTTP/1.0\r\nHost: h\r\n\r\n"), 200);
    gw_close(&w);
}

/* The rest of the body comes before the other resource answers, and no program gets it. */
static void a_body_is_read_to_its_end_before_a_redirect(void **state)
{
    struct script s = {.text = "Location: /c/vars\n\n"};
    (void)state;
    open_with(&s, NULL);
    add("/srv/cgi/vars", &vars_program, NULL);
    visit(&w, &v, "POST /c/s HTTP/1.0\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_int_equal(v.len, 0);
    plait_write(v.stream, PLAIT_LIT("def"));
    visit_ends(&w, &v);
    assert_int_equal(status_of(&v), 200);
    assert_non_null(strstr(v.got, "REQUEST_METHOD=GET\n"));
    gw_close(&w);
}

/* --- users, TLS, and streams without addresses -------------------------------------------------------------------- */

static void let_in(struct plait_request *req, const struct plait_credentials *c, void *ctx)
{
    (void)ctx;
    plait_auth_grant(req, c->user);
}

static void users_are_told_and_passwords_are_not(void **state)
{
    static const char request[] = "GET /c/vars HTTP/1.0\r\nHost: h\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n";
    const struct plait_auth_options auth = {.schemes = PLAIT_AUTH_BASIC, .check = let_in};
    (void)state;
    for (int passed = 0; passed < 2; passed++) {
        const struct plait_cgi_options options = {.authorization = passed};
        gw_open(&w);
        add("/srv/cgi/vars", &vars_program, NULL);
        mount("c", "/srv/cgi", &options);
        assert_ok(plait_auth_wrap(w.root, &auth));
        gw_serve(&w);
        assert_int_equal(ask(&w, &v, request), 200);
        assert_non_null(strstr(v.got, "AUTH_TYPE=Basic\n"));
        assert_non_null(strstr(v.got, "REMOTE_USER=ann\n"));
        assert_int_equal(strstr(v.got, "HTTP_AUTHORIZATION=Basic") != NULL, passed);
        gw_close(&w);
    }
}

TEST_MAIN(cmocka_unit_test(a_program_answers), cmocka_unit_test(a_length_that_a_program_states_is_the_answers),
          cmocka_unit_test(programs_are_found_by_path), cmocka_unit_test(what_can_not_be_looked_at_is_told_apart),
          cmocka_unit_test(a_request_is_told_in_variables), cmocka_unit_test(bodies_go_through),
          cmocka_unit_test(a_body_waits_for_its_program), cmocka_unit_test(what_a_program_does_not_read_is_thrown_away),
          cmocka_unit_test(a_path_in_location_is_answered_here),
          cmocka_unit_test(a_body_is_read_to_its_end_before_a_redirect), cmocka_unit_test(tls_is_told),
          cmocka_unit_test(a_server_without_a_name_has_an_address),
          cmocka_unit_test(users_are_told_and_passwords_are_not))
