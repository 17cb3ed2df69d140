/* SPDX-License-Identifier: MIT
 *
 * The rest of HTTP/1.1 on the wire: the chunked coding both ways (RFC 9112 section 7) and the heads of responses.
 *
 * The chunk reader keeps no bytes: it steps through sizes, extensions and trailers byte by byte and hands data out as
 * slices of what it was given. Extensions are checked and dropped, trailers checked and kept where somebody wants them.
 * Invariant: work is linear; a size line, a trailer section, and what lines take beside the data have a limit each.
 * Tests: tests/web/test_http1_body.c, fuzz/fuzz_http1.c.
 */
#include "web/http1_wire.h"

enum chunk_state {
    C_SIZE, /* the first digit */
    C_DIGITS,
    C_EXT,       /* behind the size or an extension: ';' or the end */
    C_EXT_BLANK, /* behind ';' */
    C_EXT_NAME,
    C_EXT_BEFORE_VALUE,
    C_EXT_VALUE,
    C_EXT_QUOTED,
    C_EXT_ESCAPE,
    C_SIZE_LF,
    C_DATA,
    C_DATA_CR,
    C_DATA_LF,
    C_TRAILER, /* the start of a trailer line */
    C_TRAILER_NAME,
    C_TRAILER_VALUE,
    C_TRAILER_LF,
    C_END_LF,
    C_OVER,
    C_BAD,
};

static bool is_token_byte(uint8_t byte)
{
    return plait__http1_is_token(plait_slice_of(&byte, 1));
}

static bool is_value_byte(uint8_t byte)
{
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The size's digits: 60 bits of value are enough for everybody. */
static enum chunk_state size_byte(struct plait__http1_chunks *c, uint8_t byte)
{
    int digit = hex_value(byte);
    if (digit >= 0) {
        if (c->left >> 56)
            return C_BAD;
        c->left = c->left << 4 | (uint64_t)digit;
        return C_DIGITS;
    }
    if (c->state == C_SIZE)
        return C_BAD;
    if (byte == ';')
        return C_EXT_BLANK;
    return byte == '\r' ? C_SIZE_LF : C_BAD;
}

/* RFC 9112 section 7.1.1; the "bad whitespace" that the grammar tolerates is taken only behind ';'. */
static enum chunk_state extension_byte(struct plait__http1_chunks *c, uint8_t byte)
{
    switch (c->state) {
    case C_EXT_BLANK:
        if (byte == ' ' || byte == '\t')
            return C_EXT_BLANK;
        return is_token_byte(byte) ? C_EXT_NAME : C_BAD;
    case C_EXT_NAME:
        if (is_token_byte(byte))
            return C_EXT_NAME;
        if (byte == '=')
            return C_EXT_BEFORE_VALUE;
        break;
    case C_EXT_BEFORE_VALUE:
        if (byte == '"')
            return C_EXT_QUOTED;
        return is_token_byte(byte) ? C_EXT_VALUE : C_BAD;
    case C_EXT_VALUE:
        if (is_token_byte(byte))
            return C_EXT_VALUE;
        break;
    case C_EXT_QUOTED:
        if (byte == '"')
            return C_EXT;
        if (byte == '\\')
            return C_EXT_ESCAPE;
        return is_value_byte(byte) ? C_EXT_QUOTED : C_BAD;
    case C_EXT_ESCAPE:
        return is_value_byte(byte) ? C_EXT_QUOTED : C_BAD;
    default:
        break;
    }
    if (byte == ';')
        return C_EXT_BLANK;
    return byte == '\r' ? C_SIZE_LF : C_BAD;
}

static enum chunk_state trailer_byte(struct plait__http1_chunks *c, uint8_t byte)
{
    switch (c->state) {
    case C_TRAILER:
        if (byte == '\r')
            return C_END_LF;
        return is_token_byte(byte) ? C_TRAILER_NAME : C_BAD;
    case C_TRAILER_NAME:
        if (byte == ':')
            return C_TRAILER_VALUE;
        return is_token_byte(byte) ? C_TRAILER_NAME : C_BAD;
    case C_TRAILER_VALUE:
        if (byte == '\r')
            return C_TRAILER_LF;
        return is_value_byte(byte) ? C_TRAILER_VALUE : C_BAD;
    case C_TRAILER_LF:
        return byte == '\n' ? C_TRAILER : C_BAD;
    default:
        return byte == '\n' ? C_OVER : C_BAD;
    }
}

/* A size line is complete. Long extensions of tiny chunks, again and again, are no body but a way to keep us busy: a
 * line may take 16 bytes and twice its data, and all of them 16 KiB more (as CVE-2023-39326 taught). */
static enum chunk_state line_is_over(struct plait__http1_chunks *c)
{
    const uint64_t worth = 16 + 2 * (c->left < UINT16_MAX ? c->left : UINT16_MAX);
    c->excess = c->excess + c->line > worth ? (uint32_t)(c->excess + c->line - worth) : 0;
    c->line = 0;
    if (c->excess > PLAIT__HTTP1_EXCESS_MAX)
        return C_BAD;
    return c->left ? C_DATA : C_TRAILER;
}

/* The empty line at the end is none of the section's. */
static enum chunk_state keep_trailer(struct plait__http1_chunks *c, uint8_t byte)
{
    const enum chunk_state next = trailer_byte(c, byte);
    if (c->kept && next != C_END_LF && next != C_OVER && next != C_BAD)
        plait_buf_put_u8(c->kept, byte);
    return next;
}

static enum chunk_state line_byte(struct plait__http1_chunks *c, uint8_t byte)
{
    if (c->state >= C_TRAILER)
        return ++c->trailer > PLAIT__HTTP1_TRAILER_MAX ? C_BAD : keep_trailer(c, byte);
    if (c->state == C_DATA_CR)
        return byte == '\r' ? C_DATA_LF : C_BAD;
    if (c->state == C_DATA_LF)
        return byte == '\n' ? C_SIZE : C_BAD;
    if (++c->line > PLAIT__HTTP1_LINE_MAX)
        return C_BAD;
    if (c->state <= C_DIGITS)
        return size_byte(c, byte);
    if (c->state != C_SIZE_LF)
        return extension_byte(c, byte);
    return byte == '\n' ? line_is_over(c) : C_BAD;
}

enum plait__http1_step plait__http1_chunks_read(struct plait__http1_chunks *c, plait_slice in, size_t *used,
                                                plait_slice *data)
{
    size_t at = 0;
    while (at < in.len && c->state < C_OVER) {
        if (c->state != C_DATA) {
            c->state = (uint8_t)line_byte(c, in.ptr[at++]);
            continue;
        }
        size_t len = in.len - at < c->left ? in.len - at : (size_t)c->left;
        *data = plait_slice_of(in.ptr + at, len);
        *used = at + len;
        c->left -= len;
        if (c->left == 0)
            c->state = C_DATA_CR;
        return PLAIT__HTTP1_DATA;
    }
    *used = at;
    if (c->state == C_BAD)
        return PLAIT__HTTP1_BAD;
    return c->state == C_OVER ? PLAIT__HTTP1_DONE : PLAIT__HTTP1_MORE;
}

size_t plait__http1_chunk_head(uint64_t size, uint8_t out[PLAIT__HTTP1_CHUNK_HEAD])
{
    size_t digits = 1;
    while (digits < 16 && size >> (4 * digits))
        digits++;
    for (size_t i = 0; i < digits; i++)
        out[i] = (uint8_t) "0123456789abcdef"[size >> (4 * (digits - 1 - i)) & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}

bool plait__http1_line_at(plait_slice lines, size_t i, plait_slice *name, plait_slice *value)
{
    for (size_t at = 0; at < lines.len; i--) {
        const size_t end = plait_slice_find_byte(lines, '\n', at);
        const plait_slice line = plait_slice_sub(lines, at, end - 1); /* each ends with CR LF */
        if (i == 0) {
            const size_t colon = plait_slice_find_byte(line, ':', 0);
            *name = plait_slice_sub(line, 0, colon);
            *value = plait_slice_trim(plait_slice_sub(line, colon + 1, line.len));
            return true;
        }
        at = end + 1;
    }
    return false;
}

/* --- heads of responses ---------------------------------------------------------------------------------------- */

/* RFC 9110 section 15, RFC 6585, RFC 8297. */
static const struct {
    int status;
    const char *line; /* the whole status line */
    const char *reason;
} reasons[] = {
/* clang-format off */
#define REASON(status, text) {status, "HTTP/1.1 " #status " " text "\r\n", text}
    /* clang-format on */
    REASON(100, "Continue"),
    REASON(101, "Switching Protocols"),
    REASON(103, "Early Hints"),
    REASON(200, "OK"),
    REASON(201, "Created"),
    REASON(202, "Accepted"),
    REASON(203, "Non-Authoritative Information"),
    REASON(204, "No Content"),
    REASON(205, "Reset Content"),
    REASON(206, "Partial Content"),
    REASON(300, "Multiple Choices"),
    REASON(301, "Moved Permanently"),
    REASON(302, "Found"),
    REASON(303, "See Other"),
    REASON(304, "Not Modified"),
    REASON(307, "Temporary Redirect"),
    REASON(308, "Permanent Redirect"),
    REASON(400, "Bad Request"),
    REASON(401, "Unauthorized"),
    REASON(402, "Payment Required"),
    REASON(403, "Forbidden"),
    REASON(404, "Not Found"),
    REASON(405, "Method Not Allowed"),
    REASON(406, "Not Acceptable"),
    REASON(407, "Proxy Authentication Required"),
    REASON(408, "Request Timeout"),
    REASON(409, "Conflict"),
    REASON(410, "Gone"),
    REASON(411, "Length Required"),
    REASON(412, "Precondition Failed"),
    REASON(413, "Content Too Large"),
    REASON(414, "URI Too Long"),
    REASON(415, "Unsupported Media Type"),
    REASON(416, "Range Not Satisfiable"),
    REASON(417, "Expectation Failed"),
    REASON(418, "I'm a teapot"),
    REASON(421, "Misdirected Request"),
    REASON(422, "Unprocessable Content"),
    REASON(425, "Too Early"),
    REASON(426, "Upgrade Required"),
    REASON(428, "Precondition Required"),
    REASON(429, "Too Many Requests"),
    REASON(431, "Request Header Fields Too Large"),
    REASON(451, "Unavailable For Legal Reasons"),
    REASON(500, "Internal Server Error"),
    REASON(501, "Not Implemented"),
    REASON(502, "Bad Gateway"),
    REASON(503, "Service Unavailable"),
    REASON(504, "Gateway Timeout"),
    REASON(505, "HTTP Version Not Supported"),
    REASON(507, "Insufficient Storage"),
    REASON(508, "Loop Detected"),
    REASON(511, "Network Authentication Required"),
#undef REASON
};

static const char *status_line(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].line;
    }
    return NULL;
}

const char *plait__http_reason(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

static void put_status_line(struct plait_buf *out, int status)
{
    const char *line = status == 200 ? "HTTP/1.1 200 OK\r\n" : status_line(status);
    if (line)
        plait_buf_put_text(out, line);
    else
        plait_buf_printf(out, "HTTP/1.1 %03d Unknown\r\n", status);
}

void plait__http1_answer_write(struct plait_buf *out, const struct plait__http1_answer *answer)
{
    put_status_line(out, answer->status);
    plait_buf_put(out, answer->common);
    if (answer->type.len) {
        plait_buf_put(out, PLAIT_LIT("Content-Type: "));
        plait_buf_put(out, answer->type);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
    if (answer->framing == PLAIT__HTTP1_LENGTH) {
        plait_buf_put(out, PLAIT_LIT("Content-Length: "));
        plait_buf_put_u64_text(out, answer->length);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    } else if (answer->framing == PLAIT__HTTP1_CHUNKED) {
        plait_buf_put(out, PLAIT_LIT("Transfer-Encoding: chunked\r\n"));
    }
    if (answer->connection) {
        plait_buf_put(out, PLAIT_LIT("Connection: "));
        plait_buf_put_text(out, answer->connection);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
    if (answer->upgrade) {
        plait_buf_put(out, PLAIT_LIT("Upgrade: "));
        plait_buf_put_text(out, answer->upgrade);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
    plait_buf_put(out, answer->more);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}
