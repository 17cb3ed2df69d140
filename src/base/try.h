/* SPDX-License-Identifier: MIT
 *
 * Passing errors on. PLAIT_TRY(expr) leaves the enclosing function with expr's error, PLAIT_FAIL(error) marks the place
 * where an error begins. In a normal build both are plain C. In a test build (-Dtest_sites=true) each is a site that
 * counts how often it failed; tests/support/sites.c writes the counts out, and tools/sites lists the sites that never
 * failed. A site that no test can make fail says why on its own line: slash-star unseen: reason star-slash.
 */
#ifndef PLAIT_BASE_TRY_H
#define PLAIT_BASE_TRY_H

#include <plait/err.h>

#ifdef PLAIT_TEST_SITES

/* One place that can return an error. All of them stand in one section, in which the linker lets us walk; the size is a
 * power of two and the alignment equals it, so that there is no gap between two. */
struct plait__site {
    const char *file;
    const char *text;
    uint64_t hits;
    uint64_t line;
} __attribute__((aligned(32)));

#define PLAIT__SITE_FAILED(what)                                                                                       \
    do {                                                                                                               \
        static struct plait__site plait__site                                                                          \
            __attribute__((section("plait_sites"), used)) = {__FILE__, what, 0, __LINE__};                             \
        __atomic_fetch_add(&plait__site.hits, 1, __ATOMIC_RELAXED);                                                    \
    } while (0)

#define PLAIT_FAIL(error)                                                                                              \
    (__extension__({                                                                                                   \
        PLAIT__SITE_FAILED("" #error "");                                                                              \
        (plait_err)(error);                                                                                            \
    }))

#else

#define PLAIT__SITE_FAILED(what) ((void)0)
#define PLAIT_FAIL(error) ((plait_err)(error))

#endif

/* Evaluates an expression of type plait_err once; unless it is PLAIT_OK, returns it from the enclosing function. */
#define PLAIT_TRY(expr)                                                                                                \
    do {                                                                                                               \
        const plait_err plait__error = (expr);                                                                         \
        if (__builtin_expect(plait__error != PLAIT_OK, 0)) {                                                           \
            PLAIT__SITE_FAILED("" #expr "");                                                                           \
            return plait__error;                                                                                       \
        }                                                                                                              \
    } while (0)

#endif
