/* SPDX-License-Identifier: MIT
 *
 * nghttp2's allocator. A stream, its frames and its fields are a dozen small blocks, taken and given back for every
 * request: they come from chunks that stay with the connection, by size, so that a request in the steady state costs
 * no allocation. Larger blocks are the heap's. All of it counts under the connection's budget.
 *
 * Invariant: a block's size stands before it; it is on a free list of its class or in nghttp2's hands. Test:
 * tests/web/test_http2_pool.c.
 */
#include "web/http2_pool.h"

#include <string.h>

enum { CHUNK = 4096 - 32 }; /* with what counted memory adds it stays within a page */

struct plait__h2_chunk {
    struct plait__h2_chunk *next;
    uint8_t bytes[] __attribute__((aligned(16)));
};

/* Stands before every block. */
struct head {
    size_t bytes;
    size_t reserved; /* keeps blocks aligned */
};

static size_t class_of(size_t bytes)
{
    return bytes == 0 ? 0 : (bytes - 1) / PLAIT__H2_CLASS_BYTES;
}

static void *carve(struct plait__h2_pool *pool, size_t bytes)
{
    if (pool->left < bytes) {
        struct plait__h2_chunk *chunk = plait_mem_new(pool->budget, CHUNK);
        if (!chunk)
            return NULL;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->at = chunk->bytes;
        pool->left = CHUNK - sizeof(*chunk);
    }
    void *block = pool->at;
    pool->at += bytes;
    pool->left -= bytes;
    return block;
}

static void *take_small(struct plait__h2_pool *pool, size_t class)
{
    struct head *block = pool->free[class];
    if (block) {
        memcpy(&pool->free[class], block + 1, sizeof(void *));
        return block;
    }
    return carve(pool, sizeof(*block) + (class + 1) * PLAIT__H2_CLASS_BYTES);
}

static void *pool_malloc(size_t bytes, void *ctx)
{
    struct plait__h2_pool *pool = ctx;
    const size_t class = class_of(bytes);
    struct head *block;
    if (bytes > SIZE_MAX - sizeof(*block))
        return NULL;
    if (class < PLAIT__H2_CLASSES)
        block = take_small(pool, class);
    else
        block = plait_mem_new(pool->budget, sizeof(*block) + bytes);
    if (!block)
        return NULL;
    block->bytes = bytes;
    return block + 1;
}

static void pool_free(void *ptr, void *ctx)
{
    struct plait__h2_pool *pool = ctx;
    if (!ptr)
        return;
    struct head *block = (struct head *)ptr - 1;
    const size_t class = class_of(block->bytes);
    if (class >= PLAIT__H2_CLASSES) {
        plait_mem_free(block);
        return;
    }
    memcpy(ptr, &pool->free[class], sizeof(void *));
    pool->free[class] = block;
}

static void *pool_calloc(size_t count, size_t bytes, void *ctx)
{
    if (bytes && count > SIZE_MAX / bytes)
        return NULL;
    void *ptr = pool_malloc(count * bytes, ctx);
    if (ptr)
        memset(ptr, 0, count * bytes);
    return ptr;
}

static void *pool_realloc(void *ptr, size_t bytes, void *ctx)
{
    struct head *block = ptr ? (struct head *)ptr - 1 : NULL;
    const size_t had = block ? block->bytes : 0;
    if (block && class_of(had) == class_of(bytes)) {
        block->bytes = bytes;
        return ptr;
    }
    void *more = pool_malloc(bytes, ctx);
    if (!more)
        return NULL;
    if (had)
        memcpy(more, ptr, had < bytes ? had : bytes);
    pool_free(ptr, ctx);
    return more;
}

void plait__h2_pool_init(struct plait__h2_pool *pool, struct plait_budget *budget)
{
    memset(pool, 0, sizeof(*pool));
    pool->budget = budget;
    pool->mem = (nghttp2_mem){.mem_user_data = pool,
                              .malloc = pool_malloc,
                              .free = pool_free,
                              .calloc = pool_calloc,
                              .realloc = pool_realloc};
}

void plait__h2_pool_deinit(struct plait__h2_pool *pool)
{
    while (pool->chunks) {
        struct plait__h2_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        plait_mem_free(chunk);
    }
}
