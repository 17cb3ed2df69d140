/* SPDX-License-Identifier: MIT
 *
 * SOCKS 4, 4a and 5: their messages, read and written.
 *
 * A function that reads a message of a stream gives its length in `*used`. Errors: PLAIT_EAGAIN (`in` is the beginning
 * of one), PLAIT_EMALFORMED, and what stands with it. Slices are borrowed from `in`. One that writes sets the buffer's
 * error to PLAIT_EINVAL when a text can't be said: too long, or with a byte in it that would end it.
 */
#ifndef PLAIT_SMALL_SOCKS_WIRE_H
#define PLAIT_SMALL_SOCKS_WIRE_H

#include <plait/address.h>

#define PLAIT__SOCKS_TEXT_MAX 255 /* bytes of a name, a user, a password */

enum { PLAIT__SOCKS_CONNECT = 1, PLAIT__SOCKS_BIND = 2, PLAIT__SOCKS_ASSOCIATE = 3 }; /* commands; 4 has no third */

enum { PLAIT__SOCKS_NO_LOGIN = 0, PLAIT__SOCKS_PASSWORD = 2, PLAIT__SOCKS_NO_METHOD = 0xff }; /* methods of 5 */

enum {
    PLAIT__SOCKS4_GRANTED = 90,
    PLAIT__SOCKS4_REJECTED = 91,
};

enum {
    PLAIT__SOCKS5_SUCCEEDED = 0,
    PLAIT__SOCKS5_FAILED = 1,
    PLAIT__SOCKS5_NOT_ALLOWED = 2,
    PLAIT__SOCKS5_NETWORK_UNREACHABLE = 3,
    PLAIT__SOCKS5_HOST_UNREACHABLE = 4,
    PLAIT__SOCKS5_REFUSED = 5,
    PLAIT__SOCKS5_TTL_EXPIRED = 6,
    PLAIT__SOCKS5_NO_SUCH_COMMAND = 7,
    PLAIT__SOCKS5_NO_SUCH_ADDRESS = 8,
};

/* One end of what is asked for: an address, or a name for the proxy to look up. */
struct plait__socks_end {
    plait_slice name;             /* empty: the address counts */
    struct plait_address address; /* its port counts with a name, too; of no kind it is written as 0.0.0.0 */
};

struct plait__socks_request {
    uint8_t command; /* as it came: one that nobody knows is for the reader to refuse */
    struct plait__socks_end to;
    plait_slice user; /* version 4 */
};

struct plait__socks_reply {
    uint8_t code;
    struct plait__socks_end bound;
};

/* --- version 4 ---------------------------------------------------------------------------------------------------- */

/* Also: PLAIT_ETOOLONG (user, name). */
plait_err plait__socks4_parse_request(plait_slice in, struct plait__socks_request *out, size_t *used) PLAIT_MUST;
plait_err plait__socks4_parse_reply(plait_slice in, struct plait__socks_reply *out, size_t *used) PLAIT_MUST;

/* IPv6 can't be said (PLAIT_EUNSUPPORTED in the buffer); a name makes it 4a. */
void plait__socks4_put_request(struct plait_buf *buf, const struct plait__socks_request *request);
void plait__socks4_put_reply(struct plait_buf *buf, const struct plait__socks_reply *reply);

/* --- version 5 ---------------------------------------------------------------------------------------------------- */

/* What a client begins with, and which of its methods the server took. */
plait_err plait__socks5_parse_methods(plait_slice in, plait_slice *methods, size_t *used) PLAIT_MUST;
plait_err plait__socks5_parse_method(plait_slice in, uint8_t *method, size_t *used) PLAIT_MUST;
void plait__socks5_put_methods(struct plait_buf *buf, plait_slice methods);
void plait__socks5_put_method(struct plait_buf *buf, uint8_t method);

/* User and password (RFC 1929), and whether they were right. Either may be empty: clients send that. */
plait_err plait__socks5_parse_login(plait_slice in, plait_slice *user, plait_slice *password, size_t *used) PLAIT_MUST;
plait_err plait__socks5_parse_verdict(plait_slice in, bool *right, size_t *used) PLAIT_MUST;
void plait__socks5_put_login(struct plait_buf *buf, plait_slice user, plait_slice password);
void plait__socks5_put_verdict(struct plait_buf *buf, bool right);

/* Also: PLAIT_EUNSUPPORTED (a type of address that we don't know; a request's command was read then). */
plait_err plait__socks5_parse_request(plait_slice in, struct plait__socks_request *out, size_t *used) PLAIT_MUST;
plait_err plait__socks5_parse_reply(plait_slice in, struct plait__socks_reply *out, size_t *used) PLAIT_MUST;
void plait__socks5_put_request(struct plait_buf *buf, const struct plait__socks_request *request);
void plait__socks5_put_reply(struct plait_buf *buf, const struct plait__socks_reply *reply);

/* The head of a datagram, with its data behind it. A datagram is whole: one that is cut is PLAIT_EMALFORMED, a fragment
 * PLAIT_EUNSUPPORTED, as is an unknown type of address. */
plait_err plait__socks5_parse_datagram(plait_slice in, struct plait__socks_end *end, plait_slice *data) PLAIT_MUST;
void plait__socks5_put_datagram(struct plait_buf *buf, const struct plait__socks_end *end, plait_slice data);

/* What a reply's code means for the one who asked, and which code tells of an error. */
plait_err plait__socks4_meaning(uint8_t code);
plait_err plait__socks5_meaning(uint8_t code);
uint8_t plait__socks5_code(plait_err err);

#endif
