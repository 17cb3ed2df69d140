/* SPDX-License-Identifier: MIT
 *
 * Addresses as text and back. IPv6 is written as RFC 5952 asks: lower case, the longest run of zero groups shortened,
 * mapped IPv4 in dots.
 *
 * Invariant: what is formatted parses to the same address; nothing asks the operating system, so a scope is a number
 * here. Test: tests/base/test_address.c.
 */
#include "base/text.h"
#include "base/try.h"

#include <plait/address.h>

#include <stdio.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int put_ip4(const uint8_t ip[4], char *out, size_t room)
{
    return snprintf(out, room, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

static unsigned group(const uint8_t ip[16], int i)
{
    return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The first longest run of at least two zero groups (RFC 5952 section 4.2). */
static void longest_zero_run(const uint8_t ip[16], int *from, int *len)
{
    *from = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group(ip, i + n) == 0)
            n++;
        if (n > *len) {
            *from = i;
            *len = n;
        }
        i += n;
    }
}

static int put_ip6(const uint8_t ip[16], char *out, size_t room)
{
    int zero_from;
    int zero_len;
    int at = 0;
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0) {
        at = snprintf(out, room, "::ffff:");
        return at + put_ip4(ip + 12, out + at, room - (size_t)at);
    }
    longest_zero_run(ip, &zero_from, &zero_len);
    for (int i = 0; i < 8; i++) {
        if (i == zero_from) {
            at += snprintf(out + at, room - (size_t)at, "::");
            i += zero_len - 1;
            continue;
        }
        const bool first = i == 0 || i == zero_from + zero_len;
        at += snprintf(out + at, room - (size_t)at, first && !(zero_from < 0 && i > 0) ? "%x" : ":%x", group(ip, i));
    }
    return at;
}

static int put_scope(uint32_t scope, char *out, size_t room)
{
    return scope ? snprintf(out, room, "%%%u", scope) : 0;
}

/* A UNIX socket's name with everything but printable ASCII escaped, cut where the room ends. */
static void put_name(const struct plait_address *addr, char *out, size_t room)
{
    size_t at = 0;
    for (size_t i = 0; i < addr->name_len; i++) {
        char piece[8];
        const size_t n = plait__escape_byte((uint8_t)addr->name[i], piece);
        if (at + n + 1 > room)
            break;
        memcpy(out + at, piece, n);
        at += n;
    }
    out[at] = '\0';
}

const char *plait_address_format_host(const struct plait_address *addr, char out[PLAIT_ADDR_TEXT_MAX])
{
    int at = 0;
    switch (addr->kind) {
    case PLAIT_ADDR_IP4:
        put_ip4(addr->ip, out, PLAIT_ADDR_TEXT_MAX);
        break;
    case PLAIT_ADDR_IP6:
        at = put_ip6(addr->ip, out, PLAIT_ADDR_TEXT_MAX);
        put_scope(addr->scope, out + at, PLAIT_ADDR_TEXT_MAX - (size_t)at);
        break;
    case PLAIT_ADDR_UNIX:
    case PLAIT_ADDR_ABSTRACT:
        at = snprintf(out, PLAIT_ADDR_TEXT_MAX, addr->kind == PLAIT_ADDR_UNIX ? "unix:" : "unix:@");
        put_name(addr, out + at, PLAIT_ADDR_TEXT_MAX - (size_t)at);
        break;
    case PLAIT_ADDR_NONE:
        memcpy(out, "-", 2);
        break;
    }
    return out;
}

const char *plait_address_format(const struct plait_address *addr, char out[PLAIT_ADDR_TEXT_MAX])
{
    char host[PLAIT_ADDR_TEXT_MAX];
    plait_address_format_host(addr, host);
    if (addr->kind == PLAIT_ADDR_IP4)
        snprintf(out, PLAIT_ADDR_TEXT_MAX, "%.64s:%u", host, addr->port);
    else if (addr->kind == PLAIT_ADDR_IP6)
        snprintf(out, PLAIT_ADDR_TEXT_MAX, "[%.64s]:%u", host, addr->port);
    else
        memcpy(out, host, sizeof host);
    return out;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Exactly four numbers without leading zeroes (RFC 6943 section 3.1.1: what others take for octal is refused). */
static bool scan_ip4(struct plait_scan *scan, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t n;
        if (i > 0 && !plait_scan_byte(scan, '.'))
            return false;
        const uint8_t *from = scan->at;
        if (!plait_scan_u64(scan, 255, &n) || (scan->at - from > 1 && *from == '0'))
            return false;
        out[i] = (uint8_t)n;
    }
    return true;
}

struct ip6_groups {
    uint8_t bytes[16];
    size_t len; /* bytes so far */
    int gap;    /* where "::" stands, or -1 */
};

static bool at_end_of_groups(const struct plait_scan *scan)
{
    return plait_scan_done(scan) || *scan->at == '%';
}

/* One group or, at the end, a dotted IPv4 address. */
static bool scan_group(struct plait_scan *scan, struct ip6_groups *g)
{
    struct plait_scan dotted = *scan;
    uint64_t n;
    if (g->len <= 12 && scan_ip4(&dotted, g->bytes + g->len) && at_end_of_groups(&dotted)) {
        g->len += 4;
        *scan = dotted;
        return true;
    }
    const uint8_t *from = scan->at;
    if (g->len > 14 || !plait_scan_hex64(scan, 0xffff, &n) || scan->at - from > 4)
        return false;
    g->bytes[g->len++] = (uint8_t)(n >> 8);
    g->bytes[g->len++] = (uint8_t)n;
    return true;
}

static bool scan_gap(struct plait_scan *scan, struct ip6_groups *g)
{
    if (g->gap >= 0 || !plait_scan_literal(scan, PLAIT_LIT("::")))
        return false;
    g->gap = (int)g->len;
    return true;
}

static bool scan_groups(struct plait_scan *scan, struct ip6_groups *g)
{
    bool more = !scan_gap(scan, g) || !at_end_of_groups(scan);
    while (more) {
        if (!scan_group(scan, g))
            return false;
        if (at_end_of_groups(scan))
            break;
        if (scan_gap(scan, g))
            more = !at_end_of_groups(scan);
        else if (!plait_scan_byte(scan, ':'))
            return false;
    }
    return g->gap >= 0 ? g->len < 16 : g->len == 16;
}

static bool scan_ip6(struct plait_scan *scan, uint8_t out[16])
{
    struct ip6_groups g = {.gap = -1};
    if (!scan_groups(scan, &g))
        return false;
    memset(out, 0, 16);
    const size_t before = g.gap >= 0 ? (size_t)g.gap : g.len;
    memcpy(out, g.bytes, before);
    memcpy(out + 16 - (g.len - before), g.bytes + before, g.len - before);
    return true;
}

plait_err plait_address_parse_ip(plait_slice text, uint16_t port, struct plait_address *out)
{
    struct plait_address a = {.port = port};
    uint64_t scope = 0;
    const bool in_brackets = text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
    if (in_brackets)
        text = plait_slice_sub(text, 1, text.len - 1);
    struct plait_scan scan = plait_scan_of(text);
    if (!in_brackets && scan_ip4(&scan, a.ip) && plait_scan_done(&scan)) {
        a.kind = PLAIT_ADDR_IP4;
        *out = a;
        return PLAIT_OK;
    }
    scan = plait_scan_of(text);
    a.kind = PLAIT_ADDR_IP6;
    if (!scan_ip6(&scan, a.ip))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (plait_scan_byte(&scan, '%') && !plait_scan_u64(&scan, UINT32_MAX, &scope))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (!plait_scan_done(&scan))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    a.scope = (uint32_t)scope;
    *out = a;
    return PLAIT_OK;
}

plait_err plait_address_unix(plait_slice name, struct plait_address *out)
{
    struct plait_address a = {.kind = PLAIT_ADDR_UNIX};
    if (name.len > 0 && (name.ptr[0] == '@' || name.ptr[0] == '\0')) {
        a.kind = PLAIT_ADDR_ABSTRACT;
        name = plait_slice_sub(name, 1, name.len);
    }
    if (name.len == 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (name.len > PLAIT_ADDR_NAME_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    if (a.kind == PLAIT_ADDR_UNIX && plait_slice_find_byte(name, 0, 0) != SIZE_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    memcpy(a.name, name.ptr, name.len);
    a.name_len = (uint8_t)name.len;
    *out = a;
    return PLAIT_OK;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static size_t ip_bytes(const struct plait_address *addr)
{
    return addr->kind == PLAIT_ADDR_IP4 ? 4 : addr->kind == PLAIT_ADDR_IP6 ? 16 : 0;
}

bool plait_address_equal(const struct plait_address *a, const struct plait_address *b)
{
    if (a->kind != b->kind)
        return false;
    if (ip_bytes(a) > 0)
        return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, ip_bytes(a)) == 0;
    return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* The IP bytes, as IPv4 where it is that in IPv6's clothes. */
static const uint8_t *plain_ip(const struct plait_address *addr, size_t *bytes)
{
    *bytes = ip_bytes(addr);
    if (addr->kind != PLAIT_ADDR_IP6 || memcmp(addr->ip, mapped_prefix, sizeof mapped_prefix) != 0)
        return addr->ip;
    *bytes = 4;
    return addr->ip + sizeof mapped_prefix;
}

bool plait_address_is_loopback(const struct plait_address *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    size_t bytes;
    const uint8_t *ip = plain_ip(addr, &bytes);
    return (bytes == 4 && ip[0] == 127) || (bytes == 16 && memcmp(ip, one, 16) == 0);
}

bool plait_address_in(const struct plait_address *addr, const struct plait_address *net, unsigned bits)
{
    size_t bytes;
    const uint8_t *ip = plain_ip(addr, &bytes);
    if (bytes == 0 || bytes != ip_bytes(net) || bits > bytes * 8)
        return false;
    if (memcmp(ip, net->ip, bits / 8) != 0)
        return false;
    if (bits % 8 == 0)
        return true;
    const unsigned mask = 0xffu << (8 - bits % 8);
    return ((ip[bits / 8] ^ net->ip[bits / 8]) & mask) == 0;
}
