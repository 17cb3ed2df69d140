/* SPDX-License-Identifier: MIT
 *
 * Puts TLS under a stream: the carrier that was there becomes the lower one. What the stream wrote before leaves in the
 * clear first (TQ-157); what it had received and not taken ends it, for nobody knows who sent that. Also what the
 * handshake agreed on, and the end of it all.
 *
 * Invariant: when starting fails, the stream is as it was.
 * Test: tests/engine/test_starttls.c, test_tls_carrier.c.
 */
#include "base/memory.h"
#include "base/try.h"
#include "engine/tls_core.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* --- what was agreed on ------------------------------------------------------------------------------------------- */

/* Puts a copy of bytes at *at, terminated. */
static char *keep(char **at, const void *bytes, size_t len)
{
    char *kept = *at;
    if (len > 0)
        memcpy(kept, bytes, len);
    kept[len] = '\0';
    *at += len + 1;
    return kept;
}

/* The subject in one line, as RFC 2253 writes it. */
static BIO *subject_of(X509 *cert)
{
    BIO *text = cert ? BIO_new(BIO_s_mem()) : NULL;
    if (text)
        X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
    return text;
}

static bool verified(const struct plait__tls *t, const X509 *cert)
{
    const bool asked = !t->client || plait__tls_client_verifies(t->client);
    return cert && asked && SSL_get_verify_result(t->ssl) == X509_V_OK;
}

/* Copies into one allocation what OpenSSL would take with it. */
static plait_err note_texts(struct plait__tls *t, X509 *cert, plait_slice subject)
{
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    const int der = cert ? i2d_X509(cert, NULL) : 0;
    const plait_slice server_name = plait_slice_text(name);
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
    const size_t der_len = der > 0 ? (size_t)der : 0;
    t->info.server_name = "";
    t->info.peer_subject = "";
    if (server_name.len + alpn_len + subject.len + der_len == 0)
        return PLAIT_OK;
    char *at = plait_mem_new(&t->stream->budget, server_name.len + alpn_len + subject.len + der_len + 4);
    if (!at)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    t->texts = at;
    t->info.server_name = keep(&at, server_name.ptr, server_name.len);
    t->info.peer_subject = keep(&at, subject.ptr, subject.len);
    t->info.alpn = plait_slice_of(keep(&at, alpn, alpn_len), alpn_len);
    t->info.peer_certificate = plait_slice_of(at, der_len);
    unsigned char *into = (unsigned char *)at;
    if (der_len > 0)
        i2d_X509(cert, &into);
    return PLAIT_OK;
}

plait_err plait__tls_note(struct plait__tls *t)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    BIO *subject = subject_of(cert);
    char *text = NULL;
    const long len = subject ? BIO_get_mem_data(subject, &text) : 0;
    t->info.cipher = SSL_get_cipher_name(t->ssl);
    t->info.resumed = SSL_session_reused(t->ssl) == 1;
    t->info.verified = verified(t, cert);
    const plait_err err = note_texts(t, cert, plait_slice_of(text, len > 0 ? (size_t)len : 0));
    BIO_free(subject);
    if (err == PLAIT_OK)
        t->info.version = SSL_get_version(t->ssl);
    return err;
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

void plait__tls_release(struct plait__tls *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
    plait_mem_free(t->held);
    t->held = NULL;
    plait_mem_free(t->session_key);
    t->session_key = NULL;
    plait__budget_release(&t->stream->budget, PLAIT__TLS_ESTIMATE);
    plait_tls_server_unref(&t->server);
    plait_tls_client_unref(&t->client);
}

static plait_err make_session(struct plait__tls *t, const char *name, plait_slice alpn)
{
    int64_t seconds;
    uint32_t nanoseconds;
    BIO *bio = NULL;
    PLAIT_TRY(t->server ? plait__tls_server_session(t) : plait__tls_client_session(t, name, alpn));
    bio = BIO_new_ex(t->module->libctx, t->module->bio);
    if (!bio || !SSL_set_app_data(t->ssl, t)) {
        BIO_free(bio);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    plait_wall_clock(t->module->reactor, &seconds, &nanoseconds);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(t->ssl), (time_t)seconds);
    return PLAIT_OK;
}

static struct plait__tls *new_carrier(struct plait_stream *s, struct plait_tls_server *server,
                                      struct plait_tls_client *client)
{
    struct plait__tls_module *m = plait__tls_module_of(s->reactor);
    struct plait__tls *t = m ? plait_mem_new(&s->budget, sizeof *t) : NULL;
    if (!t || !plait__budget_charge(&s->budget, PLAIT__TLS_ESTIMATE)) {
        plait_mem_free(t);
        return NULL;
    }
    t->c = (struct plait__carrier){.ops = &plait__tls_ops, .up_ops = s->carrier->up_ops, .up = s->carrier->up};
    t->lower = s->carrier;
    t->stream = s;
    t->module = m;
    t->alert = -1;
    t->server = server ? plait_tls_server_ref(server) : NULL;
    t->client = client ? plait_tls_client_ref(client) : NULL;
    plait_soon_init(&t->soon, s->reactor, "tls", plait__tls_step, t);
    plait_timer_init(&t->timer, s->reactor, "tls", plait__tls_timer, t);
    plait__list_init(&t->link);
    return t;
}

/* From here on the stream speaks TLS. */
static void install(struct plait_stream *s, struct plait__tls *t)
{
    if (s->out) {
        plait_timer_stop(&s->out->stall);
        plait__load_leave(s->out);
        t->clear = s->out;
        s->out = NULL;
        t->lower_blocked = (s->flags & PLAIT__F_BLOCKED) != 0;
        plait_timer_arm(&t->timer, plait_seconds(s->stall_s ? s->stall_s : 60));
    }
    s->flags = (s->flags & ~(uint32_t)PLAIT__F_BLOCKED) | PLAIT__F_HANDSHAKE;
    t->lower_want = s->asked;
    s->asked = 0;
    t->lower->up_ops = &plait__tls_up;
    t->lower->up = t;
    s->carrier = &t->c;
    plait_soon_queue(&t->soon);
    plait__stream_mark(s);
}

plait_err plait__tls_start(struct plait_stream *s, struct plait_tls_server *server, struct plait_tls_client *client,
                           const char *name, plait_slice alpn, bool anonymous)
{
    if (s->state > PLAIT__S_OPEN || s->carrier->ops->tls || (s->flags & (PLAIT__F_SHUT_WANTED | PLAIT__F_EOF_SEEN)))
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (s->kept) {
        plait_abort_with(s, PLAIT_ECLEARTEXT, NULL);
        return PLAIT_OK; /* it started, and failed */
    }
    struct plait__tls *t = new_carrier(s, server, client);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    t->anonymous = anonymous;
    if (server)
        t->alpn = alpn; /* a client's is OpenSSL's already */
    const plait_err err = make_session(t, name, alpn);
    if (err != PLAIT_OK) {
        plait__tls_release(t);
        plait_mem_free(t);
        ERR_clear_error();
        return err;
    }
    install(s, t);
    return PLAIT_OK;
}

plait_err plait_starttls_server(struct plait_stream *s, struct plait_tls_server *server)
{
    return plait__tls_start(s, server, NULL, NULL, plait_slice_of(NULL, 0), false);
}

plait_err plait_starttls_client(struct plait_stream *s, struct plait_tls_client *client, const char *name,
                                plait_slice alpn)
{
    return plait__tls_start(s, NULL, client, name, alpn, false);
}
