/* SPDX-License-Identifier: MIT
 *
 * Socket options: those that change what the simulated socket does, and a list of those that are only remembered,
 * of which TCP and UDP look at a few. An option that is in neither is refused as the kernel refuses one that
 * it does not know.
 *
 * Tests: tests/sim/test_tcp.c, test_unix.c, test_udp.c.
 */
#include "sim/sim_socket.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* Remembered and given back; `initial` before anybody sets it. What is not from `low` to `high` is refused; a `low`
 * above `high` makes it a flag, 0 or 1 whatever is set. */
#define ANY INT_MIN, INT_MAX
#define FLAG 1, 0
static const struct {
    int level, name, initial, low, high;
} remembered[SIM_SOCK_OPTIONS] = {
    {SOL_SOCKET, SO_KEEPALIVE, 0, FLAG},
    {SOL_SOCKET, SO_BROADCAST, 0, FLAG},
    {SOL_SOCKET, SO_RCVLOWAT, 1, ANY},
    {SOL_SOCKET, SO_PRIORITY, 0, ANY},
    {IPPROTO_TCP, TCP_NODELAY, 0, FLAG},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPCNT, 9, 1, 127},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, INT_MAX},
    {IPPROTO_TCP, TCP_CORK, 0, FLAG},
    {IPPROTO_TCP, TCP_QUICKACK, 1, ANY},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, ANY},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, ANY},
    {IPPROTO_TCP, TCP_FASTOPEN, 0, ANY},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, ANY},
    {IPPROTO_TCP, TCP_SYNCNT, 6, 1, 127},
    {IPPROTO_IP, IP_TOS, 0, ANY},
    {IPPROTO_IP, IP_TTL, 64, 1, 255},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, 0, 1},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1, ANY},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1, ANY},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, ANY},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, ANY},
    {IPPROTO_IPV6, IPV6_TCLASS, 0, ANY},
    {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT, ANY},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT, ANY},
    {IPPROTO_IPV6, IPV6_DONTFRAG, 0, ANY},
};

static bool level_fits(const struct sim_sock *s, int level)
{
    switch (level) {
    case SOL_SOCKET:
        return true;
    case IPPROTO_TCP:
        return s->domain != AF_UNIX && s->type == SOCK_STREAM;
    case IPPROTO_IP:
        return s->domain != AF_UNIX;
    case IPPROTO_IPV6:
        return s->domain == AF_INET6;
    default:
        return false;
    }
}

static bool *flag_of(struct sim_sock *s, int level, int name)
{
    if (level == SOL_SOCKET && name == SO_REUSEADDR)
        return &s->reuse_address;
    if (level == SOL_SOCKET && name == SO_REUSEPORT)
        return &s->reuse_port;
    if (level == SOL_SOCKET && name == SO_PASSCRED)
        return &s->pass_cred;
    if (level == IPPROTO_IP && name == IP_PKTINFO)
        return &s->packet_info;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
        return &s->v6only;
    if (level == IPPROTO_IPV6 && name == IPV6_RECVPKTINFO)
        return &s->packet_info6;
    return NULL;
}

static int remembered_at(int level, int name)
{
    for (unsigned i = 0; i < SIM_SOCK_OPTIONS; i++) {
        if (remembered[i].level == level && remembered[i].name == name)
            return (int)i;
    }
    return -1;
}

int sim_sock_option(const struct sim_sock *s, int level, int name)
{
    int at = remembered_at(level, name);
    return s->option_known & (UINT32_C(1) << at) ? s->option[at] : remembered[at].initial;
}

static void set_buffer(size_t *out, int value, size_t least)
{
    size_t asked = value > 0 ? (size_t)value * 2 : 0; /* the kernel doubles what it is asked for */
    *out = asked < least ? least : asked > 8388608 ? 8388608 : asked;
}

static int set_special(struct sim_sock *s, int level, int name, int value)
{
    bool *flag = flag_of(s, level, name);
    if (flag) {
        if (flag == &s->v6only && s->bound)
            return -EINVAL;
        *flag = value != 0;
        return 0;
    }
    if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) {
        set_buffer(name == SO_SNDBUF ? &s->sndbuf : &s->rcvbuf, value, name == SO_SNDBUF ? 4608 : 2304);
        return 0;
    }
    int at = remembered_at(level, name);
    if (at < 0)
        return -ENOPROTOOPT;
    bool flag_only = remembered[at].low > remembered[at].high;
    if (!flag_only && (value < remembered[at].low || value > remembered[at].high))
        return -EINVAL;
    s->option[at] = flag_only ? value != 0 : value;
    s->option_known |= UINT32_C(1) << at;
    if (s->domain != AF_UNIX && s->type == SOCK_STREAM)
        sim_tcp_option_set(s, level, name);
    return 0;
}

int sim_do_setsockopt(struct plait_host *host, int fd, int level, int name, const void *value, socklen_t len)
{
    int err, number;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (!level_fits(s, level))
        return s->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
    if (len < sizeof number)
        return -EINVAL;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger;
        if (len < sizeof linger)
            return -EINVAL;
        memcpy(&linger, value, sizeof linger);
        s->linger = linger.l_onoff != 0;
        s->linger_seconds = linger.l_linger;
        return 0;
    }
    memcpy(&number, value, sizeof number);
    return set_special(s, level, name, number);
}

static int put(void *value, socklen_t *len, const void *from, size_t from_len)
{
    if (*len > from_len)
        *len = (socklen_t)from_len;
    memcpy(value, from, *len);
    return 0;
}

static bool listens(const struct sim_sock *s)
{
    return s->domain == AF_UNIX ? s->un.listening : s->type == SOCK_STREAM && s->tcp.state == SIM_TCP_LISTEN;
}

static int get_socket_number(struct sim_sock *s, int name, int *out)
{
    switch (name) {
    case SO_ERROR:
        *out = -sim_sock_error(s);
        return 0;
    case SO_TYPE:
        *out = s->type;
        return 0;
    case SO_DOMAIN:
        *out = s->domain;
        return 0;
    case SO_PROTOCOL:
        *out = s->domain == AF_UNIX ? 0 : s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
        return 0;
    case SO_ACCEPTCONN:
        *out = listens(s);
        return 0;
    case SO_SNDBUF:
        *out = (int)s->sndbuf;
        return 0;
    case SO_RCVBUF:
        *out = (int)s->rcvbuf;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_number(struct sim_sock *s, int level, int name, int *out)
{
    bool *flag = flag_of(s, level, name);
    if (flag) {
        *out = *flag;
        return 0;
    }
    int at = remembered_at(level, name);
    if (at >= 0) {
        *out = sim_sock_option(s, level, name);
        return 0;
    }
    return level == SOL_SOCKET ? get_socket_number(s, name, out) : -ENOPROTOOPT;
}

int sim_do_getsockopt(struct plait_host *host, int fd, int level, int name, void *value, socklen_t *len)
{
    int err, number = 0;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (!level_fits(s, level))
        return s->domain == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = {.l_onoff = s->linger, .l_linger = s->linger_seconds};
        return put(value, len, &linger, sizeof linger);
    }
    if (level == SOL_SOCKET && name == SO_PEERCRED) {
        bool known = s->domain == AF_UNIX && s->un.pid;
        struct ucred cred = {
            .pid = known ? (pid_t)s->un.pid : 0, .uid = known ? 1000 : (uid_t)-1, .gid = known ? 1000 : (gid_t)-1};
        return put(value, len, &cred, sizeof cred);
    }
    err = get_number(s, level, name, &number);
    return err ? err : put(value, len, &number, sizeof number);
}
