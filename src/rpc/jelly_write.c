/* SPDX-License-Identifier: MIT
 *
 * Jelly onto the wire. An object that stands at several places is written where it is met first, with a number, and
 * later by that number; the numbers begin anew with each value that is written.
 *
 * Invariant: nothing is written twice in one writing, so an object that holds itself comes to an end.
 * Tests: tests/rpc/test_jelly.c; fuzz/fuzz_banana.c.
 */
#include "rpc/jelly_core.h"

#include "base/try.h"
#include "rpc/banana_wire.h"

/* A writing of one value. */
struct writing {
    struct plait_buf *out;
    uint32_t *numbers; /* by object of the tree; 0: not written yet */
    uint32_t given;
    unsigned depth;
    bool vocabulary;
};

static plait_err write_value(struct writing *w, const struct plait_jelly_value *value);

static void put_text(struct writing *w, plait_slice text)
{
    plait__banana_put_string(w->out, text, w->vocabulary);
}

static void put_tag(struct writing *w, const char *tag, size_t behind)
{
    plait__banana_put_list(w->out, behind + 1);
    put_text(w, plait_slice_text(tag));
}

static void write_bare(struct writing *w, const struct plait_jelly_value *v)
{
    switch (v->kind) {
    case PLAIT_JELLY_INTEGER:
        plait__banana_put_integer(w->out, v->integer);
        return;
    case PLAIT_JELLY_BIG_INTEGER:
        plait__banana_put_big_integer(w->out, v->truth, v->text);
        return;
    case PLAIT_JELLY_FLOAT:
        plait__banana_put_float(w->out, v->real);
        return;
    default:
        put_text(w, v->text);
    }
}

static plait_err write_inside(struct writing *w, const struct plait_jelly_value *v)
{
    for (const struct plait_jelly_value *at = v->first; at; at = at->next)
        PLAIT_TRY(write_value(w, at));
    return PLAIT_OK;
}

static plait_err write_pairs(struct writing *w, const struct plait_jelly_value *v)
{
    for (const struct plait_jelly_value *at = v->first; at; at = at->next->next) {
        plait__banana_put_list(w->out, 2);
        PLAIT_TRY(write_value(w, at));
        PLAIT_TRY(write_value(w, at->next));
    }
    return PLAIT_OK;
}

static void put_id(struct writing *w, const struct plait_jelly_value *v)
{
    if (v->text.ptr)
        put_text(w, v->text);
    else
        plait__banana_put_integer(w->out, v->integer);
}

static plait_err write_content(struct writing *w, const struct plait_jelly_value *v)
{
    const struct plait__jelly_tag *tag = &plait__jelly_tags[v->kind];
    switch (tag->shape) {
    case PLAIT__JELLY_BARE:
        write_bare(w, v);
        return PLAIT_OK;
    case PLAIT__JELLY_NOTHING:
        put_tag(w, tag->tag, 0);
        return PLAIT_OK;
    case PLAIT__JELLY_TRUTH:
        put_tag(w, tag->tag, 1);
        put_text(w, plait_slice_text(v->truth ? "true" : "false"));
        return PLAIT_OK;
    case PLAIT__JELLY_STRING:
    case PLAIT__JELLY_NAME:
        put_tag(w, tag->tag, 1);
        put_text(w, v->text);
        return PLAIT_OK;
    case PLAIT__JELLY_ID:
        put_tag(w, tag->tag, 1);
        put_id(w, v);
        return PLAIT_OK;
    case PLAIT__JELLY_PAIRS:
        put_tag(w, tag->tag, v->count / 2);
        return write_pairs(w, v);
    case PLAIT__JELLY_STATE:
        plait__banana_put_list(w->out, v->count + 1);
        put_text(w, v->text);
        return write_inside(w, v);
    case PLAIT__JELLY_ITEMS:
    case PLAIT__JELLY_TWO_INTEGERS:
        break;
    }
    put_tag(w, tag->tag, v->count);
    return write_inside(w, v);
}

static plait_err write_shared(struct writing *w, const struct plait_jelly_value *v)
{
    uint32_t *number = &w->numbers[v->object - 1];
    if (*number > 0) {
        put_tag(w, "dereference", 1);
        plait__banana_put_integer(w->out, *number);
        return PLAIT_OK;
    }
    *number = ++w->given;
    put_tag(w, "reference", 2);
    plait__banana_put_integer(w->out, *number);
    return write_content(w, v);
}

static plait_err write_value(struct writing *w, const struct plait_jelly_value *value)
{
    const struct plait_jelly_value *v = plait__jelly_resolve(value);
    if (w->depth == PLAIT__JELLY_DEPTH_MAX + 1)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    w->depth++;
    PLAIT_TRY(v->object > 0 ? write_shared(w, v) : write_content(w, v));
    w->depth--;
    return PLAIT_OK;
}

plait_err plait_jelly_write(struct plait_jelly *j, const struct plait_jelly_value *value, struct plait_buf *out,
                            bool vocabulary)
{
    struct writing w = {.out = out, .vocabulary = vocabulary};
    PLAIT_TRY(plait_jelly_error(j));
    if (j->objects > 0)
        w.numbers = plait_mem_new(&j->budget, j->objects * sizeof *w.numbers);
    if (j->objects > 0 && !w.numbers)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = write_value(&w, value);
    plait_mem_free(w.numbers);
    if (err != PLAIT_OK)
        return PLAIT_FAIL(err);
    return out->err == PLAIT_OK ? PLAIT_OK : PLAIT_FAIL(out->err);
}
