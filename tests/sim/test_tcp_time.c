/* SPDX-License-Identifier: MIT
 *
 * What TCP of the simulated kernel does when packets are lost and time passes: it sends again, probes, and gives up
 * when Linux would.
 */
#include "tests/sim/sim_calls.h"

#include <netinet/tcp.h>

static struct plait_host *host_a(struct pair *p)
{
    return plait_sim_host(p->w.sim, "a");
}

static struct plait_host *host_b(struct pair *p)
{
    return plait_sim_host(p->w.sim, "b");
}

static void cut(struct pair *p, bool there, bool back)
{
    if (there)
        assert_ok(plait_sim_partition(p->w.sim, host_a(p), host_b(p)));
    if (back)
        assert_ok(plait_sim_partition(p->w.sim, host_b(p), host_a(p)));
}

static void heal(struct pair *p)
{
    plait_sim_heal(p->w.sim, NULL, NULL);
}

static void set(struct end end, int level, int name, int value)
{
    assert_int_equal(CALL(end.host, setsockopt, end.fd, level, name, &value, sizeof value), 0);
}

static void run_ms(struct pair *p, int64_t ms)
{
    plait_sim_run_for(p->w.sim, plait_millis(ms));
}

/* A pair that has not connected yet: `a` is the one that will, `b` the listener. */
static struct pair strangers(void)
{
    struct pair p = {.w = world_open()};
    p.a = (struct end){p.w.a, tcp_socket(p.w.a)};
    p.b = (struct end){p.w.b, tcp_listen_on(p.w.b, 80, 0)};
    return p;
}

static void begin(struct pair *p)
{
    struct sockaddr_in to = host_address(p->w.b, 80);
    assert_int_equal(CALL(p->w.a, connect, p->a.fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
}

static int taken(struct pair *p)
{
    return CALL(p->w.b, accept4, p->b.fd, NULL, NULL, SOCK_NONBLOCK);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

/* Sends numbered bytes over whatever the network is, until all have come. */
static void send_all(struct pair *p, size_t all)
{
    static char block[3000], got[4096];
    size_t sent = 0, came = 0;
    for (unsigned i = 0; came < all && i < 100000; i++) {
        size_t n = all - sent < sizeof block ? all - sent : sizeof block;
        for (size_t k = 0; k < n; k++)
            block[k] = (char)((sent + k) * 31 >> 3);
        ssize_t res = n ? put(p->a, block, n) : 0;
        sent += res > 0 ? (size_t)res : 0;
        run_ms(p, 10);
        while ((res = CALL(p->b.host, recv, p->b.fd, got, sizeof got, 0)) > 0) {
            for (ssize_t k = 0; k < res; k++, came++)
                assert_int_equal(got[k], (char)(came * 31 >> 3));
        }
    }
    assert_int_equal(came, all);
}

static void bytes_survive_a_link_that_loses_a_third(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link link = {.latency = plait_millis(3), .jitter = plait_millis(1), .loss = 300000, .mtu = 1500};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link));
    send_all(&p, 200000);
    pair_close(&p);
}

/* What was sent behind the lost segment arrives long after it was sent again. */
static void bytes_stay_in_order_over_a_long_way(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link link = {.latency = plait_millis(700), .jitter = plait_millis(400), .loss = 200000};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link));
    send_all(&p, 100000);
    plait_sim_faults(p.w.sim, PLAIT_SIM_ALL & ~(unsigned)PLAIT_SIM_RESET);
    send_all(&p, 100000);
    pair_close(&p);
}

static void a_partition_that_heals_is_survived(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    cut(&p, true, true);
    assert_int_equal(put(p.a, "late", 4), 4);
    assert_int_equal(put(p.a, "r", 1), 1); /* waits behind */
    assert_int_equal(CALL(p.a.host, shutdown, p.a.fd, SHUT_WR), 0);
    run_ms(&p, 1000);
    heal(&p);
    run_ms(&p, 399); /* tries at 0.2, 0.6 and 1.4 seconds */
    assert_int_equal(take_raw(p.b), -EAGAIN);
    run_ms(&p, 1);
    assert_string_equal(take(p.b), "later");
    assert_int_equal(take_raw(p.b), 0);
    pair_close(&p);
}

static void after_fifteen_tries_a_connection_is_given_up(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    cut(&p, true, false);
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 924599);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLIN | EPOLLOUT), EPOLLOUT);
    run_ms(&p, 1);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLIN), EPOLLIN | EPOLLERR | EPOLLHUP);
    assert_int_equal(take_raw(p.a), -ETIMEDOUT);
    assert_int_equal(take_raw(p.a), 0);
    assert_int_equal(put(p.a, "x", 1), -EPIPE);
    heal(&p);
    assert_int_equal(take_raw(p.b), -EAGAIN); /* the other side knows nothing, until it sends */
    assert_int_equal(put(p.b, "x", 1), 1);
    assert_int_equal(take_raw(p.b), -ECONNRESET);
    pair_close(&p);
}

static void the_users_timeout_comes_first(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    set(p.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    run_ms(&p, 60000); /* silence is no trouble */
    cut(&p, true, true);
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 4999);
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 1);
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void bytes_whose_acknowledgement_is_lost_come_once(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    cut(&p, false, true);
    assert_int_equal(put(p.a, "once", 4), 4);
    run_ms(&p, 10000);
    assert_string_equal(take(p.b), "once");
    assert_int_equal(put(p.a, "more", 4), 4); /* waits for the first one's acknowledgement */
    run_ms(&p, 10000);
    assert_int_equal(take_raw(p.b), -EAGAIN);
    heal(&p);
    run_ms(&p, 60000);
    assert_string_equal(take(p.b), "more");
    run_ms(&p, 1000000);
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    pair_close(&p);
}

static void acknowledgements_that_are_lost_together_are_made_up_for(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link far = {.latency = plait_millis(50)};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &far));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(put(p.a, "x", 1), 1);
    cut(&p, false, true);
    run_ms(&p, 60);
    assert_string_equal(take(p.b), "xxx");
    cut(&p, true, false); /* and they cannot be sent again either */
    run_ms(&p, 500);
    heal(&p);
    run_ms(&p, 10000);
    assert_int_equal(put(p.a, "y", 1), 1);
    run_ms(&p, 50);
    assert_string_equal(take(p.b), "y");
    pair_close(&p);
}

static void an_end_whose_acknowledgement_is_lost_comes_again(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    cut(&p, false, true);
    assert_int_equal(CALL(p.a.host, close, p.a.fd), 0);
    run_ms(&p, 10);
    assert_int_equal(take_raw(p.b), 0);
    assert_int_equal(CALL(p.b.host, close, p.b.fd), 0); /* its end is lost */
    run_ms(&p, 5000);
    heal(&p);
    run_ms(&p, 120000);
    p.a.fd = tcp_listen_on(p.w.a, 81, 5); /* nothing is left of it */
    p.b.fd = -1;
    assert_true(plait_sim_run_until_idle(p.w.sim, 0));
    pair_close(&p);
}

/* --- the handshake ------------------------------------------------------------------------------------------------ */

static void a_syn_comes_again_after_one_three_and_seven_seconds(void **state)
{
    (void)state;
    struct pair p = strangers();
    cut(&p, true, false);
    begin(&p);
    run_ms(&p, 6500);
    heal(&p);
    run_ms(&p, 499);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), 0);
    run_ms(&p, 2);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), EPOLLOUT);
    pair_close(&p);
}

static void connecting_is_given_up_when_linux_does(void **state)
{
    (void)state;
    static const struct {
        int name, value;
        int64_t ms;
    } cases[] = {{0, 0, 127000}, {TCP_SYNCNT, 1, 3000}, {TCP_USER_TIMEOUT, 20000, 31000}};
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct pair p = strangers();
        if (cases[i].name)
            set(p.a, IPPROTO_TCP, cases[i].name, cases[i].value);
        cut(&p, true, true);
        begin(&p);
        run_ms(&p, cases[i].ms - 1);
        assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
        run_ms(&p, 1);
        assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
        pair_close(&p);
    }
}

static void an_answer_that_is_lost_makes_no_second_connection(void **state)
{
    (void)state;
    struct pair p = strangers();
    cut(&p, false, true);
    begin(&p);
    run_ms(&p, 500);
    heal(&p);
    assert_int_equal(taken(&p), -EAGAIN);
    run_ms(&p, 600);
    int child = taken(&p);
    assert_true(child >= 0);
    run_ms(&p, 10000);
    assert_int_equal(taken(&p), -EAGAIN);
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 1);
    assert_string_equal(take(((struct end){p.w.b, child})), "x");
    pair_close(&p);
}

static void the_first_bytes_complete_a_handshake(void **state)
{
    (void)state;
    struct pair p = strangers();
    begin(&p);
    plait_sim_run_for(p.w.sim, plait_micros(150));
    cut(&p, true, false); /* the acknowledgement is lost */
    run_ms(&p, 500);
    heal(&p);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), EPOLLOUT);
    assert_int_equal(taken(&p), -EAGAIN);
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 1);
    int child = taken(&p);
    assert_string_equal(take(((struct end){p.w.b, child})), "x");
    pair_close(&p);
}

static void an_answer_that_comes_again_is_acknowledged_again(void **state)
{
    (void)state;
    struct pair p = strangers();
    begin(&p);
    plait_sim_run_for(p.w.sim, plait_micros(150));
    cut(&p, true, false);
    run_ms(&p, 500);
    heal(&p);
    run_ms(&p, 499);
    assert_int_equal(taken(&p), -EAGAIN);
    run_ms(&p, 2);
    assert_true(taken(&p) >= 0);
    pair_close(&p);
}

static void a_handshake_that_is_never_completed_is_forgotten(void **state)
{
    (void)state;
    struct pair p = strangers();
    begin(&p);
    plait_sim_run_for(p.w.sim, plait_micros(150));
    cut(&p, true, false);
    run_ms(&p, 63001); /* after answers at 1, 3, 7, 15 and 31 seconds */
    heal(&p);
    run_ms(&p, 10000);
    assert_int_equal(taken(&p), -EAGAIN);
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 10);
    assert_int_equal(take_raw(p.a), -ECONNRESET);
    pair_close(&p);
}

static void a_refusal_takes_the_way_back(void **state)
{
    (void)state;
    struct pair p = strangers();
    struct sockaddr_in to = host_address(p.w.b, 81);
    assert_int_equal(CALL(p.w.a, connect, p.a.fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_for(p.w.sim, plait_micros(150));
    assert_int_equal(sock_error(p.w.a, p.a.fd), 0);
    plait_sim_run_for(p.w.sim, plait_micros(50));
    assert_int_equal(sock_error(p.w.a, p.a.fd), ECONNREFUSED);
    pair_close(&p);
}

/* --- keep-alive --------------------------------------------------------------------------------------------------- */

static void keep_alive(struct end end)
{
    set(end, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(end, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(end, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(end, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void a_silent_peer_is_found_out_by_probes(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    keep_alive(p.a);
    run_ms(&p, 3000);
    assert_int_equal(put(p.b, "x", 1), 1); /* heard of: counts from here */
    assert_string_equal(take(p.a), "x");
    cut(&p, true, true);
    run_ms(&p, 24999); /* probes after 10, 15 and 20 seconds */
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 1);
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void probes_that_are_answered_go_on_for_ever(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    keep_alive(p.a);
    keep_alive(p.b);
    for (unsigned i = 0; i < 100; i++) {
        run_ms(&p, 21000);
        cut(&p, true, true); /* too short to be noticed */
        run_ms(&p, 9000);
        heal(&p);
    }
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 20000);
    assert_true(plait_sim_run_until_idle(p.w.sim, plait_seconds(1)));
    set(p.a, SOL_SOCKET, SO_KEEPALIVE, 0);
    set(p.b, SOL_SOCKET, SO_KEEPALIVE, 0);
    assert_false(plait_sim_step(p.w.sim)); /* not one probe more */
    pair_close(&p);
}

static void the_users_timeout_takes_the_place_of_the_number_of_probes(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    keep_alive(p.a);
    set(p.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 12000);
    run_ms(&p, 100);
    cut(&p, true, true);
    run_ms(&p, 14899); /* a probe after ten seconds; with the next one it is over */
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 1);
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void no_probe_is_sent_while_bytes_wait(void **state)
{
    (void)state;
    static char block[150000];
    struct pair p = tcp_pair_open();
    keep_alive(p.a);
    run_ms(&p, 9000);
    cut(&p, true, false);
    assert_true(put(p.a, block, sizeof block) > 0);
    run_ms(&p, 100000); /* sent again and again, much longer than probes would have taken */
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    heal(&p);
    run_ms(&p, 120000);
    while (take_raw(p.b) > 0)
        continue;
    cut(&p, true, true);
    run_ms(&p, 26000); /* and then they come again */
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void no_probe_is_sent_while_bytes_are_on_their_way(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link far = {.latency = plait_seconds(60)};
    keep_alive(p.a);
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &far));
    assert_int_equal(put(p.a, "x", 1), 1);
    run_ms(&p, 60000);
    assert_string_equal(take(p.b), "x");
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    pair_close(&p);
}

static void a_probe_of_what_is_no_longer_meets_a_reset(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct linger linger = {1, 0};
    keep_alive(p.b);
    cut(&p, true, true);
    assert_int_equal(CALL(p.a.host, setsockopt, p.a.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(CALL(p.a.host, close, p.a.fd), 0); /* its reset is lost */
    heal(&p);
    run_ms(&p, 9999);
    assert_int_equal(sock_error(p.b.host, p.b.fd), 0);
    run_ms(&p, 1);
    assert_int_equal(sock_error(p.b.host, p.b.fd), ECONNRESET);
    p.a.fd = -1;
    pair_close(&p);
}

static void an_accepted_socket_keeps_alive_as_its_listener(void **state)
{
    (void)state;
    struct pair p = strangers();
    keep_alive(p.b);
    begin(&p);
    run_ms(&p, 1);
    int child = taken(&p);
    cut(&p, true, true);
    run_ms(&p, 25001);
    assert_int_equal(sock_error(p.w.b, child), ETIMEDOUT);
    assert_int_equal(sock_error(p.w.a, p.a.fd), 0); /* did not ask for it */
    pair_close(&p);
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static void fill(struct pair *p)
{
    static char block[65536];
    while (put(p->a, block, sizeof block) > 0)
        run_ms(p, 1);
}

static void empty(struct pair *p)
{
    while (take_raw(p->b) > 0)
        continue;
}

static void a_closed_window_is_probed_as_long_as_it_takes(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    fill(&p);
    assert_true(plait_sim_run_until_idle(p.w.sim, plait_seconds(1)));
    run_ms(&p, 100000000); /* a day, and more */
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), 0);
    empty(&p);
    run_ms(&p, 1);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), EPOLLOUT);
    pair_close(&p);
}

static void news_of_a_window_that_is_lost_is_asked_for(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    fill(&p);
    plait_time began = plait_sim_now(p.w.sim);
    cut(&p, false, true);
    empty(&p);
    heal(&p);
    assert_int_equal(take_raw(p.b), -EAGAIN);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_true(take_raw(p.b) > 0);
    assert_true(plait_sim_now(p.w.sim) - began <= plait_millis(200));
    pair_close(&p);
}

static void probes_of_a_window_that_nobody_answers_end(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    fill(&p);
    cut(&p, false, true);
    run_ms(&p, 924000);
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 1000);
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void the_users_timeout_ends_a_closed_window(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    set(p.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
    keep_alive(p.a);
    fill(&p);
    run_ms(&p, 2900);
    assert_int_equal(sock_error(p.a.host, p.a.fd), 0);
    run_ms(&p, 101);
    assert_int_equal(sock_error(p.a.host, p.a.fd), ETIMEDOUT);
    pair_close(&p);
}

static void the_news_of_a_window_takes_the_way_back(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link far = {.latency = plait_millis(40)};
    fill(&p);
    assert_ok(plait_sim_set_link(p.w.sim, host_a(&p), host_b(&p), &far));
    empty(&p);
    run_ms(&p, 79);
    assert_int_equal(take_raw(p.b), -EAGAIN);
    run_ms(&p, 1);
    assert_true(take_raw(p.b) > 0);
    pair_close(&p);
}

/* --- ends that nobody holds --------------------------------------------------------------------------------------- */

static void an_end_that_cannot_leave_is_given_up(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    assert_int_equal(CALL(p.a.host, getsockname, p.a.fd, (struct sockaddr *)&name, &len), 0);
    cut(&p, true, true);
    assert_int_equal(CALL(p.a.host, close, p.a.fd), 0);
    run_ms(&p, 102199); /* eight times, from 200 ms */
    p.a.fd = tcp_socket(p.w.a);
    assert_int_equal(CALL(p.w.a, bind, p.a.fd, (struct sockaddr *)&name, len), -EADDRINUSE);
    run_ms(&p, 1);
    assert_int_equal(CALL(p.w.a, bind, p.a.fd, (struct sockaddr *)&name, len), 0);
    pair_close(&p);
}

static void who_does_not_end_within_a_minute_meets_a_reset(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct pair p = tcp_pair_open();
        assert_int_equal(CALL(p.a.host, close, p.a.fd), 0);
        run_ms(&p, late ? 60001 : 59000);
        assert_int_equal(take_raw(p.b), 0);
        assert_int_equal(CALL(p.b.host, shutdown, p.b.fd, SHUT_WR), 0);
        run_ms(&p, 1);
        assert_int_equal(sock_error(p.b.host, p.b.fd), late ? ECONNRESET : 0);
        p.a.fd = -1;
        pair_close(&p);
    }
}

static void a_reset_that_is_lost_is_sent_to_who_asks_again(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    assert_int_equal(put(p.b, "unread", 6), 6);
    cut(&p, true, true);
    assert_int_equal(CALL(p.a.host, close, p.a.fd), 0);
    run_ms(&p, 1000);
    assert_int_equal(sock_error(p.b.host, p.b.fd), 0);
    plait_sim_heal(p.w.sim, host_b(&p), host_a(&p));
    assert_int_equal(put(p.b, "x", 1), 1); /* comes, and its answer is lost */
    run_ms(&p, 1000);
    assert_int_equal(sock_error(p.b.host, p.b.fd), 0);
    plait_sim_heal(p.w.sim, host_a(&p), host_b(&p));
    run_ms(&p, 1000);
    assert_int_equal(sock_error(p.b.host, p.b.fd), ECONNRESET);
    p.a.fd = -1;
    pair_close(&p);
}

TEST_MAIN(cmocka_unit_test(bytes_survive_a_link_that_loses_a_third),
          cmocka_unit_test(bytes_stay_in_order_over_a_long_way), cmocka_unit_test(a_partition_that_heals_is_survived),
          cmocka_unit_test(after_fifteen_tries_a_connection_is_given_up),
          cmocka_unit_test(the_users_timeout_comes_first),
          cmocka_unit_test(bytes_whose_acknowledgement_is_lost_come_once),
          cmocka_unit_test(acknowledgements_that_are_lost_together_are_made_up_for),
          cmocka_unit_test(an_end_whose_acknowledgement_is_lost_comes_again),
          cmocka_unit_test(a_syn_comes_again_after_one_three_and_seven_seconds),
          cmocka_unit_test(connecting_is_given_up_when_linux_does),
          cmocka_unit_test(an_answer_that_is_lost_makes_no_second_connection),
          cmocka_unit_test(the_first_bytes_complete_a_handshake),
          cmocka_unit_test(an_answer_that_comes_again_is_acknowledged_again),
          cmocka_unit_test(a_handshake_that_is_never_completed_is_forgotten),
          cmocka_unit_test(a_refusal_takes_the_way_back), cmocka_unit_test(a_silent_peer_is_found_out_by_probes),
          cmocka_unit_test(probes_that_are_answered_go_on_for_ever),
          cmocka_unit_test(the_users_timeout_takes_the_place_of_the_number_of_probes),
          cmocka_unit_test(no_probe_is_sent_while_bytes_wait),
          cmocka_unit_test(no_probe_is_sent_while_bytes_are_on_their_way),
          cmocka_unit_test(a_probe_of_what_is_no_longer_meets_a_reset),
          cmocka_unit_test(an_accepted_socket_keeps_alive_as_its_listener),
          cmocka_unit_test(a_closed_window_is_probed_as_long_as_it_takes),
          cmocka_unit_test(news_of_a_window_that_is_lost_is_asked_for),
          cmocka_unit_test(probes_of_a_window_that_nobody_answers_end),
          cmocka_unit_test(the_users_timeout_ends_a_closed_window),
          cmocka_unit_test(the_news_of_a_window_takes_the_way_back),
          cmocka_unit_test(an_end_that_cannot_leave_is_given_up),
          cmocka_unit_test(who_does_not_end_within_a_minute_meets_a_reset),
          cmocka_unit_test(a_reset_that_is_lost_is_sent_to_who_asks_again))
