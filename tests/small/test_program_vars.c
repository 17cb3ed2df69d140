/* SPDX-License-Identifier: MIT
 *
 * Tests of src/small/program_vars.c: what programs are told over TCP, IPv6, UNIX sockets and TLS, and what of their
 * base is left out.
 */
#include "tests/engine/connect_bed.h"
#include "tests/support/certs.h"

#include "small/program_core.h"

static char vars[4096];

static void note(const struct plait_stream *s, const char *const *base)
{
    struct plait__vars v;
    plait__vars_init(&v, s, base);
    assert_non_null(v.list);
    vars[0] = '\0';
    for (size_t i = 0; v.list[i]; i++)
        (void)snprintf(vars + strlen(vars), sizeof vars - strlen(vars), "%s;", v.list[i]);
    plait__vars_deinit(&v);
}

static const char *const *base_of_visits;

static plait_err open_and_note(struct plait_stream *s, void *ctx)
{
    (void)ctx;
    note(s, base_of_visits);
    return PLAIT_EFORBIDDEN;
}

static const struct plait_service_ops noting = {.name = "noting", .open = open_and_note};

/* Somebody connects, and the variables are noted. */
static void visit(struct net *n, struct plait_listener *l, int fd)
{
    vars[0] = '\0';
    net_until(n, plain_ended(fd));
    close(fd);
    plait_listener_close(&l);
}

static void over_tcp_addresses_are_told(void **state)
{
    static const char *const base[] = {"A=b",
                                       "PROTO=x",
                                       "TCPREMOTEHOST=evil",
                                       "TCPREMOTEINFO=root",
                                       "REMOTE_ADDR",
                                       "PROTOCOL=yes",
                                       "SSL_CIPHER=none",
                                       "TCPLOCALHOST=",
                                       "Z",
                                       NULL};
    struct net n;
    struct plait_listener *l;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    const struct plait_address a = loopback(0);
    char want[400];
    (void)state;
    net_open(&n);
    base_of_visits = base;
    assert_ok(plait_listen(n.r, &a, NULL, plait_service_new(n.r, &noting, NULL), &l));
    const uint16_t port = net_port(l);
    const int fd = plain_connect_from(port, 0x7f000009);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
    const uint16_t theirs = ntohs(from.sin_port);
    visit(&n, l, fd);
    (void)snprintf(want, sizeof want,
                   "PROTO=TCP;TCPREMOTEIP=127.0.0.9;TCPREMOTEPORT=%u;REMOTE_ADDR=127.0.0.9;REMOTE_PORT=%u;"
                   "TCPLOCALIP=127.0.0.1;TCPLOCALPORT=%u;A=b;REMOTE_ADDR;PROTOCOL=yes;Z;",
                   theirs, theirs, port);
    assert_string_equal(vars, want);
    net_close(&n);
}

static void ipv6_has_no_brackets(void **state)
{
    static const char *const base[] = {NULL};
    struct net n;
    struct plait_listener *l;
    struct plait_address a;
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    (void)state;
    net_open(&n);
    base_of_visits = base;
    assert_ok(plait_address_parse_ip(PLAIT_LIT("::1"), 0, &a));
    assert_ok(plait_listen(n.r, &a, NULL, plait_service_new(n.r, &noting, NULL), &l));
    to.sin6_port = htons(net_port(l));
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    visit(&n, l, fd);
    assert_non_null(strstr(vars, "PROTO=TCP;TCPREMOTEIP=::1;"));
    assert_non_null(strstr(vars, "TCPLOCALIP=::1;"));
    net_close(&n);
}

static void over_unix_sockets_paths_and_users_are_told(void **state)
{
    static const char *const base[] = {"IPCREMOTEEUID=7", NULL};
    struct net n;
    struct plait_listener *l;
    struct plait_address a;
    struct sockaddr_un to = {.sun_family = AF_UNIX}, own = {.sun_family = AF_UNIX};
    char folder[TEST_PATH_BYTES], want[800];
    (void)state;
    test_folder_make(folder);
    for (int named = 0; named < 2; named++) {
        net_open(&n);
        base_of_visits = base;
        (void)snprintf(to.sun_path, sizeof to.sun_path, "%.80s/to", folder);
        (void)snprintf(own.sun_path, sizeof own.sun_path, "%.80s/own", folder);
        assert_ok(plait_address_unix(plait_slice_text(to.sun_path), &a));
        assert_ok(plait_listen(n.r, &a, NULL, plait_service_new(n.r, &noting, NULL), &l));
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (named)
            assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        visit(&n, l, fd);
        (void)snprintf(want, sizeof want, "PROTO=IPC;IPCLOCALPATH=%s;%s%s%sIPCREMOTEEUID=%u;IPCREMOTEEGID=%u;",
                       to.sun_path, named ? "IPCREMOTEPATH=" : "", named ? own.sun_path : "", named ? ";" : "",
                       geteuid(), getegid());
        assert_string_equal(vars, want);
        net_close(&n);
    }
    test_folder_remove(folder);
}

static void tls_is_told(void **state)
{
    static const char *const base[] = {NULL};
    static const char *const asked[] = {"host.example", NULL};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(asked); i++) {
        struct net n;
        struct test_cert cert;
        struct plait_tls_server *server;
        struct plait_tls_client *client;
        struct plait_listen_options lo = {.backlog = 5};
        struct plait_listener *l;
        struct seen seen;
        char why[200];
        const struct plait_address a = loopback(0);
        test_cert_make(&cert, NULL, &(struct test_cert_ask){.subject = "host", .san = "DNS:host.example,IP:127.0.0.1"});
        net_open(&n);
        base_of_visits = base;
        const struct plait_tls_server_options so = {.cert_pem = cert.cert_pem, .key_pem = cert.key_pem};
        const struct plait_tls_client_options co = {.ca_pem = cert.cert_pem};
        assert_ok(plait_tls_server_new(n.r, &so, &server, why));
        assert_ok(plait_tls_client_new(n.r, &co, &client, why));
        lo.tls = server;
        assert_ok(plait_listen(n.r, &a, &lo, plait_service_new(n.r, &noting, NULL), &l));
        struct plait_address to;
        plait_listener_address(l, &to);
        const struct plait_connect_options go = {.tls = client, .server_name = asked[i]};
        vars[0] = '\0';
        watch_result(plait_connect_address(n.r, &to, &go), &seen);
        net_until(&n, vars[0] != '\0');
        assert_non_null(strstr(vars, "SSL_PROTOCOL=TLSv1.3;SSL_CIPHER=TLS_"));
        if (asked[i])
            assert_non_null(strstr(vars, "SSL_TLS_SNI_SERVERNAME=host.example;"));
        else
            assert_null(strstr(vars, "SSL_TLS_SNI_SERVERNAME"));
        plait_tls_server_unref(&server);
        plait_tls_client_unref(&client);
        net_close(&n);
        test_cert_end(&cert);
    }
}

static void a_pair_has_nothing_to_tell(void **state)
{
    static const char *const base[] = {"A=b", "TCPREMOTEIP=1.2.3.4", NULL};
    struct bed b;
    struct plait_stream *x, *y;
    (void)state;
    bed_open(&b);
    assert_ok(plait_pair_new(b.r, &x, &y));
    note(x, base);
    assert_string_equal(vars, "A=b;");
    struct plait__vars v;
    bed_fail(&b, 1);
    plait__vars_init(&v, x, base);
    bed_heal(&b);
    assert_null(v.list);
    plait__vars_deinit(&v);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(over_tcp_addresses_are_told), cmocka_unit_test(ipv6_has_no_brackets),
          cmocka_unit_test(over_unix_sockets_paths_and_users_are_told), cmocka_unit_test(tls_is_told),
          cmocka_unit_test(a_pair_has_nothing_to_tell))
