/* SPDX-License-Identifier: MIT
 *
 * Banana: the elements under jelly and Perspective Broker.
 */
#ifndef PLAIT_RPC_BANANA_WIRE_H
#define PLAIT_RPC_BANANA_WIRE_H

#include <plait/framing.h>

enum {
    PLAIT__BANANA_DIGITS_MAX = 64,       /* of a number, 7 bits each */
    PLAIT__BANANA_ITEM_MAX = 640 * 1024, /* bytes of a string, elements of a list */
};

/* A decoder remembers how far it looked, so that an element that comes byte by byte costs linear work. */
struct plait__banana_decoder {
    size_t max;          /* bytes of a whole element, with all that it holds */
    size_t elements_max; /* elements of a whole element, itself among them */
    bool vocabulary;     /* the dialect "pb" was agreed upon */
    size_t seen;         /* bytes of elements at the front of the current input that are whole */
    size_t elements;
    size_t wanted; /* elements that must still come; 0: none was begun */
};

/* Looks for an element at the front of `in`; the payload is all of it, and can be taken apart without further checks.
 * BAD: PLAIT_EMALFORMED (no such delimiter, a word outside the vocabulary, a float with a prefix), PLAIT_ETOOLONG. */
struct plait_frame plait__banana_next(struct plait__banana_decoder *decoder, plait_slice in);

enum plait__banana_kind {
    PLAIT__BANANA_LIST,
    PLAIT__BANANA_INTEGER,
    PLAIT__BANANA_BIG_INTEGER,
    PLAIT__BANANA_FLOAT,
    PLAIT__BANANA_STRING
};

struct plait__banana_element {
    enum plait__banana_kind kind;
    bool negative;    /* BIG_INTEGER */
    size_t count;     /* LIST: elements that follow and belong to it */
    int64_t integer;  /* INTEGER */
    double number;    /* FLOAT */
    plait_slice text; /* STRING: its bytes, static for words; BIG_INTEGER: digits of 7 bits, lowest first */
};

/* Takes the next element off what was looked through; a list's elements come behind it. False at the end. */
bool plait__banana_take(plait_slice *wire, struct plait__banana_element *out);

/* Appends elements. A list's `count` elements are to follow; `text` and `digits` are at most as long as the decoder
 * takes. */
void plait__banana_put_list(struct plait_buf *out, size_t count);
void plait__banana_put_integer(struct plait_buf *out, int64_t value);
void plait__banana_put_big_integer(struct plait_buf *out, bool negative, plait_slice digits);
void plait__banana_put_float(struct plait_buf *out, double value);
void plait__banana_put_string(struct plait_buf *out, plait_slice text, bool vocabulary);

#endif
