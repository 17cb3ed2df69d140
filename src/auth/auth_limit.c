/* SPDX-License-Identifier: MIT
 *
 * Failed logins by user and by address. One is counted before it is known whether it fails, so that a thousand attempts
 * at once are no more than the limit; a success takes it back. Time forgives one after another.
 *
 * Invariant: every entry of the table is in the list, and counts at least one. Test: tests/auth/test_limit.c.
 */
#include "auth/auth_core.h"
#include "base/try.h"

struct failed {
    struct plait__list link;
    plait_time since; /* forgiving went so far */
    unsigned count;
    uint8_t key_len;
    uint8_t key[PLAIT_LOGIN_USER_MAX];
};

void plait__failures_init(struct plait__failures *f, struct plait_reactor *reactor, unsigned max, plait_span forgive,
                          size_t most)
{
    f->reactor = reactor;
    f->max = max;
    f->forgive = forgive;
    f->most = most;
    plait__list_init(&f->order);
    plait__table_init(&f->table, plait_reactor_budget(reactor), reactor->hash_key);
}

static void forget(struct plait__failures *f, struct failed *e)
{
    (void)plait__table_remove(&f->table, plait_slice_of(e->key, e->key_len));
    plait__list_remove(&e->link);
    plait_mem_free(e);
}

static struct failed *oldest(const struct plait__failures *f)
{
    return plait__container(f->order.next, struct failed, link);
}

void plait__failures_deinit(struct plait__failures *f)
{
    while (!plait__list_empty(&f->order))
        forget(f, oldest(f));
    plait__table_deinit(&f->table);
}

/* What time has forgiven by now. */
static void forgive(const struct plait__failures *f, struct failed *e)
{
    const int64_t times = (plait_now(f->reactor) - e->since) / f->forgive;
    e->since += times * f->forgive;
    e->count = times < e->count ? e->count - (unsigned)times : 0;
}

static plait_err remember(struct plait__failures *f, plait_slice key, struct failed **out)
{
    struct failed *e = plait_mem_new(plait_reactor_budget(f->reactor), sizeof *e);
    *out = e;
    if (!e)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = plait__table_insert(&f->table, key, e);
    if (err != PLAIT_OK) {
        plait_mem_free(e);
        return err;
    }
    memcpy(e->key, key.ptr, key.len);
    e->key_len = (uint8_t)key.len;
    e->since = plait_now(f->reactor);
    plait__list_init(&e->link);
    if (f->table.count > f->most)
        forget(f, oldest(f));
    return PLAIT_OK;
}

plait_err plait__failures_count(struct plait__failures *f, plait_slice key)
{
    struct failed *e = plait__table_find(&f->table, key);
    if (e)
        forgive(f, e);
    else
        PLAIT_TRY(remember(f, key, &e));
    if (e->count == 0)
        e->since = plait_now(f->reactor);
    if (e->count >= f->max)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    e->count++;
    plait__list_remove(&e->link);
    plait__list_add_tail(&f->order, &e->link);
    return PLAIT_OK;
}

void plait__failures_take_back(struct plait__failures *f, plait_slice key, bool all)
{
    struct failed *e = plait__table_find(&f->table, key);
    if (!e)
        return;
    forgive(f, e);
    if (all || e->count <= 1)
        forget(f, e);
    else
        e->count--;
}
