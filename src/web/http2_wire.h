/* SPDX-License-Identifier: MIT
 *
 * What is looked at of HTTP/2's frames (RFC 9113 section 4) before nghttp2 reads them: their heads, which streams the
 * client has ended, and how often it asks for work that leads nowhere. Pure: no stream, no clock.
 */
#ifndef PLAIT_WEB_HTTP2_WIRE_H
#define PLAIT_WEB_HTTP2_WIRE_H

#include <plait/bytes.h>
#include <plait/time.h>

#define PLAIT__H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum {
    PLAIT__H2_PREFACE_BYTES = 24,
    PLAIT__H2_FRAME_HEAD = 9,
    PLAIT__H2_ENDED = 32,  /* streams remembered whose client said all */
    PLAIT__H2_SKIPPED = 4, /* gaps remembered in the streams' numbers */
};

enum plait__h2_type {
    PLAIT__H2_DATA,
    PLAIT__H2_HEADERS,
    PLAIT__H2_PRIORITY,
    PLAIT__H2_RST_STREAM,
    PLAIT__H2_SETTINGS,
    PLAIT__H2_PUSH_PROMISE,
    PLAIT__H2_PING,
    PLAIT__H2_GOAWAY,
    PLAIT__H2_WINDOW_UPDATE,
    PLAIT__H2_CONTINUATION,
    PLAIT__H2_PRIORITY_UPDATE = 16,
};

enum { PLAIT__H2_END_STREAM = 1, PLAIT__H2_ACK = 1, PLAIT__H2_END_HEADERS = 4 };

struct plait__h2_frame {
    uint32_t length;
    uint32_t stream;
    uint8_t type, flags;
};

/* What was seen so far. Invariant: `left` bytes of payload (or of the preface) come before the next head, of which
 * `have` bytes are in `head`. */
struct plait__h2_watch {
    uint32_t left;
    uint32_t last;                          /* the highest stream that was opened */
    uint32_t ended[PLAIT__H2_ENDED];        /* the latest streams that the client ended, in a ring */
    uint32_t skipped[PLAIT__H2_SKIPPED][2]; /* first and last stream of the latest gaps, in a ring */
    uint8_t ended_at, skipped_at;
    uint8_t have;
    uint8_t type; /* of the frame whose payload comes */
    bool preface; /* what is left is the preface */
    bool block;   /* a block of fields is open: CONTINUATION is to come */
    uint8_t head[PLAIT__H2_FRAME_HEAD];
};

/* Begins; `server`: the client's preface comes first. */
void plait__h2_watch_init(struct plait__h2_watch *watch, bool server);

/* Finds the next frame's head from `*at` on, and moves `*at` behind it; payloads are stepped over. False: `in` ends
 * before. Work is a frame's, not a byte's. */
bool plait__h2_watch_next(struct plait__h2_watch *watch, plait_slice in, size_t *at, struct plait__h2_frame *frame);

enum plait__h2_verdict {
    PLAIT__H2_RIGHT,
    PLAIT__H2_CLOSED, /* the client had ended that stream (RFC 9113 section 5.1): STREAM_CLOSED */
    PLAIT__H2_WRONG,  /* no such frame on such a stream (sections 5.1.1 and 6.3): PROTOCOL_ERROR */
};

/* Judges a frame by its stream, and notes what it does to it. */
enum plait__h2_verdict plait__h2_watch_stream(struct plait__h2_watch *watch, const struct plait__h2_frame *frame);

/* Whether more bytes must come before anything can be done: of the preface, of a head, of a frame that is no DATA. */
bool plait__h2_watch_waits(const struct plait__h2_watch *watch);

/* A bucket that leaks: so many units at once, so many more a second. All zero is empty. */
struct plait__h2_bucket {
    plait_time at;
    uint64_t level; /* in thousandths */
};

/* Adds a unit. False: it is more than `max`. */
bool plait__h2_bucket_add(struct plait__h2_bucket *bucket, plait_time now, size_t max, size_t per_second);
/* Takes units back. */
void plait__h2_bucket_earn(struct plait__h2_bucket *bucket, size_t units);

#endif
