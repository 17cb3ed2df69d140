/* SPDX-License-Identifier: MIT
 *
 * SASL's mechanisms but SCRAM: the RFCs' examples, both sides against each other, malformed messages, SASLprep.
 */
#include "tests/auth/sasl_bed.h"

static void every_mechanism_logs_in(void **state)
{
    (void)state;
    for (int m = 0; m < PLAIT_SASL_COUNT; m++) {
        struct duel d;
        enum plait_sasl_mechanism found;
        duel_init(&d, (enum plait_sasl_mechanism)m);
        assert_true(duel(&d));
        assert_int_equal(d.judged, 1);
        duel_deinit(&d);
        assert_true(plait_sasl_find(plait_slice_text(plait_sasl_name((enum plait_sasl_mechanism)m)), &found));
        assert_int_equal(found, m);
    }
    enum plait_sasl_mechanism none;
    assert_true(plait_sasl_find(PLAIT_LIT("plain"), &none));
    assert_false(plait_sasl_find(PLAIT_LIT("PLAINT"), &none));
}

static void a_wrong_secret_logs_nobody_in(void **state)
{
    (void)state;
    for (int m = PLAIT_SASL_PLAIN; m < PLAIT_SASL_COUNT; m++) {
        struct duel d;
        if (m == PLAIT_SASL_EXTERNAL)
            continue;
        duel_init(&d, (enum plait_sasl_mechanism)m);
        d.co.secret = PLAIT_LIT("wrong");
        assert_false(duel(&d));
        assert_int_equal(d.judged, 1);
        assert_int_equal(d.server_end, PLAIT_SASL_FAILED);
        assert_err(d.server.err, PLAIT_EACCESS);
        duel_deinit(&d);
    }
}

static void whom_to_act_as_is_passed_on(void **state)
{
    static const enum plait_sasl_mechanism table[] = {PLAIT_SASL_PLAIN, PLAIT_SASL_EXTERNAL, PLAIT_SASL_SCRAM_SHA_256};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, table[i]);
        d.co.authorize = PLAIT_LIT("a,b=c");
        assert_true(duel(&d));
        assert_string_equal(d.as, "a,b=c");
        assert_string_equal(d.user, "user");
        duel_deinit(&d);
    }
    struct duel d;
    duel_init(&d, PLAIT_SASL_OAUTHBEARER);
    d.co.user = PLAIT_LIT("u,x");
    d.co.host = PLAIT_LIT("h");
    d.co.port = 143;
    assert_true(duel(&d));
    assert_string_equal(d.as, "u,x");
    duel_deinit(&d);
}

static plait_slice client_says(struct duel *d, plait_slice challenge)
{
    plait_sasl_client_init(&d->client, &d->budget, &d->co);
    plait_sasl_server_init(&d->server, &d->budget, &d->so);
    assert_int_equal(plait_sasl_client_step(&d->client, challenge), PLAIT_SASL_SEND);
    return plait_buf_slice(&d->client.out);
}

static void messages_are_those_of_the_rfcs(void **state)
{
    struct duel d;
    (void)state;
    duel_init(&d, PLAIT_SASL_PLAIN); /* RFC 4616 section 4 */
    d.co.user = PLAIT_LIT("tim");
    d.co.secret = PLAIT_LIT("tanstaaftanstaaf");
    assert_slice_is(client_says(&d, PLAIT_LIT("")), PLAIT_LIT("\0tim\0tanstaaftanstaaf"));
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_CRAM_MD5); /* RFC 2195 section 2 */
    d.co.user = PLAIT_LIT("tim");
    d.co.secret = PLAIT_LIT("tanstaaftanstaaf");
    assert_slice(client_says(&d, PLAIT_LIT("<1896.697170952@postoffice.reston.mci.net>")),
                 "tim b913a602c7eda7a495b4e6e7334d3890");
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_OAUTHBEARER); /* RFC 7628 section 4.1 */
    d.co.user = PLAIT_LIT("user@example.com");
    d.co.host = PLAIT_LIT("server.example.com");
    d.co.port = 143;
    d.co.secret = PLAIT_LIT("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    assert_slice(client_says(&d, PLAIT_LIT("")), "n,a=user@example.com,\1host=server.example.com\1port=143\1"
                                                 "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1");
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_XOAUTH2);
    assert_slice(client_says(&d, PLAIT_LIT("")), "user=user\1auth=Bearer t0ken\1\1");
    duel_deinit(&d);
}

/* What a server makes of one message, and the first one of CRAM's challenge or LOGIN's. */
static void servers_refuse_what_is_malformed(void **state)
{
    const struct {
        enum plait_sasl_mechanism mechanism;
        plait_slice message;
        bool fine;
    } table[] = {
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0user\0pencil"), true},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("x\0user\0pencil"), true},
        {PLAIT_SASL_PLAIN, PLAIT_LIT(""), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("user"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0user"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0user\0"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0\0pencil"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0user\0pencil\0"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\0us\xff\0pencil"), false},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("\xff\0user\0pencil"), false},
        {PLAIT_SASL_EXTERNAL, PLAIT_LIT("a\0b"), false},
        {PLAIT_SASL_ANONYMOUS, PLAIT_LIT(""), true},
        {PLAIT_SASL_ANONYMOUS, PLAIT_LIT("a\xff"), false},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("user 00112233445566778899aabbccddeeff"), true},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("a b 00112233445566778899aabbccddeeff"), true},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("user 00112233445566778899aabbccddeef"), false},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("user 00112233445566778899aabbccddeefg"), false},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("user 00112233445566778899aabbccddeexf"), false},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT(" 00112233445566778899aabbccddeeff"), false},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT("user000112233445566778899aabbccddeeff"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth=Bearer x\1\1"), true},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("y,a=a=2Cb,\1x=y\1auth=bearer x\1port=1\1\1"), true},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,a=a=2,\1auth=Bearer x\1\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,a=a"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("p=x,,\1auth=Bearer x\1\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,auth=Bearer x\1\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth=Bearer x\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth=Bearer x\1\1x"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth=Basic x\1\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth=Bearer \1\1"), false},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("n,,\1auth\1\1"), false},
        {PLAIT_SASL_XOAUTH2, PLAIT_LIT("auth=Bearer x\1\1"), false},
        {PLAIT_SASL_XOAUTH2, PLAIT_LIT("user=u\1auth=Bearer x\1\1"), true},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, table[i].mechanism);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        if (!plait_sasl_client_first(table[i].mechanism))
            assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        const enum plait_sasl_step step = plait_sasl_server_step(&d.server, table[i].message);
        if (step != (table[i].fine ? PLAIT_SASL_JUDGE : PLAIT_SASL_FAILED))
            fail_msg("message %zu: step %d", i, (int)step);
        if (!table[i].fine)
            assert_err(d.server.err, PLAIT_EMALFORMED);
        assert_int_equal(plait_sasl_server_step(&d.server, table[i].message), PLAIT_SASL_FAILED); /* out of turn */
        duel_deinit(&d);
    }
}

static void servers_wait_for_a_first_message(void **state)
{
    struct duel d;
    (void)state;
    duel_init(&d, PLAIT_SASL_PLAIN);
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_judged(&d.server, true), PLAIT_SASL_FAILED);
    assert_err(d.server.err, PLAIT_ESTATE);
    plait_sasl_server_deinit(&d.server);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
    assert_int_equal(d.server.out.len, 0);
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("\0user\0pencil")), PLAIT_SASL_JUDGE);
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_LOGIN); /* a name that comes at once */
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("user")), PLAIT_SASL_SEND);
    assert_slice(plait_buf_slice(&d.server.out), "Password:");
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("")), PLAIT_SASL_FAILED);
    plait_sasl_server_deinit(&d.server);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("")), PLAIT_SASL_FAILED); /* no name */
    duel_deinit(&d);
}

static void a_server_that_nobody_vouches_to_knows_nobody(void **state)
{
    const plait_slice nonces[] = {PLAIT_LIT("short"), PLAIT_LIT("0123456789abcdef0123456789abcdef0")};
    struct duel d;
    (void)state;
    duel_init(&d, PLAIT_SASL_EXTERNAL);
    d.so.external = PLAIT_LIT("");
    assert_false(duel(&d));
    assert_err(d.server.err, PLAIT_EACCESS);
    assert_int_equal(d.judged, 0);
    duel_deinit(&d);
    for (size_t i = 0; i < 2; i++) {
        duel_init(&d, PLAIT_SASL_CRAM_MD5);
        d.so.nonce = nonces[i];
        assert_false(duel(&d));
        assert_err(d.server.err, PLAIT_EINVAL);
        duel_deinit(&d);
    }
    duel_init(&d, PLAIT_SASL_CRAM_MD5);
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("early")), PLAIT_SASL_FAILED);
    duel_deinit(&d);
}

/* Options with which nothing can be said; the separators would be taken for something else. */
static void clients_say_nothing_ambiguous(void **state)
{
    const struct {
        enum plait_sasl_mechanism mechanism;
        plait_slice user, secret, authorize;
    } table[] = {
        {PLAIT_SASL_PLAIN, PLAIT_LIT("u\0x"), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("u"), PLAIT_LIT("p\0"), PLAIT_LIT("")},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("u"), PLAIT_LIT("p"), PLAIT_LIT("\0")},
        {PLAIT_SASL_PLAIN, PLAIT_LIT(""), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_PLAIN, PLAIT_LIT("u"), PLAIT_LIT(""), PLAIT_LIT("")},
        {PLAIT_SASL_LOGIN, PLAIT_LIT(""), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_CRAM_MD5, PLAIT_LIT(""), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("u\1"), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("u"), PLAIT_LIT("p\1"), PLAIT_LIT("")},
        {PLAIT_SASL_OAUTHBEARER, PLAIT_LIT("u"), PLAIT_LIT(""), PLAIT_LIT("")},
        {PLAIT_SASL_XOAUTH2, PLAIT_LIT("u\1"), PLAIT_LIT("p"), PLAIT_LIT("")},
        {PLAIT_SASL_XOAUTH2, PLAIT_LIT(""), PLAIT_LIT("p"), PLAIT_LIT("")},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        duel_init(&d, table[i].mechanism);
        d.co.user = table[i].user;
        d.co.secret = table[i].secret;
        d.co.authorize = table[i].authorize;
        assert_false(duel(&d));
        assert_err(d.client.err, PLAIT_EINVAL);
        duel_deinit(&d);
    }
}

static enum plait_sasl_step step_with(struct duel *d, const char *challenge)
{
    return plait_sasl_client_step(&d->client, plait_slice_text(challenge));
}

static void clients_refuse_what_they_did_not_ask_for(void **state)
{
    static const enum plait_sasl_mechanism one[] = {PLAIT_SASL_PLAIN, PLAIT_SASL_EXTERNAL, PLAIT_SASL_ANONYMOUS};
    struct duel d;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(one); i++) {
        duel_init(&d, one[i]);
        (void)client_says(&d, PLAIT_LIT(""));
        assert_int_equal(step_with(&d, "more?"), PLAIT_SASL_FAILED);
        assert_err(d.client.err, PLAIT_EMALFORMED);
        assert_int_equal(step_with(&d, ""), PLAIT_SASL_FAILED);
        duel_deinit(&d);
        duel_init(&d, one[i]);
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        assert_int_equal(step_with(&d, "begin!"), PLAIT_SASL_FAILED);
        duel_deinit(&d);
    }
    duel_init(&d, PLAIT_SASL_XOAUTH2);
    (void)client_says(&d, PLAIT_LIT(""));
    assert_int_equal(step_with(&d, "{}"), PLAIT_SASL_SEND);
    assert_int_equal(step_with(&d, ""), PLAIT_SASL_FAILED);
    assert_err(d.client.err, PLAIT_EACCESS);
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_CRAM_MD5);
    (void)client_says(&d, PLAIT_LIT("<1@x>"));
    assert_int_equal(step_with(&d, "more?"), PLAIT_SASL_FAILED);
    duel_deinit(&d);
    duel_init(&d, PLAIT_SASL_CRAM_MD5);
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(step_with(&d, ""), PLAIT_SASL_FAILED);
    duel_deinit(&d);
}

static void names_are_prepared(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: forbidden */
    } table[] = {
        /* RFC 4013 section 3 */
        {"I\xc2\xadX", "IX"},
        {"user", "user"},
        {"USER", "USER"},
        {"\xc2\xaa", "a"},
        {"\xe2\x85\xa8", "IX"},
        {"\x07", NULL},
        {"\xd8\xa7"
         "1",
         NULL},
        {"", NULL},
        {"\xff", NULL},
        {"\xc2\xad", NULL},
        {"a\xc2\xa0"
         "b",
         "a b"},
    };
    char out[20];
    size_t len;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        const plait_err err = plait__saslprep(plait_slice_text(table[i].in), out, sizeof out, &len);
        assert_err(err, table[i].out ? PLAIT_OK : PLAIT_EINVAL);
        if (table[i].out)
            assert_slice(plait_slice_of(out, len), table[i].out);
    }
    assert_err(plait__saslprep(PLAIT_LIT("a\0b"), out, sizeof out, &len), PLAIT_EINVAL);
    assert_ok(plait__saslprep(PLAIT_LIT("0123456789012345678"), out, sizeof out, &len));
    assert_err(plait__saslprep(PLAIT_LIT("01234567890123456789"), out, sizeof out, &len), PLAIT_EINVAL);
}

static void any_lack_of_memory_fails(void **state)
{
    (void)state;
    for (int m = 0; m < PLAIT_SASL_COUNT; m++) {
        bool whole = false;
        for (uint64_t n = 1; !whole; n++) {
            struct duel d;
            assert_true(n < 60);
            duel_init(&d, (enum plait_sasl_mechanism)m);
            d.heap.fail_at = n;
            const bool well = duel(&d);
            whole = d.heap.calls < n;
            assert_int_equal(well, whole);
            if (!whole)
                assert_true(d.client.err == PLAIT_ENOMEM || d.server.err == PLAIT_ENOMEM);
            duel_deinit(&d);
        }
    }
}

TEST_MAIN(cmocka_unit_test(every_mechanism_logs_in), cmocka_unit_test(a_wrong_secret_logs_nobody_in),
          cmocka_unit_test(whom_to_act_as_is_passed_on), cmocka_unit_test(messages_are_those_of_the_rfcs),
          cmocka_unit_test(servers_refuse_what_is_malformed), cmocka_unit_test(servers_wait_for_a_first_message),
          cmocka_unit_test(a_server_that_nobody_vouches_to_knows_nobody),
          cmocka_unit_test(clients_say_nothing_ambiguous), cmocka_unit_test(clients_refuse_what_they_did_not_ask_for),
          cmocka_unit_test(names_are_prepared), cmocka_unit_test(any_lack_of_memory_fails))
