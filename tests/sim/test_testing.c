/* SPDX-License-Identifier: MIT
 *
 * The doubles, used as a user would.
 */
#include "tests/support/test.h"

#include <plait/testing.h>

static size_t echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = echo_data};

static void a_string_transport_records_what_a_protocol_writes(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_string_transport t;
    assert_non_null(bed);
    assert_ok(plait_string_transport_open(&t, plait_testbed_reactor(bed), &echo, NULL));
    plait_string_transport_feed(&t, PLAIT_LIT("hello"));
    plait_testbed_settle(bed);
    assert_slice(plait_string_transport_output(&t), "hello");
    plait_string_transport_clear(&t);
    plait_string_transport_feed(&t, PLAIT_LIT("again"));
    plait_string_transport_feed_eof(&t);
    plait_testbed_settle(bed);
    assert_slice(plait_string_transport_output(&t), "again");
    assert_true(plait_string_transport_ended(&t));
    plait_string_transport_close(&t);
    plait_testbed_settle(bed);
    assert_int_equal(t.recorder.losses, 1);
    plait_string_transport_deinit(&t);
    plait_testbed_free(&bed);
    assert_null(bed);
}

static void a_reset_reaches_the_protocol(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_string_transport t;
    struct plait_accumulator under_test;
    plait_accumulator_init(&under_test, plait_reactor_budget(plait_testbed_reactor(bed)));
    assert_ok(plait_string_transport_open(&t, plait_testbed_reactor(bed), plait_accumulator_protocol(), &under_test));
    plait_testbed_settle(bed);
    assert_int_equal(under_test.connected, 1);
    plait_string_transport_close(&t);
    plait_testbed_settle(bed);
    assert_int_equal(under_test.losses, 1);
    assert_int_equal(under_test.fault.err, PLAIT_ERESET);
    plait_accumulator_deinit(&under_test);
    plait_string_transport_deinit(&t);
    plait_testbed_free(&bed);
}

static void note(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void the_clock_goes_only_when_it_is_told_to(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_timer timer;
    unsigned fired = 0;
    plait_timer_init(&timer, plait_testbed_reactor(bed), "test", note, &fired);
    plait_timer_arm(&timer, plait_seconds(10));
    plait_testbed_settle(bed);
    plait_testbed_advance(bed, plait_millis(9999));
    assert_int_equal(fired, 0);
    plait_testbed_advance(bed, plait_millis(2));
    assert_int_equal(fired, 1);
    plait_testbed_free(&bed);
}

TEST_MAIN(cmocka_unit_test(a_string_transport_records_what_a_protocol_writes),
          cmocka_unit_test(a_reset_reaches_the_protocol), cmocka_unit_test(the_clock_goes_only_when_it_is_told_to))
