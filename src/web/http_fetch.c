/* SPDX-License-Identifier: MIT
 *
 * Fetching: what a caller asked for, carried out by one exchange after the other: redirects, and once more where a kept
 * connection turned out to be closed. The text of the request is made by http_client_text.c; connections are
 * http_pool.c's; what comes is read by the carrier.
 *
 * Everything begins in the ready list, so that nothing is called back from inside a call. A fetch that ends while it
 * calls its user is freed when that call returns. Invariant: a fetch waits to begin, or its exchange is in the pool, or
 * it is over; it fires exactly once. Tests: tests/web/test_http_client.c.
 */
#include "base/try.h"
#include "web/http_client_core.h"
#include "web/http_core.h"

#include <plait/task.h>
#include <plait/tls.h>

enum { BODY_MAX = 16 << 20, REDIRECTS = 10, SKIP_MAX = 65536 };

struct fetch {
    struct plait__exchange x;
    struct plait__list link; /* client's fetches */
    struct plait_http_client *client;
    struct plait_deferred *deferred;    /* what the caller waits for */
    struct plait_fetch_options options; /* its borrowed texts are only good inside plait_http_fetch */
    struct plait__fetch_text text;
    struct plait_response *response; /* the one whose body is being read */
    struct plait_soon begin;
    struct plait_timer idle;
    unsigned redirects;
    size_t skipped;  /* bytes of a body that is read for the connection's sake only */
    bool redirected; /* the response under way sends us elsewhere */
    bool calling;    /* inside a callback of the user's */
    bool over;
};

static struct fetch *fetch_of(struct plait__exchange *x)
{
    return plait__container(x, struct fetch, x);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void response_destroy(void *ptr)
{
    struct plait_response *r = ptr;
    plait_response_free(&r);
}

static void fetch_free(struct fetch *f)
{
    struct plait__web *web = plait__web_of(f->begin.reactor);
    plait_response_free(&f->response);
    plait__fetch_text_deinit(&f->text);
    plait_tls_client_unref(&f->options.connect.tls);
    plait__slab_free(&web->fetches, f);
}

/* Nothing of a fetch goes on after this. Its deferred has been fired. */
static void fetch_over(struct fetch *f)
{
    f->over = true;
    plait__pool_leave(&f->x);
    plait_timer_stop(&f->idle);
    plait_soon_cancel(&f->begin);
    plait__list_remove(&f->link);
    if (!f->calling)
        fetch_free(f);
}

static void fetch_fail(struct fetch *f, struct plait_fault fault)
{
    fault.peer = NULL; /* it goes with the connection */
    plait_fire_fault(f->deferred, fault);
    fetch_over(f);
}

static void fetch_fail_with(struct fetch *f, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "http");
    fault.detail = detail;
    fetch_fail(f, fault);
}

static void fetch_done(struct fetch *f)
{
    struct plait_response *response = f->response;
    f->response = NULL;
    response->exchange = NULL;
    plait_fire(f->deferred, plait_value_ptr(response, response_destroy));
    fetch_over(f);
}

static void fetch_cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    fetch_fail_with(ctx, PLAIT_ECANCELLED, NULL);
}

void plait__fetches_cancel(struct plait_http_client *client)
{
    while (!plait__list_empty(&client->fetches))
        fetch_fail_with(plait__container(client->fetches.next, struct fetch, link), PLAIT_ECANCELLED, NULL);
}

static void on_idle(void *ctx)
{
    struct fetch *f = ctx;
    fetch_fail_with(f, PLAIT_ETIMEDOUT, "the server was silent for too long");
}

/* --- beginning an exchange ------------------------------------------------------------------------------------- */

/* The TLS context of fetches that brought none: one a reactor. */
static plait_err default_tls(struct plait_reactor *reactor, struct plait_tls_client **out)
{
    static const struct plait_tls_client_options defaults;
    struct plait__web *web = plait__web_of(reactor);
    if (!web->tls)
        PLAIT_TRY(plait_tls_client_new(reactor, &defaults, &web->tls, NULL));
    *out = web->tls;
    return PLAIT_OK;
}

static plait_err begin(struct fetch *f)
{
    PLAIT_TRY(plait__fetch_text_write(&f->text));
    f->x.connect = f->options.connect;
    f->x.connect.no_client_cert |= f->text.strayed;
    if (!f->text.secure)
        f->x.connect.tls = NULL;
    else if (!f->x.connect.tls)
        PLAIT_TRY(default_tls(f->begin.reactor, &f->x.connect.tls));
    f->x.request = plait_buf_slice(&f->text.head);
    f->x.body = f->text.body;
    f->x.only_head = f->text.is_head;
    PLAIT_TRY(plait__pool_enter(f->client, &f->x, &f->text.parsed));
    return PLAIT_OK;
}

static void on_begin(void *ctx)
{
    struct fetch *f = ctx;
    const plait_err err = begin(f);
    if (err)
        fetch_fail_with(f, err, err == PLAIT_ELIMIT ? "too many fetches wait for a connection" : f->text.why);
}

static void on_taken(struct plait__exchange *x)
{
    struct fetch *f = fetch_of(x);
    plait_timer_arm(&f->idle, f->options.idle);
}

/* --- what the carrier tells ------------------------------------------------------------------------------------ */

/* Begins anew, for another exchange. */
static void again(struct fetch *f)
{
    plait__pool_leave(&f->x);
    plait_timer_stop(&f->idle);
    f->redirected = false;
    f->skipped = 0;
    plait_soon_queue(&f->begin);
}

/* Between these two the user is called. */
static void call(struct fetch *f)
{
    f->calling = true;
}

/* Returns whether the fetch goes on. */
static bool called(struct fetch *f)
{
    f->calling = false;
    if (f->over)
        fetch_free(f);
    else
        return true;
    return false;
}

static void on_interim(struct plait__exchange *x, int status)
{
    struct fetch *f = fetch_of(x);
    (void)status;
    plait_timer_arm(&f->idle, f->options.idle);
}

/* RFC 9110 section 15.4: where the response sends us, or nowhere. */
static plait_slice redirect_of(const struct fetch *f, const uint8_t *base)
{
    const int status = f->x.head.status;
    const bool redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirects || f->options.no_redirects)
        return plait_slice_of(NULL, 0);
    return plait__http1_head_field(&f->x.head, base, PLAIT_LIT("location"));
}

static void follow(struct fetch *f, plait_slice location)
{
    if (f->redirects++ == f->options.redirects_max) {
        fetch_fail_with(f, PLAIT_ELIMIT, "too many redirects");
        return;
    }
    const plait_err err = plait__fetch_text_redirect(&f->text, f->x.head.status, location);
    if (err) {
        fetch_fail_with(f, err, "the redirect leads nowhere");
        return;
    }
    f->redirected = true;
    if (f->x.framing == PLAIT__HTTP1_UNTIL_CLOSE)
        again(f);
}

static void on_head(struct plait__exchange *x, const uint8_t *base)
{
    struct fetch *f = fetch_of(x);
    plait_timer_arm(&f->idle, f->options.idle);
    const plait_slice location = redirect_of(f, base);
    if (location.len > 0) {
        follow(f, location);
        return;
    }
    f->response = plait__response_new(plait_reactor_budget(f->begin.reactor), &x->head, base, f->text.url);
    if (!f->response) {
        fetch_fail_with(f, PLAIT_ENOMEM, NULL);
        return;
    }
    f->response->body.max = f->options.body_max;
    f->response->exchange = x;
    if (!f->options.head)
        return;
    call(f);
    f->options.head(f->response, f->options.ctx);
    (void)called(f);
}

static void stream_piece(struct fetch *f, plait_slice piece)
{
    call(f);
    const plait_err err = f->options.data(f->response, piece, f->options.ctx);
    if (called(f) && err)
        fetch_fail_with(f, err, NULL);
}

static void on_piece(struct plait__exchange *x, plait_slice piece)
{
    struct fetch *f = fetch_of(x);
    plait_timer_arm(&f->idle, f->options.idle);
    if (f->redirected) {
        f->skipped += piece.len;
        if (f->skipped > SKIP_MAX)
            again(f);
        return;
    }
    if (f->options.data) {
        stream_piece(f, piece);
        return;
    }
    plait_buf_put(&f->response->body, piece);
    if (f->response->body.err)
        fetch_fail_with(f, f->response->body.err, "the body is longer than allowed");
}

static void on_end(struct plait__exchange *x)
{
    struct fetch *f = fetch_of(x);
    if (f->redirected)
        again(f);
    else
        fetch_done(f);
}

static void on_failed(struct plait__exchange *x, const struct plait_fault *fault, bool stale)
{
    struct fetch *f = fetch_of(x);
    if (f->redirected) {
        again(f); /* what broke off was nobody's to read */
        return;
    }
    if (!stale || !plait__fetch_text_idempotent(&f->text) || f->begin.reactor->freeing) {
        fetch_fail(f, *fault);
        return;
    }
    x->fresh = true;
    again(f);
}

static const struct plait__exchange_ops exchange_ops = {
    .interim = on_interim, .head = on_head, .data = on_piece, .end = on_end, .failed = on_failed, .taken = on_taken};

/* --- what callers use ------------------------------------------------------------------------------------------ */

static void keep_options(struct fetch *f, const struct plait_fetch_options *options)
{
    struct plait_fetch_options *o = &f->options;
    *o = *options;
    o->body_max = o->body_max ? o->body_max : BODY_MAX;
    o->redirects_max = o->redirects_max ? o->redirects_max : REDIRECTS;
    o->idle = o->idle ? o->idle : plait_seconds(60);
    o->connect.server_name = NULL; /* each host its own name */
    o->connect.alpn = plait_slice_of(NULL, 0);
    if (o->connect.tls)
        o->connect.tls = plait_tls_client_ref(o->connect.tls);
}

static struct plait_deferred *fetch_start(struct fetch *f, const char *url)
{
    struct plait_reactor *reactor = f->begin.reactor;
    const plait_err err = plait__fetch_text_init(&f->text, plait_reactor_budget(reactor), url, &f->options);
    if (err) {
        struct plait_fault fault = plait_fault_make(err, "http");
        fault.detail = f->text.why;
        fetch_free(f);
        return plait_deferred_fail(reactor, fault);
    }
    f->text.close = f->client->options.no_reuse;
    f->deferred = plait_deferred_new(reactor, "http fetch", fetch_cancel, f);
    if (!f->deferred) {
        fetch_free(f);
        return NULL;
    }
    plait__list_add_tail(&f->client->fetches, &f->link);
    plait_soon_queue(&f->begin);
    return f->deferred;
}

struct plait_deferred *plait_http_fetch(struct plait_http_client *client, const char *url,
                                        const struct plait_fetch_options *options)
{
    static const struct plait_fetch_options defaults;
    struct plait__web *web = plait__web_of(client->reactor);
    struct fetch *f = web ? plait__slab_new(&web->fetches) : NULL;
    if (!f)
        return NULL;
    f->client = client;
    f->x.ops = &exchange_ops;
    plait__list_init(&f->x.link);
    plait_timer_init(&f->idle, client->reactor, "http fetch", on_idle, f);
    plait_soon_init(&f->begin, client->reactor, "http fetch", on_begin, f);
    keep_options(f, options ? options : &defaults);
    return fetch_start(f, url);
}

size_t plait__fetch_bytes(void)
{
    return sizeof(struct fetch);
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
