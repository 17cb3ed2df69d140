/* SPDX-License-Identifier: MIT
 *
 * What stands between accept and the service: the header of the PROXY protocol, then the TLS handshake, both under one
 * deadline. A protocol of our own holds the stream meanwhile. The service is opened when all is done, so that it never
 * hears of a connection that came to nothing, and finds the peer's true address and what TLS agreed on.
 *
 * Bytes that come with the end of the TLS handshake are kept by the stream, since `data` comes after `secured`.
 *
 * Invariant: the stream's `self` is the struct shake until it is freed, which happens before the service is opened or
 * in `lost`.
 * Tests: tests/engine/test_proxy.c, test_listen.c.
 */
#include "base/try.h"
#include "engine/listen_core.h"
#include "engine/proxy_wire.h"

struct shake {
    struct plait_stream *s;
    struct plait_listener *listener; /* lives as long as it has connections */
    struct plait_timer deadline;
    bool header; /* the PROXY header is awaited */
};

static void end(struct shake *k)
{
    plait_timer_stop(&k->deadline);
    plait_mem_free(k);
}

static void too_slow(void *ctx)
{
    struct shake *k = ctx;
    plait_abort_with(k->s, PLAIT_ETOOSLOW, "the handshake took too long");
}

/* All is done: the service's protocol is the stream's first one. */
static void hand_over(struct shake *k)
{
    struct plait_stream *s = k->s;
    struct plait_listener *l = k->listener;
    end(k);
    s->flags &= ~(uint32_t)PLAIT__F_CONNECTED;
    if (l->tls)
        s->flags |= PLAIT__F_CALL_SECURED;
    (void)plait__service_open(l->service, s);
}

/* --- the PROXY header --------------------------------------------------------------------------------------------- */

static void log_bad(struct shake *k, const char *text, plait_err err)
{
    char address[PLAIT_ADDR_TEXT_MAX];
    struct plait_address peer;
    const struct plait_fault fault = plait_fault_make(err, "proxy");
    plait_stream_peer(k->s, &peer);
    const struct plait_field fields[] = {plait_field_text("peer", plait_address_format(&peer, address)),
                                         plait_field_fault(&fault), plait_field_end()};
    plait__warn(k->s->reactor, "proxy-header", text, fields);
}

/* What came behind the header belongs to the handshake: the carrier that brought it hands it on. */
static plait_err begin_tls(struct shake *k, plait_slice rest)
{
    struct plait__carrier *below = k->s->carrier;
    PLAIT_TRY(plait__tls_start(k->s, k->listener->tls, NULL, NULL, k->listener->service->ops.alpn, false));
    if (rest.len > 0 && below != k->s->carrier)
        below->up_ops->input(below->up, (uint8_t *)(uintptr_t)rest.ptr, rest.len);
    return PLAIT_OK;
}

static plait_err note(struct shake *k, const struct plait__proxy_header *header)
{
    if (!header->told)
        return PLAIT_OK;
    return plait__proxy_note(k->listener, k->s, &header->source, &header->destination);
}

static size_t header_done(struct shake *k, const struct plait__proxy_header *header, plait_slice in, size_t used)
{
    struct plait_stream *s = k->s;
    const bool tls = k->listener->tls != NULL;
    plait_err err = note(k, header);
    k->header = false;
    if (err == PLAIT_OK && tls)
        err = begin_tls(k, plait_slice_sub(in, used, in.len));
    if (err != PLAIT_OK) {
        log_bad(k, "a proxied connection was closed", err);
        plait_abort_with(s, err, NULL);
        return in.len;
    }
    if (tls)
        return in.len;
    hand_over(k);
    return used;
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct shake *k = self;
    struct plait__proxy_header header;
    size_t used;
    const plait_err err = plait__proxy_parse(in, &header, &used);
    if (err == PLAIT_EAGAIN)
        return 0;
    if (err == PLAIT_OK)
        return header_done(k, &header, in, used);
    log_bad(k, "a trusted proxy sent no header that could be understood", err);
    plait_abort_with(s, err, "not a PROXY header");
    return in.len;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static void secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    (void)s;
    (void)tls;
    hand_over(self);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct shake *k = self;
    const struct plait_field fields[] = {plait_field_text("service", k->listener->service->ops.name),
                                         plait_field_fault(fault), plait_field_end()};
    plait_log_event(s->reactor->log, PLAIT_LOG_INFO, "engine", "handshake-failed",
                    "a connection ended before the service began", fields);
    end(k);
}

static const struct plait_protocol shake_protocol = {
    .name = "handshake", .data = data, .secured = secured, .lost = lost, .input_max = 8192};

static plait_err check_trust(struct shake *k)
{
    struct plait_address peer;
    plait_stream_peer(k->s, &peer);
    if (plait__proxy_trusts(k->listener->proxy, &peer))
        return PLAIT_OK;
    log_bad(k, "a peer that is no trusted proxy was turned away", PLAIT_EFORBIDDEN);
    return PLAIT_FAIL(PLAIT_EFORBIDDEN);
}

plait_err plait__shake_start(struct plait_listener *l, struct plait_stream *s)
{
    struct shake *k = plait_mem_new(&s->budget, sizeof *k);
    if (!k)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    k->s = s;
    k->listener = l;
    k->header = l->proxy != NULL;
    plait_timer_init(&k->deadline, s->reactor, "handshake", too_slow, k);
    plait_err err = k->header ? check_trust(k) : PLAIT_OK;
    plait_stream_attach(s, &shake_protocol, k);
    if (err == PLAIT_OK && !k->header)
        err = begin_tls(k, plait_slice_of(NULL, 0));
    if (err != PLAIT_OK) {
        s->protocol = NULL;
        end(k);
        return err;
    }
    if (l->limits.handshake != PLAIT_NEVER)
        plait_timer_arm(&k->deadline, l->limits.handshake);
    return PLAIT_OK;
}
