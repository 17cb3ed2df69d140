/* SPDX-License-Identifier: MIT
 *
 * What stands around the resource tree: layers that see each request before it is routed on, filters that see each
 * answer, and those that most sites want.
 */
#ifndef PLAIT_WEB_H
#define PLAIT_WEB_H

#include <plait/auth.h>
#include <plait/http.h>

PLAIT_BEGIN

/* --- layers ---------------------------------------------------------------------------------------------------- */

/* What a layer does. Tables of this kind are constant. */
struct plait_layer {
    const char *name; /* static */
    /* A request reached the resource; nothing below has been looked at. It is passed on (plait_request_pass) or
     * answered, now or later. */
    void (*request)(struct plait_request *req, void *ctx);
    /* The resource goes. May be NULL. */
    void (*destroy)(void *ctx);
};

/** Puts a layer around a resource and everything below it. Requests pass the layers of a resource in the order in which
 * they were put there, answers the other way round. A failure is kept as plait_resource_get's. Errors: PLAIT_ENOMEM,
 * PLAIT_ELIMIT (over 64). Ownership: `layer` is static; `ctx` is taken, and destroyed also on failure. Callbacks:
 * `request` for each request, in later turns; `destroy` once. */
PLAIT_API plait_err plait_resource_wrap(struct plait_resource *resource, const struct plait_layer *layer, void *ctx);

/** Has a request go on from the layer that holds it: to the next one, or to who answers. What plait_request_gone set is
 * forgotten. Callbacks: the next layer or handler may run inside the call. */
PLAIT_API void plait_request_pass(struct plait_request *req);

/** Has a request go on at another resource, with what is left of its path; in a circle it ends in 508. Ownership: the
 * resource is borrowed until the request ends. Callbacks: as plait_request_pass. */
PLAIT_API void plait_request_pass_to(struct plait_request *req, struct plait_resource *resource);

/** Changes what is left of a request's path, before it is passed on. `rest` is decoded and has no slash in front; dot
 * segments are removed. Errors: PLAIT_EINVAL (a NUL, ".." above what was reached, OPTIONS *), PLAIT_ENOMEM. */
PLAIT_API plait_err plait_request_rewrite(struct plait_request *req, plait_slice rest) PLAIT_MUST;

/* --- filters --------------------------------------------------------------------------------------------------- */

/* The head of an answer on its way; its fields are seen through plait_reply_field_of and its kin. */
struct plait_reply_head {
    int status;
    uint64_t length;  /* of the body, or PLAIT_LENGTH_UNKNOWN; only who takes the body may change it */
    plait_slice type; /* Content-Type, or empty; borrowed, to be replaced by what lives as long as the request */
    bool error_page;  /* made by plait_reply_error */
};

/* What a filter does. Tables of this kind are constant; every member may be NULL. None of them may answer. */
struct plait_filter {
    /* The answer begins. Returns whether the filter takes its body. */
    bool (*head)(struct plait_request *req, struct plait_reply_head *head, void *ctx);
    /* A piece of the body, at most 32 KiB, never empty, not of an answer without one: what it becomes goes to
     * plait_filter_write. */
    void (*body)(struct plait_request *req, plait_slice piece, void *ctx);
    /* The body is complete: the last of it goes to plait_filter_write. */
    void (*end)(struct plait_request *req, void *ctx);
    /* The request is over, whole or not. Exactly once, also for requests that were never answered. */
    void (*done)(struct plait_request *req, void *ctx);
};

/** Puts a filter on the way of a request's answer, inside of those that are there. Errors: PLAIT_ESTATE (the answer has
 * begun), PLAIT_ENOMEM; then `done` does not run. Ownership: `ctx` is borrowed until `done`. */
PLAIT_API plait_err plait_request_filter(struct plait_request *req, const struct plait_filter *filter, void *ctx)
    PLAIT_MUST;

/** Passes a piece of a body on from a filter's `body` or `end`. More or less than the head's length ends the
 * connection. */
PLAIT_API void plait_filter_write(struct plait_request *req, plait_slice piece);

/** Breaks an answer off from a filter: the connection is aborted. */
PLAIT_API void plait_filter_fail(struct plait_request *req, plait_err err, const char *detail);

/** Status of the answer, 0 before it began. */
PLAIT_API int plait_request_status(const struct plait_request *req);

/** Value of a field that the answer has so far; ptr NULL when it has none. Ownership: borrowed until the next
 * change. */
PLAIT_API plait_slice plait_reply_field_of(const struct plait_request *req, const char *name);

/** Takes a field off an answer that has not begun. */
PLAIT_API void plait_reply_field_remove(struct plait_request *req, const char *name);

/** Sets a field instead of what the answer had of that name. Errors: as plait_reply_field; then it has none. */
PLAIT_API plait_err plait_reply_field_set(struct plait_request *req, const char *name, plait_slice value);

/** Adds an element to a field that is a list, such as Vary, unless it is in it. Errors: as plait_reply_field. */
PLAIT_API plait_err plait_reply_field_list(struct plait_request *req, const char *name, plait_slice element);

/* --- negotiation, cookies, forms ------------------------------------------------------------------------------- */

/** How much a client wants something by an Accept field ("accept", "accept-encoding", "accept-language"), in
 * thousandths: 0 is not at all, 1000 also without the field. Source: RFC 9110 section 12. */
PLAIT_API unsigned plait_request_weight(const struct plait_request *req, const char *field, plait_slice what);

/** Number of the choice that a client wants most, the first of equals; SIZE_MAX when it wants none (406). Source: RFC
 * 9110 section 12. */
PLAIT_API size_t plait_request_choose(const struct plait_request *req, const char *field, const char *const *choice,
                                      size_t count);

/** Finds the first cookie of a name. Ownership: `value` is borrowed from the request. Source: RFC 6265 section 5.4. */
PLAIT_API bool plait_request_cookie(const struct plait_request *req, const char *name, plait_slice *value);

enum plait_same_site { PLAIT_SAME_SITE_LAX, PLAIT_SAME_SITE_STRICT, PLAIT_SAME_SITE_NONE };

/* A cookie to be set. The zero value of a member is its default. */
struct plait_cookie {
    const char *name;
    plait_slice value;  /* no spaces, quotes, commas, semicolons or backslashes */
    plait_span max_age; /* 0: until the browser closes; negative: the cookie is deleted */
    const char *domain; /* NULL: this host only */
    const char *path;   /* NULL: the folder of the request */
    bool secure;        /* over TLS only */
    bool script;        /* scripts may read it */
    enum plait_same_site same_site;
};

/** Adds Set-Cookie to an answer. Errors: PLAIT_EINVAL (what browsers would refuse: bad bytes, a __Host- or __Secure-
 * name without what it promises, SameSite=None without `secure`), PLAIT_ETOOLONG (over 4 KiB), plait_reply_field's.
 * Source: RFC 6265 section 4.1. */
PLAIT_API plait_err plait_reply_cookie(struct plait_request *req, const struct plait_cookie *cookie);

/** Reads a form (application/x-www-form-urlencoded) into memory, at most `max` bytes; another type is answered 415.
 * Errors: PLAIT_EUNSUPPORTED (then the request is ended), plait_request_collect's. Callbacks: as
 * plait_request_collect. */
PLAIT_API plait_err plait_request_form(struct plait_request *req, size_t max, plait_collect_fn fn, void *ctx);

/** Takes the next pair off a form or a query, decoded. Errors: PLAIT_EEOF (there is none), PLAIT_ESYNTAX, PLAIT_EINVAL
 * (this one can't be decoded; go on), PLAIT_ENOMEM. Ownership: name and value are borrowed from the request. */
PLAIT_API plait_err plait_form_next(struct plait_request *req, plait_slice *rest, plait_slice *name, plait_slice *value)
    PLAIT_MUST;

/** Finds the first value of a name in a form, decoded. Ownership: `value` is borrowed from the request. */
PLAIT_API bool plait_form_find(struct plait_request *req, plait_slice form, const char *name, plait_slice *value);

/** Answers with the error page that fits why a request can't be done: 400, 403, 404, 409, 413, 415, 503, 507, else 500;
 * ends the request. */
PLAIT_API void plait_reply_refusal(struct plait_request *req, plait_err err);

/* --- multipart forms and uploads ------------------------------------------------------------------------------- */

/* A part of a form. Borrowed until its end. */
struct plait_part {
    plait_slice name;     /* of the form's field */
    plait_slice filename; /* as the client sent it: no path to be trusted; ptr NULL when it has none */
    plait_slice type;     /* Content-Type; ptr NULL when it has none */
    size_t index;         /* from 0 */
    uint64_t bytes;       /* that came so far */
};

/* The zero value of a member is its default. The body as a whole has plait_http_limits' body_max. */
struct plait_parts_limits {
    size_t parts;  /* 100 */
    size_t head;   /* bytes of a part's head; 8 KiB */
    uint64_t part; /* bytes of a part; no limit of its own */
};

/* What is done with parts. An error of one of the first three ends it all, in `done`. Members but `done` may be
 * NULL. */
struct plait_parts_handler {
    plait_err (*begin)(struct plait_request *req, const struct plait_part *part, void *ctx);
    /* A piece of its body; plait_request_pause holds back what follows the window that it came in. */
    plait_err (*data)(struct plait_request *req, const struct plait_part *part, plait_slice piece, void *ctx);
    plait_err (*end)(struct plait_request *req, const struct plait_part *part, void *ctx);
    /* All parts came (PLAIT_OK), or none will: answer. Not called when the client leaves: see plait_request_gone. */
    void (*done)(struct plait_request *req, plait_err err, void *ctx);
};

/** Reads a form of the type multipart/form-data part by part, none of it kept in memory. Errors: PLAIT_EUNSUPPORTED
 * (another type), PLAIT_ESYNTAX (no boundary), PLAIT_ENOMEM, plait_request_body's; then the request was answered.
 * Callbacks: the handler's in later turns; `done` gets PLAIT_EMALFORMED, PLAIT_ETRUNCATED, PLAIT_ELIMIT (parts),
 * PLAIT_ETOOLONG (a head or a part) or the handler's own. Source: RFC 7578. */
PLAIT_API plait_err plait_request_parts(struct plait_request *req, const struct plait_parts_limits *limits,
                                        const struct plait_parts_handler *handler, void *ctx);

/* A file that an upload saved. */
struct plait_uploaded {
    plait_slice field; /* of the form */
    plait_slice name;  /* of the file, in the folder */
    uint64_t bytes;
    struct plait_uploaded *next;
};

/* The zero value of a member is its default. */
struct plait_upload_options {
    struct plait_parts_limits limits;
    bool overwrite; /* a file of the same name is replaced; else it is PLAIT_EEXISTS */
    void *reserved[4];
};

/* An upload is over: what was saved (borrowed from the request), and PLAIT_OK or why the rest was not. Answer. */
typedef void (*plait_uploaded_fn)(struct plait_request *req, const struct plait_uploaded *files, plait_err err,
                                  void *ctx);

/** Saves the files of a multipart form beneath a folder as they come; the client is slowed to the disk's speed. Names
 * are cut to their last part; hidden ones are refused. Errors: as plait_request_parts. Ownership: `folder` is borrowed
 * until the request ends. Callbacks: `fn` once, unless the client leaves: then the request ends by itself. */
PLAIT_API plait_err plait_request_upload(struct plait_request *req, const char *folder,
                                         const struct plait_upload_options *options, plait_uploaded_fn fn, void *ctx);

struct plait_save;

/** Begins a file beneath a folder, written by the pool as its bytes come; it takes its name when it is complete and
 * synced. Errors: PLAIT_EINVAL (a name that is empty, hidden, longer than 200 bytes or has control characters),
 * PLAIT_ENOTFOUND, PLAIT_EACCESS and the like for the folder, PLAIT_ENOMEM. Ownership: `*out` is the caller's until
 * plait_save_end or plait_save_abort. */
PLAIT_API plait_err plait_save_begin(struct plait_reactor *reactor, const char *folder, plait_slice name,
                                     bool overwrite, struct plait_save **out) PLAIT_MUST;

/** Appends a copy of bytes. A failure arrives at the end. */
PLAIT_API void plait_save_write(struct plait_save *save, plait_slice piece);

/** Whether 128 KiB and more wait for the disk. */
PLAIT_API bool plait_save_is_full(const struct plait_save *save);

/** Has `fn` called each time there is room again. Callbacks: `fn` in later turns, until the end. */
PLAIT_API void plait_save_room(struct plait_save *save, plait_call_fn fn, void *ctx);

/** Name that the file takes. Ownership: borrowed until the end. */
PLAIT_API const char *plait_save_name(const struct plait_save *save);

/** Ends a file: fires with its bytes (value.num) when it stands under its name. Errors: PLAIT_EEXISTS, PLAIT_ENOSPACE
 * and what else a disk may say; PLAIT_ECANCELLED; then there is no file. Ownership: takes the object and leaves NULL;
 * the deferred as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_save_end(struct plait_save **save) PLAIT_MUST;

/** Gives a file up and removes what there is of it. Takes NULL and leaves NULL. */
PLAIT_API void plait_save_abort(struct plait_save **save);

/* --- authentication and sessions ------------------------------------------------------------------------------- */

enum plait_auth_scheme { PLAIT_AUTH_BASIC = 1, PLAIT_AUTH_BEARER = 2, PLAIT_AUTH_DIGEST = 4 };

/* What a client sent. Borrowed from the request. */
struct plait_credentials {
    enum plait_auth_scheme scheme;
    plait_slice user;   /* empty for bearer */
    plait_slice secret; /* the password, the token; empty for digest */
};

/* Judges credentials: ends in plait_auth_secret, plait_auth_grant or plait_auth_deny, now or later. */
typedef void (*plait_auth_fn)(struct plait_request *req, const struct plait_credentials *credentials, void *ctx);

/* The zero value of a member is its default. */
struct plait_auth_options {
    const char *realm;   /* "plait"; copied; no quotes or backslashes */
    unsigned schemes;    /* PLAIT_AUTH_BASIC; all that are set are offered */
    plait_auth_fn check; /* must be set where there is no portal */
    void *ctx;
    bool md5;             /* Digest with MD5 too, for old clients */
    plait_span nonce_age; /* of Digest; 5 min */
    bool proxy;           /* asks as a proxy does: 407, Proxy-Authenticate, Proxy-Authorization */
    /* Asked instead of `check`: Basic shows it a password, Bearer a token, Digest a proof. Who fails too often gets
     * 429. It is asked for the interface "http"; the avatar is logged out as soon as its name is known. */
    struct plait_portal *portal;
    void *reserved[2];
};

/** Lets only those pass to a resource and below who are known. What fails here is kept, so that plait_http gives NULL.
 * Errors: PLAIT_EINVAL (realm, neither check nor portal), PLAIT_ENOMEM, PLAIT_EIO, plait_resource_wrap's. Callbacks:
 * `check` for each request with credentials. Source: RFC 9110 section 11, RFC 7617, RFC 6750, RFC 7616. */
PLAIT_API plait_err plait_auth_wrap(struct plait_resource *resource, const struct plait_auth_options *options);

/** Gives the user's password, or the right token, to be compared with what came, in constant time. */
PLAIT_API void plait_auth_secret(struct plait_request *req, plait_slice secret);

/** Lets a request pass, as a user. Only for a checker that judged the secret itself (not with Digest). */
PLAIT_API void plait_auth_grant(struct plait_request *req, plait_slice user);

/** Answers 401. */
PLAIT_API void plait_auth_deny(struct plait_request *req);

/** Who was authenticated; empty for nobody. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_request_user(const struct plait_request *req);

struct plait_sessions;
struct plait_session;

/* The zero value of a member is its default. */
struct plait_sessions_options {
    plait_span idle;    /* 15 min */
    plait_span life;    /* 24 h, however it is used */
    size_t most;        /* 10,000; then the one that was used longest ago goes */
    const char *cookie; /* "__Host-session"; static */
    bool in_the_clear;  /* without TLS: the cookie is "session", and not Secure */
    void *reserved[4];
};

/** Makes a store of sessions. Returns NULL when there is no memory. Ownership: the caller's, ended with
 * plait_sessions_free. */
PLAIT_API struct plait_sessions *plait_sessions_new(struct plait_reactor *reactor,
                                                    const struct plait_sessions_options *options) PLAIT_MUST;

/** Ends all sessions; takes NULL and leaves NULL. */
PLAIT_API void plait_sessions_free(struct plait_sessions **sessions);

/** Sessions there are. */
PLAIT_API size_t plait_sessions_count(const struct plait_sessions *sessions);

/** Finds a request's session and counts it as used; NULL when it has none. Ownership: borrowed for the turn. */
PLAIT_API struct plait_session *plait_session_find(struct plait_sessions *sessions, const struct plait_request *req);

/** Starts a session, before the answer begins. Errors: PLAIT_ENOMEM, PLAIT_EIO, plait_reply_cookie's. Ownership: `*out`
 * is borrowed for the turn. */
PLAIT_API plait_err plait_session_start(struct plait_sessions *sessions, struct plait_request *req,
                                        struct plait_session **out) PLAIT_MUST;

/** Gives a session a new id, as one does when somebody logs in. Errors: as plait_session_start. */
PLAIT_API plait_err plait_session_renew(struct plait_session *session, struct plait_request *req) PLAIT_MUST;

/** Ends a session, before the answer begins; takes NULL and leaves NULL. */
PLAIT_API void plait_session_end(struct plait_session **session, struct plait_request *req);

/** What plait_session_set tied to a session, or NULL. Ownership: borrowed. */
PLAIT_API void *plait_session_value(const struct plait_session *session);

/** Ties something to a session; what was tied before is destroyed. Ownership: taken, destroyed with the session. */
PLAIT_API void plait_session_set(struct plait_session *session, plait_value value);

PLAIT_END
#endif
