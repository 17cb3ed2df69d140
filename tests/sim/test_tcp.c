/* SPDX-License-Identifier: MIT
 *
 * TCP of the simulated kernel: what each call returns and what epoll says, by the rules of tcp(7) and the kernel's own
 * source.
 */
#include "tests/sim/sim_calls.h"

static void a_connection_carries_bytes_both_ways(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    assert_int_equal(put(p.a, "hello", 5), 5);
    assert_string_equal(take(p.b), "hello");
    assert_int_equal(put(p.b, "back", 4), 4);
    assert_string_equal(take(p.a), "back");
    pair_close(&p);
}

static void connecting_takes_a_round_trip(void **state)
{
    (void)state;
    struct world w = world_open();
    int listener = tcp_listen_on(w.b, 80, 5);
    int fd = tcp_socket(w.a);
    struct sockaddr_in to = host_address(w.b, 80);
    plait_time began = plait_sim_now(w.sim);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EALREADY);
    assert_int_equal(ready(w.a, fd, EPOLLIN | EPOLLOUT), 0);
    assert_int_equal(CALL(w.b, accept4, listener, NULL, NULL, 0), -EAGAIN);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(ready(w.a, fd, EPOLLIN | EPOLLOUT), EPOLLOUT);
    assert_int_equal(sock_error(w.a, fd), 0);
    assert_int_equal(plait_sim_now(w.sim) - began, plait_micros(300));
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EISCONN);
    assert_int_equal(ready(w.b, listener, EPOLLIN), EPOLLIN);
    int child = CALL(w.b, accept4, listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(child >= 0);
    world_close(&w);
}

static void a_port_without_a_listener_refuses(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    struct sockaddr_in to = host_address(w.b, 81);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(ready(w.a, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP),
                     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
    assert_int_equal(sock_error(w.a, fd), ECONNREFUSED);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -ECONNABORTED);
    world_close(&w);
}

static void an_address_of_nobody_times_out(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(0xc0000201)}};
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_for(w.sim, plait_seconds(120));
    assert_int_equal(ready(w.a, fd, EPOLLOUT), 0);
    plait_sim_run_for(w.sim, plait_seconds(10));
    assert_int_equal(sock_error(w.a, fd), ETIMEDOUT);
    world_close(&w);
}

static void a_full_backlog_makes_the_syn_come_again(void **state)
{
    (void)state;
    struct world w = world_open();
    int listener = tcp_listen_on(w.b, 80, 0);
    struct sockaddr_in to = host_address(w.b, 80);
    int first = tcp_socket(w.a), second = tcp_socket(w.a);
    assert_int_equal(CALL(w.a, connect, first, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    assert_int_equal(CALL(w.a, connect, second, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_for(w.sim, plait_millis(500));
    assert_int_equal(ready(w.a, first, EPOLLOUT), EPOLLOUT);
    assert_int_equal(ready(w.a, second, EPOLLOUT), 0);
    assert_true(CALL(w.b, accept4, listener, NULL, NULL, 0) >= 0);
    plait_sim_run_for(w.sim, plait_millis(600));
    assert_int_equal(ready(w.a, second, EPOLLOUT), EPOLLOUT);
    world_close(&w);
}

static void an_end_arrives_after_the_bytes(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    assert_int_equal(put(p.a, "bye", 3), 3);
    assert_int_equal(CALL(p.a.host, shutdown, p.a.fd, SHUT_WR), 0);
    assert_int_equal(put(p.a, "x", 1), -EPIPE);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(ready(p.b.host, p.b.fd, EPOLLIN | EPOLLRDHUP | EPOLLOUT), EPOLLIN | EPOLLRDHUP | EPOLLOUT);
    assert_string_equal(take(p.b), "bye");
    assert_int_equal(take_raw(p.b), 0);
    assert_int_equal(put(p.b, "still", 5), 5);
    assert_string_equal(take(p.a), "still");
    assert_int_equal(CALL(p.b.host, shutdown, p.b.fd, SHUT_WR), 0);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP),
                     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
    pair_close(&p);
}

static void closing_with_unread_input_resets(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    assert_int_equal(put(p.a, "unread", 6), 6);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(CALL(p.b.host, close, p.b.fd), 0);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLIN), EPOLLIN | EPOLLERR | EPOLLHUP);
    assert_int_equal(take_raw(p.a), -ECONNRESET);
    assert_int_equal(take_raw(p.a), 0);
    assert_int_equal(put(p.a, "x", 1), -EPIPE);
    p.b.fd = -1;
    pair_close(&p);
}

static void bytes_before_a_reset_can_still_be_read(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct linger linger = {1, 0};
    assert_int_equal(put(p.a, "last", 4), 4);
    assert_int_equal(CALL(p.a.host, setsockopt, p.a.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(CALL(p.a.host, close, p.a.fd), 0);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_string_equal(take(p.b), "last");
    assert_int_equal(take_raw(p.b), -ECONNRESET);
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    assert_int_equal(CALL(p.b.host, getpeername, p.b.fd, (struct sockaddr *)&name, &len), -ENOTCONN);
    p.a.fd = -1;
    pair_close(&p);
}

static void writing_to_one_that_closed_brings_a_reset(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    assert_int_equal(CALL(p.b.host, close, p.b.fd), 0);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(take_raw(p.a), 0);
    assert_int_equal(put(p.a, "x", 1), 1);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(put(p.a, "y", 1), -EPIPE); /* in CLOSE_WAIT a reset is EPIPE */
    p.b.fd = -1;
    pair_close(&p);
}

static void a_peer_that_does_not_read_fills_both_buffers(void **state)
{
    (void)state;
    static char block[8192];
    struct pair p = tcp_pair_open();
    ssize_t sent = 0, res;
    while ((res = put(p.a, block, sizeof block)) > 0) {
        sent += res;
        plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    }
    assert_int_equal(res, -EAGAIN);
    assert_int_equal(sent, 2 * 65536);
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), 0);
    while (sent > 70000)
        sent -= take_raw(p.b);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLOUT), EPOLLOUT);
    pair_close(&p);
}

static void a_listener_that_closes_resets_who_waits(void **state)
{
    (void)state;
    struct world w = world_open();
    int listener = tcp_listen_on(w.b, 80, 5);
    struct sockaddr_in to = host_address(w.b, 80);
    int fd = tcp_socket(w.a);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.b, close, listener), 0);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(take_raw((struct end){w.a, fd}), -ECONNRESET);
    world_close(&w);
}

static void a_fresh_socket_says_what_linux_says(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    struct end end = {w.a, fd};
    assert_int_equal(ready(w.a, fd, EPOLLIN | EPOLLOUT), EPOLLOUT | EPOLLHUP);
    assert_int_equal(put(end, "x", 1), -EPIPE);
    assert_int_equal(take_raw(end), -ENOTCONN);
    assert_int_equal(CALL(w.a, shutdown, fd, SHUT_WR), -ENOTCONN);
    assert_int_equal(CALL(w.a, accept4, fd, NULL, NULL, 0), -EINVAL);
    world_close(&w);
}

/* Which of two sockets may have a port when the first has it. */
static const struct {
    const char *first, *second;
    bool reuse, port, v6only, listening;
    int expected;
} bind_cases[] = {
    {"127.0.0.1", "127.0.0.1", false, false, false, false, -EADDRINUSE},
    {"127.0.0.1", "127.0.0.2", false, false, false, false, 0},
    {"0.0.0.0", "127.0.0.1", false, false, false, false, -EADDRINUSE},
    {"0.0.0.0", "0.0.0.0", true, false, false, false, 0},
    {"0.0.0.0", "0.0.0.0", true, false, false, true, -EADDRINUSE},
    {"0.0.0.0", "0.0.0.0", false, true, false, true, 0},
    {"0.0.0.0", "::", false, false, false, false, -EADDRINUSE},
    {"0.0.0.0", "::", false, false, true, false, 0},
    {"::1", "127.0.0.1", false, false, false, false, 0},
    {"127.0.0.1", "192.0.2.1", false, false, false, false, -EADDRNOTAVAIL},
};

static int bind_one(struct plait_sys *host, const char *text, size_t i, bool *ok)
{
    int one = 1;
    struct sockaddr_storage at;
    socklen_t len = text_address(text, 7000, &at);
    int fd = CALL(host, socket, at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind_cases[i].reuse)
        CALL(host, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind_cases[i].port)
        CALL(host, setsockopt, fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind_cases[i].v6only && at.ss_family == AF_INET6)
        CALL(host, setsockopt, fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    int res = CALL(host, bind, fd, (struct sockaddr *)&at, len);
    if (res == 0 && bind_cases[i].listening)
        res = CALL(host, listen, fd, 5);
    *ok = true;
    return res;
}

static void ports_conflict_as_the_table_says(void **state)
{
    (void)state;
    bool ok;
    for (size_t i = 0; i < TEST_COUNT(bind_cases); i++) {
        struct world w = world_open();
        assert_int_equal(bind_one(w.a, bind_cases[i].first, i, &ok), 0);
        int res = bind_one(w.a, bind_cases[i].second, i, &ok);
        if (res != bind_cases[i].expected)
            print_error("case %zu\n", i);
        assert_int_equal(res, bind_cases[i].expected);
        world_close(&w);
    }
}

static void of_two_that_share_a_port_one_may_listen(void **state)
{
    (void)state;
    struct world w = world_open();
    int one = 1, first = tcp_socket(w.a), second = tcp_socket(w.a);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    CALL(w.a, setsockopt, first, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CALL(w.a, setsockopt, second, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(CALL(w.a, bind, first, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(CALL(w.a, bind, second, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(CALL(w.a, listen, first, 5), 0);
    assert_int_equal(CALL(w.a, listen, second, 5), -EADDRINUSE);
    world_close(&w);
}

/* As on Linux: a port that a connection to one target has is free for another target. */
static void connections_to_different_targets_share_ports(void **state)
{
    (void)state;
    struct world w = world_open();
    plait_host_set_descriptors_max(plait_sim_host(w.sim, "a"), 60000);
    struct sockaddr_in to = host_address(w.b, 80), other = host_address(w.b, 81), own;
    socklen_t len = sizeof own;
    for (unsigned i = 0; i < 28232; i++)
        assert_int_equal(CALL(w.a, connect, tcp_socket(w.a), (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    int fd = tcp_socket(w.a), bound = tcp_socket(w.a);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EADDRNOTAVAIL);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&other, sizeof other), -EINPROGRESS);
    assert_int_equal(CALL(w.a, getsockname, fd, (struct sockaddr *)&own, &len), 0);
    assert_int_equal(CALL(w.a, bind, bound, (struct sockaddr *)&own, sizeof own), -EADDRINUSE);
    world_close(&w);
}

/* Whoever accepted has its listener's port, and nobody connects from there. */
static void no_connection_begins_at_a_port_of_accepted_ones(void **state)
{
    (void)state;
    struct world w = world_open();
    plait_host_set_descriptors_max(plait_sim_host(w.sim, "a"), 60000);
    struct sockaddr_in here = host_address(w.a, 40000), to = host_address(w.b, 80), own;
    socklen_t len = sizeof own;
    int listener = tcp_listen_on(w.a, 40000, 5);
    assert_int_equal(CALL(w.b, connect, tcp_socket(w.b), (struct sockaddr *)&here, sizeof here), -EINPROGRESS);
    plait_sim_run_for(w.sim, plait_seconds(1));
    assert_true(CALL(w.a, accept4, listener, NULL, NULL, 0) >= 0);
    CALL(w.a, close, listener);
    for (unsigned i = 0; i < 28231; i++) {
        int fd = tcp_socket(w.a);
        assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
        assert_int_equal(CALL(w.a, getsockname, fd, (struct sockaddr *)&own, &len), 0);
        assert_int_not_equal(ntohs(own.sin_port), 40000);
    }
    assert_int_equal(CALL(w.a, connect, tcp_socket(w.a), (struct sockaddr *)&to, sizeof to), -EADDRNOTAVAIL);
    world_close(&w);
}

static void the_port_of_one_who_ended_first_stays_taken_for_a_minute(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    assert_int_equal(CALL(p.a.host, getsockname, p.a.fd, (struct sockaddr *)&name, &len), 0);
    CALL(p.a.host, close, p.a.fd);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    CALL(p.b.host, close, p.b.fd);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    int fd = tcp_socket(p.a.host);
    assert_int_equal(CALL(p.a.host, bind, fd, (struct sockaddr *)&name, len), -EADDRINUSE);
    plait_sim_run_for(p.w.sim, plait_seconds(60));
    assert_int_equal(CALL(p.a.host, bind, fd, (struct sockaddr *)&name, len), 0);
    p.a.fd = p.b.fd = -1;
    pair_close(&p);
}

static void an_ipv6_listener_takes_ipv4_unless_told_not_to(void **state)
{
    (void)state;
    for (int only = 0; only < 2; only++) {
        struct world w = world_open();
        struct sockaddr_storage at;
        struct sockaddr_in to = host_address(w.b, 80);
        socklen_t len = text_address("::", 80, &at);
        int listener = CALL(w.b, socket, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CALL(w.b, setsockopt, listener, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
        assert_int_equal(CALL(w.b, bind, listener, (struct sockaddr *)&at, len), 0);
        assert_int_equal(CALL(w.b, listen, listener, 5), 0);
        int fd = tcp_socket(w.a);
        CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to);
        plait_sim_run_until_idle(w.sim, plait_seconds(1));
        assert_int_equal(sock_error(w.a, fd), only ? ECONNREFUSED : 0);
        struct sockaddr_in6 from;
        len = sizeof from;
        int child = CALL(w.b, accept4, listener, (struct sockaddr *)&from, &len, 0);
        assert_int_equal(child < 0, only);
        if (!only)
            assert_true(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
        world_close(&w);
    }
}

static void split_bytes_arrive_whole_in_the_end(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    static char all[8000], got[8000];
    size_t len = 0, pieces = 0;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i * 7);
    plait_sim_faults(p.w.sim, PLAIT_SIM_SPLIT | PLAIT_SIM_SHORT);
    for (size_t at = 0; at < sizeof all;) {
        ssize_t n = put(p.a, all + at, sizeof all - at < 500 ? sizeof all - at : 500);
        assert_true(n > 0);
        at += (size_t)n;
    }
    do {
        ssize_t n = CALL(p.b.host, recv, p.b.fd, got + len, sizeof got - len, 0);
        while (n > 0) {
            len += (size_t)n;
            pieces++;
            n = CALL(p.b.host, recv, p.b.fd, got + len, sizeof got - len, 0);
        }
    } while (plait_sim_step(p.w.sim));
    assert_int_equal(len, sizeof all);
    assert_memory_equal(all, got, sizeof all);
    assert_true(pieces > 16);
    assert_true(plait_sim_fault_count(p.w.sim, PLAIT_SIM_SPLIT, NULL) > 0);
    pair_close(&p);
}

static void what_does_not_fit_a_state_is_refused(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(81)};
    int listener = tcp_listen_on(p.w.a, 82, 5);
    assert_int_equal(CALL(p.w.a, bind, p.a.fd, (struct sockaddr *)&at, sizeof at), -EINVAL);
    assert_int_equal(CALL(p.w.a, bind, listener, (struct sockaddr *)&at, sizeof at), -EINVAL);
    assert_int_equal(CALL(p.w.a, listen, p.a.fd, 5), -EINVAL);
    assert_int_equal(CALL(p.w.a, listen, listener, 7), 0); /* another backlog */
    assert_int_equal(CALL(p.w.a, connect, listener, (struct sockaddr *)&at, sizeof at), -EISCONN);
    assert_int_equal(CALL(p.w.a, connect, p.a.fd, (struct sockaddr *)&at, sizeof at), 0); /* tells of the end, once */
    assert_int_equal(CALL(p.w.a, connect, p.a.fd, (struct sockaddr *)&at, sizeof at), -EISCONN);
    assert_int_equal(take_raw((struct end){p.w.a, listener}), -ENOTCONN);
    assert_int_equal(put(p.a, "", 0), 0);
    assert_int_equal(CALL(p.w.a, shutdown, p.a.fd, 3), -EINVAL);
    assert_int_equal(CALL(p.w.a, shutdown, p.a.fd, -1), -EINVAL);
    int bound = tcp_socket(p.w.a);
    assert_int_equal(CALL(p.w.a, bind, bound, (struct sockaddr *)&at, sizeof at), 0);
    at.sin_port = htons(83);
    assert_int_equal(CALL(p.w.a, bind, bound, (struct sockaddr *)&at, sizeof at), -EINVAL);
    pair_close(&p);
}

static void the_address_of_nobody_in_particular_is_the_loopback(void **state)
{
    (void)state;
    static const char *const any[] = {"0.0.0.0", "::"}, *const meant[] = {"127.0.0.1", "::1"};
    struct world w = world_open();
    struct sockaddr_storage to, expected, name;
    for (unsigned i = 0; i < 2; i++) {
        socklen_t len = text_address(any[i], 80, &to), name_len = sizeof name;
        int listener = CALL(w.a, socket, to.ss_family, SOCK_STREAM, 0);
        int fd = CALL(w.a, socket, to.ss_family, SOCK_STREAM, 0);
        assert_int_equal(CALL(w.a, bind, listener, (struct sockaddr *)&to, len), 0);
        assert_int_equal(CALL(w.a, listen, listener, 5), 0);
        assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, len), -EINPROGRESS);
        assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, len), 0); /* nothing takes time here */
        assert_int_equal(CALL(w.a, getpeername, fd, (struct sockaddr *)&name, &name_len), 0);
        assert_int_equal(text_address(meant[i], 80, &expected), name_len);
        assert_memory_equal(&name, &expected, name_len);
        CALL(w.a, close, listener);
    }
    world_close(&w);
}

static void a_host_without_an_address_of_the_family_has_no_route(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    struct plait_address own;
    struct sockaddr_storage mapped;
    int one = 1, fd = tcp_socket(w.a), six = CALL(w.a, socket, AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in to = host_address(w.b, 80);
    plait_host_address(a, PLAIT_ADDR_IP6, 0, &own);
    assert_ok(plait_host_set_addresses(a, &own, 1));
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -ENETUNREACH);
    socklen_t len = text_address("::ffff:10.0.0.2", 80, &mapped);
    assert_int_equal(CALL(w.a, connect, six, (struct sockaddr *)&mapped, len), -ENETUNREACH);
    CALL(w.a, setsockopt, six, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    assert_int_equal(CALL(w.a, connect, six, (struct sockaddr *)&mapped, len), -ENETUNREACH);
    assert_int_equal(CALL(w.a, bind, six, (struct sockaddr *)&mapped, len), -EINVAL);
    world_close(&w);
}

static void every_port_can_be_taken(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_in any = {.sin_family = AF_INET}, to = host_address(w.b, 80);
    plait_host_set_descriptors_max(plait_sim_host(w.sim, "a"), 60000);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        for (unsigned port = 32768; port < 61000; port++) {
            struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
            int fd = CALL(w.a, socket, AF_INET, type, 0);
            assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&at, sizeof at), 0);
        }
        int fd = CALL(w.a, socket, AF_INET, type, 0);
        assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&any, sizeof any), -EADDRINUSE);
        assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to),
                         type == SOCK_STREAM ? -EADDRNOTAVAIL : -EAGAIN);
        assert_int_equal(CALL(w.a, listen, fd, 5), type == SOCK_STREAM ? -EADDRNOTAVAIL : -EOPNOTSUPP);
    }
    world_close(&w);
}

static void a_listener_that_shuts_listens_no_more(void **state)
{
    (void)state;
    struct world w = world_open();
    int listener = tcp_listen_on(w.b, 80, 5), first = tcp_socket(w.a), second = tcp_socket(w.a);
    struct sockaddr_in to = host_address(w.b, 80);
    CALL(w.a, connect, first, (struct sockaddr *)&to, sizeof to);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.b, shutdown, listener, SHUT_WR), 0); /* says nothing */
    assert_int_equal(ready(w.b, listener, EPOLLIN), EPOLLIN);
    assert_int_equal(CALL(w.b, shutdown, listener, SHUT_RD), 0);
    assert_int_equal(CALL(w.b, accept4, listener, NULL, NULL, 0), -EINVAL);
    CALL(w.a, connect, second, (struct sockaddr *)&to, sizeof to);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(sock_error(w.a, first), ECONNRESET);
    assert_int_equal(sock_error(w.a, second), ECONNREFUSED);
    world_close(&w);
}

static void who_gave_up_before_the_answer_resets_it(void **state)
{
    (void)state;
    struct world w = world_open();
    int listener = tcp_listen_on(w.b, 80, 5), fd = tcp_socket(w.a);
    struct sockaddr_in to = host_address(w.b, 80);
    CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to);
    plait_sim_run_for(w.sim, plait_micros(150)); /* the SYN has come, its answer is on the way */
    CALL(w.a, close, fd);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.b, accept4, listener, NULL, NULL, 0), -EAGAIN);
    world_close(&w);
}

static void who_still_connects_can_neither_send_nor_end(void **state)
{
    (void)state;
    struct world w = world_open();
    struct end end = {w.a, tcp_socket(w.a)};
    struct sockaddr_in to = host_address(w.b, 80);
    tcp_listen_on(w.b, 80, 5);
    CALL(w.a, connect, end.fd, (struct sockaddr *)&to, sizeof to);
    assert_int_equal(put(end, "x", 1), -EAGAIN);
    assert_int_equal(CALL(w.a, shutdown, end.fd, SHUT_WR), 0); /* gives up */
    assert_int_equal(ready(w.a, end.fd, EPOLLIN | EPOLLOUT), EPOLLOUT | EPOLLERR | EPOLLHUP);
    assert_int_equal(sock_error(w.a, end.fd), ECONNRESET);
    world_close(&w);
}

static void a_connection_may_be_reset_on_its_way(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    struct plait_sim_link link = {.latency = plait_millis(1), .jitter = plait_millis(2)};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link));
    plait_sim_faults(p.w.sim, PLAIT_SIM_RESET | PLAIT_SIM_DELAY);
    ssize_t res = 1;
    for (unsigned i = 0; res > 0 && i < 5000; i++) {
        res = put(p.a, "x", 1);
        plait_sim_run_for(p.w.sim, plait_millis(300));
        if (res > 0 && !plait_sim_fault_count(p.w.sim, PLAIT_SIM_RESET, NULL))
            assert_string_equal(take(p.b), "x");
    }
    assert_int_equal(res, -ECONNRESET);
    assert_int_equal(take_raw(p.b), -ECONNRESET);
    assert_int_equal(plait_sim_fault_count(p.w.sim, PLAIT_SIM_RESET, NULL), 1);
    assert_true(plait_sim_fault_count(p.w.sim, PLAIT_SIM_DELAY, NULL) > 0);
    pair_close(&p);
}

/* The last read opens the window for what is left, and with it the end of both sides comes, all within one call. */
static void an_end_that_comes_within_a_read_is_survived(void **state)
{
    (void)state;
    static char block[60000];
    struct pair p = tcp_pair_open();
    ssize_t sent = put(p.a, block, sizeof block), n;
    sent += put(p.a, block, sizeof block);
    assert_int_equal(sent, 2 * sizeof block); /* 65,536 bytes at the peer, the rest waits here */
    assert_int_equal(CALL(p.w.b, shutdown, p.b.fd, SHUT_WR), 0);
    assert_int_equal(CALL(p.w.a, close, p.a.fd), 0);
    while ((n = take_raw(p.b)) > 0)
        sent -= n;
    assert_int_equal(n, 0);
    assert_int_equal(sent, 0);
    p.a.fd = -1;
    pair_close(&p);
}

static void a_full_socket_tells_when_there_is_room_again(void **state)
{
    (void)state;
    static char block[150000];
    struct pair p = tcp_pair_open();
    struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
    int ep = CALL(p.w.a, epoll_create1, 0);
    assert_int_equal(put(p.a, block, sizeof block), 2 * 65536); /* less than was asked */
    assert_int_equal(CALL(p.w.a, epoll_ctl, ep, EPOLL_CTL_ADD, p.a.fd, &ev), 0);
    assert_int_equal(CALL(p.w.a, epoll_wait, ep, &ev, 1, 0), 0);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(take_raw(p.b), 4096);
    assert_int_equal(CALL(p.w.a, epoll_wait, ep, &ev, 1, 0), 1);
    pair_close(&p);
}

static void a_tcp_socket_is_a_file_too(void **state)
{
    (void)state;
    char text[10];
    struct pair p = tcp_pair_open();
    struct iovec iov[3] = {{(void *)(uintptr_t) "ab", 2}, {NULL, 0}, {(void *)(uintptr_t) "cd", 2}};
    assert_int_equal(CALL(p.w.a, writev, p.a.fd, iov, 3), 4);
    assert_int_equal(CALL(p.w.b, read, p.b.fd, text, 0), 0);
    assert_int_equal(CALL(p.w.b, recv, p.b.fd, text, 2, MSG_PEEK), 2);
    assert_int_equal(CALL(p.w.b, read, p.b.fd, text, 3), 3);
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(CALL(p.w.b, recv, p.b.fd, NULL, 10, MSG_TRUNC), 1); /* thrown away */
    assert_int_equal(CALL(p.w.b, read, p.b.fd, text, 3), -EAGAIN);
    pair_close(&p);
}

TEST_MAIN(cmocka_unit_test(a_connection_carries_bytes_both_ways), cmocka_unit_test(connecting_takes_a_round_trip),
          cmocka_unit_test(a_port_without_a_listener_refuses), cmocka_unit_test(an_address_of_nobody_times_out),
          cmocka_unit_test(a_full_backlog_makes_the_syn_come_again), cmocka_unit_test(an_end_arrives_after_the_bytes),
          cmocka_unit_test(closing_with_unread_input_resets), cmocka_unit_test(bytes_before_a_reset_can_still_be_read),
          cmocka_unit_test(writing_to_one_that_closed_brings_a_reset),
          cmocka_unit_test(a_peer_that_does_not_read_fills_both_buffers),
          cmocka_unit_test(a_listener_that_closes_resets_who_waits),
          cmocka_unit_test(a_fresh_socket_says_what_linux_says), cmocka_unit_test(ports_conflict_as_the_table_says),
          cmocka_unit_test(of_two_that_share_a_port_one_may_listen),
          cmocka_unit_test(connections_to_different_targets_share_ports),
          cmocka_unit_test(no_connection_begins_at_a_port_of_accepted_ones),
          cmocka_unit_test(the_port_of_one_who_ended_first_stays_taken_for_a_minute),
          cmocka_unit_test(an_ipv6_listener_takes_ipv4_unless_told_not_to),
          cmocka_unit_test(split_bytes_arrive_whole_in_the_end), cmocka_unit_test(what_does_not_fit_a_state_is_refused),
          cmocka_unit_test(the_address_of_nobody_in_particular_is_the_loopback),
          cmocka_unit_test(a_host_without_an_address_of_the_family_has_no_route),
          cmocka_unit_test(every_port_can_be_taken), cmocka_unit_test(a_listener_that_shuts_listens_no_more),
          cmocka_unit_test(who_gave_up_before_the_answer_resets_it),
          cmocka_unit_test(who_still_connects_can_neither_send_nor_end),
          cmocka_unit_test(a_connection_may_be_reset_on_its_way),
          cmocka_unit_test(an_end_that_comes_within_a_read_is_survived),
          cmocka_unit_test(a_full_socket_tells_when_there_is_room_again), cmocka_unit_test(a_tcp_socket_is_a_file_too))
