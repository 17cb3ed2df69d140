/* SPDX-License-Identifier: MIT
 *
 * Finger: who is there, and what do they say of themselves (RFC 1288). The codec, a server over a directory that
 * anybody can implement, two directories (the machine's accounts, a table), and a client.
 */
#ifndef PLAIT_FINGER_H
#define PLAIT_FINGER_H

#include <plait/listen.h>

PLAIT_BEGIN

#define PLAIT_FINGER_LINE_MAX 512 /* bytes of a query, without its end */

/* --- the codec ---------------------------------------------------------------------------------------------------- */

/* A query: [/W] [user][@host…]. Slices are borrowed from the line. */
struct plait_finger_query {
    bool whois;        /* /W: tell more */
    plait_slice user;  /* empty: list everybody */
    plait_slice hosts; /* "@host" once or several times: a query to be forwarded; empty: for here */
};

/** Reads a query line (without CR LF). Errors: PLAIT_EMALFORMED (a control character, or something behind the user),
 * PLAIT_ETOOLONG. Source: RFC 1288 section 2.3. */
PLAIT_API plait_err plait_finger_parse(plait_slice line, struct plait_finger_query *out) PLAIT_MUST;

/** Appends a query with its CR LF. A control character sets the buffer's error to PLAIT_EINVAL. Source: RFC 1288
 * section 2.3. */
PLAIT_API void plait_finger_put(struct plait_buf *out, const struct plait_finger_query *query);

/** Splits "user@host" at its last '@'; no '@' means a user of the local host. Errors: PLAIT_EINVAL (an empty host).
 * Ownership: the parts borrow the text. */
PLAIT_API plait_err plait_finger_target(plait_slice text, plait_slice *query, plait_slice *host) PLAIT_MUST;

/** Appends an answer with everything unprintable shown escaped, lines kept. Source: RFC 1288 section 3.3. */
PLAIT_API void plait_finger_put_clean(struct plait_buf *out, plait_slice answer);

/* --- the server --------------------------------------------------------------------------------------------------- */

/* Who can be asked for. `find` fires with a text (value.ptr: struct plait_finger_text), or PLAIT_ENOTFOUND. `list` may
 * be NULL: then a query without a user is refused. */
struct plait_finger_text {
    struct plait_buf buf; /* lines that end with LF; the server sends CR LF */
};

struct plait_finger_directory {
    struct plait_deferred *(*find)(struct plait_reactor *reactor, plait_slice user, bool whois, void *ctx);
    struct plait_deferred *(*list)(struct plait_reactor *reactor, bool whois, void *ctx);
    void (*free)(void *ctx);
    void *ctx;
};

/** Makes the value that a directory fires with. Returns NULL when there is no memory. Ownership: goes with the value,
 * whose destructor is plait_finger_text_free. */
PLAIT_API struct plait_finger_text *plait_finger_text_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Frees such a value. */
PLAIT_API void plait_finger_text_free(void *text);

/* The zero value of every member is its default. */
struct plait_finger_options {
    plait_span timeout; /* for the query to come and the answer to be found; 30 s */
    void *reserved[4];
};

/** Makes a finger service over a directory. Queries to be forwarded are refused. Returns NULL when there is no memory;
 * the directory was freed then. Ownership: the directory's ctx is the service's. Source: RFC 1288 sections 2.5 and
 * 3.2. */
PLAIT_API struct plait_service *plait_finger_service(struct plait_reactor *reactor,
                                                     const struct plait_finger_directory *directory,
                                                     const struct plait_finger_options *options) PLAIT_MUST;

/** The machine's accounts: name, shell, home, and .plan and .project, read beneath the home only when they are the
 * owner's own plain files. Looked up in the pool. Users cannot be listed. */
PLAIT_API struct plait_finger_directory plait_finger_accounts(struct plait_reactor *reactor);

/* One row of a table. Texts are copied. */
struct plait_finger_entry {
    const char *user, *name, *plan;
};

/** A table of people, who can be listed. Errors: PLAIT_ENOMEM, PLAIT_EINVAL (a row without a user). Ownership: the
 * directory's ctx is the caller's until plait_finger_service takes it. */
PLAIT_API plait_err plait_finger_table(struct plait_reactor *reactor, const struct plait_finger_entry *entries,
                                       size_t count, struct plait_finger_directory *out) PLAIT_MUST;

/* --- the client --------------------------------------------------------------------------------------------------- */

/* The zero value of every member is its default. */
struct plait_finger_client_options {
    bool whois;
    uint16_t port;      /* 79 */
    size_t answer_max;  /* bytes; 64 KiB */
    plait_span timeout; /* for all of it; 30 s */
    struct plait_connect_options connect;
    void *reserved[4];
};

/** Asks "user@host", "@host" or "user" (of this host). Fires with struct plait_finger_text (value.ptr), the answer as
 * it came. Errors: PLAIT_EINVAL, PLAIT_ETOOLONG, PLAIT_ETIMEDOUT, and as plait_connect_host. Ownership: as
 * plait_deferred_new; cancelling ends the connection. Source: RFC 1288 section 2.3. */
PLAIT_API struct plait_deferred *plait_finger(struct plait_reactor *reactor, plait_slice target,
                                              const struct plait_finger_client_options *options) PLAIT_MUST;

PLAIT_END
#endif
