/* SPDX-License-Identifier: MIT
 *
 * Supervision: programs under names that are kept running. One that ends is started again, at once when it ran for a
 * while, after a growing delay when it didn't. What a program says goes to the log, line by line.
 */
#ifndef PLAIT_SUPERVISE_H
#define PLAIT_SUPERVISE_H

#include <plait/process.h>

PLAIT_BEGIN

struct plait_supervisor;

enum plait_supervised_state {
    PLAIT_SUPERVISED_STOPPED,  /* and is not started again */
    PLAIT_SUPERVISED_STARTING, /* later in this turn or in the next */
    PLAIT_SUPERVISED_RUNNING,
    PLAIT_SUPERVISED_STOPPING, /* was told to end */
    PLAIT_SUPERVISED_WAITING   /* ended early, or could not be started: starts after a delay */
};

/* What one program does. */
struct plait_supervised_view {
    const char *name; /* borrowed from the supervisor */
    enum plait_supervised_state state;
    int pid;          /* 0: no process */
    int status;       /* how it ended last, as plait_process_exit tells; 0 before that */
    uint64_t starts;  /* so far */
    plait_span delay; /* until the next start when it is WAITING, as it was when that began; else 0 */
    void *reserved[4];
};

typedef void (*plait_supervised_fn)(const struct plait_supervised_view *view, void *ctx);

/* The zero value of every member is its default. */
struct plait_supervisor_options {
    plait_span threshold;  /* one that ran for less has ended early; 1 s */
    plait_span kill_after; /* from SIGTERM to SIGKILL; 5 s */
    plait_span delay_min;  /* before the start that follows the first early end; doubles with each further one; 1 s */
    plait_span delay_max;  /* longest delay; 1 h */
    /* A program started, ended, or could not be started. Any call is allowed inside; the view is borrowed for it. */
    plait_supervised_fn changed;
    /* A line that a program said, without its end, on descriptor 1 or 2; pieces of 1,000 bytes of a longer one. NULL:
     * it goes to the log. */
    void (*said)(const char *name, int fd, plait_slice line, void *ctx);
    void *ctx; /* for both */
    void *reserved[4];
};

/** Makes a supervisor of nothing. A drain of the reactor stops what it runs in good order and waits for it; what is
 * left at the reactor's end is killed. `options` may be NULL. Errors: PLAIT_ENOMEM, PLAIT_EDRAINING. Ownership: the
 * caller's, ended with plait_supervisor_free or with the reactor. Callbacks: the options', in later turns. */
PLAIT_API plait_err plait_supervisor_new(struct plait_reactor *reactor, const struct plait_supervisor_options *options,
                                         struct plait_supervisor **out) PLAIT_MUST;

/** Adds a program under a name of 1 to 64 bytes, and starts it. Its standard input is /dev/null; what it writes is read
 * for the log, so `map` must be empty. A start that fails is tried again like one that ended early. With `group`
 * signals go to all that descends from it. Errors: PLAIT_EINVAL, PLAIT_EEXISTS (the name), PLAIT_ELIMIT (1,000
 * programs), PLAIT_EDRAINING, PLAIT_ENOMEM. Ownership: everything is copied. */
PLAIT_API plait_err plait_supervisor_add(struct plait_supervisor *supervisor, const char *name,
                                         const struct plait_spawn_options *program) PLAIT_MUST;

/** Stops a program and forgets it. The name is free at once. Errors: PLAIT_ENOTFOUND. */
PLAIT_API plait_err plait_supervisor_remove(struct plait_supervisor *supervisor, const char *name);

/** Starts a program that is stopped, without delay one that waits; one that is stopping starts again when it has ended.
 * `name` NULL: all of them. Errors: PLAIT_ENOTFOUND, PLAIT_EDRAINING. */
PLAIT_API plait_err plait_supervisor_start(struct plait_supervisor *supervisor, const char *name);

/** Stops a program: SIGTERM, and SIGKILL after `kill_after`. It stays stopped. `name` NULL: all of them. Errors:
 * PLAIT_ENOTFOUND. */
PLAIT_API plait_err plait_supervisor_stop(struct plait_supervisor *supervisor, const char *name);

/** Stops a program when it runs, and starts it without delay. `name` NULL: all of them. Errors: PLAIT_ENOTFOUND,
 * PLAIT_EDRAINING. */
PLAIT_API plait_err plait_supervisor_restart(struct plait_supervisor *supervisor, const char *name);

/** Looks at a program. Errors: PLAIT_ENOTFOUND. Ownership: the name in the view is borrowed. */
PLAIT_API plait_err plait_supervisor_look(const struct plait_supervisor *supervisor, const char *name,
                                          struct plait_supervised_view *out) PLAIT_MUST;

/** Shows every program in the order of adding. Callbacks: `fn` inside the call; it must not change the supervisor. */
PLAIT_API void plait_supervisor_each(const struct plait_supervisor *supervisor, plait_supervised_fn fn, void *ctx);

/** Stops all programs in good order, and goes when they have ended. Takes NULL and leaves NULL. Callbacks: none any
 * more. */
PLAIT_API void plait_supervisor_free(struct plait_supervisor **supervisor);

PLAIT_END
#endif
