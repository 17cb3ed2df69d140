/* SPDX-License-Identifier: MIT
 *
 * An address is a value: IPv4, IPv6 with its scope, a UNIX socket's path or abstract name, or none.
 */
#ifndef PLAIT_ADDRESS_H
#define PLAIT_ADDRESS_H

#include <plait/bytes.h>

PLAIT_BEGIN

enum plait_address_kind {
    PLAIT_ADDR_NONE,     /* an unnamed UNIX socket, a pipe, a pair */
    PLAIT_ADDR_IP4,      /* ip[0..4) */
    PLAIT_ADDR_IP6,      /* ip[0..16), scope */
    PLAIT_ADDR_UNIX,     /* name */
    PLAIT_ADDR_ABSTRACT, /* name, without the leading NUL; may hold any byte */
};

#define PLAIT_ADDR_NAME_MAX 107 /* bytes of a UNIX socket's name (unix(7): sun_path less the terminator) */

struct plait_address {
    enum plait_address_kind kind;
    uint16_t port;                      /* host order */
    uint8_t name_len;                   /* bytes of `name` */
    uint32_t scope;                     /* interface index of a link-local IPv6 address, or 0 */
    uint8_t ip[16];                     /* network order */
    char name[PLAIT_ADDR_NAME_MAX + 1]; /* terminated */
};

#define PLAIT_ADDR_TEXT_MAX 160 /* bytes that plait_address_format needs at most, with the terminator */

/** Writes an address as text: "192.0.2.1:80", "[2001:db8::1%2]:80", "unix:/run/x", "unix:@name" (other bytes escaped),
 * "-". Returns `out`. Ownership: the caller's memory of PLAIT_ADDR_TEXT_MAX bytes. Source: RFC 5952, RFC 4007 section
 * 11. */
PLAIT_API const char *plait_address_format(const struct plait_address *addr, char out[PLAIT_ADDR_TEXT_MAX]);

/** Writes only the IP address or name, without the port and without brackets.
 * Returns `out`. Ownership: the caller's memory of PLAIT_ADDR_TEXT_MAX bytes. */
PLAIT_API const char *plait_address_format_host(const struct plait_address *addr, char out[PLAIT_ADDR_TEXT_MAX]);

/** Reads a literal IPv4 (exactly three dots) or IPv6 address, that one with or without brackets and a numeric scope.
 * Errors: PLAIT_ESYNTAX. Source: RFC 4291 section 2.2, RFC 4007 section 11. */
PLAIT_API plait_err plait_address_parse_ip(plait_slice text, uint16_t port, struct plait_address *out) PLAIT_MUST;

/** Makes a UNIX address; a leading '@' or NUL means an abstract name. Errors: PLAIT_ETOOLONG, PLAIT_EINVAL (empty). */
PLAIT_API plait_err plait_address_unix(plait_slice name, struct plait_address *out) PLAIT_MUST;

/** Whether two addresses are the same, port and scope included. */
PLAIT_API bool plait_address_equal(const struct plait_address *a, const struct plait_address *b);

/** Whether an IP address is one of this host's own loopback (127/8, ::1, and the same mapped into IPv6). */
PLAIT_API bool plait_address_is_loopback(const struct plait_address *addr);

/** Whether an IP address lies in a network written as "192.0.2.0/24" or "2001:db8::/32"; a mapped IPv4 address counts
 * as IPv4. `bits` is the prefix's length. */
PLAIT_API bool plait_address_in(const struct plait_address *addr, const struct plait_address *net, unsigned bits);

PLAIT_END
#endif
