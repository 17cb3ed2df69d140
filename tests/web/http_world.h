/* SPDX-License-Identifier: MIT
 *
 * What the tests of the HTTP server share: a reactor with a service, and connections to it over in-memory streams.
 */
#ifndef PLAIT_TESTS_WEB_HTTP_WORLD_H
#define PLAIT_TESTS_WEB_HTTP_WORLD_H

#include "tests/support/test.h"

#include "web/http_core.h"

struct world {
    struct test_heap heap;
    struct plait_reactor *r;
    struct plait_resource *root;
    struct plait__http_service *service;
};

/* A connection's client end: collects what comes. */
struct peer {
    struct plait_stream *stream; /* NULL when lost */
    char got[1 << 18];
    size_t len;
    bool ended; /* the server closed its side */
    bool lost;
    bool deaf; /* takes nothing */
    plait_err err;
};

static void quiet_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)level;
    (void)line;
    (void)ctx;
}

static inline void world_open(struct world *w)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    test_heap_init(&w->heap, 0);
    struct plait_reactor_options options = {.allocator = &w->heap.allocator, .log = &quiet};
    w->r = plait_reactor_new(&options);
    assert_non_null(w->r);
    w->root = plait_resource_new(w->r);
    assert_non_null(w->root);
    w->service = NULL;
}

/* The tree is complete: makes the service. */
static inline void world_serve(struct world *w, const struct plait_http_options *options)
{
    w->service = plait__http_service_new(w->root, options);
    assert_non_null(w->service);
}

static inline void world_close(struct world *w)
{
    if (w->service)
        plait__http_service_unref(w->service);
    plait_reactor_free(&w->r);
    assert_int_equal(w->heap.live, 0);
}

static inline size_t peer_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct peer *p = self;
    (void)s;
    size_t room = sizeof(p->got) - 1 - p->len;
    if (p->deaf)
        return 0;
    if (in.len > room)
        in.len = room;
    memcpy(p->got + p->len, in.ptr, in.len);
    p->len += in.len;
    p->got[p->len] = 0;
    return in.len;
}

static inline void peer_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)s;
    (void)rest;
    ((struct peer *)self)->ended = true;
}

static inline void peer_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct peer *p = self;
    (void)s;
    p->lost = true;
    p->err = fault->err;
    p->stream = NULL;
}

static const struct plait_protocol peer_protocol = {
    .name = "test client", .data = peer_data, .eof = peer_eof, .lost = peer_lost};

static inline void spin(struct world *w)
{
    for (int i = 0; i < 40; i++)
        assert_ok(plait_reactor_step(w->r, 0));
}

static inline void peer_open(struct world *w, struct peer *p)
{
    struct plait_stream *server;
    memset(p, 0, sizeof(*p));
    assert_ok(plait_pair_new(w->r, &server, &p->stream));
    plait_stream_attach(p->stream, &peer_protocol, p);
    assert_ok(plait__http_open(w->service, server));
    spin(w);
}

static inline void peer_send(struct world *w, struct peer *p, const char *text)
{
    if (p->stream)
        plait_write(p->stream, plait_slice_text(text));
    spin(w);
}

static inline void peer_close(struct world *w, struct peer *p)
{
    if (p->stream)
        plait_abort(p->stream);
    spin(w);
}

/* One request on a connection of its own; the answer is in p->got. */
static inline void ask(struct world *w, struct peer *p, const char *text)
{
    peer_open(w, p);
    peer_send(w, p, text);
    peer_close(w, p);
}

static inline int status_of(const struct peer *p)
{
    return p->len > 12 && memcmp(p->got, "HTTP/1.1 ", 9) == 0 ? (int)strtol(p->got + 9, NULL, 10) : 0;
}

static inline const char *body_of(const struct peer *p)
{
    const char *end = strstr(p->got, "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline size_t count_of(const struct peer *p, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(p->got, what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

#endif
