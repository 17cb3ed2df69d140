/* SPDX-License-Identifier: MIT
 *
 * Logins that race for one portal: the right password and wrong ones, a user who does not exist, one who is guessed at
 * all the time, some that leave before the answer, and now and then more at once than the pool takes; meanwhile users
 * are taken out of the password file. Each ends once, an avatar is logged out once, nobody comes in by a wrong
 * password, a failure is never quick, and who guesses gets no more guesses than the limits give.
 */
#include "tests/sim/scenarios.h"

#include <plait/auth.h>

#include <stdio.h>

#define LOGINS 160
#define CROWD 1100
#define REMOVED 8
#define HASH "abNANd1rDfiNc" /* of "secret", by the oldest method: it costs nothing */

static const char *const wanted[] = {"thing", NULL};

struct world;

struct visit {
    struct world *w;
    struct plait_timer begins, leaves;
    struct plait_deferred *login; /* while it is on its way */
    plait_time began;
    bool guess, right, left;
    unsigned ends;
    plait_err err;
    char user[16];
};

struct world {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_portal *portal;
    unsigned under_way, avatars, logouts, guesses, changes;
    bool crowded;
    struct visit visit[LOGINS + CROWD];
};

/* --- the realm ---------------------------------------------------------------------------------------------------- */

static void logout(void *object)
{
    struct world *w = object;
    w->logouts++;
}

static struct plait_deferred *make_avatar(struct plait_avatar *avatar, void *ctx)
{
    struct world *w = ctx;
    w->avatars++;
    avatar->interface = avatar->asked[0];
    avatar->object = w;
    avatar->logout = logout;
    return plait_after(w->r, plait_millis((int64_t)plait_sim_random(w->sim, 300)));
}

/* --- visits ------------------------------------------------------------------------------------------------------- */

static void judge(const struct visit *v)
{
    struct world *w = v->w;
    const plait_span took = plait_now(w->r) - v->began;
    if (v->err == PLAIT_OK && !v->right)
        plait_sim_fail(w->sim, "%s came in by a wrong password", v->user);
    if (v->err != PLAIT_OK && !v->left && took < plait_seconds(1))
        plait_sim_fail(w->sim, "a failure was told after %lld ms", (long long)(took / 1000000));
    if (v->err != PLAIT_OK && v->err != PLAIT_EACCESS && v->err != PLAIT_ELIMIT && v->err != PLAIT_ECANCELLED)
        plait_sim_fail(w->sim, "a login failed: %s", plait_err_name(v->err));
    if (v->err == PLAIT_ELIMIT && !v->guess && !w->crowded)
        plait_sim_fail(w->sim, "%s was locked, and nobody guesses at him", v->user);
}

static void ended(struct plait_result *result, void *ctx)
{
    struct visit *v = ctx;
    struct plait_avatar *avatar = result->value.ptr;
    v->login = NULL;
    v->ends++;
    v->err = result->fault.err;
    v->w->under_way--;
    v->w->guesses += v->guess && v->err == PLAIT_EACCESS;
    plait_timer_stop(&v->leaves);
    judge(v);
    if (v->err == PLAIT_OK && strcmp(avatar->name, v->user) != 0)
        plait_sim_fail(v->w->sim, "%s came in as %s", v->user, avatar->name);
    if (plait_sim_random(v->w->sim, 2)) { /* else the result logs out */
        avatar = plait_result_take(result).ptr;
        plait_avatar_logout(&avatar);
    }
    plait_result_set(result, plait_value_num(0));
}

static void leave(void *ctx)
{
    struct visit *v = ctx;
    v->left = true;
    plait_deferred_cancel(v->login);
}

static void begin(void *ctx)
{
    struct visit *v = ctx;
    const struct plait_login login = {.kind = PLAIT_LOGIN_PASSWORD,
                                      .user = plait_slice_text(v->user),
                                      .secret = v->right ? PLAIT_LIT("secret") : PLAIT_LIT("guess")};
    v->began = plait_now(v->w->r);
    v->login = plait_portal_login(v->w->portal, &login, wanted, NULL);
    if (plait_then(v->login, ended, v) != PLAIT_OK)
        plait_sim_fail(v->w->sim, "no memory");
    else if (plait_sim_random(v->w->sim, 8) == 0)
        plait_timer_arm(&v->leaves, plait_millis((int64_t)plait_sim_random(v->w->sim, 1500)));
}

static void visit_plan(struct world *w, size_t i, plait_span when)
{
    struct visit *v = &w->visit[i];
    v->w = w;
    v->guess = i < LOGINS && plait_sim_random(w->sim, 3) == 0;
    v->right = !v->guess && plait_sim_random(w->sim, 4) > 0;
    if (v->guess)
        (void)snprintf(v->user, sizeof v->user, "victim");
    else
        (void)snprintf(v->user, sizeof v->user, "user%zu", i); /* every second exists */
    plait_timer_init(&v->begins, w->r, "begin", begin, v);
    plait_timer_init(&v->leaves, w->r, "leave", leave, v);
    w->under_way++;
    plait_timer_arm(&v->begins, when);
}

/* --- the password file -------------------------------------------------------------------------------------------- */

static bool write_users(struct plait_host *host)
{
    static char text[40 * LOGINS];
    int len = snprintf(text, sizeof text, "victim:%s\n", HASH);
    for (int i = 0; i < LOGINS; i += 2)
        len += snprintf(text + len, sizeof text - (size_t)len, "user%d:%s\n", i, HASH);
    return plait_host_write_file(host, "/users", text, (size_t)len) == PLAIT_OK;
}

static void changed(struct plait_result *result, void *ctx)
{
    struct world *w = ctx;
    const plait_err err = result->fault.err;
    w->changes++;
    if (err != PLAIT_OK && err != PLAIT_EBUSY && !(err == PLAIT_ELIMIT && w->crowded))
        plait_sim_fail(w->sim, "the file could not be changed: %s", plait_err_name(err));
    plait_result_set(result, plait_value_num(0));
}

/* Several at once: one of them has its way, the others are told that somebody is at it. */
static void remove_some(struct world *w)
{
    char user[16];
    for (int i = 0; i < REMOVED; i++) {
        (void)snprintf(user, sizeof user, "user%d", i * 2);
        if (plait_then(plait_passwd_remove(w->r, "/users", plait_slice_text(user)), changed, w) != PLAIT_OK)
            plait_sim_fail(w->sim, "no memory");
    }
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static bool runs(void *ctx)
{
    const struct world *w = ctx;
    return w->under_way > 0 || w->changes < REMOVED;
}

static bool open_portal(struct world *w, struct plait_host *host)
{
    const struct plait_portal_options options = {.realm = make_avatar, .ctx = w, .logins = 4096};
    w->r = plait_host_reactor(host);
    w->portal = w->r ? plait_portal_new(w->r, &options) : NULL;
    return w->portal && write_users(host) &&
           plait_portal_add(w->portal, plait_checker_file_new(w->r, "/users")) == PLAIT_OK;
}

static void check(const struct world *w, plait_span took)
{
    for (size_t i = 0; i < LOGINS + CROWD; i++) {
        if (w->visit[i].w && w->visit[i].ends != 1)
            plait_sim_fail(w->sim, "a login ended %u times", w->visit[i].ends);
    }
    if (w->avatars != w->logouts)
        plait_sim_fail(w->sim, "%u avatars, %u logouts", w->avatars, w->logouts);
    if (w->guesses > 10 + took / plait_seconds(60))
        plait_sim_fail(w->sim, "%u guesses were judged", w->guesses);
}

static void let_them_in(struct world *w)
{
    struct plait_sim *sim = w->sim;
    const plait_time began = plait_now(w->r);
    w->crowded = plait_sim_random(sim, 4) == 0;
    for (size_t i = 0; i < LOGINS; i++)
        visit_plan(w, i, plait_millis((int64_t)plait_sim_random(sim, 90000)));
    for (size_t i = 0; w->crowded && i < CROWD; i++)
        visit_plan(w, LOGINS + i, plait_seconds(45));
    plait_sim_run_for(sim, plait_millis((int64_t)plait_sim_random(sim, 60000)));
    remove_some(w);
    plait_sim_run_while(sim, plait_seconds(600), runs, w);
    check(w, plait_now(w->r) - began);
    plait_portal_unref(&w->portal);
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "server");
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    struct world *w = plait_mem_new(&budget, sizeof *w);
    if (w)
        w->sim = sim;
    if (!w || !open_portal(w, host))
        plait_sim_fail(sim, "the portal could not be made");
    else
        let_them_in(w);
    plait_mem_free(w);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_auth = {.name = "auth", .faults = PLAIT_SIM_ALL, .run = run};
