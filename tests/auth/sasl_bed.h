/* SPDX-License-Identifier: MIT
 *
 * Both sides of SASL in one place: a client and a server that talk until one of them is at an end, with a judge who
 * knows "user" with the password "pencil" and the token "t0ken".
 */
#ifndef PLAIT_TESTS_AUTH_SASL_BED_H
#define PLAIT_TESTS_AUTH_SASL_BED_H

#include "tests/auth/auth_bed.h"

#include "auth/sasl_core.h"

struct duel {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait_sasl_client_options co;
    struct plait_sasl_server_options so;
    struct plait_sasl_client client;
    struct plait_sasl_server server;
    enum plait_sasl_step client_end, server_end;
    char user[256], as[256]; /* as the judge saw them */
    int judged, messages;
    bool unknown; /* no keys for anybody */
    bool silent;  /* the server's last word is not passed on */
};

static inline void duel_init(struct duel *d, enum plait_sasl_mechanism mechanism)
{
    memset(d, 0, sizeof *d);
    test_heap_init(&d->heap, 0);
    plait_budget_init(&d->budget, NULL, &d->heap.allocator, 0);
    d->co = (struct plait_sasl_client_options){.mechanism = mechanism,
                                               .user = PLAIT_LIT("user"),
                                               .secret = PLAIT_LIT("pencil"),
                                               .host = PLAIT_LIT("host.example"),
                                               .service = PLAIT_LIT("imap"),
                                               .nonce = PLAIT_LIT("0123456789abcdef")};
    d->so = (struct plait_sasl_server_options){.mechanism = mechanism,
                                               .nonce = PLAIT_LIT("fedcba9876543210"),
                                               .host = PLAIT_LIT("host.example"),
                                               .service = PLAIT_LIT("imap"),
                                               .external = PLAIT_LIT("user"),
                                               .secret = PLAIT_LIT("server's own")};
    if (mechanism == PLAIT_SASL_OAUTHBEARER || mechanism == PLAIT_SASL_XOAUTH2)
        d->co.secret = PLAIT_LIT("t0ken");
    if (plait__sasl_is_plus(mechanism))
        d->co.binding = d->so.binding = (struct plait_sasl_binding){"tls-exporter", PLAIT_LIT("the channel's bytes")};
}

static inline void salt_password(const struct plait_scram_salt *salt, plait_slice password,
                                 uint8_t out[PLAIT_SCRAM_HASH_MAX])
{
    struct plait__hash hash;
    assert_true(plait__pbkdf2(&hash, plait__sasl_hash(salt->mechanism), password,
                              plait_slice_of(salt->bytes, salt->len), salt->iterations));
    memcpy(out, hash.bytes, hash.len);
}

static inline struct plait_scram_keys keys_of(enum plait_sasl_mechanism mechanism, const char *password)
{
    struct plait_scram_salt salt = {.mechanism = mechanism, .iterations = 4096, .len = 16};
    struct plait_scram_keys keys;
    uint8_t salted[PLAIT_SCRAM_HASH_MAX];
    memcpy(salt.bytes, "a salt of sixtee", 16);
    salt_password(&salt, plait_slice_text(password), salted);
    assert_ok(plait_scram_keys_derive(&salt, salted, &keys));
    return keys;
}

static inline bool duel_judges(struct duel *d)
{
    const struct plait_login *l = &d->server.login;
    d->judged++;
    (void)snprintf(d->user, sizeof d->user, "%.*s", PLAIT_ARG(l->user));
    (void)snprintf(d->as, sizeof d->as, "%.*s", PLAIT_ARG(d->server.authorize));
    switch (l->kind) {
    case PLAIT_LOGIN_PASSWORD:
        return plait_slice_equal(l->user, PLAIT_LIT("user")) && plait_slice_equal(l->secret, PLAIT_LIT("pencil"));
    case PLAIT_LOGIN_TOKEN:
        return plait_slice_equal(l->secret, PLAIT_LIT("t0ken"));
    case PLAIT_LOGIN_PROOF:
        return l->proves(PLAIT_LIT("pencil"), l->ctx);
    case PLAIT_LOGIN_PROVED:
        return !l->proves || l->proves(PLAIT_LIT(""), l->ctx);
    default:
        return true;
    }
}

/* The server's steps up to one that is not its own alone. */
static inline enum plait_sasl_step duel_server(struct duel *d, plait_slice response)
{
    enum plait_sasl_step step = plait_sasl_server_step(&d->server, response);
    if (step == PLAIT_SASL_KEYS) {
        const struct plait_scram_keys keys = keys_of(d->so.mechanism, "pencil");
        step = plait_sasl_server_keys(&d->server, d->unknown ? NULL : &keys);
    }
    return step == PLAIT_SASL_JUDGE ? plait_sasl_server_judged(&d->server, duel_judges(d)) : step;
}

static inline enum plait_sasl_step duel_client(struct duel *d, plait_slice challenge)
{
    const enum plait_sasl_step step = plait_sasl_client_step(&d->client, challenge);
    uint8_t salted[PLAIT_SCRAM_HASH_MAX];
    if (step != PLAIT_SASL_SALT)
        return step;
    salt_password(&d->client.salt, d->co.secret, salted);
    return plait_sasl_client_salted(&d->client, salted);
}

/* Talks to the end. */
static inline void duel_fight(struct duel *d)
{
    plait_sasl_client_init(&d->client, &d->budget, &d->co);
    plait_sasl_server_init(&d->server, &d->budget, &d->so);
    d->client_end = d->server_end = PLAIT_SASL_SEND;
    plait_slice said = {NULL, 0};
    if (plait_sasl_client_first(d->co.mechanism)) {
        d->client_end = duel_client(d, said);
        said = plait_buf_slice(&d->client.out);
        said.ptr = said.ptr ? said.ptr : (const uint8_t *)"";
    }
    while (d->client_end == PLAIT_SASL_SEND && d->server_end == PLAIT_SASL_SEND && d->messages++ < 10) {
        d->server_end = duel_server(d, said);
        if (d->server_end == PLAIT_SASL_FAILED || d->silent)
            break;
        d->client_end = duel_client(d, plait_buf_slice(&d->server.out));
        said = plait_buf_slice(&d->client.out);
        said.ptr = said.ptr ? said.ptr : (const uint8_t *)"";
    }
}

static inline void duel_deinit(struct duel *d)
{
    plait_sasl_client_deinit(&d->client);
    plait_sasl_server_deinit(&d->server);
    assert_int_equal(d->heap.live, 0);
}

/* Whether both sides ended well. */
static inline bool duel(struct duel *d)
{
    duel_fight(d);
    const bool well = d->client_end == PLAIT_SASL_DONE && d->server_end == PLAIT_SASL_DONE;
    if (well)
        assert_true(d->client.err == PLAIT_OK && d->server.err == PLAIT_OK);
    return well;
}

#endif
