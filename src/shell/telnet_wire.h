/* SPDX-License-Identifier: MIT
 *
 * Telnet's flow of bytes (RFC 854, RFC 855): data, commands, the negotiation of options, subnegotiations.
 *
 * A decoder is fed what came and gives one item after the other; it takes everything, so nothing has to be kept. What
 * is written with the functions below it reads back as it was, however it is cut.
 */
#ifndef PLAIT_SHELL_TELNET_WIRE_H
#define PLAIT_SHELL_TELNET_WIRE_H

#include <plait/telnet.h>

#define PLAIT__TELNET_SUB_MAX 8192 /* bytes of a subnegotiation, unless told otherwise */

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum plait__telnet_event {
    PLAIT__TELNET_MORE,      /* nothing; all of the input was taken */
    PLAIT__TELNET_DATA,      /* `bytes` of the application, borrowed from the input */
    PLAIT__TELNET_COMMAND,   /* IAC and `command`, which nobody need know */
    PLAIT__TELNET_NEGOTIATE, /* `command` is WILL, WONT, DO or DONT, of `option` */
    PLAIT__TELNET_SUB,       /* `bytes` of a subnegotiation of `option`, borrowed until the next call */
    PLAIT__TELNET_BAD,       /* `err`: PLAIT_ETOOLONG (a subnegotiation), PLAIT_ENOMEM; nothing more can be read */
};

struct plait__telnet_item {
    enum plait__telnet_event event;
    plait_err err;
    uint8_t command;
    uint8_t option;
    plait_slice bytes;
    size_t taken; /* bytes of the input that it covers, of PLAIT__TELNET_MORE too */
};

struct plait__telnet_decoder {
    /* The peer's side is BINARY: CR is a byte as any other. Set and cleared as the option is. */
    bool binary;
    bool cr;              /* the last byte of data was a CR, and a NUL behind it is left out */
    uint8_t state;        /* what comes next */
    uint8_t command;      /* WILL, WONT, DO or DONT whose option comes next */
    uint8_t option;       /* of the subnegotiation in `sub` */
    struct plait_buf sub; /* of a subnegotiation; has memory only from its first byte to the call after its end */
};

/* Makes a decoder whose subnegotiations have at most `sub_max` bytes (0: 8,192), counted under `budget`. */
void plait__telnet_decoder_init(struct plait__telnet_decoder *decoder, struct plait_budget *budget, size_t sub_max);

/* Gives its memory back. */
void plait__telnet_decoder_deinit(struct plait__telnet_decoder *decoder);

/* Gives the next item of the input; call it with what it did not take, until it gives PLAIT__TELNET_MORE. Unless the
 * peer's side is BINARY the NUL behind a CR is left out, so that CR NUL is CR, and CR LF is CR LF. */
struct plait__telnet_item plait__telnet_next(struct plait__telnet_decoder *decoder, plait_slice in);

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Appends data: 255 is doubled, and unless the own side is BINARY a CR that LF does not follow gets a NUL. */
void plait__telnet_put_data(struct plait_buf *out, plait_slice data, bool binary);

/* Appends a command without an argument. */
void plait__telnet_put_command(struct plait_buf *out, uint8_t command);

/* Appends WILL, WONT, DO or DONT with its option. */
void plait__telnet_put_negotiate(struct plait_buf *out, uint8_t command, uint8_t option);

/* Appends a subnegotiation; 255 is doubled in it. */
void plait__telnet_put_sub(struct plait_buf *out, uint8_t option, plait_slice payload);

#endif
