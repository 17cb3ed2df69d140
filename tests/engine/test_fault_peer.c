/* SPDX-License-Identifier: MIT
 *
 * Tests of the address that a fault names, on its way through groups of deferreds, tasks and scopes (deferred.c,
 * deferred_group.c, task.c, scope.c): it arrives, it lives as long as it is promised, and none is left.
 */
#include "tests/engine/bed.h"

#include "base/try.h"

#include <plait/task.h>

enum { OPS = 2 };

static struct plait_address address(uint16_t port)
{
    return (struct plait_address){.kind = PLAIT_ADDR_IP4, .port = port, .ip = {192, 0, 2, 1}};
}

/* Fails an operation; the address that the fault borrows is gone when this returns. */
static void fail_op(struct plait_deferred *d, uint16_t port)
{
    struct plait_address peer = address(port);
    struct plait_fault fault = plait_fault_make(PLAIT_EREFUSED, "connect");
    fault.peer = &peer;
    plait_fire_fault(d, fault);
    memset(&peer, 0xff, sizeof peer);
}

static void assert_names(const struct plait_fault *fault, uint16_t port)
{
    const struct plait_address wanted = address(port);
    assert_err(fault->err, PLAIT_EREFUSED);
    assert_non_null(fault->peer);
    assert_true(plait_address_equal(fault->peer, &wanted));
}

/* What a last callback saw, the address included. */
struct named {
    struct plait_fault fault;
    struct plait_address peer;
    plait_value value;
};

static void see_named(struct plait_result *result, void *ctx)
{
    struct named *n = ctx;
    n->fault = result->fault;
    n->peer = result->fault.peer ? *result->fault.peer : (struct plait_address){.kind = PLAIT_ADDR_NONE};
    n->fault.peer = result->fault.peer ? &n->peer : NULL;
    n->value = plait_result_take(result);
}

static void watch_named(struct plait_deferred *d, struct named *n)
{
    *n = (struct named){.fault = {.err = PLAIT_OK}};
    assert_ok(plait_then(d, see_named, n));
}

static void ops_begin(struct bed *b, struct plait_deferred **op)
{
    for (size_t i = 0; i < OPS; i++) {
        op[i] = plait_deferred_new(b->r, "op", NULL, NULL);
        assert_non_null(op[i]);
    }
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static void a_group_hands_on_the_address_of_the_fault_that_decides(void **state)
{
    static struct plait_deferred *(*const make[])(struct plait_reactor *, struct plait_deferred *const *,
                                                  size_t) = {plait_all, plait_any, plait_race};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(make); i++) {
        struct bed b;
        struct plait_deferred *op[OPS];
        struct named n;
        bed_open(&b);
        ops_begin(&b, op);
        watch_named(make[i](b.r, op, OPS), &n);
        fail_op(op[0], 1);
        bed_run(&b);
        fail_op(op[1], 2);
        bed_run(&b);
        assert_names(&n.fault, make[i] == plait_any ? 2 : 1);
        bed_close(&b);
    }
}

static void settled_results_hold_the_addresses_of_their_faults(void **state)
{
    struct bed b;
    struct plait_deferred *op[OPS];
    struct named n;
    (void)state;
    bed_open(&b);
    ops_begin(&b, op);
    watch_named(plait_settled(b.r, op, OPS), &n);
    fail_op(op[1], 2);
    bed_run(&b);
    fail_op(op[0], 1);
    bed_run(&b);
    struct plait_results *results = n.value.ptr;
    assert_names(&results->result[0].fault, 1);
    assert_names(&results->result[1].fault, 2);
    results->result[0].fault.peer = NULL; /* they are the holder's to change */
    n.value.destroy(n.value.ptr);
    bed_close(&b);
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

struct run {
    struct plait_deferred *op[OPS];
    struct plait_scope scope;
    bool looked;
};

/* The second fault takes the place of the first; a value leaves it. */
static plait_err await_all(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_err err = plait_await(t, run->op[0], NULL);
    assert_names(plait_task_fault(t), 1);
    err = plait_await(t, run->op[1], NULL);
    assert_names(plait_task_fault(t), 2);
    run->looked = true;
    if (plait_await(t, plait_deferred_succeed(plait_task_reactor(t), plait_value_num(0)), NULL) != PLAIT_OK)
        return PLAIT_ESTATE;
    return err;
}

static void a_task_sees_the_address_and_ends_with_it(void **state)
{
    struct bed b;
    struct run run = {.looked = false};
    struct named n;
    (void)state;
    bed_open(&b);
    ops_begin(&b, run.op);
    watch_named(plait_task_spawn(b.r, "task", 0, await_all, &run), &n);
    fail_op(run.op[0], 1);
    bed_run(&b);
    fail_op(run.op[1], 2);
    bed_run(&b);
    assert_true(run.looked);
    assert_names(&n.fault, 2);
    bed_close(&b);
}

/* One that ends with another error than it was given names nobody. */
static plait_err await_and_differ(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    if (plait_await(t, run->op[0], NULL) == PLAIT_EREFUSED)
        run->looked = true;
    return PLAIT_EPROTOCOL;
}

static void an_error_of_the_tasks_own_names_nobody(void **state)
{
    struct bed b;
    struct run run = {.looked = false};
    struct named n;
    (void)state;
    bed_open(&b);
    ops_begin(&b, run.op);
    watch_named(plait_task_spawn(b.r, "task", 0, await_and_differ, &run), &n);
    fail_op(run.op[0], 1);
    plait_fire(run.op[1], plait_value_num(0));
    bed_run(&b);
    assert_true(run.looked);
    assert_err(n.fault.err, PLAIT_EPROTOCOL);
    assert_null(n.fault.peer);
    bed_close(&b);
}

/* --- children ----------------------------------------------------------------------------------------------------- */

static plait_err await_first(struct plait_task *t, void *arg)
{
    return plait_await(t, *(struct plait_deferred **)arg, NULL);
}

static plait_err join_two(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_scope_open(t, &run->scope);
    for (size_t i = 0; i < OPS; i++)
        assert_ok(plait_scope_spawn(&run->scope, "child", await_first, &run->op[i]));
    const plait_err err = plait_scope_join(&run->scope);
    assert_names(plait_task_fault(t), 1);
    assert_null(run->scope.failed.peer);
    plait_scope_close(&run->scope);
    run->looked = true;
    return err;
}

static void the_first_childs_fault_keeps_its_address_through_the_join(void **state)
{
    struct bed b;
    struct run run = {.looked = false};
    struct named n;
    (void)state;
    bed_open(&b);
    ops_begin(&b, run.op);
    watch_named(plait_task_spawn(b.r, "task", 0, join_two, &run), &n);
    bed_run(&b);
    fail_op(run.op[0], 1);
    bed_run(&b);
    fail_op(run.op[1], 2); /* its child was cancelled meanwhile */
    bed_run(&b);
    assert_true(run.looked);
    assert_names(&n.fault, 1);
    bed_close(&b);
}

/* The child's fault is never joined: the scope ends with it. */
static plait_err leave_children(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_scope_open(t, &run->scope);
    assert_ok(plait_scope_spawn(&run->scope, "child", await_first, &run->op[0]));
    const plait_err err = plait_await(t, run->op[1], NULL);
    assert_names(&run->scope.failed, 1);
    plait_scope_close(&run->scope);
    assert_null(run->scope.failed.peer);
    run->looked = true;
    return err;
}

static void an_address_that_nobody_joined_goes_with_the_scope(void **state)
{
    struct bed b;
    struct run run = {.looked = false};
    struct seen seen;
    (void)state;
    bed_open(&b);
    ops_begin(&b, run.op);
    watch_result(plait_task_spawn(b.r, "task", 0, leave_children, &run), &seen);
    bed_run(&b);
    fail_op(run.op[0], 1);
    bed_run(&b);
    plait_fire(run.op[1], plait_value_num(0));
    bed_run(&b);
    assert_true(run.looked);
    assert_err(seen.err, PLAIT_OK);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_group_hands_on_the_address_of_the_fault_that_decides),
          cmocka_unit_test(settled_results_hold_the_addresses_of_their_faults),
          cmocka_unit_test(a_task_sees_the_address_and_ends_with_it),
          cmocka_unit_test(an_error_of_the_tasks_own_names_nobody),
          cmocka_unit_test(the_first_childs_fault_keeps_its_address_through_the_join),
          cmocka_unit_test(an_address_that_nobody_joined_goes_with_the_scope))
