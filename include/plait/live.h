/* SPDX-License-Identifier: MIT
 *
 * The live page: what a reactor does right now, for the person who runs it. A page, the stream of events that moves it,
 * and the same as JSON for scripts. It looks and changes nothing.
 *
 * Pages of other sites run in the same browser, so that "only from this machine" alone keeps nobody out: a request must
 * name a host that is known to be ours (else a name of theirs could lead here), and must not come from a page of
 * another origin.
 */
#ifndef PLAIT_LIVE_H
#define PLAIT_LIVE_H

#include <plait/web.h>

PLAIT_BEGIN

/* The zero value of a member is its default. */
struct plait_live_options {
    /* Names that the page may be asked for by, with commas between, beside IP addresses and localhost. Copied. */
    const char *hosts;
    /* Who may come in. Without it the page is for this machine: requests from elsewhere, or that a proxy passed on, are
     * 403 unless a layer around the page has authenticated their user. Copied. */
    const struct plait_auth_options *auth;
    void *reserved[4];
};

/** Makes a resource with the live page, to be mounted where it is wanted: "" (the page), "state" (JSON) and "events".
 * It notes the reactor's numbers once a second, of which it keeps ten minutes, and the last 32 warnings and errors of
 * its log. Returns NULL when there is no memory. Wrong options are kept as a failure: plait_http then gives NULL.
 * `options` may be NULL. Ownership: one reference, the caller's. Source: Fetch Metadata Request Headers, Content
 * Security Policy Level 3. */
PLAIT_API struct plait_resource *plait_live_new(struct plait_reactor *reactor, const struct plait_live_options *options)
    PLAIT_MUST;

PLAIT_END
#endif
