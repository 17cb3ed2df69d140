/* SPDX-License-Identifier: MIT
 *
 * A portal, and a login on its way through it.
 */
#ifndef PLAIT_AUTH_PORTAL_CORE_H
#define PLAIT_AUTH_PORTAL_CORE_H

#include "auth/auth_core.h"

struct plait_portal {
    struct plait_reactor *reactor;
    size_t refs; /* the owners', and each login's */
    struct plait_portal_options options;
    struct plait__list checkers;
    struct plait__failures users, addresses;
    size_t logins;
};

#endif
