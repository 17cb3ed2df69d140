/* SPDX-License-Identifier: MIT
 *
 * Limits of listeners: connections in all, for the reactor and for a peer, accepts a second, memory; and what is done
 * when the reactor's memory runs low.
 */
#include "tests/engine/net.h"

static void a_full_listener_lets_clients_wait(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.limits = {.connections = 2}};
    int fd[3];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    for (int i = 0; i < 3; i++)
        fd[i] = plain_connect(net_port(l));
    net_until(&n, v.connected == 2);
    net_idle(&n);
    assert_int_equal(v.connected, 2);
    assert_true(bed_logged(&n.b, "listener-full"));
    close(fd[0]);
    net_until(&n, v.connected == 3);
    close(fd[1]);
    close(fd[2]);
    net_close(&n);
}

static void a_full_reactor_holds_all_listeners_back(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.connections_max = 1});
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int first = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    struct plait_listener *late = net_listen(&n, &v, NULL);
    const int second = plain_connect(net_port(late));
    net_idle(&n);
    assert_int_equal(v.connected, 1);
    assert_true(bed_logged(&n.b, "reactor-full"));
    close(first);
    net_until(&n, v.connected == 2);
    close(second);
    net_close(&n);
}

static void one_address_has_only_so_many(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.limits = {.connections_per_peer = 2}};
    int fd[2];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    for (int i = 0; i < 2; i++)
        fd[i] = plain_connect(net_port(l));
    net_until(&n, v.connected == 2);
    const int third = plain_connect(net_port(l));
    net_until(&n, plain_ended(third));
    assert_true(bed_logged(&n.b, "too many connections from one address"));
    assert_int_equal(n.r->counts.refused_limit.value, 1);
    const int other = plain_connect_from(net_port(l), INADDR_LOOPBACK + 1);
    net_until(&n, v.connected == 3);
    close(fd[0]);
    net_until(&n, v.lost == 1);
    const int again = plain_connect(net_port(l));
    net_until(&n, v.connected == 4);
    close(again);
    close(other);
    close(third);
    close(fd[1]);
    net_until(&n, v.lost == 4);
    assert_int_equal(l->peers.count, 0);
    net_close(&n);
}

/* Everybody behind one /64 is one: whoever has an address there has them all. */
static void addresses_are_counted_as_their_owners_have_them(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } row[] = {{"192.0.2.1", "192.0.2.1", true},        {"192.0.2.1", "192.0.2.2", false},
               {"2001:db8::1", "2001:db8::ffff", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
               {"::ffff:192.0.2.1", "192.0.2.1", true}, {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false}};
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct plait_address a;
        struct plait_address b;
        assert_ok(plait_address_parse_ip(plait_slice_text(row[i].a), 1, &a));
        assert_ok(plait_address_parse_ip(plait_slice_text(row[i].b), 2, &b));
        struct plait__counted *x = plait__counted_of(l, &a);
        struct plait__counted *y = plait__counted_of(l, &b);
        assert_int_equal(x == y, row[i].same);
        assert_int_equal(x->count_max, 1000);
        plait__counted_settle(x);
        if (!row[i].same)
            plait__counted_settle(y);
    }
    assert_int_equal(l->peers.count, 0);
    net_close(&n);
}

static void the_loopback_has_no_limit_of_its_own_by_default(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(1);
    const struct plait_listen_options asked = {.limits = {.memory_per_peer = 5000}};
    (void)state;
    net_open(&n);
    struct plait__counted *free = plait__counted_of(net_listen(&n, &v, NULL), &a);
    struct plait__counted *bound = plait__counted_of(net_listen(&n, &v, &asked), &a);
    assert_true(free->count_max == SIZE_MAX && free->budget.max == SIZE_MAX);
    assert_true(bound->count_max == 1000 && bound->budget.max == 5000);
    plait__counted_settle(free);
    plait__counted_settle(bound);
    net_close(&n);
}

static void an_entry_without_memory_refuses_the_connection(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(1);
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    for (uint64_t k = 1; k <= 2; k++) {
        bed_fail(&n.b, k);
        assert_null(plait__counted_of(l, &a));
        bed_heal(&n.b);
    }
    assert_int_equal(l->peers.count, 0);
    net_close(&n);
}

static void accepts_a_second_are_bounded(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.limits = {.accepts_per_second = 10}};
    int fd[8];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    for (int i = 0; i < 8; i++)
        fd[i] = plain_connect(net_port(l));
    net_idle(&n);
    assert_in_range(v.connected, 1, 2); /* the clock stands still */
    for (int i = 0; i < 5; i++) {
        bed_pass(&n.b, plait_millis(100));
        net_idle(&n);
    }
    assert_in_range(v.connected, 5, 7);
    for (int i = 0; i < 10; i++) {
        bed_pass(&n.b, plait_millis(100));
        net_idle(&n);
    }
    assert_int_equal(v.connected, 8);
    for (int i = 0; i < 8; i++)
        close(fd[i]);
    net_close(&n);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void budgets_nest(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {
        .limits = {.memory = 30000, .memory_per_peer = 20000, .memory_per_connection = 10000}};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    struct plait_budget *b = plait_stream_budget(v.s);
    assert_int_equal(b->max, 10000);
    assert_int_equal(b->parent->max, 20000);
    assert_int_equal(b->parent->parent->max, 30000);
    assert_ptr_equal(b->parent->parent->parent, plait_reactor_budget(n.r));
    void *held = plait_mem_new(b, 5000);
    assert_non_null(held);
    assert_null(plait_mem_new(b, 6000));
    assert_true(l->budget.used >= 5000);
    plait_mem_free(held);
    close(fd);
    net_until(&n, v.lost == 1);
    assert_int_equal(l->budget.used, 0);
    net_close(&n);
}

static void memory_that_outlives_its_connection_counts_at_the_reactor(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    struct plait_budget *b = plait_stream_budget(v.s);
    void *held = plait_mem_new(b, 100);
    const size_t before = n.r->budget.used;
    struct plait_stream *s = v.s;
    plait__listener_forget(s);
    assert_int_equal(l->budget.used, 0);
    assert_ptr_equal(b->parent, &n.r->budget);
    assert_true(n.r->budget.used <= before);
    plait_mem_free(held);
    close(fd);
    net_until(&n, v.lost == 1);
    net_close(&n);
}

static void low_memory_holds_listeners_back(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.memory_max = 4 << 20});
    struct plait_listener *l = net_listen(&n, &v, NULL);
    struct plait_budget *b = plait_reactor_budget(n.r);
    const size_t most = b->max / 100 * 92 - b->used;
    void *held = plait_mem_new(b, most);
    assert_non_null(held);
    net_turn(&n);
    const int fd = plain_connect(net_port(l));
    net_idle(&n);
    assert_int_equal(v.connected, 0);
    assert_true(bed_logged(&n.b, "memory-low"));
    void *less = plait_mem_resize(b, held, most - b->max / 100 * 4);
    net_idle(&n);
    assert_int_equal(v.connected, 0); /* between the two marks it stays as it is */
    plait_mem_free(less);
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
}

static void the_largest_idle_connection_ends_first(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_stream *s[3];
    int fd[3];
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.memory_max = 4 << 20});
    struct plait_listener *l = net_listen(&n, &v, NULL);
    for (size_t i = 0; i < 3; i++) {
        fd[i] = plain_connect(net_port(l));
        net_until(&n, v.connected == i + 1);
        s[i] = v.s;
    }
    void *a = plait_mem_new(plait_stream_budget(s[0]), 5000);
    void *big = plait_mem_new(plait_stream_budget(s[1]), 90000);
    struct plait_budget *b = plait_reactor_budget(n.r);
    void *held = plait_mem_new(b, b->max / 100 * 96 - b->used);
    assert_non_null(held);
    net_turn(&n);
    assert_true(bed_logged(&n.b, "memory-ended"));
    assert_true(s[1]->state > PLAIT__S_OPEN);
    assert_true(s[0]->state == PLAIT__S_OPEN && s[2]->state == PLAIT__S_OPEN);
    plait_mem_free(big); /* as its protocol would in lost */
    net_until(&n, v.lost == 1);
    assert_err(v.fault.err, PLAIT_ENOMEM);
    bed_pass(&n.b, plait_millis(20));
    assert_true(v.lost == 1 || v.lost == 2);
    plait_mem_free(held);
    plait_mem_free(a);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    net_close(&n);
}

static void nothing_is_read_from_who_holds_most_until_there_is_memory_again(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_stream *s[2];
    int fd[2];
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.memory_max = 4 << 20});
    struct plait_listener *l = net_listen(&n, &v, NULL);
    for (size_t i = 0; i < 2; i++) {
        fd[i] = plain_connect(net_port(l));
        net_until(&n, v.connected == i + 1);
        s[i] = v.s;
    }
    void *small = plait_mem_new(plait_stream_budget(s[0]), 5000);
    void *big = plait_mem_new(plait_stream_budget(s[1]), 90000);
    struct plait_budget *b = plait_reactor_budget(n.r);
    void *held = plait_mem_new(b, b->max / 100 * 94 - b->used);
    assert_non_null(held);
    net_turn(&n);
    assert_true(bed_logged(&n.b, "memory-stopped"));
    plain_send(fd[1], PLAIT_LIT("big"));
    net_idle(&n);
    assert_int_equal(v.got_len, 0);
    plain_send(fd[0], PLAIT_LIT("small"));
    net_until(&n, v.got_len == 5);
    bed_pass(&n.b, plait_millis(20)); /* the next one */
    plain_send(fd[0], PLAIT_LIT("!"));
    net_idle(&n);
    assert_int_equal(v.got_len, 5);
    bed_pass(&n.b, plait_millis(20)); /* nobody is left to stop */
    plait_mem_free(held);
    net_until(&n, v.got_len == 9);
    assert_int_equal(v.lost, 0);
    plait_mem_free(big);
    plait_mem_free(small);
    for (int i = 0; i < 2; i++)
        close(fd[i]);
    net_until(&n, v.lost == 2);
    net_close(&n);
}

static void who_holds_little_is_left_alone(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.memory_max = 4 << 20});
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    struct plait_budget *b = plait_reactor_budget(n.r);
    void *held = plait_mem_new(b, b->max / 100 * 97 - b->used);
    net_idle(&n);
    assert_int_equal(v.lost, 0);
    plait_mem_free(held);
    close(fd);
    net_close(&n);
}

/* The file of a UNIX socket is no less a thing that must not be left. */
static void a_listener_that_is_not_made_leaves_no_file(void **state)
{
    static const char *const calls[] = {"listen", "epoll_ctl"};
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    struct plait_address at;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 8];
    (void)state;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    assert_ok(plait_address_unix(plait_slice_text(path), &at));
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        net_fail(&n, calls[i], 1, 1, ENOSPC);
        assert_true(plait_listen(n.r, &at, NULL, srv_service(&n, &v), &l) != PLAIT_OK);
        assert_int_equal(access(path, F_OK), -1);
    }
    net_close(&n);
    test_folder_remove(folder);
}

static void the_stall_limit_reaches_the_stream(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.limits = {.stall = 5000000000}};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    assert_int_equal(v.s->stall_s, 5);
    close(fd);
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(a_full_listener_lets_clients_wait),
          cmocka_unit_test(a_full_reactor_holds_all_listeners_back), cmocka_unit_test(one_address_has_only_so_many),
          cmocka_unit_test(addresses_are_counted_as_their_owners_have_them),
          cmocka_unit_test(the_loopback_has_no_limit_of_its_own_by_default),
          cmocka_unit_test(an_entry_without_memory_refuses_the_connection),
          cmocka_unit_test(accepts_a_second_are_bounded), cmocka_unit_test(budgets_nest),
          cmocka_unit_test(memory_that_outlives_its_connection_counts_at_the_reactor),
          cmocka_unit_test(low_memory_holds_listeners_back), cmocka_unit_test(the_largest_idle_connection_ends_first),
          cmocka_unit_test(nothing_is_read_from_who_holds_most_until_there_is_memory_again),
          cmocka_unit_test(who_holds_little_is_left_alone),
          cmocka_unit_test(a_listener_that_is_not_made_leaves_no_file),
          cmocka_unit_test(the_stall_limit_reaches_the_stream))
