/* SPDX-License-Identifier: MIT
 *
 * Certificates made while a test runs: an issuer, and what it issues. They hold from 1970 to 2099, so that they fit
 * every clock a test may have, unless one is asked for that does not.
 */
#ifndef PLAIT_TESTS_SUPPORT_CERTS_H
#define PLAIT_TESTS_SUPPORT_CERTS_H

#include <plait/bytes.h>

#include <openssl/x509.h>

struct test_cert {
    X509 *cert;
    EVP_PKEY *key;
    plait_slice cert_pem; /* with the issuer's certificate behind it, for one that is not at the root */
    plait_slice key_pem;
    plait_slice both_pem;
};

/* What a certificate is to be; the zero value is one for a P-256 key with neither names nor trouble. */
struct test_cert_ask {
    const char *subject; /* common name */
    const char *san;     /* OpenSSL's syntax: "DNS:a.example,IP:127.0.0.1"; NULL: none */
    bool is_ca;
    bool rsa;
    bool ed25519;     /* a key of that kind, whose signatures have no hash of their own */
    const char *hash; /* of the signature; NULL: SHA256 */
    bool weak;        /* an RSA key of 512 bits */
    bool expired;     /* ended as 1970 began */
    bool too_early;   /* begins in 2098 */
    bool for_clients; /* extended key usage: clients only */
    bool for_ocsp;    /* extended key usage: signs OCSP responses for its issuer */
};

/* Makes a certificate; `issuer` NULL: it signs itself. */
void test_cert_make(struct test_cert *out, const struct test_cert *issuer, const struct test_cert_ask *ask);
void test_cert_end(struct test_cert *cert);

#endif
