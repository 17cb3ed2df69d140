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

TEST_MAIN(cmocka_unit_test(bytes_are_counted_both_ways),
          cmocka_unit_test(connections_are_counted_by_their_services_name),
          cmocka_unit_test(a_listener_tells_what_it_does))
