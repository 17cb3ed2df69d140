/* SPDX-License-Identifier: MIT
 *
 * What mutants of the resolver showed that nobody looked at: edges of its limits, letters, what makes a file another.
 * tools/mutate tells which of them survive.
 */
#include "tests/engine/bed.h"

#include "engine/hosts_wire.h"
#include "engine/resolve_core.h"

struct hosts {
    struct bed b;
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 16];
};

static void hosts_open(struct hosts *h, const char *text)
{
    struct plait_resolver resolver;
    test_folder_make(h->folder);
    (void)snprintf(h->path, sizeof h->path, "%s/hosts", h->folder);
    test_file_write(h->folder, "hosts", plait_slice_text(text));
    bed_open(&h->b);
    h->b.job_delay = 1; /* the library is not asked */
    assert_ok(plait__resolver_of(h->b.r, h->path, &resolver));
    plait_reactor_set_resolver(h->b.r, resolver);
}

static void hosts_close(struct hosts *h)
{
    bed_close(&h->b);
    test_folder_remove(h->folder);
}

struct found {
    size_t count;
    uint8_t last; /* byte of the first address */
};

static void note_found(struct plait_result *result, void *ctx)
{
    struct found *f = ctx;
    const struct plait_addresses *a = result->fault.err ? NULL : result->value.ptr;
    f->count = a ? a->count : 0;
    f->last = a ? a->address[0].ip[3] : 0;
    plait_result_set(result, plait_value_num(0));
}

static struct found hosts_ask(struct hosts *h, const char *name)
{
    struct found f = {.count = 999};
    assert_ok(plait_then(plait_resolve(h->b.r, plait_slice_text(name), PLAIT_ANY_FAMILY), note_found, &f));
    bed_run(&h->b);
    assert_int_not_equal(f.count, 999);
    return f;
}

static void every_letter_is_found_in_either_case(void **state)
{
    struct hosts h;
    char name[3] = "A";
    (void)state;
    hosts_open(&h, "10.0.0.9 a b c d e f g h i j k l m n o p q r s t u v w x y z aZ Zb zz\n");
    for (name[0] = 'A'; name[0] <= 'Z'; name[0]++)
        assert_int_equal(hosts_ask(&h, name).last, 9);
    assert_int_equal(hosts_ask(&h, "Az").last, 9);
    assert_int_equal(hosts_ask(&h, "zB").last, 9);
    assert_int_equal(hosts_ask(&h, "ZZ").last, 9);
    hosts_close(&h);
}

static void a_name_has_at_most_64_addresses(void **state)
{
    struct hosts h;
    char text[4000] = "";
    size_t at = 0;
    (void)state;
    for (int i = 1; i <= 70; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "10.0.0.%d many\n", i);
    hosts_open(&h, text);
    assert_int_equal(hosts_ask(&h, "many").count, 64);
    hosts_close(&h);
}

static void a_file_of_4_mib_is_read_and_one_byte_more_is_not(void **state)
{
    const size_t most = (size_t)4 << 20;
    char *text = malloc(most + 1);
    (void)state;
    assert_non_null(text);
    for (size_t more = 0; more < 2; more++) {
        struct hosts h;
        memset(text, '\n', most + 1);
        memcpy(text, "10.0.0.9 alpha", 14);
        hosts_open(&h, "");
        test_file_write(h.folder, "hosts", plait_slice_of(text, most + more));
        assert_int_equal(hosts_ask(&h, "alpha").last, more ? 0 : 9);
        hosts_close(&h);
    }
    free(text);
}

/* For ops.fstatat: from the second look on a file is another in one respect, which `user` chooses. */
static int another_fstatat(struct plait_sys *sys, int dir, const char *path, struct stat *st, int flags)
{
    struct bed *b = (struct bed *)sys;
    const int res = plait__sys_kernel()->ops->fstatat(plait__sys_kernel(), dir, path, st, flags);
    st->st_mtim.tv_sec = 5;
    st->st_mtim.tv_nsec = 5;
    st->st_ino = 5;
    st->st_dev = 5;
    if (++b->looks < 2)
        return res;
    st->st_dev += b->user == 0;
    st->st_ino += b->user == 1;
    st->st_mtim.tv_sec += b->user == 2;
    st->st_mtim.tv_nsec += b->user == 3;
    return res;
}

static void a_file_that_differs_in_one_respect_is_read_again(void **state)
{
    (void)state;
    for (int respect = 0; respect < 6; respect++) {
        struct hosts h;
        hosts_open(&h, "10.0.0.1 alpha\n");
        h.b.ops.fstatat = another_fstatat;
        h.b.user = respect;
        assert_int_equal(hosts_ask(&h, "alpha").last, 1);
        /* the fifth differs by its length, the sixth in nothing that can be seen */
        test_file_write(h.folder, "hosts",
                        respect == 4 ? PLAIT_LIT("10.0.0.2  alpha\n") : PLAIT_LIT("10.0.0.2 alpha\n"));
        bed_pass(&h.b, plait_seconds(1)); /* and not a moment more */
        assert_int_equal(hosts_ask(&h, "alpha").last, respect == 5 ? 1 : 2);
        hosts_close(&h);
    }
}

static void a_hexadecimal_number_is_one_to_its_end(void **state)
{
    (void)state;
    assert_false(plait__host_name_ok(PLAIT_LIT("example.0x7f")));
    assert_true(plait__host_name_ok(PLAIT_LIT("example.0x7fg")));
    assert_true(plait__host_name_ok(PLAIT_LIT("example.0xg")));
}

TEST_MAIN(cmocka_unit_test(every_letter_is_found_in_either_case), cmocka_unit_test(a_name_has_at_most_64_addresses),
          cmocka_unit_test(a_file_of_4_mib_is_read_and_one_byte_more_is_not),
          cmocka_unit_test(a_file_that_differs_in_one_respect_is_read_again),
          cmocka_unit_test(a_hexadecimal_number_is_one_to_its_end))
