/* SPDX-License-Identifier: MIT
 *
 * Ident (RFC 1413): the codec, pure, lines in and out. White space is taken wherever the RFC lets it be, and written
 * as its examples have it, except before a user, where it would be part of the name.
 *
 * Invariant: no byte that would end a line or a field gets into one. Tests: tests/small/test_ident_wire.c;
 * fuzz/fuzz_ident.c.
 */
#include "base/try.h"

#include <plait/ident.h>

enum { PORT_READ_MAX = 99999, PORT_MAX = 65535 };

static const char *const errors[] = {
    [PLAIT_IDENT_USER] = "",
    [PLAIT_IDENT_INVALID_PORT] = "INVALID-PORT",
    [PLAIT_IDENT_NO_USER] = "NO-USER",
    [PLAIT_IDENT_HIDDEN_USER] = "HIDDEN-USER",
    [PLAIT_IDENT_UNKNOWN_ERROR] = "UNKNOWN-ERROR",
};

static bool is_token(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f || text.ptr[i] == ':')
            return false;
    }
    return text.len > 0 && text.len <= PLAIT_IDENT_TOKEN_MAX;
}

static bool is_user(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || text.ptr[i] == '\r' || text.ptr[i] == '\n')
            return false;
    }
    return text.len > 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool scan_port(struct plait_scan *scan, uint32_t *out)
{
    uint64_t port;
    plait_scan_blank(scan);
    if (!plait_scan_u64(scan, PORT_READ_MAX, &port))
        return false;
    *out = (uint32_t)port;
    plait_scan_blank(scan);
    return true;
}

static bool scan_query(struct plait_scan *scan, struct plait_ident_query *out)
{
    return scan_port(scan, &out->server_port) && plait_scan_byte(scan, ',') && scan_port(scan, &out->client_port);
}

static bool is_port(uint32_t port)
{
    return port >= 1 && port <= PORT_MAX;
}

plait_err plait_ident_parse_query(plait_slice line, struct plait_ident_query *out)
{
    struct plait_scan scan = plait_scan_of(line);
    *out = (struct plait_ident_query){.server_port = 0};
    if (line.len > PLAIT_IDENT_LINE_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    if (!scan_query(&scan, out) || !plait_scan_done(&scan))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return is_port(out->server_port) && is_port(out->client_port) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EINVAL);
}

/* Everything before the next colon, without white space around it; takes the colon. */
static bool scan_field(struct plait_scan *scan, plait_slice *out)
{
    if (!plait_scan_until(scan, ':', out))
        return false;
    scan->at++;
    *out = plait_slice_trim(*out);
    return true;
}

static plait_err read_user(struct plait_scan *scan, struct plait_ident_reply *out)
{
    plait_slice field;
    if (!scan_field(scan, &field))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    const size_t comma = plait_slice_find_byte(field, ',', 0);
    out->answer = PLAIT_IDENT_USER;
    out->system = plait_slice_trim(plait_slice_sub(field, 0, comma));
    out->user = plait_scan_rest(scan);
    if (comma != SIZE_MAX) {
        out->charset = plait_slice_trim(plait_slice_sub(field, comma + 1, field.len));
        if (!is_token(out->charset))
            return PLAIT_FAIL(PLAIT_EMALFORMED);
    }
    return is_token(out->system) && is_user(out->user) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err read_error(struct plait_scan *scan, struct plait_ident_reply *out)
{
    const plait_slice token = plait_slice_trim(plait_scan_rest(scan));
    if (!is_token(token))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    for (out->answer = PLAIT_IDENT_INVALID_PORT; out->answer < PLAIT_IDENT_OTHER_ERROR; out->answer++) {
        if (plait_slice_equal_nocase(token, plait_slice_text(errors[out->answer])))
            return PLAIT_OK;
    }
    out->token = token;
    return PLAIT_OK;
}

plait_err plait_ident_parse_reply(plait_slice line, struct plait_ident_reply *out)
{
    struct plait_scan scan = plait_scan_of(line);
    plait_slice type;
    *out = (struct plait_ident_reply){.answer = PLAIT_IDENT_UNKNOWN_ERROR};
    if (line.len > PLAIT_IDENT_LINE_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    if (!scan_query(&scan, &out->query) || !plait_scan_byte(&scan, ':') || !scan_field(&scan, &type))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (plait_slice_equal_nocase(type, PLAIT_LIT("USERID")))
        return read_user(&scan, out);
    if (plait_slice_equal_nocase(type, PLAIT_LIT("ERROR")))
        return read_error(&scan, out);
    return PLAIT_FAIL(PLAIT_EMALFORMED);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_pair(struct plait_buf *out, const struct plait_ident_query *query)
{
    plait_buf_put_u64_text(out, query->server_port);
    plait_buf_put_text(out, ", ");
    plait_buf_put_u64_text(out, query->client_port);
}

static void put_token(struct plait_buf *out, plait_slice token)
{
    if (!is_token(token) && out->err == PLAIT_OK)
        out->err = PLAIT_EINVAL;
    plait_buf_put(out, token);
}

static bool has_comma(plait_slice text)
{
    return plait_slice_find_byte(text, ',', 0) != SIZE_MAX;
}

static void put_user(struct plait_buf *out, const struct plait_ident_reply *reply)
{
    const bool can = is_user(reply->user) && reply->user.len <= PLAIT_IDENT_USER_MAX && !has_comma(reply->system);
    plait_buf_put_text(out, "USERID : ");
    put_token(out, reply->system);
    if (reply->charset.len > 0) {
        plait_buf_put_text(out, ", ");
        put_token(out, reply->charset);
    }
    plait_buf_put_text(out, " :");
    plait_buf_put(out, reply->user);
    if (!can && out->err == PLAIT_OK)
        out->err = PLAIT_EINVAL;
}

void plait_ident_put_query(struct plait_buf *out, const struct plait_ident_query *query)
{
    put_pair(out, query);
    plait_buf_put_text(out, "\r\n");
}

void plait_ident_put_reply(struct plait_buf *out, const struct plait_ident_reply *reply)
{
    put_pair(out, &reply->query);
    plait_buf_put_text(out, " : ");
    if (reply->answer == PLAIT_IDENT_USER) {
        put_user(out, reply);
    } else {
        plait_buf_put_text(out, "ERROR : ");
        put_token(out,
                  reply->answer == PLAIT_IDENT_OTHER_ERROR ? reply->token : plait_slice_text(errors[reply->answer]));
    }
    plait_buf_put_text(out, "\r\n");
}
