/* SPDX-License-Identifier: MIT
 *
 * A service on one end of a pair, a recording peer at the other: what the tests of small servers stand on.
 */
#ifndef PLAIT_TESTS_SMALL_SERVICE_BED_H
#define PLAIT_TESTS_SMALL_SERVICE_BED_H

#include "tests/engine/peer.h"

#include "engine/listen_core.h"

#include <plait/listen.h>

struct room {
    struct bed b;
    struct peer p;
    struct plait_stream *served;
};

/* The reactor alone; the service is made on it next. */
static inline struct room *room_new(void)
{
    struct room *room = calloc(1, sizeof *room);
    assert_non_null(room);
    bed_open(&room->b);
    return room;
}

/* Joins the peer to the service, whose reference is taken. The peer goes on writing and reading after the other end's
 * end. */
static inline void room_serve(struct room *room, struct plait_service *service)
{
    struct plait_stream *near;
    assert_non_null(service);
    assert_ok(plait_pair_new(room->b.r, &near, &room->served));
    peer_attach(&room->p, near, &peer_half_protocol);
    assert_ok(plait__service_open_alone(service, room->served, NULL));
    bed_settle(&room->b);
}

static inline void room_say(struct room *room, const char *text)
{
    plait_write(room->p.s, plait_slice_text(text));
    bed_settle(&room->b);
}

/* The peer ends its own side. */
static inline void room_end(struct room *room)
{
    plait_close_write(room->p.s);
    bed_settle(&room->b);
}

/* What the peer got so far. */
static inline plait_slice room_heard(const struct room *room)
{
    return plait_slice_of(room->p.got, room->p.got_len);
}

/* Whether the peer was told of the service's end. */
static inline bool room_ended(const struct room *room)
{
    return strchr(room->p.story, 'e') != NULL || strchr(room->p.story, 'l') != NULL;
}

static inline void room_free(struct room *room)
{
    bed_close(&room->b);
    free(room);
}

#endif
