/* SPDX-License-Identifier: MIT
 *
 * Which faults were used in which calls: the counters of all runs together, and the list of what must not be missing.
 */
#include "tests/sim/plait_sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a kind of fault strikes; errnos have a table of their own, plait_sim_errno_possible. */
static const struct {
    unsigned fault;
    const char *calls[6];
} meant[] = {
    {PLAIT_SIM_SPLIT, {"sendmsg"}},       {PLAIT_SIM_DELAY, {"sendmsg"}},
    {PLAIT_SIM_RESET, {"sendmsg"}},       {PLAIT_SIM_SHORT, {"recv", "recvmsg", "sendmsg", "read", "write"}},
    {PLAIT_SIM_SPURIOUS, {"epoll_wait"}}, {PLAIT_SIM_INTERRUPT, {"epoll_wait", "connect", "close"}},
    {PLAIT_SIM_LOSS, {"sendmsg"}},        {PLAIT_SIM_DUPLICATE, {"sendmsg"}},
    {PLAIT_SIM_REORDER, {"sendmsg"}},
};

/* What no scenario can use, and why. */
static const struct {
    unsigned fault;
    const char *call, *why;
} never[] = {
    {PLAIT_SIM_ERRNO, "epoll_create1", "a reactor calls it while it is made, before the world runs"},
    {PLAIT_SIM_ERRNO, "signalfd", "a reactor calls it while it is made, before the world runs"},
    {PLAIT_SIM_ERRNO, "write", "only eventfds are written to, and they cannot fail"},
    {PLAIT_SIM_ERRNO, "pwrite", "the library writes no files"},
    {PLAIT_SIM_ERRNO, "ftruncate", "the library writes no files"},
    {PLAIT_SIM_ERRNO, "fsync", "the library writes no files"},
    {PLAIT_SIM_ERRNO, "renameat", "the library writes no files"},
    {PLAIT_SIM_ERRNO, "mkdirat", "the library makes no folders"},
    {PLAIT_SIM_ERRNO, "socketpair", "no scenario gives a program a socket"},
    {PLAIT_SIM_ERRNO, "getpeername", "no scenario brings a connected socket of its own while the world runs"},
    {PLAIT_SIM_ERRNO, "sendfile", "no scenario serves files"},
    {PLAIT_SIM_ERRNO, "pread", "no scenario serves files"},
    {PLAIT_SIM_ERRNO, "pread_nowait", "no scenario serves files"},
};

static struct report total;

static unsigned fault_of(unsigned kind)
{
    return kind == KINDS_MAX - 1 ? 0 : 1u << kind;
}

void coverage_note(const struct plait_sim *sim, void *report)
{
    struct report *r = report;
    const char *call;
    for (unsigned kind = 0; kind < KINDS_MAX; kind++) {
        if (plait_sim_fault_count(sim, fault_of(kind), NULL) == 0)
            continue;
        for (unsigned i = 0; (call = plait_sim_call_name(i)); i++)
            r->used[kind][i] += plait_sim_fault_count(sim, fault_of(kind), call);
    }
}

void coverage_add(const struct report *report)
{
    for (unsigned kind = 0; kind < KINDS_MAX; kind++) {
        for (unsigned call = 0; call < CALLS_MAX; call++)
            total.used[kind][call] += report->used[kind][call];
    }
}

static const char *reason(unsigned fault, const char *call)
{
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (never[i].fault == fault && strcmp(never[i].call, call) == 0)
            return never[i].why;
    }
    return NULL;
}

static bool is_meant(unsigned fault, const char *call)
{
    for (size_t i = 0; i < sizeof meant / sizeof meant[0]; i++) {
        for (unsigned k = 0; meant[i].fault == fault && meant[i].calls[k]; k++) {
            if (strcmp(meant[i].calls[k], call) == 0)
                return true;
        }
    }
    for (int err = 1; fault == PLAIT_SIM_ERRNO && err < 200; err++) {
        if (plait_sim_errno_possible(call, err))
            return true;
    }
    return false;
}

static bool print_pair(unsigned kind, unsigned index, const char *call)
{
    const unsigned fault = fault_of(kind);
    const uint64_t count = total.used[kind][index];
    const char *why = reason(fault, call);
    const bool missing = count == 0 && is_meant(fault, call) && !why;
    if (count || missing || why)
        (void)printf("  %-10s %-14s %10" PRIu64 "  %s\n", plait_sim_fault_name(fault), call, count,
                     missing         ? "NEVER"
                     : why && !count ? why
                                     : "");
    return !missing;
}

bool coverage_print(bool one_scenario)
{
    unsigned missing = 0;
    const char *call;
    (void)printf("faults by kind and call:\n");
    for (unsigned kind = 0; kind < KINDS_MAX; kind++) {
        if (!plait_sim_fault_name(fault_of(kind)))
            continue;
        for (unsigned i = 0; (call = plait_sim_call_name(i)); i++)
            missing += !print_pair(kind, i, call);
    }
    (void)printf("%u that should have been used never were\n", missing);
    return missing == 0 || one_scenario;
}
