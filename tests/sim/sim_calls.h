/* SPDX-License-Identifier: MIT
 *
 * What the tests of the simulated kernel share: a world of two hosts, their calls, and small questions about a
 * descriptor.
 */
#ifndef PLAIT_TESTS_SIM_CALLS_H
#define PLAIT_TESTS_SIM_CALLS_H

#include "engine/sys.h"
#include "tests/support/test.h"

#include <plait/sim.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>

/* Makes a call of a host. */
#define CALL(host, name, ...) ((host)->ops->name)((host), __VA_ARGS__)

struct world {
    struct plait_sim *sim;
    struct plait_sys *a, *b;
};

struct end {
    struct plait_sys *host;
    int fd;
};

struct pair {
    struct world w;
    struct end a, b;
};

__attribute__((unused)) static struct world world_open(void)
{
    struct world w = {.sim = plait_sim_new(test_seed(), 0)};
    assert_non_null(w.sim);
    w.a = plait_host_sys(plait_sim_host(w.sim, "a"));
    w.b = plait_host_sys(plait_sim_host(w.sim, "b"));
    return w;
}

__attribute__((unused)) static void world_close(struct world *w)
{
    plait_sim_free(&w->sim);
}

__attribute__((unused)) static int tcp_socket(struct plait_sys *host)
{
    int fd = CALL(host, socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

/* The n-th host of a world has 10.0.0.n; a socket's own name tells nothing before it is bound, so the test asks the
 * host. */
__attribute__((unused)) static struct sockaddr_in host_address(struct plait_sys *host, uint16_t port)
{
    struct plait_address at;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    plait_host_address((struct plait_host *)(void *)host, PLAIT_ADDR_IP4, port, &at);
    memcpy(&in.sin_addr, at.ip, 4);
    return in;
}

__attribute__((unused)) static socklen_t text_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        return sizeof *in;
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    return sizeof *in6;
}

__attribute__((unused)) static int tcp_listen_on(struct plait_sys *host, uint16_t port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = tcp_socket(host);
    assert_int_equal(CALL(host, bind, fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(CALL(host, listen, fd, backlog), 0);
    return fd;
}

/* What epoll says of a descriptor that nobody watched before. */
__attribute__((unused)) static unsigned ready(struct plait_sys *host, int fd, unsigned events)
{
    struct epoll_event ev = {.events = events}, out = {0};
    int ep = CALL(host, epoll_create1, EPOLL_CLOEXEC);
    assert_true(ep >= 0);
    assert_int_equal(CALL(host, epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev), 0);
    int n = CALL(host, epoll_wait, ep, &out, 1, 0);
    CALL(host, close, ep);
    return n == 1 ? out.events : 0;
}

__attribute__((unused)) static int sock_error(struct plait_sys *host, int fd)
{
    int err = -1;
    socklen_t len = sizeof err;
    assert_int_equal(CALL(host, getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    return err;
}

__attribute__((unused)) static ssize_t put(struct end end, const void *bytes, size_t len)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return CALL(end.host, sendmsg, end.fd, &msg, MSG_NOSIGNAL);
}

__attribute__((unused)) static ssize_t take_raw(struct end end)
{
    char buf[4096];
    return CALL(end.host, recv, end.fd, buf, sizeof buf, 0);
}

/* Reads after letting the world settle; the text stays valid until the next call. */
#define take(end) take_from((end), (char[4097]){0})
__attribute__((unused)) static const char *take_from(struct end end, char *buf)
{
    struct plait_sim *sim = NULL;
    (void)sim;
    ssize_t n = CALL(end.host, recv, end.fd, buf, 4096, 0);
    buf[n > 0 ? n : 0] = 0;
    return buf;
}

/* A TCP connection between the two hosts, by a listener that is closed again; the loopback's speed, so that nothing
 * waits. */
__attribute__((unused)) static struct pair tcp_pair_open(void)
{
    static const struct plait_sim_link at_once;
    struct pair p = {.w = world_open()};
    struct sockaddr_in to = host_address(p.w.b, 80);
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &at_once));
    int listener = tcp_listen_on(p.w.b, 80, 5);
    p.a = (struct end){p.w.a, tcp_socket(p.w.a)};
    assert_int_equal(CALL(p.w.a, connect, p.a.fd, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    plait_sim_run_until_idle(p.w.sim, plait_seconds(1));
    p.b = (struct end){p.w.b, CALL(p.w.b, accept4, listener, NULL, NULL, SOCK_NONBLOCK)};
    assert_true(p.b.fd >= 0);
    CALL(p.w.b, close, listener);
    return p;
}

__attribute__((unused)) static void pair_close(struct pair *p)
{
    if (p->a.fd >= 0)
        CALL(p->a.host, close, p->a.fd);
    if (p->b.fd >= 0)
        CALL(p->b.host, close, p->b.fd);
    world_close(&p->w);
}

#endif
