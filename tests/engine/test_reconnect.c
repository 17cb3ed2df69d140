/* SPDX-License-Identifier: MIT
 *
 * The client that stays connected: its delays, who waits for it, its end.
 */
#include "tests/engine/net.h"

struct place {
    struct net n;
    struct srv server, client;
    struct plait_listener *l;
    char endpoint[40];
    struct plait_reconnect *c;
};

static void place_open(struct place *p, const struct plait_reconnect_options *o)
{
    memset(p, 0, sizeof *p);
    net_open(&p->n);
    p->l = net_listen(&p->n, &p->server, NULL);
    (void)snprintf(p->endpoint, sizeof p->endpoint, "tcp:127.0.0.1:%u", net_port(p->l));
    p->c = plait_reconnect_start(p->n.r, p->endpoint, o, srv_service(&p->n, &p->client));
    assert_non_null(p->c);
}

static void place_close(struct place *p)
{
    net_close(&p->n);
    assert_int_equal(p->client.freed, 1);
}

static void pass(struct place *p, int64_t ms)
{
    bed_pass(&p->n.b, plait_millis(ms));
    net_idle(&p->n);
}

static void a_lost_connection_is_made_again(void **state)
{
    struct place p;
    (void)state;
    place_open(&p, NULL);
    pass(&p, 1);
    net_until(&p.n, p.client.connected == 1 && p.server.connected == 1);
    plait_abort(p.server.s);
    net_until(&p.n, p.client.lost == 1);
    pass(&p, 500);
    assert_int_equal(p.client.connected, 1);
    pass(&p, 1000);
    net_until(&p.n, p.client.connected == 2);
    plait_reconnect_stop(&p.c);
    assert_null(p.c);
    plait_reconnect_stop(&p.c);
    net_until(&p.n, p.client.lost == 2 && p.client.freed == 1);
    place_close(&p);
}

/* Moves the service away: the port refuses from now on. */
static void gone(struct place *p)
{
    plait_listener_close(&p->l);
    net_idle(&p->n);
}

static void delays_grow_to_a_limit_and_are_spread(void **state)
{
    const struct plait_reconnect_options o = {
        .first = 100000000, .max = 400000000, .factor_permille = 2000, .jitter_permille = 100};
    static const int64_t delay[] = {100, 200, 400, 400};
    struct place p;
    (void)state;
    place_open(&p, &o);
    gone(&p);
    pass(&p, 1);
    uint64_t tries = plait_injector_count(p.n.inj, "connect", NULL);
    assert_int_equal(tries, 1);
    for (size_t i = 0; i < TEST_COUNT(delay); i++) {
        pass(&p, delay[i] * 9 / 10 - 1); /* a tenth less at most */
        assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), tries);
        pass(&p, delay[i] * 2 / 10 + 3);
        assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), ++tries);
    }
    plait_reconnect_stop(&p.c);
    place_close(&p);
}

static void a_wish_for_all_jitter_is_cut(void **state)
{
    const struct plait_reconnect_options o = {.first = 100000000, .jitter_permille = 5000};
    struct place p;
    (void)state;
    place_open(&p, &o);
    gone(&p);
    pass(&p, 1);
    pass(&p, 205);
    assert_true(plait_injector_count(p.n.inj, "connect", NULL) >= 2);
    plait_reconnect_stop(&p.c);
    place_close(&p);
}

static void after_so_many_attempts_it_gives_up(void **state)
{
    const struct plait_reconnect_options o = {.attempts_max = 2};
    struct place p;
    struct seen seen;
    struct seen late;
    (void)state;
    place_open(&p, &o);
    gone(&p);
    watch_result(plait_reconnect_when(p.c, 0), &seen);
    pass(&p, 1);
    assert_int_equal(seen.calls, 0);
    pass(&p, 2000);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_EREFUSED);
    assert_true(bed_logged(&p.n.b, "gave up"));
    pass(&p, 100000);
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 2);
    watch_result(plait_reconnect_when(p.c, 0), &late);
    net_until(&p.n, late.calls == 1);
    assert_err(late.err, PLAIT_EREFUSED);
    plait_reconnect_stop(&p.c);
    place_close(&p);
}

static void who_waits_is_told_of_the_connection(void **state)
{
    struct place p;
    struct seen before;
    struct seen after;
    (void)state;
    place_open(&p, NULL);
    watch_result(plait_reconnect_when(p.c, 0), &before);
    pass(&p, 1);
    net_until(&p.n, before.calls == 1);
    assert_err(before.err, PLAIT_OK);
    watch_result(plait_reconnect_when(p.c, 3), &after);
    net_until(&p.n, after.calls == 1);
    assert_ptr_equal(after.ptr, before.ptr);
    place_close(&p);
}

static void who_waits_fails_after_the_failures_that_he_named(void **state)
{
    struct place p;
    struct seen one;
    struct seen two;
    struct seen never;
    struct seen cancelled;
    (void)state;
    place_open(&p, NULL);
    gone(&p);
    watch_result(plait_reconnect_when(p.c, 1), &one);
    watch_result(plait_reconnect_when(p.c, 2), &two);
    watch_result(plait_reconnect_when(p.c, 0), &never);
    struct plait_deferred *d = plait_reconnect_when(p.c, 0);
    watch_result(d, &cancelled);
    plait_deferred_cancel(d);
    pass(&p, 1);
    assert_int_equal(one.calls, 1);
    assert_int_equal(two.calls, 0);
    assert_err(cancelled.err, PLAIT_ECANCELLED);
    pass(&p, 2000);
    assert_int_equal(two.calls, 1);
    assert_int_equal(never.calls, 0);
    plait_reconnect_stop(&p.c);
    net_until(&p.n, never.calls == 1);
    assert_err(never.err, PLAIT_ECANCELLED);
    place_close(&p);
}

static void stopping_works_in_every_state(void **state)
{
    (void)state;
    for (int turns = 0; turns < 6; turns++) {
        struct place p;
        place_open(&p, NULL);
        if (turns > 0)
            p.n.b.clock += plait_millis(1);
        for (int i = 0; i < turns; i++)
            net_turn(&p.n);
        plait_reconnect_stop(&p.c);
        net_until(&p.n, p.client.freed == 1);
        place_close(&p);
    }
}

static void the_reactors_end_ends_it(void **state)
{
    (void)state;
    for (int ms = 0; ms < 2; ms++) {
        struct place p;
        place_open(&p, NULL);
        pass(&p, ms);
        place_close(&p);
    }
}

static void a_service_that_refuses_is_tried_again(void **state)
{
    struct place p;
    (void)state;
    place_open(&p, NULL);
    p.client.refuse = PLAIT_EFORBIDDEN;
    pass(&p, 1);
    net_until(&p.n, p.client.opened == 1);
    pass(&p, 2000);
    net_until(&p.n, p.client.opened == 2);
    plait_reconnect_stop(&p.c);
    place_close(&p);
}

static void a_program_can_be_kept_running(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_reconnect_options o = {.first = 1000000};
    (void)state;
    net_open(&n);
    struct plait_reconnect *c = plait_reconnect_start(n.r, "exec:/bin/true", &o, srv_service(&n, &v));
    for (int i = 0; i < 400 && v.lost < 2; i++) {
        bed_pass(&n.b, plait_millis(1));
        net_idle(&n);
    }
    assert_true(v.lost >= 2);
    plait_reconnect_stop(&c);
    net_until(&n, v.freed == 1);
    net_close(&n);
}

static void options_are_copied(void **state)
{
    struct place p;
    char name[] = "host.example";
    uint8_t alpn[] = "\x02h2";
    const struct plait_tls_client_options insecure = {.insecure = true};
    struct net *n = &p.n;
    struct plait_tls_client *tls;
    (void)state;
    memset(&p, 0, sizeof p);
    net_open(n);
    assert_ok(plait_tls_client_new(n->r, &insecure, &tls, NULL));
    const struct plait_reconnect_options o = {.connect = {.tls = tls, .server_name = name, .alpn = {alpn, 3}}};
    p.c = plait_reconnect_start(n->r, "tcp:127.0.0.1:1", &o, srv_service(n, &p.client));
    plait_tls_client_unref(&tls);
    memset(name, 'x', sizeof name - 1);
    memset(alpn, 'x', 3);
    bed_pass(&n->b, plait_millis(1));
    net_idle(n);
    plait_reconnect_stop(&p.c);
    place_close(&p);
}

static void no_memory_fails_or_is_tried_again(void **state)
{
    struct place p;
    (void)state;
    place_open(&p, NULL);
    struct plait_service *service = srv_service(&p.n, &p.client);
    bed_fail(&p.n.b, 1);
    assert_null(plait_reconnect_start(p.n.r, "tcp:127.0.0.1:1", NULL, service));
    bed_heal(&p.n.b);
    assert_int_equal(p.client.freed, 1);
    assert_null(plait_reconnect_start(p.n.r, "tcp:127.0.0.1:1", NULL, NULL));
    bed_fail(&p.n.b, 1);
    assert_null(plait_reconnect_when(p.c, 0));
    bed_heal(&p.n.b);
    bed_fill(&p.n.b);
    bed_fail(&p.n.b, 2);
    assert_null(plait_reconnect_when(p.c, 0));
    bed_heal(&p.n.b);
    bed_fail(&p.n.b, 1);
    p.n.b.clock += plait_millis(1);
    for (int i = 0; i < 5; i++)
        net_turn(&p.n);
    bed_heal(&p.n.b);
    assert_int_equal(p.client.connected, 0);
    pass(&p, 2000);
    net_until(&p.n, p.client.connected == 1);
    p.client.freed = 0;
    place_close(&p);
}

static void who_waits_is_not_told_of_a_connection_that_the_service_refuses(void **state)
{
    struct place p;
    struct seen seen;
    (void)state;
    place_open(&p, NULL);
    p.client.refuse = PLAIT_EFORBIDDEN;
    watch_result(plait_reconnect_when(p.c, 0), &seen);
    pass(&p, 1);
    net_until(&p.n, p.client.opened == 1);
    net_idle(&p.n);
    assert_int_equal(seen.calls, 0);
    plait_reconnect_stop(&p.c);
    place_close(&p);
    assert_int_equal(seen.calls, 1);
}

TEST_MAIN(cmocka_unit_test(a_lost_connection_is_made_again), cmocka_unit_test(delays_grow_to_a_limit_and_are_spread),
          cmocka_unit_test(a_wish_for_all_jitter_is_cut), cmocka_unit_test(after_so_many_attempts_it_gives_up),
          cmocka_unit_test(who_waits_is_told_of_the_connection),
          cmocka_unit_test(who_waits_fails_after_the_failures_that_he_named),
          cmocka_unit_test(stopping_works_in_every_state), cmocka_unit_test(the_reactors_end_ends_it),
          cmocka_unit_test(a_service_that_refuses_is_tried_again), cmocka_unit_test(a_program_can_be_kept_running),
          cmocka_unit_test(options_are_copied), cmocka_unit_test(no_memory_fails_or_is_tried_again),
          cmocka_unit_test(who_waits_is_not_told_of_a_connection_that_the_service_refuses))
