/* SPDX-License-Identifier: MIT
 *
 * HTTP proxies, as a client uses them: tunnels by CONNECT (RFC 9110 section 9.3.6) to any host and for any protocol,
 * and what a fetch needs to ask a proxy itself for a URL of http. What answers is not believed beyond its status: after
 * 2xx everything is the other end's, after anything else the connection is closed.
 *
 * Invariant: a tunnel being made has a connect under way, or a stream whose protocol it is, or an open stream that it
 * gives away in the ready list; its deferred fires exactly once. Test: tests/web/test_http_client_proxy.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "engine/connect_core.h"
#include "web/http_client_core.h"
#include "web/http_core.h"

#include <plait/tls.h>

enum { HEAD_MAX = 16384, INTERIM_MAX = 16 };

/* --- the proxy ---------------------------------------------------------------------------------------------------- */

static void proxy_free(struct plait_http_proxy *p)
{
    plait__client_auth_deinit(&p->auth);
    plait_tls_client_unref(&p->connect.tls);
    plait_target_rules_unref(&p->connect.targets);
    plait_mem_free(p->url_text);
    plait_mem_free(p);
}

struct plait_http_proxy *plait_http_proxy_ref(struct plait_http_proxy *proxy)
{
    proxy->refs++;
    return proxy;
}

void plait_http_proxy_unref(struct plait_http_proxy **proxy)
{
    struct plait_http_proxy *p = *proxy;
    *proxy = NULL;
    if (p && --p->refs == 0)
        proxy_free(p);
}

const struct plait_via *plait_http_proxy_via(const struct plait_http_proxy *proxy)
{
    return &proxy->via;
}

static plait_err use_url(struct plait_http_proxy *p)
{
    struct plait_url *url = &p->url;
    if (plait_url_parse(plait_slice_text(p->url_text), url) != PLAIT_OK || url->host.len == 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    p->secure = plait_slice_equal_nocase(url->scheme, PLAIT_LIT("https"));
    if (!p->secure && !plait_slice_equal_nocase(url->scheme, PLAIT_LIT("http")))
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    p->port = plait_url_port(url);
    return PLAIT_OK;
}

static plait_err use_credentials(struct plait_http_proxy *p, const struct plait_http_proxy_options *o)
{
    struct plait_budget *budget = plait_reactor_budget(p->reactor);
    if (!o->user)
        return plait__client_auth_of_url(&p->auth, budget, &p->url);
    p->auth.at_once = o->basic_at_once && !o->digest_only;
    p->auth.digest_only = o->digest_only;
    return plait__client_auth_init(&p->auth, budget, plait_slice_text(o->user),
                                   o->password ? plait_slice_text(o->password) : PLAIT_LIT(""));
}

static plait_err fill(struct plait_http_proxy *p, const char *url, const struct plait_http_proxy_options *o)
{
    p->url_text = plait_mem_text(plait_reactor_budget(p->reactor), url, strlen(url));
    if (!p->url_text)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    PLAIT_TRY(use_url(p));
    PLAIT_TRY(use_credentials(p, o));
    if (p->secure && !p->connect.tls) {
        PLAIT_TRY(plait__web_tls(p->reactor, &p->connect.tls));
        p->connect.tls = plait_tls_client_ref(p->connect.tls);
    }
    return PLAIT_OK;
}

static struct plait_deferred *tunnel(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                     const struct plait_connect_options *options, void *ctx);

plait_err plait_http_proxy_new(struct plait_reactor *reactor, const char *url,
                               const struct plait_http_proxy_options *options, struct plait_http_proxy **out)
{
    static const struct plait_http_proxy_options defaults;
    const struct plait_http_proxy_options *o = options ? options : &defaults;
    struct plait_http_proxy *p = plait_mem_new(plait_reactor_budget(reactor), sizeof(*p));
    *out = NULL;
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->refs = 1;
    p->reactor = reactor;
    p->via.connect = tunnel;
    p->via.ctx = p;
    p->connect = o->connect;
    p->connect.tls = o->connect.tls ? plait_tls_client_ref(o->connect.tls) : NULL;
    p->connect.targets = o->connect.targets ? plait_target_rules_ref(o->connect.targets) : NULL;
    p->connect.server_name = NULL;
    p->connect.alpn = plait_slice_of(NULL, 0);
    p->connect.preface = plait_slice_of(NULL, 0);
    const plait_err err = fill(p, url, o);
    if (err != PLAIT_OK) {
        proxy_free(p);
        return err;
    }
    *out = p;
    return PLAIT_OK;
}

void plait__http_proxy_connect(const struct plait_http_proxy *proxy, const struct plait_connect_options *from,
                               struct plait_connect_options *out)
{
    *out = proxy->connect;
    if (!proxy->secure)
        out->tls = NULL;
    out->timeout = from->timeout;
    out->trace = from->trace;
    out->trace_ctx = from->trace_ctx;
}

/* --- a tunnel being made ------------------------------------------------------------------------------------------ */

struct dig {
    struct plait_http_proxy *proxy;
    struct plait_deferred *deferred, *connecting;
    struct plait__offer *offer;
    struct plait_stream *s;
    struct plait_soon open;
    struct plait_connect_options connect;
    struct plait__client_auth auth;
    struct plait_buf target; /* host and port */
    struct plait__http1_head head;
    unsigned interim;
};

static void on_connected(struct plait_result *result, void *ctx);

/* Ends it all but its deferred, which is the caller's. */
static struct plait_deferred *end(struct dig *d)
{
    struct plait_deferred *deferred = d->deferred;
    struct plait_deferred *connecting = d->connecting;
    if (connecting) {
        plait__deferred_forget(connecting, on_connected, d);
        plait__deferred_drop(connecting);
    }
    if (d->s)
        plait__stream_discard(d->s);
    plait_soon_cancel(&d->open);
    plait__offer_free(&d->offer);
    plait__client_auth_deinit(&d->auth);
    plait_buf_deinit(&d->target);
    plait_http_proxy_unref(&d->proxy);
    plait_mem_free(d);
    return deferred;
}

static void fail(struct dig *d, struct plait_fault fault)
{
    struct plait_address peer;
    if (d->s && !fault.peer) {
        plait_stream_peer(d->s, &peer);
        fault.peer = &peer;
    }
    plait_fire_fault(end(d), fault);
}

static void fail_with(struct dig *d, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "proxy");
    fault.detail = detail;
    fail(d, fault);
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    fail_with(ctx, PLAIT_ECANCELLED, NULL);
}

/* The tunnel stands: whoever asked for it has the stream, with what came behind the head. */
static void open_tunnel(void *ctx)
{
    struct dig *d = ctx;
    struct plait_stream *s = d->s;
    struct plait__offer *offer = d->offer;
    d->s = NULL;
    d->offer = NULL;
    plait_resume(s);
    plait__offer_fire(offer, s, end(d));
}

static void start(struct dig *d);

static void refused(struct dig *d)
{
    const int status = d->head.status;
    if (status == 407)
        fail_with(d, PLAIT_EACCESS, "the proxy wants other credentials");
    else if (status >= 500)
        fail_with(d, PLAIT_EUNREACHABLE, "the proxy can't reach the host");
    else if (status >= 400)
        fail_with(d, PLAIT_EREFUSED, "the proxy refuses to lead to the host");
    else
        fail_with(d, PLAIT_EPROTOCOL, "the proxy neither leads to the host nor refuses to");
}

enum verdict { GOES_ON, STANDS, IS_OVER };

/* Looks at a head that came. */
static enum verdict judge(struct dig *d, const uint8_t *base)
{
    const int status = d->head.status;
    struct plait_budget *budget = plait_reactor_budget(d->proxy->reactor);
    if (status >= 200 && status < 300) {
        plait_pause(d->s);
        plait_soon_queue(&d->open);
        return STANDS;
    }
    if (status == 101 || (status < 200 && d->interim++ == INTERIM_MAX)) {
        fail_with(d, PLAIT_EPROTOCOL, "an interim response that nobody asked for");
        return IS_OVER;
    }
    if (status < 200) {
        plait__http1_head_init(&d->head, true);
        return GOES_ON;
    }
    if (status == 407 && plait__client_auth_asked(&d->auth, budget, &d->head, base, "proxy-authenticate")) {
        plait__stream_discard(d->s);
        d->s = NULL;
        start(d);
        return IS_OVER;
    }
    refused(d);
    return IS_OVER;
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct dig *d = self;
    size_t at = 0;
    enum verdict verdict = GOES_ON;
    (void)s;
    while (verdict == GOES_ON) {
        const enum plait__http1_step step = plait__http1_head_read(&d->head, plait_slice_sub(in, at, in.len));
        const size_t from = at;
        if (step == PLAIT__HTTP1_MORE)
            break;
        if (step == PLAIT__HTTP1_BAD) {
            fail_with(d, PLAIT_EMALFORMED, "the proxy's answer is malformed");
            return in.len;
        }
        at += d->head.at;
        verdict = judge(d, in.ptr + from);
    }
    return verdict == IS_OVER ? in.len : at;
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct dig *d = self;
    struct plait_fault told = *fault;
    struct plait_address peer;
    plait_stream_peer(s, &peer);
    told.peer = &peer;
    told.step = "proxy";
    d->s = NULL;
    if (told.err == PLAIT_OK || told.err == PLAIT_EEOF)
        told.err = PLAIT_ETRUNCATED;
    fail(d, told);
}

static const struct plait_protocol digging = {
    .name = "http proxy", .data = on_data, .lost = on_lost, .input_max = HEAD_MAX};

static plait_err write_request(struct dig *d, struct plait_buf *out)
{
    uint8_t cnonce[PLAIT__CNONCE_BYTES] = {0};
    const plait_slice target = plait_buf_slice(&d->target);
    if (d->auth.digest)
        PLAIT_TRY(plait_random_bytes(d->proxy->reactor, cnonce, sizeof(cnonce)));
    plait_buf_put(out, PLAIT_LIT("CONNECT "));
    plait_buf_put(out, target);
    plait_buf_put(out, PLAIT_LIT(" HTTP/1.1\r\nHost: "));
    plait_buf_put(out, target);
    plait_buf_put(out, PLAIT_LIT("\r\nUser-Agent: plait/" PLAIT_VERSION "\r\n"));
    PLAIT_TRY(plait__client_auth_write(&d->auth, out, "Proxy-Authorization", PLAIT_LIT("CONNECT"), target, cnonce));
    plait_buf_put(out, PLAIT_LIT("\r\n"));
    return out->err;
}

static void on_connected(struct plait_result *result, void *ctx)
{
    struct dig *d = ctx;
    d->connecting = NULL;
    if (result->fault.err != PLAIT_OK) {
        const struct plait_fault fault = result->fault;
        plait_result_set(result, plait_value_num(0));
        fail(d, fault);
        return;
    }
    struct plait_buf request;
    plait_buf_init(&request, plait_reactor_budget(d->proxy->reactor), 2 * HEAD_MAX);
    d->s = plait_result_take(result).ptr;
    plait__http1_head_init(&d->head, true);
    plait_stream_attach(d->s, &digging, d);
    const plait_err err = write_request(d, &request);
    plait_write(d->s, plait_buf_slice(&request));
    plait_buf_deinit(&request);
    if (err != PLAIT_OK)
        fail_with(d, err, NULL);
}

static void start(struct dig *d)
{
    struct plait_http_proxy *p = d->proxy;
    struct plait_deferred *connecting = plait_connect_host(p->reactor, p->url.host, p->port, &d->connect);
    if (plait_then(connecting, on_connected, d) == PLAIT_OK) {
        d->connecting = connecting;
        return;
    }
    plait__deferred_drop(connecting);
    fail_with(d, PLAIT_ENOMEM, NULL);
}

static plait_err dig_fill(struct dig *d, plait_slice host, uint16_t port)
{
    const struct plait__client_auth *known = &d->proxy->auth;
    struct plait_budget *budget = plait_reactor_budget(d->proxy->reactor);
    const bool ip6 = plait_slice_find_byte(host, ':', 0) != SIZE_MAX;
    plait_buf_init(&d->target, budget, HEAD_MAX);
    plait_buf_put_text(&d->target, ip6 ? "[" : "");
    plait_buf_put(&d->target, host);
    plait_buf_put_text(&d->target, ip6 ? "]:" : ":");
    plait_buf_put_u64_text(&d->target, port);
    PLAIT_TRY(d->target.err);
    if (!plait__http1_is_host(plait_buf_slice(&d->target)))
        return PLAIT_FAIL(PLAIT_EINVAL);
    return plait__client_auth_copy(&d->auth, budget, known);
}

static struct plait_deferred *tunnel(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                     const struct plait_connect_options *options, void *ctx)
{
    struct plait_http_proxy *proxy = ctx;
    struct dig *d = plait_mem_new(plait_reactor_budget(reactor), sizeof(*d));
    if (!d)
        return NULL;
    d->proxy = plait_http_proxy_ref(proxy);
    plait_soon_init(&d->open, reactor, "http proxy", open_tunnel, d);
    plait__http_proxy_connect(proxy, options, &d->connect);
    d->offer = plait__offer_new(reactor);
    const plait_err err = d->offer ? dig_fill(d, host, port) : PLAIT_ENOMEM;
    d->deferred = err == PLAIT_OK ? plait_deferred_new(reactor, "http proxy", cancel, d) : NULL;
    if (!d->deferred) {
        (void)end(d);
        return err == PLAIT_EINVAL ? plait_deferred_fail(reactor, plait_fault_make(err, "proxy")) : NULL;
    }
    struct plait_deferred *deferred = d->deferred;
    start(d);
    return deferred;
}
