/* SPDX-License-Identifier: MIT
 *
 * Memory of one HTTP/2 session: what nghttp2 asks for, pooled by size and counted under the connection's budget.
 */
#ifndef PLAIT_WEB_HTTP2_POOL_H
#define PLAIT_WEB_HTTP2_POOL_H

#include <plait/memory.h>

#include <nghttp2/nghttp2.h>

enum { PLAIT__H2_CLASSES = 16, PLAIT__H2_CLASS_BYTES = 64 };

struct plait__h2_chunk;

struct plait__h2_pool {
    nghttp2_mem mem; /* for nghttp2_session_server_new3 and its kin */
    struct plait_budget *budget;
    struct plait__h2_chunk *chunks;
    uint8_t *at; /* free bytes of the newest chunk */
    size_t left;
    void *free[PLAIT__H2_CLASSES]; /* freed blocks of each size */
};

/* Makes an empty pool. */
void plait__h2_pool_init(struct plait__h2_pool *pool, struct plait_budget *budget);

/* Frees everything; the session must have ended before. */
void plait__h2_pool_deinit(struct plait__h2_pool *pool);

#endif
