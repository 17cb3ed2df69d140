/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's own heap fails: at every allocation of the first few hundred and at seeded ones beyond. A context, a
 * connection ends; nothing else does, and nothing is left behind.
 */
#include "tests/engine/tls_bed.h"

#include "engine/tls_set.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static uint64_t calls;
static uint64_t fail_at;
static bool fail_after;

static const char *fail_in; /* only allocations of this file of OpenSSL count; NULL: all */

static bool refuses(const char *file)
{
    if (fail_in && !strstr(file, fail_in))
        return false;
    calls++;
    return fail_at > 0 && (calls == fail_at || (fail_after && calls > fail_at));
}

static void *refusing_malloc(size_t bytes, const char *file, int line)
{
    (void)line;
    return refuses(file) ? NULL : malloc(bytes);
}

static void *refusing_realloc(void *ptr, size_t bytes, const char *file, int line)
{
    (void)line;
    return refuses(file) ? NULL : realloc(ptr, bytes);
}

static void plain_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    free(ptr);
}

static struct tls_certs certs;
static struct tls_bed t;
static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES + 16];
static char ca_path[TEST_PATH_BYTES + 16];

static int make(void **state)
{
    (void)state;
    assert_int_equal(CRYPTO_set_mem_functions(refusing_malloc, refusing_realloc, plain_free), 1);
    tls_certs_make(&certs);
    test_folder_make(folder);
    test_file_write(folder, "a.pem", certs.server.both_pem);
    test_file_write(folder, "ca.pem", certs.ca.cert_pem);
    (void)snprintf(path, sizeof path, "%s/a.pem", folder);
    (void)snprintf(ca_path, sizeof ca_path, "%s/ca.pem", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    test_folder_remove(folder);
    return 0;
}

/* As on the kernel: a library context that is still being filled leaks names when memory ends
 * (crypto/core_namemap.c). */
static void take_openssls_own_library_context(void)
{
    struct plait_sys *sys = t.b.r->sys;
    t.b.r->sys = plait__sys_kernel();
    assert_non_null(plait__tls_module_of(t.b.r));
    t.b.r->sys = sys;
}

static plait_err make_contexts(void)
{
    const struct plait_tls_server_options so = {.cert_file = path,
                                                .cert_pem = certs.server.both_pem,
                                                .alpn = PLAIT_LIT("\001x"),
                                                .client_cert = PLAIT_CERT_OPTIONAL,
                                                .client_ca_file = ca_path};
    const struct plait_tls_client_options co = {.ca_pem = certs.ca.cert_pem, .cert_pem = certs.client.both_pem};
    plait_err err = plait_tls_server_new(t.b.r, &so, &t.server, t.why);
    if (err == PLAIT_OK)
        err = plait_tls_server_add(t.server, certs.server.both_pem, plait_slice_of(NULL, 0), t.why);
    if (err == PLAIT_OK)
        err = plait_tls_client_new(t.b.r, &co, &t.client, t.why);
    return err;
}

static void make_connection(void)
{
    struct plait_stream *c;
    struct plait_stream *s;
    assert_ok(plait_pair_new(t.b.r, &c, &s));
    peer_reset(&t.c);
    peer_reset(&t.s);
    peer_attach(&t.c, c, &peer_protocol);
    peer_attach(&t.s, s, &peer_protocol);
    t.s.echo = true;
    const plait_err client = plait_starttls_client(c, t.client, "a.example", PLAIT_LIT("\001x"));
    const plait_err server = plait_starttls_server(s, t.server);
    if (client != PLAIT_OK || server != PLAIT_OK) {
        plait_abort(c);
        plait_abort(s);
    }
    plait_write(c, PLAIT_LIT("a word"));
    bed_settle(&t.b);
    if (t.c.s)
        plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    if (t.s.s)
        plait_abort(t.s.s);
    bed_settle(&t.b);
    assert_true(!t.c.s && !t.s.s);
}

/* Fails the n-th of OpenSSL's allocations. Returns how many there were. */
static uint64_t run(uint64_t n, bool after)
{
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    take_openssls_own_library_context();
    calls = 0;
    fail_at = n;
    fail_after = after;
    if (make_contexts() == PLAIT_OK)
        make_connection();
    const uint64_t used = calls;
    fail_at = 0;
    ERR_clear_error();
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
    return used;
}

static void openssl_may_run_out_of_memory(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    run(0, false);
    const uint64_t used = run(0, false);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_true(used > 1000);
    for (uint64_t n = 1; n <= used; n += n < 150 ? 1 : 1 + test_random_below(&random, used / 250))
        run(n, false);
    for (uint64_t n = 1; n <= used; n += 1 + test_random_below(&random, used / 50))
        run(n, true);
}

static void try_module(uint64_t n)
{
    struct plait_tls_client *client;
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    calls = 0;
    fail_at = n;
    assert_err(plait_tls_client_new(t.b.r, NULL, &client, t.why), PLAIT_ENOMEM);
    fail_at = 0;
    ERR_clear_error();
    bed_close(&t.b);
}

static void without_memory_there_is_no_module(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 4; n++)
        try_module(n);
    fail_in = "rand_lib.c"; /* once there is a library context with its providers */
    try_module(1);
    fail_in = NULL;
}

/* --- every allocation of the smaller steps ------------------------------------------------------------------------ */

typedef plait_err (*step_fn)(void);

/* Runs a step with its n-th allocation failing, for every n of a few files: with all there are it would take
 * minutes. */
static void every_allocation(step_fn step, uint64_t most)
{
    static const char *const files[] = {"stack.c",    "x509_lu.c",  "ssl_lib.c", "ssl_cert.c", "x509_vpm.c",
                                        "bio_lib.c",  "x509_set.c", "x_name.c",  "o_str.c",    "buffer.c",
                                        "extensions", "tasn_new.c", "ssl_rsa.c", "ex_data.c"};
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        fail_at = 0;
        fail_after = false;
        fail_in = files[i];
        calls = 0;
        assert_ok(step());
        const uint64_t used = calls < most ? calls : most;
        for (uint64_t n = 1; n <= used; n++) {
            calls = 0;
            fail_at = n;
            (void)step(); /* OpenSSL gets over some */
            fail_at = 0;
            ERR_clear_error();
        }
    }
    fail_in = NULL;
}

/* A step each of whose allocations in a file of OpenSSL's is needed: it says so when it has none. */
static void each_allocation_counts(step_fn step, const char *where)
{
    fail_after = false;
    fail_in = where;
    calls = 0;
    assert_ok(step());
    const uint64_t used = calls;
    assert_true(used > 0);
    for (uint64_t n = 1; n <= used; n++) {
        calls = 0;
        fail_at = n;
        const plait_err err = step();
        fail_at = 0;
        ERR_clear_error();
        assert_err(err, PLAIT_ENOMEM);
    }
    fail_in = NULL;
}

static struct test_cert leaf;
static struct plait__tls_identity identity;

static plait_err parse(void)
{
    struct plait__tls_identity parsed;
    struct plait__tls_module *m = plait__tls_module_of(t.b.r);
    const plait_err err = plait__tls_identity_parse(m, leaf.both_pem, plait_slice_of(NULL, 0), "x", &parsed, t.why);
    plait__tls_identity_end(&parsed);
    return err;
}

static plait_err trust(void)
{
    struct plait__tls_module *m = plait__tls_module_of(t.b.r);
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    const plait_err err = store ? plait__tls_trust(m, store, leaf.cert_pem, "x", names, t.why) : PLAIT_ENOMEM;
    if (err == PLAIT_OK) {
        assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 2);
        assert_true(!names || sk_X509_NAME_num(names) == 2); /* no list was asked for */
    }
    X509_STORE_free(store);
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return err;
}

/* One allocation that fails a stack gets over. */
static void trust_while_stacks_do_not_grow(void)
{
    fail_in = "stack.c";
    fail_after = true;
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        calls = 0;
        fail_at = n;
        err = trust();
        fail_at = 0;
        ERR_clear_error();
    }
    fail_after = false;
    fail_in = NULL;
}

static plait_err fill_set(void)
{
    struct plait__tls_identity copy;
    struct plait__tls_set *set = plait__tls_set_new(plait__tls_module_of(t.b.r));
    SSL *ssl = NULL;
    plait_err err = set ? plait__tls_identity_copy(&identity, &copy) : PLAIT_ENOMEM;
    if (err == PLAIT_OK)
        err = plait__tls_set_add(set, &copy, "x", NULL, true, t.why);
    if (err == PLAIT_OK)
        err = plait__tls_set_finish(set, t.why);
    if (err == PLAIT_OK) {
        assert_non_null(SSL_CTX_get0_certificate(plait__tls_set_ctx(set)));
        ssl = SSL_new(plait__tls_set_ctx(set));
    }
    if (ssl) {
        err = plait__tls_set_choose(set, ssl, "a.example");
        assert_true(err != PLAIT_OK || SSL_get_certificate(ssl));
    }
    SSL_free(ssl);
    plait__tls_set_free(&set);
    return err;
}

static plait_err copy_identity(void)
{
    struct plait__tls_identity copy;
    const plait_err err = plait__tls_identity_copy(&identity, &copy);
    plait__tls_identity_end(&copy);
    return err;
}

static plait_err new_ctx(void)
{
    SSL_CTX *ctx = plait__tls_ctx_new(plait__tls_module_of(t.b.r), TLS_client_method());
    SSL_CTX_free(ctx);
    return ctx ? PLAIT_OK : PLAIT_ENOMEM;
}

static plait_err new_client(void)
{
    struct plait_tls_client *client;
    const plait_err err = plait_tls_client_new(t.b.r, NULL, &client, t.why);
    plait_tls_client_unref(&client);
    return err;
}

/* What says that it began goes on as if nothing had been. */
static plait_err start(void)
{
    peer_reset(&t.c);
    peer_reset(&t.s);
    join_peers(&t.b, JOINT_PAIR, &t.c, &t.s);
    plait_err err = plait_starttls_client(t.c.s, t.client, "a.example", PLAIT_LIT("\001x"));
    if (err == PLAIT_OK)
        err = plait_starttls_server(t.s.s, t.server);
    fail_at = 0;
    ERR_clear_error();
    if (err == PLAIT_OK) {
        bed_settle(&t.b);
        assert_string_equal(t.c.story, "cs");
        assert_string_equal(t.s.story, "cs");
        assert_slice(plait_stream_tls(t.c.s)->alpn, "x");
    }
    plait_abort(t.c.s);
    plait_abort(t.s.s);
    bed_settle(&t.b);
    return err;
}

static void each_step_may_run_out_of_memory(void **state)
{
    (void)state;
    static const step_fn steps[] = {parse, trust, fill_set, new_client, start};
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    take_openssls_own_library_context();
    assert_ok(make_contexts());
    struct test_cert middle;
    test_cert_make(&middle, &certs.ca, &(struct test_cert_ask){.subject = "Middle", .is_ca = true});
    test_cert_make(&leaf, &middle, &(struct test_cert_ask){.subject = "leaf", .san = "DNS:a.example"});
    assert_ok(
        plait__tls_identity_parse(plait__tls_module_of(t.b.r), leaf.cert_pem, leaf.key_pem, "x", &identity, t.why));
    for (size_t i = 0; i < TEST_COUNT(steps); i++)
        every_allocation(steps[i], steps[i] == fill_set ? 200 : 60);
    trust_while_stacks_do_not_grow();
    assert_int_equal(setenv("SSL_CERT_FILE", "/nowhere", 1), 0); /* the system's roots would be allocated too */
    assert_int_equal(setenv("SSL_CERT_DIR", "/nowhere", 1), 0);
    each_allocation_counts(new_client, "x509_lu.c");
    each_allocation_counts(copy_identity, "stack.c");
    each_allocation_counts(new_ctx, "ssl_ciph.c");
    each_allocation_counts(new_ctx, "t1_lib.c");
    plait__tls_identity_end(&identity);
    test_cert_end(&leaf);
    test_cert_end(&middle);
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(without_memory_there_is_no_module),
               cmocka_unit_test(each_step_may_run_out_of_memory), cmocka_unit_test(openssl_may_run_out_of_memory))
