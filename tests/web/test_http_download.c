/* SPDX-License-Identifier: MIT
 *
 * Downloads into files: whole ones, what breaks off and is gone on with, parts that are of something else, disks and
 * servers that do not do as they should.
 */
#include "tests/web/client_world.h"

#include "engine/core.h"

#include <errno.h>
#include <fcntl.h>

enum { SIZE = 300000 };

static char content[SIZE], got[SIZE + 100];

/* How the server behaves. */
static struct {
    const char *etag, *modified; /* of what it has; NULL: not told */
    size_t size;
    size_t breaks;      /* after so many bytes of a body the connection ends, once each */
    unsigned broken;    /* how often still */
    size_t at_most;     /* bytes of a part that it gives */
    const char *answer; /* says this and nothing else */
    bool unasked;       /* 206 whatever was asked for */
    bool no_total, nothing;
} server;
static char ranges[200]; /* what was asked for, in turn */

static void fields(struct farm_conn *c)
{
    if (server.etag)
        plait_printf(c->stream, "ETag: %s\r\n", server.etag);
    if (server.modified)
        plait_printf(c->stream, "Last-Modified: %s\r\n", server.modified);
}

static bool field_of(plait_slice head, const char *name, char value[100])
{
    char line[120];
    (void)snprintf(line, sizeof(line), "\r\n%s: ", name);
    const size_t at = plait_slice_find(head, plait_slice_text(line), 0);
    value[0] = 0;
    if (at == SIZE_MAX)
        return false;
    const size_t from = at + strlen(line), to = plait_slice_find_byte(head, '\r', from);
    (void)snprintf(value, 100, "%.*s", (int)(to - from), (const char *)head.ptr + from);
    return true;
}

static void say_body(struct farm_conn *c, size_t from, size_t bytes)
{
    if (server.broken > 0 && bytes > server.breaks) {
        server.broken--;
        plait_write(c->stream, plait_slice_of(content + from, server.breaks));
        plait_close(c->stream);
        return;
    }
    plait_write(c->stream, plait_slice_of(content + from, bytes));
}

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    char range[100], validator[100];
    (void)rest;
    uint64_t from = 0;
    const bool asked = field_of(head, "Range", range);
    struct plait_scan scan = plait_scan_of(plait_slice_text(range));
    assert_true(!asked || (plait_scan_literal(&scan, PLAIT_LIT("bytes=")) && plait_scan_u64(&scan, SIZE + 10, &from)));
    const bool conditional = field_of(head, "If-Range", validator);
    (void)snprintf(ranges + strlen(ranges), sizeof(ranges) - strlen(ranges), "%s%s%s;", range,
                   conditional ? " if " : "", validator);
    if (server.answer) {
        farm_say(c, server.answer);
        return 0;
    }
    const bool same = !conditional || (server.etag && strcmp(server.etag, validator) == 0) ||
                      (server.modified && strcmp(server.modified, validator) == 0);
    if (asked && same && from >= server.size) {
        plait_printf(c->stream, "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: %u\r\n\r\n%s",
                     server.size, from == server.size ? 2 : 0, from == server.size ? "no" : "");
        return 0;
    }
    if (asked && from == 1001) /* it gives something else */
        from = 7;
    if ((asked && same) || server.unasked) {
        size_t bytes = server.size - (size_t)from;
        bytes = server.at_most && bytes > server.at_most ? server.at_most : bytes;
        plait_printf(c->stream, "HTTP/1.1 206 Part\r\nContent-Range: bytes %zu-%zu/", (size_t)from,
                     (size_t)from + bytes - 1);
        plait_printf(c->stream, server.no_total ? "*\r\n" : "%zu\r\n", server.size);
        fields(c);
        plait_printf(c->stream, "Content-Length: %zu\r\n\r\n", server.nothing ? 0 : bytes);
        if (!server.nothing)
            say_body(c, (size_t)from, bytes);
        return 0;
    }
    farm_say(c, "HTTP/1.1 200 OK\r\n");
    fields(c);
    plait_printf(c->stream, "Content-Length: %zu\r\n\r\n", server.size);
    say_body(c, 0, server.size);
    return 0;
}

static void place_open(struct farm *farm)
{
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)('a' + i * 7 % 26 + i / 10007 % 3);
    memset(&server, 0, sizeof(server));
    server.size = SIZE;
    ranges[0] = 0;
    farm_open(farm, answer);
    assert_ok(plait_host_write_file(farm->client, "/here/other", "x", 1));
}

/* What is in a file of the client's; -1: there is none. */
static int64_t read_file(struct farm *farm, const char *path)
{
    struct plait_sys *sys = farm->r->sys;
    const int fd = sys->ops->openat2(sys, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return -1;
    const ssize_t len = sys->ops->pread(sys, fd, got, sizeof(got), 0);
    (void)sys->ops->close(sys, fd);
    return len;
}

static plait_err download(struct farm *farm, const char *path, const struct plait_fetch_options *options, int *status)
{
    struct farm_end end = {0};
    struct plait_http_client *client = plait_http_client_new(farm->r, NULL);
    if (!client)
        return PLAIT_ENOMEM;
    plait_err err = PLAIT_ENOMEM;
    if (plait_then(plait_http_download(client, "http://server/x", path, options), farm_note_end, &end) == PLAIT_OK) {
        for (int i = 0; i < 600000 && end.ends == 0; i++)
            plait_sim_run_for(farm->sim, plait_millis(1));
        assert_int_equal(end.ends, 1);
        err = end.fault.err;
    }
    *status = end.response ? plait_response_status(end.response) : 0;
    plait_response_free(&end.response);
    plait_http_client_free(&client);
    return err;
}

#define OLD "Sun, 06 Nov 1994 08:49:37 GMT"
#define NEW "Fri, 06 Nov 2150 08:49:37 GMT"

static void a_file_takes_its_name_when_it_is_complete(void **state)
{
    struct farm farm;
    int status;
    (void)state;
    place_open(&farm);
    assert_ok(download(&farm, "/here/file", NULL, &status));
    assert_int_equal(status, 200);
    assert_int_equal(read_file(&farm, "/here/file"), SIZE);
    assert_memory_equal(got, content, SIZE);
    assert_int_equal(read_file(&farm, "/here/file.part"), -1);
    assert_string_equal(ranges, ";");
    server.size = 0;
    assert_ok(download(&farm, "/here/file", NULL, &status)); /* it replaces what there is */
    assert_int_equal(read_file(&farm, "/here/file"), 0);
    farm_close(&farm);
}

static void what_broke_off_is_gone_on_with(void **state)
{
    static const struct {
        const char *etag, *modified;
        size_t there; /* bytes of the part: of the content, or else */
        bool other;
        size_t breaks, at_most;
        unsigned broken, retries;
        bool no_total;
        plait_err err;
        int status;
        const char *ranges;
    } cases[] = {
        {NULL, NULL, 1000, false, 0, 0, 0, 0, false, PLAIT_OK, 206, "bytes=1000-;"},
        {NULL, OLD, 1000, false, 0, 0, 0, 0, false, PLAIT_OK, 206, "bytes=1000-;"},
        {NULL, OLD, 1000, false, 0, 0, 0, 0, true, PLAIT_OK, 206, "bytes=1000-;"},
        {NULL, NEW, 1000, true, 0, 0, 0, 0, false, PLAIT_OK, 200, "bytes=1000-;;"},
        {NULL, OLD, SIZE, false, 0, 0, 0, 0, false, PLAIT_OK, 416, "bytes=300000-;"},
        {NULL, OLD, SIZE + 1, true, 0, 0, 0, 0, false, PLAIT_OK, 200, "bytes=300001-;;"},
        {NULL, NULL, 0, false, 1000, 0, 1, 0, false, PLAIT_ETRUNCATED, 0, ";"},
        {NULL, NULL, 0, false, 1000, 0, 2, 2, false, PLAIT_OK, 206, ";bytes=1000-;bytes=2000-;"},
        {"\"a\"", OLD, 0, false, 1000, 0, 1, 1, false, PLAIT_OK, 206, ";bytes=1000- if \"a\";"},
        {"W/\"a\"", OLD, 0, false, 1000, 0, 1, 1, false, PLAIT_OK, 206, ";bytes=1000- if " OLD ";"},
        {NULL, NULL, 1001, true, 0, 0, 0, 0, false, PLAIT_OK, 200, "bytes=1001-;;"},
        {NULL, NULL, 1000, false, 0, 149500, 0, 0, false, PLAIT_OK, 206, "bytes=1000-;bytes=150500-;"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        int status;
        const struct plait_fetch_options options = {.retries = cases[i].retries};
        place_open(&farm);
        server.etag = cases[i].etag;
        server.modified = cases[i].modified;
        server.breaks = cases[i].breaks;
        server.broken = cases[i].broken;
        server.at_most = cases[i].at_most;
        server.no_total = cases[i].no_total;
        memset(got, 'x', sizeof(got));
        if (cases[i].there)
            assert_ok(
                plait_host_write_file(farm.client, "/here/file.part", cases[i].other ? got : content, cases[i].there));
        const plait_err err = download(&farm, "/here/file", &options, &status);
        const int64_t len = read_file(&farm, err ? "/here/file.part" : "/here/file");
        const bool right = len == (err ? (int64_t)cases[i].breaks : SIZE) && memcmp(got, content, (size_t)len) == 0;
        if (err != cases[i].err || status != cases[i].status || !right || strcmp(ranges, cases[i].ranges) != 0)
            fail_msg("case %zu: %s, %d, %lld bytes, right: %d; asked for %s", i, plait_err_name(err), status,
                     (long long)len, right, ranges);
        farm_close(&farm);
    }
}

/* The server has something else by the time that it is asked for the rest. */
static void changed_by_now(const struct plait_fetch_step *step, void *ctx)
{
    (void)ctx;
    if (strcmp(step->what, "end") == 0 && step->err)
        server.etag = "\"b\"";
}

static void what_changed_meanwhile_begins_anew(void **state)
{
    struct farm farm;
    int status;
    const struct plait_fetch_options options = {.retries = 3, .trace = changed_by_now};
    (void)state;
    place_open(&farm);
    server.etag = "\"a\"";
    server.breaks = 200000;
    server.broken = 1;
    assert_ok(download(&farm, "/here/file", &options, &status));
    assert_int_equal(status, 200);
    assert_int_equal(read_file(&farm, "/here/file"), SIZE);
    assert_memory_equal(got, content, SIZE);
    assert_string_equal(ranges, ";bytes=200000- if \"a\";");
    farm_close(&farm);
}

static void answers_that_bring_no_file_are_given(void **state)
{
    static const struct {
        const char *answer;
        size_t there;
        bool unasked, nothing;
        plait_err err;
        int status;
    } cases[] = {
        {"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 0, false, false, PLAIT_OK, 404},
        {"HTTP/1.1 304 Same\r\n\r\n", 100, false, false, PLAIT_OK, 304},
        {"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", 0, false, false, PLAIT_EPROTOCOL, 0},
        {NULL, 0, true, false, PLAIT_EPROTOCOL, 0},
        {NULL, 100, false, true, PLAIT_EPROTOCOL, 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        int status;
        place_open(&farm);
        server.answer = cases[i].answer;
        server.unasked = cases[i].unasked;
        server.nothing = cases[i].nothing;
        if (cases[i].there)
            assert_ok(plait_host_write_file(farm.client, "/here/file.part", content, cases[i].there));
        const plait_err err = download(&farm, "/here/file", NULL, &status);
        if (err != cases[i].err || status != cases[i].status ||
            read_file(&farm, "/here/file.part") != (int64_t)cases[i].there || read_file(&farm, "/here/file") != -1)
            fail_msg("case %zu: %s, %d", i, plait_err_name(err), status);
        farm_close(&farm);
    }
}

static void paths_that_can_not_be_written_are_refused(void **state)
{
    static char longest[300];
    const struct {
        const char *path;
        plait_err err;
    } cases[] = {
        {"/here/", PLAIT_EINVAL}, {"", PLAIT_EINVAL}, {longest, PLAIT_EINVAL}, {"/nowhere/x", PLAIT_ENOTFOUND}};
    struct farm farm;
    int status;
    (void)state;
    memset(longest, 'l', sizeof(longest) - 1);
    place_open(&farm);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_err(download(&farm, cases[i].path, NULL, &status), cases[i].err);
    assert_int_equal(farm.requests, 0);
    farm_close(&farm);
}

static void a_disk_that_fails_ends_a_download(void **state)
{
    static const struct {
        const char *call;
        int os_errno;
        size_t there, size;
        plait_err err;
    } cases[] = {{"pwrite", ENOSPC, 0, SIZE, PLAIT_ENOSPACE},  {"fsync", EIO, 0, SIZE, PLAIT_EIO},
                 {"renameat", EACCES, 0, SIZE, PLAIT_EACCESS}, {"ftruncate", EIO, 1, SIZE, PLAIT_EIO},
                 {"ftruncate", EIO, 1, 0, PLAIT_EIO},          {"fstat", EIO, 0, SIZE, PLAIT_EIO}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        int status;
        const struct plait_sim_rule rule = {.call = cases[i].call, .os_errno = cases[i].os_errno};
        place_open(&farm);
        server.modified = NEW;
        server.size = cases[i].size;
        if (cases[i].there)
            assert_ok(plait_host_write_file(farm.client, "/here/file.part", content, cases[i].there));
        assert_ok(plait_sim_add_rule(farm.sim, &rule));
        assert_err(download(&farm, "/here/file", NULL, &status), cases[i].err);
        plait_sim_clear_rules(farm.sim);
        assert_int_equal(read_file(&farm, "/here/file"), -1);
        farm_close(&farm);
    }
}

static plait_err count_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    *(size_t *)ctx += piece.len;
    return *(size_t *)ctx > 100000 ? PLAIT_EUNSUPPORTED : PLAIT_OK;
}

static void count_head(const struct plait_response *response, void *ctx)
{
    assert_int_equal(plait_response_status(response), 200);
    *(size_t *)ctx += 1;
}

static void whoever_watches_may_end_it(void **state)
{
    struct farm farm;
    int status;
    size_t seen = 0;
    static const struct plait_http_field field = {"X-One", "1"};
    const struct plait_fetch_options options = {
        .head = count_head, .data = count_piece, .ctx = &seen, .fields = &field, .field_count = 1, .user = "a"};
    (void)state;
    place_open(&farm);
    assert_err(download(&farm, "/here/file", &options, &status), PLAIT_EUNSUPPORTED);
    assert_true(seen > 100000);
    assert_non_null(strstr(farm.last, "X-One: 1\r\n"));
    farm_close(&farm);
}

static void a_slow_disk_slows_the_server_down(void **state)
{
    struct farm farm;
    int status;
    const struct plait_sim_disk slow = {.write = plait_millis(100)};
    (void)state;
    place_open(&farm);
    plait_host_set_disk(farm.client, &slow);
    const plait_time began = plait_sim_now(farm.sim);
    assert_ok(download(&farm, "/here/file", NULL, &status));
    assert_true(plait_sim_now(farm.sim) - began > plait_millis(200));
    assert_int_equal(read_file(&farm, "/here/file"), SIZE);
    assert_memory_equal(got, content, SIZE);
    farm_close(&farm);
}

static void a_download_is_given_up_at_any_time(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < 1500; ms = ms * 2 + 1) {
        struct farm farm;
        struct farm_end end = {0};
        const struct plait_sim_disk slow = {.write = plait_millis(100), .sync = plait_millis(300)};
        const struct plait_fetch_options options = {.retries = 2};
        place_open(&farm);
        plait_host_set_disk(farm.client, &slow);
        server.breaks = 100;
        server.broken = 1; /* and it waits for a while */
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        struct plait_deferred *d = plait_http_download(client, "http://server/x", "/here/file", &options);
        assert_ok(plait_then(d, farm_note_end, &end));
        plait_sim_run_for(farm.sim, plait_millis(ms));
        if (end.ends == 0)
            plait_deferred_cancel(d);
        plait_sim_run_for(farm.sim, plait_millis(1));
        assert_int_equal(end.ends, 1);
        plait_response_free(&end.response);
        plait_sim_run_for(farm.sim, plait_seconds(1));
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void memory_may_run_out_anywhere(void **state)
{
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 200 && !worked; k++) {
        struct farm farm;
        int status;
        const struct plait_fetch_options options = {.retries = 1};
        place_open(&farm);
        server.breaks = 1000;
        server.broken = 1;
        farm.heap.fail_at = farm.heap.calls + k;
        const plait_err err = download(&farm, "/here/file", &options, &status);
        worked = farm.heap.calls < farm.heap.fail_at;
        farm.heap.fail_at = 0;
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM || err == PLAIT_ETRUNCATED);
        if (err == PLAIT_OK) {
            assert_int_equal(read_file(&farm, "/here/file"), SIZE);
            assert_memory_equal(got, content, SIZE);
        }
        farm_close(&farm);
    }
    assert_true(worked);
}

TEST_MAIN(cmocka_unit_test(a_file_takes_its_name_when_it_is_complete), cmocka_unit_test(what_broke_off_is_gone_on_with),
          cmocka_unit_test(what_changed_meanwhile_begins_anew), cmocka_unit_test(answers_that_bring_no_file_are_given),
          cmocka_unit_test(paths_that_can_not_be_written_are_refused),
          cmocka_unit_test(a_disk_that_fails_ends_a_download), cmocka_unit_test(whoever_watches_may_end_it),
          cmocka_unit_test(a_slow_disk_slows_the_server_down), cmocka_unit_test(a_download_is_given_up_at_any_time),
          cmocka_unit_test(memory_may_run_out_anywhere))
