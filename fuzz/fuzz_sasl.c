/* SPDX-License-Identifier: MIT
 *
 * SASL's messages, to both sides. The first byte chooses the mechanism and the side, the rest is what the other side
 * says, a message a line. Nobody is let in or believed who could not know the secret, whatever is said; what is asked
 * for comes in turn; and a name that is written for SCRAM is read as the same.
 */
#include "auth/sasl_core.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* The next line, NULL's slice behind the last. */
static plait_slice next_line(plait_slice *rest)
{
    const size_t end = plait_slice_find_byte(*rest, '\n', 0);
    const plait_slice line = plait_slice_sub(*rest, 0, end);
    *rest = end == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(*rest, end + 1, rest->len);
    return line;
}

static void server(enum plait_sasl_mechanism mechanism, plait_slice rest, struct plait_budget *budget)
{
    const struct plait_sasl_server_options options = {.mechanism = mechanism,
                                                      .nonce = PLAIT_LIT("fedcba987654"),
                                                      .host = PLAIT_LIT("host"),
                                                      .service = PLAIT_LIT("imap"),
                                                      .external = PLAIT_LIT("user"),
                                                      .secret = PLAIT_LIT("secret"),
                                                      .binding = {"tls-exporter", PLAIT_LIT("bytes")}};
    struct plait_sasl_server s;
    plait_sasl_server_init(&s, budget, &options);
    for (int i = 0; i < 6 && rest.ptr; i++) {
        enum plait_sasl_step step = plait_sasl_server_step(&s, next_line(&rest));
        if (step == PLAIT_SASL_KEYS) {
            must(plait__sasl_is_scram(mechanism) && s.login.user.len > 0);
            step = plait_sasl_server_keys(&s, NULL);
            must(step == PLAIT_SASL_SEND);
        }
        must(step != PLAIT_SASL_DONE && step != PLAIT_SASL_SALT);
        if (step == PLAIT_SASL_JUDGE) {
            must(s.login.user.len <= PLAIT_LOGIN_USER_MAX && s.login.secret.len <= PLAIT_LOGIN_SECRET_MAX);
            must(s.login.kind != PLAIT_LOGIN_PROOF || !s.login.proves(PLAIT_LIT("what nobody knows"), s.login.ctx));
            must(!plait__sasl_is_scram(mechanism) || s.login.proves);
            step = plait_sasl_server_judged(&s, false);
            must(step == PLAIT_SASL_SEND || step == PLAIT_SASL_FAILED);
        }
    }
    plait_sasl_server_deinit(&s);
}

static void client(enum plait_sasl_mechanism mechanism, plait_slice rest, struct plait_budget *budget)
{
    static const uint8_t salted[PLAIT_SCRAM_HASH_MAX] = {1};
    const struct plait_sasl_client_options options = {.mechanism = mechanism,
                                                      .user = PLAIT_LIT("user"),
                                                      .secret = PLAIT_LIT("pencil"),
                                                      .host = PLAIT_LIT("host"),
                                                      .service = PLAIT_LIT("imap"),
                                                      .nonce = PLAIT_LIT("fedcba987654"),
                                                      .binding = {"tls-exporter", PLAIT_LIT("bytes")}};
    struct plait_sasl_client c;
    plait_sasl_client_init(&c, budget, &options);
    if (plait_sasl_client_first(mechanism))
        must(plait_sasl_client_step(&c, plait_slice_of(NULL, 0)) == PLAIT_SASL_SEND);
    for (int i = 0; i < 6 && rest.ptr; i++) {
        enum plait_sasl_step step = plait_sasl_client_step(&c, next_line(&rest));
        if (step == PLAIT_SASL_SALT) {
            must(c.salt.iterations >= PLAIT__SASL_ITERATIONS_MIN && c.salt.iterations <= PLAIT__SASL_ITERATIONS_MAX);
            step = plait_sasl_client_salted(&c, salted);
            must(step == PLAIT_SASL_SEND);
        }
        must(step != PLAIT_SASL_DONE || !(plait__sasl_is_scram(mechanism) || mechanism == PLAIT_SASL_DIGEST_MD5));
        must(step != PLAIT_SASL_FAILED || c.err != PLAIT_OK);
    }
    plait_sasl_client_deinit(&c);
}

static void name(plait_slice in, struct plait_budget *budget)
{
    struct plait_buf coded;
    char out[4096];
    size_t len;
    plait_buf_init(&coded, budget, 16384);
    plait__scram_put_name(&coded, in);
    if (coded.err == PLAIT_OK && in.len <= sizeof out) {
        must(plait__scram_name(plait_buf_slice(&coded), out, sizeof out, &len));
        must(plait_slice_equal(plait_slice_of(out, len), in));
    }
    plait_buf_deinit(&coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    if (size < 2)
        return 0;
    const plait_slice rest = plait_slice_of(data + 1, size - 1);
    const enum plait_sasl_mechanism mechanism = (enum plait_sasl_mechanism)(data[0] / 2 % PLAIT_SASL_COUNT);
    if (data[0] % 2)
        server(mechanism, rest, &budget);
    else
        client(mechanism, rest, &budget);
    name(rest, &budget);
    return 0;
}
