/* SPDX-License-Identifier: MIT
 *
 * A checker that knows users and tokens by heart. Passwords are compared by their hashes, for a user who does not exist
 * as well; tokens are found by their hashes, so that the time tells nothing of those that are good.
 *
 * Invariant: what is held is wiped before it is freed. Test: tests/auth/test_checker.c.
 */
#include "auth/auth_core.h"
#include "base/crypto.h"
#include "base/try.h"

/* A user with a password, or with a token. */
struct known {
    struct plait__list link;
    size_t user_len, secret_len;
    uint8_t bytes[]; /* the user, and the password */
};

struct memory {
    struct plait_reactor *reactor;
    struct plait__table users, tokens;
    struct plait__list all;
};

static plait_slice user_of(const struct known *k)
{
    return plait_slice_of(k->bytes, k->user_len);
}

static plait_slice password_of(const struct known *k)
{
    return plait_slice_of(k->bytes + k->user_len, k->secret_len);
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static const struct known *find_token(const struct memory *m, plait_slice token)
{
    struct plait__hash hash;
    return plait__hash(&hash, PLAIT__SHA256, &token, 1)
               ? plait__table_find(&m->tokens, plait_slice_of(hash.bytes, hash.len))
               : NULL;
}

static const struct known *find(const struct memory *m, const struct plait_login *login)
{
    if (login->kind == PLAIT_LOGIN_TOKEN)
        return find_token(m, login->secret);
    const struct known *k = plait__table_find(&m->users, login->user);
    const plait_slice password = k ? password_of(k) : PLAIT_LIT("nobody's password");
    const bool right = login->kind == PLAIT_LOGIN_PROOF ? login->proves(password, login->ctx)
                                                        : plait__secrets_match(login->secret, password);
    return right ? k : NULL;
}

static struct plait_deferred *check(const struct plait_login *login, void *ctx)
{
    struct memory *m = ctx;
    const struct known *k = find(m, login);
    return k ? plait__checker_lets_in(m->reactor, user_of(k)) : plait__checker_refuses(m->reactor, PLAIT_EACCESS);
}

/* --- knowing ------------------------------------------------------------------------------------------------------ */

static plait_err add(struct memory *m, struct plait__table *table, plait_slice key, plait_slice user,
                     plait_slice password)
{
    const size_t bytes = sizeof(struct known) + user.len + password.len;
    struct known *k = plait_mem_new(plait_reactor_budget(m->reactor), bytes);
    if (!k)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = plait__table_insert(table, key, k);
    if (err != PLAIT_OK) {
        plait_mem_free(k);
        return err;
    }
    k->user_len = user.len;
    k->secret_len = password.len;
    memcpy(k->bytes, user.ptr, user.len);
    memcpy(k->bytes + user.len, password.ptr, password.len);
    plait__list_add_tail(&m->all, &k->link);
    return PLAIT_OK;
}

static bool fits(plait_slice text, size_t most)
{
    return text.len > 0 && text.len <= most;
}

plait_err plait_checker_memory_user(struct plait_checker *checker, plait_slice user, plait_slice password)
{
    struct memory *m = checker->ctx;
    if (!fits(user, PLAIT_LOGIN_USER_MAX) || !fits(password, PLAIT_LOGIN_SECRET_MAX))
        return PLAIT_FAIL(PLAIT_EINVAL);
    return add(m, &m->users, user, user, password);
}

plait_err plait_checker_memory_token(struct plait_checker *checker, plait_slice token, plait_slice user)
{
    struct memory *m = checker->ctx;
    struct plait__hash hash;
    if (!fits(user, PLAIT_LOGIN_USER_MAX) || !fits(token, PLAIT_LOGIN_SECRET_MAX))
        return PLAIT_FAIL(PLAIT_EINVAL);
    const bool hashed = plait__hash(&hash, PLAIT__SHA256, &token, 1);
    return hashed ? add(m, &m->tokens, plait_slice_of(hash.bytes, hash.len), user, PLAIT_LIT("")) : PLAIT_EIO;
}

static void destroy(void *ctx)
{
    struct memory *m = ctx;
    while (!plait__list_empty(&m->all)) {
        struct known *k = plait__container(m->all.next, struct known, link);
        plait__list_remove(&k->link);
        plait_mem_wipe(k, sizeof *k + k->user_len + k->secret_len);
        plait_mem_free(k);
    }
    plait__table_deinit(&m->users);
    plait__table_deinit(&m->tokens);
    plait_mem_free(m);
}

struct plait_checker *plait_checker_memory_new(struct plait_reactor *reactor)
{
    static const struct plait_checker_ops ops = {.name = "memory",
                                                 .kinds = PLAIT_LOGIN_PASSWORD | PLAIT_LOGIN_TOKEN | PLAIT_LOGIN_PROOF,
                                                 .check = check,
                                                 .destroy = destroy};
    struct plait_budget *budget = plait_reactor_budget(reactor);
    struct memory *m = plait_mem_new(budget, sizeof *m);
    if (!m)
        return NULL;
    m->reactor = reactor;
    plait__list_init(&m->all);
    plait__table_init(&m->users, budget, reactor->hash_key);
    plait__table_init(&m->tokens, budget, reactor->hash_key);
    return plait_checker_new(reactor, &ops, m);
}
