/* SPDX-License-Identifier: MIT
 *
 * A set of certificates: what a TLS server has to show at one time, and which of it belongs to which name.
 */
#ifndef PLAIT_ENGINE_TLS_SET_H
#define PLAIT_ENGINE_TLS_SET_H

#include "engine/tls_core.h"

struct plait__tls_set;

/* Makes an empty set. NULL: no memory. */
struct plait__tls_set *plait__tls_set_new(struct plait__tls_module *m);
void plait__tls_set_free(struct plait__tls_set **set);

/* Adds an identity, which is taken over in any case. It serves the names that its certificate holds, and `name` (may be
 * NULL); `fallback`: and names that nobody knows. Errors: PLAIT_EINVAL (too weak), PLAIT_ENOMEM; then the set is as it
 * was. */
plait_err plait__tls_set_add(struct plait__tls_set *set, struct plait__tls_identity *identity, const char *where,
                             const char *name, bool fallback, char *why) PLAIT_MUST;

/* Adds NAME.pem of a folder for each NAME, with NAME.ocsp if there is one; default.pem is the fallback. */
plait_err plait__tls_set_folder(struct plait__tls_set *set, const char *folder, char *why) PLAIT_MUST;

/* The identity that was added last has its OCSP response in a file, which `must` be there. Errors: as
 * plait__staple_read, PLAIT_ENOMEM. */
plait_err plait__tls_set_staple(struct plait__tls_set *set, const char *path, bool must, char *why) PLAIT_MUST;

/* Returns whether there are such files, and reads them again if that is to be `now`. */
bool plait__tls_set_renew(struct plait__tls_set *set, bool now);

/* What may be stapled to a certificate of the set; NULL: it is none. */
const struct plait__staple *plait__tls_set_staple_of(const struct plait__tls_set *set, const X509 *leaf);

/* The set is complete: there must be something in it. */
plait_err plait__tls_set_finish(struct plait__tls_set *set, char *why) PLAIT_MUST;

/* Context for new connections. */
SSL_CTX *plait__tls_set_ctx(struct plait__tls_set *set);

/* Seconds since 1970 at which the first certificate expires. */
int64_t plait__tls_set_expiry(const struct plait__tls_set *set);

/* Gives a connection the certificates of a name; `name` NULL: none was asked for. Errors: PLAIT_ENOTFOUND (and no
 * fallback), PLAIT_ENOMEM. */
plait_err plait__tls_set_choose(struct plait__tls_set *set, SSL *ssl, const char *name) PLAIT_MUST;

#endif
