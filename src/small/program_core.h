/* SPDX-License-Identifier: MIT
 *
 * What a program for a connection is told of it in its environment.
 */
#ifndef PLAIT_SMALL_PROGRAM_CORE_H
#define PLAIT_SMALL_PROGRAM_CORE_H

#include <plait/memory.h>
#include <plait/stream.h>

/* An environment as execve wants it: `list` is the pointers, NULL at the end. */
struct plait__vars {
    struct plait_buf text; /* what is ours, each with a NUL */
    const char **list;     /* NULL without memory */
};

/* Makes the environment of a connection's program out of `base`, which is borrowed until the end. */
void plait__vars_init(struct plait__vars *vars, const struct plait_stream *s, const char *const *base);
void plait__vars_deinit(struct plait__vars *vars);

#endif
