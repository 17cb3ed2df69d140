/* SPDX-License-Identifier: MIT
 *
 * Telnet, both sides: a connection over any stream that negotiates options, carries data, and tells what the peer's
 * terminal is. Which options may be on is said once, as data; BINARY, STATUS, TIMING-MARK, TTYPE, NAWS and NEW-ENVIRON
 * are seen to, and the others' subnegotiations are for the handler.
 *
 * Per connection the callbacks come in this order: `connected`, then the others in any number, `lost` exactly once and
 * last. No callback runs inside a call that the user made. Closing, pausing, addresses and marks are the stream's:
 * plait_telnet_stream.
 */
#ifndef PLAIT_TELNET_H
#define PLAIT_TELNET_H

#include <plait/stream.h>

PLAIT_BEGIN

/* What follows IAC (RFC 854; the first three RFC 1184, EOR RFC 885). */
enum {
    PLAIT_TELNET_EOF = 236,
    PLAIT_TELNET_SUSP = 237,
    PLAIT_TELNET_ABORT = 238,
    PLAIT_TELNET_EOR = 239,
    PLAIT_TELNET_SE = 240,
    PLAIT_TELNET_NOP = 241,
    PLAIT_TELNET_DM = 242,
    PLAIT_TELNET_BRK = 243,
    PLAIT_TELNET_IP = 244,
    PLAIT_TELNET_AO = 245,
    PLAIT_TELNET_AYT = 246,
    PLAIT_TELNET_EC = 247,
    PLAIT_TELNET_EL = 248,
    PLAIT_TELNET_GA = 249,
    PLAIT_TELNET_SB = 250,
    PLAIT_TELNET_WILL = 251,
    PLAIT_TELNET_WONT = 252,
    PLAIT_TELNET_DO = 253,
    PLAIT_TELNET_DONT = 254,
    PLAIT_TELNET_IAC = 255,
};

/* Options (the registry's numbers; those from 70 on are the MUDs' own). */
enum {
    PLAIT_TELNET_BINARY = 0,
    PLAIT_TELNET_ECHO = 1,
    PLAIT_TELNET_SGA = 3,
    PLAIT_TELNET_STATUS = 5,
    PLAIT_TELNET_TIMING_MARK = 6,
    PLAIT_TELNET_TTYPE = 24,
    PLAIT_TELNET_END_OF_RECORD = 25,
    PLAIT_TELNET_NAWS = 31,
    PLAIT_TELNET_TSPEED = 32,
    PLAIT_TELNET_LFLOW = 33,
    PLAIT_TELNET_LINEMODE = 34,
    PLAIT_TELNET_XDISPLOC = 35,
    PLAIT_TELNET_NEW_ENVIRON = 39,
    PLAIT_TELNET_CHARSET = 42,
    PLAIT_TELNET_MSSP = 70,
    PLAIT_TELNET_COMPRESS2 = 86,
    PLAIT_TELNET_GMCP = 201,
};

/* An option is two: one for what we do (WILL, WONT), one for what the peer does (DO, DONT). */
enum plait_telnet_side { PLAIT_TELNET_US, PLAIT_TELNET_HIM };

struct plait_telnet;

/* What a user of telnet implements. NULL members do nothing. */
struct plait_telnet_handler {
    const char *name; /* static; in logs and metrics */

    /* The connection is open; what the options want asked for has been asked for. */
    void (*connected)(struct plait_telnet *telnet, void *self);

    /* Data, lent for the call: IAC as one byte, and unless the peer's side is BINARY, CR NUL as CR. A line ends with
     * CR LF; a terminal whose side is character by character may send CR alone. */
    void (*data)(struct plait_telnet *telnet, plait_slice data, void *self);

    /* A command without an argument: PLAIT_TELNET_IP, PLAIT_TELNET_AYT, … NOP, too. */
    void (*command)(struct plait_telnet *telnet, uint8_t command, void *self);

    /* An option went on or off; or, with `on` false, the peer refused one that we asked for. */
    void (*changed)(struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option, bool on, void *self);

    /* The size of the peer's window, 0 where he does not know it (NAWS is on on his side). */
    void (*window)(struct plait_telnet *telnet, unsigned columns, unsigned rows, void *self);

    /* A name of the peer's terminal, printable ASCII of at most 255 bytes, the best first; he is asked until one comes
     * twice, and at most 8 times (TTYPE is on on his side). */
    void (*terminal)(struct plait_telnet *telnet, plait_slice name, void *self);

    /* A variable of the peer's environment, any bytes at all; `value` NULL where it has none (NEW-ENVIRON is on on his
     * side). Nobody has vouched for it. */
    void (*variable)(struct plait_telnet *telnet, plait_slice name, const plait_slice *value, void *self);

    /* A subnegotiation of another option, which is on on a side. */
    void (*sub)(struct plait_telnet *telnet, uint8_t option, plait_slice payload, void *self);

    /* Output fell to the low-water mark after it stood above the high one. */
    void (*room)(struct plait_telnet *telnet, void *self);

    /* The peer ended his side; the stream closes behind it. */
    void (*eof)(struct plait_telnet *telnet, void *self);

    /* It is over, as a stream's `lost`. PLAIT_ETOOLONG: a subnegotiation over the limit. The pointer is invalid once
     * this returns. */
    void (*lost)(struct plait_telnet *telnet, const struct plait_fault *fault, void *self);
};

/* What may be on. Whoever ASKs also MAY; what is not here is refused. */
enum {
    PLAIT_TELNET_WE_MAY = 1,
    PLAIT_TELNET_HE_MAY = 2,
    PLAIT_TELNET_WE_ASK = 4, /* to do it, as soon as the connection is open: WILL */
    PLAIT_TELNET_HE_ASK = 8, /* him to do it: DO */
};

struct plait_telnet_rule {
    uint8_t option;
    unsigned flags;
};

struct plait_telnet_variable {
    const char *name;
    const char *value;
};

/* The zero value of every member is its default. The struct is copied; what it points to is borrowed until `lost`. */
struct plait_telnet_options {
    const struct plait_telnet_rule *rules;
    size_t rule_count;
    size_t sub_max; /* bytes of a subnegotiation; 8,192 */
    /* What we tell when our side is on: */
    const char *terminal;                          /* TTYPE: printable ASCII, 1 to 255 bytes; "UNKNOWN" */
    uint16_t columns, rows;                        /* NAWS, at the beginning; 0: not known */
    const struct plait_telnet_variable *variables; /* NEW-ENVIRON: these and no others */
    size_t variable_count;
    void *reserved[4];
};

/** Attaches telnet to a stream, on either side of a connection. `options` may be NULL (everything is refused), `out`
 * too. Errors: PLAIT_EINVAL (the terminal's name), PLAIT_ENOMEM. Ownership: `handler` is static; the telnet object goes
 * with the stream, after `lost`. Callbacks: the handler's, in later turns. Source: RFC 854, RFC 855, RFC 1143. */
PLAIT_API plait_err plait_telnet_attach(struct plait_stream *s, const struct plait_telnet_options *options,
                                        const struct plait_telnet_handler *handler, void *self,
                                        struct plait_telnet **out) PLAIT_MUST;

/** Sends data: 255 is doubled, and unless our side is BINARY a CR without LF gets its NUL. A line ends with CR LF. What
 * fails arrives as `lost`. */
PLAIT_API void plait_telnet_write(struct plait_telnet *telnet, plait_slice data);

/** Sends a command without an argument, PLAIT_TELNET_EOF to PLAIT_TELNET_GA but for SE; another one does nothing. */
PLAIT_API void plait_telnet_command(struct plait_telnet *telnet, uint8_t command);

/** Wants an option on or off. What is so already leads to nothing; while an earlier request has no answer the wish is
 * kept until then. Callbacks: `changed` later, when the peer agreed or refused; none for what we turn off. Source: RFC
 * 1143. */
PLAIT_API void plait_telnet_ask(struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option, bool on);

/** Whether an option is on: both have agreed. */
PLAIT_API bool plait_telnet_is_on(const struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option);

/** Sends a subnegotiation. Errors: PLAIT_ESTATE (the option is on on no side; nothing is sent). */
PLAIT_API plait_err plait_telnet_sub(struct plait_telnet *telnet, uint8_t option, plait_slice payload);

/** Says that our window has another size: at once if NAWS is on on our side, else when it goes on. */
PLAIT_API void plait_telnet_window(struct plait_telnet *telnet, uint16_t columns, uint16_t rows);

/** Stream below, for closing, pausing, marks and what it can be asked. Writing to it breaks the flow. Ownership:
 * borrowed until `lost` returns. */
PLAIT_API struct plait_stream *plait_telnet_stream(struct plait_telnet *telnet);

PLAIT_END
#endif
