/* SPDX-License-Identifier: MIT
 *
 * epoll's calls, for the table.
 */
#ifndef PLAIT_SIM_EPOLL_H
#define PLAIT_SIM_EPOLL_H

#include "sim/sim_core.h"

int sim_do_epoll_create1(struct plait_host *host, int flags);
int sim_do_epoll_ctl(struct plait_host *host, int epfd, int op, int fd, const struct epoll_event *event);
/* Never waits: the world's loop lets time pass. */
int sim_do_epoll_wait(struct plait_host *host, int epfd, struct epoll_event *events, int max);

#endif
