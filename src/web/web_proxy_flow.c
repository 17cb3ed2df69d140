/* SPDX-License-Identifier: MIT
 *
 * A request on its way through a reverse proxy: an exchange with one of its origins after the other, until one has
 * answered, nothing more may be tried or the client has left. The client's body is read only when a connection has
 * taken the request, and as fast as the origin takes it; the answer's as fast as the client does.
 *
 * Invariant: an exchange belongs to one request, and is given up before that one ends, so that no byte of an answer can
 * reach another. What has begun towards the client is never tried again.
 * Test: tests/web/test_web_proxy.c, tests/web/test_web_proxy_ends.c, tests/sim/scenario_http.c.
 */
#include "base/try.h"
#include "web/web_proxy.h"

#include <limits.h>

enum { POOL_MAX = 256, HEAD_KEPT = 4096 };

static const struct plait__client_exchange_ops exchange_ops;

static struct plait__proxied *of(struct plait__client_exchange *x)
{
    return plait__container(x, struct plait__proxied, x);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_timer(void *ctx);

static struct plait__proxied *proxied_new(struct plait__proxy *p, struct plait_request *req)
{
    struct plait__proxied *x = p->pool;
    if (x) {
        p->pool = x->next_free;
        p->pooled--;
    } else {
        x = plait_mem_new(plait_reactor_budget(p->reactor), sizeof(*x));
        if (!x)
            return NULL;
        plait_buf_init(&x->head, plait_reactor_budget(p->reactor), PLAIT__PROXY_HEAD);
        plait_timer_init(&x->timer, p->reactor, "http proxy", on_timer, x);
        plait__list_init(&x->x.link);
        x->x.ops = &exchange_ops;
        x->proxy = p;
    }
    x->req = req;
    x->at = NULL;
    x->taken = x->reading = x->begun = false;
    x->x.fresh = false;
    x->tries = 0;
    x->tried = 0;
    return x;
}

void plait__proxied_free(struct plait__proxied *x)
{
    plait_buf_deinit(&x->head);
    plait_mem_free(x);
}

/* The exchange is no more; the request is the caller's. */
static struct plait_request *part(struct plait__proxied *x)
{
    struct plait__proxy *p = x->proxy;
    struct plait_request *req = x->req;
    plait__pool_leave(&x->x);
    plait_timer_stop(&x->timer);
    if (x->at)
        x->at->active--;
    plait_request_gone(req, NULL, NULL);
    plait_reply_room(req, NULL, NULL);
    if (x->head.cap > HEAD_KEPT)
        plait_buf_deinit(&x->head);
    if (p->pooled == POOL_MAX) {
        plait__proxied_free(x);
        return req;
    }
    x->next_free = p->pool;
    p->pool = x;
    p->pooled++;
    return req;
}

/* Ends what has begun, or answers with an error page. */
static void refuse(struct plait__proxied *x, int status, const char *detail)
{
    const bool begun = x->begun;
    struct plait_request *req = part(x);
    if (begun) {
        plait_request_drop(req);
        return;
    }
    if (status == 503)
        (void)plait_reply_field(req, "Retry-After", PLAIT_LIT("1"));
    plait_reply_error(req, status, detail);
}

/* RFC 9110 sections 15.6.3 to 15.6.5 */
static void refuse_for(struct plait__proxied *x, plait_err err)
{
    switch (plait_err_class_of(err)) {
    case PLAIT_CLASS_TIMEOUT:
        refuse(x, 504, "The server behind this one took too long to answer.");
        break;
    case PLAIT_CLASS_NOMEM:
        refuse(x, 503, NULL);
        break;
    case PLAIT_CLASS_LIMIT:
        refuse(x, err == PLAIT_ETOOLONG ? 502 : 503, NULL);
        break;
    default:
        if (err == PLAIT_EFORBIDDEN && x->proxy->forward)
            refuse(x, 403, "This proxy does not go there.");
        else
            refuse(x, err == PLAIT_ENETTIMEDOUT ? 504 : 502, "The server behind this one gave no answer.");
        break;
    }
}

/* The client has left, or only closed its own side. */
static void on_gone(struct plait_request *req, void *ctx)
{
    struct plait__proxied *x = ctx;
    if (req->carrier && x->proxy->options.half_closed)
        plait_request_gone(req, on_gone, x);
    else
        plait_request_drop(part(x));
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* When what is waited for is too late. */
static plait_time due_of(const struct plait__proxied *x)
{
    return x->span > PLAIT_NEVER - x->since ? PLAIT_NEVER : x->since + x->span;
}

/* Waits for something, no longer than a span. The timer runs on when it would fire before: on_timer sees to the
 * rest. */
static void wait_for(struct plait__proxied *x, enum plait__proxy_wait what, plait_span span)
{
    x->waits = (uint8_t)what;
    x->span = span;
    x->since = plait_now(x->proxy->reactor);
    const plait_time due = due_of(x);
    if (due < x->timer.due)
        plait_timer_arm_at(&x->timer, due);
}

static void read_body(struct plait__proxied *x);
static void fail(struct plait__proxied *x, plait_err err, bool stale);

/* Whether it is the origin that is waited for, and for long enough. */
static bool is_late(struct plait__proxied *x)
{
    const struct plait__client_conn *c = x->x.conn;
    if (x->waits == PLAIT__PROXY_SEND)
        return false; /* the client's pace is our server's matter, the origin's the stream's */
    if (x->waits == PLAIT__PROXY_FIRST && c->ops->sending(&x->x))
        return false;
    if (x->waits == PLAIT__PROXY_BODY && (x->x.paused || !x->x.sent))
        return false;
    return true;
}

static void on_timer(void *ctx)
{
    struct plait__proxied *x = ctx;
    const plait_time due = due_of(x);
    if (due > plait_now(x->proxy->reactor)) {
        if (due != PLAIT_NEVER)
            plait_timer_arm_at(&x->timer, due);
        return;
    }
    if (!is_late(x)) {
        wait_for(x, (enum plait__proxy_wait)x->waits, x->span);
        return;
    }
    if (x->waits == PLAIT__PROXY_GO) {
        read_body(x);
        return;
    }
    if (x->waits == PLAIT__PROXY_FIRST)
        plait__proxy_failed(x->at);
    refuse_for(x, x->waits == PLAIT__PROXY_LINE && x->x.making == NULL ? PLAIT_ELIMIT : PLAIT_ETIMEDOUT);
}

/* --- trying ------------------------------------------------------------------------------------------------------- */

/* RFC 9110 section 9.2.2 */
static bool is_idempotent(plait_slice method)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (plait_slice_equal(method, plait_slice_text(names[i])))
            return true;
    }
    return false;
}

static void write_head(struct plait__proxied *x)
{
    const uint64_t length = plait_request_length(x->req);
    x->chunked = length == PLAIT_LENGTH_UNKNOWN;
    const struct plait__proxy_text text = {x->at, x->upgrade, x->chunked};
    plait_buf_clear(&x->head);
    plait__proxy_put_request(&x->head, x->req, &text);
    x->x.request = plait_buf_slice(&x->head);
    x->x.body = plait_slice_of(NULL, 0);
    x->x.sent = length == 0;
    x->x.only_head = x->req->head_only;
    x->x.stall = x->proxy->options.times.send;
    x->x.upgrades = x->upgrade[0] != '\0';
}

/* Turns to the next origin; to the same one again where all have been tried. */
static void choose(struct plait__proxied *x)
{
    struct plait__proxy *p = x->proxy;
    struct plait__proxy_origin *o = plait__proxy_choose(p, x->tried);
    if (x->at)
        x->at->active--;
    x->at = o ? o : x->at;
    x->at->active++;
    x->tried |= (uint64_t)1 << (x->at - p->origin);
}

/* Queues the exchange where it goes. */
static plait_err enter(struct plait__proxied *x)
{
    char text[PLAIT__HTTP1_TARGET_MAX + 16];
    struct plait_url url;
    if (!x->proxy->forward)
        return plait__pool_enter_at(x->at->pin, &x->x);
    const plait_slice host = x->req->host;
    memcpy(text, "http://", 7);
    memcpy(text + 7, host.ptr, host.len);
    if (plait_url_parse(plait_slice_of(text, 7 + host.len), &url) != PLAIT_OK)
        return PLAIT_FAIL(PLAIT_ESYNTAX); /* a port that is none */
    return plait__pool_enter(x->proxy->client, &x->x, &url);
}

static void try_it(struct plait__proxied *x)
{
    choose(x);
    write_head(x);
    if (x->head.err) {
        refuse_for(x, x->head.err);
        return;
    }
    x->taken = false;
    x->x.connect = x->at->connect;
    wait_for(x, PLAIT__PROXY_LINE, x->proxy->options.times.wait);
    const plait_err err = enter(x);
    if (err)
        refuse_for(x, err);
}

/* Whether the request may be sent once more: the client has nothing of an answer, its body is where it was, and the
 * origin got nothing of it, or doing it twice is no harm. */
static bool may_try(const struct plait__proxied *x, plait_err err)
{
    const bool repeats = !x->taken || is_idempotent(plait_request_method(x->req));
    const enum plait_err_class class = plait_err_class_of(err);
    if (x->begun || x->reading || !repeats || err == PLAIT_EFORBIDDEN || x->proxy->reactor->freeing)
        return false;
    return class == PLAIT_CLASS_IO || class == PLAIT_CLASS_REFUSED || class == PLAIT_CLASS_PEER ||
           (class == PLAIT_CLASS_TIMEOUT && !x->taken);
}

/* Whether an error says something about the origin. */
static bool blames(plait_err err)
{
    const enum plait_err_class class = plait_err_class_of(err);
    return class == PLAIT_CLASS_IO || class == PLAIT_CLASS_REFUSED || class == PLAIT_CLASS_PEER ||
           class == PLAIT_CLASS_TIMEOUT;
}

/* A kept connection that turned out to be closed says nothing about its origin, and is no try. */
static void fail(struct plait__proxied *x, plait_err err, bool stale)
{
    if (!stale && blames(err))
        plait__proxy_failed(x->at);
    if (!may_try(x, err) || (!stale && x->tries == x->proxy->options.retries)) {
        refuse_for(x, err);
        return;
    }
    if (stale)
        x->tried &= ~((uint64_t)1 << (x->at - x->proxy->origin)); /* which is as good as before */
    else
        x->tries++;
    x->x.fresh = true;
    try_it(x);
}

/* --- the client's body -------------------------------------------------------------------------------------------- */

static void on_client_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    struct plait__proxied *x = ctx;
    const struct plait__client_conn *c = x->x.conn;
    if (piece.len > 0)
        c->ops->write(&x->x, piece, x->chunked);
    if (end) {
        c->ops->write_end(&x->x, x->chunked);
        x->x.sent = true;
        wait_for(x, x->begun ? PLAIT__PROXY_BODY : PLAIT__PROXY_FIRST,
                 x->begun ? x->proxy->options.idle : x->proxy->options.times.first_byte);
    } else if (c->ops->full(&x->x)) {
        plait_request_pause(req);
    }
}

static void read_body(struct plait__proxied *x)
{
    x->reading = true;
    wait_for(x, PLAIT__PROXY_SEND, x->proxy->options.idle);
    if (plait_request_body(x->req, on_client_piece, x) != PLAIT_OK)
        refuse(x, 500, NULL); /* a layer has read it */
}

/* --- what the connection tells ------------------------------------------------------------------------------------ */

static void on_taken(struct plait__client_exchange *exchange)
{
    struct plait__proxied *x = of(exchange);
    x->taken = true;
    if (x->x.sent)
        wait_for(x, PLAIT__PROXY_FIRST, x->proxy->options.times.first_byte);
    else if (x->req->continue_due)
        wait_for(x, PLAIT__PROXY_GO, x->proxy->options.times.go_ahead);
    else
        read_body(x);
}

static void on_room(struct plait__client_exchange *exchange)
{
    struct plait__proxied *x = of(exchange);
    if (x->reading && !x->x.sent)
        plait_request_resume(x->req);
}

/* Passes an interim answer on; 100 is our own server's, who sends it when the body is read. */
static void on_interim(struct plait__client_exchange *exchange, const uint8_t *base)
{
    struct plait__proxied *x = of(exchange);
    const struct plait__http1_head *head = &exchange->head;
    if (head->status == 100) {
        if (x->waits == PLAIT__PROXY_GO)
            read_body(x);
        return;
    }
    if (head->status == 103) {
        const plait_slice link = plait__http1_head_field(head, base, PLAIT_LIT("link"));
        if (link.len > 0)
            (void)plait_reply_early_hints(x->req, link); /* a hint is no more than that */
    }
    x->since = plait_now(x->proxy->reactor);
}

static uint64_t body_length(const struct plait__client_exchange *x)
{
    if (x->framing == PLAIT__HTTP1_LENGTH)
        return x->head.length;
    if (x->framing == PLAIT__HTTP1_NO_BODY && (x->head.has_length || !x->only_head))
        return x->head.length;
    return PLAIT_LENGTH_UNKNOWN;
}

static void on_client_room(struct plait_request *req, void *ctx)
{
    struct plait__proxied *x = ctx;
    (void)req;
    x->x.paused = false;
    wait_for(x, PLAIT__PROXY_BODY, x->proxy->options.idle);
    x->x.conn->ops->pause(x->x.conn, &x->x);
}

static void on_head(struct plait__client_exchange *exchange, const uint8_t *base)
{
    struct plait__proxied *x = of(exchange);
    const char *type;
    plait__proxy_well(x->at);
    if (exchange->head.status > 599) {
        refuse(x, 502, NULL);
        return;
    }
    const plait_err err = plait__proxy_take_fields(x->req, &exchange->head, base, x->proxy->via, &type);
    if (err) {
        plait_buf_clear(&x->req->fields);
        refuse(x, err == PLAIT_ENOMEM ? 503 : 502, NULL);
        return;
    }
    x->begun = true;
    if (x->x.sent)
        wait_for(x, PLAIT__PROXY_BODY, x->proxy->options.idle);
    plait_reply_begin(x->req, exchange->head.status, type, body_length(exchange));
    plait_reply_room(x->req, on_client_room, x);
}

static void on_piece(struct plait__client_exchange *exchange, plait_slice piece)
{
    struct plait__proxied *x = of(exchange);
    struct plait_request *req = x->req;
    x->since = plait_now(x->proxy->reactor);
    plait_reply_write(req, piece);
    if (!req->carrier) {
        plait_request_drop(part(x));
        return;
    }
    if (exchange->paused || !plait_reply_is_full(req))
        return;
    exchange->paused = true;
    exchange->conn->ops->pause(exchange->conn, exchange);
}

static void on_end(struct plait__client_exchange *exchange)
{
    plait_reply_end(part(of(exchange)));
}

static void on_failed(struct plait__client_exchange *exchange, const struct plait_fault *fault,
                      enum plait__client_again again)
{
    fail(of(exchange), fault->err, again == PLAIT__AGAIN_STALE);
}

/* --- another protocol --------------------------------------------------------------------------------------------- */

static void tunnel_over(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_set(result, plait_value_num(0)); /* either side may end it in any way */
}

/* The fields of the origin's 101 go to the client (a handshake's answer is among them), and then only bytes. */
static void on_upgraded(struct plait__client_exchange *exchange, struct plait_stream *s, const uint8_t *base)
{
    struct plait__proxied *x = of(exchange);
    const plait_span idle = x->proxy->options.tunnel_idle;
    char protocol[PLAIT__PROXY_NAME];
    const char *type;
    struct plait_stream *client;
    memcpy(protocol, x->upgrade, sizeof(protocol));
    plait__proxy_well(x->at);
    plait_err err = plait__proxy_take_fields(x->req, &exchange->head, base, x->proxy->via, &type);
    struct plait_request *req = part(x);
    if (!err)
        err = plait_request_upgrade(req, protocol, &client);
    if (err) {
        plait_abort(s);
        plait_request_drop(req);
        return;
    }
    struct plait_deferred *over = plait_pipe_idle(client, s, true, idle);
    if (over && plait_then(over, tunnel_over, NULL) == PLAIT_OK)
        return;
    plait_abort(client);
    plait_abort(s);
}

static const struct plait__client_exchange_ops exchange_ops = {.interim = on_interim,
                                                               .upgraded = on_upgraded,
                                                               .head = on_head,
                                                               .data = on_piece,
                                                               .end = on_end,
                                                               .failed = on_failed,
                                                               .taken = on_taken,
                                                               .room = on_room};

/* --- beginning ---------------------------------------------------------------------------------------------------- */

void plait__proxy_pass(struct plait__proxy *p, struct plait_request *req)
{
    struct plait__proxied *x = proxied_new(p, req);
    if (!x) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    x->upgrade[0] = '\0';
    if (p->upgrades[0] && plait_request_length(req) == 0)
        plait__proxy_find_upgrade(req, p->upgrades, x->upgrade);
    plait_request_gone(req, on_gone, x);
    try_it(x);
}
