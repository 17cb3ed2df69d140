/* SPDX-License-Identifier: MIT
 *
 * Connecting: names, the race of their addresses or the way through something else, TLS, and one timeout over all. The
 * two families of a name are looked up side by side; IPv4 addresses that come first wait a moment for the others (RFC
 * 8305 section 3). Addresses that the rules for targets refuse never get into the race. Nothing is done inside the call
 * but noting what is wanted: the work begins in the ready list.
 *
 * Invariant: a struct connecting lives until its deferred has fired, which `finish` and `fail` alone do.
 * Test: tests/engine/test_connect.c.
 */
#include "engine/connect_core.h"

#include "base/try.h"

#include <plait/tls.h>

enum { FAMILIES = PLAIT__RACE_FAMILIES };

struct connecting;

struct look_up {
    struct connecting *owner;
    struct plait_deferred *deferred; /* under way */
    plait_value value;               /* struct plait_addresses */
};

struct connecting {
    struct plait_reactor *reactor;
    struct plait_deferred *deferred;
    struct plait__offer *offer;
    struct plait_connect_options o; /* filled; texts point behind this struct */
    struct plait__race race;
    struct plait_soon begin;
    struct plait_timer deadline, resolution;
    struct look_up look[FAMILIES];
    unsigned looking;
    struct plait_address one; /* without a name */
    const char *host;         /* to look up; NULL: `one` */
    uint16_t port;
    const char *step;
    plait_time until;               /* all of it must be done */
    struct plait_deferred *through; /* a stream that `via` makes */
    struct plait_stream *s;         /* TLS shakes hands */
};

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void looked_up(struct plait_result *result, void *ctx);
static void came_through(struct plait_result *result, void *ctx);

/* Nobody waits for a deferred of ours any more. */
static void give_up(struct plait_deferred **deferred, plait_result_fn fn, void *ctx)
{
    struct plait_deferred *d = *deferred;
    *deferred = NULL;
    if (!d)
        return;
    plait__deferred_forget(d, fn, ctx);
    plait__deferred_drop(d);
}

static void stop_looking(struct connecting *c)
{
    for (int f = 0; f < FAMILIES; f++) {
        give_up(&c->look[f].deferred, looked_up, &c->look[f]);
        if (c->look[f].value.ptr)
            c->look[f].value.destroy(c->look[f].value.ptr);
        c->look[f].value.ptr = NULL;
    }
}

/* Ends everything that still runs; the deferred is the caller's. */
static struct plait_deferred *end(struct connecting *c)
{
    struct plait_deferred *d = c->deferred;
    plait_soon_cancel(&c->begin);
    plait_timer_stop(&c->deadline);
    plait_timer_stop(&c->resolution);
    plait__race_stop(&c->race);
    stop_looking(c);
    give_up(&c->through, came_through, c);
    if (c->s)
        plait__stream_discard(c->s);
    plait__offer_free(&c->offer);
    plait_tls_client_unref(&c->o.tls);
    plait_target_rules_unref(&c->o.targets);
    plait_mem_free(c);
    return d;
}

static void fail(struct connecting *c, struct plait_fault fault)
{
    struct plait_address peer; /* what is told of goes with us */
    if (!fault.peer && !c->host)
        fault.peer = &c->one;
    if (fault.peer) {
        peer = *fault.peer;
        fault.peer = &peer;
    }
    plait_fire_fault(end(c), fault);
}

static void fail_with(struct connecting *c, plait_err err)
{
    fail(c, plait_fault_make(err, c->step));
}

static void finish(struct connecting *c, struct plait_stream *s)
{
    struct plait__offer *offer = c->offer;
    c->offer = NULL;
    c->s = NULL;
    plait__offer_fire(offer, s, end(c));
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    struct connecting *c = ctx;
    (void)deferred;
    fail_with(c, PLAIT_ECANCELLED);
}

/* Out of time. What the attempts said so far says more about why. */
static void too_late(void *ctx)
{
    struct connecting *c = ctx;
    struct plait_fault fault = plait_fault_make(PLAIT_ETIMEDOUT, c->step);
    fault.retry = true;
    if (c->race.fault.err != PLAIT_OK)
        fault.detail = plait_err_text(c->race.fault.err);
    fault.peer = c->race.fault.peer;
    fail(c, fault);
}

/* Enters a step, which may have a time of its own. */
static void enter(struct connecting *c, const char *step, plait_span span)
{
    const plait_time now = plait_now(c->reactor);
    c->step = step;
    plait_time due = c->until;
    if (span > 0 && span < due - now)
        due = now + span;
    if (due == PLAIT_NEVER)
        plait_timer_stop(&c->deadline);
    else
        plait_timer_arm_at(&c->deadline, due);
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    (void)tls;
    s->flags |= PLAIT__F_CALL_SECURED; /* for the protocol to come */
    finish(self, s);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct connecting *c = self;
    struct plait_fault told = *fault;
    struct plait_address peer;
    plait_stream_peer(s, &peer);
    told.peer = &peer;
    c->s = NULL;
    if (told.err == PLAIT_OK)
        told.err = PLAIT_ECLOSED;
    fail(c, told);
}

static const struct plait_protocol handshake = {.name = "connect", .secured = secured, .lost = lost};

static void begin_tls(struct connecting *c, struct plait_stream *s)
{
    c->s = s;
    enter(c, "handshake", c->o.handshake);
    plait_stream_attach(s, &handshake, c);
    const plait_err err = plait__tls_start(s, NULL, c->o.tls, c->o.server_name, c->o.alpn, c->o.no_client_cert);
    if (err != PLAIT_OK)
        fail_with(c, err);
}

/* A stream has one layer of TLS: one that has it already is carried to a stream in memory, which gets its own. NULL: no
 * memory, and the stream is discarded. */
static struct plait_stream *inside(struct connecting *c, struct plait_stream *outer)
{
    struct plait_stream *near, *far;
    if (plait_pair_new(c->reactor, &near, &far) != PLAIT_OK) {
        plait__stream_discard(outer);
        return NULL;
    }
    struct plait_deferred *over = plait_pipe(outer, far, true);
    if (!over) {
        plait__stream_discard(outer);
        plait__stream_discard(near);
        plait__stream_discard(far);
        return NULL;
    }
    plait_deferred_ignore(over); /* both ends tell theirs */
    return near;
}

static void go_on_with(struct connecting *c, struct plait_stream *s)
{
    if (c->o.tls && plait_stream_tls(s))
        s = inside(c, s);
    if (s)
        plait_write(s, c->o.preface);
    if (!s)
        fail_with(c, PLAIT_ENOMEM);
    else if (c->o.tls)
        begin_tls(c, s);
    else
        finish(c, s);
}

/* --- the race ----------------------------------------------------------------------------------------------------- */

static struct connecting *of_race(struct plait__race *race)
{
    return plait__container(race, struct connecting, race);
}

static void race_won(struct plait__race *race, int fd, const struct plait_address *address)
{
    struct connecting *c = of_race(race);
    struct plait_stream *s;
    const bool ip = address->kind == PLAIT_ADDR_IP4 || address->kind == PLAIT_ADDR_IP6;
    const int res = plait__fd_stream_new(c->reactor, ip ? PLAIT__FD_TCP : PLAIT__FD_UNIX, fd, address, &s);
    if (res < 0) {
        struct plait_fault fault = plait_fault_os(-res, "connect");
        fault.peer = address;
        c->reactor->sys->ops->close(c->reactor->sys, fd);
        fail(c, fault);
        return;
    }
    plait_timer_stop(&c->resolution);
    stop_looking(c);
    go_on_with(c, s);
}

static void race_failed(struct plait__race *race, const struct plait_fault *fault)
{
    fail(of_race(race), *fault);
}

/* --- through something else --------------------------------------------------------------------------------------- */

static void came_through(struct plait_result *result, void *ctx)
{
    struct connecting *c = ctx;
    c->through = NULL;
    if (result->fault.err != PLAIT_OK) {
        fail(c, result->fault);
        return;
    }
    struct plait_stream *s = plait_result_take(result).ptr;
    if (s->flags & PLAIT__F_HELD)
        plait__offer_taken(s);
    go_on_with(c, s);
}

static void go_through(struct connecting *c)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    struct plait_connect_options o = c->o;
    const struct plait_via *via = o.via;
    const char *host = c->host ? c->host : plait_address_format_host(&c->one, text);
    o.via = NULL;
    o.tls = NULL;
    o.server_name = NULL;
    o.alpn = plait_slice_of(NULL, 0);
    o.preface = plait_slice_of(NULL, 0);
    o.timeout = c->until == PLAIT_NEVER ? PLAIT_NEVER : c->until - plait_now(c->reactor);
    struct plait_deferred *d =
        via->connect(c->reactor, plait_slice_text(host), c->host ? c->port : c->one.port, &o, via->ctx);
    if (plait_then(d, came_through, c) == PLAIT_OK) {
        c->through = d;
        return;
    }
    plait__deferred_drop(d);
    fail_with(c, PLAIT_ENOMEM);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void start_race(void *ctx)
{
    struct connecting *c = ctx;
    plait_timer_stop(&c->resolution);
    enter(c, "connect", 0);
    plait__race_go(&c->race);
}

static bool has_addresses(const struct connecting *c)
{
    return c->race.family[0].count > 0 || c->race.family[1].count > 0;
}

/* Goes on as far as what is known by now allows. */
static void names_came(struct connecting *c)
{
    c->race.more = c->looking > 0;
    if (!has_addresses(c) && c->looking == 0)
        fail(c, c->race.fault);
    else if (c->race.running || c->looking == 0 || c->race.family[0].count > 0)
        start_race(c);
    else if (has_addresses(c))
        plait_timer_arm(&c->resolution, c->o.resolution_delay);
}

/* Whether an address may be connected to; one that may not is blamed. */
static bool may_connect(struct connecting *c, const struct plait_address *address)
{
    struct plait_fault fault = plait_fault_make(PLAIT_EFORBIDDEN, "connect");
    if (!c->o.targets || plait_target_check(c->o.targets, address, &fault.detail) == PLAIT_OK)
        return true;
    fault.peer = address;
    if (c->o.trace)
        c->o.trace("failed", address, fault.err, c->o.trace_ctx);
    plait__race_blame(&c->race, &fault);
    return false;
}

static void take_addresses(struct connecting *c, unsigned family, struct plait_addresses *found)
{
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++) {
        found->address[i].port = c->port;
        if (may_connect(c, &found->address[i]))
            found->address[count++] = found->address[i];
    }
    plait__race_add(&c->race, family, found->address, count);
}

static void looked_up(struct plait_result *result, void *ctx)
{
    struct look_up *look = ctx;
    struct connecting *c = look->owner;
    look->deferred = NULL;
    c->looking--;
    if (result->fault.err != PLAIT_OK) {
        plait__race_blame(&c->race, &result->fault);
    } else {
        look->value = plait_result_take(result);
        take_addresses(c, (unsigned)(look - c->look), look->value.ptr);
    }
    names_came(c);
}

static void look_up(struct connecting *c, unsigned f, enum plait_family family)
{
    struct plait_deferred *d = plait_resolve(c->reactor, plait_slice_text(c->host), family);
    if (plait_then(d, looked_up, &c->look[f]) == PLAIT_OK) {
        c->look[f].deferred = d;
        c->looking++;
        return;
    }
    const struct plait_fault fault = plait_fault_make(PLAIT_ENOMEM, "resolve");
    plait__deferred_drop(d);
    plait__race_blame(&c->race, &fault);
}

static void begin(void *ctx)
{
    struct connecting *c = ctx;
    if (c->o.via) {
        go_through(c);
        return;
    }
    if (!c->host && !may_connect(c, &c->one)) {
        fail(c, c->race.fault);
        return;
    }
    if (!c->host) {
        plait__race_add(&c->race, c->one.kind == PLAIT_ADDR_IP4, &c->one, 1);
        start_race(c);
        return;
    }
    enter(c, "resolve", c->o.names);
    if (c->o.family != PLAIT_ONLY_IP4)
        look_up(c, 0, PLAIT_ONLY_IP6);
    if (c->o.family != PLAIT_ONLY_IP6)
        look_up(c, 1, PLAIT_ONLY_IP4);
    if (c->looking == 0)
        fail(c, c->race.fault);
}

/* --- asking for it ------------------------------------------------------------------------------------------------ */

static plait_span span_or(plait_span given, plait_span standard)
{
    return given > 0 ? given : standard;
}

static void fill_options(struct plait_connect_options *o)
{
    o->timeout = span_or(o->timeout, plait_seconds(30));
    o->attempt_delay = span_or(o->attempt_delay, plait_millis(250));
    o->resolution_delay = span_or(o->resolution_delay, plait_millis(50));
}

/* Copies a text behind the struct. */
static const char *copy(char **at, plait_slice text)
{
    char *copied = *at;
    if (text.len > 0)
        memcpy(copied, text.ptr, text.len);
    copied[text.len] = '\0';
    *at += text.len + 1;
    return copied;
}

/* The name for TLS has no dot at its end (RFC 6066 section 3). */
static plait_slice without_dot(plait_slice name)
{
    const bool dot = name.len > 1 && name.ptr[name.len - 1] == '.';
    return plait_slice_sub(name, 0, dot ? name.len - 1 : name.len);
}

/* What is to be connected to: the host's name, or an address. */
struct target {
    plait_slice host;
    uint16_t port;
    const struct plait_address *address; /* NULL: host */
};

static void fill(struct connecting *c, const struct target *to, const struct plait_connect_options *o, plait_slice name)
{
    char *at = (char *)(c + 1);
    c->o = *o;
    c->o.tls = o->tls ? plait_tls_client_ref(o->tls) : NULL;
    c->o.targets = o->targets ? plait_target_rules_ref(o->targets) : NULL;
    c->o.server_name = copy(&at, name);
    c->o.alpn = plait_slice_of(copy(&at, o->alpn), o->alpn.len);
    c->o.preface = plait_slice_of(copy(&at, o->preface), o->preface.len);
    if (to->address)
        c->one = *to->address;
    else
        c->host = copy(&at, to->host);
    c->port = to->port;
    c->step = "connect";
    for (int f = 0; f < FAMILIES; f++)
        c->look[f].owner = c;
    plait__race_init(&c->race, c->reactor, &c->o);
    c->race.won = race_won;
    c->race.failed = race_failed;
}

static struct connecting *new_connecting(struct plait_reactor *r, size_t texts)
{
    struct connecting *c = plait_mem_new(&r->budget, sizeof *c + texts + 4);
    if (!c)
        return NULL;
    c->reactor = r;
    c->offer = plait__offer_new(r);
    c->deferred = c->offer ? plait_deferred_new(r, "connect", cancel, c) : NULL;
    if (c->deferred)
        return c;
    plait__offer_free(&c->offer);
    plait_mem_free(c);
    return NULL;
}

static struct plait_deferred *start(struct plait_reactor *r, const struct target *to,
                                    const struct plait_connect_options *options)
{
    struct plait_connect_options o = {.timeout = 0};
    char text[PLAIT_ADDR_TEXT_MAX];
    if (options)
        o = *options;
    fill_options(&o);
    plait_slice name = o.server_name ? plait_slice_text(o.server_name) : without_dot(to->host);
    if (!o.server_name && to->address)
        name = plait_slice_text(plait_address_format_host(to->address, text));
    struct connecting *c = new_connecting(r, name.len + o.alpn.len + o.preface.len + to->host.len);
    if (!c)
        return NULL;
    fill(c, to, &o, name);
    plait_soon_init(&c->begin, r, "connect", begin, c);
    plait_timer_init(&c->deadline, r, "connect-timeout", too_late, c);
    plait_timer_init(&c->resolution, r, "connect-resolution", start_race, c);
    c->until = plait__later(plait_now(r), o.timeout);
    if (c->until != PLAIT_NEVER)
        plait_timer_arm_at(&c->deadline, c->until);
    plait_soon_queue(&c->begin);
    return c->deferred;
}

static struct plait_deferred *refuse(struct plait_reactor *r, const char *detail)
{
    struct plait_fault fault = plait_fault_make(PLAIT_EINVAL, "connect");
    fault.detail = detail;
    return plait_deferred_fail(r, fault);
}

struct plait_deferred *plait_connect_address(struct plait_reactor *reactor, const struct plait_address *address,
                                             const struct plait_connect_options *options)
{
    const struct target to = {.address = address};
    const bool local = address->kind == PLAIT_ADDR_UNIX || address->kind == PLAIT_ADDR_ABSTRACT;
    if (address->kind == PLAIT_ADDR_NONE)
        return refuse(reactor, "there is no address");
    if (local && options && options->via)
        return refuse(reactor, "a UNIX socket is not to be reached through anything");
    if (local && options && options->tls && !options->server_name)
        return refuse(reactor, "TLS over a UNIX socket needs a server name");
    return start(reactor, &to, options);
}

struct plait_deferred *plait_connect_host(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                          const struct plait_connect_options *options)
{
    struct plait_address literal;
    const struct target to = {.host = host, .port = port};
    const enum plait_family family = options ? options->family : PLAIT_ANY_FAMILY;
    if (family == PLAIT_ANY_FAMILY && plait_address_parse_ip(host, port, &literal) == PLAIT_OK)
        return plait_connect_address(reactor, &literal, options);
    return start(reactor, &to, options);
}
