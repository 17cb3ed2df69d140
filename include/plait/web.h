/* SPDX-License-Identifier: MIT
 *
 * What stands around the resource tree: layers that see each request before it is routed on, filters that see each
 * answer, and those that most sites want.
 */
#ifndef PLAIT_WEB_H
#define PLAIT_WEB_H

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

PLAIT_END
#endif
