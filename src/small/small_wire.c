/* SPDX-License-Identifier: MIT
 *
 * What the small services say: pure functions of the time and a line number.
 *
 * Invariant: no answer has more than 511 bytes (RFC 865: less than 512; RFC 864: 0 to 512).
 * Test: tests/small/test_small_wire.c.
 */
#include "small/small_wire.h"

#include "base/timefmt.h"
#include "base/try.h"

#include <stdio.h>

enum { CHARACTERS = 95, WIDTH = 72, LINES_AT_ONCE = 6, QUOTE_MAX = 509 };

static const char *const names[] = {"echo", "discard", "chargen", "qotd", "daytime", "time", "netstring-echo"};

const char *plait_small_name(enum plait_small which)
{
    return names[which];
}

plait_err plait_small_of_name(plait_slice name, enum plait_small *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (plait_slice_equal(name, plait_slice_text(names[i]))) {
            *out = (enum plait_small)i;
            return PLAIT_OK;
        }
    }
    return PLAIT_FAIL(PLAIT_ENOTFOUND);
}

void plait__chargen_line(uint64_t n, uint8_t out[PLAIT__CHARGEN_LINE])
{
    for (unsigned i = 0; i < WIDTH; i++)
        out[i] = (uint8_t)(' ' + (n + i) % CHARACTERS);
    out[WIDTH] = '\r';
    out[WIDTH + 1] = '\n';
}

void plait__time_bytes(int64_t seconds_since_1970, uint8_t out[4])
{
    const uint32_t since_1900 = (uint32_t)(seconds_since_1970 + 2208988800);
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(since_1900 >> (24 - 8 * i));
}

static size_t put_line(const char *text, uint8_t *out)
{
    size_t n = strlen(text);
    if (n > QUOTE_MAX)
        n = QUOTE_MAX;
    memcpy(out, text, n);
    memcpy(out + n, "\r\n", 2);
    return n + 2;
}

static size_t put_chargen(uint8_t *out)
{
    for (uint64_t i = 0; i < LINES_AT_ONCE; i++)
        plait__chargen_line(i, out + i * PLAIT__CHARGEN_LINE);
    return (size_t)LINES_AT_ONCE * PLAIT__CHARGEN_LINE;
}

size_t plait__small_answer(enum plait_small which, const char *quote, int64_t now, uint8_t out[PLAIT__SMALL_ANSWER_MAX])
{
    char daytime[PLAIT__DAYTIME_BYTES];
    switch (which) {
    case PLAIT_CHARGEN:
        return put_chargen(out);
    case PLAIT_QOTD:
        return put_line(quote, out);
    case PLAIT_DAYTIME:
        plait__format_daytime(now, daytime);
        return put_line(daytime, out);
    case PLAIT_TIME:
        plait__time_bytes(now, out);
        return 4;
    default:
        return 0;
    }
}
