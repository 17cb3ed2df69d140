/* SPDX-License-Identifier: MIT
 *
 * Tasks: straight-line code over deferreds. A task is a coroutine with a small guarded stack of its own; plait_await
 * gives a deferred's value or error, and the loop goes on meanwhile. Cancellation is a state that stays: what is
 * awaited after it fails too, unless shielded.
 */
#ifndef PLAIT_TASK_H
#define PLAIT_TASK_H

#include <plait/deferred.h>

PLAIT_BEGIN

struct plait_task;
struct plait_scope;

typedef plait_err (*plait_task_fn)(struct plait_task *task, void *arg);

/** Starts a task; its first line runs later in the turn. `stack_bytes` 0 means 64 KiB. The deferred fires with an empty
 * value when the function returns PLAIT_OK, else with its fault; cancelling it cancels the task. Returns NULL when
 * there is no memory. Errors: what `fn` returns. Ownership: as plait_deferred_new. Callbacks: `fn` runs in later turns,
 * on its own stack. */
PLAIT_API struct plait_deferred *plait_task_spawn(struct plait_reactor *reactor, const char *name, size_t stack_bytes,
                                                  plait_task_fn fn, void *arg) PLAIT_MUST;

/** Waits for a deferred. Errors: the deferred's; PLAIT_ENOMEM for NULL; PLAIT_ECANCELLED, PLAIT_ETIMEDOUT when the task
 * was cancelled or ran out of its deadline (the deferred is then cancelled). Ownership: the deferred is consumed; the
 * value belongs to the task's scope and is destroyed at its end unless plait_task_detach; `value` may be NULL. */
PLAIT_API plait_err plait_await(struct plait_task *task, struct plait_deferred *deferred, plait_value *value)
    PLAIT_MUST;

/** Waits for a span. Errors: as plait_await. */
PLAIT_API plait_err plait_task_sleep(struct plait_task *task, plait_span span) PLAIT_MUST;

/** Lets everything else that is ready run first. Errors: PLAIT_ECANCELLED, PLAIT_ETIMEDOUT. */
PLAIT_API plait_err plait_task_yield(struct plait_task *task) PLAIT_MUST;

/** Gives a value that the task awaited to the caller for good. Ownership: the caller's from now on. */
PLAIT_API void plait_task_detach(struct plait_task *task, plait_value value);

/** Fault behind the last error that a function of this header gave the task. Ownership: borrowed until the next
 * await, with the address that it names. */
PLAIT_API const struct plait_fault *plait_task_fault(const struct plait_task *task);

/** Sets the time left for the innermost open scope; a deadline further out never outlasts a nearer one around it.
 * PLAIT_NEVER takes it off. */
PLAIT_API void plait_task_deadline(struct plait_task *task, plait_span left);

/** Reactor of a task. Ownership: borrowed. */
PLAIT_API struct plait_reactor *plait_task_reactor(struct plait_task *task);

/** Whether a task was cancelled or ran out of time. */
PLAIT_API bool plait_task_cancelled(const struct plait_task *task);

/* A scope is a stretch of a task's code that has values, children and a deadline of its own. It lives on the task's
 * stack. */
struct plait_scope {
    struct plait_task *task;
    struct plait_scope *outer;
    struct plait__scope_item *values;
    struct plait__scope_child *children;
    plait_time deadline;
    bool shield;
    bool expired;
    struct plait_fault failed;         /* of the first child that failed */
    struct plait_address *failed_peer; /* what `failed` names, held here */
    void *reserved[1];
};

/** Opens a scope inside the current one. Ownership: the caller's memory on the task's stack, ended with
 * plait_scope_close in the same function. */
PLAIT_API void plait_scope_open(struct plait_task *task, struct plait_scope *scope);

/** Starts a child task that cannot outlive the scope. Errors: PLAIT_ENOMEM. Callbacks: as plait_task_spawn. */
PLAIT_API plait_err plait_scope_spawn(struct plait_scope *scope, const char *name, plait_task_fn fn, void *arg)
    PLAIT_MUST;

/** Waits for all children; the first that fails has the rest cancelled. Errors: the first child's; as plait_await. */
PLAIT_API plait_err plait_scope_join(struct plait_scope *scope) PLAIT_MUST;

/** Cancels what is left of the children, waits for their end, destroys the scope's values, closes it. */
PLAIT_API void plait_scope_close(struct plait_scope *scope);

/** Makes awaits in this scope work although the task was cancelled, for cleaning up; a deadline set in it still
 * counts. */
PLAIT_API void plait_scope_shield(struct plait_scope *scope);

PLAIT_END
#endif
