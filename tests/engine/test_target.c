/* SPDX-License-Identifier: MIT
 *
 * What a relay may connect to: kinds of addresses, rules, and that connecting keeps to them.
 */
#include "tests/engine/connect_bed.h"

static struct plait_address ip(const char *text, uint16_t port)
{
    struct plait_address a;
    assert_ok(plait_address_parse_ip(plait_slice_text(text), port, &a));
    return a;
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

struct kind_row {
    const char *address;
    enum plait_target_kind kind;
};

static void expect_kinds(const struct kind_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct plait_address a = ip(row[i].address, 80);
        if (plait_target_kind_of(&a) != row[i].kind)
            fail_msg("%s is of kind %d", row[i].address, (int)plait_target_kind_of(&a));
    }
}

/* The first and the last address of each range, and their neighbours. */
static void ip4_addresses_are_of_their_ranges_kind(void **state)
{
    static const struct kind_row row[] = {
        {"0.0.0.0", PLAIT_TARGET_UNSPECIFIED},
        {"0.255.255.255", PLAIT_TARGET_UNSPECIFIED},
        {"1.0.0.0", PLAIT_TARGET_PUBLIC},
        {"9.255.255.255", PLAIT_TARGET_PUBLIC},
        {"10.0.0.0", PLAIT_TARGET_PRIVATE},
        {"10.255.255.255", PLAIT_TARGET_PRIVATE},
        {"11.0.0.0", PLAIT_TARGET_PUBLIC},
        {"100.63.255.255", PLAIT_TARGET_PUBLIC},
        {"100.64.0.0", PLAIT_TARGET_SHARED},
        {"100.127.255.255", PLAIT_TARGET_SHARED},
        {"100.128.0.0", PLAIT_TARGET_PUBLIC},
        {"126.255.255.255", PLAIT_TARGET_PUBLIC},
        {"127.0.0.0", PLAIT_TARGET_LOOPBACK},
        {"127.255.255.255", PLAIT_TARGET_LOOPBACK},
        {"128.0.0.0", PLAIT_TARGET_PUBLIC},
        {"169.253.255.255", PLAIT_TARGET_PUBLIC},
        {"169.254.0.0", PLAIT_TARGET_LINK_LOCAL},
        {"169.254.169.254", PLAIT_TARGET_LINK_LOCAL},
        {"169.255.0.0", PLAIT_TARGET_PUBLIC},
        {"172.15.255.255", PLAIT_TARGET_PUBLIC},
        {"172.16.0.0", PLAIT_TARGET_PRIVATE},
        {"172.31.255.255", PLAIT_TARGET_PRIVATE},
        {"172.32.0.0", PLAIT_TARGET_PUBLIC},
        {"192.0.0.1", PLAIT_TARGET_RESERVED},
        {"192.0.1.0", PLAIT_TARGET_PUBLIC},
        {"192.0.2.255", PLAIT_TARGET_RESERVED},
        {"192.0.3.0", PLAIT_TARGET_PUBLIC},
        {"192.88.99.1", PLAIT_TARGET_RESERVED},
        {"192.167.255.255", PLAIT_TARGET_PUBLIC},
        {"192.168.0.0", PLAIT_TARGET_PRIVATE},
        {"192.168.255.255", PLAIT_TARGET_PRIVATE},
        {"192.169.0.0", PLAIT_TARGET_PUBLIC},
        {"198.17.255.255", PLAIT_TARGET_PUBLIC},
        {"198.18.0.0", PLAIT_TARGET_RESERVED},
        {"198.19.255.255", PLAIT_TARGET_RESERVED},
        {"198.20.0.0", PLAIT_TARGET_PUBLIC},
        {"198.51.100.7", PLAIT_TARGET_RESERVED},
        {"203.0.113.7", PLAIT_TARGET_RESERVED},
        {"223.255.255.255", PLAIT_TARGET_PUBLIC},
        {"224.0.0.0", PLAIT_TARGET_MULTICAST},
        {"239.255.255.255", PLAIT_TARGET_MULTICAST},
        {"240.0.0.0", PLAIT_TARGET_RESERVED},
        {"255.255.255.254", PLAIT_TARGET_RESERVED},
        {"255.255.255.255", PLAIT_TARGET_MULTICAST},
    };
    (void)state;
    expect_kinds(row, TEST_COUNT(row));
}

static void ip6_addresses_are_of_their_ranges_kind(void **state)
{
    static const struct kind_row row[] = {
        {"::", PLAIT_TARGET_UNSPECIFIED},
        {"::1", PLAIT_TARGET_LOOPBACK},
        {"100::1", PLAIT_TARGET_RESERVED},
        {"1fff:ffff::", PLAIT_TARGET_RESERVED},
        {"2000::1", PLAIT_TARGET_PUBLIC},
        {"2001:0:1::1", PLAIT_TARGET_RESERVED},
        {"2001:1ff::1", PLAIT_TARGET_RESERVED},
        {"2001:200::1", PLAIT_TARGET_PUBLIC},
        {"2001:db8::1", PLAIT_TARGET_RESERVED},
        {"2001:db9::1", PLAIT_TARGET_PUBLIC},
        {"2606:4700::1111", PLAIT_TARGET_PUBLIC},
        {"3fff::1", PLAIT_TARGET_RESERVED},
        {"3fff:1000::1", PLAIT_TARGET_PUBLIC},
        {"3ffe::1", PLAIT_TARGET_PUBLIC},
        {"4000::1", PLAIT_TARGET_RESERVED},
        {"fbff::1", PLAIT_TARGET_RESERVED},
        {"fc00::1", PLAIT_TARGET_PRIVATE},
        {"fdff::1", PLAIT_TARGET_PRIVATE},
        {"fe00::1", PLAIT_TARGET_RESERVED},
        {"fe80::1", PLAIT_TARGET_LINK_LOCAL},
        {"fe80::1%2", PLAIT_TARGET_LINK_LOCAL},
        {"febf::1", PLAIT_TARGET_LINK_LOCAL},
        {"fec0::1", PLAIT_TARGET_PRIVATE},
        {"feff::1", PLAIT_TARGET_PRIVATE},
        {"ff00::", PLAIT_TARGET_MULTICAST},
        {"ff02::1", PLAIT_TARGET_MULTICAST},
        {"64:ff9b:1::a00:1", PLAIT_TARGET_RESERVED},
    };
    (void)state;
    expect_kinds(row, TEST_COUNT(row));
}

static void an_ip4_address_inside_an_ip6_one_is_judged_as_itself(void **state)
{
    static const struct kind_row row[] = {
        {"::ffff:127.0.0.1", PLAIT_TARGET_LOOPBACK},
        {"::ffff:10.0.0.1", PLAIT_TARGET_PRIVATE},
        {"::ffff:0.0.0.0", PLAIT_TARGET_UNSPECIFIED},
        {"::ffff:8.8.8.8", PLAIT_TARGET_PUBLIC},
        {"::ffff:0:127.0.0.1", PLAIT_TARGET_LOOPBACK},
        {"64:ff9b::127.0.0.1", PLAIT_TARGET_LOOPBACK},
        {"64:ff9b::169.254.169.254", PLAIT_TARGET_LINK_LOCAL},
        {"64:ff9b::8.8.8.8", PLAIT_TARGET_PUBLIC},
        {"2002:7f00:1::", PLAIT_TARGET_LOOPBACK},
        {"2002:c0a8:1::1", PLAIT_TARGET_PRIVATE},
        {"2002:808:808::1", PLAIT_TARGET_PUBLIC},
        {"::127.0.0.1", PLAIT_TARGET_LOOPBACK},
        {"::8.8.8.8", PLAIT_TARGET_PUBLIC},
        {"::2", PLAIT_TARGET_UNSPECIFIED},
    };
    (void)state;
    expect_kinds(row, TEST_COUNT(row));
}

static void what_is_no_ip_address_is_of_a_kind_too(void **state)
{
    struct plait_address a = {.kind = PLAIT_ADDR_NONE};
    (void)state;
    assert_int_equal(plait_target_kind_of(&a), PLAIT_TARGET_NONE);
    assert_ok(plait_address_unix(PLAIT_LIT("/run/x"), &a));
    assert_int_equal(plait_target_kind_of(&a), PLAIT_TARGET_UNIX);
    assert_ok(plait_address_unix(PLAIT_LIT("@x"), &a));
    assert_int_equal(plait_target_kind_of(&a), PLAIT_TARGET_UNIX);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static void rules_judge_networks_before_kinds_and_refusals_first(void **state)
{
    static const struct {
        const char *allow, *refuse, *ports;
        const char *address;
        uint16_t port;
        bool is;
    } row[] = {
        {NULL, NULL, NULL, "8.8.8.8", 80, true},
        {NULL, NULL, NULL, "8.8.8.8", 65535, true},
        {NULL, NULL, NULL, "8.8.8.8", 0, false},
        {NULL, NULL, NULL, "127.0.0.1", 80, false},
        {NULL, NULL, NULL, "64:ff9b::10.1.2.3", 80, false},
        {"loopback", NULL, NULL, "127.0.0.1", 80, true},
        {"loopback", NULL, NULL, "::1", 80, true},
        {"loopback", NULL, NULL, "::ffff:127.0.0.1", 80, true},
        {"loopback", NULL, NULL, "10.0.0.1", 80, false},
        {"loopback, private", NULL, NULL, "10.0.0.1", 80, true},
        {"all", NULL, NULL, "224.0.0.1", 80, true},
        {"10.1.0.0/16", NULL, NULL, "10.1.9.9", 80, true},
        {"10.1.0.0/16", NULL, NULL, "10.2.9.9", 80, false},
        {"10.1.0.0/16", NULL, NULL, "::ffff:10.1.9.9", 80, true},
        {"10.1.0.0/16", NULL, NULL, "64:ff9b::10.1.9.9", 80, true},
        {"64:ff9b::/96", NULL, NULL, "64:ff9b::10.1.9.9", 80, true},
        {"private", "10.1.0.0/16", NULL, "10.1.9.9", 80, false},
        {"private", "10.1.0.0/16", NULL, "2002:a01:909::1", 80, false},
        {"private", "10.1.0.0/16", NULL, "10.2.9.9", 80, true},
        {"10.1.0.0/16", "10.1.2.0/24,private", NULL, "10.1.2.3", 80, false},
        {"10.1.0.0/16", "10.1.2.0/24,private", NULL, "10.1.3.3", 80, true},
        {NULL, "8.8.8.8", NULL, "8.8.8.8", 80, false},
        {NULL, "8.8.8.8", NULL, "8.8.8.9", 80, true},
        {"9.9.9.9", "public", NULL, "9.9.9.9", 80, true},
        {"9.9.9.9", "public", NULL, "8.8.8.8", 80, false},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 79, false},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 80, true},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 81, false},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 443, true},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 7999, false},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 8000, true},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 8999, true},
        {NULL, NULL, "80,443,8000-8999", "8.8.8.8", 9000, false},
    };
    struct net n;
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        const struct plait_target_options o = {row[i].allow, row[i].refuse, row[i].ports, {0}};
        const struct plait_address a = ip(row[i].address, row[i].port);
        struct plait_target_rules *rules;
        assert_ok(plait_target_rules_new(n.r, &o, &rules));
        const char *why = NULL;
        if ((plait_target_check(rules, &a, &why) == PLAIT_OK) != row[i].is)
            fail_msg("row %zu: %s", i, row[i].address);
        assert_int_equal(why == NULL, row[i].is);
        assert_err(plait_target_check(rules, &a, NULL), row[i].is ? PLAIT_OK : PLAIT_EFORBIDDEN);
        plait_target_rules_unref(&rules);
        assert_null(rules);
    }
    net_close(&n);
}

static void unix_sockets_are_allowed_by_name_and_no_address_never(void **state)
{
    static const struct plait_target_options all = {.allow = "all"}, local = {.allow = "unix", .ports = "80"};
    const struct plait_address none = {.kind = PLAIT_ADDR_NONE};
    struct plait_address a;
    struct plait_target_rules *usual, *everything, *sockets;
    struct net n;
    (void)state;
    net_open(&n);
    assert_ok(plait_address_unix(PLAIT_LIT("/run/x"), &a));
    assert_ok(plait_target_rules_new(n.r, NULL, &usual));
    assert_ok(plait_target_rules_new(n.r, &all, &everything));
    assert_ok(plait_target_rules_new(n.r, &local, &sockets));
    assert_err(plait_target_check(usual, &a, NULL), PLAIT_EFORBIDDEN);
    assert_ok(plait_target_check(everything, &a, NULL));
    assert_ok(plait_target_check(sockets, &a, NULL));
    assert_err(plait_target_check(everything, &none, NULL), PLAIT_EFORBIDDEN);
    plait_target_rules_unref(&usual);
    plait_target_rules_unref(&usual);
    plait_target_rules_unref(&everything);
    plait_target_rules_unref(&sockets);
    net_close(&n);
}

static void what_is_no_list_is_refused(void **state)
{
    static const struct plait_target_options row[] = {
        {.allow = ""},          {.allow = "loopback,"}, {.allow = "Loopback"}, {.allow = "10.0.0.0/33"},
        {.allow = "10.0.0.0/"}, {.allow = "10.0.0/8"},  {.allow = "none"},     {.refuse = "x"},
        {.refuse = "::/129"},   {.ports = ""},          {.ports = "0"},        {.ports = "65536"},
        {.ports = "80-79"},     {.ports = "80-"},       {.ports = "80-65536"}, {.ports = "80 81"},
        {.ports = "-80"},       {.ports = "80,,81"},
    };
    struct net n;
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct plait_target_rules *rules;
        assert_err(plait_target_rules_new(n.r, &row[i], &rules), PLAIT_ESYNTAX);
        assert_null(rules);
    }
    net_close(&n);
}

/* A list of `count` words. */
static char *words(const char *word, size_t count)
{
    const size_t len = strlen(word);
    char *list = calloc(count, len + 1);
    assert_non_null(list);
    for (size_t i = 0; i < count; i++) {
        memcpy(list + i * (len + 1), word, len);
        if (i + 1 < count)
            list[i * (len + 1) + len] = ',';
    }
    return list;
}

static void lists_are_as_long_as_they_may_be(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    for (size_t over = 0; over < 2; over++) {
        char *nets = words("8.8.8.8", 64 + over), *ports = words("80", 32 + over);
        const struct plait_target_options row[] = {{.allow = nets}, {.refuse = nets}, {.ports = ports}};
        for (size_t i = 0; i < TEST_COUNT(row); i++) {
            struct plait_target_rules *rules;
            assert_err(plait_target_rules_new(n.r, &row[i], &rules), over ? PLAIT_ELIMIT : PLAIT_OK);
            plait_target_rules_unref(&rules);
        }
        free(nets);
        free(ports);
    }
    net_close(&n);
}

static void rules_need_memory(void **state)
{
    struct plait_target_rules *rules;
    struct net n;
    (void)state;
    net_open(&n);
    bed_fill(&n.b);
    n.b.heap.fail_at = n.b.heap.calls + 1;
    assert_err(plait_target_rules_new(n.r, NULL, &rules), PLAIT_ENOMEM);
    net_close(&n);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static struct plait_target_rules *rules_of(struct place *p, const char *allow, const char *refuse)
{
    const struct plait_target_options o = {.allow = allow, .refuse = refuse};
    struct plait_target_rules *rules;
    assert_ok(plait_target_rules_new(p->n.r, &o, &rules));
    return rules;
}

static void an_address_that_is_refused_is_not_connected_to(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_target_rules *rules = rules_of(&p, NULL, NULL);
    const struct plait_connect_options o = {.targets = rules};
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
    plait_target_rules_unref(&rules); /* the call has its own */
    client_expect(&p.n, p.c, PLAIT_EFORBIDDEN);
    assert_string_equal(p.c->seen.fault.step, "connect");
    assert_string_equal(p.c->seen.fault.detail, "the address is not allowed as a target");
    assert_true(plait_address_equal(&p.c->with, &p.at));
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 0);
    place_close(&p);
}

static void an_address_that_is_allowed_is_connected_to(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_target_rules *rules = rules_of(&p, "loopback", NULL);
    const struct plait_connect_options o = {.targets = rules};
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
    plait_target_rules_unref(&rules);
    client_expect(&p.n, p.c, PLAIT_OK);
    place_close(&p);
}

struct steps {
    int failed;
    struct plait_address last;
};

static void note(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    struct steps *steps = ctx;
    if (strcmp(what, "failed") != 0)
        return;
    assert_err(err, PLAIT_EFORBIDDEN);
    steps->failed++;
    steps->last = *address;
}

/* A name that leads to several addresses leads to those only that are allowed. */
static void of_a_names_addresses_the_refused_ones_are_left_out(void **state)
{
    static const char *const ip6[] = {"::1", "fe80::1"}, *const ip4[] = {"10.0.0.1", "127.0.0.1"};
    struct names names;
    struct steps steps = {.failed = 0};
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_target_rules *rules = rules_of(&p, "127.0.0.0/8", NULL);
    const struct plait_connect_options o = {.targets = rules, .trace = note, .trace_ctx = &steps};
    names_begin(&p, &names, &o);
    names_answer(&p.n, &names, 0, ip6, 2);
    assert_int_equal(p.c->seen.calls, 0);
    names_answer(&p.n, &names, 1, ip4, 2);
    client_expect(&p.n, p.c, PLAIT_OK);
    assert_int_equal(steps.failed, 3);
    assert_int_equal(steps.last.ip[0], 10);
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 1);
    plait_target_rules_unref(&rules);
    place_close(&p);
}

static void a_name_all_of_whose_addresses_are_refused_is_forbidden(void **state)
{
    static const char *const ip4[] = {"10.0.0.1", "127.0.0.1"};
    struct names names;
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_target_rules *rules = rules_of(&p, NULL, NULL);
    const struct plait_connect_options o = {.targets = rules};
    names_begin(&p, &names, &o);
    names_answer(&p.n, &names, 1, ip4, 2);
    names_refuse(&p.n, &names, 0, PLAIT_ENAMENOTFOUND);
    client_expect(&p.n, p.c, PLAIT_EFORBIDDEN);
    assert_int_equal(plait_injector_count(p.n.inj, "connect", NULL), 0);
    plait_target_rules_unref(&rules);
    place_close(&p);
}

/* A name that led elsewhere when somebody looked before has no way around: what is judged is what is connected to. */
static void a_name_that_changes_is_judged_each_time(void **state)
{
    static const char *const inside[] = {"127.0.0.2"}, *const outside[] = {"127.0.0.1"};
    struct names names;
    struct place p;
    (void)state;
    place_open(&p);
    struct plait_target_rules *rules = rules_of(&p, "127.0.0.1", NULL);
    const struct plait_connect_options o = {.targets = rules, .family = PLAIT_ONLY_IP4};
    names_begin(&p, &names, &o);
    names_answer(&p.n, &names, 1, outside, 1);
    client_expect(&p.n, p.c, PLAIT_OK);
    plait_abort(p.c->p.s);
    net_until(&p.n, p.c->p.s == NULL);
    p.c->seen.calls = 0;
    names_begin(&p, &names, &o);
    names_answer(&p.n, &names, 1, inside, 1);
    client_expect(&p.n, p.c, PLAIT_EFORBIDDEN);
    plait_target_rules_unref(&rules);
    place_close(&p);
}

TEST_MAIN(cmocka_unit_test(ip4_addresses_are_of_their_ranges_kind),
          cmocka_unit_test(ip6_addresses_are_of_their_ranges_kind),
          cmocka_unit_test(an_ip4_address_inside_an_ip6_one_is_judged_as_itself),
          cmocka_unit_test(what_is_no_ip_address_is_of_a_kind_too),
          cmocka_unit_test(rules_judge_networks_before_kinds_and_refusals_first),
          cmocka_unit_test(unix_sockets_are_allowed_by_name_and_no_address_never),
          cmocka_unit_test(what_is_no_list_is_refused), cmocka_unit_test(lists_are_as_long_as_they_may_be),
          cmocka_unit_test(rules_need_memory), cmocka_unit_test(an_address_that_is_refused_is_not_connected_to),
          cmocka_unit_test(an_address_that_is_allowed_is_connected_to),
          cmocka_unit_test(of_a_names_addresses_the_refused_ones_are_left_out),
          cmocka_unit_test(a_name_all_of_whose_addresses_are_refused_is_forbidden),
          cmocka_unit_test(a_name_that_changes_is_judged_each_time))
