/* SPDX-License-Identifier: MIT
 *
 * Fuzzes telnet. The first byte says what the rest is: a flow, which must give the same items whole and cut in two, and
 * whose negotiation a machine of ours must survive; data, which must pass through what writes and reads it; or the
 * payload of a subnegotiation, which, once written again, must stay as it is for ever.
 */
#include "shell/telnet_options.h"
#include "shell/telnet_payload_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* --- a flow ------------------------------------------------------------------------------------------------------- */

enum { SUB_MAX = 64 };

struct flow {
    struct plait__telnet_decoder decoder;
    struct plait__telnet_options options;
    struct plait_buf text; /* the items, written again, one by one */
    bool bad;
};

static void note(struct flow *f, const struct plait__telnet_item *item)
{
    switch (item->event) {
    case PLAIT__TELNET_DATA:
        plait__telnet_put_data(&f->text, item->bytes, true);
        break;
    case PLAIT__TELNET_COMMAND:
        plait__telnet_put_command(&f->text, item->command);
        break;
    case PLAIT__TELNET_SUB:
        require(item->bytes.len <= SUB_MAX);
        plait__telnet_put_sub(&f->text, item->option, item->bytes);
        break;
    case PLAIT__TELNET_NEGOTIATE: {
        const struct plait__telnet_turn turn =
            plait__telnet_heard(&f->options, item->command, item->option, item->option % 2 == 0);
        require(turn.change != PLAIT__TELNET_ON || plait__telnet_is_on(&f->options, turn.side, item->option));
        plait__telnet_put_negotiate(&f->text, item->command, item->option);
        if (item->option % 3 == 0)
            (void)plait__telnet_ask(&f->options, turn.side, item->option, item->option % 4 == 0);
        break;
    }
    default:
        require(item->err == PLAIT_ETOOLONG);
        f->bad = true;
    }
}

static void feed(struct flow *f, plait_slice in)
{
    while (!f->bad) {
        const struct plait__telnet_item item = plait__telnet_next(&f->decoder, in);
        require(item.taken <= in.len);
        if (item.event == PLAIT__TELNET_MORE) {
            require(item.taken == in.len);
            return;
        }
        note(f, &item);
        in = plait_slice_sub(in, item.taken, in.len);
    }
}

static void flow_init(struct flow *f, struct plait_budget *budget, bool binary)
{
    *f = (struct flow){.bad = false};
    plait__telnet_decoder_init(&f->decoder, budget, SUB_MAX);
    f->decoder.binary = binary;
    plait_buf_init(&f->text, budget, SIZE_MAX / 2);
}

static void flow_deinit(struct flow *f)
{
    plait__telnet_decoder_deinit(&f->decoder);
    plait_buf_deinit(&f->text);
}

static void check_flow(plait_slice in, bool binary, struct plait_budget *budget)
{
    for (size_t cut = 0; cut <= in.len && cut < 16; cut++) {
        struct flow whole;
        struct flow parts;
        flow_init(&whole, budget, binary);
        flow_init(&parts, budget, binary);
        feed(&whole, in);
        feed(&parts, plait_slice_sub(in, 0, cut));
        feed(&parts, plait_slice_sub(in, cut, in.len));
        require(whole.bad == parts.bad);
        require(plait_slice_equal(plait_buf_slice(&whole.text), plait_buf_slice(&parts.text)));
        plait_buf_clear(&whole.text);
        plait__telnet_put_status(&whole.text, &whole.options);
        flow_deinit(&whole);
        flow_deinit(&parts);
    }
}

static void check_data(plait_slice in, bool binary, struct plait_budget *budget)
{
    struct plait__telnet_decoder decoder;
    struct plait_buf wire;
    plait_slice left;
    plait__telnet_decoder_init(&decoder, budget, 0);
    decoder.binary = binary;
    plait_buf_init(&wire, budget, 2 * in.len + 1);
    plait__telnet_put_data(&wire, in, binary);
    left = plait_buf_slice(&wire);
    for (;;) {
        const struct plait__telnet_item item = plait__telnet_next(&decoder, left);
        if (item.event == PLAIT__TELNET_MORE)
            break;
        require(item.event == PLAIT__TELNET_DATA && plait_slice_starts(in, item.bytes));
        in = plait_slice_sub(in, item.bytes.len, in.len);
        left = plait_slice_sub(left, item.taken, left.len);
    }
    require(in.len == 0 && wire.err == PLAIT_OK);
    plait_buf_deinit(&wire);
    plait__telnet_decoder_deinit(&decoder);
}

/* --- payloads ----------------------------------------------------------------------------------------------------- */

/* Each reads a payload and writes it again. Returns whether it was one. */
typedef bool (*again_fn)(plait_slice in, struct plait_buf *out);

static bool window(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_window w;
    if (plait__telnet_parse_window(in, &w) != PLAIT_OK)
        return false;
    plait__telnet_put_window(out, &w);
    return true;
}

static bool name(plait_slice in, struct plait_buf *out)
{
    plait_slice text;
    uint32_t bits;
    bool send;
    if (plait__telnet_parse_name(in, &send, &text) != PLAIT_OK)
        return false;
    (void)plait__telnet_parse_mtts(text, &bits);
    if (send)
        plait__telnet_put_send(out);
    else
        plait__telnet_put_name(out, text);
    return true;
}

static bool variables(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_variable v;
    struct plait_scan rest;
    uint8_t kind;
    if (plait__telnet_parse_environ(in, &kind, &rest) != PLAIT_OK)
        return false;
    plait__telnet_put_environ(out, kind);
    while (plait__telnet_next_variable(&rest, &v)) {
        struct plait_buf text;
        plait_buf_init(&text, out->budget, in.len + 1);
        plait__telnet_put_unescaped(&text, v.name);
        const size_t len = text.len;
        plait__telnet_put_unescaped(&text, v.value);
        v.name = plait_slice_sub(plait_buf_slice(&text), 0, len);
        v.value = plait_slice_sub(plait_buf_slice(&text), len, text.len);
        plait__telnet_put_variable(out, &v);
        plait_buf_deinit(&text);
    }
    return plait_scan_done(&rest);
}

static bool linemode(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_linemode l;
    struct plait__telnet_slc slc;
    uint8_t mode = 0;
    uint8_t answer;
    if (plait__telnet_parse_linemode(in, &l) != PLAIT_OK)
        return false;
    switch (l.kind) {
    case PLAIT__LINEMODE_MODE:
        (void)plait__telnet_heard_mode(&mode, l.mode, in.len % 2 == 0, PLAIT__MODE_SOFT_TAB, &answer);
        if (plait__telnet_heard_mode(&mode, l.mode, true, PLAIT__MODE_SOFT_TAB, &answer))
            require((mode & 3) == (l.mode & 3));
        plait__telnet_put_mode(out, l.mode);
        return true;
    case PLAIT__LINEMODE_FORWARDMASK:
        (void)plait__telnet_forwards(l.mask, l.command);
        (void)plait__telnet_forwards(l.mask, 0);
        plait__telnet_put_forwardmask(out, l.command, l.mask);
        return true;
    default:
        plait__telnet_put_slc_begin(out);
        while (plait__telnet_next_slc(&l.rest, &slc))
            plait__telnet_put_slc(out, &slc);
        return plait_scan_done(&l.rest);
    }
}

/* A name of a request with another separator may have a semicolon in it: that can't be said with ours. */
static bool charset(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_charset c;
    plait_slice text;
    if (plait__telnet_parse_charset(in, &c) != PLAIT_OK)
        return false;
    if (c.kind == PLAIT__CHARSET_ACCEPTED) {
        plait__telnet_put_charset_accepted(out, c.name);
        return true;
    }
    if (c.kind != PLAIT__CHARSET_REQUEST) {
        plait__telnet_put_charset_word(out, c.kind);
        return true;
    }
    plait__telnet_put_charset_request(out);
    while (plait__telnet_next_charset(&c, &text)) {
        const bool can = plait_slice_find_byte(text, ';', 0) == SIZE_MAX;
        plait__telnet_put_charset_name(out, text);
        require((out->err == PLAIT_OK) == can);
        if (!can)
            return false;
    }
    return plait_scan_done(&c.rest);
}

static bool status(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_status s;
    struct plait_scan rest;
    uint8_t kind;
    if (plait__telnet_parse_status(in, &kind, &rest) != PLAIT_OK)
        return false;
    plait_buf_put_u8(out, kind);
    while (plait__telnet_next_status(&rest, &s)) {
        plait_buf_put_u8(out, s.command);
        plait_buf_put_u8(out, s.option);
        plait_buf_put(out, s.bytes);
        if (s.command == PLAIT_TELNET_SB)
            plait_buf_put_u8(out, PLAIT_TELNET_SE);
    }
    return plait_scan_done(&rest);
}

static bool mssp(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_mssp entry = {.name = {NULL, 0}};
    struct plait_scan rest = plait_scan_of(in);
    while (out->len <= in.len && plait__telnet_next_mssp(&rest, &entry))
        plait__telnet_put_mssp(out, &entry); /* a name for each value: longer than what was read */
    return plait_scan_done(&rest);
}

static bool gmcp(plait_slice in, struct plait_buf *out)
{
    struct plait__telnet_gmcp message;
    if (plait__telnet_parse_gmcp(in, &message) != PLAIT_OK)
        return false;
    plait__telnet_put_gmcp(out, &message);
    return true;
}

static const again_fn payloads[] = {window, name, variables, linemode, charset, status, mssp, gmcp};

static void check_payload(again_fn again, plait_slice in, struct plait_budget *budget)
{
    struct plait_buf once;
    struct plait_buf twice;
    plait_buf_init(&once, budget, SIZE_MAX / 2);
    plait_buf_init(&twice, budget, SIZE_MAX / 2);
    if (again(in, &once)) {
        require(once.err == PLAIT_OK);
        require(again(plait_buf_slice(&once), &twice) && twice.err == PLAIT_OK);
        require(plait_slice_equal(plait_buf_slice(&once), plait_buf_slice(&twice)));
    }
    plait_buf_deinit(&once);
    plait_buf_deinit(&twice);
}

/* Names and values of any bytes at all either can't be written or read back as they were. */
static void check_any(plait_slice in, struct plait_budget *budget)
{
    const plait_slice a = plait_slice_sub(in, 0, in.len / 2);
    const plait_slice b = plait_slice_sub(in, in.len / 2, in.len);
    struct plait__telnet_mssp entry = {a, b};
    struct plait__telnet_gmcp message = {a, b};
    struct plait_buf out;
    plait_buf_init(&out, budget, SIZE_MAX / 2);
    plait__telnet_put_mssp(&out, &entry);
    if (out.err == PLAIT_OK) {
        struct plait_scan rest = plait_scan_of(plait_buf_slice(&out));
        require(plait__telnet_next_mssp(&rest, &entry) && plait_scan_done(&rest));
        require(plait_slice_equal(entry.name, a) && plait_slice_equal(entry.value, b));
    }
    plait_buf_clear(&out);
    plait__telnet_put_gmcp(&out, &message);
    if (out.err == PLAIT_OK) {
        require(plait__telnet_parse_gmcp(plait_buf_slice(&out), &message) == PLAIT_OK);
        require(plait_slice_equal(message.name, a) && plait_slice_equal(message.data, b));
    }
    plait_buf_clear(&out);
    plait__telnet_put_charset_name(&out, a);
    plait_buf_clear(&out);
    plait__telnet_put_name(&out, b);
    plait_buf_clear(&out);
    plait__telnet_put_forwardmask(&out, in.len > 0 ? in.ptr[0] : 0, b);
    plait_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t count = sizeof(payloads) / sizeof(payloads[0]);
    struct plait_budget budget;
    if (size == 0)
        return 0;
    const plait_slice in = plait_slice_of(data + 1, size - 1);
    plait_budget_init(&budget, NULL, NULL, 0);
    if (data[0] < count)
        check_payload(payloads[data[0]], in, &budget);
    else if (data[0] >= 0xf0)
        check_any(in, &budget);
    else if (data[0] >= 0x80)
        check_data(in, data[0] % 2 == 1, &budget);
    else
        check_flow(in, data[0] % 2 == 1, &budget);
    require(budget.used == 0);
    return 0;
}
