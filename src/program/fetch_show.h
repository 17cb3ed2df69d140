/* SPDX-License-Identifier: MIT
 *
 * What plait fetch shows on standard error while it works: a progress line, and the steps of a fetch.
 */
#ifndef PLAIT_PROGRAM_FETCH_SHOW_H
#define PLAIT_PROGRAM_FETCH_SHOW_H

#include <plait/plait.h>

/* How far everything has come. `total` is PLAIT_LENGTH_UNKNOWN where somebody's length is not known. */
struct progress {
    bool shown; /* somebody watches */
    uint64_t got, total;
    size_t done, all; /* fetches */
    plait_time began, last;
};

/* Shows it, but not too often; `last` ends the line. */
void show_progress(struct progress *p, plait_time now, bool last);

/* Prints a step, `after` the fetch began. */
void show_step(const struct plait_fetch_step *step, plait_span after);

#endif
