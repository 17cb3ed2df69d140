/* SPDX-License-Identifier: MIT
 *
 * The HTTP/1.1 codec: heads of requests and responses and chunks, whole and cut at a point that the input chooses.
 * What both readings give must be the same.
 */
#include "web/http1_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void check_fields(const struct plait__http1_head *head, size_t size)
{
    must(head->at <= size && head->count <= PLAIT__HTTP1_FIELDS_MAX && head->at <= PLAIT__HTTP1_HEAD_MAX);
    for (size_t i = 0; i < head->count; i++) {
        const struct plait__http1_field *f = &head->field[i];
        must(f->name_len > 0 && f->name + f->name_len < f->value && (size_t)f->value + f->value_len < head->at);
    }
    must(!(head->has_coding && head->has_length));
    must((size_t)head->target + head->target_len < head->at);
}

static void read_heads(plait_slice in, size_t cut, bool response)
{
    static struct plait__http1_head whole, pieces;
    plait__http1_head_init(&whole, response);
    plait__http1_head_init(&pieces, response);
    enum plait__http1_step a = plait__http1_head_read(&whole, in);
    enum plait__http1_step b = plait__http1_head_read(&pieces, plait_slice_sub(in, 0, cut));
    if (b == PLAIT__HTTP1_MORE)
        b = plait__http1_head_read(&pieces, in);
    if (a == PLAIT__HTTP1_DONE)
        check_fields(&whole, in.len);
    /* An unfinished line is judged again when its end comes, so only finished readings must agree. */
    if (a == PLAIT__HTTP1_DONE || b == PLAIT__HTTP1_DONE)
        must(a == b && whole.at == pieces.at && whole.count == pieces.count && whole.length == pieces.length);
    if (a == PLAIT__HTTP1_BAD && b == PLAIT__HTTP1_BAD)
        must(whole.status == pieces.status);
}

static uint64_t read_chunks(plait_slice in, size_t cut, enum plait__http1_step *end)
{
    struct plait__http1_chunks chunks = {0};
    uint64_t total = 0;
    size_t at = 0;
    *end = PLAIT__HTTP1_MORE;
    for (int part = 0; part < 2; part++) {
        size_t to = part ? in.len : cut;
        while (at < to) {
            size_t used = 0;
            plait_slice data = {NULL, 0};
            *end = plait__http1_chunks_read(&chunks, plait_slice_sub(in, at, to), &used, &data);
            must(used <= to - at && data.len <= used);
            at += used;
            total += data.len;
            if (*end == PLAIT__HTTP1_DONE || *end == PLAIT__HTTP1_BAD)
                return total;
        }
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    plait_slice in = plait_slice_of(data + 2, size - 2);
    size_t cut = in.len ? (size_t)(data[0] | data[1] << 8) % (in.len + 1) : 0;
    read_heads(in, cut, false);
    read_heads(in, cut, true);
    enum plait__http1_step a, b;
    uint64_t whole = read_chunks(in, in.len, &a), pieces = read_chunks(in, cut, &b);
    must(whole == pieces && (a == PLAIT__HTTP1_BAD) == (b == PLAIT__HTTP1_BAD));
    return 0;
}
