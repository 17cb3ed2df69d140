/* SPDX-License-Identifier: MIT
 *
 * The head of a CGI response: fields, each on a line that ends with LF or CRLF, up to an empty line. What decides how
 * the answer goes on (Content-Type, Location, Status) may come once each; a program that frames its body itself, or
 * writes anything that could end a line of ours, is refused. FastCGI applications answer in the same form.
 *
 * It isn't HTTP's codec: that one refuses bare LF, and has a start line. Invariant: a head that is DONE has at least
 * one of the three fields, and a status from 200 to 599. Test: tests/web/test_cgi_wire.c, fuzz/fuzz_cgi.c.
 */
#include "web/cgi_wire.h"

#include "base/text.h"
#include "web/http1_wire.h"

void plait__cgi_head_init(struct plait__cgi_head *head)
{
    head->at = head->scanned = 0;
    head->why = NULL;
    head->kind = PLAIT__CGI_DOCUMENT;
    head->status = 200;
    head->has_length = head->has_status = false;
    head->length = 0;
    head->count = 0;
    head->type = head->location = 0;
}

static enum plait__cgi_step bad(struct plait__cgi_head *h, const char *why)
{
    h->why = why;
    return PLAIT__CGI_BAD;
}

static bool is(plait_slice name, const char *text)
{
    return plait_slice_equal_nocase(name, plait_slice_text(text));
}

/* RFC 3875 section 6.3.3: three digits, and a reason that nobody needs. */
static bool read_status(struct plait__cgi_head *h, plait_slice value)
{
    uint64_t status = 0;
    const plait_slice digits = plait_slice_sub(value, 0, 3);
    if (h->has_status || digits.len < 3 || plait_slice_to_u64(digits, 599, &status) != PLAIT_OK || status < 200 ||
        (value.len > 3 && value.ptr[3] != ' '))
        return false;
    h->has_status = true;
    h->status = (int)status;
    return true;
}

static bool read_length(struct plait__cgi_head *h, plait_slice value)
{
    if (h->has_length || plait_slice_to_u64(value, (uint64_t)INT64_MAX, &h->length) != PLAIT_OK)
        return false;
    h->has_length = true;
    return true;
}

static bool once(uint16_t *place, const struct plait__cgi_head *h)
{
    const bool first = *place == 0;
    *place = (uint16_t)h->count;
    return first;
}

/* A field was kept as the last one: what it means. */
static enum plait__cgi_step judge(struct plait__cgi_head *h, plait_slice name, plait_slice value)
{
    if (is(name, "status") && !read_status(h, value))
        return bad(h, "its Status is no status, or there are two");
    if (is(name, "content-type") && !once(&h->type, h))
        return bad(h, "it has two Content-Type fields");
    if (is(name, "location") && !once(&h->location, h))
        return bad(h, "it has two Location fields");
    if (is(name, "content-length") && !read_length(h, value))
        return bad(h, "its Content-Length is no length, or there are two");
    if (is(name, "transfer-encoding"))
        return bad(h, "it frames its body itself (Transfer-Encoding)");
    return PLAIT__CGI_MORE;
}

static enum plait__cgi_step read_field(struct plait__cgi_head *h, const uint8_t *window, plait_slice line)
{
    const size_t colon = plait_slice_find_byte(line, ':', 0);
    const plait_slice name = plait_slice_sub(line, 0, colon);
    if (colon == SIZE_MAX || !plait__http1_is_token(name))
        return bad(h, "a line of its header is no field");
    const plait_slice value = plait_slice_trim(plait_slice_sub(line, colon + 1, line.len));
    if (!plait__http1_is_value(value))
        return bad(h, "a field of its header has a control character");
    if (value.len == 0)
        return PLAIT__CGI_MORE; /* section 6.3: as if it were not there */
    if (h->count == PLAIT__CGI_FIELDS_MAX)
        return bad(h, "its header has more than 100 fields");
    h->field[h->count].name = (uint16_t)(name.ptr - window);
    h->field[h->count].name_len = (uint16_t)name.len;
    h->field[h->count].value = (uint16_t)(value.ptr - window);
    h->field[h->count].value_len = (uint16_t)value.len;
    h->count++;
    return judge(h, name, value);
}

/* The empty line: what kind of answer it is. A path in Location that comes without a status is ours to follow; two
 * slashes begin a host's name. */
static enum plait__cgi_step finish(struct plait__cgi_head *h, const uint8_t *window)
{
    const plait_slice location = plait__cgi_head_value(h, window, h->location);
    if (!h->type && !h->location && !h->has_status)
        return bad(h, "its header has neither Content-Type nor Location nor Status");
    if (h->location && !h->has_status) {
        const bool path = location.ptr[0] == '/' && !(location.len > 1 && location.ptr[1] == '/');
        h->kind = path ? PLAIT__CGI_LOCAL : PLAIT__CGI_DOCUMENT;
        h->status = 302;
    }
    return PLAIT__CGI_DONE;
}

enum plait__cgi_step plait__cgi_head_read(struct plait__cgi_head *head, plait_slice window)
{
    const plait_slice whole = plait_slice_sub(window, 0, PLAIT__CGI_HEAD_MAX);
    enum plait__cgi_step step = PLAIT__CGI_MORE;
    while (step == PLAIT__CGI_MORE) {
        const size_t end = plait_slice_find_byte(whole, '\n', head->scanned);
        if (end == SIZE_MAX) {
            head->scanned = whole.len;
            return whole.len == PLAIT__CGI_HEAD_MAX ? bad(head, "its header is longer than 16 KiB") : PLAIT__CGI_MORE;
        }
        plait_slice line = plait_slice_sub(whole, head->at, end);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        head->at = head->scanned = end + 1;
        step = line.len ? read_field(head, whole.ptr, line) : finish(head, whole.ptr);
    }
    return step;
}

plait_slice plait__cgi_head_value(const struct plait__cgi_head *head, const uint8_t *window, uint16_t number)
{
    if (number == 0)
        return plait_slice_of(NULL, 0);
    return plait_slice_of(window + head->field[number - 1].value, head->field[number - 1].value_len);
}

bool plait__cgi_head_field(const struct plait__cgi_head *head, const uint8_t *window, size_t n, plait_slice *name,
                           plait_slice *value)
{
    static const char *const ours[] = {"status", "content-type", "content-length", "connection", "keep-alive",
                                       "date",   "server",       "trailer",        "upgrade"};
    *name = plait_slice_of(window + head->field[n].name, head->field[n].name_len);
    *value = plait__cgi_head_value(head, window, (uint16_t)(n + 1));
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (is(*name, ours[i]))
            return false;
    }
    return true;
}

/* --- variables ---------------------------------------------------------------------------------------------------- */

bool plait__cgi_is_credential(plait_slice name)
{
    return is(name, "authorization") || is(name, "proxy-authorization");
}

bool plait__cgi_variable(struct plait_buf *out, plait_slice name)
{
    if (is(name, "proxy") || is(name, "content-length") || is(name, "content-type"))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!plait__is_alnum(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    }
    plait_buf_put(out, PLAIT_LIT("HTTP_"));
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        plait_buf_put_u8(out, c == '-' ? '_' : c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c);
    }
    return true;
}
