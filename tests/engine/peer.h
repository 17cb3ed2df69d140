/* SPDX-License-Identifier: MIT
 *
 * A protocol that writes down what it is told, and two ends joined by each kind of carrier: what the tests of streams
 * stand on.
 */
#ifndef PLAIT_TESTS_ENGINE_PEER_H
#define PLAIT_TESTS_ENGINE_PEER_H

#include "tests/engine/bed.h"

#include "engine/stream_core.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end. `story` holds a letter for each callback: c(onnected) s(ecured) d(ata) r(oom) f(ds) e(of) l(ost). */
struct peer {
    struct plait_stream *s; /* NULL once lost */
    char story[4096];
    size_t told;
    uint8_t got[300000];
    size_t got_len;
    size_t rest; /* told by eof */
    struct plait_fault fault;
    int fd[16];
    size_t fds;

    /* What it does. */
    size_t take; /* bytes taken by each `data` at most; 0: all */
    bool take_nothing;
    bool echo;
    size_t need;
    plait_slice greeting; /* written by connected */
    void (*on_data)(struct peer *p);
    void (*on_eof)(struct peer *p);
    void *ctx;
    size_t data_calls;
};

static inline void peer_tell(struct peer *p, char what)
{
    if (p->told + 1 < sizeof p->story)
        p->story[p->told++] = what;
}

/* Every callback but `lost` stands inside a call of the stream's, and none comes after `lost`. */
static inline void peer_called(struct peer *p, const struct plait_stream *s, char what)
{
    assert_int_equal(s->flags & (PLAIT__F_IN_CALL | PLAIT__F_LOST_TOLD), PLAIT__F_IN_CALL);
    peer_tell(p, what);
}

static inline void peer_connected(struct plait_stream *s, void *self)
{
    struct peer *p = self;
    peer_called(p, s, 'c');
    plait_write(s, p->greeting);
}

static inline size_t peer_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct peer *p = self;
    size_t n = p->take_nothing ? 0 : p->take && p->take < in.len ? p->take : in.len;
    peer_called(p, s, 'd');
    p->data_calls++;
    assert_true(p->got_len + n <= sizeof p->got);
    memcpy(p->got + p->got_len, in.ptr, n);
    p->got_len += n;
    if (p->echo)
        plait_write(s, plait_slice_sub(in, 0, n));
    if (p->need)
        plait_need(s, p->need);
    if (p->on_data)
        p->on_data(p);
    return n;
}

static inline void peer_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct peer *p = self;
    p->rest = rest;
    peer_called(p, s, 'e');
    if (p->on_eof)
        p->on_eof(p);
}

static inline void peer_room(struct plait_stream *s, void *self)
{
    peer_called(self, s, 'r');
}

static inline void peer_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    (void)tls;
    peer_called(self, s, 's');
}

static inline void peer_fds(struct plait_stream *s, const int *fds, size_t count, void *self)
{
    struct peer *p = self;
    peer_called(p, s, 'f');
    for (size_t i = 0; i < count; i++)
        p->fd[p->fds++] = fds[i];
}

static inline void peer_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct peer *p = self;
    assert_int_equal(s->flags & (PLAIT__F_IN_CALL | PLAIT__F_LOST_TOLD), PLAIT__F_LOST_TOLD);
    peer_tell(p, 'l');
    p->fault = *fault;
    p->s = NULL;
}

#define PEER_TABLE(more)                                                                                               \
    {                                                                                                                  \
        .name = "peer", .connected = peer_connected, .data = peer_data, .eof = peer_eof, .room = peer_room,            \
        .secured = peer_secured, .fds = peer_fds, .lost = peer_lost, more                                              \
    }

static const struct plait_protocol peer_protocol = PEER_TABLE(.flags = 0);
static const struct plait_protocol peer_half_protocol = PEER_TABLE(.flags = PLAIT_HALF_CLOSE);
static const struct plait_protocol peer_small_protocol __attribute__((unused)) = PEER_TABLE(.input_max = 1024);

static inline void peer_attach(struct peer *p, struct plait_stream *s, const struct plait_protocol *protocol)
{
    p->s = s;
    plait_stream_attach(s, protocol, p);
}

/* --- two ends ----------------------------------------------------------------------------------------------------- */

enum joint { JOINT_PAIR, JOINT_UNIX, JOINT_TCP, JOINT_COUNT };

static inline void tcp_pair(int fd[2])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd[0], (struct sockaddr *)&in, sizeof in), 0);
    fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd[1] >= 0);
    close(listener);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(fd[i], F_SETFL, O_NONBLOCK), 0);
}

static inline void join(struct bed *b, enum joint joint, struct plait_stream **x, struct plait_stream **y)
{
    int fd[2];
    if (joint == JOINT_PAIR) {
        assert_ok(plait_pair_new(b->r, x, y));
        return;
    }
    if (joint == JOINT_UNIX)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    else
        tcp_pair(fd);
    const enum plait__fd_kind kind = joint == JOINT_UNIX ? PLAIT__FD_UNIX : PLAIT__FD_TCP;
    assert_int_equal(plait__fd_stream_new(b->r, kind, fd[0], NULL, x), 0);
    assert_int_equal(plait__fd_stream_new(b->r, kind, fd[1], NULL, y), 0);
}

/* Two ends with the plain protocol. */
static inline void join_peers(struct bed *b, enum joint joint, struct peer *x, struct peer *y)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    join(b, joint, &sx, &sy);
    peer_attach(x, sx, &peer_protocol);
    peer_attach(y, sy, &peer_protocol);
}

/* Runs turns until nothing has happened for a few, letting the kernel deliver. */
static inline void bed_settle(struct bed *b)
{
    for (int i = 0; i < 6; i++) {
        assert_ok(plait_reactor_step(b->r, 0));
        while (plait_reactor_next_timeout(b->r) == 0)
            assert_ok(plait_reactor_step(b->r, 0));
    }
}

#endif
