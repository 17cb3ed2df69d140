/* SPDX-License-Identifier: MIT
 *
 * Finger: the client. Connects, sends the query, collects until the end.
 *
 * Invariant: the deferred fires once, with the whole answer or with an error; the connection is gone by then or on its
 * way. Test: tests/small/test_finger_client.c.
 */
#include "base/try.h"

#include <plait/finger.h>

enum { PORT = 79, ANSWER_MAX = 64 * 1024, TIMEOUT_S = 30 };

struct call {
    struct plait_reactor *reactor;
    struct plait_deferred *result;
    struct plait_deferred *connecting;
    struct plait_stream *s;
    struct plait_finger_text *text;
    struct plait_buf query;
    struct plait_timer deadline;
    size_t answer_max;
    plait_err why; /* what ended it from this side; PLAIT_OK: nothing did */
};

static void call_free(struct call *c)
{
    plait_timer_stop(&c->deadline);
    plait_buf_deinit(&c->query);
    if (c->text)
        plait_finger_text_free(c->text);
    plait_mem_free(c);
}

static void finish(struct call *c, const struct plait_fault *fault)
{
    struct plait_finger_text *text = c->text;
    if (c->why != PLAIT_OK) {
        plait_fire_fault(c->result, plait_fault_make(c->why, "finger"));
    } else if (fault->err == PLAIT_OK || fault->err == PLAIT_EEOF) {
        c->text = NULL;
        plait_fire(c->result, plait_value_ptr(text, plait_finger_text_free));
    } else {
        plait_fire_fault(c->result, *fault);
    }
    call_free(c);
}

static void connected(struct plait_stream *s, void *self)
{
    struct call *c = self;
    plait_write_take(s, &c->query);
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct call *c = self;
    if (in.len > c->answer_max - c->text->buf.len) {
        plait_abort_with(s, PLAIT_ETOOLONG, "the answer is longer than allowed");
        return in.len;
    }
    plait_buf_put(&c->text->buf, in);
    if (c->text->buf.err != PLAIT_OK)
        plait_abort_with(s, c->text->buf.err, NULL);
    return in.len;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    finish(self, fault);
}

static const struct plait_protocol protocol = {
    .name = "finger-client", .connected = connected, .data = data, .lost = lost};

static void connect_ended(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    c->connecting = NULL;
    if (result->fault.err == PLAIT_OK) {
        c->s = plait_result_take(result).ptr;
        plait_stream_attach(c->s, &protocol, c);
        if (c->why != PLAIT_OK)
            plait_abort_with(c->s, c->why, NULL); /* it was to end when the connection was already made */
        return;
    }
    const struct plait_fault fault = result->fault;
    result->fault.err = PLAIT_OK;
    finish(c, &fault);
}

static void end_with(struct call *c, plait_err err)
{
    c->why = err;
    if (c->s)
        plait_abort_with(c->s, err, NULL);
    else
        plait_deferred_cancel(c->connecting);
}

static void out_of_time(void *ctx)
{
    end_with(ctx, PLAIT_ETIMEDOUT);
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    end_with(ctx, PLAIT_ECANCELLED);
}

static plait_err make_query(struct call *c, plait_slice text, bool whois)
{
    struct plait_finger_query query = {.whois = whois, .user = text};
    plait_buf_init(&c->query, plait_reactor_budget(c->reactor), PLAIT_FINGER_LINE_MAX + 2);
    plait_finger_put(&c->query, &query);
    return c->query.err;
}

static plait_err start(struct call *c, plait_slice target, const struct plait_finger_client_options *o)
{
    plait_slice text;
    plait_slice host;
    PLAIT_TRY(plait_finger_target(target, &text, &host));
    PLAIT_TRY(make_query(c, text, o->whois));
    c->connecting = plait_connect_host(c->reactor, host, o->port ? o->port : PORT, &o->connect);
    const plait_err err = plait_then(c->connecting, connect_ended, c);
    if (err != PLAIT_OK) {
        plait_deferred_cancel(c->connecting);
        return PLAIT_FAIL(err);
    }
    plait_timer_arm(&c->deadline, o->timeout ? o->timeout : plait_seconds(TIMEOUT_S));
    return PLAIT_OK;
}

struct plait_deferred *plait_finger(struct plait_reactor *reactor, plait_slice target,
                                    const struct plait_finger_client_options *options)
{
    static const struct plait_finger_client_options none;
    const struct plait_finger_client_options *o = options ? options : &none;
    struct call *c = plait_mem_new(plait_reactor_budget(reactor), sizeof *c);
    if (!c)
        return NULL;
    c->reactor = reactor;
    c->answer_max = o->answer_max ? o->answer_max : ANSWER_MAX;
    plait_timer_init(&c->deadline, reactor, "finger-deadline", out_of_time, c);
    c->text = plait_finger_text_new(reactor);
    if (c->text)
        c->text->buf.max = c->answer_max;
    struct plait_deferred *result = c->text ? plait_deferred_new(reactor, "finger", cancel, c) : NULL;
    c->result = result;
    const plait_err err = result ? start(c, target, o) : PLAIT_ENOMEM;
    if (err == PLAIT_OK)
        return result;
    call_free(c);
    if (result) {
        struct plait_fault fault = plait_fault_make(err, "finger");
        fault.detail = err == PLAIT_EINVAL ? "a target is USER, @HOST or USER@HOST, without control characters" : NULL;
        plait_fire_fault(result, fault);
    }
    return result;
}
