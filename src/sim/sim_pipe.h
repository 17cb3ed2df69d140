/* SPDX-License-Identifier: MIT
 *
 * Pipes, eventfds and signalfds, for the table of calls.
 */
#ifndef PLAIT_SIM_PIPE_H
#define PLAIT_SIM_PIPE_H

#include "sim/sim_core.h"

int sim_do_pipe2(struct plait_host *host, int fds[2], int flags);
int sim_do_eventfd(struct plait_host *host, unsigned value, int flags);
int sim_do_signalfd(struct plait_host *host, int fd, const sigset_t *set, int flags);
int sim_do_sigmask(struct plait_host *host, int how, const sigset_t *set, sigset_t *old);

#endif
