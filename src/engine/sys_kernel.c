/* SPDX-License-Identifier: MIT
 *
 * The kernel's table of system calls: each entry is the call and its errno, nothing more. It is not a place for policy:
 * what an errno means is decided above. EINTR is retried here where the call can simply be made again (TQ-41, TQ-70).
 *
 * Invariant: no state, so that any number of reactors in any number of threads may share it.
 * Tests: tests/engine/test_sys_kernel.c; the differential test of the simulated kernel compares the two.
 */
#include "engine/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Result of a call: itself, or -errno; made again when a signal came between. */
#define RESULT(call)                                                                                                   \
    __extension__({                                                                                                    \
        __typeof__(call) result_;                                                                                      \
        do {                                                                                                           \
            result_ = (call);                                                                                          \
        } while (result_ == -1 && errno == EINTR);                                                                     \
        result_ == -1 ? -errno : result_;                                                                              \
    })

#define K static
#define SYS struct plait_sys *sys __attribute__((unused))

K int k_socket(SYS, int domain, int type, int protocol)
{
    return RESULT(socket(domain, type, protocol));
}

K int k_socketpair(SYS, int domain, int type, int protocol, int fds[2])
{
    return RESULT(socketpair(domain, type, protocol, fds));
}

K int k_bind(SYS, int fd, const struct sockaddr *addr, socklen_t len)
{
    return RESULT(bind(fd, addr, len));
}

K int k_listen(SYS, int fd, int backlog)
{
    return RESULT(listen(fd, backlog));
}

K int k_accept4(SYS, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return RESULT(accept4(fd, addr, len, flags));
}

/* Not made again: an interrupted connect goes on by itself. */
K int k_connect(SYS, int fd, const struct sockaddr *addr, socklen_t len)
{
    return connect(fd, addr, len) == 0 ? 0 : -errno;
}

K int k_shutdown(SYS, int fd, int how)
{
    return RESULT(shutdown(fd, how));
}

K int k_getsockopt(SYS, int fd, int level, int name, void *value, socklen_t *len)
{
    return RESULT(getsockopt(fd, level, name, value, len));
}

K int k_setsockopt(SYS, int fd, int level, int name, const void *value, socklen_t len)
{
    return RESULT(setsockopt(fd, level, name, value, len));
}

K int k_getsockname(SYS, int fd, struct sockaddr *addr, socklen_t *len)
{
    return RESULT(getsockname(fd, addr, len));
}

K int k_getpeername(SYS, int fd, struct sockaddr *addr, socklen_t *len)
{
    return RESULT(getpeername(fd, addr, len));
}

K ssize_t k_recv(SYS, int fd, void *buf, size_t len, int flags)
{
    return RESULT(recv(fd, buf, len, flags));
}

K ssize_t k_recvmsg(SYS, int fd, struct msghdr *msg, int flags)
{
    return RESULT(recvmsg(fd, msg, flags));
}

/* One vector and nothing else is what most messages are: the kernel takes that with less ado. */
K ssize_t k_sendmsg(SYS, int fd, const struct msghdr *msg, int flags)
{
    if (msg->msg_iovlen == 1 && !msg->msg_name && msg->msg_controllen == 0)
        return RESULT(send(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags));
    return RESULT(sendmsg(fd, msg, flags));
}

K int k_recvmmsg(SYS, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    return RESULT(recvmmsg(fd, msgs, count, flags, NULL));
}

K int k_sendmmsg(SYS, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    return RESULT(sendmmsg(fd, msgs, count, flags));
}

K ssize_t k_read(SYS, int fd, void *buf, size_t len)
{
    return RESULT(read(fd, buf, len));
}

K ssize_t k_write(SYS, int fd, const void *buf, size_t len)
{
    return RESULT(write(fd, buf, len));
}

K ssize_t k_writev(SYS, int fd, const struct iovec *iov, int count)
{
    return RESULT(writev(fd, iov, count));
}

K ssize_t k_sendfile(SYS, int out, int in, off_t *offset, size_t count)
{
    return RESULT(sendfile(out, in, offset, count));
}

/* Not made again: Linux has let the descriptor go when it reports EINTR. */
K int k_close(SYS, int fd)
{
    return close(fd) == 0 ? 0 : -errno;
}

K int k_pipe2(SYS, int fds[2], int flags)
{
    return RESULT(pipe2(fds, flags));
}

K int k_fcntl(SYS, int fd, int cmd, long arg)
{
    return RESULT(fcntl(fd, cmd, arg));
}

K int k_eventfd(SYS, unsigned value, int flags)
{
    return RESULT(eventfd(value, flags));
}

K int k_epoll_create1(SYS, int flags)
{
    return RESULT(epoll_create1(flags));
}

K int k_epoll_ctl(SYS, int epfd, int op, int fd, struct epoll_event *event)
{
    return RESULT(epoll_ctl(epfd, op, fd, event));
}

/* EINTR counts as nothing ready: the loop looks at its clock again. */
K int k_epoll_wait(SYS, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    int n;
    if (wait_ns <= 0) {
        n = epoll_wait(epfd, events, max, wait_ns < 0 ? -1 : 0);
    } else {
        struct timespec ts = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        n = epoll_pwait2(epfd, events, max, &ts, NULL);
    }
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n;
}

K int64_t k_clock(SYS, enum plait_sys_clock which)
{
    struct timespec ts;
    clock_gettime(which == PLAIT_SYS_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

K ssize_t k_getrandom(SYS, void *buf, size_t len)
{
    return RESULT(getrandom(buf, len, 0));
}

K int k_openat2(SYS, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags, .mode = (flags & O_CREAT) ? mode : 0, .resolve = resolve};
    return (int)RESULT(syscall(SYS_openat2, dirfd, path, &how, sizeof how));
}

K int k_fstat(SYS, int fd, struct stat *out)
{
    return RESULT(fstat(fd, out));
}

K int k_fstatat(SYS, int dirfd, const char *path, struct stat *out, int flags)
{
    return RESULT(fstatat(dirfd, path, out, flags));
}

K ssize_t k_pread(SYS, int fd, void *buf, size_t len, off_t offset)
{
    return RESULT(pread(fd, buf, len, offset));
}

K ssize_t k_pread_nowait(SYS, int fd, void *buf, size_t len, off_t offset)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    return RESULT(preadv2(fd, &iov, 1, offset, RWF_NOWAIT));
}

K ssize_t k_pwrite(SYS, int fd, const void *buf, size_t len, off_t offset)
{
    return RESULT(pwrite(fd, buf, len, offset));
}

K int k_ftruncate(SYS, int fd, off_t len)
{
    return RESULT(ftruncate(fd, len));
}

K int k_fsync(SYS, int fd)
{
    return RESULT(fsync(fd));
}

K int k_unlinkat(SYS, int dirfd, const char *path, int flags)
{
    return RESULT(unlinkat(dirfd, path, flags));
}

K int k_renameat(SYS, int from_dir, const char *from, int to_dir, const char *to)
{
    return RESULT(renameat(from_dir, from, to_dir, to));
}

K int k_mkdirat(SYS, int dirfd, const char *path, unsigned mode)
{
    return RESULT(mkdirat(dirfd, path, mode));
}

K int k_fchmodat(SYS, int dirfd, const char *path, unsigned mode)
{
    return RESULT(fchmodat(dirfd, path, mode, 0));
}

K ssize_t k_getdents(SYS, int fd, void *buf, size_t len)
{
    return RESULT(getdents64(fd, buf, len));
}

K int k_pidfd_signal(SYS, int pidfd, int signo)
{
    return (int)RESULT(syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}

K int k_group_signal(SYS, int leader, int signo)
{
    return (int)RESULT(kill(-leader, signo));
}

K int k_signalfd(SYS, int fd, const sigset_t *set, int flags)
{
    return RESULT(signalfd(fd, set, flags));
}

K int k_sigmask(SYS, int how, const sigset_t *set, sigset_t *old)
{
    return -pthread_sigmask(how, set, old);
}

K unsigned k_if_nametoindex(SYS, const char *name)
{
    return if_nametoindex(name);
}

K const char *k_env(SYS, const char *name)
{
    return getenv(name);
}

K int k_isatty(SYS, int fd)
{
    return isatty(fd) ? 1 : errno == ENOTTY || errno == EINVAL ? 0 : -errno;
}

K int k_winsize(SYS, int fd, const struct winsize *size)
{
    return RESULT(ioctl(fd, TIOCSWINSZ, size));
}

/* The other side is asked of the master itself: its name may stand for another one in this mount namespace. */
K int k_openpty(SYS, int fds[2], const struct winsize *size, uid_t owner)
{
    const int locked = 0;
    const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0)
        return -errno;
    const int unlocked = ioctl(master, TIOCSPTLCK, &locked);
    const int slave = unlocked == 0 ? ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (slave < 0 || ioctl(slave, TIOCSWINSZ, size) != 0 || fchown(slave, owner, (gid_t)-1) != 0) {
        const int err = errno;
        if (slave >= 0)
            close(slave); /* uncovered: a size is always taken; that an owner is not is for who may not change it */
        close(master);
        return -err;
    }
    fds[0] = master;
    fds[1] = slave;
    return 0;
}

K int64_t k_job_delay(SYS)
{
    return 0;
}

K int64_t k_job_cost(SYS)
{
    return 0;
}

K void k_unsetenv(SYS, const char *name)
{
    unsetenv(name);
}

int plait__sys_spawn_kernel(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid);
int plait__sys_reap_kernel(struct plait_sys *sys, int pidfd, int *status);

static const struct plait_sys_ops kernel_ops = {
    .socket = k_socket,
    .socketpair = k_socketpair,
    .bind = k_bind,
    .listen = k_listen,
    .accept4 = k_accept4,
    .connect = k_connect,
    .shutdown = k_shutdown,
    .getsockopt = k_getsockopt,
    .setsockopt = k_setsockopt,
    .getsockname = k_getsockname,
    .getpeername = k_getpeername,
    .recv = k_recv,
    .recvmsg = k_recvmsg,
    .sendmsg = k_sendmsg,
    .recvmmsg = k_recvmmsg,
    .sendmmsg = k_sendmmsg,
    .read = k_read,
    .write = k_write,
    .writev = k_writev,
    .sendfile = k_sendfile,
    .close = k_close,
    .pipe2 = k_pipe2,
    .fcntl = k_fcntl,
    .eventfd = k_eventfd,
    .epoll_create1 = k_epoll_create1,
    .epoll_ctl = k_epoll_ctl,
    .epoll_wait = k_epoll_wait,
    .clock = k_clock,
    .getrandom = k_getrandom,
    .openat2 = k_openat2,
    .fstat = k_fstat,
    .fstatat = k_fstatat,
    .pread = k_pread,
    .pread_nowait = k_pread_nowait,
    .pwrite = k_pwrite,
    .ftruncate = k_ftruncate,
    .fsync = k_fsync,
    .unlinkat = k_unlinkat,
    .renameat = k_renameat,
    .mkdirat = k_mkdirat,
    .fchmodat = k_fchmodat,
    .getdents = k_getdents,
    .spawn = plait__sys_spawn_kernel,
    .reap = plait__sys_reap_kernel,
    .pidfd_signal = k_pidfd_signal,
    .group_signal = k_group_signal,
    .signalfd = k_signalfd,
    .sigmask = k_sigmask,
    .if_nametoindex = k_if_nametoindex,
    .env = k_env,
    .isatty = k_isatty,
    .openpty = k_openpty,
    .winsize = k_winsize,
    .job_delay = k_job_delay,
    .job_cost = k_job_cost,
    .unsetenv = k_unsetenv,
};

struct plait_sys *plait__sys_kernel(void)
{
    /* Written by nobody: the table is constant and so is what points to it; the type only has no const because a
     * simulated kernel has state. */
    static const struct plait_sys kernel = {.ops = &kernel_ops};
    return (struct plait_sys *)(uintptr_t)&kernel;
}

const char *plait__sys_call_name(enum plait_sys_call call)
{
    static const char *const names[] = {
#define PLAIT_SYS_CALL_TEXT(name) #name,
        PLAIT_SYS_CALLS(PLAIT_SYS_CALL_TEXT)
#undef PLAIT_SYS_CALL_TEXT
    };
    return (unsigned)call < PLAIT_SYS_CALL_COUNT ? names[call] : "?";
}
