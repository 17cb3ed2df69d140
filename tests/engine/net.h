/* SPDX-License-Identifier: MIT
 *
 * What the tests of listening and connecting stand on: a reactor on the real kernel whose clock the test moves and
 * whose calls it can make fail, a service that notes what happens to it, and plain clients made with the system's own
 * calls.
 */
#ifndef PLAIT_TESTS_ENGINE_NET_H
#define PLAIT_TESTS_ENGINE_NET_H

#include "tests/engine/peer.h"

#include "engine/connect_core.h"
#include "engine/kinds.h"
#include "engine/listen_core.h"

#include <plait/sim.h>

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

struct net {
    struct bed b;
    struct plait_injector *inj;
    struct plait_reactor *r;
    size_t descriptors; /* before the test */
};

static inline void net_open_with(struct net *n, struct plait_reactor_options o)
{
    memset(n, 0, sizeof *n);
    n->descriptors = test_open_descriptors();
    struct bed *b = &n->b;
    test_heap_init(&b->heap, 0);
    b->ops = *plait__sys_kernel()->ops;
    b->ops.clock = bed_clock;
    b->ops.job_delay = bed_job_delay;
    b->sys.ops = &b->ops;
    b->clock = 1000000000;
    n->inj = plait_injector_new(&b->sys);
    assert_non_null(n->inj);
    const struct plait_log_options log = {
        .level = PLAIT_LOG_INFO, .form = PLAIT_LOG_JSON, .sink = bed_line, .ctx = b, .burst = 1000};
    o.sys = plait_injector_sys(n->inj);
    o.allocator = &b->heap.allocator;
    o.log = &log;
    o.slow_callback = plait_seconds(1000);
    n->r = b->r = plait_reactor_new(&o);
    assert_non_null(n->r);
    assert_ok(plait__endpoint_kinds_register(n->r));
}

static inline void net_open(struct net *n)
{
    net_open_with(n, (struct plait_reactor_options){.memory_max = 0});
}

/* Ends the reactor; nothing may be left. */
static inline void net_close(struct net *n)
{
    bed_heal(&n->b);
    plait_injector_fail_any(n->inj, 0, 0);
    bed_close(&n->b);
    plait_injector_free(&n->inj);
    assert_int_equal(test_open_descriptors(), n->descriptors);
}

static inline void net_fail(struct net *n, const char *call, uint64_t k, uint64_t times, int os_errno)
{
    assert_ok(plait_injector_fail(n->inj, call, k, times, os_errno));
}

static inline void net_turn(struct net *n)
{
    assert_ok(plait_reactor_step(n->r, 0));
}

/* Takes turns until a condition holds; the machine has two seconds for it. */
#define net_until(n, condition)                                                                                        \
    do {                                                                                                               \
        bool met_ = (condition);                                                                                       \
        for (int i_ = 0; i_ < 4000 && !met_; i_++) {                                                                   \
            net_turn(n);                                                                                               \
            met_ = (condition);                                                                                        \
            if (!met_)                                                                                                 \
                (void)usleep(500);                                                                                     \
        }                                                                                                              \
        assert_true(met_ &&#condition);                                                                                \
    } while (0)

/* Gives what must not happen the time to happen. */
static inline void net_idle(struct net *n)
{
    for (int i = 0; i < 20; i++) {
        net_turn(n);
        (void)usleep(500);
    }
}

/* --- a service ---------------------------------------------------------------------------------------------------- */

struct srv {
    size_t opened, freed, drain_told, connected, secured, drained, lost;
    struct plait_stream *s; /* the newest */
    struct plait_fault fault;
    struct plait_address peer, local;
    char got[1024];
    size_t got_len;
    plait_err refuse; /* what open returns */
    bool attach_nothing;
    bool stay; /* does not close when told of the drain */
};

static inline void srv_connected(struct plait_stream *s, void *self)
{
    struct srv *v = self;
    v->connected++;
    v->s = s;
    plait_stream_peer(s, &v->peer);
    plait_stream_local(s, &v->local);
}

static inline size_t srv_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct srv *v = self;
    for (size_t i = 0; i < in.len && v->got_len + 1 < sizeof v->got; i++)
        v->got[v->got_len++] = (char)in.ptr[i];
    v->got[v->got_len] = '\0';
    plait_write(s, in);
    return in.len;
}

static inline void srv_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    (void)s;
    assert_non_null(tls);
    ((struct srv *)self)->secured++;
}

static inline void srv_drain(struct plait_stream *s, void *self)
{
    struct srv *v = self;
    v->drained++;
    plait_write(s, PLAIT_LIT("bye"));
    if (!v->stay)
        plait_close(s);
}

static inline void srv_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct srv *v = self;
    v->lost++;
    v->fault = *fault;
    if (v->s == s)
        v->s = NULL;
}

static const struct plait_protocol srv_protocol = {.name = "srv",
                                                   .connected = srv_connected,
                                                   .data = srv_data,
                                                   .secured = srv_secured,
                                                   .drain = srv_drain,
                                                   .lost = srv_lost};

static inline plait_err srv_open(struct plait_stream *s, void *ctx)
{
    struct srv *v = ctx;
    v->opened++;
    if (v->refuse != PLAIT_OK || v->attach_nothing)
        return v->refuse;
    plait_stream_attach(s, &srv_protocol, v);
    return PLAIT_OK;
}

static inline void srv_drain_told(void *ctx)
{
    ((struct srv *)ctx)->drain_told++;
}

static inline void srv_free(void *ctx)
{
    ((struct srv *)ctx)->freed++;
}

static inline struct plait_service *srv_service(struct net *n, struct srv *v)
{
    static const struct plait_service_ops ops = {
        .name = "srv", .open = srv_open, .drain = srv_drain_told, .free = srv_free};
    struct plait_service *service = plait_service_new(n->r, &ops, v);
    assert_non_null(service);
    return service;
}

static inline struct plait_address loopback(uint16_t port)
{
    return (struct plait_address){.kind = PLAIT_ADDR_IP4, .port = port, .ip = {127, 0, 0, 1}};
}

/* Listens on a free port of the loopback. */
static inline struct plait_listener *net_listen(struct net *n, struct srv *v, const struct plait_listen_options *o)
{
    const struct plait_address a = loopback(0);
    struct plait_listener *l;
    assert_ok(plait_listen(n->r, &a, o, srv_service(n, v), &l));
    return l;
}

static inline uint16_t net_port(const struct plait_listener *l)
{
    struct plait_address a;
    plait_listener_address(l, &a);
    assert_true(a.port != 0);
    return a.port;
}

/* --- plain clients ------------------------------------------------------------------------------------------------ */

static inline int plain_connect_from(uint16_t port, uint32_t source)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (source)
        assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int plain_connect(uint16_t port)
{
    const int fd = plain_connect_from(port, 0);
    assert_true(fd >= 0);
    return fd;
}

static inline int plain_connect_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%.107s", path);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void plain_send(int fd, plait_slice s)
{
    assert_int_equal(send(fd, s.ptr, s.len, MSG_NOSIGNAL), (ssize_t)s.len);
}

/* Whether the peer ended or reset the connection by now. */
static inline bool plain_ended(int fd)
{
    char byte;
    const ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

/* What arrived, as text. */
static inline size_t plain_receive(int fd, char *out, size_t room)
{
    const ssize_t got = recv(fd, out, room - 1, MSG_DONTWAIT);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

#endif
