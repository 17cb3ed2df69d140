/* SPDX-License-Identifier: MIT
 *
 * HTTP: a tree of resources that answers requests. Nothing in a handler knows the protocol's version. The client
 * stands in plait/http_client.h, which comes along.
 *
 * A request belongs to the server until its handler runs; from then on it lives until its answer is ended: by one of
 * the plait_reply_ calls that end it, or by plait_request_drop. A handler may return first and answer later. What is
 * written to a client that has left is thrown away.
 */
#ifndef PLAIT_HTTP_H
#define PLAIT_HTTP_H

#include <plait/http_client.h>

PLAIT_BEGIN

struct plait_request;
struct plait_resource;

typedef void (*plait_request_fn)(struct plait_request *req, void *ctx);

/* --- the resource tree ----------------------------------------------------------------------------------------- */

/** Makes a resource without methods or children: it answers 404. Returns NULL when there is no memory; every function
 * here takes NULL as that. Ownership: one reference, the caller's. */
PLAIT_API struct plait_resource *plait_resource_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_resource *plait_resource_ref(struct plait_resource *resource);

/** Gives a reference up; children go with their parent. Takes NULL and leaves NULL. */
PLAIT_API void plait_resource_unref(struct plait_resource **resource);

/** Has GET and HEAD at a path below a resource ("hello", "a/b", "" for itself) answered. A failure is kept: plait_http
 * then gives NULL, so that a main program needs no check here. Errors: PLAIT_ENOMEM, PLAIT_EINVAL (an empty, dot or
 * NUL segment). Callbacks: `fn` for each request, in later turns. */
PLAIT_API plait_err plait_resource_get(struct plait_resource *resource, const char *path, plait_request_fn fn,
                                       void *ctx);

/** Has one method at a path below a resource answered; GET answers HEAD too unless that has a handler of its own.
 * `method` "*" takes every method that has none. Ownership: `method` is static. Errors: as plait_resource_get;
 * PLAIT_EINVAL (no method's name). Callbacks: `fn` for each request, in later turns. */
PLAIT_API plait_err plait_resource_on(struct plait_resource *resource, const char *method, const char *path,
                                      plait_request_fn fn, void *ctx);

/** Puts a resource at a path below another; what stood there goes. Errors: as plait_resource_get. Ownership: the
 * child's reference is taken, also on failure; NULL counts as PLAIT_ENOMEM. */
PLAIT_API plait_err plait_resource_mount(struct plait_resource *resource, const char *path,
                                         struct plait_resource *child);

/* Finds the child for a decoded segment that has no fixed one. Returns a reference, which the request holds, or NULL
 * for 404. */
typedef struct plait_resource *(*plait_resource_child_fn)(struct plait_request *req, plait_slice segment, void *ctx);

/** Gives a resource children that are made as they are asked for. Callbacks: `fn` while a request is routed; it must
 * not answer. */
PLAIT_API void plait_resource_dynamic(struct plait_resource *resource, plait_resource_child_fn fn, void *ctx);

/** Makes a resource answer for everything below it that is no child of its; plait_request_rest tells what is left of
 * the path. */
PLAIT_API void plait_resource_leaf(struct plait_resource *resource);

/** Ties an object to a resource: `destroy` is called with it when the resource goes. Errors: PLAIT_ESTATE (has one
 * already). Ownership: `ctx` is the resource's; on failure it stays the caller's. Callbacks: `destroy` once. */
PLAIT_API plait_err plait_resource_own(struct plait_resource *resource, void *ctx, plait_call_fn destroy) PLAIT_MUST;

/* --- serving --------------------------------------------------------------------------------------------------- */

/* Limits of a server. The zero value of a member is its default; SIZE_MAX, UINT64_MAX or PLAIT_NEVER takes a limit
 * off. Fixed limits: 16 KiB of head, 8 KiB of target, 100 fields. */
struct plait_http_limits {
    plait_span head;    /* from a connection's start or a request's first byte to the head's end; 10 s */
    plait_span idle;    /* between requests; 60 s */
    plait_span body;    /* silence inside a body; 20 s */
    uint64_t body_rate; /* bytes a second that a body must reach, judged after the first 10 s; 64 */
    uint64_t body_max;  /* bytes of a request's body; 64 MiB */
    size_t requests;    /* on one connection; 1,000,000 */
    size_t streams;     /* HTTP/2: requests at once on a connection; 100 */
    size_t resets;      /* HTTP/2: requests that a client gives up at once; 500, and 50 more a second */
    size_t floods;      /* HTTP/2: frames at once that lead nowhere; 1,000, and 20 more a second */
    void *reserved[1];
};

/* One answered request, for an access log. Borrowed for the call. */
struct plait_http_access {
    const struct plait_request *request;
    int status;
    uint64_t body_bytes; /* of the answer */
    plait_span took;     /* from the head's end to the answer's */
    bool complete;       /* false: the client left, or the handler gave up */
};

typedef void (*plait_http_access_fn)(const struct plait_http_access *access, void *ctx);

/* The zero value of every member is its default. */
struct plait_http_options {
    struct plait_http_limits limits;
    const char *server;       /* value of the Server field, static; NULL: "plait", "": none */
    plait_http_access_fn log; /* each answered request; NULL: none */
    void *log_ctx;
    bool no_http2; /* HTTP/1 only: HTTP/2 is neither offered over TLS nor taken by prior knowledge */
    void *reserved[5];
};

/** Makes a service that answers HTTP/1.0, 1.1 and 2 from a tree; HTTP/2 by ALPN over TLS, and in the clear by prior
 * knowledge. Returns NULL when there is no memory or building the
 * tree failed; plait_serve takes that. Ownership: the resource's reference is taken, also on failure; the service is
 * the caller's until a plait_serve takes it. Source: RFC 9110, RFC 9112, RFC 9113. */
PLAIT_API struct plait_service *plait_http(struct plait_resource *root) PLAIT_MUST;

/** As plait_http, with options (may be NULL). Ownership: as plait_http. */
PLAIT_API struct plait_service *plait_http_with(struct plait_resource *root, const struct plait_http_options *options)
    PLAIT_MUST;

/* The zero value of every member is its default. Texts are copied. */
struct plait_files_options {
    const char *index; /* file that stands for its folder; "index.html" */
    bool no_listing;   /* a folder without an index is 404, else a page that lists it */
    bool welcome;      /* the topmost folder's page, when it has no index, welcomes to plait and lists below */
    void *reserved[6];
};

/** Makes a resource that serves the files below a folder: GET and HEAD, conditional requests, ranges, types by
 * extension; for clients that take them, precompressed forms ("page.html.br", "page.html.gz") in their files' places.
 * Hidden files are refused, and the kernel keeps every name below the folder. Errors: PLAIT_ENOTFOUND, PLAIT_EACCESS,
 * PLAIT_EINVAL (no folder), PLAIT_EDESCRIPTORS, PLAIT_ENOMEM. Ownership: one reference, the caller's. Source: RFC 9110
 * sections 13 and 14, openat2(2). */
PLAIT_API plait_err plait_files_new(struct plait_reactor *reactor, const char *folder,
                                    const struct plait_files_options *options, struct plait_resource **out) PLAIT_MUST;

/** Makes a resource that shows plait's own welcome page. Returns NULL when there is no memory. Ownership: one
 * reference, the caller's. */
PLAIT_API struct plait_resource *plait_welcome_new(struct plait_reactor *reactor) PLAIT_MUST;

/* --- the request ----------------------------------------------------------------------------------------------- */

/** Method, such as "GET". Ownership: borrowed from the request, as everything here. */
PLAIT_API plait_slice plait_request_method(const struct plait_request *req);

/** Target as it was sent. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_target(const struct plait_request *req);

/** Path, decoded, without dot segments; begins with '/' ("*" for OPTIONS *). Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_path(const struct plait_request *req);

/** What the tree left of the path, decoded, without the slash before it. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_rest(const struct plait_request *req);

/** Query as it was sent, without '?'; ptr NULL when there was none. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_query(const struct plait_request *req);

/** Finds the first value of a name in the query, decoded. Returns whether it is there. Errors: none; what can't be
 * decoded is not there. Ownership: `value` is borrowed from the request. */
PLAIT_API bool plait_request_arg(struct plait_request *req, const char *name, plait_slice *value);

/** Host that was asked for, with its port if one was sent. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_host(const struct plait_request *req);

/** First value of a field, named without regard to case; ptr NULL when it is absent. Ownership: borrowed from the
 * request. */
PLAIT_API plait_slice plait_request_field(const struct plait_request *req, const char *name);

/** Fields of the head. */
PLAIT_API size_t plait_request_field_count(const struct plait_request *req);

/** Field number `i` in the order of sending. Ownership: both slices are borrowed from the request. */
PLAIT_API void plait_request_field_at(const struct plait_request *req, size_t i, plait_slice *name, plait_slice *value);

/** Version of the protocol: 10, 11, 20. */
PLAIT_API int plait_request_version(const struct plait_request *req);

/** Length of the body that the client announced, 0 for none, PLAIT_LENGTH_UNKNOWN when it is chunked. */
PLAIT_API uint64_t plait_request_length(const struct plait_request *req);

/** Reactor of a request. Ownership: borrowed. */
PLAIT_API struct plait_reactor *plait_request_reactor(const struct plait_request *req);

/** Address of the client, PLAIT_ADDR_NONE where there is none or it has left. */
PLAIT_API void plait_request_peer(const struct plait_request *req, struct plait_address *out);

/** What TLS agreed on; NULL in the clear. Ownership: borrowed for the turn. */
PLAIT_API const struct plait_tls_info *plait_request_tls(const struct plait_request *req);

/** Memory that lives as long as the request. Returns NULL when there is none. Ownership: the request's. */
PLAIT_API void *plait_request_memory(struct plait_request *req, size_t bytes) PLAIT_MUST;

/* A piece of a request's body; `end` with the last one, which may be empty. Borrowed for the call. */
typedef void (*plait_body_fn)(struct plait_request *req, plait_slice piece, bool end, void *ctx);

/** Reads the body as it comes; a client that waits for it is told to go on (100). A body nobody reads is thrown away,
 * or ends the connection when it is long. A body that breaks off calls `gone`, not `fn`. Errors: PLAIT_ESTATE (it is
 * being read, or answered already). Callbacks: `fn` in later turns, at least once. Source: RFC 9110 section 10.1.1.
 * */
PLAIT_API plait_err plait_request_body(struct plait_request *req, plait_body_fn fn, void *ctx);

typedef void (*plait_collect_fn)(struct plait_request *req, plait_slice body, void *ctx);

/** Reads the whole body into memory, at most `max` bytes: a longer one is answered 413 and `fn` never runs. Errors: as
 * plait_request_body. Callbacks: `fn` once, in a later turn. Ownership: the body is borrowed from the request. */
PLAIT_API plait_err plait_request_collect(struct plait_request *req, size_t max, plait_collect_fn fn, void *ctx);

/** Stops the body until plait_request_resume. */
PLAIT_API void plait_request_pause(struct plait_request *req);

/** Goes on with the body, in a later step of the turn. */
PLAIT_API void plait_request_resume(struct plait_request *req);

/** Tells when the client leaves before the answer is ended: it closed its side or the connection broke. The handler
 * still ends the request (plait_request_drop); a client that only closed its own side still gets the answer.
 * Callbacks: `fn` at most once. */
PLAIT_API void plait_request_gone(struct plait_request *req, plait_request_fn fn, void *ctx);

/** Ends a request without an answer: the connection is aborted, and the request is no more. */
PLAIT_API void plait_request_drop(struct plait_request *req);

/** Judges If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since. `etag` is complete, with its quotes
 * (empty: none), `modified` in seconds since 1970 (negative: unknown). Returns true when that ended the request with
 * 304 or 412, else adds ETag and Last-Modified to the answer. Source: RFC 9110 section 13. */
PLAIT_API bool plait_request_unchanged(struct plait_request *req, plait_slice etag, int64_t modified);

/** Whether the client offers to go on in another protocol on this connection, such as "websocket". */
PLAIT_API bool plait_request_upgrade_offered(const struct plait_request *req, const char *protocol);

/** Answers 101 (in HTTP/2, where only "websocket" can be offered, 200) with the fields added so far, ends the request
 * and gives its connection, or its stream of HTTP/2, away as a stream, on which the client speaks `protocol` from now
 * on; what it sent behind the request is the stream's first input. On failure the request is as it was. Errors:
 * PLAIT_EINVAL (the client did not offer it), PLAIT_ESTATE (the answer has begun, or the body is not read to its end),
 * PLAIT_ECLOSED (the client has left), PLAIT_EDRAINING, PLAIT_ENOMEM. Ownership: the stream is the reactor's; attach a
 * protocol to it at once. Source: RFC 9110 section 7.8, RFC 8441. */
PLAIT_API plait_err plait_request_upgrade(struct plait_request *req, const char *protocol, struct plait_stream **out)
    PLAIT_MUST;

/* --- the answer ------------------------------------------------------------------------------------------------ */

/** Adds a field to the answer, before it begins. Framing fields (Content-Length, Transfer-Encoding, Connection, Date,
 * Server) are the server's own. Errors: PLAIT_EINVAL (no field name, a control character in the value, a framing
 * field), PLAIT_ESTATE (it has begun), PLAIT_ELIMIT (over 16 KiB of fields). */
PLAIT_API plait_err plait_reply_field(struct plait_request *req, const char *name, plait_slice value);

/** Sends 103 (Early Hints) with a Link field ahead of the answer, so that the client can begin to fetch what it will
 * need; may be repeated. A client of HTTP/1.0, or one that has left, gets nothing. Errors: PLAIT_EINVAL (empty, or a
 * control character), PLAIT_ESTATE (the answer has begun), PLAIT_ENOMEM. Source: RFC 8297. */
PLAIT_API plait_err plait_reply_early_hints(struct plait_request *req, plait_slice link);

/** Answers with a body and ends the request. `type` is the Content-Type (NULL for none). */
PLAIT_API void plait_reply(struct plait_request *req, int status, const char *type, plait_slice body);

/** Answers with a line of plain text in UTF-8 and ends the request. */
PLAIT_API void plait_reply_text(struct plait_request *req, int status, const char *text);

/** Answers with a buffer's content and ends the request. Ownership: the content is taken; a buffer with an error
 * answers 500. */
PLAIT_API void plait_reply_buf(struct plait_request *req, int status, const char *type, struct plait_buf *body);

/** Answers with a small page that says what is wrong, and ends the request. `detail` (may be NULL) is one more
 * sentence; it is escaped. */
PLAIT_API void plait_reply_error(struct plait_request *req, int status, const char *detail);

/** Answers with a redirection and ends the request. A location with a control character answers 500. */
PLAIT_API void plait_reply_redirect(struct plait_request *req, int status, plait_slice location);

/* Which bytes of a file an answer has. */
struct plait_reply_range {
    int fd;
    uint64_t offset;
    uint64_t bytes;
    plait_call_fn released; /* the descriptor is not used any more */
    void *ctx;
};

/** Answers with a range of a file and ends the request. Ownership: `fd` is borrowed until `released`. Callbacks:
 * `released` exactly once, possibly inside the call. */
PLAIT_API void plait_reply_file(struct plait_request *req, int status, const char *type,
                                const struct plait_reply_range *range);

/** Begins an answer whose body is written piece by piece. `length` in bytes, or PLAIT_LENGTH_UNKNOWN. */
PLAIT_API void plait_reply_begin(struct plait_request *req, int status, const char *type, uint64_t length);

/** Writes a piece of the body. More than the announced length is cut, and the connection aborted. */
PLAIT_API void plait_reply_write(struct plait_request *req, plait_slice piece);

/** Whether output is backed up: wait for plait_reply_room's call before writing on. */
PLAIT_API bool plait_reply_is_full(const struct plait_request *req);

/** Has `fn` called each time there is room again. Callbacks: `fn` in later turns, while the answer is not ended. */
PLAIT_API void plait_reply_room(struct plait_request *req, plait_request_fn fn, void *ctx);

/** Adds a trailer field, which goes behind the body, until the request is ended. Clients of HTTP/2 get it, and those of
 * HTTP/1.1 when the body's length was not announced; for others, and where there is no body, it is left out. Errors:
 * PLAIT_EINVAL (no field name, a control character in the value, a field that may not stand there), PLAIT_ELIMIT (over
 * 8 KiB), PLAIT_ENOMEM. Source: RFC 9110 section 6.5. */
PLAIT_API plait_err plait_reply_trailer(struct plait_request *req, const char *name, plait_slice value) PLAIT_MUST;

/** Ends the request. An answer shorter than announced aborts the connection; one that never began is 500. */
PLAIT_API void plait_reply_end(struct plait_request *req);

/** Sentence of a status code, such as "Not Found"; "Unknown" for others. Ownership: static. Source: RFC 9110 section
 * 15. */
PLAIT_API const char *plait_http_reason(int status);

/** Appends text with '&', '<', '>' and both quotes escaped for HTML. Errors: in the buffer. */
PLAIT_API void plait_html_escape(struct plait_buf *out, plait_slice text);

PLAIT_END
#endif
