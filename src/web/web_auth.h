/* SPDX-License-Identifier: MIT
 *
 * What the ways to authenticate share: the layer's object, an attempt, and Digest's part of both.
 */
#ifndef PLAIT_WEB_WEB_AUTH_H
#define PLAIT_WEB_WEB_AUTH_H

#include "base/crypto.h"
#include "web/http_core.h"

enum {
    PLAIT__NONCE_BYTES = 40, /* time, random, mark */
    PLAIT__NONCE_TEXT = 2 * PLAIT__NONCE_BYTES,
};

/* A nonce with which somebody has authenticated: which counts came. */
struct plait__nonce {
    uint8_t bytes[PLAIT__NONCE_BYTES];
    uint64_t highest; /* count; 0: the slot is free */
    uint64_t seen;    /* bit i: highest - i came */
};

struct plait__auth {
    struct plait_reactor *reactor;
    struct plait_auth_options options;
    char realm[128];
    uint8_t key[32];
    size_t next;         /* slot to be used next */
    plait_time given_up; /* nonces made until then may have lost their counts */
    struct plait__nonce *nonce;
};

/* What a Digest client sent (RFC 7616 section 3.4). Borrowed from the request. */
struct plait__digest {
    plait_slice user, realm, nonce, uri, response, cnonce, count_text;
    uint64_t count;
    bool md5;
};

/* One request's attempt, in its memory. */
struct plait__auth_try {
    struct plait__auth *auth;
    struct plait_credentials credentials;
    struct plait__digest digest;
    bool over;
};

/* web_auth.c: the field that challenges. */
const char *plait__auth_field(const struct plait__auth *auth);

/* web_portal.c: lets the portal judge. */
void plait__auth_ask(struct plait_request *req, struct plait__auth_try *t);

/* web_digest.c. Reads and judges what can be judged without the password; `*stale` when only the nonce is too old. */
bool plait__digest_read(struct plait_request *req, struct plait__auth *auth, plait_slice params,
                        struct plait__digest *out, bool *stale);
/* Whether the answer is right for a password; notes the count. */
bool plait__digest_holds(struct plait_request *req, struct plait__auth *auth, const struct plait__digest *d,
                         plait_slice password);
/* Adds the challenges. */
void plait__digest_challenge(struct plait_request *req, struct plait__auth *auth, bool stale);

#endif
