/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_carrier.c and tls_bio.c: records over every carrier, however narrow, and backpressure through
 * both layers.
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

static void echo_once(const char *text)
{
    t.s.echo = true;
    plait_write(t.c.s, plait_slice_text(text));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), text);
}

static void assert_certificate(plait_slice der, X509 *cert)
{
    unsigned char *bytes = NULL;
    const int len = i2d_X509(cert, &bytes);
    assert_int_equal(der.len, len);
    assert_memory_equal(der.ptr, bytes, der.len);
    OPENSSL_free(bytes);
}

static void both_versions_work_over_every_carrier(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        for (size_t v = 0; v < TEST_COUNT(versions); v++) {
            tls_bed_open(&t, &certs);
            t.joint = (enum joint)joint;
            t.version = versions[v];
            tls_bed_join(&t, &peer_protocol);
            assert_string_equal(t.c.story, "cs");
            assert_string_equal(t.s.story, "cs");
            const struct plait_tls_info *info = plait_stream_tls(t.c.s);
            assert_string_equal(info->version, versions[v] == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
            assert_true(info->verified);
            assert_string_equal(info->peer_subject, "CN=server");
            assert_certificate(info->peer_certificate, certs.server.cert);
            assert_string_equal(plait_stream_tls(t.s.s)->server_name, "a.example");
            assert_false(plait_stream_tls(t.s.s)->verified);
            assert_string_equal(plait_stream_tls(t.s.s)->peer_subject, "");
            echo_once("hello");
            tls_bed_close(&t);
        }
    }
}

static void nothing_is_known_of_tls_before_the_handshake(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    assert_null(plait_stream_tls(t.c.s));
    tls_bed_close(&t);
}

static void run_narrow(size_t in_max, size_t out_max)
{
    tls_bed_open(&t, &certs);
    t.in_max = in_max;
    t.out_max = out_max;
    tls_bed_join(&t, &peer_protocol);
    assert_string_equal(t.c.story, "cs");
    assert_string_equal(t.s.story, "cs");
    echo_once("through the eye of a needle");
    tls_bed_close(&t);
}

static void records_may_come_byte_by_byte(void **state)
{
    (void)state;
    run_narrow(1, 0);
}

static void records_may_leave_byte_by_byte(void **state)
{
    (void)state;
    run_narrow(0, 1);
}

static void what_is_written_before_the_handshake_ends_goes_behind_it(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    plait_write(t.c.s, PLAIT_LIT("early"));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "early");
    assert_string_equal(t.s.story, "csd");
    tls_bed_close(&t);
}

static uint8_t large[200000];

static void fill_large(void)
{
    struct test_random random = test_random_of(test_seed());
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)test_random_u64(&random);
}

static void run_large(enum joint joint, size_t in_max, size_t out_max)
{
    tls_bed_open(&t, &certs);
    t.joint = joint;
    t.in_max = in_max;
    t.out_max = out_max;
    tls_bed_join(&t, &peer_protocol);
    fill_large();
    plait_write(t.c.s, plait_slice_of(large, sizeof large));
    for (int i = 0; i < 400 && t.s.got_len < sizeof large; i++)
        bed_settle(&t.b);
    assert_int_equal(t.s.got_len, sizeof large);
    assert_memory_equal(t.s.got, large, sizeof large);
    assert_int_equal(plait_pending(t.c.s), 0);
    tls_bed_close(&t);
}

static void much_goes_through_in_order(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_large((enum joint)joint, 0, 0);
    run_large(JOINT_PAIR, 333, 777);
}

static void a_paused_reader_holds_the_writer_back(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    plait_pause(t.s.s);
    bed_settle(&t.b);
    fill_large();
    for (int i = 0; i < 4; i++)
        plait_write(t.c.s, plait_slice_of(large, sizeof large));
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 0);
    assert_true(plait_pending(t.c.s) > 4 * sizeof large - 3 * 64 * 1024);
    plait_abort(t.s.s);
    tls_bed_close(&t);
}

/* A protocol that pauses with plaintext left inside OpenSSL, and ciphertext below that. */
static void pause_after_a_little(struct peer *p)
{
    plait_pause(p->s);
}

static const struct plait_protocol tiny = PEER_TABLE(.input_max = 100);

static void run_stop_and_go(enum joint joint)
{
    tls_bed_open(&t, &certs);
    t.joint = joint;
    tls_bed_join(&t, &tiny);
    t.s.on_data = pause_after_a_little;
    fill_large();
    plait_write(t.c.s, plait_slice_of(large, 50000));
    size_t rounds = 0;
    while (t.s.got_len < 50000 && rounds < 1000) {
        bed_settle(&t.b);
        const size_t got = t.s.got_len;
        bed_settle(&t.b);
        assert_int_equal(t.s.got_len, got);
        plait_resume(t.s.s);
        rounds++;
    }
    assert_int_equal(t.s.got_len, 50000);
    assert_memory_equal(t.s.got, large, 50000);
    assert_true(rounds >= 500);
    tls_bed_close(&t);
}

static void nothing_is_lost_between_the_layers_when_reading_stops(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_stop_and_go((enum joint)joint);
}

/* Ciphertext of two records and a little, all there while nobody wants it. */
static void open_with_held_ciphertext(void)
{
    tls_bed_open(&t, &certs);
    t.joint = JOINT_UNIX;
    tls_bed_join(&t, &tiny);
    t.s.on_data = pause_after_a_little;
    plait_write(t.c.s, plait_slice_of(large, 30000));
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 100);
}

static void ciphertext_that_nobody_wants_is_kept_in_order(void **state)
{
    (void)state;
    uint8_t header[] = {23, 3, 3};
    fill_large();
    open_with_held_ciphertext();
    assert_non_null(tls_of(t.s.s)->held);
    plait__tls_up.input(tls_of(t.s.s), header, sizeof header); /* as a carrier that does not do as it is told */
    t.s.on_data = NULL;
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 30000);
    assert_memory_equal(t.s.got, large, 30000);
    assert_null(tls_of(t.s.s)->held);
    tls_bed_close(&t);
}

static void an_end_below_waits_for_what_is_kept(void **state)
{
    (void)state;
    open_with_held_ciphertext();
    plait__tls_up.input_end(tls_of(t.s.s));
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 100);
    t.s.on_data = NULL;
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 30000);
    assert_int_equal(t.s.fault.err, PLAIT_ETLSTRUNCATED);
    tls_bed_close(&t);
}

static void without_memory_to_keep_ciphertext_the_connection_ends(void **state)
{
    (void)state;
    uint8_t header[] = {23, 3, 3};
    open_with_held_ciphertext();
    bed_fail(&t.b, 1);
    plait__tls_up.input(tls_of(t.s.s), header, sizeof header);
    bed_heal(&t.b);
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_ENOMEM);
    tls_bed_close(&t);
}

/* Of two records that came together the first is being delivered, the second is still in the lent window. */
static void feed_while_memory_fails_once(struct peer *p)
{
    uint8_t header[] = {23, 3, 3};
    struct plait__tls *tls = tls_of(p->s);
    p->on_data = NULL;
    assert_true(tls->in_len > 0 && !tls->held);
    t.b.heap.fail_at = t.b.heap.calls + 1;
    plait__tls_up.input(tls, header, sizeof header);
}

static void ciphertext_that_could_not_be_kept_ends_the_connection_though_the_next_could(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_UNIX;
    tls_bed_join(&t, &tiny);
    t.s.on_data = feed_while_memory_fails_once;
    plait_write(t.c.s, plait_slice_of(large, 30000));
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_ENOMEM);
    assert_null(t.s.s);
    tls_bed_close(&t);
}

static void feed_a_header(struct peer *p)
{
    uint8_t header[] = {23, 3, 3};
    p->on_data = NULL;
    plait__tls_up.input(tls_of(p->s), header, sizeof header);
    assert_int_equal(tls_of(p->s)->in_len, sizeof header);
}

static void ciphertext_that_comes_while_data_is_delivered_waits(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    t.s.on_data = feed_a_header;
    plait_write(t.c.s, PLAIT_LIT("x"));
    bed_settle(&t.b);
    assert_null(t.s.on_data);
    assert_int_equal(tls_of(t.s.s)->in_len, 0); /* OpenSSL has it now */
    tls_bed_close(&t);
}

/* Nobody reads when the damage is found: reading must begin again, or the peer's end would not be seen. */
static void a_damaged_record_behind_a_pause_is_told_as_soon_as_the_peer_hangs_up(void **state)
{
    (void)state;
    uint8_t bad[5 + 32] = {23, 3, 3, 0, 32};
    open_with_held_ciphertext();
    assert_int_equal(tls_of(t.s.s)->lower_want, 0);
    for (int i = 0; i < 400 && t.s.got_len < 30000; i++) {
        plait_resume(t.s.s);
        bed_settle(&t.b);
    }
    assert_int_equal(t.s.got_len, 30000);
    plait_write(t.c.s, plait_slice_of(large, 150));
    bed_settle(&t.b);
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 30100); /* 50 bytes are left in OpenSSL */
    plait__tls_up.input(tls_of(t.s.s), bad, sizeof bad);
    bed_settle(&t.b);
    assert_int_equal(tls_of(t.s.s)->lower_want, 0);
    t.s.on_data = NULL;
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 30150);
    assert_null(t.s.s); /* without time passing */
    assert_int_equal(t.s.fault.tls_alert, 20);
    assert_int_equal(t.c.fault.tls_alert, 20);
    tls_bed_close(&t);
}

/* TQ-153: many tiny writes share a record. */
static void small_writes_share_records(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    uint64_t before;
    uint64_t after;
    plait_stream_counts(t.c.s, NULL, &before);
    for (int i = 0; i < 3000; i++)
        plait_write(t.c.s, PLAIT_LIT("0123456789"));
    bed_settle(&t.b);
    plait_stream_counts(t.c.s, NULL, &after);
    assert_int_equal(t.s.got_len, 30000);
    assert_true(after - before < 30000 + 8 * 40);
    tls_bed_close(&t);
}

static void an_idle_connection_holds_no_output(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    echo_once("x");
    assert_null(tls_of(t.c.s)->out);
    assert_null(tls_of(t.c.s)->held);
    assert_null(t.c.s->out);
    assert_false(plait_timer_runs(&tls_of(t.c.s)->timer));
    tls_bed_close(&t);
}

static void few_bytes_need_no_memory_of_the_reactors(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    echo_once("x");
    assert_int_equal(tls_of(t.c.s)->module->outs.used, 0); /* all that the handshake took is back */
    bed_fail(&t.b, 1);
    plait_write(t.c.s, PLAIT_LIT("y"));
    bed_settle(&t.b);
    bed_heal(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "xy");
    tls_bed_close(&t);
}

static void a_paused_stream_wants_nothing_from_below(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    assert_true(tls_of(t.c.s)->lower_want > 0);
    plait_pause(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(tls_of(t.c.s)->lower_want, 0);
    plait_resume(t.c.s);
    bed_settle(&t.b);
    assert_true(tls_of(t.c.s)->lower_want > 0);
    tls_bed_close(&t);
}

/* The own end goes down to the carrier below as soon as all has left, whenever that is. */
static void the_own_end_reaches_the_carrier_below(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) { /* some take all at once, some call back for the rest */
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        tls_bed_start(&t, &peer_half_protocol);
        plait_close_write(t.c.s); /* before the handshake */
        bed_settle(&t.b);
        assert_string_equal(t.s.story, "cse");
        assert_true(tls_of(t.c.s)->lower_shut);
        tls_bed_close(&t);
    }
    tls_bed_open(&t, &certs);
    t.out_max = 100000;
    tls_bed_join(&t, &peer_half_protocol);
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("late"));
    plait_close_write(t.c.s);
    bed_settle(&t.b);
    assert_false(tls_of(t.c.s)->lower_shut);
    t.nc.stuck = false;
    narrow_room(&t.nc);
    bed_settle(&t.b);
    assert_true(tls_of(t.c.s)->lower_shut);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "late");
    tls_bed_close(&t);
}

static void writing_on_does_not_prolong_the_patience(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    plait_stream_stall(t.c.s, plait_seconds(10));
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("first"));
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(6));
    plait_write(t.c.s, PLAIT_LIT("second"));
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(6));
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_EPEERSTALLED);
    tls_bed_close(&t);
}

/* Each waits for the other to read, and neither protocol does any more. */
static void two_ends_that_part_with_much_to_say_wait_for_each_other_not_for_the_time(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        tls_bed_join(&t, &peer_protocol);
        plait_pause(t.c.s);
        plait_pause(t.s.s);
        bed_settle(&t.b);
        fill_large();
        plait_write(t.c.s, plait_slice_of(large, 40000));
        plait_write(t.s.s, plait_slice_of(large, 40000));
        plait_close(t.c.s);
        plait_close(t.s.s);
        bed_settle(&t.b);
        bed_settle(&t.b);
        assert_null(t.c.s);
        assert_null(t.s.s);
        assert_int_equal(t.c.fault.err, PLAIT_OK);
        assert_int_equal(t.s.fault.err, PLAIT_OK);
        assert_int_equal(t.b.r->stream_count, 0);
        tls_bed_close(&t);
    }
}

static void a_carrier_that_gives_more_than_was_wanted_loses_nothing(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.in_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    plait_pause(t.s.s);
    bed_settle(&t.b);
    fill_large();
    plait_write(t.c.s, plait_slice_of(large, 30000));
    for (int i = 0; i < 20; i++) {
        t.ns.lower->ops->want_input(t.ns.lower, 5000); /* whatever TLS says */
        bed_settle(&t.b);
    }
    assert_int_equal(t.s.got_len, 0);
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.got_len, 30000);
    assert_memory_equal(t.s.got, large, 30000);
    tls_bed_close(&t);
}

/* What a carrier that closes still has to send nobody waits for when the reactor ends. */
static void a_reactor_that_ends_cuts_what_is_parting(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 100000;
    tls_bed_join(&t, &peer_protocol);
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("never sent"));
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3)); /* the stream lingers no longer, the carrier goes on trying */
    assert_non_null(t.c.s);
    assert_true(tls_of(t.c.s)->parting);
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
    assert_null(t.c.s);
    assert_null(t.s.s);
    assert_int_equal(t.c.told, 3); /* connected, secured, lost */
}

/* No peer of the same reactor ends it. */
static void a_reactor_that_ends_cuts_what_is_parting_though_the_peer_lives_on(void **state)
{
    (void)state;
    struct plait_stream *c;
    int fd[2];
    tls_bed_open(&t, &certs);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(plait__fd_stream_new(t.b.r, PLAIT__FD_UNIX, fd[0], NULL, &c), 0);
    narrow_put(&t.nc, c, 0, 0);
    t.nc.stuck = true;
    peer_attach(&t.c, c, &peer_protocol);
    assert_ok(plait_starttls_client(c, t.client, "a.example", t.alpn));
    bed_settle(&t.b);
    plait_close(c);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    assert_non_null(t.c.s);
    assert_true(tls_of(t.c.s)->parting);
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
    assert_null(t.c.s);
    close(fd[1]);
}

static void a_file_is_sent_as_records(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 8];
    test_folder_make(folder);
    fill_large();
    test_file_write(folder, "f", plait_slice_of(large, sizeof large));
    (void)snprintf(path, sizeof path, "%s/f", folder);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    plait_write(t.c.s, PLAIT_LIT("<"));
    plait_write_file(t.c.s, fd, 0, sizeof large, NULL, NULL);
    plait_write(t.c.s, PLAIT_LIT(">"));
    for (int i = 0; i < 100 && t.s.got_len < sizeof large + 2; i++)
        bed_settle(&t.b);
    assert_int_equal(t.s.got_len, sizeof large + 2);
    assert_memory_equal(t.s.got + 1, large, sizeof large);
    assert_int_equal(t.s.got[sizeof large + 1], '>');
    close(fd);
    test_folder_remove(folder);
    tls_bed_close(&t);
}

static void descriptors_do_not_cross_tls(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_UNIX;
    tls_bed_join(&t, &peer_protocol);
    const int fd = dup(0);
    assert_err(plait_write_fds(t.c.s, PLAIT_LIT("x"), &fd, 1), PLAIT_EUNSUPPORTED);
    const size_t before = test_open_descriptors();
    plait__tls_up.input_fds(tls_of(t.s.s), &fd, 1);
    assert_int_equal(test_open_descriptors(), before - 1);
    assert_string_equal(t.s.story, "cs");
    tls_bed_close(&t);
}

static void the_carrier_below_is_asked_for_addresses_options_and_credentials(void **state)
{
    (void)state;
    struct plait_address address;
    struct plait_peer_cred cred;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    tls_bed_join(&t, &peer_protocol);
    plait_stream_local(t.c.s, &address);
    assert_int_equal(address.kind, PLAIT_ADDR_IP4);
    plait_stream_peer(t.c.s, &address);
    assert_ok(plait_stream_nagle(t.c.s, true));
    assert_err(plait_stream_cred(t.c.s, &cred), PLAIT_EUNSUPPORTED);
    plait_abort(t.c.s);
    bed_settle(&t.b);
    t.joint = JOINT_PAIR;
    tls_bed_join(&t, &peer_protocol);
    assert_err(plait_stream_nagle(t.c.s, true), PLAIT_EUNSUPPORTED);
    assert_err(plait_stream_cred(t.c.s, &cred), PLAIT_EUNSUPPORTED);
    plait__tls_up.secured(NULL);
    tls_bed_close(&t);
}

static void two_layers_of_tls_are_refused(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    assert_err(plait_starttls_server(t.s.s, t.server), PLAIT_ESTATE);
    assert_err(plait_starttls_client(t.c.s, t.client, "a.example", t.alpn), PLAIT_ESTATE);
    tls_bed_close(&t);
}

static void a_record_is_gathered_in_order_and_counted_below(void **state)
{
    static const char *const words[] = {"one record ", "of several ", "buffers, ", "each handed over"};
    uint64_t sent;
    uint64_t before;
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    plait_stream_counts(t.c.s, NULL, &before);
    for (size_t i = 0; i < TEST_COUNT(words); i++) {
        struct plait_buf buf;
        plait_buf_init(&buf, plait_reactor_budget(t.b.r), 100);
        plait_buf_put_text(&buf, words[i]);
        plait_write_take(t.c.s, &buf);
    }
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "one record of several buffers, each handed over");
    plait_stream_counts(t.c.s, NULL, &sent);
    assert_true(before > 100);                                 /* the handshake */
    assert_int_equal(sent - before, t.s.got_len + 5 + 1 + 16); /* one record of TLS 1.3 (RFC 8446 section 5.2) */
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(both_versions_work_over_every_carrier),
               cmocka_unit_test(a_record_is_gathered_in_order_and_counted_below),
               cmocka_unit_test(nothing_is_known_of_tls_before_the_handshake),
               cmocka_unit_test(records_may_come_byte_by_byte), cmocka_unit_test(records_may_leave_byte_by_byte),
               cmocka_unit_test(what_is_written_before_the_handshake_ends_goes_behind_it),
               cmocka_unit_test(much_goes_through_in_order), cmocka_unit_test(a_paused_reader_holds_the_writer_back),
               cmocka_unit_test(nothing_is_lost_between_the_layers_when_reading_stops),
               cmocka_unit_test(ciphertext_that_nobody_wants_is_kept_in_order),
               cmocka_unit_test(an_end_below_waits_for_what_is_kept),
               cmocka_unit_test(without_memory_to_keep_ciphertext_the_connection_ends),
               cmocka_unit_test(small_writes_share_records), cmocka_unit_test(an_idle_connection_holds_no_output),
               cmocka_unit_test(a_file_is_sent_as_records), cmocka_unit_test(descriptors_do_not_cross_tls),
               cmocka_unit_test(the_carrier_below_is_asked_for_addresses_options_and_credentials),
               cmocka_unit_test(few_bytes_need_no_memory_of_the_reactors),
               cmocka_unit_test(a_paused_stream_wants_nothing_from_below),
               cmocka_unit_test(a_reactor_that_ends_cuts_what_is_parting),
               cmocka_unit_test(a_reactor_that_ends_cuts_what_is_parting_though_the_peer_lives_on),
               cmocka_unit_test(the_own_end_reaches_the_carrier_below),
               cmocka_unit_test(writing_on_does_not_prolong_the_patience),
               cmocka_unit_test(two_ends_that_part_with_much_to_say_wait_for_each_other_not_for_the_time),
               cmocka_unit_test(a_carrier_that_gives_more_than_was_wanted_loses_nothing),
               cmocka_unit_test(ciphertext_that_could_not_be_kept_ends_the_connection_though_the_next_could),
               cmocka_unit_test(ciphertext_that_comes_while_data_is_delivered_waits),
               cmocka_unit_test(a_damaged_record_behind_a_pause_is_told_as_soon_as_the_peer_hangs_up),
               cmocka_unit_test(two_layers_of_tls_are_refused))
