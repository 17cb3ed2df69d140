/* SPDX-License-Identifier: MIT
 *
 * AMP's codec: boxes are the same however the input is cut; a box that is as declared can be read through and written
 * again; numbers and dates that were read come back as the same values when they are written and read again.
 */
#include "rpc/amp_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static const struct plait_amp_field integer[] = {PLAIT_AMP_FIELD("", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field inner[] = {PLAIT_AMP_OPTIONAL("x", FLOAT), PLAIT_AMP_END};
static const struct plait_amp_field fields[] = {PLAIT_AMP_OPTIONAL("i", INTEGER),
                                                PLAIT_AMP_OPTIONAL("n", BIG_INTEGER),
                                                PLAIT_AMP_OPTIONAL("s", STRING),
                                                PLAIT_AMP_OPTIONAL("u", UNICODE),
                                                PLAIT_AMP_OPTIONAL("p", PATH),
                                                PLAIT_AMP_OPTIONAL("b", BOOLEAN),
                                                PLAIT_AMP_OPTIONAL("f", FLOAT),
                                                PLAIT_AMP_OPTIONAL("d", DECIMAL),
                                                PLAIT_AMP_OPTIONAL("t", DATETIME),
                                                {"l", PLAIT_AMP_LIST, true, integer},
                                                {"m", PLAIT_AMP_BOXES, true, inner},
                                                PLAIT_AMP_OPTIONAL("h", DESCRIPTOR),
                                                PLAIT_AMP_END};

static void check_float(plait_slice text, struct plait_buf *buf)
{
    double value;
    double again;
    if (plait__amp_float(text, &value) != PLAIT_OK)
        return;
    plait_buf_clear(buf);
    plait__amp_put_float(buf, value);
    must(plait__amp_float(plait_buf_slice(buf), &again) == PLAIT_OK);
    must(value != value ? again != again : value == again);
}

static void check_decimal(plait_slice text, struct plait_buf *buf)
{
    struct plait_amp_decimal value;
    struct plait_amp_decimal again;
    if (plait__amp_decimal(text, &value) != PLAIT_OK)
        return;
    must(plait__amp_is_decimal(text));
    plait_buf_clear(buf);
    plait__amp_put_decimal(buf, value);
    must(plait__amp_is_decimal(plait_buf_slice(buf)));
    if (plait__amp_decimal(plait_buf_slice(buf), &again) == PLAIT_OK)
        must(value.coefficient == again.coefficient && value.exponent == again.exponent);
}

static void check_datetime(plait_slice text, struct plait_buf *buf)
{
    struct plait_amp_datetime t;
    struct plait_amp_datetime again;
    if (plait__amp_datetime(text, &t) != PLAIT_OK)
        return;
    plait_buf_clear(buf);
    plait__amp_put_datetime(buf, &t);
    must(plait__amp_datetime(plait_buf_slice(buf), &again) == PLAIT_OK);
    must(t.year == again.year && t.offset == again.offset && t.microsecond == again.microsecond);
}

static void walk_lists(const struct plait_amp_values *v)
{
    struct plait_amp_values one;
    struct plait_amp_items items = plait_amp_items(v, "l");
    while (plait_amp_next(&items, &one))
        must(plait_amp_has(&one, NULL) && plait_amp_integer(&one, NULL) == plait_amp_integer(&one, "any name"));
    must(items.rest.len == 0);
    items = plait_amp_items(v, "m");
    while (plait_amp_next(&items, &one))
        must(plait_amp_has(&one, "x") || plait_amp_bytes(&one, "x").ptr == NULL);
    must(items.rest.len == 0);
}

static void check_box(plait_slice wire)
{
    struct plait__amp_head head;
    struct plait__amp_checked checked;
    plait_slice rest = wire;
    plait_slice key;
    plait_slice value;
    size_t len = 0;
    while (plait__amp_pair(&rest, &key, &value)) {
        must(key.len >= 1 && key.len <= PLAIT__AMP_KEY_MAX && value.len <= PLAIT__AMP_VALUE_MAX);
        len += 4 + key.len + value.len;
    }
    must(len == wire.len);
    if (plait__amp_head(wire, &head) == PLAIT_OK)
        must(head.command.ptr || head.answer.ptr || head.error.ptr);
    if (plait__amp_check(fields, wire, &checked) == PLAIT_OK) {
        const struct plait_amp_values v = {.fields = fields, .wire = wire};
        walk_lists(&v);
    } else {
        must(checked.field != NULL);
    }
}

/* Feeds the input in pieces of `step`; returns a sum of what was found. */
static uint64_t feed(plait_slice in, size_t step, bool check)
{
    struct plait__amp_decoder d = {.max = 4096};
    uint64_t sum = 0;
    size_t start = 0;
    for (size_t end = step < in.len ? step : in.len;; end = in.len - end > step ? end + step : in.len) {
        struct plait_frame f = {.event = PLAIT_FRAME_WHOLE};
        while (f.event == PLAIT_FRAME_WHOLE) {
            f = plait__amp_box_next(&d, plait_slice_sub(in, start, end));
            if (f.event == PLAIT_FRAME_BAD)
                return sum * 31 + 1;
            if (f.event == PLAIT_FRAME_MORE)
                must(f.need > end - start && f.need <= d.max);
            if (f.event == PLAIT_FRAME_WHOLE && check)
                check_box(f.payload);
            start += f.taken;
            sum = f.event == PLAIT_FRAME_WHOLE ? sum * 31 + f.taken : sum;
        }
        if (end == in.len)
            return sum;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait_budget budget;
    struct plait_buf buf;
    const plait_slice in = plait_slice_of(data, size);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 65536);
    must(feed(in, size ? size : 1, true) == feed(in, 1, false));
    check_float(in, &buf);
    check_decimal(in, &buf);
    check_datetime(in, &buf);
    plait_buf_deinit(&buf);
    return 0;
}
