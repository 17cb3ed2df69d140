/* SPDX-License-Identifier: MIT
 *
 * The inside of a deferred, for the engine's own files. Who holds what:
 *
 *   - The producer holds one reference and gives it up by firing, once; also after the consumer has cancelled.
 *   - The consumer holds the other. It ends when the chain has run: when the last callback that was added has returned,
 * when the
 *     result went to who waited for it (a chain, a group, a task), or, for one without callbacks, after ignore or
 * cancel.
 *     One that fired and has no callback keeps its result until one of these happens or the reactor ends.
 *   - The memory goes when both have. The consumer's end comes from the ready list only, so a pointer that a consumer
 * used in this
 *     callback is good until the callback returns.
 */
#ifndef PLAIT_ENGINE_DEFERRED_CORE_H
#define PLAIT_ENGINE_DEFERRED_CORE_H

#include "engine/core.h"

#include <plait/deferred.h>

enum {
    PLAIT__D_PRODUCER = 1 << 0, /* the producer has not fired yet */
    PLAIT__D_CHAIN = 1 << 1,    /* the consumer's reference */
    PLAIT__D_FIRED = 1 << 2,
    PLAIT__D_RUNNING = 1 << 3,  /* the chain's callbacks run */
    PLAIT__D_GIVEN_UP = 1 << 4, /* ignored or cancelled: nobody has to look */
    PLAIT__D_IGNORED = 1 << 5,
    PLAIT__D_CANCELLED = 1 << 6, /* by the consumer */
    PLAIT__D_TIMED_OUT = 1 << 7,
    PLAIT__D_SEEN = 1 << 8,  /* the last callback was called with the result as it is */
    PLAIT__D_CLAIM = 1 << 9, /* value.ptr is a struct plait__claim */
};

enum { PLAIT__D_INLINE = 2 };

struct plait__record {
    plait_result_fn fn;
    void *ctx;
    uint8_t on; /* outcomes for which it runs: PLAIT__ON_VALUE, PLAIT__ON_FAULT */
};

enum { PLAIT__ON_VALUE = 1, PLAIT__ON_FAULT = 2 };

struct plait_deferred {
    struct plait_reactor *reactor;
    const char *name;
    plait_cancel_fn cancel; /* NULL once called */
    void *ctx;
    struct plait_result result;
    struct plait_address *peer; /* what the result's fault borrows; NULL: nothing */
    struct plait_deferred *waits_for; /* this chain stands still until that one's has run */
    struct plait_deferred *waiter;    /* gets this chain's result */
    struct plait__record first[PLAIT__D_INLINE];
    struct plait__record *more; /* records behind the inline ones; NULL: none */
    uint32_t count;             /* records added */
    uint32_t at;                /* records done with */
    uint32_t room;              /* records that fit */
    uint32_t flags;
    struct plait_soon soon; /* runs the chain */
    struct plait_timer deadline;
    struct plait__list live;
};

/* A value that must be told whether somebody saw it: a token of a semaphore, which goes back when nobody did. The
 * deferred fires with value.ptr = the claim and calls `end` once: claimed when the first callback is about to run
 * (which then sees an empty value). */
struct plait__claim {
    void (*end)(struct plait__claim *claim, bool claimed);
    /* Instead of end(claim, true), when not NULL: puts a value or a fault into the empty result. */
    void (*give)(struct plait__claim *claim, struct plait_result *result);
};
void plait__fire_claim(struct plait_deferred *d, struct plait__claim *claim);

/* Makes room for one more record, so that the next plait_then cannot fail. */
plait_err plait__deferred_reserve(struct plait_deferred *d);

/* Takes a callback off again: it will not be called. */
void plait__deferred_forget(struct plait_deferred *d, plait_result_fn fn, void *ctx);

/* Cancels what nobody will look at any more; NULL is allowed. */
void plait__deferred_drop(struct plait_deferred *d);

/* Inside a chain's last callback: takes over the address that the fault names, which the deferred holds. NULL: it names
 * none. Ended with plait_mem_free. */
struct plait_address *plait__deferred_take_peer(struct plait_deferred *d);

void plait__value_destroy(plait_value *value);

#endif
