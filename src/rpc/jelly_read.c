/* SPDX-License-Identifier: MIT
 *
 * Jelly off the wire: banana's elements become values. A list begins with a tag that tells what it stands for; what
 * isn't a tag of jelly's own is the name of a class, and is refused unless the tree's owner accepts it.
 *
 * Invariant: strings of values stand in the tree's memory; an object's number is known from the place where its
 * value begins, so that it can hold itself. Tests: tests/rpc/test_jelly.c; fuzz/fuzz_banana.c.
 */
#include "rpc/jelly_core.h"

#include "base/text.h"
#include "base/try.h"
#include "rpc/banana_wire.h"

enum { OBJECTS_MAX = 65536, ELEMENTS_MAX = 1 << 20 };

/* A read of one value. */
struct reading {
    struct plait_jelly *jelly;
    plait_slice rest;
    unsigned depth;
    struct plait_jelly_value **objects; /* by number */
    size_t objects_cap;
};

static plait_err read_value(struct reading *r, struct plait_jelly_value *v);

/* The next element. It is there: whoever takes one knows the list that it belongs to, and the list is whole. */
static struct plait__banana_element take(struct reading *r)
{
    struct plait__banana_element e = {.kind = PLAIT__BANANA_LIST};
    (void)plait__banana_take(&r->rest, &e);
    return e;
}

static plait_err take_string(struct reading *r, plait_slice *out)
{
    const struct plait__banana_element e = take(r);
    *out = e.text;
    return e.kind == PLAIT__BANANA_STRING ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err accept_name(struct reading *r, plait_slice name)
{
    const struct plait_jelly_options *o = &r->jelly->options;
    return o->accept && o->accept(name, o->ctx) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EFORBIDDEN);
}

/* A new value inside `parent`, read. */
static plait_err read_inside(struct reading *r, struct plait_jelly_value *parent)
{
    struct plait_jelly_value *v = plait__jelly_add(r->jelly, parent);
    return v ? read_value(r, v) : PLAIT_FAIL(PLAIT_ENOMEM);
}

static plait_err read_items(struct reading *r, struct plait_jelly_value *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PLAIT_TRY(read_inside(r, v));
    return PLAIT_OK;
}

static plait_err read_pairs(struct reading *r, struct plait_jelly_value *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct plait__banana_element e = take(r);
        if (e.kind != PLAIT__BANANA_LIST || e.count != 2)
            return PLAIT_FAIL(PLAIT_EMALFORMED);
        PLAIT_TRY(read_items(r, v, 2));
    }
    return PLAIT_OK;
}

static plait_err read_truth(struct reading *r, struct plait_jelly_value *v)
{
    plait_slice text;
    PLAIT_TRY(take_string(r, &text));
    v->truth = plait_slice_equal(text, PLAIT_LIT("true"));
    return v->truth || plait_slice_equal(text, PLAIT_LIT("false")) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err read_id(struct reading *r, struct plait_jelly_value *v)
{
    const struct plait__banana_element e = take(r);
    v->text = e.text;
    v->integer = e.integer;
    return e.kind == PLAIT__BANANA_STRING || e.kind == PLAIT__BANANA_INTEGER ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

/* What stands behind the tag of `v`, whose kind is set: `count` elements. */
static plait_err read_tagged(struct reading *r, struct plait_jelly_value *v, size_t count)
{
    const enum plait__jelly_shape shape = plait__jelly_tags[v->kind].shape;
    if (shape == PLAIT__JELLY_ITEMS || shape == PLAIT__JELLY_TWO_INTEGERS || shape == PLAIT__JELLY_STATE)
        return read_items(r, v, count);
    if (shape == PLAIT__JELLY_PAIRS)
        return read_pairs(r, v, count);
    if (count != (shape == PLAIT__JELLY_NOTHING ? 0 : 1))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (shape == PLAIT__JELLY_TRUTH)
        return read_truth(r, v);
    if (shape == PLAIT__JELLY_ID)
        return read_id(r, v);
    if (shape == PLAIT__JELLY_NOTHING)
        return PLAIT_OK;
    PLAIT_TRY(take_string(r, &v->text));
    if (v->kind == PLAIT_JELLY_TEXT && !plait__is_utf8(v->text))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return shape == PLAIT__JELLY_NAME ? accept_name(r, v->text) : PLAIT_OK;
}

/* --- objects that stand at several places ------------------------------------------------------------------------- */

static plait_err take_number(struct reading *r, size_t *out)
{
    const struct plait__banana_element e = take(r);
    if (e.kind != PLAIT__BANANA_INTEGER || e.integer < 0 || e.integer >= OBJECTS_MAX)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    *out = (size_t)e.integer;
    return PLAIT_OK;
}

static plait_err make_room(struct reading *r, size_t number)
{
    size_t cap = r->objects_cap ? r->objects_cap : 8;
    if (number < r->objects_cap)
        return PLAIT_OK;
    while (cap <= number)
        cap *= 2;
    struct plait_jelly_value **objects = plait_mem_resize(&r->jelly->budget, r->objects, cap * sizeof(void *));
    if (!objects)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memset(objects + r->objects_cap, 0, (cap - r->objects_cap) * sizeof(void *));
    r->objects = objects;
    r->objects_cap = cap;
    return PLAIT_OK;
}

static plait_err read_reference(struct reading *r, struct plait_jelly_value *v)
{
    size_t number;
    PLAIT_TRY(take_number(r, &number));
    PLAIT_TRY(make_room(r, number));
    if (r->objects[number])
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    r->objects[number] = v;
    PLAIT_TRY(read_value(r, v));
    return v->kind == PLAIT__JELLY_ALIAS ? PLAIT_FAIL(PLAIT_EMALFORMED) : PLAIT_OK;
}

static plait_err read_dereference(struct reading *r, struct plait_jelly_value *v)
{
    size_t number;
    PLAIT_TRY(take_number(r, &number));
    if (number >= r->objects_cap || !r->objects[number])
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    plait__jelly_alias(r->jelly, v, r->objects[number]);
    return PLAIT_OK;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Kind that a tag stands for; INSTANCE when it is a class's name. */
static uint8_t kind_of(plait_slice tag)
{
    for (uint8_t i = 0; i < PLAIT_JELLY_INSTANCE && tag.len > 0; i++)
        if (plait__jelly_tags[i].len == tag.len && memcmp(plait__jelly_tags[i].tag, tag.ptr, tag.len) == 0)
            return i;
    return PLAIT_JELLY_INSTANCE;
}

static plait_err read_list(struct reading *r, struct plait_jelly_value *v, size_t count)
{
    plait_slice tag;
    if (count == 0)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    PLAIT_TRY(take_string(r, &tag));
    if (count == 3 && plait_slice_equal(tag, PLAIT_LIT("reference")))
        return read_reference(r, v);
    if (count == 2 && plait_slice_equal(tag, PLAIT_LIT("dereference")))
        return read_dereference(r, v);
    v->kind = kind_of(tag);
    if (v->kind == PLAIT_JELLY_INSTANCE) {
        v->text = tag;
        PLAIT_TRY(accept_name(r, tag));
    }
    PLAIT_TRY(read_tagged(r, v, count - 1));
    return plait__jelly_is_whole(v) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

static plait_err read_value(struct reading *r, struct plait_jelly_value *v)
{
    const struct plait__banana_element e = take(r);
    if (e.kind == PLAIT__BANANA_LIST) {
        if (r->depth == r->jelly->options.depth)
            return PLAIT_FAIL(PLAIT_ELIMIT);
        r->depth++;
        PLAIT_TRY(read_list(r, v, e.count));
        r->depth--;
        return PLAIT_OK;
    }
    v->text = e.text;
    v->truth = e.negative;
    if (e.kind == PLAIT__BANANA_FLOAT) {
        v->kind = PLAIT_JELLY_FLOAT;
        v->real = e.number;
        return PLAIT_OK;
    }
    v->integer = e.integer;
    if (e.kind == PLAIT__BANANA_STRING)
        v->kind = PLAIT_JELLY_BYTES;
    else
        v->kind = e.kind == PLAIT__BANANA_INTEGER ? PLAIT_JELLY_INTEGER : PLAIT_JELLY_BIG_INTEGER;
    return PLAIT_OK;
}

/* The bytes of the value at the front, in the tree's memory. */
static plait_err copy_whole(struct plait_jelly *j, plait_slice wire, bool vocabulary, plait_slice *out)
{
    struct plait__banana_decoder d = {.max = SIZE_MAX / 2, .elements_max = ELEMENTS_MAX, .vocabulary = vocabulary};
    const struct plait_frame f = plait__banana_next(&d, wire);
    if (f.event != PLAIT_FRAME_WHOLE)
        return f.event == PLAIT_FRAME_BAD ? PLAIT_FAIL(f.err) : PLAIT_FAIL(PLAIT_ETRUNCATED);
    uint8_t *copy = plait__jelly_take(j, f.taken);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(copy, f.payload.ptr, f.taken);
    *out = plait_slice_of(copy, f.taken);
    return PLAIT_OK;
}

plait_err plait_jelly_read(struct plait_jelly *j, plait_slice *wire, bool vocabulary)
{
    struct reading r = {.jelly = j, .depth = j->depth};
    if (j->err == PLAIT_OK)
        j->err = copy_whole(j, *wire, vocabulary, &r.rest);
    if (j->err != PLAIT_OK)
        return PLAIT_FAIL(j->err);
    const size_t taken = r.rest.len;
    j->err = read_inside(&r, j->level[j->depth]);
    plait_mem_free(r.objects);
    if (j->err != PLAIT_OK)
        return PLAIT_FAIL(j->err);
    *wire = plait_slice_sub(*wire, taken, wire->len);
    return PLAIT_OK;
}
