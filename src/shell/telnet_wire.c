/* SPDX-License-Identifier: MIT
 *
 * Telnet's flow of bytes (RFC 854, RFC 855): the codec, pure, bytes in, items out. What options mean is not its
 * business: which are on, telnet_options.c knows, and what subnegotiations say, telnet_payload_wire.c.
 *
 * A subnegotiation that a command other than SE cuts short is left out, and the command counts: without an IAC SE
 * nobody can tell what was lost. IAC with a byte that is no command is given as one, for its reader to ignore.
 *
 * Invariant: the items don't depend on how the input was cut, but for data, which may come in more pieces.
 * Tests: tests/shell/test_telnet_wire.c; fuzz/fuzz_telnet.c.
 */
#include "shell/telnet_wire.h"

enum { IAC = PLAIT_TELNET_IAC, CR = '\r', LF = '\n', NUL = '\0' };

/* What the next byte is. */
enum {
    AT_DATA,
    AT_COMMAND,    /* behind IAC */
    AT_OPTION,     /* behind WILL, WONT, DO, DONT */
    AT_SUB_OPTION, /* behind SB */
    AT_SUB,        /* inside a subnegotiation */
    AT_SUB_IAC,    /* behind an IAC in it */
    AT_SUB_END,    /* behind one that was given: its memory goes */
};

void plait__telnet_decoder_init(struct plait__telnet_decoder *decoder, struct plait_budget *budget, size_t sub_max)
{
    *decoder = (struct plait__telnet_decoder){.state = AT_DATA};
    plait_buf_init(&decoder->sub, budget, sub_max > 0 ? sub_max : PLAIT__TELNET_SUB_MAX);
}

void plait__telnet_decoder_deinit(struct plait__telnet_decoder *decoder)
{
    plait_buf_deinit(&decoder->sub);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* How many bytes of data there are up to the next IAC, or up to a CR whose NUL is to be left out. */
static size_t run_length(const struct plait__telnet_decoder *d, plait_slice in)
{
    const size_t iac = plait_slice_find_byte(in, IAC, 0);
    const plait_slice run = plait_slice_sub(in, 0, iac);
    size_t at = d->binary ? SIZE_MAX : plait_slice_find_byte(run, CR, 0);
    while (at < run.len && !(at + 1 < run.len && run.ptr[at + 1] == NUL))
        at = plait_slice_find_byte(run, CR, at + 1);
    return at < run.len ? at + 1 : run.len;
}

/* Data at in[at], which is no command even if it is an IAC. */
static struct plait__telnet_item give_data(struct plait__telnet_decoder *d, plait_slice in, size_t at, size_t len)
{
    d->state = AT_DATA;
    d->cr = !d->binary && in.ptr[at + len - 1] == CR;
    return (struct plait__telnet_item){
        .event = PLAIT__TELNET_DATA, .bytes = plait_slice_sub(in, at, at + len), .taken = at + len};
}

/* Takes data, or the IAC behind it, at *at. Returns whether there is an item. */
static bool at_data(struct plait__telnet_decoder *d, plait_slice in, size_t *at, struct plait__telnet_item *item)
{
    if (in.ptr[*at] == IAC) {
        d->state = AT_COMMAND;
        ++*at;
        return false;
    }
    if (d->cr && in.ptr[*at] == NUL) {
        d->cr = false;
        ++*at;
        return false;
    }
    *item = give_data(d, in, *at, run_length(d, plait_slice_sub(in, *at, in.len)));
    return true;
}

/* The byte behind IAC. */
static bool at_command(struct plait__telnet_decoder *d, plait_slice in, size_t *at, struct plait__telnet_item *item)
{
    const uint8_t byte = in.ptr[(*at)++];
    switch (byte) {
    case PLAIT_TELNET_IAC:
        *item = give_data(d, in, *at - 1, 1);
        return true;
    case PLAIT_TELNET_WILL:
    case PLAIT_TELNET_WONT:
    case PLAIT_TELNET_DO:
    case PLAIT_TELNET_DONT:
        d->command = byte;
        d->state = AT_OPTION;
        return false;
    case PLAIT_TELNET_SB:
        d->state = AT_SUB_OPTION;
        return false;
    default:
        d->state = AT_DATA;
        *item = (struct plait__telnet_item){.event = PLAIT__TELNET_COMMAND, .command = byte, .taken = *at};
        return true;
    }
}

static struct plait__telnet_item bad(const struct plait__telnet_decoder *d, size_t at)
{
    return (struct plait__telnet_item){.event = PLAIT__TELNET_BAD, .err = d->sub.err, .taken = at};
}

/* Bytes of a subnegotiation, up to an IAC. The error of its buffer is sticky, so what is over long is told for ever. */
static bool at_sub(struct plait__telnet_decoder *d, plait_slice in, size_t *at, struct plait__telnet_item *item)
{
    const plait_slice rest = plait_slice_sub(in, *at, in.len);
    const size_t iac = plait_slice_find_byte(rest, IAC, 0);
    const plait_slice run = plait_slice_sub(rest, 0, iac);
    plait_buf_put(&d->sub, run);
    *at += run.len;
    if (iac != SIZE_MAX) {
        d->state = AT_SUB_IAC;
        ++*at;
    }
    *item = bad(d, *at);
    return d->sub.err != PLAIT_OK;
}

/* The byte behind an IAC in a subnegotiation. */
static bool at_sub_iac(struct plait__telnet_decoder *d, plait_slice in, size_t *at, struct plait__telnet_item *item)
{
    if (in.ptr[*at] == IAC) {
        plait_buf_put_u8(&d->sub, IAC);
        ++*at;
        d->state = AT_SUB;
        *item = bad(d, *at);
        return d->sub.err != PLAIT_OK;
    }
    if (in.ptr[*at] != PLAIT_TELNET_SE) {
        plait_buf_deinit(&d->sub);
        d->state = AT_COMMAND;
        return false;
    }
    ++*at;
    d->state = AT_SUB_END;
    *item = (struct plait__telnet_item){
        .event = PLAIT__TELNET_SUB, .option = d->option, .bytes = plait_buf_slice(&d->sub), .taken = *at};
    return true;
}

/* One step: takes a byte at least. Returns whether there is an item. */
static bool step(struct plait__telnet_decoder *d, plait_slice in, size_t *at, struct plait__telnet_item *item)
{
    switch (d->state) {
    case AT_COMMAND:
        return at_command(d, in, at, item);
    case AT_OPTION:
        d->state = AT_DATA;
        *item = (struct plait__telnet_item){
            .event = PLAIT__TELNET_NEGOTIATE, .command = d->command, .option = in.ptr[*at], .taken = *at + 1};
        return true;
    case AT_SUB_OPTION:
        d->option = in.ptr[(*at)++];
        d->state = AT_SUB;
        return false;
    case AT_SUB:
        return at_sub(d, in, at, item);
    case AT_SUB_IAC:
        return at_sub_iac(d, in, at, item);
    default:
        return at_data(d, in, at, item);
    }
}

struct plait__telnet_item plait__telnet_next(struct plait__telnet_decoder *decoder, plait_slice in)
{
    struct plait__telnet_item item;
    size_t at = 0;
    if (decoder->state == AT_SUB_END) {
        plait_buf_deinit(&decoder->sub);
        decoder->state = AT_DATA;
    }
    if (decoder->sub.err != PLAIT_OK)
        return bad(decoder, 0);
    while (at < in.len) {
        if (step(decoder, in, &at, &item))
            return item;
    }
    return (struct plait__telnet_item){.event = PLAIT__TELNET_MORE, .taken = at};
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Appends bytes with 255 doubled. */
static void put_doubled(struct plait_buf *out, plait_slice bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        const size_t iac = plait_slice_find_byte(bytes, IAC, at);
        const size_t end = iac < bytes.len ? iac + 1 : bytes.len;
        plait_buf_put(out, plait_slice_sub(bytes, at, end));
        if (iac < bytes.len)
            plait_buf_put_u8(out, IAC);
        at = end;
    }
}

void plait__telnet_put_data(struct plait_buf *out, plait_slice data, bool binary)
{
    size_t at = 0;
    while (at < data.len) {
        const size_t cr = binary ? SIZE_MAX : plait_slice_find_byte(data, CR, at);
        const size_t end = cr < data.len ? cr + 1 : data.len;
        put_doubled(out, plait_slice_sub(data, at, end));
        if (cr < data.len && !(end < data.len && data.ptr[end] == LF))
            plait_buf_put_u8(out, NUL);
        at = end;
    }
}

void plait__telnet_put_command(struct plait_buf *out, uint8_t command)
{
    plait_buf_put_u8(out, IAC);
    plait_buf_put_u8(out, command);
}

void plait__telnet_put_negotiate(struct plait_buf *out, uint8_t command, uint8_t option)
{
    plait__telnet_put_command(out, command);
    plait_buf_put_u8(out, option);
}

void plait__telnet_put_sub(struct plait_buf *out, uint8_t option, plait_slice payload)
{
    plait__telnet_put_negotiate(out, PLAIT_TELNET_SB, option);
    put_doubled(out, payload);
    plait__telnet_put_command(out, PLAIT_TELNET_SE);
}
