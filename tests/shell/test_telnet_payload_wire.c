/* SPDX-License-Identifier: MIT
 *
 * What subnegotiations say: each kind is read, told in a text, and written again as it was; what is none is malformed.
 */
#include "tests/support/test.h"

#include "shell/telnet_payload_wire.h"

#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }
#define SLICE(literal) plait_slice_of((literal), sizeof(literal) - 1)

enum { TEXT_BYTES = 1024 };

/* --- each kind: read, told, and written again --------------------------------------------------------------------- */

/* Tells what a payload says and writes it again. */
typedef plait_err (*again_fn)(plait_slice in, struct plait_buf *told, struct plait_buf *out);

static void tell(struct plait_buf *told, plait_slice text)
{
    plait_buf_put_text(told, " ");
    plait_buf_put(told, text);
}

static plait_err window(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_window w;
    const plait_err err = plait__telnet_parse_window(in, &w);
    if (err != PLAIT_OK)
        return err;
    plait_buf_printf(told, " %u x %u", w.columns, w.rows);
    plait__telnet_put_window(out, &w);
    return PLAIT_OK;
}

static plait_err name(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    plait_slice text;
    bool send;
    const plait_err err = plait__telnet_parse_name(in, &send, &text);
    if (err != PLAIT_OK)
        return err;
    tell(told, send ? PLAIT_LIT("send") : text);
    if (send)
        plait__telnet_put_send(out);
    else
        plait__telnet_put_name(out, text);
    return PLAIT_OK;
}

static void put_variable(struct plait_buf *out, const struct plait__telnet_variable *v)
{
    struct plait__telnet_variable plain = *v;
    struct plait_buf text[2];
    for (size_t i = 0; i < 2; i++) {
        plait_buf_init(&text[i], out->budget, TEXT_BYTES);
        plait__telnet_put_unescaped(&text[i], i == 0 ? v->name : v->value);
    }
    plain.name = plait_buf_slice(&text[0]);
    plain.value = plait_buf_slice(&text[1]);
    plait__telnet_put_variable(out, &plain);
    plait_buf_deinit(&text[0]);
    plait_buf_deinit(&text[1]);
}

static plait_err environ_again(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    static const char *const kinds[] = {"is", "send", "info"};
    struct plait__telnet_variable v;
    struct plait_scan rest;
    uint8_t kind;
    const plait_err err = plait__telnet_parse_environ(in, &kind, &rest);
    if (err != PLAIT_OK)
        return err;
    tell(told, plait_slice_text(kinds[kind]));
    plait__telnet_put_environ(out, kind);
    while (plait__telnet_next_variable(&rest, &v)) {
        tell(told, v.user ? PLAIT_LIT("user:") : PLAIT_LIT("var:"));
        plait__telnet_put_unescaped(told, v.name);
        if (v.defined) {
            plait_buf_put_text(told, "=");
            plait__telnet_put_unescaped(told, v.value);
        }
        put_variable(out, &v);
    }
    return plait_scan_done(&rest) ? PLAIT_OK : PLAIT_EMALFORMED;
}

static plait_err linemode(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_linemode mode;
    struct plait__telnet_slc slc;
    const plait_err err = plait__telnet_parse_linemode(in, &mode);
    if (err != PLAIT_OK)
        return err;
    switch (mode.kind) {
    case PLAIT__LINEMODE_MODE:
        plait_buf_printf(told, " mode %u", mode.mode);
        plait__telnet_put_mode(out, mode.mode);
        return PLAIT_OK;
    case PLAIT__LINEMODE_FORWARDMASK:
        plait_buf_printf(told, " %u forwardmask %zu", mode.command, mode.mask.len);
        plait__telnet_put_forwardmask(out, mode.command, mode.mask);
        return PLAIT_OK;
    default:
        break;
    }
    assert_int_equal(mode.kind, PLAIT__LINEMODE_SLC);
    plait__telnet_put_slc_begin(out);
    while (plait__telnet_next_slc(&mode.rest, &slc)) {
        plait_buf_printf(told, " slc %u %u %u", slc.function, slc.modifiers, slc.character);
        plait__telnet_put_slc(out, &slc);
    }
    return plait_scan_done(&mode.rest) ? PLAIT_OK : PLAIT_EMALFORMED;
}

static plait_err charset(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_charset c;
    plait_slice text;
    const plait_err err = plait__telnet_parse_charset(in, &c);
    if (err != PLAIT_OK)
        return err;
    plait_buf_printf(told, " %d", (int)c.kind);
    if (c.kind == PLAIT__CHARSET_ACCEPTED) {
        tell(told, c.name);
        plait__telnet_put_charset_accepted(out, c.name);
    } else if (c.kind != PLAIT__CHARSET_REQUEST) {
        plait__telnet_put_charset_word(out, c.kind);
    } else {
        plait__telnet_put_charset_request(out);
        while (plait__telnet_next_charset(&c, &text)) {
            tell(told, text);
            plait__telnet_put_charset_name(out, text);
        }
        return plait_scan_done(&c.rest) ? PLAIT_OK : PLAIT_EMALFORMED;
    }
    return PLAIT_OK;
}

/* What we write of a STATUS is telnet_options.c's business, so here it is only read. */
static plait_err status(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_status s;
    struct plait_scan rest;
    uint8_t kind;
    const plait_err err = plait__telnet_parse_status(in, &kind, &rest);
    if (err != PLAIT_OK)
        return err;
    plait_buf_printf(told, " %s", kind == PLAIT__STATUS_IS ? "is" : "send");
    while (plait__telnet_next_status(&rest, &s)) {
        plait_buf_printf(told, " %u %u", s.command, s.option);
        if (s.command == PLAIT_TELNET_SB)
            tell(told, s.bytes);
    }
    plait_buf_put(out, in);
    return plait_scan_done(&rest) ? PLAIT_OK : PLAIT_EMALFORMED;
}

static plait_err mssp(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_mssp entry = {.name = {NULL, 0}};
    struct plait_scan rest = plait_scan_of(in);
    while (plait__telnet_next_mssp(&rest, &entry)) {
        tell(told, entry.name);
        plait_buf_put_text(told, "=");
        plait_buf_put(told, entry.value);
        plait__telnet_put_mssp(out, &entry);
    }
    return plait_scan_done(&rest) ? PLAIT_OK : PLAIT_EMALFORMED;
}

static plait_err gmcp(plait_slice in, struct plait_buf *told, struct plait_buf *out)
{
    struct plait__telnet_gmcp message;
    const plait_err err = plait__telnet_parse_gmcp(in, &message);
    if (err != PLAIT_OK)
        return err;
    tell(told, message.name);
    tell(told, message.data);
    plait__telnet_put_gmcp(out, &message);
    return PLAIT_OK;
}

/* Written again a payload is the same, unless `written` has another. */
static const struct {
    again_fn again;
    plait_slice in;
    const char *told;
    plait_slice written;
} good[] = {
    {window, BYTES("\0\120\0\030"), " 80 x 24", {NULL, 0}}, /* RFC 1073 */
    {window, BYTES("\377\377\0\0"), " 65535 x 0", {NULL, 0}},
    {name, BYTES("\1"), " send", {NULL, 0}}, /* RFC 1091 */
    {name, BYTES("\0DEC-VT100"), " DEC-VT100", {NULL, 0}},
    {name,
     BYTES("\0"
           "38400,38400"),
     " 38400,38400",
     {NULL, 0}},                                                         /* RFC 1079 */
    {name, BYTES("\0host.example:0.0"), " host.example:0.0", {NULL, 0}}, /* RFC 1096 */
    {environ_again, BYTES("\1"), " send", {NULL, 0}},
    {environ_again, BYTES("\1\0USER\0ACCT\0\3"), " send var:USER var:ACCT var: user:", {NULL, 0}}, /* RFC 1572, 6 */
    {environ_again,
     BYTES("\0\0USER\1joe\0DISPLAY\1foo:0.0\3SHELL\1/bin/csh"),
     " is var:USER=joe var:DISPLAY=foo:0.0 user:SHELL=/bin/csh",
     {NULL, 0}},
    {environ_again, BYTES("\2\3A\1\3B"), " info user:A= user:B", {NULL, 0}}, /* empty, undefined */
    {environ_again, BYTES("\0\0A\2\1\2\2\1\2\3\2\1x"), " is var:A\1\2=\3\1x", {NULL, 0}},
    {environ_again, BYTES("\0\0A\1\2x"), " is var:A=x", BYTES("\0\0A\1x")}, /* what needs no ESC may have one */
    {linemode, BYTES("\1\5"), " mode 5", {NULL, 0}},
    {linemode, BYTES("\375\2\0\4\377"), " 253 forwardmask 3", {NULL, 0}},
    {linemode, BYTES("\376\2"), " 254 forwardmask 0", {NULL, 0}},
    {linemode, BYTES("\373\2"), " 251 forwardmask 0", {NULL, 0}},
    {linemode, BYTES("\374\2"), " 252 forwardmask 0", {NULL, 0}},
    {linemode, BYTES("\3"), "", {NULL, 0}},
    {linemode, BYTES("\3\3\142\3\12\2\177"), " slc 3 98 3 slc 10 2 127", {NULL, 0}},
    {charset, BYTES("\1;UTF-8;US-ASCII"), " 1 UTF-8 US-ASCII", {NULL, 0}},
    {charset, BYTES("\1 UTF-8 US-ASCII"), " 1 UTF-8 US-ASCII", BYTES("\1;UTF-8;US-ASCII")},
    {charset, BYTES("\1[TTABLE ]\1;UTF-8"), " 1 UTF-8", BYTES("\1;UTF-8")},
    {charset, BYTES("\2UTF-8"), " 2 UTF-8", {NULL, 0}},
    {charset, BYTES("\3"), " 3", {NULL, 0}},
    {charset, BYTES("\4\1;a;"), " 4", BYTES("\4")},
    {charset, BYTES("\5"), " 5", {NULL, 0}},
    {charset, BYTES("\6"), " 6", {NULL, 0}},
    {charset, BYTES("\7"), " 7", {NULL, 0}},
    {status, BYTES("\1"), " send", {NULL, 0}},
    {status, BYTES("\0\373\1\375\3\373\5\375\5"), " is 251 1 253 3 251 5 253 5", {NULL, 0}}, /* RFC 859 section 5 */
    {status, BYTES("\0\372\37a\360\360b\360\374\1"), " is 250 31 a\360\360b 252 1", {NULL, 0}},
    {mssp, BYTES(""), "", {NULL, 0}},
    {mssp,
     BYTES("\1PLAYERS\2"
           "52\1UPTIME\2"),
     " PLAYERS=52 UPTIME=",
     {NULL, 0}},
    {mssp,
     BYTES("\1PORT\2"
           "23\2"
           "4000"),
     " PORT=23 PORT=4000",
     BYTES("\1PORT\2"
           "23\1PORT\2"
           "4000")},
    {gmcp, BYTES("Core.Ping"), " Core.Ping ", {NULL, 0}},
    {gmcp, BYTES("Char.Vitals {\"hp\": 1}"), " Char.Vitals {\"hp\": 1}", {NULL, 0}},
    {gmcp, BYTES("Core.Ping "), " Core.Ping ", BYTES("Core.Ping")},
};

static void payloads_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        struct plait_budget budget;
        struct plait_buf told;
        struct plait_buf out;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&told, &budget, TEXT_BYTES);
        plait_buf_init(&out, &budget, TEXT_BYTES);
        assert_ok(good[i].again(good[i].in, &told, &out));
        assert_ok(out.err);
        assert_slice(plait_buf_slice(&told), good[i].told);
        assert_slice_is(plait_buf_slice(&out), good[i].written.ptr ? good[i].written : good[i].in);
        plait_buf_deinit(&told);
        plait_buf_deinit(&out);
    }
}

/* --- what is none ------------------------------------------------------------------------------------------------- */

static const struct {
    again_fn again;
    plait_slice in;
} malformed[] = {
    {window, BYTES("")},
    {window, BYTES("\0\120")},
    {window, BYTES("\0\120\0")},
    {window, BYTES("\0\120\0\030\0")},
    {name, BYTES("")},
    {name, BYTES("\2VT100")},
    {name, BYTES("\1x")},
    {name, BYTES("\0")},
    {name, BYTES("\0VT\033[2J")},
    {name, BYTES("\0caf\303\251")},
    {environ_again, BYTES("")},
    {environ_again, BYTES("\3")},
    {environ_again, BYTES("\0USER")},
    {environ_again, BYTES("\0\1joe")},
    {environ_again, BYTES("\0\0USER\1joe\1ann")},
    {environ_again, BYTES("\0\0US\2")},
    {environ_again, BYTES("\0\0USER\1joe\2")},
    {linemode, BYTES("")},
    {linemode, BYTES("\1")},
    {linemode, BYTES("\1\5\5")},
    {linemode, BYTES("\0\5")},
    {linemode, BYTES("\2\2")},
    {linemode, BYTES("\372\2")},
    {linemode, BYTES("\377\2")},
    {linemode, BYTES("\375")},
    {linemode, BYTES("\375\1")},
    {linemode, BYTES("\376\2\0")},
    {linemode, BYTES("\375\2"
                     "0123456789abcdef"
                     "0123456789abcdef"
                     "0")},
    {linemode, BYTES("\3\3\142")},
    {charset, BYTES("")},
    {charset, BYTES("\0")},
    {charset, BYTES("\10")},
    {charset, BYTES("\1")},
    {charset, BYTES("\1[TTABLE ]")},
    {charset, BYTES("\1[TTABLE ]\1")},
    {charset, BYTES("\1;")},
    {charset, BYTES("\1;;a")},
    {charset, BYTES("\1;a;")},
    {charset, BYTES("\1;a\n")},
    {charset, BYTES("\2")},
    {charset, BYTES("\3x")},
    {status, BYTES("")},
    {status, BYTES("\2")},
    {status, BYTES("\1\373")},
    {status, BYTES("\0\373")},
    {status, BYTES("\0\1\1")},
    {status, BYTES("\0\372\37")},
    {status, BYTES("\0\372\37a")},
    {status, BYTES("\0\372\37a\360\360")},
    {mssp, BYTES("PLAYERS")},
    {mssp, BYTES("\2"
                 "52")},
    {mssp, BYTES("\1PLAYERS")},
    {mssp, BYTES("\1\2"
                 "52")},
    {mssp, BYTES("\1A\2b\1\2c")},
    {mssp, BYTES("\1A\2b\0")},
    {gmcp, BYTES("")},
    {gmcp, BYTES(" x")},
    {gmcp, BYTES("Core\0Ping")},
};

static void what_is_no_payload_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(malformed); i++) {
        struct plait_budget budget;
        struct plait_buf told;
        struct plait_buf out;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&told, &budget, TEXT_BYTES);
        plait_buf_init(&out, &budget, TEXT_BYTES);
        assert_err(malformed[i].again(malformed[i].in, &told, &out), PLAIT_EMALFORMED);
        plait_buf_deinit(&told);
        plait_buf_deinit(&out);
    }
}

static void a_name_has_its_limit(void **state)
{
    (void)state;
    uint8_t payload[PLAIT__TELNET_NAME_MAX + 2] = {0};
    plait_slice text;
    bool send;
    memset(payload + 1, 'x', sizeof payload - 1);
    assert_ok(plait__telnet_parse_name(plait_slice_of(payload, sizeof payload - 1), &send, &text));
    assert_int_equal(text.len, PLAIT__TELNET_NAME_MAX);
    assert_err(plait__telnet_parse_name(plait_slice_of(payload, sizeof payload), &send, &text), PLAIT_EMALFORMED);
}

/* --- what can't be said ------------------------------------------------------------------------------------------- */

static void put_bad_name(struct plait_buf *out)
{
    plait__telnet_put_name(out, SLICE("a\nb"));
}

static void put_no_name(struct plait_buf *out)
{
    plait__telnet_put_name(out, SLICE(""));
}

static void put_cut_charset(struct plait_buf *out)
{
    plait__telnet_put_charset_name(out, SLICE("UTF-8;x"));
}

static void put_bad_charset(struct plait_buf *out)
{
    plait__telnet_put_charset_accepted(out, SLICE("\1"));
}

static void put_long_mask(struct plait_buf *out)
{
    plait__telnet_put_forwardmask(out, PLAIT_TELNET_DO,
                                  SLICE("0123456789abcdef"
                                        "0123456789abcdef"
                                        "0"));
}

static void put_mask_of_dont(struct plait_buf *out)
{
    plait__telnet_put_forwardmask(out, PLAIT_TELNET_DONT, SLICE("0"));
}

static void put_mask_of_nothing(struct plait_buf *out)
{
    plait__telnet_put_forwardmask(out, PLAIT_TELNET_SB, SLICE(""));
}

static void put_mssp_without_name(struct plait_buf *out)
{
    plait__telnet_put_mssp(out, &(struct plait__telnet_mssp){SLICE(""), SLICE("x")});
}

static void put_mssp_of_parts(struct plait_buf *out)
{
    plait__telnet_put_mssp(out, &(struct plait__telnet_mssp){SLICE("A\2"), SLICE("x")});
}

static void put_mssp_of_values(struct plait_buf *out)
{
    plait__telnet_put_mssp(out, &(struct plait__telnet_mssp){SLICE("A"), SLICE("x\1")});
}

static void put_gmcp_of_words(struct plait_buf *out)
{
    plait__telnet_put_gmcp(out, &(struct plait__telnet_gmcp){SLICE("Core Ping"), SLICE("")});
}

static void (*const impossible[])(struct plait_buf *out) = {
    put_bad_name,      put_no_name,        put_cut_charset,     put_bad_charset,
    put_long_mask,     put_mask_of_dont,   put_mask_of_nothing, put_mssp_without_name,
    put_mssp_of_parts, put_mssp_of_values, put_gmcp_of_words,
};

static void what_can_not_be_said_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(impossible); i++) {
        struct plait_budget budget;
        struct plait_buf out;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&out, &budget, TEXT_BYTES);
        impossible[i](&out);
        assert_err(out.err, PLAIT_EINVAL);
        plait_buf_deinit(&out);
    }
}

static void an_earlier_error_stays(void **state)
{
    (void)state;
    struct plait_budget budget;
    struct plait_buf out;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 0);
    plait_buf_put_u8(&out, 'x');
    plait__telnet_put_name(&out, SLICE(""));
    assert_err(out.err, PLAIT_ETOOLONG);
    plait_buf_deinit(&out);
}

/* --- MTTS, and what LINEMODE means -------------------------------------------------------------------------------- */

static void a_terminal_of_the_muds_is_known(void **state)
{
    (void)state;
    uint32_t bits = 0;
    assert_true(plait__telnet_parse_mtts(SLICE("MTTS 137"), &bits));
    assert_int_equal(bits, PLAIT__MTTS_ANSI | PLAIT__MTTS_COLOURS_256 | PLAIT__MTTS_PROXY);
    assert_true(plait__telnet_parse_mtts(SLICE("mtts 4294967295"), &bits));
    assert_int_equal(bits, UINT32_MAX);
    assert_false(plait__telnet_parse_mtts(SLICE("MTTS 4294967296"), &bits));
    assert_false(plait__telnet_parse_mtts(SLICE("MTTS 1x"), &bits));
    assert_false(plait__telnet_parse_mtts(SLICE("MTTS "), &bits));
    assert_false(plait__telnet_parse_mtts(SLICE("XTERM"), &bits));
}

static void a_mask_tells_what_is_forwarded(void **state)
{
    (void)state;
    const plait_slice mask = SLICE("\200\001\0\020"); /* 0, 15, 27 */
    for (unsigned c = 0; c < 256; c++)
        assert_int_equal(plait__telnet_forwards(mask, (uint8_t)c), c == 0 || c == 15 || c == 27);
}

/* RFC 1184 section 2.2. An answer of 255 is none. */
static const struct {
    uint8_t mode, heard;
    bool server;
    uint8_t can, then, answer;
} modes[] = {
    {0, 0, false, 24, 0, 255}, /* as it is */
    {3, 3, false, 24, 3, 255},  {3, 7, false, 24, 3, 255},
    {0, 3, false, 24, 3, 7}, /* agreed to */
    {0, 27, false, 24, 27, 31}, {0, 3, true, 24, 3, 7},
    {0, 27, false, 8, 11, 11}, /* a part of it, which the server then confirms */
    {0, 3, false, 0, 3, 7},    /* EDIT and TRAPSIG must be done */
    {3, 4, false, 24, 3, 255}, /* confirmed, but not what we have: the server wins */
    {3, 4, true, 24, 0, 255},   {0, 0x83, false, 24, 3, 3},
};

static void a_mode_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(modes); i++) {
        uint8_t mode = modes[i].mode;
        uint8_t answer = 255;
        const bool does = plait__telnet_heard_mode(&mode, modes[i].heard, modes[i].server, modes[i].can, &answer);
        assert_int_equal(mode, modes[i].then);
        assert_int_equal(answer, modes[i].answer);
        assert_int_equal(does, modes[i].answer != 255);
    }
}

/* What two ends that do different things say comes to an end, with one mode. */
static void two_come_to_one_mode(void **state)
{
    (void)state;
    for (unsigned heard = 0; heard < 256; heard++) {
        uint8_t client = 0;
        uint8_t server = (uint8_t)(heard & ~(unsigned)PLAIT__MODE_ACK);
        uint8_t word = server;
        bool to_client = true;
        unsigned turns = 0;
        for (bool said = true; said; to_client = !to_client) {
            said = plait__telnet_heard_mode(to_client ? &client : &server, word, !to_client,
                                            to_client ? PLAIT__MODE_SOFT_TAB : PLAIT__MODE_LIT_ECHO, &word);
            assert_true(++turns < 5);
        }
        assert_int_equal(client & 3, heard & 3);
        assert_int_equal(client & 3, server & 3);
    }
}

TEST_MAIN(cmocka_unit_test(payloads_are_read_and_written), cmocka_unit_test(what_is_no_payload_is_malformed),
          cmocka_unit_test(a_name_has_its_limit), cmocka_unit_test(what_can_not_be_said_is_an_error),
          cmocka_unit_test(an_earlier_error_stays), cmocka_unit_test(a_terminal_of_the_muds_is_known),
          cmocka_unit_test(a_mask_tells_what_is_forwarded), cmocka_unit_test(a_mode_is_answered),
          cmocka_unit_test(two_come_to_one_mode))
