/* SPDX-License-Identifier: MIT
 *
 * A client's context: whom it trusts, which name it asks for and verifies, its own certificate, and sessions to resume.
 * Sessions are kept by name and port, one each, the oldest dropped first; one of TLS 1.3 is used once (RFC 8446
 * appendix C.4).
 *
 * Invariant: without `insecure` no connection is made without a name to verify.
 * Test: tests/engine/test_tls_verify.c, test_tls_resume.c.
 */
#include "base/list.h"
#include "base/try.h"
#include "engine/tls_core.h"
#include "engine/tls_staple.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>

enum { SESSIONS_MAX = 256, NAME_MAX_BYTES = 255 };

struct kept_session {
    struct plait__list link;
    SSL_SESSION *session;
    char *key;
};

struct plait_tls_client {
    struct plait__tls_module *module;
    size_t refs;
    SSL_CTX *ctx;
    bool insecure, resumes;
    struct plait__list sessions; /* newest first */
    size_t session_count;
};

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static void drop_session(struct plait_tls_client *client, struct kept_session *kept)
{
    plait__list_remove(&kept->link);
    client->session_count--;
    SSL_SESSION_free(kept->session);
    plait_mem_free(kept->key);
    plait_mem_free(kept);
}

static struct kept_session *find_session(struct plait_tls_client *client, const char *key)
{
    for (struct plait__list *at = client->sessions.next; at != &client->sessions; at = at->next) {
        struct kept_session *kept = plait__container(at, struct kept_session, link);
        if (strcmp(kept->key, key) == 0)
            return kept;
    }
    return NULL;
}

/* A session came. Returns 1 when its reference is kept. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct plait__tls *t = SSL_get_app_data(ssl);
    struct plait_tls_client *client = t->client;
    struct plait_budget *budget = &client->module->reactor->budget;
    if (!t->session_key)
        return 0;
    struct kept_session *kept = find_session(client, t->session_key);
    if (kept)
        drop_session(client, kept);
    kept = plait_mem_new(budget, sizeof *kept);
    char *key = kept ? plait_mem_text(budget, t->session_key, strlen(t->session_key)) : NULL;
    if (!key) {
        plait_mem_free(kept);
        return 0;
    }
    kept->key = key;
    kept->session = session;
    plait__list_add_head(&client->sessions, &kept->link);
    if (++client->session_count > SESSIONS_MAX)
        drop_session(client, plait__container(client->sessions.prev, struct kept_session, link));
    return 1;
}

void plait__tls_client_done(struct plait__tls *t)
{
    if (!SSL_session_reused(t->ssl) || SSL_version(t->ssl) >= TLS1_3_VERSION)
        return;
    SSL_SESSION *session = SSL_get1_session(t->ssl);
    if (!keep_session(t->ssl, session))
        SSL_SESSION_free(session);
}

static void offer_session(struct plait__tls *t)
{
    struct kept_session *kept = t->session_key ? find_session(t->client, t->session_key) : NULL;
    if (!kept)
        return;
    SSL_set_session(t->ssl, kept->session);
    if (SSL_SESSION_get_protocol_version(kept->session) >= TLS1_3_VERSION)
        drop_session(t->client, kept);
}

/* --- one connection ----------------------------------------------------------------------------------------------- */

/* A name as it is verified: without brackets, scope or the root's dot. Errors: PLAIT_EINVAL. */
static plait_err clean_name(const char *name, char out[NAME_MAX_BYTES + 1], bool *is_ip)
{
    struct plait_address address;
    char host[PLAIT_ADDR_TEXT_MAX];
    plait_slice text = plait_slice_text(name);
    *is_ip = plait_address_parse_ip(text, 0, &address) == PLAIT_OK;
    if (*is_ip) {
        address.scope = 0;
        text = plait_slice_text(plait_address_format_host(&address, host));
    } else if (text.len > 0 && text.ptr[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len > NAME_MAX_BYTES)
        return PLAIT_FAIL(PLAIT_EINVAL);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return PLAIT_FAIL(PLAIT_EINVAL);
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return PLAIT_OK;
}

static plait_err expect_name(struct plait__tls *t, char *name, bool is_ip)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    bool done;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_ip)
        done = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    else
        done = X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 && SSL_set_tlsext_host_name(t->ssl, name) == 1;
    return done ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

/* Under what this connection's session is kept: name and port, and whether the server was to know who we are. */
static plait_err make_session_key(struct plait__tls *t, const char *name)
{
    struct plait_address peer;
    char key[NAME_MAX_BYTES + 8];
    if (!t->client->resumes)
        return PLAIT_OK;
    t->lower->ops->peer(t->lower, &peer);
    const int len = snprintf(key, sizeof key, "%s:%u%s", name, peer.kind == PLAIT_ADDR_NONE ? 0u : peer.port,
                             t->anonymous ? "-" : "");
    t->session_key = plait_mem_text(&t->stream->budget, key, (size_t)len);
    return t->session_key ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

static void say_insecure(struct plait__tls *t, const char *name)
{
    const struct plait_field fields[] = {plait_field_text("name", name ? name : ""), plait_field_end()};
    plait__warn(t->stream->reactor, "tls-insecure", "a server's certificate is not verified, as was asked for", fields);
}

plait_err plait__tls_client_session(struct plait__tls *t, const char *name, plait_slice alpn)
{
    char clean[NAME_MAX_BYTES + 1];
    bool is_ip = false;
    const bool named = name && *name;
    if (!plait__tls_alpn_ok(alpn) || (!named && !t->client->insecure))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (named)
        PLAIT_TRY(clean_name(name, clean, &is_ip));
    t->ssl = SSL_new(t->client->ctx);
    if (!t->ssl)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (t->anonymous)
        SSL_certs_clear(t->ssl);
    if (named)
        PLAIT_TRY(expect_name(t, clean, is_ip));
    if (alpn.len > 0 && SSL_set_alpn_protos(t->ssl, alpn.ptr, (unsigned)alpn.len) != 0)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (named)
        PLAIT_TRY(make_session_key(t, clean));
    offer_session(t);
    if (t->client->insecure)
        say_insecure(t, name);
    SSL_set_connect_state(t->ssl);
    return PLAIT_OK;
}

bool plait__tls_client_verifies(const struct plait_tls_client *client)
{
    return !client->insecure;
}

/* --- the context -------------------------------------------------------------------------------------------------- */

static plait_err trust_file(struct plait_tls_client *client, const char *path, char *why)
{
    struct plait_buf pem;
    plait_err err = plait__tls_file(client->module, path, &pem, why);
    if (err == PLAIT_OK)
        err = plait__tls_trust(client->module, SSL_CTX_get_cert_store(client->ctx), plait_buf_slice(&pem), path, NULL,
                               why);
    plait_buf_deinit(&pem);
    return err;
}

static plait_err trust(struct plait_tls_client *client, const struct plait_tls_client_options *o, char *why)
{
    SSL_CTX_set_verify(client->ctx, client->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (o->ca_file)
        PLAIT_TRY(trust_file(client, o->ca_file, why));
    if (o->ca_pem.len > 0)
        PLAIT_TRY(plait__tls_trust(client->module, SSL_CTX_get_cert_store(client->ctx), o->ca_pem, "the text given",
                                   NULL, why));
    if (!o->ca_file && o->ca_pem.len == 0 && !client->insecure && SSL_CTX_set_default_verify_paths(client->ctx) != 1)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return PLAIT_OK;
}

/* RFC 6066 section 8: asked once the certificate itself is found good. */
static int judge_staple(SSL *ssl, void *arg)
{
    const struct plait__tls *t = SSL_get_app_data(ssl);
    int64_t seconds;
    uint32_t nanoseconds;
    (void)arg;
    plait_wall_clock(t->module->reactor, &seconds, &nanoseconds);
    return plait__staple_is_good(ssl, seconds);
}

static plait_err demand_staple(struct plait_tls_client *client, char *why)
{
    if (client->insecure) {
        plait__tls_why(why, "a client that verifies nothing can't demand an OCSP response");
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    SSL_CTX_set_tlsext_status_type(client->ctx, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(client->ctx, judge_staple);
    return PLAIT_OK;
}

static plait_err introduce(struct plait_tls_client *client, const struct plait_tls_client_options *o, char *why)
{
    struct plait__tls_identity identity;
    if (o->cert_file)
        PLAIT_TRY(plait__tls_identity_load(client->module, o->cert_file, o->key_file, &identity, why));
    else if (o->cert_pem.len > 0)
        PLAIT_TRY(plait__tls_identity_parse(client->module, o->cert_pem, o->key_pem, "the text given", &identity, why));
    else
        return PLAIT_OK;
    const bool done = SSL_CTX_use_cert_and_key(client->ctx, identity.leaf, identity.key, identity.chain, 1) == 1;
    plait__tls_identity_end(&identity);
    ERR_clear_error();
    if (done)
        return PLAIT_OK;
    plait__tls_why(why, "the client's own certificate is weaker than what TLS demands today");
    return PLAIT_FAIL(PLAIT_EINVAL);
}

plait_err plait_tls_client_new(struct plait_reactor *reactor, const struct plait_tls_client_options *options,
                               struct plait_tls_client **out, char *why)
{
    static const struct plait_tls_client_options usual = {.ca_file = NULL};
    const struct plait_tls_client_options *o = options ? options : &usual;
    struct plait__tls_module *m = plait__tls_module_of(reactor);
    struct plait_tls_client *client = m ? plait_mem_new(&reactor->budget, sizeof *client) : NULL;
    SSL_CTX *ctx = client ? plait__tls_ctx_new(m, TLS_client_method()) : NULL;
    *out = NULL;
    plait__tls_why(why, "out of memory");
    if (!ctx) {
        plait_mem_free(client);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    client->ctx = ctx;
    client->module = m;
    client->refs = 1;
    client->insecure = o->insecure;
    client->resumes = !o->no_resumption;
    m->refs++;
    plait__list_init(&client->sessions);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    plait_err err = trust(client, o, why);
    if (err == PLAIT_OK && o->require_staple)
        err = demand_staple(client, why);
    if (err == PLAIT_OK)
        err = introduce(client, o, why);
    if (err != PLAIT_OK)
        plait_tls_client_unref(&client);
    else
        plait__tls_why(why, "%s", "");
    *out = client;
    return err;
}

struct plait_tls_client *plait_tls_client_ref(struct plait_tls_client *client)
{
    client->refs++;
    return client;
}

void plait_tls_client_unref(struct plait_tls_client **client)
{
    struct plait_tls_client *c = *client;
    *client = NULL;
    if (!c || --c->refs > 0)
        return;
    while (!plait__list_empty(&c->sessions))
        drop_session(c, plait__container(c->sessions.next, struct kept_session, link));
    SSL_CTX_free(c->ctx);
    plait__tls_module_unref(c->module);
    plait_mem_free(c);
}
