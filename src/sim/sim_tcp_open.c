/* SPDX-License-Identifier: MIT
 *
 * TCP's handshake: SYN, its answer, and the acknowledgement that puts the new socket into its listener's queue. Each
 * may be lost: the SYN comes again, so does the answer, and the first segment with bytes does what the acknowledgement
 * would have done.
 *
 * Invariant: a new socket counts in its listener's `waiting` until it is accepted or abandoned; until the handshake is
 * over the one that connects knows it as its `embryo`, so that a SYN that comes twice makes no second one.
 * Tests: tests/sim/test_tcp.c, test_tcp_time.c.
 */
#include "sim/sim_tcp.h"

#include <string.h>

#define SECOND INT64_C(1000000000)

void sim_tcp_forget_embryo(struct sim_sock *client)
{
    struct sim_sock *child = client->tcp.embryo;
    client->tcp.embryo = NULL;
    if (child)
        sim_sock_unref(child);
}

int sim_tcp_send_syn(struct sim_sock *s)
{
    struct sim_segment *seg = sim_segment_new(SIM_SEG_SYN, s, NULL, 0);
    if (!seg)
        return -ENOBUFS;
    seg->target = sim_host_by_address(s->file.host, &s->peer_address);
    if (s->tcp.tries == 0)
        s->tcp.since = sim_of(s)->now;
    sim_tcp_time(s, SIM_TIME_SYN, SECOND << s->tcp.tries++);
    sim_segment_send(seg);
    return 0;
}

static struct sim_sock *make_child(struct sim_sock *listener, struct sim_sock *client)
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
    child->option_known = listener->option_known;
    child->tcp.state = SIM_TCP_SYN_RECV;
    child->tcp.connected = true;
    child->tcp.listener = listener;
    sim_sock_ref(listener);
    listener->tcp.waiting++;
    child->peer = client;
    sim_sock_ref(client);
    sim_port_add(child, SIM_PORTS_ACCEPTED);
    return child;
}

void sim_tcp_child_gone(struct sim_sock *child)
{
    struct sim_sock *listener = child->tcp.listener;
    child->tcp.listener = NULL;
    listener->tcp.waiting--;
    sim_sock_unref(listener);
}

void sim_tcp_abandon(struct sim_sock *child)
{
    if (child->tcp.state != SIM_TCP_SYN_RECV)
        return;
    sim_tcp_child_gone(child);
    sim_tcp_finished(child);
    sim_file_unref(&child->file);
}

/* A listener for a SYN that is no repetition. */
static void begin(struct sim_segment *seg)
{
    struct sim_sock *client = seg->from, *listener = sim_port_listener(seg->target, &client->peer_address);
    if (!listener) {
        struct sim_segment *answer = sim_segment_new(SIM_SEG_REFUSED, client, client, 0);
        if (!answer)
            return;
        answer->source = seg->target;
        answer->target = seg->source;
        sim_segment_send(answer);
        return;
    }
    if (listener->tcp.waiting > (size_t)listener->tcp.backlog_max)
        return; /* the queue is full: the SYN is dropped and comes again */
    struct sim_sock *child = make_child(listener, client);
    if (!child)
        return;
    sim_tcp_forget_embryo(client);
    client->tcp.embryo = child;
    sim_sock_ref(child);
    sim_tcp_time(child, SIM_TIME_SYN_ACK, SECOND);
    if (child->tcp.state == SIM_TCP_SYN_RECV)
        (void)sim_tcp_send(SIM_SEG_SYN_ACK, child, client);
}

void sim_tcp_syn_arrives(struct sim_segment *seg)
{
    struct sim_sock *client = seg->from, *child = client->tcp.embryo;
    if (!seg->target || client->tcp.state != SIM_TCP_SYN_SENT)
        return; /* nobody there, or nobody left who asks: silence */
    if (child && child->tcp.state == SIM_TCP_SYN_RECV)
        (void)sim_tcp_send(SIM_SEG_SYN_ACK, child, client);
    else
        begin(seg);
}

void sim_tcp_syn_ack_arrives(struct sim_sock *client, struct sim_sock *child)
{
    struct sim_tcp *t = &client->tcp;
    if (t->state == SIM_TCP_OPEN && client->peer == child) {
        (void)sim_tcp_send(SIM_SEG_ACK, client, child); /* the first one was lost */
        return;
    }
    if (t->state != SIM_TCP_SYN_SENT) {
        (void)sim_tcp_send(SIM_SEG_RESET, client, child);
        return;
    }
    sim_say(sim_of(client), "%s: the connection of port %u stands", client->file.host->name, client->local.port);
    t->state = SIM_TCP_OPEN;
    t->since = 0;
    t->tries = 0;
    client->peer = child;
    sim_sock_ref(child);
    sim_tcp_forget_embryo(client);
    sim_tcp_drop_timer(client);
    sim_tcp_heard(client);
    (void)sim_tcp_send(SIM_SEG_ACK, client, child);
    sim_tcp_rest(client);
    sim_wake(&client->file, 0);
}

void sim_tcp_ack_arrives(struct sim_sock *child)
{
    struct sim_sock *listener = child->tcp.listener;
    if (child->tcp.state != SIM_TCP_SYN_RECV)
        return; /* not the first one, or too late: then the next segment meets a reset */
    if (listener->tcp.state != SIM_TCP_LISTEN) {
        (void)sim_tcp_send(SIM_SEG_RESET, child, child->peer);
        sim_tcp_abandon(child);
        return;
    }
    sim_tcp_drop_timer(child);
    child->tcp.state = SIM_TCP_OPEN;
    child->tcp.tries = 0;
    sim_list_add(&listener->tcp.backlog, &child->tcp.in_backlog);
    sim_tcp_heard(child);
    sim_tcp_rest(child);
    sim_wake(&listener->file, SIM_IN_KEY);
}
