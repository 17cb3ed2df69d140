/* SPDX-License-Identifier: MIT
 *
 * The service that answers HTTP from a tree: its options with their defaults, and the lines that every answer has,
 * written once a second. Connections (http_server.c) and requests hold it.
 *
 * Invariant: `common` always holds complete lines; the date in it is never older than its second. Test:
 * tests/web/test_http_server.c.
 */
#include "base/timefmt.h"
#include "base/try.h"
#include "web/http_core.h"

#include <stdio.h>

static void common_refresh(struct plait__http_service *service)
{
    struct plait_reactor *reactor = service->web->reactor;
    int64_t seconds;
    uint32_t nanoseconds;
    plait_wall_clock(reactor, &seconds, &nanoseconds);
    char date[PLAIT__HTTP_DATE_BYTES];
    plait__format_http_date(seconds, date);
    int len = snprintf(service->common + service->server_len, sizeof(service->common) - service->server_len,
                       "Date: %s\r\n", date);
    service->common_len = service->server_len + (size_t)len;
    service->common_until = plait_now(reactor) + plait_seconds(1) - nanoseconds;
}

plait_slice plait__http_common(struct plait__http_service *service)
{
    if (plait_now(service->web->reactor) >= service->common_until)
        common_refresh(service);
    return plait_slice_of(service->common, service->common_len);
}

plait_slice plait__http_common_of(const struct plait_request *req)
{
    const plait_slice common = plait__http_common(req->service);
    return req->dated ? plait_slice_sub(common, 0, req->service->server_len) : common;
}

void plait__http_service_unref(struct plait__http_service *service)
{
    if (--service->refs > 0)
        return;
    plait_resource_unref(&service->root);
    plait_mem_free(service);
}

static plait_err service_open(struct plait_stream *s, void *ctx)
{
    return plait__http_open(ctx, s);
}

static void service_free(void *ctx)
{
    plait__http_service_unref(ctx);
}

static const struct plait_service_ops http_ops = {.name = "http", .open = service_open, .free = service_free};

static void fill_limits(struct plait_http_limits *l)
{
    l->head = l->head ? l->head : plait_seconds(10);
    l->idle = l->idle ? l->idle : plait_seconds(60);
    l->body = l->body ? l->body : plait_seconds(20);
    l->body_rate = l->body_rate == UINT64_MAX ? 0 : l->body_rate ? l->body_rate : 64;
    l->body_max = l->body_max ? l->body_max : (uint64_t)64 << 20;
    l->requests = l->requests ? l->requests : 1000000;
    l->streams = l->streams ? l->streams : 100;
    l->resets = l->resets ? l->resets : 500;
    l->floods = l->floods ? l->floods : 1000;
}

static bool server_name_fits(const char *name)
{
    return !name || (strlen(name) < 100 && plait__http1_is_value(plait_slice_text(name)));
}

static void write_server_name(struct plait__http_service *service)
{
    const char *name = service->options.server ? service->options.server : "plait";
    if (*name)
        service->server_len = (size_t)snprintf(service->common, sizeof(service->common), "Server: %s\r\n", name);
}

struct plait__http_service *plait__http_service_new(struct plait_resource *root,
                                                    const struct plait_http_options *options)
{
    static const struct plait_http_options defaults;
    if (!options)
        options = &defaults;
    struct plait_reactor *reactor = root ? plait__resource_reactor(root) : NULL;
    struct plait__web *web = reactor && server_name_fits(options->server) ? plait__web_of(reactor) : NULL;
    struct plait__http_service *service = NULL;
    if (web && !plait__resource_failed(root))
        service = plait_mem_new(plait_reactor_budget(reactor), sizeof(*service));
    if (!service) {
        plait_resource_unref(&root);
        return NULL;
    }
    service->web = web;
    service->root = root;
    service->refs = 1;
    service->options = *options;
    fill_limits(&service->options.limits);
    write_server_name(service);
    return service;
}

struct plait_service *plait_http_with(struct plait_resource *root, const struct plait_http_options *options)
{
    struct plait__http_service *service = plait__http_service_new(root, options);
    struct plait_service_ops ops = http_ops;
    if (service)
        ops.alpn = service->options.no_http2 ? PLAIT_LIT("\x08http/1.1") : PLAIT_LIT("\x02h2\x08http/1.1");
    return service ? plait_service_new(service->web->reactor, &ops, service) : NULL;
}

struct plait_service *plait_http(struct plait_resource *root)
{
    return plait_http_with(root, NULL);
}
