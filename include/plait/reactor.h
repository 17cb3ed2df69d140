/* SPDX-License-Identifier: MIT
 *
 * The reactor: one loop, one thread, as many as a process wants. Everything else in Plait belongs to a reactor and is
 * called from the thread that runs it; plait_reactor_post alone may be called from anywhere. docs/loop.md holds the
 * laws.
 */
#ifndef PLAIT_REACTOR_H
#define PLAIT_REACTOR_H

#include <plait/log.h>
#include <plait/memory.h>
#include <plait/metrics.h>
#include <plait/time.h>

PLAIT_BEGIN

struct plait_reactor;
struct plait_deferred;
struct plait_sys; /* a table of system calls: the kernel's, or a simulated host's */

/* The zero value is the default of every member. */
struct plait_reactor_options {
    struct plait_sys *sys;                   /* NULL: the kernel */
    const struct plait_allocator *allocator; /* NULL: the C library's */
    size_t memory_max;                       /* bytes for everything of this reactor; 0: 1 GiB */
    const struct plait_log_options *log;     /* NULL: text from PLAIT_LOG_INFO up; no sink: standard error */
    plait_span slow_callback;                /* a callback that runs longer is logged by name; 0: 50 ms */
    size_t connections_max;                  /* accepted connections of all listeners; 0: 15,000 */
    bool own_signals;                        /* this reactor owns the process's signals (one a process) */
    unsigned threads_max;                    /* threads of the pool; 0: 4 a lane */
    void *reserved[8];
};

/** Makes a reactor with nothing registered in it: no resolver, endpoint kinds or services; see plait_new for one with
 * everything. `options` may be NULL. Returns NULL when there is no memory or no descriptor. Ownership: the caller's,
 * ended with plait_reactor_free. */
PLAIT_API struct plait_reactor *plait_reactor_new(const struct plait_reactor_options *options) PLAIT_MUST;

/** Makes a reactor as most programs want it: it owns the signals, SIGINT and SIGTERM drain it, and every resolver,
 * endpoint kind and URL scheme of this library is registered. Returns NULL as plait_reactor_new does. Ownership: the
 * caller's. */
PLAIT_API struct plait_reactor *plait_new(void) PLAIT_MUST;

/** As plait_new, with options (may be NULL), of which own_signals is always set. Returns NULL as plait_reactor_new
 * does. Ownership: the caller's. */
PLAIT_API struct plait_reactor *plait_new_with(const struct plait_reactor_options *options) PLAIT_MUST;

/** Registers in a reactor what plait_new registers: the system's resolver unless one is set, every endpoint kind, and
 * signals that drain it (it must own them). Errors: PLAIT_ENOMEM, PLAIT_EDESCRIPTORS, PLAIT_ESTATE (no owner of the
 * signals); what was registered by then stays. */
PLAIT_API plait_err plait_assemble(struct plait_reactor *reactor) PLAIT_MUST;

/** Ends a reactor: aborts its streams, fails its operations with PLAIT_ECANCELLED, delivers what that fires, frees the
 * rest. Takes NULL and leaves NULL. Callbacks: `lost` of every stream and the last deferreds run inside this call. */
PLAIT_API void plait_reactor_free(struct plait_reactor **reactor);

/** Runs turns until plait_reactor_stop, a finished drain or a service that could not start.
 * Errors: the first service's failure, PLAIT_EIO when waiting for events fails, PLAIT_ESTATE inside a callback. */
PLAIT_API plait_err plait_reactor_run(struct plait_reactor *reactor) PLAIT_MUST;

/** Runs turns until a deferred fires, and takes its result. Errors: the deferred's; PLAIT_ENOMEM for NULL;
 * PLAIT_ECANCELLED when the reactor stops first. Ownership: the value is destroyed unless `value` is given, which then
 * owns it. */
struct plait_value;
PLAIT_API plait_err plait_reactor_run_until(struct plait_reactor *reactor, struct plait_deferred *deferred,
                                            struct plait_value *value) PLAIT_MUST;

/** Runs one turn, waiting at most `wait` for something to do (0: not at all). Errors: as plait_reactor_run.
 * Callbacks: everything that is due runs inside this call. */
PLAIT_API plait_err plait_reactor_step(struct plait_reactor *reactor, plait_span wait) PLAIT_MUST;

/** Makes plait_reactor_run return at the end of this turn. */
PLAIT_API void plait_reactor_stop(struct plait_reactor *reactor);

/** Descriptor that is readable when a turn has something to do, for use in another loop. */
PLAIT_API int plait_reactor_fd(const struct plait_reactor *reactor);

/** How long another loop may wait before it must call plait_reactor_step: 0 for at once, PLAIT_NEVER. */
PLAIT_API plait_span plait_reactor_next_timeout(const struct plait_reactor *reactor);

/** Time on the monotonic clock: the current turn's, which is read once a turn, or between turns the present. */
PLAIT_API plait_time plait_now(const struct plait_reactor *reactor);

/** Wall clock: seconds and nanoseconds since 1970. For stamps only, never for timing. */
PLAIT_API void plait_wall_clock(struct plait_reactor *reactor, int64_t *seconds, uint32_t *nanoseconds);

/** Fills memory with random bytes fit for secrets. Errors: PLAIT_EIO. */
PLAIT_API plait_err plait_random_bytes(struct plait_reactor *reactor, void *out, size_t bytes) PLAIT_MUST;

/** Random number for jitter and spreading, not for secrets. */
PLAIT_API uint64_t plait_random_u64(struct plait_reactor *reactor);

/** Log of a reactor. Ownership: borrowed from the reactor. */
PLAIT_API struct plait_log *plait_reactor_log(struct plait_reactor *reactor);

/** Metrics of a reactor. Ownership: borrowed from the reactor. */
PLAIT_API struct plait_metrics *plait_reactor_metrics(struct plait_reactor *reactor);

/** Root of a reactor's memory budgets. Ownership: borrowed from the reactor. */
PLAIT_API struct plait_budget *plait_reactor_budget(struct plait_reactor *reactor);

/* What still goes on in a reactor. */
struct plait_reactor_left {
    size_t streams, deferreds, tasks;
    size_t jobs;       /* of the pool */
    size_t timers;     /* that run, but for those that the reactor and its listeners keep for themselves */
    const char *timer; /* name of one of them, or NULL */
    void *reserved[4];
};

/** Looks at what still goes on in a reactor: for tests that want to know whether a program left something behind. */
PLAIT_API void plait_reactor_look(const struct plait_reactor *reactor, struct plait_reactor_left *out);

/** Exit status of a main program: 0 for PLAIT_OK, else 1 after one sentence on standard error. */
PLAIT_API int plait_main_status(plait_err err);

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* A timer is embedded in its owner. The members are the wheel's. */
struct plait_timer {
    struct plait_timer *next;
    struct plait_timer **prev;
    struct plait_reactor *reactor;
    plait_time due;   /* when it is to fire; PLAIT_NEVER when stopped */
    plait_time filed; /* where it stands in the wheel: never later than due */
    plait_call_fn fn;
    void *ctx;
    const char *name; /* static; named in the log when slow */
};

/** Makes a timer that is not running. `name` is static. Callbacks: `fn` runs once in a later turn for each time it is
 * armed. Ownership: the caller's memory; stop it before it goes. */
PLAIT_API void plait_timer_init(struct plait_timer *timer, struct plait_reactor *reactor, const char *name,
                                plait_call_fn fn, void *ctx);

/** Arms a timer to fire `after` from plait_now, never early and at most a millisecond late by its own doing; one that
 * runs is moved. Never allocates. */
PLAIT_API void plait_timer_arm(struct plait_timer *timer, plait_span after);

/** Arms a timer to fire at a time. Never allocates. */
PLAIT_API void plait_timer_arm_at(struct plait_timer *timer, plait_time due);

/** Stops a timer; one that does not run is left alone. */
PLAIT_API void plait_timer_stop(struct plait_timer *timer);

/** Whether a timer runs. */
static inline bool plait_timer_runs(const struct plait_timer *timer)
{
    return timer->due != PLAIT_NEVER;
}

/* --- calls for later ---------------------------------------------------------------------------------------------- */

/* A call on the ready list, embedded in its owner. The members are the reactor's. */
struct plait_soon {
    struct plait_soon *next;
    struct plait_soon **prev;
    struct plait_reactor *reactor;
    plait_call_fn fn;
    void *ctx;
    const char *name;
};

/** Makes a call that is not queued. `name` is static. Callbacks: `fn` runs once, later in the same turn or in the next,
 * for each time it is queued. Ownership: the caller's memory; take it off before it goes. */
PLAIT_API void plait_soon_init(struct plait_soon *soon, struct plait_reactor *reactor, const char *name,
                               plait_call_fn fn, void *ctx);

/** Queues a call at the end of the ready list; one that is queued stays where it is. Never allocates. */
PLAIT_API void plait_soon_queue(struct plait_soon *soon);

/** Takes a call off the ready list. */
PLAIT_API void plait_soon_cancel(struct plait_soon *soon);

/** Has `fn` called in the reactor's thread; the one function that other threads may call. Errors: PLAIT_ENOMEM,
 * PLAIT_EDRAINING once the reactor is being freed. Callbacks: `fn` runs in a later turn, in the order of posting. */
PLAIT_API plait_err plait_reactor_post(struct plait_reactor *reactor, const char *name, plait_call_fn fn, void *ctx)
    PLAIT_MUST;

/* --- signals and foreign descriptors ------------------------------------------------------------------------------ */

typedef void (*plait_signal_fn)(int signo, void *ctx);

/** Has a signal delivered to a reactor that owns the signals; NULL takes the handler off. Errors: PLAIT_ESTATE (not the
 * owner), PLAIT_EINVAL (a signal that cannot be caught), PLAIT_EIO. Callbacks: in a later turn, never in signal
 * context. */
PLAIT_API plait_err plait_on_signal(struct plait_reactor *reactor, int signo, plait_signal_fn fn, void *ctx) PLAIT_MUST;

struct plait_watch;
enum { PLAIT_READABLE = 1, PLAIT_WRITABLE = 2, PLAIT_BROKEN = 4 };
typedef void (*plait_watch_fn)(struct plait_watch *watch, unsigned events, void *ctx);

/** Watches a descriptor that somebody else owns, level-triggered. `events` is PLAIT_READABLE, PLAIT_WRITABLE or both.
 * Errors: PLAIT_ENOMEM, PLAIT_EINVAL (not a descriptor that can be watched), PLAIT_EIO. Ownership: `*out` is the
 * caller's, ended with plait_watch_free before the descriptor is closed. Callbacks: in later turns; PLAIT_BROKEN is
 * told without asking. */
PLAIT_API plait_err plait_watch_new(struct plait_reactor *reactor, int fd, unsigned events, plait_watch_fn fn,
                                    void *ctx, struct plait_watch **out) PLAIT_MUST;

/** Changes what is watched; 0 for nothing. Errors: PLAIT_EIO. */
PLAIT_API plait_err plait_watch_set(struct plait_watch *watch, unsigned events) PLAIT_MUST;

/** Ends watching; takes NULL and leaves NULL. */
PLAIT_API void plait_watch_free(struct plait_watch **watch);

PLAIT_END
#endif
