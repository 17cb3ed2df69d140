/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames on the wire (RFC 6455 section 5): heads read and written, masks, UTF-8 as it comes, close codes.
 * Pure: no stream, no clock, no memory of its own.
 */
#ifndef PLAIT_WEB_WS_WIRE_H
#define PLAIT_WEB_WS_WIRE_H

#include <plait/bytes.h>

enum plait__ws_opcode {
    PLAIT__WS_CONTINUATION = 0,
    PLAIT__WS_TEXT = 1,
    PLAIT__WS_BINARY = 2,
    PLAIT__WS_CLOSE = 8,
    PLAIT__WS_PING = 9,
    PLAIT__WS_PONG = 10,
};

enum {
    PLAIT__WS_HEAD_MAX = 14,     /* bytes of a frame's head */
    PLAIT__WS_CONTROL_MAX = 125, /* bytes of a control frame's payload */
    PLAIT__WS_REASON_MAX = 123,  /* bytes of a close reason */
};

/* Frames of one direction being read. Fill `masked` and `may_compress`, the rest begins as zero. Invariant: `opcode`
 * and what follows it belong to the frame under way while `in_frame`. */
struct plait__ws_reader {
    bool masked;       /* frames come from a client: each must be masked, else none may be */
    bool may_compress; /* permessage-deflate was agreed on: RSV1 may stand on a message's first frame */

    bool in_frame;
    bool fin;
    bool compressed; /* the message under way */
    uint8_t opcode;  /* TEXT or BINARY for continuations too */
    uint8_t message; /* opcode of the message under way, 0 between messages */
    uint8_t mask[4]; /* turned so that the first byte is for the next byte of payload */
    uint64_t left;   /* bytes of payload still to come */
};

enum plait__ws_step {
    PLAIT__WS_MORE,  /* bytes are missing: `need` says how many there must be */
    PLAIT__WS_PIECE, /* a piece of a message's payload, perhaps empty */
    PLAIT__WS_WHOLE, /* a whole control frame */
    PLAIT__WS_BAD,   /* the frame breaks the protocol (1002): `why` says how */
};

/* What stands at the front of the input. */
struct plait__ws_view {
    enum plait__ws_step step;
    size_t head;         /* bytes of the head that stands before the piece; 0: its frame is under way */
    plait_slice payload; /* as it came: masked when the reader says so */
    uint64_t length;     /* of the whole frame, where `head` is not 0 */
    uint64_t left;       /* bytes of payload from the piece's first on */
    uint8_t opcode;      /* of the message, or of the control frame */
    uint8_t mask[4];     /* for the first byte of `payload` */
    bool first;          /* the message begins with it */
    bool last;           /* and ends with it, when the whole piece is taken */
    bool fin, compressed;
    size_t need;
    const char *why;
};

/* Looks at the front of the input; changes nothing. A head that is wrong is told at its first wrong byte. */
struct plait__ws_view plait__ws_look(const struct plait__ws_reader *reader, plait_slice in);

/* Takes what was seen of a message: the head, and the first `bytes` of the payload. A control frame changes nothing. */
void plait__ws_take(struct plait__ws_reader *reader, const struct plait__ws_view *view, size_t bytes);

/* A frame to be written. */
struct plait__ws_frame {
    uint64_t length;
    enum plait__ws_opcode opcode;
    bool fin, compressed;
    const uint8_t *mask; /* NULL: none */
};

/* Writes a frame's head; returns its length. */
size_t plait__ws_head_write(const struct plait__ws_frame *frame, uint8_t out[PLAIT__WS_HEAD_MAX]);

/* Masks or unmasks: the mask's first byte is for the first byte of `in`. `out` may be `in`'s own bytes. */
void plait__ws_mask(uint8_t *out, plait_slice in, const uint8_t mask[4]);

/* Turns a mask by so many bytes of payload. */
void plait__ws_turn(uint8_t mask[4], uint64_t bytes);

/* Text being checked. All zero is the start; `need` 0 is between characters. */
struct plait__utf8 {
    uint8_t need;      /* continuation bytes still to come */
    uint8_t low, high; /* what the next of them may be */
};

/* Checks on; false at the first byte that no UTF-8 can have there. Source: RFC 3629 section 4. */
bool plait__utf8_check(struct plait__utf8 *text, plait_slice in);

/* Whether a close frame may carry this code. Source: RFC 6455 section 7.4, IANA's registry. */
bool plait__ws_code_is_real(unsigned code);

/* Reads a close frame's unmasked payload. Returns 0, or the code to fail with: 1002, 1007. An empty payload gives
 * 1005. */
unsigned plait__ws_close_read(plait_slice payload, unsigned *code, plait_slice *reason);

#endif
