/* SPDX-License-Identifier: MIT
 *
 * Tunnels over HTTP/2: a client of a forward proxy asks for several by CONNECT on one connection, and talks through
 * each to an echo. It writes its frames by hand, so that it shares nothing with the server. What comes back is what was
 * sent, in order; a tunnel that ends in good order had all of it; every tunnel has an end.
 */
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#include <plait/proxy.h>

#include <string.h>

enum { TUNNELS = 5, CHUNK = 700, TOTAL = 30 * CHUNK, FRAME_HEAD = 9, EVERY_MS = 40 };
enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8, END_STREAM = 1, ACK = 1 };
enum { STATUS_200 = 0x88, TABLE_SIZE = 0x20 };

struct tunnel {
    size_t sent, back;
    bool opened, ended, over; /* `ended`: the far side ended in good order */
};

struct near {
    struct plait_sim *sim;
    struct plait_reactor *reactor;
    struct plait_stream *stream; /* NULL before and after */
    struct plait_timer timer;
    struct tunnel tunnel[TUNNELS];
    unsigned ends; /* of the connection, or of the try to make it */
};

static uint8_t byte_at(size_t tunnel, size_t i)
{
    return (uint8_t)('a' + (i * 7 + i / 251 + tunnel * 13) % 26);
}

/* --- frames out --------------------------------------------------------------------------------------------------- */

static void put_frame(struct near *n, uint8_t type, uint8_t flags, size_t id, plait_slice payload)
{
    const uint8_t head[FRAME_HEAD] = {
        0, (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type, flags, 0, 0, 0, (uint8_t)id};
    plait_write(n->stream, plait_slice_of(head, sizeof head));
    plait_write(n->stream, payload);
}

/* Two fields as literals (RFC 7541 section 6.2.2). */
static void ask(struct near *n)
{
    static const char fields[] = "\0\7:method\7CONNECT\0\12:authority\10server:7";
    plait_write(n->stream, PLAIT_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    put_frame(n, SETTINGS, 0, 0, plait_slice_of(NULL, 0));
    put_frame(n, WINDOW_UPDATE, 0, 0, PLAIT_LIT("\0\20\0\0"));
    for (size_t i = 0; i < TUNNELS; i++)
        put_frame(n, HEADERS, 4, 2 * i + 1, plait_slice_of(fields, sizeof fields - 1));
}

static void send_some(struct near *n, size_t i)
{
    struct tunnel *t = &n->tunnel[i];
    uint8_t chunk[CHUNK];
    if (!t->opened || t->over || t->sent == TOTAL)
        return;
    for (size_t at = 0; at < CHUNK; at++)
        chunk[at] = byte_at(i, t->sent + at);
    t->sent += CHUNK;
    put_frame(n, DATA, t->sent == TOTAL ? END_STREAM : 0, 2 * i + 1, plait_slice_of(chunk, CHUNK));
}

static bool some_last(const struct near *n)
{
    for (size_t i = 0; i < TUNNELS; i++) {
        if (!n->tunnel[i].over)
            return true;
    }
    return false;
}

static void on_time(void *ctx)
{
    struct near *n = ctx;
    for (size_t i = 0; i < TUNNELS; i++)
        send_some(n, i);
    if (some_last(n))
        plait_timer_arm(&n->timer, plait_millis(1 + (int64_t)plait_sim_random(n->sim, EVERY_MS)));
    else
        plait_close(n->stream);
}

/* --- frames in ---------------------------------------------------------------------------------------------------- */

static void take_data(struct near *n, size_t i, plait_slice piece)
{
    struct tunnel *t = &n->tunnel[i];
    for (size_t at = 0; at < piece.len; at++, t->back++) {
        if (t->back == t->sent || piece.ptr[at] != byte_at(i, t->back)) {
            plait_sim_fail(n->sim, "byte %zu of tunnel %zu came back as another", t->back, i);
            return;
        }
    }
}

/* A success that has a tunnel behind it is the block's first field, maybe behind a new size of the table. */
static bool says_200(plait_slice block)
{
    size_t at = 0;
    while (at < block.len && (block.ptr[at] & 0xe0) == TABLE_SIZE) {
        if ((block.ptr[at++] & 0x1f) == 0x1f)
            while (at < block.len && block.ptr[at++] & 0x80)
                continue;
    }
    return at < block.len && block.ptr[at] == STATUS_200;
}

static void take_frame(struct near *n, const uint8_t *head, plait_slice payload)
{
    const size_t id = (size_t)head[7] << 8 | head[8], i = id / 2;
    const bool ends = head[3] == RST_STREAM || ((head[3] == DATA || head[3] == HEADERS) && head[4] & END_STREAM);
    if ((head[3] == SETTINGS || head[3] == PING) && !(head[4] & ACK))
        put_frame(n, head[3], ACK, 0, head[3] == PING ? payload : plait_slice_of(NULL, 0));
    if (id == 0 || i >= TUNNELS)
        return;
    struct tunnel *t = &n->tunnel[i];
    if (head[3] == DATA && t->opened)
        take_data(n, i, payload);
    if (head[3] == HEADERS)
        t->opened = says_200(payload);
    if (ends && !t->over) {
        t->over = true;
        t->ended = t->opened && head[3] == DATA;
    }
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    size_t at = 0;
    while (in.len - at >= FRAME_HEAD) {
        const uint8_t *head = in.ptr + at;
        const size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (in.len - at - FRAME_HEAD < len) {
            plait_need(s, FRAME_HEAD + len);
            break;
        }
        take_frame(self, head, plait_slice_of(head + FRAME_HEAD, len));
        at += FRAME_HEAD + len;
    }
    return at;
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct near *n = self;
    (void)s;
    (void)fault;
    n->ends++;
    n->stream = NULL;
    plait_timer_stop(&n->timer);
    for (size_t i = 0; i < TUNNELS; i++)
        n->tunnel[i].over = true;
}

static const struct plait_protocol near_protocol = {.name = "tunnels", .data = on_data, .lost = on_lost};

/* --- the story ---------------------------------------------------------------------------------------------------- */

static void connected(struct plait_result *result, void *ctx)
{
    struct near *n = ctx;
    if (result->fault.err) {
        n->ends++;
        plait_result_set(result, plait_value_num(0));
        return;
    }
    n->stream = plait_result_take(result).ptr;
    plait_stream_attach(n->stream, &near_protocol, n);
    ask(n);
    plait_timer_arm(&n->timer, plait_millis(EVERY_MS));
}

static bool listens(struct plait_sim *sim, const char *name, uint16_t port, struct plait_service *service)
{
    static const struct plait_listen_options options;
    struct plait_host *host = plait_sim_host(sim, name);
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, port, &at);
    const plait_err err = service ? plait_listen(plait_host_reactor(host), &at, &options, service, NULL) : PLAIT_ENOMEM;
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

static bool serve(struct plait_sim *sim)
{
    static const struct plait_forward_proxy_options options = {.targets.allow = "private", .targets.ports = "7"};
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "proxy"));
    struct plait_resource *root;
    if (plait_forward_proxy_new(r, &options, &root) != PLAIT_OK) {
        plait_sim_fail(sim, "the proxy can't be had");
        return false;
    }
    struct plait_reactor *far = plait_host_reactor(plait_sim_host(sim, "server"));
    return listens(sim, "proxy", 3128, plait_http(root)) &&
           listens(sim, "server", 7, plait_service_of(far, &kit_echo, sim));
}

static bool runs(void *ctx)
{
    return ((const struct near *)ctx)->ends == 0;
}

static void run(struct plait_sim *sim)
{
    struct near n = {.sim = sim};
    if (!serve(sim))
        return;
    n.reactor = plait_host_reactor(plait_sim_host(sim, "client"));
    plait_timer_init(&n.timer, n.reactor, "tunnels", on_time, &n);
    struct plait_deferred *d = plait_connect_host(n.reactor, PLAIT_LIT("proxy"), 3128, NULL);
    if (plait_then(d, connected, &n) != PLAIT_OK)
        plait_sim_fail(sim, "no memory");
    plait_sim_run_while(sim, plait_seconds(900), runs, &n);
    if (n.ends != 1)
        plait_sim_fail(sim, "the connection had %u ends", n.ends);
    const bool calm = plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) + plait_sim_fault_count(sim, 0, NULL) == 0;
    for (size_t i = 0; i < TUNNELS; i++) {
        if (calm && !n.tunnel[i].ended)
            plait_sim_fail(sim, "tunnel %zu did not end well after %zu bytes", i, n.tunnel[i].back);
        if (n.tunnel[i].ended && n.tunnel[i].back != TOTAL)
            plait_sim_fail(sim, "tunnel %zu ended well after %zu bytes", i, n.tunnel[i].back);
    }
    plait_sim_run_for(sim, plait_seconds(400)); /* the proxy's tunnels may be silent for so long */
    plait_sim_check_end(sim);
}

/* A reset that is lost would leave the echo with half a connection for ever. */
const struct plait_scenario scenario_tunnels = {
    .name = "tunnels", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_LOSS, .run = run};
