/* SPDX-License-Identifier: MIT
 *
 * Ports of a host and routes between hosts: who is bound where, what conflicts, whom a packet meets.
 *
 * Invariant: a socket is in a row of its table exactly while it is bound; a connection that was accepted keeps its
 * listener's port, in a table of its own. Tests: tests/sim/test_tcp.c (the table of conflicts), test_udp.c.
 */
#include "sim/sim_socket.h"

#include <netinet/in.h>
#include <string.h>

#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_COUNT 28232

#define ROWS_FIRST 8
#define ROWS_MAX 65536

static struct sim_link *row_of(const struct sim_ports *ports, uint16_t port)
{
    return ports->row_count ? &ports->rows[port & (ports->row_count - 1)] : NULL;
}

/* A row a socket, about. Without memory for more rows, those that are there do. */
static bool make_room(struct plait_host *host, struct sim_ports *ports)
{
    if (ports->count < ports->row_count || ports->row_count == ROWS_MAX)
        return true;
    struct sim_ports old = *ports;
    size_t count = old.row_count ? old.row_count * 2 : ROWS_FIRST;
    struct sim_link *fresh = plait_mem_new(&host->sim->budget, count * sizeof *fresh);
    if (!fresh)
        return old.row_count != 0;
    for (size_t i = 0; i < count; i++)
        sim_list_init(&fresh[i]);
    ports->rows = fresh;
    ports->row_count = count;
    for (size_t i = 0; i < old.row_count; i++) {
        while (!sim_list_empty(&old.rows[i])) {
            struct sim_sock *s = SIM_OF(old.rows[i].next, struct sim_sock, in_port);
            sim_list_del(&s->in_port);
            sim_list_add(row_of(ports, s->local.port), &s->in_port);
        }
    }
    plait_mem_free(old.rows);
    return true;
}

/* A walk over the sockets of a port. */
struct walk {
    struct sim_link *row, *at;
    uint16_t port;
};

static struct walk walk_of(const struct sim_ports *ports, uint16_t port)
{
    struct sim_link *row = row_of(ports, port);
    return (struct walk){row, row ? row->next : NULL, port};
}

static struct sim_sock *next_of(struct walk *walk)
{
    while (walk->at != walk->row) {
        struct sim_sock *s = SIM_OF(walk->at, struct sim_sock, in_port);
        walk->at = walk->at->next;
        if (s->local.port == walk->port)
            return s;
    }
    return NULL;
}

/* Whether two bound addresses can mean the same packet. */
static bool overlap(const struct sim_sock *a, const struct plait_address *at, const struct sim_sock *b)
{
    bool a_wild = sim_address_wild(at), b_wild = sim_address_wild(&b->local);
    bool a_both = at->kind == PLAIT_ADDR_IP6 && a_wild && !a->v6only;
    bool b_both = b->local.kind == PLAIT_ADDR_IP6 && b_wild && !b->v6only;
    if (at->kind != b->local.kind)
        return at->kind == PLAIT_ADDR_IP6 ? a_both : b_both;
    return a_wild || b_wild || sim_address_same_ip(at, &b->local);
}

static bool listens(const struct sim_sock *s)
{
    return s->type == SOCK_STREAM && s->tcp.state == SIM_TCP_LISTEN;
}

static bool share(const struct sim_sock *s, const struct sim_sock *other)
{
    if (s->reuse_port && other->reuse_port)
        return true;
    return s->reuse_address && other->reuse_address && !listens(other);
}

static bool conflicts_in(struct sim_sock *s, int table, const struct plait_address *addr)
{
    struct sim_sock *other;
    struct walk walk = walk_of(&s->file.host->ports[table], addr->port);
    while ((other = next_of(&walk))) {
        if (other != s && overlap(s, addr, other) && !share(s, other))
            return true;
    }
    return false;
}

static bool conflicts(struct sim_sock *s, int table, const struct plait_address *addr)
{
    return conflicts_in(s, table, addr) || (table == SIM_PORTS_TCP && conflicts_in(s, SIM_PORTS_ACCEPTED, addr));
}

/* Whether a port cannot be had for a connection to `to` (NULL: for anything): outgoing connections share one when their
 * targets differ. */
static bool taken(struct sim_sock *s, int table, uint16_t port, const struct plait_address *to)
{
    const struct sim_ports *ports = s->file.host->ports;
    struct sim_sock *other;
    struct walk walk = walk_of(&ports[table], port);
    while ((other = next_of(&walk))) {
        bool apart = to && other->outgoing &&
                     (other->peer_address.port != to->port || !sim_address_same_ip(&other->peer_address, to));
        if (!apart)
            return true;
    }
    walk = walk_of(&ports[SIM_PORTS_ACCEPTED], port);
    return table == SIM_PORTS_TCP && next_of(&walk);
}

static int free_port(struct sim_sock *s, int table, const struct plait_address *to, uint16_t *out)
{
    uint64_t first = sim_below(sim_of(s), EPHEMERAL_COUNT);
    for (unsigned i = 0; i < EPHEMERAL_COUNT; i++) {
        uint16_t port = (uint16_t)(EPHEMERAL_FIRST + (first + i) % EPHEMERAL_COUNT);
        if (!taken(s, table, port, to)) {
            *out = port;
            return 0;
        }
    }
    return -EADDRINUSE;
}

void sim_port_add(struct sim_sock *s, int table)
{
    struct sim_ports *ports = &s->file.host->ports[table];
    if (!make_room(s->file.host, ports))
        return;
    sim_list_add(row_of(ports, s->local.port), &s->in_port);
    ports->count++;
    s->port_table = (uint8_t)table;
    s->bound = true;
}

void sim_port_remove(struct sim_sock *s)
{
    if (s->bound)
        s->file.host->ports[s->port_table].count--;
    sim_list_del(&s->in_port);
    s->bound = false;
}

void sim_ports_vanish(struct plait_host *host)
{
    static const int tables[] = {SIM_PORTS_TCP, SIM_PORTS_ACCEPTED};
    for (size_t t = 0; t < 2; t++) {
        struct sim_ports *ports = &host->ports[tables[t]];
        for (size_t i = 0; i < ports->row_count; i++) {
            while (!sim_list_empty(&ports->rows[i]))
                sim_tcp_vanish(SIM_OF(ports->rows[i].next, struct sim_sock, in_port));
        }
    }
}

static bool own_address(const struct plait_host *host, const struct plait_address *addr)
{
    if (sim_address_wild(addr) || plait_address_is_loopback(addr))
        return true;
    for (size_t i = 0; i < host->address_count; i++) {
        if (sim_address_same_ip(&host->address[i], addr))
            return true;
    }
    return false;
}

int sim_port_bind(struct sim_sock *s, int table, const struct plait_address *addr)
{
    if (s->bound)
        return -EINVAL;
    if (s->domain == AF_INET6 && s->v6only && addr->kind == PLAIT_ADDR_IP4)
        return -EINVAL;
    if (!own_address(s->file.host, addr))
        return -EADDRNOTAVAIL;
    s->address_locked = !sim_address_wild(addr);
    if (addr->port == 0 && sim_sock_option(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)) {
        s->local = *addr; /* connect or the first packet chooses the port */
        return 0;
    }
    struct plait_address at = *addr;
    int err = at.port ? 0 : free_port(s, table, NULL, &at.port);
    if (err)
        return err;
    if (conflicts(s, table, &at))
        return -EADDRINUSE;
    s->local = at;
    s->port_locked = addr->port != 0;
    sim_port_add(s, table);
    return s->bound ? 0 : -ENOMEM;
}

int sim_port_auto(struct sim_sock *s, int table, const struct plait_address *to)
{
    if (s->bound)
        return 0;
    int err = free_port(s, table, to, &s->local.port);
    if (err)
        return table == SIM_PORTS_TCP ? -EADDRNOTAVAIL : -EAGAIN;
    if (s->local.kind == PLAIT_ADDR_NONE)
        s->local.kind = s->domain == AF_INET ? PLAIT_ADDR_IP4 : PLAIT_ADDR_IP6;
    s->outgoing = to != NULL;
    sim_port_add(s, table);
    return s->bound ? 0 : -ENOMEM;
}

int sim_port_listen(struct sim_sock *s)
{
    int err = sim_port_auto(s, SIM_PORTS_TCP, NULL);
    if (err)
        return err;
    return conflicts(s, SIM_PORTS_TCP, &s->local) ? -EADDRINUSE : 0;
}

/* How well a bound socket meets an address: 0 not at all, more is better. */
static unsigned meets(const struct sim_sock *s, const struct plait_address *to)
{
    if (sim_address_same_ip(&s->local, to))
        return 3;
    if (!sim_address_wild(&s->local))
        return 0;
    if (s->local.kind == to->kind)
        return 2;
    return s->local.kind == PLAIT_ADDR_IP6 && !s->v6only ? 1 : 0;
}

struct sim_sock *sim_port_listener(struct plait_host *host, const struct plait_address *to)
{
    struct sim_sock *best = NULL, *s;
    unsigned best_score = 0, equals = 0;
    struct walk walk = walk_of(&host->ports[SIM_PORTS_TCP], to->port);
    while ((s = next_of(&walk))) {
        unsigned score = listens(s) ? meets(s, to) : 0;
        if (score == 0 || score < best_score)
            continue;
        equals = score > best_score ? 1 : equals + 1;
        /* Several that share the port take turns by chance. */
        if (score > best_score || sim_below(host->sim, equals) == 0)
            best = s;
        best_score = score;
    }
    return best;
}

/* Who is connected to port 0 hears every port of that address. */
bool sim_port_is_peer(const struct sim_sock *s, const struct plait_address *from)
{
    const struct plait_address *peer = &s->peer_address;
    return sim_address_same_ip(peer, from) && (peer->port == from->port || peer->port == 0);
}

struct sim_sock *sim_port_receiver(struct plait_host *host, const struct plait_address *to,
                                   const struct plait_address *from)
{
    struct sim_sock *best = NULL, *s;
    unsigned best_score = 0;
    struct walk walk = walk_of(&host->ports[SIM_PORTS_UDP], to->port);
    while ((s = next_of(&walk))) {
        unsigned score = meets(s, to);
        if (score && s->udp.connected)
            score = sim_port_is_peer(s, from) ? score + 4 : 0;
        if (score > best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}

static const struct plait_address *own_of_kind(const struct plait_host *host, enum plait_address_kind kind)
{
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->address[i].kind == kind)
            return &host->address[i];
    }
    return NULL;
}

int sim_route(struct sim_sock *s, const struct plait_address *to, struct plait_address *source, struct plait_host **out)
{
    struct plait_host *host = s->file.host;
    if (to->kind == PLAIT_ADDR_IP4 && s->domain == AF_INET6 && s->v6only)
        return -ENETUNREACH;
    *out = sim_host_by_address(host, to);
    *source = *to;
    source->scope = 0;
    if (*out == host)
        return 0; /* to itself: from the address that is meant */
    const struct plait_address *own = own_of_kind(host, to->kind);
    if (!own)
        return -ENETUNREACH;
    *source = *own;
    return 0;
}
