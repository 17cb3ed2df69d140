/* SPDX-License-Identifier: MIT
 *
 * What a client answers to who asks for credentials: which challenge it takes, RFC 7616's example, and how a fetch goes
 * on with it.
 */
#include "tests/web/client_world.h"

#include "web/http_client_core.h"

#include <errno.h>

static struct plait_budget budget;

/* --- challenges and answers --------------------------------------------------------------------------------------- */

/* Cnonces are hexadecimal here: the standard's example, which is not, proves the hashes in test_web_auth.c. */
static const uint8_t cnonce[PLAIT__CNONCE_BYTES] = {0xab, 0xcd};
#define CNONCE "abcd0000000000000000000000000000"

static const char *written(struct plait__client_auth *auth, const char *uri)
{
    static char text[4000];
    struct plait_buf out;
    plait_buf_init(&out, &budget, sizeof(text));
    assert_ok(plait__client_auth_write(auth, &out, "Authorization", PLAIT_LIT("GET"), plait_slice_text(uri), cnonce));
    const plait_slice all = plait_buf_slice(&out);
    memcpy(text, all.len ? (const void *)all.ptr : "", all.len);
    text[all.len] = 0;
    plait_buf_deinit(&out);
    return text;
}

static void auth_open(struct plait__client_auth *auth, const char *user, const char *password)
{
    plait_budget_init(&budget, NULL, NULL, 0);
    memset(auth, 0, sizeof(*auth));
    assert_ok(plait__client_auth_init(auth, &budget, plait_slice_text(user), plait_slice_text(password)));
}

static void auth_close(struct plait__client_auth *auth)
{
    plait__client_auth_deinit(auth);
    assert_int_equal(budget.used, 0);
}

static bool take(struct plait__client_auth *auth, const char *challenges)
{
    return plait__client_auth_take(auth, plait_slice_text(challenges));
}

static void the_strongest_challenge_is_answered(void **state)
{
    static const struct {
        const char *challenges, *begins; /* NULL: none is answered */
    } cases[] = {
        {"Basic realm=\"x\"", "Authorization: Basic YW5uOnNlY3JldA==\r\n"},
        {"Negotiate, NTLM abc=, basic", "Authorization: Basic "},
        {"Basic realm=\"x\", Digest realm=\"y\", nonce=\"n\"", "Authorization: Digest username=\"ann\", realm=\"y\""},
        {"Digest realm=\"a\", nonce=n, Digest realm=\"b\", nonce=n, algorithm=sha-256, Basic",
         "Authorization: Digest username=\"ann\", realm=\"b\""},
        {"Digest realm=\"b\", nonce=n, algorithm=SHA-256-sess, Digest realm=\"a\", nonce=n, algorithm=MD5",
         "Authorization: Digest username=\"ann\", realm=\"b\""},
        {"Digest realm=\"a\", nonce=n, algorithm=SHA-512-256, Basic realm=x", "Authorization: Basic "},
        {"Digest realm=\"a\", nonce=n, qop=\"auth-int\", Basic realm=x", "Authorization: Basic "},
        {"Digest realm=\"a\", nonce=n, qop=\"auth-int\"", NULL},
        {"Digest realm=\"a\"", NULL},
        {"Digest nonce=\"a\"", NULL},
        {"Digest realm=\"a\", nonce=\"\"", NULL},
        {"Bearer realm=\"a\"", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__client_auth auth;
        auth_open(&auth, "ann", "secret");
        assert_string_equal(written(&auth, "/"), "");
        const bool taken = take(&auth, cases[i].challenges);
        assert_int_equal(taken, cases[i].begins != NULL);
        if (taken)
            assert_int_equal(strncmp(written(&auth, "/"), cases[i].begins, strlen(cases[i].begins)), 0);
        auth_close(&auth);
    }
}

/* The responses were computed by another implementation (Python's hashlib, by the formulas of section 3.4). */
static void answers_are_the_standards(void **state)
{
    static const struct {
        const char *challenge, *answer;
    } cases[] = {
        {"Digest realm=\"r\", nonce=\"n\", qop=\"auth, auth-int\", algorithm=SHA-256, opaque=\"o\"",
         "username=\"a\\\"n\\\\n\", realm=\"r\", nonce=\"n\", uri=\"/x?y\", qop=auth, nc=00000001, cnonce=\"" CNONCE
         "\", opaque=\"o\", algorithm=SHA-256, "
         "response=\"ea314f29a0b5c21978090719bc436d34e3ed172cd10aed98f468c31b918340c2\"\r\n"},
        {"Digest realm=\"r\", nonce=\"n\", qop=auth, algorithm=MD5-sess",
         "username=\"a\\\"n\\\\n\", realm=\"r\", nonce=\"n\", uri=\"/x?y\", qop=auth, nc=00000001, cnonce=\"" CNONCE
         "\", algorithm=MD5-sess, response=\"fc1b90be816c9a3ed731ef973056708d\"\r\n"},
        {"Digest realm=\"r\\\"s\", nonce=\"n\"", "username=\"a\\\"n\\\\n\", realm=\"r\\\"s\", nonce=\"n\", "
                                                 "uri=\"/x?y\", response=\"fa9fef90a0e3a0dab9caa3f3d8a698da\"\r\n"},
        {"Digest realm=\"r\", nonce=\"n\", qop=auth, userhash=true",
         "username=\"9391ba51de4b110eb95126006b1d9904\", userhash=true, realm=\"r\", nonce=\"n\", uri=\"/x?y\", "
         "qop=auth, nc=00000001, cnonce=\"" CNONCE "\", response=\"94992369295f5775e2042ca0029260a1\"\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__client_auth auth;
        auth_open(&auth, "a\"n\\n", "secret");
        assert_true(take(&auth, cases[i].challenge));
        assert_string_equal(written(&auth, "/x?y") + strlen("Authorization: Digest "), cases[i].answer);
        assert_non_null(strstr(written(&auth, "/x?y"), auth.has_qop ? "nc=00000002" : "nonce"));
        auth_close(&auth);
    }
}

static void a_wrong_password_is_not_sent_for_ever(void **state)
{
    struct plait__client_auth auth;
    (void)state;
    auth_open(&auth, "ann", "secret");
    assert_true(take(&auth, "Basic"));
    assert_false(take(&auth, "Basic"));
    auth_close(&auth);
    auth_open(&auth, "ann", "secret");
    auth.at_once = true;
    assert_false(take(&auth, "Basic"));
    assert_true(take(&auth, "Digest realm=r, nonce=n"));
    (void)written(&auth, "/");
    assert_false(take(&auth, "Digest realm=r, nonce=o"));
    assert_true(take(&auth, "Digest realm=r, nonce=o, stale=true"));
    assert_non_null(strstr(written(&auth, "/"), "nonce=\"o\""));
    assert_true(take(&auth, "Digest realm=s, nonce=o"));
    (void)written(&auth, "/");
    assert_false(take(&auth, "Digest realm=t, nonce=p")); /* three are enough */
    auth_close(&auth);
    auth_open(&auth, "ann", "secret");
    auth.digest_only = true;
    assert_false(take(&auth, "Basic"));
    auth_close(&auth);
    memset(&auth, 0, sizeof(auth));
    assert_false(take(&auth, "Basic")); /* nobody */
}

static void too_long_a_challenge_is_not_answered(void **state)
{
    static char text[20000];
    struct plait__client_auth auth;
    (void)state;
    memset(text, 'n', sizeof(text) - 1);
    memcpy(text, "Digest realm=r, nonce=", 22);
    auth_open(&auth, "ann", "secret");
    assert_false(take(&auth, text));
    auth_close(&auth);
}

/* --- fetches ------------------------------------------------------------------------------------------------------ */

static const char *wanted; /* what Authorization must hold, or begin with */
static const char *challenge;
static unsigned with_credentials;

static size_t guarded(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    char text[700];
    const size_t body = plait_slice_find(head, PLAIT_LIT("Content-Length: 5"), 0) == SIZE_MAX ? 0 : 5;
    const bool in = plait_slice_find(head, plait_slice_text(wanted), 0) != SIZE_MAX;
    (void)rest;
    with_credentials += plait_slice_find(head, PLAIT_LIT("Authorization: "), 0) != SIZE_MAX;
    if (in)
        farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin");
    else if (plait_slice_find(head, PLAIT_LIT("/away"), 0) != SIZE_MAX)
        farm_say(c, "HTTP/1.1 302 Found\r\nLocation: http://server:81/\r\nContent-Length: 0\r\n\r\n");
    else {
        (void)snprintf(text, sizeof(text), "HTTP/1.1 401 Who\r\n%sContent-Length: 3\r\n\r\nwho", challenge);
        farm_say(c, text);
    }
    return body;
}

static void a_fetch_says_who_it_is_when_it_is_asked(void **state)
{
    const struct {
        const char *url, *challenge, *wanted;
        struct plait_fetch_options options;
        int status;
        unsigned requests, with; /* credentials */
    } cases[] = {
        {"http://server/",
         "WWW-Authenticate: Basic realm=x\r\n",
         "Basic YTpi\r\n",
         {.user = "a", .password = "b"},
         200,
         2,
         1},
        {"http://server/",
         "WWW-Authenticate: Basic realm=x\r\n",
         "Basic YTpj\r\n",
         {.user = "a", .password = "b"},
         401,
         2,
         1},
        {"http://server/",
         "WWW-Authenticate: Basic\r\nwww-authenticate: Digest realm=r, nonce=\"n\", qop=auth\r\n",
         "nonce=\"n\", uri=\"/\"",
         {.user = "a", .password = "b", .method = "POST", .body = PLAIT_LIT("12345")},
         200,
         2,
         1},
        {"http://server/", "WWW-Authenticate: Basic realm=x\r\n", "x", {.user = "a", .digest_only = true}, 401, 1, 0},
        {"http://server/", "", "x", {.user = "a"}, 401, 1, 0},
        {"http://a:b@server/", "", "Basic YTpi\r\n", {.user = NULL}, 200, 1, 1},
        {"http://server/", "WWW-Authenticate: Basic realm=x\r\n", "Bearer t\r\n", {.bearer = "t"}, 200, 1, 1},
        {"http://server/", "WWW-Authenticate: Basic realm=x\r\n", "x", {.bearer = "t", .user = "a"}, 401, 1, 1},
        {"http://server/away",
         "WWW-Authenticate: Basic realm=x\r\n",
         "Basic YTpi\r\n",
         {.user = "a", .password = "b"},
         401,
         2,
         0},
        {"http://server/away", "", "x", {.user = "a", .basic_at_once = true}, 401, 2, 1},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct plait_response *response;
        farm_open(&farm, guarded);
        challenge = cases[i].challenge;
        wanted = cases[i].wanted;
        with_credentials = 0;
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        assert_ok(farm_get(&farm, client, cases[i].url, &cases[i].options, &response));
        if (plait_response_status(response) != cases[i].status || farm.requests != cases[i].requests ||
            with_credentials != cases[i].with)
            fail_msg("case %zu: %d after %zu requests, %u with credentials", i, plait_response_status(response),
                     farm.requests, with_credentials);
        plait_response_free(&response);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void no_memory_for_credentials_is_told(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 200 && !worked; k++) {
        struct farm farm;
        struct plait_response *response;
        const struct plait_fetch_options options = {.user = "a", .password = "b"};
        farm_open(&farm, guarded);
        challenge = "WWW-Authenticate: Digest realm=r, nonce=n, opaque=o, qop=auth\r\n";
        wanted = "nonce=\"n\"";
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        farm.heap.fail_at = farm.heap.calls + k;
        const plait_err err = farm_get(&farm, client, "http://server/", &options, &response);
        worked = farm.heap.calls < farm.heap.fail_at;
        farm.heap.fail_at = 0;
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        if (worked)
            assert_int_equal(plait_response_status(response), 200);
        plait_response_free(&response);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
    assert_true(worked);
}

static void without_randomness_a_fetch_fails(void **state)
{
    const struct plait_sim_rule rule = {.call = "getrandom", .os_errno = EIO};
    const struct plait_fetch_options options = {.user = "a", .password = "b"};
    struct farm farm;
    struct plait_response *response;
    (void)state;
    farm_open(&farm, guarded);
    challenge = "WWW-Authenticate: Digest realm=r, nonce=n\r\n";
    wanted = "nonce=\"n\"";
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    assert_ok(plait_sim_add_rule(farm.sim, &rule));
    assert_err(farm_get(&farm, client, "http://server/", &options, &response), PLAIT_EIO);
    plait_sim_clear_rules(farm.sim);
    plait_http_client_free(&client);
    farm_close(&farm);
}

TEST_MAIN(cmocka_unit_test(without_randomness_a_fetch_fails), cmocka_unit_test(the_strongest_challenge_is_answered),
          cmocka_unit_test(answers_are_the_standards), cmocka_unit_test(a_wrong_password_is_not_sent_for_ever),
          cmocka_unit_test(too_long_a_challenge_is_not_answered),
          cmocka_unit_test(a_fetch_says_who_it_is_when_it_is_asked),
          cmocka_unit_test(no_memory_for_credentials_is_told))
