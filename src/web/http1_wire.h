/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 on the wire (RFC 9112): heads and chunks from bytes, heads and chunks to bytes. Pure: no stream, no clock.
 */
#ifndef PLAIT_WEB_HTTP1_WIRE_H
#define PLAIT_WEB_HTTP1_WIRE_H

#include <plait/bytes.h>

enum {
    PLAIT__HTTP1_HEAD_MAX = 16384,   /* bytes of a head */
    PLAIT__HTTP1_TARGET_MAX = 8192,  /* bytes of a request's target */
    PLAIT__HTTP1_METHOD_MAX = 32,    /* bytes of a method */
    PLAIT__HTTP1_FIELDS_MAX = 100,   /* fields of a head */
    PLAIT__HTTP1_LINE_MAX = 1024,    /* bytes of a chunk's size with its extensions */
    PLAIT__HTTP1_TRAILER_MAX = 8192, /* bytes of a trailer section */
    PLAIT__HTTP1_EXCESS_MAX = 16384, /* bytes of all size lines of a body, beyond 16 and twice the data for each */
};

enum plait__http1_step {
    PLAIT__HTTP1_MORE, /* bytes are missing */
    PLAIT__HTTP1_DONE, /* complete */
    PLAIT__HTTP1_BAD,  /* refused: `status` says how (a request), the text of it is not to be believed */
    PLAIT__HTTP1_DATA, /* chunks only: a piece of the body */
};

/* Where a field stands, as offsets from the window's start. */
struct plait__http1_field {
    uint16_t name, name_len, value, value_len;
};

/* A head, and how far reading it has come. Offsets are from the start of the window, in which the head stays whole
 * until it is done; the same window grown longer is given again. Invariant: everything before `at` was judged, and
 * `at` is the start of a line; no line end stands in [at, scanned). */
struct plait__http1_head {
    uint32_t at; /* DONE: bytes of the head */
    uint32_t scanned;
    bool response;
    bool chunked;    /* Transfer-Encoding: chunked */
    bool has_length; /* Content-Length */
    bool has_coding; /* some Transfer-Encoding */
    bool has_host;
    bool close;      /* Connection: close */
    bool keep_alive; /* Connection: keep-alive */
    bool expect;     /* Expect: 100-continue */
    uint8_t phase;
    uint8_t minor;   /* HTTP/1.minor, 1 for anything above */
    uint16_t status; /* a request's refusal (400, 414 …), a response's status code */
    uint16_t method, method_len;
    uint16_t target, target_len; /* a response's reason */
    uint16_t host, host_len;     /* value of the Host field */
    uint16_t count;
    uint64_t length; /* of Content-Length */
    struct plait__http1_field field[PLAIT__HTTP1_FIELDS_MAX];
};

/* Makes a head that has read nothing. The fields are left as they are. */
void plait__http1_head_init(struct plait__http1_head *head, bool response);

/* Reads on. Work is linear in the bytes that came, however they were cut. */
enum plait__http1_step plait__http1_head_read(struct plait__http1_head *head, plait_slice window);

/* Finds the first field of a name in lower case; NULL ptr when there is none. */
plait_slice plait__http1_head_field(const struct plait__http1_head *head, const uint8_t *base, plait_slice name);

/* Whether a comma-separated list has an element, without regard to case. */
bool plait__http1_list_has(plait_slice list, plait_slice element);

/* Whether text is a token (RFC 9110 section 5.6.2). */
bool plait__http1_is_token(plait_slice text);

/* Whether text may stand as a request's target. */
bool plait__http1_is_target(plait_slice text);

/* Whether text may stand as a field's value: no control characters but tabs, nothing to trim. */
bool plait__http1_is_value(plait_slice text);

/* Whether text is a host with or without a port, or empty. */
bool plait__http1_is_host(plait_slice text);

/* A chunked body being read. All zero is the start. */
struct plait__http1_chunks {
    uint64_t left;    /* bytes of this chunk's data still to come */
    uint32_t trailer; /* bytes of the trailer section so far */
    uint32_t excess;  /* bytes of size lines beyond what the data is worth */
    uint16_t line;    /* bytes of this size line so far */
    uint8_t state;
    struct plait_buf *kept; /* where the trailer section's lines go; NULL: they are dropped */
};

/* Reads on: takes `*used` bytes. DATA gives a piece in `*data` (never empty); call again with the rest. DONE took the
 * trailer section too. */
enum plait__http1_step plait__http1_chunks_read(struct plait__http1_chunks *chunks, plait_slice in, size_t *used,
                                                plait_slice *data);

#define PLAIT__HTTP1_CHUNK_HEAD 18 /* bytes that a chunk's size line needs at most */

/* Writes a chunk's size line; returns its length. The data and "\r\n" follow. The end is a chunk of 0. */
size_t plait__http1_chunk_head(uint64_t size, uint8_t out[PLAIT__HTTP1_CHUNK_HEAD]);

enum plait__http1_framing { PLAIT__HTTP1_NO_BODY, PLAIT__HTTP1_LENGTH, PLAIT__HTTP1_CHUNKED, PLAIT__HTTP1_UNTIL_CLOSE };

/* A response's head to be. */
struct plait__http1_answer {
    int status;
    enum plait__http1_framing framing;
    uint64_t length;
    const char *connection; /* "close", "keep-alive" or NULL for no field */
    const char *upgrade;    /* protocol that the connection goes on in, or NULL */
    plait_slice common;     /* ready lines: Server and Date */
    plait_slice type;       /* Content-Type, or empty */
    plait_slice more;       /* ready lines, each with its CRLF */
};

/* Appends a response's head. Errors: in the buffer. */
void plait__http1_answer_write(struct plait_buf *out, const struct plait__http1_answer *answer);

/* Finds field number `i` among ready lines, such as a trailer section's; false when there are fewer. */
bool plait__http1_line_at(plait_slice lines, size_t i, plait_slice *name, plait_slice *value);

/* Sentence of a status code. */
const char *plait__http_reason(int status);

#endif
