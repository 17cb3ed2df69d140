/* SPDX-License-Identifier: MIT
 *
 * Bodies of requests that are written as they go: with a Content-Length where the length is known, in chunks else. The
 * source is called from the ready list while there is room, so that it may write without bound by itself and still
 * waits for the server.
 *
 * Invariant: after `ended` nothing more is written, and what was announced is written exactly, or the fetch fails.
 * Test: tests/web/test_http_upload.c.
 */
#include "web/http_fetch_core.h"

static bool is_chunked(const struct plait_upload *u)
{
    return u->source.length == PLAIT_LENGTH_UNKNOWN;
}

/* Whether what the source writes goes anywhere. */
static bool flows(const struct plait_upload *u)
{
    return u->begun && u->fetch->x.conn && !(u->ended && is_chunked(u));
}

static void pour(void *ctx)
{
    struct plait__fetch *f = ctx;
    struct plait_upload *u = &f->upload;
    if (!flows(u) || u->ended || plait_upload_is_full(u))
        return;
    plait__fetch_call(f);
    u->source.room(u, u->source.ctx);
    (void)plait__fetch_called(f);
}

void plait__upload_init(struct plait__fetch *f)
{
    struct plait_upload *u = &f->upload;
    u->fetch = f;
    plait_soon_init(&f->pour, f->client->reactor, "http upload", pour, f);
    if (f->options.upload)
        u->source = *f->options.upload;
}

void plait__upload_go(struct plait__fetch *f)
{
    struct plait_upload *u = &f->upload;
    plait_timer_stop(&f->timer);
    if (!f->text.streams) {
        f->x.conn->ops->write(&f->x, f->text.body, false);
        f->x.conn->ops->write_end(&f->x, false);
        f->x.sent = true;
        plait__fetch_sent(f);
        return;
    }
    u->begun = true;
    u->ended = false;
    u->left = u->source.length;
    plait_soon_queue(&f->pour);
}

bool plait__upload_rewind(struct plait__fetch *f)
{
    struct plait_upload *u = &f->upload;
    plait_soon_cancel(&f->pour);
    if (!f->text.streams || !u->begun)
        return true;
    u->begun = false;
    plait__fetch_call(f);
    const bool again = u->source.rewind && u->source.rewind(u->source.ctx);
    if (!plait__fetch_called(f))
        return false;
    if (!again)
        plait__fetch_fail_with(f, PLAIT_ESTATE, "the body would have to be sent again, and can't be");
    return again;
}

/* Takes `bytes` of what is still to come. */
static bool take_length(struct plait_upload *u, uint64_t bytes)
{
    if (is_chunked(u))
        return true;
    if (bytes > u->left) {
        plait__fetch_fail_with(u->fetch, PLAIT_EINVAL, "the body is longer than it was said to be");
        return false;
    }
    u->left -= bytes;
    return true;
}

/* The request is complete: what ends is told, or its last byte says so by itself. */
static void end_body(struct plait_upload *u)
{
    struct plait__fetch *f = u->fetch;
    u->ended = true;
    f->x.conn->ops->write_end(&f->x, is_chunked(u));
    f->x.sent = true;
    plait__fetch_sent(f);
}

static void end_if_all(struct plait_upload *u)
{
    if (!is_chunked(u) && u->left == 0)
        end_body(u);
}

void plait_upload_write(struct plait_upload *upload, plait_slice piece)
{
    struct plait__client_exchange *x = &upload->fetch->x;
    if (piece.len == 0 || !flows(upload) || !take_length(upload, piece.len))
        return;
    x->conn->ops->write(x, piece, is_chunked(upload));
    end_if_all(upload);
}

void plait_upload_file(struct plait_upload *upload, int fd, uint64_t offset, uint64_t bytes, plait_call_fn released,
                       void *ctx)
{
    struct plait__client_exchange *x = &upload->fetch->x;
    const struct plait__upload_file file = {fd, offset, bytes, released, ctx};
    if (bytes == 0 || !flows(upload) || !take_length(upload, bytes)) {
        released(ctx);
        return;
    }
    x->conn->ops->write_file(x, &file, is_chunked(upload));
    end_if_all(upload);
}

bool plait_upload_is_full(const struct plait_upload *upload)
{
    const struct plait__client_exchange *x = &upload->fetch->x;
    return !x->conn || x->conn->ops->full(x);
}

void plait_upload_end(struct plait_upload *upload)
{
    struct plait__fetch *f = upload->fetch;
    if (!flows(upload) || upload->ended)
        return;
    if (!is_chunked(upload) && upload->left > 0) {
        plait__fetch_fail_with(f, PLAIT_EINVAL, "the body is shorter than it was said to be");
        return;
    }
    end_body(upload);
}

void plait_upload_fail(struct plait_upload *upload, plait_err err, const char *detail)
{
    plait__fetch_fail_with(upload->fetch, err, detail);
}
