/* SPDX-License-Identifier: MIT
 *
 * What mutants of connecting, listening and endpoints showed that nobody looked at: times of steps, what is given back
 * when a call fails, limits at their edges, what begins while the reactor ends. tools/mutate tells which survive.
 */
#include "tests/engine/connect_bed.h"
#include "tests/support/certs.h"

#include "engine/target_core.h"

#include <sys/wait.h>

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void a_name_that_is_not_known_has_no_address(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    p.c->with.port = 77; /* stays when the fault names nobody */
    names_begin(&p, &names, NULL);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    names_refuse(&p.n, &names, 1, PLAIT_ENAMENOTFOUND);
    client_expect(&p.n, p.c, PLAIT_ENAMENOTFOUND);
    assert_int_equal(p.c->with.port, 77);
    place_close(&p);
}

static void the_time_for_names_ends_with_the_names(void **state)
{
    static const char *const hole_ip4[] = {"127.0.0.11"};
    static const plait_span whole[] = {PLAIT_NEVER, 10000000000};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(whole); i++) {
        struct blackhole hole;
        struct place p;
        struct names names;
        const struct plait_connect_options o = {
            .family = PLAIT_ONLY_IP4, .timeout = whole[i], .names = plait_seconds(1)};
        blackhole_open(&hole, 11, 0);
        place_open(&p);
        p.at.port = hole.at.port;
        names_begin(&p, &names, &o);
        bed_pass(&p.n.b, plait_millis(500));
        names_answer(&p.n, &names, 1, hole_ip4, 1);
        net_idle(&p.n);
        bed_pass(&p.n.b, plait_seconds(5));
        assert_int_equal(p.c->seen.calls, 0);
        bed_pass(&p.n.b, plait_seconds(5));
        assert_int_equal(p.c->seen.calls, i);
        if (i)
            assert_string_equal(p.c->seen.fault.step, "connect");
        place_close(&p);
        blackhole_close(&hole);
    }
}

static void names_have_their_own_time(void **state)
{
    struct place p;
    struct names names;
    const struct plait_connect_options o = {.timeout = plait_seconds(60), .names = plait_seconds(1)};
    (void)state;
    place_open(&p);
    names_begin(&p, &names, &o);
    bed_pass(&p.n.b, plait_millis(999));
    assert_int_equal(p.c->seen.calls, 0);
    bed_pass(&p.n.b, plait_millis(2));
    client_expect(&p.n, p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(p.c->seen.fault.step, "resolve");
    assert_int_equal(names.cancelled, 2);
    place_close(&p);
}

/* The other family's answer comes, or does not, while the handshake is under way. */
static void a_connection_that_was_won_looks_no_further(void **state)
{
    struct place p;
    struct names names;
    const struct plait_tls_client_options insecure = {.insecure = true};
    struct plait_tls_client *tls;
    (void)state;
    place_open(&p);
    const int silent = plain_listener(&p.at.port);
    assert_ok(plait_tls_client_new(p.n.r, &insecure, &tls, NULL));
    const struct plait_connect_options o = {.tls = tls};
    names_begin(&p, &names, &o);
    names_answer(&p.n, &names, 1, one_ip4, 1);
    bed_pass(&p.n.b, plait_millis(60)); /* IPv6 was waited for */
    net_until(&p.n, names.cancelled == 1);
    assert_null(names.asked[0]);
    assert_int_equal(p.c->seen.calls, 0); /* the server says nothing */
    plait_tls_client_unref(&tls);
    close(silent);
    place_close(&p);
}

/* An operation with so many callbacks that no more can be added; there is no memory from here on. */
struct full {
    int made, cancelled;
};

static void full_cancel(struct plait_deferred *d, void *ctx)
{
    ((struct full *)ctx)->cancelled++;
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "full"));
}

static void pass_on(struct plait_result *result, void *ctx)
{
    (void)result, (void)ctx;
}

static struct plait_deferred *full_deferred(struct plait_reactor *r, struct full *full)
{
    struct plait_deferred *d = plait_deferred_new(r, "full", full_cancel, full);
    assert_non_null(d);
    full->made++;
    bed_fail(plait__container(r->sys, struct bed, sys), 1);
    while (plait_then(d, pass_on, NULL) == PLAIT_OK)
        continue;
    return d;
}

static struct plait_deferred *full_connect(struct plait_reactor *r, plait_slice host, uint16_t port,
                                           const struct plait_connect_options *options, void *ctx)
{
    (void)host, (void)port, (void)options;
    return full_deferred(r, ctx);
}

static struct plait_deferred *full_resolve(struct plait_reactor *r, plait_slice name, enum plait_family family,
                                           void *ctx)
{
    (void)name, (void)family;
    return full_deferred(r, ctx);
}

/* Whoever can't wait for a result gives it up. */
static void what_cannot_be_waited_for_is_cancelled(void **state)
{
    (void)state;
    for (int by_name = 0; by_name < 2; by_name++) {
        struct bed b;
        struct seen seen = {.calls = 0};
        struct full full = {.made = 0};
        const struct plait_via via = {.connect = full_connect, .ctx = &full};
        const struct plait_connect_options o = {.family = PLAIT_ONLY_IP4, .via = by_name ? NULL : &via};
        bed_open(&b);
        plait_reactor_set_resolver(b.r, (struct plait_resolver){.resolve = full_resolve, .ctx = &full});
        watch_result(plait_connect_host(b.r, PLAIT_LIT("host.example"), 1, &o), &seen);
        bed_run(&b);
        bed_heal(&b);
        bed_run(&b);
        assert_int_equal(full.made, 1);
        assert_int_equal(full.cancelled, 1);
        assert_int_equal(seen.calls, 1);
        assert_err(seen.err, PLAIT_ENOMEM);
        bed_close(&b);
    }
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

/* The descriptor that is connected to a port. */
static int connected_fd(uint16_t port)
{
    for (int fd = 3; fd < 200; fd++) {
        struct sockaddr_in in = {.sin_family = 0};
        socklen_t len = sizeof in;
        if (getpeername(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET &&
            ntohs(in.sin_port) == port)
            return fd;
    }
    return -1;
}

static void a_connection_sends_without_delay(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
    client_expect(&p.n, p.c, PLAIT_OK);
    const int fd = connected_fd(p.at.port);
    assert_true(fd >= 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    place_close(&p);
}

static void a_full_backlog_is_not_tried_after_the_end(void **state)
{
    struct place p;
    struct plait_address a;
    char name[40];
    struct plait_listener *l;
    (void)state;
    place_open(&p);
    (void)snprintf(name, sizeof name, "@plait-edges-%d", (int)getpid());
    assert_ok(plait_address_unix(plait_slice_text(name), &a));
    assert_ok(plait_listen(p.n.r, &a, NULL, srv_service(&p.n, &p.v), &l));
    net_fail(&p.n, "connect", 1, 1, EAGAIN);
    struct plait_deferred *d = plait_connect_address(p.n.r, &a, NULL);
    client_start(p.c, d);
    net_turn(&p.n);
    const uint64_t tried = plait_injector_count(p.n.inj, "connect", NULL);
    plait_deferred_cancel(d);
    client_expect(&p.n, p.c, PLAIT_ECANCELLED);
    bed_pass(&p.n.b, plait_seconds(1));
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), tried);
    place_close(&p);
}

/* --- streams that are offered ------------------------------------------------------------------------------------- */

static void a_stream_that_ended_is_not_offered(void **state)
{
    struct bed b;
    struct plait_stream *s, *other;
    struct seen seen = {.calls = 0};
    (void)state;
    bed_open(&b);
    assert_ok(plait_pair_new(b.r, &s, &other));
    plait_abort_with(s, PLAIT_EIO, NULL);
    struct plait_deferred *d = plait__offer_stream(b.r, s);
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_EIO);
    assert_int_equal(b.r->stream_count, 0); /* the other end went with it */
    bed_close(&b);
}

static size_t modules_of(const struct plait_reactor *r)
{
    size_t n = 0;
    for (const struct plait__list *at = r->modules.next; at != &r->modules; at = at->next)
        n++;
    return n;
}

static void take_it(struct plait_result *result, void *ctx)
{
    see(result, ctx);
    static const struct plait_protocol quiet = {.name = "quiet"};
    if (result->fault.err == PLAIT_OK)
        plait_stream_attach(plait_result_take(result).ptr, &quiet, NULL);
}

/* Taken, taken by nobody, ended meanwhile: an offer goes with what became of its stream, not with the reactor. */
static void an_offer_goes_when_it_is_settled(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct bed b;
        struct plait_stream *s, *other;
        struct seen seen = {.calls = 0};
        bed_open(&b);
        const size_t before = modules_of(b.r);
        assert_ok(plait_pair_new(b.r, &s, &other));
        struct plait_deferred *d = plait__offer_stream(b.r, s);
        if (how == 2)
            plait_abort_with(s, PLAIT_EIO, NULL);
        assert_ok(plait_then(d, how == 0 ? take_it : see, &seen));
        assert_ok(plait_reactor_step(b.r, 0));
        bed_run(&b);
        assert_int_equal(seen.calls, 1);
        bed_pass(&b, plait_millis(20));
        assert_int_equal(modules_of(b.r), before);
        bed_close(&b);
    }
}

static void an_offer_without_memory_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 3; n++) {
        struct bed b;
        struct plait_stream *s, *other;
        bed_open(&b);
        assert_ok(plait_pair_new(b.r, &s, &other));
        bed_fill(&b);
        bed_fail(&b, n);
        assert_null(plait__offer_stream(b.r, s));
        bed_heal(&b);
        plait_abort(other);
        bed_run(&b);
        assert_int_equal(b.r->stream_count, 0);
        bed_close(&b);
    }
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static void an_abstract_name_is_as_long_as_it_was(void **state)
{
    struct plait_address a, again = {.kind = PLAIT_ADDR_NONE};
    struct sockaddr_storage ss;
    (void)state;
    assert_ok(plait_address_unix(PLAIT_LIT("@name"), &a));
    const socklen_t len = plait__address_to_sockaddr(&a, &ss);
    plait__address_from_sockaddr((struct sockaddr *)&ss, len, &again);
    assert_int_equal(again.kind, PLAIT_ADDR_ABSTRACT);
    assert_int_equal(again.name_len, 4);
}

static void networks_are_counted(void **state)
{
    struct plait_address a;
    (void)state;
    assert_ok(plait_address_parse_ip(PLAIT_LIT("10.1.2.3"), 0, &a));
    const struct plait__net nets[] = {{.address = {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 0}}, .bits = 24},
                                      {.address = {.kind = PLAIT_ADDR_IP4, .ip = {10}}, .bits = 8}};
    assert_false(plait__net_any(nets, 1, &a));
    assert_true(plait__net_any(nets, 2, &a));
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

static void a_sentence_keeps_what_is_beyond_ascii(void **state)
{
    struct plait_endpoint e;
    char why[200];
    (void)state;
    assert_err(plait_endpoint_parse("x:\xe2\x80\xa6=1:\xe2\x80\xa6=2", &e, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "\xe2\x80\xa6"));
}

static struct plait_deferred *no_resolve(struct plait_reactor *r, plait_slice name, enum plait_family family, void *ctx)
{
    (void)name, (void)family;
    ++*(int *)ctx;
    return plait_deferred_fail(r, plait_fault_make(PLAIT_ENAMENOTFOUND, "resolve"));
}

static void only_a_pair_of_brackets_is_taken_off(void **state)
{
    struct net n;
    struct seen seen = {.calls = 0};
    int asked = 0;
    (void)state;
    net_open(&n);
    plait_reactor_set_resolver(n.r, (struct plait_resolver){.resolve = no_resolve, .ctx = &asked});
    watch_result(plait_connect(n.r, "tcp:host=abc]:port=1", NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_int_not_equal(seen.err, PLAIT_OK);
    assert_int_equal(asked, 0); /* it is no name */
    net_close(&n);
}

static void a_list_of_protocols_has_128_bytes(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct test_cert cert;
    char folder[TEST_PATH_BYTES], text[600], why[200], name[80];
    struct plait_listener *l;
    (void)state;
    test_folder_make(folder);
    test_cert_make(&cert, NULL, &(struct test_cert_ask){.subject = "host", .san = "DNS:host.example"});
    test_file_write(folder, "both", cert.both_pem);
    memset(name, 'p', sizeof name);
    for (int more = 0; more < 2; more++) { /* 64 + 64 bytes with their lengths, and one more */
        net_open(&n);
        (void)snprintf(text, sizeof text, "tls:0:cert=%s/both:alpn=%.63s,%.*s", folder, name, 63 + more, name);
        assert_err(plait_serve_with(n.r, text, NULL, srv_service(&n, &v), &l, why), more ? PLAIT_ESYNTAX : PLAIT_OK);
        net_close(&n);
    }
    test_cert_end(&cert);
    test_folder_remove(folder);
}

static void trust_that_was_given_gives_way_to_the_endpoints(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    struct plait_proxy_trust *trust;
    (void)state;
    net_open(&n);
    assert_ok(plait_proxy_trust_new(n.r, PLAIT_LIT("10.0.0.0/8"), &trust));
    const struct plait_listen_options o = {.proxy = trust};
    assert_ok(plait_serve_with(n.r, "haproxy:tcp:0", &o, srv_service(&n, &v), &l, NULL));
    net_close(&n);
}

/* Puts descriptors at 0 and 1 for the while. */
static void swap_stdio(int saved[2], int in, int out)
{
    (void)fflush(NULL);
    for (int fd = 0; fd < 2; fd++)
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    assert_true(dup2(in, 0) == 0 && dup2(out, 1) == 1);
}

static void restore_stdio(const int saved[2])
{
    for (int fd = 0; fd < 2; fd++) {
        (void)dup2(saved[fd], fd);
        close(saved[fd]);
    }
}

static void standard_output_may_be_a_file(void **state)
{
    struct net n;
    int in[2], saved[2];
    char got[16] = "";
    (void)state;
    net_open(&n);
    const int file = memfd_create("out", MFD_CLOEXEC);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    swap_stdio(saved, in[0], file);
    struct client *c = client_new();
    c->p.greeting = PLAIT_LIT("hello");
    client_start(c, plait_connect(n.r, "stdio:", NULL));
    restore_stdio(saved);
    client_expect(&n, c, PLAIT_OK);
    net_idle(&n);
    assert_int_equal(pread(file, got, sizeof got, 0), 5);
    assert_string_equal(got, "hello");
    plait_abort(c->p.s);
    net_idle(&n);
    free(c);
    close(file);
    close(in[0]);
    close(in[1]);
    net_close(&n);
}

static void trust_is_given_back_where_there_is_no_address(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    int pair[2], saved[2];
    (void)state;
    net_open(&n);
    struct plait_listen_options o = {.backlog = 5};
    assert_ok(plait_proxy_trust_new(n.r, PLAIT_LIT("unix"), &o.proxy));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    swap_stdio(saved, pair[0], pair[0]);
    const plait_err err = plait_serve_with(n.r, "stdio:", &o, srv_service(&n, &v), &l, NULL);
    restore_stdio(saved);
    assert_ok(err);
    close(pair[0]);
    close(pair[1]);
    net_idle(&n);
    net_close(&n);
}

static void a_program_goes_with_its_stream(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    struct client *c = client_new();
    client_start(c, plait_connect(n.r, "exec:/bin/sh:-c:echo $$; exec sleep 1000", NULL));
    net_until(&n, memchr(c->p.got, '\n', c->p.got_len) != NULL);
    const pid_t pid = (pid_t)strtol((const char *)c->p.got, NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, 0), 0);
    plait_abort(c->p.s);
    net_until(&n, kill(pid, 0) != 0);
    free(c);
    net_close(&n);
}

/* The program was started, and there is no memory for the stream: it does not go on without. */
static void a_program_without_a_stream_is_ended(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 60 && !worked; k++) {
        struct net n;
        net_open(&n);
        struct client *c = client_new();
        bed_fill(&n.b);
        n.r->fd_streams.per_page = 1; /* so that each needs memory */
        n.b.heap.fail_at = n.b.heap.calls + k;
        struct plait_deferred *d = plait_connect(n.r, "exec:/bin/sleep:1000", NULL);
        worked = n.b.heap.calls < n.b.heap.fail_at;
        n.b.heap.fail_at = 0;
        if (d)
            client_start(c, d);
        net_idle(&n);
        if (!worked)
            net_until(&n, waitid(P_ALL, 0, &(siginfo_t){.si_pid = 0}, WEXITED | WNOHANG | WNOWAIT) < 0);
        if (c->p.s)
            plait_abort(c->p.s);
        net_until(&n, n.r->stream_count == 0);
        free(c);
        net_close(&n);
    }
    assert_true(worked);
}

/* --- behind proxies ----------------------------------------------------------------------------------------------- */

static struct plait_listener *behind_proxy(struct net *n, struct srv *v)
{
    struct plait_listen_options o = {.backlog = 5};
    struct plait_listener *l;
    const struct plait_address a = loopback(0);
    assert_ok(plait_proxy_trust_new(n->r, PLAIT_LIT("127.0.0.1"), &o.proxy));
    assert_ok(plait_listen(n->r, &a, &o, srv_service(n, v), &l));
    return l;
}

static void a_bad_header_is_logged_with_its_sender(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = behind_proxy(&n, &v);
    const int fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("GET / HTTP/1.1\r\n\r\n"));
    net_until(&n, plain_ended(fd));
    assert_true(bed_logged(&n.b, "no header that could be understood"));
    assert_true(bed_logged(&n.b, "\"peer\":\"127.0.0.1:"));
    close(fd);
    net_close(&n);
}

static void a_header_without_memory_ends_the_connection_and_is_logged(void **state)
{
    (void)state;
    for (uint64_t k = 1; k < 3; k++) {
        struct net n;
        struct srv v = {.opened = 0};
        net_open(&n);
        struct plait_listener *l = behind_proxy(&n, &v);
        const int fd = plain_connect(net_port(l));
        net_until(&n, plait_listener_count(l) == 1);
        net_idle(&n);
        plain_send(fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"));
        n.b.heap.fail_at = n.b.heap.calls + k;
        net_until(&n, plain_ended(fd));
        n.b.heap.fail_at = 0;
        assert_int_equal(v.opened, 0);
        assert_true(bed_logged(&n.b, "a proxied connection was closed"));
        close(fd);
        net_close(&n);
    }
}

/* --- staying connected -------------------------------------------------------------------------------------------- */

static void who_no_longer_waits_for_a_connection_is_told_so(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct seen seen = {.calls = 0};
    (void)state;
    net_open(&n);
    struct plait_reconnect *c = plait_reconnect_start(n.r, "tcp:127.0.0.1:1", NULL, srv_service(&n, &v));
    struct plait_deferred *d = plait_reconnect_when(c, 0);
    watch_result(d, &seen);
    plait_deferred_cancel(d);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_ECANCELLED);
    plait_reconnect_stop(&c);
    net_idle(&n);
    net_close(&n);
}

static void rules_of_targets_are_given_back(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_target_rules *rules;
    (void)state;
    net_open(&n);
    assert_ok(plait_target_rules_new(n.r, NULL, &rules));
    const struct plait_reconnect_options o = {.connect = {.targets = rules}};
    struct plait_reconnect *c = plait_reconnect_start(n.r, "tcp:127.0.0.1:1", &o, srv_service(&n, &v));
    plait_target_rules_unref(&rules);
    bed_pass(&n.b, plait_millis(1));
    net_idle(&n);
    assert_true(bed_logged(&n.b, "reconnect-failed"));
    plait_reconnect_stop(&c);
    net_idle(&n);
    net_close(&n);
}

static void an_attempt_ends_when_it_is_stopped(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct blackhole hole;
    char endpoint[40];
    (void)state;
    blackhole_open(&hole, 13, 0);
    net_open(&n);
    (void)snprintf(endpoint, sizeof endpoint, "tcp:127.0.0.13:%u", hole.at.port);
    const int before = (int)test_open_descriptors();
    struct plait_reconnect *c = plait_reconnect_start(n.r, endpoint, NULL, srv_service(&n, &v));
    bed_pass(&n.b, plait_millis(1));
    net_idle(&n);
    assert_int_equal(test_open_descriptors(), before + 1);
    plait_reconnect_stop(&c);
    net_idle(&n);
    assert_int_equal(test_open_descriptors(), before);
    net_close(&n);
    blackhole_close(&hole);
}

static void attempts_without_options_grow_slower(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_reconnect *c = plait_reconnect_start(n.r, "tcp:127.0.0.1:1", NULL, srv_service(&n, &v));
    for (int i = 0; i < 30; i++) { /* at 0, about 1, about 2.5 s; then about 4.75 */
        bed_pass(&n.b, plait_millis(100));
        net_idle(&n);
    }
    const uint64_t tried = plait_injector_count(n.inj, "connect", NULL);
    assert_true(tried >= 2 && tried <= 3);
    plait_reconnect_stop(&c);
    net_idle(&n);
    net_close(&n);
}

/* The first attempt finds no memory to wait for it: it does not go on unseen. */
static void an_attempt_that_cannot_be_waited_for_ends(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 20 && !worked; k++) {
        struct place p;
        struct srv v = {.opened = 0};
        char endpoint[40];
        place_open(&p);
        (void)snprintf(endpoint, sizeof endpoint, "tcp:127.0.0.1:%u", p.at.port);
        struct plait_reconnect *c = plait_reconnect_start(p.n.r, endpoint, NULL, srv_service(&p.n, &v));
        bed_fill(&p.n.b);
        bed_fail(&p.n.b, k);
        p.n.b.heap.fail_after = false;
        net_turn(&p.n);
        worked = !bed_logged(&p.n.b, "reconnect-failed");
        bed_heal(&p.n.b);
        net_idle(&p.n);
        if (!worked)
            assert_int_equal(p.v.opened, 0);
        plait_reconnect_stop(&c);
        net_idle(&p.n);
        place_close(&p);
    }
    assert_true(worked);
}

/* --- what begins while the reactor ends --------------------------------------------------------------------------- */

struct late {
    struct net n;
    struct plait_reconnect *c;
    struct srv v;
    int lost;
};

static void begin_late(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct late *l = self;
    (void)s, (void)fault;
    l->lost++;
    l->c = plait_reconnect_start(l->n.r, "tcp:127.0.0.1:1", NULL, srv_service(&l->n, &l->v));
    struct plait_deferred *d = plait_connect(l->n.r, "tls:127.0.0.1:1", NULL);
    if (d)
        plait_deferred_ignore(d);
}

static void what_begins_while_the_reactor_ends_ends_with_it(void **state)
{
    static const struct plait_protocol late_protocol = {.name = "late", .lost = begin_late};
    struct late l = {.lost = 0};
    struct plait_stream *s, *other;
    (void)state;
    net_open(&l.n);
    assert_ok(plait_pair_new(l.n.r, &s, &other));
    plait_stream_attach(s, &late_protocol, &l);
    net_turn(&l.n);
    net_close(&l.n);
    assert_int_equal(l.lost, 1);
    assert_int_equal(l.v.freed, 1);
}

TEST_MAIN(
    cmocka_unit_test(a_name_that_is_not_known_has_no_address), cmocka_unit_test(the_time_for_names_ends_with_the_names),
    cmocka_unit_test(names_have_their_own_time), cmocka_unit_test(a_connection_that_was_won_looks_no_further),
    cmocka_unit_test(what_cannot_be_waited_for_is_cancelled), cmocka_unit_test(a_connection_sends_without_delay),
    cmocka_unit_test(a_full_backlog_is_not_tried_after_the_end), cmocka_unit_test(a_stream_that_ended_is_not_offered),
    cmocka_unit_test(an_offer_goes_when_it_is_settled), cmocka_unit_test(an_offer_without_memory_leaves_nothing),
    cmocka_unit_test(an_abstract_name_is_as_long_as_it_was), cmocka_unit_test(networks_are_counted),
    cmocka_unit_test(a_sentence_keeps_what_is_beyond_ascii), cmocka_unit_test(only_a_pair_of_brackets_is_taken_off),
    cmocka_unit_test(a_list_of_protocols_has_128_bytes),
    cmocka_unit_test(trust_that_was_given_gives_way_to_the_endpoints), cmocka_unit_test(standard_output_may_be_a_file),
    cmocka_unit_test(trust_is_given_back_where_there_is_no_address), cmocka_unit_test(a_program_goes_with_its_stream),
    cmocka_unit_test(a_program_without_a_stream_is_ended), cmocka_unit_test(a_bad_header_is_logged_with_its_sender),
    cmocka_unit_test(a_header_without_memory_ends_the_connection_and_is_logged),
    cmocka_unit_test(who_no_longer_waits_for_a_connection_is_told_so),
    cmocka_unit_test(rules_of_targets_are_given_back), cmocka_unit_test(an_attempt_ends_when_it_is_stopped),
    cmocka_unit_test(attempts_without_options_grow_slower), cmocka_unit_test(an_attempt_that_cannot_be_waited_for_ends),
    cmocka_unit_test(what_begins_while_the_reactor_ends_ends_with_it))
