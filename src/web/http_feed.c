/* SPDX-License-Identifier: MIT
 *
 * The feed of an answer that goes through filters: large bodies and ranges of files wait here and go on in pieces of 32
 * KiB, one a step of the turn, as fast as the client takes what the filters make of them. So neither compressing nor
 * reading a file holds the loop, and nothing piles up behind a slow client. A file's bytes that are not in memory are
 * read by a thread of the pool, through a descriptor of its own.
 *
 * Invariant: while something waits, what a handler writes waits behind it; a request whose handler is done (`ended`)
 * ends by the feed's hand, and not while a thread reads for it. Test: tests/web/test_web_layer.c.
 */
#include "base/try.h"
#include "web/http_core.h"

#include <errno.h>
#include <fcntl.h>

#include <plait/thread.h>

enum { PIECE = 32768 };

struct item {
    struct item *next;
    plait_slice rest;               /* of the bytes behind this */
    struct plait_reply_range range; /* fd -1: bytes */
};

struct plait__http_feed {
    struct plait_request *req;
    struct item *first, **last;
    struct plait_soon soon;
    struct load *load; /* a thread reads */
    uint8_t *piece;    /* of a file */
    bool ended;
    plait_request_fn room_fn; /* the handler's */
    void *room_ctx;
};

/* A piece of a file that a thread reads. */
struct load {
    int holders;                   /* the pool and the feed */
    struct plait__http_feed *feed; /* waits for it */
    struct plait_deferred *deferred;
    struct plait_sys *sys;
    int fd;
    off_t offset;
    size_t len;
    ssize_t got;
    uint8_t bytes[PIECE];
};

static void pump(void *ctx);

static void on_room(struct plait_request *req, void *ctx)
{
    (void)req;
    pump(ctx);
}

static struct plait__http_feed *feed_of(struct plait_request *req)
{
    struct plait__http_feed *f = req->feed;
    if (f)
        return f;
    f = plait_request_memory(req, sizeof(*f));
    if (!f)
        return NULL;
    memset(f, 0, sizeof(*f));
    f->req = req;
    f->last = &f->first;
    f->room_fn = req->room_fn;
    f->room_ctx = req->room_ctx;
    req->room_fn = on_room;
    req->room_ctx = f;
    plait_soon_init(&f->soon, req->web->reactor, "http feed", pump, f);
    req->feed = f;
    return f;
}

bool plait__feed_room(struct plait_request *req, plait_request_fn fn, void *ctx)
{
    if (!req->feed)
        return false;
    req->feed->room_fn = fn;
    req->feed->room_ctx = ctx;
    return true;
}

bool plait__feed_waits(const struct plait_request *req)
{
    return req->feed && req->feed->first;
}

/* --- what waits --------------------------------------------------------------------------------------------------- */

static void item_drop(struct plait__http_feed *f)
{
    struct item *item = f->first;
    f->first = item->next;
    if (!f->first)
        f->last = &f->first;
    if (item->range.fd >= 0)
        item->range.released(item->range.ctx);
    plait_mem_free(item);
}

static bool item_put(struct plait_request *req, plait_slice bytes, const struct plait_reply_range *range)
{
    struct plait__http_feed *f = feed_of(req);
    struct item *item =
        f ? plait_mem_resize(plait_reactor_budget(req->web->reactor), NULL, sizeof(*item) + bytes.len) : NULL;
    if (!item) {
        plait__http_break(req, PLAIT_ENOMEM, "no memory for what waits to be filtered");
        return false;
    }
    *item = (struct item){.rest = {(uint8_t *)(item + 1), bytes.len}, .range = {.fd = -1}};
    if (bytes.len)
        memcpy(item + 1, bytes.ptr, bytes.len);
    if (range)
        item->range = *range;
    *f->last = item;
    f->last = &item->next;
    plait_soon_queue(&f->soon);
    return true;
}

void plait__feed_write(struct plait_request *req, plait_slice piece)
{
    if (!req->carrier || piece.len == 0)
        return;
    if (piece.len <= PIECE && !plait__feed_waits(req))
        plait__filters_write(req, piece);
    else
        (void)item_put(req, piece, NULL);
}

void plait__feed_file(struct plait_request *req, const struct plait_reply_range *range)
{
    if (!item_put(req, plait_slice_of(NULL, 0), range))
        range->released(range->ctx);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* In a pool thread. */
static plait_err read_piece(plait_value *value, void *arg)
{
    struct load *l = arg;
    value->num = 0;
    l->got = l->sys->ops->pread(l->sys, l->fd, l->bytes, l->len, l->offset);
    return PLAIT_OK;
}

static void let_go(void *arg)
{
    struct load *l = arg;
    if (--l->holders > 0)
        return;
    (void)l->sys->ops->close(l->sys, l->fd);
    plait_mem_free(l);
}

/* A piece of the first item's file is there: it goes on, or the answer breaks off. */
static void file_piece(struct plait__http_feed *f, const uint8_t *bytes, ssize_t got)
{
    struct plait_request *req = f->req;
    struct plait_reply_range *range = &f->first->range;
    if (got <= 0) {
        plait__http_break(req, got < 0 ? plait_err_from_errno((int)-got) : PLAIT_ETRUNCATED,
                          "a file could not be read");
        return;
    }
    range->offset += (uint64_t)got;
    range->bytes -= (uint64_t)got;
    const bool over = range->bytes == 0;
    plait__filters_write(req, plait_slice_of(bytes, (size_t)got));
    if (over)
        item_drop(f);
}

static void on_loaded(struct plait_result *result, void *ctx)
{
    struct load *l = ctx;
    struct plait__http_feed *f = l->feed;
    const ssize_t got = result->fault.err == PLAIT_OK ? l->got : -EIO;
    plait_result_set(result, plait_value_num(0));
    f->load = NULL;
    if (f->req->carrier)
        file_piece(f, l->bytes, got);
    plait_soon_queue(&f->soon);
    let_go(l);
}

/* Has a thread read the next piece; false where that can't begin. */
static bool load_begin(struct plait__http_feed *f, size_t len)
{
    struct plait_reactor *r = f->req->web->reactor;
    struct load *l = plait_mem_resize(plait_reactor_budget(r), NULL, sizeof(*l));
    if (!l)
        return false;
    *l = (struct load){.holders = 2, .feed = f, .sys = r->sys, .offset = (off_t)f->first->range.offset, .len = len};
    l->fd = r->sys->ops->fcntl(r->sys, f->first->range.fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0) {
        plait_mem_free(l);
        return false;
    }
    l->deferred = plait_in_thread(r, PLAIT_LANE_FILES, read_piece, l, let_go);
    if (plait_then(l->deferred, on_loaded, l) != PLAIT_OK) {
        let_go(l);
        return false;
    }
    f->load = l;
    return true;
}

/* Reads the next piece, in the loop only where it is in memory or nothing else is left. */
static void file_step(struct plait__http_feed *f)
{
    struct plait_reactor *r = f->req->web->reactor;
    const struct plait_reply_range *range = &f->first->range;
    const size_t len = range->bytes < PIECE ? (size_t)range->bytes : PIECE;
    if (!f->piece)
        f->piece = plait_mem_resize(plait_reactor_budget(r), NULL, PIECE);
    if (!f->piece) {
        plait__http_break(f->req, PLAIT_ENOMEM, "no memory for a piece of a file");
        return;
    }
    ssize_t got = r->sys->ops->pread_nowait(r->sys, range->fd, f->piece, len, (off_t)range->offset);
    if (got == -EAGAIN && load_begin(f, len))
        return;
    if (got == -EAGAIN || got == -EOPNOTSUPP)
        got = r->sys->ops->pread(r->sys, range->fd, f->piece, len, (off_t)range->offset);
    file_piece(f, f->piece, got);
}

/* --- going on ----------------------------------------------------------------------------------------------------- */

static void bytes_step(struct plait__http_feed *f)
{
    plait_slice *rest = &f->first->rest;
    const plait_slice piece = plait_slice_sub(*rest, 0, PIECE);
    *rest = plait_slice_sub(*rest, piece.len, rest->len);
    plait__filters_write(f->req, piece);
    if (f->first->rest.len == 0)
        item_drop(f);
}

/* Nothing waits any more. */
static void drained(struct plait__http_feed *f)
{
    if (f->ended)
        plait__filters_end(f->req);
    else if (f->room_fn)
        f->room_fn(f->req, f->room_ctx);
}

static void pump(void *ctx)
{
    struct plait__http_feed *f = ctx;
    struct plait_request *req = f->req;
    if (f->load)
        return;
    while (!req->carrier && f->first)
        item_drop(f);
    if (!f->first) {
        drained(f);
        return;
    }
    if (req->ops->is_full(req))
        return; /* room comes */
    if (f->first->range.fd < 0)
        bytes_step(f);
    else
        file_step(f);
    plait_soon_queue(&f->soon);
}

/* The client has left, or only closed its side. */
static void on_gone(struct plait_request *req, void *ctx)
{
    struct plait__http_feed *f = ctx;
    plait_request_gone(req, on_gone, f);
    if (!req->carrier)
        plait_soon_queue(&f->soon);
}

void plait__feed_end(struct plait_request *req)
{
    if (!plait__feed_waits(req)) {
        plait__filters_end(req);
        return;
    }
    req->feed->ended = true;
    plait_request_gone(req, on_gone, req->feed);
}

void plait__feed_free(struct plait_request *req)
{
    struct plait__http_feed *f = req->feed;
    req->feed = NULL;
    if (!f)
        return;
    plait_soon_cancel(&f->soon);
    while (f->first)
        item_drop(f);
    plait_mem_free(f->piece);
}
