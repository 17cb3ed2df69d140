/* SPDX-License-Identifier: MIT
 *
 * What travels between two TCP sockets: segments cut anywhere, the end of a side, resets, probes. A segment is an event
 * with bytes; segments of one direction arrive in the order in which they left. On a link without latency they arrive
 * within the call that sends them, as on a kernel's loopback. Bytes and ends that are lost, or whose acknowledgement
 * is, wait to be sent again; nothing new leaves before. There are no sequence numbers and no congestion control.
 *
 * Invariant: bytes count in `in_flight` from when they leave until they are acknowledged; what waits in `lost` is in
 * order, and is there only while the connection is open. Tests: tests/sim/test_tcp.c, test_tcp_time.c.
 */
#include "sim/sim_tcp.h"

#include <string.h>

#define MINUTE INT64_C(60000000000)
#define SEGMENT_MAX 16384
#define HEADERS 40

static void arrive(struct plait_sim *sim, struct sim_event *event);

static void segment_free(struct sim_segment *seg)
{
    if (seg->to)
        sim_sock_unref(seg->to);
    sim_sock_unref(seg->from);
    plait_mem_free(seg);
}

static void end_one(struct sim_sock *s)
{
    if (s && s->tcp.state == SIM_TCP_SYN_RECV)
        sim_tcp_abandon(s);
    else if (s)
        sim_tcp_finished(s);
}

/* A segment will never arrive, because the world ends or has no memory: neither end may wait for it for ever. */
static void end_both(struct sim_sock *from, struct sim_sock *to)
{
    end_one(from);
    end_one(to);
}

static void segment_drop(struct plait_sim *sim, struct sim_event *event)
{
    struct sim_segment *seg = SIM_OF(event, struct sim_segment, event);
    (void)sim;
    seg->from->tcp.segments--;
    end_both(seg->from, seg->to);
    segment_free(seg);
}

/* Bytes and ends are sent until they are acknowledged, and taken in order. */
static bool is_kept(const struct sim_segment *seg)
{
    return seg->kind == SIM_SEG_DATA || seg->kind == SIM_SEG_FIN;
}

struct sim_segment *sim_segment_new(enum sim_segment_kind kind, struct sim_sock *from, struct sim_sock *to, size_t len)
{
    struct plait_sim *sim = sim_of(from);
    struct sim_segment *seg = plait_mem_new(&sim->budget, sizeof *seg + len);
    if (!seg) {
        sim_out_of_memory(sim);
        end_both(from, to);
        return NULL;
    }
    seg->kind = (uint8_t)kind;
    seg->from = from;
    seg->to = to;
    seg->source = from->file.host;
    seg->target = to ? to->file.host : NULL;
    seg->len = len;
    if (is_kept(seg))
        seg->order = from->tcp.order++;
    seg->event.fire = arrive;
    seg->event.drop = segment_drop;
    sim_sock_ref(from);
    if (to)
        sim_sock_ref(to);
    return seg;
}

/* --- sending, and what is lost ------------------------------------------------------------------------------------ */

/* Bytes and ends wait to be sent again; what else is lost has its own timer, or is nobody's care. */
static void lose(struct sim_segment *seg)
{
    struct sim_tcp *t = &seg->from->tcp;
    if (seg->kind == SIM_SEG_WINDOW)
        t->window_told = false;
    if (!is_kept(seg) || t->state != SIM_TCP_OPEN) {
        segment_free(seg);
        return;
    }
    struct sim_segment **at = &t->lost;
    while (*at && (*at)->order < seg->order)
        at = &(*at)->behind;
    seg->behind = *at;
    *at = seg;
    sim_tcp_time_resend(seg->from);
}

static bool send_segment(struct sim_segment *seg)
{
    struct sim_sock *from = seg->from;
    struct plait_sim *sim = sim_of(from);
    int64_t delay = seg->target ? sim_trip(seg->source, seg->target, seg->len + HEADERS) : 0;
    if (delay == SIM_LOST) {
        lose(seg);
        return false;
    }
    int64_t due = sim->now + delay;
    if (due < from->tcp.last_due)
        due = from->tcp.last_due;
    if (seg->kind == SIM_SEG_DATA && (sim->faults & PLAIT_SIM_SPLIT))
        due += (int64_t)sim_fault_below(sim, 20000); /* or the pieces would arrive as one */
    from->tcp.last_due = due;
    from->tcp.segments++;
    if (due == sim->now && from->tcp.segments == 1)
        arrive(sim, &seg->event);
    else if (!sim_event_add(sim, &seg->event, due))
        segment_drop(sim, &seg->event);
    return true;
}

void sim_segment_send(struct sim_segment *seg)
{
    (void)send_segment(seg);
}

bool sim_tcp_send(enum sim_segment_kind kind, struct sim_sock *from, struct sim_sock *to)
{
    struct sim_segment *seg = sim_segment_new(kind, from, to, 0);
    return seg && send_segment(seg);
}

void sim_tcp_resend(struct sim_sock *s)
{
    struct sim_segment *seg = s->tcp.lost;
    s->tcp.lost = NULL;
    while (seg) {
        struct sim_segment *next = seg->behind;
        if (s->tcp.lost)
            lose(seg); /* behind one that was lost once more */
        else
            (void)send_segment(seg);
        seg = next;
    }
}

/* --- the end of a socket's connection ----------------------------------------------------------------------------- */

static void free_lost(struct sim_tcp *t)
{
    while (t->lost) {
        struct sim_segment *seg = t->lost;
        t->lost = seg->behind;
        segment_free(seg);
    }
}

void sim_tcp_finished(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    struct sim_sock *peer = s->peer;
    if (t->state == SIM_TCP_CLOSED)
        return;
    sim_sock_ref(s);
    t->state = SIM_TCP_CLOSED;
    s->shut = SIM_SHUT_BOTH;
    s->peer = NULL;
    if (t->timing != SIM_TIME_WAIT)
        sim_tcp_drop_timer(s);
    sim_ring_free(&t->out);
    free_lost(t);
    sim_tcp_forget_embryo(s);
    if (s->dead && t->timing == SIM_TIME_NONE)
        sim_port_remove(s);
    if (!s->dead)
        sim_wake(&s->file, 0);
    if (peer)
        sim_sock_unref(peer);
    sim_sock_unref(s);
}

void sim_tcp_vanish(struct sim_sock *s)
{
    sim_sock_ref(s);
    sim_tcp_drop_timer(s);
    end_one(s);
    sim_port_remove(s);
    sim_sock_unref(s);
}

/* Both sides have ended in order: the one that ended first keeps the port for a while. Or only this one has, and nobody
 * holds it: then the other side has a minute. */
void sim_tcp_look_for_end(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state != SIM_TCP_OPEN || !t->fin_arrived)
        return;
    if (t->fin_received) {
        if (t->fin_first)
            sim_tcp_time(s, SIM_TIME_WAIT, MINUTE);
        sim_tcp_finished(s);
    } else if (t->orphan && t->timing != SIM_TIME_FIN) {
        sim_tcp_time(s, SIM_TIME_FIN, MINUTE);
    }
}

void sim_tcp_reset_arrived(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state == SIM_TCP_CLOSED || t->state == SIM_TCP_LISTEN)
        return;
    s->err = t->state == SIM_TCP_SYN_SENT ? ECONNREFUSED : t->fin_received && !t->fin_sent ? EPIPE : ECONNRESET;
    sim_tcp_finished(s);
    if (!s->dead)
        sim_wake(&s->file, EPOLLERR);
}

static void reset_arrives(struct sim_sock *to)
{
    sim_say(sim_of(to), "%s: a reset arrives for port %u", to->file.host->name, to->local.port);
    if (to->tcp.state == SIM_TCP_SYN_RECV)
        sim_tcp_abandon(to);
    else
        sim_tcp_reset_arrived(to);
}

/* --- bytes and ends ----------------------------------------------------------------------------------------------- */

static void room_again(struct sim_sock *s)
{
    size_t held = s->tcp.out.len + s->tcp.in_flight;
    if (s->dead || !s->tcp.nospace || held >= s->sndbuf || s->sndbuf - held < held / 2)
        return;
    s->tcp.nospace = false;
    sim_wake(&s->file, SIM_OUT_KEY);
}

static void take(struct sim_segment *seg)
{
    seg->delivered = true;
    seg->from->tcp.expected = seg->order + 1;
    sim_tcp_heard(seg->to);
}

/* The acknowledgement of what came, unless it is lost: then the segment is sent again. */
static bool acknowledged(struct sim_segment *seg)
{
    struct sim_sock *from = seg->from;
    if (!sim_way_open(seg->target, seg->source))
        return false;
    from->tcp.tries = 0;
    from->tcp.since = from->tcp.lost ? sim_of(from)->now : 0;
    sim_tcp_heard(from);
    return true;
}

/* Somebody sends to a socket that is no longer, or wants nothing. False when the reset is lost, so that the segment
 * comes again. */
static bool refuse(struct sim_sock *to, struct sim_sock *from)
{
    if (from->tcp.state == SIM_TCP_OPEN && !sim_tcp_send(SIM_SEG_RESET, to, from))
        return false;
    if (to->tcp.state == SIM_TCP_OPEN)
        sim_tcp_finished(to);
    return true;
}

/* Data for one that shut both its sides: it gives up, as the kernel does in FIN_WAIT. */
static bool shut_for_good(const struct sim_sock *s)
{
    return s->tcp.fin_sent && !s->tcp.fin_received && (s->shut & SIM_SHUT_RD);
}

static bool data_arrives(struct sim_segment *seg)
{
    struct sim_sock *to = seg->to, *from = seg->from;
    sim_tcp_ack_arrives(to);
    if (to->tcp.state != SIM_TCP_OPEN || to->tcp.orphan)
        return refuse(to, from);
    if (shut_for_good(to)) {
        bool sent = sim_tcp_send(SIM_SEG_RESET, to, from);
        sim_tcp_reset_arrived(to);
        return sent;
    }
    if (!seg->delivered) {
        if (!sim_ring_put(sim_of(to), &to->tcp.in, seg->bytes, seg->len))
            sim_out_of_memory(sim_of(to));
        take(seg);
        sim_wake(&to->file, SIM_IN_KEY);
    }
    if (!acknowledged(seg))
        return false;
    from->tcp.in_flight -= seg->len;
    room_again(from);
    sim_tcp_push(from);
    return true;
}

static bool fin_arrives(struct sim_segment *seg)
{
    struct sim_sock *to = seg->to, *from = seg->from;
    sim_tcp_ack_arrives(to);
    if (to->tcp.state != SIM_TCP_OPEN && !to->tcp.fin_received)
        return refuse(to, from);
    if (to->tcp.state == SIM_TCP_OPEN && !to->tcp.fin_received) {
        take(seg);
        to->tcp.fin_received = true;
        to->tcp.done = true;
        to->shut |= SIM_SHUT_RD;
        if (!to->dead)
            sim_wake(&to->file, 0);
    }
    bool known = acknowledged(seg);
    from->tcp.fin_arrived = from->tcp.fin_arrived || known;
    sim_tcp_look_for_end(to);
    sim_tcp_look_for_end(from);
    return known;
}

/* Somebody on the way resets a connection: each end hears of it. */
static bool cut_off(struct sim_segment *seg)
{
    struct plait_sim *sim = sim_of(seg->from);
    if (seg->kind != SIM_SEG_DATA || !sim_strikes_at(sim, seg->source, PLAIT_SIM_RESET, 200, PLAIT_SYS_sendmsg))
        return false;
    sim_strike_tell(sim, "the connection of port %u to %s:%u is reset on its way, with %zu bytes",
                    seg->from->local.port, seg->target->name, seg->to->local.port, seg->len);
    sim_tcp_reset_arrived(seg->from);
    reset_arrives(seg->to);
    return true;
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

static void probe_arrives(struct sim_sock *to, struct sim_sock *from)
{
    sim_tcp_ack_arrives(to);
    if (to->tcp.state != SIM_TCP_OPEN)
        (void)refuse(to, from);
    else
        (void)sim_tcp_send(SIM_SEG_ANSWER, to, from);
}

static void answer_arrives(struct sim_sock *to)
{
    if (to->tcp.state != SIM_TCP_OPEN)
        return;
    sim_tcp_heard(to);
    sim_tcp_push(to);
}

void sim_tcp_window_opened(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    if (!peer || !peer->tcp.out.len || s->tcp.window_told)
        return;
    s->tcp.window_told = true;
    if (!sim_tcp_send(SIM_SEG_WINDOW, s, peer) && peer->tcp.timing == SIM_TIME_WINDOW)
        sim_event_quiet(sim_of(s), &peer->tcp.timer, false); /* its next probe finds out */
}

/* --- arriving ----------------------------------------------------------------------------------------------------- */

/* False: as if it had not come, it waits to be sent again. */
static bool meets(struct sim_segment *seg)
{
    struct sim_sock *from = seg->from, *to = seg->to;
    if (cut_off(seg))
        return true;
    switch (seg->kind) {
    case SIM_SEG_SYN:
        sim_tcp_syn_arrives(seg);
        return true;
    case SIM_SEG_REFUSED:
        sim_say(sim_of(to), "%s: the connection of port %u is refused", to->file.host->name, to->local.port);
        sim_tcp_reset_arrived(to);
        return true;
    case SIM_SEG_SYN_ACK:
        sim_tcp_syn_ack_arrives(to, from);
        return true;
    case SIM_SEG_ACK:
        sim_tcp_ack_arrives(to);
        return true;
    case SIM_SEG_DATA:
        return data_arrives(seg);
    case SIM_SEG_FIN:
        return fin_arrives(seg);
    case SIM_SEG_RESET:
        reset_arrives(to);
        return true;
    case SIM_SEG_PROBE:
        probe_arrives(to, from);
        return true;
    case SIM_SEG_WINDOW:
        from->tcp.window_told = false;
        answer_arrives(to);
        return true;
    default:
        answer_arrives(to);
        return true;
    }
}

static void arrive(struct plait_sim *sim, struct sim_event *event)
{
    struct sim_segment *seg = SIM_OF(event, struct sim_segment, event);
    struct sim_tcp *t = &seg->from->tcp;
    bool early = is_kept(seg) && seg->order > t->expected; /* one before it was lost */
    t->segments--;
    sim_hash(sim, ((uint64_t)seg->kind << 32) | seg->len);
    if (!early && !(seg->target && seg->target->down) && meets(seg))
        segment_free(seg);
    else
        lose(seg);
}

/* --- what the peer has room for ----------------------------------------------------------------------------------- */

static size_t window(const struct sim_sock *s)
{
    size_t ahead = s->peer->tcp.in.len + s->tcp.in_flight, whole = s->peer->rcvbuf;
    return ahead < whole ? whole - ahead : 0;
}

bool sim_tcp_window_closed(const struct sim_sock *s)
{
    return s->tcp.out.len && s->tcp.in_flight == 0 && window(s) == 0;
}

static size_t segment_bytes(struct sim_sock *s)
{
    struct plait_sim *sim = sim_of(s);
    const struct plait_host *here = s->file.host, *there = s->peer->file.host;
    uint32_t mtu = here != there ? sim_link_between(here, there)->mtu : 0;
    size_t n = s->tcp.out.len < window(s) ? s->tcp.out.len : window(s), most = mtu ? mtu - HEADERS : SEGMENT_MAX;
    n = n < most ? n : most;
    n = n < SEGMENT_MAX ? n : SEGMENT_MAX;
    if (n > 1 && sim_strikes_often(sim, s->file.host, PLAIT_SIM_SPLIT, (struct sim_chance){7, 8}, PLAIT_SYS_sendmsg)) {
        uint64_t longest = sim_fault_below(sim, 2) ? n - 1 : 16; /* somewhere, or very short */
        size_t cut = 1 + sim_fault_below(sim, longest < n ? longest : n - 1);
        sim_strike_tell(sim, "a segment of %zu bytes from port %u is cut at %zu", n, s->local.port, cut);
        n = cut;
    }
    return n;
}

static bool push_data(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    size_t n = segment_bytes(s);
    struct sim_segment *seg = n ? sim_segment_new(SIM_SEG_DATA, s, s->peer, n) : NULL;
    if (!seg)
        return false;
    memcpy(seg->bytes, t->out.ptr + t->out.at, n);
    sim_ring_drop(&t->out, n);
    t->in_flight += n;
    return send_segment(seg);
}

void sim_tcp_push(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    bool goes = true;
    sim_sock_ref(s); /* what arrives at once may end both sides */
    while (goes && t->state == SIM_TCP_OPEN && !t->lost && t->out.len)
        goes = push_data(s);
    if (t->state == SIM_TCP_OPEN && t->fin_wanted && !t->fin_sent && !t->lost && !t->out.len) {
        t->fin_sent = true;
        t->fin_first = !t->fin_received;
        (void)sim_tcp_send(SIM_SEG_FIN, s, s->peer);
    }
    sim_tcp_rest(s);
    sim_sock_unref(s);
}
