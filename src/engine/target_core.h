/* SPDX-License-Identifier: MIT
 *
 * Networks as lists name them, for the engine's own files.
 */
#ifndef PLAIT_ENGINE_TARGET_CORE_H
#define PLAIT_ENGINE_TARGET_CORE_H

#include <plait/target.h>

struct plait__net {
    struct plait_address address;
    unsigned bits;
};

/* Reads "192.0.2.0/24", "2001:db8::1". Errors: PLAIT_ESYNTAX. */
plait_err plait__net_parse(plait_slice text, struct plait__net *out) PLAIT_MUST;
/* Whether an address lies in one of the networks. */
bool plait__net_any(const struct plait__net *net, size_t count, const struct plait_address *address);

/* Goes through the words of a list with commas, blanks around them taken off; `*at` begins at 0. An empty list has one
 * empty word. Returns false behind the last one. */
bool plait__list_word(plait_slice list, size_t *at, plait_slice *word);

#endif
