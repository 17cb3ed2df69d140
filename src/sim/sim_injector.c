/* SPDX-License-Identifier: MIT
 *
 * A fault injector: a table of system calls in front of another one, the kernel's or a simulated host's. It counts
 * calls and fails those that it was told to; all else passes through. The calls are told to fail by their kind, or as
 * the k-th of any kind, which lets a test walk through a program's calls one by one.
 *
 * Invariant: a call that is made to fail is not made, but for close: the descriptor goes, as it does when Linux reports
 * an error there. Tests: tests/sim/test_injector.c.
 */
#include "base/memory.h"
#include "sim/sim_fault.h"

#include <string.h>

struct order {
    uint64_t wait; /* calls that still pass; 0: strikes now */
    uint64_t left; /* strikes that are left */
    int err;       /* 0: no order */
};

struct plait_injector {
    struct plait_sys sys; /* first */
    struct plait_sys *under;
    const struct plait_allocator *heap;
    uint64_t count[PLAIT_SYS_CALL_COUNT], failed[PLAIT_SYS_CALL_COUNT];
    struct order order[PLAIT_SYS_CALL_COUNT], any;
};

static struct plait_injector *injector_of(struct plait_sys *sys)
{
    return (struct plait_injector *)(void *)sys;
}

static int due(struct order *order)
{
    if (order->err == 0)
        return 0;
    if (order->wait) {
        order->wait--;
        return 0;
    }
    int err = order->err;
    if (order->left != UINT64_MAX && --order->left == 0)
        order->err = 0;
    return -err;
}

/* Counts a call: 0, or -errno with which it fails. Both orders count, even when one of them strikes. */
static int gate(struct plait_injector *in, enum plait_sys_call call)
{
    in->count[call]++;
    int own = due(&in->order[call]);
    int any = due(&in->any);
    int err = own ? own : any;
    if (err)
        in->failed[call]++;
    return err;
}

#define INJECT(name)                                                                                                   \
    struct plait_injector *injector = injector_of(sys);                                                                \
    struct plait_sys *under = injector->under;                                                                         \
    int fault = gate(injector, PLAIT_SYS_##name);                                                                      \
    if (fault)                                                                                                         \
    return fault

static int i_socket(struct plait_sys *sys, int domain, int type, int protocol)
{
    INJECT(socket);
    return under->ops->socket(under, domain, type, protocol);
}

static int i_socketpair(struct plait_sys *sys, int domain, int type, int protocol, int fds[2])
{
    INJECT(socketpair);
    return under->ops->socketpair(under, domain, type, protocol, fds);
}

static int i_bind(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    INJECT(bind);
    return under->ops->bind(under, fd, addr, len);
}

static int i_listen(struct plait_sys *sys, int fd, int backlog)
{
    INJECT(listen);
    return under->ops->listen(under, fd, backlog);
}

static int i_accept4(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    INJECT(accept4);
    return under->ops->accept4(under, fd, addr, len, flags);
}

static int i_connect(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    INJECT(connect);
    return under->ops->connect(under, fd, addr, len);
}

static int i_shutdown(struct plait_sys *sys, int fd, int how)
{
    INJECT(shutdown);
    return under->ops->shutdown(under, fd, how);
}

static int i_getsockopt(struct plait_sys *sys, int fd, int level, int name, void *value, socklen_t *len)
{
    INJECT(getsockopt);
    return under->ops->getsockopt(under, fd, level, name, value, len);
}

static int i_setsockopt(struct plait_sys *sys, int fd, int level, int name, const void *value, socklen_t len)
{
    INJECT(setsockopt);
    return under->ops->setsockopt(under, fd, level, name, value, len);
}

static int i_getsockname(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    INJECT(getsockname);
    return under->ops->getsockname(under, fd, addr, len);
}

static int i_getpeername(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    INJECT(getpeername);
    return under->ops->getpeername(under, fd, addr, len);
}

static ssize_t i_recv(struct plait_sys *sys, int fd, void *buf, size_t len, int flags)
{
    INJECT(recv);
    return under->ops->recv(under, fd, buf, len, flags);
}

static ssize_t i_recvmsg(struct plait_sys *sys, int fd, struct msghdr *msg, int flags)
{
    INJECT(recvmsg);
    return under->ops->recvmsg(under, fd, msg, flags);
}

static ssize_t i_sendmsg(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    INJECT(sendmsg);
    return under->ops->sendmsg(under, fd, msg, flags);
}

static int i_recvmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    INJECT(recvmmsg);
    return under->ops->recvmmsg(under, fd, msgs, count, flags);
}

static int i_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    INJECT(sendmmsg);
    return under->ops->sendmmsg(under, fd, msgs, count, flags);
}

static ssize_t i_read(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    INJECT(read);
    return under->ops->read(under, fd, buf, len);
}

static ssize_t i_write(struct plait_sys *sys, int fd, const void *buf, size_t len)
{
    INJECT(write);
    return under->ops->write(under, fd, buf, len);
}

static ssize_t i_writev(struct plait_sys *sys, int fd, const struct iovec *iov, int count)
{
    INJECT(writev);
    return under->ops->writev(under, fd, iov, count);
}

static ssize_t i_sendfile(struct plait_sys *sys, int out, int in, off_t *offset, size_t count)
{
    INJECT(sendfile);
    return under->ops->sendfile(under, out, in, offset, count);
}

static int i_pipe2(struct plait_sys *sys, int fds[2], int flags)
{
    INJECT(pipe2);
    return under->ops->pipe2(under, fds, flags);
}

static int i_fcntl(struct plait_sys *sys, int fd, int cmd, long arg)
{
    INJECT(fcntl);
    return under->ops->fcntl(under, fd, cmd, arg);
}

static int i_eventfd(struct plait_sys *sys, unsigned value, int flags)
{
    INJECT(eventfd);
    return under->ops->eventfd(under, value, flags);
}

static int i_epoll_create1(struct plait_sys *sys, int flags)
{
    INJECT(epoll_create1);
    return under->ops->epoll_create1(under, flags);
}

static int i_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    INJECT(epoll_ctl);
    return under->ops->epoll_ctl(under, epfd, op, fd, event);
}

static int i_epoll_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    INJECT(epoll_wait);
    return under->ops->epoll_wait(under, epfd, events, max, wait_ns);
}

static ssize_t i_getrandom(struct plait_sys *sys, void *buf, size_t len)
{
    INJECT(getrandom);
    return under->ops->getrandom(under, buf, len);
}

static int i_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    INJECT(openat2);
    return under->ops->openat2(under, dirfd, path, flags, mode, resolve);
}

static int i_fstat(struct plait_sys *sys, int fd, struct stat *out)
{
    INJECT(fstat);
    return under->ops->fstat(under, fd, out);
}

static int i_fstatat(struct plait_sys *sys, int dirfd, const char *path, struct stat *out, int flags)
{
    INJECT(fstatat);
    return under->ops->fstatat(under, dirfd, path, out, flags);
}

static ssize_t i_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    INJECT(pread);
    return under->ops->pread(under, fd, buf, len, offset);
}

static ssize_t i_pread_nowait(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    INJECT(pread_nowait);
    return under->ops->pread_nowait(under, fd, buf, len, offset);
}

static ssize_t i_pwrite(struct plait_sys *sys, int fd, const void *buf, size_t len, off_t offset)
{
    INJECT(pwrite);
    return under->ops->pwrite(under, fd, buf, len, offset);
}

static int i_ftruncate(struct plait_sys *sys, int fd, off_t len)
{
    INJECT(ftruncate);
    return under->ops->ftruncate(under, fd, len);
}

static int i_fsync(struct plait_sys *sys, int fd)
{
    INJECT(fsync);
    return under->ops->fsync(under, fd);
}

static int i_unlinkat(struct plait_sys *sys, int dirfd, const char *path, int flags)
{
    INJECT(unlinkat);
    return under->ops->unlinkat(under, dirfd, path, flags);
}

static int i_renameat(struct plait_sys *sys, int from_dir, const char *from, int to_dir, const char *to)
{
    INJECT(renameat);
    return under->ops->renameat(under, from_dir, from, to_dir, to);
}

static int i_mkdirat(struct plait_sys *sys, int dirfd, const char *path, unsigned mode)
{
    INJECT(mkdirat);
    return under->ops->mkdirat(under, dirfd, path, mode);
}

static int i_fchmodat(struct plait_sys *sys, int dirfd, const char *path, unsigned mode)
{
    INJECT(fchmodat);
    return under->ops->fchmodat(under, dirfd, path, mode);
}

static ssize_t i_getdents(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    INJECT(getdents);
    return under->ops->getdents(under, fd, buf, len);
}

static int i_spawn(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid)
{
    INJECT(spawn);
    return under->ops->spawn(under, spawn, pid);
}

static int i_reap(struct plait_sys *sys, int pidfd, int *status)
{
    INJECT(reap);
    return under->ops->reap(under, pidfd, status);
}

static int i_pidfd_signal(struct plait_sys *sys, int pidfd, int signo)
{
    INJECT(pidfd_signal);
    return under->ops->pidfd_signal(under, pidfd, signo);
}

static int i_group_signal(struct plait_sys *sys, int leader, int signo)
{
    INJECT(group_signal);
    return under->ops->group_signal(under, leader, signo);
}

static int i_signalfd(struct plait_sys *sys, int fd, const sigset_t *set, int flags)
{
    INJECT(signalfd);
    return under->ops->signalfd(under, fd, set, flags);
}

static int i_sigmask(struct plait_sys *sys, int how, const sigset_t *set, sigset_t *old)
{
    INJECT(sigmask);
    return (under->ops->sigmask)(under, how, set, old);
}

static int i_isatty(struct plait_sys *sys, int fd)
{
    INJECT(isatty);
    return under->ops->isatty(under, fd);
}

static int i_openpty(struct plait_sys *sys, int fds[2], const struct winsize *size, uid_t owner)
{
    INJECT(openpty);
    return under->ops->openpty(under, fds, size, owner);
}

static int i_winsize(struct plait_sys *sys, int fd, const struct winsize *size)
{
    INJECT(winsize);
    return under->ops->winsize(under, fd, size);
}

static int i_close(struct plait_sys *sys, int fd)
{
    struct plait_injector *in = injector_of(sys);
    int fault = gate(in, PLAIT_SYS_close);
    int res = in->under->ops->close(in->under, fd);
    return fault ? fault : res;
}

static int64_t i_clock(struct plait_sys *sys, enum plait_sys_clock which)
{
    struct plait_sys *under = injector_of(sys)->under;
    return under->ops->clock(under, which);
}

static unsigned i_if_nametoindex(struct plait_sys *sys, const char *name)
{
    struct plait_sys *under = injector_of(sys)->under;
    return under->ops->if_nametoindex(under, name);
}

static const char *i_env(struct plait_sys *sys, const char *name)
{
    struct plait_sys *under = injector_of(sys)->under;
    return under->ops->env(under, name);
}

static int64_t i_job_delay(struct plait_sys *sys)
{
    struct plait_sys *under = injector_of(sys)->under;
    return under->ops->job_delay(under);
}

static int64_t i_job_cost(struct plait_sys *sys)
{
    struct plait_sys *under = injector_of(sys)->under;
    return under->ops->job_cost(under);
}

static void i_unsetenv(struct plait_sys *sys, const char *name)
{
    struct plait_sys *under = injector_of(sys)->under;
    under->ops->unsetenv(under, name);
}

static const struct plait_sys_ops injector_ops = {
    .socket = i_socket,
    .socketpair = i_socketpair,
    .bind = i_bind,
    .listen = i_listen,
    .accept4 = i_accept4,
    .connect = i_connect,
    .shutdown = i_shutdown,
    .getsockopt = i_getsockopt,
    .setsockopt = i_setsockopt,
    .getsockname = i_getsockname,
    .getpeername = i_getpeername,
    .recv = i_recv,
    .recvmsg = i_recvmsg,
    .sendmsg = i_sendmsg,
    .recvmmsg = i_recvmmsg,
    .sendmmsg = i_sendmmsg,
    .read = i_read,
    .write = i_write,
    .writev = i_writev,
    .sendfile = i_sendfile,
    .close = i_close,
    .pipe2 = i_pipe2,
    .fcntl = i_fcntl,
    .eventfd = i_eventfd,
    .epoll_create1 = i_epoll_create1,
    .epoll_ctl = i_epoll_ctl,
    .epoll_wait = i_epoll_wait,
    .clock = i_clock,
    .getrandom = i_getrandom,
    .openat2 = i_openat2,
    .fstat = i_fstat,
    .fstatat = i_fstatat,
    .pread = i_pread,
    .pread_nowait = i_pread_nowait,
    .pwrite = i_pwrite,
    .ftruncate = i_ftruncate,
    .fsync = i_fsync,
    .unlinkat = i_unlinkat,
    .renameat = i_renameat,
    .mkdirat = i_mkdirat,
    .fchmodat = i_fchmodat,
    .getdents = i_getdents,
    .spawn = i_spawn,
    .reap = i_reap,
    .pidfd_signal = i_pidfd_signal,
    .group_signal = i_group_signal,
    .signalfd = i_signalfd,
    .sigmask = i_sigmask,
    .if_nametoindex = i_if_nametoindex,
    .env = i_env,
    .isatty = i_isatty,
    .openpty = i_openpty,
    .winsize = i_winsize,
    .job_delay = i_job_delay,
    .job_cost = i_job_cost,
    .unsetenv = i_unsetenv,
};

struct plait_injector *plait_injector_new(struct plait_sys *under)
{
    return plait__injector_new(under, plait__libc_allocator());
}

struct plait_injector *plait__injector_new(struct plait_sys *under, const struct plait_allocator *heap)
{
    struct plait_injector *in = heap->resize(NULL, sizeof *in, heap->ctx);
    if (!in)
        return NULL;
    memset(in, 0, sizeof *in);
    in->sys.ops = &injector_ops;
    in->under = under;
    in->heap = heap;
    return in;
}

void plait_injector_free(struct plait_injector **injector)
{
    if (*injector)
        (void)(*injector)->heap->resize(*injector, 0, (*injector)->heap->ctx);
    *injector = NULL;
}

struct plait_sys *plait_injector_sys(struct plait_injector *injector)
{
    return &injector->sys;
}

plait_err plait_injector_fail(struct plait_injector *injector, const char *name, uint64_t k, uint64_t times,
                              int os_errno)
{
    enum plait_sys_call call;
    if (!sim_call_by_name(name, &call) || k == 0 || os_errno < 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    injector->order[call] = (struct order){k - 1, times ? times : UINT64_MAX, os_errno};
    return PLAIT_OK;
}

void plait_injector_fail_any(struct plait_injector *injector, uint64_t k, int os_errno)
{
    injector->any = (struct order){k ? k - 1 : 0, 1, k ? os_errno : 0};
}

uint64_t plait_injector_count(const struct plait_injector *injector, const char *name, uint64_t *failed)
{
    enum plait_sys_call only = PLAIT_SYS_CALL_COUNT;
    uint64_t count = 0, fails = 0;
    bool all = name == NULL, known = all || sim_call_by_name(name, &only);
    for (unsigned i = 0; known && i < PLAIT_SYS_CALL_COUNT; i++) {
        if (all || i == (unsigned)only) {
            count += injector->count[i];
            fails += injector->failed[i];
        }
    }
    if (failed)
        *failed = fails;
    return count;
}
