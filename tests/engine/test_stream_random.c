/* SPDX-License-Identifier: MIT
 *
 * The contract of a stream under random use: two ends, joined in memory, by a UNIX socket or by TCP in a simulated
 * world with faults, in the clear, with TLS, or with TLS begun in mid-stream. Whatever may be called at any time is
 * called at any time, from outside and from inside of callbacks, on the own end and on the other. A model of each end
 * says which callbacks may come; at quiet moments it says which must have come, so that a lost wake-up is seen too.
 *
 * Seeds: TEST_SEED is the first (a failure names it), TEST_SEEDS how many.
 */
#include "tests/engine/random_world.h"
#include "tests/support/certs.h"

#include "engine/stream_core.h"

#include <plait/listen.h>
#include <plait/tls.h>

#include <fcntl.h>
#include <sys/socket.h>

static struct test_cert ca;
static struct test_cert cert;

/* --- what is done at random --------------------------------------------------------------------------------------- */

/* How many bytes may be written now: before TLS has begun only those that were agreed on. */
static size_t may_write(struct end *e, size_t wish)
{
    if (e->w->mode != STARTING_TLS || e->tls)
        return wish;
    const bool keeps_one = e == &e->w->end[1]; /* that goes with the beginning of TLS */
    const uint64_t left = e->w->clear - e->sent - (keeps_one ? 1 : 0);
    return wish < left ? wish : (size_t)left;
}

static void write_now(struct end *e, size_t len, unsigned how)
{
    static uint8_t bytes[BIG];
    struct plait_reactor *r = plait_stream_reactor(e->s);
    if (!plait_is_open(e->s) || e->shut)
        return;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(e, e->sent + i);
    e->sent += len;
    const plait_slice all = plait_slice_of(bytes, len);
    if (how == 0) {
        struct plait_buf buf;
        plait_buf_init(&buf, plait_stream_budget(e->s), BIG);
        plait_buf_put(&buf, all);
        CALL(e, plait_write_take(e->s, &buf));
    } else if (how == 1) {
        struct plait_shared *shared = plait_shared_new(plait_reactor_budget(r), all);
        CALL(e, plait_write_shared(e->s, shared));
        plait_shared_unref(&shared);
    } else {
        CALL(e, plait_write(e->s, all));
    }
    note_full(e);
}

static void write_some(struct end *e)
{
    static const size_t most[] = {10, 500, 5000, BIG};
    const size_t wish = 1 + (size_t)draw(e->w, most[draw(e->w, TEST_COUNT(most))]);
    write_now(e, may_write(e, wish), (unsigned)draw(e->w, 4));
}

static void send_descriptor(struct end *e)
{
    struct plait_sys *sys = e->w->sys[0];
    const uint8_t byte = byte_at(e, e->sent);
    if (e->w->carrier != BY_UNIX || e->w->mode != IN_CLEAR || !is_open(e) || e->shut)
        return;
    const int fd = sys->ops->eventfd(sys, 0, 0);
    plait_err err;
    CALL(e, err = plait_write_fds(e->s, plait_slice_of(&byte, 1), &fd, 1));
    if (err == PLAIT_OK) {
        e->sent++;
        e->fds_sent++;
    }
    note_full(e);
    sys->ops->close(sys, fd);
}

/* TLS begins: the server's side with the last byte in the clear, the client's behind it. */
static void begin_tls(struct end *e)
{
    struct world *w = e->w;
    const bool server = e == &w->end[1];
    plait_err err;
    if (w->mode != STARTING_TLS || e->tls || !is_open(e) || e->got < w->clear)
        return;
    if (e->sent < w->clear && !e->shut)
        write_now(e, (size_t)(w->clear - e->sent), 2);
    if (!is_open(e))
        return;
    e->tls = true; /* before: nothing may come in between */
    if (server)
        CALL(e, err = plait_starttls_server(e->s, w->server));
    else
        CALL(e, err = plait_starttls_client(e->s, w->client, "server", plait_slice_of(NULL, 0)));
    e->tls = err == PLAIT_OK;
    if (err != PLAIT_OK) {
        e->aborted = true;
        e->asked = PLAIT_ECANCELLED;
        CALL(e, plait_abort(e->s));
    }
}

static void end_it(struct end *e)
{
    if (!is_open(e))
        return;
    switch (draw(e->w, 5)) {
    case 0:
        e->aborted = true;
        e->asked = PLAIT_ECANCELLED;
        CALL(e, plait_abort(e->s));
        break;
    case 1:
        e->aborted = true;
        e->asked = PLAIT_ELIMIT;
        CALL(e, plait_abort_with(e->s, PLAIT_ELIMIT, "at random"));
        break;
    case 2:
        e->closed = true;
        e->asked = PLAIT_ESYNTAX;
        CALL(e, plait_close_with(e->s, PLAIT_ESYNTAX, "at random"));
        break;
    default:
        e->closed = true;
        e->asked = PLAIT_OK;
        CALL(e, plait_close(e->s));
        break;
    }
}

static void attach(struct end *e, struct plait_stream *s, const struct plait_protocol *protocol);
static const struct plait_protocol *any_protocol(struct world *w);

static void set_pause(struct end *e, bool on)
{
    e->paused = on;
    e->was_deaf |= on;
    if (on)
        CALL(e, plait_pause(e->s));
    else
        CALL(e, plait_resume(e->s));
}

static void set_marks(struct end *e)
{
    const size_t high = 1024 * (1 + (size_t)draw(e->w, 100));
    const size_t low = 1 + (size_t)draw(e->w, high);
    CALL(e, plait_stream_marks(e->s, high, low));
}

static void set_need(struct end *e)
{
    const size_t need = (size_t)draw(e->w, 3000);
    if (!is_open(e))
        return;
    e->need = need < window(e) ? need : window(e);
    CALL(e, plait_need(e->s, need));
}

/* The rarer things. */
static void steer(struct end *e)
{
    struct world *w = e->w;
    const uint64_t what = draw(w, 12);
    if (what == 0)
        end_it(e);
    else if (what == 1 && is_open(e) && (w->mode != STARTING_TLS || e->tls)) {
        e->shut = true;
        CALL(e, plait_close_write(e->s));
    } else if (what == 2)
        CALL(e, plait_stream_stall(e->s, plait_seconds(1 + (int64_t)draw(w, 100))));
    else if (what == 3 && is_open(e) && !e->eof)
        attach(e, e->s, any_protocol(w));
    else if (what < 6)
        set_marks(e);
    else if (what < 8)
        send_descriptor(e);
    else
        plait_timer_arm(&e->later, plait_millis((int64_t)draw(w, 300)));
}

static void anything(struct end *e)
{
    struct world *w = e->w;
    if (w->calm || w->ops_left <= 0 || w->broken || !e->s || e->lost)
        return;
    w->ops_left--;
    const uint64_t what = draw(w, 20);
    tell(e, "something", e->in_call ? "inside" : "");
    if (what < 8)
        write_some(e);
    else if (what < 10)
        CALL(e, plait_flush(e->s));
    else if (what < 12)
        set_pause(e, true);
    else if (what < 14)
        set_pause(e, false);
    else if (what < 16)
        set_need(e);
    else if (what < 17)
        begin_tls(e);
    else
        steer(e);
    note_full(e);
}

static void anything_anywhere(struct world *w)
{
    anything(&w->end[draw(w, 2)]);
}

static void from_a_timer(void *ctx)
{
    anything(ctx);
}

/* --- the protocol ------------------------------------------------------------------------------------------------- */

/* Each callback but `lost` begins and ends with these. */
static void enter(struct end *e, struct plait_stream *s, const char *what)
{
    tell(e, what, "");
    law(e, e->w->calls == 0, "no callback runs inside a call of the user's");
    law(e, !e->in_call, "a stream's callbacks don't run inside each other");
    law(e, !e->lost && e->s == s, "nothing comes after `lost`");
    law(e, !e->closed && !e->aborted, "nothing but `lost` comes after close or abort");
    e->in_call = true;
}

static void leave(struct end *e)
{
    for (uint64_t n = draw(e->w, 3); n > 0; n--)
        anything_anywhere(e->w);
    e->in_call = false;
}

static void connected(struct plait_stream *s, void *self)
{
    struct end *e = self;
    enter(e, s, "connected");
    law(e, !e->connected, "`connected` comes once");
    e->connected = true;
    leave(e);
}

static void secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    struct end *e = self;
    enter(e, s, "secured");
    law(e, tls && tls->version, "`secured` tells what was agreed on");
    law(e, e->connected && !e->secured && e->tls, "`secured` comes once, after `connected`");
    e->secured = true;
    leave(e);
}

/* A UNIX socket has no reset: in the clear the other end's abort, or its patience running out, looks like an end. */
static bool abort_is_eof(const struct end *e)
{
    const struct end *o = e->other;
    const bool gave_up = o->lost && o->fault.err != PLAIT_OK && o->fault.err != PLAIT_EEOF;
    return e->w->carrier == BY_UNIX && !e->tls && (o->aborted || gave_up);
}

static void check_window(struct end *e, plait_slice in)
{
    law(e, e->connected, "`data` comes after `connected`");
    law(e, !e->eof || e->got + in.len == e->other->sent || abort_is_eof(e), "`data` after `eof` brings the rest");
    law(e, !e->paused, "no `data` comes while the stream is paused");
    law(e, has_flag(e, PLAIT_BOUNDS_OUTPUT) || !plait_is_full(e->s), "no `data` comes while output stands too high");
    law(e, in.len > 0 && in.len <= window(e), "a window has bytes, and no more than were asked for");
    law(e, in.len >= e->need, "a stated need is kept to");
    law(e, e->got + in.len >= e->offered || in.len == window(e), "what was left comes again");
    law(e, e->got + in.len <= e->other->sent, "nothing comes that was not sent");
    if (e->w->mode != IN_CLEAR)
        law(e, e->tls ? e->secured : e->got + in.len <= e->w->clear, "`secured` comes before what TLS protects");
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != byte_at(e->other, e->got + i)) {
            law(e, false, "bytes arrive as they were sent");
            break;
        }
    }
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct end *e = self;
    enter(e, s, "data");
    check_window(e, in);
    size_t take = in.len;
    if (!e->w->calm && draw(e->w, 3) == 0)
        take = (size_t)draw(e->w, in.len + 1);
    if (take == 0 && in.len >= window(e))
        take = 1;
    e->need = 0;
    e->offered = e->got + in.len;
    e->got += take;
    if (e->w->calm || draw(e->w, 2) == 0)
        begin_tls(e);
    leave(e);
    return take;
}

static void eof(struct plait_stream *s, size_t rest, void *self)
{
    struct end *e = self;
    const struct end *o = e->other;
    enter(e, s, "eof");
    law(e, e->connected && !e->eof && !e->paused, "`eof` comes once, and not while paused");
    law(e, o->shut || o->closed || abort_is_eof(e), "`eof` comes of an orderly end");
    law(e, e->got + rest == o->sent || abort_is_eof(e), "before `eof` comes all that was sent");
    e->eof = true;
    leave(e);
    if (!has_flag(e, PLAIT_HALF_CLOSE) && plait_is_open(s)) {
        e->closed = true; /* it is closed when this returns */
        e->asked = PLAIT_EEOF;
    }
}

static void room(struct plait_stream *s, void *self)
{
    struct end *e = self;
    enter(e, s, "room");
    law(e, e->was_full, "`room` comes after too much");
    law(e, !plait_is_full(s), "when `room` comes there is some");
    e->was_full = false;
    leave(e);
}

static void fds(struct plait_stream *s, const int *fd, size_t count, void *self)
{
    struct end *e = self;
    struct plait_sys *sys = e->w->sys[0];
    enter(e, s, "fds");
    e->fds_got += count;
    law(e, e->fds_got <= e->other->fds_sent, "no descriptor comes that was not sent");
    for (size_t i = 0; i < count; i++)
        sys->ops->close(sys, fd[i]);
    leave(e);
}

/* Whether an end that this side did not ask for is one that may be. */
static bool may_fail(const struct end *e, plait_err err)
{
    const struct end *o = e->other;
    if (err == PLAIT_ENOMEM || err == PLAIT_ECLEARTEXT || err == PLAIT_ETOOLONG || err == PLAIT_OK)
        return false;
    if (err == PLAIT_EPEERSTALLED)
        return (e->w->faults & PLAIT_SIM_LOSS) || o->was_deaf || o->closed || o->aborted || !o->s;
    return o->closed || o->aborted || o->lost || (e->w->faults & PLAIT_SIM_RESET);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct end *e = self;
    law(e, e->w->calls == 0, "no callback runs inside a call of the user's");
    law(e, !e->in_call, "`lost` comes after the callback that ended it");
    law(e, !e->lost && e->s == s, "`lost` comes once");
    const bool as_asked = (e->closed || e->aborted) && fault->err == e->asked;
    const bool with_reactor = e->w->ending && fault->err == PLAIT_ECANCELLED;
    const bool peers_end = e->closed && e->asked == PLAIT_OK && e->eof && fault->err == PLAIT_EEOF;
    law(e, as_asked || peers_end || with_reactor || may_fail(e, fault->err), "`lost` tells a reason that there is");
    e->fault = *fault;
    tell(e, "lost", plait_err_name(fault->err));
    plait_timer_stop(&e->later);
    if (draw(e->w, 4) == 0) { /* what does nothing any more must do nothing */
        CALL(e, plait_write(s, PLAIT_LIT("too late")));
        CALL(e, plait_pause(s));
        CALL(e, plait_resume(s));
        CALL(e, plait_need(s, 1));
        CALL(e, plait_flush(s));
        CALL(e, plait_close(s));
        CALL(e, plait_abort(s));
    }
    e->lost = true;
    e->s = NULL;
    anything(e->other);
}

#define TABLE(...)                                                                                                     \
    {                                                                                                                  \
        .name = "random", .connected = connected, .secured = secured, .data = data, .eof = eof, .room = room,          \
        .fds = fds, .lost = lost, __VA_ARGS__                                                                          \
    }

static const struct plait_protocol protocols[] = {
    TABLE(.flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT),
    TABLE(.flags = 0),
    TABLE(.flags = PLAIT_HALF_CLOSE),
    TABLE(.flags = PLAIT_BOUNDS_OUTPUT),
    TABLE(.flags = PLAIT_HALF_CLOSE, .input_max = 1000),
};

static const struct plait_protocol *any_protocol(struct world *w)
{
    return &protocols[draw(w, TEST_COUNT(protocols))];
}

static void attach(struct end *e, struct plait_stream *s, const struct plait_protocol *protocol)
{
    e->s = s;
    e->protocol = protocol;
    e->need = 0;
    CALL(e, plait_stream_attach(s, protocol, e));
}

/* --- joining them ------------------------------------------------------------------------------------------------- */

static void begin(struct end *e, struct plait_stream *s)
{
    struct world *w = e->w;
    plait_err err = PLAIT_OK;
    attach(e, s, any_protocol(w));
    if (w->mode != IN_TLS)
        return;
    e->tls = true;
    if (w->native)
        return;
    if (e == &w->end[1])
        CALL(e, err = plait_starttls_server(s, w->server));
    else
        CALL(e, err = plait_starttls_client(s, w->client, "server", plait_slice_of(NULL, 0)));
    law(e, err == PLAIT_OK, "TLS can begin");
}

static plait_err accepted(struct plait_stream *s, void *ctx)
{
    struct world *w = ctx;
    begin(&w->end[1], s);
    return PLAIT_OK;
}

static void arrived(struct plait_result *result, void *ctx)
{
    struct world *w = ctx;
    if (result->fault.err == PLAIT_OK)
        begin(&w->end[0], result->value.ptr);
    else
        w->end[0].lost = true;
    result->fault.err = PLAIT_OK;
}

static const struct plait_service_ops service_ops = {.name = "random", .open = accepted};

static void join_by_tcp(struct world *w)
{
    struct plait_address at;
    const struct plait_listen_options lo = {.tls = w->native ? w->server : NULL};
    const struct plait_connect_options co = {.tls = w->native ? w->client : NULL, .server_name = "server"};
    plait_host_address(plait_sim_host(w->sim, "b"), PLAIT_ADDR_IP4, 7, &at);
    assert_ok(plait_listen(w->r[1], &at, &lo, plait_service_new(w->r[1], &service_ops, w), &w->listener));
    assert_ok(plait_then(plait_connect_address(w->r[0], &at, &co), arrived, w));
}

static void join(struct world *w)
{
    struct plait_stream *s[2];
    int fd[2];
    if (w->carrier == BY_TCP) {
        join_by_tcp(w);
        return;
    }
    if (w->carrier == BY_PAIR) {
        assert_ok(plait_pair_new(w->r[0], &s[0], &s[1]));
    } else {
        struct plait_sys *sys = w->sys[0];
        const int flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        assert_int_equal(sys->ops->socketpair(sys, AF_UNIX, flags, 0, fd), 0);
        for (int i = 0; i < 2; i++) {
            if (draw(w, 3) == 0)
                assert_ok(plait_stream_of_fds(w->r[0], fd[i], fd[i], &s[i]));
            else
                assert_int_equal(plait__fd_stream_new(w->r[0], PLAIT__FD_UNIX, fd[i], NULL, &s[i]), 0);
        }
    }
    begin(&w->end[0], s[0]);
    begin(&w->end[1], s[1]);
}

static void make_tls(struct world *w)
{
    const struct plait_tls_server_options so = {.cert_pem = cert.both_pem};
    const struct plait_tls_client_options co = {.ca_pem = ca.cert_pem};
    if (w->mode == IN_CLEAR)
        return;
    assert_ok(plait_tls_server_new(w->r[w->carrier == BY_TCP], &so, &w->server, NULL));
    assert_ok(plait_tls_client_new(w->r[0], &co, &w->client, NULL));
}

static void open_world(struct world *w, uint64_t seed)
{
    static const char *const names[] = {"a", "b"};
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_ERROR};
    static const struct plait_reactor_options options = {.log = &quiet};
    *w = (struct world){.seed = seed, .sim = plait_sim_new(seed, 0)};
    w->carrier = (enum carrier)(seed % CARRIERS);
    w->mode = (enum mode)(seed / CARRIERS % MODES);
    w->native = w->mode == IN_TLS && w->carrier == BY_TCP && draw(w, 2);
    w->ops_left = 30 + (int)draw(w, 150);
    w->clear = 1 + draw(w, draw(w, 2) ? 10 : 3000);
    w->faults = (unsigned)draw(w, PLAIT_SIM_ALL + 1) & PLAIT_SIM_ALL;
    if (draw(w, 3))
        w->faults &= ~(unsigned)(PLAIT_SIM_RESET | PLAIT_SIM_LOSS);
    for (int i = 0; i < 2; i++) {
        struct plait_host *host = plait_sim_host(w->sim, names[i]);
        plait_host_reactor_options(host, &options);
        if (draw(w, 2))
            plait_host_set_buffers(host, 2000 + (size_t)draw(w, 5000), 2000 + (size_t)draw(w, 5000));
        w->r[i] = plait_host_reactor(host);
        w->sys[i] = plait_host_sys(host);
        w->end[i].w = w;
        w->end[i].other = &w->end[1 - i];
        plait_timer_init(&w->end[i].later, w->r[w->carrier == BY_TCP ? i : 0], "later", from_a_timer, &w->end[i]);
    }
    plait_sim_faults(w->sim, w->faults);
    make_tls(w);
    join(w);
}

/* --- quiet moments ------------------------------------------------------------------------------------------------ */

static uint64_t progress(const struct world *w)
{
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const struct end *e = &w->end[i];
        sum += e->got + e->offered + e->eof + e->lost + e->connected + e->secured;
        sum = sum * 31 + (e->s ? plait_pending(e->s) : 0);
    }
    return sum;
}

/* Runs until nothing has happened for a while. */
static void settle(struct world *w)
{
    uint64_t before;
    do {
        before = progress(w);
        plait_sim_run_for(w->sim, plait_seconds(w->faults & PLAIT_SIM_LOSS ? 30 : 3));
    } while (progress(w) != before && !w->broken);
}

static bool reads(const struct end *e)
{
    return is_open(e) && e->connected && !e->paused && (has_flag(e, PLAIT_BOUNDS_OUTPUT) || !plait_is_full(e->s));
}

/* What must have come by now. */
static void check_quiet(struct end *e)
{
    const struct end *o = e->other;
    if (!e->s || e->eof || !reads(e) || e->tls != o->tls)
        return;
    if (is_open(o)) {
        const uint64_t there = o->sent - e->got;
        law(e, !e->tls || e->secured, "a handshake of two ends that are there comes to its end");
        law(e, e->need == 0 || there < e->need, "`data` comes when the need is there");
        law(e, e->need > 0 || e->offered == o->sent, "`data` comes when there are bytes");
        law(e, !o->shut || plait_pending(o->s) > 0, "`eof` comes when the peer has ended its side");
    } else if (o->lost && (o->fault.err == PLAIT_OK || o->fault.err == PLAIT_EEOF)) {
        law(e, (e->w->faults & PLAIT_SIM_RESET) != 0, "`eof` comes when the peer has closed");
    }
}

static void use_at_random(struct world *w)
{
    for (int n = 0; n < 400 && w->ops_left > 0 && !w->broken; n++) {
        if (draw(w, 3))
            anything_anywhere(w);
        if (draw(w, 2))
            plait_sim_run_for(w->sim, plait_millis((int64_t)draw(w, 20)));
        if (draw(w, 60) == 0) {
            settle(w);
            check_quiet(&w->end[0]);
            check_quiet(&w->end[1]);
        }
        if (w->end[0].lost && w->end[1].lost)
            return;
    }
}

/* Everybody reads all there is: nothing may be kept back. */
static void calm_down(struct world *w)
{
    w->calm = true;
    for (int i = 0; i < 2; i++) {
        struct end *e = &w->end[i];
        if (!is_open(e))
            continue;
        if (!e->eof)
            attach(e, e->s, &protocols[0]);
        e->need = 0;
        CALL(e, plait_need(e->s, 0));
        set_pause(e, true);
        set_pause(e, false);
        if (w->mode == STARTING_TLS && !e->tls && i == 0 && !e->shut)
            write_now(e, (size_t)(w->clear - e->sent), 2);
        begin_tls(e);
    }
    settle(w);
    for (int i = 0; i < 2 && !w->broken; i++) {
        struct end *e = &w->end[i];
        check_quiet(e);
        law(e, !is_open(e) || !is_open(e->other) || e->got == e->other->sent, "in the end everything has arrived");
    }
}

/* Closing in good order is in good order on both sides. */
static void close_both(struct world *w)
{
    const bool well = is_open(&w->end[0]) && is_open(&w->end[1]);
    const unsigned first = (unsigned)draw(w, 2);
    for (unsigned n = 0; n < 2; n++) {
        struct end *e = &w->end[(first + n) % 2];
        if (is_open(e)) {
            e->closed = true;
            e->asked = PLAIT_OK;
            CALL(e, plait_close(e->s));
        }
        settle(w);
        law(e->other, !well || n == 1 || e->other->eof, "`eof` comes when the peer has closed");
    }
    for (int i = 0; i < 2; i++) {
        struct end *e = &w->end[i];
        law(e, !e->s, "a stream that is closed is lost at last");
        law(e, !well || e->fault.err == PLAIT_OK || e->fault.err == PLAIT_EEOF, "an orderly end is told as one");
    }
}

static void close_world(struct world *w)
{
    const bool heard = w->end[0].s || w->end[1].s;
    for (int i = 0; i < 2; i++) {
        plait_timer_stop(&w->end[i].later);
    }
    w->calm = w->ending = true;
    plait_listener_close(&w->listener);
    plait_tls_server_unref(&w->server);
    plait_tls_client_unref(&w->client);
    plait_sim_check_end(w->sim);
    law(&w->end[0], !heard || (!w->end[0].s && !w->end[1].s), "a reactor that ends tells its streams");
    for (int i = 0; i < 2; i++)
        law(&w->end[i], !w->end[i].connected || w->end[i].lost, "whoever was connected is lost");
}

static struct world the_world;

static const char *run_seed(uint64_t seed, plait_sim_explain_fn explain, char why[200])
{
    struct world *w = &the_world;
    open_world(w, seed);
    if (explain)
        plait_sim_explain(w->sim, explain, NULL);
    use_at_random(w);
    if (draw(w, 8)) {
        calm_down(w);
        if (!w->broken && !(w->faults & PLAIT_SIM_RESET))
            close_both(w);
    }
    close_world(w);
    const char *failure = w->broken ? w->broken : plait_sim_failure(w->sim);
    (void)snprintf(why, 200, "%s", failure ? failure : "");
    plait_sim_free(&w->sim);
    return failure ? why : NULL;
}

static void print_line(plait_time now, const char *line, void *ctx)
{
    (void)ctx;
    (void)fprintf(stderr, "%12lld %s\n", (long long)now, line);
}

static void the_laws_of_a_stream_hold_under_random_use(void **state)
{
    char why[200];
    (void)state;
    const uint64_t first = test_seed();
    const uint64_t last = first + test_seeds(200);
    for (uint64_t seed = first; seed < last; seed++) {
        if (run_seed(seed, getenv("TEST_EXPLAIN") ? print_line : NULL, why))
            fail_msg("seed %llu: %s (TEST_SEED=%llu TEST_SEEDS=1 TEST_EXPLAIN=1 tells all)", (unsigned long long)seed,
                     why, (unsigned long long)seed);
    }
}

static int make(void **state)
{
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&cert, &ca, &(struct test_cert_ask){.subject = "server", .san = "DNS:server"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_cert_end(&ca);
    test_cert_end(&cert);
    return 0;
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(the_laws_of_a_stream_hold_under_random_use))
