/* SPDX-License-Identifier: MIT
 *
 * SOCKS 4, 4a (the notes of their authors) and 5 (RFC 1928, RFC 1929): the codec, pure, bytes in, a structure out. It
 * knows each message by itself; which one comes when is for those who read it. Reserved bytes are written as zero and
 * not looked at.
 *
 * Invariant: every prefix of a good message is PLAIT_EAGAIN, and no name that was read or written holds a control
 * character or a space. Tests: tests/small/test_socks_wire.c, fuzz/fuzz_socks.c.
 */
#include "small/socks_wire.h"

#include "base/try.h"

#include <string.h>

enum { V4 = 4, V5 = 5, LOGIN = 1 };  /* the bytes that messages begin with */
enum { IP4 = 1, NAME = 3, IP6 = 4 }; /* types of address */
enum { IP4_BYTES = 4, IP6_BYTES = 16 };

static void fail(struct plait_buf *buf, plait_err err)
{
    if (buf->err == PLAIT_OK)
        buf->err = err;
}

static bool is_name(plait_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] == 0x7f)
            return false;
    }
    return name.len > 0 && name.len <= PLAIT__SOCKS_TEXT_MAX;
}

/* Takes the byte that a message must begin with. */
static plait_err get_first(struct plait_scan *scan, uint8_t first)
{
    uint8_t byte;
    if (!plait_scan_u8(scan, &byte))
        return PLAIT_EAGAIN;
    return byte == first ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err get_u8(struct plait_scan *scan, uint8_t *out)
{
    return plait_scan_u8(scan, out) ? PLAIT_OK : PLAIT_EAGAIN;
}

/* How much of `in` was taken; what was asked for is told only when all of it is there. */
static size_t taken(const struct plait_scan *scan, plait_slice in)
{
    return (size_t)(scan->at - in.ptr);
}

/* --- version 4 ---------------------------------------------------------------------------------------------------- */

static plait_err get_port_and_ip(struct plait_scan *scan, struct plait_address *out)
{
    plait_slice ip;
    if (!plait_scan_u16(scan, &out->port) || !plait_scan_bytes(scan, IP4_BYTES, &ip))
        return PLAIT_EAGAIN;
    out->kind = PLAIT_ADDR_IP4;
    memcpy(out->ip, ip.ptr, IP4_BYTES);
    return PLAIT_OK;
}

/* A text with a NUL behind it. */
static plait_err get_text(struct plait_scan *scan, plait_slice *out)
{
    const plait_slice rest = plait_slice_sub(plait_scan_rest(scan), 0, PLAIT__SOCKS_TEXT_MAX + 1);
    const size_t len = plait_slice_find_byte(rest, '\0', 0);
    if (len == SIZE_MAX)
        return rest.len <= PLAIT__SOCKS_TEXT_MAX ? PLAIT_EAGAIN : PLAIT_FAIL(PLAIT_ETOOLONG);
    *out = plait_slice_sub(rest, 0, len);
    scan->at += len + 1;
    return PLAIT_OK;
}

/* 4a: an address that can't be one, 0.0.0.x, says that a name follows. */
static bool is_4a(const uint8_t *ip)
{
    return ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0;
}

plait_err plait__socks4_parse_request(plait_slice in, struct plait__socks_request *out, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    *out = (struct plait__socks_request){.command = 0};
    PLAIT_TRY(get_first(&scan, V4));
    PLAIT_TRY(get_u8(&scan, &out->command));
    PLAIT_TRY(get_port_and_ip(&scan, &out->to.address));
    PLAIT_TRY(get_text(&scan, &out->user));
    if (is_4a(out->to.address.ip)) {
        PLAIT_TRY(get_text(&scan, &out->to.name));
        if (!is_name(out->to.name))
            return PLAIT_FAIL(PLAIT_EMALFORMED);
        out->to.address = (struct plait_address){.port = out->to.address.port};
    }
    *used = taken(&scan, in);
    return PLAIT_OK;
}

plait_err plait__socks4_parse_reply(plait_slice in, struct plait__socks_reply *out, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    *out = (struct plait__socks_reply){.code = 0};
    PLAIT_TRY(get_first(&scan, 0));
    PLAIT_TRY(get_u8(&scan, &out->code));
    PLAIT_TRY(get_port_and_ip(&scan, &out->bound.address));
    *used = taken(&scan, in);
    return PLAIT_OK;
}

static void put_text(struct plait_buf *buf, plait_slice text)
{
    if (text.len > PLAIT__SOCKS_TEXT_MAX || plait_slice_find_byte(text, '\0', 0) != SIZE_MAX)
        fail(buf, PLAIT_EINVAL);
    plait_buf_put(buf, text);
    plait_buf_put_u8(buf, 0);
}

static void put_port_and_ip(struct plait_buf *buf, const struct plait_address *a)
{
    static const uint8_t none[IP4_BYTES];
    if (a->kind != PLAIT_ADDR_IP4 && a->kind != PLAIT_ADDR_NONE)
        fail(buf, PLAIT_EUNSUPPORTED);
    plait_buf_put_u16(buf, a->port);
    plait_buf_put(buf, plait_slice_of(a->kind == PLAIT_ADDR_IP4 ? a->ip : none, IP4_BYTES));
}

void plait__socks4_put_request(struct plait_buf *buf, const struct plait__socks_request *request)
{
    const struct plait__socks_end *to = &request->to;
    const struct plait_address marker = {.kind = PLAIT_ADDR_IP4, .port = to->address.port, .ip = {0, 0, 0, 1}};
    const bool named = to->name.len > 0;
    if (named && !is_name(to->name))
        fail(buf, PLAIT_EINVAL);
    if (!named && to->address.kind == PLAIT_ADDR_IP4 && is_4a(to->address.ip))
        fail(buf, PLAIT_EINVAL); /* it would say that a name follows */
    plait_buf_put_u8(buf, V4);
    plait_buf_put_u8(buf, request->command);
    put_port_and_ip(buf, named ? &marker : &to->address);
    put_text(buf, request->user);
    if (named)
        put_text(buf, to->name);
}

void plait__socks4_put_reply(struct plait_buf *buf, const struct plait__socks_reply *reply)
{
    plait_buf_put_u8(buf, 0);
    plait_buf_put_u8(buf, reply->code);
    put_port_and_ip(buf, &reply->bound.address);
}

/* --- version 5: how it begins ------------------------------------------------------------------------------------- */

/* Bytes with their number before them. */
static plait_err get_counted(struct plait_scan *scan, plait_slice *out)
{
    uint8_t len;
    if (!plait_scan_u8(scan, &len) || !plait_scan_bytes(scan, len, out))
        return PLAIT_EAGAIN;
    return PLAIT_OK;
}

static void put_counted(struct plait_buf *buf, plait_slice bytes)
{
    if (bytes.len > PLAIT__SOCKS_TEXT_MAX)
        fail(buf, PLAIT_EINVAL);
    plait_buf_put_u8(buf, (uint8_t)bytes.len);
    plait_buf_put(buf, bytes);
}

plait_err plait__socks5_parse_methods(plait_slice in, plait_slice *methods, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    PLAIT_TRY(get_first(&scan, V5));
    PLAIT_TRY(get_counted(&scan, methods));
    *used = taken(&scan, in);
    return methods->len > 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

plait_err plait__socks5_parse_method(plait_slice in, uint8_t *method, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    PLAIT_TRY(get_first(&scan, V5));
    PLAIT_TRY(get_u8(&scan, method));
    *used = taken(&scan, in);
    return PLAIT_OK;
}

void plait__socks5_put_methods(struct plait_buf *buf, plait_slice methods)
{
    if (methods.len == 0)
        fail(buf, PLAIT_EINVAL);
    plait_buf_put_u8(buf, V5);
    put_counted(buf, methods);
}

void plait__socks5_put_method(struct plait_buf *buf, uint8_t method)
{
    plait_buf_put_u8(buf, V5);
    plait_buf_put_u8(buf, method);
}

plait_err plait__socks5_parse_login(plait_slice in, plait_slice *user, plait_slice *password, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    PLAIT_TRY(get_first(&scan, LOGIN));
    PLAIT_TRY(get_counted(&scan, user));
    PLAIT_TRY(get_counted(&scan, password));
    *used = taken(&scan, in);
    return PLAIT_OK;
}

plait_err plait__socks5_parse_verdict(plait_slice in, bool *right, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    uint8_t status;
    PLAIT_TRY(get_first(&scan, LOGIN));
    PLAIT_TRY(get_u8(&scan, &status));
    *right = status == 0;
    *used = taken(&scan, in);
    return PLAIT_OK;
}

void plait__socks5_put_login(struct plait_buf *buf, plait_slice user, plait_slice password)
{
    plait_buf_put_u8(buf, LOGIN);
    put_counted(buf, user);
    put_counted(buf, password);
}

void plait__socks5_put_verdict(struct plait_buf *buf, bool right)
{
    plait_buf_put_u8(buf, LOGIN);
    plait_buf_put_u8(buf, right ? 0 : 1);
}

/* --- version 5: requests, replies, datagrams ---------------------------------------------------------------------- */

static plait_err get_ip(struct plait_scan *scan, enum plait_address_kind kind, struct plait_address *out)
{
    const size_t bytes = kind == PLAIT_ADDR_IP4 ? IP4_BYTES : IP6_BYTES;
    plait_slice ip;
    if (!plait_scan_bytes(scan, bytes, &ip))
        return PLAIT_EAGAIN;
    out->kind = kind;
    memcpy(out->ip, ip.ptr, bytes);
    return PLAIT_OK;
}

static plait_err get_name(struct plait_scan *scan, plait_slice *out)
{
    PLAIT_TRY(get_counted(scan, out));
    return is_name(*out) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err get_host(struct plait_scan *scan, uint8_t type, struct plait__socks_end *out)
{
    switch (type) {
    case IP4:
        return get_ip(scan, PLAIT_ADDR_IP4, &out->address);
    case NAME:
        return get_name(scan, &out->name);
    case IP6:
        return get_ip(scan, PLAIT_ADDR_IP6, &out->address);
    default:
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    }
}

static plait_err get_end(struct plait_scan *scan, struct plait__socks_end *out)
{
    uint8_t type;
    PLAIT_TRY(get_u8(scan, &type));
    PLAIT_TRY(get_host(scan, type, out));
    return plait_scan_u16(scan, &out->address.port) ? PLAIT_OK : PLAIT_EAGAIN;
}

/* What requests and replies have in common: a code, a reserved byte, an end. */
static plait_err get_message(plait_slice in, uint8_t *code, struct plait__socks_end *end, size_t *used)
{
    struct plait_scan scan = plait_scan_of(in);
    uint8_t reserved;
    PLAIT_TRY(get_first(&scan, V5));
    PLAIT_TRY(get_u8(&scan, code));
    PLAIT_TRY(get_u8(&scan, &reserved));
    PLAIT_TRY(get_end(&scan, end));
    *used = taken(&scan, in);
    return PLAIT_OK;
}

plait_err plait__socks5_parse_request(plait_slice in, struct plait__socks_request *out, size_t *used)
{
    *out = (struct plait__socks_request){.command = 0};
    return get_message(in, &out->command, &out->to, used);
}

plait_err plait__socks5_parse_reply(plait_slice in, struct plait__socks_reply *out, size_t *used)
{
    *out = (struct plait__socks_reply){.code = 0};
    return get_message(in, &out->code, &out->bound, used);
}

static void put_host(struct plait_buf *buf, const struct plait__socks_end *end)
{
    static const uint8_t none[IP4_BYTES];
    if (end->name.len > 0) {
        if (!is_name(end->name))
            fail(buf, PLAIT_EINVAL);
        plait_buf_put_u8(buf, NAME);
        put_counted(buf, end->name);
    } else if (end->address.kind == PLAIT_ADDR_IP6) {
        plait_buf_put_u8(buf, IP6);
        plait_buf_put(buf, plait_slice_of(end->address.ip, IP6_BYTES));
    } else {
        plait_buf_put_u8(buf, IP4);
        plait_buf_put(buf, plait_slice_of(end->address.kind == PLAIT_ADDR_IP4 ? end->address.ip : none, IP4_BYTES));
    }
    plait_buf_put_u16(buf, end->address.port);
}

static void put_message(struct plait_buf *buf, uint8_t code, const struct plait__socks_end *end)
{
    plait_buf_put_u8(buf, V5);
    plait_buf_put_u8(buf, code);
    plait_buf_put_u8(buf, 0);
    put_host(buf, end);
}

void plait__socks5_put_request(struct plait_buf *buf, const struct plait__socks_request *request)
{
    put_message(buf, request->command, &request->to);
}

void plait__socks5_put_reply(struct plait_buf *buf, const struct plait__socks_reply *reply)
{
    put_message(buf, reply->code, &reply->bound);
}

plait_err plait__socks5_parse_datagram(plait_slice in, struct plait__socks_end *end, plait_slice *data)
{
    struct plait_scan scan = plait_scan_of(in);
    uint16_t reserved;
    uint8_t fragment;
    *end = (struct plait__socks_end){.name = {NULL, 0}};
    if (!plait_scan_u16(&scan, &reserved) || !plait_scan_u8(&scan, &fragment))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (fragment != 0)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    const plait_err err = get_end(&scan, end);
    if (err == PLAIT_EAGAIN)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    *data = plait_scan_rest(&scan);
    return err;
}

void plait__socks5_put_datagram(struct plait_buf *buf, const struct plait__socks_end *end, plait_slice data)
{
    plait_buf_put_u16(buf, 0);
    plait_buf_put_u8(buf, 0);
    put_host(buf, end);
    plait_buf_put(buf, data);
}

/* --- codes -------------------------------------------------------------------------------------------------------- */

plait_err plait__socks4_meaning(uint8_t code)
{
    switch (code) {
    case PLAIT__SOCKS4_GRANTED:
        return PLAIT_OK;
    case PLAIT__SOCKS4_REJECTED:
        return PLAIT_EREFUSED; /* or it failed: version 4 has one code for both */
    case 92:
    case 93:
        return PLAIT_EACCESS; /* ident has to say who we are, and doesn't, or says otherwise */
    default:
        return PLAIT_EPROTOCOL;
    }
}

/* By code. */
static const plait_err meanings[] = {
    [PLAIT__SOCKS5_SUCCEEDED] = PLAIT_OK,
    [PLAIT__SOCKS5_FAILED] = PLAIT_EUNREACHABLE,
    [PLAIT__SOCKS5_NOT_ALLOWED] = PLAIT_EFORBIDDEN,
    [PLAIT__SOCKS5_NETWORK_UNREACHABLE] = PLAIT_EUNREACHABLE,
    [PLAIT__SOCKS5_HOST_UNREACHABLE] = PLAIT_EUNREACHABLE,
    [PLAIT__SOCKS5_REFUSED] = PLAIT_EREFUSED,
    [PLAIT__SOCKS5_TTL_EXPIRED] = PLAIT_ETIMEDOUT,
    [PLAIT__SOCKS5_NO_SUCH_COMMAND] = PLAIT_EUNSUPPORTED,
    [PLAIT__SOCKS5_NO_SUCH_ADDRESS] = PLAIT_EUNSUPPORTED,
};

plait_err plait__socks5_meaning(uint8_t code)
{
    return code < sizeof(meanings) / sizeof(meanings[0]) ? meanings[code] : PLAIT_EPROTOCOL;
}

uint8_t plait__socks5_code(plait_err err)
{
    switch (err) {
    case PLAIT_OK:
        return PLAIT__SOCKS5_SUCCEEDED;
    case PLAIT_EFORBIDDEN:
    case PLAIT_EACCESS:
        return PLAIT__SOCKS5_NOT_ALLOWED;
    case PLAIT_EUNREACHABLE:
    case PLAIT_ENAMENOTFOUND:
        return PLAIT__SOCKS5_HOST_UNREACHABLE;
    case PLAIT_EREFUSED:
        return PLAIT__SOCKS5_REFUSED;
    case PLAIT_ETIMEDOUT:
    case PLAIT_ENETTIMEDOUT:
        return PLAIT__SOCKS5_TTL_EXPIRED;
    case PLAIT_EUNSUPPORTED:
        return PLAIT__SOCKS5_NO_SUCH_ADDRESS;
    default:
        return PLAIT__SOCKS5_FAILED;
    }
}
