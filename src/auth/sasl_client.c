/* SPDX-License-Identifier: MIT
 *
 * A client's side of SASL, but for SCRAM, which stands in sasl_scram.c. Pure.
 *
 * Invariant: when a step was PLAIT_SASL_DONE or PLAIT_SASL_FAILED, all later ones fail. Test: tests/auth/test_sasl.c.
 */
#include "auth/sasl_core.h"

#define SEPARATOR "\x01"

enum { OVER = 99 };

enum plait_sasl_step plait__client_fails(struct plait_sasl_client *c, plait_err err)
{
    c->err = c->err ? c->err : err;
    c->step = OVER;
    plait_buf_clear(&c->out);
    return PLAIT_SASL_FAILED;
}

enum plait_sasl_step plait__client_sends(struct plait_sasl_client *c)
{
    c->step++;
    return c->out.err == PLAIT_OK ? PLAIT_SASL_SEND : plait__client_fails(c, c->out.err);
}

void plait_sasl_client_init(struct plait_sasl_client *client, struct plait_budget *budget,
                            const struct plait_sasl_client_options *options)
{
    memset(client, 0, sizeof *client);
    client->options = *options;
    plait_buf_init(&client->out, budget, PLAIT__SASL_MESSAGE_MAX);
    plait_buf_init(&client->auth, budget, PLAIT__SASL_MESSAGE_MAX);
}

void plait_sasl_client_deinit(struct plait_sasl_client *client)
{
    plait_mem_wipe(client->out.ptr, client->out.cap);
    plait_buf_deinit(&client->out);
    plait_buf_deinit(&client->auth);
    plait_mem_wipe(client, sizeof *client);
}

/* What a separator would be taken for. */
static bool has(plait_slice text, uint8_t byte)
{
    return plait_slice_find_byte(text, byte, 0) != SIZE_MAX;
}

/* --- mechanisms of one message ------------------------------------------------------------------------------------ */

/* RFC 4616. */
static bool put_plain(struct plait_sasl_client *c)
{
    const struct plait_sasl_client_options *o = &c->options;
    if (has(o->authorize, 0) || has(o->user, 0) || has(o->secret, 0) || !o->user.len || !o->secret.len)
        return false;
    plait_buf_put(&c->out, o->authorize);
    plait_buf_put_u8(&c->out, 0);
    plait_buf_put(&c->out, o->user);
    plait_buf_put_u8(&c->out, 0);
    plait_buf_put(&c->out, o->secret);
    return true;
}

/* RFC 7628 section 3.1. */
static bool put_oauthbearer(struct plait_sasl_client *c)
{
    const struct plait_sasl_client_options *o = &c->options;
    if (has(o->user, 1) || has(o->secret, 1) || has(o->host, 1) || !o->secret.len)
        return false;
    plait_buf_put_text(&c->out, o->user.len ? "n,a=" : "n,");
    plait__scram_put_name(&c->out, o->user);
    plait_buf_put_text(&c->out, "," SEPARATOR);
    if (o->host.len)
        plait_buf_printf(&c->out, "host=%.*s" SEPARATOR, PLAIT_ARG(o->host));
    if (o->port)
        plait_buf_printf(&c->out, "port=%u" SEPARATOR, (unsigned)o->port);
    plait_buf_printf(&c->out, "auth=Bearer %.*s" SEPARATOR SEPARATOR, PLAIT_ARG(o->secret));
    return true;
}

static bool put_xoauth2(struct plait_sasl_client *c)
{
    const struct plait_sasl_client_options *o = &c->options;
    if (has(o->user, 1) || has(o->secret, 1) || !o->user.len || !o->secret.len)
        return false;
    plait_buf_printf(&c->out, "user=%.*s" SEPARATOR "auth=Bearer %.*s" SEPARATOR SEPARATOR, PLAIT_ARG(o->user),
                     PLAIT_ARG(o->secret));
    return true;
}

static enum plait_sasl_step begin(struct plait_sasl_client *c)
{
    bool fine = true;
    switch (c->options.mechanism) {
    case PLAIT_SASL_ANONYMOUS: /* RFC 4505: a trace */
        plait_buf_put(&c->out, c->options.user);
        break;
    case PLAIT_SASL_PLAIN:
        fine = put_plain(c);
        break;
    case PLAIT_SASL_EXTERNAL: /* RFC 4422 appendix A */
        plait_buf_put(&c->out, c->options.authorize);
        break;
    case PLAIT_SASL_OAUTHBEARER:
        fine = put_oauthbearer(c);
        break;
    case PLAIT_SASL_XOAUTH2:
        fine = put_xoauth2(c);
        break;
    default:
        return plait__scram_client_first(c);
    }
    return fine ? plait__client_sends(c) : plait__client_fails(c, PLAIT_EINVAL);
}

/* The token was not good: the server says why in JSON, and waits for an answer before it fails (RFC 7628 section
 * 3.2.3). */
static enum plait_sasl_step token_refused(struct plait_sasl_client *c)
{
    c->err = PLAIT_EACCESS;
    if (c->options.mechanism == PLAIT_SASL_OAUTHBEARER)
        plait_buf_put_text(&c->out, SEPARATOR);
    return plait__client_sends(c);
}

/* What a server says behind the only message. */
static enum plait_sasl_step after_the_only(struct plait_sasl_client *c, plait_slice challenge)
{
    const bool token = c->options.mechanism == PLAIT_SASL_OAUTHBEARER || c->options.mechanism == PLAIT_SASL_XOAUTH2;
    if (c->step == 1 && token && challenge.len)
        return token_refused(c);
    if (c->step > 1 || challenge.len)
        return plait__client_fails(c, PLAIT_EMALFORMED);
    c->step = OVER;
    return PLAIT_SASL_DONE;
}

/* --- mechanisms in which the server begins ------------------------------------------------------------------------ */

/* The words of the challenges are anybody's. */
static enum plait_sasl_step login(struct plait_sasl_client *c)
{
    if (c->step == 0 && !c->options.user.len)
        return plait__client_fails(c, PLAIT_EINVAL);
    if (c->step > 1) {
        const bool early = c->step > 2;
        c->step = OVER;
        return early ? plait__client_fails(c, PLAIT_EMALFORMED) : PLAIT_SASL_DONE;
    }
    plait_buf_put(&c->out, c->step == 0 ? c->options.user : c->options.secret);
    return plait__client_sends(c);
}

/* RFC 2195. */
static enum plait_sasl_step cram(struct plait_sasl_client *c, plait_slice challenge)
{
    struct plait__hash hash;
    if (c->step > 0) {
        const bool over = c->step == OVER;
        c->step = OVER;
        return over || challenge.len ? plait__client_fails(c, PLAIT_EMALFORMED) : PLAIT_SASL_DONE;
    }
    if (!challenge.len)
        return plait__client_fails(c, PLAIT_EMALFORMED);
    if (!c->options.user.len || !plait__hmac(&hash, PLAIT__MD5, c->options.secret, challenge))
        return plait__client_fails(c, PLAIT_EINVAL);
    plait_buf_printf(&c->out, "%.*s %s", PLAIT_ARG(c->options.user), hash.text);
    return plait__client_sends(c);
}

enum plait_sasl_step plait_sasl_client_step(struct plait_sasl_client *client, plait_slice challenge)
{
    const enum plait_sasl_mechanism mechanism = client->options.mechanism;
    plait_buf_clear(&client->out);
    if (client->step == OVER)
        return plait__client_fails(client, PLAIT_EPROTOCOL);
    if (mechanism == PLAIT_SASL_LOGIN)
        return login(client);
    if (mechanism == PLAIT_SASL_CRAM_MD5)
        return cram(client, challenge);
    if (mechanism == PLAIT_SASL_DIGEST_MD5)
        return plait__digest_client(client, challenge);
    if (client->step == 0)
        return challenge.len ? plait__client_fails(client, PLAIT_EMALFORMED) : begin(client);
    return plait__sasl_is_scram(mechanism) ? plait__scram_client_next(client, challenge)
                                           : after_the_only(client, challenge);
}
