/* SPDX-License-Identifier: MIT
 *
 * Counted memory: a tree of budgets over one allocator. Each allocation has a header that names its budget and its
 * size.
 *
 * Invariant: a node's `used` is what lives under it and below it; an allocation that a node refuses has charged none.
 * Test: tests/base/test_memory.c.
 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct header {
    struct plait_budget *budget;
    size_t bytes; /* what the caller asked for */
};

static void *libc_resize(void *ptr, size_t bytes, void *ctx)
{
    (void)ctx;
    if (bytes > 0)
        return realloc(ptr, bytes);
    free(ptr);
    return NULL;
}

const struct plait_allocator *plait__libc_allocator(void)
{
    static const struct plait_allocator libc = {.resize = libc_resize};
    return &libc;
}

void plait_budget_init(struct plait_budget *budget, struct plait_budget *parent,
                       const struct plait_allocator *allocator, size_t max)
{
    const struct plait_allocator *own = allocator ? allocator : plait__libc_allocator();
    *budget = (struct plait_budget){
        .parent = parent, .allocator = parent ? parent->allocator : own, .max = max ? max : SIZE_MAX};
}

bool plait__budget_charge(struct plait_budget *budget, size_t bytes)
{
    for (struct plait_budget *b = budget; b; b = b->parent) {
        if (bytes > b->max || b->used > b->max - bytes)
            return false;
    }
    for (struct plait_budget *b = budget; b; b = b->parent)
        b->used += bytes;
    return true;
}

void plait__budget_release(struct plait_budget *budget, size_t bytes)
{
    for (struct plait_budget *b = budget; b; b = b->parent)
        b->used -= bytes;
}

static struct header *header_of(void *ptr)
{
    return (struct header *)ptr - 1;
}

static void *give(struct header *h, struct plait_budget *budget, size_t bytes)
{
    h->budget = budget;
    h->bytes = bytes;
    return h + 1;
}

static void *allocate(struct plait_budget *budget, size_t bytes)
{
    if (bytes > SIZE_MAX - sizeof(struct header) || !plait__budget_charge(budget, bytes + sizeof(struct header)))
        return NULL;
    struct header *h = budget->allocator->resize(NULL, bytes + sizeof *h, budget->allocator->ctx);
    if (h)
        return give(h, budget, bytes);
    plait__budget_release(budget, bytes + sizeof *h);
    return NULL;
}

void *plait_mem_new(struct plait_budget *budget, size_t bytes)
{
    void *ptr = allocate(budget, bytes);
    if (ptr)
        memset(ptr, 0, bytes);
    return ptr;
}

void *plait_mem_resize(struct plait_budget *budget, void *ptr, size_t bytes)
{
    if (!ptr)
        return allocate(budget, bytes);
    struct header *h = header_of(ptr);
    struct plait_budget *owner = h->budget;
    const size_t before = h->bytes;
    if (bytes > SIZE_MAX - sizeof *h || (bytes > before && !plait__budget_charge(owner, bytes - before)))
        return NULL;
    struct header *moved = owner->allocator->resize(h, bytes + sizeof *h, owner->allocator->ctx);
    if (!moved) {
        if (bytes > before)
            plait__budget_release(owner, bytes - before);
        return NULL;
    }
    if (bytes < before)
        plait__budget_release(owner, before - bytes);
    return give(moved, owner, bytes);
}

void plait_mem_free(void *ptr)
{
    if (!ptr)
        return;
    struct header *h = header_of(ptr);
    struct plait_budget *owner = h->budget;
    plait__budget_release(owner, h->bytes + sizeof *h);
    owner->allocator->resize(h, 0, owner->allocator->ctx);
}

char *plait_mem_text(struct plait_budget *budget, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? allocate(budget, len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

size_t plait_budget_left(const struct plait_budget *budget)
{
    size_t left = SIZE_MAX;
    for (const struct plait_budget *b = budget; b; b = b->parent) {
        const size_t here = b->used < b->max ? b->max - b->used : 0;
        if (here < left)
            left = here;
    }
    return left;
}

void plait_mem_wipe(void *ptr, size_t bytes)
{
    if (bytes > 0) /* else there may be no memory at all */
        explicit_bzero(ptr, bytes);
}
