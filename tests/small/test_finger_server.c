/* SPDX-License-Identifier: MIT
 *
 * The finger server over pairs, with a directory that answers when the test says so.
 */
#include "tests/small/service_bed.h"

#include <plait/finger.h>

/* A directory that answers when the test says so. */
struct slow {
    struct plait_reactor *r;
    struct plait_deferred *open;
    bool whois, cancelled, freed;
    char user[64];
    int finds, lists;
    bool fails; /* has no memory for a deferred */
};

static void slow_cancel(struct plait_deferred *d, void *ctx)
{
    struct slow *slow = ctx;
    slow->cancelled = true;
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "find"));
}

static struct plait_deferred *slow_find(struct plait_reactor *r, plait_slice user, bool whois, void *ctx)
{
    struct slow *slow = ctx;
    slow->finds++;
    slow->whois = whois;
    (void)snprintf(slow->user, sizeof slow->user, "%.*s", PLAIT_ARG(user));
    slow->open = slow->fails ? NULL : plait_deferred_new(r, "slow", slow_cancel, slow);
    return slow->open;
}

static struct plait_deferred *slow_list(struct plait_reactor *r, bool whois, void *ctx)
{
    struct slow *slow = ctx;
    slow->lists++;
    return slow_find(r, PLAIT_LIT("everybody"), whois, ctx);
}

static void slow_free(void *ctx)
{
    ((struct slow *)ctx)->freed = true;
}

static void fire_text(struct room *room, struct slow *slow, const char *answer)
{
    struct plait_finger_text *text = plait_finger_text_new(room->b.r);
    assert_non_null(text);
    plait_buf_put_text(&text->buf, answer);
    plait_fire(slow->open, plait_value_ptr(text, plait_finger_text_free));
    bed_settle(&room->b);
}

static struct room *open_finger(struct slow *slow, plait_span timeout, bool lists)
{
    struct room *room = room_new();
    const struct plait_finger_options options = {.timeout = timeout};
    const struct plait_finger_directory directory = {
        .find = slow_find, .list = lists ? slow_list : NULL, .free = slow_free, .ctx = slow};
    *slow = (struct slow){.r = room->b.r};
    room_serve(room, plait_finger_service(room->b.r, &directory, timeout ? &options : NULL));
    return room;
}

static void a_user_is_looked_up_and_the_text_sent_with_crlf(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, true);
    room_say(room, "/W an");
    room_say(room, "n\r\nmore that nobody reads\r\n");
    assert_string_equal(slow.user, "ann");
    assert_true(slow.whois);
    assert_int_equal(slow.finds, 1);
    assert_int_equal(room->p.got_len, 0);
    fire_text(room, &slow, "Login: ann\nPlan:\r\n\nnone\nno end");
    assert_slice(room_heard(room), "Login: ann\r\nPlan:\r\n\r\nnone\r\nno end\r\n");
    assert_true(room_ended(room));
    plait_close(room->p.s);
    bed_settle(&room->b);
    assert_true(slow.freed);
    assert_false(slow.cancelled);
    room_free(room);
}

static void everybody_is_listed_when_the_directory_does(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, true);
    room_say(room, "\r\n");
    assert_int_equal(slow.lists, 1);
    fire_text(room, &slow, "ann\nbob\n");
    assert_slice(room_heard(room), "ann\r\nbob\r\n");
    room_free(room);
}

static void a_query_without_cr_is_taken_too(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, true);
    room_say(room, "ann\n");
    assert_string_equal(slow.user, "ann");
    fire_text(room, &slow, "");
    assert_int_equal(room->p.got_len, 0);
    assert_true(room_ended(room));
    room_free(room);
}

static void what_is_refused_is_refused_in_words(void **state)
{
    (void)state;
    static char too_long[600];
    const struct {
        const char *query, *answer;
    } rows[] = {
        {"ann@elsewhere\r\n", "Finger forwarding service denied.\r\n"}, /* RFC 1288 section 3.2.1 */
        {"@elsewhere\r\n", "Finger forwarding service denied.\r\n"},
        {"\r\n", "Finger online user list denied.\r\n"}, /* section 3.2.2 */
        {"/W\r\n", "Finger online user list denied.\r\n"},
        {"ann bob\r\n", "The query could not be understood; it is: [/W] [user]\r\n"},
        {too_long, "The query is too long.\r\n"},
    };
    memset(too_long, 'u', sizeof too_long - 1);
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct slow slow;
        struct room *room = open_finger(&slow, 0, false);
        room_say(room, rows[i].query);
        assert_slice(room_heard(room), rows[i].answer);
        assert_true(room_ended(room));
        assert_int_equal(slow.finds, 0);
        room_free(room);
    }
}

static void a_query_of_512_bytes_is_taken_and_one_more_is_not(void **state)
{
    (void)state;
    char query[PLAIT_FINGER_LINE_MAX + 4];
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    memset(query, 'u', sizeof query);
    memcpy(query + PLAIT_FINGER_LINE_MAX, "\r\n", 3);
    room_say(room, query);
    assert_int_equal(slow.finds, 1);
    room_free(room);
    room = open_finger(&slow, 0, false);
    memcpy(query + PLAIT_FINGER_LINE_MAX, "u\r\n", 4);
    room_say(room, query);
    assert_int_equal(slow.finds, 0);
    assert_slice(room_heard(room), "The query is too long.\r\n");
    room_free(room);
}

static void failures_of_the_directory_are_told(void **state)
{
    (void)state;
    static const struct {
        plait_err err;
        const char *answer;
    } rows[] = {{PLAIT_ENOTFOUND, "No such user.\r\n"},
                {PLAIT_EIO, "The answer could not be found out; try again later.\r\n"}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct slow slow;
        struct room *room = open_finger(&slow, 0, false);
        room_say(room, "ann\r\n");
        plait_fire_fault(slow.open, plait_fault_make(rows[i].err, "find"));
        bed_settle(&room->b);
        assert_slice(room_heard(room), rows[i].answer);
        assert_true(room_ended(room));
        assert_false(bed_logged(&room->b, "find"));
        room_free(room);
    }
}

static void a_directory_without_memory_is_told(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    slow.fails = true;
    room_say(room, "ann\r\n");
    assert_slice(room_heard(room), "Out of memory; try again later.\r\n");
    assert_true(room_ended(room));
    room_free(room);
}

static void a_query_that_does_not_come_in_time_ends_the_connection(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, plait_seconds(5), false);
    room_say(room, "an");
    bed_pass(&room->b, plait_seconds(4));
    assert_false(room_ended(room));
    bed_pass(&room->b, plait_seconds(2));
    bed_settle(&room->b);
    assert_true(room_ended(room));
    assert_int_equal(room->p.got_len, 0);
    room_free(room);
}

static void an_answer_that_is_not_found_in_time_is_given_up(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    room_say(room, "ann\r\n");
    bed_pass(&room->b, plait_seconds(31));
    bed_settle(&room->b);
    assert_true(room_ended(room));
    plait_close(room->p.s);
    bed_settle(&room->b);
    assert_true(slow.cancelled);
    assert_true(slow.freed);
    room_free(room);
}

static void a_caller_that_hangs_up_cancels_the_look_up(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    room_say(room, "ann\r\n");
    plait_abort(room->p.s);
    bed_settle(&room->b);
    assert_true(slow.cancelled);
    room_free(room);
}

static void a_caller_that_hangs_up_as_the_answer_comes_is_forgotten(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    struct plait_finger_text *text = plait_finger_text_new(room->b.r);
    room_say(room, "ann\r\n");
    plait_abort(room->served);
    plait_fire(slow.open, plait_value_ptr(text, plait_finger_text_free));
    bed_settle(&room->b);
    room_free(room);
}

static void an_end_without_a_query_ends_the_connection(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    room_say(room, "an");
    room_end(room);
    assert_true(room_ended(room));
    assert_int_equal(slow.finds, 0);
    room_free(room);
}

static void a_caller_that_ended_its_side_still_gets_its_answer(void **state)
{
    (void)state;
    struct slow slow;
    struct room *room = open_finger(&slow, 0, false);
    plait_write(room->p.s, PLAIT_LIT("ann\r\n"));
    room_end(room);
    assert_int_equal(slow.finds, 1);
    fire_text(room, &slow, "here\n");
    assert_slice(room_heard(room), "here\r\n");
    room_free(room);
}

static void a_service_that_cannot_be_made_frees_its_directory(void **state)
{
    (void)state;
    struct room *room = room_new();
    struct slow slow = {.r = room->b.r};
    const struct plait_finger_directory directory = {.find = slow_find, .free = slow_free, .ctx = &slow};
    const struct plait_finger_directory plain = {.find = slow_find, .ctx = &slow};
    for (uint64_t n = 1; n <= 2; n++) {
        slow.freed = false;
        bed_fail(&room->b, n);
        assert_null(plait_finger_service(room->b.r, &directory, NULL));
        assert_true(slow.freed);
        bed_heal(&room->b);
        bed_fail(&room->b, n);
        assert_null(plait_finger_service(room->b.r, &plain, NULL));
        bed_heal(&room->b);
    }
    room_free(room);
}

/* A whole conversation with each of its allocations failing once. */
static void whichever_allocation_fails_only_the_connection_ends(void **state)
{
    (void)state;
    static const struct plait_finger_entry people[] = {{"ann", "Ann", "To\nrest"}};
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        struct room *room = room_new();
        struct plait_stream *near;
        struct plait_finger_directory directory;
        assert_ok(plait_finger_table(room->b.r, people, 1, &directory));
        assert_ok(plait_pair_new(room->b.r, &near, &room->served));
        peer_attach(&room->p, near, &peer_half_protocol);
        room->b.heap.fail_at = room->b.heap.calls + n;
        struct plait_service *service = plait_finger_service(room->b.r, &directory, NULL);
        if (service)
            (void)!plait__service_open_alone(service, room->served, NULL);
        else
            plait_abort(room->served);
        bed_settle(&room->b);
        if (room->p.s)
            room_say(room, "an");
        if (room->p.s)
            room_say(room, "n\r\n");
        failed = room->b.heap.calls >= room->b.heap.fail_at;
        assert_true(room_ended(room));
        if (!failed)
            assert_slice(room_heard(room), "Login: ann\r\nName: Ann\r\nPlan:\r\nTo\r\nrest\r\n");
        room_free(room);
        assert_true(n < 200);
    }
}

TEST_MAIN(cmocka_unit_test(a_user_is_looked_up_and_the_text_sent_with_crlf),
          cmocka_unit_test(everybody_is_listed_when_the_directory_does),
          cmocka_unit_test(a_query_without_cr_is_taken_too), cmocka_unit_test(what_is_refused_is_refused_in_words),
          cmocka_unit_test(a_query_of_512_bytes_is_taken_and_one_more_is_not),
          cmocka_unit_test(failures_of_the_directory_are_told), cmocka_unit_test(a_directory_without_memory_is_told),
          cmocka_unit_test(a_query_that_does_not_come_in_time_ends_the_connection),
          cmocka_unit_test(an_answer_that_is_not_found_in_time_is_given_up),
          cmocka_unit_test(a_caller_that_hangs_up_cancels_the_look_up),
          cmocka_unit_test(a_caller_that_hangs_up_as_the_answer_comes_is_forgotten),
          cmocka_unit_test(an_end_without_a_query_ends_the_connection),
          cmocka_unit_test(a_caller_that_ended_its_side_still_gets_its_answer),
          cmocka_unit_test(a_service_that_cannot_be_made_frees_its_directory),
          cmocka_unit_test(whichever_allocation_fails_only_the_connection_ends))
