/* SPDX-License-Identifier: MIT
 *
 * The certificates of one reading, and a sorted table from names to them. A name is looked up as it is, then with its
 * first label replaced by "*". Several certificates may serve one name (one of each kind of key); OpenSSL then takes
 * the one that the client can use.
 *
 * Invariant: `names` is sorted whenever somebody looks something up; names are in lower case and without the root's
 * dot. Test: tests/engine/test_tls_names.c.
 */
#include "engine/tls_set.h"

#include "base/try.h"
#include "engine/tls_staple.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <fcntl.h>
#include <stdio.h>

enum { NAME_BYTES_MAX = 255, PATH_BYTES = 1024, NOBODY = -1 };

struct cert_name {
    char *text;
    size_t identity;
};

struct plait__tls_set {
    struct plait__tls_module *module;
    SSL_CTX *ctx;
    SSL_CTX *trial; /* whether OpenSSL would take a certificate at all */
    struct plait__tls_identity *identities;
    size_t count;
    struct cert_name *names;
    size_t name_count;
    int64_t expiry;
    ptrdiff_t fallback; /* index; NOBODY */
};

static struct plait_budget *budget_of(const struct plait__tls_set *set)
{
    return &set->module->reactor->budget;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* A name as it stands in the table. Returns its length, 0 when it can't stand there. */
static size_t normal(plait_slice name, char out[NAME_BYTES_MAX + 1])
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len > NAME_BYTES_MAX || plait_slice_find_byte(name, 0, 0) != SIZE_MAX)
        return 0;
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    out[name.len] = '\0';
    return name.len;
}

static plait_err add_name(struct plait__tls_set *set, plait_slice name, size_t identity)
{
    char text[NAME_BYTES_MAX + 1];
    const size_t len = normal(name, text);
    if (len == 0)
        return PLAIT_OK;
    struct cert_name *names = plait_mem_resize(budget_of(set), set->names, (set->name_count + 1) * sizeof *names);
    if (!names)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    set->names = names;
    names[set->name_count].text = plait_mem_text(budget_of(set), text, len);
    if (!names[set->name_count].text)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    names[set->name_count++].identity = identity;
    return PLAIT_OK;
}

static plait_err add_names(struct plait__tls_set *set, size_t identity)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(set->identities[identity].leaf, NID_subject_alt_name, NULL, NULL);
    plait_err err = PLAIT_OK;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && err == PLAIT_OK; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        if (one->type == GEN_DNS)
            err = add_name(
                set, plait_slice_of(ASN1_STRING_get0_data(one->d.dNSName), (size_t)ASN1_STRING_length(one->d.dNSName)),
                identity);
    }
    GENERAL_NAMES_free(all);
    return err;
}

static int compare(const void *a, const void *b)
{
    const struct cert_name *x = a;
    const struct cert_name *y = b;
    const int order = strcmp(x->text, y->text);
    return order != 0 ? order : (x->identity > y->identity) - (x->identity < y->identity);
}

/* First entry of a name; the count of names when there is none. */
static size_t find(const struct plait__tls_set *set, const char *name)
{
    size_t low = 0;
    size_t high = set->name_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (strcmp(set->names[mid].text, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->name_count && strcmp(set->names[low].text, name) == 0 ? low : set->name_count;
}

static size_t find_any(const struct plait__tls_set *set, char *name)
{
    const size_t at = find(set, name);
    char *dot = strchr(name, '.');
    if (at < set->name_count || !dot || dot == name)
        return at;
    dot[-1] = '*';
    return find(set, dot - 1);
}

static plait_err use(SSL *ssl, const struct plait__tls_identity *identity)
{
    if (SSL_use_cert_and_key(ssl, identity->leaf, identity->key, identity->chain, 1) == 1)
        return PLAIT_OK;
    ERR_clear_error();
    return PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait__tls_set_choose(struct plait__tls_set *set, SSL *ssl, const char *name)
{
    char text[NAME_BYTES_MAX + 1];
    if (!name)
        return PLAIT_OK; /* the context's own, if there is one */
    size_t at = normal(plait_slice_text(name), text) > 0 ? find_any(set, text) : set->name_count;
    if (at == set->name_count)
        return set->fallback == NOBODY ? PLAIT_FAIL(PLAIT_ENOTFOUND) : PLAIT_OK;
    const char *found = set->names[at].text;
    SSL_certs_clear(ssl);
    for (; at < set->name_count && strcmp(set->names[at].text, found) == 0; at++)
        PLAIT_TRY(use(ssl, &set->identities[set->names[at].identity]));
    return PLAIT_OK;
}

/* --- filling it --------------------------------------------------------------------------------------------------- */

static void forget_last(struct plait__tls_set *set, size_t names)
{
    while (set->name_count > names)
        plait_mem_free(set->names[--set->name_count].text);
    plait__tls_identity_end(&set->identities[--set->count]);
}

static bool take(struct plait__tls_set *set, struct plait__tls_identity *identity)
{
    struct plait__tls_identity *all = plait_mem_resize(budget_of(set), set->identities, (set->count + 1) * sizeof *all);
    if (!all) {
        plait__tls_identity_end(identity);
        return false;
    }
    set->identities = all;
    all[set->count++] = *identity;
    return true;
}

plait_err plait__tls_set_add(struct plait__tls_set *set, struct plait__tls_identity *identity, const char *where,
                             const char *name, bool fallback, char *why)
{
    const size_t names = set->name_count;
    const bool good = SSL_CTX_use_cert_and_key(set->trial, identity->leaf, identity->key, identity->chain, 1) == 1;
    if (!take(set, identity))
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const size_t index = set->count - 1;
    plait_err err = good ? add_names(set, index) : PLAIT_FAIL(PLAIT_EINVAL);
    if (err == PLAIT_OK && name)
        err = add_name(set, plait_slice_text(name), index);
    if (!good)
        plait__tls_why(why, "%s: the certificate is weaker than what TLS demands today", where);
    if (err != PLAIT_OK) {
        ERR_clear_error();
        forget_last(set, names);
        return err;
    }
    if (set->name_count > 0)
        qsort(set->names, set->name_count, sizeof *set->names, compare);
    const int64_t expiry = plait__tls_seconds(X509_get0_notAfter(set->identities[index].leaf));
    set->expiry = expiry < set->expiry ? expiry : set->expiry;
    if (fallback)
        set->fallback = (ptrdiff_t)index;
    return PLAIT_OK;
}

/* --- OCSP responses ----------------------------------------------------------------------------------------------- */

plait_err plait__tls_set_staple(struct plait__tls_set *set, const char *path, bool must, char *why)
{
    struct plait__tls_identity *last = &set->identities[set->count - 1];
    last->staple_file = plait_mem_text(budget_of(set), path, strlen(path));
    if (!last->staple_file)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = plait__staple_read(set->module, last, why);
    if (err != PLAIT_ENOTFOUND || must)
        return err;
    plait__tls_why(why, "out of memory"); /* for what fails later without a word of its own */
    return PLAIT_OK;
}

bool plait__tls_set_renew(struct plait__tls_set *set, bool now)
{
    bool some = false;
    for (size_t i = 0; i < set->count; i++) {
        some |= set->identities[i].staple_file != NULL;
        if (now && set->identities[i].staple_file)
            plait__staple_renew(set->module, &set->identities[i]);
    }
    return some;
}

const struct plait__staple *plait__tls_set_staple_of(const struct plait__tls_set *set, const X509 *leaf)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->identities[i].leaf == leaf)
            return &set->identities[i].staple;
    }
    return NULL;
}

/* --- a folder ----------------------------------------------------------------------------------------------------- */

static plait_err add_file(struct plait__tls_set *set, const char *folder, plait_slice name, char *why)
{
    static const plait_slice ending = {(const uint8_t *)".pem", 4};
    struct plait__tls_identity identity;
    char path[PATH_BYTES];
    char staple[PATH_BYTES + 1]; /* its ending is longer */
    char host[NAME_BYTES_MAX + 1];
    if (name.len <= ending.len || name.ptr[0] == '.' ||
        !plait_slice_equal(plait_slice_sub(name, name.len - ending.len, name.len), ending))
        return PLAIT_OK;
    (void)snprintf(host, sizeof host, "%.*s", (int)(name.len - ending.len), (const char *)name.ptr);
    if (snprintf(path, sizeof path, "%s/%.*s", folder, PLAIT_ARG(name)) >= (int)sizeof path) {
        plait__tls_why(why, "the path of a certificate is too long: %s", folder);
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    PLAIT_TRY(plait__tls_identity_load(set->module, path, NULL, &identity, why));
    const bool fallback = strcmp(host, "default") == 0;
    PLAIT_TRY(plait__tls_set_add(set, &identity, path, fallback ? NULL : host, fallback, why));
    (void)snprintf(staple, sizeof staple, "%s/%s.ocsp", folder, host);
    return plait__tls_set_staple(set, staple, false, why);
}

/* Records as getdents64(2) gives them: inode and offset of 8 bytes each, length of 2, kind of 1, the terminated
 * name. */
static plait_err add_records(struct plait__tls_set *set, const char *folder, const uint8_t *records, size_t bytes,
                             char *why)
{
    for (size_t at = 0; at + 19 < bytes;) {
        uint16_t len;
        memcpy(&len, records + at + 16, sizeof len);
        PLAIT_TRY(add_file(set, folder, plait_slice_text((const char *)records + at + 19), why));
        at += len;
    }
    return PLAIT_OK;
}

plait_err plait__tls_set_folder(struct plait__tls_set *set, const char *folder, char *why)
{
    struct plait_sys *sys = set->module->reactor->sys;
    _Alignas(8) uint8_t records[4096];
    ssize_t got;
    plait_err err = PLAIT_OK;
    const int fd = sys->ops->openat2(sys, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (fd < 0) {
        err = plait_err_from_errno(-fd);
        plait__tls_why(why, "%s: %s", folder, plait_err_text(err));
        return PLAIT_FAIL(err);
    }
    while (err == PLAIT_OK && (got = sys->ops->getdents(sys, fd, records, sizeof records)) != 0) {
        err = got < 0 ? PLAIT_FAIL(PLAIT_EIO) : add_records(set, folder, records, (size_t)got, why);
        if (got < 0)
            plait__tls_why(why, "%s: %s", folder, plait_err_text(err));
    }
    sys->ops->close(sys, fd);
    return err;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

struct plait__tls_set *plait__tls_set_new(struct plait__tls_module *m)
{
    struct plait__tls_set *set = plait_mem_new(&m->reactor->budget, sizeof *set);
    if (!set)
        return NULL;
    set->module = m;
    set->expiry = INT64_MAX;
    set->fallback = NOBODY;
    set->ctx = plait__tls_ctx_new(m, TLS_server_method());
    set->trial = plait__tls_ctx_new(m, TLS_server_method());
    if (!set->ctx || !set->trial)
        plait__tls_set_free(&set);
    return set;
}

void plait__tls_set_free(struct plait__tls_set **set)
{
    struct plait__tls_set *s = *set;
    *set = NULL;
    if (!s)
        return;
    while (s->count > 0)
        forget_last(s, 0);
    plait_mem_free(s->names);
    plait_mem_free(s->identities);
    SSL_CTX_free(s->ctx);
    SSL_CTX_free(s->trial);
    plait_mem_free(s);
}

plait_err plait__tls_set_finish(struct plait__tls_set *set, char *why)
{
    if (set->count == 0) {
        plait__tls_why(why, "there is no certificate (a folder of certificates holds NAME.pem for each name)");
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    if (set->fallback == NOBODY)
        return PLAIT_OK;
    const struct plait__tls_identity *first = &set->identities[set->fallback];
    if (SSL_CTX_use_cert_and_key(set->ctx, first->leaf, first->key, first->chain, 1) == 1)
        return PLAIT_OK;
    return PLAIT_FAIL(PLAIT_ENOMEM);
}

SSL_CTX *plait__tls_set_ctx(struct plait__tls_set *set)
{
    return set->ctx;
}

int64_t plait__tls_set_expiry(const struct plait__tls_set *set)
{
    return set->expiry;
}
