/* SPDX-License-Identifier: MIT
 *
 * Serving on endpoints and connecting to them: each kind at work.
 */
#include "tests/engine/net.h"
#include "tests/support/certs.h"

#include <sys/wait.h>

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static struct plait_listener *serve(struct net *n, struct srv *v, const char *endpoint)
{
    struct plait_listener *l;
    char why[200];
    const plait_err err = plait_serve_with(n->r, endpoint, NULL, srv_service(n, v), &l, why);
    if (err != PLAIT_OK)
        fail_msg("%s: %s", endpoint, why);
    return l;
}

struct client {
    struct peer p;
    struct seen seen;
};

static void attach_client(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    see(result, &c->seen);
    if (result->fault.err == PLAIT_OK)
        peer_attach(&c->p, result->value.ptr, &peer_protocol);
}

static struct client *client_of(struct net *n, const char *endpoint, const char *greeting)
{
    struct client *c = calloc(1, sizeof *c);
    c->p.greeting = plait_slice_text(greeting);
    assert_ok(plait_then(plait_connect(n->r, endpoint, NULL), attach_client, c));
    return c;
}

static void echo_over(const char *listen, const char *connect)
{
    struct net n;
    struct srv v = {.opened = 0};
    char text[200];
    net_open(&n);
    struct plait_listener *l = serve(&n, &v, listen);
    (void)snprintf(text, sizeof text, connect, net_port(l));
    struct client *c = client_of(&n, text, "hello");
    net_until(&n, c->p.got_len == 5);
    net_close(&n);
    free(c);
}

/* --- tcp and unix ------------------------------------------------------------------------------------------------- */

static void tcp_endpoints_meet(void **state)
{
    (void)state;
    echo_over("tcp:0", "tcp:127.0.0.1:%u");
    echo_over("tcp:0:interface=localhost", "tcp:localhost:%u:timeout=5");
    echo_over("tcp:port=0:interface=*:backlog=10:reusePort=yes", "tcp:host=127.0.0.1:port=%u:bindAddress=127.0.0.3");
    echo_over("tcp6:0", "tcp6:[::1]:%u");
    echo_over("tcp:0:interface=[::1]:connections=5:connectionsPerPeer=2", "tcp:\\:\\:1:%u");
    echo_over("tcp6:0:interface=*:dualStack=yes:fastOpen=no:deferAccept=yes", "tcp:127.0.0.1:%u");
}

static void without_interface_only_the_loopback_listens(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_address a;
    char text[PLAIT_ADDR_TEXT_MAX];
    (void)state;
    net_open(&n);
    plait_listener_address(serve(&n, &v, "tcp:0"), &a);
    assert_string_equal(plait_address_format_host(&a, text), "127.0.0.1");
    plait_listener_address(serve(&n, &v, "tcp6:0"), &a);
    assert_string_equal(plait_address_format_host(&a, text), "::1");
    plait_listener_address(serve(&n, &v, "tcp:0:interface="), &a);
    assert_string_equal(plait_address_format_host(&a, text), "0.0.0.0");
    net_close(&n);
}

static void an_endpoints_words_override_the_options(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.limits = {.connections = 7, .connections_per_peer = 3}};
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    assert_ok(plait_serve_with(n.r, "tcp:0:connections=1", &o, srv_service(&n, &v), &l, NULL));
    assert_int_equal(l->limits.connections, 1);
    assert_int_equal(l->limits.connections_per_peer, 3);
    net_close(&n);
}

static void unix_endpoints_meet(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    char folder[TEST_PATH_BYTES];
    char text[TEST_PATH_BYTES + 40];
    (void)state;
    test_folder_make(folder);
    net_open(&n);
    (void)snprintf(text, sizeof text, "unix:%s/s:mode=600:lockfile=0", folder);
    (void)serve(&n, &v, text);
    (void)snprintf(text, sizeof text, "unix:path=%s/s:timeout=3:lockfile=1", folder);
    struct client *c = client_of(&n, text, "hello");
    net_until(&n, c->p.got_len == 5);
    net_close(&n);
    free(c);
    test_folder_remove(folder);
}

static void no_memory_for_the_usual_tls_context_is_told(void **state)
{
    struct net n;
    struct seen seen;
    (void)state;
    net_open(&n);
    watch_result(plait_connect(n.r, "tls:127.0.0.1:x", NULL), &seen); /* makes room for sentences and deferreds */
    net_until(&n, seen.calls == 1);
    struct net other;
    net_open(&other);
    watch_result(plait_connect(other.r, "tcp:x", NULL), &seen);
    net_until(&other, seen.calls == 1);
    bed_fail(&other.b, 1);
    watch_result(plait_connect(other.r, "tls:127.0.0.1:1", NULL), &seen);
    net_until(&other, seen.calls == 1);
    bed_heal(&other.b);
    assert_true(seen.err != PLAIT_OK);
    net_close(&other);
    net_close(&n);
}

static void stdio_without_memory_fails(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    bool worked = false;
    for (uint64_t k = 1; k < 5 && !worked; k++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        struct plait_service *service = srv_service(&n, &v);
        struct plait_stream *s;
        assert_int_equal(plait__fd_stream_new(n.r, PLAIT__FD_UNIX, pair[0], NULL, &s), 0);
        bed_fail(&n.b, k);
        worked = plait__service_open_alone(service, s, NULL) == PLAIT_OK;
        bed_heal(&n.b);
        close(pair[1]);
        net_until(&n, n.r->stream_count == 0);
    }
    assert_true(worked);
    assert_true(v.freed >= 2);
    net_close(&n);
}

/* --- failures that stop the program ------------------------------------------------------------------------------- */

static void a_service_that_cannot_start_makes_run_return(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    char text[40];
    (void)state;
    net_open(&n);
    struct plait_listener *l = serve(&n, &v, "tcp:0");
    (void)snprintf(text, sizeof text, "tcp:%u", net_port(l));
    assert_err(plait_serve(n.r, text, srv_service(&n, &v)), PLAIT_EADDRINUSE);
    assert_err(plait_serve(n.r, "tcp:x", srv_service(&n, &v)), PLAIT_ESYNTAX);
    assert_err(plait_serve(n.r, "tcp:0", NULL), PLAIT_ENOMEM);
    assert_err(plait_reactor_run(n.r), PLAIT_EADDRINUSE); /* the first one's */
    assert_true(bed_logged(&n.b, "cannot listen on"));
    assert_true(bed_logged(&n.b, "the address is already in use"));
    net_close(&n);
    assert_int_equal(v.freed, 3);
}

static void a_service_that_starts_says_nothing(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    assert_ok(plait_serve(n.r, "tcp:0", srv_service(&n, &v)));
    assert_int_equal(n.b.log_len, 0);
    net_close(&n);
}

static void wrong_endpoints_without_memory_still_fail(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    bed_fill(&n.b);
    bed_fail(&n.b, 1);
    assert_null(plait_connect(n.r, "tcp:x", NULL));
    bed_heal(&n.b);
    net_close(&n);
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void tls_endpoints_meet(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct test_cert ca;
    struct test_cert cert;
    char folder[TEST_PATH_BYTES];
    char text[4 * TEST_PATH_BYTES];
    const struct test_cert_ask issuer = {.subject = "test root", .is_ca = true};
    const struct test_cert_ask leaf = {.subject = "host", .san = "DNS:host.example,IP:127.0.0.1"};
    (void)state;
    test_cert_make(&ca, NULL, &issuer);
    test_cert_make(&cert, &ca, &leaf);
    test_folder_make(folder);
    test_file_write(folder, "ca.pem", ca.cert_pem);
    test_file_write(folder, "both.pem", cert.both_pem);
    test_file_write(folder, "cert.pem", cert.cert_pem);
    test_file_write(folder, "key.pem", cert.key_pem);
    net_open(&n);
    (void)snprintf(text, sizeof text, "tls:0:cert=%s/both.pem:alpn=h2,http/1.1", folder);
    struct plait_listener *l = serve(&n, &v, text);
    (void)snprintf(text, sizeof text, "tls:127.0.0.1:%u:trustRoots=%s/ca.pem:alpn=http/1.1", net_port(l), folder);
    struct client *a = client_of(&n, text, "hello");
    net_until(&n, a->p.got_len == 5);
    assert_slice(plait_stream_tls(a->p.s)->alpn, "http/1.1");
    (void)snprintf(text, sizeof text, "tls:127.0.0.1:%u:trustRoots=%s/ca.pem:serverName=wrong.example", net_port(l),
                   folder);
    struct client *b = client_of(&n, text, "hello");
    net_until(&n, b->seen.calls == 1);
    assert_err(b->seen.err, PLAIT_EVERIFY);
    (void)snprintf(text, sizeof text, "tls:127.0.0.1:%u", net_port(l));
    struct client *c = client_of(&n, text, "hello"); /* the system's roots don't know ours */
    net_until(&n, c->seen.calls == 1);
    assert_err(c->seen.err, PLAIT_EVERIFY);
    (void)snprintf(text, sizeof text, "tls:127.0.0.1:%u:insecure=yes", net_port(l));
    struct client *d = client_of(&n, text, "hello");
    net_until(&n, d->p.got_len == 5);
    struct plait_listen_options given = {.backlog = 0}; /* the certificate comes with the options */
    const struct plait_tls_server_options pem = {.cert_pem = cert.both_pem};
    assert_ok(plait_tls_server_new(n.r, &pem, &given.tls, NULL));
    assert_ok(plait_serve_with(n.r, "tls:0", &given, srv_service(&n, &v), &l, NULL));
    plait_tls_server_unref(&given.tls);
    (void)snprintf(text, sizeof text, "tls:127.0.0.1:%u:trustRoots=%s/ca.pem", net_port(l), folder);
    struct client *f = client_of(&n, text, "hello");
    net_until(&n, f->p.got_len == 5);
    (void)snprintf(text, sizeof text, "ssl:0:certKey=%s/cert.pem:privateKey=%s/key.pem:clientCA=%s/ca.pem", folder,
                   folder, folder);
    l = serve(&n, &v, text);
    (void)snprintf(text, sizeof text,
                   "ssl:127.0.0.1:%u:trustRoots=%s/ca.pem:certificate=%s/cert.pem:privateKey=%s/key.pem", net_port(l),
                   folder, folder, folder);
    struct client *e = client_of(&n, text, "hello");
    net_until(&n, e->p.got_len == 5);
    net_close(&n);
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
    free(f);
    test_cert_end(&cert);
    test_cert_end(&ca);
    test_folder_remove(folder);
}

/* --- PROXY -------------------------------------------------------------------------------------------------------- */

/* Nothing counts for such an address. */
static void a_proxy_may_speak_for_a_unix_socket(void **state)
{
    static uint8_t header[16 + 216] = "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8/run/a";
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    memcpy(header + 16 + 108, "/run/b", 6);
    net_open(&n);
    struct plait_listener *l = serve(&n, &v, "haproxy:tcp:0");
    const int fd = plain_connect(net_port(l));
    plain_send(fd, plait_slice_of(header, sizeof header));
    plain_send(fd, PLAIT_LIT("hello"));
    net_until(&n, v.got_len == 5);
    assert_int_equal(v.peer.kind, PLAIT_ADDR_UNIX);
    assert_string_equal(v.peer.name, "/run/a");
    assert_int_equal(plait_listener_count(l), 1);
    close(fd);
    net_until(&n, v.lost == 1);
    assert_int_equal(plait_listener_count(l), 0);
    net_close(&n);
}

static void haproxy_wraps_another_endpoint(void **state)
{
    static const char *const endpoint[] = {"haproxy:tcp:0", "haproxy:tcp:0:trust=127.0.0.0/8:backlog=3",
                                           "haproxy:trust=unix,127.0.0.1:tcp:0"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(endpoint); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        net_open(&n);
        struct plait_listener *l = serve(&n, &v, endpoint[i]);
        const int fd = plain_connect(net_port(l));
        plain_send(fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\nhello"));
        net_until(&n, v.got_len == 5);
        assert_int_equal(v.peer.ip[0], 192);
        close(fd);
        net_close(&n);
    }
}

static void no_memory_for_trust_fails(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    struct plait_service *service = srv_service(&n, &v);
    bed_fail(&n.b, 1);
    assert_err(plait_serve_with(n.r, "haproxy:tcp:0", NULL, service, &l, NULL), PLAIT_ENOMEM);
    bed_heal(&n.b);
    net_close(&n);
}

/* --- descriptors of others ---------------------------------------------------------------------------------------- */

static int plain_listener_at(int fd, uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    const int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(own, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(own, 5), 0);
    assert_int_equal(getsockname(own, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    if (fd < 0 || fd == own)
        return own;
    assert_int_equal(dup2(own, fd), fd);
    close(own);
    return fd;
}

static void a_listening_descriptor_is_served_on(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    uint16_t port;
    char text[40];
    (void)state;
    net_open(&n);
    const int own = plain_listener_at(-1, &port);
    (void)snprintf(text, sizeof text, "fd:%d", own);
    (void)serve(&n, &v, text);
    const int fd = plain_connect(port);
    net_until(&n, v.connected == 1);
    close(fd);
    close(own);
    net_close(&n);
}

static void a_descriptor_is_connected_to(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    int pair[2];
    int tube[2];
    char text[40];
    char got[16];
    (void)state;
    (void)v;
    net_open(&n);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    (void)snprintf(text, sizeof text, "fd:%d", pair[0]);
    struct client *c = client_of(&n, text, "hello");
    net_until(&n, plain_receive(pair[1], got, sizeof got) == 5);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
    (void)snprintf(text, sizeof text, "fd:%d", tube[0]);
    struct client *d = client_of(&n, text, "");
    net_until(&n, d->seen.calls == 1);
    assert_int_equal(write(tube[1], "abc", 3), 3);
    net_until(&n, d->p.got_len == 3);
    close(tube[0]);
    close(tube[1]);
    net_close(&n);
    free(c);
    free(d);
}

static void a_connected_tcp_socket_is_one_for_the_stream_too(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_address peer;
    char text[40];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    (void)snprintf(text, sizeof text, "fd:%d", fd);
    struct client *c = client_of(&n, text, "hello");
    net_until(&n, v.got_len == 5);
    plait_stream_peer(c->p.s, &peer);
    assert_int_equal(peer.kind, PLAIT_ADDR_IP4);
    assert_int_equal(peer.port, net_port(l));
    assert_ok(plait_stream_nagle(c->p.s, true));
    close(fd);
    net_close(&n);
    free(c);
}

/* The test's own standard input and output are pipes for the moment in which they are taken. */
static void standard_input_and_output_are_connected_to(void **state)
{
    struct net n;
    int in[2];
    int out[2];
    char text[16] = "";
    (void)state;
    net_open(&n);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    (void)fflush(NULL);
    const int own[2] = {dup(0), dup(1)};
    (void)dup2(in[0], 0);
    (void)dup2(out[1], 1);
    struct client *c = client_of(&n, "stdio:", "hello");
    for (int fd = 0; fd < 2; fd++) {
        (void)dup2(own[fd], fd);
        close(own[fd]);
    }
    close(in[0]);
    close(out[1]);
    assert_int_equal(write(in[1], "abc", 3), 3);
    net_until(&n, c->p.got_len == 3);
    assert_int_equal(read(out[0], text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(in[1]);
    close(out[0]);
    net_close(&n);
    free(c);
}

/* In a child of its own: the descriptors of socket activation begin at 3. */
static int activated(void)
{
    struct net n;
    struct srv v = {.opened = 0};
    uint16_t port;
    char text[40];
    char why[200];
    struct plait_listener *l;
    (void)plain_listener_at(3, &port);
    (void)dup2(3, 4);
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "web:admin:mail", 1); /* one more name than descriptors */
    net_open(&n);
    (void)serve(&n, &v, "systemd:domain=INET:index=0");
    const int fd = plain_connect(port);
    net_until(&n, v.connected == 1);
    close(fd);
    assert_int_equal(fcntl(4, F_GETFD), 0);
    (void)serve(&n, &v, "systemd:name=admin:backlog=5");
    assert_int_equal(fcntl(4, F_GETFD), FD_CLOEXEC); /* children have no use for it */
    assert_err(plait_serve_with(n.r, "systemd:name=mail", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "\"mail\""));
    assert_err(plait_serve_with(n.r, "systemd:index=2", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "2 were passed"));
    assert_err(plait_serve_with(n.r, "systemd:index=0:domain=UNIX", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "another domain"));
    assert_err(plait_serve_with(n.r, "systemd:index=0:x=1", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    setenv("LISTEN_PID", "1", 1);
    assert_err(plait_serve_with(n.r, "systemd:index=0", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", "two", 1);
    assert_err(plait_serve_with(n.r, "systemd:index=0", NULL, srv_service(&n, &v), &l, why), PLAIT_ESYNTAX);
    net_close(&n);
    return 0;
}

/* Serves on standard input and output, which are ends of sockets or pipes that the test made. */
static int on_stdio(void)
{
    struct net n;
    struct srv v = {.opened = 0};
    net_open(&n);
    n.b.real_clock = true;
    (void)serve(&n, &v, "stdio:");
    const plait_err err = plait_reactor_run(n.r);
    net_close(&n);
    return err == PLAIT_OK && v.lost == 1 && v.freed == 1 ? 0 : 1;
}

/* Runs a function in a child; a failed assertion there is an exit status here. */
static pid_t in_child(int (*fn)(void), int in, int out)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (in >= 0)
        (void)dup2(in, 0);
    if (out >= 0)
        (void)dup2(out, 1);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    (void)fflush(NULL);
    exit(fn()); /* not _exit: coverage is written at the end */
}

static void assert_child_ends_well(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_service_manager_passes_sockets(void **state)
{
    (void)state;
    assert_child_ends_well(in_child(activated, -1, -1));
}

static void stdio_serves_one_connection_and_ends(void **state)
{
    int in[2];
    int out[2];
    char text[16] = "";
    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t child = in_child(on_stdio, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    assert_int_equal(write(in[1], "hello", 5), 5);
    assert_int_equal(read(out[0], text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(in[1]);
    assert_child_ends_well(child);
    close(out[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in), 0);
    child = in_child(on_stdio, in[0], in[0]);
    close(in[0]);
    assert_int_equal(write(in[1], "HELLO", 5), 5);
    assert_int_equal(read(in[1], text, sizeof text), 5);
    assert_string_equal(text, "HELLO");
    close(in[1]);
    assert_child_ends_well(child);
}

static void stdio_fails_without_descriptors_or_memory(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    char why[200];
    (void)state;
    net_open(&n);
    net_fail(&n, "fcntl", 1, 1, EMFILE);
    assert_err(plait_serve_with(n.r, "stdio:", NULL, srv_service(&n, &v), &l, why), PLAIT_EDESCRIPTORS);
    net_fail(&n, "fcntl", 2, 1, EMFILE);
    assert_err(plait_serve_with(n.r, "stdio:", NULL, srv_service(&n, &v), &l, why), PLAIT_EDESCRIPTORS);
    int tube[2];
    int pair[2];
    char text[40];
    struct seen seen;
    assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    (void)snprintf(text, sizeof text, "fd:%d", tube[0]);
    bed_fill(&n.b);
    n.b.heap.fail_at = n.b.heap.calls + 1;
    watch_result(plait_connect(n.r, text, NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_ENOMEM);
    n.b.heap.fail_at = n.b.heap.calls + 1;
    watch_result(plait_connect(n.r, "stdio:", NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_ENOMEM);
    (void)snprintf(text, sizeof text, "fd:%d", pair[0]);
    n.b.heap.fail_at = n.b.heap.calls + 1;
    watch_result(plait_connect(n.r, text, NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_ENOMEM);
    bed_heal(&n.b);
    for (int i = 0; i < 2; i++) {
        close(tube[i]);
        close(pair[i]);
    }
    net_fail(&n, "fcntl", 1, 1, EMFILE);
    watch_result(plait_connect(n.r, "stdio:", NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_EDESCRIPTORS);
    net_close(&n);
    assert_int_equal(v.freed, 2);
}

/* --- exec --------------------------------------------------------------------------------------------------------- */

static void a_program_is_connected_to_and_ends_with_its_stream(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    struct client *c = client_of(&n, "exec:/bin/cat", "hello");
    net_until(&n, c->p.got_len == 5);
    plait_close(c->p.s);
    net_until(&n, c->p.s == NULL);
    struct client *d = client_of(&n, "exec:/bin/sh:-c:echo \"$0 $1\":a\\:b:c", "");
    net_until(&n, d->p.got_len == 6);
    assert_memory_equal(d->p.got, "a:b c\n", 6);
    net_idle(&n);
    net_close(&n);
    free(c);
    free(d);
}

static void a_program_that_cannot_be_run_leaves_nothing(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    for (uint64_t k = 1; k < 12; k++) {
        struct client *c = calloc(1, sizeof *c);
        bed_fill(&n.b);
        n.b.heap.fail_at = n.b.heap.calls + k;
        struct plait_deferred *d = plait_connect(n.r, "exec:/bin/cat", NULL);
        if (plait_then(d, attach_client, c) == PLAIT_OK)
            net_until(&n, c->seen.calls == 1);
        bed_heal(&n.b);
        if (c->p.s)
            plait_abort(c->p.s);
        net_until(&n, n.r->stream_count == 0);
        free(c);
    }
    struct seen seen;
    net_fail(&n, "socketpair", 1, 1, EMFILE);
    watch_result(plait_connect(n.r, "exec:/bin/cat", NULL), &seen);
    net_until(&n, seen.calls == 1);
    assert_err(seen.err, PLAIT_EDESCRIPTORS);
    net_close(&n);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void whoever_asks_for_an_unknown_kind_is_told_which_there_are(void **state)
{
    static struct plait_endpoint_kind more[4];
    struct net n;
    struct srv v = {.opened = 0};
    struct seen seen;
    char why[200];
    (void)state;
    net_open(&n);
    assert_err(plait_serve_with(n.r, "zzzzzz:1", NULL, srv_service(&n, &v), NULL, why), PLAIT_ESYNTAX);
    assert_string_equal(why, "there is no endpoint kind \"zzzzzz\"; there are tcp, tcp6, tls, ssl, unix, haproxy, "
                             "systemd, stdio, fd");
    watch_result(plait_connect(n.r, "zzzzzz:1", NULL), &seen);
    bed_run(&n.b);
    assert_string_equal(seen.fault.detail, "there is no endpoint kind \"zzzzzz\"; there are tcp, tcp6, tls, ssl, unix, "
                                           "stdio, fd, exec");
    for (size_t i = 0; i < TEST_COUNT(more); i++) {
        more[i] = *n.r->kinds;
        more[i].name = "a-kind-with-a-name-of-41-characters-as-it-";
        plait_endpoint_register(n.r, &more[i]);
    }
    watch_result(plait_connect(n.r, "zzzzzz:1", NULL), &seen);
    bed_run(&n.b);
    assert_string_equal(seen.fault.detail, "there is no endpoint kind \"zzzzzz\"; there are "
                                           "a-kind-with-a-name-of-41-characters-as-it-, "
                                           "a-kind-with-a-name-of-41-characters-as-it-, tcp, tcp6, tls, ssl, "
                                           "unix, fd"); /* what there is room for */
    net_close(&n);
}

static void sentences_of_mistakes_are_kept_in_one_place(void **state)
{
    struct net n;
    size_t live = 0;
    (void)state;
    net_open(&n);
    for (int i = 0; i < 40; i++) {
        struct seen seen;
        watch_result(plait_connect(n.r, "tpc:1", NULL), &seen);
        bed_run(&n.b);
        assert_non_null(strstr(seen.fault.detail, "did you mean"));
        assert_true(i == 0 || n.b.heap.live == live);
        live = n.b.heap.live;
    }
    net_close(&n);
}

static void an_endpoint_that_is_wrong_gives_up_whom_it_was_to_trust(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listen_options o = {.backlog = 0};
    (void)state;
    net_open(&n);
    struct plait_service *service = srv_service(&n, &v);
    const size_t live = n.b.heap.live;
    assert_ok(plait_proxy_trust_new(n.r, PLAIT_LIT("127.0.0.0/8"), &o.proxy));
    assert_err(plait_serve_with(n.r, "tpc:1", &o, plait_service_ref(service), NULL, NULL), PLAIT_ESYNTAX);
    assert_int_equal(n.b.heap.live, live);
    plait_service_unref(&service);
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(tcp_endpoints_meet), cmocka_unit_test(without_interface_only_the_loopback_listens),
          cmocka_unit_test(an_endpoints_words_override_the_options), cmocka_unit_test(unix_endpoints_meet),
          cmocka_unit_test(a_service_that_cannot_start_makes_run_return),
          cmocka_unit_test(a_service_that_starts_says_nothing),
          cmocka_unit_test(no_memory_for_the_usual_tls_context_is_told), cmocka_unit_test(stdio_without_memory_fails),
          cmocka_unit_test(wrong_endpoints_without_memory_still_fail), cmocka_unit_test(tls_endpoints_meet),
          cmocka_unit_test(a_proxy_may_speak_for_a_unix_socket), cmocka_unit_test(haproxy_wraps_another_endpoint),
          cmocka_unit_test(no_memory_for_trust_fails), cmocka_unit_test(a_listening_descriptor_is_served_on),
          cmocka_unit_test(a_descriptor_is_connected_to),
          cmocka_unit_test(a_connected_tcp_socket_is_one_for_the_stream_too),
          cmocka_unit_test(standard_input_and_output_are_connected_to),
          cmocka_unit_test(a_service_manager_passes_sockets), cmocka_unit_test(stdio_serves_one_connection_and_ends),
          cmocka_unit_test(stdio_fails_without_descriptors_or_memory),
          cmocka_unit_test(a_program_is_connected_to_and_ends_with_its_stream),
          cmocka_unit_test(a_program_that_cannot_be_run_leaves_nothing),
          cmocka_unit_test(whoever_asks_for_an_unknown_kind_is_told_which_there_are),
          cmocka_unit_test(sentences_of_mistakes_are_kept_in_one_place),
          cmocka_unit_test(an_endpoint_that_is_wrong_gives_up_whom_it_was_to_trust))
