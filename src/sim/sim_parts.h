/* SPDX-License-Identifier: MIT
 *
 * What everything in the simulated world is made of: lists, bytes that wait, and events, whose heap is in sim_world.c.
 */
#ifndef PLAIT_SIM_PARTS_H
#define PLAIT_SIM_PARTS_H

#include <plait/sim.h>

#include <stddef.h>

/* --- lists -------------------------------------------------------------------------------------------------------- */

struct sim_link {
    struct sim_link *prev, *next;
};

static inline void sim_list_init(struct sim_link *head)
{
    head->prev = head->next = head;
}

static inline bool sim_list_empty(const struct sim_link *head)
{
    return head->next == head;
}

static inline void sim_list_add(struct sim_link *head, struct sim_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Takes a link off whatever list it is on; harmless for one that is on none (initialised to itself). */
static inline void sim_list_del(struct sim_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    sim_list_init(link);
}

#define SIM_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* --- bytes that wait ---------------------------------------------------------------------------------------------- */

struct sim_ring {
    uint8_t *ptr;
    size_t at, len, cap; /* content is ptr[at .. at + len) */
};

bool sim_ring_put(struct plait_sim *sim, struct sim_ring *ring, const uint8_t *bytes, size_t len);
void sim_ring_drop(struct sim_ring *ring, size_t len);
void sim_ring_free(struct sim_ring *ring);

/* --- events ------------------------------------------------------------------------------------------------------- */

struct sim_event;
typedef void (*sim_event_fn)(struct plait_sim *sim, struct sim_event *event);

struct sim_event {
    int64_t due;
    uint64_t seq;
    size_t pos; /* place in the heap, from 1; 0: not queued */
    bool quiet; /* nothing will come of it as things are: a world with such events only is idle */
    sim_event_fn fire;
    sim_event_fn drop; /* the world ends first; NULL: nothing to free */
};

/* False, and the run has failed: there is no memory. */
bool sim_event_add(struct plait_sim *sim, struct sim_event *event, int64_t due);
void sim_event_cancel(struct plait_sim *sim, struct sim_event *event);
void sim_event_quiet(struct plait_sim *sim, struct sim_event *event, bool quiet); /* of one that is queued */

#endif
