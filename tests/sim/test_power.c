/* SPDX-License-Identifier: MIT
 *
 * Programs that are killed, hosts that lose their power and start again, and hosts whose clocks are wrong.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

#include <plait/listen.h>

static struct plait_host *named(struct pair *p, const char *name)
{
    return plait_sim_host(p->w.sim, name);
}

static int connect_to(struct plait_sys *from, struct plait_sys *to, uint16_t port)
{
    struct sockaddr_in at = host_address(to, port);
    int fd = tcp_socket(from);
    assert_int_equal(CALL(from, connect, fd, (struct sockaddr *)&at, sizeof at), -EINPROGRESS);
    return fd;
}

/* --- killing ------------------------------------------------------------------------------------------------------ */

static void a_killed_program_ends_its_connections_as_the_kernel_does(void **state)
{
    (void)state;
    for (int unread = 0; unread < 2; unread++) {
        struct pair p = tcp_pair_open();
        if (unread)
            assert_int_equal(put(p.a, "x", 1), 1);
        plait_host_kill(named(&p, "b"));
        plait_sim_run_for(p.w.sim, plait_millis(1));
        assert_int_equal(take_raw(p.a), unread ? -ECONNRESET : 0);
        assert_int_equal(plait_host_descriptors(named(&p, "b")), 0);
        p.b.fd = -1;
        pair_close(&p);
    }
}

static void what_listens_is_gone_with_its_program(void **state)
{
    (void)state;
    struct world w = world_open();
    tcp_listen_on(w.b, 80, 5);
    plait_host_kill(plait_sim_host(w.sim, "b"));
    int fd = connect_to(w.a, w.b, 80);
    plait_sim_run_for(w.sim, plait_millis(1));
    assert_int_equal(sock_error(w.a, fd), ECONNREFUSED);
    tcp_listen_on(w.b, 80, 5); /* and the next program may listen there */
    fd = connect_to(w.a, w.b, 80);
    plait_sim_run_for(w.sim, plait_millis(1));
    assert_int_equal(sock_error(w.a, fd), 0);
    world_close(&w);
}

static void children_die_with_their_program(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    const char *argv[] = {"cat", NULL};
    struct plait_sys_spawn spawn = {.path = "/bin/cat", .argv = argv};
    int pid;
    assert_ok(plait_host_add_program(a, "/bin/cat", plait_sim_program_cat(), NULL));
    assert_true(CALL(w.a, spawn, &spawn, &pid) >= 0);
    plait_host_kill(a);
    plait_sim_check_end(w.sim);
    assert_null(plait_sim_failure(w.sim));
    world_close(&w);
}

/* --- programs on the engine --------------------------------------------------------------------------------------- */

struct server {
    struct plait_host *host;
    struct plait_listener *listener;
    unsigned connected, lost;
    bool kills, crashes; /* itself, when bytes come */
};

static void server_connected(struct plait_stream *s, void *self)
{
    struct server *server = self;
    (void)s;
    server->connected++;
}

static size_t server_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct server *server = self;
    if (server->kills)
        plait_host_kill(server->host);
    if (server->crashes) {
        plait_host_crash(server->host);
        plait_host_restart(server->host);
    }
    plait_write(s, in);
    return in.len;
}

static void server_lost(struct plait_stream *s, const struct plait_fault *why, void *self)
{
    struct server *server = self;
    (void)why;
    plait_write(s, PLAIT_LIT("goodbye")); /* comes too late in any case */
    server->lost++;
}

static const struct plait_protocol echo = {
    .name = "echo", .connected = server_connected, .data = server_data, .lost = server_lost};

static void start(struct server *server)
{
    struct plait_address at;
    struct plait_reactor *r = plait_host_reactor(server->host);
    plait_host_address(server->host, PLAIT_ADDR_IP4, 7, &at);
    assert_non_null(r);
    assert_ok(plait_listen(r, &at, NULL, plait_service_of(r, &echo, server), &server->listener));
}

/* A server on b and a connection to it from a. */
static struct pair serve(struct server *server)
{
    struct pair p = {.w = world_open()};
    *server = (struct server){.host = named(&p, "b")};
    start(server);
    p.a = (struct end){p.w.a, connect_to(p.w.a, p.w.b, 7)};
    p.b.fd = -1;
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(server->connected, 1);
    return p;
}

static void a_killed_server_hears_of_it_and_says_nothing(void **state)
{
    (void)state;
    struct server server;
    struct pair p = serve(&server);
    plait_host_kill(server.host);
    assert_int_equal(server.lost, 1);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(take_raw(p.a), 0); /* the end, without a goodbye */
    start(&server);
    CALL(p.w.a, close, p.a.fd);
    p.a.fd = connect_to(p.w.a, p.w.b, 7);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(put(p.a, "again", 5), 5);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_string_equal(take(p.a), "again");
    plait_listener_close(&server.listener);
    CALL(p.w.a, close, p.a.fd);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    plait_sim_check_end(p.w.sim);
    assert_null(plait_sim_failure(p.w.sim));
    p.a.fd = -1;
    pair_close(&p);
}

static void a_server_may_be_killed_by_what_it_reads(void **state)
{
    (void)state;
    struct server server;
    struct pair p = serve(&server);
    server.kills = true;
    assert_int_equal(put(p.a, "die", 3), 3);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(server.lost, 1);
    assert_int_equal(take_raw(p.a), 0);
    assert_null(plait_sim_failure(p.w.sim));
    pair_close(&p);
}

static void a_server_may_lose_its_power_and_start_again_in_one_callback(void **state)
{
    (void)state;
    struct server server;
    struct pair p = serve(&server);
    server.crashes = true;
    assert_int_equal(put(p.a, "die", 3), 3);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(server.lost, 1);
    assert_true(plait_host_is_up(server.host));
    assert_int_equal(take_raw(p.a), -EAGAIN); /* nothing was said */
    assert_int_equal(put(p.a, "x", 1), 1);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    assert_int_equal(take_raw(p.a), -ECONNRESET);
    assert_null(plait_sim_failure(p.w.sim));
    pair_close(&p);
}

/* --- power -------------------------------------------------------------------------------------------------------- */

static void a_host_without_power_is_silent(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_host *b = named(&p, "b");
    plait_host_crash(b);
    assert_false(plait_host_is_up(b));
    assert_int_equal(plait_host_descriptors(b), 0);
    assert_null(plait_host_reactor(b));
    assert_int_equal(CALL(p.w.b, socket, AF_INET, SOCK_STREAM, 0), -EIO);
    int fd = connect_to(p.w.a, p.w.b, 80);
    assert_int_equal(put(p.a, "x", 1), 1);
    plait_sim_run_for(p.w.sim, plait_seconds(126));
    assert_int_equal(sock_error(p.w.a, fd), 0);
    assert_int_equal(sock_error(p.w.a, p.a.fd), 0);
    plait_sim_run_for(p.w.sim, plait_seconds(800));
    assert_int_equal(sock_error(p.w.a, fd), ETIMEDOUT);
    assert_int_equal(sock_error(p.w.a, p.a.fd), ETIMEDOUT);
    p.b.fd = -1;
    pair_close(&p);
}

static void a_host_that_started_again_knows_no_connection(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_host *b = named(&p, "b");
    plait_host_crash(b);
    plait_host_crash(b); /* only once */
    plait_host_kill(b);
    assert_int_equal(put(p.a, "x", 1), 1);
    plait_sim_run_for(p.w.sim, plait_seconds(2));
    plait_host_restart(b);
    plait_host_restart(b);
    assert_true(plait_host_is_up(b));
    assert_int_equal(sock_error(p.w.a, p.a.fd), 0);
    plait_sim_run_for(p.w.sim, plait_millis(999)); /* tries at 0.2, 0.6, 1.4 and 3 seconds */
    assert_int_equal(sock_error(p.w.a, p.a.fd), 0);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(sock_error(p.w.a, p.a.fd), ECONNRESET);
    int fd = connect_to(p.w.a, p.w.b, 80);
    assert_int_equal(sock_error(p.w.a, fd), ECONNREFUSED);
    p.b.fd = -1;
    pair_close(&p);
}

static void packets_that_were_on_their_way_find_nobody(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link slow = {.latency = plait_millis(10)};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &slow));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(put(p.a, "to b", 4), 4);
        assert_int_equal(put(p.b, "from b", 6), 6);
        plait_sim_run_for(p.w.sim, plait_millis(5));
    }
    plait_host_crash(named(&p, "b"));
    plait_sim_run_for(p.w.sim, plait_millis(7));
    plait_host_restart(named(&p, "b")); /* before the last one comes */
    plait_sim_run_for(p.w.sim, plait_millis(10));
    assert_string_equal(take(p.a), "from bfrom bfrom b"); /* had left before */
    plait_sim_run_for(p.w.sim, plait_seconds(2));
    assert_int_equal(sock_error(p.w.a, p.a.fd), ECONNRESET);
    p.b.fd = -1;
    pair_close(&p);
}

static void without_power_every_kind_of_connection_vanishes(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *b = plait_sim_host(w.sim, "b");
    int listener = tcp_listen_on(w.b, 80, 50);
    int waits = connect_to(w.a, w.b, 80), first = connect_to(w.a, w.b, 80), second = connect_to(w.a, w.b, 80);
    plait_sim_run_for(w.sim, plait_millis(1));
    (void)waits;
    int one = CALL(w.b, accept4, listener, NULL, NULL, 0), two = CALL(w.b, accept4, listener, NULL, NULL, 0);
    CALL(w.b, close, one); /* waits for the other side's end */
    CALL(w.b, close, two);
    CALL(w.a, close, second); /* and this one lingers for a minute */
    CALL(w.a, close, first);
    connect_to(w.a, w.b, 80); /* half of a handshake */
    plait_sim_run_for(w.sim, plait_micros(150));
    connect_to(w.b, w.a, 9);
    plait_host_crash(b);
    plait_host_restart(b);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(b->ports[i].count, 0);
    plait_sim_run_for(w.sim, plait_seconds(200));
    assert_null(plait_sim_failure(w.sim));
    world_close(&w);
}

/* --- many programs that die --------------------------------------------------------------------------------------- */

static void talk(struct plait_sim *sim)
{
    struct plait_host *b = plait_sim_host(sim, "b");
    struct plait_sys *a = plait_host_sys(plait_sim_host(sim, "a"));
    struct server server = {.host = b};
    start(&server);
    for (unsigned i = 0; i < 8; i++) {
        struct end end = {a, connect_to(a, plait_host_sys(b), 7)};
        plait_sim_run_for(sim, (plait_span)plait_sim_random(sim, 500000));
        (void)put(end, "hello", 5);
        plait_sim_run_for(sim, (plait_span)plait_sim_random(sim, 500000));
        if (plait_sim_random(sim, 2))
            plait_host_crash(b);
        else
            plait_host_kill(b);
        plait_sim_run_for(sim, (plait_span)plait_sim_random(sim, 1000000000));
        plait_host_restart(b);
        start(&server);
        CALL(a, close, end.fd);
    }
    plait_sim_run_for(sim, plait_seconds(300));
    plait_listener_close(&server.listener);
    if (server.lost != server.connected)
        plait_sim_fail(sim, "%u streams, and %u were lost", server.connected, server.lost);
}

static void whenever_a_program_dies_nothing_is_left(void **state)
{
    (void)state;
    const struct plait_scenario scenario = {
        .name = "talk", .faults = PLAIT_SIM_ALL & ~(unsigned)PLAIT_SIM_INTERRUPT, .run = talk};
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct plait_scenario_result first, second;
        plait_scenario_run(&scenario, seed, &first, NULL, NULL);
        plait_scenario_run(&scenario, seed, &second, NULL, NULL);
        if (first.failed)
            fail_msg("seed %u: %s", (unsigned)seed, first.failure);
        assert_true(first.hash == second.hash);
    }
}

/* --- clocks ------------------------------------------------------------------------------------------------------- */

static int64_t clock_of(struct plait_sys *host, enum plait_sys_clock which)
{
    return host->ops->clock(host, which);
}

static void a_restart_begins_the_monotonic_clock_anew(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    plait_sim_run_for(w.sim, plait_seconds(100));
    int64_t wall = clock_of(w.a, PLAIT_SYS_REALTIME);
    plait_host_crash(a);
    plait_host_restart(a);
    assert_int_equal(clock_of(w.a, PLAIT_SYS_MONOTONIC), plait_seconds(1));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_REALTIME), wall);
    plait_sim_run_for(w.sim, plait_seconds(5));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_MONOTONIC), plait_seconds(6));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_REALTIME), wall + plait_seconds(5));
    world_close(&w);
}

static void note(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void a_clock_that_drifts_fires_its_timers_by_its_own_time(void **state)
{
    (void)state;
    static const struct {
        int64_t drift, fires; /* after so many ms of the world, within one */
    } cases[] = {{100000000, 9091}, {-100000000, 11111}, {500000000, 6667}, {-500000000, 20000}, {50, 10000}};
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct world w = world_open();
        struct plait_timer timer;
        unsigned fired = 0;
        plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "test", note, &fired);
        assert_ok(plait_host_set_drift(plait_sim_host(w.sim, "a"), cases[i].drift));
        plait_timer_arm(&timer, plait_seconds(10));
        plait_sim_run_for(w.sim, plait_millis(cases[i].fires - 1));
        assert_int_equal(fired, 0);
        plait_sim_run_for(w.sim, plait_millis(3));
        assert_int_equal(fired, 1);
        assert_int_equal(clock_of(w.b, PLAIT_SYS_MONOTONIC), plait_sim_now(w.sim));
        world_close(&w);
    }
}

static void a_clock_can_be_told_to_be_right_again(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    int64_t began = clock_of(w.a, PLAIT_SYS_MONOTONIC);
    assert_err(plait_host_set_drift(a, 500000001), PLAIT_EINVAL);
    assert_err(plait_host_set_drift(a, -500000001), PLAIT_EINVAL);
    assert_ok(plait_host_set_drift(a, 1000000));
    plait_sim_run_for(w.sim, plait_seconds(10));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_MONOTONIC) - began, plait_millis(10010));
    assert_ok(plait_host_set_drift(a, 0));
    plait_sim_run_for(w.sim, plait_seconds(10));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_MONOTONIC) - began, plait_millis(20010));
    world_close(&w);
}

static void after_a_sleep_what_is_due_fires(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    struct plait_timer timer;
    unsigned fired = 0;
    int64_t wall = clock_of(w.a, PLAIT_SYS_REALTIME), mono = clock_of(w.a, PLAIT_SYS_MONOTONIC);
    plait_timer_init(&timer, plait_host_reactor(a), "test", note, &fired);
    plait_timer_arm(&timer, plait_seconds(3600));
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_host_jump_clock(a, plait_seconds(-5)); /* never back */
    plait_host_jump_clock(a, plait_seconds(3600));
    plait_sim_run_for(w.sim, 0);
    assert_int_equal(fired, 1);
    assert_int_equal(clock_of(w.a, PLAIT_SYS_REALTIME) - wall, plait_seconds(3601));
    assert_int_equal(clock_of(w.a, PLAIT_SYS_MONOTONIC) - mono, plait_seconds(3601));
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_killed_program_ends_its_connections_as_the_kernel_does),
          cmocka_unit_test(what_listens_is_gone_with_its_program), cmocka_unit_test(children_die_with_their_program),
          cmocka_unit_test(a_killed_server_hears_of_it_and_says_nothing),
          cmocka_unit_test(a_server_may_be_killed_by_what_it_reads),
          cmocka_unit_test(a_server_may_lose_its_power_and_start_again_in_one_callback),
          cmocka_unit_test(a_host_without_power_is_silent),
          cmocka_unit_test(a_host_that_started_again_knows_no_connection),
          cmocka_unit_test(packets_that_were_on_their_way_find_nobody),
          cmocka_unit_test(without_power_every_kind_of_connection_vanishes),
          cmocka_unit_test(whenever_a_program_dies_nothing_is_left),
          cmocka_unit_test(a_restart_begins_the_monotonic_clock_anew),
          cmocka_unit_test(a_clock_that_drifts_fires_its_timers_by_its_own_time),
          cmocka_unit_test(a_clock_can_be_told_to_be_right_again), cmocka_unit_test(after_a_sleep_what_is_due_fires))
