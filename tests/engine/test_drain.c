/* SPDX-License-Identifier: MIT
 *
 * The drain: who is told what and when, the grace, the force, and its end.
 */
#include "tests/engine/net.h"

static void everybody_is_told_and_the_reactor_stops(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct seen seen;
    char text[16];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int x = plain_connect(net_port(l));
    const int y = plain_connect(net_port(l));
    net_until(&n, v.connected == 2);
    assert_false(plait_is_draining(n.r));
    struct plait_deferred *d = plait_drain(n.r, plait_seconds(5));
    assert_true(plait_is_draining(n.r));
    assert_int_equal(v.drained, 0); /* never inside the call */
    watch_result(d, &seen);
    net_until(&n, v.drained == 2);
    assert_int_equal(v.drain_told, 1);
    net_until(&n, plain_receive(x, text, sizeof text) == 3);
    assert_string_equal(text, "bye");
    assert_int_equal(seen.calls, 0);
    assert_int_equal(plain_connect_from(net_port(l), 0), -1);
    close(x);
    close(y);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_OK);
    assert_int_equal(seen.num, 0);
    assert_ok(plait_reactor_run(n.r)); /* returns at once */
    struct plait_listener *other;
    const struct plait_address a = loopback(0);
    assert_err(plait_listen(n.r, &a, NULL, srv_service(&n, &v), &other), PLAIT_EDRAINING);
    plait_listener_close(&l);
    net_close(&n);
    assert_int_equal(v.freed, 2);
}

static void a_service_at_two_listeners_is_told_once(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(0);
    (void)state;
    net_open(&n);
    struct plait_service *service = srv_service(&n, &v);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_listen(n.r, &a, NULL, plait_service_ref(service), NULL));
    plait_service_unref(&service);
    plait_deferred_ignore(plait_drain(n.r, plait_seconds(5)));
    net_idle(&n);
    assert_int_equal(v.drain_told, 1);
    net_close(&n);
    assert_int_equal(v.freed, 1);
}

static void who_does_not_end_in_time_is_aborted(void **state)
{
    struct net n;
    struct srv v = {.stay = true};
    struct seen seen;
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    watch_result(plait_drain(n.r, plait_seconds(5)), &seen);
    net_until(&n, v.drained == 1);
    bed_pass(&n.b, plait_seconds(4));
    assert_int_equal(v.lost, 0);
    bed_pass(&n.b, plait_seconds(2));
    net_until(&n, v.lost == 1 && seen.calls == 1);
    assert_err(v.fault.err, PLAIT_EDRAINING);
    assert_int_equal(seen.num, 1);
    assert_true(bed_logged(&n.b, "drain-forced"));
    close(fd);
    net_close(&n);
}

static void a_second_call_forces_the_end(void **state)
{
    struct net n;
    struct srv v = {.stay = true};
    struct seen first;
    struct seen second;
    struct seen third;
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    watch_result(plait_drain(n.r, PLAIT_NEVER), &first);
    net_until(&n, v.drained == 1);
    bed_pass(&n.b, plait_seconds(4000));
    assert_int_equal(v.lost, 0);
    watch_result(plait_drain(n.r, PLAIT_NEVER), &second);
    net_until(&n, v.lost == 1 && first.calls == 1 && second.calls == 1);
    watch_result(plait_drain(n.r, 0), &third);
    net_until(&n, third.calls == 1);
    assert_int_equal(third.num, 1);
    close(fd);
    net_close(&n);
}

static void a_protocol_without_words_is_closed(void **state)
{
    struct net n;
    struct bed *b = &n.b;
    struct peer x = {.s = NULL};
    struct peer y = {.s = NULL};
    struct seen seen;
    (void)state;
    net_open(&n);
    join_peers(b, JOINT_PAIR, &x, &y);
    struct plait_stream *bare[2];
    join(b, JOINT_PAIR, &bare[0], &bare[1]); /* nobody attached a protocol */
    net_turn(&n);
    watch_result(plait_drain(n.r, plait_seconds(1)), &seen);
    net_until(&n, seen.calls == 1);
    assert_int_equal(seen.num, 0);
    assert_null(x.s);
    assert_null(y.s);
    net_close(&n);
}

static void without_connections_it_is_over_at_once(void **state)
{
    struct net n;
    struct seen seen;
    (void)state;
    net_open(&n);
    watch_result(plait_drain(n.r, plait_seconds(1)), &seen);
    assert_ok(plait_reactor_run(n.r));
    assert_int_equal(seen.calls, 1);
    net_close(&n);
}

static void cancelling_the_wait_does_not_stop_the_drain(void **state)
{
    struct net n;
    struct srv v = {.stay = true};
    struct seen seen;
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    struct plait_deferred *d = plait_drain(n.r, plait_seconds(1));
    watch_result(d, &seen);
    plait_deferred_cancel(d);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(bed_deferreds(&n.b), 0);
    bed_pass(&n.b, plait_seconds(2));
    net_until(&n, v.lost == 1);
    close(fd);
    net_close(&n);
}

static void without_memory_it_drains_all_the_same(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 3; k++) {
        struct net n;
        struct srv v = {.stay = true};
        net_open(&n);
        struct plait_listener *l = net_listen(&n, &v, NULL);
        const int fd = plain_connect(net_port(l));
        net_until(&n, v.connected == 1);
        bed_fill(&n.b);
        bed_fail(&n.b, k);
        assert_null(plait_drain(n.r, 0));
        bed_heal(&n.b);
        if (k == 1) {
            assert_true(n.r->stopping);
            assert_int_equal(plain_connect_from(net_port(l), 0), -1);
        }
        net_until(&n, v.lost == 1);
        close(fd);
        net_close(&n);
    }
}

static void the_reactors_end_cancels_the_wait(void **state)
{
    struct net n;
    struct srv v = {.stay = true};
    struct seen seen;
    (void)state;
    net_open(&n);
    struct plait_stream *a;
    struct plait_stream *b;
    assert_ok(plait_pair_new(n.r, &a, &b));
    plait_stream_attach(a, &srv_protocol, &v);
    watch_result(plait_drain(n.r, PLAIT_NEVER), &seen);
    net_close(&n);
    assert_int_equal(seen.calls, 1);
}

static void a_drain_tells_the_manager_of_services(void **state)
{
    char name[40];
    struct plait_address manager;
    struct sockaddr_storage ss;
    char heard[32] = "";
    struct bed b;
    (void)state;
    (void)snprintf(name, sizeof name, "@plait-test-drain-%d", (int)getpid());
    assert_ok(plait_address_unix(plait_slice_text(name), &manager));
    const socklen_t len = plait__address_to_sockaddr(&manager, &ss);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    bed_open(&b);
    b.r->own_signals = true;
    plait_deferred_ignore(plait_drain(b.r, PLAIT_NEVER));
    assert_true(recv(fd, heard, sizeof heard - 1, 0) > 0);
    assert_string_equal(heard, "STOPPING=1");
    bed_close(&b);
    unsetenv("NOTIFY_SOCKET");
    close(fd);
}

static void a_drain_that_forces_nobody_says_nothing(void **state)
{
    struct net n;
    struct seen seen;
    (void)state;
    net_open(&n);
    watch_result(plait_drain(n.r, 0), &seen);
    bed_run(&n.b);
    assert_ok(seen.err);
    assert_int_equal(seen.num, 0);
    assert_false(bed_logged(&n.b, "drain-forced"));
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(everybody_is_told_and_the_reactor_stops),
          cmocka_unit_test(a_service_at_two_listeners_is_told_once),
          cmocka_unit_test(who_does_not_end_in_time_is_aborted), cmocka_unit_test(a_second_call_forces_the_end),
          cmocka_unit_test(a_protocol_without_words_is_closed),
          cmocka_unit_test(without_connections_it_is_over_at_once),
          cmocka_unit_test(cancelling_the_wait_does_not_stop_the_drain),
          cmocka_unit_test(without_memory_it_drains_all_the_same), cmocka_unit_test(the_reactors_end_cancels_the_wait),
          cmocka_unit_test(a_drain_tells_the_manager_of_services),
          cmocka_unit_test(a_drain_that_forces_nobody_says_nothing))
