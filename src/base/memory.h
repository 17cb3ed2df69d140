/* SPDX-License-Identifier: MIT
 *
 * What the rooms share of counted memory beside the public header.
 */
#ifndef PLAIT_BASE_MEMORY_H
#define PLAIT_BASE_MEMORY_H

#include <plait/memory.h>

/* The C library's heap. */
const struct plait_allocator *plait__libc_allocator(void);

/* Moves what is charged by hand: memory that others hold on behalf of a budget, such as TLS buffers. False: refused. */
bool plait__budget_charge(struct plait_budget *budget, size_t bytes) PLAIT_MUST;
void plait__budget_release(struct plait_budget *budget, size_t bytes);

#endif
