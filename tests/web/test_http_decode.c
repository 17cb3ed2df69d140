/* SPDX-License-Identifier: MIT
 *
 * Content codings undone, in every cut, and what is too much.
 */
#include "tests/web/client_world.h"

#include "web/http_decode.h"

#include <zlib.h>

static struct plait_budget budget;

static plait_err gather(plait_slice piece, void *ctx)
{
    plait_buf_put(ctx, piece);
    return ((struct plait_buf *)ctx)->err;
}

/* Compresses with zlib: windows as deflateInit2 has them. */
static size_t pack(int bits, plait_slice in, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in.ptr, .avail_in = (unsigned)in.len};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

struct expected {
    const char *codings;
    const char *text;
    plait_err err;
};

static void decode_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct expected *e = ctx;
    struct plait__decoder *decoder;
    struct plait_buf out;
    size_t at = 0;
    plait_err err = PLAIT_OK;
    plait_buf_init(&out, &budget, 1 << 20);
    assert_ok(plait__decoder_new(&budget, plait_slice_text(e->codings), 0, &decoder));
    for (size_t len = test_cut_next(cut); len; at += len, len = test_cut_next(cut))
        if (!err)
            err = plait__decoder_take(decoder, plait_slice_sub(input, at, at + len), gather, &out);
    if (!err)
        err = plait__decoder_take(decoder, plait_slice_of(NULL, 0), gather, &out);
    if (!err)
        err = plait__decoder_end(decoder);
    assert_err(err, e->err);
    if (!err)
        assert_slice(plait_buf_slice(&out), e->text);
    plait__decoder_free(&decoder);
    plait__decoder_free(&decoder);
    plait_buf_deinit(&out);
    assert_int_equal(budget.used, 0);
}

static void expect(const char *codings, plait_slice in, const char *text, plait_err err)
{
    struct expected e = {codings, text, err};
    test_every_cut(in, 20, decode_cut, &e);
}

static const char text[] = "hello codings, hello codings, hello hello hello";

static void codings_are_undone_however_they_come(void **state)
{
    uint8_t one[400], two[400];
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    size_t len = pack(31, plait_slice_text(text), one, sizeof one);
    expect("gzip", plait_slice_of(one, len), text, PLAIT_OK);
    expect("identity, X-GZip ,", plait_slice_of(one, len), text, PLAIT_OK);
    expect("gzip", plait_slice_of(one, len - 1), text, PLAIT_ETRUNCATED);
    expect("gzip", plait_slice_of(one, 0), "", PLAIT_OK);
    memcpy(one + len, one, len);
    char twice[100];
    (void)snprintf(twice, sizeof twice, "%s%s", text, text);
    expect("gzip", plait_slice_of(one, 2 * len), twice, PLAIT_OK);
    one[len] = 'x';
    expect("gzip", plait_slice_of(one, 2 * len), "", PLAIT_EMALFORMED);
    len = pack(15, plait_slice_text(text), one, sizeof one);
    expect("deflate", plait_slice_of(one, len), text, PLAIT_OK);
    size_t outer = pack(31, plait_slice_of(one, len), two, sizeof two);
    expect("deflate, gzip", plait_slice_of(two, outer), text, PLAIT_OK);
    expect("gzip, deflate", plait_slice_of(two, outer), "", PLAIT_EMALFORMED);
    one[len] = 'x';
    expect("deflate", plait_slice_of(one, len + 1), "", PLAIT_EMALFORMED);
    len = pack(-15, plait_slice_text(text), one, sizeof one);
    expect("deflate", plait_slice_of(one, len), text, PLAIT_OK);
    expect("gzip", plait_slice_of(text, sizeof text), "", PLAIT_EMALFORMED);
}

#ifdef PLAIT_HAVE_BROTLI
static const uint8_t brotli[] =
    "\x1b\x25\x00\xf8\x1d\x09\x36\x4e\x74\x6f\x24\x86\xd7\x62\x65\x68\x72\x1a\x84\x85\x8d\x4e\xb2\xa5\xbd"
    "\xe5\x20\x86\x30\xd4\x04\x3c\x50\xc1\x09\x26\x33\xfc\x12\x1d\x02";

static void br_is_undone(void **state)
{
    static const char said[] = "hello brotli, hello world, hello hello";
    uint8_t more[sizeof brotli];
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    expect("br", plait_slice_of(brotli, sizeof brotli - 1), said, PLAIT_OK);
    expect("br", plait_slice_of(brotli, sizeof brotli - 2), said, PLAIT_ETRUNCATED);
    expect("br", plait_slice_of(brotli, sizeof brotli), said, PLAIT_EMALFORMED);
    memcpy(more, brotli, sizeof more);
    memset(more + 4, 0xff, 20);
    expect("br", plait_slice_of(more, sizeof more), said, PLAIT_EMALFORMED);
    struct plait__decoder *decoder;
    struct plait_buf out;
    plait_buf_init(&out, &budget, 5);
    assert_ok(plait__decoder_new(&budget, PLAIT_LIT("br"), 0, &decoder));
    assert_err(plait__decoder_take(decoder, plait_slice_of(brotli, sizeof brotli - 1), gather, &out), PLAIT_ETOOLONG);
    plait__decoder_free(&decoder);
    plait_buf_deinit(&out);
}
#endif

static void what_is_not_known_is_given_as_it_is(void **state)
{
    static const char *const none[] = {"zstd", "gzip, zstd", "identity", " , "};
    struct plait__decoder *decoder;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    for (size_t i = 0; i < TEST_COUNT(none); i++) {
        assert_ok(plait__decoder_new(&budget, plait_slice_text(none[i]), 0, &decoder));
        assert_null(decoder);
    }
    assert_err(plait__decoder_new(&budget, PLAIT_LIT("gzip,gzip,gzip,gzip"), 0, &decoder), PLAIT_ELIMIT);
    assert_null(decoder);
    assert_int_equal(budget.used, 0);
}

static plait_err count(plait_slice piece, void *ctx)
{
    *(size_t *)ctx += piece.len;
    return PLAIT_OK;
}

static void bombs_do_not_go_off(void **state)
{
    static uint8_t zeroes[8 << 20], packed[100000];
    struct plait__decoder *decoder;
    size_t out = 0;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    size_t len = pack(31, plait_slice_of(zeroes, sizeof zeroes), packed, sizeof packed);
    assert_ok(plait__decoder_new(&budget, PLAIT_LIT("gzip"), 0, &decoder));
    assert_err(plait__decoder_take(decoder, plait_slice_of(packed, len), count, &out), PLAIT_ELIMIT);
    assert_true(out <= len * 257);
    plait__decoder_free(&decoder);
    len = pack(31, plait_slice_of(zeroes, 1 << 20), packed, sizeof packed);
    for (int over = 0; over < 2; over++) {
        out = 0;
        assert_ok(plait__decoder_new(&budget, PLAIT_LIT("gzip"), (1 << 20) - (uint64_t)over, &decoder));
        assert_err(plait__decoder_take(decoder, plait_slice_of(packed, len), count, &out),
                   over ? PLAIT_ETOOLONG : PLAIT_OK);
        plait__decoder_free(&decoder);
    }
}

static void memory_may_be_short(void **state)
{
    uint8_t packed[400];
    const size_t len = pack(31, plait_slice_text(text), packed, sizeof packed);
    (void)state;
    for (int br = 0; br < 2; br++) {
        bool fine = false;
        for (uint64_t k = 1; k < 50 && !fine; k++) {
            struct test_heap heap;
            struct plait_budget limited;
            struct plait__decoder *decoder;
            size_t out = 0;
            test_heap_init(&heap, k);
            plait_budget_init(&limited, NULL, &heap.allocator, 0);
            plait_err err = plait__decoder_new(&limited, br ? PLAIT_LIT("br") : PLAIT_LIT("gzip"), 0, &decoder);
            const plait_slice in = plait_slice_of(packed, len);
#ifdef PLAIT_HAVE_BROTLI
            const plait_slice input = br ? plait_slice_of(brotli, sizeof brotli - 1) : in;
#else
            const plait_slice input = in;
#endif
            if (decoder)
                err = plait__decoder_take(decoder, plait_slice_sub(input, 0, 30), count, &out);
            if (decoder && !err)
                err = plait__decoder_take(decoder, plait_slice_sub(input, 30, input.len), count, &out);
            fine = heap.calls < k;
            if (!fine)
                assert_true(err != PLAIT_OK);
            plait__decoder_free(&decoder);
            assert_int_equal(heap.live, 0);
        }
        assert_true(fine);
    }
}

/* --- over the wire ------------------------------------------------------------------------------------------------ */

static uint8_t body[2000];
static size_t body_len;
static const char *said_coding;

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    plait_printf(c->stream, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", said_coding,
                 body_len);
    if (!plait_slice_starts(head, PLAIT_LIT("HEAD")))
        plait_write(c->stream, plait_slice_of(body, body_len));
    return 0;
}

static plait_err gather_streamed(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    return gather(piece, ctx);
}

static void bodies_are_decoded(void **state)
{
    static uint8_t zeroes[1 << 20];
    static const struct plait_http_field own = {"Accept-Encoding", "gzip"};
    struct farm farm;
    struct plait_response *response;
    struct plait_buf out;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 1 << 20);
    body_len = pack(31, plait_slice_text(text), body, sizeof body);
    said_coding = "gzip";
    assert_ok(farm_get(&farm, client, "http://server/", NULL, &response));
    assert_slice(plait_response_body(response), text);
    assert_true(plait_response_length(response) == PLAIT_LENGTH_UNKNOWN);
    plait_response_free(&response);
    const struct plait_fetch_options streamed = {.data = gather_streamed, .ctx = &out}, raw = {.no_decoding = true},
                                     mine = {.fields = &own, .field_count = 1}, head = {.method = "HEAD"},
                                     small = {.body_max = sizeof text - 2};
    assert_ok(farm_get(&farm, client, "http://server/", &streamed, NULL));
    assert_slice(plait_buf_slice(&out), text);
    assert_ok(farm_get(&farm, client, "http://server/", &head, NULL));
    const struct plait_fetch_options *const undecoded[] = {&raw, &mine};
    for (int i = 0; i < 2; i++) {
        assert_ok(farm_get(&farm, client, "http://server/", undecoded[i], &response));
        assert_slice_is(plait_response_body(response), plait_slice_of(body, body_len));
        plait_response_free(&response);
    }
    assert_err(farm_get(&farm, client, "http://server/", &small, NULL), PLAIT_ETOOLONG);
    body_len--;
    assert_err(farm_get(&farm, client, "http://server/", NULL, NULL), PLAIT_ETRUNCATED);
    body[5] ^= 0xff;
    body[12] ^= 0xff;
    assert_err(farm_get(&farm, client, "http://server/", NULL, NULL), PLAIT_EMALFORMED);
    said_coding = "gzip, gzip, gzip, gzip";
    assert_err(farm_get(&farm, client, "http://server/", NULL, NULL), PLAIT_ELIMIT);
    said_coding = "gzip";
    const struct plait_fetch_options large = {.data = gather_streamed, .ctx = &out};
    plait_buf_deinit(&out);
    plait_buf_init(&out, &budget, 8 << 20);
    body_len = pack(31, plait_slice_of(zeroes, sizeof zeroes), body, sizeof body);
    assert_ok(farm_get(&farm, client, "http://server/", &large, NULL));
    const size_t once = out.len;
    assert_int_equal(once, sizeof zeroes);
    plait_buf_deinit(&out);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void bombs_end_the_fetch(void **state)
{
    static uint8_t zeroes[1800 << 10];
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    body_len = pack(31, plait_slice_of(zeroes, sizeof zeroes), body, sizeof body);
    said_coding = "gzip";
    assert_err(farm_get(&farm, client, "http://server/", NULL, NULL), PLAIT_ELIMIT);
    plait_http_client_free(&client);
    farm_close(&farm);
}

#ifdef PLAIT_HAVE_BROTLI
#define BROTLI_TESTS cmocka_unit_test(br_is_undone),
#else
#define BROTLI_TESTS
#endif

TEST_MAIN(cmocka_unit_test(codings_are_undone_however_they_come),
          BROTLI_TESTS cmocka_unit_test(what_is_not_known_is_given_as_it_is), cmocka_unit_test(bombs_do_not_go_off),
          cmocka_unit_test(memory_may_be_short), cmocka_unit_test(bodies_are_decoded),
          cmocka_unit_test(bombs_end_the_fetch))
