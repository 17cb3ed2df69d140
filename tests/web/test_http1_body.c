/* SPDX-License-Identifier: MIT
 *
 * Chunks both ways and the heads of responses.
 */
#include "tests/support/test.h"

#include "web/http1_wire.h"

struct chunk_case {
    const char *input;
    const char *body;
    enum plait__http1_step end;
};

static void read_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct chunk_case *c = ctx;
    struct plait__http1_chunks chunks = {0};
    char body[256];
    size_t len = 0, from = 0;
    enum plait__http1_step step = PLAIT__HTTP1_MORE;
    for (size_t piece = test_cut_next(cut); piece; piece = test_cut_next(cut)) {
        size_t to = from + piece;
        while (step == PLAIT__HTTP1_MORE && from < to) {
            size_t used = 0;
            plait_slice data = {NULL, 0};
            step = plait__http1_chunks_read(&chunks, plait_slice_sub(input, from, to), &used, &data);
            from += used;
            if (step == PLAIT__HTTP1_DATA) {
                assert_true(data.len > 0 && len + data.len <= sizeof(body));
                memcpy(body + len, data.ptr, data.len);
                len += data.len;
                step = PLAIT__HTTP1_MORE;
            }
        }
        from = to;
    }
    if (step != c->end)
        fail_msg("%s: \"%s\" gave %d, expected %d", cut->name, c->input, step, c->end);
    if (step == PLAIT__HTTP1_DONE)
        assert_slice(plait_slice_of(body, len), c->body);
}

static void run_cases(const struct chunk_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct chunk_case c = cases[i];
        test_every_cut(plait_slice_text(c.input), 12, read_cut, &c);
    }
}

/* RFC 9112 section 7.1 */
static void chunks_are_read(void **state)
{
    static const struct chunk_case cases[] = {
        {"0\r\n\r\n", "", PLAIT__HTTP1_DONE},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", PLAIT__HTTP1_DONE},
        {"5\r\nhello\r\n00A\r\n, world!!!\r\n000\r\n\r\n", "hello, world!!!", PLAIT__HTTP1_DONE},
        {"1;a\r\nx\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n", "x", PLAIT__HTTP1_DONE},
        {"1; a=b ;", "", PLAIT__HTTP1_BAD},
        {"1;\t a;b\r\nx\r\n0\r\n\r\n", "x", PLAIT__HTTP1_DONE},
        {"0\r\nA: b\r\nC:\r\n\r\n", "", PLAIT__HTTP1_DONE},
        {"5\r\nhel", "", PLAIT__HTTP1_MORE},
        {"0\r\n", "", PLAIT__HTTP1_MORE},
    };
    (void)state;
    run_cases(cases, TEST_COUNT(cases));
}

static void chunks_that_are_wrong_are_refused(void **state)
{
    static const struct chunk_case cases[] = {
        {"\r\n", NULL, PLAIT__HTTP1_BAD},
        {"x\r\n", NULL, PLAIT__HTTP1_BAD},
        {"+5\r\nhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {"-1\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0x5\r\nhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {" 5\r\nhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {"5 \r\nhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {"5\nhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {"5\rhello\r\n", NULL, PLAIT__HTTP1_BAD},
        {"5\r\nhelloX\r\n", NULL, PLAIT__HTTP1_BAD},
        {"5\r\nhello\n", NULL, PLAIT__HTTP1_BAD},
        {"5\r\nhello\rX", NULL, PLAIT__HTTP1_BAD},
        {"10000000000000000\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;=a\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a=\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a=\"b\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a=\"\\\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a=\"b\"c\r\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a\n", NULL, PLAIT__HTTP1_BAD},
        {"1;a=b c\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\n\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\n A: b\r\n\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\nA : b\r\n\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\nA\r\n\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\nA: b\n\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\nA: b\rc", NULL, PLAIT__HTTP1_BAD},
        {"0\r\nA: \x01\r\n\r\n", NULL, PLAIT__HTTP1_BAD},
        {"0\r\n\rX", NULL, PLAIT__HTTP1_BAD},
    };
    (void)state;
    run_cases(cases, TEST_COUNT(cases));
}

static enum plait__http1_step read_padded(const char *before, char pad, size_t count, const char *after)
{
    struct plait__http1_chunks chunks = {0};
    size_t used;
    plait_slice data;
    if (plait__http1_chunks_read(&chunks, plait_slice_text(before), &used, &data) != PLAIT__HTTP1_MORE)
        return PLAIT__HTTP1_BAD;
    for (size_t i = 0; i < count; i++) {
        if (plait__http1_chunks_read(&chunks, plait_slice_of(&pad, 1), &used, &data) != PLAIT__HTTP1_MORE)
            return PLAIT__HTTP1_BAD;
    }
    return plait__http1_chunks_read(&chunks, plait_slice_text(after), &used, &data);
}

static void lines_and_trailers_have_limits(void **state)
{
    (void)state;
    /* the size line with its CRLF */
    assert_int_equal(read_padded("0;", 'a', PLAIT__HTTP1_LINE_MAX - 4, "\r\n\r\n"), PLAIT__HTTP1_DONE);
    assert_int_equal(read_padded("0;", 'a', PLAIT__HTTP1_LINE_MAX - 3, "\r\n\r\n"), PLAIT__HTTP1_BAD);
    /* the trailer section with the last CRLF */
    assert_int_equal(read_padded("0\r\nA:", 'a', PLAIT__HTTP1_TRAILER_MAX - 6, "\r\n\r\n"), PLAIT__HTTP1_DONE);
    assert_int_equal(read_padded("0\r\nA:", 'a', PLAIT__HTTP1_TRAILER_MAX - 5, "\r\n\r\n"), PLAIT__HTTP1_BAD);
}

/* Feeds the same chunk again and again; returns how many were taken. */
static size_t chunks_taken(size_t extension, size_t data)
{
    static char text[PLAIT__HTTP1_LINE_MAX + 1024];
    struct plait__http1_chunks chunks = {0};
    const int head = snprintf(text, sizeof text, "%zx;", data);
    memset(text + head, 'e', extension);
    memcpy(text + head + extension, "\r\n", 2);
    memset(text + (size_t)head + extension + 2, 'd', data);
    memcpy(text + (size_t)head + extension + 2 + data, "\r\n", 2);
    const size_t len = (size_t)head + extension + 4 + data;
    for (size_t count = 0; count < 10000; count++) {
        for (size_t at = 0; at < len;) {
            size_t used;
            plait_slice piece;
            if (plait__http1_chunks_read(&chunks, plait_slice_of(text + at, len - at), &used, &piece) ==
                PLAIT__HTTP1_BAD)
                return count;
            at += used;
        }
    }
    return 10000;
}

static void long_extensions_of_tiny_chunks_come_to_an_end(void **state)
{
    (void)state;
    assert_int_equal(chunks_taken(1, 1), 10000);    /* small chunks are slow, and right */
    assert_int_equal(chunks_taken(70, 500), 10000); /* a signature with each chunk, say */
    assert_int_equal(chunks_taken(1000, 1), PLAIT__HTTP1_EXCESS_MAX / (1004 - 18));
}

static void a_finished_or_broken_reader_takes_nothing(void **state)
{
    (void)state;
    struct plait__http1_chunks chunks = {0};
    size_t used;
    plait_slice data;
    assert_int_equal(plait__http1_chunks_read(&chunks, PLAIT_LIT("0\r\n\r\nGET"), &used, &data), PLAIT__HTTP1_DONE);
    assert_int_equal(used, 5);
    assert_int_equal(plait__http1_chunks_read(&chunks, PLAIT_LIT("GET"), &used, &data), PLAIT__HTTP1_DONE);
    assert_int_equal(used, 0);
    chunks = (struct plait__http1_chunks){0};
    assert_int_equal(plait__http1_chunks_read(&chunks, PLAIT_LIT("x"), &used, &data), PLAIT__HTTP1_BAD);
    assert_int_equal(plait__http1_chunks_read(&chunks, PLAIT_LIT("0"), &used, &data), PLAIT__HTTP1_BAD);
}

static void chunk_sizes_are_written(void **state)
{
    static const struct {
        uint64_t size;
        const char *line;
    } cases[] = {
        {0, "0\r\n"}, {15, "f\r\n"}, {16, "10\r\n"}, {0xabcdef, "abcdef\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t out[PLAIT__HTTP1_CHUNK_HEAD];
        size_t len = plait__http1_chunk_head(cases[i].size, out);
        assert_slice(plait_slice_of(out, len), cases[i].line);
    }
}

static void heads_of_responses_are_written(void **state)
{
    static const struct {
        struct plait__http1_answer answer;
        const char *head;
    } cases[] = {
        {{.status = 200, .framing = PLAIT__HTTP1_LENGTH, .length = 13},
         "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"},
        {{.status = 404, .framing = PLAIT__HTTP1_CHUNKED, .connection = "close"},
         "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"},
        {{.status = 299, .framing = PLAIT__HTTP1_NO_BODY}, "HTTP/1.1 299 Unknown\r\n\r\n"},
    };
    (void)state;
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_buf out;
        plait_buf_init(&out, &budget, 4096);
        plait__http1_answer_write(&out, &cases[i].answer);
        assert_slice(plait_buf_slice(&out), cases[i].head);
        plait_buf_deinit(&out);
    }
    struct plait__http1_answer full = {.status = 206,
                                       .framing = PLAIT__HTTP1_UNTIL_CLOSE,
                                       .common = PLAIT_LIT("Server: s\r\n"),
                                       .type = PLAIT_LIT("text/plain"),
                                       .more = PLAIT_LIT("A: b\r\n")};
    struct plait_buf out;
    plait_buf_init(&out, &budget, 4096);
    plait__http1_answer_write(&out, &full);
    assert_slice(plait_buf_slice(&out),
                 "HTTP/1.1 206 Partial Content\r\nServer: s\r\nContent-Type: text/plain\r\nA: b\r\n\r\n");
    plait_buf_deinit(&out);
}

static void reasons_are_known(void **state)
{
    (void)state;
    assert_string_equal(plait__http_reason(404), "Not Found");
    assert_string_equal(plait__http_reason(505), "HTTP Version Not Supported");
    assert_string_equal(plait__http_reason(299), "Unknown");
}

TEST_MAIN(cmocka_unit_test(chunks_are_read), cmocka_unit_test(chunks_that_are_wrong_are_refused),
          cmocka_unit_test(lines_and_trailers_have_limits),
          cmocka_unit_test(long_extensions_of_tiny_chunks_come_to_an_end),
          cmocka_unit_test(a_finished_or_broken_reader_takes_nothing), cmocka_unit_test(chunk_sizes_are_written),
          cmocka_unit_test(heads_of_responses_are_written), cmocka_unit_test(reasons_are_known))
