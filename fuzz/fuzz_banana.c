/* SPDX-License-Identifier: MIT
 *
 * Banana and jelly: elements are the same however the input is cut; a value that can be read can be walked, and comes
 * back the same when it is written and read again.
 */
#include "rpc/banana_wire.h"
#include "rpc/jelly_core.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ELEMENT_MAX = 4096, ELEMENTS_MAX = 256, OUT_MAX = 1 << 20, WALK_DEPTH = 4 };

static void must(bool what)
{
    if (!what)
        abort();
}

static bool accept_short(plait_slice name, void *ctx)
{
    (void)ctx;
    return name.len < 12;
}

static const struct plait_jelly_options options = {.accept = accept_short};

static size_t walk(const struct plait_jelly_value *v, unsigned depth)
{
    const struct plait_jelly_value *any = NULL;
    size_t found = 0;
    must(plait_jelly_kind(v) <= PLAIT_JELLY_INSTANCE);
    must(plait_jelly_match(v, "v", &any) == (plait_jelly_count(v) == 1));
    if (plait_jelly_kind(v) == PLAIT_JELLY_DICTIONARY)
        must(plait_jelly_count(v) % 2 == 0 && (plait_jelly_get(v, "k") || plait_jelly_get(v, "k") == NULL));
    for (const struct plait_jelly_value *at = plait_jelly_first(v); at; at = plait_jelly_next(at))
        found += depth < WALK_DEPTH ? walk(at, depth + 1) + 1 : 1;
    must(found >= plait_jelly_count(v));
    return found;
}

/* Reads and writes the value in `wire`; false when it is none. */
static bool rewrite(plait_slice wire, struct plait_buf *out, bool must_be)
{
    struct plait_jelly *j = plait_jelly_new(out->budget, &options);
    bool done = j && plait_jelly_read(j, &wire, true) == PLAIT_OK;
    must(done || !must_be);
    if (done) {
        must(wire.len == 0);
        walk(plait_jelly_top(j), 0);
        done = plait_jelly_write(j, plait_jelly_top(j), out, true) == PLAIT_OK;
        must(done);
    }
    plait_jelly_free(&j);
    return done;
}

static void check_element(plait_slice wire, struct plait_budget *budget)
{
    struct plait__banana_element e;
    struct plait_buf first;
    struct plait_buf second;
    plait_slice rest = wire;
    size_t elements = 0;
    while (plait__banana_take(&rest, &e))
        elements++;
    must(rest.len == 0 && elements <= ELEMENTS_MAX);
    plait_buf_init(&first, budget, OUT_MAX);
    plait_buf_init(&second, budget, OUT_MAX);
    if (rewrite(wire, &first, false)) {
        must(rewrite(plait_buf_slice(&first), &second, true));
        must(plait_slice_equal(plait_buf_slice(&first), plait_buf_slice(&second)));
    }
    plait_buf_deinit(&first);
    plait_buf_deinit(&second);
}

/* Feeds the input in pieces of `step`; returns a sum of what was found. */
static uint64_t feed(plait_slice in, size_t step, bool vocabulary, struct plait_budget *check)
{
    struct plait__banana_decoder d = {.max = ELEMENT_MAX, .elements_max = ELEMENTS_MAX, .vocabulary = vocabulary};
    uint64_t sum = 0;
    size_t start = 0;
    for (size_t end = step < in.len ? step : in.len;; end = in.len - end > step ? end + step : in.len) {
        struct plait_frame f = {.event = PLAIT_FRAME_WHOLE};
        while (f.event == PLAIT_FRAME_WHOLE) {
            f = plait__banana_next(&d, plait_slice_sub(in, start, end));
            if (f.event == PLAIT_FRAME_BAD)
                return sum * 31 + 1;
            if (f.event == PLAIT_FRAME_MORE)
                must(f.need > end - start && f.need <= d.max);
            if (f.event == PLAIT_FRAME_WHOLE && check)
                check_element(f.payload, check);
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
    const plait_slice in = plait_slice_of(data, size);
    plait_budget_init(&budget, NULL, NULL, 0);
    must(feed(in, size ? size : 1, true, &budget) == feed(in, 1, true, NULL));
    must(feed(in, size ? size : 1, false, NULL) == feed(in, 1, false, NULL));
    must(budget.used == 0);
    return 0;
}
