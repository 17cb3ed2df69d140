/* SPDX-License-Identifier: MIT
 *
 * Memory of an idle TLS connection: a server on Plait beside a bare libssl server, in one run, with the same settings
 * and the same client. Each server is a process of its own that looks at its heap before the first connection and after
 * the last; its clients are another process. usage: tls_idle [CONNECTIONS]
 */
#include "engine/stream_core.h"

#include <plait/tls.h>

#include <fcntl.h>
#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
    size_t count;
    int (*fd)[2]; /* server's and client's end */
    X509 *cert;
    EVP_PKEY *key;
};

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void make_certificate(struct work *w)
{
    w->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    w->cert = X509_new();
    X509_NAME *name = X509_get_subject_name(w->cert);
    ASN1_INTEGER_set(X509_get_serialNumber(w->cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(w->cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(w->cert), 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(w->cert, name);
    X509_set_pubkey(w->cert, w->key);
    must(X509_sign(w->cert, w->key, EVP_sha256()) > 0, "certificate");
}

/* --- the clients: a handshake and one byte to and fro each, then they wait ---------------------------------------- */

static void run_clients(const struct work *w, int done)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    for (size_t i = 0; i < w->count; i++) {
        char byte = 'x';
        SSL *ssl = SSL_new(ctx);
        close(w->fd[i][0]);
        SSL_set_fd(ssl, w->fd[i][1]);
        must(SSL_connect(ssl) == 1 && SSL_write(ssl, &byte, 1) == 1 && SSL_read(ssl, &byte, 1) == 1, "client");
    }
    must(read(done, &(char){0}, 1) == 0, "done"); /* until the server's process ends */
}

/* --- the bare server ---------------------------------------------------------------------------------------------- */

static size_t run_bare(const struct work *w)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL **all = calloc(w->count, sizeof *all);
    must(SSL_CTX_use_cert_and_key(ctx, w->cert, w->key, NULL, 1) == 1, "context");
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    size_t before = 0;
    for (size_t i = 0; i < w->count; i++) {
        char byte;
        all[i] = SSL_new(ctx);
        SSL_set_fd(all[i], w->fd[i][0]);
        must(SSL_accept(all[i]) == 1 && SSL_read(all[i], &byte, 1) == 1 && SSL_write(all[i], &byte, 1) == 1, "server");
        if (i == w->count / 10)
            before = mallinfo2().uordblks; /* what the first ones bring for all is not theirs */
    }
    return (mallinfo2().uordblks - before) / (w->count - 1 - w->count / 10);
}

/* --- ours --------------------------------------------------------------------------------------------------------- */

static size_t echo(struct plait_stream *s, plait_slice in, void *self)
{
    plait_write(s, in);
    ++*(size_t *)self;
    return in.len;
}

static const struct plait_protocol echo_protocol = {.name = "echo", .data = echo};

static plait_slice pem_of(const struct work *w)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(bio, w->cert);
    PEM_write_bio_PrivateKey(bio, w->key, NULL, NULL, 0, NULL, NULL);
    const long len = BIO_get_mem_data(bio, &text);
    return plait_slice_of(text, (size_t)len);
}

static size_t run_plait(const struct work *w)
{
    char why[200];
    size_t echoed = 0;
    size_t before = 0;
    struct plait_tls_server *server;
    struct plait_reactor *r = plait_reactor_new(NULL);
    const struct plait_tls_server_options options = {.cert_pem = pem_of(w)};
    must(r && plait_tls_server_new(r, &options, &server, why) == PLAIT_OK, "context");
    for (size_t i = 0; i < w->count; i++) {
        struct plait_stream *s;
        must(fcntl(w->fd[i][0], F_SETFL, O_NONBLOCK) == 0, "fcntl");
        must(plait__fd_stream_new(r, PLAIT__FD_TCP, w->fd[i][0], NULL, &s) == 0, "stream");
        plait_stream_attach(s, &echo_protocol, &echoed);
        must(plait_starttls_server(s, server) == PLAIT_OK, "starttls");
        while (echoed <= i)
            must(plait_reactor_step(r, plait_seconds(1)) == PLAIT_OK, "step");
        must(plait_reactor_step(r, 0) == PLAIT_OK, "step");
        if (i == w->count / 10)
            before = mallinfo2().uordblks;
    }
    return (mallinfo2().uordblks - before) / (w->count - 1 - w->count / 10);
}

/* --- one after the other ------------------------------------------------------------------------------------------ */

static size_t measure(struct work *w, size_t (*run)(const struct work *w))
{
    int done[2];
    int result[2];
    size_t bytes = 0;
    must(pipe2(done, O_CLOEXEC) == 0 && pipe2(result, O_CLOEXEC) == 0, "pipe");
    for (size_t i = 0; i < w->count; i++)
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, w->fd[i]) == 0, "socketpair");
    const pid_t server = fork();
    if (server == 0) {
        for (size_t i = 0; i < w->count; i++)
            close(w->fd[i][1]);
        bytes = run(w);
        must(write(result[1], &bytes, sizeof bytes) == sizeof bytes, "result");
        _exit(0);
    }
    const pid_t clients = fork();
    if (clients == 0) {
        close(done[1]);
        run_clients(w, done[0]);
        _exit(0);
    }
    for (size_t i = 0; i < w->count; i++) {
        close(w->fd[i][0]);
        close(w->fd[i][1]);
    }
    close(result[1]);
    must(read(result[0], &bytes, sizeof bytes) == sizeof bytes, "result");
    waitpid(server, NULL, 0);
    close(done[1]);
    waitpid(clients, NULL, 0);
    close(done[0]);
    close(result[0]);
    return bytes;
}

int main(int argc, char **argv)
{
    struct work w = {.count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000};
    const struct rlimit files = {.rlim_cur = 2 * w.count + 64, .rlim_max = 2 * w.count + 64};
    if (w.count < 20 || setrlimit(RLIMIT_NOFILE, &files) != 0) {
        (void)fprintf(stderr, "usage: tls_idle [CONNECTIONS], at least 20 and as many as two descriptors each allow\n");
        return 2;
    }
    w.fd = calloc(w.count, sizeof *w.fd);
    make_certificate(&w);
    const size_t bare = measure(&w, run_bare);
    const size_t ours = measure(&w, run_plait);
    const size_t again = measure(&w, run_bare);
    printf("heap bytes per idle TLS connection, %zu connections: bare libssl %zu (again %zu), plait %zu, ratio %.3f\n",
           w.count, bare, again, ours, (double)ours / (double)bare);
    return 0;
}
