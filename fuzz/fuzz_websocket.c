/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames, and the values of the handshake: whole and cut at a point that the input chooses. What both
 * readings give must be the same. What is agreed on must be possible, and a head that was read must be written the same
 * way.
 */
#include "web/ws_handshake.h"
#include "web/ws_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* What a reading gave: everything but where pieces were cut. */
struct reading {
    uint64_t hash, bytes, frames;
    bool bad;
};

static void mix(struct reading *r, uint64_t what)
{
    r->hash = (r->hash ^ what) * 0x9e3779b97f4a7c15u;
}

static void check_head(const struct plait__ws_reader *reader, const struct plait__ws_view *v, const uint8_t *at)
{
    uint8_t head[PLAIT__WS_HEAD_MAX];
    const struct plait__ws_frame frame = {.length = v->length,
                                          .opcode = (enum plait__ws_opcode)(at[0] & 0x0f),
                                          .fin = at[0] & 0x80,
                                          .compressed = at[0] & 0x40,
                                          .mask = reader->masked ? v->mask : NULL};
    must(v->head <= sizeof head && plait__ws_head_write(&frame, head) == v->head && memcmp(head, at, v->head) == 0);
}

static void take(struct reading *r, struct plait__ws_reader *reader, const struct plait__ws_view *v, const uint8_t *at)
{
    uint8_t clear[256];
    if (v->head) {
        check_head(reader, v, at);
        mix(r, v->opcode + 256u * v->first + 512u * v->compressed);
        r->frames++;
    }
    for (size_t i = 0; i < v->payload.len; i += sizeof clear) {
        uint8_t mask[4];
        const plait_slice part = plait_slice_sub(v->payload, i, i + sizeof clear);
        memcpy(mask, v->mask, 4);
        plait__ws_turn(mask, i);
        plait__ws_mask(clear, part, mask);
        for (size_t b = 0; b < part.len; b++)
            mix(r, clear[b]);
    }
    r->bytes += v->payload.len;
    if (v->step == PLAIT__WS_PIECE)
        plait__ws_take(reader, v, v->payload.len);
}

static struct reading read_frames(plait_slice in, size_t cut, uint8_t how)
{
    struct plait__ws_reader reader = {.masked = how & 1, .may_compress = how & 2};
    struct reading r = {.hash = 1};
    size_t at = 0;
    for (int part = 0; part < 2; part++) {
        const size_t to = part ? in.len : cut;
        while (at < to && !r.bad) {
            const plait_slice there = plait_slice_sub(in, at, to);
            const struct plait__ws_view v = plait__ws_look(&reader, there);
            r.bad = v.step == PLAIT__WS_BAD;
            if (v.step == PLAIT__WS_BAD || v.step == PLAIT__WS_MORE) {
                must(r.bad || v.need > there.len);
                break;
            }
            must(v.head + v.payload.len > 0 && v.head + v.payload.len <= there.len);
            take(&r, &reader, &v, there.ptr);
            at += v.head + v.payload.len;
        }
    }
    return r;
}

static void read_values(plait_slice in, uint8_t how)
{
    const struct plait__ws_wish wish = {.bits = (uint8_t)(9 + how % 7), .no_takeover = how & 0x80};
    struct plait__ws_terms terms = {0}, answer = {0};
    struct plait_scan list = plait_scan_of(in);
    struct plait_budget budget;
    struct plait_buf text;
    plait_slice token;
    bool bad;
    while (plait__ws_next_token(&list, &token, &bad))
        must(token.len > 0);
    (void)plait__ws_key_is_right(in);
    (void)plait__ws_origin_is_host(in, PLAIT_LIT("a.example:80"));
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&text, &budget, 256);
    if (plait__ws_judge_offers(in, &wish, &terms) && terms.on) {
        must(terms.server_bits >= 8 && terms.server_bits <= wish.bits && terms.client_bits >= 8);
        plait__ws_put_answer(&text, &terms);
        must(!text.err && text.len < 200);
    }
    plait_buf_deinit(&text);
    if (plait__ws_judge_answer(in, &wish, &answer) && answer.on)
        must(answer.server_bits >= 8 && answer.server_bits <= 15 && answer.client_bits <= wish.bits);
}

static void read_text(plait_slice in, size_t cut)
{
    struct plait__utf8 whole = {0}, pieces = {0};
    plait_slice reason;
    unsigned code;
    const bool good = plait__utf8_check(&whole, in);
    must(good == (plait__utf8_check(&pieces, plait_slice_sub(in, 0, cut)) &&
                  plait__utf8_check(&pieces, plait_slice_sub(in, cut, in.len))));
    must(!good || whole.need == pieces.need);
    const unsigned wrong = plait__ws_close_read(in, &code, &reason);
    must(wrong == 0 || wrong == 1002 || wrong == 1007);
    must(wrong || code == 1005 || plait__ws_code_is_real(code));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const plait_slice in = plait_slice_of(data + 3, size - 3);
    const size_t cut = in.len ? (size_t)(data[1] | data[2] << 8) % (in.len + 1) : 0;
    const struct reading whole = read_frames(in, in.len, data[0]), pieces = read_frames(in, cut, data[0]);
    must(whole.hash == pieces.hash && whole.bytes == pieces.bytes && whole.frames == pieces.frames &&
         whole.bad == pieces.bad);
    read_values(in, data[0]);
    read_text(in, cut);
    return 0;
}
