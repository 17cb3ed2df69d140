/* SPDX-License-Identifier: MIT
 *
 * URLs (RFC 3986): splitting, resolving references, dot segments, percent-encoding. Strict about bytes: what could be
 * taken as something else further on (controls, spaces, backslashes, bytes over 0x7e) is no URL.
 *
 * Invariant: the parts are slices of the text, in its order. Tests: tests/web/test_http_url.c, fuzz/fuzz_url.c.
 */
#include "base/text.h"
#include "base/try.h"

#include <plait/url.h>

/* --- splitting ------------------------------------------------------------------------------------------------- */

static bool bytes_are_right(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' || c == '`')
            return false;
    }
    return true;
}

/* Section 3.1; 0 when the text begins with no scheme. */
static size_t scheme_len(plait_slice text)
{
    if (text.len == 0 || !plait__is_alpha(text.ptr[0]))
        return 0;
    size_t i = 1;
    while (i < text.len &&
           (plait__is_alnum(text.ptr[i]) || text.ptr[i] == '+' || text.ptr[i] == '-' || text.ptr[i] == '.'))
        i++;
    return i < text.len && text.ptr[i] == ':' ? i : 0;
}

/* Bytes before the first of `stops`. */
static plait_slice until(plait_slice *rest, const char *stops)
{
    size_t i = 0;
    while (i < rest->len && !strchr(stops, rest->ptr[i]))
        i++;
    plait_slice taken = plait_slice_sub(*rest, 0, i);
    *rest = plait_slice_of(rest->ptr + i, rest->len - i);
    return taken;
}

static plait_err split_port(plait_slice text, struct plait_url *out)
{
    uint64_t port;
    if (text.len == 0)
        return PLAIT_OK;
    PLAIT_TRY(plait_slice_to_u64(text, 65535, &port));
    if (port == 0)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    out->port = (uint16_t)port;
    return PLAIT_OK;
}

static bool ip6_is_right(plait_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!plait__is_hex(host.ptr[i]) && host.ptr[i] != ':' && host.ptr[i] != '.')
            return false;
    }
    return host.len >= 2;
}

/* Section 3.2: [userinfo@]host[:port] */
static plait_err split_authority(plait_slice text, struct plait_url *out)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '@')
        at--;
    if (at > 0) {
        out->userinfo = plait_slice_sub(text, 0, at - 1);
        if (plait_slice_find_byte(out->userinfo, '@', 0) != SIZE_MAX)
            return PLAIT_FAIL(PLAIT_ESYNTAX);
    }
    plait_slice rest = plait_slice_of(text.ptr + at, text.len - at);
    if (rest.len && rest.ptr[0] == '[') {
        size_t end = plait_slice_find_byte(rest, ']', 0);
        if (end == SIZE_MAX || (end + 1 < rest.len && rest.ptr[end + 1] != ':'))
            return PLAIT_FAIL(PLAIT_ESYNTAX);
        out->host = plait_slice_sub(rest, 1, end);
        out->host_is_ip6 = true;
        if (!ip6_is_right(out->host))
            return PLAIT_FAIL(PLAIT_ESYNTAX);
        return end + 1 < rest.len ? split_port(plait_slice_sub(rest, end + 2, rest.len), out) : PLAIT_OK;
    }
    out->host = until(&rest, ":[]");
    if (rest.len && rest.ptr[0] != ':')
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    return rest.len ? split_port(plait_slice_sub(rest, 1, rest.len), out) : PLAIT_OK;
}

plait_err plait_url_parse(plait_slice text, struct plait_url *out)
{
    plait_slice rest = text;
    memset(out, 0, sizeof(*out));
    if (!bytes_are_right(text))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    size_t scheme = scheme_len(text);
    if (scheme) {
        out->scheme = plait_slice_sub(text, 0, scheme);
        rest = plait_slice_sub(text, scheme + 1, text.len);
    }
    if (plait_slice_starts(rest, PLAIT_LIT("//"))) {
        rest = plait_slice_sub(rest, 2, rest.len);
        out->has_authority = true;
        PLAIT_TRY(split_authority(until(&rest, "/?#"), out));
    }
    out->path = until(&rest, "?#");
    if (rest.len && rest.ptr[0] == '?') {
        rest = plait_slice_sub(rest, 1, rest.len);
        out->query = until(&rest, "#");
    }
    if (rest.len)
        out->fragment = plait_slice_sub(rest, 1, rest.len);
    return PLAIT_OK;
}

static bool scheme_is(const struct plait_url *url, const char *scheme)
{
    return plait_slice_equal_nocase(url->scheme, plait_slice_text(scheme));
}

uint16_t plait_url_port(const struct plait_url *url)
{
    if (url->port)
        return url->port;
    if (scheme_is(url, "http"))
        return 80;
    return scheme_is(url, "https") ? 443 : 0;
}

bool plait_url_same_origin(const struct plait_url *a, const struct plait_url *b)
{
    return plait_slice_equal_nocase(a->scheme, b->scheme) && plait_slice_equal_nocase(a->host, b->host) &&
           plait_url_port(a) == plait_url_port(b);
}

/* --- resolving ------------------------------------------------------------------------------------------------- */

size_t plait_path_normalise(uint8_t *path, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        size_t end = i + 1;
        while (end < len && path[end] != '/')
            end++;
        size_t segment = end - i - 1; /* without the slash at i */
        if (segment == 1 && path[i + 1] == '.') {
            if (end == len)
                path[out++] = '/';
        } else if (segment == 2 && path[i + 1] == '.' && path[i + 2] == '.') {
            if (out == 0)
                return SIZE_MAX;
            do
                out--;
            while (path[out] != '/');
            if (end == len)
                path[out++] = '/';
        } else {
            memmove(path + out, path + i, end - i);
            out += end - i;
        }
        i = end;
    }
    return out;
}

/* Section 5.2.4 on what was appended from `from` on; ".." beyond the root is dropped there. */
static void normalise_tail(struct plait_buf *out, size_t from)
{
    uint8_t *path = out->ptr + out->at + from;
    size_t len = out->len - from, to = 0;
    for (size_t i = 0; i < len;) {
        size_t end = i + 1;
        while (end < len && path[end] != '/')
            end++;
        size_t segment = end - i - 1;
        bool dot = segment == 1 && path[i + 1] == '.';
        bool dots = segment == 2 && path[i + 1] == '.' && path[i + 2] == '.';
        while (dots && to > 0 && path[--to] != '/')
            ;
        if (!dot && !dots) {
            memmove(path + to, path + i, end - i);
            to += end - i;
        } else if (end == len) {
            path[to++] = '/';
        }
        i = end;
    }
    out->len = from + to;
}

static void put_authority(struct plait_buf *out, const struct plait_url *url)
{
    plait_buf_put(out, PLAIT_LIT("//"));
    if (url->userinfo.ptr) {
        plait_buf_put(out, url->userinfo);
        plait_buf_put_u8(out, '@');
    }
    if (url->host_is_ip6)
        plait_buf_put_u8(out, '[');
    plait_buf_put(out, url->host);
    if (url->host_is_ip6)
        plait_buf_put_u8(out, ']');
    if (url->port) {
        plait_buf_put_u8(out, ':');
        plait_buf_put_u64_text(out, url->port);
    }
}

/* Section 5.2.3: the reference's path in the place of the base's last segment. */
static void put_merged_path(struct plait_buf *out, const struct plait_url *base, plait_slice path)
{
    size_t slash = base->path.len;
    if (path.len == 0 || path.ptr[0] != '/') {
        while (slash > 0 && base->path.ptr[slash - 1] != '/')
            slash--;
        if (slash == 0)
            plait_buf_put_u8(out, '/');
        plait_buf_put(out, plait_slice_sub(base->path, 0, slash));
    }
    plait_buf_put(out, path);
}

static void put_path(struct plait_buf *out, const struct plait_url *base, const struct plait_url *ref, bool own)
{
    size_t from = out->len;
    if (own)
        plait_buf_put(out, ref->path);
    else if (ref->path.len == 0)
        plait_buf_put(out, base->path);
    else
        put_merged_path(out, base, ref->path);
    if (!out->err && out->len > from && out->ptr[out->at + from] == '/')
        normalise_tail(out, from);
}

/* Section 5.2.2 */
void plait_url_resolve(const struct plait_url *base, const struct plait_url *reference, struct plait_buf *out)
{
    bool own = reference->scheme.ptr || reference->has_authority;
    const struct plait_url *authority = own ? reference : base;
    const struct plait_url *query = own || reference->path.len || reference->query.ptr ? reference : base;
    plait_slice scheme = reference->scheme.ptr ? reference->scheme : base->scheme;
    if (scheme.ptr) {
        plait_buf_put(out, scheme);
        plait_buf_put_u8(out, ':');
    }
    if (authority->has_authority)
        put_authority(out, authority);
    size_t path = out->len;
    put_path(out, base, reference, own);
    if (!authority->has_authority &&
        plait_slice_starts(plait_slice_sub(plait_buf_slice(out), path, out->len), PLAIT_LIT("//")))
        out->err = PLAIT_FAIL(PLAIT_ESYNTAX); /* it would read as an authority (section 3.3) */
    if (query->query.ptr) {
        plait_buf_put_u8(out, '?');
        plait_buf_put(out, query->query);
    }
    if (reference->fragment.ptr) {
        plait_buf_put_u8(out, '#');
        plait_buf_put(out, reference->fragment);
    }
}

/* --- percent-encoding ------------------------------------------------------------------------------------------ */

plait_err plait_percent_decode(plait_slice text, bool plus, uint8_t *out, size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? plait__hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? plait__hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return PLAIT_FAIL(PLAIT_ESYNTAX);
            c = (uint8_t)(high << 4 | low);
            if (c == 0)
                return PLAIT_FAIL(PLAIT_EINVAL);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[len++] = c;
    }
    *out_len = len;
    return PLAIT_OK;
}

void plait_percent_encode(struct plait_buf *out, plait_slice text, const char *keep)
{
    plait__percent_encode(out, text, keep ? keep : "");
}
