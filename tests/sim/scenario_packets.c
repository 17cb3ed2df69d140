/* SPDX-License-Identifier: MIT
 *
 * Datagrams between two hosts: each that comes is one that was sent, whole or said to be cut, and without loss all
 * come, also when more wait than are read at once.
 */
#include "tests/sim/scenarios.h"

#include <plait/datagram.h>

#include <string.h>

#define SENT 1500
#define BYTES_MAX 200
#define LARGE 500

struct flow {
    struct plait_sim *sim;
    struct plait_datagram *d;
    unsigned sent, came, cut;
    unsigned times[SENT];
};

static size_t bytes_of(unsigned number)
{
    return number % 7 == 3 ? LARGE : 4 + number % (BYTES_MAX - 4);
}

static void packet_came(struct plait_datagram *d, const struct plait_packet *p, void *self)
{
    struct flow *f = self;
    uint32_t number;
    (void)d;
    if (p->bytes.len < sizeof number) {
        plait_sim_fail(f->sim, "a datagram of %zu bytes came", p->bytes.len);
        return;
    }
    memcpy(&number, p->bytes.ptr, sizeof number);
    const size_t whole = number < SENT ? bytes_of(number) : 0;
    if (p->truncated != (whole > BYTES_MAX) || p->bytes.len != (whole < BYTES_MAX ? whole : BYTES_MAX))
        plait_sim_fail(f->sim, "of %zu bytes %zu came%s", whole, p->bytes.len, p->truncated ? ", said to be cut" : "");
    else
        f->times[number]++;
    f->came++;
    f->cut += p->truncated;
}

static void send_more(struct flow *f)
{
    uint8_t bytes[LARGE] = {0};
    while (f->sent < SENT) {
        const uint32_t number = f->sent;
        memcpy(bytes, &number, sizeof number);
        const plait_err err = plait_send(f->d, NULL, plait_slice_of(bytes, bytes_of(number)));
        if (err == PLAIT_EAGAIN)
            return;
        if (err != PLAIT_OK)
            plait_sim_fail(f->sim, "a datagram could not be sent: %s", plait_err_name(err));
        f->sent++;
    }
}

static void has_room(struct plait_datagram *d, void *self)
{
    (void)d;
    send_more(self);
}

static const struct plait_datagram_handler receiver = {.name = "receiver", .packet = packet_came};
static const struct plait_datagram_handler sender = {.name = "sender", .room = has_room};

static bool open_both(struct plait_sim *sim, struct flow *from, struct flow *to)
{
    struct plait_host *a = plait_sim_host(sim, "a"), *b = plait_sim_host(sim, "b");
    struct plait_datagram_options options = {.bytes_max = BYTES_MAX, .budget = 2048};
    struct plait_datagram_options connected = {.queue_max = 4096};
    from->sim = to->sim = sim;
    plait_host_set_buffers(b, 65536, 1 << 20);
    plait_host_address(b, PLAIT_ADDR_IP4, 53, &options.bind);
    plait_host_address(b, PLAIT_ADDR_IP4, 53, &connected.connect);
    return plait_host_reactor(a) && plait_host_reactor(b) &&
           plait_datagram_open(plait_host_reactor(b), &options, &receiver, to, &to->d) == PLAIT_OK &&
           plait_datagram_open(plait_host_reactor(a), &connected, &sender, from, &from->d) == PLAIT_OK;
}

static void check(struct plait_sim *sim, const struct flow *from, const struct flow *to)
{
    const bool lossy = plait_sim_fault_count(sim, PLAIT_SIM_LOSS, NULL) > 0;
    const bool twice = plait_sim_fault_count(sim, PLAIT_SIM_DUPLICATE, NULL) > 0;
    if (from->sent != SENT)
        plait_sim_fail(sim, "%u of %d datagrams were sent", from->sent, SENT);
    for (unsigned i = 0; i < SENT; i++) {
        if (to->times[i] == 0 && !lossy)
            plait_sim_fail(sim, "datagram %u never came although none was lost", i);
        if (to->times[i] > 1 && !twice)
            plait_sim_fail(sim, "datagram %u came %u times", i, to->times[i]);
    }
}

static void run(struct plait_sim *sim)
{
    struct flow from = {.sent = 0}, to = {.sent = 0};
    if (plait_sim_random(sim, 2) == 0)
        plait_sim_faults(sim, PLAIT_SIM_DELAY | PLAIT_SIM_SPURIOUS | PLAIT_SIM_INTERRUPT | PLAIT_SIM_REORDER);
    if (!open_both(sim, &from, &to)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    send_more(&from);
    plait_sim_run_for(sim, plait_seconds(60));
    check(sim, &from, &to);
    plait_datagram_close(&from.d);
    plait_datagram_close(&to.d);
    plait_sim_run_for(sim, plait_seconds(1));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_packets = {.name = "packets", .faults = PLAIT_SIM_ALL, .run = run};
