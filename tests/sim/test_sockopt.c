/* SPDX-License-Identifier: MIT
 *
 * Socket options of the simulated kernel: those that do something, those that are remembered, those that are unknown.
 */
#include "tests/sim/sim_calls.h"

#include <netinet/tcp.h>

static int new_socket(struct plait_sys *host, int domain, int type)
{
    int fd = CALL(host, socket, domain, type | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

static int set(struct plait_sys *host, int fd, int level, int name, int value)
{
    return CALL(host, setsockopt, fd, level, name, &value, sizeof value);
}

/* The option's number, or -errno. */
static int get(struct plait_sys *host, int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    int err = CALL(host, getsockopt, fd, level, name, &value, &len);
    return err ? err : value;
}

static void flags_are_set_and_told(void **state)
{
    (void)state;
    static const struct {
        int domain, type, level, name;
    } cases[] = {
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR},   {AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_REUSEPORT},
        {AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_PASSCRED},    {AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_PKTINFO},
        {AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_V6ONLY}, {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVPKTINFO},
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE},   {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},
        {AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_TCLASS}, {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_CORK},
        {AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST},
    };
    struct world w = world_open();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int fd = new_socket(w.a, cases[i].domain, cases[i].type);
        assert_int_equal(get(w.a, fd, cases[i].level, cases[i].name), 0);
        assert_int_equal(set(w.a, fd, cases[i].level, cases[i].name, 1), 0);
        assert_int_equal(get(w.a, fd, cases[i].level, cases[i].name), 1);
        assert_int_equal(set(w.a, fd, cases[i].level, cases[i].name, 0), 0);
        assert_int_equal(get(w.a, fd, cases[i].level, cases[i].name), 0);
    }
    world_close(&w);
}

static void what_nobody_set_is_as_linux_has_it(void **state)
{
    (void)state;
    struct world w = world_open();
    int tcp = tcp_socket(w.a);
    assert_int_equal(get(w.a, tcp, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
    assert_int_equal(get(w.a, tcp, IPPROTO_TCP, TCP_SYNCNT), 6);
    assert_int_equal(get(w.a, tcp, IPPROTO_IP, IP_TTL), 64);
    assert_int_equal(get(w.a, tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    assert_int_equal(get(w.a, tcp, SOL_SOCKET, SO_DOMAIN), AF_INET);
    assert_int_equal(get(w.a, tcp, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    assert_int_equal(get(w.a, new_socket(w.a, AF_INET6, SOCK_DGRAM), SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
    assert_int_equal(get(w.a, new_socket(w.a, AF_UNIX, SOCK_DGRAM), SOL_SOCKET, SO_PROTOCOL), 0);
    assert_int_equal(get(w.a, tcp, SOL_SOCKET, SO_ERROR), 0);
    world_close(&w);
}

static void a_listener_says_that_it_listens(void **state)
{
    (void)state;
    struct world w = world_open();
    assert_int_equal(get(w.a, tcp_listen_on(w.a, 80, 5), SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(get(w.a, tcp_socket(w.a), SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(get(w.a, new_socket(w.a, AF_UNIX, SOCK_STREAM), SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(get(w.a, new_socket(w.a, AF_INET, SOCK_DGRAM), SOL_SOCKET, SO_ACCEPTCONN), 0);
    world_close(&w);
}

static void a_buffer_gets_twice_what_is_asked_within_bounds(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    assert_int_equal(get(w.a, fd, SOL_SOCKET, SO_SNDBUF), 65536);
    assert_int_equal(set(w.a, fd, SOL_SOCKET, SO_SNDBUF, 10000), 0);
    assert_int_equal(get(w.a, fd, SOL_SOCKET, SO_SNDBUF), 20000);
    assert_int_equal(set(w.a, fd, SOL_SOCKET, SO_RCVBUF, -1), 0);
    assert_int_equal(get(w.a, fd, SOL_SOCKET, SO_RCVBUF), 2304);
    assert_int_equal(set(w.a, fd, SOL_SOCKET, SO_RCVBUF, INT32_MAX), 0);
    assert_int_equal(get(w.a, fd, SOL_SOCKET, SO_RCVBUF), 8388608);
    world_close(&w);
}

static void lingering_is_a_pair_of_numbers(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    struct linger in = {.l_onoff = 1, .l_linger = 30}, out = {0};
    socklen_t len = sizeof out;
    assert_int_equal(CALL(w.a, setsockopt, fd, SOL_SOCKET, SO_LINGER, &in, sizeof in), 0);
    assert_int_equal(CALL(w.a, setsockopt, fd, SOL_SOCKET, SO_LINGER, &in, sizeof(int)), -EINVAL);
    assert_int_equal(CALL(w.a, getsockopt, fd, SOL_SOCKET, SO_LINGER, &out, &len), 0);
    assert_int_equal(out.l_onoff, 1);
    assert_int_equal(out.l_linger, 30);
    world_close(&w);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    int tcp = new_socket(w.a, AF_INET, SOCK_STREAM), udp = new_socket(w.a, AF_INET, SOCK_DGRAM);
    int un = new_socket(w.a, AF_UNIX, SOCK_STREAM), six = new_socket(w.a, AF_INET6, SOCK_STREAM);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    char byte = 1;
    assert_int_equal(set(w.a, un, IPPROTO_TCP, TCP_NODELAY, 1), -EOPNOTSUPP);
    assert_int_equal(set(w.a, udp, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    assert_int_equal(set(w.a, tcp, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
    assert_int_equal(set(w.a, tcp, 12345, 1, 1), -ENOPROTOOPT);
    assert_int_equal(get(w.a, tcp, 12345, 1), -EOPNOTSUPP);
    assert_int_equal(set(w.a, tcp, SOL_SOCKET, 12345, 1), -ENOPROTOOPT);
    assert_int_equal(get(w.a, tcp, SOL_SOCKET, 12345), -ENOPROTOOPT);
    assert_int_equal(get(w.a, tcp, IPPROTO_TCP, 12345), -ENOPROTOOPT);
    assert_int_equal(CALL(w.a, setsockopt, tcp, IPPROTO_TCP, TCP_NODELAY, &byte, 1), -EINVAL);
    assert_int_equal(CALL(w.a, bind, six, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(set(w.a, six, IPPROTO_IPV6, IPV6_V6ONLY, 1), -EINVAL); /* too late */
    world_close(&w);
}

/* Flags know 0 and 1 only. */
static int fitting(int level, int name, int value)
{
    bool flag = (level == IPPROTO_TCP && (name == TCP_NODELAY || name == TCP_CORK)) ||
                (level == IPPROTO_IP && name == IP_BIND_ADDRESS_NO_PORT) ||
                (level == SOL_SOCKET && (name == SO_KEEPALIVE || name == SO_BROADCAST));
    return flag ? 1 : value;
}

static void a_value_out_of_bounds_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = tcp_socket(w.a);
    assert_int_equal(set(w.a, fd, IPPROTO_TCP, TCP_KEEPIDLE, 0), -EINVAL);
    assert_int_equal(set(w.a, fd, IPPROTO_TCP, TCP_KEEPCNT, 128), -EINVAL);
    assert_int_equal(set(w.a, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), -EINVAL);
    assert_int_equal(set(w.a, fd, SOL_SOCKET, SO_KEEPALIVE, 17), 0);
    assert_int_equal(get(w.a, fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    world_close(&w);
}

/* A socket of the world remembers every option that there is to remember. */
static void many_options_are_remembered_at_once(void **state)
{
    (void)state;
    static const int tcp[] = {TCP_NODELAY,      TCP_KEEPIDLE,     TCP_KEEPINTVL, TCP_KEEPCNT,
                              TCP_USER_TIMEOUT, TCP_CORK,         TCP_QUICKACK,  TCP_NOTSENT_LOWAT,
                              TCP_FASTOPEN,     TCP_DEFER_ACCEPT, TCP_SYNCNT,    TCP_FASTOPEN_CONNECT};
    static const int ip[] = {IP_TOS, IP_TTL, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_TTL, IP_MULTICAST_LOOP};
    static const int ip6[] = {IPV6_UNICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_TCLASS};
    static const int any[] = {SO_KEEPALIVE, SO_BROADCAST, SO_RCVLOWAT, SO_PRIORITY};
    static const struct {
        int level;
        const int *name;
        size_t count;
    } all[] = {{IPPROTO_TCP, tcp, TEST_COUNT(tcp)},
               {IPPROTO_IP, ip, TEST_COUNT(ip)},
               {IPPROTO_IPV6, ip6, TEST_COUNT(ip6)},
               {SOL_SOCKET, any, TEST_COUNT(any)}};
    struct world w = world_open();
    int fd = new_socket(w.a, AF_INET6, SOCK_STREAM), value = 100;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        for (size_t k = 0; k < all[i].count; k++)
            assert_int_equal(set(w.a, fd, all[i].level, all[i].name[k], fitting(all[i].level, all[i].name[k], value++)),
                             0);
    }
    value = 100;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        for (size_t k = 0; k < all[i].count; k++)
            assert_int_equal(get(w.a, fd, all[i].level, all[i].name[k]),
                             fitting(all[i].level, all[i].name[k], value++));
    }
    world_close(&w);
}

static void no_more_is_written_than_there_is(void **state)
{
    (void)state;
    struct world w = world_open();
    int value[2] = {-1, -1};
    socklen_t len = sizeof value;
    assert_int_equal(CALL(w.a, getsockopt, tcp_socket(w.a), SOL_SOCKET, SO_TYPE, value, &len), 0);
    assert_int_equal(len, sizeof(int));
    assert_int_equal(value[0], SOCK_STREAM);
    assert_int_equal(value[1], -1);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(flags_are_set_and_told), cmocka_unit_test(what_nobody_set_is_as_linux_has_it),
          cmocka_unit_test(a_listener_says_that_it_listens),
          cmocka_unit_test(a_buffer_gets_twice_what_is_asked_within_bounds),
          cmocka_unit_test(lingering_is_a_pair_of_numbers), cmocka_unit_test(what_does_not_fit_is_refused),
          cmocka_unit_test(many_options_are_remembered_at_once), cmocka_unit_test(a_value_out_of_bounds_is_refused),
          cmocka_unit_test(no_more_is_written_than_there_is))
