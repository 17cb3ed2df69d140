/* SPDX-License-Identifier: MIT
 *
 * Tests of sessions that are taken up again: a client's cache (src/engine/tls_client.c), a server's ticket keys
 * (src/engine/tls_ticket.c).
 */
#include "tests/engine/tls_bed.h"

static struct tls_certs certs;
static struct tls_bed t;

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

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* One connection that says a word and ends. Returns whether it took up a session. */
static bool connect_once(void)
{
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    const bool resumed = plait_stream_tls(t.c.s)->resumed;
    assert_int_equal(plait_stream_tls(t.s.s)->resumed, resumed);
    assert_true(plait_stream_tls(t.c.s)->verified);
    assert_string_equal(plait_stream_tls(t.c.s)->peer_subject, "CN=server");
    plait_write(t.s.s, PLAIT_LIT("word"));
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    return resumed;
}

static void a_second_connection_takes_up_the_first_ones_session(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        tls_bed_open(&t, &certs);
        t.version = versions[v];
        assert_false(connect_once());
        assert_true(connect_once());
        assert_true(connect_once());
        tls_bed_close(&t);
    }
}

static void a_session_belongs_to_a_name(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once());
    t.name = "x.wild.example";
    assert_false(connect_once());
    assert_true(connect_once());
    tls_bed_close(&t);
}

static void a_session_belongs_to_a_port(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once());
    t.joint = JOINT_TCP; /* every time another port */
    struct plait_stream *c;
    struct plait_stream *s;
    struct plait_address peer = {.kind = PLAIT_ADDR_IP4, .port = 443};
    int fd[2];
    for (int i = 0; i < 2; i++) {
        tcp_pair(fd);
        assert_int_equal(plait__fd_stream_new(t.b.r, PLAIT__FD_TCP, fd[0], &peer, &c), 0);
        assert_int_equal(plait__fd_stream_new(t.b.r, PLAIT__FD_TCP, fd[1], NULL, &s), 0);
        peer_reset(&t.c);
        peer_reset(&t.s);
        peer_attach(&t.c, c, &peer_protocol);
        peer_attach(&t.s, s, &peer_protocol);
        assert_ok(plait_starttls_client(c, t.client, "a.example", t.alpn));
        assert_ok(plait_starttls_server(s, t.server));
        bed_settle(&t.b);
        assert_int_equal(plait_stream_tls(c)->resumed, i == 1);
        plait_close(t.c.s);
        bed_settle(&t.b);
    }
    tls_bed_close(&t);
}

static void resumption_can_be_refused_by_either_side(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        tls_bed_open(&t, &certs);
        t.version = versions[v];
        tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem, .no_resumption = true});
        assert_false(connect_once());
        assert_false(connect_once());
        tls_bed_client(&t, &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem});
        tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .no_tickets = true});
        assert_false(connect_once());
        assert_false(connect_once());
        tls_bed_close(&t);
    }
}

static void a_ticket_outlives_one_turn_of_the_keys_and_not_two(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.version = TLS1_2_VERSION; /* of which a session is used more than once */
    tls_bed_server(
        &t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .ticket_rotate = plait_seconds(10)});
    assert_false(connect_once());
    assert_true(connect_once());
    bed_pass(&t.b, plait_seconds(11));
    assert_true(connect_once()); /* and a new ticket comes with it */
    bed_pass(&t.b, plait_seconds(11));
    assert_true(connect_once());
    bed_pass(&t.b, plait_seconds(11));
    bed_pass(&t.b, plait_seconds(11));
    assert_false(connect_once());
    tls_bed_close(&t);
}

static void a_ticket_of_unknown_key_costs_a_handshake_and_no_more(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        tls_bed_open(&t, &certs);
        t.version = versions[v];
        tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem,
                                                              .ticket_rotate = plait_seconds(10)});
        assert_false(connect_once());
        bed_pass(&t.b, plait_seconds(11));
        bed_pass(&t.b, plait_seconds(11));
        assert_false(connect_once());
        assert_true(connect_once());
        tls_bed_close(&t);
    }
}

/* RFC 8446 appendix C.4: an onlooker who sees a ticket twice knows that both connections belong together. */
static void of_two_connections_at_once_one_takes_up_the_session_of_tls_13(void **state)
{
    static struct peer c;
    static struct peer s;
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once());
    join_peers(&t.b, JOINT_PAIR, &c, &s);
    assert_ok(plait_starttls_client(c.s, t.client, "a.example", t.alpn));
    assert_ok(plait_starttls_server(s.s, t.server));
    tls_bed_join(&t, &peer_protocol);
    assert_true(plait_stream_tls(c.s)->resumed);
    assert_false(plait_stream_tls(t.c.s)->resumed);
    plait_abort(c.s);
    plait_abort(s.s);
    tls_bed_close(&t);
}

static void a_session_of_tls_13_is_used_once(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once());
    tls_bed_start(&t, &peer_protocol);
    assert_int_equal(SSL_set_num_tickets(tls_of(t.s.s)->ssl, 0), 1); /* it gives no other */
    bed_settle(&t.b);
    assert_true(plait_stream_tls(t.c.s)->resumed);
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_false(connect_once());
    tls_bed_close(&t);
}

static void a_server_that_goes_takes_its_timer_along(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once()); /* a ticket's key was made */
    bed_settle(&t.b);
    assert_null(t.s.s);
    plait_tls_server_unref(&t.server);
    bed_pass(&t.b, plait_seconds(7201));
    tls_bed_close(&t);
}

static void keys_that_nobody_needs_are_wiped_and_the_timer_stops(void **state)
{
    (void)state;
    struct plait__tickets tickets;
    uint8_t name[16];
    uint8_t older[16];
    uint8_t iv[EVP_MAX_IV_LENGTH];
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    static const struct plait__ticket_key none;
    tls_bed_open(&t, &certs);
    plait__tickets_init(&tickets, t.b.r, 0);
    assert_false(plait_timer_runs(&tickets.turn));
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 1), 1);
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 0), 1);
    bed_pass(&t.b, plait_seconds(3599));
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 0), 1);
    bed_pass(&t.b, plait_seconds(2));
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 0), 2);
    bed_pass(&t.b, plait_seconds(3601));
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 0), 0);
    assert_memory_equal(&tickets.now, &none, sizeof none);
    assert_memory_equal(&tickets.before, &none, sizeof none);
    assert_false(plait_timer_runs(&tickets.turn));
    assert_int_equal(plait__tickets_key(&tickets, older, iv, cipher, mac, 1), 1);
    bed_pass(&t.b, plait_seconds(3601));
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 1), 1);
    assert_int_equal(plait__tickets_key(&tickets, older, iv, cipher, mac, 0), 2); /* each by its name */
    assert_int_equal(plait__tickets_key(&tickets, name, iv, cipher, mac, 0), 1);
    assert_true(tickets.now.set && tickets.before.set);
    plait__tickets_deinit(&tickets);
    assert_memory_equal(&tickets.now, &none, sizeof none);
    assert_memory_equal(&tickets.before, &none, sizeof none);
    tls_bed_close(&t);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    EVP_CIPHER_CTX_free(cipher);
}

/* Random bytes that fail from the n-th call on. */
static int random_left;

static ssize_t poor_random(struct plait_sys *sys, void *buf, size_t len)
{
    if (random_left-- > 0)
        return plait__sys_kernel()->ops->getrandom(sys, buf, len);
    return -EIO;
}

static void without_random_bytes_there_is_no_ticket(void **state)
{
    (void)state;
    uint8_t name[16];
    uint8_t iv[EVP_MAX_IV_LENGTH];
    for (int n = 0; n < 4; n++) { /* three draws for a key, one for the ticket */
        struct plait__tickets tickets;
        tls_bed_open(&t, &certs);
        t.b.ops.getrandom = poor_random;
        random_left = n;
        plait__tickets_init(&tickets, t.b.r, 0);
        assert_int_equal(plait__tickets_key(&tickets, name, iv, NULL, NULL, 1), -1);
        plait__tickets_deinit(&tickets);
        tls_bed_close(&t);
    }
}

static void without_random_bytes_there_is_no_handshake(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.b.ops.getrandom = poor_random;
    random_left = 0;
    tls_bed_join(&t, &peer_protocol);
    assert_null(t.s.s);
    assert_null(t.c.s);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    tls_bed_close(&t);
}

static void the_cache_has_an_end(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.version = TLS1_2_VERSION;
    char name[32];
    for (int i = 0; i <= 257; i++) {
        (void)snprintf(name, sizeof name, "n%d.wild.example", i);
        t.name = name;
        assert_false(connect_once());
    }
    t.name = "n257.wild.example";
    assert_true(connect_once());
    t.name = "n2.wild.example";
    assert_true(connect_once());
    t.name = "n1.wild.example"; /* the oldest went */
    assert_false(connect_once());
    tls_bed_close(&t);
}

/* --- sessions and client certificates ----------------------------------------------------------------------------- */

static void a_reload_of_client_issuers_ends_sessions(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 16];
    tls_bed_open(&t, &certs);
    test_folder_make(folder);
    test_file_write(folder, "ca.pem", certs.ca.cert_pem);
    (void)snprintf(path, sizeof path, "%s/ca.pem", folder);
    tls_bed_server(&t, &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem,
                                                          .client_cert = PLAIT_CERT_REQUIRED,
                                                          .client_ca_file = path});
    tls_bed_client(&t,
                   &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem, .cert_pem = certs.client.both_pem});
    assert_false(connect_once());
    assert_true(connect_once());
    assert_ok(plait_tls_server_reload(t.server, t.why));
    assert_false(connect_once());
    assert_true(connect_once());
    tls_bed_close(&t);
    test_folder_remove(folder);
}

static void a_reload_without_client_certificates_keeps_sessions(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    assert_false(connect_once());
    assert_ok(plait_tls_server_reload(t.server, t.why));
    assert_true(connect_once());
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_second_connection_takes_up_the_first_ones_session),
               cmocka_unit_test(a_session_belongs_to_a_name), cmocka_unit_test(a_session_belongs_to_a_port),
               cmocka_unit_test(resumption_can_be_refused_by_either_side),
               cmocka_unit_test(a_ticket_outlives_one_turn_of_the_keys_and_not_two),
               cmocka_unit_test(a_ticket_of_unknown_key_costs_a_handshake_and_no_more),
               cmocka_unit_test(of_two_connections_at_once_one_takes_up_the_session_of_tls_13),
               cmocka_unit_test(a_session_of_tls_13_is_used_once),
               cmocka_unit_test(a_server_that_goes_takes_its_timer_along),
               cmocka_unit_test(keys_that_nobody_needs_are_wiped_and_the_timer_stops),
               cmocka_unit_test(without_random_bytes_there_is_no_ticket),
               cmocka_unit_test(without_random_bytes_there_is_no_handshake), cmocka_unit_test(the_cache_has_an_end),
               cmocka_unit_test(a_reload_of_client_issuers_ends_sessions),
               cmocka_unit_test(a_reload_without_client_certificates_keeps_sessions))
