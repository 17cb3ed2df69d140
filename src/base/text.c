/* SPDX-License-Identifier: MIT
 *
 * Text codecs. Pure: bytes in, bytes out, errors in the buffer or returned.
 *
 * Invariant: nothing depends on the locale.
 * Test: tests/base/test_text.c.
 */
#include "base/text.h"

#include "base/try.h"

bool plait__is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

bool plait__is_alpha(uint8_t byte)
{
    return plait__lower(byte) >= 'a' && plait__lower(byte) <= 'z';
}

bool plait__is_alnum(uint8_t byte)
{
    return plait__is_digit(byte) || plait__is_alpha(byte);
}

bool plait__is_hex(uint8_t byte)
{
    return plait__hex_value(byte) >= 0;
}

bool plait__is_token(uint8_t byte)
{
    return plait__is_alnum(byte) || (byte > 0 && byte < 0x7f && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

bool plait__is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7e;
}

uint8_t plait__lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

int plait__hex_value(uint8_t byte)
{
    if (plait__is_digit(byte))
        return byte - '0';
    const uint8_t low = plait__lower(byte);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static const char hex_digits[] = "0123456789abcdef";

size_t plait__escape_byte(uint8_t byte, char out[8])
{
    static const char named[] = "\nn\rr\tt\\\\";
    for (size_t i = 0; named[i]; i += 2) {
        if ((uint8_t)named[i] == byte) {
            out[0] = '\\';
            out[1] = named[i + 1];
            return 2;
        }
    }
    if (plait__is_printable(byte)) {
        out[0] = (char)byte;
        return 1;
    }
    memcpy(out, "\\x", 2);
    out[2] = hex_digits[byte >> 4];
    out[3] = hex_digits[byte & 15];
    return 4;
}

size_t plait__escape_json(plait_slice bytes, size_t *at, char out[8])
{
    const uint8_t byte = bytes.ptr[*at];
    if (byte == '"' || byte == '\\') {
        out[0] = '\\';
        out[1] = (char)byte;
        return 2;
    }
    const size_t n = plait__utf8_len(plait_slice_sub(bytes, *at, bytes.len));
    if (n > 0 && byte >= 0x20 && byte != 0x7f) {
        memcpy(out, bytes.ptr + *at, n);
        *at += n - 1;
        return n;
    }
    memcpy(out, "\\u00", 4);
    out[4] = hex_digits[byte >> 4];
    out[5] = hex_digits[byte & 15];
    return 6;
}

void plait__put_escaped(struct plait_buf *buf, plait_slice bytes, size_t max)
{
    for (size_t i = 0; i < bytes.len && i < max; i++) {
        char piece[8];
        const size_t n = plait__escape_byte(bytes.ptr[i], piece);
        plait_buf_put(buf, plait_slice_of(piece, n));
    }
    if (bytes.len > max)
        plait_buf_put_text(buf, "...");
}

void plait__put_html(struct plait_buf *buf, plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&':
            plait_buf_put_text(buf, "&amp;");
            break;
        case '<':
            plait_buf_put_text(buf, "&lt;");
            break;
        case '>':
            plait_buf_put_text(buf, "&gt;");
            break;
        case '"':
            plait_buf_put_text(buf, "&quot;");
            break;
        case '\'':
            plait_buf_put_text(buf, "&#39;");
            break;
        default:
            plait_buf_put_u8(buf, text.ptr[i]);
            break;
        }
    }
}

/* --- UTF-8 -------------------------------------------------------------------------------------------------------- */

size_t plait__utf8_len(plait_slice s)
{
    /* First byte, length, and the bounds of the second byte, which rule out overlong forms and surrogates. */
    static const struct {
        uint8_t from, to, len, second_from, second_to;
    } rows[] = {
        {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
        {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
        {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
    };
    for (size_t i = 0; s.len > 0 && i < sizeof rows / sizeof rows[0]; i++) {
        if (s.ptr[0] < rows[i].from || s.ptr[0] > rows[i].to)
            continue;
        if (s.len < rows[i].len)
            return 0;
        if (rows[i].len > 1 && (s.ptr[1] < rows[i].second_from || s.ptr[1] > rows[i].second_to))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++) {
            if ((s.ptr[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].len;
    }
    return 0;
}

bool plait__is_utf8(plait_slice s)
{
    while (s.len > 0) {
        const size_t n = plait__utf8_len(s);
        if (n == 0)
            return false;
        s = plait_slice_sub(s, n, s.len);
    }
    return true;
}

/* --- percent, base64, hexadecimal --------------------------------------------------------------------------------- */

plait_err plait__percent_decode(plait_slice in, struct plait_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '%') {
            plait_buf_put_u8(out, in.ptr[i]);
            continue;
        }
        if (in.len - i < 3 || !plait__is_hex(in.ptr[i + 1]) || !plait__is_hex(in.ptr[i + 2]))
            return PLAIT_FAIL(PLAIT_ESYNTAX);
        plait_buf_put_u8(out, (uint8_t)(plait__hex_value(in.ptr[i + 1]) << 4 | plait__hex_value(in.ptr[i + 2])));
        i += 2;
    }
    return out->err;
}

void plait__percent_encode(struct plait_buf *out, plait_slice in, const char *keep)
{
    for (size_t i = 0; i < in.len; i++) {
        const uint8_t b = in.ptr[i];
        if (plait__is_alnum(b) || (b > 0 && b < 0x80 && (strchr("-._~", b) || (keep && strchr(keep, b))))) {
            plait_buf_put_u8(out, b);
        } else {
            plait_buf_put_u8(out, '%');
            plait_buf_put_u8(out, (uint8_t) "0123456789ABCDEF"[b >> 4]);
            plait_buf_put_u8(out, (uint8_t) "0123456789ABCDEF"[b & 15]);
        }
    }
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void plait__base64_encode(struct plait_buf *out, plait_slice in)
{
    for (size_t i = 0; i < in.len; i += 3) {
        const size_t n = in.len - i < 3 ? in.len - i : 3;
        uint32_t bits = (uint32_t)in.ptr[i] << 16;
        if (n > 1)
            bits |= (uint32_t)in.ptr[i + 1] << 8;
        if (n > 2)
            bits |= in.ptr[i + 2];
        for (size_t k = 0; k < 4; k++)
            plait_buf_put_u8(out, k <= n ? (uint8_t)base64_digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}

static int base64_value(uint8_t byte)
{
    const char *at = byte ? strchr(base64_digits, byte) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

plait_err plait__base64_decode(plait_slice in, struct plait_buf *out)
{
    if (in.len % 4 != 0)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    for (size_t i = 0; i < in.len; i += 4) {
        const bool last = i + 4 == in.len;
        size_t pad = 0;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            const uint8_t b = in.ptr[i + k];
            const bool is_pad = b == '=' && last && k >= 2;
            if ((base64_value(b) < 0 && !is_pad) || (pad > 0 && !is_pad))
                return PLAIT_FAIL(PLAIT_ESYNTAX);
            pad += is_pad;
            bits = bits << 6 | (is_pad ? 0 : (uint32_t)base64_value(b));
        }
        if ((pad > 0 && (bits & 0xff) != 0) || (pad > 1 && (bits & 0xff00) != 0))
            return PLAIT_FAIL(PLAIT_ESYNTAX); /* bits that mean nothing must be zero */
        for (size_t k = 0; k + pad < 3; k++)
            plait_buf_put_u8(out, (uint8_t)(bits >> (16 - 8 * k)));
    }
    return out->err;
}

void plait__hex_encode(struct plait_buf *out, plait_slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        plait_buf_put_u8(out, (uint8_t)hex_digits[in.ptr[i] >> 4]);
        plait_buf_put_u8(out, (uint8_t)hex_digits[in.ptr[i] & 15]);
    }
}

plait_err plait__hex_decode(plait_slice in, struct plait_buf *out)
{
    if (in.len % 2 != 0)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    for (size_t i = 0; i < in.len; i += 2) {
        if (!plait__is_hex(in.ptr[i]) || !plait__is_hex(in.ptr[i + 1]))
            return PLAIT_FAIL(PLAIT_ESYNTAX);
        plait_buf_put_u8(out, (uint8_t)(plait__hex_value(in.ptr[i]) << 4 | plait__hex_value(in.ptr[i + 1])));
    }
    return out->err;
}
