/* SPDX-License-Identifier: MIT
 *
 * Two streams joined in memory. What one writes the other receives in a later step of the loop, as much at a time as it
 * wants: a pair has the backpressure, the half-close and the order of callbacks of a socket, without one.
 *
 * Invariant: the two ends are one allocation, freed when both streams are; an end that is gone is never told anything.
 * Test: tests/engine/test_carriers.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

enum { WINDOW = 16 * 1024 };

struct pair_end {
    struct plait_stream s;
    struct plait__carrier c;
    struct pair *pair;
    struct pair_end *other;
    struct plait_soon soon;
    size_t want;
    uint64_t received, sent;
    bool blocked;    /* our output waits for the other end, or for its step */
    bool delivering; /* our step runs: output may go over */
    bool shut;       /* we said all */
    bool end_told;   /* we were told that the other said all */
    bool reset;      /* the other end aborted */
    bool closing, gone;
};

struct pair {
    struct pair_end end[2];
    int left;
};

static struct pair_end *end_of(struct plait__carrier *c)
{
    return plait__container(c, struct pair_end, c);
}

static void look_at(struct pair_end *e)
{
    if (!e->gone)
        plait_soon_queue(&e->soon);
}

static void tell_reset(struct pair_end *e, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, err == PLAIT_ERESET ? "receive" : "send");
    e->reset = false;
    e->blocked = false;
    e->c.up_ops->failed(e->c.up, &fault);
}

/* The later step: in this order, what came, the end, room, the end of all. */
static void step(void *ctx)
{
    struct pair_end *e = ctx;
    struct pair_end *other = e->other;
    if (e->closing) {
        e->gone = true;
        e->c.up_ops->closed(e->c.up);
        return;
    }
    if (e->reset) {
        tell_reset(e, PLAIT_ERESET);
    } else if (e->blocked && (other->closing || other->gone)) {
        tell_reset(e, PLAIT_EPIPE);
    } else if (e->blocked && other->want > 0) {
        e->blocked = false;
        e->delivering = true;
        e->c.up_ops->writable(e->c.up);
        e->delivering = false;
    }
    if (!e->closing && other->shut && !e->end_told && e->want > 0) {
        e->end_told = true;
        e->c.up_ops->input_end(e->c.up);
    }
}

static void want_input(struct plait__carrier *c, size_t max)
{
    struct pair_end *e = end_of(c);
    e->want = max;
    if (max > 0) {
        look_at(e->other);
        look_at(e);
    }
}

/* Lends the other end a piece of the chain's front. The piece is the chain's no more: what the other end does with it
 * may write to this one, flush it, or end it. */
static void hand_over(struct pair_end *e, struct plait__chain *chain, const struct iovec *front)
{
    struct pair_end *other = e->other;
    uint8_t piece[WINDOW] __attribute__((uninitialized)); /* on the loop's own stack */
    size_t n = front->iov_len < other->want ? front->iov_len : other->want;
    if (n > sizeof piece)
        n = sizeof piece;
    memcpy(piece, front->iov_base, n);
    plait__chain_consume(chain, n);
    e->sent += n;
    other->received += n;
    e->delivering = false;
    other->c.up_ops->input(other->c.up, piece, n);
    e->delivering = true;
}

/* Bytes go over in the sender's own step only: a flush may stand inside a call of the user's, and two ends that answer
 * each other must not call each other ever deeper. */
static plait_err output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct pair_end *e = end_of(c);
    struct pair_end *other = e->other;
    struct iovec iov;
    while (e->delivering && !plait__chain_empty(chain) && other->want > 0 && !other->closing && !other->gone) {
        if (plait__chain_gather(chain, &iov, 1) == 0)
            return PLAIT_OK; /* a file: it must be loaded first */
        hand_over(e, chain, &iov);
        if (e->closing)
            return PLAIT_OK; /* the chain is gone */
    }
    if (!plait__chain_empty(chain)) {
        e->blocked = true;
        if (other->want > 0 || other->closing || other->gone)
            look_at(e);
    }
    return PLAIT_OK;
}

static void shut(struct plait__carrier *c)
{
    struct pair_end *e = end_of(c);
    e->shut = true;
    look_at(e->other);
}

static void close_it(struct plait__carrier *c, bool abort)
{
    struct pair_end *e = end_of(c);
    const bool said_all = e->shut && e->end_told;
    e->closing = true;
    e->shut = true;
    e->want = 0;
    if (abort && !said_all)
        e->other->reset = true;
    look_at(e->other);
    look_at(e);
}

static void no_address(struct plait__carrier *c, struct plait_address *out)
{
    (void)c;
    *out = (struct plait_address){.kind = PLAIT_ADDR_NONE};
}

static void counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    *in = end_of(c)->received;
    *out = end_of(c)->sent;
}

static const struct plait__carrier_ops pair_ops = {
    .name = "pair",
    .want_input = want_input,
    .output = output,
    .shut = shut,
    .close = close_it,
    .peer = no_address,
    .local = no_address,
    .counts = counts,
};

void plait__pair_stream_release(struct plait_stream *s)
{
    struct pair_end *e = plait__container(s, struct pair_end, s);
    plait_soon_cancel(&e->soon);
    if (--e->pair->left == 0)
        plait_mem_free(e->pair);
}

plait_err plait_pair_new(struct plait_reactor *reactor, struct plait_stream **a, struct plait_stream **b)
{
    struct pair *pair = plait_mem_new(&reactor->budget, sizeof *pair);
    if (!pair)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    pair->left = 2;
    for (int i = 0; i < 2; i++) {
        struct pair_end *e = &pair->end[i];
        e->pair = pair;
        e->other = &pair->end[1 - i];
        e->c.ops = &pair_ops;
        plait_soon_init(&e->soon, reactor, "pair", step, e);
        plait__stream_init(reactor, &e->s, &e->c, PLAIT__MEM_PAIR);
    }
    *a = &pair->end[0].s;
    *b = &pair->end[1].s;
    return PLAIT_OK;
}
