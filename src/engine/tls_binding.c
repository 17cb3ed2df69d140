/* SPDX-License-Identifier: MIT
 *
 * Channel bindings (RFC 5056): bytes that both ends of a TLS connection have, and nobody between them.
 *
 * Invariant: a binding that would not be unique to the connection is not given. Test: tests/engine/test_tls_binding.c.
 */
#include "base/try.h"
#include "engine/tls_core.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* RFC 9266 section 2: before TLS 1.3 only with the extended master secret. */
static plait_err exporter(SSL *ssl, uint8_t *out, size_t *len)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    static const unsigned char context[1];
    const bool alone = SSL_version(ssl) == TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
    *len = 32;
    if (!alone || SSL_export_keying_material(ssl, out, *len, label, sizeof label - 1, context, 0, 1) != 1)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return PLAIT_OK;
}

/* RFC 5929 section 4.1: the server's certificate by the hash of its signature, by SHA-256 instead of MD5 and SHA-1. A
 * signature that has no hash of its own (Ed25519) has no binding. */
static plait_err end_point(const struct plait__tls *t, uint8_t *out, size_t *len)
{
    X509 *cert = t->client ? SSL_get0_peer_certificate(t->ssl) : SSL_get_certificate(t->ssl);
    int digest = NID_undef;
    unsigned bytes = 0;
    const bool known = cert && X509_get_signature_info(cert, &digest, NULL, NULL, NULL) == 1;
    if (digest == NID_md5 || digest == NID_sha1)
        digest = NID_sha256;
    const EVP_MD *hash = known ? EVP_get_digestbynid(digest) : NULL;
    if (!hash || X509_digest(cert, hash, out, &bytes) != 1)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    *len = bytes;
    return PLAIT_OK;
}

plait_err plait__tls_binding(struct plait__carrier *c, const char *name, uint8_t *out, size_t *len)
{
    const struct plait__tls *t = plait__container(c, struct plait__tls, c);
    if (!t->info.version || !t->ssl)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (strcmp(name, "tls-exporter") == 0)
        return exporter(t->ssl, out, len);
    if (strcmp(name, "tls-server-end-point") == 0)
        return end_point(t, out, len);
    return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
}
