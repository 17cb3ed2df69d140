/* SPDX-License-Identifier: MIT
 *
 * What those who run programs for long share: copies of what they were told to run, and lines of what a program says.
 */
#ifndef PLAIT_SMALL_CHILD_CORE_H
#define PLAIT_SMALL_CHILD_CORE_H

#include <plait/memory.h>
#include <plait/process.h>

enum { PLAIT__SAID_MAX = 1000 };

/* What a program said, as far as it is no whole line yet. Zero at the beginning. */
struct plait__said {
    size_t len;
    char line[PLAIT__SAID_MAX];
};

typedef void (*plait__said_fn)(plait_slice line, void *ctx);

/* Tells each line that bytes complete, without its LF or CR LF; empty ones are left out, and one that is longer is told
 * in pieces. */
void plait__said_put(struct plait__said *said, plait_slice in, plait__said_fn fn, void *ctx);

/* Tells the last line, which need not have an end. */
void plait__said_end(struct plait__said *said, plait__said_fn fn, void *ctx);

/* Copies the texts that options borrow and has the options borrow the copies. Returns the one block in which they
 * stand, to be freed with plait_mem_free; NULL without memory. */
void *plait__child_keep(struct plait_budget *budget, struct plait_spawn_options *options) PLAIT_MUST;

#endif
