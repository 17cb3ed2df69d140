/* SPDX-License-Identifier: MIT
 *
 * The small services of old: echo, discard, daytime, time, chargen, qotd, and an echo of netstrings. Over streams, and
 * over datagrams where a reply is never larger than the request, so that none of them can be made to flood somebody
 * else.
 */
#ifndef PLAIT_SMALL_H
#define PLAIT_SMALL_H

#include <plait/datagram.h>
#include <plait/listen.h>

PLAIT_BEGIN

enum plait_small {
    PLAIT_ECHO,           /* RFC 862 */
    PLAIT_DISCARD,        /* RFC 863 */
    PLAIT_CHARGEN,        /* RFC 864 */
    PLAIT_QOTD,           /* RFC 865 */
    PLAIT_DAYTIME,        /* RFC 867 */
    PLAIT_TIME,           /* RFC 868 */
    PLAIT_NETSTRING_ECHO, /* answers each netstring with the same; streams only */
};

/* The zero value of every member is its default. */
struct plait_small_options {
    const char *quote;    /* of the day, cut to 509 bytes; static. NULL: one of our own */
    plait_span idle;      /* a connection that is silent so long is closed; 5 minutes */
    size_t netstring_max; /* bytes; 65,536 */
    void *reserved[4];
};

/** Makes one of the small services for streams. `options` may be NULL. Returns NULL when there is no memory. Ownership:
 * as plait_service_new. Source: RFC 862 to 868. */
PLAIT_API struct plait_service *plait_small_service(struct plait_reactor *reactor, enum plait_small which,
                                                    const struct plait_small_options *options) PLAIT_MUST;

/** Opens one of the small services for datagrams at an address. Errors: PLAIT_EUNSUPPORTED (netstrings), and as
 * plait_datagram_open. Ownership: `*out` is the caller's, ended with plait_small_datagram_close. Source: RFC 862 to
 * 868. */
struct plait_small_datagram;
PLAIT_API plait_err plait_small_datagram_open(struct plait_reactor *reactor, enum plait_small which,
                                              const struct plait_address *bind,
                                              const struct plait_small_options *options,
                                              struct plait_small_datagram **out) PLAIT_MUST;

/** Address that a small datagram service is bound to. */
PLAIT_API void plait_small_datagram_address(const struct plait_small_datagram *small, struct plait_address *out);

/** Ends a small datagram service. Takes NULL and leaves NULL. */
PLAIT_API void plait_small_datagram_close(struct plait_small_datagram **small);

/** Name of a small service as in /etc/services, "echo". Ownership: the text is static. */
PLAIT_API const char *plait_small_name(enum plait_small which);

/** Finds a small service by name. Errors: PLAIT_ENOTFOUND. */
PLAIT_API plait_err plait_small_of_name(plait_slice name, enum plait_small *out) PLAIT_MUST;

PLAIT_END
#endif
