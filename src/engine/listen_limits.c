/* SPDX-License-Identifier: MIT
 *
 * The limits of a listener: how many connections and how much memory in all, from one peer address (an IPv6 /64 counts
 * as one: whoever has an address there has them all) and for one connection, and how many accepts a second. It only
 * counts; listen_accept.c decides what follows.
 *
 * Invariant: a stream with PLAIT__F_ADOPTED counts in exactly one entry, an entry that counts nothing is freed, and the
 * budgets of entry and listener hold what their streams hold.
 * Test: tests/engine/test_limits.c.
 */
#include "base/memory.h"
#include "base/try.h"
#include "engine/listen_core.h"

enum { RATE_BURST_MS = 100 };

static size_t size_or(size_t given, size_t standard)
{
    return given ? given : standard;
}

static plait_span span_or(plait_span given, plait_span standard)
{
    return given ? given : standard;
}

static void init_entry(struct plait__counted *entry, struct plait_listener *l, size_t count_max, size_t memory_max)
{
    entry->books.forget = plait__counted_forget;
    entry->listener = l;
    entry->count_max = count_max;
    plait_budget_init(&entry->budget, &l->budget, NULL, memory_max);
}

void plait__limits_init(struct plait_listener *l, const struct plait_limits *given)
{
    const size_t mib = (size_t)1 << 20;
    l->peer_limits_asked = given->connections_per_peer || given->memory_per_peer;
    l->limits.connections = size_or(given->connections, 10000);
    l->limits.connections_per_peer = size_or(given->connections_per_peer, 1000);
    l->limits.accepts_per_second = size_or(given->accepts_per_second, 50000);
    l->limits.memory = size_or(given->memory, 512 * mib);
    l->limits.memory_per_peer = size_or(given->memory_per_peer, 128 * mib);
    l->limits.memory_per_connection = size_or(given->memory_per_connection, 16 * mib);
    l->limits.handshake = span_or(given->handshake, plait_seconds(10));
    l->limits.stall = span_or(given->stall, plait_seconds(60));
    plait_budget_init(&l->budget, &l->reactor->budget, NULL, l->limits.memory);
    plait__table_init(&l->peers, &l->reactor->budget, l->reactor->hash_key);
    init_entry(&l->anyone, l, SIZE_MAX, 0);
}

void plait__limits_deinit(struct plait_listener *l)
{
    plait__table_deinit(&l->peers);
}

/* --- peers -------------------------------------------------------------------------------------------------------- */

static bool is_mapped(const struct plait_address *peer)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return peer->kind == PLAIT_ADDR_IP6 && memcmp(peer->ip, prefix, sizeof prefix) == 0;
}

uint8_t plait__peer_key(const struct plait_address *peer, uint8_t key[9])
{
    const bool mapped = is_mapped(peer);
    if (peer->kind != PLAIT_ADDR_IP4 && peer->kind != PLAIT_ADDR_IP6)
        return 0;
    const uint8_t len = mapped || peer->kind == PLAIT_ADDR_IP4 ? 4 : 8;
    key[0] = len;
    memcpy(key + 1, mapped ? peer->ip + 12 : peer->ip, len);
    return (uint8_t)(len + 1);
}

struct plait__counted *plait__counted_of(struct plait_listener *l, const struct plait_address *peer)
{
    uint8_t key[9];
    const uint8_t len = plait__peer_key(peer, key);
    if (len == 0)
        return &l->anyone;
    struct plait__counted *entry = plait__table_find(&l->peers, plait_slice_of(key, len));
    if (entry)
        return entry;
    entry = plait_mem_new(&l->reactor->budget, sizeof *entry);
    if (!entry)
        return NULL;
    /* The machine itself is no stranger: a proxy in front of us speaks for many. */
    const bool free = !l->peer_limits_asked && plait_address_is_loopback(peer);
    init_entry(entry, l, free ? SIZE_MAX : l->limits.connections_per_peer, free ? 0 : l->limits.memory_per_peer);
    memcpy(entry->key, key, len);
    entry->key_len = len;
    if (plait__table_insert(&l->peers, plait_slice_of(key, len), entry) == PLAIT_OK)
        return entry;
    plait_mem_free(entry);
    return NULL;
}

void plait__counted_settle(struct plait__counted *entry)
{
    if (entry->count > 0 || entry->key_len == 0)
        return;
    plait__table_remove(&entry->listener->peers, plait_slice_of(entry->key, entry->key_len));
    plait_mem_free(entry);
}

void plait__counted_add(struct plait__counted *entry, struct plait_stream *s)
{
    struct plait_listener *l = entry->listener;
    plait_budget_init(&s->budget, &entry->budget, NULL, l->limits.memory_per_connection);
    s->peer = &entry->books;
    s->flags |= PLAIT__F_ADOPTED;
    entry->count++;
    l->count++;
    l->reactor->connections++;
    plait_metric_add(&l->service->tally->connections, 1);
}

plait_err plait__counted_move(struct plait__counted *from, struct plait__counted *to, struct plait_stream *s)
{
    if (from == to)
        return PLAIT_OK;
    if (to->count >= to->count_max)
        return PLAIT_FAIL(PLAIT_EOVERLOAD);
    if (to->budget.max != SIZE_MAX && to->budget.max - to->budget.used < s->budget.used)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    from->budget.used -= s->budget.used;
    to->budget.used += s->budget.used;
    s->budget.parent = &to->budget;
    from->count--;
    to->count++;
    return PLAIT_OK;
}

/* What a stream should have given back by now and did not counts at the reactor alone from here on. */
static void leave_budgets(struct plait__counted *entry, struct plait_stream *s)
{
    entry->budget.used -= s->budget.used;
    entry->listener->budget.used -= s->budget.used;
    s->budget.parent = &s->reactor->budget;
}

void plait__counted_forget(struct plait__peer *books, struct plait_stream *s)
{
    struct plait__counted *entry = plait__container(books, struct plait__counted, books);
    struct plait_listener *l = entry->listener;
    struct plait_reactor *r = l->reactor;
    leave_budgets(entry, s);
    entry->count--;
    plait__counted_settle(entry);
    plait_metric_add(&l->service->tally->connections, -1);
    if (r->connections-- == r->connections_max)
        plait__listeners_go_on_all(r, PLAIT__PAUSE_ALL_FULL);
    if (l->count-- == l->limits.connections)
        plait__listener_go_on(l, PLAIT__PAUSE_FULL);
    plait__listener_settle(l);
}

void plait__listener_forget(struct plait_stream *s)
{
    struct plait__peer *books = s->peer;
    s->flags &= ~(uint32_t)PLAIT__F_ADOPTED;
    s->peer = NULL;
    books->forget(books, s);
}

/* --- accepts a second --------------------------------------------------------------------------------------------- */

static plait_span interval(const struct plait_listener *l)
{
    const size_t rate = l->limits.accepts_per_second;
    return rate < 1000000000 ? (plait_span)(1000000000 / rate) : 0;
}

/* The generic cell rate algorithm: each accept moves the time by its share of a second; that time may run ahead of the
 * clock by the burst. */
bool plait__rate_take(struct plait_listener *l)
{
    const plait_time now = l->reactor->now;
    if (l->rate_at < now)
        l->rate_at = now;
    l->rate_at += interval(l);
    return plait__rate_due(l) <= now;
}

plait_time plait__rate_due(const struct plait_listener *l)
{
    return l->rate_at - plait_millis(RATE_BURST_MS);
}
