/* SPDX-License-Identifier: MIT
 *
 * AMP's boxes: pairs of key and value, each behind its length in 16 bits, up to an empty key.
 *
 * Invariant: a pair is looked at once, however the box is cut; a whole box's pairs can be walked without further
 * checks. Tests: tests/rpc/test_amp_wire.c; fuzz/fuzz_amp.c. Source: twisted/protocols/amp.py,
 * https://amp-protocol.net.
 */
#include "rpc/amp_wire.h"

static struct plait_frame bad(plait_err err)
{
    return (struct plait_frame){.event = PLAIT_FRAME_BAD, .err = err};
}

static struct plait_frame more(size_t need)
{
    return (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = need};
}

static size_t length_at(plait_slice in, size_t at)
{
    return (size_t)in.ptr[at] << 8 | in.ptr[at + 1];
}

/* Looks over the pair at `seen`. Returns MORE with the bytes that it needs, WHOLE when it is there, or BAD. */
static struct plait_frame look(const struct plait__amp_decoder *d, plait_slice in, size_t *end)
{
    const size_t key = length_at(in, d->seen);
    const size_t value_at = d->seen + 2 + key;
    if (key > PLAIT__AMP_KEY_MAX || d->keys == PLAIT__AMP_KEYS_MAX)
        return bad(PLAIT_ETOOLONG);
    if (in.len < value_at + 2)
        return value_at + 2 > d->max ? bad(PLAIT_ETOOLONG) : more(value_at + 2);
    *end = value_at + 2 + length_at(in, value_at);
    if (*end + 2 > d->max)
        return bad(PLAIT_ETOOLONG);
    return in.len < *end + 2 ? more(*end + 2) : (struct plait_frame){.event = PLAIT_FRAME_WHOLE};
}

struct plait_frame plait__amp_box_next(struct plait__amp_decoder *decoder, plait_slice in)
{
    struct plait__amp_decoder *d = decoder;
    if (in.len > d->seen && in.ptr[d->seen] != 0)
        return bad(PLAIT_ETOOLONG); /* a key's first byte: whoever sends this does not speak AMP */
    if (in.len < d->seen + 2)
        return more(d->seen + 2);
    while (length_at(in, d->seen) > 0) {
        size_t end;
        const struct plait_frame pair = look(d, in, &end);
        if (pair.event != PLAIT_FRAME_WHOLE)
            return pair;
        d->seen = end;
        d->keys++;
    }
    if (d->keys == 0)
        return bad(PLAIT_EMALFORMED);
    const struct plait_frame box = {
        .event = PLAIT_FRAME_WHOLE, .payload = plait_slice_sub(in, 0, d->seen), .taken = d->seen + 2};
    d->seen = 0;
    d->keys = 0;
    return box;
}

bool plait__amp_pair(plait_slice *wire, plait_slice *key, plait_slice *value)
{
    if (wire->len == 0)
        return false;
    const size_t key_end = 2 + length_at(*wire, 0);
    const size_t value_end = key_end + 2 + length_at(*wire, key_end);
    *key = plait_slice_sub(*wire, 2, key_end);
    *value = plait_slice_sub(*wire, key_end + 2, value_end);
    *wire = plait_slice_sub(*wire, value_end, wire->len);
    return true;
}

static plait_slice *place_of(struct plait__amp_head *head, plait_slice key)
{
    if (key.ptr[0] != '_')
        return NULL;
    if (plait_slice_equal(key, PLAIT_LIT("_command")))
        return &head->command;
    if (plait_slice_equal(key, PLAIT_LIT("_ask")))
        return &head->ask;
    if (plait_slice_equal(key, PLAIT_LIT("_answer")))
        return &head->answer;
    if (plait_slice_equal(key, PLAIT_LIT("_error")))
        return &head->error;
    if (plait_slice_equal(key, PLAIT_LIT("_error_code")))
        return &head->code;
    return plait_slice_equal(key, PLAIT_LIT("_error_description")) ? &head->description : NULL;
}

plait_err plait__amp_head(plait_slice wire, struct plait__amp_head *out)
{
    plait_slice key;
    plait_slice value;
    *out = (struct plait__amp_head){.command = {.ptr = NULL}};
    while (plait__amp_pair(&wire, &key, &value)) {
        plait_slice *place = place_of(out, key);
        if (!place)
            continue;
        if (place->ptr)
            return PLAIT_EMALFORMED;
        *place = value;
    }
    return out->command.ptr || out->answer.ptr || out->error.ptr ? PLAIT_OK : PLAIT_EMALFORMED;
}

void plait__amp_put_pair(struct plait_buf *out, plait_slice key, plait_slice value)
{
    plait_buf_put_u16(out, (uint16_t)key.len);
    plait_buf_put(out, key);
    plait_buf_put_u16(out, (uint16_t)value.len);
    plait_buf_put(out, value);
}
