/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_set.c and tls_server.c: which certificate a client gets by the name that it asks for (RFC
 * 6066 section 3), and which protocol (RFC 7301).
 */
#include "tests/engine/tls_bed.h"

#include "engine/tls_set.h"

static struct tls_certs certs;
static struct test_cert b_cert, wild_cert, rsa_cert;
static struct tls_bed t;

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    test_cert_make(&b_cert, &certs.ca,
                   &(struct test_cert_ask){.subject = "of b", .san = "DNS:b.example,DNS:B2.example."});
    test_cert_make(&wild_cert, &certs.ca,
                   &(struct test_cert_ask){.subject = "of all", .san = "DNS:*.b.example,IP:192.0.2.1"});
    test_cert_make(&rsa_cert, &certs.ca,
                   &(struct test_cert_ask){.subject = "of b, RSA", .san = "DNS:b.example", .rsa = true});
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    test_cert_end(&b_cert);
    test_cert_end(&wild_cert);
    test_cert_end(&rsa_cert);
    return 0;
}

static void expect(const char *name, const char *subject)
{
    if (t.c.s)
        plait_abort(t.c.s);
    if (t.s.s)
        plait_abort(t.s.s);
    bed_settle(&t.b);
    t.name = name;
    tls_bed_client(&t, &(struct plait_tls_client_options){.insecure = true});
    tls_bed_join(&t, &peer_protocol);
    if (!t.c.s)
        fail_msg("%s: %s", name, t.c.fault.detail);
    assert_string_equal(plait_stream_tls(t.c.s)->peer_subject, subject);
}

static void a_certificate_is_chosen_by_name(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_ok(plait_tls_server_add(t.server, b_cert.cert_pem, b_cert.key_pem, t.why));
    assert_ok(plait_tls_server_add(t.server, wild_cert.both_pem, plait_slice_of(NULL, 0), t.why));
    assert_string_equal(t.why, "");
    expect("a.example", "CN=server");
    expect("b.example", "CN=of b");
    expect("B.EXAMPLE", "CN=of b");
    expect("b2.example", "CN=of b");
    expect("x.b.example", "CN=of all");
    expect("y.x.b.example", "CN=server"); /* a wildcard stands for one label */
    expect("unknown.example", "CN=server");
    expect("127.0.0.1", "CN=server");
    expect("", "CN=server");
    assert_ok(plait_tls_server_reload(t.server, t.why)); /* which reads none of them, and forgets none */
    expect("b.example", "CN=of b");
    expect("unknown.example", "CN=server");
    tls_bed_close(&t);
}

static void a_name_may_have_a_certificate_of_each_kind_of_key(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_ok(plait_tls_server_add(t.server, b_cert.both_pem, plait_slice_of(NULL, 0), t.why));
    assert_ok(plait_tls_server_add(t.server, rsa_cert.both_pem, plait_slice_of(NULL, 0), t.why));
    expect("b.example", "CN=of b");
    plait_abort(t.c.s);
    plait_abort(t.s.s);
    bed_settle(&t.b);
    tls_bed_start(&t, &peer_protocol);
    char algorithms[] = "rsa_pss_rsae_sha256"; /* the macro casts a const away */
    SSL_set1_sigalgs_list(tls_of(t.c.s)->ssl, algorithms);
    bed_settle(&t.b);
    assert_string_equal(plait_stream_tls(t.c.s)->peer_subject, "CN=of b\\, RSA");
    tls_bed_close(&t);
}

static void names_beyond_reason_are_left_out(void **state)
{
    (void)state;
    char san[400];
    struct test_cert odd;
    const int len = snprintf(san, sizeof san, "DNS:odd.example,DNS:");
    memset(san + len, 'a', 300);
    san[len + 300] = '\0';
    test_cert_make(&odd, &certs.ca, &(struct test_cert_ask){.subject = "odd", .san = san});
    tls_bed_open(&t, &certs);
    assert_ok(plait_tls_server_add(t.server, odd.both_pem, plait_slice_of(NULL, 0), t.why));
    expect("odd.example", "CN=odd");
    tls_bed_close(&t);
    test_cert_end(&odd);
}

/* --- the table itself --------------------------------------------------------------------------------------------- */

static struct plait__tls_set *set;

static plait_err add(const struct test_cert *cert, const char *name)
{
    struct plait__tls_identity identity;
    struct plait__tls_module *m = plait__tls_module_of(t.b.r);
    assert_ok(plait__tls_identity_parse(m, cert->cert_pem, cert->key_pem, "x", &identity, t.why));
    return plait__tls_set_add(set, &identity, "x", name, false, t.why);
}

static plait_err choose(const char *name)
{
    char *exactly = strdup(name); /* a look before or behind it would be seen */
    SSL *ssl = SSL_new(plait__tls_set_ctx(set));
    const plait_err err = plait__tls_set_choose(set, ssl, exactly);
    assert_true(err != PLAIT_OK || SSL_get_certificate(ssl));
    SSL_free(ssl);
    free(exactly);
    return err;
}

static void open_set(void)
{
    tls_bed_open(&t, &certs);
    set = plait__tls_set_new(plait__tls_module_of(t.b.r));
    assert_non_null(set);
}

static void close_set(void)
{
    plait__tls_set_free(&set);
    tls_bed_close(&t);
}

static void a_name_is_found_up_to_the_longest_and_in_any_case(void **state)
{
    (void)state;
    char longest[256 + 1];
    char longer[257 + 1];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    memset(longer, 'a', 256);
    longer[256] = '\0';
    open_set();
    assert_ok(add(&b_cert, longest));
    assert_ok(add(&wild_cert, "AZ.example"));
    assert_ok(choose(longest));
    longest[0] = 'A';
    assert_ok(choose(longest));
    longest[255] = '.';
    longest[256] = '\0';
    assert_ok(choose(longest));
    assert_ok(choose("aZ.EXAMPLE"));
    assert_ok(choose("az.example"));
    assert_err(choose(longer), PLAIT_ENOTFOUND);
    assert_err(choose("a{.example"), PLAIT_ENOTFOUND);
    assert_err(choose(""), PLAIT_ENOTFOUND);
    assert_err(choose("."), PLAIT_ENOTFOUND);
    close_set();
}

static void an_addition_without_memory_leaves_the_set_as_it_was(void **state)
{
    (void)state;
    plait_err err = PLAIT_ENOMEM;
    uint64_t n = 1;
    open_set();
    assert_ok(add(&certs.server, "kept.example"));
    for (; err != PLAIT_OK; n++) {
        bed_fail(&t.b, n);
        err = add(&b_cert, "more.example");
        bed_heal(&t.b);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        assert_err(choose("b.example"), err == PLAIT_OK ? PLAIT_OK : PLAIT_ENOTFOUND);
        assert_err(choose("more.example"), err == PLAIT_OK ? PLAIT_OK : PLAIT_ENOTFOUND);
        assert_ok(choose("kept.example"));
        assert_ok(choose("a.example"));
    }
    assert_true(n > 6); /* the table twice, a text for each of three names */
    close_set();
}

/* --- a folder ----------------------------------------------------------------------------------------------------- */

static char folder[TEST_PATH_BYTES];

static void a_folder_holds_a_certificate_a_name(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    test_folder_make(folder);
    test_file_write(folder, "b.example.pem", b_cert.both_pem);
    test_file_write(folder, "further.example.pem", wild_cert.both_pem); /* the file's name counts too */
    test_file_write(folder, "default.pem", certs.server.both_pem);
    test_file_write(folder, ".hidden.pem", PLAIT_LIT("nonsense"));
    test_file_write(folder, "notes.txt", PLAIT_LIT("nonsense"));
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_dir = folder});
    expect("b.example", "CN=of b");
    expect("further.example", "CN=of all");
    expect("x.b.example", "CN=of all");
    expect("unknown.example", "CN=server");
    tls_bed_close(&t);
    test_folder_remove(folder);
}

static void without_a_default_unknown_names_are_refused(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    test_folder_make(folder);
    test_file_write(folder, "b.example.pem", b_cert.both_pem);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_dir = folder});
    expect("b.example", "CN=of b");
    plait_abort(t.c.s);
    plait_abort(t.s.s);
    bed_settle(&t.b);
    t.name = "unknown.example";
    tls_bed_join(&t, &peer_protocol);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    assert_int_equal(t.c.fault.tls_alert, 112); /* unrecognized_name */
    assert_int_equal(t.s.fault.tls_alert, 112);
    t.name = "";
    tls_bed_join(&t, &peer_protocol);
    assert_int_equal(t.c.fault.tls_alert, 40); /* handshake_failure: nothing to show */
    tls_bed_close(&t);
    test_folder_remove(folder);
}

/* --- protocols ---------------------------------------------------------------------------------------------------- */

static void expect_alpn(const char *server, const char *client, const char *chosen)
{
    tls_bed_open(&t, &certs);
    tls_bed_server(
        &t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .alpn = plait_slice_text(server)});
    t.alpn = plait_slice_text(client);
    tls_bed_join(&t, &peer_protocol);
    if (chosen) {
        assert_slice(plait_stream_tls(t.c.s)->alpn, chosen);
        assert_slice(plait_stream_tls(t.s.s)->alpn, chosen);
    } else {
        assert_int_equal(t.s.fault.tls_alert, 120); /* no_application_protocol */
        assert_int_equal(t.c.fault.tls_alert, 120);
        assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    }
    tls_bed_close(&t);
}

static void the_server_prefers_one_of_the_clients_protocols(void **state)
{
    (void)state;
    expect_alpn("\002h2\010http/1.1", "\010http/1.1\002h2", "h2");
    expect_alpn("\002h2\010http/1.1", "\010http/1.1", "http/1.1");
    expect_alpn("\002h2", "\003foo\010http/1.1", NULL);
    expect_alpn("\002h2", "", "");
    expect_alpn("", "\002h2", "");
}

/* A service's list counts where the context has none. */
static void a_service_may_say_what_it_speaks(void **state)
{
    (void)state;
    struct plait_stream *c;
    struct plait_stream *s;
    for (int with_own = 0; with_own < 2; with_own++) {
        tls_bed_open(&t, &certs);
        if (with_own)
            tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem,
                                                                  .alpn = PLAIT_LIT("\003foo")});
        join(&t.b, JOINT_PAIR, &c, &s);
        peer_attach(&t.c, c, &peer_protocol);
        peer_attach(&t.s, s, &peer_protocol);
        assert_ok(plait_starttls_client(c, t.client, "a.example", PLAIT_LIT("\002h2\003foo")));
        assert_ok(plait__tls_start(s, t.server, NULL, NULL, PLAIT_LIT("\002h2"), false));
        bed_settle(&t.b);
        assert_slice(plait_stream_tls(c)->alpn, with_own ? "foo" : "h2");
        assert_slice(plait_stream_tls(s)->alpn, with_own ? "foo" : "h2");
        tls_bed_close(&t);
    }
}

/* Names of 255 bytes, and one of what is left. Returns the list's length. */
static size_t long_list(uint8_t *list, size_t bytes)
{
    size_t at = 0;
    memset(list, 'x', bytes);
    while (at < bytes) {
        const size_t len = bytes - at > 256 ? 255 : bytes - at - 1;
        list[at] = (uint8_t)len;
        at += 1 + len;
    }
    return at;
}

static void a_list_of_protocols_fits_into_an_extension(void **state)
{
    (void)state;
    enum { MOST = 65533 };
    static uint8_t list[MOST + 1];
    tls_bed_open(&t, &certs);
    struct plait_tls_server_options o = {.cert_pem = certs.server.both_pem};
    o.alpn = plait_slice_of(list, long_list(list, MOST));
    tls_bed_server(&t, &o);
    o.alpn = plait_slice_of(list, long_list(list, MOST + 1));
    plait_tls_server_unref(&t.server);
    assert_err(plait_tls_server_new(t.b.r, &o, &t.server, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "ALPN"));
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_certificate_is_chosen_by_name),
               cmocka_unit_test(a_name_may_have_a_certificate_of_each_kind_of_key),
               cmocka_unit_test(names_beyond_reason_are_left_out),
               cmocka_unit_test(a_folder_holds_a_certificate_a_name),
               cmocka_unit_test(without_a_default_unknown_names_are_refused),
               cmocka_unit_test(a_name_is_found_up_to_the_longest_and_in_any_case),
               cmocka_unit_test(an_addition_without_memory_leaves_the_set_as_it_was),
               cmocka_unit_test(a_service_may_say_what_it_speaks),
               cmocka_unit_test(a_list_of_protocols_fits_into_an_extension),
               cmocka_unit_test(the_server_prefers_one_of_the_clients_protocols))
