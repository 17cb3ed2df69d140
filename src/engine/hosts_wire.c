/* SPDX-License-Identifier: MIT
 *
 * Reading host names and hosts files. Pure: text in, pairs out; who may look when is resolve_hosts.c.
 *
 * Invariant: every call moves the cursor forward, so the work is linear in the text; nothing is allocated.
 * Test: tests/engine/test_resolve.c.
 */
#include "engine/hosts_wire.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static bool label_ok(plait_slice label)
{
    if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_name_byte(label.ptr[i]))
            return false;
    }
    return true;
}

/* "7", "0x7f": what inet_aton takes for a part of an address. */
static bool is_number(plait_slice label)
{
    struct plait_scan scan = plait_scan_of(label);
    uint64_t value;
    if (plait_scan_literal_nocase(&scan, PLAIT_LIT("0x")))
        return plait_scan_done(&scan) || (plait_scan_hex64(&scan, UINT64_MAX, &value) && plait_scan_done(&scan));
    for (size_t i = 0; i < label.len; i++) {
        if (!is_digit(label.ptr[i]))
            return false;
    }
    return true;
}

plait_slice plait__host_name_bare(plait_slice name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

bool plait__host_name_ok(plait_slice name)
{
    struct plait_scan scan;
    plait_slice label;
    name = plait__host_name_bare(name);
    if (name.len == 0 || name.len > PLAIT__HOST_NAME_MAX)
        return false;
    scan = plait_scan_of(name);
    while (plait_scan_until(&scan, '.', &label)) {
        if (!label_ok(label))
            return false;
        (void)plait_scan_byte(&scan, '.');
    }
    label = plait_scan_rest(&scan);
    return label_ok(label) && !is_number(label);
}

bool plait__host_name_is_local(plait_slice name)
{
    const plait_slice local = PLAIT_LIT("localhost");
    name = plait__host_name_bare(name);
    if (name.len < local.len)
        return false;
    const size_t at = name.len - local.len;
    return plait_slice_equal_nocase(plait_slice_sub(name, at, name.len), local) && (at == 0 || name.ptr[at - 1] == '.');
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

struct plait__hosts plait__hosts_of(plait_slice text)
{
    const plait_slice none = {NULL, 0};
    struct plait__hosts hosts = {.file = plait_scan_of(text), .line = plait_scan_of(none)};
    return hosts;
}

static bool is_word_byte(uint8_t c)
{
    return c != ' ' && c != '\t' && c != '\r';
}

static bool next_word(struct plait_scan *line, plait_slice *word)
{
    while (plait_scan_blank(line) > 0 || plait_scan_byte(line, '\r'))
        continue;
    return plait_scan_while(line, is_word_byte, word);
}

/* Goes to the next line that begins with an address. */
static bool next_line(struct plait__hosts *hosts)
{
    while (!plait_scan_done(&hosts->file)) {
        plait_slice line;
        plait_slice word;
        if (!plait_scan_until(&hosts->file, '\n', &line)) {
            line = plait_scan_rest(&hosts->file);
            hosts->file.at = hosts->file.end;
        }
        (void)plait_scan_byte(&hosts->file, '\n');
        const size_t comment = plait_slice_find_byte(line, '#', 0);
        hosts->line = plait_scan_of(plait_slice_sub(line, 0, comment));
        if (next_word(&hosts->line, &word) && plait_address_parse_ip(word, 0, &hosts->address) == PLAIT_OK)
            return true;
    }
    return false;
}

bool plait__hosts_next(struct plait__hosts *hosts, struct plait_address *address, plait_slice *name)
{
    do {
        while (next_word(&hosts->line, name)) {
            if (plait__host_name_ok(*name)) {
                *address = hosts->address;
                *name = plait__host_name_bare(*name);
                return true;
            }
        }
    } while (next_line(hosts));
    return false;
}
