/* SPDX-License-Identifier: MIT
 *
 * The HTTP client: fetches, over connections that are kept and used again. A connection serves one origin (scheme, host
 * and port) with one TLS context, and is never used for another.
 */
#ifndef PLAIT_HTTP_CLIENT_H
#define PLAIT_HTTP_CLIENT_H

#include <plait/listen.h>
#include <plait/url.h>

PLAIT_BEGIN

struct plait_cookies;
struct plait_http_client;
struct plait_http_proxy;
struct plait_response;
struct plait_task;

#define PLAIT_LENGTH_UNKNOWN UINT64_MAX

/* --- a client -------------------------------------------------------------------------------------------------- */

/* The zero value of a member is its default. */
struct plait_http_client_options {
    size_t per_origin;  /* connections to one origin; 16 */
    size_t connections; /* in all; 256 */
    size_t waiting;     /* fetches that wait for a connection; 10,000 */
    size_t streams;     /* HTTP/2: fetches at once over a connection, where the server takes as many; 100 */
    plait_span idle;    /* how long a connection is kept that nobody uses; 60 s */
    bool no_reuse;      /* a connection for each request */
    void *reserved[7];
};

/** Makes a client of its own: its connections and limits are shared with nobody. `options` may be NULL. Returns NULL
 * when there is no memory. Ownership: the caller's, ended with plait_http_client_free before the reactor is freed. */
PLAIT_API struct plait_http_client *plait_http_client_new(struct plait_reactor *reactor,
                                                          const struct plait_http_client_options *options) PLAIT_MUST;

/** Ends a client: its fetches fail with PLAIT_ECANCELLED, its connections are closed; WebSockets over HTTP/2 are lost.
 * Takes NULL and leaves NULL. */
PLAIT_API void plait_http_client_free(struct plait_http_client **client);

/* What a client has at the moment, and what it has done. */
struct plait_http_client_counts {
    size_t open;     /* connections, with those that are being made */
    size_t idle;     /* of these, connections that nobody uses */
    size_t waiting;  /* fetches without a connection */
    uint64_t made;   /* connections so far */
    uint64_t reused; /* requests that went over a connection which had carried one before */
    void *reserved[4];
};

/** Counts what a client has. */
PLAIT_API void plait_http_client_look(const struct plait_http_client *client, struct plait_http_client_counts *out);

/* --- fetching -------------------------------------------------------------------------------------------------- */

/* Which version of HTTP a fetch may speak. Nothing else about it depends on that. */
enum plait_http_version {
    PLAIT_HTTP_ANY, /* over TLS HTTP/2 or 1.1, as the server chooses (ALPN); in the clear HTTP/1.1 */
    PLAIT_HTTP_1,   /* HTTP/1.1 alone */
    /* HTTP/2 alone: over TLS the server has to choose it, in the clear it is known that it speaks it (RFC 9113 section
     * 3.3) */
    PLAIT_HTTP_2,
};

struct plait_http_field {
    const char *name;
    const char *value;
};

/* A request's body on its way, as it is written. Good until the fetch fires. */
struct plait_upload;

/* Where a request's body comes from when it is not in memory. */
struct plait_upload_source {
    uint64_t length; /* in bytes, or PLAIT_LENGTH_UNKNOWN: it goes in chunks */
    /* There is room: write, now or later, while plait_upload_is_full says no; then plait_upload_end. Called again
     * whenever there is room after it was full. */
    void (*room)(struct plait_upload *upload, void *ctx);
    /* The body is needed once more from its start: a redirect, a retry. Returns whether that can be; `room` follows.
     * NULL: it can't. */
    bool (*rewind)(void *ctx);
    void *ctx;
};

/* A step of a fetch, as it happens. What does not fit a step is NULL or 0. */
struct plait_fetch_step {
    /* "begin" (url); what connect's trace tells: "attempt", "connected", "failed" (err), "stopped" (address);
     * "carried": there is a connection (address, tls, version, reused); "sent": the request is; "answer" (status);
     * "redirect" (url), "again": it begins anew; "end" (err) */
    const char *what;
    const char *url;
    const struct plait_address *address;
    const struct plait_tls_info *tls;
    plait_err err;
    int status;
    int version; /* 11 or 20 */
    bool reused;
};

/* How long each step may take; the zero value of a member is its default, PLAIT_NEVER takes it off. The times for
 * names, connecting and TLS are members of `connect`. */
struct plait_fetch_times {
    plait_span wait;       /* in line for a connection, with making it; 5 min */
    plait_span go_ahead;   /* for 100 (Continue), then the body is sent without; 1 s */
    plait_span send;       /* the server takes no byte of what is sent; 60 s */
    plait_span first_byte; /* from the end of the request to the end of the response's head; 60 s */
    plait_span total;      /* for everything; never */
};

/* The zero value of every member is its default. Everything is borrowed for the call, but for `ctx` and the callbacks.
 * */
struct plait_fetch_options {
    const char *method;                    /* "GET" */
    const struct plait_http_field *fields; /* more fields */
    size_t field_count;
    enum plait_http_version version;
    plait_slice body;                         /* of the request; it is copied */
    const struct plait_upload_source *upload; /* or where it comes from */
    bool expect_continue;   /* the body waits until the server asks for it (RFC 9110 section 10.1.1) */
    size_t body_max;        /* bytes of a response held in memory; 16 MiB. Not for streamed ones */
    unsigned redirects_max; /* 10 */
    bool no_redirects;      /* give the redirection itself */
    /* How often to try again what may be tried again: an idempotent request that met a broken connection, or was
     * answered 408, 425, 429, 502, 503 or 504, before anything of an answer was given; 0 */
    unsigned retries;
    /* before the first retry, then twice as long each time, with jitter; 500 ms */
    plait_span retry_first;
    plait_span retry_max; /* longest wait; a server that asks for more gets no retry; 30 s */
    plait_span idle;      /* silence inside a response's body; 60 s */
    struct plait_fetch_times times;
    bool no_decoding; /* ask for no content coding, and give the body as it comes */
    /* bytes of a streamed body after decoding; 16 GiB. Beyond its first MiB a body may not be 256 times as long as what
     * came over the wire. */
    uint64_t decoded_max;
    /* For the URL's origin, when it asks (401): Digest where it offers that, Basic else. Text of a URL before its '@'
     * is the same, sent as Basic at once. */
    const char *user, *password;
    bool basic_at_once; /* Basic without being asked */
    bool digest_only;   /* the password itself is never sent */
    const char *bearer; /* a token for the origin, sent at once (RFC 6750) */
    /* a reference is taken; URLs of http are asked of it, those of https are reached through it. NULL: none */
    struct plait_http_proxy *proxy;
    struct plait_cookies *cookies;        /* sent, and kept from every answer; a reference is taken. NULL: none */
    struct plait_connect_options connect; /* timeout, family, source, TLS context … */
    /* The final response's head came. May be NULL. */
    void (*head)(const struct plait_response *response, void *ctx);
    /* A piece of the final response's body; then nothing of it is kept. An error ends the fetch with it. May be NULL.
     * */
    plait_err (*data)(const struct plait_response *response, plait_slice piece, void *ctx);
    /* A step was made. It must do nothing but note it. May be NULL. */
    void (*trace)(const struct plait_fetch_step *step, void *ctx);
    void *ctx;
    void *reserved[6];
};

/** Fetches a URL of http or https; redirects are followed; credentials and a client's certificate stay with
 * their origin. A fetch waits in line where the client has as many connections as it may. A connection that turns out
 * to be closed when it is used again is replaced, and the request sent once more, if its method is idempotent. Fires
 * with struct plait_response (value.ptr) whatever its status. Errors: PLAIT_EINVAL (URL, method or field),
 * PLAIT_EUNSUPPORTED (another scheme), PLAIT_EMALFORMED, PLAIT_ETRUNCATED, PLAIT_ETOOLONG, PLAIT_ELIMIT (redirects, too
 * many wait), PLAIT_ETIMEDOUT, PLAIT_ECANCELLED, plait_connect_host's. Ownership: as plait_deferred_new; the value goes
 * with its destructor. Callbacks: the options' in later turns, before it fires. Source: RFC 9110, RFC 9112, RFC
 * 7617, RFC 7616. */
PLAIT_API struct plait_deferred *plait_http_fetch(struct plait_http_client *client, const char *url,
                                                  const struct plait_fetch_options *options) PLAIT_MUST;

/** Fetches a URL into a file, at the disk's speed. It is written as PATH.part and takes its name when it is complete
 * and synced; what breaks off stays, and the next download of the path asks for the rest only (Range), unless the part
 * is older than what the server has (Last-Modified, If-Range) or has no bytes. `options` as for plait_http_fetch, but
 * for method and body; `retries` counts for a body that breaks off too; `data` sees what goes to the file. Fires with
 * struct plait_response (value.ptr), whose status may be another than 200, 206 or 416 (all was there): then there is no
 * file. Errors: as plait_http_fetch; PLAIT_EINVAL (the path), PLAIT_EACCESS, PLAIT_ENOTFOUND, PLAIT_ENOSPACE and the
 * like. Ownership: as plait_deferred_new; cancelling keeps the part. Callbacks: as plait_http_fetch. Source: RFC 9110
 * section 14. */
PLAIT_API struct plait_deferred *plait_http_download(struct plait_http_client *client, const char *url,
                                                     const char *path, const struct plait_fetch_options *options)
    PLAIT_MUST;

/** Fetches a URL by the client that every reactor has, which has the default options. Errors and callbacks: as
 * plait_http_fetch. Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_http_get(struct plait_reactor *reactor, const char *url,
                                                const struct plait_fetch_options *options) PLAIT_MUST;

/** Fetches a URL and waits for it. Errors: as plait_http_fetch, plait_await. Ownership: the response belongs to the
 * task's scope. */
PLAIT_API plait_err plait_http_get_await(struct plait_task *task, const char *url, struct plait_response **out)
    PLAIT_MUST;

/* --- proxies ------------------------------------------------------------------------------------------------------ */

/* The zero value of a member is its default. */
struct plait_http_proxy_options {
    const char *user, *password; /* when the proxy asks (407); the URL's are sent at once */
    bool basic_at_once;          /* Basic without being asked */
    bool digest_only;            /* the password itself is never sent */
    /* To the proxy: family, source, TLS context, targets, `via` … Time and trace are those of who connects. */
    struct plait_connect_options connect;
    void *reserved[4];
};

/** Knows a proxy by its URL, "http://proxy.example:3128"; by "https:" it is spoken to over TLS. Errors: PLAIT_EINVAL,
 * PLAIT_EUNSUPPORTED (another scheme), PLAIT_ETLS, PLAIT_ENOMEM. Ownership: one reference, the caller's. */
PLAIT_API plait_err plait_http_proxy_new(struct plait_reactor *reactor, const char *url,
                                         const struct plait_http_proxy_options *options, struct plait_http_proxy **out)
    PLAIT_MUST;

/** Takes another reference. Ownership: the caller's. */
PLAIT_API struct plait_http_proxy *plait_http_proxy_ref(struct plait_http_proxy *proxy);

/** Gives a reference back. Takes NULL and leaves NULL. */
PLAIT_API void plait_http_proxy_unref(struct plait_http_proxy **proxy);

/** The way to any host through a proxy, by CONNECT, for the options of any connect; the proxy resolves its name.
 * Errors of such a connect: PLAIT_EACCESS (407), PLAIT_EREFUSED (other refusals), PLAIT_EUNREACHABLE (the proxy can't),
 * PLAIT_EMALFORMED, PLAIT_EPROTOCOL, PLAIT_ETRUNCATED, plait_connect_host's. Ownership: the proxy's. Source: RFC 9110
 * section 9.3.6. */
PLAIT_API const struct plait_via *plait_http_proxy_via(const struct plait_http_proxy *proxy);

/* --- a body that is written as it goes ---------------------------------------------------------------------------- */

/** Writes a piece of a request's body. More than the announced length fails the fetch with PLAIT_EINVAL. */
PLAIT_API void plait_upload_write(struct plait_upload *upload, plait_slice piece);

/** Writes a range of a file. Ownership: `fd` is borrowed until `released`. Callbacks: `released` exactly once, possibly
 * inside the call. */
PLAIT_API void plait_upload_file(struct plait_upload *upload, int fd, uint64_t offset, uint64_t bytes,
                                 plait_call_fn released, void *ctx);

/** Whether output is backed up: wait for the source's `room` before writing on. */
PLAIT_API bool plait_upload_is_full(const struct plait_upload *upload);

/** Ends a request's body; one of a known length ends with its last byte by itself. One that is shorter than announced
 * fails the fetch with PLAIT_EINVAL. */
PLAIT_API void plait_upload_end(struct plait_upload *upload);

/** Gives a request up because its body can't be had: the fetch fails with the error. Ownership: `detail` is static or
 * NULL. */
PLAIT_API void plait_upload_fail(struct plait_upload *upload, plait_err err, const char *detail);

/* --- the response ---------------------------------------------------------------------------------------------- */

/** Status code. */
PLAIT_API int plait_response_status(const struct plait_response *response);

/** Version of HTTP that the server answered in: 10, 11, 20. */
PLAIT_API int plait_response_version(const struct plait_response *response);

/** First value of a field, named without regard to case; ptr NULL when it is absent. Ownership: borrowed from the
 * response. */
PLAIT_API plait_slice plait_response_field(const struct plait_response *response, const char *name);

/** Fields of the head. */
PLAIT_API size_t plait_response_field_count(const struct plait_response *response);

/** Field number `i`. Ownership: both slices are borrowed from the response. */
PLAIT_API void plait_response_field_at(const struct plait_response *response, size_t i, plait_slice *name,
                                       plait_slice *value);

/** First value of a trailer field, one that came behind the body, named without regard to case; ptr NULL when it is
 * absent, as all are until the fetch has fired. Trailers say nothing about how a body is to be read. Ownership:
 * borrowed from the response. Source: RFC 9110 section 6.5. */
PLAIT_API plait_slice plait_response_trailer(const struct plait_response *response, const char *name);

/** Trailer field number `i`; name.ptr NULL behind the last. Ownership: both slices are borrowed from the response. */
PLAIT_API void plait_response_trailer_at(const struct plait_response *response, size_t i, plait_slice *name,
                                         plait_slice *value);

/** Body, when it was not streamed. Ownership: borrowed from the response. */
PLAIT_API plait_slice plait_response_body(const struct plait_response *response);

/** Length that the head announced, or PLAIT_LENGTH_UNKNOWN, as it is for a body that is decoded. */
PLAIT_API uint64_t plait_response_length(const struct plait_response *response);

/** URL that answered in the end. Ownership: borrowed from the response. */
PLAIT_API const char *plait_response_url(const struct plait_response *response);

/** Stops the body of a response that is streamed until plait_response_resume; `data` may still be called for what has
 * been read. For use while the fetch is under way. */
PLAIT_API void plait_response_pause(const struct plait_response *response);

/** Goes on with the body, later in the turn. */
PLAIT_API void plait_response_resume(const struct plait_response *response);

/** Ends a response; takes NULL and leaves NULL. */
PLAIT_API void plait_response_free(struct plait_response **response);

PLAIT_END
#endif
