/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/address.c: text to address and back, comparing, networks.
 */
#include "tests/support/test.h"

#include <plait/address.h>

static struct plait_address ip(const char *text, uint16_t port)
{
    struct plait_address a;
    assert_ok(plait_address_parse_ip(plait_slice_text(text), port, &a));
    return a;
}

static struct plait_address unix_name(plait_slice name)
{
    struct plait_address a;
    assert_ok(plait_address_unix(name, &a));
    return a;
}

/* RFC 4291 section 2.2 and RFC 5952 sections 4 and 5: what is read, and how it is written. */
static const struct {
    const char *in, *out;
} canonical[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
    {"2001:0db8::0001", "2001:db8::1"},
    {"2001:DB8:AbCd::", "2001:db8:abcd::"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"},
    {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    {"::ffff:c000:201", "::ffff:192.0.2.1"},
    {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    {"fe80::1%2", "fe80::1%2"},
    {"fe80::1%0", "fe80::1"},
    {"fe80::%4294967295", "fe80::%4294967295"},
    {"[::1]", "::1"},
    {"[fe80::1%2]", "fe80::1%2"},
};

static void ip_addresses_are_written_in_their_one_form(void **state)
{
    (void)state;
    char out[PLAIT_ADDR_TEXT_MAX];
    for (size_t i = 0; i < TEST_COUNT(canonical); i++) {
        const struct plait_address a = ip(canonical[i].in, 0);
        assert_string_equal(plait_address_format_host(&a, out), canonical[i].out);
    }
}

static const char *const refused[] = {
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "01.2.3.4",
    "1.2.3.",
    "1.2..4",
    " 1.2.3.4",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "[1.2.3.4]",
    "1.2.3.4%1",
    ":",
    ":::",
    ":1",
    "1:",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::2::3",
    "1:::2",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::1.2.3",
    "::1%",
    "::1%eth0",
    "::1%4294967296",
    "::1%1x",
    "[::1",
    "::1]",
    "[",
    "[]",
    "localhost",
    "2001:db8::1/64",
};

static void what_is_no_ip_address_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(refused); i++) {
        struct plait_address a = {.port = 7};
        const plait_err err = plait_address_parse_ip(plait_slice_text(refused[i]), 80, &a);
        if (err != PLAIT_ESYNTAX)
            fail_msg("\"%s\" gave %s", refused[i], plait_err_name(err));
        assert_int_equal(a.port, 7);
    }
}

static void every_address_is_read_back_as_itself(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    for (int i = 0; i < 20000; i++) {
        struct plait_address a = {.kind = PLAIT_ADDR_IP6, .port = 9};
        struct plait_address b;
        char out[PLAIT_ADDR_TEXT_MAX];
        const uint64_t mask = test_random_u64(&random); /* groups that are zero, so that runs are common */
        for (size_t k = 0; k < 16; k++)
            a.ip[k] = (uint8_t)((mask >> (k / 2) & 1) ? test_random_u64(&random) : 0);
        assert_ok(plait_address_parse_ip(plait_slice_text(plait_address_format_host(&a, out)), 9, &b));
        assert_true(plait_address_equal(&a, &b));
    }
}

static void a_port_stands_behind_the_address(void **state)
{
    (void)state;
    char out[PLAIT_ADDR_TEXT_MAX];
    struct plait_address a = ip("192.0.2.1", 80);
    assert_string_equal(plait_address_format(&a, out), "192.0.2.1:80");
    a = ip("fe80::1%3", 65535);
    assert_string_equal(plait_address_format(&a, out), "[fe80::1%3]:65535");
}

static void unix_names_are_written_with_their_kind(void **state)
{
    (void)state;
    char out[PLAIT_ADDR_TEXT_MAX];
    struct plait_address a = unix_name(PLAIT_LIT("/run/x"));
    assert_int_equal(a.kind, PLAIT_ADDR_UNIX);
    assert_string_equal(plait_address_format(&a, out), "unix:/run/x");
    a = unix_name(PLAIT_LIT("@name"));
    assert_int_equal(a.kind, PLAIT_ADDR_ABSTRACT);
    assert_string_equal(plait_address_format(&a, out), "unix:@name");
    a = unix_name(PLAIT_LIT("\0a\n\0"));
    assert_int_equal(a.kind, PLAIT_ADDR_ABSTRACT);
    assert_int_equal(a.name_len, 3);
    assert_string_equal(plait_address_format(&a, out), "unix:@a\\n\\x00");
    a = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    assert_string_equal(plait_address_format(&a, out), "-");
}

static void a_name_that_is_too_long_to_write_is_cut(void **state)
{
    (void)state;
    char out[PLAIT_ADDR_TEXT_MAX];
    char name[PLAIT_ADDR_NAME_MAX + 1];
    memset(name, 1, sizeof name);
    name[0] = '@';
    const struct plait_address a = unix_name(plait_slice_of(name, sizeof name));
    plait_address_format(&a, out);
    assert_int_equal(strlen(out), PLAIT_ADDR_TEXT_MAX - 2); /* whole escapes of four characters only */
    assert_memory_equal(out, "unix:@\\x01\\x01", 14);
}

static void names_that_no_socket_can_have_are_refused(void **state)
{
    (void)state;
    char name[PLAIT_ADDR_NAME_MAX + 1];
    struct plait_address a;
    memset(name, 'x', sizeof name);
    assert_err(plait_address_unix(PLAIT_LIT(""), &a), PLAIT_EINVAL);
    assert_err(plait_address_unix(PLAIT_LIT("@"), &a), PLAIT_EINVAL);
    assert_err(plait_address_unix(PLAIT_LIT("/a\0b"), &a), PLAIT_EINVAL);
    assert_err(plait_address_unix(plait_slice_of(name, sizeof name), &a), PLAIT_ETOOLONG);
    assert_ok(plait_address_unix(plait_slice_of(name, PLAIT_ADDR_NAME_MAX), &a));
    assert_int_equal(strlen(a.name), PLAIT_ADDR_NAME_MAX);
}

static void the_same_address_is_the_same_in_everything(void **state)
{
    (void)state;
    const struct plait_address a = ip("192.0.2.1", 80);
    const struct plait_address other_port = ip("192.0.2.1", 81);
    const struct plait_address other_ip = ip("192.0.2.2", 80);
    const struct plait_address mapped = ip("::ffff:192.0.2.1", 80);
    const struct plait_address scoped = ip("fe80::1%1", 80);
    const struct plait_address other_scope = ip("fe80::1%2", 80);
    const struct plait_address path = unix_name(PLAIT_LIT("x"));
    const struct plait_address abstract = unix_name(PLAIT_LIT("@x"));
    const struct plait_address longer = unix_name(PLAIT_LIT("xy"));
    assert_true(plait_address_equal(&a, &a));
    assert_false(plait_address_equal(&a, &other_port));
    assert_false(plait_address_equal(&a, &other_ip));
    assert_false(plait_address_equal(&a, &mapped));
    assert_false(plait_address_equal(&scoped, &other_scope));
    assert_true(plait_address_equal(&path, &path));
    assert_false(plait_address_equal(&path, &abstract));
    assert_false(plait_address_equal(&path, &longer));
}

static void loopback_is_known_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
    } rows[] = {{"127.0.0.1", true},  {"127.255.0.9", true},    {"::1", true}, {"::ffff:127.0.0.1", true},
                {"128.0.0.1", false}, {"::2", false},           {"::", false}, {"::127.0.0.1", false},
                {"0.0.0.0", false},   {"::ffff:0.0.0.1", false}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const struct plait_address a = ip(rows[i].text, 1);
        assert_int_equal(plait_address_is_loopback(&a), rows[i].is);
    }
    const struct plait_address path = unix_name(PLAIT_LIT("/x"));
    assert_false(plait_address_is_loopback(&path));
}

static void a_network_holds_what_shares_its_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *addr, *net;
        unsigned bits;
        bool is;
    } rows[] = {
        {"192.0.2.77", "192.0.2.0", 24, true},
        {"192.0.3.77", "192.0.2.0", 24, false},
        {"192.0.3.77", "192.0.2.0", 23, true},
        {"192.0.4.0", "192.0.2.0", 23, false},
        {"10.1.2.3", "0.0.0.0", 0, true},
        {"192.0.2.1", "192.0.2.1", 32, true},
        {"192.0.2.0", "192.0.2.1", 32, false},
        {"192.0.2.1", "192.0.2.1", 33, false},
        {"2001:db8::1", "2001:db8::", 32, true},
        {"2001:db9::1", "2001:db8::", 32, false},
        {"2001:db8::1", "2001:db8::1", 128, true},
        {"2001:db8::1", "2001:db8::1", 129, false},
        {"::ffff:192.0.2.9", "192.0.2.0", 24, true},
        {"192.0.2.9", "::", 0, false},
        {"192.0.2.1", "128.0.0.0", 1, true},
        {"64.0.2.1", "128.0.0.0", 1, false},
        {"2001:db8::1", "0.0.0.0", 0, false},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const struct plait_address a = ip(rows[i].addr, 1);
        const struct plait_address net = ip(rows[i].net, 2);
        assert_int_equal(plait_address_in(&a, &net, rows[i].bits), rows[i].is);
    }
    const struct plait_address path = unix_name(PLAIT_LIT("/x"));
    assert_false(plait_address_in(&path, &path, 0));
}

TEST_MAIN(cmocka_unit_test(ip_addresses_are_written_in_their_one_form),
          cmocka_unit_test(what_is_no_ip_address_is_refused), cmocka_unit_test(every_address_is_read_back_as_itself),
          cmocka_unit_test(a_port_stands_behind_the_address), cmocka_unit_test(unix_names_are_written_with_their_kind),
          cmocka_unit_test(a_name_that_is_too_long_to_write_is_cut),
          cmocka_unit_test(names_that_no_socket_can_have_are_refused),
          cmocka_unit_test(the_same_address_is_the_same_in_everything),
          cmocka_unit_test(loopback_is_known_in_every_form), cmocka_unit_test(a_network_holds_what_shares_its_prefix))
