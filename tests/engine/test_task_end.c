/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/task.c: the stacks that tasks leave, and what becomes of tasks and of what they wait for when
 * the reactor ends (reactor.c, pool.c).
 */
#include "tests/engine/bed.h"

#include "engine/task_core.h"

#include <plait/process.h>
#include <plait/thread.h>

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

/* --- stacks ------------------------------------------------------------------------------------------------------- */

static plait_err nothing(struct plait_task *t, void *arg)
{
    (void)t;
    (void)arg;
    return PLAIT_OK;
}

static void run_tasks(struct bed *b, int count, size_t stack_bytes)
{
    for (int i = 0; i < count; i++)
        plait_deferred_ignore(plait_task_spawn(b->r, "task", stack_bytes, nothing, NULL));
    bed_run(b);
}

static void one_task_after_another_has_the_same_stack(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 100; i++)
        run_tasks(&b, 1, 0);
    assert_int_equal(b.r->tasks->spare_count, 1);
    bed_close(&b);
}

static void stacks_of_other_sizes_are_not_kept(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    run_tasks(&b, 1, 1 << 20);
    const size_t before = bed_mapped_bytes();
    const size_t used = plait_reactor_budget(b.r)->used;
    for (int i = 0; i < 64; i++)
        run_tasks(&b, 1, 1 << 20);
    assert_true(bed_mapped_bytes() < before + (16 << 20));
    assert_int_equal(plait_reactor_budget(b.r)->used, used);
    bed_close(&b);
}

static void the_stacks_that_are_kept_go_with_the_reactor(void **state)
{
    struct bed b;
    size_t before = 0;
    (void)state;
    for (int i = 0; i < 9; i++) {
        bed_open(&b);
        run_tasks(&b, 64, 0);
        assert_int_equal(b.r->tasks->spare_count, 64);
        bed_close(&b);
        if (i == 0)
            before = bed_mapped_bytes();
    }
    assert_true(bed_mapped_bytes() < before + (16 << 20));
}

static void a_stack_counts_to_the_byte(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    run_tasks(&b, 1, 0);
    struct plait_budget *budget = plait_reactor_budget(b.r);
    const size_t max = budget->max;
    budget->max = budget->used + plait__stack_round(1 << 20) - 1;
    assert_null(plait_task_spawn(b.r, "task", 1 << 20, nothing, NULL));
    budget->max++;
    struct plait_deferred *d = plait_task_spawn(b.r, "task", 1 << 20, nothing, NULL);
    assert_non_null(d);
    budget->max = max;
    assert_ok(plait_reactor_run_until(b.r, d, NULL));
    bed_close(&b);
}

/* --- tasks that the reactor's end leaves standing ----------------------------------------------------------------- */

/* Nobody can end this wait. */
static plait_err sleep_on(struct plait_task *t, void *arg)
{
    struct plait_scope scope;
    (void)arg;
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    const plait_err err = plait_task_sleep(t, plait_seconds(5));
    plait_scope_close(&scope);
    return err;
}

static void the_timer_of_a_task_that_was_left_standing_is_stopped(void **state)
{
    struct bed b;
    struct seen seen;
    struct bed_part part;
    (void)state;
    bed_open(&b);
    bed_part_add(&b, &part);
    watch_result(plait_task_spawn(b.r, "sleeper", 0, sleep_on, NULL), &seen);
    bed_run(&b);
    bed_close(&b); /* whose last turns would find it due */
    assert_true(bed_logged(&b, "task-abandoned"));
    assert_err(seen.err, PLAIT_ECANCELLED);
}

/* The end cancels what there is, and what callbacks then begin, ten times over. */
enum { RELAY = 11 };

struct relay {
    struct plait_reactor *r;
    int spawned, ended;
};

static void spawn_next(struct plait_result *result, void *ctx)
{
    struct relay *relay = ctx;
    if (result) {
        result->fault.err = PLAIT_OK;
        relay->ended++;
    }
    if (relay->spawned == RELAY)
        return;
    relay->spawned++;
    assert_ok(plait_then(plait_task_spawn(relay->r, "relay", 0, sleep_on, NULL), spawn_next, relay));
}

static void each_task_that_was_left_standing_is_told_of(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct relay relay = {.r = b.r};
    spawn_next(NULL, &relay);
    bed_run(&b);
    bed_close(&b);
    assert_int_equal(relay.spawned, RELAY);
    assert_int_equal(relay.ended, RELAY);
}

/* --- the end waits for jobs --------------------------------------------------------------------------------------- */

/* What a job in a thread waits for. */
struct gate {
    sem_t began, go;
    plait_err err;
};

static void gate_init(struct gate *gate)
{
    *gate = (struct gate){.err = PLAIT_OK};
    sem_init(&gate->began, 0, 0);
    sem_init(&gate->go, 0, 0);
}

static void gate_deinit(struct gate *gate)
{
    sem_destroy(&gate->began);
    sem_destroy(&gate->go);
}

static plait_err pass_gate(plait_value *value, void *arg)
{
    struct gate *gate = arg;
    sem_post(&gate->began);
    while (sem_wait(&gate->go) != 0)
        continue;
    *value = plait_value_num(5);
    return PLAIT_OK;
}

static struct plait_deferred *start_job(struct plait_reactor *r, struct gate *gate)
{
    return plait_in_thread(r, PLAIT_LANE_OTHER, pass_gate, gate, NULL);
}

static plait_err open_gate_after(struct plait_task *t, void *arg)
{
    struct gate *gate = arg;
    gate->err = plait_await(t, start_job(plait_task_reactor(t), gate), NULL);
    sem_post(&gate->go);
    return gate->err;
}

static void tasks_are_cancelled_before_jobs_are_waited_for(void **state)
{
    struct bed b;
    struct seen seen;
    struct gate gate;
    (void)state;
    bed_open_real(&b);
    gate_init(&gate);
    watch_result(plait_task_spawn(b.r, "task", 0, open_gate_after, &gate), &seen);
    bed_run(&b);
    sem_wait(&gate.began);
    bed_close(&b);
    assert_err(gate.err, PLAIT_ECANCELLED);
    assert_int_equal(seen.calls, 1);
    gate_deinit(&gate);
}

static void open_gate(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    sem_post(&((struct gate *)self)->go);
}

static void streams_are_told_of_their_end_before_jobs_are_waited_for(void **state)
{
    static const struct plait_protocol protocol = {.name = "gate", .lost = open_gate};
    struct bed b;
    struct seen seen;
    struct gate gate;
    struct plait_stream *s[2];
    (void)state;
    bed_open_real(&b);
    gate_init(&gate);
    assert_ok(plait_pair_new(b.r, &s[0], &s[1]));
    plait_stream_attach(s[0], &protocol, &gate);
    watch_result(start_job(b.r, &gate), &seen);
    sem_wait(&gate.began);
    bed_close(&b);
    assert_ok(seen.err);
    assert_int_equal(seen.num, 5);
    gate_deinit(&gate);
}

static void open_gate_at_exit(struct plait_result *result, void *ctx)
{
    result->fault.err = PLAIT_OK;
    sem_post(&((struct gate *)ctx)->go);
}

static void who_waits_for_a_child_is_told_before_jobs_are_waited_for(void **state)
{
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    struct plait_process *p;
    struct bed b;
    struct seen seen;
    struct gate gate;
    (void)state;
    bed_open_real(&b);
    gate_init(&gate);
    assert_ok(plait_spawn(b.r, &o, &p));
    assert_ok(plait_then(plait_process_exit(p), open_gate_at_exit, &gate));
    watch_result(start_job(b.r, &gate), &seen);
    sem_wait(&gate.began);
    bed_close(&b);
    assert_ok(seen.err);
    gate_deinit(&gate);
}

static plait_err await_shielded(struct plait_task *t, void *arg)
{
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    const plait_err err = plait_await(t, start_job(plait_task_reactor(t), arg), NULL);
    plait_scope_close(&scope);
    return err;
}

static void *open_gate_later(void *arg)
{
    struct gate *gate = arg;
    (void)usleep(20000);
    sem_post(&gate->go);
    return NULL;
}

static void a_task_that_shields_its_wait_gets_what_the_job_gave(void **state)
{
    struct bed b;
    struct seen seen;
    struct gate gate;
    pthread_t helper;
    (void)state;
    bed_open_real(&b);
    gate_init(&gate);
    watch_result(plait_task_spawn(b.r, "task", 0, await_shielded, &gate), &seen);
    bed_run(&b);
    sem_wait(&gate.began);
    assert_int_equal(pthread_create(&helper, NULL, open_gate_later, &gate), 0);
    bed_close(&b);
    pthread_join(helper, NULL);
    assert_int_equal(seen.calls, 1);
    assert_ok(seen.err);
    gate_deinit(&gate);
}

TEST_MAIN(cmocka_unit_test(one_task_after_another_has_the_same_stack),
          cmocka_unit_test(stacks_of_other_sizes_are_not_kept),
          cmocka_unit_test(the_stacks_that_are_kept_go_with_the_reactor), cmocka_unit_test(a_stack_counts_to_the_byte),
          cmocka_unit_test(the_timer_of_a_task_that_was_left_standing_is_stopped),
          cmocka_unit_test(each_task_that_was_left_standing_is_told_of),
          cmocka_unit_test(tasks_are_cancelled_before_jobs_are_waited_for),
          cmocka_unit_test(streams_are_told_of_their_end_before_jobs_are_waited_for),
          cmocka_unit_test(who_waits_for_a_child_is_told_before_jobs_are_waited_for),
          cmocka_unit_test(a_task_that_shields_its_wait_gets_what_the_job_gave))
