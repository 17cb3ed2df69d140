/* SPDX-License-Identifier: MIT
 *
 * What a site wants around its resources: compression, redirections, hosts by name, error pages, pages about its
 * health, an access log, limits. All of it is made of layers and filters (plait/web.h).
 */
#ifndef PLAIT_SITE_H
#define PLAIT_SITE_H

#include <plait/web.h>

PLAIT_BEGIN

/* The zero value of a member is its default. */
struct plait_compress_options {
    size_t least;   /* bytes from which on it is worth it; 1024 */
    int level;      /* 1 to 9; gzip 5, brotli 4 */
    bool no_brotli; /* gzip only */
    void *reserved[4];
};

/** Compresses answers of a resource and below with brotli or gzip, where the client takes it and the type shrinks; not
 * parts (Range), not what says no-transform. What is compressed has a weak ETag and Vary. Without memory an answer goes
 * as it is. Errors: PLAIT_ENOMEM, plait_resource_wrap's; kept as its. Source: RFC 9110 section 8.4. */
PLAIT_API plait_err plait_compress_wrap(struct plait_resource *resource, const struct plait_compress_options *options);

/** Makes a resource that sends everything at and below it to a target: what is left of the path and the query are
 * appended. `status` 0 is 308. Returns NULL when there is no memory; a status that is none of 301 to 308 is kept as a
 * failure. Ownership: one reference, the caller's; `target` is copied. Source: RFC 9110 section 15.4. */
PLAIT_API struct plait_resource *plait_redirect_new(struct plait_reactor *reactor, const char *target, int status)
    PLAIT_MUST;

/* The zero value of a member is its default. */
struct plait_https_options {
    uint16_t port;   /* of TLS; 443 */
    bool temporary;  /* 307 instead of 308 */
    plait_span hsts; /* how long browsers are to use TLS only; 0: they are not told */
    bool subdomains; /* that holds for all below the name */
    bool preload;
    void *reserved[4];
};

/** Sends requests in the clear to the same place over TLS, and tells browsers to come that way. Errors: PLAIT_ENOMEM,
 * plait_resource_wrap's; kept as its. Source: RFC 6797. */
PLAIT_API plait_err plait_https_wrap(struct plait_resource *resource, const struct plait_https_options *options);

/** Makes a resource that hands requests to sites by their host; one that has no site is 421. Returns NULL when there is
 * no memory. Ownership: one reference, the caller's. */
PLAIT_API struct plait_resource *plait_hosts_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Adds a site for "example.org", "*.example.org" (names below it) or "*" (all others). A failure is kept. Errors:
 * PLAIT_EINVAL (the name; no hosts), PLAIT_ELIMIT (over 1,024), PLAIT_ESTATE (building the site failed), PLAIT_ENOMEM.
 * Ownership: the site's reference is taken, also on failure; NULL counts as PLAIT_ENOMEM. */
PLAIT_API plait_err plait_hosts_add(struct plait_resource *hosts, const char *name, struct plait_resource *site);

/** Changes paths below a resource that begin with `from` to begin with `to`; without slashes in front. Errors:
 * PLAIT_ENOMEM, plait_resource_wrap's; kept as its. */
PLAIT_API plait_err plait_rewrite_wrap(struct plait_resource *resource, const char *from, const char *to);

/** Shows a page instead of our own error page of a status (400 to 599; 0: of all that have none). Errors: PLAIT_EINVAL,
 * PLAIT_ENOMEM, plait_resource_wrap's; kept as its. Ownership: everything is copied. */
PLAIT_API plait_err plait_error_page(struct plait_resource *resource, int status, const char *type, plait_slice body);

/** Makes a resource with two pages: "live", and "ready", which is 503 while the reactor drains and also answers for the
 * resource itself. Returns NULL when there
 * is no memory. Ownership: one reference, the caller's. */
PLAIT_API struct plait_resource *plait_health_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Makes a resource that shows the reactor's metrics. Returns NULL when there is no memory. Ownership: one reference,
 * the caller's. Source: OpenMetrics 1.0.0. */
PLAIT_API struct plait_resource *plait_metrics_page_new(struct plait_reactor *reactor) PLAIT_MUST;

/* The zero value of a member is its default. */
struct plait_rate_options {
    double rate;    /* requests a second and client; must be set */
    unsigned burst; /* that may come at once; as many as come in a second, at least one */
    size_t clients; /* that are remembered; 10,000 */
    void *reserved[4];
};

/** Limits how many requests a client (an IPv4 address, an IPv6 network of 64 bits) may send: more are 429 with
 * Retry-After. Errors: PLAIT_EINVAL (no rate), PLAIT_ENOMEM, plait_resource_wrap's; kept as its. Source: RFC 6585. */
PLAIT_API plait_err plait_rate_wrap(struct plait_resource *resource, const struct plait_rate_options *options);

/** Limits how many requests may be under way at a resource and below: more are 503 with Retry-After. Errors:
 * PLAIT_ENOMEM, plait_resource_wrap's; kept as its. */
PLAIT_API plait_err plait_in_flight_wrap(struct plait_resource *resource, size_t most);

struct plait_access_log;
enum plait_access_form { PLAIT_ACCESS_COMBINED, PLAIT_ACCESS_JSON };

/** Opens an access log: a line a request in the combined form, or a JSON object; "-" is standard output. Lines are
 * written by the pool, once a second; when the disk can't follow they are dropped and counted. What clients sent is
 * escaped. Errors: PLAIT_EACCESS, PLAIT_ENOTFOUND and the like, PLAIT_ENOMEM. Ownership: the reactor's, with which it
 * ends. */
PLAIT_API plait_err plait_access_log_new(struct plait_reactor *reactor, const char *path, enum plait_access_form form,
                                         struct plait_access_log **out) PLAIT_MUST;

/** Writes a line: `log` and `log_ctx` of plait_http_options. */
PLAIT_API void plait_access_log_write(const struct plait_http_access *access, void *log);

/** Opens the file anew, as one does after it was moved away; until that works the old one goes on. */
PLAIT_API void plait_access_log_reopen(struct plait_access_log *log);

/** Writes what waits and closes the file, before the reactor's end; only when no service writes to it any more. Takes
 * NULL and leaves NULL. */
PLAIT_API void plait_access_log_free(struct plait_access_log **log);

PLAIT_END
#endif
