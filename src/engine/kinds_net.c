/* SPDX-License-Identifier: MIT
 *
 * The endpoint kinds over IP: tcp, tcp6, tls (and ssl, Twisted's older name with its words), and haproxy, which wraps
 * another one. Without interface= a listener binds the loopback only; interface=* means all.
 *
 * Invariant: a listen function has given the service reference to plait_listen or up, whatever it returns.
 * Test: tests/engine/test_endpoint.c, test_serve.c.
 */
#include "base/try.h"
#include "engine/kinds_core.h"
#include "engine/listen_core.h"

enum { ALPN_MAX = 128 };

/* --- listening ---------------------------------------------------------------------------------------------------- */

static plait_err read_interface(struct plait_endpoint *e, bool six, struct plait_address *a)
{
    const char *text = plait_endpoint_arg(e, "interface", 0);
    const char *loopback = six ? "::1" : "127.0.0.1";
    const char *all = six ? "::" : "0.0.0.0";
    const uint16_t port = a->port;
    if (!text || strcmp(text, "localhost") == 0)
        text = loopback;
    else if (strcmp(text, "*") == 0 || text[0] == '\0')
        text = all;
    if (plait_address_parse_ip(plait_slice_text(text), port, a) != PLAIT_OK)
        return plait_endpoint_wrong(e, "interface=%.40s is no IP address of this machine; * is for all", text);
    if (six && a->kind != PLAIT_ADDR_IP6)
        return plait_endpoint_wrong(e, "interface=%.40s is no IPv6 address; \"tcp:\" takes it", text);
    return PLAIT_OK;
}

static plait_err read_listen(struct plait_endpoint *e, bool six, struct plait_listen_options *o,
                             struct plait_address *a)
{
    const char *port;
    PLAIT_TRY(plait__word_needed(e, "port", 0, "a port, as in \"tcp:8080\"", &port));
    *a = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    PLAIT_TRY(plait__word_port(e, port, &a->port));
    PLAIT_TRY(read_interface(e, six, a));
    PLAIT_TRY(plait__words_listen(e, o));
    PLAIT_TRY(plait__word_bool(e, "reusePort", &o->reuse_port));
    PLAIT_TRY(plait__word_bool(e, "fastOpen", &o->fast_open));
    PLAIT_TRY(plait__word_bool(e, "deferAccept", &o->defer_accept));
    PLAIT_TRY(plait__word_bool(e, "dualStack", &o->dual_stack));
    return plait_endpoint_finish(e);
}

static plait_err listen_on(struct plait_endpoint *e, bool six, struct plait_listen_options *o,
                           struct plait_service *service, struct plait_listener **out)
{
    struct plait_address a;
    const plait_err err = read_listen(e, six, o, &a);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    return plait_listen(e->reactor, &a, o, service, out);
}

plait_err plait__kind_tcp_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                 struct plait_service *service, struct plait_listener **out)
{
    return listen_on(e, false, o, service, out);
}

plait_err plait__kind_tcp6_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                  struct plait_service *service, struct plait_listener **out)
{
    return listen_on(e, true, o, service, out);
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

/* "h2,http/1.1" in wire form (RFC 7301 section 3.1). */
static plait_err read_alpn(struct plait_endpoint *e, uint8_t out[ALPN_MAX], plait_slice *alpn)
{
    const char *text = plait_endpoint_arg(e, "alpn", 0);
    size_t at = 0;
    if (!text)
        return PLAIT_OK;
    for (plait_slice rest = plait_slice_text(text);;) {
        const size_t comma = plait_slice_find_byte(rest, ',', 0);
        const plait_slice name = plait_slice_sub(rest, 0, comma);
        if (name.len == 0 || at + 1 + name.len > ALPN_MAX)
            return plait_endpoint_wrong(e, "alpn=%.60s is no list of protocols such as h2,http/1.1", text);
        out[at] = (uint8_t)name.len;
        memcpy(out + at + 1, name.ptr, name.len);
        at += 1 + name.len;
        if (comma == SIZE_MAX)
            break;
        rest = plait_slice_sub(rest, comma + 1, rest.len);
    }
    *alpn = plait_slice_of(out, at);
    return PLAIT_OK;
}

static const char *either(struct plait_endpoint *e, const char *key, const char *twisted)
{
    const char *text = plait_endpoint_arg(e, key, 0);
    return text ? text : plait_endpoint_arg(e, twisted, 0);
}

static plait_err make_server(struct plait_endpoint *e, struct plait_listen_options *o, struct plait_tls_server **made)
{
    uint8_t alpn[ALPN_MAX];
    struct plait_tls_server_options tls = {.cert_file = either(e, "cert", "certKey"),
                                           .key_file = either(e, "key", "privateKey"),
                                           .cert_dir = plait_endpoint_arg(e, "certDir", 0),
                                           .client_ca_file = plait_endpoint_arg(e, "clientCA", 0),
                                           .staple_file = plait_endpoint_arg(e, "ocsp", 0)};
    PLAIT_TRY(read_alpn(e, alpn, &tls.alpn));
    if (tls.client_ca_file)
        tls.client_cert = PLAIT_CERT_REQUIRED;
    if (!tls.cert_file && !tls.cert_dir) {
        if (o->tls)
            return PLAIT_OK;
        return plait_endpoint_wrong(
            e, "\"%s:\" needs cert=FILE with the certificate, and key=FILE unless it is in there", e->kind);
    }
    PLAIT_TRY(plait_tls_server_new(e->reactor, &tls, made, e->why));
    o->tls = *made;
    return PLAIT_OK;
}

plait_err plait__kind_tls_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                 struct plait_service *service, struct plait_listener **out)
{
    struct plait_tls_server *made = NULL;
    struct plait_address a;
    plait_err err = make_server(e, o, &made);
    if (err == PLAIT_OK)
        err = read_listen(e, false, o, &a);
    if (err == PLAIT_OK)
        err = plait_listen(e->reactor, &a, o, service, out);
    else
        plait__kind_refuse(o, service, err);
    plait_tls_server_unref(&made);
    return err;
}

/* --- the PROXY protocol around another kind ----------------------------------------------------------------------- */

/* The endpoint inside: the first argument is its kind, the rest but trust= is its own. */
static plait_err unwrap(const struct plait_endpoint *e, struct plait_endpoint *inner)
{
    *inner = (struct plait_endpoint){.reactor = e->reactor, .kind = "", .why = e->why};
    for (size_t i = 0; i < e->count; i++) {
        if (inner->kind[0] == '\0' && e->arg[i].key[0] == '\0')
            inner->kind = e->arg[i].value;
        else if (strcmp(e->arg[i].key, "trust") != 0)
            inner->arg[inner->count++] = e->arg[i];
    }
    if (inner->kind[0] == '\0')
        return plait_endpoint_wrong(inner, "\"haproxy:\" stands before another endpoint, as in \"haproxy:tcp:8080\"");
    return PLAIT_OK;
}

static plait_err open_inner(struct plait_endpoint *e, struct plait_endpoint *inner,
                            const struct plait_endpoint_kind **kind)
{
    PLAIT_TRY(unwrap(e, inner));
    PLAIT_TRY(plait__endpoint_kind_of(inner, true, kind));
    if ((*kind)->listen == plait__kind_haproxy_listen || (*kind)->listen == plait__kind_stdio_listen)
        return plait_endpoint_wrong(e, "\"haproxy:\" cannot stand before \"%s:\"", inner->kind);
    return PLAIT_OK;
}

static plait_err read_trust(struct plait_endpoint *e, struct plait_listen_options *o)
{
    const char *trust = plait_endpoint_arg(e, "trust", 0);
    const char *list = trust ? trust : "127.0.0.0/8,::1,unix";
    plait__proxy_trust_free(&o->proxy);
    const plait_err err = plait_proxy_trust_new(e->reactor, plait_slice_text(list), &o->proxy);
    if (err == PLAIT_ESYNTAX)
        return plait_endpoint_wrong(e, "trust=%.60s is no list of addresses and networks such as 10.0.0.0/8,unix",
                                    list);
    return err;
}

plait_err plait__kind_haproxy_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                     struct plait_service *service, struct plait_listener **out)
{
    struct plait_endpoint inner;
    const struct plait_endpoint_kind *kind = NULL;
    plait_err err = open_inner(e, &inner, &kind);
    if (err == PLAIT_OK)
        err = read_trust(e, o);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    return kind->listen(&inner, o, service, out);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static plait_err read_target(struct plait_endpoint *e, const char **host, uint16_t *port)
{
    const char *text;
    PLAIT_TRY(plait__word_needed(e, "host", 0, "a host and a port, as in \"tcp:example.org:80\"", host));
    const size_t position = plait_endpoint_arg(e, "host", 0) ? 0 : 1;
    PLAIT_TRY(plait__word_needed(e, "port", position, "a host and a port, as in \"tcp:example.org:80\"", &text));
    return plait__word_port(e, text, port);
}

static plait_slice without_brackets(const char *host)
{
    const plait_slice s = plait_slice_text(host);
    const bool both = s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']';
    return both ? plait_slice_sub(s, 1, s.len - 1) : s;
}

static struct plait_deferred *connect_to(struct plait_endpoint *e, struct plait_connect_options *o, plait_err *err)
{
    const char *host;
    uint16_t port = 0;
    *err = read_target(e, &host, &port);
    if (*err == PLAIT_OK)
        *err = plait__words_connect(e, o);
    if (*err == PLAIT_OK)
        *err = plait_endpoint_finish(e);
    return *err == PLAIT_OK ? plait_connect_host(e->reactor, without_brackets(host), port, o) : NULL;
}

struct plait_deferred *plait__kind_tcp_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                               plait_err *err)
{
    return connect_to(e, o, err);
}

struct plait_deferred *plait__kind_tcp6_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err)
{
    o->family = PLAIT_ONLY_IP6;
    return connect_to(e, o, err);
}

/* The context that the endpoint's words ask for: the caller's, the reactor's, or one made for it (*made). */
static plait_err make_client(struct plait_endpoint *e, struct plait_connect_options *o, struct plait_tls_client **made)
{
    struct plait_tls_client_options tls = {.ca_file = either(e, "trustRoots", "caCertsDir"),
                                           .cert_file = either(e, "certificate", "certKey"),
                                           .key_file = plait_endpoint_arg(e, "privateKey", 0)};
    const char *name = either(e, "serverName", "hostname");
    PLAIT_TRY(plait__word_bool(e, "insecure", &tls.insecure));
    if (name)
        o->server_name = name;
    if (tls.ca_file || tls.cert_file || tls.key_file || tls.insecure) {
        PLAIT_TRY(plait_tls_client_new(e->reactor, &tls, made, e->why));
        o->tls = *made;
        return PLAIT_OK;
    }
    return o->tls ? PLAIT_OK : plait__kinds_tls_client(e->reactor, &o->tls, e->why);
}

struct plait_deferred *plait__kind_tls_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                               plait_err *err)
{
    struct plait_tls_client *made = NULL;
    uint8_t alpn[ALPN_MAX];
    *err = read_alpn(e, alpn, &o->alpn);
    if (*err == PLAIT_OK)
        *err = make_client(e, o, &made);
    struct plait_deferred *d = *err == PLAIT_OK ? connect_to(e, o, err) : NULL;
    plait_tls_client_unref(&made);
    return d;
}
