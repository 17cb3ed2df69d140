/* SPDX-License-Identifier: MIT
 *
 * What a FastCGI application writes, of any bytes: the records are read the same however they are cut, and what is told
 * of them lies inside.
 */
#include "web/fcgi_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* A sum of all that was told, in which the cuts do not show. */
struct sum {
    uint64_t bytes, ends, status;
    bool bad;
};

static void add(struct sum *sum, uint64_t value)
{
    sum->bytes = sum->bytes * 31 + value;
}

static size_t read_piece(struct plait__fcgi_reader *r, plait_slice in, struct sum *sum)
{
    plait_slice piece;
    size_t used;
    const enum plait__fcgi_event event = plait__fcgi_read(r, in, &used, &piece);
    must(used <= in.len);
    sum->bad |= event == PLAIT__FCGI_BAD;
    if (event == PLAIT__FCGI_PIECE) {
        must(piece.ptr >= in.ptr && piece.ptr + piece.len <= in.ptr + used);
        for (size_t i = 0; i < piece.len; i++)
            add(sum, (uint64_t)r->type << 8 | piece.ptr[i]);
        if (piece.len == 0)
            add(sum, 999);
    }
    if (event == PLAIT__FCGI_OVER) {
        sum->ends++;
        sum->status += (uint64_t)r->app_status << 8 | r->protocol_status;
    }
    must(event != PLAIT__FCGI_MORE || used == in.len);
    return used;
}

static void read_all(plait_slice in, size_t step, struct sum *sum)
{
    struct plait__fcgi_reader r = {.have = 0};
    for (size_t at = 0; at < in.len && !sum->bad; at += step) {
        plait_slice rest = plait_slice_sub(in, at, at + step);
        while (rest.len && !sum->bad)
            rest = plait_slice_sub(rest, read_piece(&r, rest, sum), rest.len);
    }
}

/* What is written is read as it was. */
static void write_and_read(plait_slice text)
{
    struct plait__fcgi_reader r = {.have = 0};
    struct plait_budget budget;
    struct plait_buf pairs, out;
    size_t used, left;
    plait_slice piece, name = plait_slice_sub(text, 0, text.len / 2);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&pairs, &budget, 1 << 22);
    plait_buf_init(&out, &budget, 1 << 22);
    plait__fcgi_pair(&pairs, name, plait_slice_sub(text, name.len, text.len));
    plait__fcgi_begin(&out, text.len & 1);
    plait__fcgi_write(&out, PLAIT__FCGI_PARAMS, plait_buf_slice(&pairs));
    plait__fcgi_empty(&out, PLAIT__FCGI_PARAMS);
    plait_slice rest = plait_buf_slice(&out);
    must(plait__fcgi_read(&r, rest, &used, &piece) == PLAIT__FCGI_PIECE && r.type == PLAIT__FCGI_BEGIN);
    for (left = pairs.len; left; left -= piece.len) {
        rest = plait_slice_sub(rest, used, rest.len);
        must(plait__fcgi_read(&r, rest, &used, &piece) == PLAIT__FCGI_PIECE && r.type == PLAIT__FCGI_PARAMS);
        must(plait_slice_equal(
            piece, plait_slice_sub(plait_buf_slice(&pairs), pairs.len - left, pairs.len - left + piece.len)));
    }
    rest = plait_slice_sub(rest, used, rest.len);
    must(plait__fcgi_read(&r, rest, &used, &piece) == PLAIT__FCGI_PIECE && piece.len == 0);
    plait_buf_deinit(&out);
    plait_buf_deinit(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    write_and_read(plait_slice_of(data, size));
    struct sum whole = {0}, cut = {0};
    read_all(plait_slice_of(data, size), size + 1, &whole);
    read_all(plait_slice_of(data, size), 1, &cut);
    must(whole.bytes == cut.bytes && whole.ends == cut.ends && whole.status == cut.status && whole.bad == cut.bad);
    return 0;
}
