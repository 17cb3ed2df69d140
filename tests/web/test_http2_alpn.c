/* SPDX-License-Identifier: MIT
 *
 * Which HTTP is spoken over TLS: what the service offers, what the client chooses, and that the choice holds.
 */
#include "tests/support/certs.h"
#include "tests/web/http2_peer.h"

#include <plait/listen.h>
#include <plait/tls.h>

static struct h2_peer p;

static void version(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, plait_request_version(req) == 20 ? "two" : "one");
}

struct secure {
    struct world w;
    struct test_cert cert;
    struct plait_listener *listener;
    struct plait_address here;
};

static void secure_open(struct secure *t, const struct plait_http_options *http, const char *alpn)
{
    const struct test_cert_ask ask = {.subject = "host", .san = "DNS:host.example"};
    struct plait_tls_server *tls;
    world_open(&t->w);
    test_cert_make(&t->cert, NULL, &ask);
    const struct plait_tls_server_options options = {.cert_pem = t->cert.both_pem, .alpn = plait_slice_text(alpn)};
    assert_ok(plait_resource_get(t->w.root, "version", version, NULL));
    assert_ok(plait_tls_server_new(t->w.r, &options, &tls, NULL));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &t->here));
    const struct plait_listen_options listen = {.tls = tls};
    assert_ok(plait_listen(t->w.r, &t->here, &listen, plait_http_with(t->w.root, http), &t->listener));
    plait_listener_address(t->listener, &t->here);
    plait_tls_server_unref(&tls);
}

static void secure_close(struct secure *t)
{
    if (p.raw.stream)
        plait_abort(p.raw.stream);
    spin(&t->w);
    nghttp2_hd_inflate_del(p.inflater);
    plait_listener_close(&t->listener);
    test_cert_end(&t->cert);
    world_close(&t->w);
}

/* Connects offering `alpn`; gives what was chosen, or NULL when there was no connection. */
static const char *secure_connect(struct secure *t, const char *alpn)
{
    static char chosen[32];
    struct plait_tls_client *client;
    plait_value value;
    const struct plait_tls_client_options options = {.insecure = true};
    memset(&p, 0, sizeof p);
    assert_int_equal(nghttp2_hd_inflate_new(&p.inflater), 0);
    assert_ok(plait_tls_client_new(t->w.r, &options, &client, NULL));
    const struct plait_connect_options connect = {
        .tls = client, .server_name = "host.example", .alpn = plait_slice_text(alpn)};
    const plait_err err = plait_reactor_run_until(t->w.r, plait_connect_address(t->w.r, &t->here, &connect), &value);
    plait_tls_client_unref(&client);
    if (err)
        return NULL;
    p.raw.stream = value.ptr;
    const plait_slice got = plait_stream_tls(p.raw.stream)->alpn;
    (void)snprintf(chosen, sizeof chosen, "%.*s", (int)got.len, (const char *)got.ptr);
    plait_stream_attach(p.raw.stream, &h2_peer_protocol, &p);
    return chosen;
}

static void wait_for(struct secure *t, const bool *what)
{
    for (int i = 0; i < 2000 && !*what; i++)
        assert_ok(plait_reactor_step(t->w.r, plait_millis(1)));
    assert_true(*what);
}

static void the_first_that_both_speak_is_spoken(void **state)
{
    static const struct {
        bool no_http2;
        const char *server, *client, *chosen;
    } rows[] = {
        {false, "", "\x02h2\x08http/1.1", "h2"},
        {false, "", "\x08http/1.1\x02h2", "h2"},
        {false, "", "\x08http/1.1", "http/1.1"},
        {false, "", "", ""},
        {true, "", "\x02h2\x08http/1.1", "http/1.1"},
        {false, "\x08http/1.1", "\x02h2\x08http/1.1", "http/1.1"},
        {true, "", "\x02h2", NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const struct plait_http_options http = {.no_http2 = rows[i].no_http2};
        struct secure t;
        secure_open(&t, &http, rows[i].server);
        const char *chosen = secure_connect(&t, rows[i].client);
        assert_int_equal(chosen == NULL, rows[i].chosen == NULL);
        if (chosen)
            assert_string_equal(chosen, rows[i].chosen);
        secure_close(&t);
    }
}

static void http2_begins_at_once_where_it_was_chosen(void **state)
{
    struct secure t;
    (void)state;
    secure_open(&t, NULL, "");
    assert_string_equal(secure_connect(&t, "\x02h2"), "h2");
    for (int i = 0; i < 2000 && !strstr(p.log, "SETTINGS"); i++) /* the server need not wait */
        assert_ok(plait_reactor_step(t.w.r, plait_millis(1)));
    h2_bytes(&p, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
    h2_frame(&p, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/version"));
    h2_send(&t.w, &p);
    wait_for(&t, &p.answer[0].ended);
    assert_string_equal(p.answer[0].body, "two");
    secure_close(&t);
}

static void a_choice_of_http2_holds(void **state)
{
    struct secure t;
    (void)state;
    secure_open(&t, NULL, "");
    assert_string_equal(secure_connect(&t, "\x02h2"), "h2");
    plait_write(p.raw.stream, PLAIT_LIT("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"));
    wait_for(&t, &p.raw.lost);
    secure_close(&t);
}

static void a_choice_of_http1_holds(void **state)
{
    struct secure t;
    (void)state;
    secure_open(&t, NULL, "");
    assert_string_equal(secure_connect(&t, "\x08http/1.1"), "http/1.1");
    plait_stream_attach(p.raw.stream, &peer_protocol, &p.raw);
    plait_write(p.raw.stream, PLAIT_LIT(PLAIT__H2_PREFACE));
    for (int i = 0; i < 2000 && !p.raw.ended && !p.raw.lost; i++)
        assert_ok(plait_reactor_step(t.w.r, plait_millis(1)));
    assert_int_equal(status_of(&p.raw), 505);
    secure_close(&t);
}

TEST_MAIN(cmocka_unit_test(the_first_that_both_speak_is_spoken),
          cmocka_unit_test(http2_begins_at_once_where_it_was_chosen), cmocka_unit_test(a_choice_of_http2_holds),
          cmocka_unit_test(a_choice_of_http1_holds))
