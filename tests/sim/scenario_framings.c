/* SPDX-License-Identifier: MIT
 *
 * Frames of every framing but netstrings (which have a scenario of their own), to servers that send them back: lines,
 * prefixes of 8, 16 and 32 bits. Lines turn into raw bytes at the end. What comes back is what was sent, in order and
 * whole; a frame that is one byte too long is refused by its receiver, with what came before it served.
 */
#include "tests/sim/scenarios.h"

#include <plait/framing.h>
#include <plait/listen.h>

#include <string.h>

enum { FRAMES = 60, RAW = 5000, MOST = 200, KINDS = 4 };

static const enum plait_framing framings[KINDS] = {PLAIT_LINES, PLAIT_PREFIX8, PLAIT_PREFIX16, PLAIT_PREFIX32};
static const char *const names[KINDS] = {"lines", "int8", "int16", "int32"};

struct server {
    enum plait_framing framing;
    unsigned too_long; /* streams that ended so */
};

struct asker {
    struct plait_sim *sim;
    unsigned kind;
    bool rude; /* sends a frame that is too long */
    size_t got, raw;
    struct plait_stream *s;
    unsigned losses;
    struct plait_fault fault;
};

/* --- the server --------------------------------------------------------------------------------------------------- */

static void server_frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    (void)self;
    plait_framed_send(framed, payload);
    if (plait_slice_equal(payload, PLAIT_LIT("raw")))
        plait_framed_raw(framed, true);
}

static size_t server_raw(struct plait_framed *framed, plait_slice in, void *self)
{
    (void)self;
    plait_write(plait_framed_stream(framed), in);
    return in.len;
}

static void server_lost(struct plait_framed *framed, const struct plait_fault *fault, void *self)
{
    struct server *server = self;
    (void)framed;
    server->too_long += fault->err == PLAIT_ETOOLONG;
}

static const struct plait_framed_handler server_handler = {
    .name = "server", .frame = server_frame, .raw = server_raw, .lost = server_lost};

static plait_err server_open(struct plait_stream *s, void *ctx)
{
    return plait_framed_attach(s, ((struct server *)ctx)->framing, MOST, &server_handler, ctx, NULL);
}

static const struct plait_service_ops server_ops = {.name = "frames", .open = server_open};

/* --- who asks ----------------------------------------------------------------------------------------------------- */

/* The n-th frame: its length from 0 to the limit, its bytes by its number. */
static plait_slice frame_of(size_t n, uint8_t out[MOST])
{
    const size_t len = n * n * 7 % (MOST + 1);
    memset(out, (int)('A' + n % 26), len);
    return plait_slice_of(out, len);
}

/* What a server must refuse, written past our own limit. */
static void send_too_long(struct asker *a, struct plait_framed *framed)
{
    uint8_t bytes[MOST + 1], text[MOST + 8];
    struct plait_budget budget;
    struct plait_buf out;
    memset(bytes, 'z', sizeof bytes);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, sizeof text);
    if (a->kind == 0)
        plait_buf_printf(&out, "%.*s\r\n", (int)sizeof bytes, (const char *)bytes);
    else
        plait_prefix_put(&out, 1u << (a->kind - 1), plait_slice_of(bytes, sizeof bytes));
    plait_write(plait_framed_stream(framed), plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

static void connected(struct plait_framed *framed, void *self)
{
    struct asker *a = self;
    uint8_t bytes[MOST], raw[RAW];
    a->s = plait_framed_stream(framed);
    for (size_t n = 0; n < FRAMES; n++)
        plait_framed_send(framed, frame_of(n, bytes));
    if (a->rude) {
        send_too_long(a, framed);
    } else if (a->kind == 0) {
        for (size_t i = 0; i < RAW; i++)
            raw[i] = (uint8_t)(i * 31);
        plait_framed_send(framed, PLAIT_LIT("raw"));
        plait_write(plait_framed_stream(framed), plait_slice_of(raw, RAW));
    }
}

static void frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    struct asker *a = self;
    uint8_t bytes[MOST];
    const bool raw = a->kind == 0 && !a->rude && a->got == FRAMES;
    if (!plait_slice_equal(payload, raw ? PLAIT_LIT("raw") : frame_of(a->got, bytes)))
        plait_sim_fail(a->sim, "%s: frame %zu came back as another", names[a->kind], a->got);
    a->got++;
    if (raw)
        plait_framed_raw(framed, true);
    else if (a->got == FRAMES && a->kind > 0 && !a->rude)
        plait_close(plait_framed_stream(framed));
}

static size_t raw(struct plait_framed *framed, plait_slice in, void *self)
{
    struct asker *a = self;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != (uint8_t)((a->raw + i) * 31))
            plait_sim_fail(a->sim, "raw byte %zu came back as another", a->raw + i);
    }
    a->raw += in.len;
    if (a->raw == RAW)
        plait_close(plait_framed_stream(framed));
    return in.len;
}

static void lost(struct plait_framed *framed, const struct plait_fault *fault, void *self)
{
    struct asker *a = self;
    (void)framed;
    a->s = NULL;
    a->losses++;
    a->fault = *fault;
}

static const struct plait_framed_handler asker_handler = {
    .name = "asker", .connected = connected, .frame = frame, .raw = raw, .lost = lost};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct asker *a = ctx;
    if (result->fault.err) {
        a->fault = result->fault;
        a->losses = 1;
        result->fault.err = PLAIT_OK;
        return;
    }
    if (plait_framed_attach(plait_result_take(result).ptr, framings[a->kind], MOST, &asker_handler, a, NULL))
        plait_sim_fail(a->sim, "no memory");
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool serve(struct plait_host *host, uint16_t port, struct server *server)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, port, &at);
    return r && plait_listen(r, &at, NULL, plait_service_new(r, &server_ops, server), NULL) == PLAIT_OK;
}

static void judge(struct plait_sim *sim, const struct asker *a, const struct server *server)
{
    const bool reset = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    const size_t all = FRAMES + (a->kind == 0 && !a->rude);
    if (a->losses != 1)
        plait_sim_fail(sim, "%s: `lost` came %u times", names[a->kind], a->losses);
    else if (a->got > all || a->raw > RAW)
        plait_sim_fail(sim, "%s: more came back than was sent", names[a->kind]);
    else if (a->rude && !reset && server->too_long != 1)
        plait_sim_fail(sim, "%s: a frame that is too long was not refused", names[a->kind]);
    else if (!a->rude && !reset && (a->got != all || (a->kind == 0 && a->raw != RAW)))
        plait_sim_fail(sim, "%s: %zu of %zu frames came back: %s", names[a->kind], a->got, all,
                       plait_err_name(a->fault.err));
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(client);
    struct server servers[2 * KINDS];
    struct asker askers[2 * KINDS];
    for (unsigned i = 0; i < 2 * KINDS; i++) {
        servers[i] = (struct server){.framing = framings[i % KINDS]};
        askers[i] = (struct asker){.sim = sim, .kind = i % KINDS, .rude = i >= KINDS};
        if (!r || !serve(host, (uint16_t)(7020 + i), &servers[i]) ||
            plait_then(plait_connect_host(r, PLAIT_LIT("server"), (uint16_t)(7020 + i), NULL), got_stream, &askers[i]))
            plait_sim_fail(sim, "it could not begin");
    }
    plait_sim_run_for(sim, plait_seconds(400));
    for (unsigned i = 0; i < 2 * KINDS; i++) { /* a reset that is lost leaves a refused one waiting */
        if (askers[i].s && askers[i].rude && plait_sim_fault_count(sim, PLAIT_SIM_LOSS, NULL) > 0)
            plait_abort(askers[i].s);
    }
    plait_sim_run_for(sim, plait_seconds(1));
    for (unsigned i = 0; i < 2 * KINDS; i++)
        judge(sim, &askers[i], &servers[i]);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_framings = {.name = "framings", .faults = PLAIT_SIM_ALL, .run = run};
