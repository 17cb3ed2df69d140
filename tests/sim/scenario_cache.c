/* SPDX-License-Identifier: MIT
 *
 * A cache under faults: many clients ask for a few things, whose versions change, while the network and the origin
 * behind the cache fail in every way. An answer that is whole is one version of the right thing for the right choice
 * from its first byte to its last, and no older than it may be; every fetch ends once.
 */
#include "tests/sim/scenarios.h"

#include <plait/cache.h>
#include <plait/listen.h>

#include <stdio.h>

enum { FETCHES = 30, THINGS = 4, LARGE = 30000, FRESH_S = 3, WHILE_S = 2 };

struct site {
    struct plait_sim *sim;
    size_t asked;
};

/* --- the origin: what it says can be told from each byte ---------------------------------------------------------- */

struct answer {
    struct plait_timer timer;
    struct plait_request *req;
    struct site *site;
    size_t thing, choice, version, sent, len;
    unsigned way;
};

static uint8_t byte_at(size_t thing, size_t choice, size_t version, size_t i)
{
    return (uint8_t)((i * 31 + thing * 7 + choice * 57 + version * 101 + i / 251) & 0xff);
}

static size_t version_at(const struct plait_sim *sim)
{
    return (size_t)(plait_sim_now(sim) / plait_seconds(1));
}

static void leave(struct plait_request *req, void *ctx)
{
    struct answer *a = ctx;
    plait_timer_stop(&a->timer);
    plait_request_drop(req);
}

static void send_more(struct plait_request *req, void *ctx)
{
    struct answer *a = ctx;
    uint8_t block[2000];
    while (a->sent < a->len && !plait_reply_is_full(req)) {
        const size_t len = a->len - a->sent < sizeof block ? a->len - a->sent : sizeof block;
        for (size_t i = 0; i < len; i++)
            block[i] = byte_at(a->thing, a->choice, a->version, a->sent + i);
        plait_reply_write(req, plait_slice_of(block, len));
        a->sent += len;
        if (a->way == 1 && a->sent > a->len / 2) {
            plait_request_drop(req); /* breaks off */
            return;
        }
    }
    if (a->sent == a->len)
        plait_reply_end(req);
}

static void say(void *ctx)
{
    struct answer *a = ctx;
    struct plait_request *req = a->req;
    char tag[64], version[24];
    a->version = version_at(a->site->sim);
    a->len = 1000 + (a->thing * 9000) % LARGE;
    (void)snprintf(tag, sizeof tag, "\"%zu-%zu-%zu\"", a->thing, a->choice, a->version);
    (void)snprintf(version, sizeof version, "%zu", a->version);
    if (a->way == 2) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    (void)plait_reply_field(req, "Cache-Control",
                            a->thing == THINGS - 1 ? PLAIT_LIT("no-store")
                                                   : PLAIT_LIT("max-age=3, stale-while-revalidate=2"));
    (void)plait_reply_field(req, "Vary", PLAIT_LIT("X-Choice"));
    (void)plait_reply_field(req, "X-Version", plait_slice_text(version));
    if (plait_request_unchanged(req, plait_slice_text(tag), -1))
        return;
    plait_reply_room(req, send_more, a);
    plait_reply_begin(req, 200, "application/octet-stream", a->way == 0 ? a->len : PLAIT_LENGTH_UNKNOWN);
    send_more(req, a);
}

static void answer(struct plait_request *req, void *ctx)
{
    struct site *site = ctx;
    struct answer *a = plait_request_memory(req, sizeof *a);
    plait_slice thing;
    uint64_t number = 0;
    site->asked++;
    if (!a || !plait_request_arg(req, "t", &thing) || plait_slice_to_u64(thing, THINGS, &number) != PLAIT_OK) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    *a = (struct answer){.req = req, .site = site, .thing = (size_t)number};
    a->choice = plait_slice_equal(plait_request_field(req, "x-choice"), PLAIT_LIT("1"));
    a->way = (unsigned)plait_sim_random(site->sim, 6);
    plait_timer_init(&a->timer, plait_request_reactor(req), "answer", say, a);
    plait_request_gone(req, leave, a);
    plait_timer_arm(&a->timer, plait_millis((int64_t)plait_sim_random(site->sim, 400)));
}

static bool serve(struct plait_sim *sim, struct plait_host *host, struct site *site)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_address at;
    const struct plait_cache_options options = {.memory = 30000 + plait_sim_random(sim, 300000), .entry_max = 29000};
    (void)plait_cache_wrap(root, &options); /* a failure is kept: listening tells it */
    (void)plait_resource_get(root, "thing", answer, site);
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    const plait_err err = plait_listen(r, &at, NULL, plait_http(root), NULL);
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the clients -------------------------------------------------------------------------------------------------- */

struct one {
    struct plait_sim *sim;
    struct plait_timer start;
    struct plait_http_client *http;
    size_t number, thing, choice, began;
    unsigned ends;
    bool whole;
};

static void look(struct one *o, const struct plait_response *response)
{
    const plait_slice body = plait_response_body(response);
    uint64_t version = 0;
    if (plait_slice_to_u64(plait_response_field(response, "x-version"), SIZE_MAX, &version) != PLAIT_OK)
        plait_sim_fail(o->sim, "fetch %zu got no version", o->number);
    if (version + FRESH_S + WHILE_S + 1 < o->began)
        plait_sim_fail(o->sim, "fetch %zu of second %zu got version %u", o->number, o->began, (unsigned)version);
    if (body.len != 1000 + (o->thing * 9000) % LARGE)
        plait_sim_fail(o->sim, "fetch %zu got %zu bytes", o->number, body.len);
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] != byte_at(o->thing, o->choice, (size_t)version, i)) {
            plait_sim_fail(o->sim, "fetch %zu got a wrong byte at %zu", o->number, i);
            return;
        }
    }
}

static void ended(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    o->ends++;
    const struct plait_response *response = result->fault.err ? NULL : result->value.ptr;
    const int status = response ? plait_response_status(response) : 0;
    o->whole = status == 200;
    if (o->whole)
        look(o, response);
    else if (response && status != 502 && status != 503)
        plait_sim_fail(o->sim, "fetch %zu got %d", o->number, status);
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    struct one *o = ctx;
    char url[64];
    const struct plait_http_field choice = {"X-Choice", o->choice ? "1" : "0"};
    struct plait_fetch_options options = {.idle = plait_seconds(20), .fields = &choice, .field_count = 1};
    (void)snprintf(url, sizeof url, "http://server/thing?t=%zu", o->thing);
    o->began = version_at(o->sim);
    struct plait_deferred *d = plait_http_fetch(o->http, url, &options);
    if (plait_then(d, ended, o) != PLAIT_OK)
        plait_sim_fail(o->sim, "no memory for a fetch");
    if (o->number % 7 == 6)
        plait_deferred_deadline(d, plait_millis((int64_t)plait_sim_random(o->sim, 800)));
}

static void scenario(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct site site = {.sim = sim};
    struct one fetches[FETCHES];
    size_t whole = 0;
    struct plait_reactor *r = plait_host_reactor(client);
    struct plait_http_client *http = serve(sim, server, &site) ? plait_http_client_new(r, NULL) : NULL;
    if (!http) {
        plait_sim_fail(sim, "there is no memory for a client");
        return;
    }
    for (size_t i = 0; i < FETCHES; i++) {
        fetches[i] = (struct one){.sim = sim, .http = http, .number = i};
        fetches[i].thing = plait_sim_random(sim, THINGS);
        fetches[i].choice = plait_sim_random(sim, 2);
        plait_timer_init(&fetches[i].start, r, "start", start, &fetches[i]);
        plait_timer_arm(&fetches[i].start, plait_millis((int64_t)plait_sim_random(sim, 8000)));
    }
    plait_sim_run_for(sim, plait_seconds(400));
    for (size_t i = 0; i < FETCHES; i++) {
        plait_timer_stop(&fetches[i].start);
        if (fetches[i].ends != 1)
            plait_sim_fail(sim, "fetch %zu ended %u times", i, fetches[i].ends);
        whole += fetches[i].whole;
    }
    if (whole < FETCHES / 6)
        plait_sim_fail(sim, "only %zu of %d fetches were whole", whole, FETCHES);
    plait_http_client_free(&http);
    plait_sim_check_end(sim); /* while what the fetches tell of stands */
}

const struct plait_scenario scenario_cache = {.name = "cache", .faults = PLAIT_SIM_ALL, .run = scenario};
