/* SPDX-License-Identifier: MIT
 *
 * A WebSocket server case by case, numbered as Autobahn's test suite numbers them: framing, pings, reserved bits,
 * opcodes, fragmentation, UTF-8, the close handshake, limits. Each case is sent whole, byte by byte and cut at random.
 */
#include "tests/web/ws_world.h"

struct ws_case {
    const char *number;
    const char *in;
    const char *out;
    plait_err err; /* of the end; PLAIT_EEOF after the peer's close frame */
};

static struct ws_world t;

static void begin(void)
{
    memset(&t, 0, sizeof t);
    t.options = (struct plait_websocket_options){.no_deflate = true, .message_max = 70000};
    ws_open_world(&t);
    ws_connect(&t);
}

/* How the input is cut: 0 whole, 1 byte by byte, else at random. */
static void send_cut(plait_slice bytes, unsigned cut)
{
    struct test_random random = test_random_of(cut);
    for (size_t at = 0; at < bytes.len && t.p.stream;) {
        const size_t most = cut == 0 ? bytes.len : cut == 1 ? 1 : 1 + bytes.len / 4;
        const size_t len = cut < 2 ? most : 1 + test_random_below(&random, most);
        plait_write(t.p.stream, plait_slice_sub(bytes, at, at + len));
        at += len;
        for (int i = 0; i < 3; i++)
            assert_ok(plait_reactor_step(t.w.r, 0));
    }
    spin(&t.w);
}

static void run_case(const struct ws_case *c, unsigned cut)
{
    struct plait_buf in;
    char got[8192];
    begin();
    plait_buf_init(&in, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_specs(&in, c->in, false);
    if (cut != 1 || in.len < 600)
        send_cut(plait_buf_slice(&in), cut);
    else
        send_cut(plait_buf_slice(&in), 7);
    plait_buf_deinit(&in);
    ws_describe(ws_came(&t.p), false, false, got, sizeof got);
    if (strcmp(got, c->out) != 0)
        fail_msg("%s, cut %u:\n sent     %.200s\n came     %s\n expected %s", c->number, cut, c->in, got, c->out);
    assert_true(t.p.ended);
    peer_close(&t.w, &t.p);
    if (t.fault.err != c->err)
        fail_msg("%s, cut %u: ended with %s", c->number, cut, plait_err_name(t.fault.err));
    ws_close_world(&t);
}

static void run_cases(const struct ws_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned cut = 0; cut < 6; cut++)
            run_case(&cases[i], cut);
    }
}

#define RUN(cases) run_cases(cases, TEST_COUNT(cases))
#define END "|X:1000"
#define OK(number, frames)                                                                                             \
    {                                                                                                                  \
        number, frames END, frames END, PLAIT_EEOF                                                                     \
    }

static void cases_1_framing(void **state)
{
    static const struct ws_case cases[] = {
        OK("1.1.1", "T"),       OK("1.1.2", "T#125"),   OK("1.1.3", "T#126"),   OK("1.1.4", "T#127"),
        OK("1.1.5", "T#128"),   OK("1.1.6", "T#65535"), OK("1.1.7", "T#65536"), OK("1.2.1", "B"),
        OK("1.2.2", "B#125"),   OK("1.2.3", "B#126"),   OK("1.2.4", "B#127"),   OK("1.2.5", "B#128"),
        OK("1.2.6", "B#65535"), OK("1.2.7", "B#65536"), OK("limit", "B#70000"),
    };
    (void)state;
    RUN(cases);
}

#define S125                                                                                                           \
    "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"             \
    "1234567890123456789012345"
#define TEN(x) x "0|" x "1|" x "2|" x "3|" x "4|" x "5|" x "6|" x "7|" x "8|" x "9"

static void cases_2_pings_and_pongs(void **state)
{
    static const struct ws_case cases[] = {
        {"2.1", "P" END, "O" END, PLAIT_EEOF},
        {"2.2", "P:Hello, world!" END, "O:Hello, world!" END, PLAIT_EEOF},
        {"2.3", "P:\xff\xfe\xfd" END, "O:\xff\xfe\xfd" END, PLAIT_EEOF},
        {"2.4", "P:" S125 END, "O:" S125 END, PLAIT_EEOF},
        {"2.5", "P#126" END, "X:1002:a long control frame", PLAIT_EPROTOCOL},
        {"2.7", "O" END, "X:1000", PLAIT_EEOF},
        {"2.8", "O:unasked" END, "X:1000", PLAIT_EEOF},
        {"2.9", "O:unasked|P:asked" END, "O:asked" END, PLAIT_EEOF},
        {"2.10", TEN("P:") END, TEN("O:") END, PLAIT_EEOF},
    };
    (void)state;
    RUN(cases);
}

#define RESERVED "X:1002:a reserved bit is set"

static void cases_3_reserved_bits(void **state)
{
    static const struct ws_case cases[] = {
        {"3.1", "T1:hello", RESERVED, PLAIT_EPROTOCOL},
        {"3.2", "T:small|T2:hello|P", "T:small|" RESERVED, PLAIT_EPROTOCOL},
        {"3.3", "T:small|T3:hello|P", "T:small|" RESERVED, PLAIT_EPROTOCOL},
        {"3.4", "T:small|T4:hello|P", "T:small|" RESERVED, PLAIT_EPROTOCOL},
        {"3.5", "B5:hello", RESERVED, PLAIT_EPROTOCOL},
        {"3.6", "P6:hello", RESERVED, PLAIT_EPROTOCOL},
        {"3.7", "X7:1000", RESERVED, PLAIT_EPROTOCOL},
    };
    (void)state;
    RUN(cases);
}

/* Frames of an opcode that has no letter. */
static void cases_4_opcodes(void **state)
{
    static const uint8_t opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(opcodes); i++) {
        for (int before = 0; before < 2; before++) {
            struct plait_buf out;
            begin();
            plait_buf_init(&out, plait_reactor_budget(t.w.r), 1000);
            if (before)
                ws_put_specs(&out, "T:small", false);
            ws_put_frame(&out, 0x80 | opcodes[i], PLAIT_LIT("reserved"), false);
            ws_put_specs(&out, "P", false);
            ws_send_bytes(&t, plait_buf_slice(&out));
            plait_buf_deinit(&out);
            assert_came(&t, before ? "T:small|X:1002:a reserved opcode" : "X:1002:a reserved opcode");
            ws_close_world(&t);
        }
    }
}

#define NOTHING "X:1002:a continuation of nothing"

static void cases_5_fragmentation(void **state)
{
    static const struct ws_case cases[] = {
        {"5.1", "p:a|O:b", "X:1002:a fragmented control frame", PLAIT_EPROTOCOL},
        {"5.2", "o:a|O:b", "X:1002:a fragmented control frame", PLAIT_EPROTOCOL},
        {"5.3", "t:frag1|C:frag2" END, "T:frag1frag2" END, PLAIT_EEOF},
        {"5.6", "t:frag1|P:ping|C:frag2" END, "O:ping|T:frag1frag2" END, PLAIT_EEOF},
        {"5.9", "C:frag|T:hello", NOTHING, PLAIT_EPROTOCOL},
        {"5.12", "c:frag|T:hello", NOTHING, PLAIT_EPROTOCOL},
        {"5.15", "t:a|C:b|c:c|T:d", "T:ab|" NOTHING, PLAIT_EPROTOCOL},
        {"5.16", "c:a|t:b|C:c", NOTHING, PLAIT_EPROTOCOL},
        {"5.17", "C:a|t:b|C:c", NOTHING, PLAIT_EPROTOCOL},
        {"5.18", "t:a|T:b", "X:1002:a new message inside another", PLAIT_EPROTOCOL},
        {"5.19", "t:f1|c:f2|P:p1|c:f3|c:f4|P:p2|C:f5" END, "O:p1|O:p2|T:f1f2f3f4f5" END, PLAIT_EEOF},
        {"empty fragments", "t|c|C" END, "T" END, PLAIT_EEOF},
    };
    (void)state;
    RUN(cases);
}

#define NO_TEXT "X:1007:text that is no UTF-8"
#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static void cases_6_utf8(void **state)
{
    static const struct ws_case cases[] = {
        {"6.1.1", "T" END, "T" END, PLAIT_EEOF},
        {"6.1.2", "t|c|C" END, "T" END, PLAIT_EEOF},
        {"6.1.3", "t|c:middle|C" END, "T:middle" END, PLAIT_EEOF},
        {"6.2.1", "T:Hello-\xc2\xb5@\xc3\x9f" END, "T:Hello-\xc2\xb5@\xc3\x9f" END, PLAIT_EEOF},
        {"6.2.3", "t:\xc2|C:\xb5" END, "T:\xc2\xb5" END, PLAIT_EEOF},
        {"6.2.4", "t:\xe1|c:\xbd|C:\xb9" END, "T:\xe1\xbd\xb9" END, PLAIT_EEOF},
        {"6.3.1",
         "T:" KOSME "\xed\xa0\x80"
         "edited",
         NO_TEXT, PLAIT_EMALFORMED},
        {"6.4.1", "t:" KOSME "|c:\xf4\x90\x80\x80|C:edited", NO_TEXT, PLAIT_EMALFORMED},
        {"6.4.2", "t:" KOSME "\xf4|c:\x90", NO_TEXT, PLAIT_EMALFORMED},
        {"6.5.1", "T:" KOSME END, "T:" KOSME END, PLAIT_EEOF},
        {"6.6.1", "T:\xce", NO_TEXT, PLAIT_EMALFORMED},
        {"6.6.2", "T:\xce\xba" END, "T:\xce\xba" END, PLAIT_EEOF},
        {"6.6.3", "T:\xce\xba\xe1", NO_TEXT, PLAIT_EMALFORMED},
        {"6.7.2", "T:\xc2\x80" END, "T:\xc2\x80" END, PLAIT_EEOF},
        {"6.7.4", "T:\xf0\x90\x80\x80" END, "T:\xf0\x90\x80\x80" END, PLAIT_EEOF},
        {"6.8.1", "T:\xf8\x88\x80\x80\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.9.3", "T:\xef\xbf\xbf" END, "T:\xef\xbf\xbf" END, PLAIT_EEOF},
        {"6.9.4", "T:\xf4\x8f\xbf\xbf" END, "T:\xf4\x8f\xbf\xbf" END, PLAIT_EEOF},
        {"6.10.3", "T:\xfc\x84\x80\x80\x80\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.11.4", "T:\xf4\x90\x80\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.12.1", "T:\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.13.1", "T:\xc0 \xc1 ", NO_TEXT, PLAIT_EMALFORMED},
        {"6.14.2", "T:\xe0\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.15.1", "T:\xc0\xe0\x80\xf0", NO_TEXT, PLAIT_EMALFORMED},
        {"6.16.1", "T:\xfe", NO_TEXT, PLAIT_EMALFORMED},
        {"6.17.1", "T:\xc0\xaf", NO_TEXT, PLAIT_EMALFORMED},
        {"6.18.1", "T:\xc1\xbf", NO_TEXT, PLAIT_EMALFORMED},
        {"6.20.1", "T:\xed\xa0\x80", NO_TEXT, PLAIT_EMALFORMED},
        {"6.21.8", "T:\xed\xaf\xbf\xed\xbf\xbf", NO_TEXT, PLAIT_EMALFORMED},
        {"6.22.34", "T:\xef\xbf\xbe" END, "T:\xef\xbf\xbe" END, PLAIT_EEOF},
        {"6.23.1", "T:\xef\xbf\xbd" END, "T:\xef\xbf\xbd" END, PLAIT_EEOF},
        {"bytes are not judged", "B:\xff\xc0" END, "B:\xff\xc0" END, PLAIT_EEOF},
    };
    (void)state;
    RUN(cases);
}

/* 6.4.3, 6.4.4: the frame is not even complete. */
static void text_fails_at_its_first_wrong_byte(void **state)
{
    struct plait_buf out;
    (void)state;
    begin();
    plait_buf_init(&out, plait_reactor_budget(t.w.r), 1000);
    ws_put_specs(&out,
                 "T:" KOSME "\xf4\x90\x80\x80"
                 "edited",
                 false);
    ws_send_bytes(&t, plait_slice_sub(plait_buf_slice(&out), 0, 6 + 12));
    assert_came(&t, "");
    ws_send_bytes(&t, plait_slice_sub(plait_buf_slice(&out), 18, 19));
    assert_came(&t, NO_TEXT);
    plait_buf_deinit(&out);
    ws_close_world(&t);
}

#define BAD_CLOSE "X:1002:a malformed close frame"

static void cases_7_closing(void **state)
{
    static const struct ws_case cases[] = {
        {"7.1.1", "T:hello" END, "T:hello" END, PLAIT_EEOF},
        {"7.1.2", "X:1000|X:1000", "X:1000", PLAIT_EEOF},
        {"7.1.3", "X:1000|P", "X:1000", PLAIT_EEOF},
        {"7.1.4", "X:1000|T:hello", "X:1000", PLAIT_EEOF},
        {"7.1.5", "t:a|X:1000|C:b", "X:1000", PLAIT_EEOF},
        {"7.1.6", "T:hello|X:1000|T:x|P", "T:hello|X:1000", PLAIT_EEOF},
        {"7.3.1", "X", "X", PLAIT_EEOF},
        {"7.3.2", "X#1", BAD_CLOSE, PLAIT_EPROTOCOL},
        {"7.3.3", "X:1000", "X:1000", PLAIT_EEOF},
        {"7.3.4", "X:1000:Hello World!", "X:1000", PLAIT_EEOF},
        {"7.3.5", "X:1000:" S125, "X:1002:a long control frame", PLAIT_EPROTOCOL},
        {"7.3.6", "X#126", "X:1002:a long control frame", PLAIT_EPROTOCOL},
        {"7.5.1", "X:1000:" KOSME "\xed\xa0\x80", "X:1007:a malformed close frame", PLAIT_EMALFORMED},
    };
    (void)state;
    RUN(cases);
}

static void cases_7_7_and_7_9_close_codes(void **state)
{
    static const unsigned valid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999};
    static const unsigned wrong[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
    char text[32];
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(valid); i++) {
        snprintf(text, sizeof text, "X:%u", valid[i]);
        run_case(&(struct ws_case){"7.7", text, text, PLAIT_EEOF}, 0);
    }
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        snprintf(text, sizeof text, "X:%u", wrong[i]);
        run_case(&(struct ws_case){"7.9", text, BAD_CLOSE, PLAIT_EPROTOCOL}, 0);
    }
}

#define TOO_LONG "X:1009:a message longer than allowed"

/* The limit of these tests is 70,000 bytes. */
static void cases_9_limits(void **state)
{
    static const struct ws_case cases[] = {
        {"exactly", "B#70000" END, "B#70000" END, PLAIT_EEOF},
        {"one more", "B#70001" END, TOO_LONG, PLAIT_ETOOLONG},
        {"exactly, in fragments", "t#69000|c#999|P|C:*" END, "O|T#70000" END, PLAIT_EEOF},
        {"one more, in fragments", "t#69000|c#999|P|C:**" END, "O|" TOO_LONG, PLAIT_ETOOLONG},
        {"and again", "B#70000|t#1|C#69999" END, "B#70000|T#70000" END, PLAIT_EEOF},
    };
    (void)state;
    RUN(cases);
}

/* A length is believed before a byte of the payload is there. */
static void a_frame_that_announces_too_much_is_refused_at_once(void **state)
{
    (void)state;
    begin();
    ws_send_bytes(&t, plait_slice_of("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14));
    assert_came(&t, TOO_LONG);
    ws_close_world(&t);
}

/* 10.1.1: a message in many small fragments */
static void a_message_in_many_fragments_is_one(void **state)
{
    struct plait_buf out;
    (void)state;
    begin();
    plait_buf_init(&out, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    for (int i = 0; i < 500; i++)
        ws_put_specs(&out, i == 0 ? "t:**" : i == 499 ? "C:**" : "c:**", false);
    ws_send_bytes(&t, plait_buf_slice(&out));
    plait_buf_deinit(&out);
    assert_came(&t, "T#1000");
    ws_close_world(&t);
}

static void a_frame_without_a_mask_is_refused(void **state)
{
    (void)state;
    begin();
    ws_send_bytes(&t, PLAIT_LIT("\x81\x05Hello"));
    assert_came(&t, "X:1002:a frame that is not masked");
    ws_close_world(&t);
}

TEST_MAIN(cmocka_unit_test(cases_1_framing), cmocka_unit_test(cases_2_pings_and_pongs),
          cmocka_unit_test(cases_3_reserved_bits), cmocka_unit_test(cases_4_opcodes),
          cmocka_unit_test(cases_5_fragmentation), cmocka_unit_test(cases_6_utf8),
          cmocka_unit_test(text_fails_at_its_first_wrong_byte), cmocka_unit_test(cases_7_closing),
          cmocka_unit_test(cases_7_7_and_7_9_close_codes), cmocka_unit_test(cases_9_limits),
          cmocka_unit_test(a_frame_that_announces_too_much_is_refused_at_once),
          cmocka_unit_test(a_message_in_many_fragments_is_one), cmocka_unit_test(a_frame_without_a_mask_is_refused))
