/* SPDX-License-Identifier: MIT
 *
 * The chain of output pieces, and shared bytes. Small writes are gathered in the last copied piece; large ones get a
 * piece of their size; what is taken or shared is never copied.
 *
 * Invariant: `bytes` is the sum of what the pieces have left; no piece has nothing left; `tail` is the last piece or
 * NULL. Test: tests/base/test_chain.c.
 */
#include "base/chain.h"

#include "base/try.h"

enum piece_kind { COPIED, TAKEN, SHARED, FILED };
enum { PIECE_BYTES = 4096 - 64 };

struct plait__piece {
    struct plait__piece *next;
    enum piece_kind kind;
    bool is_lent;
    const uint8_t *at; /* what is left: COPIED, TAKEN, SHARED */
    uint64_t left;
    union {
        struct {
            size_t cap, used; /* of `bytes` */
        } copied;
        struct plait_buf taken;
        struct plait_shared *shared;
        struct {
            int fd;
            uint64_t offset;
            plait_call_fn released;
            void *ctx;
        } file;
    };
    uint8_t bytes[];
};

/* --- shared bytes ------------------------------------------------------------------------------------------------- */

struct plait_shared {
    size_t refs;
    size_t len;
    uint8_t bytes[];
};

struct plait_shared *plait_shared_new(struct plait_budget *budget, plait_slice bytes)
{
    struct plait_shared *shared = plait_mem_resize(budget, NULL, sizeof *shared + bytes.len);
    if (!shared)
        return NULL;
    shared->refs = 1;
    shared->len = bytes.len;
    if (bytes.len > 0)
        memcpy(shared->bytes, bytes.ptr, bytes.len);
    return shared;
}

struct plait_shared *plait_shared_ref(struct plait_shared *shared)
{
    shared->refs++;
    return shared;
}

void plait_shared_unref(struct plait_shared **shared)
{
    struct plait_shared *s = *shared;
    *shared = NULL;
    if (s && --s->refs == 0)
        plait_mem_free(s);
}

plait_slice plait_shared_slice(const struct plait_shared *shared)
{
    return plait_slice_of(shared->bytes, shared->len);
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

void plait__chain_init(struct plait__chain *chain, struct plait_budget *budget)
{
    *chain = (struct plait__chain){.budget = budget, .last_next = &chain->first};
}

void plait__chain_lend(struct plait__chain *chain, void *memory, size_t bytes)
{
    chain->lent = memory;
    chain->lent->is_lent = true;
    chain->lent->copied.cap = bytes - sizeof *chain->lent;
    chain->lent_free = true;
}

static void append(struct plait__chain *chain, struct plait__piece *p)
{
    p->next = NULL;
    *chain->last_next = p;
    chain->last_next = &p->next;
    chain->tail = p;
    chain->bytes += p->left;
}

static struct plait__piece *new_piece(struct plait__chain *chain, enum piece_kind kind, size_t room)
{
    struct plait__piece *p = plait_mem_resize(chain->budget, NULL, sizeof *p + room);
    if (p) {
        p->kind = kind;
        p->is_lent = false;
        p->left = 0;
    }
    return p;
}

static struct plait__piece *new_copied(struct plait__chain *chain, size_t len)
{
    if (chain->lent_free && len <= chain->lent->copied.cap) {
        chain->lent_free = false;
        chain->lent->kind = COPIED;
        chain->lent->copied.used = 0;
        return chain->lent;
    }
    const size_t cap = len < PIECE_BYTES ? PIECE_BYTES : len;
    struct plait__piece *p = new_piece(chain, COPIED, cap);
    if (p) {
        p->copied.cap = cap;
        p->copied.used = 0;
    }
    return p;
}

plait_err plait__chain_put(struct plait__chain *chain, plait_slice bytes)
{
    struct plait__piece *tail = chain->tail;
    if (bytes.len == 0)
        return PLAIT_OK;
    if (tail && tail->kind == COPIED && tail->copied.cap - tail->copied.used >= bytes.len) {
        memcpy(tail->bytes + tail->copied.used, bytes.ptr, bytes.len);
        tail->copied.used += bytes.len;
        tail->left += bytes.len;
        chain->bytes += bytes.len;
        return PLAIT_OK;
    }
    struct plait__piece *p = new_copied(chain, bytes.len);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(p->bytes, bytes.ptr, bytes.len);
    p->copied.used = bytes.len;
    p->at = p->bytes;
    p->left = bytes.len;
    append(chain, p);
    return PLAIT_OK;
}

plait_err plait__chain_take(struct plait__chain *chain, struct plait_buf *buf)
{
    if (buf->len == 0)
        return PLAIT_OK;
    struct plait__piece *p = new_piece(chain, TAKEN, 0);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->taken = *buf;
    p->at = buf->ptr + buf->at;
    p->left = buf->len;
    plait_buf_init(buf, buf->budget, buf->max);
    append(chain, p);
    return PLAIT_OK;
}

plait_err plait__chain_shared(struct plait__chain *chain, struct plait_shared *shared)
{
    if (shared->len == 0)
        return PLAIT_OK;
    struct plait__piece *p = new_piece(chain, SHARED, 0);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->shared = plait_shared_ref(shared);
    p->at = shared->bytes;
    p->left = shared->len;
    append(chain, p);
    return PLAIT_OK;
}

plait_err plait__chain_file(struct plait__chain *chain, int fd, uint64_t offset, uint64_t bytes, plait_call_fn released,
                            void *ctx)
{
    if (bytes == 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct plait__piece *p = new_piece(chain, FILED, 0);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->file.fd = fd;
    p->file.offset = offset;
    p->file.released = released;
    p->file.ctx = ctx;
    p->left = bytes;
    chain->files++;
    append(chain, p);
    return PLAIT_OK;
}

/* What a piece holds beside itself. */
static void let_go(struct plait__chain *chain, struct plait__piece *p)
{
    switch (p->kind) {
    case TAKEN:
        plait_buf_deinit(&p->taken);
        break;
    case SHARED:
        plait_shared_unref(&p->shared);
        break;
    case FILED:
        chain->files--;
        if (p->file.released)
            p->file.released(p->file.ctx);
        break;
    case COPIED:
        break;
    }
}

static inline void drop_first(struct plait__chain *chain)
{
    struct plait__piece *p = chain->first;
    chain->first = p->next;
    if (!chain->first) {
        chain->last_next = &chain->first;
        chain->tail = NULL;
    }
    chain->bytes -= p->left;
    if (p->is_lent) { /* its bytes are copied ones */
        chain->lent_free = true;
        return;
    }
    let_go(chain, p);
    plait_mem_free(p);
}

void plait__chain_deinit(struct plait__chain *chain)
{
    while (chain->first)
        drop_first(chain);
}

bool plait__chain_is_one(const struct plait__chain *chain, struct iovec *out)
{
    const struct plait__piece *p = chain->first;
    if (!p || p->next || p->kind == FILED)
        return false;
    out->iov_base = (void *)(uintptr_t)p->at;
    out->iov_len = (size_t)p->left;
    return true;
}

size_t plait__chain_gather(const struct plait__chain *chain, struct iovec *iov, size_t max)
{
    size_t n = 0;
    for (const struct plait__piece *p = chain->first; p && p->kind != FILED && n < max; p = p->next) {
        iov[n].iov_base = (void *)(uintptr_t)p->at;
        iov[n].iov_len = (size_t)p->left;
        n++;
    }
    return n;
}

bool plait__chain_front_is_file(const struct plait__chain *chain)
{
    return chain->first && chain->first->kind == FILED;
}

static void tell_file(const struct plait__piece *p, int *fd, uint64_t *offset, uint64_t *bytes)
{
    *fd = p->file.fd;
    *offset = p->file.offset;
    *bytes = p->left;
}

void plait__chain_front_file(const struct plait__chain *chain, int *fd, uint64_t *offset, uint64_t *bytes)
{
    tell_file(chain->first, fd, offset, bytes);
}

void plait__chain_next_file(const struct plait__chain *chain, int *fd, uint64_t *offset, uint64_t *bytes)
{
    const struct plait__piece *p = chain->first;
    while (p->kind != FILED)
        p = p->next;
    tell_file(p, fd, offset, bytes);
}

void plait__chain_consume(struct plait__chain *chain, size_t bytes)
{
    if (bytes == chain->bytes && chain->files == 0) { /* nearly always all of it left */
        plait__chain_deinit(chain);
        return;
    }
    while (bytes > 0 && chain->first) {
        struct plait__piece *p = chain->first;
        const size_t n = bytes < p->left ? bytes : (size_t)p->left;
        if (p->kind == FILED)
            p->file.offset += n;
        else
            p->at += n;
        p->left -= n;
        chain->bytes -= n;
        bytes -= n;
        if (p->left == 0)
            drop_first(chain);
    }
}
