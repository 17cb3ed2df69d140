/* SPDX-License-Identifier: MIT
 *
 * CGI under faults: clients send bodies to programs that give them back, take their time, answer wrongly or never end;
 * some clients leave. Every fetch ends once; an answer that is whole is the one to its own request; no program is left.
 */
#include "tests/sim/scenarios.h"

#include <plait/gateway.h>
#include <plait/listen.h>

#include <stdio.h>

enum { FETCHES = 12, BODY = 12000, KINDS = 4 };

static uint8_t byte_at(size_t key, size_t i)
{
    return (uint8_t)((i * 29 + key * 13 + i / 247) & 0xff);
}

/* --- the programs ------------------------------------------------------------------------------------------------- */

static void echo_start(struct plait_sim_process *p, void *ctx)
{
    (void)ctx;
    plait_sim_process_write(p, 2, PLAIT_LIT("an echo begins\n"));
    plait_sim_process_write(p, 1, PLAIT_LIT("Content-Type: application/octet-stream\r\n\r\n"));
}

static void echo_input(struct plait_sim_process *p, int fd, plait_slice bytes, void *ctx)
{
    (void)ctx;
    if (fd != 0)
        return;
    plait_sim_process_write(p, 1, bytes);
    if (bytes.len == 0)
        plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program echo = {.start = echo_start, .input = echo_input};

static void tell_start(struct plait_sim_process *p, void *ctx)
{
    const char *query = plait_sim_process_env(p, "QUERY_STRING");
    (void)ctx;
    plait_sim_process_write(p, 1, PLAIT_LIT("Status: 200 OK\nContent-Type: text/plain\n\n"));
    plait_sim_process_write(p, 1, plait_slice_text(query));
    plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program tell = {.start = tell_start};

static void send_on(struct plait_sim_process *p, void *ctx)
{
    char text[64];
    (void)ctx;
    const int len = snprintf(text, sizeof text, "Location: /cgi/tell?%s\n\n", plait_sim_process_env(p, "QUERY_STRING"));
    plait_sim_process_write(p, 1, plait_slice_of(text, (size_t)len));
    plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program redirect = {.start = send_on};

static const struct plait_sim_program mute = {.reserved = {0}};

static bool serve(struct plait_sim *sim, struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r), *cgi = NULL;
    struct plait_address at;
    const struct plait_cgi_options options = {.at_once = 3 + plait_sim_random(sim, 12),
                                              .silence = plait_seconds(1 + (int64_t)plait_sim_random(sim, 9)),
                                              .life = plait_seconds(20)};
    plait_err err = plait_host_add_program(host, "/cgi/echo", &echo, NULL);
    err = err ? err : plait_host_add_program(host, "/cgi/tell", &tell, NULL);
    err = err ? err : plait_host_add_program(host, "/cgi/redirect", &redirect, NULL);
    err = err ? err : plait_host_add_program(host, "/cgi/mute", &mute, NULL);
    err = err ? err : plait_cgi_folder_new(r, "/cgi", &options, &cgi);
    if (!err)
        err = plait_resource_mount(root, "cgi", cgi);
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    if (err)
        plait_resource_unref(&root);
    else
        err = plait_listen(r, &at, NULL, plait_http(root), NULL);
    if (err)
        plait_sim_fail(sim, "no server: %s", plait_err_name(err));
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
    if (response && status != 200 && status != 503 && status != 504)
        plait_sim_fail(o->sim, "fetch %zu of kind %u got %d", o->key, o->kind, status);
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    static const char *const paths[KINDS] = {"echo", "tell", "redirect", "mute"};
    struct one *o = ctx;
    char url[64];
    struct plait_fetch_options options = {.idle = plait_seconds(20)};
    (void)snprintf(url, sizeof url, "http://server/cgi/%s?key=%zu", paths[o->kind], o->key);
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
    static const unsigned kinds[] = {0, 0, 0, 1, 1, 2, 2, 3};
    struct one fetches[FETCHES];
    uint8_t bodies[FETCHES][BODY];
    size_t whole = 0;
    struct plait_reactor *r = plait_host_reactor(client);
    struct plait_http_client *http = serve(sim, server) ? plait_http_client_new(r, NULL) : NULL;
    if (!http) {
        plait_sim_fail(sim, "there is no memory for a client");
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

const struct plait_scenario scenario_cgi = {.name = "cgi", .faults = PLAIT_SIM_ALL, .run = scenario};
