/* SPDX-License-Identifier: MIT
 *
 * The thread pool. A lane is a queue, a lock and up to threads_max threads, made when a job finds none idle and ended
 * after a while without work. A job is made, finished and freed in the reactor's thread; a pool thread only runs its
 * function and posts the job's own record back, so a completion allocates nothing. Where the system table says so (a
 * simulated host) there are no threads: a job runs in the loop, from a timer.
 *
 * Invariant: what pool threads touch (queue, counts, a job's state) is touched under the lane's lock; `value`, `err`
 * and `began` belong to the thread that runs the job until its record is posted.
 * Test: tests/engine/test_pool.c, under ThreadSanitizer too.
 */
#include "engine/core.h"

#include "base/try.h"

#include <plait/thread.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>

enum { WAITING_MAX = 1024, IDLE_SECONDS = 10 };
enum job_state { JOB_WAITS, JOB_RUNS, JOB_OVER };
enum worker_state { WORKER_NONE, WORKER_RUNS, WORKER_ENDED };

struct job {
    struct plait__post post;  /* brings it back */
    struct plait_soon over;   /* frees one that never ran */
    struct plait_timer timer; /* runs it where there are no threads */
    struct plait__list all;
    struct job *next, **prev; /* lane's queue */
    struct lane *lane;
    struct plait_deferred *deferred;
    plait_work_fn fn;
    void *arg;
    plait_destroy_fn destroy_arg;
    plait_value value;
    plait_err err;
    enum job_state state;
    int64_t queued, began; /* monotonic clock */
};

struct worker {
    pthread_t thread;
    struct lane *lane;
    enum worker_state state;
};

struct lane {
    struct plait__pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last;
    size_t waiting;
    unsigned threads, idle;
    bool ending, held; /* held: somebody has the lock */
    plait_span idle_max;
    struct worker *workers; /* threads_max of them */
    struct plait_metric depth, m_wait;
    struct plait_histogram wait;
};

struct plait__pool {
    struct plait_reactor *reactor;
    struct plait__list jobs; /* all that are not freed */
    size_t busy;
    size_t stack_bytes; /* of new threads; 0: the C library's choice */
    struct lane lanes[PLAIT_LANE_COUNT];
};

static const char *const lane_labels[PLAIT_LANE_COUNT] = {"lane=\"names\"", "lane=\"hashing\"", "lane=\"files\"",
                                                          "lane=\"database\"", "lane=\"other\""};

static int64_t clock_now(const struct plait__pool *pool)
{
    struct plait_sys *sys = pool->reactor->sys;
    return sys->ops->clock(sys, PLAIT_SYS_MONOTONIC);
}

/* --- a lane's lock ------------------------------------------------------------------------------------------------ */

static void lock(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->held = true;
}

static void unlock(struct lane *lane)
{
    assert(lane->held);
    lane->held = false;
    pthread_mutex_unlock(&lane->lock);
}

/* --- a lane's queue; under its lock ------------------------------------------------------------------------------- */

static void push(struct lane *lane, struct job *job)
{
    job->next = NULL;
    job->prev = lane->last;
    *lane->last = job;
    lane->last = &job->next;
    lane->waiting++;
}

static void take_off(struct lane *lane, struct job *job)
{
    *job->prev = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        lane->last = job->prev;
    lane->waiting--;
}

/* --- pool threads ------------------------------------------------------------------------------------------------- */

static bool wait_for_work(struct lane *lane)
{
    const int64_t until = clock_now(lane->pool) + lane->idle_max;
    const struct timespec ts = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    lane->idle++;
    lane->held = false;
    const int res = pthread_cond_timedwait(&lane->work, &lane->lock, &ts);
    lane->held = true;
    lane->idle--;
    return res != ETIMEDOUT || lane->first;
}

/* NULL: the thread is to end. */
static struct job *next_job(struct lane *lane)
{
    while (!lane->first) {
        if (lane->ending || !wait_for_work(lane))
            return NULL;
    }
    struct job *job = lane->first;
    take_off(lane, job);
    job->state = JOB_RUNS;
    return job;
}

static void run_job(struct job *job)
{
    struct plait__pool *pool = job->lane->pool;
    job->began = clock_now(pool);
    job->err = job->fn(&job->value, job->arg);
    plait__post_record(pool->reactor->posts, &job->post); /* from here on it may be gone */
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct lane *lane = worker->lane;
    lock(lane);
    for (struct job *job = next_job(lane); job; job = next_job(lane)) {
        unlock(lane);
        run_job(job);
        lock(lane);
    }
    worker->state = WORKER_ENDED;
    lane->threads--;
    unlock(lane);
    return NULL;
}

/* Signals are the loop's: a pool thread takes none. Returns 0 or -errno. */
static int create_thread(struct plait__pool *pool, struct worker *worker)
{
    struct plait_sys *sys = pool->reactor->sys;
    pthread_attr_t attr;
    sigset_t all;
    sigset_t old;
    pthread_attr_init(&attr);
    if (pool->stack_bytes > 0)
        pthread_attr_setstacksize(&attr, pool->stack_bytes);
    sigfillset(&all);
    (sys->ops->sigmask)(sys, SIG_SETMASK, &all, &old);
    const int res = pthread_create(&worker->thread, &attr, work, worker);
    (sys->ops->sigmask)(sys, SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -res;
}

/* Finds a place; joins the thread that had it. There is one while lane->threads < threads_max. */
static struct worker *free_worker(struct lane *lane)
{
    struct worker *worker = lane->workers;
    while (worker->state == WORKER_RUNS)
        worker++;
    if (worker->state == WORKER_ENDED)
        pthread_join(worker->thread, NULL); /* it holds no lock and is about to return */
    worker->state = WORKER_NONE;
    return worker;
}

/* Under the lock. Returns 0 or -errno. */
static int add_thread(struct lane *lane)
{
    struct worker *worker = free_worker(lane);
    worker->lane = lane;
    const int res = create_thread(lane->pool, worker);
    if (res == 0) {
        worker->state = WORKER_RUNS;
        lane->threads++;
    }
    return res;
}

/* --- the end of a job; the reactor's thread ----------------------------------------------------------------------- */

static void free_job(struct job *job)
{
    struct plait__pool *pool = job->lane->pool;
    plait_soon_cancel(&job->over);
    plait__list_remove(&job->all);
    pool->busy--;
    if (job->destroy_arg)
        job->destroy_arg(job->arg);
    plait_mem_free(job);
}

static void job_over(void *ctx)
{
    free_job(ctx);
}

/* One that never ran: nothing of the user's is called from here. */
static void fail_job(struct job *job, struct plait_fault fault)
{
    job->state = JOB_OVER;
    plait_fire_fault(job->deferred, fault);
    plait_soon_queue(&job->over);
}

static void count_wait(struct job *job)
{
    struct lane *lane = job->lane;
    plait_histogram_count(&lane->wait, job->began > job->queued ? (uint64_t)(job->began - job->queued) : 0);
    lock(lane);
    plait_metric_set(&lane->depth, (int64_t)lane->waiting);
    unlock(lane);
}

static void job_done(void *ctx)
{
    struct job *job = ctx;
    count_wait(job);
    if (job->err == PLAIT_OK) {
        plait_fire(job->deferred, job->value);
    } else {
        if (job->value.destroy)
            job->value.destroy(job->value.ptr);
        plait_fire_fault(job->deferred, plait_fault_make(job->err, "thread"));
    }
    free_job(job);
}

static void cancel_job(struct plait_deferred *deferred, void *ctx)
{
    struct job *job = ctx;
    struct lane *lane = job->lane;
    (void)deferred;
    lock(lane);
    const bool waits = job->state == JOB_WAITS;
    if (waits)
        take_off(lane, job);
    unlock(lane);
    if (!waits)
        return; /* it runs: its value is destroyed when it comes */
    plait_timer_stop(&job->timer);
    fail_job(job, plait_fault_make(PLAIT_ECANCELLED, "thread"));
}

/* --- the pool ----------------------------------------------------------------------------------------------------- */

static void describe(struct lane *lane, struct plait_metric *m, const char *name, const char *help)
{
    m->name = name;
    m->help = help;
    m->labels = lane_labels[lane - lane->pool->lanes];
    plait_metrics_add(lane->pool->reactor->metrics, m);
}

static void lane_init(struct plait__pool *pool, struct lane *lane, struct worker *workers)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&lane->lock, NULL);
    lane->pool = pool;
    lane->last = &lane->first;
    lane->idle_max = plait_seconds(IDLE_SECONDS);
    lane->workers = workers;
    lane->depth = (struct plait_metric){.kind = PLAIT_GAUGE, .unit = ""};
    lane->m_wait = (struct plait_metric){
        .kind = PLAIT_HISTOGRAM, .unit = "seconds", .histogram = &lane->wait, .scale = 1000000000};
    describe(lane, &lane->depth, "plait_pool_waiting", "Jobs that wait for a thread.");
    describe(lane, &lane->m_wait, "plait_pool_wait_seconds", "How long jobs waited for a thread.");
}

static struct plait__pool *pool_of(struct plait_reactor *r)
{
    if (r->pool)
        return r->pool;
    const size_t workers_bytes = PLAIT_LANE_COUNT * r->threads_max * sizeof(struct worker);
    struct plait__pool *pool = plait_mem_new(&r->budget, sizeof *pool + workers_bytes);
    if (!pool)
        return NULL;
    struct worker *workers = (struct worker *)(pool + 1);
    pool->reactor = r;
    plait__list_init(&pool->jobs);
    for (size_t i = 0; i < PLAIT_LANE_COUNT; i++)
        lane_init(pool, &pool->lanes[i], workers + i * r->threads_max);
    r->pool = pool;
    return pool;
}

void plait__pool_tune(struct plait__pool *pool, plait_span idle, size_t stack_bytes)
{
    pool->stack_bytes = stack_bytes;
    for (size_t i = 0; i < PLAIT_LANE_COUNT; i++) {
        lock(&pool->lanes[i]);
        pool->lanes[i].idle_max = idle;
        unlock(&pool->lanes[i]);
    }
}

size_t plait__pool_busy(const struct plait__pool *pool)
{
    return pool ? pool->busy : 0;
}

static bool worker_exists(struct lane *lane, unsigned i)
{
    lock(lane);
    const bool exists = lane->workers[i].state != WORKER_NONE;
    unlock(lane);
    return exists;
}

static bool job_waits(struct job *job)
{
    lock(job->lane);
    const bool waits = job->state == JOB_WAITS;
    unlock(job->lane);
    return waits;
}

static void lane_end(struct plait__pool *pool, struct lane *lane)
{
    lock(lane);
    lane->ending = true;
    pthread_cond_broadcast(&lane->work);
    unlock(lane);
    for (unsigned i = 0; i < pool->reactor->threads_max; i++) {
        if (worker_exists(lane, i))
            pthread_join(lane->workers[i].thread, NULL);
    }
}

static void lane_deinit(struct lane *lane)
{
    plait_metrics_remove(&lane->depth);
    plait_metrics_remove(&lane->m_wait);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->lock);
}

static struct job *any_job(struct plait__pool *pool)
{
    return plait__list_empty(&pool->jobs) ? NULL : plait__container(pool->jobs.next, struct job, all);
}

/* Those that ran in the loop, and whose calls would still take a while. */
static void end_slow_jobs(struct plait__pool *pool)
{
    struct plait__list *next = pool->jobs.next;
    while (next != &pool->jobs) {
        struct job *job = plait__container(next, struct job, all);
        next = next->next;
        if (job->state == JOB_RUNS && plait_timer_runs(&job->timer)) {
            plait_timer_stop(&job->timer);
            job_done(job);
        }
    }
}

/* Jobs that wait are cancelled, those that run are awaited; their deferreds fire, and run when the loop comes to
 * them. */
void plait__pool_free(struct plait__pool **pool)
{
    struct plait__pool *p = *pool;
    if (!p)
        return;
    for (struct plait__list *at = p->jobs.next; at != &p->jobs; at = at->next) {
        struct job *job = plait__container(at, struct job, all);
        if (job_waits(job))
            plait_deferred_cancel(job->deferred);
    }
    for (size_t i = 0; i < PLAIT_LANE_COUNT; i++)
        lane_end(p, &p->lanes[i]);
    end_slow_jobs(p);
    plait__posts_run(p->reactor->posts);
    for (struct job *job = any_job(p); job; job = any_job(p))
        free_job(job);
    for (size_t i = 0; i < PLAIT_LANE_COUNT; i++)
        lane_deinit(&p->lanes[i]);
    plait_mem_free(p);
    *pool = NULL;
}

/* --- starting a job ----------------------------------------------------------------------------------------------- */

static void run_here(void *ctx)
{
    struct job *job = ctx;
    struct plait__pool *pool = job->lane->pool;
    lock(job->lane);
    take_off(job->lane, job);
    job->state = JOB_RUNS;
    unlock(job->lane);
    job->began = clock_now(pool);
    struct plait_sys *sys = pool->reactor->sys;
    (void)(sys->ops->job_cost)(sys); /* what the loop called before is not this job's */
    job->err = job->fn(&job->value, job->arg);
    const int64_t cost = (sys->ops->job_cost)(sys);
    if (cost == 0) {
        job_done(job);
        return;
    }
    plait_timer_init(&job->timer, pool->reactor, "thread", job_done, job);
    plait_timer_arm(&job->timer, cost);
}

static struct job *job_new(struct plait__pool *pool, enum plait_lane lane)
{
    struct plait_reactor *r = pool->reactor;
    struct job *job = plait_mem_new(&r->budget, sizeof *job);
    if (!job)
        return NULL;
    job->deferred = plait_deferred_new(r, "thread", cancel_job, job);
    if (!job->deferred) {
        plait_mem_free(job);
        return NULL;
    }
    job->post = (struct plait__post){.fn = job_done, .ctx = job, .name = "thread"};
    job->lane = &pool->lanes[lane];
    job->state = JOB_OVER;
    plait_soon_init(&job->over, r, "thread", job_over, job);
    plait_timer_init(&job->timer, r, "thread", run_here, job);
    plait__list_add_tail(&pool->jobs, &job->all);
    pool->busy++;
    return job;
}

/* Under the lock: queues a job and sees to it that a thread comes for it. Returns 0 or -errno. */
static int queue_job(struct lane *lane, struct job *job)
{
    int res = 0;
    push(lane, job);
    job->state = JOB_WAITS;
    if (lane->waiting > lane->idle && lane->threads < lane->pool->reactor->threads_max)
        res = add_thread(lane);
    if (res != 0 && lane->threads == 0) {
        take_off(lane, job);
        return res;
    }
    pthread_cond_signal(&lane->work);
    return 0;
}

/* Where there are no threads the job stands in the queue as well, and a timer takes it off. */
static int start_job(struct lane *lane, struct job *job)
{
    struct plait_sys *sys = lane->pool->reactor->sys;
    const int64_t delay = sys->ops->job_delay(sys);
    if (delay <= 0)
        return queue_job(lane, job);
    push(lane, job);
    job->state = JOB_WAITS;
    plait_timer_arm(&job->timer, delay);
    return 0;
}

static void submit(struct lane *lane, struct job *job)
{
    job->queued = clock_now(lane->pool);
    lock(lane);
    const bool full = lane->waiting >= WAITING_MAX;
    const int res = full ? 0 : start_job(lane, job);
    const size_t waiting = lane->waiting;
    unlock(lane);
    plait_metric_set(&lane->depth, (int64_t)waiting);
    if (full)
        fail_job(job, plait_fault_make(PLAIT_FAIL(PLAIT_ELIMIT), "thread"));
    else if (res < 0)
        fail_job(job, plait_fault_os(-res, "thread"));
}

static struct plait_deferred *refuse(struct plait_reactor *r, bool freeing, void *arg, plait_destroy_fn destroy_arg)
{
    if (destroy_arg)
        destroy_arg(arg);
    return freeing ? plait_deferred_fail(r, plait_fault_make(PLAIT_FAIL(PLAIT_ECANCELLED), "thread")) : NULL;
}

struct plait_deferred *plait_in_thread(struct plait_reactor *reactor, enum plait_lane lane, plait_work_fn fn, void *arg,
                                       plait_destroy_fn destroy_arg)
{
    struct plait__pool *pool = reactor->freeing ? NULL : pool_of(reactor);
    struct job *job = pool ? job_new(pool, lane < PLAIT_LANE_COUNT ? lane : PLAIT_LANE_OTHER) : NULL;
    if (!job)
        return refuse(reactor, reactor->freeing, arg, destroy_arg);
    job->fn = fn;
    job->arg = arg;
    job->destroy_arg = destroy_arg;
    submit(job->lane, job);
    return job->deferred;
}
