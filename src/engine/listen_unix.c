/* SPDX-License-Identifier: MIT
 *
 * The file of a UNIX listening socket: one that a crash left behind is replaced, its permissions are set on purpose,
 * and it is removed at the end if it is still ours (TQ-111 to 116). Abstract names have no file.
 *
 * A file is stale when it is a socket and connecting to it is refused. Just before it is removed it is looked at again:
 * it must still be the same file. Two that start in the same moment may still meet between that look and the removal.
 *
 * Invariant: no file is removed but a socket that nobody listens on, or our own.
 * Test: tests/engine/test_listen.c.
 */
#include "engine/listen_core.h"

#include <errno.h>
#include <fcntl.h>

enum { MODE = 0666 };

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Whether nobody listens: asking is the only way to know. */
static bool is_refused(struct plait_sys *sys, const struct sockaddr_storage *ss, socklen_t len)
{
    const int fd = sys->ops->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const int res = sys->ops->connect(sys, fd, (const struct sockaddr *)ss, len);
    sys->ops->close(sys, fd);
    return res == -ECONNREFUSED;
}

static void tell_replaced(struct plait_reactor *r, const char *path)
{
    const struct plait_field fields[] = {plait_field_text("path", path), plait_field_end()};
    plait_log_event(r->log, PLAIT_LOG_NOTICE, "engine", "stale-socket",
                    "replaced a socket file that nobody listened on", fields);
}

static bool remove_stale(struct plait_reactor *r, const char *path, const struct sockaddr_storage *ss, socklen_t len)
{
    struct plait_sys *sys = r->sys;
    struct stat before;
    struct stat now;
    if (sys->ops->fstatat(sys, AT_FDCWD, path, &before, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(before.st_mode))
        return false;
    if (!is_refused(sys, ss, len))
        return false;
    if (sys->ops->fstatat(sys, AT_FDCWD, path, &now, AT_SYMLINK_NOFOLLOW) < 0 || !same_file(&before, &now))
        return false;
    if (sys->ops->unlinkat(sys, AT_FDCWD, path, 0) < 0)
        return false;
    tell_replaced(r, path);
    return true;
}

int plait__unix_bind(struct plait_reactor *r, int fd, const struct plait_address *address,
                     const struct plait_listen_options *options)
{
    struct plait_sys *sys = r->sys;
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(address, &ss);
    int res = sys->ops->bind(sys, fd, (struct sockaddr *)&ss, len);
    if (address->kind == PLAIT_ADDR_ABSTRACT)
        return res;
    if (res == -EADDRINUSE && !options->keep_stale && remove_stale(r, address->name, &ss, len))
        res = sys->ops->bind(sys, fd, (struct sockaddr *)&ss, len);
    if (res < 0)
        return res;
    /* Before listen: nobody can have connected yet by the umask's rights. */
    const unsigned mode = options->unix_mode ? options->unix_mode & 0777 : MODE;
    res = sys->ops->fchmodat(sys, AT_FDCWD, address->name, mode);
    if (res < 0)
        sys->ops->unlinkat(sys, AT_FDCWD, address->name, 0);
    return res;
}

int plait__unix_note_file(struct plait_listener *l)
{
    struct plait_sys *sys = l->reactor->sys;
    struct stat st;
    if (l->address.kind != PLAIT_ADDR_UNIX)
        return 0;
    const int res = sys->ops->fstatat(sys, AT_FDCWD, l->address.name, &st, AT_SYMLINK_NOFOLLOW);
    l->owns_file = res == 0;
    l->file_dev = res == 0 ? (uint64_t)st.st_dev : 0;
    l->file_ino = res == 0 ? (uint64_t)st.st_ino : 0;
    return res;
}

void plait__unix_remove_file(struct plait_listener *l)
{
    struct plait_sys *sys = l->reactor->sys;
    struct stat st;
    if (!l->owns_file)
        return;
    l->owns_file = false;
    if (sys->ops->fstatat(sys, AT_FDCWD, l->address.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return; /* TQ-116 */
    if (l->file_dev == (uint64_t)st.st_dev && l->file_ino == (uint64_t)st.st_ino)
        sys->ops->unlinkat(sys, AT_FDCWD, l->address.name, 0);
}
