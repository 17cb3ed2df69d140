/* SPDX-License-Identifier: MIT
 *
 * What subnegotiations of telnet say: the codec, pure, each option's by itself. IAC is no business of this file, nor
 * whether an option is on; who may say what is for those who read it.
 *
 * Invariant: a name that was read or written is printable ASCII, and what is written reads back as it was.
 * Tests: tests/shell/test_telnet_payload_wire.c; fuzz/fuzz_telnet.c.
 */
#include "shell/telnet_payload_wire.h"

#include "base/text.h"
#include "base/try.h"

static void fail(struct plait_buf *payload)
{
    if (payload->err == PLAIT_OK)
        payload->err = PLAIT_EINVAL;
}

bool plait__telnet_is_name(plait_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!plait__is_printable(name.ptr[i]))
            return false;
    }
    return name.len > 0 && name.len <= PLAIT__TELNET_NAME_MAX;
}

static void put_name(struct plait_buf *payload, plait_slice name)
{
    if (!plait__telnet_is_name(name))
        fail(payload);
    plait_buf_put(payload, name);
}

/* Takes the byte that says what kind of payload it is, one of at most `last`. */
static plait_err get_kind(struct plait_scan *scan, uint8_t last, uint8_t *out)
{
    return plait_scan_u8(scan, out) && *out <= last ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err get_end(const struct plait_scan *scan)
{
    return plait_scan_done(scan) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

/* --- NAWS --------------------------------------------------------------------------------------------------------- */

plait_err plait__telnet_parse_window(plait_slice payload, struct plait__telnet_window *out)
{
    struct plait_scan scan = plait_scan_of(payload);
    *out = (struct plait__telnet_window){.columns = 0};
    if (!plait_scan_u16(&scan, &out->columns) || !plait_scan_u16(&scan, &out->rows))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return get_end(&scan);
}

void plait__telnet_put_window(struct plait_buf *payload, const struct plait__telnet_window *window)
{
    plait_buf_put_u16(payload, window->columns);
    plait_buf_put_u16(payload, window->rows);
}

/* --- TTYPE, TSPEED, XDISPLOC -------------------------------------------------------------------------------------- */

enum { NAME_IS = 0, NAME_SEND = 1 };

plait_err plait__telnet_parse_name(plait_slice payload, bool *send, plait_slice *name)
{
    struct plait_scan scan = plait_scan_of(payload);
    uint8_t kind;
    PLAIT_TRY(get_kind(&scan, NAME_SEND, &kind));
    *send = kind == NAME_SEND;
    *name = plait_scan_rest(&scan);
    if (*send)
        return get_end(&scan);
    return plait__telnet_is_name(*name) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

void plait__telnet_put_send(struct plait_buf *payload)
{
    plait_buf_put_u8(payload, NAME_SEND);
}

void plait__telnet_put_name(struct plait_buf *payload, plait_slice name)
{
    plait_buf_put_u8(payload, NAME_IS);
    put_name(payload, name);
}

bool plait__telnet_parse_mtts(plait_slice name, uint32_t *bits)
{
    struct plait_scan scan = plait_scan_of(name);
    uint64_t sum;
    if (!plait_scan_literal_nocase(&scan, PLAIT_LIT("MTTS ")) || !plait_scan_u64(&scan, UINT32_MAX, &sum))
        return false;
    *bits = (uint32_t)sum;
    return plait_scan_done(&scan);
}

/* --- NEW-ENVIRON -------------------------------------------------------------------------------------------------- */

enum { VAR = 0, VALUE = 1, ESC = 2, USERVAR = 3 };

plait_err plait__telnet_parse_environ(plait_slice payload, uint8_t *kind, struct plait_scan *rest)
{
    *rest = plait_scan_of(payload);
    return get_kind(rest, PLAIT__ENVIRON_INFO, kind);
}

/* Takes bytes up to one that ends a text; false when an ESC has nothing behind it. */
static bool take_text(struct plait_scan *scan, plait_slice *out)
{
    const uint8_t *at = scan->at;
    while (at < scan->end && (*at == ESC || *at > USERVAR)) {
        at += *at == ESC ? 2 : 1;
        if (at > scan->end)
            return false;
    }
    *out = plait_slice_of(scan->at, (size_t)(at - scan->at));
    scan->at = at;
    return true;
}

bool plait__telnet_next_variable(struct plait_scan *rest, struct plait__telnet_variable *out)
{
    struct plait_scan scan = *rest;
    uint8_t type;
    *out = (struct plait__telnet_variable){.user = false};
    if (!plait_scan_u8(&scan, &type) || (type != VAR && type != USERVAR) || !take_text(&scan, &out->name))
        return false;
    out->user = type == USERVAR;
    out->defined = plait_scan_byte(&scan, VALUE);
    if (out->defined && !take_text(&scan, &out->value))
        return false;
    *rest = scan;
    return true;
}

void plait__telnet_put_unescaped(struct plait_buf *out, plait_slice text)
{
    struct plait_scan scan = plait_scan_of(text);
    uint8_t byte;
    while (plait_scan_u8(&scan, &byte)) {
        if (byte == ESC)
            (void)plait_scan_u8(&scan, &byte);
        plait_buf_put_u8(out, byte);
    }
}

static void put_escaped(struct plait_buf *payload, plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= USERVAR)
            plait_buf_put_u8(payload, ESC);
        plait_buf_put_u8(payload, text.ptr[i]);
    }
}

void plait__telnet_put_environ(struct plait_buf *payload, uint8_t kind)
{
    plait_buf_put_u8(payload, kind);
}

void plait__telnet_put_variable(struct plait_buf *payload, const struct plait__telnet_variable *variable)
{
    plait_buf_put_u8(payload, variable->user ? USERVAR : VAR);
    put_escaped(payload, variable->name);
    if (!variable->defined)
        return;
    plait_buf_put_u8(payload, VALUE);
    put_escaped(payload, variable->value);
}

/* --- LINEMODE ----------------------------------------------------------------------------------------------------- */

enum { MASK_BYTES_MAX = 32 };

static bool is_negotiation(uint8_t command)
{
    return command >= PLAIT_TELNET_WILL && command <= PLAIT_TELNET_DONT;
}

static plait_err get_forwardmask(struct plait_scan *scan, uint8_t command, struct plait__telnet_linemode *out)
{
    uint8_t what;
    if (!plait_scan_u8(scan, &what) || what != PLAIT__LINEMODE_FORWARDMASK)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    out->kind = PLAIT__LINEMODE_FORWARDMASK;
    out->command = command;
    if (command != PLAIT_TELNET_DO)
        return get_end(scan);
    out->mask = plait_scan_rest(scan);
    return out->mask.len <= MASK_BYTES_MAX ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

plait_err plait__telnet_parse_linemode(plait_slice payload, struct plait__telnet_linemode *out)
{
    struct plait_scan scan = plait_scan_of(payload);
    uint8_t kind;
    *out = (struct plait__telnet_linemode){.mode = 0};
    if (!plait_scan_u8(&scan, &kind))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (is_negotiation(kind))
        return get_forwardmask(&scan, kind, out);
    out->kind = (enum plait__linemode_kind)kind;
    out->rest = scan;
    if (kind == PLAIT__LINEMODE_SLC)
        return PLAIT_OK;
    if (kind != PLAIT__LINEMODE_MODE || !plait_scan_u8(&scan, &out->mode))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return get_end(&scan);
}

void plait__telnet_put_mode(struct plait_buf *payload, uint8_t mode)
{
    plait_buf_put_u8(payload, PLAIT__LINEMODE_MODE);
    plait_buf_put_u8(payload, mode);
}

void plait__telnet_put_forwardmask(struct plait_buf *payload, uint8_t command, plait_slice mask)
{
    if (!is_negotiation(command) || mask.len > (command == PLAIT_TELNET_DO ? MASK_BYTES_MAX : 0))
        fail(payload);
    plait_buf_put_u8(payload, command);
    plait_buf_put_u8(payload, PLAIT__LINEMODE_FORWARDMASK);
    plait_buf_put(payload, mask);
}

bool plait__telnet_forwards(plait_slice mask, uint8_t character)
{
    const size_t at = character / 8;
    return at < mask.len && (mask.ptr[at] & 0x80 >> character % 8) != 0;
}

bool plait__telnet_heard_mode(uint8_t *mode, uint8_t heard, bool server, uint8_t can, uint8_t *answer)
{
    const uint8_t must = PLAIT__MODE_EDIT | PLAIT__MODE_TRAPSIG;
    const uint8_t wanted = (uint8_t)(heard & ~(unsigned)PLAIT__MODE_ACK);
    const uint8_t taken = wanted & (must | can);
    if (wanted == *mode)
        return false;
    if ((heard & PLAIT__MODE_ACK) != 0) {
        *mode = server ? wanted : *mode;
        return false;
    }
    *answer = taken == wanted ? (uint8_t)(taken | PLAIT__MODE_ACK) : taken;
    *mode = taken;
    return true;
}

bool plait__telnet_next_slc(struct plait_scan *rest, struct plait__telnet_slc *out)
{
    plait_slice triplet;
    if (!plait_scan_bytes(rest, 3, &triplet))
        return false;
    *out = (struct plait__telnet_slc){triplet.ptr[0], triplet.ptr[1], triplet.ptr[2]};
    return true;
}

void plait__telnet_put_slc_begin(struct plait_buf *payload)
{
    plait_buf_put_u8(payload, PLAIT__LINEMODE_SLC);
}

void plait__telnet_put_slc(struct plait_buf *payload, const struct plait__telnet_slc *slc)
{
    plait_buf_put_u8(payload, slc->function);
    plait_buf_put_u8(payload, slc->modifiers);
    plait_buf_put_u8(payload, slc->character);
}

/* --- CHARSET ------------------------------------------------------------------------------------------------------ */

enum { SEPARATOR = ';' };

/* A separator, and behind it something. */
static plait_err get_request(struct plait_scan *scan, struct plait__telnet_charset *out)
{
    uint8_t version;
    if (plait_scan_literal(scan, PLAIT_LIT("[TTABLE ]")) && !plait_scan_u8(scan, &version))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    out->rest = *scan;
    return plait_scan_u8(scan, &out->separator) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

plait_err plait__telnet_parse_charset(plait_slice payload, struct plait__telnet_charset *out)
{
    struct plait_scan scan = plait_scan_of(payload);
    uint8_t kind;
    *out = (struct plait__telnet_charset){.separator = 0};
    PLAIT_TRY(get_kind(&scan, PLAIT__CHARSET_TTABLE_NAK, &kind));
    out->kind = (enum plait__charset_kind)kind;
    switch (out->kind) {
    case PLAIT__CHARSET_REQUEST:
        return get_request(&scan, out);
    case PLAIT__CHARSET_ACCEPTED:
        out->name = plait_scan_rest(&scan);
        return plait__telnet_is_name(out->name) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
    case PLAIT__CHARSET_TTABLE_IS:
        return PLAIT_OK;
    case PLAIT__CHARSET_REJECTED:
    case PLAIT__CHARSET_TTABLE_REJECTED:
    case PLAIT__CHARSET_TTABLE_ACK:
    case PLAIT__CHARSET_TTABLE_NAK:
        return get_end(&scan);
    default:
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    }
}

bool plait__telnet_next_charset(struct plait__telnet_charset *request, plait_slice *name)
{
    struct plait_scan scan = request->rest;
    if (!plait_scan_byte(&scan, request->separator))
        return false;
    if (!plait_scan_until(&scan, request->separator, name)) {
        *name = plait_scan_rest(&scan);
        scan.at = scan.end;
    }
    if (!plait__telnet_is_name(*name))
        return false;
    request->rest = scan;
    return true;
}

void plait__telnet_put_charset_request(struct plait_buf *payload)
{
    plait_buf_put_u8(payload, PLAIT__CHARSET_REQUEST);
}

void plait__telnet_put_charset_name(struct plait_buf *payload, plait_slice name)
{
    if (plait_slice_find_byte(name, SEPARATOR, 0) != SIZE_MAX)
        fail(payload);
    plait_buf_put_u8(payload, SEPARATOR);
    put_name(payload, name);
}

void plait__telnet_put_charset_accepted(struct plait_buf *payload, plait_slice name)
{
    plait_buf_put_u8(payload, PLAIT__CHARSET_ACCEPTED);
    put_name(payload, name);
}

void plait__telnet_put_charset_word(struct plait_buf *payload, enum plait__charset_kind kind)
{
    plait_buf_put_u8(payload, (uint8_t)kind);
}

/* --- STATUS ------------------------------------------------------------------------------------------------------- */

plait_err plait__telnet_parse_status(plait_slice payload, uint8_t *kind, struct plait_scan *rest)
{
    *rest = plait_scan_of(payload);
    PLAIT_TRY(get_kind(rest, PLAIT__STATUS_SEND, kind));
    return *kind == PLAIT__STATUS_SEND ? get_end(rest) : PLAIT_OK;
}

/* Takes the bytes of an SB, up to the SE that is not doubled. */
static bool take_status_sub(struct plait_scan *scan, plait_slice *out)
{
    const uint8_t *at = scan->at;
    while (at < scan->end) {
        if (*at != PLAIT_TELNET_SE) {
            at++;
        } else if (scan->end - at >= 2 && at[1] == PLAIT_TELNET_SE) {
            at += 2;
        } else {
            *out = plait_slice_of(scan->at, (size_t)(at - scan->at));
            scan->at = at + 1;
            return true;
        }
    }
    return false;
}

bool plait__telnet_next_status(struct plait_scan *rest, struct plait__telnet_status *out)
{
    struct plait_scan scan = *rest;
    *out = (struct plait__telnet_status){.command = 0};
    if (!plait_scan_u8(&scan, &out->command) || !plait_scan_u8(&scan, &out->option))
        return false;
    if (out->command == PLAIT_TELNET_SB) {
        if (!take_status_sub(&scan, &out->bytes))
            return false;
    } else if (!is_negotiation(out->command)) {
        return false;
    }
    *rest = scan;
    return true;
}

/* --- MSSP, GMCP --------------------------------------------------------------------------------------------------- */

enum { MSSP_VAR = 1, MSSP_VAL = 2 };

static bool is_mssp_text(uint8_t byte)
{
    return byte > MSSP_VAL;
}

/* An empty text is one, too. */
static plait_slice take_mssp_text(struct plait_scan *scan)
{
    plait_slice text = plait_slice_of(scan->at, 0);
    (void)plait_scan_while(scan, is_mssp_text, &text);
    return text;
}

bool plait__telnet_next_mssp(struct plait_scan *rest, struct plait__telnet_mssp *entry)
{
    struct plait_scan scan = *rest;
    if (plait_scan_byte(&scan, MSSP_VAR))
        entry->name = take_mssp_text(&scan);
    if (entry->name.len == 0 || !plait_scan_byte(&scan, MSSP_VAL))
        return false;
    entry->value = take_mssp_text(&scan);
    *rest = scan;
    return true;
}

static void put_mssp_text(struct plait_buf *payload, uint8_t type, plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_mssp_text(text.ptr[i]))
            fail(payload);
    }
    plait_buf_put_u8(payload, type);
    plait_buf_put(payload, text);
}

void plait__telnet_put_mssp(struct plait_buf *payload, const struct plait__telnet_mssp *entry)
{
    if (entry->name.len == 0)
        fail(payload);
    put_mssp_text(payload, MSSP_VAR, entry->name);
    put_mssp_text(payload, MSSP_VAL, entry->value);
}

static bool is_gmcp_name(plait_slice name)
{
    return plait__telnet_is_name(name) && plait_slice_find_byte(name, ' ', 0) == SIZE_MAX;
}

plait_err plait__telnet_parse_gmcp(plait_slice payload, struct plait__telnet_gmcp *out)
{
    const size_t space = plait_slice_find_byte(payload, ' ', 0);
    out->name = plait_slice_sub(payload, 0, space);
    out->data = space == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(payload, space + 1, payload.len);
    return is_gmcp_name(out->name) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

void plait__telnet_put_gmcp(struct plait_buf *payload, const struct plait__telnet_gmcp *message)
{
    if (!is_gmcp_name(message->name))
        fail(payload);
    plait_buf_put(payload, message->name);
    if (message->data.len > 0) {
        plait_buf_put_u8(payload, ' ');
        plait_buf_put(payload, message->data);
    }
}
