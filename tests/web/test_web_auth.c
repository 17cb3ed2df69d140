/* SPDX-License-Identifier: MIT
 *
 * Authentication: Basic, Bearer, Digest with its nonces and counts; checkers that answer later; RFC 7616's example.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"
#include "web/web_auth.h"

#include <plait/testing.h>

static struct peer p;

static void hello(struct plait_request *req, void *ctx)
{
    char text[100];
    (void)ctx;
    (void)snprintf(text, sizeof(text), "hello %.*s", PLAIT_ARG(plait_request_user(req)));
    plait_auth_deny(req); /* too late, all three */
    plait_auth_grant(req, PLAIT_LIT("x"));
    plait_auth_secret(req, PLAIT_LIT("x"));
    plait_reply_text(req, 200, text);
}

static struct plait_request *waiting;
static int checks;

/* mufasa's password is "Circle of Life", the token is "abc123"; "later" waits, "own" is judged by the checker. */
static void check(struct plait_request *req, const struct plait_credentials *c, void *ctx)
{
    (void)ctx;
    checks++;
    if (c->scheme == PLAIT_AUTH_BEARER && plait_slice_equal(c->secret, PLAIT_LIT("own")))
        plait_auth_grant(req, PLAIT_LIT("owner"));
    else if (c->scheme == PLAIT_AUTH_BEARER)
        plait_auth_secret(req, PLAIT_LIT("abc123"));
    else if (plait_slice_equal(c->user, PLAIT_LIT("later")))
        waiting = req;
    else if (plait_slice_equal(c->user, PLAIT_LIT("Mufasa")) || plait_slice_equal(c->user, PLAIT_LIT("back\\")))
        plait_auth_secret(req, PLAIT_LIT("Circle of Life"));
    else
        plait_auth_deny(req);
}

struct guarded {
    struct world w;
    struct plait_testbed *bed;
};

static void guarded_open(struct guarded *g, const struct plait_auth_options *options)
{
    memset(g, 0, sizeof(*g));
    g->bed = plait_testbed_new(1);
    g->w.r = plait_testbed_reactor(g->bed);
    g->w.root = plait_resource_new(g->w.r);
    checks = 0;
    assert_ok(plait_resource_on(g->w.root, "*", "dir/index.html", hello, NULL));
    assert_ok(plait_auth_wrap(g->w.root, options));
    world_serve(&g->w, NULL);
}

static void guarded_close(struct guarded *g)
{
    plait__http_service_unref(g->w.service);
    plait_sim_check_end(plait_testbed_sim(g->bed));
    assert_null(plait_sim_failure(plait_testbed_sim(g->bed)));
    plait_testbed_free(&g->bed);
}

static int get_with(struct guarded *g, const char *authorization)
{
    static char text[3000];
    (void)snprintf(text, sizeof(text), "GET /dir/index.html HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n",
                   authorization ? "Authorization: " : "", authorization ? authorization : "",
                   authorization ? "\r\n" : "");
    ask(&g->w, &p, text);
    return status_of(&p);
}

static void basic_and_bearer_let_in_who_is_known(void **state)
{
    static const struct {
        const char *field;
        int status;
    } table[] = {
        {NULL, 401},
        {"Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl", 200},
        {"bAsIc   TXVmYXNhOkNpcmNsZSBvZiBMaWZl", 200},
        {"Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZm", 401}, /* ...Lifm */
        {"Basic TXVmYXNhOg==", 401},                 /* no password */
        {"Basic U2Nhcjp4", 401},                     /* Scar */
        {"Basic TXVmYXNh", 401},                     /* no colon */
        {"Basic TXUAYXNhOkNpcmNsZSBvZiBMaWZl", 401}, /* a NUL */
        {"Basic !!!", 401},
        {"Basic", 401},
        {"Basicx TXVm", 401},
        {"Bearer abc123", 200},
        {"Bearer own", 200},
        {"Bearer abc1234", 401},
        {"Bearer a b", 401},
        {"Digest username=\"Mufasa\"", 401},
        {"Other abc", 401},
    };
    struct guarded g;
    const struct plait_auth_options options = {
        .realm = "a place", .schemes = PLAIT_AUTH_BASIC | PLAIT_AUTH_BEARER, .check = check};
    (void)state;
    guarded_open(&g, &options);
    for (size_t i = 0; i < TEST_COUNT(table); i++)
        assert_int_equal(get_with(&g, table[i].field), table[i].status);
    (void)get_with(&g, NULL);
    assert_int_equal(count_of(&p, "WWW-Authenticate: Basic realm=\"a place\", charset=\"UTF-8\"\r\n"), 1);
    assert_int_equal(count_of(&p, "WWW-Authenticate: Bearer realm=\"a place\"\r\n"), 1);
    (void)get_with(&g, "Bearer abc1234");
    assert_int_equal(count_of(&p, "WWW-Authenticate: Bearer realm=\"a place\", error=\"invalid_token\"\r\n"), 1);
    (void)get_with(&g, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl");
    assert_string_equal(body_of(&p), "hello Mufasa");
    guarded_close(&g);
}

static void a_checker_may_take_its_time(void **state)
{
    struct guarded g;
    const struct plait_auth_options options = {.check = check};
    (void)state;
    guarded_open(&g, &options);
    peer_open(&g.w, &p);
    peer_send(&g.w, &p, "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: Basic bGF0ZXI6eA==\r\n\r\n");
    assert_int_equal(p.len, 0);
    plait_auth_secret(waiting, PLAIT_LIT("x"));
    spin(&g.w);
    assert_string_equal(body_of(&p), "hello later");
    peer_close(&g.w, &p);
    guarded_close(&g);
}

static void a_guard_that_cannot_be_made_lets_nobody_in(void **state)
{
    static char realm[200];
    struct world w;
    (void)state;
    memset(realm, 'r', 127);
    static const char *const wrong[] = {"a\"b", "a\\b", "a\nb", "a\177", realm};
    world_open(&w);
    assert_ok(plait_auth_wrap(w.root, &(const struct plait_auth_options){.realm = realm, .check = check}));
    realm[127] = 'r';
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct plait_resource *other = plait_resource_new(w.r);
        assert_err(plait_auth_wrap(other, &(const struct plait_auth_options){.realm = wrong[i], .check = check}),
                   PLAIT_EINVAL);
        assert_null(plait_http(other));
    }
    assert_err(plait_auth_wrap(w.root, &(const struct plait_auth_options){.realm = "x"}), PLAIT_EINVAL);
    assert_err(plait_auth_wrap(NULL, &(const struct plait_auth_options){.check = check}), PLAIT_ENOMEM);
    for (uint64_t k = 1; k < 4; k++) {
        struct plait_resource *other = plait_resource_new(w.r);
        w.heap.fail_at = w.heap.calls + k;
        assert_err(
            plait_auth_wrap(other, &(const struct plait_auth_options){.check = check, .schemes = PLAIT_AUTH_DIGEST}),
            PLAIT_ENOMEM);
        plait_resource_unref(&other);
    }
    plait_resource_unref(&w.root);
    world_close(&w);
}

static void exhaust(struct plait_request *req, void *ctx)
{
    struct world *w = ctx;
    static uint64_t k;
    assert_non_null(plait_request_memory(req, 512));
    w->heap.fail_at = w->heap.calls + 1 + k++ % 5;
    plait_request_pass(req);
}

static void memory_may_fail(void **state)
{
    static const struct plait_layer exhausting = {.name = "exhaust", .request = exhaust};
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "dir/index.html", hello, NULL));
    assert_ok(plait_resource_wrap(w.root, &exhausting, &w));
    assert_ok(plait_auth_wrap(
        w.root, &(const struct plait_auth_options){.check = check, .schemes = PLAIT_AUTH_DIGEST | PLAIT_AUTH_BASIC}));
    world_serve(&w, NULL);
    for (int i = 0; i < 20; i++) {
        w.heap.fail_at = 0;
        ask(&w, &p,
            i % 2 ? "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: Digest username=\"a\\\"b\"\r\n\r\n"
                  : "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
                    "TXVmYXNhOkNpcmNsZSBvZiBMaWZl\r\n\r\n");
        assert_true(status_of(&p) == 503 || status_of(&p) == 200 || status_of(&p) == 401);
    }
    world_close(&w);
}

/* --- Digest ------------------------------------------------------------------------------------------------------- */

static char nonce[PLAIT__NONCE_TEXT + 1];

static void take_nonce(void)
{
    const char *at = strstr(p.got, "nonce=\"");
    assert_non_null(at);
    memcpy(nonce, at + 7, PLAIT__NONCE_TEXT);
    nonce[PLAIT__NONCE_TEXT] = 0;
}

/* RFC 7616 section 3.9.1's hashes prove the arithmetic: its nonce, cnonce and count give its response. */
static const char *response_of(bool md5, const char *who, const char *password, const char *of, const char *count,
                               const char *cnonce)
{
    static struct plait__hash all;
    const enum plait__hash_kind kind = md5 ? PLAIT__MD5 : PLAIT__SHA256;
    struct plait__hash one, two;
    char text[600];
    (void)snprintf(text, sizeof(text), "%s:%s", who, password);
    plait_slice part = plait_slice_text(text);
    assert_true(plait__hash(&one, kind, &part, 1));
    part = PLAIT_LIT("GET:/dir/index.html");
    assert_true(plait__hash(&two, kind, &part, 1));
    (void)snprintf(text, sizeof(text), "%s:%s:%s:%s:auth:%s", one.text, of, count, cnonce, two.text);
    part = plait_slice_text(text);
    assert_true(plait__hash(&all, kind, &part, 1));
    return all.text;
}

#define RFC_NONCE "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define RFC_CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

static void the_arithmetic_is_the_standards(void **state)
{
    (void)state;
    assert_string_equal(
        response_of(true, "Mufasa:http-auth@example.org", "Circle of Life", RFC_NONCE, "00000001", RFC_CNONCE),
        "8ca523f5e9506fed4657c9700eebdbec");
    assert_string_equal(
        response_of(false, "Mufasa:http-auth@example.org", "Circle of Life", RFC_NONCE, "00000001", RFC_CNONCE),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

static int digest(struct guarded *g, bool md5, const char *user, const char *password, unsigned count)
{
    static char text[1500];
    char number[9], who[40];
    (void)snprintf(who, sizeof(who), "%s:r", user);
    (void)snprintf(number, sizeof(number), "%08x", count);
    (void)snprintf(text, sizeof(text),
                   "Digest username=\"%s\", realm=\"r\", nonce=\"%s\", uri=\"/dir/index.html\", algorithm=%s, "
                   "qop=auth, nc=%s, cnonce=\"a,b\", response=\"%s\", opaque=\"x\"",
                   user, nonce, md5 ? "MD5" : "SHA-256", number, response_of(md5, who, password, nonce, number, "a,b"));
    return get_with(g, text);
}

static const struct plait_auth_options digest_options = {.realm = "r", .schemes = PLAIT_AUTH_DIGEST, .check = check};

static void digest_lets_in_who_knows_the_password(void **state)
{
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    assert_int_equal(get_with(&g, NULL), 401);
    assert_int_equal(count_of(&p, "WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\""),
                     1);
    assert_int_equal(count_of(&p, "MD5"), 0);
    assert_int_equal(count_of(&p, "stale"), 0);
    take_nonce();
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 200);
    assert_string_equal(body_of(&p), "hello Mufasa");
    assert_int_equal(digest(&g, false, "Mufasa", "wrong", 2), 401);
    assert_int_equal(digest(&g, false, "Scar", "Circle of Life", 2), 401);
    assert_int_equal(digest(&g, true, "Mufasa", "Circle of Life", 2), 401);
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 200);
    guarded_close(&g);
    const struct plait_auth_options old = {.realm = "r", .schemes = PLAIT_AUTH_DIGEST, .check = check, .md5 = true};
    guarded_open(&g, &old);
    (void)get_with(&g, NULL);
    assert_int_equal(count_of(&p, "algorithm=SHA-256"), 1);
    assert_int_equal(count_of(&p, "algorithm=MD5"), 1);
    take_nonce();
    assert_int_equal(digest(&g, true, "Mufasa", "Circle of Life", 1), 200);
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 200);
    guarded_close(&g);
}

/* A name whose last character is a backslash: `"back\\"` in its quotes. */
static void an_escaped_backslash_ends_no_quoting(void **state)
{
    char text[1500];
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    (void)get_with(&g, NULL);
    take_nonce();
    (void)snprintf(text, sizeof(text),
                   "Digest username=\"back\\\\\", realm=\"r\", nonce=\"%s\", uri=\"/dir/index.html\", qop=auth, "
                   "algorithm=SHA-256, nc=00000001, cnonce=\"c\", response=\"%s\"",
                   nonce, response_of(false, "back\\:r", "Circle of Life", nonce, "00000001", "c"));
    assert_int_equal(get_with(&g, text), 200);
    guarded_close(&g);
}

static void counts_are_good_once(void **state)
{
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    (void)get_with(&g, NULL);
    take_nonce();
    static const struct {
        unsigned count;
        int status;
    } table[] = {{1, 200}, {1, 401}, {3, 200},  {2, 200},  {2, 401},   {3, 401},   {67, 200},  {4, 200},
                 {3, 401}, {4, 401}, {66, 200}, {66, 401}, {500, 200}, {437, 200}, {436, 401}, {0, 401}};
    for (size_t i = 0; i < TEST_COUNT(table); i++)
        assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", table[i].count), table[i].status);
    guarded_close(&g);
}

static void old_and_foreign_nonces_are_stale(void **state)
{
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    (void)get_with(&g, NULL);
    take_nonce();
    plait_testbed_advance(g.bed, plait_seconds(300));
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 200);
    plait_testbed_advance(g.bed, plait_seconds(1));
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 401);
    assert_int_equal(count_of(&p, ", stale=true\r\n"), 1);
    take_nonce();
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 200);
    nonce[30] ^= 1;
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 401);
    assert_int_equal(count_of(&p, ", stale=true\r\n"), 1);
    nonce[30] = 'x';
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 401);
    nonce[30] = 0;
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 401);
    guarded_close(&g);
}

/* When the table is full the oldest nonce is forgotten, and none as old is believed any more. */
static void a_forgotten_nonce_is_stale(void **state)
{
    struct guarded g;
    char first[sizeof(nonce)];
    (void)state;
    guarded_open(&g, &digest_options);
    for (int i = 0; i < 1025; i++) {
        (void)get_with(&g, NULL);
        take_nonce();
        if (i == 0)
            memcpy(first, nonce, sizeof(first));
        assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 200);
        if (i == 0)
            plait_testbed_advance(g.bed, plait_millis(10));
    }
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 200);
    memcpy(nonce, first, sizeof(first));
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 401);
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 2), 401);
    guarded_close(&g);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char *const wrong[] = {
        "username=\"Mufasa\"",
        "username=\"Mufasa\", nc=0000001",
        "username=\"Mufasa\", nc=0000000x",
        "username=\"Mufasa\", username=\"Scar\", nc=00000001",
        "nc=00000001, algorithm=SHA-256",
        "nc=00000001, algorithm=SHA-256, qop=auth-int",
        "nc=00000001, algorithm=SHA-256, qop=auth, userhash=true",
        "nc=00000001, algorithm=SHA-256, qop=auth, realm=\"other\"",
        "nc=00000001, algorithm=SHA-256, qop=auth, realm=\"r\"",
        "nc=00000001, algorithm=SHA-256, qop=auth, realm=\"r\", cnonce=\"x\"",
        "nc=00000001, algorithm=SHA-256, qop=auth, realm=\"r\", cnonce=\"x\", uri=\"/other\"",
        "nc=00000001, algorithm=SHA-512, qop=auth, realm=\"r\", cnonce=\"x\", uri=\"/dir/index.html\"",
        "nc=00000001, qop=auth, realm=\"r\", cnonce=\"x\", uri=\"/dir/index.html\"",
        "nc=00000001, algorithm=SHA-256, qop=auth, realm=\"r\", cnonce=\"x\\\"y\", uri=\"/dir/index.html\"",
        "nc=00000001 x=y",
        "\"",
    };
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "Digest %s", wrong[i]);
        assert_int_equal(get_with(&g, text), 401);
    }
    assert_int_equal(checks, 0);
    guarded_close(&g);
}

static void without_randomness_there_is_no_challenge(void **state)
{
    const struct plait_sim_rule rule = {.call = "getrandom", .os_errno = EIO};
    struct guarded g;
    (void)state;
    guarded_open(&g, &digest_options);
    assert_ok(plait_sim_add_rule(plait_testbed_sim(g.bed), &rule));
    assert_int_equal(get_with(&g, NULL), 401);
    assert_int_equal(count_of(&p, "WWW-Authenticate"), 0);
    plait_sim_clear_rules(plait_testbed_sim(g.bed));
    guarded_close(&g);
}

/* Two connections bring the same while the checker thinks: one is let in. */
static void a_race_has_one_winner(void **state)
{
    static struct peer other;
    struct plait_request *first;
    struct guarded g;
    char text[1500];
    (void)state;
    guarded_open(&g, &digest_options);
    (void)get_with(&g, NULL);
    take_nonce();
    (void)snprintf(text, sizeof(text),
                   "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: Digest username=\"later\", realm=\"r\", "
                   "nonce=\"%s\", uri=\"/dir/index.html\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\", "
                   "response=\"%s\"\r\n\r\n",
                   nonce, response_of(false, "later:r", "x", nonce, "00000001", "c"));
    peer_open(&g.w, &p);
    peer_send(&g.w, &p, text);
    first = waiting;
    peer_open(&g.w, &other);
    peer_send(&g.w, &other, text);
    assert_ptr_not_equal(first, waiting);
    plait_auth_secret(first, PLAIT_LIT("x"));
    plait_auth_secret(waiting, PLAIT_LIT("x"));
    spin(&g.w);
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(status_of(&other), 401);
    peer_close(&g.w, &p);
    peer_close(&g.w, &other);
    guarded_close(&g);
}

/* --- by a portal -------------------------------------------------------------------------------------------------- */

/* A guard by a portal that knows Mufasa and a token. */
static struct plait_portal *portal_of(struct guarded *g, unsigned schemes)
{
    memset(g, 0, sizeof(*g));
    g->bed = plait_testbed_new(1);
    g->w.r = plait_testbed_reactor(g->bed);
    const struct plait_portal_options limits = {.failures_per_user = 3};
    struct plait_portal *portal = plait_portal_new(g->w.r, &limits);
    struct plait_checker *memory = plait_checker_memory_new(g->w.r);
    assert_ok(plait_checker_memory_user(memory, PLAIT_LIT("Mufasa"), PLAIT_LIT("Circle of Life")));
    assert_ok(plait_checker_memory_token(memory, PLAIT_LIT("abc123"), PLAIT_LIT("robot")));
    assert_ok(plait_portal_add(portal, memory));
    const struct plait_auth_options options = {.realm = "r", .schemes = schemes, .portal = portal};
    g->w.root = plait_resource_new(g->w.r);
    assert_ok(plait_resource_on(g->w.root, "*", "dir/index.html", hello, NULL));
    assert_ok(plait_auth_wrap(g->w.root, &options));
    world_serve(&g->w, NULL);
    return portal;
}

/* The answer: a good one at once, any other slowly. */
static int get_slowly(struct guarded *g, const char *authorization)
{
    static char text[3000];
    (void)snprintf(text, sizeof(text), "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n",
                   authorization);
    peer_open(&g->w, &p);
    peer_send(&g->w, &p, text);
    const int at_once = status_of(&p);
    plait_testbed_advance(g->bed, plait_millis(1100));
    spin(&g->w);
    const int status = status_of(&p);
    assert_int_equal(at_once, status == 200 ? 200 : 0);
    peer_close(&g->w, &p);
    return status;
}

static void a_portal_judges_passwords_and_tokens(void **state)
{
    struct guarded g;
    (void)state;
    struct plait_portal *portal = portal_of(&g, PLAIT_AUTH_BASIC | PLAIT_AUTH_BEARER);
    plait_portal_unref(&portal); /* the guard holds it */
    assert_int_equal(get_slowly(&g, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl"), 200);
    assert_string_equal(body_of(&p), "hello Mufasa");
    assert_int_equal(get_slowly(&g, "Bearer abc123"), 200);
    assert_string_equal(body_of(&p), "hello robot");
    assert_int_equal(get_slowly(&g, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZm"), 401);
    assert_int_equal(get_slowly(&g, "Bearer abc1234"), 401);
    assert_int_equal(count_of(&p, "error=\"invalid_token\""), 1);
    guarded_close(&g);
}

static void a_portal_judges_digests(void **state)
{
    struct guarded g;
    (void)state;
    struct plait_portal *portal = portal_of(&g, PLAIT_AUTH_DIGEST);
    (void)get_with(&g, NULL);
    take_nonce();
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 200);
    assert_string_equal(body_of(&p), "hello Mufasa");
    assert_int_equal(digest(&g, false, "Mufasa", "Circle of Life", 1), 401); /* the count is spent */
    plait_portal_unref(&portal);
    guarded_close(&g);
}

static void who_fails_too_often_is_told_so(void **state)
{
    struct guarded g;
    (void)state;
    struct plait_portal *portal = portal_of(&g, PLAIT_AUTH_BASIC);
    for (int i = 0; i < 3; i++)
        assert_int_equal(get_slowly(&g, "Basic TXVmYXNhOg=="), 401);
    assert_int_equal(get_slowly(&g, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl"), 429);
    plait_portal_unref(&portal);
    guarded_close(&g);
}

static struct plait_deferred *cannot_tell(const struct plait_login *login, void *ctx)
{
    assert_int_equal(login->from->kind, PLAIT_ADDR_NONE); /* a pair's end */
    return plait_deferred_fail(ctx, plait_fault_make(PLAIT_EIO, "check"));
}

static void a_portal_that_cannot_tell_is_our_own_fault(void **state)
{
    static const struct plait_checker_ops ops = {.name = "no", .kinds = PLAIT_LOGIN_TOKEN, .check = cannot_tell};
    struct guarded g;
    (void)state;
    struct plait_portal *portal = portal_of(&g, PLAIT_AUTH_BEARER);
    assert_ok(plait_portal_add(portal, plait_checker_new(g.w.r, &ops, g.w.r)));
    assert_int_equal(get_slowly(&g, "Bearer wrong"), 503);
    plait_portal_unref(&portal);
    guarded_close(&g);
}

static void a_portal_without_memory_is_our_own_fault(void **state)
{
    static const struct plait_layer exhausting = {.name = "exhaust", .request = exhaust};
    struct world w;
    int failed = 0;
    (void)state;
    world_open(&w);
    struct plait_portal *portal = plait_portal_new(w.r, NULL);
    assert_ok(plait_portal_add(portal, plait_checker_anonymous_new(w.r)));
    assert_ok(plait_portal_add(portal, plait_checker_memory_new(w.r)));
    assert_ok(plait_resource_get(w.root, "dir/index.html", hello, NULL));
    assert_ok(plait_resource_wrap(w.root, &exhausting, &w));
    assert_ok(plait_auth_wrap(w.root, &(const struct plait_auth_options){.portal = portal}));
    world_serve(&w, NULL);
    for (int i = 0; i < 20; i++) {
        w.heap.fail_at = 0;
        ask(&w, &p, "GET /dir/index.html HTTP/1.1\r\nHost: x\r\nAuthorization: Basic TXVmYXNhOg==\r\n\r\n");
        failed += status_of(&p) == 503;
        assert_int_not_equal(status_of(&p), 200);
    }
    assert_true(failed > 0);
    plait_portal_unref(&portal);
    for (int i = 0; i < 60; i++) /* those that wait to be told */
        assert_ok(plait_reactor_step(w.r, plait_millis(20)));
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(without_randomness_there_is_no_challenge),
          cmocka_unit_test(basic_and_bearer_let_in_who_is_known), cmocka_unit_test(a_checker_may_take_its_time),
          cmocka_unit_test(a_guard_that_cannot_be_made_lets_nobody_in), cmocka_unit_test(memory_may_fail),
          cmocka_unit_test(the_arithmetic_is_the_standards), cmocka_unit_test(digest_lets_in_who_knows_the_password),
          cmocka_unit_test(an_escaped_backslash_ends_no_quoting), cmocka_unit_test(counts_are_good_once),
          cmocka_unit_test(old_and_foreign_nonces_are_stale), cmocka_unit_test(a_forgotten_nonce_is_stale),
          cmocka_unit_test(what_does_not_fit_is_refused), cmocka_unit_test(a_race_has_one_winner),
          cmocka_unit_test(a_portal_judges_passwords_and_tokens), cmocka_unit_test(a_portal_judges_digests),
          cmocka_unit_test(who_fails_too_often_is_told_so),
          cmocka_unit_test(a_portal_that_cannot_tell_is_our_own_fault),
          cmocka_unit_test(a_portal_without_memory_is_our_own_fault))
