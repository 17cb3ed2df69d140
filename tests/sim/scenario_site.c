/* SPDX-License-Identifier: MIT
 *
 * A site with sessions, forms, passwords that are judged later, compression and a limit of what is under way, and
 * visitors with cookies of their own. Nobody sees another's page, whoever is logged in stays so, whoever logged out is
 * out, and every visit ends. `site_proxied`: the same through a forward proxy that asks for a password, by whole URLs
 * or by tunnels; it lets nobody to its own loopback.
 */
#include "tests/sim/scenarios.h"

#include <plait/cookies.h>
#include <plait/http_client.h>
#include <plait/proxy.h>
#include <plait/web.h>

#include <stdio.h>

enum { VISITORS = 8, PROXIED = 4, STEPS = 9, REPEATED = 500, NAME = 24 };

/* --- the site ----------------------------------------------------------------------------------------------------- */

struct site {
    struct plait_sim *sim;
    struct plait_sessions *sessions;
};

/* A page that a user can tell from any other's. */
static void show_page(struct plait_request *req, plait_slice user)
{
    struct plait_buf page;
    plait_buf_init(&page, plait_reactor_budget(plait_request_reactor(req)), 1 << 16);
    for (int i = 0; i < REPEATED; i++)
        plait_buf_printf(&page, "%.*s\n", PLAIT_ARG(user));
    plait_reply_buf(req, 200, "text/plain; charset=utf-8", &page);
}

static void answer_me(struct plait_request *req, void *ctx)
{
    const struct site *site = ctx;
    const struct plait_session *session = plait_session_find(site->sessions, req);
    if (session)
        show_page(req, plait_slice_text(plait_session_value(session)));
    else
        plait_reply_error(req, 401, NULL);
}

static void begin_session(struct plait_request *req, struct site *site, plait_slice user)
{
    struct plait_session *session = NULL;
    char *name = plait_mem_text(plait_reactor_budget(plait_request_reactor(req)),
                                user.ptr ? (const char *)user.ptr : "", user.len);
    if (!name || plait_session_start(site->sessions, req, &session) != PLAIT_OK) {
        plait_mem_free(name);
        plait_reply_error(req, 503, NULL);
        return;
    }
    plait_session_set(session, plait_value_ptr(name, plait_mem_free));
    plait_reply_text(req, 200, "in");
}

static void take_login(struct plait_request *req, plait_slice form, void *ctx)
{
    plait_slice user;
    if (plait_form_find(req, form, "user", &user))
        begin_session(req, ctx, user);
    else
        plait_reply_error(req, 400, NULL);
}

static void answer_login(struct plait_request *req, void *ctx)
{
    (void)plait_request_form(req, 1000, take_login, ctx); /* a failure was answered */
}

static void answer_renew(struct plait_request *req, void *ctx)
{
    const struct site *site = ctx;
    struct plait_session *session = plait_session_find(site->sessions, req);
    if (!session)
        plait_reply_error(req, 401, NULL);
    else if (plait_session_renew(session, req) != PLAIT_OK)
        plait_reply_error(req, 503, NULL);
    else
        plait_reply_text(req, 200, "renewed");
}

static void answer_logout(struct plait_request *req, void *ctx)
{
    const struct site *site = ctx;
    struct plait_session *session = plait_session_find(site->sessions, req);
    plait_session_end(&session, req);
    plait_reply_text(req, 200, "out");
}

static void answer_private(struct plait_request *req, void *ctx)
{
    (void)ctx;
    show_page(req, plait_request_user(req));
}

/* --- passwords, judged after a while ------------------------------------------------------------------------------ */

struct judgement {
    struct plait_timer timer;
    struct plait_request *req;
    bool right;
    char user[NAME];
};

static void judge(void *ctx)
{
    struct judgement *j = ctx;
    if (j->right)
        plait_auth_grant(j->req, plait_slice_text(j->user));
    else
        plait_auth_deny(j->req);
}

static void not_judged(struct plait_request *req, void *ctx)
{
    struct judgement *j = ctx;
    plait_timer_stop(&j->timer);
    plait_request_drop(req);
}

/* The password of a user is the name once more. */
static void check(struct plait_request *req, const struct plait_credentials *c, void *ctx)
{
    struct site *site = ctx;
    struct judgement *j = plait_request_memory(req, sizeof *j);
    if (!j || c->user.len >= NAME) {
        plait_auth_deny(req);
        return;
    }
    j->req = req;
    j->right = plait_slice_equal(c->user, c->secret);
    (void)snprintf(j->user, NAME, "%.*s", PLAIT_ARG(c->user));
    plait_timer_init(&j->timer, plait_request_reactor(req), "judge", judge, j);
    plait_timer_arm(&j->timer, plait_millis((int64_t)plait_sim_random(site->sim, 200)));
    plait_request_gone(req, not_judged, j);
}

/* What fails while a tree is built, listening tells. */
static struct plait_resource *make_site(struct plait_reactor *r, struct site *site)
{
    const struct plait_auth_options auth = {.check = check, .ctx = site};
    struct plait_resource *root = plait_resource_new(r), *closed = plait_resource_new(r);
    (void)plait_in_flight_wrap(root, 3 + plait_sim_random(site->sim, 6));
    (void)plait_compress_wrap(root, NULL);
    (void)plait_error_page(root, 401, "text/plain", PLAIT_LIT("who are you?"));
    (void)plait_auth_wrap(closed, &auth);
    (void)plait_resource_get(closed, "", answer_private, NULL);
    (void)plait_resource_mount(root, "private", closed);
    (void)plait_resource_get(root, "me", answer_me, site);
    (void)plait_resource_on(root, "POST", "login", answer_login, site);
    (void)plait_resource_on(root, "POST", "renew", answer_renew, site);
    (void)plait_resource_on(root, "POST", "logout", answer_logout, site);
    return root;
}

static bool serve(struct plait_sim *sim, struct plait_host *host, uint16_t port, struct plait_resource *root)
{
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, port, &at);
    const plait_err err = plait_listen(plait_host_reactor(host), &at, NULL, plait_http(root), NULL);
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the visitors ------------------------------------------------------------------------------------------------- */

enum step { LOGIN, ME, RENEW, PRIVATE, GUESS, LOGOUT, KINDS };

struct visits;

struct visitor {
    struct visits *all;
    struct plait_timer next;
    struct plait_cookies *jar;
    enum { OUT, IN, UNKNOWN } state; /* UNKNOWN: an answer that could have changed it was lost */
    enum step step;
    unsigned steps, ends, whole;
    char name[NAME];
};

struct visits {
    struct plait_sim *sim;
    struct plait_http_client *http;
    struct plait_http_proxy *proxy;
    bool tunnel;
    size_t visitors;
    struct visitor visitor[VISITORS];
};

static bool is_own_page(const struct visitor *v, plait_slice body)
{
    const size_t len = strlen(v->name) + 1;
    for (size_t i = 0; i < body.len; i++) {
        const char want = i % len + 1 == len ? '\n' : v->name[i % len];
        if (body.ptr[i] != (uint8_t)want)
            return false;
    }
    return body.len == len * REPEATED;
}

static void judge_page(const struct visitor *v, const struct plait_response *response, int status)
{
    struct plait_sim *sim = v->all->sim;
    if (status == 200 && !is_own_page(v, plait_response_body(response)))
        plait_sim_fail(sim, "%s was shown another's page", v->name);
    if (v->step == ME && status == 200 && v->state == OUT)
        plait_sim_fail(sim, "%s is out, and was shown a page", v->name);
    if (v->step == ME && status == 401 && v->state == IN)
        plait_sim_fail(sim, "%s is in, and was not known", v->name);
    if (v->step == PRIVATE && status == 401)
        plait_sim_fail(sim, "%s's password was refused", v->name);
}

/* What an answer says of whether its visitor is logged in. */
static void note_state(struct visitor *v, int status)
{
    if (status == 0 && v->step != ME && v->step != PRIVATE && v->step != GUESS)
        v->state = UNKNOWN;
    if (status == 200 && v->step == LOGIN)
        v->state = IN;
    if (status == 200 && v->step == LOGOUT)
        v->state = OUT;
}

static void answered(struct plait_result *result, void *ctx)
{
    struct visitor *v = ctx;
    const struct plait_response *response = result->fault.err ? NULL : result->value.ptr;
    int status = response ? plait_response_status(response) : 0;
    const bool busy = status >= 502 && status <= 504; /* the site's limit, or the proxy has no way to it */
    v->ends++;
    v->whole += status == 200;
    if (v->step == GUESS && status != 0 && status != 401 && !busy)
        plait_sim_fail(v->all->sim, "%s guessed and got %d", v->name, status);
    else if (status != 0 && status != 200 && status != 401 && !busy)
        plait_sim_fail(v->all->sim, "%s got %d in step %d", v->name, status, (int)v->step);
    if ((v->step == ME || v->step == PRIVATE) && response)
        judge_page(v, response, status);
    note_state(v, status == 502 || status == 504 ? 0 : status);
    if (v->steps < STEPS)
        plait_timer_arm(&v->next, plait_millis((int64_t)plait_sim_random(v->all->sim, 600)));
    plait_result_set(result, plait_value_num(0));
}

/* The first step is to log in, the last two are to log out and to look whether that holds. */
static enum step choose_step(const struct visitor *v)
{
    if (v->steps == 0 || v->steps >= STEPS - 2)
        return v->steps == 0 ? LOGIN : v->steps == STEPS - 2 ? LOGOUT : ME;
    return ME + (enum step)plait_sim_random(v->all->sim, LOGOUT - ME);
}

static struct plait_deferred *ask(struct visitor *v)
{
    static const char *const paths[KINDS] = {"login", "me", "renew", "private", "private", "logout"};
    struct visits *all = v->all;
    const struct plait_http_field type = {"Content-Type", "application/x-www-form-urlencoded"};
    struct plait_fetch_options options = {.cookies = v->jar, .idle = plait_seconds(20)};
    char url[64], form[32];
    (void)snprintf(url, sizeof url, "http://site/%s", paths[v->step]);
    (void)snprintf(form, sizeof form, "user=%s", v->name);
    if (v->step == LOGIN || v->step == RENEW || v->step == LOGOUT)
        options.method = "POST";
    if (v->step == LOGIN) {
        options.body = plait_slice_text(form);
        options.fields = &type;
        options.field_count = 1;
    }
    if (v->step == PRIVATE || v->step == GUESS) {
        options.user = v->name;
        options.password = v->step == PRIVATE ? v->name : "guess";
    }
    if (all->proxy && all->tunnel)
        options.connect.via = plait_http_proxy_via(all->proxy);
    else
        options.proxy = all->proxy;
    return plait_http_fetch(all->http, url, &options);
}

static void next_step(void *ctx)
{
    struct visitor *v = ctx;
    v->step = choose_step(v);
    v->steps++;
    if (plait_then(ask(v), answered, v) != PLAIT_OK)
        plait_sim_fail(v->all->sim, "no memory for a fetch");
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static void visit_all(struct visits *all, struct plait_reactor *r)
{
    for (size_t i = 0; i < all->visitors; i++) {
        struct visitor *v = &all->visitor[i];
        v->all = all;
        v->jar = plait_cookies_new(r);
        if (!v->jar)
            plait_sim_fail(all->sim, "there is no memory for cookies");
        (void)snprintf(v->name, sizeof v->name, "visitor%u", (unsigned)i);
        plait_timer_init(&v->next, r, "next", next_step, v);
        plait_timer_arm(&v->next, plait_millis((int64_t)plait_sim_random(all->sim, 1000)));
    }
    plait_sim_run_for(all->sim, plait_seconds(800));
}

static void leave_all(struct visits *all)
{
    unsigned whole = 0;
    for (size_t i = 0; i < all->visitors; i++) {
        struct visitor *v = &all->visitor[i];
        plait_timer_stop(&v->next);
        if (v->ends != STEPS)
            plait_sim_fail(all->sim, "%s took %u steps, and %u ended", v->name, v->steps, v->ends);
        whole += v->whole;
        plait_cookies_unref(&v->jar);
    }
    if (whole < all->visitors)
        plait_sim_fail(all->sim, "only %u visits of %zu went well", whole, all->visitors * STEPS);
}

static void refused(struct plait_result *result, void *ctx)
{
    struct visits *all = ctx;
    const int status = result->fault.err ? 0 : plait_response_status(result->value.ptr);
    if (status != 403 && result->fault.err != PLAIT_EREFUSED && status != 0)
        plait_sim_fail(all->sim, "the proxy's own loopback was answered with %d", status);
    plait_result_set(result, plait_value_num(0));
}

static void try_loopback(struct visits *all)
{
    struct plait_fetch_options options = {.idle = plait_seconds(20)};
    if (all->tunnel)
        options.connect.via = plait_http_proxy_via(all->proxy);
    else
        options.proxy = all->proxy;
    if (plait_then(plait_http_fetch(all->http, "http://127.0.0.1:3128/", &options), refused, all) != PLAIT_OK)
        plait_sim_fail(all->sim, "no memory for a fetch");
}

static void run_visits(struct plait_sim *sim, struct plait_http_proxy *proxy)
{
    struct plait_host *host = plait_sim_host(sim, "site");
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "client"));
    const struct plait_sessions_options options = {.in_the_clear = true};
    struct site site = {.sim = sim, .sessions = plait_sessions_new(plait_host_reactor(host), &options)};
    struct visits all = {
        .sim = sim, .proxy = proxy, .tunnel = plait_sim_random(sim, 2), .visitors = proxy ? PROXIED : VISITORS};
    all.http = plait_http_client_new(r, NULL);
    if (!all.http || !site.sessions) {
        plait_sim_fail(sim, "there is no memory for client and site");
    } else if (serve(sim, host, 80, make_site(plait_host_reactor(host), &site))) {
        if (proxy)
            try_loopback(&all);
        visit_all(&all, r);
        leave_all(&all);
    }
    plait_http_client_free(&all.http);
    plait_http_proxy_unref(&proxy);
    plait_sim_run_for(sim, plait_seconds(1));
    plait_sessions_free(&site.sessions);
    plait_sim_check_end(sim); /* while what the visits tell of stands */
}

static void run_site(struct plait_sim *sim)
{
    run_visits(sim, NULL);
}

static void run_proxied(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "proxy");
    struct plait_reactor *r = plait_host_reactor(host);
    const struct plait_forward_proxy_options forward = {.targets.allow = "private"};
    struct site guards = {.sim = sim};
    const struct plait_auth_options auth = {.check = check, .ctx = &guards, .proxy = true};
    const struct plait_http_proxy_options who = {.user = "guest", .password = "guest"};
    struct plait_resource *root;
    struct plait_http_proxy *proxy;
    plait_err err = plait_forward_proxy_new(r, &forward, &root);
    if (!err) {
        (void)plait_auth_wrap(root, &auth);
        if (!serve(sim, host, 3128, root))
            return;
        err =
            plait_http_proxy_new(plait_host_reactor(plait_sim_host(sim, "client")), "http://proxy:3128", &who, &proxy);
    }
    if (err)
        plait_sim_fail(sim, "the proxy can't be had: %s", plait_err_name(err));
    else
        run_visits(sim, proxy);
}

const struct plait_scenario scenario_site = {.name = "site", .faults = PLAIT_SIM_ALL, .run = run_site};
const struct plait_scenario scenario_site_proxied = {
    .name = "site_proxied", .faults = PLAIT_SIM_ALL, .run = run_proxied};
