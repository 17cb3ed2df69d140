/* SPDX-License-Identifier: MIT
 *
 * The inside of resolving, for the engine's own files.
 */
#ifndef PLAIT_ENGINE_RESOLVE_CORE_H
#define PLAIT_ENGINE_RESOLVE_CORE_H

#include "engine/core.h"
#include "engine/hosts_wire.h"

#include <plait/resolve.h>

/* Whether an address is of a family that was asked for. */
bool plait__family_has(enum plait_family family, const struct plait_address *address);

/* A deferred that has fired with addresses. NULL: no memory. */
struct plait_deferred *plait__addresses_fire(struct plait_reactor *r, const struct plait_address *from, size_t count);

/* The system's resolver with the hosts file at a path that lives as long as it. */
plait_err plait__resolver_of(struct plait_reactor *r, const char *hosts_path, struct plait_resolver *out);

/* getaddrinfo_kernel.c: the C library's look-up, for a pool thread: no reactor in it. `name` is terminated. */
plait_err plait__getaddrinfo(const char *name, enum plait_family family, struct plait_address *out, size_t max,
                             size_t *count);
/* What an EAI_ code means. */
plait_err plait__getaddrinfo_error(int code);

#endif
