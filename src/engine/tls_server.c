/* SPDX-License-Identifier: MIT
 *
 * A server's context: its certificates (of files, of a folder, of text), which of them a client gets by the name that
 * it asked for, whom it trusts as clients, the protocols that it speaks. The certificates of one reading are a set
 * (tls_set.c); a reload makes a new set and puts it in the old one's place, or fails and changes nothing. Connections
 * hold what they took from a set.
 *
 * Invariant: `set` is complete and usable at any time.
 * Tests: tests/engine/test_tls_context.c, test_tls_names.c.
 */
#include "base/try.h"
#include "engine/tls_core.h"
#include "engine/tls_set.h"
#include "engine/tls_staple.h"

#include <openssl/err.h>

enum { RENEW_S = 600 }; /* how often files of OCSP responses are read again */

struct plait_tls_server {
    struct plait__tls_module *module;
    size_t refs;
    char *cert_file, *key_file, *cert_dir, *client_ca_file, *staple_file; /* NULL: none */
    uint8_t *alpn;
    size_t alpn_len;
    enum plait_tls_client_cert client_cert;
    bool no_tickets;
    struct plait__tls_identity *own; /* given as text: no file to read again */
    size_t own_count;
    bool own_first; /* own[0] is for names that nobody knows */
    struct plait__tls_set *set;
    struct plait__tickets tickets;
    struct plait_timer renewal; /* runs while there are files of OCSP responses */
};

/* --- what OpenSSL asks -------------------------------------------------------------------------------------------- */

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    struct plait_tls_server *server = arg;
    const plait_err err = plait__tls_set_choose(server->set, ssl, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (err == PLAIT_OK)
        return SSL_TLSEXT_ERR_OK;
    *alert = err == PLAIT_ENOTFOUND ? SSL_AD_UNRECOGNIZED_NAME : SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* RFC 7301 section 3.2: the server's preference, the context's list before the service's; nothing in common is
 * fatal. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    const struct plait_tls_server *server = arg;
    const struct plait__tls *t = SSL_get_app_data(ssl);
    const plait_slice list = server->alpn_len ? plait_slice_of(server->alpn, server->alpn_len) : t->alpn;
    if (list.len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < list.len; i += 1u + list.ptr[i]) {
        const plait_slice ours = plait_slice_of(list.ptr + i + 1, list.ptr[i]);
        for (unsigned j = 0; j < in_len; j += 1u + in[j]) {
            if (plait_slice_equal(ours, plait_slice_of(in + j + 1, in[j]))) {
                *out = ours.ptr;
                *out_len = (unsigned char)ours.len;
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int show_staple(SSL *ssl, void *arg)
{
    struct plait_tls_server *server = arg;
    int64_t seconds = 0;
    uint32_t nanoseconds;
    plait_wall_clock(server->module->reactor, &seconds, &nanoseconds);
    return plait__staple_show(ssl, plait__tls_set_staple_of(server->set, SSL_get_certificate(ssl)), seconds);
}

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int encrypt)
{
    struct plait__tls *t = SSL_get_app_data(ssl);
    const int done = plait__tickets_key(&t->server->tickets, name, iv, cipher, mac, encrypt);
    /* A ticket of TLS 1.3 is used once, so that whoever used one gets another (RFC 8446 appendix C.4). */
    return done == 1 && !encrypt && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : done;
}

/* --- the context of a set ----------------------------------------------------------------------------------------- */

static plait_err trust_clients(struct plait_tls_server *server, SSL_CTX *ctx, char *why)
{
    struct plait_buf pem;
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    const int required = server->client_cert == PLAIT_CERT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    plait_err err = plait__tls_file(server->module, server->client_ca_file, &pem, why);
    if (err == PLAIT_OK)
        err = plait__tls_trust(server->module, SSL_CTX_get_cert_store(ctx), plait_buf_slice(&pem),
                               server->client_ca_file, names, why);
    plait_buf_deinit(&pem);
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | required, NULL);
    return err;
}

/* A session is resumed only where it began: by the same server, and with client certificates only by the same reading
 * of their issuers. */
static plait_err set_session_context(struct plait_tls_server *server, SSL_CTX *ctx)
{
    uint8_t id[16];
    PLAIT_TRY(plait_random_bytes(server->module->reactor, id, sizeof id));
    SSL_CTX_set_session_id_context(ctx, id, sizeof id);
    return PLAIT_OK;
}

static plait_err set_up(struct plait_tls_server *server, SSL_CTX *ctx, char *why)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (server->no_tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, server);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, server);
    SSL_CTX_set_tlsext_status_cb(ctx, show_staple);
    SSL_CTX_set_tlsext_status_arg(ctx, server);
    if (server->client_cert == PLAIT_CERT_NONE)
        return PLAIT_OK;
    PLAIT_TRY(set_session_context(server, ctx));
    return trust_clients(server, ctx, why);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Adds what was given as text to a set. */
static plait_err add_own(struct plait_tls_server *server, struct plait__tls_set *set, size_t i, char *why)
{
    struct plait__tls_identity copy;
    const plait_err err = plait__tls_identity_copy(&server->own[i], &copy);
    return err == PLAIT_OK ? plait__tls_set_add(set, &copy, "the text given", NULL, i == 0 && server->own_first, why)
                           : err;
}

static plait_err read_files(struct plait_tls_server *server, struct plait__tls_set *set, char *why)
{
    struct plait__tls_identity identity;
    if (server->cert_file) {
        PLAIT_TRY(plait__tls_identity_load(server->module, server->cert_file, server->key_file, &identity, why));
        PLAIT_TRY(plait__tls_set_add(set, &identity, server->cert_file, NULL, true, why));
        if (server->staple_file)
            PLAIT_TRY(plait__tls_set_staple(set, server->staple_file, true, why));
    }
    if (server->cert_dir)
        PLAIT_TRY(plait__tls_set_folder(set, server->cert_dir, why));
    for (size_t i = 0; i < server->own_count; i++)
        PLAIT_TRY(add_own(server, set, i, why));
    return PLAIT_OK;
}

static plait_err read_all(struct plait_tls_server *server, char *why)
{
    plait__tls_why(why, "out of memory");
    struct plait__tls_set *set = plait__tls_set_new(server->module);
    if (!set)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait_err err = read_files(server, set, why);
    if (err == PLAIT_OK)
        err = plait__tls_set_finish(set, why);
    if (err == PLAIT_OK)
        err = set_up(server, plait__tls_set_ctx(set), why);
    if (err != PLAIT_OK) {
        plait__tls_set_free(&set);
        return err;
    }
    plait__tls_set_free(&server->set);
    server->set = set;
    if (plait__tls_set_renew(set, false))
        plait_timer_arm(&server->renewal, plait_seconds(RENEW_S));
    plait__tls_why(why, "%s", "");
    return PLAIT_OK;
}

/* Who renews the responses writes them anew from time to time. */
static void on_renewal(void *ctx)
{
    struct plait_tls_server *server = ctx;
    if (plait__tls_set_renew(server->set, true))
        plait_timer_arm(&server->renewal, plait_seconds(RENEW_S));
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static plait_err keep_text(struct plait_tls_server *server, const char *text, char **out)
{
    if (!text)
        return PLAIT_OK;
    *out = plait_mem_text(&server->module->reactor->budget, text, strlen(text));
    return *out ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

static plait_err keep_alpn(struct plait_tls_server *server, plait_slice alpn)
{
    if (alpn.len == 0)
        return PLAIT_OK;
    server->alpn = plait_mem_new(&server->module->reactor->budget, alpn.len);
    if (!server->alpn)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(server->alpn, alpn.ptr, alpn.len);
    server->alpn_len = alpn.len;
    return PLAIT_OK;
}

/* Appends an identity given as text; takes it over in any case. */
static plait_err keep_own(struct plait_tls_server *server, struct plait__tls_identity *identity)
{
    const size_t bytes = (server->own_count + 1) * sizeof *server->own;
    struct plait__tls_identity *own = plait_mem_resize(&server->module->reactor->budget, server->own, bytes);
    if (!own) {
        plait__tls_identity_end(identity);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    own[server->own_count++] = *identity;
    server->own = own;
    return PLAIT_OK;
}

static plait_err keep_options(struct plait_tls_server *server, const struct plait_tls_server_options *o, char *why)
{
    struct plait__tls_identity identity;
    PLAIT_TRY(keep_text(server, o->cert_file, &server->cert_file));
    PLAIT_TRY(keep_text(server, o->key_file, &server->key_file));
    PLAIT_TRY(keep_text(server, o->cert_dir, &server->cert_dir));
    PLAIT_TRY(keep_text(server, o->client_ca_file, &server->client_ca_file));
    PLAIT_TRY(keep_text(server, o->staple_file, &server->staple_file));
    PLAIT_TRY(keep_alpn(server, o->alpn));
    server->client_cert = o->client_cert;
    server->no_tickets = o->no_tickets;
    if (o->cert_pem.len == 0)
        return PLAIT_OK;
    server->own_first = true;
    PLAIT_TRY(plait__tls_identity_parse(server->module, o->cert_pem, o->key_pem, "the text given", &identity, why));
    return keep_own(server, &identity);
}

static plait_err check_options(const struct plait_tls_server_options *o, char *why)
{
    if (!o->cert_file && !o->cert_dir && o->cert_pem.len == 0)
        plait__tls_why(why, "a TLS server needs a certificate");
    else if (!plait__tls_alpn_ok(o->alpn))
        plait__tls_why(why, "the list of protocols for ALPN is malformed");
    else if (o->client_cert != PLAIT_CERT_NONE && !o->client_ca_file)
        plait__tls_why(why, "client certificates need the file of those who issue them");
    else if (o->staple_file && !o->cert_file)
        plait__tls_why(why, "an OCSP response needs the file of the certificate that it is about");
    else
        return PLAIT_OK;
    return PLAIT_FAIL(PLAIT_EINVAL);
}

plait_err plait_tls_server_new(struct plait_reactor *reactor, const struct plait_tls_server_options *options,
                               struct plait_tls_server **out, char *why)
{
    *out = NULL;
    PLAIT_TRY(check_options(options, why));
    plait__tls_why(why, "out of memory");
    struct plait__tls_module *m = plait__tls_module_of(reactor);
    struct plait_tls_server *server = m ? plait_mem_new(&reactor->budget, sizeof *server) : NULL;
    if (!server)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    server->module = m;
    server->refs = 1;
    m->refs++;
    plait__tickets_init(&server->tickets, reactor, options->ticket_rotate);
    plait_timer_init(&server->renewal, reactor, "tls-staple", on_renewal, server);
    plait_err err = keep_options(server, options, why);
    if (err == PLAIT_OK)
        err = read_all(server, why);
    if (err != PLAIT_OK)
        plait_tls_server_unref(&server);
    *out = server;
    return err;
}

plait_err plait_tls_server_add(struct plait_tls_server *server, plait_slice cert_pem, plait_slice key_pem, char *why)
{
    struct plait__tls_identity identity;
    PLAIT_TRY(plait__tls_identity_parse(server->module, cert_pem, key_pem, "the text given", &identity, why));
    plait__tls_why(why, "out of memory");
    PLAIT_TRY(keep_own(server, &identity));
    const plait_err err = add_own(server, server->set, server->own_count - 1, why);
    if (err != PLAIT_OK)
        plait__tls_identity_end(&server->own[--server->own_count]);
    else
        plait__tls_why(why, "%s", "");
    return err;
}

plait_err plait_tls_server_reload(struct plait_tls_server *server, char *why)
{
    return read_all(server, why);
}

int64_t plait_tls_server_expiry(const struct plait_tls_server *server)
{
    return plait__tls_set_expiry(server->set);
}

struct plait_tls_server *plait_tls_server_ref(struct plait_tls_server *server)
{
    server->refs++;
    return server;
}

void plait_tls_server_unref(struct plait_tls_server **server)
{
    struct plait_tls_server *s = *server;
    *server = NULL;
    if (!s || --s->refs > 0)
        return;
    plait__tickets_deinit(&s->tickets);
    plait_timer_stop(&s->renewal);
    plait__tls_set_free(&s->set);
    for (size_t i = 0; i < s->own_count; i++)
        plait__tls_identity_end(&s->own[i]);
    plait_mem_free(s->own);
    plait_mem_free(s->cert_file);
    plait_mem_free(s->key_file);
    plait_mem_free(s->cert_dir);
    plait_mem_free(s->client_ca_file);
    plait_mem_free(s->staple_file);
    plait_mem_free(s->alpn);
    plait__tls_module_unref(s->module);
    plait_mem_free(s);
}

plait_err plait__tls_server_session(struct plait__tls *t)
{
    t->ssl = SSL_new(plait__tls_set_ctx(t->server->set));
    if (!t->ssl)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    SSL_set_accept_state(t->ssl);
    return PLAIT_OK;
}
