/* SPDX-License-Identifier: MIT
 *
 * Errors are values. Every function that can fail returns a plait_err; every object that can end early ends with a
 * plait_fault. The list below is the only one: a name, a class and a sentence each.
 */
#ifndef PLAIT_ERR_H
#define PLAIT_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PLAIT_BEGIN extern "C" {
#define PLAIT_END }
#else
#define PLAIT_BEGIN
#define PLAIT_END
#endif

#define PLAIT_API __attribute__((visibility("default")))
#define PLAIT_MUST __attribute__((warn_unused_result))
#define PLAIT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

PLAIT_BEGIN

/* What kind of thing went wrong; the caller's next step depends on the class more than on the name. */
enum plait_err_class {
    PLAIT_CLASS_OK,        /* nothing is wrong */
    PLAIT_CLASS_AGAIN,     /* not now; the same call can succeed later */
    PLAIT_CLASS_CLOSED,    /* an orderly end */
    PLAIT_CLASS_IO,        /* the network or the operating system failed */
    PLAIT_CLASS_PEER,      /* the peer broke its protocol */
    PLAIT_CLASS_LIMIT,     /* a limit or budget was reached */
    PLAIT_CLASS_REFUSED,   /* somebody said no: a peer, a policy, a permission */
    PLAIT_CLASS_USAGE,     /* the caller's own mistake: an argument, a state, a piece of text */
    PLAIT_CLASS_NOMEM,     /* no memory, or a budget of memory is spent */
    PLAIT_CLASS_CANCELLED, /* somebody asked for the end */
    PLAIT_CLASS_TIMEOUT,   /* time ran out */
};

#define PLAIT_ERR_LIST(X)                                                                                              \
    X(OK, OK, "no error")                                                                                              \
    X(EAGAIN, AGAIN, "not ready yet")                                                                                  \
    X(EBUSY, AGAIN, "busy with another operation")                                                                     \
    X(EEOF, CLOSED, "the peer ended its side of the stream")                                                           \
    X(ECLOSED, CLOSED, "the stream is closed")                                                                         \
    X(EDRAINING, CLOSED, "the service is stopping")                                                                    \
    X(EIO, IO, "input or output failed")                                                                               \
    X(ERESET, IO, "the peer reset the connection")                                                                     \
    X(EPIPE, IO, "the peer no longer reads")                                                                           \
    X(EUNREACHABLE, IO, "there is no route to the peer")                                                               \
    X(ENETTIMEDOUT, IO, "the network gave up waiting for the peer")                                                    \
    X(EADDRINUSE, IO, "the address is already in use")                                                                 \
    X(EADDRNOTAVAIL, IO, "the address is not available on this machine")                                               \
    X(ENOTFOUND, IO, "it does not exist")                                                                              \
    X(EEXISTS, IO, "it exists already")                                                                                \
    X(ENAMENOTFOUND, IO, "the name does not exist")                                                                    \
    X(ENAMEFAILED, IO, "the name could not be looked up")                                                              \
    X(ENOSPACE, IO, "there is no space left")                                                                          \
    X(EEXITED, IO, "the process has already exited")                                                                   \
    X(ETLS, IO, "the TLS connection failed")                                                                           \
    X(ETLSTRUNCATED, IO, "the TLS connection ended without close_notify")                                              \
    X(EPROTOCOL, PEER, "the peer broke the protocol")                                                                  \
    X(EMALFORMED, PEER, "the message is malformed")                                                                    \
    X(ECLEARTEXT, PEER, "bytes in the clear came behind STARTTLS")                                                     \
    X(ETRUNCATED, PEER, "the message ended early")                                                                     \
    X(ELIMIT, LIMIT, "a limit was exceeded")                                                                           \
    X(ETOOLONG, LIMIT, "the message is longer than allowed")                                                           \
    X(EMSGSIZE, LIMIT, "the datagram is larger than the network takes")                                                \
    X(EDESCRIPTORS, LIMIT, "no descriptor is left")                                                                    \
    X(EOVERLOAD, LIMIT, "too many connections")                                                                        \
    X(EPEERSTALLED, LIMIT, "the peer accepted no byte for too long")                                                   \
    X(ETOOSLOW, LIMIT, "the peer is slower than allowed")                                                              \
    X(EREFUSED, REFUSED, "the connection was refused")                                                                 \
    X(EACCESS, REFUSED, "permission denied")                                                                           \
    X(EFORBIDDEN, REFUSED, "policy forbids it")                                                                        \
    X(EVERIFY, REFUSED, "the certificate could not be verified")                                                       \
    X(EREPLY, REFUSED, "the peer answered with an error")                                                              \
    X(EINVAL, USAGE, "an argument is not valid")                                                                       \
    X(ESYNTAX, USAGE, "the text could not be understood")                                                              \
    X(ESTATE, USAGE, "the call does not fit the state")                                                                \
    X(EUNSUPPORTED, USAGE, "it is not supported here")                                                                 \
    X(ENOMEM, NOMEM, "out of memory or over the memory budget")                                                        \
    X(ECANCELLED, CANCELLED, "cancelled")                                                                              \
    X(ETIMEDOUT, TIMEOUT, "the deadline passed")

/* Every error there is. PLAIT_OK is zero. */
typedef enum plait_err {
#define PLAIT_ERR_NAME(name, cls, text) PLAIT_##name,
    PLAIT_ERR_LIST(PLAIT_ERR_NAME)
#undef PLAIT_ERR_NAME
        PLAIT_ERR_COUNT
} plait_err;

struct plait_address;

/* How and where something ended. A fault is a plain value: copy it freely. `step`, `detail` and `peer` are borrowed:
 * the strings are static or live as long as the object that reported the fault; they may be NULL. */
struct plait_fault {
    plait_err err;                    /* PLAIT_OK where nothing went wrong */
    int os_errno;                     /* errno of the failing system call, or 0 */
    int tls_alert;                    /* TLS alert number sent or received (RFC 8446 section 6), or -1 */
    bool retry;                       /* the same attempt may succeed later */
    uint64_t bytes_done;              /* how far the operation got */
    const char *step;                 /* resolve, connect, handshake, send, receive, a protocol's own word */
    const char *detail;               /* one more sentence in the protocol's own words */
    const struct plait_address *peer; /* whom it happened with, as far as that is known: who refused a connect */
};

/** Name of an error as written in this header without its prefix, such as "ETIMEDOUT".
 * Ownership: the text is static. */
PLAIT_API const char *plait_err_name(plait_err err);

/** One sentence in English for an error, without a full stop.
 * Ownership: the text is static. */
PLAIT_API const char *plait_err_text(plait_err err);

/** Class of an error. */
PLAIT_API enum plait_err_class plait_err_class_of(plait_err err);

/** Error that stands for an operating system's errno; 0 gives PLAIT_OK and an unknown number PLAIT_EIO. */
PLAIT_API plait_err plait_err_from_errno(int os_errno);

/** Fault made of an error and the step at which it came; the other members are empty. */
PLAIT_API struct plait_fault plait_fault_make(plait_err err, const char *step);

/** Fault made of an errno and the step at which it came; its error is plait_err_from_errno(os_errno). */
PLAIT_API struct plait_fault plait_fault_os(int os_errno, const char *step);

/** Writes a fault as one line of text, "connect: the connection was refused (ECONNREFUSED)", always terminated.
 * Returns the length that the whole text needs, as snprintf does. */
PLAIT_API size_t plait_fault_format(const struct plait_fault *fault, char *out, size_t out_bytes);

PLAIT_END
#endif
