/* SPDX-License-Identifier: MIT
 *
 * SASL (RFC 4422), both sides, without I/O: messages in, steps and messages out. Base64 and the names of commands are
 * the protocol's that carries it. What takes long is asked for as a step: the iterated hash of SCRAM belongs into the
 * pool (plait_scram_salt_password), and judging credentials to a portal (plait/auth.h).
 */
#ifndef PLAIT_SASL_H
#define PLAIT_SASL_H

#include <plait/auth.h>

PLAIT_BEGIN

enum plait_sasl_mechanism {
    PLAIT_SASL_ANONYMOUS,
    PLAIT_SASL_PLAIN,
    PLAIT_SASL_LOGIN,
    PLAIT_SASL_EXTERNAL,
    PLAIT_SASL_CRAM_MD5,
    PLAIT_SASL_DIGEST_MD5,
    PLAIT_SASL_OAUTHBEARER,
    PLAIT_SASL_XOAUTH2,
    PLAIT_SASL_SCRAM_SHA_1,
    PLAIT_SASL_SCRAM_SHA_1_PLUS,
    PLAIT_SASL_SCRAM_SHA_256,
    PLAIT_SASL_SCRAM_SHA_256_PLUS,
    PLAIT_SASL_SCRAM_SHA_512,
    PLAIT_SASL_SCRAM_SHA_512_PLUS,
    PLAIT_SASL_COUNT
};

/** The registered name of a mechanism. Ownership: static. */
PLAIT_API const char *plait_sasl_name(enum plait_sasl_mechanism mechanism);

/** Finds a mechanism by its name, without case. */
PLAIT_API bool plait_sasl_find(plait_slice name, enum plait_sasl_mechanism *out);

/** Whether the client speaks first; if not, the server's first challenge begins it. */
PLAIT_API bool plait_sasl_client_first(enum plait_sasl_mechanism mechanism);

/* What is to be done next. */
enum plait_sasl_step {
    PLAIT_SASL_SEND,   /* send `out`, which may be empty; go on with what the peer says to it */
    PLAIT_SASL_SALT,   /* client: hash the password as `salt` says, then plait_sasl_client_salted */
    PLAIT_SASL_KEYS,   /* server: find login.user's keys, then plait_sasl_server_keys */
    PLAIT_SASL_JUDGE,  /* server: have a portal judge `login`, then plait_sasl_server_judged */
    PLAIT_SASL_DONE,   /* it is done; a server sends `out`, if there is any, with its success */
    PLAIT_SASL_FAILED, /* `err` says why: PLAIT_EACCESS, PLAIT_EVERIFY (the server does not know the password either),
                        * PLAIT_EMALFORMED, PLAIT_ELIMIT, PLAIT_EINVAL, PLAIT_EUNSUPPORTED, PLAIT_ENOMEM */
};

/* A channel binding (RFC 5056): "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929), and its bytes. */
struct plait_sasl_binding {
    const char *name; /* NULL: none */
    plait_slice bytes;
};

/* --- SCRAM's secrets ---------------------------------------------------------------------------------------------- */

#define PLAIT_SCRAM_HASH_MAX 64 /* bytes of SHA-512 */
#define PLAIT_SCRAM_SALT_MAX 64

/* How a password becomes a salted one. */
struct plait_scram_salt {
    enum plait_sasl_mechanism mechanism; /* of SCRAM; with or without PLUS is the same */
    uint32_t iterations;
    uint8_t len;
    uint8_t bytes[PLAIT_SCRAM_SALT_MAX];
};

/* What a server keeps of a password. */
struct plait_scram_keys {
    struct plait_scram_salt salt;
    uint8_t stored[PLAIT_SCRAM_HASH_MAX], server[PLAIT_SCRAM_HASH_MAX];
};

/** Hashes a password, prepared by SASLprep, in the pool. Fires with PLAIT_SCRAM_HASH_MAX bytes (value.ptr). Errors:
 * PLAIT_EINVAL (no such password, no SCRAM), PLAIT_ENOMEM, PLAIT_ELIMIT, PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new. Source: RFC 5802 section 2.2. */
PLAIT_API struct plait_deferred *plait_scram_salt_password(struct plait_reactor *reactor, plait_slice password,
                                                           const struct plait_scram_salt *salt) PLAIT_MUST;

/** Derives what a server keeps from a salted password. Errors: PLAIT_EINVAL (no SCRAM), PLAIT_EIO. Source: RFC 5802
 * section 3. */
PLAIT_API plait_err plait_scram_keys_derive(const struct plait_scram_salt *salt,
                                            const uint8_t salted[PLAIT_SCRAM_HASH_MAX], struct plait_scram_keys *out)
    PLAIT_MUST;

/* --- clients ------------------------------------------------------------------------------------------------------ */

/* What is not needed by the mechanism is ignored. The slices live as long as the client. */
struct plait_sasl_client_options {
    enum plait_sasl_mechanism mechanism;
    plait_slice user, secret; /* the password; the token of OAUTHBEARER and XOAUTH2. ANONYMOUS: user is the trace */
    plait_slice authorize;    /* whom to act as; empty: who logs in */
    plait_slice host;         /* of OAUTHBEARER and DIGEST-MD5 */
    plait_slice service;      /* of DIGEST-MD5: "imap", "smtp", "xmpp" … */
    uint16_t port;
    struct plait_sasl_binding binding; /* of PLUS; without PLUS it says that the server did not offer it */
    plait_slice nonce;                 /* of SCRAM and DIGEST-MD5: 12 random bytes at least, 32 at most */
    uint32_t iterations_max;           /* more are refused; 1,000,000. Fewer than 4,096 are refused always */
};

/* A client's side. Members but `salt`, `out` and `err` are its own. */
struct plait_sasl_client {
    struct plait_sasl_client_options options;
    struct plait_buf out; /* the message to be sent */
    plait_err err;
    struct plait_scram_salt salt;
    unsigned step;
    struct plait_buf auth; /* SCRAM's AuthMessage so far; DIGEST-MD5's response */
    char nonce[48];
    uint8_t signature[PLAIT_SCRAM_HASH_MAX]; /* that the server has to show */
};

/** Begins a client's side. Ownership: the caller's memory, ended with plait_sasl_client_deinit. */
PLAIT_API void plait_sasl_client_init(struct plait_sasl_client *client, struct plait_budget *budget,
                                      const struct plait_sasl_client_options *options);

/** Goes on. The first call of a client that speaks first gets an empty challenge; all others get the server's. What
 * comes with the server's success is a challenge too: PLAIT_SASL_DONE behind it means that the server is the right
 * one. Ownership: `out` is good until the next call. */
PLAIT_API enum plait_sasl_step plait_sasl_client_step(struct plait_sasl_client *client, plait_slice challenge);

/** Goes on behind PLAIT_SASL_SALT, with what plait_scram_salt_password gave. */
PLAIT_API enum plait_sasl_step plait_sasl_client_salted(struct plait_sasl_client *client,
                                                        const uint8_t salted[PLAIT_SCRAM_HASH_MAX]);

/** Wipes and frees. */
PLAIT_API void plait_sasl_client_deinit(struct plait_sasl_client *client);

/* --- servers ------------------------------------------------------------------------------------------------------ */

/* The slices live as long as the server. */
struct plait_sasl_server_options {
    enum plait_sasl_mechanism mechanism;
    plait_slice external;              /* of EXTERNAL: whom TLS or the kernel vouches for; empty: nobody */
    struct plait_sasl_binding binding; /* of PLUS; without PLUS it says that PLUS is offered too */
    plait_slice nonce;                 /* of SCRAM, CRAM-MD5, DIGEST-MD5: 12 random bytes at least, 32 at most */
    plait_slice host;                  /* of CRAM-MD5; of DIGEST-MD5 the realm */
    plait_slice service;               /* of DIGEST-MD5: "imap", "smtp", "xmpp" … */
    plait_slice secret;                /* of SCRAM: makes the salts of users who do not exist; always the same */
    uint32_t iterations;               /* of those users; 4096 */
};

/* A server's side. Members but `login`, `authorize`, `out` and `err` are its own. */
struct plait_sasl_server {
    struct plait_sasl_server_options options;
    struct plait_buf out;     /* the message to be sent */
    struct plait_login login; /* what is to be judged; ANONYMOUS: user is the trace */
    plait_slice authorize;    /* whom he wants to act as; empty: who he is */
    plait_err err;
    unsigned step;
    size_t gs2_len; /* of the client's first message */
    struct plait_scram_keys keys;
    struct plait_buf auth; /* SCRAM's AuthMessage so far; DIGEST-MD5's response */
    char nonce[160];       /* of both */
    uint8_t digest[16];
    char challenge[160], user[PLAIT_LOGIN_USER_MAX], as[PLAIT_LOGIN_USER_MAX], secret[PLAIT_LOGIN_SECRET_MAX];
};

/** Begins a server's side. Ownership: the caller's memory, ended with plait_sasl_server_deinit. */
PLAIT_API void plait_sasl_server_init(struct plait_sasl_server *server, struct plait_budget *budget,
                                      const struct plait_sasl_server_options *options);

/** Goes on with what the client said; a slice whose ptr is NULL at the beginning: nothing yet. Ownership: `out`, and
 * the slices of `login` and `authorize`, are good until the next call; a login's `ctx` is the server. */
PLAIT_API enum plait_sasl_step plait_sasl_server_step(struct plait_sasl_server *server, plait_slice response);

/** Goes on behind PLAIT_SASL_KEYS. NULL: there is no such user, which the client learns no sooner than that his
 * password is wrong. */
PLAIT_API enum plait_sasl_step plait_sasl_server_keys(struct plait_sasl_server *server,
                                                      const struct plait_scram_keys *keys);

/** Goes on behind PLAIT_SASL_JUDGE. */
PLAIT_API enum plait_sasl_step plait_sasl_server_judged(struct plait_sasl_server *server, bool good);

/** Wipes and frees. */
PLAIT_API void plait_sasl_server_deinit(struct plait_sasl_server *server);

PLAIT_END
#endif
