/* SPDX-License-Identifier: MIT
 *
 * Lines, cut in every way, at their limit and beyond.
 */
#include "tests/support/test.h"

#include <plait/framing.h>

enum { TEXT_BYTES = 512 };

/* What a decoder said of an input: its lines, each in brackets, and how it ended. */
struct story {
    char text[TEXT_BYTES];
    size_t len;
    plait_err err;
    size_t calls;
};

static void tell(struct story *story, const char *text, size_t len)
{
    assert_true(story->len + len < sizeof story->text);
    memcpy(story->text + story->len, text, len);
    story->len += len;
    story->text[story->len] = '\0';
}

/* Everything that can be taken off the front now. Returns how much it was. */
static size_t drain(struct plait_line *line, plait_slice in, struct story *story)
{
    size_t taken = 0;
    while (story->err == PLAIT_OK) {
        const struct plait_frame f = plait_line_next(line, plait_slice_sub(in, taken, in.len));
        story->calls++;
        if (f.event == PLAIT_FRAME_MORE)
            break;
        if (f.event == PLAIT_FRAME_BAD) {
            assert_true(f.err != PLAIT_OK);
            story->err = f.err;
            break;
        }
        tell(story, "[", 1);
        tell(story, (const char *)f.payload.ptr, f.payload.len);
        tell(story, "]", 1);
        taken += f.taken;
    }
    return taken;
}

struct vector {
    const char *delimiter; /* NULL: CR LF or LF */
    size_t max;
    const char *in;
    const char *lines;
    plait_err err;
};

static const struct vector vectors[] = {
    {NULL, 0, "", "", PLAIT_OK},
    {NULL, 0, "one\r\ntwo\r\n", "[one][two]", PLAIT_OK},
    {NULL, 0, "one\ntwo\nthr", "[one][two]", PLAIT_OK},
    {NULL, 0, "\r\n\n\r\n", "[][][]", PLAIT_OK},
    {NULL, 0, "a\rb\r\n", "[a\rb]", PLAIT_OK},
    {NULL, 0, "a\r\r\n", "[a\r]", PLAIT_OK},
    {NULL, 4, "four\r\n", "[four]", PLAIT_OK},
    {NULL, 4, "four\n", "[four]", PLAIT_OK},
    {NULL, 4, "fiver\r\n", "", PLAIT_ETOOLONG},
    {NULL, 4, "fiver\n", "", PLAIT_ETOOLONG},
    {NULL, 4, "ok\r\nsixsix", "[ok]", PLAIT_ETOOLONG},
    {NULL, 4, "four\r", "", PLAIT_OK},
    {"\r\n", 0, "a\nb\r\n", "[a\nb]", PLAIT_OK},
    {"\r\n", 0, "a\rb\r\r\n", "[a\rb\r]", PLAIT_OK},
    {"--end--", 0, "a--end-b--end----en", "[a--end-b]", PLAIT_OK},
    {"--end--", 3, "abc--end--", "[abc]", PLAIT_OK},
    {"--end--", 3, "abcd--end--", "", PLAIT_ETOOLONG},
    {"aab", 0, "aaab", "[a]", PLAIT_OK},
    {";", 2, "ab;c;;", "[ab][c][]", PLAIT_OK},
};

static struct plait_line decoder_of(const struct vector *v)
{
    struct plait_line line;
    if (v->delimiter)
        plait_line_init_delimiter(&line, plait_slice_text(v->delimiter), v->max);
    else
        plait_line_init(&line, v->max);
    return line;
}

/* Feeds the pieces as a stream would: what was not taken stands at the front of the next. */
static void run_vector(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct vector *v = ctx;
    struct plait_line line = decoder_of(v);
    struct story story = {.err = PLAIT_OK};
    size_t start = 0;
    size_t end = 0;
    for (size_t n; (n = test_cut_next(cut)) > 0;) {
        end += n;
        start += drain(&line, plait_slice_sub(input, start, end), &story);
    }
    if (strcmp(story.text, v->lines) != 0 || story.err != v->err)
        fail_msg("'%s' %s: lines %s, error %s", v->in, cut->name, story.text, plait_err_name(story.err));
}

static void lines_are_the_same_however_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        struct vector v = vectors[i];
        test_every_cut(plait_slice_text(v.in), 20, run_vector, &v);
    }
}

static void the_default_limit_is_8192_bytes(void **state)
{
    (void)state;
    static uint8_t in[8195];
    struct plait_line line;
    memset(in, 'x', sizeof in);
    plait_line_init(&line, 0);
    memcpy(in + 8192, "\r\n", 2);
    struct plait_frame f = plait_line_next(&line, plait_slice_of(in, 8194));
    assert_int_equal(f.event, PLAIT_FRAME_WHOLE);
    assert_int_equal(f.payload.len, 8192);
    assert_int_equal(f.taken, 8194);
    memcpy(in + 8192, "x\r\n", 3);
    f = plait_line_next(&line, plait_slice_of(in, 8195));
    assert_int_equal(f.event, PLAIT_FRAME_BAD);
    assert_err(f.err, PLAIT_ETOOLONG);
}

static void a_line_that_has_no_end_is_refused_one_delimiter_behind_the_limit(void **state)
{
    (void)state;
    struct plait_line line;
    plait_line_init(&line, 4);
    assert_int_equal(plait_line_next(&line, PLAIT_LIT("xxxxx")).event, PLAIT_FRAME_MORE);
    assert_int_equal(plait_line_next(&line, PLAIT_LIT("xxxxxx")).event, PLAIT_FRAME_BAD);
}

/* The decoder looks at each byte once, and once more where a delimiter may have begun. */
static void a_line_that_comes_byte_by_byte_costs_linear_work(void **state)
{
    (void)state;
    static uint8_t in[4000];
    struct plait_line line;
    size_t looked = 0;
    memset(in, 'x', sizeof in);
    memcpy(in + sizeof in - 2, "\r\n", 2);
    plait_line_init(&line, sizeof in);
    for (size_t n = 1; n < sizeof in; n++) {
        looked += n - line.seen;
        assert_int_equal(plait_line_next(&line, plait_slice_of(in, n)).event, PLAIT_FRAME_MORE);
        assert_true(line.seen + 1 >= n);
    }
    assert_true(looked <= 2 * sizeof in);
    assert_int_equal(plait_line_next(&line, plait_slice_of(in, sizeof in)).payload.len, sizeof in - 2);
    assert_int_equal(line.seen, 0);
}

static void a_restart_looks_at_the_input_anew(void **state)
{
    (void)state;
    struct plait_line line;
    plait_line_init(&line, 100);
    assert_int_equal(plait_line_next(&line, PLAIT_LIT("a literal of bytes")).event, PLAIT_FRAME_MORE);
    plait_line_restart(&line);
    const struct plait_frame f = plait_line_next(&line, PLAIT_LIT("next\r\nmore of it, and longer"));
    assert_slice(f.payload, "next");
}

static void an_input_shorter_than_what_was_seen_is_looked_at_anew(void **state)
{
    (void)state;
    struct plait_line line;
    plait_line_init(&line, 100);
    assert_int_equal(plait_line_next(&line, PLAIT_LIT("abcdefghij")).event, PLAIT_FRAME_MORE);
    assert_slice(plait_line_next(&line, PLAIT_LIT("a\nb\n")).payload, "a");
}

static void the_largest_limit_does_not_overflow(void **state)
{
    (void)state;
    struct plait_line line;
    plait_line_init(&line, SIZE_MAX);
    assert_int_equal(plait_line_next(&line, PLAIT_LIT("abc")).event, PLAIT_FRAME_MORE);
    assert_slice(plait_line_next(&line, PLAIT_LIT("abc\n")).payload, "abc");
}

TEST_MAIN(cmocka_unit_test(lines_are_the_same_however_the_input_is_cut),
          cmocka_unit_test(the_default_limit_is_8192_bytes),
          cmocka_unit_test(a_line_that_has_no_end_is_refused_one_delimiter_behind_the_limit),
          cmocka_unit_test(a_line_that_comes_byte_by_byte_costs_linear_work),
          cmocka_unit_test(a_restart_looks_at_the_input_anew),
          cmocka_unit_test(an_input_shorter_than_what_was_seen_is_looked_at_anew),
          cmocka_unit_test(the_largest_limit_does_not_overflow))
