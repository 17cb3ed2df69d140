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
    static char big[65508];
    struct world w = world_open();
    int c = udp_on(w.a, 1001);
    struct sockaddr_in to = host_address(w.b, 2000);
    CALL(w.a, connect, c, (struct sockaddr *)&to, sizeof to);
    assert_int_equal(put((struct end){w.a, c}, big, sizeof big), -EMSGSIZE);
    assert_int_equal(put((struct end){w.a, c}, big, sizeof big - 1), sizeof big - 1);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(datagrams_come_in_batches_with_their_sender),
          cmocka_unit_test(a_batch_is_sent_up_to_the_first_failure),
          cmocka_unit_test(the_destination_address_is_told_when_asked_for),
          cmocka_unit_test(a_closed_port_refuses_connected_sockets_only),
          cmocka_unit_test(what_is_too_large_is_refused))
