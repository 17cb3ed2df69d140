/* SPDX-License-Identifier: MIT
 *
 * Descriptors that tell of something: eventfd and signalfd. A host's signals are one set of pending numbers, raised by
 * the scenario.
 *
 * Invariant: a signal that is pending twice is pending once, as standard signals are.
 * Tests: tests/sim/test_fd.c.
 */
#include "sim/sim_pipe.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

/* --- eventfd ------------------------------------------------------------------------------------------------------ */

struct counter {
    struct sim_file file;
    uint64_t value;
    bool semaphore;
};

static ssize_t counter_read(struct sim_file *f, struct sim_io *io)
{
    struct counter *c = SIM_OF(f, struct counter, file);
    if (io->left < sizeof c->value)
        return -EINVAL;
    if (c->value == 0)
        return -EAGAIN;
    uint64_t taken = c->semaphore ? 1 : c->value;
    c->value -= taken;
    sim_io_copy_out(io, (const uint8_t *)&taken, sizeof taken);
    sim_wake(f, SIM_OUT);
    return sizeof taken;
}

static ssize_t counter_write(struct sim_file *f, struct sim_io *io)
{
    struct counter *c = SIM_OF(f, struct counter, file);
    uint64_t more;
    if (io->left < sizeof more)
        return -EINVAL;
    sim_io_copy_in(io, (uint8_t *)&more, sizeof more);
    if (more == UINT64_MAX)
        return -EINVAL;
    if (UINT64_MAX - 1 - c->value < more)
        return -EAGAIN;
    c->value += more;
    sim_wake(f, SIM_IN);
    return sizeof more;
}

static uint32_t counter_poll(struct sim_file *f)
{
    struct counter *c = SIM_OF(f, struct counter, file);
    return (c->value ? EPOLLIN : 0) | (c->value < UINT64_MAX - 1 ? EPOLLOUT : 0);
}

static void counter_release(struct sim_file *f)
{
    plait_mem_free(SIM_OF(f, struct counter, file));
}

static const struct sim_file_ops counter_ops = {
    .name = "eventfd",
    .polls = true,
    .read = counter_read,
    .write = counter_write,
    .poll = counter_poll,
    .release = counter_release,
};

int sim_do_eventfd(struct plait_host *host, unsigned value, int flags)
{
    if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    struct counter *c = plait_mem_new(&host->sim->budget, sizeof *c);
    if (!c)
        return -ENOMEM;
    sim_file_init(&c->file, host, &counter_ops, O_RDWR | (flags & EFD_NONBLOCK));
    c->value = value;
    c->semaphore = (flags & EFD_SEMAPHORE) != 0;
    int fd = sim_fd_new(host, &c->file, (flags & EFD_CLOEXEC) != 0);
    if (fd < 0)
        sim_file_unref(&c->file);
    return fd;
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

struct sigfd {
    struct sim_file file;
    struct sim_link link;
    uint64_t mask;
};

static uint64_t mask_of(const sigset_t *set)
{
    uint64_t mask = 0;
    for (int signo = 1; signo <= 64; signo++) {
        if (sigismember(set, signo) == 1)
            mask |= UINT64_C(1) << (signo - 1);
    }
    return mask;
}

static ssize_t sigfd_read(struct sim_file *f, struct sim_io *io)
{
    struct sigfd *s = SIM_OF(f, struct sigfd, file);
    struct plait_host *host = f->host;
    size_t done = 0;
    if (io->left < sizeof(struct signalfd_siginfo))
        return -EINVAL;
    for (unsigned signo = 1; signo <= 64 && io->left >= sizeof(struct signalfd_siginfo); signo++) {
        uint64_t bit = UINT64_C(1) << (signo - 1);
        if (!(host->signals_pending & s->mask & bit))
            continue;
        struct signalfd_siginfo info = {.ssi_signo = signo, .ssi_pid = 1, .ssi_uid = 1000};
        host->signals_pending &= ~bit;
        done += sim_io_copy_out(io, (const uint8_t *)&info, sizeof info);
    }
    return done ? (ssize_t)done : -EAGAIN;
}

static uint32_t sigfd_poll(struct sim_file *f)
{
    return f->host->signals_pending & SIM_OF(f, struct sigfd, file)->mask ? EPOLLIN : 0;
}

static void sigfd_release(struct sim_file *f)
{
    struct sigfd *s = SIM_OF(f, struct sigfd, file);
    sim_list_del(&s->link);
    plait_mem_free(s);
}

static const struct sim_file_ops sigfd_ops = {
    .name = "signalfd",
    .polls = true,
    .read = sigfd_read,
    .poll = sigfd_poll,
    .release = sigfd_release,
};

int sim_do_signalfd(struct plait_host *host, int fd, const sigset_t *set, int flags)
{
    if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
        return -EINVAL;
    if (fd >= 0) {
        struct sim_file *f = sim_fd_file(host, fd);
        if (!f || f->ops != &sigfd_ops)
            return f ? -EINVAL : -EBADF;
        SIM_OF(f, struct sigfd, file)->mask = mask_of(set);
        sim_wake(f, SIM_IN);
        return fd;
    }
    struct sigfd *s = plait_mem_new(&host->sim->budget, sizeof *s);
    if (!s)
        return -ENOMEM;
    sim_file_init(&s->file, host, &sigfd_ops, O_RDWR | (flags & SFD_NONBLOCK));
    s->mask = mask_of(set);
    sim_list_add(&host->signalfds, &s->link);
    fd = sim_fd_new(host, &s->file, (flags & SFD_CLOEXEC) != 0);
    if (fd < 0)
        sim_file_unref(&s->file);
    return fd;
}

int sim_do_sigmask(struct plait_host *host, int how, const sigset_t *set, sigset_t *old)
{
    if (old) {
        sigemptyset(old);
        for (int signo = 1; signo <= 64; signo++) {
            if (host->signals_blocked & (UINT64_C(1) << (signo - 1)))
                sigaddset(old, signo);
        }
    }
    if (!set)
        return 0;
    uint64_t mask = mask_of(set);
    switch (how) {
    case SIG_BLOCK:
        host->signals_blocked |= mask;
        return 0;
    case SIG_UNBLOCK:
        host->signals_blocked &= ~mask;
        return 0;
    case SIG_SETMASK:
        host->signals_blocked = mask;
        return 0;
    default:
        return -EINVAL;
    }
}

void plait_host_signal(struct plait_host *host, int signo)
{
    if (signo < 1 || signo > 64)
        return;
    uint64_t bit = UINT64_C(1) << (signo - 1);
    if (!(host->signals_blocked & bit))
        return;
    host->signals_pending |= bit;
    sim_say(host->sim, "host %s gets signal %d", host->name, signo);
    for (struct sim_link *at = host->signalfds.next; at != &host->signalfds; at = at->next)
        sim_wake(&SIM_OF(at, struct sigfd, link)->file, SIM_IN);
}
