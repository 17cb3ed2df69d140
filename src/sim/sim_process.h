/* SPDX-License-Identifier: MIT
 *
 * Child processes, for the table of calls and for hosts.
 */
#ifndef PLAIT_SIM_PROCESS_H
#define PLAIT_SIM_PROCESS_H

#include "sim/sim_core.h"

int sim_do_spawn(struct plait_host *host, const struct plait_sys_spawn *spawn, int *pid);
int sim_do_reap(struct plait_host *host, int pidfd, int *status);
int sim_do_pidfd_signal(struct plait_host *host, int pidfd, int signo);
int sim_do_group_signal(struct plait_host *host, int leader, int signo);
void sim_processes_free(struct plait_host *host);

#endif
