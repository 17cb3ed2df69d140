/* SPDX-License-Identifier: MIT
 *
 * The inside of a reactor, for the engine's own files. Rooms above the engine use the public headers.
 *
 * A turn (reactor.c): wait and completions (io) → posted calls → due timers → the ready list (what was queued when it
 * began, and what that queues, up to a bound) → streams with gathered output are flushed → memory of what ended is
 * released.
 */
#ifndef PLAIT_ENGINE_CORE_H
#define PLAIT_ENGINE_CORE_H

#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/slab.h"
#include "engine/io.h"
#include "engine/sys.h"

#include <plait/endpoint.h>
#include <plait/listen.h>
#include <plait/log.h>
#include <plait/metrics.h>
#include <plait/reactor.h>
#include <plait/resolve.h>

#include <pthread.h>

struct plait__pool;    /* pool.c */
struct plait__signals; /* signals.c */
struct plait__posts;   /* post.c */
struct plait__wheel;   /* wheel.c */
struct plait__drain;   /* drain.c */

/* Numbers that are always counted. Times in nanoseconds. */
struct plait__counts {
    struct plait_metric turns, callbacks, slow_callbacks, streams, accepted, accept_errors, refused_limit, ready_depth,
        memory, received, sent;
    struct plait_metric m_lag, m_callback;
    struct plait_histogram lag, callback;
};

/* Something that ends with its reactor: registered, called in reverse order by plait_reactor_free. */
struct plait__module {
    struct plait__list link;
    void (*stop)(struct plait__module *module);    /* streams still work: cancel, abort */
    void (*release)(struct plait__module *module); /* nothing runs any more: free */
};

struct plait_reactor {
    struct plait_sys *sys;
    struct plait__io *io;
    struct plait_log *log;
    struct plait_metrics *metrics;
    struct plait_budget budget;
    struct plait__random random; /* jitter; seeded from getrandom */
    uint8_t hash_key[16];        /* tables keyed by peers' bytes */
    plait_time now;              /* of the turn; stands still between turns, when plait_now looks at the clock */
    plait_time callback_began;   /* clock at the start of the running callback */
    plait_span slow_callback;
    bool running, stopping, in_turn, freeing;
    pthread_t thread; /* that takes the turn */
    bool own_signals;
    plait_err failed; /* what makes run return: a service that could not start */

    struct plait__wheel *wheel;
    struct plait_soon *soon_first, **soon_last; /* the ready list */
    size_t soon_count;
    struct plait__posts *posts;
    struct plait__signals *signals;
    struct plait__pool *pool;
    unsigned threads_max;

    struct plait__list streams;               /* all but those that linger */
    struct plait__list lingering;             /* in the order in which their time ends */
    struct plait_stream *dirty, **dirty_last; /* streams with gathered output or pending callbacks */
    struct plait_stream *graves;              /* streams to release at the turn's end */
    struct plait__slab fd_streams, outs;
    struct plait__out *spare_out; /* made and empty, for who writes next */
    struct plait_timer linger;    /* looks at closing streams now and then */
    uint64_t next_stream_id;
    size_t stream_count;
    struct plait__slab deferreds;      /* deferred.c */
    struct plait__list live_deferreds; /* all of them, in the order of their making */
    struct plait__tasks *tasks;        /* task.c: NULL before the first task */
    struct plait__coop *coop;          /* looping.c: NULL before the first piece of work */

    struct plait__list listeners; /* listen.c */
    struct plait__list tallies;   /* service.c: struct plait__tally */
    size_t connections, connections_max;
    int spare_fd;             /* held open for descriptor exhaustion; -1: none */
    bool accept_paused;       /* a listener waits for a descriptor */
    bool memory_low;          /* pressure.c: nobody accepts */
    bool memory_stopped;      /* pressure.c: some connections are not read */
    plait_time memory_acted;  /* when pressure.c last stopped or ended a connection */
    plait_time accept_logged; /* listen_accept.c: at most a line a second */

    struct plait_resolver resolver;
    struct plait_endpoint_kind *kinds;
    struct plait__drain *drain;
    struct plait__list modules;
    struct plait__counts counts;
    void *assembly; /* what plait_new keeps */
};

/* Whether this thread may call a reactor: during a turn, only the one that takes it. Debug builds assert it wherever
 * users come in; plait_reactor_post alone may be called from anywhere. */
static inline bool plait__own_thread(const struct plait_reactor *r)
{
    return !r->in_turn || pthread_equal(r->thread, pthread_self());
}

/* Registers something that ends with the reactor. */
void plait__module_add(struct plait_reactor *r, struct plait__module *module);
void plait__module_remove(struct plait__module *module);

/* The io engine tells that the wait is over: reads the clock, counts the lag. */
void plait__reactor_woke(struct plait_reactor *r);

/* Something to do was queued: whoever gives the reactor its turns is told, unless it is in one. */
void plait__reactor_touch(const struct plait_reactor *r);

/* One turn while the reactor is being freed. */
void plait__reactor_last_turn(struct plait_reactor *r);

/* soon.c: runs the ready list. */
void plait__soon_run(struct plait_reactor *r);

/* Brackets of every callback that the reactor makes: counts its time, names it when slow. */
void plait__callback_begin(struct plait_reactor *r);
void plait__callback_end(struct plait_reactor *r, const char *name);

/* Log shortcuts: room "engine". `fields` as in plait_log_event. */
void plait__warn(struct plait_reactor *r, const char *event, const char *text, const struct plait_field *fields);

/* Time that is `span` after `now`; a time beyond all times never comes. */
static inline plait_time plait__later(plait_time now, plait_span span)
{
    return span >= PLAIT_NEVER - now ? PLAIT_NEVER : now + span;
}

/* wheel.c: the timer wheel. */
struct plait__wheel *plait__wheel_new(struct plait_reactor *r);
void plait__wheel_free(struct plait__wheel **wheel);
/* Time of the next step that the wheel must take (a lower bound of the next firing), or PLAIT_NEVER. */
plait_time plait__wheel_next(const struct plait__wheel *wheel);
/* Shows every timer in the wheel; those that were stopped have `due` PLAIT_NEVER. */
void plait__wheel_each(const struct plait__wheel *wheel, void (*fn)(const struct plait_timer *timer, void *ctx),
                       void *ctx);
/* Fires what is due at r->now. */
void plait__wheel_run(struct plait__wheel *wheel);

/* post.c */
struct plait__posts *plait__posts_new(struct plait_reactor *r);
void plait__posts_free(struct plait__posts **posts);
void plait__posts_run(struct plait__posts *posts);
bool plait__posts_waiting(struct plait__posts *posts);
/* Wakes the loop from any thread. */
void plait__posts_wake(struct plait__posts *posts);
/* A post without allocation: the record is the caller's until fn runs. Safe from any thread. */
struct plait__post {
    struct plait__post *next;
    plait_call_fn fn;
    void *ctx;
    const char *name;
    bool owned; /* allocated by plait_reactor_post */
};
void plait__post_record(struct plait__posts *posts, struct plait__post *post);

/* Other threads get PLAIT_EDRAINING from plait_reactor_post from now on; records are still taken. */
void plait__posts_close(struct plait__posts *posts);

/* deferred.c. A reactor that ends: cancels every deferred that has not fired (true: there was one; call it again after
 * running what is ready, since callbacks may start new operations), and at last destroys what is left, values of
 * unclaimed ones among them. */
void plait__deferreds_init(struct plait_reactor *r);
bool plait__deferreds_cancel_all(struct plait_reactor *r);
void plait__deferreds_deinit(struct plait_reactor *r);

/* signals.c */
void plait__signals_free(struct plait__signals **signals);
/* Keeps SIGPIPE from killing the process that writes to a pipe: blocked in this thread from now on. */
void plait__block_sigpipe(struct plait_reactor *r);
/* Signal mask that children and pool threads start with is empty and full respectively. */

/* pool.c */
void plait__pool_free(struct plait__pool **pool);
/* Jobs that run in pool threads or wait for one. */
size_t plait__pool_busy(const struct plait__pool *pool);
/* How long a thread without work stays, and the stack of those made from now on (0: the C library's choice). */
void plait__pool_tune(struct plait__pool *pool, plait_span idle, size_t stack_bytes);

/* stream.c: one turn's work on dirty streams, and on graves. */
void plait__streams_init(struct plait_reactor *r);
void plait__streams_deinit(struct plait_reactor *r);
void plait__streams_flush(struct plait_reactor *r);
void plait__streams_release(struct plait_reactor *r);
void plait__streams_abort_all(struct plait_reactor *r, plait_err err);

/* listen.c */
void plait__listeners_close_all(struct plait_reactor *r);
/* A descriptor was closed: listeners that ran out of descriptors may try again. */
void plait__listeners_retry(struct plait_reactor *r);

/* pressure.c: looks at the reactor's memory at the turn's end. */
void plait__pressure_look(struct plait_reactor *r);

/* drain.c */
void plait__drain_stream_gone(struct plait_reactor *r);
void plait__drain_free(struct plait__drain **drain);

/* notify.c: service manager. Starts READY and the watchdog for a reactor that owns the signals; stop tells STOPPING. */
void plait__notify_ready(struct plait_reactor *r);
void plait__notify_stopping(struct plait_reactor *r);

#endif
