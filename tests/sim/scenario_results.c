/* SPDX-License-Identifier: MIT
 *
 * Results of every kind, cancelled at any moment: timers, threads' jobs, queues, semaphores, questions to another host,
 * groups of those, tasks that wait for them inside scopes with deadlines. Each ends once; what was taken is given back.
 */
#include "tests/sim/scenarios.h"

#include <plait/finger.h>
#include <plait/task.h>
#include <plait/thread.h>

#define OPERATIONS 160
#define TOKENS 2

enum kind { AFTER, JOB, TOKEN, QUEUE, FINGER, TASK, GROUP, KINDS };

struct world;

struct operation {
    struct world *w;
    struct plait_deferred *d; /* NULL: has ended */
    enum kind kind;
    unsigned asked, ends;
};

struct world {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_semaphore *semaphore;
    struct plait_queue *queue;
    struct plait_timer tick;
    struct operation op[OPERATIONS];
    unsigned count, tokens, tasks;
    bool over;
};

static plait_err work(plait_value *value, void *arg)
{
    (void)arg;
    *value = plait_value_num(7);
    return PLAIT_OK;
}

static struct plait_deferred *simple(struct world *w)
{
    switch (plait_sim_random(w->sim, 4)) {
    case 0:
        return plait_in_thread(w->r, PLAIT_LANE_OTHER, work, NULL, NULL);
    case 1:
        return plait_queue_get(w->queue);
    case 2:
        return plait_finger(w->r, PLAIT_LIT("ann@server"), NULL);
    default:
        return plait_after(w->r, plait_millis((int64_t)plait_sim_random(w->sim, 40)));
    }
}

static struct plait_deferred *group(struct world *w)
{
    struct plait_deferred *members[3];
    for (size_t i = 0; i < 3; i++)
        members[i] = simple(w);
    switch (plait_sim_random(w->sim, 4)) {
    case 0:
        return plait_all(w->r, members, 3);
    case 1:
        return plait_any(w->r, members, 3);
    case 2:
        return plait_race(w->r, members, 3);
    default:
        return plait_settled(w->r, members, 3);
    }
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

static plait_err child(struct plait_task *task, void *arg)
{
    struct world *w = arg;
    w->tasks++;
    const plait_err err = plait_await(task, simple(w), NULL);
    w->tasks--;
    return plait_err_class_of(err) == PLAIT_CLASS_IO ? PLAIT_OK : err;
}

static plait_err parent(struct plait_task *task, void *arg)
{
    struct world *w = arg;
    struct plait_scope scope;
    w->tasks++;
    plait_scope_open(task, &scope);
    if (plait_sim_random(w->sim, 2))
        plait_scope_shield(&scope);
    plait_task_deadline(task, plait_millis(1 + (int64_t)plait_sim_random(w->sim, 60)));
    plait_err err = plait_scope_spawn(&scope, "child", child, w);
    if (err == PLAIT_OK)
        err = plait_scope_spawn(&scope, "child", child, w);
    if (err == PLAIT_OK)
        err = plait_task_sleep(task, plait_millis((int64_t)plait_sim_random(w->sim, 30)));
    if (err == PLAIT_OK)
        err = plait_scope_join(&scope);
    plait_scope_close(&scope);
    w->tasks--;
    return err;
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static void ended(struct plait_result *result, void *ctx)
{
    struct operation *op = ctx;
    struct world *w = op->w;
    const plait_err err = result->fault.err;
    op->ends++;
    op->d = NULL;
    result->fault.err = PLAIT_OK;
    if (op->kind == TOKEN && err == PLAIT_OK) {
        if (++w->tokens > TOKENS)
            plait_sim_fail(w->sim, "%u tokens are out", w->tokens);
        w->tokens--;
        plait_release(w->semaphore);
    }
    switch (plait_err_class_of(err)) {
    case PLAIT_CLASS_OK:
    case PLAIT_CLASS_IO:
    case PLAIT_CLASS_CANCELLED:
    case PLAIT_CLASS_TIMEOUT:
        break;
    default:
        plait_sim_fail(w->sim, "an operation of kind %d ended with %s", op->kind, plait_err_name(err));
    }
}

static struct plait_deferred *begin(struct world *w, enum kind kind)
{
    switch (kind) {
    case TOKEN:
        return plait_acquire(w->semaphore);
    case TASK:
        return plait_task_spawn(w->r, "parent", 0, parent, w);
    case GROUP:
        return group(w);
    default:
        return simple(w);
    }
}

static void begin_one(struct world *w)
{
    struct operation *op = &w->op[w->count++];
    op->w = w;
    op->kind = (enum kind)plait_sim_random(w->sim, KINDS);
    op->d = begin(w, op->kind);
    op->asked = plait_then(op->d, ended, op) == PLAIT_OK;
    if (!op->asked)
        plait_sim_fail(w->sim, "no memory");
}

static void cancel_one(struct world *w)
{
    struct operation *op = &w->op[plait_sim_random(w->sim, w->count)];
    if (op->d)
        plait_deferred_cancel(op->d);
}

static void tick(void *ctx)
{
    struct world *w = ctx;
    if (plait_sim_random(w->sim, 2) && plait_queue_put(w->queue, plait_value_num(1)) != PLAIT_OK)
        plait_sim_fail(w->sim, "the queue is full");
    begin_one(w);
    if (plait_sim_random(w->sim, 3) == 0)
        cancel_one(w);
    if (w->count < OPERATIONS)
        plait_timer_arm(&w->tick, plait_millis((int64_t)plait_sim_random(w->sim, 8)));
    else
        w->over = true;
}

static bool runs(void *ctx)
{
    const struct world *w = ctx;
    return !w->over;
}

static bool any_waits(void *ctx)
{
    const struct world *w = ctx;
    for (unsigned i = 0; i < w->count; i++) {
        if (w->op[i].d)
            return true;
    }
    return w->tasks > 0;
}

static bool serve(struct plait_host *host)
{
    static const struct plait_finger_entry people[] = {{"ann", "Ann Example", "To rest"}};
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_finger_directory directory;
    struct plait_listener *listener;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 79, &at);
    return r && plait_finger_table(r, people, 1, &directory) == PLAIT_OK &&
           plait_listen(r, &at, NULL, plait_finger_service(r, &directory, NULL), &listener) == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct world w = {.sim = sim, .r = plait_host_reactor(client)};
    if (!w.r || !serve(server)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    w.semaphore = plait_semaphore_new(w.r, TOKENS);
    w.queue = plait_queue_new(w.r, 0, 0);
    plait_timer_init(&w.tick, w.r, "tick", tick, &w);
    plait_timer_arm(&w.tick, plait_millis(1));
    plait_sim_run_while(sim, plait_seconds(60), runs, &w);
    plait_sim_run_for(sim, plait_seconds(1));
    plait_queue_free(&w.queue); /* who waits hears of it */
    w.queue = plait_queue_new(w.r, 0, 0);
    plait_sim_run_while(sim, plait_seconds(200), any_waits, &w);
    plait_queue_free(&w.queue);
    plait_semaphore_free(&w.semaphore);
    plait_sim_run_for(sim, plait_seconds(70));
    for (unsigned i = 0; i < w.count; i++) {
        if (w.op[i].ends != 1)
            plait_sim_fail(sim, "operation %u of kind %d ended %u times", i, w.op[i].kind, w.op[i].ends);
    }
    if (w.tasks > 0)
        plait_sim_fail(sim, "%u tasks are left", w.tasks);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_results = {.name = "results", .faults = PLAIT_SIM_ALL, .run = run};
