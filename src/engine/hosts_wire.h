/* SPDX-License-Identifier: MIT
 *
 * Host names and the hosts file as text (hosts(5)).
 */
#ifndef PLAIT_ENGINE_HOSTS_WIRE_H
#define PLAIT_ENGINE_HOSTS_WIRE_H

#include <plait/address.h>

#define PLAIT__HOST_NAME_MAX 253 /* RFC 1035 section 2.3.4, without the root's dot */

/* Whether a name can be a host's: labels of letters, digits, hyphens and underscores, none that begins or ends with a
 * hyphen, the last one not a number (RFC 1123 section 2.1: else it could be taken for an address). One dot may end
 * it. */
bool plait__host_name_ok(plait_slice name);

/* The name without the dot that may end it. */
plait_slice plait__host_name_bare(plait_slice name);

/* Whether a name is localhost or ends in it (RFC 6761 section 6.3). */
bool plait__host_name_is_local(plait_slice name);

/* Where a reader of a hosts file stands. */
struct plait__hosts {
    struct plait_scan file; /* lines that are not read yet */
    struct plait_scan line; /* names of this line that are not read yet */
    struct plait_address address;
};

/* Reads from the start of a file. Borrows the text. */
struct plait__hosts plait__hosts_of(plait_slice text);

/* Next pair of an address and one of its names; false at the end. What is malformed is skipped: a line without an
 * address, a name that cannot be one. */
bool plait__hosts_next(struct plait__hosts *hosts, struct plait_address *address, plait_slice *name);

#endif
