/* SPDX-License-Identifier: MIT
 *
 * Endpoint kinds inside the library: the engine's own, for the room that puts a reactor together, and what the files
 * around endpoints share.
 */
#ifndef PLAIT_ENGINE_KINDS_H
#define PLAIT_ENGINE_KINDS_H

#include <plait/endpoint.h>

/* Registers tcp, tcp6, tls, ssl, unix, systemd, stdio, fd, exec and haproxy. Errors: PLAIT_ENOMEM. */
plait_err plait__endpoint_kinds_register(struct plait_reactor *r) PLAIT_MUST;

/* endpoint.c: the kind that somebody may have meant; NULL when none is near. */
const char *plait__endpoint_guess(const struct plait_endpoint_kind *kinds, const char *name, bool listens);

/* serve.c: finds the kind that an endpoint names, one that can listen or connect. */
plait_err plait__endpoint_kind_of(struct plait_endpoint *e, bool listens, const struct plait_endpoint_kind **kind)
    PLAIT_MUST;

#endif
