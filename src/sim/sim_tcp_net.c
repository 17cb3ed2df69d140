/* SPDX-License-Identifier: MIT
 *
 * What travels between two TCP sockets: the handshake, segments cut anywhere, the end of a side, resets. A segment is
 * an event with bytes; segments of one direction arrive in the order in which they left. On a link without latency they
 * arrive within the call that sends them, as on a kernel's loopback.
 *
 * Invariant: a segment holds a reference to both ends, so that it never meets freed memory; bytes on their way count in
 * `in_flight`. Tests: tests/sim/test_tcp.c.
 */
#include "sim/sim_socket.h"

#include <string.h>

#define SYN_TRIES 7
#define TIME_WAIT_SPAN INT64_C(60000000000)
#define SEGMENT_MAX 16384

enum segment_kind { SEG_SYN, SEG_REFUSED, SEG_SYN_ACK, SEG_ACK, SEG_DATA, SEG_FIN, SEG_RESET };

struct segment {
    struct sim_event event;
    struct sim_sock *from, *to; /* to: NULL for a SYN */
    struct plait_host *host;    /* of a SYN: where it goes */
    enum segment_kind kind;
    size_t len;
    uint8_t bytes[];
};

static void arrive(struct plait_sim *sim, struct sim_event *event);

static void segment_free(struct segment *seg)
{
    if (seg->to)
        sim_sock_unref(seg->to);
    sim_sock_unref(seg->from);
    plait_mem_free(seg);
}

static void abandon(struct sim_sock *child);

static void end_one(struct sim_sock *s)
{
    if (s && s->tcp.state == SIM_TCP_SYN_RECV)
        abandon(s);
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
    struct segment *seg = SIM_OF(event, struct segment, event);
    (void)sim;
    end_both(seg->from, seg->to);
    segment_free(seg);
}

static struct segment *segment_new(enum segment_kind kind, struct sim_sock *from, struct sim_sock *to, size_t len)
{
    struct plait_sim *sim = sim_of(from);
    struct segment *seg = plait_mem_new(&sim->budget, sizeof *seg + len);
    if (!seg) {
        sim_out_of_memory(sim);
        end_both(from, to);
        return NULL;
    }
    seg->kind = kind;
    seg->from = from;
    seg->to = to;
    seg->len = len;
    seg->event.fire = arrive;
    seg->event.drop = segment_drop;
    sim_sock_ref(from);
    if (to)
        sim_sock_ref(to);
    return seg;
}

/* Sends it on its way: at once where nothing takes time, else never before what left earlier. */
static void send_segment(struct segment *seg, struct plait_host *host)
{
    struct sim_sock *from = seg->from;
    struct plait_sim *sim = sim_of(from);
    int64_t delay = host ? sim_link_delay(sim, from->file.host, host) : 0;
    int64_t due = sim->now + delay;
    if (due < from->tcp.last_due)
        due = from->tcp.last_due;
    if (seg->kind == SEG_DATA && (sim->faults & PLAIT_SIM_SPLIT))
        due += (int64_t)sim_fault_below(sim, 20000); /* or the pieces would arrive as one */
    from->tcp.last_due = due;
    from->tcp.segments++;
    if (due == sim->now && from->tcp.segments == 1)
        arrive(sim, &seg->event);
    else if (!sim_event_add(sim, &seg->event, due))
        segment_drop(sim, &seg->event);
}

static void send_plain(enum segment_kind kind, struct sim_sock *from, struct sim_sock *to)
{
    struct segment *seg = segment_new(kind, from, to, 0);
    if (seg)
        send_segment(seg, to->file.host);
}

void sim_tcp_send_reset(struct sim_sock *from, struct sim_sock *to)
{
    send_plain(SEG_RESET, from, to);
}

/* --- the end of a socket's connection ----------------------------------------------------------------------------- */

void sim_tcp_drop_timer(struct sim_sock *s)
{
    if (!s->tcp.timer_runs)
        return;
    s->tcp.timer_runs = false;
    sim_event_cancel(sim_of(s), &s->tcp.timer);
    sim_sock_unref(s);
}

static void timer_drop(struct plait_sim *sim, struct sim_event *event)
{
    (void)sim;
    struct sim_sock *s = SIM_OF(event, struct sim_sock, tcp.timer);
    s->tcp.timer_runs = false;
    sim_sock_unref(s);
}

static void timer_start(struct sim_sock *s, sim_event_fn fire, int64_t span)
{
    s->tcp.timer.fire = fire;
    s->tcp.timer.drop = timer_drop;
    if (!sim_event_add(sim_of(s), &s->tcp.timer, sim_of(s)->now + span))
        return;
    s->tcp.timer_runs = true;
    sim_sock_ref(s);
}

static void time_wait_over(struct plait_sim *sim, struct sim_event *event)
{
    struct sim_sock *s = SIM_OF(event, struct sim_sock, tcp.timer);
    sim_port_remove(s);
    timer_drop(sim, event);
}

void sim_tcp_finished(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    if (s->tcp.state == SIM_TCP_CLOSED)
        return;
    s->tcp.state = SIM_TCP_CLOSED;
    s->shut = SIM_SHUT_BOTH;
    s->peer = NULL;
    sim_ring_free(&s->tcp.out);
    if (s->dead && !s->tcp.timer_runs)
        sim_port_remove(s);
    if (!s->dead)
        sim_wake(&s->file, 0);
    if (peer)
        sim_sock_unref(peer);
}

/* Both sides have ended in order. The one that ended first keeps the port for a while. */
static void ended_in_order(struct sim_sock *s)
{
    if (s->tcp.fin_first && s->tcp.state == SIM_TCP_OPEN)
        timer_start(s, time_wait_over, TIME_WAIT_SPAN);
    sim_tcp_finished(s);
}

static void look_for_end(struct sim_sock *s)
{
    if (s->tcp.state == SIM_TCP_OPEN && s->tcp.fin_arrived && s->tcp.fin_received)
        ended_in_order(s);
}

void sim_tcp_reset_arrived(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state == SIM_TCP_CLOSED || t->state == SIM_TCP_LISTEN)
        return;
    s->err = t->state == SIM_TCP_SYN_SENT ? ECONNREFUSED : t->fin_received && !t->fin_sent ? EPIPE : ECONNRESET;
    sim_tcp_drop_timer(s);
    sim_tcp_finished(s);
    if (!s->dead)
        sim_wake(&s->file, EPOLLERR);
}

/* --- the handshake ------------------------------------------------------------------------------------------------ */

static void syn_again(struct plait_sim *sim, struct sim_event *event)
{
    struct sim_sock *s = SIM_OF(event, struct sim_sock, tcp.timer);
    s->tcp.timer_runs = false;
    if (s->tcp.state == SIM_TCP_SYN_SENT) {
        if (s->tcp.tries >= SYN_TRIES) {
            s->err = ETIMEDOUT;
            sim_tcp_finished(s);
            if (!s->dead)
                sim_wake(&s->file, EPOLLERR);
        } else {
            (void)sim_tcp_send_syn(s);
        }
    }
    (void)sim;
    sim_sock_unref(s);
}

int sim_tcp_send_syn(struct sim_sock *s)
{
    struct segment *seg = segment_new(SEG_SYN, s, NULL, 0);
    if (!seg)
        return -ENOBUFS;
    seg->host = sim_host_by_address(s->file.host, &s->peer_address);
    timer_start(s, syn_again, INT64_C(1000000000) << s->tcp.tries++);
    send_segment(seg, seg->host);
    return 0;
}

struct sim_sock *sim_tcp_child(struct sim_sock *listener, struct sim_sock *client)
{
    struct sim_sock *child = sim_sock_new(listener->file.host, listener->domain, SOCK_STREAM);
    if (!child)
        return NULL;
    child->v6only = listener->v6only;
    child->reuse_address = listener->reuse_address;
    child->reuse_port = listener->reuse_port;
    child->linger = listener->linger;
    child->linger_seconds = listener->linger_seconds;
    child->sndbuf = listener->sndbuf;
    child->rcvbuf = listener->rcvbuf;
    child->local = client->peer_address;
    child->peer_address = client->local;
    memcpy(child->option, listener->option, sizeof child->option);
    child->tcp.state = SIM_TCP_SYN_RECV;
    child->tcp.connected = true;
    child->tcp.listener = listener;
    sim_sock_ref(listener);
    listener->tcp.waiting++;
    child->peer = client;
    sim_sock_ref(client);
    sim_port_add(child, SIM_PORTS_TCP);
    return child;
}

/* A child leaves its listener's books. */
void sim_tcp_child_gone(struct sim_sock *child)
{
    struct sim_sock *listener = child->tcp.listener;
    child->tcp.listener = NULL;
    listener->tcp.waiting--;
    sim_sock_unref(listener);
}

static void syn_arrives(struct segment *seg)
{
    struct sim_sock *client = seg->from;
    if (!seg->host || client->tcp.state != SIM_TCP_SYN_SENT)
        return; /* nobody there, or nobody left who asks: silence */
    struct sim_sock *listener = sim_port_listener(seg->host, &client->peer_address);
    if (!listener) {
        send_plain(SEG_REFUSED, client, client);
        return;
    }
    if (listener->tcp.waiting > (size_t)listener->tcp.backlog_max)
        return; /* the queue is full: the SYN is dropped and comes again */
    struct sim_sock *child = sim_tcp_child(listener, client);
    if (child)
        send_plain(SEG_SYN_ACK, child, client);
}

/* A connection that never got to accept is over. */
static void abandon(struct sim_sock *child)
{
    if (child->tcp.state == SIM_TCP_CLOSED)
        return;
    sim_tcp_child_gone(child);
    sim_list_del(&child->tcp.in_backlog);
    sim_tcp_finished(child);
    sim_file_unref(&child->file);
}

static void syn_ack_arrives(struct sim_sock *client, struct sim_sock *child)
{
    if (client->tcp.state != SIM_TCP_SYN_SENT) {
        sim_tcp_send_reset(client, child);
        return;
    }
    sim_say(sim_of(client), "%s: the connection of port %u stands", client->file.host->name, client->local.port);
    client->tcp.state = SIM_TCP_OPEN;
    client->peer = child;
    sim_sock_ref(child);
    sim_tcp_drop_timer(client);
    send_plain(SEG_ACK, client, child);
    sim_wake(&client->file, 0);
}

static void ack_arrives(struct sim_sock *child)
{
    struct sim_sock *listener = child->tcp.listener;
    if (listener->tcp.state != SIM_TCP_LISTEN) {
        sim_tcp_send_reset(child, child->peer);
        abandon(child);
        return;
    }
    child->tcp.state = SIM_TCP_OPEN;
    sim_list_add(&listener->tcp.backlog, &child->tcp.in_backlog);
    sim_wake(&listener->file, SIM_IN_KEY);
}

/* --- bytes, ends and resets --------------------------------------------------------------------------------------- */

static void room_again(struct sim_sock *s)
{
    size_t held = s->tcp.out.len + s->tcp.in_flight;
    if (s->dead || !s->tcp.nospace || held >= s->sndbuf || s->sndbuf - held < held / 2)
        return;
    s->tcp.nospace = false;
    sim_wake(&s->file, SIM_OUT_KEY);
}

static void data_arrives(struct segment *seg)
{
    struct sim_sock *to = seg->to, *from = seg->from;
    from->tcp.in_flight -= seg->len;
    if (to->tcp.state != SIM_TCP_OPEN || to->tcp.orphan) {
        if (from->tcp.state == SIM_TCP_OPEN)
            sim_tcp_send_reset(to, from);
        if (to->tcp.state == SIM_TCP_OPEN)
            sim_tcp_finished(to);
        return;
    }
    if (to->tcp.fin_sent && !to->tcp.fin_received && (to->shut & SIM_SHUT_RD)) {
        /* Data for one that shut both its sides: it gives up, as the kernel does in FIN_WAIT. */
        sim_tcp_send_reset(to, from);
        sim_tcp_reset_arrived(to);
        return;
    }
    if (!sim_ring_put(sim_of(to), &to->tcp.in, seg->bytes, seg->len))
        sim_out_of_memory(sim_of(to));
    sim_wake(&to->file, SIM_IN_KEY);
    room_again(from);
    sim_tcp_push(from);
}

static void fin_arrives(struct sim_sock *to, struct sim_sock *from)
{
    from->tcp.fin_arrived = true;
    if (to->tcp.state == SIM_TCP_OPEN) {
        to->tcp.fin_received = true;
        to->tcp.done = true;
        to->shut |= SIM_SHUT_RD;
        if (!to->dead)
            sim_wake(&to->file, 0);
    }
    look_for_end(to);
    look_for_end(from);
}

static void reset_arrives(struct sim_sock *to)
{
    sim_say(sim_of(to), "%s: a reset arrives for port %u", to->file.host->name, to->local.port);
    if (to->tcp.state == SIM_TCP_SYN_RECV) {
        abandon(to);
        return;
    }
    sim_tcp_reset_arrived(to);
}

/* Somebody on the way resets a connection: each end hears of it. */
static bool cut_off(struct segment *seg)
{
    struct plait_sim *sim = sim_of(seg->from);
    if (seg->kind != SEG_DATA || !sim_strikes_at(sim, seg->from->file.host, PLAIT_SIM_RESET, 200, PLAIT_SYS_sendmsg))
        return false;
    seg->from->tcp.in_flight -= seg->len;
    sim_strike_tell(sim, "the connection of port %u to %s:%u is reset on its way, with %zu bytes",
                    seg->from->local.port, seg->to->file.host->name, seg->to->local.port, seg->len);
    sim_tcp_reset_arrived(seg->from);
    reset_arrives(seg->to);
    return true;
}

static void arrive(struct plait_sim *sim, struct sim_event *event)
{
    struct segment *seg = SIM_OF(event, struct segment, event);
    seg->from->tcp.segments--;
    sim_hash(sim, ((uint64_t)seg->kind << 32) | seg->len);
    if (!cut_off(seg)) {
        switch (seg->kind) {
        case SEG_SYN:
            syn_arrives(seg);
            break;
        case SEG_REFUSED:
            sim_say(sim, "%s: the connection of port %u is refused", seg->to->file.host->name, seg->to->local.port);
            sim_tcp_reset_arrived(seg->to);
            break;
        case SEG_SYN_ACK:
            syn_ack_arrives(seg->to, seg->from);
            break;
        case SEG_ACK:
            ack_arrives(seg->to);
            break;
        case SEG_DATA:
            data_arrives(seg);
            break;
        case SEG_FIN:
            fin_arrives(seg->to, seg->from);
            break;
        case SEG_RESET:
            reset_arrives(seg->to);
            break;
        }
    }
    segment_free(seg);
}

static size_t segment_bytes(struct sim_sock *s)
{
    struct plait_sim *sim = sim_of(s);
    size_t window = s->peer->rcvbuf;
    size_t ahead = s->peer->tcp.in.len + s->tcp.in_flight;
    if (ahead >= window)
        return 0;
    size_t n = s->tcp.out.len < window - ahead ? s->tcp.out.len : window - ahead;
    n = n < SEGMENT_MAX ? n : SEGMENT_MAX;
    if (n > 1 && sim_strikes_often(sim, s->file.host, PLAIT_SIM_SPLIT, (struct sim_chance){7, 8}, PLAIT_SYS_sendmsg)) {
        uint64_t most = sim_fault_below(sim, 2) ? n - 1 : 16; /* somewhere, or very short */
        size_t cut = 1 + sim_fault_below(sim, most < n ? most : n - 1);
        sim_strike_tell(sim, "a segment of %zu bytes from port %u is cut at %zu", n, s->local.port, cut);
        n = cut;
    }
    return n;
}

static bool push_data(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    size_t n = segment_bytes(s);
    struct segment *seg = n ? segment_new(SEG_DATA, s, s->peer, n) : NULL;
    if (!seg)
        return false;
    memcpy(seg->bytes, t->out.ptr + t->out.at, n);
    sim_ring_drop(&t->out, n);
    t->in_flight += n;
    send_segment(seg, s->peer->file.host);
    return true;
}

void sim_tcp_push(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    bool goes = true;
    sim_sock_ref(s); /* what arrives at once may end both sides */
    while (goes && t->state == SIM_TCP_OPEN && t->out.len)
        goes = push_data(s);
    if (t->state == SIM_TCP_OPEN && t->fin_wanted && !t->fin_sent && !t->out.len) {
        t->fin_sent = true;
        t->fin_first = !t->fin_received;
        send_plain(SEG_FIN, s, s->peer);
    }
    sim_sock_unref(s);
}
