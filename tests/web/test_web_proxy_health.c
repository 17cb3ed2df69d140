/* SPDX-License-Identifier: MIT
 *
 * Which origin a reverse proxy asks, by what it was through with each and by what each says.
 */
#include "tests/web/proxy_world.h"

static struct stage st;
static struct guest g;

/* Requests that each port got, and whether it says that it is well. */
static size_t asked[2], checked[2];
static bool well[2], down[2];

static size_t port_of(const struct farm_conn *c)
{
    struct plait_address at;
    plait_stream_local(c->stream, &at);
    return at.port - 80u;
}

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    const size_t port = port_of(c);
    if (farm_asked(head, "/well")) {
        checked[port]++;
        farm_say(c, well[port] ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                               : "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");
        return rest.len;
    }
    asked[port]++;
    if (down[port])
        plait_abort(c->stream);
    else if (!farm_asked(head, "/silence"))
        farm_echo(c, head);
    return rest.len;
}

static void begin(const struct plait_reverse_proxy_options *options)
{
    memset(asked, 0, sizeof asked);
    memset(checked, 0, sizeof checked);
    well[0] = well[1] = true;
    down[0] = down[1] = false;
    stage_open(&st, answer, "http://server:80, http://server:81/", options);
}

static void ask(int times, int status)
{
    for (int i = 0; i < times; i++) {
        guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
        guest_expect(&g, status, NULL);
        guest_leave(&g);
    }
}

static void origins_are_asked_in_turn(void **state)
{
    (void)state;
    begin(NULL);
    ask(6, 200);
    assert_int_equal(asked[0], 3);
    assert_int_equal(asked[1], 3);
    stage_close(&st);
}

static void the_least_busy_origin_is_asked(void **state)
{
    const struct plait_reverse_proxy_options o = {.balance = PLAIT_LEAST_BUSY};
    static struct guest waits;
    (void)state;
    begin(&o);
    guest_ask(&st, &waits, "GET /silence HTTP/1.1\r\nHost: site\r\n\r\n");
    const size_t busy = asked[1];
    ask(4, 200);
    assert_int_equal(asked[busy], 1);
    assert_int_equal(asked[!busy], 4);
    guest_leave(&waits);
    ask(2, 200); /* they take turns again */
    assert_int_equal(asked[busy], 2);
    stage_close(&st);
}

static void an_origin_that_fails_rests_and_is_tried_again(void **state)
{
    (void)state;
    begin(NULL);
    down[0] = true;
    ask(6, 200); /* one of them met it */
    assert_int_equal(asked[0], 1);
    assert_int_equal(asked[1], 6);
    stage_pass(&st, plait_millis(1000));
    ask(4, 200); /* one of these tried it */
    assert_int_equal(asked[0], 2);
    stage_pass(&st, plait_millis(500));
    ask(4, 200); /* it rests for two seconds now, or nearly */
    assert_int_equal(asked[0], 2);
    down[0] = false;
    stage_pass(&st, plait_millis(2000));
    const size_t before = asked[0];
    ask(4, 200);
    assert_int_equal(asked[0], before + 2);
    stage_close(&st);
}

static void a_rest_grows_to_a_minute(void **state)
{
    (void)state;
    begin(NULL);
    down[0] = true;
    for (int i = 0; i < 12; i++) {
        ask(2, 200);
        stage_pass(&st, plait_seconds(61));
    }
    assert_true(asked[0] >= 11);
    const size_t before = asked[0];
    ask(2, 200);
    stage_pass(&st, plait_seconds(44));
    ask(4, 200);
    assert_int_equal(asked[0], before + 1);
    stage_close(&st);
}

static void when_all_rest_the_one_is_asked_that_is_ready_first(void **state)
{
    (void)state;
    begin(NULL);
    down[0] = down[1] = true;
    ask(1, 502);
    assert_int_equal(asked[0] + asked[1], 2);
    down[0] = down[1] = false;
    ask(2, 200);
    stage_close(&st);
}

static void an_origin_that_says_it_is_sick_is_left_alone(void **state)
{
    static const struct plait_reverse_proxy_options row[] = {{.health = "/well"}, {.health = "well"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        begin(&row[i]);
        ask(4, 200);
        assert_int_equal(asked[0], 2);
        well[0] = false;
        stage_pass(&st, plait_seconds(6));
        ask(2, 200); /* once is not enough */
        assert_int_equal(asked[0], 3);
        stage_pass(&st, plait_seconds(5));
        ask(4, 200);
        assert_int_equal(asked[0], 3);
        assert_true(checked[0] >= 3 && checked[1] >= 3);
        well[1] = false;
        stage_pass(&st, plait_seconds(11));
        ask(4, 200); /* rather a sick one than none */
        well[0] = well[1] = true;
        stage_pass(&st, plait_seconds(11));
        const size_t before = asked[0];
        ask(4, 200);
        assert_int_equal(asked[0], before + 2);
        stage_close(&st);
    }
}

static void a_check_may_be_under_way_at_the_end(void **state)
{
    const struct plait_reverse_proxy_options o = {.health = "/silence"};
    (void)state;
    begin(&o);
    stage_pass(&st, plait_millis(100));
    assert_int_equal(asked[0], 1);
    stage_close(&st);
}

static void a_check_that_finds_no_memory_says_nothing(void **state)
{
    const struct plait_reverse_proxy_options o = {.health = "/well"};
    (void)state;
    begin(&o);
    st.farm.heap.fail_at = st.farm.heap.calls + 1;
    st.farm.heap.fail_after = true;
    stage_pass(&st, plait_millis(100));
    st.farm.heap.fail_at = 0;
    st.farm.heap.fail_after = false;
    assert_int_equal(checked[0], 0);
    stage_pass(&st, plait_seconds(6));
    assert_int_equal(checked[0], 1);
    ask(2, 200);
    assert_int_equal(asked[0], 1);
    stage_close(&st);
}

TEST_MAIN(cmocka_unit_test(origins_are_asked_in_turn), cmocka_unit_test(the_least_busy_origin_is_asked),
          cmocka_unit_test(an_origin_that_fails_rests_and_is_tried_again), cmocka_unit_test(a_rest_grows_to_a_minute),
          cmocka_unit_test(when_all_rest_the_one_is_asked_that_is_ready_first),
          cmocka_unit_test(an_origin_that_says_it_is_sick_is_left_alone),
          cmocka_unit_test(a_check_may_be_under_way_at_the_end),
          cmocka_unit_test(a_check_that_finds_no_memory_says_nothing))
