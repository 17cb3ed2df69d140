/* SPDX-License-Identifier: MIT
 *
 * The world of test_stream_random.c: two ends as the model sees them, and the laws that are noted when they break.
 */
#ifndef PLAIT_TESTS_ENGINE_RANDOM_WORLD_H
#define PLAIT_TESTS_ENGINE_RANDOM_WORLD_H

#include "tests/support/test.h"

#include <plait/sim.h>
#include <plait/stream.h>

enum carrier { BY_PAIR, BY_UNIX, BY_TCP, CARRIERS };
enum mode { IN_CLEAR, IN_TLS, STARTING_TLS, MODES };
enum { BIG = 60000, NO_BYTES_MAX = 65536 };

struct world;

/* One end as the model sees it. */
struct end {
    struct world *w;
    struct end *other;
    struct plait_stream *s; /* NULL before and after */
    const struct plait_protocol *protocol;
    uint64_t sent, got;
    uint64_t offered; /* place up to which `data` was lent bytes */
    size_t need;
    uint64_t fds_sent, fds_got;
    bool connected, secured, eof, lost;
    bool in_call, paused, tls;
    bool shut, closed, aborted; /* what was asked */
    bool was_full, was_deaf;    /* `room` is owed; once did not read */
    plait_err asked;            /* what `lost` is to tell after an end of the own side's */
    struct plait_fault fault;
    struct plait_timer later;
};

struct world {
    struct plait_sim *sim;
    uint64_t seed;
    enum carrier carrier;
    enum mode mode;
    unsigned faults;
    struct plait_reactor *r[2];
    struct plait_sys *sys[2];
    struct plait_tls_server *server;
    struct plait_tls_client *client;
    struct plait_listener *listener;
    struct end end[2];
    uint64_t clear; /* bytes that each side says before TLS begins in mid-stream */
    int calls;      /* of the user's that run now: no callback may come */
    int ops_left;
    bool native; /* TLS by the listener's and the connection's options */
    bool calm;   /* nothing random is done any more */
    bool ending; /* so are the reactors */
    const char *broken;
};

/* Calls the engine as a user does. */
#define CALL(e, call)                                                                                                  \
    do {                                                                                                               \
        (e)->w->calls++;                                                                                               \
        call;                                                                                                          \
        (e)->w->calls--;                                                                                               \
    } while (0)

static inline void tell(const struct end *e, const char *what, const char *text)
{
    plait_sim_log(e->w->sim, "end %d: %s %s [sent %llu got %llu offered %llu need %zu pending %zu%s%s%s%s%s%s%s%s%s%s]",
                  (int)(e - e->w->end), what, text, (unsigned long long)e->sent, (unsigned long long)e->got,
                  (unsigned long long)e->offered, e->need, e->s ? plait_pending(e->s) : 0,
                  e->s && plait_is_open(e->s) ? " open" : "", e->secured ? " secured" : "", e->tls ? " tls" : "",
                  e->eof ? " eof" : "", e->paused ? " paused" : "", e->s && plait_is_full(e->s) ? " full" : "",
                  e->shut ? " shut" : "", e->closed ? " closed" : "", e->aborted ? " aborted" : "",
                  e->lost ? plait_err_name(e->fault.err) : "");
}

static inline void law(struct end *e, bool holds, const char *text)
{
    if (!holds && !e->w->broken) {
        e->w->broken = text;
        tell(e, "BROKEN", text);
        tell(e->other, "the other end", "");
    }
}

static inline uint64_t draw(struct world *w, uint64_t below)
{
    return plait_sim_random(w->sim, below);
}

static inline uint8_t byte_at(const struct end *sender, uint64_t at)
{
    return (uint8_t)((at * 2654435761u + sender->w->seed) >> 7 ^ (sender == sender->w->end ? 0 : 0x5a));
}

static inline bool has_flag(const struct end *e, unsigned flag)
{
    return (e->protocol->flags & flag) != 0;
}

static inline size_t window(const struct end *e)
{
    return e->protocol->input_max ? e->protocol->input_max : NO_BYTES_MAX;
}

static inline bool is_open(const struct end *e)
{
    return e->s && plait_is_open(e->s);
}

static inline void note_full(struct end *e)
{
    if (e->s && plait_is_full(e->s))
        e->was_full = e->was_deaf = true;
}

#endif
