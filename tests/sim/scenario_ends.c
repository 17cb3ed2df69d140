/* SPDX-License-Identifier: MIT
 *
 * How connections end. `half_close`: one side says all it has and ends its own half, the other answers only then.
 * `last_words`: a server answers, closes while its client still sends, and hears nothing any more; the answer arrives
 * whole all the same, and the connection goes although the client never ends its half.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#define PAIRS 3
#define SAID_MAX 60000

/* One end of a connection: what it says, and what it hears. */
struct end {
    struct plait_sim *sim;
    struct plait_stream *s;
    uint64_t says, hears; /* bytes that there are to say, and that the other has for us */
    uint64_t heard;
    unsigned connected, eofs, lost;
    bool closed; /* by us */
    struct plait_fault fault;
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 40503u >> 5);
}

static void say(struct end *e)
{
    uint8_t bytes[4000];
    for (uint64_t at = 0; at < e->says;) {
        uint64_t len = 1 + plait_sim_random(e->sim, sizeof bytes);
        if (len > e->says - at)
            len = e->says - at;
        for (uint64_t i = 0; i < len; i++)
            bytes[i] = byte_at(at + i);
        plait_write(e->s, plait_slice_of(bytes, len));
        at += len;
    }
}

static void hear(struct end *e, plait_slice in)
{
    if (e->closed || e->lost || e->eofs)
        plait_sim_fail(e->sim, "`data` came after the end");
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != byte_at(e->heard + i)) {
            plait_sim_fail(e->sim, "byte %llu is wrong", (unsigned long long)(e->heard + i));
            break;
        }
    }
    e->heard += in.len;
}

static void began(struct plait_stream *s, void *self)
{
    struct end *e = self;
    e->s = s;
    if (e->connected++)
        plait_sim_fail(e->sim, "`connected` came twice");
}

static void end_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct end *e = self;
    (void)s;
    if (e->lost++)
        plait_sim_fail(e->sim, "`lost` came twice");
    e->fault = *fault;
    e->s = NULL;
}

static size_t end_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    hear(self, in);
    return in.len;
}

/* --- each half for itself ----------------------------------------------------------------------------------------- */

static void asker_connected(struct plait_stream *s, void *self)
{
    began(s, self);
    say(self);
    plait_close_write(s);
}

static void asker_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct end *e = self;
    (void)rest;
    e->eofs++;
    e->closed = true;
    plait_close(s);
}

static void answerer_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct end *e = self;
    (void)rest;
    if (e->eofs++)
        plait_sim_fail(e->sim, "`eof` came twice");
    if (e->heard != e->hears)
        plait_sim_fail(e->sim, "the half ended with %llu of %llu bytes", (unsigned long long)e->heard,
                       (unsigned long long)e->hears);
    say(e);
    e->closed = true;
    plait_close(s);
}

static const struct plait_protocol asker = {.name = "asker",
                                            .flags = PLAIT_HALF_CLOSE,
                                            .connected = asker_connected,
                                            .data = end_data,
                                            .eof = asker_eof,
                                            .lost = end_lost};
static const struct plait_protocol answerer = {.name = "answerer",
                                               .flags = PLAIT_HALF_CLOSE,
                                               .connected = began,
                                               .data = end_data,
                                               .eof = answerer_eof,
                                               .lost = end_lost};

/* --- last words --------------------------------------------------------------------------------------------------- */

static void talker_connected(struct plait_stream *s, void *self)
{
    began(s, self);
    say(self);
}

static void talker_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)s;
    (void)rest;
    ((struct end *)self)->eofs++; /* and says nothing, ever */
}

static size_t closer_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct end *e = self;
    hear(e, in);
    say(e);
    e->closed = true;
    plait_close(s);
    return in.len;
}

static const struct plait_protocol talker = {.name = "talker",
                                             .flags = PLAIT_HALF_CLOSE,
                                             .connected = talker_connected,
                                             .data = end_data,
                                             .eof = talker_eof,
                                             .lost = end_lost};
static const struct plait_protocol closer = {
    .name = "closer", .connected = began, .data = closer_data, .lost = end_lost};

/* --- the world ---------------------------------------------------------------------------------------------------- */

/* What is served: the ends that wait for a connection. */
struct served {
    struct end *ends;
    unsigned taken;
    const struct plait_protocol *protocol;
};

static plait_err serve_open(struct plait_stream *s, void *ctx)
{
    struct served *served = ctx;
    if (served->taken == PAIRS)
        return PLAIT_ELIMIT;
    plait_stream_attach(s, served->protocol, &served->ends[served->taken++]);
    return PLAIT_OK;
}

static const struct plait_service_ops service = {.name = "ends", .open = serve_open};

struct caller {
    struct end end;
    const struct plait_protocol *protocol;
};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct caller *c = ctx;
    if (result->fault.err) {
        plait_sim_fail(c->end.sim, "a connection failed: %s", plait_err_name(result->fault.err));
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_stream_attach(plait_result_take(result).ptr, c->protocol, &c->end);
}

static void prepare(struct plait_sim *sim, struct caller *callers, struct end *ends, const struct plait_protocol *calls)
{
    const uint64_t says = 1 + plait_sim_random(sim, SAID_MAX), answers = 1 + plait_sim_random(sim, SAID_MAX);
    for (unsigned i = 0; i < PAIRS; i++) {
        callers[i].protocol = calls;
        callers[i].end = (struct end){.sim = sim, .says = says, .hears = answers};
        ends[i] = (struct end){.sim = sim, .says = answers, .hears = says};
    }
}

static bool begin(struct plait_sim *sim, struct served *served, struct caller *callers)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    plait_host_set_buffers(server, 8192, 8192);
    plait_host_set_buffers(client, 8192, 8192);
    struct plait_reactor *r = plait_host_reactor(server), *from = plait_host_reactor(client);
    struct plait_address at;
    plait_host_address(server, PLAIT_ADDR_IP4, 7, &at);
    if (!r || !from || plait_listen(r, &at, NULL, plait_service_new(r, &service, served), NULL) != PLAIT_OK)
        return false;
    for (unsigned i = 0; i < PAIRS; i++) {
        if (plait_then(plait_connect_host(from, PLAIT_LIT("server"), 7, NULL), got_stream, &callers[i]) != PLAIT_OK)
            return false;
    }
    return true;
}

static void check_heard(const struct end *e, const char *who)
{
    if (e->heard != e->hears)
        plait_sim_fail(e->sim, "the %s heard %llu of %llu bytes", who, (unsigned long long)e->heard,
                       (unsigned long long)e->hears);
}

static void check_lost(const struct end *e, const char *who)
{
    if (e->lost != 1)
        plait_sim_fail(e->sim, "the %s's connection never went", who);
    else if (e->fault.err != PLAIT_OK && e->fault.err != PLAIT_EEOF)
        plait_sim_fail(e->sim, "the %s ended with %s", who, plait_err_name(e->fault.err));
}

static void run_half_close(struct plait_sim *sim)
{
    struct caller callers[PAIRS];
    struct end ends[PAIRS];
    struct served served = {.ends = ends, .protocol = &answerer};
    prepare(sim, callers, ends, &asker);
    if (!begin(sim, &served, callers))
        plait_sim_fail(sim, "it could not begin");
    plait_sim_run_for(sim, plait_seconds(600));
    for (unsigned i = 0; i < PAIRS; i++) {
        check_heard(&callers[i].end, "asker");
        check_heard(&ends[i], "answerer");
        check_lost(&callers[i].end, "asker");
        check_lost(&ends[i], "answerer");
    }
    plait_sim_check_end(sim);
}

static void run_last_words(struct plait_sim *sim)
{
    struct caller callers[PAIRS];
    struct end ends[PAIRS];
    struct served served = {.ends = ends, .protocol = &closer};
    prepare(sim, callers, ends, &talker);
    if (!begin(sim, &served, callers))
        plait_sim_fail(sim, "it could not begin");
    plait_sim_run_for(sim, plait_seconds(600));
    for (unsigned i = 0; i < PAIRS; i++) {
        check_heard(&callers[i].end, "talker");
        check_lost(&ends[i], "closer");
        if (callers[i].end.s)
            plait_abort(callers[i].end.s);
    }
    plait_sim_run_for(sim, plait_seconds(1));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_half_close = {
    .name = "half_close", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_RESET, .run = run_half_close};
/* Without LOSS: the last words of a server wait two seconds for a client that still talks, and no longer. */
const struct plait_scenario scenario_last_words = {
    .name = "last_words", .faults = PLAIT_SIM_ALL & ~(PLAIT_SIM_RESET | PLAIT_SIM_LOSS), .run = run_last_words};
