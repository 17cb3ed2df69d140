/* SPDX-License-Identifier: MIT
 *
 * Precompressed forms beside files: which is sent to whom, with what type, tag and Vary; ranges of them; what fails.
 */
#include "tests/web/http_world.h"

#include <plait/sim.h>

#include <sys/stat.h>
#include <unistd.h>

static struct peer p;
static char folder[TEST_PATH_BYTES];

static void site_open(struct world *w)
{
    struct plait_resource *files;
    char path[TEST_PATH_BYTES + 16];
    test_folder_make(folder);
    test_file_write(folder, "both.txt", PLAIT_LIT("plain text of both"));
    test_file_write(folder, "both.txt.br", PLAIT_LIT("brotli"));
    test_file_write(folder, "both.txt.gz", PLAIT_LIT("gzip form"));
    test_file_write(folder, "one.html", PLAIT_LIT("plain one"));
    test_file_write(folder, "one.html.gz", PLAIT_LIT("gzip one"));
    test_file_write(folder, "none.css", PLAIT_LIT("plain none"));
    (void)snprintf(path, sizeof(path), "%s/none.css.gz", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    world_open(w);
    assert_ok(plait_files_new(w->r, folder, NULL, &files));
    plait_resource_unref(&w->root);
    w->root = files;
    world_serve(w, NULL);
}

static void site_close(struct world *w)
{
    world_close(w);
    test_folder_remove(folder);
}

static const char *get(struct world *w, const char *path, const char *fields)
{
    char text[900];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, fields);
    ask(w, &p, text);
    return body_of(&p);
}

static void the_form_that_is_liked_best_is_sent(void **state)
{
    static const struct {
        const char *path, *accepted, *body, *coding;
    } table[] = {
        {"/both.txt", "", "plain text of both", NULL},
        {"/both.txt", "Accept-Encoding: gzip, br\r\n", "brotli", "br"},
        {"/both.txt", "Accept-Encoding: gzip, br;q=0.9\r\n", "gzip form", "gzip"},
        {"/both.txt", "Accept-Encoding: gzip\r\n", "gzip form", "gzip"},
        {"/both.txt", "Accept-Encoding: identity\r\n", "plain text of both", NULL},
        {"/one.html", "Accept-Encoding: gzip, br\r\n", "gzip one", "gzip"},
        {"/one.html", "Accept-Encoding: br\r\n", "plain one", NULL},
        {"/none.css", "Accept-Encoding: gzip, br\r\n", "plain none", NULL},
        {"/both.txt.gz", "Accept-Encoding: gzip\r\n", "gzip form", NULL},
    };
    struct world w;
    (void)state;
    site_open(&w);
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        char line[60];
        assert_string_equal(get(&w, table[i].path, table[i].accepted), table[i].body);
        (void)snprintf(line, sizeof(line), "Content-Encoding: %s\r\n", table[i].coding ? table[i].coding : "");
        assert_int_equal(count_of(&p, line), table[i].coding != NULL);
        if (table[i].coding)
            assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), 1);
    }
    (void)get(&w, "/one.html", "Accept-Encoding: gzip\r\n");
    assert_int_equal(count_of(&p, "Content-Type: text/html; charset=utf-8\r\n"), 1);
    (void)get(&w, "/both.txt.gz", "");
    assert_int_equal(count_of(&p, "Content-Type: application/gzip\r\n"), 1);
    (void)get(&w, "/one.html", ""); /* who asks for the plain one is told of the other */
    assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), 1);
    (void)get(&w, "/none.css", "Accept-Encoding: gzip\r\n");
    assert_int_equal(count_of(&p, "Vary"), 0);
    site_close(&w);
}

static void tag_of(char out[100])
{
    const char *at = strstr(p.got, "ETag: ");
    assert_non_null(at);
    (void)snprintf(out, 100, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

static void a_form_has_a_tag_and_ranges_of_its_own(void **state)
{
    char plain[100], coded[100], fields[300];
    struct world w;
    (void)state;
    site_open(&w);
    (void)get(&w, "/both.txt", "");
    tag_of(plain);
    (void)get(&w, "/both.txt", "Accept-Encoding: br\r\n");
    tag_of(coded);
    assert_string_not_equal(plain, coded);
    (void)snprintf(fields, sizeof(fields), "Accept-Encoding: br\r\nIf-None-Match: %s\r\n", coded);
    (void)get(&w, "/both.txt", fields);
    assert_int_equal(status_of(&p), 304);
    assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), 1);
    assert_int_equal(count_of(&p, "Content-Encoding"), 0);
    (void)snprintf(fields, sizeof(fields), "Accept-Encoding: br\r\nIf-None-Match: %s\r\n", plain);
    assert_string_equal(get(&w, "/both.txt", fields), "brotli");
    assert_string_equal(get(&w, "/both.txt", "Accept-Encoding: br\r\nRange: bytes=1-2\r\n"), "ro");
    assert_int_equal(count_of(&p, "Content-Range: bytes 1-2/6\r\n"), 1);
    (void)get(&w, "/both.txt", "Accept-Encoding: br\r\nRange: bytes=0-0,2-3\r\n");
    assert_int_equal(count_of(&p, "Content-Type: text/plain; charset=utf-8\r\n"), 2);
    (void)get(&w, "/both.txt", "Accept-Encoding: br\r\nRange: bytes=100-\r\n");
    assert_int_equal(status_of(&p), 416);
    assert_int_equal(count_of(&p, "Content-Encoding"), 0);
    site_close(&w);
}

/* That there is none is remembered for a second only. */
static void a_form_that_comes_is_found(void **state)
{
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_host *host = plait_sim_host(sim, "host");
    struct plait_resource *files;
    struct world w = {.r = plait_host_reactor(host)};
    (void)state;
    assert_ok(plait_host_write_file(host, "/www/a.txt", "plain", 5));
    assert_ok(plait_files_new(w.r, "/www", NULL, &files));
    w.root = files;
    world_serve(&w, NULL);
    assert_string_equal(get(&w, "/a.txt", "Accept-Encoding: gzip\r\n"), "plain");
    assert_ok(plait_host_write_file(host, "/www/a.txt.gz", "coded", 5));
    assert_string_equal(get(&w, "/a.txt", "Accept-Encoding: gzip\r\n"), "plain");
    plait_sim_run_for(sim, plait_seconds(1));
    assert_string_equal(get(&w, "/a.txt", "Accept-Encoding: gzip\r\n"), "coded");
    plait__http_service_unref(w.service);
    plait_sim_free(&sim);
}

static void memory_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct world w;
        site_open(&w);
        peer_open(&w, &p);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        peer_send(&w, &p, "GET /both.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\nRange: bytes=1-2\r\n\r\n");
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        (void)get(&w, "/both.txt", "");
        assert_int_equal(status_of(&p), 200);
        site_close(&w);
        assert_true(k < 100);
    }
}

/* A name for which no longer one can be kept has no other form. */
static void a_long_name_has_one_form(void **state)
{
    char name[256 * 3], target[900];
    struct world w;
    (void)state;
    site_open(&w);
    char path[TEST_PATH_BYTES + 800];
    (void)snprintf(path, sizeof(path), "%s", folder);
    name[0] = 0;
    for (int i = 0; i < 3; i++) {
        char part[202];
        memset(part, 'n', 200);
        part[200] = 0;
        (void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%s", i ? "/" : "", part);
        (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", part);
        if (i < 2)
            assert_int_equal(mkdir(path, 0700), 0);
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite("long", 1, 4, file), 4);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(target, sizeof(target), "/%s", name);
    assert_string_equal(get(&w, target, "Accept-Encoding: gzip\r\n") ? body_of(&p) : "", "long");
    site_close(&w);
}

TEST_MAIN(cmocka_unit_test(the_form_that_is_liked_best_is_sent),
          cmocka_unit_test(a_form_has_a_tag_and_ranges_of_its_own), cmocka_unit_test(a_form_that_comes_is_found),
          cmocka_unit_test(memory_may_fail), cmocka_unit_test(a_long_name_has_one_form))
