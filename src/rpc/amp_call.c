/* SPDX-License-Identifier: MIT
 *
 * Own calls: sent with a tag, kept until the answer with that tag comes or the connection is over.
 *
 * Invariant: each call's deferred fires once. A call that was cancelled keeps its place, so that its answer, when it
 * comes, is known and thrown away.
 * Test: tests/rpc/test_amp.c.
 */
#include "rpc/amp_core.h"

#include "base/text.h"
#include "base/try.h"

#include <stdio.h>

enum { PLACES_FIRST = 8, TAG_BYTES = 20 };

/* An answer, as the caller gets it. */
struct answer {
    struct plait_amp_values values;
    struct plait__amp_descriptors descriptors;
    uint8_t wire[];
};

/* --- places ------------------------------------------------------------------------------------------------------- */

static struct plait__amp_call **place_of(const struct plait__amp_calls *calls, uint64_t tag)
{
    return &calls->place[tag & (calls->places - 1)];
}

static plait_err grow(struct plait_amp *amp)
{
    struct plait__amp_calls more = amp->calls;
    more.places = more.places ? more.places * 2 : PLACES_FIRST;
    more.place = plait_mem_new(plait_stream_budget(amp->s), more.places * sizeof(struct plait__amp_call *));
    if (!more.place)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    for (size_t i = 0; i < amp->calls.places; i++) {
        struct plait__amp_call *call = amp->calls.place[i];
        if (call)
            *place_of(&more, call->tag) = call; /* they differed in fewer bits */
    }
    plait_mem_free(amp->calls.place);
    amp->calls = more;
    return PLAIT_OK;
}

static plait_err add_call(struct plait_amp *amp, struct plait__amp_call *call)
{
    struct plait__amp_calls *calls = &amp->calls;
    if (calls->count >= amp->o.calls_max)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    if ((calls->count + 1) * 2 > calls->places)
        PLAIT_TRY(grow(amp));
    do
        calls->tag++;
    while (*place_of(calls, calls->tag));
    call->tag = calls->tag;
    *place_of(calls, call->tag) = call;
    calls->count++;
    return PLAIT_OK;
}

/* Takes the call of a tag out. NULL: there is none. */
static struct plait__amp_call *take_call(struct plait_amp *amp, plait_slice text)
{
    struct plait__amp_calls *calls = &amp->calls;
    struct plait_scan scan = plait_scan_of(text);
    uint64_t tag;
    if (calls->places == 0 || !plait_scan_hex64(&scan, UINT64_MAX, &tag) || !plait_scan_done(&scan))
        return NULL;
    struct plait__amp_call **place = place_of(calls, tag);
    struct plait__amp_call *call = *place;
    if (!call || call->tag != tag)
        return NULL;
    *place = NULL;
    calls->count--;
    return call;
}

static void forget_call(struct plait_amp *amp, struct plait__amp_call *call)
{
    *place_of(&amp->calls, call->tag) = NULL;
    amp->calls.count--;
    plait_mem_free(call);
}

/* --- calling ------------------------------------------------------------------------------------------------------ */

struct plait_amp_box *plait_amp_begin(struct plait_amp *amp, const struct plait_amp_command *command)
{
    struct plait_amp_box *box = &amp->box;
    plait__amp_box_begin(box, command->arguments);
    box->command = command;
    plait__amp_put_pair(&box->buf, PLAIT_LIT("_command"), plait_slice_text(command->name));
    return box;
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    struct plait__amp_call *call = ctx;
    call->deferred = NULL;
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "amp"));
}

static plait_err send_call(struct plait_amp *amp, struct plait__amp_call *call)
{
    char tag[TAG_BYTES];
    PLAIT_TRY(plait__amp_box_end(&amp->box));
    if (!amp->s)
        return PLAIT_FAIL(PLAIT_ECLOSED);
    PLAIT_TRY(add_call(amp, call));
    const int len = snprintf(tag, sizeof tag, "%llx", (unsigned long long)call->tag);
    plait__amp_put_pair(&amp->box.buf, PLAIT_LIT("_ask"), plait_slice_of(tag, (size_t)len));
    const plait_err err = plait__amp_send(amp);
    if (err == PLAIT_OK) {
        plait__amp_go_on(amp); /* who waits for an answer reads */
    } else {
        *place_of(&amp->calls, call->tag) = NULL;
        amp->calls.count--;
    }
    return err;
}

static struct plait_deferred *make_call(struct plait_amp_box *box, const struct plait__amp_call *like)
{
    struct plait_amp *amp = box->amp;
    struct plait__amp_call *call = plait_mem_new(plait_reactor_budget(amp->reactor), sizeof *call);
    struct plait_deferred *d = call ? plait_deferred_new(amp->reactor, "amp-call", cancel, call) : NULL;
    if (!d) {
        plait_mem_free(call);
        return NULL;
    }
    *call = *like;
    call->command = box->command;
    call->deferred = d;
    const plait_err err = send_call(amp, call);
    if (err == PLAIT_OK)
        return d;
    plait_mem_free(call);
    plait_fire_fault(d, plait_fault_make(err, "amp"));
    return d;
}

struct plait_deferred *plait_amp_call(struct plait_amp_box *box)
{
    const struct plait__amp_call like = {.kind = PLAIT__AMP_CALL};
    return make_call(box, &like);
}

struct plait_deferred *plait_amp_call_switch(struct plait_amp_box *box, const struct plait_protocol *protocol,
                                             void *self)
{
    const struct plait__amp_call like = {.kind = PLAIT__AMP_SWITCH, .protocol = protocol, .self = self};
    struct plait_deferred *d = make_call(box, &like);
    if (d && !plait_deferred_fired(d))
        box->amp->holding = true;
    return d;
}

plait_err plait_amp_tell(struct plait_amp_box *box)
{
    PLAIT_TRY(plait__amp_box_end(box));
    return box->amp->s ? plait__amp_send(box->amp) : PLAIT_FAIL(PLAIT_ECLOSED);
}

struct plait_deferred *plait_amp_starttls(struct plait_amp *amp)
{
    static const struct plait_amp_command command = {.name = "StartTLS"};
    const struct plait__amp_call like = {.kind = PLAIT__AMP_TLS};
    const bool can = amp->o.accepted ? amp->o.tls_server != NULL : amp->o.tls_client != NULL;
    if (!amp->s || !can || amp->holding || plait_stream_tls(amp->s))
        return plait_deferred_fail(amp->reactor, plait_fault_make(PLAIT_FAIL(PLAIT_ESTATE), "amp"));
    struct plait_deferred *d = make_call(plait_amp_begin(amp, &command), &like);
    if (d && !plait_deferred_fired(d))
        amp->holding = true;
    return d;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void free_answer(void *ptr)
{
    struct answer *a = ptr;
    plait__amp_descriptors_end(&a->descriptors);
    plait_mem_free(a);
}

static plait_err make_answer(struct plait_amp *amp, const struct plait_amp_command *command, plait_slice wire,
                             plait_value *out)
{
    struct plait__amp_checked checked;
    struct plait__amp_descriptors descriptors;
    PLAIT_TRY(plait__amp_check(command->response, wire, &checked));
    if (!plait__amp_descriptors_split(&amp->in, checked.descriptors, &descriptors))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    struct answer *a = plait_mem_new(plait_reactor_budget(amp->reactor), sizeof *a + wire.len);
    if (!a) {
        plait__amp_descriptors_end(&descriptors);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    memcpy(a->wire, wire.ptr, wire.len);
    a->descriptors = descriptors;
    a->values = (struct plait_amp_values){
        .fields = command->response, .wire = plait_slice_of(a->wire, wire.len), .descriptors = &a->descriptors};
    *out = plait_value_ptr(a, free_answer);
    return PLAIT_OK;
}

static void answer_call(struct plait_amp *amp, struct plait__amp_call *call, plait_slice wire)
{
    plait_value value;
    const plait_err err = call->deferred ? make_answer(amp, call->command, wire, &value) : PLAIT_ECANCELLED;
    if (err == PLAIT_OK)
        plait_fire(call->deferred, value);
    else
        plait_fire_fault(call->deferred, plait_fault_make(err, "amp"));
}

void plait__amp_answer_came(struct plait_amp *amp, const struct plait__amp_head *head, plait_slice wire)
{
    struct plait__amp_call *call = take_call(amp, head->answer);
    if (!call) {
        plait_abort_with(amp->s, PLAIT_EPROTOCOL, "an answer to nothing that was asked");
        return;
    }
    if (call->kind == PLAIT__AMP_TLS) {
        amp->tls = call->deferred;
        plait__amp_tls_answered(amp);
    } else {
        answer_call(amp, call, wire);
    }
    if (call->kind == PLAIT__AMP_SWITCH)
        plait__amp_hand_over(amp, call->protocol, call->self);
    plait_mem_free(call);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static struct plait_fault fault_of(const struct plait_amp_command *command, plait_slice code)
{
    struct plait_fault fault = plait_fault_make(PLAIT_EREPLY, "amp");
    if (plait_slice_equal(code, PLAIT_LIT("UNHANDLED")))
        fault.detail = "UNHANDLED";
    else if (plait_slice_equal(code, PLAIT_LIT("UNKNOWN")))
        fault.detail = "UNKNOWN";
    for (const struct plait_amp_error *e = command->errors; e && e->code; e++) {
        if (plait_slice_equal(plait_slice_text(e->code), code)) {
            fault.err = e->err;
            fault.detail = e->code;
        }
    }
    return fault;
}

void plait__amp_error_came(struct plait_amp *amp, const struct plait__amp_head *head)
{
    struct plait__amp_call *call = take_call(amp, head->error);
    if (!call) {
        plait_abort_with(amp->s, PLAIT_EPROTOCOL, "an error for nothing that was asked");
        return;
    }
    plait_buf_clear(&amp->description);
    plait_buf_put(&amp->description, head->description);
    plait_fire_fault(call->deferred, fault_of(call->command, head->code));
    if (call->kind == PLAIT__AMP_TLS)
        plait_abort_with(amp->s, PLAIT_EREPLY, "the peer refuses TLS");
    if (call->kind == PLAIT__AMP_SWITCH) {
        amp->holding = false;
        plait__amp_send_waiting(amp);
    }
    plait_mem_free(call);
}

plait_slice plait_amp_description(const struct plait_amp *amp)
{
    return plait_buf_slice(&amp->description);
}

void plait__amp_calls_end(struct plait_amp *amp, const struct plait_fault *fault)
{
    for (size_t i = 0; i < amp->calls.places; i++) {
        struct plait__amp_call *call = amp->calls.place[i];
        if (!call)
            continue;
        plait_fire_fault(call->deferred, *fault);
        forget_call(amp, call);
    }
    plait_mem_free(amp->calls.place);
    amp->calls = (struct plait__amp_calls){.places = 0};
}
