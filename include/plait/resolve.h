/* SPDX-License-Identifier: MIT
 *
 * Names to addresses, through an interface that a reactor holds one of.
 */
#ifndef PLAIT_RESOLVE_H
#define PLAIT_RESOLVE_H

#include <plait/address.h>
#include <plait/deferred.h>

PLAIT_BEGIN

/* Value (ptr) of a look-up, in the order in which to try them. */
struct plait_addresses {
    size_t count;
    struct plait_address *address;
};

enum plait_family { PLAIT_ANY_FAMILY, PLAIT_ONLY_IP4, PLAIT_ONLY_IP6 };

/* A way to look names up. `resolve` fires with struct plait_addresses, or PLAIT_ENAMENOTFOUND, PLAIT_ENAMEFAILED. */
struct plait_resolver {
    struct plait_deferred *(*resolve)(struct plait_reactor *reactor, plait_slice name, enum plait_family family,
                                      void *ctx);
    void (*free)(void *ctx);
    void *ctx;
};

/** Gives a reactor its resolver; the one before is freed. Ownership: the resolver's ctx is the reactor's. */
PLAIT_API void plait_reactor_set_resolver(struct plait_reactor *reactor, struct plait_resolver resolver);

/** Looks a name up: literals at once, then the reactor's resolver. Ports of the addresses are 0. Errors:
 * PLAIT_ENAMENOTFOUND, PLAIT_ENAMEFAILED, PLAIT_EINVAL (no host name), PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new; the value (struct plait_addresses) goes with its destructor. Source: RFC 1123 section 2.1, RFC
 * 6724. */
PLAIT_API struct plait_deferred *plait_resolve(struct plait_reactor *reactor, plait_slice name,
                                               enum plait_family family) PLAIT_MUST;

/** Makes the value of a look-up from addresses. Errors: PLAIT_ENOMEM. Ownership: the value is the caller's. */
PLAIT_API plait_err plait_addresses_new(struct plait_reactor *reactor, const struct plait_address *from, size_t count,
                                        plait_value *out) PLAIT_MUST;

/** The system's resolver: /etc/hosts (read again when it changed), localhost by RFC 6761, then getaddrinfo in the
 * pool's names lane. Errors: PLAIT_ENOMEM. */
PLAIT_API plait_err plait_resolver_system(struct plait_reactor *reactor, struct plait_resolver *out) PLAIT_MUST;

PLAIT_END
#endif
