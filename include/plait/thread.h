/* SPDX-License-Identifier: MIT
 *
 * The thread pool, for what blocks. Lanes keep kinds of work apart, so that ten hung look-ups stop nobody's login.
 */
#ifndef PLAIT_THREAD_H
#define PLAIT_THREAD_H

#include <plait/deferred.h>

PLAIT_BEGIN

enum plait_lane {
    PLAIT_LANE_NAMES,
    PLAIT_LANE_HASHING,
    PLAIT_LANE_FILES,
    PLAIT_LANE_DATABASE,
    PLAIT_LANE_OTHER,
    PLAIT_LANE_COUNT
};

/* Runs in a pool thread. Must touch nothing of the reactor; fills `value` or returns an error. */
typedef plait_err (*plait_work_fn)(plait_value *value, void *arg);

/** Runs `fn` in the pool. Cancelling a job that waits takes it off; one that runs is finished and its value destroyed.
 * Errors: what `fn` returns; PLAIT_ELIMIT (1024 jobs of the lane wait); PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new; `arg` goes to `destroy_arg` (may be NULL) in the reactor's thread when the job is over, also when
 * this returns NULL. Callbacks: `fn` in another thread. */
PLAIT_API struct plait_deferred *plait_in_thread(struct plait_reactor *reactor, enum plait_lane lane, plait_work_fn fn,
                                                 void *arg, plait_destroy_fn destroy_arg) PLAIT_MUST;

PLAIT_END
#endif
