/* SPDX-License-Identifier: MIT
 *
 * The doubles, used as a user would.
 */
#include "tests/support/test.h"

#include <plait/datagram.h>
#include <plait/listen.h>
#include <plait/process.h>
#include <plait/testing.h>

#include <errno.h>

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

static struct plait_address at(const char *ip, uint16_t port)
{
    struct plait_address a;
    assert_ok(plait_address_parse_ip(plait_slice_of(ip, strlen(ip)), port, &a));
    return a;
}

static void assert_recorded(const struct plait_recorded *item, enum plait_recorded_kind kind, int os_errno,
                            const char *text)
{
    char address[PLAIT_ADDR_TEXT_MAX];
    assert_int_equal(item->kind, kind);
    assert_int_equal(item->os_errno, os_errno);
    assert_string_equal(kind == PLAIT_RECORDED_SPAWN ? item->program : plait_address_format(&item->address, address),
                        text);
}

static void a_recorder_notes_what_a_program_asks_for(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_reactor *r = plait_testbed_reactor(bed);
    struct plait_recorder recorder;
    const struct plait_address here = at("127.0.0.1", 7), there = at("10.9.9.9", 80);
    const struct plait_datagram_options to_here = {.bind = here};
    const struct plait_datagram_handler nothing = {.name = "nothing"};
    struct plait_datagram *d;
    struct plait_process *process;
    struct plait_spawn_options no_program = {.path = "/bin/no"};
    plait_testbed_record(bed, &recorder);
    assert_ok(plait_listen(r, &here, NULL, plait_service_of(r, &echo, NULL), NULL));
    assert_err(plait_listen(r, &here, NULL, plait_service_of(r, &echo, NULL), NULL), PLAIT_EADDRINUSE);
    plait_deferred_ignore(plait_connect_address(r, &there, NULL));
    assert_ok(plait_datagram_open(r, &to_here, &nothing, NULL, &d));
    assert_err(plait_spawn(r, &no_program, &process), PLAIT_ENOTFOUND);
    plait_testbed_settle(bed);
    assert_int_equal(recorder.count, 4);
    assert_recorded(&recorder.item[0], PLAIT_RECORDED_LISTEN, 0, "127.0.0.1:7");
    assert_recorded(&recorder.item[1], PLAIT_RECORDED_DATAGRAM, 0, "127.0.0.1:7");
    assert_recorded(&recorder.item[2], PLAIT_RECORDED_SPAWN, ENOENT, "/bin/no");
    assert_recorded(&recorder.item[3], PLAIT_RECORDED_CONNECT, 0, "10.9.9.9:80"); /* connects begin in later turns */
    plait_datagram_close(&d);
    plait_testbed_free(&bed);
}

static void a_full_recorder_counts_on(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_reactor *r = plait_testbed_reactor(bed);
    struct plait_recorder recorder;
    struct plait_process *process;
    struct plait_spawn_options no_program = {.path = "/bin/no"};
    plait_testbed_record(bed, &recorder);
    for (size_t i = 0; i < 40; i++)
        assert_err(plait_spawn(r, &no_program, &process), PLAIT_ENOTFOUND);
    assert_int_equal(recorder.count, 40);
    plait_testbed_record(bed, NULL);
    assert_err(plait_spawn(r, &no_program, &process), PLAIT_ENOTFOUND);
    assert_int_equal(recorder.count, 40);
    plait_testbed_free(&bed);
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

static void an_accumulator_that_is_paused_takes_nothing(void **state)
{
    (void)state;
    struct plait_testbed *bed = plait_testbed_new(1);
    struct plait_string_transport t;
    struct plait_accumulator under_test;
    plait_accumulator_init(&under_test, plait_reactor_budget(plait_testbed_reactor(bed)));
    assert_ok(plait_string_transport_open(&t, plait_testbed_reactor(bed), plait_accumulator_protocol(), &under_test));
    under_test.paused = true;
    plait_string_transport_feed(&t, PLAIT_LIT("early"));
    plait_testbed_settle(bed);
    assert_int_equal(plait_buf_slice(&under_test.input).len, 0);
    under_test.paused = false;
    plait_string_transport_feed(&t, PLAIT_LIT(", late"));
    plait_testbed_settle(bed);
    assert_slice(plait_buf_slice(&under_test.input), "early, late");
    plait_string_transport_close(&t);
    plait_testbed_settle(bed);
    plait_string_transport_feed(&t, PLAIT_LIT("x")); /* there is nobody: nothing happens */
    plait_string_transport_feed_eof(&t);
    plait_string_transport_close(&t);
    plait_accumulator_deinit(&under_test);
    plait_string_transport_deinit(&t);
    plait_testbed_free(&bed);
}

static void an_accumulator_counts_that_it_was_secured(void **state)
{
    (void)state;
    struct plait_accumulator a;
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_accumulator_init(&a, &budget);
    plait_accumulator_protocol()->secured(NULL, NULL, &a);
    assert_int_equal(a.secured, 1);
    plait_accumulator_deinit(&a);
}

static void without_memory_there_is_no_transport(void **state)
{
    (void)state;
    struct test_heap heap;
    struct plait_reactor_options options = {.allocator = &heap.allocator};
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_host *host = plait_sim_host(sim, "a");
    struct plait_string_transport t;
    test_heap_init(&heap, 0);
    plait_host_reactor_options(host, &options);
    struct plait_reactor *r = plait_host_reactor(host);
    heap.fail_at = heap.calls + 1;
    heap.fail_after = true;
    assert_err(plait_string_transport_open(&t, r, &echo, NULL), PLAIT_ENOMEM);
    plait_sim_free(&sim);
    assert_int_equal(heap.live, 0);
}

TEST_MAIN(cmocka_unit_test(a_string_transport_records_what_a_protocol_writes),
          cmocka_unit_test(a_recorder_notes_what_a_program_asks_for), cmocka_unit_test(a_full_recorder_counts_on),
          cmocka_unit_test(a_reset_reaches_the_protocol), cmocka_unit_test(the_clock_goes_only_when_it_is_told_to),
          cmocka_unit_test(an_accumulator_that_is_paused_takes_nothing),
          cmocka_unit_test(an_accumulator_counts_that_it_was_secured),
          cmocka_unit_test(without_memory_there_is_no_transport))
