/* SPDX-License-Identifier: MIT
 *
 * Descriptors on their way in or out beside AMP's boxes: numbered in the order of their coming, moved to the box that
 * names them, closed when nobody takes them.
 *
 * Invariant: every descriptor belongs to exactly one of these lists until it is taken or closed.
 * Test: tests/rpc/test_amp.c.
 */
#include "rpc/amp_core.h"

static void close_one(struct plait__amp_descriptors *d, int fd)
{
    if (fd >= 0)
        d->sys->ops->close(d->sys, fd);
}

void plait__amp_descriptors_end(struct plait__amp_descriptors *d)
{
    for (size_t i = 0; i < d->count; i++)
        close_one(d, d->fd[i]);
    d->first += d->count;
    d->count = 0;
}

bool plait__amp_descriptors_add(struct plait__amp_descriptors *d, const int *fds, size_t count)
{
    const bool fit = count <= PLAIT__AMP_DESCRIPTORS_MAX - d->count;
    for (size_t i = 0; i < count; i++) {
        if (fit)
            d->fd[d->count++] = fds[i];
        else
            close_one(d, fds[i]);
    }
    return fit;
}

bool plait__amp_descriptors_split(struct plait__amp_descriptors *d, uint64_t end, struct plait__amp_descriptors *out)
{
    *out = (struct plait__amp_descriptors){.sys = d->sys, .first = d->first};
    if (end <= d->first)
        return end == 0; /* names none; or such as are gone */
    if (end - d->first > d->count)
        return false;
    out->count = (size_t)(end - d->first);
    memcpy(out->fd, d->fd, out->count * sizeof *out->fd);
    memmove(d->fd, d->fd + out->count, (d->count - out->count) * sizeof *d->fd);
    d->count -= out->count;
    d->first = end;
    return true;
}
