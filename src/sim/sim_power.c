/* SPDX-License-Identifier: MIT
 *
 * The end of a host's program, or of its power, without warning; restarting; and the host's clocks. A program that was
 * killed is freed by its reactor like any other, but each call that it makes on the way fails: neither the network nor
 * the disk sees anything of it.
 *
 * Invariant: while a reactor has its turn, its program ends only when the turn is over. Tests: tests/sim/test_power.c.
 */
#include "base/try.h"
#include "sim/sim_files.h"
#include "sim/sim_process.h"
#include "sim/sim_tcp.h"

#define THOUSAND_MILLION INT64_C(1000000000)
#define BOOTED THOUSAND_MILLION /* what the monotonic clock shows first */

/* --- killing and switching off ------------------------------------------------------------------------------------ */

/* The kernel's part: descriptors, children and signals are gone; without power, connections too. */
static void forget_program(struct plait_host *host)
{
    sim_processes_free(host);
    sim_host_close_all(host);
    host->signals_pending = host->signals_blocked = 0;
    if (!host->down)
        return;
    sim_ports_vanish(host);
    sim_files_crash(host);
}

void sim_host_leaves(struct plait_host *host)
{
    host->leaves = false;
    forget_program(host);
    plait_host_stop(host);
    host->gone = host->down;
    if (host->returns)
        plait_host_restart(host);
}

static void leave(struct plait_host *host, const char *how)
{
    sim_hash(host->sim, 0xdead0000u + host->index);
    sim_say(host->sim, "host %s %s", host->name, how);
    host->gone = true;
    host->leaves = true;
    if (host->sim->turning != host)
        sim_host_leaves(host);
}

void plait_host_kill(struct plait_host *host)
{
    if (!host->gone)
        leave(host, "has its program killed");
}

void plait_host_crash(struct plait_host *host)
{
    if (host->down)
        return;
    host->down = true;
    leave(host, "loses its power");
}

void plait_host_restart(struct plait_host *host)
{
    if (host->leaves) {
        host->returns = true;
        return;
    }
    host->returns = false;
    if (!host->down)
        return;
    host->clock_skew += sim_host_monotonic(host) - BOOTED;
    host->clock.began = host->sim->now;
    host->clock.shown = BOOTED;
    host->down = host->gone = false;
    host->next_pid = 1000;
    sim_hash(host->sim, 0xb0070000u + host->index);
    sim_say(host->sim, "host %s starts again", host->name);
}

bool plait_host_is_up(const struct plait_host *host)
{
    return !host->down;
}

/* --- clocks ------------------------------------------------------------------------------------------------------- */

static int64_t shows_at(const struct sim_clock *c, int64_t moment)
{
    int64_t passed = moment - c->began;
    int64_t gained = passed / THOUSAND_MILLION * c->drift + passed % THOUSAND_MILLION * c->drift / THOUSAND_MILLION;
    return c->shown + passed + gained;
}

int64_t sim_host_monotonic(const struct plait_host *host)
{
    return shows_at(&host->clock, host->sim->now);
}

int64_t sim_host_wall(const struct plait_host *host)
{
    return host->sim->wall_began + sim_host_monotonic(host) + host->clock_skew;
}

/* The least span of the world's time after which the host's clock has gone so far. */
int64_t sim_host_span(const struct plait_host *host, int64_t span)
{
    const struct sim_clock *c = &host->clock;
    int64_t speed = THOUSAND_MILLION + c->drift, now = host->sim->now;
    if (c->drift == 0 || span > INT64_C(1) << 60)
        return span;
    int64_t real = span / speed * THOUSAND_MILLION + span % speed * THOUSAND_MILLION / speed;
    int64_t target = sim_host_monotonic(host) + span;
    while (shows_at(c, now + real) < target)
        real++;
    return real;
}

static void begin_anew(struct plait_host *host, int64_t jump)
{
    int64_t shown = sim_host_monotonic(host) + jump;
    host->clock.began = host->sim->now;
    host->clock.shown = shown;
    sim_host_touch(host);
}

plait_err plait_host_set_drift(struct plait_host *host, int64_t parts_per_billion)
{
    if (parts_per_billion < -THOUSAND_MILLION / 2 || parts_per_billion > THOUSAND_MILLION / 2)
        return PLAIT_FAIL(PLAIT_EINVAL);
    begin_anew(host, 0);
    host->clock.drift = parts_per_billion;
    return PLAIT_OK;
}

void plait_host_jump_clock(struct plait_host *host, plait_span by)
{
    begin_anew(host, by > 0 ? by : 0);
}

void plait_host_shift_wall_clock(struct plait_host *host, plait_span by)
{
    host->clock_skew += by;
}
