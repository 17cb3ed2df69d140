/* SPDX-License-Identifier: MIT
 *
 * Fetching over TCP of this machine: from our own server, and from servers that answer by script, well or badly.
 */
#include "tests/support/certs.h"
#include "tests/web/http_world.h"

#include <plait/task.h>
#include <plait/tls.h>

/* --- a server that says what it is told to --------------------------------------------------------------------- */

struct script {
    const char *answer;
    bool reset;     /* ends by reset, not in order */
    bool stays;     /* does not end at all */
    bool singly;    /* byte by byte */
    size_t asked;   /* connections */
    char got[4096]; /* the last request */
    size_t len;
};

static size_t script_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct script *script = self;
    if (plait_slice_find(in, PLAIT_LIT("\r\n\r\n"), 0) == SIZE_MAX)
        return 0;
    script->asked++;
    script->len = in.len < sizeof(script->got) - 1 ? in.len : sizeof(script->got) - 1;
    memcpy(script->got, in.ptr, script->len);
    script->got[script->len] = 0;
    size_t step = script->singly ? 1 : strlen(script->answer) + 1;
    for (size_t at = 0; at < strlen(script->answer); at += step) {
        plait_write(s, plait_slice_sub(plait_slice_text(script->answer), at, at + step));
        plait_flush(s);
    }
    if (script->reset)
        plait_abort(s);
    else if (!script->stays)
        plait_close(s);
    return in.len;
}

static const struct plait_protocol script_protocol = {.name = "script", .data = script_data};

struct net {
    struct world w;
    struct plait_listener *listener;
    uint16_t port;
};

static void listen_on(struct net *n, struct plait_service *service)
{
    struct plait_address here;
    const struct plait_listen_options options = {0};
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(n->w.r, &here, &options, service, &n->listener));
    plait_listener_address(n->listener, &here);
    n->port = here.port;
}

static void net_script(struct net *n, struct script *script)
{
    world_open(&n->w);
    plait_resource_unref(&n->w.root);
    listen_on(n, plait_service_of(n->w.r, &script_protocol, script));
}

static void net_close(struct net *n)
{
    plait_listener_close(&n->listener);
    plait_reactor_free(&n->w.r);
    assert_int_equal(n->w.heap.live, 0);
}

static plait_err fetch(struct net *n, const char *path, const struct plait_fetch_options *options,
                       struct plait_response **out)
{
    char url[256];
    plait_value value = {NULL, 0, NULL};
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", n->port, path);
    const plait_err err = plait_reactor_run_until(n->w.r, plait_http_get(n->w.r, url, options), &value);
    *out = value.ptr;
    return err;
}

static void expect_body(struct script *script, int status, const char *body)
{
    for (int singly = 0; singly < 2; singly++) {
        struct net n;
        struct plait_response *response;
        script->singly = singly;
        net_script(&n, script);
        assert_ok(fetch(&n, "/", NULL, &response));
        assert_int_equal(plait_response_status(response), status);
        assert_slice(plait_response_body(response), body);
        plait_response_free(&response);
        assert_null(response);
        net_close(&n);
    }
}

/* RFC 9112 section 6.3 */
static void bodies_are_read_however_they_are_framed(void **state)
{
    static const struct {
        const char *answer;
        bool stays;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", true, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 200, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", true, 200, "hello"},
        {"HTTP/1.1 200 OK\r\n\r\nhello", false, 200, "hello"},
        {"HTTP/1.0 404 None\r\n\r\n", false, 404, ""},
        {"HTTP/1.1 204 None\r\n\r\n", true, 204, ""},
        {"HTTP/1.1 304 None\r\nContent-Length: 5\r\n\r\n", true, 304, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "2\r\n\r\nok",
         true, 200, "ok"},
        {"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nok", true, 302, "ok"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct script script = {.answer = cases[i].answer, .stays = cases[i].stays};
        expect_body(&script, cases[i].status, cases[i].body);
    }
}

static void bad_responses_are_errors(void **state)
{
    static const struct {
        const char *answer;
        bool reset;
        plait_err err;
    } cases[] = {
        {"", false, PLAIT_ETRUNCATED},
        {"HTTP/1.1 200 OK\r\nContent-", false, PLAIT_ETRUNCATED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, PLAIT_ETRUNCATED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false, PLAIT_ETRUNCATED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx", false, PLAIT_EMALFORMED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, PLAIT_EMALFORMED},
        {"SSH-2.0-OpenSSH_9.2\r\n", false, PLAIT_EMALFORMED},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, PLAIT_EPROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct net n;
        struct plait_response *response;
        struct script script = {.answer = cases[i].answer, .reset = cases[i].reset};
        net_script(&n, &script);
        const plait_err err = fetch(&n, "/", NULL, &response);
        if (err != cases[i].err)
            fail_msg("\"%s\" gave %s", cases[i].answer, plait_err_name(err));
        assert_null(response);
        net_close(&n);
    }
}

static void a_reset_is_an_error(void **state)
{
    struct net n;
    struct plait_response *response;
    struct script script = {.answer = "HTTP/1.1 200 OK\r\n\r\nhel", .reset = true};
    (void)state;
    net_script(&n, &script);
    assert_true(fetch(&n, "/", NULL, &response) != PLAIT_OK);
    assert_null(response);
    net_close(&n);
}

static void endless_interim_responses_are_refused(void **state)
{
    static char answer[1024];
    struct net n;
    struct plait_response *response;
    struct script script = {.answer = answer};
    (void)state;
    for (int i = 0; i < 20; i++)
        (void)snprintf(answer + strlen(answer), sizeof(answer) - strlen(answer), "HTTP/1.1 100 Continue\r\n\r\n");
    net_script(&n, &script);
    assert_err(fetch(&n, "/", NULL, &response), PLAIT_EPROTOCOL);
    net_close(&n);
}

static void redirects_are_followed_to_a_limit(void **state)
{
    struct net n;
    struct plait_response *response;
    struct script script = {.answer = "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 3\r\n\r\nxyz"};
    const struct plait_fetch_options none = {.no_redirects = true}, three = {.redirects_max = 3};
    (void)state;
    net_script(&n, &script);
    assert_err(fetch(&n, "/", NULL, &response), PLAIT_ELIMIT);
    assert_int_equal(script.asked, 11);
    assert_memory_equal(script.got, "GET /next HTTP/1.1\r\n", 20);
    assert_err(fetch(&n, "/", &three, &response), PLAIT_ELIMIT);
    assert_int_equal(script.asked, 15);
    assert_ok(fetch(&n, "/first", &none, &response));
    assert_int_equal(plait_response_status(response), 302);
    assert_slice(plait_response_field(response, "LOCATION"), "/next");
    assert_slice(plait_response_body(response), "xyz");
    plait_response_free(&response);
    script.answer = "HTTP/1.1 302 Found\r\nLocation: http://a b/\r\n\r\n";
    assert_err(fetch(&n, "/", NULL, &response), PLAIT_EMALFORMED);
    net_close(&n);
}

struct sink {
    size_t bytes, heads;
    plait_err fail;
};

static void sink_head(const struct plait_response *response, void *ctx)
{
    assert_int_equal(plait_response_status(response), 200);
    ((struct sink *)ctx)->heads++;
}

static plait_err sink_data(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct sink *sink = ctx;
    assert_int_equal(plait_response_length(response), 5);
    sink->bytes += piece.len;
    return sink->fail;
}

static void long_bodies_are_refused_or_streamed(void **state)
{
    struct net n;
    struct plait_response *response;
    struct sink sink = {0, 0, PLAIT_OK};
    struct script script = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
    const struct plait_fetch_options four = {.body_max = 4}, five = {.body_max = 5};
    struct plait_fetch_options streamed = {.head = sink_head, .data = sink_data, .ctx = &sink};
    (void)state;
    net_script(&n, &script);
    assert_err(fetch(&n, "/", &four, &response), PLAIT_ETOOLONG);
    assert_ok(fetch(&n, "/", &five, &response));
    plait_response_free(&response);
    assert_ok(fetch(&n, "/", &streamed, &response));
    assert_int_equal(sink.bytes, 5);
    assert_int_equal(sink.heads, 1);
    assert_int_equal(plait_response_body(response).len, 0);
    plait_response_free(&response);
    sink.fail = PLAIT_ENOSPACE;
    assert_err(fetch(&n, "/", &streamed, &response), PLAIT_ENOSPACE);
    net_close(&n);
}

static void silence_and_cancelling_end_a_fetch(void **state)
{
    struct net n;
    struct plait_response *response;
    char url[64];
    struct script script = {.answer = "HTTP/1.1 200 OK\r\n", .stays = true};
    const struct plait_fetch_options patient = {.idle = 30000000};
    (void)state;
    net_script(&n, &script);
    assert_err(fetch(&n, "/", &patient, &response), PLAIT_ETIMEDOUT);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", n.port);
    /* at once, while connecting, and while waiting */
    for (int turns = 0; turns < 8; turns++) {
        struct plait_deferred *d = plait_http_get(n.w.r, url, NULL);
        for (int i = 0; i < turns; i++)
            assert_ok(plait_reactor_step(n.w.r, 0));
        plait_deferred_cancel(d);
        assert_err(plait_reactor_run_until(n.w.r, d, NULL), PLAIT_ECANCELLED);
    }
    struct plait_deferred *d = plait_http_get(n.w.r, url, NULL);
    plait_deferred_deadline(d, plait_millis(30));
    assert_err(plait_reactor_run_until(n.w.r, d, NULL), PLAIT_ETIMEDOUT);
    net_close(&n);
}

static void what_can_not_be_fetched_is_told(void **state)
{
    static const struct {
        const char *url;
        plait_err err;
    } cases[] = {
        {"http://a b/", PLAIT_EINVAL}, {"gopher://a/", PLAIT_EUNSUPPORTED}, {"http://127.0.0.1:1/", PLAIT_EREFUSED}};
    struct world w;
    (void)state;
    world_open(&w);
    plait_resource_unref(&w.root);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_err(plait_reactor_run_until(w.r, plait_http_get(w.r, cases[i].url, NULL), NULL), cases[i].err);
    world_close(&w);
}

static void rules_for_targets_hold_for_fetches(void **state)
{
    struct plait_target_rules *rules;
    struct world w;
    (void)state;
    world_open(&w);
    plait_resource_unref(&w.root);
    assert_ok(plait_target_rules_new(w.r, NULL, &rules));
    const struct plait_fetch_options o = {.connect.targets = rules};
    struct plait_deferred *d = plait_http_get(w.r, "http://localhost:1/", &o);
    plait_target_rules_unref(&rules); /* the fetch has its own */
    assert_err(plait_reactor_run_until(w.r, d, NULL), PLAIT_EFORBIDDEN);
    world_close(&w);
}

/* --- our own server -------------------------------------------------------------------------------------------- */

static void tell(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "told");
}

static void hand_back(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, body);
}

static void take_body(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 1000, hand_back, ctx));
}

static void go_elsewhere(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_redirect(req, 307, PLAIT_LIT("tell"));
}

static plait_err in_a_task(struct plait_task *task, void *arg)
{
    struct plait_response *response;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/there", *(uint16_t *)arg);
    const plait_err err = plait_http_get_await(task, url, &response);
    if (err)
        return err;
    assert_slice(plait_response_body(response), "told");
    const char *end = strstr(plait_response_url(response), "/tell");
    assert_non_null(end);
    return plait_http_get_await(task, "http://a b/", &response);
}

static void client_and_server_understand_each_other(void **state)
{
    struct net n;
    struct plait_response *response;
    plait_slice name, value;
    (void)state;
    world_open(&n.w);
    assert_ok(plait_resource_get(n.w.root, "tell", tell, NULL));
    assert_ok(plait_resource_get(n.w.root, "there", go_elsewhere, NULL));
    assert_ok(plait_resource_on(n.w.root, "POST", "take", take_body, NULL));
    listen_on(&n, plait_http(n.w.root));
    assert_ok(fetch(&n, "/tell", NULL, &response));
    assert_slice(plait_response_body(response), "told");
    assert_int_equal(plait_response_length(response), 4);
    assert_int_equal(plait_response_field_count(response), 4);
    plait_response_field_at(response, 0, &name, &value);
    assert_slice(name, "Server");
    plait_response_field_at(response, 4, &name, &value);
    assert_null(name.ptr);
    assert_null(plait_response_field(response, "absent").ptr);
    plait_response_free(&response);
    const struct plait_fetch_options post = {.method = "POST", .body = PLAIT_LIT("a body")}, head = {.method = "HEAD"};
    assert_ok(fetch(&n, "/take", &post, &response));
    assert_slice(plait_response_body(response), "a body");
    plait_response_free(&response);
    assert_ok(fetch(&n, "/tell", &head, &response));
    assert_int_equal(plait_response_body(response).len, 0);
    assert_int_equal(plait_response_length(response), 4);
    plait_response_free(&response);
    assert_err(plait_reactor_run_until(n.w.r, plait_task_spawn(n.w.r, "fetcher", 0, in_a_task, &n.port), NULL),
               PLAIT_EINVAL);
    net_close(&n);
}

static void https_is_fetched_from_who_can_be_verified(void **state)
{
    struct test_cert ca, leaf;
    struct net n;
    struct plait_response *response;
    struct plait_listen_options listening = {0};
    struct plait_fetch_options trusting = {0};
    struct plait_address here;
    char url[64];
    plait_value value;
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&leaf, &ca, &(struct test_cert_ask){.subject = "leaf", .san = "IP:127.0.0.1"});
    world_open(&n.w);
    assert_ok(plait_resource_get(n.w.root, "tell", tell, NULL));
    struct plait_tls_server_options own = {.cert_pem = leaf.cert_pem, .key_pem = leaf.key_pem};
    assert_ok(plait_tls_server_new(n.w.r, &own, &listening.tls, NULL));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(n.w.r, &here, &listening, plait_http(n.w.root), &n.listener));
    plait_tls_server_unref(&listening.tls);
    plait_listener_address(n.listener, &here);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/tell", here.port);
    struct plait_tls_client_options roots = {.ca_pem = ca.cert_pem};
    assert_ok(plait_tls_client_new(n.w.r, &roots, &trusting.connect.tls, NULL));
    assert_ok(plait_reactor_run_until(n.w.r, plait_http_get(n.w.r, url, &trusting), &value));
    plait_tls_client_unref(&trusting.connect.tls);
    response = value.ptr;
    assert_slice(plait_response_body(response), "told");
    plait_response_free(&response);
    /* without a context of its own a fetch believes the system's roots, and nobody else */
    assert_err(plait_reactor_run_until(n.w.r, plait_http_get(n.w.r, url, NULL), NULL), PLAIT_EVERIFY);
    assert_err(plait_reactor_run_until(n.w.r, plait_http_get(n.w.r, url, NULL), NULL), PLAIT_EVERIFY);
    net_close(&n);
    test_cert_end(&leaf);
    test_cert_end(&ca);
}

/* --- who we are --------------------------------------------------------------------------------------------------- */

/* Says whose certificate the client showed. */
static void say_who(struct plait_request *req, void *ctx)
{
    const char *subject = plait_request_tls(req)->peer_subject;
    (void)ctx;
    plait_reply_text(req, 200, *subject ? subject : "nobody");
}

static void send_on(struct plait_request *req, void *ctx)
{
    plait_reply_redirect(req, 302, plait_slice_text(ctx));
}

struct origin {
    struct plait_listener *listener;
    char who[64], again[64], moved[64]; /* URLs */
    char next[64];                      /* where `moved` leads */
};

static void origin_open(struct world *w, struct origin *o, const char *roots, const struct test_cert *leaf)
{
    struct plait_listen_options listening = {0};
    struct plait_address here;
    struct plait_resource *root = plait_resource_new(w->r);
    assert_ok(plait_resource_get(root, "who", say_who, NULL));
    assert_ok(plait_resource_get(root, "moved", send_on, o->next));
    assert_ok(plait_resource_get(root, "again", send_on, (void *)(uintptr_t) "/who"));
    const struct plait_tls_server_options own = {.cert_pem = leaf->cert_pem,
                                                 .key_pem = leaf->key_pem,
                                                 .client_ca_file = roots,
                                                 .client_cert = PLAIT_CERT_OPTIONAL};
    assert_ok(plait_tls_server_new(w->r, &own, &listening.tls, NULL));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(w->r, &here, &listening, plait_http(root), &o->listener));
    plait_tls_server_unref(&listening.tls);
    plait_listener_address(o->listener, &here);
    (void)snprintf(o->who, sizeof o->who, "https://127.0.0.1:%u/who", here.port);
    (void)snprintf(o->again, sizeof o->again, "https://127.0.0.1:%u/again", here.port);
    (void)snprintf(o->moved, sizeof o->moved, "https://127.0.0.1:%u/moved", here.port);
}

/* Fetches with a context, and looks whom the server that answered saw. */
static void assert_who(struct world *w, struct plait_tls_client *tls, const char *url, const char *who)
{
    const struct plait_fetch_options options = {.connect.tls = tls};
    plait_value value;
    assert_ok(plait_reactor_run_until(w->r, plait_http_get(w->r, url, &options), &value));
    struct plait_response *response = value.ptr;
    const plait_slice body = plait_response_body(response);
    if (plait_slice_find(body, plait_slice_text(who), 0) == SIZE_MAX)
        fail_msg("%s: %.*s", url, PLAIT_ARG(body));
    plait_response_free(&response);
}

static void a_client_certificate_stays_with_its_origin(void **state)
{
    struct test_cert ca, leaf, ann;
    struct world w;
    struct origin a, b;
    struct plait_tls_client *tls;
    char folder[TEST_PATH_BYTES], roots[TEST_PATH_BYTES + 16];
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&leaf, &ca, &(struct test_cert_ask){.subject = "leaf", .san = "IP:127.0.0.1"});
    test_cert_make(&ann, &ca, &(struct test_cert_ask){.subject = "ann", .san = "DNS:ann.example"});
    world_open(&w);
    plait_resource_unref(&w.root);
    test_folder_make(folder);
    test_file_write(folder, "roots.pem", ca.cert_pem);
    (void)snprintf(roots, sizeof roots, "%s/roots.pem", folder);
    origin_open(&w, &a, roots, &leaf);
    origin_open(&w, &b, roots, &leaf);
    test_folder_remove(folder);
    memcpy(a.next, b.who, sizeof a.next);
    memcpy(b.next, a.moved, sizeof b.next);
    const struct plait_tls_client_options own = {
        .ca_pem = ca.cert_pem, .cert_pem = ann.cert_pem, .key_pem = ann.key_pem};
    assert_ok(plait_tls_client_new(w.r, &own, &tls, NULL));
    assert_who(&w, tls, a.who, "ann");
    assert_who(&w, tls, a.again, "ann"); /* a redirect within the origin */
    assert_who(&w, tls, a.moved, "nobody");
    assert_who(&w, tls, b.who, "ann");      /* what was shown to nobody is no session of ann's */
    assert_who(&w, tls, a.moved, "nobody"); /* nor the other way round */
    assert_who(&w, tls, b.moved, "nobody"); /* b, a, b: who strayed stays unknown */
    plait_tls_client_unref(&tls);
    plait_listener_close(&a.listener);
    plait_listener_close(&b.listener);
    world_close(&w);
    test_cert_end(&ann);
    test_cert_end(&leaf);
    test_cert_end(&ca);
}

static void a_fetch_survives_any_lack_of_memory(void **state)
{
    bool fine = false;
    (void)state;
    for (uint64_t k = 1; k < 200 && !fine; k++) {
        struct net n;
        struct plait_response *response;
        struct script script = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
        net_script(&n, &script);
        n.w.heap.fail_at = n.w.heap.calls + k;
        const plait_err err = fetch(&n, "/", NULL, &response);
        fine = n.w.heap.calls < n.w.heap.fail_at;
        n.w.heap.fail_at = 0;
        assert_true((err == PLAIT_OK) == (response != NULL));
        plait_response_free(&response);
        net_close(&n);
    }
    assert_true(fine);
}

TEST_MAIN(cmocka_unit_test(bodies_are_read_however_they_are_framed), cmocka_unit_test(bad_responses_are_errors),
          cmocka_unit_test(a_reset_is_an_error), cmocka_unit_test(endless_interim_responses_are_refused),
          cmocka_unit_test(redirects_are_followed_to_a_limit), cmocka_unit_test(long_bodies_are_refused_or_streamed),
          cmocka_unit_test(silence_and_cancelling_end_a_fetch), cmocka_unit_test(what_can_not_be_fetched_is_told),
          cmocka_unit_test(rules_for_targets_hold_for_fetches),
          cmocka_unit_test(client_and_server_understand_each_other),
          cmocka_unit_test(https_is_fetched_from_who_can_be_verified),
          cmocka_unit_test(a_client_certificate_stays_with_its_origin),
          cmocka_unit_test(a_fetch_survives_any_lack_of_memory))
