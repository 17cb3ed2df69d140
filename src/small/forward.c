/* SPDX-License-Identifier: MIT
 *
 * Port forwarding: a guest waits, unread, until its target is there; then the two streams are joined, and the joint
 * owns them.
 *
 * Invariant: a passage lives until the connect has ended and the guest is either joined or lost. Test:
 * tests/small/test_forward.c.
 */
#include "base/try.h"
#include "engine/deferred_core.h"
#include "engine/proxy_wire.h"

#include <plait/forward.h>
#include <plait/log.h>
#include <plait/tls.h>

struct forward {
    struct plait_reactor *reactor;
    struct plait_forward_options options;
    char *texts; /* of the options; the target stands in front */
};

/* One connection on its way. */
struct passage {
    struct forward *forward;
    struct plait_stream *guest;        /* NULL: lost */
    struct plait_deferred *connecting; /* NULL: it has ended */
};

static void settle(struct passage *p)
{
    if (!p->guest && !p->connecting)
        plait_mem_free(p);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct passage *p = self;
    (void)s;
    (void)fault;
    p->guest = NULL;
    if (p->connecting)
        plait_deferred_cancel(p->connecting);
    else
        settle(p);
}

/* Nothing is read yet: an end that comes early is the joint's to see. */
static const struct plait_protocol waiting = {.name = "forward", .lost = lost, .flags = PLAIT_HALF_CLOSE};

static void log_failed(const struct forward *f, const struct plait_fault *fault)
{
    const struct plait_field fields[] = {plait_field_text("target", f->texts), plait_field_fault(fault),
                                         plait_field_end()};
    plait_log_event(plait_reactor_log(f->reactor), PLAIT_LOG_WARN, "small", "forward-failed",
                    "a target could not be reached", fields);
}

/* The two belong to the joint from now on. Returns whether there was memory for it. */
static bool join(struct passage *p, struct plait_stream *target)
{
    struct plait_stream *guest = p->guest;
    struct plait_deferred *over = plait_pipe_idle(guest, target, true, p->forward->options.idle);
    if (!over)
        return false;
    plait_deferred_ignore(over); /* both ends tell theirs */
    plait_resume(guest);
    p->guest = NULL;
    return true;
}

static void connected(struct plait_result *result, void *ctx)
{
    struct passage *p = ctx;
    struct plait_fault fault = result->fault;
    p->connecting = NULL;
    if (p->guest && fault.err == PLAIT_OK) {
        if (join(p, result->value.ptr))
            (void)plait_result_take(result);
        else
            fault = plait_fault_make(PLAIT_ENOMEM, "forward");
    }
    if (p->guest) {
        log_failed(p->forward, &fault);
        plait_abort_with(p->guest, fault.err, "its target could not be reached");
    }
    settle(p);
}

static void put_header(const struct forward *f, const struct plait_stream *guest, struct plait_buf *out)
{
    struct plait__proxy_header header = {.told = true};
    plait_stream_peer(guest, &header.source);
    plait_stream_local(guest, &header.destination);
    if (f->options.header == PLAIT_FORWARD_PROXY_V1)
        plait__proxy_put_v1(out, &header);
    else if (f->options.header == PLAIT_FORWARD_PROXY_V2)
        plait__proxy_put_v2(out, &header);
}

static struct plait_deferred *connect_target(struct forward *f, struct plait_stream *guest)
{
    struct plait_connect_options o = f->options.connect;
    struct plait_buf header;
    plait_buf_init(&header, plait_stream_budget(guest), PLAIT__PROXY_V2_MAX);
    put_header(f, guest, &header);
    o.preface = plait_buf_slice(&header);
    struct plait_deferred *d = header.err ? NULL : plait_connect(f->reactor, f->texts, &o);
    plait_buf_deinit(&header);
    return d;
}

static plait_err open_guest(struct plait_stream *s, void *ctx)
{
    struct forward *f = ctx;
    struct passage *p = plait_mem_new(plait_reactor_budget(f->reactor), sizeof *p); /* it may outlive the stream */
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->forward = f;
    p->connecting = connect_target(f, s);
    if (plait_then(p->connecting, connected, p) != PLAIT_OK) {
        plait__deferred_drop(p->connecting);
        plait_mem_free(p);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    p->guest = s;
    plait_stream_attach(s, &waiting, p);
    plait_pause(s);
    return PLAIT_OK;
}

static void free_forward(void *ctx)
{
    struct forward *f = ctx;
    plait_tls_client_unref(&f->options.connect.tls);
    plait_target_rules_unref(&f->options.connect.targets);
    plait_mem_free(f->texts);
    plait_mem_free(f);
}

/* Copies what the options borrow. */
static plait_err keep(struct forward *f, const char *target, const struct plait_forward_options *options)
{
    static const struct plait_forward_options none = {.idle = 0};
    struct plait_buf texts;
    f->options = options ? *options : none;
    struct plait_connect_options *o = &f->options.connect;
    const plait_slice name = plait_slice_text(o->server_name), alpn = o->alpn,
                      all[] = {plait_slice_text(target), name, alpn};
    o->tls = o->tls ? plait_tls_client_ref(o->tls) : NULL;
    o->targets = o->targets ? plait_target_rules_ref(o->targets) : NULL;
    o->trace = NULL;
    o->timeout = o->timeout ? o->timeout : plait_seconds(10);
    f->options.idle = f->options.idle ? f->options.idle : plait_seconds(3600);
    plait_buf_init(&texts, plait_reactor_budget(f->reactor), 1 << 16);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        plait_buf_put(&texts, all[i]);
        plait_buf_put_u8(&texts, 0);
    }
    if (texts.err == PLAIT_OK)
        f->texts = plait_mem_text(plait_reactor_budget(f->reactor), (const char *)texts.ptr, texts.len);
    plait_buf_deinit(&texts);
    if (!f->texts)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const char *at = f->texts + all[0].len + 1;
    o->server_name = o->server_name ? at : NULL;
    o->alpn = plait_slice_of(at + name.len + 1, alpn.len);
    return PLAIT_OK;
}

plait_err plait_forward_new(struct plait_reactor *reactor, const char *target,
                            const struct plait_forward_options *options, struct plait_service **out, char *why)
{
    static const struct plait_service_ops ops = {.name = "forward", .open = open_guest, .free = free_forward};
    PLAIT_TRY(plait_connect_check(reactor, target, why));
    struct forward *f = plait_mem_new(plait_reactor_budget(reactor), sizeof *f);
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    f->reactor = reactor;
    const plait_err err = keep(f, target, options);
    if (err != PLAIT_OK) {
        free_forward(f);
        return err;
    }
    *out = plait_service_new(reactor, &ops, f);
    return *out ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}
