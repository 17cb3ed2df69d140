/* SPDX-License-Identifier: MIT
 *
 * What the small services say, as pure functions.
 */
#ifndef PLAIT_SMALL_WIRE_H
#define PLAIT_SMALL_WIRE_H

#include <plait/small.h>

enum { PLAIT__CHARGEN_LINE = 74, PLAIT__SMALL_ANSWER_MAX = 512 };

/* The `n`-th line of the character generator: 72 of the 95 printable characters, turning, and CR LF (RFC 864). */
void plait__chargen_line(uint64_t n, uint8_t out[PLAIT__CHARGEN_LINE]);

/* Seconds since 1900, big-endian (RFC 868); what no longer fits 32 bits after 2036 wraps, as the RFC's readers
 * expect. */
void plait__time_bytes(int64_t seconds_since_1970, uint8_t out[4]);

/* What a service says at once to somebody who connects, or to a datagram; chargen's is its beginning. Returns its
 * length; 0 for echo and discard. */
size_t plait__small_answer(enum plait_small which, const char *quote, int64_t now,
                           uint8_t out[PLAIT__SMALL_ANSWER_MAX]);

/* Options with their defaults filled in, and the quote to use. */
void plait__small_defaults(struct plait_small_options *out, const struct plait_small_options *options);
const char *plait__small_quote(const struct plait_small_options *options);

#endif
