/* SPDX-License-Identifier: MIT
 *
 * A datagram socket that writes down what it is told: what the tests of datagrams stand on.
 */
#ifndef PLAIT_TESTS_ENGINE_DATAGRAM_END_H
#define PLAIT_TESTS_ENGINE_DATAGRAM_END_H

#include "tests/engine/bed.h"

#include "engine/datagram_core.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <plait/sim.h>

/* One socket and what it was told. */
struct end {
    struct plait_datagram *d;
    int packets, errors, rooms;
    char got[512]; /* of the last packet */
    size_t got_len;
    bool truncated;
    uint32_t interface_index;
    struct plait_address from, to;
    struct plait_fault fault;
    void (*on_packet)(struct end *e);
    void (*on_error)(struct end *e);
    void (*on_room)(struct end *e);
};

static inline void end_packet(struct plait_datagram *d, const struct plait_packet *p, void *self)
{
    struct end *e = self;
    assert_ptr_equal(d, e->d);
    e->packets++;
    e->got_len = p->bytes.len;
    memcpy(e->got, p->bytes.ptr, p->bytes.len < sizeof e->got ? p->bytes.len : sizeof e->got);
    e->truncated = p->truncated;
    e->interface_index = p->interface_index;
    e->from = *p->from;
    e->to = *p->to;
    if (e->on_packet)
        e->on_packet(e);
}

static inline void end_error(struct plait_datagram *d, const struct plait_fault *fault, void *self)
{
    struct end *e = self;
    (void)d;
    e->errors++;
    e->fault = *fault;
    if (e->on_error)
        e->on_error(e);
}

static inline void end_room(struct plait_datagram *d, void *self)
{
    struct end *e = self;
    (void)d;
    e->rooms++;
    if (e->on_room)
        e->on_room(e);
}

static const struct plait_datagram_handler handler = {
    .name = "end", .packet = end_packet, .error = end_error, .room = end_room};

static inline struct plait_address ip4(const char *text, uint16_t port)
{
    struct plait_address a;
    assert_ok(plait_address_parse_ip(plait_slice_text(text), port, &a));
    return a;
}

static inline plait_err open_with(struct bed *b, struct end *e, const struct plait_datagram_options *o)
{
    memset(e, 0, sizeof *e);
    return plait_datagram_open(b->r, o, &handler, e, &e->d);
}

/* A socket on the loopback, on any port. */
static inline void open_at(struct bed *b, struct end *e, const char *ip)
{
    const struct plait_datagram_options o = {.bind = ip4(ip, 0)};
    assert_ok(open_with(b, e, &o));
}

static inline void open_to(struct bed *b, struct end *e, const struct plait_address *peer)
{
    const struct plait_datagram_options o = {.connect = *peer};
    assert_ok(open_with(b, e, &o));
}

static inline struct plait_address address_of(const struct end *e)
{
    struct plait_address a;
    plait_datagram_address(e->d, &a);
    return a;
}

static inline void settle(struct bed *b)
{
    for (int n = 0; n < 4; n++) {
        bed_run(b);
        assert_ok(plait_reactor_step(b->r, plait_millis(2)));
    }
}

/* An address on which nobody listens any more. */
static inline struct plait_address dead_address(struct bed *b, const char *ip)
{
    struct end e;
    open_at(b, &e, ip);
    const struct plait_address a = address_of(&e);
    plait_datagram_close(&e.d);
    bed_run(b);
    return a;
}

static inline struct plait_address path_in(const char *folder, const char *name)
{
    char text[TEST_PATH_BYTES + 32];
    struct plait_address a;
    snprintf(text, sizeof text, "%s/%s", folder, name);
    assert_ok(plait_address_unix(plait_slice_text(text), &a));
    return a;
}

#endif
