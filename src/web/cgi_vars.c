/* SPDX-License-Identifier: MIT
 *
 * The meta-variables of a request (RFC 3875 section 4.1), with those that everybody adds: REQUEST_URI, DOCUMENT_ROOT,
 * SCRIPT_FILENAME, REQUEST_SCHEME, HTTPS, REMOTE_PORT, SERVER_ADDR, REDIRECT_STATUS. FastCGI passes the same ones.
 *
 * Invariant: a variable comes at most once, whatever a client sends: fields of one name are joined, and a name that
 * could be taken for another's is left out. Test: tests/web/test_cgi.c.
 */
#include "web/gateway_core.h"

#include "base/try.h"

#include <plait/tls.h>

static void put(struct plait_buf *out, const char *name, plait_slice value)
{
    plait_buf_put_text(out, name);
    plait_buf_put_u8(out, '=');
    plait_buf_put(out, value);
    plait_buf_put_u8(out, 0);
}

static void put_text(struct plait_buf *out, const char *name, const char *value)
{
    put(out, name, plait_slice_text(value));
}

void plait__cgi_split(const struct plait_request *req, size_t used, struct plait__cgi_facts *facts)
{
    const plait_slice path = req->path;
    size_t cut = path.len - req->rest.len + used;
    if (used == 0 && path.ptr[cut - 1] == '/')
        cut--;
    facts->script = plait_slice_sub(path, 0, cut);
    facts->info = plait_slice_sub(path, cut, path.len);
}

plait_err plait__gateway_env(const char *const *env, struct plait_buf *out)
{
    for (; env && *env; env++) {
        if (!strchr(*env, '=') || **env == '=')
            return PLAIT_FAIL(PLAIT_EINVAL);
        plait_buf_put(out, plait_slice_of(*env, strlen(*env) + 1));
    }
    return out->err ? PLAIT_FAIL(out->err) : PLAIT_OK;
}

/* --- who speaks with whom ----------------------------------------------------------------------------------------- */

static void put_peer(struct plait_buf *out, const struct plait_request *req)
{
    struct plait_address peer;
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_request_peer(req, &peer);
    const bool ip = peer.kind == PLAIT_ADDR_IP4 || peer.kind == PLAIT_ADDR_IP6;
    const char *host = ip ? plait_address_format_host(&peer, text) : "unix:";
    put_text(out, "REMOTE_ADDR", host);
    put_text(out, "REMOTE_HOST", host);
    if (ip)
        plait_buf_printf(out, "REMOTE_PORT=%u%c", peer.port, 0);
}

/* The host that the client asked for, and the port: ours, or where we have none what the client says. */
static void put_server(struct plait_buf *out, const struct plait_request *req)
{
    const bool secure = plait_request_tls(req) != NULL;
    struct plait_address local;
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_slice name = req->host;
    uint64_t port = secure ? 443 : 80;
    size_t colon = name.len;
    while (colon > 0 && name.ptr[colon - 1] != ':' && name.ptr[colon - 1] != ']')
        colon--;
    if (colon > 0 && name.ptr[colon - 1] == ':') {
        uint64_t told;
        if (plait_slice_to_u64(plait_slice_sub(name, colon, name.len), 65535, &told) == PLAIT_OK)
            port = told;
        name = plait_slice_sub(name, 0, colon - 1);
    }
    plait__request_local(req, &local);
    if (local.kind == PLAIT_ADDR_IP4 || local.kind == PLAIT_ADDR_IP6) {
        const char *host = plait_address_format_host(&local, text);
        port = local.port;
        put_text(out, "SERVER_ADDR", host);
        if (name.len == 0)
            name = plait_slice_text(host);
    }
    put(out, "SERVER_NAME", name.len ? name : PLAIT_LIT("localhost"));
    plait_buf_printf(out, "SERVER_PORT=%u%c", (unsigned)port, 0);
    put_text(out, "REQUEST_SCHEME", secure ? "https" : "http");
    if (secure)
        put_text(out, "HTTPS", "on");
}

static void put_user(struct plait_buf *out, const struct plait_request *req)
{
    const plait_slice given = plait_request_field(req, "authorization"), user = plait_request_user(req);
    if (user.len == 0)
        return;
    put(out, "AUTH_TYPE", plait_slice_sub(given, 0, plait_slice_find_byte(given, ' ', 0)));
    put(out, "REMOTE_USER", user);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static void put_request(struct plait_buf *out, const struct plait_request *req)
{
    const int version = plait_request_version(req);
    put_text(out, "GATEWAY_INTERFACE", "CGI/1.1");
    put_text(out, "SERVER_SOFTWARE", "plait");
    plait_buf_printf(out, "SERVER_PROTOCOL=HTTP/%d.%d%c", version / 10, version % 10, 0);
    put(out, "REQUEST_METHOD", plait_request_method(req));
    put(out, "REQUEST_URI", plait_request_target(req));
    put(out, "QUERY_STRING", req->query);
    put_text(out, "REDIRECT_STATUS", "200"); /* php-cgi wants to know that a server called it */
}

static void put_script(struct plait_buf *out, const struct plait__cgi_facts *facts)
{
    put(out, "SCRIPT_NAME", facts->script);
    if (facts->filename.len)
        put(out, "SCRIPT_FILENAME", facts->filename);
    if (facts->info.len)
        put(out, "PATH_INFO", facts->info);
    if (facts->root.len)
        put(out, "DOCUMENT_ROOT", facts->root);
    if (facts->root.len && facts->info.len) {
        plait_buf_put_text(out, "PATH_TRANSLATED=");
        plait_buf_put(out, facts->root);
        plait_buf_put(out, facts->info);
        plait_buf_put_u8(out, 0);
    }
}

static bool came_before(const struct plait_request *req, size_t at, plait_slice name)
{
    plait_slice earlier, value;
    for (size_t i = 0; i < at; i++) {
        plait_request_field_at(req, i, &earlier, &value);
        if (plait_slice_equal_nocase(earlier, name))
            return true;
    }
    return false;
}

/* A field with all that came under its name (RFC 9110 section 5.3; RFC 6265 section 5.4 for cookies). */
static void put_field(struct plait_buf *out, const struct plait_request *req, size_t at)
{
    plait_slice name, other, value;
    plait_request_field_at(req, at, &name, &value);
    if (came_before(req, at, name) || !plait__cgi_variable(out, name))
        return;
    const bool cookie = plait_slice_equal_nocase(name, PLAIT_LIT("cookie"));
    plait_buf_put_u8(out, '=');
    plait_buf_put(out, value);
    for (size_t i = at + 1; i < plait_request_field_count(req); i++) {
        plait_request_field_at(req, i, &other, &value);
        if (!plait_slice_equal_nocase(other, name))
            continue;
        plait_buf_put_text(out, cookie ? "; " : ", ");
        plait_buf_put(out, value);
    }
    plait_buf_put_u8(out, 0);
}

void plait__cgi_vars(struct plait_buf *out, const struct plait_request *req, const struct plait__cgi_facts *facts)
{
    const plait_slice type = plait_request_field(req, "content-type");
    put_request(out, req);
    put_script(out, facts);
    put_peer(out, req);
    put_server(out, req);
    put_user(out, req);
    if (facts->length) {
        plait_buf_printf(out, "CONTENT_LENGTH=%llu%c", (unsigned long long)facts->length, 0);
        if (type.ptr)
            put(out, "CONTENT_TYPE", type);
    }
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (facts->authorization || !plait__cgi_is_credential(name))
            put_field(out, req, i);
    }
}
