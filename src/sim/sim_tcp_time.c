/* SPDX-License-Identifier: MIT
 *
 * What TCP does because time passes: SYN and its answer again, what was lost again, probes of a closed window and of a
 * peer that is silent, giving up, TIME_WAIT. Intervals and numbers are the kernel's: retransmission from 200 ms,
 * doubled up to 120 s, 15 times (tcp_retries2), 8 times once nobody holds the socket (tcp_orphan_retries);
 * TCP_USER_TIMEOUT takes the place of the number.
 *
 * Invariant: a socket has one timer, which holds a reference; while something is lost it is that of sending again.
 * Tests: tests/sim/test_tcp_time.c.
 */
#include "sim/sim_tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define MILLISECOND INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define RESEND_FIRST (200 * MILLISECOND)
#define RESEND_MAX (120 * SECOND)
#define RESEND_TRIES 15
#define ORPHAN_TRIES 8
#define SYN_ACK_TRIES 5
#define MINUTE (60 * SECOND) /* TIME_WAIT, and waiting for a FIN when nobody holds the socket */

static void fired(struct plait_sim *sim, struct sim_event *event);

/* --- the timer ---------------------------------------------------------------------------------------------------- */

void sim_tcp_drop_timer(struct sim_sock *s)
{
    if (s->tcp.timing == SIM_TIME_NONE)
        return;
    s->tcp.timing = SIM_TIME_NONE;
    sim_event_cancel(sim_of(s), &s->tcp.timer);
    sim_sock_unref(s);
}

/* The world ends first, or it has no memory: nobody may wait for this socket for ever. */
static void end_without_timer(struct sim_sock *s)
{
    if (s->tcp.state == SIM_TCP_SYN_RECV)
        sim_tcp_abandon(s);
    else
        sim_tcp_finished(s);
}

static void dropped(struct plait_sim *sim, struct sim_event *event)
{
    struct sim_sock *s = SIM_OF(event, struct sim_sock, tcp.timer);
    (void)sim;
    s->tcp.timing = SIM_TIME_NONE;
    end_without_timer(s);
    sim_sock_unref(s);
}

void sim_tcp_time(struct sim_sock *s, enum sim_tcp_timing what, int64_t span)
{
    struct sim_event *timer = &s->tcp.timer;
    sim_sock_ref(s);
    sim_tcp_drop_timer(s);
    timer->fire = fired;
    timer->drop = dropped;
    timer->quiet = (what == SIM_TIME_KEEP || what == SIM_TIME_WINDOW) && s->tcp.probes == 0;
    if (sim_event_add(sim_of(s), timer, sim_of(s)->now + span)) {
        s->tcp.timing = (uint8_t)what;
        return;
    }
    end_without_timer(s);
    sim_sock_unref(s);
}

static int64_t user_timeout(const struct sim_sock *s)
{
    return sim_sock_option(s, IPPROTO_TCP, TCP_USER_TIMEOUT) * MILLISECOND;
}

/* Span until the next try, doubled with each; never beyond the user's timeout. */
static int64_t span_of(const struct sim_sock *s, int64_t first, unsigned tries)
{
    int64_t span = tries < 10 ? first << tries : RESEND_MAX, user = user_timeout(s);
    span = span < RESEND_MAX ? span : RESEND_MAX;
    if (user) {
        int64_t left = s->tcp.since + user - sim_of(s)->now;
        if (left < span)
            span = left > 0 ? left : 0;
    }
    return span;
}

static bool out_of_time(const struct sim_sock *s, unsigned tries, unsigned most)
{
    int64_t user = user_timeout(s);
    if (user && sim_of(s)->now - s->tcp.since >= user)
        return true;
    return !user && tries >= most;
}

static void give_up(struct sim_sock *s)
{
    sim_say(sim_of(s), "%s: the connection of port %u times out", s->file.host->name, s->local.port);
    s->err = ETIMEDOUT;
    sim_tcp_finished(s);
    if (!s->dead)
        sim_wake(&s->file, EPOLLERR);
}

void sim_tcp_heard(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    t->heard = sim_of(s)->now;
    t->probes = 0;
    if (t->timing == SIM_TIME_KEEP || t->timing == SIM_TIME_WINDOW)
        sim_event_quiet(sim_of(s), &t->timer, true);
}

/* --- the handshake again ------------------------------------------------------------------------------------------ */

static void syn_again(struct sim_sock *s)
{
    bool timed_out = user_timeout(s) && sim_of(s)->now - s->tcp.since >= user_timeout(s);
    if (timed_out || s->tcp.tries > sim_sock_option(s, IPPROTO_TCP, TCP_SYNCNT))
        give_up(s);
    else
        (void)sim_tcp_send_syn(s);
}

static void syn_ack_again(struct sim_sock *child)
{
    if (child->tcp.tries >= SYN_ACK_TRIES) {
        sim_tcp_abandon(child);
        return;
    }
    child->tcp.tries++;
    sim_tcp_time(child, SIM_TIME_SYN_ACK, SECOND << child->tcp.tries);
    (void)sim_tcp_send(SIM_SEG_SYN_ACK, child, child->peer);
}

/* --- what was lost again ------------------------------------------------------------------------------------------ */

void sim_tcp_time_resend(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->timing == SIM_TIME_RESEND)
        return;
    if (t->since == 0)
        t->since = sim_of(s)->now;
    sim_tcp_time(s, SIM_TIME_RESEND, span_of(s, RESEND_FIRST, t->tries));
}

static void resend(struct sim_sock *s)
{
    if (out_of_time(s, s->tcp.tries, s->tcp.orphan ? ORPHAN_TRIES : RESEND_TRIES)) {
        give_up(s);
        return;
    }
    s->tcp.tries++;
    sim_tcp_resend(s);
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

static void probe(struct sim_sock *s)
{
    if (s->tcp.probes < 255)
        s->tcp.probes++;
    (void)sim_tcp_send(SIM_SEG_PROBE, s, s->peer);
}

static void probe_window(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (user_timeout(s) ? out_of_time(s, 0, 1) : t->probes >= RESEND_TRIES) {
        give_up(s);
        return;
    }
    if (t->tries < 255)
        t->tries++;
    probe(s);
    /* It knows nothing new, even if the window is open by now: both the news and this probe may be lost. */
    if (t->blocked && t->state == SIM_TCP_OPEN && t->timing == SIM_TIME_NONE)
        sim_tcp_time(s, SIM_TIME_WINDOW, span_of(s, RESEND_FIRST, t->tries));
}

static int64_t seconds_of(const struct sim_sock *s, int name)
{
    return sim_sock_option(s, IPPROTO_TCP, name) * SECOND;
}

static void probe_silence(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    int64_t silent = sim_of(s)->now - t->heard, idle = seconds_of(s, TCP_KEEPIDLE), user = user_timeout(s);
    if (t->in_flight || t->out.len || t->lost) {
        sim_tcp_time(s, SIM_TIME_KEEP, idle);
    } else if (silent < idle) {
        sim_tcp_time(s, SIM_TIME_KEEP, idle - silent);
    } else if (user ? silent >= user && t->probes : t->probes >= sim_sock_option(s, IPPROTO_TCP, TCP_KEEPCNT)) {
        (void)sim_tcp_send(SIM_SEG_RESET, s, s->peer);
        give_up(s);
    } else {
        probe(s);
        if (t->state == SIM_TCP_OPEN && t->timing == SIM_TIME_NONE)
            sim_tcp_time(s, SIM_TIME_KEEP, seconds_of(s, TCP_KEEPINTVL));
    }
}

static void rest_in_silence(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->orphan || !sim_sock_option(s, SOL_SOCKET, SO_KEEPALIVE))
        return;
    int64_t left = t->heard + seconds_of(s, TCP_KEEPIDLE) - sim_of(s)->now;
    sim_tcp_time(s, SIM_TIME_KEEP, left > 0 ? left : 0);
}

/* The peer reads no more, or does so again. */
static void note_window(struct sim_sock *s, bool closed)
{
    struct sim_tcp *t = &s->tcp;
    if (t->blocked == closed)
        return;
    t->blocked = closed;
    t->since = closed ? sim_of(s)->now : 0;
    t->tries = 0;
    if (t->timing == SIM_TIME_WINDOW || (closed && t->timing == SIM_TIME_KEEP))
        sim_tcp_drop_timer(s);
}

void sim_tcp_rest(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state != SIM_TCP_OPEN || t->lost)
        return;
    note_window(s, sim_tcp_window_closed(s));
    if (t->timing != SIM_TIME_NONE)
        return;
    if (t->blocked)
        sim_tcp_time(s, SIM_TIME_WINDOW, span_of(s, RESEND_FIRST, t->tries));
    else
        rest_in_silence(s);
}

void sim_tcp_option_set(struct sim_sock *s, int level, int name)
{
    bool keeps = (level == SOL_SOCKET && name == SO_KEEPALIVE) ||
                 (level == IPPROTO_TCP && (name == TCP_KEEPIDLE || name == TCP_KEEPINTVL));
    if (!keeps || s->tcp.state != SIM_TCP_OPEN)
        return;
    if (s->tcp.timing == SIM_TIME_KEEP)
        sim_tcp_drop_timer(s);
    sim_tcp_rest(s);
}

/* --- what the timer does ------------------------------------------------------------------------------------------ */

static void fired(struct plait_sim *sim, struct sim_event *event)
{
    static void (*const deeds[])(struct sim_sock *) = {
        [SIM_TIME_SYN] = syn_again,       [SIM_TIME_SYN_ACK] = syn_ack_again, [SIM_TIME_RESEND] = resend,
        [SIM_TIME_WINDOW] = probe_window, [SIM_TIME_KEEP] = probe_silence,    [SIM_TIME_FIN] = sim_tcp_finished,
        [SIM_TIME_WAIT] = sim_port_remove};
    struct sim_sock *s = SIM_OF(event, struct sim_sock, tcp.timer);
    unsigned what = s->tcp.timing;
    (void)sim;
    s->tcp.timing = SIM_TIME_NONE;
    deeds[what](s);
    sim_sock_unref(s);
}
