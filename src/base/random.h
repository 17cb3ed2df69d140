/* SPDX-License-Identifier: MIT
 *
 * Random numbers from a seed, for jitter, spreading, tests and the simulated world. Not for secrets.
 */
#ifndef PLAIT_BASE_RANDOM_H
#define PLAIT_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct plait__random {
    uint64_t state[4];
};

/* Starts a sequence; equal seeds give equal sequences on every machine. */
void plait__random_init(struct plait__random *random, uint64_t seed);

/* The next 64 bits. */
uint64_t plait__random_next(struct plait__random *random);

/* A number below `n` (0 for n = 0), each equally likely. */
uint64_t plait__random_below(struct plait__random *random, uint64_t n);

/* True `of_n` times out of `n`. */
bool plait__random_chance(struct plait__random *random, uint64_t of_n, uint64_t n);

#endif
