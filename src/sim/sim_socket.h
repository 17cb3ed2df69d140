/* SPDX-License-Identifier: MIT
 *
 * A simulated socket, and what its families (sim_tcp.c, sim_unix.c, sim_udp.c) give the calls in sim_socket.c.
 */
#ifndef PLAIT_SIM_SOCKET_H
#define PLAIT_SIM_SOCKET_H

#include "sim/sim_core.h"

enum { SIM_SHUT_RD = 1, SIM_SHUT_WR = 2, SIM_SHUT_BOTH = 3 };
enum { SIM_PORTS_TCP, SIM_PORTS_UDP, SIM_PORTS_ACCEPTED };
#define SIM_SOCK_OPTIONS 27 /* that are only remembered: the table in sim_sockopt.c */

struct sim_sock;

struct sim_sock_ops {
    int (*bind)(struct sim_sock *s, const struct plait_address *addr);
    int (*listen)(struct sim_sock *s, int backlog);
    int (*accept)(struct sim_sock *s, struct sim_sock **out); /* one reference of the new one goes to the caller */
    int (*connect)(struct sim_sock *s, const struct plait_address *addr);
    int (*shutdown)(struct sim_sock *s, int how); /* how: SIM_SHUT_ bits */
    ssize_t (*send)(struct sim_sock *s, struct sim_io *io, const struct plait_address *to);
    ssize_t (*recv)(struct sim_sock *s, struct sim_io *io);
    uint32_t (*poll)(struct sim_sock *s);
    int (*peername)(struct sim_sock *s);   /* 0 when peer_address counts, else -errno */
    void (*closed)(struct sim_sock *s);    /* the last descriptor is gone */
    void (*destroyed)(struct sim_sock *s); /* the last reference is */
};

enum sim_tcp_state { SIM_TCP_CLOSED, SIM_TCP_LISTEN, SIM_TCP_SYN_SENT, SIM_TCP_SYN_RECV, SIM_TCP_OPEN };

/* What a TCP socket's one timer is for. */
enum sim_tcp_timing {
    SIM_TIME_NONE,
    SIM_TIME_SYN,     /* the SYN again */
    SIM_TIME_SYN_ACK, /* the answer to a SYN again */
    SIM_TIME_RESEND,  /* what was lost again */
    SIM_TIME_WINDOW,  /* a probe: has the peer's window opened? */
    SIM_TIME_KEEP,    /* a probe: is the peer still there? */
    SIM_TIME_FIN,     /* the end of waiting for the peer's end */
    SIM_TIME_WAIT,    /* the end of TIME_WAIT */
};

struct sim_segment;

struct sim_tcp {
    uint8_t state;
    bool started;                                                    /* the socket layer's CONNECTING, */
    bool connected;                                                  /* and its CONNECTED */
    bool stopped;                                                    /* and its DISCONNECTING: shut while CONNECTING */
    bool orphan;                                                     /* closed by its program, ends by itself */
    bool fin_wanted, fin_sent, fin_arrived, fin_received, fin_first; /* fin_arrived: and acknowledged */
    bool nospace, done;
    bool window_told; /* news of the own window is on its way */
    bool blocked;     /* the peer's window is closed */
    uint8_t timing;   /* what the timer is for */
    uint8_t tries;    /* of a SYN, its answer, or what was lost, without an answer */
    uint8_t probes;   /* without an answer */
    struct sim_ring out, in;
    size_t in_flight; /* bytes that the peer has not acknowledged */
    size_t segments;  /* segments on their way to the peer */
    int64_t last_due;
    int64_t since; /* when what the peer does not acknowledge was sent first, or its window closed; 0: no trouble */
    int64_t heard; /* when the peer was last heard of */
    struct sim_segment *lost; /* wait to be sent again, in order; no new bytes are sent meanwhile */
    uint64_t order, expected; /* of the next segment to send, and of the next that the peer takes */
    struct sim_event timer;
    struct sim_sock *listener; /* of one that waits to be accepted */
    struct sim_sock *embryo;   /* of one that connects: the other side's new socket */
    struct sim_link in_backlog;
    struct sim_link backlog; /* of a listener */
    size_t waiting;          /* in the backlog, or on the way there */
    int backlog_max;
};

struct sim_unix {
    bool listening, connected;
    int backlog_max;
    struct sim_link backlog, in_backlog;
    size_t waiting;
    struct sim_link messages;
    size_t queued;           /* bytes of the own messages that wait at receivers */
    size_t count;            /* messages that wait here */
    struct sim_link senders; /* datagram sockets that found this one full; by in_senders */
    struct sim_link in_senders;
    struct sim_link in_abstract;
    struct sim_inode *inode; /* of a bound path */
    uint32_t pid, uid, gid;  /* the peer's */
    struct sim_sock *listener;
};

struct sim_udp {
    struct sim_link packets;
    size_t queued;
    bool connected;
};

struct sim_sock {
    struct sim_file file;
    const struct sim_sock_ops *ops;
    size_t refs;
    int domain, type, err;
    uint8_t shut, port_table;
    bool port_locked, address_locked; /* bind chose them: they stay when the connection goes */
    bool dead, bound, outgoing, v6only, reuse_address, reuse_port, linger, packet_info, packet_info6, pass_cred;
    int linger_seconds;
    size_t sndbuf, rcvbuf;
    struct plait_address local, peer_address;
    struct sim_link in_port;
    struct sim_sock *peer;
    int option[SIM_SOCK_OPTIONS];
    uint32_t option_known; /* bits: which were set */
    union {
        struct sim_tcp tcp;
        struct sim_unix un;
        struct sim_udp udp;
    };
};

extern const struct sim_sock_ops plait__sim_tcp_ops, plait__sim_unix_ops, plait__sim_udp_ops;

struct sim_sock *sim_sock_new(struct plait_host *host, int domain, int type);
void sim_sock_ref(struct sim_sock *s);
void sim_sock_unref(struct sim_sock *s);
struct sim_sock *sim_fd_sock(struct plait_host *host, int fd, int *err);
int sim_sock_fd(struct sim_sock *s, int type_flags); /* a descriptor for it; takes the reference also on failure */
int sim_sock_error(struct sim_sock *s);              /* takes the pending error: 0 or -errno */

static inline struct plait_sim *sim_of(const struct sim_sock *s)
{
    return s->file.host->sim;
}

/* Cuts how many bytes, of `there` that could go, a stream's call takes when SHORT strikes; true when it did (then an
 * edge must follow). */
bool sim_cut_short(struct sim_sock *s, struct sim_io *io, size_t there);
/* Adds a control message to what recvmsg gives; false (with MSG_CTRUNC set) when there is no room. */
bool sim_control_put(struct sim_io *io, size_t *used, int level, int type, const void *bytes, size_t len);

/* Addresses as a socket of a domain writes and reads them. */
void sim_address_write(const struct plait_address *addr, int domain, struct sockaddr *out, socklen_t *len);
int sim_address_read(int domain, const struct sockaddr *in, socklen_t len, struct plait_address *out);
bool sim_address_wild(const struct plait_address *addr);
bool sim_address_same_ip(const struct plait_address *a, const struct plait_address *b);

/* Ports (sim_ports.c). */
int sim_port_bind(struct sim_sock *s, int table, const struct plait_address *addr);
void sim_port_add(struct sim_sock *s, int table);
void sim_port_remove(struct sim_sock *s);
int sim_port_auto(struct sim_sock *s, int table, const struct plait_address *to); /* to: of one that connects */
void sim_ports_vanish(struct plait_host *host); /* every TCP socket, without a word to anybody */
/* Checks again at listen(2): two listeners on one port. */
int sim_port_listen(struct sim_sock *s);
struct sim_sock *sim_port_listener(struct plait_host *host, const struct plait_address *to);
struct sim_sock *sim_port_receiver(struct plait_host *host, const struct plait_address *to,
                                   const struct plait_address *from);
/* Whether a connected UDP socket means this address. */
bool sim_port_is_peer(const struct sim_sock *s, const struct plait_address *from);
int sim_route(struct sim_sock *s, const struct plait_address *to, struct plait_address *source,
              struct plait_host **host);

int sim_do_socket(struct plait_host *host, int domain, int type, int protocol);
int sim_do_socketpair(struct plait_host *host, int domain, int type, int fds[2]);
int sim_do_getsockopt(struct plait_host *host, int fd, int level, int name, void *value, socklen_t *len);
int sim_do_setsockopt(struct plait_host *host, int fd, int level, int name, const void *value, socklen_t len);
ssize_t sim_do_recvmsg(struct plait_host *host, int fd, struct msghdr *msg, int flags);
ssize_t sim_do_sendmsg(struct plait_host *host, int fd, const struct msghdr *msg, int flags);
int sim_do_accept(struct plait_host *host, int fd, struct sockaddr *addr, socklen_t *len, int flags);
int sim_do_name(struct plait_host *host, int fd, struct sockaddr *addr, socklen_t *len, bool peer);
int sim_unix_pair(struct sim_sock *a, struct sim_sock *b);

int sim_sock_option(const struct sim_sock *s, int level, int name); /* value of one that is only remembered */

void sim_tcp_init(struct sim_sock *s);
void sim_tcp_vanish(struct sim_sock *s);
void sim_tcp_option_set(struct sim_sock *s, int level, int name);

/* What plait_testbed_record notes (testing.c). `addr` NULL: the socket's own. `res` is 0 or -errno. */
void sim_record_socket(struct plait_host *host, enum plait_sys_call call, int fd, const struct sockaddr *addr,
                       socklen_t len, int res);
void sim_record_spawn(struct plait_host *host, const char *path, int res);

#endif
