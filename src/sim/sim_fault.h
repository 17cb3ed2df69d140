/* SPDX-License-Identifier: MIT
 *
 * What sim_fault.c and sim_rule.c give the table of calls and the injector.
 */
#ifndef PLAIT_SIM_FAULT_H
#define PLAIT_SIM_FAULT_H

#include "base/try.h"
#include "sim/sim_core.h"

const char *sim_call_name(enum plait_sys_call call);
bool sim_call_by_name(const char *name, enum plait_sys_call *out);

/* Counts a call, and asks the rules, then (if `may_fail`) chance: 0, or -errno with which it fails. `fd` is what the
 * call is about. */
int sim_gate(struct plait_host *host, enum plait_sys_call call, int64_t fd, bool may_fail);

/* A decision of a kind in a call at a host (NULL: between hosts): a number below `of`. What sim_fault_below gives next
 * follows from it. */
uint64_t sim_decide(struct plait_sim *sim, struct plait_host *host, unsigned kind, enum plait_sys_call call,
                    uint64_t of);
/* The decision just made was to strike: asks whether this strike is left out, and counts it. */
bool sim_strike(struct plait_sim *sim, struct plait_host *host, unsigned kind, enum plait_sys_call call);
/* The kind that a strike's number names. */
unsigned sim_strike_kind(uint64_t number);

/* Whether a wait, a connect or a close is cut short by a signal. Signals come alone or in storms. */
bool sim_interrupts(struct plait_host *host, enum plait_sys_call call);

#endif
