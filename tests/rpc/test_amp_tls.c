/* SPDX-License-Identifier: MIT
 *
 * StartTLS inside AMP: either side asks, what is sent meanwhile waits, who has no context refuses, and nothing in the
 * clear comes behind it.
 */
#include "tests/rpc/amp_bed.h"

#include "tests/engine/tls_bed.h"

static struct tls_certs certs;

struct table {
    struct tls_bed tls; /* its bed and its contexts */
    struct side c, s;   /* who connected, who accepted */
};

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

static struct table *sit(enum joint joint, bool client_can, bool server_can)
{
    struct table *t = calloc(1, sizeof *t);
    struct plait_stream *x;
    struct plait_stream *y;
    assert_non_null(t);
    tls_bed_open(&t->tls, &certs);
    join(&t->tls.b, joint, &x, &y);
    if (joint == JOINT_TCP) {
        /* else a short record waits for an acknowledgement, and that waits too */
        assert_ok(plait_stream_nagle(x, false));
        assert_ok(plait_stream_nagle(y, false));
    }
    t->c.o.tls_client = client_can ? t->tls.client : NULL;
    t->c.o.tls_name = "a.example";
    t->s.o.tls_server = server_can ? t->tls.server : NULL;
    t->s.o.accepted = true;
    side_open(&t->c, x);
    side_open(&t->s, y);
    bed_settle(&t->tls.b);
    return t;
}

static void settle(struct table *t)
{
    for (int i = 0; i < 40; i++)
        bed_settle(&t->tls.b);
}

static void rise(struct table *t)
{
    plait_tls_client_unref(&t->tls.client);
    plait_tls_server_unref(&t->tls.server);
    bed_close(&t->tls.b);
    assert_int_equal(t->c.lost, 1);
    assert_int_equal(t->s.lost, 1);
    free(t);
}

static void ask_tls(struct side *side, struct outcome *o)
{
    *o = (struct outcome){.calls = 0};
    assert_ok(plait_then(plait_amp_starttls(side->amp), note, o));
}

static void either_side_can_ask_and_what_is_sent_meanwhile_waits(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * JOINT_COUNT; i++) {
        struct table *t = sit((enum joint)(i / 2), true, true);
        struct side *asker = i % 2 ? &t->c : &t->s;
        struct side *other = i % 2 ? &t->s : &t->c;
        struct outcome o[4];
        ask_tls(asker, &o[0]);
        (void)add(asker, &sum, 1, 2, &o[1]);
        (void)add(other, &sum, 3, 4, &o[2]);
        settle(t);
        for (int j = 0; j < 3; j++) {
            assert_int_equal(o[j].calls, 1);
            assert_err(o[j].err, PLAIT_OK);
        }
        assert_int_equal(o[1].total, 3);
        assert_int_equal(o[2].total, 7);
        assert_non_null(plait_stream_tls(plait_amp_stream(t->c.amp)));
        ask_tls(asker, &o[3]); /* once is enough */
        settle(t);
        assert_err(o[3].err, PLAIT_ESTATE);
        rise(t);
    }
}

static void who_has_no_context_does_not_ask_and_refuses(void **state)
{
    (void)state;
    struct table *t = sit(JOINT_PAIR, false, true);
    struct outcome o;
    ask_tls(&t->c, &o);
    settle(t);
    assert_err(o.err, PLAIT_ESTATE);
    ask_tls(&t->s, &o);
    settle(t);
    assert_int_equal(o.calls, 1);
    assert_err(o.err, PLAIT_EREPLY);
    assert_string_equal(o.detail, "UNHANDLED");
    assert_err(t->s.fault.err, PLAIT_EREPLY);
    rise(t);
}

static void two_that_ask_at_once_part(void **state)
{
    (void)state;
    struct table *t = sit(JOINT_UNIX, true, true);
    struct outcome o[2];
    ask_tls(&t->c, &o[0]);
    ask_tls(&t->s, &o[1]);
    settle(t);
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[1].calls, 1);
    assert_true(o[0].err != PLAIT_OK && o[1].err != PLAIT_OK);
    rise(t);
}

static void a_handshake_that_fails_fails_what_waits(void **state)
{
    (void)state;
    struct table *t = sit(JOINT_PAIR, true, true);
    struct outcome o[2];
    t->c.amp->o.tls_name = "b.example";
    ask_tls(&t->c, &o[0]);
    (void)add(&t->c, &sum, 1, 2, &o[1]);
    settle(t);
    assert_err(o[0].err, PLAIT_EVERIFY);
    assert_err(o[1].err, PLAIT_EVERIFY);
    rise(t);
}

/* A context for a name that cannot be verified: the handshake does not even begin. */
static void a_handshake_that_cannot_begin_ends_the_connection(void **state)
{
    (void)state;
    for (int asks = 0; asks < 2; asks++) {
        struct table *t = sit(JOINT_PAIR, true, true);
        struct outcome o;
        t->c.amp->o.tls_name = NULL;
        ask_tls(asks ? &t->c : &t->s, &o);
        settle(t);
        assert_int_equal(o.calls, 1);
        assert_true(o.err != PLAIT_OK);
        assert_err(t->c.fault.err, PLAIT_EINVAL);
        rise(t);
    }
}

static void bytes_in_the_clear_behind_the_answer_end_the_connection(void **state)
{
    (void)state;
    struct table *t = calloc(1, sizeof *t);
    struct peer p = {.s = NULL};
    struct plait_stream *x;
    struct plait_stream *y;
    struct outcome o;
    assert_non_null(t);
    tls_bed_open(&t->tls, &certs);
    join(&t->tls.b, JOINT_UNIX, &x, &y);
    t->c.o.tls_client = t->tls.client;
    t->c.o.tls_name = "a.example";
    side_open(&t->c, x);
    peer_attach(&p, y, &peer_protocol);
    ask_tls(&t->c, &o);
    settle(t);
    assert_slice_is(plait_slice_of(p.got, p.got_len), PLAIT_LIT("\0\10_command\0\10StartTLS\0\4_ask\0\0011\0\0"));
    plait_write(p.s, PLAIT_LIT("\0\7_answer\0\0011\0\0\0\10_command\0\7Nothing\0\0"));
    settle(t);
    assert_err(t->c.fault.err, PLAIT_ECLEARTEXT);
    assert_int_equal(t->c.told, 0);
    plait_tls_client_unref(&t->tls.client);
    plait_tls_server_unref(&t->tls.server);
    bed_close(&t->tls.b);
    free(t);
}

/* The client's first words may stand right behind its answer: they are the handshake's. */
static void a_handshake_may_begin_right_behind_the_answer(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 30; k++) {
        struct table *t = calloc(1, sizeof *t);
        struct peer *p = calloc(1, sizeof *p);
        struct plait_stream *x;
        struct plait_stream *y;
        struct outcome o;
        assert_true(t && p);
        tls_bed_open(&t->tls, &certs);
        join(&t->tls.b, JOINT_UNIX, &x, &y);
        t->s.o.tls_server = t->tls.server;
        t->s.o.accepted = true;
        side_open(&t->s, x);
        peer_attach(p, y, &peer_protocol);
        ask_tls(&t->s, &o);
        settle(t);
        plait_write(p->s, PLAIT_LIT("\0\7_answer\0\0011\0\0no handshake"));
        plait_flush(p->s);
        t->tls.b.heap.fail_at = k ? t->tls.b.heap.calls + k : 0;
        settle(t);
        assert_int_equal(o.calls, 1);
        if (k == 0)
            assert_err(t->s.fault.err, PLAIT_ETLS);
        else
            assert_true(t->s.fault.err == PLAIT_ETLS || t->s.fault.err == PLAIT_ENOMEM);
        plait_tls_client_unref(&t->tls.client);
        plait_tls_server_unref(&t->tls.server);
        bed_close(&t->tls.b);
        free(p);
        free(t);
    }
}

static void descriptors_do_not_go_through_tls(void **state)
{
    (void)state;
    const size_t before = test_open_descriptors();
    struct table *t = sit(JOINT_UNIX, true, true);
    struct outcome o[2] = {{.calls = 0}, {.calls = 0}};
    ask_tls(&t->c, &o[0]);
    struct plait_amp_box *box = plait_amp_begin(t->c.amp, &pass);
    plait_amp_put_descriptor(box, "fd", open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_ok(plait_then(plait_amp_call(box), note, &o[1]));
    settle(t);
    assert_err(o[0].err, PLAIT_OK);
    assert_int_equal(o[1].calls, 1);
    assert_err(t->c.fault.err, PLAIT_EUNSUPPORTED);
    rise(t);
    assert_int_equal(test_open_descriptors(), before);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(either_side_can_ask_and_what_is_sent_meanwhile_waits),
               cmocka_unit_test(who_has_no_context_does_not_ask_and_refuses),
               cmocka_unit_test(two_that_ask_at_once_part), cmocka_unit_test(a_handshake_that_fails_fails_what_waits),
               cmocka_unit_test(a_handshake_that_cannot_begin_ends_the_connection),
               cmocka_unit_test(bytes_in_the_clear_behind_the_answer_end_the_connection),
               cmocka_unit_test(a_handshake_may_begin_right_behind_the_answer),
               cmocka_unit_test(descriptors_do_not_go_through_tls))
