/* SPDX-License-Identifier: MIT
 *
 * Two AMP connections joined to each other, or one to a scripted peer: what the tests of AMP stand on.
 */
#ifndef PLAIT_TESTS_RPC_AMP_BED_H
#define PLAIT_TESTS_RPC_AMP_BED_H

#include "tests/engine/peer.h"

#include "rpc/amp_core.h"

enum { KEPT_MAX = 2000 };

static const struct plait_amp_field sum_arguments[] = {PLAIT_AMP_FIELD("a", INTEGER), PLAIT_AMP_FIELD("b", INTEGER),
                                                       PLAIT_AMP_END};
static const struct plait_amp_field sum_response[] = {PLAIT_AMP_FIELD("total", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_error sum_errors[] = {
    {"NEGATIVE", PLAIT_EINVAL, false}, {"OVERFLOW", PLAIT_ELIMIT, true}, {NULL, PLAIT_OK, false}};
static const struct plait_amp_command sum = {
    .name = "Sum", .arguments = sum_arguments, .response = sum_response, .errors = sum_errors};
static const struct plait_amp_command nothing = {.name = "Nothing"};
static const struct plait_amp_field text_fields[] = {PLAIT_AMP_FIELD("text", STRING), PLAIT_AMP_END};
static const struct plait_amp_command echo = {.name = "Echo", .arguments = text_fields, .response = text_fields};
static const struct plait_amp_command keep = {.name = "Keep", .arguments = sum_arguments, .response = sum_response};
static const struct plait_amp_command unknown_here = {.name = "Nope", .response = sum_response};
static const struct plait_amp_command badly = {.name = "Badly", .response = sum_response};
static const struct plait_amp_field fd_fields[] = {PLAIT_AMP_FIELD("fd", DESCRIPTOR),
                                                   PLAIT_AMP_OPTIONAL("text", STRING), PLAIT_AMP_END};
static const struct plait_amp_command pass = {.name = "Pass", .arguments = fd_fields, .response = fd_fields};
static const struct plait_amp_command switching = {.name = "Switch", .arguments = sum_arguments};

/* One side: what happened to it, and the requests that it has not answered. */
struct side {
    struct plait_amp *amp; /* NULL once lost */
    struct plait_amp_options o;
    int connected, lost;
    struct plait_fault fault;
    struct plait_amp_request *kept[KEPT_MAX];
    size_t kept_count;
    int told;          /* commands without an answer */
    struct peer after; /* the protocol behind a switch */
};

static inline void on_sum(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    const int64_t a = plait_amp_integer(arguments, "a");
    const int64_t b = plait_amp_integer(arguments, "b");
    struct side *side = ctx;
    side->told++;
    assert_ptr_equal(plait_amp_request_connection(req), side->amp);
    if (a < 0) {
        plait_amp_reply_error(req, "NEGATIVE", "a is negative");
    } else if (b < 0) {
        plait_amp_reply_error(req, "OVERFLOW", NULL);
    } else {
        plait_amp_put_integer(plait_amp_response(req), "total", a + b);
        plait_amp_reply(req);
    }
}

static inline void on_nothing(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    struct side *side = ctx;
    (void)arguments;
    side->told++;
    (void)plait_amp_response(req);
    plait_amp_reply(req);
}

static inline void on_echo(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    (void)ctx;
    plait_amp_put_bytes(plait_amp_response(req), "text", plait_amp_bytes(arguments, "text"));
    plait_amp_reply(req);
}

static inline void on_keep(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    struct side *side = ctx;
    (void)arguments;
    side->kept[side->kept_count++] = req;
}

static inline void on_badly(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    (void)arguments;
    (void)ctx;
    (void)plait_amp_response(req);
    plait_amp_reply(req);
}

/* Answers with a duplicate of the descriptor that came; without text, takes none. */
static inline void on_pass(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    (void)ctx;
    if (!plait_amp_has(arguments, "text")) {
        plait_amp_reply_error(req, "KEPT", "");
        return;
    }
    const int fd = plait_amp_take_descriptor(arguments, "fd");
    assert_true(fd >= 0);
    assert_int_equal(plait_amp_take_descriptor(arguments, "fd"), -1);
    struct plait_amp_box *box = plait_amp_response(req);
    plait_amp_put_bytes(box, "text", plait_amp_bytes(arguments, "text"));
    plait_amp_put_descriptor(box, "fd", fd);
    plait_amp_reply(req);
}

static inline void on_switch(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx)
{
    struct side *side = ctx;
    if (plait_amp_integer(arguments, "a") == 0) {
        plait_amp_reply_error(req, "NO", "not today");
        return;
    }
    struct plait_amp *amp = plait_amp_request_connection(req);
    side->after.s = plait_amp_stream(amp);
    (void)plait_amp_response(req);
    plait_amp_reply_switch(req, &peer_protocol, &side->after);
}

static const struct plait_amp_responder responders[] = {
    {&sum, on_sum},     {&nothing, on_nothing}, {&echo, on_echo},        {&keep, on_keep},
    {&badly, on_badly}, {&pass, on_pass},       {&switching, on_switch}, {NULL, NULL}};

static inline void side_connected(struct plait_amp *amp, void *ctx)
{
    struct side *side = ctx;
    assert_ptr_equal(amp, side->amp);
    side->connected++;
}

static inline void side_lost(struct plait_amp *amp, const struct plait_fault *fault, void *ctx)
{
    struct side *side = ctx;
    assert_ptr_equal(amp, side->amp);
    side->lost++;
    side->fault = *fault;
    side->amp = NULL;
}

static inline void side_open(struct side *side, struct plait_stream *s)
{
    side->o.responders = responders;
    side->o.connected = side_connected;
    side->o.lost = side_lost;
    side->o.ctx = side;
    assert_ok(plait_amp_attach(s, &side->o, &side->amp));
    assert_ptr_equal(plait_amp_stream(side->amp), s);
}

struct amp_bed {
    struct bed b;
    struct side x, y;
    struct peer p; /* instead of y */
};

static inline void amp_bed_join(struct amp_bed *t, enum joint joint)
{
    struct plait_stream *x;
    struct plait_stream *y;
    join(&t->b, joint, &x, &y);
    side_open(&t->x, x);
    side_open(&t->y, y);
    bed_settle(&t->b);
}

static inline struct amp_bed *amp_bed_new(enum joint joint)
{
    struct amp_bed *t = calloc(1, sizeof *t);
    assert_non_null(t);
    bed_open(&t->b);
    amp_bed_join(t, joint);
    return t;
}

/* One side against a peer that a test plays. */
static inline struct amp_bed *amp_bed_scripted(enum joint joint)
{
    struct amp_bed *t = calloc(1, sizeof *t);
    struct plait_stream *x;
    struct plait_stream *y;
    assert_non_null(t);
    bed_open(&t->b);
    join(&t->b, joint, &x, &y);
    side_open(&t->x, x);
    peer_attach(&t->p, y, &peer_half_protocol);
    bed_settle(&t->b);
    return t;
}

static inline void amp_bed_free(struct amp_bed *t)
{
    bed_close(&t->b);
    assert_int_equal(t->x.lost + t->y.lost, t->x.connected + t->y.connected);
    free(t);
}

/* Says bytes to the side under test. */
static inline void say(struct amp_bed *t, plait_slice bytes)
{
    plait_write(t->p.s, bytes);
    bed_settle(&t->b);
}

/* What became of a call. */
struct outcome {
    int calls;
    plait_err err;
    char detail[40];
    int64_t total;
    char text[64];
    int fd;
};

static inline void note(struct plait_result *result, void *ctx)
{
    struct outcome *o = ctx;
    const struct plait_amp_values *v = result->value.ptr;
    o->calls++;
    o->err = result->fault.err;
    (void)snprintf(o->detail, sizeof o->detail, "%s", result->fault.detail ? result->fault.detail : "");
    o->fd = -1;
    if (o->err == PLAIT_OK && v) {
        const plait_slice text = plait_amp_bytes(v, "text");
        o->total = plait_amp_integer(v, "total");
        o->fd = plait_amp_take_descriptor(v, "fd");
        if (text.ptr)
            (void)snprintf(o->text, sizeof o->text, "%.*s", PLAIT_ARG(text));
    }
    result->fault.err = PLAIT_OK;
}

static inline struct plait_deferred *add(struct side *side, const struct plait_amp_command *command, int64_t a,
                                         int64_t b, struct outcome *o)
{
    struct plait_amp_box *box = plait_amp_begin(side->amp, command);
    *o = (struct outcome){.fd = -1};
    if (command->arguments == sum_arguments) {
        plait_amp_put_integer(box, "a", a);
        plait_amp_put_integer(box, "b", b);
    }
    struct plait_deferred *d = plait_amp_call(box);
    assert_ok(plait_then(d, note, o));
    return d;
}

static inline void expect(struct outcome *o, plait_err err, int64_t total)
{
    assert_int_equal(o->calls, 1);
    assert_err(o->err, err);
    assert_int_equal(o->total, total);
}

#endif
