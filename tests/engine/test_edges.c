/* SPDX-License-Identifier: MIT
 *
 * What mutants of the engine showed that nobody looked at: edges of limits, cleaning up after calls that failed, things
 * that change while they are on their way. tools/mutate tells which of them survive.
 */
#include "tests/engine/connect_bed.h"

#include "engine/hosts_wire.h"
#include "engine/stream_core.h"

#include <plait/datagram.h>
#include <plait/thread.h>

#include <netinet/tcp.h>
#include <sys/un.h>

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* A socket that somebody else made listen gets what was asked for like one of our own. */
static void a_listening_socket_of_others_gets_the_options(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    const struct plait_listen_options o = {.defer_accept = true};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    (void)state;
    net_open(&n);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_ok(plait_listen_fd(n.r, fd, &o, srv_service(&n, &v), &l));
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_true(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
    plait_listener_close(&l);
    const int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); /* it listens, but makes no streams */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "plait-test-packets-%d", (int)getpid());
    assert_int_equal(bind(packets, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(packets, 5), 0);
    assert_err(plait_listen_fd(n.r, packets, NULL, srv_service(&n, &v), &l), PLAIT_EINVAL);
    close(packets);
    close(fd);
    net_close(&n);
}

static void a_token_that_went_out_is_gone(void **state)
{
    struct bed b;
    struct seen seen[3];
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    watch_result(plait_acquire(s), &seen[0]);
    watch_result(plait_acquire(s), &seen[1]);
    bed_run(&b);
    plait_release(s);
    watch_result(plait_acquire(s), &seen[2]);
    bed_run(&b);
    assert_int_equal(seen[1].calls, 1);
    assert_int_equal(seen[2].calls, 0);
    plait_release(s);
    plait_release(s);
    bed_run(&b);
    assert_int_equal(seen[2].calls, 1);
    watch_result(plait_acquire(s), &seen[0]); /* the token that nobody waited for */
    bed_run(&b);
    assert_int_equal(seen[0].calls, 1);
    plait_semaphore_free(&s);
    bed_close(&b);
}

static void a_value_goes_to_one_only(void **state)
{
    struct bed b;
    struct seen first, second;
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 4, 4);
    watch_result(plait_queue_get(q), &first);
    assert_ok(plait_queue_put(q, plait_value_num(7)));
    watch_result(plait_queue_get(q), &second);
    bed_run(&b);
    assert_int_equal(first.num, 7);
    assert_int_equal(second.calls, 0);
    assert_ok(plait_queue_put(q, plait_value_num(8)));
    bed_run(&b);
    assert_int_equal(second.num, 8);
    plait_queue_free(&q);
    bed_close(&b);
}

static void a_connection_one_made_is_a_tcp_connection(void **state)
{
    struct place p;
    uint64_t options[2];
    (void)state;
    place_open(&p);
    for (int fast = 0; fast < 2; fast++) {
        const struct plait_connect_options o = {.fast_open = fast};
        memset(p.c, 0, sizeof *p.c);
        client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
        options[fast] = plait_injector_count(p.n.inj, "setsockopt", NULL);
        client_expect(&p.n, p.c, PLAIT_OK);
        options[fast] = plait_injector_count(p.n.inj, "setsockopt", NULL) - options[fast];
        assert_ok(plait_stream_nagle(p.c->p.s, true));
        assert_ok(plait_stream_keepalive(p.c->p.s, plait_seconds(60), plait_seconds(5), 3));
        plait_abort(p.c->p.s);
        net_until(&p.n, p.c->p.s == NULL);
    }
    assert_int_equal(options[1], options[0] + 1);
    place_close(&p);
}

static void got_packet(struct plait_datagram *d, const struct plait_packet *p, void *self)
{
    (void)d;
    *(struct plait_address *)self = *p->to;
}

static const struct plait_datagram_handler packets = {.name = "packets", .packet = got_packet};

static void a_mapped_target_is_the_whole_address(void **state)
{
    struct net n;
    struct plait_address to = {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 2}};
    struct plait_address heard = {.kind = PLAIT_ADDR_NONE};
    const struct plait_datagram_options both = {.bind = {.kind = PLAIT_ADDR_IP6}, .dual_stack = true};
    const struct plait_datagram_options one = {.bind = to};
    struct plait_datagram *from;
    struct plait_datagram *at;
    (void)state;
    net_open(&n);
    assert_ok(plait_datagram_open(n.r, &one, &packets, &heard, &at));
    assert_ok(plait_datagram_open(n.r, &both, &packets, &to, &from));
    plait_datagram_address(at, &to);
    assert_ok(plait_send(from, &to, PLAIT_LIT("x")));
    net_until(&n, heard.kind == PLAIT_ADDR_IP4);
    assert_int_equal(heard.ip[3], 2);
    plait_datagram_close(&from);
    plait_datagram_close(&at);
    net_close(&n);
}

struct pair_of_watches {
    struct plait_watch *watch[2];
    int told[2];
};

static void told(struct plait_watch *watch, unsigned events, void *ctx)
{
    struct pair_of_watches *w = ctx;
    const int own = watch == w->watch[0] ? 0 : 1;
    assert_int_equal(events, PLAIT_WRITABLE);
    w->told[own]++;
    assert_ok(plait_watch_set(w->watch[1 - own], PLAIT_READABLE)); /* which the other is not */
}

static void what_is_watched_no_longer_is_not_told(void **state)
{
    struct net n;
    struct pair_of_watches w = {.told = {0}};
    int fds[2];
    (void)state;
    net_open(&n);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_watch_new(n.r, fds[i], PLAIT_WRITABLE, told, &w, &w.watch[i]));
    net_turn(&n);
    assert_int_equal(w.told[0] + w.told[1], 1);
    plait_watch_free(&w.watch[0]);
    plait_watch_free(&w.watch[1]);
    net_turn(&n);
    close(fds[0]);
    close(fds[1]);
    net_close(&n);
}

static void limits_of_a_stream_hold_at_their_edges(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    assert_ok(plait_stream_keepalive(v.s, plait_seconds(1), plait_seconds(1), 127));
    assert_err(plait_stream_keepalive(v.s, plait_seconds(1), plait_seconds(1), 128), PLAIT_EINVAL);
    plait_stream_marks(v.s, 100 * 1024, 8 * 1024);
    plait_stream_marks(v.s, 200 * 1024, 0);
    assert_int_equal(plait__stream_high(v.s), 200 * 1024);
    assert_int_equal(plait__stream_low(v.s), 8 * 1024);
    plait_stream_marks(v.s, 0, 16 * 1024);
    assert_int_equal(plait__stream_high(v.s), 200 * 1024);
    assert_int_equal(plait__stream_low(v.s), 16 * 1024);
    close(fd);
    net_until(&n, v.lost == 1);
    plait_listener_close(&l);
    net_close(&n);
}

static void a_reactor_without_epoll_leaves_nothing(void **state)
{
    static const char *const calls[] = {"epoll_create1", "eventfd", "getrandom"};
    (void)state;
    const size_t descriptors = test_open_descriptors();
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        struct test_heap heap;
        test_heap_init(&heap, 0);
        struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
        const struct plait_reactor_options o = {.sys = plait_injector_sys(injector), .allocator = &heap.allocator};
        assert_ok(plait_injector_fail(injector, calls[i], 1, 1, EMFILE));
        assert_null(plait_reactor_new(&o));
        assert_int_equal(heap.live, 0);
        plait_injector_free(&injector);
    }
    assert_int_equal(test_open_descriptors(), descriptors);
}

static void a_port_in_use_takes_the_trust_along(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listen_options o = {.backlog = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const struct plait_address used = loopback(net_port(l));
    assert_ok(plait_proxy_trust_new(n.r, PLAIT_LIT("10.0.0.1,10.0.0.2"), &o.proxy));
    const size_t before = n.b.heap.live;
    assert_err(plait_listen(n.r, &used, &o, srv_service(&n, &v), NULL), PLAIT_EADDRINUSE);
    assert_true(n.b.heap.live < before);
    plait_listener_close(&l);
    net_close(&n);
}

static void every_letter_and_digit_names_a_host(void **state)
{
    (void)state;
    assert_true(plait__host_name_ok(PLAIT_LIT("azAZ09.a-z")));
    static const char *const bad[] = {"a`", "a{", "a@", "a[", "a/", "a:", "a_"};
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_int_equal(plait__host_name_ok(plait_slice_text(bad[i])), strcmp(bad[i], "a_") == 0);
}

static void a_stale_file_that_changed_meanwhile_is_left(void **state)
{
    (void)state;
    for (int field = 0; field < 4; field++) {
        struct net n;
        struct srv v = {.opened = 0};
        char folder[TEST_PATH_BYTES];
        char path[TEST_PATH_BYTES + 8];
        struct sockaddr_storage ss;
        struct plait_address a;
        test_folder_make(folder);
        (void)snprintf(path, sizeof path, "%s/s", folder);
        assert_ok(plait_address_unix(plait_slice_text(path), &a));
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&ss, plait__address_to_sockaddr(&a, &ss)), 0);
        close(fd); /* and leaves the file */
        net_open(&n);
        n.b.ops.fstatat = bed_changed_fstatat;
        n.b.user = field;
        assert_err(plait_listen(n.r, &a, NULL, srv_service(&n, &v), NULL), PLAIT_EADDRINUSE);
        assert_int_equal(access(path, F_OK), 0);
        net_close(&n);
        test_folder_remove(folder);
    }
}

static void a_listener_that_ends_lets_others_try_again(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    n.r->accept_paused = true; /* no descriptor was left */
    plait_listener_close(&l);
    assert_false(n.r->accept_paused);
    net_close(&n);
}

static void all_permission_bits_can_be_asked_for_and_no_others(void **state)
{
    static const char *const wrong[] = {"", "00660", "80", "6/", "1000"};
    struct net n;
    struct srv v = {.opened = 0};
    struct stat st;
    struct plait_listener *l;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 8];
    char text[TEST_PATH_BYTES + 32];
    (void)state;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    (void)snprintf(text, sizeof text, "unix:%s:mode=0777", path);
    net_open(&n);
    assert_ok(plait_serve_with(n.r, text, NULL, srv_service(&n, &v), &l, NULL));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0777);
    plait_listener_close(&l);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        char why[200];
        (void)snprintf(text, sizeof text, "unix:%s:mode=%s", path, wrong[i]);
        assert_err(plait_serve_with(n.r, text, NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
        assert_non_null(strstr(why, "permission bits"));
    }
    net_close(&n);
    test_folder_remove(folder);
}

/* --- deferreds ---------------------------------------------------------------------------------------------------- */

struct then_wait {
    struct plait_deferred *other;
};

static void then_wait(struct plait_result *result, void *ctx)
{
    plait_result_wait(result, ((struct then_wait *)ctx)->other);
}

static void the_deadline_names_only_its_own_end(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "late", NULL, NULL);
    struct then_wait on = {.other = plait_deferred_new(b.r, "other", NULL, NULL)};
    assert_ok(plait_then(d, then_wait, &on));
    watch_result(d, &seen);
    plait_deferred_deadline(d, plait_seconds(1));
    bed_pass(&b, plait_seconds(2));
    assert_int_equal(seen.calls, 0);
    plait_fire_fault(on.other, plait_fault_make(PLAIT_ECANCELLED, "other"));
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED); /* of what came after the time was over */
    plait_fire(d, plait_value_num(1));
    bed_close(&b);
}

static void a_fault_of_waiting_is_one_that_nobody_saw(void **state)
{
    struct bed b;
    struct then_wait on;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    on.other = d; /* itself, which cannot end */
    assert_ok(plait_then(d, then_wait, &on));
    plait_fire_fault(d, plait_fault_make(PLAIT_EIO, "op"));
    bed_run(&b);
    assert_true(bed_logged(&b, "unhandled-fault"));
    bed_close(&b);
}

static void each_of_two_faults_leaves_its_address(void **state)
{
    struct bed b;
    struct seen seen;
    const struct plait_address peer[2] = {loopback(1), loopback(2)};
    struct plait_fault fault = plait_fault_make(PLAIT_EIO, "op");
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    struct then_wait on = {.other = plait_deferred_new(b.r, "other", NULL, NULL)};
    assert_ok(plait_then(d, then_wait, &on));
    watch_result(d, &seen);
    fault.peer = &peer[0];
    plait_fire_fault(d, fault);
    bed_run(&b);
    fault.peer = &peer[1];
    plait_fire_fault(on.other, fault);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    bed_close(&b); /* sees that no address is left */
}

static void only_the_callback_that_is_named_is_forgotten(void **state)
{
    struct bed b;
    struct seen seen[2] = {{.calls = 0}};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_then(d, see, &seen[i]));
    assert_int_equal(d->count, d->room); /* there is nothing behind them */
    plait__deferred_forget(d, see, &seen[0]);
    plait_fire(d, plait_value_num(5));
    bed_run(&b);
    assert_int_equal(seen[0].calls, 0);
    assert_int_equal(seen[1].calls, 1);
    bed_close(&b);
}

static void fire_unlike_cancelled(struct plait_deferred *d, void *ctx)
{
    plait_fire_fault(d, plait_fault_make(*(plait_err *)ctx, "op"));
}

static void a_cancelled_operation_that_fails_otherwise_is_logged(void **state)
{
    static plait_err with[] = {PLAIT_EIO, PLAIT_ECANCELLED};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bed b;
        bed_open(&b);
        plait_deferred_cancel(plait_deferred_new(b.r, "op", fire_unlike_cancelled, &with[i]));
        bed_run(&b);
        assert_int_equal(bed_logged(&b, "unhandled-fault"), i == 0);
        bed_close(&b);
    }
    struct bed b;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    assert_ok(plait_then_ok(d, see, &b)); /* not for faults */
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "op"));
    bed_run(&b);
    assert_true(bed_logged(&b, "unhandled-fault")); /* nobody had cancelled it */
    bed_close(&b);
}

static void what_is_waited_for_no_longer_is_not_logged(void **state)
{
    static plait_err with = PLAIT_EIO;
    struct bed b;
    struct plait_result result = {.wait = NULL};
    (void)state;
    bed_open(&b);
    plait_result_wait(&result, plait_deferred_new(b.r, "op", fire_unlike_cancelled, &with));
    plait_result_set(&result, plait_value_num(1));
    bed_run(&b);
    assert_false(bed_logged(&b, "unhandled-fault"));
    bed_close(&b);
}

struct claim {
    struct plait__claim claim;
    int claimed, dropped;
};

static void claim_end(struct plait__claim *claim, bool claimed)
{
    struct claim *c = plait__container(claim, struct claim, claim);
    c->claimed += claimed;
    c->dropped += !claimed;
}

static void a_claim_is_claimed_or_dropped_once(void **state)
{
    struct bed b;
    struct seen seen[2] = {{.calls = 0}};
    struct claim c = {.claim = {.end = claim_end}};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_then(d, see, &seen[i]));
    plait__fire_claim(d, &c.claim);
    bed_run(&b);
    assert_int_equal(seen[1].calls, 1);
    assert_int_equal(c.claimed, 1);
    assert_int_equal(c.dropped, 0);
    d = plait_deferred_new(b.r, "op", NULL, NULL);
    watch_result(d, &seen[0]);
    plait_deferred_cancel(d);
    plait__fire_claim(d, &c.claim); /* too late */
    bed_run(&b);
    assert_err(seen[0].err, PLAIT_ECANCELLED);
    assert_int_equal(c.claimed, 1);
    assert_int_equal(c.dropped, 1);
    bed_close(&b);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void a_fault_names_the_address_but_no_address_for_a_name(void **state)
{
    struct place p;
    (void)state;
    for (int named = 0; named < 2; named++) {
        place_open(&p);
        struct plait_deferred *d = named ? plait_connect_host(p.n.r, PLAIT_LIT("host.example"), 80, NULL)
                                         : plait_connect_address(p.n.r, &p.at, NULL);
        client_start(p.c, d);
        plait_deferred_cancel(d);
        client_expect(&p.n, p.c, PLAIT_ECANCELLED);
        assert_int_equal(p.c->with.kind, named ? PLAIT_ADDR_NONE : PLAIT_ADDR_IP4);
        assert_int_equal(p.c->with.port, named ? 0 : p.at.port);
        place_close(&p);
    }
}

static void cancelling_while_the_other_family_is_waited_for_ends_it(void **state)
{
    struct place p;
    struct names names;
    (void)state;
    place_open(&p);
    memset(&names, 0, sizeof names);
    plait_reactor_set_resolver(p.n.r, (struct plait_resolver){.resolve = names_resolve, .ctx = &names});
    struct plait_deferred *d = plait_connect_host(p.n.r, PLAIT_LIT("host.example"), p.at.port, NULL);
    client_start(p.c, d);
    net_turn(&p.n);
    names_answer(&p.n, &names, 1, one_ip4, 1);
    plait_deferred_cancel(d);
    client_expect(&p.n, p.c, PLAIT_ECANCELLED);
    bed_pass(&p.n.b, plait_millis(60));
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 0);
    place_close(&p);
}

TEST_MAIN(
    cmocka_unit_test(all_permission_bits_can_be_asked_for_and_no_others),
    cmocka_unit_test(the_deadline_names_only_its_own_end), cmocka_unit_test(a_fault_of_waiting_is_one_that_nobody_saw),
    cmocka_unit_test(each_of_two_faults_leaves_its_address),
    cmocka_unit_test(only_the_callback_that_is_named_is_forgotten),
    cmocka_unit_test(a_cancelled_operation_that_fails_otherwise_is_logged),
    cmocka_unit_test(what_is_waited_for_no_longer_is_not_logged), cmocka_unit_test(a_claim_is_claimed_or_dropped_once),
    cmocka_unit_test(a_fault_names_the_address_but_no_address_for_a_name),
    cmocka_unit_test(cancelling_while_the_other_family_is_waited_for_ends_it),
    cmocka_unit_test(a_token_that_went_out_is_gone), cmocka_unit_test(a_value_goes_to_one_only),
    cmocka_unit_test(a_connection_one_made_is_a_tcp_connection), cmocka_unit_test(a_mapped_target_is_the_whole_address),
    cmocka_unit_test(what_is_watched_no_longer_is_not_told), cmocka_unit_test(limits_of_a_stream_hold_at_their_edges),
    cmocka_unit_test(a_reactor_without_epoll_leaves_nothing), cmocka_unit_test(a_port_in_use_takes_the_trust_along),
    cmocka_unit_test(every_letter_and_digit_names_a_host),
    cmocka_unit_test(a_stale_file_that_changed_meanwhile_is_left),
    cmocka_unit_test(a_listening_socket_of_others_gets_the_options),
    cmocka_unit_test(a_listener_that_ends_lets_others_try_again))
