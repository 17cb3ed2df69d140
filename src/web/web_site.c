/* SPDX-License-Identifier: MIT
 *
 * Where a request belongs: redirections of a whole tree, hosts by name, paths rewritten, everything over TLS.
 *
 * Invariant: a redirection's target is made of what the site's owner wrote and of the request's own path, encoded anew,
 * so that no path leads to another host. Test: tests/web/test_web_site.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "web/web_layer.h"

#include <stdio.h>

enum { LOCATION_MAX = 16384, HOSTS_MAX = 1024 };

static void *own_new(struct plait_resource *resource, size_t bytes)
{
    return resource ? plait_mem_new(plait_reactor_budget(plait__resource_reactor(resource)), bytes) : NULL;
}

static void own_free(void *ctx)
{
    plait_mem_free(ctx);
}

/* --- redirections ------------------------------------------------------------------------------------------------- */

struct redirect {
    int status;
    size_t len;
    char target[];
};

static void put_query(struct plait_buf *out, const struct plait_request *req)
{
    if (!req->query.ptr)
        return;
    plait_buf_put_u8(out, '?');
    plait_buf_put(out, req->query);
}

static void send_away(struct plait_request *req, int status, struct plait_buf *location)
{
    if (location->err)
        plait_reply_error(req, 414, NULL);
    else
        plait_reply_redirect(req, status, plait_buf_slice(location));
    plait_buf_deinit(location);
}

static void redirect(struct plait_request *req, void *ctx)
{
    const struct redirect *r = ctx;
    struct plait_buf location;
    plait_slice rest = req->rest;
    plait_buf_init(&location, plait_reactor_budget(req->web->reactor), LOCATION_MAX);
    plait_buf_put(&location, plait_slice_of(r->target, r->len));
    if (rest.len && r->len && r->target[r->len - 1] != '/')
        plait_buf_put_u8(&location, '/');
    while (rest.len && rest.ptr[0] == '/')
        rest = plait_slice_sub(rest, 1, rest.len); /* "//host" would be another host */
    plait_percent_encode(&location, rest, "/!$&'()*+,;=:@");
    put_query(&location, req);
    send_away(req, r->status, &location);
}

struct plait_resource *plait_redirect_new(struct plait_reactor *reactor, const char *target, int status)
{
    struct plait_resource *resource = plait_resource_new(reactor);
    const size_t len = strlen(target);
    struct redirect *r = own_new(resource, sizeof(*r) + len);
    if (!r || plait_resource_own(resource, r, own_free) != PLAIT_OK) {
        plait_mem_free(r);
        plait_resource_unref(&resource);
        return NULL;
    }
    r->status = status ? status : 308;
    r->len = len;
    if (len)
        memcpy(r->target, target, len);
    plait_resource_leaf(resource);
    if (plait_resource_on(resource, "*", "", redirect, r) != PLAIT_OK || status < 0 ||
        (status && (status < 301 || status > 308)))
        plait__resource_fail(resource);
    return resource;
}

/* --- over TLS ----------------------------------------------------------------------------------------------------- */

struct https {
    struct plait_https_options options;
    char hsts[96];
};

/* The host without its port; a bracketed address keeps its brackets. */
static plait_slice host_name(plait_slice host)
{
    const size_t bracket = plait_slice_find_byte(host, ']', 0);
    const size_t colon = plait_slice_find_byte(host, ':', bracket == SIZE_MAX ? 0 : bracket);
    return plait_slice_sub(host, 0, colon);
}

static void to_https(struct plait_request *req, void *ctx)
{
    const struct https *h = ctx;
    const plait_slice host = host_name(req->host), target = plait_request_target(req);
    struct plait_buf location;
    if (plait_request_tls(req)) {
        if (h->hsts[0])
            (void)plait_reply_field(req, "Strict-Transport-Security", plait_slice_text(h->hsts));
        plait_request_pass(req);
        return;
    }
    if (host.len == 0 || target.ptr[0] != '/') {
        plait_reply_error(req, 400, "This server speaks TLS only.");
        return;
    }
    plait_buf_init(&location, plait_reactor_budget(req->web->reactor), LOCATION_MAX);
    plait_buf_put(&location, PLAIT_LIT("https://"));
    plait_buf_put(&location, host);
    if (h->options.port != 443)
        plait_buf_printf(&location, ":%u", (unsigned)h->options.port);
    plait_buf_put(&location, target);
    send_away(req, h->options.temporary ? 307 : 308, &location);
}

static const struct plait_layer https_layer = {.name = "https", .request = to_https, .destroy = own_free};

plait_err plait_https_wrap(struct plait_resource *resource, const struct plait_https_options *options)
{
    static const struct plait_https_options defaults;
    struct https *h = own_new(resource, sizeof(*h));
    if (!h) {
        plait__resource_fail(resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    h->options = options ? *options : defaults;
    h->options.port = h->options.port ? h->options.port : 443;
    if (h->options.hsts > 0)
        (void)snprintf(h->hsts, sizeof(h->hsts), "max-age=%lld%s%s", (long long)(h->options.hsts / plait_seconds(1)),
                       h->options.subdomains ? "; includeSubDomains" : "", h->options.preload ? "; preload" : "");
    return plait_resource_wrap(resource, &https_layer, h);
}

/* --- hosts by name ------------------------------------------------------------------------------------------------ */

struct host {
    struct plait_resource *resource;
    size_t len;
    char name[256]; /* in lower case; ".example.org" for "*.example.org" */
};

struct hosts {
    struct plait_reactor *reactor;
    struct host *host;
    size_t count, cap;
    struct plait_resource *other; /* "*" */
};

static void hosts_free(void *ctx)
{
    struct hosts *h = ctx;
    for (size_t i = 0; i < h->count; i++)
        plait_resource_unref(&h->host[i].resource);
    plait_resource_unref(&h->other);
    plait_mem_free(h->host);
    plait_mem_free(h);
}

/* An exact name before the longest wildcard that fits. */
static struct plait_resource *find_host(const struct hosts *h, plait_slice name)
{
    struct plait_resource *best = h->other;
    size_t most = 0;
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--; /* a fully qualified name */
    for (size_t i = 0; i < h->count; i++) {
        const struct host *at = &h->host[i];
        const plait_slice own = plait_slice_of(at->name, at->len);
        const bool wild = at->name[0] == '.';
        if (!wild && plait_slice_equal_nocase(own, name))
            return at->resource;
        if (wild && at->len > most && name.len > at->len &&
            plait_slice_equal_nocase(own, plait_slice_sub(name, name.len - at->len, name.len))) {
            most = at->len;
            best = at->resource;
        }
    }
    return best;
}

static void to_host(struct plait_request *req, void *ctx)
{
    struct plait_resource *resource = find_host(ctx, host_name(req->host));
    if (resource)
        plait_request_pass_to(req, resource);
    else
        plait_reply_error(req, 421, "No such site is served here."); /* RFC 9110 section 15.5.20 */
}

static const struct plait_layer hosts_layer = {.name = "hosts", .request = to_host, .destroy = hosts_free};

struct plait_resource *plait_hosts_new(struct plait_reactor *reactor)
{
    struct plait_resource *resource = plait_resource_new(reactor);
    struct hosts *h = own_new(resource, sizeof(*h));
    if (!h) {
        plait_resource_unref(&resource);
        return NULL;
    }
    h->reactor = reactor;
    if (plait_resource_wrap(resource, &hosts_layer, h) != PLAIT_OK)
        plait_resource_unref(&resource);
    return resource;
}

static plait_err host_put(struct hosts *h, plait_slice name, struct plait_resource *site)
{
    if (plait_slice_equal(name, PLAIT_LIT("*"))) {
        plait_resource_unref(&h->other);
        h->other = site;
        return PLAIT_OK;
    }
    const bool wild = plait_slice_starts(name, PLAIT_LIT("*."));
    const plait_slice own = plait_slice_sub(name, wild, name.len);
    if (own.len == 0 || own.len >= sizeof(h->host->name) || plait_slice_find_byte(own, '*', 0) != SIZE_MAX ||
        (own.ptr[0] == '.' && (!wild || own.len == 1)) || !plait__http1_is_host(plait_slice_sub(own, wild, own.len)))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (h->count == HOSTS_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    if (h->count == h->cap) {
        const size_t cap = h->cap ? h->cap * 2 : 4;
        struct host *more = plait_mem_resize(plait_reactor_budget(h->reactor), h->host, cap * sizeof(*more));
        if (!more)
            return PLAIT_FAIL(PLAIT_ENOMEM);
        h->host = more;
        h->cap = cap;
    }
    struct host *at = &h->host[h->count++];
    at->resource = site;
    at->len = own.len;
    memcpy(at->name, own.ptr, own.len);
    return PLAIT_OK;
}

plait_err plait_hosts_add(struct plait_resource *hosts, const char *name, struct plait_resource *site)
{
    struct hosts *h = plait__resource_layer(hosts, &hosts_layer);
    plait_err err = !site ? PLAIT_FAIL(PLAIT_ENOMEM) : !h ? PLAIT_FAIL(PLAIT_EINVAL) : PLAIT_OK;
    if (err == PLAIT_OK && plait__resource_failed(site))
        err = PLAIT_FAIL(PLAIT_ESTATE);
    if (err == PLAIT_OK)
        err = host_put(h, plait_slice_text(name), site);
    if (err == PLAIT_OK)
        return PLAIT_OK;
    plait_resource_unref(&site);
    plait__resource_fail(hosts);
    return err;
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

struct rewrite {
    size_t from_len, to_len;
    char text[]; /* from, to */
};

/* Whether a path begins with a prefix that ends where a segment does. */
static bool begins(plait_slice path, plait_slice prefix)
{
    if (!plait_slice_starts(path, prefix))
        return false;
    return path.len == prefix.len || prefix.len == 0 || prefix.ptr[prefix.len - 1] == '/' ||
           path.ptr[prefix.len] == '/';
}

static void rewrite_path(struct plait_request *req, void *ctx)
{
    const struct rewrite *r = ctx;
    const plait_slice from = plait_slice_of(r->text, r->from_len),
                      to = plait_slice_of(r->text + r->from_len, r->to_len);
    struct plait_buf rest;
    if (req->path.ptr[0] != '/' || !begins(req->rest, from)) {
        plait_request_pass(req);
        return;
    }
    plait_buf_init(&rest, plait_reactor_budget(req->web->reactor), LOCATION_MAX);
    plait_buf_put(&rest, to);
    plait_buf_put(&rest, plait_slice_sub(req->rest, from.len, req->rest.len));
    const plait_err err = rest.err ? rest.err : plait_request_rewrite(req, plait_buf_slice(&rest));
    plait_buf_deinit(&rest);
    if (err == PLAIT_OK)
        plait_request_pass(req);
    else
        plait_reply_error(req, err == PLAIT_ENOMEM ? 503 : 404, NULL);
}

static const struct plait_layer rewrite_layer = {.name = "rewrite", .request = rewrite_path, .destroy = own_free};

plait_err plait_rewrite_wrap(struct plait_resource *resource, const char *from, const char *to)
{
    const size_t from_len = strlen(from), to_len = strlen(to);
    struct rewrite *r = own_new(resource, sizeof(*r) + from_len + to_len);
    if (!r) {
        plait__resource_fail(resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    r->from_len = from_len;
    r->to_len = to_len;
    if (from_len)
        memcpy(r->text, from, from_len);
    if (to_len)
        memcpy(r->text + from_len, to, to_len);
    return plait_resource_wrap(resource, &rewrite_layer, r);
}
