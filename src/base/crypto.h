/* SPDX-License-Identifier: MIT
 *
 * Hashes, thin over OpenSSL. MD5 and SHA-1 are there for peers of protocols that know nothing else.
 */
#ifndef PLAIT_BASE_CRYPTO_H
#define PLAIT_BASE_CRYPTO_H

#include <plait/bytes.h>

enum plait__hash_kind { PLAIT__SHA256, PLAIT__MD5, PLAIT__SHA1, PLAIT__SHA512 };

enum { PLAIT__HASH_BYTES = 64 };

struct plait__hash {
    char text[2 * PLAIT__HASH_BYTES + 1]; /* lower-case hexadecimal */
    uint8_t bytes[PLAIT__HASH_BYTES];
    size_t len; /* of the bytes */
};

static inline plait_slice plait__hash_slice(const struct plait__hash *hash)
{
    return plait_slice_of(hash->bytes, hash->len);
}

/* Bytes of a hash. */
size_t plait__hash_len(enum plait__hash_kind kind);

/* The hash of several slices, one behind the other. Returns whether the library could. */
bool plait__hash(struct plait__hash *out, enum plait__hash_kind kind, const plait_slice *part, size_t count);

/* HMAC (RFC 2104). Returns whether the library could. */
bool plait__hmac(struct plait__hash *out, enum plait__hash_kind kind, plait_slice key, plait_slice message);

/* PBKDF2 with HMAC (RFC 8018 section 5.2), as long as the hash. Slow by intention. Returns whether the library
 * could. */
bool plait__pbkdf2(struct plait__hash *out, enum plait__hash_kind kind, plait_slice password, plait_slice salt,
                   uint32_t iterations);

/* Whether two secrets are equal, in time that tells nothing of either. */
bool plait__secrets_match(plait_slice a, plait_slice b);

#endif
