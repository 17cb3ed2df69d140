/* SPDX-License-Identifier: MIT
 *
 * What a reactor keeps for TLS: OpenSSL's library context, the BIO's table, memory for output; and what a server's and
 * a client's context have in common: TLS 1.2 and 1.3, modern suites, no compression, no renegotiation, buffers released
 * when idle; the key log.
 *
 * Invariant: the module lives as long as the reactor or a context does.
 * Test: tests/engine/test_tls_context.c.
 */
#include "base/try.h"
#include "engine/tls_core.h"

#include <fcntl.h>

/* An extension holds 65535 bytes, of which two are the list's length (RFC 8446 section 4.2). */
enum { ALPN_MAX = 65533 };

static const char suites_12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites_13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static void stop(struct plait__module *module)
{
    struct plait__tls_module *m = plait__container(module, struct plait__tls_module, module);
    m->stopping = true;
    while (!plait__list_empty(&m->parting))
        plait__tls_cut(plait__container(m->parting.next, struct plait__tls, link));
}

static void release(struct plait__module *module)
{
    plait__tls_module_unref(plait__container(module, struct plait__tls_module, module));
}

void plait__tls_module_unref(struct plait__tls_module *m)
{
    if (--m->refs > 0)
        return;
    if (m->keylog_fd >= 0)
        m->reactor->sys->ops->close(m->reactor->sys, m->keylog_fd);
    plait__slab_deinit(&m->outs);
    BIO_meth_free(m->bio);
    plait__tls_unseed(m);
    plait_mem_free(m);
}

/* The file that SSLKEYLOGFILE names, for Wireshark and its kin. */
static int open_keylog(struct plait_reactor *r)
{
    const char *path = r->sys->ops->env(r->sys, "SSLKEYLOGFILE");
    if (!path || !*path)
        return -1;
    const int fd = r->sys->ops->openat2(r->sys, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600, 0);
    const struct plait_field fields[] = {plait_field_text("file", path), plait_field_end()};
    if (fd >= 0)
        plait__warn(r, "tls-keylog", "the keys of every TLS connection are written to a file", fields);
    else
        plait__warn(r, "tls-keylog", "the file named by SSLKEYLOGFILE could not be opened", fields);
    return fd >= 0 ? fd : -1;
}

static struct plait__tls_module *find(struct plait_reactor *r)
{
    for (struct plait__list *at = r->modules.next; at != &r->modules; at = at->next) {
        struct plait__module *m = plait__container(at, struct plait__module, link);
        if (m->release == release)
            return plait__container(m, struct plait__tls_module, module);
    }
    return NULL;
}

struct plait__tls_module *plait__tls_module_of(struct plait_reactor *r)
{
    struct plait__tls_module *m = find(r);
    if (m)
        return m;
    m = plait_mem_new(&r->budget, sizeof *m);
    if (!m)
        return NULL;
    m->bio = plait__tls_bio_method();
    if (!m->bio || (r->sys != plait__sys_kernel() && !plait__tls_seed(m, r))) {
        BIO_meth_free(m->bio);
        plait__tls_unseed(m);
        plait_mem_free(m);
        return NULL;
    }
    m->reactor = r;
    m->refs = 1;
    m->module.stop = stop;
    m->module.release = release;
    plait__list_init(&m->parting);
    plait__slab_init(&m->outs, &r->budget, sizeof(struct plait__tls_out), 0);
    m->keylog_fd = open_keylog(r);
    plait__module_add(r, &m->module);
    return m;
}

static void log_key(const SSL *ssl, const char *line)
{
    const struct plait__tls *t = SSL_get_app_data(ssl);
    struct plait_sys *sys = t->module->reactor->sys;
    const struct iovec iov[2] = {{(void *)(uintptr_t)line, strlen(line)}, {(void *)(uintptr_t) "\n", 1}};
    /* a key that could not be written costs a debugger, not the connection */
    sys->ops->writev(sys, t->module->keylog_fd, iov, 2);
}

SSL_CTX *plait__tls_ctx_new(struct plait__tls_module *m, const SSL_METHOD *method)
{
    char groups[] = "X25519:P-256:P-384";
    SSL_CTX *ctx = SSL_CTX_new_ex(m->libctx, NULL, method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_info_callback(ctx, plait__tls_on_info);
    if (m->keylog_fd >= 0)
        SSL_CTX_set_keylog_callback(ctx, log_key);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(ctx, suites_12) == 1 &&
        SSL_CTX_set_ciphersuites(ctx, suites_13) == 1 && SSL_CTX_set1_groups_list(ctx, groups) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

bool plait__tls_alpn_ok(plait_slice wire)
{
    size_t at = 0;
    if (wire.len > ALPN_MAX)
        return false;
    while (at < wire.len) {
        const size_t len = wire.ptr[at];
        if (len == 0 || len > wire.len - at - 1)
            return false;
        at += 1 + len;
    }
    return true;
}
