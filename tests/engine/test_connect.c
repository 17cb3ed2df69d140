/* SPDX-License-Identifier: MIT
 *
 * Connecting: to addresses, names and UNIX sockets, over TLS, with every way to fail, and what becomes of a stream that
 * nobody takes.
 */
#include "tests/engine/net.h"
#include "tests/support/certs.h"

/* --- helpers -------------------------------------------------------------------------------------------------------- */

/* A client: its protocol is attached in the callback. */
struct client {
    struct peer p;
    struct seen seen;
    bool leave; /* attaches nothing */
};

static void attach_client(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    see(result, &c->seen);
    c->seen.fault.peer = NULL;
    if (result->fault.err == PLAIT_OK && !c->leave)
        peer_attach(&c->p, result->value.ptr, &peer_protocol);
}

static void client_start(struct client *c, struct plait_deferred *d)
{
    assert_ok(plait_then(d, attach_client, c));
}

static struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    return c;
}

static void client_expect(struct net *n, struct client *c, plait_err err)
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

static void place_open(struct place *p)
{
    memset(p, 0, sizeof *p);
    net_open(&p->n);
    p->l = net_listen(&p->n, &p->v, NULL);
    plait_listener_address(p->l, &p->at);
    p->c = client_new();
}

static void place_close(struct place *p)
{
    net_close(&p->n);
    free(p->c);
}

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static void a_connection_carries_bytes_both_ways(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&p.n, p.c->p.got_len == 5);
    assert_string_equal(p.v.got, "hello");
    struct plait_address peer;
    plait_stream_peer(p.c->p.s, &peer);
    assert_true(plait_address_equal(&peer, &p.at));
    plait_close(p.c->p.s);
    net_until(&p.n, p.c->p.s == NULL && p.v.lost == 1);
    place_close(&p);
}

static void nothing_happens_inside_the_call(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 0);
    client_expect(&p.n, p.c, PLAIT_OK);
    place_close(&p);
}

static void a_port_without_listener_refuses(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    plait_listener_close(&p.l);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_EREFUSED);
    assert_string_equal(p.c->seen.fault.step, "connect");
    assert_true(p.c->seen.fault.retry);
    place_close(&p);
}

static void the_systems_errors_arrive_as_faults(void **state)
{
    static const struct {
        const char *call;
        int os_errno;
        plait_err err;
    } row[] = {{"socket", EMFILE, PLAIT_EDESCRIPTORS},      {"connect", ENETUNREACH, PLAIT_EUNREACHABLE},
               {"connect", EHOSTUNREACH, PLAIT_EUNREACHABLE}, {"connect", EADDRNOTAVAIL, PLAIT_EADDRNOTAVAIL},
               {"connect", ETIMEDOUT, PLAIT_ENETTIMEDOUT},  {"connect", EACCES, PLAIT_EACCESS},
               {"epoll_ctl", ENOMEM, PLAIT_ENOMEM},         {"getsockopt", EIO, PLAIT_EIO}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct place p;
        place_open(&p);
        net_fail(&p.n, row[i].call, 1, 1, row[i].os_errno);
        client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
        net_until(&p.n, p.c->seen.calls == 1);
        if (p.c->seen.err != PLAIT_OK) /* a connect that is done at once asks neither epoll nor SO_ERROR */
            assert_err(p.c->seen.err, row[i].err);
        else
            assert_true(strcmp(row[i].call, "epoll_ctl") == 0);
        place_close(&p);
    }
}

static void no_address_and_tls_without_name_are_invalid(void **state)
{
    struct place p;
    const struct plait_address none = {.kind = PLAIT_ADDR_NONE};
    struct plait_address local;
    struct plait_tls_client *tls;
    const struct plait_tls_client_options insecure = {.insecure = true};
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &none, NULL));
    client_expect(&p.n, p.c, PLAIT_EINVAL);
    assert_ok(plait_address_unix(PLAIT_LIT("/nowhere"), &local));
    assert_ok(plait_tls_client_new(p.n.r, &insecure, &tls, NULL));
    p.c->seen.calls = 0;
    const struct plait_connect_options o = {.tls = tls};
    client_start(p.c, plait_connect_address(p.n.r, &local, &o));
    client_expect(&p.n, p.c, PLAIT_EINVAL);
    plait_tls_client_unref(&tls);
    place_close(&p);
}

static void a_source_address_is_bound(void **state)
{
    struct place p;
    const struct plait_connect_options o = {.source = {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 9}}, .fast_open = true};
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
    p.c->p.greeting = PLAIT_LIT("x"); /* fast open: the connection begins with the first bytes */
    net_until(&p.n, p.v.connected == 1);
    assert_int_equal(p.v.peer.ip[3], 9);
    place_close(&p);
}

static void a_source_of_the_other_family_is_not_available(void **state)
{
    struct place p;
    const struct plait_connect_options six = {.source = {.kind = PLAIT_ADDR_IP6, .ip = {[15] = 1}}};
    const struct plait_connect_options far = {.source = {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 1}}};
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &six));
    client_expect(&p.n, p.c, PLAIT_EADDRNOTAVAIL);
    p.c->seen.calls = 0;
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &far));
    client_expect(&p.n, p.c, PLAIT_EADDRNOTAVAIL);
    place_close(&p);
}

/* Two ephemeral ports can meet: a socket that connects to itself has no server. */
static void a_socket_connected_to_itself_was_refused(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    plait_listener_close(&p.l);
    const struct plait_connect_options o = {.source = p.at};
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
    client_expect(&p.n, p.c, PLAIT_EREFUSED);
    place_close(&p);
}

/* --- who takes the stream -------------------------------------------------------------------------------------------- */

static void a_stream_that_nobody_attached_to_is_aborted(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    p.c->leave = true;
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    net_until(&p.n, p.v.connected == 1);
    bed_pass(&p.n.b, plait_millis(20));
    net_until(&p.n, p.v.lost == 1);
    assert_int_equal(p.n.r->stream_count, 0);
    place_close(&p);
}

static void a_stream_may_be_attached_to_a_moment_later(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    p.c->leave = true;
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    net_idle(&p.n);
    peer_attach(&p.c->p, p.c->seen.ptr, &peer_protocol); /* as a task does that was woken by it */
    bed_pass(&p.n.b, plait_millis(20));
    assert_string_equal(p.c->p.story, "c");
    place_close(&p);
}

static void a_result_that_is_ignored_ends_the_stream(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    plait_deferred_ignore(plait_connect_address(p.n.r, &p.at, NULL));
    net_until(&p.n, p.v.lost == 1);
    place_close(&p);
}

static void a_stream_waits_for_its_first_callback(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_deferred *d = plait_connect_address(p.n.r, &p.at, NULL);
    net_until(&p.n, p.v.connected == 1);
    bed_pass(&p.n.b, plait_seconds(100));
    p.c->p.greeting = PLAIT_LIT("late");
    client_start(p.c, d);
    client_expect(&p.n, p.c, PLAIT_OK);
    net_until(&p.n, p.c->p.got_len == 4);
    place_close(&p);
}

static void a_stream_that_ended_while_it_waited_is_a_fault(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_deferred *d = plait_connect_address(p.n.r, &p.at, NULL);
    net_until(&p.n, p.v.connected == 1 && plait_deferred_fired(d));
    struct plait_stream *s = plait__container(p.n.r->streams.prev, struct plait_stream, all);
    for (struct plait__list *at = p.n.r->streams.next; at != &p.n.r->streams; at = at->next) {
        if (plait__container(at, struct plait_stream, all)->flags & PLAIT__F_HELD)
            s = plait__container(at, struct plait_stream, all);
    }
    assert_true((s->flags & PLAIT__F_HELD) != 0);
    plait_abort_with(s, PLAIT_ERESET, NULL);
    net_idle(&p.n);
    client_start(p.c, d);
    client_expect(&p.n, p.c, PLAIT_ERESET);
    net_idle(&p.n);
    net_until(&p.n, p.n.r->stream_count == 0 || p.v.lost == 1);
    place_close(&p);
}

static void a_drain_closes_a_stream_that_waits(void **state)
{
    struct place p;
    struct seen seen;
    (void)state;
    place_open(&p);
    struct plait_deferred *d = plait_connect_address(p.n.r, &p.at, NULL);
    net_until(&p.n, p.v.connected == 1 && plait_deferred_fired(d));
    watch_result(plait_drain(p.n.r, plait_seconds(1)), &seen);
    net_idle(&p.n);
    client_start(p.c, d);
    client_expect(&p.n, p.c, PLAIT_ECLOSED);
    bed_pass(&p.n.b, plait_seconds(5));
    net_until(&p.n, seen.calls == 1);
    place_close(&p);
}

static void the_reactors_end_takes_what_nobody_took(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_deferred *d = plait_connect_address(p.n.r, &p.at, NULL);
    net_until(&p.n, plait_deferred_fired(d));
    place_close(&p);
    place_open(&p); /* and what was still under way */
    d = plait_connect_address(p.n.r, &p.at, NULL);
    assert_false(plait_deferred_fired(d));
    place_close(&p);
}

/* --- cancelling, time, memory ---------------------------------------------------------------------------------------- */

/* An address whose backlog is full: the kernel drops what comes, and a connection stays under way. */
struct blackhole {
    struct plait_address at;
    int listener, filler[3];
};

static void blackhole_open(struct blackhole *h, uint8_t last, uint16_t port)
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

static void blackhole_close(struct blackhole *h)
{
    for (int i = 0; i < 3; i++)
        close(h->filler[i]);
    close(h->listener);
}

static void cancelling_works_at_every_step(void **state)
{
    struct blackhole hole;
    (void)state;
    blackhole_open(&hole, 7, 0);
    for (int turns = 0; turns < 4; turns++) {
        struct place p;
        place_open(&p);
        struct plait_deferred *d = plait_connect_address(p.n.r, &hole.at, NULL);
        client_start(p.c, d);
        for (int i = 0; i < turns; i++)
            net_turn(&p.n);
        assert_int_equal(p.c->seen.calls, 0);
        plait_deferred_cancel(d);
        client_expect(&p.n, p.c, PLAIT_ECANCELLED);
        place_close(&p);
    }
    blackhole_close(&hole);
}

static void time_runs_out_over_all(void **state)
{
    struct blackhole hole;
    struct place p;
    const struct plait_connect_options o = {.timeout = 3000000000};
    (void)state;
    blackhole_open(&hole, 7, 0);
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &hole.at, &o));
    net_idle(&p.n);
    bed_pass(&p.n.b, plait_millis(2900));
    assert_int_equal(p.c->seen.calls, 0);
    bed_pass(&p.n.b, plait_millis(200));
    client_expect(&p.n, p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(p.c->seen.fault.step, "connect");
    p.c->seen.calls = 0;
    const struct plait_connect_options never = {.timeout = PLAIT_NEVER};
    struct plait_deferred *d = plait_connect_address(p.n.r, &hole.at, &never);
    client_start(p.c, d);
    net_turn(&p.n);
    bed_pass(&p.n.b, plait_seconds(4000));
    assert_int_equal(p.c->seen.calls, 0);
    plait_deferred_cancel(d);
    client_expect(&p.n, p.c, PLAIT_ECANCELLED);
    place_close(&p);
    blackhole_close(&hole);
}

static void no_memory_fails_and_leaves_nothing(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 30 && !worked; k++) {
        struct place p;
        place_open(&p);
        bed_fill(&p.n.b);
        p.n.b.heap.fail_at = p.n.b.heap.calls + k; /* this one alone */
        struct plait_deferred *d = plait_connect_host(p.n.r, PLAIT_LIT("localhost"), p.at.port, NULL);
        const plait_err added = plait_then(d, attach_client, p.c);
        if (added == PLAIT_OK)
            net_until(&p.n, p.c->seen.calls == 1);
        worked = p.n.b.heap.calls < p.n.b.heap.fail_at;
        assert_true(worked || added != PLAIT_OK || p.c->seen.err == PLAIT_ENOMEM || p.c->seen.err == PLAIT_OK ||
                    p.c->seen.err == PLAIT_EREFUSED);
        place_close(&p);
    }
    assert_true(worked);
}

/* --- UNIX sockets --------------------------------------------------------------------------------------------------- */

static void a_unix_socket_is_connected_to(void **state)
{
    struct place p;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 8];
    struct plait_address a;
    struct plait_listener *l;
    (void)state;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    assert_ok(plait_address_unix(plait_slice_text(path), &a));
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &a, NULL));
    client_expect(&p.n, p.c, PLAIT_ENOTFOUND);
    p.c->seen.calls = 0;
    assert_ok(plait_listen(p.n.r, &a, NULL, srv_service(&p.n, &p.v), &l));
    client_start(p.c, plait_connect_address(p.n.r, &a, NULL));
    p.c->p.greeting = PLAIT_LIT("hi");
    net_until(&p.n, p.c->p.got_len == 2);
    place_close(&p);
    test_folder_remove(folder);
}

/* unix(7): a full backlog gives EAGAIN and no event when there is room. */
static void a_full_unix_backlog_is_tried_again(void **state)
{
    struct place p;
    struct plait_address a;
    char name[40];
    struct plait_listener *l;
    (void)state;
    place_open(&p);
    (void)snprintf(name, sizeof name, "@plait-full-%d", (int)getpid());
    assert_ok(plait_address_unix(plait_slice_text(name), &a));
    assert_ok(plait_listen(p.n.r, &a, NULL, srv_service(&p.n, &p.v), &l));
    net_fail(&p.n, "connect", 1, 7, EAGAIN);
    client_start(p.c, plait_connect_address(p.n.r, &a, NULL));
    net_idle(&p.n);
    assert_int_equal(p.c->seen.calls, 0);
    for (int i = 0; i < 10; i++)
        bed_pass(&p.n.b, plait_millis(201));
    client_expect(&p.n, p.c, PLAIT_OK);
    p.c->seen.calls = 0;
    net_fail(&p.n, "connect", 1, 1, EAGAIN);
    client_start(p.c, plait_connect_address(p.n.r, &a, NULL));
    net_idle(&p.n);
    net_fail(&p.n, "connect", 1, 1, ECONNREFUSED);
    bed_pass(&p.n.b, plait_millis(20));
    client_expect(&p.n, p.c, PLAIT_EREFUSED);
    place_close(&p);
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

/* A resolver whose answers the test gives. */
struct names {
    struct plait_deferred *asked[2]; /* 0: IPv6, 1: IPv4 */
    int cancelled;
};

static void names_cancel(struct plait_deferred *d, void *ctx)
{
    struct names *names = ctx;
    names->cancelled++;
    for (int f = 0; f < 2; f++) {
        if (names->asked[f] == d)
            names->asked[f] = NULL;
    }
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "resolve"));
}

static struct plait_deferred *names_resolve(struct plait_reactor *r, plait_slice name, enum plait_family family,
                                            void *ctx)
{
    struct names *names = ctx;
    assert_slice(name, "host.example");
    assert_true(family != PLAIT_ANY_FAMILY);
    const int f = family == PLAIT_ONLY_IP4;
    return names->asked[f] = plait_deferred_new(r, "names", names_cancel, names);
}

static void names_answer(struct net *n, struct names *names, int family, const char *const *text, size_t count)
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

static void names_refuse(struct net *n, struct names *names, int family, plait_err err)
{
    struct plait_deferred *d = names->asked[family];
    names->asked[family] = NULL;
    plait_fire_fault(d, plait_fault_make(err, "resolve"));
    net_turn(n);
}

static void names_begin(struct place *p, struct names *names, const struct plait_connect_options *o)
{
    memset(names, 0, sizeof *names);
    plait_reactor_set_resolver(p->n.r, (struct plait_resolver){.resolve = names_resolve, .ctx = names});
    client_start(p->c, plait_connect_host(p->n.r, PLAIT_LIT("host.example"), p->at.port, o));
    net_turn(&p->n);
}

static const char *const one_ip4[] = {"127.0.0.1"};
static const char *const one_ip6[] = {"::1"};

static void ipv4_waits_a_moment_for_ipv6(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    names_begin(&p, &names, NULL);
    assert_non_null(names.asked[0]);
    assert_non_null(names.asked[1]);
    names_answer(&p.n, &names, 1, one_ip4, 1);
    net_idle(&p.n);
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 0);
    bed_pass(&p.n.b, plait_millis(60));
    client_expect(&p.n, p.c, PLAIT_OK);
    assert_int_equal(names.cancelled, 1); /* the other look-up is not needed any more */
    place_close(&p);
}

static void ipv6_starts_at_once_and_ipv4_joins(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    names_begin(&p, &names, NULL);
    names_answer(&p.n, &names, 0, one_ip6, 1); /* nobody listens there */
    net_idle(&p.n);
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 1);
    assert_int_equal(p.c->seen.calls, 0);
    bed_pass(&p.n.b, plait_millis(300));
    names_answer(&p.n, &names, 1, one_ip4, 1);
    client_expect(&p.n, p.c, PLAIT_OK);
    place_close(&p);
}

static void one_family_is_enough(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    names_begin(&p, &names, NULL);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    names_answer(&p.n, &names, 1, one_ip4, 1);
    client_expect(&p.n, p.c, PLAIT_OK);
    place_close(&p);
}

static void only_the_family_asked_for_is_looked_up(void **state)
{
    const enum plait_family family[] = {PLAIT_ONLY_IP6, PLAIT_ONLY_IP4};
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct place p;
        struct names names;
        const struct plait_connect_options o = {.family = family[f]};
        place_open(&p);
        names_begin(&p, &names, &o);
        assert_non_null(names.asked[f]);
        assert_null(names.asked[1 - f]);
        names_refuse(&p.n, &names, f, PLAIT_ENAMENOTFOUND);
        client_expect(&p.n, p.c, PLAIT_ENAMENOTFOUND);
        place_close(&p);
    }
}

static void of_several_errors_the_most_telling_is_told(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    plait_listener_close(&p.l);
    names_begin(&p, &names, NULL);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMEFAILED);
    names_answer(&p.n, &names, 1, one_ip4, 1);
    client_expect(&p.n, p.c, PLAIT_EREFUSED);
    p.c->seen.calls = 0;
    names_begin(&p, &names, NULL);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMEFAILED);
    names_refuse(&p.n, &names, 1, PLAIT_ENAMENOTFOUND);
    client_expect(&p.n, p.c, PLAIT_ENAMENOTFOUND);
    place_close(&p);
}

static void time_runs_out_while_names_are_looked_up(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    names_begin(&p, &names, NULL);
    bed_pass(&p.n.b, plait_seconds(31));
    client_expect(&p.n, p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(p.c->seen.fault.step, "resolve");
    assert_int_equal(names.cancelled, 2);
    place_close(&p);
}

static void a_literal_needs_no_resolver(void **state)
{
    struct place p;
    const struct plait_connect_options six = {.family = PLAIT_ONLY_IP6};
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_host(p.n.r, PLAIT_LIT("127.0.0.1"), p.at.port, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    p.c->seen.calls = 0;
    client_start(p.c, plait_connect_host(p.n.r, PLAIT_LIT("127.0.0.1"), p.at.port, &six));
    client_expect(&p.n, p.c, PLAIT_ENAMENOTFOUND);
    place_close(&p);
}

/* --- TLS ------------------------------------------------------------------------------------------------------------ */

struct tls_place {
    struct place p;
    struct test_cert ca, cert;
    struct plait_tls_server *server;
    struct plait_tls_client *client;
    struct plait_listener *secure;
    struct plait_address at;
};

static void tls_open(struct tls_place *t)
{
    char why[200];
    memset(t, 0, sizeof *t);
    const struct test_cert_ask issuer = {.subject = "test root", .is_ca = true};
    const struct test_cert_ask leaf = {.subject = "host", .san = "DNS:host.example,IP:127.0.0.1"};
    test_cert_make(&t->ca, NULL, &issuer);
    test_cert_make(&t->cert, &t->ca, &leaf);
    place_open(&t->p);
    const struct plait_tls_server_options so = {.cert_pem = t->cert.cert_pem, .key_pem = t->cert.key_pem};
    const struct plait_tls_client_options co = {.ca_pem = t->ca.cert_pem};
    assert_ok(plait_tls_server_new(t->p.n.r, &so, &t->server, why));
    assert_ok(plait_tls_client_new(t->p.n.r, &co, &t->client, why));
    const struct plait_listen_options o = {.tls = t->server};
    t->secure = net_listen(&t->p.n, &t->p.v, &o);
    plait_listener_address(t->secure, &t->at);
}

static void tls_close(struct tls_place *t)
{
    plait_tls_server_unref(&t->server);
    plait_tls_client_unref(&t->client);
    place_close(&t->p);
    test_cert_end(&t->cert);
    test_cert_end(&t->ca);
}

static void tls_on_both_sides_is_up_before_anybody_is_told(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client};
    client_start(t.p.c, plait_connect_address(t.p.n.r, &t.at, &o));
    t.p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_true(plait_stream_tls(t.p.c->p.s)->verified);
    assert_int_equal(t.p.v.secured, 1);
    assert_int_equal(t.p.v.connected, 1);
    assert_string_equal(t.p.v.got, "hello");
    assert_true(strncmp(t.p.c->p.story, "csd", 3) == 0);
    tls_close(&t);
}

static void a_name_that_does_not_fit_is_refused(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client, .server_name = "other.example"};
    client_start(t.p.c, plait_connect_address(t.p.n.r, &t.at, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_EVERIFY);
    net_until(&t.p.n, plait_listener_count(t.secure) == 0);
    assert_int_equal(t.p.v.opened, 0);
    assert_true(bed_logged(&t.p.n.b, "handshake-failed"));
    tls_close(&t);
}

static void the_hosts_name_is_verified_without_its_dot(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    struct names names = {.cancelled = 0};
    t.p.at.port = t.at.port;
    const struct plait_connect_options o = {.tls = t.client, .server_name = "host.example"};
    names_begin(&t.p, &names, &o);
    names_refuse(&t.p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    names_answer(&t.p.n, &names, 1, one_ip4, 1);
    client_expect(&t.p.n, t.p.c, PLAIT_OK);
    tls_close(&t);
}

static void tls_against_a_server_that_says_nothing_times_out(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client};
    uint8_t hello = 0;
    (void)hello;
    t.p.v.attach_nothing = false;
    const int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    assert_int_equal(bind(mute, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(mute, 5), 0);
    assert_int_equal(getsockname(mute, (struct sockaddr *)&in, &len), 0);
    const struct plait_address at = loopback(ntohs(in.sin_port));
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    bed_pass(&t.p.n.b, plait_seconds(31));
    client_expect(&t.p.n, t.p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(t.p.c->seen.fault.step, "handshake");
    t.p.c->seen.calls = 0;
    struct plait_deferred *d = plait_connect_address(t.p.n.r, &at, &o);
    client_start(t.p.c, d);
    net_idle(&t.p.n);
    plait_deferred_cancel(d);
    client_expect(&t.p.n, t.p.c, PLAIT_ECANCELLED);
    t.p.c->seen.calls = 0;
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    for (int i = 0; i < 3; i++) /* the server goes in the middle of the handshake */
        close(accept4(mute, NULL, NULL, SOCK_CLOEXEC));
    net_until(&t.p.n, t.p.c->seen.calls == 1);
    assert_true(t.p.c->seen.err != PLAIT_OK);
    close(mute);
    tls_close(&t);
}

static void a_tls_client_that_says_nothing_is_not_waited_for_long(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const int fd = plain_connect(t.at.port);
    net_until(&t.p.n, plait_listener_count(t.secure) == 1);
    bed_pass(&t.p.n.b, plait_seconds(11));
    net_until(&t.p.n, plain_ended(fd));
    assert_int_equal(t.p.v.opened, 0);
    close(fd);
    tls_close(&t);
}

/* TLS behind the PROXY protocol: the first bytes of TLS come with the header. */
static void tls_follows_a_proxy_header(void **state)
{
    struct tls_place t;
    struct plait_listen_options o;
    (void)state;
    tls_open(&t);
    o = (struct plait_listen_options){.tls = t.server};
    assert_ok(plait_proxy_trust_new(t.p.n.r, PLAIT_LIT("127.0.0.1"), &o.proxy));
    struct plait_listener *l = net_listen(&t.p.n, &t.p.v, &o);
    const struct plait_address at = loopback(net_port(l));
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, NULL));
    client_expect(&t.p.n, t.p.c, PLAIT_OK);
    plait_write(t.p.c->p.s, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
    assert_ok(plait_starttls_client(t.p.c->p.s, t.client, "host.example", plait_slice_of(NULL, 0)));
    plait_write(t.p.c->p.s, PLAIT_LIT("hello"));
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_int_equal(t.p.v.peer.ip[0], 192);
    assert_int_equal(t.p.v.secured, 1);
    tls_close(&t);
}

static void no_memory_for_tls_fails_and_leaves_nothing(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 40 && !worked; k++) {
        struct tls_place t;
        tls_open(&t);
        const struct plait_connect_options o = {.tls = t.client};
        bed_fill(&t.p.n.b);
        t.p.n.b.heap.fail_at = t.p.n.b.heap.calls + k;
        struct plait_deferred *d = plait_connect_address(t.p.n.r, &t.at, &o);
        if (plait_then(d, attach_client, t.p.c) == PLAIT_OK)
            net_until(&t.p.n, t.p.c->seen.calls == 1);
        net_idle(&t.p.n);
        worked = t.p.n.b.heap.calls < t.p.n.b.heap.fail_at;
        tls_close(&t);
    }
    assert_true(worked);
}

TEST_MAIN(
    cmocka_unit_test(a_connection_carries_bytes_both_ways), cmocka_unit_test(nothing_happens_inside_the_call),
    cmocka_unit_test(a_port_without_listener_refuses), cmocka_unit_test(the_systems_errors_arrive_as_faults),
    cmocka_unit_test(no_address_and_tls_without_name_are_invalid), cmocka_unit_test(a_source_address_is_bound),
    cmocka_unit_test(a_source_of_the_other_family_is_not_available),
    cmocka_unit_test(a_socket_connected_to_itself_was_refused),
    cmocka_unit_test(a_stream_that_nobody_attached_to_is_aborted),
    cmocka_unit_test(a_stream_may_be_attached_to_a_moment_later),
    cmocka_unit_test(a_result_that_is_ignored_ends_the_stream), cmocka_unit_test(a_stream_waits_for_its_first_callback),
    cmocka_unit_test(a_stream_that_ended_while_it_waited_is_a_fault),
    cmocka_unit_test(a_drain_closes_a_stream_that_waits), cmocka_unit_test(the_reactors_end_takes_what_nobody_took),
    cmocka_unit_test(cancelling_works_at_every_step), cmocka_unit_test(time_runs_out_over_all),
    cmocka_unit_test(no_memory_fails_and_leaves_nothing), cmocka_unit_test(a_unix_socket_is_connected_to),
    cmocka_unit_test(a_full_unix_backlog_is_tried_again), cmocka_unit_test(ipv4_waits_a_moment_for_ipv6),
    cmocka_unit_test(ipv6_starts_at_once_and_ipv4_joins), cmocka_unit_test(one_family_is_enough),
    cmocka_unit_test(only_the_family_asked_for_is_looked_up),
    cmocka_unit_test(of_several_errors_the_most_telling_is_told),
    cmocka_unit_test(time_runs_out_while_names_are_looked_up), cmocka_unit_test(a_literal_needs_no_resolver),
    cmocka_unit_test(tls_on_both_sides_is_up_before_anybody_is_told),
    cmocka_unit_test(a_name_that_does_not_fit_is_refused), cmocka_unit_test(the_hosts_name_is_verified_without_its_dot),
    cmocka_unit_test(tls_against_a_server_that_says_nothing_times_out),
    cmocka_unit_test(a_tls_client_that_says_nothing_is_not_waited_for_long),
    cmocka_unit_test(tls_follows_a_proxy_header), cmocka_unit_test(no_memory_for_tls_fails_and_leaves_nothing))
