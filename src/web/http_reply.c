/* SPDX-License-Identifier: MIT
 *
 * Answers: fields, heads, bodies whole, in pieces or from files, error pages. What carries the request frames them:
 * http1_reply.c for HTTP/1.
 *
 * Invariant: what is written behind a head is exactly the body it announced, or the connection ends. Nothing a
 * handler passes can add a line to a head. Test: tests/web/test_http_reply.c.
 */
#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"
#include "web/http_core.h"

enum { COMPOSE_MAX = 16384 };

/* --- fields ---------------------------------------------------------------------------------------------------- */

static bool name_is_ours(plait_slice name)
{
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection", "date",
                                       "server",         "keep-alive"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(ours[i])))
            return true;
    }
    return false;
}

static plait_err put_line(struct plait_buf *lines, plait_slice n, plait_slice value)
{
    size_t bytes = n.len + value.len + 4;
    if (bytes > lines->max - lines->len)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    uint8_t *at = plait_buf_reserve(lines, bytes);
    if (!at)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(at, n.ptr, n.len);
    memcpy(at + n.len, ": ", 2);
    if (value.len)
        memcpy(at + n.len + 2, value.ptr, value.len);
    memcpy(at + bytes - 2, "\r\n", 2);
    plait_buf_commit(lines, bytes);
    return PLAIT_OK;
}

plait_err plait_reply_field(struct plait_request *req, const char *name, plait_slice value)
{
    plait_slice n = plait_slice_text(name);
    if (req->phase != PLAIT__HR_OPEN)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (!plait__http1_is_token(n) || !plait__http1_is_value(value) || name_is_ours(n))
        return PLAIT_FAIL(PLAIT_EINVAL);
    return put_line(&req->fields, n, value);
}

/* RFC 9110 section 6.5.1: what says how a message is framed, led, read or kept has to stand before it. */
static bool may_trail(plait_slice name)
{
    static const char *const never[] = {
        "age",     "authorization", "cache-control",    "content-encoding", "content-range", "content-type", "expires",
        "host",    "location",      "proxy-connection", "retry-after",      "set-cookie",    "te",           "trailer",
        "upgrade", "vary",          "www-authenticate"};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (plait_slice_equal_nocase(name, plait_slice_text(never[i])))
            return false;
    }
    return !name_is_ours(name);
}

plait_err plait_reply_trailer(struct plait_request *req, const char *name, plait_slice value)
{
    plait_slice n = plait_slice_text(name);
    if (!plait__http1_is_token(n) || !plait__http1_is_value(value) || !may_trail(n))
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(put_line(&req->trailers, n, value));
    return PLAIT_OK;
}

plait_err plait__reply_put(struct plait_request *req, plait_slice name, plait_slice value)
{
    return put_line(&req->fields, name, value);
}

plait_err plait__reply_date(struct plait_request *req, int64_t seconds)
{
    char date[PLAIT__HTTP_DATE_BYTES];
    plait__format_http_date(seconds, date);
    PLAIT_TRY(put_line(&req->fields, PLAIT_LIT("Date"), plait_slice_text(date)));
    req->dated = true;
    return PLAIT_OK;
}

void plait__reply_offer_upgrade(struct plait_request *req, const char *protocol)
{
    if (put_line(&req->fields, PLAIT_LIT("Connection"), PLAIT_LIT("Upgrade")) == PLAIT_OK)
        (void)put_line(&req->fields, PLAIT_LIT("Upgrade"), plait_slice_text(protocol));
}

plait_err plait_reply_early_hints(struct plait_request *req, plait_slice link)
{
    if (req->phase != PLAIT__HR_OPEN)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (link.len == 0 || !plait__http1_is_value(link))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (!req->carrier || req->version == 10)
        return PLAIT_OK;
    uint8_t *line = plait_request_memory(req, link.len + 8);
    if (!line)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(line, "Link: ", 6);
    memcpy(line + 6, link.ptr, link.len);
    memcpy(line + 6 + link.len, "\r\n", 2);
    req->ops->interim(req, 103, plait_slice_of(line, link.len + 8));
    return PLAIT_OK;
}

/* --- heads ----------------------------------------------------------------------------------------------------- */

/* Whether an answer has no body whatever its handler says (RFC 9110 section 6.4.1). */
static bool is_bare(const struct plait_request *req, int status)
{
    return req->head_only || status == 204 || status == 205 || status == 304;
}

/* Makes the head that is to be sent, and notes what is to follow it. */
static struct plait__http_reply make_head(struct plait_request *req, int status, const char *type, uint64_t length)
{
    plait_slice kind = plait_slice_text(type);
    if (!plait__http1_is_value(kind))
        kind = plait_slice_of(NULL, 0);
    if (status == 205)
        length = 0; /* RFC 9110 section 15.3.6 */
    req->reply_left = is_bare(req, status) ? 0 : length;
    struct plait_reply_head head = {.status = status, .length = length, .type = kind, .error_page = req->error_page};
    if (req->filters)
        plait__filters_head(req, &head);
    req->status = head.status;
    req->phase = PLAIT__HR_BEGUN;
    req->no_body = is_bare(req, head.status);
    req->filtered &= !req->no_body;
    req->wire_left = head.length;
    return (struct plait__http_reply){
        .status = head.status, .length = head.length, .type = head.type, .dated = req->dated};
}

/* A status that an answer may have: 1xx are not answers. */
static int real_status(int status)
{
    return status >= 200 && status <= 599 ? status : 500;
}

/* --- whole answers --------------------------------------------------------------------------------------------- */

void plait_reply(struct plait_request *req, int status, const char *type, plait_slice body)
{
    if (req->phase != PLAIT__HR_OPEN) {
        plait_reply_end(req);
        return;
    }
    const struct plait__http_reply reply = make_head(req, real_status(status), type, body.len);
    if (req->filtered) {
        if (req->carrier)
            req->ops->begin(req, &reply);
        plait__feed_write(req, body);
        plait__feed_end(req);
        return;
    }
    if (req->carrier)
        req->ops->whole(req, &reply, req->no_body ? plait_slice_of(NULL, 0) : body);
    req->reply_left = 0;
    req->reply_bytes = req->no_body ? 0 : body.len;
    plait__http_answered(req, true);
}

void plait_reply_text(struct plait_request *req, int status, const char *text)
{
    plait_reply(req, status, "text/plain; charset=utf-8", plait_slice_text(text));
}

void plait_reply_buf(struct plait_request *req, int status, const char *type, struct plait_buf *body)
{
    if (body->err) {
        plait_buf_deinit(body);
        plait_reply_error(req, 500, NULL);
        return;
    }
    if (body->len <= COMPOSE_MAX || req->head_only || req->filters || req->phase != PLAIT__HR_OPEN) {
        plait_reply(req, status, type, plait_buf_slice(body));
        plait_buf_deinit(body);
        return;
    }
    uint64_t len = body->len;
    plait_reply_begin(req, status, type, len);
    if (req->carrier && !req->no_body)
        req->ops->take(req, body);
    plait_buf_deinit(body);
    req->reply_left = 0;
    req->reply_bytes = req->no_body ? 0 : len;
    if (req->carrier)
        req->ops->end(req);
    plait__http_answered(req, true);
}

void plait_html_escape(struct plait_buf *out, plait_slice text)
{
    plait__put_html(out, text);
}

const char *plait_http_reason(int status)
{
    return plait__http_reason(status);
}

static const char *sentence(int status)
{
    switch (status) {
    case 400:
        return "The request could not be understood.";
    case 403:
        return "This is not for everybody.";
    case 404:
        return "There is nothing at this address.";
    case 405:
        return "This address does not take that method.";
    case 413:
        return "The request is larger than this server takes.";
    case 503:
        return "The server is too busy. Please try again.";
    default:
        return status >= 500 ? "Something went wrong on the server." : "";
    }
}

void plait_reply_error(struct plait_request *req, int status, const char *detail)
{
    struct plait_buf page;
    const char *reason = plait_http_reason(real_status(status));
    req->error_page = true;
    plait_buf_init(&page, plait_reactor_budget(req->web->reactor), 65536);
    plait_buf_printf(&page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%d %s</title>\n",
                     real_status(status), reason);
    plait_buf_put_text(&page, "<meta name=\"viewport\" content=\"width=device-width\"><style>");
    plait_buf_put_text(&page, plait__http_style);
    plait_buf_printf(&page, "</style></head>\n<body><main><h1><small>%d</small> %s</h1><p>", real_status(status),
                     reason);
    plait_html_escape(&page, plait_slice_text(detail ? detail : sentence(real_status(status))));
    plait_buf_put_text(&page, "</p></main></body></html>\n");
    if (page.err) {
        plait_buf_deinit(&page);
        plait_reply(req, status, NULL, plait_slice_of(NULL, 0));
        return;
    }
    plait_reply_buf(req, status, "text/html; charset=utf-8", &page);
}

void plait_reply_redirect(struct plait_request *req, int status, plait_slice location)
{
    if (location.len == 0 || plait_reply_field(req, "Location", location) != PLAIT_OK) {
        plait_reply_error(req, 500, NULL);
        return;
    }
    plait_reply_text(req, status, "See the Location field.\n");
}

/* --- pieces ---------------------------------------------------------------------------------------------------- */

void plait_reply_begin(struct plait_request *req, int status, const char *type, uint64_t length)
{
    if (req->phase != PLAIT__HR_OPEN)
        return;
    const struct plait__http_reply reply = make_head(req, real_status(status), type, length);
    if (req->carrier)
        req->ops->begin(req, &reply);
}

void plait_reply_write(struct plait_request *req, plait_slice piece)
{
    if (req->phase != PLAIT__HR_BEGUN || req->no_body || piece.len == 0)
        return;
    bool known = req->reply_left != PLAIT_LENGTH_UNKNOWN;
    bool over = known && piece.len > req->reply_left;
    if (over)
        piece = plait_slice_sub(piece, 0, (size_t)req->reply_left);
    if (known)
        req->reply_left -= piece.len;
    if (req->filtered)
        plait__feed_write(req, piece);
    else
        req->reply_bytes += piece.len;
    if (!req->filtered && req->carrier && piece.len)
        req->ops->write(req, piece);
    if (req->carrier && over)
        plait__http_break(req, PLAIT_ESTATE, "an answer was longer than announced");
}

bool plait_reply_is_full(const struct plait_request *req)
{
    return req->carrier && (req->ops->is_full(req) || plait__feed_waits(req));
}

void plait_reply_room(struct plait_request *req, plait_request_fn fn, void *ctx)
{
    if (plait__feed_room(req, fn, ctx))
        return;
    req->room_fn = fn;
    req->room_ctx = ctx;
}

void plait_reply_end(struct plait_request *req)
{
    if (req->phase == PLAIT__HR_OPEN) {
        plait_reply_error(req, 500, NULL);
        return;
    }
    bool whole = req->no_body || req->reply_left == 0 || req->reply_left == PLAIT_LENGTH_UNKNOWN;
    if (req->carrier && !whole)
        plait__http_break(req, PLAIT_ESTATE, "an answer was shorter than announced");
    if (req->filtered && whole) {
        plait__feed_end(req);
        return;
    }
    if (req->carrier)
        req->ops->end(req);
    plait__http_answered(req, whole);
}

void plait__reply_write_file(struct plait_request *req, const struct plait_reply_range *range)
{
    bool sends = req->carrier && !req->no_body && range->bytes && range->bytes <= req->reply_left;
    if (!req->no_body && range->bytes <= req->reply_left) {
        req->reply_left -= range->bytes;
        req->reply_bytes += req->filtered ? 0 : range->bytes;
    }
    if (sends && req->filtered)
        plait__feed_file(req, range);
    else if (sends)
        req->ops->file(req, range);
    else
        range->released(range->ctx);
}

void plait_reply_file(struct plait_request *req, int status, const char *type, const struct plait_reply_range *range)
{
    plait_reply_begin(req, status, type, range->bytes);
    plait__reply_write_file(req, range);
    plait_reply_end(req);
}
