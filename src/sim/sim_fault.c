/* SPDX-License-Identifier: MIT
 *
 * Strikes: every fault that happens, by chance or by rule, is decided here, numbered, and counted by its kind and the
 * call that it hit. A run can be told to leave strikes out by their numbers; the shrinker in sim_shrink.c lives on
 * that.
 *
 * Invariant: the n-th decision of a kind in a call at a host follows from the seed and these four alone, and they are
 * its number; how a strike turns out is drawn from a stream that the decision begins. So leaving a strike out, or
 * turning off a kind, changes and renumbers nothing else by itself.
 * Tests: tests/sim/test_faults.c.
 */
#include "sim/sim_fault.h"

#include <stdio.h>
#include <string.h>

static const char *const call_names[] = {
#define SIM_CALL_TEXT(name) #name,
    PLAIT_SYS_CALLS(SIM_CALL_TEXT)
#undef SIM_CALL_TEXT
};

static const struct {
    unsigned fault;
    const char *name;
} fault_names[] = {
    {0, "rule"},
    {PLAIT_SIM_SPLIT, "split"},
    {PLAIT_SIM_DELAY, "delay"},
    {PLAIT_SIM_RESET, "reset"},
    {PLAIT_SIM_SHORT, "short"},
    {PLAIT_SIM_SPURIOUS, "spurious"},
    {PLAIT_SIM_INTERRUPT, "interrupt"},
    {PLAIT_SIM_ERRNO, "errno"},
    {PLAIT_SIM_LOSS, "loss"},
    {PLAIT_SIM_DUPLICATE, "duplicate"},
    {PLAIT_SIM_REORDER, "reorder"},
    {PLAIT_SIM_LOSS, "loss"},
    {PLAIT_SIM_DUPLICATE, "duplicate"},
    {PLAIT_SIM_REORDER, "reorder"},
};

const char *sim_call_name(enum plait_sys_call call)
{
    return call_names[call];
}

bool sim_call_by_name(const char *name, enum plait_sys_call *out)
{
    for (unsigned i = 0; name && i < PLAIT_SYS_CALL_COUNT; i++) {
        if (strcmp(call_names[i], name) == 0) {
            *out = (enum plait_sys_call)i;
            return true;
        }
    }
    return false;
}

const char *plait_sim_call_name(unsigned index)
{
    return index < PLAIT_SYS_CALL_COUNT ? call_names[index] : NULL;
}

const char *plait_sim_fault_name(unsigned fault)
{
    for (size_t i = 0; i < sizeof fault_names / sizeof fault_names[0]; i++) {
        if (fault_names[i].fault == fault)
            return fault_names[i].name;
    }
    return NULL;
}

void plait_sim_faults(struct plait_sim *sim, unsigned faults)
{
    sim->faults = faults;
}

/* --- decisions ---------------------------------------------------------------------------------------------------- */

static unsigned kind_of(unsigned flag)
{
    unsigned kind = 0;
    for (; kind < SIM_FAULT_KINDS && !(flag & (1u << kind)); kind++)
        continue;
    return kind; /* SIM_FAULT_KINDS: by rule */
}

uint64_t sim_fault_below(struct plait_sim *sim, uint64_t below)
{
    return sim_mix(&sim->strikes.random) % below;
}

uint64_t sim_decide(struct plait_sim *sim, struct plait_host *host, unsigned kind, enum plait_sys_call call,
                    uint64_t of)
{
    struct sim_decisions *own = host ? &host->decisions : &sim->strikes.between;
    uint64_t where = host ? host->index : SIM_HOSTS_MAX;
    uint64_t nth = ++own->count[kind][call];
    uint64_t number = (nth * (SIM_HOSTS_MAX + 1) + where) * PLAIT_SYS_CALL_COUNT + (uint64_t)call;
    sim->strikes.decision = number * (SIM_FAULT_KINDS + 1) + kind;
    sim->strikes.random = sim->seed ^ (sim->strikes.decision * 0xd6e8feb86659fd93u);
    sim->strikes.random = sim_mix(&sim->strikes.random);
    return sim_fault_below(sim, of);
}

unsigned sim_strike_kind(uint64_t number)
{
    return (unsigned)(number % (SIM_FAULT_KINDS + 1));
}

static bool left_out(const struct plait_sim *sim)
{
    const struct plait_sim_choice *choice = sim->strikes.choice;
    if (!choice)
        return false;
    size_t low = 0, high = choice->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (choice->numbers[middle] < sim->strikes.decision)
            low = middle + 1;
        else
            high = middle;
    }
    bool named = low < choice->count && choice->numbers[low] == sim->strikes.decision;
    return named == choice->without;
}

/* Told to whoever listens, as a line of the story too. */
static void deliver(struct plait_sim *sim, const char *text)
{
    struct plait_sim_strike *last = &sim->strikes.last;
    sim->strikes.untold = false;
    last->text = text;
    if (sim->strikes.fn)
        sim->strikes.fn(last, sim->strikes.ctx);
    sim_say(sim, "** fault %llu: %s%s%s", (unsigned long long)last->number, last->host ? last->host : "",
            last->host ? ": " : "", text);
    last->text = NULL;
}

void sim_strike_flush(struct plait_sim *sim)
{
    char text[80];
    if (!sim->strikes.untold)
        return;
    const char *name = plait_sim_fault_name(sim->strikes.last.fault);
    (void)snprintf(text, sizeof text, "%s (%s)", name ? name : "fault", sim->strikes.last.call);
    deliver(sim, text);
}

bool sim_strike(struct plait_sim *sim, struct plait_host *host, unsigned kind, enum plait_sys_call call)
{
    sim_strike_flush(sim);
    if (left_out(sim))
        return false;
    sim->used[kind][call]++;
    if (!sim->explain && !sim->strikes.fn)
        return true;
    sim->strikes.last = (struct plait_sim_strike){
        .number = sim->strikes.decision,
        .at = sim->now,
        .fault = kind < SIM_FAULT_KINDS ? 1u << kind : 0,
        .host = host ? host->name : NULL,
        .call = call_names[call],
    };
    sim->strikes.untold = true;
    return true;
}

bool sim_strikes_often(struct plait_sim *sim, struct plait_host *host, unsigned flag, struct sim_chance chance,
                       enum plait_sys_call call)
{
    if (!(sim->faults & flag))
        return false;
    unsigned kind = kind_of(flag);
    return sim_decide(sim, host, kind, call, chance.of) < chance.in && sim_strike(sim, host, kind, call);
}

bool sim_strikes_at(struct plait_sim *sim, struct plait_host *host, unsigned flag, uint64_t of,
                    enum plait_sys_call call)
{
    return sim_strikes_often(sim, host, flag, (struct sim_chance){1, of}, call);
}

void sim_strike_tell(struct plait_sim *sim, const char *fmt, ...)
{
    char text[200];
    va_list args;
    if (!sim->strikes.untold)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    deliver(sim, text);
}

bool sim_interrupts(struct plait_host *host, enum plait_sys_call call)
{
    struct plait_sim *sim = host->sim;
    if (host->storm) {
        host->storm--;
        return true;
    }
    if (!sim_strikes_at(sim, host, PLAIT_SIM_INTERRUPT, 16, call))
        return false;
    if (call == PLAIT_SYS_epoll_wait && sim_fault_below(sim, 8) == 0)
        host->storm = (unsigned)(1 + sim_fault_below(sim, 30));
    if (host->storm)
        sim_strike_tell(sim, "%u signals interrupt %s, one after another", host->storm + 1, call_names[call]);
    else
        sim_strike_tell(sim, "a signal interrupts %s", call_names[call]);
    return true;
}

/* --- counters ----------------------------------------------------------------------------------------------------- */

uint64_t plait_sim_fault_count(const struct plait_sim *sim, unsigned fault, const char *name)
{
    enum plait_sys_call call;
    unsigned kind = kind_of(fault);
    uint64_t sum = 0;
    if (name)
        return sim_call_by_name(name, &call) ? sim->used[kind][call] : 0;
    for (unsigned i = 0; i < PLAIT_SYS_CALL_COUNT; i++)
        sum += sim->used[kind][i];
    return sum;
}

uint64_t plait_sim_call_count(const struct plait_sim *sim, const char *name)
{
    enum plait_sys_call call;
    uint64_t sum = 0;
    if (!name)
        return sim->calls;
    if (!sim_call_by_name(name, &call))
        return 0;
    for (size_t i = 0; i < sim->host_count; i++)
        sum += sim->hosts[i]->calls[call];
    return sum;
}
