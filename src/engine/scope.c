/* SPDX-License-Identifier: MIT
 *
 * Scopes: the values that a stretch of a task's code has awaited, and the children that it started. Closing a scope
 * ends both, in the reverse order of their coming, and never fails: it cancels children and waits until they are gone,
 * whatever happens to the task meanwhile.
 *
 * Invariant: task->scope is the innermost open scope; scopes are closed in the reverse order of their opening.
 * Test: tests/engine/test_scope.c.
 */
#include "engine/task_core.h"

#include "base/try.h"

#include <assert.h>

void plait__scope_init(struct plait_task *t, struct plait_scope *scope)
{
    memset(scope, 0, sizeof *scope);
    scope->task = t;
    scope->deadline = PLAIT_NEVER;
}

void plait_scope_open(struct plait_task *task, struct plait_scope *scope)
{
    plait__scope_init(task, scope);
    scope->outer = task->scope;
    task->scope = scope;
}

static void drop_failed_peer(struct plait_scope *scope)
{
    plait_mem_free(scope->failed_peer);
    scope->failed_peer = NULL;
    scope->failed.peer = NULL;
}

/* The child that fails next is the first one again. */
static void forget_failed(struct plait_scope *scope)
{
    scope->failed.err = PLAIT_OK;
    drop_failed_peer(scope);
}

void plait_scope_shield(struct plait_scope *scope)
{
    scope->shield = true;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

void plait__scope_keep(struct plait_scope *scope, struct plait__scope_item *item, plait_value value)
{
    item->value = value;
    item->next = scope->values;
    scope->values = item;
}

void plait__scope_destroy_values(struct plait_scope *scope)
{
    while (scope->values) {
        struct plait__scope_item *item = scope->values;
        scope->values = item->next;
        plait__value_destroy(&item->value);
        plait_mem_free(item);
    }
    drop_failed_peer(scope);
}

static struct plait__scope_item **find_value(struct plait_scope *scope, plait_value value)
{
    for (; scope; scope = scope->outer) {
        for (struct plait__scope_item **at = &scope->values; *at; at = &(*at)->next) {
            if ((*at)->value.ptr == value.ptr && (*at)->value.destroy == value.destroy)
                return at;
        }
    }
    return NULL;
}

void plait_task_detach(struct plait_task *task, plait_value value)
{
    struct plait__scope_item **at = find_value(task->scope, value);
    if (!at)
        return; /* it has no destructor, so no scope knows it */
    struct plait__scope_item *item = *at;
    *at = item->next;
    plait_mem_free(item);
}

/* --- children ----------------------------------------------------------------------------------------------------- */

static void cancel_children(struct plait_scope *scope)
{
    for (struct plait__scope_child *child = scope->children; child; child = child->next)
        plait__task_cancel(child->task);
}

static void link_child(struct plait_scope *scope, struct plait__scope_child *child)
{
    child->scope = scope;
    child->next = scope->children;
    child->prev = &scope->children;
    if (child->next)
        child->next->prev = &child->next;
    scope->children = child;
}

static void unlink_child(struct plait__scope_child *child)
{
    *child->prev = child->next;
    if (child->next)
        child->next->prev = child->prev;
    child->scope = NULL;
}

plait_err plait_scope_spawn(struct plait_scope *scope, const char *name, plait_task_fn fn, void *arg)
{
    struct plait_task *t = plait__task_new(scope->task->reactor, name, 0, fn, arg);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    link_child(scope, &t->child);
    if (scope->failed.err != PLAIT_OK)
        plait__task_cancel(t);
    return PLAIT_OK;
}

void plait__scope_child_ended(struct plait_task *child, const struct plait_fault *fault)
{
    struct plait_scope *scope = child->child.scope;
    unlink_child(&child->child);
    if (fault->err != PLAIT_OK && scope->failed.err == PLAIT_OK) {
        scope->failed = *fault;
        scope->failed_peer = fault->peer ? plait__task_take_peer(child) : NULL;
        scope->failed.peer = scope->failed_peer;
        cancel_children(scope);
    }
    if (scope->task->joins)
        plait_soon_queue(&scope->task->resume);
}

static void wait_for_child(struct plait_scope *scope)
{
    scope->task->joins = true;
    plait__task_wait(scope->task, PLAIT_NEVER);
    scope->task->joins = false;
}

static void end_children(struct plait_scope *scope)
{
    cancel_children(scope);
    while (scope->children)
        wait_for_child(scope);
}

plait_err plait_scope_join(struct plait_scope *scope)
{
    struct plait_task *t = scope->task;
    plait_err err = PLAIT_OK;
    while (scope->children && err == PLAIT_OK) {
        err = plait__task_interrupted(t);
        if (err == PLAIT_OK)
            wait_for_child(scope);
    }
    if (err != PLAIT_OK) {
        end_children(scope);
        forget_failed(scope);
        return plait__task_fail(t, PLAIT_FAIL(err), "join");
    }
    if (scope->failed.err == PLAIT_OK)
        return PLAIT_OK;
    plait__task_keep_fault(t, &scope->failed, scope->failed_peer);
    scope->failed_peer = NULL;
    forget_failed(scope);
    return PLAIT_FAIL(t->fault.err);
}

void plait__scope_end(struct plait_scope *scope)
{
    end_children(scope);
    plait__scope_destroy_values(scope);
}

void plait_scope_close(struct plait_scope *scope)
{
    assert(scope->task->scope == scope); /* an inner scope was left open */
    plait__scope_end(scope);
    scope->task->scope = scope->outer;
}
