/* SPDX-License-Identifier: MIT
 *
 * The jar of cookies: which may be kept, which belong to a request, and the file they live in between runs. What a
 * Set-Cookie says is read by http_cookie_wire.c. Which names are public suffixes libpsl knows; without it only names
 * of one label are taken for such.
 *
 * Cookies stand in a list for each domain, and all of them in one list in the order of their use, so that the one that
 * nobody asked for longest goes first. Invariant: a domain is known as long as it has a cookie. Test:
 * tests/web/test_http_cookies.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "engine/core.h"
#include "web/http_client_core.h"
#include "web/http_cookie_wire.h"

#include <plait/cookies.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#ifdef PLAIT_HAVE_PSL
#include <libpsl.h>
#endif

enum {
    COOKIES_MAX = 3000,
    PER_DOMAIN = 50,
    NAME_MAX_BYTES = 255,
    GIVE_MAX = 64,
    GIVE_BYTES = 8192,
    FILE_MAX = 16 << 20
};

struct domain {
    struct plait__list cookies;
    size_t count;
    size_t len;
    char name[]; /* in lower case */
};

struct cookie {
    struct plait__list link; /* domain's */
    struct plait__list use;  /* jar's, the one used last at the end */
    struct domain *domain;
    plait_slice name, value, path;
    uint64_t number; /* in the order of creation */
    int64_t expires; /* seconds since 1970; 0: with the session */
    bool host_only, secure, http_only;
    enum plait__same_site same_site;
};

struct plait_cookies {
    struct plait_reactor *reactor;
    size_t refs, count;
    uint64_t next;
    struct plait__table domains;
    struct plait__list use;
};

/* --- public suffixes --------------------------------------------------------------------------------------------- */

static bool is_public_suffix(const char *name)
{
#ifdef PLAIT_HAVE_PSL
    return psl_is_public_suffix(psl_builtin(), name);
#else
    return strchr(name, '.') == NULL;
#endif
}

/* A host in lower case and terminated. Returns false for one that is no name. */
static bool lower_host(plait_slice host, char out[NAME_MAX_BYTES + 1])
{
    if (host.len == 0 || host.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < host.len; i++)
        out[i] = (char)plait__lower(host.ptr[i]);
    out[host.len] = 0;
    return true;
}

/* The part of a name that somebody registered: one label more than its public suffix has. */
static const char *registered(const char *name)
{
    const char *best = name;
    const char *at = name;
    while (at && !is_public_suffix(at)) {
        const char *dot = strchr(at, '.');
        best = at;
        at = dot ? dot + 1 : NULL;
    }
    return best;
}

bool plait__same_site(plait_slice a, plait_slice b)
{
    char one[NAME_MAX_BYTES + 1], two[NAME_MAX_BYTES + 1];
    if (!lower_host(a, one) || !lower_host(b, two))
        return false;
    if (plait__cookie_is_address(a) || plait__cookie_is_address(b))
        return strcmp(one, two) == 0;
    return strcmp(registered(one), registered(two)) == 0;
}

/* --- the jar ----------------------------------------------------------------------------------------------------- */

struct plait_cookies *plait_cookies_new(struct plait_reactor *reactor)
{
    struct plait_cookies *jar = plait_mem_new(plait_reactor_budget(reactor), sizeof(*jar));
    if (!jar)
        return NULL;
    jar->reactor = reactor;
    jar->refs = 1;
    plait__table_init(&jar->domains, plait_reactor_budget(reactor), reactor->hash_key);
    plait__list_init(&jar->use);
    return jar;
}

struct plait_cookies *plait_cookies_ref(struct plait_cookies *cookies)
{
    cookies->refs++;
    return cookies;
}

static void drop(struct plait_cookies *jar, struct cookie *c)
{
    struct domain *d = c->domain;
    plait__list_remove(&c->link);
    plait__list_remove(&c->use);
    plait_mem_free(c);
    jar->count--;
    if (--d->count > 0)
        return;
    (void)plait__table_remove(&jar->domains, plait_slice_of(d->name, d->len));
    plait_mem_free(d);
}

void plait_cookies_clear(struct plait_cookies *cookies, bool session)
{
    struct plait__list *at = cookies->use.next;
    while (at != &cookies->use) {
        struct cookie *c = plait__container(at, struct cookie, use);
        at = at->next;
        if (!session || c->expires == 0)
            drop(cookies, c);
    }
}

void plait_cookies_unref(struct plait_cookies **cookies)
{
    struct plait_cookies *jar = *cookies;
    *cookies = NULL;
    if (!jar || --jar->refs > 0)
        return;
    plait_cookies_clear(jar, false);
    plait__table_deinit(&jar->domains);
    plait_mem_free(jar);
}

size_t plait_cookies_count(const struct plait_cookies *cookies)
{
    return cookies->count;
}

static int64_t now_of(const struct plait_cookies *jar)
{
    int64_t seconds;
    uint32_t nanoseconds;
    plait_wall_clock(jar->reactor, &seconds, &nanoseconds);
    return seconds;
}

static bool is_over(const struct cookie *c, int64_t now)
{
    return c->expires != 0 && c->expires <= now;
}

/* --- keeping ----------------------------------------------------------------------------------------------------- */

static struct domain *domain_of(struct plait_cookies *jar, const char *name)
{
    const plait_slice key = plait_slice_text(name);
    struct domain *d = plait__table_find(&jar->domains, key);
    if (d)
        return d;
    d = plait_mem_new(plait_reactor_budget(jar->reactor), sizeof(*d) + key.len + 1);
    if (!d)
        return NULL;
    plait__list_init(&d->cookies);
    d->len = key.len;
    memcpy(d->name, name, key.len + 1);
    if (plait__table_insert(&jar->domains, key, d) == PLAIT_OK)
        return d;
    plait_mem_free(d);
    return NULL;
}

static struct cookie *find(struct domain *d, const struct cookie *like)
{
    for (struct plait__list *at = d->cookies.next; at != &d->cookies; at = at->next) {
        struct cookie *c = plait__container(at, struct cookie, link);
        if (plait_slice_equal(c->name, like->name) && plait_slice_equal(c->path, like->path) &&
            c->host_only == like->host_only)
            return c;
    }
    return NULL;
}

/* The one of a domain that nobody asked for longest. */
static struct cookie *least_used(struct plait_cookies *jar, const struct domain *d)
{
    struct plait__list *at = jar->use.next;
    while (plait__container(at, struct cookie, use)->domain != d)
        at = at->next;
    return plait__container(at, struct cookie, use);
}

/* A copy with its texts behind it. */
static struct cookie *copy(struct plait_cookies *jar, const struct cookie *from)
{
    struct cookie *c = plait_mem_new(plait_reactor_budget(jar->reactor),
                                     sizeof(*c) + from->name.len + from->value.len + from->path.len);
    if (!c)
        return NULL;
    *c = *from;
    uint8_t *at = (uint8_t *)(c + 1);
    plait_slice *const texts[] = {&c->name, &c->value, &c->path};
    for (size_t i = 0; i < 3; i++) {
        if (texts[i]->len > 0)
            memcpy(at, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = at;
        at += texts[i]->len;
    }
    return c;
}

/* Puts a cookie in, for the one of the same name, domain and path. */
static plait_err keep(struct plait_cookies *jar, const char *name, const struct cookie *cookie)
{
    struct cookie *c = copy(jar, cookie);
    struct domain *d = c ? domain_of(jar, name) : NULL;
    if (!d) {
        plait_mem_free(c);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    struct cookie *old = find(d, c);
    c->domain = d;
    c->number = old ? old->number : jar->next++;
    plait__list_add_tail(&d->cookies, &c->link);
    plait__list_add_tail(&jar->use, &c->use);
    d->count++;
    jar->count++;
    if (old)
        drop(jar, old);
    else if (d->count > PER_DOMAIN)
        drop(jar, least_used(jar, d));
    else if (jar->count > COOKIES_MAX)
        drop(jar, plait__container(jar->use.next, struct cookie, use));
    if (is_over(c, now_of(jar)))
        drop(jar, c);
    return PLAIT_OK;
}

/* RFC 6265 section 5.3, steps 4 to 6: for which hosts it is. */
static plait_err choose_domain(const struct plait_url *url, plait_slice asked, struct cookie *c,
                               char name[NAME_MAX_BYTES + 1])
{
    char wanted[NAME_MAX_BYTES + 1];
    c->host_only = true;
    if (!lower_host(url->host, name))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (asked.len == 0)
        return PLAIT_OK;
    if (!lower_host(asked, wanted) || !plait__cookie_domain_match(url->host, asked))
        return PLAIT_FAIL(PLAIT_EFORBIDDEN);
    if (plait__cookie_is_address(asked) || is_public_suffix(wanted)) {
        if (strcmp(name, wanted) != 0)
            return PLAIT_FAIL(PLAIT_EFORBIDDEN);
        return PLAIT_OK;
    }
    memcpy(name, wanted, sizeof(wanted));
    c->host_only = false;
    return PLAIT_OK;
}

static bool is_secure_url(const struct plait_url *url)
{
    return plait_slice_equal_nocase(url->scheme, PLAIT_LIT("https")) ||
           plait_slice_equal_nocase(url->scheme, PLAIT_LIT("wss"));
}

static bool has_prefix(plait_slice name, plait_slice prefix)
{
    return plait_slice_equal_nocase(plait_slice_sub(name, 0, prefix.len), prefix);
}

/* RFC 6265bis: what a name or an attribute promises must be so. */
static bool keeps_promises(const struct cookie *c, const struct plait_url *url, plait_slice path)
{
    const bool good_secure = c->secure && is_secure_url(url);
    if (c->secure && !good_secure)
        return false;
    if (c->same_site == PLAIT__SAME_SITE_NONE && !c->secure)
        return false;
    if (has_prefix(c->name, PLAIT_LIT("__Host-")))
        return good_secure && c->host_only && plait_slice_equal(path, PLAIT_LIT("/"));
    return !has_prefix(c->name, PLAIT_LIT("__Secure-")) || good_secure;
}

static void choose_expiry(struct cookie *c, const struct plait__cookie_text *text, int64_t now)
{
    if (text->has_max_age)
        c->expires = text->max_age > 0 ? now + text->max_age : 1;
    else if (text->has_expires)
        c->expires = text->expires > 0 ? text->expires : 1;
}

plait_err plait_cookies_take(struct plait_cookies *cookies, const struct plait_url *url, plait_slice value)
{
    struct plait__cookie_text text;
    char name[NAME_MAX_BYTES + 1];
    PLAIT_TRY(plait__cookie_read(value, &text));
    struct cookie c = {.name = text.name, .value = text.value, .path = text.path};
    c.secure = text.secure;
    c.http_only = text.http_only;
    c.same_site = text.same_site;
    PLAIT_TRY(choose_domain(url, text.domain, &c, name));
    if (!keeps_promises(&c, url, text.path))
        return PLAIT_FAIL(PLAIT_EFORBIDDEN);
    if (c.path.len == 0)
        c.path = plait__cookie_default_path(url->path);
    choose_expiry(&c, &text, now_of(cookies));
    return keep(cookies, name, &c);
}

/* --- giving ------------------------------------------------------------------------------------------------------ */

struct choice {
    struct cookie *cookie[GIVE_MAX];
    size_t count;
};

/* RFC 6265 section 5.4: longer paths first, then what was made first. */
static bool goes_before(const struct cookie *a, const struct cookie *b)
{
    return a->path.len != b->path.len ? a->path.len > b->path.len : a->number < b->number;
}

static void choose(struct choice *choice, struct cookie *c)
{
    size_t at = choice->count < GIVE_MAX ? choice->count++ : GIVE_MAX - 1;
    for (; at > 0 && goes_before(c, choice->cookie[at - 1]); at--)
        choice->cookie[at] = choice->cookie[at - 1];
    choice->cookie[at] = c;
}

static bool fits(const struct cookie *c, const struct plait_url *url, enum plait_cookies_request how, bool is_host)
{
    if ((c->host_only && !is_host) || (c->secure && !is_secure_url(url)))
        return false;
    if (how != PLAIT_COOKIES_SAME_SITE && c->same_site == PLAIT__SAME_SITE_STRICT)
        return false;
    if (how == PLAIT_COOKIES_CROSS_SITE_UNSAFE && c->same_site == PLAIT__SAME_SITE_LAX)
        return false;
    return plait__cookie_path_match(url->path, c->path);
}

static void choose_of(struct plait_cookies *jar, struct domain *d, const struct plait_url *url,
                      enum plait_cookies_request how, struct choice *choice)
{
    const int64_t now = now_of(jar);
    const bool is_host = d->len == url->host.len;
    struct plait__list *at = d->cookies.next;
    size_t left = d->count;
    while (left-- > 0) {
        struct cookie *c = plait__container(at, struct cookie, link);
        at = at->next;
        if (is_over(c, now))
            drop(jar, c); /* the domain may go with the last of them */
        else if (fits(c, url, how, is_host))
            choose(choice, c);
    }
}

void plait_cookies_give(struct plait_cookies *cookies, const struct plait_url *url, enum plait_cookies_request how,
                        struct plait_buf *out)
{
    struct choice choice = {.count = 0};
    char host[NAME_MAX_BYTES + 1];
    if (cookies->count == 0 || !lower_host(url->host, host))
        return;
    for (const char *at = host; at; at = strchr(at, '.')) {
        at += *at == '.';
        struct domain *d = plait__table_find(&cookies->domains, plait_slice_text(at));
        if (d)
            choose_of(cookies, d, url, how, &choice);
        if (plait__cookie_is_address(url->host))
            break;
    }
    const size_t from = out->len;
    for (size_t i = 0; i < choice.count; i++) {
        struct cookie *c = choice.cookie[i];
        if (out->len - from + c->name.len + c->value.len + 3 > GIVE_BYTES)
            continue;
        plait_buf_put_text(out, out->len > from ? "; " : "");
        plait_buf_put(out, c->name);
        plait_buf_put_u8(out, '=');
        plait_buf_put(out, c->value);
        plait__list_remove(&c->use);
        plait__list_add_tail(&cookies->use, &c->use);
    }
}

/* --- files ------------------------------------------------------------------------------------------------------- */

void plait_cookies_write(struct plait_cookies *cookies, struct plait_buf *out)
{
    const int64_t now = now_of(cookies);
    plait_buf_put_text(out, "# Netscape HTTP Cookie File\n\n");
    for (struct plait__list *at = cookies->use.next; at != &cookies->use; at = at->next) {
        const struct cookie *c = plait__container(at, struct cookie, use);
        const struct plait__cookie_line line = {.domain = plait_slice_of(c->domain->name, c->domain->len),
                                                .path = c->path,
                                                .name = c->name,
                                                .value = c->value,
                                                .expires = c->expires,
                                                .below = !c->host_only,
                                                .secure = c->secure,
                                                .http_only = c->http_only};
        if (!is_over(c, now))
            plait__cookie_line_write(out, &line);
    }
}

static plait_err read_line(struct plait_cookies *jar, plait_slice text)
{
    struct plait__cookie_line line;
    char name[NAME_MAX_BYTES + 1];
    bool is_cookie;
    PLAIT_TRY(plait__cookie_line_read(text, &line, &is_cookie));
    if (!is_cookie)
        return PLAIT_OK;
    if (!lower_host(line.domain, name))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    const struct cookie c = {.name = line.name,
                             .value = line.value,
                             .path = line.path,
                             .expires = line.expires,
                             .host_only = !line.below,
                             .secure = line.secure,
                             .http_only = line.http_only};
    return keep(jar, name, &c);
}

plait_err plait_cookies_read(struct plait_cookies *cookies, plait_slice text)
{
    size_t at = 0;
    while (at < text.len) {
        const size_t newline = plait_slice_find_byte(text, '\n', at);
        size_t end = newline == SIZE_MAX ? text.len : newline;
        const bool cr = end > at && text.ptr[end - 1] == '\r';
        PLAIT_TRY(read_line(cookies, plait_slice_sub(text, at, end - cr)));
        at = end + 1;
    }
    return PLAIT_OK;
}

static plait_err write_all(struct plait_sys *sys, int fd, plait_slice text)
{
    size_t at = 0;
    while (at < text.len) {
        const ssize_t wrote = sys->ops->pwrite(sys, fd, text.ptr + at, text.len - at, (off_t)at);
        if (wrote < 0)
            return PLAIT_FAIL(plait_err_from_errno((int)-wrote));
        at += (size_t)wrote;
    }
    const int res = sys->ops->fsync(sys, fd);
    return res < 0 ? PLAIT_FAIL(plait_err_from_errno(-res)) : PLAIT_OK;
}

static plait_err save_as(struct plait_sys *sys, const char *temporary, const char *path, plait_slice text)
{
    const int fd = sys->ops->openat2(sys, AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, 0);
    if (fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-fd));
    plait_err err = write_all(sys, fd, text);
    (void)sys->ops->close(sys, fd);
    if (err == PLAIT_OK)
        err = plait_err_from_errno(-sys->ops->renameat(sys, AT_FDCWD, temporary, AT_FDCWD, path));
    if (err)
        (void)sys->ops->unlinkat(sys, AT_FDCWD, temporary, 0);
    return err;
}

plait_err plait_cookies_save(struct plait_cookies *cookies, const char *path)
{
    struct plait_budget *budget = plait_reactor_budget(cookies->reactor);
    struct plait_buf text, temporary;
    plait_buf_init(&text, budget, FILE_MAX);
    plait_buf_init(&temporary, budget, 8192);
    plait_buf_printf(&temporary, "%s.new", path);
    plait_buf_put_u8(&temporary, 0);
    plait_cookies_write(cookies, &text);
    plait_err err = text.err ? text.err : temporary.err;
    if (err == PLAIT_OK)
        err =
            save_as(cookies->reactor->sys, (const char *)plait_buf_slice(&temporary).ptr, path, plait_buf_slice(&text));
    plait_buf_deinit(&text);
    plait_buf_deinit(&temporary);
    return err;
}

static plait_err read_all(struct plait_sys *sys, int fd, struct plait_buf *text)
{
    for (;;) {
        uint8_t *to = plait_buf_reserve(text, 16384);
        if (!to)
            return PLAIT_FAIL(text->err);
        const ssize_t got = sys->ops->pread(sys, fd, to, 16384, (off_t)text->len);
        if (got < 0)
            return PLAIT_FAIL(plait_err_from_errno((int)-got));
        if (got == 0)
            return PLAIT_OK;
        plait_buf_commit(text, (size_t)got);
    }
}

plait_err plait_cookies_load(struct plait_cookies *cookies, const char *path)
{
    struct plait_sys *sys = cookies->reactor->sys;
    struct plait_buf text;
    const int fd = sys->ops->openat2(sys, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, 0);
    if (fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-fd));
    plait_buf_init(&text, plait_reactor_budget(cookies->reactor), FILE_MAX);
    plait_err err = read_all(sys, fd, &text);
    (void)sys->ops->close(sys, fd);
    if (err == PLAIT_OK)
        err = plait_cookies_read(cookies, plait_buf_slice(&text));
    plait_buf_deinit(&text);
    return err;
}
