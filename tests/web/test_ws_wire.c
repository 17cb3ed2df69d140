/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames on the wire: heads, masks, UTF-8, close codes; each whole, byte by byte and cut at random.
 */
#include "tests/support/test.h"

#include "web/ws_wire.h"

/* --- frames read, as text -------------------------------------------------------------------------------------- */

struct frame_case {
    const char *section;
    bool masked, compress;
    plait_slice input;
    /* "1<hello>" a text begun and ended, "9(x)" a control frame, "! why" a refusal, "…" unfinished */
    const char *events;
};

struct reading {
    char text[4096];
    size_t len;
    bool open; /* a message is under way in the text */
};

static void say(struct reading *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    r->len += (size_t)vsnprintf(r->text + r->len, sizeof r->text - r->len, fmt, args);
    va_end(args);
}

static void say_view(struct reading *r, const struct plait__ws_view *v)
{
    uint8_t clear[256];
    assert_true(v->payload.len <= sizeof clear);
    plait__ws_mask(clear, v->payload, v->mask);
    if (v->step == PLAIT__WS_WHOLE) {
        say(r, "%u(%.*s)", v->opcode, (int)v->payload.len, (char *)clear);
        return;
    }
    if (v->first)
        say(r, "%u%s<", v->opcode, v->compressed ? "z" : "");
    say(r, "%.*s", (int)v->payload.len, (char *)clear);
    if (v->last)
        say(r, ">");
}

static void read_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct frame_case *c = ctx;
    struct plait__ws_reader reader = {.masked = c->masked, .may_compress = c->compress};
    struct reading r = {.len = 0};
    size_t have = 0, used = 0;
    bool bad = false;
    for (size_t piece = test_cut_next(cut); piece && !bad; piece = test_cut_next(cut)) {
        have += piece;
        while (used < have) {
            uint8_t *exact = malloc(have - used); /* so that a sanitizer sees a read past the end */
            assert_non_null(exact);
            memcpy(exact, input.ptr + used, have - used);
            const struct plait__ws_view v = plait__ws_look(&reader, plait_slice_of(exact, have - used));
            if (v.step == PLAIT__WS_BAD)
                say(&r, "! %s", v.why);
            else if (v.step == PLAIT__WS_MORE)
                assert_true(v.need > have - used && v.need <= PLAIT__WS_HEAD_MAX + PLAIT__WS_CONTROL_MAX);
            else
                say_view(&r, &v);
            bad = v.step == PLAIT__WS_BAD;
            if (v.step == PLAIT__WS_PIECE)
                plait__ws_take(&reader, &v, v.payload.len);
            free(exact);
            if (bad || v.step == PLAIT__WS_MORE)
                break;
            used += v.head + v.payload.len;
        }
    }
    if (!bad && (reader.in_frame || reader.message || used < have))
        say(&r, "...");
    if (strcmp(r.text, c->events) != 0)
        fail_msg("%s, %s:\n got      %s\n expected %s", c->section, cut->name, r.text, c->events);
}

#define L(literal)                                                                                                     \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void frames_are_read(void **state)
{
    static const struct frame_case cases[] = {
        {"5.7", false, false, L("\x81\x05Hello"), "1<Hello>"},
        {"5.7", true, false, L("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "1<Hello>"},
        {"5.7", false, false, L("\x01\x03Hel\x80\x02lo"), "1<Hello>"},
        {"5.7", false, false, L("\x89\x05Hello"), "9(Hello)"},
        {"5.7", true, false, L("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "10(Hello)"},
        {"5.2", false, false, L("\x81\x00"), "1<>"},
        {"5.2", false, false, L("\x02\x00\x00\x01x\x80\x00"), "2<x>"},
        {"5.4", false, false,
         L("\x01\x01"
           "a\x89\x01p\x00\x01"
           "b\x8a\x00\x80\x01"
           "c"),
         "1<a9(p)b10()c>"},
        {"5.5", false, false, L("\x88\x02\x03\xe9\x81\x01x"), "8(\x03\xe9)1<x>"},
        {"5.2", false, false, L("\x82\x7e\x00\x7e" X63 X63), "2<" X63 X63 ">"},
        {"7692 6", false, true, L("\xc1\x02hi\x01\x01x\x80\x01y"), "1z<hi>1<xy>"},
        {"7692 6", false, true, L("\x42\x02hi\x89\x00\x80\x02ho"), "2z<hi9()ho>"},
        {"5.2", false, false, L("\x82\x02x"), "2<x..."},
        {"5.2", false, false, L("\x02\x01x"), "2<x..."},
        {"5.2", false, false, L("\x82"), "..."},
        {"5.5", false, false, L("\x89\x02x"), "..."},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct frame_case c = cases[i];
        test_every_cut(c.input, 12, read_cut, &c);
    }
}

static void wrong_frames_are_refused_at_the_first_wrong_byte(void **state)
{
    static const struct frame_case cases[] = {
        {"5.2", false, false, L("\xc1"), "! a reserved bit is set"},
        {"5.2", false, true, L("\xa1"), "! a reserved bit is set"},
        {"5.2", false, true, L("\x91"), "! a reserved bit is set"},
        {"7692 6", false, true, L("\xc9"), "! a reserved bit is set"},
        {"7692 6", false, true,
         L("\x41\x01"
           "a\xc0"),
         "1z<a! a reserved bit is set"},
        {"5.2", false, false, L("\x83"), "! a reserved opcode"},
        {"5.2", false, false, L("\x87"), "! a reserved opcode"},
        {"5.2", false, false, L("\x8b"), "! a reserved opcode"},
        {"5.2", false, false, L("\x8f"), "! a reserved opcode"},
        {"5.5", false, false, L("\x09"), "! a fragmented control frame"},
        {"5.5", false, false, L("\x89\x7e"), "! a long control frame"},
        {"5.4", false, false, L("\x80"), "! a continuation of nothing"},
        {"5.4", false, false, L("\x00"), "! a continuation of nothing"},
        {"5.4", false, false, L("\x01\x00\x81"), "1<! a new message inside another"},
        {"5.1", true, false, L("\x81\x05"), "! a frame that is not masked"},
        {"5.1", false, false, L("\x81\x85"), "! a masked frame of a server"},
        {"5.2", false, false, L("\x82\x7e\x00\x7d"), "! a length in too many bytes"},
        {"5.2", false, false, L("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "! a length in too many bytes"},
        {"5.2", true, false, L("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"), "! a length over 63 bits"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct frame_case c = cases[i];
        test_every_cut(c.input, 6, read_cut, &c);
    }
}

static void heads_are_written_in_the_least_bytes(void **state)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    static const struct {
        struct plait__ws_frame frame;
        plait_slice bytes;
    } cases[] = {
        {{5, PLAIT__WS_TEXT, true, false, NULL}, L("\x81\x05")},
        {{125, PLAIT__WS_BINARY, false, true, NULL}, L("\x42\x7d")},
        {{126, PLAIT__WS_BINARY, true, false, NULL}, L("\x82\x7e\x00\x7e")},
        {{65535, PLAIT__WS_CONTINUATION, true, false, NULL}, L("\x80\x7e\xff\xff")},
        {{65536, PLAIT__WS_CONTINUATION, false, false, NULL}, L("\x00\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
        {{0, PLAIT__WS_PING, true, false, mask}, L("\x89\x80\x01\x02\x03\x04")},
        {{1 << 20, PLAIT__WS_TEXT, true, false, mask}, L("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00\x01\x02\x03\x04")},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t out[PLAIT__WS_HEAD_MAX];
        const size_t len = plait__ws_head_write(&cases[i].frame, out);
        assert_slice_is(plait_slice_of(out, len), cases[i].bytes);
    }
}

static void a_part_of_a_piece_can_be_taken(void **state)
{
    static const uint8_t frame[] = {0x82, 0x86, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2, 'c' ^ 3, 'd' ^ 4, 'e' ^ 1, 'f' ^ 2};
    struct plait__ws_reader reader = {.masked = true};
    size_t at = 0;
    (void)state;
    for (const char *c = "abcdef"; *c; c++) {
        const struct plait__ws_view v = plait__ws_look(&reader, plait_slice_of(frame + at, sizeof frame - at));
        uint8_t clear;
        assert_int_equal(v.step, PLAIT__WS_PIECE);
        plait__ws_mask(&clear, plait_slice_sub(v.payload, 0, 1), v.mask);
        assert_int_equal(clear, *c);
        plait__ws_take(&reader, &v, 1);
        at += v.head + 1;
    }
    assert_int_equal(at, sizeof frame);
    assert_false(reader.in_frame);
}

static void nothing_to_look_at_is_waited_for(void **state)
{
    struct plait__ws_reader reader = {.masked = false};
    (void)state;
    assert_int_equal(plait__ws_look(&reader, plait_slice_of(NULL, 0)).need, 1);
    struct plait__ws_view v = plait__ws_look(&reader, PLAIT_LIT("\x82\x05"));
    plait__ws_take(&reader, &v, 0);
    v = plait__ws_look(&reader, plait_slice_of(NULL, 0));
    assert_int_equal(v.step, PLAIT__WS_MORE);
    assert_int_equal(v.need, 1);
}

static void masks_of_every_length_and_turn_come_off_again(void **state)
{
    uint8_t text[70], out[70];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 37);
    for (size_t len = 0; len <= sizeof text; len++) {
        for (size_t cut = 0; cut <= len; cut++) {
            uint8_t mask[4] = {0x12, 0x34, 0xa5, 0xff};
            plait__ws_mask(out, plait_slice_of(text, len), mask);
            plait__ws_mask(out, plait_slice_of(out, cut), mask);
            plait__ws_turn(mask, cut);
            plait__ws_mask(out + cut, plait_slice_of(out + cut, len - cut), mask);
            assert_memory_equal(out, text, len);
        }
    }
}

/* --- UTF-8 ----------------------------------------------------------------------------------------------------- */

/* How many bytes of a text are good, and whether it is complete. */
struct utf8_case {
    plait_slice text;
    size_t good;
    bool whole;
};

static void check_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct utf8_case *c = ctx;
    struct plait__utf8 text = {0};
    size_t at = 0;
    bool good = true;
    for (size_t piece = test_cut_next(cut); piece; piece = test_cut_next(cut)) {
        good = good && plait__utf8_check(&text, plait_slice_sub(input, at, at + piece));
        at += piece;
        if (good != (at <= c->good))
            fail_msg("%.*s, %s: at %zu", PLAIT_ARG(input), cut->name, at);
    }
    assert_int_equal(good && text.need == 0, c->whole);
}

static void text_is_judged_as_it_comes(void **state)
{
    static const struct utf8_case cases[] = {
        {L("Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), 29, true},
        {L("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
           "edited"),
         12, false},
        {L("\xf0\x90\x80\x80"), 4, true},
        {L("\xf4\x8f\xbf\xbf"), 4, true},
        {L("\xf4\x90\x80\x80"), 1, false},
        {L("\xf0\x8f\xbf\xbf"), 1, false},
        {L("\xf5\x80"), 0, false},
        {L("\xed\x9f\xbf"), 3, true},
        {L("\xed\xa0\x80"), 1, false},
        {L("\xee\x80\x80"), 3, true},
        {L("\xe0\x9f\xbf"), 1, false},
        {L("\xe0\xa0\x80"), 3, true},
        {L("\xc1\xbf"), 0, false},
        {L("\xc2"), 1, false},
        {L("\xe1\x80"), 2, false},
        {L("\xf1\x80\x80"), 3, false},
        {L("\xf1\x80\x80\xc0"), 3, false},
        {L("\x80"), 0, false},
        {L("\xff"), 0, false},
        {L("0123456789abcdef0123456789abcde\xc3\xa9 0123456789abcdef0123456789abcdef"), 66, true},
        {L("0123456789abcdef\xfe"), 16, false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct utf8_case c = cases[i];
        test_every_cut(c.text, 12, check_cut, &c);
    }
}

static void every_code_point_is_text_but_surrogates(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c += c < 0x3000 ? 1 : 61) {
        struct plait__utf8 text = {0};
        uint8_t b[4];
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = len - 1; i > 0; i--)
            b[i] = (uint8_t)(0x80 | (c >> 6 * (len - 1 - i) & 0x3f));
        static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
        b[0] = (uint8_t)(lead[len - 1] | c >> 6 * (len - 1));
        const bool is = c < 0x110000 && !(c >= 0xd800 && c < 0xe000);
        assert_int_equal(plait__utf8_check(&text, plait_slice_of(b, len)) && text.need == 0, is);
    }
}

/* --- close frames ---------------------------------------------------------------------------------------------- */

/* RFC 6455 section 7.4, and what IANA registered since. */
static void close_codes_are_those_that_may_be_sent(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 70000; code++) {
        const bool is =
            (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        assert_int_equal(plait__ws_code_is_real(code), is);
    }
}

static void close_payloads_are_judged(void **state)
{
    static const struct {
        plait_slice payload;
        unsigned wrong, code;
        const char *reason;
    } cases[] = {
        {L(""), 0, 1005, ""},
        {L("\x03"), 1002, 1005, ""},
        {L("\x03\xe8"), 0, 1000, ""},
        {L("\x03\xe8good bye"), 0, 1000, "good bye"},
        {L("\x03\xed"), 1002, 1005, ""},
        {L("\x03\xe8\xff"), 1007, 1000, "\xff"},
        {L("\x03\xe8\xc3"), 1007, 1000, "\xc3"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        unsigned code;
        plait_slice reason;
        assert_int_equal(plait__ws_close_read(cases[i].payload, &code, &reason), cases[i].wrong);
        assert_int_equal(code, cases[i].code);
        assert_slice(reason, cases[i].reason);
    }
}

TEST_MAIN(cmocka_unit_test(frames_are_read), cmocka_unit_test(wrong_frames_are_refused_at_the_first_wrong_byte),
          cmocka_unit_test(heads_are_written_in_the_least_bytes), cmocka_unit_test(a_part_of_a_piece_can_be_taken),
          cmocka_unit_test(nothing_to_look_at_is_waited_for),
          cmocka_unit_test(masks_of_every_length_and_turn_come_off_again), cmocka_unit_test(text_is_judged_as_it_comes),
          cmocka_unit_test(every_code_point_is_text_but_surrogates),
          cmocka_unit_test(close_codes_are_those_that_may_be_sent), cmocka_unit_test(close_payloads_are_judged))
