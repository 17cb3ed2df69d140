/* SPDX-License-Identifier: MIT
 *
 * The inside of connecting, for the engine's own files: the offer of a stream as a deferred's value, and the race of
 * several addresses.
 */
#ifndef PLAIT_ENGINE_CONNECT_CORE_H
#define PLAIT_ENGINE_CONNECT_CORE_H

#include "engine/deferred_core.h"
#include "engine/stream_core.h"

#include <plait/endpoint.h>

/* --- offers (offer.c) --------------------------------------------------------------------------------------------- */

/* A stream on its way to whoever will attach a protocol to it. It is held (PLAIT__F_HELD): reads nothing, and if it
 * ends it is not told of before somebody can hear it. The first callback of the deferred sees it, or its fault. */
struct plait__offer;

struct plait__offer *plait__offer_new(struct plait_reactor *r) __attribute__((warn_unused_result));
/* Gives up one that was not fired. */
void plait__offer_free(struct plait__offer **offer);
/* Fires the deferred with the stream. Never allocates. The offer is taken. */
void plait__offer_fire(struct plait__offer *offer, struct plait_stream *s, struct plait_deferred *d);
/* All at once. NULL: no memory; the stream is discarded. */
struct plait_deferred *plait__offer_stream(struct plait_reactor *r, struct plait_stream *s)
    __attribute__((warn_unused_result));

/* --- the race (eyeballs.c) ---------------------------------------------------------------------------------------- */

enum { PLAIT__RACE_FAMILIES = 2 }; /* 0: IPv6 and all that is not IPv4; 1: IPv4 */

struct plait__race {
    struct plait_reactor *reactor;
    const struct plait_connect_options *options;
    struct plait__list attempts;
    struct {
        const struct plait_address *at; /* borrowed until the race is over */
        size_t count, next;
    } family[PLAIT__RACE_FAMILIES];
    unsigned turn; /* the family that has the next attempt */
    bool running;
    bool more; /* addresses may still come */
    struct plait_timer delay;
    struct plait_fault fault;    /* the most telling so far */
    struct plait_address blamed; /* its peer */
    /* The end, one of them, once; the race is not touched any more after it. */
    void (*won)(struct plait__race *race, int fd, const struct plait_address *address);
    void (*failed)(struct plait__race *race, const struct plait_fault *fault);
};

void plait__race_init(struct plait__race *race, struct plait_reactor *r, const struct plait_connect_options *options);
void plait__race_add(struct plait__race *race, unsigned family, const struct plait_address *at, size_t count);
/* Starts, or goes on with what was added; may end it. */
void plait__race_go(struct plait__race *race);
void plait__race_stop(struct plait__race *race);
/* Keeps the more telling of two faults. */
void plait__race_blame(struct plait__race *race, const struct plait_fault *fault);

#endif
