/* SPDX-License-Identifier: MIT
 *
 * Certificates and keys out of PEM: files read through the table of system calls, text parsed by OpenSSL from memory.
 * Every failure is a sentence that says which file and what is wrong with it. Keys are wiped from our own buffers.
 *
 * Invariant: an identity holds references of its own; one that failed to parse holds none.
 * Test: tests/engine/test_tls_context.c.
 */
#include "base/try.h"
#include "engine/tls_core.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { FILE_MAX = 4 * 1024 * 1024, CHAIN_MAX = 32 };

void plait__tls_why(char *why, const char *fmt, ...)
{
    va_list args;
    if (!why)
        return;
    va_start(args, fmt);
    (void)vsnprintf(why, PLAIT__TLS_WHY, fmt, args);
    va_end(args);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static plait_err refuse_file(const char *path, int os_errno, char *why)
{
    const plait_err err = plait_err_from_errno(os_errno);
    plait__tls_why(why, "%s: %s", path, plait_err_text(err));
    return PLAIT_FAIL(err);
}

/* Makes room for all of a file at once: a buffer that grows would leave keys behind in memory that nobody wipes. */
static plait_err make_room(struct plait_buf *out, const char *path, off_t bytes, char *why)
{
    if (bytes > FILE_MAX) {
        plait__tls_why(why, "%s: too large for a file of certificates", path);
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    if (plait_buf_reserve(out, (size_t)bytes))
        return PLAIT_OK;
    plait__tls_why(why, "%s: out of memory", path);
    return PLAIT_FAIL(PLAIT_ENOMEM);
}

/* Reads up to the end, or as much as there is room for: of a file that grows meanwhile, what it was. */
static plait_err read_all(struct plait_sys *sys, int fd, const char *path, struct plait_buf *out, char *why)
{
    for (;;) {
        const ssize_t got = sys->ops->pread(sys, fd, out->ptr + out->len, out->cap - out->len, (off_t)out->len);
        if (got < 0)
            return refuse_file(path, (int)-got, why);
        if (got == 0)
            return PLAIT_OK;
        plait_buf_commit(out, (size_t)got);
    }
}

plait_err plait__tls_file(struct plait__tls_module *m, const char *path, struct plait_buf *out, char *why)
{
    struct plait_sys *sys = m->reactor->sys;
    struct stat st;
    plait_buf_init(out, &m->reactor->budget, FILE_MAX);
    const int fd = sys->ops->openat2(sys, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0);
    if (fd < 0)
        return refuse_file(path, -fd, why);
    const int res = sys->ops->fstat(sys, fd, &st);
    plait_err err = PLAIT_OK;
    if (res < 0) {
        err = refuse_file(path, -res, why);
    } else if (!S_ISREG(st.st_mode)) {
        plait__tls_why(why, "%s: not a plain file", path);
        err = PLAIT_FAIL(PLAIT_EINVAL);
    } else {
        err = make_room(out, path, st.st_size, why);
        if (err == PLAIT_OK)
            err = read_all(sys, fd, path, out, why);
    }
    sys->ops->close(sys, fd);
    return err;
}

void plait__tls_file_end(struct plait_buf *content)
{
    plait_mem_wipe(content->ptr, content->cap);
    plait_buf_deinit(content);
}

/* --- PEM ---------------------------------------------------------------------------------------------------------- */

/* An encrypted key must not ask a terminal for its password. */
static int no_password(char *out, int max, int writing, void *ctx)
{
    (void)out;
    (void)max;
    (void)writing;
    (void)ctx;
    return -1;
}

static BIO *reader(plait_slice pem)
{
    return BIO_new_mem_buf(pem.ptr ? (const void *)pem.ptr : "", (int)pem.len);
}

/* The next certificate of a text; NULL at the end (clean) or at something that is none. */
static X509 *next_cert(struct plait__tls_module *m, BIO *in)
{
    X509 *cert = X509_new_ex(m->libctx, NULL);
    if (cert && !PEM_read_bio_X509(in, &cert, no_password, NULL)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* Whether reading ended because there is no further certificate. */
static bool ended_well(void)
{
    const unsigned long error = ERR_peek_last_error();
    const bool well = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return well;
}

static plait_err parse_chain(struct plait__tls_module *m, BIO *in, const char *where, struct plait__tls_identity *out,
                             char *why)
{
    out->leaf = next_cert(m, in);
    out->chain = sk_X509_new_reserve(NULL, CHAIN_MAX);
    if (!out->leaf || !out->chain) {
        const bool none = ended_well();
        plait__tls_why(why, "%s: %s", where, none ? "there is no certificate" : "the certificate could not be read");
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    X509 *cert;
    while ((cert = next_cert(m, in))) {
        if (sk_X509_num(out->chain) == CHAIN_MAX) {
            X509_free(cert);
            plait__tls_why(why, "%s: there are more than %d certificates in the chain", where, CHAIN_MAX);
            return PLAIT_FAIL(PLAIT_EINVAL);
        }
        sk_X509_push(out->chain, cert); /* for which there is room */
    }
    if (ended_well())
        return PLAIT_OK;
    plait__tls_why(why, "%s: a certificate of the chain could not be read", where);
    return PLAIT_FAIL(PLAIT_EINVAL);
}

static plait_err parse_key(struct plait__tls_module *m, plait_slice pem, const char *where,
                           struct plait__tls_identity *out, char *why)
{
    BIO *in = reader(pem);
    const bool there = plait_slice_find(pem, PLAIT_LIT("PRIVATE KEY-----"), 0) != SIZE_MAX;
    out->key = in ? PEM_read_bio_PrivateKey_ex(in, NULL, no_password, NULL, m->libctx, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    if (!out->key)
        plait__tls_why(why, "%s: %s", where,
                       there ? "the private key could not be read (one with a password is not supported)"
                             : "there is no private key");
    else if (X509_check_private_key(out->leaf, out->key) == 1)
        return PLAIT_OK;
    else
        plait__tls_why(why, "%s: the private key does not fit the certificate", where);
    ERR_clear_error();
    return PLAIT_FAIL(PLAIT_EINVAL);
}

plait_err plait__tls_identity_parse(struct plait__tls_module *m, plait_slice cert, plait_slice key, const char *where,
                                    struct plait__tls_identity *out, char *why)
{
    BIO *certs = reader(cert);
    *out = (struct plait__tls_identity){.leaf = NULL};
    if (!certs)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    ERR_clear_error();
    plait_err err = parse_chain(m, certs, where, out, why);
    BIO_free(certs);
    if (err == PLAIT_OK)
        err = parse_key(m, key.len > 0 ? key : cert, where, out, why);
    if (err != PLAIT_OK)
        plait__tls_identity_end(out);
    return err;
}

plait_err plait__tls_identity_load(struct plait__tls_module *m, const char *cert_file, const char *key_file,
                                   struct plait__tls_identity *out, char *why)
{
    struct plait_buf cert;
    struct plait_buf key;
    plait_buf_init(&key, &m->reactor->budget, 0);
    *out = (struct plait__tls_identity){.leaf = NULL};
    plait_err err = plait__tls_file(m, cert_file, &cert, why);
    if (err == PLAIT_OK && key_file)
        err = plait__tls_file(m, key_file, &key, why);
    if (err == PLAIT_OK)
        err = plait__tls_identity_parse(m, plait_buf_slice(&cert), plait_buf_slice(&key), cert_file, out, why);
    plait__tls_file_end(&cert);
    plait__tls_file_end(&key);
    return err;
}

plait_err plait__tls_identity_copy(const struct plait__tls_identity *from, struct plait__tls_identity *out)
{
    STACK_OF(X509) *chain = X509_chain_up_ref(from->chain);
    *out = (struct plait__tls_identity){.leaf = NULL};
    if (!chain)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    X509_up_ref(from->leaf);
    EVP_PKEY_up_ref(from->key);
    *out = (struct plait__tls_identity){.leaf = from->leaf, .chain = chain, .key = from->key};
    return PLAIT_OK;
}

void plait__tls_identity_end(struct plait__tls_identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    plait_mem_free(identity->staple.der);
    plait_mem_free(identity->staple_file);
    *identity = (struct plait__tls_identity){.leaf = NULL};
}

static bool collect_name(STACK_OF(X509_NAME) * names, X509 *cert)
{
    X509_NAME *name = names ? X509_NAME_dup(X509_get_subject_name(cert)) : NULL;
    if (!names || (name && sk_X509_NAME_push(names, name) > 0))
        return true;
    X509_NAME_free(name);
    return false;
}

plait_err plait__tls_trust(struct plait__tls_module *m, X509_STORE *store, plait_slice pem, const char *where,
                           STACK_OF(X509_NAME) * names, char *why)
{
    BIO *in = reader(pem);
    size_t count = 0;
    bool added = in != NULL;
    X509 *cert;
    ERR_clear_error();
    while (added && (cert = next_cert(m, in))) {
        added = X509_STORE_add_cert(store, cert) == 1 && collect_name(names, cert);
        X509_free(cert);
        count++;
    }
    BIO_free(in);
    if (!added)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const bool well = ended_well();
    if (well && count > 0)
        return PLAIT_OK;
    plait__tls_why(why, "%s: %s", where, well ? "there is no certificate" : "a certificate could not be read");
    return PLAIT_FAIL(PLAIT_EINVAL);
}
