/* SPDX-License-Identifier: MIT
 *
 * The ways between hosts: latency, jitter, bandwidth with its queue, loss, partitions. What a packet is, and what
 * becomes of one that is lost, is known to sim_tcp_net.c and sim_udp.c.
 *
 * Invariant: a pair of hosts has one path, made when something is said of it or must be remembered; each direction of
 * it passes one packet after the other. A link's chances are drawn from a stream of their own, jitter from
 * the world's.
 * Tests: tests/sim/test_link.c.
 */
#include "base/try.h"
#include "sim/sim_core.h"

#include <inttypes.h>

#define MILLION 1000000
#define SECOND INT64_C(1000000000)

struct sim_path {
    struct sim_path *next; /* in its row of the table */
    struct plait_host *low, *high;
    bool own;           /* `link` was set; else the world's holds */
    bool cut[2];        /* [0]: from low to high */
    int64_t free_at[2]; /* when what waits has passed */
    struct plait_sim_link link;
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

static size_t row_of(const struct plait_sim *sim, const struct plait_host *low, const struct plait_host *high)
{
    uint64_t h = ((uint64_t)low->index << 32 | high->index) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32) & (sim->path_cap - 1);
}

static void order(const struct plait_host **low, const struct plait_host **high)
{
    if ((*low)->index < (*high)->index)
        return;
    const struct plait_host *swap = *low;
    *low = *high;
    *high = swap;
}

static struct sim_path *path_find(const struct plait_host *a, const struct plait_host *b)
{
    const struct plait_sim *sim = a->sim;
    order(&a, &b);
    struct sim_path *path = sim->path_cap ? sim->paths[row_of(sim, a, b)] : NULL;
    while (path && (path->low != a || path->high != b))
        path = path->next;
    return path;
}

static void path_link(struct plait_sim *sim, struct sim_path *path)
{
    struct sim_path **row = &sim->paths[row_of(sim, path->low, path->high)];
    path->next = *row;
    *row = path;
}

static bool grow(struct plait_sim *sim)
{
    size_t old_cap = sim->path_cap, cap = old_cap ? old_cap * 2 : 8;
    struct sim_path **old = sim->paths, **fresh = plait_mem_new(&sim->budget, cap * sizeof(struct sim_path *));
    if (!fresh)
        return false;
    sim->paths = fresh;
    sim->path_cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        for (struct sim_path *path = old[i], *next; path; path = next) {
            next = path->next;
            path_link(sim, path);
        }
    }
    plait_mem_free(old);
    return true;
}

static struct sim_path *path_make(struct plait_host *a, struct plait_host *b)
{
    struct plait_sim *sim = a->sim;
    struct sim_path *path = path_find(a, b);
    if (path)
        return path;
    if (sim->path_count == sim->path_cap && !grow(sim))
        return NULL;
    path = plait_mem_new(&sim->budget, sizeof *path);
    if (!path)
        return NULL;
    path->low = a->index < b->index ? a : b;
    path->high = a->index < b->index ? b : a;
    path_link(sim, path);
    sim->path_count++;
    return path;
}

void sim_paths_free(struct plait_sim *sim)
{
    for (size_t i = 0; i < sim->path_cap; i++) {
        for (struct sim_path *path = sim->paths[i], *next; path; path = next) {
            next = path->next;
            plait_mem_free(path);
        }
    }
    plait_mem_free(sim->paths);
}

/* --- what a scenario says ----------------------------------------------------------------------------------------- */

static bool link_is_sound(const struct plait_sim_link *link)
{
    return link->latency >= 0 && link->jitter >= 0 && link->loss <= MILLION && link->duplicate <= MILLION &&
           link->reorder <= MILLION && (link->mtu == 0 || link->mtu >= 576);
}

plait_err plait_sim_set_link(struct plait_sim *sim, struct plait_host *a, struct plait_host *b,
                             const struct plait_sim_link *link)
{
    if (!link_is_sound(link))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (!a || !b) {
        sim->link = *link;
        return PLAIT_OK;
    }
    struct sim_path *path = path_make(a, b);
    if (!path)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    path->link = *link;
    path->own = true;
    return PLAIT_OK;
}

plait_err plait_sim_partition(struct plait_sim *sim, struct plait_host *from, struct plait_host *to)
{
    if (from && to) {
        struct sim_path *path = path_make(from, to);
        if (!path)
            return PLAIT_FAIL(PLAIT_ENOMEM);
        path->cut[from != path->low] = true;
    } else if (from) {
        from->cut_out = true;
    } else if (to) {
        to->cut_in = true;
    } else {
        sim->cut = true;
    }
    sim_hash(sim, 0xc07);
    sim_say(sim, "nothing passes from %s to %s", from ? from->name : "any host", to ? to->name : "any host");
    return PLAIT_OK;
}

static void heal_all(struct plait_sim *sim)
{
    sim->cut = false;
    for (size_t i = 0; i < sim->host_count; i++)
        sim->hosts[i]->cut_out = sim->hosts[i]->cut_in = false;
    for (size_t i = 0; i < sim->path_cap; i++) {
        for (struct sim_path *path = sim->paths[i]; path; path = path->next)
            path->cut[0] = path->cut[1] = false;
    }
}

void plait_sim_heal(struct plait_sim *sim, struct plait_host *from, struct plait_host *to)
{
    struct sim_path *path = from && to ? path_find(from, to) : NULL;
    if (path)
        path->cut[from != path->low] = false;
    if (from && !to)
        from->cut_out = false;
    if (to && !from)
        to->cut_in = false;
    if (!from && !to)
        heal_all(sim);
    sim_hash(sim, 0x4ea1);
    sim_say(sim, "the way from %s to %s is healed", from ? from->name : "any host", to ? to->name : "any host");
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

bool sim_way_open(const struct plait_host *from, const struct plait_host *to)
{
    if (from->down || to->down)
        return false;
    if (from == to)
        return true;
    if (from->sim->cut || from->cut_out || to->cut_in)
        return false;
    const struct sim_path *path = path_find(from, to);
    return !path || !path->cut[from != path->low];
}

const struct plait_sim_link *sim_link_between(const struct plait_host *from, const struct plait_host *to)
{
    const struct sim_path *path = path_find(from, to);
    return path && path->own ? &path->link : &from->sim->link;
}

bool sim_link_strikes(const struct plait_host *from, uint32_t chance, unsigned flag, uint64_t of, uint64_t *how)
{
    struct plait_sim *sim = from->sim;
    if (chance && sim_mix(&sim->link_random) % MILLION < chance) {
        *how = sim_mix(&sim->link_random);
        return true;
    }
    if (!sim_strikes_at(sim, (struct plait_host *)(uintptr_t)from, flag, of, PLAIT_SYS_sendmsg))
        return false;
    *how = sim_fault_below(sim, UINT64_MAX);
    sim_strike_tell(sim, "a packet on its way meets %s", plait_sim_fault_name(flag));
    return true;
}

/* Bytes that pass in a span. */
static uint64_t passes(uint64_t bandwidth, int64_t span)
{
    return bandwidth * (uint64_t)(span / SECOND) + bandwidth * (uint64_t)(span % SECOND) / SECOND;
}

/* How long a packet waits for those before it and takes to pass itself; SIM_LOST when the queue is full. */
static int64_t through_the_queue(struct plait_host *from, struct plait_host *to, size_t bytes)
{
    const struct plait_sim_link *link = sim_link_between(from, to);
    int64_t now = from->sim->now;
    if (link->bandwidth == 0)
        return 0;
    struct sim_path *path = path_make(from, to);
    if (!path) {
        sim_out_of_memory(from->sim);
        return SIM_LOST;
    }
    int64_t *free_at = &path->free_at[from != path->low];
    int64_t begins = *free_at > now ? *free_at : now;
    uint64_t waiting = passes(link->bandwidth, begins - now);
    if (link->queue && waiting && waiting + bytes > link->queue) {
        sim_say(from->sim, "the queue from %s to %s is full: a packet is lost", from->name, to->name);
        return SIM_LOST;
    }
    *free_at = begins + (int64_t)((uint64_t)bytes * (uint64_t)SECOND / link->bandwidth);
    return *free_at - now;
}

static int64_t between_hosts(struct plait_host *from, struct plait_host *to, size_t bytes)
{
    struct plait_sim *sim = from->sim;
    if (!sim_way_open(from, to))
        return SIM_LOST;
    const struct plait_sim_link *link = sim_link_between(from, to);
    uint64_t how;
    int64_t delay = through_the_queue(from, to, bytes);
    if (delay == SIM_LOST)
        return SIM_LOST;
    if (sim_link_strikes(from, link->loss, PLAIT_SIM_LOSS, 50, &how)) {
        sim_strike_tell(sim, "a packet to %s is lost", to->name);
        sim_say(sim, "a packet from %s to %s is lost", from->name, to->name);
        return SIM_LOST;
    }
    delay += link->latency;
    if (link->jitter > 0)
        delay += (int64_t)sim_below(sim, (uint64_t)link->jitter);
    return delay;
}

int64_t sim_trip(struct plait_host *from, struct plait_host *to, size_t bytes)
{
    struct plait_sim *sim = from->sim;
    int64_t delay = from == to ? 0 : between_hosts(from, to, bytes);
    if (delay != SIM_LOST && sim_strikes_at(sim, from, PLAIT_SIM_DELAY, 16, PLAIT_SYS_sendmsg)) {
        int64_t late = (int64_t)sim_fault_below(sim, 200000000);
        sim_strike_tell(sim, "a packet to %s is %" PRId64 " us late", to->name, late / 1000);
        delay += late;
    }
    return delay;
}
