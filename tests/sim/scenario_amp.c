/* SPDX-License-Identifier: MIT
 *
 * AMP between two hosts, both of which call the other at once: sums, and texts that are so long that both sides' output
 * backs up. Each call ends once, with the answer to its own question or with an error that the network gave; an answer
 * that comes later than others is still the right one.
 */
#include "tests/sim/scenarios.h"

#include <plait/amp.h>

#define CALLS 60

static const struct plait_amp_field ask_fields[] = {PLAIT_AMP_FIELD("n", INTEGER), PLAIT_AMP_FIELD("text", STRING),
                                                    PLAIT_AMP_END};
static const struct plait_amp_command ask = {.name = "Ask", .arguments = ask_fields, .response = ask_fields};

struct call {
    struct side *side;
    int64_t n;
    size_t len;
    unsigned ends;
    bool answered;
};

struct side {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_amp *amp;
    unsigned losses;
    struct plait_fault fault;
    struct call calls[CALLS];
    unsigned later; /* requests that are answered after a while, and are not yet */
};

struct later {
    struct side *side;
    struct plait_amp_request *req;
    int64_t n;
    size_t len;
};

static void answer(struct plait_amp_request *req, int64_t n, size_t len)
{
    static const uint8_t text[60000];
    struct plait_amp_box *box = plait_amp_response(req);
    plait_amp_put_integer(box, "n", n * 2);
    plait_amp_put_bytes(box, "text", plait_slice_of(text, len));
    plait_amp_reply(req);
}

static void answer_later(struct plait_result *result, void *ctx)
{
    struct later *l = ctx;
    result->fault.err = PLAIT_OK;
    l->side->later--;
    answer(l->req, l->n, l->len);
    plait_mem_free(l);
}

static void on_ask(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    struct side *side = ctx;
    const int64_t n = plait_amp_integer(v, "n");
    const size_t len = plait_amp_bytes(v, "text").len;
    struct later *l = n % 3 == 0 ? plait_mem_new(plait_reactor_budget(side->r), sizeof *l) : NULL;
    if (!l) {
        answer(req, n, len);
        return;
    }
    *l = (struct later){side, req, n, len};
    side->later++;
    if (plait_then(plait_after(side->r, plait_millis(n % 50)), answer_later, l) != PLAIT_OK)
        plait_sim_fail(side->sim, "no memory");
}

static const struct plait_amp_responder responders[] = {{&ask, on_ask}, {NULL, NULL}};

static void ended(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    const struct plait_amp_values *v = result->value.ptr;
    c->ends++;
    c->answered = result->fault.err == PLAIT_OK;
    result->fault.err = PLAIT_OK;
    if (c->answered && (plait_amp_integer(v, "n") != c->n * 2 || plait_amp_bytes(v, "text").len != c->len))
        plait_sim_fail(c->side->sim, "call %lld got the answer to another", (long long)c->n);
}

static void call_all(struct side *side)
{
    static const uint8_t text[60000];
    for (int i = 0; i < CALLS; i++) {
        struct call *c = &side->calls[i];
        const size_t len = (size_t)plait_sim_random(side->sim, 10) == 0 ? 60000 : 20;
        struct plait_amp_box *box = plait_amp_begin(side->amp, &ask);
        c->side = side;
        c->n = i;
        c->len = len;
        plait_amp_put_integer(box, "n", i);
        plait_amp_put_bytes(box, "text", plait_slice_of(text, len));
        if (plait_then(plait_amp_call(box), ended, c) != PLAIT_OK)
            plait_sim_fail(side->sim, "no memory");
    }
}

static void connected(struct plait_amp *amp, void *ctx)
{
    struct side *side = ctx;
    side->amp = amp;
    call_all(side);
}

static void lost(struct plait_amp *amp, const struct plait_fault *fault, void *ctx)
{
    struct side *side = ctx;
    if (side->amp != amp)
        plait_sim_fail(side->sim, "another connection was lost");
    side->amp = NULL;
    side->losses++;
    side->fault = *fault;
}

static struct plait_amp_options options_of(struct side *side)
{
    return (struct plait_amp_options){.responders = responders, .connected = connected, .lost = lost, .ctx = side};
}

static void got_stream(struct plait_result *result, void *ctx)
{
    struct side *side = ctx;
    const struct plait_amp_options o = options_of(side);
    if (result->fault.err != PLAIT_OK) {
        side->losses++;
        side->fault = result->fault;
        result->fault.err = PLAIT_OK;
    } else if (plait_amp_attach(plait_result_take(result).ptr, &o, NULL) != PLAIT_OK) {
        plait_sim_fail(side->sim, "no memory");
    }
}

static bool ended_all(const struct side *side)
{
    for (int i = 0; i < CALLS; i++) {
        if (side->calls[i].side && !side->calls[i].ends)
            return false;
    }
    return side->later == 0;
}

static bool runs(void *ctx)
{
    const struct side *sides = ctx;
    const bool begun = sides[0].calls[0].side && sides[1].calls[0].side;
    return sides[0].losses == 0 && (!begun || !ended_all(&sides[0]) || !ended_all(&sides[1]));
}

static void check(struct side *side, bool reset)
{
    for (int i = 0; i < CALLS; i++) {
        const struct call *c = &side->calls[i];
        if (c->side && c->ends != 1)
            plait_sim_fail(side->sim, "call %d ended %u times", i, c->ends);
        if (!reset && !c->answered)
            plait_sim_fail(side->sim, "call %d failed although nobody reset anything", i);
    }
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct side sides[2] = {{.sim = sim, .r = plait_host_reactor(client)},
                            {.sim = sim, .r = plait_host_reactor(server)}};
    const struct plait_amp_options o = options_of(&sides[1]);
    struct plait_listener *listener = NULL;
    struct plait_address at;
    plait_host_address(server, PLAIT_ADDR_IP4, 7030, &at);
    if (!sides[0].r || !sides[1].r ||
        plait_listen(sides[1].r, &at, NULL, plait_amp_service(sides[1].r, &o), &listener) != PLAIT_OK) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    if (plait_then(plait_connect_host(sides[0].r, PLAIT_LIT("server"), 7030, NULL), got_stream, &sides[0]) != PLAIT_OK)
        plait_sim_fail(sim, "no memory");
    plait_sim_run_while(sim, plait_seconds(300), runs, sides);
    const bool reset = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    if (sides[0].amp)
        plait_close(plait_amp_stream(sides[0].amp));
    plait_listener_close(&listener);
    plait_sim_run_for(sim, plait_seconds(70));
    for (int i = 0; i < 2; i++)
        check(&sides[i], reset);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_amp = {.name = "amp", .faults = PLAIT_SIM_ALL, .run = run};
