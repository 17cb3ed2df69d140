/* SPDX-License-Identifier: MIT
 *
 * One side of SASL as a program: `sasl_side client|server MECHANISM [BINDING]`. Messages are lines in Base64 on
 * standard input and output, the binding is that of tls-exporter in Base64; the last line is "= done" or "= failed
 * ERROR". It knows "user" with the password "pencil", who may act as himself only.
 */
#include "auth/sasl_core.h"
#include "base/text.h"

#include <plait/plait.h>

#include <stdio.h>

static struct plait_reactor *r;
static uint8_t binding[256];

/* Reads a line; false at the end. */
static bool hear(struct plait_buf *out)
{
    char line[20000];
    plait_buf_clear(out);
    if (!fgets(line, sizeof line, stdin))
        return false;
    return plait__base64_decode(plait_slice_sub(plait_slice_text(line), 0, strcspn(line, "\r\n")), out) == PLAIT_OK;
}

static void say(plait_slice message)
{
    struct plait_buf coded;
    plait_buf_init(&coded, plait_reactor_budget(r), 30000);
    plait__base64_encode(&coded, message);
    (void)printf("%.*s\n", PLAIT_ARG(plait_buf_slice(&coded)));
    (void)fflush(stdout);
    plait_buf_deinit(&coded);
}

static int tell(enum plait_sasl_step step, plait_err err)
{
    if (step == PLAIT_SASL_DONE)
        (void)puts("= done");
    else
        (void)printf("= failed %s\n", plait_err_name(err));
    return step == PLAIT_SASL_DONE ? 0 : 1;
}

static bool salt(const struct plait_scram_salt *how, uint8_t salted[PLAIT_SCRAM_HASH_MAX])
{
    plait_value value = {.ptr = NULL};
    struct plait_deferred *d = plait_scram_salt_password(r, PLAIT_LIT("pencil"), how);
    if (plait_reactor_run_until(r, d, &value) != PLAIT_OK)
        return false;
    memcpy(salted, value.ptr, PLAIT_SCRAM_HASH_MAX);
    value.destroy(value.ptr);
    return true;
}

static int run_client(const struct plait_sasl_client_options *options)
{
    struct plait_sasl_client c;
    struct plait_buf in;
    uint8_t salted[PLAIT_SCRAM_HASH_MAX];
    enum plait_sasl_step step = PLAIT_SASL_SEND;
    plait_buf_init(&in, plait_reactor_budget(r), 20000);
    plait_sasl_client_init(&c, plait_reactor_budget(r), options);
    while (step == PLAIT_SASL_SEND && hear(&in)) {
        step = plait_sasl_client_step(&c, plait_buf_slice(&in));
        if (step == PLAIT_SASL_SALT && salt(&c.salt, salted))
            step = plait_sasl_client_salted(&c, salted);
        if (step == PLAIT_SASL_SEND)
            say(plait_buf_slice(&c.out));
    }
    const int status = tell(step, c.err);
    plait_sasl_client_deinit(&c);
    plait_buf_deinit(&in);
    return status;
}

static enum plait_sasl_step judge(struct plait_sasl_server *s)
{
    const struct plait_login *l = &s->login;
    bool good = plait_slice_equal(l->user, PLAIT_LIT("user"));
    if (l->kind == PLAIT_LOGIN_PASSWORD)
        good = good && plait_slice_equal(l->secret, PLAIT_LIT("pencil"));
    else if (l->kind == PLAIT_LOGIN_PROOF)
        good = good && l->proves(PLAIT_LIT("pencil"), l->ctx);
    else if (l->kind == PLAIT_LOGIN_PROVED)
        good = good && !l->proves;
    else
        good = l->kind == PLAIT_LOGIN_ANONYMOUS;
    good = good && (!s->authorize.len || plait_slice_equal(s->authorize, l->user));
    return plait_sasl_server_judged(s, good);
}

static enum plait_sasl_step keys(struct plait_sasl_server *s)
{
    const struct plait_scram_salt how = {
        .mechanism = s->options.mechanism, .iterations = 4096, .len = 4, .bytes = "salt"};
    struct plait_scram_keys k;
    uint8_t salted[PLAIT_SCRAM_HASH_MAX];
    const bool fine = salt(&how, salted) && plait_scram_keys_derive(&how, salted, &k) == PLAIT_OK;
    return plait_sasl_server_keys(s, fine && plait_slice_equal(s->login.user, PLAIT_LIT("user")) ? &k : NULL);
}

static int run_server(const struct plait_sasl_server_options *options)
{
    struct plait_sasl_server s;
    struct plait_buf in;
    enum plait_sasl_step step = PLAIT_SASL_SEND;
    bool begun = false;
    plait_buf_init(&in, plait_reactor_budget(r), 20000);
    plait_sasl_server_init(&s, plait_reactor_budget(r), options);
    while (step == PLAIT_SASL_SEND && hear(&in)) {
        const plait_slice said = plait_buf_slice(&in);
        const bool nothing = !begun && !said.len && !plait_sasl_client_first(options->mechanism);
        begun = true;
        step = plait_sasl_server_step(&s, nothing || said.ptr ? said : PLAIT_LIT(""));
        step = step == PLAIT_SASL_KEYS ? keys(&s) : step;
        step = step == PLAIT_SASL_JUDGE ? judge(&s) : step;
        if (step == PLAIT_SASL_SEND || (step == PLAIT_SASL_DONE && s.out.len))
            say(plait_buf_slice(&s.out));
    }
    const int status = tell(step, s.err);
    plait_sasl_server_deinit(&s);
    plait_buf_deinit(&in);
    return status;
}

static int run(const char *side, enum plait_sasl_mechanism mechanism, struct plait_sasl_binding b)
{
    const struct plait_sasl_client_options client = {.mechanism = mechanism,
                                                     .user = PLAIT_LIT("user"),
                                                     .secret = PLAIT_LIT("pencil"),
                                                     .nonce = PLAIT_LIT("not so random"),
                                                     .host = PLAIT_LIT("host"),
                                                     .service = PLAIT_LIT("imap"),
                                                     .binding = b};
    const struct plait_sasl_server_options server = {.mechanism = mechanism,
                                                     .external = PLAIT_LIT("user"),
                                                     .nonce = PLAIT_LIT("not so random"),
                                                     .host = PLAIT_LIT("host"),
                                                     .service = PLAIT_LIT("imap"),
                                                     .secret = PLAIT_LIT("our own"),
                                                     .binding = b};
    return strcmp(side, "client") == 0 ? run_client(&client) : run_server(&server);
}

int main(int argc, char **argv)
{
    enum plait_sasl_mechanism mechanism;
    struct plait_sasl_binding b = {NULL, {NULL, 0}};
    size_t len = 0;
    if (argc < 3 || !plait_sasl_find(plait_slice_text(argv[2]), &mechanism))
        return 2;
    if (argc > 3 && plait__sasl_base64(plait_slice_text(argv[3]), binding, sizeof binding, &len))
        b = (struct plait_sasl_binding){"tls-exporter", plait_slice_of(binding, len)};
    r = plait_new();
    const int status = r ? run(argv[1], mechanism, b) : 3;
    plait_reactor_free(&r);
    return status;
}
