/* SPDX-License-Identifier: MIT
 *
 * A dialogue in the clear that turns into TLS: greeting, STARTTLS, the answer, the handshake, and lines under TLS. Some
 * clients send their first secret line too early, in the clear behind STARTTLS, as an injector would (CVE-2011-0411):
 * such a connection ends, and no line that came in the clear is ever served as one that came under TLS. Between two
 * rounds the server's certificate is loaded anew, under connections that go on; sessions are resumed or not, and the
 * dialogue is the same.
 */
#include "tests/sim/scenario_certs.h"
#include "tests/sim/scenarios.h"

#include <plait/framing.h>
#include <plait/listen.h>
#include <plait/tls.h>

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 3, CLIENTS = 4, LINES = 30 };

struct world {
    struct plait_sim *sim;
    struct plait_tls_server *tls;
    struct plait_tls_client *client_tls;
    unsigned resumed;
};

/* --- the server --------------------------------------------------------------------------------------------------- */

struct guest {
    struct world *w;
    struct plait_line lines;
    bool secure;
};

static void guest_line(struct plait_stream *s, struct guest *g, plait_slice line)
{
    if (g->secure) {
        plait_printf(s, "secret %.*s\r\n", PLAIT_ARG(line));
    } else if (plait_slice_equal(line, PLAIT_LIT("STARTTLS"))) {
        plait_write(s, PLAIT_LIT("go on\r\n"));
        if (plait_starttls_server(s, g->w->tls) != PLAIT_OK)
            plait_abort(s);
    } else {
        plait_printf(s, "clear %.*s\r\n", PLAIT_ARG(line));
    }
}

static size_t guest_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct guest *g = self;
    size_t at = 0;
    while (plait_is_open(s)) {
        const struct plait_frame f = plait_line_next(&g->lines, plait_slice_sub(in, at, in.len));
        if (f.event != PLAIT_FRAME_WHOLE)
            break;
        at += f.taken;
        const bool starts = !g->secure && plait_slice_equal(f.payload, PLAIT_LIT("STARTTLS"));
        guest_line(s, g, f.payload);
        if (starts)
            break; /* what follows in the clear is not ours to read */
    }
    return at;
}

static void guest_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    struct guest *g = self;
    (void)s;
    g->secure = true;
    g->w->resumed += tls->resumed;
    plait_line_restart(&g->lines);
}

static void guest_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct guest *g = self;
    (void)s;
    (void)fault;
    plait_mem_free(g);
}

static const struct plait_protocol guest_protocol = {
    .name = "guest", .data = guest_data, .secured = guest_secured, .lost = guest_lost};

static plait_err guest_open(struct plait_stream *s, void *ctx)
{
    struct guest *g = plait_mem_new(plait_reactor_budget(plait_stream_reactor(s)), sizeof *g);
    if (!g)
        return PLAIT_ENOMEM;
    g->w = ctx;
    plait_line_init(&g->lines, 0);
    plait_stream_attach(s, &guest_protocol, g);
    plait_write(s, PLAIT_LIT("hello\r\n"));
    return PLAIT_OK;
}

static const struct plait_service_ops guest_ops = {.name = "dialogue", .open = guest_open};

/* --- a client ----------------------------------------------------------------------------------------------------- */

enum where { GREETING, ANSWER, SECRETS };

struct client {
    struct world *w;
    struct plait_stream *s;
    struct plait_line lines;
    enum where where;
    bool early, secure;
    unsigned got, lost;
    struct plait_fault fault;
};

static void say_secret(struct client *c)
{
    plait_printf(c->s, "line %u\r\n", c->got);
}

static void client_line(struct client *c, plait_slice line)
{
    char want[40];
    (void)snprintf(want, sizeof want, "secret line %u", c->got);
    if (c->where == GREETING) {
        plait_write(c->s, c->early ? PLAIT_LIT("STARTTLS\r\nline 0\r\n") : PLAIT_LIT("STARTTLS\r\n"));
        c->where = ANSWER;
    } else if (c->where == ANSWER) {
        if (!plait_slice_equal(line, PLAIT_LIT("go on")))
            plait_sim_fail(c->w->sim, "STARTTLS was answered by another word");
        if (plait_starttls_client(c->s, c->w->client_tls, "server", plait_slice_of(NULL, 0)) != PLAIT_OK)
            plait_sim_fail(c->w->sim, "TLS could not begin");
        c->where = SECRETS;
    } else if (!c->secure || !plait_slice_equal(line, plait_slice_text(want))) {
        plait_sim_fail(c->w->sim, "a line came back as another");
    } else if (++c->got == LINES) {
        plait_close(c->s);
    } else {
        say_secret(c);
    }
}

static size_t client_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct client *c = self;
    size_t at = 0;
    while (plait_is_open(s)) {
        const struct plait_frame f = plait_line_next(&c->lines, plait_slice_sub(in, at, in.len));
        if (f.event != PLAIT_FRAME_WHOLE)
            break;
        at += f.taken;
        const enum where before = c->where;
        client_line(c, f.payload);
        if (before == ANSWER)
            break;
    }
    return at;
}

static void client_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    struct client *c = self;
    (void)s;
    if (!tls->verified || c->early)
        plait_sim_fail(c->w->sim, c->early ? "what was injected became TLS" : "the server was not verified");
    c->secure = true;
    say_secret(c);
}

static void client_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct client *c = self;
    (void)s;
    c->s = NULL;
    c->lost++;
    c->fault = *fault;
}

static const struct plait_protocol client_protocol = {
    .name = "client", .data = client_data, .secured = client_secured, .lost = client_lost};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    c->fault = result->fault;
    result->fault.err = PLAIT_OK;
    if (c->fault.err) {
        c->lost = 1;
        return;
    }
    c->s = plait_result_take(result).ptr;
    plait_stream_attach(c->s, &client_protocol, c);
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool some_run(void *ctx)
{
    const struct client *c = ctx;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (c[i].lost == 0)
            return true;
    }
    return false;
}

static bool start_round(struct world *w, struct plait_reactor *r, struct client *clients)
{
    bool fine = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.w = w, .early = i == CLIENTS - 1};
        plait_line_init(&clients[i].lines, 0);
        fine &= plait_then(plait_connect_host(r, PLAIT_LIT("server"), 25, NULL), got_stream, &clients[i]) == PLAIT_OK;
    }
    return fine;
}

static void judge(struct world *w, const struct client *c)
{
    const bool broken = plait_sim_fault_count(w->sim, PLAIT_SIM_RESET, NULL) > 0 ||
                        plait_sim_fault_count(w->sim, PLAIT_SIM_LOSS, NULL) > 0;
    if (c->lost != 1)
        plait_sim_fail(w->sim, "`lost` came %u times", c->lost);
    else if (c->early && c->got > 0)
        plait_sim_fail(w->sim, "who injected a line was served");
    else if (!c->early && c->got != LINES && !broken)
        plait_sim_fail(w->sim, "%u of %d lines came back: %s", c->got, LINES, plait_err_name(c->fault.err));
}

static bool make_tls(struct world *w, struct plait_reactor *server, struct plait_reactor *client)
{
    char why[200];
    const struct plait_tls_server_options so = {.cert_file = "/etc/server.pem"};
    const struct plait_tls_client_options co = {.ca_pem = kit_ca_pem};
    return plait_tls_server_new(server, &so, &w->tls, why) == PLAIT_OK &&
           plait_tls_client_new(client, &co, &w->client_tls, why) == PLAIT_OK;
}

static bool serve(struct plait_host *host, struct world *w)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 25, &at);
    if (plait_host_write_file(host, "/etc/server.pem", kit_server_pem.ptr, kit_server_pem.len) != PLAIT_OK)
        return false;
    return r && plait_listen(r, &at, NULL, plait_service_new(r, &guest_ops, w), NULL) == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *host = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(host);
    struct client clients[CLIENTS];
    struct world w = {.sim = sim};
    if (!r || !serve(server, &w) || !make_tls(&w, plait_host_reactor(server), r)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (!start_round(&w, r, clients))
            plait_sim_fail(sim, "no memory");
        plait_sim_run_for(sim, plait_millis((int64_t)plait_sim_random(sim, 20)));
        char why[200];
        if (plait_tls_server_reload(w.tls, why) != PLAIT_OK)
            plait_sim_fail(sim, "the certificate could not be loaded anew: %s", why);
        plait_sim_run_while(sim, plait_seconds(300), some_run, clients);
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (clients[i].s) /* a reset that was lost leaves it waiting */
                plait_abort(clients[i].s);
        }
        plait_sim_run_for(sim, plait_seconds(1));
        for (unsigned i = 0; i < CLIENTS; i++)
            judge(&w, &clients[i]);
    }
    plait_sim_log(sim, "%u sessions were resumed", w.resumed);
    plait_tls_server_unref(&w.tls);
    plait_tls_client_unref(&w.client_tls);
    plait_host_stop(server);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_starttls = {.name = "starttls", .faults = PLAIT_SIM_ALL, .run = run};
