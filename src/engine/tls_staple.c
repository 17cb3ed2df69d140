/* SPDX-License-Identifier: MIT
 *
 * OCSP responses (RFC 6960) as a server staples them to its handshakes (RFC 6066 section 8), and as a client judges
 * them. Nothing is fetched here: a response is a file that somebody else renews. One is shown only if it is about the
 * very certificate, says that it is good, is signed by its issuer or by whom the issuer appoints, and only until its
 * nextUpdate; one that does not say until when is refused.
 *
 * Invariant: a staple that is kept was judged good when it was read; whether it has run out is looked at each time.
 * Test: tests/engine/test_tls_staple.c.
 */
#include "engine/tls_staple.h"

#include "base/try.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

enum { SKEW_S = 300 }; /* how far the responder's clock may be ahead of ours */

int64_t plait__tls_seconds(const ASN1_TIME *time)
{
    int days = 0;
    int seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    if (epoch)
        ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static X509 *issuer_of(X509 *leaf, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i);
        if (X509_check_issued(issuer, leaf) == X509_V_OK)
            return issuer;
    }
    return NULL;
}

/* Whether an entry is about a certificate, by the hash that the responder chose. */
static bool is_about(OCSP_SINGLERESP *entry, X509 *leaf, X509 *issuer)
{
    OCSP_CERTID *theirs = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(entry);
    ASN1_OBJECT *name = NULL;
    OCSP_id_get0_info(NULL, &name, NULL, NULL, theirs);
    const EVP_MD *hash = EVP_get_digestbyobj(name);
    OCSP_CERTID *ours = hash ? OCSP_cert_to_id(hash, leaf, issuer) : NULL;
    const bool same = ours && OCSP_id_cmp(ours, theirs) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static OCSP_SINGLERESP *entry_about(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *entry = OCSP_resp_get0(basic, i);
        if (is_about(entry, leaf, issuer))
            return entry;
    }
    return NULL;
}

/* RFC 6960 section 4.2.2.2: by the issuer itself, or by one whom it lets sign such responses. Nobody else is trusted,
 * however the certificate itself came to be. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer, int64_t now)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *known = sk_X509_new_reserve(NULL, 1);
    bool good = store && known && X509_STORE_add_cert(store, issuer) == 1;
    if (good) {
        sk_X509_push(known, issuer);
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)now);
        good = OCSP_basic_verify(basic, known, store, 0) == 1;
    }
    sk_X509_free(known);
    X509_STORE_free(store);
    return good;
}

/* What is wrong with a response that was read; NULL: nothing. */
static const char *judge(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer, int64_t now, int64_t *until)
{
    ASN1_GENERALIZEDTIME *from = NULL;
    ASN1_GENERALIZEDTIME *to = NULL;
    OCSP_SINGLERESP *entry = entry_about(basic, leaf, issuer);
    if (!entry)
        return "the OCSP response is about another certificate";
    const int status = OCSP_single_get0_status(entry, NULL, NULL, &from, &to);
    if (!is_signed(basic, issuer, now))
        return "the OCSP response is not signed by the certificate's issuer";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return status == V_OCSP_CERTSTATUS_REVOKED ? "the certificate is revoked"
                                                   : "the OCSP responder does not know the certificate";
    if (!to)
        return "the OCSP response does not say until when it holds";
    if (plait__tls_seconds(from) > now + SKEW_S)
        return "the OCSP response does not hold yet";
    *until = plait__tls_seconds(to);
    return NULL;
}

static const char *judge_bytes(X509 *leaf, X509 *issuer, plait_slice der, int64_t now, int64_t *until)
{
    const unsigned char *at = der.ptr;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    const char *wrong = "this is no OCSP response in DER";
    if (response && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        wrong = "the OCSP responder gave no answer";
    else if (basic)
        wrong = judge(basic, leaf, issuer, now, until);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return wrong;
}

const char *plait__staple_judge(X509 *leaf, STACK_OF(X509) * chain, plait_slice der, int64_t now, int64_t *until)
{
    X509 *issuer = issuer_of(leaf, chain);
    return issuer ? judge_bytes(leaf, issuer, der, now, until)
                  : "the certificate's issuer must stand behind it to judge an OCSP response";
}

/* --- keeping ------------------------------------------------------------------------------------------------------ */

static int64_t now_of(struct plait__tls_module *m)
{
    int64_t seconds;
    uint32_t nanoseconds;
    plait_wall_clock(m->reactor, &seconds, &nanoseconds);
    return seconds;
}

static void say(struct plait__tls_module *m, const char *why, const char *what)
{
    const struct plait_field fields[] = {plait_field_text("why", why), plait_field_end()};
    plait__warn(m->reactor, "tls-staple", what, fields);
}

static plait_err keep(struct plait__tls_module *m, plait_slice der, int64_t until, struct plait__staple *out)
{
    uint8_t *copy = plait_mem_new(&m->reactor->budget, der.len);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(copy, der.ptr, der.len);
    plait_mem_free(out->der);
    *out = (struct plait__staple){.der = copy, .len = der.len, .until = until};
    return PLAIT_OK;
}

static plait_err take(struct plait__tls_module *m, struct plait__tls_identity *identity, plait_slice der, char *why)
{
    const int64_t now = now_of(m);
    int64_t until = 0;
    const char *wrong = plait__staple_judge(identity->leaf, identity->chain, der, now, &until);
    if (wrong) {
        plait__tls_why(why, "%s: %s", identity->staple_file, wrong);
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    PLAIT_TRY(keep(m, der, until, &identity->staple));
    if (until <= now)
        say(m, identity->staple_file, "an OCSP response has run out, and is not stapled");
    return PLAIT_OK;
}

plait_err plait__staple_read(struct plait__tls_module *m, struct plait__tls_identity *identity, char *why)
{
    struct plait_buf der;
    plait_err err = plait__tls_file(m, identity->staple_file, &der, why);
    if (err == PLAIT_OK)
        err = take(m, identity, plait_buf_slice(&der), why);
    plait_buf_deinit(&der);
    return err;
}

void plait__staple_renew(struct plait__tls_module *m, struct plait__tls_identity *identity)
{
    char why[PLAIT__TLS_WHY] = "no memory";
    const plait_err err = plait__staple_read(m, identity, why);
    if (err != PLAIT_OK && (err != PLAIT_ENOTFOUND || identity->staple.der))
        say(m, why, "an OCSP response could not be renewed");
}

/* --- showing and seeing ------------------------------------------------------------------------------------------- */

int plait__staple_show(SSL *ssl, const struct plait__staple *staple, int64_t now)
{
    unsigned char *copy = NULL;
    if (staple && staple->der && now < staple->until)
        copy = OPENSSL_memdup(staple->der, staple->len);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len); /* which is OpenSSL's now */
    return SSL_TLSEXT_ERR_OK;
}

bool plait__staple_is_good(SSL *ssl, int64_t now)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    unsigned char *der = NULL;
    const long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
    int64_t until = 0;
    if (SSL_session_reused(ssl)) /* it was good when the session began */
        return true;
    return len > 0 && sk_X509_num(chain) > 0 &&
           !plait__staple_judge(sk_X509_value(chain, 0), chain, plait_slice_of(der, (size_t)len), now, &until) &&
           now < until;
}
