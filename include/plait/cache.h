/* SPDX-License-Identifier: MIT
 *
 * A response cache: a layer that keeps answers of what is below it in memory, and gives them again for as long as they
 * say. It is a shared cache.
 */
#ifndef PLAIT_CACHE_H
#define PLAIT_CACHE_H

#include <plait/web.h>

PLAIT_BEGIN

/* The zero value of a member is its default. */
struct plait_cache_options {
    size_t memory;    /* bytes of all that is kept; 64 MiB. What was used longest ago goes first */
    size_t entry_max; /* bytes of one answer's body; an eighth of `memory` */
    /* An answer that says nothing of its age is fresh for so many per cent of the time since its Last-Modified, a day
     * at most; 0: it is asked about each time */
    unsigned heuristic_percent;
    void *reserved[5];
};

/** Puts a cache around a resource and what is below it. Requests for one answer that is not there wait for one another:
 * only the first goes on. Answers are given as Cache-Control, Expires, Vary and the request say, revalidated by ETag
 * and Last-Modified, and told of in Cache-Status and Age; ranges and HEAD are answered from whole ones. Methods that
 * change something go through, and what they speak of is forgotten. Put it inside of layers that compress, limit or ask
 * who somebody is. Errors: PLAIT_EINVAL (`entry_max` over `memory`, a percentage over 100), PLAIT_ENOMEM,
 * plait_resource_wrap's; kept as its. Source: RFC 9111, RFC 5861, RFC 9211, RFC 9213. */
PLAIT_API plait_err plait_cache_wrap(struct plait_resource *resource, const struct plait_cache_options *options);

PLAIT_END
#endif
