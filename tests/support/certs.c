/* SPDX-License-Identifier: MIT
 *
 * Makes certificates for tests, with OpenSSL and without files. Test code only.
 */
#include "tests/support/certs.h"

#include "tests/support/test.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void set_name(X509 *cert, const char *subject)
{
    X509_NAME *name = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)subject, -1, -1, 0),
                     1);
}

static void set_times(X509 *cert, const struct test_cert_ask *ask)
{
    const char *from = ask->too_early ? "20980101000000Z" : "19700101000000Z";
    const char *to = ask->expired ? "19700101000000Z" : "20990101000000Z";
    if (ask->expired)
        from = "19600101000000Z";
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), from), 1);
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), to), 1);
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static plait_slice text_of(BIO *bio)
{
    char *data;
    const long len = BIO_get_mem_data(bio, &data);
    char *copy = malloc((size_t)len + 1);
    assert_non_null(copy);
    memcpy(copy, data, (size_t)len);
    copy[len] = '\0';
    return plait_slice_of(copy, (size_t)len);
}

static void write_texts(struct test_cert *out, const struct test_cert *issuer)
{
    BIO *certs = BIO_new(BIO_s_mem());
    BIO *key = BIO_new(BIO_s_mem());
    BIO *both = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(certs, out->cert), 1);
    if (issuer && !X509_self_signed(issuer->cert, 0))
        assert_int_equal(PEM_write_bio_X509(certs, issuer->cert), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(key, out->key, NULL, NULL, 0, NULL, NULL), 1);
    out->cert_pem = text_of(certs);
    out->key_pem = text_of(key);
    assert_true(BIO_write(both, out->cert_pem.ptr, (int)out->cert_pem.len) > 0);
    assert_true(BIO_write(both, out->key_pem.ptr, (int)out->key_pem.len) > 0);
    out->both_pem = text_of(both);
    BIO_free(certs);
    BIO_free(key);
    BIO_free(both);
}

static EVP_PKEY *make_key(const struct test_cert_ask *ask)
{
    if (ask->rsa || ask->weak)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)(ask->weak ? 512 : 2048));
    if (ask->ed25519)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

void test_cert_make(struct test_cert *out, const struct test_cert *issuer, const struct test_cert_ask *ask)
{
    uint8_t serial[8];
    *out = (struct test_cert){.cert = X509_new(), .key = make_key(ask)};
    assert_non_null(out->cert);
    assert_non_null(out->key);
    X509 *by = issuer ? issuer->cert : out->cert;
    X509_set_version(out->cert, X509_VERSION_3);
    assert_int_equal(RAND_bytes(serial, sizeof serial), 1);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(out->cert),
                            serial[0] | (uint64_t)serial[1] << 8 | (uint64_t)serial[2] << 16);
    set_name(out->cert, ask->subject);
    set_times(out->cert, ask);
    X509_set_issuer_name(out->cert, X509_get_subject_name(by));
    X509_set_pubkey(out->cert, out->key);
    extend(out->cert, by, NID_basic_constraints, ask->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (ask->san)
        extend(out->cert, by, NID_subject_alt_name, ask->san);
    if (ask->for_clients)
        extend(out->cert, by, NID_ext_key_usage, "clientAuth");
    if (ask->for_ocsp)
        extend(out->cert, by, NID_ext_key_usage, "OCSPSigning");
    EVP_PKEY *signer = issuer ? issuer->key : out->key;
    const EVP_MD *hash = EVP_get_digestbyname(ask->hash ? ask->hash : "SHA256");
    assert_true(X509_sign(out->cert, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : hash) > 0);
    write_texts(out, issuer);
}

static void free_text(plait_slice *text)
{
    free((void *)(uintptr_t)text->ptr);
    *text = plait_slice_of(NULL, 0);
}

void test_cert_end(struct test_cert *cert)
{
    X509_free(cert->cert);
    EVP_PKEY_free(cert->key);
    free_text(&cert->cert_pem);
    free_text(&cert->key_pem);
    free_text(&cert->both_pem);
    *cert = (struct test_cert){.cert = NULL};
}
