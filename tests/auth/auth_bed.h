/* SPDX-License-Identifier: MIT
 *
 * Portals to test with: logins whose end is kept, credentials in a line, a checker that answers when the test says so.
 */
#ifndef PLAIT_TESTS_AUTH_AUTH_BED_H
#define PLAIT_TESTS_AUTH_AUTH_BED_H

#include "tests/engine/bed.h"

#include "auth/auth_core.h"

static const char *const interfaces[] = {"mail", "shell", NULL};

/* How a login, or anything else that ends once, ended. */
struct ending {
    int ends;
    plait_err err;
    struct plait_avatar *avatar; /* taken */
    char name[300];              /* of a checker's answer */
};

static inline void on_avatar(struct plait_result *result, void *ctx)
{
    struct ending *e = ctx;
    e->ends++;
    e->err = result->fault.err;
    e->avatar = e->err == PLAIT_OK ? plait_result_take(result).ptr : NULL;
    plait_result_set(result, plait_value_num(0));
}

static inline void on_name(struct plait_result *result, void *ctx)
{
    struct ending *e = ctx;
    e->ends++;
    e->err = result->fault.err;
    if (e->err == PLAIT_OK && result->value.ptr)
        (void)snprintf(e->name, sizeof e->name, "%s", (const char *)result->value.ptr);
    plait_result_set(result, plait_value_num(0));
}

static inline struct plait_login password_login(const char *user, const char *password)
{
    return (struct plait_login){
        .kind = PLAIT_LOGIN_PASSWORD, .user = plait_slice_text(user), .secret = plait_slice_text(password)};
}

static inline struct plait_login token_login(const char *token)
{
    return (struct plait_login){.kind = PLAIT_LOGIN_TOKEN, .secret = plait_slice_text(token)};
}

/* Begins a login; *e gets its end. */
static inline struct plait_deferred *login_begin(struct plait_portal *portal, struct plait_login login,
                                                 struct ending *e)
{
    memset(e, 0, sizeof *e);
    struct plait_deferred *d = plait_portal_login(portal, &login, interfaces, NULL);
    if (plait_then(d, on_avatar, e) != PLAIT_OK) {
        assert_null(d);
        e->ends = 1;
        e->err = PLAIT_ENOMEM;
    }
    return d;
}

/* Logs in, whatever time it takes, and out again. */
static inline plait_err login_whole(struct bed *b, struct plait_portal *portal, struct plait_login login)
{
    struct ending e;
    (void)login_begin(portal, login, &e);
    bed_run(b);
    if (e.ends == 0)
        bed_pass(b, plait_seconds(1));
    assert_int_equal(e.ends, 1);
    plait_avatar_logout(&e.avatar);
    return e.err;
}

/* Asks a checker alone. */
static inline struct ending check_alone(struct bed *b, struct plait_checker *checker, struct plait_login login)
{
    struct ending e = {.ends = 0};
    struct plait_deferred *d = checker->ops->check(&login, checker->ctx);
    if (plait_then(d, on_name, &e) != PLAIT_OK) {
        e.ends = 1;
        e.err = PLAIT_ENOMEM;
    }
    bed_run(b);
    while (e.ends == 0)
        bed_pass(b, plait_millis(10));
    return e;
}

#endif
