/* SPDX-License-Identifier: MIT
 *
 * The inside of TLS, for the tls_*.c files. One file a job:
 *
 *   tls_carrier.c  the carrier between a stream and the one below: records in, records out, ends
 *   tls_start.c    puts that carrier under a stream; what the handshake agreed on
 *   tls_bio.c      how OpenSSL reads the lent window and writes into our chain
 *   tls_binding.c  channel bindings
 *   tls_fault.c    OpenSSL's errors as faults of ours
 *   tls_module.c   what a reactor keeps for TLS; settings that both sides share; the key log
 *   tls_random.c   OpenSSL's random numbers through the table of system calls, for simulated worlds
 *   tls_pem.c      certificates and keys out of files and text
 *   tls_server.c   a server's context: certificates by name, reload
 *   tls_ticket.c   its keys for session tickets
 *   tls_client.c   a client's context: whom it trusts, sessions to resume
 */
#ifndef PLAIT_ENGINE_TLS_CORE_H
#define PLAIT_ENGINE_TLS_CORE_H

#include "engine/stream_core.h"

#include <plait/tls.h>

#include <openssl/ssl.h>

enum {
    PLAIT__TLS_RECORD = 16 * 1024, /* plaintext of one record at most (RFC 8446 section 5.1) */
    PLAIT__TLS_OUT_LENT = 2304,
    PLAIT__TLS_WHY = 200,           /* bytes of a sentence */
    PLAIT__TLS_ESTIMATE = 14 * 1024 /* what OpenSSL holds for an idle connection; charged to the stream */
};

/* What a reactor keeps for TLS, made with its first context. Contexts hold references, and the reactor one. */
struct plait__tls_module {
    struct plait__module module;
    struct plait_reactor *reactor;
    OSSL_LIB_CTX *libctx;        /* NULL: OpenSSL's default one, on the kernel */
    OSSL_PROVIDER *providers[2]; /* of that library context */
    BIO_METHOD *bio;
    struct plait__slab outs;
    struct plait__list parting; /* carriers that say their last words */
    size_t refs;
    int keylog_fd; /* -1: nobody asked for keys */
    bool stopping;
    uint8_t gathered[PLAIT__TLS_RECORD]; /* small pieces on their way into one record */
};

/* The module of a reactor, made if need be; NULL when there is no memory. */
struct plait__tls_module *plait__tls_module_of(struct plait_reactor *r);
void plait__tls_module_unref(struct plait__tls_module *m);

/* Gives a module a library context whose random numbers are the reactor's (tls_random.c). False: no memory. */
bool plait__tls_seed(struct plait__tls_module *m, struct plait_reactor *r) PLAIT_MUST;
void plait__tls_unseed(struct plait__tls_module *m);

/* A context with the settings that both sides share. NULL: no memory. */
SSL_CTX *plait__tls_ctx_new(struct plait__tls_module *m, const SSL_METHOD *method);

/* Whether a list of protocol names has ALPN's form, and fits into it (RFC 7301 section 3.1). */
bool plait__tls_alpn_ok(plait_slice wire);

/* Ciphertext on its way out; exists only while there is some. */
struct plait__tls_out {
    struct plait__chain chain;
    _Alignas(void *) uint8_t lent[PLAIT__TLS_OUT_LENT];
};

enum plait__tls_state {
    PLAIT__TLS_CLEAR, /* what was written before TLS is still on its way */
    PLAIT__TLS_HANDSHAKE,
    PLAIT__TLS_OPEN,
    PLAIT__TLS_GONE, /* the carrier below is closed */
};

struct plait__tls {
    struct plait__carrier c;
    struct plait__carrier *lower;
    struct plait_stream *stream;
    struct plait__tls_module *module;
    SSL *ssl;
    struct plait__tls_out *out;
    struct plait__out *clear; /* CLEAR: the stream's output of before */
    const uint8_t *in;        /* ciphertext not yet read: in the lent window or in `held` */
    size_t in_len;
    uint8_t *held;
    struct plait_tls_server *server; /* one of the two */
    struct plait_tls_client *client;
    char *session_key; /* client: under what its session is kept; NULL: it is not */
    char *texts;       /* what `info` points to */
    plait_slice alpn;  /* server: the service's protocols */
    uint32_t want;     /* what the stream wants at a time */
    uint32_t lower_want;
    struct plait_soon soon;   /* begins; delivers what was held back */
    struct plait_timer timer; /* the peer accepts no byte, or does not hang up */
    struct plait__list link;  /* module's parting carriers */
    struct plait_tls_info info;
    uint16_t notify_bytes; /* of close_notify, when it is written */
    int16_t alert;         /* fatal one, sent or received; -1: none */
    uint8_t state;
    bool anonymous : 1; /* client: its own certificate is not shown */
    bool alert_sent : 1;
    bool no_memory : 1;     /* the chain could not take what OpenSSL wrote */
    bool busy : 1;          /* work() runs */
    bool blocked : 1;       /* the stream waits for `writable` */
    bool lower_blocked : 1; /* we do */
    bool lower_eof : 1;
    bool lower_shut : 1;
    bool end_told : 1; /* the peer's close_notify was passed on */
    bool shut : 1;     /* the own side is ended, or to be ended after the handshake */
    bool notified : 1; /* close_notify was written */
    bool failed : 1;
    bool last_words : 1; /* an alert is on its way: closing must let it arrive */
    bool closing : 1;
    bool parting : 1; /* closing, with something left to do first */
    bool discard : 1; /* parting: reads until the peer hangs up, so that no reset overtakes the last words */
    bool finished : 1;
};

/* The carrier's tables (tls_carrier.c). */
extern const struct plait__carrier_ops plait__tls_ops;
extern const struct plait__up_ops plait__tls_up;
/* First step of a new carrier; then whatever is due. `ctx` is the carrier. */
void plait__tls_step(void *ctx);
void plait__tls_timer(void *ctx);
/* Ciphertext from OpenSSL into the chain. Errors: PLAIT_ENOMEM. */
plait_err plait__tls_put(struct plait__tls *t, plait_slice bytes) PLAIT_MUST;
/* Ends one that says its last words, now. */
void plait__tls_cut(struct plait__tls *t);

/* tls_start.c: fills `info` once the handshake is complete. Errors: PLAIT_ENOMEM. */
plait_err plait__tls_note(struct plait__tls *t) PLAIT_MUST;
/* Gives back all but the carrier's own memory. */
void plait__tls_release(struct plait__tls *t);

/* tls_binding.c */
plait_err plait__tls_binding(struct plait__carrier *c, const char *name, uint8_t *out, size_t *len);

/* tls_bio.c */
BIO_METHOD *plait__tls_bio_method(void);

/* tls_fault.c: what OpenSSL's last call failed with; leaves its queue of errors empty. */
struct plait_fault plait__tls_fault(struct plait__tls *t, const char *step);
/* Remembers alerts; given to OpenSSL. */
void plait__tls_on_info(const SSL *ssl, int where, int ret);

/* --- tls_pem.c ---------------------------------------------------------------------------------------------------- */

/* An OCSP response to be stapled; until when it may be shown is in seconds since 1970. */
struct plait__staple {
    uint8_t *der; /* NULL: there is none */
    size_t len;
    int64_t until;
};

/* A certificate with its chain and key; each pointer is a reference of its own. */
struct plait__tls_identity {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    struct plait__staple staple;
    char *staple_file; /* where it is read from; NULL: there is none */
};

/* Writes a sentence; `why` may be NULL. */
void plait__tls_why(char *why, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/* Reads a whole file. `out` is made here and is the caller's to end, also on failure. */
plait_err plait__tls_file(struct plait__tls_module *m, const char *path, struct plait_buf *out, char *why) PLAIT_MUST;
void plait__tls_file_end(struct plait_buf *content); /* wipes it */

/* Reads an identity from PEM; `where` names its origin in sentences. An empty key: it stands with the certificate. */
plait_err plait__tls_identity_parse(struct plait__tls_module *m, plait_slice cert, plait_slice key, const char *where,
                                    struct plait__tls_identity *out, char *why) PLAIT_MUST;
plait_err plait__tls_identity_load(struct plait__tls_module *m, const char *cert_file, const char *key_file,
                                   struct plait__tls_identity *out, char *why) PLAIT_MUST;
plait_err plait__tls_identity_copy(const struct plait__tls_identity *from, struct plait__tls_identity *out) PLAIT_MUST;
void plait__tls_identity_end(struct plait__tls_identity *identity);

/* Trusts every certificate of a PEM text. `names` (may be NULL) collects their subjects. */
plait_err plait__tls_trust(struct plait__tls_module *m, X509_STORE *store, plait_slice pem, const char *where,
                           STACK_OF(X509_NAME) * names, char *why) PLAIT_MUST;

/* --- tls_server.c, tls_client.c ----------------------------------------------------------------------------------- */

/* Makes t->ssl for one side. Errors: PLAIT_ENOMEM, and for a client PLAIT_EINVAL. */
plait_err plait__tls_server_session(struct plait__tls *t) PLAIT_MUST;
plait_err plait__tls_client_session(struct plait__tls *t, const char *name, plait_slice alpn) PLAIT_MUST;
/* The handshake is complete: TLS 1.2 may have given a new ticket for the old session, which OpenSSL does not tell
 * of. */
void plait__tls_client_done(struct plait__tls *t);
bool plait__tls_client_verifies(const struct plait_tls_client *client);

/* --- tls_ticket.c ------------------------------------------------------------------------------------------------- */

struct plait__ticket_key {
    uint8_t name[16];
    uint8_t cipher[32];
    uint8_t mac[32];
    bool set;
};

/* The newest key makes tickets, the one before still reads them. A key is made when it is needed, and wiped when its
 * time is over. */
struct plait__tickets {
    struct plait_reactor *reactor;
    struct plait__ticket_key now, before;
    struct plait_timer turn;
    plait_span rotate;
};

void plait__tickets_init(struct plait__tickets *tickets, struct plait_reactor *r, plait_span rotate);
void plait__tickets_deinit(struct plait__tickets *tickets);
/* OpenSSL's callback, with the tickets found: 1 done, 2 done and make a new ticket, 0 key unknown, -1 failed. */
int plait__tickets_key(struct plait__tickets *tickets, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac, int encrypt);

#endif
