/* SPDX-License-Identifier: MIT
 *
 * A server's side of SASL, but for SCRAM, which stands in sasl_scram.c. Pure: it reads credentials, and leaves it to
 * others to judge them.
 *
 * Invariant: PLAIT_SASL_DONE comes only behind plait_sasl_server_judged(…, true). Test: tests/auth/test_sasl.c.
 */
#include "auth/sasl_core.h"
#include "base/text.h"

#define SEPARATOR "\x01"

enum { FIRST, SECOND, JUDGED, REFUSED, OVER = 99 };

enum plait_sasl_step plait__server_fails(struct plait_sasl_server *s, plait_err err)
{
    s->err = s->err ? s->err : err;
    s->step = OVER;
    return PLAIT_SASL_FAILED;
}

enum plait_sasl_step plait__server_sends(struct plait_sasl_server *s)
{
    return s->out.err == PLAIT_OK ? PLAIT_SASL_SEND : plait__server_fails(s, s->out.err);
}

void plait_sasl_server_init(struct plait_sasl_server *server, struct plait_budget *budget,
                            const struct plait_sasl_server_options *options)
{
    memset(server, 0, sizeof *server);
    server->options = *options;
    plait_buf_init(&server->out, budget, PLAIT__SASL_MESSAGE_MAX);
    plait_buf_init(&server->auth, budget, PLAIT__SASL_MESSAGE_MAX);
}

void plait_sasl_server_deinit(struct plait_sasl_server *server)
{
    plait_buf_deinit(&server->out);
    plait_buf_deinit(&server->auth);
    plait_mem_wipe(server, sizeof *server);
}

/* --- what is kept for the judge ----------------------------------------------------------------------------------- */

bool plait__server_keeps_user(struct plait_sasl_server *s, plait_slice user)
{
    char prepared[PLAIT_LOGIN_USER_MAX + 1];
    size_t len;
    if (plait__saslprep(user, prepared, sizeof prepared, &len) != PLAIT_OK) {
        (void)plait__server_fails(s, PLAIT_EMALFORMED);
        return false;
    }
    memcpy(s->user, prepared, len);
    s->login.user = plait_slice_of(s->user, len);
    return true;
}

bool plait__server_keeps_authorize(struct plait_sasl_server *s, plait_slice authorize)
{
    if (authorize.len > sizeof s->as || !plait__is_utf8(authorize) ||
        plait_slice_find_byte(authorize, 0, 0) != SIZE_MAX) {
        (void)plait__server_fails(s, PLAIT_EMALFORMED);
        return false;
    }
    if (authorize.len)
        memcpy(s->as, authorize.ptr, authorize.len);
    s->authorize = plait_slice_of(s->as, authorize.len);
    return true;
}

static bool keep_secret(struct plait_sasl_server *s, plait_slice secret)
{
    if (!secret.len || secret.len > sizeof s->secret) {
        (void)plait__server_fails(s, PLAIT_EMALFORMED);
        return false;
    }
    memcpy(s->secret, secret.ptr, secret.len);
    s->login.secret = plait_slice_of(s->secret, secret.len);
    return true;
}

static enum plait_sasl_step judge(struct plait_sasl_server *s, enum plait_login_kind kind, bool fine)
{
    if (!fine)
        return plait__server_fails(s, PLAIT_EMALFORMED);
    s->login.kind = kind;
    s->step = JUDGED;
    return PLAIT_SASL_JUDGE;
}

/* --- mechanisms of one message ------------------------------------------------------------------------------------ */

/* RFC 4505: a trace of at most 255 bytes here. */
static bool read_anonymous(struct plait_sasl_server *s, plait_slice message)
{
    return !message.len || plait__server_keeps_user(s, message);
}

/* RFC 4616. */
static bool read_plain(struct plait_sasl_server *s, plait_slice message)
{
    struct plait_scan scan = plait_scan_of(message);
    plait_slice authorize, user;
    if (!plait_scan_until(&scan, 0, &authorize) || !plait_scan_byte(&scan, 0) || !plait_scan_until(&scan, 0, &user) ||
        !plait_scan_byte(&scan, 0))
        return false;
    const plait_slice secret = plait_scan_rest(&scan);
    return plait_slice_find_byte(secret, 0, 0) == SIZE_MAX && plait__server_keeps_authorize(s, authorize) &&
           plait__server_keeps_user(s, user) && keep_secret(s, secret);
}

static enum plait_sasl_step external(struct plait_sasl_server *s, plait_slice message)
{
    if (!s->options.external.len)
        return plait__server_fails(s, PLAIT_EACCESS);
    s->login.user = s->options.external;
    return judge(s, PLAIT_LOGIN_PROVED, plait__server_keeps_authorize(s, message));
}

/* "key=value" behind separators, until an empty one ends it; other keys than `auth` are passed over. */
static bool read_pairs(struct plait_sasl_server *s, struct plait_scan *scan, plait_slice *user)
{
    plait_slice pair, token = {NULL, 0};
    bool ended = false;
    while (!ended && plait_scan_until(scan, SEPARATOR[0], &pair) && plait_scan_byte(scan, SEPARATOR[0])) {
        ended = pair.len == 0;
        const size_t is = plait_slice_find_byte(pair, '=', 0);
        const plait_slice key = plait_slice_sub(pair, 0, is);
        const plait_slice value = is == SIZE_MAX ? PLAIT_LIT("") : plait_slice_sub(pair, is + 1, pair.len);
        if (plait_slice_equal(key, PLAIT_LIT("user")) && user)
            *user = value;
        else if (plait_slice_equal(key, PLAIT_LIT("auth")))
            token = value;
    }
    if (!ended || !plait_scan_done(scan) || token.len < 7 ||
        !plait_slice_equal_nocase(plait_slice_sub(token, 0, 7), PLAIT_LIT("Bearer ")))
        return false;
    return keep_secret(s, plait_slice_trim(plait_slice_sub(token, 7, token.len)));
}

/* RFC 7628 section 3.1: a GS2 header, then pairs. */
static bool read_oauthbearer(struct plait_sasl_server *s, plait_slice message)
{
    struct plait_scan scan = plait_scan_of(message);
    plait_slice coded = {NULL, 0};
    char user[PLAIT_LOGIN_USER_MAX + 1];
    size_t len = 0;
    if (!plait_scan_literal(&scan, PLAIT_LIT("n,")) && !plait_scan_literal(&scan, PLAIT_LIT("y,")))
        return false;
    if (plait_scan_literal(&scan, PLAIT_LIT("a=")) &&
        (!plait_scan_until(&scan, ',', &coded) || !plait__scram_name(coded, user, sizeof user, &len)))
        return false;
    if (!plait_scan_literal(&scan, PLAIT_LIT("," SEPARATOR)))
        return false;
    return (!len || plait__server_keeps_authorize(s, plait_slice_of(user, len))) && read_pairs(s, &scan, NULL);
}

static bool read_xoauth2(struct plait_sasl_server *s, plait_slice message)
{
    struct plait_scan scan = plait_scan_of(message);
    plait_slice user = {NULL, 0};
    return read_pairs(s, &scan, &user) && user.len && plait__server_keeps_authorize(s, user);
}

static enum plait_sasl_step client_first(struct plait_sasl_server *s, plait_slice message)
{
    switch (s->options.mechanism) {
    case PLAIT_SASL_ANONYMOUS:
        return judge(s, PLAIT_LOGIN_ANONYMOUS, read_anonymous(s, message));
    case PLAIT_SASL_PLAIN:
        return judge(s, PLAIT_LOGIN_PASSWORD, read_plain(s, message));
    case PLAIT_SASL_EXTERNAL:
        return external(s, message);
    case PLAIT_SASL_OAUTHBEARER:
        return judge(s, PLAIT_LOGIN_TOKEN, read_oauthbearer(s, message));
    case PLAIT_SASL_XOAUTH2:
        return judge(s, PLAIT_LOGIN_TOKEN, read_xoauth2(s, message));
    default:
        return plait__scram_server_first(s, message);
    }
}

/* --- mechanisms in which the server begins ------------------------------------------------------------------------ */

/* A client may send its name at once, in answer to nothing. */
static enum plait_sasl_step login(struct plait_sasl_server *s, plait_slice message)
{
    if (s->step == FIRST && !message.ptr) {
        plait_buf_put_text(&s->out, "Username:");
        return plait__server_sends(s);
    }
    if (s->step == FIRST) {
        if (!plait__server_keeps_user(s, message))
            return PLAIT_SASL_FAILED;
        s->step = SECOND;
        plait_buf_put_text(&s->out, "Password:");
        return plait__server_sends(s);
    }
    return judge(s, PLAIT_LOGIN_PASSWORD, keep_secret(s, message));
}

static bool cram_proves(plait_slice password, void *ctx)
{
    const struct plait_sasl_server *s = ctx;
    struct plait__hash hash;
    return plait__hmac(&hash, PLAIT__MD5, password, plait_slice_text(s->challenge)) &&
           plait_slice_equal_secret(plait__hash_slice(&hash), plait_slice_of(s->digest, sizeof s->digest));
}

static enum plait_sasl_step cram_begin(struct plait_sasl_server *s)
{
    const plait_slice nonce = s->options.nonce, host = s->options.host;
    if (nonce.len < PLAIT__SASL_NONCE_MIN || nonce.len > PLAIT__SASL_NONCE_MAX || host.len > 64)
        return plait__server_fails(s, PLAIT_EINVAL);
    plait_buf_put_u8(&s->out, '<');
    plait__hex_encode(&s->out, nonce);
    plait_buf_printf(&s->out, "@%.*s>", PLAIT_ARG(host));
    const plait_slice text = plait_buf_slice(&s->out);
    if (text.len)
        memcpy(s->challenge, text.ptr, text.len);
    s->step = SECOND;
    return plait__server_sends(s);
}

/* RFC 2195: what follows the last space is the digest. */
static enum plait_sasl_step cram(struct plait_sasl_server *s, plait_slice message)
{
    struct plait_scan digest;
    if (s->step == FIRST)
        return message.len ? plait__server_fails(s, PLAIT_EMALFORMED) : cram_begin(s);
    if (message.len < 34 || message.ptr[message.len - 33] != ' ')
        return plait__server_fails(s, PLAIT_EMALFORMED);
    digest = plait_scan_of(plait_slice_sub(message, message.len - 32, message.len));
    for (size_t i = 0; i < sizeof s->digest; i++) {
        const int high = plait__hex_value(digest.at[2 * i]), low = plait__hex_value(digest.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return plait__server_fails(s, PLAIT_EMALFORMED);
        s->digest[i] = (uint8_t)(high * 16 + low);
    }
    s->login.proves = cram_proves;
    s->login.ctx = s;
    return judge(s, PLAIT_LOGIN_PROOF, plait__server_keeps_user(s, plait_slice_sub(message, 0, message.len - 33)));
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

enum plait_sasl_step plait_sasl_server_step(struct plait_sasl_server *server, plait_slice response)
{
    const enum plait_sasl_mechanism mechanism = server->options.mechanism;
    plait_buf_clear(&server->out);
    if (server->step == REFUSED) /* the client has seen why */
        return plait__server_fails(server, PLAIT_EACCESS);
    if (server->step > SECOND)
        return plait__server_fails(server, PLAIT_EPROTOCOL);
    if (mechanism == PLAIT_SASL_LOGIN)
        return login(server, response);
    if (mechanism == PLAIT_SASL_CRAM_MD5)
        return cram(server, response);
    if (mechanism == PLAIT_SASL_DIGEST_MD5)
        return plait__digest_server(server, response);
    if (server->step == SECOND)
        return plait__scram_server_final(server, response);
    return response.ptr ? client_first(server, response) : PLAIT_SASL_SEND;
}

enum plait_sasl_step plait_sasl_server_judged(struct plait_sasl_server *server, bool good)
{
    const enum plait_sasl_mechanism mechanism = server->options.mechanism;
    if (server->step != JUDGED)
        return plait__server_fails(server, PLAIT_ESTATE);
    if (!good && (mechanism == PLAIT_SASL_OAUTHBEARER || mechanism == PLAIT_SASL_XOAUTH2)) {
        server->step = REFUSED;
        plait_buf_put_text(&server->out, mechanism == PLAIT_SASL_OAUTHBEARER ? "{\"status\":\"invalid_token\"}"
                                                                             : "{\"status\":\"401\"}");
        return plait__server_sends(server);
    }
    if (!good)
        plait_buf_clear(&server->out);
    server->step = OVER;
    return good ? PLAIT_SASL_DONE : plait__server_fails(server, PLAIT_EACCESS);
}
