/* SPDX-License-Identifier: MIT
 *
 * The protocols that scenarios of streams share.
 */
#include "tests/sim/scenario_kit.h"

/* The byte at a place of the flow. */
static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 2654435761u >> 7);
}

/* --- the far end -------------------------------------------------------------------------------------------------- */

static size_t echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_sim *sim = self;
    size_t taken = plait_sim_random(sim, 4) ? in.len : in.len - in.len / 3;
    plait_write(s, plait_slice_sub(in, 0, taken));
    if (taken < in.len)
        plait_write(s, plait_slice_sub(in, taken, in.len));
    return in.len;
}

const struct plait_protocol kit_echo = {.name = "echo", .data = echo_data};

/* --- the near end ------------------------------------------------------------------------------------------------- */

static void send_more(struct kit_sender *k)
{
    uint8_t bytes[2000];
    uint64_t ahead = k->hurry ? 200000 : 3000;
    while (k->stream && k->sent < k->total && k->sent - k->received < ahead) {
        uint64_t len = 1 + plait_sim_random(k->sim, sizeof bytes);
        if (len > k->total - k->sent)
            len = k->total - k->sent;
        for (uint64_t i = 0; i < len; i++)
            bytes[i] = byte_at(k->sent + i);
        plait_write(k->stream, plait_slice_of(bytes, len));
        k->sent += len;
    }
}

static void sender_connected(struct plait_stream *s, void *self)
{
    struct kit_sender *k = self;
    k->stream = s;
    if (k->connected++ || k->lost)
        plait_sim_fail(k->sim, "`connected` came twice or late");
    send_more(k);
}

static size_t sender_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct kit_sender *k = self;
    if (!k->connected || k->lost)
        plait_sim_fail(k->sim, "`data` came before `connected` or after `lost`");
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != byte_at(k->received + i)) {
            plait_sim_fail(k->sim, "byte %llu that came back is wrong", (unsigned long long)(k->received + i));
            break;
        }
    }
    k->received += in.len;
    send_more(k);
    if (k->received == k->total)
        plait_close(s);
    return in.len;
}

static void sender_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct kit_sender *k = self;
    (void)s;
    (void)rest;
    if (k->received < k->total)
        plait_sim_fail(k->sim, "the far end ended in good order too early");
}

static void sender_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct kit_sender *k = self;
    (void)s;
    if (k->lost++)
        plait_sim_fail(k->sim, "`lost` came twice");
    k->fault = *fault;
    k->stream = NULL;
}

const struct plait_protocol kit_sender = {
    .name = "sender",
    .connected = sender_connected,
    .data = sender_data,
    .eof = sender_eof,
    .lost = sender_lost,
};

bool kit_sender_runs(void *sender)
{
    return ((struct kit_sender *)sender)->lost == 0;
}

void kit_sender_check(struct kit_sender *k)
{
    if (k->lost != 1)
        plait_sim_fail(k->sim, "`lost` never came (%llu of %llu bytes back)", (unsigned long long)k->received,
                       (unsigned long long)k->total);
    else if (k->fault.err == PLAIT_OK && k->received != k->total)
        plait_sim_fail(k->sim, "it ended in good order with %llu of %llu bytes", (unsigned long long)k->received,
                       (unsigned long long)k->total);
    else if (k->fault.err && k->fault.err != PLAIT_ERESET && k->fault.err != PLAIT_EPIPE)
        plait_sim_fail(k->sim, "it ended with %s", plait_err_name(k->fault.err));
    else if (k->fault.err && plait_sim_fault_count(k->sim, PLAIT_SIM_RESET, NULL) == 0)
        plait_sim_fail(k->sim, "it ended with %s although nobody reset anything", plait_err_name(k->fault.err));
}

/* --- clients of an echo ------------------------------------------------------------------------------------------- */

static void got_stream(struct plait_result *result, void *ctx)
{
    struct kit_client *c = ctx;
    if (result->fault.err) {
        c->failed = true;
        c->sender.lost = 1;
        c->sender.fault = result->fault;
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_stream_attach(plait_result_take(result).ptr, &kit_sender, &c->sender);
}

static bool any_runs(void *ctx)
{
    const struct kit_client *clients = ctx;
    for (unsigned i = 0; i < KIT_CLIENTS_MAX; i++) {
        if (clients[i].sender.sim && !clients[i].sender.lost)
            return true;
    }
    return false;
}

static bool serve(struct plait_sim *sim, struct plait_host *host, const struct kit_echoes *ask,
                  struct plait_address *at)
{
    struct plait_reactor *r = plait_host_reactor(host);
    plait_host_address(host, PLAIT_ADDR_IP4, 7, at);
    if (ask->path && plait_address_unix(plait_slice_text(ask->path), at) != PLAIT_OK)
        return false;
    return r && plait_listen(r, at, ask->listen, plait_service_of(r, &kit_echo, sim), NULL) == PLAIT_OK;
}

static void start_client(struct plait_reactor *r, struct kit_client *c, const struct kit_echoes *ask,
                         const struct plait_address *at)
{
    struct plait_deferred *d =
        ask->path ? plait_connect_address(r, at, ask->connect)
                  : plait_connect_host(r, plait_slice_text(ask->relay ? ask->relay : "server"), 7, ask->connect);
    if (plait_then(d, got_stream, c))
        plait_sim_fail(c->sender.sim, "no memory");
}

void kit_run_echoes(struct plait_sim *sim, struct kit_echoes *ask)
{
    struct plait_host *server = plait_sim_host(sim, "server");
    struct plait_host *host = ask->path ? server : plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    if (!r || !serve(sim, server, ask, &at)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    for (unsigned i = 0; i < ask->clients; i++) {
        ask->client[i].sender = (struct kit_sender){.sim = sim, .total = ask->total, .hurry = ask->hurry};
        start_client(r, &ask->client[i], ask, &at);
    }
    plait_sim_run_while(sim, plait_seconds(600), any_runs, ask->client);
    plait_sim_run_for(sim, plait_seconds(70));
    for (unsigned i = 0; i < ask->clients; i++) {
        if (ask->client[i].failed && !ask->may_fail)
            plait_sim_fail(sim, "a connection failed: %s", plait_err_name(ask->client[i].sender.fault.err));
        if (!ask->client[i].failed)
            kit_sender_check(&ask->client[i].sender);
    }
}
