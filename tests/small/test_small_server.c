/* SPDX-License-Identifier: MIT
 *
 * The small services over pairs: what they say, silence, a peer that takes nothing, memory that fails.
 */
#include "tests/small/service_bed.h"

#include "small/small_wire.h"

static struct room *open_small(enum plait_small which, const struct plait_small_options *options)
{
    struct room *room = room_new();
    room_serve(room, plait_small_service(room->b.r, which, options));
    return room;
}

static void echo_sends_back_what_came_until_the_peers_end(void **state)
{
    (void)state;
    struct room *room = open_small(PLAIT_ECHO, NULL);
    room_say(room, "one");
    room_say(room, " two");
    assert_slice(room_heard(room), "one two");
    assert_false(room_ended(room));
    plait_write(room->p.s, PLAIT_LIT(" last"));
    room_end(room);
    assert_slice(room_heard(room), "one two last");
    assert_true(room_ended(room));
    room_free(room);
}

static void discard_says_nothing(void **state)
{
    (void)state;
    struct room *room = open_small(PLAIT_DISCARD, NULL);
    room_say(room, "to nowhere");
    assert_int_equal(room->p.got_len, 0);
    assert_false(room_ended(room));
    room_end(room);
    assert_true(room_ended(room));
    assert_int_equal(room->p.got_len, 0);
    room_free(room);
}

static void qotd_daytime_and_time_answer_and_close(void **state)
{
    (void)state;
    static const enum plait_small kinds[] = {PLAIT_QOTD, PLAIT_DAYTIME, PLAIT_TIME};
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
        const struct plait_small_options options = {.quote = "as told"};
        uint8_t answer[PLAIT__SMALL_ANSWER_MAX];
        struct room *room = open_small(kinds[i], &options);
        const size_t n = plait__small_answer(kinds[i], "as told", room->b.clock / 1000000000, answer);
        assert_slice_is(room_heard(room), plait_slice_of(answer, n));
        assert_true(room_ended(room));
        room_free(room);
    }
}

static void the_quote_of_the_house_is_said_when_none_is_given(void **state)
{
    (void)state;
    struct room *room = open_small(PLAIT_QOTD, NULL);
    assert_true(plait_slice_starts(room_heard(room), PLAIT_LIT("Everything should be made")));
    room_free(room);
}

/* The lines that the peer got are the generator's, without a gap. */
static void assert_generated(const struct room *room)
{
    for (size_t i = 0; (i + 1) * PLAIT__CHARGEN_LINE <= room->p.got_len; i++) {
        uint8_t line[PLAIT__CHARGEN_LINE];
        plait__chargen_line(i, line);
        assert_memory_equal(room->p.got + i * PLAIT__CHARGEN_LINE, line, sizeof line);
    }
}

/* A peer that reads nothing for now: its end of the pair is attached last. */
static void chargen_writes_only_what_the_peer_takes_and_goes_on(void **state)
{
    (void)state;
    struct room *room = room_new();
    struct plait_stream *near;
    assert_ok(plait_pair_new(room->b.r, &near, &room->served));
    peer_attach(&room->p, near, &peer_half_protocol);
    plait_pause(near);
    assert_ok(plait__service_open_alone(plait_small_service(room->b.r, PLAIT_CHARGEN, NULL), room->served, NULL));
    bed_settle(&room->b);
    const size_t pending = plait_pending(room->served);
    assert_true(pending >= 16 * 1024 - 2 * PLAIT__CHARGEN_LINE && pending < 17 * 1024 + 64 * 1024);
    assert_true(plait_is_full(room->served));
    plait_resume(near);
    for (int i = 0; i < 200 && room->p.got_len < 100000; i++)
        assert_ok(plait_reactor_step(room->b.r, 0));
    assert_true(room->p.got_len >= 100000);
    assert_generated(room);
    plait_write(near, PLAIT_LIT("thrown away"));
    plait_abort(near);
    bed_settle(&room->b);
    room_free(room);
}

static void netstrings_go_back_one_by_one(void **state)
{
    (void)state;
    struct room *room = open_small(PLAIT_NETSTRING_ECHO, NULL);
    room_say(room, "5:hello,0:,3:a");
    assert_slice(room_heard(room), "5:hello,0:,");
    room_say(room, "bc,");
    room_end(room);
    assert_slice(room_heard(room), "5:hello,0:,3:abc,");
    assert_true(room_ended(room));
    room_free(room);
}

static void a_netstring_over_the_limit_ends_the_connection(void **state)
{
    (void)state;
    const struct plait_small_options options = {.netstring_max = 9};
    struct room *room = open_small(PLAIT_NETSTRING_ECHO, &options);
    room_say(room, "9:123456789,");
    assert_slice(room_heard(room), "9:123456789,");
    assert_false(room_ended(room));
    room_say(room, "10:");
    assert_true(room_ended(room));
    room_free(room);
}

static void a_connection_that_is_silent_for_too_long_is_closed(void **state)
{
    (void)state;
    static const struct {
        enum plait_small which;
        const char *said;
    } rows[] = {{PLAIT_ECHO, "x"}, {PLAIT_DISCARD, "x"}, {PLAIT_NETSTRING_ECHO, "1:x,"}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const struct plait_small_options options = {.idle = plait_seconds(10)};
        struct room *room = open_small(rows[i].which, &options);
        bed_pass(&room->b, plait_seconds(9));
        room_say(room, rows[i].said);
        bed_pass(&room->b, plait_seconds(9));
        assert_false(room_ended(room));
        bed_pass(&room->b, plait_seconds(2));
        bed_settle(&room->b);
        assert_true(room_ended(room));
        room_free(room);
    }
}

static void silence_is_five_minutes_when_nothing_is_said(void **state)
{
    (void)state;
    struct room *room = open_small(PLAIT_ECHO, NULL);
    bed_pass(&room->b, plait_seconds(299));
    assert_false(room_ended(room));
    bed_pass(&room->b, plait_seconds(2));
    bed_settle(&room->b);
    assert_true(room_ended(room));
    room_free(room);
}

/* Every allocation of a whole conversation fails once: the connection ends or goes on, nothing is left. */
static void whichever_allocation_fails_only_the_connection_ends(void **state)
{
    (void)state;
    for (int which = PLAIT_ECHO; which <= PLAIT_NETSTRING_ECHO; which++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            struct room *room = room_new();
            struct plait_stream *near;
            assert_ok(plait_pair_new(room->b.r, &near, &room->served));
            peer_attach(&room->p, near, &peer_half_protocol);
            room->b.heap.fail_at = room->b.heap.calls + n;
            struct plait_service *service = plait_small_service(room->b.r, (enum plait_small)which, NULL);
            if (service)
                (void)!plait__service_open_alone(service, room->served, NULL);
            else
                plait_abort(room->served);
            for (int i = 0; i < 12 && room->p.s && room->p.got_len < 4096; i++) {
                if (i == 1)
                    plait_write(room->p.s, PLAIT_LIT("5:hello,3:ab"));
                assert_ok(plait_reactor_step(room->b.r, 0));
            }
            failed = room->b.heap.calls >= room->b.heap.fail_at;
            room_free(room);
            assert_true(n < 200);
        }
    }
}

TEST_MAIN(cmocka_unit_test(echo_sends_back_what_came_until_the_peers_end), cmocka_unit_test(discard_says_nothing),
          cmocka_unit_test(qotd_daytime_and_time_answer_and_close),
          cmocka_unit_test(the_quote_of_the_house_is_said_when_none_is_given),
          cmocka_unit_test(chargen_writes_only_what_the_peer_takes_and_goes_on),
          cmocka_unit_test(netstrings_go_back_one_by_one),
          cmocka_unit_test(a_netstring_over_the_limit_ends_the_connection),
          cmocka_unit_test(a_connection_that_is_silent_for_too_long_is_closed),
          cmocka_unit_test(silence_is_five_minutes_when_nothing_is_said),
          cmocka_unit_test(whichever_allocation_fails_only_the_connection_ends))
