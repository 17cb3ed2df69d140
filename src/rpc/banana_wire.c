/* SPDX-License-Identifier: MIT
 *
 * Banana's elements: a number of digits of 7 bits, lowest first, then a byte with the high bit set that tells what the
 * number means, then perhaps a body. What the elements stand for is jelly's matter (src/rpc/jelly_read.c).
 *
 * Invariant: an element is looked at once, however the input is cut; what was found whole can be walked without
 * further checks. Tests: tests/rpc/test_banana_wire.c; fuzz/fuzz_banana.c. Source: twisted/spread/banana.py and its
 * specification.
 */
#include "rpc/banana_wire.h"

enum delimiter {
    LIST = 0x80,
    INT = 0x81,
    STRING = 0x82,
    NEG = 0x83,
    FLOAT = 0x84,
    LONGINT = 0x85,
    LONGNEG = 0x86,
    VOCAB = 0x87
};

enum { FLOAT_BYTES = 8 };

/* What the dialect "pb" shortens to a number; both ends have the same table. */
/* clang-format off */
#define WORD(text) {sizeof(text) - 1, text}
/* clang-format on */
static const struct {
    uint8_t len;
    char text[14];
} words[] = {WORD(""),
             WORD("None"),
             WORD("class"),
             WORD("dereference"),
             WORD("reference"),
             WORD("dictionary"),
             WORD("function"),
             WORD("instance"),
             WORD("list"),
             WORD("module"),
             WORD("persistent"),
             WORD("tuple"),
             WORD("unpersistable"),
             WORD("copy"),
             WORD("cache"),
             WORD("cached"),
             WORD("remote"),
             WORD("local"),
             WORD("lcache"),
             WORD("version"),
             WORD("login"),
             WORD("password"),
             WORD("challenge"),
             WORD("logged_in"),
             WORD("not_logged_in"),
             WORD("cachemessage"),
             WORD("message"),
             WORD("answer"),
             WORD("error"),
             WORD("decref"),
             WORD("decache"),
             WORD("uncache")};

enum { WORDS = sizeof words / sizeof words[0] };

/* An element without its body. */
struct head {
    size_t digits;
    uint64_t number; /* UINT64_MAX also stands for whatever is larger */
    uint8_t delimiter;
};

static uint64_t number_of(plait_slice digits, bool *fits)
{
    uint64_t number = 0;
    *fits = true;
    for (size_t i = digits.len; i-- > 0;) {
        if (number > UINT64_MAX >> 7) {
            *fits = false;
            return UINT64_MAX;
        }
        number = number << 7 | digits.ptr[i];
    }
    return number;
}

static size_t digits_at(plait_slice in, size_t at)
{
    size_t n = 0;
    while (at + n < in.len && in.ptr[at + n] < LIST && n <= PLAIT__BANANA_DIGITS_MAX)
        n++;
    return n;
}

static struct head head_at(plait_slice in, size_t at, size_t digits)
{
    bool fits;
    return (struct head){.digits = digits,
                         .number = number_of(plait_slice_sub(in, at, at + digits), &fits),
                         .delimiter = in.ptr[at + digits]};
}

static size_t body_of(const struct head *head)
{
    if (head->delimiter == FLOAT)
        return FLOAT_BYTES;
    return head->delimiter == STRING ? (size_t)head->number : 0;
}

static plait_err judge(const struct plait__banana_decoder *d, const struct head *head)
{
    switch (head->delimiter) {
    case LIST:
    case STRING:
        return head->number > PLAIT__BANANA_ITEM_MAX ? PLAIT_ETOOLONG : PLAIT_OK;
    case FLOAT:
        return head->digits > 0 ? PLAIT_EMALFORMED : PLAIT_OK;
    case VOCAB:
        return d->vocabulary && head->number > 0 && head->number < WORDS ? PLAIT_OK : PLAIT_EMALFORMED;
    default:
        return head->delimiter > VOCAB ? PLAIT_EMALFORMED : PLAIT_OK;
    }
}

/* Each element that is still wanted has a byte at least. */
static bool too_long(const struct plait__banana_decoder *d, size_t end)
{
    return d->elements + d->wanted > d->elements_max || end > d->max || d->wanted > d->max - end;
}

static struct plait_frame bad(plait_err err)
{
    return (struct plait_frame){.event = PLAIT_FRAME_BAD, .err = err};
}

/* Looks over the element at `seen`, which is wanted. */
static struct plait_frame look(struct plait__banana_decoder *d, plait_slice in)
{
    const size_t digits = digits_at(in, d->seen);
    if (digits > PLAIT__BANANA_DIGITS_MAX)
        return bad(PLAIT_ETOOLONG);
    const size_t body_at = d->seen + digits + 1;
    if (in.len < body_at)
        return body_at > d->max ? bad(PLAIT_ETOOLONG)
                                : (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = body_at};
    const struct head head = head_at(in, d->seen, digits);
    const plait_err err = judge(d, &head);
    if (err != PLAIT_OK)
        return bad(err);
    const size_t end = body_at + body_of(&head);
    const size_t inside = head.delimiter == LIST ? (size_t)head.number : 0;
    struct plait__banana_decoder behind = *d;
    behind.seen = end;
    behind.elements++;
    behind.wanted += inside - 1;
    if (too_long(&behind, end))
        return bad(PLAIT_ETOOLONG);
    if (in.len < end)
        return (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = end + behind.wanted};
    *d = behind;
    return (struct plait_frame){.event = PLAIT_FRAME_WHOLE};
}

struct plait_frame plait__banana_next(struct plait__banana_decoder *decoder, plait_slice in)
{
    struct plait__banana_decoder *d = decoder;
    if (d->wanted == 0)
        d->wanted = 1;
    while (d->wanted > 0) {
        const struct plait_frame one = look(d, in);
        if (one.event != PLAIT_FRAME_WHOLE)
            return one;
    }
    const struct plait_frame whole = {
        .event = PLAIT_FRAME_WHOLE, .payload = plait_slice_sub(in, 0, d->seen), .taken = d->seen};
    d->seen = 0;
    d->elements = 0;
    return whole;
}

/* --- taking apart ------------------------------------------------------------------------------------------------- */

static double float_of(plait_slice body)
{
    uint64_t bits = 0;
    double value;
    for (size_t i = 0; i < FLOAT_BYTES; i++)
        bits = bits << 8 | body.ptr[i];
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void take_integer(struct plait__banana_element *out, plait_slice digits, bool negative)
{
    bool fits;
    const uint64_t number = number_of(digits, &fits);
    out->kind = PLAIT__BANANA_INTEGER;
    if (fits && number <= INT64_MAX) {
        out->integer = negative ? -(int64_t)number : (int64_t)number;
    } else if (fits && negative && number == (uint64_t)INT64_MAX + 1) {
        out->integer = INT64_MIN;
    } else {
        out->kind = PLAIT__BANANA_BIG_INTEGER;
        out->negative = negative;
        out->text = digits;
    }
}

bool plait__banana_take(plait_slice *wire, struct plait__banana_element *out)
{
    if (wire->len == 0)
        return false;
    const size_t digits = digits_at(*wire, 0);
    const struct head head = head_at(*wire, 0, digits);
    const size_t end = digits + 1 + body_of(&head);
    const plait_slice body = plait_slice_sub(*wire, digits + 1, end);
    *out = (struct plait__banana_element){.kind = PLAIT__BANANA_STRING};
    if (head.delimiter == LIST) {
        out->kind = PLAIT__BANANA_LIST;
        out->count = (size_t)head.number;
    } else if (head.delimiter == FLOAT) {
        out->kind = PLAIT__BANANA_FLOAT;
        out->number = float_of(body);
    } else if (head.delimiter == VOCAB) {
        out->text = plait_slice_of(words[head.number].text, words[head.number].len);
    } else if (head.delimiter == STRING) {
        out->text = body;
    } else {
        take_integer(out, plait_slice_sub(*wire, 0, digits), head.delimiter == NEG || head.delimiter == LONGNEG);
    }
    *wire = plait_slice_sub(*wire, end, wire->len);
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_head(struct plait_buf *out, uint64_t number, enum delimiter delimiter)
{
    do {
        plait_buf_put_u8(out, number & 0x7f);
        number >>= 7;
    } while (number > 0);
    plait_buf_put_u8(out, (uint8_t)delimiter);
}

void plait__banana_put_list(struct plait_buf *out, size_t count)
{
    put_head(out, count, LIST);
}

void plait__banana_put_integer(struct plait_buf *out, int64_t value)
{
    const uint64_t positive = (uint64_t)value;
    const uint64_t negative = 0 - positive;
    if (value >= 0)
        put_head(out, positive, positive <= INT32_MAX ? INT : LONGINT);
    else
        put_head(out, negative, negative <= (uint64_t)INT32_MAX + 1 ? NEG : LONGNEG);
}

void plait__banana_put_big_integer(struct plait_buf *out, bool negative, plait_slice digits)
{
    plait_buf_put(out, digits);
    plait_buf_put_u8(out, negative ? LONGNEG : LONGINT);
}

void plait__banana_put_float(struct plait_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    plait_buf_put_u8(out, FLOAT);
    plait_buf_put_u32(out, (uint32_t)(bits >> 32));
    plait_buf_put_u32(out, (uint32_t)bits);
}

static size_t word_of(plait_slice text)
{
    for (size_t i = 1; i < WORDS; i++)
        if (words[i].len == text.len && memcmp(words[i].text, text.ptr, text.len) == 0)
            return i;
    return 0;
}

void plait__banana_put_string(struct plait_buf *out, plait_slice text, bool vocabulary)
{
    const size_t word = vocabulary ? word_of(text) : 0;
    if (word > 0) {
        put_head(out, word, VOCAB);
        return;
    }
    put_head(out, text.len, STRING);
    plait_buf_put(out, text);
}
