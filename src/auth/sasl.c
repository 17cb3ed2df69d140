/* SPDX-License-Identifier: MIT
 *
 * SASL's mechanisms by name, and SASLprep.
 *
 * Test: tests/auth/test_sasl.c.
 */
#include "auth/sasl_core.h"
#include "base/text.h"
#include "base/try.h"

#ifdef PLAIT_HAVE_IDN
#include <stringprep.h>
#endif

/* In the order of the enum. */
static const struct {
    const char *name;
    enum plait__hash_kind hash;
    bool scram, plus, client_first;
} mechanisms[PLAIT_SASL_COUNT] = {
    {"ANONYMOUS", PLAIT__SHA256, false, false, true},    {"PLAIN", PLAIT__SHA256, false, false, true},
    {"LOGIN", PLAIT__SHA256, false, false, false},       {"EXTERNAL", PLAIT__SHA256, false, false, true},
    {"CRAM-MD5", PLAIT__MD5, false, false, false},       {"DIGEST-MD5", PLAIT__MD5, false, false, false},
    {"OAUTHBEARER", PLAIT__SHA256, false, false, true},  {"XOAUTH2", PLAIT__SHA256, false, false, true},
    {"SCRAM-SHA-1", PLAIT__SHA1, true, false, true},     {"SCRAM-SHA-1-PLUS", PLAIT__SHA1, true, true, true},
    {"SCRAM-SHA-256", PLAIT__SHA256, true, false, true}, {"SCRAM-SHA-256-PLUS", PLAIT__SHA256, true, true, true},
    {"SCRAM-SHA-512", PLAIT__SHA512, true, false, true}, {"SCRAM-SHA-512-PLUS", PLAIT__SHA512, true, true, true},
};

const char *plait_sasl_name(enum plait_sasl_mechanism mechanism)
{
    return mechanisms[mechanism].name;
}

bool plait_sasl_find(plait_slice name, enum plait_sasl_mechanism *out)
{
    for (size_t i = 0; i < PLAIT_SASL_COUNT; i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(mechanisms[i].name))) {
            *out = (enum plait_sasl_mechanism)i;
            return true;
        }
    }
    return false;
}

bool plait_sasl_client_first(enum plait_sasl_mechanism mechanism)
{
    return mechanisms[mechanism].client_first;
}

enum plait__hash_kind plait__sasl_hash(enum plait_sasl_mechanism mechanism)
{
    return mechanisms[mechanism].hash;
}

bool plait__sasl_is_scram(enum plait_sasl_mechanism mechanism)
{
    return mechanism < PLAIT_SASL_COUNT && mechanisms[mechanism].scram;
}

bool plait__sasl_is_plus(enum plait_sasl_mechanism mechanism)
{
    return mechanisms[mechanism].plus;
}

bool plait__sasl_nonce(plait_slice nonce, struct plait_buf *out)
{
    if (nonce.len < PLAIT__SASL_NONCE_MIN || nonce.len > PLAIT__SASL_NONCE_MAX)
        return false;
    plait__base64_encode(out, nonce);
    return out->err == PLAIT_OK;
}

/* --- SASLprep ----------------------------------------------------------------------------------------------------- */

/* What the profile would change of a text in ASCII: nothing. */
static bool is_plain(plait_slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        if (!plait__is_printable(in.ptr[i]))
            return false;
    }
    return in.len > 0;
}

/* `out` holds a terminated text of at most `max` bytes. */
static plait_err prepare(char *out, size_t max)
{
#ifdef PLAIT_HAVE_IDN
    if (stringprep(out, max, (Stringprep_profile_flags)0, stringprep_saslprep) != STRINGPREP_OK || !out[0])
        return PLAIT_EINVAL;
    return PLAIT_OK;
#else
    (void)out;
    (void)max;
    return PLAIT_EUNSUPPORTED;
#endif
}

plait_err plait__saslprep(plait_slice in, char *out, size_t max, size_t *len)
{
    if (in.len == 0 || in.len >= max || plait_slice_find_byte(in, 0, 0) != SIZE_MAX || !plait__is_utf8(in))
        return PLAIT_EINVAL;
    memcpy(out, in.ptr, in.len);
    out[in.len] = '\0';
    const plait_err err = is_plain(in) ? PLAIT_OK : prepare(out, max);
    *len = err == PLAIT_OK ? strlen(out) : 0;
    return err;
}
