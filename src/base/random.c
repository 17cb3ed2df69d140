/* SPDX-License-Identifier: MIT
 *
 * xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64.
 *
 * Invariant: no float and no modulo bias, so that a seed means the same everywhere.
 * Test: tests/base/test_random.c.
 */
#include "base/random.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void plait__random_init(struct plait__random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
}

uint64_t plait__random_next(struct plait__random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t plait__random_below(struct plait__random *random, uint64_t n)
{
    if (n == 0)
        return 0;
    const uint64_t unfair = (0 - n) % n; /* how many of the 2^64 values would be one too many */
    uint64_t x;
    do {
        x = plait__random_next(random);
    } while (x < unfair);
    return x % n;
}

bool plait__random_chance(struct plait__random *random, uint64_t of_n, uint64_t n)
{
    return plait__random_below(random, n) < of_n;
}
