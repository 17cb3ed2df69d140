/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/cache_wire.c: Cache-Control and Age as they come, and what follows from them.
 */
#include "tests/support/test.h"

#include "web/cache_wire.h"

static struct plait__cache_control read_control(const char *text)
{
    struct plait__cache_control cc;
    plait__cache_control_init(&cc);
    plait__cache_control_add(&cc, plait_slice_text(text));
    return cc;
}

static void directives_are_read(void **state)
{
    (void)state;
    struct plait__cache_control cc = read_control(
        "no-store, no-cache, private,public,must-revalidate , proxy-revalidate, must-understand, only-if-cached,"
        "max-age=1, s-maxage=2, min-fresh=3, max-stale=4, stale-while-revalidate=5, stale-if-error=6, "
        "other=\"x\\\",y\"");
    assert_true(cc.any && cc.no_store && cc.no_cache && cc.is_private && cc.is_public && cc.must_revalidate);
    assert_true(cc.proxy_revalidate && cc.must_understand && cc.only_if_cached);
    assert_int_equal(cc.max_age, 1);
    assert_int_equal(cc.s_maxage, 2);
    assert_int_equal(cc.min_fresh, 3);
    assert_int_equal(cc.max_stale, 4);
    assert_int_equal(cc.stale_while_revalidate, 5);
    assert_int_equal(cc.stale_if_error, 6);
    cc = read_control("");
    assert_true(cc.any && !cc.no_store && cc.max_age == -1);
    assert_int_equal(read_control("max-stale").max_stale, PLAIT__CACHE_SECONDS_MAX);
    assert_int_equal(read_control("max-stale=x").max_stale, 0);
}

static void times_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        int64_t max_age;
    } cases[] = {
        {"max-age=5", 5},
        {"max-age=\"5\"", 5},
        {"max-age=5, max-age=6", 5},
        {"MAX-AGE=5", 5},
        {"max-age=", 0},
        {"max-age", 0},
        {"max-age=5x", 0},
        {"max-age= 5", 0},
        {"max-age=-5", 0},
        {"max-age='5'", 0},
        {"max-age=\"", 0},
        {"max-age =5", -1},
        {"x=\"max-age=5\"", -1},
        {"max-age=2147483648", PLAIT__CACHE_SECONDS_MAX},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        if (read_control(cases[i].text).max_age != cases[i].max_age)
            fail_msg("%s: %lld", cases[i].text, (long long)read_control(cases[i].text).max_age);
    }
}

/* RFC 8941 section 3.2 */
static void a_targeted_field_is_a_dictionary(void **state)
{
    static const struct {
        const char *text;
        bool sound;
    } cases[] = {
        {"max-age=100", true},
        {"no-store, max-age=7", true},
        {"no-store=?1", true},
        {"x-a_b.c*=5", true},
        {"a;q=\"x\", b", true},
        {"*any", true},
        {"", true},
        {"max-age=\"100\"", false},
        {"max-age=1.5", false},
        {"a, &&&", false},
        {"Upper", false},
        {"-a", false},
        {"5=5", false},
        {"a=", false},
        {"a,,b", false},
        {"no-store=?0x", false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        if (plait__cache_control_is_targeted(plait_slice_text(cases[i].text)) != cases[i].sound)
            fail_msg("\"%s\"", cases[i].text);
    }
}

static void ages_are_read(void **state)
{
    int64_t age = 0;
    (void)state;
    assert_true(plait__cache_age(PLAIT_LIT("7"), &age) && age == 7);
    assert_true(plait__cache_age(PLAIT_LIT("8 , 9"), &age) && age == 8);
    assert_false(plait__cache_age(PLAIT_LIT(""), &age));
    assert_false(plait__cache_age(PLAIT_LIT("-1"), &age));
    assert_false(plait__cache_age(PLAIT_LIT("7x"), &age));
}

static struct plait__cache_facts facts_of(const char *control, int status)
{
    return (struct plait__cache_facts){.cc = read_control(control), .status = status, .date = 1000000, .modified = -1};
}

/* RFC 9111 section 3: which statuses may be kept, without a statement and with one. */
static void statuses_decide_what_is_kept(void **state)
{
    static const int usual[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    (void)state;
    for (int status = 200; status < 600; status++) {
        bool plain = false;
        struct plait__cache_facts facts = facts_of("", status);
        for (size_t i = 0; i < TEST_COUNT(usual); i++)
            plain |= usual[i] == status;
        assert_int_equal(plait__cache_may_store(&facts, false), plain);
        facts = facts_of("max-age=1", status);
        assert_int_equal(plait__cache_may_store(&facts, false), status != 206 && status != 304);
    }
}

static void lifetimes_follow(void **state)
{
    (void)state;
    struct plait__cache_facts facts = facts_of("max-age=5", 200);
    assert_int_equal(plait__cache_lifetime(&facts, 10), 5);
    facts = facts_of("max-age=5, s-maxage=6", 200);
    assert_int_equal(plait__cache_lifetime(&facts, 10), 6);
    facts = facts_of("", 200);
    facts.has_expires = true;
    facts.expires = facts.date + 7;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 7);
    facts.expires = facts.date - 7;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 0);
    facts.has_expires = false;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 0);
    facts.modified = facts.date - 1000;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 100);
    facts.modified = 0;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 86400);
    facts.modified = facts.date;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 0);
    facts = facts_of("public", 403);
    facts.modified = facts.date - 1000;
    assert_int_equal(plait__cache_lifetime(&facts, 10), 100);
}

TEST_MAIN(cmocka_unit_test(directives_are_read), cmocka_unit_test(times_are_read_strictly),
          cmocka_unit_test(ages_are_read), cmocka_unit_test(a_targeted_field_is_a_dictionary),
          cmocka_unit_test(statuses_decide_what_is_kept), cmocka_unit_test(lifetimes_follow))
