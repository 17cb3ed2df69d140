/* SPDX-License-Identifier: MIT
 *
 * What a cache keeps: entries in slots by key, in the order of their use. All of it counts under the cache's budget;
 * what was used longest ago is forgotten when there is no room. An entry that is forgotten lives on for those who read
 * it.
 *
 * Notes tell, for a few seconds, whose answers can't be kept. Invariant: an entry is in a slot only when its body is
 * whole, and a slot has at least one. Test: tests/web/test_cache.c.
 */
#include "web/cache_core.h"

enum { VARIANTS_MAX = 32, PASS_S = 10 };

void plait__cache_unref(struct plait__cache *c)
{
    if (--c->refs > 0)
        return;
    plait_metrics_remove(&c->hits);
    plait_metrics_remove(&c->misses);
    plait_metrics_remove(&c->evicted);
    plait_metrics_remove(&c->bytes);
    plait__table_deinit(&c->slots);
    plait__table_deinit(&c->fetches);
    plait_mem_free(c);
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

static void slot_settle(struct plait__cache *c, struct plait__cache_slot *slot)
{
    if (slot->count)
        return;
    (void)plait__table_remove(&c->slots, plait_slice_of(slot->key, slot->key_len));
    plait_mem_free(slot);
}

static struct plait__cache_slot *slot_of(struct plait__cache *c, plait_slice key)
{
    struct plait__cache_slot *slot = plait__table_find(&c->slots, key);
    if (slot)
        return slot;
    slot = plait_mem_new(&c->budget, sizeof(*slot) + key.len);
    if (!slot)
        return NULL;
    plait__list_init(&slot->entries);
    slot->key_len = key.len;
    memcpy(slot->key, key.ptr, key.len);
    if (plait__table_insert(&c->slots, key, slot) == PLAIT_OK)
        return slot;
    plait_mem_free(slot);
    return NULL;
}

void plait__cache_remove(struct plait__cache_entry *e)
{
    struct plait__cache_slot *slot = e->slot;
    struct plait__cache *c = e->cache;
    if (!slot)
        return;
    e->slot = NULL;
    plait__list_remove(&e->link);
    plait__list_remove(&e->sibling);
    slot->count--;
    slot_settle(c, slot);
    plait__cache_entry_unref(&e);
    plait_metric_set(&c->bytes, (int64_t)c->budget.used);
}

bool plait__cache_evict(struct plait__cache *c)
{
    if (plait__list_empty(&c->entries))
        return false;
    plait_metric_add(&c->evicted, 1);
    plait__cache_remove(plait__container(c->entries.next, struct plait__cache_entry, link));
    return true;
}

void plait__cache_forget(struct plait__cache *c, plait_slice key)
{
    struct plait__cache_slot *slot = plait__table_find(&c->slots, key);
    for (size_t n = slot ? slot->count : 0; n > 0; n--)
        plait__cache_remove(plait__container(slot->entries.next, struct plait__cache_entry, sibling));
}

struct plait__cache_entry *plait__cache_find(struct plait__cache *c, plait_slice key, const struct plait_request *req)
{
    struct plait__cache_slot *slot = plait__table_find(&c->slots, key);
    if (!slot)
        return NULL;
    for (struct plait__list *at = slot->entries.next; at != &slot->entries; at = at->next) {
        struct plait__cache_entry *e = plait__container(at, struct plait__cache_entry, sibling);
        if (!plait__cache_entry_serves(e, req))
            continue;
        plait__list_remove(&e->link);
        plait__list_add_tail(&c->entries, &e->link);
        return e;
    }
    return NULL;
}

/* Those whose place a new entry takes: what would have served its request, and the oldest of too many. */
static void displace(struct plait__cache_slot *slot, const struct plait_request *req)
{
    for (struct plait__list *at = slot->entries.next, *next; at != &slot->entries; at = next) {
        struct plait__cache_entry *e = plait__container(at, struct plait__cache_entry, sibling);
        next = at->next;
        if (plait__cache_entry_serves(e, req) || slot->count > VARIANTS_MAX)
            plait__cache_remove(e);
    }
}

static void place(struct plait__cache_slot *slot, struct plait__cache_entry *e, const struct plait_request *req)
{
    struct plait__cache *c = e->cache;
    slot->count++; /* keeps the slot while others leave it */
    displace(slot, req);
    e->slot = slot;
    plait__list_add_head(&slot->entries, &e->sibling);
    plait__list_add_tail(&c->entries, &e->link);
    (void)plait__cache_entry_ref(e);
    plait_metric_set(&c->bytes, (int64_t)c->budget.used);
}

void plait__cache_put(struct plait__cache *c, plait_slice key, struct plait__cache_entry *e,
                      const struct plait_request *req)
{
    struct plait__cache_slot *slot = slot_of(c, key);
    while (!slot && plait__cache_evict(c))
        slot = slot_of(c, key);
    if (slot)
        place(slot, e, req);
}

/* --- notes -------------------------------------------------------------------------------------------------------- */

static struct plait__cache_note *note_of(struct plait__cache *c, plait_slice key, uint64_t *hash)
{
    *hash = plait__siphash(c->reactor->hash_key, key);
    return &c->notes[*hash % PLAIT__CACHE_NOTES];
}

bool plait__cache_passes(struct plait__cache *c, plait_slice key)
{
    uint64_t hash;
    const struct plait__cache_note *note = note_of(c, key, &hash);
    return note->hash == hash && note->until > plait_now(c->reactor);
}

void plait__cache_note_pass(struct plait__cache *c, plait_slice key)
{
    uint64_t hash;
    struct plait__cache_note *note = note_of(c, key, &hash);
    *note = (struct plait__cache_note){.hash = hash, .until = plait_now(c->reactor) + plait_seconds(PASS_S)};
}
