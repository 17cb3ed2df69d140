/* SPDX-License-Identifier: MIT
 *
 * Answers: fields, pieces, files, errors, conditions.
 */
#include "tests/web/http_world.h"

#include <fcntl.h>
#include <unistd.h>

/* Runs `fn` for one request and gives what came back. */
static void answer(plait_request_fn fn, void *ctx, const char *request, struct peer *p)
{
    struct world w;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "*", "", fn, ctx));
    world_serve(&w, NULL);
    ask(&w, p, request);
    world_close(&w);
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET10 "GET / HTTP/1.0\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"

static void with_fields(struct plait_request *req, void *ctx)
{
    static const char *const ours[] = {"Content-Length", "transfer-encoding", "CONNECTION", "Date",
                                       "Server",         "Keep-Alive"};
    char big[9000];
    (void)ctx;
    assert_ok(plait_reply_field(req, "X-One", PLAIT_LIT("a b")));
    assert_ok(plait_reply_field(req, "X-Empty", PLAIT_LIT("")));
    assert_err(plait_reply_field(req, "X One", PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_reply_field(req, "", PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_reply_field(req, "X", PLAIT_LIT("a\r\nSet-Cookie: b")), PLAIT_EINVAL);
    assert_err(plait_reply_field(req, "X", PLAIT_LIT("a\n")), PLAIT_EINVAL);
    for (size_t i = 0; i < TEST_COUNT(ours); i++)
        assert_err(plait_reply_field(req, ours[i], PLAIT_LIT("1")), PLAIT_EINVAL);
    memset(big, 'x', sizeof(big));
    assert_ok(plait_reply_field(req, "B", plait_slice_of(big, sizeof(big))));
    assert_err(plait_reply_field(req, "B", plait_slice_of(big, sizeof(big))), PLAIT_ELIMIT);
    plait_reply_begin(req, 200, NULL, 2);
    assert_err(plait_reply_field(req, "X", PLAIT_LIT("late")), PLAIT_ESTATE);
    plait_reply_write(req, PLAIT_LIT("ok"));
    plait_reply_end(req);
}

static void fields_are_added_and_judged(void **state)
{
    struct peer p;
    (void)state;
    answer(with_fields, NULL, GET, &p);
    assert_int_equal(count_of(&p, "\r\nX-One: a b\r\nX-Empty: \r\nB: xxx"), 1);
    assert_int_equal(count_of(&p, "Set-Cookie"), 0);
    assert_string_equal(body_of(&p), "ok");
}

static void in_pieces(struct plait_request *req, void *ctx)
{
    plait_reply_begin(req, 200, "text/plain", *(uint64_t *)ctx);
    plait_reply_begin(req, 200, "text/plain", 1); /* the second is ignored */
    plait_reply_write(req, PLAIT_LIT("hello"));
    plait_reply_write(req, PLAIT_LIT(""));
    plait_reply_write(req, PLAIT_LIT(" world"));
    plait_reply_end(req);
}

static void bodies_are_framed(void **state)
{
    uint64_t known = 11, unknown = PLAIT_LENGTH_UNKNOWN, more = 12, fewer = 8;
    struct peer p;
    (void)state;
    answer(in_pieces, &known, GET, &p);
    assert_int_equal(count_of(&p, "Content-Length: 11\r\n"), 1);
    assert_string_equal(body_of(&p), "hello world");
    answer(in_pieces, &unknown, GET, &p);
    assert_int_equal(count_of(&p, "Transfer-Encoding: chunked\r\n"), 1);
    assert_string_equal(body_of(&p), "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    answer(in_pieces, &unknown, GET10, &p);
    assert_int_equal(count_of(&p, "Transfer-Encoding"), 0);
    assert_int_equal(count_of(&p, "Connection: close\r\n"), 1);
    assert_string_equal(body_of(&p), "hello world");
    answer(in_pieces, &unknown, HEAD, &p);
    assert_int_equal(count_of(&p, "Transfer-Encoding: chunked\r\n"), 1);
    assert_string_equal(body_of(&p), "");
    answer(in_pieces, &known, HEAD, &p);
    assert_string_equal(body_of(&p), "");
    /* a length that does not hold ends the connection before the answer could be taken as whole */
    answer(in_pieces, &more, GET, &p);
    assert_true(p.lost);
    assert_int_equal(count_of(&p, "0\r\n\r\n"), 0);
    answer(in_pieces, &fewer, GET, &p);
    assert_true(p.lost);
}

static void never_begun(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_end(req);
}

static void odd_status(struct plait_request *req, void *ctx)
{
    plait_reply(req, *(int *)ctx, "text/plain\r\nX: y", PLAIT_LIT("body"));
}

static void what_can_not_be_answered_is_500(void **state)
{
    struct peer p;
    static int numbers[] = {100, 199, 600, -1};
    (void)state;
    answer(never_begun, NULL, GET, &p);
    assert_int_equal(status_of(&p), 500);
    for (size_t i = 0; i < TEST_COUNT(numbers); i++) {
        answer(odd_status, &numbers[i], GET, &p);
        assert_int_equal(status_of(&p), 500);
        assert_int_equal(count_of(&p, "X: y"), 0);
    }
    int fine = 299;
    answer(odd_status, &fine, GET, &p);
    assert_int_equal(status_of(&p), 299);
}

static void no_content(struct plait_request *req, void *ctx)
{
    plait_reply_text(req, *(int *)ctx, "body");
}

static void reset_in_pieces(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 205, NULL, PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(req, PLAIT_LIT("body"));
    plait_reply_end(req);
}

static void some_statuses_have_no_body(void **state)
{
    struct peer p;
    static int numbers[] = {204, 304};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(numbers); i++) {
        answer(no_content, &numbers[i], GET, &p);
        assert_int_equal(count_of(&p, "Content-Length"), 0);
        assert_string_equal(body_of(&p), "");
    }
    static int reset = 205; /* RFC 9110 section 15.3.6 */
    answer(no_content, &reset, GET, &p);
    assert_int_equal(count_of(&p, "Content-Length: 0\r\n"), 1);
    assert_string_equal(body_of(&p), "");
    answer(reset_in_pieces, NULL, GET, &p);
    assert_int_equal(count_of(&p, "Content-Length: 0\r\n"), 1);
    assert_int_equal(count_of(&p, "Transfer-Encoding"), 0);
    assert_string_equal(body_of(&p), "");
}

static void from_buffer(struct plait_request *req, void *ctx)
{
    struct plait_buf body;
    size_t *size = ctx;
    plait_buf_init(&body, plait_reactor_budget(plait_request_reactor(req)), 1000000);
    for (size_t i = 0; i < *size; i++)
        plait_buf_put_u8(&body, 'x');
    plait_reply_buf(req, 200, "text/plain", &body);
}

static void from_big_slice(struct plait_request *req, void *ctx)
{
    static char body[100000];
    (void)ctx;
    memset(body, 'y', sizeof(body));
    plait_reply(req, 200, "text/plain", plait_slice_of(body, sizeof(body)));
}

static void buffers_small_and_large_are_sent(void **state)
{
    struct peer p;
    static size_t sizes[] = {0, 10, 20000, 200000, 1000001};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        answer(from_buffer, &sizes[i], GET, &p);
        assert_int_equal(status_of(&p), sizes[i] > 1000000 ? 500 : 200);
        if (sizes[i] <= 1000000)
            assert_int_equal(strlen(body_of(&p)), sizes[i]);
        answer(from_buffer, &sizes[i], HEAD, &p);
        assert_string_equal(body_of(&p), "");
    }
    answer(from_big_slice, NULL, GET, &p);
    assert_int_equal(strlen(body_of(&p)), 100000);
    answer(from_big_slice, NULL, HEAD, &p);
    assert_string_equal(body_of(&p), "");
    assert_int_equal(count_of(&p, "Content-Length: 100000\r\n"), 1);
}

static void with_error(struct plait_request *req, void *ctx)
{
    plait_reply_error(req, *(int *)ctx, "<script>&\"'");
}

static void error_pages_are_escaped(void **state)
{
    struct peer p;
    static int status = 404, strange = 599;
    (void)state;
    answer(with_error, &status, GET, &p);
    assert_int_equal(status_of(&p), 404);
    assert_int_equal(count_of(&p, "<script>"), 0);
    assert_int_equal(count_of(&p, "&lt;script&gt;&amp;"), 1);
    assert_int_equal(count_of(&p, "Not Found"), 3);
    answer(with_error, &strange, GET, &p);
    assert_int_equal(count_of(&p, "HTTP/1.1 599 Unknown\r\n"), 1);
}

static void redirect(struct plait_request *req, void *ctx)
{
    plait_reply_redirect(req, 302, plait_slice_text(ctx));
}

static void redirects_have_a_location(void **state)
{
    struct peer p;
    (void)state;
    answer(redirect, (char[]){"/elsewhere"}, GET, &p);
    assert_int_equal(status_of(&p), 302);
    assert_int_equal(count_of(&p, "\r\nLocation: /elsewhere\r\n"), 1);
    answer(redirect, (char[]){"/a\r\nSet-Cookie: b"}, GET, &p);
    assert_int_equal(status_of(&p), 500);
    assert_int_equal(count_of(&p, "Set-Cookie"), 0);
    answer(redirect, (char[]){""}, GET, &p);
    assert_int_equal(status_of(&p), 500);
}

static int file = -1;
static int released_count;

static void released(void *ctx)
{
    (void)ctx;
    released_count++;
}

static void send_file(struct plait_request *req, void *ctx)
{
    struct plait_reply_range range = {file, 2, *(uint64_t *)ctx, released, NULL};
    plait_reply_file(req, 200, "text/plain", &range);
}

static void files_are_sent_and_released(void **state)
{
    struct peer p;
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 8];
    static uint64_t three = 3, none = 0;
    (void)state;
    test_folder_make(folder);
    test_file_write(folder, "f", PLAIT_LIT("0123456789"));
    (void)snprintf(path, sizeof(path), "%s/f", folder);
    file = open(path, O_RDONLY | O_CLOEXEC);
    released_count = 0;
    answer(send_file, &three, GET, &p);
    assert_string_equal(body_of(&p), "234");
    assert_int_equal(released_count, 1);
    answer(send_file, &three, HEAD, &p);
    assert_string_equal(body_of(&p), "");
    assert_int_equal(released_count, 2);
    answer(send_file, &none, GET, &p);
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(released_count, 3);
    close(file);
    test_folder_remove(folder);
}

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static void conditional(struct plait_request *req, void *ctx)
{
    static const char *const tags[] = {"\"v1\"", "W/\"v1\"", ""};
    int which = *(int *)ctx;
    if (!plait_request_unchanged(req, plait_slice_text(tags[which]), which == 2 ? -1 : 784111777))
        plait_reply_text(req, 200, "fresh");
}

/* RFC 9110 section 13 */
static void conditions_are_judged(void **state)
{
    static const struct {
        const char *method, *fields;
        int tag; /* 0 strong, 1 weak, 2 none and no date */
        int status;
    } cases[] = {
        {"GET", "", 0, 200},
        {"GET", "If-None-Match: \"v1\"\r\n", 0, 304},
        {"HEAD", "If-None-Match: \"v1\"\r\n", 0, 304},
        {"GET", "If-None-Match: W/\"v1\"\r\n", 0, 304},
        {"GET", "If-None-Match: \"v1\"\r\n", 1, 304},
        {"GET", "If-None-Match: \"v0\" , \"v,1\",\"v1\"\r\n", 0, 304},
        {"GET", "If-None-Match: \"v0\"\r\nIf-None-Match: \"v1\"\r\n", 0, 304},
        {"PUT", "If-Match: \"v0\"\r\nIf-Match: \"v1\"\r\n", 0, 200},
        {"GET", "If-None-Match: *\r\n", 0, 304},
        {"GET", "If-None-Match: \"v2\"\r\n", 0, 200},
        {"GET", "If-None-Match: v1\r\n", 0, 200},
        {"GET", "If-None-Match: \"v1\r\n", 0, 200},
        {"GET", "If-None-Match: \"v1\"\r\n", 2, 200},
        {"PUT", "If-None-Match: *\r\n", 0, 412},
        {"PUT", "If-Match: \"v1\"\r\n", 0, 200},
        {"PUT", "If-Match: \"v1\"\r\n", 1, 412},
        {"PUT", "If-Match: W/\"v1\"\r\n", 0, 412},
        {"PUT", "If-Match: *\r\n", 0, 200},
        {"PUT", "If-Match: \"v2\"\r\n", 0, 412},
        {"GET", "If-Modified-Since: " DATE "\r\n", 0, 304},
        {"GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 0, 200},
        {"GET", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 0, 304},
        {"GET", "If-Modified-Since: nonsense\r\n", 0, 200},
        {"PUT", "If-Modified-Since: " DATE "\r\n", 0, 200},
        {"GET", "If-Modified-Since: " DATE "\r\nIf-None-Match: \"v2\"\r\n", 0, 200},
        {"GET", "If-Modified-Since: " DATE "\r\n", 2, 200},
        {"PUT", "If-Unmodified-Since: " DATE "\r\n", 0, 200},
        {"PUT", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 0, 412},
        {"PUT", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\nIf-Match: \"v1\"\r\n", 0, 200},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct peer p;
        char request[512];
        int tag = cases[i].tag;
        (void)snprintf(request, sizeof(request), "%s / HTTP/1.0\r\n%s\r\n", cases[i].method, cases[i].fields);
        answer(conditional, &tag, request, &p);
        if (status_of(&p) != cases[i].status)
            fail_msg("%s, tag %d: %s", request, tag, p.got);
        if (cases[i].status == 304 || cases[i].status == 200) {
            assert_int_equal(count_of(&p, "\r\nLast-Modified: " DATE "\r\n"), tag != 2);
            assert_int_equal(count_of(&p, "\r\nETag: "), tag != 2);
        }
    }
}

static void stream_a_lot(struct plait_request *req, void *ctx)
{
    static char block[8192];
    size_t *left = ctx;
    memset(block, 'z', sizeof(block));
    while (*left && !plait_reply_is_full(req)) {
        plait_reply_write(req, plait_slice_of(block, sizeof(block)));
        --*left;
    }
    if (*left == 0)
        plait_reply_end(req);
}

static void begin_a_lot(struct plait_request *req, void *ctx)
{
    plait_reply_begin(req, 200, NULL, 25 * 8192);
    plait_reply_room(req, stream_a_lot, ctx);
    plait_stream_marks(req->stream, 20000, 10000);
    stream_a_lot(req, ctx);
}

static void long_answers_wait_for_room(void **state)
{
    struct peer p;
    size_t left = 25;
    (void)state;
    answer(begin_a_lot, &left, GET, &p);
    assert_int_equal(left, 0);
    assert_int_equal(strlen(body_of(&p)), 25 * 8192);
}

static void answers_survive_any_lack_of_memory(void **state)
{
    (void)state;
    static size_t size = 20000;
    for (uint64_t n = 1; n < 30; n++) {
        struct world w;
        struct peer p;
        world_open(&w);
        assert_ok(plait_resource_get(w.root, "", from_buffer, &size));
        world_serve(&w, NULL);
        peer_open(&w, &p);
        w.heap.fail_at = w.heap.calls + n;
        peer_send(&w, &p, GET);
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        assert_true(p.lost);
        world_close(&w);
    }
}

static void hint(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_err(plait_reply_early_hints(req, PLAIT_LIT("")), PLAIT_EINVAL);
    assert_err(plait_reply_early_hints(req, PLAIT_LIT("a\r\nb: c")), PLAIT_EINVAL);
    assert_ok(plait_reply_early_hints(req, PLAIT_LIT("</a.css>; rel=preload")));
    assert_ok(plait_reply_early_hints(req, PLAIT_LIT("</b.js>; rel=preload")));
    plait_reply_begin(req, 200, "text/plain", 2);
    assert_err(plait_reply_early_hints(req, PLAIT_LIT("</c.js>")), PLAIT_ESTATE);
    plait_reply_write(req, PLAIT_LIT("ok"));
    plait_reply_end(req);
}

static void hints_come_before_the_answer(void **state)
{
    static const char expected[] = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                                   "HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n";
    struct world w;
    static struct peer p;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "x", hint, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_memory_equal(p.got, expected, sizeof expected - 1);
    ask(&w, &p, "GET /x HTTP/1.0\r\n\r\n");
    assert_int_equal(count_of(&p, "103"), 0);
    assert_int_equal(status_of(&p), 200);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(hints_come_before_the_answer), cmocka_unit_test(fields_are_added_and_judged),
          cmocka_unit_test(bodies_are_framed), cmocka_unit_test(what_can_not_be_answered_is_500),
          cmocka_unit_test(some_statuses_have_no_body), cmocka_unit_test(buffers_small_and_large_are_sent),
          cmocka_unit_test(error_pages_are_escaped), cmocka_unit_test(redirects_have_a_location),
          cmocka_unit_test(files_are_sent_and_released), cmocka_unit_test(conditions_are_judged),
          cmocka_unit_test(long_answers_wait_for_room), cmocka_unit_test(answers_survive_any_lack_of_memory))
