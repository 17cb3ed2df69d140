/* SPDX-License-Identifier: MIT
 *
 * Server-sent events: an answer that never ends, of events that a page's EventSource reads. A page that lost the
 * connection asks again by itself, and says which event it saw last.
 */
#ifndef PLAIT_EVENTS_H
#define PLAIT_EVENTS_H

#include <plait/http.h>

PLAIT_BEGIN

struct plait_events;

/* One event. A member whose ptr is NULL, or that is 0, is left out. */
struct plait_event {
    plait_slice data; /* text; its lines may end with CR, LF or both */
    plait_slice name; /* type of the event; without it a page gets it as "message" */
    plait_slice id;   /* what the page tells when it asks again */
    plait_span retry; /* how long the page waits before it asks again */
};

/* The zero value of every member is its default. */
struct plait_events_options {
    plait_span keepalive; /* silence after which a comment is sent, so that nobody between takes it for dead; 15 s */
    size_t waiting_max;   /* bytes that are taken while the client takes none (beyond the high-water mark); 1 MiB */
    void *reserved[4];
};

typedef void (*plait_events_fn)(struct plait_events *events, void *ctx);

/** Id of the last event that the client saw, empty for none. Ownership: borrowed from the request. */
PLAIT_API plait_slice plait_events_last_id(const struct plait_request *req);

/** Answers a request with events to come. `gone` (may be NULL) tells that the client left, or was too slow: then the
 * pointer is invalid once it returns. `options` may be NULL. Errors: PLAIT_ECLOSED (the client has left, or asked for
 * the head alone), PLAIT_ESTATE (the answer has begun), PLAIT_ENOMEM; then the request is over. Ownership: the events
 * are the request's, until plait_events_end or `gone`. Callbacks: `gone` at most once, in a later turn. Source: HTML
 * Living Standard, section 9.2. */
PLAIT_API plait_err plait_events_begin(struct plait_request *req, const struct plait_events_options *options,
                                       plait_events_fn gone, void *ctx, struct plait_events **out) PLAIT_MUST;

/** Sends an event. Errors: PLAIT_EINVAL (a line break or NUL in the name or the id, text that is no UTF-8; nothing is
 * sent), PLAIT_ELIMIT (the client is too slow: `gone` comes), PLAIT_ENOMEM (likewise), PLAIT_ESTATE (`gone` is to
 * come). */
PLAIT_API plait_err plait_events_send(struct plait_events *events, const struct plait_event *event);

/** Sends a comment, which pages ignore. Errors: as plait_events_send. */
PLAIT_API plait_err plait_events_comment(struct plait_events *events, plait_slice text);

/** Whether the client is slow: what is sent now waits. */
PLAIT_API bool plait_events_is_full(const struct plait_events *events);

/** Ends the answer; the page will ask again. Callbacks: `gone` does not come any more. */
PLAIT_API void plait_events_end(struct plait_events **events);

PLAIT_END
#endif
