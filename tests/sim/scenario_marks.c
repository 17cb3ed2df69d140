/* SPDX-License-Identifier: MIT
 *
 * What bounds memory. `marks`: an echo whose client sends without listening must stop reading, and goes on when there
 * is room again; a source that writes only while there is room gets all of its bytes over. `greedy`: a peer that sends
 * a frame without end, and one that never reads, lose their connections.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#define HIGH 16384
#define LOW 4096
#define WINDOW 65536
#define SENT 300000

struct flow {
    struct plait_sim *sim;
    struct plait_stream *s;
    uint64_t sent, received;
    unsigned lost, rooms;
    bool ended; /* the other said all, in good order */
    struct plait_timer nap;
    struct plait_fault fault;
};

struct world {
    struct flow near, far;
    uint16_t port;
    const struct plait_protocol *near_protocol, *far_protocol;
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 2246822519u >> 11);
}

/* Writes as much as there is room for. */
static void send_more(struct flow *f)
{
    uint8_t bytes[3000];
    while (f->sent < SENT && !plait_is_full(f->s)) {
        uint64_t len = 1 + plait_sim_random(f->sim, sizeof bytes);
        if (len > SENT - f->sent)
            len = SENT - f->sent;
        for (uint64_t i = 0; i < len; i++)
            bytes[i] = byte_at(f->sent + i);
        plait_write(f->s, plait_slice_of(bytes, len));
        f->sent += len;
    }
}

static void flow_connected(struct plait_stream *s, void *self)
{
    struct flow *f = self;
    f->s = s;
    plait_stream_marks(s, HIGH, LOW);
}

static void flow_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct flow *f = self;
    (void)s;
    f->s = NULL;
    f->fault = *fault;
    plait_timer_stop(&f->nap);
    if (f->lost++)
        plait_sim_fail(f->sim, "`lost` came twice");
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static void source_connected(struct plait_stream *s, void *self)
{
    flow_connected(s, self);
    plait_pause(s);
    plait_timer_arm(&((struct flow *)self)->nap, plait_seconds(5));
    send_more(self);
}

static void source_room(struct plait_stream *s, void *self)
{
    struct flow *f = self;
    if (plait_pending(s) > LOW)
        plait_sim_fail(f->sim, "`room` came with %zu bytes pending", plait_pending(s));
    f->rooms++;
    send_more(f);
}

static size_t source_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct flow *f = self;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != byte_at(f->received + i)) {
            plait_sim_fail(f->sim, "byte %llu is wrong", (unsigned long long)(f->received + i));
            break;
        }
    }
    f->received += in.len;
    if (f->received == SENT) {
        plait_close(s);
    } else if (plait_sim_random(f->sim, 8) == 0) {
        plait_pause(s);
        plait_timer_arm(&f->nap, plait_millis(1 + (int64_t)plait_sim_random(f->sim, 300)));
    }
    return in.len;
}

static void wake(void *ctx)
{
    struct flow *f = ctx;
    if (f->s)
        plait_resume(f->s);
}

static size_t bounded_echo(struct plait_stream *s, plait_slice in, void *self)
{
    struct flow *f = self;
    if (plait_is_full(s))
        plait_sim_fail(f->sim, "`data` came although %zu bytes wait to be sent", plait_pending(s));
    plait_write(s, in);
    if (plait_pending(s) > HIGH + WINDOW)
        plait_sim_fail(f->sim, "%zu bytes wait to be sent", plait_pending(s));
    f->received += in.len;
    return in.len;
}

static const struct plait_protocol source = {.name = "source",
                                             .flags = PLAIT_BOUNDS_OUTPUT,
                                             .connected = source_connected,
                                             .data = source_data,
                                             .room = source_room,
                                             .lost = flow_lost};
static const struct plait_protocol echo = {
    .name = "bounded-echo", .connected = flow_connected, .data = bounded_echo, .lost = flow_lost};

/* --- greed -------------------------------------------------------------------------------------------------------- */

/* Sends without end, and reads nothing. */
static void greedy_connected(struct plait_stream *s, void *self)
{
    flow_connected(s, self);
    plait_pause(s);
    send_more(self);
}

static void greedy_room(struct plait_stream *s, void *self)
{
    (void)s;
    send_more(self);
}

/* Waits for the end of a frame, and meanwhile tells how far it is. */
static size_t frame_data(struct plait_stream *s, plait_slice in, void *self)
{
    static const uint8_t progress[600];
    struct flow *f = self;
    plait_write(s, plait_slice_of(progress, sizeof progress));
    f->received = in.len;
    return 0;
}

static void writer_connected(struct plait_stream *s, void *self)
{
    flow_connected(s, self);
    plait_stream_stall(s, plait_seconds(7));
    send_more(self);
}

static const struct plait_protocol greedy = {.name = "greedy",
                                             .flags = PLAIT_BOUNDS_OUTPUT,
                                             .connected = greedy_connected,
                                             .room = greedy_room,
                                             .lost = flow_lost};
static const struct plait_protocol framer = {
    .name = "framer", .flags = PLAIT_BOUNDS_OUTPUT, .connected = flow_connected, .data = frame_data, .lost = flow_lost};
static const struct plait_protocol writer = {
    .name = "writer", .connected = writer_connected, .room = greedy_room, .lost = flow_lost};

/* --- the world ---------------------------------------------------------------------------------------------------- */

static plait_err open_far(struct plait_stream *s, void *ctx)
{
    struct world *w = ctx;
    plait_stream_attach(s, w->far_protocol, &w->far);
    return PLAIT_OK;
}

static const struct plait_service_ops service = {.name = "marks", .open = open_far};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct world *w = ctx;
    if (result->fault.err) {
        plait_sim_fail(w->near.sim, "the connection failed: %s", plait_err_name(result->fault.err));
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_stream_attach(plait_result_take(result).ptr, w->near_protocol, &w->near);
}

static bool begin(struct plait_sim *sim, struct world *w)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    plait_host_set_buffers(server, 8192, 8192);
    plait_host_set_buffers(client, 8192, 8192);
    struct plait_reactor *r = plait_host_reactor(server), *from = plait_host_reactor(client);
    struct plait_address at;
    if (!r || !from)
        return false;
    w->near.sim = w->far.sim = sim;
    plait_timer_init(&w->near.nap, from, "nap", wake, &w->near);
    plait_timer_init(&w->far.nap, r, "nap", wake, &w->far);
    plait_host_address(server, PLAIT_ADDR_IP4, w->port, &at);
    return plait_listen(r, &at, NULL, plait_service_new(r, &service, w), NULL) == PLAIT_OK &&
           plait_then(plait_connect_host(from, PLAIT_LIT("server"), w->port, NULL), got_stream, w) == PLAIT_OK;
}

static void run_marks(struct plait_sim *sim)
{
    struct world w = {.near_protocol = &source, .far_protocol = &echo, .port = 7};
    if (!begin(sim, &w))
        plait_sim_fail(sim, "it could not begin");
    plait_sim_run_for(sim, plait_seconds(900));
    if (w.near.received != SENT)
        plait_sim_fail(sim, "%llu of %d bytes came back", (unsigned long long)w.near.received, SENT);
    else if (w.near.lost != 1 || w.far.lost != 1)
        plait_sim_fail(sim, "a connection never went");
    else if (w.near.rooms == 0)
        plait_sim_fail(sim, "`room` never came");
    plait_sim_check_end(sim);
}

static void check_greed(struct plait_sim *sim, const struct flow *f, plait_err because)
{
    if (f->lost != 1)
        plait_sim_fail(sim, "a greedy peer kept its connection");
    else if (f->fault.err != because)
        plait_sim_fail(sim, "it ended with %s instead of %s", plait_err_name(f->fault.err), plait_err_name(because));
}

static void run_greedy(struct plait_sim *sim)
{
    struct world w[4] = {{.far_protocol = NULL}};
    for (unsigned i = 0; i < 4; i++) {
        w[i].near_protocol = &greedy;
        w[i].far_protocol = i % 2 ? &framer : &writer;
        w[i].port = (uint16_t)(7 + i);
        if (!begin(sim, &w[i]))
            plait_sim_fail(sim, "it could not begin");
    }
    plait_sim_run_for(sim, plait_seconds(900));
    for (unsigned i = 0; i < 4; i++) {
        check_greed(sim, &w[i].far, i % 2 ? PLAIT_ETOOLONG : PLAIT_EPEERSTALLED);
        if (w[i].far.received > WINDOW)
            plait_sim_fail(sim, "a frame of %llu bytes was kept", (unsigned long long)w[i].far.received);
        if (w[i].near.s)
            plait_abort(w[i].near.s);
    }
    plait_sim_run_for(sim, plait_seconds(1));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_marks = {
    .name = "marks", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_RESET, .run = run_marks};
const struct plait_scenario scenario_greedy = {
    .name = "greedy", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_RESET, .run = run_greedy};
