/* SPDX-License-Identifier: MIT
 *
 * Tests of how a TLS connection ends (src/engine/tls_carrier.c): close_notify, half-close, truncation, alerts that
 * arrive, a peer that does nothing, memory that runs out at every place.
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

typedef void (*run_fn)(void);

static void over_every_joint_and_version(run_fn run)
{
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        for (size_t v = 0; v < TEST_COUNT(versions); v++) {
            const size_t before = test_open_descriptors();
            tls_bed_open(&t, &certs);
            t.joint = (enum joint)joint;
            t.version = versions[v];
            run();
            tls_bed_close(&t);
            assert_int_equal(test_open_descriptors(), before);
        }
    }
}

static void run_close(void)
{
    tls_bed_join(&t, &peer_protocol);
    plait_write(t.c.s, PLAIT_LIT("last words"));
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "last words");
    assert_string_equal(t.c.story, "csl");
    assert_string_equal(t.s.story, "csdel");
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_int_equal(t.s.fault.err, PLAIT_EEOF);
}

static void a_close_is_an_orderly_end_for_both(void **state)
{
    (void)state;
    over_every_joint_and_version(run_close);
}

static void run_half(void)
{
    tls_bed_join(&t, &peer_half_protocol);
    plait_write(t.c.s, PLAIT_LIT("question"));
    plait_close_write(t.c.s);
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csde");
    plait_write(t.s.s, PLAIT_LIT("answer"));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "answer");
    plait_write(t.s.s, PLAIT_LIT(" and more"));
    plait_close(t.s.s);
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "answer and more");
    assert_string_equal(t.c.story, "csdde");
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_int_equal(t.s.fault.err, PLAIT_OK);
}

static void one_half_can_end_before_the_other(void **state)
{
    (void)state;
    over_every_joint_and_version(run_half);
}

static void a_half_close_during_the_handshake_waits_for_its_end(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_half_protocol);
    plait_close_write(t.c.s);
    bed_settle(&t.b);
    assert_string_equal(t.c.story, "cs");
    assert_string_equal(t.s.story, "cse");
    tls_bed_close(&t);
}

static void a_close_during_the_handshake_does_not_wait(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    tls_bed_start(&t, &peer_protocol);
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_int_equal(t.s.fault.err, PLAIT_ETLS);
    assert_string_equal(t.s.fault.step, "handshake");
    assert_string_equal(t.s.fault.detail, "the peer hung up during the handshake");
    tls_bed_close(&t);
}

static void what_was_written_leaves_although_close_came_during_the_handshake(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    plait_write(t.c.s, PLAIT_LIT("all there is"));
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "all there is");
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    assert_int_equal(t.s.fault.err, PLAIT_EEOF);
    tls_bed_close(&t);
}

/* The carrier below ends as if somebody had cut the wire in good order. */
static void run_truncated(void)
{
    tls_bed_join(&t, &peer_protocol);
    struct plait__carrier *lower = tls_of(t.c.s)->lower;
    lower->ops->shut(lower);
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csl");
    assert_int_equal(t.s.fault.err, PLAIT_ETLSTRUNCATED);
    assert_string_equal(t.s.fault.step, "receive");
}

static void an_end_without_close_notify_is_told(void **state)
{
    (void)state;
    over_every_joint_and_version(run_truncated);
}

static void truncation_is_told_after_a_pause_too(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    plait_pause(t.s.s);
    plait_write(t.c.s, PLAIT_LIT("held"));
    bed_settle(&t.b);
    struct plait__carrier *lower = tls_of(t.c.s)->lower;
    lower->ops->shut(lower);
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "cs");
    plait_resume(t.s.s);
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csdl");
    assert_int_equal(t.s.fault.err, PLAIT_ETLSTRUNCATED);
    tls_bed_close(&t);
}

static void end_below(struct peer *p)
{
    plait__tls_up.input_end(tls_of(p->s));
}

static void an_end_that_comes_while_data_is_delivered_is_told_behind_it(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    t.s.on_data = end_below;
    plait_write(t.c.s, PLAIT_LIT("x"));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csdl");
    assert_int_equal(t.s.fault.err, PLAIT_ETLSTRUNCATED);
    tls_bed_close(&t);
}

static void a_peer_that_skips_close_notify_after_ours_does_no_harm(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    tls_bed_join(&t, &peer_protocol);
    struct plait__carrier *lower = tls_of(t.s.s)->lower;
    plait_pause(t.s.s);
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_string_equal(t.c.story, "cs"); /* lingers */
    lower->ops->shut(lower);
    bed_settle(&t.b);
    assert_string_equal(t.c.story, "csl");
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    tls_bed_close(&t);
}

/* TQ-147 */
static void a_peer_that_never_answers_close_notify_is_left_after_two_seconds(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    tls_bed_join(&t, &peer_protocol);
    plait_pause(t.s.s);
    bed_settle(&t.b);
    plait_close(t.c.s);
    bed_settle(&t.b);
    assert_non_null(t.c.s);
    bed_pass(&t.b, plait_seconds(3));
    bed_settle(&t.b);
    assert_null(t.c.s);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    tls_bed_close(&t);
}

static void run_abort(void)
{
    tls_bed_join(&t, &peer_protocol);
    plait_write(t.c.s, PLAIT_LIT("never mind"));
    plait_abort(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_ECANCELLED);
    assert_true(t.s.fault.err == PLAIT_ERESET || t.s.fault.err == PLAIT_ETLSTRUNCATED);
}

static void an_abort_is_one(void **state)
{
    (void)state;
    over_every_joint_and_version(run_abort);
}

/* --- alerts ------------------------------------------------------------------------------------------------------- */

/* A server, and at the other end somebody who speaks in the clear. */
static void join_in_the_clear(void)
{
    struct plait_stream *c;
    struct plait_stream *s;
    peer_reset(&t.c);
    peer_reset(&t.s);
    join(&t.b, t.joint, &c, &s);
    peer_attach(&t.c, c, &peer_half_protocol);
    peer_attach(&t.s, s, &peer_protocol);
    assert_ok(plait_starttls_server(s, t.server));
}

static void run_nonsense(void)
{
    join_in_the_clear();
    plait_write(t.c.s, PLAIT_LIT("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "cl");
    assert_int_equal(t.c.got_len, 0); /* OpenSSL has no alert for who speaks HTTP */
    assert_true(strchr(t.c.story, 'e') || t.c.fault.err == PLAIT_ERESET);
    assert_int_equal(t.s.fault.err, PLAIT_ETLS);
    assert_string_equal(t.s.fault.step, "handshake");
    assert_string_equal(t.s.fault.detail, "http request");
}

static void who_speaks_something_else_is_refused(void **state)
{
    (void)state;
    over_every_joint_and_version(run_nonsense);
}

/* A record that is whole and says nothing that TLS knows. */
static const uint8_t odd_record[] = {22, 3, 1, 0, 4, 99, 0, 0, 0};

static void an_alert_arrives_before_the_end(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        join_in_the_clear();
        plait_write(t.c.s, plait_slice_of(odd_record, sizeof odd_record));
        plait_write(t.c.s, PLAIT_LIT("and much that nobody will ever read, so that a reset would overtake the alert"));
        bed_settle(&t.b);
        assert_int_equal(t.c.got_len, 7);
        assert_memory_equal(t.c.got, ((const uint8_t[]){21, 3, 3, 0, 2, 2, 10}), 7);
        assert_string_equal(t.c.story, "cde");
        assert_string_equal(t.s.story, "c");        /* it waits for the peer to hang up */
        assert_int_equal(tls_of(t.s.s)->in_len, 0); /* and holds on to nothing that was lent */
        plait_close(t.c.s);
        bed_settle(&t.b);
        assert_string_equal(t.s.story, "cl");
        assert_int_equal(t.s.fault.err, PLAIT_ETLS);
        assert_int_equal(t.s.fault.tls_alert, 10);
        assert_int_equal(t.c.fault.err, PLAIT_OK);
        bed_pass(&t.b, plait_seconds(3)); /* no timer is left */
        tls_bed_close(&t);
    }
}

/* Fatal in form, though its number is that of an orderly end. */
static void an_alert_of_number_zero_is_one(void **state)
{
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 0};
    (void)state;
    tls_bed_open(&t, &certs);
    peer_reset(&t.c);
    peer_reset(&t.s);
    join_peers(&t.b, JOINT_PAIR, &t.c, &t.s);
    assert_ok(plait_starttls_client(t.c.s, t.client, "a.example", t.alpn));
    plait_write(t.s.s, plait_slice_of(alert, sizeof alert));
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    assert_int_equal(t.c.fault.tls_alert, 0);
    assert_string_equal(t.c.fault.detail, "close notify");
    tls_bed_close(&t);
}

static void a_peer_that_does_not_hang_up_after_an_alert_is_left(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    join_in_the_clear();
    plait_write(t.c.s, plait_slice_of(odd_record, sizeof odd_record));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "c");
    bed_pass(&t.b, plait_seconds(3));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "cl");
    tls_bed_close(&t);
}

static void the_reactor_does_not_wait_for_last_words(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    join_in_the_clear();
    plait_write(t.c.s, plait_slice_of(odd_record, sizeof odd_record));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "c");
    plait_tls_server_unref(&t.server);
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
    assert_string_equal(t.s.story, "cl");
}

static void a_damaged_record_ends_the_connection_on_both_sides(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        tls_bed_open(&t, &certs);
        t.version = versions[v];
        tls_bed_join(&t, &peer_protocol);
        uint8_t bad[5 + 32] = {23, 3, 3, 0, 32};
        plait__tls_up.input(tls_of(t.s.s), bad, sizeof bad);
        bed_settle(&t.b);
        assert_int_equal(t.s.fault.err, PLAIT_ETLS);
        assert_int_equal(t.s.fault.tls_alert, 20); /* bad_record_mac */
        assert_string_equal(t.s.fault.step, "receive");
        assert_int_equal(t.c.fault.err, PLAIT_ETLS);
        assert_int_equal(t.c.fault.tls_alert, 20);
        assert_string_equal(t.c.fault.detail, "bad record mac");
        tls_bed_close(&t);
    }
}

static void data_before_a_damaged_record_is_delivered(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    uint8_t bad[5 + 32] = {23, 3, 3, 0, 32};
    plait_write(t.c.s, PLAIT_LIT("good"));
    plait_flush(t.c.s);
    bed_settle(&t.b);
    plait__tls_up.input(tls_of(t.s.s), bad, sizeof bad);
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csdl");
    tls_bed_close(&t);
}

/* --- peers that take nothing -------------------------------------------------------------------------------------- */

static void a_peer_that_takes_no_handshake_is_left(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 100;
    tls_bed_start(&t, &peer_protocol);
    t.nc.stuck = true;
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(59));
    assert_non_null(t.c.s);
    bed_pass(&t.b, plait_seconds(2));
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_EPEERSTALLED);
    tls_bed_close(&t);
}

static void a_peer_that_takes_no_ciphertext_is_left(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 1000;
    tls_bed_join(&t, &peer_protocol);
    plait_stream_stall(t.c.s, plait_seconds(5));
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("all of it is encrypted and none of it leaves"));
    bed_settle(&t.b);
    assert_int_equal(plait_pending(t.c.s), 0);
    bed_pass(&t.b, plait_seconds(6));
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_EPEERSTALLED);
    assert_string_equal(t.c.fault.step, "send");
    tls_bed_close(&t);
}

static void closing_waits_for_the_ciphertext(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 1000;
    tls_bed_join(&t, &peer_protocol);
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("slow but sure"));
    plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3)); /* longer than lingering takes */
    assert_int_equal(t.s.got_len, 0);
    assert_non_null(t.c.s);
    t.nc.stuck = false;
    narrow_room(&t.nc);
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "slow but sure");
    assert_int_equal(t.s.fault.err, PLAIT_EEOF);
    assert_null(t.c.s);
    assert_int_equal(t.c.fault.err, PLAIT_OK);
    tls_bed_close(&t);
}

static void closing_does_not_wait_for_ever(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 1000;
    tls_bed_join(&t, &peer_protocol);
    t.nc.stuck = true;
    plait_write(t.c.s, PLAIT_LIT("slow"));
    plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    assert_non_null(t.c.s);
    bed_pass(&t.b, plait_seconds(60));
    bed_settle(&t.b);
    assert_null(t.c.s);
    assert_err(t.c.fault.err, PLAIT_EPEERSTALLED); /* "slow" never left */
    tls_bed_close(&t);
}

/* The stream has nothing left when it closes; TLS has. */
static void ciphertext_that_is_lost_while_closing_is_told(void **state)
{
    static const uint8_t text[20000];
    (void)state;
    enum { DATA, NOTHING, REASON, VARIANTS };
    static const plait_err errs[VARIANTS] = {PLAIT_EPIPE, PLAIT_OK, PLAIT_EPROTOCOL};
    for (int variant = 0; variant < VARIANTS; variant++) {
        tls_bed_open(&t, &certs);
        t.out_max = 1000;
        tls_bed_join(&t, &peer_half_protocol);
        t.nc.stuck = true;
        plait_write(t.c.s, plait_slice_of(text, variant == NOTHING ? 0 : sizeof text));
        plait_close_with(t.c.s, variant == REASON ? PLAIT_EPROTOCOL : PLAIT_OK, NULL);
        bed_settle(&t.b);
        assert_non_null(t.c.s);
        t.nc.stuck = false;
        t.nc.broken = true;
        narrow_room(&t.nc);
        bed_settle(&t.b);
        bed_pass(&t.b, plait_seconds(3));
        assert_null(t.c.s);
        assert_err(t.c.fault.err, errs[variant]); /* a close_notify that is lost is no loss, a first reason stays */
        tls_bed_close(&t);
    }
}

static void the_carrier_below_may_fail_while_last_words_are_said(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    join_in_the_clear();
    plait_write(t.c.s, plait_slice_of(odd_record, sizeof odd_record));
    bed_settle(&t.b);
    plait_abort(t.c.s); /* a reset */
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "cl");
    assert_int_equal(t.s.fault.err, PLAIT_ETLS); /* TQ-152: the first reason stays */
    tls_bed_close(&t);
}

static void a_failure_below_is_the_reason_unless_tls_failed_before(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 1000;
    tls_bed_join(&t, &peer_protocol);
    t.nc.broken = true;
    plait_write(t.c.s, PLAIT_LIT("x"));
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_EPIPE);
    uint8_t bad[5 + 32] = {23, 3, 3, 0, 32};
    tls_bed_join(&t, &peer_protocol);
    t.nc.broken = true;
    plait__tls_up.input(tls_of(t.c.s), bad, sizeof bad); /* its alert can't be sent (TQ-152) */
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    assert_int_equal(t.c.fault.tls_alert, 20);
    tls_bed_close(&t);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void scenario(void)
{
    struct plait_stream *c;
    struct plait_stream *s;
    if (plait_pair_new(t.b.r, &c, &s) != PLAIT_OK)
        return;
    peer_reset(&t.c);
    peer_reset(&t.s);
    peer_attach(&t.c, c, &peer_protocol);
    peer_attach(&t.s, s, &peer_protocol);
    t.s.echo = true;
    const plait_err client = plait_starttls_client(c, t.client, "a.example", PLAIT_LIT("\001x"));
    const plait_err server = plait_starttls_server(s, t.server);
    assert_true(client == PLAIT_OK || client == PLAIT_ENOMEM);
    assert_true(server == PLAIT_OK || server == PLAIT_ENOMEM);
    if (client != PLAIT_OK || server != PLAIT_OK) {
        plait_abort(c);
        plait_abort(s);
    }
    if (client == PLAIT_OK && t.version)
        SSL_set_max_proto_version(tls_of(c)->ssl, t.version);
    plait_write(c, PLAIT_LIT("a word"));
    bed_settle(&t.b);
    if (t.s.s)
        plait_write(t.s.s, plait_slice_of(t.s.got, sizeof t.s.got / 4));
    if (t.c.s)
        plait_pause(t.c.s);
    bed_settle(&t.b);
    if (t.c.s)
        plait_resume(t.c.s);
    bed_settle(&t.b);
    if (t.c.s)
        plait_close(t.c.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    bed_settle(&t.b);
}

/* Two connections, of which the second takes up a session; the n-th allocation fails. Returns how many there were. */
static uint64_t run_short_of_memory(int version, uint64_t n)
{
    tls_bed_open(&t, &certs);
    t.version = version;
    const uint64_t before = t.b.heap.calls;
    t.b.heap.fail_at = n > 0 ? before + n : 0;
    scenario();
    scenario();
    const uint64_t used = t.b.heap.calls - before;
    assert_true(n > 0 || t.c.fault.err == PLAIT_OK);
    t.b.heap.fail_at = 0;
    assert_true(!t.c.s && !t.s.s);
    tls_bed_close(&t);
    return used;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t v = 0; v < TEST_COUNT(versions); v++) {
        const uint64_t used = run_short_of_memory(versions[v], 0);
        assert_true(used > 20);
        for (uint64_t n = 1; n <= used; n++)
            run_short_of_memory(versions[v], n);
    }
}

/* Lets the n-th allocation of a handshake fail. Returns whether there was one. */
static bool handshake_short_of_memory(uint64_t n)
{
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    const uint64_t at = t.b.heap.calls + n;
    t.b.heap.fail_at = at;
    bed_settle(&t.b);
    const bool failed = t.b.heap.calls >= at;
    t.b.heap.fail_at = 0;
    const bool both = t.c.s && t.s.s && plait_stream_tls(t.c.s) && plait_stream_tls(t.s.s);
    assert_true(both || (!t.c.s && !t.s.s));
    if (both) {
        assert_string_equal(plait_stream_tls(t.c.s)->peer_subject, "CN=server");
        assert_string_equal(plait_stream_tls(t.s.s)->server_name, "a.example");
    }
    assert_true(both || t.c.fault.err == PLAIT_ENOMEM || t.s.fault.err == PLAIT_ENOMEM);
    tls_bed_close(&t);
    return failed;
}

static void a_handshake_without_memory_ends_at_once(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (handshake_short_of_memory(n))
        n++;
    assert_true(n > 3);
}

static void openssl_memory_counts_as_an_estimate(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_join(&t, &peer_protocol);
    assert_true(plait_stream_budget(t.s.s)->used >= PLAIT__TLS_ESTIMATE);
    tls_bed_close(&t);
}

static void a_budget_that_is_spent_refuses_tls(void **state)
{
    (void)state;
    struct plait_stream *c;
    struct plait_stream *s;
    tls_bed_open(&t, &certs);
    assert_ok(plait_pair_new(t.b.r, &c, &s));
    peer_attach(&t.c, c, &peer_protocol);
    peer_attach(&t.s, s, &peer_protocol);
    s->budget.max = PLAIT__TLS_ESTIMATE;
    assert_err(plait_starttls_server(s, t.server), PLAIT_ENOMEM);
    assert_int_equal(s->budget.used, 0);
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_close_is_an_orderly_end_for_both),
               cmocka_unit_test(one_half_can_end_before_the_other),
               cmocka_unit_test(a_half_close_during_the_handshake_waits_for_its_end),
               cmocka_unit_test(a_close_during_the_handshake_does_not_wait),
               cmocka_unit_test(what_was_written_leaves_although_close_came_during_the_handshake),
               cmocka_unit_test(an_end_without_close_notify_is_told),
               cmocka_unit_test(truncation_is_told_after_a_pause_too),
               cmocka_unit_test(an_end_that_comes_while_data_is_delivered_is_told_behind_it),
               cmocka_unit_test(a_peer_that_skips_close_notify_after_ours_does_no_harm),
               cmocka_unit_test(a_peer_that_never_answers_close_notify_is_left_after_two_seconds),
               cmocka_unit_test(an_abort_is_one), cmocka_unit_test(who_speaks_something_else_is_refused),
               cmocka_unit_test(an_alert_arrives_before_the_end), cmocka_unit_test(an_alert_of_number_zero_is_one),
               cmocka_unit_test(a_peer_that_does_not_hang_up_after_an_alert_is_left),
               cmocka_unit_test(the_reactor_does_not_wait_for_last_words),
               cmocka_unit_test(a_damaged_record_ends_the_connection_on_both_sides),
               cmocka_unit_test(data_before_a_damaged_record_is_delivered),
               cmocka_unit_test(a_peer_that_takes_no_handshake_is_left),
               cmocka_unit_test(a_peer_that_takes_no_ciphertext_is_left),
               cmocka_unit_test(closing_waits_for_the_ciphertext), cmocka_unit_test(closing_does_not_wait_for_ever),
               cmocka_unit_test(ciphertext_that_is_lost_while_closing_is_told),
               cmocka_unit_test(the_carrier_below_may_fail_while_last_words_are_said),
               cmocka_unit_test(a_failure_below_is_the_reason_unless_tls_failed_before),
               cmocka_unit_test(memory_may_run_out_anywhere), cmocka_unit_test(a_handshake_without_memory_ends_at_once),
               cmocka_unit_test(openssl_memory_counts_as_an_estimate),
               cmocka_unit_test(a_budget_that_is_spent_refuses_tls))
