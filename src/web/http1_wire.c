/* SPDX-License-Identifier: MIT
 *
 * Heads of HTTP/1.1 messages: reading requests and responses, and the rules of RFC 9112 on framing. Strict: whatever
 * two readers could take differently is refused. Chunks and writing stand in http1_body.c.
 *
 * A head is read line by line from a window that holds it from its start. A line that is not complete is left and
 * looked at again only when its end is there, so that bytes coming singly cost linear work. Fields are offsets.
 * Invariant: no byte beyond the window is read, and an answer never depends on how the bytes were cut.
 * Tests: tests/web/test_http1_wire.c, fuzz/fuzz_http1.c.
 */
#include "web/http1_wire.h"

enum { PHASE_START, PHASE_FIELDS };

/* No start line that is right is longer: an unfinished one of more bytes is judged at once. */
enum { START_MAX = PLAIT__HTTP1_METHOD_MAX + PLAIT__HTTP1_TARGET_MAX + 16 };

/* Classes of bytes. */
enum { IS_TOKEN = 1, IS_TARGET = 2, IS_VALUE = 4, IS_HOST = 8 };

#define T (IS_TOKEN | IS_TARGET | IS_VALUE)
#define H (IS_TOKEN | IS_TARGET | IS_VALUE | IS_HOST)
#define G (IS_TARGET | IS_VALUE)
#define K (IS_TARGET | IS_VALUE | IS_HOST)
#define N (IS_TOKEN | IS_VALUE)
#define V IS_VALUE

/* RFC 9110 section 5.6.2 (token), RFC 3986 section 3.2.2 (host); a target is any visible ASCII but '"', '#', '<',
 * '>'. */
static const uint8_t classes[256] = {
    /* 00 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
    /* 10 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /*  ! */ V, H, V, N, H, H, H, H, K, K, H, H, K, H, H, G,
    /* 0  */ H, H, H, H, H, H, H, H, H, H, G, K, V, K, V, G,
    /* @  */ G, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H,
    /* P  */ H, H, H, H, H, H, H, H, H, H, H, G, G, G, T, H,
    /* `  */ T, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H,
    /* p  */ H, H, H, H, H, H, H, H, H, H, H, G, T, G, H, 0,
    /* 80 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* 90 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* a0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* b0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* c0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* d0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* e0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    /* f0 */ V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};

#undef T
#undef H
#undef G
#undef K
#undef N
#undef V

static inline bool is(uint8_t byte, uint8_t what)
{
    return (classes[byte] & what) != 0;
}

void plait__http1_head_init(struct plait__http1_head *head, bool response)
{
    memset(head, 0, offsetof(struct plait__http1_head, field));
    head->response = response;
}

static enum plait__http1_step refuse(struct plait__http1_head *head, uint16_t status)
{
    head->status = status;
    return PLAIT__HTTP1_BAD;
}

/* --- single lines: each takes a line without knowing whether its end is there yet ------------------------------ */

/* Whether any of eight bytes is a control character, a tab too. It may be wrong about bytes of 0x80 and more behind one
 * that is. */
static inline bool any_control(const uint8_t *p)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x;
    memcpy(&x, p, 8);
    const uint64_t del = x ^ (ones * 0x7f);
    return (((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & (ones * 0x80);
}

/* First byte from `p` on that may not stand in a value; tabs may. Eight bytes at a time while nothing is wrong. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        while (end - p >= 8 && !any_control(p))
            p += 8;
        const uint8_t *stop = end - p > 8 ? p + 8 : end;
        while (p < stop && is(*p, IS_VALUE))
            p++;
        if (p < stop)
            break;
    }
    return p;
}

static const uint8_t *skip_class(const uint8_t *p, const uint8_t *end, uint8_t what)
{
    while (p < end && is(*p, what))
        p++;
    return p;
}

/* The end of a line: CR LF and nothing else (RFC 9112 section 2.2). */
static enum plait__http1_step line_end(struct plait__http1_head *head, const uint8_t *p, const uint8_t *start,
                                       const uint8_t *end)
{
    if (p == end)
        return PLAIT__HTTP1_MORE;
    if (*p != '\r')
        return refuse(head, 400);
    if (end - p < 2)
        return PLAIT__HTTP1_MORE;
    if (p[1] != '\n')
        return refuse(head, 400);
    head->at = (uint32_t)(p + 2 - start);
    return PLAIT__HTTP1_DONE;
}

/* The four bytes after "HTTP/" hold D.D; gives 400 or 505 for what is no HTTP/1 (RFC 9110 section 2.5). */
static uint16_t version_refusal(struct plait__http1_head *head, const uint8_t *p)
{
    if (memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' || p[7] > '9')
        return 400;
    if (p[5] != '1')
        return p[5] == '0' ? 400 : 505;
    head->minor = p[7] > '0';
    return 0;
}

/* How far a method, a target and a version stand in what is there of a request line (RFC 9112 section 3). */
static enum plait__http1_step request_line(struct plait__http1_head *head, const uint8_t *start, const uint8_t *end)
{
    const uint8_t *line = start + head->at;
    const uint8_t *p = skip_class(line, end, IS_TOKEN);
    if (p - line > PLAIT__HTTP1_METHOD_MAX)
        return refuse(head, 501);
    if (p == end)
        return PLAIT__HTTP1_MORE;
    if (p == line || *p != ' ')
        return refuse(head, 400);
    head->method = (uint16_t)(line - start);
    head->method_len = (uint16_t)(p - line);
    const uint8_t *target = ++p;
    p = skip_class(p, end, IS_TARGET);
    if (p - target > PLAIT__HTTP1_TARGET_MAX)
        return refuse(head, 414);
    if (p == end)
        return PLAIT__HTTP1_MORE;
    if (p == target || *p != ' ')
        return refuse(head, 400);
    head->target = (uint16_t)(target - start);
    head->target_len = (uint16_t)(p - target);
    p++;
    if (end - p < 8)
        return memcmp(p, "HTTP/1.1", (size_t)(end - p) < 5 ? (size_t)(end - p) : 5) == 0 ? PLAIT__HTTP1_MORE
                                                                                         : refuse(head, 400);
    uint16_t refusal = version_refusal(head, p);
    return refusal ? refuse(head, refusal) : line_end(head, p + 8, start, end);
}

/* RFC 9112 section 4. The space before an empty reason is often forgotten; nothing depends on it. */
static enum plait__http1_step status_line(struct plait__http1_head *head, const uint8_t *start, const uint8_t *end)
{
    const uint8_t *p = start + head->at;
    if (end - p < 12)
        return PLAIT__HTTP1_MORE;
    if (version_refusal(head, p) || p[8] != ' ')
        return refuse(head, 400);
    uint16_t status = 0;
    for (int i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9')
            return refuse(head, 400);
        status = (uint16_t)(status * 10 + (p[i] - '0'));
    }
    if (status < 100)
        return refuse(head, 400);
    p += 12;
    if (p < end && *p == ' ')
        p++;
    else if (p < end && *p != '\r')
        return refuse(head, 400);
    head->target = (uint16_t)(p - start);
    p = skip_value(p, end);
    head->target_len = (uint16_t)(p - start - head->target);
    enum plait__http1_step step = line_end(head, p, start, end);
    if (step == PLAIT__HTTP1_DONE)
        head->status = status;
    return step;
}

/* --- fields that say how the message is framed ----------------------------------------------------------------- */

/* RFC 9112 section 6.3: one decimal number. No list, no sign, nothing twice. */
static uint16_t take_length(struct plait__http1_head *head, plait_slice value)
{
    uint64_t length = 0;
    if (head->has_length || value.len == 0 || value.len > 18)
        return 400;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return 400;
        length = length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    head->has_length = true;
    head->length = length;
    return 0;
}

/* RFC 9112 section 6.1: "chunked" alone is what we speak; a coding under it is 501, anything else is not framed at
 * all. */
static uint16_t take_coding(struct plait__http1_head *head, plait_slice value)
{
    if (head->has_coding)
        return 400;
    head->has_coding = true;
    if (plait_slice_equal_nocase(value, PLAIT_LIT("chunked"))) {
        head->chunked = true;
        return 0;
    }
    size_t comma = value.len;
    while (comma > 0 && value.ptr[comma - 1] != ',')
        comma--;
    if (comma == 0 ||
        !plait_slice_equal_nocase(plait_slice_trim(plait_slice_sub(value, comma, value.len)), PLAIT_LIT("chunked")))
        return 400;
    return plait__http1_list_has(plait_slice_sub(value, 0, comma - 1), PLAIT_LIT("chunked")) ? 400 : 501;
}

static uint16_t take_host(struct plait__http1_head *head, plait_slice value, const uint8_t *start)
{
    if (head->has_host || !plait__http1_is_host(value))
        return 400;
    head->has_host = true;
    head->host = (uint16_t)(value.ptr - start);
    head->host_len = (uint16_t)value.len;
    return 0;
}

/* Looks at what a field means to the connection. Returns the refusal's status or 0. */
static uint16_t take_field(struct plait__http1_head *head, plait_slice name, plait_slice value, const uint8_t *start)
{
    switch (name.len) {
    case 4:
        if (!head->response && plait_slice_equal_nocase(name, PLAIT_LIT("host")))
            return take_host(head, value, start);
        return 0;
    case 6:
        if (!head->response && head->minor > 0 && plait_slice_equal_nocase(name, PLAIT_LIT("expect"))) {
            head->expect = plait_slice_equal_nocase(value, PLAIT_LIT("100-continue"));
            return head->expect ? 0 : 417;
        }
        return 0;
    case 10:
        if (plait_slice_equal_nocase(name, PLAIT_LIT("connection"))) {
            head->close |= plait__http1_list_has(value, PLAIT_LIT("close"));
            head->keep_alive |= plait__http1_list_has(value, PLAIT_LIT("keep-alive"));
        }
        return 0;
    case 14:
        return plait_slice_equal_nocase(name, PLAIT_LIT("content-length")) ? take_length(head, value) : 0;
    case 17:
        return plait_slice_equal_nocase(name, PLAIT_LIT("transfer-encoding")) ? take_coding(head, value) : 0;
    default:
        return 0;
    }
}

/* RFC 9112 section 5: name, colon with nothing before it, value with blanks around it; no folded lines. */
static enum plait__http1_step field_line(struct plait__http1_head *head, const uint8_t *start, const uint8_t *end)
{
    const uint8_t *name = start + head->at;
    const uint8_t *colon = skip_class(name, end, IS_TOKEN);
    if (colon == end)
        return PLAIT__HTTP1_MORE;
    if (*colon != ':' || colon == name)
        return refuse(head, 400);
    const uint8_t *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    const uint8_t *stop = skip_value(value, end);
    enum plait__http1_step step = line_end(head, stop, start, end);
    if (step != PLAIT__HTTP1_DONE)
        return step;
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    if (head->count == PLAIT__HTTP1_FIELDS_MAX || head->at > PLAIT__HTTP1_HEAD_MAX)
        return refuse(head, 431);
    struct plait__http1_field *field = &head->field[head->count++];
    field->name = (uint16_t)(name - start);
    field->name_len = (uint16_t)(colon - name);
    field->value = (uint16_t)(value - start);
    field->value_len = (uint16_t)(stop - value);
    uint16_t refusal =
        take_field(head, plait_slice_of(name, field->name_len), plait_slice_of(value, field->value_len), start);
    return refusal ? refuse(head, refusal) : PLAIT__HTTP1_DONE;
}

/* --- the whole head -------------------------------------------------------------------------------------------- */

/* What only the whole head can tell (RFC 9112 sections 3.2, 6.1 and 6.3). */
static enum plait__http1_step judge(struct plait__http1_head *head)
{
    if (head->at > PLAIT__HTTP1_HEAD_MAX)
        return refuse(head, 431);
    if (!head->response && head->minor > 0 && !head->has_host)
        return refuse(head, 400);
    if (head->has_coding && (head->has_length || head->minor == 0))
        return refuse(head, 400);
    return PLAIT__HTTP1_DONE;
}

/* The start line. One empty line before it is forgiven (RFC 9112 section 2.2). */
static enum plait__http1_step first_line(struct plait__http1_head *head, const uint8_t *start, const uint8_t *end)
{
    if (head->at == 0 && start < end && *start == '\r' && !head->response) {
        enum plait__http1_step step = line_end(head, start, start, end);
        if (step != PLAIT__HTTP1_DONE)
            return step;
    }
    return head->response ? status_line(head, start, end) : request_line(head, start, end);
}

static enum plait__http1_step next_line(struct plait__http1_head *head, const uint8_t *start, const uint8_t *end)
{
    const uint8_t *p = start + head->at;
    if (head->phase == PHASE_START) {
        enum plait__http1_step step = first_line(head, start, end);
        if (step == PLAIT__HTTP1_DONE)
            head->phase = PHASE_FIELDS;
        return step == PLAIT__HTTP1_DONE ? PLAIT__HTTP1_DATA : step;
    }
    if (p == end)
        return PLAIT__HTTP1_MORE;
    if (*p == '\r') {
        enum plait__http1_step step = line_end(head, p, start, end);
        return step == PLAIT__HTTP1_DONE ? judge(head) : step;
    }
    enum plait__http1_step step = field_line(head, start, end);
    return step == PLAIT__HTTP1_DONE ? PLAIT__HTTP1_DATA : step;
}

enum plait__http1_step plait__http1_head_read(struct plait__http1_head *head, plait_slice window)
{
    /* One byte more than a head may have is enough to judge it, and keeps offsets small. */
    size_t len = window.len > PLAIT__HTTP1_HEAD_MAX + 1 ? PLAIT__HTTP1_HEAD_MAX + 1 : window.len;
    const uint8_t *start = window.ptr, *end = start ? start + len : start;
    bool full = len > PLAIT__HTTP1_HEAD_MAX;
    while (len > 0) {
        bool over = full || (head->phase == PHASE_START && len > START_MAX);
        if (head->scanned > head->at && !over &&
            (len <= head->scanned || !memchr(start + head->scanned, '\n', len - head->scanned))) {
            head->scanned = (uint32_t)len;
            return PLAIT__HTTP1_MORE;
        }
        head->scanned = 0;
        enum plait__http1_step step = next_line(head, start, end);
        if (step == PLAIT__HTTP1_DATA)
            continue;
        if (step != PLAIT__HTTP1_MORE)
            return step;
        head->scanned = (uint32_t)len;
        /* The line's own defect comes first, whatever way it was cut; a request line has one when it is so long. */
        return full ? refuse(head, 431) : PLAIT__HTTP1_MORE;
    }
    return PLAIT__HTTP1_MORE;
}

/* --- small judgements ------------------------------------------------------------------------------------------ */

plait_slice plait__http1_head_field(const struct plait__http1_head *head, const uint8_t *base, plait_slice name)
{
    for (size_t i = 0; i < head->count; i++) {
        const struct plait__http1_field *f = &head->field[i];
        if (f->name_len == name.len && plait_slice_equal_nocase(plait_slice_of(base + f->name, f->name_len), name))
            return plait_slice_of(base + f->value, f->value_len);
    }
    return plait_slice_of(NULL, 0);
}

bool plait__http1_list_has(plait_slice list, plait_slice element)
{
    size_t at = 0;
    while (at <= list.len && list.len) {
        size_t comma = plait_slice_find_byte(list, ',', at);
        if (comma == SIZE_MAX)
            comma = list.len;
        if (plait_slice_equal_nocase(plait_slice_trim(plait_slice_sub(list, at, comma)), element))
            return true;
        at = comma + 1;
    }
    return false;
}

bool plait__http1_is_token(plait_slice text)
{
    const uint8_t *end = text.ptr + text.len;
    return text.len > 0 && skip_class(text.ptr, end, IS_TOKEN) == end;
}

bool plait__http1_is_target(plait_slice text)
{
    return text.len > 0 && skip_class(text.ptr, text.ptr + text.len, IS_TARGET) == text.ptr + text.len;
}

bool plait__http1_is_value(plait_slice text)
{
    return text.len == 0 ||
           (skip_value(text.ptr, text.ptr + text.len) == text.ptr + text.len && plait_slice_trim(text).len == text.len);
}

static bool is_ip6_text(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i] | 0x20;
        if (!(c >= 'a' && c <= 'f') && !(text.ptr[i] >= '0' && text.ptr[i] <= ':') && text.ptr[i] != '.')
            return false;
    }
    return text.len >= 2;
}

bool plait__http1_is_host(plait_slice text)
{
    if (text.len == 0)
        return true;
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] >= '0' && text.ptr[colon - 1] <= '9')
        colon--;
    bool has_port = colon > 0 && text.ptr[colon - 1] == ':' && text.len - colon <= 5;
    plait_slice host = has_port ? plait_slice_sub(text, 0, colon - 1) : text;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return is_ip6_text(plait_slice_sub(host, 1, host.len - 1));
    return host.len > 0 && skip_class(host.ptr, host.ptr + host.len, IS_HOST) == host.ptr + host.len;
}
