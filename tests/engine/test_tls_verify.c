/* SPDX-License-Identifier: MIT
 *
 * Tests of who is believed (src/engine/tls_client.c, tls_server.c, tls_fault.c): a client verifies chain, time and name
 * or address; a server that asks for client certificates verifies those.
 */
#include "tests/engine/tls_bed.h"

static struct tls_certs certs;
static struct test_cert other_ca;
static struct tls_bed t;

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    test_cert_make(&other_ca, NULL, &(struct test_cert_ask){.subject = "Somebody else", .is_ca = true});
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    test_cert_end(&other_ca);
    return 0;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* --- what a client believes --------------------------------------------------------------------------------------- */

struct server_case {
    const char *what;
    struct test_cert_ask ask;
    bool by_itself, by_other, by_leaf;
    const char *name;
    const char *detail; /* NULL: it is believed */
    int alert;
};

static const struct server_case server_cases[] = {
    {"the name fits", {.subject = "x", .san = "DNS:a.example"}, .name = "a.example"},
    {"a dot at the end changes nothing", {.subject = "x", .san = "DNS:a.example"}, .name = "a.example."},
    {"letters' case changes nothing", {.subject = "x", .san = "DNS:a.example"}, .name = "A.Example"},
    {"a wildcard fits one label", {.subject = "x", .san = "DNS:*.w.example"}, .name = "b.w.example"},
    {"and only one",
     {.subject = "x", .san = "DNS:*.w.example"},
     .name = "c.b.w.example",
     .detail = "the certificate is for another name",
     .alert = 42},
    {"a part of a label is none",
     {.subject = "x", .san = "DNS:a*.w.example"},
     .name = "ab.w.example",
     .detail = "the certificate is for another name",
     .alert = 42},
    {"another name",
     {.subject = "x", .san = "DNS:b.example"},
     .name = "a.example",
     .detail = "the certificate is for another name",
     .alert = 42},
    {"the subject is no name",
     {.subject = "a.example"},
     .name = "a.example",
     .detail = "the certificate is for another name",
     .alert = 42},
    {"an address fits", {.subject = "x", .san = "IP:192.0.2.1"}, .name = "192.0.2.1"},
    {"an address of IPv6 fits", {.subject = "x", .san = "IP:2001:db8::1"}, .name = "[2001:db8::1]"},
    {"a scope is the caller's own affair", {.subject = "x", .san = "IP:fe80::1"}, .name = "fe80::1%2"},
    {"another address",
     {.subject = "x", .san = "IP:192.0.2.1"},
     .name = "192.0.2.2",
     .detail = "the certificate is for another address",
     .alert = 42},
    {"an address is no name",
     {.subject = "x", .san = "DNS:192.0.2.1"},
     .name = "192.0.2.1",
     .detail = "the certificate is for another address",
     .alert = 42},
    {"expired",
     {.subject = "x", .san = "DNS:a.example", .expired = true},
     .name = "a.example",
     .detail = "the certificate has expired",
     .alert = 45},
    {"too early",
     {.subject = "x", .san = "DNS:a.example", .too_early = true},
     .name = "a.example",
     .detail = "the certificate is not valid yet",
     .alert = 42},
    {"unknown issuer",
     {.subject = "x", .san = "DNS:a.example"},
     .by_other = true,
     .name = "a.example",
     .detail = "the certificate's issuer is unknown",
     .alert = 48},
    {"self-signed",
     {.subject = "x", .san = "DNS:a.example"},
     .by_itself = true,
     .name = "a.example",
     .detail = "the certificate is self-signed, and not one that is trusted",
     .alert = 48},
    {"issued by who may not",
     {.subject = "x", .san = "DNS:a.example"},
     .by_leaf = true,
     .name = "a.example",
     .detail = "invalid CA certificate",
     .alert = 48},
    {"for clients only",
     {.subject = "x", .san = "DNS:a.example", .for_clients = true},
     .name = "a.example",
     .detail = "the certificate is not meant for this use",
     .alert = 43},
};

static void check_server_case(const struct server_case *c, int version)
{
    struct test_cert cert;
    test_cert_make(&cert,
                   c->by_itself  ? NULL
                   : c->by_other ? &other_ca
                   : c->by_leaf  ? &certs.server
                                 : &certs.ca,
                   &c->ask);
    tls_bed_open(&t, &certs);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = cert.both_pem});
    t.name = c->name;
    t.version = version;
    tls_bed_join(&t, &peer_protocol);
    if (t.c.s && c->detail)
        fail_msg("%s: believed", c->what);
    if (!t.c.s && !c->detail)
        fail_msg("%s: not believed: %s", c->what, t.c.fault.detail);
    if (c->detail) {
        assert_int_equal(t.c.fault.err, PLAIT_EVERIFY);
        assert_string_equal(t.c.fault.step, "handshake");
        assert_string_equal(t.c.fault.detail, c->detail);
        assert_int_equal(t.c.fault.tls_alert, c->alert);
        assert_int_equal(t.s.fault.tls_alert, c->alert);
        assert_int_equal(t.s.fault.err, PLAIT_ETLS);
    }
    tls_bed_close(&t);
    test_cert_end(&cert);
}

static void a_client_verifies_chain_time_and_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(server_cases); i++) {
        for (size_t v = 0; v < TEST_COUNT(versions); v++)
            check_server_case(&server_cases[i], versions[v]);
    }
}

static void an_address_is_not_sent_as_a_name(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.name = "127.0.0.1";
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(plait_stream_tls(t.s.s)->server_name, "");
    assert_string_equal(plait_stream_tls(t.c.s)->server_name, "");
    tls_bed_close(&t);
}

static void a_chain_of_three_is_followed(void **state)
{
    (void)state;
    struct test_cert middle;
    struct test_cert leaf;
    test_cert_make(&middle, &certs.ca, &(struct test_cert_ask){.subject = "Middle", .is_ca = true});
    test_cert_make(&leaf, &middle, &(struct test_cert_ask){.subject = "leaf", .san = "DNS:a.example"});
    tls_bed_open(&t, &certs);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = leaf.both_pem});
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    tls_bed_close(&t);
    test_cert_end(&middle);
    test_cert_end(&leaf);
}

static void the_systems_roots_do_not_know_a_test(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_client(&t, NULL);
    tls_bed_join(&t, &peer_protocol);
    assert_int_equal(t.c.fault.err, PLAIT_EVERIFY);
    tls_bed_close(&t);
}

static void insecure_believes_everything_and_is_logged(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_client(&t, &(struct plait_tls_client_options){.insecure = true});
    t.name = "elsewhere.example";
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    assert_false(plait_stream_tls(t.c.s)->verified);
    assert_true(bed_logged(&t.b, "elsewhere.example"));
    plait_abort(t.c.s);
    bed_settle(&t.b);
    t.name = ""; /* none at all */
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    tls_bed_close(&t);
}

static void what_fails_later_is_not_blamed_on_a_certificate_that_was_let_pass(void **state)
{
    (void)state;
    uint8_t bad[5 + 32] = {23, 3, 3, 0, 32};
    tls_bed_open(&t, &certs);
    tls_bed_client(&t, &(struct plait_tls_client_options){.insecure = true});
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    plait__tls_up.input(tls_of(t.c.s), bad, sizeof bad);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    assert_int_equal(t.c.fault.tls_alert, 20);
    tls_bed_close(&t);
}

static void a_client_needs_a_name_that_can_be_verified(void **state)
{
    (void)state;
    char longer[256 + 1];
    memset(longer, 'a', 256);
    longer[256] = '\0';
    const char *bad[] = {NULL, "", ".", "b\303\274cher.example", "two words", "delete\177d.example", longer};
    struct plait_stream *c;
    struct plait_stream *s;
    tls_bed_open(&t, &certs);
    join(&t.b, JOINT_PAIR, &c, &s);
    peer_attach(&t.c, c, &peer_protocol);
    peer_attach(&t.s, s, &peer_protocol);
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait_starttls_client(c, t.client, bad[i], t.alpn), PLAIT_EINVAL);
    assert_err(plait_starttls_client(c, t.client, "a.example", PLAIT_LIT("\005short")), PLAIT_OK);
    assert_err(plait_starttls_client(s, t.client, "a.example", PLAIT_LIT("\006short")), PLAIT_EINVAL);
    assert_err(plait_starttls_client(s, t.client, "a.example", PLAIT_LIT("\000")), PLAIT_EINVAL);
    assert_ok(plait_starttls_client(s, t.client, longer + 1, t.alpn)); /* the longest there may be */
    tls_bed_close(&t);
}

/* The system's roots are here whom the environment names (SSL_CERT_FILE of OpenSSL). */
static void a_client_with_issuers_of_its_own_does_not_believe_the_systems(void **state)
{
    (void)state;
    char own[TEST_PATH_BYTES], own_file[TEST_PATH_BYTES + 16], system_file[TEST_PATH_BYTES + 16];
    struct test_cert cert;
    test_folder_make(own);
    test_file_write(own, "own.pem", certs.ca.cert_pem);
    test_file_write(own, "system.pem", other_ca.cert_pem);
    (void)snprintf(own_file, sizeof own_file, "%s/own.pem", own);
    (void)snprintf(system_file, sizeof system_file, "%s/system.pem", own);
    assert_int_equal(setenv("SSL_CERT_FILE", system_file, 1), 0);
    test_cert_make(&cert, &other_ca, &(struct test_cert_ask){.subject = "x", .san = "DNS:a.example"});
    const struct plait_tls_client_options options[] = {
        {.ca_file = NULL}, {.ca_pem = certs.ca.cert_pem}, {.ca_file = own_file}};
    for (size_t i = 0; i < TEST_COUNT(options); i++) {
        tls_bed_open(&t, &certs);
        tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = cert.both_pem});
        tls_bed_client(&t, &options[i]);
        tls_bed_join(&t, &peer_protocol);
        assert_int_equal(t.c.s != NULL, i == 0);
        assert_int_equal(t.c.fault.err, i == 0 ? PLAIT_OK : PLAIT_EVERIFY);
        tls_bed_close(&t);
    }
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    test_cert_end(&cert);
    test_folder_remove(own);
}

/* --- what a server believes --------------------------------------------------------------------------------------- */

static char folder[TEST_PATH_BYTES];
static char ca_file[TEST_PATH_BYTES + 16];

static void open_for_clients(enum plait_tls_client_cert how)
{
    tls_bed_open(&t, &certs);
    test_folder_make(folder);
    test_file_write(folder, "ca.pem", certs.ca.cert_pem);
    (void)snprintf(ca_file, sizeof ca_file, "%s/ca.pem", folder);
    tls_bed_server(&t, &(struct plait_tls_server_options){
                           .cert_pem = certs.server.both_pem, .client_cert = how, .client_ca_file = ca_file});
}

static void close_for_clients(void)
{
    tls_bed_close(&t);
    test_folder_remove(folder);
}

static void show(const struct test_cert *cert)
{
    tls_bed_client(&t, &(struct plait_tls_client_options){
                           .ca_pem = certs.ca.cert_pem, .cert_pem = cert->cert_pem, .key_pem = cert->key_pem});
}

static void a_clients_certificate_is_known_to_the_server(void **state)
{
    (void)state;
    const enum plait_tls_client_cert how[] = {PLAIT_CERT_OPTIONAL, PLAIT_CERT_REQUIRED};
    for (size_t v = 0; v < TEST_COUNT(versions) * 2; v++) {
        open_for_clients(how[v % 2]);
        t.version = versions[v / 2];
        show(&certs.client);
        tls_bed_join(&t, &peer_protocol);
        assert_string_equal(t.s.story, "cs");
        assert_string_equal(plait_stream_tls(t.s.s)->peer_subject, "CN=Alice");
        assert_true(plait_stream_tls(t.s.s)->verified);
        close_for_clients();
    }
}

static void a_client_may_stay_without_certificate_where_it_is_optional(void **state)
{
    (void)state;
    open_for_clients(PLAIT_CERT_OPTIONAL);
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.s.story, "cs");
    assert_false(plait_stream_tls(t.s.s)->verified);
    close_for_clients();
}

static void a_client_without_certificate_is_refused_where_it_is_required(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        open_for_clients(PLAIT_CERT_REQUIRED);
        t.version = versions[v];
        tls_bed_join(&t, &peer_protocol);
        assert_int_equal(t.s.fault.err, PLAIT_EVERIFY);
        assert_string_equal(t.s.fault.detail, "the client showed no certificate");
        assert_int_equal(t.c.fault.err, PLAIT_ETLS);
        assert_int_equal(t.c.fault.tls_alert, versions[v] == TLS1_2_VERSION ? 40 : 116);
        close_for_clients();
    }
}

static void a_client_of_another_issuer_is_refused_even_where_it_is_optional(void **state)
{
    (void)state;
    struct test_cert mallory;
    test_cert_make(&mallory, &other_ca, &(struct test_cert_ask){.subject = "Alice", .for_clients = true});
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        open_for_clients(PLAIT_CERT_OPTIONAL);
        t.version = versions[v];
        show(&mallory);
        tls_bed_join(&t, &peer_protocol);
        assert_int_equal(t.s.fault.err, PLAIT_EVERIFY);
        assert_string_equal(t.s.fault.detail, "the certificate's issuer is unknown");
        assert_int_equal(t.c.fault.tls_alert, 48);
        close_for_clients();
    }
    test_cert_end(&mallory);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_client_verifies_chain_time_and_name),
               cmocka_unit_test(an_address_is_not_sent_as_a_name), cmocka_unit_test(a_chain_of_three_is_followed),
               cmocka_unit_test(the_systems_roots_do_not_know_a_test),
               cmocka_unit_test(a_client_with_issuers_of_its_own_does_not_believe_the_systems),
               cmocka_unit_test(insecure_believes_everything_and_is_logged),
               cmocka_unit_test(what_fails_later_is_not_blamed_on_a_certificate_that_was_let_pass),
               cmocka_unit_test(a_client_needs_a_name_that_can_be_verified),
               cmocka_unit_test(a_clients_certificate_is_known_to_the_server),
               cmocka_unit_test(a_client_may_stay_without_certificate_where_it_is_optional),
               cmocka_unit_test(a_client_without_certificate_is_refused_where_it_is_required),
               cmocka_unit_test(a_client_of_another_issuer_is_refused_even_where_it_is_optional))
