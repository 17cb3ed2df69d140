/* SPDX-License-Identifier: MIT
 *
 * What scenarios of streams share: a protocol that echoes, one that sends numbered bytes and checks what comes back.
 * Both watch the order of their callbacks.
 */
#ifndef PLAIT_TESTS_SIM_SCENARIO_KIT_H
#define PLAIT_TESTS_SIM_SCENARIO_KIT_H

#include <plait/listen.h>
#include <plait/sim.h>

/* The far end: writes back what it gets, closes after the peer's end. `self` is the world. */
extern const struct plait_protocol kit_echo;

/* The near end: sends `total` bytes in pieces, checks that what comes back is the same, closes when all is there. */
struct kit_sender {
    struct plait_sim *sim;
    struct plait_stream *stream;
    uint64_t total, sent, received;
    unsigned connected, lost;
    bool hurry; /* does not wait for room */
    struct plait_fault fault;
};
extern const struct plait_protocol kit_sender;

/* Goes on until a sender has lost its stream; for plait_sim_run_while. */
bool kit_sender_runs(void *sender);

/* Fails the world unless the sender's stream ended as it may: complete, or by a fault that the world can cause. */
void kit_sender_check(struct kit_sender *sender);

struct kit_client {
    struct kit_sender sender;
    bool failed;
};
#define KIT_CLIENTS_MAX 8

/* Some clients on a host "client", each with a connection of its own to an echo on a host "server". */
struct kit_echoes {
    unsigned clients;  /* at most KIT_CLIENTS_MAX */
    uint64_t total;    /* bytes of each */
    bool hurry;        /* does not wait for room */
    const char *relay; /* the host that they connect to instead, which carries them on; NULL: none */
    const char *path;  /* a UNIX socket, and both on the one host; NULL: TCP to port 7, by name */
    const struct plait_listen_options *listen;
    const struct plait_connect_options *connect;
    bool may_fail; /* connecting may fail: some error that the faults explain */
    struct kit_client client[KIT_CLIENTS_MAX];
};

/* Runs them until all have ended, and fails the world for each that ended as it may not. The caller checks the world's
 * end while `echoes` still stands. */
void kit_run_echoes(struct plait_sim *sim, struct kit_echoes *echoes);

#endif
