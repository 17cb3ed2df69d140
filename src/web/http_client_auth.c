/* SPDX-License-Identifier: MIT
 *
 * Credentials of a client: Basic (RFC 7617) and Digest (RFC 7616), for servers and for proxies. Of the challenges that
 * came the strongest that we know is answered: Digest by SHA-256, Digest by MD5, then Basic, which shows the password.
 *
 * Invariant: a password leaves here as Basic or inside a hash, and its memory is wiped. Tests:
 * tests/web/test_http_client_auth.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "web/http_client_core.h"
#include "web/web_auth.h"
#include "web/web_wire.h"

#include <stdio.h>

enum { TEXTS_MAX = 8192, USERINFO_MAX = 512, CHALLENGES_MAX = 16384, ASKED_MAX = 3, REALM = 0, NONCE = 1, OPAQUE = 2 };

/* --- who it is ---------------------------------------------------------------------------------------------------- */

static bool has_control(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

plait_err plait__client_auth_init(struct plait__client_auth *auth, struct plait_budget *budget, plait_slice user,
                                  plait_slice password)
{
    plait_buf_init(&auth->texts, budget, TEXTS_MAX);
    plait_buf_init(&auth->cleared, budget, TEXTS_MAX);
    if (has_control(user) || has_control(password) || plait_slice_find_byte(user, ':', 0) != SIZE_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    auth->user = plait_mem_text(budget, (const char *)user.ptr, user.len);
    auth->password = plait_mem_text(budget, (const char *)password.ptr, password.len);
    return auth->user && auth->password ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait__client_auth_of_url(struct plait__client_auth *auth, struct plait_budget *budget,
                                    const struct plait_url *url)
{
    uint8_t user[USERINFO_MAX], password[USERINFO_MAX];
    size_t user_len = 0, password_len = 0;
    const plait_slice info = url->userinfo;
    const size_t colon = plait_slice_find_byte(info, ':', 0);
    const plait_slice left = plait_slice_sub(info, 0, colon);
    const plait_slice right = colon == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(info, colon + 1, info.len);
    plait_err err = PLAIT_EINVAL;
    if (info.len == 0)
        return PLAIT_OK;
    if (info.len <= sizeof(user) && plait_percent_decode(left, false, user, &user_len) == PLAIT_OK &&
        plait_percent_decode(right, false, password, &password_len) == PLAIT_OK)
        err = plait__client_auth_init(auth, budget, plait_slice_of(user, user_len),
                                      plait_slice_of(password, password_len));
    auth->at_once = true;
    plait_mem_wipe(password, sizeof(password));
    return err;
}

plait_err plait__client_auth_copy(struct plait__client_auth *auth, struct plait_budget *budget,
                                  const struct plait__client_auth *from)
{
    auth->at_once = from->at_once;
    auth->digest_only = from->digest_only;
    if (!from->user)
        return PLAIT_OK;
    return plait__client_auth_init(auth, budget, plait_slice_text(from->user), plait_slice_text(from->password));
}

void plait__client_auth_deinit(struct plait__client_auth *auth)
{
    if (auth->password)
        plait_mem_wipe(auth->password, strlen(auth->password));
    plait_mem_free(auth->user);
    plait_mem_free(auth->password);
    plait_buf_deinit(&auth->texts);
    plait_buf_deinit(&auth->cleared);
    memset(auth, 0, sizeof(*auth));
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

/* A challenge of Digest. Borrowed from the list. */
struct challenge {
    plait_slice field[3], algorithm, qop, user_hash, stale;
    bool digest;
};

static bool equals(plait_slice text, const char *word)
{
    return plait_slice_equal_nocase(text, plait_slice_text(word));
}

/* How much a challenge is to be liked: 0 not at all. */
static int strength(const struct challenge *c)
{
    const bool sound = c->digest && c->field[REALM].ptr && c->field[NONCE].len > 0 &&
                       (!c->qop.ptr || plait__http1_list_has(c->qop, PLAIT_LIT("auth")));
    if (!sound)
        return 0;
    if (equals(c->algorithm, "SHA-256") || equals(c->algorithm, "SHA-256-sess"))
        return 2;
    return !c->algorithm.ptr || equals(c->algorithm, "MD5") || equals(c->algorithm, "MD5-sess");
}

static void note_param(struct challenge *c, plait_slice name, plait_slice value)
{
    const struct {
        const char *name;
        plait_slice *place;
    } table[] = {{"realm", &c->field[REALM]},
                 {"nonce", &c->field[NONCE]},
                 {"opaque", &c->field[OPAQUE]},
                 {"algorithm", &c->algorithm},
                 {"qop", &c->qop},
                 {"userhash", &c->user_hash},
                 {"stale", &c->stale}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (equals(name, table[i].name))
            *table[i].place = value;
    }
}

/* Finds the strongest Digest of a list, and whether Basic is among them. */
static bool choose(plait_slice challenges, struct challenge *best, bool *basic)
{
    struct plait_scan list = plait_scan_of(challenges);
    struct challenge now = {.digest = false};
    plait_slice name, value;
    bool escaped, more;
    *best = now;
    *basic = false;
    do {
        more = plait__auth_next(&list, &name, &value, &escaped);
        if (more && value.ptr) {
            note_param(&now, name, value);
            continue;
        }
        if (strength(&now) > strength(best))
            *best = now;
        now = (struct challenge){.digest = more && equals(name, "Digest")};
        *basic |= more && equals(name, "Basic");
    } while (more);
    return strength(best) > 0;
}

/* Keeps what an answer repeats (as it came, with its escapes) and what is hashed (without them). */
static plait_err keep(struct plait__client_auth *auth, const struct challenge *c)
{
    plait_buf_clear(&auth->texts);
    plait_buf_clear(&auth->cleared);
    for (int i = 0; i < 3; i++)
        plait_buf_put(&auth->texts, c->field[i]);
    plait_buf_put(&auth->cleared, c->field[REALM]);
    plait_buf_put(&auth->cleared, c->field[NONCE]);
    PLAIT_TRY(auth->texts.err);
    PLAIT_TRY(auth->cleared.err);
    const uint8_t *at = auth->texts.ptr;
    uint8_t *clear = auth->cleared.ptr;
    for (int i = 0; i < 3; i++) {
        auth->field[i] = plait_slice_of(at, c->field[i].len);
        at += c->field[i].len;
    }
    for (int i = 0; i < 2; i++) {
        auth->clear[i] = plait_slice_of(clear, plait__param_unescape(clear, c->field[i].len));
        clear += c->field[i].len;
    }
    auth->has_opaque = c->field[OPAQUE].ptr != NULL;
    auth->md5 = strength(c) == 1;
    auth->session =
        c->algorithm.len > 5 && equals(plait_slice_sub(c->algorithm, c->algorithm.len - 5, SIZE_MAX), "-sess");
    auth->user_hash = equals(c->user_hash, "true");
    auth->has_qop = c->qop.ptr != NULL;
    auth->has_algorithm = c->algorithm.ptr != NULL;
    auth->count = 0;
    return PLAIT_OK;
}

bool plait__client_auth_take(struct plait__client_auth *auth, plait_slice challenges)
{
    struct challenge best;
    bool basic;
    if (!auth->user || auth->asked == ASKED_MAX)
        return false;
    const bool digest = choose(challenges, &best, &basic);
    const bool wrong = auth->digest && auth->count > 0 && !equals(best.stale, "true") &&
                       plait_slice_equal(best.field[REALM], auth->field[REALM]);
    if (digest && (wrong || keep(auth, &best) != PLAIT_OK))
        return false;
    if (!digest && (!basic || auth->digest_only || auth->basic || auth->at_once))
        return false;
    auth->asked++;
    auth->digest = digest;
    auth->basic = !digest;
    return true;
}

bool plait__client_auth_asked(struct plait__client_auth *auth, struct plait_budget *budget,
                              const struct plait__http1_head *head, const uint8_t *base, const char *name)
{
    struct plait_buf all;
    plait_buf_init(&all, budget, CHALLENGES_MAX);
    for (size_t i = 0; i < head->count; i++) {
        const struct plait__http1_field *field = &head->field[i];
        if (!equals(plait_slice_of(base + field->name, field->name_len), name))
            continue;
        plait_buf_put(&all, plait_slice_of(base + field->value, field->value_len));
        plait_buf_put_u8(&all, ',');
    }
    const bool asked = !all.err && plait__client_auth_take(auth, plait_buf_slice(&all));
    plait_buf_deinit(&all);
    return asked;
}

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static plait_slice text_of(const struct plait__hash *hash)
{
    return plait_slice_of(hash->text, 2 * hash->len);
}

/* H(a:b:c…) of up to six parts. */
static bool hash_joined(struct plait__hash *out, bool md5, const plait_slice *part, size_t count)
{
    plait_slice all[11];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            all[n++] = PLAIT_LIT(":");
        all[n++] = part[i];
    }
    return plait__hash(out, md5 ? PLAIT__MD5 : PLAIT__SHA256, all, n);
}

/* What one answer is made of. */
struct answer {
    plait_slice method, uri, count, cnonce;
    struct plait__hash response, user;
};

/* RFC 7616 section 3.4.1. */
static bool compute(const struct plait__client_auth *auth, struct answer *a)
{
    struct plait__hash one = {.len = 0}, two = {.len = 0};
    const plait_slice realm = auth->clear[REALM], nonce = auth->clear[NONCE];
    const plait_slice who[] = {plait_slice_text(auth->user), realm, plait_slice_text(auth->password)};
    const plait_slice what[] = {a->method, a->uri};
    bool fine = hash_joined(&a->user, auth->md5, who, 2) && hash_joined(&one, auth->md5, who, 3) &&
                hash_joined(&two, auth->md5, what, 2);
    if (fine && auth->session) {
        const struct plait__hash first = one;
        fine = hash_joined(&one, auth->md5, (const plait_slice[]){text_of(&first), nonce, a->cnonce}, 3);
    }
    const plait_slice all[] = {text_of(&one), nonce, a->count, a->cnonce, PLAIT_LIT("auth"), text_of(&two)};
    const plait_slice old[] = {text_of(&one), nonce, text_of(&two)};
    fine = fine && (auth->has_qop ? hash_joined(&a->response, auth->md5, all, 6)
                                  : hash_joined(&a->response, auth->md5, old, 3));
    plait_mem_wipe(&one, sizeof(one));
    return fine;
}

static void put_quoted(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_put_text(out, name);
    plait_buf_put(out, PLAIT_LIT("=\""));
    plait_buf_put(out, value);
    plait_buf_put(out, PLAIT_LIT("\", "));
}

static void put_user(const struct plait__client_auth *auth, struct plait_buf *out, const struct answer *a)
{
    if (auth->user_hash) {
        put_quoted(out, "username", text_of(&a->user));
        plait_buf_put(out, PLAIT_LIT("userhash=true, "));
        return;
    }
    plait_buf_put(out, PLAIT_LIT("username=\""));
    for (const char *c = auth->user; *c; c++) {
        if (*c == '"' || *c == '\\')
            plait_buf_put_u8(out, '\\');
        plait_buf_put_u8(out, (uint8_t)*c);
    }
    plait_buf_put(out, PLAIT_LIT("\", "));
}

static void put_digest(const struct plait__client_auth *auth, struct plait_buf *out, const struct answer *a)
{
    plait_buf_put(out, PLAIT_LIT("Digest "));
    put_user(auth, out, a);
    put_quoted(out, "realm", auth->field[REALM]);
    put_quoted(out, "nonce", auth->field[NONCE]);
    put_quoted(out, "uri", a->uri);
    if (auth->has_qop) {
        plait_buf_put(out, PLAIT_LIT("qop=auth, nc="));
        plait_buf_put(out, a->count);
        plait_buf_put(out, PLAIT_LIT(", "));
    }
    if (auth->has_qop || auth->session)
        put_quoted(out, "cnonce", a->cnonce);
    if (auth->has_opaque)
        put_quoted(out, "opaque", auth->field[OPAQUE]);
    if (auth->has_algorithm) {
        plait_buf_put_text(out, auth->md5 ? "algorithm=MD5" : "algorithm=SHA-256");
        plait_buf_put_text(out, auth->session ? "-sess, " : ", ");
    }
    plait_buf_put(out, PLAIT_LIT("response=\""));
    plait_buf_put(out, text_of(&a->response));
    plait_buf_put_u8(out, '"');
}

static void write_digest(struct plait__client_auth *auth, struct plait_buf *out, plait_slice method, plait_slice uri,
                         const uint8_t *cnonce)
{
    char random[2 * PLAIT__CNONCE_BYTES + 1], count[9];
    for (size_t i = 0; i < PLAIT__CNONCE_BYTES; i++)
        (void)snprintf(random + 2 * i, 3, "%02x", cnonce[i]);
    (void)snprintf(count, sizeof(count), "%08x", ++auth->count);
    struct answer a = {
        .method = method, .uri = uri, .count = plait_slice_text(count), .cnonce = plait_slice_text(random)};
    const bool fine = compute(auth, &a);
    put_digest(auth, out, &a);
    out->err = fine ? out->err : PLAIT_ENOMEM;
}

static void put_basic(const struct plait__client_auth *auth, struct plait_buf *out)
{
    struct plait_buf clear;
    plait_buf_init(&clear, out->budget, TEXTS_MAX);
    plait_buf_put_text(&clear, auth->user);
    plait_buf_put_u8(&clear, ':');
    plait_buf_put_text(&clear, auth->password);
    plait_buf_put(out, PLAIT_LIT("Basic "));
    plait__base64_encode(out, plait_buf_slice(&clear));
    out->err = clear.err ? clear.err : out->err;
    if (clear.ptr)
        plait_mem_wipe(clear.ptr, clear.cap);
    plait_buf_deinit(&clear);
}

plait_err plait__client_auth_write(struct plait__client_auth *auth, struct plait_buf *out, const char *field,
                                   plait_slice method, plait_slice uri, const uint8_t cnonce[PLAIT__CNONCE_BYTES])
{
    if (!auth->digest && !auth->basic && !auth->at_once)
        return PLAIT_OK;
    plait_buf_put_text(out, field);
    plait_buf_put(out, PLAIT_LIT(": "));
    if (auth->digest)
        write_digest(auth, out, method, uri, cnonce);
    else
        put_basic(auth, out);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
    return out->err;
}
