/* SPDX-License-Identifier: MIT
 *
 * Ranges of bytes, and types of files.
 */
#include "tests/support/test.h"

#include "web/http_core.h"

/* RFC 9110 section 14.1.2; size 1000 unless said */
static void ranges_are_read(void **state)
{
    static const struct {
        const char *field;
        uint64_t size;
        int count;
        struct plait__http_range range[3];
    } cases[] = {
        {"bytes=0-499", 1000, 1, {{0, 500}}},
        {"bytes=500-", 1000, 1, {{500, 500}}},
        {"bytes=-500", 1000, 1, {{500, 500}}},
        {"bytes=-5000", 1000, 1, {{0, 1000}}},
        {"bytes=999-999", 1000, 1, {{999, 1}}},
        {"bytes=0-0,-1", 1000, 2, {{0, 1}, {999, 1}}},
        {"BYTES=0-9, 20-29 ,2000-", 1000, 2, {{0, 10}, {20, 10}}},
        {"bytes=0-18446744073709551615", 1000, 1, {{0, 1000}}},
        {"bytes=1000-", 1000, -1, {{0, 0}}},
        {"bytes=-0", 1000, -1, {{0, 0}}},
        {"bytes=0-", 0, -1, {{0, 0}}},
        {"bytes=-1", 0, -1, {{0, 0}}},
        {"bytes=5-4", 1000, 0, {{0, 0}}},
        {"bytes=", 1000, 0, {{0, 0}}},
        {"bytes=a-b", 1000, 0, {{0, 0}}},
        {"bytes=1-2x", 1000, 0, {{0, 0}}},
        {"bytes=-1x", 1000, 0, {{0, 0}}},
        {"bytes=-", 1000, 0, {{0, 0}}},
        {"bytes=1", 1000, 0, {{0, 0}}},
        {"bytes=0-1,,2-3", 1000, 0, {{0, 0}}},
        {"items=0-1", 1000, 0, {{0, 0}}},
        {"x", 1000, 0, {{0, 0}}},
        {"bytes=0-,0-", 1000, 0, {{0, 0}}},
        {"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16", 1000, 0, {{0, 0}}},
        {"bytes=99999999999999999999-", 1000, 0, {{0, 0}}},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__http_range range[PLAIT__HTTP_RANGES];
        int count = plait__http_ranges(plait_slice_text(cases[i].field), cases[i].size, range);
        if (count != cases[i].count)
            fail_msg("%s: %d ranges, expected %d", cases[i].field, count, cases[i].count);
        for (int k = 0; k < count; k++) {
            assert_int_equal(range[k].from, cases[i].range[k].from);
            assert_int_equal(range[k].bytes, cases[i].range[k].bytes);
        }
    }
}

static void types_follow_names(void **state)
{
    static const char *const cases[][2] = {{"index.html", "text/html; charset=utf-8"},
                                           {"a/b.PNG", "image/png"},
                                           {"x.tar.gz", "application/gzip"},
                                           {"7z", "application/octet-stream"},
                                           {"a.7z", "application/x-7z-compressed"},
                                           {"a.zst", "application/zstd"},
                                           {"noext", "application/octet-stream"},
                                           {"a.b/c", "application/octet-stream"},
                                           {"a.", "application/octet-stream"},
                                           {".css", "application/octet-stream"},
                                           {"a.averyverylongextension", "application/octet-stream"},
                                           {"a.nosuch", "application/octet-stream"},
                                           {"a.js", "text/javascript; charset=utf-8"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_string_equal(plait__http_mime(plait_slice_text(cases[i][0])), cases[i][1]);
}

static void what_an_answer_brings_is_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t from, bytes, total;
    } cases[] = {
        {"bytes 0-99/100", true, 0, 100, 100}, {"Bytes 5-9/*", true, 5, 5, UINT64_MAX},
        {"bytes */7", true, 0, 0, 7},          {"bytes */0", true, 0, 0, 0},
        {"bytes */*", false, 0, 0, 0},         {"bytes 9-5/10", false, 0, 0, 0},
        {"bytes 0-10/10", false, 0, 0, 0},     {"bytes 1-2", false, 0, 0, 0},
        {"bytes 1-", false, 0, 0, 0},          {"bytes 1", false, 0, 0, 0},
        {"bytes 1-2/3x", false, 0, 0, 0},      {"bytes 1-18446744073709551615/*", false, 0, 0, 0},
        {"items 1-2/3", false, 0, 0, 0},       {"", false, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__http_range range;
        uint64_t total;
        const bool good = plait__http_content_range(plait_slice_text(cases[i].text), &range, &total);
        if (good != cases[i].good ||
            (good && (range.from != cases[i].from || range.bytes != cases[i].bytes || total != cases[i].total)))
            fail_msg("case %zu", i);
    }
}

TEST_MAIN(cmocka_unit_test(what_an_answer_brings_is_read), cmocka_unit_test(ranges_are_read),
          cmocka_unit_test(types_follow_names))
