/* SPDX-License-Identifier: MIT
 *
 * What can be asked of a stream, and the options of its socket. Most of it is the carrier's to answer; a trusted
 * proxy's word about the addresses comes before the carrier's.
 *
 * Invariant: none of these changes what the stream does.
 * Test: tests/engine/test_carriers.c, test_stream.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <plait/tls.h>

struct plait_reactor *plait_stream_reactor(const struct plait_stream *s)
{
    return s->reactor;
}

bool plait_is_open(const struct plait_stream *s)
{
    return s->state <= PLAIT__S_OPEN;
}

uint64_t plait_stream_id(const struct plait_stream *s)
{
    return (uint64_t)s->id_high << 32 | s->id_low;
}

struct plait_budget *plait_stream_budget(struct plait_stream *s)
{
    return &s->budget;
}

void plait_stream_peer(const struct plait_stream *s, struct plait_address *out)
{
    if (!plait__proxy_address(s, true, out))
        s->carrier->ops->peer(s->carrier, out);
}

void plait_stream_local(const struct plait_stream *s, struct plait_address *out)
{
    if (!plait__proxy_address(s, false, out))
        s->carrier->ops->local(s->carrier, out);
}

const struct plait_tls_info *plait_stream_tls(const struct plait_stream *s)
{
    return s->carrier->ops->tls ? s->carrier->ops->tls(s->carrier) : NULL;
}

plait_err plait_stream_binding(const struct plait_stream *s, const char *name, uint8_t out[PLAIT_BINDING_MAX],
                               size_t *len)
{
    if (!s->carrier->ops->binding)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return s->carrier->ops->binding(s->carrier, name, out, len);
}

plait_err plait_stream_cred(const struct plait_stream *s, struct plait_peer_cred *out)
{
    if (!s->carrier->ops->cred)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return s->carrier->ops->cred(s->carrier, out);
}

void plait_stream_counts(const struct plait_stream *s, uint64_t *received, uint64_t *sent)
{
    uint64_t counts[2] = {0, 0};
    if (s->carrier->ops->counts)
        s->carrier->ops->counts(s->carrier, &counts[0], &counts[1]);
    if (received)
        *received = counts[0];
    if (sent)
        *sent = counts[1];
}

static plait_err set(struct plait_stream *s, enum plait__carrier_option option, int64_t a, int64_t b, int64_t c)
{
    const int64_t value[3] = {a, b, c};
    if (!s->carrier->ops->option || s->state >= PLAIT__S_CLOSED)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return s->carrier->ops->option(s->carrier, option, value);
}

plait_err plait_stream_nagle(struct plait_stream *s, bool on)
{
    return set(s, PLAIT__OPT_NAGLE, on, 0, 0);
}

plait_err plait_stream_keepalive(struct plait_stream *s, plait_span idle, plait_span every, int probes)
{
    if (idle < 0 || (idle > 0 && (every <= 0 || probes < 1 || probes > 127)))
        return PLAIT_FAIL(PLAIT_EINVAL);
    return set(s, PLAIT__OPT_KEEPALIVE, idle, every, probes);
}

plait_err plait_stream_user_timeout(struct plait_stream *s, plait_span span)
{
    return set(s, PLAIT__OPT_USER_TIMEOUT, span, 0, 0);
}
