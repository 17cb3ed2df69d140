/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_set.c and tls_server.c: which certificate a client gets by the name that it asks for (RFC
 * 6066 section 3), and which protocol (RFC 7301).
 */
#include "tests/engine/tls_bed.h"

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

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_certificate_is_chosen_by_name),
               cmocka_unit_test(a_name_may_have_a_certificate_of_each_kind_of_key),
               cmocka_unit_test(names_beyond_reason_are_left_out),
               cmocka_unit_test(a_folder_holds_a_certificate_a_name),
               cmocka_unit_test(without_a_default_unknown_names_are_refused),
               cmocka_unit_test(the_server_prefers_one_of_the_clients_protocols))
