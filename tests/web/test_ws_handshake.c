/* SPDX-License-Identifier: MIT
 *
 * The values of a WebSocket's opening handshake: keys, origins, lists, what permessage-deflate is agreed on.
 */
#include "tests/support/test.h"

#include "web/ws_handshake.h"

/* RFC 6455 section 1.3 */
static void a_key_is_answered(void **state)
{
    char accept[PLAIT__WS_ACCEPT];
    (void)state;
    assert_ok(plait__ws_accept_of(PLAIT_LIT("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    assert_slice(plait_slice_of(accept, sizeof accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void keys_are_sixteen_bytes_in_base64(void **state)
{
    static const struct {
        const char *key;
        bool right;
    } cases[] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", true},  {"AAAAAAAAAAAAAAAAAAAAAA==", true},  {"+/+/+/+/+/+/+/+/+/+/+/==", true},
        {"dGhlIHNhbXBsZSBub25jZQ=", false},  {"dGhlIHNhbXBsZSBub25jZQ", false},   {"dGhlIHNhbXBsZSBub25jZQ===", false},
        {"dGhlIHNhbXBsZSBub25jZ===", false}, {"dGhlIHNhbXBsZSBub25jZQ=A", false}, {"dGhlIHNhbXBsZSBub25jZQA=", false},
        {"-_hlIHNhbXBsZSBub25jZQ==", false}, {"dGhl IHNhbXBsZSBub25jQ==", false}, {"", false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_int_equal(plait__ws_key_is_right(plait_slice_text(cases[i].key)), cases[i].right);
}

/* RFC 6454 section 6.2 */
static void an_origin_is_compared_with_a_host(void **state)
{
    static const struct {
        const char *origin, *host;
        bool same;
    } cases[] = {
        {"http://a.example", "a.example", true},
        {"http://a.example", "A.example:80", true},
        {"https://a.example", "a.example:443", true},
        {"https://a.example:8443", "a.example:8443", true},
        {"http://[::1]:80", "[::1]", true},
        {"https://a.example", "a.example:80", false},
        {"http://a.example", "b.example", false},
        {"http://a.example:81", "a.example", false},
        {"http://a.example.evil.example", "a.example", false},
        {"null", "a.example", false},
        {"", "a.example", false},
        {"http://a.example", "", false},
        {"http:///", "", false},
        {"http://a b", "a b", false},
        {"http://a.example", "a.example/x y", false},
    };
    char host[400];
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_int_equal(plait__ws_origin_is_host(plait_slice_text(cases[i].origin), plait_slice_text(cases[i].host)),
                         cases[i].same);
    memset(host, 'a', sizeof host);
    assert_false(plait__ws_origin_is_host(PLAIT_LIT("http://a"), plait_slice_of(host, sizeof host)));
}

static void tokens_are_taken_off_a_list(void **state)
{
    static const struct {
        const char *list, *tokens;
    } cases[] = {
        {"", ""},     {"a", "a."},      {"a,b", "a.b."}, {" a , b ", "a.b."}, {",,a,,b,", "a.b."},
        {"a b", "!"}, {"a,b c", "a.!"}, {"a;b", "!"},    {"a,\"b\"", "a.!"},  {"a@", "!"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_scan list = plait_scan_of(plait_slice_text(cases[i].list));
        char got[64] = "";
        plait_slice token;
        bool bad;
        while (plait__ws_next_token(&list, &token, &bad))
            snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s.", PLAIT_ARG(token));
        if (bad)
            snprintf(got + strlen(got), sizeof got - strlen(got), "!");
        assert_string_equal(got, cases[i].tokens);
    }
}

/* --- permessage-deflate ---------------------------------------------------------------------------------------- */

static struct plait_budget budget;

static void describe(const struct plait__ws_terms *t, char *out, size_t bytes)
{
    if (t->on)
        snprintf(out, bytes, "%u%s %u%s", t->server_bits, t->server_no_takeover ? "n" : "", t->client_bits,
                 t->client_no_takeover ? "n" : "");
    else
        snprintf(out, bytes, "off");
}

#define P "permessage-deflate"

/* RFC 7692 sections 7.1.1 and 7.1.2 */
static void offers_are_judged(void **state)
{
    static const struct {
        uint8_t bits;
        bool no_takeover;
        const char *offer, *terms, *answer;
    } cases[] = {
        {15, false, P, "15 15", P},
        {12, false, P, "12 15", P},
        {12, true, P, "12n 15n", P "; server_no_context_takeover; client_no_context_takeover"},
        {12, false, P "; client_max_window_bits", "12 12", P "; client_max_window_bits=12"},
        {15, false, P "; client_max_window_bits", "15 15", P},
        {15, false, P "; client_max_window_bits=9", "15 9", P "; client_max_window_bits=9"},
        {12, false, P "; client_max_window_bits=15", "12 12", P "; client_max_window_bits=12"},
        {15, false, P "; server_max_window_bits=10", "10 15", P "; server_max_window_bits=10"},
        {12, false, P "; server_max_window_bits=15", "12 15", P "; server_max_window_bits=12"},
        {12, false, P "; server_max_window_bits=8", "8 15", P "; server_max_window_bits=8"},
        {15, false, P ";server_no_context_takeover ;\tclient_no_context_takeover", "15n 15n",
         P "; server_no_context_takeover; client_no_context_takeover"},
        {15, false, P "; server_max_window_bits=\"10\"", "10 15", P "; server_max_window_bits=10"},
        {15, false, "x-other; a=b, " P "; server_max_window_bits=7, " P "; client_max_window_bits=8", "15 8",
         P "; client_max_window_bits=8"},
        {15, false, P ", " P "; server_max_window_bits=10", "15 15", P},
        {15, false, " , " P, "15 15", P},
        {15, false, "", "off", NULL},
        {15, false, "x-webkit-deflate-frame", "off", NULL},
        {15, false, P "; server_max_window_bits", "off", NULL},
        {15, false, P "; server_max_window_bits=16", "off", NULL},
        {15, false, P "; server_max_window_bits=7", "off", NULL},
        {15, false, P "; server_max_window_bits=010", "off", NULL},
        {15, false, P "; server_max_window_bits=x", "off", NULL},
        {15, false, P "; client_max_window_bits=0", "off", NULL},
        {15, false, P "; server_max_window_bits=10; server_max_window_bits=10", "off", NULL},
        {15, false, P "; server_no_context_takeover; server_no_context_takeover", "off", NULL},
        {15, false, P "; server_no_context_takeover=1", "off", NULL},
        {15, false, P "; unknown", "off", NULL},
        {15, false, P "; ", "bad", NULL},
        {15, false, P "; a=", "bad", NULL},
        {15, false, P "; a=\"b", "bad", NULL},
        {15, false, P "; a=\"\"", "bad", NULL},
        {15, false, P " " P, "bad", NULL},
        {15, false, "; a", "bad", NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct plait__ws_wish wish = {cases[i].bits, cases[i].no_takeover};
        struct plait__ws_terms terms = {0};
        struct plait_buf answer;
        char got[32] = "bad";
        if (plait__ws_judge_offers(plait_slice_text(cases[i].offer), &wish, &terms))
            describe(&terms, got, sizeof got);
        if (strcmp(got, cases[i].terms) != 0)
            fail_msg("%s: got %s, not %s", cases[i].offer, got, cases[i].terms);
        if (!cases[i].answer)
            continue;
        plait_buf_init(&answer, &budget, 256);
        plait__ws_put_answer(&answer, &terms);
        assert_slice(plait_buf_slice(&answer), cases[i].answer);
        plait_buf_deinit(&answer);
    }
}

static void who_wishes_for_no_compression_takes_no_offer(void **state)
{
    struct plait__ws_terms terms = {0};
    (void)state;
    assert_true(plait__ws_judge_offers(PLAIT_LIT(P), NULL, &terms));
    assert_false(terms.on);
    assert_false(plait__ws_judge_answer(PLAIT_LIT(P), NULL, &terms));
    assert_true(plait__ws_judge_answer(PLAIT_LIT(""), NULL, &terms));
}

static void answers_are_judged(void **state)
{
    static const struct {
        uint8_t bits;
        bool no_takeover;
        const char *answer, *terms;
    } cases[] = {
        {15, false, P, "15 15"},
        {15, false, "", "off"},
        {15, false, P "; server_no_context_takeover", "15n 15"},
        {15, false, P "; client_no_context_takeover", "15 15n"},
        {15, false, P "; client_max_window_bits=10", "15 10"},
        {15, false, P "; server_max_window_bits=9", "9 15"},
        {12, false, P "; server_max_window_bits=12", "12 12"},
        {12, false, P "; server_max_window_bits=10; client_max_window_bits=15", "10 12"},
        {12, true, P "; server_max_window_bits=10; server_no_context_takeover", "10n 12n"},
        {12, false, P, "bad"},
        {12, false, P "; server_max_window_bits=13", "bad"},
        {15, true, P, "bad"},
        {15, false, P "; client_max_window_bits", "bad"},
        {15, false, P "; server_max_window_bits=16", "bad"},
        {15, false, P "; unknown", "bad"},
        {15, false, "other", "bad"},
        {15, false, P ", " P, "bad"},
        {15, false, P ";", "bad"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct plait__ws_wish wish = {cases[i].bits, cases[i].no_takeover};
        struct plait__ws_terms terms = {0};
        char got[32] = "bad";
        if (plait__ws_judge_answer(plait_slice_text(cases[i].answer), &wish, &terms))
            describe(&terms, got, sizeof got);
        if (strcmp(got, cases[i].terms) != 0)
            fail_msg("%s: got %s, not %s", cases[i].answer, got, cases[i].terms);
    }
}

static void an_answer_comes_once(void **state)
{
    const struct plait__ws_wish wish = {15, false};
    struct plait__ws_terms terms = {0};
    (void)state;
    assert_true(plait__ws_judge_answer(PLAIT_LIT(P), &wish, &terms));
    assert_false(plait__ws_judge_answer(PLAIT_LIT(P), &wish, &terms));
}

static void an_offer_says_what_is_wished_for(void **state)
{
    static const struct {
        struct plait__ws_wish wish;
        const char *offer;
    } cases[] = {
        {{15, false}, P "; client_max_window_bits"},
        {{12, false}, P "; client_max_window_bits; server_max_window_bits=12"},
        {{15, true}, P "; client_max_window_bits; server_no_context_takeover; client_no_context_takeover"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_buf offer;
        plait_buf_init(&offer, &budget, 256);
        plait__ws_put_offer(&offer, &cases[i].wish);
        assert_slice(plait_buf_slice(&offer), cases[i].offer);
        plait_buf_deinit(&offer);
    }
}

static int make_budget(void **state)
{
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    return 0;
}

TEST_MAIN_WITH(make_budget, NULL, cmocka_unit_test(a_key_is_answered),
               cmocka_unit_test(keys_are_sixteen_bytes_in_base64), cmocka_unit_test(an_origin_is_compared_with_a_host),
               cmocka_unit_test(tokens_are_taken_off_a_list), cmocka_unit_test(offers_are_judged),
               cmocka_unit_test(who_wishes_for_no_compression_takes_no_offer), cmocka_unit_test(answers_are_judged),
               cmocka_unit_test(an_answer_comes_once), cmocka_unit_test(an_offer_says_what_is_wished_for))
