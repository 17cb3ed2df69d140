/* SPDX-License-Identifier: MIT
 *
 * The PROXY protocol: its codec, and listeners that expect it. Vectors are from the specification's examples and from
 * its rules.
 */
#include "tests/engine/net.h"

#include "engine/proxy_wire.h"

/* --- the codec ---------------------------------------------------------------------------------------------------- */

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

struct good {
    plait_slice bytes;
    bool told;
    const char *source, *destination;
};

#define TEN "0123456789"
#define PATH_16 "/tmp/0123456789a"
#define ZERO_10 "\0\0\0\0\0\0\0\0\0\0"
#define ZERO_92 ZERO_10 ZERO_10 ZERO_10 ZERO_10 ZERO_10 ZERO_10 ZERO_10 ZERO_10 ZERO_10 "\0\0"
#define ZERO_16 ZERO_10 "\0\0\0\0\0\0"

static const struct good good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), true, "192.0.2.1:56324", "192.0.2.2:443"},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), true, "255.255.255.255:65535",
     "255.255.255.255:65535"},
    {BYTES("PROXY TCP6 2001:db8::1 ::1 0 1\r\n"), true, "[2001:db8::1]:0", "[::1]:1"},
    {BYTES("PROXY UNKNOWN\r\n"), false, "-", "-"},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
           "65535\r\n"),
     false, "-", "-"},
    {BYTES(SIG "\x20\x00\x00\x00"), false, "-", "-"},
    {BYTES(SIG "\x20\x11\x00\x03zzz"), false, "-", "-"},
    {BYTES(SIG "\x21\x00\x00\x05zzzzz"), false, "-", "-"},
    {BYTES(SIG "\x21\x10\x00\x00"), false, "-", "-"},
    {BYTES(SIG "\x21\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50"), true, "192.0.2.1:12345",
     "127.0.0.1:80"},
    {BYTES(SIG "\x21\x12\x00\x13\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50\x04\x00\x04zzzz"), true,
     "192.0.2.1:12345", "127.0.0.1:80"},
    {BYTES(SIG "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" ZERO_10 "\0\0\0\0\0\x01\x00\x01\x00\x02"),
     true, "[2001:db8::1]:1", "[::1]:2"},
    {BYTES(SIG "\x21\x31\x00\xd8" PATH_16 ZERO_92 "\0name" ZERO_10 ZERO_92 "\0"), true, "unix:" PATH_16, "unix:@name"},
    {BYTES(SIG "\x21\x31\x00\xd8" ZERO_16 ZERO_92 ZERO_16 ZERO_92), true, "-", "-"},
};

static const struct {
    plait_slice bytes;
    plait_err err;
} bad[] = {
    {BYTES("GET / HTTP/1.1\r\n"), PLAIT_EMALFORMED},
    {BYTES("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY \r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY UNKNOWNS\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 ::1 ::1 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 1.1.1.1\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP6 fe80::1%2 ::1 1 2\r\n"), PLAIT_EMALFORMED},
    {BYTES("PROXY TCP4 " TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345"), PLAIT_ETOOLONG},
    {BYTES(SIG "\x11"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x22\x11\x00\x00"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x13\x00\x00"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x41\x00\x00"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x11\x00\x0b\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x11\x00\x0e\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50\x04\x00"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x11\x00\x10\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50\x04\x00\x02z"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x11\x00\x08\xc0\x00\x02\x01\x7f\x00\x00\x01"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x22\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x13\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x31\x00\x04/tmp"), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x31\x00\x6c" PATH_16 ZERO_92), PLAIT_EMALFORMED},
    {BYTES(SIG "\x21\x11\x10\x00"), PLAIT_ETOOLONG},
};

struct expected {
    const struct good *good;
    plait_err err;
};

/* Feeds the header in pieces, with a tail that is not its: before the last byte it must ask for more. */
static void feed(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct expected *e = ctx;
    struct plait__proxy_header h;
    size_t have = 0;
    size_t used = 0;
    size_t piece;
    plait_err err = PLAIT_EAGAIN;
    while ((piece = test_cut_next(cut)) > 0) {
        have += piece;
        if (err != PLAIT_EAGAIN)
            continue;
        uint8_t *exact = malloc(have);
        memcpy(exact, input.ptr, have);
        err = plait__proxy_parse(plait_slice_of(exact, have), &h, &used);
        free(exact);
        if (e->good && have < input.len)
            assert_err(err, PLAIT_EAGAIN);
    }
    assert_err(err, e->err);
    if (!e->good)
        return;
    char text[PLAIT_ADDR_TEXT_MAX];
    assert_int_equal(used, input.len);
    assert_int_equal(h.told, e->good->told);
    assert_string_equal(plait_address_format(&h.source, text), e->good->source);
    assert_string_equal(plait_address_format(&h.destination, text), e->good->destination);
}

static void good_headers_are_read_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        struct expected e = {&good[i], PLAIT_OK};
        test_every_cut(good[i].bytes, 20, feed, &e);
    }
}

static void bad_headers_are_refused_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        struct expected e = {NULL, bad[i].err};
        test_every_cut(bad[i].bytes, 20, feed, &e);
    }
}

static void what_follows_is_not_the_headers(void **state)
{
    struct plait__proxy_header h;
    size_t used;
    (void)state;
    assert_ok(plait__proxy_parse(PLAIT_LIT("PROXY UNKNOWN\r\nGET /\r\n"), &h, &used));
    assert_int_equal(used, 15);
}

static void the_longest_header_that_is_taken_is_taken(void **state)
{
    uint8_t bytes[PLAIT__PROXY_V2_MAX] = SIG "\x20\x00";
    struct plait__proxy_header h;
    size_t used = 0;
    (void)state;
    bytes[14] = (PLAIT__PROXY_V2_MAX - 16) >> 8;
    bytes[15] = (PLAIT__PROXY_V2_MAX - 16) & 0xff;
    assert_ok(plait__proxy_parse(plait_slice_of(bytes, sizeof bytes), &h, &used));
    assert_int_equal(used, sizeof bytes);
    assert_false(h.told);
}

/* A name that fills its field has no end that we could keep. */
static void a_name_without_an_end_is_none(void **state)
{
    uint8_t bytes[16 + 216];
    struct plait__proxy_header h;
    size_t used;
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, SIG "\x21\x31\x00\xd8", 16);
    assert_ok(plait__proxy_parse(plait_slice_of(bytes, sizeof bytes), &h, &used));
    assert_int_equal(h.source.kind, PLAIT_ADDR_NONE);
    bytes[16 + PLAIT_ADDR_NAME_MAX] = '\0'; /* the longest that has one */
    assert_ok(plait__proxy_parse(plait_slice_of(bytes, sizeof bytes), &h, &used));
    assert_int_equal(h.source.kind, PLAIT_ADDR_UNIX);
    assert_int_equal(h.source.name_len, PLAIT_ADDR_NAME_MAX);
}

static void what_is_written_reads_back(void **state)
{
    struct plait_budget budget;
    struct plait_buf buf;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 1000);
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        struct plait__proxy_header h;
        struct plait__proxy_header back;
        size_t used;
        assert_ok(plait__proxy_parse(good[i].bytes, &h, &used));
        plait_buf_clear(&buf);
        plait__proxy_put_v2(&buf, &h);
        assert_ok(plait__proxy_parse(plait_buf_slice(&buf), &back, &used));
        assert_int_equal(used, plait_buf_slice(&buf).len);
        assert_int_equal(back.told, h.told);
        assert_true(plait_address_equal(&back.source, &h.source));
        const bool ip = h.source.kind == PLAIT_ADDR_IP4 || h.source.kind == PLAIT_ADDR_IP6;
        plait_buf_clear(&buf);
        plait__proxy_put_v1(&buf, &h);
        assert_ok(plait__proxy_parse(plait_buf_slice(&buf), &back, &used));
        assert_int_equal(back.told, h.told && ip);
        if (back.told)
            assert_true(plait_address_equal(&back.destination, &h.destination));
    }
    struct plait__proxy_header mixed = {.told = true, .source = {.kind = PLAIT_ADDR_IP4}};
    plait_buf_clear(&buf);
    struct plait__proxy_header untold = mixed;
    untold.told = false;
    untold.destination = untold.source;
    plait__proxy_put_v1(&buf, &untold);
    assert_slice(plait_buf_slice(&buf), "PROXY UNKNOWN\r\n"); /* what isn't told stays so */
    plait_buf_clear(&buf);
    plait__proxy_put_v2(&buf, &mixed);
    assert_int_equal(plait_buf_slice(&buf).len, 16);
    assert_int_equal(plait_buf_slice(&buf).ptr[12], 0x20);
    plait_buf_deinit(&buf);
}

/* --- trust -------------------------------------------------------------------------------------------------------- */

static void trust_is_a_list_of_networks(void **state)
{
    static const struct {
        const char *list, *peer;
        bool trusted;
    } row[] = {{"127.0.0.1", "127.0.0.1", true},
               {"127.0.0.1", "127.0.0.2", false},
               {"10.0.0.0/8, 192.0.2.1", "10.9.8.7", true},
               {"10.0.0.0/8, 192.0.2.1", "192.0.2.1", true},
               {"10.0.0.0/8", "11.0.0.1", false},
               {"2001:db8::/32", "2001:db8:5::1", true},
               {"2001:db8::/32", "2001:db9::1", false},
               {"unix", "127.0.0.1", false}};
    struct net n;
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct plait_proxy_trust *trust;
        struct plait_address peer;
        assert_ok(plait_proxy_trust_new(n.r, plait_slice_text(row[i].list), &trust));
        assert_ok(plait_address_parse_ip(plait_slice_text(row[i].peer), 1, &peer));
        assert_int_equal(plait__proxy_trusts(trust, &peer), row[i].trusted);
        peer.kind = PLAIT_ADDR_NONE;
        assert_int_equal(plait__proxy_trusts(trust, &peer), strcmp(row[i].list, "unix") == 0);
        plait__proxy_trust_free(&trust);
    }
    net_close(&n);
}

static void a_bad_list_is_refused(void **state)
{
    static const char *const list[] = {"",       "localhost",  "10.0.0.0/33", "10.0.0.0/",
                                       "::/129", "127.0.0.1,", "1.1.1.1/x"};
    struct net n;
    struct plait_proxy_trust *trust;
    char many[65 * 8 + 1] = "";
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(list); i++)
        assert_err(plait_proxy_trust_new(n.r, plait_slice_text(list[i]), &trust), PLAIT_ESYNTAX);
    for (size_t i = 0; i < 65; i++)
        memcpy(many + i * 8, "1.1.1.1,", 8);
    assert_err(plait_proxy_trust_new(n.r, plait_slice_of(many, 65 * 8 - 1), &trust), PLAIT_ESYNTAX);
    bed_fail(&n.b, 1);
    assert_err(plait_proxy_trust_new(n.r, PLAIT_LIT("unix"), &trust), PLAIT_ENOMEM);
    bed_heal(&n.b);
    net_close(&n);
}

/* --- listeners ---------------------------------------------------------------------------------------------------- */

static struct plait_listener *listen_behind_proxy(struct net *n, struct srv *v, const char *list,
                                                  struct plait_listen_options o)
{
    assert_ok(plait_proxy_trust_new(n->r, plait_slice_text(list), &o.proxy));
    return net_listen(n, v, &o);
}

static void the_service_sees_the_true_addresses_and_what_followed(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    char text[PLAIT_ADDR_TEXT_MAX];
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.backlog = 5});
    const int fd = plain_connect(net_port(l));
    net_idle(&n);
    assert_int_equal(v.opened, 0);
    plain_send(fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\nhello"));
    net_until(&n, v.got_len == 5);
    assert_string_equal(v.got, "hello");
    assert_int_equal(v.connected, 1);
    assert_string_equal(plait_address_format(&v.peer, text), "192.0.2.1:1234");
    assert_string_equal(plait_address_format(&v.local, text), "192.0.2.2:443");
    assert_int_equal(l->peers.count, 1);
    assert_int_equal(l->anyone.count, 0);
    plain_send(fd, PLAIT_LIT(" again"));
    net_until(&n, v.got_len == 11);
    close(fd);
    net_until(&n, v.lost == 1);
    assert_int_equal(l->peers.count, 0);
    net_close(&n);
}

static void a_header_that_comes_in_pieces_is_waited_for(void **state)
{
    const char *header = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\nx";
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.backlog = 5});
    const int fd = plain_connect(net_port(l));
    for (const char *at = header; *at; at++) {
        plain_send(fd, plait_slice_of(at, 1));
        net_turn(&n);
    }
    net_until(&n, v.got_len == 1);
    close(fd);
    net_close(&n);
}

static void a_health_check_keeps_the_proxys_address(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.backlog = 5});
    const int fd = plain_connect(net_port(l));
    plain_send(fd, plait_slice_of(SIG "\x20\x00\x00\x00", 16));
    net_until(&n, v.connected == 1);
    assert_true(plait_address_is_loopback(&v.peer));
    close(fd);
    net_close(&n);
}

static void a_peer_that_is_not_trusted_is_turned_away(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "10.0.0.0/8", (struct plait_listen_options){.backlog = 5});
    const int fd = plain_connect(net_port(l));
    net_until(&n, plain_ended(fd));
    assert_true(bed_logged(&n.b, "no trusted proxy"));
    assert_int_equal(v.opened, 0);
    close(fd);
    net_close(&n);
}

static void a_bad_header_ends_the_connection(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.backlog = 5});
    int fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("GET / HTTP/1.1\r\n\r\n"));
    net_until(&n, plain_ended(fd));
    close(fd);
    fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("PROXY TCP4"));
    net_idle(&n);
    close(fd); /* in the middle */
    net_until(&n, plait_listener_count(l) == 0);
    assert_int_equal(v.opened, 0);
    net_close(&n);
}

static void a_header_that_does_not_come_is_not_waited_for_long(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l =
        listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.limits = {.handshake = 2000000000}});
    const int fd = plain_connect(net_port(l));
    net_until(&n, plait_listener_count(l) == 1);
    bed_pass(&n.b, plait_millis(1900));
    assert_false(plain_ended(fd));
    bed_pass(&n.b, plait_millis(200));
    net_until(&n, plain_ended(fd));
    close(fd);
    net_close(&n);
}

static void limits_per_peer_count_the_true_peer(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(
        &n, &v, "127.0.0.1",
        (struct plait_listen_options){.limits = {.connections_per_peer = 1, .handshake = PLAIT_NEVER}});
    const int x = plain_connect(net_port(l));
    const int y = plain_connect(net_port(l));
    const int z = plain_connect(net_port(l));
    plain_send(x, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
    net_until(&n, v.connected == 1);
    plain_send(y, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 2 443\r\n"));
    net_until(&n, plain_ended(y));
    plain_send(z, PLAIT_LIT("PROXY TCP4 192.0.2.9 192.0.2.2 2 443\r\n"));
    net_until(&n, v.connected == 2);
    close(x);
    close(y);
    close(z);
    net_close(&n);
}

static void a_peers_memory_moves_with_it_or_it_ends(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l =
        listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.limits = {.memory_per_peer = 100}});
    const int fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
    net_until(&n, plain_ended(fd));
    assert_int_equal(v.opened, 0);
    close(fd);
    net_close(&n);
}

static void no_memory_for_the_addresses_ends_the_connection(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = listen_behind_proxy(&n, &v, "127.0.0.1", (struct plait_listen_options){.backlog = 5});
    for (uint64_t k = 1; k <= 3; k++) {
        const int fd = plain_connect(net_port(l));
        net_until(&n, plait_listener_count(l) == 1);
        plain_send(fd, PLAIT_LIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"));
        bed_fail(&n.b, k);
        for (int i = 0; i < 5; i++)
            net_turn(&n);
        bed_heal(&n.b);
        net_until(&n, plain_ended(fd) || v.connected > 0);
        close(fd);
        net_until(&n, plait_listener_count(l) == 0);
    }
    const int fd = plain_connect(net_port(l)); /* and for the handshake itself */
    bed_fail(&n.b, 1);
    for (int i = 0; i < 5; i++)
        net_turn(&n);
    bed_heal(&n.b);
    net_until(&n, plain_ended(fd));
    close(fd);
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(good_headers_are_read_however_they_are_cut),
          cmocka_unit_test(bad_headers_are_refused_however_they_are_cut),
          cmocka_unit_test(what_follows_is_not_the_headers), cmocka_unit_test(a_name_without_an_end_is_none),
          cmocka_unit_test(the_longest_header_that_is_taken_is_taken), cmocka_unit_test(what_is_written_reads_back),
          cmocka_unit_test(trust_is_a_list_of_networks), cmocka_unit_test(a_bad_list_is_refused),
          cmocka_unit_test(the_service_sees_the_true_addresses_and_what_followed),
          cmocka_unit_test(a_header_that_comes_in_pieces_is_waited_for),
          cmocka_unit_test(a_health_check_keeps_the_proxys_address),
          cmocka_unit_test(a_peer_that_is_not_trusted_is_turned_away),
          cmocka_unit_test(a_bad_header_ends_the_connection),
          cmocka_unit_test(a_header_that_does_not_come_is_not_waited_for_long),
          cmocka_unit_test(limits_per_peer_count_the_true_peer),
          cmocka_unit_test(a_peers_memory_moves_with_it_or_it_ends),
          cmocka_unit_test(no_memory_for_the_addresses_ends_the_connection))
