/* SPDX-License-Identifier: MIT
 *
 * AMP's codec: boxes, and the values in them.
 */
#ifndef PLAIT_RPC_AMP_WIRE_H
#define PLAIT_RPC_AMP_WIRE_H

#include <plait/amp.h>
#include <plait/framing.h>

enum {
    PLAIT__AMP_KEY_MAX = 255,
    PLAIT__AMP_VALUE_MAX = 65535,
    PLAIT__AMP_KEYS_MAX = 1024,      /* of a box */
    PLAIT__AMP_FIELDS_MAX = 63,      /* of a declaration */
    PLAIT__AMP_DEPTH_MAX = 8,        /* of lists in lists */
    PLAIT__AMP_DESCRIPTORS_MAX = 16, /* of a box */
};

/* --- boxes -------------------------------------------------------------------------------------------------------- */

/* A box decoder remembers how far it looked, so that a box that comes byte by byte costs linear work. */
struct plait__amp_decoder {
    size_t max;  /* bytes of a box with its end */
    size_t seen; /* bytes of whole pairs at the front of the current input */
    size_t keys;
};

/* Looks for a box at the front of `in`; the payload is its pairs without the end. BAD: PLAIT_EMALFORMED (an empty box),
 * PLAIT_ETOOLONG (a key over 255 bytes, too many keys, over `max`). */
struct plait_frame plait__amp_box_next(struct plait__amp_decoder *decoder, plait_slice in);

/* Takes the next pair off a box's pairs; false at the end. The wire was looked through before. */
bool plait__amp_pair(plait_slice *wire, plait_slice *key, plait_slice *value);

/* What AMP itself says in a box; a ptr of NULL is what isn't there. */
struct plait__amp_head {
    plait_slice command, ask, answer, error, code, description;
};

/* Errors: PLAIT_EMALFORMED (one of them twice; none of command, answer and error). */
plait_err plait__amp_head(plait_slice wire, struct plait__amp_head *out) PLAIT_MUST;

/* Appends a pair. */
void plait__amp_put_pair(struct plait_buf *out, plait_slice key, plait_slice value);

/* --- values; src/rpc/amp_values.c --------------------------------------------------------------------------------- */

/* What a look at a box found. */
struct plait__amp_checked {
    const char *field;    /* the one that is not as declared; static as the declaration is */
    uint64_t descriptors; /* one more than the highest number of a descriptor that is named; 0: none is */
};

/* Whether a box's pairs are as declared. Errors: PLAIT_EMALFORMED. */
plait_err plait__amp_check(const struct plait_amp_field *fields, plait_slice wire, struct plait__amp_checked *out)
    PLAIT_MUST;

/* --- scalars; src/rpc/amp_scalars.c ------------------------------------------------------------------------------- */

/* Reads text of each type. Errors: PLAIT_ESYNTAX; PLAIT_ELIMIT (a number that does not fit). */
plait_err plait__amp_integer(plait_slice text, int64_t *out) PLAIT_MUST;
plait_err plait__amp_float(plait_slice text, double *out) PLAIT_MUST;
plait_err plait__amp_decimal(plait_slice text, struct plait_amp_decimal *out) PLAIT_MUST;
plait_err plait__amp_datetime(plait_slice text, struct plait_amp_datetime *out) PLAIT_MUST;
bool plait__amp_is_big_integer(plait_slice text);
bool plait__amp_is_decimal(plait_slice text);
bool plait__amp_datetime_ok(const struct plait_amp_datetime *t);

/* Appends a number so that reading it gives the same one, as short as possible, as Python writes it. */
void plait__amp_put_float(struct plait_buf *out, double value);
void plait__amp_put_decimal(struct plait_buf *out, struct plait_amp_decimal value);
void plait__amp_put_datetime(struct plait_buf *out, const struct plait_amp_datetime *t);

#endif
