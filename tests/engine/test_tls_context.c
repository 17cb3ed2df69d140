/* SPDX-License-Identifier: MIT
 *
 * Tests of how contexts are made (src/engine/tls_module.c, tls_pem.c, tls_server.c, tls_client.c): what is wrong is
 * said in a sentence, a reload is all or nothing, files are read through the table of system calls, keys are logged
 * where that is asked for.
 */
#include "tests/engine/tls_bed.h"

#include <openssl/pem.h>
#include <openssl/rand.h>

#include <malloc.h>

static struct tls_certs certs;
static struct tls_bed t;
static char folder[TEST_PATH_BYTES];
static char path[4][TEST_PATH_BYTES + 16];

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    return 0;
}

static const char *file(int i, const char *name, plait_slice content)
{
    test_file_write(folder, name, content);
    (void)snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static void open_bed(void)
{
    tls_bed_open(&t, &certs);
    test_folder_make(folder);
}

static void close_bed(void)
{
    tls_bed_close(&t);
    test_folder_remove(folder);
}

static void server_refuses(const struct plait_tls_server_options *options, plait_err err, const char *sentence)
{
    struct plait_tls_server *server;
    assert_err(plait_tls_server_new(t.b.r, options, &server, t.why), err);
    assert_null(server);
    if (!strstr(t.why, sentence))
        fail_msg("said \"%s\", not \"%s\"", t.why, sentence);
    assert_err(plait_tls_server_new(t.b.r, options, &server, NULL), err);
}

static void client_refuses(const struct plait_tls_client_options *options, plait_err err, const char *sentence)
{
    struct plait_tls_client *client;
    assert_err(plait_tls_client_new(t.b.r, options, &client, t.why), err);
    assert_null(client);
    if (!strstr(t.why, sentence))
        fail_msg("said \"%s\", not \"%s\"", t.why, sentence);
}

static plait_slice joined(plait_slice a, plait_slice b)
{
    static char text[20000];
    const int len = snprintf(text, sizeof text, "%.*s%.*s", PLAIT_ARG(a), PLAIT_ARG(b));
    return plait_slice_of(text, (size_t)len);
}

static const char broken_cert[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

static void a_server_says_what_is_wrong_with_its_certificate(void **state)
{
    (void)state;
    open_bed();
    const plait_slice none = plait_slice_of(NULL, 0);
    server_refuses(&(struct plait_tls_server_options){.no_tickets = true}, PLAIT_EINVAL, "needs a certificate");
    server_refuses(&(struct plait_tls_server_options){.cert_pem = PLAIT_LIT("x")}, PLAIT_EINVAL,
                   "there is no certificate");
    server_refuses(&(struct plait_tls_server_options){.cert_pem = plait_slice_text(broken_cert)}, PLAIT_EINVAL,
                   "the certificate could not be read");
    server_refuses(
        &(struct plait_tls_server_options){.cert_pem = joined(certs.server.cert_pem, plait_slice_text(broken_cert))},
        PLAIT_EINVAL, "a certificate of the chain could not be read");
    server_refuses(&(struct plait_tls_server_options){.cert_pem = certs.server.cert_pem}, PLAIT_EINVAL,
                   "there is no private key");
    server_refuses(&(struct plait_tls_server_options){.cert_pem = certs.server.cert_pem, .key_pem = certs.ca.key_pem},
                   PLAIT_EINVAL, "does not fit the certificate");
    server_refuses(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .alpn = PLAIT_LIT("\003h2")},
                   PLAIT_EINVAL, "ALPN");
    server_refuses(
        &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .client_cert = PLAIT_CERT_OPTIONAL},
        PLAIT_EINVAL, "issue them");
    assert_err(plait_tls_server_add(t.server, PLAIT_LIT("x"), none, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "the text given: there is no certificate"));
    close_bed();
}

static void a_key_with_a_password_is_refused_without_asking(void **state)
{
    (void)state;
    open_bed();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, certs.server.key, EVP_aes_128_cbc(), (const unsigned char *)"secret",
                                              6, NULL, NULL),
                     1);
    const long len = BIO_get_mem_data(bio, &text);
    server_refuses(&(struct plait_tls_server_options){.cert_pem = certs.server.cert_pem,
                                                      .key_pem = plait_slice_of(text, (size_t)len)},
                   PLAIT_EINVAL, "with a password is not supported");
    BIO_free(bio);
    close_bed();
}

static void weak_certificates_are_refused(void **state)
{
    (void)state;
    struct test_cert weak;
    open_bed();
    test_cert_make(&weak, NULL, &(struct test_cert_ask){.subject = "weak", .weak = true});
    server_refuses(&(struct plait_tls_server_options){.cert_pem = weak.both_pem}, PLAIT_EINVAL, "weaker");
    client_refuses(&(struct plait_tls_client_options){.cert_pem = weak.both_pem}, PLAIT_EINVAL, "weaker");
    assert_err(plait_tls_server_add(t.server, weak.cert_pem, weak.key_pem, t.why), PLAIT_EINVAL);
    assert_ok(plait_tls_server_reload(t.server, t.why)); /* it was not kept */
    test_cert_end(&weak);
    close_bed();
}

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    open_bed();
    file(0, "cert.pem", certs.server.cert_pem);
    file(1, "key.pem", certs.server.key_pem);
    (void)snprintf(path[2], sizeof path[2], "%s/none.pem", folder);
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[2]}, PLAIT_ENOTFOUND,
                   "none.pem: it does not exist");
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[0], .key_file = path[2]}, PLAIT_ENOTFOUND,
                   "none.pem");
    server_refuses(&(struct plait_tls_server_options){.cert_file = folder}, PLAIT_EINVAL, "not a plain file");
    server_refuses(&(struct plait_tls_server_options){.cert_dir = path[2]}, PLAIT_ENOTFOUND,
                   "none.pem: it does not exist");
    client_refuses(&(struct plait_tls_client_options){.ca_file = path[2]}, PLAIT_ENOTFOUND, "none.pem");
    client_refuses(&(struct plait_tls_client_options){.ca_file = path[1]}, PLAIT_EINVAL,
                   "key.pem: there is no certificate");
    client_refuses(&(struct plait_tls_client_options){.ca_pem = plait_slice_text(broken_cert)}, PLAIT_EINVAL,
                   "could not be read");
    client_refuses(&(struct plait_tls_client_options){.cert_file = path[2]}, PLAIT_ENOTFOUND, "none.pem");
    client_refuses(&(struct plait_tls_client_options){.cert_pem = PLAIT_LIT("x")}, PLAIT_EINVAL,
                   "there is no certificate");
    server_refuses(
        &(struct plait_tls_server_options){
            .cert_file = path[0], .key_file = path[1], .client_cert = PLAIT_CERT_REQUIRED, .client_ca_file = path[2]},
        PLAIT_ENOTFOUND, "none.pem");
    server_refuses(
        &(struct plait_tls_server_options){
            .cert_file = path[0], .key_file = path[1], .client_cert = PLAIT_CERT_REQUIRED, .client_ca_file = path[1]},
        PLAIT_EINVAL, "key.pem: there is no certificate");
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_file = path[0], .key_file = path[1]});
    tls_bed_client(&t, &(struct plait_tls_client_options){
                           .ca_file = file(3, "ca.pem", certs.ca.cert_pem), .cert_file = path[0], .key_file = path[1]});
    assert_string_equal(t.why, "");
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    close_bed();
}

static void a_file_beyond_reason_is_refused(void **state)
{
    (void)state;
    open_bed();
    uint8_t *large = calloc(5, 1024 * 1024);
    assert_non_null(large);
    file(0, "large.pem", plait_slice_of(large, (size_t)4 * 1024 * 1024));
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[0]}, PLAIT_EINVAL, "no certificate");
    file(0, "large.pem", plait_slice_of(large, (size_t)4 * 1024 * 1024 + 1));
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[0]}, PLAIT_EINVAL, "too large");
    free(large);
    close_bed();
}

static void a_folder_without_certificates_is_refused(void **state)
{
    (void)state;
    char deep[1100];
    open_bed();
    server_refuses(&(struct plait_tls_server_options){.cert_dir = folder}, PLAIT_EINVAL, "NAME.pem");
    file(0, "bad.example.pem", PLAIT_LIT("nonsense"));
    server_refuses(&(struct plait_tls_server_options){.cert_dir = folder}, PLAIT_EINVAL,
                   "bad.example.pem: there is no certificate");
    /* /tmp/x/././././… */
    size_t len = (size_t)snprintf(deep, sizeof deep, "%s", folder);
    while (len + 3 < 1015)
        len += (size_t)snprintf(deep + len, sizeof deep - len, "/.");
    server_refuses(&(struct plait_tls_server_options){.cert_dir = deep}, PLAIT_EINVAL, "too long");
    close_bed();
}

static void a_path_may_have_1023_bytes(void **state)
{
    (void)state;
    char deep[1100];
    const size_t room = 1023 - strlen("/bad.example.pem");
    open_bed();
    file(0, "bad.example.pem", PLAIT_LIT("nonsense"));
    size_t len = (size_t)snprintf(deep, sizeof deep, "%s", folder);
    while (len < room)
        len += (size_t)snprintf(deep + len, sizeof deep - len, "/");
    server_refuses(&(struct plait_tls_server_options){.cert_dir = deep}, PLAIT_EINVAL, "/");
    assert_null(strstr(t.why, "too long"));
    (void)snprintf(deep + len, sizeof deep - len, "/");
    server_refuses(&(struct plait_tls_server_options){.cert_dir = deep}, PLAIT_EINVAL, "too long");
    close_bed();
}

static void a_chain_has_an_end(void **state)
{
    (void)state;
    struct plait_buf pem;
    open_bed();
    for (int more = 32; more <= 33; more++) {
        plait_buf_init(&pem, plait_reactor_budget(t.b.r), 1024 * 1024);
        plait_buf_put(&pem, certs.server.both_pem);
        for (int i = 0; i < more; i++)
            plait_buf_put(&pem, certs.ca.cert_pem);
        assert_int_equal(pem.err, PLAIT_OK);
        const struct plait_tls_server_options o = {.cert_pem = plait_buf_slice(&pem)};
        if (more > 32)
            server_refuses(&o, PLAIT_EINVAL, "more than 32 certificates");
        else
            tls_bed_server(&t, &o);
        plait_buf_deinit(&pem);
    }
    close_bed();
}

/* --- keys in memory ----------------------------------------------------------------------------------------------- */

static void *(*plain_resize)(void *ptr, size_t bytes, void *ctx);
static int blocks_given_back, keys_given_back;

/* Moves each block, and looks at what it gives back. */
static void *watching_resize(void *ptr, size_t bytes, void *ctx)
{
    const size_t had = ptr ? malloc_usable_size(ptr) : 0;
    void *fresh = bytes > 0 ? plain_resize(NULL, bytes, ctx) : NULL;
    if (!ptr || (bytes > 0 && !fresh))
        return fresh;
    if (bytes > 0)
        memcpy(fresh, ptr, had < bytes ? had : bytes);
    blocks_given_back++;
    keys_given_back += memmem(ptr, had, "PRIVATE KEY-----", 16) != NULL;
    (void)plain_resize(ptr, 0, ctx);
    return fresh;
}

static void no_key_is_left_in_memory_that_was_given_back(void **state)
{
    (void)state;
    open_bed();
    plain_resize = t.b.heap.allocator.resize;
    t.b.heap.allocator.resize = watching_resize;
    blocks_given_back = keys_given_back = 0;
    test_file_write(folder, "b.example.pem", certs.server.both_pem);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_dir = folder});
    file(0, "cert.pem", certs.server.cert_pem);
    file(1, "key.pem", certs.server.key_pem);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_file = path[0], .key_file = path[1]});
    assert_true(blocks_given_back > 5);
    assert_int_equal(keys_given_back, 0);
    t.b.heap.allocator.resize = plain_resize;
    close_bed();
}

static void a_file_without_memory_to_read_it_is_named(void **state)
{
    (void)state;
    struct plait_buf content;
    open_bed();
    file(0, "cert.pem", certs.server.cert_pem);
    bed_fail(&t.b, 1);
    assert_err(plait__tls_file(plait__tls_module_of(t.b.r), path[0], &content, t.why), PLAIT_ENOMEM);
    bed_heal(&t.b);
    assert_non_null(strstr(t.why, "cert.pem: out of memory"));
    plait__tls_file_end(&content);
    file(0, "empty.pem", PLAIT_LIT(""));
    assert_ok(plait__tls_file(plait__tls_module_of(t.b.r), path[0], &content, t.why));
    assert_int_equal(content.len, 0);
    plait__tls_file_end(&content);
    close_bed();
}

/* --- system calls that fail --------------------------------------------------------------------------------------- */

static int no_fstat(struct plait_sys *sys, int fd, struct stat *out)
{
    (void)sys;
    (void)fd;
    (void)out;
    return -EIO;
}

static ssize_t no_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    return -EIO;
}

static ssize_t no_getdents(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    return -EIO;
}

static int random_left;

static ssize_t poor_random(struct plait_sys *sys, void *buf, size_t len)
{
    if (random_left-- > 0)
        return plait__sys_kernel()->ops->getrandom(sys, buf, len);
    return -EIO;
}

static void random_bytes_may_end_anywhere(void **state)
{
    (void)state;
    bool told = false;
    open_bed();
    file(0, "both.pem", certs.server.both_pem);
    t.b.ops.getrandom = poor_random;
    plait_err err = PLAIT_EIO;
    for (int n = 0; err != PLAIT_OK && n < 200; n++) {
        struct plait_tls_server *server;
        random_left = n;
        err = plait_tls_server_new(t.b.r,
                                   &(struct plait_tls_server_options){.cert_file = path[0],
                                                                      .client_cert = PLAIT_CERT_OPTIONAL,
                                                                      .client_ca_file = path[0]},
                                   &server, t.why);
        told |= err == PLAIT_EIO;
        plait_tls_server_unref(&server);
    }
    assert_ok(err);
    assert_true(told);
    close_bed();
}

static void failing_system_calls_are_told(void **state)
{
    (void)state;
    open_bed();
    const struct plait_sys_ops good = t.b.ops;
    const size_t before = test_open_descriptors();
    file(0, "both.pem", certs.server.both_pem);
    t.b.ops.fstat = no_fstat;
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[0]}, PLAIT_EIO,
                   "both.pem: input or output failed");
    t.b.ops = good;
    t.b.ops.pread = no_pread;
    server_refuses(&(struct plait_tls_server_options){.cert_file = path[0]}, PLAIT_EIO, "both.pem");
    t.b.ops = good;
    t.b.ops.getdents = no_getdents;
    server_refuses(&(struct plait_tls_server_options){.cert_dir = folder}, PLAIT_EIO, folder);
    t.b.ops = good;
    assert_int_equal(test_open_descriptors(), before);
    close_bed();
}

/* --- reload ------------------------------------------------------------------------------------------------------- */

static const char *subject_now(void)
{
    if (t.c.s)
        plait_abort(t.c.s);
    if (t.s.s)
        plait_abort(t.s.s);
    bed_settle(&t.b);
    tls_bed_client(&t, &(struct plait_tls_client_options){.insecure = true});
    tls_bed_join(&t, &peer_protocol);
    assert_non_null(t.c.s);
    return plait_stream_tls(t.c.s)->peer_subject;
}

static void a_reload_changes_new_connections_and_no_old_one(void **state)
{
    (void)state;
    struct peer old_c;
    struct peer old_s;
    open_bed();
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_file = file(0, "both.pem", certs.server.both_pem)});
    tls_bed_join(&t, &peer_protocol);
    old_c = t.c;
    old_s = t.s;
    plait_stream_attach(t.c.s, &peer_protocol, &old_c);
    plait_stream_attach(t.s.s, &peer_protocol, &old_s);
    t.c.s = t.s.s = NULL;
    file(0, "both.pem", certs.client.both_pem);
    assert_string_equal(subject_now(), "CN=server");
    assert_ok(plait_tls_server_reload(t.server, t.why));
    assert_string_equal(t.why, "");
    assert_string_equal(subject_now(), "CN=Alice");
    plait_write(old_c.s, PLAIT_LIT("still here"));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(old_s.got, old_s.got_len), "still here");
    file(0, "both.pem", certs.server.cert_pem);
    assert_err(plait_tls_server_reload(t.server, t.why), PLAIT_EINVAL);
    assert_non_null(strstr(t.why, "both.pem: there is no private key"));
    assert_string_equal(subject_now(), "CN=Alice");
    plait_abort(old_c.s);
    plait_abort(old_s.s);
    close_bed();
}

static void certificates_that_were_added_survive_a_reload(void **state)
{
    (void)state;
    struct test_cert added;
    open_bed();
    test_cert_make(&added, NULL, &(struct test_cert_ask){.subject = "added", .san = "DNS:a.example"});
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_file = file(0, "both.pem", certs.client.both_pem)});
    assert_ok(plait_tls_server_add(t.server, added.both_pem, plait_slice_of(NULL, 0), t.why));
    assert_string_equal(subject_now(), "CN=added");
    assert_ok(plait_tls_server_reload(t.server, t.why));
    assert_string_equal(subject_now(), "CN=added");
    test_cert_end(&added);
    close_bed();
}

static void the_first_certificate_to_expire_is_known(void **state)
{
    (void)state;
    struct test_cert old;
    open_bed();
    assert_int_equal(plait_tls_server_expiry(t.server), 4070908800); /* 2099-01-01 */
    test_cert_make(&old, NULL, &(struct test_cert_ask){.subject = "old", .expired = true});
    assert_ok(plait_tls_server_add(t.server, old.both_pem, plait_slice_of(NULL, 0), t.why));
    assert_int_equal(plait_tls_server_expiry(t.server), 0);
    test_cert_end(&old);
    close_bed();
}

static void references_are_counted(void **state)
{
    (void)state;
    open_bed();
    struct plait_tls_server *server = plait_tls_server_ref(t.server);
    struct plait_tls_client *client = plait_tls_client_ref(t.client);
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    assert_null(t.server);
    t.server = server;
    t.client = client;
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    plait_tls_server_unref(&t.server); /* the connection holds its own */
    plait_tls_client_unref(&t.client);
    plait_write(t.c.s, PLAIT_LIT("x"));
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 1);
    plait_tls_server_unref(&t.server);
    close_bed();
}

static void the_suites_are_those_of_today(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    SSL_CTX *ctx = plait__tls_ctx_new(plait__tls_module_of(t.b.r), TLS_client_method());
    STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(ctx);
    assert_int_equal(sk_SSL_CIPHER_num(suites), 9);
    for (int i = 0; i < 9; i++) {
        const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, i);
        assert_true(SSL_CIPHER_is_aead(suite));
        assert_true(SSL_CIPHER_get_kx_nid(suite) == NID_kx_ecdhe || SSL_CIPHER_get_kx_nid(suite) == NID_kx_any);
    }
    assert_int_equal(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
    SSL_CTX_free(ctx);
    tls_bed_close(&t);
}

/* --- keys, library context, memory -------------------------------------------------------------------------------- */

static const char *env_keylog(struct plait_sys *sys, const char *name)
{
    (void)sys;
    return strcmp(name, "SSLKEYLOGFILE") == 0 ? path[3] : NULL;
}

static void keys_are_logged_where_the_environment_asks_for_it(void **state)
{
    (void)state;
    const size_t descriptors = test_open_descriptors();
    test_folder_make(folder);
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    t.b.ops.env = env_keylog;
    (void)snprintf(path[3], sizeof path[3], "%s/keys", folder);
    const struct plait_tls_server_options so = {.cert_pem = certs.server.both_pem};
    const struct plait_tls_client_options co = {.ca_pem = certs.ca.cert_pem};
    assert_ok(plait_tls_server_new(t.b.r, &so, &t.server, NULL));
    assert_ok(plait_tls_client_new(t.b.r, &co, &t.client, NULL));
    assert_true(bed_logged(&t.b, "tls-keylog") || bed_logged(&t.b, "the keys of every TLS connection"));
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    tls_bed_close(&t);
    assert_int_equal(test_open_descriptors(), descriptors);
    char text[4096] = "";
    FILE *in = fopen(path[3], "r");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 100);
    (void)fclose(in);
    assert_non_null(strstr(text, "CLIENT_TRAFFIC_SECRET_0 "));
    test_folder_remove(folder);
}

static void a_key_log_that_cannot_be_opened_is_said_and_no_more(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    t.b.ops.env = env_keylog;
    (void)snprintf(path[3], sizeof path[3], "/nowhere/at/all");
    assert_ok(plait_tls_client_new(t.b.r, NULL, &t.client, NULL));
    assert_true(bed_logged(&t.b, "could not be opened"));
    tls_bed_close(&t);
}

/* Random bytes of the same sequence in each run. */
static uint64_t sequence;

static ssize_t same_random(struct plait_sys *sys, void *buf, size_t len)
{
    struct test_random random = test_random_of(sequence++);
    (void)sys;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)test_random_u64(&random);
    return (ssize_t)len;
}

static uint64_t sent_in_a_seeded_run(uint8_t random_out[SSL3_RANDOM_SIZE])
{
    uint64_t sent;
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    t.b.ops.getrandom = same_random;
    sequence = 7;
    const struct plait_tls_server_options so = {.cert_pem = certs.server.both_pem};
    const struct plait_tls_client_options co = {.ca_pem = certs.ca.cert_pem};
    assert_ok(plait_tls_server_new(t.b.r, &so, &t.server, NULL));
    assert_ok(plait_tls_client_new(t.b.r, &co, &t.client, NULL));
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    assert_int_equal(SSL_get_server_random(tls_of(t.c.s)->ssl, random_out, SSL3_RANDOM_SIZE), SSL3_RANDOM_SIZE);
    plait_stream_counts(t.s.s, NULL, &sent);
    tls_bed_close(&t);
    return sent;
}

static void tls_depends_on_the_tables_random_bytes_alone(void **state)
{
    (void)state;
    uint8_t first[SSL3_RANDOM_SIZE];
    uint8_t again[SSL3_RANDOM_SIZE];
    const uint64_t sent = sent_in_a_seeded_run(first);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sent_in_a_seeded_run(again), sent); /* a signature's length would tell */
        assert_memory_equal(again, first, sizeof first);
    }
}

static void a_seeded_generator_can_be_started_again(void **state)
{
    (void)state;
    uint8_t bytes[8];
    memset(&t, 0, sizeof t);
    bed_open(&t.b);
    OSSL_LIB_CTX *libctx = plait__tls_module_of(t.b.r)->libctx;
    EVP_RAND_CTX *generator = RAND_get0_public(libctx);
    assert_int_equal(EVP_RAND_uninstantiate(generator), 1);
    assert_int_equal(EVP_RAND_get_state(generator), EVP_RAND_STATE_UNINITIALISED);
    assert_int_equal(EVP_RAND_instantiate(generator, 0, 0, NULL, 0, NULL), 1);
    assert_int_equal(RAND_bytes_ex(libctx, bytes, sizeof bytes, 0), 1);
    bed_close(&t.b);
}

static void on_the_kernel_openssl_has_its_own_random_numbers(void **state)
{
    (void)state;
    const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF};
    struct plait_reactor *r = plait_reactor_new(&(struct plait_reactor_options){.log = &quiet});
    assert_null(plait__tls_module_of(r)->libctx);
    plait_reactor_free(&r);
}

static plait_err make_both(void)
{
    const struct plait_tls_server_options so = {.cert_file = path[0],
                                                .key_file = path[0],
                                                .cert_dir = folder,
                                                .cert_pem = certs.server.both_pem,
                                                .alpn = PLAIT_LIT("\002h2"),
                                                .client_cert = PLAIT_CERT_REQUIRED,
                                                .client_ca_file = path[0]};
    const struct plait_tls_client_options co = {.ca_file = path[0], .cert_file = path[0]};
    plait_err err = plait_tls_server_new(t.b.r, &so, &t.server, t.why);
    if (err == PLAIT_OK)
        err = plait_tls_server_add(t.server, certs.server.cert_pem, certs.server.key_pem, t.why);
    if (err == PLAIT_OK)
        err = plait_tls_server_reload(t.server, t.why);
    if (err == PLAIT_OK)
        err = plait_tls_client_new(t.b.r, &co, &t.client, t.why);
    return err;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    test_folder_make(folder);
    file(0, "b.example.pem", certs.server.both_pem);
    const size_t before = test_open_descriptors();
    plait_err err = PLAIT_ENOMEM;
    uint64_t n = 1;
    for (; err != PLAIT_OK; n++) {
        memset(&t, 0, sizeof t);
        bed_open(&t.b);
        t.b.heap.fail_at = t.b.heap.calls + n;
        err = make_both();
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        if (err != PLAIT_OK)
            assert_non_null(strstr(t.why, "out of memory"));
        plait_tls_server_unref(&t.server);
        plait_tls_client_unref(&t.client);
        bed_close(&t.b);
        assert_int_equal(test_open_descriptors(), before);
    }
    assert_true(n > 30);
    test_folder_remove(folder);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_server_says_what_is_wrong_with_its_certificate),
               cmocka_unit_test(a_key_with_a_password_is_refused_without_asking),
               cmocka_unit_test(weak_certificates_are_refused), cmocka_unit_test(files_that_cannot_be_read_are_named),
               cmocka_unit_test(a_file_beyond_reason_is_refused),
               cmocka_unit_test(a_folder_without_certificates_is_refused), cmocka_unit_test(a_path_may_have_1023_bytes),
               cmocka_unit_test(a_chain_has_an_end), cmocka_unit_test(no_key_is_left_in_memory_that_was_given_back),
               cmocka_unit_test(a_file_without_memory_to_read_it_is_named),
               cmocka_unit_test(failing_system_calls_are_told), cmocka_unit_test(random_bytes_may_end_anywhere),
               cmocka_unit_test(a_reload_changes_new_connections_and_no_old_one),
               cmocka_unit_test(certificates_that_were_added_survive_a_reload),
               cmocka_unit_test(the_first_certificate_to_expire_is_known), cmocka_unit_test(references_are_counted),
               cmocka_unit_test(the_suites_are_those_of_today),
               cmocka_unit_test(keys_are_logged_where_the_environment_asks_for_it),
               cmocka_unit_test(a_key_log_that_cannot_be_opened_is_said_and_no_more),
               cmocka_unit_test(tls_depends_on_the_tables_random_bytes_alone),
               cmocka_unit_test(a_seeded_generator_can_be_started_again),
               cmocka_unit_test(on_the_kernel_openssl_has_its_own_random_numbers),
               cmocka_unit_test(memory_may_run_out_anywhere))
