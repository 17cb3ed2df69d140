/* SPDX-License-Identifier: MIT
 *
 * AMP's boxes, cut in every way, at their limits and beyond. The vectors are what Twisted 22.4 writes.
 */
#include "tests/support/test.h"

#include "rpc/amp_wire.h"

enum { MAX = 80, TEXT_BYTES = 512 };

struct vector {
    plait_slice in;
    const char *boxes; /* each in brackets: key=value, */
    plait_err err;
};

#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

static const struct vector vectors[] = {
    {BYTES(""), "", PLAIT_OK},
    {BYTES("\0\4_ask\0\0011\0\10_command\0\3Sum\0\1a\0\00213\0\1b\0\00281\0\0"), "[_ask=1,_command=Sum,a=13,b=81,]",
     PLAIT_OK},
    {BYTES("\0\7_answer\0\0011\0\5total\0\00294\0\0"), "[_answer=1,total=94,]", PLAIT_OK},
    {BYTES("\0\1a\0\0\0\0\0\1b\0\1x\0\0"), "[a=,][b=x,]", PLAIT_OK},
    {BYTES("\0\1a\0\1"), "", PLAIT_OK},
    {BYTES("\0"), "", PLAIT_OK},
    {BYTES("\0\0"), "", PLAIT_EMALFORMED},
    {BYTES("\0\1a\0\1x\0\0\0\0"), "[a=x,]", PLAIT_EMALFORMED},
    {BYTES("\1\0"), "", PLAIT_ETOOLONG},
    {BYTES("GET / HTTP/1.1\r\n"), "", PLAIT_ETOOLONG},
    {BYTES("\0\1a\0\1x\1\0"), "", PLAIT_ETOOLONG},
    {BYTES("\0\1a\0\112xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0\0"), "",
     PLAIT_ETOOLONG},
    {BYTES("\0\1a\0\111xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0\0"),
     "[a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,]", PLAIT_OK},
    {BYTES("\0\120kkk"), "", PLAIT_ETOOLONG},
};

static size_t print_box(plait_slice wire, char *out, size_t room)
{
    plait_slice key;
    plait_slice value;
    size_t len = (size_t)snprintf(out, room, "[");
    while (plait__amp_pair(&wire, &key, &value))
        len += (size_t)snprintf(out + len, room - len, "%.*s=%.*s,", PLAIT_ARG(key), PLAIT_ARG(value));
    return len + (size_t)snprintf(out + len, room - len, "]");
}

static void run_vector(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct vector *v = ctx;
    struct plait__amp_decoder d = {.max = MAX};
    char got[TEXT_BYTES] = "";
    size_t len = 0;
    size_t start = 0;
    size_t end = 0;
    plait_err err = PLAIT_OK;
    for (size_t n; (n = test_cut_next(cut)) > 0;) {
        end += n;
        while (err == PLAIT_OK) {
            const struct plait_frame f = plait__amp_box_next(&d, plait_slice_sub(input, start, end));
            if (f.event == PLAIT_FRAME_MORE) {
                assert_true(f.need > end - start && f.need <= MAX);
                break;
            }
            err = f.err;
            if (f.event == PLAIT_FRAME_WHOLE)
                len += print_box(f.payload, got + len, sizeof got - len);
            start += f.taken;
        }
    }
    if (err != v->err || strcmp(got, v->boxes) != 0)
        fail_msg("%s: got %s and %s, not %s and %s", cut->name, got, plait_err_name(err), v->boxes,
                 plait_err_name(v->err));
}

static void boxes_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        struct vector v = vectors[i];
        test_every_cut(v.in, 20, run_vector, &v);
    }
}

static void a_box_has_so_many_keys_and_not_one_more(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct plait__amp_decoder d = {.max = SIZE_MAX / 2};
        struct plait_budget budget;
        struct plait_buf buf;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&buf, &budget, 1 << 20);
        for (size_t i = 0; i < PLAIT__AMP_KEYS_MAX + more; i++)
            plait__amp_put_pair(&buf, PLAIT_LIT("k"), PLAIT_LIT(""));
        plait_buf_put_u16(&buf, 0);
        const struct plait_frame f = plait__amp_box_next(&d, plait_buf_slice(&buf));
        assert_int_equal(f.event, more ? PLAIT_FRAME_BAD : PLAIT_FRAME_WHOLE);
        assert_err(f.err, more ? PLAIT_ETOOLONG : PLAIT_OK);
        plait_buf_deinit(&buf);
    }
}

static void a_key_has_255_bytes_and_not_one_more(void **state)
{
    (void)state;
    uint8_t box[2 + 256 + 2 + 2] = {0, 255};
    struct plait__amp_decoder d = {.max = 1000};
    memset(box + 2, 'k', 255);
    assert_int_equal(plait__amp_box_next(&d, plait_slice_of(box, 2 + 255 + 2 + 2)).event, PLAIT_FRAME_WHOLE);
    box[0] = 1;
    box[1] = 0;
    assert_err(plait__amp_box_next(&d, plait_slice_of(box, 1)).err, PLAIT_ETOOLONG);
}

static void what_amp_says_itself_stands_once_in_a_box(void **state)
{
    static const struct {
        plait_slice wire;
        plait_err err;
    } rows[] = {
        {BYTES("\0\10_command\0\1C\0\4_ask\0\0017\0\1x\0\1y"), PLAIT_OK},
        {BYTES("\0\7_answer\0\0017"), PLAIT_OK},
        {BYTES("\0\6_error\0\0017\0\13_error_code\0\1C\0\22_error_description\0\1D"), PLAIT_OK},
        {BYTES("\0\10_command\0\1C\0\10_command\0\1D"), PLAIT_EMALFORMED},
        {BYTES("\0\4_ask\0\0017"), PLAIT_EMALFORMED},
        {BYTES("\0\1x\0\1y"), PLAIT_EMALFORMED},
        {BYTES("\0\2_x\0\1y\0\7_answer\0\1a"), PLAIT_OK},
    };
    struct plait__amp_head head;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++)
        assert_err(plait__amp_head(rows[i].wire, &head), rows[i].err);
    assert_ok(plait__amp_head(rows[0].wire, &head));
    assert_slice(head.command, "C");
    assert_slice(head.ask, "7");
    assert_null(head.answer.ptr);
    assert_ok(plait__amp_head(rows[2].wire, &head));
    assert_slice(head.error, "7");
    assert_slice(head.code, "C");
    assert_slice(head.description, "D");
}

TEST_MAIN(cmocka_unit_test(boxes_are_found_however_they_are_cut),
          cmocka_unit_test(a_box_has_so_many_keys_and_not_one_more),
          cmocka_unit_test(a_key_has_255_bytes_and_not_one_more),
          cmocka_unit_test(what_amp_says_itself_stands_once_in_a_box))
