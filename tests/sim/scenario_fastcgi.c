/* SPDX-License-Identifier: MIT
 *
 * FastCGI under faults, between server and application too: clients send bodies that are given back, some answers are
 * redirections, halves or none, some clients leave; connections are kept or not, and fewer than requests. Every fetch
 * ends once; an answer that is whole is the one to its own request; no connection is left.
 */
#include "tests/sim/scenarios.h"
#include "tests/web/fcgi_app.h"

#include "engine/kinds.h"

#include <plait/gateway.h>
#include <stdio.h>

enum { FETCHES = 14, BODY = 12000, KINDS = 5 };

static uint8_t byte_at(size_t key, size_t i)
{
    return (uint8_t)((i * 29 + key * 13 + i / 247) & 0xff);
}

/* --- the application ---------------------------------------------------------------------------------------------- */

/* Answers by path: what came, the query, another path, nothing, half an answer; an answer before it has read all. */
static void reply(struct app_conn *c, bool input)
{
    const plait_slice path = app_var(c, "PATH_INFO");
    const char last = path.len ? (char)path.ptr[path.len - 1] : 0;
    if (!input || last == 'm')
        return;
    if (last == 'r') {
        app_say(c, PLAIT_LIT("Location: /app/t?"));
        app_say(c, app_var(c, "QUERY_STRING"));
        app_say(c, PLAIT_LIT("\n\n"));
    } else {
        app_say_record(c, PLAIT__FCGI_STDERR, PLAIT_LIT("an answer begins\n"), 4);
        app_say(c, PLAIT_LIT("Content-Type: application/octet-stream\r\n\r\n"));
        app_say(c, last == 'e' ? plait_buf_slice(&c->input) : app_var(c, "QUERY_STRING"));
    }
    if (last == 'h')
        plait_abort(c->stream);
    else
        app_end(c, 0, 0);
}

static bool serve_app(struct plait_host *host, struct app *app)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 9000, &at);
    return plait_listen(r, &at, NULL, plait_service_new(r, &app_ops, app), NULL) == PLAIT_OK;
}

static bool serve(struct plait_sim *sim, struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r), *made = NULL;
    struct plait_address at;
    const struct plait_fastcgi_options options = {.connections = 2 + plait_sim_random(sim, 6),
                                                  .keep = plait_sim_random(sim, 4),
                                                  .idle = plait_seconds(1 + (int64_t)plait_sim_random(sim, 9)),
                                                  .silence = plait_seconds(1 + (int64_t)plait_sim_random(sim, 9))};
    plait_err err = plait__endpoint_kinds_register(r);
    err = err ? err : plait_fastcgi_new(r, "tcp:application:9000", &options, &made, NULL);
    if (!err)
        err = plait_resource_mount(root, "app", made);
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    if (err)
        plait_resource_unref(&root);
    else
        err = plait_listen(r, &at, NULL, plait_http(root), NULL);
    return err == PLAIT_OK;
}

/* --- the clients -------------------------------------------------------------------------------------------------- */

struct one {
    struct plait_sim *sim;
    struct plait_timer start;
    struct plait_http_client *http;
    uint8_t *body;
    size_t key;
    unsigned kind, ends;
    bool whole;
};

static bool is_right(const struct one *o, plait_slice got)
{
    char text[32];
    if (o->kind == 0)
        return plait_slice_equal(got, plait_slice_of(o->body, BODY));
    (void)snprintf(text, sizeof text, "key=%zu", o->key);
    return o->kind < 3 && plait_slice_equal(got, plait_slice_text(text));
}

static void ended(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    o->ends++;
    const struct plait_response *response = result->fault.err ? NULL : result->value.ptr;
    const int status = response ? plait_response_status(response) : 0;
    o->whole = status == 200;
    if (o->whole && !is_right(o, plait_response_body(response)))
        plait_sim_fail(o->sim, "fetch %zu of kind %u got a wrong answer", o->key, o->kind);
    if (response && status != 200 && status < 502)
        plait_sim_fail(o->sim, "fetch %zu of kind %u got %d", o->key, o->kind, status);
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    static const char *const paths[KINDS] = {"e", "t", "r", "m", "h"};
    struct one *o = ctx;
    char url[64];
    struct plait_fetch_options options = {.idle = plait_seconds(20)};
    (void)snprintf(url, sizeof url, "http://server/app/%s?key=%zu", paths[o->kind], o->key);
    if (o->kind == 0) {
        for (size_t i = 0; i < BODY; i++)
            o->body[i] = byte_at(o->key, i);
        options.method = "POST";
        options.body = plait_slice_of(o->body, BODY);
    }
    struct plait_deferred *d = plait_http_fetch(o->http, url, &options);
    if (plait_then(d, ended, o) != PLAIT_OK)
        plait_sim_fail(o->sim, "no memory for a fetch");
    if (o->key % 5 == 4)
        plait_deferred_deadline(d, plait_millis((int64_t)plait_sim_random(o->sim, 1500)));
}

static void scenario(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_host *host = plait_sim_host(sim, "application");
    struct app app = {.answer = reply};
    static const unsigned kinds[] = {0, 0, 0, 1, 1, 1, 2, 2, 3, 4};
    struct one fetches[FETCHES];
    uint8_t bodies[FETCHES][BODY];
    size_t whole = 0;
    struct plait_reactor *r = plait_host_reactor(client);
    struct plait_http_client *http =
        serve_app(host, &app) && serve(sim, server) ? plait_http_client_new(r, NULL) : NULL;
    if (!http) {
        plait_sim_fail(sim, "there is no memory for a server or a client");
        return;
    }
    for (size_t i = 0; i < FETCHES; i++) {
        fetches[i] = (struct one){.sim = sim, .http = http, .key = i, .body = bodies[i]};
        fetches[i].kind = kinds[plait_sim_random(sim, sizeof kinds / sizeof kinds[0])];
        plait_timer_init(&fetches[i].start, r, "start", start, &fetches[i]);
        plait_timer_arm(&fetches[i].start, plait_millis((int64_t)plait_sim_random(sim, 10000)));
    }
    plait_sim_run_for(sim, plait_seconds(400));
    for (size_t i = 0; i < FETCHES; i++) {
        plait_timer_stop(&fetches[i].start);
        if (fetches[i].ends != 1)
            plait_sim_fail(sim, "fetch %zu of kind %u ended %u times", i, fetches[i].kind, fetches[i].ends);
        whole += fetches[i].whole;
    }
    if (whole == 0)
        plait_sim_fail(sim, "no fetch was whole");
    plait_http_client_free(&http);
    plait_sim_check_end(sim); /* while what the fetches tell of stands */
}

/* Nothing is lost: a server that gives an answer up resets its connection, and nobody sends that again. */
const struct plait_scenario scenario_fastcgi = {
    .name = "fastcgi", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_LOSS, .run = scenario};
