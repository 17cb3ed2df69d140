/* SPDX-License-Identifier: MIT
 *
 * Hashes, and comparing secrets by them, thin over OpenSSL.
 *
 * Test: tests/base/test_crypto.c.
 */
#include "base/crypto.h"

#include <openssl/evp.h>
#include <stdio.h>

bool plait__hash(struct plait__hash *out, enum plait__hash_kind kind, const plait_slice *part, size_t count)
{
    unsigned len = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool fine = ctx && EVP_DigestInit_ex(ctx, kind == PLAIT__MD5 ? EVP_md5() : EVP_sha256(), NULL) == 1;
    for (size_t i = 0; fine && i < count; i++)
        fine = part[i].len == 0 || EVP_DigestUpdate(ctx, part[i].ptr, part[i].len) == 1;
    fine = fine && EVP_DigestFinal_ex(ctx, out->bytes, &len) == 1;
    EVP_MD_CTX_free(ctx);
    out->len = len;
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out->text + 2 * i, 3, "%02x", out->bytes[i]);
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
