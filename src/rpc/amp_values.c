/* SPDX-License-Identifier: MIT
 *
 * Values in AMP's boxes: checked once against a declaration when a box comes, then read by name.
 *
 * Invariant: after plait__amp_check every reader here finds what is declared well-formed, so that readers have no
 * errors. What is in no declaration is passed over. Tests: tests/rpc/test_amp_values.c; fuzz/fuzz_amp.c.
 */
#include "rpc/amp_core.h"

#include "base/text.h"
#include "base/try.h"

static bool value_ok(const struct plait_amp_field *field, plait_slice value, unsigned depth,
                     struct plait__amp_checked *out);

/* --- checking ----------------------------------------------------------------------------------------------------- */

/* A descriptor's number. */
static bool is_ordinal(plait_slice text, struct plait__amp_checked *out)
{
    uint64_t number;
    if (plait_slice_to_u64(text, UINT64_MAX - 1, &number) != PLAIT_OK)
        return false;
    if (number >= out->descriptors)
        out->descriptors = number + 1;
    return true;
}

static bool is_boolean(plait_slice text)
{
    return plait_slice_equal(text, PLAIT_LIT("True")) || plait_slice_equal(text, PLAIT_LIT("False"));
}

static bool is_path(plait_slice text)
{
    return plait__is_utf8(text) && plait_slice_find_byte(text, 0, 0) == SIZE_MAX;
}

static bool elements_ok(const struct plait_amp_field *of, plait_slice list, unsigned depth,
                        struct plait__amp_checked *out)
{
    struct plait_scan scan = plait_scan_of(list);
    while (!plait_scan_done(&scan)) {
        uint16_t len;
        plait_slice value;
        if (!plait_scan_u16(&scan, &len) || !plait_scan_bytes(&scan, len, &value) ||
            !value_ok(of, value, depth + 1, out))
            return false;
    }
    return true;
}

static plait_err check(const struct plait_amp_field *fields, plait_slice wire, unsigned depth,
                       struct plait__amp_checked *out);

/* An empty box is one here: all its fields may be optional. */
static bool next_box(plait_slice *list, plait_slice *box)
{
    struct plait__amp_decoder d = {.max = list->len};
    struct plait_frame frame = {.event = PLAIT_FRAME_WHOLE, .taken = 2};
    if (list->len < 2 || list->ptr[0] != 0 || list->ptr[1] != 0)
        frame = plait__amp_box_next(&d, *list);
    *box = frame.payload;
    *list = plait_slice_sub(*list, frame.taken, list->len);
    return frame.event == PLAIT_FRAME_WHOLE;
}

static bool boxes_ok(const struct plait_amp_field *of, plait_slice list, unsigned depth, struct plait__amp_checked *out)
{
    plait_slice box;
    while (list.len > 0) {
        if (!next_box(&list, &box) || check(of, box, depth + 1, out) != PLAIT_OK)
            return false;
    }
    return true;
}

static bool value_ok(const struct plait_amp_field *field, plait_slice value, unsigned depth,
                     struct plait__amp_checked *out)
{
    int64_t integer;
    double number;
    struct plait_amp_datetime t;
    switch (field->type) {
    case PLAIT_AMP_INTEGER:
        return plait__amp_integer(value, &integer) == PLAIT_OK;
    case PLAIT_AMP_BIG_INTEGER:
        return plait__amp_is_big_integer(value);
    case PLAIT_AMP_STRING:
        return true;
    case PLAIT_AMP_UNICODE:
        return plait__is_utf8(value);
    case PLAIT_AMP_PATH:
        return is_path(value);
    case PLAIT_AMP_BOOLEAN:
        return is_boolean(value);
    case PLAIT_AMP_FLOAT:
        return plait__amp_float(value, &number) == PLAIT_OK;
    case PLAIT_AMP_DECIMAL:
        return plait__amp_is_decimal(value);
    case PLAIT_AMP_DATETIME:
        return plait__amp_datetime(value, &t) == PLAIT_OK;
    case PLAIT_AMP_LIST:
        return depth < PLAIT__AMP_DEPTH_MAX && elements_ok(field->of, value, depth, out);
    case PLAIT_AMP_BOXES:
        return depth < PLAIT__AMP_DEPTH_MAX && boxes_ok(field->of, value, depth, out);
    case PLAIT_AMP_DESCRIPTOR:
        break;
    }
    return is_ordinal(value, out);
}

static size_t index_of(const struct plait_amp_field *fields, plait_slice name)
{
    for (size_t i = 0; fields[i].name; i++) {
        if (plait_slice_equal(plait_slice_text(fields[i].name), name))
            return i;
    }
    return SIZE_MAX;
}

/* Each field that is there is well-formed and there once. */
static plait_err check_present(const struct plait_amp_field *fields, plait_slice wire, unsigned depth, uint64_t *seen,
                               struct plait__amp_checked *out)
{
    plait_slice key;
    plait_slice value;
    while (plait__amp_pair(&wire, &key, &value)) {
        const size_t i = index_of(fields, key);
        if (i == SIZE_MAX)
            continue;
        out->field = fields[i].name;
        if ((*seen & (uint64_t)1 << i) || !value_ok(&fields[i], value, depth, out))
            return PLAIT_FAIL(PLAIT_EMALFORMED);
        *seen |= (uint64_t)1 << i;
    }
    return PLAIT_OK;
}

static plait_err check(const struct plait_amp_field *fields, plait_slice wire, unsigned depth,
                       struct plait__amp_checked *out)
{
    uint64_t seen = 0;
    PLAIT_TRY(check_present(fields, wire, depth, &seen, out));
    for (size_t i = 0; fields[i].name; i++) {
        out->field = fields[i].name;
        if (!fields[i].optional && !(seen & (uint64_t)1 << i))
            return PLAIT_FAIL(PLAIT_EMALFORMED);
    }
    return PLAIT_OK;
}

plait_err plait__amp_check(const struct plait_amp_field *fields, plait_slice wire, struct plait__amp_checked *out)
{
    *out = (struct plait__amp_checked){.field = NULL};
    return fields ? check(fields, wire, 0, out) : PLAIT_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The text of a field that is declared with one of the types in `types` (a bit each); ptr NULL when there is none. */
static plait_slice find(const struct plait_amp_values *v, const char *name, uint32_t types,
                        const struct plait_amp_field **field)
{
    static const plait_slice none;
    plait_slice wire = v->wire;
    plait_slice key;
    plait_slice value;
    const plait_slice wanted = plait_slice_text(name);
    const size_t i = v->element ? 0 : v->fields ? index_of(v->fields, wanted) : SIZE_MAX;
    if (i == SIZE_MAX || !(types & (uint32_t)1 << v->fields[i].type))
        return none;
    *field = &v->fields[i];
    if (v->element)
        return wire.ptr ? wire : PLAIT_LIT("");
    while (plait__amp_pair(&wire, &key, &value)) {
        if (plait_slice_equal(key, wanted))
            return value;
    }
    return none;
}

static plait_slice find_one(const struct plait_amp_values *v, const char *name, enum plait_amp_type type)
{
    const struct plait_amp_field *field;
    return find(v, name, (uint32_t)1 << type, &field);
}

bool plait_amp_has(const struct plait_amp_values *values, const char *name)
{
    const struct plait_amp_field *field;
    return find(values, name, UINT32_MAX, &field).ptr != NULL;
}

int64_t plait_amp_integer(const struct plait_amp_values *values, const char *name)
{
    int64_t out = 0;
    const plait_slice text = find_one(values, name, PLAIT_AMP_INTEGER);
    return text.ptr && plait__amp_integer(text, &out) == PLAIT_OK ? out : 0;
}

plait_slice plait_amp_bytes(const struct plait_amp_values *values, const char *name)
{
    enum {
        TEXTS = 1 << PLAIT_AMP_STRING | 1 << PLAIT_AMP_UNICODE | 1 << PLAIT_AMP_PATH | 1 << PLAIT_AMP_BIG_INTEGER |
                1 << PLAIT_AMP_DECIMAL
    };
    const struct plait_amp_field *field;
    return find(values, name, TEXTS, &field);
}

bool plait_amp_boolean(const struct plait_amp_values *values, const char *name)
{
    return plait_slice_equal(find_one(values, name, PLAIT_AMP_BOOLEAN), PLAIT_LIT("True"));
}

double plait_amp_float(const struct plait_amp_values *values, const char *name)
{
    double out = 0;
    const plait_slice text = find_one(values, name, PLAIT_AMP_FLOAT);
    return text.ptr && plait__amp_float(text, &out) == PLAIT_OK ? out : 0;
}

bool plait_amp_decimal(const struct plait_amp_values *values, const char *name, struct plait_amp_decimal *out)
{
    const plait_slice text = find_one(values, name, PLAIT_AMP_DECIMAL);
    *out = (struct plait_amp_decimal){.coefficient = 0};
    return text.ptr && plait__amp_decimal(text, out) == PLAIT_OK;
}

bool plait_amp_datetime(const struct plait_amp_values *values, const char *name, struct plait_amp_datetime *out)
{
    const plait_slice text = find_one(values, name, PLAIT_AMP_DATETIME);
    *out = (struct plait_amp_datetime){.year = 0};
    return text.ptr && plait__amp_datetime(text, out) == PLAIT_OK;
}

struct plait_amp_items plait_amp_items(const struct plait_amp_values *values, const char *name)
{
    const struct plait_amp_field *field = NULL;
    const plait_slice list = find(values, name, 1 << PLAIT_AMP_LIST | 1 << PLAIT_AMP_BOXES, &field);
    if (!list.ptr)
        return (struct plait_amp_items){.of = NULL};
    return (struct plait_amp_items){
        .of = field->of, .rest = list, .descriptors = values->descriptors, .boxes = field->type == PLAIT_AMP_BOXES};
}

bool plait_amp_next(struct plait_amp_items *items, struct plait_amp_values *out)
{
    *out = (struct plait_amp_values){.fields = items->of, .descriptors = items->descriptors, .element = !items->boxes};
    if (items->rest.len == 0)
        return false;
    if (items->boxes)
        return next_box(&items->rest, &out->wire);
    const size_t len = (size_t)items->rest.ptr[0] << 8 | items->rest.ptr[1];
    out->wire = plait_slice_sub(items->rest, 2, 2 + len);
    items->rest = plait_slice_sub(items->rest, 2 + len, items->rest.len);
    return true;
}

int plait_amp_take_descriptor(const struct plait_amp_values *values, const char *name)
{
    uint64_t number;
    const plait_slice text = find_one(values, name, PLAIT_AMP_DESCRIPTOR);
    struct plait__amp_descriptors *d = values->descriptors;
    if (!text.ptr || plait_slice_to_u64(text, UINT64_MAX, &number) != PLAIT_OK || number < d->first ||
        number - d->first >= d->count)
        return -1;
    const int fd = d->fd[number - d->first];
    d->fd[number - d->first] = -1;
    return fd;
}
