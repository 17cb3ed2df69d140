/* SPDX-License-Identifier: MIT
 *
 * Hashes, and comparing secrets by them, thin over OpenSSL.
 *
 * Test: tests/base/test_crypto.c.
 */
#include "base/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

static const EVP_MD *md_of(enum plait__hash_kind kind)
{
    switch (kind) {
    case PLAIT__MD5:
        return EVP_md5();
    case PLAIT__SHA1:
        return EVP_sha1();
    case PLAIT__SHA512:
        return EVP_sha512();
    default:
        return EVP_sha256();
    }
}

size_t plait__hash_len(enum plait__hash_kind kind)
{
    return (size_t)EVP_MD_get_size(md_of(kind));
}

static void write_text(struct plait__hash *out, size_t len)
{
    out->len = len;
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out->text + 2 * i, 3, "%02x", out->bytes[i]);
}

bool plait__hash(struct plait__hash *out, enum plait__hash_kind kind, const plait_slice *part, size_t count)
{
    unsigned len = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool fine = ctx && EVP_DigestInit_ex(ctx, md_of(kind), NULL) == 1;
    for (size_t i = 0; fine && i < count; i++)
        fine = part[i].len == 0 || EVP_DigestUpdate(ctx, part[i].ptr, part[i].len) == 1;
    fine = fine && EVP_DigestFinal_ex(ctx, out->bytes, &len) == 1;
    EVP_MD_CTX_free(ctx);
    write_text(out, len);
    return fine;
}

bool plait__hmac(struct plait__hash *out, enum plait__hash_kind kind, plait_slice key, plait_slice message)
{
    unsigned len = 0;
    const void *bytes = key.len ? (const void *)key.ptr : "";
    const bool fine = HMAC(md_of(kind), bytes, (int)key.len, message.ptr, message.len, out->bytes, &len) != NULL;
    write_text(out, len);
    return fine;
}

bool plait__pbkdf2(struct plait__hash *out, enum plait__hash_kind kind, plait_slice password, plait_slice salt,
                   uint32_t iterations)
{
    const bool fine = PKCS5_PBKDF2_HMAC((const char *)password.ptr, (int)password.len, salt.ptr, (int)salt.len,
                                        (int)iterations, md_of(kind), (int)plait__hash_len(kind), out->bytes) == 1;
    write_text(out, plait__hash_len(kind));
    return fine;
}

bool plait__secrets_match(plait_slice a, plait_slice b)
{
    struct plait__hash x, y;
    const bool fine = plait__hash(&x, PLAIT__SHA256, &a, 1) && plait__hash(&y, PLAIT__SHA256, &b, 1);
    const bool same = fine && plait_slice_equal_secret(plait_slice_of(x.bytes, x.len), plait_slice_of(y.bytes, y.len));
    plait_mem_wipe(&x, sizeof(x));
    plait_mem_wipe(&y, sizeof(y));
    return same;
}
