/* SPDX-License-Identifier: MIT
 *
 * Compression on the way: what comes out is what went in, only where it is wanted and worth it, tagged as another form.
 */
#include "tests/web/http_world.h"

#include <plait/site.h>

#include <zlib.h>

static struct peer p;
static char large[200000];

struct asked {
    const char *type, *field, *value, *etag;
    int status;
    size_t len;
    bool streams, noise;
};

static void answer(struct plait_request *req, void *ctx)
{
    const struct asked *a = ctx;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = a->noise ? (char)(plait_random_u64(plait_request_reactor(req)) >> 13) : (char)('a' + i % 23);
    if (a->field)
        (void)plait_reply_field(req, a->field, plait_slice_text(a->value));
    if (a->etag)
        (void)plait_reply_field(req, "ETag", plait_slice_text(a->etag));
    (void)plait_reply_field(req, "Accept-Ranges", PLAIT_LIT("bytes"));
    if (!a->streams) {
        plait_reply(req, a->status ? a->status : 200, a->type, plait_slice_of(large, a->len));
        return;
    }
    plait_reply_begin(req, 200, a->type, PLAIT_LENGTH_UNKNOWN);
    for (size_t at = 0; at < a->len; at += 1000)
        plait_reply_write(req, plait_slice_of(large + at, a->len - at < 1000 ? a->len - at : 1000));
    plait_reply_end(req);
}

static void get(struct asked *a, const struct plait_compress_options *options, const char *fields)
{
    struct world w;
    char text[400];
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", answer, a));
    assert_ok(plait_compress_wrap(w.root, options));
    world_serve(&w, NULL);
    (void)snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nHost: x\r\n%s\r\n", fields);
    ask(&w, &p, text);
    world_close(&w);
}

#define GZIP "Accept-Encoding: gzip\r\n"
#define BOTH "Accept-Encoding: gzip, br\r\n"

static size_t body_len(void)
{
    return p.len - (size_t)(body_of(&p) - p.got);
}

static void gzip_holds_what_went_in(void **state)
{
    static uint8_t out[sizeof(large)];
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct asked a = {.type = "text/plain", .len = i < 2 ? 150000 : 1024, .streams = i % 2, .noise = i == 0};
        z_stream z = {.next_in = NULL};
        get(&a, NULL, GZIP);
        assert_int_equal(count_of(&p, "Content-Encoding: gzip\r\n"), 1);
        assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), 1);
        assert_int_equal(count_of(&p, "Accept-Ranges"), 0);
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        z.next_in = (Bytef *)(p.got + (body_of(&p) - p.got));
        z.avail_in = (uInt)body_len();
        z.next_out = out;
        z.avail_out = sizeof(out);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, a.len);
        assert_memory_equal(out, large, a.len);
        inflateEnd(&z);
    }
}

static void brotli_is_taken_where_it_is_liked(void **state)
{
    struct asked a = {.type = "application/json; charset=utf-8", .len = 150000};
    const struct plait_compress_options none = {.no_brotli = true, .level = 9}, level = {.level = 5};
    (void)state;
    get(&a, NULL, BOTH);
    assert_int_equal(count_of(&p, "Content-Encoding: br\r\n"), 1);
    assert_in_range(body_len(), 20, 5000);
    get(&a, &level, "Accept-Encoding: br;q=0.5, gzip;q=0.1\r\n");
    assert_int_equal(count_of(&p, "Content-Encoding: br\r\n"), 1);
    get(&a, NULL, "Accept-Encoding: br;q=0.5, gzip\r\n");
    assert_int_equal(count_of(&p, "Content-Encoding: gzip\r\n"), 1);
    get(&a, &none, BOTH);
    assert_int_equal(count_of(&p, "Content-Encoding: gzip\r\n"), 1);
    a.streams = true;
    get(&a, NULL, BOTH);
    assert_int_equal(count_of(&p, "Content-Encoding: br\r\n"), 1);
    a = (struct asked){.type = "text/css", .len = 150000, .noise = true};
    get(&a, NULL, BOTH);
    assert_in_range(body_len(), 100000, 160000);
}

static void what_is_not_worth_it_goes_as_it_is(void **state)
{
    static const struct {
        struct asked a;
        const char *fields;
        bool vary;
    } table[] = {
        {{.type = "text/plain", .len = 1023}, BOTH, false},
        {{.type = "image/png", .len = 5000}, BOTH, false},
        {{.type = "text/", .len = 5000}, BOTH, false},
        {{.type = NULL, .len = 5000}, BOTH, false},
        {{.type = "text/plain", .len = 5000}, "", true},
        {{.type = "text/plain", .len = 5000}, "Accept-Encoding: gzip;q=0, identity\r\n", true},
        {{.type = "text/plain", .len = 5000}, BOTH "Range: bytes=0-1\r\n", true},
        {{.type = "text/plain", .len = 5000, .status = 206}, BOTH, false},
        {{.type = "text/plain", .len = 5000, .field = "Content-Range", .value = "bytes 0-4999/6000"}, BOTH, false},
        {{.type = "text/plain", .len = 5000, .field = "Content-Encoding", .value = "deflate"}, BOTH, false},
        {{.type = "text/plain", .len = 5000, .field = "Cache-Control", .value = "public, No-Transform"}, BOTH, false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        struct asked a = table[i].a;
        get(&a, NULL, table[i].fields);
        assert_int_equal(body_len(), a.len);
        assert_int_equal(count_of(&p, "Content-Encoding: gzip"), 0);
        assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), table[i].vary);
        assert_int_equal(count_of(&p, "Accept-Ranges"), 1);
    }
}

static void tags_become_weak(void **state)
{
    static char tag[400];
    struct asked a = {.type = "text/plain", .len = 5000, .etag = "\"abc\""};
    (void)state;
    get(&a, NULL, GZIP);
    assert_int_equal(count_of(&p, "ETag: W/\"abc\"\r\n"), 1);
    get(&a, NULL, "");
    assert_int_equal(count_of(&p, "ETag: \"abc\"\r\n"), 1);
    a.etag = "W/\"abc\"";
    get(&a, NULL, GZIP);
    assert_int_equal(count_of(&p, "ETag: W/\"abc\"\r\n"), 1);
    memset(tag, 't', sizeof(tag) - 1);
    a.etag = tag;
    get(&a, NULL, GZIP);
    assert_int_equal(count_of(&p, "ETag"), 0);
    /* 304 is about the form that the client has */
    a = (struct asked){.type = NULL, .status = 304, .etag = "\"abc\""};
    get(&a, NULL, "If-None-Match: \"x\", W/\"abc\"\r\n" GZIP);
    assert_int_equal(count_of(&p, "ETag: W/\"abc\"\r\n"), 1);
    assert_int_equal(count_of(&p, "Vary: Accept-Encoding\r\n"), 1);
    get(&a, NULL, "If-None-Match: \"abc\"\r\n" GZIP);
    assert_int_equal(count_of(&p, "ETag: \"abc\"\r\n"), 1);
    a.etag = NULL;
    get(&a, NULL, "If-None-Match: \"abc\"\r\n" GZIP);
    assert_int_equal(status_of(&p), 304);
}

/* Without memory for the coder an answer goes as it is; later it can only break off. */
static void memory_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct asked a = {.type = "text/plain", .len = 100000, .etag = "\"e\""};
        struct world w;
        world_open(&w);
        assert_ok(plait_resource_get(w.root, "", answer, &a));
        assert_ok(plait_compress_wrap(w.root, NULL));
        world_serve(&w, NULL);
        peer_open(&w, &p);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        peer_send(&w, &p,
                  k % 2 ? "GET / HTTP/1.1\r\nHost: x\r\n" BOTH "\r\n" : "GET / HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n");
        failed = w.heap.calls >= at || k < 20;
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        world_close(&w);
        assert_true(k < 200);
    }
    struct world w;
    world_open(&w);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_compress_wrap(w.root, NULL), PLAIT_ENOMEM);
    assert_null(plait_http(w.root));
    assert_err(plait_compress_wrap(NULL, NULL), PLAIT_ENOMEM);
    world_close(&w);
}

static void crowd(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_non_null(plait_request_memory(req, 512 - 16));
    ((struct world *)ctx)->heap.fail_at = ((struct world *)ctx)->heap.calls + 2;
    plait_request_pass(req);
}

static void a_filter_may_find_no_memory(void **state)
{
    static const struct plait_layer crowding = {.name = "crowd", .request = crowd};
    struct asked a = {.type = "text/plain", .len = 5000};
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", answer, &a));
    assert_ok(plait_resource_wrap(w.root, &crowding, &w));
    assert_ok(plait_compress_wrap(w.root, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, "GET / HTTP/1.0\r\nHost: x\r\n" BOTH "\r\n");
    assert_int_equal(body_len(), 5000);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(gzip_holds_what_went_in), cmocka_unit_test(brotli_is_taken_where_it_is_liked),
          cmocka_unit_test(what_is_not_worth_it_goes_as_it_is), cmocka_unit_test(tags_become_weak),
          cmocka_unit_test(memory_may_fail), cmocka_unit_test(a_filter_may_find_no_memory))
