/* SPDX-License-Identifier: MIT
 *
 * Keys of session tickets. The newest makes tickets; the one before still reads them, so that a ticket lives for one
 * turn at least and two at most. A key is made when the first ticket needs it; the timer wipes, and stops when there is
 * nothing left to wipe.
 *
 * Invariant: `before` is set only while the timer runs; a key that is not set is all zero.
 * Test: tests/engine/test_tls_resume.c.
 */
#include "base/try.h"
#include "engine/tls_core.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static void turn(void *ctx)
{
    struct plait__tickets *t = ctx;
    t->before = t->now;
    plait_mem_wipe(&t->now, sizeof t->now);
    if (t->before.set)
        plait_timer_arm(&t->turn, t->rotate);
}

void plait__tickets_init(struct plait__tickets *t, struct plait_reactor *r, plait_span rotate)
{
    *t = (struct plait__tickets){.reactor = r, .rotate = rotate > 0 ? rotate : plait_seconds(3600)};
    plait_timer_init(&t->turn, r, "tls-ticket-key", turn, t);
}

void plait__tickets_deinit(struct plait__tickets *t)
{
    plait_timer_stop(&t->turn);
    plait_mem_wipe(&t->now, sizeof t->now);
    plait_mem_wipe(&t->before, sizeof t->before);
}

static plait_err make_key(struct plait__tickets *t)
{
    struct plait__ticket_key *key = &t->now;
    PLAIT_TRY(plait_random_bytes(t->reactor, key->name, sizeof key->name));
    PLAIT_TRY(plait_random_bytes(t->reactor, key->cipher, sizeof key->cipher));
    PLAIT_TRY(plait_random_bytes(t->reactor, key->mac, sizeof key->mac));
    key->set = true;
    plait_timer_arm(&t->turn, t->rotate);
    return PLAIT_OK;
}

static bool set_up(struct plait__ticket_key *key, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[3];
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt) == 1;
}

static int seal(struct plait__tickets *t, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (!t->now.set && make_key(t) != PLAIT_OK)
        return -1;
    if (plait_random_bytes(t->reactor, iv, EVP_MAX_IV_LENGTH) != PLAIT_OK)
        return -1;
    memcpy(name, t->now.name, sizeof t->now.name);
    return set_up(&t->now, iv, cipher, mac, 1) ? 1 : -1;
}

static bool is_named(const struct plait__ticket_key *key, const uint8_t *name)
{
    return key->set && memcmp(key->name, name, sizeof key->name) == 0;
}

int plait__tickets_key(struct plait__tickets *t, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                       int encrypt)
{
    if (encrypt)
        return seal(t, name, iv, cipher, mac);
    if (is_named(&t->now, name))
        return set_up(&t->now, iv, cipher, mac, 0) ? 1 : -1;
    if (is_named(&t->before, name))
        return set_up(&t->before, iv, cipher, mac, 0) ? 2 : -1;
    return 0;
}
