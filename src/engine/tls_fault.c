/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's errors as faults of ours: the alert that went over the wire, and a sentence that says what was wrong. All
 * texts are static.
 *
 * Invariant: OpenSSL's queue of errors, which belongs to the thread, is empty afterwards.
 * Test: tests/engine/test_tls_verify.c, test_tls_carrier.c.
 */
#include "engine/tls_core.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

static const char *verify_sentence(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the certificate is not valid yet";
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return "the certificate is for another name";
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "the certificate is for another address";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "the certificate is self-signed, and not one that is trusted";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "the certificate's issuer is unknown";
    case X509_V_ERR_INVALID_PURPOSE:
        return "the certificate is not meant for this use";
    default:
        return X509_verify_cert_error_string(result);
    }
}

void plait__tls_on_info(const SSL *ssl, int where, int ret)
{
    struct plait__tls *t = SSL_get_app_data(ssl);
    const int level = ret >> 8;
    if (!(where & SSL_CB_ALERT) || level != SSL3_AL_FATAL)
        return;
    t->alert = (int16_t)(ret & 0xff);
    t->alert_sent = (where & SSL_CB_WRITE) != 0;
}

struct plait_fault plait__tls_fault(struct plait__tls *t, const char *step)
{
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_REASON(error);
    const long verified = SSL_get_verify_result(t->ssl);
    struct plait_fault fault = plait_fault_make(PLAIT_ETLS, step);
    fault.tls_alert = t->alert;
    if (t->no_memory || reason == ERR_R_MALLOC_FAILURE) {
        fault.err = PLAIT_ENOMEM;
    } else if (t->alert >= 0 && !t->alert_sent) {
        fault.detail = SSL_alert_desc_string_long(t->alert);
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        fault.err = PLAIT_EVERIFY;
        fault.detail = verify_sentence(verified);
    } else if (reason == SSL_R_INVALID_STATUS_RESPONSE) {
        fault.err = PLAIT_EVERIFY;
        fault.detail = "the server stapled no good OCSP response";
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        fault.err = PLAIT_EVERIFY;
        fault.detail = "the client showed no certificate";
    } else {
        fault.detail = ERR_reason_error_string(error);
    }
    ERR_clear_error();
    return fault;
}
