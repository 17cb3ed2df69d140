/* SPDX-License-Identifier: MIT
 *
 * What forms and fields bring: multipart bodies (whole and cut in two: equal events), cookies, urlencoded pairs,
 * ranges, lists with weights, parameters. The first byte says which; what is given must lie inside of what came.
 */
#include "web/http_core.h"
#include "web/web_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void inside(plait_slice part, plait_slice whole)
{
    must(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

struct sum {
    uint64_t hash;
    bool in_data;
};

static void add(struct sum *sum, uint64_t kind, plait_slice bytes)
{
    if (kind != PLAIT__MULTIPART_DATA || !sum->in_data)
        sum->hash = (sum->hash ^ (kind + 256)) * 0x100000001b3u;
    sum->in_data = kind == PLAIT__MULTIPART_DATA;
    for (size_t i = 0; i < bytes.len; i++)
        sum->hash = (sum->hash ^ bytes.ptr[i]) * 0x100000001b3u;
}

static uint64_t read_parts(plait_slice in, size_t cut)
{
    struct plait_budget budget;
    struct plait__multipart m;
    struct sum sum = {0xcbf29ce484222325u, false};
    plait_budget_init(&budget, NULL, NULL, 0);
    must(plait__multipart_init(&m, PLAIT_LIT("b"), &budget, 200) == PLAIT_OK);
    for (int i = 0; i < 2; i++) {
        plait_slice piece = i ? plait_slice_sub(in, cut, in.len) : plait_slice_sub(in, 0, cut), data = {NULL, 0};
        enum plait__multipart_event event;
        while ((event = plait__multipart_next(&m, &piece, &data)) != PLAIT__MULTIPART_MORE) {
            add(&sum, event, event == PLAIT__MULTIPART_DATA ? data : plait_slice_of(NULL, 0));
            if (event == PLAIT__MULTIPART_PART) {
                add(&sum, 100, m.name);
                add(&sum, 101, m.filename);
                add(&sum, 102, m.type);
            }
        }
        must(piece.len == 0);
    }
    plait__multipart_deinit(&m);
    must(budget.used == 0);
    return sum.hash;
}

static void read_boundary(plait_slice in)
{
    struct plait_budget budget;
    struct plait__multipart m;
    plait_budget_init(&budget, NULL, NULL, 0);
    if (plait__multipart_init(&m, in, &budget, 200) == PLAIT_OK)
        plait__multipart_deinit(&m);
}

static void read_pairs(plait_slice in, bool (*next)(plait_slice *rest, plait_slice *name, plait_slice *value))
{
    plait_slice rest = in, name, value;
    size_t left = in.len + 1;
    while (next(&rest, &name, &value)) {
        must(rest.len < left);
        left = rest.len;
        inside(name, in);
        inside(value, in);
    }
    must(rest.len == 0);
}

static void read_params(plait_slice in)
{
    plait_slice rest = in, name, value;
    bool escaped;
    while (plait__param_next(&rest, &name, &value, &escaped)) {
        inside(name, in);
        inside(value, in);
        uint8_t *copy = malloc(value.len + 1);
        must(copy != NULL);
        if (value.len)
            memcpy(copy, value.ptr, value.len);
        must(plait__param_unescape(copy, value.len) <= value.len);
        free(copy);
    }
}

static void read_challenges(plait_slice in)
{
    struct plait_scan list = plait_scan_of(in);
    plait_slice name, value;
    bool escaped;
    while (plait__auth_next(&list, &name, &value, &escaped)) {
        inside(name, in);
        inside(value, in);
        must(name.len > 0 && (value.ptr || !escaped));
    }
}

static void read_list(plait_slice in)
{
    struct plait_scan list = plait_scan_of(in);
    plait_slice element;
    unsigned weight;
    while (plait__accept_next(&list, &element, &weight)) {
        inside(element, in);
        must(weight <= 1000);
        must(plait__accept_fits(element, PLAIT_LIT("text/plain;format=flowed")) <= 4);
        must(plait__accept_fits(element, PLAIT_LIT("gzip")) <= 4);
    }
}

static void read_ranges(plait_slice in)
{
    struct plait__http_range range[PLAIT__HTTP_RANGES];
    const int count = plait__http_ranges(in, 1000, range);
    for (int i = 0; i < count; i++)
        must(range[i].bytes > 0 && range[i].from + range[i].bytes <= 1000);
    uint64_t total;
    if (plait__http_content_range(in, &range[0], &total))
        must(range[0].from + range[0].bytes >= range[0].from && range[0].from + range[0].bytes <= total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const plait_slice in = plait_slice_of(data + 2, size - 2);
    switch (data[0] % 8) {
    case 0:
        must(read_parts(in, in.len) == read_parts(in, data[1] % (in.len + 1)));
        break;
    case 1:
        read_pairs(in, plait__cookie_next);
        break;
    case 2:
        read_pairs(in, plait__form_next);
        break;
    case 3:
        read_params(in);
        break;
    case 4:
        read_list(in);
        break;
    case 5:
        read_ranges(in);
        break;
    case 6:
        read_challenges(in);
        break;
    default:
        read_boundary(in);
    }
    return 0;
}
