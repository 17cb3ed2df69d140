/* SPDX-License-Identifier: MIT
 *
 * The table of system calls of a simulated host. Each entry asks the rules for faults, does the call in its family's
 * file, and adds its result to the story. Nothing is decided here.
 *
 * Invariant: every call but the clock and the environment counts in the story's hash.
 * Tests: all of tests/sim/.
 */
#include "sim/sim_epoll.h"
#include "sim/sim_fault.h"
#include "sim/sim_files.h"
#include "sim/sim_pipe.h"
#include "sim/sim_process.h"
#include "sim/sim_socket.h"
#include "sim/sim_story.h"

#include <fcntl.h>
#include <string.h>

/* What a call that failed by rule, or was done, adds to the story. */
static void hashed(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res)
{
    struct plait_sim *sim = host->sim;
    sim_hash(sim, ((uint64_t)host->index << 32) | (uint64_t)call);
    sim_hash(sim, (uint64_t)on);
    sim_hash(sim, (uint64_t)(int64_t)res);
}

static ssize_t told(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res)
{
    hashed(host, call, on, res);
    if (host->sim->explain)
        sim_story_call(host, call, on, res);
    return res;
}

/* A call on a descriptor that is not open: the program has lost count, and may hit another's the next time. */
static ssize_t checked(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res)
{
    if (res == -EBADF && host->reactor && !sim_fd_file(host, (int)on))
        sim_fail(host->sim, "host %s called %s with descriptor %d, which is not open", host->name, sim_call_name(call),
                 (int)on);
    return res;
}

/* One call: the rules first, then the deed. `on` is the descriptor or whatever else the story tells it by. */
#define CALL(name, on, deed)                                                                                           \
    struct plait_host *host = sim_host_of(sys);                                                                        \
    ssize_t res = sim_gate(host, PLAIT_SYS_##name, (on), true);                                                        \
    if (res == 0)                                                                                                      \
        res = checked(host, PLAIT_SYS_##name, (on), (deed));                                                           \
    res = told(host, PLAIT_SYS_##name, (on), res)

/* The same on the disk, as long as it has power. */
#define FILE_CALL(name, on, deed) CALL(name, on, sim_disk_lives(host) ? (deed) : -EIO)

static int s_socket(struct plait_sys *sys, int domain, int type, int protocol)
{
    CALL(socket, domain, sim_do_socket(host, domain, type, protocol));
    return (int)res;
}

static int s_socketpair(struct plait_sys *sys, int domain, int type, int protocol, int fds[2])
{
    CALL(socketpair, protocol, sim_do_socketpair(host, domain, type, fds));
    return (int)res;
}

static int family_call(struct plait_host *host, int fd, const struct sockaddr *addr, socklen_t len, bool bind)
{
    struct plait_address to;
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (!bind && s->domain != AF_UNIX && s->type == SOCK_DGRAM && len >= sizeof(sa_family_t) &&
        addr->sa_family == AF_UNSPEC)
        to = (struct plait_address){0};
    else
        err = sim_address_read(s->domain, addr, len, &to);
    if (err)
        return err;
    return bind ? s->ops->bind(s, &to) : s->ops->connect(s, &to);
}

static int s_bind(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    CALL(bind, fd, family_call(host, fd, addr, len, true));
    sim_record_socket(host, PLAIT_SYS_bind, fd, addr, len, (int)res);
    return (int)res;
}

/* A signal does not stop a connect that has begun. */
static int do_connect(struct plait_host *host, int fd, const struct sockaddr *addr, socklen_t len)
{
    int res = family_call(host, fd, addr, len, false);
    return res == -EINPROGRESS && sim_interrupts(host, PLAIT_SYS_connect) ? -EINTR : res;
}

static int s_connect(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    CALL(connect, fd, do_connect(host, fd, addr, len));
    sim_record_socket(host, PLAIT_SYS_connect, fd, addr, len, (int)res);
    return (int)res;
}

static int do_listen(struct plait_host *host, int fd, int backlog)
{
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    return s->ops->listen ? s->ops->listen(s, backlog) : -EOPNOTSUPP;
}

static int do_shutdown(struct plait_host *host, int fd, int how)
{
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    return s->ops->shutdown(s, how + 1); /* SHUT_RD, WR, RDWR are 0, 1, 2: one more is the bits */
}

static int s_listen(struct plait_sys *sys, int fd, int backlog)
{
    CALL(listen, fd, do_listen(host, fd, backlog));
    sim_record_socket(host, PLAIT_SYS_listen, fd, NULL, 0, (int)res);
    return (int)res;
}

static int s_accept4(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    CALL(accept4, fd, sim_do_accept(host, fd, addr, len, flags));
    return (int)res;
}

static int s_shutdown(struct plait_sys *sys, int fd, int how)
{
    CALL(shutdown, fd, do_shutdown(host, fd, how));
    return (int)res;
}

static int s_getsockopt(struct plait_sys *sys, int fd, int level, int name, void *value, socklen_t *len)
{
    CALL(getsockopt, fd, sim_do_getsockopt(host, fd, level, name, value, len));
    return (int)res;
}

static int s_setsockopt(struct plait_sys *sys, int fd, int level, int name, const void *value, socklen_t len)
{
    CALL(setsockopt, fd, sim_do_setsockopt(host, fd, level, name, value, len));
    return (int)res;
}

static int s_getsockname(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    CALL(getsockname, fd, sim_do_name(host, fd, addr, len, false));
    return (int)res;
}

static int s_getpeername(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    CALL(getpeername, fd, sim_do_name(host, fd, addr, len, true));
    return (int)res;
}

static ssize_t do_recv(struct plait_host *host, int fd, const struct iovec *iov, int flags)
{
    struct sim_io io;
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    (void)sim_io_begin(&io, iov, 1, PLAIT_SYS_recv);
    io.flags = flags;
    return s->ops->recv(s, &io);
}

static ssize_t s_recv(struct plait_sys *sys, int fd, void *buf, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    CALL(recv, fd, do_recv(host, fd, &iov, flags));
    return res;
}

static ssize_t s_recvmsg(struct plait_sys *sys, int fd, struct msghdr *msg, int flags)
{
    CALL(recvmsg, fd, sim_do_recvmsg(host, fd, msg, flags));
    return res;
}

static ssize_t s_sendmsg(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    CALL(sendmsg, fd, sim_do_sendmsg(host, fd, msg, flags));
    return res;
}

static ssize_t do_recvmmsg(struct plait_host *host, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    ssize_t res = 0;
    unsigned done = 0;
    for (; done < count; done++) {
        res = sim_do_recvmsg(host, fd, &msgs[done].msg_hdr, flags & ~MSG_WAITFORONE);
        if (res < 0)
            break;
        msgs[done].msg_len = (unsigned)res;
    }
    return done ? (ssize_t)done : res;
}

static ssize_t do_sendmmsg(struct plait_host *host, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    ssize_t res = 0;
    unsigned done = 0;
    for (; done < count; done++) {
        res = sim_do_sendmsg(host, fd, &msgs[done].msg_hdr, flags);
        if (res < 0)
            break;
        msgs[done].msg_len = (unsigned)res;
    }
    return done ? (ssize_t)done : res;
}

static int s_recvmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    CALL(recvmmsg, fd, do_recvmmsg(host, fd, msgs, count, flags));
    return (int)res;
}

static int s_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    CALL(sendmmsg, fd, do_sendmmsg(host, fd, msgs, count, flags));
    return (int)res;
}

static ssize_t s_read(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    CALL(read, fd, sim_do_read(host, fd, &iov));
    return res;
}

static ssize_t s_write(struct plait_sys *sys, int fd, const void *buf, size_t len)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    CALL(write, fd, sim_do_write(host, fd, &iov, 1));
    return res;
}

static ssize_t s_writev(struct plait_sys *sys, int fd, const struct iovec *iov, int count)
{
    CALL(writev, fd, count < 0 ? -EINVAL : sim_do_write(host, fd, iov, (size_t)count));
    return res;
}

static ssize_t s_sendfile(struct plait_sys *sys, int out, int in, off_t *offset, size_t count)
{
    CALL(sendfile, out, sim_do_sendfile(host, out, in, offset, count));
    return res;
}

/* The descriptor is gone whatever this returns. */
static int s_close(struct plait_sys *sys, int fd)
{
    struct plait_host *host = sim_host_of(sys);
    if (host->gone)
        return 0; /* the kernel has closed it */
    char text[SIM_STORY_FD];
    if (host->sim->explain)
        sim_story_fd(host, fd, text);
    int fault = sim_gate(host, PLAIT_SYS_close, fd, true);
    if (!fault && sim_fd_file(host, fd) && sim_interrupts(host, PLAIT_SYS_close))
        fault = -EINTR;
    int res = sim_fd_drop(host, fd);
    if (res)
        return (int)told(host, PLAIT_SYS_close, fd, checked(host, PLAIT_SYS_close, fd, res));
    if (host->sim->explain)
        sim_say(host->sim, "%s: closes %s", host->name, text);
    hashed(host, PLAIT_SYS_close, fd, fault);
    return fault;
}

static int s_pipe2(struct plait_sys *sys, int fds[2], int flags)
{
    CALL(pipe2, flags, sim_do_pipe2(host, fds, flags));
    return (int)res;
}

static int s_fcntl(struct plait_sys *sys, int fd, int cmd, long arg)
{
    CALL(fcntl, fd, sim_do_fcntl(host, fd, cmd, arg));
    return (int)res;
}

static int s_eventfd(struct plait_sys *sys, unsigned value, int flags)
{
    CALL(eventfd, value, sim_do_eventfd(host, value, flags));
    return (int)res;
}

static int s_epoll_create1(struct plait_sys *sys, int flags)
{
    CALL(epoll_create1, flags, sim_do_epoll_create1(host, flags));
    return (int)res;
}

static int s_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    struct plait_host *host = sim_host_of(sys);
    ssize_t res = sim_gate(host, PLAIT_SYS_epoll_ctl, fd, op == EPOLL_CTL_ADD);
    if (res == 0)
        res = checked(host, PLAIT_SYS_epoll_ctl, fd, sim_do_epoll_ctl(host, epfd, op, fd, event));
    return (int)told(host, PLAIT_SYS_epoll_ctl, fd, res);
}

/* A wait that a signal interrupts reports nothing: the table's entry takes EINTR for that. */
static int do_epoll_wait(struct plait_host *host, int epfd, struct epoll_event *events, int max)
{
    struct sim_file *f = sim_fd_file(host, epfd);
    if (f && sim_is_epoll(f) && sim_epoll_is_ready(f) && sim_interrupts(host, PLAIT_SYS_epoll_wait))
        return 0;
    return sim_do_epoll_wait(host, epfd, events, max);
}

static int s_epoll_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)wait_ns; /* time passes in the world's loop only */
    CALL(epoll_wait, epfd, do_epoll_wait(host, epfd, events, max));
    return (int)res;
}

static int64_t s_clock(struct plait_sys *sys, enum plait_sys_clock which)
{
    struct plait_host *host = sim_host_of(sys);
    host->calls[PLAIT_SYS_clock]++;
    return which == PLAIT_SYS_MONOTONIC ? sim_host_monotonic(host) : sim_host_wall(host);
}

static ssize_t do_getrandom(struct plait_sim *sim, uint8_t *buf, size_t len)
{
    for (size_t done = 0; done < len; done += 8) {
        uint64_t word = sim_random(sim);
        memcpy(buf + done, &word, len - done < 8 ? len - done : 8);
    }
    return (ssize_t)len;
}

static ssize_t s_getrandom(struct plait_sys *sys, void *buf, size_t len)
{
    CALL(getrandom, (int64_t)len, do_getrandom(host->sim, buf, len));
    return res;
}

static int s_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    FILE_CALL(openat2, dirfd, sim_do_openat2(host, dirfd, path, flags, mode, resolve));
    return (int)res;
}

static int s_fstat(struct plait_sys *sys, int fd, struct stat *out)
{
    CALL(fstat, fd, sim_do_fstat(host, fd, out));
    return (int)res;
}

static int s_fstatat(struct plait_sys *sys, int dirfd, const char *path, struct stat *out, int flags)
{
    FILE_CALL(fstatat, dirfd, sim_do_fstatat(host, dirfd, path, out, flags));
    return (int)res;
}

static ssize_t s_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    FILE_CALL(pread, fd, sim_do_pread(host, fd, buf, len, offset));
    return res;
}

static ssize_t s_pread_nowait(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    FILE_CALL(pread_nowait, fd, sim_do_pread_nowait(host, fd, buf, len, offset));
    return res;
}

static ssize_t s_pwrite(struct plait_sys *sys, int fd, const void *buf, size_t len, off_t offset)
{
    FILE_CALL(pwrite, fd, sim_do_pwrite(host, fd, buf, len, offset));
    return res;
}

static int s_ftruncate(struct plait_sys *sys, int fd, off_t len)
{
    FILE_CALL(ftruncate, fd, sim_do_ftruncate(host, fd, len));
    return (int)res;
}

static int s_fsync(struct plait_sys *sys, int fd)
{
    FILE_CALL(fsync, fd, sim_do_fsync(host, fd));
    if (res == -EIO || res == -ENOSPC || res == -EDQUOT)
        sim_fsync_failed(host, fd);
    return (int)res;
}

static int s_unlinkat(struct plait_sys *sys, int dirfd, const char *path, int flags)
{
    FILE_CALL(unlinkat, dirfd, sim_do_unlinkat(host, dirfd, path, flags));
    return (int)res;
}

static int s_renameat(struct plait_sys *sys, int from_dir, const char *from, int to_dir, const char *to)
{
    FILE_CALL(renameat, from_dir, sim_do_renameat(host, from_dir, from, to_dir, to));
    return (int)res;
}

static int s_mkdirat(struct plait_sys *sys, int dirfd, const char *path, unsigned mode)
{
    FILE_CALL(mkdirat, dirfd, sim_do_mkdirat(host, dirfd, path, mode));
    return (int)res;
}

static int s_fchmodat(struct plait_sys *sys, int dirfd, const char *path, unsigned mode)
{
    FILE_CALL(fchmodat, dirfd, sim_do_fchmodat(host, dirfd, path, mode));
    return (int)res;
}

static ssize_t s_getdents(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    FILE_CALL(getdents, fd, sim_do_getdents(host, fd, buf, len));
    return res;
}

static int s_spawn(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid)
{
    CALL(spawn, (int64_t)spawn->map_count, sim_do_spawn(host, spawn, pid));
    sim_record_spawn(host, spawn->path, (int)res);
    return (int)res;
}

static int s_reap(struct plait_sys *sys, int pidfd, int *status)
{
    CALL(reap, pidfd, sim_do_reap(host, pidfd, status));
    return (int)res;
}

static int s_pidfd_signal(struct plait_sys *sys, int pidfd, int signo)
{
    CALL(pidfd_signal, pidfd, sim_do_pidfd_signal(host, pidfd, signo));
    return (int)res;
}

static int s_group_signal(struct plait_sys *sys, int leader, int signo)
{
    CALL(group_signal, leader, sim_do_group_signal(host, leader, signo));
    return (int)res;
}

static int s_signalfd(struct plait_sys *sys, int fd, const sigset_t *set, int flags)
{
    CALL(signalfd, fd, sim_do_signalfd(host, fd, set, flags));
    return (int)res;
}

static int s_sigmask(struct plait_sys *sys, int how, const sigset_t *set, sigset_t *old)
{
    CALL(sigmask, how, sim_do_sigmask(host, how, set, old));
    return (int)res;
}

static int s_isatty(struct plait_sys *sys, int fd)
{
    CALL(isatty, fd, sim_do_isatty(host, fd));
    return (int)res;
}

static int s_openpty(struct plait_sys *sys, int fds[2], const struct winsize *size, uid_t owner)
{
    (void)fds;
    (void)size;
    CALL(openpty, owner, -EOPNOTSUPP); /* no host has terminals: what they do to bytes is not simulated */
    return (int)res;
}

static int s_winsize(struct plait_sys *sys, int fd, const struct winsize *size)
{
    (void)size;
    CALL(winsize, fd, sim_fd_file(host, fd) ? -ENOTTY : -EBADF);
    return (int)res;
}

static unsigned s_if_nametoindex(struct plait_sys *sys, const char *name)
{
    (void)sys;
    return strcmp(name, "lo") == 0 ? 1 : strcmp(name, "eth0") == 0 ? 2 : 0;
}

static const char *s_env(struct plait_sys *sys, const char *name)
{
    return sim_env(sim_host_of(sys), name);
}

static int64_t s_job_delay(struct plait_sys *sys)
{
    return sim_host_of(sys)->job_delay;
}

static int64_t s_job_cost(struct plait_sys *sys)
{
    struct sim_disk *disk = &sim_host_of(sys)->disk;
    int64_t cost = disk->cost;
    disk->cost = 0;
    return cost;
}

static void s_unsetenv(struct plait_sys *sys, const char *name)
{
    plait_err err = plait_host_set_env(sim_host_of(sys), name, NULL);
    (void)err; /* removing cannot fail */
}

static void s_touched(struct plait_sys *sys)
{
    sim_host_touch(sim_host_of(sys));
}

const struct plait_sys_ops plait__sim_ops = {
    .touched = s_touched,
    .socket = s_socket,
    .socketpair = s_socketpair,
    .bind = s_bind,
    .listen = s_listen,
    .accept4 = s_accept4,
    .connect = s_connect,
    .shutdown = s_shutdown,
    .getsockopt = s_getsockopt,
    .setsockopt = s_setsockopt,
    .getsockname = s_getsockname,
    .getpeername = s_getpeername,
    .recv = s_recv,
    .recvmsg = s_recvmsg,
    .sendmsg = s_sendmsg,
    .recvmmsg = s_recvmmsg,
    .sendmmsg = s_sendmmsg,
    .read = s_read,
    .write = s_write,
    .writev = s_writev,
    .sendfile = s_sendfile,
    .close = s_close,
    .pipe2 = s_pipe2,
    .fcntl = s_fcntl,
    .eventfd = s_eventfd,
    .epoll_create1 = s_epoll_create1,
    .epoll_ctl = s_epoll_ctl,
    .epoll_wait = s_epoll_wait,
    .clock = s_clock,
    .getrandom = s_getrandom,
    .openat2 = s_openat2,
    .fstat = s_fstat,
    .fstatat = s_fstatat,
    .pread = s_pread,
    .pread_nowait = s_pread_nowait,
    .pwrite = s_pwrite,
    .ftruncate = s_ftruncate,
    .fsync = s_fsync,
    .unlinkat = s_unlinkat,
    .renameat = s_renameat,
    .mkdirat = s_mkdirat,
    .fchmodat = s_fchmodat,
    .getdents = s_getdents,
    .spawn = s_spawn,
    .reap = s_reap,
    .pidfd_signal = s_pidfd_signal,
    .group_signal = s_group_signal,
    .signalfd = s_signalfd,
    .sigmask = s_sigmask,
    .if_nametoindex = s_if_nametoindex,
    .env = s_env,
    .isatty = s_isatty,
    .openpty = s_openpty,
    .winsize = s_winsize,
    .job_delay = s_job_delay,
    .job_cost = s_job_cost,
    .unsetenv = s_unsetenv,
};
