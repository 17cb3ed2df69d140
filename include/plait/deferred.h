/* SPDX-License-Identifier: MIT
 *
 * A deferred stands for one result to come: a value or a fault. Callbacks are added as a chain; each sees the result
 * and may change it, take its value, or make the chain wait for another deferred. Firing only queues; the chain runs
 * later in the turn.
 *
 * How long a pointer is good: who makes the result fires exactly once, also after a cancelling, and lets go by that.
 * Who wants the result may use the pointer until the last callback that was added has returned; without a callback,
 * until ignoring or cancelling (the end of the callback in which that is done). One that has fired and has neither
 * keeps its result for whoever comes. A fault that is left when the chain ends is logged, unless the last callback was
 * called with it, or it is the end of a cancelling.
 *
 * NULL stands for a deferred that could not be created: every function here takes it as one that failed with
 * PLAIT_ENOMEM.
 */
#ifndef PLAIT_DEFERRED_H
#define PLAIT_DEFERRED_H

#include <plait/reactor.h>

PLAIT_BEGIN

typedef void (*plait_destroy_fn)(void *ptr);

/* A value carries its destructor. Whoever takes it owns it; what nobody takes is destroyed. */
typedef struct plait_value {
    void *ptr;
    int64_t num;
    plait_destroy_fn destroy; /* for ptr; NULL when there is nothing to destroy */
} plait_value;

/* What a chain carries. A callback owns none of it: it reads, takes with plait_result_take, or changes it. */
struct plait_result {
    plait_value value;
    struct plait_fault fault;    /* err PLAIT_OK: the value counts */
    struct plait_deferred *wait; /* set through plait_result_wait */
};

typedef void (*plait_result_fn)(struct plait_result *result, void *ctx);
typedef void (*plait_cancel_fn)(struct plait_deferred *deferred, void *ctx);

/** Makes a deferred that has not fired. `cancel` (may be NULL) is how to stop the operation: it must see to it that the
 * deferred is fired. Returns NULL when there is no memory. Errors: the producer's. Ownership: one reference, the
 * producer's, given up by firing it; the consumer who gets the pointer uses it until the chain has run or
 * plait_deferred_cancel. Callbacks: `cancel` at most once, inside plait_deferred_cancel. */
PLAIT_API struct plait_deferred *plait_deferred_new(struct plait_reactor *reactor, const char *name,
                                                    plait_cancel_fn cancel, void *ctx) PLAIT_MUST;

/** Makes a deferred that has fired with a value. Ownership: the value is taken, and destroyed when this returns
 * NULL. Errors: none. */
PLAIT_API struct plait_deferred *plait_deferred_succeed(struct plait_reactor *reactor, plait_value value) PLAIT_MUST;

/** Makes a deferred that has fired with a fault. Returns NULL when there is no memory. Ownership: as
 * plait_deferred_new. Errors: the fault's. */
PLAIT_API struct plait_deferred *plait_deferred_fail(struct plait_reactor *reactor, struct plait_fault fault)
    PLAIT_MUST;

/** Fires with a value; the second firing is ignored but for destroying the value, so that a cancelled operation may
 * finish late. Never allocates. Ownership: the value is taken. Callbacks: the chain runs later in the turn. */
PLAIT_API void plait_fire(struct plait_deferred *deferred, plait_value value);

/** Fires with a fault. Never allocates. Callbacks: the chain runs later in the turn. */
PLAIT_API void plait_fire_fault(struct plait_deferred *deferred, struct plait_fault fault);

/** Value made of a pointer and its destructor (NULL for none). Ownership: goes with the value. */
static inline plait_value plait_value_ptr(void *ptr, plait_destroy_fn destroy)
{
    plait_value v = {ptr, 0, destroy};
    return v;
}

/** Value made of a number. */
static inline plait_value plait_value_num(int64_t num)
{
    plait_value v = {NULL, num, NULL};
    return v;
}

/** Adds a callback for both outcomes at the end of the chain. Errors: PLAIT_ENOMEM (also for NULL): then `fn` never
 * runs and the chain is as it was. Callbacks: `fn` once, later in the turn in which its turn in the chain comes. */
PLAIT_API plait_err plait_then(struct plait_deferred *deferred, plait_result_fn fn, void *ctx) PLAIT_MUST;

/** Adds a callback that runs for a value only; a fault passes by. Errors and callbacks: as plait_then. */
PLAIT_API plait_err plait_then_ok(struct plait_deferred *deferred, plait_result_fn fn, void *ctx) PLAIT_MUST;

/** Adds a callback that runs for a fault only; setting result->fault.err to PLAIT_OK handles it. Errors and callbacks:
 * as plait_then. */
PLAIT_API plait_err plait_then_fault(struct plait_deferred *deferred, plait_result_fn fn, void *ctx) PLAIT_MUST;

/** Takes the value out of a result. Ownership: the caller's from now on. */
PLAIT_API plait_value plait_result_take(struct plait_result *result);

/** Puts a value into a result and clears its fault; the old value is destroyed. Ownership: the value is taken. */
PLAIT_API void plait_result_set(struct plait_result *result, plait_value value);

/** Puts a fault into a result; the value is destroyed. */
PLAIT_API void plait_result_fail(struct plait_result *result, struct plait_fault fault);

/** Makes the chain wait for another deferred and go on with its result; NULL fails it with PLAIT_ENOMEM.
 * Ownership: the other deferred is consumed; cancelling the chain cancels it. */
PLAIT_API void plait_result_wait(struct plait_result *result, struct plait_deferred *other);

/** Asks for the end: the operation is cancelled, and the chain sees PLAIT_ECANCELLED unless the producer fires
 * something better. One that has fired is left alone, one that waits for another passes it on. Never allocates; NULL is
 * allowed. */
PLAIT_API void plait_deferred_cancel(struct plait_deferred *deferred);

/** Cancels when not fired after `after`; the chain then sees PLAIT_ETIMEDOUT. The last call counts; PLAIT_NEVER takes
 * it off. */
PLAIT_API void plait_deferred_deadline(struct plait_deferred *deferred, plait_span after);

/** Says that nobody is interested: cancels nothing, destroys the value, does not log a fault. NULL is allowed. */
PLAIT_API void plait_deferred_ignore(struct plait_deferred *deferred);

/** Whether it has fired. NULL has. */
PLAIT_API bool plait_deferred_fired(const struct plait_deferred *deferred);

/* --- several ------------------------------------------------------------------------------------------------------ */

/* Value of plait_all and plait_settled: results in the order of the deferreds. */
struct plait_results {
    size_t count;
    struct plait_result *result;
};

/** Fires with struct plait_results (value.ptr) when all have a value; with the first fault, after cancelling the rest.
 * Returns NULL when there is no memory; then all of them are cancelled and ignored. Ownership: the deferreds are
 * consumed. Errors: the first one's. */
PLAIT_API struct plait_deferred *plait_all(struct plait_reactor *reactor, struct plait_deferred *const *deferreds,
                                           size_t count) PLAIT_MUST;

/** Fires with struct plait_results when all have fired, faults among them. Ownership and NULL: as plait_all; the
 * addresses that faults name live as long as the results. Errors: none. */
PLAIT_API struct plait_deferred *plait_settled(struct plait_reactor *reactor, struct plait_deferred *const *deferreds,
                                               size_t count) PLAIT_MUST;

/** Fires with the first value and cancels the rest; with the last fault when none gives a value. Ownership and NULL: as
 * plait_all. Errors: the last one's; PLAIT_EINVAL for a count of 0. */
PLAIT_API struct plait_deferred *plait_any(struct plait_reactor *reactor, struct plait_deferred *const *deferreds,
                                           size_t count) PLAIT_MUST;

/** Fires as the first of them fires, with a value or a fault, and cancels the rest. Ownership and NULL: as plait_all.
 * Errors: the first one's; PLAIT_EINVAL for a count of 0. */
PLAIT_API struct plait_deferred *plait_race(struct plait_reactor *reactor, struct plait_deferred *const *deferreds,
                                            size_t count) PLAIT_MUST;

/** Fires with an empty value after a span. Errors: PLAIT_ECANCELLED. Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_after(struct plait_reactor *reactor, plait_span after) PLAIT_MUST;

/* --- waiting in line ---------------------------------------------------------------------------------------------- */

struct plait_semaphore;

/** Makes a semaphore of `tokens` tokens; one token makes a lock. Ownership: the caller's, ended with
 * plait_semaphore_free. */
PLAIT_API struct plait_semaphore *plait_semaphore_new(struct plait_reactor *reactor, size_t tokens) PLAIT_MUST;

/** Ends a semaphore; who waits gets PLAIT_ECANCELLED. Takes NULL and leaves NULL. */
PLAIT_API void plait_semaphore_free(struct plait_semaphore **semaphore);

/** Fires when a token is the caller's, in the order of asking. Errors: PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new; the token is given back with plait_release. */
PLAIT_API struct plait_deferred *plait_acquire(struct plait_semaphore *semaphore) PLAIT_MUST;

/** Gives a token back. Never allocates. */
PLAIT_API void plait_release(struct plait_semaphore *semaphore);

struct plait_queue;

/** Makes a queue of values that holds at most `size` and lets at most `waiting` wait for one (0 of either: 1024).
 * Ownership: the caller's, ended with plait_queue_free. */
PLAIT_API struct plait_queue *plait_queue_new(struct plait_reactor *reactor, size_t size, size_t waiting) PLAIT_MUST;

/** Ends a queue; its values are destroyed, who waits gets PLAIT_ECANCELLED. Takes NULL and leaves NULL. */
PLAIT_API void plait_queue_free(struct plait_queue **queue);

/** Puts a value in. Errors: PLAIT_ELIMIT (full), PLAIT_ENOMEM; then the value stays the caller's. Ownership: the value
 * is taken. */
PLAIT_API plait_err plait_queue_put(struct plait_queue *queue, plait_value value) PLAIT_MUST;

/** Fires with the next value. Errors: PLAIT_ELIMIT (too many wait), PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_queue_get(struct plait_queue *queue) PLAIT_MUST;

/* --- again and again ---------------------------------------------------------------------------------------------- */

struct plait_looping;

/* One round; `missed` is how many rounds fell due since the last one and were left out. May return a deferred to wait
 * for before the next round, or NULL for none. A round ends the call by plait_looping_stop. */
typedef struct plait_deferred *(*plait_looping_fn)(uint64_t missed, void *ctx);

/** Calls `fn` every `every`, on the beat of the start, never twice at once. Ownership: the caller's, ended with
 * plait_looping_stop. Callbacks: `fn` in later turns; the first at once when `now`, else after one span. A round's
 * fault ends the loop and is logged. */
PLAIT_API struct plait_looping *plait_looping_start(struct plait_reactor *reactor, plait_span every, bool now,
                                                    plait_looping_fn fn, void *ctx) PLAIT_MUST;

/** Ends a looping call; takes NULL and leaves NULL. Safe inside a round. */
PLAIT_API void plait_looping_stop(struct plait_looping **looping);

/* One slice of work; returns PLAIT_EAGAIN for more, PLAIT_OK when done, else how it failed. */
typedef plait_err (*plait_slice_fn)(void *ctx);

/** Runs a long piece of work in slices between other things, a slice a turn, several when they are short (10 ms a turn
 * in all). Fires when it is done. Errors: the slice's own, PLAIT_ECANCELLED. Ownership: as plait_deferred_new.
 * Callbacks: `fn` in later turns. */
PLAIT_API struct plait_deferred *plait_cooperate(struct plait_reactor *reactor, const char *name, plait_slice_fn fn,
                                                 void *ctx) PLAIT_MUST;

PLAIT_END
#endif
