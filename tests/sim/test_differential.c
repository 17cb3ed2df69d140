/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel tells the truth: random sequences of calls run on the real kernel and on a simulated host, and
 * results, errnos, bytes and readiness must be the same. What may differ is kept out of the sequences, and listed in
 * docs/sim.md: descriptor and port numbers, how much fits into a socket's buffers, and wake-ups of edge-triggered
 * watchers that the real kernel gives more often.
 *
 * The real loopback is not always synchronous on a busy machine: a sequence that differs is run again slower before it
 * counts. TEST_SEQUENCES sets how many run (4,000), TEST_SEED where they begin.
 */
#include "tests/sim/sim_calls.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <unistd.h>

#define SLOTS 10
#define STEPS 40
#define BYTES_MAX 200

enum family { UNIX_STREAM, UNIX_DATAGRAM, UNIX_PACKET, TCP, UDP, PIPE, FAMILIES };
static const char *const family_names[] = {"unix stream", "unix datagram", "unix seqpacket", "tcp", "udp", "pipe"};

struct side {
    struct plait_sys *sys;
    int ep;
    int fd[SLOTS];
    struct sockaddr_storage at; /* where the listener listens */
    socklen_t at_len;
};

struct duel {
    enum family family;
    struct test_random random;
    struct side side[2]; /* the kernel's, the simulated one */
    bool edge[SLOTS];
    unsigned pause_us;
    bool differs;
    char story[STEPS + 8][160];
    unsigned lines;
};

static uint64_t draw(struct duel *d, uint64_t below)
{
    return test_random_below(&d->random, below);
}

static void tell(struct duel *d, const char *what, int slot, int64_t arg, int64_t real, int64_t simulated)
{
    if (d->lines < TEST_COUNT(d->story))
        (void)snprintf(d->story[d->lines++], sizeof d->story[0],
                       "%s(%d, %" PRId64 "): real %" PRId64 ", simulated %" PRId64, what, slot, arg, real, simulated);
}

/* A datagram socket that is shut and has lost its peer: newer kernels look at the one first, older ones at the
 * other. */
static bool allowed(const struct duel *d, const int64_t res[2])
{
    return d->family == UNIX_DATAGRAM && res[0] == -ENOTCONN && res[1] == -EPIPE;
}

static void same(struct duel *d, const char *what, int slot, int64_t arg, const int64_t res[2])
{
    if (d->differs)
        return;
    tell(d, what, slot, arg, res[0], res[1]);
    d->differs = res[0] != res[1] && !allowed(d, res);
    if (d->pause_us)
        usleep(d->pause_us);
}

/* Both sides' results of one call on one slot. */
#define BOTH(d, what, slot, arg, expr)                                                                                 \
    do {                                                                                                               \
        int64_t both_[2];                                                                                              \
        for (int i_ = 0; i_ < 2; i_++) {                                                                               \
            struct side *side = &(d)->side[i_];                                                                        \
            struct plait_sys *sys = side->sys;                                                                         \
            (void)sys;                                                                                                 \
            both_[i_] = (expr);                                                                                        \
        }                                                                                                              \
        same((d), (what), (slot), (int64_t)(arg), both_);                                                              \
    } while (0)

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int64_t do_send(struct side *s, int slot, size_t len, unsigned seed)
{
    uint8_t bytes[8192];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 31);
    struct iovec iov[2] = {{bytes, len / 2}, {bytes + len / 2, len - len / 2}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    return s->sys->ops->sendmsg(s->sys, s->fd[slot], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int64_t mixed(ssize_t res, const uint8_t *bytes, size_t cap, int flags)
{
    uint64_t hash = 7;
    for (ssize_t i = 0; i < res && (size_t)i < cap; i++)
        hash = hash * 131 + bytes[i];
    return res < 0 ? res
                   : (int64_t)(((hash & 0xffffffff) << 24) | ((uint64_t)(flags & MSG_TRUNC) << 16) | (uint64_t)res);
}

static int64_t do_recv(struct side *s, int slot, size_t len, int flags)
{
    uint8_t bytes[8192];
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t res = s->sys->ops->recvmsg(s->sys, s->fd[slot], &msg, flags | MSG_DONTWAIT);
    return mixed(res, bytes, len, msg.msg_flags);
}

static int64_t do_read(struct side *s, int slot, size_t len)
{
    static uint8_t bytes[65536];
    ssize_t res = s->sys->ops->read(s->sys, s->fd[slot], bytes, len);
    return mixed(res, bytes, len, 0);
}

static int64_t do_write(struct side *s, int slot, size_t len, unsigned seed)
{
    static uint8_t bytes[65536];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 13);
    return s->sys->ops->write(s->sys, s->fd[slot], bytes, len);
}

static int64_t do_error(struct side *s, int slot)
{
    int err = 0;
    socklen_t len = sizeof err;
    int res = s->sys->ops->getsockopt(s->sys, s->fd[slot], SOL_SOCKET, SO_ERROR, &err, &len);
    return res ? res : err;
}

static int64_t do_peer(struct side *s, int slot)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    return s->sys->ops->getpeername(s->sys, s->fd[slot], (struct sockaddr *)&at, &len);
}

static int64_t watch(struct side *s, int slot, int op, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.u32 = (uint32_t)slot};
    return s->sys->ops->epoll_ctl(s->sys, s->ep, op, s->fd[slot], &ev);
}

static int64_t do_close(struct side *s, int slot)
{
    int res = s->sys->ops->close(s->sys, s->fd[slot]);
    s->fd[slot] = -1;
    return res;
}

static int64_t do_connect(struct side *s, int slot)
{
    return s->sys->ops->connect(s->sys, s->fd[slot], (struct sockaddr *)&s->at, s->at_len);
}

static int64_t do_accept(struct side *s, int slot)
{
    int fd = s->sys->ops->accept4(s->sys, s->fd[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    s->fd[slot] = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

static int64_t do_socket(struct side *s, int slot, int type)
{
    int fd = s->sys->ops->socket(s->sys, AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd >= 0 && type == SOCK_STREAM) /* Nagle's delays are not played */
        s->sys->ops->setsockopt(s->sys, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->fd[slot] = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* --- readiness ---------------------------------------------------------------------------------------------------- */

static void look(struct duel *d)
{
    unsigned seen[2][SLOTS] = {{0}};
    for (int i = 0; i < 2; i++) {
        struct epoll_event events[SLOTS];
        int n = d->side[i].sys->ops->epoll_wait(d->side[i].sys, d->side[i].ep, events, SLOTS, 0);
        for (int k = 0; k < n; k++)
            seen[i][events[k].data.u32] = events[k].events;
    }
    for (int slot = 0; slot < SLOTS && !d->differs; slot++) {
        if (!seen[0][slot] && !seen[1][slot])
            continue;
        /* An edge that only the real kernel saw says what a new look would say as well. */
        if (d->edge[slot] && seen[0][slot] && !seen[1][slot])
            continue;
        same(d, d->edge[slot] ? "edge" : "level", slot, 0, (int64_t[2]){seen[0][slot], seen[1][slot]});
    }
}

static void add(struct duel *d, int slot)
{
    d->edge[slot] = draw(d, 2);
    unsigned events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (d->edge[slot] ? EPOLLET : 0);
    BOTH(d, "epoll add", slot, events, watch(side, slot, EPOLL_CTL_ADD, events));
}

static void modify(struct duel *d, int slot)
{
    unsigned events = draw(d, 2) ? EPOLLIN | EPOLLRDHUP : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    d->edge[slot] = draw(d, 2);
    events |= d->edge[slot] ? EPOLLET : 0;
    events |= draw(d, 4) ? 0 : EPOLLONESHOT;
    BOTH(d, "epoll mod", slot, events, watch(side, slot, EPOLL_CTL_MOD, events));
}

/* --- one step ----------------------------------------------------------------------------------------------------- */

static int pick(struct duel *d)
{
    int open[SLOTS], count = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (d->side[0].fd[i] >= 0 && d->side[1].fd[i] >= 0)
            open[count++] = i;
    }
    return count ? open[draw(d, (uint64_t)count)] : -1;
}

static int free_slot(struct duel *d)
{
    for (int i = 1; i < SLOTS; i++) {
        if (d->side[0].fd[i] < 0 && d->side[1].fd[i] < 0)
            return i;
    }
    return -1;
}

static void step_tcp(struct duel *d)
{
    int slot = free_slot(d);
    if (slot < 0)
        return;
    if (draw(d, 2) && d->side[0].fd[0] >= 0) {
        BOTH(d, "accept", slot, 0, do_accept(side, slot));
        if (d->side[0].fd[slot] >= 0 && !d->differs)
            add(d, slot);
        return;
    }
    BOTH(d, "socket", slot, 0, do_socket(side, slot, SOCK_STREAM));
    if (draw(d, 4))
        add(d, slot);
    if (draw(d, 8))
        BOTH(d, "connect", slot, 0, do_connect(side, slot));
}

static void step_pipe(struct duel *d, int slot)
{
    size_t len = 1 + draw(d, draw(d, 2) ? 40000 : 5000);
    unsigned seed = (unsigned)draw(d, 256);
    if (slot == 0)
        BOTH(d, "read", slot, len, do_read(side, slot, len));
    else
        BOTH(d, "write", slot, len, do_write(side, slot, len, seed));
}

static void step_bytes(struct duel *d, int slot)
{
    bool bytes = d->family == TCP || d->family == UNIX_STREAM;
    size_t len = 1 + draw(d, BYTES_MAX);
    unsigned seed = (unsigned)draw(d, 256);
    if (d->family == PIPE) {
        step_pipe(d, slot);
    } else if (draw(d, 2)) {
        BOTH(d, "send", slot, len, do_send(side, slot, len, seed));
    } else {
        int flags = draw(d, 5) ? 0 : MSG_PEEK;
        if (!bytes && !draw(d, 3))
            flags |= MSG_TRUNC;
        BOTH(d, "recv", slot, len, do_recv(side, slot, len, flags));
    }
}

static void step_rare(struct duel *d, int slot)
{
    int how = (int)draw(d, 3);
    switch (draw(d, 5)) {
    case 0:
        if (d->family != PIPE && (d->family != TCP || slot != 0))
            BOTH(d, "shutdown", slot, how, side->sys->ops->shutdown(side->sys, side->fd[slot], how));
        break;
    case 1:
        BOTH(d, "close", slot, 0, do_close(side, slot));
        break;
    case 2:
        BOTH(d, "SO_ERROR", slot, 0, do_error(side, slot));
        break;
    case 3:
        BOTH(d, "getpeername", slot, 0, do_peer(side, slot));
        break;
    default:
        modify(d, slot);
        break;
    }
}

static void step(struct duel *d)
{
    int slot = pick(d);
    uint64_t kind = draw(d, 20);
    if (d->family == TCP && kind < 4)
        step_tcp(d);
    else if (slot >= 0 && kind < 12)
        step_bytes(d, slot);
    else if (slot >= 0 && kind < 15)
        step_rare(d, slot);
    else
        look(d);
}

/* --- one sequence ------------------------------------------------------------------------------------------------- */

static int64_t listen_here(struct side *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    s->at_len = sizeof s->at;
    memcpy(&s->at, &at, sizeof at);
    int res = s->sys->ops->bind(s->sys, s->fd[0], (struct sockaddr *)&at, sizeof at);
    if (res == 0)
        res = s->sys->ops->listen(s->sys, s->fd[0], 16);
    return res ? res : s->sys->ops->getsockname(s->sys, s->fd[0], (struct sockaddr *)&s->at, &s->at_len);
}

static int64_t connect_udp(struct side *s, int slot, int to)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof s->at;
    if (slot == 0) {
        for (int i = 0; i < 2; i++)
            s->sys->ops->bind(s->sys, s->fd[i], (struct sockaddr *)&at, sizeof at);
    }
    int res = s->sys->ops->getsockname(s->sys, s->fd[to], (struct sockaddr *)&s->at, &len);
    return res ? res : s->sys->ops->connect(s->sys, s->fd[slot], (struct sockaddr *)&s->at, len);
}

static void open_pair(struct duel *d)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    if (d->family == PIPE) {
        BOTH(d, "pipe", 0, 0, side->sys->ops->pipe2(side->sys, side->fd, O_NONBLOCK | O_CLOEXEC));
    } else {
        int type = types[d->family] | SOCK_NONBLOCK | SOCK_CLOEXEC;
        BOTH(d, "socketpair", 0, type, side->sys->ops->socketpair(side->sys, AF_UNIX, type, 0, side->fd));
    }
}

static void begin(struct duel *d)
{
    for (int i = 0; i < 2; i++) {
        for (int slot = 0; slot < SLOTS; slot++)
            d->side[i].fd[slot] = -1;
        d->side[i].ep = d->side[i].sys->ops->epoll_create1(d->side[i].sys, EPOLL_CLOEXEC);
        assert_true(d->side[i].ep >= 0);
    }
    if (d->family == TCP) {
        BOTH(d, "socket", 0, 0, do_socket(side, 0, SOCK_STREAM));
        BOTH(d, "listen", 0, 0, listen_here(side));
    } else if (d->family == UDP) {
        BOTH(d, "socket", 0, 0, do_socket(side, 0, SOCK_DGRAM));
        BOTH(d, "socket", 1, 0, do_socket(side, 1, SOCK_DGRAM));
        BOTH(d, "connect", 0, 1, connect_udp(side, 0, 1));
        BOTH(d, "connect", 1, 0, connect_udp(side, 1, 0));
    } else {
        open_pair(d);
    }
    add(d, 0);
    if (d->family != TCP)
        add(d, 1);
}

static void end(struct duel *d)
{
    for (int i = 0; i < 2; i++) {
        for (int slot = 0; slot < SLOTS; slot++) {
            if (d->side[i].fd[slot] >= 0)
                d->side[i].sys->ops->close(d->side[i].sys, d->side[i].fd[slot]);
        }
        d->side[i].sys->ops->close(d->side[i].sys, d->side[i].ep);
    }
}

static bool duel_once(struct duel *d, enum family family, uint64_t seed, unsigned pause_us)
{
    struct plait_sim *sim = plait_sim_new(seed, 0);
    struct plait_host *host = plait_sim_host(sim, "host");
    memset(d, 0, sizeof *d);
    d->family = family;
    d->random = test_random_of(seed);
    d->pause_us = pause_us;
    d->side[0].sys = plait__sys_kernel();
    d->side[1].sys = plait_host_sys(host);
    plait_host_set_buffers(host, 212992, 212992);
    begin(d);
    for (unsigned i = 0; i < STEPS && !d->differs; i++)
        step(d);
    look(d);
    end(d);
    assert_int_equal(plait_host_descriptors(host), 0);
    plait_sim_free(&sim);
    return !d->differs;
}

static void duel(enum family family)
{
    static struct duel d;
    const char *text = getenv("TEST_SEQUENCES");
    uint64_t count = (text ? strtoull(text, NULL, 10) : 4000) / FAMILIES;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t seed = test_seed() * 1000000 + i;
        if (duel_once(&d, family, seed, 0) || duel_once(&d, family, seed, 500) || duel_once(&d, family, seed, 5000))
            continue;
        print_error("%s, TEST_SEED %" PRIu64 ", sequence %" PRIu64 "\n", family_names[family], test_seed(), i);
        for (unsigned k = 0; k < d.lines; k++)
            print_error("  %s\n", d.story[k]);
        fail_msg("the simulated kernel differs from the real one");
    }
}

static void unix_streams_agree(void **state)
{
    (void)state;
    duel(UNIX_STREAM);
}

static void unix_datagrams_agree(void **state)
{
    (void)state;
    duel(UNIX_DATAGRAM);
}

static void unix_packets_agree(void **state)
{
    (void)state;
    duel(UNIX_PACKET);
}

static void tcp_agrees(void **state)
{
    (void)state;
    duel(TCP);
}

static void udp_agrees(void **state)
{
    (void)state;
    duel(UDP);
}

static void pipes_agree(void **state)
{
    (void)state;
    duel(PIPE);
}

static int ignore_sigpipe(void **state)
{
    (void)state;
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

TEST_MAIN_WITH(ignore_sigpipe, NULL, cmocka_unit_test(unix_streams_agree), cmocka_unit_test(unix_datagrams_agree),
               cmocka_unit_test(unix_packets_agree), cmocka_unit_test(tcp_agrees), cmocka_unit_test(udp_agrees),
               cmocka_unit_test(pipes_agree))
