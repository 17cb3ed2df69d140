/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel tells the truth about pairs that are connected from the beginning, TCP between one listener and
 * its clients, and pipes. duel.h says how; test_differential_more.c has the rest.
 */
#include "tests/sim/duel.h"

#include <netinet/tcp.h>

enum { UNIX_STREAM, UNIX_DATAGRAM, UNIX_PACKET, TCP, UDP, PIPE, KINDS };
static const struct family families[KINDS];

static bool is(const struct duel *d, int kind)
{
    return d->family == &families[kind];
}

/* A datagram socket that is shut and has lost its peer: newer kernels look at the one first, older ones at the
 * other. */
static bool allowed(const struct duel *d, const char *what, const int64_t res[2])
{
    (void)d;
    (void)what;
    return res[0] == -ENOTCONN && res[1] == -EPIPE;
}

static int64_t do_connect(struct side *s, int slot)
{
    return s->sys->ops->connect(s->sys, s->fd[slot], (struct sockaddr *)&s->at[0], s->at_len[0]);
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

/* --- one step ----------------------------------------------------------------------------------------------------- */

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
    bool bytes = is(d, TCP) || is(d, UNIX_STREAM);
    size_t len = 1 + draw(d, BYTES_MAX);
    unsigned seed = (unsigned)draw(d, 256);
    if (is(d, PIPE)) {
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
        if (!is(d, PIPE))
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
    if (is(d, TCP) && kind < 4)
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
    s->at_len[0] = sizeof s->at[0];
    memcpy(&s->at[0], &at, sizeof at);
    int res = s->sys->ops->bind(s->sys, s->fd[0], (struct sockaddr *)&at, sizeof at);
    if (res == 0)
        res = s->sys->ops->listen(s->sys, s->fd[0], 16);
    return res ? res : s->sys->ops->getsockname(s->sys, s->fd[0], (struct sockaddr *)&s->at[0], &s->at_len[0]);
}

static int64_t connect_udp(struct side *s, int slot, int to)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof s->at[0];
    if (slot == 0) {
        for (int i = 0; i < 2; i++)
            s->sys->ops->bind(s->sys, s->fd[i], (struct sockaddr *)&at, sizeof at);
    }
    int res = s->sys->ops->getsockname(s->sys, s->fd[to], (struct sockaddr *)&s->at[0], &len);
    return res ? res : s->sys->ops->connect(s->sys, s->fd[slot], (struct sockaddr *)&s->at[0], len);
}

static void open_pair(struct duel *d)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    if (is(d, PIPE)) {
        BOTH(d, "pipe", 0, 0, side->sys->ops->pipe2(side->sys, side->fd, O_NONBLOCK | O_CLOEXEC));
    } else {
        int type = types[d->family - families] | SOCK_NONBLOCK | SOCK_CLOEXEC;
        BOTH(d, "socketpair", 0, type, side->sys->ops->socketpair(side->sys, AF_UNIX, type, 0, side->fd));
    }
}

static void begin(struct duel *d)
{
    if (is(d, TCP)) {
        BOTH(d, "socket", 0, 0, do_socket(side, 0, SOCK_STREAM));
        BOTH(d, "listen", 0, 0, listen_here(side));
    } else if (is(d, UDP)) {
        BOTH(d, "socket", 0, 0, do_socket(side, 0, SOCK_DGRAM));
        BOTH(d, "socket", 1, 0, do_socket(side, 1, SOCK_DGRAM));
        BOTH(d, "connect", 0, 1, connect_udp(side, 0, 1));
        BOTH(d, "connect", 1, 0, connect_udp(side, 1, 0));
    } else {
        open_pair(d);
    }
    add(d, 0);
    if (!is(d, TCP))
        add(d, 1);
}

static const struct family families[KINDS] = {
    [UNIX_STREAM] = {"unix stream", begin, step, NULL},
    [UNIX_DATAGRAM] = {"unix datagram", begin, step, allowed},
    [UNIX_PACKET] = {"unix seqpacket", begin, step, NULL},
    [TCP] = {"tcp", begin, step, NULL},
    [UDP] = {"udp", begin, step, NULL},
    [PIPE] = {"pipe", begin, step, NULL},
};

static void unix_streams_agree(void **state)
{
    (void)state;
    duel(&families[UNIX_STREAM]);
}

static void unix_datagrams_agree(void **state)
{
    (void)state;
    duel(&families[UNIX_DATAGRAM]);
}

static void unix_packets_agree(void **state)
{
    (void)state;
    duel(&families[UNIX_PACKET]);
}

static void tcp_agrees(void **state)
{
    (void)state;
    duel(&families[TCP]);
}

static void udp_agrees(void **state)
{
    (void)state;
    duel(&families[UDP]);
}

static void pipes_agree(void **state)
{
    (void)state;
    duel(&families[PIPE]);
}

TEST_MAIN_WITH(ignore_sigpipe, NULL, cmocka_unit_test(unix_streams_agree), cmocka_unit_test(unix_datagrams_agree),
               cmocka_unit_test(unix_packets_agree), cmocka_unit_test(tcp_agrees), cmocka_unit_test(udp_agrees),
               cmocka_unit_test(pipes_agree))
