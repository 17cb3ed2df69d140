/* SPDX-License-Identifier: MIT
 *
 * An OCSP response that a server staples to its handshakes, and the judgement over one.
 */
#ifndef PLAIT_ENGINE_TLS_STAPLE_H
#define PLAIT_ENGINE_TLS_STAPLE_H

#include "engine/tls_core.h"

/* Judges a response about `leaf`, whose issuer is in the chain: signed by that or by whom it appoints, and good. Gives
 * what is wrong; NULL: nothing, and *until is when it runs out, if it has not. */
const char *plait__staple_judge(X509 *leaf, STACK_OF(X509) * chain, plait_slice der, int64_t now, int64_t *until);

/* Reads an identity's file; what it had goes only where that is taken. Errors: as plait__tls_file, PLAIT_EINVAL,
 * PLAIT_ENOMEM. */
plait_err plait__staple_read(struct plait__tls_module *m, struct plait__tls_identity *identity, char *why) PLAIT_MUST;

/* The same later, where a failure is no more than logged. */
void plait__staple_renew(struct plait__tls_module *m, struct plait__tls_identity *identity);

/* Gives a connection what is to be stapled: a callback's answer, NOACK where there is nothing good. */
int plait__staple_show(SSL *ssl, const struct plait__staple *staple, int64_t now);

/* Whether a server's staple is good: what a client that wants one asks once the chain is verified. */
bool plait__staple_is_good(SSL *ssl, int64_t now);

/* Seconds since 1970 of a certificate's or response's time. */
int64_t plait__tls_seconds(const ASN1_TIME *time);

#endif
