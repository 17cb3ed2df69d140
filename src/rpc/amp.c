/* SPDX-License-Identifier: MIT
 *
 * AMP over a stream: boxes come in and go where they belong. Both sides are equal but for TLS; what is called is
 * amp_call.c, what is answered amp_request.c.
 *
 * Invariant: nothing is called after `lost`; the memory goes when the last request that was not answered is. A peer
 * that asks more than it lets us answer is not read (too_much).
 * Test: tests/rpc/test_amp.c; tests/sim/scenario_amp.c.
 */
#include "rpc/amp_core.h"

#include "base/try.h"

#include <plait/tls.h>

enum { BOX_MAX = 1024 * 1024, REQUESTS_MAX = 1000, CALLS_MAX = 65536, BOX_LEAST = 1024, OUTPUT_MAX = 8 * 1024 * 1024 };

struct plait_amp *plait__amp_ref(struct plait_amp *amp)
{
    amp->refs++;
    return amp;
}

void plait__amp_unref(struct plait_amp *amp)
{
    if (--amp->refs > 0)
        return;
    plait_buf_deinit(&amp->box.buf);
    plait_mem_free(amp);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void let_contexts_go(struct plait_amp_options *o)
{
    plait_tls_server_unref(&o->tls_server);
    plait_tls_client_unref(&o->tls_client);
}

void plait__amp_over(struct plait_amp *amp, const struct plait_fault *fault)
{
    struct plait_fault end = *fault;
    if (end.err == PLAIT_OK)
        end.err = PLAIT_ECLOSED; /* for who waits, it is one */
    if (amp->o.lost)
        amp->o.lost(amp, fault, amp->o.ctx);
    plait__amp_calls_end(amp, &end);
    plait_fire_fault(amp->tls, end);
    amp->tls = NULL;
    plait__amp_drop_waiting(amp);
    plait__amp_descriptors_end(&amp->in);
    plait__amp_descriptors_end(&amp->box.out);
    plait_buf_deinit(&amp->description);
    let_contexts_go(&amp->o);
    amp->s = NULL;
    /* What is written from now on is thrown away, and not the stream's memory. */
    plait_buf_deinit(&amp->box.buf);
    plait_buf_init(&amp->box.buf, plait_reactor_budget(amp->reactor), amp->o.box_max);
}

void plait__amp_hand_over(struct plait_amp *amp, const struct plait_protocol *protocol, void *self)
{
    const struct plait_fault well = plait_fault_make(PLAIT_OK, "switch");
    struct plait_stream *s = amp->s;
    if (amp->stopped)
        plait_resume(s);
    plait__amp_over(amp, &well);
    plait_stream_attach(s, protocol, self);
    plait__amp_unref(amp);
}

/* Whether the peer asks more than it lets us answer. Who waits for answers of its own reads on although its output is
 * backed up, up to a limit: two sides that flood each other would wait for ever. */
static bool too_much(const struct plait_amp *amp)
{
    const bool full = plait_is_full(amp->s) && (amp->calls.count == 0 || plait_pending(amp->s) > OUTPUT_MAX);
    return full || amp->requests >= amp->o.requests_max;
}

void plait__amp_go_on(struct plait_amp *amp)
{
    if (!amp->s || !amp->stopped || too_much(amp))
        return;
    amp->stopped = false;
    plait_resume(amp->s);
}

/* Draining, it ends with the last request. */
void plait__amp_request_over(struct plait_amp *amp)
{
    amp->requests--;
    if (amp->s && amp->draining && amp->requests == 0)
        plait_close(amp->s);
    plait__amp_go_on(amp);
    plait__amp_unref(amp);
}

/* --- the stream --------------------------------------------------------------------------------------------------- */

static void handle_box(struct plait_amp *amp, plait_slice wire)
{
    struct plait__amp_head head;
    if (plait__amp_head(wire, &head) != PLAIT_OK)
        plait_abort_with(amp->s, PLAIT_EMALFORMED, "a box that is neither a command nor an answer");
    else if (head.answer.ptr)
        plait__amp_answer_came(amp, &head, wire);
    else if (head.error.ptr)
        plait__amp_error_came(amp, &head);
    else
        plait__amp_command_came(amp, &head, wire);
}

/* Whether more of what came is AMP's, now. */
static bool goes_on(struct plait_amp *amp)
{
    if (!amp->s || !plait_is_open(amp->s))
        return false;
    if (!amp->stopped && too_much(amp)) {
        amp->stopped = true;
        plait_pause(amp->s);
    }
    return !(amp->s->flags & (PLAIT__F_PAUSED | PLAIT__F_HANDSHAKE));
}

static size_t take_boxes(struct plait_amp *amp, plait_slice in)
{
    size_t taken = 0;
    while (goes_on(amp)) {
        const struct plait_frame box = plait__amp_box_next(&amp->decoder, plait_slice_sub(in, taken, in.len));
        if (box.event == PLAIT_FRAME_MORE)
            plait_need(amp->s, box.need);
        else if (box.event == PLAIT_FRAME_BAD)
            plait_abort_with(amp->s, box.err, "this is no box of AMP");
        if (box.event != PLAIT_FRAME_WHOLE)
            break;
        taken += box.taken;
        handle_box(amp, box.payload);
    }
    return taken;
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_amp *amp = plait__amp_ref(self);
    size_t taken = take_boxes(amp, in);
    if (amp->feeding) {
        amp->feeding = false;
        plait__tls_feed(s, plait_slice_sub(in, taken, in.len));
        taken = in.len;
    }
    plait__amp_unref(amp);
    return taken;
}

static void on_connected(struct plait_stream *s, void *self)
{
    struct plait_amp *amp = self;
    (void)s;
    if (amp->o.connected)
        amp->o.connected(amp, amp->o.ctx);
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    const struct plait_amp *amp = self;
    if (rest > 0 && !amp->stopped)
        plait_close_with(s, PLAIT_ETRUNCATED, "the end came inside a box");
}

static void on_room(struct plait_stream *s, void *self)
{
    (void)s;
    plait__amp_send_waiting(self);
    plait__amp_go_on(self);
}

static void on_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    (void)s;
    (void)tls;
    plait__amp_tls_done(self);
}

static void on_fds(struct plait_stream *s, const int *fds, size_t count, void *self)
{
    struct plait_amp *amp = self;
    if (!plait__amp_descriptors_add(&amp->in, fds, count))
        plait_abort_with(s, PLAIT_ELIMIT, "more descriptors than boxes name");
}

static void on_drain(struct plait_stream *s, void *self)
{
    struct plait_amp *amp = self;
    amp->draining = true;
    if (amp->requests == 0)
        plait_close(s);
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait_amp *amp = self;
    (void)s;
    plait__amp_over(amp, fault);
    plait__amp_unref(amp);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static size_t or_usual(size_t value, size_t usual)
{
    return value ? value : usual;
}

static void fill_options(struct plait_amp_options *o, const struct plait_amp_options *from)
{
    static const struct plait_amp_options none;
    *o = from ? *from : none;
    o->box_max = or_usual(o->box_max, BOX_MAX);
    if (o->box_max < BOX_LEAST)
        o->box_max = BOX_LEAST;
    if (o->box_max > INT32_MAX)
        o->box_max = INT32_MAX; /* the input's window is counted in 32 bits */
    o->requests_max = or_usual(o->requests_max, REQUESTS_MAX);
    o->calls_max = or_usual(o->calls_max, CALLS_MAX);
    if (o->tls_server)
        o->tls_server = plait_tls_server_ref(o->tls_server);
    if (o->tls_client)
        o->tls_client = plait_tls_client_ref(o->tls_client);
}

plait_err plait_amp_attach(struct plait_stream *s, const struct plait_amp_options *options, struct plait_amp **out)
{
    struct plait_reactor *r = plait_stream_reactor(s);
    struct plait_amp *amp = plait_mem_new(plait_reactor_budget(r), sizeof *amp);
    if (!amp)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    amp->s = s;
    amp->reactor = r;
    amp->refs = 1;
    fill_options(&amp->o, options);
    amp->protocol = (struct plait_protocol){.name = "amp",
                                            .connected = on_connected,
                                            .data = on_data,
                                            .eof = on_eof,
                                            .room = on_room,
                                            .secured = on_secured,
                                            .fds = on_fds,
                                            .drain = on_drain,
                                            .lost = on_lost,
                                            .flags = PLAIT_BOUNDS_OUTPUT,
                                            .input_max = (uint32_t)amp->o.box_max};
    amp->decoder.max = amp->o.box_max;
    amp->in.sys = r->sys;
    amp->box.amp = amp;
    amp->box.out.sys = r->sys;
    plait__list_init(&amp->waiting);
    plait_buf_init(&amp->box.buf, plait_stream_budget(s), amp->o.box_max);
    plait_buf_init(&amp->description, plait_stream_budget(s), PLAIT__AMP_VALUE_MAX);
    plait_stream_attach(s, &amp->protocol, amp);
    if (out)
        *out = amp;
    return PLAIT_OK;
}

struct plait_stream *plait_amp_stream(struct plait_amp *amp)
{
    return amp->s;
}

/* --- a service ---------------------------------------------------------------------------------------------------- */

static plait_err open_connection(struct plait_stream *s, void *ctx)
{
    return plait_amp_attach(s, ctx, NULL);
}

static void free_service(void *ctx)
{
    let_contexts_go(ctx);
    plait_mem_free(ctx);
}

struct plait_service *plait_amp_service(struct plait_reactor *reactor, const struct plait_amp_options *options)
{
    static const struct plait_service_ops ops = {.name = "amp", .open = open_connection, .free = free_service};
    struct plait_amp_options *o = plait_mem_new(plait_reactor_budget(reactor), sizeof *o);
    if (!o)
        return NULL;
    fill_options(o, options);
    o->accepted = true;
    return plait_service_new(reactor, &ops, o);
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

static void let_go(void *amp)
{
    plait__amp_unref(amp);
}

static void connected(struct plait_result *result, void *ctx)
{
    struct plait_amp_options *o = ctx;
    struct plait_amp *amp = NULL;
    if (result->fault.err == PLAIT_OK) {
        struct plait_stream *s = plait_result_take(result).ptr;
        const plait_err err = plait_amp_attach(s, o, &amp);
        if (err == PLAIT_OK) {
            plait_result_set(result, plait_value_ptr(plait__amp_ref(amp), let_go));
        } else {
            plait_abort(s);
            plait_result_fail(result, plait_fault_make(err, "amp"));
        }
    }
    free_service(o);
}

struct plait_deferred *plait_amp_connect(struct plait_reactor *reactor, const char *endpoint,
                                         const struct plait_amp_options *options)
{
    struct plait_amp_options *o = plait_mem_new(plait_reactor_budget(reactor), sizeof *o);
    if (!o)
        return NULL;
    fill_options(o, options);
    struct plait_deferred *d = plait_connect(reactor, endpoint, NULL);
    if (plait_then(d, connected, o) == PLAIT_OK)
        return d;
    free_service(o);
    plait_deferred_cancel(d);
    return NULL;
}
