/* SPDX-License-Identifier: MIT
 *
 * Server-sent events (HTML Living Standard, section 9.2): an answer in pieces that ends when one side has enough. It
 * knows nothing of what carries the request.
 *
 * Invariant: nothing that is sent can begin another field or event; a client that takes nothing holds at most the
 * high-water mark, the limit and one event. The memory is the request's. Test: tests/web/test_http_events.c.
 */
#include "base/try.h"
#include "web/http_core.h"
#include "web/ws_wire.h"

#include <plait/events.h>

enum { KEEPALIVE_S = 15, WAITING_MAX = 1 << 20, KEPT = 4096 };

struct plait_events {
    struct plait_request *req;
    plait_events_fn gone;
    void *ctx;
    struct plait_timer keepalive;
    struct plait_soon soon; /* the end that a call of ours brought about */
    struct plait_buf text;
    plait_span every;
    size_t waiting, waiting_max;
    plait_time sent;
    bool over;
};

plait_slice plait_events_last_id(const struct plait_request *req)
{
    return plait_request_field(req, "Last-Event-ID");
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static struct plait_request *let_go(struct plait_events *e)
{
    plait_timer_stop(&e->keepalive);
    plait_soon_cancel(&e->soon);
    plait_buf_deinit(&e->text);
    return e->req;
}

static void tell_gone(struct plait_events *e)
{
    struct plait_request *req = let_go(e);
    e->over = true;
    if (e->gone)
        e->gone(e, e->ctx);
    plait_request_drop(req);
}

static void on_gone(struct plait_request *req, void *ctx)
{
    (void)req;
    tell_gone(ctx);
}

static void gone_soon(void *ctx)
{
    tell_gone(ctx);
}

/* Nothing more can be sent: the end comes in a later step. */
static plait_err give_up(struct plait_events *e, plait_err err)
{
    e->over = true;
    plait_timer_stop(&e->keepalive);
    plait_soon_queue(&e->soon);
    return err;
}

void plait_events_end(struct plait_events **events)
{
    struct plait_events *e = *events;
    *events = NULL;
    if (!e)
        return;
    struct plait_request *req = let_go(e);
    plait_request_gone(req, NULL, NULL);
    plait_reply_end(req);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* Sends what was put together. */
static plait_err flush(struct plait_events *e)
{
    if (e->text.err)
        return PLAIT_FAIL(give_up(e, PLAIT_ENOMEM));
    if (plait_reply_is_full(e->req)) {
        if (e->text.len > e->waiting_max - e->waiting)
            return PLAIT_FAIL(give_up(e, PLAIT_ELIMIT));
        e->waiting += e->text.len;
    }
    plait_reply_write(e->req, plait_buf_slice(&e->text));
    e->sent = plait_now(e->req->web->reactor);
    if (e->text.cap > KEPT)
        plait_buf_deinit(&e->text);
    return PLAIT_OK;
}

static void on_room(struct plait_request *req, void *ctx)
{
    struct plait_events *e = ctx;
    (void)req;
    e->waiting = 0;
}

/* One line of a field or a comment; an empty name begins a comment. */
static void put_line(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_put_text(out, name);
    plait_buf_put(out, value.len ? PLAIT_LIT(": ") : PLAIT_LIT(":"));
    plait_buf_put(out, value);
    plait_buf_put_u8(out, '\n');
}

/* A line for each line of a text, however it ends. */
static void put_lines(struct plait_buf *out, const char *name, plait_slice text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        const bool lf = text.ptr[i] == '\n';
        if (!lf && text.ptr[i] != '\r')
            continue;
        put_line(out, name, plait_slice_sub(text, from, i));
        if (!lf && i + 1 < text.len && text.ptr[i + 1] == '\n')
            i++;
        from = i + 1;
    }
    put_line(out, name, plait_slice_sub(text, from, text.len));
}

static bool is_text(plait_slice text)
{
    struct plait__utf8 state = {0};
    return plait__utf8_check(&state, text) && state.need == 0;
}

static bool is_one_line(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == 0)
            return false;
    }
    return is_text(text);
}

plait_err plait_events_send(struct plait_events *events, const struct plait_event *event)
{
    struct plait_buf *out = &events->text;
    if (events->over)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (!is_one_line(event->name) || !is_one_line(event->id) || !is_text(event->data))
        return PLAIT_FAIL(PLAIT_EINVAL);
    plait_buf_clear(out);
    if (event->retry > 0)
        plait_buf_printf(out, "retry: %lld\n", (long long)(event->retry / plait_millis(1)));
    if (event->id.ptr)
        put_line(out, "id", event->id);
    if (event->name.ptr)
        put_line(out, "event", event->name);
    if (event->data.ptr)
        put_lines(out, "data", event->data);
    plait_buf_put_u8(out, '\n');
    return flush(events);
}

plait_err plait_events_comment(struct plait_events *events, plait_slice text)
{
    if (events->over)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (!is_text(text))
        return PLAIT_FAIL(PLAIT_EINVAL);
    plait_buf_clear(&events->text);
    put_lines(&events->text, "", text);
    plait_buf_put_u8(&events->text, '\n');
    return flush(events);
}

bool plait_events_is_full(const struct plait_events *events)
{
    return plait_reply_is_full(events->req);
}

/* Silence; a client that takes nothing needs no comment to be known alive. */
static void on_silence(void *ctx)
{
    struct plait_events *e = ctx;
    const plait_time due = e->sent + e->every;
    if (plait_now(e->req->web->reactor) < due) {
        plait_timer_arm_at(&e->keepalive, due);
        return;
    }
    plait_timer_arm(&e->keepalive, e->every);
    if (!plait_reply_is_full(e->req))
        (void)plait_events_comment(e, plait_slice_of(NULL, 0));
}

/* --- the beginning ---------------------------------------------------------------------------------------------- */

static struct plait_events *events_new(struct plait_request *req, const struct plait_events_options *options)
{
    static const struct plait_events_options defaults;
    struct plait_reactor *reactor = req->web->reactor;
    const struct plait_events_options *o = options ? options : &defaults;
    struct plait_events *e = plait_request_memory(req, sizeof *e);
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    e->req = req;
    e->every = o->keepalive ? o->keepalive : plait_seconds(KEEPALIVE_S);
    e->waiting_max = o->waiting_max ? o->waiting_max : WAITING_MAX;
    e->sent = plait_now(reactor);
    plait_timer_init(&e->keepalive, reactor, "events", on_silence, e);
    plait_soon_init(&e->soon, reactor, "events", gone_soon, e);
    plait_buf_init(&e->text, plait_reactor_budget(reactor), SIZE_MAX / 2);
    return e;
}

/* Sends the head. No store between may keep or gather what comes behind it. */
static plait_err send_head(struct plait_request *req)
{
    if (req->phase != PLAIT__HR_OPEN)
        return PLAIT_FAIL(PLAIT_ESTATE);
    PLAIT_TRY(plait_reply_field(req, "Cache-Control", PLAIT_LIT("no-store")));
    PLAIT_TRY(plait_reply_field(req, "X-Accel-Buffering", PLAIT_LIT("no")));
    plait_reply_begin(req, 200, "text/event-stream", PLAIT_LENGTH_UNKNOWN);
    return req->carrier && !req->head_only ? PLAIT_OK : PLAIT_FAIL(PLAIT_ECLOSED);
}

plait_err plait_events_begin(struct plait_request *req, const struct plait_events_options *options,
                             plait_events_fn gone, void *ctx, struct plait_events **out)
{
    struct plait_events *e = events_new(req, options);
    const plait_err err = e ? send_head(req) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err) {
        plait_reply_end(req);
        return err;
    }
    e->gone = gone;
    e->ctx = ctx;
    if (e->every != PLAIT_NEVER)
        plait_timer_arm(&e->keepalive, e->every);
    plait_request_gone(req, on_gone, e);
    plait_reply_room(req, on_room, e);
    *out = e;
    return PLAIT_OK;
}
