/* SPDX-License-Identifier: MIT
 *
 * What the tests of connecting stand on: a server on the loopback, a client that attaches its protocol in the callback,
 * a resolver whose answers the test gives, an address that never answers.
 */
#ifndef PLAIT_TESTS_ENGINE_CONNECT_BED_H
#define PLAIT_TESTS_ENGINE_CONNECT_BED_H

#include "tests/engine/net.h"

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* A client: its protocol is attached in the callback. */
struct client {
    struct peer p;
    struct seen seen;
    struct plait_address with; /* whom the fault names */
    bool leave;                /* attaches nothing */
};

static inline void attach_client(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    see(result, &c->seen);
    if (c->seen.fault.peer)
        c->with = *c->seen.fault.peer; /* it is the deferred's */
    c->seen.fault.peer = NULL;
    if (result->fault.err == PLAIT_OK && !c->leave)
        peer_attach(&c->p, result->value.ptr, &peer_protocol);
}

static inline void client_start(struct client *c, struct plait_deferred *d)
{
    assert_ok(plait_then(d, attach_client, c));
}

static inline struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    return c;
}

static inline void client_expect(struct net *n, struct client *c, plait_err err)
{
    net_until(n, c->seen.calls == 1);
    assert_err(c->seen.err, err);
}

/* A server on the loopback. */
struct place {
    struct net n;
    struct srv v;
    struct plait_listener *l;
    struct plait_address at;
    struct client *c;
};

static inline void place_open(struct place *p)
{
    memset(p, 0, sizeof *p);
    net_open(&p->n);
    p->l = net_listen(&p->n, &p->v, NULL);
    plait_listener_address(p->l, &p->at);
    p->c = client_new();
}

static inline void place_close(struct place *p)
{
    net_close(&p->n);
    free(p->c);
}

static inline int plain_listener(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    const int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(own, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(own, 5), 0);
    assert_int_equal(getsockname(own, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return own;
}

/* An address whose backlog is full: the kernel drops what comes, and a connection stays under way. */
struct blackhole {
    struct plait_address at;
    int listener, filler[3];
};

static inline void blackhole_open(struct blackhole *h, uint8_t last, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof in;
    in.sin_addr.s_addr = htonl(0x7f000000u | last);
    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(h->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(h->listener, 0), 0);
    assert_int_equal(getsockname(h->listener, (struct sockaddr *)&in, &len), 0);
    for (int i = 0; i < 3; i++) {
        h->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(h->filler[i], (struct sockaddr *)&in, sizeof in);
        (void)usleep(2000);
    }
    h->at = (struct plait_address){.kind = PLAIT_ADDR_IP4, .port = ntohs(in.sin_port), .ip = {127, 0, 0, last}};
}

static inline void blackhole_close(struct blackhole *h)
{
    for (int i = 0; i < 3; i++)
        close(h->filler[i]);
    close(h->listener);
}

/* A resolver whose answers the test gives. */
struct names {
    struct plait_deferred *asked[2]; /* 0: IPv6, 1: IPv4 */
    int cancelled;
};

static inline void names_cancel(struct plait_deferred *d, void *ctx)
{
    struct names *names = ctx;
    names->cancelled++;
    for (int f = 0; f < 2; f++) {
        if (names->asked[f] == d)
            names->asked[f] = NULL;
    }
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "resolve"));
}

static inline struct plait_deferred *names_resolve(struct plait_reactor *r, plait_slice name, enum plait_family family,
                                                   void *ctx)
{
    struct names *names = ctx;
    assert_slice(name, "host.example");
    assert_true(family != PLAIT_ANY_FAMILY);
    const int f = family == PLAIT_ONLY_IP4;
    return names->asked[f] = plait_deferred_new(r, "names", names_cancel, names);
}

static inline void names_answer(struct net *n, struct names *names, int family, const char *const *text, size_t count)
{
    struct plait_address a[4];
    plait_value value;
    for (size_t i = 0; i < count; i++)
        assert_ok(plait_address_parse_ip(plait_slice_text(text[i]), 0, &a[i]));
    assert_ok(plait_addresses_new(n->r, a, count, &value));
    struct plait_deferred *d = names->asked[family];
    names->asked[family] = NULL;
    plait_fire(d, value);
    net_turn(n);
}

static inline void names_refuse(struct net *n, struct names *names, int family, plait_err err)
{
    struct plait_deferred *d = names->asked[family];
    names->asked[family] = NULL;
    plait_fire_fault(d, plait_fault_make(err, "resolve"));
    net_turn(n);
}

static inline void names_begin(struct place *p, struct names *names, const struct plait_connect_options *o)
{
    memset(names, 0, sizeof *names);
    plait_reactor_set_resolver(p->n.r, (struct plait_resolver){.resolve = names_resolve, .ctx = names});
    client_start(p->c, plait_connect_host(p->n.r, PLAIT_LIT("host.example"), p->at.port, o));
    net_turn(&p->n);
}

static const char *const one_ip4[] __attribute__((unused)) = {"127.0.0.1"};
static const char *const one_ip6[] __attribute__((unused)) = {"::1"};

#endif
