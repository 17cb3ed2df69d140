/* SPDX-License-Identifier: MIT
 *
 * Tests of what src/engine/tls_carrier.c tells the stream above and the carrier below: no more than is so, and what is
 * asked of it when it can't.
 */
#include "tests/engine/tls_bed.h"

static struct tls_certs certs;
static struct tls_bed t;
static uint8_t large[200000];

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    return 0;
}

static void echo_once(const char *text)
{
    t.s.echo = true;
    plait_write(t.c.s, plait_slice_text(text));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), text);
}

static const struct plait_protocol tiny = PEER_TABLE(.input_max = 100);

static const struct plait__up_ops *spied;
static int told_of_room;

static void spy_writable(void *up)
{
    told_of_room++;
    spied->writable(up);
}

static void spy_on(struct plait__tls *tls)
{
    static struct plait__up_ops spy;
    spied = tls->c.up_ops;
    spy = *spied;
    spy.writable = spy_writable;
    tls->c.up_ops = &spy;
    told_of_room = 0;
}

static void a_stream_is_told_of_room_when_it_was_refused_and_only_then(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    spy_on(tls_of(t.c.s));
    echo_once("a few bytes");
    plait_pause(t.c.s);
    bed_settle(&t.b);
    plait_resume(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(told_of_room, 0);
    t.s.echo = false;
    t.nc.stuck = true;
    plait_write(t.c.s, plait_slice_of(large, sizeof large));
    bed_settle(&t.b);
    assert_int_equal(told_of_room, 0);
    t.nc.stuck = false;
    narrow_room(&t.nc);
    bed_settle(&t.b);
    assert_true(told_of_room > 0);
    assert_int_equal(t.s.got_len, sizeof large + strlen("a few bytes"));
    tls_bed_close(&t);
}

static void the_carrier_below_is_told_what_is_wanted_when_that_changes_and_only_then(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.in_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    int before = t.nc.wants;
    for (int i = 0; i < 3; i++) {
        t.c.got_len = 0;
        echo_once("to and fro");
    }
    assert_int_equal(t.nc.wants, before);
    plait_pause(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.nc.wants, before + 1);
    tls_bed_close(&t);
}

static bool wants_a_step(struct plait__tls *tls, size_t max)
{
    plait_soon_cancel(&tls->soon);
    tls->c.ops->want_input(&tls->c, max);
    const bool queued = tls->soon.prev != NULL;
    plait_soon_cancel(&tls->soon);
    return queued;
}

/* A step is queued only for bytes, or an end, that nothing else would bring up. */
static void reading_on_takes_a_step_where_something_waits_and_only_there(void **state)
{
    uint8_t header[] = {23, 3, 3};
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    struct plait__tls *tls = tls_of(t.s.s);
    tls->lower_eof = true;
    assert_false(wants_a_step(tls, 100)); /* the handshake goes on by itself */
    tls->lower_eof = false;
    plait_soon_queue(&tls->soon);
    bed_settle(&t.b);
    assert_false(wants_a_step(tls, 100));
    plait_pause(t.s.s);
    bed_settle(&t.b);
    plait__tls_up.input(tls, header, sizeof header);
    assert_int_equal(tls->in_len, sizeof header);
    assert_false(wants_a_step(tls, 0));
    assert_true(wants_a_step(tls, 100));
    tls_bed_close(&t);
}

/* Two records that come together, each as much as the stream wants at a time, and it leaves a part of each: reading is
 * not stopped and begun again between them. */
static void what_is_wanted_below_is_settled_once_all_is_delivered(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.in_max = t.out_max = 100000;
    tls_bed_join(&t, &tiny);
    t.nc.stuck = true;
    for (int i = 0; i < 2; i++) {
        plait_write(t.c.s, plait_slice_of(large, 100));
        plait_flush(t.c.s);
    }
    bed_settle(&t.b);
    const int before = t.ns.wants;
    t.s.take = 50;
    t.nc.stuck = false;
    narrow_room(&t.nc);
    bed_settle(&t.b);
    assert_int_equal(t.s.data_calls, 3);
    assert_int_equal(t.s.got_len, 150);
    assert_int_equal(t.ns.wants, before);
    tls_bed_close(&t);
}

static void what_tls_was_charged_is_given_back(void **state)
{
    (void)state;
    size_t used[2];
    tls_bed_open(&t, &certs);
    tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem, .no_resumption = true});
    for (int i = 0; i < 2; i++) {
        tls_bed_join(&t, &peer_protocol);
        echo_once("x");
        plait_abort(t.c.s);
        bed_settle(&t.b);
        assert_null(t.s.s);
        used[i] = plait_reactor_budget(t.b.r)->used;
    }
    assert_int_equal(used[1], used[0]);
    tls_bed_close(&t);
}

static void a_carrier_that_closes_leaves_nothing_queued(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    struct plait__tls *tls = tls_of(t.c.s);
    plait_soon_queue(&tls->soon);
    plait_abort(t.c.s);
    assert_null(tls->soon.prev);
    bed_settle(&t.b);
    tls_bed_close(&t);
}

static void a_carrier_that_closes_takes_no_output(void **state)
{
    (void)state;
    struct plait__chain chain;
    tls_bed_open(&t, &certs);
    t.out_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("on its way"));
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    struct plait__tls *tls = tls_of(t.c.s);
    assert_true(tls->parting);
    plait__chain_init(&chain, plait_reactor_budget(t.b.r));
    assert_ok(plait__chain_put(&chain, PLAIT_LIT("too late")));
    assert_err(tls->c.ops->output(&tls->c, &chain), PLAIT_EIO);
    assert_int_equal(plait__chain_bytes(&chain), 8);
    plait__chain_deinit(&chain);
    tls_bed_close(&t);
}

/* The other stream's output has gone back to the reactor already, so that this one's is free memory when it fails. */
static void without_memory_to_encrypt_the_connection_ends(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_half_protocol);
    plait_close_write(t.s.s); /* the alert of which is none that counts */
    bed_settle(&t.b);
    plait_write(t.s.s, PLAIT_LIT("x"));
    plait_write(t.c.s, plait_slice_of(large, 10000));
    struct plait_stream *other;
    struct plait_stream *end;
    join(&t.b, JOINT_PAIR, &other, &end);
    plait_write(other, PLAIT_LIT("y"));
    plait__stream_discard(other);
    plait__stream_discard(end);
    assert_non_null(t.b.r->spare_out);
    bed_fail(&t.b, 1);
    plait_flush(t.c.s);
    bed_heal(&t.b);
    bed_settle(&t.b);
    assert_null(t.c.s);
    assert_int_equal(t.c.fault.err, PLAIT_ENOMEM);
    assert_string_equal(t.c.fault.step, "send");
    assert_int_equal(t.c.fault.tls_alert, -1);
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_stream_is_told_of_room_when_it_was_refused_and_only_then),
               cmocka_unit_test(the_carrier_below_is_told_what_is_wanted_when_that_changes_and_only_then),
               cmocka_unit_test(reading_on_takes_a_step_where_something_waits_and_only_there),
               cmocka_unit_test(what_is_wanted_below_is_settled_once_all_is_delivered),
               cmocka_unit_test(what_tls_was_charged_is_given_back),
               cmocka_unit_test(a_carrier_that_closes_leaves_nothing_queued),
               cmocka_unit_test(a_carrier_that_closes_takes_no_output),
               cmocka_unit_test(without_memory_to_encrypt_the_connection_ends))
