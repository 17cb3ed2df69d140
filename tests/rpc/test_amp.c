/* SPDX-License-Identifier: MIT
 *
 * AMP connections: calls both ways, each error, each limit, descriptors, switches of protocols, ends.
 */
#include "tests/rpc/amp_bed.h"

#include "engine/kinds.h"

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void both_sides_call_each_other_over_every_carrier(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct amp_bed *t = amp_bed_new((enum joint)joint);
        struct outcome o[4];
        (void)add(&t->x, &sum, 13, 81, &o[0]);
        (void)add(&t->x, &sum, 1, 2, &o[1]);
        (void)add(&t->y, &sum, 5, 6, &o[2]);
        (void)add(&t->y, &nothing, 0, 0, &o[3]);
        bed_settle(&t->b);
        expect(&o[0], PLAIT_OK, 94);
        expect(&o[1], PLAIT_OK, 3);
        expect(&o[2], PLAIT_OK, 11);
        expect(&o[3], PLAIT_OK, 0);
        assert_int_equal(t->x.connected, 1);
        amp_bed_free(t);
    }
}

static void a_call_looks_on_the_wire_as_twisted_writes_it(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
    struct outcome o;
    (void)add(&t->x, &sum, 13, 81, &o);
    bed_settle(&t->b);
    assert_slice_is(plait_slice_of(t->p.got, t->p.got_len),
                    PLAIT_LIT("\0\10_command\0\3Sum\0\1a\0\00213\0\1b\0\00281\0\4_ask\0\0011\0\0"));
    say(t, PLAIT_LIT("\0\5total\0\00294\0\7_answer\0\0011\0\0"));
    expect(&o, PLAIT_OK, 94);
    t->p.got_len = 0;
    say(t, PLAIT_LIT("\0\10_command\0\3Sum\0\4_ask\0\3tag\0\1b\0\0012\0\1a\0\0011\0\0"));
    assert_slice_is(plait_slice_of(t->p.got, t->p.got_len), PLAIT_LIT("\0\7_answer\0\3tag\0\5total\0\0013\0\0"));
    amp_bed_free(t);
}

static void a_box_that_comes_byte_by_byte_is_the_same_box(void **state)
{
    static const char box[] = "\0\10_command\0\3Sum\0\4_ask\0\0017\0\1b\0\0012\0\1a\0\0011\0\0";
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    for (size_t i = 0; i < sizeof box - 1; i++)
        say(t, plait_slice_of(box + i, 1));
    assert_slice_is(plait_slice_of(t->p.got, t->p.got_len), PLAIT_LIT("\0\7_answer\0\0017\0\5total\0\0013\0\0"));
    amp_bed_free(t);
}

static void many_calls_are_under_way_at_once_and_answered_in_any_order(void **state)
{
    enum { CALLS = 500 };
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome *o = calloc(CALLS, sizeof *o);
    assert_non_null(o);
    for (int i = 0; i < CALLS; i++)
        (void)add(&t->x, &keep, i, i, &o[i]);
    bed_settle(&t->b);
    assert_int_equal(t->y.kept_count, CALLS);
    for (int i = CALLS - 1; i >= 0; i--) {
        plait_amp_put_integer(plait_amp_response(t->y.kept[i]), "total", i);
        plait_amp_reply(t->y.kept[i]);
    }
    bed_settle(&t->b);
    for (int i = 0; i < CALLS; i++)
        expect(&o[i], PLAIT_OK, i);
    assert_int_equal(t->x.amp->calls.count, 0);
    free(o);
    amp_bed_free(t);
}

/* A call that stays long has its place, and those that come later pass over it. */
static void an_old_call_keeps_its_place(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome old;
    struct outcome o;
    (void)add(&t->x, &keep, 0, 0, &old);
    for (int i = 0; i < 50; i++) {
        (void)add(&t->x, &sum, i, 1, &o);
        bed_settle(&t->b);
        expect(&o, PLAIT_OK, i + 1);
    }
    assert_int_equal(t->x.amp->calls.places, PLAIT__AMP_DEPTH_MAX);
    plait_amp_put_integer(plait_amp_response(t->y.kept[0]), "total", 7);
    plait_amp_reply(t->y.kept[0]);
    bed_settle(&t->b);
    expect(&old, PLAIT_OK, 7);
    amp_bed_free(t);
}

static void a_command_can_want_no_answer(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct plait_amp_box *box = plait_amp_begin(t->x.amp, &sum);
    plait_amp_put_integer(box, "a", -1); /* which is an error that nobody hears of */
    plait_amp_put_integer(box, "b", 2);
    assert_ok(plait_amp_tell(box));
    assert_ok(plait_amp_tell(plait_amp_begin(t->x.amp, &unknown_here)));
    assert_ok(plait_amp_tell(plait_amp_begin(t->x.amp, &nothing)));
    assert_err(plait_amp_tell(plait_amp_begin(t->x.amp, &sum)), PLAIT_EINVAL);
    bed_settle(&t->b);
    assert_int_equal(t->y.told, 2);
    amp_bed_free(t);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void errors_arrive_as_declared(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome o;
    (void)add(&t->x, &sum, -1, 0, &o);
    bed_settle(&t->b);
    expect(&o, PLAIT_EINVAL, 0);
    assert_string_equal(o.detail, "NEGATIVE");
    assert_slice(plait_amp_description(t->x.amp), "a is negative");
    (void)add(&t->x, &unknown_here, 0, 0, &o);
    bed_settle(&t->b);
    expect(&o, PLAIT_EREPLY, 0);
    assert_string_equal(o.detail, "UNHANDLED");
    assert_slice(plait_amp_description(t->x.amp), "Unhandled Command: Nope");
    (void)add(&t->x, &sum, 0, -1, &o); /* fatal */
    bed_settle(&t->b);
    expect(&o, PLAIT_ELIMIT, 0);
    assert_int_equal(t->x.lost, 1);
    assert_int_equal(t->y.lost, 1);
    assert_err(t->y.fault.err, PLAIT_EREPLY);
    amp_bed_free(t);
}

static void an_answer_that_is_not_as_declared_ends_the_connection(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome o;
    (void)add(&t->x, &badly, 0, 0, &o);
    bed_settle(&t->b);
    expect(&o, PLAIT_EREPLY, 0);
    assert_string_equal(o.detail, "UNKNOWN");
    assert_int_equal(t->y.lost, 1);
    assert_true(bed_logged(&t->b, "amp-answer-wrong"));
    amp_bed_free(t);
}

static void bad_arguments_are_answered_and_end_nothing(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
    say(t, PLAIT_LIT("\0\10_command\0\3Sum\0\4_ask\0\0017\0\1a\0\1x\0\0"));
    assert_slice_is(
        plait_slice_of(t->p.got, t->p.got_len),
        PLAIT_LIT("\0\6_error\0\0017\0\13_error_code\0\7UNKNOWN\0\22_error_description\0\40missing or malformed "
                  "argument: a\0\0"));
    t->p.got_len = 0;
    say(t, PLAIT_LIT("\0\10_command\0\4Pass\0\4_ask\0\0017\0\2fd\0\0010\0\0"));
    assert_non_null(memmem(t->p.got, t->p.got_len, "a descriptor did not come", 25));
    t->p.got_len = 0;
    say(t, PLAIT_LIT("\0\10_command\0\3Sum\0\1a\0\1x\0\0"));
    assert_int_equal(t->p.got_len, 0);
    assert_non_null(t->x.amp);
    amp_bed_free(t);
}

static void a_peer_that_breaks_the_protocol_is_cut(void **state)
{
    static const struct {
        plait_slice bytes;
        plait_err err;
    } rows[] = {
        {{(const uint8_t *)"GET / HTTP/1.1\r\n", 16}, PLAIT_ETOOLONG},
        {{(const uint8_t *)"\0\0", 2}, PLAIT_EMALFORMED},
        {{(const uint8_t *)"\0\1a\0\1b\0\0", 8}, PLAIT_EMALFORMED},
        {{(const uint8_t *)"\0\7_answer\0\0017\0\0", 14}, PLAIT_EPROTOCOL},
        {{(const uint8_t *)"\0\7_answer\0\1x\0\0", 14}, PLAIT_EPROTOCOL},
        {{(const uint8_t *)"\0\6_error\0\0017\0\0", 13}, PLAIT_EPROTOCOL},
        {{(const uint8_t *)"\0\7_answer\0\0019\0\0", 14}, PLAIT_EPROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
        struct outcome o = {.calls = 1};
        if (i >= 4)
            (void)add(&t->x, &sum, 1, 1, &o);
        say(t, rows[i].bytes);
        assert_int_equal(t->x.lost, 1);
        assert_err(t->x.fault.err, rows[i].err);
        assert_int_equal(o.calls, 1);
        amp_bed_free(t);
    }
}

static void an_answer_that_is_malformed_fails_its_call_alone(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
    struct outcome o;
    (void)add(&t->x, &sum, 1, 2, &o);
    say(t, PLAIT_LIT("\0\7_answer\0\0011\0\5total\0\1x\0\0"));
    expect(&o, PLAIT_EMALFORMED, 0);
    (void)add(&t->x, &pass, 0, 0, &o);
    assert_err(o.err, PLAIT_OK);
    bed_settle(&t->b);
    expect(&o, PLAIT_EINVAL, 0); /* fd is missing */
    assert_non_null(t->x.amp);
    amp_bed_free(t);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void a_call_that_is_cancelled_is_forgotten_and_its_answer_thrown_away(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome o;
    struct plait_deferred *d = add(&t->x, &keep, 1, 2, &o);
    bed_settle(&t->b);
    plait_deferred_cancel(d);
    bed_settle(&t->b);
    expect(&o, PLAIT_ECANCELLED, 0);
    plait_amp_put_integer(plait_amp_response(t->y.kept[0]), "total", 7);
    plait_amp_reply(t->y.kept[0]);
    bed_settle(&t->b);
    assert_int_equal(t->x.lost, 0);
    assert_int_equal(t->x.amp->calls.count, 0);
    amp_bed_free(t);
}

static void calls_end_with_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct amp_bed *t = amp_bed_new(JOINT_PAIR);
        struct outcome o[3];
        for (int j = 0; j < 3; j++)
            (void)add(&t->x, &keep, j, 0, &o[j]);
        bed_settle(&t->b);
        if (i == 0)
            plait_close(plait_amp_stream(t->x.amp));
        else if (i == 1)
            plait_close(plait_amp_stream(t->y.amp));
        else
            plait_abort_with(plait_amp_stream(t->x.amp), PLAIT_EFORBIDDEN, NULL);
        bed_settle(&t->b);
        for (int j = 0; j < 3; j++)
            expect(&o[j], i == 0 ? PLAIT_ECLOSED : i == 1 ? PLAIT_EEOF : PLAIT_EFORBIDDEN, 0);
        /* The requests live on, and their answers go nowhere. */
        assert_null(plait_amp_request_connection(t->y.kept[0]));
        plait_amp_put_integer(plait_amp_response(t->y.kept[0]), "total", 7);
        plait_amp_reply(t->y.kept[0]);
        plait_amp_reply_error(t->y.kept[1], "NEGATIVE", NULL);
        (void)plait_amp_response(t->y.kept[2]);
        plait_amp_reply_switch(t->y.kept[2], &peer_protocol, &t->p);
        amp_bed_free(t);
    }
}

static struct outcome late;

static void call_in_lost(struct plait_amp *amp, const struct plait_fault *fault, void *ctx)
{
    struct side *side = ctx;
    (void)add(side, &nothing, 0, 0, &late);
    side_lost(amp, fault, ctx);
}

static void a_call_that_comes_too_late_fails(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
    t->x.amp->o.lost = call_in_lost;
    plait_abort(t->p.s);
    bed_settle(&t->b);
    assert_int_equal(late.calls, 1);
    assert_true(late.err != PLAIT_OK);
    amp_bed_free(t);
}

static void an_end_inside_a_box_is_told(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_PAIR);
    say(t, PLAIT_LIT("\0\1a\0"));
    plait_close_write(t->p.s);
    bed_settle(&t->b);
    assert_err(t->x.fault.err, PLAIT_ETRUNCATED);
    amp_bed_free(t);
}

static void draining_waits_for_the_requests_that_are_under_way(void **state)
{
    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        struct amp_bed *t = amp_bed_new(JOINT_PAIR);
        struct outcome o = {.calls = 1};
        if (busy)
            (void)add(&t->x, &keep, 1, 2, &o);
        bed_settle(&t->b);
        t->y.amp->protocol.drain(plait_amp_stream(t->y.amp), t->y.amp);
        bed_settle(&t->b);
        assert_int_equal(t->y.lost, !busy);
        if (busy) {
            plait_amp_put_integer(plait_amp_response(t->y.kept[0]), "total", 3);
            plait_amp_reply(t->y.kept[0]);
            bed_settle(&t->b);
            expect(&o, PLAIT_OK, 3);
        }
        assert_int_equal(t->y.lost, 1);
        amp_bed_free(t);
    }
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void a_peer_with_too_many_requests_is_not_read(void **state)
{
    (void)state;
    struct amp_bed *t = calloc(1, sizeof *t);
    struct outcome o[5];
    assert_non_null(t);
    bed_open(&t->b);
    t->y.o.requests_max = 3;
    amp_bed_join(t, JOINT_UNIX);
    for (int i = 0; i < 5; i++)
        (void)add(&t->x, &keep, i, 0, &o[i]);
    bed_settle(&t->b);
    assert_int_equal(t->y.kept_count, 3);
    for (int i = 0; i < 5; i++) {
        plait_amp_put_integer(plait_amp_response(t->y.kept[i]), "total", i);
        plait_amp_reply(t->y.kept[i]);
        bed_settle(&t->b);
        assert_int_equal(t->y.kept_count, i < 2 ? 4 + i : 5);
        expect(&o[i], PLAIT_OK, i);
    }
    amp_bed_free(t);
}

static void so_many_calls_are_under_way_and_not_one_more(void **state)
{
    (void)state;
    struct amp_bed *t = calloc(1, sizeof *t);
    struct outcome o[3];
    assert_non_null(t);
    bed_open(&t->b);
    t->x.o.calls_max = 2;
    amp_bed_join(t, JOINT_PAIR);
    for (int i = 0; i < 3; i++)
        (void)add(&t->x, &keep, i, 0, &o[i]);
    bed_settle(&t->b);
    assert_int_equal(o[1].calls, 0);
    expect(&o[2], PLAIT_ELIMIT, 0);
    plait_amp_reply_error(t->y.kept[0], "X", "");
    plait_amp_reply_error(t->y.kept[1], "X", "");
    bed_settle(&t->b);
    expect(&o[1], PLAIT_EREPLY, 0);
    amp_bed_free(t);
}

static void a_box_of_the_largest_size_is_taken_and_a_larger_one_is_not(void **state)
{
    static uint8_t bytes[4000];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    for (size_t more = 0; more < 2; more++) {
        struct amp_bed *t = calloc(1, sizeof *t);
        struct outcome o = {.calls = 0};
        assert_non_null(t);
        bed_open(&t->b);
        t->y.o.box_max = 1024;
        amp_bed_join(t, JOINT_PAIR);
        struct plait_amp_box *box = plait_amp_begin(t->x.amp, &echo);
        /* around the text stand 16 + 9 + 8 bytes and an end of 2 */
        plait_amp_put_bytes(box, "text", plait_slice_of(bytes, 1024 - 16 - 9 - 8 - 2 + more));
        assert_ok(plait_then(plait_amp_call(box), note, &o));
        bed_settle(&t->b);
        assert_int_equal(o.calls, 1);
        assert_err(o.err, more ? PLAIT_ERESET : PLAIT_OK);
        assert_err(t->y.fault.err, more ? PLAIT_ETOOLONG : PLAIT_OK);
        amp_bed_free(t);
    }
}

static void limits_have_their_least_and_their_most(void **state)
{
    (void)state;
    struct amp_bed *t = calloc(1, sizeof *t);
    assert_non_null(t);
    bed_open(&t->b);
    t->x.o.box_max = 1;
    t->y.o.box_max = SIZE_MAX;
    amp_bed_join(t, JOINT_PAIR);
    assert_int_equal(t->x.amp->o.box_max, 1024);
    assert_int_equal(t->y.amp->o.box_max, INT32_MAX);
    assert_int_equal(t->x.amp->o.requests_max, 1000);
    amp_bed_free(t);
}

/* Answers come through although both sides have more to say than the other takes at once. */
static void two_sides_that_flood_each_other_both_get_through(void **state)
{
    enum { CALLS = 20 };
    static uint8_t bytes[60000];
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct amp_bed *t = amp_bed_new((enum joint)joint);
        struct outcome o[2 * CALLS] = {{.calls = 0}};
        for (int i = 0; i < 2 * CALLS; i++) {
            struct plait_amp_box *box = plait_amp_begin(i % 2 ? t->x.amp : t->y.amp, &echo);
            plait_amp_put_bytes(box, "text", plait_slice_of(bytes, sizeof bytes));
            assert_ok(plait_then(plait_amp_call(box), note, &o[i]));
        }
        for (int i = 0; i < 200; i++)
            bed_settle(&t->b);
        for (int i = 0; i < 2 * CALLS; i++)
            expect(&o[i], PLAIT_OK, 0);
        amp_bed_free(t);
    }
}

/* One who asks and asks, and takes no answer, is not read: the answers stay bounded. */
static void a_peer_that_takes_no_answers_is_not_read(void **state)
{
    static uint8_t request[2000] = "\0\10_command\0\4Echo\0\4_ask\0\0017\0\4text\7\xa4";
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    const size_t bytes = 16 + 9 + 8 + 0x7a4 + 2;
    plait_pause(t->p.s);
    for (int i = 0; i < 2000; i++)
        plait_write(t->p.s, plait_slice_of(request, bytes));
    for (int i = 0; i < 100; i++)
        bed_settle(&t->b);
    assert_true(plait_pending(plait_amp_stream(t->x.amp)) < 512 * 1024);
    assert_true(plait_pending(t->p.s) > 0);
    struct outcome o;
    (void)add(&t->x, &nothing, 0, 0, &o); /* now it waits for an answer itself, and reads on */
    for (int i = 0; i < 100; i++)
        bed_settle(&t->b);
    assert_int_equal(plait_pending(t->p.s), 0);
    amp_bed_free(t);
}

/* --- services and clients ----------------------------------------------------------------------------------------- */

static void keep_amp(struct plait_result *result, void *ctx)
{
    struct side *side = ctx;
    side->fault = result->fault;
    side->amp = result->fault.err == PLAIT_OK ? result->value.ptr : NULL;
    result->fault.err = PLAIT_OK;
}

static void a_service_and_a_client_find_each_other(void **state)
{
    (void)state;
    struct bed b;
    struct side server = {.amp = NULL};
    struct side client = {.amp = NULL};
    struct plait_listener *listener = NULL;
    struct plait_address at;
    char endpoint[64];
    bed_open(&b);
    assert_ok(plait__endpoint_kinds_register(b.r));
    server.o = (struct plait_amp_options){.responders = responders, .ctx = &server};
    assert_ok(plait_serve_with(b.r, "tcp:0", NULL, plait_amp_service(b.r, &server.o), &listener, NULL));
    plait_listener_address(listener, &at);
    (void)snprintf(endpoint, sizeof endpoint, "tcp:127.0.0.1:%u", at.port);
    assert_ok(plait_then(plait_amp_connect(b.r, endpoint, NULL), keep_amp, &client));
    bed_settle(&b);
    assert_non_null(client.amp);
    struct outcome o;
    (void)add(&client, &echo, 0, 0, &o);
    bed_settle(&b);
    expect(&o, PLAIT_EINVAL, 0);
    (void)add(&client, &nothing, 0, 0, &o);
    bed_settle(&b);
    expect(&o, PLAIT_OK, 0);
    plait_listener_close(&listener);
    assert_ok(plait_then(plait_amp_connect(b.r, endpoint, NULL), keep_amp, &client));
    bed_settle(&b);
    assert_null(client.amp);
    assert_err(client.fault.err, PLAIT_EREFUSED);
    bed_close(&b);
}

/* --- no memory ---------------------------------------------------------------------------------------------------- */

static void round_trip(struct amp_bed *t)
{
    struct outcome o[3] = {{.calls = 0}, {.calls = 0}, {.calls = 0}};
    struct plait_deferred *d[3];
    struct plait_amp_box *box = plait_amp_begin(t->x.amp, &sum);
    plait_amp_put_integer(box, "a", 1);
    plait_amp_put_integer(box, "b", 2);
    d[0] = plait_amp_call(box);
    d[1] = plait_amp_call(plait_amp_begin(t->x.amp, &unknown_here));
    box = plait_amp_begin(t->x.amp, &pass);
    plait_amp_put_descriptor(box, "fd", open("/dev/null", O_RDONLY | O_CLOEXEC));
    plait_amp_put_bytes(box, "text", PLAIT_LIT("mine"));
    d[2] = plait_amp_call(box);
    bool asked[3];
    for (int i = 0; i < 3; i++) {
        asked[i] = plait_then(d[i], note, &o[i]) == PLAIT_OK;
        if (!asked[i])
            plait_deferred_cancel(d[i]);
    }
    for (int i = 0; i < 4; i++)
        bed_settle(&t->b);
    if (t->x.amp)
        plait_abort(plait_amp_stream(t->x.amp));
    bed_settle(&t->b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].calls, asked[i]);
        if (o[i].fd > 0)
            close(o[i].fd);
    }
}

static void wherever_memory_ends_each_call_ends_once(void **state)
{
    (void)state;
    const size_t before = test_open_descriptors();
    for (uint64_t k = 1; k < 60; k++) {
        struct amp_bed *t = calloc(1, sizeof *t);
        struct plait_stream *x;
        struct plait_stream *y;
        assert_non_null(t);
        bed_open(&t->b);
        bed_fill(&t->b);
        join(&t->b, JOINT_UNIX, &x, &y);
        side_open(&t->x, x);
        side_open(&t->y, y);
        bed_settle(&t->b);
        t->b.heap.fail_at = t->b.heap.calls + k;
        round_trip(t);
        amp_bed_free(t);
        assert_int_equal(test_open_descriptors(), before);
    }
}

struct taken {
    plait_value value;
};

static void take_amp(struct plait_result *result, void *ctx)
{
    ((struct taken *)ctx)->value = plait_result_take(result);
}

/* As in a task, which goes on some time later. */
static void a_connection_whose_value_is_kept_may_be_lost_meanwhile(void **state)
{
    (void)state;
    struct bed b;
    struct side server = {.amp = NULL};
    struct side client = {.amp = NULL};
    struct taken taken = {.value = {.ptr = NULL}};
    struct plait_listener *listener = NULL;
    struct plait_address at;
    struct outcome o;
    char endpoint[64];
    bed_open(&b);
    assert_ok(plait__endpoint_kinds_register(b.r));
    assert_ok(plait_serve_with(b.r, "tcp:0", NULL, plait_amp_service(b.r, &server.o), &listener, NULL));
    plait_listener_address(listener, &at);
    (void)snprintf(endpoint, sizeof endpoint, "tcp:127.0.0.1:%u", at.port);
    assert_ok(plait_then(plait_amp_connect(b.r, endpoint, NULL), take_amp, &taken));
    bed_settle(&b);
    client.amp = taken.value.ptr;
    plait_abort(plait_amp_stream(client.amp));
    bed_settle(&b);
    assert_null(plait_amp_stream(client.amp));
    (void)add(&client, &nothing, 0, 0, &o);
    bed_settle(&b);
    expect(&o, PLAIT_ECLOSED, 0);
    assert_err(plait_amp_tell(plait_amp_begin(client.amp, &nothing)), PLAIT_ECLOSED);
    taken.value.destroy(taken.value.ptr);
    plait_listener_close(&listener);
    bed_close(&b);
}

static void a_client_without_memory_fails_once(void **state)
{
    (void)state;
    struct bed b;
    struct side server = {.amp = NULL};
    struct plait_listener *listener = NULL;
    struct plait_address at;
    char endpoint[64];
    bed_open(&b);
    assert_ok(plait__endpoint_kinds_register(b.r));
    assert_ok(plait_serve_with(b.r, "tcp:0", NULL, plait_amp_service(b.r, &server.o), &listener, NULL));
    plait_listener_address(listener, &at);
    (void)snprintf(endpoint, sizeof endpoint, "tcp:127.0.0.1:%u", at.port);
    for (uint64_t k = 1; k < 150; k++) {
        struct side client = {.o = {.lost = side_lost, .ctx = &client}};
        b.heap.fail_at = b.heap.calls + k;
        struct plait_deferred *d = plait_amp_connect(b.r, endpoint, &client.o);
        const bool asked = plait_then(d, keep_amp, &client) == PLAIT_OK;
        if (!asked)
            plait_deferred_cancel(d);
        bed_settle(&b);
        assert_true(!asked || client.amp || client.lost || client.fault.err != PLAIT_OK);
        if (client.amp)
            plait_abort(plait_amp_stream(client.amp));
        bed_settle(&b);
        b.heap.fail_at = 0;
    }
    plait_listener_close(&listener);
    bed_close(&b);
}

static void a_stream_without_memory_is_not_attached(void **state)
{
    (void)state;
    struct bed b;
    struct plait_stream *x;
    struct plait_stream *y;
    struct plait_amp *amp;
    bed_open(&b);
    assert_ok(plait__endpoint_kinds_register(b.r));
    assert_ok(plait_pair_new(b.r, &x, &y));
    bed_fail(&b, 1);
    assert_err(plait_amp_attach(x, NULL, &amp), PLAIT_ENOMEM);
    assert_null(plait_amp_service(b.r, NULL));
    assert_null(plait_amp_connect(b.r, "tcp:127.0.0.1:1", NULL));
    bed_fail(&b, 2);
    assert_null(plait_amp_connect(b.r, "tcp:127.0.0.1:1", NULL));
    bed_heal(&b);
    plait_abort(x);
    plait_abort(y);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(both_sides_call_each_other_over_every_carrier),
          cmocka_unit_test(a_call_looks_on_the_wire_as_twisted_writes_it),
          cmocka_unit_test(a_box_that_comes_byte_by_byte_is_the_same_box),
          cmocka_unit_test(many_calls_are_under_way_at_once_and_answered_in_any_order),
          cmocka_unit_test(an_old_call_keeps_its_place), cmocka_unit_test(a_command_can_want_no_answer),
          cmocka_unit_test(errors_arrive_as_declared),
          cmocka_unit_test(an_answer_that_is_not_as_declared_ends_the_connection),
          cmocka_unit_test(bad_arguments_are_answered_and_end_nothing),
          cmocka_unit_test(a_peer_that_breaks_the_protocol_is_cut),
          cmocka_unit_test(an_answer_that_is_malformed_fails_its_call_alone),
          cmocka_unit_test(a_call_that_is_cancelled_is_forgotten_and_its_answer_thrown_away),
          cmocka_unit_test(calls_end_with_the_connection), cmocka_unit_test(a_call_that_comes_too_late_fails),
          cmocka_unit_test(an_end_inside_a_box_is_told),
          cmocka_unit_test(draining_waits_for_the_requests_that_are_under_way),
          cmocka_unit_test(a_peer_with_too_many_requests_is_not_read),
          cmocka_unit_test(so_many_calls_are_under_way_and_not_one_more),
          cmocka_unit_test(a_box_of_the_largest_size_is_taken_and_a_larger_one_is_not),
          cmocka_unit_test(two_sides_that_flood_each_other_both_get_through),
          cmocka_unit_test(a_peer_that_takes_no_answers_is_not_read),
          cmocka_unit_test(limits_have_their_least_and_their_most),
          cmocka_unit_test(a_service_and_a_client_find_each_other),
          cmocka_unit_test(wherever_memory_ends_each_call_ends_once),
          cmocka_unit_test(a_connection_whose_value_is_kept_may_be_lost_meanwhile),
          cmocka_unit_test(a_client_without_memory_fails_once),
          cmocka_unit_test(a_stream_without_memory_is_not_attached))
