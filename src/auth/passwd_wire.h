/* SPDX-License-Identifier: MIT
 *
 * A password file's lines: "USER:HASH". Empty ones and those that begin with '#' mean nothing, and are kept.
 */
#ifndef PLAIT_AUTH_PASSWD_WIRE_H
#define PLAIT_AUTH_PASSWD_WIRE_H

#include <plait/bytes.h>

enum { PLAIT__PASSWD_LINE_MAX = 1000 };

/* Takes a line (without its end) apart. False: it names nobody. */
bool plait__passwd_line(plait_slice line, plait_slice *user, plait_slice *hash);

/* Whether a line can name such a user. */
bool plait__passwd_is_user(plait_slice user);

/* Whether somebody can have such a hash: none that is empty, or locked with '!' or '*' in front. */
bool plait__passwd_is_hash(plait_slice hash);

#endif
