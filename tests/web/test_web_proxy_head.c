/* SPDX-License-Identifier: MIT
 *
 * What origins get to read: targets below every kind of path, fields that go on and fields that stay, who asked.
 */
#include "tests/web/proxy_world.h"

static struct stage st;
static struct guest g;

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    farm_echo(c, head);
    return rest.len;
}

static void rewrite_and_begin(const char *path, const char *origins, const struct plait_reverse_proxy_options *o,
                              const char *from, const char *to)
{
    struct plait_resource *proxy, *root;
    farm_open(&st.farm, answer);
    assert_ok(plait_reverse_proxy_new(st.farm.r, origins, o, &proxy));
    root = path[0] ? plait_resource_new(st.farm.r) : plait_resource_ref(proxy);
    if (path[0])
        assert_ok(plait_resource_mount(root, path, plait_resource_ref(proxy)));
    if (from)
        assert_ok(plait_rewrite_wrap(root, from, to));
    plait_resource_unref(&proxy);
    st.service = plait__http_service_new(root, NULL);
    assert_non_null(st.service);
}

static void begin(const char *path, const char *origins, const struct plait_reverse_proxy_options *o)
{
    rewrite_and_begin(path, origins, o, NULL, NULL);
}

static void end(void)
{
    guest_leave(&g);
    stage_close(&st);
}

static void ask(const char *target, const char *fields)
{
    char text[4000];
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: site\r\n%s\r\n", target, fields);
    guest_ask(&st, &g, text);
}

static bool heard(const char *text)
{
    return strstr(st.farm.last, text) != NULL;
}

/* --- targets ------------------------------------------------------------------------------------------------------ */

static void what_is_left_of_a_path_is_asked_for_below_the_origins(void **state)
{
    static const struct {
        const char *mount, *origin, *target, *asked;
    } row[] = {
        {"", "http://server", "/", "/"},
        {"", "http://server/", "/", "/"},
        {"", "http://server", "/a", "/a"},
        {"", "http://server", "/a/", "/a/"},
        {"", "http://server", "/a//b", "/a//b"},
        {"", "http://server", "/a?", "/a?"},
        {"", "http://server", "/a?b=%2F&c", "/a?b=%2F&c"},
        {"", "http://server/base", "/", "/base/"},
        {"", "http://server/base/", "/a", "/base/a"},
        {"api", "http://server", "/api", "/"},
        {"api", "http://server", "/api/", "/"},
        {"api", "http://server", "/api/x/y", "/x/y"},
        {"api", "http://server/v1", "/api", "/v1"},
        {"api", "http://server/v1/", "/api", "/v1"},
        {"api", "http://server/v1", "/api/", "/v1/"},
        {"api", "http://server/v1", "/api/x", "/v1/x"},
        {"api", "http://server/v1", "/api?q", "/v1?q"},
        {"a/b", "http://server", "/a/b/c", "/c"},
        {"", "http://server", "/a%20b", "/a%20b"},
        {"", "http://server", "/a%3Bb;c", "/a%3Bb;c"},
        {"", "http://server", "/%7euser/%41", "/~user/A"},
        {"", "http://server", "/%e4%c3", "/%E4%C3"},
        {"", "http://server", "/a/../b/./c", "/b/c"},
        {"", "http://server", "/a/%2e%2e/b", "/b"},
        {"api", "http://server", "/x/../api/%20/../b%25", "/b%25"},
        {"api", "http://server", "/%61pi/b%20c", "/b%20c"},
        {"", "http://server", "http://other/a%20b/c?d", "/a%20b/c?d"},
        {"", "http://server", "http://other", "/"},
        {"", "http://server", "http://other?q", "/?q"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        char line[200];
        begin(row[i].mount, row[i].origin, NULL);
        ask(row[i].target, "");
        (void)snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", row[i].asked);
        if (strncmp(st.farm.last, line, strlen(line)) != 0)
            fail_msg("%s below '%s' at %s: %.60s", row[i].target, row[i].mount, row[i].origin, st.farm.last);
        end();
    }
}

static void a_path_that_a_layer_changed_is_written_anew(void **state)
{
    (void)state;
    rewrite_and_begin("", "http://server", NULL, "old", "new");
    ask("/old/a%20b", "");
    assert_true(heard("GET /new/a%20b HTTP/1.1\r\n"));
    guest_leave(&g);
    ask("/else/a%20b", "");
    assert_true(heard("GET /else/a%20b HTTP/1.1\r\n"));
    end();
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

static void fields_of_the_clients_connection_stay_there(void **state)
{
    static const char *const gone[] = {"X-One", "X-Two", "Keep-Alive", "TE: ",         "Trailer",    "Upgrade",
                                       "HTTP2", "Proxy", "Expect",     "Max-Forwards", "Connection", "Content-Length"};
    (void)state;
    begin("", "http://server", NULL);
    ask("/",
        "Connection: x-one\r\nConnection: keep-alive, X-TWO, host, content-length\r\nX-One: 1\r\nX-Two: 2\r\n"
        "Keep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        "Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\nProxy: x\r\nMax-Forwards: many\r\n"
        "Cookie: a=b\r\nAccept: */*\r\nX-Three: 3\r\n");
    for (size_t i = 0; i < TEST_COUNT(gone); i++) {
        if (heard(gone[i]))
            fail_msg("%s was passed on: %s", gone[i], st.farm.last);
    }
    assert_true(heard("Cookie: a=b\r\nAccept: */*\r\nX-Three: 3\r\n"));
    assert_true(heard("Host: site\r\n"));
    end();
}

static void methods_that_may_have_a_body_say_that_there_is_none(void **state)
{
    (void)state;
    begin("", "http://server", NULL);
    guest_ask(&st, &g, "POST / HTTP/1.1\r\nHost: site\r\n\r\n");
    assert_true(heard("Content-Length: 0\r\n"));
    guest_leave(&g);
    guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\nContent-Length: 0\r\n\r\n");
    assert_true(heard("Content-Length: 0\r\n"));
    end();
}

static void connections_that_are_not_kept_say_so(void **state)
{
    const struct plait_reverse_proxy_options o = {.pool.no_reuse = true};
    (void)state;
    begin("", "http://server", &o);
    ask("/", "");
    assert_true(heard("Connection: close\r\n"));
    end();
}

/* --- who asked ---------------------------------------------------------------------------------------------------- */

#define TOLD                                                                                                           \
    "Forwarded: for=9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: told\r\n"     \
    "X-Real-IP: 9.9.9.9\r\nX-Forwarded-Port: 1\r\nVia: 1.0 front\r\n"

static void what_strangers_say_of_others_goes_no_further(void **state)
{
    (void)state;
    begin("", "http://server", NULL);
    ask("/", TOLD);
    assert_false(heard("9.9.9.9") || heard("told") || heard("X-Forwarded-Port"));
    assert_true(heard("Forwarded: for=unknown;host=\"site\";proto=http\r\nX-Forwarded-For: unknown\r\n"
                      "X-Forwarded-Proto: http\r\nX-Forwarded-Host: site\r\n"));
    assert_true(heard("Via: 1.0 front\r\n") && heard("Via: 1.1 plait\r\n"));
    end();
}

static void what_trusted_clients_say_is_added_to(void **state)
{
    const struct plait_reverse_proxy_options o = {.trust = "unix", .via = "here"};
    (void)state;
    begin("", "http://server", &o);
    ask("/", TOLD);
    assert_true(heard("Forwarded: for=9.9.9.9\r\n") && heard("Forwarded: for=unknown;host=\"site\";proto=http\r\n"));
    assert_true(heard("X-Forwarded-For: 9.9.9.9, unknown\r\n"));
    assert_true(heard("X-Forwarded-Proto: https\r\n") && !heard("X-Forwarded-Proto: http\r\n"));
    assert_true(heard("X-Forwarded-Host: told\r\n") && !heard("X-Forwarded-Host: site\r\n"));
    assert_true(heard("X-Real-IP: 9.9.9.9\r\n") && heard("X-Forwarded-Port: 1\r\n") && heard("Via: 1.1 here\r\n"));
    end();
}

static void a_clients_address_is_told_in_every_form(void **state)
{
    static const struct {
        enum plait_address_kind kind;
        const char *node, *plain;
    } row[] = {{PLAIT_ADDR_IP4, "for=10.", "X-Forwarded-For: 10."}, {PLAIT_ADDR_IP6, "for=\"[f", "X-Forwarded-For: f"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct plait_resource *proxy;
        struct plait_listener *l;
        struct plait_address at;
        char url[200], host[PLAIT_ADDR_TEXT_MAX];
        farm_open(&st.farm, answer);
        assert_ok(plait_reverse_proxy_new(st.farm.r, "http://server", NULL, &proxy));
        plait_host_address(st.farm.client, row[i].kind, 90, &at);
        assert_ok(plait_listen(st.farm.r, &at, NULL, plait_http(proxy), &l));
        struct plait_http_client *client = plait_http_client_new(plait_host_reactor(st.farm.server), NULL);
        (void)snprintf(url, sizeof url, "http://%s/", plait_address_format(&at, host));
        assert_ok(farm_get(&st.farm, client, url, NULL, NULL));
        if (!heard(row[i].node) || !heard(row[i].plain))
            fail_msg("%s", st.farm.last);
        plait_http_client_free(&client);
        stage_pass(&st, plait_seconds(3));
        plait_listener_close(&l);
        farm_close(&st.farm);
    }
}

static void the_host_is_the_clients_or_the_origins(void **state)
{
    static const struct {
        const char *origin, *host;
    } row[] = {{"http://server", "Host: server\r\n"},
               {"http://server:80", "Host: server:80\r\n"},
               {"http://server:80/x", "Host: server:80\r\n"}};
    const struct plait_reverse_proxy_options o = {.own_host = true};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        begin("", row[i].origin, &o);
        ask("/", "");
        assert_true(heard(row[i].host));
        end();
    }
    begin("", "http://server", NULL);
    guest_ask(&st, &g, "GET / HTTP/1.0\r\n\r\n"); /* which says none */
    assert_true(heard("Host: server\r\n") && !heard("X-Forwarded-Host") && heard("Via: 1.0 plait\r\n"));
    assert_true(heard("Forwarded: for=unknown;proto=http\r\n"));
    end();
}

TEST_MAIN(cmocka_unit_test(what_is_left_of_a_path_is_asked_for_below_the_origins),
          cmocka_unit_test(a_path_that_a_layer_changed_is_written_anew),
          cmocka_unit_test(fields_of_the_clients_connection_stay_there),
          cmocka_unit_test(methods_that_may_have_a_body_say_that_there_is_none),
          cmocka_unit_test(connections_that_are_not_kept_say_so),
          cmocka_unit_test(what_strangers_say_of_others_goes_no_further),
          cmocka_unit_test(what_trusted_clients_say_is_added_to),
          cmocka_unit_test(a_clients_address_is_told_in_every_form),
          cmocka_unit_test(the_host_is_the_clients_or_the_origins))
