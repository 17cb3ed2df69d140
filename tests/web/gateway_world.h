/* SPDX-License-Identifier: MIT
 *
 * What the tests of gateways share: a simulated world with a server, whose log is kept, and a client that sends the
 * text of requests and keeps what comes.
 */
#ifndef PLAIT_TESTS_WEB_GATEWAY_WORLD_H
#define PLAIT_TESTS_WEB_GATEWAY_WORLD_H

#include "tests/support/test.h"

#include <plait/gateway.h>
#include <plait/listen.h>
#include <plait/sim.h>
#include <plait/web.h>

struct gw {
    struct test_heap heap; /* of the server's reactor */
    struct plait_reactor_options reactor_options;
    struct plait_log_options log_options;
    struct plait_sim *sim;
    struct plait_host *server, *client;
    struct plait_reactor *r; /* the server's */
    struct plait_resource *root;
    char log[8192];
    size_t log_len;
};

/* One connection of the client. */
struct visitor {
    struct plait_stream *stream; /* NULL: lost */
    const char *says;
    bool shut;     /* closes its side behind what it says */
    bool deaf;     /* takes nothing */
    uint16_t port; /* 0: 80 */
    struct plait_connect_options connect;
    char got[1 << 17];
    size_t len;
    bool over;
};

static void keep_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct gw *w = ctx;
    (void)level;
    if (line.len < sizeof w->log - w->log_len) {
        memcpy(w->log + w->log_len, line.ptr, line.len);
        w->log_len += line.len;
        w->log[w->log_len] = '\0';
    }
}

static inline void gw_open(struct gw *w)
{
    memset(w, 0, sizeof *w);
    test_heap_init(&w->heap, 0);
    w->log_options = (struct plait_log_options){.level = PLAIT_LOG_INFO, .sink = keep_line, .ctx = w};
    w->reactor_options.allocator = &w->heap.allocator;
    w->reactor_options.log = &w->log_options;
    w->sim = plait_sim_new(1, 0);
    w->server = plait_sim_host(w->sim, "server");
    w->client = plait_sim_host(w->sim, "client");
    plait_host_reactor_options(w->server, &w->reactor_options);
    w->r = plait_host_reactor(w->server);
    w->root = plait_resource_new(w->r);
    assert_non_null(w->root);
}

/* The tree is complete. */
static inline void gw_serve(struct gw *w)
{
    struct plait_address at;
    plait_host_address(w->server, PLAIT_ADDR_IP4, 80, &at);
    assert_ok(plait_listen(w->r, &at, NULL, plait_http(w->root), NULL));
}

static inline void gw_close(struct gw *w)
{
    plait_sim_run_for(w->sim, plait_seconds(120)); /* idle connections end */
    plait_sim_check_end(w->sim);
    if (plait_sim_failure(w->sim))
        fail_msg("%s", plait_sim_failure(w->sim));
    assert_int_equal(w->heap.live, 0);
    plait_sim_free(&w->sim);
}

static size_t visitor_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct visitor *v = self;
    (void)s;
    const size_t room = sizeof v->got - 1 - v->len, len = in.len < room ? in.len : room;
    if (v->deaf)
        return 0;
    memcpy(v->got + v->len, in.ptr, len);
    v->len += len;
    v->got[v->len] = '\0';
    return in.len;
}

static void visitor_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visitor *v = self;
    (void)s;
    (void)fault;
    v->stream = NULL;
    v->over = true;
}

static const struct plait_protocol visitor_protocol = {
    .name = "visitor", .data = visitor_data, .lost = visitor_lost, .flags = PLAIT_BOUNDS_OUTPUT};

static void visitor_connected(struct plait_result *result, void *ctx)
{
    struct visitor *v = ctx;
    assert_ok(result->fault.err);
    v->stream = plait_result_take(result).ptr;
    plait_stream_attach(v->stream, &visitor_protocol, v);
    if (v->deaf)
        plait_pause(v->stream);
    plait_write(v->stream, plait_slice_text(v->says));
    if (v->shut)
        plait_close_write(v->stream);
}

/* Connects and says something; the world does not run. */
static inline void visit(struct gw *w, struct visitor *v, const char *says)
{
    v->says = says;
    v->over = false;
    v->len = 0;
    v->got[0] = '\0';
    assert_ok(plait_then(
        plait_connect_host(plait_host_reactor(w->client), PLAIT_LIT("server"), v->port ? v->port : 80, &v->connect),
        visitor_connected, v));
}

static bool visitor_waits(void *ctx)
{
    return !((struct visitor *)ctx)->over;
}

/* Waits for the connection's end, at most ten minutes. */
static inline void visit_ends(struct gw *w, struct visitor *v)
{
    assert_true(plait_sim_run_while(w->sim, plait_seconds(600), visitor_waits, v));
}

static inline int status_of(const struct visitor *v)
{
    return strncmp(v->got, "HTTP/1.1 ", 9) == 0 ? (int)strtol(v->got + 9, NULL, 10) : 0;
}

/* Says something, waits for the end, returns the status. */
static inline int ask(struct gw *w, struct visitor *v, const char *says)
{
    visit(w, v, says);
    visit_ends(w, v);
    return status_of(v);
}

static inline const char *body_of(const struct visitor *v)
{
    const char *end = strstr(v->got, "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline bool logged(const struct gw *w, const char *what)
{
    return strstr(w->log, what) != NULL;
}

#endif
