/* SPDX-License-Identifier: MIT
 *
 * Text: classes of ASCII bytes, escaping for people and machines, percent, base64 and hexadecimal coding, UTF-8.
 */
#ifndef PLAIT_BASE_TEXT_H
#define PLAIT_BASE_TEXT_H

#include <plait/bytes.h>

/* Classes, fit for plait_scan_while. Tokens are RFC 9110 section 5.6.2's. */
bool plait__is_digit(uint8_t byte);
bool plait__is_alpha(uint8_t byte);
bool plait__is_alnum(uint8_t byte);
bool plait__is_hex(uint8_t byte);
bool plait__is_token(uint8_t byte);
bool plait__is_printable(uint8_t byte); /* 0x20 to 0x7e */
uint8_t plait__lower(uint8_t byte);

/* Value of a hexadecimal digit, or -1. */
int plait__hex_value(uint8_t byte);

/* One byte as printable text: itself, or \n \r \t \\ \xNN. Returns the length, at most 4; not terminated. */
size_t plait__escape_byte(uint8_t byte, char out[8]);

/* The byte (or UTF-8 sequence) at *at as the inside of a JSON string; *at is moved to its last byte. Returns the
 * length, at most 6; a byte that is no UTF-8 becomes \u00NN. Source: RFC 8259 section 7. */
size_t plait__escape_json(plait_slice bytes, size_t *at, char out[8]);

/* Appends bytes escaped; at most `max` of them, then "...". */
void plait__put_escaped(struct plait_buf *buf, plait_slice bytes, size_t max);

/* Appends text with & < > " ' made harmless in HTML. */
void plait__put_html(struct plait_buf *buf, plait_slice text);

/* Bytes of the UTF-8 sequence that begins at `s`, 0 when there is none that is well-formed. Source: RFC 3629. */
size_t plait__utf8_len(plait_slice s);
bool plait__is_utf8(plait_slice s);

/* Percent coding (RFC 3986 section 2.1). Decoding refuses a '%' without two digits: PLAIT_ESYNTAX. Encoding keeps
 * unreserved bytes and those in `keep`, which may be NULL. */
plait_err plait__percent_decode(plait_slice in, struct plait_buf *out) PLAIT_MUST;
void plait__percent_encode(struct plait_buf *out, plait_slice in, const char *keep);

/* Base64 (RFC 4648 section 4), padded and strict. */
void plait__base64_encode(struct plait_buf *out, plait_slice in);
plait_err plait__base64_decode(plait_slice in, struct plait_buf *out) PLAIT_MUST;

/* Lower-case hexadecimal; decoding takes either case: PLAIT_ESYNTAX. */
void plait__hex_encode(struct plait_buf *out, plait_slice in);
plait_err plait__hex_decode(plait_slice in, struct plait_buf *out) PLAIT_MUST;

#endif
