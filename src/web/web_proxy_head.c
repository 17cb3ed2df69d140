/* SPDX-License-Identifier: MIT
 *
 * What a reverse proxy writes: requests as origins get them, answers' fields as clients get them. Everything is written
 * anew from what was parsed, so that no two parties can read it differently; only the bytes between stay as they were.
 *
 * Invariant: framing, Host and Connection are ours; a field that belongs to one connection goes no further, and what a
 * client says of other people's addresses is passed on only when the client is trusted to.
 * Test: tests/web/test_web_proxy_head.c.
 */
#include "web/web_proxy.h"

#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"

/* --- fields of one connection ------------------------------------------------------------------------------------- */

/* RFC 9110 section 7.6.1, with the fields that frame a message. */
static bool is_named_hop(plait_slice name)
{
    static const plait_slice hop[] = {{(const uint8_t *)"te", 2},
                                      {(const uint8_t *)"trailer", 7},
                                      {(const uint8_t *)"upgrade", 7},
                                      {(const uint8_t *)"connection", 10},
                                      {(const uint8_t *)"keep-alive", 10},
                                      {(const uint8_t *)"content-length", 14},
                                      {(const uint8_t *)"http2-settings", 14},
                                      {(const uint8_t *)"proxy-connection", 16},
                                      {(const uint8_t *)"transfer-encoding", 17},
                                      {(const uint8_t *)"proxy-authenticate", 18},
                                      {(const uint8_t *)"proxy-authorization", 19},
                                      {(const uint8_t *)"proxy-authentication-info", 25}};
    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++) {
        if (name.len == hop[i].len && plait_slice_equal_nocase(name, hop[i]))
            return true;
    }
    return false;
}

static plait_slice name_at(const struct plait__http1_head *head, const uint8_t *base, size_t i)
{
    return plait_slice_of(base + head->field[i].name, head->field[i].name_len);
}

static plait_slice value_at(const struct plait__http1_head *head, const uint8_t *base, size_t i)
{
    return plait_slice_of(base + head->field[i].value, head->field[i].value_len);
}

static bool is_named_by(const struct plait__http1_head *head, const uint8_t *base, plait_slice name)
{
    for (size_t i = 0; i < head->count; i++) {
        if (head->field[i].name_len != 10 || !plait_slice_equal_nocase(name_at(head, base, i), PLAIT_LIT("connection")))
            continue;
        const plait_slice list = value_at(head, base, i);
        if (list.len >= name.len && plait__http1_list_has(list, name))
            return true;
    }
    return false;
}

bool plait__proxy_is_hop(const struct plait__http1_head *head, const uint8_t *base, plait_slice name)
{
    return is_named_hop(name) || is_named_by(head, base, name);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void put_line(struct plait_buf *out, plait_slice name, plait_slice value)
{
    const size_t bytes = name.len + value.len + 4;
    uint8_t *at = plait_buf_reserve(out, bytes);
    if (!at)
        return;
    memcpy(at, name.ptr, name.len);
    memcpy(at + name.len, ": ", 2);
    if (value.len)
        memcpy(at + name.len + 2, value.ptr, value.len);
    memcpy(at + bytes - 2, "\r\n", 2);
    plait_buf_commit(out, bytes);
}

/* Appends a path with what need not be escaped written plainly (RFC 3986 section 6.2.2), and without dot segments. */
static void put_clean_path(struct plait_buf *out, plait_slice raw)
{
    const size_t from = out->len;
    for (size_t i = 0; i < raw.len && !out->err; i++) {
        const bool escape = raw.ptr[i] == '%' && i + 2 < raw.len;
        const int high = escape ? plait__hex_value(raw.ptr[i + 1]) : -1;
        const uint8_t byte = high >= 0 ? (uint8_t)(high << 4 | plait__hex_value(raw.ptr[i + 2])) : raw.ptr[i];
        plait_percent_encode(out, plait_slice_of(&byte, 1), escape ? "" : "/!$&'()*+,;=:@%\"<>[]\\^`{|}");
        i += escape ? 2 : 0;
    }
    if (out->err)
        return;
    const size_t len = plait_path_normalise(out->ptr + out->at + from, out->len - from);
    out->len = from + (len == SIZE_MAX ? 0 : len);
}

/* Takes the segments off a path that were gone through to reach the resource: as many slashes. */
static plait_slice behind(plait_slice path, size_t slashes)
{
    size_t at = 0;
    while (slashes > 0 && at < path.len)
        slashes -= path.ptr[at++] == '/';
    return plait_slice_sub(path, at, path.len);
}

static size_t count_slashes(plait_slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '/';
    return count;
}

/* What is left of the path, as the client wrote it where it means the same. */
static void put_rest(struct plait_buf *out, const struct plait_request *req)
{
    const plait_slice rest = req->rest, target = plait_request_target(req);
    if (req->rewritten) {
        plait_percent_encode(out, rest, "/!$&'()*+,;=:@");
        return;
    }
    if (req->path.ptr >= target.ptr && req->path.ptr < target.ptr + target.len) { /* it needed no decoding */
        plait_buf_put(out, rest);
        return;
    }
    const size_t query = plait_slice_find_byte(target, '?', 0), start = plait_slice_find_byte(target, '/', 0);
    const size_t from = out->len;
    plait_slice raw = plait_slice_sub(target, start, query);
    if (target.ptr[0] != '/') /* absolute form: behind the authority */
        raw = plait_slice_sub(target, (size_t)(req->host.ptr + req->host.len - target.ptr), query);
    put_clean_path(out, raw);
    if (out->err)
        return;
    const plait_slice reached = plait_slice_sub(req->path, 0, req->path.len - rest.len);
    const plait_slice whole = plait_slice_of(out->ptr + out->at + from, out->len - from);
    const plait_slice left = behind(whole, count_slashes(reached));
    memmove(out->ptr + out->at + from, left.ptr, left.len);
    out->len = from + left.len;
}

static void put_target(struct plait_buf *out, const struct plait_request *req, plait_slice base)
{
    const bool slash = req->rest.len > 0 || base.len == 0 || req->path.ptr[req->path.len - 1] == '/';
    plait_buf_put(out, base);
    if (slash)
        plait_buf_put_u8(out, '/');
    put_rest(out, req);
    if (!req->query.ptr)
        return;
    plait_buf_put_u8(out, '?');
    plait_buf_put(out, req->query);
}

/* Fields of a request that are written anew, or not at all. */
static bool is_ours(plait_slice name)
{
    switch (name.len) {
    case 4:
        return plait_slice_equal_nocase(name, PLAIT_LIT("host"));
    case 5:
        return plait_slice_equal_nocase(name, PLAIT_LIT("proxy")); /* scripts would take it for a variable (httpoxy) */
    case 6:
        return plait_slice_equal_nocase(name, PLAIT_LIT("expect"));
    case 12:
        return plait_slice_equal_nocase(name, PLAIT_LIT("max-forwards"));
    case 15:
        return plait_slice_equal_nocase(name, PLAIT_LIT("x-forwarded-for"));
    default:
        return false;
    }
}

static bool speaks_of_others(plait_slice name)
{
    if (name.len == 9)
        return plait_slice_equal_nocase(name, PLAIT_LIT("forwarded")) ||
               plait_slice_equal_nocase(name, PLAIT_LIT("x-real-ip"));
    return name.len > 12 && plait_slice_equal_nocase(plait_slice_sub(name, 0, 12), PLAIT_LIT("x-forwarded-"));
}

static void put_fields(struct plait_buf *out, const struct plait_request *req, bool trusted)
{
    const struct plait__http1_head *head = &req->head;
    for (size_t i = 0; i < head->count; i++) {
        const plait_slice name = name_at(head, req->base, i);
        if (is_ours(name) || (!trusted && speaks_of_others(name)) || plait__proxy_is_hop(head, req->base, name))
            continue;
        put_line(out, name, value_at(head, req->base, i));
    }
}

static bool has(const struct plait_request *req, plait_slice name)
{
    return plait__http1_head_field(&req->head, req->base, name).ptr != NULL;
}

/* RFC 7239 section 6: who asked, as the field writes it. */
static void put_node(struct plait_buf *out, const struct plait_address *peer)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    const bool ip6 = peer->kind == PLAIT_ADDR_IP6;
    if (peer->kind != PLAIT_ADDR_IP4 && !ip6) {
        plait_buf_put(out, PLAIT_LIT("unknown"));
        return;
    }
    plait_buf_put_text(out, ip6 ? "\"[" : "");
    plait_buf_put_text(out, plait_address_format_host(peer, text));
    plait_buf_put_text(out, ip6 ? "]\"" : "");
}

/* A host in quotes; nothing in it needs escaping (plait__http1_is_host). */
static void put_host(struct plait_buf *out, plait_slice host)
{
    plait_buf_put(out, PLAIT_LIT(";host=\""));
    plait_buf_put(out, host);
    plait_buf_put_u8(out, '"');
}

/* The addresses that came before, when they are believed, and this one. */
static void put_forwarded_for(struct plait_buf *out, const struct plait_request *req, const struct plait_address *peer,
                              bool trusted)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    const bool ip = peer->kind == PLAIT_ADDR_IP4 || peer->kind == PLAIT_ADDR_IP6;
    plait_buf_put(out, PLAIT_LIT("X-Forwarded-For: "));
    for (size_t i = 0; trusted && i < req->head.count; i++) {
        if (!plait_slice_equal_nocase(name_at(&req->head, req->base, i), PLAIT_LIT("x-forwarded-for")))
            continue;
        plait_buf_put(out, value_at(&req->head, req->base, i));
        plait_buf_put(out, PLAIT_LIT(", "));
    }
    plait_buf_put_text(out, ip ? plait_address_format_host(peer, text) : "unknown");
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static void put_forwarded(struct plait_buf *out, const struct plait_request *req, bool trusted)
{
    const plait_slice scheme = plait_request_tls(req) ? PLAIT_LIT("https") : PLAIT_LIT("http");
    struct plait_address peer;
    plait_request_peer(req, &peer);
    plait_buf_put(out, PLAIT_LIT("Forwarded: for="));
    put_node(out, &peer);
    if (req->host.len > 0)
        put_host(out, req->host);
    plait_buf_put(out, PLAIT_LIT(";proto="));
    plait_buf_put(out, scheme);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
    put_forwarded_for(out, req, &peer, trusted);
    if (!trusted || !has(req, PLAIT_LIT("x-forwarded-proto")))
        put_line(out, PLAIT_LIT("X-Forwarded-Proto"), scheme);
    if (req->host.len > 0 && (!trusted || !has(req, PLAIT_LIT("x-forwarded-host"))))
        put_line(out, PLAIT_LIT("X-Forwarded-Host"), req->host);
}

static void put_via(struct plait_buf *out, int version, const char *via)
{
    plait_buf_put_text(out, version == 20 ? "Via: 2.0 " : version == 11 ? "Via: 1.1 " : "Via: 1.0 ");
    plait_buf_put_text(out, via);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

/* RFC 9110 section 7.6.2: OPTIONS may say how far it is to go; it went one step. */
static void put_max_forwards(struct plait_buf *out, const struct plait_request *req)
{
    uint64_t left;
    if (plait_slice_to_u64(plait__http1_head_field(&req->head, req->base, PLAIT_LIT("max-forwards")), UINT32_MAX,
                           &left) != PLAIT_OK)
        return;
    plait_buf_put(out, PLAIT_LIT("Max-Forwards: "));
    plait_buf_put_u64_text(out, left > 0 ? left - 1 : 0);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

static void put_framing(struct plait_buf *out, const struct plait_request *req, const struct plait__proxy_text *text)
{
    const uint64_t length = plait_request_length(req);
    if (text->upgrade[0]) {
        plait_buf_put(out, PLAIT_LIT("Connection: Upgrade\r\nUpgrade: "));
        plait_buf_put_text(out, text->upgrade);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    } else if (text->origin->proxy->options.pool.no_reuse) {
        plait_buf_put(out, PLAIT_LIT("Connection: close\r\n"));
    }
    if (req->continue_due)
        plait_buf_put(out, PLAIT_LIT("Expect: 100-continue\r\n"));
    if (text->chunked) {
        plait_buf_put(out, PLAIT_LIT("Transfer-Encoding: chunked\r\n"));
    } else if (length > 0 || req->head.has_length || !plait__request_is_safe(req)) {
        plait_buf_put(out, PLAIT_LIT("Content-Length: "));
        plait_buf_put_u64_text(out, length);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
}

static bool is_trusted(const struct plait__proxy *p, const struct plait_request *req)
{
    struct plait_address peer;
    if (!p->trust)
        return false;
    plait_request_peer(req, &peer);
    if (peer.kind == PLAIT_ADDR_NONE)
        peer.kind = PLAIT_ADDR_UNIX; /* whose other end has no name */
    return plait_target_check(p->trust, &peer, NULL) == PLAIT_OK;
}

void plait__proxy_put_request(struct plait_buf *out, const struct plait_request *req,
                              const struct plait__proxy_text *text)
{
    const struct plait__proxy *p = text->origin->proxy;
    const bool own = p->options.own_host || req->host.len == 0, trusted = p->forward || is_trusted(p, req);
    plait_buf_put(out, plait_request_method(req));
    plait_buf_put_u8(out, ' ');
    put_target(out, req, text->origin->base);
    plait_buf_put(out, PLAIT_LIT(" HTTP/1.1\r\n"));
    put_line(out, PLAIT_LIT("Host"), own ? plait_buf_slice(&text->origin->host) : req->host);
    put_fields(out, req, trusted);
    put_max_forwards(out, req);
    if (!p->forward)
        put_forwarded(out, req, trusted);
    put_via(out, req->version, p->via);
    put_framing(out, req, text);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
}

/* --- what a request says of its way ------------------------------------------------------------------------------- */

size_t plait__proxy_hops(const struct plait_request *req, const char *via)
{
    const plait_slice name = plait_slice_text(via);
    size_t hops = 0;
    for (size_t i = 0; i < req->head.count; i++) {
        if (!plait_slice_equal_nocase(name_at(&req->head, req->base, i), PLAIT_LIT("via")))
            continue;
        const plait_slice value = value_at(&req->head, req->base, i);
        for (size_t at = plait_slice_find(value, name, 0); at != SIZE_MAX; at = plait_slice_find(value, name, at + 1))
            hops++;
    }
    return hops;
}

void plait__proxy_find_upgrade(const struct plait_request *req, const char *list, char out[PLAIT__PROXY_NAME])
{
    const plait_slice all = plait_slice_text(list);
    out[0] = '\0';
    if (!has(req, PLAIT_LIT("upgrade")))
        return;
    for (size_t at = 0, comma; at < all.len && !out[0]; at = comma + 1) {
        comma = plait_slice_find_byte(all, ',', at);
        comma = comma == SIZE_MAX ? all.len : comma;
        const plait_slice word = plait_slice_trim(plait_slice_sub(all, at, comma));
        if (word.len == 0 || word.len >= PLAIT__PROXY_NAME)
            continue;
        memcpy(out, word.ptr, word.len);
        out[word.len] = '\0';
        if (!plait_request_upgrade_offered(req, out))
            out[0] = '\0';
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Fields of an answer that our own server writes: Server, and Date where the origin's is none (RFC 9110 section 6.6.1).
 */
static bool server_writes(struct plait_request *req, plait_slice name, plait_slice value)
{
    int64_t date;
    if (name.len == 6)
        return plait_slice_equal_nocase(name, PLAIT_LIT("server"));
    if (name.len != 4 || !plait_slice_equal_nocase(name, PLAIT_LIT("date")))
        return false;
    const bool first = !req->dated && plait__parse_http_date(value, 0, &date) == PLAIT_OK;
    req->dated |= first;
    return !first;
}

static plait_err keep_type(struct plait_request *req, plait_slice value, const char **type)
{
    char *copy = plait_request_memory(req, value.len + 1);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(copy, value.ptr, value.len);
    copy[value.len] = '\0';
    *type = copy;
    return PLAIT_OK;
}

plait_err plait__proxy_take_fields(struct plait_request *req, const struct plait__http1_head *head, const uint8_t *base,
                                   const char *via, const char **type)
{
    *type = NULL;
    for (size_t i = 0; i < head->count; i++) {
        const plait_slice name = name_at(head, base, i), value = value_at(head, base, i);
        if (server_writes(req, name, value) || plait__proxy_is_hop(head, base, name))
            continue;
        if (name.len == 12 && plait_slice_equal_nocase(name, PLAIT_LIT("content-type"))) {
            if (!*type)
                PLAIT_TRY(keep_type(req, value, type));
            continue;
        }
        PLAIT_TRY(plait__reply_put(req, name, value));
    }
    uint8_t text[PLAIT__PROXY_NAME + 4] = "1.1 ";
    const size_t len = strlen(via);
    memcpy(text + 4, via, len);
    return plait__reply_put(req, PLAIT_LIT("Via"), plait_slice_of(text, len + 4));
}
