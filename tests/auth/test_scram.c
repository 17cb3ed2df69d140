/* SPDX-License-Identifier: MIT
 *
 * SCRAM: the RFCs' exchanges, channel bindings, messages that are malformed or lie, users who do not exist, hashing in
 * the pool, and a portal that counts wrong proofs.
 */
#include "tests/auth/sasl_bed.h"

static void exchanges_are_those_of_the_rfcs(void **state)
{
    static const struct {
        enum plait_sasl_mechanism mechanism;
        const char *nonce, *first, *challenge, *final, *answer;
    } table[] = {
        /* RFC 5802 section 5 */
        {PLAIT_SASL_SCRAM_SHA_1, "fyko+d2lbbFgONRv9qkxdawL", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
         "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
         "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
        /* RFC 7677 section 3 */
        {PLAIT_SASL_SCRAM_SHA_256, "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
         "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
         "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="
         "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        uint8_t nonce[32];
        size_t len;
        duel_init(&d, table[i].mechanism);
        assert_true(plait__sasl_base64(plait_slice_text(table[i].nonce), nonce, sizeof nonce, &len));
        d.co.nonce = plait_slice_of(nonce, len);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        assert_int_equal(duel_client(&d, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        assert_slice(plait_buf_slice(&d.client.out), table[i].first);
        assert_int_equal(duel_client(&d, plait_slice_text(table[i].challenge)), PLAIT_SASL_SEND);
        assert_slice(plait_buf_slice(&d.client.out), table[i].final);
        assert_int_equal(duel_client(&d, plait_slice_text(table[i].answer)), PLAIT_SASL_DONE);
        assert_int_equal(duel_client(&d, plait_slice_text(table[i].answer)), PLAIT_SASL_FAILED);
        duel_deinit(&d);
    }
}

static void bindings_must_be_the_same_on_both_sides(void **state)
{
    const plait_slice bytes = PLAIT_LIT("the channel's bytes"), others = PLAIT_LIT("the channel's bytez");
    const struct {
        enum plait_sasl_mechanism client, server;
        const char *client_name, *server_name;
        plait_slice client_bytes;
        plait_err client_err, server_err;
    } table[] = {
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, "tls-exporter", "tls-exporter", others, PLAIT_OK,
         PLAIT_EVERIFY},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, "tls-exporter", "tls-exporter",
         PLAIT_LIT("short"), PLAIT_OK, PLAIT_EVERIFY},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, "tls-unique", "tls-exporter", bytes, PLAIT_OK,
         PLAIT_EUNSUPPORTED},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, "tls-exporter", NULL, bytes, PLAIT_OK,
         PLAIT_EVERIFY},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256, "tls-exporter", "tls-exporter", bytes, PLAIT_OK,
         PLAIT_EVERIFY},
        {PLAIT_SASL_SCRAM_SHA_256, PLAIT_SASL_SCRAM_SHA_256_PLUS, NULL, "tls-exporter", bytes, PLAIT_OK, PLAIT_EVERIFY},
        /* somebody on the way took PLUS out of the server's list */
        {PLAIT_SASL_SCRAM_SHA_256, PLAIT_SASL_SCRAM_SHA_256, "tls-exporter", "tls-exporter", bytes, PLAIT_OK,
         PLAIT_EVERIFY},
        {PLAIT_SASL_SCRAM_SHA_256, PLAIT_SASL_SCRAM_SHA_256, "tls-exporter", NULL, bytes, PLAIT_OK, PLAIT_OK},
        {PLAIT_SASL_SCRAM_SHA_256, PLAIT_SASL_SCRAM_SHA_256, NULL, "tls-exporter", bytes, PLAIT_OK, PLAIT_OK},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, NULL, "tls-exporter", bytes, PLAIT_EINVAL,
         PLAIT_OK},
        {PLAIT_SASL_SCRAM_SHA_256_PLUS, PLAIT_SASL_SCRAM_SHA_256_PLUS, "tls-exporter", "tls-exporter", PLAIT_LIT(""),
         PLAIT_EINVAL, PLAIT_OK},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, table[i].client);
        d.so.mechanism = table[i].server;
        d.co.binding = (struct plait_sasl_binding){table[i].client_name, table[i].client_bytes};
        d.so.binding = (struct plait_sasl_binding){table[i].server_name, bytes};
        const bool well = duel(&d);
        if (well != (table[i].client_err == PLAIT_OK && table[i].server_err == PLAIT_OK))
            fail_msg("case %zu: %d", i, well);
        assert_err(d.client.err, table[i].client_err);
        assert_err(d.server.err, table[i].server_err);
        duel_deinit(&d);
    }
}

static void clients_refuse_servers_that_lie(void **state)
{
    static const struct {
        const char *challenge;
        plait_err err;
    } table[] = {
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=4096", PLAIT_OK},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==,s=QSXCR+Q6sek8bf92,i=4096", PLAIT_EMALFORMED}, /* nothing of the server's */
        {"r=XDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg== x,s=QSXCR+Q6sek8bf92,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=4095", PLAIT_ELIMIT},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=1000001", PLAIT_ELIMIT},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=5000000000", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=x", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf9,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSX*R+Q6sek8bf92,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf9===,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QR==,i=4096", PLAIT_EMALFORMED}, /* bits behind the end */
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s====,i=4096", PLAIT_EMALFORMED},
        {"m=x,r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=4096", PLAIT_EMALFORMED},
        {"r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92", PLAIT_EMALFORMED},
        {"", PLAIT_EMALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        assert_int_equal(duel_client(&d, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        const enum plait_sasl_step step = plait_sasl_client_step(&d.client, plait_slice_text(table[i].challenge));
        if (step != (table[i].err == PLAIT_OK ? PLAIT_SASL_SALT : PLAIT_SASL_FAILED))
            fail_msg("challenge %zu: %d", i, (int)step);
        assert_err(d.client.err, table[i].err);
        if (table[i].err == PLAIT_OK) /* it is not its turn */
            assert_int_equal(plait_sasl_client_step(&d.client, PLAIT_LIT("v=x")), PLAIT_SASL_FAILED);
        duel_deinit(&d);
    }
}

static void clients_believe_no_server_without_the_keys(void **state)
{
    static const struct {
        const char *answer;
        plait_err err;
    } table[] = {
        {"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", PLAIT_EVERIFY},
        {"v=rmF9", PLAIT_EVERIFY},
        {"v=rmF", PLAIT_EMALFORMED},
        {"v=", PLAIT_EMALFORMED},
        {"", PLAIT_EMALFORMED},
        {"e=invalid-proof", PLAIT_EACCESS},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        assert_int_equal(duel_client(&d, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        assert_int_equal(duel_client(&d, PLAIT_LIT("r=MDEyMzQ1Njc4OWFiY2RlZg==x,s=QSXCR+Q6sek8bf92,i=4096")),
                         PLAIT_SASL_SEND);
        assert_int_equal(duel_client(&d, plait_slice_text(table[i].answer)), PLAIT_SASL_FAILED);
        assert_err(d.client.err, table[i].err);
        duel_deinit(&d);
    }
}

/* Makes a server that waits for the last message, whose nonce is "n" and its own. */
static void server_challenges(struct duel *d, const char *first)
{
    const struct plait_scram_keys keys = keys_of(d->so.mechanism, "pencil");
    plait_sasl_client_init(&d->client, &d->budget, &d->co);
    plait_sasl_server_init(&d->server, &d->budget, &d->so);
    assert_int_equal(plait_sasl_server_step(&d->server, plait_slice_text(first)), PLAIT_SASL_KEYS);
    assert_int_equal(plait_sasl_server_keys(&d->server, &keys), PLAIT_SASL_SEND);
    assert_int_equal(strncmp(d->server.nonce, "n", 1), 0);
}

static void servers_refuse_first_messages_that_are_none(void **state)
{
    static char longest[400] = "n,,n=user,r=", long_name[400] = "n,,n=";
    static const struct {
        const char *message;
        plait_err err; /* PLAIT_OK: keys are wanted */
    } table[] = {
        {"n,,n=user,r=n", PLAIT_OK},
        {"y,,n=user,r=n,x=ext", PLAIT_OK},
        {"n,a=b,n=u=2Cv,r=n", PLAIT_OK},
        {"n,,n=u=2cv,r=n", PLAIT_EMALFORMED},
        {"n,a=,n=u,r=n", PLAIT_EMALFORMED},
        {"n,a=b", PLAIT_EMALFORMED},
        {"n,a==,n=u,r=n", PLAIT_EMALFORMED},
        {"n,a=\xff,n=u,r=n", PLAIT_EMALFORMED},
        {"n", PLAIT_EMALFORMED},
        {"n,", PLAIT_EMALFORMED},
        {"x,,n=user,r=n", PLAIT_EMALFORMED},
        {"p=,,n=user,r=n", PLAIT_EMALFORMED},
        {"p,,n=user,r=n", PLAIT_EMALFORMED},
        {"p=x", PLAIT_EMALFORMED},
        {"p=tls-exporter,,n=user,r=n", PLAIT_EVERIFY},
        {"n,,m=x,n=user,r=n", PLAIT_EMALFORMED},
        {"n,,n=,r=n", PLAIT_EMALFORMED},
        {"n,,n=user", PLAIT_EMALFORMED},
        {"n,,n=user,r=", PLAIT_EMALFORMED},
        {"n,,n=user,r=\x7f", PLAIT_EMALFORMED},
        {longest, PLAIT_EMALFORMED},
        {long_name, PLAIT_EMALFORMED},
        {"", PLAIT_EMALFORMED},
    };
    (void)state;
    memset(longest + 12, 'r', 91);
    memset(long_name + 5, 'u', PLAIT_LOGIN_USER_MAX + 1);
    memcpy(long_name + 5 + PLAIT_LOGIN_USER_MAX + 1, ",r=n", 5);
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        const enum plait_sasl_step step = plait_sasl_server_step(&d.server, plait_slice_text(table[i].message));
        if (step != (table[i].err == PLAIT_OK ? PLAIT_SASL_KEYS : PLAIT_SASL_FAILED))
            fail_msg("message %zu: %d", i, (int)step);
        assert_err(d.server.err, table[i].err);
        if (table[i].err == PLAIT_OK) { /* not before the keys */
            assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("n,,n=user,r=n")), PLAIT_SASL_FAILED);
            assert_int_equal(plait_sasl_server_keys(&d.server, NULL), PLAIT_SASL_FAILED);
        }
        duel_deinit(&d);
    }
}

static void servers_refuse_last_messages_that_are_none(void **state)
{
    static const struct {
        const char *form; /* %s: the nonce */
        plait_err err;    /* PLAIT_OK: it is judged, and wrong */
    } table[] = {
        {"c=biws,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_OK},
        {"c=biws,r=%s,x=y,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_OK},
        {"c=biws,r=%s,p=v0X8", PLAIT_OK},
        {"c=biws,r=%s,p=*", PLAIT_OK},
        {"c=eSws,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_EVERIFY}, /* y,, and it was n,, */
        {"c=biwsYg==,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_EVERIFY},
        {"c=*,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_EVERIFY},
        {"c=biws,r=%sx,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_EMALFORMED},
        {"c=biws,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=,x=y", PLAIT_EMALFORMED},
        {"c=biws,r=%s", PLAIT_EMALFORMED},
        {"c=biws,r=%s,,p=v0X8", PLAIT_EMALFORMED},
        {"r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", PLAIT_EMALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        struct plait_buf message;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
        server_challenges(&d, "n,,n=user,r=n");
        plait_buf_init(&message, &d.budget, 1000);
        const char *at = strstr(table[i].form, "%s");
        plait_buf_put(&message, plait_slice_of(table[i].form, (size_t)(at - table[i].form)));
        plait_buf_put_text(&message, d.server.nonce);
        plait_buf_put_text(&message, at + 2);
        const enum plait_sasl_step step = plait_sasl_server_step(&d.server, plait_buf_slice(&message));
        if (step != (table[i].err == PLAIT_OK ? PLAIT_SASL_JUDGE : PLAIT_SASL_FAILED))
            fail_msg("message %zu: %d", i, (int)step);
        assert_err(d.server.err, table[i].err);
        if (step == PLAIT_SASL_JUDGE)
            assert_false(d.server.login.proves(PLAIT_LIT("pencil"), d.server.login.ctx));
        plait_buf_deinit(&message);
        duel_deinit(&d);
    }
}

static void who_does_not_exist_has_a_salt_of_his_own(void **state)
{
    char first[400];
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_256);
        d.unknown = true;
        d.so.iterations = 5000;
        d.co.user = i == 2 ? PLAIT_LIT("another") : PLAIT_LIT("nobody");
        duel_fight(&d);
        assert_int_equal(d.server_end, PLAIT_SASL_FAILED);
        assert_err(d.server.err, PLAIT_EACCESS);
        assert_int_equal(d.judged, 1); /* as one whose password is wrong */
        assert_int_equal(d.client.salt.iterations, 5000);
        if (i == 1)
            assert_memory_equal(first, d.client.salt.bytes, 16);
        if (i == 2)
            assert_memory_not_equal(first, d.client.salt.bytes, 16);
        memcpy(first, d.client.salt.bytes, 16);
        duel_deinit(&d);
    }
}

static void what_no_side_can_begin_with_is_refused(void **state)
{
    struct duel d;
    uint8_t salted[PLAIT_SCRAM_HASH_MAX] = {0};
    struct plait_scram_keys keys;
    (void)state;
    for (int i = 0; i < 4; i++) {
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
        if (i == 0)
            d.co.user = PLAIT_LIT("");
        else if (i == 1)
            d.co.secret = PLAIT_LIT("");
        else if (i == 2)
            d.co.nonce = PLAIT_LIT("short");
        else
            d.co.nonce = PLAIT_LIT("0123456789abcdef0123456789abcdef0");
        assert_false(duel(&d));
        assert_err(d.client.err, PLAIT_EINVAL);
        duel_deinit(&d);
    }
    duel_init(&d, PLAIT_SASL_SCRAM_SHA_1);
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_client_salted(&d.client, salted), PLAIT_SASL_FAILED);
    assert_err(d.client.err, PLAIT_ESTATE);
    duel_deinit(&d);
    struct plait_scram_salt salt = {.mechanism = PLAIT_SASL_PLAIN, .iterations = 4096, .len = 8};
    assert_err(plait_scram_keys_derive(&salt, salted, &keys), PLAIT_EINVAL);
    salt.mechanism = PLAIT_SASL_SCRAM_SHA_1;
    salt.len = 0;
    assert_err(plait_scram_keys_derive(&salt, salted, &keys), PLAIT_EINVAL);
}

struct salted {
    int ends;
    plait_err err;
    uint8_t bytes[PLAIT_SCRAM_HASH_MAX];
};

static void on_salted(struct plait_result *result, void *ctx)
{
    struct salted *s = ctx;
    s->ends++;
    s->err = result->fault.err;
    if (s->err == PLAIT_OK)
        memcpy(s->bytes, result->value.ptr, sizeof s->bytes);
    plait_result_set(result, plait_value_num(0));
}

static struct salted salt_it(struct bed *b, const char *password, const struct plait_scram_salt *salt, bool cancel)
{
    struct salted s = {.ends = 0};
    struct plait_deferred *d = plait_scram_salt_password(b->r, plait_slice_text(password), salt);
    if (plait_then(d, on_salted, &s) != PLAIT_OK)
        return (struct salted){.ends = 1, .err = PLAIT_ENOMEM};
    if (cancel)
        plait_deferred_cancel(d);
    while (s.ends == 0)
        bed_pass(b, plait_millis(10));
    return s;
}

static void the_pool_hashes_passwords(void **state)
{
    struct plait_scram_salt salt = {
        .mechanism = PLAIT_SASL_SCRAM_SHA_512, .iterations = 4096, .len = 4, .bytes = "salt"};
    struct bed b;
    uint8_t expected[PLAIT_SCRAM_HASH_MAX];
    (void)state;
    bed_open(&b);
    b.job_delay = plait_seconds(1);
    salt_password(&salt, PLAIT_LIT("IX"), expected);
    const struct salted s = salt_it(&b, "I\xc2\xadX", &salt, false); /* prepared */
    assert_ok(s.err);
    assert_memory_equal(s.bytes, expected, sizeof expected);
    assert_err(salt_it(&b, "x", &salt, true).err, PLAIT_ECANCELLED);
    assert_err(salt_it(&b, "", &salt, false).err, PLAIT_EINVAL);
    salt.iterations = 0;
    assert_err(salt_it(&b, "x", &salt, false).err, PLAIT_EINVAL);
    salt.iterations = 1;
    for (uint64_t n = 1; n <= 2; n++) {
        bed_fail(&b, n);
        assert_err(salt_it(&b, "x", &salt, false).err, PLAIT_ENOMEM);
        bed_heal(&b);
    }
    bed_close(&b);
}

static void a_portal_believes_proofs_and_counts_wrong_ones(void **state)
{
    const struct plait_portal_options options = {.failures_per_user = 2};
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_portal *portal = plait_portal_new(b.r, &options);
    assert_ok(plait_portal_add(portal, plait_checker_proved_new(b.r)));
    for (int i = 0; i < 4; i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_SCRAM_SHA_256);
        server_challenges(&d, "n,,n=user,r=n");
        char message[300];
        (void)snprintf(message, sizeof message, "c=biws,r=%s,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", d.server.nonce);
        assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_text(message)), PLAIT_SASL_JUDGE);
        if (i == 0) /* one that was right */
            d.server.login.proves = NULL;
        assert_err(login_whole(&b, portal, d.server.login), i == 0 ? PLAIT_OK : i < 3 ? PLAIT_EACCESS : PLAIT_ELIMIT);
        duel_deinit(&d);
    }
    assert_err(login_whole(&b, portal, (struct plait_login){.kind = PLAIT_LOGIN_PROVED}), PLAIT_EACCESS);
    plait_portal_unref(&portal);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(exchanges_are_those_of_the_rfcs), cmocka_unit_test(bindings_must_be_the_same_on_both_sides),
          cmocka_unit_test(clients_refuse_servers_that_lie),
          cmocka_unit_test(clients_believe_no_server_without_the_keys),
          cmocka_unit_test(servers_refuse_first_messages_that_are_none),
          cmocka_unit_test(servers_refuse_last_messages_that_are_none),
          cmocka_unit_test(who_does_not_exist_has_a_salt_of_his_own),
          cmocka_unit_test(what_no_side_can_begin_with_is_refused), cmocka_unit_test(the_pool_hashes_passwords),
          cmocka_unit_test(a_portal_believes_proofs_and_counts_wrong_ones))
