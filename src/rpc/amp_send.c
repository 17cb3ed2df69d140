/* SPDX-License-Identifier: MIT
 *
 * AMP's boxes on their way out. A box goes to the stream at once; behind a StartTLS it waits for the handshake, and one
 * with descriptors until the socket takes them, and then all behind it wait as well.
 *
 * Invariant: boxes leave in the order in which they were sent. A descriptor that left is closed here.
 * Test: tests/rpc/test_amp.c.
 */
#include "rpc/amp_core.h"

#include "base/try.h"

enum { WITH_DESCRIPTORS_MAX = 4096 }; /* bytes that plait_write_fds takes along */

/* Returns PLAIT_EAGAIN when the socket does not take it now. */
static plait_err write_box(struct plait_amp *amp, plait_slice bytes, struct plait__amp_descriptors *d)
{
    if (d->count == 0) {
        plait_write(amp->s, bytes);
        return PLAIT_OK;
    }
    PLAIT_TRY(plait_write_fds(amp->s, plait_slice_sub(bytes, 0, WITH_DESCRIPTORS_MAX), d->fd, d->count));
    plait__amp_descriptors_end(d);
    plait_write(amp->s, plait_slice_sub(bytes, WITH_DESCRIPTORS_MAX, bytes.len));
    return PLAIT_OK;
}

static plait_err wait(struct plait_amp *amp, plait_slice bytes, struct plait__amp_descriptors *d)
{
    struct plait__amp_waiting *w = plait_mem_new(plait_stream_budget(amp->s), sizeof *w + bytes.len);
    if (!w)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    w->descriptors = *d;
    d->first += d->count;
    d->count = 0;
    w->len = bytes.len;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    plait__list_add_tail(&amp->waiting, &w->link);
    return PLAIT_OK;
}

plait_err plait__amp_send(struct plait_amp *amp)
{
    struct plait__amp_descriptors *d = &amp->box.out;
    plait_buf_put_u16(&amp->box.buf, 0);
    if (amp->box.buf.err != PLAIT_OK)
        return PLAIT_FAIL(amp->box.buf.err);
    const plait_slice bytes = plait_buf_slice(&amp->box.buf);
    if (amp->holding || !plait__list_empty(&amp->waiting))
        return wait(amp, bytes, d);
    const plait_err err = write_box(amp, bytes, d);
    return err == PLAIT_EAGAIN ? wait(amp, bytes, d) : err;
}

static void free_waiting(struct plait__amp_waiting *w)
{
    plait__list_remove(&w->link);
    plait__amp_descriptors_end(&w->descriptors);
    plait_mem_free(w);
}

void plait__amp_send_waiting(struct plait_amp *amp)
{
    while (!amp->holding && !plait__list_empty(&amp->waiting)) {
        struct plait__amp_waiting *w = plait__container(amp->waiting.next, struct plait__amp_waiting, link);
        const plait_err err = write_box(amp, plait_slice_of(w->bytes, w->len), &w->descriptors);
        if (err == PLAIT_EAGAIN)
            return;
        if (err != PLAIT_OK)
            plait_abort_with(amp->s, err, "descriptors could not be sent");
        free_waiting(w);
    }
}

void plait__amp_drop_waiting(struct plait_amp *amp)
{
    while (!plait__list_empty(&amp->waiting))
        free_waiting(plait__container(amp->waiting.next, struct plait__amp_waiting, link));
}
