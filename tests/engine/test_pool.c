/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/pool.c: results, lanes, cancelling, limits, the end, threads that cannot be had, and the stand-in
 * without threads.
 */
#include "tests/engine/bed.h"

#include <plait/thread.h>

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

/* A job that tells when it runs and ends when it is let go. */
struct job {
    sem_t began, go;
    int destroyed; /* destroy_arg was called */
    int64_t answer;
    plait_err err;
    pthread_t thread;
    int value_destroyed;
};

static void job_begin(struct job *job, int64_t answer)
{
    memset(job, 0, sizeof *job);
    sem_init(&job->began, 0, 0);
    sem_init(&job->go, 0, 0);
    job->answer = answer;
}

static void job_end(struct job *job)
{
    sem_destroy(&job->began);
    sem_destroy(&job->go);
}

static plait_err quick(plait_value *value, void *arg)
{
    struct job *job = arg;
    job->thread = pthread_self();
    *value = plait_value_num(job->answer);
    return job->err;
}

static plait_err held(plait_value *value, void *arg)
{
    struct job *job = arg;
    sem_post(&job->began);
    while (sem_wait(&job->go) != 0)
        continue;
    *value = plait_value_ptr(&job->value_destroyed, count_destroy);
    return job->err;
}

static void job_destroyed(void *arg)
{
    struct job *job = arg;
    job->destroyed++;
}

static struct plait_deferred *start(struct bed *b, enum plait_lane lane, plait_work_fn fn, struct job *job)
{
    struct plait_deferred *d = plait_in_thread(b->r, lane, fn, job, job_destroyed);
    assert_non_null(d);
    return d;
}

static void wait_for(struct bed *b, struct seen *seen)
{
    while (seen->calls == 0)
        assert_ok(plait_reactor_step(b->r, plait_seconds(1)));
}

static void a_job_runs_in_another_thread_and_fires_its_value(void **state)
{
    struct bed b;
    struct job job;
    plait_value value;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 42);
    assert_int_equal(plait__pool_busy(b.r->pool), 0);
    struct plait_deferred *d = start(&b, PLAIT_LANE_FILES, quick, &job);
    assert_int_equal(plait__pool_busy(b.r->pool), 1);
    assert_ok(plait_reactor_run_until(b.r, d, &value));
    assert_int_equal(value.num, 42);
    assert_false(pthread_equal(job.thread, pthread_self()));
    assert_int_equal(job.destroyed, 1);
    assert_int_equal(plait__pool_busy(b.r->pool), 0);
    job_end(&job);
    bed_close(&b);
}

static void a_jobs_error_is_its_fault_and_its_value_goes(void **state)
{
    struct bed b;
    struct job job;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 0);
    job.err = PLAIT_ENAMENOTFOUND;
    sem_post(&job.go);
    assert_err(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_NAMES, held, &job), NULL), PLAIT_ENAMENOTFOUND);
    assert_int_equal(job.value_destroyed, 1);
    assert_err(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_NAMES, quick, &job), NULL), PLAIT_ENAMENOTFOUND);
    assert_int_equal(job.destroyed, 2);
    job_end(&job);
    bed_close(&b);
}

static void a_hung_lane_stops_no_other(void **state)
{
    struct bed b;
    struct job hung[4];
    struct job job;
    struct seen seen;
    (void)state;
    bed_open_real(&b);
    for (size_t i = 0; i < 4; i++) {
        job_begin(&hung[i], 0);
        plait_deferred_ignore(start(&b, PLAIT_LANE_NAMES, held, &hung[i]));
        sem_wait(&hung[i].began); /* each has a thread of its own */
    }
    job_begin(&job, 1);
    struct plait_deferred *d = start(&b, PLAIT_LANE_NAMES, quick, &job);
    watch_result(d, &seen);
    assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_COUNT, quick, &job), NULL)); /* as OTHER */
    assert_int_equal(seen.calls, 0);
    struct plait_metric *depth = plait_metrics_find(plait_reactor_metrics(b.r), "plait_pool_waiting", "lane=\"names\"");
    assert_int_equal(depth->value, 1);
    for (size_t i = 0; i < 4; i++)
        sem_post(&hung[i].go);
    wait_for(&b, &seen);
    assert_int_equal(seen.num, 1);
    while (plait__pool_busy(b.r->pool) > 0)
        assert_ok(plait_reactor_step(b.r, plait_seconds(1)));
    assert_int_equal(depth->value, 0);
    for (size_t i = 0; i < 4; i++)
        job_end(&hung[i]);
    job_end(&job);
    bed_close(&b);
}

static void cancelling_a_job_that_waits_takes_it_off(void **state)
{
    struct bed b;
    struct job hung[4];
    struct job job[3];
    struct seen seen[3];
    struct plait_deferred *d[3];
    (void)state;
    bed_open_real(&b);
    for (size_t i = 0; i < 4; i++) {
        job_begin(&hung[i], 0);
        plait_deferred_ignore(start(&b, PLAIT_LANE_HASHING, held, &hung[i]));
        sem_wait(&hung[i].began);
    }
    for (size_t i = 0; i < 3; i++) {
        job_begin(&job[i], 7);
        d[i] = start(&b, PLAIT_LANE_HASHING, quick, &job[i]);
        watch_result(d[i], &seen[i]);
    }
    plait_deferred_cancel(d[1]);
    plait_deferred_cancel(d[2]);
    assert_int_equal(job[1].destroyed, 0); /* later */
    bed_run(&b);
    assert_err(seen[1].err, PLAIT_ECANCELLED);
    assert_err(seen[2].err, PLAIT_ECANCELLED);
    assert_int_equal(job[1].destroyed, 1);
    for (size_t i = 0; i < 4; i++)
        sem_post(&hung[i].go);
    wait_for(&b, &seen[0]);
    assert_int_equal(seen[0].num, 7);
    bed_close(&b);
    for (size_t i = 0; i < 4; i++)
        job_end(&hung[i]);
    for (size_t i = 0; i < 3; i++)
        job_end(&job[i]);
}

static void a_job_that_runs_is_finished_and_its_value_destroyed(void **state)
{
    struct bed b;
    struct job job;
    struct seen seen;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 0);
    struct plait_deferred *d = start(&b, PLAIT_LANE_OTHER, held, &job);
    watch_result(d, &seen);
    sem_wait(&job.began);
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(job.destroyed, 0);
    sem_post(&job.go);
    while (job.destroyed == 0)
        assert_ok(plait_reactor_step(b.r, plait_seconds(1)));
    assert_int_equal(job.value_destroyed, 1);
    job_end(&job);
    bed_close(&b);
}

static void *let_go_later(void *arg)
{
    struct job *job = arg;
    usleep(20000);
    sem_post(&job->go);
    return NULL;
}

static void the_end_awaits_what_runs_and_cancels_what_waits(void **state)
{
    struct bed b;
    struct job hung[4];
    struct job job;
    struct job other;
    struct seen seen[2];
    pthread_t helper;
    (void)state;
    bed_open_real(&b);
    for (size_t i = 0; i < 4; i++) {
        job_begin(&hung[i], 0);
        struct plait_deferred *d = start(&b, PLAIT_LANE_DATABASE, held, &hung[i]);
        if (i == 0)
            watch_result(d, &seen[0]);
        sem_wait(&hung[i].began);
    }
    job_begin(&job, 0);
    watch_result(start(&b, PLAIT_LANE_DATABASE, quick, &job), &seen[1]);
    for (size_t i = 1; i < 4; i++)
        sem_post(&hung[i].go);
    job_begin(&other, 0);
    plait_deferred_ignore(start(&b, PLAIT_LANE_OTHER, quick, &other));
    assert_int_equal(pthread_create(&helper, NULL, let_go_later, &hung[0]), 0);
    bed_close(&b);
    pthread_join(helper, NULL);
    assert_err(seen[0].err, PLAIT_OK);
    assert_int_equal(seen[0].calls, 1);
    assert_int_equal(seen[1].calls, 1);
    assert_int_equal(job.destroyed, 1);
    assert_int_equal(other.destroyed, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hung[i].value_destroyed, 1);
        assert_int_equal(hung[i].destroyed, 1);
        job_end(&hung[i]);
    }
    job_end(&job);
    job_end(&other);
}

struct late {
    struct plait_reactor *r;
    struct job *job;
    struct seen seen;
};

static void start_late(struct plait_result *result, void *ctx)
{
    struct late *late = ctx;
    (void)result;
    watch_result(plait_in_thread(late->r, PLAIT_LANE_OTHER, quick, late->job, job_destroyed), &late->seen);
}

static void a_reactor_that_ends_takes_no_job(void **state)
{
    struct bed b;
    struct job job;
    struct late late = {.job = &job};
    (void)state;
    bed_open_real(&b);
    late.r = b.r;
    job_begin(&job, 0);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    assert_ok(plait_then(d, start_late, &late));
    bed_close(&b);
    assert_err(late.seen.err, PLAIT_ECANCELLED);
    assert_int_equal(job.destroyed, 1);
    job_end(&job);
}

static plait_err look_at_mask(plait_value *value, void *arg)
{
    sigset_t now;
    (void)arg;
    sigemptyset(&now);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    *value = plait_value_num(sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGUSR1) == 1);
    return PLAIT_OK;
}

static void threads_block_signals(void **state)
{
    struct bed b;
    struct job job;
    sigset_t mine;
    plait_value value;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 0);
    assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_OTHER, look_at_mask, &job), &value));
    assert_int_equal(value.num, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
    job_end(&job);
    bed_close(&b);
}

static void an_idle_thread_ends_and_another_takes_its_place(void **state)
{
    struct bed b;
    struct job job;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 1);
    assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_FILES, quick, &job), NULL));
    plait__pool_tune(b.r->pool, plait_millis(1), 0);
    assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_FILES, quick, &job), NULL));
    size_t mapped = 0;
    for (int i = 0; i < 40; i++) {
        usleep(5000);
        assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_FILES, quick, &job), NULL));
        if (i == 10)
            mapped = bed_mapped_bytes();
    }
    assert_int_equal(job.destroyed, 42);
    assert_true(bed_mapped_bytes() < mapped + (64 << 20)); /* their stacks were given back */
    job_end(&job);
    bed_close(&b);
}

static plait_err tell_thread(plait_value *value, void *arg)
{
    (void)arg;
    *value = plait_value_num(gettid());
    return PLAIT_OK;
}

static int64_t thread_of_a_job(struct bed *b, struct job *job)
{
    plait_value value;
    assert_ok(plait_reactor_run_until(b->r, start(b, PLAIT_LANE_FILES, tell_thread, job), &value));
    return value.num;
}

static void a_thread_stays_for_as_long_as_it_may_be_idle(void **state)
{
    struct bed b;
    struct job job;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 1);
    const int64_t first = thread_of_a_job(&b, &job);
    usleep(20000);
    assert_int_equal(thread_of_a_job(&b, &job), first);
    plait__pool_tune(b.r->pool, plait_millis(1), 0);
    bool another = false;
    for (int i = 0; i < 100 && !another; i++) {
        usleep(5000);
        another = thread_of_a_job(&b, &job) != first;
    }
    assert_true(another);
    job_end(&job);
    bed_close(&b);
}

static void more_than_1024_waiting_jobs_are_refused(void **state)
{
    struct bed b;
    struct job job;
    struct job last;
    struct seen seen;
    (void)state;
    bed_open(&b);
    b.job_delay = plait_millis(5);
    job_begin(&job, 0);
    job_begin(&last, 0);
    for (int i = 0; i < 1024; i++)
        plait_deferred_ignore(start(&b, PLAIT_LANE_OTHER, quick, &job));
    watch_result(start(&b, PLAIT_LANE_OTHER, quick, &last), &seen);
    assert_int_equal(last.destroyed, 0);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ELIMIT);
    assert_int_equal(last.destroyed, 1);
    bed_pass(&b, plait_millis(6));
    assert_int_equal(job.destroyed, 1024);
    job_end(&job);
    job_end(&last);
    bed_close(&b);
}

static void without_threads_a_job_runs_in_the_loop_after_its_delay(void **state)
{
    struct bed b;
    struct job job;
    struct seen seen;
    (void)state;
    bed_open(&b);
    b.job_delay = plait_millis(5);
    job_begin(&job, 11);
    watch_result(start(&b, PLAIT_LANE_NAMES, quick, &job), &seen);
    bed_pass(&b, plait_millis(4));
    assert_int_equal(seen.calls, 0);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(seen.num, 11);
    assert_true(pthread_equal(job.thread, pthread_self()));
    struct plait_deferred *d = start(&b, PLAIT_LANE_NAMES, quick, &job);
    watch_result(d, &seen);
    plait_deferred_cancel(d);
    bed_pass(&b, plait_millis(10));
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(job.destroyed, 2);
    watch_result(start(&b, PLAIT_LANE_NAMES, quick, &job), &seen);
    bed_close(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(job.destroyed, 3);
    job_end(&job);
}

static void without_memory_it_is_null_and_the_argument_goes(void **state)
{
    struct bed b;
    struct job job;
    (void)state;
    bed_open(&b);
    b.job_delay = 1;
    job_begin(&job, 0);
    bed_fill(&b);
    for (uint64_t n = 1; n <= 3; n++) {
        bed_fail(&b, n == 3 ? 2 : n); /* the pool stays once it is made; then the job, then its deferred */
        assert_null(plait_in_thread(b.r, PLAIT_LANE_OTHER, quick, &job, job_destroyed));
        bed_heal(&b);
        assert_int_equal(job.destroyed, n);
    }
    bed_fail(&b, 1);
    assert_null(plait_in_thread(b.r, PLAIT_LANE_OTHER, quick, &job, NULL));
    bed_heal(&b);
    job_end(&job);
    bed_close(&b);
}

/* A stack for which there is no room makes pthread_create fail. */
static void no_threads(struct bed *b, bool none)
{
    plait__pool_tune(b->r->pool, plait_seconds(10), none ? (size_t)1 << 50 : 0);
}

static void a_job_for_which_there_is_no_thread_fails_or_waits(void **state)
{
    struct bed b;
    struct job job;
    struct job first;
    struct seen seen;
    struct seen waits;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 3);
    job_begin(&first, 0);
    assert_ok(plait_reactor_run_until(b.r, start(&b, PLAIT_LANE_NAMES, quick, &job), NULL)); /* makes the pool */
    no_threads(&b, true);
    watch_result(start(&b, PLAIT_LANE_OTHER, quick, &job), &seen);
    no_threads(&b, false);
    wait_for(&b, &seen);
    assert_err(seen.err, plait_err_from_errno(EAGAIN));
    assert_int_equal(seen.fault.os_errno, EAGAIN);
    bed_run(&b);
    assert_int_equal(job.destroyed, 2);
    watch_result(start(&b, PLAIT_LANE_OTHER, held, &first), &seen);
    sem_wait(&first.began);
    no_threads(&b, true);
    watch_result(start(&b, PLAIT_LANE_OTHER, quick, &job), &waits);
    no_threads(&b, false);
    sem_post(&first.go);
    wait_for(&b, &waits); /* the one thread that there is comes for it */
    assert_int_equal(waits.num, 3);
    job_end(&job);
    job_end(&first);
    bed_close(&b);
}

/* --- jobs that take time where there are no threads --------------------------------------------------------------- */

static int64_t spent; /* time that passed in a call, as a simulated disk tells it */

static int64_t take_spent(struct plait_sys *sys)
{
    const int64_t was = spent;
    (void)sys;
    spent = 0;
    return was;
}

static plait_err slow(plait_value *value, void *arg)
{
    struct job *job = arg;
    job->answer++;
    spent = plait_millis(20);
    *value = plait_value_ptr(&job->value_destroyed, count_destroy);
    return PLAIT_OK;
}

static void open_slow(struct bed *b, struct job *job)
{
    bed_open(b);
    b->job_delay = plait_millis(1);
    b->ops.job_cost = take_spent;
    job_begin(job, 0);
    spent = plait_seconds(9); /* of what the loop called before */
}

static void without_threads_a_job_is_over_when_its_time_has_passed(void **state)
{
    struct bed b;
    struct job job;
    struct seen seen;
    (void)state;
    open_slow(&b, &job);
    watch_result(start(&b, PLAIT_LANE_FILES, slow, &job), &seen);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(job.answer, 1);
    bed_pass(&b, plait_millis(19));
    assert_int_equal(seen.calls, 0);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(seen.calls, 1);
    assert_ok(seen.err);
    assert_ptr_equal(seen.ptr, &job.value_destroyed);
    assert_int_equal(job.answer, 1);
    assert_int_equal(job.destroyed, 1);
    job_end(&job);
    bed_close(&b);
}

struct passing {
    struct bed *bed;
    struct seen seen;
};

static void see_and_let_time_pass(struct plait_result *result, void *ctx)
{
    struct passing *p = ctx;
    see(result, &p->seen);
    p->bed->clock += plait_seconds(1);
}

static void without_threads_the_end_does_not_wait_for_a_jobs_time(void **state)
{
    struct bed b;
    struct job job;
    struct passing p = {.bed = &b};
    (void)state;
    open_slow(&b, &job);
    assert_ok(plait_then(start(&b, PLAIT_LANE_FILES, slow, &job), see_and_let_time_pass, &p));
    bed_pass(&b, plait_millis(2));
    bed_close(&b); /* whose last turns would find its timer due */
    assert_int_equal(p.seen.calls, 1);
    assert_ok(p.seen.err);
    assert_int_equal(job.value_destroyed, 1);
    assert_int_equal(job.destroyed, 1);
    job_end(&job);
}

/* --- how many threads there are ----------------------------------------------------------------------------------- */

static int threads_now(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Before a test: threads of the one before, which were joined, may be seen for a moment still. */
static int threads_before(void)
{
    int least = threads_now();
    for (int i = 0; i < 20; i++) {
        (void)usleep(1000);
        const int now = threads_now();
        least = now < least ? now : least;
    }
    return least;
}

static void a_lane_has_as_many_threads_as_it_may(void **state)
{
    struct bed b;
    struct job job[5];
    (void)state;
    bed_open_real(&b);
    const int before = threads_before();
    for (int i = 0; i < 5; i++) {
        job_begin(&job[i], 0);
        plait_deferred_ignore(start(&b, PLAIT_LANE_NAMES, held, &job[i]));
        assert_int_equal(threads_now(), before + (i < 4 ? i + 1 : 4));
    }
    for (int i = 0; i < 5; i++)
        sem_post(&job[i].go);
    while (plait__pool_busy(b.r->pool) > 0)
        assert_ok(plait_reactor_step(b.r, plait_seconds(1)));
    bed_close(&b);
    for (int i = 0; i < 5; i++)
        job_end(&job[i]);
}

/* Waits until a thread stands still, which one of the pool does when it is idle. */
static void wait_for_idle(int64_t tid)
{
    char path[64];
    char text[64] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    for (int n = 0, still = 0; n < 2000 && still < 5; n++) {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        (void)fclose(file);
        const char *after = strrchr(text, ')');
        still = after && after[2] == 'S' ? still + 1 : 0;
        (void)usleep(1000);
    }
}

static void a_job_takes_an_idle_thread_before_a_new_one_is_made(void **state)
{
    struct bed b;
    struct job job;
    (void)state;
    bed_open_real(&b);
    job_begin(&job, 0);
    const int before = threads_before();
    const int64_t first = thread_of_a_job(&b, &job);
    for (int i = 0; i < 3; i++) {
        wait_for_idle(first);
        assert_int_equal(thread_of_a_job(&b, &job), first);
        assert_int_equal(threads_now(), before + 1);
    }
    job_end(&job);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_job_for_which_there_is_no_thread_fails_or_waits),
          cmocka_unit_test(a_job_runs_in_another_thread_and_fires_its_value),
          cmocka_unit_test(a_jobs_error_is_its_fault_and_its_value_goes), cmocka_unit_test(a_hung_lane_stops_no_other),
          cmocka_unit_test(cancelling_a_job_that_waits_takes_it_off),
          cmocka_unit_test(a_job_that_runs_is_finished_and_its_value_destroyed),
          cmocka_unit_test(the_end_awaits_what_runs_and_cancels_what_waits),
          cmocka_unit_test(a_reactor_that_ends_takes_no_job), cmocka_unit_test(threads_block_signals),
          cmocka_unit_test(an_idle_thread_ends_and_another_takes_its_place),
          cmocka_unit_test(a_thread_stays_for_as_long_as_it_may_be_idle),
          cmocka_unit_test(more_than_1024_waiting_jobs_are_refused),
          cmocka_unit_test(without_threads_a_job_runs_in_the_loop_after_its_delay),
          cmocka_unit_test(without_memory_it_is_null_and_the_argument_goes),
          cmocka_unit_test(without_threads_a_job_is_over_when_its_time_has_passed),
          cmocka_unit_test(without_threads_the_end_does_not_wait_for_a_jobs_time),
          cmocka_unit_test(a_lane_has_as_many_threads_as_it_may),
          cmocka_unit_test(a_job_takes_an_idle_thread_before_a_new_one_is_made))
