/* SPDX-License-Identifier: MIT
 *
 * What CGI and FastCGI share: a request whose answer another program makes. The gateway has the request's side (its
 * body, its end, the client's pace), reads the head of what the program says, and answers. How bytes come from and to
 * the program is its owner's affair.
 */
#ifndef PLAIT_WEB_GATEWAY_CORE_H
#define PLAIT_WEB_GATEWAY_CORE_H

#include "web/cgi_wire.h"
#include "web/http_core.h"

#include <plait/gateway.h>

struct plait__gateway;

struct plait__gateway_ops {
    /* The length of the request's body is known: the program may begin. The body was gathered, or follows. */
    void (*start)(struct plait__gateway *g, uint64_t length, plait_slice gathered);
    /* A piece of the request's body. */
    void (*input)(struct plait__gateway *g, plait_slice piece, bool end);
    /* The client took what stood in its way. */
    void (*resume)(struct plait__gateway *g);
    /* The request is over: answered whole (`g->whole`), failed, or its client left. Exactly once, and last. */
    void (*over)(struct plait__gateway *g);
};

enum { PLAIT__GW_LINE = 1000, PLAIT__GW_PATH = 4096 };

enum plait__gateway_phase { PLAIT__GW_HEAD, PLAIT__GW_BODY, PLAIT__GW_LOCAL };

struct plait__gateway {
    const struct plait__gateway_ops *ops;
    struct plait_request *req; /* NULL: over */
    struct plait__gateway_link *link;
    struct plait_reactor *reactor;
    plait_slice name; /* in the log */
    plait_span patience;
    uint64_t output_max;
    struct plait_timer silence;
    struct plait__cgi_head head;
    struct plait_buf text; /* the head's */
    uint8_t phase;
    bool input_done;
    bool waits; /* for the client */
    bool whole;
    bool half; /* the client closed its side */
    uint16_t line_len;
    char line[PLAIT__GW_LINE]; /* of its standard error, as far as it came */
};

/* Takes a request on. `patience` and what follows stand in the gateway already. What fails has no effect. Errors:
 * PLAIT_ENOMEM, PLAIT_ESTATE. */
plait_err plait__gateway_begin(struct plait__gateway *g, struct plait_request *req) PLAIT_MUST;

/* Reads the request's body: calls `start`, at once where its length is known, else when at most `gather_max` bytes of
 * it are gathered. Errors: as plait_request_body. */
plait_err plait__gateway_read(struct plait__gateway *g, size_t gather_max) PLAIT_MUST;

/* Holds the request's body back, or lets it come. */
void plait__gateway_hold(struct plait__gateway *g, bool hold);

/* The program said something; or nothing more will come. May end in `over`. */
void plait__gateway_output(struct plait__gateway *g, plait_slice piece);
void plait__gateway_end(struct plait__gateway *g);

/* The program said something for the log, line by line; or nothing more will come. Also after `over`. */
void plait__gateway_errors(struct plait__gateway *g, plait_slice piece);
void plait__gateway_errors_end(struct plait__gateway *g);

/* The program ended with a status that is not 0: the log gets it. Also after `over`. */
void plait__gateway_status(const struct plait__gateway *g, int64_t status);

/* Whether output is to wait for `resume`. */
bool plait__gateway_is_full(struct plait__gateway *g);

/* Fails the request: `status` where its answer has not begun, else it is broken off. The log gets the reason. */
void plait__gateway_fail(struct plait__gateway *g, int status, const char *why);

/* What a path leads to; above these a status. */
enum { PLAIT__GW_PROGRAM, PLAIT__GW_FILE /* that can't be executed */, PLAIT__GW_FOLDER };

/* Follows a path beneath the folder in `path`, a segment after the other, up to the first file; appends the names.
 * `*used` bytes of `rest` were followed. Hidden names are 404, and a folder is only what the whole path names. */
int plait__gateway_find(struct plait_sys *sys, plait_slice rest, char path[PLAIT__GW_PATH], size_t *used);

/* The program is at work: silence is counted from now on. */
void plait__gateway_touch(struct plait__gateway *g);

/* --- cgi_vars.c: meta-variables (RFC 3875 section 4.1) ------------------------------------------------------------ */

/* Copies "NAME=VALUE"s, each with a NUL; NULL is none. Errors: PLAIT_EINVAL, the buffer's. */
plait_err plait__gateway_env(const char *const *env, struct plait_buf *out) PLAIT_MUST;

/* What is not in the request. */
struct plait__cgi_facts {
    plait_slice script;   /* SCRIPT_NAME */
    plait_slice info;     /* PATH_INFO */
    plait_slice filename; /* SCRIPT_FILENAME; empty: none */
    plait_slice root;     /* DOCUMENT_ROOT; empty: none */
    uint64_t length;      /* of the body */
    bool authorization;   /* passed on */
};

/* Appends "NAME=VALUE" and a NUL for each variable. Errors: in the buffer. */
void plait__cgi_vars(struct plait_buf *out, const struct plait_request *req, const struct plait__cgi_facts *facts);

/* Where a path is cut: `used` bytes of what the tree left of it belong to the script's name. */
void plait__cgi_split(const struct plait_request *req, size_t used, struct plait__cgi_facts *facts);

#endif
