/* SPDX-License-Identifier: MIT
 *
 * Hashes, thin over OpenSSL. MD5 is there for old peers of protocols that know nothing else.
 */
#ifndef PLAIT_BASE_CRYPTO_H
#define PLAIT_BASE_CRYPTO_H

#include <plait/bytes.h>

enum plait__hash_kind { PLAIT__SHA256, PLAIT__MD5 };

enum { PLAIT__HASH_BYTES = 32 };

struct plait__hash {
    char text[2 * PLAIT__HASH_BYTES + 1]; /* lower-case hexadecimal */
    uint8_t bytes[PLAIT__HASH_BYTES];
    size_t len; /* of the bytes */
};

/* The hash of several slices, one behind the other. Returns whether the library could. */
bool plait__hash(struct plait__hash *out, enum plait__hash_kind kind, const plait_slice *part, size_t count);

/* Whether two secrets are equal, in time that tells nothing of either. */
bool plait__secrets_match(plait_slice a, plait_slice b);

#endif
