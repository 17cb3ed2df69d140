/* SPDX-License-Identifier: MIT
 *
 * Pipes, page by page as the kernel keeps them: sixteen buffers of 4,096 bytes, small writes merged into the last one
 * where they fit whole. That gives the kernel's atomicity (PIPE_BUF) and its idea of full, to the byte.
 *
 * Invariant: buffers hold at least one byte each; the pipe goes with its second end.
 * Tests: tests/sim/test_pipe.c, and the differential test.
 */
#include "sim/sim_pipe.h"

#include <fcntl.h>
#include <string.h>

#define PAGE 4096
#define SLOTS 16

struct pipe_end {
    struct sim_file file;
    struct pipe *pipe;
};

struct pipe {
    struct pipe_end reader, writer;
    bool read_open, write_open;
    unsigned first, count;
    struct {
        uint16_t at, len;
        uint8_t *page;
    } slot[SLOTS];
};

static struct pipe *pipe_of(struct sim_file *f)
{
    return SIM_OF(f, struct pipe_end, file)->pipe;
}

static ssize_t pipe_read(struct sim_file *f, struct sim_io *io)
{
    struct pipe *p = pipe_of(f);
    size_t done = 0, asked = io->left;
    bool was_full = p->count == SLOTS;
    if (asked == 0)
        return 0;
    if (p->count == 0)
        return p->write_open ? -EAGAIN : 0;
    size_t there = p->slot[p->first].len < asked ? p->slot[p->first].len : asked;
    bool cut = there > 1 && sim_strikes_at(f->host->sim, f->host, PLAIT_SIM_SHORT, 4, PLAIT_SYS_read);
    if (cut) {
        io->left = 1 + sim_fault_below(f->host->sim, there - 1);
        sim_strike_tell(f->host->sim, "a read of a pipe takes %zu of %zu bytes", io->left, there);
    }
    while (p->count && io->left) {
        unsigned i = p->first;
        size_t n = sim_io_copy_out(io, p->slot[i].page + p->slot[i].at, p->slot[i].len);
        done += n;
        p->slot[i].at = (uint16_t)(p->slot[i].at + n);
        p->slot[i].len = (uint16_t)(p->slot[i].len - n);
        if (p->slot[i].len)
            break;
        plait_mem_free(p->slot[i].page);
        p->slot[i].page = NULL;
        p->first = (p->first + 1) % SLOTS;
        p->count--;
    }
    if (was_full && p->count < SLOTS && p->write_open)
        sim_wake(&p->writer.file, SIM_OUT);
    if (cut && p->count)
        sim_wake(f, SIM_IN);
    return (ssize_t)done;
}

/* The odd bytes of a write go to the last page when they fit there whole. */
static size_t merge(struct pipe *p, struct sim_io *io)
{
    size_t odd = io->left % PAGE;
    if (p->count == 0 || odd == 0)
        return 0;
    unsigned last = (p->first + p->count - 1) % SLOTS;
    size_t used = (size_t)p->slot[last].at + p->slot[last].len;
    if (used + odd > PAGE)
        return 0;
    sim_io_copy_in(io, p->slot[last].page + used, odd);
    p->slot[last].len = (uint16_t)(p->slot[last].len + odd);
    return odd;
}

static ssize_t fill(struct sim_file *f, struct sim_io *io)
{
    struct pipe *p = pipe_of(f);
    unsigned i = (p->first + p->count) % SLOTS;
    uint8_t *page = plait_mem_new(&f->host->sim->budget, PAGE);
    if (!page)
        return -ENOMEM;
    size_t n = sim_io_copy_in(io, page, PAGE);
    p->slot[i].page = page;
    p->slot[i].at = 0;
    p->slot[i].len = (uint16_t)n;
    p->count++;
    return (ssize_t)n;
}

static ssize_t pipe_write(struct sim_file *f, struct sim_io *io)
{
    struct pipe *p = pipe_of(f);
    size_t asked = io->left;
    if (asked == 0)
        return 0;
    if (!p->read_open)
        return -EPIPE;
    /* Only what may be cut at all: a write of up to PIPE_BUF bytes is whole or not done. */
    bool cut = asked > PAGE && sim_strikes_at(f->host->sim, f->host, PLAIT_SIM_SHORT, 4, PLAIT_SYS_write);
    if (cut) {
        io->left = PAGE + sim_fault_below(f->host->sim, asked - PAGE);
        sim_strike_tell(f->host->sim, "a write to a pipe takes %zu of %zu bytes", io->left, asked);
    }
    size_t done = merge(p, io);
    ssize_t res = 0;
    while (io->left && p->count < SLOTS && res >= 0) {
        res = fill(f, io);
        done += res > 0 ? (size_t)res : 0;
    }
    if (done)
        sim_wake(&p->reader.file, SIM_IN);
    if (cut)
        sim_wake(f, SIM_OUT);
    return done ? (ssize_t)done : res < 0 ? res : -EAGAIN;
}

static uint32_t reader_poll(struct sim_file *f)
{
    struct pipe *p = pipe_of(f);
    return (p->count ? SIM_IN : 0) | (p->write_open ? 0 : EPOLLHUP);
}

static uint32_t writer_poll(struct sim_file *f)
{
    struct pipe *p = pipe_of(f);
    return (p->count < SLOTS ? SIM_OUT : 0) | (p->read_open ? 0 : EPOLLERR);
}

static void end_gone(struct pipe *p, bool *open, struct sim_file *other, bool other_open)
{
    *open = false;
    if (other_open) {
        sim_wake(other, 0);
        return;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        plait_mem_free(p->slot[i].page);
    plait_mem_free(p);
}

static void reader_release(struct sim_file *f)
{
    struct pipe *p = pipe_of(f);
    end_gone(p, &p->read_open, &p->writer.file, p->write_open);
}

static void writer_release(struct sim_file *f)
{
    struct pipe *p = pipe_of(f);
    end_gone(p, &p->write_open, &p->reader.file, p->read_open);
}

static const struct sim_file_ops reader_ops = {
    .name = "pipe",
    .polls = true,
    .read = pipe_read,
    .poll = reader_poll,
    .release = reader_release,
};
static const struct sim_file_ops writer_ops = {
    .name = "pipe",
    .polls = true,
    .write = pipe_write,
    .poll = writer_poll,
    .release = writer_release,
};

int sim_do_pipe2(struct plait_host *host, int fds[2], int flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    if (!sim_fd_room(host, 2))
        return -EMFILE;
    struct pipe *p = plait_mem_new(&host->sim->budget, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->reader.pipe = p->writer.pipe = p;
    p->read_open = p->write_open = true;
    sim_file_init(&p->reader.file, host, &reader_ops, O_RDONLY | (flags & O_NONBLOCK));
    sim_file_init(&p->writer.file, host, &writer_ops, O_WRONLY | (flags & O_NONBLOCK));
    fds[0] = sim_fd_new(host, &p->reader.file, (flags & O_CLOEXEC) != 0);
    fds[1] = fds[0] < 0 ? -1 : sim_fd_new(host, &p->writer.file, (flags & O_CLOEXEC) != 0);
    if (fds[1] >= 0)
        return 0;
    sim_file_unref(&p->writer.file);
    if (fds[0] < 0)
        sim_file_unref(&p->reader.file);
    else
        sim_fd_drop(host, fds[0]);
    return -ENOMEM;
}
