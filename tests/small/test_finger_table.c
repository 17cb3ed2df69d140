/* SPDX-License-Identifier: MIT
 *
 * A table of people as a finger directory.
 */
#include "tests/engine/bed.h"

#include <plait/finger.h>

static const struct plait_finger_entry people[] = {{"ann", "Ann Example", "To rest"}, {"Bob", NULL, NULL}};

static struct plait_finger_directory table_of(struct bed *b)
{
    struct plait_finger_directory d;
    assert_ok(plait_finger_table(b->r, people, TEST_COUNT(people), &d));
    return d;
}

/* Runs a look-up to its end; its text goes to `out`. */
static plait_err text_of(struct bed *b, struct plait_deferred *d, char out[1024])
{
    plait_value value = {.ptr = NULL};
    const plait_err err = plait_reactor_run_until(b->r, d, &value);
    out[0] = '\0';
    if (err == PLAIT_OK) {
        const struct plait_finger_text *text = value.ptr;
        (void)snprintf(out, 1024, "%.*s", PLAIT_ARG(plait_buf_slice(&text->buf)));
        value.destroy(value.ptr);
    }
    return err;
}

static void people_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    struct bed b;
    char text[1024];
    bed_open(&b);
    struct plait_finger_directory d = table_of(&b);
    assert_ok(text_of(&b, d.find(b.r, PLAIT_LIT("ANN"), false, d.ctx), text));
    assert_string_equal(text, "Login: ann\nName: Ann Example\nPlan:\nTo rest\n");
    assert_ok(text_of(&b, d.find(b.r, PLAIT_LIT("bob"), true, d.ctx), text));
    assert_string_equal(text, "Login: Bob\nNo plan.\n");
    assert_err(text_of(&b, d.find(b.r, PLAIT_LIT("an"), false, d.ctx), text), PLAIT_ENOTFOUND);
    d.free(d.ctx);
    bed_close(&b);
}

static void everybody_is_listed_briefly_or_at_length(void **state)
{
    (void)state;
    struct bed b;
    char text[1024];
    bed_open(&b);
    struct plait_finger_directory d = table_of(&b);
    assert_ok(text_of(&b, d.list(b.r, false, d.ctx), text));
    assert_string_equal(text, "ann              Ann Example\nBob              \n");
    assert_ok(text_of(&b, d.list(b.r, true, d.ctx), text));
    assert_string_equal(text, "Login: ann\nName: Ann Example\nPlan:\nTo rest\nLogin: Bob\nNo plan.\n");
    d.free(d.ctx);
    bed_close(&b);
}

static void a_text_over_64_kib_fails(void **state)
{
    (void)state;
    static char plan[65 * 1024];
    struct bed b;
    char text[1024];
    struct plait_finger_directory d;
    memset(plan, 'p', sizeof plan - 1);
    const struct plait_finger_entry long_winded = {"ann", "", plan};
    bed_open(&b);
    assert_ok(plait_finger_table(b.r, &long_winded, 1, &d));
    assert_err(text_of(&b, d.find(b.r, PLAIT_LIT("ann"), false, d.ctx), text), PLAIT_ETOOLONG);
    d.free(d.ctx);
    bed_close(&b);
}

static void a_row_without_a_user_is_refused(void **state)
{
    (void)state;
    static const struct plait_finger_entry rows[][2] = {{{"ann", "", ""}, {NULL, "Nobody", ""}},
                                                        {{"ann", "", ""}, {"", "Nobody", ""}}};
    struct bed b;
    struct plait_finger_directory d;
    bed_open(&b);
    for (size_t i = 0; i < TEST_COUNT(rows); i++)
        assert_err(plait_finger_table(b.r, rows[i], 2, &d), PLAIT_EINVAL);
    bed_close(&b);
}

static void whichever_allocation_fails_nothing_is_left(void **state)
{
    (void)state;
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        struct bed b;
        struct plait_finger_directory d;
        bed_open(&b);
        bed_fail(&b, n);
        err = plait_finger_table(b.r, people, TEST_COUNT(people), &d);
        if (err == PLAIT_OK)
            d.free(d.ctx);
        else
            assert_err(err, PLAIT_ENOMEM);
        bed_close(&b);
        assert_true(n < 50);
    }
}

static void a_look_up_without_memory_fails(void **state)
{
    (void)state;
    struct bed b;
    char text[1024];
    bed_open(&b);
    struct plait_finger_directory d = table_of(&b);
    for (uint64_t n = 1; n <= 3; n++) {
        bed_fail(&b, n);
        struct plait_deferred *found = d.find(b.r, PLAIT_LIT("ann"), false, d.ctx);
        struct plait_deferred *listed = d.list(b.r, false, d.ctx);
        bed_heal(&b);
        if (n < 3)
            assert_err(text_of(&b, found, text), PLAIT_ENOMEM);
        else
            (void)text_of(&b, found, text);
        assert_err(text_of(&b, listed, text), PLAIT_ENOMEM);
    }
    d.free(d.ctx);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(people_are_found_by_name_in_any_case),
          cmocka_unit_test(everybody_is_listed_briefly_or_at_length), cmocka_unit_test(a_text_over_64_kib_fails),
          cmocka_unit_test(a_row_without_a_user_is_refused),
          cmocka_unit_test(whichever_allocation_fails_nothing_is_left),
          cmocka_unit_test(a_look_up_without_memory_fails))
