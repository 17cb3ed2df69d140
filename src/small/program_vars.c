/* SPDX-License-Identifier: MIT
 *
 * What a program for a connection is told of it in its environment: the variables of tcpserver's UCSPI, of s6's for
 * UNIX sockets and TLS, and the two of systemd's. Names are not looked up, and nobody is asked who the guest is.
 *
 * Invariant: no variable of ours stands twice, nor is one of another connection left in. Test:
 * tests/small/test_program_vars.c.
 */
#include "small/program_core.h"

#include <plait/address.h>
#include <plait/reactor.h>
#include <plait/tls.h>

#include <string.h>

enum { VARS_MAX = 8192 };

/* Names that speak of a connection. */
static const char *const names[] = {
    "PROTO",         "TCPLOCALIP",    "TCPLOCALPORT",           "TCPLOCALHOST",  "TCPREMOTEIP",   "TCPREMOTEPORT",
    "TCPREMOTEHOST", "TCPREMOTEINFO", "IPCLOCALPATH",           "IPCREMOTEPATH", "IPCREMOTEEUID", "IPCREMOTEEGID",
    "SSL_PROTOCOL",  "SSL_CIPHER",    "SSL_TLS_SNI_SERVERNAME", "REMOTE_ADDR",   "REMOTE_PORT"};

static bool speaks_of_a_connection(const char *var)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t len = strlen(names[i]);
        if (strncmp(var, names[i], len) == 0 && var[len] == '=')
            return true;
    }
    return false;
}

static void put(struct plait_buf *out, const char *name, const char *value)
{
    plait_buf_printf(out, "%s=%s", name, value);
    plait_buf_put_u8(out, 0);
}

static void put_number(struct plait_buf *out, const char *name, uint32_t value)
{
    plait_buf_printf(out, "%s=%u", name, value);
    plait_buf_put_u8(out, 0);
}

static bool is_ip(const struct plait_address *a)
{
    return a->kind == PLAIT_ADDR_IP4 || a->kind == PLAIT_ADDR_IP6;
}

static void put_ip(struct plait_buf *out, const struct plait_address *a, const char *ip, const char *port)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    put(out, ip, plait_address_format_host(a, text));
    put_number(out, port, a->port);
}

static void put_path(struct plait_buf *out, const struct plait_address *a, const char *name)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    if (a->kind == PLAIT_ADDR_UNIX && a->name_len > 0)
        put(out, name, plait_address_format_host(a, text) + sizeof "unix:" - 1);
}

static void put_addresses(struct plait_buf *out, const struct plait_stream *s)
{
    struct plait_address local, peer;
    struct plait_peer_cred cred;
    plait_stream_local(s, &local);
    plait_stream_peer(s, &peer);
    if (is_ip(&peer)) {
        put(out, "PROTO", "TCP");
        put_ip(out, &peer, "TCPREMOTEIP", "TCPREMOTEPORT");
        put_ip(out, &peer, "REMOTE_ADDR", "REMOTE_PORT");
    }
    if (is_ip(&local))
        put_ip(out, &local, "TCPLOCALIP", "TCPLOCALPORT");
    if (plait_stream_cred(s, &cred) != PLAIT_OK)
        return;
    if (!is_ip(&peer))
        put(out, "PROTO", "IPC");
    put_path(out, &local, "IPCLOCALPATH");
    put_path(out, &peer, "IPCREMOTEPATH");
    put_number(out, "IPCREMOTEEUID", cred.uid);
    put_number(out, "IPCREMOTEEGID", cred.gid);
}

static void put_tls(struct plait_buf *out, const struct plait_tls_info *tls)
{
    if (!tls)
        return;
    put(out, "SSL_PROTOCOL", tls->version);
    put(out, "SSL_CIPHER", tls->cipher);
    if (tls->server_name[0])
        put(out, "SSL_TLS_SNI_SERVERNAME", tls->server_name);
}

static size_t count_ends(plait_slice all)
{
    size_t count = 0;
    for (size_t i = 0; i < all.len; i++)
        count += all.ptr[i] == 0;
    return count;
}

void plait__vars_init(struct plait__vars *vars, const struct plait_stream *s, const char *const *base)
{
    struct plait_budget *budget = plait_reactor_budget(plait_stream_reactor(s));
    size_t more = 0, n = 0;
    plait_buf_init(&vars->text, budget, VARS_MAX);
    put_addresses(&vars->text, s);
    put_tls(&vars->text, plait_stream_tls(s));
    const plait_slice all = plait_buf_slice(&vars->text);
    while (base[more])
        more++;
    vars->list = vars->text.err ? NULL : plait_mem_new(budget, (count_ends(all) + more + 1) * sizeof(const char *));
    if (!vars->list)
        return;
    for (size_t at = 0; at < all.len; at = plait_slice_find_byte(all, 0, at) + 1)
        vars->list[n++] = (const char *)all.ptr + at;
    for (size_t i = 0; i < more; i++) {
        if (!speaks_of_a_connection(base[i]))
            vars->list[n++] = base[i];
    }
}

void plait__vars_deinit(struct plait__vars *vars)
{
    plait_mem_free(vars->list);
    plait_buf_deinit(&vars->text);
}
