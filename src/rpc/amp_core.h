/* SPDX-License-Identifier: MIT
 *
 * What AMP's files share of a connection.
 */
#ifndef PLAIT_RPC_AMP_CORE_H
#define PLAIT_RPC_AMP_CORE_H

#include "base/list.h"
#include "engine/stream_core.h"
#include "rpc/amp_wire.h"

/* --- descriptors; src/rpc/amp_descriptors.c ----------------------------------------------------------------------- */

/* Descriptors that came, numbered from `first` on; -1 for one that was taken. */
struct plait__amp_descriptors {
    struct plait_sys *sys;
    uint64_t first;
    size_t count;
    int fd[PLAIT__AMP_DESCRIPTORS_MAX];
};

/* Closes what is left. */
void plait__amp_descriptors_end(struct plait__amp_descriptors *d);

/* Adds those that came. False: there are too many, and these are closed. */
bool plait__amp_descriptors_add(struct plait__amp_descriptors *d, const int *fds, size_t count);

/* Moves those with numbers below `end` out. False: some of them did not come. */
bool plait__amp_descriptors_split(struct plait__amp_descriptors *d, uint64_t end, struct plait__amp_descriptors *out);

/* --- writing; src/rpc/amp_box.c ----------------------------------------------------------------------------------- */

enum plait__amp_level_kind { PLAIT__AMP_BOX, PLAIT__AMP_ELEMENTS, PLAIT__AMP_BOXES };

struct plait__amp_level {
    const struct plait_amp_field *fields;
    enum plait__amp_level_kind kind;
    size_t length_at; /* where the value's length is to be written */
    uint64_t put;     /* fields of a box that are there, a bit each */
};

struct plait_amp_box {
    struct plait_buf buf;
    struct plait_amp *amp;
    const struct plait_amp_command *command; /* NULL: an answer */
    plait_err err;
    unsigned depth;
    struct plait__amp_level level[PLAIT__AMP_DEPTH_MAX];
    struct plait__amp_descriptors out; /* numbered as the peer will count them */
};

/* Begins a box whose values are those of `fields`; what AMP itself says in it stands before or comes behind. */
void plait__amp_box_begin(struct plait_amp_box *box, const struct plait_amp_field *fields);

/* Ends it. Errors: the sticky one; PLAIT_EINVAL (a list is open, a field is missing). */
plait_err plait__amp_box_end(struct plait_amp_box *box) PLAIT_MUST;

/* --- a connection ------------------------------------------------------------------------------------------------- */

enum plait__amp_call_kind { PLAIT__AMP_CALL, PLAIT__AMP_SWITCH, PLAIT__AMP_TLS };

/* An own call that is not answered. */
struct plait__amp_call {
    uint64_t tag;
    const struct plait_amp_command *command;
    struct plait_deferred *deferred; /* NULL: nobody wants the answer any more */
    const struct plait_protocol *protocol;
    void *self;
    enum plait__amp_call_kind kind;
};

/* Own calls by tag. Tags count up, so that a call's place is its tag's remainder; a place that an old call still has is
 * passed over. */
struct plait__amp_calls {
    struct plait__amp_call **place;
    size_t places; /* a power of two, at least twice the calls; 0 before the first */
    size_t count;
    uint64_t tag;
};

/* The peer's request; it outlives the connection. */
struct plait_amp_request {
    struct plait_amp *amp;
    const struct plait_amp_command *command;
    size_t tag_len;
    bool asked;
    uint8_t tag[];
};

/* A box that waits: for TLS, or for the socket to take its descriptors. */
struct plait__amp_waiting {
    struct plait__list link;
    struct plait__amp_descriptors descriptors;
    size_t len;
    uint8_t bytes[];
};

struct plait_amp {
    struct plait_stream *s; /* NULL: lost, or another protocol's */
    struct plait_reactor *reactor;
    size_t refs; /* the stream's, each request's, a running callback's */
    struct plait_amp_options o;
    struct plait_protocol protocol; /* a table of its own: the input's maximum follows the limit */
    struct plait__amp_decoder decoder;
    struct plait__amp_descriptors in;
    struct plait_amp_box box; /* the one that is written now */
    struct plait__amp_calls calls;
    struct plait__list waiting; /* boxes */
    struct plait_buf description;
    struct plait_deferred *tls; /* asked for, not fired */
    size_t requests;
    bool holding; /* boxes wait for TLS, or for a switch of protocols */
    bool feeding; /* the rest of what came is the handshake's */
    bool stopped; /* paused: the peer asks too much */
    bool draining;
};

/* amp.c */
struct plait_amp *plait__amp_ref(struct plait_amp *amp);
void plait__amp_unref(struct plait_amp *amp);
/* The connection is no longer AMP's: it is lost, or handed over. */
void plait__amp_over(struct plait_amp *amp, const struct plait_fault *fault);
void plait__amp_hand_over(struct plait_amp *amp, const struct plait_protocol *protocol, void *self);
/* Reads again when the reason not to is gone. */
void plait__amp_go_on(struct plait_amp *amp);
/* A request is done with. */
void plait__amp_request_over(struct plait_amp *amp);

/* amp_send.c: sends the box that was written, over a connection that is not lost. Errors: PLAIT_ENOMEM,
 * PLAIT_ETOOLONG, plait_write_fds's. */
plait_err plait__amp_send(struct plait_amp *amp) PLAIT_MUST;
/* Sends what waits, as far as it goes now. */
void plait__amp_send_waiting(struct plait_amp *amp);
void plait__amp_drop_waiting(struct plait_amp *amp);

/* amp_request.c: a command came. */
void plait__amp_command_came(struct plait_amp *amp, const struct plait__amp_head *head, plait_slice wire);
void plait__amp_send_error(struct plait_amp *amp, plait_slice tag, plait_slice code, plait_slice description);

/* amp_call.c: an answer, an error came; the connection is over. */
void plait__amp_answer_came(struct plait_amp *amp, const struct plait__amp_head *head, plait_slice wire);
void plait__amp_error_came(struct plait_amp *amp, const struct plait__amp_head *head);
void plait__amp_calls_end(struct plait_amp *amp, const struct plait_fault *fault);

/* amp_tls.c: the peer asks for TLS; our own question was answered; a handshake is done. */
void plait__amp_tls_asked(struct plait_amp *amp, plait_slice tag);
void plait__amp_tls_answered(struct plait_amp *amp);
void plait__amp_tls_done(struct plait_amp *amp);

#endif
