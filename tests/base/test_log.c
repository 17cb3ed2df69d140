/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/log.c: forms, levels, escaping, lines that are too long, repeats.
 */
#include "tests/support/test.h"

#include <plait/log.h>

enum { STAMP = 1709210096 }; /* 2024-02-29T12:34:56Z */

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait_log *log;
    int64_t now;
    size_t lines;
    enum plait_log_level level; /* of the last line */
    char all[65536];
    size_t len;
};

static void sink(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct fixture *f = ctx;
    assert_true(line.len > 0 && line.ptr[line.len - 1] == '\n');
    assert_int_equal(plait_slice_find_byte(line, '\n', 0), line.len - 1);
    assert_true(line.len <= 2048);
    assert_true(f->len + line.len < sizeof f->all);
    memcpy(f->all + f->len, line.ptr, line.len);
    f->len += line.len;
    f->lines++;
    f->level = level;
}

static void clock_of(int64_t *seconds, uint32_t *nanoseconds, void *ctx)
{
    const struct fixture *f = ctx;
    *seconds = f->now;
    *nanoseconds = 789000000;
}

static struct fixture *begin(enum plait_log_form form, bool with_clock, unsigned burst)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_heap_init(&f->heap, 0);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    f->now = STAMP;
    const struct plait_log_options options = {
        .form = form, .sink = sink, .clock = with_clock ? clock_of : NULL, .ctx = f, .burst = burst};
    f->log = plait_log_new(&f->budget, &options);
    assert_non_null(f->log);
    return f;
}

static void end(struct fixture *f)
{
    const uint64_t calls = f->heap.calls;
    plait_log_free(&f->log);
    assert_null(f->log);
    plait_log_free(&f->log); /* NULL is allowed */
    assert_int_equal(calls, 1);
    assert_int_equal(f->heap.live, 0);
    free(f);
}

static void assert_all(struct fixture *f, const char *expected)
{
    assert_slice(plait_slice_of(f->all, f->len), expected);
    f->len = 0;
}

static void an_event_is_a_line_for_a_person(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, false, 0);
    plait_log_event(f->log, PLAIT_LOG_WARN, "engine", "accept-failed", "a connection could not be taken", NULL);
    assert_all(f, "warn engine: a connection could not be taken\n");
    assert_int_equal(f->level, PLAIT_LOG_WARN);
    end(f);
}

static void fields_stand_behind_the_sentence(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, true, 0);
    const struct plait_fault fault = plait_fault_os(ECONNREFUSED, "connect");
    const struct plait_field fields[] = {plait_field_text("to", "[::1]:80"), plait_field_i64("tries", -3),
                                         plait_field_bytes("said", PLAIT_LIT("")), plait_field_fault(&fault),
                                         plait_field_end()};
    plait_log_event(f->log, PLAIT_LOG_INFO, "web", "connect", "no connection", fields);
    assert_all(f, "2024-02-29T12:34:56.789Z info web: no connection to=[::1]:80 tries=-3 said=\"\" "
                  "fault=\"connect: the connection was refused (ECONNREFUSED)\"\n");
    end(f);
}

static void a_terminal_gets_colours(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_COLOUR, false, 0);
    plait_log_event(f->log, PLAIT_LOG_ERROR, "web", "x", "bad", NULL);
    plait_log_event(f->log, PLAIT_LOG_OFF, "web", "x", "a level that is none", NULL);
    assert_all(f, "\033[31merror\033[0m web: bad\n\033[31merror\033[0m web: a level that is none\n");
    end(f);
}

static void a_machine_gets_json(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_JSON, true, 0);
    const struct plait_fault fault = plait_fault_make(PLAIT_EEOF, NULL);
    const struct plait_field fields[] = {plait_field_bytes("said", PLAIT_LIT("a\"\n\xc3\xbc\xff")),
                                         plait_field_i64("n", INT64_MIN), plait_field_fault(&fault), plait_field_end()};
    plait_log_event(f->log, PLAIT_LOG_DEBUG, "web", "odd", "something odd", fields);
    assert_all(f, "{\"time\":\"2024-02-29T12:34:56.789Z\",\"level\":\"debug\",\"room\":\"web\",\"event\":\"odd\","
                  "\"text\":\"something odd\",\"said\":\"a\\\"\\u000a\xc3\xbc\\u00ff\",\"n\":-9223372036854775808,"
                  "\"fault\":\"the peer ended its side of the stream\"}\n");
    end(f);
}

static void a_peer_cannot_forge_lines_or_fields(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, false, 0);
    const struct plait_field fields[] = {plait_field_bytes("a", PLAIT_LIT("x\nerror forged: y")),
                                         plait_field_bytes("b", PLAIT_LIT("1\" admin=\"yes")),
                                         plait_field_bytes("c", PLAIT_LIT("\\\"")),
                                         plait_field_bytes("d", PLAIT_LIT("k=v")),
                                         plait_field_bytes("e", PLAIT_LIT("\x1b[2J")),
                                         plait_field_end()};
    plait_log_event(f->log, PLAIT_LOG_INFO, "web", "x", "\"said\"\n", fields);
    assert_all(f, "info web: \"said\"\\n a=\"x\\nerror forged: y\" b=\"1\\\" admin=\\\"yes\" c=\"\\\\\\\"\" "
                  "d=\"k=v\" e=\"\\x1b[2J\"\n");
    end(f);
}

static void levels_below_the_limit_are_dropped(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, false, 0);
    plait_log_set_level(f->log, PLAIT_LOG_NOTICE);
    assert_false(plait_log_on(f->log, PLAIT_LOG_INFO));
    assert_true(plait_log_on(f->log, PLAIT_LOG_NOTICE));
    plait_log_event(f->log, PLAIT_LOG_INFO, "a", "b", "dropped", NULL);
    plait_log_event(f->log, PLAIT_LOG_NOTICE, "a", "b", "told", NULL);
    assert_all(f, "notice a: told\n");
    plait_log_set_level(f->log, PLAIT_LOG_OFF);
    assert_false(plait_log_on(f->log, PLAIT_LOG_ERROR));
    assert_false(plait_log_on(f->log, PLAIT_LOG_OFF));
    plait_log_event(f->log, PLAIT_LOG_ERROR, "a", "b", "dropped", NULL);
    assert_int_equal(f->len, 0);
    end(f);
}

static void a_value_that_is_too_long_is_cut(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, false, 0);
    char large[5000];
    const struct plait_field fields[] = {plait_field_bytes("a", plait_slice_of(large, sizeof large)),
                                         plait_field_i64("never", 1), plait_field_end()};
    memset(large, 'x', sizeof large);
    plait_log_event(f->log, PLAIT_LOG_INFO, "web", "x", "long", fields);
    assert_true(plait_slice_starts(plait_slice_of(f->all, f->len), PLAIT_LIT("info web: long a=xxx")));
    assert_slice(plait_slice_of(f->all + f->len - 8, 8), "xxx ...\n");
    f->len = 0;
    memset(large, '"', sizeof large);
    plait_log_event(f->log, PLAIT_LOG_INFO, "web", "x", "long", fields);
    assert_slice(plait_slice_of(f->all + f->len - 8, 8), "\\\"\" ...\n");
    end(f);
}

static void a_field_without_room_is_left_out_whole(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_JSON, false, 0);
    char large[5000];
    memset(large, 'x', sizeof large);
    for (size_t n = 1700; n < 2000; n++) {
        const struct plait_field fields[] = {plait_field_bytes("a", plait_slice_of(large, n)),
                                             plait_field_i64("number", 1234567890123456789), plait_field_end()};
        f->len = 0;
        f->now++;
        plait_log_event(f->log, PLAIT_LOG_INFO, "web", "x", "long", fields);
        const plait_slice line = plait_slice_of(f->all, f->len);
        const bool whole = plait_slice_find(line, PLAIT_LIT(",\"number\":1234567890123456789}\n"), 0) != SIZE_MAX;
        const bool cut = plait_slice_find(line, PLAIT_LIT("x\",\"cut\":true}\n"), 0) != SIZE_MAX;
        assert_true(whole != cut);
        assert_true(cut || n < 1900);
        assert_true(whole || n > 1700);
    }
    end(f);
}

static void a_cut_json_line_is_json(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_JSON, false, 0);
    char large[3000];
    memset(large, 1, sizeof large); /* each becomes six characters */
    large[sizeof large - 1] = '\0';
    plait_log_event(f->log, PLAIT_LOG_INFO, large, large, large, NULL);
    const plait_slice line = plait_slice_of(f->all, f->len);
    assert_slice(plait_slice_sub(line, 0, 40), "{\"level\":\"info\",\"room\":\"\\u0001\\u0001\\u00");
    assert_slice(plait_slice_sub(line, line.len - 41, line.len),
                 "\\u0001\",\"event\":\"\",\"text\":\"\",\"cut\":true}\n");
    end(f);
}

static void repeats_are_held_back_and_told_of(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, true, 2);
    for (int i = 0; i < 5; i++)
        plait_log_event(f->log, PLAIT_LOG_WARN, "engine", "accept-failed", "no", NULL);
    assert_int_equal(f->lines, 2);
    plait_log_event(f->log, PLAIT_LOG_WARN, "engine", "other", "another event is told", NULL);
    assert_int_equal(f->lines, 3);
    f->len = 0;
    f->now++;
    plait_log_event(f->log, PLAIT_LOG_INFO, "engine", "accept-failed", "again", NULL);
    assert_all(f, "2024-02-29T12:34:57.789Z warn engine: the same again, not shown one by one "
                  "event=accept-failed times=3\n"
                  "2024-02-29T12:34:57.789Z info engine: again\n");
    end(f);
}

static void what_is_held_back_is_told_at_the_end(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, true, 0);
    for (int i = 0; i < 25; i++)
        plait_log_event(f->log, PLAIT_LOG_WARN, "a", "b", "c", NULL);
    assert_int_equal(f->lines, 20);
    struct plait_log *log = f->log;
    plait_log_free(&log);
    assert_int_equal(f->lines, 21);
    assert_true(plait_slice_find(plait_slice_of(f->all, f->len), PLAIT_LIT("event=b times=5\n"), 0) != SIZE_MAX);
    f->log = NULL;
    end(f);
}

static void more_events_than_can_be_counted_are_told_all_the_same(void **state)
{
    (void)state;
    static const char names[40][4] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9",
                                      "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9",
                                      "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9",
                                      "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"};
    struct fixture *f = begin(PLAIT_LOG_TEXT, true, 1);
    for (size_t i = 0; i < 32; i++)
        plait_log_event(f->log, PLAIT_LOG_INFO, "room", names[i], "told", NULL);
    plait_log_event(f->log, PLAIT_LOG_INFO, "room", names[0], "held back", NULL);
    assert_int_equal(f->lines, 32);
    plait_log_event(f->log, PLAIT_LOG_INFO, "room", names[32], "told", NULL);
    assert_int_equal(f->lines, 34); /* the one that makes room tells what it held back */
    assert_true(plait_slice_find(plait_slice_of(f->all, f->len), PLAIT_LIT("event=a0 times=1\n"), 0) != SIZE_MAX);
    end(f);
}

static void without_a_clock_nothing_is_held_back(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, false, 1);
    for (int i = 0; i < 10; i++)
        plait_log_event(f->log, PLAIT_LOG_INFO, "a", "b", "c", NULL);
    assert_int_equal(f->lines, 10);
    end(f);
}

static void without_memory_there_is_no_log(void **state)
{
    (void)state;
    struct test_heap heap;
    struct plait_budget budget;
    const struct plait_log_options options = {.sink = sink};
    test_heap_init(&heap, 1);
    plait_budget_init(&budget, NULL, &heap.allocator, 0);
    assert_null(plait_log_new(&budget, &options));
}

static void note_event(enum plait_log_level level, const char *room, const char *event, const char *text,
                       const struct plait_field *fields, void *ctx)
{
    char *all = ctx;
    const size_t len = strlen(all);
    (void)snprintf(all + len, 200 - len, "%d %s %s %s %lld;", (int)level, room, event, text,
                   fields ? (long long)fields[0].num : 0);
}

static void others_can_have_what_is_written(void **state)
{
    (void)state;
    struct fixture *f = begin(PLAIT_LOG_TEXT, true, 2);
    char all[200] = "", errors[200] = "";
    struct plait_log_tap tap = {.fn = note_event, .ctx = all, .level = PLAIT_LOG_DEBUG},
                         strict = {.fn = note_event, .ctx = errors, .level = PLAIT_LOG_ERROR};
    const struct plait_field fields[] = {plait_field_i64("n", 7), plait_field_end()};
    plait_log_set_level(f->log, PLAIT_LOG_INFO);
    plait_log_tap_add(f->log, &tap);
    plait_log_tap_add(f->log, &strict);
    plait_log_event(f->log, PLAIT_LOG_DEBUG, "a", "b", "dropped", NULL);
    plait_log_event(f->log, PLAIT_LOG_WARN, "a", "b", "c", fields);
    plait_log_event(f->log, PLAIT_LOG_ERROR, "d", "e", "f", NULL);
    plait_log_event(f->log, PLAIT_LOG_ERROR, "d", "e", "f", NULL);
    plait_log_event(f->log, PLAIT_LOG_ERROR, "d", "e", "held back", NULL);
    assert_string_equal(all, "3 a b c 7;4 d e f 0;4 d e f 0;");
    assert_string_equal(errors, "4 d e f 0;4 d e f 0;");
    plait_log_tap_remove(f->log, &tap);
    plait_log_tap_remove(f->log, &tap); /* twice does no harm */
    plait_log_event(f->log, PLAIT_LOG_ERROR, "g", "h", "i", NULL);
    assert_string_equal(all, "3 a b c 7;4 d e f 0;4 d e f 0;");
    assert_string_equal(errors, "4 d e f 0;4 d e f 0;4 g h i 0;");
    plait_log_tap_remove(f->log, &strict);
    assert_int_equal(f->lines, 4);
    end(f);
}

TEST_MAIN(cmocka_unit_test(others_can_have_what_is_written), cmocka_unit_test(an_event_is_a_line_for_a_person),
          cmocka_unit_test(fields_stand_behind_the_sentence), cmocka_unit_test(a_terminal_gets_colours),
          cmocka_unit_test(a_machine_gets_json), cmocka_unit_test(a_peer_cannot_forge_lines_or_fields),
          cmocka_unit_test(levels_below_the_limit_are_dropped), cmocka_unit_test(a_value_that_is_too_long_is_cut),
          cmocka_unit_test(a_field_without_room_is_left_out_whole), cmocka_unit_test(a_cut_json_line_is_json),
          cmocka_unit_test(repeats_are_held_back_and_told_of), cmocka_unit_test(what_is_held_back_is_told_at_the_end),
          cmocka_unit_test(more_events_than_can_be_counted_are_told_all_the_same),
          cmocka_unit_test(without_a_clock_nothing_is_held_back), cmocka_unit_test(without_memory_there_is_no_log))
