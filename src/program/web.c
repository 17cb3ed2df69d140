/* SPDX-License-Identifier: MIT
 *
 * The web server of the program: a folder, and around it what the command line asks for. What is wrong is told in one
 * line that says what, and what would be right.
 *
 * Test: tests/program/web.py.
 */
#include "program/program.h"

#include <plait/cache.h>
#include <plait/gateway.h>
#include <plait/live.h>
#include <plait/proxy.h>
#include <plait/site.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 256 * 1024 };

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool take_several(struct words *words, const char *name, struct several *several, const char **value, bool *full)
{
    if (!take_option(words, name, 0, value))
        return false;
    *full = several->count == WEB_EACH_MAX;
    if (!*full)
        several->value[several->count++] = *value;
    return true;
}

bool take_web_option(struct words *words, struct web_words *web, const char **value, bool *full)
{
    const struct {
        const char *name;
        const char **place;
    } single[] = {{"access-log", &web->access_log}, {"access-form", &web->access_form},
                  {"realm", &web->realm},           {"hsts", &web->hsts},
                  {"https", &web->https},           {"rate", &web->rate},
                  {"in-flight", &web->in_flight},   {"users", &web->users},
                  {"live-hosts", &web->live_hosts}, {"cache", &web->cache},
                  {"fastcgi-front", &web->front}};
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        if (take_option(words, single[i].name, 0, value)) {
            *single[i].place = *value;
            return true;
        }
    }
    if (take_flag(words, "compress", 0))
        return web->compress = true;
    if (take_flag(words, "health", 0))
        return web->health = true;
    if (take_flag(words, "metrics", 0))
        return web->metrics = true;
    if (take_flag(words, "live", 0))
        return web->live = true;
    return take_several(words, "cgi", &web->cgi, value, full) || take_several(words, "user", &web->user, value, full) ||
           take_several(words, "fastcgi", &web->fastcgi, value, full) ||
           take_several(words, "proxy", &web->proxy, value, full) ||
           take_several(words, "redirect", &web->redirect, value, full) ||
           take_several(words, "host", &web->host, value, full) ||
           take_several(words, "rewrite", &web->rewrite, value, full) ||
           take_several(words, "error-page", &web->error_page, value, full);
}

/* Cuts "left=right"; without a slash in front of the left side. */
static bool cut_pair(const char *text, char left[256], const char **right)
{
    const char *equals = strchr(text, '=');
    if (*text == '/')
        text++;
    if (!equals || (size_t)(equals - text) >= 256)
        return false;
    memcpy(left, text, (size_t)(equals - text));
    left[equals - text] = '\0';
    *right = equals + 1;
    return true;
}

static bool read_number(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    return plait_slice_to_u64(plait_slice_of(text, len), max, out) == PLAIT_OK && *out > 0;
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

/* An application at an endpoint. */
static struct plait_resource *make_application(struct plait_reactor *r, const char *text, const char *endpoint,
                                               const struct plait_fastcgi_options *options, struct trouble *trouble)
{
    struct plait_resource *made = NULL;
    char why[200] = "";
    const plait_err err = plait_fastcgi_new(r, endpoint, options, &made, why);
    if (err != PLAIT_OK)
        told(trouble, EXIT_USAGE, "--fastcgi '%.60s' has no endpoint, as in *.php=unix:/run/php/php-fpm.sock: %s", text,
             why[0] ? why : plait_err_text(err));
    return made;
}

/* Puts the scripts of a folder, "*.php" and the like, before its other files, which are given up. */
static struct plait_resource *add_scripts(struct plait_reactor *r, struct plait_resource *files, const char *folder,
                                          const struct web_words *web, struct trouble *trouble)
{
    char left[256], path[PATH_MAX];
    const char *endpoint;
    for (size_t i = 0; files && i < web->fastcgi.count; i++) {
        const char *text = web->fastcgi.value[i];
        if (!cut_pair(text, left, &endpoint) || left[0] != '*')
            continue;
        struct plait_resource *others = files;
        const struct plait_fastcgi_options options = {
            .root = realpath(folder, path), .suffix = left + 1, .front = web->front, .others = others};
        files = make_application(r, text, endpoint, &options, trouble);
        plait_resource_unref(&others);
    }
    return files;
}

static struct plait_resource *make_folder(struct plait_reactor *r, const char *folder,
                                          const struct service_words *words, struct trouble *trouble)
{
    struct plait_resource *root = NULL;
    const struct plait_files_options options = {.no_listing = words->no_listing, .welcome = words->welcome};
    const plait_err err = plait_files_new(r, folder, &options, &root);
    if (err != PLAIT_OK)
        told(trouble, EXIT_FAILED, "the folder '%s' cannot be served: %s", folder, plait_err_text(err));
    return add_scripts(r, root, folder, words->web, trouble);
}

static bool guard(struct plait_resource *root, const struct web_words *web, bool proxy, struct plait_portal *portal,
                  struct trouble *trouble)
{
    const struct plait_auth_options options = {.realm = web->realm,
                                               /* hashes can judge no digest */
                                               .schemes =
                                                   web->users ? PLAIT_AUTH_BASIC : PLAIT_AUTH_DIGEST | PLAIT_AUTH_BASIC,
                                               .portal = portal,
                                               .proxy = proxy};
    const plait_err err = plait_auth_wrap(root, &options);
    if (err == PLAIT_EINVAL)
        return told(trouble, EXIT_USAGE, "--realm '%.40s' has a quote, a backslash or more than 127 bytes", web->realm);
    return err == PLAIT_OK;
}

static bool add_user(struct plait_checker *checker, plait_slice pair, struct trouble *trouble)
{
    const size_t colon = plait_slice_find_byte(pair, ':', 0);
    const plait_slice name = plait_slice_sub(pair, 0, colon), password = plait_slice_sub(pair, colon + 1, pair.len);
    const plait_err err = colon == SIZE_MAX ? PLAIT_EINVAL : plait_checker_memory_user(checker, name, password);
    if (err == PLAIT_EEXISTS)
        return told(trouble, EXIT_USAGE, "--user %.*s stands twice", PLAIT_ARG(name));
    return err == PLAIT_OK || told(trouble, EXIT_USAGE, "--user wants a name and a password, as in ann:secret");
}

static bool fill_portal(struct plait_reactor *r, struct plait_portal *portal, const struct web_words *web,
                        struct trouble *trouble)
{
    struct plait_checker *checker = portal ? plait_checker_memory_new(r) : NULL;
    bool fine = checker && plait_portal_add(portal, checker) == PLAIT_OK;
    for (size_t i = 0; fine && i < web->user.count; i++)
        fine = add_user(checker, plait_slice_text(web->user.value[i]), trouble);
    return fine && (!web->users || plait_portal_add(portal, plait_checker_file_new(r, web->users)) == PLAIT_OK);
}

/* The file is read at each login; that it can't be is better told now. */
static bool can_read(const char *path, struct trouble *trouble)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return told(trouble, EXIT_CONFIGURATION,
                    "the users' file '%.120s' cannot be read: %s; `plait passwd` makes one", path, strerror(errno));
    fclose(file);
    return true;
}

bool add_users(struct plait_reactor *r, struct plait_resource *root, const struct web_words *web, bool proxy,
               struct trouble *trouble)
{
    if (web->user.count == 0 && !web->users)
        return true;
    if (web->users && !can_read(web->users, trouble))
        return false;
    struct plait_portal *portal = plait_portal_new(r, NULL);
    const bool fine = fill_portal(r, portal, web, trouble) && guard(root, web, proxy, portal, trouble);
    plait_portal_unref(&portal);
    return fine;
}

static bool add_limits(struct plait_resource *root, const struct web_words *web, struct trouble *trouble)
{
    uint64_t rate = 0, burst = 0, most = 0;
    if (web->rate) {
        const char *slash = strchr(web->rate, '/');
        const size_t len = slash ? (size_t)(slash - web->rate) : strlen(web->rate);
        if (!read_number(web->rate, len, 1000000, &rate) ||
            (slash && !read_number(slash + 1, strlen(slash + 1), 1000000, &burst)))
            return told(trouble, EXIT_USAGE, "--rate '%.40s' is not requests a second, as in 10, or 10/50 with a burst",
                        web->rate);
        const struct plait_rate_options options = {.rate = (double)rate, .burst = (unsigned)burst};
        (void)plait_rate_wrap(root, &options); /* a failure is kept: plait_http says it */
    }
    if (!web->in_flight)
        return true;
    if (!read_number(web->in_flight, strlen(web->in_flight), SIZE_MAX, &most))
        return told(trouble, EXIT_USAGE, "--in-flight '%.40s' is not a number of requests from 1 on", web->in_flight);
    return plait_in_flight_wrap(root, most) == PLAIT_OK;
}

static bool add_https(struct plait_resource *root, const struct web_words *web, struct trouble *trouble)
{
    uint64_t port = 0, seconds = 0;
    if (!web->https && !web->hsts)
        return true;
    if (!web->https)
        return told(trouble, EXIT_USAGE, "--hsts wants --https PORT beside it, the port of TLS");
    if (!read_number(web->https, strlen(web->https), 65535, &port))
        return told(trouble, EXIT_USAGE, "--https '%.40s' is not a port from 1 to 65535", web->https);
    if (web->hsts && !read_number(web->hsts, strlen(web->hsts), 100000000, &seconds))
        return told(trouble, EXIT_USAGE, "--hsts '%.40s' is not a number of seconds, as in 31536000", web->hsts);
    const struct plait_https_options options = {.port = (uint16_t)port, .hsts = plait_seconds((int64_t)seconds)};
    return plait_https_wrap(root, &options) == PLAIT_OK;
}

/* Who may come in beside this machine is said by the users of the whole site. */
static bool add_live(struct plait_reactor *r, struct plait_resource *root, const struct web_words *web,
                     struct trouble *trouble)
{
    const struct plait_live_options options = {.hosts = web->live_hosts};
    if (web->live_hosts && strlen(web->live_hosts) > 500)
        return told(trouble, EXIT_USAGE, "--live-hosts takes names with commas between, 500 bytes at most");
    (void)plait_resource_mount(root, "_plait", plait_live_new(r, &options)); /* a failure is kept: plait_http says it */
    return true;
}

/* A program, or a folder of them; its path as the kernel knows it, for programs run elsewhere. */
static bool add_cgi(struct plait_reactor *r, struct plait_resource *root, const char *text, const char *folder,
                    struct trouble *trouble)
{
    char left[256], path[PATH_MAX], documents[PATH_MAX];
    const char *right;
    struct plait_resource *made = NULL;
    if (!cut_pair(text, left, &right) || !*left)
        return told(trouble, EXIT_USAGE, "--cgi '%.60s' is not of the form PATH=DIR, as in cgi-bin=/usr/lib/cgi-bin",
                    text);
    const struct plait_cgi_options options = {.root = realpath(folder, documents)};
    plait_err err = realpath(right, path) ? plait_cgi_folder_new(r, path, &options, &made) : PLAIT_ENOTFOUND;
    if (err == PLAIT_EINVAL)
        err = plait_cgi_new(r, path, &options, &made);
    if (err != PLAIT_OK)
        return told(trouble, EXIT_CONFIGURATION, "'%s' is neither a folder nor a program that can be run: %s", right,
                    plait_err_text(err));
    if (plait_resource_mount(root, left, made) == PLAIT_EINVAL)
        return told(trouble, EXIT_USAGE, "--cgi '%.60s' has a path that is none", text);
    return true;
}

/* An application for a path and all below it. */
static bool add_fastcgi(struct plait_reactor *r, struct plait_resource *root, const char *text, struct trouble *trouble)
{
    char left[256];
    const char *endpoint;
    if (!cut_pair(text, left, &endpoint))
        return told(trouble, EXIT_USAGE,
                    "--fastcgi '%.60s' is neither of the form *.SUFFIX=ENDPOINT nor PATH=ENDPOINT, as in "
                    "*.php=unix:/run/php/php-fpm.sock",
                    text);
    if (!left[0] || left[0] == '*')
        return true; /* it is the root, or the folder's */
    struct plait_resource *made = make_application(r, text, endpoint, NULL, trouble);
    if (!made)
        return false;
    if (plait_resource_mount(root, left, made) == PLAIT_EINVAL)
        return told(trouble, EXIT_USAGE, "--fastcgi '%.60s' has a path that is none", text);
    return true;
}

static struct plait_resource *make_origins(struct plait_reactor *r, const char *text, const char *origins,
                                           struct trouble *trouble)
{
    struct plait_resource *proxy;
    const plait_err err = plait_reverse_proxy_new(r, origins, NULL, &proxy);
    if (err != PLAIT_OK)
        told(trouble, EXIT_USAGE, "--proxy '%.60s' names no origins, as in api=http://127.0.0.1:3000 (%s)", text,
             plait_err_text(err));
    return proxy;
}

static bool add_proxy(struct plait_reactor *r, struct plait_resource *root, const char *text, struct trouble *trouble)
{
    char left[256];
    const char *right;
    if (!cut_pair(text, left, &right))
        return told(trouble, EXIT_USAGE, "--proxy '%.60s' is not of the form PATH=URL, as in api=http://127.0.0.1:3000",
                    text);
    if (!left[0])
        return true; /* it is the root */
    struct plait_resource *proxy = make_origins(r, text, right, trouble);
    if (!proxy)
        return false;
    if (plait_resource_mount(root, left, proxy) == PLAIT_EINVAL)
        return told(trouble, EXIT_USAGE, "--proxy '%.60s' has a path that is none", text);
    return true;
}

/* What answers where nothing else does: a folder, or what --proxy or --fastcgi names for "/". */
static struct plait_resource *make_usual(struct plait_reactor *r, const struct service_words *words,
                                         struct trouble *trouble)
{
    char left[256];
    const char *right;
    for (size_t i = 0; i < words->web->proxy.count; i++) {
        const char *text = words->web->proxy.value[i];
        if (cut_pair(text, left, &right) && !left[0])
            return make_origins(r, text, right, trouble);
    }
    for (size_t i = 0; i < words->web->fastcgi.count; i++) {
        const char *text = words->web->fastcgi.value[i];
        if (cut_pair(text, left, &right) && !left[0])
            return make_application(r, text, right, NULL, trouble);
    }
    return make_folder(r, words->root ? words->root : ".", words, trouble);
}

static bool add_paths(struct plait_reactor *r, struct plait_resource *root, const struct service_words *words,
                      struct trouble *trouble)
{
    const struct web_words *web = words->web;
    char left[256];
    const char *right;
    for (size_t i = 0; i < web->redirect.count; i++) {
        const char *text = web->redirect.value[i];
        const bool pair = cut_pair(text, left, &right);
        const plait_err err = pair ? plait_resource_mount(root, left, plait_redirect_new(r, right, 0)) : PLAIT_EINVAL;
        if (err == PLAIT_EINVAL)
            return told(trouble, EXIT_USAGE, "--redirect '%.60s' is not of the form PATH=URL, as in old=/new", text);
    }
    for (size_t i = 0; i < web->rewrite.count; i++) {
        if (!cut_pair(web->rewrite.value[i], left, &right))
            return told(trouble, EXIT_USAGE, "--rewrite '%.60s' is not of the form FROM=TO, as in old=new",
                        web->rewrite.value[i]);
        (void)plait_rewrite_wrap(root, left, right + (*right == '/')); /* kept as well */
    }
    for (size_t i = 0; i < web->proxy.count; i++) {
        if (!add_proxy(r, root, web->proxy.value[i], trouble))
            return false;
    }
    for (size_t i = 0; i < web->cgi.count; i++) {
        if (!add_cgi(r, root, web->cgi.value[i], words->root ? words->root : ".", trouble))
            return false;
    }
    for (size_t i = 0; i < web->fastcgi.count; i++) {
        if (!add_fastcgi(r, root, web->fastcgi.value[i], trouble))
            return false;
    }
    if (web->health)
        (void)plait_resource_mount(root, "health", plait_health_new(r)); /* a failure is kept: plait_http says it */
    if (web->metrics)
        (void)plait_resource_mount(root, "metrics", plait_metrics_page_new(r));
    return !web->live || add_live(r, root, web, trouble);
}

static bool read_page(const char *path, char *page, size_t *len, struct trouble *trouble)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return told(trouble, EXIT_CONFIGURATION, "the error page '%s' cannot be read: %s", path, strerror(errno));
    *len = fread(page, 1, PAGE_BYTES, file);
    const bool whole = *len < PAGE_BYTES && !ferror(file);
    fclose(file);
    if (!whole)
        return told(trouble, EXIT_CONFIGURATION, "the error page '%s' cannot be read, or has 256 KiB and more", path);
    return true;
}

static bool add_error_page(struct plait_reactor *r, struct plait_resource *root, const char *text,
                           struct trouble *trouble)
{
    char left[256];
    const char *path;
    uint64_t status;
    size_t len = 0;
    if (!cut_pair(text, left, &path) || !read_number(left, strlen(left), 599, &status) || status < 400)
        return told(trouble, EXIT_USAGE, "--error-page '%.60s' is not of the form STATUS=FILE, as in 404=lost.html",
                    text);
    char *page = plait_mem_new(plait_reactor_budget(r), PAGE_BYTES);
    const bool fine =
        page && read_page(path, page, &len, trouble) &&
        plait_error_page(root, (int)status, "text/html; charset=utf-8", plait_slice_of(page, len)) == PLAIT_OK;
    plait_mem_free(page);
    return fine;
}

static bool add_cache(struct plait_resource *root, const struct web_words *web, struct trouble *trouble)
{
    uint64_t bytes = 0, percent = 0;
    if (!web->cache)
        return true;
    const char *slash = strchr(web->cache, '/');
    const size_t len = slash ? (size_t)(slash - web->cache) : strlen(web->cache);
    if (!read_number(web->cache, len, SIZE_MAX / 2, &bytes) ||
        (slash && !read_number(slash + 1, strlen(slash + 1), 100, &percent)))
        return told(trouble, EXIT_USAGE,
                    "--cache '%.40s' is not a number of bytes, as in 67108864, or 67108864/10 with per cent",
                    web->cache);
    const struct plait_cache_options options = {.memory = (size_t)bytes, .heuristic_percent = (unsigned)percent};
    return plait_cache_wrap(root, &options) == PLAIT_OK;
}

static bool add_layers(struct plait_reactor *r, struct plait_resource *root, const struct web_words *web,
                       struct trouble *trouble)
{
    if (web->compress)
        (void)plait_compress_wrap(root, NULL); /* a failure is kept: plait_http says it */
    for (size_t i = 0; i < web->error_page.count; i++) {
        if (!add_error_page(r, root, web->error_page.value[i], trouble))
            return false;
    }
    return add_https(root, web, trouble) && add_limits(root, web, trouble) && add_users(r, root, web, false, trouble) &&
           add_cache(root, web, trouble);
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static void to_hosts(struct plait_request *req, void *ctx)
{
    plait_request_pass_to(req, ctx);
}

static void drop_hosts(void *ctx)
{
    struct plait_resource *hosts = ctx;
    plait_resource_unref(&hosts);
}

static const struct plait_layer to_hosts_layer = {.name = "to hosts", .request = to_hosts, .destroy = drop_hosts};

static bool add_host(struct plait_reactor *r, struct plait_resource *hosts, const char *text,
                     const struct service_words *words, struct trouble *trouble)
{
    char name[256];
    const char *folder;
    const bool pair = cut_pair(text, name, &folder);
    struct plait_resource *site = pair ? make_folder(r, folder, words, trouble) : NULL;
    if (pair && !site)
        return false;
    if (!pair || plait_hosts_add(hosts, name, site) == PLAIT_EINVAL)
        return told(trouble, EXIT_USAGE, "--host '%.60s' is not of the form NAME=DIR, as in example.org=/srv/www",
                    text);
    return true;
}

/* The folder, or the hosts of which it is the one for all other names. */
static bool make_sites(struct plait_reactor *r, struct plait_resource *top, struct plait_resource *usual,
                       const struct service_words *words, struct trouble *trouble)
{
    const struct several *host = &words->web->host;
    struct plait_resource *hosts = plait_hosts_new(r);
    bool fine = plait_hosts_add(hosts, "*", plait_resource_ref(usual)) == PLAIT_OK;
    for (size_t i = 0; fine && i < host->count; i++)
        fine = add_host(r, hosts, host->value[i], words, trouble);
    if (fine)
        return plait_resource_wrap(top, &to_hosts_layer, hosts) == PLAIT_OK;
    plait_resource_unref(&hosts);
    return false;
}

static struct plait_resource *make_root(struct plait_reactor *r, const struct service_words *words,
                                        struct trouble *trouble)
{
    const bool hosts = words->web->host.count > 0;
    struct plait_resource *usual = make_usual(r, words, trouble);
    struct plait_resource *top = !usual ? NULL : hosts ? plait_resource_new(r) : plait_resource_ref(usual);
    const bool fine = usual && add_paths(r, usual, words, trouble) && add_layers(r, top, words->web, trouble) &&
                      (!hosts || make_sites(r, top, usual, words, trouble));
    plait_resource_unref(&usual);
    if (!fine)
        plait_resource_unref(&top);
    return top;
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static void on_hangup(int signo, void *ctx)
{
    (void)signo;
    plait_access_log_reopen(ctx);
}

static bool open_log(struct plait_reactor *r, struct web_words *web, struct trouble *trouble)
{
    const bool json = web->access_form && strcmp(web->access_form, "json") == 0;
    if (web->access_form && !json && strcmp(web->access_form, "combined") != 0)
        return told(trouble, EXIT_USAGE, "--access-form '%.40s' is neither combined nor json", web->access_form);
    if (!web->access_log || web->log)
        return true;
    const plait_err err =
        plait_access_log_new(r, web->access_log, json ? PLAIT_ACCESS_JSON : PLAIT_ACCESS_COMBINED, &web->log);
    if (err != PLAIT_OK)
        return told(trouble, EXIT_CONFIGURATION, "the access log '%s' cannot be opened: %s", web->access_log,
                    plait_err_text(err));
    return plait_on_signal(r, SIGHUP, on_hangup, web->log) == PLAIT_OK;
}

struct plait_service *make_web(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble)
{
    struct web_words none = {0};
    struct service_words full = *words;
    full.web = words->web ? words->web : &none;
    if (!open_log(r, full.web, trouble))
        return NULL;
    struct plait_resource *root = make_root(r, &full, trouble);
    if (!root)
        return NULL;
    const struct plait_http_options options = {.log = full.web->log ? plait_access_log_write : NULL,
                                               .log_ctx = full.web->log};
    return plait_http_with(root, &options);
}
