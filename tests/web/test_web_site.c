/* SPDX-License-Identifier: MIT
 *
 * Where requests go: redirections, TLS, hosts, paths; pages of errors, health and metrics; limits.
 */
#include "tests/support/certs.h"
#include "tests/web/http_world.h"

#include <plait/site.h>
#include <plait/tls.h>

static struct peer p;

static void say(struct plait_request *req, void *ctx)
{
    plait_reply_text(req, 200, ctx);
}

static char one[] = "one", two[] = "two", three[] = "three", four[] = "four";

static struct plait_resource *site(struct world *w, char *text)
{
    struct plait_resource *made = plait_resource_new(w->r);
    assert_ok(plait_resource_get(made, "a", say, text));
    return made;
}

static const char *get(struct world *w, const char *target, const char *host)
{
    static char text[20000];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
    ask(w, &p, text);
    return body_of(&p);
}

static const char *location(void)
{
    static char text[1000];
    const char *at = strstr(p.got, "Location: ");
    if (!at)
        return "";
    (void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + 10, "\r"), at + 10);
    return text;
}

/* --- redirections ------------------------------------------------------------------------------------------------- */

static void redirections_keep_path_and_query(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_mount(w.root, "a", plait_redirect_new(w.r, "https://other.example/b", 0)));
    assert_ok(plait_resource_mount(w.root, "b", plait_redirect_new(w.r, "/c/", 302)));
    assert_ok(plait_resource_mount(w.root, "d", plait_redirect_new(w.r, "", 301)));
    world_serve(&w, NULL);
    (void)get(&w, "/a/x%20y/z%3F?q=1&r", "h");
    assert_int_equal(status_of(&p), 308);
    assert_string_equal(location(), "https://other.example/b/x%20y/z%3F?q=1&r");
    (void)get(&w, "/a", "h");
    assert_string_equal(location(), "https://other.example/b");
    (void)get(&w, "/b/x?", "h");
    assert_int_equal(status_of(&p), 302);
    assert_string_equal(location(), "/c/x?");
    (void)get(&w, "/b//evil.example", "h");
    assert_string_equal(location(), "/c/evil.example");
    (void)get(&w, "/d//evil.example", "h");
    assert_string_equal(location(), "evil.example"); /* relative, and no other host */
    static char path[7000];
    memset(path, '"', sizeof(path));
    memcpy(path, "/a/", 3);
    for (size_t i = 3; i + 4 < sizeof(path); i += 3)
        memcpy(path + i, "%22", 3);
    path[sizeof(path) - 4] = 0;
    (void)get(&w, path, "h");
    assert_int_equal(status_of(&p), 308);
    world_close(&w);
}

static void a_redirection_that_is_none_is_not_served(void **state)
{
    static const int wrong[] = {200, 300, 309, -1};
    struct world w;
    (void)state;
    world_open(&w);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++)
        assert_null(plait_http(plait_redirect_new(w.r, "/", wrong[i])));
    for (uint64_t k = 1; k < 3; k++) {
        w.heap.fail_at = w.heap.calls + k;
        assert_null(plait_redirect_new(w.r, "/", 0));
    }
    static char target[17000];
    memset(target, 't', sizeof(target) - 1);
    assert_ok(plait_resource_mount(w.root, "a", plait_redirect_new(w.r, target, 0)));
    world_serve(&w, NULL);
    (void)get(&w, "/a", "h");
    assert_int_equal(status_of(&p), 414);
    world_close(&w);
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void over_tls_it_passes_with_hsts(void **state)
{
    const struct plait_https_options strict = {.hsts = plait_seconds(3600), .subdomains = true, .preload = true};
    struct test_cert ca, leaf;
    struct plait_listen_options listening = {0};
    struct plait_fetch_options trusting = {0};
    struct plait_listener *listener;
    struct plait_address here;
    struct world w;
    char url[64];
    plait_value value;
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&leaf, &ca, &(struct test_cert_ask){.subject = "leaf", .san = "IP:127.0.0.1"});
    world_open(&w);
    struct plait_resource *plain = site(&w, two);
    assert_ok(plait_https_wrap(plain, NULL));
    assert_ok(plait_resource_mount(w.root, "plain", plain));
    struct plait_resource *told = site(&w, one);
    assert_ok(plait_https_wrap(told, &strict));
    assert_ok(plait_resource_mount(w.root, "told", told));
    struct plait_tls_server_options own = {.cert_pem = leaf.cert_pem, .key_pem = leaf.key_pem};
    assert_ok(plait_tls_server_new(w.r, &own, &listening.tls, NULL));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(w.r, &here, &listening, plait_http(w.root), &listener));
    plait_tls_server_unref(&listening.tls);
    plait_listener_address(listener, &here);
    struct plait_tls_client_options roots = {.ca_pem = ca.cert_pem};
    assert_ok(plait_tls_client_new(w.r, &roots, &trusting.connect.tls, NULL));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/%s/a", here.port, i ? "told" : "plain");
        assert_ok(plait_reactor_run_until(w.r, plait_http_get(w.r, url, &trusting), &value));
        struct plait_response *response = value.ptr;
        assert_slice(plait_response_body(response), i ? "one" : "two");
        if (i)
            assert_slice(plait_response_field(response, "strict-transport-security"),
                         "max-age=3600; includeSubDomains; preload");
        else
            assert_null(plait_response_field(response, "strict-transport-security").ptr);
        plait_response_free(&response);
    }
    plait_tls_client_unref(&trusting.connect.tls);
    plait_listener_close(&listener);
    world_close(&w);
    test_cert_end(&leaf);
    test_cert_end(&ca);
}

static void what_comes_in_the_clear_is_sent_to_tls(void **state)
{
    const struct plait_https_options options = {.port = 8443, .temporary = true, .hsts = plait_seconds(3600)};
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *other = plait_resource_new(w.r);
    assert_ok(plait_resource_get(other, "", say, one));
    assert_ok(plait_https_wrap(other, &options));
    assert_ok(plait_resource_mount(w.root, "other", other));
    struct plait_resource *usual = plait_resource_new(w.r);
    assert_ok(plait_resource_get(usual, "", say, one));
    assert_ok(plait_https_wrap(usual, NULL));
    assert_ok(plait_resource_mount(w.root, "usual", usual));
    world_serve(&w, NULL);
    (void)get(&w, "/usual?a=%20", "example.org:80");
    assert_int_equal(status_of(&p), 308);
    assert_string_equal(location(), "https://example.org/usual?a=%20");
    assert_int_equal(count_of(&p, "Strict-Transport-Security"), 0);
    (void)get(&w, "/other", "[::1]:80");
    assert_int_equal(status_of(&p), 307);
    assert_string_equal(location(), "https://[::1]:8443/other");
    (void)get(&w, "/other", "");
    assert_int_equal(status_of(&p), 400);
    (void)get(&w, "http://x/other", "x");
    assert_int_equal(status_of(&p), 400);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_https_wrap(usual, NULL), PLAIT_ENOMEM);
    world_close(&w);
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static void hosts_have_their_sites(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *hosts = plait_hosts_new(w.r);
    assert_ok(plait_hosts_add(hosts, "example.org", site(&w, one)));
    assert_ok(plait_hosts_add(hosts, "*.example.org", site(&w, two)));
    assert_ok(plait_hosts_add(hosts, "*.b.example.org", site(&w, three)));
    assert_ok(plait_hosts_add(hosts, "[::1]", site(&w, four)));
    assert_ok(plait_hosts_add(hosts, "e", site(&w, four)));
    assert_ok(plait_resource_mount(w.root, "x", hosts));
    world_serve(&w, NULL);
    assert_string_equal(get(&w, "/x/a", "example.org"), "one");
    assert_string_equal(get(&w, "/x/a", "EXAMPLE.org.:8080"), "one");
    assert_string_equal(get(&w, "/x/a", "a.example.org"), "two");
    assert_string_equal(get(&w, "/x/a", "a.b.example.org"), "three");
    assert_string_equal(get(&w, "/x/a", "b.example.org"), "two");
    assert_string_equal(get(&w, "/x/a", "[::1]:80"), "four");
    (void)get(&w, "/x/b", "example.org");
    assert_int_equal(status_of(&p), 404);
    (void)get(&w, "/x/a", ".example.org");
    assert_int_equal(status_of(&p), 421);
    (void)get(&w, "/x/a", "other.org");
    assert_int_equal(status_of(&p), 421);
    assert_ok(plait_hosts_add(hosts, "*", site(&w, one)));
    assert_ok(plait_hosts_add(hosts, "*", site(&w, three)));
    assert_string_equal(get(&w, "/x/a", "other.org"), "three");
    world_close(&w);
}

static void wrong_hosts_are_kept_as_failures(void **state)
{
    static char name[300];
    static const char *const wrong[] = {"", "*.", "a*b", ".a", "*x", "a b", "*.*", name};
    struct world w;
    (void)state;
    memset(name, 'n', 256);
    world_open(&w);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct plait_resource *hosts = plait_hosts_new(w.r);
        assert_err(plait_hosts_add(hosts, wrong[i], site(&w, one)), PLAIT_EINVAL);
        assert_null(plait_http(hosts));
    }
    struct plait_resource *hosts = plait_hosts_new(w.r), *broken = site(&w, one);
    assert_err(plait_hosts_add(w.root, "a", site(&w, one)), PLAIT_EINVAL);
    assert_err(plait_hosts_add(hosts, "a", NULL), PLAIT_ENOMEM);
    assert_err(plait_hosts_add(NULL, "a", site(&w, one)), PLAIT_EINVAL);
    assert_err(plait_resource_get(broken, "..", say, one), PLAIT_EINVAL);
    assert_err(plait_hosts_add(hosts, "a", broken), PLAIT_ESTATE);
    for (uint64_t k = 1; k < 4; k++) {
        w.heap.fail_at = w.heap.calls + k;
        assert_null(plait_hosts_new(w.r));
    }
    w.heap.fail_at = w.heap.calls + 1;
    assert_null(plait_hosts_new(w.r));
    struct plait_resource *made = site(&w, one);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_hosts_add(hosts, "a", made), PLAIT_ENOMEM);
    name[255] = 0;
    assert_ok(plait_hosts_add(hosts, name, site(&w, one)));
    for (int i = 1; i < 1024; i++)
        assert_ok(plait_hosts_add(hosts, "a", plait_resource_new(w.r)));
    assert_err(plait_hosts_add(hosts, "a", plait_resource_new(w.r)), PLAIT_ELIMIT);
    plait_resource_unref(&hosts);
    plait_resource_unref(&w.root);
    world_close(&w);
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

static void paths_are_rewritten(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "new/x", say, one));
    assert_ok(plait_resource_get(w.root, "new", say, two));
    assert_ok(plait_resource_get(w.root, "older", say, three));
    assert_ok(plait_rewrite_wrap(w.root, "old", "new"));
    assert_ok(plait_rewrite_wrap(w.root, "gone", ""));
    struct plait_resource *all = plait_resource_new(w.r);
    assert_ok(plait_resource_get(all, "p/q", say, four));
    assert_ok(plait_rewrite_wrap(all, "", "p/"));
    assert_ok(plait_resource_mount(w.root, "all", all));
    struct plait_resource *out = plait_resource_new(w.r);
    assert_ok(plait_rewrite_wrap(out, "", "../"));
    assert_ok(plait_resource_mount(w.root, "out", out));
    world_serve(&w, NULL);
    assert_string_equal(get(&w, "/old/x", "h"), "one");
    assert_string_equal(get(&w, "/old", "h"), "two");
    assert_string_equal(get(&w, "/older", "h"), "three");
    assert_string_equal(get(&w, "/all/q", "h"), "four");
    (void)get(&w, "/gone/x", "h");
    assert_int_equal(status_of(&p), 404);
    (void)get(&w, "/out/x", "h");
    assert_int_equal(status_of(&p), 404);
    ask(&w, &p, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 204);
    peer_open(&w, &p);
    peer_send(&w, &p, "GET /older HTTP/1.1\r\nHost: x\r\n\r\n");
    w.heap.fail_at = w.heap.calls + 1;
    peer_send(&w, &p, "GET /old/x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "HTTP/1.1 503"), 1);
    peer_close(&w, &p);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_rewrite_wrap(w.root, "a", "b"), PLAIT_ENOMEM);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(over_tls_it_passes_with_hsts), cmocka_unit_test(redirections_keep_path_and_query),
          cmocka_unit_test(a_redirection_that_is_none_is_not_served),
          cmocka_unit_test(what_comes_in_the_clear_is_sent_to_tls), cmocka_unit_test(hosts_have_their_sites),
          cmocka_unit_test(wrong_hosts_are_kept_as_failures), cmocka_unit_test(paths_are_rewritten))
