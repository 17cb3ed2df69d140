/* SPDX-License-Identifier: MIT
 *
 * What every test includes: cmocka in the order that it wants, and a few helpers. A test file looks like this:
 *
 *     #include "tests/support/test.h"
 *     static void a_thing_does_what_it_should(void **state) { (void)state; ... }
 *     TEST_MAIN(cmocka_unit_test(a_thing_does_what_it_should))
 *
 * Random choices come from test_random with a seed that TEST_SEED sets (else 1) and a failing test prints.
 */
#ifndef PLAIT_TESTS_SUPPORT_TEST_H
#define PLAIT_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plait/bytes.h>
#include <plait/err.h>
#include <plait/memory.h>

/* The file's main function: runs the tests given as cmocka_unit_test(...) one after the other; exit status 1 when one
 * failed. */
#define TEST_MAIN(...) TEST_MAIN_WITH(NULL, NULL, __VA_ARGS__)

/* The same with a group set-up and tear-down, cmocka's CMFixtureFunction. */
#define TEST_MAIN_WITH(setup, teardown, ...)                                                                           \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                                               \
        return cmocka_run_group_tests(tests, setup, teardown) == 0 ? 0 : 1;                                            \
    }

#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- assertions --------------------------------------------------------------------------------------------------- */

/* An expression of type plait_err is the one expected; both names are printed when it isn't. */
#define assert_err(expr, expected) test_assert_err((expr), (expected), #expr, __FILE__, __LINE__)
#define assert_ok(expr) assert_err(expr, PLAIT_OK)

/* A slice holds exactly the bytes of a terminated text, or of another slice; both are printed escaped when it
 * doesn't. */
#define assert_slice(slice, text) test_assert_slice((slice), plait_slice_text(text), #slice, __FILE__, __LINE__)
#define assert_slice_is(slice, expected) test_assert_slice((slice), (expected), #slice, __FILE__, __LINE__)

void test_assert_err(plait_err got, plait_err expected, const char *expr, const char *file, int line);
void test_assert_slice(plait_slice got, plait_slice expected, const char *expr, const char *file, int line);

/* --- random, repeatable ------------------------------------------------------------------------------------------- */

struct test_random {
    uint64_t state;
};

/* Seed of this run: TEST_SEED, else 1. */
uint64_t test_seed(void);

/* How many seeds a scenario of the simulated world runs over: TEST_SEEDS (what `make sim SEEDS=n` sets), else
 * `usual`. */
uint64_t test_seeds(uint64_t usual);

/* Generator that gives the same numbers for the same seed on every machine. */
struct test_random test_random_of(uint64_t seed);
uint64_t test_random_u64(struct test_random *random);

/* A number below `below`, which is at least 1. */
uint64_t test_random_below(struct test_random *random, uint64_t below);

/* --- a codec's input, cut in every way ---------------------------------------------------------------------------- */

/* How to cut an input of `total` bytes into pieces. test_cut_next gives the length of the next piece, 0 at the end. */
struct test_cut {
    size_t total;
    size_t at;
    size_t fixed;              /* pieces of this many bytes; 0: random ones */
    struct test_random random; /* for random pieces */
    char name[48];             /* "whole", "byte by byte", "split with seed 7" */
};
size_t test_cut_next(struct test_cut *cut);

/* Calls `run` for the input whole, byte by byte, and cut at random points `rounds` times. `run` makes a fresh codec,
 * feeds it the pieces that `cut` gives, and asserts that the events are the expected ones. */
typedef void (*test_cut_fn)(plait_slice input, struct test_cut *cut, void *ctx);
void test_every_cut(plait_slice input, unsigned rounds, test_cut_fn run, void *ctx);

/* --- memory that fails -------------------------------------------------------------------------------------------- */

/* An allocator that counts, and fails its `fail_at`-th allocation (1 is the first; 0 fails none) and, when `fail_after`
 * is set, all later ones too. At a test's end `live` must be 0. */
struct test_heap {
    struct plait_allocator allocator;
    uint64_t calls; /* allocations asked for */
    uint64_t fail_at;
    bool fail_after;
    size_t live; /* blocks not given back */
};
void test_heap_init(struct test_heap *heap, uint64_t fail_at);

/* --- what a test may leave behind: nothing ------------------------------------------------------------------------ */

/* Number of descriptors that this process has open. */
size_t test_open_descriptors(void);

/* Makes an empty folder of the test's own, and removes it with everything in it. `path` has room for
 * TEST_PATH_BYTES. */
#define TEST_PATH_BYTES 256
void test_folder_make(char *path);
void test_folder_remove(const char *path);

/* Writes a file of the test's own. */
void test_file_write(const char *folder, const char *name, plait_slice content);

/* Free TCP port of 127.0.0.1, as good as such a look can tell. */
uint16_t test_free_port(void);

#endif
