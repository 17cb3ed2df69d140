/* SPDX-License-Identifier: MIT
 *
 * The access log: both forms, escaping, reopening, disks that fail or are slow.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"

#include <plait/site.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct peer p;
static char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 16];
static struct plait_access_log *accesses;

/* A kernel whose jobs run in the loop, later, and whose writing fails as told. */
struct disk {
    struct plait_sys sys;
    struct plait_sys_ops ops;
    ssize_t answer; /* of a write to a regular file; 0: the kernel's */
    bool full, no_open;
    int64_t delay;
};
static struct disk disk;

static bool is_file(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static ssize_t disk_write(struct plait_sys *sys, int fd, const void *buf, size_t len)
{
    (void)sys;
    if (is_file(fd) && (disk.answer || disk.full))
        return disk.full ? 0 : disk.answer;
    return plait__sys_kernel()->ops->write(plait__sys_kernel(), fd, buf, is_file(fd) && len > 100 ? 100 : len);
}

static int disk_openat2(struct plait_sys *sys, int dirfd, const char *name, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys;
    if (disk.no_open)
        return -EACCES;
    return plait__sys_kernel()->ops->openat2(plait__sys_kernel(), dirfd, name, flags, mode, resolve);
}

static int64_t disk_delay(struct plait_sys *sys)
{
    (void)sys;
    return disk.delay;
}

static void answer(struct plait_request *req, void *ctx)
{
    (void)ctx;
    if (plait_slice_equal(plait_request_rest(req), PLAIT_LIT("me")))
        req->user = PLAIT_LIT("a \"user\"\n");
    plait_reply_text(req, 200, "hello");
}

static int warnings;

static void count_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)line;
    (void)ctx;
    warnings += level == PLAIT_LOG_WARN;
}

static void log_open(struct world *w, enum plait_access_form form)
{
    static const struct plait_log_options counting = {.level = PLAIT_LOG_WARN, .sink = count_line};
    memset(&disk, 0, sizeof(disk));
    disk.ops = *plait__sys_kernel()->ops;
    disk.sys.ops = &disk.ops;
    disk.ops.write = disk_write;
    disk.ops.openat2 = disk_openat2;
    disk.ops.job_delay = disk_delay;
    disk.delay = 1;
    warnings = 0;
    test_folder_make(folder);
    (void)snprintf(path, sizeof(path), "%s/log", folder);
    test_heap_init(&w->heap, 0);
    const struct plait_reactor_options options = {.sys = &disk.sys, .allocator = &w->heap.allocator, .log = &counting};
    w->r = plait_reactor_new(&options);
    assert_non_null(w->r);
    w->root = plait_resource_new(w->r);
    plait_resource_leaf(w->root);
    assert_ok(plait_resource_get(w->root, "", answer, NULL));
    assert_ok(plait_access_log_new(w->r, path, form, &accesses));
    const struct plait_http_options http = {.log = plait_access_log_write, .log_ctx = accesses};
    world_serve(w, &http);
}

static void log_close(struct world *w)
{
    plait_access_log_free(&accesses);
    assert_null(accesses);
    plait_access_log_free(&accesses);
    world_close(w);
    test_folder_remove(folder);
}

static const char *content(void)
{
    static char text[1 << 17];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return text;
}

static void wait_a_second(struct world *w)
{
    const plait_time from = plait_now(w->r);
    while (plait_now(w->r) - from < plait_millis(1100))
        assert_ok(plait_reactor_step(w->r, plait_millis(20)));
}

static void lines_are_combined(void **state)
{
    struct world w;
    (void)state;
    log_open(&w, PLAIT_ACCESS_COMBINED);
    ask(&w, &p, "GET /a\\b?c HTTP/1.1\r\nHost: x\r\nReferer: http://\"x\"/\r\nUser-Agent: agent\t\x80/1\r\n\r\n");
    ask(&w, &p, "GET /me HTTP/1.0\r\n\r\n");
    assert_string_equal(content(), "");
    wait_a_second(&w);
    const char *text = content();
    assert_non_null(
        strstr(text, "] \"GET /a\\x5cb?c HTTP/1.1\" 200 5 \"http://\\x22x\\x22/\" \"agent\\x09\\x80/1\"\n"));
    assert_non_null(strstr(text, "- a\\x20\\x22user\\x22\\x0a ["));
    assert_non_null(strstr(text, " +0000] \"GET /me HTTP/1.0\" 200 5 \"-\" \"-\"\n"));
    assert_int_equal(strncmp(text, "- - - [", 7), 0);
    log_close(&w);
}

static void lines_are_objects(void **state)
{
    struct world w;
    (void)state;
    log_open(&w, PLAIT_ACCESS_JSON);
    ask(&w, &p, "GET /a?\\ HTTP/1.1\r\nHost: x\r\nReferer: \"x\"\r\nUser-Agent: \x80\r\n\r\n");
    ask(&w, &p, "GET /a?b HTTP/1.1\r\nHost: x\r\nReferer: \"x\"\r\nUser-Agent: \x80\r\n\r\n");
    ask(&w, &p, "GET /me HTTP/1.0\r\n\r\n");
    plait_access_log_free(&accesses); /* what waits is written at the end */
    const char *text = content();
    assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
    assert_non_null(strstr(text, ",\"status\":200,\"bytes\":5,\"took_us\":"));
    assert_non_null(strstr(text,
                           ",\"complete\":true,\"version\":11,\"method\":\"GET\",\"target\":\"/a?b\",\"host\":\"x\","
                           "\"referer\":\"\\\"x\\\"\",\"agent\":\"\\u0080\"}\n"));
    assert_non_null(strstr(text, "\"user\":\"a \\\"user\\\"\\u000a\""));
    plait__http_service_unref(w.service);
    w.service = NULL;
    world_close(&w);
    test_folder_remove(folder);
}

static void over_a_network_it_names_the_client(void **state)
{
    struct plait_listener *listener;
    struct plait_address at;
    struct world w;
    char url[40];
    (void)state;
    for (int form = 0; form < 2; form++) {
        log_open(&w, form ? PLAIT_ACCESS_JSON : PLAIT_ACCESS_COMBINED);
        const struct plait_http_options http = {.log = plait_access_log_write, .log_ctx = accesses};
        assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &at));
        assert_ok(plait_listen(w.r, &at, NULL, plait_http_with(plait_resource_ref(w.root), &http), &listener));
        plait_listener_address(listener, &at);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", at.port);
        assert_ok(plait_reactor_run_until(w.r, plait_http_get(w.r, url, NULL), NULL));
        plait_listener_close(&listener);
        spin(&w);
        wait_a_second(&w);
        assert_non_null(strstr(content(), form ? "\"client\":\"127.0.0.1\"" : "127.0.0.1 - - ["));
        plait__http_service_unref(w.service);
        w.service = NULL;
        log_close(&w);
    }
}

static void a_moved_log_is_opened_anew(void **state)
{
    char moved[TEST_PATH_BYTES + 24];
    struct world w;
    (void)state;
    log_open(&w, PLAIT_ACCESS_COMBINED);
    ask(&w, &p, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_a_second(&w);
    (void)snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    disk.no_open = true;
    plait_access_log_reopen(accesses);
    wait_a_second(&w);
    assert_int_equal(warnings, 1);
    ask(&w, &p, "GET /two HTTP/1.1\r\nHost: x\r\n\r\n"); /* goes on in the old one */
    wait_a_second(&w);
    disk.no_open = false;
    plait_access_log_reopen(accesses);
    wait_a_second(&w);
    ask(&w, &p, "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_a_second(&w);
    assert_null(strstr(content(), "/two"));
    assert_non_null(strstr(content(), "/three"));
    log_close(&w);
}

static int64_t dropped(const struct world *w)
{
    return plait_metrics_find(plait_reactor_metrics(w->r), "plait_access_log_dropped", "")->value;
}

static struct plait_request *one_request(struct world *w)
{
    static char long_path[3000];
    struct plait_request *req = plait__request_new(w->service);
    memset(long_path, 'p', sizeof(long_path));
    static uint8_t head[4000];
    const int len = snprintf((char *)head, sizeof(head), "GET /%.*s HTTP/1.1\r\nHost: x\r\n\r\n", 2500, long_path);
    assert_int_equal(plait__http1_head_read(&req->head, plait_slice_of(head, (size_t)len)), PLAIT__HTTP1_DONE);
    assert_int_equal(plait__request_begin(req, head), 0);
    return req;
}

static void what_can_not_be_written_is_dropped_and_counted(void **state)
{
    struct world w;
    (void)state;
    log_open(&w, PLAIT_ACCESS_COMBINED);
    struct plait_request *req = one_request(&w);
    const struct plait_http_access access = {.request = req, .status = 200, .complete = true};
    for (int i = 0; i < 600; i++)
        plait_access_log_write(&access, accesses);
    assert_in_range(dropped(&w), 50, 550); /* more than a MiB waits: no half lines, no growth */
    disk.answer = -EIO;
    wait_a_second(&w);
    assert_int_equal(warnings, 1);
    plait_access_log_write(&access, accesses);
    wait_a_second(&w);
    assert_int_equal(warnings, 1); /* said once */
    disk.answer = 0;
    disk.full = true;
    plait_access_log_write(&access, accesses);
    wait_a_second(&w);
    disk.full = false;
    plait_access_log_write(&access, accesses);
    wait_a_second(&w);
    assert_non_null(strstr(content(), "GET /ppp"));
    /* no memory for a job */
    plait_access_log_write(&access, accesses);
    const int64_t before = dropped(&w);
    w.heap.fail_at = w.heap.calls + 1;
    w.heap.fail_after = true;
    wait_a_second(&w);
    w.heap.fail_at = 0;
    w.heap.fail_after = false;
    assert_int_equal(dropped(&w), before + 1);
    /* lines that come while a job is under way are for the next one, or for the end */
    disk.delay = plait_millis(50);
    for (int last = 0; last < 2; last++) {
        for (int i = 0; i < 2; i++) {
            plait_access_log_write(&access, accesses);
            plait_access_log_reopen(accesses);
            for (int k = 0; k < 8; k++)
                assert_ok(plait_reactor_step(w.r, plait_millis(1)));
        }
        if (last)
            plait_access_log_free(&accesses);
        wait_a_second(&w);
        wait_a_second(&w);
    }
    plait__request_free(req);
    log_close(&w);
}

static void a_log_that_cannot_be_opened_says_so(void **state)
{
    struct plait_access_log *l;
    struct world w;
    (void)state;
    world_open(&w);
    assert_err(plait_access_log_new(w.r, "/nowhere/at/all", PLAIT_ACCESS_JSON, &l), PLAIT_ENOTFOUND);
    assert_null(l);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_access_log_new(w.r, "/nowhere/at/all", PLAIT_ACCESS_JSON, &l), PLAIT_ENOMEM);
    plait_resource_unref(&w.root);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(lines_are_combined), cmocka_unit_test(lines_are_objects),
          cmocka_unit_test(over_a_network_it_names_the_client), cmocka_unit_test(a_moved_log_is_opened_anew),
          cmocka_unit_test(what_can_not_be_written_is_dropped_and_counted),
          cmocka_unit_test(a_log_that_cannot_be_opened_says_so))
