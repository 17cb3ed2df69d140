/* SPDX-License-Identifier: MIT
 *
 * Telnet's flow of bytes (RFC 854, RFC 855), whole, byte by byte and cut at random: what comes is told in a text, in
 * which data is as it is, and the rest in brackets.
 */
#include "tests/support/test.h"

#include "shell/telnet_wire.h"

#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }
#define SLICE(literal) plait_slice_of((literal), sizeof(literal) - 1)

enum { ROUNDS = 20, SUB_MAX = 8, TEXT_BYTES = 1024 };

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct telling {
    struct plait_budget budget;
    struct plait__telnet_decoder decoder;
    struct plait_buf text;
};

static void start(struct telling *t, bool binary)
{
    plait_budget_init(&t->budget, NULL, NULL, 0);
    plait_buf_init(&t->text, &t->budget, TEXT_BYTES);
    plait__telnet_decoder_init(&t->decoder, &t->budget, SUB_MAX);
    t->decoder.binary = binary;
}

/* At its end a decoder holds nothing. */
static void stop(struct telling *t)
{
    plait__telnet_decoder_deinit(&t->decoder);
    plait_buf_deinit(&t->text);
    assert_int_equal(t->budget.used, 0);
}

static void tell(struct plait_buf *text, const struct plait__telnet_item *item)
{
    switch (item->event) {
    case PLAIT__TELNET_DATA:
        assert_true(item->bytes.len > 0);
        plait_buf_put(text, item->bytes);
        break;
    case PLAIT__TELNET_COMMAND:
        plait_buf_printf(text, "[%u]", item->command);
        break;
    case PLAIT__TELNET_NEGOTIATE:
        plait_buf_printf(text, "[%u %u]", item->command, item->option);
        break;
    case PLAIT__TELNET_SUB:
        plait_buf_printf(text, "[sub %u ", item->option);
        plait_buf_put(text, item->bytes);
        plait_buf_put_text(text, "]");
        break;
    default:
        plait_buf_printf(text, "[%s]", plait_err_name(item->err));
    }
}

static plait_err feed(struct telling *t, plait_slice in)
{
    for (;;) {
        const struct plait__telnet_item item = plait__telnet_next(&t->decoder, in);
        assert_true(item.taken <= in.len);
        if (item.event == PLAIT__TELNET_MORE) {
            assert_int_equal(item.taken, in.len);
            return PLAIT_OK;
        }
        tell(&t->text, &item);
        if (item.event == PLAIT__TELNET_BAD)
            return item.err;
        in = plait_slice_sub(in, item.taken, in.len);
    }
}

static const struct flow {
    plait_slice in, told;
    bool binary;
} flows[] = {
    {BYTES(""), BYTES(""), false},
    {BYTES("hello"), BYTES("hello"), false},
    {BYTES("a\377\377b\377\377\377\377"), BYTES("a\377b\377\377"), false},
    {BYTES("\377\361a\377\371\377\366"), BYTES("[241]a[249][246]"), false},
    {BYTES("\377\360\377\001x"), BYTES("[240][1]x"), false}, /* an SE by itself, no command at all */
    {BYTES("\377\373\001\377\374\003\377\375\037\377\376\377x"), BYTES("[251 1][252 3][253 31][254 255]x"), false},
    {BYTES("a\377\372\030\000VT\377\360b"), BYTES("a[sub 24 \0VT]b"), false},
    {BYTES("\377\372\037\000\377\377\000\030\377\360"), BYTES("[sub 31 \0\377\0\030]"), false},
    {BYTES("\377\372\377\377\360\377\372\126\377\360"), BYTES("[sub 255 ][sub 86 ]"), false},
    {BYTES("\377\372\030\00012345678\377\360"), BYTES("[ETOOLONG]"), false},
    {BYTES("\377\372\0301234567\377\377\377\360."), BYTES("[sub 24 1234567\377]."), false},
    {BYTES("\377\372\03012345678\377\377\377\360."), BYTES("[ETOOLONG]"), false},
    {BYTES("\377\372\030ab\377\373\001c"), BYTES("[251 1]c"), false}, /* cut short by a command */
    {BYTES("\377\372\030ab\377\372\037cd\377\360"), BYTES("[sub 31 cd]"), false},
    {BYTES("\377\372\030ab"), BYTES(""), false}, /* an end inside */
    {BYTES("a\r\nb\r\000c\rd\r"), BYTES("a\r\nb\rc\rd\r"), false},
    {BYTES("\r\000\000\000\r\r\000\n"), BYTES("\r\0\0\r\r\n"), false},
    {BYTES("\r\377\361\000x"), BYTES("\r[241]x"), false}, /* a command between CR and its NUL */
    {BYTES("\r\377\377\000"), BYTES("\r\377\0"), false},
    {BYTES("\r\000\r\n\377\377"), BYTES("\r\0\r\n\377"), true},
};

static void flow_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct flow *flow = ctx;
    struct telling t;
    plait_err err = PLAIT_OK;
    start(&t, flow->binary);
    for (size_t len = test_cut_next(cut); len > 0; len = test_cut_next(cut)) {
        if (err == PLAIT_OK)
            err = feed(&t, plait_slice_sub(input, 0, len));
        input = plait_slice_sub(input, len, input.len);
    }
    assert_slice_is(plait_buf_slice(&t.text), flow->told);
    stop(&t);
}

static void a_flow_is_told_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(flows); i++) {
        struct flow flow = flows[i];
        test_every_cut(flow.in, ROUNDS, flow_cut, &flow);
    }
}

static void after_an_error_there_is_nothing_more(void **state)
{
    (void)state;
    struct telling t;
    start(&t, false);
    assert_err(feed(&t, SLICE("\377\372\030123456789")), PLAIT_ETOOLONG);
    const struct plait__telnet_item item = plait__telnet_next(&t.decoder, SLICE("\377\360x"));
    assert_int_equal(item.event, PLAIT__TELNET_BAD);
    assert_int_equal(item.taken, 0);
    stop(&t);
}

static void no_memory_for_a_subnegotiation_is_an_error(void **state)
{
    (void)state;
    struct test_heap heap;
    struct telling t;
    test_heap_init(&heap, 1);
    start(&t, false);
    t.budget.allocator = &heap.allocator;
    const struct plait__telnet_item item = plait__telnet_next(&t.decoder, SLICE("\377\372\030x"));
    assert_int_equal(item.event, PLAIT__TELNET_BAD);
    assert_err(item.err, PLAIT_ENOMEM);
    stop(&t);
}

static void a_subnegotiation_goes_with_the_next_call(void **state)
{
    (void)state;
    struct telling t;
    start(&t, false);
    const struct plait__telnet_item item = plait__telnet_next(&t.decoder, SLICE("\377\372\030VT100\377\360"));
    assert_slice(item.bytes, "VT100");
    assert_int_not_equal(t.budget.used, 0);
    assert_int_equal(plait__telnet_next(&t.decoder, SLICE("")).event, PLAIT__TELNET_MORE);
    assert_int_equal(t.budget.used, 0);
    stop(&t);
}

static void a_limit_of_none_is_the_usual_one(void **state)
{
    (void)state;
    struct plait__telnet_decoder decoder;
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait__telnet_decoder_init(&decoder, &budget, 0);
    assert_int_equal(decoder.sub.max, PLAIT__TELNET_SUB_MAX);
    plait__telnet_decoder_deinit(&decoder);
}

static void binary_begins_where_it_is_set(void **state)
{
    (void)state;
    struct telling t;
    start(&t, false);
    assert_ok(feed(&t, SLICE("\r\0")));
    t.decoder.binary = true;
    assert_ok(feed(&t, SLICE("\r")));
    t.decoder.binary = false;
    assert_ok(feed(&t, SLICE("\0x\r\0")));
    assert_slice_is(plait_buf_slice(&t.text), SLICE("\r\r\0x\r"));
    stop(&t);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static const struct {
    plait_slice data, written;
    bool binary;
} written[] = {
    {BYTES(""), BYTES(""), false},
    {BYTES("plain"), BYTES("plain"), false},
    {BYTES("\377a\377\377b"), BYTES("\377\377a\377\377\377\377b"), false},
    {BYTES("a\r\nb\rc\r\r\n\r"), BYTES("a\r\nb\r\0c\r\0\r\n\r\0"), false},
    {BYTES("\r\000\n\r\377"), BYTES("\r\0\0\n\r\0\377\377"), false},
    {BYTES("a\rb\r\377"), BYTES("a\rb\r\377\377"), true},
};

static void data_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(written); i++) {
        struct telling t;
        start(&t, written[i].binary);
        plait__telnet_put_data(&t.text, written[i].data, written[i].binary);
        assert_slice_is(plait_buf_slice(&t.text), written[i].written);
        stop(&t);
    }
}

/* What is written is read as it was, wherever the writer cut it. */
static void data_passes_through(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {'\r', '\n', 0, 255, 'x', 240};
    struct test_random random = test_random_of(test_seed());
    for (unsigned round = 0; round < 2000; round++) {
        struct telling t;
        struct plait_buf wire;
        uint8_t data[24];
        const bool binary = test_random_below(&random, 2) == 1;
        const size_t cut = test_random_below(&random, sizeof data + 1);
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = bytes[test_random_below(&random, sizeof bytes)];
        start(&t, binary);
        plait_buf_init(&wire, &t.budget, TEXT_BYTES);
        plait__telnet_put_data(&wire, plait_slice_of(data, cut), binary);
        plait__telnet_put_data(&wire, plait_slice_of(data + cut, sizeof data - cut), binary);
        assert_ok(feed(&t, plait_buf_slice(&wire)));
        assert_slice_is(plait_buf_slice(&t.text), plait_slice_of(data, sizeof data));
        plait_buf_deinit(&wire);
        stop(&t);
    }
}

static void commands_and_options_are_written(void **state)
{
    (void)state;
    struct telling t;
    start(&t, false);
    plait__telnet_put_command(&t.text, PLAIT_TELNET_AYT);
    plait__telnet_put_negotiate(&t.text, PLAIT_TELNET_WILL, PLAIT_TELNET_ECHO);
    plait__telnet_put_sub(&t.text, PLAIT_TELNET_NAWS, SLICE("\0\377\0\030"));
    assert_slice_is(plait_buf_slice(&t.text), SLICE("\377\366\377\373\001\377\372\037\0\377\377\0\030\377\360"));
    stop(&t);
}

TEST_MAIN(cmocka_unit_test(a_flow_is_told_however_it_is_cut), cmocka_unit_test(after_an_error_there_is_nothing_more),
          cmocka_unit_test(no_memory_for_a_subnegotiation_is_an_error),
          cmocka_unit_test(a_subnegotiation_goes_with_the_next_call),
          cmocka_unit_test(a_limit_of_none_is_the_usual_one), cmocka_unit_test(binary_begins_where_it_is_set),
          cmocka_unit_test(data_is_written), cmocka_unit_test(data_passes_through),
          cmocka_unit_test(commands_and_options_are_written))
