/* SPDX-License-Identifier: MIT
 *
 * The contract of a stream: which callback comes when, what is kept of the input, how an end goes. Carriers call up
 * through plait__stream_up and are never told anything from inside that but what they want; protocols are called from
 * the loop only. Output is stream_out.c, what a stream can be asked is stream_info.c.
 *
 * Invariant: every callback is made by call_*() below; none is made while another of the same stream runs
 * (PLAIT__F_IN_CALL); after plait_close or plait_abort the state is CLOSING or later, and then only `room`'s absence
 * and `lost` remain. Tests: tests/engine/test_stream.c over pairs and sockets, and the stream scenarios of the
 * simulated world.
 */
#include "engine/stream_core.h"

#include <assert.h>

enum { INPUT_MAX = 64 * 1024, KEPT_FIRST = 512 };

static size_t input_max(const struct plait_stream *s)
{
    return s->protocol && s->protocol->input_max ? s->protocol->input_max : INPUT_MAX;
}

static size_t kept_len(const struct plait_stream *s)
{
    return s->state <= PLAIT__S_OPEN && s->kept ? s->kept->len : 0;
}

static bool bounds_output(const struct plait_stream *s)
{
    return s->protocol && (s->protocol->flags & PLAIT_BOUNDS_OUTPUT);
}

/* Whether `data` may be called now. */
static inline bool may_read(const struct plait_stream *s)
{
    /* `secured` comes before `data` */
    const uint32_t not_now = PLAIT__F_PAUSED | PLAIT__F_HANDSHAKE | PLAIT__F_CALL_SECURED | PLAIT__F_STOPPED;
    if (s->state != PLAIT__S_OPEN || (s->flags & (not_now | PLAIT__F_CONNECTED)) != PLAIT__F_CONNECTED)
        return false;
    return !(s->flags & PLAIT__F_FULL) || bounds_output(s);
}

void plait__stream_mark(struct plait_stream *s)
{
    struct plait_reactor *r = s->reactor;
    if (s->flags & (PLAIT__F_DIRTY | PLAIT__F_LOST_TOLD)) /* the link of one that is lost is that of the graves */
        return;
    s->flags |= PLAIT__F_DIRTY;
    s->queue = NULL;
    *r->dirty_last = s;
    r->dirty_last = &s->queue;
    plait__reactor_touch(r);
}

void plait__stream_want(struct plait_stream *s)
{
    uint32_t want = 0;
    if (s->flags & PLAIT__F_EOF_SEEN)
        want = 0;
    else if (s->state == PLAIT__S_CLOSING || s->state == PLAIT__S_LINGERING)
        want = INPUT_MAX;
    else if (s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_HANDSHAKE))
        want = (uint32_t)input_max(s);
    else if (may_read(s) && kept_len(s) < input_max(s))
        want = (uint32_t)(input_max(s) - kept_len(s));
    if (want == s->asked || s->state >= PLAIT__S_CLOSED)
        return;
    s->asked = want;
    s->carrier->ops->want_input(s->carrier, want);
}

/* --- why it ends -------------------------------------------------------------------------------------------------- */

/* A stream that was to end well and did not: a part of what was written never left. */
static bool ended_ill(const struct plait_stream *s)
{
    return s->state == PLAIT__S_CLOSING && plait_pending(s) > 0 && (s->err == PLAIT_OK || s->err == PLAIT_EEOF);
}

void plait__stream_blame(struct plait_stream *s, const struct plait_fault *fault)
{
    if ((s->flags & PLAIT__F_FAULTED) && !ended_ill(s))
        return;
    s->flags |= PLAIT__F_FAULTED;
    s->err = (uint8_t)fault->err;
    s->os_errno = (int16_t)fault->os_errno;
    s->tls_alert = (int16_t)fault->tls_alert;
    s->step = fault->step;
    s->detail = fault->detail;
}

void plait__stream_blame_left(struct plait_stream *s, const struct plait_fault *fault)
{
    if (s->err != PLAIT_OK && s->err != PLAIT_EEOF)
        return;
    s->flags &= ~(uint32_t)PLAIT__F_FAULTED;
    plait__stream_blame(s, fault);
}

void plait__stream_fault(const struct plait_stream *s, struct plait_fault *out)
{
    *out = (struct plait_fault){.err = (plait_err)s->err,
                                .os_errno = s->os_errno,
                                .tls_alert = s->tls_alert,
                                .step = s->step,
                                .detail = s->detail};
    const enum plait_err_class cls = plait_err_class_of(out->err);
    out->retry = cls == PLAIT_CLASS_IO || cls == PLAIT_CLASS_TIMEOUT || cls == PLAIT_CLASS_AGAIN;
    plait_stream_counts(s, NULL, &out->bytes_done);
}

static void forget_kept(struct plait_stream *s)
{
    if (s->state > PLAIT__S_OPEN)
        return;
    plait_mem_free(s->kept);
    s->kept = NULL;
}

/* The last step of every end: the carrier goes. `lost` follows when it says that it is gone. */
static void close_carrier(struct plait_stream *s, bool abort)
{
    forget_kept(s);
    plait__stream_drop_output(s);
    if (s->state == PLAIT__S_LINGERING) {
        plait__list_remove(&s->all);
        plait__list_add_tail(&s->reactor->streams, &s->all);
    }
    s->state = PLAIT__S_CLOSED;
    s->carrier->ops->close(s->carrier, abort);
}

void plait__stream_fail(struct plait_stream *s, const struct plait_fault *fault)
{
    if (s->state >= PLAIT__S_CLOSED)
        return;
    plait__stream_blame(s, fault);
    close_carrier(s, true);
}

static void fail_with(struct plait_stream *s, plait_err err, const char *step, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, step);
    fault.detail = detail;
    plait__stream_fail(s, &fault);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static bool keep(struct plait_stream *s, const uint8_t *bytes, size_t len)
{
    struct plait__kept *k = s->kept;
    const size_t have = k ? k->len : 0;
    if (k && k->at > 0) {
        memmove(k->bytes, k->bytes + k->at, k->len);
        k->at = 0;
    }
    if (!k || have + len > k->cap) {
        size_t cap = k ? k->cap : KEPT_FIRST;
        while (cap < have + len)
            cap *= 2;
        k = plait_mem_resize(&s->budget, k, sizeof *k + cap);
        if (!k) {
            fail_with(s, PLAIT_ENOMEM, "receive", NULL);
            return false;
        }
        if (!s->kept)
            k->at = k->len = 0;
        k->cap = (uint32_t)cap;
        s->kept = k;
    }
    memcpy(k->bytes + k->len, bytes, len);
    k->len += (uint32_t)len;
    return true;
}

static void drop_kept(struct plait_stream *s, size_t taken)
{
    struct plait__kept *k = s->kept;
    k->at += (uint32_t)taken;
    k->len -= (uint32_t)taken;
    if (k->len == 0)
        forget_kept(s);
}

/* Every callback but `lost` begins here. What is asserted are the laws of the contract, which debug builds check. */
static void enter(struct plait_stream *s)
{
    assert(s->reactor->in_turn); /* never inside a call of the user's from outside */
    assert(s->state == PLAIT__S_OPEN);
    assert(s->flags & PLAIT__F_CONNECTED);
    assert(!(s->flags & (PLAIT__F_IN_CALL | PLAIT__F_LOST_TOLD)));
    s->flags |= PLAIT__F_IN_CALL;
}

static void leave(struct plait_stream *s)
{
    assert(s->flags & PLAIT__F_IN_CALL);
    s->flags &= ~(uint32_t)PLAIT__F_IN_CALL;
}

/* One call of `data`. Returns how much was taken. */
static size_t call_data(struct plait_stream *s, const uint8_t *bytes, size_t len)
{
    s->need = 0;
    if (!s->protocol->data)
        return len;
    enter(s);
    const size_t taken = s->protocol->data(s, plait_slice_of(bytes, len), s->self);
    leave(s);
    return taken < len ? taken : len;
}

/* Whether what is left must be offered again without new bytes: because the protocol is another now, or has what it
 * said it needs, or because it took something of a window that did not show everything. */
static bool goes_on(const struct plait_stream *s, const struct plait_protocol *before, bool more, size_t left)
{
    if (left == 0 || left < s->need || s->state > PLAIT__S_OPEN)
        return false;
    return s->protocol != before || s->need > 0 || more;
}

/* Offers bytes to the protocol as long as that makes sense: a window at a time, for one that was attached late may want
 * less than was kept for it. Returns how much was taken in all. */
static size_t offer(struct plait_stream *s, const uint8_t *bytes, size_t len)
{
    size_t taken = 0;
    const struct plait_protocol *before;
    bool more;
    do {
        const size_t left = len - taken;
        const size_t lent = left < input_max(s) ? left : input_max(s);
        before = s->protocol;
        const size_t took = call_data(s, bytes + taken, lent);
        more = took > 0 && lent < left;
        taken += took;
        if (taken == len)
            return taken;
    } while (may_read(s) && goes_on(s, before, more, len - taken));
    if (goes_on(s, before, more, len - taken))
        s->flags |= PLAIT__F_CALL_DATA; /* when reading may go on */
    return taken;
}

/* Bytes in the clear that stood behind the command that started TLS: whoever sent them was not the peer that TLS will
 * know. */
static bool clear_bytes_behind_tls(struct plait_stream *s, size_t left)
{
    if (left == 0 || !(s->flags & PLAIT__F_HANDSHAKE) || s->state != PLAIT__S_OPEN)
        return false;
    fail_with(s, PLAIT_ECLEARTEXT, "starttls", NULL);
    return true;
}

static void check_full_window(struct plait_stream *s)
{
    if (kept_len(s) >= input_max(s) && may_read(s))
        fail_with(s, PLAIT_ETOOLONG, "receive", NULL);
}

static void offer_kept(struct plait_stream *s)
{
    if (s->kept && !may_read(s))
        return; /* the flag stays: they are offered when reading may go on */
    s->flags &= ~(uint32_t)PLAIT__F_CALL_DATA;
    if (!s->kept || s->kept->len < s->need)
        return;
    /* The protocol may close the stream: the bytes must outlive that. */
    struct plait__kept *k = s->kept;
    s->kept = NULL;
    const size_t taken = offer(s, k->bytes + k->at, k->len);
    if (s->state > PLAIT__S_OPEN) {
        plait_mem_free(k);
        return;
    }
    s->kept = k;
    drop_kept(s, taken);
    if (!clear_bytes_behind_tls(s, kept_len(s)))
        check_full_window(s);
}

static void up_input(void *up, uint8_t *bytes, size_t len)
{
    struct plait_stream *s = up;
    assert(len > 0 && !(s->flags & PLAIT__F_EOF_SEEN) && s->state < PLAIT__S_CLOSED);
    if (s->state > PLAIT__S_OPEN)
        return; /* discarded: the peer's last words after ours */
    const bool direct =
        may_read(s) && !s->kept && !(s->flags & (PLAIT__F_IN_CALL | PLAIT__F_CALL_DATA)) && len >= s->need;
    if (!direct) {
        if (keep(s, bytes, len)) {
            s->flags |= PLAIT__F_CALL_DATA;
            plait__stream_mark(s);
            if (!(s->flags & PLAIT__F_IN_CALL))
                offer_kept(s);
        }
    } else {
        const size_t taken = offer(s, bytes, len);
        if (s->state <= PLAIT__S_OPEN && taken < len && !clear_bytes_behind_tls(s, len - taken) &&
            keep(s, bytes + taken, len - taken))
            check_full_window(s);
    }
    if (!(s->flags & PLAIT__F_IN_CALL))
        plait__stream_push(s);
    plait__stream_want(s);
}

static void up_input_end(void *up)
{
    struct plait_stream *s = up;
    assert(!(s->flags & PLAIT__F_EOF_SEEN)); /* the end comes once */
    s->flags |= PLAIT__F_EOF_SEEN;
    if (s->state == PLAIT__S_LINGERING)
        close_carrier(s, false);
    else
        plait__stream_mark(s);
}

static void up_input_fds(void *up, const int *fds, size_t count)
{
    struct plait_stream *s = up;
    if (s->state == PLAIT__S_OPEN && s->protocol->fds && (s->flags & PLAIT__F_CONNECTED)) {
        enter(s);
        s->protocol->fds(s, fds, count, s->self);
        leave(s);
        return;
    }
    for (size_t i = 0; i < count; i++) /* TQ-120 */
        s->reactor->sys->ops->close(s->reactor->sys, fds[i]);
}

static void up_writable(void *up)
{
    struct plait_stream *s = up;
    s->flags &= ~(uint32_t)PLAIT__F_BLOCKED;
    plait__stream_push(s);
}

static void up_secured(void *up)
{
    struct plait_stream *s = up;
    s->flags = (s->flags & ~(uint32_t)PLAIT__F_HANDSHAKE) | PLAIT__F_CALL_SECURED | PLAIT__F_SECURED;
    plait__stream_mark(s);
}

static void up_failed(void *up, const struct plait_fault *fault)
{
    struct plait_stream *s = up;
    /* While lingering the own words are said: that the peer then resets is no fault of this stream. */
    if (s->state == PLAIT__S_LINGERING)
        close_carrier(s, true);
    else
        plait__stream_fail(s, fault);
}

static void up_closed(void *up)
{
    struct plait_stream *s = up;
    assert(s->state == PLAIT__S_CLOSED); /* after close, and once */
    s->state = PLAIT__S_GONE;
    plait__stream_mark(s);
}

const struct plait__up_ops plait__stream_up = {
    .input = up_input,
    .input_end = up_input_end,
    .input_fds = up_input_fds,
    .writable = up_writable,
    .secured = up_secured,
    .failed = up_failed,
    .closed = up_closed,
};

/* --- the calls that are due --------------------------------------------------------------------------------------- */

static void call_connected(struct plait_stream *s)
{
    s->flags |= PLAIT__F_CONNECTED;
    if (!s->protocol->connected)
        return;
    enter(s);
    s->protocol->connected(s, s->self);
    leave(s);
}

static void call_secured(struct plait_stream *s)
{
    s->flags &= ~(uint32_t)PLAIT__F_CALL_SECURED;
    if (!s->protocol->secured)
        return;
    enter(s);
    s->protocol->secured(s, plait_stream_tls(s), s->self);
    leave(s);
}

static void call_room(struct plait_stream *s)
{
    s->flags &= ~(uint32_t)PLAIT__F_CALL_ROOM;
    if (!s->protocol->room)
        return;
    enter(s);
    s->protocol->room(s, s->self);
    leave(s);
}

static void call_eof(struct plait_stream *s)
{
    s->flags |= PLAIT__F_EOF_TOLD;
    if (s->protocol->eof) {
        enter(s);
        s->protocol->eof(s, kept_len(s), s->self);
        leave(s);
    }
    if (s->state == PLAIT__S_OPEN && !(s->protocol->flags & PLAIT_HALF_CLOSE))
        plait_close(s);
}

static void call_lost(struct plait_stream *s)
{
    struct plait_fault fault;
    plait__stream_fault(s, &fault);
    assert(!(s->flags & (PLAIT__F_IN_CALL | PLAIT__F_LOST_TOLD)));
    s->flags |= PLAIT__F_LOST_TOLD;
    if (s->protocol && s->protocol->lost) {
        const char *name = s->protocol->name; /* the table may go with the protocol's object */
        plait__callback_begin(s->reactor);
        s->protocol->lost(s, &fault, s->self);
        plait__callback_end(s->reactor, name);
    }
}

static void bury(struct plait_stream *s)
{
    struct plait_reactor *r = s->reactor;
    assert(s->flags & PLAIT__F_LOST_TOLD); /* from here on its link is that of the graves */
    plait__list_remove(&s->all);
    if (s->flags & PLAIT__F_ADOPTED)
        plait__listener_forget(s);
    r->stream_count--;
    plait_metric_add(&r->counts.streams, -1);
    plait__drain_stream_gone(r);
    s->queue = r->graves;
    r->graves = s;
}

/* Makes the calls that are due, in the order of the contract. Each may change everything. */
static void make_calls(struct plait_stream *s)
{
    if (s->state == PLAIT__S_OPEN && !(s->flags & PLAIT__F_CONNECTED))
        call_connected(s);
    if (s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_CALL_SECURED))
        call_secured(s);
    if (s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_CALL_ROOM))
        call_room(s);
    if (s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_CALL_DATA))
        offer_kept(s);
    if (s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_EOF_SEEN) &&
        !(s->flags & (PLAIT__F_EOF_TOLD | PLAIT__F_CALL_DATA)) && may_read(s))
        call_eof(s);
}

static void flush_one(struct plait_stream *s)
{
    if (s->state == PLAIT__S_OPEN && s->protocol) {
        const char *name = s->protocol->name;
        plait__callback_begin(s->reactor);
        make_calls(s);
        plait__stream_push(s);
        plait__callback_end(s->reactor, name);
    } else if (s->state == PLAIT__S_CLOSING) {
        plait__stream_push(s);
    }
    if (s->state == PLAIT__S_GONE) {
        if (!(s->flags & (PLAIT__F_LOST_TOLD | PLAIT__F_HELD))) {
            call_lost(s);
            bury(s);
        }
        return;
    }
    plait__stream_want(s);
}

void plait__streams_flush(struct plait_reactor *r)
{
    struct plait_stream *s = r->dirty;
    r->dirty = NULL;
    r->dirty_last = &r->dirty;
    while (s) {
        struct plait_stream *next = s->queue;
        s->flags &= ~(uint32_t)PLAIT__F_DIRTY;
        s->queue = NULL;
        flush_one(s);
        s = next;
    }
}

void plait__streams_release(struct plait_reactor *r)
{
    struct plait_stream *s = r->graves;
    r->graves = NULL;
    while (s) {
        struct plait_stream *next = s->queue;
        static void (*const release[])(struct plait_stream *) = {plait__fd_stream_release, plait__pair_stream_release,
                                                                 plait__stdio_stream_release};
        const bool with_carrier = s->memory == PLAIT__MEM_CARRIER;
        if (s->carrier->ops->free)
            s->carrier->ops->free(s->carrier);
        if (!with_carrier)
            release[s->memory](s);
        s = next;
    }
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void begin_closing(struct plait_stream *s)
{
    forget_kept(s);
    s->state = PLAIT__S_CLOSING;
    s->linger_until = 0;
    plait__stream_mark(s);
}

static void linger(struct plait_stream *s)
{
    struct plait_reactor *r = s->reactor;
    s->state = PLAIT__S_LINGERING;
    s->linger_until = plait_now(r) + PLAIT__LINGER;
    plait__list_remove(&s->all);
    plait__list_add_tail(&r->lingering, &s->all);
    if (!plait_timer_runs(&r->linger))
        plait_timer_arm_at(&r->linger, s->linger_until);
}

void plait__stream_flushed(struct plait_stream *s)
{
    const bool closing = s->state == PLAIT__S_CLOSING;
    const bool brief = closing && (s->flags & PLAIT__F_BRIEF);
    if (!(s->flags & PLAIT__F_SHUT) && !(brief && !s->carrier->ops->tls)) {
        s->flags |= PLAIT__F_SHUT;
        s->carrier->ops->shut(s->carrier);
    }
    if (s->state != PLAIT__S_CLOSING)
        return; /* the half that is left goes on; or the carrier failed meanwhile */
    if (brief || (s->flags & PLAIT__F_EOF_SEEN) || !s->carrier->ops->lingers || !s->carrier->ops->lingers(s->carrier))
        close_carrier(s, false);
    else
        linger(s);
}

static void linger_over(void *ctx)
{
    struct plait_reactor *r = ctx;
    while (!plait__list_empty(&r->lingering)) {
        struct plait_stream *s = plait__container(r->lingering.next, struct plait_stream, all);
        if (s->linger_until > r->now) {
            plait_timer_arm_at(&r->linger, s->linger_until);
            return;
        }
        close_carrier(s, false);
    }
}

void plait_close(struct plait_stream *s)
{
    const bool peer_first = (s->flags & PLAIT__F_EOF_TOLD) && s->protocol && !(s->protocol->flags & PLAIT_HALF_CLOSE);
    plait_close_with(s, peer_first ? PLAIT_EEOF : PLAIT_OK, NULL);
}

void plait_close_with(struct plait_stream *s, plait_err err, const char *detail)
{
    assert(plait__own_thread(s->reactor));
    if (s->state > PLAIT__S_OPEN)
        return;
    struct plait_fault fault = plait_fault_make(err, err == PLAIT_OK || err == PLAIT_EEOF ? NULL : "protocol");
    fault.detail = detail;
    plait__stream_blame(s, &fault);
    begin_closing(s);
}

void plait__stream_close_brief(struct plait_stream *s)
{
    s->flags |= PLAIT__F_BRIEF;
    plait_close(s);
}

void plait_abort(struct plait_stream *s)
{
    plait_abort_with(s, PLAIT_ECANCELLED, NULL);
}

void plait_abort_with(struct plait_stream *s, plait_err err, const char *detail)
{
    assert(plait__own_thread(s->reactor));
    fail_with(s, err, "protocol", detail);
}

void plait__stream_discard(struct plait_stream *s)
{
    s->protocol = NULL;
    fail_with(s, PLAIT_ECANCELLED, NULL, NULL);
}

void plait_close_write(struct plait_stream *s)
{
    assert(plait__own_thread(s->reactor));
    if (s->state > PLAIT__S_OPEN)
        return;
    s->flags |= PLAIT__F_SHUT_WANTED;
    plait__stream_mark(s);
}

static void abort_list(struct plait__list *list, const struct plait_fault *fault)
{
    struct plait__list *at = list->next;
    while (at != list) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        at = at->next;
        plait__stream_fail(s, fault);
    }
}

void plait__streams_abort_all(struct plait_reactor *r, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, NULL);
    abort_list(&r->lingering, &fault);
    abort_list(&r->streams, &fault);
}

/* --- beginning and steering --------------------------------------------------------------------------------------- */

void plait__streams_init(struct plait_reactor *r)
{
    plait_timer_init(&r->linger, r, "linger", linger_over, r);
    plait__fd_streams_init(r);
}

void plait__streams_deinit(struct plait_reactor *r)
{
    plait_timer_stop(&r->linger);
    plait__fd_streams_deinit(r);
}

void plait__stream_init(struct plait_reactor *r, struct plait_stream *s, struct plait__carrier *carrier,
                        enum plait__stream_memory memory)
{
    s->reactor = r;
    s->carrier = carrier;
    carrier->up_ops = &plait__stream_up;
    carrier->up = s;
    s->memory = (uint8_t)memory;
    s->tls_alert = -1;
    r->next_stream_id++;
    s->id_low = (uint32_t)r->next_stream_id;
    s->id_high = (uint16_t)(r->next_stream_id >> 32);
    plait_budget_init(&s->budget, &r->budget, NULL, 0);
    plait__list_add_tail(&r->streams, &s->all);
    r->stream_count++;
    plait_metric_add(&r->counts.streams, 1);
}

void plait_stream_attach(struct plait_stream *s, const struct plait_protocol *protocol, void *self)
{
    assert(plait__own_thread(s->reactor));
    if (s->flags & PLAIT__F_HELD)
        plait__offer_taken(s);
    if (s->state > PLAIT__S_OPEN) {
        if (!(s->flags & PLAIT__F_LOST_TOLD)) {
            s->protocol = protocol; /* it ended before anybody looked: the new one is told, and only that */
            s->self = self;
        }
        return;
    }
    s->protocol = protocol;
    s->self = self;
    s->need = 0;
    s->state = PLAIT__S_OPEN;
    if (s->kept)
        s->flags |= PLAIT__F_CALL_DATA;
    plait__stream_mark(s);
}

void plait_need(struct plait_stream *s, size_t bytes)
{
    const size_t max = input_max(s);
    assert(plait__own_thread(s->reactor));
    s->need = (uint32_t)(bytes < max ? bytes : max);
    if (kept_len(s) >= s->need && kept_len(s) > 0) { /* within `data` nothing counts as kept */
        s->flags |= PLAIT__F_CALL_DATA;
        plait__stream_mark(s);
    }
}

void plait_pause(struct plait_stream *s)
{
    assert(plait__own_thread(s->reactor));
    if (s->state > PLAIT__S_OPEN)
        return; /* inside `lost` nothing may put it on a list any more */
    s->flags |= PLAIT__F_PAUSED;
    plait__stream_mark(s); /* the carrier is told later: a protocol may resume before anything happened */
}

void plait_resume(struct plait_stream *s)
{
    assert(plait__own_thread(s->reactor));
    if (!(s->flags & PLAIT__F_PAUSED) || s->state > PLAIT__S_OPEN)
        return;
    s->flags &= ~(uint32_t)PLAIT__F_PAUSED;
    if (kept_len(s) > 0)
        s->flags |= PLAIT__F_CALL_DATA;
    plait__stream_mark(s);
}
