/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/post.c: order, threads, one wake for many, what happens at the end.
 */
#include "tests/engine/bed.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4, EACH = 2000 };

struct notes {
    struct plait_reactor *r;
    int calls;
    int order[16];
    plait_err last;
};

struct note {
    struct notes *notes;
    int n;
};

static void take_note(void *ctx)
{
    struct note *note = ctx;
    note->notes->order[note->notes->calls++] = note->n;
}

static void calls_run_in_the_order_of_posting(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    struct note note[5];
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 5; i++) {
        note[i] = (struct note){&notes, i};
        assert_ok(plait_reactor_post(b.r, "note", take_note, &note[i]));
    }
    assert_true(plait__posts_waiting(b.r->posts));
    assert_int_equal(notes.calls, 0);
    bed_run(&b);
    assert_int_equal(notes.calls, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(notes.order[i], i);
    assert_false(plait__posts_waiting(b.r->posts));
    bed_close(&b);
}

static void post_again(void *ctx)
{
    struct notes *notes = ctx;
    notes->calls++;
    notes->last = plait_reactor_post(notes->r, "again", post_again, notes);
}

static void what_is_posted_meanwhile_has_its_turn_next_time(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    (void)state;
    bed_open(&b);
    notes.r = b.r;
    assert_ok(plait_reactor_post(b.r, "again", post_again, &notes));
    for (int turn = 1; turn <= 5; turn++) {
        assert_ok(plait_reactor_step(b.r, 0));
        assert_int_equal(notes.calls, turn);
        assert_ok(notes.last);
    }
    bed_close(&b); /* one is still waiting: it runs, and cannot post any more */
    assert_int_equal(notes.calls, 6);
    assert_err(notes.last, PLAIT_EDRAINING);
}

static void a_record_is_its_owners_again_before_its_call(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    struct note note = {&notes, 3};
    struct plait__post record = {.fn = take_note, .ctx = &note, .name = "record"};
    (void)state;
    bed_open(&b);
    for (int i = 1; i <= 3; i++) {
        plait__post_record(b.r->posts, &record);
        bed_run(&b);
        assert_int_equal(notes.calls, i);
    }
    bed_close(&b);
}

static ssize_t failing_write(struct plait_sys *sys, int fd, const void *buf, size_t len)
{
    struct bed *b = (struct bed *)sys;
    (void)fd;
    (void)buf;
    (void)len;
    b->job_delay++; /* counts */
    return -EAGAIN;
}

static void many_posts_wake_once_and_a_full_wake_is_no_error(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    struct note note[5];
    (void)state;
    bed_open(&b);
    b.ops.write = failing_write;
    for (int i = 0; i < 5; i++) {
        note[i] = (struct note){&notes, i};
        assert_ok(plait_reactor_post(b.r, "note", take_note, &note[i]));
    }
    assert_int_equal(b.job_delay, 1);
    assert_int_equal(plait_reactor_next_timeout(b.r), 0);
    bed_run(&b);
    assert_int_equal(notes.calls, 5);
    bed_close(&b);
}

static void without_memory_a_post_fails(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_err(plait_reactor_post(b.r, "note", take_note, &notes), PLAIT_ENOMEM);
    bed_heal(&b);
    bed_run(&b);
    assert_int_equal(notes.calls, 0);
    bed_close(&b);
}

static int no_eventfd(struct plait_sys *sys, unsigned value, int flags)
{
    (void)sys;
    (void)value;
    (void)flags;
    return -EMFILE;
}

static int no_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys;
    (void)epfd;
    (void)op;
    (void)fd;
    (void)event;
    return -ENOSPC;
}

static void without_a_descriptor_there_are_no_posts(void **state)
{
    struct bed b;
    const size_t before = test_open_descriptors();
    (void)state;
    bed_open(&b);
    const size_t open = test_open_descriptors();
    b.ops.eventfd = no_eventfd;
    assert_null(plait__posts_new(b.r));
    b.ops.eventfd = plait__sys_kernel()->ops->eventfd;
    b.ops.epoll_ctl = no_epoll_ctl;
    assert_null(plait__posts_new(b.r));
    b.ops.epoll_ctl = plait__sys_kernel()->ops->epoll_ctl;
    assert_int_equal(test_open_descriptors(), open);
    bed_close(&b);
    assert_int_equal(test_open_descriptors(), before);
}

static void what_did_not_run_is_freed(void **state)
{
    struct bed b;
    struct notes notes = {.calls = 0};
    (void)state;
    bed_open(&b);
    struct plait__posts *posts = plait__posts_new(b.r);
    struct plait__posts *own = b.r->posts;
    b.r->posts = posts;
    assert_ok(plait_reactor_post(b.r, "note", take_note, &notes));
    assert_ok(plait_reactor_post(b.r, "note", take_note, &notes));
    b.r->posts = own;
    plait__posts_free(&posts);
    assert_null(posts);
    plait__posts_free(&posts);
    bed_close(&b);
    assert_int_equal(notes.calls, 0);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

struct sender {
    struct plait_reactor *r;
    struct crowd *crowd;
    int next; /* number that its next call must have */
};

struct crowd {
    struct sender sender[THREADS];
    int left;
    bool ordered;
};

struct call {
    struct sender *sender;
    int n;
};

static void arrives(void *ctx)
{
    struct call *call = ctx;
    struct crowd *crowd = call->sender->crowd;
    crowd->ordered = crowd->ordered && call->n == call->sender->next;
    call->sender->next++;
    if (--crowd->left == 0)
        plait_reactor_stop(call->sender->r);
    free(call);
}

static void *send_calls(void *ctx)
{
    struct sender *sender = ctx;
    for (int i = 0; i < EACH; i++) {
        struct call *call = malloc(sizeof *call);
        *call = (struct call){sender, i};
        if (plait_reactor_post(sender->r, "arrives", arrives, call) != PLAIT_OK)
            abort();
        if (i % 500 == 0)
            usleep(1000); /* lets the loop fall asleep */
    }
    return NULL;
}

static void every_post_of_every_thread_arrives_in_its_order(void **state)
{
    struct crowd crowd;
    pthread_t thread[THREADS];
    (void)state;
    crowd = (struct crowd){.left = THREADS * EACH, .ordered = true};
    struct plait_reactor *r = plait_reactor_new(NULL); /* the C library's heap may be used by all threads */
    assert_non_null(r);
    for (int i = 0; i < THREADS; i++) {
        crowd.sender[i] = (struct sender){.r = r, .crowd = &crowd};
        assert_int_equal(pthread_create(&thread[i], NULL, send_calls, &crowd.sender[i]), 0);
    }
    assert_ok(plait_reactor_run(r));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(crowd.left, 0);
    assert_true(crowd.ordered);
    plait_reactor_free(&r);
}

TEST_MAIN(cmocka_unit_test(calls_run_in_the_order_of_posting),
          cmocka_unit_test(what_is_posted_meanwhile_has_its_turn_next_time),
          cmocka_unit_test(a_record_is_its_owners_again_before_its_call),
          cmocka_unit_test(many_posts_wake_once_and_a_full_wake_is_no_error),
          cmocka_unit_test(without_memory_a_post_fails), cmocka_unit_test(without_a_descriptor_there_are_no_posts),
          cmocka_unit_test(what_did_not_run_is_freed),
          cmocka_unit_test(every_post_of_every_thread_arrives_in_its_order))
