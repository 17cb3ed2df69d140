/* SPDX-License-Identifier: MIT
 *
 * DIGEST-MD5: the RFC's example, directives in every form, what either side refuses, names beyond ASCII.
 */
#include "tests/auth/sasl_bed.h"

static void init(struct duel *d)
{
    duel_init(d, PLAIT_SASL_DIGEST_MD5);
    plait_sasl_client_init(&d->client, &d->budget, &d->co);
    plait_sasl_server_init(&d->server, &d->budget, &d->so);
}

/* RFC 2831 section 4. */
static void the_exchange_of_the_rfc_is_right(void **state)
{
    struct duel d;
    (void)state;
    duel_init(&d, PLAIT_SASL_DIGEST_MD5);
    d.so.host = PLAIT_LIT("elwood.innosoft.com");
    d.so.service = PLAIT_LIT("imap");
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
    (void)snprintf(d.server.nonce, sizeof d.server.nonce, "OA6MG9tEQGm2hh");
    assert_int_equal(
        plait_sasl_server_step(&d.server, PLAIT_LIT("charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\","
                                                    "nonce=\"OA6MG9tEQGm2hh\",nc=00000001,cnonce=\"OA6MHXh6VqTrRk\","
                                                    "digest-uri=\"imap/elwood.innosoft.com\","
                                                    "response=d388dad90d4bbd760a152321f2143af7,qop=auth")),
        PLAIT_SASL_JUDGE);
    assert_int_equal(d.server.login.kind, PLAIT_LOGIN_PROOF);
    assert_slice(d.server.login.user, "chris");
    assert_false(d.server.login.proves(PLAIT_LIT("secrets"), d.server.login.ctx));
    assert_true(d.server.login.proves(PLAIT_LIT("secret"), d.server.login.ctx));
    assert_int_equal(plait_sasl_server_judged(&d.server, true), PLAIT_SASL_DONE);
    assert_slice(plait_buf_slice(&d.server.out), "rspauth=ea40f60335c427b5527b84dbabcdfffd");
    duel_deinit(&d);
}

static void clients_read_challenges_in_every_form(void **state)
{
    static const struct {
        const char *text;
        plait_err err; /* PLAIT_OK: there is a response */
    } table[] = {
        {"nonce=\"abc\",algorithm=md5-sess", PLAIT_OK},
        {"realm=\"a\",realm=\"b\",nonce=\"a\\\"b\\\\\",qop=\"auth-int , auth\",algorithm=MD5-sess,charset=UTF-8",
         PLAIT_OK},
        {", ,\tnonce = \"abc\" , algorithm= md5-sess , maxbuf=65536,stale=true,x=y ,", PLAIT_OK},
        {"nonce=abc,algorithm=md5-sess,qop=auth", PLAIT_OK},
        {"", PLAIT_EMALFORMED},
        {"nonce=\"abc\"", PLAIT_EMALFORMED},
        {"algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=\"\",algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=\"abc,algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=\"abc\\", PLAIT_EMALFORMED},
        {"nonce=\"abc\"algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=\"abc\",nonce=\"abc\",algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce,algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=,algorithm=md5-sess", PLAIT_EMALFORMED},
        {"=x,nonce=\"abc\",algorithm=md5-sess", PLAIT_EMALFORMED},
        {"nonce=\"abc\",algorithm=md5-sess,charset=latin1", PLAIT_EMALFORMED},
        {"nonce=\"abc\",algorithm=md5", PLAIT_EUNSUPPORTED},
        {"nonce=\"abc\",algorithm=md5-sess,qop=\"auth-int,auth-conf\"", PLAIT_EUNSUPPORTED},
        {"nonce=\"abc\",algorithm=md5-sess,qop=\"\"", PLAIT_EUNSUPPORTED},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        init(&d);
        const enum plait_sasl_step step = plait_sasl_client_step(&d.client, plait_slice_text(table[i].text));
        assert_int_equal(step, table[i].err ? PLAIT_SASL_FAILED : PLAIT_SASL_SEND);
        assert_err(d.client.err, table[i].err);
        duel_deinit(&d);
    }
}

static void a_message_has_its_limit(void **state)
{
    static const size_t most = 1024 - sizeof "abcmd5-sess" + 1; /* of all values, without quotes */
    struct duel d;
    char text[1200];
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        const int len =
            snprintf(text, sizeof text, "nonce=\"abc\",algorithm=md5-sess,x=\"%0*d\"", (int)(most + more), 0);
        init(&d);
        assert_int_equal(plait_sasl_client_step(&d.client, plait_slice_of(text, (size_t)len)),
                         more ? PLAIT_SASL_FAILED : PLAIT_SASL_SEND);
        duel_deinit(&d);
        const int token = snprintf(text, sizeof text, "nonce=\"abc\",algorithm=md5-sess,x=%0*d", (int)(most + more), 0);
        init(&d);
        assert_int_equal(plait_sasl_client_step(&d.client, plait_slice_of(text, (size_t)token)),
                         more ? PLAIT_SASL_FAILED : PLAIT_SASL_SEND);
        duel_deinit(&d);
    }
    init(&d);
    assert_int_equal(plait_sasl_client_step(&d.client, PLAIT_LIT("nonce=\"a\0b\",algorithm=md5-sess")),
                     PLAIT_SASL_FAILED);
    duel_deinit(&d);
}

static void clients_need_to_know_where_they_are(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_DIGEST_MD5);
        d.co.user = i == 0 ? PLAIT_LIT("") : i == 1 ? PLAIT_LIT("\xff") : d.co.user;
        d.co.secret = i == 2 ? PLAIT_LIT("") : i == 3 ? PLAIT_LIT("\xff") : d.co.secret;
        d.co.service = i == 4 ? PLAIT_LIT("") : d.co.service;
        d.co.host = i == 5 ? PLAIT_LIT("") : d.co.host;
        d.co.nonce = i == 6 ? PLAIT_LIT("short") : d.co.nonce;
        assert_false(duel(&d));
        assert_err(d.client.err, PLAIT_EINVAL);
        duel_deinit(&d);
    }
}

static void servers_need_to_know_what_they_are(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_DIGEST_MD5);
        d.so.service = i == 0 ? PLAIT_LIT("") : d.so.service;
        d.so.nonce = i == 1 ? PLAIT_LIT("short") : d.so.nonce;
        d.so.host = i == 2 ? PLAIT_LIT("a name that is longer than the sixty-four bytes which it may have") : d.so.host;
        assert_false(duel(&d));
        assert_err(d.server.err, PLAIT_EINVAL);
        duel_deinit(&d);
    }
}

/* What makes a response of a test: the parts of a right one, one of them another. */
static void servers_refuse_what_is_not_as_they_said(void **state)
{
    static const char *const right[] = {"username=\"user\"",
                                        "realm=\"host.example\"",
                                        "nonce=\"%s\"",
                                        "cnonce=\"x\"",
                                        "nc=00000001",
                                        "digest-uri=\"imap/host.example\"",
                                        "response=00112233445566778899aabbccddeeff"};
    static const struct {
        size_t part;
        const char *text;
        bool judged;
    } table[] = {
        {0, "username=\"user\"", true},
        {0, "username=\"user\",qop=AUTH,charset=utf-8", true},
        {0, "username=\"\xc3\xbc\",charset=utf-8", true},
        {0, "username=\"\xc3\xbc\"", false},
        {0, "username=\"\"", false},
        {0, "x=y", false},
        {0, "username=\"\xff\",charset=utf-8", false},
        {0, "username=\"user\",qop=auth-int", false},
        {0, "username=\"user\",charset=latin1", false},
        {0, "username=\"user\",authzid=\"\xff\",charset=utf-8", false},
        {1, "realm=\"another\"", false},
        {1, "x=y", false},
        {2, "nonce=\"another\"", false},
        {3, "cnonce=\"\"", false},
        {4, "nc=00000002", false},
        {5, "digest-uri=\"imap\"", false},
        {5, "digest-uri=\"imap/\"", false},
        {5, "digest-uri=\"smtp/host.example\"", false},
        {5, "digest-uri=\"imapx/host\"", false},
        {5, "digest-uri=\"IMAP/alias.example/name\"", true},
        {6, "response=00112233445566778899aabbccddeef", false},
        {6, "response=", false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        char message[900], part[300];
        size_t len = 0;
        init(&d);
        assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        for (size_t p = 0; p < TEST_COUNT(right); p++) {
            if (p == 2 && table[i].part != 2)
                (void)snprintf(part, sizeof part, "nonce=\"%s\"", d.server.nonce);
            else
                (void)snprintf(part, sizeof part, "%s", p == table[i].part ? table[i].text : right[p]);
            len += (size_t)snprintf(message + len, sizeof message - len, "%s%s", p ? "," : "", part);
        }
        assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(message, len)),
                         table[i].judged ? PLAIT_SASL_JUDGE : PLAIT_SASL_FAILED);
        assert_err(d.server.err, table[i].judged ? PLAIT_OK : PLAIT_EMALFORMED);
        if (table[i].judged)
            assert_false(d.server.login.proves(PLAIT_LIT("pencil"), d.server.login.ctx));
        duel_deinit(&d);
    }
}

static void a_server_speaks_first(void **state)
{
    struct duel d;
    (void)state;
    init(&d);
    assert_int_equal(plait_sasl_server_step(&d.server, PLAIT_LIT("username=\"user\"")), PLAIT_SASL_FAILED);
    assert_err(d.server.err, PLAIT_EMALFORMED);
    duel_deinit(&d);
}

/* Both sides hash names as ISO 8859-1 where that has all their letters, and as UTF-8 where it has not. */
static void names_beyond_ascii_log_in(void **state)
{
    static const char *const secrets[] = {"p\xc3\xa4ss", "\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac", "\xc4\x80"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(secrets); i++) {
        struct duel d;
        duel_init(&d, PLAIT_SASL_DIGEST_MD5);
        d.co.user = PLAIT_LIT("j\xc3\xbcrgen \"x\\");
        d.co.secret = plait_slice_text(secrets[i]);
        d.co.authorize = PLAIT_LIT("boss");
        plait_sasl_client_init(&d.client, &d.budget, &d.co);
        plait_sasl_server_init(&d.server, &d.budget, &d.so);
        assert_int_equal(plait_sasl_server_step(&d.server, plait_slice_of(NULL, 0)), PLAIT_SASL_SEND);
        assert_int_equal(plait_sasl_client_step(&d.client, plait_buf_slice(&d.server.out)), PLAIT_SASL_SEND);
        assert_int_equal(plait_sasl_server_step(&d.server, plait_buf_slice(&d.client.out)), PLAIT_SASL_JUDGE);
        assert_slice(d.server.login.user, "j\xc3\xbcrgen \"x\\");
        assert_slice(d.server.authorize, "boss");
        assert_false(d.server.login.proves(PLAIT_LIT("p\xc3\xa5ss"), d.server.login.ctx));
        assert_true(d.server.login.proves(d.co.secret, d.server.login.ctx));
        assert_int_equal(plait_sasl_server_judged(&d.server, true), PLAIT_SASL_DONE);
        assert_int_equal(plait_sasl_client_step(&d.client, plait_buf_slice(&d.server.out)), PLAIT_SASL_DONE);
        duel_deinit(&d);
    }
    struct duel d; /* a server that does not say utf-8 */
    duel_init(&d, PLAIT_SASL_DIGEST_MD5);
    d.co.user = PLAIT_LIT("j\xc3\xbcrgen");
    plait_sasl_client_init(&d.client, &d.budget, &d.co);
    plait_sasl_server_init(&d.server, &d.budget, &d.so);
    assert_int_equal(plait_sasl_client_step(&d.client, PLAIT_LIT("nonce=\"abc\",algorithm=md5-sess")),
                     PLAIT_SASL_FAILED);
    assert_err(d.client.err, PLAIT_EUNSUPPORTED);
    duel_deinit(&d);
}

static void a_server_that_does_not_know_the_password_is_seen(void **state)
{
    static const struct {
        const char *text;
        plait_err err;
    } table[] = {{"rspauth=00112233445566778899aabbccddeeff", PLAIT_EVERIFY},
                 {"rspauth=\"\"", PLAIT_EVERIFY},
                 {"x=y", PLAIT_EMALFORMED},
                 {"rspauth", PLAIT_EMALFORMED}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct duel d;
        init(&d);
        assert_int_equal(plait_sasl_client_step(&d.client, PLAIT_LIT("nonce=\"abc\",algorithm=md5-sess")),
                         PLAIT_SASL_SEND);
        assert_int_equal(plait_sasl_client_step(&d.client, plait_slice_text(table[i].text)), PLAIT_SASL_FAILED);
        assert_err(d.client.err, table[i].err);
        duel_deinit(&d);
    }
}

TEST_MAIN(cmocka_unit_test(the_exchange_of_the_rfc_is_right), cmocka_unit_test(clients_read_challenges_in_every_form),
          cmocka_unit_test(a_message_has_its_limit), cmocka_unit_test(clients_need_to_know_where_they_are),
          cmocka_unit_test(servers_need_to_know_what_they_are),
          cmocka_unit_test(servers_refuse_what_is_not_as_they_said), cmocka_unit_test(a_server_speaks_first),
          cmocka_unit_test(names_beyond_ascii_log_in),
          cmocka_unit_test(a_server_that_does_not_know_the_password_is_seen))
