/* SPDX-License-Identifier: MIT
 *
 * Authentication by a portal (plait/auth.h): Basic shows it a password, Bearer a token, Digest a proof that it judges
 * by whatever password its checker knows. The request waits for the portal's word, which failures make slow.
 *
 * Invariant: a request that waits is ended by the portal's answer, whatever it is. Test: tests/web/test_web_auth.c.
 */
#include "web/web_auth.h"

static const char *const interfaces[] = {"http", NULL};

static bool proves(plait_slice password, void *ctx)
{
    struct plait_request *req = ctx;
    const struct plait__auth_try *t = req->auth;
    return plait__digest_holds(req, t->auth, &t->digest, password);
}

static void refuse(struct plait_request *req, plait_err err)
{
    if (err == PLAIT_EACCESS) {
        plait_auth_deny(req);
        return;
    }
    req->auth->over = true;
    plait_reply_error(req, err == PLAIT_ELIMIT ? 429 : 503, NULL);
}

static void answered(struct plait_result *result, void *ctx)
{
    struct plait_request *req = ctx;
    const plait_err err = result->fault.err;
    struct plait_avatar *avatar = plait_result_take(result).ptr;
    plait_result_set(result, plait_value_num(0));
    if (err == PLAIT_OK)
        plait_auth_grant(req, plait_slice_text(avatar->name));
    else
        refuse(req, err);
    plait_avatar_logout(&avatar);
}

void plait__auth_ask(struct plait_request *req, struct plait__auth_try *t)
{
    const struct plait_credentials *c = &t->credentials;
    struct plait_login login = {.kind = PLAIT_LOGIN_PASSWORD, .user = c->user, .secret = c->secret};
    struct plait_address from;
    plait_request_peer(req, &from);
    login.from = &from;
    if (c->scheme == PLAIT_AUTH_BEARER) {
        login.kind = PLAIT_LOGIN_TOKEN;
    } else if (c->scheme == PLAIT_AUTH_DIGEST) {
        login.kind = PLAIT_LOGIN_PROOF;
        login.proves = proves;
        login.ctx = req;
    }
    if (plait_then(plait_portal_login(t->auth->options.portal, &login, interfaces, NULL), answered, req) != PLAIT_OK)
        refuse(req, PLAIT_ENOMEM);
}
