/* SPDX-License-Identifier: MIT
 *
 * What the files of the room share: a checker, and the counting of failures.
 */
#ifndef PLAIT_AUTH_AUTH_CORE_H
#define PLAIT_AUTH_AUTH_CORE_H

#include "base/list.h"
#include "base/table.h"
#include "engine/core.h"

#include <plait/auth.h>

struct plait_checker {
    struct plait__list link; /* in its portal */
    struct plait_reactor *reactor;
    const struct plait_checker_ops *ops;
    void *ctx;
};

/* A deferred that has fired with somebody's name. */
struct plait_deferred *plait__checker_lets_in(struct plait_reactor *reactor, plait_slice name) PLAIT_MUST;

/* One that has fired with PLAIT_EACCESS, or with another error. */
struct plait_deferred *plait__checker_refuses(struct plait_reactor *reactor, plait_err err) PLAIT_MUST;

/* --- failures (auth_limit.c) -------------------------------------------------------------------------------------- */

/* How many failures there were, by user or by address. */
struct plait__failures {
    struct plait_reactor *reactor;
    struct plait__table table; /* of struct failed */
    struct plait__list order;  /* the one that was counted longest ago first */
    unsigned max;
    plait_span forgive;
    size_t most;
};

void plait__failures_init(struct plait__failures *f, struct plait_reactor *reactor, unsigned max, plait_span forgive,
                          size_t most);
void plait__failures_deinit(struct plait__failures *f);

/* Counts one in advance. Errors: PLAIT_ELIMIT (locked; nothing is counted), PLAIT_ENOMEM. */
plait_err plait__failures_count(struct plait__failures *f, plait_slice key) PLAIT_MUST;

/* Takes one back that was counted, or all of them. */
void plait__failures_take_back(struct plait__failures *f, plait_slice key, bool all);

#endif
