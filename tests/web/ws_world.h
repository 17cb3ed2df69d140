/* SPDX-License-Identifier: MIT
 *
 * What the tests of WebSockets share: a server that echoes at "/", a peer that sends frames written as text, and what
 * came back as text.
 *
 * Frames as text stand behind each other with '|' between: a letter for the opcode, large for a last frame (T text,
 * B binary, C continuation, P ping, O pong, X close), digits for reserved bits (4 2 1), '#n' for n bytes of '*', ':'
 * and the payload; X has its code behind the colon, and after another one the reason.
 */
#ifndef PLAIT_TESTS_WEB_WS_WORLD_H
#define PLAIT_TESTS_WEB_WS_WORLD_H

#include "tests/web/http_world.h"

#include "web/ws_core.h"

#include <plait/testing.h>

#define WS_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WS_FIELDS "Host: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" WS_KEY "Sec-WebSocket-Version: 13\r\n"
#define WS_REQUEST(path) "GET " path " HTTP/1.1\r\n" WS_FIELDS "\r\n"

struct ws_world {
    struct world w;
    struct plait_testbed *bed; /* where time is to pass */
    struct peer p;
    struct plait_websocket_options options;
    const struct plait_websocket_handler *handler;
    struct plait_websocket *ws; /* NULL before and after */
    plait_err accepted;
    struct plait_fault fault;
    unsigned opened, lost, closing;
    char log[4096]; /* what the handler was told */
};

/* --- the server's side ----------------------------------------------------------------------------------------- */

static inline void ws_log(struct ws_world *t, const char *fmt, ...)
{
    va_list args;
    const size_t at = strlen(t->log);
    va_start(args, fmt);
    vsnprintf(t->log + at, sizeof t->log - at, fmt, args);
    va_end(args);
}

static inline void ws_on_open(struct plait_websocket *ws, void *self)
{
    struct ws_world *t = self;
    assert_ptr_equal(t->ws ? t->ws : ws, ws);
    t->opened++;
}

static inline void ws_on_echo(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message,
                              void *self)
{
    (void)self;
    assert_ok(plait_websocket_send(ws, kind, message));
}

static inline void ws_on_closing(struct plait_websocket *ws, unsigned code, plait_slice reason, void *self)
{
    struct ws_world *t = self;
    t->closing++;
    assert_int_equal(code, plait_websocket_code(ws));
    ws_log(t, "closing %u %.*s;", code, PLAIT_ARG(reason));
}

static inline void ws_on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct ws_world *t = self;
    (void)ws;
    t->lost++;
    t->fault = *fault;
    t->ws = NULL;
}

static const struct plait_websocket_handler ws_echo = {
    .name = "echo", .open = ws_on_open, .message = ws_on_echo, .closing = ws_on_closing, .lost = ws_on_lost};

static inline void ws_accept(struct plait_request *req, void *ctx)
{
    struct ws_world *t = ctx;
    t->accepted = plait_websocket_accept(req, &t->options, t->handler, t, &t->ws);
}

static inline void ws_serve(struct ws_world *t)
{
    if (!t->handler)
        t->handler = &ws_echo;
    assert_ok(plait_resource_on(t->w.root, "*", "", ws_accept, t));
    world_serve(&t->w, NULL);
}

/* A world with nothing in it yet but the server; fill `options` and `handler` before. */
static inline void ws_open_world(struct ws_world *t)
{
    world_open(&t->w);
    ws_serve(t);
}

/* The same where the clock stands still until ws_wait. */
static inline void ws_open_timed(struct ws_world *t)
{
    test_heap_init(&t->w.heap, 0);
    t->bed = plait_testbed_new(1);
    t->w.r = plait_testbed_reactor(t->bed);
    t->w.root = plait_resource_new(t->w.r);
    ws_serve(t);
}

static inline void ws_wait(struct ws_world *t, plait_span span)
{
    plait_testbed_advance(t->bed, span);
}

static inline void ws_close_world(struct ws_world *t)
{
    peer_close(&t->w, &t->p);
    if (t->bed) {
        plait__http_service_unref(t->w.service);
        plait_testbed_free(&t->bed);
    } else {
        world_close(&t->w);
    }
    assert_int_equal(t->lost, t->opened);
}

/* --- frames as text -------------------------------------------------------------------------------------------- */

static inline uint8_t ws_opcode_of(char letter)
{
    static const char letters[] = "ctb.....xpo";
    const char *at = strchr(letters, letter | 0x20);
    assert_non_null(at);
    return (uint8_t)(at - letters);
}

/* Appends one frame, masked as a client's unless `server`. */
static inline void ws_put_frame(struct plait_buf *out, uint8_t first, plait_slice payload, bool server)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const struct plait__ws_frame frame = {.length = payload.len, .mask = server ? NULL : mask};
    uint8_t head[PLAIT__WS_HEAD_MAX];
    const size_t len = plait__ws_head_write(&frame, head);
    head[0] = first;
    plait_buf_put(out, plait_slice_of(head, len));
    uint8_t *at = plait_buf_reserve(out, payload.len + 1);
    assert_non_null(at);
    if (!server)
        plait__ws_mask(at, payload, mask);
    else if (payload.len > 0)
        memcpy(at, payload.ptr, payload.len);
    plait_buf_commit(out, payload.len);
}

static inline void ws_put_spec(struct plait_buf *out, const char *spec, size_t len, bool server)
{
    struct plait_buf payload;
    const char *colon = memchr(spec, ':', len), *number = memchr(spec, '#', len);
    uint8_t first = ws_opcode_of(spec[0]) | (spec[0] < 'a' ? 0x80 : 0);
    plait_buf_init(&payload, out->budget, SIZE_MAX / 2);
    for (const char *c = spec + 1; c < (colon ? colon : spec + len) && c != number; c++)
        first |= (uint8_t)((*c - '0') << 4);
    if (number && (!colon || number < colon)) {
        const size_t count = strtoul(number + 1, NULL, 10);
        uint8_t *at = plait_buf_reserve(&payload, count + 1);
        memset(at, '*', count);
        plait_buf_commit(&payload, count);
    } else if (colon && ws_opcode_of(spec[0]) == 8) {
        char *end;
        plait_buf_put_u16(&payload, (uint16_t)strtoul(colon + 1, &end, 10));
        if (*end == ':')
            plait_buf_put(&payload, plait_slice_of(end + 1, (size_t)(spec + len - end - 1)));
    } else if (colon) {
        plait_buf_put(&payload, plait_slice_of(colon + 1, (size_t)(spec + len - colon - 1)));
    }
    ws_put_frame(out, first, plait_buf_slice(&payload), server);
    plait_buf_deinit(&payload);
}

static inline void ws_put_specs(struct plait_buf *out, const char *specs, bool server)
{
    while (*specs) {
        const size_t len = strcspn(specs, "|");
        ws_put_spec(out, specs, len, server);
        specs += len + (specs[len] == '|');
    }
}

/* Frames that came, as text. Payloads of '*' are told by their length. */
static inline void ws_describe(plait_slice in, bool masked, bool compress, char *out, size_t bytes)
{
    struct plait__ws_reader reader = {.masked = masked, .may_compress = compress};
    size_t at = 0, len = 0;
    out[0] = 0;
    while (at < in.len) {
        static const char letters[] = "CTB.....XPO";
        const struct plait__ws_view v = plait__ws_look(&reader, plait_slice_sub(in, at, in.len));
        uint8_t *clear = malloc(v.payload.len + 1);
        if (v.step == PLAIT__WS_BAD || v.step == PLAIT__WS_MORE) {
            len += (size_t)snprintf(out + len, bytes - len, "%s%s", len ? "|" : "", v.why ? v.why : "...");
            free(clear);
            return;
        }
        plait__ws_mask(clear, v.payload, v.mask);
        clear[v.payload.len] = 0;
        const bool stars = v.payload.len > 0 && strspn((char *)clear, "*") == v.payload.len;
        const char letter = letters[in.ptr[at] & 0x0f];
        len += (size_t)snprintf(out + len, bytes - len, "%s%c%s", len ? "|" : "",
                                in.ptr[at] & 0x80 ? letter : (char)(letter | 0x20), in.ptr[at] & 0x40 ? "4" : "");
        if (v.opcode == 8 && v.payload.len >= 2)
            len += (size_t)snprintf(out + len, bytes - len, ":%u%s%s", clear[0] << 8 | clear[1],
                                    v.payload.len > 2 ? ":" : "", (char *)clear + 2);
        else if (stars)
            len += (size_t)snprintf(out + len, bytes - len, "#%zu", v.payload.len);
        else if (v.payload.len)
            len += (size_t)snprintf(out + len, bytes - len, ":%s", (char *)clear);
        if (v.step == PLAIT__WS_PIECE)
            plait__ws_take(&reader, &v, v.payload.len);
        at += v.head + v.payload.len;
        free(clear);
    }
}

/* --- the peer -------------------------------------------------------------------------------------------------- */

static inline plait_slice ws_came(const struct peer *p)
{
    const char *end = strstr(p->got, "\r\n\r\n");
    return end ? plait_slice_of(end + 4, p->len - (size_t)(end + 4 - p->got)) : plait_slice_of(NULL, 0);
}

static inline void ws_connect(struct ws_world *t)
{
    peer_open(&t->w, &t->p);
    peer_send(&t->w, &t->p, WS_REQUEST("/"));
    assert_int_equal(status_of(&t->p), 101);
    assert_int_equal(t->opened, 1);
}

static inline void ws_send_bytes(struct ws_world *t, plait_slice bytes)
{
    if (t->p.stream)
        plait_write(t->p.stream, bytes);
    spin(&t->w);
}

static inline void ws_send(struct ws_world *t, const char *specs)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(t->w.r), SIZE_MAX / 2);
    ws_put_specs(&out, specs, false);
    ws_send_bytes(t, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

#define assert_came(t, specs) ws_assert_came((t), (specs), __FILE__, __LINE__)
static inline void ws_assert_came(struct ws_world *t, const char *specs, const char *file, int line)
{
    char got[8192];
    ws_describe(ws_came(&t->p), false, true, got, sizeof got);
    if (strcmp(got, specs) != 0) {
        print_error("came      %s\nexpected  %s\n", got, specs);
        _fail(file, line);
    }
}

#endif
