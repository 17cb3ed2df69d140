/* SPDX-License-Identifier: MIT
 *
 * Parameters of fields (RFC 9110 section 5.6.6): `; name=value; other="quoted value"`, and those of authentication
 * (section 11), which stand behind schemes and between commas. Pure. A backslash counts as an
 * escape only before a quote or another backslash: some browsers send paths with bare ones.
 *
 * Test: tests/web/test_web_forms.c.
 */
#include "web/web_wire.h"

#include "base/text.h"

static bool read_quoted(struct plait_scan *scan, plait_slice *value, bool *escaped)
{
    const uint8_t *from = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '"') {
            *value = plait_slice_of(from, (size_t)(scan->at - from));
            scan->at++;
            return true;
        }
        if (*scan->at == '\\' && scan->end - scan->at > 1 && (scan->at[1] == '"' || scan->at[1] == '\\')) {
            *escaped = true;
            scan->at++;
        }
    }
    return false;
}

static bool read_value(struct plait_scan *scan, plait_slice *value, bool *escaped)
{
    *escaped = false;
    if (plait_scan_byte(scan, '"'))
        return read_quoted(scan, value, escaped);
    return plait_scan_while(scan, plait__is_token, value);
}

bool plait__param_next(plait_slice *rest, plait_slice *name, plait_slice *value, bool *escaped)
{
    struct plait_scan scan = plait_scan_of(*rest);
    size_t semicolons = 0;
    *escaped = false;
    for (plait_scan_blank(&scan); plait_scan_byte(&scan, ';'); plait_scan_blank(&scan))
        semicolons++;
    if (plait_scan_done(&scan)) {
        *rest = plait_slice_of(NULL, 0);
        return false;
    }
    if (semicolons == 0 || !plait_scan_while(&scan, plait__is_token, name) || !plait_scan_byte(&scan, '='))
        return false;
    if (!read_value(&scan, value, escaped))
        return false;
    *rest = plait_scan_rest(&scan);
    return true;
}

static bool is_token68(uint8_t c)
{
    return plait__is_alnum(c) || memchr("-._~+/", c, 6);
}

/* "abc==" behind a scheme, and no parameter. */
static void pass_token68(struct plait_scan *list)
{
    struct plait_scan scan = *list;
    plait_slice text;
    if (!plait_scan_while(&scan, is_token68, &text))
        return;
    while (plait_scan_byte(&scan, '='))
        continue;
    plait_scan_blank(&scan);
    if (plait_scan_done(&scan) || *scan.at == ',')
        *list = scan;
}

static bool read_part(struct plait_scan *list, plait_slice *name, plait_slice *value, bool *escaped)
{
    *escaped = false;
    *value = plait_slice_of(NULL, 0);
    if (!plait_scan_while(list, plait__is_token, name))
        return false;
    const bool blank = plait_scan_blank(list) > 0;
    if (plait_scan_byte(list, '=')) {
        plait_scan_blank(list);
        if (!read_value(list, value, escaped))
            return false;
        plait_scan_blank(list);
    } else if (blank) {
        pass_token68(list);
        return true;
    }
    return plait_scan_done(list) || *list->at == ',';
}

bool plait__auth_next(struct plait_scan *list, plait_slice *name, plait_slice *value, bool *escaped)
{
    do
        plait_scan_blank(list);
    while (plait_scan_byte(list, ','));
    struct plait_scan scan = *list;
    if (!read_part(&scan, name, value, escaped))
        return false;
    *list = scan;
    return true;
}

size_t plait__param_unescape(uint8_t *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len && (text[i + 1] == '"' || text[i + 1] == '\\'))
            i++;
        text[to++] = text[i];
    }
    return to;
}
