/* SPDX-License-Identifier: MIT
 *
 * What a relay may connect to: kinds of addresses, by a table of prefixes, and rules over them. The rules judge
 * addresses only: names are looked up first (connect.c), so that no name can lead where its address may not.
 *
 * Invariant: an IPv6 address that some gateway turns into an IPv4 one is never of a better kind than that one.
 * Test: tests/engine/test_target.c.
 */
#include "engine/target_core.h"

#include "base/try.h"
#include "engine/core.h"

enum { NETS_MAX = 64, PORTS_MAX = 32, ALL_KINDS = (1 << PLAIT_TARGET_KINDS) - 1 };

struct nets {
    unsigned kinds; /* bits by enum plait_target_kind */
    size_t count;
    struct plait__net *net;
};

struct plait_target_rules {
    size_t refs;
    struct nets allow, refuse;
    size_t port_count;
    struct {
        uint16_t from, to;
    } port[PORTS_MAX];
    struct plait__net net[NETS_MAX]; /* of both lists, one behind the other */
};

/* --- kinds -------------------------------------------------------------------------------------------------------- */

struct prefix {
    uint8_t ip[16];
    uint8_t bits;
    uint8_t kind;
};

/* The first that holds decides. */
static const struct prefix ip4_kinds[] = {
    {{0}, 8, PLAIT_TARGET_UNSPECIFIED},
    {{10}, 8, PLAIT_TARGET_PRIVATE},
    {{100, 64}, 10, PLAIT_TARGET_SHARED},
    {{127}, 8, PLAIT_TARGET_LOOPBACK},
    {{169, 254}, 16, PLAIT_TARGET_LINK_LOCAL},
    {{172, 16}, 12, PLAIT_TARGET_PRIVATE},
    {{192, 0, 0}, 24, PLAIT_TARGET_RESERVED},    /* protocol assignments, RFC 6890 */
    {{192, 0, 2}, 24, PLAIT_TARGET_RESERVED},    /* documentation, RFC 5737 */
    {{192, 88, 99}, 24, PLAIT_TARGET_RESERVED},  /* 6to4 relays, RFC 7526 */
    {{192, 168}, 16, PLAIT_TARGET_PRIVATE},      /* RFC 1918 */
    {{198, 18}, 15, PLAIT_TARGET_RESERVED},      /* benchmarks, RFC 2544 */
    {{198, 51, 100}, 24, PLAIT_TARGET_RESERVED}, /* documentation */
    {{203, 0, 113}, 24, PLAIT_TARGET_RESERVED},  /* documentation */
    {{255, 255, 255, 255}, 32, PLAIT_TARGET_MULTICAST},
    {{224}, 4, PLAIT_TARGET_MULTICAST},
    {{240}, 4, PLAIT_TARGET_RESERVED},
    {{0}, 0, PLAIT_TARGET_PUBLIC},
};

static const struct prefix ip6_kinds[] = {
    {{0}, 128, PLAIT_TARGET_UNSPECIFIED},
    {{[15] = 1}, 128, PLAIT_TARGET_LOOPBACK},
    {{0xfc}, 7, PLAIT_TARGET_PRIVATE},
    {{0xfe, 0x80}, 10, PLAIT_TARGET_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, PLAIT_TARGET_PRIVATE}, /* site-local, RFC 3879 */
    {{0xff}, 8, PLAIT_TARGET_MULTICAST},
    {{0x20, 0x01}, 23, PLAIT_TARGET_RESERVED},             /* Teredo, ORCHID and other assignments, RFC 2928 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, PLAIT_TARGET_RESERVED}, /* documentation, RFC 3849 */
    {{0x3f, 0xff}, 20, PLAIT_TARGET_RESERVED},             /* documentation, RFC 9637 */
    {{0x20}, 3, PLAIT_TARGET_PUBLIC},
    {{0}, 0, PLAIT_TARGET_RESERVED}, /* 64:ff9b:1::/48 (RFC 8215) and all that was never given out */
};

/* Where IPv6 addresses hold an IPv4 one, and at which byte. */
static const struct holder {
    uint8_t ip[16];
    uint8_t bits, at;
} ip4_holders[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, 12}, /* mapped, RFC 4291 */
    {{[8] = 0xff, [9] = 0xff}, 96, 12},   /* translated, RFC 2765 */
    {{0, 0x64, 0xff, 0x9b}, 96, 12},      /* NAT64, RFC 6052 */
    {{0x20, 0x02}, 16, 2},                /* 6to4, RFC 3056 */
    {{0}, 96, 12},                        /* compatible, RFC 4291; not :: and ::1 */
};

static bool has_prefix(const uint8_t *ip, const uint8_t *prefix, unsigned bits)
{
    const unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip, prefix, whole) != 0)
        return false;
    return rest == 0 || ((ip[whole] ^ prefix[whole]) & (0xffu << (8 - rest))) == 0;
}

static enum plait_target_kind kind_by(const struct prefix *row, const uint8_t *ip)
{
    while (!has_prefix(ip, row->ip, row->bits))
        row++;
    return (enum plait_target_kind)row->kind;
}

/* The address that the network will make of this one: the IPv4 one inside it, or itself. */
static struct plait_address inner(const struct plait_address *address)
{
    static const uint8_t small[16]; /* :: and ::1 hold none */
    struct plait_address ip4 = {.kind = PLAIT_ADDR_IP4, .port = address->port};
    if (address->kind != PLAIT_ADDR_IP6 || (memcmp(address->ip, small, 15) == 0 && address->ip[15] <= 1))
        return *address;
    for (size_t i = 0; i < sizeof(ip4_holders) / sizeof(ip4_holders[0]); i++) {
        if (has_prefix(address->ip, ip4_holders[i].ip, ip4_holders[i].bits)) {
            memcpy(ip4.ip, address->ip + ip4_holders[i].at, 4);
            return ip4;
        }
    }
    return *address;
}

static enum plait_target_kind kind_of_inner(const struct plait_address *address)
{
    switch (address->kind) {
    case PLAIT_ADDR_IP4:
        return kind_by(ip4_kinds, address->ip);
    case PLAIT_ADDR_IP6:
        return kind_by(ip6_kinds, address->ip);
    case PLAIT_ADDR_UNIX:
    case PLAIT_ADDR_ABSTRACT:
        return PLAIT_TARGET_UNIX;
    default:
        return PLAIT_TARGET_NONE;
    }
}

enum plait_target_kind plait_target_kind_of(const struct plait_address *address)
{
    const struct plait_address in = inner(address);
    return kind_of_inner(&in);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

plait_err plait__net_parse(plait_slice text, struct plait__net *out)
{
    const size_t slash = plait_slice_find_byte(text, '/', 0);
    uint64_t bits;
    PLAIT_TRY(plait_address_parse_ip(plait_slice_sub(text, 0, slash), 0, &out->address));
    const unsigned most = out->address.kind == PLAIT_ADDR_IP4 ? 32 : 128;
    out->bits = most;
    if (slash == SIZE_MAX)
        return PLAIT_OK;
    if (plait_slice_to_u64(plait_slice_sub(text, slash + 1, text.len), most, &bits) != PLAIT_OK)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    out->bits = (unsigned)bits;
    return PLAIT_OK;
}

bool plait__net_any(const struct plait__net *net, size_t count, const struct plait_address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (plait_address_in(address, &net[i].address, net[i].bits))
            return true;
    }
    return false;
}

bool plait__list_word(plait_slice list, size_t *at, plait_slice *word)
{
    if (*at > list.len)
        return false;
    size_t comma = plait_slice_find_byte(list, ',', *at);
    comma = comma == SIZE_MAX ? list.len : comma;
    *word = plait_slice_trim(plait_slice_sub(list, *at, comma));
    *at = comma + 1;
    return true;
}

static const char *const kind_names[PLAIT_TARGET_KINDS] = {
    [PLAIT_TARGET_PUBLIC] = "public",     [PLAIT_TARGET_LOOPBACK] = "loopback",
    [PLAIT_TARGET_PRIVATE] = "private",   [PLAIT_TARGET_LINK_LOCAL] = "link-local",
    [PLAIT_TARGET_SHARED] = "shared",     [PLAIT_TARGET_MULTICAST] = "multicast",
    [PLAIT_TARGET_RESERVED] = "reserved", [PLAIT_TARGET_UNSPECIFIED] = "unspecified",
    [PLAIT_TARGET_UNIX] = "unix",
};

/* Bits of the kinds that a word names, 0 for none. */
static unsigned kinds_named(plait_slice word)
{
    if (plait_slice_equal(word, PLAIT_LIT("all")))
        return ALL_KINDS;
    for (unsigned k = 0; k < PLAIT_TARGET_KINDS; k++) {
        if (kind_names[k] && plait_slice_equal(word, plait_slice_text(kind_names[k])))
            return 1u << k;
    }
    return 0;
}

/* Reads a list of kinds and networks, the latter into `room` places. */
static plait_err read_nets(const char *text, struct nets *out, struct plait__net *net, size_t room)
{
    plait_slice word;
    size_t at = 0;
    out->net = net;
    while (text && plait__list_word(plait_slice_text(text), &at, &word)) {
        const unsigned kinds = kinds_named(word);
        out->kinds |= kinds;
        if (kinds != 0)
            continue;
        if (out->count == room)
            return PLAIT_FAIL(PLAIT_ELIMIT);
        PLAIT_TRY(plait__net_parse(word, &net[out->count]));
        out->count++;
    }
    return PLAIT_OK;
}

static plait_err read_range(plait_slice word, uint16_t *from, uint16_t *to)
{
    struct plait_scan scan = plait_scan_of(word);
    uint64_t low, high;
    if (!plait_scan_u64(&scan, UINT16_MAX, &low))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    high = low;
    if (plait_scan_byte(&scan, '-') && !plait_scan_u64(&scan, UINT16_MAX, &high))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (!plait_scan_done(&scan) || low == 0 || high < low)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    *from = (uint16_t)low;
    *to = (uint16_t)high;
    return PLAIT_OK;
}

static plait_err read_ports(const char *text, struct plait_target_rules *rules)
{
    plait_slice word;
    size_t at = 0;
    while (plait__list_word(plait_slice_text(text), &at, &word)) {
        if (rules->port_count == PORTS_MAX)
            return PLAIT_FAIL(PLAIT_ELIMIT);
        PLAIT_TRY(read_range(word, &rules->port[rules->port_count].from, &rules->port[rules->port_count].to));
        rules->port_count++;
    }
    return PLAIT_OK;
}

static plait_err read_all(struct plait_target_rules *rules, const struct plait_target_options *o)
{
    PLAIT_TRY(read_nets(o->allow, &rules->allow, rules->net, NETS_MAX));
    const size_t used = rules->allow.count;
    PLAIT_TRY(read_nets(o->refuse, &rules->refuse, rules->net + used, NETS_MAX - used));
    PLAIT_TRY(read_ports(o->ports ? o->ports : "1-65535", rules));
    rules->allow.kinds |= 1u << PLAIT_TARGET_PUBLIC;
    rules->allow.kinds &= ~(1u << PLAIT_TARGET_NONE);
    return PLAIT_OK;
}

plait_err plait_target_rules_new(struct plait_reactor *reactor, const struct plait_target_options *options,
                                 struct plait_target_rules **out)
{
    static const struct plait_target_options none;
    struct plait_target_rules *rules = plait_mem_new(&reactor->budget, sizeof *rules);
    *out = NULL;
    if (!rules)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    rules->refs = 1;
    const plait_err err = read_all(rules, options ? options : &none);
    if (err != PLAIT_OK) {
        plait_mem_free(rules);
        return err;
    }
    *out = rules;
    return PLAIT_OK;
}

struct plait_target_rules *plait_target_rules_ref(struct plait_target_rules *rules)
{
    rules->refs++;
    return rules;
}

void plait_target_rules_unref(struct plait_target_rules **rules)
{
    struct plait_target_rules *old = *rules;
    *rules = NULL;
    if (old && --old->refs == 0)
        plait_mem_free(old);
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static bool port_is_allowed(const struct plait_target_rules *rules, uint16_t port)
{
    for (size_t i = 0; i < rules->port_count; i++) {
        if (port >= rules->port[i].from && port <= rules->port[i].to)
            return true;
    }
    return false;
}

static bool is_in(const struct nets *nets, const struct plait_address *outer, const struct plait_address *in)
{
    return plait__net_any(nets->net, nets->count, outer) || plait__net_any(nets->net, nets->count, in);
}

static bool address_is_allowed(const struct plait_target_rules *rules, const struct plait_address *address)
{
    const struct plait_address in = inner(address);
    const unsigned kind = 1u << kind_of_inner(&in);
    if (is_in(&rules->refuse, address, &in))
        return false;
    if (is_in(&rules->allow, address, &in))
        return true;
    return (rules->refuse.kinds & kind) == 0 && (rules->allow.kinds & kind) != 0;
}

plait_err plait_target_check(const struct plait_target_rules *rules, const struct plait_address *address,
                             const char **why)
{
    const bool ip = address->kind == PLAIT_ADDR_IP4 || address->kind == PLAIT_ADDR_IP6;
    const char *no = NULL;
    if (ip && !port_is_allowed(rules, address->port))
        no = "the port is not allowed as a target";
    else if (!address_is_allowed(rules, address))
        no = "the address is not allowed as a target";
    if (no && why)
        *why = no;
    return no ? PLAIT_FAIL(PLAIT_EFORBIDDEN) : PLAIT_OK;
}
