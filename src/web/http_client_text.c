/* SPDX-License-Identifier: MIT
 *
 * What a client sends: the head of a request from a URL, a method and fields, and the changes that a redirect makes.
 * Nothing that a caller passes can end a line (CVE-2019-12387); credentials do not leave their origin.
 *
 * Invariant: fields that carry credentials stand apart from the others, and are dropped as one.
 * Test: tests/web/test_http_client_text.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "web/http1_wire.h"
#include "web/http_client_core.h"
#include "web/http_decode.h"

enum { HEAD_MAX = 65536, URL_MAX = 16384 };

static bool is_one_of(plait_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(names[i])))
            return true;
    }
    return false;
}

/* Fields that the client writes itself. */
static bool is_ours(plait_slice name)
{
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade",
                                       "te",   "trailer"};
    return is_one_of(name, ours, sizeof(ours) / sizeof(ours[0]));
}

static bool is_secret(plait_slice name)
{
    static const char *const secrets[] = {"authorization", "cookie", "proxy-authorization"};
    return is_one_of(name, secrets, sizeof(secrets) / sizeof(secrets[0]));
}

/* RFC 9110 section 8: fields that describe the body. */
static bool is_about_body(plait_slice name)
{
    return name.len > 8 && plait_slice_equal_nocase(plait_slice_sub(name, 0, 8), PLAIT_LIT("content-"));
}

static plait_err wrong(struct plait__fetch_text *t, plait_err err, const char *why)
{
    t->why = why;
    return err;
}

/* --- the URL --------------------------------------------------------------------------------------------------- */

/* Takes the text, which is counted memory. */
static plait_err use_url(struct plait__fetch_text *t, char *text)
{
    plait_mem_free(t->url_text);
    t->url_text = text;
    t->url = plait_slice_text(text);
    if (t->url.len > URL_MAX || plait_url_parse(t->url, &t->parsed) != PLAIT_OK)
        return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "this is no URL"));
    t->secure = plait_slice_equal_nocase(t->parsed.scheme, PLAIT_LIT("https"));
    if (!t->secure && !plait_slice_equal_nocase(t->parsed.scheme, PLAIT_LIT("http")))
        return PLAIT_FAIL(wrong(t, PLAIT_EUNSUPPORTED, "only http and https URLs can be fetched so"));
    if (t->parsed.host.len == 0)
        return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "the URL has no host"));
    return PLAIT_OK;
}

/* --- fields ---------------------------------------------------------------------------------------------------- */

static void put_field(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_put_text(out, name);
    plait_buf_put(out, PLAIT_LIT(": "));
    plait_buf_put(out, value);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static plait_err take_field(struct plait__fetch_text *t, const struct plait_http_field *field)
{
    plait_slice name = plait_slice_text(field->name), value = plait_slice_text(field->value);
    if (!plait__http1_is_token(name) || !plait__http1_is_value(value))
        return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "a field's name or value has a byte that may not stand there"));
    if (is_ours(name))
        return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "a field that the client writes itself"));
    t->has_agent |= plait_slice_equal_nocase(name, PLAIT_LIT("user-agent"));
    t->has_accept |= plait_slice_equal_nocase(name, PLAIT_LIT("accept"));
    t->has_coding |= plait_slice_equal_nocase(name, PLAIT_LIT("accept-encoding"));
    t->has_cookie |= plait_slice_equal_nocase(name, PLAIT_LIT("cookie"));
    t->has_authorization |= plait_slice_equal_nocase(name, PLAIT_LIT("authorization"));
    put_field(is_secret(name) ? &t->secret : is_about_body(name) ? &t->about : &t->fields, field->name, value);
    return PLAIT_OK;
}

static plait_err use_userinfo(struct plait__fetch_text *t)
{
    const plait_err err = plait__client_auth_of_url(&t->auth, t->budget, &t->parsed);
    return err == PLAIT_EINVAL ? PLAIT_FAIL(wrong(t, err, "the URL's user or password can't be used")) : err;
}

static plait_err use_credentials(struct plait__fetch_text *t, const struct plait_fetch_options *options)
{
    if (options->bearer) {
        if (!plait__http1_is_value(plait_slice_text(options->bearer)))
            return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "a token has a byte that may not stand there"));
        plait_buf_put(&t->secret, PLAIT_LIT("Authorization: Bearer "));
        plait_buf_put_text(&t->secret, options->bearer);
        plait_buf_put(&t->secret, PLAIT_LIT("\r\n"));
        t->has_authorization = true;
    }
    if (!options->user)
        return use_userinfo(t);
    const plait_slice password = options->password ? plait_slice_text(options->password) : PLAIT_LIT("");
    const plait_err err = plait__client_auth_init(&t->auth, t->budget, plait_slice_text(options->user), password);
    t->auth.at_once = options->basic_at_once && !options->digest_only;
    t->auth.digest_only = options->digest_only;
    return err == PLAIT_EINVAL ? PLAIT_FAIL(wrong(t, err, "the user or password can't be used")) : err;
}

/* --- what the fetch uses --------------------------------------------------------------------------------------- */

static plait_err keep_request(struct plait__fetch_text *t, const struct plait_fetch_options *options)
{
    const char *method = options->method ? options->method : "GET";
    if (!plait__http1_is_token(plait_slice_text(method)) || strlen(method) > PLAIT__HTTP1_METHOD_MAX)
        return PLAIT_FAIL(wrong(t, PLAIT_EINVAL, "this is no method"));
    memcpy(t->method, method, strlen(method) + 1);
    t->is_head = strcmp(method, "HEAD") == 0;
    for (size_t i = 0; i < options->field_count; i++)
        PLAIT_TRY(take_field(t, &options->fields[i]));
    t->expect = options->expect_continue;
    t->raw = options->no_decoding || t->has_coding;
    t->streams = options->upload != NULL;
    if (t->streams)
        t->length = options->upload->length;
    if (options->body.len == 0 || t->streams)
        return PLAIT_OK;
    t->body_copy = plait_mem_new(t->budget, options->body.len);
    if (!t->body_copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(t->body_copy, options->body.ptr, options->body.len);
    t->body = plait_slice_of(t->body_copy, options->body.len);
    return PLAIT_OK;
}

plait_err plait__fetch_text_init(struct plait__fetch_text *text, struct plait_budget *budget, const char *url,
                                 const struct plait_fetch_options *options)
{
    memset(text, 0, sizeof(*text));
    text->budget = budget;
    plait_buf_init(&text->fields, budget, HEAD_MAX);
    plait_buf_init(&text->about, budget, HEAD_MAX);
    plait_buf_init(&text->secret, budget, HEAD_MAX);
    plait_buf_init(&text->target, budget, URL_MAX);
    plait_buf_init(&text->head, budget, 4 * HEAD_MAX);
    char *copy = plait_mem_text(budget, url, strlen(url));
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    PLAIT_TRY(use_url(text, copy));
    PLAIT_TRY(use_credentials(text, options));
    return keep_request(text, options);
}

void plait__fetch_text_deinit(struct plait__fetch_text *text)
{
    if (text->secret.ptr)
        plait_mem_wipe(text->secret.ptr, text->secret.cap);
    plait_mem_free(text->url_text);
    plait_mem_free(text->body_copy);
    plait_buf_deinit(&text->fields);
    plait_buf_deinit(&text->about);
    plait_buf_deinit(&text->secret);
    plait__client_auth_deinit(&text->auth);
    plait__client_auth_deinit(&text->proxy_auth);
    plait_buf_deinit(&text->target);
    plait_buf_deinit(&text->head);
}

/* RFC 9110 sections 15.4.2 to 15.4.4: what became of POST, and of everything but HEAD at 303. */
static void become_get(struct plait__fetch_text *t, int status)
{
    const bool post = strcmp(t->method, "POST") == 0;
    if (!(status == 303 && !t->is_head) && !((status == 301 || status == 302) && post))
        return;
    memcpy(t->method, "GET", 4);
    t->body = plait_slice_of(NULL, 0);
    t->streams = false;
    plait_buf_clear(&t->about);
}

bool plait__fetch_text_idempotent(const struct plait__fetch_text *text)
{
    static const char *const methods[] = {"get", "head", "put", "delete", "options", "trace"};
    return is_one_of(plait_slice_text(text->method), methods, sizeof(methods) / sizeof(methods[0]));
}

plait_err plait__fetch_text_redirect(struct plait__fetch_text *text, int status, plait_slice location)
{
    struct plait_url reference;
    struct plait_buf to;
    char *copy = NULL;
    if (plait_url_parse(location, &reference) != PLAIT_OK)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    plait_buf_init(&to, text->budget, URL_MAX);
    plait_url_resolve(&text->parsed, &reference, &to);
    if (!to.err)
        copy = plait_mem_text(text->budget, (const char *)plait_buf_slice(&to).ptr, to.len);
    plait_buf_deinit(&to);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    char *old = text->url_text;
    struct plait_url from = text->parsed;
    text->url_text = NULL;
    plait_err err = use_url(text, copy);
    if (!err && !plait_url_same_origin(&from, &text->parsed)) {
        text->strayed = true;
        text->cross_site |= !plait__same_site(from.host, text->parsed.host);
        plait_buf_clear(&text->secret);
        text->has_authorization = false;
        plait__client_auth_deinit(&text->auth);
        err = use_userinfo(text);
    }
    plait_mem_free(old);
    PLAIT_TRY(err);
    become_get(text, status);
    return PLAIT_OK;
}

static bool wants_length(const struct plait__fetch_text *t)
{
    static const char *const with_body[] = {"POST", "PUT", "PATCH"};
    return t->body.len || is_one_of(plait_slice_text(t->method), with_body, 3);
}

static void put_target(struct plait_buf *out, const struct plait_url *url)
{
    if (url->path.len == 0)
        plait_buf_put_u8(out, '/');
    plait_buf_put(out, url->path);
    if (url->query.ptr) {
        plait_buf_put_u8(out, '?');
        plait_buf_put(out, url->query);
    }
}

static void put_authority(struct plait_buf *out, const struct plait_url *url)
{
    plait_buf_put_text(out, url->host_is_ip6 ? "[" : "");
    plait_buf_put(out, url->host);
    plait_buf_put_text(out, url->host_is_ip6 ? "]" : "");
    if (url->port) {
        plait_buf_put_u8(out, ':');
        plait_buf_put_u64_text(out, url->port);
    }
}

/* RFC 9112 section 3.2.2: what a proxy is asked for. */
static void put_absolute(struct plait_buf *out, const struct plait_url *url)
{
    plait_buf_put(out, PLAIT_LIT("http://"));
    put_authority(out, url);
    put_target(out, url);
}

static void put_host(struct plait_buf *out, const struct plait_url *url)
{
    plait_buf_put(out, PLAIT_LIT("Host: "));
    put_authority(out, url);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static void put_cookies(const struct plait__fetch_text *t, struct plait_buf *out)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    enum plait_cookies_request how = PLAIT_COOKIES_SAME_SITE;
    if (t->cross_site)
        how = is_one_of(plait_slice_text(t->method), safe, 4) ? PLAIT_COOKIES_CROSS_SITE
                                                              : PLAIT_COOKIES_CROSS_SITE_UNSAFE;
    struct plait_buf value;
    plait_buf_init(&value, t->budget, HEAD_MAX);
    plait_cookies_give(t->cookies, &t->parsed, how, &value);
    if (value.len > 0)
        put_field(out, "Cookie", plait_buf_slice(&value));
    if (value.err)
        out->err = value.err;
    plait_buf_deinit(&value);
}

static void put_framing(const struct plait__fetch_text *t, struct plait_buf *out)
{
    const uint64_t length = t->streams ? t->length : t->body.len;
    if (t->streams && length == PLAIT_LENGTH_UNKNOWN) {
        plait_buf_put(out, PLAIT_LIT("Transfer-Encoding: chunked\r\n"));
    } else if (t->streams || wants_length(t)) {
        plait_buf_put(out, PLAIT_LIT("Content-Length: "));
        plait_buf_put_u64_text(out, length);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
    if (t->expect && length > 0)
        plait_buf_put(out, PLAIT_LIT("Expect: 100-continue\r\n"));
}

static plait_err put_credentials(struct plait__fetch_text *t, struct plait_buf *out)
{
    const plait_slice method = plait_slice_text(t->method);
    if (t->auth.digest)
        put_target(&t->target, &t->parsed);
    if (!t->has_authorization)
        PLAIT_TRY(
            plait__client_auth_write(&t->auth, out, "Authorization", method, plait_buf_slice(&t->target), t->cnonce));
    plait_buf_clear(&t->target);
    if (!t->relayed)
        return PLAIT_OK;
    if (t->proxy_auth.digest)
        put_absolute(&t->target, &t->parsed);
    PLAIT_TRY(plait__client_auth_write(&t->proxy_auth, out, "Proxy-Authorization", method, plait_buf_slice(&t->target),
                                       t->cnonce));
    plait_buf_clear(&t->target);
    return PLAIT_OK;
}

plait_err plait__fetch_text_write(struct plait__fetch_text *text)
{
    struct plait_buf *out = &text->head;
    plait_buf_clear(out);
    plait_buf_put_text(out, text->method);
    plait_buf_put_u8(out, ' ');
    (text->relayed ? put_absolute : put_target)(out, &text->parsed);
    plait_buf_put(out, PLAIT_LIT(" HTTP/1.1\r\n"));
    put_host(out, &text->parsed);
    if (!text->has_agent)
        plait_buf_put(out, PLAIT_LIT("User-Agent: plait/" PLAIT_VERSION "\r\n"));
    if (!text->has_accept)
        plait_buf_put(out, PLAIT_LIT("Accept: */*\r\n"));
    if (!text->raw)
        put_field(out, "Accept-Encoding", plait_slice_text(plait__decode_accepts));
    plait_buf_put(out, plait_buf_slice(&text->fields));
    plait_buf_put(out, plait_buf_slice(&text->about));
    plait_buf_put(out, plait_buf_slice(&text->secret));
    PLAIT_TRY(put_credentials(text, out));
    if (text->cookies && !(text->has_cookie && !text->strayed))
        put_cookies(text, out);
    put_framing(text, out);
    if (text->close)
        plait_buf_put(out, PLAIT_LIT("Connection: close\r\n"));
    plait_buf_put(out, PLAIT_LIT("\r\n"));
    if (text->fields.err || text->about.err || text->secret.err || text->target.err || out->err)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return PLAIT_OK;
}
