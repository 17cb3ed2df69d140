/* SPDX-License-Identifier: MIT
 *
 * Runs src/engine/task_switch.c alone, for machines on which the whole library is not built: contexts that begin, go
 * back and forth, keep their whole and floating-point registers and their rounding mode, and end. Built and run by
 * aarch64_switch.sh; prints one line.
 */
#include "engine/task_switch.h"

#include <fenv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXTS = 5, ROUNDS = 1000, STACK = 64 * 1024 };

struct side {
    struct plait__context own, loop;
    uint64_t whole;
    double real;
    int id, rounds;
    int ended;
};

static void check(int ok, const char *what)
{
    if (ok)
        return;
    printf("failed: %s\n", what);
    exit(1);
}

/* More values alive over a switch than there are registers that may be lost. */
static void churn(struct side *side)
{
    uint64_t w[12];
    double r[12];
    for (int i = 0; i < 12; i++) {
        w[i] = (uint64_t)(side->id * 1000 + i);
        r[i] = side->id + i / 16.0;
    }
    for (side->rounds = 0; side->rounds < ROUNDS; side->rounds++) {
        plait__switch_to(&side->own, &side->loop, false);
        for (int i = 0; i < 12; i++) {
            w[i] = w[i] * 3 + (uint64_t)i;
            r[i] = r[i] / 2 + i;
        }
    }
    for (int i = 0; i < 12; i++) {
        side->whole += w[i];
        side->real += r[i];
    }
}

static void expected(int id, uint64_t *whole, double *real)
{
    *whole = 0;
    *real = 0;
    for (int i = 0; i < 12; i++) {
        uint64_t w = (uint64_t)(id * 1000 + i);
        double r = id + i / 16.0;
        for (int n = 0; n < ROUNDS; n++) {
            w = w * 3 + (uint64_t)i;
            r = r / 2 + i;
        }
        *whole += w;
        *real += r;
    }
}

static void begin(void *arg)
{
    struct side *side = arg;
    plait__switch_arrived(&side->own, &side->loop);
    check(((uintptr_t)__builtin_frame_address(0) & 15) == 0, "the stack is aligned");
    churn(side);
    side->ended = 1;
    plait__switch_to(&side->own, &side->loop, true);
    check(0, "an ended context does not go on");
}

static void *stack_of(int i)
{
    static char stacks[CONTEXTS][STACK] __attribute__((aligned(64)));
    return stacks[i];
}

int main(void)
{
    static struct side side[CONTEXTS];
    for (int i = 0; i < CONTEXTS; i++) {
        side[i].id = i;
        plait__context_init(&side[i].own, stack_of(i), STACK, begin, &side[i]);
    }
    for (int left = CONTEXTS; left > 0;) {
        for (int i = 0; i < CONTEXTS; i++) {
            if (side[i].ended)
                continue;
            plait__switch_to(&side[i].loop, &side[i].own, false);
            left -= side[i].ended;
        }
    }
    for (int i = 0; i < CONTEXTS; i++) {
        uint64_t whole;
        double real;
        expected(i, &whole, &real);
        check(side[i].whole == whole, "whole numbers survive");
        check(memcmp(&side[i].real, &real, sizeof real) == 0, "real numbers survive");
        plait__context_deinit(&side[i].own);
    }
    check(fegetround() == FE_TONEAREST, "the rounding mode is as it was");
    printf("switch: %d contexts, %d switches, all as expected\n", CONTEXTS, CONTEXTS * (ROUNDS + 1));
    return 0;
}
