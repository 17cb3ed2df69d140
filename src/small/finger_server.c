/* SPDX-License-Identifier: MIT
 *
 * Finger: the server. One line comes, one text goes, the connection closes. Where people are found is a directory's
 * business.
 *
 * Invariant: one answer a connection; a query that is to be forwarded never leaves this machine; the whole of it has
 * one deadline. Test: tests/small/test_finger_server.c.
 */
#include "base/text.h"
#include "base/try.h"

#include <plait/finger.h>
#include <plait/framing.h>

enum { TEXT_MAX = 64 * 1024, TIMEOUT_S = 30 };

struct finger {
    struct plait_reactor *reactor;
    struct plait_finger_directory directory;
    plait_span timeout;
};

/* One connection. It outlives the stream while a look-up runs. */
struct caller {
    struct finger *finger;
    struct plait_stream *s; /* NULL once lost */
    struct plait_line line;
    struct plait_timer deadline;
    struct plait_deferred *lookup;
};

struct plait_finger_text *plait_finger_text_new(struct plait_reactor *reactor)
{
    struct plait_finger_text *text = plait_mem_new(plait_reactor_budget(reactor), sizeof *text);
    if (text)
        plait_buf_init(&text->buf, plait_reactor_budget(reactor), TEXT_MAX);
    return text;
}

void plait_finger_text_free(void *text)
{
    struct plait_finger_text *t = text;
    plait_buf_deinit(&t->buf);
    plait_mem_free(t);
}

/* --- answering ---------------------------------------------------------------------------------------------------- */

static void answer(struct caller *c, const char *text)
{
    plait_write(c->s, plait_slice_text(text));
    plait_write(c->s, PLAIT_LIT("\r\n"));
    plait_close(c->s);
}

/* Sends a directory's text with CR LF at its lines' ends, whichever they had. */
static void answer_text(struct caller *c, plait_slice text)
{
    struct plait_line lines;
    plait_line_init(&lines, text.len + 1);
    while (text.len > 0) {
        const struct plait_frame line = plait_line_next(&lines, text);
        const bool whole = line.event == PLAIT_FRAME_WHOLE;
        plait_write(c->s, whole ? line.payload : text);
        plait_write(c->s, PLAIT_LIT("\r\n"));
        text = plait_slice_sub(text, whole ? line.taken : text.len, text.len);
    }
    plait_close(c->s);
}

static void found(struct plait_result *result, void *ctx)
{
    struct caller *c = ctx;
    c->lookup = NULL;
    if (!c->s) {
        result->fault.err = PLAIT_OK; /* nobody is there any more to hear of it */
        plait_mem_free(c);
        return;
    }
    if (result->fault.err == PLAIT_OK) {
        const struct plait_finger_text *text = result->value.ptr;
        answer_text(c, plait_buf_slice(&text->buf));
    } else {
        answer(c, result->fault.err == PLAIT_ENOTFOUND ? "No such user."
                                                       : "The answer could not be found out; try again later.");
        result->fault.err = PLAIT_OK;
    }
}

static void look_up(struct caller *c, const struct plait_finger_query *query)
{
    const struct plait_finger_directory *d = &c->finger->directory;
    c->lookup = query->user.len > 0 ? d->find(c->finger->reactor, query->user, query->whois, d->ctx)
                                    : d->list(c->finger->reactor, query->whois, d->ctx);
    if (plait_then(c->lookup, found, c) != PLAIT_OK) {
        plait_deferred_cancel(c->lookup);
        c->lookup = NULL;
        answer(c, "Out of memory; try again later.");
    }
}

static void serve_query(struct caller *c, plait_slice line)
{
    struct plait_finger_query query;
    const plait_err err = plait_finger_parse(line, &query);
    if (err != PLAIT_OK)
        answer(c, err == PLAIT_ETOOLONG ? "The query is too long."
                                        : "The query could not be understood; it is: [/W] [user]");
    else if (query.hosts.len > 0)
        answer(c, "Finger forwarding service denied."); /* RFC 1288 section 3.2.1 */
    else if (query.user.len == 0 && !c->finger->directory.list)
        answer(c, "Finger online user list denied."); /* section 3.2.2 */
    else
        look_up(c, &query);
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct caller *c = self;
    const struct plait_frame frame = plait_line_next(&c->line, in);
    if (frame.event == PLAIT_FRAME_MORE)
        return 0;
    plait_pause(s); /* one query a connection */
    if (frame.event == PLAIT_FRAME_BAD)
        answer(c, "The query is too long.");
    else
        serve_query(c, frame.payload);
    return frame.event == PLAIT_FRAME_BAD ? in.len : frame.taken;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct caller *c = self;
    (void)s;
    (void)fault;
    plait_timer_stop(&c->deadline);
    c->s = NULL;
    if (c->lookup)
        plait_deferred_cancel(c->lookup); /* `found` frees */
    else
        plait_mem_free(c);
}

static void out_of_time(void *ctx)
{
    struct caller *c = ctx;
    plait_close_with(c->s, PLAIT_ETIMEDOUT, "the query did not come, or was not answered, in time");
}

static const struct plait_protocol protocol = {
    .name = "finger", .data = data, .lost = lost, .input_max = PLAIT_FINGER_LINE_MAX + 8};

static plait_err open_connection(struct plait_stream *s, void *ctx)
{
    struct finger *finger = ctx;
    struct caller *c = plait_mem_new(plait_reactor_budget(finger->reactor), sizeof *c);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    c->finger = finger;
    c->s = s;
    plait_line_init(&c->line, PLAIT_FINGER_LINE_MAX);
    plait_timer_init(&c->deadline, finger->reactor, "finger-deadline", out_of_time, c);
    plait_timer_arm(&c->deadline, finger->timeout);
    plait_stream_attach(s, &protocol, c);
    return PLAIT_OK;
}

static void finger_free(void *ctx)
{
    struct finger *finger = ctx;
    if (finger->directory.free)
        finger->directory.free(finger->directory.ctx);
    plait_mem_free(finger);
}

struct plait_service *plait_finger_service(struct plait_reactor *reactor,
                                           const struct plait_finger_directory *directory,
                                           const struct plait_finger_options *options)
{
    static const struct plait_service_ops ops = {.name = "finger", .open = open_connection, .free = finger_free};
    struct finger *finger = plait_mem_new(plait_reactor_budget(reactor), sizeof *finger);
    if (!finger) {
        if (directory->free)
            directory->free(directory->ctx);
        return NULL;
    }
    finger->reactor = reactor;
    finger->directory = *directory;
    finger->timeout = options && options->timeout ? options->timeout : plait_seconds(TIMEOUT_S);
    return plait_service_new(reactor, &ops, finger);
}
