/* SPDX-License-Identifier: MIT
 *
 * The lower layer of the seam: a table of system calls. The kernel's table is sys_kernel.c; the simulated kernel and
 * the fault injector (room sim) are others. Every call returns what the system call returns, or -errno; none sets
 * errno. Only `write` on an eventfd and `clock` may be called from other threads, and in jobs of the pool the
 * calls on files, for those that the job opened or was given.
 */
#ifndef PLAIT_ENGINE_SYS_H
#define PLAIT_ENGINE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct plait_sys;

enum plait_sys_clock { PLAIT_SYS_MONOTONIC, PLAIT_SYS_REALTIME };

/* What the child of `spawn` is to be. Descriptors fd_map[i] (parent's) become i-th entry's child_fd. */
struct plait_sys_spawn {
    const char *path; /* absolute or relative to cwd: looked up already */
    const char *const *argv;
    const char *const *env;
    const char *cwd; /* NULL: inherited */
    const struct plait_sys_fd_map {
        int parent_fd; /* -1: /dev/null */
        int child_fd;
    } * map;
    size_t map_count;
    bool new_session;
    bool terminal; /* the terminal behind terminal_fd, one of the child's, becomes its session's own */
    int terminal_fd;
    bool set_ids;
    uint32_t uid, gid;
    bool kill_with_parent;
};

/* clang-format off */
/* Name of each call, in the order of the table: what the fault injector and its counters speak of. */
#define PLAIT_SYS_CALLS(X) \
    X(socket) X(socketpair) X(bind) X(listen) X(accept4) X(connect) X(shutdown) X(getsockopt) X(setsockopt) \
    X(getsockname) X(getpeername) X(recv) X(recvmsg) X(sendmsg) X(recvmmsg) X(sendmmsg) X(read) X(write) X(writev) \
    X(sendfile) X(close) X(pipe2) X(fcntl) X(eventfd) X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(clock) \
    X(getrandom) X(openat2) X(fstat) X(fstatat) X(pread) X(pread_nowait) X(pwrite) X(ftruncate) X(fsync) X(unlinkat) \
    X(renameat) X(mkdirat) X(fchmodat) X(getdents) X(spawn) X(reap) X(pidfd_signal) X(signalfd) X(sigmask) \
    X(if_nametoindex) X(env) X(isatty) X(group_signal) X(openpty) X(winsize)
/* clang-format on */

enum plait_sys_call {
#define PLAIT_SYS_CALL_NAME(name) PLAIT_SYS_##name,
    PLAIT_SYS_CALLS(PLAIT_SYS_CALL_NAME)
#undef PLAIT_SYS_CALL_NAME
        PLAIT_SYS_CALL_COUNT
};

struct plait_sys_ops {
    /* sockets: as in section 2 of the manual; descriptors are made with close-on-exec by the flags given */
    int (*socket)(struct plait_sys *sys, int domain, int type, int protocol);
    int (*socketpair)(struct plait_sys *sys, int domain, int type, int protocol, int fds[2]);
    int (*bind)(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(struct plait_sys *sys, int fd, int backlog);
    int (*accept4)(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len, int flags);
    int (*connect)(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
    int (*shutdown)(struct plait_sys *sys, int fd, int how);
    int (*getsockopt)(struct plait_sys *sys, int fd, int level, int name, void *value, socklen_t *len);
    int (*setsockopt)(struct plait_sys *sys, int fd, int level, int name, const void *value, socklen_t len);
    int (*getsockname)(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
    int (*getpeername)(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
    ssize_t (*recv)(struct plait_sys *sys, int fd, void *buf, size_t len, int flags);
    ssize_t (*recvmsg)(struct plait_sys *sys, int fd, struct msghdr *msg, int flags);
    ssize_t (*sendmsg)(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags);
    int (*recvmmsg)(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags);
    int (*sendmmsg)(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags);
    ssize_t (*read)(struct plait_sys *sys, int fd, void *buf, size_t len);
    ssize_t (*write)(struct plait_sys *sys, int fd, const void *buf, size_t len);
    ssize_t (*writev)(struct plait_sys *sys, int fd, const struct iovec *iov, int count);
    ssize_t (*sendfile)(struct plait_sys *sys, int out, int in, off_t *offset, size_t count);
    int (*close)(struct plait_sys *sys, int fd); /* the descriptor is gone whatever this returns */
    int (*pipe2)(struct plait_sys *sys, int fds[2], int flags);
    int (*fcntl)(struct plait_sys *sys, int fd, int cmd, long arg);
    int (*eventfd)(struct plait_sys *sys, unsigned value, int flags);

    /* readiness */
    int (*epoll_create1)(struct plait_sys *sys, int flags);
    int (*epoll_ctl)(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event);
    /* < 0: for ever */
    int (*epoll_wait)(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns);

    /* clock and entropy */
    int64_t (*clock)(struct plait_sys *sys, enum plait_sys_clock which); /* nanoseconds */
    ssize_t (*getrandom)(struct plait_sys *sys, void *buf, size_t len);

    /* files and directories; dirfd may be AT_FDCWD */
    int (*openat2)(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve);
    int (*fstat)(struct plait_sys *sys, int fd, struct stat *out);
    int (*fstatat)(struct plait_sys *sys, int dirfd, const char *path, struct stat *out, int flags);
    ssize_t (*pread)(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset);
    /* -EAGAIN: not in memory */
    ssize_t (*pread_nowait)(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset);
    ssize_t (*pwrite)(struct plait_sys *sys, int fd, const void *buf, size_t len, off_t offset);
    int (*ftruncate)(struct plait_sys *sys, int fd, off_t len);
    int (*fsync)(struct plait_sys *sys, int fd);
    int (*unlinkat)(struct plait_sys *sys, int dirfd, const char *path, int flags);
    int (*renameat)(struct plait_sys *sys, int from_dir, const char *from, int to_dir, const char *to);
    int (*mkdirat)(struct plait_sys *sys, int dirfd, const char *path, unsigned mode);
    int (*fchmodat)(struct plait_sys *sys, int dirfd, const char *path, unsigned mode);
    ssize_t (*getdents)(struct plait_sys *sys, int fd, void *buf, size_t len); /* struct linux_dirent64 records */

    /* processes and signals */
    int (*spawn)(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid); /* returns a pidfd */
    /* status >= 0: exit status, < 0: minus the signal; -EAGAIN: runs */
    int (*reap)(struct plait_sys *sys, int pidfd, int *status);
    int (*pidfd_signal)(struct plait_sys *sys, int pidfd, int signo);
    int (*signalfd)(struct plait_sys *sys, int fd, const sigset_t *set, int flags);
    int (*sigmask)(struct plait_sys *sys, int how, const sigset_t *set, sigset_t *old);

    /* what is left */
    unsigned (*if_nametoindex)(struct plait_sys *sys, const char *name);
    const char *(*env)(struct plait_sys *sys, const char *name);
    int (*isatty)(struct plait_sys *sys, int fd); /* 1, 0 or -errno */

    /* sends a signal to a process group; its leader is a child that is not reaped */
    int (*group_signal)(struct plait_sys *sys, int leader, int signo);

    /* A pseudo-terminal: fds[0] is the master, which does not block, fds[1] the other side, which belongs to `owner`
     * ((uid_t)-1: whoever makes it). Neither becomes anybody's own terminal by it, and both close on exec. */
    int (*openpty)(struct plait_sys *sys, int fds[2], const struct winsize *size, uid_t owner);
    /* sets a terminal's size; whoever is in its foreground gets SIGWINCH when it changed */
    int (*winsize)(struct plait_sys *sys, int fd, const struct winsize *size);

    /* 0: the pool uses threads. Else there are none, and a job of the pool runs in the loop after so many
     * nanoseconds. */
    int64_t (*job_delay)(struct plait_sys *sys);
    /* Nanoseconds that calls took since this was asked last, where a call takes no time of its own: a job that ran in
     * the loop is over so much later. */
    int64_t (*job_cost)(struct plait_sys *sys);
    /* Closes the environment's hold on descriptors passed by a service manager: removes LISTEN_* (sd_listen_fds(3)). */
    void (*unsetenv)(struct plait_sys *sys, const char *name);
    /* The reactor got something to do outside of its turns. NULL where nobody wants to know: the kernel wakes a thread
     * that waits, and the simulated world has none. */
    void (*touched)(struct plait_sys *sys);
};

struct plait_sys {
    const struct plait_sys_ops *ops;
};

/* The kernel's table. Constant: it has no state. */
struct plait_sys *plait__sys_kernel(void);

/* Name of a call, for the injector's rules and counters. */
const char *plait__sys_call_name(enum plait_sys_call call);

#endif
