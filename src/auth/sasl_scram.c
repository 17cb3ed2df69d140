/* SPDX-License-Identifier: MIT
 *
 * SCRAM (RFC 5802, RFC 7677; SHA-512 in the same way), both sides, with channel binding. Pure, but for
 * the hash of the password, which the pool makes between two steps.
 *
 * Invariant: a client is done only when the server has shown that it knows the password's keys too; a server asks for a
 * judgement of a proof whether it was right or not, so that a wrong one is counted. Test: tests/auth/test_scram.c.
 */
#include "auth/sasl_core.h"
#include "base/text.h"
#include "base/try.h"

#include <plait/thread.h>

enum { CLIENT_NONCE_MAX = 90, ENCODED_MAX = 4096, SECOND = 1, JUDGED = 2 };

/* --- messages (section 7) ----------------------------------------------------------------------------------------- */

/* Takes "x=value" up to the next comma, which goes too. */
static bool attribute(struct plait_scan *scan, const char *name, plait_slice *value)
{
    if (!plait_scan_literal(scan, plait_slice_text(name)))
        return false;
    if (!plait_scan_until(scan, ',', value)) {
        *value = plait_scan_rest(scan);
        scan->at = scan->end;
    } else {
        (void)plait_scan_byte(scan, ',');
    }
    return value->len > 0;
}

/* A nonce is printable; commas have gone. */
static bool is_nonce(plait_slice nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.ptr[i] <= 0x20 || nonce.ptr[i] >= 0x7f)
            return false;
    }
    return nonce.len > 0;
}

static bool read_gs2(struct plait_scan *scan, struct plait__scram_first *out)
{
    uint8_t flag;
    if (!plait_scan_u8(scan, &flag))
        return false;
    out->flag = (char)flag;
    if (flag == 'p') {
        if (!plait_scan_byte(scan, '=') || !plait_scan_until(scan, ',', &out->binding) || !out->binding.len)
            return false;
    } else if (flag != 'n' && flag != 'y') {
        return false;
    }
    if (!plait_scan_byte(scan, ','))
        return false;
    if (plait_scan_literal(scan, PLAIT_LIT("a=")) &&
        (!plait_scan_until(scan, ',', &out->authorize) || !out->authorize.len))
        return false;
    return plait_scan_byte(scan, ',');
}

bool plait__scram_read_first(plait_slice message, struct plait__scram_first *out)
{
    struct plait_scan scan = plait_scan_of(message);
    memset(out, 0, sizeof *out);
    if (!read_gs2(&scan, out))
        return false;
    out->bare = plait_scan_rest(&scan);
    out->gs2_len = message.len - out->bare.len;
    /* what is mandatory for us to know begins with "m=": we know nothing of the kind */
    return attribute(&scan, "n=", &out->user) && attribute(&scan, "r=", &out->nonce) && is_nonce(out->nonce);
}

bool plait__scram_read_challenge(plait_slice message, struct plait__scram_challenge *out)
{
    struct plait_scan scan = plait_scan_of(message);
    plait_slice number;
    return attribute(&scan, "r=", &out->nonce) && is_nonce(out->nonce) && attribute(&scan, "s=", &out->salt) &&
           attribute(&scan, "i=", &number) && plait_slice_to_u64(number, UINT32_MAX, &out->iterations) == PLAIT_OK;
}

bool plait__scram_read_final(plait_slice message, struct plait__scram_final *out)
{
    struct plait_scan scan = plait_scan_of(message);
    if (!attribute(&scan, "c=", &out->binding) || !attribute(&scan, "r=", &out->nonce))
        return false;
    while (!plait_scan_done(&scan)) {
        const size_t before = message.len - plait_scan_rest(&scan).len;
        plait_slice other;
        if (attribute(&scan, "p=", &out->proof)) {
            out->without_proof = plait_slice_sub(message, 0, before - 1);
            return plait_scan_done(&scan);
        }
        if (!attribute(&scan, "", &other))
            return false;
    }
    return false;
}

void plait__scram_put_name(struct plait_buf *out, plait_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '=')
            plait_buf_put_text(out, "=3D");
        else if (name.ptr[i] == ',')
            plait_buf_put_text(out, "=2C");
        else
            plait_buf_put_u8(out, name.ptr[i]);
    }
}

bool plait__scram_name(plait_slice in, char *out, size_t max, size_t *len)
{
    struct plait_scan scan = plait_scan_of(in);
    uint8_t byte;
    *len = 0;
    while (plait_scan_u8(&scan, &byte)) {
        if (byte == '=' && plait_scan_literal(&scan, PLAIT_LIT("2C")))
            byte = ',';
        else if (byte == '=' && !plait_scan_literal(&scan, PLAIT_LIT("3D")))
            return false;
        if (*len == max)
            return false;
        out[(*len)++] = (char)byte;
    }
    return true;
}

static int base64_value(uint8_t byte)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = byte ? strchr(alphabet, byte) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

/* Padded and strict (RFC 4648 section 4), without an allocation. */
bool plait__sasl_base64(plait_slice in, uint8_t *out, size_t max, size_t *len)
{
    size_t padding = 0;
    uint32_t bits = 0;
    *len = 0;
    if (in.len % 4 != 0)
        return false;
    while (padding < 2 && in.len > 0 && in.ptr[in.len - 1] == '=') {
        in.len--;
        padding++;
    }
    for (size_t i = 0; i < in.len; i++) {
        const int value = base64_value(in.ptr[i]);
        if (value < 0 || (i % 4 && *len == max))
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4)
            out[(*len)++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return padding == 0 || (bits & (padding == 1 ? 3U : 15U)) == 0;
}

/* --- secrets (section 3) ------------------------------------------------------------------------------------------ */

struct salting {
    struct plait_scram_salt salt;
    uint8_t *out; /* becomes the value */
    size_t len;
    char password[PLAIT_LOGIN_SECRET_MAX + 1];
};

static void salting_free(void *arg)
{
    struct salting *s = arg;
    plait_mem_free(s->out);
    plait_mem_wipe(s, sizeof *s);
    plait_mem_free(s);
}

/* In a pool thread. */
static plait_err salt_work(plait_value *value, void *arg)
{
    struct salting *s = arg;
    struct plait__hash hash;
    const bool fine = plait__pbkdf2(&hash, plait__sasl_hash(s->salt.mechanism), plait_slice_of(s->password, s->len),
                                    plait_slice_of(s->salt.bytes, s->salt.len), s->salt.iterations);
    memcpy(s->out, hash.bytes, hash.len);
    plait_mem_wipe(&hash, sizeof hash);
    *value = plait_value_ptr(s->out, plait_mem_free);
    s->out = NULL;
    return fine ? PLAIT_OK : PLAIT_EIO;
}

static bool is_salt(const struct plait_scram_salt *salt)
{
    return plait__sasl_is_scram(salt->mechanism) && salt->len > 0 && salt->len <= PLAIT_SCRAM_SALT_MAX &&
           salt->iterations > 0 && salt->iterations <= INT32_MAX;
}

struct plait_deferred *plait_scram_salt_password(struct plait_reactor *reactor, plait_slice password,
                                                 const struct plait_scram_salt *salt)
{
    struct plait_budget *budget = plait_reactor_budget(reactor);
    struct salting *s = plait_mem_new(budget, sizeof *s);
    if (!s)
        return NULL;
    s->salt = *salt;
    s->out = plait_mem_new(budget, PLAIT_SCRAM_HASH_MAX);
    const bool fits = is_salt(salt) && plait__saslprep(password, s->password, sizeof s->password, &s->len) == PLAIT_OK;
    if (s->out && fits)
        return plait_in_thread(reactor, PLAIT_LANE_HASHING, salt_work, s, salting_free);
    const bool memory = s->out != NULL;
    salting_free(s);
    return memory ? plait_deferred_fail(reactor, plait_fault_make(PLAIT_EINVAL, "hash")) : NULL;
}

plait_err plait_scram_keys_derive(const struct plait_scram_salt *salt, const uint8_t salted[PLAIT_SCRAM_HASH_MAX],
                                  struct plait_scram_keys *out)
{
    if (!is_salt(salt))
        return PLAIT_FAIL(PLAIT_EINVAL);
    const enum plait__hash_kind kind = plait__sasl_hash(salt->mechanism);
    const plait_slice key = plait_slice_of(salted, plait__hash_len(kind));
    struct plait__hash client, stored = {.len = 0}, server = {.len = 0};
    bool fine = plait__hmac(&client, kind, key, PLAIT_LIT("Client Key"));
    const plait_slice part = plait__hash_slice(&client);
    fine = fine && plait__hash(&stored, kind, &part, 1) && plait__hmac(&server, kind, key, PLAIT_LIT("Server Key"));
    plait_mem_wipe(&client, sizeof client);
    memset(out, 0, sizeof *out);
    out->salt = *salt;
    memcpy(out->stored, stored.bytes, stored.len);
    memcpy(out->server, server.bytes, server.len);
    return fine ? PLAIT_OK : PLAIT_EIO;
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

/* Section 6: with PLUS its name; without, whether we could have. */
static void put_gs2(struct plait_buf *out, const struct plait_sasl_client_options *o)
{
    if (plait__sasl_is_plus(o->mechanism))
        plait_buf_printf(out, "p=%s", o->binding.name);
    else
        plait_buf_put_u8(out, o->binding.name ? 'y' : 'n');
    plait_buf_put_u8(out, ',');
    if (o->authorize.len) {
        plait_buf_put_text(out, "a=");
        plait__scram_put_name(out, o->authorize);
    }
    plait_buf_put_u8(out, ',');
}

enum plait_sasl_step plait__scram_client_first(struct plait_sasl_client *c)
{
    const struct plait_sasl_client_options *o = &c->options;
    char user[PLAIT_LOGIN_USER_MAX + 1];
    size_t len;
    if (plait__saslprep(o->user, user, sizeof user, &len) != PLAIT_OK || !o->secret.len ||
        (plait__sasl_is_plus(o->mechanism) && (!o->binding.name || !o->binding.bytes.len)))
        return plait__client_fails(c, PLAIT_EINVAL);
    if (!plait__sasl_nonce(o->nonce, &c->auth))
        return plait__client_fails(c, c->auth.err ? c->auth.err : PLAIT_EINVAL);
    memcpy(c->nonce, c->auth.ptr, c->auth.len);
    plait_buf_clear(&c->auth);
    plait_buf_put_text(&c->auth, "n=");
    plait__scram_put_name(&c->auth, plait_slice_of(user, len));
    plait_buf_printf(&c->auth, ",r=%s", c->nonce);
    put_gs2(&c->out, o);
    plait_buf_put(&c->out, plait_buf_slice(&c->auth));
    return plait__client_sends(c);
}

static enum plait_sasl_step client_challenged(struct plait_sasl_client *c, plait_slice message)
{
    const plait_slice own = plait_slice_text(c->nonce);
    const uint32_t most = c->options.iterations_max ? c->options.iterations_max : (uint32_t)PLAIT__SASL_ITERATIONS_MAX;
    struct plait__scram_challenge ch;
    size_t len;
    if (!plait__scram_read_challenge(message, &ch) || !plait_slice_starts(ch.nonce, own) || ch.nonce.len == own.len ||
        !plait__sasl_base64(ch.salt, c->salt.bytes, sizeof c->salt.bytes, &len) || len == 0)
        return plait__client_fails(c, PLAIT_EMALFORMED);
    if (ch.iterations < PLAIT__SASL_ITERATIONS_MIN || ch.iterations > most)
        return plait__client_fails(c, PLAIT_ELIMIT);
    c->salt.mechanism = c->options.mechanism;
    c->salt.iterations = (uint32_t)ch.iterations;
    c->salt.len = (uint8_t)len;
    plait_buf_put_u8(&c->auth, ',');
    plait_buf_put(&c->auth, message);
    /* the last message begins with the same header in Base64, the binding, and the nonce of both */
    struct plait_buf header;
    plait_buf_init(&header, c->auth.budget, PLAIT__SASL_MESSAGE_MAX);
    put_gs2(&header, &c->options);
    if (plait__sasl_is_plus(c->options.mechanism))
        plait_buf_put(&header, c->options.binding.bytes);
    plait_buf_put_text(&c->out, "c=");
    plait__base64_encode(&c->out, plait_buf_slice(&header));
    plait_buf_printf(&c->out, ",r=%.*s", PLAIT_ARG(ch.nonce));
    plait_buf_put_u8(&c->auth, ',');
    plait_buf_put(&c->auth, plait_buf_slice(&c->out));
    const plait_err err = header.err ? header.err : c->auth.err;
    plait_buf_deinit(&header);
    if (err != PLAIT_OK)
        return plait__client_fails(c, err);
    return plait__client_sends(c) == PLAIT_SASL_SEND ? PLAIT_SASL_SALT : PLAIT_SASL_FAILED;
}

enum plait_sasl_step plait_sasl_client_salted(struct plait_sasl_client *client,
                                              const uint8_t salted[PLAIT_SCRAM_HASH_MAX])
{
    const enum plait__hash_kind kind = plait__sasl_hash(client->options.mechanism);
    const plait_slice auth = plait_buf_slice(&client->auth);
    struct plait_scram_keys keys;
    struct plait__hash proof = {.len = 0}, key = {.len = 0}, server = {.len = 0};
    if (client->step != SECOND + 1 || plait_scram_keys_derive(&client->salt, salted, &keys) != PLAIT_OK)
        return plait__client_fails(client, PLAIT_ESTATE);
    const size_t len = plait__hash_len(kind);
    const bool fine = plait__hmac(&proof, kind, plait_slice_of(keys.stored, len), auth) &&
                      plait__hmac(&server, kind, plait_slice_of(keys.server, len), auth) &&
                      plait__hmac(&key, kind, plait_slice_of(salted, len), PLAIT_LIT("Client Key"));
    for (size_t i = 0; i < len; i++)
        proof.bytes[i] ^= key.bytes[i];
    memcpy(client->signature, server.bytes, len);
    plait_buf_put_text(&client->out, ",p=");
    plait__base64_encode(&client->out, plait__hash_slice(&proof));
    plait_mem_wipe(&key, sizeof key);
    plait_mem_wipe(&keys, sizeof keys);
    return fine ? plait__client_sends(client) : plait__client_fails(client, PLAIT_EIO);
}

static enum plait_sasl_step client_answered(struct plait_sasl_client *c, plait_slice message)
{
    struct plait_scan scan = plait_scan_of(message);
    uint8_t signature[PLAIT_SCRAM_HASH_MAX];
    plait_slice text;
    size_t len;
    if (attribute(&scan, "e=", &text))
        return plait__client_fails(c, PLAIT_EACCESS);
    if (!attribute(&scan, "v=", &text) || !plait__sasl_base64(text, signature, sizeof signature, &len))
        return plait__client_fails(c, PLAIT_EMALFORMED);
    const bool sized = len == plait__hash_len(plait__sasl_hash(c->options.mechanism));
    const bool right =
        sized && plait_slice_equal_secret(plait_slice_of(signature, len), plait_slice_of(c->signature, len));
    (void)plait__client_fails(c, PLAIT_OK); /* it is over, in either way */
    c->err = right ? PLAIT_OK : PLAIT_EVERIFY;
    return right ? PLAIT_SASL_DONE : PLAIT_SASL_FAILED;
}

enum plait_sasl_step plait__scram_client_next(struct plait_sasl_client *c, plait_slice challenge)
{
    if (c->step == SECOND)
        return client_challenged(c, challenge);
    if (c->step == SECOND + 2)
        return client_answered(c, challenge);
    return plait__client_fails(c, PLAIT_EPROTOCOL);
}

/* --- a server ----------------------------------------------------------------------------------------------------- */

/* Section 6: a client that could bind, and believes that we can't, was lied to. */
static plait_err judge_binding(const struct plait_sasl_server *s, const struct plait__scram_first *first)
{
    const struct plait_sasl_binding *b = &s->options.binding;
    if (!plait__sasl_is_plus(s->options.mechanism))
        return first->flag == 'n' || (first->flag == 'y' && !b->name) ? PLAIT_OK : PLAIT_EVERIFY;
    if (first->flag != 'p' || !b->name || !b->bytes.len)
        return PLAIT_EVERIFY;
    return plait_slice_equal(first->binding, plait_slice_text(b->name)) ? PLAIT_OK : PLAIT_EUNSUPPORTED;
}

static bool keep_names(struct plait_sasl_server *s, const struct plait__scram_first *first)
{
    char name[PLAIT_LOGIN_USER_MAX];
    size_t len;
    if (!plait__scram_name(first->authorize, name, sizeof name, &len))
        return false;
    if (!plait__server_keeps_authorize(s, plait_slice_of(name, len)))
        return false;
    return plait__scram_name(first->user, name, sizeof name, &len) &&
           plait__server_keeps_user(s, plait_slice_of(name, len));
}

enum plait_sasl_step plait__scram_server_first(struct plait_sasl_server *s, plait_slice message)
{
    struct plait__scram_first first;
    if (s->gs2_len > 0)
        return plait__server_fails(s, PLAIT_EPROTOCOL); /* it is our turn */
    if (!plait__scram_read_first(message, &first) || first.nonce.len > CLIENT_NONCE_MAX ||
        first.gs2_len > sizeof s->secret || !keep_names(s, &first))
        return plait__server_fails(s, PLAIT_EMALFORMED);
    const plait_err err = judge_binding(s, &first);
    if (err != PLAIT_OK)
        return plait__server_fails(s, err);
    s->gs2_len = first.gs2_len;
    memcpy(s->secret, message.ptr, s->gs2_len);
    memcpy(s->nonce, first.nonce.ptr, first.nonce.len);
    plait_buf_put(&s->auth, first.bare);
    return PLAIT_SASL_KEYS;
}

/* Keys of somebody who does not exist: the same salt each time, and stored keys that no password has. */
static bool nobodys_keys(const struct plait_sasl_server *s, struct plait_scram_keys *out)
{
    struct plait__hash hash;
    const bool fine = plait__hmac(&hash, PLAIT__SHA512, s->options.secret, s->login.user);
    memset(out, 0, sizeof *out);
    out->salt.len = 16;
    out->salt.iterations = s->options.iterations ? s->options.iterations : (uint32_t)PLAIT__SASL_ITERATIONS_MIN;
    memcpy(out->salt.bytes, hash.bytes, 16);
    memcpy(out->stored, hash.bytes + 16, 32);
    memcpy(out->server, hash.bytes + 16, 32);
    return fine;
}

enum plait_sasl_step plait_sasl_server_keys(struct plait_sasl_server *server, const struct plait_scram_keys *keys)
{
    const size_t used = strlen(server->nonce);
    bool fine = server->gs2_len > 0 && server->step == 0;
    if (keys)
        server->keys = *keys;
    else
        fine = fine && nobodys_keys(server, &server->keys);
    if (!fine || !plait__sasl_nonce(server->options.nonce, &server->out))
        return plait__server_fails(server, server->out.err ? server->out.err : PLAIT_ESTATE);
    memcpy(server->nonce + used, server->out.ptr, server->out.len);
    plait_buf_clear(&server->out);
    plait_buf_printf(&server->out, "r=%s,s=", server->nonce);
    plait__base64_encode(&server->out, plait_slice_of(server->keys.salt.bytes, server->keys.salt.len));
    plait_buf_printf(&server->out, ",i=%u", (unsigned)server->keys.salt.iterations);
    plait_buf_put_u8(&server->auth, ',');
    plait_buf_put(&server->auth, plait_buf_slice(&server->out));
    server->step = SECOND;
    return plait__server_sends(server);
}

/* Whether the last message repeats the header, and has the binding that this side sees. */
static bool binding_holds(const struct plait_sasl_server *s, plait_slice coded)
{
    uint8_t came[ENCODED_MAX];
    size_t len;
    const plait_slice bytes = plait__sasl_is_plus(s->options.mechanism) ? s->options.binding.bytes : PLAIT_LIT("");
    if (!plait__sasl_base64(coded, came, sizeof came, &len) || len != s->gs2_len + bytes.len)
        return false;
    const plait_slice all = plait_slice_of(came, len);
    return plait_slice_equal(plait_slice_sub(all, 0, s->gs2_len), plait_slice_of(s->secret, s->gs2_len)) &&
           plait_slice_equal_secret(plait_slice_sub(all, s->gs2_len, len), bytes);
}

/* Whether the proof fits the stored key; leaves the server's own signature in `server`. */
static bool proof_holds(const struct plait_sasl_server *s, plait_slice coded, struct plait__hash *server)
{
    const enum plait__hash_kind kind = plait__sasl_hash(s->options.mechanism);
    const plait_slice auth = plait_buf_slice(&s->auth);
    struct plait__hash signature, again;
    uint8_t proof[PLAIT_SCRAM_HASH_MAX];
    size_t len;
    if (!plait__sasl_base64(coded, proof, sizeof proof, &len) || len != plait__hash_len(kind))
        return false;
    const plait_slice stored = plait_slice_of(s->keys.stored, len);
    bool fine = plait__hmac(&signature, kind, stored, auth) &&
                plait__hmac(server, kind, plait_slice_of(s->keys.server, len), auth);
    for (size_t i = 0; i < len; i++)
        proof[i] ^= signature.bytes[i];
    const plait_slice key = plait_slice_of(proof, len);
    fine = fine && plait__hash(&again, kind, &key, 1);
    return fine && plait_slice_equal_secret(plait__hash_slice(&again), stored);
}

static bool disproved(plait_slice password, void *ctx)
{
    (void)password;
    (void)ctx;
    return false;
}

enum plait_sasl_step plait__scram_server_final(struct plait_sasl_server *s, plait_slice message)
{
    struct plait__scram_final final;
    struct plait__hash server = {.len = 0};
    if (!plait__scram_read_final(message, &final))
        return plait__server_fails(s, PLAIT_EMALFORMED);
    if (!plait_slice_equal(final.nonce, plait_slice_text(s->nonce)))
        return plait__server_fails(s, PLAIT_EMALFORMED);
    if (!binding_holds(s, final.binding))
        return plait__server_fails(s, PLAIT_EVERIFY);
    plait_buf_put_u8(&s->auth, ',');
    plait_buf_put(&s->auth, final.without_proof);
    if (s->auth.err != PLAIT_OK)
        return plait__server_fails(s, s->auth.err);
    const bool right = proof_holds(s, final.proof, &server);
    s->login.kind = PLAIT_LOGIN_PROVED;
    s->login.proves = right ? NULL : disproved;
    plait_buf_put_text(&s->out, "v=");
    plait__base64_encode(&s->out, plait__hash_slice(&server));
    s->step = JUDGED;
    return s->out.err == PLAIT_OK ? PLAIT_SASL_JUDGE : plait__server_fails(s, s->out.err);
}
