/* SPDX-License-Identifier: MIT
 *
 * UDP of the simulated kernel: batches, truncation, destination addresses, refused ports.
 */
#include "tests/sim/sim_calls.h"

static int udp_on(struct plait_sys *host, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = CALL(host, socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(CALL(host, bind, fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static ssize_t send_to(struct plait_sys *host, int fd, struct sockaddr_in *to, const char *text)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = to, .msg_namelen = to ? sizeof *to : 0};
    return CALL(host, sendmsg, fd, &msg, 0);
}

static void datagrams_come_in_batches_with_their_sender(void **state)
{
    (void)state;
    struct world w = world_open();
    int a = udp_on(w.a, 1000), b = udp_on(w.b, 2000);
    struct sockaddr_in to = host_address(w.b, 2000), from[3];
    char text[3][16];
    struct iovec iov[3];
    struct mmsghdr msgs[3] = {0};
    assert_int_equal(send_to(w.a, a, &to, "one"), 3);
    assert_int_equal(send_to(w.a, a, &to, "a longer one, too long"), 22);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    for (int i = 0; i < 3; i++) {
        iov[i] = (struct iovec){text[i], sizeof text[i]};
        msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof from[i]};
    }
    assert_int_equal(CALL(w.b, recvmmsg, b, msgs, 3, 0), 2);
    assert_int_equal(msgs[0].msg_len, 3);
    assert_int_equal(msgs[0].msg_hdr.msg_flags & MSG_TRUNC, 0);
    assert_int_equal(msgs[1].msg_len, 16);
    assert_int_equal(msgs[1].msg_hdr.msg_flags & MSG_TRUNC, MSG_TRUNC);
    assert_int_equal(ntohs(from[0].sin_port), 1000);
    assert_int_equal(CALL(w.b, recvmmsg, b, msgs, 3, 0), -EAGAIN);
    world_close(&w);
}

static void a_batch_is_sent_up_to_the_first_failure(void **state)
{
    (void)state;
    struct world w = world_open();
    int a = udp_on(w.a, 1000);
    struct sockaddr_in to = host_address(w.b, 2000), nowhere = host_address(w.b, 0);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct mmsghdr msgs[2] = {0};
    for (int i = 0; i < 2; i++)
        msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1, .msg_name = i ? &nowhere : &to, .msg_namelen = sizeof to};
    assert_int_equal(CALL(w.a, sendmmsg, a, msgs, 2, 0), 1);
    assert_int_equal(CALL(w.a, sendmmsg, a, msgs + 1, 1, 0), -EINVAL);
    assert_int_equal(send_to(w.a, a, NULL, "x"), -EDESTADDRREQ);
    world_close(&w);
}

static void the_destination_address_is_told_when_asked_for(void **state)
{
    (void)state;
    struct world w = world_open();
    int one = 1, a = udp_on(w.a, 1000), b = udp_on(w.b, 2000);
    struct sockaddr_in to = host_address(w.b, 2000);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    char text[16];
    struct iovec iov = {text, sizeof text};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct in_pktinfo info;
    assert_int_equal(CALL(w.b, setsockopt, b, IPPROTO_IP, IP_PKTINFO, &one, sizeof one), 0);
    send_to(w.a, a, &to, "x");
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.b, recvmsg, b, &msg, 0), 1);
    assert_int_equal(control.head.cmsg_type, IP_PKTINFO);
    memcpy(&info, CMSG_DATA(&control.head), sizeof info);
    assert_int_equal(info.ipi_addr.s_addr, to.sin_addr.s_addr);
    world_close(&w);
}

static void a_closed_port_refuses_connected_sockets_only(void **state)
{
    (void)state;
    struct world w = world_open();
    int a = udp_on(w.a, 1000), c = udp_on(w.a, 1001);
    struct sockaddr_in to = host_address(w.b, 2000);
    assert_int_equal(CALL(w.a, connect, c, (struct sockaddr *)&to, sizeof to), 0);
    send_to(w.a, a, &to, "x");
    put((struct end){w.a, c}, "x", 1);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(take_raw((struct end){w.a, a}), -EAGAIN);
    assert_int_equal(ready(w.a, c, EPOLLIN), EPOLLERR);
    assert_int_equal(take_raw((struct end){w.a, c}), -ECONNREFUSED);
    assert_int_equal(take_raw((struct end){w.a, c}), -EAGAIN);
    world_close(&w);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    static char big[65508], larger[65536];
    struct world w = world_open();
    int c = udp_on(w.a, 1001);
    struct sockaddr_in to = host_address(w.b, 2000);
    CALL(w.a, connect, c, (struct sockaddr *)&to, sizeof to);
    assert_int_equal(put((struct end){w.a, c}, big, sizeof big), -EMSGSIZE);
    assert_int_equal(put((struct end){w.a, c}, larger, sizeof larger), -EMSGSIZE);
    assert_int_equal(put((struct end){w.a, c}, big, sizeof big - 1), sizeof big - 1);
    world_close(&w);
}

static ssize_t send_from(struct plait_sys *host, int fd, struct sockaddr_storage *to, socklen_t to_len, void *control,
                         size_t control_len)
{
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_name = to,
                         .msg_namelen = to_len,
                         .msg_control = control,
                         .msg_controllen = control_len};
    return CALL(host, sendmsg, fd, &msg, 0);
}

/* Text of the address from which the next datagram came. */
static const char *sender_of_next(struct plait_sys *host, int fd, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_storage from = {0};
    char text[10];
    struct iovec iov = {text, sizeof text};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    assert_int_equal(CALL(host, recvmsg, fd, &msg, 0), 1);
    const void *ip = from.ss_family == AF_INET ? (const void *)&((struct sockaddr_in *)&from)->sin_addr
                                               : (const void *)&((struct sockaddr_in6 *)&from)->sin6_addr;
    return inet_ntop(from.ss_family, ip, out, INET6_ADDRSTRLEN);
}

static void the_source_address_can_be_chosen(void **state)
{
    (void)state;
    char text[INET6_ADDRSTRLEN];
    struct world w = world_open();
    struct plait_address own[2] = {{.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 1}},
                                   {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 2}}};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.head = {CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO}};
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0xc0000202)};
    struct sockaddr_storage to;
    int a = udp_on(w.a, 1000), b = udp_on(w.b, 2000);
    socklen_t len = text_address("10.0.0.2", 2000, &to);
    assert_ok(plait_host_set_addresses(plait_sim_host(w.sim, "a"), own, 2));
    memcpy(CMSG_DATA(&control.head), &info, sizeof info);
    assert_int_equal(send_from(w.a, a, &to, len, NULL, 0), 1);
    assert_int_equal(send_from(w.a, a, &to, len, &control, sizeof control), 1);
    control.head.cmsg_len = 1; /* not even a head: left alone */
    assert_int_equal(send_from(w.a, a, &to, len, &control, sizeof control), 1);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_string_equal(sender_of_next(w.b, b, text), "192.0.2.1");
    assert_string_equal(sender_of_next(w.b, b, text), "192.0.2.2");
    assert_string_equal(sender_of_next(w.b, b, text), "192.0.2.1");
    world_close(&w);
}

static void ipv6_tells_and_takes_addresses_too(void **state)
{
    (void)state;
    char text[INET6_ADDRSTRLEN];
    struct world w = world_open();
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.head = {CMSG_LEN(sizeof(struct in6_pktinfo)), IPPROTO_IPV6, IPV6_PKTINFO}};
    struct in6_pktinfo info = {.ipi6_addr.s6_addr = {0xfd, [15] = 0x77}}, got;
    struct sockaddr_storage to, any;
    int one = 1, a = CALL(w.a, socket, AF_INET6, SOCK_DGRAM, 0), b = CALL(w.b, socket, AF_INET6, SOCK_DGRAM, 0);
    struct iovec iov = {text, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    assert_int_equal(CALL(w.b, bind, b, (struct sockaddr *)&any, text_address("::", 2000, &any)), 0);
    assert_int_equal(CALL(w.b, setsockopt, b, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one), 0);
    socklen_t len = text_address("fd00::2", 2000, &to);
    memcpy(CMSG_DATA(&control.head), &info, sizeof info);
    assert_int_equal(send_from(w.a, a, &to, len, &control, sizeof control), 1);
    assert_int_equal(send_from(w.a, a, &to, len, NULL, 0), 1);
    assert_int_equal(send_from(w.a, a, &to, len, NULL, 0), 1);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_string_equal(sender_of_next(w.b, b, text), "fd00::77");
    assert_int_equal(CALL(w.b, recvmsg, b, &msg, 0), 1);
    memcpy(&got, CMSG_DATA(&control.head), sizeof got);
    assert_memory_equal(&got.ipi6_addr, &((struct sockaddr_in6 *)&to)->sin6_addr, 16);
    msg.msg_controllen = 4; /* no room: it is said, and the datagram comes all the same */
    assert_int_equal(CALL(w.b, recvmsg, b, &msg, 0), 1);
    assert_int_equal(msg.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    assert_int_equal(msg.msg_controllen, 0);
    world_close(&w);
}

static void an_ipv4_sender_is_a_mapped_address_to_ipv6(void **state)
{
    (void)state;
    char text[INET6_ADDRSTRLEN];
    struct world w = world_open();
    struct sockaddr_storage any;
    struct sockaddr_in to = host_address(w.b, 2000);
    int a = udp_on(w.a, 1000), b = CALL(w.b, socket, AF_INET6, SOCK_DGRAM, 0);
    assert_int_equal(CALL(w.b, bind, b, (struct sockaddr *)&any, text_address("::", 2000, &any)), 0);
    assert_int_equal(send_to(w.a, a, &to, "x"), 1);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_string_equal(sender_of_next(w.b, b, text), "::ffff:10.0.0.1");
    world_close(&w);
}

static void what_is_sent_to_nobody_in_particular_stays_at_home(void **state)
{
    (void)state;
    static const char *const any[] = {"0.0.0.0", "::"}, *const sender[] = {"127.0.0.1", "::1"};
    char text[INET6_ADDRSTRLEN];
    struct world w = world_open();
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_storage to, name;
        socklen_t len = text_address(any[i], 2000, &to), name_len = sizeof name;
        int in = CALL(w.a, socket, to.ss_family, SOCK_DGRAM, 0), out = CALL(w.a, socket, to.ss_family, SOCK_DGRAM, 0);
        assert_int_equal(CALL(w.a, bind, in, (struct sockaddr *)&to, len), 0);
        assert_int_equal(send_from(w.a, out, &to, len, NULL, 0), 1);
        assert_string_equal(sender_of_next(w.a, in, text), sender[i]);
        assert_int_equal(CALL(w.a, connect, out, (struct sockaddr *)&to, len), 0);
        assert_int_equal(CALL(w.a, getpeername, out, (struct sockaddr *)&name, &name_len), 0);
        text_address(sender[i], 2000, &to);
        assert_memory_equal(&name, &to, name_len);
        CALL(w.a, close, in);
    }
    world_close(&w);
}

static void a_socket_can_be_disconnected(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_in to = host_address(w.b, 2000), name;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof name;
    int fd = udp_on(w.a, 1000);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(put((struct end){w.a, fd}, "x", 1), 1);
    assert_int_equal(CALL(w.a, connect, fd, &none, sizeof none), 0);
    assert_int_equal(put((struct end){w.a, fd}, "x", 1), -EDESTADDRREQ);
    assert_int_equal(CALL(w.a, getpeername, fd, (struct sockaddr *)&name, &len), -ENOTCONN);
    assert_int_equal(CALL(w.a, shutdown, fd, SHUT_WR), -ENOTCONN);
    world_close(&w);
}

static void what_nobody_takes_is_lost(void **state)
{
    (void)state;
    static char big[60000];
    struct world w = world_open();
    struct sockaddr_storage to;
    int a = udp_on(w.a, 1000), b = udp_on(w.b, 2000);
    socklen_t len = text_address("192.0.2.99", 2000, &to);
    assert_int_equal(send_from(w.a, a, &to, len, NULL, 0), 1); /* nobody has that address */
    struct sockaddr_in there = host_address(w.b, 2000);
    assert_int_equal(CALL(w.a, connect, a, (struct sockaddr *)&there, sizeof there), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(put((struct end){w.a, a}, big, sizeof big), sizeof big);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(take_raw((struct end){w.b, b}), 4096); /* two had room */
    assert_int_equal(take_raw((struct end){w.b, b}), 4096);
    assert_int_equal(take_raw((struct end){w.b, b}), -EAGAIN);
    world_close(&w);
}

static void a_host_without_an_address_cannot_send(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_in to = host_address(w.b, 2000);
    int fd = udp_on(w.a, 1000);
    assert_ok(plait_host_set_addresses(plait_sim_host(w.sim, "a"), NULL, 0));
    assert_int_equal(send_to(w.a, fd, &to, "x"), -ENETUNREACH);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to), -ENETUNREACH);
    world_close(&w);
}

static void addresses_that_are_none_are_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_storage four, six;
    struct sockaddr other = {.sa_family = AF_PACKET};
    socklen_t len4 = text_address("10.0.0.2", 80, &four), len6 = text_address("fd00::2", 80, &six);
    int fd = udp_on(w.a, 1000), fd6 = CALL(w.a, socket, AF_INET6, SOCK_DGRAM, 0), flags = 77;
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&four, 1), -EINVAL);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&four, len4 - 1), -EINVAL);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&six, len6), -EAFNOSUPPORT);
    assert_int_equal(CALL(w.a, connect, fd, &other, sizeof other), -EAFNOSUPPORT);
    assert_int_equal(CALL(w.a, connect, fd6, (struct sockaddr *)&six, 20), -EINVAL);
    assert_int_equal(CALL(w.a, connect, fd6, (struct sockaddr *)&six, 24), 0); /* without a scope */
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&four, 1), -EINVAL);
    assert_int_equal(send_from(w.a, fd, &four, 1, NULL, 0), -EINVAL);
    assert_int_equal(CALL(w.a, accept4, fd, NULL, NULL, 0), -EOPNOTSUPP);
    assert_int_equal(CALL(w.a, accept4, fd, NULL, NULL, flags), -EINVAL);
    assert_int_equal(CALL(w.a, listen, fd, 1), -EOPNOTSUPP);
    assert_int_equal(CALL(w.a, socket, AF_INET, SOCK_DGRAM, IPPROTO_TCP), -EPROTONOSUPPORT);
    assert_int_equal(CALL(w.a, socket, AF_INET, SOCK_SEQPACKET, 0), -ESOCKTNOSUPPORT);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(datagrams_come_in_batches_with_their_sender),
          cmocka_unit_test(a_batch_is_sent_up_to_the_first_failure),
          cmocka_unit_test(the_destination_address_is_told_when_asked_for),
          cmocka_unit_test(a_closed_port_refuses_connected_sockets_only),
          cmocka_unit_test(what_is_too_large_is_refused), cmocka_unit_test(the_source_address_can_be_chosen),
          cmocka_unit_test(ipv6_tells_and_takes_addresses_too),
          cmocka_unit_test(an_ipv4_sender_is_a_mapped_address_to_ipv6),
          cmocka_unit_test(what_is_sent_to_nobody_in_particular_stays_at_home),
          cmocka_unit_test(a_socket_can_be_disconnected), cmocka_unit_test(what_nobody_takes_is_lost),
          cmocka_unit_test(a_host_without_an_address_cannot_send),
          cmocka_unit_test(addresses_that_are_none_are_refused))
