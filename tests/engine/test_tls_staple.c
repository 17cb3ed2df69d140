/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_staple.c: which OCSP responses a server takes (RFC 6960 section 3.2), until when it staples
 * one (RFC 6066 section 8), how it renews them, and what a client that wants one makes of it.
 */
#include "tests/engine/tls_bed.h"

#include "engine/tls_staple.h"

#include <openssl/ocsp.h>

enum { NOW = 1000000 };

static struct test_cert root, issuer, server, other, delegate, stranger;
static struct tls_bed t;
static char folder[TEST_PATH_BYTES];
static char cert_path[TEST_PATH_BYTES + 16], staple_path[TEST_PATH_BYTES + 16];

static int make(void **state)
{
    (void)state;
    test_cert_make(&root, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&issuer, &root, &(struct test_cert_ask){.subject = "issuer", .is_ca = true});
    test_cert_make(&server, &issuer, &(struct test_cert_ask){.subject = "server", .san = "DNS:a.example,IP:127.0.0.1"});
    test_cert_make(&other, &issuer, &(struct test_cert_ask){.subject = "other", .san = "DNS:b.example"});
    test_cert_make(&delegate, &issuer, &(struct test_cert_ask){.subject = "delegate", .for_ocsp = true});
    test_cert_make(&stranger, &root, &(struct test_cert_ask){.subject = "stranger", .is_ca = true});
    return 0;
}

static int end(void **state)
{
    (void)state;
    struct test_cert *all[] = {&root, &issuer, &server, &other, &delegate, &stranger};
    for (size_t i = 0; i < TEST_COUNT(all); i++)
        test_cert_end(all[i]);
    return 0;
}

/* --- responses ---------------------------------------------------------------------------------------------------- */

struct reply {
    const struct test_cert *about, *second, *signer; /* NULL: the server's, none, its issuer */
    int status;
    int64_t from, until; /* seconds from NOW */
    bool open_end;       /* no nextUpdate */
    bool sha256;         /* names the certificate by another hash */
    bool lone;           /* without the signer's certificate */
    int outcome;         /* of the request */
};

static void add_entry(OCSP_BASICRESP *basic, const struct reply *r, const struct test_cert *about)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, NOW + r->from), *until = ASN1_TIME_set(NULL, NOW + r->until);
    OCSP_CERTID *id = OCSP_cert_to_id(r->sha256 ? EVP_sha256() : EVP_sha1(), about->cert, issuer.cert);
    assert_non_null(OCSP_basic_add1_status(basic, id, r->status, 0, from, from, r->open_end ? NULL : until));
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
}

static plait_slice bytes_of(const struct reply *r)
{
    static uint8_t der[8192];
    const struct test_cert *signer = r->signer ? r->signer : &issuer;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    uint8_t *at = der;
    add_entry(basic, r, r->about ? r->about : &server);
    if (r->second)
        add_entry(basic, r, r->second);
    assert_int_equal(OCSP_basic_sign(basic, signer->cert, signer->key, EVP_sha256(), NULL, r->lone ? OCSP_NOCERTS : 0),
                     1);
    OCSP_RESPONSE *response = OCSP_response_create(r->outcome, basic);
    const int len = i2d_OCSP_RESPONSE(response, &at);
    assert_in_range(len, 1, sizeof der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    return plait_slice_of(der, (size_t)len);
}

static const struct reply good = {.from = -100, .until = 5000};

/* --- the world ---------------------------------------------------------------------------------------------------- */

static void open_bed(void)
{
    const struct tls_certs certs = {.ca = root, .server = server};
    tls_bed_open(&t, &certs);
    t.b.clock = plait_seconds(NOW);
    test_folder_make(folder);
    test_file_write(folder, "a.pem", server.both_pem);
    (void)snprintf(cert_path, sizeof cert_path, "%s/a.pem", folder);
    (void)snprintf(staple_path, sizeof staple_path, "%s/a.der", folder);
}

static void close_bed(void)
{
    tls_bed_close(&t);
    test_folder_remove(folder);
}

static const struct plait_tls_server_options with_staple = {.cert_file = cert_path, .staple_file = staple_path};

static void serve(const struct reply *reply)
{
    test_file_write(folder, "a.der", bytes_of(reply));
    tls_bed_server(&t, &with_staple);
}

static void join_demanding(const char *name)
{
    if (t.c.s)
        plait_abort(t.c.s);
    if (t.s.s)
        plait_abort(t.s.s);
    bed_settle(&t.b);
    t.name = name;
    tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = root.cert_pem, .require_staple = true});
    tls_bed_start(&t, &peer_protocol);
}

/* Whether a client that demands a staple comes in. */
static bool comes_in(const char *name)
{
    join_demanding(name);
    bed_settle(&t.b);
    if (t.c.s)
        return true;
    assert_err(t.c.fault.err, PLAIT_EVERIFY);
    assert_string_equal(t.c.fault.detail, "the server stapled no good OCSP response");
    assert_int_equal(t.c.fault.tls_alert, SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE);
    return false;
}

static unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *at = t.b.log; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static void only_what_is_said_well_is_taken(void **state)
{
    static const struct {
        struct reply reply;
        const char *wrong; /* NULL: it is taken */
    } rows[] = {
        {{.until = 60}, NULL},
        {{.until = 60, .sha256 = true}, NULL},
        {{.until = 60, .about = &other, .second = &server}, NULL},
        {{.until = 60, .lone = true}, NULL},
        {{.until = 60, .signer = &delegate}, NULL},
        {{.until = 60, .signer = &delegate, .lone = true}, "is not signed by the certificate's issuer"},
        {{.from = 300, .until = 400}, NULL},
        {{.from = 301, .until = 400}, "the OCSP response does not hold yet"},
        {{.until = 60, .open_end = true}, "the OCSP response does not say until when it holds"},
        {{.until = 60, .about = &other}, "the OCSP response is about another certificate"},
        {{.until = 60, .signer = &stranger}, "the OCSP response is not signed by the certificate's issuer"},
        {{.until = 60, .signer = &root}, "the OCSP response is not signed by the certificate's issuer"},
        {{.until = 60, .signer = &server}, "the OCSP response is not signed by the certificate's issuer"},
        {{.until = 60, .signer = &other}, "the OCSP response is not signed by the certificate's issuer"},
        {{.until = 60, .status = V_OCSP_CERTSTATUS_REVOKED}, "the certificate is revoked"},
        {{.until = 60, .status = V_OCSP_CERTSTATUS_UNKNOWN}, "the OCSP responder does not know the certificate"},
        {{.until = 60, .outcome = OCSP_RESPONSE_STATUS_TRYLATER}, "the OCSP responder gave no answer"},
    };
    (void)state;
    open_bed();
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_tls_server *made;
        test_file_write(folder, "a.der", bytes_of(&rows[i].reply));
        const plait_err err = plait_tls_server_new(t.b.r, &with_staple, &made, t.why);
        assert_err(err, rows[i].wrong ? PLAIT_EINVAL : PLAIT_OK);
        if (err && !strstr(t.why, rows[i].wrong))
            fail_msg("row %zu: said \"%s\", not \"%s\"", i, t.why, rows[i].wrong);
        assert_true(!err || strstr(t.why, staple_path));
        plait_tls_server_unref(&made);
    }
    close_bed();
}

static void what_is_no_response_is_said(void **state)
{
    struct plait_tls_server *made;
    (void)state;
    open_bed();
    assert_err(plait_tls_server_new(t.b.r, &with_staple, &made, t.why), PLAIT_ENOTFOUND);
    assert_non_null(strstr(t.why, staple_path));
    test_file_write(folder, "a.der", PLAIT_LIT("no DER"));
    assert_err(plait_tls_server_new(t.b.r, &with_staple, &made, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "this is no OCSP response in DER"));
    test_file_write(folder, "a.der", PLAIT_LIT("\x30\x03\x0a\x01\x00")); /* successful, and nothing in it */
    assert_err(plait_tls_server_new(t.b.r, &with_staple, &made, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "this is no OCSP response in DER"));
    test_file_write(folder, "a.der", bytes_of(&good));
    const size_t end = plait_slice_find(server.cert_pem, PLAIT_LIT("-----END CERTIFICATE-----\n"), 0) + 26;
    char text[8192];
    const int len =
        snprintf(text, sizeof text, "%.*s%.*s", (int)end, (const char *)server.cert_pem.ptr, PLAIT_ARG(server.key_pem));
    test_file_write(folder, "a.pem", plait_slice_of(text, (size_t)len));
    assert_err(plait_tls_server_new(t.b.r, &with_staple, &made, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "the certificate's issuer must stand behind it"));
    assert_err(plait_tls_server_new(
                   t.b.r, &(struct plait_tls_server_options){.cert_pem = server.both_pem, .staple_file = staple_path},
                   &made, t.why),
               PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "needs the file of the certificate"));
    close_bed();
}

/* --- handshakes --------------------------------------------------------------------------------------------------- */

static void a_client_that_wants_a_staple_gets_it(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(versions); i++) {
        open_bed();
        t.version = versions[i];
        assert_false(comes_in("a.example")); /* there is none yet */
        serve(&good);
        assert_true(comes_in("a.example"));
        assert_int_equal(SSL_version(tls_of(t.c.s)->ssl), versions[i]);
        tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = root.cert_pem});
        plait_abort(t.c.s);
        plait_abort(t.s.s);
        bed_settle(&t.b);
        tls_bed_join(&t, &peer_protocol); /* one that does not ask */
        assert_non_null(t.c.s);
        uint8_t *der;
        assert_int_equal(SSL_get_tlsext_status_ocsp_resp(tls_of(t.c.s)->ssl, &der), -1);
        close_bed();
    }
}

static void a_session_that_began_well_is_taken_up_again(void **state)
{
    (void)state;
    open_bed();
    serve(&good);
    assert_true(comes_in("a.example"));
    assert_false(plait_stream_tls(t.c.s)->resumed);
    plait_write(t.s.s, PLAIT_LIT("word"));
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    tls_bed_join(&t, &peer_protocol);
    assert_non_null(t.c.s);
    assert_true(plait_stream_tls(t.c.s)->resumed);
    close_bed();
}

static void a_staple_that_has_run_out_is_not_shown(void **state)
{
    (void)state;
    open_bed();
    serve(&(struct reply){.from = -100, .until = 100});
    assert_int_equal(count("event=tls-staple"), 0);
    bed_pass(&t.b, plait_seconds(99));
    assert_true(comes_in("a.example"));
    bed_pass(&t.b, plait_seconds(1));
    assert_false(comes_in("a.example"));
    tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = root.cert_pem});
    tls_bed_join(&t, &peer_protocol);
    assert_non_null(t.c.s);
    close_bed();
}

static void one_that_has_run_out_before_is_said_and_not_shown(void **state)
{
    (void)state;
    open_bed();
    serve(&(struct reply){.from = -100, .until = 0});
    assert_int_equal(count("an OCSP response has run out, and is not stapled"), 1);
    assert_false(comes_in("a.example"));
    serve(&(struct reply){.from = -100, .until = 1});
    assert_int_equal(count("an OCSP response has run out, and is not stapled"), 1);
    assert_true(comes_in("a.example"));
    close_bed();
}

static void a_staple_is_shown_until_it_runs_out(void **state)
{
    uint8_t der[] = "some";
    const struct plait__staple staple = {.der = der, .len = 4, .until = 100}, none = {.until = 100};
    (void)state;
    open_bed();
    tls_bed_join(&t, &peer_protocol);
    SSL *ssl = tls_of(t.s.s)->ssl;
    assert_int_equal(plait__staple_show(ssl, NULL, 99), SSL_TLSEXT_ERR_NOACK);
    assert_int_equal(plait__staple_show(ssl, &none, 99), SSL_TLSEXT_ERR_NOACK);
    assert_int_equal(plait__staple_show(ssl, &staple, 100), SSL_TLSEXT_ERR_NOACK);
    assert_int_equal(plait__staple_show(ssl, &staple, 99), SSL_TLSEXT_ERR_OK);
    uint8_t *shown;
    assert_int_equal(SSL_get_tlsext_status_ocsp_resp(ssl, &shown), 4);
    assert_memory_equal(shown, der, 4);
    close_bed();
}

/* What a server may say that is not ours. */
static plait_slice lie;

static int tell_lie(SSL *ssl, void *arg)
{
    (void)arg;
    SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_memdup(lie.ptr, lie.len), (long)lie.len);
    return SSL_TLSEXT_ERR_OK;
}

static void a_client_takes_no_lies(void **state)
{
    static const struct {
        struct reply reply;
        bool taken;
    } rows[] = {
        {{.from = -1, .until = 1}, true},
        {{.from = -1, .until = 0}, false}, /* it has run out */
        {{.until = 60, .status = V_OCSP_CERTSTATUS_REVOKED}, false},
        {{.until = 60, .about = &other}, false},
        {{.until = 60, .signer = &stranger}, false},
    };
    (void)state;
    open_bed();
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        lie = bytes_of(&rows[i].reply);
        join_demanding("a.example");
        SSL_CTX_set_tlsext_status_cb(SSL_get_SSL_CTX(tls_of(t.s.s)->ssl), tell_lie);
        bed_settle(&t.b);
        if ((t.c.s != NULL) != rows[i].taken)
            fail_msg("row %zu", i);
    }
    close_bed();
}

static void a_client_that_verifies_nothing_can_demand_nothing(void **state)
{
    struct plait_tls_client *client;
    (void)state;
    open_bed();
    assert_err(plait_tls_client_new(t.b.r, &(struct plait_tls_client_options){.insecure = true, .require_staple = true},
                                    &client, t.why),
               PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "a client that verifies nothing can't demand an OCSP response"));
    close_bed();
}

/* --- renewing ----------------------------------------------------------------------------------------------------- */

static void files_are_read_again(void **state)
{
    (void)state;
    open_bed();
    serve(&(struct reply){.until = 700});
    test_file_write(folder, "a.der", bytes_of(&(struct reply){.until = 1300}));
    bed_pass(&t.b, plait_seconds(599));
    bed_settle(&t.b);
    test_file_write(folder, "a.der", bytes_of(&(struct reply){.until = 1250}));
    bed_pass(&t.b, plait_seconds(1)); /* it is read now */
    bed_settle(&t.b);
    test_file_write(folder, "a.der", PLAIT_LIT("half of"));
    bed_pass(&t.b, plait_seconds(600)); /* what was there stays */
    bed_settle(&t.b);
    assert_int_equal(count("an OCSP response could not be renewed"), 1);
    assert_int_equal(count("this is no OCSP response in DER"), 1);
    assert_true(comes_in("a.example"));
    bed_pass(&t.b, plait_seconds(50));
    bed_settle(&t.b);
    assert_false(comes_in("a.example"));
    assert_int_equal(unlink(staple_path), 0);
    bed_pass(&t.b, plait_seconds(550));
    bed_settle(&t.b);
    assert_int_equal(count("an OCSP response could not be renewed"), 2);
    test_file_write(folder, "a.der", bytes_of(&good));
    assert_ok(plait_tls_server_reload(t.server, t.why)); /* does not wait for that */
    assert_true(comes_in("a.example"));
    close_bed();
}

/* One that asked for no name has its certificate from before a reload, and nothing is known of that any more. */
static void a_handshake_from_before_a_reload_has_none(void **state)
{
    (void)state;
    open_bed();
    serve(&good);
    assert_true(comes_in("127.0.0.1"));
    join_demanding("127.0.0.1");
    assert_ok(plait_tls_server_reload(t.server, t.why));
    bed_settle(&t.b);
    assert_null(t.c.s);
    assert_string_equal(t.c.fault.detail, "the server stapled no good OCSP response");
    close_bed();
}

static void a_folder_has_them_beside_the_certificates(void **state)
{
    (void)state;
    open_bed();
    test_file_write(folder, "a.example.pem", server.both_pem);
    test_file_write(folder, "b.example.pem", other.both_pem);
    assert_int_equal(unlink(cert_path), 0);
    test_file_write(folder, "b.example.ocsp", bytes_of(&(struct reply){.until = 5000, .about = &other}));
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_dir = folder});
    assert_true(comes_in("b.example"));
    assert_false(comes_in("a.example"));
    bed_pass(&t.b, plait_seconds(600));
    bed_settle(&t.b);
    assert_int_equal(count("could not be renewed"), 0); /* one that never was is not missed */
    test_file_write(folder, "a.example.ocsp", bytes_of(&good));
    bed_pass(&t.b, plait_seconds(600));
    bed_settle(&t.b);
    assert_true(comes_in("a.example"));
    test_file_write(folder, "a.example.ocsp", bytes_of(&(struct reply){.until = 5000, .about = &other}));
    assert_err(plait_tls_server_reload(t.server, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "a.example.ocsp: the OCSP response is about another certificate"));
    assert_true(comes_in("a.example"));
    close_bed();
}

static void a_server_without_responses_looks_for_none(void **state)
{
    (void)state;
    open_bed();
    const plait_span before = plait_reactor_next_timeout(t.b.r);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_file = cert_path});
    assert_int_equal(plait_reactor_next_timeout(t.b.r), before);
    serve(&good);
    assert_int_not_equal(plait_reactor_next_timeout(t.b.r), before);
    close_bed();
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void every_allocation_may_fail_once(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        open_bed();
        test_file_write(folder, "a.der", bytes_of(&good));
        const uint64_t fails = t.b.heap.calls + k;
        struct plait_tls_server *made;
        t.b.heap.fail_at = fails;
        const plait_err err = plait_tls_server_new(t.b.r, &with_staple, &made, t.why);
        failed = t.b.heap.calls >= fails;
        t.b.heap.fail_at = 0;
        assert_err(err, failed ? PLAIT_ENOMEM : PLAIT_OK);
        plait_tls_server_unref(&made);
        close_bed();
        assert_true(k < 100);
    }
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(only_what_is_said_well_is_taken),
               cmocka_unit_test(what_is_no_response_is_said), cmocka_unit_test(a_client_that_wants_a_staple_gets_it),
               cmocka_unit_test(a_session_that_began_well_is_taken_up_again),
               cmocka_unit_test(a_staple_that_has_run_out_is_not_shown),
               cmocka_unit_test(one_that_has_run_out_before_is_said_and_not_shown),
               cmocka_unit_test(a_staple_is_shown_until_it_runs_out), cmocka_unit_test(a_client_takes_no_lies),
               cmocka_unit_test(a_client_that_verifies_nothing_can_demand_nothing),
               cmocka_unit_test(files_are_read_again), cmocka_unit_test(a_handshake_from_before_a_reload_has_none),
               cmocka_unit_test(a_folder_has_them_beside_the_certificates),
               cmocka_unit_test(a_server_without_responses_looks_for_none),
               cmocka_unit_test(every_allocation_may_fail_once))
