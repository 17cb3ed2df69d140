/* SPDX-License-Identifier: MIT
 *
 * Tasks: spawning, waiting, ending. A task waits by switching to the loop, and goes on when its `resume` comes up on
 * the ready list; nothing switches to it from anywhere else, so tasks never run inside each other or inside a user's
 * call. A stack that a task leaves is kept for the next one, up to a number, and counts in the reactor's budget.
 *
 * Cancellation is state: it is looked at before each wait and whenever the wait ends, never thrown. A task that goes on
 * waiting although its waits fail passes through the ready list each time, so that it cannot hold the loop.
 * Invariant: stands in task_core.h.
 * Test: tests/engine/test_task.c.
 */
#include "engine/task_core.h"

#include "base/try.h"

enum { STACKS_KEPT = 64, LAST_ROUNDS = 1000 };
#ifdef PLAIT__ASAN
enum { STACK_DEFAULT = 256 * 1024, STACK_LEAST = 64 * 1024 }; /* its frames are larger */
#else
enum { STACK_DEFAULT = 64 * 1024, STACK_LEAST = 16 * 1024 };
#endif

struct spare_stack {
    struct spare_stack *next;
    void *stack;
};

static void resume(void *ctx);
static void time_up(void *ctx);
static void begin(void *ctx);
static void awaited(struct plait_result *result, void *ctx);

/* --- stacks ------------------------------------------------------------------------------------------------------- */

static size_t default_bytes(void)
{
    return plait__stack_round(STACK_DEFAULT);
}

/* Stacks are not from the heap, but the budget's root counts them as well. */
static bool charge(struct plait_budget *root, size_t bytes)
{
    if (plait_budget_left(root) < bytes)
        return false;
    root->used += bytes;
    return true;
}

static void *stack_new(struct plait__tasks *tasks, size_t bytes)
{
    struct spare_stack *spare = tasks->spare;
    if (spare && bytes == default_bytes()) {
        tasks->spare = spare->next;
        tasks->spare_count--;
        return spare->stack;
    }
    if (!charge(&tasks->reactor->budget, bytes))
        return NULL;
    void *stack = plait__stack_map(bytes);
    if (!stack)
        tasks->reactor->budget.used -= bytes;
    return stack;
}

static void stack_unmap(struct plait__tasks *tasks, void *stack, size_t bytes)
{
    plait__stack_unmap(stack, bytes);
    tasks->reactor->budget.used -= bytes;
}

/* The note stands at the upper end, in a page that was touched already. */
static void stack_free(struct plait__tasks *tasks, void *stack, size_t bytes)
{
    if (bytes != default_bytes() || tasks->spare_count >= STACKS_KEPT) {
        stack_unmap(tasks, stack, bytes);
        return;
    }
    struct spare_stack *spare = (struct spare_stack *)((uint8_t *)stack + bytes - sizeof *spare);
    spare->next = tasks->spare;
    spare->stack = stack;
    tasks->spare = spare;
    tasks->spare_count++;
}

/* --- a reactor's tasks -------------------------------------------------------------------------------------------- */

static void stop_all(struct plait__module *module)
{
    struct plait__tasks *tasks = plait__container(module, struct plait__tasks, module);
    for (struct plait__list *at = tasks->all.next; at != &tasks->all; at = at->next)
        plait__task_cancel(plait__container(at, struct plait_task, all));
}

/* From the loop's side: nothing of the task runs any more. */
static void bury(struct plait_task *t)
{
    struct plait__tasks *tasks = t->reactor->tasks;
    plait_timer_stop(&t->timer);
    plait_soon_cancel(&t->resume);
    plait__list_remove(&t->all);
    plait_mem_free(t->spare);
    plait_mem_free(t->peer);
    plait_mem_free(t->got_peer);
    plait__context_deinit(&t->own);
    stack_free(tasks, t->stack, t->stack_bytes);
}

/* The loop has ended and the task has not, though everything that it could wait for was cancelled: its code is left
 * where it stands. */
static void abandon(struct plait_task *t)
{
    const struct plait_field fields[] = {plait_field_text("task", t->name), plait_field_end()};
    plait__warn(t->reactor, "task-abandoned", "a task went on waiting after it was cancelled", fields);
    for (struct plait_scope *scope = t->scope; scope; scope = scope->outer)
        plait__scope_destroy_values(scope);
    if (t->awaits)
        plait__deferred_forget(t->awaits, awaited, t);
    plait__deferred_drop(t->awaits);
    plait_fire_fault(t->done, plait_fault_make(PLAIT_ECANCELLED, t->name));
    bury(t);
}

static void release_all(struct plait__module *module)
{
    struct plait__tasks *tasks = plait__container(module, struct plait__tasks, module);
    while (!plait__list_empty(&tasks->all))
        abandon(plait__container(tasks->all.next, struct plait_task, all));
    while (tasks->spare) {
        struct spare_stack *spare = tasks->spare;
        tasks->spare = spare->next;
        stack_unmap(tasks, spare->stack, default_bytes());
    }
    tasks->reactor->tasks = NULL;
    plait_mem_free(tasks);
}

static struct plait__tasks *tasks_of(struct plait_reactor *r)
{
    if (r->tasks)
        return r->tasks;
    struct plait__tasks *tasks = plait_mem_new(&r->budget, sizeof *tasks);
    if (!tasks)
        return NULL;
    tasks->reactor = r;
    tasks->module.stop = stop_all;
    tasks->module.release = release_all;
    plait__list_init(&tasks->all);
    plait__module_add(r, &tasks->module);
    r->tasks = tasks;
    return tasks;
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

struct plait_task *plait__task_new(struct plait_reactor *r, const char *name, size_t stack_bytes, plait_task_fn fn,
                                   void *arg)
{
    struct plait__tasks *tasks = tasks_of(r);
    if (stack_bytes == 0)
        stack_bytes = STACK_DEFAULT;
    const size_t bytes = plait__stack_round(stack_bytes < STACK_LEAST ? STACK_LEAST : stack_bytes);
    uint8_t *stack = tasks ? stack_new(tasks, bytes) : NULL;
    if (!stack)
        return NULL;
    const size_t usable = (bytes - sizeof(struct plait_task)) & ~(size_t)63;
    struct plait_task *t = (struct plait_task *)(stack + usable);
    memset(t, 0, sizeof *t);
    t->reactor = r;
    t->name = name;
    t->fn = fn;
    t->arg = arg;
    t->stack = stack;
    t->stack_bytes = bytes;
    t->child.task = t;
    plait__context_init(&t->own, stack, usable, begin, t);
    plait_soon_init(&t->resume, r, name, resume, t);
    plait_timer_init(&t->timer, r, name, time_up, t);
    plait__scope_init(t, &t->root);
    t->scope = &t->root;
    plait__list_add_tail(&tasks->all, &t->all);
    plait_soon_queue(&t->resume);
    return t;
}

static void cancel_done(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred; /* fires at once; the task unwinds when it comes to it */
    plait__task_cancel(ctx);
}

struct plait_deferred *plait_task_spawn(struct plait_reactor *reactor, const char *name, size_t stack_bytes,
                                        plait_task_fn fn, void *arg)
{
    struct plait_task *t = plait__task_new(reactor, name, stack_bytes, fn, arg);
    if (!t)
        return NULL;
    t->done = plait_deferred_new(reactor, name, cancel_done, t);
    if (!t->done) {
        bury(t);
        return NULL;
    }
    return t->done;
}

/* What a task ended with. What the fault borrowed from an awaited object may be gone with it; a step is a static
 * word, and the address is the task's own. */
static struct plait_fault end_fault(const struct plait_task *t, plait_err err)
{
    struct plait_fault fault = plait_fault_make(err, t->name);
    if (err == PLAIT_OK || t->fault.err != err)
        return fault;
    fault = t->fault;
    fault.detail = NULL;
    return fault;
}

static void end(struct plait_task *t, plait_err err)
{
    plait__scope_end(&t->root);
    const struct plait_fault fault = end_fault(t, err);
    if (err == PLAIT_OK)
        plait_fire(t->done, plait_value_num(0));
    else
        plait_fire_fault(t->done, fault);
    if (t->child.scope)
        plait__scope_child_ended(t, &fault);
}

/* First function on a task's stack. */
static void begin(void *ctx)
{
    struct plait_task *t = ctx;
    plait__switch_arrived(&t->own, &t->loop);
    end(t, t->fn(t, t->arg));
    t->ended = true;
    for (;;) /* nobody comes back */
        plait__switch_to(&t->own, &t->loop, true);
}

static void resume(void *ctx)
{
    struct plait_task *t = ctx;
    plait__switch_to(&t->loop, &t->own, false);
    if (t->ended)
        bury(t);
}

/* --- interruption ------------------------------------------------------------------------------------------------- */

plait_err plait__task_interrupted(struct plait_task *t)
{
    plait_err err = PLAIT_OK;
    for (struct plait_scope *scope = t->scope; scope; scope = scope->outer) {
        if (scope->deadline <= t->reactor->now)
            scope->expired = true;
        if (scope->expired)
            err = PLAIT_ETIMEDOUT;
        if (scope->shield)
            return err;
    }
    return t->cancelled ? PLAIT_ECANCELLED : err;
}

/* Ends the wait that the task stands in. */
static void kick(struct plait_task *t)
{
    if (t->awaits)
        plait_deferred_cancel(t->awaits);
    else if (t->sleeps || t->joins)
        plait_soon_queue(&t->resume);
}

void plait__task_cancel(struct plait_task *t)
{
    t->cancelled = true;
    if (plait__task_interrupted(t) != PLAIT_OK)
        kick(t);
}

static void time_up(void *ctx)
{
    (void)plait__task_interrupted(ctx); /* marks the scopes whose deadline this is, so that none is waited for twice */
    kick(ctx);
}

static plait_time nearest_deadline(const struct plait_task *t)
{
    plait_time nearest = PLAIT_NEVER;
    for (const struct plait_scope *scope = t->scope; scope; scope = scope->outer) {
        if (!scope->expired && scope->deadline < nearest)
            nearest = scope->deadline;
        if (scope->shield)
            break;
    }
    return nearest;
}

plait_err plait__task_fail(struct plait_task *t, plait_err err, const char *step)
{
    t->fault = plait_fault_make(err, step);
    return err;
}

void plait__task_keep_fault(struct plait_task *t, const struct plait_fault *fault, struct plait_address *peer)
{
    plait_mem_free(t->peer);
    t->peer = peer;
    t->fault = *fault;
    t->fault.peer = peer;
}

struct plait_address *plait__task_take_peer(struct plait_task *t)
{
    struct plait_address *peer = t->peer;
    t->peer = NULL;
    t->fault.peer = NULL;
    return peer;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

void plait__task_wait(struct plait_task *t, plait_time until)
{
    const plait_time deadline = nearest_deadline(t);
    const plait_time due = deadline < until ? deadline : until;
    if (due != PLAIT_NEVER)
        plait_timer_arm_at(&t->timer, due);
    plait__switch_to(&t->own, &t->loop, false);
    plait_timer_stop(&t->timer);
}

/* Passes through the ready list. When the reactor ends, a task that goes on doing so is left standing at some time. */
static void go_round(struct plait_task *t)
{
    if (!t->reactor->freeing || ++t->last_rounds <= LAST_ROUNDS)
        plait_soon_queue(&t->resume);
    plait__switch_to(&t->own, &t->loop, false);
}

static void awaited(struct plait_result *result, void *ctx)
{
    struct plait_task *t = ctx;
    if (result->fault.err != PLAIT_OK)
        t->got_peer = plait__deferred_take_peer(t->awaits); /* it would go with the deferred */
    t->got.fault = result->fault;
    t->got.value = plait_result_take(result);
    t->awaits = NULL;
    plait_soon_queue(&t->resume);
}

static plait_err start_awaiting(struct plait_task *t, struct plait_deferred *d)
{
    PLAIT_TRY(plait__task_interrupted(t));
    if (!t->spare)
        t->spare = plait_mem_new(&t->reactor->budget, sizeof *t->spare);
    if (!t->spare)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return plait_then(d, awaited, t);
}

static plait_err take_fault(struct plait_task *t)
{
    const plait_err why = t->got.fault.err == PLAIT_ECANCELLED ? plait__task_interrupted(t) : PLAIT_OK;
    plait__task_keep_fault(t, &t->got.fault, t->got_peer);
    t->got_peer = NULL;
    if (why != PLAIT_OK)
        t->fault.err = why;
    return PLAIT_FAIL(t->fault.err);
}

plait_err plait_await(struct plait_task *task, struct plait_deferred *deferred, plait_value *value)
{
    struct plait_task *t = task;
    if (value)
        *value = plait_value_num(0);
    const plait_err err = start_awaiting(t, deferred);
    if (err != PLAIT_OK) {
        plait__deferred_drop(deferred);
        go_round(t);
        return plait__task_fail(t, err, "await");
    }
    t->awaits = deferred;
    while (t->awaits)
        plait__task_wait(t, PLAIT_NEVER);
    if (t->got.fault.err != PLAIT_OK)
        return take_fault(t);
    if (t->got.value.destroy) {
        plait__scope_keep(t->scope, t->spare, t->got.value);
        t->spare = NULL;
    }
    if (value)
        *value = t->got.value;
    return PLAIT_OK;
}

plait_err plait_task_sleep(struct plait_task *task, plait_span span)
{
    const plait_time until = plait__later(task->reactor->now, span);
    plait_err err = plait__task_interrupted(task);
    if (err != PLAIT_OK || span <= 0)
        go_round(task);
    while ((err = plait__task_interrupted(task)) == PLAIT_OK && task->reactor->now < until) {
        task->sleeps = true;
        plait__task_wait(task, until);
        task->sleeps = false;
    }
    return err == PLAIT_OK ? err : plait__task_fail(task, PLAIT_FAIL(err), "sleep");
}

plait_err plait_task_yield(struct plait_task *task)
{
    go_round(task);
    const plait_err err = plait__task_interrupted(task);
    return err == PLAIT_OK ? err : plait__task_fail(task, PLAIT_FAIL(err), "yield");
}

/* --- what is left ------------------------------------------------------------------------------------------------- */

const struct plait_fault *plait_task_fault(const struct plait_task *task)
{
    return &task->fault;
}

void plait_task_deadline(struct plait_task *task, plait_span left)
{
    task->scope->deadline = plait__later(task->reactor->now, left);
    task->scope->expired = false;
}

struct plait_reactor *plait_task_reactor(struct plait_task *task)
{
    return task->reactor;
}

bool plait_task_cancelled(const struct plait_task *task)
{
    for (const struct plait_scope *scope = task->scope; scope; scope = scope->outer) {
        if (scope->deadline <= task->reactor->now)
            return true;
    }
    return task->cancelled;
}
