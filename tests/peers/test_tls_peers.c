/* SPDX-License-Identifier: MIT
 *
 * TLS beside programs that nobody here wrote: `openssl s_client` and curl against our server, our client against
 * `openssl s_server`. A program that is missing is a failure.
 */
#include "tests/engine/tls_bed.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static struct tls_certs certs;
static struct test_cert expired;
static struct tls_bed t;
static char folder[TEST_PATH_BYTES];
static char output[65536];
static char port_text[8];
static char line[3][TEST_PATH_BYTES + 64];

/* --- files and programs ------------------------------------------------------------------------------------------- */

static const char *in_folder(int i, const char *before, const char *name)
{
    (void)snprintf(line[i], sizeof line[i], "%s%s/%s", before, folder, name);
    return line[i];
}

static int make(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    tls_certs_make(&certs);
    test_cert_make(&expired, &certs.ca,
                   &(struct test_cert_ask){.subject = "old", .san = "DNS:a.example", .expired = true});
    test_folder_make(folder);
    test_file_write(folder, "ca.pem", certs.ca.cert_pem);
    test_file_write(folder, "server.pem", certs.server.both_pem);
    test_file_write(folder, "client.pem", certs.client.both_pem);
    test_file_write(folder, "expired.pem", expired.both_pem);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    test_cert_end(&expired);
    test_folder_remove(folder);
    return 0;
}

/* Starts a program; what it prints goes to a file. *in gets the writing end of its standard input. */
static pid_t start(const char *const *argv, int *in)
{
    int pipe_fd[2];
    char path[TEST_PATH_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/output", folder);
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(pipe_fd[0], 0);
        dup2(out, 1);
        dup2(out, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipe_fd[0]);
    *in = pipe_fd[1];
    return pid;
}

static void read_output(void)
{
    char path[TEST_PATH_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/output", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t len = fread(output, 1, sizeof output - 1, file);
    output[len] = '\0';
    (void)fclose(file);
}

static void output_has(const char *text)
{
    read_output();
    if (!strstr(output, text))
        fail_msg("\"%s\" isn't in the program's output:\n%s", text, output);
}

static void turn(void)
{
    assert_ok(plait_reactor_step(t.b.r, plait_millis(10)));
}

/* One row of docs/peers.md: what a peer was seen doing (tests/peers/peers.py). */
static void seen(const char *peer, const char *side, const char *what)
{
    const char *path = getenv("PLAIT_PEERS_OUT");
    FILE *out = path ? fopen(path, "ae") : NULL;
    if (out) {
        (void)fprintf(out, "%s\t%s\t%s\n", peer, side, what);
        assert_int_equal(fclose(out), 0);
    }
}

/* --- their clients, our server ------------------------------------------------------------------------------------ */

static int listener = -1;

static void listen_somewhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(port_text, sizeof port_text, "%u", ntohs(in.sin_port));
}

static void accept_one(void)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct plait_stream *s;
    assert_null(t.s.s);
    peer_reset(&t.s);
    assert_int_equal(plait__fd_stream_new(t.b.r, PLAIT__FD_TCP, fd, NULL, &s), 0);
    assert_ok(plait__tls_start(s, t.server, NULL, NULL, plait_slice_of(NULL, 0), false));
    peer_attach(&t.s, s, &peer_protocol);
}

/* Serves until the program ends. Returns its exit status. */
static int serve(pid_t pid)
{
    int status = -1;
    for (int i = 0; i < 2000; i++) {
        accept_one();
        turn();
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    for (int i = 0; i < 300 && t.s.s; i++)
        turn();
    if (status == -1) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        read_output();
        fail_msg("the program did not end:\n%s", output);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void open_server(const struct plait_tls_server_options *options)
{
    memset(&t, 0, sizeof t);
    bed_open_real(&t.b);
    assert_ok(plait_tls_server_new(t.b.r, options, &t.server, t.why));
    assert_ok(
        plait_tls_client_new(t.b.r, &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem}, &t.client, t.why));
    listen_somewhere();
}

static void close_server(void)
{
    close(listener);
    tls_bed_close(&t);
}

static void greet_and_close(struct peer *p)
{
    if (p->got_len == 0 || p->got[p->got_len - 1] != '\n')
        return;
    plait_printf(p->s, "you said %.*s", (int)p->got_len, (const char *)p->got);
    plait_close(p->s);
}

static void answer_http(struct peer *p)
{
    if (p->got_len < 4 || memcmp(p->got + p->got_len - 4, "\r\n\r\n", 4) != 0)
        return;
    plait_write(p->s, PLAIT_LIT("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"));
    plait_close(p->s);
}

static void s_client(const char *version, const char *const *more, const char *expected)
{
    char address[32];
    const char *argv[24] = {"openssl",          "s_client",  "-connect",    address,
                            "-CAfile",          line[0],     version,       "-verify_return_error",
                            "-verify_hostname", "a.example", "-servername", "a.example"};
    size_t n = 12;
    int in;
    in_folder(0, "", "ca.pem");
    (void)snprintf(address, sizeof address, "127.0.0.1:%s", port_text);
    while (more && *more)
        argv[n++] = *more++;
    t.s.on_data = greet_and_close;
    const pid_t pid = start(argv, &in);
    assert_int_equal(write(in, "good day\n", 9), 9);
    assert_int_equal(serve(pid), 0);
    close(in);
    output_has("you said good day");
    output_has(expected);
    assert_int_equal(t.s.fault.err, PLAIT_OK);
}

static void openssl_s_client_speaks_with_our_server(void **state)
{
    (void)state;
    open_server(
        &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .alpn = PLAIT_LIT("\002h2\010http/1.1")});
    s_client("-tls1_2", NULL, "TLSv1.2");
    s_client("-tls1_3", NULL, "TLSv1.3");
    s_client("-tls1_3", (const char *[]){"-alpn", "http/1.1", NULL}, "ALPN protocol: http/1.1");
    close_server();
    seen("openssl s_client", "our server", "TLS: 1.2 and 1.3");
    seen("openssl s_client", "our server", "TLS: ALPN");
}

static void openssl_s_client_takes_up_a_session(void **state)
{
    (void)state;
    static const char *const versions[] = {"-tls1_2", "-tls1_3"};
    open_server(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem});
    for (int v = 0; v < 2; v++) {
        in_folder(1, "", "session");
        s_client(versions[v], (const char *[]){"-sess_out", line[1], NULL}, "New, TLS");
        s_client(versions[v], (const char *[]){"-sess_in", line[1], NULL}, "Reused, TLS");
    }
    close_server();
    seen("openssl s_client", "our server", "TLS: resumption");
}

static void openssl_s_client_sees_our_alerts(void **state)
{
    (void)state;
    int in;
    char address[32];
    open_server(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .alpn = PLAIT_LIT("\002h2")});
    (void)snprintf(address, sizeof address, "127.0.0.1:%s", port_text);
    const char *argv[] = {"openssl", "s_client", "-connect", address, "-alpn", "nonsense", NULL};
    const pid_t pid = start(argv, &in);
    assert_int_not_equal(serve(pid), 0);
    close(in);
    output_has("alert number 120");
    assert_int_equal(t.s.fault.tls_alert, 120);
    close_server();
    seen("openssl s_client", "our server", "TLS: alert for no common protocol");
}

static int curl(const char *name, const char *ca, const char *cert)
{
    char url[64];
    char resolve[64];
    int in;
    (void)snprintf(url, sizeof url, "https://%s:%s/", name, port_text);
    (void)snprintf(resolve, sizeof resolve, "%s:%s:127.0.0.1", name, port_text);
    const char *argv[] = {"curl",
                          "--silent",
                          "--show-error",
                          "--noproxy",
                          "*",
                          "--resolve",
                          resolve,
                          "--cacert",
                          ca,
                          "--max-time",
                          "15",
                          url,
                          cert ? "--cert" : NULL,
                          cert,
                          NULL};
    t.s.on_data = answer_http;
    const pid_t pid = start(argv, &in);
    const int status = serve(pid);
    close(in);
    return status;
}

static void curl_fetches_from_our_server(void **state)
{
    (void)state;
    open_server(
        &(struct plait_tls_server_options){.cert_pem = certs.server.both_pem, .alpn = PLAIT_LIT("\010http/1.1")});
    assert_int_equal(curl("a.example", in_folder(0, "", "ca.pem"), NULL), 0);
    output_has("hello");
    assert_int_equal(t.s.fault.err, PLAIT_OK);
    assert_int_equal(curl("b.example", in_folder(0, "", "ca.pem"), NULL), 60); /* the name doesn't fit */
    close_server();
    seen("curl", "our server", "TLS: HTTP over it, the name is verified");
}

static void curl_shows_its_certificate(void **state)
{
    (void)state;
    in_folder(0, "", "ca.pem");
    open_server(&(struct plait_tls_server_options){
        .cert_pem = certs.server.both_pem, .client_cert = PLAIT_CERT_REQUIRED, .client_ca_file = line[0]});
    assert_int_equal(curl("a.example", line[0], in_folder(1, "", "client.pem")), 0);
    output_has("hello");
    assert_int_not_equal(curl("a.example", line[0], NULL), 0);
    assert_int_equal(t.s.fault.err, PLAIT_EVERIFY);
    close_server();
    seen("curl", "our server", "TLS: client certificate");
}

/* --- our client, their server ------------------------------------------------------------------------------------- */

static pid_t server_pid;
static int server_in;

static void start_s_server(const char *cert, const char *const *more)
{
    const char *argv[24] = {"openssl", "s_server", "-accept", port_text, "-cert", in_folder(1, "", cert),
                            "-www",    "-quiet"};
    size_t n = 8;
    while (more && *more)
        argv[n++] = *more++;
    (void)snprintf(port_text, sizeof port_text, "%u", test_free_port());
    server_pid = start(argv, &server_in);
}

static void stop_s_server(void)
{
    kill(server_pid, SIGTERM);
    waitpid(server_pid, NULL, 0);
    close(server_in);
}

static int connect_patiently(void)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtoul(port_text, NULL, 10)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 500; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) {
            assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
            return fd;
        }
        close(fd);
        poll(NULL, 0, 20);
    }
    fail_msg("openssl s_server does not listen");
    return -1;
}

/* Fetches a page; t.c tells how it went. */
static void fetch(const char *name, int version)
{
    struct plait_stream *c;
    peer_reset(&t.c);
    assert_int_equal(plait__fd_stream_new(t.b.r, PLAIT__FD_TCP, connect_patiently(), NULL, &c), 0);
    peer_attach(&t.c, c, &peer_protocol);
    assert_ok(plait_starttls_client(c, t.client, name, t.alpn));
    if (version)
        SSL_set_max_proto_version(tls_of(c)->ssl, version);
    plait_write(c, PLAIT_LIT("GET / HTTP/1.0\r\n\r\n"));
    for (int i = 0; i < 1500 && t.c.s; i++)
        turn();
    assert_null(t.c.s);
}

static bool got(const char *text)
{
    t.c.got[t.c.got_len] = '\0';
    return strstr((const char *)t.c.got, text) != NULL;
}

static void our_client_fetches_from_openssl_s_server(void **state)
{
    (void)state;
    open_server(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem});
    start_s_server("server.pem", (const char *[]){"-alpn", "http/1.1", NULL});
    t.alpn = PLAIT_LIT("\002h2\010http/1.1");
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int v = 0; v < 2; v++) {
        fetch("a.example", versions[v]);
        assert_true(got("HTTP/1.0 200 ok"));
        assert_true(got(v == 0 ? "TLSv1.2" : "TLSv1.3"));
        assert_true(got("New, TLS"));
        assert_int_equal(t.c.fault.err, PLAIT_EEOF);
        fetch("a.example", versions[v]);
        assert_true(got("Reused, TLS"));
    }
    fetch("other.example", 0);
    assert_int_equal(t.c.fault.err, PLAIT_EVERIFY);
    assert_string_equal(t.c.fault.detail, "the certificate is for another name");
    stop_s_server();
    close_server();
    seen("openssl s_server", "our client", "TLS: 1.2 and 1.3, the name is verified");
}

static void our_client_does_not_believe_an_old_certificate(void **state)
{
    (void)state;
    open_server(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem});
    start_s_server("expired.pem", NULL);
    fetch("a.example", 0);
    assert_int_equal(t.c.fault.err, PLAIT_EVERIFY);
    assert_string_equal(t.c.fault.detail, "the certificate has expired");
    stop_s_server();
    close_server();
    seen("openssl s_server", "our client", "TLS: an expired certificate is refused");
}

static void our_client_shows_its_certificate_to_openssl_s_server(void **state)
{
    (void)state;
    open_server(&(struct plait_tls_server_options){.cert_pem = certs.server.both_pem});
    start_s_server("server.pem", (const char *[]){"-Verify", "2", "-verify_return_error", "-CAfile",
                                                  in_folder(0, "", "ca.pem"), NULL});
    fetch("a.example", 0);
    assert_int_equal(t.c.fault.err, PLAIT_ETLS);
    assert_int_equal(t.c.fault.tls_alert, 116); /* certificate_required */
    plait_tls_client_unref(&t.client);
    assert_ok(plait_tls_client_new(
        t.b.r, &(struct plait_tls_client_options){.ca_pem = certs.ca.cert_pem, .cert_pem = certs.client.both_pem},
        &t.client, t.why));
    fetch("a.example", 0);
    assert_true(got("Alice"));
    stop_s_server();
    close_server();
    seen("openssl s_server", "our client", "TLS: client certificate");
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(openssl_s_client_speaks_with_our_server),
               cmocka_unit_test(openssl_s_client_takes_up_a_session),
               cmocka_unit_test(openssl_s_client_sees_our_alerts), cmocka_unit_test(curl_fetches_from_our_server),
               cmocka_unit_test(curl_shows_its_certificate), cmocka_unit_test(our_client_fetches_from_openssl_s_server),
               cmocka_unit_test(our_client_does_not_believe_an_old_certificate),
               cmocka_unit_test(our_client_shows_its_certificate_to_openssl_s_server))
