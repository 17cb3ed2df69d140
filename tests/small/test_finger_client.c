/* SPDX-License-Identifier: MIT
 *
 * The finger client against a scripted server on the loopback: every way in which a call ends.
 */
#include "tests/engine/peer.h"

#include <plait/finger.h>

/* A scripted server on the loopback, and a call of it. */
struct call {
    struct bed b;
    struct peer p; /* the server's end of the last connection */
    struct plait_listener *listener;
    struct plait_finger_client_options options;
    struct seen seen;
    char answer[256];
};

static plait_err open_peer(struct plait_stream *s, void *ctx)
{
    peer_attach(ctx, s, &peer_protocol);
    return PLAIT_OK;
}

static struct call *call_new(void)
{
    static const struct plait_service_ops ops = {.name = "script", .open = open_peer};
    struct call *c = calloc(1, sizeof *c);
    struct plait_address at;
    assert_non_null(c);
    bed_open(&c->b);
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &at));
    assert_ok(plait_listen(c->b.r, &at, NULL, plait_service_new(c->b.r, &ops, &c->p), &c->listener));
    plait_listener_address(c->listener, &at);
    c->options.port = at.port;
    return c;
}

static void call_free(struct call *c)
{
    plait_listener_close(&c->listener);
    bed_close(&c->b);
    free(c);
}

static void keep_answer(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    c->seen.calls++;
    c->seen.err = result->fault.err;
    if (result->fault.err == PLAIT_OK) {
        const struct plait_finger_text *text = result->value.ptr;
        (void)snprintf(c->answer, sizeof c->answer, "%.*s", PLAIT_ARG(plait_buf_slice(&text->buf)));
    }
    result->fault.err = PLAIT_OK;
}

static struct plait_deferred *ask(struct call *c, const char *target)
{
    struct plait_deferred *d = plait_finger(c->b.r, plait_slice_text(target), &c->options);
    assert_ok(plait_then(d, keep_answer, c));
    bed_settle(&c->b);
    return d;
}

static void a_query_is_sent_and_the_answer_collected_to_its_end(void **state)
{
    (void)state;
    struct call *c = call_new();
    c->options.whois = true;
    (void)ask(c, "ann@127.0.0.1");
    assert_slice(plait_slice_of(c->p.got, c->p.got_len), "/W ann\r\n");
    plait_write(c->p.s, PLAIT_LIT("Login: ann\r\n"));
    bed_settle(&c->b);
    plait_write(c->p.s, PLAIT_LIT("No plan.\r\n"));
    bed_settle(&c->b);
    assert_int_equal(c->seen.calls, 0);
    plait_close(c->p.s);
    bed_settle(&c->b);
    assert_int_equal(c->seen.calls, 1);
    assert_err(c->seen.err, PLAIT_OK);
    assert_string_equal(c->answer, "Login: ann\r\nNo plan.\r\n");
    call_free(c);
}

static void the_last_host_is_asked_to_forward_the_rest(void **state)
{
    (void)state;
    struct call *c = call_new();
    (void)ask(c, "ann@inner@127.0.0.1");
    assert_slice(plait_slice_of(c->p.got, c->p.got_len), "ann@inner\r\n");
    plait_close(c->p.s);
    bed_settle(&c->b);
    assert_err(c->seen.err, PLAIT_OK);
    assert_string_equal(c->answer, "");
    call_free(c);
}

static void an_answer_up_to_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct call *c = call_new();
        c->options.answer_max = 8;
        (void)ask(c, "@127.0.0.1");
        plait_write(c->p.s, PLAIT_LIT("1234"));
        bed_settle(&c->b);
        plait_write(c->p.s, more ? PLAIT_LIT("56789") : PLAIT_LIT("5678"));
        bed_settle(&c->b);
        if (c->p.s)
            plait_close(c->p.s);
        bed_settle(&c->b);
        assert_err(c->seen.err, more ? PLAIT_ETOOLONG : PLAIT_OK);
        assert_int_equal(c->seen.calls, 1);
        call_free(c);
    }
}

static void what_cannot_be_asked_is_told(void **state)
{
    (void)state;
    char name[PLAIT_FINGER_LINE_MAX + 16];
    struct call *c = call_new();
    (void)ask(c, "ann@");
    assert_err(c->seen.err, PLAIT_EINVAL);
    (void)ask(c, "an\rn@127.0.0.1");
    assert_err(c->seen.err, PLAIT_EINVAL);
    memset(name, 'u', sizeof name);
    memcpy(name + PLAIT_FINGER_LINE_MAX + 1, "@h", 3);
    (void)ask(c, name);
    assert_err(c->seen.err, PLAIT_ETOOLONG);
    assert_int_equal(c->seen.calls, 3);
    assert_int_equal(c->p.told, 0);
    call_free(c);
}

static void a_host_that_refuses_is_told(void **state)
{
    (void)state;
    struct call *c = call_new();
    plait_listener_close(&c->listener);
    (void)ask(c, "ann@127.0.0.1");
    assert_err(c->seen.err, PLAIT_EREFUSED);
    call_free(c);
}

static void a_connection_that_breaks_is_told(void **state)
{
    (void)state;
    struct call *c = call_new();
    (void)ask(c, "ann@127.0.0.1");
    plait_write(c->p.s, PLAIT_LIT("half an ans"));
    bed_settle(&c->b);
    plait_abort(c->p.s);
    bed_settle(&c->b);
    assert_err(c->seen.err, PLAIT_ERESET);
    call_free(c);
}

static void an_answer_that_does_not_end_in_time_is_given_up(void **state)
{
    (void)state;
    struct call *c = call_new();
    c->options.timeout = plait_seconds(3);
    (void)ask(c, "ann@127.0.0.1");
    bed_pass(&c->b, plait_seconds(2));
    plait_write(c->p.s, PLAIT_LIT("slow"));
    bed_settle(&c->b);
    assert_int_equal(c->seen.calls, 0);
    bed_pass(&c->b, plait_seconds(2));
    bed_settle(&c->b);
    assert_err(c->seen.err, PLAIT_ETIMEDOUT);
    assert_null(c->p.s);
    call_free(c);
}

static void cancelling_ends_the_connection(void **state)
{
    (void)state;
    struct call *c = call_new();
    plait_deferred_cancel(ask(c, "ann@127.0.0.1"));
    bed_settle(&c->b);
    assert_err(c->seen.err, PLAIT_ECANCELLED);
    assert_null(c->p.s);
    call_free(c);
}

/* At every turn between asking and being connected. */
static void cancelling_while_it_connects_ends_it_too(void **state)
{
    (void)state;
    for (int turns = 0; turns < 6; turns++) {
        struct call *c = call_new();
        struct plait_deferred *d = plait_finger(c->b.r, PLAIT_LIT("ann@127.0.0.1"), &c->options);
        assert_ok(plait_then(d, keep_answer, c));
        for (int i = 0; i < turns; i++)
            assert_ok(plait_reactor_step(c->b.r, 0));
        plait_deferred_cancel(d);
        bed_settle(&c->b);
        assert_int_equal(c->seen.calls, 1);
        assert_err(c->seen.err, PLAIT_ECANCELLED);
        call_free(c);
    }
}

static void cancel_now(void *ctx)
{
    plait_deferred_cancel(ctx);
}

/* In front of everything else that a turn has ready: between the connection's coming and the call's hearing of it. */
static void cancelling_first_thing_in_any_turn_ends_it_once(void **state)
{
    (void)state;
    for (int turns = 0; turns < 8; turns++) {
        struct call *c = call_new();
        struct plait_soon soon;
        struct plait_deferred *d = plait_finger(c->b.r, PLAIT_LIT("ann@127.0.0.1"), &c->options);
        assert_ok(plait_then(d, keep_answer, c));
        plait_soon_init(&soon, c->b.r, "cancel", cancel_now, d);
        for (int i = 0; i < turns; i++)
            assert_ok(plait_reactor_step(c->b.r, 0));
        plait_soon_queue(&soon);
        bed_settle(&c->b);
        assert_int_equal(c->seen.calls, 1);
        assert_err(c->seen.err, PLAIT_ECANCELLED);
        assert_null(c->p.s);
        call_free(c);
    }
}

static void the_reactors_end_ends_a_call(void **state)
{
    (void)state;
    struct call *c = call_new();
    (void)ask(c, "ann@127.0.0.1");
    call_free(c);
}

static void without_options_port_79_of_this_host_is_asked(void **state)
{
    (void)state;
    struct call *c = call_new();
    struct plait_deferred *d = plait_finger(c->b.r, PLAIT_LIT("ann"), NULL);
    assert_ok(plait_then(d, keep_answer, c));
    plait_deferred_cancel(d);
    bed_settle(&c->b);
    assert_err(c->seen.err, PLAIT_ECANCELLED);
    call_free(c);
}

/* Every allocation of a call fails once, on either side: it ends once, with an answer or with an error. */
static void whichever_allocation_fails_the_call_ends_once(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        struct call *c = call_new();
        c->p.greeting = PLAIT_LIT("Login: ann\r\n");
        c->b.heap.fail_at = c->b.heap.calls + n;
        struct plait_deferred *d = plait_finger(c->b.r, PLAIT_LIT("ann@127.0.0.1"), &c->options);
        const bool asked = d && plait_then(d, keep_answer, c) == PLAIT_OK;
        bed_settle(&c->b);
        if (c->p.s)
            plait_close(c->p.s);
        bed_settle(&c->b);
        failed = c->b.heap.calls >= c->b.heap.fail_at;
        bed_pass(&c->b, plait_seconds(60));
        bed_settle(&c->b);
        assert_int_equal(c->seen.calls, asked ? 1 : 0);
        if (!failed)
            assert_string_equal(c->answer, "Login: ann\r\n");
        call_free(c);
        assert_true(n < 200);
    }
}

TEST_MAIN(cmocka_unit_test(a_query_is_sent_and_the_answer_collected_to_its_end),
          cmocka_unit_test(the_last_host_is_asked_to_forward_the_rest),
          cmocka_unit_test(an_answer_up_to_the_limit_is_taken_and_one_byte_more_is_not),
          cmocka_unit_test(what_cannot_be_asked_is_told), cmocka_unit_test(a_host_that_refuses_is_told),
          cmocka_unit_test(a_connection_that_breaks_is_told),
          cmocka_unit_test(an_answer_that_does_not_end_in_time_is_given_up),
          cmocka_unit_test(cancelling_ends_the_connection), cmocka_unit_test(cancelling_while_it_connects_ends_it_too),
          cmocka_unit_test(cancelling_first_thing_in_any_turn_ends_it_once),
          cmocka_unit_test(the_reactors_end_ends_a_call),
          cmocka_unit_test(without_options_port_79_of_this_host_is_asked),
          cmocka_unit_test(whichever_allocation_fails_the_call_ends_once))
