/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/joint.c: bytes, ends, backpressure, faults and cancelling of joined streams. The outer ends are x
 * and y, the inner ones are joined: x — a ═ b — y.
 */
#include "tests/engine/peer.h"

static struct peer x;
static struct peer y;
static uint8_t big[250000];

struct outcome {
    struct seen seen;
    struct plait_deferred *over;
};

static void open_chain(struct bed *b, enum joint joint, bool both, struct outcome *o)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    struct plait_stream *ia;
    struct plait_stream *ib;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(b);
    join(b, joint, &sx, &ia);
    join(b, joint, &sy, &ib);
    peer_attach(&x, sx, &peer_half_protocol);
    peer_attach(&y, sy, &peer_half_protocol);
    o->over = plait_pipe(ia, ib, both);
    watch_result(o->over, &o->seen);
    bed_settle(b);
}

static void bytes_go_both_ways_and_halves_end_one_by_one(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_chain(&b, (enum joint)joint, true, &o);
        plait_write(x.s, PLAIT_LIT("question"));
        plait_close_write(x.s);
        bed_settle(&b);
        assert_slice(plait_slice_of(y.got, y.got_len), "question");
        assert_int_equal(o.seen.calls, 0);
        plait_write(y.s, PLAIT_LIT("answer"));
        plait_close(y.s);
        bed_settle(&b);
        assert_slice(plait_slice_of(x.got, x.got_len), "answer");
        plait_close(x.s);
        bed_settle(&b);
        bed_pass(&b, plait_seconds(3));
        bed_settle(&b);
        assert_int_equal(o.seen.calls, 1);
        assert_int_equal(o.seen.err, PLAIT_OK);
        assert_int_equal(o.seen.num, 14);
        bed_close(&b);
    }
}

static void silence_both_ways_ends_both(void **state)
{
    struct bed b;
    struct outcome o;
    struct plait_stream *sx, *sy, *ia, *ib;
    (void)state;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(&b);
    join(&b, JOINT_UNIX, &sx, &ia);
    join(&b, JOINT_UNIX, &sy, &ib);
    peer_attach(&x, sx, &peer_half_protocol);
    peer_attach(&y, sy, &peer_half_protocol);
    watch_result(plait_pipe_idle(ia, ib, true, plait_seconds(10)), &o.seen);
    for (int i = 0; i < 3; i++) { /* what moves, either way, is no silence */
        bed_pass(&b, plait_seconds(9));
        plait_write(i == 1 ? y.s : x.s, PLAIT_LIT("."));
        bed_settle(&b);
        assert_int_equal(o.seen.calls, 0);
    }
    bed_pass(&b, plait_seconds(10) - 1);
    bed_settle(&b);
    assert_int_equal(o.seen.calls, 0);
    bed_pass(&b, 1 + plait_millis(2)); /* timers know milliseconds */
    bed_settle(&b);
    assert_int_equal(o.seen.calls, 1);
    assert_err(o.seen.err, PLAIT_ETIMEDOUT);
    bed_close(&b);
}

static void one_way_carries_one_way_only(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    open_chain(&b, JOINT_UNIX, false, &o);
    plait_write(y.s, PLAIT_LIT("thrown away"));
    plait_write(x.s, PLAIT_LIT("carried"));
    plait_close(x.s);
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "carried");
    assert_int_equal(x.got_len, 0);
    plait_close(y.s);
    bed_settle(&b);
    assert_int_equal(o.seen.calls, 1);
    assert_int_equal(o.seen.num, 7);
    bed_close(&b);
}

static void a_slow_sink_slows_the_source(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_chain(&b, (enum joint)joint, false, &o);
        static const struct plait_protocol sink = {.name = "sink"};
        plait_pause(y.s);
        bed_settle(&b);
        for (int i = 0; i < 60; i++)
            plait_write(x.s, plait_slice_of(big, sizeof big));
        bed_settle(&b);
        assert_true(plait_pending(x.s) > 1000000); /* the joint took what its sink's marks allow, and no more */
        plait_stream_attach(y.s, &sink, NULL);
        plait_resume(y.s);
        for (int i = 0; i < 4000 && plait_pending(x.s) > 0; i++)
            bed_settle(&b);
        assert_int_equal(plait_pending(x.s), 0);
        bed_close(&b);
    }
}

static void a_fault_of_one_is_the_joints_and_ends_the_other(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    open_chain(&b, JOINT_TCP, true, &o);
    plait_abort(x.s);
    bed_settle(&b);
    assert_int_equal(o.seen.err, PLAIT_ERESET);
    assert_string_equal(y.story, "cl");
    bed_close(&b);
}

/* Both have said all, and one has not been read to the end: the one that has closes at once, the other loses
 * nothing. */
static void what_is_unread_when_both_have_ended_still_arrives(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_chain(&b, (enum joint)joint, true, &o);
        plait_pause(y.s);
        bed_settle(&b);
        plait_write(x.s, plait_slice_of(big, sizeof big));
        plait_close_write(x.s);
        plait_close_write(y.s);
        bed_settle(&b);
        assert_int_equal(x.story[x.told - 1], 'e');
        plait_resume(y.s);
        for (int i = 0; i < 100 && y.got_len < sizeof big; i++)
            bed_settle(&b);
        bed_settle(&b);
        assert_int_equal(y.got_len, sizeof big);
        assert_int_equal(y.story[y.told - 1], 'e');
        plait_close(x.s);
        plait_close(y.s);
        bed_settle(&b);
        assert_int_equal(o.seen.calls, 1);
        assert_int_equal(o.seen.err, PLAIT_OK);
        bed_close(&b);
    }
}

/* Whoever holds an end of it may close that: the other goes as well, in good order. */
static void a_close_of_one_end_is_the_others(void **state)
{
    struct bed b;
    struct seen seen;
    struct plait_stream *sx;
    struct plait_stream *sy;
    struct plait_stream *ia;
    struct plait_stream *ib;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        memset(&x, 0, sizeof x);
        memset(&y, 0, sizeof y);
        bed_open(&b);
        join(&b, (enum joint)joint, &sx, &ia);
        join(&b, (enum joint)joint, &sy, &ib);
        peer_attach(&x, sx, &peer_protocol);
        peer_attach(&y, sy, &peer_protocol);
        watch_result(plait_pipe(ia, ib, true), &seen);
        bed_settle(&b);
        plait_close(ia);
        bed_settle(&b);
        assert_int_equal(seen.calls, 1);
        assert_int_equal(seen.err, PLAIT_OK);
        assert_int_equal(x.fault.err, PLAIT_EEOF);
        assert_int_equal(y.fault.err, PLAIT_EEOF);
        bed_close(&b);
    }
}

static void the_fault_of_a_joint_is_its_first(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    open_chain(&b, JOINT_TCP, true, &o);
    plait_abort(x.s);
    bed_settle(&b);
    assert_string_equal(o.seen.fault.step, "receive");
    assert_null(o.seen.fault.detail);
    bed_close(&b);
}

static void cancelling_aborts_both(void **state)
{
    struct bed b;
    struct outcome o;
    (void)state;
    open_chain(&b, JOINT_TCP, true, &o);
    plait_deferred_cancel(o.over);
    bed_settle(&b);
    assert_int_equal(o.seen.err, PLAIT_ECANCELLED);
    assert_int_equal(x.fault.err, PLAIT_ERESET);
    assert_int_equal(y.fault.err, PLAIT_ERESET);
    bed_close(&b);
}

static void a_joint_needs_memory(void **state)
{
    struct bed b;
    struct plait_stream *s;
    struct plait_stream *t;
    (void)state;
    bed_open(&b);
    assert_ok(plait_pair_new(b.r, &s, &t));
    bed_fail(&b, 1);
    assert_null(plait_pipe(s, t, true));
    bed_heal(&b);
    bed_fill(&b);
    bed_fail(&b, 2);
    assert_null(plait_pipe(s, t, true));
    bed_heal(&b);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(bytes_go_both_ways_and_halves_end_one_by_one), cmocka_unit_test(silence_both_ways_ends_both),
          cmocka_unit_test(one_way_carries_one_way_only), cmocka_unit_test(a_slow_sink_slows_the_source),
          cmocka_unit_test(a_fault_of_one_is_the_joints_and_ends_the_other), cmocka_unit_test(cancelling_aborts_both),
          cmocka_unit_test(what_is_unread_when_both_have_ended_still_arrives),
          cmocka_unit_test(a_close_of_one_end_is_the_others), cmocka_unit_test(the_fault_of_a_joint_is_its_first),
          cmocka_unit_test(a_joint_needs_memory))
