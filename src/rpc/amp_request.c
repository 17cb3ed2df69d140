/* SPDX-License-Identifier: MIT
 *
 * The peer's requests: a command is looked up, its arguments are checked, its handler runs, and the answer goes out now
 * or later.
 *
 * Invariant: a request is answered once, or its answer thrown away once; its memory goes with that. Bad arguments are
 * answered and end nothing.
 * Test: tests/rpc/test_amp.c.
 */
#include "rpc/amp_core.h"

#include "base/try.h"

static const plait_slice unknown = {(const uint8_t *)"UNKNOWN", 7};

void plait__amp_send_error(struct plait_amp *amp, plait_slice tag, plait_slice code, plait_slice description)
{
    struct plait_buf *buf = &amp->box.buf;
    plait__amp_box_begin(&amp->box, NULL);
    plait__amp_put_pair(buf, PLAIT_LIT("_error"), tag);
    plait__amp_put_pair(buf, PLAIT_LIT("_error_code"), code);
    plait__amp_put_pair(buf, PLAIT_LIT("_error_description"), plait_slice_sub(description, 0, PLAIT__AMP_VALUE_MAX));
    const plait_err err = plait__amp_send(amp);
    if (err != PLAIT_OK && amp->s)
        plait_abort_with(amp->s, err, "an error could not be sent");
}

static plait_slice tag_of(const struct plait_amp_request *req)
{
    return plait_slice_of(req->tag, req->tag_len);
}

/* --- a command comes ---------------------------------------------------------------------------------------------- */

static const struct plait_amp_responder *find_responder(const struct plait_amp *amp, plait_slice name)
{
    for (const struct plait_amp_responder *r = amp->o.responders; r && r->command; r++) {
        if (plait_slice_equal(plait_slice_text(r->command->name), name))
            return r;
    }
    return NULL;
}

static void refuse(struct plait_amp *amp, const struct plait__amp_head *head, plait_slice code, const char *fmt,
                   plait_slice what)
{
    struct plait_buf text;
    if (!head->ask.ptr)
        return; /* nobody listens */
    plait_buf_init(&text, plait_stream_budget(amp->s), 2 * (size_t)PLAIT__AMP_VALUE_MAX);
    plait_buf_put_text(&text, fmt);
    plait_buf_put(&text, what);
    plait__amp_send_error(amp, head->ask, code, plait_buf_slice(&text));
    plait_buf_deinit(&text);
}

static struct plait_amp_request *request_new(struct plait_amp *amp, const struct plait_amp_command *command,
                                             plait_slice ask)
{
    struct plait_amp_request *req = plait_mem_new(plait_reactor_budget(amp->reactor), sizeof *req + ask.len);
    if (!req)
        return NULL;
    req->amp = plait__amp_ref(amp);
    req->command = command;
    req->asked = ask.ptr != NULL;
    req->tag_len = ask.len;
    if (ask.len > 0)
        memcpy(req->tag, ask.ptr, ask.len);
    amp->requests++;
    return req;
}

static void run(struct plait_amp *amp, const struct plait_amp_responder *responder, const struct plait__amp_head *head,
                plait_slice wire, struct plait__amp_descriptors *descriptors)
{
    struct plait_amp_request *req = request_new(amp, responder->command, head->ask);
    const struct plait_amp_values values = {
        .fields = responder->command->arguments, .wire = wire, .descriptors = descriptors};
    if (req)
        responder->fn(req, &values, amp->o.ctx);
    else
        plait_abort_with(amp->s, PLAIT_ENOMEM, "a request found no memory");
}

void plait__amp_command_came(struct plait_amp *amp, const struct plait__amp_head *head, plait_slice wire)
{
    struct plait__amp_checked checked;
    struct plait__amp_descriptors descriptors;
    const struct plait_amp_responder *responder = find_responder(amp, head->command);
    if (!responder && plait_slice_equal(head->command, PLAIT_LIT("StartTLS")) && head->ask.ptr) {
        plait__amp_tls_asked(amp, head->ask);
        return;
    }
    if (!responder) {
        refuse(amp, head, PLAIT_LIT("UNHANDLED"), "Unhandled Command: ", head->command);
        return;
    }
    if (plait__amp_check(responder->command->arguments, wire, &checked) != PLAIT_OK) {
        refuse(amp, head, unknown, "missing or malformed argument: ", plait_slice_text(checked.field));
        return;
    }
    if (!plait__amp_descriptors_split(&amp->in, checked.descriptors, &descriptors)) {
        refuse(amp, head, unknown, "a descriptor did not come", PLAIT_LIT(""));
        return;
    }
    run(amp, responder, head, wire, &descriptors);
    plait__amp_descriptors_end(&descriptors);
}

/* --- answering ---------------------------------------------------------------------------------------------------- */

static void end_request(struct plait_amp_request *req)
{
    struct plait_amp *amp = req->amp;
    plait_mem_free(req);
    plait__amp_request_over(amp);
}

struct plait_amp_box *plait_amp_response(struct plait_amp_request *req)
{
    struct plait_amp_box *box = &req->amp->box;
    plait__amp_box_begin(box, req->command->response);
    box->command = NULL;
    plait__amp_put_pair(&box->buf, PLAIT_LIT("_answer"), tag_of(req));
    return box;
}

static void warn(struct plait_amp *amp, const char *command, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, "amp");
    const struct plait_field fields[] = {plait_field_text("command", command), plait_field_fault(&fault),
                                         plait_field_end()};
    plait__warn(amp->reactor, "amp-answer-wrong", "An answer is not as its command declares it.", fields);
}

/* Sends the box that was written as the answer to a request. */
static bool answer(struct plait_amp_request *req)
{
    struct plait_amp *amp = req->amp;
    if (!req->asked || !amp->s)
        return true;
    plait_err err = plait__amp_box_end(&amp->box);
    if (err == PLAIT_OK)
        err = plait__amp_send(amp);
    if (err == PLAIT_OK)
        return true;
    warn(amp, req->command->name, err);
    plait__amp_send_error(amp, tag_of(req), unknown, plait_slice_text("the answer could not be made"));
    plait_close_with(amp->s, err, "an answer could not be made");
    return false;
}

void plait_amp_reply(struct plait_amp_request *req)
{
    (void)answer(req);
    end_request(req);
}

static bool is_fatal(const struct plait_amp_command *command, const char *code)
{
    for (const struct plait_amp_error *e = command->errors; e && e->code; e++) {
        if (strcmp(e->code, code) == 0)
            return e->fatal;
    }
    return strcmp(code, "UNKNOWN") == 0;
}

void plait_amp_reply_error(struct plait_amp_request *req, const char *code, const char *description)
{
    struct plait_amp *amp = req->amp;
    if (amp->s && req->asked)
        plait__amp_send_error(amp, tag_of(req), plait_slice_text(code), plait_slice_text(description));
    if (amp->s && is_fatal(req->command, code))
        plait_close_with(amp->s, PLAIT_EREPLY, "a fatal error was answered");
    end_request(req);
}

void plait_amp_reply_switch(struct plait_amp_request *req, const struct plait_protocol *protocol, void *self)
{
    if (answer(req) && req->amp->s)
        plait__amp_hand_over(req->amp, protocol, self);
    end_request(req);
}

struct plait_amp *plait_amp_request_connection(struct plait_amp_request *req)
{
    return req->amp->s ? req->amp : NULL;
}
