/* SPDX-License-Identifier: MIT
 *
 * Which origin a reverse proxy asks: in turn or the least busy one, of those that are well. One that fails rests for a
 * while that doubles with each failure in a row; then one request tries it. Beside that each may be asked for a path
 * every few seconds: what it says twice in a row holds.
 *
 * Invariant: as long as an origin has not been tried, one is chosen; rather a sick one than none.
 * Test: tests/web/test_web_proxy_health.c.
 */
#include "engine/deferred_core.h"
#include "web/web_proxy.h"

#include <plait/log.h>

enum { REST_MAX_S = 60, STREAK = 2 };

static void tell(const struct plait__proxy_origin *o, enum plait_log_level level, const char *event, const char *text)
{
    const struct plait_field fields[] = {plait_field_text("origin", o->text), plait_field_end()};
    plait_log_event(o->proxy->reactor->log, level, "web", event, text, fields);
}

/* --- what experience says ----------------------------------------------------------------------------------------- */

void plait__proxy_well(struct plait__proxy_origin *o)
{
    if (o->failures == 0)
        return;
    tell(o, PLAIT_LOG_INFO, "origin-answers", "an origin answers again");
    o->failures = 0;
    o->rests_until = 0;
}

/* A second, two, four …, less up to a quarter by chance, so that several proxies don't come back at once. */
static plait_span rest_of(struct plait__proxy_origin *o)
{
    const unsigned doubled = o->failures > 6 ? 6 : o->failures - 1;
    const int64_t seconds = (int64_t)1 << doubled;
    const plait_span whole = plait_seconds(seconds < REST_MAX_S ? seconds : REST_MAX_S);
    return whole - (plait_span)(plait_random_u64(o->proxy->reactor) % (uint64_t)(whole / 4));
}

void plait__proxy_failed(struct plait__proxy_origin *o)
{
    if (o->proxy->forward)
        return;
    if (o->failures == 0)
        tell(o, PLAIT_LOG_WARN, "origin-failed", "an origin failed; others are asked first");
    if (o->failures < UINT32_MAX)
        o->failures++;
    o->rests_until = plait_now(o->proxy->reactor) + rest_of(o);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

/* How good a choice is: whether it is well, then how soon, then how idle. */
static bool is_better(const struct plait__proxy_origin *a, const struct plait__proxy_origin *b, plait_time now,
                      enum plait_balance balance)
{
    const bool a_rests = a->rests_until > now, b_rests = b->rests_until > now;
    if (a->sick != b->sick)
        return b->sick;
    if (a_rests != b_rests)
        return b_rests;
    if (a_rests && a->rests_until != b->rests_until)
        return a->rests_until < b->rests_until;
    return balance == PLAIT_LEAST_BUSY && a->active < b->active;
}

struct plait__proxy_origin *plait__proxy_choose(struct plait__proxy *p, uint64_t tried)
{
    const plait_time now = plait_now(p->reactor);
    struct plait__proxy_origin *best = NULL;
    for (size_t i = 0; i < p->count; i++) {
        struct plait__proxy_origin *o = &p->origin[(p->next + i) % p->count];
        if ((tried >> (o - p->origin) & 1) == 0 && (!best || is_better(o, best, now, p->options.balance)))
            best = o;
    }
    if (!best)
        return NULL;
    p->next = (size_t)(best - p->origin) + 1;
    if (best->failures > 0) /* this request is the one that tries it */
        best->rests_until = now + rest_of(best);
    return best;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void note(struct plait__proxy_origin *o, bool well)
{
    o->streak = well == o->sick ? o->streak + 1 : 0;
    if (o->streak < STREAK)
        return;
    o->sick = !well;
    o->streak = 0;
    tell(o, well ? PLAIT_LOG_INFO : PLAIT_LOG_WARN, well ? "origin-well" : "origin-sick",
         well ? "an origin is well again" : "an origin says that it is not well, or nothing");
}

static void on_check(struct plait_result *result, void *ctx)
{
    struct plait__proxy_origin *o = ctx;
    const int status = result->fault.err == PLAIT_OK ? plait_response_status(result->value.ptr) : 0;
    o->check = NULL;
    plait_result_set(result, plait_value_num(0));
    note(o, status >= 200 && status < 400);
    plait_timer_arm(&o->timer, o->proxy->options.health_every);
}

static plait_err throw_away(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    (void)piece;
    (void)ctx;
    return PLAIT_OK;
}

static void on_timer(void *ctx)
{
    struct plait__proxy_origin *o = ctx;
    struct plait_fetch_options options = {.no_redirects = true, .data = throw_away, .connect = o->connect};
    options.times.total = o->proxy->options.health_every;
    o->check = plait_http_fetch(o->proxy->client, (const char *)plait_buf_slice(&o->check_url).ptr, &options);
    if (plait_then(o->check, on_check, o) == PLAIT_OK)
        return;
    plait__deferred_drop(o->check);
    o->check = NULL;
    plait_timer_arm(&o->timer, o->proxy->options.health_every); /* no memory says nothing of the origin */
}

void plait__proxy_check_start(struct plait__proxy_origin *o)
{
    plait_timer_init(&o->timer, o->proxy->reactor, "http proxy check", on_timer, o);
    if (o->proxy->health)
        plait_timer_arm(&o->timer, 0);
}

void plait__proxy_check_stop(struct plait__proxy_origin *o)
{
    plait_timer_stop(&o->timer);
    if (!o->check)
        return;
    plait__deferred_forget(o->check, on_check, o);
    plait__deferred_drop(o->check);
    o->check = NULL;
}
