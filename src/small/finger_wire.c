/* SPDX-License-Identifier: MIT
 *
 * Finger: the codec. A query is one line; an answer is text until the end of the stream.
 *
 * Invariant: no control character gets into a query, in either direction.
 * Tests: tests/small/test_finger_wire.c; fuzz/fuzz_finger.c.
 */
#include "base/text.h"
#include "base/try.h"

#include <plait/finger.h>

static bool is_control(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static bool has_control(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_control(text.ptr[i]))
            return true;
    }
    return false;
}

static bool is_word(uint8_t byte)
{
    return byte != ' ' && byte != '\t' && byte != '@';
}

/* "/W", as a word of its own. */
static bool scan_whois(struct plait_scan *scan)
{
    struct plait_scan at = *scan;
    if (!plait_scan_literal_nocase(&at, PLAIT_LIT("/W")))
        return false;
    if (!plait_scan_done(&at) && is_word(*at.at))
        return false;
    *scan = at;
    return true;
}

plait_err plait_finger_parse(plait_slice line, struct plait_finger_query *out)
{
    struct plait_finger_query query = {.whois = false};
    if (line.len > PLAIT_FINGER_LINE_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    line = plait_slice_trim(line);
    if (has_control(line))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    struct plait_scan scan = plait_scan_of(line);
    query.whois = scan_whois(&scan);
    plait_scan_blank(&scan);
    plait_scan_while(&scan, is_word, &query.user);
    if (!plait_scan_done(&scan) && *scan.at == '@') {
        query.hosts = plait_scan_rest(&scan);
        scan.at = scan.end;
        if (plait_slice_find_byte(query.hosts, ' ', 0) != SIZE_MAX)
            return PLAIT_FAIL(PLAIT_EMALFORMED);
    }
    plait_scan_blank(&scan);
    if (!query.whois)
        query.whois = scan_whois(&scan); /* some clients put it last */
    if (!plait_scan_done(&scan))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    *out = query;
    return PLAIT_OK;
}

void plait_finger_put(struct plait_buf *out, const struct plait_finger_query *query)
{
    if (has_control(query->user) || has_control(query->hosts)) {
        out->err = PLAIT_EINVAL;
        return;
    }
    if (query->whois)
        plait_buf_put_text(out, query->user.len + query->hosts.len > 0 ? "/W " : "/W");
    plait_buf_put(out, query->user);
    plait_buf_put(out, query->hosts);
    plait_buf_put_text(out, "\r\n");
}

plait_err plait_finger_target(plait_slice text, plait_slice *query, plait_slice *host)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '@')
        at--;
    *query = text;
    *host = PLAIT_LIT("localhost");
    if (at == 0)
        return PLAIT_OK;
    *query = plait_slice_sub(text, 0, at - 1);
    *host = plait_slice_sub(text, at, text.len);
    return host->len > 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_EINVAL);
}

void plait_finger_put_clean(struct plait_buf *out, plait_slice answer)
{
    for (size_t i = 0; i < answer.len; i++) {
        const size_t n = plait__utf8_len(plait_slice_sub(answer, i, answer.len));
        const uint8_t byte = answer.ptr[i];
        if (byte == '\r' && i + 1 < answer.len && answer.ptr[i + 1] == '\n')
            continue;
        if (byte == '\n' || byte == '\t' || plait__is_printable(byte)) {
            plait_buf_put_u8(out, byte);
        } else if (n > 1 && !(byte == 0xc2 && answer.ptr[i + 1] < 0xa0)) { /* C1 controls are none for a terminal */
            plait_buf_put(out, plait_slice_sub(answer, i, i + n));
            i += n - 1;
        } else {
            char piece[8];
            const size_t len = plait__escape_byte(byte, piece);
            plait_buf_put(out, plait_slice_of(piece, len));
        }
    }
}
