/* SPDX-License-Identifier: MIT
 *
 * Descriptors sent over a UNIX socket between bytes: each brings a pipe whose writer says its number. They arrive in
 * order, beside the byte that they were sent with, every one once; what is in flight when the connection ends is closed
 * by whoever had it. A sender that stands back waits for room.
 */
#include "tests/sim/scenarios.h"

#include "engine/sys.h"

#include <plait/listen.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { SENDERS = 2, PARCELS = 50, MOST = 4 };

struct sender {
    struct plait_sim *sim;
    struct plait_sys *sys;
    struct plait_stream *s;
    unsigned sent, descriptors; /* parcels; what was in them */
    unsigned lost, failed;
};

struct receiver {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_host *host;
    unsigned bytes, descriptors, lost;
    unsigned read;   /* pipes that were read to their end */
    unsigned failed; /* pipes that could not be read */
};

/* --- what is in the pipes ----------------------------------------------------------------------------------------- */

struct reader {
    struct receiver *of;
    unsigned number;
    char got[16];
    size_t len;
};

static size_t reader_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct reader *reader = self;
    (void)s;
    for (size_t i = 0; i < in.len && reader->len + 1 < sizeof reader->got; i++)
        reader->got[reader->len++] = (char)in.ptr[i];
    return in.len;
}

static void reader_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct reader *reader = self;
    char want[16];
    (void)s;
    (void)snprintf(want, sizeof want, "%u", reader->number);
    reader->got[reader->len] = 0;
    if (fault->err == PLAIT_OK && strcmp(reader->got, want) != 0)
        plait_sim_fail(reader->of->sim, "pipe %s says \"%s\"", want, reader->got);
    reader->of->read++;
    plait_mem_free(reader);
}

static const struct plait_protocol reader_protocol = {.name = "reader", .data = reader_data, .lost = reader_lost};

static void read_pipe(struct receiver *receiver, int fd)
{
    struct plait_stream *s;
    const unsigned number = receiver->descriptors++;
    struct reader *reader = plait_mem_new(plait_reactor_budget(receiver->r), sizeof *reader);
    if (!reader || plait_stream_of_fds(receiver->r, fd, -1, &s) != PLAIT_OK) { /* an errno kept it from being watched */
        struct plait_sys *sys = plait_host_sys(receiver->host);
        (void)sys->ops->close(sys, fd);
        plait_mem_free(reader);
        receiver->failed++;
        receiver->read++;
        return;
    }
    *reader = (struct reader){.of = receiver, .number = number};
    plait_stream_attach(s, &reader_protocol, reader);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void receiver_fds(struct plait_stream *s, const int *fds, size_t count, void *self)
{
    (void)s;
    for (size_t i = 0; i < count; i++)
        read_pipe(self, fds[i]);
}

static size_t receiver_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct receiver *receiver = self;
    (void)s;
    for (size_t i = 0; i < in.len; i++, receiver->bytes++) {
        if (in.ptr[i] != (uint8_t)receiver->bytes)
            plait_sim_fail(receiver->sim, "byte %u is another", receiver->bytes);
    }
    return in.len;
}

static void receiver_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    ((struct receiver *)self)->lost++;
}

static const struct plait_protocol receiver_protocol = {
    .name = "receiver", .data = receiver_data, .fds = receiver_fds, .lost = receiver_lost};

static plait_err receiver_open(struct plait_stream *s, void *ctx)
{
    plait_stream_attach(s, &receiver_protocol, ctx);
    return PLAIT_OK;
}

static const struct plait_service_ops receiver_ops = {.name = "receiver", .open = receiver_open};

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* A pipe that says a number; its reading end, or -1. */
static int pipe_of(struct sender *sender, unsigned number)
{
    char text[16];
    int ends[2];
    const int len = snprintf(text, sizeof text, "%u", number);
    if (sender->sys->ops->pipe2(sender->sys, ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    while (sender->sys->ops->write(sender->sys, ends[1], text, (size_t)len) == -EINTR)
        continue;
    (void)sender->sys->ops->close(sender->sys, ends[1]);
    return ends[0];
}

static void give_up(struct sender *sender)
{
    sender->failed++;
    plait_abort(sender->s);
}

/* One byte with some descriptors; false when it is to be tried again. */
static bool send_parcel(struct sender *sender)
{
    const uint8_t byte = (uint8_t)sender->sent;
    const size_t count = 1 + sender->sent % MOST;
    size_t made = 0;
    int fds[MOST];
    while (made < count && (fds[made] = pipe_of(sender, sender->descriptors + (unsigned)made)) >= 0)
        made++;
    const plait_err err =
        made == count ? plait_write_fds(sender->s, plait_slice_of(&byte, 1), fds, count) : PLAIT_EDESCRIPTORS;
    while (made > 0)
        (void)sender->sys->ops->close(sender->sys, fds[--made]);
    if (err == PLAIT_OK) {
        sender->sent++;
        sender->descriptors += (unsigned)count;
    } else if (err != PLAIT_EAGAIN) {
        give_up(sender);
    }
    return err == PLAIT_OK;
}

static void send_more(struct plait_stream *s, void *self)
{
    struct sender *sender = self;
    while (sender->sent < PARCELS && plait_is_open(s) && send_parcel(sender))
        continue;
    if (sender->sent == PARCELS)
        plait_close(s);
}

static void sender_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    ((struct sender *)self)->lost++;
}

static const struct plait_protocol sender_protocol = {
    .name = "sender", .connected = send_more, .room = send_more, .lost = sender_lost};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct sender *sender = ctx;
    if (result->fault.err) {
        sender->lost = 1;
        result->fault.err = PLAIT_OK;
        return;
    }
    sender->s = plait_result_take(result).ptr;
    plait_stream_attach(sender->s, &sender_protocol, sender);
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static void judge(struct plait_sim *sim, const struct sender *s, const struct receiver *r)
{
    const bool broken = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0 || s->failed > 0;
    if (r->failed > 0 && plait_sim_fault_count(sim, PLAIT_SIM_ERRNO, NULL) == 0)
        plait_sim_fail(sim, "a pipe could not be read");
    if (s->lost != 1 || r->lost > 1)
        plait_sim_fail(sim, "`lost` came %u and %u times", s->lost, r->lost);
    else if (r->descriptors > s->descriptors || r->read != r->descriptors)
        plait_sim_fail(sim, "%u descriptors were sent, %u came and %u were read", s->descriptors, r->descriptors,
                       r->read);
    else if (!broken && (s->sent != PARCELS || r->bytes != PARCELS || r->descriptors != s->descriptors))
        plait_sim_fail(sim, "%u of %u bytes and %u of %u descriptors came", r->bytes, s->sent, r->descriptors,
                       s->descriptors);
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "host");
    struct plait_reactor *r = plait_host_reactor(host);
    struct sender senders[SENDERS];
    struct receiver receivers[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        struct plait_address at;
        char path[20];
        const int len = snprintf(path, sizeof path, "/s%u", i);
        senders[i] = (struct sender){.sim = sim, .sys = plait_host_sys(host)};
        receivers[i] = (struct receiver){.sim = sim, .r = r, .host = host};
        if (!r || plait_address_unix(plait_slice_of(path, (size_t)len), &at) != PLAIT_OK ||
            plait_listen(r, &at, NULL, plait_service_new(r, &receiver_ops, &receivers[i]), NULL) != PLAIT_OK ||
            plait_then(plait_connect_address(r, &at, NULL), got_stream, &senders[i]) != PLAIT_OK)
            plait_sim_fail(sim, "it could not begin");
    }
    plait_sim_run_for(sim, plait_seconds(200));
    for (unsigned i = 0; i < SENDERS; i++)
        judge(sim, &senders[i], &receivers[i]);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_descriptors = {.name = "descriptors", .faults = PLAIT_SIM_ALL, .run = run};
