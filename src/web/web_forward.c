/* SPDX-License-Identifier: MIT
 *
 * The forward proxy: requests for whole URLs, which go through the same exchanges as a reverse proxy's, and tunnels
 * (CONNECT). Where a client may go is judged by address after its name was looked up, and that address is connected to
 * (plait/target.h). Who may come is a layer's matter.
 *
 * Invariant: a tunnel that is being made belongs to its request, and goes with it; one that is made to its two streams.
 * Test: tests/web/test_web_forward.c.
 */
#include "base/try.h"
#include "engine/deferred_core.h"
#include "web/web_proxy.h"

enum { TUNNELS = 1000 };

struct forward {
    struct plait__proxy *proxy;
    size_t refs; /* the resource, and tunnels */
    size_t tunnels, tunnels_max;
    bool no_connect;
    struct plait_connect_options connect;
};

/* A tunnel that is being made. */
struct way {
    struct forward *forward;
    struct plait_request *req;
    struct plait_deferred *connecting;
};

static void unref(struct forward *f)
{
    if (--f->refs == 0)
        plait_mem_free(f);
}

/* --- tunnels ------------------------------------------------------------------------------------------------------ */

static void tunnel_over(struct plait_result *result, void *ctx)
{
    struct forward *f = ctx;
    plait_result_set(result, plait_value_num(0)); /* either side may end it in any way */
    f->tunnels--;
    unref(f);
}

static void refuse(struct plait_request *req, plait_err err)
{
    if (err == PLAIT_EFORBIDDEN)
        plait_reply_error(req, 403, "This proxy does not go there.");
    else if (plait_err_class_of(err) == PLAIT_CLASS_TIMEOUT || err == PLAIT_ENETTIMEDOUT)
        plait_reply_error(req, 504, "The server took too long to answer.");
    else
        plait_reply_error(req, plait_err_class_of(err) == PLAIT_CLASS_NOMEM ? 503 : 502,
                          "The server can't be reached.");
}

/* Joins the client to the server; the tunnel's count is the joint's from here on. */
static bool join(struct forward *f, struct plait_stream *client, struct plait_stream *server)
{
    struct plait_deferred *over = plait_pipe_idle(client, server, true, f->proxy->options.tunnel_idle);
    if (over && plait_then(over, tunnel_over, f) == PLAIT_OK)
        return true;
    plait_abort(client);
    plait_abort(server);
    return false;
}

static void on_connected(struct plait_result *result, void *ctx)
{
    struct way *w = ctx;
    struct forward *f = w->forward;
    struct plait_request *req = w->req;
    struct plait_stream *client;
    plait_err err = result->fault.err;
    w->connecting = NULL;
    plait_request_gone(req, NULL, NULL);
    if (err) {
        plait_result_set(result, plait_value_num(0));
        f->tunnels--;
        refuse(req, err);
        unref(f);
        return;
    }
    struct plait_stream *server = plait_result_take(result).ptr;
    err = plait__request_tunnel(req, &client);
    if (!err && join(f, client, server))
        return;
    f->tunnels--;
    unref(f);
    if (!err)
        return;
    plait_abort(server);
    plait_request_drop(req);
}

/* The client left, or ended its side before there was anything to end. */
static void on_gone(struct plait_request *req, void *ctx)
{
    struct way *w = ctx;
    struct forward *f = w->forward;
    plait__deferred_forget(w->connecting, on_connected, w);
    plait__deferred_drop(w->connecting);
    f->tunnels--;
    plait_request_drop(req);
    unref(f);
}

static void make_tunnel(struct forward *f, struct plait_request *req)
{
    struct plait_url url;
    char text[PLAIT__HTTP1_TARGET_MAX + 8];
    struct way *w = plait_request_memory(req, sizeof(*w));
    memcpy(text, "http://", 7);
    memcpy(text + 7, req->host.ptr, req->host.len);
    if (plait_url_parse(plait_slice_of(text, 7 + req->host.len), &url) != PLAIT_OK || url.port == 0) {
        plait_reply_error(req, 400, "This is no host with a port.");
        return;
    }
    if (!w || f->tunnels == f->tunnels_max) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    *w = (struct way){.forward = f, .req = req};
    w->connecting = plait_connect_host(f->proxy->reactor, url.host, url.port, &f->connect);
    if (plait_then(w->connecting, on_connected, w) != PLAIT_OK) {
        plait__deferred_drop(w->connecting);
        plait_reply_error(req, 503, NULL);
        return;
    }
    f->tunnels++;
    f->refs++;
    plait_request_gone(req, on_gone, w);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* Whether a request names its server itself, in the clear; TLS is the client's own matter, in a tunnel. */
static bool is_absolute(const struct plait_request *req)
{
    const plait_slice scheme = PLAIT_LIT("http://"), target = plait_request_target(req);
    return plait_slice_equal_nocase(plait_slice_sub(target, 0, scheme.len), scheme);
}

static void pass(struct plait_request *req, void *ctx)
{
    struct forward *f = ctx;
    if (plait_slice_equal(plait_request_method(req), PLAIT_LIT("CONNECT"))) {
        if (f->no_connect)
            plait_reply_error(req, 405, NULL);
        else
            make_tunnel(f, req);
        return;
    }
    if (!is_absolute(req)) {
        plait_reply_error(req, 400, "This is a proxy: it is asked for whole URLs of http.");
        return;
    }
    if (!plait__proxy_answers(f->proxy, req))
        plait__proxy_pass(f->proxy, req);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void forward_free(void *ctx)
{
    struct forward *f = ctx;
    plait__proxy_free(f->proxy);
    f->proxy = NULL;
    unref(f);
}

static plait_err make_proxy(struct plait_reactor *reactor, const struct plait_forward_proxy_options *o,
                            struct plait__proxy **out)
{
    struct plait_target_options targets = o->targets;
    struct plait_reverse_proxy_options options = {.via = o->via, .times = o->times, .idle = o->idle, .pool = o->pool};
    options.connect.timeout = o->connect;
    options.tunnel_idle = o->tunnel_idle ? o->tunnel_idle : plait_seconds(300);
    if (!targets.ports)
        targets.ports = "80,443,1024-65535";
    PLAIT_TRY(plait_target_rules_new(reactor, &targets, &options.connect.targets));
    const plait_err err = plait__proxy_new(reactor, &options, out);
    plait_target_rules_unref(&options.connect.targets); /* the proxy has its own */
    return err;
}

/* One origin that stands for whatever a request names. */
static void be_forward(struct plait__proxy *p)
{
    struct plait_budget *budget = plait_reactor_budget(p->reactor);
    p->forward = true;
    p->count = 1;
    p->origin[0].proxy = p;
    p->origin[0].connect = p->options.connect;
    plait_buf_init(&p->origin[0].host, budget, 1);
    plait_buf_init(&p->origin[0].check_url, budget, 1);
    plait__proxy_check_start(&p->origin[0]);
}

plait_err plait_forward_proxy_new(struct plait_reactor *reactor, const struct plait_forward_proxy_options *options,
                                  struct plait_resource **out)
{
    static const struct plait_forward_proxy_options defaults;
    const struct plait_forward_proxy_options *o = options ? options : &defaults;
    struct plait__proxy *p;
    *out = NULL;
    PLAIT_TRY(make_proxy(reactor, o, &p));
    be_forward(p);
    struct plait_resource *resource = plait_resource_new(reactor);
    struct forward *f = plait_mem_new(plait_reactor_budget(reactor), sizeof(*f));
    if (!f || !resource || plait_resource_own(resource, f, forward_free) != PLAIT_OK) {
        plait_mem_free(f);
        plait__proxy_free(p);
        plait_resource_unref(&resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    *f = (struct forward){.proxy = p, .refs = 1, .no_connect = o->no_connect, .connect = p->origin[0].connect};
    f->tunnels_max = o->tunnels ? o->tunnels : TUNNELS;
    plait_resource_leaf(resource);
    plait__resource_connect(resource);
    (void)plait_resource_on(resource, "*", "", pass, f); /* a failure is kept; there is none */
    *out = resource;
    return PLAIT_OK;
}
