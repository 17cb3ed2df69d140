/* SPDX-License-Identifier: MIT
 *
 * The TLS carrier: between a stream and the carrier below. Records that come are decrypted as fast as the stream wants
 * them and no faster; what it writes is encrypted into a short chain. It sends close_notify before it ends, and lets an
 * alert arrive before it closes.
 *
 * Invariant: OpenSSL never waits for output (the chain takes all), so only `in` decides whether it goes on; ciphertext
 * is kept only while the stream wants nothing; nothing is told upward once `closing` is set, but `closed`.
 * Tests: tests/engine/test_tls_carrier.c, test_tls_told.c, test_tls_end.c, tests/peers/test_openssl.sh.
 */
#include "base/memory.h"
#include "base/try.h"
#include "engine/tls_core.h"

#include <openssl/err.h>

enum { AHEAD = 64 * 1024, LOWER_WINDOW = 32 * 1024, PIECES = 16, STALL_S = 60 };

static struct plait__tls *of(struct plait__carrier *c)
{
    return plait__container(c, struct plait__tls, c);
}

static bool dead(const struct plait__tls *t)
{
    return t->closing || t->failed;
}

/* Tells the stream that it is over; the stream closes us from inside. */
static void fail(struct plait__tls *t, const struct plait_fault *fault)
{
    if (!dead(t)) {
        t->failed = true;
        t->c.up_ops->failed(t->c.up, fault);
    }
}

static void fail_with(struct plait__tls *t, plait_err err, const char *step, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, step);
    fault.detail = detail;
    fail(t, &fault);
}

/* --- output below ------------------------------------------------------------------------------------------------- */

plait_err plait__tls_put(struct plait__tls *t, plait_slice bytes)
{
    if (!t->out) {
        t->out = plait__slab_take(&t->module->outs);
        if (!t->out)
            return PLAIT_FAIL(PLAIT_ENOMEM);
        plait__chain_init(&t->out->chain, &t->stream->budget);
        plait__chain_lend(&t->out->chain, t->out->lent, sizeof t->out->lent);
    }
    return plait__chain_put(&t->out->chain, bytes);
}

static void drop_out(struct plait__tls *t)
{
    struct plait__tls_out *out = t->out;
    t->out = NULL;
    if (out)
        plait__chain_deinit(&out->chain);
    plait__slab_free(&t->module->outs, out);
}

static void drop_clear(struct plait__tls *t)
{
    struct plait__out *clear = t->clear;
    t->clear = NULL;
    if (clear)
        plait__out_free(t->stream->reactor, clear);
}

static size_t cipher_bytes(const struct plait__tls *t)
{
    return t->out ? plait__chain_bytes(&t->out->chain) : 0;
}

static size_t pending(const struct plait__tls *t)
{
    const size_t clear = t->clear ? plait__chain_bytes(&t->clear->chain) + plait__chain_bytes(&t->clear->loaded) : 0;
    return cipher_bytes(t) + clear;
}

/* Whether the carrier below may still be spoken to. */
static bool usable(const struct plait__tls *t)
{
    return t->parting ? !t->finished : !t->closing;
}

/* Offers a chain below. Returns whether it is empty now. */
static bool offer_below(struct plait__tls *t, struct plait__chain *chain)
{
    return t->lower->ops->output(t->lower, chain) == PLAIT_OK && usable(t) && plait__chain_empty(chain);
}

static bool must_load(struct plait__tls *t)
{
    return plait__chain_front_is_file(&t->clear->chain) &&
           !(t->lower->ops->sends_files && t->lower->ops->sends_files(t->lower));
}

static void load_failed(struct plait__tls *t, plait_err err)
{
    if (t->parting)
        plait__tls_cut(t);
    else
        fail_with(t, err, "send", NULL);
}

/* What the stream wrote before TLS, as the stream would have sent it. */
static void flush_clear(struct plait__tls *t)
{
    while (usable(t)) {
        struct plait__out *clear = t->clear;
        if (plait__chain_empty(&clear->loaded) && plait__chain_empty(&clear->chain)) {
            drop_clear(t);
            return;
        }
        if (plait__chain_empty(&clear->loaded) && must_load(t)) {
            const plait_err err = plait__out_load(t->stream, clear);
            if (err != PLAIT_OK) {
                load_failed(t, err);
                return;
            }
        }
        const bool loaded = !plait__chain_empty(&clear->loaded);
        if (!offer_below(t, loaded ? &clear->loaded : &clear->chain) && usable(t) && (loaded || !must_load(t))) {
            t->lower_blocked = true;
            return;
        }
    }
}

static plait_span patience(const struct plait__tls *t)
{
    return plait_seconds(t->stream->stall_s ? t->stream->stall_s : STALL_S);
}

static void flush(struct plait__tls *t)
{
    const size_t before = pending(t);
    if (before == 0 && !t->clear) /* what was written before may have left while TLS began */
        return;
    if (t->clear && !t->lower_blocked)
        flush_clear(t);
    if (!t->clear && t->out && !t->lower_blocked)
        t->lower_blocked = !offer_below(t, &t->out->chain);
    if (!usable(t))
        return;
    const size_t left = pending(t);
    if (left == 0) {
        t->lower_blocked = false;
        drop_out(t);
        plait_timer_stop(&t->timer);
    } else if (left < before || !plait_timer_runs(&t->timer)) {
        plait_timer_arm(&t->timer, patience(t));
    }
}

static void shut_below(struct plait__tls *t)
{
    const bool due = t->shut && (t->state == PLAIT__TLS_OPEN ? t->notified : t->stream->state > PLAIT__S_OPEN);
    if (!due || t->lower_shut || dead(t) || pending(t) > 0)
        return;
    t->lower_shut = true;
    t->lower->ops->shut(t->lower);
}

static void notify_close(struct plait__tls *t)
{
    if (t->notified)
        return;
    const size_t before = cipher_bytes(t);
    t->notified = true;
    ERR_clear_error();
    SSL_shutdown(t->ssl); /* without memory the end comes without it */
    ERR_clear_error();
    t->notify_bytes = (uint16_t)(cipher_bytes(t) - before);
}

/* What the stream thinks gone is lost: who closed in good order is to hear of it. A lost close_notify alone is no loss
 * of the stream's. */
static void blame_left(struct plait__tls *t, const struct plait_fault *fault)
{
    if (!t->failed && pending(t) > t->notify_bytes)
        plait__stream_blame_left(t->stream, fault);
}

/* --- input from below --------------------------------------------------------------------------------------------- */

static uint32_t wanted_below(const struct plait__tls *t)
{
    const bool decrypts = t->state == PLAIT__TLS_OPEN && t->want > 0 && t->in_len == 0 && !t->end_told;
    if (t->lower_eof)
        return 0;
    return (t->parting ? t->discard : decrypts || t->state == PLAIT__TLS_HANDSHAKE) ? LOWER_WINDOW : 0;
}

static void want_below(struct plait__tls *t)
{
    const uint32_t want = wanted_below(t);
    if (want == t->lower_want || t->finished)
        return;
    t->lower_want = want;
    t->lower->ops->want_input(t->lower, want);
}

/* The stream may be told that there is room. */
static void offer_room(struct plait__tls *t)
{
    if (!t->blocked || dead(t) || t->state != PLAIT__TLS_OPEN || cipher_bytes(t) >= AHEAD)
        return;
    t->blocked = false;
    t->c.up_ops->writable(t->c.up);
}

/* TLS itself failed: closing sends the alert. That it can't go out is not the reason that counts (TQ-150, TQ-152). */
static void fail_tls(struct plait__tls *t, const struct plait_fault *fault)
{
    t->failed = true;
    t->last_words = t->alert_sent;
    t->c.up_ops->failed(t->c.up, fault);
}

static void cut_off(struct plait__tls *t)
{
    const uint8_t state = t->stream->state;
    if (t->state == PLAIT__TLS_HANDSHAKE && state != PLAIT__S_LINGERING) {
        fail_with(t, PLAIT_ETLS, "handshake", "the peer hung up during the handshake");
    } else if (state > PLAIT__S_OPEN) {
        t->end_told = true; /* nobody reads it any more */
        t->c.up_ops->input_end(t->c.up);
    } else {
        fail_with(t, PLAIT_ETLSTRUNCATED, "receive", NULL);
    }
}

static void shake(struct plait__tls *t)
{
    ERR_clear_error();
    const int done = SSL_do_handshake(t->ssl);
    if (done != 1 && SSL_get_error(t->ssl, done) == SSL_ERROR_WANT_READ) {
        if (t->lower_eof && t->in_len == 0)
            cut_off(t);
        return;
    }
    const plait_err err = done == 1 ? plait__tls_note(t) : PLAIT_ETLS;
    if (done != 1) {
        const struct plait_fault fault = plait__tls_fault(t, "handshake");
        fail_tls(t, &fault);
    } else if (err != PLAIT_OK) {
        fail_with(t, err, "handshake", NULL);
    } else {
        t->state = PLAIT__TLS_OPEN;
        if (t->client)
            plait__tls_client_done(t);
        t->c.up_ops->secured(t->c.up);
    }
}

/* Decrypts as much as fits and is there. Returns OpenSSL's reason to stop, SSL_ERROR_NONE when `out` is full. */
static int decrypt(struct plait__tls *t, uint8_t *out, size_t max, size_t *got)
{
    *got = 0;
    ERR_clear_error();
    while (*got < max) {
        size_t n = 0;
        if (SSL_read_ex(t->ssl, out + *got, max - *got, &n) != 1)
            return SSL_get_error(t->ssl, 0);
        *got += n;
    }
    return SSL_ERROR_NONE;
}

/* One step of deliver(). Returns whether another makes sense. */
static bool deliver_some(struct plait__tls *t, uint8_t *plain, size_t max)
{
    size_t got;
    struct plait_fault fault = {.err = PLAIT_OK};
    const int why = decrypt(t, plain, max, &got);
    const bool broken = why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN;
    if (broken)
        fault = plait__tls_fault(t, "receive"); /* now: the protocol may use OpenSSL too */
    if (got > 0)
        t->c.up_ops->input(t->c.up, plain, got);
    if (dead(t) || why == SSL_ERROR_NONE)
        return true;
    if (broken) {
        fail_tls(t, &fault);
    } else if (why == SSL_ERROR_ZERO_RETURN) {
        t->end_told = true;
        t->c.up_ops->input_end(t->c.up);
    } else if (t->lower_eof && t->in_len == 0) {
        cut_off(t);
    }
    return t->in_len > 0; /* which came while the stream took the rest */
}

static void deliver(struct plait__tls *t)
{
    /* On the loop's own stack: a protocol may make another carrier deliver. */
    uint8_t plain[PLAIT__TLS_RECORD] __attribute__((uninitialized));
    while (t->want > 0 && !dead(t) && !t->end_told) {
        if (!deliver_some(t, plain, t->want < sizeof plain ? t->want : sizeof plain))
            return;
    }
}

static void forget_held(struct plait__tls *t)
{
    plait_mem_free(t->held);
    t->held = NULL;
    t->in = NULL;
    t->in_len = 0;
}

/* Everything that is due. */
static void work(struct plait__tls *t)
{
    if (t->busy || dead(t))
        return;
    t->busy = true;
    flush(t);
    if (t->state == PLAIT__TLS_CLEAR && !t->clear && !dead(t))
        t->state = PLAIT__TLS_HANDSHAKE;
    if (t->state == PLAIT__TLS_HANDSHAKE && !dead(t))
        shake(t);
    if (t->state == PLAIT__TLS_OPEN && !dead(t))
        deliver(t);
    if (t->state == PLAIT__TLS_OPEN && t->shut && !dead(t))
        notify_close(t);
    t->busy = false;
    if (t->in_len == 0)
        forget_held(t);
    if (dead(t))
        return;
    flush(t);
    shut_below(t);
    offer_room(t);
    want_below(t);
}

void plait__tls_step(void *ctx)
{
    work(ctx);
}

/* --- last words --------------------------------------------------------------------------------------------------- */

static void finish(struct plait__tls *t, bool abort)
{
    t->finished = true;
    plait__list_remove(&t->link);
    plait_timer_stop(&t->timer);
    drop_out(t);
    drop_clear(t);
    t->lower->ops->close(t->lower, abort);
}

void plait__tls_cut(struct plait__tls *t)
{
    finish(t, true);
}

/* Closing, step by step: what is left to send, the own end, the peer's. */
static void part(struct plait__tls *t)
{
    flush(t);
    if (t->finished)
        return;
    if (pending(t) > 0) {
        want_below(t); /* a peer that is parting too waits for us to read */
        return;
    }
    if (!t->discard || t->lower_eof) {
        finish(t, false);
        return;
    }
    if (!t->lower_shut) {
        t->lower_shut = true;
        t->lower->ops->shut(t->lower);
    }
    if (!plait_timer_runs(&t->timer))
        plait_timer_arm(&t->timer, PLAIT__LINGER);
    want_below(t);
}

void plait__tls_timer(void *ctx)
{
    struct plait__tls *t = ctx;
    const struct plait_fault stalled = plait_fault_make(PLAIT_EPEERSTALLED, "send");
    blame_left(t, &stalled);
    if (t->parting)
        finish(t, pending(t) > 0);
    else
        fail_with(t, PLAIT_EPEERSTALLED, "send", NULL);
}

/* --- what the carrier below tells --------------------------------------------------------------------------------- */

/* Ciphertext for which there is no use yet outlives the call. False: no memory. */
static bool hold(struct plait__tls *t, const uint8_t *bytes, size_t len)
{
    uint8_t *held = plait_mem_resize(&t->stream->budget, NULL, t->in_len + len);
    if (!held)
        return false;
    if (t->in_len > 0)
        memcpy(held, t->in, t->in_len);
    if (len > 0)
        memcpy(held + t->in_len, bytes, len);
    plait_mem_free(t->held);
    t->held = held;
    t->in = held;
    t->in_len += len;
    return true;
}

static void up_input(void *up, uint8_t *bytes, size_t len)
{
    struct plait__tls *t = up;
    if (dead(t))
        return;
    bool kept = true;
    if (t->busy || t->in_len > 0) {
        kept = hold(t, bytes, len);
    } else {
        t->in = bytes;
        t->in_len = len;
    }
    if (kept)
        work(t);
    if (kept && !dead(t) && t->in_len > 0 && !t->held)
        kept = hold(t, NULL, 0);
    if (!kept)
        fail_with(t, PLAIT_ENOMEM, "receive", NULL);
    if (dead(t))
        forget_held(t);
}

void plait__tls_feed(struct plait_stream *s, plait_slice ciphertext)
{
    struct plait__tls *t = plait__container(s->carrier, struct plait__tls, c);
    if (ciphertext.len > 0 && !hold(t, ciphertext.ptr, ciphertext.len))
        fail_with(t, PLAIT_ENOMEM, "receive", NULL);
}

static void up_input_end(void *up)
{
    struct plait__tls *t = up;
    t->lower_eof = true;
    if (t->parting)
        part(t);
    else
        work(t);
}

static void up_input_fds(void *up, const int *fds, size_t count)
{
    struct plait__tls *t = up;
    struct plait_sys *sys = t->stream->reactor->sys;
    for (size_t i = 0; i < count; i++) /* whoever sent them was not the peer that TLS knows */
        sys->ops->close(sys, fds[i]);
}

static void up_writable(void *up)
{
    struct plait__tls *t = up;
    t->lower_blocked = false;
    if (t->parting) {
        part(t);
    } else if (t->state == PLAIT__TLS_CLEAR) {
        work(t);
    } else if (!dead(t)) {
        flush(t);
        shut_below(t);
        offer_room(t);
    }
}

static void up_secured(void *up)
{
    (void)up; /* TLS stands on nothing that has a handshake of its own */
}

static void up_failed(void *up, const struct plait_fault *fault)
{
    struct plait__tls *t = up;
    t->last_words = false;
    t->lower_blocked = true;
    blame_left(t, fault);
    if (t->parting)
        finish(t, true);
    else
        fail(t, fault);
}

static void up_closed(void *up)
{
    struct plait__tls *t = up;
    t->state = PLAIT__TLS_GONE;
    plait__tls_release(t);
    t->c.up_ops->closed(t->c.up);
}

const struct plait__up_ops plait__tls_up = {
    .input = up_input,
    .input_end = up_input_end,
    .input_fds = up_input_fds,
    .writable = up_writable,
    .secured = up_secured,
    .failed = up_failed,
    .closed = up_closed,
};

/* --- what the stream asks ----------------------------------------------------------------------------------------- */

static void want_input(struct plait__carrier *c, size_t max)
{
    struct plait__tls *t = of(c);
    t->want = (uint32_t)(max < UINT32_MAX ? max : UINT32_MAX);
    if (t->busy || dead(t))
        return;
    /* Bytes wait here, not below: nothing else would bring them up. */
    if (max > 0 && t->state == PLAIT__TLS_OPEN && (t->in_len > 0 || t->lower_eof || SSL_has_pending(t->ssl)))
        plait_soon_queue(&t->soon);
    want_below(t);
}

/* Bytes of the front for one record: in place when the first piece is large or alone, else gathered. */
static plait_slice next_record(struct plait__tls *t, const struct plait__chain *chain)
{
    struct iovec iov[PIECES];
    const size_t count = plait__chain_gather(chain, iov, PIECES);
    if (count == 0)
        return plait_slice_of(NULL, 0);
    if (count == 1 || iov[0].iov_len >= PLAIT__TLS_RECORD)
        return plait_slice_of(iov[0].iov_base, iov[0].iov_len < PLAIT__TLS_RECORD ? iov[0].iov_len : PLAIT__TLS_RECORD);
    size_t at = 0;
    for (size_t i = 0; i < count && at < PLAIT__TLS_RECORD; i++) {
        const size_t n = iov[i].iov_len < PLAIT__TLS_RECORD - at ? iov[i].iov_len : PLAIT__TLS_RECORD - at;
        memcpy(t->module->gathered + at, iov[i].iov_base, n);
        at += n;
    }
    return plait_slice_of(t->module->gathered, at);
}

static plait_err encrypt(struct plait__tls *t, struct plait__chain *chain)
{
    while (cipher_bytes(t) < AHEAD) {
        const plait_slice record = next_record(t, chain);
        size_t n = 0;
        if (record.len == 0)
            return PLAIT_OK;
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, record.ptr, record.len, &n) != 1) {
            const struct plait_fault fault = plait__tls_fault(t, "send");
            fail_tls(t, &fault);
            return PLAIT_FAIL(fault.err);
        }
        plait__chain_consume(chain, n);
    }
    return PLAIT_OK;
}

static plait_err output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct plait__tls *t = of(c);
    bool moved;
    do {
        moved = false;
        if (t->state == PLAIT__TLS_OPEN && !dead(t) && !t->notified) {
            const size_t before = plait__chain_bytes(chain);
            PLAIT_TRY(encrypt(t, chain));
            moved = plait__chain_bytes(chain) < before;
            flush(t); /* which may have more written */
        }
        if (dead(t))
            return PLAIT_FAIL(PLAIT_EIO);
    } while (moved && !plait__chain_empty(chain));
    if (!plait__chain_empty(chain) && !(t->state == PLAIT__TLS_OPEN && plait__chain_front_is_file(chain)))
        t->blocked = true;
    return PLAIT_OK;
}

static void shut(struct plait__carrier *c)
{
    struct plait__tls *t = of(c);
    t->shut = true;
    if (t->state == PLAIT__TLS_OPEN)
        notify_close(t);
    flush(t);
    shut_below(t);
}

static void close_it(struct plait__carrier *c, bool abort)
{
    struct plait__tls *t = of(c);
    t->closing = true;
    plait_soon_cancel(&t->soon);
    if (abort && (!t->last_words || t->module->stopping)) {
        finish(t, true);
        return;
    }
    t->parting = true;
    t->discard = t->last_words || pending(t) > 0;
    plait__list_add_tail(&t->module->parting, &t->link);
    part(t);
}

static void peer(struct plait__carrier *c, struct plait_address *out)
{
    struct plait__carrier *lower = of(c)->lower;
    lower->ops->peer(lower, out);
}

static void local(struct plait__carrier *c, struct plait_address *out)
{
    struct plait__carrier *lower = of(c)->lower;
    lower->ops->local(lower, out);
}

static plait_err cred(struct plait__carrier *c, struct plait_peer_cred *out)
{
    struct plait__carrier *lower = of(c)->lower;
    if (!lower->ops->cred)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return lower->ops->cred(lower, out);
}

static plait_err option(struct plait__carrier *c, enum plait__carrier_option option, const int64_t value[3])
{
    struct plait__carrier *lower = of(c)->lower;
    if (!lower->ops->option)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return lower->ops->option(lower, option, value);
}

static const struct plait_tls_info *info(struct plait__carrier *c)
{
    struct plait__tls *t = of(c);
    return t->info.version ? &t->info : NULL;
}

static bool lingers(struct plait__carrier *c)
{
    struct plait__carrier *lower = of(c)->lower;
    return lower->ops->lingers && lower->ops->lingers(lower);
}

static void counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    struct plait__carrier *lower = of(c)->lower;
    if (lower->ops->counts)
        lower->ops->counts(lower, in, out);
}

static void free_it(struct plait__carrier *c)
{
    struct plait__tls *t = of(c);
    plait_mem_free(t->texts);
    plait_mem_free(t);
}

const struct plait__carrier_ops plait__tls_ops = {
    .name = "tls",
    .want_input = want_input,
    .output = output,
    .shut = shut,
    .close = close_it,
    .peer = peer,
    .local = local,
    .cred = cred,
    .option = option,
    .tls = info,
    .binding = plait__tls_binding,
    .lingers = lingers,
    .counts = counts,
    .free = free_it,
};
