/* SPDX-License-Identifier: MIT
 *
 * The inside of TCP: the calls are in sim_tcp.c, segments and bytes in sim_tcp_net.c, the handshake in sim_tcp_open.c,
 * what happens because time passes in sim_tcp_time.c.
 */
#ifndef PLAIT_SIM_TCP_H
#define PLAIT_SIM_TCP_H

#include "sim/sim_socket.h"

enum sim_segment_kind {
    SIM_SEG_SYN,
    SIM_SEG_REFUSED, /* the RST that answers a SYN */
    SIM_SEG_SYN_ACK,
    SIM_SEG_ACK, /* of the handshake */
    SIM_SEG_DATA,
    SIM_SEG_FIN,
    SIM_SEG_RESET,
    SIM_SEG_PROBE,  /* asks for an answer: keep-alive, or a closed window */
    SIM_SEG_ANSWER, /* to a probe */
    SIM_SEG_WINDOW, /* a closed window opened */
};

/* A segment holds a reference to both ends, so that it never meets freed memory. */
struct sim_segment {
    struct sim_event event;
    struct sim_segment *behind; /* the next that was lost */
    uint64_t order;             /* of bytes and ends among those that `from` sends */
    struct sim_sock *from, *to; /* to: NULL for a SYN */
    struct plait_host *source, *target;
    uint8_t kind;
    bool delivered; /* it came; when it comes again, its acknowledgement was lost */
    size_t len;
    uint8_t bytes[];
};

/* sim_tcp_net.c */
struct sim_segment *sim_segment_new(enum sim_segment_kind kind, struct sim_sock *from, struct sim_sock *to, size_t len);
void sim_segment_send(struct sim_segment *seg);
bool sim_tcp_send(enum sim_segment_kind kind, struct sim_sock *from, struct sim_sock *to); /* false: lost */
void sim_tcp_resend(struct sim_sock *s);                                                   /* all that was lost */
void sim_tcp_push(struct sim_sock *s);
bool sim_tcp_window_closed(const struct sim_sock *s); /* bytes wait for the peer to read */
void sim_tcp_window_opened(struct sim_sock *s);       /* by a read */
void sim_tcp_finished(struct sim_sock *s);
void sim_tcp_reset_arrived(struct sim_sock *s);
void sim_tcp_look_for_end(struct sim_sock *s);

/* sim_tcp_open.c */
void sim_tcp_child_gone(struct sim_sock *child);
void sim_tcp_abandon(struct sim_sock *child);
int sim_tcp_send_syn(struct sim_sock *s);
void sim_tcp_syn_arrives(struct sim_segment *seg);
void sim_tcp_syn_ack_arrives(struct sim_sock *client, struct sim_sock *child);
void sim_tcp_ack_arrives(struct sim_sock *child);
void sim_tcp_forget_embryo(struct sim_sock *client);

/* sim_tcp_time.c */
void sim_tcp_time(struct sim_sock *s, enum sim_tcp_timing what, int64_t span);
void sim_tcp_drop_timer(struct sim_sock *s);
void sim_tcp_time_resend(struct sim_sock *s); /* something was lost */
void sim_tcp_rest(struct sim_sock *s);        /* nothing is on its way: starts the probes that are due then */
void sim_tcp_heard(struct sim_sock *s);       /* of the peer */

#endif
