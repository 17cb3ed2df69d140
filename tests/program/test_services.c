/* SPDX-License-Identifier: MIT
 *
 * How the program's services are made when memory fails: the scripts beside this file run the whole program, whose heap
 * they cannot reach.
 */
#include "tests/engine/bed.h"

#include "program/program.h"

static void whichever_allocation_fails_a_finger_table_is_refused_and_nothing_stays(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 16];
    bool made = false;
    test_folder_make(folder);
    test_file_write(folder, "people", PLAIT_LIT("ann:Ann Example:Rest\n"));
    (void)snprintf(path, sizeof path, "%s/people", folder);
    const struct service_words words = {.table = path};
    for (uint64_t n = 1; !made; n++) {
        struct bed b;
        struct trouble trouble = {.status = EXIT_FAILED};
        bed_open(&b);
        bed_fail(&b, n);
        struct plait_service *service = find_service("finger")->make(b.r, &words, &trouble);
        made = service != NULL;
        assert_string_equal(trouble.why, ""); /* it was not the table's fault */
        bed_heal(&b);
        plait_service_unref(&service);
        bed_close(&b);
        assert_true(n < 50);
    }
    test_folder_remove(folder);
}

static void a_wait_for_what_could_not_begin_says_why(void **state)
{
    (void)state;
    struct bed b;
    plait_value value;
    char why[WHY_BYTES];
    bed_open(&b);
    assert_err(wait_for(b.r, NULL, &value, why), PLAIT_ENOMEM);
    assert_string_equal(why, plait_err_text(PLAIT_ENOMEM));
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(whichever_allocation_fails_a_finger_table_is_refused_and_nothing_stays),
          cmocka_unit_test(a_wait_for_what_could_not_begin_says_why))
