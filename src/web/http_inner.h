/* SPDX-License-Identifier: MIT
 *
 * Requests of our own: what a layer asks of the resources behind it, as if a client did.
 */
#ifndef PLAIT_WEB_HTTP_INNER_H
#define PLAIT_WEB_HTTP_INNER_H

#include "web/http_core.h"

#include <plait/tls.h>

struct plait__inner_ops {
    /* The answer begins; its fields are the request's. */
    void (*head)(struct plait_request *inner, const struct plait_reply_head *head, void *ctx);
    /* An interim answer, with ready lines of fields. */
    void (*interim)(int status, plait_slice fields, void *ctx);
    void (*body)(struct plait_request *inner, plait_slice piece, void *ctx);
    /* Whether pieces are to wait for plait__inner_room. */
    bool (*is_full)(void *ctx);
    /* It is over, and the request no more; exactly once. `whole`: the answer is complete. */
    void (*done)(bool whole, void *ctx);
};

/* What an inner request has instead of a connection. */
struct plait__inner {
    const struct plait__inner_ops *ops;
    void *ctx;
    bool whole, secure;
    struct plait_address peer, local;
    struct plait_tls_info tls;
};

/* Makes a request with this head (HTTP/1's text) that stands where `outer` stands, on behalf of the same client.
 * Errors: PLAIT_EMALFORMED (the head is none), PLAIT_ENOMEM; `done` does not run then. */
plait_err plait__inner_new(struct plait_request *outer, plait_slice head, const struct plait__inner_ops *ops, void *ctx,
                           struct plait_request **out) PLAIT_MUST;

/* There is room again. */
void plait__inner_room(struct plait_request *inner);

/* Gives it up, as a client that leaves does. */
void plait__inner_leave(struct plait_request *inner);

#endif
