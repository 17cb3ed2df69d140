/* SPDX-License-Identifier: MIT
 *
 * DIGEST-MD5 (RFC 2831), both sides: authentication alone (qop "auth"), one exchange, no security layer and no second
 * one that is quicker. It is historic (RFC 6331); it stands here for servers that have nothing better.
 *
 * Invariant: a client is done only when the server has shown that it knows the password too. Test:
 * tests/auth/test_digest.c.
 */
#include "auth/sasl_core.h"
#include "base/text.h"

enum { FIRST, SECOND, JUDGED, VALUE_MAX = 1024, DIGITS = 32 };

/* --- directives (section 7.1) ------------------------------------------------------------------------------------- */

enum directive { REALM, NONCE, QOP, ALGORITHM, CHARSET, USERNAME, CNONCE, NC, URI, RESPONSE, AUTHZID, RSPAUTH, COUNT };

static const char *const names[COUNT] = {"realm",  "nonce", "qop",        "algorithm", "charset", "username",
                                         "cnonce", "nc",    "digest-uri", "response",  "authzid", "rspauth"};

/* What a message says: values without their quotes, in `text`. What was not said has ptr NULL. */
struct directives {
    plait_slice value[COUNT];
    size_t used;
    uint8_t text[VALUE_MAX];
};

static bool keep_byte(struct directives *d, uint8_t byte)
{
    if (byte == 0 || d->used == sizeof d->text)
        return false;
    d->text[d->used++] = byte;
    return true;
}

/* A string in quotes, whose first one was read. */
static bool read_quoted(struct plait_scan *scan, struct directives *d)
{
    uint8_t byte;
    while (plait_scan_u8(scan, &byte) && byte != '"') {
        if ((byte == '\\' && !plait_scan_u8(scan, &byte)) || !keep_byte(d, byte))
            return false;
    }
    return scan->at[-1] == '"';
}

static bool read_value(struct plait_scan *scan, struct directives *d, plait_slice *out)
{
    const size_t from = d->used;
    plait_slice token;
    if (plait_scan_byte(scan, '"')) {
        if (!read_quoted(scan, d))
            return false;
    } else {
        if (!plait_scan_while(scan, plait__is_token, &token))
            return false;
        for (size_t i = 0; i < token.len; i++) {
            if (!keep_byte(d, token.ptr[i]))
                return false;
        }
    }
    *out = plait_slice_of(d->text + from, d->used - from);
    return true;
}

static bool read_directive(struct plait_scan *scan, struct directives *d)
{
    plait_slice name, value, *place = NULL;
    if (!plait_scan_while(scan, plait__is_token, &name) || !name.len)
        return false;
    (void)plait_scan_blank(scan);
    if (!plait_scan_byte(scan, '='))
        return false;
    (void)plait_scan_blank(scan);
    if (!read_value(scan, d, &value))
        return false;
    for (size_t i = 0; i < COUNT && !place; i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(names[i])))
            place = &d->value[i];
    }
    if (place == &d->value[REALM] && place->ptr) /* a server may offer several: the first is taken */
        return true;
    if (place && place->ptr)
        return false;
    if (place)
        *place = value;
    return true;
}

/* Reads a message of at most 2 KiB. */
static bool read_message(plait_slice message, struct directives *d)
{
    struct plait_scan scan = plait_scan_of(message);
    memset(d, 0, sizeof *d);
    for (;;) {
        (void)plait_scan_blank(&scan);
        if (plait_scan_done(&scan))
            return message.len > 0;
        if (plait_scan_byte(&scan, ',')) /* an empty element */
            continue;
        if (!read_directive(&scan, d))
            return false;
        (void)plait_scan_blank(&scan);
        if (!plait_scan_done(&scan) && !plait_scan_byte(&scan, ','))
            return false;
    }
}

static bool is_or_none(plait_slice value, const char *want)
{
    return !value.ptr || plait_slice_equal_nocase(value, plait_slice_text(want));
}

/* Whether a list in a value, "auth,auth-int", has an element; one that was not said has "auth" alone. */
static bool offers_auth(plait_slice list)
{
    struct plait_scan scan = plait_scan_of(list);
    plait_slice word;
    if (!list.ptr)
        return true;
    do {
        (void)plait_scan_blank(&scan);
        if (plait_scan_while(&scan, plait__is_token, &word) && plait_slice_equal_nocase(word, PLAIT_LIT("auth")))
            return true;
        (void)plait_scan_blank(&scan);
    } while (plait_scan_byte(&scan, ','));
    return false;
}

static void put_quoted(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            plait_buf_put_u8(out, '\\');
        plait_buf_put_u8(out, value.ptr[i]);
    }
    plait_buf_put_u8(out, '"');
}

static bool is_ascii(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80)
            return false;
    }
    return true;
}

/* --- the hash (section 2.1.2.1) ----------------------------------------------------------------------------------- */

/* What goes into it beside the password. */
struct exchange {
    plait_slice user, realm, nonce, cnonce, uri, authorize;
};

/* Appends text as ISO 8859-1 when all of it is in there, else as it is; the RFC has it so. */
static void put_narrow(struct plait_buf *out, plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] > 0xc3) {
            plait_buf_put(out, text);
            return;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        const bool two = text.ptr[i] >= 0xc2 && i + 1 < text.len;
        plait_buf_put_u8(out, two ? (uint8_t)(text.ptr[i] << 6 | (text.ptr[i + 1] & 0x3f)) : text.ptr[i]);
        i += two;
    }
}

static bool hash_hex(struct plait__hash *out, struct plait_buf *text)
{
    const plait_slice part = plait_buf_slice(text);
    if (text->err != PLAIT_OK)
        return false;
    const bool fine = plait__hash(out, PLAIT__MD5, &part, 1);
    plait_mem_wipe(text->ptr, text->len);
    plait_buf_clear(text);
    return fine;
}

/* The client's response, or with `answer` the server's to it, as 32 digits. `text` is memory for the work. */
static bool respond(const struct exchange *x, plait_slice password, bool answer, struct plait_buf *text,
                    struct plait__hash *out)
{
    struct plait__hash secret, first, second;
    put_narrow(text, x->user);
    plait_buf_put_u8(text, ':');
    put_narrow(text, x->realm);
    plait_buf_put_u8(text, ':');
    put_narrow(text, password);
    if (!hash_hex(&secret, text))
        return false;
    plait_buf_put(text, plait__hash_slice(&secret));
    plait_buf_printf(text, ":%.*s:%.*s", PLAIT_ARG(x->nonce), PLAIT_ARG(x->cnonce));
    if (x->authorize.len)
        plait_buf_printf(text, ":%.*s", PLAIT_ARG(x->authorize));
    bool fine = hash_hex(&first, text);
    plait_buf_printf(text, "%s:%.*s", answer ? "" : "AUTHENTICATE", PLAIT_ARG(x->uri));
    fine = fine && hash_hex(&second, text);
    if (!fine)
        return false;
    plait_buf_printf(text, "%s:%.*s:00000001:%.*s:auth:%s", first.text, PLAIT_ARG(x->nonce), PLAIT_ARG(x->cnonce),
                     second.text);
    fine = hash_hex(out, text);
    plait_mem_wipe(&secret, sizeof secret);
    plait_mem_wipe(&first, sizeof first);
    return fine;
}

static bool same_digits(plait_slice came, const struct plait__hash *hash)
{
    return plait_slice_equal_secret(came, plait_slice_text(hash->text));
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

static void put_response(struct plait_sasl_client *c, const struct exchange *x, const struct directives *d,
                         const struct plait__hash *hash)
{
    plait_buf_put_text(&c->out, d->value[CHARSET].ptr ? "charset=utf-8," : "");
    put_quoted(&c->out, "username", x->user);
    if (d->value[REALM].ptr) {
        plait_buf_put_u8(&c->out, ',');
        put_quoted(&c->out, "realm", x->realm);
    }
    plait_buf_put_u8(&c->out, ',');
    put_quoted(&c->out, "nonce", x->nonce);
    plait_buf_printf(&c->out, ",cnonce=\"%s\",nc=00000001,qop=auth,", c->nonce);
    put_quoted(&c->out, "digest-uri", x->uri);
    plait_buf_printf(&c->out, ",response=%s", hash->text);
    if (x->authorize.len) {
        plait_buf_put_u8(&c->out, ',');
        put_quoted(&c->out, "authzid", x->authorize);
    }
}

/* `uri` and the client's `auth` are memory for the work. */
static enum plait_sasl_step client_responds(struct plait_sasl_client *c, const struct directives *d,
                                            struct plait_buf *uri)
{
    const struct plait_sasl_client_options *o = &c->options;
    struct plait__hash hash, answer;
    plait_buf_printf(uri, "%.*s/%.*s", PLAIT_ARG(o->service), PLAIT_ARG(o->host));
    const struct exchange x = {.user = o->user,
                               .realm = d->value[REALM],
                               .nonce = d->value[NONCE],
                               .cnonce = plait_slice_text(c->nonce),
                               .uri = plait_buf_slice(uri),
                               .authorize = o->authorize};
    if (uri->err)
        return plait__client_fails(c, uri->err);
    if (!respond(&x, o->secret, false, &c->auth, &hash) || !respond(&x, o->secret, true, &c->auth, &answer))
        return plait__client_fails(c, c->auth.err ? c->auth.err : PLAIT_EIO);
    memcpy(c->signature, answer.text, DIGITS);
    put_response(c, &x, d, &hash);
    return plait__client_sends(c);
}

static enum plait_sasl_step client_challenged(struct plait_sasl_client *c, plait_slice message)
{
    const struct plait_sasl_client_options *o = &c->options;
    struct directives d;
    if (!o->user.len || !o->secret.len || !o->service.len || !o->host.len || !plait__is_utf8(o->user) ||
        !plait__is_utf8(o->secret))
        return plait__client_fails(c, PLAIT_EINVAL);
    if (!read_message(message, &d) || !d.value[NONCE].len || !d.value[ALGORITHM].ptr ||
        !is_or_none(d.value[CHARSET], "utf-8"))
        return plait__client_fails(c, PLAIT_EMALFORMED);
    if (!is_or_none(d.value[ALGORITHM], "md5-sess") || !offers_auth(d.value[QOP]) ||
        (!d.value[CHARSET].ptr && !is_ascii(o->user)))
        return plait__client_fails(c, PLAIT_EUNSUPPORTED);
    if (!plait__sasl_nonce(o->nonce, &c->auth))
        return plait__client_fails(c, c->auth.err ? c->auth.err : PLAIT_EINVAL);
    memcpy(c->nonce, c->auth.ptr, c->auth.len);
    plait_buf_clear(&c->auth);
    struct plait_buf uri;
    plait_buf_init(&uri, c->auth.budget, VALUE_MAX);
    const enum plait_sasl_step step = client_responds(c, &d, &uri);
    plait_buf_deinit(&uri);
    return step;
}

static enum plait_sasl_step client_answered(struct plait_sasl_client *c, plait_slice message)
{
    struct directives d;
    if (!read_message(message, &d) || !d.value[RSPAUTH].ptr)
        return plait__client_fails(c, PLAIT_EMALFORMED);
    const bool right = plait_slice_equal_secret(d.value[RSPAUTH], plait_slice_of(c->signature, DIGITS));
    (void)plait__client_fails(c, PLAIT_OK); /* it is over, in either way */
    c->err = right ? PLAIT_OK : PLAIT_EVERIFY;
    return right ? PLAIT_SASL_DONE : PLAIT_SASL_FAILED;
}

enum plait_sasl_step plait__digest_client(struct plait_sasl_client *c, plait_slice challenge)
{
    return c->step == 0 ? client_challenged(c, challenge) : client_answered(c, challenge);
}

/* --- a server ----------------------------------------------------------------------------------------------------- */

static enum plait_sasl_step server_challenges(struct plait_sasl_server *s)
{
    const plait_slice realm = s->options.host;
    if (realm.len > 64 || !s->options.service.len || !plait__sasl_nonce(s->options.nonce, &s->out))
        return plait__server_fails(s, s->out.err ? s->out.err : PLAIT_EINVAL);
    memcpy(s->nonce, s->out.ptr, s->out.len);
    plait_buf_clear(&s->out);
    put_quoted(&s->out, "realm", realm);
    plait_buf_printf(&s->out, ",nonce=\"%s\",qop=\"auth\",charset=utf-8,algorithm=md5-sess", s->nonce);
    s->step = SECOND;
    return plait__server_sends(s);
}

/* The message is kept in `auth`, and read again for each password that may be the right one. */
static bool digest_proves(plait_slice password, void *ctx)
{
    struct plait_sasl_server *s = ctx;
    struct directives d;
    struct plait_buf text;
    struct plait__hash hash, answer;
    const bool again = read_message(plait_buf_slice(&s->auth), &d);
    const struct exchange x = {.user = d.value[USERNAME],
                               .realm = d.value[REALM],
                               .nonce = d.value[NONCE],
                               .cnonce = d.value[CNONCE],
                               .uri = d.value[URI],
                               .authorize = d.value[AUTHZID]};
    plait_buf_init(&text, s->auth.budget, PLAIT__SASL_MESSAGE_MAX);
    const bool right = again && respond(&x, password, false, &text, &hash) && same_digits(d.value[RESPONSE], &hash) &&
                       respond(&x, password, true, &text, &answer);
    plait_buf_clear(&s->out);
    if (right)
        plait_buf_printf(&s->out, "rspauth=%s", answer.text);
    s->err = text.err ? text.err : s->out.err; /* told instead of a wrong password */
    plait_buf_deinit(&text);
    return right && s->err == PLAIT_OK;
}

/* Section 2.1.2: what has to be said, and what has to be as we said. */
static bool is_response(const struct plait_sasl_server *s, const struct directives *d)
{
    const plait_slice service = s->options.service, uri = d->value[URI];
    return d->value[USERNAME].len && d->value[CNONCE].len && d->value[RESPONSE].len == DIGITS &&
           plait_slice_equal(d->value[NONCE], plait_slice_text(s->nonce)) &&
           plait_slice_equal(d->value[NC], PLAIT_LIT("00000001")) &&
           plait_slice_equal(d->value[REALM], s->options.host) && is_or_none(d->value[QOP], "auth") &&
           is_or_none(d->value[CHARSET], "utf-8") && (d->value[CHARSET].ptr || is_ascii(d->value[USERNAME])) &&
           uri.len > service.len + 1 && uri.ptr[service.len] == '/' &&
           plait_slice_equal_nocase(plait_slice_sub(uri, 0, service.len), service);
}

enum plait_sasl_step plait__digest_server(struct plait_sasl_server *s, plait_slice message)
{
    struct directives d;
    if (s->step == FIRST)
        return message.len ? plait__server_fails(s, PLAIT_EMALFORMED) : server_challenges(s);
    if (!read_message(message, &d) || !is_response(s, &d) || !plait__server_keeps_user(s, d.value[USERNAME]) ||
        !plait__server_keeps_authorize(s, d.value[AUTHZID]))
        return plait__server_fails(s, PLAIT_EMALFORMED);
    plait_buf_put(&s->auth, message);
    if (s->auth.err != PLAIT_OK)
        return plait__server_fails(s, s->auth.err);
    s->login.kind = PLAIT_LOGIN_PROOF;
    s->login.proves = digest_proves;
    s->login.ctx = s;
    s->step = JUDGED;
    return PLAIT_SASL_JUDGE;
}
