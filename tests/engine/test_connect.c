/* SPDX-License-Identifier: MIT
 *
 * Connecting: to addresses, names and UNIX sockets, with every way to fail, and what becomes of a stream that
 * nobody takes.
 */
#include "tests/engine/connect_bed.h"

/* --- addresses ---------------------------------------------------------------------------------------------------- */

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

/* Whether a socket met itself can't be told then: it most likely did not. */
static void a_connection_whose_own_address_is_unknown_is_one(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    net_fail(&p.n, "getsockname", 1, 1000, ENOBUFS);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    assert_true(plait_injector_count(p.n.inj, "getsockname", NULL) > 0);
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
    assert_true(plait_address_equal(&p.c->with, &p.at));
    place_close(&p);
}

static void connect_instead(struct plait_result *result, void *ctx)
{
    struct place *p = ctx;
    plait_result_wait(result, plait_connect_address(p->n.r, &p->at, NULL));
}

static void who_refused_is_told_to_those_that_wait_for_it(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    plait_listener_close(&p.l);
    struct plait_deferred *d = plait_deferred_succeed(p.n.r, plait_value_num(1));
    assert_ok(plait_then(d, connect_instead, &p));
    client_start(p.c, d);
    client_expect(&p.n, p.c, PLAIT_EREFUSED);
    assert_true(plait_address_equal(&p.c->with, &p.at));
    place_close(&p);
}

static void the_systems_errors_arrive_as_faults(void **state)
{
    static const struct {
        const char *call;
        int os_errno;
        plait_err err;
    } row[] = {{"socket", EMFILE, PLAIT_EDESCRIPTORS},        {"connect", ENETUNREACH, PLAIT_EUNREACHABLE},
               {"connect", EHOSTUNREACH, PLAIT_EUNREACHABLE}, {"connect", EADDRNOTAVAIL, PLAIT_EADDRNOTAVAIL},
               {"connect", ETIMEDOUT, PLAIT_ENETTIMEDOUT},    {"connect", EACCES, PLAIT_EACCESS},
               {"epoll_ctl", ENOMEM, PLAIT_ENOMEM},           {"getsockopt", EIO, PLAIT_EIO}};
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
    const struct plait_connect_options o = {.source = {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 9}},
                                            .fast_open = true};
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

/* --- who takes the stream ----------------------------------------------------------------------------------------- */

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
    place_open(&p); /* and what was given, and is left alone for a moment */
    p.c->leave = true;
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    place_close(&p);
}

static void a_connection_that_is_made_while_the_reactor_ends_is_given_up(void **state)
{
    struct place p;
    struct seen seen;
    uint16_t port;
    (void)state;
    place_open(&p);
    const int own = plain_listener(&port);
    const struct plait_address at = loopback(port);
    watch_result(plait_connect_address(p.n.r, &at, NULL), &seen);
    p.n.descriptors += 1; /* own */
    place_close(&p);
    close(own);
    assert_err(seen.err, PLAIT_ECANCELLED);
}

static void no_memory_for_the_stream_fails(void **state)
{
    struct net n;
    uint16_t port;
    bool worked = false;
    (void)state;
    const int own = plain_listener(&port);
    const struct plait_address at = loopback(port);
    for (uint64_t k = 1; k < 12 && !worked; k++) {
        struct client *c = client_new();
        net_open(&n);
        struct plait_deferred *d = plait_connect_address(n.r, &at, NULL);
        client_start(c, d);
        n.b.heap.fail_at = n.b.heap.calls + k;
        net_until(&n, c->seen.calls == 1);
        worked = n.b.heap.calls < n.b.heap.fail_at;
        assert_true(worked || c->seen.err == PLAIT_ENOMEM);
        net_close(&n);
        free(c);
    }
    assert_true(worked);
    close(own);
}

/* --- cancelling, time, memory ------------------------------------------------------------------------------------- */

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
    static const plait_span never[] = {PLAIT_NEVER, PLAIT_NEVER - 1};
    for (size_t i = 0; i < TEST_COUNT(never); i++) {
        p.c->seen.calls = 0;
        struct plait_deferred *d =
            plait_connect_address(p.n.r, &hole.at, &(struct plait_connect_options){.timeout = never[i]});
        client_start(p.c, d);
        net_turn(&p.n);
        bed_pass(&p.n.b, plait_seconds(4000));
        assert_int_equal(p.c->seen.calls, 0);
        plait_deferred_cancel(d);
        client_expect(&p.n, p.c, PLAIT_ECANCELLED);
    }
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

/* --- UNIX sockets ------------------------------------------------------------------------------------------------- */

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

/* --- names -------------------------------------------------------------------------------------------------------- */

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

static struct plait_deferred *resolve_nothing(struct plait_reactor *r, plait_slice name, enum plait_family family,
                                              void *ctx)
{
    (void)r;
    (void)name;
    (void)family;
    (void)ctx;
    return NULL;
}

static void a_resolver_without_memory_fails(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    plait_reactor_set_resolver(p.n.r, (struct plait_resolver){.resolve = resolve_nothing});
    client_start(p.c, plait_connect_host(p.n.r, PLAIT_LIT("host.example"), 1, NULL));
    client_expect(&p.n, p.c, PLAIT_ENOMEM);
    place_close(&p);
}

static void a_timeout_says_what_the_attempts_said(void **state)
{
    static const char *const both[] = {"127.0.0.1", "127.0.0.7"};
    struct place p;
    struct names names;
    struct blackhole hole;
    (void)state;
    place_open(&p);
    plait_listener_close(&p.l);
    net_idle(&p.n);
    blackhole_open(&hole, 7, p.at.port);
    names_begin(&p, &names, NULL);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    names_answer(&p.n, &names, 1, both, 2);
    net_idle(&p.n);
    bed_pass(&p.n.b, plait_seconds(31));
    client_expect(&p.n, p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(p.c->seen.fault.detail, plait_err_text(PLAIT_EREFUSED));
    blackhole_close(&hole);
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

TEST_MAIN(cmocka_unit_test(a_connection_carries_bytes_both_ways),
          cmocka_unit_test(a_connection_whose_own_address_is_unknown_is_one),
          cmocka_unit_test(nothing_happens_inside_the_call), cmocka_unit_test(a_port_without_listener_refuses),
          cmocka_unit_test(who_refused_is_told_to_those_that_wait_for_it),
          cmocka_unit_test(the_systems_errors_arrive_as_faults),
          cmocka_unit_test(no_address_and_tls_without_name_are_invalid), cmocka_unit_test(a_source_address_is_bound),
          cmocka_unit_test(a_source_of_the_other_family_is_not_available),
          cmocka_unit_test(a_socket_connected_to_itself_was_refused),
          cmocka_unit_test(a_stream_that_nobody_attached_to_is_aborted),
          cmocka_unit_test(a_stream_may_be_attached_to_a_moment_later),
          cmocka_unit_test(a_result_that_is_ignored_ends_the_stream),
          cmocka_unit_test(a_stream_waits_for_its_first_callback),
          cmocka_unit_test(a_stream_that_ended_while_it_waited_is_a_fault),
          cmocka_unit_test(a_drain_closes_a_stream_that_waits),
          cmocka_unit_test(the_reactors_end_takes_what_nobody_took), cmocka_unit_test(cancelling_works_at_every_step),
          cmocka_unit_test(time_runs_out_over_all), cmocka_unit_test(no_memory_fails_and_leaves_nothing),
          cmocka_unit_test(a_unix_socket_is_connected_to), cmocka_unit_test(a_full_unix_backlog_is_tried_again),
          cmocka_unit_test(ipv4_waits_a_moment_for_ipv6), cmocka_unit_test(ipv6_starts_at_once_and_ipv4_joins),
          cmocka_unit_test(one_family_is_enough), cmocka_unit_test(only_the_family_asked_for_is_looked_up),
          cmocka_unit_test(of_several_errors_the_most_telling_is_told),
          cmocka_unit_test(time_runs_out_while_names_are_looked_up), cmocka_unit_test(a_literal_needs_no_resolver),
          cmocka_unit_test(a_connection_that_is_made_while_the_reactor_ends_is_given_up),
          cmocka_unit_test(no_memory_for_the_stream_fails), cmocka_unit_test(a_resolver_without_memory_fails),
          cmocka_unit_test(a_timeout_says_what_the_attempts_said))
