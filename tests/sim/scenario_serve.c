/* SPDX-License-Identifier: MIT
 *
 * The program's own services, all that `plait up` starts, inside the world: what makes and starts them is the program's
 * code. Clients come to each of them, the server gets a SIGTERM while some are still there, and it drains.
 */
#include "tests/sim/scenarios.h"

#include "program/program.h"

#include <signal.h>

enum { CALLS = 28, WORDS = 3000 };

/* What is asked of a service, and how an answer begins or what it is. */
struct question {
    const char *service;
    uint16_t port;
    const char *says;
    const char *begins; /* NULL: what was said comes back */
    bool endless;       /* the client ends it after a few bytes */
    bool silent;        /* nothing comes */
};

static const struct question questions[] = {
    {"web", 8080, "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n", false, false},
    {"finger", 7079, "no-such-person-in-the-world\r\n", "No such user.\r\n", false, false},
    {"echo", 7007, NULL, NULL, false, false},
    {"discard", 7009, NULL, "", false, true},
    {"daytime", 7013, "", "", false, false},
    {"qotd", 7017, "", "", false, false},
    {"chargen", 7019, "", " !\"#$%&'", true, false},
    {"time", 7037, "", "", false, false},
    {"netstring", 7020, "5:hello,", "5:hello,", false, false},
};
#define KINDS (sizeof questions / sizeof questions[0])

struct call {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_timer start;
    const struct question *q;
    char said[WORDS + 1];
    size_t said_len, got;
    unsigned begun, ended;
    struct plait_fault fault;
};

static void call_connected(struct plait_stream *s, void *self)
{
    struct call *c = self;
    plait_write(s, plait_slice_of(c->said, c->said_len));
    if (c->q->silent)
        plait_close(s);
}

static size_t call_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct call *c = self;
    const char *want = c->q->begins ? c->q->begins : c->said;
    const size_t len = strlen(want);
    for (size_t i = 0; i < in.len && c->got + i < len; i++) {
        if (in.ptr[i] != (uint8_t)want[c->got + i]) {
            plait_sim_fail(c->sim, "%s gave the wrong answer", c->q->service);
            break;
        }
    }
    c->got += in.len;
    if (c->q->endless || c->got == c->said_len)
        plait_close(s);
    return in.len;
}

static void call_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct call *c = self;
    (void)s;
    c->ended++;
    c->fault = *fault;
}

static const struct plait_protocol caller = {
    .name = "caller", .connected = call_connected, .data = call_data, .lost = call_lost};

static void call_stream(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    if (result->fault.err == PLAIT_OK) {
        plait_stream_attach(plait_result_take(result).ptr, &caller, c);
        return;
    }
    c->ended++;
    c->fault = result->fault;
    result->fault.err = PLAIT_OK;
}

static void call_start(void *ctx)
{
    struct call *c = ctx;
    c->begun++;
    if (plait_then(plait_connect_host(c->r, PLAIT_LIT("server"), c->q->port, NULL), call_stream, c))
        plait_sim_fail(c->sim, "no memory");
}

static bool start_all(struct plait_sim *sim, struct serving *serving)
{
    const struct service_words words = {.welcome = true, .quote = "Nothing is lost."};
    for (size_t i = 0; i < KINDS; i++) {
        char endpoint[60];
        (void)snprintf(endpoint, sizeof endpoint, "tcp:%u:interface=*", questions[i].port);
        const struct service_kind *kind = find_service(questions[i].service);
        if (!kind || start_service(serving, kind, endpoint, &words) != EXIT_DONE) {
            plait_sim_fail(sim, "%s did not start", questions[i].service);
            return false;
        }
    }
    return true;
}

static void prepare(struct plait_sim *sim, struct call *c, struct plait_reactor *r, size_t number)
{
    *c = (struct call){.sim = sim, .r = r, .q = &questions[number % KINDS]};
    c->said_len = c->q->says ? strlen(c->q->says) : WORDS;
    for (size_t i = 0; i < c->said_len; i++)
        c->said[i] = c->q->says ? c->q->says[i] : (char)('a' + (i + number) % 26);
    plait_timer_init(&c->start, r, "call", call_start, c);
    plait_timer_arm(&c->start, plait_millis((int64_t)plait_sim_random(sim, 3000)));
}

static void judge(struct plait_sim *sim, const struct call *c)
{
    const bool cut = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    if (c->begun != 1 || c->ended != 1)
        plait_sim_fail(sim, "a call of %s began %u times and ended %u times", c->q->service, c->begun, c->ended);
    else if (!cut && c->fault.err != PLAIT_OK && c->fault.err != PLAIT_EEOF)
        plait_sim_fail(sim, "a call of %s failed: %s", c->q->service, plait_err_name(c->fault.err));
    else if (!cut && !c->q->silent && c->got == 0)
        plait_sim_fail(sim, "%s gave no answer", c->q->service);
}

static void run(struct plait_sim *sim)
{
    static const struct plait_reactor_options owner = {.own_signals = true};
    struct plait_host *server = plait_sim_host(sim, "server");
    plait_host_reactor_options(server, &owner);
    struct serving serving = {.r = plait_host_reactor(server), .quiet = true};
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "client"));
    struct call calls[CALLS];
    if (!serving.r || !r || plait_assemble(serving.r) != PLAIT_OK || !start_all(sim, &serving))
        return;
    for (size_t i = 0; i < CALLS; i++)
        prepare(sim, &calls[i], r, i);
    plait_sim_run_for(sim, plait_seconds(40));
    plait_host_signal(server, SIGTERM);
    plait_sim_run_for(sim, plait_seconds(80));
    for (size_t i = 0; i < CALLS; i++)
        judge(sim, &calls[i]);
    for (size_t i = 0; i < serving.datagrams; i++)
        plait_small_datagram_close(&serving.datagram[i]);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_serve = {.name = "serve", .faults = PLAIT_SIM_ALL, .run = run};
