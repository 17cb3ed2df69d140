/* SPDX-License-Identifier: MIT
 *
 * The inside of a task, for task.c (running and waiting), scope.c (values and children) and stack_kernel.c (stacks).
 *
 * A task runs on its own stack, and only from the ready list: whoever wakes it queues `resume`. While it stands still
 * exactly one of these is true: it awaits a deferred, it sleeps, it joins children, or its resume is queued.
 */
#ifndef PLAIT_ENGINE_TASK_CORE_H
#define PLAIT_ENGINE_TASK_CORE_H

#include "engine/deferred_core.h"
#include "engine/task_switch.h"

#include <plait/task.h>

/* A value that a scope destroys at its end. */
struct plait__scope_item {
    struct plait__scope_item *next;
    plait_value value;
};

/* A task as a child of a scope. */
struct plait__scope_child {
    struct plait__scope_child *next, **prev;
    struct plait_scope *scope; /* NULL: it is nobody's child */
    struct plait_task *task;
};

/* Stands at the upper end of its own stack. */
struct plait_task {
    struct plait_reactor *reactor;
    const char *name;
    plait_task_fn fn;
    void *arg;
    struct plait_deferred *done; /* NULL for a child */
    struct plait__context own, loop;
    struct plait_soon resume;
    struct plait_timer timer; /* nearest deadline, or the end of a sleep */
    struct plait_scope root, *scope;
    struct plait__scope_child child;
    struct plait_deferred *awaits;
    struct plait_result got; /* of what was awaited */
    struct plait_address *got_peer; /* what its fault names */
    struct plait_fault fault;
    struct plait_address *peer; /* what it names */
    struct plait__scope_item *spare; /* for the next value, so that receiving one cannot fail */
    bool sleeps, joins, cancelled, ended;
    unsigned last_rounds; /* through the ready list since the reactor began to end */
    void *stack;
    size_t stack_bytes; /* with this structure */
    struct plait__list all;
};

/* Tasks of a reactor, and stacks to use again. */
struct plait__tasks {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait__list all;
    struct spare_stack *spare;
    size_t spare_count;
};

/* task.c */
struct plait_task *plait__task_new(struct plait_reactor *r, const char *name, size_t stack_bytes, plait_task_fn fn,
                                   void *arg);
void plait__task_cancel(struct plait_task *t);
/* Stands still until somebody queues `resume`; the nearest deadline does. */
void plait__task_wait(struct plait_task *t, plait_time until);
/* PLAIT_ECANCELLED or PLAIT_ETIMEDOUT when waiting in the current scope has become useless, else PLAIT_OK. */
plait_err plait__task_interrupted(struct plait_task *t);
/* Keeps an error as the task's fault and returns it. */
plait_err plait__task_fail(struct plait_task *t, plait_err err, const char *step);
/* Keeps a fault as the task's, and the address that it names, which is the task's from now on. */
void plait__task_keep_fault(struct plait_task *t, const struct plait_fault *fault, struct plait_address *peer);
/* Gives away the address that the task's fault names; NULL: it names none. */
struct plait_address *plait__task_take_peer(struct plait_task *t);

/* scope.c */
void plait__scope_init(struct plait_task *t, struct plait_scope *scope);
void plait__scope_keep(struct plait_scope *scope, struct plait__scope_item *item, plait_value value);
void plait__scope_destroy_values(struct plait_scope *scope);
/* Cancels children and waits for their end, destroys the values. */
void plait__scope_end(struct plait_scope *scope);
void plait__scope_child_ended(struct plait_task *child, const struct plait_fault *fault);

/* stack_kernel.c: bytes are multiples of what plait__stack_round gives. The lowest byte, or NULL. */
size_t plait__stack_round(size_t bytes);
void *plait__stack_map(size_t bytes);
void plait__stack_unmap(void *stack, size_t bytes);

#endif
