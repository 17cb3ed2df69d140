/* SPDX-License-Identifier: MIT
 *
 * TLS over any stream. Contexts are objects that connections share; a server's certificates can be reloaded without
 * dropping anyone. TLS 1.2 and 1.3 only, modern suites, no compression, no renegotiation. Clients verify chain and name
 * unless told otherwise by name.
 */
#ifndef PLAIT_TLS_H
#define PLAIT_TLS_H

#include <plait/stream.h>

PLAIT_BEGIN

struct plait_tls_server;
struct plait_tls_client;

/* What a handshake agreed on. */
struct plait_tls_info {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name of the suite */
    const char *server_name; /* SNI asked for, or "" */
    plait_slice alpn;        /* protocol chosen, or empty */
    bool resumed;
    bool verified;                /* the peer's certificate was verified */
    const char *peer_subject;     /* subject of the peer's certificate in one line, or "" */
    plait_slice peer_certificate; /* DER, or empty */
};

enum plait_tls_client_cert { PLAIT_CERT_NONE, PLAIT_CERT_OPTIONAL, PLAIT_CERT_REQUIRED };

/* The zero value of a member is its default. Texts are copied. */
struct plait_tls_server_options {
    const char *cert_file; /* PEM chain */
    const char *key_file;  /* PEM key; NULL: in cert_file */
    plait_slice cert_pem;  /* instead of the files */
    plait_slice key_pem;
    const char *cert_dir; /* NAME.pem (chain and key) for each server name; "default.pem" for the rest */
    /* OCSP response for the certificate of cert_file, in DER; in cert_dir it is NAME.ocsp where there is one. Stapled
     * while it holds, and read again every ten minutes, for somebody else renews it. */
    const char *staple_file;
    plait_slice alpn; /* protocols in wire form in order of preference; empty for none */
    enum plait_tls_client_cert client_cert;
    const char *client_ca_file;
    bool no_tickets;
    plait_span ticket_rotate; /* ticket keys change after so long; 1 h */
    void *reserved[7];
};

/** Makes a server's TLS context. `why` (may be NULL, else 200 bytes) gets a sentence on failure. Errors:
 * PLAIT_ENOTFOUND, PLAIT_EACCESS, PLAIT_EIO, PLAIT_EINVAL (no usable certificate, key does not fit, an OCSP response
 * that is not about it, not its issuer's, or does not say that it is good), PLAIT_ENOMEM.
 * Ownership: one reference, the caller's, to be given up before the reactor is freed. */
PLAIT_API plait_err plait_tls_server_new(struct plait_reactor *reactor, const struct plait_tls_server_options *options,
                                         struct plait_tls_server **out, char *why) PLAIT_MUST;

/** Adds a certificate for server names of its own (found by SNI). Errors and `why`: as plait_tls_server_new. */
PLAIT_API plait_err plait_tls_server_add(struct plait_tls_server *server, plait_slice cert_pem, plait_slice key_pem,
                                         char *why) PLAIT_MUST;

/** Reads the files again. New handshakes use what they hold; on failure the old ones stay. Errors and `why`: as
 * plait_tls_server_new. */
PLAIT_API plait_err plait_tls_server_reload(struct plait_tls_server *server, char *why) PLAIT_MUST;

/** Seconds since 1970 at which the first of a server's certificates expires. */
PLAIT_API int64_t plait_tls_server_expiry(const struct plait_tls_server *server);

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_tls_server *plait_tls_server_ref(struct plait_tls_server *server);

/** Gives a reference up. Takes NULL and leaves NULL. */
PLAIT_API void plait_tls_server_unref(struct plait_tls_server **server);

struct plait_tls_client_options {
    const char *ca_file; /* PEM; NULL: the system's roots */
    plait_slice ca_pem;
    const char *cert_file; /* the client's own certificate */
    const char *key_file;
    plait_slice cert_pem;
    plait_slice key_pem;
    bool insecure; /* verify nothing; logged each time */
    bool no_resumption;
    bool require_staple; /* a server must staple an OCSP response that says that its certificate is good */
    void *reserved[8];
};

/** Makes a client's TLS context, with a cache of sessions; `options` may be NULL. Errors and `why`: as
 * plait_tls_server_new. Ownership: one reference, the caller's, to be given up before the reactor is freed. */
PLAIT_API plait_err plait_tls_client_new(struct plait_reactor *reactor, const struct plait_tls_client_options *options,
                                         struct plait_tls_client **out, char *why) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_tls_client *plait_tls_client_ref(struct plait_tls_client *client);

/** Gives a reference up. Takes NULL and leaves NULL. */
PLAIT_API void plait_tls_client_unref(struct plait_tls_client **client);

/** Turns a stream in the clear into a TLS server's; what was written before goes in the clear first. Input that was
 * kept and not taken ends the stream with PLAIT_ECLEARTEXT. Errors: PLAIT_ESTATE (closing, ended, or TLS already),
 * PLAIT_ENOMEM. Callbacks: `secured` in a later turn, or `lost`; no `data` before it. Source: RFC 3207 section 4.2 and
 * its kin. */
PLAIT_API plait_err plait_starttls_server(struct plait_stream *s, struct plait_tls_server *server) PLAIT_MUST;

/** Turns a stream in the clear into a TLS client's that asks for and verifies `name`, which only an insecure client may
 * leave out; `alpn` is in wire form, or empty. An IP address is verified as one and sends no SNI. Errors and callbacks:
 * as plait_starttls_server; PLAIT_EINVAL (no name that can be verified, malformed alpn). Source: RFC 6125, RFC 6066
 * section 3. */
PLAIT_API plait_err plait_starttls_client(struct plait_stream *s, struct plait_tls_client *client, const char *name,
                                          plait_slice alpn) PLAIT_MUST;

#define PLAIT_BINDING_MAX 64

/** The channel binding of a stream's TLS, which ties a login to the connection (plait/sasl.h): "tls-exporter" or
 * "tls-server-end-point". Errors: PLAIT_EUNSUPPORTED (no TLS, another name, TLS 1.2 without extended master secret, a
 * certificate whose signature has no hash of its own), PLAIT_ESTATE (before `secured`, or over). Source: RFC 5929
 * section 4, RFC 9266. */
PLAIT_API plait_err plait_stream_binding(const struct plait_stream *s, const char *name, uint8_t out[PLAIT_BINDING_MAX],
                                         size_t *len) PLAIT_MUST;

PLAIT_END
#endif
