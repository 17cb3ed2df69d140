/* SPDX-License-Identifier: MIT
 *
 * The messages of SOCKS 4, 4a and 5 (RFC 1928, RFC 1929): each is told from each of its beginnings, written as it was
 * read, and refused where it is none.
 */
#include "tests/support/test.h"

#include "small/socks_wire.h"

#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }
#define SLICE(literal) plait_slice_of((literal), sizeof(literal) - 1)

enum { ROUNDS = 20, MESSAGE_BYTES = 1024 };

/* --- reading and writing, by kind of message ---------------------------------------------------------------------- */

/* Reads a message, writes it again to `out`, and tells in a text what it said. */
struct kind {
    plait_err (*parse)(plait_slice in, struct plait_buf *out, char *told, size_t *used);
};

static void tell_end(char *told, const char *what, unsigned code, const struct plait__socks_end *end, plait_slice user)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    int at = snprintf(told, MESSAGE_BYTES, "%s %u ", what, code);
    if (end->name.len > 0)
        at += snprintf(told + at, MESSAGE_BYTES / 2, "%.*s port %u", (int)end->name.len, (const char *)end->name.ptr,
                       end->address.port);
    else
        at += snprintf(told + at, sizeof text, "%s", plait_address_format(&end->address, text));
    if (user.len > 0)
        (void)snprintf(told + at, MESSAGE_BYTES / 4, " for %.*s", (int)user.len, (const char *)user.ptr);
}

static plait_err request4(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    struct plait__socks_request r;
    const plait_err err = plait__socks4_parse_request(in, &r, used);
    if (err != PLAIT_OK)
        return err;
    tell_end(told, "request", r.command, &r.to, r.user);
    plait__socks4_put_request(out, &r);
    return PLAIT_OK;
}

static plait_err reply4(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    struct plait__socks_reply r;
    const plait_err err = plait__socks4_parse_reply(in, &r, used);
    if (err != PLAIT_OK)
        return err;
    tell_end(told, "reply", r.code, &r.bound, PLAIT_LIT(""));
    plait__socks4_put_reply(out, &r);
    return PLAIT_OK;
}

static plait_err request5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    struct plait__socks_request r;
    const plait_err err = plait__socks5_parse_request(in, &r, used);
    if (err != PLAIT_OK)
        return err;
    tell_end(told, "request", r.command, &r.to, r.user);
    plait__socks5_put_request(out, &r);
    return PLAIT_OK;
}

static plait_err reply5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    struct plait__socks_reply r;
    const plait_err err = plait__socks5_parse_reply(in, &r, used);
    if (err != PLAIT_OK)
        return err;
    tell_end(told, "reply", r.code, &r.bound, PLAIT_LIT(""));
    plait__socks5_put_reply(out, &r);
    return PLAIT_OK;
}

static plait_err methods5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    plait_slice methods;
    const plait_err err = plait__socks5_parse_methods(in, &methods, used);
    if (err != PLAIT_OK)
        return err;
    (void)snprintf(told, MESSAGE_BYTES, "methods");
    for (size_t i = 0; i < methods.len; i++)
        (void)snprintf(told + strlen(told), 8, " %u", methods.ptr[i]);
    plait__socks5_put_methods(out, methods);
    return PLAIT_OK;
}

static plait_err method5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    uint8_t method;
    const plait_err err = plait__socks5_parse_method(in, &method, used);
    if (err != PLAIT_OK)
        return err;
    (void)snprintf(told, MESSAGE_BYTES, "method %u", method);
    plait__socks5_put_method(out, method);
    return PLAIT_OK;
}

static plait_err login5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    plait_slice user;
    plait_slice password;
    const plait_err err = plait__socks5_parse_login(in, &user, &password, used);
    if (err != PLAIT_OK)
        return err;
    (void)snprintf(told, MESSAGE_BYTES, "login %.*s:%.*s", (int)user.len, (const char *)user.ptr, (int)password.len,
                   (const char *)password.ptr);
    plait__socks5_put_login(out, user, password);
    return PLAIT_OK;
}

static plait_err verdict5(plait_slice in, struct plait_buf *out, char *told, size_t *used)
{
    bool right;
    const plait_err err = plait__socks5_parse_verdict(in, &right, used);
    if (err != PLAIT_OK)
        return err;
    (void)snprintf(told, MESSAGE_BYTES, "%s", right ? "right" : "wrong");
    plait__socks5_put_verdict(out, right);
    return PLAIT_OK;
}

static const struct kind a_request4 = {request4}, a_reply4 = {reply4}, a_request5 = {request5}, a_reply5 = {reply5},
                         some_methods = {methods5}, a_method = {method5}, a_login = {login5}, a_verdict = {verdict5};

#define IP6_BYTES_1 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"

static const struct row {
    const struct kind *kind;
    plait_slice bytes;
    const char *told;
} good[] = {
    {&a_request4,
     BYTES("\x04\x01\0\x50\xc0\0\x02\x01"
           "ann\0"),
     "request 1 192.0.2.1:80 for ann"},
    {&a_request4, BYTES("\x04\x02\0\x15\xc0\0\x02\x01\0"), "request 2 192.0.2.1:21"},
    {&a_request4, BYTES("\x04\x01\x01\xbb\0\0\0\x01\0example.com\0"), "request 1 example.com port 443"},
    {&a_request4, BYTES("\x04\x01\x01\xbb\0\0\0\x01me\0h\0"), "request 1 h port 443 for me"},
    {&a_request4, BYTES("\x04\x02\0\0\0\0\0\0\0"), "request 2 0.0.0.0:0"},
    {&a_reply4, BYTES("\0\x5a\0\x50\xc0\0\x02\x01"), "reply 90 192.0.2.1:80"},
    {&a_reply4, BYTES("\0\x5b\0\0\0\0\0\0"), "reply 91 0.0.0.0:0"},
    {&some_methods, BYTES("\x05\x01\0"), "methods 0"},
    {&some_methods, BYTES("\x05\x03\0\x01\x02"), "methods 0 1 2"},
    {&a_method, BYTES("\x05\0"), "method 0"},
    {&a_method, BYTES("\x05\xff"), "method 255"},
    {&a_login,
     BYTES("\x01\x03"
           "ann\x06secret"),
     "login ann:secret"},
    {&a_login,
     BYTES("\x01\x03"
           "ann\0"),
     "login ann:"},
    {&a_login, BYTES("\x01\0\0"), "login :"},
    {&a_verdict, BYTES("\x01\0"), "right"},
    {&a_verdict, BYTES("\x01\x01"), "wrong"},
    {&a_request5, BYTES("\x05\x01\0\x01\xc0\0\x02\x01\0\x50"), "request 1 192.0.2.1:80"},
    {&a_request5, BYTES("\x05\x01\0\x04" IP6_BYTES_1 "\0\x50"), "request 1 [2001:db8::1]:80"},
    {&a_request5,
     BYTES("\x05\x02\0\x03\x0b"
           "example.com\x01\xbb"),
     "request 2 example.com port 443"},
    {&a_request5, BYTES("\x05\x03\0\x01\0\0\0\0\0\0"), "request 3 0.0.0.0:0"},
    {&a_reply5, BYTES("\x05\0\0\x01\xc0\0\x02\x01\xff\xff"), "reply 0 192.0.2.1:65535"},
    {&a_reply5, BYTES("\x05\x05\0\x01\0\0\0\0\0\0"), "reply 5 0.0.0.0:0"},
    {&a_reply5, BYTES("\x05\0\0\x03\x01h\0\x01"), "reply 0 h port 1"},
};

/* What came so far is read anew with each piece, as a stream's reader does. */
static void run_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct row *row = ctx;
    struct plait_budget budget;
    struct plait_buf out;
    char told[MESSAGE_BYTES] = "";
    size_t have = 0;
    size_t used = 0;
    plait_err err = PLAIT_EAGAIN;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, MESSAGE_BYTES);
    for (size_t n = test_cut_next(cut); n > 0; n = test_cut_next(cut)) {
        assert_err(err, PLAIT_EAGAIN);
        have += n;
        err = row->kind->parse(plait_slice_sub(input, 0, have), &out, told, &used);
    }
    assert_ok(err);
    assert_int_equal(used, input.len);
    assert_string_equal(told, row->told);
    assert_ok(out.err);
    assert_slice_is(plait_buf_slice(&out), input);
    plait_buf_deinit(&out);
}

static void messages_are_read_however_they_come_and_written_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        struct row row = good[i];
        test_every_cut(row.bytes, ROUNDS, run_cut, &row);
    }
}

static void what_follows_a_message_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        struct plait_budget budget;
        struct plait_buf in;
        struct plait_buf out;
        char told[MESSAGE_BYTES];
        size_t used;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&in, &budget, MESSAGE_BYTES);
        plait_buf_init(&out, &budget, MESSAGE_BYTES);
        plait_buf_put(&in, good[i].bytes);
        plait_buf_put_text(&in, "GET / HTTP/1.1");
        assert_ok(good[i].kind->parse(plait_buf_slice(&in), &out, told, &used));
        assert_int_equal(used, good[i].bytes.len);
        plait_buf_deinit(&in);
        plait_buf_deinit(&out);
    }
}

static const struct {
    const struct kind *kind;
    plait_slice bytes;
    plait_err err;
} bad[] = {
    {&a_request4, BYTES(""), PLAIT_EAGAIN},
    {&a_request4, BYTES("\x05"), PLAIT_EMALFORMED},
    {&a_request4, BYTES("\x04\x01\x01\xbb\0\0\0\x01\0\0"), PLAIT_EMALFORMED}, /* a name that is empty */
    {&a_request4, BYTES("\x04\x01\x01\xbb\0\0\0\x01\0a b\0"), PLAIT_EMALFORMED},
    {&a_request4, BYTES("\x04\x01\x01\xbb\0\0\0\x01\0a\x7f\0"), PLAIT_EMALFORMED},
    {&a_reply4, BYTES("\x04\x5a"), PLAIT_EMALFORMED},
    {&some_methods, BYTES("\x04\x01"), PLAIT_EMALFORMED},
    {&some_methods, BYTES("\x05\0"), PLAIT_EMALFORMED},
    {&a_method, BYTES("HT"), PLAIT_EMALFORMED},
    {&a_login, BYTES("\x05\x01"), PLAIT_EMALFORMED},
    {&a_verdict, BYTES("\x05\0"), PLAIT_EMALFORMED},
    {&a_request5, BYTES("\x04\x01"), PLAIT_EMALFORMED},
    {&a_request5, BYTES("\x05\x01\0\x02"), PLAIT_EUNSUPPORTED},
    {&a_request5, BYTES("\x05\x01\0\x03\0\0\x50"), PLAIT_EMALFORMED},
    {&a_request5,
     BYTES("\x05\x01\0\x03\x03"
           "a\0b\0\x50"),
     PLAIT_EMALFORMED},
    {&a_reply5, BYTES("\x05\0\0\0"), PLAIT_EUNSUPPORTED},
    {&a_reply5, BYTES("\x01\0"), PLAIT_EMALFORMED},
};

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        char told[MESSAGE_BYTES];
        size_t used;
        assert_err(bad[i].kind->parse(bad[i].bytes, NULL, told, &used), bad[i].err);
    }
}

static void a_command_is_known_although_its_address_is_not(void **state)
{
    (void)state;
    struct plait__socks_request r;
    size_t used;
    assert_err(plait__socks5_parse_request(SLICE("\x05\x02\0\x09"), &r, &used), PLAIT_EUNSUPPORTED);
    assert_int_equal(r.command, PLAIT__SOCKS_BIND);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static plait_err parse_long(size_t user, size_t name)
{
    char bytes[MESSAGE_BYTES] = {4, 1, 0, 80, 0, 0, 0, 1};
    struct plait__socks_request r;
    size_t used;
    memset(bytes + 8, 'u', user);
    memset(bytes + 8 + user + 1, 'n', name);
    const plait_err err = plait__socks4_parse_request(plait_slice_of(bytes, 8 + user + 1 + name + 1), &r, &used);
    if (err == PLAIT_OK)
        assert_int_equal(r.to.name.len, name);
    return err;
}

static void texts_of_version_4_have_at_most_255_bytes(void **state)
{
    (void)state;
    assert_ok(parse_long(255, 255));
    assert_err(parse_long(256, 1), PLAIT_ETOOLONG);
    assert_err(parse_long(1, 256), PLAIT_ETOOLONG);
}

static void a_text_without_an_end_is_refused_before_it_ends(void **state)
{
    (void)state;
    uint8_t bytes[8 + 256] = {4, 1, 0, 80, 192, 0, 2, 1};
    struct plait__socks_request r;
    size_t used;
    memset(bytes + 8, 'u', 256);
    assert_err(plait__socks4_parse_request(plait_slice_of(bytes, 8 + 255), &r, &used), PLAIT_EAGAIN);
    assert_err(plait__socks4_parse_request(plait_slice_of(bytes, 8 + 256), &r, &used), PLAIT_ETOOLONG);
}

/* --- what can't be written ---------------------------------------------------------------------------------------- */

static char long_text[PLAIT__SOCKS_TEXT_MAX + 1];

static int fill_long_text(void **state)
{
    (void)state;
    memset(long_text, 'n', sizeof long_text);
    return 0;
}

static plait_err put_request(void (*put)(struct plait_buf *buf, const struct plait__socks_request *request),
                             plait_slice name, const char *ip, plait_slice user)
{
    struct plait_budget budget;
    struct plait_buf buf;
    struct plait__socks_request r = {.command = PLAIT__SOCKS_CONNECT, .to.name = name, .user = user};
    if (ip)
        assert_ok(plait_address_parse_ip(plait_slice_text(ip), 80, &r.to.address));
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, MESSAGE_BYTES);
    put(&buf, &r);
    const plait_err err = buf.err;
    plait_buf_deinit(&buf);
    return err;
}

static void a_request_of_version_4_that_cannot_be_said_is_an_error(void **state)
{
    (void)state;
    const plait_slice none = PLAIT_LIT("");
    const plait_slice longest = plait_slice_of(long_text, PLAIT__SOCKS_TEXT_MAX);
    const plait_slice longer = plait_slice_of(long_text, sizeof long_text);
    assert_ok(put_request(plait__socks4_put_request, none, "192.0.2.1", longest));
    assert_ok(put_request(plait__socks4_put_request, longest, NULL, none));
    assert_err(put_request(plait__socks4_put_request, none, "192.0.2.1", longer), PLAIT_EINVAL);
    assert_err(put_request(plait__socks4_put_request, longer, NULL, none), PLAIT_EINVAL);
    assert_err(put_request(plait__socks4_put_request, none, "192.0.2.1", SLICE("a\0b")), PLAIT_EINVAL);
    assert_err(put_request(plait__socks4_put_request, PLAIT_LIT("a b"), NULL, none), PLAIT_EINVAL);
    assert_err(put_request(plait__socks4_put_request, none, "0.0.0.9", none), PLAIT_EINVAL);
    assert_err(put_request(plait__socks4_put_request, none, "2001:db8::1", none), PLAIT_EUNSUPPORTED);
    assert_err(put_request(plait__socks4_put_request, none, "2001:db8::1", longer), PLAIT_EUNSUPPORTED); /* the first */
}

static void a_name_of_version_5_that_cannot_be_said_is_an_error(void **state)
{
    (void)state;
    const plait_slice none = PLAIT_LIT("");
    assert_ok(put_request(plait__socks5_put_request, plait_slice_of(long_text, PLAIT__SOCKS_TEXT_MAX), NULL, none));
    assert_err(put_request(plait__socks5_put_request, plait_slice_of(long_text, sizeof long_text), NULL, none),
               PLAIT_EINVAL);
    assert_err(put_request(plait__socks5_put_request, PLAIT_LIT("a\nb"), NULL, none), PLAIT_EINVAL);
}

static void logins_and_methods_that_cannot_be_said_are_errors(void **state)
{
    (void)state;
    const plait_slice longer = plait_slice_of(long_text, sizeof long_text);
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, MESSAGE_BYTES);
    plait__socks5_put_login(&buf, longer, PLAIT_LIT("p"));
    assert_err(buf.err, PLAIT_EINVAL);
    plait_buf_clear(&buf);
    plait__socks5_put_login(&buf, PLAIT_LIT("u"), longer);
    assert_err(buf.err, PLAIT_EINVAL);
    plait_buf_clear(&buf);
    plait__socks5_put_methods(&buf, PLAIT_LIT(""));
    assert_err(buf.err, PLAIT_EINVAL);
    plait_buf_deinit(&buf);
}

static void an_address_of_no_kind_is_written_as_zeros(void **state)
{
    (void)state;
    const struct plait__socks_reply failed = {.code = PLAIT__SOCKS5_FAILED, .bound.address.port = 7};
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, MESSAGE_BYTES);
    plait__socks5_put_reply(&buf, &failed);
    assert_slice_is(plait_buf_slice(&buf), SLICE("\x05\x01\0\x01\0\0\0\0\0\x07"));
    plait_buf_clear(&buf);
    plait__socks4_put_reply(&buf, &failed);
    assert_slice_is(plait_buf_slice(&buf), SLICE("\0\x01\0\x07\0\0\0\0"));
    plait_buf_deinit(&buf);
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static const struct {
    plait_slice bytes;
    const char *told, *data;
} datagrams[] = {
    {BYTES("\0\0\0\x01\xc0\0\x02\x01\0\x35query"), "to 0 192.0.2.1:53", "query"},
    {BYTES("\0\0\0\x04" IP6_BYTES_1 "\0\x35q"), "to 0 [2001:db8::1]:53", "q"},
    {BYTES("\0\0\0\x03\x04host\0\x35"), "to 0 host port 53", ""},
};

static void datagrams_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(datagrams); i++) {
        struct plait_budget budget;
        struct plait_buf buf;
        struct plait__socks_end end;
        plait_slice data;
        char told[MESSAGE_BYTES];
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&buf, &budget, MESSAGE_BYTES);
        assert_ok(plait__socks5_parse_datagram(datagrams[i].bytes, &end, &data));
        tell_end(told, "to", 0, &end, PLAIT_LIT(""));
        assert_string_equal(told, datagrams[i].told);
        assert_slice(data, datagrams[i].data);
        plait__socks5_put_datagram(&buf, &end, data);
        assert_slice_is(plait_buf_slice(&buf), datagrams[i].bytes);
        plait_buf_deinit(&buf);
    }
}

static void a_datagram_that_is_cut_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(datagrams); i++) {
        const size_t head = datagrams[i].bytes.len - strlen(datagrams[i].data);
        for (size_t len = 0; len < head; len++) {
            struct plait__socks_end end;
            plait_slice data;
            assert_err(plait__socks5_parse_datagram(plait_slice_sub(datagrams[i].bytes, 0, len), &end, &data),
                       PLAIT_EMALFORMED);
        }
    }
}

static void fragments_and_unknown_addresses_are_not_supported(void **state)
{
    (void)state;
    struct plait__socks_end end;
    plait_slice data;
    assert_err(plait__socks5_parse_datagram(SLICE("\0\0\x01\x01\xc0\0\x02\x01\0\x35q"), &end, &data),
               PLAIT_EUNSUPPORTED);
    assert_err(plait__socks5_parse_datagram(SLICE("\0\0\0\x02\xc0\0\x02\x01\0\x35q"), &end, &data), PLAIT_EUNSUPPORTED);
    assert_err(plait__socks5_parse_datagram(SLICE("\0\0\0\x03\x01 \0\x35q"), &end, &data), PLAIT_EMALFORMED);
}

/* --- codes -------------------------------------------------------------------------------------------------------- */

static void codes_of_version_4_mean_errors(void **state)
{
    (void)state;
    assert_ok(plait__socks4_meaning(90));
    assert_err(plait__socks4_meaning(91), PLAIT_EREFUSED);
    assert_err(plait__socks4_meaning(92), PLAIT_EACCESS);
    assert_err(plait__socks4_meaning(93), PLAIT_EACCESS);
    assert_err(plait__socks4_meaning(0), PLAIT_EPROTOCOL);
    assert_err(plait__socks4_meaning(94), PLAIT_EPROTOCOL);
}

/* RFC 1928 section 6; the code of what a code means is that code again, where one error has one code. */
static void codes_of_version_5_mean_errors(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        plait_err means;
        uint8_t back;
    } rows[] = {
        {0, PLAIT_OK, 0},           {1, PLAIT_EUNREACHABLE, 4}, {2, PLAIT_EFORBIDDEN, 2},  {3, PLAIT_EUNREACHABLE, 4},
        {4, PLAIT_EUNREACHABLE, 4}, {5, PLAIT_EREFUSED, 5},     {6, PLAIT_ETIMEDOUT, 6},   {7, PLAIT_EUNSUPPORTED, 8},
        {8, PLAIT_EUNSUPPORTED, 8}, {9, PLAIT_EPROTOCOL, 1},    {255, PLAIT_EPROTOCOL, 1},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        assert_err(plait__socks5_meaning(rows[i].code), rows[i].means);
        assert_int_equal(plait__socks5_code(rows[i].means), rows[i].back);
    }
    assert_int_equal(plait__socks5_code(PLAIT_ENAMENOTFOUND), PLAIT__SOCKS5_HOST_UNREACHABLE);
    assert_int_equal(plait__socks5_code(PLAIT_ENETTIMEDOUT), PLAIT__SOCKS5_TTL_EXPIRED);
    assert_int_equal(plait__socks5_code(PLAIT_EACCESS), PLAIT__SOCKS5_NOT_ALLOWED);
    assert_int_equal(plait__socks5_code(PLAIT_ENOMEM), PLAIT__SOCKS5_FAILED);
}

TEST_MAIN_WITH(fill_long_text, NULL, cmocka_unit_test(messages_are_read_however_they_come_and_written_the_same),
               cmocka_unit_test(what_follows_a_message_is_left), cmocka_unit_test(what_is_no_message_is_refused),
               cmocka_unit_test(a_command_is_known_although_its_address_is_not),
               cmocka_unit_test(texts_of_version_4_have_at_most_255_bytes),
               cmocka_unit_test(a_text_without_an_end_is_refused_before_it_ends),
               cmocka_unit_test(a_request_of_version_4_that_cannot_be_said_is_an_error),
               cmocka_unit_test(a_name_of_version_5_that_cannot_be_said_is_an_error),
               cmocka_unit_test(logins_and_methods_that_cannot_be_said_are_errors),
               cmocka_unit_test(an_address_of_no_kind_is_written_as_zeros),
               cmocka_unit_test(datagrams_are_read_and_written), cmocka_unit_test(a_datagram_that_is_cut_is_malformed),
               cmocka_unit_test(fragments_and_unknown_addresses_are_not_supported),
               cmocka_unit_test(codes_of_version_4_mean_errors), cmocka_unit_test(codes_of_version_5_mean_errors))
