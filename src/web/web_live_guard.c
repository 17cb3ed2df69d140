/* SPDX-License-Identifier: MIT
 *
 * Who may see the live page. A browser takes requests of any site it shows to any address that it can reach, loopback
 * among them; three things tell those apart that the operator did not mean:
 *
 * - the host: a name of another site can be made to lead here (DNS rebinding), but then the request names it. IP
 *   addresses, localhost and the names that were given are ours;
 * - Origin and Sec-Fetch-Site: where the request was made. A link or a typed address may lead to the page itself;
 *   nothing else of another origin gets anything;
 * - the client's address, where no password is asked for; a proxy on this machine is no client of this machine.
 *
 * Invariant: what is refused here has learned nothing, and every answer carries the fields that keep other pages from
 * framing, reading or scripting it. Test: tests/web/test_web_live.c.
 */
#include "web/web_live.h"

#include <plait/address.h>

/* --- the host ----------------------------------------------------------------------------------------------------- */

static plait_slice without_port(plait_slice host)
{
    const size_t bracket = plait_slice_find_byte(host, ']', 0);
    return plait_slice_sub(host, 0, plait_slice_find_byte(host, ':', bracket == SIZE_MAX ? 0 : bracket));
}

static bool is_listed(const char *hosts, plait_slice name)
{
    plait_slice rest = plait_slice_text(hosts);
    while (rest.len) {
        const size_t comma = plait_slice_find_byte(rest, ',', 0);
        if (plait_slice_equal_nocase(plait_slice_trim(plait_slice_sub(rest, 0, comma)), name))
            return true;
        rest = comma == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(rest, comma + 1, rest.len);
    }
    return false;
}

/* RFC 6761 section 6.3: what ends in localhost never leaves the machine. */
static bool is_localhost(plait_slice name)
{
    static const plait_slice below = {(const uint8_t *)".localhost", 10};
    return plait_slice_equal_nocase(name, PLAIT_LIT("localhost")) ||
           (name.len > below.len &&
            plait_slice_equal_nocase(plait_slice_sub(name, name.len - below.len, name.len), below));
}

static bool is_own_host(const struct plait__live *live, plait_slice host)
{
    struct plait_address ip;
    plait_slice name = without_port(host);
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--; /* a fully qualified name */
    return name.len > 0 &&
           (plait_address_parse_ip(name, 0, &ip) == PLAIT_OK || is_localhost(name) || is_listed(live->hosts, name));
}

/* --- where it was made -------------------------------------------------------------------------------------------- */

/* "http://HOST" for the host that was asked for. Over TLS it must be "https"; in the clear TLS may have ended at a
 * proxy. */
static bool is_own_origin(const struct plait_request *req, plait_slice origin)
{
    static const plait_slice http = {(const uint8_t *)"http://", 7}, https = {(const uint8_t *)"https://", 8};
    const bool secure = plait_slice_starts(origin, https);
    if (!secure && (plait_request_tls(req) || !plait_slice_starts(origin, http)))
        return false;
    return plait_slice_equal_nocase(plait_slice_sub(origin, secure ? https.len : http.len, origin.len),
                                    plait_request_host(req));
}

static bool field_is(const struct plait_request *req, const char *name, const char *value)
{
    return plait_slice_equal(plait_request_field(req, name), plait_slice_text(value));
}

/* A person went there, by a link of another site perhaps. */
static bool is_navigation(const struct plait_request *req)
{
    return field_is(req, "sec-fetch-mode", "navigate") && field_is(req, "sec-fetch-dest", "document") &&
           plait_request_rest(req).len == 0;
}

static bool is_foreign(const struct plait_request *req)
{
    const plait_slice origin = plait_request_field(req, "origin");
    if (origin.ptr && !is_own_origin(req, origin))
        return true;
    const bool own = !plait_request_field(req, "sec-fetch-site").ptr || field_is(req, "sec-fetch-site", "none") ||
                     field_is(req, "sec-fetch-site", "same-origin");
    return !own && !is_navigation(req);
}

/* --- who asks ----------------------------------------------------------------------------------------------------- */

static bool was_passed_on(const struct plait_request *req)
{
    static const char *const fields[] = {"forwarded", "x-forwarded-for", "x-real-ip", "via"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (plait_request_field(req, fields[i]).ptr)
            return true;
    }
    return false;
}

static bool is_local(const struct plait_request *req)
{
    struct plait_address peer;
    plait_request_peer(req, &peer);
    const bool ip = peer.kind == PLAIT_ADDR_IP4 || peer.kind == PLAIT_ADDR_IP6;
    return (!ip || plait_address_is_loopback(&peer)) && !was_passed_on(req);
}

int plait__live_refuses(const struct plait__live *live, const struct plait_request *req, const char **why)
{
    *why = "This page is not served under that name: ask for it by its address.";
    if (!is_own_host(live, plait_request_host(req)))
        return 421; /* RFC 9110 section 15.5.20 */
    *why = "This page is not for pages of other sites.";
    if (is_foreign(req))
        return 403;
    *why = "Without a password this page is for this machine only.";
    return live->has_auth || plait_request_user(req).len > 0 || is_local(req) ? 0 : 403;
}

void plait__live_fields(struct plait_request *req)
{
    static const char *const field[][2] = {
        {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                                    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                                    "frame-ancestors 'none'; require-trusted-types-for 'script'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
        (void)plait_reply_field_set(req, field[i][0], plait_slice_text(field[i][1])); /* short: they fit */
}
