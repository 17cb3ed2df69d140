/* SPDX-License-Identifier: MIT
 *
 * The hash table: chains in buckets, doubled when there are more entries than buckets. When doubling finds no memory
 * the table goes on with longer chains.
 *
 * Invariant: an entry stands in the bucket of its hash; keys are unique.
 * Test: tests/base/test_table.c.
 */
#include "base/table.h"

#include "base/try.h"

struct plait__table_entry {
    struct plait__table_entry *next;
    void *value;
    uint64_t hash;
    size_t len;
    uint8_t key[];
};

enum { FIRST_BUCKETS = 16 };

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t little_endian(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint64_t plait__siphash(const uint8_t key[16], plait_slice bytes)
{
    const uint64_t k0 = little_endian(key, 8);
    const uint64_t k1 = little_endian(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    const size_t whole = bytes.len / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        const uint64_t m = little_endian(bytes.ptr + i, 8);
        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    const uint64_t last = (uint64_t)(bytes.len & 0xff) << 56 |
                          (bytes.len > whole ? little_endian(bytes.ptr + whole, bytes.len - whole) : 0);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void plait__table_init(struct plait__table *table, struct plait_budget *budget, const uint8_t key[16])
{
    *table = (struct plait__table){.budget = budget};
    memcpy(table->key, key, sizeof table->key);
}

void plait__table_deinit(struct plait__table *table)
{
    for (size_t i = 0; i < table->buckets; i++) {
        while (table->bucket[i]) {
            struct plait__table_entry *e = table->bucket[i];
            table->bucket[i] = e->next;
            plait_mem_free(e);
        }
    }
    plait_mem_free(table->bucket);
    table->bucket = NULL;
    table->buckets = 0;
    table->count = 0;
}

/* Where the entry of a key hangs, or where one would be hung. */
static struct plait__table_entry **place_of(const struct plait__table *table, plait_slice key, uint64_t hash)
{
    struct plait__table_entry **at = &table->bucket[hash & (table->buckets - 1)];
    while (*at && !((*at)->hash == hash && plait_slice_equal(plait_slice_of((*at)->key, (*at)->len), key)))
        at = &(*at)->next;
    return at;
}

static bool resize(struct plait__table *table, size_t buckets)
{
    struct plait__table_entry **fresh = plait_mem_new(table->budget, buckets * sizeof *fresh);
    if (!fresh)
        return false;
    for (size_t i = 0; i < table->buckets; i++) {
        while (table->bucket[i]) {
            struct plait__table_entry *e = table->bucket[i];
            table->bucket[i] = e->next;
            e->next = fresh[e->hash & (buckets - 1)];
            fresh[e->hash & (buckets - 1)] = e;
        }
    }
    plait_mem_free(table->bucket);
    table->bucket = fresh;
    table->buckets = buckets;
    return true;
}

void *plait__table_find(const struct plait__table *table, plait_slice key)
{
    if (table->count == 0)
        return NULL;
    struct plait__table_entry *e = *place_of(table, key, plait__siphash(table->key, key));
    return e ? e->value : NULL;
}

plait_err plait__table_insert(struct plait__table *table, plait_slice key, void *value)
{
    const uint64_t hash = plait__siphash(table->key, key);
    if (table->count >= table->buckets && !resize(table, table->buckets ? table->buckets * 2 : FIRST_BUCKETS) &&
        table->buckets == 0)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    struct plait__table_entry **at = place_of(table, key, hash);
    if (*at)
        return PLAIT_FAIL(PLAIT_EEXISTS);
    struct plait__table_entry *e = plait_mem_new(table->budget, sizeof *e + key.len);
    if (!e)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    e->value = value;
    e->hash = hash;
    e->len = key.len;
    if (key.len > 0)
        memcpy(e->key, key.ptr, key.len);
    *at = e;
    table->count++;
    return PLAIT_OK;
}

void *plait__table_remove(struct plait__table *table, plait_slice key)
{
    if (table->count == 0)
        return NULL;
    struct plait__table_entry **at = place_of(table, key, plait__siphash(table->key, key));
    struct plait__table_entry *e = *at;
    if (!e)
        return NULL;
    void *value = e->value;
    *at = e->next;
    table->count--;
    plait_mem_free(e);
    return value;
}

void *plait__table_next(const struct plait__table *table, struct plait__table_walk *at, plait_slice *key)
{
    while (!at->entry) {
        if (at->bucket == table->buckets)
            return NULL;
        at->entry = table->bucket[at->bucket++];
    }
    struct plait__table_entry *e = at->entry;
    at->entry = e->next;
    *key = plait_slice_of(e->key, e->len);
    return e->value;
}
