/* SPDX-License-Identifier: MIT
 *
 * Files as a resource: what is served, what is refused, ranges, listings, links, changes. Pages that plait makes
 * itself.
 */
#include "tests/web/http_world.h"

#include <sys/stat.h>
#include <unistd.h>

struct site {
    struct world w;
    char folder[TEST_PATH_BYTES];
};

static void make_path(char *out, size_t bytes, const struct site *s, const char *name)
{
    (void)snprintf(out, bytes, "%s/%s", s->folder, name);
}

static void make_folder(const struct site *s, const char *name)
{
    char path[TEST_PATH_BYTES * 2];
    make_path(path, sizeof(path), s, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const struct site *s, const char *target, const char *name)
{
    char path[TEST_PATH_BYTES * 2];
    make_path(path, sizeof(path), s, name);
    assert_int_equal(symlink(target, path), 0);
}

static char large[50000];

static void site_open(struct site *s, const struct plait_files_options *options)
{
    struct plait_resource *files;
    test_folder_make(s->folder);
    test_file_write(s->folder, "a.txt", PLAIT_LIT("0123456789"));
    test_file_write(s->folder, "a b&<c>.html", PLAIT_LIT("<p>"));
    test_file_write(s->folder, ".hidden", PLAIT_LIT("secret"));
    test_file_write(s->folder, "empty", PLAIT_LIT(""));
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)('a' + i % 26);
    test_file_write(s->folder, "large.bin", plait_slice_of(large, sizeof(large)));
    make_folder(s, "sub");
    make_folder(s, "indexed");
    make_folder(s, ".git");
    test_file_write(s->folder, "sub/inner.css", PLAIT_LIT("p{}"));
    test_file_write(s->folder, "indexed/index.html", PLAIT_LIT("the index"));
    test_file_write(s->folder, ".git/config", PLAIT_LIT("secret"));
    make_link(s, "/etc", "out");
    make_link(s, "../", "up");
    make_link(s, "a.txt", "within.txt");
    make_link(s, "loop", "loop");
    world_open(&s->w);
    assert_ok(plait_files_new(s->w.r, s->folder, options, &files));
    assert_ok(plait_resource_mount(s->w.root, "f", files));
    world_serve(&s->w, NULL);
}

static void site_close(struct site *s)
{
    world_close(&s->w);
    test_folder_remove(s->folder);
}

static void get(struct site *s, struct peer *p, const char *path, const char *fields)
{
    char request[1024];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n%s\r\n", path, fields);
    ask(&s->w, p, request);
}

static void expect(struct site *s, const char *path, int status, const char *body)
{
    struct peer p;
    get(s, &p, path, "");
    if (status_of(&p) != status || (body && strcmp(body_of(&p), body) != 0))
        fail_msg("%s gave %s", path, p.got);
}

static void files_are_served_and_others_are_not(void **state)
{
    struct site s;
    (void)state;
    size_t open_before = test_open_descriptors();
    site_open(&s, NULL);
    for (int again = 0; again < 2; again++) {
        expect(&s, "/f/a.txt", 200, "0123456789");
        expect(&s, "/f/%61.txt", 200, "0123456789");
        expect(&s, "/f/sub/../a.txt", 200, "0123456789");
        expect(&s, "/f/a%20b&%3Cc%3E.html", 200, "<p>");
        expect(&s, "/f/empty", 200, "");
        expect(&s, "/f/sub/inner.css", 200, "p{}");
        expect(&s, "/f/indexed/", 200, "the index");
        expect(&s, "/f/within.txt", 200, "0123456789");
        expect(&s, "/f/nothing", 404, NULL);
        expect(&s, "/f/a.txt/", 404, NULL);
        expect(&s, "/f/a.txt/b", 404, NULL);
        expect(&s, "/f/.hidden", 404, NULL);
        expect(&s, "/f/.git/config", 404, NULL);
        expect(&s, "/f/%2ehidden", 404, NULL);
        expect(&s, "/f/sub//inner.css", 404, NULL);
        expect(&s, "/f//etc/passwd", 404, NULL);
        expect(&s, "/f/..%2f..%2fetc/passwd", 404, NULL);
        expect(&s, "/f/../../etc/passwd", 400, NULL);
        expect(&s, "/f/out/passwd", 404, NULL);
        expect(&s, "/f/up/", 404, NULL);
        expect(&s, "/f/loop", 404, NULL);
    }
    struct peer p;
    get(&s, &p, "/f/large.bin", "");
    assert_int_equal(p.len - (size_t)(body_of(&p) - p.got), sizeof(large));
    assert_memory_equal(body_of(&p), large, sizeof(large));
    assert_int_equal(count_of(&p, "Content-Type: application/octet-stream\r\n"), 1);
    site_close(&s);
    assert_int_equal(test_open_descriptors(), open_before);
}

static void unreadable_files_are_403(void **state)
{
    struct site s;
    char path[TEST_PATH_BYTES * 2];
    (void)state;
    if (geteuid() == 0)
        return; /* root reads everything */
    site_open(&s, NULL);
    make_path(path, sizeof(path), &s, "a.txt");
    assert_int_equal(chmod(path, 0), 0);
    expect(&s, "/f/a.txt", 403, NULL);
    site_close(&s);
}

static void other_things_than_files_are_not_served(void **state)
{
    struct site s;
    char path[TEST_PATH_BYTES * 2];
    (void)state;
    site_open(&s, NULL);
    make_path(path, sizeof(path), &s, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect(&s, "/f/pipe", 404, NULL);
    site_close(&s);
}

static void folders_want_their_slash(void **state)
{
    struct site s;
    struct peer p;
    (void)state;
    site_open(&s, NULL);
    get(&s, &p, "/f/sub", "");
    assert_int_equal(status_of(&p), 301);
    assert_int_equal(count_of(&p, "\r\nLocation: /f/sub/\r\n"), 1);
    get(&s, &p, "/f?a=b", "");
    assert_int_equal(count_of(&p, "\r\nLocation: /f/?a=b\r\n"), 1);
    site_close(&s);
}

static void folders_are_listed(void **state)
{
    struct site s;
    struct peer p;
    (void)state;
    site_open(&s, NULL);
    get(&s, &p, "/f/", "");
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(count_of(&p, "<a href=\"./a%20b%26%3Cc%3E.html\">a b&amp;&lt;c&gt;.html</a>"), 1);
    assert_int_equal(count_of(&p, ".hidden</a>"), 0);
    assert_int_equal(count_of(&p, ".git"), 0);
    assert_int_equal(count_of(&p, "\">out"), 0);
    assert_int_equal(count_of(&p, "within.txt</a>"), 1);
    assert_int_equal(count_of(&p, "<a href=\"./sub/\">sub/</a>"), 1);
    assert_int_equal(count_of(&p, ">10 B<"), 2);
    assert_int_equal(count_of(&p, ">48 KB<"), 1);
    assert_true(strstr(p.got, "./sub/") < strstr(p.got, "./a%20b"));
    assert_true(strstr(p.got, "./a%20b") < strstr(p.got, "./large.bin"));
    site_close(&s);
    static const struct plait_files_options closed = {.no_listing = true};
    site_open(&s, &closed);
    expect(&s, "/f/", 404, NULL);
    expect(&s, "/f/indexed/", 200, "the index");
    site_close(&s);
}

static void the_topmost_folder_can_welcome(void **state)
{
    struct site s;
    struct peer p;
    static const struct plait_files_options welcome = {.welcome = true}, both = {.welcome = true, .no_listing = true};
    (void)state;
    site_open(&s, &welcome);
    get(&s, &p, "/f/", "");
    assert_int_equal(count_of(&p, "<title>Welcome to Plait</title>"), 1);
    assert_int_equal(count_of(&p, "./a.txt"), 1);
    get(&s, &p, "/f/sub/", "");
    assert_int_equal(count_of(&p, "Welcome"), 0);
    site_close(&s);
    site_open(&s, &both);
    get(&s, &p, "/f/", "");
    assert_int_equal(count_of(&p, "<title>Welcome to Plait</title>"), 1);
    assert_int_equal(count_of(&p, "./a.txt"), 0);
    site_close(&s);
}

static void another_index_can_be_named(void **state)
{
    struct site s;
    struct plait_resource *out;
    static const struct plait_files_options named = {.index = "inner.css"};
    static const char *const wrong[] = {"a/b", ".x", "",
                                        "12345678901234567890123456789012345678901234567890123456789012345"};
    (void)state;
    site_open(&s, &named);
    expect(&s, "/f/sub/", 200, "p{}");
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct plait_files_options options = {.index = wrong[i]};
        if (i != 2)
            assert_err(plait_files_new(s.w.r, s.folder, &options, &out), PLAIT_EINVAL);
    }
    site_close(&s);
}

static void folders_that_can_not_be_served_are_refused(void **state)
{
    struct site s;
    struct plait_resource *out;
    char path[TEST_PATH_BYTES * 2];
    (void)state;
    site_open(&s, NULL);
    make_path(path, sizeof(path), &s, "a.txt");
    assert_err(plait_files_new(s.w.r, path, NULL, &out), PLAIT_EINVAL);
    make_path(path, sizeof(path), &s, "nothing");
    assert_err(plait_files_new(s.w.r, path, NULL, &out), PLAIT_ENOTFOUND);
    for (uint64_t n = 1; n < 5; n++) {
        s.w.heap.fail_at = s.w.heap.calls + n;
        const plait_err err = plait_files_new(s.w.r, s.folder, NULL, &out);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        if (!err)
            plait_resource_unref(&out);
    }
    s.w.heap.fail_at = 0;
    site_close(&s);
}

static void files_survive_any_lack_of_memory(void **state)
{
    static const char *const paths[] = {"/f/a.txt", "/f/large.bin", "/f/", "/f/sub", "/f/indexed/"};
    struct site s;
    struct peer p;
    (void)state;
    site_open(&s, NULL);
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        for (uint64_t n = 1; n < 80; n++) {
            char request[256];
            (void)snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nRange: bytes=0-1,4-5\r\n\r\n", paths[i]);
            peer_open(&s.w, &p);
            s.w.heap.fail_at = s.w.heap.calls + n;
            peer_send(&s.w, &p, request);
            s.w.heap.fail_at = 0;
            peer_close(&s.w, &p);
            if (status_of(&p) == 404)
                fail_msg("%s at %d: %s", paths[i], (int)n, p.got);
        }
    }
    site_close(&s);
}

/* RFC 9110 section 14 */
static void ranges_are_served(void **state)
{
    static const struct {
        const char *path, *range;
        int status;
        const char *content_range, *body;
    } cases[] = {
        {"/f/a.txt", "bytes=2-4", 206, "Content-Range: bytes 2-4/10\r\n", "234"},
        {"/f/a.txt", "bytes=-1", 206, "Content-Range: bytes 9-9/10\r\n", "9"},
        {"/f/a.txt", "bytes=0-", 206, "Content-Range: bytes 0-9/10\r\n", "0123456789"},
        {"/f/a.txt", "bytes=10-", 416, "Content-Range: bytes */10\r\n", NULL},
        {"/f/a.txt", "lines=1-2", 200, "Accept-Ranges: bytes\r\n", "0123456789"},
        {"/f/large.bin", "bytes=26-28", 206, "Content-Range: bytes 26-28/50000\r\n", "abc"},
        {"/f/empty", "bytes=0-", 416, "Content-Range: bytes */0\r\n", NULL},
    };
    struct site s;
    (void)state;
    site_open(&s, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct peer p;
        char field[128];
        (void)snprintf(field, sizeof(field), "Range: %s\r\n", cases[i].range);
        get(&s, &p, cases[i].path, field);
        if (status_of(&p) != cases[i].status || !count_of(&p, cases[i].content_range) ||
            (cases[i].body && strcmp(body_of(&p), cases[i].body) != 0))
            fail_msg("%s of %s: %s", cases[i].range, cases[i].path, p.got);
    }
    site_close(&s);
}

static void several_ranges_come_in_parts(void **state)
{
    static const char *const paths[] = {"/f/a.txt", "/f/large.bin"};
    struct site s;
    (void)state;
    site_open(&s, NULL);
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        struct peer p;
        get(&s, &p, paths[i], "Range: bytes=0-1,4-5\r\n");
        assert_int_equal(status_of(&p), 206);
        assert_int_equal(count_of(&p, "Content-Type: multipart/byteranges; boundary="), 1);
        assert_int_equal(count_of(&p, i ? "bytes 0-1/50000\r\n\r\nab\r\n--" : "bytes 0-1/10\r\n\r\n01\r\n--"), 1);
        assert_int_equal(count_of(&p, i ? "bytes 4-5/50000\r\n\r\nef\r\n--" : "bytes 4-5/10\r\n\r\n45\r\n--"), 1);
        const char *length = strstr(p.got, "Content-Length: ");
        assert_non_null(length);
        assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body_of(&p)));
    }
    site_close(&s);
}

static void copies_are_revalidated(void **state)
{
    struct site s;
    struct peer p;
    char etag[128], field[256];
    (void)state;
    site_open(&s, NULL);
    get(&s, &p, "/f/a.txt", "");
    const char *at = strstr(p.got, "\r\nETag: ");
    assert_non_null(at);
    (void)snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 8, "\r"), at + 8);
    (void)snprintf(field, sizeof(field), "If-None-Match: %s\r\n", etag);
    get(&s, &p, "/f/a.txt", field);
    assert_int_equal(status_of(&p), 304);
    (void)snprintf(field, sizeof(field), "If-Range: %s\r\nRange: bytes=1-1\r\n", etag);
    get(&s, &p, "/f/a.txt", field);
    assert_int_equal(status_of(&p), 206);
    get(&s, &p, "/f/a.txt", "If-Range: \"other\"\r\nRange: bytes=1-1\r\n");
    assert_int_equal(status_of(&p), 200);
    get(&s, &p, "/f/a.txt", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\nRange: bytes=1-1\r\n");
    assert_int_equal(status_of(&p), 200);
    at = strstr(p.got, "\r\nLast-Modified: ");
    assert_non_null(at);
    (void)snprintf(field, sizeof(field), "If-Range: %.29s\r\nRange: bytes=1-1\r\n", at + 17);
    get(&s, &p, "/f/a.txt", field);
    assert_int_equal(status_of(&p), 206);
    site_close(&s);
}

static void changed_files_are_seen_after_a_second(void **state)
{
    struct site s;
    (void)state;
    site_open(&s, NULL);
    expect(&s, "/f/a.txt", 200, "0123456789");
    test_file_write(s.folder, "a.txt", PLAIT_LIT("changed"));
    plait_time until = plait_now(s.w.r) + plait_millis(1100);
    while (plait_now(s.w.r) < until)
        assert_ok(plait_reactor_step(s.w.r, plait_millis(100)));
    expect(&s, "/f/a.txt", 200, "changed");
    site_close(&s);
}

static void the_welcome_page_stands_alone(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_mount(w.root, "w", plait_welcome_new(w.r)));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /w HTTP/1.0\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(count_of(&p, "Plait is running"), 1);
    assert_int_equal(count_of(&p, "<script"), 0);
    world_close(&w);
}

static void sizes_and_dates_are_for_people(void **state)
{
    static const struct plait__http_entry entries[] = {
        {"a", false, 0, 0},         {"b", false, 1023, 0},       {"c", false, 1024, 0},      {"d", false, 1536, 86399},
        {"e", false, 10 * 1024, 0}, {"f", false, 3ull << 30, 0}, {"g", false, UINT64_MAX, 0}};
    static const char *const texts[] = {">0 B<", ">1023 B<", ">1.0 KB<", ">1.5 KB<", ">10 KB<", ">3.0 GB<", ">15 EB<"};
    struct plait_budget budget;
    struct plait_buf out;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 65536);
    plait__http_table(&out, PLAIT_LIT("/"), entries, TEST_COUNT(entries));
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        if (plait_slice_find(plait_buf_slice(&out), plait_slice_text(texts[i]), 0) == SIZE_MAX)
            fail_msg("no %s in %.*s", texts[i], PLAIT_ARG(plait_buf_slice(&out)));
    }
    assert_true(plait_slice_find(plait_buf_slice(&out), PLAIT_LIT("1970-01-01 23:59"), 0) != SIZE_MAX);
    plait_buf_clear(&out);
    plait__http_table(&out, PLAIT_LIT("/"), NULL, 0);
    assert_true(plait_slice_find(plait_buf_slice(&out), PLAIT_LIT("Nothing here"), 0) != SIZE_MAX);
    plait_buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(files_are_served_and_others_are_not), cmocka_unit_test(unreadable_files_are_403),
          cmocka_unit_test(other_things_than_files_are_not_served), cmocka_unit_test(folders_want_their_slash),
          cmocka_unit_test(folders_are_listed), cmocka_unit_test(the_topmost_folder_can_welcome),
          cmocka_unit_test(another_index_can_be_named), cmocka_unit_test(folders_that_can_not_be_served_are_refused),
          cmocka_unit_test(files_survive_any_lack_of_memory), cmocka_unit_test(ranges_are_served),
          cmocka_unit_test(several_ranges_come_in_parts), cmocka_unit_test(copies_are_revalidated),
          cmocka_unit_test(changed_files_are_seen_after_a_second), cmocka_unit_test(the_welcome_page_stands_alone),
          cmocka_unit_test(sizes_and_dates_are_for_people))
