/* SPDX-License-Identifier: MIT
 *
 * Time is counted in nanoseconds. A plait_time is a point on the reactor's monotonic clock, a plait_span a length.
 */
#ifndef PLAIT_TIME_H
#define PLAIT_TIME_H

#include <plait/err.h>

PLAIT_BEGIN

typedef int64_t plait_time; /* nanoseconds on a reactor's monotonic clock */
typedef int64_t plait_span; /* nanoseconds between two times */

#define PLAIT_NEVER INT64_MAX /* a time that does not come, a span that does not end */

/** Span of `n` microseconds. */
static inline plait_span plait_micros(int64_t n)
{
    return n * 1000;
}

/** Span of `n` milliseconds. */
static inline plait_span plait_millis(int64_t n)
{
    return n * 1000000;
}

/** Span of `n` seconds. */
static inline plait_span plait_seconds(int64_t n)
{
    return n * 1000000000;
}

PLAIT_END
#endif
