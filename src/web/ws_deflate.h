/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate's two flows of bytes over zlib, their memory counted (RFC 7692 section 7.2).
 */
#ifndef PLAIT_WEB_WS_DEFLATE_H
#define PLAIT_WEB_WS_DEFLATE_H

#include "web/ws_handshake.h"

struct plait__ws_deflate;

/* What zlib needs is allocated with the first compressed message of each way. NULL: no memory. */
struct plait__ws_deflate *plait__ws_deflate_new(struct plait_budget *budget, const struct plait__ws_terms *terms,
                                                bool client) PLAIT_MUST;
void plait__ws_deflate_free(struct plait__ws_deflate *deflate);

/* Compresses a part of a message, so that the peer can read all of it; `last` ends the message. Errors: PLAIT_ENOMEM,
 * the buffer's. */
plait_err plait__ws_deflate(struct plait__ws_deflate *deflate, plait_slice part, bool last, struct plait_buf *out)
    PLAIT_MUST;

/* Decompresses into `out`; takes what it used off the front of `in`. All of `in` is through when it is empty and less
 * was made than there was room for. Errors: PLAIT_EMALFORMED, PLAIT_ENOMEM. */
plait_err plait__ws_inflate(struct plait__ws_deflate *deflate, plait_slice *in, uint8_t *out, size_t room, size_t *made)
    PLAIT_MUST;

/* Bytes that a sender leaves off a message's end, and a reader puts there again. */
#define PLAIT__WS_TAIL PLAIT_LIT("\x00\x00\xff\xff")

/* A message is through, its tail too. Errors: PLAIT_EMALFORMED (it ended inside a block). */
plait_err plait__ws_inflate_end(struct plait__ws_deflate *deflate) PLAIT_MUST;

#endif
