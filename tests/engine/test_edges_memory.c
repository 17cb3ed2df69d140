/* SPDX-License-Identifier: MIT
 *
 * What mutants of src/engine/pressure.c showed that nobody looked at: whose memory counts, from how much on, and when.
 * tools/mutate tells which of them survive.
 */
#include "tests/engine/net.h"

struct tight {
    struct net n;
    struct srv v;
    struct plait_listener *l;
    struct plait_stream *guest[2], *own, *other;
    int fd[2];
    void *held[3], *rest;
};

/* Two guests, and a stream of our own that holds more than both. */
static void tight_open(struct tight *t)
{
    memset(t, 0, sizeof *t);
    net_open_with(&t->n, (struct plait_reactor_options){.memory_max = 4 << 20});
    t->l = net_listen(&t->n, &t->v, NULL);
    for (size_t i = 0; i < 2; i++) {
        t->fd[i] = plain_connect(net_port(t->l));
        net_until(&t->n, t->v.connected == i + 1);
        t->guest[i] = t->v.s;
    }
    assert_ok(plait_pair_new(t->n.r, &t->own, &t->other));
    plait_stream_attach(t->own, &srv_protocol, &t->v);
    plait_stream_attach(t->other, &srv_protocol, &t->v);
    net_idle(&t->n);
    t->held[0] = plait_mem_new(plait_stream_budget(t->guest[0]), 5000);
    t->held[1] = plait_mem_new(plait_stream_budget(t->guest[1]), 90000);
    t->held[2] = plait_mem_new(plait_stream_budget(t->own), 300000);
}

static void tight_fill(struct tight *t, unsigned percent)
{
    struct plait_budget *b = plait_reactor_budget(t->n.r);
    t->rest = plait_mem_new(b, b->max / 100 * percent - b->used);
    assert_non_null(t->rest);
}

static void tight_close(struct tight *t)
{
    plait_mem_free(t->rest);
    for (int i = 0; i < 3; i++)
        plait_mem_free(t->held[i]);
    for (int i = 0; i < 2; i++)
        close(t->fd[i]);
    net_idle(&t->n);
    net_close(&t->n);
}

static void only_guests_are_ended_for_their_memory(void **state)
{
    struct tight t;
    (void)state;
    tight_open(&t);
    tight_fill(&t, 96);
    net_turn(&t.n);
    assert_true(t.guest[1]->state > PLAIT__S_OPEN);
    assert_true(t.own->state == PLAIT__S_OPEN && t.guest[0]->state == PLAIT__S_OPEN);
    tight_close(&t);
}

static size_t count_of(const char *log, const char *text)
{
    size_t n = 0;
    for (const char *at = strstr(log, text); at; at = strstr(at + 1, text))
        n++;
    return n;
}

static void only_guests_are_stopped_and_each_at_its_time(void **state)
{
    struct tight t;
    (void)state;
    tight_open(&t);
    tight_fill(&t, 94);
    net_turn(&t.n);
    assert_true(t.guest[1]->flags & PLAIT__F_STOPPED);
    assert_false((t.own->flags | t.guest[0]->flags) & PLAIT__F_STOPPED);
    net_turn(&t.n);
    plain_send(t.fd[1], PLAIT_LIT("unread"));
    net_idle(&t.n);
    assert_null(t.guest[1]->kept); /* it is the kernel that holds it */
    assert_false(t.guest[0]->flags & PLAIT__F_STOPPED);
    t.n.b.clock += plait_millis(10); /* exactly the time between two */
    net_turn(&t.n);
    assert_true(t.guest[0]->flags & PLAIT__F_STOPPED);
    assert_false(t.own->flags & PLAIT__F_STOPPED);
    assert_int_equal(count_of(t.n.b.log, "memory-low"), 1);
    tight_close(&t);
}

static void a_guest_that_holds_4096_bytes_is_worth_it(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct tight t;
        tight_open(&t);
        struct plait_budget *b = plait_stream_budget(t.guest[0]);
        plait_mem_free(t.held[0]);
        plait_mem_free(t.held[1]);
        t.held[1] = NULL;
        const size_t before = b->used;
        void *probe = plait_mem_new(b, 100);
        const size_t overhead = b->used - before - 100;
        plait_mem_free(probe);
        t.held[0] = plait_mem_new(b, 4095 + more - before - overhead);
        assert_int_equal(b->used, 4095 + more);
        tight_fill(&t, 96);
        net_turn(&t.n);
        assert_int_equal(t.guest[0]->state > PLAIT__S_OPEN, more);
        tight_close(&t);
    }
}

TEST_MAIN(cmocka_unit_test(only_guests_are_ended_for_their_memory),
          cmocka_unit_test(only_guests_are_stopped_and_each_at_its_time),
          cmocka_unit_test(a_guest_that_holds_4096_bytes_is_worth_it))
