/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/resolve.c, resolve_hosts.c, hosts_wire.c and getaddrinfo_kernel.c. No test asks the network:
 * names that reach the C library end in .invalid or are the library's own.
 */
#include "tests/engine/bed.h"

#include "engine/resolve_core.h"

#include <plait/sim.h>

#include <netdb.h>
#include <unistd.h>

/* What a look-up gave, as text. */
struct answer {
    int calls;
    plait_err err;
    const char *step;
    const char *detail;
    char text[400];
};

static void note(struct plait_result *result, void *ctx)
{
    struct answer *a = ctx;
    const struct plait_addresses *list = result->value.ptr;
    char one[PLAIT_ADDR_TEXT_MAX];
    size_t at = 0;
    a->calls++;
    a->err = result->fault.err;
    a->step = result->fault.step;
    a->detail = result->fault.detail;
    for (size_t i = 0; a->err == PLAIT_OK && i < list->count && at < sizeof a->text; i++) {
        const char *text = plait_address_format_host(&list->address[i], one);
        at += (size_t)snprintf(a->text + at, sizeof a->text - at, "%s%s", i ? " " : "", text);
    }
}

static void wait_for(struct bed *b, struct answer *a, struct plait_deferred *d)
{
    *a = (struct answer){.calls = 0};
    assert_ok(plait_then(d, note, a));
    for (int n = 0; n < 2000 && !a->calls; n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(10)));
    assert_int_equal(a->calls, 1);
}

static struct answer ask_for(struct bed *b, const char *name, enum plait_family family)
{
    struct answer a;
    wait_for(b, &a, plait_resolve(b->r, plait_slice_text(name), family));
    return a;
}

static struct answer ask(struct bed *b, const char *name)
{
    return ask_for(b, name, PLAIT_ANY_FAMILY);
}

/* --- names as text ------------------------------------------------------------------------------------------------ */

static void names_are_judged_by_the_rules_of_hosts(void **state)
{
    static const struct {
        const char *name;
        bool ok;
    } names[] = {
        {"a", true},
        {"example.org", true},
        {"example.org.", true},
        {"xn--bcher-kva.example", true},
        {"3com.com", true}, /* RFC 1123 section 2.1 */
        {"_service.example", true},
        {"0xg", true},
        {"a--b", true},
        {"", false},
        {".", false},
        {"..", false},
        {"a..b", false},
        {".a", false},
        {"-a", false},
        {"a-", false},
        {"a.-b", false},
        {"a b", false},
        {"a\nb", false},
        {"b\xc3\xbc"
         "cher",
         false},
        {"127.1", false},
        {"1", false},
        {"example.7", false},
        {"0x7f000001", false},
        {"0x", false},
        {"a.0x7F", false},
        {"1.2.3.4.5", false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        if (plait__host_name_ok(plait_slice_text(names[i].name)) != names[i].ok)
            fail_msg("\"%s\" is judged wrongly", names[i].name);
    }
}

static void names_have_their_longest(void **state)
{
    char name[300];
    (void)state;
    memset(name, 'a', sizeof name);
    assert_true(plait__host_name_ok(plait_slice_of(name, 63)));
    assert_false(plait__host_name_ok(plait_slice_of(name, 64)));
    for (size_t i = 49; i < sizeof name; i += 50)
        name[i] = '.';
    assert_true(plait__host_name_ok(plait_slice_of(name, 253)));
    assert_false(plait__host_name_ok(plait_slice_of(name, 254)));
}

static void localhost_and_what_ends_in_it_is_local(void **state)
{
    static const char *const yes[] = {"localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.LocalHost."};
    static const char *const no[] = {"localhos", "notlocalhost", "localhost.example", "local"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(yes); i++)
        assert_true(plait__host_name_is_local(plait_slice_text(yes[i])));
    for (size_t i = 0; i < TEST_COUNT(no); i++)
        assert_false(plait__host_name_is_local(plait_slice_text(no[i])));
}

static void hosts_files_are_read_as_they_are_found(void **state)
{
    static const struct {
        const char *text, *pairs;
    } cases[] = {
        {"", ""},
        {"127.0.0.1 localhost\n", "127.0.0.1=localhost;"},
        {"10.0.0.1\ta\tb  c\n", "10.0.0.1=a;10.0.0.1=b;10.0.0.1=c;"},
        {"10.0.0.1 a", "10.0.0.1=a;"},
        {"10.0.0.1 a\r\n10.0.0.2 b\r\n", "10.0.0.1=a;10.0.0.2=b;"},
        {"# comment\n\n  10.0.0.1 a # rest b\n", "10.0.0.1=a;"},
        {"::1 six\nfe80::1%2 scoped\n", "::1=six;fe80::1%2=scoped;"},
        {"nonsense a\n10.0.0 b\n10.0.0.1\n10.0.0.2 c\n", "10.0.0.2=c;"},
        {"10.0.0.1 bad_-.x -y good.\n", "10.0.0.1=good;"},
        {"\n\n\n", ""},
        {"10.0.0.1#a\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__hosts hosts = plait__hosts_of(plait_slice_text(cases[i].text));
        struct plait_address address;
        plait_slice name;
        char got[200] = "";
        char one[PLAIT_ADDR_TEXT_MAX];
        size_t at = 0;
        while (plait__hosts_next(&hosts, &address, &name))
            at += (size_t)snprintf(got + at, sizeof got - at, "%s=%.*s;", plait_address_format_host(&address, one),
                                   PLAIT_ARG(name));
        assert_string_equal(got, cases[i].pairs);
        assert_false(plait__hosts_next(&hosts, &address, &name));
    }
}

static void a_hosts_file_of_any_bytes_is_read_to_its_end(void **state)
{
    struct test_random random = test_random_of(test_seed());
    static const char alphabet[] = "10.0.0.1 a.b\t\r\n#:%-x\xff";
    (void)state;
    for (int round = 0; round < 2000; round++) {
        uint8_t text[64];
        const size_t len = (size_t)test_random_below(&random, sizeof text + 1);
        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)alphabet[test_random_below(&random, sizeof alphabet)];
        struct plait__hosts hosts = plait__hosts_of(plait_slice_of(text, len));
        struct plait_address address;
        plait_slice name;
        size_t pairs = 0;
        while (plait__hosts_next(&hosts, &address, &name)) {
            assert_true(plait__host_name_ok(name));
            assert_in_range((uintptr_t)name.ptr, (uintptr_t)text, (uintptr_t)text + len);
            assert_true(++pairs < sizeof text);
        }
    }
}

/* --- plait_resolve ------------------------------------------------------------------------------------------------ */

static void literals_are_answered_at_once(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_string_equal(ask(&b, "192.0.2.1").text, "192.0.2.1");
    assert_string_equal(ask(&b, "2001:db8::1").text, "2001:db8::1");
    assert_string_equal(ask(&b, "[::1]").text, "::1");
    assert_string_equal(ask_for(&b, "192.0.2.1", PLAIT_ONLY_IP4).text, "192.0.2.1");
    assert_err(ask_for(&b, "192.0.2.1", PLAIT_ONLY_IP6).err, PLAIT_ENAMENOTFOUND);
    assert_err(ask_for(&b, "::1", PLAIT_ONLY_IP4).err, PLAIT_ENAMENOTFOUND);
    bed_close(&b);
}

static void localhost_needs_nobody(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_string_equal(ask(&b, "localhost").text, "::1 127.0.0.1");
    assert_string_equal(ask_for(&b, "x.localhost.", PLAIT_ONLY_IP4).text, "127.0.0.1");
    assert_string_equal(ask_for(&b, "localhost", PLAIT_ONLY_IP6).text, "::1");
    bed_close(&b);
}

static void what_is_no_name_is_refused_with_a_sentence(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    const struct answer a = ask(&b, "127.1");
    assert_err(a.err, PLAIT_EINVAL);
    assert_string_equal(a.detail, "it is no host name");
    assert_err(ask(&b, "").err, PLAIT_EINVAL);
    assert_err(ask(&b, "example.org").err, PLAIT_ENAMEFAILED); /* no resolver */
    bed_close(&b);
}

struct fake {
    int asked, freed;
    enum plait_family family;
};

static struct plait_deferred *fake_resolve(struct plait_reactor *r, plait_slice name, enum plait_family family,
                                           void *ctx)
{
    struct fake *f = ctx;
    plait_value value;
    struct plait_address a;
    f->asked++;
    f->family = family;
    assert_slice(name, "example.org");
    assert_ok(plait_address_parse_ip(PLAIT_LIT("192.0.2.9"), 0, &a));
    assert_ok(plait_addresses_new(r, &a, 1, &value));
    return plait_deferred_succeed(r, value);
}

static void fake_free(void *ctx)
{
    ((struct fake *)ctx)->freed++;
}

static void names_go_to_the_reactors_resolver(void **state)
{
    struct bed b;
    struct fake first = {.asked = 0};
    struct fake second = {.asked = 0};
    (void)state;
    bed_open(&b);
    plait_reactor_set_resolver(b.r, (struct plait_resolver){fake_resolve, fake_free, &first});
    assert_string_equal(ask_for(&b, "example.org", PLAIT_ONLY_IP4).text, "192.0.2.9");
    assert_int_equal(first.family, PLAIT_ONLY_IP4);
    plait_reactor_set_resolver(b.r, (struct plait_resolver){fake_resolve, fake_free, &second});
    assert_int_equal(first.freed, 1);
    assert_string_equal(ask(&b, "example.org").text, "192.0.2.9");
    assert_int_equal(first.asked, 1);
    bed_close(&b);
    assert_int_equal(second.freed, 1);
}

static void addresses_without_memory_are_an_error(void **state)
{
    struct bed b;
    plait_value value;
    struct plait_address a = {.kind = PLAIT_ADDR_IP4};
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_err(plait_addresses_new(b.r, &a, 1, &value), PLAIT_ENOMEM);
    assert_null(plait_resolve(b.r, PLAIT_LIT("127.0.0.1"), PLAIT_ANY_FAMILY));
    assert_err(plait_addresses_new(b.r, &a, SIZE_MAX / 2, &value), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_ok(plait_addresses_new(b.r, NULL, 0, &value));
    value.destroy(value.ptr);
    bed_close(&b);
}

/* --- the hosts file ----------------------------------------------------------------------------------------------- */

static char folder[TEST_PATH_BYTES];
static char hosts_path[TEST_PATH_BYTES + 16];

static void open_hosts(struct bed *b, const char *text)
{
    test_folder_make(folder);
    snprintf(hosts_path, sizeof hosts_path, "%s/hosts", folder);
    if (text)
        test_file_write(folder, "hosts", plait_slice_text(text));
    bed_open(b);
    b->job_delay = 1; /* as in the simulated world: the library is not asked */
    struct plait_resolver resolver;
    assert_ok(plait__resolver_of(b->r, hosts_path, &resolver));
    plait_reactor_set_resolver(b->r, resolver);
}

static void close_hosts(struct bed *b)
{
    bed_close(b);
    test_folder_remove(folder);
}

static void the_hosts_file_answers_in_its_order(void **state)
{
    struct bed b;
    (void)state;
    open_hosts(&b, "10.0.0.1 alpha Beta\nfd00::1 alpha\n10.0.0.2 alpha\n");
    assert_string_equal(ask(&b, "ALPHA").text, "10.0.0.1 fd00::1 10.0.0.2");
    assert_string_equal(ask(&b, "beta.").text, "10.0.0.1");
    assert_string_equal(ask_for(&b, "alpha", PLAIT_ONLY_IP6).text, "fd00::1");
    assert_string_equal(ask_for(&b, "alpha", PLAIT_ONLY_IP4).text, "10.0.0.1 10.0.0.2");
    assert_err(ask(&b, "gamma").err, PLAIT_ENAMENOTFOUND);
    close_hosts(&b);
}

static void a_changed_file_is_read_again_after_a_second(void **state)
{
    struct bed b;
    (void)state;
    open_hosts(&b, "10.0.0.1 alpha\n");
    assert_string_equal(ask(&b, "alpha").text, "10.0.0.1");
    test_file_write(folder, "hosts", PLAIT_LIT("10.0.0.22 alpha\n"));
    assert_string_equal(ask(&b, "alpha").text, "10.0.0.1");
    bed_pass(&b, plait_millis(1001));
    assert_string_equal(ask(&b, "alpha").text, "10.0.0.22");
    bed_pass(&b, plait_millis(1001)); /* looked at, and found the same */
    assert_string_equal(ask(&b, "alpha").text, "10.0.0.22");
    assert_int_equal(remove(hosts_path), 0);
    bed_pass(&b, plait_millis(1001));
    assert_err(ask(&b, "alpha").err, PLAIT_ENAMENOTFOUND);
    assert_string_equal(b.log, "");
    test_file_write(folder, "hosts", PLAIT_LIT("10.0.0.3 alpha\n"));
    bed_pass(&b, plait_millis(1001));
    assert_string_equal(ask(&b, "alpha").text, "10.0.0.3");
    close_hosts(&b);
}

static ssize_t no_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys, (void)fd, (void)buf, (void)len, (void)offset;
    return -EIO;
}

static ssize_t end_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys, (void)fd, (void)buf, (void)len, (void)offset;
    return 0;
}

static int no_open(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys, (void)dirfd, (void)path, (void)flags, (void)mode, (void)resolve;
    return -EACCES;
}

static void an_unreadable_file_counts_as_empty_and_is_logged(void **state)
{
    struct bed b;
    (void)state;
    for (int i = 0; i < 3; i++) {
        open_hosts(&b, "10.0.0.1 alpha\n");
        b.ops.pread = i == 0 ? no_pread : i == 1 ? end_pread : b.ops.pread;
        b.ops.openat2 = i == 2 ? no_open : b.ops.openat2;
        assert_err(ask(&b, "alpha").err, PLAIT_ENAMENOTFOUND);
        assert_int_equal(bed_logged(&b, "hosts-unreadable"), i != 1);
        close_hosts(&b);
    }
    test_folder_make(folder);
    bed_open(&b);
    b.job_delay = 1;
    struct plait_resolver resolver;
    assert_ok(plait__resolver_of(b.r, folder, &resolver)); /* a folder */
    plait_reactor_set_resolver(b.r, resolver);
    assert_err(ask(&b, "alpha").err, PLAIT_ENAMENOTFOUND);
    assert_true(bed_logged(&b, "hosts-unreadable"));
    close_hosts(&b);
}

static void a_large_file_is_a_table_and_a_huge_one_is_refused(void **state)
{
    struct bed b;
    const size_t lines = 50000;
    const size_t size = (size_t)5 * 1024 * 1024;
    char *text = malloc(size);
    size_t at = 0;
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < lines; i++)
        at += (size_t)snprintf(text + at, size - at, "10.%zu.%zu.%zu host%zu\n", i >> 16, (i >> 8) & 255, i & 255, i);
    open_hosts(&b, "");
    test_file_write(folder, "hosts", plait_slice_of(text, at));
    assert_string_equal(ask(&b, "host49999").text, "10.0.195.79");
    assert_string_equal(ask(&b, "host0").text, "10.0.0.0");
    memset(text, '\n', size);
    test_file_write(folder, "hosts", plait_slice_of(text, size));
    bed_pass(&b, plait_millis(1001));
    assert_err(ask(&b, "host0").err, PLAIT_ENAMENOTFOUND);
    assert_true(bed_logged(&b, "hosts-unreadable"));
    free(text);
    close_hosts(&b);
}

static void reading_without_memory_is_tried_at_the_next_change(void **state)
{
    struct bed b;
    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        struct answer a = {.calls = 0};
        open_hosts(&b, "10.0.0.1 alpha\n");
        bed_fail(&b, n);
        b.heap.fail_after = false;
        struct plait_deferred *d = plait_resolve(b.r, PLAIT_LIT("alpha"), PLAIT_ANY_FAMILY);
        bed_heal(&b);
        wait_for(&b, &a, d);
        assert_err(a.err, PLAIT_ENAMENOTFOUND);
        assert_true(bed_logged(&b, "hosts-unreadable"));
        close_hosts(&b);
    }
}

/* --- the C library ------------------------------------------------------------------------------------------------ */

static void open_system(struct bed *b)
{
    bed_open_real(b);
    struct plait_resolver resolver;
    assert_ok(plait__resolver_of(b->r, "/does/not/exist", &resolver));
    plait_reactor_set_resolver(b->r, resolver);
}

static void the_library_is_asked_in_the_pool(void **state)
{
    struct bed b;
    (void)state;
    open_system(&b);
    char name[256];
    struct plait_address found[4];
    size_t count = 0;
    assert_int_equal(gethostname(name, sizeof name), 0);
    if (plait__host_name_ok(plait_slice_text(name)) &&
        plait__getaddrinfo(name, PLAIT_ANY_FAMILY, found, 4, &count) == PLAIT_OK)
        assert_ok(ask(&b, name).err);
    const struct answer a = ask(&b, "plait-test.invalid");
    assert_true(a.err == PLAIT_ENAMENOTFOUND || a.err == PLAIT_ENAMEFAILED);
    assert_string_equal(a.step, "resolve");
    bed_close(&b);
}

static void the_library_itself_knows_localhost(void **state)
{
    struct plait_address found[8];
    size_t count = 0;
    (void)state;
    assert_ok(plait__getaddrinfo("localhost", PLAIT_ONLY_IP4, found, 8, &count));
    assert_true(count >= 1);
    assert_true(plait_address_is_loopback(&found[0]));
    assert_err(plait__getaddrinfo("localhost", PLAIT_ANY_FAMILY, found, 0, &count), PLAIT_ENAMENOTFOUND);
    const plait_err err = plait__getaddrinfo("plait-test.invalid", PLAIT_ANY_FAMILY, found, 8, &count);
    assert_true(err == PLAIT_ENAMENOTFOUND || err == PLAIT_ENAMEFAILED);
    assert_int_equal(count, 0);
}

static void the_librarys_errors_have_our_names(void **state)
{
    (void)state;
    assert_err(plait__getaddrinfo_error(0), PLAIT_OK);
    assert_err(plait__getaddrinfo_error(EAI_NONAME), PLAIT_ENAMENOTFOUND);
    assert_err(plait__getaddrinfo_error(EAI_NODATA), PLAIT_ENAMENOTFOUND);
    assert_err(plait__getaddrinfo_error(EAI_AGAIN), PLAIT_ENAMEFAILED);
    assert_err(plait__getaddrinfo_error(EAI_FAIL), PLAIT_ENAMEFAILED);
    assert_err(plait__getaddrinfo_error(EAI_SYSTEM), PLAIT_ENAMEFAILED);
    assert_err(plait__getaddrinfo_error(EAI_MEMORY), PLAIT_ENOMEM);
}

static void a_look_up_that_is_cancelled_leaves_nothing(void **state)
{
    struct bed b;
    struct answer a = {.calls = 0};
    (void)state;
    open_system(&b);
    struct plait_deferred *d = plait_resolve(b.r, PLAIT_LIT("plait-test.invalid"), PLAIT_ANY_FAMILY);
    assert_ok(plait_then(d, note, &a));
    plait_deferred_cancel(d);
    for (int n = 0; n < 10 && !a.calls; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_err(a.err, PLAIT_ECANCELLED);
    d = plait_resolve(b.r, PLAIT_LIT("plait-test.invalid"), PLAIT_ANY_FAMILY); /* and one the reactor's end cancels */
    assert_non_null(d);
    bed_close(&b);
}

static void a_look_up_without_memory_is_null(void **state)
{
    struct bed b;
    (void)state;
    for (uint64_t n = 1; n <= 6; n++) {
        struct answer a = {.calls = 0};
        open_system(&b);
        bed_fill(&b);
        bed_fail(&b, n);
        struct plait_deferred *d = plait_resolve(b.r, PLAIT_LIT("plait-test.invalid"), PLAIT_ANY_FAMILY);
        bed_heal(&b);
        if (d)
            wait_for(&b, &a, d);
        assert_true(!d || a.err != PLAIT_OK);
        bed_close(&b);
    }
}

static void the_library_alone_without_memory_for_the_answer_is_an_error(void **state)
{
    struct bed b;
    struct answer a = {.calls = 0};
    (void)state;
    open_system(&b);
    struct plait_deferred *d = b.r->resolver.resolve(b.r, PLAIT_LIT("localhost"), PLAIT_ONLY_IP4, b.r->resolver.ctx);
    assert_ok(plait_then(d, note, &a));
    bed_fail(&b, 1);
    for (int n = 0; n < 2000 && !a.calls; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    bed_heal(&b);
    assert_err(a.err, PLAIT_ENOMEM);
    wait_for(&b, &a, b.r->resolver.resolve(b.r, PLAIT_LIT("localhost"), PLAIT_ONLY_IP4, b.r->resolver.ctx));
    assert_ok(a.err);
    assert_memory_equal(a.text, "127.0.0.1", 9);
    bed_close(&b);
}

static void only_ip_addresses_have_a_family(void **state)
{
    const struct plait_address path = {.kind = PLAIT_ADDR_UNIX};
    (void)state;
    assert_false(plait__family_has(PLAIT_ANY_FAMILY, &path));
}

static void the_system_resolver_reads_the_systems_file(void **state)
{
    struct bed b;
    struct plait_resolver resolver;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_err(plait_resolver_system(b.r, &resolver), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_ok(plait_resolver_system(b.r, &resolver));
    plait_reactor_set_resolver(b.r, resolver);
    b.job_delay = 1;
    assert_err(ask(&b, "plait-test.invalid").err, PLAIT_ENAMENOTFOUND);
    bed_close(&b);
}

static void a_simulated_host_has_a_hosts_file_of_its_own(void **state)
{
    static const char text[] = "10.9.8.7 elsewhere\n";
    struct plait_sim *sim = plait_sim_new(test_seed(), 0);
    struct plait_host *host = plait_sim_host(sim, "a");
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resolver resolver;
    struct answer a = {.calls = 0};
    struct answer none = {.calls = 0};
    (void)state;
    assert_ok(plait_host_write_file(host, "/etc/hosts", text, sizeof text - 1));
    assert_ok(plait_resolver_system(r, &resolver));
    plait_reactor_set_resolver(r, resolver);
    assert_ok(plait_then(plait_resolve(r, PLAIT_LIT("elsewhere"), PLAIT_ANY_FAMILY), note, &a));
    assert_ok(plait_then(plait_resolve(r, PLAIT_LIT("nowhere"), PLAIT_ANY_FAMILY), note, &none));
    plait_sim_run_for(sim, plait_millis(1));
    assert_string_equal(a.text, "10.9.8.7");
    assert_err(none.err, PLAIT_ENAMENOTFOUND);
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

TEST_MAIN(
    cmocka_unit_test(names_are_judged_by_the_rules_of_hosts), cmocka_unit_test(names_have_their_longest),
    cmocka_unit_test(localhost_and_what_ends_in_it_is_local), cmocka_unit_test(hosts_files_are_read_as_they_are_found),
    cmocka_unit_test(a_hosts_file_of_any_bytes_is_read_to_its_end), cmocka_unit_test(literals_are_answered_at_once),
    cmocka_unit_test(localhost_needs_nobody), cmocka_unit_test(what_is_no_name_is_refused_with_a_sentence),
    cmocka_unit_test(names_go_to_the_reactors_resolver), cmocka_unit_test(addresses_without_memory_are_an_error),
    cmocka_unit_test(the_hosts_file_answers_in_its_order),
    cmocka_unit_test(a_changed_file_is_read_again_after_a_second),
    cmocka_unit_test(an_unreadable_file_counts_as_empty_and_is_logged),
    cmocka_unit_test(a_large_file_is_a_table_and_a_huge_one_is_refused),
    cmocka_unit_test(reading_without_memory_is_tried_at_the_next_change),
    cmocka_unit_test(the_library_is_asked_in_the_pool), cmocka_unit_test(the_library_itself_knows_localhost),
    cmocka_unit_test(the_librarys_errors_have_our_names), cmocka_unit_test(a_look_up_that_is_cancelled_leaves_nothing),
    cmocka_unit_test(a_look_up_without_memory_is_null),
    cmocka_unit_test(the_library_alone_without_memory_for_the_answer_is_an_error),
    cmocka_unit_test(only_ip_addresses_have_a_family), cmocka_unit_test(the_system_resolver_reads_the_systems_file),
    cmocka_unit_test(a_simulated_host_has_a_hosts_file_of_its_own))
