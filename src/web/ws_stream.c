/* SPDX-License-Identifier: MIT
 *
 * A WebSocket as what carries a stream: the stream's output goes as binary messages, and what comes in messages of any
 * kind is its input. A close frame is the end of a side: the peer's ends the input, ours follows the output.
 *
 * Since a peer answers a close frame at once, neither side goes on for long once the other has ended: what is written
 * after the peer's end fails. Invariant: input is told only as wanted; what is not is kept, and the WebSocket paused.
 * Test: tests/web/test_ws_stream.c.
 */
#include "base/try.h"
#include "engine/connect_core.h"
#include "web/ws_core.h"

enum { MESSAGE = 65536 };

struct plait__ws_carrier {
    struct plait_stream s;
    struct plait__carrier c;
    struct plait_websocket *ws; /* NULL: lost */
    struct plait_reactor *reactor;
    struct plait__offer *offer; /* until it is a deferred's value */
    struct plait_soon soon;
    struct plait_buf kept; /* came, and was not wanted yet */
    size_t want;
    uint64_t received, sent;
    bool blocked; /* output waits for room */
    bool end_due; /* the peer's side ended */
    bool end_told;
    bool telling; /* input is being told */
    bool closing;
};

static struct plait__ws_carrier *of(struct plait__carrier *c)
{
    return plait__container(c, struct plait__ws_carrier, c);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

/* Tells what is wanted of what is kept, and at last the end. */
static void tell(struct plait__ws_carrier *x)
{
    x->telling = true;
    while (x->want > 0 && x->kept.len > 0 && !x->closing) {
        const size_t n = x->kept.len < x->want ? x->kept.len : x->want;
        x->received += n;
        x->c.up_ops->input(x->c.up, x->kept.ptr + x->kept.at, n);
        plait_buf_consume(&x->kept, n);
    }
    x->telling = false;
    if (x->kept.len == 0)
        plait_buf_deinit(&x->kept);
    if (x->end_due && !x->end_told && !x->closing && x->kept.len == 0 && x->want > 0) {
        x->end_told = true;
        x->c.up_ops->input_end(x->c.up);
    }
    const bool hold = x->want == 0 || x->kept.len > 0;
    if (x->ws && !x->closing && hold != x->ws->paused)
        (hold ? plait_websocket_pause : plait_websocket_resume)(x->ws);
}

static void on_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                     void *self)
{
    struct plait__ws_carrier *x = self;
    (void)ws;
    (void)kind;
    (void)end;
    plait_buf_put(&x->kept, piece);
    if (x->kept.err)
        plait_abort_with(ws->stream, x->kept.err, "no memory for a WebSocket's bytes");
    else
        tell(x);
}

static void on_closing(struct plait_websocket *ws, unsigned code, plait_slice reason, void *self)
{
    struct plait__ws_carrier *x = self;
    (void)ws;
    (void)code;
    (void)reason;
    x->end_due = true;
    tell(x);
}

static void on_room(struct plait_websocket *ws, void *self)
{
    struct plait__ws_carrier *x = self;
    (void)ws;
    if (!x->blocked)
        return;
    x->blocked = false;
    x->c.up_ops->writable(x->c.up);
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct plait__ws_carrier *x = self;
    struct plait_fault copy = *fault;
    (void)ws;
    x->ws = NULL;
    if (x->blocked || (fault->err != PLAIT_OK && fault->err != PLAIT_EEOF)) {
        copy.err = fault->err == PLAIT_OK || fault->err == PLAIT_EEOF ? PLAIT_EPIPE : fault->err;
        x->c.up_ops->failed(x->c.up, &copy);
        return;
    }
    x->end_due = true;
    tell(x);
}

const struct plait_websocket_handler plait__ws_carrier_handler = {
    .name = "websocket stream", .piece = on_piece, .room = on_room, .closing = on_closing, .lost = on_lost};

/* The stream has gone, and the close handshake goes on without it. */
static const struct plait_websocket_handler nobody = {.name = "websocket stream, gone"};

/* The later step: what is wanted now, or the end of all. */
static void step(void *ctx)
{
    struct plait__ws_carrier *x = ctx;
    if (x->closing)
        x->c.up_ops->closed(x->c.up);
    else
        tell(x);
}

static void want_input(struct plait__carrier *c, size_t max)
{
    struct plait__ws_carrier *x = of(c);
    x->want = max;
    if (!x->telling)
        plait_soon_queue(&x->soon);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static plait_err broken(struct plait__ws_carrier *x)
{
    const struct plait_fault fault = plait_fault_make(PLAIT_EPIPE, "send");
    x->c.up_ops->failed(x->c.up, &fault);
    return PLAIT_FAIL(PLAIT_EPIPE);
}

static plait_err output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct plait__ws_carrier *x = of(c);
    struct iovec iov;
    while (!plait__chain_empty(chain) && x->ws && !plait_websocket_is_full(x->ws)) {
        if (plait__chain_gather(chain, &iov, 1) == 0)
            return PLAIT_OK; /* a file: it must be loaded first */
        const size_t n = iov.iov_len < MESSAGE ? iov.iov_len : MESSAGE;
        if (plait_websocket_send(x->ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(iov.iov_base, n)) != PLAIT_OK)
            return broken(x);
        plait__chain_consume(chain, n);
        x->sent += n;
    }
    if (!x->ws && !plait__chain_empty(chain))
        return broken(x);
    x->blocked = !plait__chain_empty(chain);
    return PLAIT_OK;
}

static void say_end(struct plait__ws_carrier *x)
{
    if (x->ws)
        (void)plait_websocket_close(x->ws, 1000, plait_slice_of(NULL, 0));
}

static void shut(struct plait__carrier *c)
{
    say_end(of(c));
}

static void close_it(struct plait__carrier *c, bool abort)
{
    struct plait__ws_carrier *x = of(c);
    struct plait_websocket *ws = x->ws;
    if (!abort)
        say_end(x);
    x->closing = true;
    x->ws = NULL;
    if (ws) {
        ws->handler = &nobody;
        ws->self = NULL;
        ws->hears_out = false;
        plait_websocket_resume(ws);
        if (abort)
            plait_websocket_abort(ws);
    }
    plait_soon_queue(&x->soon);
}

/* --- what it can be asked ----------------------------------------------------------------------------------------- */

static void peer(struct plait__carrier *c, struct plait_address *out)
{
    memset(out, 0, sizeof *out);
    if (of(c)->ws)
        plait_stream_peer(of(c)->ws->stream, out);
}

static void local(struct plait__carrier *c, struct plait_address *out)
{
    memset(out, 0, sizeof *out);
    if (of(c)->ws)
        plait_stream_local(of(c)->ws->stream, out);
}

static const struct plait_tls_info *tls(struct plait__carrier *c)
{
    return of(c)->ws ? plait_stream_tls(of(c)->ws->stream) : NULL;
}

static void counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    *in = of(c)->received;
    *out = of(c)->sent;
}

static void free_it(struct plait__carrier *c)
{
    plait__ws_carrier_drop(of(c));
}

static const struct plait__carrier_ops carrier_ops = {.name = "websocket",
                                                      .want_input = want_input,
                                                      .output = output,
                                                      .shut = shut,
                                                      .close = close_it,
                                                      .peer = peer,
                                                      .local = local,
                                                      .tls = tls,
                                                      .counts = counts,
                                                      .free = free_it};

/* --- the beginning and the end ------------------------------------------------------------------------------------ */

struct plait__ws_carrier *plait__ws_carrier_new(struct plait_reactor *reactor, bool offered)
{
    struct plait__ws_carrier *x = plait_mem_new(plait_reactor_budget(reactor), sizeof *x);
    struct plait__offer *offer = x && offered ? plait__offer_new(reactor) : NULL;
    if (!x || (offered && !offer)) {
        plait_mem_free(x);
        return NULL;
    }
    x->reactor = reactor;
    x->offer = offer;
    x->c.ops = &carrier_ops;
    plait_soon_init(&x->soon, reactor, "websocket stream", step, x);
    return x;
}

void plait__ws_carrier_drop(struct plait__ws_carrier *carrier)
{
    if (!carrier)
        return;
    plait__offer_free(&carrier->offer);
    plait_soon_cancel(&carrier->soon);
    plait_buf_deinit(&carrier->kept);
    plait_mem_free(carrier);
}

struct plait_stream *plait__ws_carrier_stream(struct plait__ws_carrier *carrier, struct plait_websocket *ws)
{
    carrier->ws = ws;
    ws->hears_out = true;
    plait__stream_init(carrier->reactor, &carrier->s, &carrier->c, PLAIT__MEM_CARRIER);
    plait_buf_init(&carrier->kept, &carrier->s.budget, SIZE_MAX / 2);
    plait_websocket_pause(ws); /* until the stream wants something */
    return &carrier->s;
}

void plait__ws_carrier_fire(struct plait__ws_carrier *carrier, struct plait_websocket *ws, struct plait_deferred *d)
{
    struct plait__offer *offer = carrier->offer;
    carrier->offer = NULL;
    plait__offer_fire(offer, plait__ws_carrier_stream(carrier, ws), d);
}
