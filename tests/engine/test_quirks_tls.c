/* SPDX-License-Identifier: MIT
 *
 * Quirks of TLS layers that other tests of TLS don't name (docs/quirks.md): writers that wait for room, readers that
 * pause, calls after the end, and errors in contexts and inside OpenSSL's own callbacks. Sockets of the real kernel are
 * below.
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

/* --- TQ-154, TQ-155: who waits for room, and who pauses ----------------------------------------------------------- */

enum { PIECE = 24 * 1024, WHOLE = 4 << 20, PATIENCE = 4000 };

/* Writes a piece whenever there is room, as a producer that is asked for more. */
struct pump {
    struct plait_stream *s; /* NULL: lost */
    size_t left;
    unsigned rooms, after_lost;
    bool lost;
};

static void pump_fill(struct pump *p, struct plait_stream *s)
{
    static const uint8_t piece[PIECE];
    while (p->left > 0 && !plait_is_full(s)) {
        const size_t n = p->left < PIECE ? p->left : PIECE;
        plait_write(s, plait_slice_of(piece, n));
        p->left -= n;
    }
}

static void pump_connected(struct plait_stream *s, void *self)
{
    pump_fill(self, s);
}

static void pump_room(struct plait_stream *s, void *self)
{
    struct pump *p = self;
    p->rooms++;
    p->after_lost += p->lost;
    pump_fill(p, s);
}

static void pump_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct pump *p = self;
    (void)s, (void)fault;
    p->lost = true;
    p->s = NULL;
}

static const struct plait_protocol pump_protocol = {
    .name = "pump", .connected = pump_connected, .room = pump_room, .lost = pump_lost};

struct drain {
    size_t got;
    bool lost;
};

static size_t drain_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    ((struct drain *)self)->got += in.len;
    return in.len;
}

static void drain_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s, (void)fault;
    ((struct drain *)self)->lost = true;
}

static const struct plait_protocol drain_protocol = {.name = "drain", .data = drain_data, .lost = drain_lost};

/* A pump and a drain with TLS between them, or without. Returns the drain's stream. */
static struct plait_stream *pump_open(struct pump *p, struct drain *d, bool secure)
{
    struct plait_stream *to;
    *p = (struct pump){.left = WHOLE};
    *d = (struct drain){.got = 0};
    join(&t.b, JOINT_UNIX, &p->s, &to); /* whose buffers are small */
    plait_stream_attach(p->s, &pump_protocol, p);
    plait_stream_attach(to, &drain_protocol, d);
    if (secure) {
        assert_ok(plait_starttls_client(p->s, t.client, "a.example", plait_slice_of(NULL, 0)));
        assert_ok(plait_starttls_server(to, t.server));
    }
    return to;
}

static void a_writer_that_waits_for_room_is_the_same_with_and_without_tls(void **state)
{
    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        struct pump p;
        struct drain d;
        tls_bed_open(&t, &certs);
        (void)pump_open(&p, &d, secure);
        for (int i = 0; i < PATIENCE && d.got < WHOLE; i++)
            bed_settle(&t.b);
        assert_int_equal(d.got, WHOLE);
        assert_int_equal(p.left, 0);
        assert_true(p.rooms > 0 && p.rooms <= WHOLE / PIECE);
        plait_close(p.s);
        bed_settle(&t.b);
        assert_true(p.lost && d.lost);
        tls_bed_close(&t);
    }
}

/* The layers below pause as they must; what the protocol asked for is one flag, however often it was asked. */
static void one_resume_undoes_any_number_of_pauses(void **state)
{
    struct pump p;
    struct drain d;
    (void)state;
    tls_bed_open(&t, &certs);
    struct plait_stream *to = pump_open(&p, &d, true);
    for (int i = 0; i < PATIENCE && d.got == 0; i++)
        assert_ok(plait_reactor_step(t.b.r, 0));
    plait_pause(to);
    plait_pause(to);
    bed_settle(&t.b);
    const size_t before = d.got;
    for (int i = 0; i < 50; i++)
        bed_settle(&t.b);
    plait_pause(to);
    assert_int_equal(d.got, before); /* nothing that the layer below had already comes through */
    assert_true(p.left > 0 && plait_is_full(p.s));
    plait_resume(to);
    for (int i = 0; i < PATIENCE && d.got < WHOLE; i++)
        bed_settle(&t.b);
    assert_int_equal(d.got, WHOLE);
    plait_resume(to);
    plait_abort(p.s);
    bed_settle(&t.b);
    tls_bed_close(&t);
}

/* --- TQ-156: after the end ---------------------------------------------------------------------------------------- */

static void do_everything_once_more(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)fault;
    ++*(int *)self;
    plait_pause(s);
    plait_write(s, PLAIT_LIT("too late"));
    plait_flush(s);
    plait_resume(s);
    plait_need(s, 10);
    plait_close_write(s);
    plait_close(s);
    plait_abort(s);
    assert_int_equal(plait_pending(s), 0);
    assert_err(plait_starttls_server(s, t.server), PLAIT_ESTATE);
}

static void calls_on_a_tls_stream_that_was_lost_do_nothing(void **state)
{
    static const struct plait_protocol late = {.name = "late", .lost = do_everything_once_more};
    int lost = 0;
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    tls_bed_join(&t, &peer_protocol);
    plait_stream_attach(t.s.s, &late, &lost);
    t.s.s = NULL;
    plait_abort(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(lost, 1);
    tls_bed_close(&t);
}

static void a_writer_that_waits_for_room_is_told_of_the_loss_and_of_no_room(void **state)
{
    struct pump p;
    struct drain d;
    (void)state;
    tls_bed_open(&t, &certs);
    struct plait_stream *to = pump_open(&p, &d, true);
    for (int i = 0; i < PATIENCE && d.got == 0; i++)
        assert_ok(plait_reactor_step(t.b.r, 0));
    plait_pause(to);
    bed_settle(&t.b);
    assert_true(plait_is_full(p.s));
    plait_abort(to);
    bed_settle(&t.b);
    assert_true(p.lost);
    assert_int_equal(p.after_lost, 0);
    tls_bed_close(&t);
}

/* --- TQ-159, TQ-161: errors of contexts, and inside OpenSSL's callbacks ------------------------------------------- */

static void what_is_wrong_with_a_context_is_said_at_the_call(void **state)
{
    const struct plait_tls_server_options no_cert = {.key_pem = certs.server.key_pem};
    const struct plait_tls_server_options other_key = {.cert_pem = certs.server.cert_pem,
                                                       .key_pem = certs.client.key_pem};
    const struct plait_tls_client_options no_ca = {.ca_pem = PLAIT_LIT("not a certificate")};
    struct plait_tls_server *server = NULL;
    struct plait_tls_client *client = NULL;
    char why[200] = "";
    (void)state;
    tls_bed_open(&t, &certs);
    assert_true(plait_tls_server_new(t.b.r, &no_cert, &server, why) != PLAIT_OK);
    assert_true(why[0] != '\0');
    why[0] = '\0';
    assert_true(plait_tls_server_new(t.b.r, &other_key, &server, why) != PLAIT_OK);
    assert_true(why[0] != '\0');
    why[0] = '\0';
    assert_true(plait_tls_client_new(t.b.r, &no_ca, &client, why) != PLAIT_OK);
    assert_true(why[0] != '\0');
    struct plait_stream *x;
    struct plait_stream *y;
    join(&t.b, JOINT_TCP, &x, &y);
    assert_true(plait_starttls_client(x, t.client, NULL, plait_slice_of(NULL, 0)) != PLAIT_OK); /* no name to verify */
    plait_abort(x);
    plait_abort(y);
    bed_settle(&t.b);
    tls_bed_close(&t);
}

/* A certificate that is refused, names that nobody has: all found inside OpenSSL. Each costs its own connection, with a
 * reason, and the contexts go on. */
static void what_is_refused_inside_openssl_costs_that_connection_only(void **state)
{
    static const char *const names[] = {"a.example", "other.example", "127.0.0.1", "192.0.2.1", "x.wild.example"};
    static const bool good[] = {true, false, true, false, true};
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_TCP;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < TEST_COUNT(names); i++) {
            t.name = names[i];
            tls_bed_join(&t, &peer_protocol);
            assert_int_equal(strchr(t.c.story, 's') != NULL, good[i]);
            if (good[i]) {
                plait_close(t.c.s);
            } else {
                assert_int_equal(t.c.fault.err, PLAIT_EVERIFY);
                assert_non_null(strstr(t.c.fault.detail, "the certificate is for another"));
                assert_true(t.s.fault.tls_alert >= 0); /* the other side was told why */
            }
            bed_settle(&t.b);
            assert_null(t.c.s);
            assert_null(t.s.s);
        }
    }
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(a_writer_that_waits_for_room_is_the_same_with_and_without_tls),
               cmocka_unit_test(one_resume_undoes_any_number_of_pauses),
               cmocka_unit_test(calls_on_a_tls_stream_that_was_lost_do_nothing),
               cmocka_unit_test(a_writer_that_waits_for_room_is_told_of_the_loss_and_of_no_room),
               cmocka_unit_test(what_is_wrong_with_a_context_is_said_at_the_call),
               cmocka_unit_test(what_is_refused_inside_openssl_costs_that_connection_only))
