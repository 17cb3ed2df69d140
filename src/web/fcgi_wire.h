/* SPDX-License-Identifier: MIT
 *
 * FastCGI's records (FastCGI Specification 1.0 sections 3, 5 and 8). Pure: no stream, no clock. A connection carries
 * one request at a time, number 1. Ours is the side that asks.
 */
#ifndef PLAIT_WEB_FCGI_WIRE_H
#define PLAIT_WEB_FCGI_WIRE_H

#include <plait/bytes.h>

enum plait__fcgi_type {
    PLAIT__FCGI_BEGIN = 1,
    PLAIT__FCGI_ABORT = 2,
    PLAIT__FCGI_END = 3,
    PLAIT__FCGI_PARAMS = 4,
    PLAIT__FCGI_STDIN = 5,
    PLAIT__FCGI_STDOUT = 6,
    PLAIT__FCGI_STDERR = 7,
};

enum { PLAIT__FCGI_HEADER = 8, PLAIT__FCGI_CONTENT_MAX = 65535, PLAIT__FCGI_REQUEST = 1 };

enum plait__fcgi_event {
    PLAIT__FCGI_MORE,  /* all is taken */
    PLAIT__FCGI_PIECE, /* of a record's content; an empty one ends a stream */
    PLAIT__FCGI_OVER,  /* END_REQUEST: `app_status`, `protocol_status` */
    PLAIT__FCGI_BAD,   /* another version, another request's record, an END_REQUEST that is none */
};

/* What comes. All zero is the start. */
struct plait__fcgi_reader {
    uint8_t header[PLAIT__FCGI_HEADER];
    uint8_t body[PLAIT__FCGI_HEADER]; /* END_REQUEST's */
    uint8_t have, body_have, padding;
    uint16_t left; /* of the content */
    uint8_t type;
    uint32_t app_status;
    uint8_t protocol_status;
};

/* Reads on: takes `*used` bytes. PIECE gives a piece of a record of r->type in `*piece`; call again with the rest. */
enum plait__fcgi_event plait__fcgi_read(struct plait__fcgi_reader *r, plait_slice in, size_t *used, plait_slice *piece);

/* Appends BEGIN_REQUEST of a responder; `keep`: the connection is to stay open behind it. Errors: in the buffer, here
 * and below. */
void plait__fcgi_begin(struct plait_buf *out, bool keep);
/* As many records as the content needs; none for an empty one. */
void plait__fcgi_write(struct plait_buf *out, enum plait__fcgi_type type, plait_slice content);
/* The empty record that ends a stream. */
void plait__fcgi_empty(struct plait_buf *out, enum plait__fcgi_type type);

/* Appends a name and its value to the content of PARAMS. */
void plait__fcgi_pair(struct plait_buf *out, plait_slice name, plait_slice value);

#endif
