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

/* The scripts end their servers as they stand; here what was made is given back. */
static void proxies_are_made_of_their_words(void **state)
{
    (void)state;
    static char text[][20] = {"--allow=loopback", "--refuse=10.0.0.0/8", "--ports=80", "--realm=here",
                              "--user=ann:x",     "--no-connect",        "--other"};
    char *told[TEST_COUNT(text)];
    for (size_t i = 0; i < TEST_COUNT(text); i++)
        told[i] = text[i];
    struct bed b;
    struct trouble trouble = {.status = EXIT_FAILED};
    struct words words = {.at = told, .end = told + TEST_COUNT(told)};
    struct proxy_words proxy = {0};
    struct web_words web = {0};
    const char *value = "";
    bool full = false;
    bed_open(&b);
    for (size_t i = 0; i + 1 < TEST_COUNT(told); i++)
        assert_true(take_proxy_option(&words, &proxy, &web, &value, &full));
    assert_false(take_proxy_option(&words, &proxy, &web, &value, &full));
    assert_string_equal(proxy.allow, "loopback");
    assert_true(proxy.no_connect && !full && web.user.count == 1);
    const struct service_words all = {.web = &web, .proxy = &proxy};
    struct plait_service *service = find_service("proxy")->make(b.r, &all, &trouble);
    assert_non_null(service);
    plait_service_unref(&service);
    struct web_words reverse = {.proxy = {{"/=http://a", "b=http://c/d"}, 2}};
    const struct service_words around = {.web = &reverse};
    service = find_service("web")->make(b.r, &around, &trouble);
    assert_non_null(service);
    plait_service_unref(&service);
    bed_close(&b);
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
          cmocka_unit_test(proxies_are_made_of_their_words), cmocka_unit_test(a_wait_for_what_could_not_begin_says_why))
