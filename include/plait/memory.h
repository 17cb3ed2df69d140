/* SPDX-License-Identifier: MIT
 *
 * Memory is counted. A budget is a node of a tree (reactor, listener, peer address, connection); what is allocated
 * under a node counts there and at every node above it, and is refused where one of them is full.
 */
#ifndef PLAIT_MEMORY_H
#define PLAIT_MEMORY_H

#include <plait/err.h>

PLAIT_BEGIN

/* The heap under a tree of budgets. `resize` acts as realloc: ptr NULL allocates, bytes 0 frees and returns NULL.
 * Tests give one that fails at the n-th call. */
struct plait_allocator {
    void *(*resize)(void *ptr, size_t bytes, void *ctx);
    void *ctx;
};

/* One node. Fill it through plait_budget_init; the members are for reading. */
struct plait_budget {
    struct plait_budget *parent;             /* NULL at the root */
    const struct plait_allocator *allocator; /* the root's, inherited below */
    size_t used;                             /* bytes held now, with all nodes below */
    size_t max;                              /* bytes allowed; SIZE_MAX for no limit of its own */
};

/** Makes a budget node. `parent` may be NULL, then `allocator` (NULL for the C library's) is used; `max` is in bytes, 0
 * means no limit of its own. Ownership: the caller's memory; it must outlive what is allocated under it. */
PLAIT_API void plait_budget_init(struct plait_budget *budget, struct plait_budget *parent,
                                 const struct plait_allocator *allocator, size_t max);

/** Allocates `bytes` zeroed bytes counted under a budget. Returns NULL when a budget is spent or the heap is.
 * Ownership: the caller's, given back with plait_mem_free. */
PLAIT_API void *plait_mem_new(struct plait_budget *budget, size_t bytes) __attribute__((malloc, warn_unused_result));

/** Changes the size of a counted allocation (NULL allocates under `budget`); new bytes are not zeroed. Returns NULL and
 * leaves the old allocation as it was on failure. Ownership: the caller's. */
PLAIT_API void *plait_mem_resize(struct plait_budget *budget, void *ptr, size_t bytes) PLAIT_MUST;

/** Gives a counted allocation back to the budget that it came from; NULL is allowed. */
PLAIT_API void plait_mem_free(void *ptr);

/** Copies a text of `len` bytes and terminates it. Returns NULL when there is no memory.
 * Ownership: the caller's, given back with plait_mem_free. */
PLAIT_API char *plait_mem_text(struct plait_budget *budget, const char *text, size_t len) PLAIT_MUST;

/** Bytes that may still be allocated under a budget before it or a node above it is full. */
PLAIT_API size_t plait_budget_left(const struct plait_budget *budget);

/** Overwrites memory with zeroes in a way that the compiler keeps. */
PLAIT_API void plait_mem_wipe(void *ptr, size_t bytes);

PLAIT_END
#endif
