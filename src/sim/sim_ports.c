/* SPDX-License-Identifier: MIT
 *
 * Ports of a host and routes between hosts: who is bound where, what conflicts, whom a packet meets.
 *
 * Invariant: a socket is on its port's list exactly while it is bound; a connection that was accepted keeps its
 * listener's port. Tests: tests/sim/test_tcp.c (the table of conflicts), test_udp.c.
 */
#include "sim/sim_socket.h"

#include <netinet/in.h>
#include <string.h>

#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_COUNT 28232

static struct sim_link *port_list(struct plait_host *host, int table, uint16_t port, bool make)
{
    struct sim_link **rows = host->ports[table];
    if (!rows)
        rows = make ? host->ports[table] = plait_mem_new(&host->sim->budget, 256 * sizeof *rows) : NULL;
    if (!rows)
        return NULL;
    struct sim_link **row = &rows[port >> 8];
    if (!*row && make) {
        *row = plait_mem_new(&host->sim->budget, 256 * sizeof **row);
        for (unsigned i = 0; *row && i < 256; i++)
            sim_list_init(&(*row)[i]);
    }
    return *row ? &(*row)[port & 255] : NULL;
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

static bool share(const struct sim_sock *s, const struct sim_sock *other, bool listening)
{
    if (s->reuse_port && other->reuse_port)
        return true;
    return s->reuse_address && other->reuse_address && !listening && !listens(other);
}

static bool conflicts(struct sim_sock *s, int table, const struct plait_address *addr, bool listening)
{
    struct sim_link *list = port_list(s->file.host, table, addr->port, false);
    if (!list)
        return false;
    for (struct sim_link *at = list->next; at != list; at = at->next) {
        struct sim_sock *other = SIM_OF(at, struct sim_sock, in_port);
        if (other != s && overlap(s, addr, other) && !share(s, other, listening))
            return true;
    }
    return false;
}

static bool taken(struct sim_sock *s, int table, uint16_t port)
{
    struct sim_link *list = port_list(s->file.host, table, port, false);
    return list && !sim_list_empty(list);
}

static int free_port(struct sim_sock *s, int table, uint16_t *out)
{
    uint64_t first = sim_below(sim_of(s), EPHEMERAL_COUNT);
    for (unsigned i = 0; i < EPHEMERAL_COUNT; i++) {
        uint16_t port = (uint16_t)(EPHEMERAL_FIRST + (first + i) % EPHEMERAL_COUNT);
        if (!taken(s, table, port)) {
            *out = port;
            return 0;
        }
    }
    return -EADDRINUSE;
}

void sim_port_add(struct sim_sock *s, int table)
{
    struct sim_link *list = port_list(s->file.host, table, s->local.port, true);
    if (!list)
        return;
    sim_list_del(&s->in_port);
    sim_list_add(list, &s->in_port);
    s->bound = true;
}

void sim_port_remove(struct sim_sock *s)
{
    sim_list_del(&s->in_port);
    s->bound = false;
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
    int err = at.port ? 0 : free_port(s, table, &at.port);
    if (err)
        return err;
    if (conflicts(s, table, &at, false))
        return -EADDRINUSE;
    s->local = at;
    s->port_locked = addr->port != 0;
    sim_port_add(s, table);
    return s->bound ? 0 : -ENOMEM;
}

int sim_port_auto(struct sim_sock *s, int table)
{
    if (s->bound)
        return 0;
    int err = free_port(s, table, &s->local.port);
    if (err)
        return table == SIM_PORTS_TCP ? -EADDRNOTAVAIL : -EAGAIN;
    if (s->local.kind == PLAIT_ADDR_NONE)
        s->local.kind = s->domain == AF_INET ? PLAIT_ADDR_IP4 : PLAIT_ADDR_IP6;
    sim_port_add(s, table);
    return s->bound ? 0 : -ENOMEM;
}

int sim_port_listen(struct sim_sock *s)
{
    int err = sim_port_auto(s, SIM_PORTS_TCP);
    if (err)
        return err;
    return conflicts(s, SIM_PORTS_TCP, &s->local, true) ? -EADDRINUSE : 0;
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
    struct sim_link *list = port_list(host, SIM_PORTS_TCP, to->port, false);
    struct sim_sock *best = NULL;
    unsigned best_score = 0, equals = 0;
    for (struct sim_link *at = list ? list->next : NULL; at && at != list; at = at->next) {
        struct sim_sock *s = SIM_OF(at, struct sim_sock, in_port);
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
    struct sim_link *list = port_list(host, SIM_PORTS_UDP, to->port, false);
    struct sim_sock *best = NULL;
    unsigned best_score = 0;
    for (struct sim_link *at = list ? list->next : NULL; at && at != list; at = at->next) {
        struct sim_sock *s = SIM_OF(at, struct sim_sock, in_port);
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
