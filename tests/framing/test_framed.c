/* SPDX-License-Identifier: MIT
 *
 * A protocol that is nothing but frames, over pairs and sockets: limits, raw mode, ends.
 */
#include "tests/engine/peer.h"

#include <plait/framing.h>

/* A user of frames that writes down what it is told. */
struct user {
    struct plait_framed *framed;
    char story[1024]; /* c, [frame], (raw), l */
    size_t len;
    struct plait_fault fault;
    size_t raw_take; /* bytes taken by each `raw` at most; 0: all */
    void (*on_frame)(struct user *u, plait_slice payload);
    void (*on_raw)(struct user *u);
};

static void told(struct user *u, const char *before, plait_slice what, const char *after)
{
    u->len += (size_t)snprintf(u->story + u->len, sizeof u->story - u->len, "%s%.*s%s", before, PLAIT_ARG(what), after);
    assert_true(u->len < sizeof u->story);
}

static void user_connected(struct plait_framed *framed, void *self)
{
    struct user *u = self;
    assert_ptr_equal(framed, u->framed);
    told(u, "c", PLAIT_LIT(""), "");
}

static void user_frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    struct user *u = self;
    (void)framed;
    told(u, "[", payload, "]");
    if (u->on_frame)
        u->on_frame(u, payload);
}

static size_t user_raw(struct plait_framed *framed, plait_slice in, void *self)
{
    struct user *u = self;
    (void)framed;
    if (u->raw_take && u->raw_take < in.len)
        in.len = u->raw_take;
    told(u, "(", in, ")");
    if (u->on_raw)
        u->on_raw(u);
    return in.len;
}

static void user_lost(struct plait_framed *framed, const struct plait_fault *fault, void *self)
{
    struct user *u = self;
    assert_ptr_equal(framed, u->framed);
    told(u, "l", PLAIT_LIT(""), "");
    u->fault = *fault;
    u->framed = NULL;
}

static const struct plait_framed_handler user_handler = {
    .name = "user", .connected = user_connected, .frame = user_frame, .raw = user_raw, .lost = user_lost};
static const struct plait_framed_handler silent_handler = {.name = "silent"};

/* A framed end joined to a recording one. */
struct table {
    struct bed b;
    struct user u;
    struct peer p;
};

static struct table *sit_with(enum joint joint, enum plait_framing framing, size_t max,
                              const struct plait_framed_handler *handler)
{
    struct table *t = calloc(1, sizeof *t);
    struct plait_stream *x;
    struct plait_stream *y;
    assert_non_null(t);
    bed_open(&t->b);
    join(&t->b, joint, &x, &y);
    assert_ok(plait_framed_attach(x, framing, max, handler, &t->u, &t->u.framed));
    assert_ptr_equal(plait_framed_stream(t->u.framed), x);
    peer_attach(&t->p, y, &peer_half_protocol);
    bed_settle(&t->b);
    return t;
}

static struct table *sit(enum plait_framing framing, size_t max)
{
    return sit_with(JOINT_PAIR, framing, max, &user_handler);
}

static void rise(struct table *t)
{
    bed_close(&t->b);
    free(t);
}

static void say(struct table *t, const char *text)
{
    plait_write(t->p.s, plait_slice_text(text));
    bed_settle(&t->b);
}

static void frames_go_both_ways_over_every_carrier(void **state)
{
    (void)state;
    static const struct {
        enum plait_framing framing;
        plait_slice wire;
    } rows[] = {{PLAIT_LINES, {(const uint8_t *)"hello\r\n", 7}},
                {PLAIT_NETSTRINGS, {(const uint8_t *)"5:hello,", 8}},
                {PLAIT_PREFIX8, {(const uint8_t *)"\5hello", 6}},
                {PLAIT_PREFIX16, {(const uint8_t *)"\0\5hello", 7}},
                {PLAIT_PREFIX32, {(const uint8_t *)"\0\0\0\5hello", 9}}};
    for (size_t i = 0; i < TEST_COUNT(rows) * JOINT_COUNT; i++) {
        const size_t row = i / JOINT_COUNT;
        struct table *t = sit_with((enum joint)(i % JOINT_COUNT), rows[row].framing, 0, &user_handler);
        plait_framed_send(t->u.framed, PLAIT_LIT("hello"));
        plait_write(t->p.s, rows[row].wire);
        plait_write(t->p.s, rows[row].wire);
        bed_settle(&t->b);
        assert_string_equal(t->u.story, "c[hello][hello]");
        assert_slice_is(plait_slice_of(t->p.got, t->p.got_len), rows[row].wire);
        plait_close(t->p.s);
        bed_settle(&t->b);
        assert_string_equal(t->u.story, "c[hello][hello]l");
        assert_err(t->u.fault.err, PLAIT_EEOF);
        rise(t);
    }
}

static void frames_that_come_byte_by_byte_are_handed_over_once_each(void **state)
{
    (void)state;
    static const char wire[] = "3:abc,0:,11:hello world,";
    struct table *t = sit(PLAIT_NETSTRINGS, 0);
    for (size_t i = 0; wire[i]; i++) {
        plait_write(t->p.s, plait_slice_of(wire + i, 1));
        bed_settle(&t->b);
    }
    assert_string_equal(t->u.story, "c[abc][][hello world]");
    rise(t);
}

static void a_frame_of_exactly_the_limit_passes_in_both_directions(void **state)
{
    (void)state;
    for (int framing = PLAIT_LINES; framing <= PLAIT_PREFIX32; framing++) {
        struct table *t = sit((enum plait_framing)framing, 5);
        struct user *u = &t->u;
        plait_framed_send(u->framed, PLAIT_LIT("12345"));
        bed_settle(&t->b);
        plait_write(t->p.s, plait_slice_of(t->p.got, t->p.got_len)); /* the peer sends the same back */
        bed_settle(&t->b);
        assert_string_equal(u->story, "c[12345]");
        rise(t);
    }
}

static void a_peer_that_passes_the_limit_or_breaks_the_framing_ends_the_stream(void **state)
{
    (void)state;
    static const struct {
        enum plait_framing framing;
        const char *wire;
        plait_err err;
    } rows[] = {{PLAIT_LINES, "123456\r\n", PLAIT_ETOOLONG},      {PLAIT_NETSTRINGS, "6:", PLAIT_ETOOLONG},
                {PLAIT_NETSTRINGS, "5:12345;", PLAIT_EMALFORMED}, {PLAIT_PREFIX8, "\6", PLAIT_ETOOLONG},
                {PLAIT_PREFIX16, "\1\1", PLAIT_ETOOLONG},         {PLAIT_PREFIX32, "\1\1\1\1", PLAIT_ETOOLONG}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct table *t = sit(rows[i].framing, 5);
        say(t, rows[i].wire);
        assert_string_equal(t->u.story, "cl");
        assert_err(t->u.fault.err, rows[i].err);
        rise(t);
    }
}

static void a_frame_over_the_limit_is_not_sent_and_ends_the_stream(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_NETSTRINGS, 5);
    plait_framed_send(t->u.framed, PLAIT_LIT("123456"));
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "cl");
    assert_err(t->u.fault.err, PLAIT_ETOOLONG);
    assert_int_equal(t->p.got_len, 0);
    rise(t);
}

static void a_payload_that_does_not_fit_its_prefix_ends_the_stream(void **state)
{
    (void)state;
    static const uint8_t much[256];
    struct table *t = sit(PLAIT_PREFIX8, 1000);
    plait_framed_send(t->u.framed, plait_slice_of(much, sizeof much));
    bed_settle(&t->b);
    assert_err(t->u.fault.err, PLAIT_ETOOLONG);
    rise(t);
}

static void a_line_with_its_end_inside_is_not_sent_and_ends_the_stream(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_LINES, 0);
    plait_framed_send(t->u.framed, PLAIT_LIT("one\nQUIT"));
    bed_settle(&t->b);
    assert_err(t->u.fault.err, PLAIT_EINVAL);
    assert_int_equal(t->p.got_len, 0);
    rise(t);
}

static void close_it(struct user *u, plait_slice payload)
{
    (void)payload;
    plait_close(plait_framed_stream(u->framed));
}

static void closing_inside_a_frame_stops_the_frames_behind_it(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_LINES, 0);
    t->u.on_frame = close_it;
    say(t, "one\r\ntwo\r\nthree\r\n");
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "c[one]l");
    assert_err(t->u.fault.err, PLAIT_OK);
    rise(t);
}

static void pause_it(struct user *u, plait_slice payload)
{
    (void)payload;
    plait_pause(plait_framed_stream(u->framed));
}

static void pausing_inside_a_frame_keeps_the_frames_behind_it_for_later(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_LINES, 0);
    t->u.on_frame = pause_it;
    say(t, "one\r\ntwo\r\n");
    assert_string_equal(t->u.story, "c[one]");
    plait_resume(plait_framed_stream(t->u.framed));
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "c[one][two]");
    rise(t);
}

static void raw_on(struct user *u, plait_slice payload)
{
    if (plait_slice_equal(payload, PLAIT_LIT("raw")))
        plait_framed_raw(u->framed, true);
}

static void raw_off(struct user *u)
{
    plait_framed_raw(u->framed, false);
}

static void raw_mode_begins_and_ends_in_the_midst_of_what_came(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_LINES, 0);
    t->u.on_frame = raw_on;
    t->u.on_raw = raw_off;
    t->u.raw_take = 4;
    say(t, "one\r\nraw\r\n\r\n\r\ntwo\r\n");
    assert_string_equal(t->u.story, "c[one][raw](\r\n\r\n)[two]");
    rise(t);
}

static void raw_mode_is_offered_the_part_of_a_frame_that_waits(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_NETSTRINGS, 0);
    say(t, "9:part");
    assert_string_equal(t->u.story, "c");
    plait_framed_raw(t->u.framed, true);
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "c(9:part)");
    rise(t);
}

static size_t raw_nothing(struct plait_framed *framed, plait_slice in, void *self)
{
    (void)framed;
    told(self, "(", in, ")");
    return 0;
}

static const struct plait_framed_handler wait_handler = {.name = "wait", .raw = raw_nothing};

static void raw_bytes_that_are_not_taken_come_again_with_more(void **state)
{
    (void)state;
    struct table *t = sit_with(JOINT_PAIR, PLAIT_LINES, 0, &wait_handler);
    plait_framed_raw(t->u.framed, true);
    say(t, "ab");
    say(t, "cd");
    assert_string_equal(t->u.story, "(ab)(abcd)");
    rise(t);
}

static void a_handler_of_nothing_throws_everything_away(void **state)
{
    (void)state;
    struct table *t = sit_with(JOINT_PAIR, PLAIT_LINES, 0, &silent_handler);
    say(t, "one\r\n");
    plait_framed_raw(t->u.framed, true);
    say(t, "two");
    assert_non_null(t->p.s);
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_null(t->p.s);
    rise(t);
}

static void an_end_inside_a_frame_is_told_as_such(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_PREFIX32, 0);
    plait_write(t->p.s, plait_slice_of("\0\0\0\5hel", 7));
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "cl");
    assert_err(t->u.fault.err, PLAIT_ETRUNCATED);
    rise(t);
}

static void an_end_in_raw_mode_is_an_end(void **state)
{
    (void)state;
    struct table *t = sit_with(JOINT_PAIR, PLAIT_LINES, 0, &wait_handler);
    plait_framed_raw(t->u.framed, true);
    plait_write(t->p.s, PLAIT_LIT("rest"));
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_null(t->p.s);
    rise(t);
}

static void a_limit_beyond_what_a_window_holds_is_cut(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_PREFIX32, SIZE_MAX);
    plait_write(t->p.s, plait_slice_of("\x80\0\0\0", 4));
    bed_settle(&t->b);
    assert_err(t->u.fault.err, PLAIT_ETOOLONG);
    rise(t);
}

static void a_lack_of_memory_is_told_when_attaching(void **state)
{
    (void)state;
    struct bed b;
    struct plait_stream *x;
    struct plait_stream *y;
    bed_open(&b);
    join(&b, JOINT_PAIR, &x, &y);
    bed_fail(&b, 1);
    assert_err(plait_framed_attach(x, PLAIT_LINES, 0, &silent_handler, NULL, NULL), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_ok(plait_framed_attach(x, PLAIT_LINES, 0, &silent_handler, NULL, NULL));
    bed_close(&b);
}

static void a_lack_of_memory_when_sending_ends_the_stream_only(void **state)
{
    (void)state;
    struct table *t = sit(PLAIT_NETSTRINGS, 0);
    bed_fail(&t->b, 1);
    plait_framed_send(t->u.framed, PLAIT_LIT("hello"));
    bed_heal(&t->b);
    bed_settle(&t->b);
    assert_string_equal(t->u.story, "cl");
    assert_err(t->u.fault.err, PLAIT_ENOMEM);
    rise(t);
}

TEST_MAIN(cmocka_unit_test(frames_go_both_ways_over_every_carrier),
          cmocka_unit_test(frames_that_come_byte_by_byte_are_handed_over_once_each),
          cmocka_unit_test(a_frame_of_exactly_the_limit_passes_in_both_directions),
          cmocka_unit_test(a_peer_that_passes_the_limit_or_breaks_the_framing_ends_the_stream),
          cmocka_unit_test(a_frame_over_the_limit_is_not_sent_and_ends_the_stream),
          cmocka_unit_test(a_payload_that_does_not_fit_its_prefix_ends_the_stream),
          cmocka_unit_test(a_line_with_its_end_inside_is_not_sent_and_ends_the_stream),
          cmocka_unit_test(closing_inside_a_frame_stops_the_frames_behind_it),
          cmocka_unit_test(pausing_inside_a_frame_keeps_the_frames_behind_it_for_later),
          cmocka_unit_test(raw_mode_begins_and_ends_in_the_midst_of_what_came),
          cmocka_unit_test(raw_mode_is_offered_the_part_of_a_frame_that_waits),
          cmocka_unit_test(raw_bytes_that_are_not_taken_come_again_with_more),
          cmocka_unit_test(a_handler_of_nothing_throws_everything_away),
          cmocka_unit_test(an_end_inside_a_frame_is_told_as_such), cmocka_unit_test(an_end_in_raw_mode_is_an_end),
          cmocka_unit_test(a_limit_beyond_what_a_window_holds_is_cut),
          cmocka_unit_test(a_lack_of_memory_is_told_when_attaching),
          cmocka_unit_test(a_lack_of_memory_when_sending_ends_the_stream_only))
