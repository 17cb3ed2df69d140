/* SPDX-License-Identifier: MIT
 *
 * The HTTP server and client when memory or the file system fails: the request concerned gets an error or its
 * connection ends, and the next one is served as if nothing had been.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"

#include <plait/task.h>

#include <sys/stat.h>
#include <unistd.h>

static struct peer p;
static char folder[TEST_PATH_BYTES];

static void take_body(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", body);
}

static void collect(struct plait_request *req, void *ctx)
{
    (void)ctx;
    (void)plait_request_collect(req, 100000, take_body, NULL);
}

static void with_fields(struct plait_request *req, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 40; i++)
        (void)plait_reply_field(req, "X-Field", PLAIT_LIT("some value that takes room in the block of fields"));
    plait_reply_text(req, 200, "fields");
}

static void stream_it(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    for (int i = 0; i < 10; i++)
        plait_reply_write(req, PLAIT_LIT("a piece of the answer"));
    plait_reply_end(req);
}

static void welcome_it(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "plain");
}

static void site_open(struct world *w)
{
    struct plait_resource *files;
    const struct plait_files_options options = {.welcome = true};
    test_folder_make(folder);
    test_file_write(folder, "a.txt", PLAIT_LIT("0123456789"));
    test_file_write(folder, "b.txt", PLAIT_LIT("other"));
    world_open(w);
    assert_ok(plait_files_new(w->r, folder, &options, &files));
    assert_ok(plait_resource_mount(w->root, "f", files));
    assert_ok(plait_resource_get(w->root, "plain", welcome_it, NULL));
    assert_ok(plait_resource_get(w->root, "fields", with_fields, NULL));
    assert_ok(plait_resource_get(w->root, "stream", stream_it, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "collect", collect, NULL));
    world_serve(w, NULL);
}

static void site_close(struct world *w)
{
    world_close(w);
    test_folder_remove(folder);
}

/* Memory fails at the k-th allocation for k = 1, 2, … as long as there is one; each time the next request is served. */
static void every_allocation_fails_once(const char *request)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct world w;
        site_open(&w);
        peer_open(&w, &p);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        peer_send(&w, &p, request);
        if (p.stream)
            plait_close_write(p.stream);
        spin(&w);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        ask(&w, &p, "GET /plain HTTP/1.0\r\n\r\n");
        assert_int_equal(status_of(&p), 200);
        site_close(&w);
        assert_true(k < 300);
    }
}

#define NAME_50 "12345678901234567890123456789012345678901234567890"
#define LONG_NAME NAME_50 NAME_50 NAME_50 NAME_50 NAME_50 NAME_50

static void a_server_outlives_every_failing_allocation(void **state)
{
    static const char *const requests[] = {
        "GET /plain HTTP/1.1\r\nHost: h\r\n\r\nGET /fields HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/a.txt HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1,4-5\r\n\r\n",
        "GET /f/a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=2-\r\n\r\n",
        "GET /f/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/%61.txt?x=%20y HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;name=value\r\nhello\r\n0\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/" LONG_NAME " HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/%61" LONG_NAME " HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/%61" LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME
        " HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /plain",
        "BREW /plain HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /f/a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(requests); i++)
        every_allocation_fails_once(requests[i]);
}

static void a_large_head_that_finds_no_memory_is_503(void **state)
{
    static char request[9000];
    (void)state;
    size_t len = (size_t)snprintf(request, sizeof request, "GET /plain HTTP/1.1\r\nHost: h\r\n");
    while (len < 7000)
        len += (size_t)snprintf(request + len, sizeof request - len, "X-Padding: %0100d\r\n", 7);
    snprintf(request + len, sizeof request - len, "\r\n");
    every_allocation_fails_once(request);
}

static void a_connection_that_finds_no_memory_is_refused(void **state)
{
    struct world w;
    struct plait_stream *server;
    (void)state;
    site_open(&w);
    memset(&p, 0, sizeof p);
    assert_ok(plait_pair_new(w.r, &server, &p.stream));
    w.heap.fail_at = w.heap.calls + 1;
    w.heap.fail_after = true;
    plait_err err = PLAIT_OK;
    struct plait_stream *more[400];
    size_t count = 0;
    for (; err == PLAIT_OK && count < 400; count++) {
        more[count] = server;
        err = plait__http_open(w.service, server);
        if (err == PLAIT_OK) {
            struct plait_stream *other;
            w.heap.fail_at = 0;
            assert_ok(plait_pair_new(w.r, &server, &other));
            plait_abort(other);
            w.heap.fail_at = w.heap.calls + 1;
        }
    }
    assert_err(err, PLAIT_ENOMEM);
    w.heap.fail_at = 0;
    plait_abort(p.stream);
    site_close(&w);
    (void)more;
}

static void making_the_tree_fails_whole(void **state)
{
    (void)state;
    for (uint64_t k = 1; k < 40; k++) {
        struct world w;
        struct plait_resource *files = NULL;
        test_folder_make(folder);
        world_open(&w);
        w.heap.fail_at = w.heap.calls + k;
        struct plait_resource *page = plait_welcome_new(w.r);
        plait_resource_unref(&page);
        if (plait_files_new(w.r, folder, NULL, &files) == PLAIT_OK)
            plait_resource_unref(&files);
        struct plait_service *service = plait_http(w.root);
        plait_service_unref(&service);
        w.heap.fail_at = 0;
        world_close(&w);
        test_folder_remove(folder);
    }
}

/* --- the file system fails ---------------------------------------------------------------------------------------- */

static int failing_errno;
static int failing_after;

static bool due(void)
{
    return failing_after-- <= 0;
}

static int fail_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys;
    return due() ? -failing_errno : plait__sys_kernel()->ops->openat2(NULL, dirfd, path, flags, mode, resolve);
}

static int fail_fstat(struct plait_sys *sys, int fd, struct stat *out)
{
    (void)sys;
    return due() ? -failing_errno : plait__sys_kernel()->ops->fstat(NULL, fd, out);
}

static int fail_fstatat(struct plait_sys *sys, int dirfd, const char *path, struct stat *out, int flags)
{
    (void)sys;
    return due() ? -failing_errno : plait__sys_kernel()->ops->fstatat(NULL, dirfd, path, out, flags);
}

static ssize_t fail_getdents(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    (void)sys;
    return due() ? -failing_errno : plait__sys_kernel()->ops->getdents(NULL, fd, buf, len);
}

enum broken { NOTHING, OPENAT2, FSTAT, FSTATAT, GETDENTS };

static int ask_broken(enum broken what, int os_errno, int after, const char *path)
{
    struct world w;
    char request[256];
    struct plait_sys_ops ops = *plait__sys_kernel()->ops;
    struct plait_sys sys = {.ops = &ops};
    site_open(&w);
    char link[TEST_PATH_BYTES + 16];
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink("a.txt", link), 0);
    snprintf(link, sizeof link, "%s/odd", folder);
    assert_int_equal(mkdir(link, 0700), 0);
    snprintf(link, sizeof link, "%s/odd/index.html", folder);
    assert_int_equal(mkdir(link, 0700), 0);
    struct plait_sys *kept = w.r->sys;
    failing_errno = os_errno;
    failing_after = after;
    if (what == OPENAT2)
        ops.openat2 = fail_openat2;
    if (what == FSTAT)
        ops.fstat = fail_fstat;
    if (what == FSTATAT)
        ops.fstatat = fail_fstatat;
    if (what == GETDENTS)
        ops.getdents = fail_getdents;
    w.r->sys = &sys;
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    ask(&w, &p, request);
    w.r->sys = kept;
    const int status = status_of(&p);
    site_close(&w);
    return status;
}

static void errors_of_the_file_system_become_statuses(void **state)
{
    static const struct {
        enum broken what;
        int os_errno, after;
        const char *path;
        int status;
    } rows[] = {
        {OPENAT2, EACCES, 0, "/f/a.txt", 403}, {OPENAT2, EIO, 0, "/f/a.txt", 500},
        {OPENAT2, EMFILE, 0, "/f/a.txt", 503}, {OPENAT2, ENOMEM, 0, "/f/a.txt", 503},
        {FSTAT, EIO, 0, "/f/a.txt", 500},      {GETDENTS, EIO, 0, "/f/", 503},
        {FSTATAT, ENOENT, 0, "/f/", 200},      {FSTAT, EIO, 1, "/f/", 200},
        {NOTHING, 0, 0, "/f/odd/", 200},       {NOTHING, 0, 0, "/f/a%00b", 400},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const int status = ask_broken(rows[i].what, rows[i].os_errno, rows[i].after, rows[i].path);
        if (status != rows[i].status)
            fail_msg("row %zu: %s gave %d", i, rows[i].path, status);
    }
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static plait_err one_fetch(struct world *w, uint16_t port, const char *path)
{
    char url[128];
    plait_value value = {.ptr = NULL};
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    const plait_err err = plait_reactor_run_until(w->r, plait_http_get(w->r, url, NULL), &value);
    if (err == PLAIT_OK)
        value.destroy(value.ptr);
    return err;
}

static void moved(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_redirect(req, 302, PLAIT_LIT("/stream"));
}

static void a_fetch_ends_once_whatever_allocation_fails(void **state)
{
    static const char *const paths[] = {"/plain", "/stream", "/moved"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            struct world w;
            struct plait_listener *listener;
            struct plait_address here;
            world_open(&w);
            assert_ok(plait_resource_get(w.root, "plain", welcome_it, NULL));
            assert_ok(plait_resource_get(w.root, "stream", stream_it, NULL));
            assert_ok(plait_resource_get(w.root, "moved", moved, NULL));
            assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
            assert_ok(plait_listen(w.r, &here, NULL, plait_http(w.root), &listener));
            plait_listener_address(listener, &here);
            const uint64_t at = w.heap.calls + k;
            w.heap.fail_at = at;
            (void)one_fetch(&w, here.port, paths[i]);
            failed = w.heap.calls >= at;
            w.heap.fail_at = 0;
            assert_ok(one_fetch(&w, here.port, "/plain"));
            plait_listener_close(&listener);
            world_close(&w);
            assert_true(k < 400);
        }
    }
}

static void a_fetch_over_tls_ends_once_whatever_allocation_fails(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed && k < 60; k++) {
        struct world w;
        world_open(&w);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        const plait_err err = plait_reactor_run_until(w.r, plait_http_get(w.r, "https://127.0.0.1:1/", NULL), NULL);
        assert_int_not_equal(err, PLAIT_OK);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        plait_resource_unref(&w.root);
        world_close(&w);
    }
}

static void a_fetch_can_be_cancelled_while_it_connects(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_deferred *d = plait_http_get(w.r, "http://127.0.0.1:1/", NULL);
    plait_deferred_cancel(d);
    assert_err(plait_reactor_run_until(w.r, d, NULL), PLAIT_ECANCELLED);
    plait_resource_unref(&w.root);
    world_close(&w);
}

static void children_beyond_the_limit_are_refused(void **state)
{
    struct world w;
    plait_err err = PLAIT_OK;
    (void)state;
    world_open(&w);
    for (int i = 0; err == PLAIT_OK && i < 200000; i++) {
        char path[32];
        snprintf(path, sizeof path, "child-%d", i);
        err = plait_resource_get(w.root, path, welcome_it, NULL);
    }
    assert_err(err, PLAIT_ELIMIT);
    plait_resource_unref(&w.root);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_server_outlives_every_failing_allocation),
          cmocka_unit_test(a_large_head_that_finds_no_memory_is_503),
          cmocka_unit_test(a_connection_that_finds_no_memory_is_refused), cmocka_unit_test(making_the_tree_fails_whole),
          cmocka_unit_test(a_fetch_over_tls_ends_once_whatever_allocation_fails),
          cmocka_unit_test(a_fetch_can_be_cancelled_while_it_connects),
          cmocka_unit_test(children_beyond_the_limit_are_refused),
          cmocka_unit_test(errors_of_the_file_system_become_statuses),
          cmocka_unit_test(a_fetch_ends_once_whatever_allocation_fails))
