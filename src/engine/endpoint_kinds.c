/* SPDX-License-Identifier: MIT
 *
 * The engine's endpoint kinds: their table, and the words that several of them take. What each does is in kinds_net.c
 * and kinds_local.c.
 *
 * Invariant: every number is read whole and strictly; a word that no kind asks for is told by plait_endpoint_finish.
 * Test: tests/engine/test_endpoint.c.
 */
#include "base/try.h"
#include "engine/kinds_core.h"
#include "engine/listen_core.h"

#include <assert.h>

/* --- words -------------------------------------------------------------------------------------------------------- */

static plait_err not_a_number(struct plait_endpoint *e, const char *key, const char *text, uint64_t max)
{
    return plait_endpoint_wrong(e, "%s=%.40s is no number from 0 to %llu", key, text, (unsigned long long)max);
}

plait_err plait__word_number(struct plait_endpoint *e, const char *key, uint64_t max, uint64_t *out)
{
    const char *text = plait_endpoint_arg(e, key, 0);
    if (text && plait_slice_to_u64(plait_slice_text(text), max, out) != PLAIT_OK)
        return not_a_number(e, key, text, max);
    return PLAIT_OK;
}

plait_err plait__word_bool(struct plait_endpoint *e, const char *key, bool *out)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    const char *text = plait_endpoint_arg(e, key, 0);
    if (!text)
        return PLAIT_OK;
    for (int i = 0; i < 4; i++) {
        const bool on = plait_slice_equal_nocase(plait_slice_text(text), plait_slice_text(yes[i]));
        if (on || plait_slice_equal_nocase(plait_slice_text(text), plait_slice_text(no[i]))) {
            *out = on;
            return PLAIT_OK;
        }
    }
    return plait_endpoint_wrong(e, "%s=%.40s is neither yes nor no", key, text);
}

plait_err plait__word_span(struct plait_endpoint *e, const char *key, plait_span *out)
{
    uint64_t seconds = 0;
    const char *text = plait_endpoint_arg(e, key, 0);
    if (!text)
        return PLAIT_OK;
    if (plait_slice_to_u64(plait_slice_text(text), 86400, &seconds) != PLAIT_OK || seconds == 0)
        return plait_endpoint_wrong(e, "%s=%.40s is no number of seconds from 1 to 86400", key, text);
    *out = plait_seconds((int64_t)seconds);
    return PLAIT_OK;
}

plait_err plait__word_octal(struct plait_endpoint *e, const char *key, uint32_t *out)
{
    const char *text = plait_endpoint_arg(e, key, 0);
    uint32_t value = 0;
    if (!text)
        return PLAIT_OK;
    const size_t len = strlen(text);
    bool good = len > 0 && len <= 4;
    for (size_t i = 0; i < len && good; i++) {
        good = text[i] >= '0' && text[i] <= '7';
        value = value * 8 + (uint32_t)(text[i] - '0');
    }
    if (!good || value == 0 || value > 0777)
        return plait_endpoint_wrong(e, "%s=%.40s is no permission bits in octal, such as 660", key, text);
    *out = value;
    return PLAIT_OK;
}

plait_err plait__word_needed(struct plait_endpoint *e, const char *key, size_t position, const char *what,
                             const char **out)
{
    const char *text = key ? plait_endpoint_arg(e, key, 0) : NULL;
    if (!text)
        text = plait_endpoint_arg(e, NULL, position);
    *out = text;
    if (!text || text[0] == '\0')
        return plait_endpoint_wrong(e, "\"%s:\" needs %s", e->kind, what);
    return PLAIT_OK;
}

plait_err plait__word_port(struct plait_endpoint *e, const char *text, uint16_t *out)
{
    uint64_t port = 0;
    if (plait_slice_to_u64(plait_slice_text(text), 65535, &port) != PLAIT_OK)
        return plait_endpoint_wrong(e, "\"%.40s\" is no port; it is a number from 0 to 65535", text);
    *out = (uint16_t)port;
    return PLAIT_OK;
}

plait_err plait__words_listen(struct plait_endpoint *e, struct plait_listen_options *o)
{
    uint64_t backlog = (uint64_t)(o->backlog > 0 ? o->backlog : 0);
    uint64_t connections = o->limits.connections;
    uint64_t per_peer = o->limits.connections_per_peer;
    PLAIT_TRY(plait__word_number(e, "backlog", 65535, &backlog));
    PLAIT_TRY(plait__word_number(e, "connections", 10000000, &connections));
    PLAIT_TRY(plait__word_number(e, "connectionsPerPeer", 10000000, &per_peer));
    o->backlog = (int)backlog;
    o->limits.connections = (size_t)connections;
    o->limits.connections_per_peer = (size_t)per_peer;
    return PLAIT_OK;
}

plait_err plait__words_connect(struct plait_endpoint *e, struct plait_connect_options *o)
{
    PLAIT_TRY(plait__word_span(e, "timeout", &o->timeout));
    const char *source = plait_endpoint_arg(e, "bindAddress", 0);
    if (source && plait_address_parse_ip(plait_slice_text(source), 0, &o->source) != PLAIT_OK)
        return plait_endpoint_wrong(e, "bindAddress=%.40s is no IP address", source);
    return PLAIT_OK;
}

plait_err plait__kind_refuse(struct plait_listen_options *o, struct plait_service *service, plait_err err)
{
    plait__proxy_trust_free(&o->proxy);
    plait_service_unref(&service);
    return err;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static const struct plait_endpoint_kind table[PLAIT__KINDS] = {
    {.name = "exec", .connect = plait__kind_exec_connect, .help = "exec:PROGRAM[:ARGUMENT...]"},
    {.name = "fd", .listen = plait__kind_fd_listen, .connect = plait__kind_fd_connect, .help = "fd:NUMBER"},
    {.name = "stdio", .listen = plait__kind_stdio_listen, .connect = plait__kind_stdio_connect, .help = "stdio:"},
    {.name = "systemd",
     .listen = plait__kind_systemd_listen,
     .help = "systemd:[domain=INET|INET6|UNIX:]index=N or name=NAME"},
    {.name = "haproxy", .listen = plait__kind_haproxy_listen, .help = "haproxy:ENDPOINT[:trust=NET,...]"},
    {.name = "unix",
     .listen = plait__kind_unix_listen,
     .connect = plait__kind_unix_connect,
     .help = "unix:PATH or @NAME[:mode=660][:backlog=N]"},
    {.name = "ssl", .listen = plait__kind_tls_listen, .connect = plait__kind_tls_connect, .help = "as tls:"},
    {.name = "tls",
     .listen = plait__kind_tls_listen,
     .connect = plait__kind_tls_connect,
     .help = "tls:PORT:cert=FILE[:key=FILE][:ocsp=FILE][:interface=ADDR] or "
             "tls:HOST:PORT[:trustRoots=FILE][:insecure=yes]"},
    {.name = "tcp6",
     .listen = plait__kind_tcp6_listen,
     .connect = plait__kind_tcp6_connect,
     .help = "tcp6:PORT[:interface=ADDR][:dualStack=yes] or tcp6:HOST:PORT"},
    {.name = "tcp",
     .listen = plait__kind_tcp_listen,
     .connect = plait__kind_tcp_connect,
     .help = "tcp:PORT[:interface=ADDR or *][:backlog=N] or tcp:HOST:PORT[:timeout=S]"},
};

struct kinds {
    struct plait__module module;
    struct plait_tls_client *client;
    struct plait_endpoint_kind kind[PLAIT__KINDS];
};

/* What comes first is asked first: the context must go while TLS still works. */
static void stop(struct plait__module *module)
{
    struct kinds *k = plait__container(module, struct kinds, module);
    plait_tls_client_unref(&k->client);
}

static void release(struct plait__module *module)
{
    stop(module); /* again: somebody may have connected meanwhile */
    plait_mem_free(plait__container(module, struct kinds, module));
}

plait_err plait__endpoint_kinds_register(struct plait_reactor *r)
{
    struct kinds *k = plait_mem_new(&r->budget, sizeof *k);
    if (!k)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    k->module.stop = stop;
    k->module.release = release;
    plait__module_add(r, &k->module);
    for (int i = 0; i < PLAIT__KINDS; i++) {
        k->kind[i] = table[i];
        plait_endpoint_register(r, &k->kind[i]);
    }
    return PLAIT_OK;
}

/* Whoever asks is one of the kinds: they are there. */
static struct kinds *kinds_of(struct plait_reactor *r)
{
    struct plait__list *at = r->modules.next;
    while (plait__container(at, struct plait__module, link)->release != release) {
        at = at->next;
        assert(at != &r->modules);
    }
    return plait__container(at, struct kinds, module.link);
}

plait_err plait__kinds_tls_client(struct plait_reactor *r, struct plait_tls_client **out, char *why)
{
    const struct plait_tls_client_options none = {.insecure = false};
    struct kinds *k = kinds_of(r);
    if (!k->client)
        PLAIT_TRY(plait_tls_client_new(r, &none, &k->client, why));
    *out = k->client;
    return PLAIT_OK;
}
