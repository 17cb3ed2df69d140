/* SPDX-License-Identifier: MIT
 *
 * A program for each connection, under faults: guests say something to cat, over pipes and over the socket itself, or
 * to a program that never ends; some leave early. What comes back is what was said; an orderly end means all of it; at
 * the end no program is left.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/program.h>

enum { GUESTS = 16, BODY = 20000, PORTS = 3 };

struct guest {
    struct plait_sim *sim;
    struct plait_stream *s;
    struct plait_timer start, leave;
    struct plait_host *server;
    unsigned port;
    size_t says, got;
    bool eof, over;
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)((i * 31 + i / 251) & 0xff);
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct guest *g = self;
    (void)s;
    for (size_t i = 0; i < in.len; i++, g->got++) {
        if (g->got >= g->says || in.ptr[i] != byte_at(g->got)) {
            plait_sim_fail(g->sim, "byte %zu came back as another", g->got);
            break;
        }
    }
    return in.len;
}

static void eof(struct plait_stream *s, size_t rest, void *self)
{
    struct guest *g = self;
    (void)rest;
    g->eof = true;
    /* Calls that fail may keep a program from being run, or from being heard. */
    if (g->got != g->says && g->port < 2 && plait_sim_fault_count(g->sim, PLAIT_SIM_ERRNO, NULL) == 0)
        plait_sim_fail(g->sim, "%zu bytes of %zu came back before the end", g->got, g->says);
    plait_close(s);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct guest *g = self;
    (void)s;
    (void)fault;
    plait_timer_stop(&g->leave);
    g->s = NULL;
    g->over = true;
}

static const struct plait_protocol protocol = {
    .name = "guest", .data = data, .eof = eof, .lost = lost, .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

static void leave(void *ctx)
{
    struct guest *g = ctx;
    if (g->s)
        plait_abort(g->s);
}

static void connected(struct plait_result *result, void *ctx)
{
    struct guest *g = ctx;
    uint8_t body[BODY];
    if (result->fault.err != PLAIT_OK) {
        g->over = true;
        return;
    }
    for (size_t i = 0; i < g->says; i++)
        body[i] = byte_at(i);
    g->s = plait_result_take(result).ptr;
    plait_stream_attach(g->s, &protocol, g);
    plait_write(g->s, plait_slice_of(body, g->says));
    plait_close_write(g->s);
    if (g->port == 2 || plait_sim_random(g->sim, 5) == 0)
        plait_timer_arm(&g->leave, plait_millis((int64_t)plait_sim_random(g->sim, 40000)));
}

static void start(void *ctx)
{
    struct guest *g = ctx;
    struct plait_address at;
    plait_host_address(g->server, PLAIT_ADDR_IP4, (uint16_t)(100 + g->port), &at);
    if (plait_then(plait_connect_address(g->start.reactor, &at, NULL), connected, g) != PLAIT_OK)
        plait_sim_fail(g->sim, "no memory for a guest");
}

static bool serve(struct plait_sim *sim, struct plait_host *host)
{
    static const struct plait_sim_program mute = {.reserved = {0}};
    struct plait_reactor *r = plait_host_reactor(host);
    plait_err err = plait_host_add_program(host, "/bin/cat", plait_sim_program_cat(), NULL);
    err = err ? err : plait_host_add_program(host, "/bin/mute", &mute, NULL);
    for (unsigned port = 0; port < PORTS && !err; port++) {
        const struct plait_program_options o = {
            .spawn = {.path = port == 2 ? "/bin/mute" : "/bin/cat"},
            .link = port == 1 ? PLAIT_PROGRAM_SOCKET : PLAIT_PROGRAM_PIPES,
            .at_once = 2 + plait_sim_random(sim, 10),
            .life = plait_seconds(60),
            .idle = plait_seconds(30),
        };
        struct plait_service *service;
        struct plait_address at;
        plait_host_address(host, PLAIT_ADDR_IP4, (uint16_t)(100 + port), &at);
        err = plait_program_new(r, &o, &service);
        err = err ? err : plait_listen(r, &at, NULL, service, NULL);
    }
    if (err)
        plait_sim_fail(sim, "no server: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

static void scenario(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(client);
    struct guest guests[GUESTS];
    size_t whole = 0;
    if (!serve(sim, server))
        return;
    for (size_t i = 0; i < GUESTS; i++) {
        guests[i] = (struct guest){.sim = sim, .server = server, .port = (unsigned)plait_sim_random(sim, PORTS)};
        guests[i].says = plait_sim_random(sim, BODY);
        plait_timer_init(&guests[i].start, r, "start", start, &guests[i]);
        plait_timer_init(&guests[i].leave, r, "leave", leave, &guests[i]);
        plait_timer_arm(&guests[i].start, plait_millis((int64_t)plait_sim_random(sim, 10000)));
    }
    plait_sim_run_for(sim, plait_seconds(300));
    for (size_t i = 0; i < GUESTS; i++) {
        if (!guests[i].over)
            plait_sim_fail(sim, "guest %zu of port %u is still there", i, guests[i].port);
        whole += guests[i].eof && guests[i].got == guests[i].says;
        plait_timer_stop(&guests[i].start);
    }
    if (whole == 0)
        plait_sim_fail(sim, "no guest was answered");
    plait_sim_check_end(sim); /* while what the guests tell of stands */
}

const struct plait_scenario scenario_program = {.name = "program", .faults = PLAIT_SIM_ALL, .run = scenario};
