/* SPDX-License-Identifier: MIT
 *
 * Port forwarding: each connection that comes is carried on to one target, both ways, half by half.
 */
#ifndef PLAIT_FORWARD_H
#define PLAIT_FORWARD_H

#include <plait/listen.h>

PLAIT_BEGIN

/* What a target is told first of whom a connection is for. */
enum plait_forward_header {
    PLAIT_FORWARD_PLAIN,
    PLAIT_FORWARD_PROXY_V1, /* the PROXY protocol, version 1: a line */
    PLAIT_FORWARD_PROXY_V2,
};

/* The zero value of a member is its default. */
struct plait_forward_options {
    enum plait_forward_header header;
    plait_span idle; /* silence both ways that ends a connection; 1 h */
    /* To the target: timeout (10 s), source, TLS context …; texts are copied, references taken. `preface` and the
     * callbacks are not used. */
    struct plait_connect_options connect;
    void *reserved[4];
};

/** Makes a service that carries each connection on to an endpoint, "tcp:10.0.0.1:80", "tls:example.org:443",
 * "unix:/run/app": what comes is read once the target is there, and as fast as it takes it; the end of one side's
 * output ends the other's, and the other half goes on. A target that can't be reached, or breaks off, resets the
 * connection. `options` may be NULL. `why` (may be NULL, else 200 bytes) gets a sentence on failure. Errors:
 * PLAIT_ESYNTAX (the endpoint), PLAIT_ETOOLONG, PLAIT_ENOMEM. Ownership: the service is the caller's until a
 * plait_serve takes it. Source: the PROXY protocol, versions 1 and 2. */
PLAIT_API plait_err plait_forward_new(struct plait_reactor *reactor, const char *target,
                                      const struct plait_forward_options *options, struct plait_service **out,
                                      char *why) PLAIT_MUST;

PLAIT_END
#endif
