/* SPDX-License-Identifier: MIT
 *
 * What sim_story.c makes of calls.
 */
#ifndef PLAIT_SIM_STORY_H
#define PLAIT_SIM_STORY_H

#include "sim/sim_core.h"

#define SIM_STORY_FD 128

/* What a descriptor is, for people: "7 (to server:80)". */
void sim_story_fd(struct plait_host *host, int64_t fd, char out[SIM_STORY_FD]);

/* Tells of a call and its result in words, unless it says nothing to anybody. */
void sim_story_call(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res);

/* As an address is read best: by the host's name where it has one. */
void sim_story_address(struct plait_host *host, const struct plait_address *address, char *out, size_t bytes);

#endif
