/* SPDX-License-Identifier: MIT
 *
 * The small services over datagrams: no answer is longer than its question.
 */
#include "tests/engine/datagram_end.h"

#include "engine/stream_core.h"

#include <plait/small.h>

/* A service and a client on the loopback. */
struct table {
    struct bed b;
    struct end client;
    struct plait_small_datagram *small;
    struct plait_address at;
};

static void sit(struct table *t, enum plait_small which, const char *quote)
{
    const struct plait_small_options options = {.quote = quote};
    const struct plait_address any = ip4("127.0.0.1", 0);
    bed_open(&t->b);
    open_at(&t->b, &t->client, "127.0.0.1");
    assert_ok(plait_small_datagram_open(t->b.r, which, &any, &options, &t->small));
    plait_small_datagram_address(t->small, &t->at);
}

static void rise(struct table *t)
{
    plait_small_datagram_close(&t->small);
    assert_null(t->small);
    plait_small_datagram_close(&t->small);
    plait_datagram_close(&t->client.d);
    bed_close(&t->b);
}

static void ask(struct table *t, size_t bytes)
{
    static const uint8_t much[600] = "0123456789";
    assert_ok(plait_send(t->client.d, &t->at, plait_slice_of(much, bytes)));
    for (int i = 0; i < 8; i++)
        bed_run(&t->b);
}

static void echo_sends_a_datagram_back(void **state)
{
    (void)state;
    struct table t;
    sit(&t, PLAIT_ECHO, NULL);
    ask(&t, 10);
    assert_int_equal(t.client.packets, 1);
    assert_slice(plait_slice_of(t.client.got, t.client.got_len), "0123456789");
    ask(&t, 0);
    assert_int_equal(t.client.packets, 1);
    rise(&t);
}

static void discard_answers_nothing(void **state)
{
    (void)state;
    struct table t;
    sit(&t, PLAIT_DISCARD, NULL);
    ask(&t, 10);
    assert_int_equal(t.client.packets, 0);
    rise(&t);
}

/* What would be longer than the question is not sent; chargen is cut (RFC 864: any length will do). */
static void an_answer_is_never_longer_than_the_question(void **state)
{
    (void)state;
    static const struct {
        enum plait_small which;
        size_t enough;
        bool cut;
    } rows[] = {{PLAIT_QOTD, 9, false}, {PLAIT_DAYTIME, 40, false}, {PLAIT_TIME, 4, false}, {PLAIT_CHARGEN, 444, true}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct table t;
        sit(&t, rows[i].which, "a quote");
        for (size_t bytes = 0; bytes <= 500; bytes += bytes < 50 ? 1 : 50) {
            const int before = t.client.packets;
            ask(&t, bytes);
            const bool answered = t.client.packets > before;
            if (answered)
                assert_true(t.client.got_len <= bytes);
            assert_int_equal(answered, rows[i].cut ? bytes > 0 : bytes >= t.client.got_len && t.client.got_len > 0);
        }
        assert_true(t.client.got_len <= rows[i].enough);
        assert_true(t.client.packets > 0);
        rise(&t);
    }
}

/* Who asks from such a port did not ask: the datagram was forged to set two services on each other. */
static void a_port_where_services_stand_gets_no_answer(void **state)
{
    (void)state;
    struct table t;
    sit(&t, PLAIT_ECHO, NULL);
    plait_datagram_close(&t.client.d);
    const struct plait_datagram_options low = {.bind = ip4("127.0.0.1", 1019)};
    if (open_with(&t.b, &t.client, &low) == PLAIT_OK) { /* only root may */
        ask(&t, 10);
        assert_int_equal(t.client.packets, 0);
        plait_datagram_close(&t.client.d);
    }
    const struct plait_datagram_options same = {.bind = ip4("127.0.0.2", t.at.port)};
    assert_ok(open_with(&t.b, &t.client, &same));
    ask(&t, 10);
    assert_int_equal(t.client.packets, 0);
    rise(&t);
}

static void netstrings_need_a_stream(void **state)
{
    (void)state;
    struct bed b;
    struct plait_small_datagram *small;
    const struct plait_address any = ip4("127.0.0.1", 0);
    bed_open(&b);
    assert_err(plait_small_datagram_open(b.r, PLAIT_NETSTRING_ECHO, &any, NULL, &small), PLAIT_EUNSUPPORTED);
    bed_close(&b);
}

static void an_address_that_cannot_be_had_is_told(void **state)
{
    (void)state;
    struct table t;
    struct plait_small_datagram *other;
    sit(&t, PLAIT_ECHO, NULL);
    assert_err(plait_small_datagram_open(t.b.r, PLAIT_ECHO, &t.at, NULL, &other), PLAIT_EADDRINUSE);
    rise(&t);
}

static void whichever_allocation_fails_nothing_is_left(void **state)
{
    (void)state;
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        struct bed b;
        struct plait_small_datagram *small = NULL;
        const struct plait_address any = ip4("127.0.0.1", 0);
        bed_open(&b);
        bed_fail(&b, n);
        err = plait_small_datagram_open(b.r, PLAIT_ECHO, &any, NULL, &small);
        if (err != PLAIT_OK)
            assert_err(err, PLAIT_ENOMEM);
        plait_small_datagram_close(&small);
        bed_close(&b);
        assert_true(n < 50);
    }
}

TEST_MAIN(cmocka_unit_test(echo_sends_a_datagram_back), cmocka_unit_test(discard_answers_nothing),
          cmocka_unit_test(an_answer_is_never_longer_than_the_question),
          cmocka_unit_test(a_port_where_services_stand_gets_no_answer), cmocka_unit_test(netstrings_need_a_stream),
          cmocka_unit_test(an_address_that_cannot_be_had_is_told),
          cmocka_unit_test(whichever_allocation_fails_nothing_is_left))
