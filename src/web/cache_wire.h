/* SPDX-License-Identifier: MIT
 *
 * What messages say to caches, and what follows from it (RFC 9111 sections 3, 4.2 and 5, RFC 5861). Pure: no request,
 * no clock. Times are in seconds.
 */
#ifndef PLAIT_WEB_CACHE_WIRE_H
#define PLAIT_WEB_CACHE_WIRE_H

#include <plait/bytes.h>

enum { PLAIT__CACHE_SECONDS_MAX = 0x7fffffff }; /* longer times count as this (RFC 9111 section 1.2.2) */

/* Directives of Cache-Control, of a request or an answer. A time that is not there is -1; one that is no number is 0,
 * which makes what it speaks of stale. */
struct plait__cache_control {
    bool any; /* there was a field */
    bool no_store, no_cache, is_private, is_public, must_revalidate, proxy_revalidate, must_understand, only_if_cached;
    int64_t max_age, s_maxage, min_fresh, max_stale, stale_while_revalidate, stale_if_error;
};

void plait__cache_control_init(struct plait__cache_control *cc);

/* Adds a field's value; of a directive that comes twice the first counts. */
void plait__cache_control_add(struct plait__cache_control *cc, plait_slice value);

/* Whether the value of a targeted field is a dictionary (RFC 8941 section 3.2) of what directives can be: integers and
 * truths. One that is not is to be ignored (RFC 9213 section 2.1). */
bool plait__cache_control_is_targeted(plait_slice value);

/* Reads Age: the first of a list; false where it is no number. */
bool plait__cache_age(plait_slice value, int64_t *out);

/* An answer as a cache sees it. */
struct plait__cache_facts {
    struct plait__cache_control cc;
    int status;
    int64_t date;     /* when it was made: its Date, or when it came */
    bool has_expires; /* and `expires`, in the past where it can't be read */
    int64_t expires;
    int64_t modified; /* Last-Modified, or -1 */
    bool has_tag;     /* ETag */
};

/* Whether a shared cache may keep an answer; `authorized`: its request had Authorization. */
bool plait__cache_may_store(const struct plait__cache_facts *facts, bool authorized);

/* Whether an answer may serve requests that had Authorization (section 3.5). */
bool plait__cache_is_shared(const struct plait__cache_control *cc);

/* How long an answer is fresh for from its making on. Without a statement: so many per cent of the time since its last
 * change, a day at most. */
int64_t plait__cache_lifetime(const struct plait__cache_facts *facts, unsigned percent);

/* Whether an answer may be used when it is stale without being asked about. */
bool plait__cache_may_be_stale(const struct plait__cache_control *cc);

/* Whether an answer of `age` that is fresh for `lifetime` does for a request. */
bool plait__cache_suffices(const struct plait__cache_control *answer, const struct plait__cache_control *request,
                           int64_t age, int64_t lifetime);

#endif
