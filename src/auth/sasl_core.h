/* SPDX-License-Identifier: MIT
 *
 * What both sides of SASL share.
 */
#ifndef PLAIT_AUTH_SASL_CORE_H
#define PLAIT_AUTH_SASL_CORE_H

#include "base/crypto.h"

#include <plait/sasl.h>

enum {
    PLAIT__SASL_MESSAGE_MAX = 16384,
    PLAIT__SASL_NONCE_MIN = 12,
    PLAIT__SASL_NONCE_MAX = 32,
    PLAIT__SASL_ITERATIONS_MIN = 4096,
    PLAIT__SASL_ITERATIONS_MAX = 1000000,
};

/* Which hash a mechanism is made of; whether it is one of SCRAM, and of PLUS. */
enum plait__hash_kind plait__sasl_hash(enum plait_sasl_mechanism mechanism);
bool plait__sasl_is_scram(enum plait_sasl_mechanism mechanism);
bool plait__sasl_is_plus(enum plait_sasl_mechanism mechanism);

/* SASLprep (RFC 4013) into memory of `max` bytes. Errors: PLAIT_EINVAL (what it forbids, nothing left, too long),
 * PLAIT_EUNSUPPORTED (not ASCII, and built without libidn). */
plait_err plait__saslprep(plait_slice in, char *out, size_t max, size_t *len) PLAIT_MUST;

/* Appends a nonce's bytes as text: 44 bytes at most. False: too few or too many, or there is no memory. */
bool plait__sasl_nonce(plait_slice nonce, struct plait_buf *out);

/* --- SCRAM (sasl_scram.c) ----------------------------------------------------------------------------------------- */

/* Parts of its messages, borrowed from them (RFC 5802 section 7). */
struct plait__scram_first {
    char flag; /* n, y, p */
    plait_slice binding, authorize, user, nonce, bare;
    size_t gs2_len;
};
struct plait__scram_challenge {
    plait_slice nonce, salt; /* the salt in Base64 */
    uint64_t iterations;
};
struct plait__scram_final {
    plait_slice binding, nonce, proof; /* the first and the last in Base64 */
    plait_slice without_proof;
};
bool plait__scram_read_first(plait_slice message, struct plait__scram_first *out);
bool plait__scram_read_challenge(plait_slice message, struct plait__scram_challenge *out);
bool plait__scram_read_final(plait_slice message, struct plait__scram_final *out);

/* A name with its '=' and ',' written as =3D and =2C; and back, into memory of `max` bytes. */
void plait__scram_put_name(struct plait_buf *out, plait_slice name);
bool plait__scram_name(plait_slice in, char *out, size_t max, size_t *len);

/* Base64 into memory of `max` bytes. */
bool plait__sasl_base64(plait_slice in, uint8_t *out, size_t max, size_t *len);

/* The steps of either side. */
enum plait_sasl_step plait__scram_client_first(struct plait_sasl_client *c);
enum plait_sasl_step plait__scram_client_next(struct plait_sasl_client *c, plait_slice challenge);
enum plait_sasl_step plait__scram_server_first(struct plait_sasl_server *s, plait_slice message);
enum plait_sasl_step plait__scram_server_final(struct plait_sasl_server *s, plait_slice message);

/* --- DIGEST-MD5 (sasl_digest.c): the steps of either side --------------------------------------------------------- */

enum plait_sasl_step plait__digest_client(struct plait_sasl_client *c, plait_slice challenge);
enum plait_sasl_step plait__digest_server(struct plait_sasl_server *s, plait_slice message);

/* Fails; SEND unless the message did not fit. */
enum plait_sasl_step plait__client_fails(struct plait_sasl_client *c, plait_err err);
enum plait_sasl_step plait__client_sends(struct plait_sasl_client *c);
enum plait_sasl_step plait__server_fails(struct plait_sasl_server *s, plait_err err);
enum plait_sasl_step plait__server_sends(struct plait_sasl_server *s);

/* Keeps a prepared user or other name in the server's memory. False: the server has failed. */
bool plait__server_keeps_user(struct plait_sasl_server *s, plait_slice user);
bool plait__server_keeps_authorize(struct plait_sasl_server *s, plait_slice authorize);

#endif
