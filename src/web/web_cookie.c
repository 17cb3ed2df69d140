/* SPDX-License-Identifier: MIT
 *
 * Cookies (RFC 6265): those of a request, and Set-Cookie of an answer with its attributes. What a browser would refuse
 * is refused here: a __Host- cookie that is not bound to its host, SameSite=None without Secure.
 *
 * Test: tests/web/test_web_forms.c.
 */
#include "base/timefmt.h"
#include "base/try.h"
#include "web/http_core.h"
#include "web/web_wire.h"

enum { COOKIE_MAX = 4096 }; /* what browsers keep of one (section 6.1) */

bool plait__cookie_next(plait_slice *rest, plait_slice *name, plait_slice *value)
{
    while (rest->len) {
        const size_t end = plait_slice_find_byte(*rest, ';', 0);
        const plait_slice pair = plait_slice_trim(plait_slice_sub(*rest, 0, end));
        const size_t equals = plait_slice_find_byte(pair, '=', 0);
        *rest = plait_slice_sub(*rest, end == SIZE_MAX ? rest->len : end + 1, rest->len);
        if (equals == SIZE_MAX || equals == 0)
            continue;
        *name = plait_slice_trim(plait_slice_sub(pair, 0, equals));
        *value = plait_slice_trim(plait_slice_sub(pair, equals + 1, pair.len));
        if (value->len > 1 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"')
            *value = plait_slice_sub(*value, 1, value->len - 1);
        if (name->len)
            return true;
    }
    return false;
}

bool plait_request_cookie(const struct plait_request *req, const char *name, plait_slice *value)
{
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice field, rest, key;
        plait_request_field_at(req, i, &field, &rest); /* HTTP/2 may send several (RFC 9113 section 8.2.3) */
        if (!plait_slice_equal_nocase(field, PLAIT_LIT("cookie")))
            continue;
        while (plait__cookie_next(&rest, &key, value)) {
            if (plait_slice_equal(key, plait_slice_text(name)))
                return true;
        }
    }
    return false;
}

/* Section 4.1.1: cookie-octet. */
static bool is_octets(plait_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t c = value.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

/* Section 4.1.1: what an attribute may have. */
static bool is_attribute(const char *text)
{
    for (; text && *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f || *text == ';')
            return false;
    }
    return true;
}

/* The rules of prefixes (RFC 6265bis section 4.1.3) and of SameSite=None. */
static bool is_consistent(const struct plait_cookie *c)
{
    const plait_slice name = plait_slice_text(c->name);
    if (!c->secure && (c->same_site == PLAIT_SAME_SITE_NONE || plait_slice_starts(name, PLAIT_LIT("__Secure-"))))
        return false;
    if (!plait_slice_starts(name, PLAIT_LIT("__Host-")))
        return true;
    return c->secure && !c->domain && c->path && strcmp(c->path, "/") == 0;
}

static void put_attribute(struct plait_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    plait_buf_put_text(out, name);
    plait_buf_put_text(out, value);
}

static void put_age(struct plait_buf *out, plait_span age)
{
    if (age == 0)
        return;
    if (age < 0)
        plait_buf_put(out, PLAIT_LIT("; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"));
    else
        plait_buf_printf(out, "; Max-Age=%lld", (long long)((age + plait_seconds(1) - 1) / plait_seconds(1)));
}

static void put_cookie(struct plait_buf *out, const struct plait_cookie *c)
{
    static const char *const same_site[] = {"Lax", "Strict", "None"};
    plait_buf_put_text(out, c->name);
    plait_buf_put_u8(out, '=');
    plait_buf_put(out, c->value);
    put_age(out, c->max_age);
    put_attribute(out, "; Domain=", c->domain);
    put_attribute(out, "; Path=", c->path);
    put_attribute(out, "; Secure", c->secure ? "" : NULL);
    put_attribute(out, "; HttpOnly", c->script ? NULL : "");
    put_attribute(out, "; SameSite=", same_site[c->same_site]);
}

plait_err plait_reply_cookie(struct plait_request *req, const struct plait_cookie *cookie)
{
    struct plait_buf out;
    if (!plait__http1_is_token(plait_slice_text(cookie->name)) || !is_octets(cookie->value) ||
        !is_attribute(cookie->domain) || !is_attribute(cookie->path) || !is_consistent(cookie))
        return PLAIT_FAIL(PLAIT_EINVAL);
    plait_buf_init(&out, plait_reactor_budget(req->web->reactor), COOKIE_MAX);
    put_cookie(&out, cookie);
    const plait_err err = out.err ? out.err : plait_reply_field(req, "Set-Cookie", plait_buf_slice(&out));
    plait_buf_deinit(&out);
    return err;
}
