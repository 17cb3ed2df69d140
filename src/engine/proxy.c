/* SPDX-License-Identifier: MIT
 *
 * Who is trusted to say for whom a connection is (the PROXY protocol), and what it said. The header itself is read in
 * shake.c by the codec of proxy_wire.c.
 *
 * Invariant: a stream has PLAIT__F_PROXIED exactly while its books are a struct proxied, which then stands before the
 * entry in which it counts.
 * Test: tests/engine/test_proxy.c.
 */
#include "base/try.h"
#include "engine/listen_core.h"
#include "engine/target_core.h"

enum { NETS_MAX = 64 };

struct plait_proxy_trust {
    bool local; /* UNIX peers */
    size_t count;
    struct plait__net net[NETS_MAX];
};

struct proxied {
    struct plait__peer books;
    struct plait__counted *entry;
    struct plait_address peer, local;
};

/* --- trust -------------------------------------------------------------------------------------------------------- */

static plait_err add(struct plait_proxy_trust *trust, plait_slice word)
{
    if (plait_slice_equal(word, PLAIT_LIT("unix"))) {
        trust->local = true;
        return PLAIT_OK;
    }
    if (trust->count == NETS_MAX)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    PLAIT_TRY(plait__net_parse(word, &trust->net[trust->count]));
    trust->count++;
    return PLAIT_OK;
}

static plait_err add_all(struct plait_proxy_trust *trust, plait_slice list)
{
    plait_slice word;
    size_t at = 0;
    while (plait__list_word(list, &at, &word))
        PLAIT_TRY(add(trust, word));
    return PLAIT_OK;
}

plait_err plait_proxy_trust_new(struct plait_reactor *reactor, plait_slice list, struct plait_proxy_trust **out)
{
    struct plait_proxy_trust *trust = plait_mem_new(&reactor->budget, sizeof *trust);
    *out = NULL;
    if (!trust)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = add_all(trust, list);
    if (err != PLAIT_OK) {
        plait_mem_free(trust);
        return err;
    }
    *out = trust;
    return PLAIT_OK;
}

void plait__proxy_trust_free(struct plait_proxy_trust **trust)
{
    plait_mem_free(*trust);
    *trust = NULL;
}

bool plait__proxy_trusts(const struct plait_proxy_trust *trust, const struct plait_address *peer)
{
    if (peer->kind != PLAIT_ADDR_IP4 && peer->kind != PLAIT_ADDR_IP6)
        return trust->local;
    return plait__net_any(trust->net, trust->count, peer);
}

/* --- what was told ------------------------------------------------------------------------------------------------ */

static void forget_proxied(struct plait__peer *books, struct plait_stream *s)
{
    struct proxied *p = plait__container(books, struct proxied, books);
    struct plait__counted *entry = p->entry;
    s->flags &= ~(uint32_t)PLAIT__F_PROXIED;
    plait_mem_free(p);
    plait__counted_forget(&entry->books, s);
}

plait_err plait__proxy_note(struct plait_listener *l, struct plait_stream *s, const struct plait_address *peer,
                            const struct plait_address *local)
{
    struct plait__counted *entry = plait__counted_of(l, peer);
    struct proxied *p = plait_mem_new(&s->budget, sizeof *p);
    const plait_err err = entry && p ? plait__counted_move(&l->anyone, entry, s) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err != PLAIT_OK) {
        plait_mem_free(p);
        if (entry)
            plait__counted_settle(entry);
        return err;
    }
    p->books.forget = forget_proxied;
    p->entry = entry;
    p->peer = *peer;
    p->local = *local;
    s->peer = &p->books;
    s->flags |= PLAIT__F_PROXIED;
    return PLAIT_OK;
}

bool plait__proxy_address(const struct plait_stream *s, bool peer, struct plait_address *out)
{
    if (!(s->flags & PLAIT__F_PROXIED))
        return false;
    const struct proxied *p = plait__container(s->peer, struct proxied, books);
    *out = peer ? p->peer : p->local;
    return true;
}
