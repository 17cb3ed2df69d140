/* SPDX-License-Identifier: MIT
 *
 * The framings: lines with either kind of delimiter, netstrings, prefixes, literals. The input's first bytes choose the
 * limit and where it is cut; read whole and in two pieces it must give the same frames.
 */
#include <plait/framing.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { LINES, DELIMITED, NETSTRINGS, PREFIX1, PREFIX2, PREFIX4, KINDS };

struct reader {
    enum kind kind;
    size_t max;
    struct plait_line line;
    uint64_t hash; /* of all frames */
    size_t at;     /* how far the input was taken */
    plait_err err;
};

static void must(bool what)
{
    if (!what)
        abort();
}

static void reader_init(struct reader *r, enum kind kind, size_t max)
{
    *r = (struct reader){.kind = kind, .max = max, .hash = 14695981039346656037u};
    if (kind == DELIMITED)
        plait_line_init_delimiter(&r->line, PLAIT_LIT("--\n--"), max);
    else
        plait_line_init(&r->line, max);
    r->max = kind == LINES || kind == DELIMITED ? r->line.max : max;
}

static struct plait_frame next(struct reader *r, plait_slice in)
{
    static const unsigned bytes[KINDS] = {[PREFIX1] = 1, [PREFIX2] = 2, [PREFIX4] = 4};
    if (r->kind == LINES || r->kind == DELIMITED)
        return plait_line_next(&r->line, in);
    return r->kind == NETSTRINGS ? plait_netstring_next(in, r->max) : plait_prefix_next(in, bytes[r->kind], r->max);
}

static void add(struct reader *r, plait_slice payload)
{
    for (size_t i = 0; i < payload.len; i++)
        r->hash = (r->hash ^ payload.ptr[i]) * 1099511628211u;
    r->hash = (r->hash ^ 0x100) * 1099511628211u;
}

/* Takes all frames that are whole in the first `to` bytes. */
static void read_to(struct reader *r, plait_slice in, size_t to)
{
    while (r->err == PLAIT_OK) {
        const struct plait_frame f = next(r, plait_slice_sub(in, r->at, to));
        if (f.event == PLAIT_FRAME_MORE) {
            must(f.need == 0 || f.need > to - r->at);
            return;
        }
        r->err = f.err;
        must((f.event == PLAIT_FRAME_BAD) == (f.err != PLAIT_OK));
        if (f.event == PLAIT_FRAME_BAD)
            return;
        must(f.taken > 0 && f.taken <= to - r->at && f.payload.len <= f.taken && f.payload.len <= r->max);
        must(f.payload.len == 0 || (f.payload.ptr >= in.ptr && f.payload.ptr + f.payload.len <= in.ptr + to));
        add(r, f.payload);
        r->at += f.taken;
    }
}

static void read_twice(plait_slice in, enum kind kind, size_t max, size_t cut)
{
    struct reader whole;
    struct reader pieces;
    reader_init(&whole, kind, max);
    reader_init(&pieces, kind, max);
    read_to(&whole, in, in.len);
    read_to(&pieces, in, cut);
    read_to(&pieces, in, in.len);
    must(whole.hash == pieces.hash && whole.at == pieces.at && whole.err == pieces.err);
}

/* What an encoder writes, the decoder reads. */
static void put_and_read(plait_slice in)
{
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, in.len + 32);
    plait_netstring_put(&buf, in);
    must(plait_slice_equal(plait_netstring_next(plait_buf_slice(&buf), in.len).payload, in));
    plait_buf_clear(&buf);
    plait_prefix_put(&buf, 2, in);
    if (buf.err == PLAIT_OK)
        must(plait_slice_equal(plait_prefix_next(plait_buf_slice(&buf), 2, in.len).payload, in));
    plait_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait_literal literal;
    if (size < 3)
        return 0;
    const plait_slice in = plait_slice_of(data + 3, size - 3);
    const size_t cut = in.len ? data[1] * 256u % (in.len + 1) + data[2] % (in.len + 1) : 0;
    for (int kind = LINES; kind < KINDS; kind++)
        read_twice(in, (enum kind)kind, data[0] == 255 ? SIZE_MAX : data[0], cut <= in.len ? cut : in.len);
    if (plait_literal_at_end(in, 1000, &literal) == PLAIT_OK)
        must(literal.bytes <= 1000 && in.ptr[in.len - 1] == '}');
    put_and_read(in);
    return 0;
}
