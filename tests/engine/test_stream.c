/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/stream.c: the contract of a stream, the same over every carrier.
 */
#include "tests/engine/peer.h"

static struct peer x;
static struct peer y;

typedef void (*joint_fn)(struct bed *b, enum joint joint);

static void over_every_joint(joint_fn run)
{
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        const size_t before = test_open_descriptors();
        memset(&x, 0, sizeof x);
        memset(&y, 0, sizeof y);
        bed_open(&b);
        run(&b, (enum joint)joint);
        bed_close(&b);
        assert_int_equal(test_open_descriptors(), before);
    }
}

/* --- the order of callbacks --------------------------------------------------------------------------------------- */

static void run_hello(struct bed *b, enum joint joint)
{
    x.greeting = PLAIT_LIT("hello");
    join_peers(b, joint, &x, &y);
    y.echo = true;
    assert_string_equal(x.story, ""); /* nothing runs inside a call */
    bed_settle(b);
    assert_string_equal(x.story, "cd");
    assert_string_equal(y.story, "cd");
    assert_slice(plait_slice_of(x.got, x.got_len), "hello");
    plait_close(x.s);
    bed_settle(b);
    assert_string_equal(x.story, "cdl");
    assert_string_equal(y.story, "cdel");
    assert_int_equal(x.fault.err, PLAIT_OK);
    assert_null(x.fault.step);
    assert_int_equal(y.fault.err, PLAIT_EEOF);
    assert_null(y.fault.step); /* an end is no step that failed */
}

static void bytes_go_over_and_back_and_a_close_ends_both_sides(void **state)
{
    (void)state;
    over_every_joint(run_hello);
}

static void run_abort(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_abort(x.s);
    plait_abort(x.s);
    assert_string_equal(x.story, "c");
    bed_settle(b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.err, PLAIT_ECANCELLED);
    assert_int_equal(y.fault.err, joint == JOINT_UNIX ? PLAIT_EEOF : PLAIT_ERESET);
}

static void an_abort_resets_the_peer(void **state)
{
    (void)state;
    over_every_joint(run_abort);
}

static void close_in_data(struct peer *p)
{
    plait_write(p->s, PLAIT_LIT("bye"));
    plait_close(p->s);
}

static void run_close_inside(struct bed *b, enum joint joint)
{
    x.greeting = PLAIT_LIT("hello");
    y.on_data = close_in_data;
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    assert_slice(plait_slice_of(x.got, x.got_len), "bye");
    assert_string_equal(x.story, "cdel");
    assert_string_equal(y.story, "cdl");
    assert_int_equal(y.fault.err, PLAIT_OK);
}

static void a_close_inside_data_still_sends_what_was_written(void **state)
{
    (void)state;
    over_every_joint(run_close_inside);
}

static void answer_after_eof(struct peer *p)
{
    plait_write(p->s, PLAIT_LIT("after"));
    plait_close(p->s);
}

static void run_half_close(struct bed *b, enum joint joint)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    join(b, joint, &sx, &sy);
    peer_attach(&x, sx, &peer_half_protocol);
    peer_attach(&y, sy, &peer_half_protocol);
    y.on_eof = answer_after_eof;
    plait_write(x.s, PLAIT_LIT("question"));
    plait_close_write(x.s);
    plait_close_write(x.s);
    plait_write(x.s, PLAIT_LIT("too late"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "question");
    assert_slice(plait_slice_of(x.got, x.got_len), "after");
    assert_string_equal(y.story, "cdel");
    assert_int_equal(y.fault.err, PLAIT_OK);
    assert_string_equal(x.story, "cde");
    plait_close(x.s);
    bed_settle(b);
    assert_string_equal(x.story, "cdel");
}

static void each_half_can_be_closed_alone(void **state)
{
    (void)state;
    over_every_joint(run_half_close);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static void run_leftover(struct bed *b, enum joint joint)
{
    y.take = 3;
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_write(x.s, PLAIT_LIT("abcdefgh"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "abc"); /* what is left comes with more only */
    plait_write(x.s, PLAIT_LIT("i"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "abcdef");
    plait_write(x.s, PLAIT_LIT("jk"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "abcdefghi");
    plait_close(x.s);
    bed_settle(b);
    assert_int_equal(y.rest, 2);
    assert_string_equal(y.story, "cdddel");
}

static void what_a_protocol_leaves_comes_again_with_more(void **state)
{
    (void)state;
    over_every_joint(run_leftover);
}

static void run_need(struct bed *b, enum joint joint)
{
    y.need = 4;
    y.take = 4;
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_need(y.s, 4);
    for (int i = 0; i < 9; i++) {
        plait_write(x.s, plait_slice_of(&"abcdefghi"[i], 1));
        bed_settle(b);
    }
    assert_slice(plait_slice_of(y.got, y.got_len), "abcdefgh");
    assert_int_equal(y.data_calls, 2);
    plait_need(y.s, 1); /* there already */
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "abcdefghi");
}

static void a_need_spares_calls(void **state)
{
    (void)state;
    over_every_joint(run_need);
}

static void run_need_met_at_once(struct bed *b, enum joint joint)
{
    y.need = 2;
    y.take = 2;
    join_peers(b, joint, &x, &y);
    plait_write(x.s, PLAIT_LIT("aabbccd"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "aabbcc");
    plait_write(x.s, PLAIT_LIT("deeff")); /* met to the last byte */
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "aabbccddeeff");
}

static void a_need_that_is_met_is_served_at_once(void **state)
{
    (void)state;
    over_every_joint(run_need_met_at_once);
}

static void need_nothing(struct peer *p)
{
    plait_need(p->s, 0);
}

/* A need of nothing and a resume of what isn't paused bring nothing that was offered before. */
static void run_offered_once(struct bed *b, enum joint joint)
{
    y.take = 3;
    y.on_data = need_nothing;
    join_peers(b, joint, &x, &y);
    plait_write(x.s, PLAIT_LIT("abcdefgh"));
    bed_settle(b);
    assert_int_equal(y.data_calls, 1);
    plait_resume(y.s);
    bed_settle(b);
    assert_int_equal(y.data_calls, 1);
}

static void what_was_offered_is_not_offered_again_for_nothing(void **state)
{
    (void)state;
    over_every_joint(run_offered_once);
}

static void fill_once(struct peer *p)
{
    static uint8_t bytes[200000];
    if (p->data_calls == 1)
        plait_write(p->s, plait_slice_of(bytes, sizeof bytes));
}

static void run_need_while_full(struct bed *b, enum joint joint)
{
    y.need = 2;
    y.take = 2;
    y.on_data = fill_once;
    join_peers(b, joint, &x, &y);
    plait_write(x.s, PLAIT_LIT("aabbcc"));
    for (int i = 0; i < 100 && x.got_len < 200000; i++)
        bed_settle(b);
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "aabbcc");
}

static void a_need_that_was_met_while_output_was_full_is_served_when_there_is_room(void **state)
{
    (void)state;
    over_every_joint(run_need_while_full);
}

static void run_need_without_memory(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_need(y.s, 4);
    plait_write(x.s, PLAIT_LIT("four"));
    plait_flush(x.s);
    bed_fail(b, 1);
    bed_settle(b);
    bed_heal(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "four");
    assert_non_null(y.s);
}

static void what_is_taken_at_once_needs_no_memory(void **state)
{
    (void)state;
    over_every_joint(run_need_without_memory);
}

static void run_pause(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_pause(y.s);
    plait_write(x.s, PLAIT_LIT("wait"));
    plait_close(x.s);
    bed_settle(b);
    assert_string_equal(y.story, "c");
    plait_resume(y.s);
    plait_resume(y.s);
    assert_string_equal(y.story, "c");
    bed_settle(b);
    assert_string_equal(y.story, "cdel");
    assert_slice(plait_slice_of(y.got, y.got_len), "wait");
}

static void a_paused_stream_hears_nothing_until_it_resumes(void **state)
{
    (void)state;
    over_every_joint(run_pause);
}

static void run_full_window(struct bed *b, enum joint joint)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    static uint8_t bytes[2000];
    join(b, joint, &sx, &sy);
    peer_attach(&x, sx, &peer_protocol);
    peer_attach(&y, sy, &peer_small_protocol);
    y.take_nothing = true;
    plait_write(x.s, plait_slice_of(bytes, 1023));
    bed_settle(b);
    assert_int_equal(y.data_calls, 1);
    assert_non_null(y.s);
    plait_write(x.s, plait_slice_of(bytes, 1));
    bed_settle(b);
    assert_int_equal(y.fault.err, PLAIT_ETOOLONG);
}

static void run_full_window_at_once(struct bed *b, enum joint joint)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    static uint8_t bytes[1024];
    join(b, joint, &sx, &sy);
    peer_attach(&x, sx, &peer_protocol);
    peer_attach(&y, sy, &peer_small_protocol);
    y.take_nothing = true;
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    bed_settle(b);
    assert_int_equal(y.fault.err, PLAIT_ETOOLONG);
}

/* What was kept for a wide window is offered through a narrow one. */
static void run_window_made_narrow(struct bed *b, enum joint joint)
{
    static uint8_t bytes[3000];
    y.take_nothing = true;
    join_peers(b, joint, &x, &y);
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    bed_settle(b);
    assert_non_null(y.s);
    peer_attach(&y, y.s, &peer_small_protocol);
    bed_settle(b);
    assert_int_equal(y.fault.err, PLAIT_ETOOLONG);
}

static void a_full_window_of_which_nothing_is_taken_is_an_error(void **state)
{
    (void)state;
    over_every_joint(run_full_window);
    over_every_joint(run_full_window_at_once);
    over_every_joint(run_window_made_narrow);
}

static void switch_protocol(struct peer *p)
{
    p->on_data = NULL;
    p->take = 0;
    plait_stream_attach(p->s, &peer_half_protocol, p);
}

static void run_switch(struct bed *b, enum joint joint)
{
    y.take = 2;
    y.on_data = switch_protocol;
    join_peers(b, joint, &x, &y);
    plait_write(x.s, PLAIT_LIT("aabbb"));
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "aabbb");
    assert_string_equal(y.story, "cdd");
}

static void a_new_protocol_gets_what_the_old_one_left(void **state)
{
    (void)state;
    over_every_joint(run_switch);
}

static void run_byte_by_byte(struct bed *b, enum joint joint)
{
    enum { N = 3000 };
    y.take_nothing = true;
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    for (int i = 0; i < N; i++) {
        plait_write(x.s, PLAIT_LIT("."));
        bed_run(b);
    }
    bed_settle(b);
    assert_true(y.data_calls <= N); /* one call a byte at the most: linear, however much is kept */
}

static void bytes_fed_one_by_one_cost_a_call_each_at_most(void **state)
{
    (void)state;
    over_every_joint(run_byte_by_byte);
}

static void run_no_data_member(struct bed *b, enum joint joint)
{
    static const struct plait_protocol deaf = {.name = "deaf"};
    struct plait_stream *sx;
    struct plait_stream *sy;
    join(b, joint, &sx, &sy);
    peer_attach(&x, sx, &peer_protocol);
    plait_stream_attach(sy, &deaf, NULL);
    plait_write(x.s, PLAIT_LIT("nobody listens"));
    bed_settle(b);
    plait_close(x.s);
    bed_settle(b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(b->r->stream_count, 0);
}

static void a_protocol_without_callbacks_discards_and_ends_with_its_peer(void **state)
{
    (void)state;
    over_every_joint(run_no_data_member);
}

static void run_no_memory_for_the_rest(struct bed *b, enum joint joint)
{
    static uint8_t bytes[3000];
    y.take = 1;
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    plait_flush(x.s);
    bed_fail(b, 1);
    bed_settle(b);
    bed_heal(b);
    assert_int_equal(y.fault.err, PLAIT_ENOMEM);
}

static void what_cannot_be_kept_ends_the_stream(void **state)
{
    (void)state;
    over_every_joint(run_no_memory_for_the_rest);
}

static void abort_the_sender(struct peer *p)
{
    struct peer *sender = p->ctx;
    if (sender->s)
        plait_abort(sender->s);
}

static void run_receiver_aborts_sender(struct bed *b, enum joint joint)
{
    static uint8_t bytes[100000];
    join_peers(b, joint, &x, &y);
    y.ctx = &x;
    y.on_data = abort_the_sender;
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    bed_settle(b);
    assert_int_equal(x.fault.err, PLAIT_ECANCELLED);
    assert_null(y.s);
}

static void the_receiver_may_abort_the_sender_in_the_middle(void **state)
{
    (void)state;
    over_every_joint(run_receiver_aborts_sender);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void run_attach_late(struct bed *b, enum joint joint)
{
    struct plait_stream *sx;
    struct plait_stream *sy;
    join(b, joint, &sx, &sy);
    plait_abort(sx);
    peer_attach(&x, sx, &peer_protocol);
    peer_attach(&y, sy, &peer_protocol);
    bed_settle(b);
    assert_string_equal(x.story, "l");
    assert_int_equal(x.fault.err, PLAIT_ECANCELLED);
}

static void a_protocol_attached_to_a_dead_stream_is_told_only_that(void **state)
{
    (void)state;
    over_every_joint(run_attach_late);
}

static void run_reactor_free(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_write(x.s, PLAIT_LIT("never read"));
    plait_close(x.s);
}

static void freeing_the_reactor_ends_every_stream_once(void **state)
{
    (void)state;
    over_every_joint(run_reactor_free);
    assert_int_equal(x.story[x.told - 1], 'l');
    assert_int_equal(y.story[y.told - 1], 'l');
}

static void run_linger(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_pause(y.s); /* a peer that never closes */
    bed_settle(b);
    plait_close(x.s);
    bed_settle(b);
    bed_pass(b, plait_seconds(1));
    assert_string_equal(x.story, joint == JOINT_PAIR ? "cl" : "c");
    bed_pass(b, plait_seconds(2));
    bed_settle(b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.err, PLAIT_OK);
}

static void a_peer_that_never_closes_is_waited_for_a_short_while(void **state)
{
    (void)state;
    over_every_joint(run_linger);
}

/* A stream that lingers is no more than the rest of its connection: it goes when the time is over, not later. */
static void run_linger_exactly(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_pause(y.s);
    bed_settle(b);
    plait_close(x.s);
    bed_settle(b);
    bed_pass(b, PLAIT__LINGER);
    assert_string_equal(x.story, "cl");
}

static void lingering_ends_when_its_time_is_over(void **state)
{
    (void)state;
    over_every_joint(run_linger_exactly);
}

/* One timer serves all that linger, the soonest end first. */
static void each_lingers_for_its_own_time(void **state)
{
    struct bed b;
    struct peer *ends = calloc(4, sizeof *ends);
    (void)state;
    assert_non_null(ends);
    bed_open(&b);
    for (int i = 0; i < 4; i += 2) {
        join_peers(&b, JOINT_TCP, &ends[i], &ends[i + 1]);
        bed_settle(&b);
        plait_pause(ends[i + 1].s);
        bed_settle(&b);
        plait_close(ends[i].s);
        bed_settle(&b);
        bed_pass(&b, plait_seconds(1));
    }
    assert_null(ends[0].s); /* two seconds after its close */
    assert_non_null(ends[2].s);
    bed_pass(&b, plait_seconds(1));
    bed_settle(&b);
    assert_null(ends[2].s);
    bed_close(&b);
    free(ends);
}

static void run_free_while_lingering(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_pause(y.s);
    bed_settle(b);
    plait_close(x.s);
    bed_settle(b);
}

static void a_stream_that_lingers_ends_with_its_reactor(void **state)
{
    (void)state;
    over_every_joint(run_free_while_lingering);
    assert_string_equal(x.story, "cl");
    assert_null(x.s);
}

static void run_close_brief(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_pause(y.s);
    bed_settle(b);
    plait__stream_close_brief(x.s);
    bed_settle(b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.err, PLAIT_OK);
}

static void a_brief_close_does_not_linger(void **state)
{
    (void)state;
    over_every_joint(run_close_brief);
}

static void run_close_with(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_write(x.s, PLAIT_LIT("500 too long"));
    plait_close_with(x.s, PLAIT_ETOOLONG, "the line is too long");
    plait_close(x.s);
    bed_settle(b);
    assert_slice(plait_slice_of(y.got, y.got_len), "500 too long");
    assert_int_equal(x.fault.err, PLAIT_ETOOLONG);
    assert_string_equal(x.fault.detail, "the line is too long");
}

static void a_close_can_carry_the_protocols_own_error(void **state)
{
    (void)state;
    over_every_joint(run_close_with);
}

static void run_peer_talks_on(struct bed *b, enum joint joint)
{
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    plait_close(x.s);
    plait_write(y.s, PLAIT_LIT("still talking"));
    bed_settle(b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.got_len, 0);
    assert_int_equal(x.fault.err, PLAIT_OK);
}

static void no_data_comes_after_close(void **state)
{
    (void)state;
    over_every_joint(run_peer_talks_on);
}

TEST_MAIN(
    cmocka_unit_test(bytes_go_over_and_back_and_a_close_ends_both_sides), cmocka_unit_test(an_abort_resets_the_peer),
    cmocka_unit_test(a_close_inside_data_still_sends_what_was_written), cmocka_unit_test(each_half_can_be_closed_alone),
    cmocka_unit_test(what_a_protocol_leaves_comes_again_with_more), cmocka_unit_test(a_need_spares_calls),
    cmocka_unit_test(a_need_that_is_met_is_served_at_once),
    cmocka_unit_test(what_was_offered_is_not_offered_again_for_nothing),
    cmocka_unit_test(a_need_that_was_met_while_output_was_full_is_served_when_there_is_room),
    cmocka_unit_test(what_is_taken_at_once_needs_no_memory),
    cmocka_unit_test(a_paused_stream_hears_nothing_until_it_resumes),
    cmocka_unit_test(a_full_window_of_which_nothing_is_taken_is_an_error),
    cmocka_unit_test(a_new_protocol_gets_what_the_old_one_left), cmocka_unit_test(what_cannot_be_kept_ends_the_stream),
    cmocka_unit_test(the_receiver_may_abort_the_sender_in_the_middle),
    cmocka_unit_test(bytes_fed_one_by_one_cost_a_call_each_at_most),
    cmocka_unit_test(a_protocol_without_callbacks_discards_and_ends_with_its_peer),
    cmocka_unit_test(a_protocol_attached_to_a_dead_stream_is_told_only_that),
    cmocka_unit_test(freeing_the_reactor_ends_every_stream_once),
    cmocka_unit_test(a_peer_that_never_closes_is_waited_for_a_short_while),
    cmocka_unit_test(each_lingers_for_its_own_time), cmocka_unit_test(lingering_ends_when_its_time_is_over),
    cmocka_unit_test(a_stream_that_lingers_ends_with_its_reactor), cmocka_unit_test(a_brief_close_does_not_linger),
    cmocka_unit_test(a_close_can_carry_the_protocols_own_error), cmocka_unit_test(no_data_comes_after_close))
