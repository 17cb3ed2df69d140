/* SPDX-License-Identifier: MIT
 *
 * Fetching: what a caller asked for, carried out by one exchange after the other: redirects, retries, and once more
 * where a kept connection turned out to be closed. The text of the request is made by http_client_text.c, its body by
 * http_upload.c; connections are http_pool.c's; what comes is read by the connection.
 *
 * Everything begins in the ready list, so that nothing is called back from inside a call. A fetch that ends while it
 * calls its user is freed when that call returns. Invariant: a fetch waits to begin, or its exchange is in the pool, or
 * it is over; it fires exactly once. Tests: tests/web/test_http_client.c, tests/web/test_http_upload.c.
 */
#include "base/try.h"
#include "web/http_fetch_core.h"

#include <plait/task.h>
#include <plait/tls.h>

enum { BODY_MAX = 16 << 20, REDIRECTS = 10, SKIP_MAX = 65536, RETRY_MAX_SECONDS = 86400 };

/* --- the end --------------------------------------------------------------------------------------------------- */

static void response_destroy(void *ptr)
{
    struct plait_response *r = ptr;
    plait_response_free(&r);
}

static void fetch_free(struct plait__fetch *f)
{
    struct plait__web *web = plait__web_of(f->begin.reactor);
    plait_response_free(&f->response);
    plait__decoder_free(&f->decoder);
    plait_buf_deinit(&f->x.trailers);
    plait__fetch_text_deinit(&f->text);
    plait_tls_client_unref(&f->options.connect.tls);
    plait_target_rules_unref(&f->options.connect.targets);
    plait_cookies_unref(&f->options.cookies);
    plait_http_proxy_unref(&f->options.proxy);
    plait__slab_free(&web->fetches, f);
}

static void trace(const struct plait__fetch *f, const struct plait_fetch_step *step)
{
    if (f->options.trace)
        f->options.trace(step, f->options.ctx);
}

/* Nothing of a fetch goes on after this. Its deferred has been fired. */
static void fetch_over(struct plait__fetch *f)
{
    f->over = true;
    plait__pool_leave(&f->x);
    plait_timer_stop(&f->timer);
    plait_soon_cancel(&f->begin);
    plait_soon_cancel(&f->pour);
    plait__list_remove(&f->link);
    if (!f->calling)
        fetch_free(f);
}

void plait__fetch_fail(struct plait__fetch *f, struct plait_fault fault)
{
    if (f->over)
        return;
    fault.peer = NULL; /* it goes with the connection */
    trace(f, &(struct plait_fetch_step){.what = "end", .err = fault.err});
    plait_fire_fault(f->deferred, fault);
    fetch_over(f);
}

void plait__fetch_fail_with(struct plait__fetch *f, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "http");
    fault.detail = detail;
    plait__fetch_fail(f, fault);
}

static void fetch_done(struct plait__fetch *f)
{
    struct plait_response *response = f->response;
    f->response = NULL;
    response->exchange = NULL;
    response->trailers = f->x.trailers; /* with its memory */
    memset(&f->x.trailers, 0, sizeof(f->x.trailers));
    trace(f, &(struct plait_fetch_step){.what = "end"});
    plait_fire(f->deferred, plait_value_ptr(response, response_destroy));
    fetch_over(f);
}

static void fetch_cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    plait__fetch_fail_with(ctx, PLAIT_ECANCELLED, NULL);
}

void plait__fetches_cancel(struct plait_http_client *client)
{
    while (!plait__list_empty(&client->fetches))
        plait__fetch_fail_with(plait__container(client->fetches.next, struct plait__fetch, link), PLAIT_ECANCELLED,
                               NULL);
}

void plait__fetch_call(struct plait__fetch *f)
{
    f->calling = true;
}

bool plait__fetch_called(struct plait__fetch *f)
{
    f->calling = false;
    if (!f->over)
        return true;
    fetch_free(f);
    return false;
}

/* --- waiting --------------------------------------------------------------------------------------------------- */

void plait__fetch_wait(struct plait__fetch *f, enum plait__fetch_wait what, plait_span span)
{
    f->waits = (uint8_t)what;
    if (span == PLAIT_NEVER)
        plait_timer_stop(&f->timer);
    else
        plait_timer_arm(&f->timer, span);
}

void plait__fetch_sent(struct plait__fetch *f)
{
    trace(f, &(struct plait_fetch_step){.what = "sent"});
    if (!f->response && !f->discards) /* an answer may have begun before */
        plait__fetch_wait(f, PLAIT__WAIT_HEAD, f->options.times.first_byte);
}

/* A failure that may be tried again, or the end. */
static void fail_or_retry(struct plait__fetch *f, const struct plait_fault *fault);

static void too_long(struct plait__fetch *f, const char *detail)
{
    struct plait_fault fault = plait_fault_make(PLAIT_ETIMEDOUT, "http");
    fault.detail = detail;
    fault.retry = true;
    fail_or_retry(f, &fault);
}

static void on_timer(void *ctx)
{
    struct plait__fetch *f = ctx;
    switch (f->waits) {
    case PLAIT__WAIT_DELAY:
        plait_soon_queue(&f->begin);
        break;
    case PLAIT__WAIT_GO:
        plait__upload_go(f);
        break;
    case PLAIT__WAIT_HEAD:
        if (f->x.conn->ops->sending(&f->x)) /* the stream's own limit watches that */
            plait__fetch_wait(f, PLAIT__WAIT_HEAD, f->options.times.first_byte);
        else
            too_long(f, "the server took too long to answer");
        break;
    case PLAIT__WAIT_BODY:
        if (f->x.paused || !f->x.sent) /* it is not the server that is waited for */
            plait__fetch_wait(f, PLAIT__WAIT_BODY, f->options.idle);
        else
            too_long(f, "the server was silent for too long");
        break;
    default:
        too_long(f, "no connection was to be had in time");
        break;
    }
}

/* --- beginning an exchange ------------------------------------------------------------------------------------- */

/* What is sent at once: the head, and a body that is in memory and that the server need not be asked for. */
static void fill_exchange(struct plait__fetch *f)
{
    const bool asks = f->text.expect && (f->text.streams ? f->text.length : f->text.body.len) > 0;
    f->x.request = plait_buf_slice(&f->text.head);
    f->x.sent = !f->text.streams && !asks;
    f->x.body = f->x.sent ? f->text.body : plait_slice_of(NULL, 0);
    f->x.only_head = f->text.is_head;
    f->x.stall = f->options.times.send;
}

static void trace_connecting(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    const struct plait__fetch *f = ctx;
    trace(f, &(struct plait_fetch_step){.what = what, .address = address, .err = err});
    if (f->options.connect.trace)
        f->options.connect.trace(what, address, err, f->options.connect.trace_ctx);
}

/* Where to connect to: the URL's host, through a proxy, or the proxy itself. */
static plait_err choose_way(struct plait__fetch *f, struct plait_url *to)
{
    struct plait_connect_options *o = &f->x.connect;
    struct plait_http_proxy *proxy = f->options.proxy;
    *to = f->text.parsed;
    *o = f->options.connect;
    o->no_client_cert |= f->text.strayed;
    if (!f->text.secure)
        o->tls = NULL;
    else if (!o->tls)
        PLAIT_TRY(plait__web_tls(f->client->reactor, &o->tls));
    f->x.proxy = proxy;
    if (proxy && f->text.secure)
        o->via = &proxy->via;
    if (f->text.relayed) {
        plait__http_proxy_connect(proxy, &f->options.connect, o);
        *to = proxy->url;
    }
    o->trace = trace_connecting;
    o->trace_ctx = f;
    return PLAIT_OK;
}

static plait_err begin(struct plait__fetch *f)
{
    struct plait_url to;
    trace(f, &(struct plait_fetch_step){.what = "begin", .url = f->text.url_text});
    if (f->text.auth.digest || f->text.proxy_auth.digest)
        PLAIT_TRY(plait_random_bytes(f->client->reactor, f->text.cnonce, sizeof(f->text.cnonce)));
    f->text.relayed = f->options.proxy && !f->text.secure;
    PLAIT_TRY(plait__fetch_text_write(&f->text));
    PLAIT_TRY(choose_way(f, &to));
    f->x.version = f->only_http1 || f->text.relayed ? PLAIT_HTTP_1 : f->options.version;
    fill_exchange(f);
    plait__fetch_wait(f, PLAIT__WAIT_BEGIN, f->options.times.wait);
    PLAIT_TRY(plait__pool_enter(f->client, &f->x, &to));
    return PLAIT_OK;
}

static void on_begin(void *ctx)
{
    struct plait__fetch *f = ctx;
    const plait_err err = begin(f);
    if (err)
        plait__fetch_fail_with(f, err, err == PLAIT_ELIMIT ? "too many fetches wait for a connection" : f->text.why);
}

/* Begins anew, for another exchange, after f->delay. */
static void again(struct plait__fetch *f)
{
    plait__pool_leave(&f->x);
    plait_timer_stop(&f->timer);
    plait_buf_clear(&f->x.trailers);
    f->discards = false;
    f->skipped = 0;
    trace(f, &(struct plait_fetch_step){.what = "again"});
    if (!plait__upload_rewind(f))
        return;
    if (f->delay > 0)
        plait__fetch_wait(f, PLAIT__WAIT_DELAY, f->delay);
    else
        plait_soon_queue(&f->begin);
    f->delay = 0;
}

static void fail_or_retry(struct plait__fetch *f, const struct plait_fault *fault)
{
    if (plait__retry_fault(f, fault))
        again(f);
    else
        plait__fetch_fail(f, *fault);
}

/* --- what the connection tells ------------------------------------------------------------------------------------ */

static void on_taken(struct plait__client_exchange *x)
{
    struct plait__fetch *f = plait__fetch_of(x);
    struct plait_address peer;
    plait_stream_peer(x->conn->stream, &peer);
    trace(f, &(struct plait_fetch_step){.what = "carried",
                                        .address = &peer,
                                        .tls = plait_stream_tls(x->conn->stream),
                                        .version = x->conn->ops->version,
                                        .reused = x->conn->taken});
    if (x->sent)
        plait__fetch_sent(f);
    else if (f->text.expect)
        plait__fetch_wait(f, PLAIT__WAIT_GO, f->options.times.go_ahead);
    else
        plait__upload_go(f);
}

static void on_room(struct plait__client_exchange *x)
{
    plait_soon_queue(&plait__fetch_of(x)->pour);
}

static void on_interim(struct plait__client_exchange *x, const uint8_t *base)
{
    struct plait__fetch *f = plait__fetch_of(x);
    const int status = x->head.status;
    (void)base;
    if (f->waits == PLAIT__WAIT_GO && status == 100)
        plait__upload_go(f);
    else if (f->waits == PLAIT__WAIT_HEAD)
        plait__fetch_wait(f, PLAIT__WAIT_HEAD, f->options.times.first_byte);
}

/* RFC 9110 section 15.4: where the response sends us, or nowhere. */
static plait_slice redirect_of(const struct plait__fetch *f, const uint8_t *base)
{
    const int status = f->x.head.status;
    const bool redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirects || f->options.no_redirects)
        return plait_slice_of(NULL, 0);
    return plait__http1_head_field(&f->x.head, base, PLAIT_LIT("location"));
}

/* RFC 6265 section 5.3. What may not be kept is not: that is no fault of the fetch's. */
static void take_cookies(struct plait__fetch *f, const uint8_t *base)
{
    const struct plait__http1_head *head = &f->x.head;
    for (size_t i = 0; i < head->count && f->options.cookies; i++) {
        const struct plait__http1_field *field = &head->field[i];
        if (plait_slice_equal_nocase(plait_slice_of(base + field->name, field->name_len), PLAIT_LIT("set-cookie")))
            (void)plait_cookies_take(f->options.cookies, &f->text.parsed,
                                     plait_slice_of(base + field->value, field->value_len));
    }
}

static plait_err follow(struct plait__fetch *f, plait_slice location, const char **why)
{
    *why = "too many redirects";
    if (f->redirects++ == f->options.redirects_max)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    *why = "the redirect leads nowhere";
    PLAIT_TRY(plait__fetch_text_redirect(&f->text, f->x.head.status, location));
    f->x.fresh = false;
    trace(f, &(struct plait_fetch_step){.what = "redirect", .url = f->text.url_text});
    return PLAIT_OK;
}

/* Whether the server, or the proxy, asks who we are, and we can say it, or say it better than before. */
static bool is_asked(struct plait__fetch *f, const uint8_t *base)
{
    struct plait_budget *budget = plait_reactor_budget(f->client->reactor);
    const struct plait__http1_head *head = &f->x.head;
    if (head->status == 407 && f->text.relayed)
        return plait__client_auth_asked(&f->text.proxy_auth, budget, head, base, "proxy-authenticate");
    return head->status == 401 && !f->text.has_authorization &&
           plait__client_auth_asked(&f->text.auth, budget, head, base, "www-authenticate");
}

/* Whether the answer whose head came is not the one to give: f->discards then, or an error that ends the fetch. */
static plait_err judge(struct plait__fetch *f, const uint8_t *base, const char **why)
{
    const plait_slice location = redirect_of(f, base);
    if (location.len > 0)
        PLAIT_TRY(follow(f, location, why));
    else if (is_asked(f, base))
        f->x.fresh = false;
    else if (f->x.head.status == 417 && f->text.expect)
        f->text.expect = false; /* RFC 9110 section 10.1.1 */
    else if (!plait__retry_answer(f, base))
        return PLAIT_OK;
    f->discards = true;
    return PLAIT_OK;
}

/* Undoes the content codings that were asked for. */
static plait_err choose_decoder(struct plait__fetch *f, const uint8_t *base)
{
    const plait_slice codings = plait__http1_head_field(&f->x.head, base, PLAIT_LIT("content-encoding"));
    if (f->text.raw || codings.len == 0 || f->x.framing == PLAIT__HTTP1_NO_BODY)
        return PLAIT_OK;
    PLAIT_TRY(
        plait__decoder_new(plait_reactor_budget(f->client->reactor), codings, f->options.decoded_max, &f->decoder));
    if (f->decoder)
        f->response->length = PLAIT_LENGTH_UNKNOWN;
    return PLAIT_OK;
}

static void give_head(struct plait__fetch *f, const uint8_t *base)
{
    f->response = plait__response_new(plait_reactor_budget(f->client->reactor), &f->x.head, base, f->text.url);
    if (!f->response) {
        plait__fetch_fail_with(f, PLAIT_ENOMEM, NULL);
        return;
    }
    f->response->body.max = f->options.body_max;
    f->response->exchange = &f->x;
    f->response->version = f->x.spoken;
    const plait_err err = choose_decoder(f, base);
    if (err) {
        plait__fetch_fail_with(f, err, "the answer's content codings can't be undone");
        return;
    }
    if (!f->options.head)
        return;
    plait__fetch_call(f);
    f->options.head(f->response, f->options.ctx);
    (void)plait__fetch_called(f);
}

static void on_head(struct plait__client_exchange *x, const uint8_t *base)
{
    struct plait__fetch *f = plait__fetch_of(x);
    const char *why = NULL;
    plait__fetch_wait(f, PLAIT__WAIT_BODY, f->options.idle);
    trace(f, &(struct plait_fetch_step){.what = "answer", .status = x->head.status});
    take_cookies(f, base);
    const plait_err err = judge(f, base, &why);
    if (err)
        plait__fetch_fail_with(f, err, why);
    else if (!f->discards)
        give_head(f, base);
    else if (x->framing == PLAIT__HTTP1_UNTIL_CLOSE)
        again(f);
}

/* A piece of the body as it is meant. The fetch may be over after it; its memory is there. */
static plait_err give_piece(plait_slice piece, void *ctx)
{
    struct plait__fetch *f = ctx;
    if (f->options.data) {
        const plait_err err = f->options.data(f->response, piece, f->options.ctx);
        return f->over ? PLAIT_ECANCELLED : err;
    }
    plait_buf_put(&f->response->body, piece);
    return f->response->body.err;
}

static const char *why_not(plait_err err)
{
    switch (err) {
    case PLAIT_ETOOLONG:
        return "the body is longer than allowed";
    case PLAIT_ELIMIT:
        return "the body grows too much when it is decoded";
    case PLAIT_EMALFORMED:
        return "the body can't be decoded";
    default:
        return NULL;
    }
}

static void on_piece(struct plait__client_exchange *x, plait_slice piece)
{
    struct plait__fetch *f = plait__fetch_of(x);
    plait__fetch_wait(f, PLAIT__WAIT_BODY, f->options.idle);
    if (f->discards) { /* it is read for the connection's sake */
        f->skipped += piece.len;
        if (f->skipped > SKIP_MAX)
            again(f);
        return;
    }
    plait__fetch_call(f);
    const plait_err err = f->decoder ? plait__decoder_take(f->decoder, piece, give_piece, f) : give_piece(piece, f);
    if (plait__fetch_called(f) && err)
        plait__fetch_fail_with(f, err, why_not(err));
}

static void on_end(struct plait__client_exchange *x)
{
    struct plait__fetch *f = plait__fetch_of(x);
    if (f->discards)
        again(f);
    else if (f->decoder && plait__decoder_end(f->decoder) != PLAIT_OK)
        plait__fetch_fail_with(f, PLAIT_ETRUNCATED, "the coded body ends early");
    else if (x->trailers.err)
        plait__fetch_fail_with(f, x->trailers.err, NULL);
    else
        fetch_done(f);
}

/* Whether an exchange is made once more although nobody asked for retries. */
static bool goes_again(struct plait__fetch *f, enum plait__client_again again)
{
    switch (f->client->reactor->freeing ? PLAIT__AGAIN_NOT : again) {
    case PLAIT__AGAIN_STALE:
        f->x.fresh = plait__fetch_text_idempotent(&f->text);
        return f->x.fresh;
    case PLAIT__AGAIN_UNSEEN:
        return plait__retry_unseen(f);
    case PLAIT__AGAIN_HTTP1:
        f->only_http1 = !f->only_http1 && f->options.version != PLAIT_HTTP_2;
        return f->only_http1;
    default:
        return false;
    }
}

static void on_failed(struct plait__client_exchange *x, const struct plait_fault *fault, enum plait__client_again how)
{
    struct plait__fetch *f = plait__fetch_of(x);
    if (f->discards) {
        again(f); /* what broke off was nobody's to read */
        return;
    }
    if (goes_again(f, how))
        again(f);
    else
        fail_or_retry(f, fault);
}

static const struct plait__client_exchange_ops exchange_ops = {.interim = on_interim,
                                                               .head = on_head,
                                                               .data = on_piece,
                                                               .end = on_end,
                                                               .failed = on_failed,
                                                               .taken = on_taken,
                                                               .room = on_room};

/* --- what callers use ------------------------------------------------------------------------------------------ */

static plait_span span_or(plait_span given, plait_span standard)
{
    return given > 0 ? given : standard;
}

static void keep_times(struct plait_fetch_options *o)
{
    struct plait_fetch_times *t = &o->times;
    const plait_span most = plait_seconds(RETRY_MAX_SECONDS);
    t->wait = span_or(t->wait, plait_seconds(300));
    t->go_ahead = span_or(t->go_ahead, plait_seconds(1));
    t->send = span_or(t->send, plait_seconds(60));
    t->first_byte = span_or(t->first_byte, plait_seconds(60));
    o->idle = span_or(o->idle, plait_seconds(60));
    o->retry_first = span_or(o->retry_first, plait_millis(500));
    o->retry_max = span_or(o->retry_max, plait_seconds(30));
    o->retry_max = o->retry_max < most ? o->retry_max : most;
}

void plait__fetch_defaults(struct plait_fetch_options *o)
{
    o->body_max = o->body_max ? o->body_max : BODY_MAX;
    o->decoded_max = o->decoded_max ? o->decoded_max : (uint64_t)16 << 30;
    o->redirects_max = o->redirects_max ? o->redirects_max : REDIRECTS;
    keep_times(o);
}

static void keep_options(struct plait__fetch *f, const struct plait_fetch_options *options)
{
    struct plait_fetch_options *o = &f->options;
    *o = *options;
    plait__fetch_defaults(o);
    o->connect.server_name = NULL; /* each host its own name */
    o->connect.alpn = plait_slice_of(NULL, 0);
    o->connect.preface = plait_slice_of(NULL, 0);
    if (o->connect.tls)
        o->connect.tls = plait_tls_client_ref(o->connect.tls);
    if (o->connect.targets)
        o->connect.targets = plait_target_rules_ref(o->connect.targets);
    if (o->cookies)
        o->cookies = plait_cookies_ref(o->cookies);
    if (o->proxy)
        o->proxy = plait_http_proxy_ref(o->proxy);
}

static struct plait_deferred *fetch_start(struct plait__fetch *f, const char *url)
{
    struct plait_reactor *reactor = f->client->reactor;
    plait_err err = plait__fetch_text_init(&f->text, plait_reactor_budget(reactor), url, &f->options);
    if (err == PLAIT_OK && f->options.proxy)
        err = plait__client_auth_copy(&f->text.proxy_auth, plait_reactor_budget(reactor), &f->options.proxy->auth);
    if (err) {
        struct plait_fault fault = plait_fault_make(err, "http");
        fault.detail = f->text.why;
        fetch_free(f);
        return plait_deferred_fail(reactor, fault);
    }
    f->text.close = f->client->options.no_reuse;
    f->text.cookies = f->options.cookies;
    f->deferred = plait_deferred_new(reactor, "http fetch", fetch_cancel, f);
    if (!f->deferred) {
        fetch_free(f);
        return NULL;
    }
    if (f->options.times.total > 0)
        plait_deferred_deadline(f->deferred, f->options.times.total);
    plait__list_add_tail(&f->client->fetches, &f->link);
    plait_soon_queue(&f->begin);
    return f->deferred;
}

struct plait_deferred *plait_http_fetch(struct plait_http_client *client, const char *url,
                                        const struct plait_fetch_options *options)
{
    static const struct plait_fetch_options defaults;
    struct plait__web *web = plait__web_of(client->reactor);
    struct plait__fetch *f = web ? plait__slab_new(&web->fetches) : NULL;
    if (!f)
        return NULL;
    f->client = client;
    f->x.ops = &exchange_ops;
    plait__list_init(&f->x.link);
    plait_buf_init(&f->x.trailers, plait_reactor_budget(client->reactor), PLAIT__HTTP1_TRAILER_MAX);
    plait_timer_init(&f->timer, client->reactor, "http fetch", on_timer, f);
    plait_soon_init(&f->begin, client->reactor, "http fetch", on_begin, f);
    keep_options(f, options ? options : &defaults);
    plait__upload_init(f);
    return fetch_start(f, url);
}

size_t plait__fetch_bytes(void)
{
    return sizeof(struct plait__fetch);
}

struct plait_http_client *plait__http_client_of(struct plait_reactor *reactor)
{
    struct plait__web *web = plait__web_of(reactor);
    if (web && !web->client)
        web->client = plait_http_client_new(reactor, NULL);
    return web ? web->client : NULL;
}

struct plait_deferred *plait_http_get(struct plait_reactor *reactor, const char *url,
                                      const struct plait_fetch_options *options)
{
    struct plait_http_client *client = plait__http_client_of(reactor);
    return client ? plait_http_fetch(client, url, options) : NULL;
}

plait_err plait_http_get_await(struct plait_task *task, const char *url, struct plait_response **out)
{
    plait_value value;
    PLAIT_TRY(plait_await(task, plait_http_get(plait_task_reactor(task), url, NULL), &value));
    *out = value.ptr;
    return PLAIT_OK;
}
