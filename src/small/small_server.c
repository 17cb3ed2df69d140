/* SPDX-License-Identifier: MIT
 *
 * The small services over streams: each is a protocol of a few lines. The netstring echo is framing's own framed
 * protocol.
 *
 * Invariant: no service keeps more of a peer's than one netstring; a silent connection is closed; chargen writes only
 * as much as the peer takes. Test: tests/small/test_small_server.c.
 */
#include "small/small_wire.h"

#include "base/try.h"

#include <plait/framing.h>

static const char own_quote[] = "Everything should be made as simple as possible, but no simpler.";

struct small {
    struct plait_reactor *reactor;
    enum plait_small which;
    struct plait_small_options options;
};

/* One connection. */
struct talk {
    struct small *small;
    struct plait_timer idle;
    uint64_t line; /* chargen's next */
};

const char *plait__small_quote(const struct plait_small_options *options)
{
    return options->quote ? options->quote : own_quote;
}

static void gone_silent(void *ctx)
{
    plait_close_with(ctx, PLAIT_ETIMEDOUT, "silent for too long");
}

static struct talk *talk_new(struct small *small, struct plait_stream *s)
{
    struct talk *t = plait_mem_new(plait_stream_budget(s), sizeof *t);
    if (!t)
        return NULL;
    t->small = small;
    plait_timer_init(&t->idle, small->reactor, "small-idle", gone_silent, s);
    plait_timer_arm(&t->idle, small->options.idle);
    return t;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct talk *t = self;
    (void)s;
    (void)fault;
    plait_timer_stop(&t->idle);
    plait_mem_free(t);
}

static size_t echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct talk *t = self;
    plait_timer_arm(&t->idle, t->small->options.idle);
    plait_write(s, in);
    return in.len;
}

static size_t discard_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct talk *t = self;
    (void)s;
    plait_timer_arm(&t->idle, t->small->options.idle);
    return in.len;
}

static void chargen_fill(struct plait_stream *s, void *self)
{
    struct talk *t = self;
    uint8_t line[PLAIT__CHARGEN_LINE];
    plait_timer_arm(&t->idle, t->small->options.idle);
    while (plait_is_open(s) && !plait_is_full(s)) { /* a write that fails ends the stream */
        plait__chargen_line(t->line++, line);
        plait_write(s, plait_slice_of(line, sizeof line));
    }
}

static void chargen_connected(struct plait_stream *s, void *self)
{
    plait_stream_marks(s, 16 * 1024, 4 * 1024);
    chargen_fill(s, self);
}

/* qotd, daytime and time say one thing and close. */
static void answer_connected(struct plait_stream *s, void *self)
{
    struct talk *t = self;
    uint8_t answer[PLAIT__SMALL_ANSWER_MAX];
    int64_t now;
    uint32_t unused;
    plait_wall_clock(t->small->reactor, &now, &unused);
    const size_t n = plait__small_answer(t->small->which, plait__small_quote(&t->small->options), now, answer);
    plait_write(s, plait_slice_of(answer, n));
    plait_close(s);
}

static const struct plait_protocol echo_protocol = {.name = "echo", .data = echo_data, .lost = lost};
static const struct plait_protocol discard_protocol = {.name = "discard", .data = discard_data, .lost = lost};
static const struct plait_protocol chargen_protocol = {.name = "chargen",
                                                       .connected = chargen_connected,
                                                       .data = discard_data,
                                                       .room = chargen_fill,
                                                       .lost = lost,
                                                       .flags = PLAIT_BOUNDS_OUTPUT};
static const struct plait_protocol answer_protocol = {.name = "answer", .connected = answer_connected, .lost = lost};

static void netstring_frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    struct talk *t = self;
    plait_timer_arm(&t->idle, t->small->options.idle);
    plait_framed_send(framed, payload);
}

static void netstring_lost(struct plait_framed *framed, const struct plait_fault *fault, void *self)
{
    lost(plait_framed_stream(framed), fault, self);
}

static const struct plait_framed_handler netstring_handler = {
    .name = "netstring-echo", .frame = netstring_frame, .lost = netstring_lost};

static plait_err open_netstrings(struct plait_stream *s, struct talk *t)
{
    const plait_err err =
        plait_framed_attach(s, PLAIT_NETSTRINGS, t->small->options.netstring_max, &netstring_handler, t, NULL);
    if (err == PLAIT_OK)
        return PLAIT_OK;
    plait_timer_stop(&t->idle);
    plait_mem_free(t);
    return PLAIT_FAIL(err);
}

static plait_err open_connection(struct plait_stream *s, void *ctx)
{
    static const struct plait_protocol *const protocols[] = {
        [PLAIT_ECHO] = &echo_protocol,   [PLAIT_DISCARD] = &discard_protocol, [PLAIT_CHARGEN] = &chargen_protocol,
        [PLAIT_QOTD] = &answer_protocol, [PLAIT_DAYTIME] = &answer_protocol,  [PLAIT_TIME] = &answer_protocol,
    };
    struct small *small = ctx;
    struct talk *t = talk_new(small, s);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (small->which == PLAIT_NETSTRING_ECHO)
        return open_netstrings(s, t);
    plait_stream_attach(s, protocols[small->which], t);
    return PLAIT_OK;
}

static void small_free(void *ctx)
{
    plait_mem_free(ctx);
}

#define SMALL_OPS(service)                                                                                             \
    {                                                                                                                  \
        .name = (service), .open = open_connection, .free = small_free                                                 \
    }

void plait__small_defaults(struct plait_small_options *out, const struct plait_small_options *options)
{
    *out = options ? *options : (struct plait_small_options){.quote = NULL};
    if (out->idle == 0)
        out->idle = plait_seconds(300);
}

struct plait_service *plait_small_service(struct plait_reactor *reactor, enum plait_small which,
                                          const struct plait_small_options *options)
{
    static const struct plait_service_ops ops[] = {
        SMALL_OPS("echo"),    SMALL_OPS("discard"), SMALL_OPS("chargen"),       SMALL_OPS("qotd"),
        SMALL_OPS("daytime"), SMALL_OPS("time"),    SMALL_OPS("netstring-echo")};
    struct small *small = plait_mem_new(plait_reactor_budget(reactor), sizeof *small);
    if (!small)
        return NULL;
    small->reactor = reactor;
    small->which = which;
    plait__small_defaults(&small->options, options);
    return plait_service_new(reactor, &ops[which], small);
}
