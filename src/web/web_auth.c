/* SPDX-License-Identifier: MIT
 *
 * Authentication as a layer (RFC 9110 section 11): Basic (RFC 7617), Bearer (RFC 6750) and Digest (RFC 7616) before one
 * function that knows the users and may take its time. Every scheme that is allowed is offered.
 *
 * Invariant: a request passes on only behind plait_auth_grant or a right password. Test: tests/web/test_web_auth.c.
 */
#include "web/web_auth.h"

#include "base/text.h"
#include "base/try.h"

#include <stdio.h>

enum { NONCES = 1024 };

/* --- refusing ----------------------------------------------------------------------------------------------------- */

const char *plait__auth_field(const struct plait__auth *auth)
{
    return auth->options.proxy ? "Proxy-Authenticate" : "WWW-Authenticate";
}

/* Section 11.6.1; the realm has neither quotes nor backslashes. */
static void challenge(struct plait_request *req, struct plait__auth *auth, bool bad_token, bool stale)
{
    char text[256];
    const unsigned schemes = auth->options.schemes;
    if (schemes & PLAIT_AUTH_DIGEST)
        plait__digest_challenge(req, auth, stale);
    if (schemes & PLAIT_AUTH_BASIC) {
        (void)snprintf(text, sizeof(text), "Basic realm=\"%s\", charset=\"UTF-8\"", auth->realm);
        (void)plait_reply_field(req, plait__auth_field(auth), plait_slice_text(text));
    }
    if (schemes & PLAIT_AUTH_BEARER) {
        (void)snprintf(text, sizeof(text), "Bearer realm=\"%s\"%s", auth->realm,
                       bad_token ? ", error=\"invalid_token\"" : "");
        (void)plait_reply_field(req, plait__auth_field(auth), plait_slice_text(text));
    }
    plait_reply_error(req, auth->options.proxy ? 407 : 401, "This is for people who are known here.");
}

void plait_auth_deny(struct plait_request *req)
{
    struct plait__auth_try *t = req->auth;
    if (!t || t->over)
        return;
    t->over = true;
    challenge(req, t->auth, t->credentials.scheme == PLAIT_AUTH_BEARER, false);
}

void plait_auth_grant(struct plait_request *req, plait_slice user)
{
    struct plait__auth_try *t = req->auth;
    if (!t || t->over)
        return;
    uint8_t *copy = plait_request_memory(req, user.len + 1);
    if (!copy) {
        t->over = true;
        plait_reply_error(req, 503, NULL);
        return;
    }
    t->over = true;
    if (user.len)
        memcpy(copy, user.ptr, user.len);
    req->user = plait_slice_of(copy, user.len);
    plait_request_pass(req);
}

void plait_auth_secret(struct plait_request *req, plait_slice secret)
{
    struct plait__auth_try *t = req->auth;
    if (!t || t->over)
        return;
    const bool right = t->credentials.scheme == PLAIT_AUTH_DIGEST
                           ? plait__digest_holds(req, t->auth, &t->digest, secret)
                           : plait__secrets_match(t->credentials.secret, secret);
    if (right)
        plait_auth_grant(req, t->credentials.user);
    else
        plait_auth_deny(req);
}

plait_slice plait_request_user(const struct plait_request *req)
{
    return req->user;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* RFC 7617 section 2: the first colon ends the user. */
static bool read_basic(struct plait_request *req, plait_slice text, struct plait_credentials *out)
{
    struct plait_buf plain;
    bool fine = false;
    plait_buf_init(&plain, plait_reactor_budget(req->web->reactor), 8192);
    if (plait__base64_decode(text, &plain) == PLAIT_OK) {
        const plait_slice all = plait_buf_slice(&plain);
        const size_t colon = plait_slice_find_byte(all, ':', 0);
        uint8_t *copy = colon == SIZE_MAX || plait_slice_find_byte(all, 0, 0) != SIZE_MAX
                            ? NULL
                            : plait_request_memory(req, all.len);
        if (copy) {
            memcpy(copy, all.ptr, all.len);
            out->user = plait_slice_of(copy, colon);
            out->secret = plait_slice_of(copy + colon + 1, all.len - colon - 1);
            fine = true;
        }
        plait_mem_wipe(plain.ptr, plain.cap);
    }
    plait_buf_deinit(&plain);
    return fine;
}

/* RFC 6750 section 2.1: b64token. */
static bool is_token68(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!plait__is_alnum(text.ptr[i]) && !strchr("-._~+/=", text.ptr[i]))
            return false;
    }
    return text.len > 0;
}

static bool scheme_is(plait_slice field, plait_slice scheme, plait_slice *rest)
{
    if (field.len <= scheme.len || field.ptr[scheme.len] != ' ' ||
        !plait_slice_equal_nocase(plait_slice_sub(field, 0, scheme.len), scheme))
        return false;
    *rest = plait_slice_trim(plait_slice_sub(field, scheme.len, field.len));
    return true;
}

/* Whether there are credentials of an allowed scheme. */
static bool read_credentials(struct plait_request *req, struct plait__auth_try *t, bool *stale)
{
    const plait_slice field =
        plait_request_field(req, t->auth->options.proxy ? "proxy-authorization" : "authorization");
    const unsigned schemes = t->auth->options.schemes;
    struct plait_credentials *c = &t->credentials;
    plait_slice rest;
    if ((schemes & PLAIT_AUTH_BASIC) && scheme_is(field, PLAIT_LIT("Basic"), &rest)) {
        c->scheme = PLAIT_AUTH_BASIC;
        return read_basic(req, rest, c);
    }
    if ((schemes & PLAIT_AUTH_BEARER) && scheme_is(field, PLAIT_LIT("Bearer"), &rest)) {
        c->scheme = PLAIT_AUTH_BEARER;
        c->secret = rest;
        return is_token68(rest);
    }
    if ((schemes & PLAIT_AUTH_DIGEST) && scheme_is(field, PLAIT_LIT("Digest"), &rest)) {
        c->scheme = PLAIT_AUTH_DIGEST;
        if (!plait__digest_read(req, t->auth, rest, &t->digest, stale))
            return false;
        c->user = t->digest.user;
        return true;
    }
    return false;
}

static void on_request(struct plait_request *req, void *ctx)
{
    struct plait__auth *auth = ctx;
    struct plait__auth_try *t = plait_request_memory(req, sizeof(*t));
    bool stale = false;
    if (!t) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    memset(t, 0, sizeof(*t));
    t->auth = auth;
    req->auth = t;
    if (read_credentials(req, t, &stale)) {
        if (auth->options.portal)
            plait__auth_ask(req, t);
        else
            auth->options.check(req, &t->credentials, auth->options.ctx);
        return;
    }
    t->over = true;
    challenge(req, auth, t->credentials.scheme == PLAIT_AUTH_BEARER, stale);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void auth_destroy(void *ctx)
{
    struct plait__auth *auth = ctx;
    plait_portal_unref(&auth->options.portal);
    plait_mem_wipe(auth->key, sizeof(auth->key));
    plait_mem_free(auth->nonce);
    plait_mem_free(auth);
}

static const struct plait_layer auth_layer = {.name = "auth", .request = on_request, .destroy = auth_destroy};

static plait_err auth_fill(struct plait__auth *auth, const struct plait_auth_options *options)
{
    const char *realm = options->realm ? options->realm : "plait";
    for (const char *c = realm; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\')
            return PLAIT_FAIL(PLAIT_EINVAL);
    }
    if (strlen(realm) >= sizeof(auth->realm) || (!options->check && !options->portal))
        return PLAIT_FAIL(PLAIT_EINVAL);
    memcpy(auth->realm, realm, strlen(realm) + 1);
    auth->options = *options;
    if (options->portal)
        auth->options.portal = plait_portal_ref(options->portal);
    auth->options.schemes = options->schemes ? options->schemes : PLAIT_AUTH_BASIC;
    auth->options.nonce_age = options->nonce_age ? options->nonce_age : plait_seconds(300);
    if (!(auth->options.schemes & PLAIT_AUTH_DIGEST))
        return PLAIT_OK;
    auth->nonce = plait_mem_new(plait_reactor_budget(auth->reactor), NONCES * sizeof(*auth->nonce));
    if (!auth->nonce)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return plait_random_bytes(auth->reactor, auth->key, sizeof(auth->key));
}

plait_err plait_auth_wrap(struct plait_resource *resource, const struct plait_auth_options *options)
{
    struct plait_reactor *reactor = resource ? plait__resource_reactor(resource) : NULL;
    struct plait__auth *auth = reactor ? plait_mem_new(plait_reactor_budget(reactor), sizeof(*auth)) : NULL;
    if (!auth) {
        plait__resource_fail(resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    auth->reactor = reactor;
    const plait_err err = auth_fill(auth, options);
    if (err != PLAIT_OK) {
        auth_destroy(auth);
        plait__resource_fail(resource); /* what should be guarded must not be served without its guard */
        return err;
    }
    return plait_resource_wrap(resource, &auth_layer, auth);
}
