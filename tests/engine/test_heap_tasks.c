/* SPDX-License-Identifier: MIT
 *
 * Deferreds and their family, tasks with scopes, datagrams and child processes while the heap fails.
 */
#include "tests/engine/heap_bed.h"

#include <plait/datagram.h>
#include <plait/process.h>
#include <plait/task.h>

struct ended {
    unsigned asked, count;
    plait_err err;
    int64_t num;
};

static void note(struct plait_result *result, void *ctx)
{
    struct ended *n = ctx;
    n->count++;
    n->err = result->fault.err;
    n->num = result->value.num;
    result->fault.err = PLAIT_OK;
}

static void await(struct ended *n, struct plait_deferred *d)
{
    n->asked = plait_then(d, note, n) == PLAIT_OK;
    if (!n->asked)
        plait_deferred_cancel(d);
}

static bool ended_well(const struct ended *n)
{
    assert_int_equal(n->count, n->asked);
    return n->asked && n->err == PLAIT_OK;
}

/* --- deferreds ---------------------------------------------------------------------------------------------------- */

static void wait_more(struct plait_result *result, void *ctx)
{
    struct heap_bed *b = ctx;
    if (result->fault.err == PLAIT_OK)
        plait_result_wait(result, plait_after(b->r, plait_seconds(1)));
}

static struct plait_deferred *chain(struct heap_bed *b)
{
    struct plait_deferred *d = plait_after(b->r, plait_seconds(1));
    for (int i = 0; i < 6; i++) {
        if (plait_then(d, wait_more, b) == PLAIT_OK)
            continue;
        plait_deferred_cancel(d);
        return NULL;
    }
    return d;
}

static bool groups(struct heap_bed *b)
{
    typedef struct plait_deferred *(*group_fn)(struct plait_reactor *, struct plait_deferred *const *, size_t);
    static const group_fn group[] = {plait_all, plait_settled, plait_any, plait_race};
    struct ended n[4] = {{0}};
    bool well = true;
    for (size_t i = 0; i < TEST_COUNT(group); i++) {
        struct plait_deferred *of[3];
        for (size_t j = 0; j < TEST_COUNT(of); j++)
            of[j] = chain(b);
        await(&n[i], group[i](b->r, of, TEST_COUNT(of)));
    }
    heap_bed_pass(b, 30);
    for (size_t i = 0; i < TEST_COUNT(group); i++)
        well = ended_well(&n[i]) && well;
    return well;
}
HEAP_ONE_SIDE(groups)

static bool lines(struct heap_bed *b)
{
    struct ended n[6] = {{0}};
    bool well = true;
    struct plait_semaphore *semaphore = plait_semaphore_new(b->r, 1);
    struct plait_queue *queue = plait_queue_new(b->r, 10, 10);
    if (!semaphore || !queue) {
        plait_semaphore_free(&semaphore);
        plait_queue_free(&queue);
        return false;
    }
    for (size_t i = 0; i < 3; i++)
        await(&n[i], plait_acquire(semaphore));
    for (size_t i = 3; i < 6; i++)
        await(&n[i], plait_queue_get(queue));
    for (int64_t i = 0; i < 3; i++)
        well = plait_queue_put(queue, plait_value_num(i)) == PLAIT_OK && well;
    for (int i = 0; i < 3; i++) {
        heap_bed_pass(b, 1);
        plait_release(semaphore);
    }
    heap_bed_pass(b, 1);
    plait_semaphore_free(&semaphore);
    plait_queue_free(&queue);
    heap_bed_pass(b, 1);
    for (size_t i = 0; i < TEST_COUNT(n); i++)
        well = ended_well(&n[i]) && well;
    return well;
}
HEAP_ONE_SIDE(lines)

static struct plait_deferred *beat(uint64_t missed, void *ctx)
{
    struct heap_bed *b = ctx;
    (void)missed;
    return plait_after(b->r, plait_millis(100));
}

static plait_err work(void *ctx)
{
    return --*(int *)ctx > 0 ? PLAIT_EAGAIN : PLAIT_OK;
}

static bool again_and_again(struct heap_bed *b)
{
    struct ended n = {0};
    int left = 20;
    struct plait_looping *looping = plait_looping_start(b->r, plait_seconds(1), true, beat, b);
    const bool started = looping != NULL;
    await(&n, plait_cooperate(b->r, "work", work, &left));
    heap_bed_pass(b, 10);
    plait_looping_stop(&looping);
    heap_bed_pass(b, 1);
    return ended_well(&n) && started;
}
HEAP_ONE_SIDE(again_and_again)

/* --- tasks -------------------------------------------------------------------------------------------------------- */

static unsigned inside; /* tasks that have begun and not ended */

static plait_err child(struct plait_task *task, void *arg)
{
    (void)arg;
    inside++;
    plait_err err = plait_task_sleep(task, plait_seconds(2));
    if (err == PLAIT_OK)
        err = plait_task_yield(task);
    inside--;
    return err;
}

static void free_text(void *ptr)
{
    plait_mem_free(ptr);
}

static plait_err awaited_text(struct plait_task *task)
{
    struct plait_reactor *r = plait_task_reactor(task);
    plait_value value;
    char *text = plait_mem_text(plait_reactor_budget(r), "a text", 6);
    if (!text)
        return PLAIT_ENOMEM;
    return plait_await(task, plait_deferred_succeed(r, plait_value_ptr(text, free_text)), &value);
}

static plait_err family(struct plait_task *task, void *arg)
{
    struct plait_scope scope;
    plait_err err = awaited_text(task);
    inside++;
    plait_scope_open(task, &scope);
    plait_task_deadline(task, plait_seconds(20));
    for (int i = 0; i < 4 && err == PLAIT_OK; i++)
        err = plait_scope_spawn(&scope, "child", child, arg);
    if (err == PLAIT_OK)
        err = plait_scope_join(&scope);
    plait_scope_close(&scope);
    if (err == PLAIT_OK)
        err = plait_await(task, plait_after(plait_task_reactor(task), plait_seconds(1)), NULL);
    inside--;
    return err;
}

static bool tasks(struct heap_bed *b)
{
    struct ended n = {0};
    await(&n, plait_task_spawn(b->r, "family", 0, family, NULL));
    heap_bed_pass(b, 30);
    assert_int_equal(inside, 0);
    return ended_well(&n);
}
HEAP_ONE_SIDE(tasks)

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static void packet_back(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    (void)self;
    const plait_err err = plait_send_from(d, packet->to, packet->from, packet->bytes);
    assert_true(err == PLAIT_OK || plait_err_class_of(err) == PLAIT_CLASS_NOMEM || err == PLAIT_EAGAIN);
}

static void packet_here(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    (void)d;
    assert_true(packet->bytes.len > 0);
    ++*(unsigned *)self;
}

static const struct plait_datagram_handler echoes = {.name = "echo", .packet = packet_back};
static const struct plait_datagram_handler counts = {.name = "asks", .packet = packet_here};

static bool datagrams(struct heap_bed *b)
{
    unsigned came = 0, sent = 0;
    struct plait_datagram *near = NULL;
    struct plait_datagram *far = NULL;
    const struct plait_datagram_options listening = {.bind = heap_at(b->server_host, 7)};
    const struct plait_datagram_options asking = {.bind = heap_at(b->client_host, 0)};
    if (plait_datagram_open(b->server, &listening, &echoes, NULL, &far) == PLAIT_OK &&
        plait_datagram_open(b->client, &asking, &counts, &came, &near) == PLAIT_OK) {
        for (int i = 0; i < 20; i++) {
            sent +=
                plait_send(near, &listening.bind, plait_slice_of("0123456789abcdef0123", (size_t)i + 1)) == PLAIT_OK;
            if (i % 5 == 4)
                heap_bed_pass(b, 1);
        }
    }
    heap_bed_pass(b, 1);
    plait_datagram_close(&near);
    plait_datagram_close(&far);
    heap_bed_pass(b, 1);
    assert_true(came <= sent);
    return came == 20;
}
HEAP_BOTH_SIDES(datagrams)

/* --- child processes ---------------------------------------------------------------------------------------------- */

static uint8_t input[100000];

static void output_note(struct plait_result *result, void *ctx)
{
    struct ended *n = ctx;
    if (result->fault.err == PLAIT_OK) {
        const struct plait_output *output = result->value.ptr;
        assert_int_equal(plait_buf_slice(&output->out).len, sizeof input);
        assert_int_equal(output->status, 0);
    }
    note(result, n);
}

static bool programs(struct heap_bed *b)
{
    struct ended n = {0};
    struct plait_spawn_options options = {.path = "/bin/cat"};
    if (b->round == 0)
        assert_ok(plait_host_add_program(b->server_host, "/bin/cat", plait_sim_program_cat(), NULL));
    struct plait_deferred *d = plait_run_program(b->r, &options, plait_slice_of(input, sizeof input), 2 * sizeof input);
    n.asked = plait_then(d, output_note, &n) == PLAIT_OK;
    if (!n.asked)
        plait_deferred_cancel(d);
    heap_bed_pass(b, 70);
    return ended_well(&n);
}
HEAP_ONE_SIDE(programs)

static void reader_connected(struct plait_stream *s, void *self)
{
    struct heap_end *e = self;
    (void)s;
    e->connected++;
}

/* The end of a pipe from the child: an end that has nothing to say. */
static const struct plait_protocol reader = {
    .name = "reader", .connected = reader_connected, .data = heap_end_data, .lost = heap_end_lost};

static bool spawn(struct heap_bed *b)
{
    struct ended n = {0};
    struct heap_end e = {.say = PLAIT_LIT("words"), .stay = true};
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN},
                                    {.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT}};
    struct plait_spawn_options options = {.path = "/bin/cat", .map = map, .map_count = 2};
    struct plait_process *process;
    if (b->round == 0)
        assert_ok(plait_host_add_program(b->server_host, "/bin/cat", plait_sim_program_cat(), NULL));
    if (plait_spawn(b->r, &options, &process) != PLAIT_OK)
        return false;
    plait_stream_attach(map[0].stream, &heap_echo, NULL);
    plait_write(map[0].stream, PLAIT_LIT("words"));
    plait_close_write(map[0].stream);
    e.s = map[1].stream;
    plait_stream_attach(e.s, &reader, &e);
    await(&n, plait_process_exit(process));
    heap_bed_pass(b, 70);
    plait_process_free(&process);
    heap_bed_pass(b, 70);
    assert_int_equal(e.lost, 1);
    assert_null(e.s);
    return ended_well(&n) && n.num == 0 && e.got == 5;
}
HEAP_ONE_SIDE(spawn)

TEST_MAIN(HEAP_TEST(groups_alone), HEAP_TEST(lines_alone), HEAP_TEST(again_and_again_alone), HEAP_TEST(tasks_alone),
          HEAP_TEST(datagrams_at_the_server), HEAP_TEST(datagrams_at_the_client), HEAP_TEST(programs_alone),
          HEAP_TEST(spawn_alone))
