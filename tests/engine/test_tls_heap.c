/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's own heap fails: at every allocation of the first few hundred and at seeded ones beyond. A context, a connection ends; nothing else
 * does, and nothing is left behind.
 */
#include "tests/engine/tls_bed.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static uint64_t calls;
static uint64_t fail_at;
static bool fail_after;

static void *refusing_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    calls++;
    return fail_at > 0 && (calls == fail_at || (fail_after && calls > fail_at)) ? NULL : malloc(bytes);
}

static void *refusing_realloc(void *ptr, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    calls++;
    return fail_at > 0 && (calls == fail_at || (fail_after && calls > fail_at)) ? NULL : realloc(ptr, bytes);
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

static plait_err make_contexts(void)
{
    const struct plait_tls_server_options so = {
        .cert_file = path, .cert_pem = certs.server.both_pem, .client_cert = PLAIT_CERT_OPTIONAL, .client_ca_file = ca_path};
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

TEST_MAIN_WITH(make, end, cmocka_unit_test(openssl_may_run_out_of_memory))
