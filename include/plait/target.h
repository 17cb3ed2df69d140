/* SPDX-License-Identifier: MIT
 *
 * What a relay may connect to on behalf of others. A proxy that connects wherever it is told lets strangers into the
 * network that it stands in; so its targets are judged by their addresses, after names were looked up, and the very
 * address that was judged is connected to.
 */
#ifndef PLAIT_TARGET_H
#define PLAIT_TARGET_H

#include <plait/address.h>

PLAIT_BEGIN

struct plait_reactor;
struct plait_target_rules;

/* What an address is. An IPv4 address inside an IPv6 one (mapped, translated, NAT64, 6to4) is judged as itself. */
enum plait_target_kind {
    PLAIT_TARGET_PUBLIC,      /* global unicast: what every network may be asked for */
    PLAIT_TARGET_LOOPBACK,    /* 127.0.0.0/8, ::1 */
    PLAIT_TARGET_UNSPECIFIED, /* 0.0.0.0/8, ::; the kernel takes them for its own host */
    PLAIT_TARGET_PRIVATE,     /* 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7, fec0::/10 */
    PLAIT_TARGET_LINK_LOCAL,  /* 169.254.0.0/16, fe80::/10; metadata services of clouds live there */
    PLAIT_TARGET_SHARED,      /* 100.64.0.0/10, behind a carrier's NAT */
    PLAIT_TARGET_MULTICAST,   /* 224.0.0.0/4, 255.255.255.255, ff00::/8 */
    PLAIT_TARGET_RESERVED, /* documentation, benchmarks, protocol assignments, NAT64 with a prefix of one's own … */
    PLAIT_TARGET_UNIX,     /* a UNIX socket */
    PLAIT_TARGET_NONE,     /* no address: never allowed */
    PLAIT_TARGET_KINDS
};

/** Tells what an address is. Source: RFC 6890 and the IANA special-purpose address registries; RFC 6052, RFC 8215,
 * RFC 3056. */
PLAIT_API enum plait_target_kind plait_target_kind_of(const struct plait_address *address);

/* Which targets are allowed. Lists have commas; their words are kinds ("loopback", "link-local", "private", "shared",
 * "multicast", "unspecified", "reserved", "unix", "public", "all") and networks ("10.1.0.0/16", "2001:db8::1"). A
 * network counts before any kind; what is refused counts before what is allowed. NULL is the default. */
struct plait_target_options {
    const char *allow;  /* beside what is public; nothing */
    const char *refuse; /* even so; nothing */
    const char *ports;  /* that may be connected to, "80,443,8000-8999"; all but 0 */
    void *reserved[4];
};

/** Makes rules. `options` may be NULL: public addresses, every port. Errors: PLAIT_ESYNTAX, PLAIT_ELIMIT (over 64
 * networks or 32 ranges of ports), PLAIT_ENOMEM. Ownership: one reference, the caller's; the texts are copied. */
PLAIT_API plait_err plait_target_rules_new(struct plait_reactor *reactor, const struct plait_target_options *options,
                                           struct plait_target_rules **out) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_target_rules *plait_target_rules_ref(struct plait_target_rules *rules);

/** Gives a reference up. Takes NULL and leaves NULL. */
PLAIT_API void plait_target_rules_unref(struct plait_target_rules **rules);

/** Judges an address with its port. `why` (may be NULL) gets a sentence when it is refused. Errors: PLAIT_EFORBIDDEN.
 * Ownership: `*why` is static. */
PLAIT_API plait_err plait_target_check(const struct plait_target_rules *rules, const struct plait_address *address,
                                       const char **why) PLAIT_MUST;

PLAIT_END
#endif
