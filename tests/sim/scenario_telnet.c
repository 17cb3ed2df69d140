/* SPDX-License-Identifier: MIT
 *
 * Telnet between two hosts: clients that send bytes of every kind and get them back, while both sides turn options on
 * and off and the clients' windows change. What comes back is what was sent; the server sees each terminal's name,
 * variables and last window; and when all is quiet both ends have one view of every option, whatever crossed whatever.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/telnet.h>

#include <stdlib.h>

enum { CLIENTS = 3, PIECES = 80, PIECE_MOST = 400, TICK_MS = 20, PORT = 7023 };

static const uint8_t kinds[] = {'a', 'z', ' ', '\r', '\n', 0, 255, 240, 250};

/* One end of a connection. */
struct end {
    struct world *world;
    struct plait_telnet *telnet; /* NULL: not yet, or lost */
    unsigned losses;
    struct plait_fault fault;
    /* A client's: */
    struct plait_timer tick;
    unsigned pieces;
    size_t sent, got;
    uint8_t data[PIECES * PIECE_MOST];
    unsigned columns;
    /* A server's: */
    unsigned window, variables;
    bool named;
};

struct world {
    struct plait_sim *sim;
    struct plait_reactor *server, *client;
    struct end clients[CLIENTS], servers[CLIENTS];
    unsigned opened;
};

static void lost(struct plait_telnet *telnet, const struct plait_fault *fault, void *self)
{
    struct end *e = self;
    if (e->telnet && e->telnet != telnet)
        plait_sim_fail(e->world->sim, "another connection was lost");
    e->telnet = NULL;
    e->losses++;
    e->fault = *fault;
    plait_timer_stop(&e->tick);
}

/* --- the server --------------------------------------------------------------------------------------------------- */

static void server_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    const struct end *e = self;
    plait_telnet_write(telnet, data);
    if (plait_sim_random(e->world->sim, 4) == 0)
        plait_telnet_ask(telnet, PLAIT_TELNET_US, PLAIT_TELNET_ECHO, plait_sim_random(e->world->sim, 2) == 0);
}

static void server_window(struct plait_telnet *telnet, unsigned columns, unsigned rows, void *self)
{
    struct end *e = self;
    (void)telnet;
    e->window = columns;
    if (rows != 24)
        plait_sim_fail(e->world->sim, "a window of %u rows", rows);
}

static void server_terminal(struct plait_telnet *telnet, plait_slice name, void *self)
{
    struct end *e = self;
    (void)telnet;
    if (e->named || !plait_slice_equal(name, PLAIT_LIT("VT220")))
        plait_sim_fail(e->world->sim, "the terminal is a %.*s", PLAIT_ARG(name));
    e->named = true;
}

static void server_variable(struct plait_telnet *telnet, plait_slice name, const plait_slice *value, void *self)
{
    struct end *e = self;
    (void)telnet;
    if (!value || !plait_slice_equal(name, e->variables == 0 ? PLAIT_LIT("USER") : PLAIT_LIT("LANG")))
        plait_sim_fail(e->world->sim, "variable %u is %.*s", e->variables, PLAIT_ARG(name));
    e->variables++;
}

static const struct plait_telnet_handler server_handler = {.name = "server",
                                                           .data = server_data,
                                                           .window = server_window,
                                                           .terminal = server_terminal,
                                                           .variable = server_variable,
                                                           .lost = lost};
static const struct plait_telnet_rule server_rules[] = {
    {PLAIT_TELNET_ECHO, PLAIT_TELNET_WE_ASK},   {PLAIT_TELNET_SGA, PLAIT_TELNET_WE_ASK | PLAIT_TELNET_HE_MAY},
    {PLAIT_TELNET_TTYPE, PLAIT_TELNET_HE_ASK},  {PLAIT_TELNET_NAWS, PLAIT_TELNET_HE_ASK},
    {PLAIT_TELNET_STATUS, PLAIT_TELNET_WE_MAY}, {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_HE_ASK},
};
static const struct plait_telnet_options server_options = {.rules = server_rules,
                                                           .rule_count = sizeof server_rules / sizeof server_rules[0]};

/* Which of the clients it is, nobody can say before it says its name; so the server's ends are in the order of their
 * coming, and tell by the window whose they are. */
static plait_err server_open(struct plait_stream *s, void *ctx)
{
    struct world *w = ctx;
    struct end *e = w->opened < CLIENTS ? &w->servers[w->opened++] : NULL;
    return e ? plait_telnet_attach(s, &server_options, &server_handler, e, &e->telnet) : PLAIT_EOVERLOAD;
}

static const struct plait_service_ops server_ops = {.name = "telnet", .open = server_open};

/* --- a client ----------------------------------------------------------------------------------------------------- */

static void client_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    struct end *e = self;
    (void)telnet;
    if (e->got + data.len > e->sent || !plait_slice_equal(data, plait_slice_of(e->data + e->got, data.len)))
        plait_sim_fail(e->world->sim, "other bytes came back than were sent, at %zu of %zu", e->got, e->sent);
    e->got += data.len;
}

static const struct plait_telnet_handler client_handler = {.name = "client", .data = client_data, .lost = lost};
static const struct plait_telnet_rule client_rules[] = {
    {PLAIT_TELNET_ECHO, PLAIT_TELNET_HE_MAY},   {PLAIT_TELNET_SGA, PLAIT_TELNET_HE_MAY | PLAIT_TELNET_WE_ASK},
    {PLAIT_TELNET_TTYPE, PLAIT_TELNET_WE_MAY},  {PLAIT_TELNET_NAWS, PLAIT_TELNET_WE_MAY},
    {PLAIT_TELNET_STATUS, PLAIT_TELNET_HE_ASK}, {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_WE_MAY},
};
static const struct plait_telnet_variable client_variables[] = {{"USER", "ann"}, {"LANG", "C"}};
static const struct plait_telnet_options client_options = {.rules = client_rules,
                                                           .rule_count = sizeof client_rules / sizeof client_rules[0],
                                                           .terminal = "VT220",
                                                           .columns = 1,
                                                           .rows = 24,
                                                           .variables = client_variables,
                                                           .variable_count = 2};

static void send_piece(struct end *e)
{
    struct plait_sim *sim = e->world->sim;
    const size_t len = 1 + plait_sim_random(sim, PIECE_MOST);
    for (size_t i = 0; i < len; i++)
        e->data[e->sent + i] = kinds[plait_sim_random(sim, sizeof kinds)];
    plait_telnet_write(e->telnet, plait_slice_of(e->data + e->sent, len));
    e->sent += len;
    e->pieces++;
}

/* A piece of data, and now and then a change of something else. */
static void tick(void *ctx)
{
    struct end *e = ctx;
    struct plait_sim *sim = e->world->sim;
    send_piece(e);
    if (plait_sim_random(sim, 3) == 0)
        plait_telnet_ask(e->telnet, PLAIT_TELNET_HIM, PLAIT_TELNET_ECHO, plait_sim_random(sim, 2) == 0);
    if (plait_sim_random(sim, 3) == 0)
        plait_telnet_ask(e->telnet, PLAIT_TELNET_US, PLAIT_TELNET_SGA, plait_sim_random(sim, 2) == 0);
    if (plait_sim_random(sim, 5) == 0) {
        e->columns += CLIENTS;
        plait_telnet_window(e->telnet, (uint16_t)e->columns, 24);
    }
    if (plait_sim_random(sim, 5) == 0)
        (void)plait_telnet_sub(e->telnet, PLAIT_TELNET_STATUS, plait_slice_of("\1", 1));
    if (e->pieces < PIECES)
        plait_timer_arm(&e->tick, plait_millis((int64_t)plait_sim_random(sim, TICK_MS)));
}

static void got_stream(struct plait_result *result, void *ctx)
{
    struct end *e = ctx;
    struct plait_telnet_options options = client_options;
    if (result->fault.err != PLAIT_OK) {
        e->losses++;
        e->fault = result->fault;
        result->fault.err = PLAIT_OK;
        return;
    }
    options.columns = (uint16_t)e->columns;
    if (plait_telnet_attach(plait_result_take(result).ptr, &options, &client_handler, e, &e->telnet) != PLAIT_OK)
        plait_sim_fail(e->world->sim, "no memory");
    else
        plait_timer_arm(&e->tick, 0);
}

static bool runs(void *ctx)
{
    const struct world *w = ctx;
    for (int i = 0; i < CLIENTS; i++) {
        const struct end *e = &w->clients[i];
        if (e->losses == 0 && (e->pieces < PIECES || e->got < e->sent))
            return true;
    }
    return false;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void check_options(struct plait_sim *sim, const struct end *client, const struct end *server)
{
    for (unsigned option = 0; option < 256; option++) {
        const uint8_t o = (uint8_t)option;
        if (plait_telnet_is_on(client->telnet, PLAIT_TELNET_US, o) !=
                plait_telnet_is_on(server->telnet, PLAIT_TELNET_HIM, o) ||
            plait_telnet_is_on(client->telnet, PLAIT_TELNET_HIM, o) !=
                plait_telnet_is_on(server->telnet, PLAIT_TELNET_US, o))
            plait_sim_fail(sim, "the two ends have two views of option %u", option);
    }
}

static void check(struct world *w, const struct end *client)
{
    const struct end *server = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        if (w->servers[i].window % CLIENTS == client->columns % CLIENTS && w->servers[i].window != 0)
            server = &w->servers[i];
    }
    if (!client->telnet || client->got < client->sent)
        plait_sim_fail(w->sim, "a client got %zu of %zu bytes although nobody reset anything", client->got,
                       client->sent);
    else if (!server || server->window != client->columns)
        plait_sim_fail(w->sim, "no server's end knows a window of %u columns", client->columns);
    else if (!server->named || server->variables != 2 || !server->telnet)
        plait_sim_fail(w->sim, "the server knows %u variables", server->variables);
    else
        check_options(w->sim, client, server);
}

static void start(struct world *w)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct end *e = &w->clients[i];
        e->world = w->servers[i].world = w;
        e->columns = (unsigned)(CLIENTS + i);
        plait_timer_init(&e->tick, w->client, "tick", tick, e);
        plait_timer_init(&w->servers[i].tick, w->server, "none", tick, NULL);
        if (plait_then(plait_connect_host(w->client, PLAIT_LIT("server"), PORT, NULL), got_stream, e) != PLAIT_OK)
            plait_sim_fail(w->sim, "no memory");
    }
}

static void finish(struct world *w)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (w->clients[i].telnet)
            plait_close(plait_telnet_stream(w->clients[i].telnet));
    }
    plait_sim_run_for(w->sim, plait_seconds(70));
    for (int i = 0; i < CLIENTS; i++) {
        if (w->servers[i].telnet)
            plait_abort(plait_telnet_stream(w->servers[i].telnet));
    }
    plait_sim_run_for(w->sim, plait_seconds(10));
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server");
    struct plait_host *client = plait_sim_host(sim, "client");
    struct world *w = calloc(1, sizeof *w);
    struct plait_listener *listener = NULL;
    struct plait_address at;
    if (!w)
        return;
    w->sim = sim;
    w->server = plait_host_reactor(server);
    w->client = plait_host_reactor(client);
    plait_host_address(server, PLAIT_ADDR_IP4, PORT, &at);
    if (!w->server || !w->client ||
        plait_listen(w->server, &at, NULL, plait_service_new(w->server, &server_ops, w), &listener) != PLAIT_OK) {
        plait_sim_fail(sim, "the server could not start");
        free(w);
        return;
    }
    start(w);
    plait_sim_run_while(sim, plait_seconds(300), runs, w);
    plait_sim_run_for(sim, plait_seconds(70)); /* until all that was said is heard */
    for (int i = 0; i < CLIENTS && plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) == 0; i++)
        check(w, &w->clients[i]);
    finish(w);
    plait_listener_close(&listener);
    plait_sim_run_for(sim, plait_seconds(70));
    plait_sim_check_end(sim);
    free(w);
}

const struct plait_scenario scenario_telnet = {.name = "telnet", .faults = PLAIT_SIM_ALL, .run = run};
