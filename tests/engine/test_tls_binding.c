/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_binding.c: both ends have the same bytes, two connections have not; by version, by the hash
 * of a certificate's signature; what has none.
 */
#include "tests/engine/tls_bed.h"

static struct tls_certs certs;
static struct tls_bed t;

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    return 0;
}

struct binding {
    plait_err err;
    uint8_t bytes[PLAIT_BINDING_MAX];
    size_t len;
};

static struct binding binding_of(const struct plait_stream *s, const char *name)
{
    struct binding b = {.len = 0};
    b.err = plait_stream_binding(s, name, b.bytes, &b.len);
    return b;
}

/* Of both sides, which must be the same. */
static struct binding shared(const char *name)
{
    const struct binding c = binding_of(t.c.s, name), s = binding_of(t.s.s, name);
    assert_err(c.err, s.err);
    assert_slice_is(plait_slice_of(c.bytes, c.len), plait_slice_of(s.bytes, s.len));
    return c;
}

static void an_exporter_is_of_one_connection(void **state)
{
    static const int versions[] = {0, TLS1_2_VERSION};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(versions); i++) {
        tls_bed_open(&t, &certs);
        t.version = versions[i];
        tls_bed_join(&t, &peer_protocol);
        const struct binding first = shared("tls-exporter");
        assert_ok(first.err);
        assert_int_equal(first.len, 32);
        plait_abort(t.c.s);
        plait_abort(t.s.s);
        bed_settle(&t.b);
        tls_bed_join(&t, &peer_protocol);
        const struct binding second = shared("tls-exporter");
        assert_ok(second.err);
        assert_true(memcmp(first.bytes, second.bytes, 32) != 0);
        tls_bed_close(&t);
    }
}

/* Nobody but OpenSSL knows what RFC 9266 asks for: asked here with its own words. */
static void an_exporter_is_what_the_rfc_says(void **state)
{
    uint8_t want[32];
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    assert_int_equal(SSL_export_keying_material(tls_of(t.s.s)->ssl, want, sizeof want, "EXPORTER-Channel-Binding", 24,
                                                (const unsigned char *)"", 0, 1),
                     1);
    const struct binding b = shared("tls-exporter");
    assert_slice_is(plait_slice_of(b.bytes, b.len), plait_slice_of(want, sizeof want));
    tls_bed_close(&t);
}

static void without_extended_master_secret_there_is_no_exporter(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.version = TLS1_2_VERSION;
    tls_bed_start(&t, &peer_protocol);
    (void)SSL_set_options(tls_of(t.c.s)->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    bed_settle(&t.b);
    assert_non_null(plait_stream_tls(t.c.s));
    assert_err(shared("tls-exporter").err, PLAIT_EUNSUPPORTED);
    assert_ok(shared("tls-server-end-point").err);
    tls_bed_close(&t);
}

static void a_certificate_is_hashed_as_its_signature_is(void **state)
{
    static const struct {
        const char *signature, *hash; /* NULL: none */
    } table[] = {{"SHA256", "SHA256"}, {"SHA384", "SHA384"}, {"SHA512", "SHA512"}, {"SHA1", "SHA256"}, {NULL, NULL}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct test_cert cert;
        test_cert_make(&cert, NULL,
                       &(struct test_cert_ask){.subject = "server",
                                               .san = "DNS:a.example",
                                               .ed25519 = !table[i].signature,
                                               .hash = table[i].signature});
        tls_bed_open(&t, &certs);
        tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = cert.cert_pem, .key_pem = cert.key_pem});
        tls_bed_client(&t, &(struct plait_tls_client_options){.insecure = true});
        tls_bed_join(&t, &peer_protocol);
        const struct binding b = shared("tls-server-end-point");
        if (table[i].hash) {
            uint8_t want[EVP_MAX_MD_SIZE];
            unsigned len = 0;
            assert_int_equal(X509_digest(cert.cert, EVP_get_digestbyname(table[i].hash), want, &len), 1);
            assert_slice_is(plait_slice_of(b.bytes, b.len), plait_slice_of(want, len));
        } else {
            assert_err(b.err, PLAIT_EUNSUPPORTED);
        }
        tls_bed_close(&t);
        test_cert_end(&cert);
    }
}

static void what_has_no_binding_says_so(void **state)
{
    struct plait_stream *c, *s;
    (void)state;
    tls_bed_open(&t, &certs);
    join(&t.b, JOINT_PAIR, &c, &s);
    assert_err(binding_of(c, "tls-exporter").err, PLAIT_EUNSUPPORTED);
    plait_abort(c);
    plait_abort(s);
    bed_settle(&t.b);
    tls_bed_start(&t, &peer_protocol);
    assert_err(binding_of(t.c.s, "tls-exporter").err, PLAIT_ESTATE);
    assert_err(binding_of(t.s.s, "tls-server-end-point").err, PLAIT_ESTATE);
    bed_settle(&t.b);
    assert_err(shared("tls-unique").err, PLAIT_EUNSUPPORTED);
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(an_exporter_is_of_one_connection),
               cmocka_unit_test(an_exporter_is_what_the_rfc_says),
               cmocka_unit_test(without_extended_master_secret_there_is_no_exporter),
               cmocka_unit_test(a_certificate_is_hashed_as_its_signature_is),
               cmocka_unit_test(what_has_no_binding_says_so))
