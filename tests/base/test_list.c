/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/list.h: order, removing, removing twice, from a link to what holds it.
 */
#include "tests/support/test.h"

#include "base/list.h"

struct item {
    int number;
    struct plait__list link;
};

static void assert_numbers(struct plait__list *head, const char *expected)
{
    char text[32] = "";
    size_t len = 0;
    for (struct plait__list *at = head->next; at != head; at = at->next) {
        assert_ptr_equal(at->next->prev, at);
        text[len++] = (char)('0' + plait__container(at, struct item, link)->number);
    }
    assert_string_equal(text, expected);
}

static void a_list_keeps_the_order_of_adding(void **state)
{
    (void)state;
    struct plait__list head;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    plait__list_init(&head);
    assert_true(plait__list_empty(&head));
    plait__list_add_tail(&head, &items[1].link);
    plait__list_add_tail(&head, &items[2].link);
    plait__list_add_head(&head, &items[0].link);
    plait__list_add_tail(&head, &items[3].link);
    assert_false(plait__list_empty(&head));
    assert_numbers(&head, "0123");
}

static void a_link_leaves_from_anywhere(void **state)
{
    (void)state;
    struct plait__list head;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    plait__list_init(&head);
    for (size_t i = 0; i < 4; i++)
        plait__list_add_tail(&head, &items[i].link);
    plait__list_remove(&items[1].link);
    assert_numbers(&head, "023");
    plait__list_remove(&items[3].link);
    assert_numbers(&head, "02");
    plait__list_remove(&items[0].link);
    plait__list_remove(&items[2].link);
    assert_true(plait__list_empty(&head));
}

static void removing_twice_does_no_harm(void **state)
{
    (void)state;
    struct plait__list head;
    struct item items[2] = {{.number = 0}, {.number = 1}};
    plait__list_init(&head);
    plait__list_add_tail(&head, &items[0].link);
    plait__list_add_tail(&head, &items[1].link);
    plait__list_remove(&items[0].link);
    plait__list_remove(&items[0].link);
    assert_true(plait__list_empty(&items[0].link));
    assert_numbers(&head, "1");
    plait__list_add_tail(&head, &items[0].link);
    assert_numbers(&head, "10");
}

TEST_MAIN(cmocka_unit_test(a_list_keeps_the_order_of_adding), cmocka_unit_test(a_link_leaves_from_anywhere),
          cmocka_unit_test(removing_twice_does_no_harm))
