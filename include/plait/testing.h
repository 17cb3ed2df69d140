/* SPDX-License-Identifier: MIT
 *
 * Small doubles for testing one's own protocols without a network: a reactor whose clock stands still until it is told
 * to go on, a transport made of text, a protocol that keeps what it gets. For more than one end, hosts and faults see
 * plait/sim.h. Part of libplait-sim.
 */
#ifndef PLAIT_TESTING_H
#define PLAIT_TESTING_H

#include <plait/sim.h>
#include <plait/stream.h>

PLAIT_BEGIN

/* --- a reactor with a clock to advance ---------------------------------------------------------------------------- */

struct plait_testbed;

/** Makes a reactor alone on a simulated host: no threads, no real time, no descriptors of the process. Returns NULL
 * when there is no memory. Ownership: the caller's, ended with plait_testbed_free. */
PLAIT_API struct plait_testbed *plait_testbed_new(uint64_t seed) PLAIT_MUST;

/** Ends a testbed. Takes NULL and leaves NULL. Callbacks: as plait_reactor_free. */
PLAIT_API void plait_testbed_free(struct plait_testbed **testbed);

/** The reactor. Ownership: borrowed from the testbed. */
PLAIT_API struct plait_reactor *plait_testbed_reactor(struct plait_testbed *testbed);

/** The world that the reactor is alone in. Ownership: borrowed from the testbed. */
PLAIT_API struct plait_sim *plait_testbed_sim(struct plait_testbed *testbed);

/** Runs everything that can run without time passing. Callbacks: everything that is ready. */
PLAIT_API void plait_testbed_settle(struct plait_testbed *testbed);

/** Advances the clock, running what falls due on the way. Callbacks: everything that is due. */
PLAIT_API void plait_testbed_advance(struct plait_testbed *testbed, plait_span span);

/* --- what a program asked the network for ------------------------------------------------------------------------- */

enum plait_recorded_kind {
    PLAIT_RECORDED_LISTEN,   /* a listener's address */
    PLAIT_RECORDED_DATAGRAM, /* the address that a datagram socket was bound to */
    PLAIT_RECORDED_CONNECT,  /* where a stream or a datagram socket was to connect to */
    PLAIT_RECORDED_SPAWN,    /* a program that was to be started */
};

struct plait_recorded {
    enum plait_recorded_kind kind;
    int os_errno;                 /* 0: it was done, or is under way */
    struct plait_address address; /* of a socket */
    char program[200];            /* path of a program, cut */
};

/* What was asked for, in order; what came after the last that fits is only counted. Members are for reading. */
struct plait_recorder {
    size_t count;
    struct plait_recorded item[32];
};

/** Has a testbed note from now on which listeners, connections, datagram sockets and programs its reactor asks for;
 * NULL: no more. They work (or fail) all the same. Ownership: `recorder` is the caller's and must live as long. */
PLAIT_API void plait_testbed_record(struct plait_testbed *testbed, struct plait_recorder *recorder);

/* --- a protocol that keeps what it gets --------------------------------------------------------------------------- */

/* Members are for reading. */
struct plait_accumulator {
    struct plait_stream *stream;               /* NULL before `connected` and after `lost` */
    struct plait_buf input;                    /* all that came, up to 16 MiB */
    unsigned connected, secured, eofs, losses; /* how often each callback came */
    struct plait_fault fault;                  /* of `lost` */
    bool paused;                               /* set it: input is left untaken */
};

/** Makes an accumulator that has got nothing. Ownership: the caller's memory, ended with plait_accumulator_deinit after
 * the stream's end. */
PLAIT_API void plait_accumulator_init(struct plait_accumulator *accumulator, struct plait_budget *budget);

/** Frees what was kept. */
PLAIT_API void plait_accumulator_deinit(struct plait_accumulator *accumulator);

/** Protocol table whose `self` is a struct plait_accumulator; it may write on after the peer's end. Ownership:
 * static. */
PLAIT_API const struct plait_protocol *plait_accumulator_protocol(void);

/* --- a transport made of text ------------------------------------------------------------------------------------- */

/* One end of an in-memory pair: the other end is the stream of the protocol under test. */
struct plait_string_transport {
    struct plait_stream *stream;       /* the stream that the protocol under test gets */
    struct plait_accumulator recorder; /* what that protocol wrote */
};

/** Attaches a protocol to a new stream whose other end is recorded. Errors: PLAIT_ENOMEM. Ownership: the caller's
 * memory, ended with plait_string_transport_close and, when the reactor ran after it, plait_string_transport_deinit.
 * Callbacks: the protocol's, in later turns. */
PLAIT_API plait_err plait_string_transport_open(struct plait_string_transport *transport, struct plait_reactor *reactor,
                                                const struct plait_protocol *protocol, void *self) PLAIT_MUST;

/** Gives bytes to the protocol; they arrive in later turns. */
PLAIT_API void plait_string_transport_feed(struct plait_string_transport *transport, plait_slice bytes);

/** Ends the peer's side in good order. */
PLAIT_API void plait_string_transport_feed_eof(struct plait_string_transport *transport);

/** All that the protocol wrote and that was not yet cleared. Ownership: borrowed until the next turn. */
PLAIT_API plait_slice plait_string_transport_output(const struct plait_string_transport *transport);

/** Forgets what the protocol wrote so far. */
PLAIT_API void plait_string_transport_clear(struct plait_string_transport *transport);

/** Whether the protocol ended its side, or all of it. */
PLAIT_API bool plait_string_transport_ended(const struct plait_string_transport *transport);

/** Resets the connection as a peer would that dies. */
PLAIT_API void plait_string_transport_close(struct plait_string_transport *transport);

/** Frees what was recorded. */
PLAIT_API void plait_string_transport_deinit(struct plait_string_transport *transport);

PLAIT_END
#endif
