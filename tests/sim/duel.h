/* SPDX-License-Identifier: MIT
 *
 * A duel: a random sequence of calls on the real kernel and on a simulated host, whose results, errnos, bytes and
 * readiness must be the same. What may differ is kept out of the sequences, and listed in docs/sim.md: descriptor and
 * port numbers, how much fits into a socket's buffers, and wake-ups of edge-triggered watchers that the real kernel
 * gives more often.
 *
 * The real loopback is not always synchronous on a busy machine: a sequence that differs is run again slower before it
 * counts. TEST_SEQUENCES sets how many run in all (12,000), TEST_SEED where they begin.
 */
#ifndef PLAIT_TESTS_SIM_DUEL_H
#define PLAIT_TESTS_SIM_DUEL_H

#include "tests/sim/sim_calls.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLOTS 10
#define STEPS 40
#define BYTES_MAX 200
#define FAMILIES 12 /* that share TEST_SEQUENCES */

#define DUEL_FN __attribute__((unused)) static

struct side {
    struct plait_sys *sys;
    int ep, ep2;
    int fd[SLOTS];
    struct sockaddr_storage at[SLOTS]; /* an address that the slot has, or had */
    socklen_t at_len[SLOTS];
};

struct duel;
struct family {
    const char *name;
    void (*begin)(struct duel *d);
    void (*step)(struct duel *d);
    bool (*allowed)(const struct duel *d, const char *what, const int64_t res[2]); /* that they differ; may be NULL */
};

struct duel {
    const struct family *family;
    struct test_random random;
    struct side side[2]; /* the kernel's, the simulated one */
    int kind[SLOTS];     /* the family's own note */
    bool edge[SLOTS];
    unsigned pause_us;
    bool differs;
    char story[STEPS * 3][160];
    unsigned lines;
};

DUEL_FN uint64_t draw(struct duel *d, uint64_t below)
{
    return test_random_below(&d->random, below);
}

DUEL_FN void tell(struct duel *d, const char *what, int slot, int64_t arg, const int64_t res[2])
{
    if (d->lines < TEST_COUNT(d->story))
        (void)snprintf(d->story[d->lines++], sizeof d->story[0],
                       "%s(%d, %" PRId64 "): real %" PRId64 ", simulated %" PRId64, what, slot, arg, res[0], res[1]);
}

DUEL_FN void same(struct duel *d, const char *what, int slot, int64_t arg, const int64_t res[2])
{
    if (d->differs)
        return;
    tell(d, what, slot, arg, res);
    d->differs = res[0] != res[1] && !(d->family->allowed && d->family->allowed(d, what, res));
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

DUEL_FN int64_t do_send(struct side *s, int slot, size_t len, unsigned seed)
{
    uint8_t bytes[8192];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 31);
    struct iovec iov[2] = {{bytes, len / 2}, {bytes + len / 2, len - len / 2}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    return s->sys->ops->sendmsg(s->sys, s->fd[slot], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

DUEL_FN int64_t mixed(ssize_t res, const uint8_t *bytes, size_t cap, int flags)
{
    uint64_t hash = 7;
    for (ssize_t i = 0; i < res && (size_t)i < cap; i++)
        hash = hash * 131 + bytes[i];
    return res < 0 ? res
                   : (int64_t)(((hash & 0xffffffff) << 24) | ((uint64_t)(flags & MSG_TRUNC) << 16) | (uint64_t)res);
}

DUEL_FN int64_t do_recv(struct side *s, int slot, size_t len, int flags)
{
    uint8_t bytes[8192];
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t res = s->sys->ops->recvmsg(s->sys, s->fd[slot], &msg, flags | MSG_DONTWAIT);
    return mixed(res, bytes, len, msg.msg_flags);
}

DUEL_FN int64_t do_read(struct side *s, int slot, size_t len)
{
    static uint8_t bytes[65536];
    ssize_t res = s->sys->ops->read(s->sys, s->fd[slot], bytes, len);
    return mixed(res, bytes, len, 0);
}

DUEL_FN int64_t do_write(struct side *s, int slot, size_t len, unsigned seed)
{
    static uint8_t bytes[65536];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 13);
    return s->sys->ops->write(s->sys, s->fd[slot], bytes, len);
}

DUEL_FN int64_t do_error(struct side *s, int slot)
{
    int err = 0;
    socklen_t len = sizeof err;
    int res = s->sys->ops->getsockopt(s->sys, s->fd[slot], SOL_SOCKET, SO_ERROR, &err, &len);
    return res ? res : err;
}

DUEL_FN int64_t do_peer(struct side *s, int slot)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    return s->sys->ops->getpeername(s->sys, s->fd[slot], (struct sockaddr *)&at, &len);
}

DUEL_FN int64_t watch(struct side *s, int slot, int op, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.u32 = (uint32_t)slot};
    return s->sys->ops->epoll_ctl(s->sys, s->ep, op, s->fd[slot], &ev);
}

DUEL_FN int64_t do_close(struct side *s, int slot)
{
    int res = s->sys->ops->close(s->sys, s->fd[slot]);
    s->fd[slot] = -1;
    return res;
}

/* Keeps what a call gave as a slot's descriptor: 0 or the errno. */
DUEL_FN int64_t keep(struct side *s, int slot, int fd)
{
    s->fd[slot] = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* --- readiness ---------------------------------------------------------------------------------------------------- */

DUEL_FN void look(struct duel *d)
{
    unsigned seen[2][SLOTS + 1] = {{0}};
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

DUEL_FN void add(struct duel *d, int slot)
{
    d->edge[slot] = draw(d, 2);
    unsigned events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (d->edge[slot] ? EPOLLET : 0);
    BOTH(d, "epoll add", slot, events, watch(side, slot, EPOLL_CTL_ADD, events));
}

DUEL_FN void modify(struct duel *d, int slot)
{
    unsigned events = draw(d, 2) ? EPOLLIN | EPOLLRDHUP : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    d->edge[slot] = draw(d, 2);
    events |= d->edge[slot] ? EPOLLET : 0;
    events |= draw(d, 4) ? 0 : EPOLLONESHOT;
    BOTH(d, "epoll mod", slot, events, watch(side, slot, EPOLL_CTL_MOD, events));
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

DUEL_FN int pick(struct duel *d)
{
    int open[SLOTS], count = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (d->side[0].fd[i] >= 0 && d->side[1].fd[i] >= 0)
            open[count++] = i;
    }
    return count ? open[draw(d, (uint64_t)count)] : -1;
}

DUEL_FN int free_slot(struct duel *d)
{
    for (int i = 0; i < SLOTS; i++) {
        if (d->side[0].fd[i] < 0 && d->side[1].fd[i] < 0)
            return i;
    }
    return -1;
}

/* --- one sequence ------------------------------------------------------------------------------------------------- */

DUEL_FN void duel_begin(struct duel *d)
{
    for (int i = 0; i < 2; i++) {
        for (int slot = 0; slot < SLOTS; slot++)
            d->side[i].fd[slot] = -1;
        d->side[i].ep = d->side[i].sys->ops->epoll_create1(d->side[i].sys, EPOLL_CLOEXEC);
        d->side[i].ep2 = -1;
        assert_true(d->side[i].ep >= 0);
    }
    d->family->begin(d);
}

DUEL_FN void duel_end(struct duel *d)
{
    for (int i = 0; i < 2; i++) {
        for (int slot = 0; slot < SLOTS; slot++) {
            if (d->side[i].fd[slot] >= 0)
                d->side[i].sys->ops->close(d->side[i].sys, d->side[i].fd[slot]);
        }
        d->side[i].sys->ops->close(d->side[i].sys, d->side[i].ep);
        if (d->side[i].ep2 >= 0)
            d->side[i].sys->ops->close(d->side[i].sys, d->side[i].ep2);
    }
}

DUEL_FN bool duel_once(struct duel *d, const struct family *family, uint64_t seed, unsigned pause_us)
{
    struct plait_sim *sim = plait_sim_new(seed + pause_us, 0); /* other ports in the next try */
    struct plait_host *host = plait_sim_host(sim, "host");
    memset(d, 0, sizeof *d);
    d->family = family;
    d->random = test_random_of(seed);
    d->pause_us = pause_us;
    d->side[0].sys = plait__sys_kernel();
    d->side[1].sys = plait_host_sys(host);
    plait_host_set_buffers(host, 212992, 212992);
    duel_begin(d);
    for (unsigned i = 0; i < STEPS && !d->differs; i++)
        family->step(d);
    look(d);
    duel_end(d);
    assert_int_equal(plait_host_descriptors(host), 0);
    plait_sim_free(&sim);
    return !d->differs;
}

DUEL_FN void duel(const struct family *family)
{
    static struct duel d;
    const char *text = getenv("TEST_SEQUENCES");
    uint64_t count = (text ? strtoull(text, NULL, 10) : 12000) / FAMILIES;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t seed = test_seed() * 1000000 + i;
        if (duel_once(&d, family, seed, 0) || duel_once(&d, family, seed, 500) || duel_once(&d, family, seed, 5000))
            continue;
        print_error("%s, TEST_SEED %" PRIu64 ", sequence %" PRIu64 "\n", family->name, test_seed(), i);
        for (unsigned k = 0; k < d.lines; k++)
            print_error("  %s\n", d.story[k]);
        fail_msg("the simulated kernel differs from the real one");
    }
}

DUEL_FN int ignore_sigpipe(void **state)
{
    (void)state;
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

#endif
