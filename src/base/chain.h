/* SPDX-License-Identifier: MIT
 *
 * Bytes on their way out, as a chain of pieces: copied bytes, buffers taken whole, shared bytes, ranges of files. A
 * chain allocates under one budget, which is what bounds it. Memory lent to it at the start serves the first small
 * writes without an allocation.
 */
#ifndef PLAIT_BASE_CHAIN_H
#define PLAIT_BASE_CHAIN_H

#include <plait/bytes.h>

#include <sys/uio.h>

struct plait__piece;

struct plait__chain {
    struct plait_budget *budget;
    struct plait__piece *first, **last_next;
    struct plait__piece *tail; /* the last piece, when bytes can be added to it */
    struct plait__piece *lent; /* memory for a first piece; not in use when lent_free */
    size_t bytes;
    size_t files; /* pieces that are ranges of files */
    bool lent_free;
};

/* Makes an empty chain. */
void plait__chain_init(struct plait__chain *chain, struct plait_budget *budget);

/* Lends `bytes` (at least 128) bytes at `memory`, aligned for a pointer, to a chain for its life. */
void plait__chain_lend(struct plait__chain *chain, void *memory, size_t bytes);

/* Drops everything; files are released. The chain is empty and usable. */
void plait__chain_deinit(struct plait__chain *chain);

/* Appends: a copy of bytes; a buffer's content (the buffer is left empty); shared bytes (a reference is taken); a range
 * of a file (`released` runs once when it is sent or dropped; not when this fails). No bytes are no piece. Errors:
 * PLAIT_ENOMEM, PLAIT_EINVAL (a file's range is empty), and then nothing was appended. */
plait_err plait__chain_put(struct plait__chain *chain, plait_slice bytes) PLAIT_MUST;
plait_err plait__chain_take(struct plait__chain *chain, struct plait_buf *buf) PLAIT_MUST;
plait_err plait__chain_shared(struct plait__chain *chain, struct plait_shared *shared) PLAIT_MUST;
plait_err plait__chain_file(struct plait__chain *chain, int fd, uint64_t offset, uint64_t bytes, plait_call_fn released,
                            void *ctx) PLAIT_MUST;

/* Bytes in the chain, files' included. */
static inline size_t plait__chain_bytes(const struct plait__chain *chain)
{
    return chain->bytes;
}

static inline bool plait__chain_empty(const struct plait__chain *chain)
{
    return chain->bytes == 0;
}

/* Whether a chain is one piece of memory, and which. */
bool plait__chain_is_one(const struct plait__chain *chain, struct iovec *out);

/* Fills at most `max` vectors with the bytes in front, up to the first file. Returns how many. */
size_t plait__chain_gather(const struct plait__chain *chain, struct iovec *iov, size_t max);

/* Whether the front is a file, and which range of it is left. */
bool plait__chain_front_is_file(const struct plait__chain *chain);
void plait__chain_front_file(const struct plait__chain *chain, int *fd, uint64_t *offset, uint64_t *bytes);

/* The first file in a chain that has one, wherever it stands, and which range of it is left. */
void plait__chain_next_file(const struct plait__chain *chain, int *fd, uint64_t *offset, uint64_t *bytes);

/* Takes bytes away from the front. */
void plait__chain_consume(struct plait__chain *chain, size_t bytes);

#endif
