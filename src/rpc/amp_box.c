/* SPDX-License-Identifier: MIT
 *
 * Writing AMP's boxes: values go into one buffer as they are put, lists in place, their lengths written when they are
 * closed. The declaration is looked at with each value.
 *
 * Invariant: `level` holds what is open, outermost first; a box whose `err` is set is never sent.
 * Test: tests/rpc/test_amp_values.c.
 */
#include "rpc/amp_core.h"

#include "base/text.h"
#include "base/try.h"

static void fail(struct plait_amp_box *box, plait_err err)
{
    if (box->err == PLAIT_OK)
        box->err = err;
}

static struct plait__amp_level *top(struct plait_amp_box *box)
{
    return &box->level[box->depth - 1];
}

void plait__amp_box_begin(struct plait_amp_box *box, const struct plait_amp_field *fields)
{
    const uint64_t first = box->out.first;
    plait__amp_descriptors_end(&box->out); /* of a box that was not sent: the peer never counts them */
    box->out.first = first;
    plait_buf_clear(&box->buf);
    box->err = PLAIT_OK;
    box->depth = 1;
    box->level[0] = (struct plait__amp_level){.fields = fields, .kind = PLAIT__AMP_BOX};
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

/* The field of a box that is not put yet, marked as put. */
static const struct plait_amp_field *take_field(struct plait__amp_level *level, const char *name)
{
    for (size_t i = 0; level->fields && level->fields[i].name && i < PLAIT__AMP_FIELDS_MAX; i++) {
        const uint64_t bit = (uint64_t)1 << i;
        if (strcmp(level->fields[i].name, name) != 0 || (level->put & bit))
            continue;
        level->put |= bit;
        return &level->fields[i];
    }
    return NULL;
}

/* The field for what is put now, and its key. NULL: nothing of that kind belongs here. */
static const struct plait_amp_field *begin_field(struct plait_amp_box *box, const char *name, uint32_t types)
{
    struct plait__amp_level *level = top(box);
    const struct plait_amp_field *field = NULL;
    if (level->kind == PLAIT__AMP_BOX && name)
        field = take_field(level, name);
    else if (level->kind == PLAIT__AMP_ELEMENTS && !name)
        field = level->fields;
    if (!field || !(types & (uint32_t)1 << field->type)) {
        fail(box, PLAIT_EINVAL);
        return NULL;
    }
    if (level->kind == PLAIT__AMP_BOX) {
        const plait_slice key = plait_slice_text(name);
        plait_buf_put_u16(&box->buf, (uint16_t)key.len);
        plait_buf_put(&box->buf, key);
    }
    return field;
}

/* Room for a length that is written later. */
static size_t begin_value(struct plait_amp_box *box)
{
    const size_t at = box->buf.len;
    plait_buf_put_u16(&box->buf, 0);
    return at;
}

static void end_value(struct plait_amp_box *box, size_t at)
{
    if (box->buf.err != PLAIT_OK) {
        fail(box, box->buf.err);
        return;
    }
    const size_t len = box->buf.len - at - 2;
    uint8_t *length = box->buf.ptr + box->buf.at + at;
    if (len > PLAIT__AMP_VALUE_MAX)
        fail(box, PLAIT_ETOOLONG);
    length[0] = (uint8_t)(len >> 8);
    length[1] = (uint8_t)len;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

void plait_amp_put_integer(struct plait_amp_box *box, const char *name, int64_t value)
{
    if (!begin_field(box, name, 1 << PLAIT_AMP_INTEGER))
        return;
    const size_t at = begin_value(box);
    if (value < 0)
        plait_buf_put_u8(&box->buf, '-');
    plait_buf_put_u64_text(&box->buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    end_value(box, at);
}

static bool text_ok(enum plait_amp_type type, plait_slice text)
{
    switch (type) {
    case PLAIT_AMP_BIG_INTEGER:
        return plait__amp_is_big_integer(text);
    case PLAIT_AMP_UNICODE:
        return plait__is_utf8(text);
    case PLAIT_AMP_PATH:
        return plait__is_utf8(text) && plait_slice_find_byte(text, 0, 0) == SIZE_MAX;
    case PLAIT_AMP_DECIMAL:
        return plait__amp_is_decimal(text);
    default:
        return true;
    }
}

void plait_amp_put_bytes(struct plait_amp_box *box, const char *name, plait_slice value)
{
    enum {
        TEXTS = 1 << PLAIT_AMP_STRING | 1 << PLAIT_AMP_UNICODE | 1 << PLAIT_AMP_PATH | 1 << PLAIT_AMP_BIG_INTEGER |
                1 << PLAIT_AMP_DECIMAL
    };
    const struct plait_amp_field *field = begin_field(box, name, TEXTS);
    if (!field)
        return;
    if (!text_ok(field->type, value))
        fail(box, PLAIT_EINVAL);
    const size_t at = begin_value(box);
    plait_buf_put(&box->buf, value);
    end_value(box, at);
}

void plait_amp_put_boolean(struct plait_amp_box *box, const char *name, bool value)
{
    if (!begin_field(box, name, 1 << PLAIT_AMP_BOOLEAN))
        return;
    const size_t at = begin_value(box);
    plait_buf_put_text(&box->buf, value ? "True" : "False");
    end_value(box, at);
}

void plait_amp_put_float(struct plait_amp_box *box, const char *name, double value)
{
    if (!begin_field(box, name, 1 << PLAIT_AMP_FLOAT))
        return;
    const size_t at = begin_value(box);
    plait__amp_put_float(&box->buf, value);
    end_value(box, at);
}

void plait_amp_put_decimal(struct plait_amp_box *box, const char *name, struct plait_amp_decimal value)
{
    if (!begin_field(box, name, 1 << PLAIT_AMP_DECIMAL))
        return;
    const size_t at = begin_value(box);
    plait__amp_put_decimal(&box->buf, value);
    end_value(box, at);
}

void plait_amp_put_datetime(struct plait_amp_box *box, const char *name, const struct plait_amp_datetime *value)
{
    if (!begin_field(box, name, 1 << PLAIT_AMP_DATETIME))
        return;
    if (!plait__amp_datetime_ok(value))
        fail(box, PLAIT_EINVAL);
    const size_t at = begin_value(box);
    plait__amp_put_datetime(&box->buf, value);
    end_value(box, at);
}

void plait_amp_put_descriptor(struct plait_amp_box *box, const char *name, int fd)
{
    const uint64_t number = box->out.first + box->out.count;
    if (fd < 0 || !plait__amp_descriptors_add(&box->out, &fd, 1)) {
        fail(box, PLAIT_EINVAL);
        return;
    }
    if (!begin_field(box, name, 1 << PLAIT_AMP_DESCRIPTOR))
        return;
    const size_t at = begin_value(box);
    plait_buf_put_u64_text(&box->buf, number);
    end_value(box, at);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void push(struct plait_amp_box *box, struct plait__amp_level level)
{
    if (box->depth == PLAIT__AMP_DEPTH_MAX)
        fail(box, PLAIT_EINVAL);
    else
        box->level[box->depth++] = level;
}

void plait_amp_open(struct plait_amp_box *box, const char *name)
{
    struct plait__amp_level *level = top(box);
    if (level->kind == PLAIT__AMP_BOXES) {
        if (name)
            fail(box, PLAIT_EINVAL);
        push(box, (struct plait__amp_level){.fields = level->fields, .kind = PLAIT__AMP_BOX});
        return;
    }
    const struct plait_amp_field *field = begin_field(box, name, 1 << PLAIT_AMP_LIST | 1 << PLAIT_AMP_BOXES);
    if (!field)
        return;
    push(box, (struct plait__amp_level){
                  .fields = field->of,
                  .kind = field->type == PLAIT_AMP_LIST ? PLAIT__AMP_ELEMENTS : PLAIT__AMP_BOXES,
                  .length_at = begin_value(box),
              });
}

static bool complete(const struct plait__amp_level *level)
{
    for (size_t i = 0; level->kind == PLAIT__AMP_BOX && level->fields && level->fields[i].name; i++) {
        if (!level->fields[i].optional && (i >= PLAIT__AMP_FIELDS_MAX || !(level->put & (uint64_t)1 << i)))
            return false;
    }
    return true;
}

void plait_amp_close(struct plait_amp_box *box)
{
    const struct plait__amp_level *level = top(box);
    if (box->depth == 1 || !complete(level)) {
        fail(box, PLAIT_EINVAL);
        return;
    }
    box->depth--;
    if (level->kind == PLAIT__AMP_BOX)
        plait_buf_put_u16(&box->buf, 0);
    else
        end_value(box, level->length_at);
}

plait_err plait__amp_box_end(struct plait_amp_box *box)
{
    if (box->depth != 1 || !complete(top(box)))
        fail(box, PLAIT_EINVAL);
    if (box->buf.err != PLAIT_OK)
        fail(box, box->buf.err);
    return box->err == PLAIT_OK ? PLAIT_OK : PLAIT_FAIL(box->err);
}
