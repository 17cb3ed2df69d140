/* SPDX-License-Identifier: MIT
 *
 * What can be asked of listeners and services while they run: states, connections by service, bytes.
 */
#include "tests/engine/net.h"

static int64_t count(struct net *n, const char *name, const char *labels)
{
    const struct plait_metric *m = plait_metrics_find(plait_reactor_metrics(n->r), name, labels);
    return m ? m->value : -1;
}

static void bytes_are_counted_both_ways(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    char text[16];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    assert_int_equal(count(&n, "plait_received_bytes", ""), 0);
    plain_send(fd, PLAIT_LIT("hello, world"));
    net_until(&n, v.got_len == 12);
    assert_int_equal(plain_receive(fd, text, sizeof text), 12);
    assert_int_equal(count(&n, "plait_received_bytes", ""), 12);
    assert_int_equal(count(&n, "plait_sent_bytes", ""), 12);
    close(fd);
    net_close(&n);
}

static void connections_are_counted_by_their_services_name(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_service_ops odd = {.name = "a\"b\\c\nd"}, unnamed = {.name = NULL};
    (void)state;
    net_open(&n);
    struct plait_service *a = srv_service(&n, &v), *b = srv_service(&n, &v);
    char labels[64];
    (void)snprintf(labels, sizeof labels, "service=\"%s\"", a->ops.name);
    struct plait_listener *l[2];
    const struct plait_address any = loopback(0);
    assert_ok(plait_listen(n.r, &any, NULL, a, &l[0]));
    assert_ok(plait_listen(n.r, &any, NULL, b, &l[1]));
    assert_int_equal(count(&n, "plait_connections", labels), 0);
    const int x = plain_connect(net_port(l[0])), y = plain_connect(net_port(l[1]));
    net_until(&n, v.connected == 2);
    assert_int_equal(count(&n, "plait_connections", labels), 2);
    close(x);
    net_until(&n, v.lost == 1);
    assert_int_equal(count(&n, "plait_connections", labels), 1);
    plait_listener_close(&l[0]);
    net_until(&n, v.freed == 1);
    assert_int_equal(count(&n, "plait_connections", labels), 1); /* one of the name is left */
    close(y);
    plait_listener_close(&l[1]);
    net_until(&n, v.freed == 2);
    assert_int_equal(count(&n, "plait_connections", labels), -1);
    struct plait_service *c = plait_service_new(n.r, &odd, NULL), *d = plait_service_new(n.r, &unnamed, NULL);
    assert_int_equal(count(&n, "plait_connections", "service=\"a_b_c_d\""), 0);
    assert_int_equal(count(&n, "plait_connections", "service=\"\""), 0);
    plait_service_unref(&c);
    plait_service_unref(&d);
    net_close(&n);
}

static void note_listener(const struct plait_listener *listener, void *ctx)
{
    const struct plait_listener ***next = ctx;
    *(*next)++ = listener;
}

static void a_listener_tells_what_it_does(void **state)
{
    static const struct {
        unsigned pauses;
        enum plait_listener_state state;
    } cases[] = {{0, PLAIT_LISTENER_OPEN},
                 {PLAIT__PAUSE_FULL, PLAIT_LISTENER_FULL},
                 {PLAIT__PAUSE_ALL_FULL | PLAIT__PAUSE_MEMORY, PLAIT_LISTENER_FULL},
                 {PLAIT__PAUSE_MEMORY | PLAIT__PAUSE_RATE, PLAIT_LISTENER_NO_MEMORY},
                 {PLAIT__PAUSE_DESCRIPTORS | PLAIT__PAUSE_BRIEF, PLAIT_LISTENER_NO_DESCRIPTORS},
                 {PLAIT__PAUSE_RATE, PLAIT_LISTENER_SLOWED},
                 {PLAIT__PAUSE_BRIEF, PLAIT_LISTENER_SLOWED}};
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener_view view;
    const struct plait_listener *all[3] = {NULL}, **next = all;
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL), *other = net_listen(&n, &v, NULL);
    plait_reactor_listeners(n.r, note_listener, &next);
    assert_ptr_equal(all[0], l);
    assert_ptr_equal(all[1], other);
    assert_null(all[2]);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        plait__listener_pause(l, cases[i].pauses);
        plait_listener_look(l, &view);
        assert_int_equal(view.state, cases[i].state);
        plait__listener_go_on(l, cases[i].pauses);
    }
    assert_string_equal(view.service, l->service->ops.name);
    assert_false(view.tls);
    assert_int_equal(view.connections, 0);
    assert_int_equal(view.connections_max, 10000);
    assert_ptr_equal(view.memory, &l->budget);
    plait__listener_stop(l);
    plait_listener_look(l, &view);
    assert_int_equal(view.state, PLAIT_LISTENER_CLOSED);
    net_close(&n);
}

static void the_spare_descriptor_stays_as_long_as_somebody_listens(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l[2] = {net_listen(&n, &v, NULL), net_listen(&n, &v, NULL)};
    const int spare = n.r->spare_fd;
    assert_true(spare >= 0);
    plait_listener_close(&l[0]);
    assert_int_equal(n.r->spare_fd, spare);
    assert_true(fcntl(spare, F_GETFD) >= 0);
    plait_listener_close(&l[1]);
    assert_int_equal(n.r->spare_fd, -1);
    net_close(&n);
}

static void a_listener_that_was_drained_goes_when_it_is_let_go(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    plait_deferred_ignore(plait_drain(n.r, PLAIT_NEVER));
    bed_run(&n.b);
    assert_int_equal(v.freed, 0); /* it can still be asked */
    plait_listener_close(&l);
    assert_int_equal(v.freed, 1);
    net_close(&n);
}

static int option_of(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, name, &value, &len), 0);
    return value;
}

static void a_listening_socket_has_the_options_that_were_asked_for(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct net n;
        struct srv v = {.opened = 0};
        const struct plait_listen_options o = {.defer_accept = i & 1, .fast_open = i & 2};
        net_open(&n);
        struct plait_listener *l = net_listen(&n, &v, &o);
        assert_int_equal(option_of(l->h.fd, TCP_NODELAY), 1);
        assert_int_equal(option_of(l->h.fd, TCP_DEFER_ACCEPT) > 0, o.defer_accept);
        assert_int_equal(option_of(l->h.fd, TCP_FASTOPEN) > 0, o.fast_open);
        net_close(&n);
    }
}

static void a_listening_unix_socket_of_others_is_asked_for_no_option_of_tcp(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;
    net_open(&n);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "plait-test-listen-%d", (int)getpid());
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_ok(plait_listen_fd(n.r, fd, NULL, srv_service(&n, &v), &l));
    assert_false(bed_logged(&n.b, "option-refused"));
    plait_listener_close(&l);
    close(fd);
    net_close(&n);
}

static void a_full_reactor_is_a_state_of_all_listeners(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener_view view;
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.connections_max = 1});
    struct plait_listener *l = net_listen(&n, &v, NULL), *other = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    plait_listener_look(other, &view);
    assert_int_equal(view.state, PLAIT_LISTENER_FULL);
    close(fd);
    net_until(&n, v.lost == 1);
    plait_listener_look(other, &view);
    assert_int_equal(view.state, PLAIT_LISTENER_OPEN);
    net_close(&n);
}

static void an_address_in_the_clothes_of_another_family_is_the_same_peer(void **state)
{
    const struct plait_address ip4 = {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 7}};
    const struct plait_address mapped = {.kind = PLAIT_ADDR_IP6, .ip = {[10] = 255, [11] = 255, 192, 0, 2, 7}};
    const struct plait_address ip6 = {.kind = PLAIT_ADDR_IP6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 1}};
    const struct plait_address near = {.kind = PLAIT_ADDR_IP6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 2}};
    uint8_t key[4][9] = {{0}};
    (void)state;
    assert_int_equal(plait__peer_key(&ip4, key[0]), 5);
    assert_int_equal(plait__peer_key(&mapped, key[1]), 5);
    assert_memory_equal(key[0], key[1], 5);
    assert_int_equal(plait__peer_key(&ip6, key[2]), 9);
    assert_int_equal(plait__peer_key(&near, key[3]), 9);
    assert_memory_equal(key[2], key[3], 9);
}

static void who_pauses_for_two_reasons_goes_on_when_both_are_over(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    plait__listener_pause(l, PLAIT__PAUSE_BRIEF | PLAIT__PAUSE_MEMORY);
    const int fd = plain_connect(net_port(l));
    plait__listener_go_on(l, PLAIT__PAUSE_BRIEF);
    net_idle(&n);
    assert_int_equal(v.connected, 0);
    plait__listener_go_on(l, PLAIT__PAUSE_MEMORY);
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
}

static void the_systems_want_of_memory_is_a_short_pause(void **state)
{
    static const int errors[] = {ENOBUFS, ENOMEM};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(errors); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        net_open(&n);
        struct plait_listener *l = net_listen(&n, &v, NULL);
        net_fail(&n, "accept4", 1, 1, errors[i]);
        const int fd = plain_connect(net_port(l));
        net_until(&n, l->pauses == PLAIT__PAUSE_BRIEF);
        assert_true(bed_logged(&n.b, "no memory for a new connection"));
        assert_int_equal(v.connected, 0);
        bed_pass(&n.b, plait_millis(110));
        net_until(&n, v.connected == 1);
        close(fd);
        net_close(&n);
    }
}

static void a_listener_that_was_stopped_waits_for_nothing(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    net_fail(&n, "accept4", 1, 1, ENOMEM);
    const int fd = plain_connect(net_port(l));
    net_until(&n, l->pauses == PLAIT__PAUSE_BRIEF);
    plait_deferred_ignore(plait_drain(n.r, plait_seconds(5)));
    bed_run(&n.b);
    assert_int_equal(plait_reactor_next_timeout(n.r), PLAIT_NEVER); /* nor does the drain, which is over */
    close(fd);
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(bytes_are_counted_both_ways),
          cmocka_unit_test(connections_are_counted_by_their_services_name),
          cmocka_unit_test(a_listener_tells_what_it_does),
          cmocka_unit_test(the_spare_descriptor_stays_as_long_as_somebody_listens),
          cmocka_unit_test(a_listener_that_was_drained_goes_when_it_is_let_go),
          cmocka_unit_test(a_listening_socket_has_the_options_that_were_asked_for),
          cmocka_unit_test(a_listening_unix_socket_of_others_is_asked_for_no_option_of_tcp),
          cmocka_unit_test(a_full_reactor_is_a_state_of_all_listeners),
          cmocka_unit_test(an_address_in_the_clothes_of_another_family_is_the_same_peer),
          cmocka_unit_test(who_pauses_for_two_reasons_goes_on_when_both_are_over),
          cmocka_unit_test(the_systems_want_of_memory_is_a_short_pause),
          cmocka_unit_test(a_listener_that_was_stopped_waits_for_nothing))
