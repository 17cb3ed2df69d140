/* SPDX-License-Identifier: MIT
 *
 * The codec of the PROXY protocol's header (HAProxy's specification, versions 1 and 2): pure, bytes in, a structure
 * out. A line of version 1 has at most 107 bytes; in version 2 what follows the addresses (TLVs) is checked for its
 * lengths and skipped.
 *
 * Invariant: nothing behind the header's own length is looked at, and every prefix of a good header is PLAIT_EAGAIN.
 * Tests: tests/engine/test_proxy.c, fuzz/fuzz_proxy.c.
 */
#include "engine/proxy_wire.h"

#include "base/text.h"
#include "base/try.h"

enum { V2_HEAD = 16, V2_SIGNATURE = 12, UNIX_NAME = 108 };

static const uint8_t v2_signature[V2_SIGNATURE + 1] = "\r\n\r\n\0\r\nQUIT\n";

static plait_slice signature(void)
{
    return plait_slice_of(v2_signature, V2_SIGNATURE);
}

/* --- version 1 ---------------------------------------------------------------------------------------------------- */

static bool is_address_byte(uint8_t byte)
{
    return plait__is_hex(byte) || byte == '.' || byte == ':';
}

static bool scan_address(struct plait_scan *scan, enum plait_address_kind kind, struct plait_address *out)
{
    plait_slice text;
    return plait_scan_byte(scan, ' ') && plait_scan_while(scan, is_address_byte, &text) &&
           plait_address_parse_ip(text, 0, out) == PLAIT_OK && out->kind == kind;
}

static bool scan_port(struct plait_scan *scan, struct plait_address *out)
{
    uint64_t port;
    if (!plait_scan_byte(scan, ' '))
        return false;
    const struct plait_scan start = *scan;
    if (!plait_scan_u64(scan, 65535, &port))
        return false;
    out->port = (uint16_t)port;
    return *start.at != '0' || scan->at == start.at + 1; /* no leading zero */
}

static plait_err parse_line(plait_slice line, struct plait__proxy_header *out)
{
    struct plait_scan scan = plait_scan_of(line);
    enum plait_address_kind kind = PLAIT_ADDR_IP6;
    plait_slice word;
    if (!plait_scan_literal(&scan, PLAIT_LIT("PROXY ")) || !plait_scan_while(&scan, plait__is_alnum, &word))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (plait_slice_equal(word, PLAIT_LIT("UNKNOWN")) && (plait_scan_done(&scan) || *scan.at == ' '))
        return PLAIT_OK;
    if (plait_slice_equal(word, PLAIT_LIT("TCP4")))
        kind = PLAIT_ADDR_IP4;
    else if (!plait_slice_equal(word, PLAIT_LIT("TCP6")))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    out->told = scan_address(&scan, kind, &out->source) && scan_address(&scan, kind, &out->destination) &&
                scan_port(&scan, &out->source) && scan_port(&scan, &out->destination) && plait_scan_done(&scan);
    return out->told ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err parse_v1(plait_slice in, struct plait__proxy_header *out, size_t *used)
{
    const plait_slice seen = plait_slice_sub(in, 0, PLAIT__PROXY_V1_MAX);
    const size_t end = plait_slice_find_byte(seen, '\n', 0);
    if (end == SIZE_MAX)
        return seen.len < PLAIT__PROXY_V1_MAX ? PLAIT_EAGAIN : PLAIT_FAIL(PLAIT_ETOOLONG);
    if (end == 0 || seen.ptr[end - 1] != '\r')
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    *used = end + 1;
    return parse_line(plait_slice_sub(seen, 0, end - 1), out);
}

/* --- version 2 ---------------------------------------------------------------------------------------------------- */

static plait_err get_ip(struct plait_scan *scan, struct plait__proxy_header *out, enum plait_address_kind kind)
{
    const size_t bytes = kind == PLAIT_ADDR_IP4 ? 4 : 16;
    plait_slice source;
    plait_slice destination;
    if (!plait_scan_bytes(scan, bytes, &source) || !plait_scan_bytes(scan, bytes, &destination) ||
        !plait_scan_u16(scan, &out->source.port) || !plait_scan_u16(scan, &out->destination.port))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    out->source.kind = kind;
    out->destination.kind = kind;
    memcpy(out->source.ip, source.ptr, bytes);
    memcpy(out->destination.ip, destination.ptr, bytes);
    return PLAIT_OK;
}

static plait_err get_name(struct plait_scan *scan, struct plait_address *out)
{
    plait_slice field;
    if (!plait_scan_bytes(scan, UNIX_NAME, &field))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    const bool abstract = field.ptr[0] == '\0';
    size_t len = plait_slice_find_byte(field, '\0', 1);
    len = len == SIZE_MAX ? UNIX_NAME : len;
    if (len > PLAIT_ADDR_NAME_MAX || (abstract && len == 1)) {
        out->kind = PLAIT_ADDR_NONE; /* unnamed, or a name without an end, which we can't hold */
        return PLAIT_OK;
    }
    return plait_address_unix(plait_slice_sub(field, 0, len), out);
}

/* Type, length, value: each must lie within what the header says is its length. */
static plait_err skip_tlvs(struct plait_scan *scan)
{
    while (!plait_scan_done(scan)) {
        uint8_t type;
        uint16_t len;
        plait_slice value;
        if (!plait_scan_u8(scan, &type) || !plait_scan_u16(scan, &len) || !plait_scan_bytes(scan, len, &value))
            return PLAIT_FAIL(PLAIT_EMALFORMED);
    }
    return PLAIT_OK;
}

static plait_err get_addresses(struct plait_scan *scan, uint8_t family, struct plait__proxy_header *out)
{
    out->told = true;
    switch (family >> 4) {
    case 1:
        return get_ip(scan, out, PLAIT_ADDR_IP4);
    case 2:
        return get_ip(scan, out, PLAIT_ADDR_IP6);
    default: /* 3, as the caller has seen to */
        PLAIT_TRY(get_name(scan, &out->source));
        return get_name(scan, &out->destination);
    }
}

static plait_err parse_body(uint8_t command, uint8_t family, plait_slice body, struct plait__proxy_header *out)
{
    struct plait_scan scan = plait_scan_of(body);
    if (command == 0x20)
        return PLAIT_OK; /* LOCAL: the receiver must ignore the rest */
    if (command != 0x21 || (family & 0x0f) > 2 || (family >> 4) > 3)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if ((family & 0x0f) == 0 || (family >> 4) == 0)
        return PLAIT_OK; /* UNSPEC */
    PLAIT_TRY(get_addresses(&scan, family, out));
    return skip_tlvs(&scan);
}

static plait_err parse_v2(plait_slice in, struct plait__proxy_header *out, size_t *used)
{
    uint8_t command;
    uint8_t family;
    uint16_t len;
    plait_slice body;
    struct plait_scan scan = plait_scan_of(plait_slice_sub(in, V2_SIGNATURE, in.len));
    if (plait_scan_u8(&scan, &command) && command >> 4 != 2)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (in.len < V2_HEAD || !plait_scan_u8(&scan, &family) || !plait_scan_u16(&scan, &len))
        return PLAIT_EAGAIN;
    if (len > PLAIT__PROXY_V2_MAX - V2_HEAD)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    if (!plait_scan_bytes(&scan, len, &body))
        return PLAIT_EAGAIN;
    *used = V2_HEAD + (size_t)len;
    return parse_body(command, family, body, out);
}

plait_err plait__proxy_parse(plait_slice in, struct plait__proxy_header *out, size_t *used)
{
    const plait_slice v1 = PLAIT_LIT("PROXY ");
    *used = 0;
    *out = (struct plait__proxy_header){.told = false};
    if (plait_slice_starts(in, v1))
        return parse_v1(in, out, used);
    if (plait_slice_starts(in, signature()))
        return parse_v2(in, out, used);
    if (plait_slice_starts(v1, in) || plait_slice_starts(signature(), in))
        return PLAIT_EAGAIN;
    return PLAIT_FAIL(PLAIT_EMALFORMED);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool is_both(const struct plait__proxy_header *h, enum plait_address_kind kind)
{
    return h->told && h->source.kind == kind && h->destination.kind == kind;
}

void plait__proxy_put_v1(struct plait_buf *buf, const struct plait__proxy_header *header)
{
    char source[PLAIT_ADDR_TEXT_MAX];
    char destination[PLAIT_ADDR_TEXT_MAX];
    struct plait__proxy_header h = *header;
    const bool ip4 = is_both(&h, PLAIT_ADDR_IP4);
    if (!ip4 && !is_both(&h, PLAIT_ADDR_IP6)) {
        plait_buf_put_text(buf, "PROXY UNKNOWN\r\n");
        return;
    }
    h.source.scope = 0; /* a scope means nothing elsewhere */
    h.destination.scope = 0;
    plait_buf_printf(buf, "PROXY %s %s %s %u %u\r\n", ip4 ? "TCP4" : "TCP6",
                     plait_address_format_host(&h.source, source),
                     plait_address_format_host(&h.destination, destination), h.source.port, h.destination.port);
}

static void put_name(struct plait_buf *buf, const struct plait_address *a)
{
    uint8_t field[UNIX_NAME] = {0};
    const size_t lead = a->kind == PLAIT_ADDR_ABSTRACT ? 1 : 0;
    if (a->kind == PLAIT_ADDR_UNIX || a->kind == PLAIT_ADDR_ABSTRACT)
        memcpy(field + lead, a->name, a->name_len);
    plait_buf_put(buf, plait_slice_of(field, sizeof field));
}

static void put_ips(struct plait_buf *buf, const struct plait__proxy_header *h, size_t bytes)
{
    plait_buf_put_u16(buf, (uint16_t)(2 * bytes + 4));
    plait_buf_put(buf, plait_slice_of(h->source.ip, bytes));
    plait_buf_put(buf, plait_slice_of(h->destination.ip, bytes));
    plait_buf_put_u16(buf, h->source.port);
    plait_buf_put_u16(buf, h->destination.port);
}

static bool is_ip(const struct plait_address *a)
{
    return a->kind == PLAIT_ADDR_IP4 || a->kind == PLAIT_ADDR_IP6;
}

void plait__proxy_put_v2(struct plait_buf *buf, const struct plait__proxy_header *header)
{
    const bool ip4 = is_both(header, PLAIT_ADDR_IP4);
    const bool ip6 = is_both(header, PLAIT_ADDR_IP6);
    const bool local = !header->told || (!ip4 && !ip6 && (is_ip(&header->source) || is_ip(&header->destination)));
    plait_buf_put(buf, signature());
    plait_buf_put_u8(buf, local ? 0x20 : 0x21);
    if (local) {
        plait_buf_put_u8(buf, 0);
        plait_buf_put_u16(buf, 0);
        return;
    }
    plait_buf_put_u8(buf, ip4 ? 0x11 : ip6 ? 0x21 : 0x31);
    if (ip4 || ip6) {
        put_ips(buf, header, ip4 ? 4 : 16);
        return;
    }
    plait_buf_put_u16(buf, 2 * UNIX_NAME);
    put_name(buf, &header->source);
    put_name(buf, &header->destination);
}
