/* SPDX-License-Identifier: MIT
 *
 * Connecting and listening with TLS: what is verified, what is told when, how a handshake ends, alone and behind a
 * PROXY header or through something else.
 */
#include "tests/engine/connect_bed.h"
#include "tests/support/certs.h"

#include <openssl/ssl.h>

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

struct tls_place {
    struct place p;
    struct test_cert ca, cert;
    struct plait_tls_server *server;
    struct plait_tls_client *client;
    struct plait_listener *secure;
    struct plait_address at;
};

static void tls_open(struct tls_place *t)
{
    char why[200];
    memset(t, 0, sizeof *t);
    const struct test_cert_ask issuer = {.subject = "test root", .is_ca = true};
    const struct test_cert_ask leaf = {.subject = "host", .san = "DNS:host.example,IP:127.0.0.1"};
    test_cert_make(&t->ca, NULL, &issuer);
    test_cert_make(&t->cert, &t->ca, &leaf);
    place_open(&t->p);
    const struct plait_tls_server_options so = {.cert_pem = t->cert.cert_pem, .key_pem = t->cert.key_pem};
    const struct plait_tls_client_options co = {.ca_pem = t->ca.cert_pem};
    assert_ok(plait_tls_server_new(t->p.n.r, &so, &t->server, why));
    assert_ok(plait_tls_client_new(t->p.n.r, &co, &t->client, why));
    const struct plait_listen_options o = {.tls = t->server};
    t->secure = net_listen(&t->p.n, &t->p.v, &o);
    plait_listener_address(t->secure, &t->at);
}

static void tls_close(struct tls_place *t)
{
    plait_tls_server_unref(&t->server);
    plait_tls_client_unref(&t->client);
    place_close(&t->p);
    test_cert_end(&t->cert);
    test_cert_end(&t->ca);
}

static void tls_on_both_sides_is_up_before_anybody_is_told(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client};
    client_start(t.p.c, plait_connect_address(t.p.n.r, &t.at, &o));
    t.p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_true(plait_stream_tls(t.p.c->p.s)->verified);
    assert_int_equal(t.p.v.secured, 1);
    assert_int_equal(t.p.v.connected, 1);
    assert_string_equal(t.p.v.got, "hello");
    assert_true(strncmp(t.p.c->p.story, "csd", 3) == 0);
    tls_close(&t);
}

static void a_name_that_does_not_fit_is_refused(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client, .server_name = "other.example"};
    client_start(t.p.c, plait_connect_address(t.p.n.r, &t.at, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_EVERIFY);
    assert_true(plait_address_equal(&t.p.c->with, &t.at));
    net_until(&t.p.n, plait_listener_count(t.secure) == 0);
    assert_int_equal(t.p.v.opened, 0);
    assert_true(bed_logged(&t.p.n.b, "handshake-failed"));
    tls_close(&t);
}

static void the_hosts_name_is_verified_without_its_dot(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    struct names names = {.cancelled = 0};
    t.p.at.port = t.at.port;
    const struct plait_connect_options o = {.tls = t.client, .server_name = "host.example"};
    names_begin(&t.p, &names, &o);
    names_refuse(&t.p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    names_answer(&t.p.n, &names, 1, one_ip4, 1);
    client_expect(&t.p.n, t.p.c, PLAIT_OK);
    tls_close(&t);
}

static void tls_against_a_server_that_says_nothing_times_out(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client};
    uint8_t hello = 0;
    (void)hello;
    t.p.v.attach_nothing = false;
    const int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    assert_int_equal(bind(mute, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(mute, 5), 0);
    assert_int_equal(getsockname(mute, (struct sockaddr *)&in, &len), 0);
    const struct plait_address at = loopback(ntohs(in.sin_port));
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    bed_pass(&t.p.n.b, plait_seconds(31));
    client_expect(&t.p.n, t.p.c, PLAIT_ETIMEDOUT);
    assert_string_equal(t.p.c->seen.fault.step, "handshake");
    const struct plait_connect_options hasty = {.tls = t.client, .handshake = plait_seconds(5), .timeout = PLAIT_NEVER};
    t.p.c->seen.calls = 0;
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &hasty)); /* a step may have a limit of its own */
    net_idle(&t.p.n);
    bed_pass(&t.p.n.b, plait_seconds(4));
    assert_int_equal(t.p.c->seen.calls, 0);
    bed_pass(&t.p.n.b, plait_seconds(2));
    client_expect(&t.p.n, t.p.c, PLAIT_ETIMEDOUT);
    t.p.c->seen.calls = 0;
    struct plait_deferred *d = plait_connect_address(t.p.n.r, &at, &o);
    client_start(t.p.c, d);
    net_idle(&t.p.n);
    plait_deferred_cancel(d);
    client_expect(&t.p.n, t.p.c, PLAIT_ECANCELLED);
    t.p.c->seen.calls = 0;
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    for (int i = 0; i < 4; i++) /* the server goes in the middle of the handshake */
        close(accept4(mute, NULL, NULL, SOCK_CLOEXEC));
    net_until(&t.p.n, t.p.c->seen.calls == 1);
    assert_true(t.p.c->seen.err != PLAIT_OK);
    close(mute);
    tls_close(&t);
}

static void a_tls_client_that_says_nothing_is_not_waited_for_long(void **state)
{
    struct tls_place t;
    (void)state;
    tls_open(&t);
    const int fd = plain_connect(t.at.port);
    net_until(&t.p.n, plait_listener_count(t.secure) == 1);
    bed_pass(&t.p.n.b, plait_seconds(11));
    net_until(&t.p.n, plain_ended(fd));
    assert_int_equal(t.p.v.opened, 0);
    close(fd);
    tls_close(&t);
}

/* TLS behind the PROXY protocol: the first bytes of TLS come with the header. */
static void tls_follows_a_proxy_header(void **state)
{
    struct tls_place t;
    struct plait_listen_options o;
    (void)state;
    tls_open(&t);
    o = (struct plait_listen_options){.tls = t.server};
    assert_ok(plait_proxy_trust_new(t.p.n.r, PLAIT_LIT("127.0.0.1"), &o.proxy));
    struct plait_listener *l = net_listen(&t.p.n, &t.p.v, &o);
    const struct plait_address at = loopback(net_port(l));
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, NULL));
    client_expect(&t.p.n, t.p.c, PLAIT_OK);
    plait_write(t.p.c->p.s, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
    assert_ok(plait_starttls_client(t.p.c->p.s, t.client, "host.example", plait_slice_of(NULL, 0)));
    plait_write(t.p.c->p.s, PLAIT_LIT("hello"));
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_int_equal(t.p.v.peer.ip[0], 192);
    assert_int_equal(t.p.v.secured, 1);
    tls_close(&t);
}

static void a_drain_ends_a_handshake(void **state)
{
    struct tls_place t;
    struct seen seen;
    uint16_t port;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client};
    const int mute = plain_listener(&port);
    const struct plait_address at = loopback(port);
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    watch_result(plait_drain(t.p.n.r, plait_seconds(1)), &seen);
    net_idle(&t.p.n);
    bed_pass(&t.p.n.b, plait_seconds(5));
    net_until(&t.p.n, t.p.c->seen.calls == 1);
    assert_true(t.p.c->seen.err != PLAIT_OK);
    close(mute);
    tls_close(&t);
}

/* Carries bytes between two sockets, what is there at once in one piece. */
static void relay(int from, int to, plait_slice before)
{
    uint8_t bytes[20000];
    memcpy(bytes, before.ptr, before.len);
    const ssize_t got = recv(from, bytes + before.len, sizeof bytes - before.len, MSG_DONTWAIT);
    if (got > 0)
        plain_send(to, plait_slice_of(bytes, before.len + (size_t)got));
}

/* The first bytes of TLS come in one piece with the header, the first bytes of the service with the handshake's end. */
static void tls_comes_in_one_piece_with_a_proxy_header(void **state)
{
    struct tls_place t;
    struct plait_listen_options o;
    int pair[2];
    struct plait_stream *s;
    (void)state;
    tls_open(&t);
    o = (struct plait_listen_options){.tls = t.server};
    assert_ok(plait_proxy_trust_new(t.p.n.r, PLAIT_LIT("127.0.0.1"), &o.proxy));
    struct plait_listener *l = net_listen(&t.p.n, &t.p.v, &o);
    const int fd = plain_connect(net_port(l));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(plait__fd_stream_new(t.p.n.r, PLAIT__FD_UNIX, pair[0], NULL, &s), 0);
    peer_attach(&t.p.c->p, s, &peer_protocol);
    assert_ok(plait_starttls_client(s, t.client, "host.example", plait_slice_of(NULL, 0)));
    plait_write(s, PLAIT_LIT("hello"));
    net_idle(&t.p.n);
    relay(pair[1], fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
    for (int i = 0; i < 10 && t.p.c->p.got_len < 5; i++) {
        net_idle(&t.p.n);
        relay(fd, pair[1], PLAIT_LIT(""));
        net_idle(&t.p.n);
        relay(pair[1], fd, PLAIT_LIT(""));
    }
    assert_int_equal(t.p.c->p.got_len, 5);
    assert_int_equal(t.p.v.peer.ip[0], 192);
    close(fd);
    close(pair[1]);
    tls_close(&t);
}

/* With TLS 1.2 the server's last word of the handshake and its first of the protocol can come together. */
static void what_a_server_says_first_is_not_lost(void **state)
{
    struct tls_place t;
    uint16_t port;
    (void)state;
    tls_open(&t);
    const struct plait_connect_options o = {.tls = t.client, .server_name = "host.example"};
    const int own = plain_listener(&port);
    const struct plait_address at = loopback(port);
    client_start(t.p.c, plait_connect_address(t.p.n.r, &at, &o));
    net_idle(&t.p.n);
    const int fd = accept4(own, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_use_certificate(ctx, t.cert.cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, t.cert.key), 1);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    for (int i = 0; i < 100 && SSL_accept(ssl) != 1; i++)
        net_idle(&t.p.n);
    assert_int_equal(SSL_write(ssl, "220 hello", 9), 9);
    net_until(&t.p.n, t.p.c->p.got_len == 9);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    close(own);
    tls_close(&t);
}

static void no_memory_for_tls_fails_and_leaves_nothing(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 40 && !worked; k++) {
        struct tls_place t;
        tls_open(&t);
        const struct plait_connect_options o = {.tls = t.client};
        bed_fill(&t.p.n.b);
        t.p.n.b.heap.fail_at = t.p.n.b.heap.calls + k;
        struct plait_deferred *d = plait_connect_address(t.p.n.r, &t.at, &o);
        if (plait_then(d, attach_client, t.p.c) == PLAIT_OK)
            net_until(&t.p.n, t.p.c->seen.calls == 1);
        net_idle(&t.p.n);
        worked = t.p.n.b.heap.calls < t.p.n.b.heap.fail_at;
        tls_close(&t);
    }
    assert_true(worked);
}

/* --- through something else --------------------------------------------------------------------------------------- */

/* A way that leads to one address whatever is asked for, or nowhere. */
struct way {
    struct plait_via via;
    struct tls_place *t;
    const char *host;
    uint16_t port;
    bool absent, silent, connected;
    uint64_t fail_in; /* calls of the heap, once connected */
    int asked, cancelled;
};

static void way_cancel(struct plait_deferred *d, void *ctx)
{
    struct way *way = ctx;
    way->cancelled++;
    plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "way"));
}

static struct plait_deferred *way_connect(struct plait_reactor *r, plait_slice host, uint16_t port,
                                          const struct plait_connect_options *options, void *ctx)
{
    struct way *way = ctx;
    way->asked++;
    assert_slice(host, way->host);
    assert_int_equal(port, way->port);
    assert_null(options->via);
    assert_null(options->tls);
    assert_true(options->timeout == PLAIT_NEVER || options->timeout <= plait_seconds(30));
    if (way->absent)
        return NULL;
    if (way->silent)
        return plait_deferred_new(r, "way", way_cancel, way);
    return plait_connect_address(r, &way->t->at, options);
}

static void way_open(struct way *way, struct tls_place *t, const char *host, uint16_t port)
{
    tls_open(t);
    *way = (struct way){.t = t, .host = host, .port = port};
    way->via.connect = way_connect;
    way->via.ctx = way;
}

static void a_way_through_something_leads_to_tls_with_the_host(void **state)
{
    struct tls_place t;
    struct way way;
    (void)state;
    way_open(&way, &t, "host.example", 99);
    struct plait_connect_options o = {.tls = t.client, .via = &way.via};
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o));
    t.p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_true(plait_stream_tls(t.p.c->p.s)->verified);
    assert_int_equal(way.asked, 1);
    t.p.c->seen.calls = 0;
    way.host = "other.example";
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("other.example"), 99, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_EVERIFY);
    tls_close(&t);
}

/* A server whose connections are carried on to another address, under TLS or not. */
struct carried {
    struct plait_reactor *r;
    struct plait_address to;
    struct plait_stream *s; /* the newest */
};

static void carry_on(struct plait_result *result, void *ctx)
{
    struct plait_stream *near = ctx, *far = result->fault.err ? NULL : plait_result_take(result).ptr;
    struct plait_deferred *over = NULL;
    plait_result_set(result, plait_value_num(0));
    plait_resume(near);
    if (far)
        over = plait_pipe(near, far, true);
    if (over)
        plait_deferred_ignore(over);
    else
        plait_abort(near); /* the other was never attached */
}

static plait_err carried_open(struct plait_stream *s, void *ctx)
{
    static const struct plait_protocol waits = {.name = "waits"};
    struct carried *carried = ctx;
    carried->s = s;
    plait_stream_attach(s, &waits, NULL);
    plait_pause(s);
    return plait_then(plait_connect_address(carried->r, &carried->to, NULL), carry_on, s);
}

static const struct plait_service_ops carried_ops = {.name = "carried", .open = carried_open};

static void note_connected(struct plait_result *result, void *ctx)
{
    struct way *way = ctx;
    way->connected = result->fault.err == PLAIT_OK;
    way->t->p.n.b.heap.fail_at = way->fail_in ? way->t->p.n.b.heap.calls + way->fail_in : 0;
}

static struct plait_deferred *over_tls(struct plait_reactor *r, plait_slice host, uint16_t port,
                                       const struct plait_connect_options *options, void *ctx)
{
    struct way *way = ctx;
    struct plait_connect_options o = *options;
    (void)host;
    (void)port;
    o.tls = way->t->client;
    struct plait_deferred *d = plait_connect_address(r, &way->t->at, &o);
    assert_ok(plait_then(d, note_connected, way));
    return d;
}

/* The way leads over TLS to a server that carries on to the one whose TLS is wanted. */
static void inside_open(struct way *way, struct tls_place *t, struct carried *carried)
{
    struct plait_listener *outer;
    way_open(way, t, "host.example", 99);
    const struct plait_listen_options lo = {.tls = t->server};
    struct plait_address at = t->at;
    *carried = (struct carried){.r = t->p.n.r, .to = t->at};
    at.port = 0;
    assert_ok(plait_listen(t->p.n.r, &at, &lo, plait_service_new(t->p.n.r, &carried_ops, carried), &outer));
    plait_listener_address(outer, &t->at);
    way->via.connect = over_tls;
}

static void tls_goes_inside_tls(void **state)
{
    struct tls_place t;
    struct way way;
    struct carried carried;
    (void)state;
    inside_open(&way, &t, &carried);
    const struct plait_connect_options o = {.tls = t.client, .via = &way.via};
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o));
    t.p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_true(plait_stream_tls(t.p.c->p.s)->verified);
    assert_string_equal(t.p.v.got, "hello");
    plait_abort(carried.s);
    net_until(&t.p.n, t.p.n.r->stream_count == 0);
    assert_err(t.p.c->p.fault.err, PLAIT_ERESET);
    net_idle(&t.p.n);
    struct plait_reactor_left left;
    plait_reactor_look(t.p.n.r, &left);
    assert_int_equal(left.deferreds, 0);
    tls_close(&t);
}

static void no_memory_for_tls_inside_tls_fails_and_leaves_nothing(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 100 && !worked; k++) {
        struct tls_place t;
        struct way way;
        struct carried carried;
        inside_open(&way, &t, &carried);
        const struct plait_connect_options o = {.tls = t.client, .via = &way.via};
        struct plait_deferred *d = plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o);
        assert_ok(plait_then(d, attach_client, t.p.c));
        way.fail_in = k;
        net_until(&t.p.n, t.p.c->seen.calls == 1);
        worked = t.p.c->seen.err == PLAIT_OK && t.p.n.b.heap.calls < t.p.n.b.heap.fail_at;
        t.p.n.b.heap.fail_at = 0;
        net_idle(&t.p.n);
        assert_false(bed_logged(&t.p.n.b, "unhandled-fault"));
        const bool failed = t.p.c->seen.err != PLAIT_OK;
        for (int i = 0; i < 100 && failed && t.p.n.r->stream_count > 0; i++) {
            bed_pass(&t.p.n.b, plait_seconds(1)); /* the server's side may wait for its time */
            net_idle(&t.p.n);
        }
        if (failed)
            assert_int_equal(t.p.n.r->stream_count, 0);
        tls_close(&t);
    }
    assert_true(worked);
}

static void a_way_through_something_gives_a_plain_stream_too(void **state)
{
    struct tls_place t;
    struct way way;
    struct plait_address literal;
    (void)state;
    way_open(&way, &t, "2001:db8::1", 7);
    t.at = t.p.at; /* the one in the clear */
    assert_ok(plait_address_parse_ip(PLAIT_LIT("2001:db8::1"), 7, &literal));
    const struct plait_connect_options o = {.via = &way.via, .timeout = PLAIT_NEVER};
    client_start(t.p.c, plait_connect_address(t.p.n.r, &literal, &o));
    t.p.c->p.greeting = PLAIT_LIT("hello");
    net_until(&t.p.n, t.p.c->p.got_len == 5);
    assert_string_equal(t.p.v.got, "hello");
    bed_pass(&t.p.n.b, plait_seconds(60)); /* whoever led here waits for it no longer */
    net_idle(&t.p.n);
    assert_non_null(t.p.c->p.s);
    plait_write(t.p.c->p.s, PLAIT_LIT("again"));
    net_until(&t.p.n, t.p.c->p.got_len == 10);
    tls_close(&t);
}

/* The name may go once it was given. */
static void staying_connected_verifies_the_name_that_was_given(void **state)
{
    struct tls_place t;
    struct srv v = {.opened = 0};
    char endpoint[40], name[] = "host.example";
    (void)state;
    tls_open(&t);
    (void)snprintf(endpoint, sizeof endpoint, "tls:127.0.0.1:%u", t.at.port);
    const struct plait_reconnect_options o = {.connect = {.tls = t.client, .server_name = name}};
    struct plait_reconnect *c = plait_reconnect_start(t.p.n.r, endpoint, &o, srv_service(&t.p.n, &v));
    memset(name, 'x', sizeof name - 1);
    bed_pass(&t.p.n.b, plait_millis(1));
    net_until(&t.p.n, v.secured == 1);
    plait_reconnect_stop(&c);
    net_idle(&t.p.n);
    tls_close(&t);
}

static void a_way_that_ends_nowhere_fails_with_its_fault(void **state)
{
    struct tls_place t;
    struct way way;
    struct plait_address local;
    (void)state;
    way_open(&way, &t, "host.example", 99);
    t.at.port = 1; /* nobody listens there */
    const struct plait_connect_options o = {.via = &way.via};
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_EREFUSED);
    assert_int_equal(t.p.c->with.port, 1);
    assert_false(bed_logged(&t.p.n.b, "unhandled-fault"));
    t.p.c->seen.calls = 0;
    way.absent = true;
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_ENOMEM);
    t.p.c->seen.calls = 0;
    assert_ok(plait_address_unix(PLAIT_LIT("/nowhere"), &local));
    client_start(t.p.c, plait_connect_address(t.p.n.r, &local, &o));
    client_expect(&t.p.n, t.p.c, PLAIT_EINVAL);
    tls_close(&t);
}

static void a_way_is_given_up_with_the_connect(void **state)
{
    struct tls_place t;
    struct way way;
    (void)state;
    way_open(&way, &t, "host.example", 99);
    way.silent = true;
    const struct plait_connect_options o = {.via = &way.via};
    client_start(t.p.c, plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o));
    net_turn(&t.p.n);
    bed_pass(&t.p.n.b, plait_seconds(31));
    client_expect(&t.p.n, t.p.c, PLAIT_ETIMEDOUT);
    assert_int_equal(way.cancelled, 1);
    t.p.c->seen.calls = 0;
    struct plait_deferred *d = plait_connect_host(t.p.n.r, PLAIT_LIT("host.example"), 99, &o);
    client_start(t.p.c, d);
    net_turn(&t.p.n);
    plait_deferred_cancel(d);
    client_expect(&t.p.n, t.p.c, PLAIT_ECANCELLED);
    assert_int_equal(way.cancelled, 2);
    tls_close(&t);
}

TEST_MAIN(cmocka_unit_test(tls_on_both_sides_is_up_before_anybody_is_told),
          cmocka_unit_test(a_name_that_does_not_fit_is_refused),
          cmocka_unit_test(the_hosts_name_is_verified_without_its_dot),
          cmocka_unit_test(tls_against_a_server_that_says_nothing_times_out),
          cmocka_unit_test(a_tls_client_that_says_nothing_is_not_waited_for_long),
          cmocka_unit_test(tls_follows_a_proxy_header), cmocka_unit_test(a_drain_ends_a_handshake),
          cmocka_unit_test(tls_comes_in_one_piece_with_a_proxy_header),
          cmocka_unit_test(what_a_server_says_first_is_not_lost),
          cmocka_unit_test(no_memory_for_tls_fails_and_leaves_nothing),
          cmocka_unit_test(a_way_through_something_leads_to_tls_with_the_host), cmocka_unit_test(tls_goes_inside_tls),
          cmocka_unit_test(no_memory_for_tls_inside_tls_fails_and_leaves_nothing),
          cmocka_unit_test(a_way_through_something_gives_a_plain_stream_too),
          cmocka_unit_test(staying_connected_verifies_the_name_that_was_given),
          cmocka_unit_test(a_way_that_ends_nowhere_fails_with_its_fault),
          cmocka_unit_test(a_way_is_given_up_with_the_connect))
