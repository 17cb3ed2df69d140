/* SPDX-License-Identifier: MIT
 *
 * Checkers as such, the one that lets everybody in, and the one that lets in who was proved.
 *
 * Invariant: `destroy` is called once for each plait_checker_new. Test: tests/auth/test_checker.c.
 */
#include "auth/auth_core.h"

struct plait_checker *plait_checker_new(struct plait_reactor *reactor, const struct plait_checker_ops *ops, void *ctx)
{
    struct plait_checker *checker = plait_mem_new(plait_reactor_budget(reactor), sizeof *checker);
    if (!checker) {
        if (ops->destroy)
            ops->destroy(ctx);
        return NULL;
    }
    plait__list_init(&checker->link);
    checker->reactor = reactor;
    checker->ops = ops;
    checker->ctx = ctx;
    return checker;
}

void plait_checker_free(struct plait_checker **checker)
{
    struct plait_checker *c = *checker;
    if (!c)
        return;
    *checker = NULL;
    if (c->ops->destroy)
        c->ops->destroy(c->ctx);
    plait_mem_free(c);
}

struct plait_deferred *plait__checker_lets_in(struct plait_reactor *reactor, plait_slice name)
{
    char *copy = plait_mem_text(plait_reactor_budget(reactor), (const char *)name.ptr, name.len);
    return copy ? plait_deferred_succeed(reactor, plait_value_ptr(copy, plait_mem_free)) : NULL;
}

struct plait_deferred *plait__checker_refuses(struct plait_reactor *reactor, plait_err err)
{
    return plait_deferred_fail(reactor, plait_fault_make(err, "check"));
}

/* --- everybody ---------------------------------------------------------------------------------------------------- */

static struct plait_deferred *check_anonymous(const struct plait_login *login, void *ctx)
{
    (void)login;
    return plait__checker_lets_in(ctx, PLAIT_LIT(""));
}

struct plait_checker *plait_checker_anonymous_new(struct plait_reactor *reactor)
{
    static const struct plait_checker_ops ops = {
        .name = "anonymous", .kinds = PLAIT_LOGIN_ANONYMOUS, .check = check_anonymous};
    return plait_checker_new(reactor, &ops, reactor);
}

/* --- who was proved ----------------------------------------------------------------------------------------------- */

static struct plait_deferred *check_proved(const struct plait_login *login, void *ctx)
{
    const bool right = login->user.len > 0 && (!login->proves || login->proves(PLAIT_LIT(""), login->ctx));
    return right ? plait__checker_lets_in(ctx, login->user) : plait__checker_refuses(ctx, PLAIT_EACCESS);
}

struct plait_checker *plait_checker_proved_new(struct plait_reactor *reactor)
{
    static const struct plait_checker_ops ops = {.name = "proved", .kinds = PLAIT_LOGIN_PROVED, .check = check_proved};
    return plait_checker_new(reactor, &ops, reactor);
}
