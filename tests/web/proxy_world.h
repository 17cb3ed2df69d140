/* SPDX-License-Identifier: MIT
 *
 * What the tests of proxies share: a farm of servers that say what a test wants, a proxy before them in the simulated
 * world, and clients whose connections to the proxy are pairs in memory.
 */
#ifndef PLAIT_TESTS_WEB_PROXY_WORLD_H
#define PLAIT_TESTS_WEB_PROXY_WORLD_H

#include "tests/web/client_world.h"

#include "web/http_core.h"

#include <plait/proxy.h>

struct stage {
    struct farm farm;
    struct plait__http_service *service;
};

struct guest {
    struct stage *stage;
    struct plait_stream *stream; /* NULL when lost */
    char got[1 << 17];
    size_t len;
    bool ended;
    plait_err err; /* with which it was lost */
    bool lost;
};

static inline size_t guest_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct guest *g = self;
    const size_t room = sizeof(g->got) - 1 - g->len;
    (void)s;
    const size_t len = in.len < room ? in.len : room;
    memcpy(g->got + g->len, in.ptr, len);
    g->len += len;
    g->got[g->len] = 0;
    return in.len;
}

static inline void guest_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)s;
    (void)rest;
    ((struct guest *)self)->ended = true;
}

static inline void guest_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct guest *g = self;
    (void)s;
    g->stream = NULL;
    g->lost = true;
    g->err = fault->err;
}

static const struct plait_protocol guest_protocol = {
    .name = "guest", .data = guest_data, .eof = guest_eof, .lost = guest_lost, .flags = PLAIT_HALF_CLOSE};

static inline void stage_pass(struct stage *st, plait_span span)
{
    plait_sim_run_for(st->farm.sim, span);
}

/* The proxy stands at the root. */
static inline void stage_open(struct stage *st, farm_fn answer, const char *origins,
                              const struct plait_reverse_proxy_options *options)
{
    struct plait_resource *root;
    farm_open(&st->farm, answer);
    assert_ok(plait_reverse_proxy_new(st->farm.r, origins, options, &root));
    st->service = plait__http_service_new(root, NULL);
    assert_non_null(st->service);
}

static inline void stage_close(struct stage *st)
{
    stage_pass(st, plait_millis(50));
    plait__http_service_unref(st->service);
    farm_close(&st->farm);
}

static inline void guest_open(struct stage *st, struct guest *g)
{
    struct plait_stream *server;
    memset(g, 0, sizeof *g);
    g->stage = st;
    assert_ok(plait_pair_new(st->farm.r, &server, &g->stream));
    plait_stream_attach(g->stream, &guest_protocol, g);
    assert_ok(plait__http_open(st->service, server));
    stage_pass(st, plait_millis(1));
}

static inline void guest_send(struct guest *g, const char *text)
{
    if (g->stream)
        plait_write(g->stream, plait_slice_text(text));
    stage_pass(g->stage, plait_millis(50));
}

static inline void guest_leave(struct guest *g)
{
    if (g->stream)
        plait_abort(g->stream);
    stage_pass(g->stage, plait_millis(50));
}

static inline int guest_status(const struct guest *g)
{
    return g->len > 12 && memcmp(g->got, "HTTP/1.1 ", 9) == 0 ? (int)strtol(g->got + 9, NULL, 10) : 0;
}

static inline const char *guest_body(const struct guest *g)
{
    const char *end = strstr(g->got, "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline void guest_expect(const struct guest *g, int status, const char *body)
{
    if (guest_status(g) != status)
        fail_msg("expected %d, got: %.300s", status, g->got);
    if (body)
        assert_string_equal(guest_body(g), body);
}

/* Asks on a connection of its own; what comes within a moment is in g->got. */
static inline void guest_ask(struct stage *st, struct guest *g, const char *text)
{
    guest_open(st, g);
    guest_send(g, text);
}

#endif
