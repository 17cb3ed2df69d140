/* SPDX-License-Identifier: MIT
 *
 * Opening a WebSocket (RFC 6455 section 4.1): connecting, the request, and judging the answer, which must be ours to
 * the letter. The request's text is the client's (http_client_text.c); redirects are not followed. Where there is an
 * HTTP client, the request is an exchange of its, over HTTP/2 too (RFC 8441, http2_ask.c); else it goes over a
 * connection of its own.
 *
 * Invariant: a dial is connecting, or has a stream, or its exchange is in the client's hands, or it is over; it fires
 * exactly once. The handler hears nothing of a dial that failed. Tests: tests/web/test_ws_client.c,
 * tests/web/test_http2_ask.c.
 */
#include "base/try.h"
#include "web/http_client_core.h"
#include "web/ws_core.h"

#include <plait/tls.h>

#include <openssl/evp.h>

enum { TIMEOUT_S = 30, STALL_S = 60, AGAIN_MAX = 5 };

struct dial {
    struct plait_reactor *reactor;
    struct plait_deferred *deferred;   /* what the caller waits for */
    struct plait_deferred *connecting; /* NULL once there is a stream */
    struct plait_stream *stream;
    struct plait_websocket_options options;
    const struct plait_websocket_handler *handler;
    void *self;
    struct plait__ws_carrier *carrier; /* `self`, where a stream is wanted */
    struct plait_timer timer;
    struct plait__fetch_text text;
    struct plait__ws_agreed agreed;
    bool timed_out;
    uint8_t interim, again;
    char key[PLAIT__WS_KEY + 1];
    struct plait__list link; /* client's dials */
    struct plait_soon begin; /* the next exchange */
    struct plait__client_exchange x;
};

/* --- the end ---------------------------------------------------------------------------------------------------- */

static const struct plait_protocol done_protocol = {.name = "websocket dial, done"};

static void dial_free(struct dial *d)
{
    plait_timer_stop(&d->timer);
    plait_soon_cancel(&d->begin);
    plait__pool_leave(&d->x);
    plait__list_remove(&d->link);
    plait_buf_deinit(&d->x.trailers);
    plait__fetch_text_deinit(&d->text);
    plait_tls_client_unref(&d->options.connect.tls);
    plait_target_rules_unref(&d->options.connect.targets);
    plait__ws_carrier_drop(d->carrier);
    plait_mem_free(d);
}

static void fail(struct dial *d, struct plait_fault fault)
{
    if (d->timed_out)
        fault = plait_fault_make(PLAIT_ETIMEDOUT, "websocket");
    fault.peer = NULL; /* it goes with the connection */
    if (d->stream) {
        plait_stream_attach(d->stream, &done_protocol, NULL);
        plait_abort(d->stream);
    }
    plait_fire_fault(d->deferred, fault);
    dial_free(d);
}

static void fail_with(struct dial *d, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "websocket");
    fault.detail = detail;
    fail(d, fault);
}

static void succeed(struct dial *d)
{
    struct plait_stream *s = d->stream;
    plait_stream_attach(s, &done_protocol, NULL); /* in case there is no memory for more */
    d->agreed.options = &d->options;
    d->agreed.client = true;
    struct plait_websocket *ws = plait__ws_new(s, &d->agreed, d->handler, d->self);
    d->stream = NULL;
    if (!ws) {
        fail_with(d, PLAIT_ENOMEM, NULL);
        return;
    }
    struct plait__ws_carrier *carrier = d->carrier;
    d->carrier = NULL;
    if (carrier)
        plait__ws_carrier_fire(carrier, ws, d->deferred);
    else
        plait_fire(d->deferred, plait_value_ptr(ws, NULL));
    dial_free(d);
}

/* --- judging the answer: each gives what is wrong, or NULL -------------------------------------------------------- */

static bool is_listed(const char *const *texts, plait_slice text, const char **out)
{
    for (; texts && *texts; texts++) {
        if (plait_slice_equal(plait_slice_text(*texts), text)) {
            *out = *texts;
            return true;
        }
    }
    return false;
}

/* What of an answer must come once. */
struct answer {
    bool upgrade, connection, accept;
    unsigned protocols, accepts;
};

static const char *judge_field(struct dial *d, plait_slice name, plait_slice value, struct answer *a)
{
    const struct plait__ws_wish wish = plait__ws_wish_of(&d->options);
    char accept[PLAIT__WS_ACCEPT];
    if (plait_slice_equal_nocase(name, PLAIT_LIT("Upgrade"))) {
        a->upgrade |= plait_slice_equal_nocase(value, PLAIT_LIT("websocket"));
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("Connection"))) {
        a->connection |= plait__http1_list_has(value, PLAIT_LIT("upgrade"));
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("Sec-WebSocket-Accept"))) {
        a->accepts++;
        a->accept = plait__ws_accept_of(plait_slice_text(d->key), accept) == PLAIT_OK &&
                    plait_slice_equal(value, plait_slice_of(accept, sizeof accept));
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("Sec-WebSocket-Protocol"))) {
        if (a->protocols++ || !is_listed(d->options.protocols, value, &d->agreed.protocol))
            return "the server chose a subprotocol that was not offered";
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("Sec-WebSocket-Extensions"))) {
        if (!plait__ws_judge_answer(value, d->options.no_deflate ? NULL : &wish, &d->agreed.deflate))
            return "the server chose an extension that was not offered";
    }
    return NULL;
}

/* Over HTTP/2 the answer's status is what Upgrade, Connection and Sec-WebSocket-Accept say in HTTP/1. */
static const char *judge(struct dial *d, const uint8_t *base)
{
    struct answer a = {.upgrade = false};
    for (size_t i = 0; i < d->x.head.count; i++) {
        const struct plait__http1_field *f = &d->x.head.field[i];
        const char *wrong = judge_field(d, plait_slice_of(base + f->name, f->name_len),
                                        plait_slice_of(base + f->value, f->value_len), &a);
        if (wrong)
            return wrong;
    }
    if (d->x.spoken == 20)
        return NULL;
    if (!a.upgrade || !a.connection)
        return "the server switched to another protocol";
    return a.accept && a.accepts == 1 ? NULL : "the server's Sec-WebSocket-Accept is not the answer to our key";
}

static void take_yes(struct dial *d, const uint8_t *base)
{
    const char *wrong = judge(d, base);
    if (wrong)
        fail_with(d, PLAIT_EPROTOCOL, wrong);
    else
        succeed(d);
}

/* A head is complete. Returns whether the dial goes on with the next. */
static bool take_head(struct dial *d, const uint8_t *base)
{
    const int status = d->x.head.status;
    if (status == 101) {
        take_yes(d, base);
        return false;
    }
    if (status >= 200) {
        fail_with(d, PLAIT_EREPLY, plait_http_reason(status));
        return false;
    }
    if (d->interim++ == PLAIT__INTERIM_MAX) {
        fail_with(d, PLAIT_EPROTOCOL, "too many interim responses");
        return false;
    }
    plait__http1_head_init(&d->x.head, true);
    return true;
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct dial *d = self;
    size_t used = 0;
    (void)s;
    for (bool goes_on = true; goes_on;) {
        const plait_slice rest = plait_slice_sub(in, used, in.len);
        const enum plait__http1_step step = plait__http1_head_read(&d->x.head, rest);
        if (step == PLAIT__HTTP1_MORE)
            break;
        if (step == PLAIT__HTTP1_BAD) {
            fail_with(d, d->x.head.status == 431 ? PLAIT_ETOOLONG : PLAIT_EMALFORMED, "the answer is malformed");
            break;
        }
        used += d->x.head.at;
        goes_on = take_head(d, rest.ptr);
    }
    return used;
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)s;
    (void)rest;
    fail_with(self, PLAIT_ETRUNCATED, "the server closed without an answer");
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct dial *d = self;
    struct plait_fault copy = *fault;
    (void)s;
    d->stream = NULL;
    if (copy.err == PLAIT_OK)
        copy.err = PLAIT_EDRAINING; /* our own side closed it */
    fail(d, copy);
}

static const struct plait_protocol dial_protocol = {
    .name = "websocket dial", .data = on_data, .eof = on_eof, .lost = on_lost};

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void dial_cancel(struct plait_deferred *deferred, void *ctx)
{
    struct dial *d = ctx;
    (void)deferred;
    if (d->connecting)
        plait_deferred_cancel(d->connecting);
    else if (d->stream)
        plait_abort_with(d->stream, PLAIT_ECANCELLED, NULL);
    else
        fail_with(d, PLAIT_ECANCELLED, NULL);
}

static void on_timer(void *ctx)
{
    struct dial *d = ctx;
    d->timed_out = true;
    dial_cancel(NULL, d);
}

static void on_connected(struct plait_result *result, void *ctx)
{
    struct dial *d = ctx;
    d->connecting = NULL;
    if (result->fault.err) {
        const struct plait_fault fault = result->fault;
        plait_result_set(result, plait_value_num(0));
        fail(d, fault);
        return;
    }
    d->stream = plait_result_take(result).ptr;
    plait__http1_head_init(&d->x.head, true);
    plait_stream_attach(d->stream, &dial_protocol, d);
    plait_write(d->stream, plait_buf_slice(&d->text.head));
}

/* What the options say of connecting, with what the URL says. */
static plait_err choose_way(const struct dial *d, struct plait_connect_options *connect)
{
    *connect = d->options.connect;
    connect->server_name = NULL;
    connect->preface = plait_slice_of(NULL, 0);
    connect->alpn = plait_slice_of(NULL, 0);
    if (!d->text.secure)
        connect->tls = NULL;
    else if (!connect->tls)
        PLAIT_TRY(plait__web_tls(d->reactor, &connect->tls));
    return PLAIT_OK;
}

static plait_err connect_url(struct dial *d)
{
    struct plait_connect_options connect;
    const struct plait_url *url = &d->text.parsed;
    PLAIT_TRY(choose_way(d, &connect));
    if (d->text.secure)
        connect.alpn = PLAIT_LIT("\x08http/1.1");
    d->connecting = plait_connect_host(d->reactor, url->host, plait_url_port(url), &connect);
    PLAIT_TRY(plait_then(d->connecting, on_connected, d));
    return PLAIT_OK;
}

/* --- over a client's connections ---------------------------------------------------------------------------------- */

/* Who sends the request may have written in it, so each exchange gets it anew. */
static plait_err enter_pool(struct dial *d)
{
    PLAIT_TRY(plait__fetch_text_write(&d->text)); /* unseen: it was written before, and is as long */
    PLAIT_TRY(choose_way(d, &d->x.connect));
    d->x.request = plait_buf_slice(&d->text.head);
    PLAIT_TRY(plait__pool_enter(d->options.client, &d->x, &d->text.parsed));
    return PLAIT_OK;
}

static void on_begin(void *ctx)
{
    struct dial *d = ctx;
    const plait_err err = enter_pool(d);
    if (err)
        fail_with(d, err, err == PLAIT_ELIMIT ? "too many fetches wait for a connection" : NULL);
}

static struct dial *of(struct plait__client_exchange *x)
{
    return plait__container(x, struct dial, x);
}

static void on_upgraded(struct plait__client_exchange *x, struct plait_stream *s, const uint8_t *base)
{
    of(x)->stream = s;
    take_yes(of(x), base);
}

/* An answer that is no WebSocket; nobody reads its body. */
static void on_refused(struct plait__client_exchange *x, const uint8_t *base)
{
    (void)base;
    fail_with(of(x), PLAIT_EREPLY, plait_http_reason(x->head.status));
}

/* Whether the request goes once more. */
static bool goes_again(struct dial *d, enum plait__client_again again)
{
    if (again == PLAIT__AGAIN_NOT || d->reactor->freeing || d->again++ == AGAIN_MAX)
        return false;
    d->x.fresh |= again == PLAIT__AGAIN_STALE;
    if (again != PLAIT__AGAIN_HTTP1)
        return true;
    const bool may = d->x.version == PLAIT_HTTP_ANY;
    d->x.version = PLAIT_HTTP_1;
    return may;
}

static void on_failed(struct plait__client_exchange *x, const struct plait_fault *fault, enum plait__client_again again)
{
    struct dial *d = of(x);
    if (goes_again(d, again))
        plait_soon_queue(&d->begin);
    else
        fail(d, *fault);
}

static void on_interim(struct plait__client_exchange *x, const uint8_t *base)
{
    (void)x;
    (void)base;
}

static void on_taken(struct plait__client_exchange *x)
{
    (void)x;
}

/* What is not here never comes: an exchange that has an answer is given up, and there is no body to send. */
static const struct plait__client_exchange_ops exchange_ops = {
    .interim = on_interim, .upgraded = on_upgraded, .head = on_refused, .failed = on_failed, .taken = on_taken};

static void ride(struct dial *d)
{
    d->x.version = d->options.version;
    d->x.sent = true;
    d->x.upgrades = true;
    d->x.stall = plait_seconds(STALL_S);
    plait__list_add_tail(&d->options.client->dials, &d->link);
    plait_soon_queue(&d->begin);
}

void plait__dials_cancel(struct plait_http_client *client)
{
    while (!plait__list_empty(&client->dials))
        fail_with(plait__container(client->dials.next, struct dial, link), PLAIT_ECANCELLED, NULL);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static void put_protocols(struct plait_buf *out, const char *const *protocols)
{
    if (!protocols || !*protocols)
        return;
    plait_buf_put_text(out, "Sec-WebSocket-Protocol: ");
    for (const char *const *p = protocols; *p; p++) {
        plait_buf_put_text(out, p == protocols ? "" : ", ");
        plait_buf_put_text(out, *p);
    }
    plait_buf_put_text(out, "\r\n");
}

static plait_err write_request(struct dial *d)
{
    struct plait_buf *out = &d->text.fields;
    const struct plait__ws_wish wish = plait__ws_wish_of(&d->options);
    uint8_t nonce[PLAIT__WS_NONCE];
    PLAIT_TRY(plait_random_bytes(d->reactor, nonce, sizeof nonce));
    EVP_EncodeBlock((uint8_t *)d->key, nonce, sizeof nonce);
    plait_buf_put_text(out, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    plait_buf_printf(out, "Sec-WebSocket-Key: %s\r\n", d->key);
    put_protocols(out, d->options.protocols);
    if (!d->options.no_deflate) {
        plait_buf_put_text(out, "Sec-WebSocket-Extensions: ");
        plait__ws_put_offer(out, &wish);
        plait_buf_put_text(out, "\r\n");
    }
    return plait__fetch_text_write(&d->text);
}

/* The same URL with the scheme of the connection below (RFC 6455 section 3). */
static plait_err http_url(const char *url, struct plait_buf *out, const char **why)
{
    struct plait_url parsed;
    *why = "this is no URL of a WebSocket";
    if (plait_url_parse(plait_slice_text(url), &parsed) != PLAIT_OK || parsed.fragment.ptr)
        return PLAIT_FAIL(PLAIT_EINVAL);
    const bool secure = plait_slice_equal_nocase(parsed.scheme, PLAIT_LIT("wss"));
    *why = "only ws and wss URLs are WebSockets";
    if (!secure && !plait_slice_equal_nocase(parsed.scheme, PLAIT_LIT("ws")))
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    plait_buf_put_text(out, secure ? "https" : "http");
    plait_buf_put_text(out, url + parsed.scheme.len);
    plait_buf_put_u8(out, 0);
    *why = NULL;
    return out->err;
}

static bool names_our_field(const struct plait_websocket_options *o)
{
    for (size_t i = 0; i < o->field_count; i++) {
        const plait_slice name = plait_slice_text(o->fields[i].name);
        if (plait_slice_equal_nocase(plait_slice_sub(name, 0, 14), PLAIT_LIT("Sec-WebSocket-")))
            return true;
    }
    return false;
}

static plait_err prepare(struct dial *d, const char *url, const char **why)
{
    const struct plait_fetch_options fetch = {.fields = d->options.fields, .field_count = d->options.field_count};
    struct plait_budget *budget = plait_reactor_budget(d->reactor);
    struct plait_buf text;
    *why = "an option of the WebSocket makes no sense";
    if (!plait__ws_options_are_right(&d->options) || names_our_field(&d->options) ||
        (d->options.version == PLAIT_HTTP_2 && !d->options.client))
        return PLAIT_FAIL(PLAIT_EINVAL);
    plait_buf_init(&text, budget, SIZE_MAX / 2);
    plait_err err = http_url(url, &text, why);
    if (!err) {
        err = plait__fetch_text_init(&d->text, budget, (const char *)plait_buf_slice(&text).ptr, &fetch);
        *why = d->text.why;
    }
    plait_buf_deinit(&text);
    PLAIT_TRY(err);
    return write_request(d);
}

static struct plait_deferred *start(struct dial *d, const char *url)
{
    struct plait_reactor *reactor = d->reactor;
    const char *why = NULL;
    plait_err err = prepare(d, url, &why);
    if (err) {
        struct plait_fault fault = plait_fault_make(err, "websocket");
        fault.detail = why;
        dial_free(d);
        return plait_deferred_fail(reactor, fault);
    }
    d->deferred = plait_deferred_new(reactor, "websocket", dial_cancel, d);
    struct plait_deferred *deferred = d->deferred;
    if (!deferred) {
        dial_free(d);
        return NULL;
    }
    plait_timer_arm(&d->timer, d->options.timeout ? d->options.timeout : plait_seconds(TIMEOUT_S));
    if (d->options.client)
        ride(d);
    else
        err = connect_url(d);
    if (err)
        fail_with(d, err, NULL); /* no connecting began: what there is of a deferred holds one callback */
    return deferred;
}

static struct dial *dial_new(struct plait_reactor *reactor, const struct plait_websocket_options *options,
                             const struct plait_websocket_handler *handler, void *self)
{
    static const struct plait_websocket_options defaults;
    struct dial *d = plait_mem_new(plait_reactor_budget(reactor), sizeof *d);
    if (!d)
        return NULL;
    d->reactor = reactor;
    d->options = options ? *options : defaults;
    d->handler = handler;
    d->self = self;
    if (d->options.connect.tls)
        d->options.connect.tls = plait_tls_client_ref(d->options.connect.tls);
    if (d->options.connect.targets)
        d->options.connect.targets = plait_target_rules_ref(d->options.connect.targets);
    d->x.ops = &exchange_ops;
    plait__list_init(&d->x.link);
    plait__list_init(&d->link);
    plait_buf_init(&d->x.trailers, plait_reactor_budget(reactor), PLAIT__HTTP1_TRAILER_MAX);
    plait_timer_init(&d->timer, reactor, "websocket dial", on_timer, d);
    plait_soon_init(&d->begin, reactor, "websocket dial", on_begin, d);
    return d;
}

struct plait_deferred *plait_websocket_connect(struct plait_reactor *reactor, const char *url,
                                               const struct plait_websocket_options *options,
                                               const struct plait_websocket_handler *handler, void *self)
{
    struct dial *d = dial_new(reactor, options, handler, self);
    return d ? start(d, url) : NULL;
}

struct plait_deferred *plait_websocket_connect_stream(struct plait_reactor *reactor, const char *url,
                                                      const struct plait_websocket_options *options)
{
    struct plait__ws_carrier *carrier = plait__ws_carrier_new(reactor, true);
    struct dial *d = carrier ? dial_new(reactor, options, &plait__ws_carrier_handler, carrier) : NULL;
    if (!d) {
        plait__ws_carrier_drop(carrier);
        return NULL;
    }
    d->carrier = carrier;
    return start(d, url);
}
