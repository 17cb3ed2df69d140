/* SPDX-License-Identifier: MIT
 *
 * The life of a datagram socket: what is set when it is opened, and what is given back however it ends. Receiving is
 * test_datagram.c's, sending test_datagram_out.c's.
 */
#include "tests/engine/datagram_end.h"

static void broadcast_is_allowed_to_who_asks_for_it(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    for (int asked = 0; asked < 2; asked++) {
        struct end x;
        int on = -1;
        socklen_t len = sizeof on;
        const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .broadcast = asked};
        assert_ok(open_with(&b, &x, &o));
        assert_int_equal(getsockopt(x.d->h.fd, SOL_SOCKET, SO_BROADCAST, &on, &len), 0);
        assert_int_equal(on, asked);
        plait_datagram_close(&x.d);
    }
    bed_close(&b);
}

static void a_closed_socket_gives_its_memory_back(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1"); /* makes what all share */
    const size_t before = b.heap.live;
    open_at(&b, &y, "127.0.0.1");
    plait_datagram_close(&y.d);
    bed_run(&b);
    assert_int_equal(b.heap.live, before);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_closed_socket_lets_listeners_try_again(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    b.r->accept_paused = true; /* no descriptor was left */
    plait_datagram_close(&x.d);
    assert_false(b.r->accept_paused);
    bed_close(&b);
}

static void answer_and_close(struct end *e)
{
    assert_ok(plait_send(e->d, &e->from, PLAIT_LIT("last")));
    plait_datagram_close(&e->d);
}

static void a_socket_may_answer_and_close_in_a_callback(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    open_at(&b, &y, "127.0.0.1");
    y.on_packet = answer_and_close;
    const struct plait_address to = address_of(&y);
    assert_ok(plait_send(x.d, &to, PLAIT_LIT("q")));
    settle(&b);
    assert_null(y.d);
    assert_slice(plait_slice_of(x.got, x.got_len), "last");
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void send_and_close(void *ctx)
{
    struct end *e = ctx;
    const struct plait_address self = address_of(e);
    assert_ok(plait_send(e->d, &self, PLAIT_LIT("last")));
    plait_datagram_close(&e->d);
}

static void a_socket_may_send_and_close_from_the_ready_list(void **state)
{
    struct bed b;
    struct end x;
    struct plait_soon soon;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    plait_soon_init(&soon, b.r, "test", send_and_close, &x);
    plait_soon_queue(&soon);
    settle(&b);
    assert_null(x.d);
    bed_close(&b);
}

struct late {
    struct plait_reactor *r;
    struct end x;
};

static void open_late(struct plait_result *result, void *ctx)
{
    struct late *late = ctx;
    (void)result;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    assert_ok(plait_datagram_open(late->r, &o, &handler, &late->x, &late->x.d));
}

static void a_socket_that_is_opened_while_the_reactor_ends_ends_with_it(void **state)
{
    struct bed b;
    struct late late = {.x = {.d = NULL}};
    (void)state;
    bed_open(&b);
    late.r = b.r;
    assert_ok(plait_then(plait_deferred_new(b.r, "op", NULL, NULL), open_late, &late));
    bed_close(&b);
    assert_non_null(late.x.d); /* it was opened, and nothing is left of it */
}

static void the_largest_buffer_is_taken_and_no_larger_one(void **state)
{
    struct bed b;
    struct end x;
    struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .bytes_max = PLAIT__DATAGRAM_MAX};
    const struct plait_address no_group = ip4("::1", 0);
    (void)state;
    bed_open(&b);
    assert_ok(open_with(&b, &x, &o));
    plait_datagram_close(&x.d);
    o.bytes_max++;
    assert_err(open_with(&b, &x, &o), PLAIT_EINVAL);
    open_at(&b, &x, "::1");
    assert_err(plait_datagram_group(x.d, &no_group, 1, true), PLAIT_EINVAL);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(broadcast_is_allowed_to_who_asks_for_it),
          cmocka_unit_test(a_closed_socket_gives_its_memory_back),
          cmocka_unit_test(a_closed_socket_lets_listeners_try_again),
          cmocka_unit_test(a_socket_may_answer_and_close_in_a_callback),
          cmocka_unit_test(a_socket_may_send_and_close_from_the_ready_list),
          cmocka_unit_test(a_socket_that_is_opened_while_the_reactor_ends_ends_with_it),
          cmocka_unit_test(the_largest_buffer_is_taken_and_no_larger_one))
