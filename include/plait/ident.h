/* SPDX-License-Identifier: MIT
 *
 * Ident: whose is that connection (RFC 1413). The codec: one line asks, one line answers.
 */
#ifndef PLAIT_IDENT_H
#define PLAIT_IDENT_H

#include <plait/bytes.h>

PLAIT_BEGIN

#define PLAIT_IDENT_LINE_MAX 1000 /* bytes of a line, without its end */
#define PLAIT_IDENT_USER_MAX 512  /* bytes of a user that are sent; more are read where the line has room */
#define PLAIT_IDENT_TOKEN_MAX 64  /* bytes of a token: a system, a character set, an error */

/* A connection between the two hosts that talk, as the one that is asked sees it: its own port comes first. Ports are
 * 1 to 65535; more digits than a port has can be read, so that the answer can repeat them. */
struct plait_ident_query {
    uint32_t server_port, client_port;
};

enum plait_ident_answer {
    PLAIT_IDENT_USER,
    PLAIT_IDENT_INVALID_PORT,
    PLAIT_IDENT_NO_USER,       /* there is no such connection, or nobody has it */
    PLAIT_IDENT_HIDDEN_USER,   /* its owner does not want to be told */
    PLAIT_IDENT_UNKNOWN_ERROR, /* anything else */
    PLAIT_IDENT_OTHER_ERROR,   /* one that the RFC does not have: `token` */
};

/* Slices are borrowed from the line. */
struct plait_ident_reply {
    struct plait_ident_query query; /* the one that is answered */
    enum plait_ident_answer answer;
    plait_slice system;  /* "UNIX"; "OTHER": the user is no name of an account. Of PLAIT_IDENT_USER */
    plait_slice charset; /* of the user; empty: US-ASCII */
    plait_slice user;    /* any byte but NUL, CR and LF; a space that follows the colon is part of it */
    plait_slice token;   /* of PLAIT_IDENT_OTHER_ERROR */
};

/** Reads a query (a line without CR LF). Errors: PLAIT_EINVAL (a port out of range: the ports were read, and the answer
 * is PLAIT_IDENT_INVALID_PORT), PLAIT_EMALFORMED, PLAIT_ETOOLONG. Source: RFC 1413 section 4. */
PLAIT_API plait_err plait_ident_parse_query(plait_slice line, struct plait_ident_query *out) PLAIT_MUST;

/** Reads a reply (a line without CR LF). Whether it answers what was asked is for the caller to compare. Errors:
 * PLAIT_EMALFORMED, PLAIT_ETOOLONG. Ownership: `out` borrows the line. Source: RFC 1413 section 5. */
PLAIT_API plait_err plait_ident_parse_reply(plait_slice line, struct plait_ident_reply *out) PLAIT_MUST;

/** Appends a query with its CR LF. Source: RFC 1413 section 4. */
PLAIT_API void plait_ident_put_query(struct plait_buf *out, const struct plait_ident_query *query);

/** Appends a reply with its CR LF. What can't be said (a token or user that is empty, too long, or has bytes that it
 * must not have) sets the buffer's error to PLAIT_EINVAL. Source: RFC 1413 section 5. */
PLAIT_API void plait_ident_put_reply(struct plait_buf *out, const struct plait_ident_reply *reply);

PLAIT_END
#endif
