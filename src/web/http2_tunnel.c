/* SPDX-License-Identifier: MIT
 *
 * A stream of HTTP/2 as what carries a stream of ours: DATA frames are its bytes, END_STREAM ends a side, RST_STREAM is
 * a reset (RFC 9113 section 8.5, RFC 8441 section 5). A server answers CONNECT with it: WebSockets and tunnels. A
 * client has its WebSockets on it.
 *
 * Output waits for the windows of HTTP/2 with the bodies of answers, in http2_body.c; input opens the stream's window
 * again as it is taken. Invariant: `st` and its `tunnel` name each other, or neither does; what is kept of the input
 * never exceeds the window. Test: tests/web/test_http2_tunnel.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"
#include "web/http2_core.h"

enum { STALL_S = 60 };

struct plait__h2_tunnel {
    struct plait_stream s;
    struct plait__carrier c;
    struct plait__h2_stream *st; /* NULL: it is gone, or goes on without us */
    struct plait_reactor *reactor;
    struct plait_soon soon;
    struct plait_buf kept; /* came, and was not wanted yet */
    size_t want;
    uint64_t received, sent;
    bool blocked; /* output waits for room */
    bool end_due; /* the peer's side ended */
    bool end_told;
    bool broken; /* `failed` was told */
    bool closing;
};

static struct plait__h2_tunnel *of(struct plait__carrier *c)
{
    return plait__container(c, struct plait__h2_tunnel, c);
}

static void part(struct plait__h2_tunnel *t)
{
    t->st->tunnel = NULL;
    t->st = NULL;
}

static plait_err fail(struct plait__h2_tunnel *t, plait_err err, const char *what)
{
    const struct plait_fault fault = plait_fault_make(err, what);
    plait_buf_deinit(&t->kept);
    if (!t->broken)
        t->c.up_ops->failed(t->c.up, &fault);
    t->broken = true;
    return PLAIT_FAIL(err);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

/* Opens the window for what was taken. */
static void taken(struct plait__h2_tunnel *t, size_t len)
{
    t->received += len;
    plait_buf_consume(&t->kept, len);
    if (!t->st)
        return;
    struct plait__h2_conn *conn = t->st->conn;
    plait__h2_must(conn, nghttp2_session_consume_stream(conn->session, t->st->id, len));
    plait__h2_touch(conn);
}

/* Tells what is wanted of what is kept, and at last the end. Each telling may change what is wanted. */
static void tell(struct plait__h2_tunnel *t)
{
    while (t->want > 0 && t->kept.len > 0 && !t->closing) {
        const size_t n = t->kept.len < t->want ? t->kept.len : t->want;
        t->c.up_ops->input(t->c.up, t->kept.ptr + t->kept.at, n);
        taken(t, n);
    }
    if (t->kept.len == 0)
        plait_buf_deinit(&t->kept);
    if (t->end_due && !t->end_told && !t->closing && t->kept.len == 0 && t->want > 0) {
        t->end_told = true;
        t->c.up_ops->input_end(t->c.up);
    }
}

void plait__h2_tunnel_data(struct plait__h2_tunnel *tunnel, plait_slice piece)
{
    plait_buf_put(&tunnel->kept, piece);
    plait_soon_queue(&tunnel->soon);
    if (!tunnel->kept.err)
        return;
    plait__h2_reset(tunnel->st, NGHTTP2_INTERNAL_ERROR);
    part(tunnel);
    (void)fail(tunnel, PLAIT_ENOMEM, "receive");
}

void plait__h2_tunnel_end(struct plait__h2_tunnel *tunnel)
{
    tunnel->end_due = true;
    plait_soon_queue(&tunnel->soon);
}

/* The later step: what is wanted now, or the end of all. */
static void step(void *ctx)
{
    struct plait__h2_tunnel *t = ctx;
    if (t->closing)
        t->c.up_ops->closed(t->c.up);
    else if (!t->broken)
        tell(t);
}

static void want_input(struct plait__carrier *c, size_t max)
{
    of(c)->want = max;
    plait_soon_queue(&of(c)->soon);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static plait_err output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct plait__h2_tunnel *t = of(c);
    struct iovec iov;
    if (!t->st) /* nobody listens any more */
        plait__chain_consume(chain, plait__chain_bytes(chain));
    while (t->st && !plait__chain_empty(chain) && !(t->st->flags & PLAIT__HS_FULL)) {
        if (plait__chain_gather(chain, &iov, 1) == 0)
            return PLAIT_OK; /* a file: it must be loaded first */
        const size_t n = iov.iov_len < PLAIT__H2_HIGH ? iov.iov_len : PLAIT__H2_HIGH;
        if (plait__h2_body_put(t->st, plait_slice_of(iov.iov_base, n)) != PLAIT_OK)
            return fail(t, PLAIT_ENOMEM, "send");
        plait__chain_consume(chain, n);
        t->sent += n;
    }
    t->blocked = !plait__chain_empty(chain);
    return PLAIT_OK;
}

void plait__h2_tunnel_room(struct plait__h2_tunnel *tunnel)
{
    if (!tunnel->blocked)
        return;
    tunnel->blocked = false;
    tunnel->c.up_ops->writable(tunnel->c.up);
}

static void shut(struct plait__carrier *c)
{
    if (of(c)->st)
        plait__h2_body_end(of(c)->st);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Both sides have ended, or the peer has reset the stream, or left. */
void plait__h2_tunnel_gone(struct plait__h2_tunnel *tunnel)
{
    const struct plait__h2_stream *st = tunnel->st;
    const bool ended = (st->flags & PLAIT__HS_ENDED) && (st->flags & PLAIT__HS_FINAL) && plait__chain_empty(&st->out);
    part(tunnel);
    if (ended)
        plait__h2_tunnel_room(tunnel);
    else
        (void)fail(tunnel, PLAIT_ERESET, "the stream of HTTP/2 was reset");
}

/* Nobody is left to read: what is said goes out, and then, or now where that has been, the peer hears that it talks
 * to nobody. The stream has ended our side before. */
static void end_well(struct plait__h2_stream *st)
{
    st->stall = plait_seconds(STALL_S);
    st->moved = plait_now(st->conn->web->reactor);
    if (st->flags & PLAIT__HS_SAID)
        plait__h2_reset(st, NGHTTP2_NO_ERROR);
}

static void close_it(struct plait__carrier *c, bool abort)
{
    struct plait__h2_tunnel *t = of(c);
    struct plait__h2_stream *st = t->st;
    t->closing = true;
    plait_soon_queue(&t->soon);
    if (!st)
        return;
    part(t);
    if (abort)
        plait__h2_reset(st, st->flags & PLAIT__HS_ASKS ? NGHTTP2_CANCEL : NGHTTP2_CONNECT_ERROR);
    else
        end_well(st);
}

/* --- what it can be asked ----------------------------------------------------------------------------------------- */

static void peer(struct plait__carrier *c, struct plait_address *out)
{
    memset(out, 0, sizeof *out);
    if (of(c)->st)
        plait_stream_peer(of(c)->st->conn->stream, out);
}

static void local(struct plait__carrier *c, struct plait_address *out)
{
    memset(out, 0, sizeof *out);
    if (of(c)->st)
        plait_stream_local(of(c)->st->conn->stream, out);
}

static const struct plait_tls_info *tls(struct plait__carrier *c)
{
    return of(c)->st ? plait_stream_tls(of(c)->st->conn->stream) : NULL;
}

static void counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    *in = of(c)->received;
    *out = of(c)->sent;
}

static void free_it(struct plait__carrier *c)
{
    plait__h2_tunnel_free(of(c));
}

static const struct plait__carrier_ops carrier_ops = {.name = "http2",
                                                      .want_input = want_input,
                                                      .output = output,
                                                      .shut = shut,
                                                      .close = close_it,
                                                      .peer = peer,
                                                      .local = local,
                                                      .tls = tls,
                                                      .counts = counts,
                                                      .free = free_it};

/* --- the beginning ------------------------------------------------------------------------------------------------ */

plait_err plait__h2_tunnel_new(struct plait__h2_stream *st, struct plait__h2_tunnel **out)
{
    struct plait_reactor *reactor = st->conn->web->reactor;
    struct plait__h2_tunnel *t = plait_mem_new(plait_reactor_budget(reactor), sizeof *t);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    t->reactor = reactor;
    t->c.ops = &carrier_ops;
    plait_soon_init(&t->soon, reactor, "http2 tunnel", step, t);
    plait_buf_init(&t->kept, plait_reactor_budget(reactor), st->conn->side->window);
    plait_buf_put(&t->kept, plait_buf_slice(&st->in));
    if (t->kept.err) {
        plait__h2_tunnel_free(t);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    *out = t;
    return PLAIT_OK;
}

void plait__h2_tunnel_free(struct plait__h2_tunnel *tunnel)
{
    plait_soon_cancel(&tunnel->soon);
    plait_buf_deinit(&tunnel->kept);
    plait_mem_free(tunnel);
}

/* How long a tunnel may be silent, or find no window, is its protocol's to judge. */
struct plait_stream *plait__h2_tunnel_begin(struct plait__h2_tunnel *tunnel, struct plait__h2_stream *st)
{
    tunnel->st = st;
    st->tunnel = tunnel;
    st->stall = PLAIT_NEVER;
    tunnel->end_due = st->flags & PLAIT__HS_ENDED;
    if (!tunnel->end_due)
        plait__h2_widen(st);
    plait__stream_init(tunnel->reactor, &tunnel->s, &tunnel->c, PLAIT__MEM_CARRIER);
    return &tunnel->s;
}
