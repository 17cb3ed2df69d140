/* SPDX-License-Identifier: MIT
 *
 * Multipart bodies as forms send them (RFC 7578, RFC 2046 section 5.1), read as they come. Pure. Nothing of a part's
 * body is kept: bytes that might begin a delimiter are remembered by their number, for they are the delimiter's own.
 *
 * Invariant: a CR stands in the delimiter only in front, so that a match that breaks off can't hide another one.
 * Lines end with CR LF; heads are bounded, preamble and epilogue are thrown away. Test: tests/web/test_web_multipart.c.
 */
#include "web/web_wire.h"

#include "base/text.h"
#include "base/try.h"

enum { PREAMBLE, AFTER, AFTER_DASH, AFTER_BLANK, AFTER_CR, HEAD, BODY, EPILOGUE, FAILED };

/* RFC 2046 section 5.1.1: bchars; the last is no space. */
static bool is_boundary(plait_slice boundary)
{
    static const char others[] = "'()+_,-./:=? ";
    if (boundary.len == 0 || boundary.len > PLAIT__BOUNDARY_MAX || boundary.ptr[boundary.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < boundary.len; i++) {
        if (!plait__is_alnum(boundary.ptr[i]) && (!boundary.ptr[i] || !strchr(others, boundary.ptr[i])))
            return false;
    }
    return true;
}

plait_err plait__multipart_init(struct plait__multipart *m, plait_slice boundary, struct plait_budget *budget,
                                size_t head_max)
{
    memset(m, 0, sizeof(*m));
    if (!is_boundary(boundary))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
    m->len = (uint8_t)(4 + boundary.len);
    m->matched = 2; /* the first delimiter may stand at the very start */
    plait_buf_init(&m->head, budget, head_max);
    return PLAIT_OK;
}

void plait__multipart_deinit(struct plait__multipart *m)
{
    plait_buf_deinit(&m->head);
}

static enum plait__multipart_event bad(struct plait__multipart *m, plait_err err)
{
    m->state = FAILED;
    m->err = err;
    return PLAIT__MULTIPART_BAD;
}

/* --- a part's head ------------------------------------------------------------------------------------------------ */

/* `form-data; name="a"; filename="b"`, in the head's own memory. */
static bool read_disposition(struct plait__multipart *m, plait_slice value)
{
    const size_t semicolon = plait_slice_find_byte(value, ';', 0);
    plait_slice rest = plait_slice_sub(value, semicolon, value.len), name, text;
    bool escaped;
    if (!plait_slice_equal_nocase(plait_slice_trim(plait_slice_sub(value, 0, semicolon)), PLAIT_LIT("form-data")))
        return false;
    while (plait__param_next(&rest, &name, &text, &escaped)) {
        if (escaped)
            text.len = plait__param_unescape(m->head.ptr + (text.ptr - m->head.ptr), text.len);
        if (plait_slice_equal_nocase(name, PLAIT_LIT("name")))
            m->name = text;
        else if (plait_slice_equal_nocase(name, PLAIT_LIT("filename")))
            m->filename = text;
    }
    return rest.len == 0;
}

static bool read_line(struct plait__multipart *m, plait_slice line)
{
    const size_t colon = plait_slice_find_byte(line, ':', 0);
    const plait_slice name = plait_slice_sub(line, 0, colon);
    if (colon == SIZE_MAX || name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!plait__is_token(name.ptr[i]))
            return false;
    }
    const plait_slice value = plait_slice_trim(plait_slice_sub(line, colon + 1, line.len));
    for (size_t i = 0; i < value.len; i++) {
        if ((value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
            return false;
    }
    if (plait_slice_equal_nocase(name, PLAIT_LIT("content-type")))
        m->type = value;
    return !plait_slice_equal_nocase(name, PLAIT_LIT("content-disposition")) || read_disposition(m, value);
}

/* The head is complete, the empty line included. A part of a form has a name (RFC 7578 section 4.2). */
static bool read_head(struct plait__multipart *m)
{
    const plait_slice head = plait_buf_slice(&m->head);
    for (size_t at = 0; at + 2 < head.len;) {
        const size_t end = plait_slice_find(head, PLAIT_LIT("\r\n"), at);
        if (!read_line(m, plait_slice_sub(head, at, end)))
            return false;
        at = end + 2;
    }
    return m->name.ptr;
}

static bool head_is_complete(plait_slice head)
{
    if (head.len == 2)
        return memcmp(head.ptr, "\r\n", 2) == 0;
    return head.len >= 4 && memcmp(head.ptr + head.len - 4, "\r\n\r\n", 4) == 0;
}

static enum plait__multipart_event take_head(struct plait__multipart *m, plait_slice *in)
{
    while (in->len) {
        const size_t line = plait_slice_find_byte(*in, '\n', 0);
        const plait_slice piece = plait_slice_sub(*in, 0, line == SIZE_MAX ? in->len : line + 1);
        plait_buf_put(&m->head, piece);
        *in = plait_slice_sub(*in, piece.len, in->len);
        if (m->head.err)
            return bad(m, m->head.err);
        if (!head_is_complete(plait_buf_slice(&m->head)))
            continue;
        if (!read_head(m))
            return bad(m, PLAIT_EMALFORMED);
        m->state = BODY;
        m->matched = 2; /* an empty body's delimiter follows the empty line at once */
        m->told = true;
        return PLAIT__MULTIPART_PART;
    }
    return PLAIT__MULTIPART_MORE;
}

/* --- bodies and delimiters ---------------------------------------------------------------------------------------- */

/* Goes on with a delimiter that has begun. Returns whether it is complete; what was none is given as data. */
static bool match(struct plait__multipart *m, plait_slice *in, plait_slice *data)
{
    while (in->len && m->matched < m->len && in->ptr[0] == m->delimiter[m->matched]) {
        m->matched++;
        *in = plait_slice_sub(*in, 1, in->len);
    }
    if (m->matched == m->len)
        return true;
    if (in->len) {
        *data = plait_slice_of(m->delimiter + (m->told ? 2 : 0), (size_t)m->matched - (m->told ? 2 : 0));
        m->matched = 0;
        m->told = false;
    }
    return false;
}

/* Bytes up to where a delimiter may begin. */
static plait_slice plain(plait_slice *in)
{
    const size_t cr = plait_slice_find_byte(*in, '\r', 0);
    const plait_slice data = plait_slice_sub(*in, 0, cr);
    *in = plait_slice_sub(*in, data.len, in->len);
    return data;
}

static enum plait__multipart_event take_body(struct plait__multipart *m, plait_slice *in, plait_slice *data)
{
    const bool part = m->state == BODY;
    while (in->len) {
        *data = plait_slice_of(NULL, 0);
        if (m->matched || in->ptr[0] == '\r') {
            if (match(m, in, data)) {
                m->state = AFTER;
                m->matched = 0;
                m->told = false;
                if (part)
                    return PLAIT__MULTIPART_OVER;
                return PLAIT__MULTIPART_MORE;
            }
        } else {
            *data = plain(in);
        }
        if (part && data->len)
            return PLAIT__MULTIPART_DATA;
    }
    return PLAIT__MULTIPART_MORE;
}

/* Behind a delimiter: "--" ends all, else blanks and a line's end begin a part. */
static enum plait__multipart_event take_after(struct plait__multipart *m, plait_slice *in)
{
    const uint8_t c = in->ptr[0];
    *in = plait_slice_sub(*in, 1, in->len);
    if (m->state == AFTER && c == '-') {
        m->state = AFTER_DASH;
    } else if (m->state == AFTER_DASH && c == '-') {
        m->state = EPILOGUE;
        return PLAIT__MULTIPART_END;
    } else if (m->state < AFTER_CR && m->state != AFTER_DASH && (c == ' ' || c == '\t')) {
        m->state = AFTER_BLANK;
    } else if (m->state < AFTER_CR && m->state != AFTER_DASH && c == '\r') {
        m->state = AFTER_CR;
    } else if (m->state == AFTER_CR && c == '\n') {
        m->state = HEAD;
        plait_buf_clear(&m->head);
        m->name = m->filename = m->type = plait_slice_of(NULL, 0);
    } else {
        return bad(m, PLAIT_EMALFORMED);
    }
    return PLAIT__MULTIPART_MORE;
}

enum plait__multipart_event plait__multipart_next(struct plait__multipart *m, plait_slice *in, plait_slice *data)
{
    enum plait__multipart_event event = PLAIT__MULTIPART_MORE;
    while (in->len && event == PLAIT__MULTIPART_MORE) {
        switch (m->state) {
        case PREAMBLE:
        case BODY:
            event = take_body(m, in, data);
            break;
        case HEAD:
            event = take_head(m, in);
            break;
        case EPILOGUE:
        case FAILED:
            *in = plait_slice_of(NULL, 0);
            break;
        default:
            event = take_after(m, in);
        }
    }
    return event;
}
