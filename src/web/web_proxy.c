/* SPDX-License-Identifier: MIT
 *
 * The reverse proxy as a resource: its options and origins, and what is answered here and not passed on. What a request
 * goes through is web_proxy_flow.c's, what is written web_proxy_head.c's, which origin is asked web_proxy_health.c's.
 *
 * Invariant: a proxy lives as long as its resource, which outlives the requests that reached it; its connections are
 * its own, shared with no other client. Test: tests/web/test_web_proxy.c.
 */
#include "base/try.h"
#include "web/web_layer.h"
#include "web/web_proxy.h"

#include <plait/tls.h>

enum { PER_ORIGIN = 256, CONNECTIONS = 1024, URL_MAX = 2048 };

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void origin_end(struct plait__proxy_origin *o)
{
    plait__proxy_check_stop(o);
    plait__pool_unpin(&o->pin);
    plait_buf_deinit(&o->host);
    plait_buf_deinit(&o->check_url);
    plait_mem_free(o->text);
}

void plait__proxy_free(void *proxy)
{
    struct plait__proxy *p = proxy;
    for (size_t i = 0; i < p->count; i++)
        origin_end(&p->origin[i]);
    plait_http_client_free(&p->client);
    while (p->pool) {
        struct plait__proxied *x = p->pool;
        p->pool = x->next_free;
        plait__proxied_free(x);
    }
    plait_target_rules_unref(&p->trust);
    plait_target_rules_unref(&p->targets);
    plait_tls_client_unref(&p->tls);
    plait_mem_free(p->via);
    plait_mem_free(p->upgrades);
    plait_mem_free(p->health);
    plait_mem_free(p);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* What goes no further: TRACE, which would tell a client what we added, and OPTIONS that has come far enough. */
bool plait__proxy_answers(struct plait__proxy *p, struct plait_request *req)
{
    const plait_slice method = plait_request_method(req);
    if (plait_slice_equal(method, PLAIT_LIT("TRACE"))) {
        plait_reply_error(req, 405, NULL);
        return true;
    }
    if (plait_slice_equal(method, PLAIT_LIT("OPTIONS")) &&
        plait_slice_equal(plait_request_field(req, "max-forwards"), PLAIT_LIT("0"))) {
        plait_reply(req, 204, NULL, plait_slice_of(NULL, 0));
        return true;
    }
    if (plait__proxy_hops(req, p->via) >= PLAIT__PROXY_HOPS) {
        plait_reply_error(req, 508, "The request goes in a circle.");
        return true;
    }
    return false;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static plait_span span_or(plait_span given, plait_span standard)
{
    return given > 0 ? given : standard;
}

static void fill(struct plait_reverse_proxy_options *o)
{
    struct plait_fetch_times *t = &o->times;
    t->wait = span_or(t->wait, plait_seconds(30));
    t->go_ahead = span_or(t->go_ahead, plait_seconds(1));
    t->send = span_or(t->send, plait_seconds(60));
    t->first_byte = span_or(t->first_byte, plait_seconds(60));
    o->idle = span_or(o->idle, plait_seconds(60));
    o->tunnel_idle = span_or(o->tunnel_idle, plait_seconds(3600));
    o->health_every = span_or(o->health_every, plait_seconds(5));
    o->connect.timeout = span_or(o->connect.timeout, plait_seconds(10));
    o->pool.per_origin = o->pool.per_origin ? o->pool.per_origin : PER_ORIGIN;
    o->pool.connections = o->pool.connections ? o->pool.connections : CONNECTIONS;
    o->retries = o->retries == 0 ? 1 : o->retries == UINT32_MAX ? 0 : o->retries;
}

static plait_err keep_text(struct plait__proxy *p, const char *text, char **out)
{
    if (!text)
        return PLAIT_OK;
    *out = plait_mem_text(plait_reactor_budget(p->reactor), text, strlen(text));
    return *out ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

static plait_err keep_options(struct plait__proxy *p)
{
    struct plait_reverse_proxy_options *o = &p->options;
    const char *via = o->via ? o->via : "plait";
    if (!plait__http1_is_token(plait_slice_text(via)) || strlen(via) >= PLAIT__PROXY_NAME)
        return PLAIT_FAIL(PLAIT_EINVAL);
    p->targets = o->connect.targets ? plait_target_rules_ref(o->connect.targets) : NULL;
    p->tls = o->connect.tls ? plait_tls_client_ref(o->connect.tls) : NULL;
    PLAIT_TRY(keep_text(p, via, &p->via));
    PLAIT_TRY(keep_text(p, o->upgrades ? o->upgrades : "websocket", &p->upgrades));
    PLAIT_TRY(keep_text(p, o->health, &p->health));
    const struct plait_target_options trust = {.allow = o->trust, .refuse = "public"};
    if (o->trust)
        PLAIT_TRY(plait_target_rules_new(p->reactor, &trust, &p->trust));
    p->client = plait_http_client_new(p->reactor, &o->pool);
    return p->client ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

/* --- origins ------------------------------------------------------------------------------------------------------ */

static plait_err parse_origin(struct plait__proxy_origin *o, bool *secure)
{
    PLAIT_TRY(plait_url_parse(plait_slice_text(o->text), &o->url));
    *secure = plait_slice_equal_nocase(o->url.scheme, PLAIT_LIT("https"));
    if (o->url.scheme.ptr && !*secure && !plait_slice_equal_nocase(o->url.scheme, PLAIT_LIT("http")))
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    if (!o->url.scheme.ptr || o->url.host.len == 0 || o->url.userinfo.ptr || o->url.query.ptr || o->url.fragment.ptr)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    o->base = o->url.path;
    while (o->base.len > 0 && o->base.ptr[o->base.len - 1] == '/')
        o->base.len--;
    return PLAIT_OK;
}

static void write_host(struct plait__proxy_origin *o)
{
    plait_buf_printf(&o->host, o->url.host_is_ip6 ? "[%.*s]" : "%.*s", PLAIT_ARG(o->url.host));
    if (o->url.port)
        plait_buf_printf(&o->host, ":%u", (unsigned)o->url.port);
}

static void write_check_url(struct plait__proxy_origin *o)
{
    const char *path = o->proxy->health ? o->proxy->health : "";
    const size_t base = strlen(o->text) - o->url.path.len + o->base.len;
    plait_buf_put(&o->check_url, plait_slice_of(o->text, base));
    plait_buf_put_text(&o->check_url, path[0] == '/' ? path : "/");
    plait_buf_put_text(&o->check_url, path[0] == '/' ? "" : path);
    plait_buf_put_u8(&o->check_url, '\0');
}

static plait_err add_origin(struct plait__proxy *p, plait_slice url)
{
    struct plait__proxy_origin *o = &p->origin[p->count];
    struct plait_budget *budget = plait_reactor_budget(p->reactor);
    bool secure;
    if (p->count == PLAIT__PROXY_ORIGINS)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    p->count++; /* it is ended with the others from here on */
    o->proxy = p;
    plait_buf_init(&o->host, budget, URL_MAX);
    plait_buf_init(&o->check_url, budget, URL_MAX);
    plait__proxy_check_start(o);
    o->text = plait_mem_text(budget, (const char *)url.ptr, url.len);
    if (!o->text)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    PLAIT_TRY(parse_origin(o, &secure));
    write_host(o);
    write_check_url(o);
    PLAIT_TRY(o->host.err);
    PLAIT_TRY(o->check_url.err);
    o->connect = p->options.connect;
    o->connect.tls = NULL;
    if (secure && !p->tls)
        PLAIT_TRY(plait__web_tls(p->reactor, &o->connect.tls));
    else if (secure)
        o->connect.tls = p->tls;
    o->pin = plait__pool_pin(p->client, &o->url, &o->connect);
    return o->pin ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

static plait_err add_origins(struct plait__proxy *p, plait_slice list)
{
    size_t at = 0;
    while (at <= list.len) {
        size_t comma = plait_slice_find_byte(list, ',', at);
        comma = comma == SIZE_MAX ? list.len : comma;
        PLAIT_TRY(add_origin(p, plait_slice_trim(plait_slice_sub(list, at, comma))));
        at = comma + 1;
    }
    return PLAIT_OK;
}

plait_err plait__proxy_new(struct plait_reactor *reactor, const struct plait_reverse_proxy_options *options,
                           struct plait__proxy **out)
{
    struct plait__proxy *p = plait_mem_new(plait_reactor_budget(reactor), sizeof(*p));
    *out = NULL;
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->reactor = reactor;
    if (options)
        p->options = *options;
    fill(&p->options);
    const plait_err err = keep_options(p);
    if (err)
        plait__proxy_free(p);
    else
        *out = p;
    return err;
}

static void pass(struct plait_request *req, void *ctx)
{
    if (!plait__proxy_answers(ctx, req))
        plait__proxy_pass(ctx, req);
}

/* Makes the resource of a proxy, which is taken. */
static plait_err make_resource(struct plait__proxy *p, struct plait_resource **out)
{
    struct plait_resource *resource = plait_resource_new(p->reactor);
    if (!resource || plait_resource_own(resource, p, plait__proxy_free) != PLAIT_OK) {
        plait__proxy_free(p);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    plait_resource_leaf(resource);
    (void)plait_resource_on(resource, "*", "", pass, p); /* a failure is kept; there is none */
    *out = resource;
    return PLAIT_OK;
}

plait_err plait_reverse_proxy_new(struct plait_reactor *reactor, const char *origins,
                                  const struct plait_reverse_proxy_options *options, struct plait_resource **out)
{
    struct plait__proxy *p;
    *out = NULL;
    PLAIT_TRY(plait__proxy_new(reactor, options, &p));
    const plait_err err = add_origins(p, plait_slice_text(origins));
    if (err) {
        plait__proxy_free(p);
        return err;
    }
    return make_resource(p, out);
}
