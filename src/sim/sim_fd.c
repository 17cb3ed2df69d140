/* SPDX-License-Identifier: MIT
 *
 * Descriptors: a host's table of them, and what every open file has in common. A descriptor is a slot that holds one
 * reference to a file; passing descriptors and simulated processes hold further ones.
 *
 * Invariant: the lowest free number is given out, as POSIX says, so that runs are the same; a file leaves every epoll
 * with its last reference. Tests: tests/sim/test_fd.c.
 */
#include "sim/sim_files.h"
#include "sim/sim_socket.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* --- cursors over buffers ----------------------------------------------------------------------------------------- */

ssize_t sim_io_begin(struct sim_io *io, const struct iovec *iov, size_t count, enum plait_sys_call call)
{
    *io = (struct sim_io){.iov = iov, .call = call};
    if (count > IOV_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        io->left += iov[i].iov_len;
    return 0;
}

/* Longest run of bytes at the cursor. There is one: `left` is never more than the buffers hold. */
static size_t io_run(struct sim_io *io, size_t len, uint8_t **at)
{
    for (; io->iov_at == io->iov->iov_len; io->iov++)
        io->iov_at = 0;
    *at = (uint8_t *)io->iov->iov_base + io->iov_at;
    size_t run = io->iov->iov_len - io->iov_at;
    return run < len ? run : len;
}

static void io_pass(struct sim_io *io, size_t run)
{
    io->iov_at += run;
    io->left -= run;
}

size_t sim_io_copy_out(struct sim_io *io, const uint8_t *from, size_t len)
{
    size_t done = 0;
    uint8_t *at;
    if (len > io->left)
        len = io->left;
    while (done < len) {
        size_t run = io_run(io, len - done, &at);
        memcpy(at, from + done, run);
        io_pass(io, run);
        done += run;
    }
    return done;
}

size_t sim_io_copy_in(struct sim_io *io, uint8_t *to, size_t len)
{
    size_t done = 0;
    uint8_t *at;
    if (len > io->left)
        len = io->left;
    while (done < len) {
        size_t run = io_run(io, len - done, &at);
        memcpy(to + done, at, run);
        io_pass(io, run);
        done += run;
    }
    return done;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

void sim_file_init(struct sim_file *f, struct plait_host *host, const struct sim_file_ops *ops, int flags)
{
    f->ops = ops;
    f->host = host;
    f->id = ++host->sim->next_file;
    f->refs = 1;
    f->flags = flags;
    sim_list_init(&f->watchers);
}

void sim_file_unref(struct sim_file *f)
{
    if (--f->refs)
        return;
    sim_epoll_forget(f);
    f->ops->release(f);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

struct sim_file *sim_fd_file(struct plait_host *host, int fd)
{
    return fd >= 0 && (size_t)fd < host->fd_cap ? host->fds[fd].file : NULL;
}

bool sim_fd_room(const struct plait_host *host, size_t count)
{
    return host->fd_count + count <= host->fd_max;
}

static bool grow(struct plait_host *host)
{
    size_t cap = host->fd_cap ? host->fd_cap * 2 : 16;
    struct sim_slot *fresh = plait_mem_resize(&host->sim->budget, host->fds, cap * sizeof *fresh);
    if (!fresh)
        return false;
    memset(fresh + host->fd_cap, 0, (cap - host->fd_cap) * sizeof *fresh);
    host->fds = fresh;
    host->fd_cap = cap;
    return true;
}

static int fd_new_from(struct plait_host *host, struct sim_file *f, bool cloexec, size_t lowest)
{
    if (!sim_fd_room(host, 1) || lowest >= host->fd_max)
        return -EMFILE;
    size_t fd = lowest > host->fd_lowest ? lowest : host->fd_lowest;
    while (fd < host->fd_cap && host->fds[fd].file)
        fd++;
    while (fd >= host->fd_cap) {
        if (!grow(host))
            return -ENOMEM;
    }
    if (lowest <= host->fd_lowest)
        host->fd_lowest = fd + 1;
    host->fds[fd] = (struct sim_slot){f, cloexec};
    host->fd_count++;
    return (int)fd;
}

int sim_fd_new(struct plait_host *host, struct sim_file *f, bool cloexec)
{
    return fd_new_from(host, f, cloexec, 0);
}

int sim_fd_drop(struct plait_host *host, int fd)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (!f)
        return -EBADF;
    host->fds[fd] = (struct sim_slot){0};
    host->fd_count--;
    if ((size_t)fd < host->fd_lowest)
        host->fd_lowest = (size_t)fd;
    sim_file_unref(f);
    return 0;
}

size_t plait_host_descriptors(const struct plait_host *host)
{
    return host->fd_count;
}

void plait_host_set_descriptors_max(struct plait_host *host, size_t max)
{
    host->fd_max = max;
}

/* --- calls on any descriptor -------------------------------------------------------------------------------------- */

static int duplicate(struct plait_host *host, struct sim_file *f, long lowest, bool cloexec)
{
    if (lowest < 0 || (size_t)lowest >= host->fd_max)
        return -EINVAL;
    int fd = fd_new_from(host, f, cloexec, (size_t)lowest);
    if (fd >= 0)
        f->refs++;
    return fd;
}

int sim_do_fcntl(struct plait_host *host, int fd, int cmd, long arg)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (!f)
        return -EBADF;
    switch (cmd) {
    case F_GETFL:
        return f->flags;
    case F_SETFL:
        f->flags = (f->flags & ~(O_NONBLOCK | O_APPEND)) | ((int)arg & (O_NONBLOCK | O_APPEND));
        return 0;
    case F_GETFD:
        return host->fds[fd].cloexec ? FD_CLOEXEC : 0;
    case F_SETFD:
        host->fds[fd].cloexec = (arg & FD_CLOEXEC) != 0;
        return 0;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return duplicate(host, f, arg, cmd == F_DUPFD_CLOEXEC);
    default:
        return -EINVAL;
    }
}

static bool may(const struct sim_file *f, bool write)
{
    int mode = f->flags & O_ACCMODE;
    return write ? mode != O_RDONLY : mode != O_WRONLY;
}

ssize_t sim_do_read(struct plait_host *host, int fd, const struct iovec *iov)
{
    struct sim_file *f = sim_fd_file(host, fd);
    struct sim_io io;
    if (!f || !may(f, false))
        return -EBADF;
    (void)sim_io_begin(&io, iov, 1, PLAIT_SYS_read);
    return f->ops->read ? f->ops->read(f, &io) : -EINVAL;
}

ssize_t sim_do_write(struct plait_host *host, int fd, const struct iovec *iov, size_t count)
{
    struct sim_file *f = sim_fd_file(host, fd);
    struct sim_io io;
    if (!f || !may(f, true))
        return -EBADF;
    ssize_t res = sim_io_begin(&io, iov, count, PLAIT_SYS_write);
    if (res < 0)
        return res;
    return f->ops->write ? f->ops->write(f, &io) : -EINVAL;
}

/* One piece of a file into a socket or pipe. */
static ssize_t send_piece(struct sim_file *out, struct sim_file *in, off_t at, size_t len)
{
    uint8_t piece[4096];
    struct iovec iov = {.iov_base = piece};
    struct sim_io io;
    ssize_t got = sim_inode_read(in, piece, len < sizeof piece ? len : sizeof piece, at);
    if (got <= 0)
        return got;
    iov.iov_len = (size_t)got;
    (void)sim_io_begin(&io, &iov, 1, PLAIT_SYS_sendfile);
    return out->ops->write(out, &io);
}

ssize_t sim_do_sendfile(struct plait_host *host, int out_fd, int in_fd, off_t *offset, size_t count)
{
    struct sim_file *out = sim_fd_file(host, out_fd), *in = sim_fd_file(host, in_fd);
    if (!out || !in || !may(out, true) || !may(in, false))
        return -EBADF;
    if (!sim_is_plain_file(in) || !out->ops->write)
        return -EINVAL;
    off_t at = offset ? *offset : sim_file_position(in);
    size_t done = 0;
    ssize_t res = 0;
    while (done < count) {
        res = send_piece(out, in, at + (off_t)done, count - done);
        if (res <= 0)
            break;
        done += (size_t)res;
    }
    if (done == 0 && res < 0)
        return res;
    if (offset)
        *offset = at + (off_t)done;
    else
        sim_file_seek(in, at + (off_t)done);
    return (ssize_t)done;
}
