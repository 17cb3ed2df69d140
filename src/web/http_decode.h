/* SPDX-License-Identifier: MIT
 *
 * Content codings undone as they come: gzip, deflate, br (RFC 9110 section 8.4.1). No stream, no clock.
 */
#ifndef PLAIT_WEB_HTTP_DECODE_H
#define PLAIT_WEB_HTTP_DECODE_H

#include <plait/bytes.h>

/* Codings that the client asks for, as the value of Accept-Encoding. */
extern const char plait__decode_accepts[];

struct plait__decoder;

/* Takes a decoded piece. An error ends decoding with it. */
typedef plait_err (*plait__decode_fn)(plait_slice piece, void *ctx);

/* Makes a decoder for the value of Content-Encoding; NULL in `*out` for one that names no coding, or one that we don't
 * know: the body is then given as it is. `most` bytes may come out (0: any number). Errors: PLAIT_ELIMIT (more than
 * three codings), PLAIT_ENOMEM. */
plait_err plait__decoder_new(struct plait_budget *budget, plait_slice codings, uint64_t most,
                             struct plait__decoder **out) PLAIT_MUST;
void plait__decoder_free(struct plait__decoder **decoder);

/* Decodes a piece. Errors: PLAIT_EMALFORMED, PLAIT_ELIMIT (a bomb: too much came out of too little), PLAIT_ETOOLONG
 * (more than `most`), `fn`'s own. */
plait_err plait__decoder_take(struct plait__decoder *decoder, plait_slice piece, plait__decode_fn fn, void *ctx)
    PLAIT_MUST;

/* The body is over. Errors: PLAIT_ETRUNCATED (a coding was not at its end). */
plait_err plait__decoder_end(const struct plait__decoder *decoder) PLAIT_MUST;

#endif
