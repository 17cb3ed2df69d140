/* SPDX-License-Identifier: MIT
 *
 * Portals: checkers in order, avatars that are logged out once, failures that are slow and counted, logins that are
 * cancelled at each step, and without memory at each allocation.
 */
#include "tests/auth/auth_bed.h"

#include "auth/portal_core.h"

/* A world with a portal whose realm and one of whose checkers do as the test says. */
struct world {
    struct bed b;
    struct plait_portal *portal;
    int avatars, logouts, checks, cancels;
    const char *gives; /* the realm's interface, NULL: none */
    plait_err realm_err;
    bool realm_waits, realm_has_no_memory;
    struct plait_deferred *realm_deferred;
    plait_err checker_err; /* of the one that stands first */
    bool checker_waits;
    struct plait_deferred *checker_deferred;
};

static void world_logout(void *object)
{
    struct world *w = object;
    w->logouts++;
}

static struct plait_deferred *waiting(struct world *w, struct plait_deferred **place)
{
    return *place = plait_deferred_new(w->b.r, "waiting", NULL, NULL);
}

static struct plait_deferred *world_realm(struct plait_avatar *avatar, void *ctx)
{
    struct world *w = ctx;
    assert_ptr_equal(avatar->asked, interfaces);
    w->avatars++;
    if (w->realm_has_no_memory)
        return NULL;
    if (w->realm_err != PLAIT_OK)
        return plait_deferred_fail(w->b.r, plait_fault_make(w->realm_err, "realm"));
    avatar->interface = w->gives;
    avatar->object = w;
    avatar->logout = world_logout;
    if (w->realm_waits)
        return waiting(w, &w->realm_deferred);
    return plait_deferred_succeed(w->b.r, plait_value_num(0));
}

static struct plait_deferred *world_check(const struct plait_login *login, void *ctx)
{
    struct world *w = ctx;
    (void)login;
    w->checks++;
    if (w->checker_waits)
        return waiting(w, &w->checker_deferred);
    return plait__checker_refuses(w->b.r, w->checker_err);
}

static const struct plait_checker_ops world_checker = {
    .name = "told", .kinds = PLAIT_LOGIN_PASSWORD, .check = world_check};

static void world_open(struct world *w, struct plait_portal_options options)
{
    memset(w, 0, sizeof *w);
    bed_open(&w->b);
    w->gives = interfaces[1];
    w->checker_err = PLAIT_EACCESS;
    options.ctx = w;
    options.realm = world_realm;
    w->portal = plait_portal_new(w->b.r, &options);
    assert_non_null(w->portal);
    struct plait_checker *memory = plait_checker_memory_new(w->b.r);
    assert_ok(plait_checker_memory_user(memory, PLAIT_LIT("ann"), PLAIT_LIT("secret")));
    assert_ok(plait_checker_memory_token(memory, PLAIT_LIT("t0ken"), PLAIT_LIT("robot")));
    assert_ok(plait_portal_add(w->portal, plait_checker_new(w->b.r, &world_checker, w)));
    assert_ok(plait_portal_add(w->portal, memory));
}

static void world_close(struct world *w)
{
    assert_int_equal(w->portal->logins, 0);
    assert_int_equal(w->portal->refs, 1);
    plait_portal_unref(&w->portal);
    assert_null(w->portal);
    plait_portal_unref(&w->portal);
    bed_close(&w->b);
}

static struct plait_login ann(const char *password, const struct plait_address *from)
{
    struct plait_login login = password_login("ann", password);
    login.from = from;
    return login;
}

static void who_is_known_gets_his_avatar_and_is_logged_out_once(void **state)
{
    struct world w;
    struct ending e;
    (void)state;
    world_open(&w, (struct plait_portal_options){.realm = NULL});
    assert_int_equal(plait_portal_kinds(w.portal), PLAIT_LOGIN_PASSWORD | PLAIT_LOGIN_TOKEN | PLAIT_LOGIN_PROOF);
    (void)login_begin(w.portal, ann("secret", NULL), &e);
    bed_run(&w.b);
    assert_ok(e.err);
    assert_int_equal(w.checks, 1); /* the first did not know, the second did */
    assert_string_equal(e.avatar->name, "ann");
    assert_string_equal(e.avatar->interface, "shell");
    assert_ptr_equal(e.avatar->object, &w);
    assert_int_equal(w.logouts, 0);
    plait_avatar_logout(&e.avatar);
    assert_null(e.avatar);
    plait_avatar_logout(&e.avatar);
    assert_int_equal(w.logouts, 1);
    assert_ok(login_whole(&w.b, w.portal, token_login("t0ken")));
    assert_int_equal(w.checks, 1); /* it judges no tokens */
    assert_int_equal(w.logouts, 2);
    world_close(&w);
}

static void an_avatar_that_nobody_takes_is_logged_out(void **state)
{
    struct world w;
    const struct plait_login login = ann("secret", NULL);
    (void)state;
    world_open(&w, (struct plait_portal_options){.realm = NULL});
    plait_deferred_ignore(plait_portal_login(w.portal, &login, interfaces, NULL));
    bed_run(&w.b);
    assert_int_equal(w.avatars, 1);
    assert_int_equal(w.logouts, 1);
    world_close(&w);
}

static void a_failure_is_told_late_whatever_it_was(void **state)
{
    struct world w;
    struct ending wrong, nobody;
    (void)state;
    world_open(&w, (struct plait_portal_options){.slow = plait_millis(500)});
    (void)login_begin(w.portal, ann("wrong", NULL), &wrong);
    (void)login_begin(w.portal, password_login("nobody", "x"), &nobody);
    bed_run(&w.b);
    bed_pass(&w.b, plait_millis(499));
    assert_int_equal(wrong.ends + nobody.ends, 0);
    bed_pass(&w.b, plait_millis(2)); /* the timer's own millisecond */
    assert_int_equal(wrong.ends + nobody.ends, 2);
    assert_err(wrong.err, PLAIT_EACCESS);
    assert_err(nobody.err, PLAIT_EACCESS);
    w.checker_waits = true; /* one that takes longer than the wait: the next multiple */
    (void)login_begin(w.portal, ann("wrong", NULL), &wrong);
    bed_pass(&w.b, plait_millis(700));
    plait_fire_fault(w.checker_deferred, plait_fault_make(PLAIT_EACCESS, NULL));
    bed_run(&w.b);
    bed_pass(&w.b, plait_millis(299));
    assert_int_equal(wrong.ends, 0);
    bed_pass(&w.b, plait_millis(2)); /* the timer's own millisecond */
    assert_int_equal(wrong.ends, 1);
    world_close(&w);
}

static void a_user_is_locked_after_many_failures(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, (struct plait_portal_options){.failures_per_user = 3, .forgive = plait_seconds(100)});
    for (int i = 0; i < 3; i++)
        assert_err(login_whole(&w.b, w.portal, ann("wrong", NULL)), PLAIT_EACCESS);
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_ELIMIT);
    assert_ok(login_whole(&w.b, w.portal, token_login("t0ken")));
    bed_pass(&w.b, plait_seconds(100));
    assert_ok(login_whole(&w.b, w.portal, ann("secret", NULL)));
    for (int i = 0; i < 3; i++) /* the right one made up for the wrong ones */
        assert_err(login_whole(&w.b, w.portal, ann("wrong", NULL)), PLAIT_EACCESS);
    world_close(&w);
}

static void attempts_at_once_count_too(void **state)
{
    struct world w;
    struct ending e[5];
    int locked = 0;
    (void)state;
    world_open(&w, (struct plait_portal_options){.failures_per_user = 3});
    for (size_t i = 0; i < 5; i++)
        (void)login_begin(w.portal, ann("wrong", NULL), &e[i]);
    bed_run(&w.b);
    bed_pass(&w.b, plait_seconds(1));
    for (size_t i = 0; i < 5; i++)
        locked += e[i].err == PLAIT_ELIMIT;
    assert_int_equal(locked, 2);
    assert_int_equal(w.checks, 3);
    world_close(&w);
}

static void an_address_is_locked_after_many_failures(void **state)
{
    struct plait_address here, there, local = {.kind = PLAIT_ADDR_NONE};
    struct world w;
    (void)state;
    assert_ok(plait_address_parse_ip(PLAIT_LIT("2001:db8::1"), 1, &here));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("2001:db8::2"), 2, &there));
    world_open(&w, (struct plait_portal_options){.failures_per_address = 2});
    struct plait_login wrong = token_login("wrong");
    wrong.from = &here;
    assert_ok(login_whole(&w.b, w.portal, ann("secret", &here)));
    assert_err(login_whole(&w.b, w.portal, wrong), PLAIT_EACCESS);
    assert_ok(login_whole(&w.b, w.portal, ann("secret", &here))); /* takes its own back, not the other */
    wrong.from = &there;
    assert_err(login_whole(&w.b, w.portal, wrong), PLAIT_EACCESS); /* the same /64 */
    assert_err(login_whole(&w.b, w.portal, ann("secret", &here)), PLAIT_ELIMIT);
    assert_ok(login_whole(&w.b, w.portal, ann("secret", &local)));
    assert_int_equal(plait_address_parse_ip(PLAIT_LIT("192.0.2.1"), 1, &here), PLAIT_OK);
    assert_ok(login_whole(&w.b, w.portal, ann("secret", &here)));
    world_close(&w);
}

static void a_checker_that_cannot_tell_locks_nobody(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, (struct plait_portal_options){.failures_per_user = 2});
    w.checker_err = PLAIT_EIO;
    for (int i = 0; i < 5; i++)
        assert_err(login_whole(&w.b, w.portal, ann("wrong", NULL)), PLAIT_EIO);
    assert_ok(login_whole(&w.b, w.portal, ann("secret", NULL))); /* the other one can */
    world_close(&w);
}

static void a_realm_may_let_nobody_in(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, (struct plait_portal_options){.realm = NULL});
    w.gives = NULL;
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_EUNSUPPORTED);
    assert_int_equal(w.logouts, 1); /* what it made goes all the same */
    w.realm_err = PLAIT_EFORBIDDEN;
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_EFORBIDDEN);
    w.realm_has_no_memory = true;
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_ENOMEM);
    assert_int_equal(w.logouts, 1);
    world_close(&w);
}

static void a_realm_may_take_its_time(void **state)
{
    struct world w;
    struct ending e;
    (void)state;
    world_open(&w, (struct plait_portal_options){.realm = NULL});
    w.realm_waits = true;
    (void)login_begin(w.portal, ann("secret", NULL), &e);
    bed_pass(&w.b, plait_seconds(5));
    assert_int_equal(e.ends, 0);
    plait_fire(w.realm_deferred, plait_value_num(0));
    bed_run(&w.b);
    assert_ok(e.err);
    plait_avatar_logout(&e.avatar);
    world_close(&w);
}

/* Cancels a login that waits in some step, and lets what it waited for end. */
static void cancel_in(struct world *w, struct plait_deferred **inner, struct plait_login login, plait_err answer)
{
    struct ending e;
    struct plait_deferred *d = login_begin(w->portal, login, &e);
    bed_run(&w->b);
    if (inner && answer == PLAIT_OK)
        plait_fire(*inner, plait_value_num(0));
    plait_deferred_cancel(d);
    if (inner && answer != PLAIT_OK)
        plait_fire_fault(*inner, plait_fault_make(answer, NULL));
    bed_run(&w->b);
    assert_int_equal(e.ends, 1);
    assert_err(e.err, PLAIT_ECANCELLED);
}

static void a_login_can_be_cancelled_at_every_step(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, (struct plait_portal_options){.failures_per_user = 2});
    w.realm_waits = true;
    cancel_in(&w, &w.realm_deferred, ann("secret", NULL), PLAIT_ECANCELLED);
    cancel_in(&w, &w.realm_deferred, ann("secret", NULL), PLAIT_OK); /* fired, and not yet seen */
    assert_int_equal(w.logouts, 2);
    cancel_in(&w, NULL, ann("wrong", NULL), PLAIT_OK);
    w.checker_waits = true;
    cancel_in(&w, &w.checker_deferred, ann("secret", NULL), PLAIT_ECANCELLED);
    w.checker_waits = false;
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_ELIMIT); /* who left is counted */
    world_close(&w);
}

static void a_portal_goes_when_its_last_login_does(void **state)
{
    struct world w;
    struct ending e;
    (void)state;
    world_open(&w, (struct plait_portal_options){.realm = NULL});
    struct plait_portal *second = plait_portal_ref(w.portal);
    plait_portal_unref(&second);
    (void)login_begin(w.portal, ann("wrong", NULL), &e);
    bed_run(&w.b);
    plait_portal_unref(&w.portal);
    bed_pass(&w.b, plait_seconds(1));
    assert_err(e.err, PLAIT_EACCESS);
    bed_close(&w.b);
}

static void what_no_checker_could_judge_is_refused_at_once(void **state)
{
    static const uint8_t much[PLAIT_LOGIN_SECRET_MAX + 1];
    struct world w;
    struct ending e;
    (void)state;
    world_open(&w, (struct plait_portal_options){.logins = 1});
    assert_err(login_whole(&w.b, w.portal, (struct plait_login){.kind = PLAIT_LOGIN_ANONYMOUS}), PLAIT_EUNSUPPORTED);
    struct plait_login login = ann("x", NULL);
    login.user = plait_slice_of(much, PLAIT_LOGIN_USER_MAX + 1);
    assert_err(login_whole(&w.b, w.portal, login), PLAIT_EINVAL);
    login = ann("x", NULL);
    login.secret = plait_slice_of(much, sizeof much);
    assert_err(login_whole(&w.b, w.portal, login), PLAIT_EINVAL);
    (void)login_begin(w.portal, ann("wrong", NULL), &e);
    assert_err(login_whole(&w.b, w.portal, ann("secret", NULL)), PLAIT_ELIMIT);
    bed_pass(&w.b, plait_seconds(1));
    assert_err(e.err, PLAIT_EACCESS);
    assert_ok(login_whole(&w.b, w.portal, ann("secret", NULL)));
    world_close(&w);
}

static void without_a_realm_an_avatar_is_a_name(void **state)
{
    static const char *const none[] = {NULL};
    struct bed b;
    struct ending e = {.ends = 0};
    const struct plait_login login = {.kind = PLAIT_LOGIN_ANONYMOUS};
    (void)state;
    bed_open(&b);
    struct plait_portal *portal = plait_portal_new(b.r, NULL);
    assert_ok(plait_portal_add(portal, plait_checker_anonymous_new(b.r)));
    (void)login_begin(portal, login, &e);
    bed_run(&b);
    assert_string_equal(e.avatar->name, "");
    assert_string_equal(e.avatar->interface, "mail");
    plait_avatar_logout(&e.avatar);
    assert_ok(plait_then(plait_portal_login(portal, &login, none, NULL), on_avatar, &e));
    bed_run(&b);
    bed_pass(&b, plait_seconds(1));
    assert_err(e.err, PLAIT_EUNSUPPORTED);
    plait_portal_unref(&portal);
    bed_close(&b);
}

static void a_login_survives_any_lack_of_memory(void **state)
{
    struct plait_address from;
    struct world w;
    bool whole = false;
    (void)state;
    assert_ok(plait_address_parse_ip(PLAIT_LIT("192.0.2.1"), 1, &from));
    for (uint64_t n = 1; !whole; n++) {
        assert_true(n < 50);
        world_open(&w, (struct plait_portal_options){.realm = NULL});
        w.b.heap.fail_at = w.b.heap.calls + n;
        const plait_err err = login_whole(&w.b, w.portal, ann("secret", &from));
        whole = w.b.heap.calls < w.b.heap.fail_at;
        assert_err(err, whole ? PLAIT_OK : PLAIT_ENOMEM);
        assert_int_equal(w.portal->users.table.count + w.portal->addresses.table.count, 0);
        assert_int_equal(w.logouts, whole);
        world_close(&w);
    }
    struct bed b;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_null(plait_portal_new(b.r, NULL));
    bed_heal(&b);
    struct plait_portal *portal = plait_portal_new(b.r, NULL);
    assert_err(plait_portal_add(portal, NULL), PLAIT_ENOMEM);
    plait_portal_unref(&portal);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(who_is_known_gets_his_avatar_and_is_logged_out_once),
          cmocka_unit_test(an_avatar_that_nobody_takes_is_logged_out),
          cmocka_unit_test(a_failure_is_told_late_whatever_it_was),
          cmocka_unit_test(a_user_is_locked_after_many_failures), cmocka_unit_test(attempts_at_once_count_too),
          cmocka_unit_test(an_address_is_locked_after_many_failures),
          cmocka_unit_test(a_checker_that_cannot_tell_locks_nobody), cmocka_unit_test(a_realm_may_let_nobody_in),
          cmocka_unit_test(a_realm_may_take_its_time), cmocka_unit_test(a_login_can_be_cancelled_at_every_step),
          cmocka_unit_test(a_portal_goes_when_its_last_login_does),
          cmocka_unit_test(what_no_checker_could_judge_is_refused_at_once),
          cmocka_unit_test(without_a_realm_an_avatar_is_a_name), cmocka_unit_test(a_login_survives_any_lack_of_memory))
