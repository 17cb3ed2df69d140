/* SPDX-License-Identifier: MIT
 *
 * Framings that protocols are built of: lines, netstrings, length prefixes, lines with literals. Each is a codec
 * without I/O that is fed what a stream lends and says what it found, and an encoder. plait_framed joins one to a
 * stream for protocols that are nothing more.
 */
#ifndef PLAIT_FRAMING_H
#define PLAIT_FRAMING_H

#include <plait/stream.h>

PLAIT_BEGIN

/* What a decoder found at the front of its input. */
enum plait_frame_event {
    PLAIT_FRAME_MORE,  /* nothing whole: feed it again, with more behind */
    PLAIT_FRAME_WHOLE, /* one frame */
    PLAIT_FRAME_BAD,   /* the peer broke the framing: `err` tells how; nothing more can be read */
};

struct plait_frame {
    enum plait_frame_event event;
    plait_slice payload; /* of a whole frame; borrowed from the input */
    size_t taken;        /* bytes of the input that it covers */
    /* MORE: bytes that must be there before it makes sense to ask again; 0 when that is not known */
    size_t need;
    plait_err err; /* BAD: PLAIT_ETOOLONG, PLAIT_EMALFORMED */
};

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* A line decoder remembers how far it looked, so that a line that comes byte by byte costs linear work. */
struct plait_line {
    plait_slice delimiter; /* static; 1 to 16 bytes, such as "\r\n" */
    size_t max;            /* bytes of a line without its delimiter */
    bool bare_lf;          /* a lone LF ends a line as CR LF does (for a delimiter of CR LF) */
    size_t seen;           /* bytes of the current input that hold no delimiter */
};

/** Makes a decoder for lines that end with CR LF or a lone LF, of at most `max` bytes (0: 8,192). */
PLAIT_API void plait_line_init(struct plait_line *line, size_t max);

/** Makes a decoder for lines that end with a delimiter of your own and nothing else. `delimiter` is static. */
PLAIT_API void plait_line_init_delimiter(struct plait_line *line, plait_slice delimiter, size_t max);

/** Looks for a line at the front of `in`; the payload is the line without its delimiter. What was not taken must stand
 * at the front of the next call's input; after bytes were taken for something else, such as a literal, call
 * plait_line_restart. */
PLAIT_API struct plait_frame plait_line_next(struct plait_line *line, plait_slice in);

/** Forgets how far the decoder looked. */
PLAIT_API void plait_line_restart(struct plait_line *line);

/* --- netstrings --------------------------------------------------------------------------------------------------- */

/** Looks for a netstring, "5:hello,", of at most `max` bytes at the front of `in`. Lengths with leading zeroes are
 * refused. Source: D. J. Bernstein, Netstrings, 1997. */
PLAIT_API struct plait_frame plait_netstring_next(plait_slice in, size_t max);

/** Appends a netstring. */
PLAIT_API void plait_netstring_put(struct plait_buf *out, plait_slice payload);

/* --- length prefixes ---------------------------------------------------------------------------------------------- */

/** Looks for a payload of at most `max` bytes behind a big-endian length of `bytes` bytes (1, 2 or 4). */
PLAIT_API struct plait_frame plait_prefix_next(plait_slice in, unsigned bytes, size_t max);

/** Appends a length of `bytes` bytes (1, 2 or 4) and the payload; one that does not fit its length sets the buffer's
 * error to PLAIT_ETOOLONG. */
PLAIT_API void plait_prefix_put(struct plait_buf *out, unsigned bytes, plait_slice payload);

/* --- lines with literals ------------------------------------------------------------------------------------------ */

/* What a line with literals announces at its end, as IMAP writes it: {12}, {12+}. */
struct plait_literal {
    uint64_t bytes;
    bool synchronizing; /* the sender waits for a word before it goes on */
};

/** Whether a line ends with the announcement of a literal. A number over `max` gives PLAIT_ETOOLONG, a brace that is
 * none PLAIT_ENOTFOUND. Errors: PLAIT_ENOTFOUND, PLAIT_ETOOLONG. Source: RFC 9051 section 4.3, RFC 7888. */
PLAIT_API plait_err plait_literal_at_end(plait_slice line, uint64_t max, struct plait_literal *out) PLAIT_MUST;

/* --- a protocol that is nothing but frames ------------------------------------------------------------------------ */

enum plait_framing { PLAIT_LINES, PLAIT_NETSTRINGS, PLAIT_PREFIX8, PLAIT_PREFIX16, PLAIT_PREFIX32 };

struct plait_framed;

/* What a user of frames implements. NULL members do nothing. */
struct plait_framed_handler {
    const char *name; /* static */
    void (*connected)(struct plait_framed *framed, void *self);
    /* One frame. Closing or pausing the stream in here keeps back those behind it. */
    void (*frame)(struct plait_framed *framed, plait_slice payload, void *self);
    /* Raw mode: everything is handed over as it comes; returns how much was taken. */
    size_t (*raw)(struct plait_framed *framed, plait_slice in, void *self);
    void (*lost)(struct plait_framed *framed, const struct plait_fault *fault, void *self);
};

/** Attaches a framing to a stream. A peer that breaks it, or sends a frame over `max` bytes (0: 65,536), ends the
 * stream with PLAIT_EMALFORMED or PLAIT_ETOOLONG; one that ends inside a frame, with PLAIT_ETRUNCATED. Errors:
 * PLAIT_ENOMEM. Ownership: `handler` is static; the framed object goes with the stream, after `lost`. Callbacks: the
 * handler's, in later turns. */
PLAIT_API plait_err plait_framed_attach(struct plait_stream *s, enum plait_framing framing, size_t max,
                                        const struct plait_framed_handler *handler, void *self,
                                        struct plait_framed **out) PLAIT_MUST;

/** Sends one frame; a payload over the framing's or the limit's length aborts the stream with PLAIT_ETOOLONG, a line
 * with its delimiter inside with PLAIT_EINVAL. */
PLAIT_API void plait_framed_send(struct plait_framed *framed, plait_slice payload);

/** Switches raw mode: bytes go to `raw` as they come, or are frames again. */
PLAIT_API void plait_framed_raw(struct plait_framed *framed, bool on);

/** Stream under the frames. Ownership: borrowed until `lost` returns. */
PLAIT_API struct plait_stream *plait_framed_stream(struct plait_framed *framed);

PLAIT_END
#endif
