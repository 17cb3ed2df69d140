/* SPDX-License-Identifier: MIT
 *
 * What a reactor holds for the web: pools of connections and requests, the buffer in which answers are composed, and
 * counters. Made with the first resource or fetch, and ended by the reactor when nothing runs any more.
 *
 * Invariant: one a reactor, found by its module's function. Test: tests/web/test_http_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"
#include "web/http_client_core.h"

#include <plait/tls.h>

enum { WINDOW = 64 * 1024 };

static void web_stop(struct plait__module *module)
{
    (void)module; /* streams end by the reactor's hand, and their requests with them */
}

/* Requests that handlers never ended go here; their handlers can't run any more. */
static void web_release(struct plait__module *module)
{
    struct plait__web *web = plait__container(module, struct plait__web, module);
    while (!plait__list_empty(&web->live))
        plait__request_free(plait__container(web->live.next, struct plait_request, link));
    while (web->pool) {
        struct plait_request *req = web->pool;
        web->pool = req->next_free;
        plait_buf_deinit(&req->fields);
        plait_mem_free(req);
    }
    plait_metrics_remove(&web->connections);
    plait_metrics_remove(&web->connections_two);
    plait_metrics_remove(&web->requests);
    plait_metrics_remove(&web->errors);
    plait_http_client_free(&web->client);
    plait__slab_deinit(&web->fetches);
    plait_metrics_remove(&web->websockets);
    plait_tls_client_unref(&web->tls);
    plait_buf_deinit(&web->scratch);
    plait_mem_free(web->window);
    plait__slab_deinit(&web->conns);
    plait__slab_deinit(&web->streams);
    plait__h2_shared_free(web);
    plait_mem_free(web);
}

static void add_metric(struct plait__web *web, struct plait_metric *metric, enum plait_metric_kind kind,
                       const char *name, const char *help)
{
    metric->kind = kind;
    metric->name = name;
    metric->help = help;
    metric->unit = "";
    metric->labels = "";
    plait_metrics_add(plait_reactor_metrics(web->reactor), metric);
}

plait_err plait__web_window(struct plait__web *web)
{
    if (!web->window)
        web->window = plait_mem_new(plait_reactor_budget(web->reactor), WINDOW);
    return web->window ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait__web_tls(struct plait_reactor *reactor, struct plait_tls_client **out)
{
    static const struct plait_tls_client_options defaults;
    struct plait__web *web = plait__web_of(reactor);
    if (!web)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (!web->tls)
        PLAIT_TRY(plait_tls_client_new(reactor, &defaults, &web->tls, NULL));
    *out = web->tls;
    return PLAIT_OK;
}

static struct plait__web *web_new(struct plait_reactor *reactor)
{
    struct plait__web *web = plait_mem_new(plait_reactor_budget(reactor), sizeof(*web));
    if (!web)
        return NULL;
    web->module.stop = web_stop;
    web->module.release = web_release;
    web->reactor = reactor;
    plait__slab_init(&web->streams, plait_reactor_budget(reactor), sizeof(struct plait__h2_stream), 0);
    plait__slab_init(&web->conns, plait_reactor_budget(reactor), sizeof(struct plait__http_conn), 0);
    plait__slab_init(&web->fetches, plait_reactor_budget(reactor), plait__fetch_bytes(), 0);
    plait__list_init(&web->live);
    plait_buf_init(&web->scratch, plait_reactor_budget(reactor), 65536);
    add_metric(web, &web->connections, PLAIT_GAUGE, "plait_http_connections", "Open HTTP connections.");
    add_metric(web, &web->connections_two, PLAIT_GAUGE, "plait_http2_connections", "Those of them in HTTP/2.");
    add_metric(web, &web->requests, PLAIT_COUNTER, "plait_http_requests", "HTTP requests answered.");
    add_metric(web, &web->errors, PLAIT_COUNTER, "plait_http_refused", "HTTP requests refused for their form.");
    add_metric(web, &web->websockets, PLAIT_GAUGE, "plait_websockets", "Open WebSockets.");
    plait__module_add(reactor, &web->module);
    return web;
}

struct plait__web *plait__web_of(struct plait_reactor *reactor)
{
    for (struct plait__list *at = reactor->modules.next; at != &reactor->modules; at = at->next) {
        struct plait__module *module = plait__container(at, struct plait__module, link);
        if (module->release == web_release)
            return plait__container(module, struct plait__web, module);
    }
    return web_new(reactor);
}
