/* SPDX-License-Identifier: MIT
 *
 * A hash table from bytes to pointers. The hash is SipHash with a key of the reactor's, so that a peer who chooses keys
 * can't choose where they land.
 */
#ifndef PLAIT_BASE_TABLE_H
#define PLAIT_BASE_TABLE_H

#include <plait/bytes.h>

struct plait__table_entry;

struct plait__table {
    struct plait_budget *budget;
    struct plait__table_entry **bucket;
    size_t buckets; /* a power of two, or 0 before the first insert */
    size_t count;
    uint8_t key[16];
};

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of bytes under a key of 16 bytes. */
uint64_t plait__siphash(const uint8_t key[16], plait_slice bytes);

/* Makes an empty table; it allocates at the first insert. */
void plait__table_init(struct plait__table *table, struct plait_budget *budget, const uint8_t key[16]);

/* Frees the table, not what its values point to. */
void plait__table_deinit(struct plait__table *table);

/* Value of a key; NULL when there is none. */
void *plait__table_find(const struct plait__table *table, plait_slice key);

/* Puts a value in; the key's bytes are copied. Errors: PLAIT_EEXISTS, PLAIT_ENOMEM. */
plait_err plait__table_insert(struct plait__table *table, plait_slice key, void *value) PLAIT_MUST;

/* Takes a key out and returns its value, NULL when there was none. Never allocates. */
void *plait__table_remove(struct plait__table *table, plait_slice key);

/* Walks the table: *at is 0 at first; returns the next value and its key, or NULL at the end. The table must not change
 * meanwhile. */
struct plait__table_walk {
    size_t bucket;
    struct plait__table_entry *entry;
};
void *plait__table_next(const struct plait__table *table, struct plait__table_walk *at, plait_slice *key);

#endif
