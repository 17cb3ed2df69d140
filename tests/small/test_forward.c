/* SPDX-License-Identifier: MIT
 *
 * Port forwarding: both ways and half by half, what the target is told, targets that can't be reached or are slow,
 * guests that leave, TLS, silence, memory that runs out.
 */
#include "tests/engine/connect_bed.h"
#include "tests/support/certs.h"

#include <plait/forward.h>

/* A target, which is the place's server, and a listener that carries on to it. */
struct way {
    struct place p;
    struct plait_listener *l;
    char target[64];
};

static void way_open(struct way *w, const struct plait_forward_options *o)
{
    struct plait_service *service;
    const struct plait_address a = loopback(0);
    place_open(&w->p);
    (void)snprintf(w->target, sizeof w->target, "tcp:127.0.0.1:%u", w->p.at.port);
    assert_ok(plait_forward_new(w->p.n.r, w->target, o, &service, NULL));
    assert_ok(plait_listen(w->p.n.r, &a, NULL, service, &w->l));
}

static int guest(struct way *w)
{
    return plain_connect(net_port(w->l));
}

static void receive(struct way *w, int fd, const char *want)
{
    char got[2000];
    size_t len = 0;
    const size_t all = strlen(want);
    net_until(&w->p.n, (len += plain_receive(fd, got + len, sizeof got - len)) >= all);
    assert_string_equal(got, want);
}

/* What the guest's next read says at last: 0, or an errno. */
static int end_of(struct net *n, int fd)
{
    char byte;
    ssize_t got = -1;
    net_until(n, (got = recv(fd, &byte, 1, MSG_DONTWAIT)) == 0 || (got < 0 && errno != EAGAIN));
    return got == 0 ? 0 : errno;
}

static void bytes_go_both_ways(void **state)
{
    struct way w;
    (void)state;
    way_open(&w, NULL);
    const int fd = guest(&w);
    plain_send(fd, PLAIT_LIT("early")); /* before the target is there */
    receive(&w, fd, "early");
    plain_send(fd, PLAIT_LIT(" and late"));
    receive(&w, fd, " and late");
    assert_string_equal(w.p.v.got, "early and late");
    close(fd);
    net_until(&w.p.n, w.p.v.lost == 1);
    assert_err(w.p.v.fault.err, PLAIT_EEOF);
    net_until(&w.p.n, plait_listener_count(w.l) == 0);
    place_close(&w.p);
}

/* The target answers after the guest has said all, as HTTP/1.0 and finger do. */
static void one_half_ends_before_the_other(void **state)
{
    struct way w;
    char got[20];
    struct plait_service *service;
    struct plait_listener *l;
    const struct plait_address a = loopback(0);
    uint16_t port;
    (void)state;
    place_open(&w.p);
    const int own = plain_listener(&port);
    (void)snprintf(w.target, sizeof w.target, "tcp:127.0.0.1:%u", port);
    assert_ok(plait_forward_new(w.p.n.r, w.target, NULL, &service, NULL));
    assert_ok(plait_listen(w.p.n.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("all"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    net_idle(&w.p.n);
    const int target = accept4(own, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(target >= 0);
    net_idle(&w.p.n);
    assert_int_equal(recv(target, got, sizeof got, 0), 3);
    assert_int_equal(recv(target, got, sizeof got, 0), 0);
    plain_send(target, PLAIT_LIT("answer"));
    net_idle(&w.p.n);
    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 6);
    close(target);
    net_until(&w.p.n, plain_ended(fd));
    close(fd);
    close(own);
    net_until(&w.p.n, w.p.n.r->stream_count == 0);
    place_close(&w.p);
}

static void a_target_that_refuses_resets_the_guest(void **state)
{
    struct way w;
    (void)state;
    way_open(&w, NULL);
    plait_listener_close(&w.p.l);
    const int fd = guest(&w);
    assert_int_equal(end_of(&w.p.n, fd), ECONNRESET);
    assert_true(bed_logged(&w.p.n.b, "forward-failed"));
    assert_true(bed_logged(&w.p.n.b, w.target));
    close(fd);
    place_close(&w.p);
}

static void a_target_that_does_not_answer_is_given_up(void **state)
{
    struct blackhole hole;
    struct place p;
    struct plait_service *service;
    struct plait_listener *l;
    char target[64];
    const struct plait_address a = loopback(0);
    (void)state;
    blackhole_open(&hole, 21, 0);
    place_open(&p);
    (void)snprintf(target, sizeof target, "tcp:127.0.0.21:%u", hole.at.port);
    assert_ok(plait_forward_new(p.n.r, target, NULL, &service, NULL));
    assert_ok(plait_listen(p.n.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    net_until(&p.n, plait_listener_count(l) == 1);
    bed_pass(&p.n.b, plait_millis(9900));
    net_idle(&p.n);
    assert_false(plain_ended(fd));
    bed_pass(&p.n.b, plait_millis(200));
    net_until(&p.n, plain_ended(fd));
    close(fd);
    place_close(&p);
    blackhole_close(&hole);
}

/* A connect ends with the guest whom it is for. */
static void a_drain_ends_who_waits(void **state)
{
    struct blackhole hole;
    struct place p;
    struct plait_service *service;
    struct plait_listener *l;
    char target[64];
    const struct plait_address a = loopback(0);
    (void)state;
    blackhole_open(&hole, 22, 0);
    place_open(&p);
    (void)snprintf(target, sizeof target, "tcp:127.0.0.22:%u", hole.at.port);
    assert_ok(plait_forward_new(p.n.r, target, NULL, &service, NULL));
    assert_ok(plait_listen(p.n.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    net_until(&p.n, plait_listener_count(l) == 1);
    net_idle(&p.n);
    plait_deferred_ignore(plait_drain(p.n.r, plait_seconds(1)));
    net_until(&p.n, plain_ended(fd));
    close(fd);
    net_until(&p.n, p.n.r->stream_count == 0);
    place_close(&p);
    blackhole_close(&hole);
}

static void a_target_that_breaks_off_resets_the_guest(void **state)
{
    struct way w;
    (void)state;
    way_open(&w, NULL);
    const int fd = guest(&w);
    net_until(&w.p.n, w.p.v.connected == 1);
    plait_abort(w.p.v.s);
    assert_int_equal(end_of(&w.p.n, fd), ECONNRESET);
    close(fd);
    net_idle(&w.p.n);
    assert_int_equal(w.p.n.r->stream_count, 0);
    place_close(&w.p);
}

static void silence_ends_a_connection(void **state)
{
    struct way w;
    const struct plait_forward_options o = {.idle = plait_seconds(5)};
    (void)state;
    way_open(&w, &o);
    const int fd = guest(&w);
    plain_send(fd, PLAIT_LIT("x"));
    receive(&w, fd, "x");
    bed_pass(&w.p.n.b, plait_millis(4900));
    net_idle(&w.p.n);
    assert_false(plain_ended(fd));
    bed_pass(&w.p.n.b, plait_millis(200));
    net_until(&w.p.n, plain_ended(fd));
    close(fd);
    place_close(&w.p);
}

static void the_target_is_told_whom_it_is_for(void **state)
{
    static const enum plait_forward_header headers[] = {PLAIT_FORWARD_PROXY_V1, PLAIT_FORWARD_PROXY_V2};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(headers); i++) {
        struct way w;
        char want[200];
        const struct plait_forward_options o = {.header = headers[i]};
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        way_open(&w, &o);
        const int fd = plain_connect_from(net_port(w.l), 0x7f000009);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
        plain_send(fd, PLAIT_LIT("hello"));
        if (i == 0) {
            (void)snprintf(want, sizeof want, "PROXY TCP4 127.0.0.9 127.0.0.1 %u %u\r\nhello", ntohs(from.sin_port),
                           net_port(w.l));
            net_until(&w.p.n, w.p.v.got_len >= strlen(want));
            assert_string_equal(w.p.v.got, want);
        } else {
            static const uint8_t head[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x09\x7f\0\0\x01";
            net_until(&w.p.n, w.p.v.got_len >= 33);
            assert_memory_equal(w.p.v.got, head, 24);
            assert_memory_equal(w.p.v.got + 24, &from.sin_port, 2);
            assert_memory_equal(w.p.v.got + 28, "hello", 5);
        }
        close(fd);
        net_until(&w.p.n, w.p.v.lost == 1);
        place_close(&w.p);
    }
}

/* Behind the header, which is not encrypted, comes TLS. */
static void a_target_may_speak_tls_behind_the_header(void **state)
{
    struct place p;
    struct test_cert cert;
    struct plait_tls_server *server;
    struct plait_tls_client *client;
    struct plait_listener *secure, *l;
    struct plait_listen_options lo = {.backlog = 5};
    struct plait_service *service;
    char target[64], name[] = "host.example", why[200];
    const struct plait_address a = loopback(0);
    (void)state;
    test_cert_make(&cert, NULL, &(struct test_cert_ask){.subject = "host", .san = "DNS:host.example"});
    place_open(&p);
    const struct plait_tls_server_options so = {.cert_pem = cert.cert_pem, .key_pem = cert.key_pem};
    const struct plait_tls_client_options co = {.ca_pem = cert.cert_pem};
    assert_ok(plait_tls_server_new(p.n.r, &so, &server, why));
    assert_ok(plait_tls_client_new(p.n.r, &co, &client, why));
    lo.tls = server;
    assert_ok(plait_proxy_trust_new(p.n.r, PLAIT_LIT("127.0.0.1"), &lo.proxy));
    secure = net_listen(&p.n, &p.v, &lo);
    (void)snprintf(target, sizeof target, "tls:127.0.0.1:%u", net_port(secure));
    const struct plait_forward_options o = {
        .header = PLAIT_FORWARD_PROXY_V2, .connect = {.tls = client, .server_name = name, .alpn = PLAIT_LIT("\001x")}};
    assert_ok(plait_forward_new(p.n.r, target, &o, &service, why));
    memset(name, 'x', sizeof name - 1); /* it was copied */
    plait_tls_client_unref(&client);
    plait_tls_server_unref(&server);
    assert_ok(plait_listen(p.n.r, &a, NULL, service, &l));
    const int fd = plain_connect_from(net_port(l), 0x7f000009);
    plain_send(fd, PLAIT_LIT("hello"));
    net_until(&p.n, p.v.got_len == 5);
    assert_int_equal(p.v.secured, 1);
    assert_int_equal(p.v.peer.ip[3], 9);
    close(fd);
    net_until(&p.n, p.v.lost == 1);
    place_close(&p);
    test_cert_end(&cert);
}

static void targets_may_be_forbidden(void **state)
{
    struct way w;
    struct plait_forward_options o = {.idle = 0};
    struct plait_service *service;
    const struct plait_address a = loopback(0);
    (void)state;
    place_open(&w.p);
    assert_ok(plait_target_rules_new(w.p.n.r, NULL, &o.connect.targets)); /* what is public */
    (void)snprintf(w.target, sizeof w.target, "tcp:127.0.0.1:%u", w.p.at.port);
    assert_ok(plait_forward_new(w.p.n.r, w.target, &o, &service, NULL));
    plait_target_rules_unref(&o.connect.targets);
    assert_ok(plait_listen(w.p.n.r, &a, NULL, service, &w.l));
    const int fd = guest(&w);
    net_until(&w.p.n, plain_ended(fd));
    assert_int_equal(w.p.v.opened, 0);
    close(fd);
    place_close(&w.p);
}

static void an_endpoint_that_is_none_is_refused(void **state)
{
    struct place p;
    struct plait_service *service;
    char why[200];
    (void)state;
    place_open(&p);
    assert_err(plait_forward_new(p.n.r, ":80", NULL, &service, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "kind"));
    assert_err(plait_forward_new(p.n.r, "tpc:h:80", NULL, &service, why), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "did you mean \"tcp\""));
    place_close(&p);
}

static void without_memory_there_is_no_service(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 20 && !worked; k++) {
        struct place p;
        struct plait_service *service = NULL;
        place_open(&p);
        bed_fail(&p.n.b, k);
        const plait_err err = plait_forward_new(p.n.r, "tcp:127.0.0.1:1", NULL, &service, NULL);
        bed_heal(&p.n.b);
        worked = err == PLAIT_OK;
        if (!worked)
            assert_err(err, PLAIT_ENOMEM);
        plait_service_unref(&service);
        place_close(&p);
    }
    assert_true(worked);
}

/* Whatever lacks memory, the guest is answered or reset, and nothing is left. */
static void without_memory_a_guest_is_reset(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 60 && !worked; k++) {
        struct way w;
        const struct plait_forward_options o = {.header = PLAIT_FORWARD_PROXY_V1};
        char got[200];
        size_t len = 0;
        way_open(&w, &o);
        w.p.n.r->fd_streams.per_page = 1;
        bed_fill(&w.p.n.b);
        const int fd = guest(&w);
        plain_send(fd, PLAIT_LIT("hello"));
        w.p.n.b.heap.fail_at = w.p.n.b.heap.calls + k;
        for (int i = 0; i < 50 && !plain_ended(fd) && len < 40; i++) {
            net_idle(&w.p.n);
            len += plain_receive(fd, got + len, sizeof got - len);
        }
        worked = w.p.n.b.heap.calls < w.p.n.b.heap.fail_at;
        w.p.n.b.heap.fail_at = 0;
        assert_true(len >= 40 || plain_ended(fd));
        close(fd);
        net_idle(&w.p.n);
        bed_pass(&w.p.n.b, plait_millis(20)); /* a target that nobody took */
        net_until(&w.p.n, w.p.n.r->stream_count == 0);
        place_close(&w.p);
    }
    assert_true(worked);
}

TEST_MAIN(cmocka_unit_test(bytes_go_both_ways), cmocka_unit_test(one_half_ends_before_the_other),
          cmocka_unit_test(a_target_that_refuses_resets_the_guest),
          cmocka_unit_test(a_target_that_does_not_answer_is_given_up), cmocka_unit_test(a_drain_ends_who_waits),
          cmocka_unit_test(a_target_that_breaks_off_resets_the_guest), cmocka_unit_test(silence_ends_a_connection),
          cmocka_unit_test(the_target_is_told_whom_it_is_for),
          cmocka_unit_test(a_target_may_speak_tls_behind_the_header), cmocka_unit_test(targets_may_be_forbidden),
          cmocka_unit_test(an_endpoint_that_is_none_is_refused), cmocka_unit_test(without_memory_there_is_no_service),
          cmocka_unit_test(without_memory_a_guest_is_reset))
