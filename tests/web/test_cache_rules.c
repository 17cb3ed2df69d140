/* SPDX-License-Identifier: MIT
 *
 * The rules of RFC 9111 (and RFC 5861, RFC 9211) as stories, a row each; what they are about follows the public suite
 * of cache tests (https://cache-tests.fyi).
 */
#include "tests/web/cache_world.h"

#define MAX_AGE "Cache-Control: max-age=100\n"
#define TAGGED "ETag: \"a\"\n"
#define OLD "Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT\n"

/* Section 4.2: freshness. */
static void fresh_answers_are_used_again(void **state)
{
    static const struct story stories[] = {
        STORY("max-age", 3, {.say = MAX_AGE, FORWARDED, .has = "answer 1"}, {.wait = 99, .has = "answer 1"},
              {.wait = 2, FORWARDED, .has = "answer 2"}),
        STORY("max-age=0", 2, {.say = "Cache-Control: max-age=0\n", FORWARDED}, {FORWARDED}),
        STORY("nothing said", 2, {.say = "X: y\n", FORWARDED}, {FORWARDED}),
        STORY("a time that is none", 2, {.say = "Cache-Control: max-age=abc\n", FORWARDED}, {FORWARDED}),
        STORY("a time with a point", 2, {.say = "Cache-Control: max-age=100.5\n", FORWARDED}, {FORWARDED}),
        STORY("a negative time", 2, {.say = "Cache-Control: max-age=-100\n", FORWARDED}, {FORWARDED}),
        STORY("a time in quotes", 2, {.say = "Cache-Control: max-age=\"100\"\n", FORWARDED}, {.wait = 1}),
        STORY("a time without end", 2, {.say = "Cache-Control: max-age=99999999999999999999\n", FORWARDED},
              {.wait = 100000}),
        STORY("zeros in front", 2, {.say = "Cache-Control: max-age=000100\n", FORWARDED}, {.wait = 1}),
        STORY("in capitals", 2, {.say = "cAcHe-CoNtRoL: MAX-AGE=100\n", FORWARDED}, {.wait = 1}),
        STORY("the first of two counts", 2, {.say = "Cache-Control: max-age=0, max-age=100\n", FORWARDED},
              {.wait = 1, FORWARDED}),
        STORY("in two lines", 2, {.say = "Cache-Control: public\nCache-Control: max-age=100\n", FORWARDED},
              {.wait = 1}),
        STORY("inside of another's quotes", 2, {.say = "Cache-Control: x=\"a, max-age=100\"\n", FORWARDED},
              {FORWARDED}),
        STORY("s-maxage before max-age", 3, {.say = "Cache-Control: max-age=1, s-maxage=100\n", FORWARDED},
              {.wait = 50}, {.wait = 60, FORWARDED}),
        STORY("s-maxage=0", 2, {.say = "Cache-Control: max-age=100, s-maxage=0\n", FORWARDED}, {FORWARDED}),
        STORY("Expires", 3, {.say = "Expires: Sat, 01 Jan 2000 00:01:00 GMT\n", FORWARDED}, {.wait = 50},
              {.wait = 20, FORWARDED}),
        STORY("Expires in the past", 2, {.say = "Expires: Fri, 31 Dec 1999 00:00:00 GMT\n", FORWARDED}, {FORWARDED}),
        STORY("Expires that is no date", 2, {.say = "Expires: 0\n", FORWARDED}, {FORWARDED}),
        STORY("two Expires", 2,
              {.say = "Expires: Sat, 01 Jan 2000 00:01:00 GMT\nExpires: Sat, 01 Jan 2000 00:01:00 GMT\n", FORWARDED},
              {FORWARDED}),
        STORY("Date is kept", 2, {.say = MAX_AGE, FORWARDED, .has = "Date: Sat, 01 Jan 2000 00:00:01 GMT\r\n"},
              {.wait = 50, .has = "Date: Sat, 01 Jan 2000 00:00:01 GMT\r\n"}),
        STORY("max-age before Expires", 2,
              {.say = "Expires: Fri, 31 Dec 1999 00:00:00 GMT\nCache-Control: max-age=100\n", FORWARDED}, {.wait = 1}),
        STORY("an age on the way", 3, {.say = "Cache-Control: max-age=100\nAge: 90\n", FORWARDED, .has = "Age: 90\r\n"},
              {.wait = 5, .has = "Age: 95\r\n"}, {.wait = 6, FORWARDED}),
        STORY("an age that is none", 2, {.say = "Cache-Control: max-age=100\nAge: x\n", FORWARDED}, {.wait = 5}),
        STORY("the first of ages", 2, {.say = "Cache-Control: max-age=100\nAge: 200, 1\n", FORWARDED}, {FORWARDED}),
        STORY("Age is told", 2, {.say = MAX_AGE, FORWARDED, .lacks = "Age:"}, {.wait = 7, .has = "\r\nAge: 7\r\n"}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* RFC 9213: what is said to caches before an origin counts instead of what is said to everybody. */
static void what_is_said_to_us_counts_more(void **state)
{
    static const struct story stories[] = {
        STORY("longer", 2, {.say = "Cache-Control: no-store\nCDN-Cache-Control: max-age=100\n", FORWARDED},
              {.wait = 50}),
        STORY("no dictionary", 2, {.say = "Cache-Control: no-store\nCDN-Cache-Control: max-age=100, &&&\n", FORWARDED},
              {FORWARDED}),
        STORY("another type", 2, {.say = "Cache-Control: no-store\nCDN-Cache-Control: max-age=\"100\"\n", FORWARDED},
              {FORWARDED}),
        STORY("shorter", 2, {.say = MAX_AGE "CDN-Cache-Control: max-age=10\n", FORWARDED}, {.wait = 50, FORWARDED}),
        STORY("not at all", 2, {.say = MAX_AGE "CDN-Cache-Control: no-store\n", FORWARDED}, {FORWARDED}),
        STORY("before Expires", 2,
              {.say = "Expires: Sat, 01 Jan 2000 00:01:00 GMT\nCDN-Cache-Control: max-age=0\n", FORWARDED},
              {FORWARDED}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

static void without_a_statement_a_part_of_the_age_counts(void **state)
{
    static const struct plait_cache_options tenth = {.heuristic_percent = 10};
    static const struct story stories[] = {
        STORY("a tenth", 3, {.say = OLD, FORWARDED}, {.wait = 8000}, {.wait = 1000, FORWARDED}),
        STORY("no date of change", 2, {.say = "X: y\n", FORWARDED}, {FORWARDED}),
        STORY("a change in the future", 2, {.say = "Last-Modified: Sun, 02 Jan 2000 00:00:00 GMT\n", FORWARDED},
              {FORWARDED}),
        STORY("a status that is not cacheable", 2, {.say = OLD, .said = 403, FORWARDED, .status = 403},
              {.said = 403, FORWARDED, .status = 403}),
        STORY("one that is", 2, {.say = OLD, .said = 404, FORWARDED, .status = 404}, {.status = 404}),
        STORY("a day at most", 3, {.say = "Last-Modified: Fri, 01 Jan 1999 00:00:00 GMT\n", FORWARDED}, {.wait = 86000},
              {.wait = 1000, FORWARDED}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), &tenth);
}

/* Section 3: what may be kept. */
static void what_may_not_be_kept_is_not(void **state)
{
    static const struct story stories[] = {
        STORY("no-store", 2, {.say = "Cache-Control: no-store, max-age=100\n", FORWARDED}, {FORWARDED}),
        STORY("private", 2, {.say = "Cache-Control: private, max-age=100\n", FORWARDED}, {FORWARDED}),
        STORY("private for a field", 2, {.say = "Cache-Control: private=\"x\", max-age=100\n", FORWARDED}, {FORWARDED}),
        STORY("a request with no-store", 2, {.ask = "Cache-Control: no-store\n", .say = MAX_AGE, FORWARDED},
              {FORWARDED}),
        STORY("must-understand before no-store", 2,
              {.say = "Cache-Control: must-understand, no-store, max-age=100\n", FORWARDED}, {.wait = 1}),
        STORY("must-understand of what is not", 2,
              {.say = "Cache-Control: must-understand, max-age=100\n", .said = 299, FORWARDED, .status = 299},
              {.said = 299, FORWARDED, .status = 299}),
        STORY("an unknown status with a statement", 2, {.say = MAX_AGE, .said = 299, FORWARDED, .status = 299},
              {.said = 299, .status = 299}),
        STORY("an error with a statement", 2, {.say = MAX_AGE, .said = 503, FORWARDED, .status = 503},
              {.said = 200, .status = 503}),
        STORY("a part", 2, {.say = MAX_AGE "Content-Range: bytes 0-1/5\n", .said = 206, FORWARDED, .status = 206},
              {.said = 206, FORWARDED, .status = 206}),
        STORY("who is authorized", 2, {.ask = "Authorization: x\n", .say = MAX_AGE, FORWARDED}, {FORWARDED}),
        STORY("but public", 3, {.ask = "Authorization: x\n", .say = "Cache-Control: public, max-age=100\n", FORWARDED},
              {.wait = 1}, {.ask = "Authorization: y\n"}),
        STORY("but must-revalidate", 2,
              {.ask = "Authorization: x\n", .say = "Cache-Control: must-revalidate, max-age=100\n", FORWARDED},
              {.wait = 1}),
        STORY("but s-maxage", 2, {.ask = "Authorization: x\n", .say = "Cache-Control: s-maxage=100\n", FORWARDED},
              {.wait = 1}),
        STORY("others' is not for the authorized", 2, {.say = MAX_AGE, FORWARDED},
              {.ask = "Authorization: x\n", FORWARDED}),
        STORY("Set-Cookie is no reason", 2, {.say = MAX_AGE "Set-Cookie: a=b\n", FORWARDED},
              {.has = "Set-Cookie: a=b"}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* Sections 4.3 and 3.2: asking, and what the answer changes. */
static void stale_answers_are_asked_about(void **state)
{
#define SHORT "Cache-Control: max-age=10\n"
    static const struct story stories[] = {
        STORY("by tag", 3, {.say = SHORT TAGGED, FORWARDED, .has = "answer 1"},
              {.wait = 11, .say = SHORT TAGGED "X-New: 2\n", .said = 304, FORWARDED, .has = "answer 1"},
              {.wait = 5, .has = "X-New: 2\r\n"}),
        STORY("by date", 3, {.say = SHORT OLD, FORWARDED}, {.wait = 11, .said = 304, FORWARDED, .has = "answer 1"},
              {.wait = 5, .has = "answer 1"}),
        STORY("a 304 replaces fields", 3, {.say = SHORT TAGGED "X-A: 1\nX-B: 1\n", FORWARDED},
              {.wait = 11,
               .say = SHORT TAGGED "X-A: 2\nContent-Encoding: z\n",
               .said = 304,
               FORWARDED,
               .has = "X-A: 2\r\n",
               .lacks = "X-A: 1"},
              {.has = "X-B: 1\r\n", .lacks = "Content-Encoding"}),
        STORY("a changed one is replaced", 3, {.say = SHORT TAGGED, FORWARDED},
              {.wait = 11, .say = SHORT "ETag: \"b\"\n", FORWARDED, .has = "answer 2"}, {.has = "answer 2"}),
        STORY("a 304 of another", 2, {.say = SHORT TAGGED, FORWARDED},
              {.wait = 11, .say = SHORT "ETag: \"b\"\n", .said = 304, FORWARDED, .status = 304}),
        STORY("no-cache is kept and asked about", 3,
              {.say = "Cache-Control: no-cache, max-age=100\n" TAGGED, FORWARDED},
              {.said = 304, FORWARDED, .has = "answer 1"}, {.said = 304, FORWARDED, .has = "answer 1"}),
        STORY("no-cache for a field", 2, {.say = "Cache-Control: no-cache=\"x\", max-age=100\n" TAGGED, FORWARDED},
              {.said = 304, FORWARDED, .has = "answer 1"}),
        STORY("what can't be kept takes its place away", 3, {.say = SHORT TAGGED, FORWARDED},
              {.wait = 11, .say = "Cache-Control: no-store\n", FORWARDED, .has = "answer 2"},
              {.say = SHORT, FORWARDED, .has = "answer 3"}),
        STORY("without anything to ask by", 2, {.say = SHORT, FORWARDED}, {.wait = 11, FORWARDED, .has = "answer 2"}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* Section 5.2.1: what requests say. */
static void requests_may_ask_for_less_or_more(void **state)
{
    static const struct story stories[] = {
        STORY("no-cache", 2, {.say = MAX_AGE, FORWARDED}, {.ask = "Cache-Control: no-cache\n", FORWARDED}),
        STORY("Pragma", 2, {.say = MAX_AGE, FORWARDED}, {.ask = "Pragma: no-cache\n", FORWARDED}),
        STORY("Pragma beside Cache-Control", 2, {.say = MAX_AGE, FORWARDED},
              {.ask = "Pragma: no-cache\nCache-Control: max-age=50\n"}),
        STORY("max-age", 3, {.say = MAX_AGE, FORWARDED}, {.wait = 10, .ask = "Cache-Control: max-age=20\n"},
              {.wait = 20, .ask = "Cache-Control: max-age=20\n", FORWARDED}),
        STORY("max-age=0", 2, {.say = MAX_AGE, FORWARDED}, {.wait = 1, .ask = "Cache-Control: max-age=0\n", FORWARDED}),
        STORY("min-fresh", 3, {.say = MAX_AGE, FORWARDED}, {.ask = "Cache-Control: min-fresh=90\n"},
              {.wait = 20, .ask = "Cache-Control: min-fresh=90\n", FORWARDED}),
        STORY("max-stale", 3, {.say = MAX_AGE, FORWARDED}, {.wait = 110, .ask = "Cache-Control: max-stale=20\n"},
              {.wait = 20, .ask = "Cache-Control: max-stale=20\n", FORWARDED}),
        STORY("max-stale, however", 2, {.say = MAX_AGE, FORWARDED},
              {.wait = 5000, .ask = "Cache-Control: max-stale\n"}),
        STORY("max-stale of what must not be", 2, {.say = "Cache-Control: max-age=10, must-revalidate\n", FORWARDED},
              {.wait = 11, .ask = "Cache-Control: max-stale\n", FORWARDED}),
        STORY("proxy-revalidate", 2, {.say = "Cache-Control: max-age=10, proxy-revalidate\n", FORWARDED},
              {.wait = 11, .ask = "Cache-Control: max-stale\n", FORWARDED}),
        STORY("s-maxage is as strict", 2, {.say = "Cache-Control: s-maxage=10\n", FORWARDED},
              {.wait = 11, .ask = "Cache-Control: max-stale\n", FORWARDED}),
        STORY("only-if-cached and it is not", 1,
              {.ask = "Cache-Control: only-if-cached\n", .say = MAX_AGE, .status = 504}),
        STORY("only-if-cached and it is", 2, {.say = MAX_AGE, FORWARDED}, {.ask = "Cache-Control: only-if-cached\n"}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* Section 4.1. */
static void the_choice_is_kept_apart(void **state)
{
#define VARY MAX_AGE "Vary: X-L\n"
    static const struct story stories[] = {
        STORY("the same", 2, {.ask = "X-L: 1\n", .say = VARY, FORWARDED}, {.ask = "x-l: 1\n"}),
        STORY("another", 4, {.ask = "X-L: 1\n", .say = VARY, FORWARDED, .has = "answer 1"},
              {.ask = "X-L: 2\n", FORWARDED, .has = "answer 2"}, {.ask = "X-L: 1\n", .has = "answer 1"},
              {.ask = "X-L: 2\n", .has = "answer 2"}),
        STORY("none", 3, {.say = VARY, FORWARDED}, {.has = "answer 1"}, {.ask = "X-L: 1\n", FORWARDED}),
        STORY("everything", 2, {.say = MAX_AGE "Vary: *\n", FORWARDED}, {FORWARDED}),
        STORY("everything among others", 2, {.say = MAX_AGE "Vary: X-L, *\n", FORWARDED}, {FORWARDED}),
        STORY("two fields", 4, {.ask = "X-L: 1\nX-M: 1\n", .say = MAX_AGE "Vary: X-L\nVary: X-M\n", FORWARDED},
              {.ask = "X-M: 1\nX-L: 1\n"}, {.ask = "X-L: 1\n", FORWARDED}, {.ask = "X-L: 1\nX-M: 2\n", FORWARDED}),
        STORY("lines are joined", 3, {.ask = "X-L: 1\nX-L: 2\n", .say = VARY, FORWARDED}, {.ask = "X-L: 1, 2\n"},
              {.ask = "X-L: 1\n", FORWARDED}),
        STORY("a longer one", 3, {.ask = "X-L: 1\n", .say = VARY, FORWARDED}, {.ask = "X-L: 12\n", FORWARDED},
              {.ask = "X-L: 1\nX-L: 2\n", FORWARDED}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* RFC 5861. */
static void stale_answers_may_stand_in(void **state)
{
    static const struct story stories[] = {
        STORY("while it is asked", 4, {.say = "Cache-Control: max-age=10, stale-while-revalidate=20\n", FORWARDED},
              {.wait = 15, FORWARDED, .has = "answer 1"}, {.wait = 1, .has = "answer 2"},
              {.wait = 40, FORWARDED, .has = "answer 3"}),
        STORY("but not what must not be stale", 2,
              {.say = "Cache-Control: max-age=10, stale-while-revalidate=20, must-revalidate\n", FORWARDED},
              {.wait = 15, FORWARDED, .has = "answer 2"}),
        STORY("but not for who wants it fresh", 2,
              {.say = "Cache-Control: max-age=10, stale-while-revalidate=20\n", FORWARDED},
              {.wait = 15, .ask = "Cache-Control: max-age=10\n", FORWARDED, .has = "answer 2"}),
        STORY("after an error", 3, {.say = "Cache-Control: max-age=10, stale-if-error=20\n", FORWARDED},
              {.wait = 15, .said = 503, FORWARDED, .has = "answer 1"},
              {.wait = 20, .said = 503, FORWARDED, .status = 503}),
        STORY("after an error, asked for", 2, {.say = "Cache-Control: max-age=10\n" TAGGED, FORWARDED},
              {.wait = 15, .ask = "Cache-Control: stale-if-error=20\n", .said = 500, FORWARDED, .has = "answer 1"}),
        STORY("not after what is no error", 2, {.say = "Cache-Control: max-age=10, stale-if-error=20\n", FORWARDED},
              {.wait = 15, .said = 404, FORWARDED, .status = 404}),
        STORY("not where it must not be stale", 2,
              {.say = "Cache-Control: max-age=10, stale-if-error=20, must-revalidate\n", FORWARDED},
              {.wait = 15, .said = 503, FORWARDED, .status = 503}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

/* RFC 9110 sections 13 and 14, by what is kept. */
static void conditions_and_ranges_are_answered(void **state)
{
    static const struct story stories[] = {
        STORY("If-None-Match", 3, {.say = MAX_AGE TAGGED OLD, FORWARDED},
              {.ask = "If-None-Match: \"x\", \"a\"\n", .status = 304, .has = "ETag: \"a\"\r\n", .lacks = "answer"},
              {.ask = "If-None-Match: \"x\"\n", .has = "answer 1"}),
        STORY("304 without what describes a body", 2,
              {.say = MAX_AGE TAGGED "Content-Language: en\nContent-Location: /x\nX-A: b\n", FORWARDED},
              {.ask = "If-None-Match: \"a\"\n",
               .status = 304,
               .has = "Content-Location: /x\r\n",
               .lacks = "Content-Language"}),
        STORY("If-Modified-Since", 2, {.say = MAX_AGE OLD, FORWARDED},
              {.ask = "If-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT\n", .status = 304}),
        STORY("If-Modified-Since of what has only a Date", 2, {.say = MAX_AGE, FORWARDED},
              {.wait = 9, .ask = "If-Modified-Since: Sat, 01 Jan 2000 00:00:05 GMT\n", .status = 304}),
        STORY("If-Match of another", 2, {.say = MAX_AGE TAGGED, FORWARDED},
              {.ask = "If-Match: \"x\"\n", .status = 412}),
        STORY("on a miss", 2, {.ask = "If-None-Match: \"a\"\n", .say = MAX_AGE TAGGED, FORWARDED, .status = 304},
              {.has = "answer 1"}),
        STORY("a range", 4, {.say = MAX_AGE TAGGED, FORWARDED},
              {.ask = "Range: bytes=1-2\n", .status = 206, .has = "Content-Range: bytes 1-2/8\r\n", .lacks = "answer"},
              {.ask = "Range: bytes=-2\n", .status = 206, .has = "\r\n\r\n 1"},
              {.ask = "Range: bytes=90-\n", .status = 416, .has = "Content-Range: bytes */8\r\n"}),
        STORY("several ranges are all of it", 2, {.say = MAX_AGE, FORWARDED},
              {.ask = "Range: bytes=0-1,4-5\n", .has = "answer 1"}),
        STORY("a range of another", 2, {.say = MAX_AGE TAGGED, FORWARDED},
              {.ask = "Range: bytes=1-2\nIf-Range: \"b\"\n", .has = "answer 1"}),
        STORY("a range of what is not there", 2, {.ask = "Range: bytes=1-2\n", .say = MAX_AGE, FORWARDED}, {FORWARDED}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

static void what_happened_is_told(void **state)
{
    static const struct story stories[] = {
        STORY("a miss and a hit", 2,
              {.say = MAX_AGE, FORWARDED, .has = "Cache-Status: plait; fwd=uri-miss; fwd-status=200; stored\r\n"},
              {.wait = 10, .has = "Cache-Status: plait; hit; ttl=90\r\n"}),
        STORY("stale", 2, {.say = "Cache-Control: max-age=1\n" TAGGED, FORWARDED},
              {.wait = 2, .said = 304, FORWARDED, .has = "Cache-Status: plait; fwd=stale; fwd-status=304\r\n"}),
        STORY("asked for", 2, {.say = MAX_AGE, FORWARDED},
              {.ask = "Cache-Control: no-cache\n", FORWARDED, .has = "fwd=request; fwd-status=200; stored\r\n"}),
        STORY("bypassed", 1,
              {.ask = "Cache-Control: no-store\n", .say = MAX_AGE, FORWARDED, .has = "fwd=bypass; fwd-status=200\r\n"}),
        STORY("of a connection", 2, {.say = MAX_AGE "Proxy-Connection: x\n", FORWARDED}, {.lacks = "Proxy-Connection"}),
    };
    (void)state;
    tell_all(stories, TEST_COUNT(stories), NULL);
}

TEST_MAIN(cmocka_unit_test(fresh_answers_are_used_again),
          cmocka_unit_test(without_a_statement_a_part_of_the_age_counts), cmocka_unit_test(what_may_not_be_kept_is_not),
          cmocka_unit_test(stale_answers_are_asked_about), cmocka_unit_test(requests_may_ask_for_less_or_more),
          cmocka_unit_test(the_choice_is_kept_apart), cmocka_unit_test(stale_answers_may_stand_in),
          cmocka_unit_test(conditions_and_ranges_are_answered), cmocka_unit_test(what_happened_is_told),
          cmocka_unit_test(what_is_said_to_us_counts_more))
