/* SPDX-License-Identifier: MIT
 *
 * Netstrings to the service that echoes them: what comes back are the frames that were sent, in order and whole, until
 * all are there or the network ends it.
 */
#include "tests/sim/scenarios.h"

#include <plait/framing.h>
#include <plait/small.h>

#define FRAMES 180

struct asker {
    struct plait_sim *sim;
    size_t got;
    unsigned losses;
    struct plait_fault fault;
};

/* The n-th frame: as long as chance says, of one byte that tells its number. */
static size_t frame_of(size_t n, uint8_t out[2000])
{
    const size_t len = n * n * 7 % 2000;
    memset(out, (int)('A' + n % 26), len);
    return len;
}

static void connected(struct plait_framed *framed, void *self)
{
    uint8_t bytes[2000];
    (void)self;
    for (size_t n = 0; n < FRAMES; n++)
        plait_framed_send(framed, plait_slice_of(bytes, frame_of(n, bytes)));
}

static void frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    struct asker *a = self;
    uint8_t bytes[2000];
    const size_t len = frame_of(a->got, bytes);
    if (!plait_slice_equal(payload, plait_slice_of(bytes, len)))
        plait_sim_fail(a->sim, "frame %zu came back as another", a->got);
    if (++a->got == FRAMES)
        plait_close(plait_framed_stream(framed));
}

static void lost(struct plait_framed *framed, const struct plait_fault *fault, void *self)
{
    struct asker *a = self;
    (void)framed;
    a->losses++;
    a->fault = *fault;
}

static const struct plait_framed_handler asker = {
    .name = "asker", .connected = connected, .frame = frame, .lost = lost};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct asker *a = ctx;
    if (result->fault.err) {
        a->fault = result->fault;
        a->losses = 1;
        result->fault.err = PLAIT_OK;
        return;
    }
    if (plait_framed_attach(plait_result_take(result).ptr, PLAIT_NETSTRINGS, 0, &asker, a, NULL))
        plait_sim_fail(a->sim, "no memory");
}

static bool runs(void *ctx)
{
    return ((struct asker *)ctx)->losses == 0;
}

static bool serve(struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_listener *listener;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 7020, &at);
    return r && plait_listen(r, &at, NULL, plait_small_service(r, PLAIT_NETSTRING_ECHO, NULL), &listener) == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(client);
    struct asker a = {.sim = sim};
    if (!r || !serve(server)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    if (plait_then(plait_connect_host(r, PLAIT_LIT("server"), 7020, NULL), got_stream, &a))
        plait_sim_fail(sim, "no memory");
    plait_sim_run_while(sim, plait_seconds(300), runs, &a);
    plait_sim_run_for(sim, plait_seconds(70));
    const bool reset = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    if (a.losses != 1)
        plait_sim_fail(sim, "`lost` came %u times", a.losses);
    else if (a.got != FRAMES && !reset)
        plait_sim_fail(sim, "%zu of %d frames came back: %s", a.got, FRAMES, plait_err_name(a.fault.err));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_netstring = {.name = "netstring", .faults = PLAIT_SIM_ALL, .run = run};
