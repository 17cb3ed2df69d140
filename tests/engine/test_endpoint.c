/* SPDX-License-Identifier: MIT
 *
 * Endpoint strings: the parser, the words of the kinds, and the sentence that each mistake gets.
 */
#include "tests/engine/net.h"

/* --- the parser --------------------------------------------------------------------------------------------------- */

struct parsed {
    const char *text, *kind;
    const char *arg[6]; /* "value" or "key=value", as parsed */
};

static void texts_are_split_and_unescaped(void **state)
{
    static const struct parsed row[] = {
        {"tcp:8080", "tcp", {"8080"}},
        {"stdio", "stdio", {NULL}},
        {"stdio:", "stdio", {NULL}},
        {"tcp:8080:interface=127.0.0.1", "tcp", {"8080", "interface=127.0.0.1"}},
        {"unix:/run/a\\:b", "unix", {"/run/a:b"}},
        {"unix:a\\=b", "unix", {"a=b"}},
        {"unix:a\\\\b", "unix", {"a\\b"}},
        {"x:k=a=b", "x", {"k=a=b"}},
        {"x::b", "x", {"", "b"}},
        {"x:k=", "x", {"k="}},
        {"tcp:[::1]:80", "tcp", {"[::1]", "80"}},
        {"x:k=[::1]:y", "x", {"k=[::1]", "y"}},
        {"tls:443:alpn=h2,http/1.1", "tls", {"443", "alpn=h2,http/1.1"}},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct plait_endpoint e;
        char why[200];
        assert_ok(plait_endpoint_parse(row[i].text, &e, why));
        assert_string_equal(e.kind, row[i].kind);
        size_t count = 0;
        for (; row[i].arg[count]; count++) {
            char text[64];
            const char *key = e.arg[count].key;
            (void)snprintf(text, sizeof text, "%s%s%s", key, key[0] ? "=" : "", e.arg[count].value);
            assert_string_equal(text, row[i].arg[count]);
        }
        assert_int_equal(e.count, count);
    }
}

static void what_cannot_be_parsed_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } row[] = {
        {"", "begins with its kind"},
        {":8080", "begins with its kind"},
        {"tcp:80\\", "column 7"},
        {"tc\\", "column 3"},
        {"tcp:k=v\\", "backslash"},
        {"tcp:=5", "column 5: there is no key"},
        {"tcp:a=1:a=2", "column 9: \"a=\" is there twice"},
        {"x:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7", "more than 24"},
    };
    char text[1100];
    char why[200];
    struct plait_endpoint e;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        assert_err(plait_endpoint_parse(row[i].text, &e, why), PLAIT_ESYNTAX);
        if (!strstr(why, row[i].says))
            fail_msg("%s: %s", row[i].text, why);
    }
    memset(text, 'a', sizeof text);
    text[1023] = '\0';
    assert_ok(plait_endpoint_parse(text, &e, why));
    text[1023] = 'a';
    text[1024] = '\0';
    assert_err(plait_endpoint_parse(text, &e, why), PLAIT_ETOOLONG);
    assert_non_null(strstr(why, "1023"));
    assert_err(plait_endpoint_parse("", &e, NULL), PLAIT_ESYNTAX);
}

static void a_sentence_is_one_line(void **state)
{
    struct plait_endpoint e;
    char why[200];
    (void)state;
    assert_err(plait_endpoint_parse("x:a\n=1:a\n=2", &e, why), PLAIT_ESYNTAX);
    assert_null(strchr(why, '\n'));
}

static void arguments_are_found_by_key_and_by_place(void **state)
{
    struct plait_endpoint e;
    char why[200];
    (void)state;
    assert_ok(plait_endpoint_parse("x:a:k=v:b:left=1", &e, why));
    assert_string_equal(plait_endpoint_arg(&e, NULL, 1), "b");
    assert_string_equal(plait_endpoint_arg(&e, NULL, 0), "a");
    assert_string_equal(plait_endpoint_arg(&e, "k", 0), "v");
    assert_null(plait_endpoint_arg(&e, NULL, 2));
    assert_null(plait_endpoint_arg(&e, "none", 0));
    assert_err(plait_endpoint_finish(&e), PLAIT_ESYNTAX);
    assert_non_null(strstr(why, "left"));
    assert_non_null(plait_endpoint_arg(&e, "left", 0));
    assert_ok(plait_endpoint_finish(&e));
}

/* --- what each kind says of a mistake ----------------------------------------------------------------------------- */

struct mistake {
    const char *text, *says;
};

static void mistakes_in_listening_are_explained(void **state)
{
    static const struct mistake row[] = {
        {"tpc:80", "did you mean \"tcp\""},
        {"quic:80", "there are tcp, tcp6, tls"},
        {"exec:/bin/cat", "connecting only"},
        {"tcp", "needs a port"},
        {"tcp:", "needs a port"},
        {"tcp:http", "\"http\" is no port"},
        {"tcp:65536", "is no port"},
        {"tcp:-1", "is no port"},
        {"tcp:80:interface=eth0", "no IP address"},
        {"tcp6:80:interface=127.0.0.1", "no IPv6 address"},
        {"tcp:80:backlog=many", "backlog=many is no number"},
        {"tcp:80:connections=-1", "connections=-1"},
        {"tcp:80:connectionsPerPeer=x", "connectionsPerPeer=x"},
        {"tcp:80:reusePort=maybe", "neither yes nor no"},
        {"tcp:80:fastOpen=2", "neither"},
        {"tcp:80:deferAccept=2", "neither"},
        {"tcp:80:dualStack=2", "neither"},
        {"tcp:80:prot=1", "\"prot\"; it is tcp:PORT"},
        {"tcp:80:81", "no further \"81\""},
        {"tls:443", "needs cert=FILE"},
        {"tls:443:cert=/nonexistent", ""},
        {"tls:443:cert=x:alpn=,", "alpn=,"},
        {"unix:", "needs a path"},
        {"unix:/x:mode=888", "mode=888"},
        {"unix:/x:mode=0", "mode=0"},
        {"unix:/x:mode=77777", "mode=77777"},
        {"unix:/x:lockfile=2", "neither"},
        {"unix:/x:backlog=z", "backlog"},
        {"unix:/x:y", "no further \"y\""},
        {"unix:/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "a",
         "longer than 107"},
        {"systemd:", "index=N or name=NAME"},
        {"systemd:index=0:name=x", "one of them"},
        {"systemd:index=0", "LISTEN_FDS"},
        {"systemd:index=x", "index=x"},
        {"systemd:domain=X:index=0", "domain=X"},
        {"systemd:index=0:backlog=q", "backlog"},
        {"stdio:1", "no further \"1\""},
        {"fd:", "descriptor's number"},
        {"fd:x", "\"x\" is no descriptor"},
        {"fd:999", "not a listening"},
        {"fd:0:1", "no further"},
        {"fd:0:backlog=q", "backlog"},
        {"haproxy:", "stands before another"},
        {"haproxy:tpc:80", "did you mean"},
        {"haproxy:haproxy:tcp:80", "cannot stand before"},
        {"haproxy:stdio", "cannot stand before"},
        {"haproxy:tcp:80:trust=x", "trust=x"},
        {"haproxy:tcp:x", "is no port"},
        {"a\\", "backslash"},
    };
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        char why[200];
        struct plait_listener *l;
        const plait_err err = plait_serve_with(n.r, row[i].text, NULL, srv_service(&n, &v), &l, why);
        assert_true(err != PLAIT_OK);
        assert_null(l);
        if (!strstr(why, row[i].says) || why[0] == '\0' || strchr(why, '\n'))
            fail_msg("%s: %s", row[i].text, why);
        assert_int_equal(v.freed, i + 1);
    }
    net_close(&n);
}

static void mistakes_in_connecting_are_explained(void **state)
{
    static const struct mistake row[] = {
        {"tpc:a:80", "did you mean \"tcp\""},
        {"systemd:index=0", "listening only"},
        {"tcp:80", "a host and a port"},
        {"tcp:", "a host and a port"},
        {"tcp:a:b", "is no port"},
        {"tcp:a:80:timeout=0", "timeout=0"},
        {"tcp:a:80:timeout=x", "timeout=x"},
        {"tcp:a:80:bindAddress=x", "bindAddress=x"},
        {"tcp:a:80:x=1", "\"x\""},
        {"tcp6:a", "a host and a port"},
        {"tls:a:443:insecure=2", "neither"},
        {"tls:a:443:alpn=", "alpn="},
        {"tls:a:443:trustRoots=/nonexistent", ""},
        {"tls:a", "a host and a port"},
        {"unix:", "needs a path"},
        {"unix:/x:timeout=0", "timeout=0"},
        {"unix:/x:lockfile=2", "neither"},
        {"unix:/x:y", "no further"},
        {"stdio:x", "no further"},
        {"fd:x", "no descriptor"},
        {"fd:99999", "descriptor 99999 cannot be used"},
        {"exec:", "a program"},
        {"exec:/nonexistent/x", "cannot run \"/nonexistent/x\""},
        {"exec:cat:x=1", "\"x\""},
    };
    struct net n;
    (void)state;
    net_open(&n);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct seen seen;
        watch_result(plait_connect(n.r, row[i].text, NULL), &seen);
        net_until(&n, seen.calls == 1);
        assert_true(seen.err != PLAIT_OK);
        assert_non_null(seen.fault.detail);
        if (!strstr(seen.fault.detail, row[i].says) || seen.fault.detail[0] == '\0')
            fail_msg("%s: %s", row[i].text, seen.fault.detail);
    }
    net_close(&n);
}

static void kinds_can_be_added_and_listed(void **state)
{
    struct net n;
    struct plait_endpoint_kind own = {.name = "own", .help = "own:"};
    size_t count = 0;
    (void)state;
    net_open(&n);
    plait_endpoint_register(n.r, &own);
    assert_ptr_equal(plait_endpoint_kinds(n.r), &own);
    for (const struct plait_endpoint_kind *k = plait_endpoint_kinds(n.r); k; k = k->next) {
        assert_non_null(k->help);
        count++;
    }
    assert_int_equal(count, 11);
    net_close(&n);
}

static void no_memory_for_the_kinds(void **state)
{
    struct net n;
    (void)state;
    net_open(&n);
    bed_fail(&n.b, 1);
    assert_err(plait__endpoint_kinds_register(n.r), PLAIT_ENOMEM);
    bed_heal(&n.b);
    net_close(&n);
}

TEST_MAIN(cmocka_unit_test(texts_are_split_and_unescaped),
          cmocka_unit_test(what_cannot_be_parsed_is_told_with_its_place), cmocka_unit_test(a_sentence_is_one_line),
          cmocka_unit_test(arguments_are_found_by_key_and_by_place),
          cmocka_unit_test(mistakes_in_listening_are_explained), cmocka_unit_test(mistakes_in_connecting_are_explained),
          cmocka_unit_test(kinds_can_be_added_and_listed), cmocka_unit_test(no_memory_for_the_kinds))
