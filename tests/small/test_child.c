/* SPDX-License-Identifier: MIT
 *
 * Tests of src/small/child.c: lines out of pieces, and copies that stand for themselves.
 */
#include "tests/support/test.h"

#include "small/child_core.h"

struct lines {
    size_t count;
    char all[4096]; /* each with a '|' behind it */
};

static void note(plait_slice line, void *ctx)
{
    struct lines *l = ctx;
    assert_true(line.len > 0);
    l->count++;
    const size_t at = strlen(l->all);
    (void)snprintf(l->all + at, sizeof l->all - at, "%.*s|", PLAIT_ARG(line));
}

static void say(const char *text, size_t piece, struct lines *l)
{
    struct plait__said said = {.len = 0};
    memset(l, 0, sizeof *l);
    const plait_slice all = plait_slice_text(text);
    for (size_t at = 0; at < all.len; at += piece)
        plait__said_put(&said, plait_slice_sub(all, at, at + piece < all.len ? at + piece : all.len), note, l);
    plait__said_end(&said, note, l);
}

static void lines_are_told_without_their_ends(void **state)
{
    static const struct {
        const char *said, *told;
    } cases[] = {
        {"a\nbc\n", "a|bc|"},
        {"a\r\nb\r\n", "a|b|"},
        {"\n\n\r\nx", "x|"},
        {"no end", "no end|"},
        {"a\rb\n", "a\rb|"},
        {"\r", ""},
        {"", ""},
    };
    struct lines l;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            say(cases[i].said, piece, &l);
            assert_string_equal(l.all, cases[i].told);
        }
    }
}

static void a_long_line_is_told_in_pieces(void **state)
{
    static char text[2 * PLAIT__SAID_MAX + 3];
    struct lines l;
    (void)state;
    memset(text, 'x', 2 * PLAIT__SAID_MAX + 1);
    say(text, 77, &l);
    assert_int_equal(l.count, 3);
    assert_int_equal(strlen(l.all), 2 * PLAIT__SAID_MAX + 1 + 3);
    text[PLAIT__SAID_MAX] = '\0';
    say(text, sizeof text, &l);
    assert_int_equal(l.count, 1);
}

static void copies_stand_for_themselves(void **state)
{
    struct plait_budget budget;
    char path[] = "/bin/p", cwd[] = "/home", word[] = "word", var[] = "A=b";
    const char *argv[] = {path, word, NULL}, *env[] = {var, NULL};
    struct plait_spawn_options o = {.path = path, .argv = argv, .env = env, .cwd = cwd, .group = true};
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    void *block = plait__child_keep(&budget, &o);
    assert_non_null(block);
    path[0] = cwd[0] = word[0] = var[0] = '?';
    argv[0] = env[0] = NULL;
    assert_string_equal(o.path, "/bin/p");
    assert_string_equal(o.cwd, "/home");
    assert_string_equal(o.argv[0], "/bin/p");
    assert_string_equal(o.argv[1], "word");
    assert_null(o.argv[2]);
    assert_string_equal(o.env[0], "A=b");
    assert_null(o.env[1]);
    assert_true(o.group);
    plait_mem_free(block);
    assert_int_equal(budget.used, 0);
}

static void what_is_not_given_stays_so(void **state)
{
    struct plait_budget budget;
    struct plait_spawn_options o = {.path = "p"};
    const char *const none[] = {NULL};
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    void *block = plait__child_keep(&budget, &o);
    assert_non_null(block);
    assert_null(o.argv);
    assert_null(o.env);
    assert_null(o.cwd);
    plait_mem_free(block);
    o.path = "p";
    o.env = none; /* an empty environment is one */
    block = plait__child_keep(&budget, &o);
    assert_non_null(block);
    assert_non_null(o.env);
    assert_null(o.env[0]);
    plait_mem_free(block);
}

static void without_memory_there_is_no_copy(void **state)
{
    struct plait_budget budget;
    struct plait_spawn_options o = {.path = "a path"};
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 8);
    assert_null(plait__child_keep(&budget, &o));
    assert_string_equal(o.path, "a path");
}

TEST_MAIN(cmocka_unit_test(lines_are_told_without_their_ends), cmocka_unit_test(a_long_line_is_told_in_pieces),
          cmocka_unit_test(copies_stand_for_themselves), cmocka_unit_test(what_is_not_given_stays_so),
          cmocka_unit_test(without_memory_there_is_no_copy))
