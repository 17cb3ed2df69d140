/* SPDX-License-Identifier: MIT
 *
 * HTTP proxies as a client uses them: tunnels, what a proxy is asked for itself, and everything that a proxy may
 * answer.
 */
#include "tests/web/client_world.h"

#include <errno.h>

#include <plait/tls.h>

/* --- tunnels ------------------------------------------------------------------------------------------------------ */

static const char *answers[4]; /* to one CONNECT after the other; "" closes, NULL says nothing */
static unsigned next;
static struct farm_conn *last_conn;

static size_t answer_tunnel(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    (void)rest;
    const char *text = answers[next++];
    last_conn = c;
    if (text && text[0])
        farm_say(c, text);
    else if (text)
        plait_close(c->stream);
    return 0;
}

/* What a tunnel's user sees. */
struct user {
    struct plait_stream *s;
    struct plait_fault fault;
    unsigned ends;
    char got[100], detail[200];
    size_t len;
};

static size_t user_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct user *u = self;
    (void)s;
    memcpy(u->got + u->len, in.ptr, in.len);
    u->len += in.len;
    u->got[u->len] = 0;
    return in.len;
}

static const struct plait_protocol user_protocol = {.name = "user", .data = user_data};

static void on_tunnel(struct plait_result *result, void *ctx)
{
    struct user *u = ctx;
    u->ends++;
    u->fault = result->fault;
    (void)snprintf(u->detail, sizeof(u->detail), "%s", result->fault.detail ? result->fault.detail : "");
    if (result->fault.err == PLAIT_OK) {
        u->s = plait_result_take(result).ptr;
        plait_stream_attach(u->s, &user_protocol, u);
        plait_write(u->s, PLAIT_LIT("hello\r\n\r\n"));
    }
    plait_result_set(result, plait_value_num(0));
}

static void dig(struct farm *farm, const struct plait_http_proxy *proxy, const char *host, struct user *u)
{
    const struct plait_connect_options o = {.via = plait_http_proxy_via(proxy)};
    memset(u, 0, sizeof(*u));
    next = 0;
    struct plait_deferred *d = plait_connect_host(farm->r, plait_slice_text(host), 7, &o);
    if (plait_then(d, on_tunnel, u) != PLAIT_OK)
        u->fault.err = PLAIT_ENOMEM;
    for (int i = 0; i < 40000 && u->ends == 0 && !u->fault.err; i++)
        plait_sim_run_for(farm->sim, plait_millis(1));
    plait_sim_run_for(farm->sim, plait_millis(10));
}

static struct plait_http_proxy *proxy_of(struct farm *farm, const char *url, const char *user)
{
    struct plait_http_proxy *proxy;
    const struct plait_http_proxy_options o = {.user = user, .password = user ? "secret" : NULL};
    assert_ok(plait_http_proxy_new(farm->r, url, &o, &proxy));
    return proxy;
}

static void a_tunnel_leads_to_the_host(void **state)
{
    struct farm farm;
    struct user u;
    (void)state;
    farm_open(&farm, answer_tunnel);
    struct plait_http_proxy *proxy = proxy_of(&farm, "http://us%65r:p@server", NULL);
    answers[0] = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 Yes\r\nContent-Length: 99\r\n\r\nfrom afar";
    answers[1] = NULL; /* what came through the tunnel */
    dig(&farm, proxy, "far.example", &u);
    assert_ok(u.fault.err);
    assert_string_equal(u.got, "from afar");
    assert_string_equal(farm.last, "hello\r\n\r\n");
    plait_close(u.s);
    dig(&farm, proxy, "2001:db8::1", &u);
    plait_close(u.s);
    plait_http_proxy_unref(&proxy);
    assert_null(proxy);
    plait_http_proxy_unref(&proxy);
    farm_close(&farm);
}

static void a_tunnel_is_asked_for_in_due_form(void **state)
{
    static const struct {
        const char *host, *user, *url, *request;
    } cases[] = {
        {"far.example", NULL, "http://server:81/",
         "CONNECT far.example:7 HTTP/1.1\r\nHost: far.example:7\r\nUser-Agent: plait/" PLAIT_VERSION "\r\n\r\n"},
        {"2001:db8::1", NULL, "http://server",
         "CONNECT [2001:db8::1]:7 HTTP/1.1\r\nHost: [2001:db8::1]:7\r\nUser-Agent: plait/" PLAIT_VERSION "\r\n\r\n"},
        {"h", NULL, "http://a:b@server",
         "CONNECT h:7 HTTP/1.1\r\nHost: h:7\r\nUser-Agent: plait/" PLAIT_VERSION
         "\r\nProxy-Authorization: Basic YTpi\r\n\r\n"},
        {"h", "ann", "http://a:b@server",
         "CONNECT h:7 HTTP/1.1\r\nHost: h:7\r\nUser-Agent: plait/" PLAIT_VERSION "\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct user u;
        farm_open(&farm, answer_tunnel);
        struct plait_http_proxy *proxy = proxy_of(&farm, cases[i].url, cases[i].user);
        answers[0] = "HTTP/1.1 500 No\r\n\r\n";
        dig(&farm, proxy, cases[i].host, &u);
        assert_string_equal(farm.last, cases[i].request);
        plait_http_proxy_unref(&proxy);
        farm_close(&farm);
    }
}

static void whatever_a_proxy_answers_has_a_name(void **state)
{
    static char interim[17 * 30 + 1];
    static const char digest[] = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=n, qop=auth\r\n\r\n";
    const struct {
        const char *answers[3];
        plait_err err;
        const char *detail;
        unsigned asked;
    } cases[] = {
        {{"HTTP/1.1 403 No\r\n\r\n"}, PLAIT_EREFUSED, "the proxy refuses to lead to the host", 1},
        {{"HTTP/1.1 502 No\r\n\r\n"}, PLAIT_EUNREACHABLE, "the proxy can't reach the host", 1},
        {{"HTTP/1.1 302 Away\r\n\r\n"}, PLAIT_EPROTOCOL, "the proxy neither leads to the host nor refuses to", 1},
        {{"HTTP/1.1 101 Switch\r\n\r\n"}, PLAIT_EPROTOCOL, "an interim response that nobody asked for", 1},
        {{interim}, PLAIT_EPROTOCOL, "an interim response that nobody asked for", 1},
        {{"SSH-2.0-x\r\n\r\n"}, PLAIT_EMALFORMED, "the proxy's answer is malformed", 1},
        {{""}, PLAIT_ETRUNCATED, "", 1},
        {{NULL}, PLAIT_ETIMEDOUT, "", 1},
        {{"HTTP/1.1 407 Who\r\n\r\n"}, PLAIT_EACCESS, "the proxy wants other credentials", 1},
        {{digest, digest}, PLAIT_EACCESS, "the proxy wants other credentials", 2},
        {{digest, "HTTP/1.1 200 In\r\n\r\n"}, PLAIT_OK, "", 2},
        {{"HTTP/1.1 407 Who\r\nproxy-authenticate: basic\r\n\r\n", "HTTP/1.1 200 In\r\n\r\n"}, PLAIT_OK, "", 2},
    };
    (void)state;
    for (size_t i = 0, at = 0; i < 17; i++)
        at += (size_t)snprintf(interim + at, sizeof(interim) - at, "HTTP/1.1 100 Go on\r\n\r\n");
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct user u;
        farm_open(&farm, answer_tunnel);
        struct plait_http_proxy *proxy = proxy_of(&farm, "http://server", "ann");
        memcpy(answers, cases[i].answers, sizeof(cases[i].answers));
        dig(&farm, proxy, "far.example", &u);
        if (u.ends != 1 || u.fault.err != cases[i].err || strcmp(u.detail, cases[i].detail) != 0 ||
            next < cases[i].asked)
            fail_msg("case %zu: %s, \"%s\", asked %u times", i, plait_err_name(u.fault.err), u.detail, next);
        if (u.s)
            plait_close(u.s);
        plait_http_proxy_unref(&proxy);
        farm_close(&farm);
    }
}

static void an_answer_may_come_in_pieces(void **state)
{
    static const char text[] = "HTTP/1.1 200 Yes\r\n\r\nfrom afar";
    struct farm farm;
    struct user u = {.ends = 0};
    (void)state;
    farm_open(&farm, answer_tunnel);
    struct plait_http_proxy *proxy = proxy_of(&farm, "http://server", NULL);
    const struct plait_connect_options o = {.via = plait_http_proxy_via(proxy)};
    answers[0] = answers[1] = NULL;
    next = 0;
    assert_ok(plait_then(plait_connect_host(farm.r, PLAIT_LIT("far.example"), 7, &o), on_tunnel, &u));
    plait_sim_run_for(farm.sim, plait_millis(100));
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        assert_int_equal(u.ends, i > strlen("HTTP/1.1 200 Yes\r\n\r"));
        plait_write(last_conn->stream, plait_slice_of(text + i, 1));
        plait_sim_run_for(farm.sim, plait_millis(100));
    }
    assert_string_equal(u.got, "from afar");
    plait_close(u.s);
    plait_http_proxy_unref(&proxy);
    farm_close(&farm);
}

static void a_tunnel_is_given_up(void **state)
{
    (void)state;
    for (int after = 0; after < 4; after++) { /* turns: before, while and after the proxy is reached */
        struct farm farm;
        struct user u = {.ends = 0};
        farm_open(&farm, answer_tunnel);
        struct plait_http_proxy *proxy = proxy_of(&farm, "http://server", NULL);
        const struct plait_connect_options o = {.via = plait_http_proxy_via(proxy)};
        answers[0] = NULL;
        next = 0;
        struct plait_deferred *d = plait_connect_host(farm.r, PLAIT_LIT("far.example"), 7, &o);
        assert_ok(plait_then(d, on_tunnel, &u));
        plait_sim_run_for(farm.sim, after == 3 ? plait_seconds(1) : after);
        plait_deferred_cancel(d);
        plait_sim_run_for(farm.sim, plait_millis(10));
        assert_err(u.fault.err, PLAIT_ECANCELLED);
        plait_http_proxy_unref(&proxy);
        farm_close(&farm);
    }
}

static void a_tunnel_that_can_not_be_asked_for_fails(void **state)
{
    const struct plait_sim_rule rule = {.call = "getrandom", .os_errno = EIO};
    struct farm farm;
    struct user u;
    (void)state;
    farm_open(&farm, answer_tunnel);
    struct plait_http_proxy *proxy = proxy_of(&farm, "http://server:9", NULL);
    dig(&farm, proxy, "far.example", &u);
    assert_err(u.fault.err, PLAIT_EREFUSED);
    assert_int_equal(farm.connections, 0);
    dig(&farm, proxy, "far\r\nexample", &u);
    assert_err(u.fault.err, PLAIT_EINVAL);
    static char host[20000];
    memset(host, 'h', sizeof(host) - 1);
    dig(&farm, proxy, host, &u);
    assert_true(u.fault.err != PLAIT_OK);
    plait_http_proxy_unref(&proxy);
    proxy = proxy_of(&farm, "http://server", "ann");
    answers[0] = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=n, qop=auth\r\n\r\n";
    assert_ok(plait_sim_add_rule(farm.sim, &rule));
    dig(&farm, proxy, "far.example", &u);
    plait_sim_clear_rules(farm.sim);
    assert_err(u.fault.err, PLAIT_EIO);
    plait_http_proxy_unref(&proxy);
    farm_close(&farm);
}

static void a_proxy_wants_a_url_of_http(void **state)
{
    static const struct {
        const char *url, *user;
        plait_err err;
    } cases[] = {
        {"ftp://server/", NULL, PLAIT_EUNSUPPORTED}, {"http://[", NULL, PLAIT_EINVAL},
        {"http:///x", NULL, PLAIT_EINVAL},           {"http://%zz@server/", NULL, PLAIT_EINVAL},
        {"http://server", "a:b", PLAIT_EINVAL},
    };
    struct farm farm;
    struct plait_http_proxy *proxy;
    (void)state;
    farm_open(&farm, answer_tunnel);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct plait_http_proxy_options o = {.user = cases[i].user};
        const plait_err err = plait_http_proxy_new(farm.r, cases[i].url, &o, &proxy);
        if (err != cases[i].err || proxy)
            fail_msg("%s: %s", cases[i].url, plait_err_name(err));
    }
    farm_close(&farm);
}

/* --- fetches ------------------------------------------------------------------------------------------------------ */

static size_t answer_fetch(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    if (plait_slice_find(head, PLAIT_LIT("Proxy-Authorization: "), 0) == SIZE_MAX)
        farm_say(c, "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=n\r\nContent-Length: 0\r\n\r\n");
    else if (farm_asked(head, "http://one.example/away"))
        farm_say(c, "HTTP/1.1 302 Away\r\nLocation: http://two.example:81/x?y\r\nContent-Length: 0\r\n\r\n");
    else if (plait_slice_find(head, PLAIT_LIT("\nAuthorization: "), 0) == SIZE_MAX &&
             farm_asked(head, "http://two.example:81/x?y"))
        farm_say(c, "HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm=s, nonce=m\r\nContent-Length: 0\r\n\r\n");
    else
        farm_echo(c, head);
    return 0;
}

static void urls_of_http_are_asked_of_the_proxy(void **state)
{
    struct farm farm;
    struct plait_response *response;
    (void)state;
    farm_open(&farm, answer_fetch);
    struct plait_http_proxy *proxy = proxy_of(&farm, "http://server", "ann");
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    struct plait_fetch_options o = {.proxy = proxy};
    assert_ok(farm_get(&farm, client, "http://one.example/a?b#c", &o, &response));
    assert_slice(plait_response_body(response), "http://one.example/a?b");
    assert_non_null(strstr(farm.last, "Host: one.example\r\n"));
    assert_non_null(strstr(farm.last, "uri=\"http://one.example/a?b\""));
    plait_response_free(&response);
    assert_ok(farm_get(&farm, client, "http://one.example/away", &o, &response));
    assert_int_equal(plait_response_status(response), 401); /* credentials for one are none for two */
    plait_response_free(&response);
    o.user = "bob";
    assert_ok(farm_get(&farm, client, "http://two.example:81/x?y", &o, &response));
    assert_slice(plait_response_body(response), "http://two.example:81/x?y");
    assert_non_null(
        strstr(farm.last, "\nAuthorization: Digest username=\"bob\", realm=\"s\", nonce=\"m\", uri=\"/x?y\""));
    plait_response_free(&response);
    assert_int_equal(farm.connections, 1); /* one proxy, one connection */
    plait_http_proxy_unref(&proxy);        /* the client's connections keep it */
    o.proxy = NULL;
    assert_ok(farm_get(&farm, client, "http://server/direct", &o, &response));
    plait_response_free(&response);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void no_memory_is_told(void **state)
{
    (void)state;
    for (int tunnels = 0; tunnels < 3; tunnels++) { /* the third: of a proxy over TLS, which is never reached */
        bool worked = false;
        for (uint64_t k = 1; k < 200 && !worked; k++) {
            struct farm farm;
            struct user u = {.ends = 0};
            struct plait_response *response = NULL;
            struct plait_http_proxy *proxy;
            const struct plait_http_proxy_options po = {.user = "ann", .password = "secret"};
            farm_open(&farm, tunnels ? answer_tunnel : answer_fetch);
            answers[0] = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=n, qop=auth\r\n\r\n";
            answers[1] = "HTTP/1.1 200 In\r\n\r\n";
            answers[2] = NULL;
            struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
            farm.heap.fail_at = farm.heap.calls + k;
            plait_err err =
                plait_http_proxy_new(farm.r, tunnels == 2 ? "https://server" : "http://server", &po, &proxy);
            const struct plait_fetch_options o = {.proxy = proxy};
            if (err == PLAIT_OK && tunnels == 1)
                dig(&farm, proxy, "far.example", &u);
            else if (err == PLAIT_OK && tunnels == 0)
                err = farm_get(&farm, client, "http://one.example/", &o, &response);
            worked = farm.heap.calls < farm.heap.fail_at;
            farm.heap.fail_at = 0;
            err = err ? err : u.fault.err;
            assert_true(err == PLAIT_ENOMEM || (err == PLAIT_EACCESS && !worked) || err == PLAIT_OK);
            if (u.s)
                plait_close(u.s);
            plait_response_free(&response);
            plait_http_proxy_unref(&proxy);
            plait_http_client_free(&client);
            farm_close(&farm);
        }
        assert_true(worked);
    }
}

TEST_MAIN(cmocka_unit_test(a_tunnel_leads_to_the_host), cmocka_unit_test(a_tunnel_is_asked_for_in_due_form),
          cmocka_unit_test(whatever_a_proxy_answers_has_a_name), cmocka_unit_test(an_answer_may_come_in_pieces),
          cmocka_unit_test(a_tunnel_is_given_up), cmocka_unit_test(a_tunnel_that_can_not_be_asked_for_fails),
          cmocka_unit_test(a_proxy_wants_a_url_of_http), cmocka_unit_test(urls_of_http_are_asked_of_the_proxy),
          cmocka_unit_test(no_memory_is_told))
