/* SPDX-License-Identifier: MIT
 *
 * Starting and reaping a child on the real kernel. The child is made by vfork, so that a large parent costs nothing
 * (TQ-128); it shares our memory until exec, and therefore only makes system calls and writes one number for us to
 * read.
 *
 * Invariant: on failure no child, no zombie and no descriptor is left. Every descriptor of the parent that is not in
 * the map is closed in the child whatever its flags (TQ-12, TQ-123); signal dispositions and mask are the default ones
 * (TQ-126). Test: tests/engine/test_spawn.c.
 */
#include "engine/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int plait__sys_spawn_kernel(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid);
int plait__sys_reap_kernel(struct plait_sys *sys, int pidfd, int *status);

enum { FDS_MAX = 64 };

static bool is_mapped(const struct plait_sys_spawn *spawn, int child_fd)
{
    for (size_t i = 0; i < spawn->map_count; i++) {
        if (spawn->map[i].child_fd == child_fd)
            return true;
    }
    return false;
}

/* A number above every number that the child wants, so that moving one descriptor never overwrites another (TQ-125). */
static int first_safe_fd(const struct plait_sys_spawn *spawn)
{
    int top = 3;
    for (size_t i = 0; i < spawn->map_count; i++) {
        if (spawn->map[i].child_fd >= top)
            top = spawn->map[i].child_fd + 1;
    }
    return top;
}

/* Runs in the child. Closes what is not in the map, here and not by the flag at exec: exec lets the parent go on before
 * it has closed anything, and a descriptor that the parent closes in that moment would still be watched by its epoll
 * (TQ-72). Returns 0 or an errno. */
static int close_rest(const struct plait_sys_spawn *spawn, int safe)
{
    for (int fd = 3; fd < safe; fd++) {
        if (!is_mapped(spawn, fd))
            close(fd); /* most of them are not open */
    }
    return syscall(SYS_close_range, safe, ~0U, 0) == 0 ? 0 : errno;
}

/* Runs in the child. Returns 0 or an errno. */
static int place_fds(const struct plait_sys_spawn *spawn)
{
    int moved[FDS_MAX];
    const int safe = first_safe_fd(spawn);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return errno;
    const int null_moved = fcntl(null, F_DUPFD_CLOEXEC, safe);
    if (null_moved < 0)
        return errno;
    for (size_t i = 0; i < spawn->map_count; i++) {
        const int from = spawn->map[i].parent_fd < 0 ? null_moved : spawn->map[i].parent_fd;
        moved[i] = fcntl(from, F_DUPFD_CLOEXEC, safe);
        if (moved[i] < 0)
            return errno;
    }
    for (size_t i = 0; i < spawn->map_count; i++) {
        if (dup2(moved[i], spawn->map[i].child_fd) < 0)
            return errno;
    }
    for (int fd = 0; fd < 3; fd++) {
        if (!is_mapped(spawn, fd) && dup2(null_moved, fd) < 0)
            return errno;
    }
    return close_rest(spawn, safe);
}

/* Runs in the child. */
static int take_identity(const struct plait_sys_spawn *spawn)
{
    if (spawn->new_session && setsid() < 0)
        return errno;
    if (spawn->terminal && ioctl(spawn->terminal_fd, TIOCSCTTY, 0) != 0)
        return errno;
    if (spawn->set_ids) {
        /* The raw calls: the C library's would ask every thread of the parent to follow. */
        if (syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, spawn->gid, spawn->gid, spawn->gid) != 0 ||
            syscall(SYS_setresuid, spawn->uid, spawn->uid, spawn->uid) != 0)
            return errno;
    }
    if (spawn->kill_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return errno;
    if (spawn->cwd && chdir(spawn->cwd) != 0)
        return errno;
    return 0;
}

/* Runs in the child and does not return. */
static void become(const struct plait_sys_spawn *spawn, volatile int *error)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &dfl, NULL);
    int err = place_fds(spawn);
    if (err == 0)
        err = take_identity(spawn);
    if (err == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* The raw call: under measurement of coverage execve is a function that writes files, in memory that is
         * ours. */
        syscall(SYS_execve, spawn->path, spawn->argv, spawn->env ? (const void *)spawn->env : environ);
        err = errno;
    }
    *error = err;
    _exit(127);
}

static void reap_now(pid_t child)
{
    pid_t reaped;
    do
        reaped = waitpid(child, NULL, 0);
    while (reaped < 0 && errno == EINTR);
}

int plait__sys_spawn_kernel(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid)
{
    (void)sys;
    if (spawn->map_count > FDS_MAX)
        return -EINVAL;
    volatile int error = 0;
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const pid_t child = vfork();
    if (child == 0)
        become(spawn, &error);
    const int fork_errno = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (child < 0)
        return -fork_errno;
    if (error != 0) {
        reap_now(child);
        return -error;
    }
    const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (pidfd < 0) {
        const int err = errno;
        kill(child, SIGKILL);
        reap_now(child);
        return -err;
    }
    *pid = child;
    return pidfd;
}

int plait__sys_reap_kernel(struct plait_sys *sys, int pidfd, int *status)
{
    (void)sys;
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0)
        return -errno;
    if (info.si_pid == 0)
        return -EAGAIN;
    *status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return 0;
}
