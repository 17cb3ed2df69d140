/* SPDX-License-Identifier: MIT
 *
 * What sim_fault.c gives the table of calls and the injector.
 */
#ifndef PLAIT_SIM_FAULT_H
#define PLAIT_SIM_FAULT_H

#include "base/try.h"
#include "sim/sim_core.h"

const char *sim_call_name(enum plait_sys_call call);
bool sim_call_by_name(const char *name, enum plait_sys_call *out);

/* Counts a call, and asks the rules: 0, or -errno with which it fails. */
int sim_gate(struct plait_host *host, enum plait_sys_call call);

#endif
