/* SPDX-License-Identifier: MIT
 *
 * What is seen of HTTP/2's frames as they pass by: heads whatever way they are cut, streams that the client has ended,
 * buckets that leak.
 */
#include "tests/support/test.h"

#include "web/http2_wire.h"

#define FRAME(len, type, flags, id) "\0\0" len type flags "\0\0\0" id

static void note(char *out, size_t room, const struct plait__h2_frame *f)
{
    const size_t len = strlen(out);
    (void)snprintf(out + len, room - len, "%u/%u/%u/%u ", f->type, f->flags, f->stream, f->length);
}

static void watch_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    struct plait__h2_watch watch;
    char seen[256] = "";
    size_t start = 0, step;
    plait__h2_watch_init(&watch, true);
    while ((step = test_cut_next(cut)) > 0) {
        const plait_slice in = plait_slice_sub(input, start, start + step);
        struct plait__h2_frame f;
        size_t at = 0;
        while (plait__h2_watch_next(&watch, in, &at, &f))
            note(seen, sizeof seen, &f);
        assert_int_equal(at, in.len);
        start += step;
    }
    assert_string_equal(seen, ctx);
    assert_false(plait__h2_watch_waits(&watch));
}

static void heads_are_seen_whatever_way_they_are_cut(void **state)
{
    const plait_slice input =
        PLAIT_LIT(PLAIT__H2_PREFACE FRAME("\0", "\4", "\0", "\0") FRAME("\3", "\1", "\1", "\1") "abc" FRAME(
            "\2", "\x9", "\4", "\1") "de" FRAME("\1", "\0", "\0", "\3") "x" FRAME("\0", "\x10", "\xff", "\0"));
    char seen[] = "4/0/0/0 1/1/1/3 9/4/1/2 0/0/3/1 16/255/0/0 ";
    (void)state;
    test_every_cut(input, 20, watch_cut, seen);
}

static void the_reserved_bit_of_a_stream_is_not_seen(void **state)
{
    struct plait__h2_watch watch;
    struct plait__h2_frame f;
    size_t at = 0;
    (void)state;
    plait__h2_watch_init(&watch, false);
    assert_true(plait__h2_watch_next(&watch, PLAIT_LIT("\1\2\3\0\0\xff\xff\xff\xfe"), &at, &f));
    assert_int_equal(f.length, 0x010203);
    assert_int_equal(f.stream, 0x7ffffffe);
}

static bool waits_after(plait_slice in, bool server)
{
    struct plait__h2_watch watch;
    struct plait__h2_frame f;
    size_t at = 0;
    plait__h2_watch_init(&watch, server);
    while (plait__h2_watch_next(&watch, in, &at, &f))
        continue;
    return plait__h2_watch_waits(&watch);
}

static void it_is_known_when_more_must_come(void **state)
{
    (void)state;
    assert_true(waits_after(PLAIT_LIT(""), true));
    assert_false(waits_after(PLAIT_LIT(""), false));
    assert_true(waits_after(PLAIT_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), true));
    assert_false(waits_after(PLAIT_LIT(PLAIT__H2_PREFACE), true));
    assert_true(waits_after(PLAIT_LIT("\0"), false));
    assert_true(waits_after(PLAIT_LIT(FRAME("\2", "\6", "\0", "\0") "a"), false));
    assert_false(waits_after(PLAIT_LIT(FRAME("\2", "\0", "\0", "\1") "a"), false)); /* DATA comes as it likes */
    assert_true(waits_after(PLAIT_LIT(FRAME("\1", "\1", "\0", "\1") "a"), false));  /* CONTINUATION must come */
    assert_false(waits_after(PLAIT_LIT(FRAME("\1", "\1", "\4", "\1") "a"), false));
    assert_false(waits_after(PLAIT_LIT(FRAME("\1", "\1", "\0", "\1") "a" FRAME("\0", "\x9", "\4", "\1")), false));
}

static enum plait__h2_verdict passes(struct plait__h2_watch *watch, uint8_t type, uint8_t flags, uint32_t stream)
{
    const struct plait__h2_frame f = {.type = type, .flags = flags, .stream = stream};
    return plait__h2_watch_stream(watch, &f);
}

#define assert_right(verdict) assert_int_equal(verdict, PLAIT__H2_RIGHT)
#define assert_closed(verdict) assert_int_equal(verdict, PLAIT__H2_CLOSED)

static void an_ended_stream_takes_nothing_more(void **state)
{
    struct plait__h2_watch watch;
    (void)state;
    plait__h2_watch_init(&watch, false);
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 1));
    assert_right(passes(&watch, PLAIT__H2_DATA, 0, 1));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 5, 1)); /* trailers end it */
    assert_closed(passes(&watch, PLAIT__H2_DATA, 0, 1));
    assert_closed(passes(&watch, PLAIT__H2_HEADERS, 4, 1));
    assert_right(passes(&watch, PLAIT__H2_WINDOW_UPDATE, 0, 1));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 3));
    assert_right(passes(&watch, PLAIT__H2_RST_STREAM, 0, 3));
    assert_closed(passes(&watch, PLAIT__H2_DATA, 0, 3));
    assert_right(passes(&watch, PLAIT__H2_RST_STREAM, 0, 0)); /* for nghttp2 to refuse */
    assert_right(passes(&watch, PLAIT__H2_DATA, 1, 0));
}

static void only_the_latest_ends_are_remembered(void **state)
{
    struct plait__h2_watch watch;
    (void)state;
    plait__h2_watch_init(&watch, false);
    for (uint32_t i = 0; i < PLAIT__H2_ENDED; i++)
        assert_right(passes(&watch, PLAIT__H2_HEADERS, 5, 2 * i + 1));
    assert_closed(passes(&watch, PLAIT__H2_DATA, 0, 1));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 5, 2 * PLAIT__H2_ENDED + 1));
    assert_right(passes(&watch, PLAIT__H2_DATA, 0, 1));
    assert_closed(passes(&watch, PLAIT__H2_DATA, 0, 3));
}

static void numbers_that_were_left_out_stay_out(void **state)
{
    struct plait__h2_watch watch;
    (void)state;
    plait__h2_watch_init(&watch, false);
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 1));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 3));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 9));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 3)); /* trailers */
    assert_int_equal(passes(&watch, PLAIT__H2_HEADERS, 4, 5), PLAIT__H2_WRONG);
    assert_int_equal(passes(&watch, PLAIT__H2_HEADERS, 4, 7), PLAIT__H2_WRONG);
    assert_right(passes(&watch, PLAIT__H2_DATA, 0, 7)); /* for nghttp2 */
    assert_int_equal(passes(&watch, PLAIT__H2_PRIORITY, 0, 0), PLAIT__H2_WRONG);
    for (uint32_t id = 21; id < 21 + 12 * PLAIT__H2_SKIPPED; id += 12)
        assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, id));
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 5)); /* so long ago */
    assert_int_equal(passes(&watch, PLAIT__H2_HEADERS, 4, 11), PLAIT__H2_WRONG);
}

static void a_first_stream_may_have_any_number(void **state)
{
    struct plait__h2_watch watch;
    (void)state;
    plait__h2_watch_init(&watch, false);
    assert_right(passes(&watch, PLAIT__H2_HEADERS, 4, 7));
    assert_int_equal(passes(&watch, PLAIT__H2_HEADERS, 4, 1), PLAIT__H2_WRONG);
}

static void a_bucket_takes_its_measure_and_leaks(void **state)
{
    struct plait__h2_bucket b = {0};
    const plait_time now = plait_seconds(1000);
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(plait__h2_bucket_add(&b, now, 10, 2));
    assert_false(plait__h2_bucket_add(&b, now, 10, 2));
    plait__h2_bucket_earn(&b, 1);
    assert_false(plait__h2_bucket_add(&b, now, 10, 2));
    plait__h2_bucket_earn(&b, 2);
    assert_true(plait__h2_bucket_add(&b, now, 10, 2));
    assert_false(plait__h2_bucket_add(&b, now + plait_millis(499), 10, 2));
    assert_true(plait__h2_bucket_add(&b, now + plait_seconds(2), 10, 2));
    assert_true(plait__h2_bucket_add(&b, now + plait_seconds(200), 1, 2));
    assert_false(plait__h2_bucket_add(&b, now + plait_seconds(200), 1, 2));
    plait__h2_bucket_earn(&b, 100);
    assert_true(plait__h2_bucket_add(&b, now + plait_seconds(200), 1, 2));
}

TEST_MAIN(cmocka_unit_test(heads_are_seen_whatever_way_they_are_cut),
          cmocka_unit_test(the_reserved_bit_of_a_stream_is_not_seen), cmocka_unit_test(it_is_known_when_more_must_come),
          cmocka_unit_test(an_ended_stream_takes_nothing_more), cmocka_unit_test(only_the_latest_ends_are_remembered),
          cmocka_unit_test(numbers_that_were_left_out_stay_out), cmocka_unit_test(a_first_stream_may_have_any_number),
          cmocka_unit_test(a_bucket_takes_its_measure_and_leaks))
