/* SPDX-License-Identifier: MIT
 *
 * The small services over datagrams. They answer whoever is written in a datagram's header, which anybody can forge; so
 * a reply is never larger than the request, and what would be larger is not sent at all.
 *
 * Invariant: bytes sent to an address never exceed bytes that came in its name.
 * Test: tests/small/test_small_datagram.c.
 */
#include "small/small_wire.h"

#include "base/try.h"

struct plait_small_datagram {
    struct plait_reactor *reactor;
    enum plait_small which;
    struct plait_small_options options;
    struct plait_datagram *socket;
};

/* Two services that answer each other would never stop. What comes from a port where services stand, or from our own,
 * was forged to that end. */
static bool may_answer_by_itself(const struct plait_small_datagram *small, uint16_t port)
{
    struct plait_address own;
    plait_datagram_address(small->socket, &own);
    return port < 1024 || port == own.port;
}

static void reply(struct plait_small_datagram *small, const struct plait_packet *packet, plait_slice bytes)
{
    if (bytes.len == 0 || bytes.len > packet->bytes.len || may_answer_by_itself(small, packet->from->port))
        return;
    /* A full queue or a vanished route loses this answer, as the network may lose any. */
    (void)!plait_send_from(small->socket, packet->to, packet->from, bytes);
}

static void packet_came(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    struct plait_small_datagram *small = self;
    uint8_t answer[PLAIT__SMALL_ANSWER_MAX];
    int64_t now;
    uint32_t unused;
    (void)d;
    if (small->which == PLAIT_ECHO) {
        if (!packet->truncated)
            reply(small, packet, packet->bytes);
        return;
    }
    plait_wall_clock(small->reactor, &now, &unused);
    size_t n = plait__small_answer(small->which, plait__small_quote(&small->options), now, answer);
    if (small->which == PLAIT_CHARGEN && n > packet->bytes.len)
        n = packet->bytes.len; /* any length will do (RFC 864) */
    reply(small, packet, plait_slice_of(answer, n));
}

static const struct plait_datagram_handler handler = {.name = "small", .packet = packet_came};

plait_err plait_small_datagram_open(struct plait_reactor *reactor, enum plait_small which,
                                    const struct plait_address *bind, const struct plait_small_options *options,
                                    struct plait_small_datagram **out)
{
    if (which == PLAIT_NETSTRING_ECHO)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    struct plait_small_datagram *small = plait_mem_new(plait_reactor_budget(reactor), sizeof *small);
    if (!small)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    small->reactor = reactor;
    small->which = which;
    plait__small_defaults(&small->options, options);
    const struct plait_datagram_options socket = {.bind = *bind};
    const plait_err err = plait_datagram_open(reactor, &socket, &handler, small, &small->socket);
    if (err != PLAIT_OK) {
        plait_mem_free(small);
        return PLAIT_FAIL(err);
    }
    *out = small;
    return PLAIT_OK;
}

void plait_small_datagram_address(const struct plait_small_datagram *small, struct plait_address *out)
{
    plait_datagram_address(small->socket, out);
}

void plait_small_datagram_close(struct plait_small_datagram **small)
{
    if (!*small)
        return;
    plait_datagram_close(&(*small)->socket);
    plait_mem_free(*small);
    *small = NULL;
}
