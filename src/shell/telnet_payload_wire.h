/* SPDX-License-Identifier: MIT
 *
 * What subnegotiations of telnet say, as plait__telnet_item.bytes brings them and plait__telnet_put_sub sends them:
 * without the option before them, and with 255 as itself.
 *
 * A function that reads one gives PLAIT_EMALFORMED for what is none; slices are borrowed from the payload. Lists are
 * walked with a cursor over what was read: a function that gives the next entry returns false at the end, and at what
 * is no entry; plait_scan_done tells which. One that writes appends to a payload; what can't be said sets the buffer's
 * error to PLAIT_EINVAL.
 */
#ifndef PLAIT_SHELL_TELNET_PAYLOAD_WIRE_H
#define PLAIT_SHELL_TELNET_PAYLOAD_WIRE_H

#include "shell/telnet_wire.h"

#define PLAIT__TELNET_NAME_MAX 255 /* bytes of a terminal type, a speed, a display, a character set */

/* --- NAWS (RFC 1073): the size of the peer's window --------------------------------------------------------------- */

struct plait__telnet_window {
    uint16_t columns, rows; /* 0: not known */
};

plait_err plait__telnet_parse_window(plait_slice payload, struct plait__telnet_window *out) PLAIT_MUST;
void plait__telnet_put_window(struct plait_buf *payload, const struct plait__telnet_window *window);

/* --- TTYPE, TSPEED, XDISPLOC (RFC 1091, RFC 1079, RFC 1096): SEND asks for a name, IS tells it -------------------- */

/* Whether a text may be one: 1 to 255 bytes of printable ASCII. */
bool plait__telnet_is_name(plait_slice name);

/* A request has `send` set and no name. A name is printable ASCII; an empty one is none. */
plait_err plait__telnet_parse_name(plait_slice payload, bool *send, plait_slice *name) PLAIT_MUST;
void plait__telnet_put_send(struct plait_buf *payload);
void plait__telnet_put_name(struct plait_buf *payload, plait_slice name);

/* What a terminal of the MUDs can do: the third name that it tells for TTYPE is "MTTS" and a sum of these. */
enum {
    PLAIT__MTTS_ANSI = 1,
    PLAIT__MTTS_VT100 = 2,
    PLAIT__MTTS_UTF8 = 4,
    PLAIT__MTTS_COLOURS_256 = 8,
    PLAIT__MTTS_MOUSE = 16,
    PLAIT__MTTS_OSC_COLOURS = 32,
    PLAIT__MTTS_SCREEN_READER = 64,
    PLAIT__MTTS_PROXY = 128,
    PLAIT__MTTS_TRUECOLOUR = 256,
    PLAIT__MTTS_MNES = 512,
    PLAIT__MTTS_MSLP = 1024,
    PLAIT__MTTS_TLS = 2048,
};

/* Reads a name as "MTTS 137"; false when it is another. */
bool plait__telnet_parse_mtts(plait_slice name, uint32_t *bits);

/* --- NEW-ENVIRON (RFC 1572): variables ---------------------------------------------------------------------------- */

enum { PLAIT__ENVIRON_IS = 0, PLAIT__ENVIRON_SEND = 1, PLAIT__ENVIRON_INFO = 2 };

struct plait__telnet_variable {
    bool user;        /* USERVAR, the user's own; else VAR, one that the RFC has */
    bool defined;     /* has a value, which may be empty */
    plait_slice name; /* empty in a SEND: all of the kind */
    plait_slice value;
};

/* Reads which of the three it is; the variables are walked with `rest`. */
plait_err plait__telnet_parse_environ(plait_slice payload, uint8_t *kind, struct plait_scan *rest) PLAIT_MUST;

/* Name and value come as they were sent; plait__telnet_put_unescaped makes them what they are. */
bool plait__telnet_next_variable(struct plait_scan *rest, struct plait__telnet_variable *out);
void plait__telnet_put_unescaped(struct plait_buf *out, plait_slice text);

/* Begins a payload (one of the three), and appends a variable, whose name and value are escaped here. */
void plait__telnet_put_environ(struct plait_buf *payload, uint8_t kind);
void plait__telnet_put_variable(struct plait_buf *payload, const struct plait__telnet_variable *variable);

/* --- LINEMODE (RFC 1184): who edits lines ------------------------------------------------------------------------- */

enum plait__linemode_kind { PLAIT__LINEMODE_MODE = 1, PLAIT__LINEMODE_FORWARDMASK = 2, PLAIT__LINEMODE_SLC = 3 };

enum {
    PLAIT__MODE_EDIT = 1,
    PLAIT__MODE_TRAPSIG = 2,
    PLAIT__MODE_ACK = 4,
    PLAIT__MODE_SOFT_TAB = 8,
    PLAIT__MODE_LIT_ECHO = 16,
};

struct plait__telnet_linemode {
    enum plait__linemode_kind kind;
    uint8_t mode;           /* of a MODE */
    uint8_t command;        /* of a FORWARDMASK: WILL, WONT, DO or DONT */
    plait_slice mask;       /* of a DO FORWARDMASK: at most 32 bytes, which plait__telnet_forwards reads */
    struct plait_scan rest; /* of an SLC: its triplets */
};

plait_err plait__telnet_parse_linemode(plait_slice payload, struct plait__telnet_linemode *out) PLAIT_MUST;
void plait__telnet_put_mode(struct plait_buf *payload, uint8_t mode);
void plait__telnet_put_forwardmask(struct plait_buf *payload, uint8_t command, plait_slice mask);

/* Whether a character makes the peer send what it holds. */
bool plait__telnet_forwards(plait_slice mask, uint8_t character);

/* What a MODE leads to: the new mode goes to *mode; returns whether to send it back, as `answer`. `can` is which of
 * SOFT_TAB and LIT_ECHO we do. Source: RFC 1184 section 2.2. */
bool plait__telnet_heard_mode(uint8_t *mode, uint8_t heard, bool server, uint8_t can, uint8_t *answer);

enum { PLAIT__SLC_NOSUPPORT = 0, PLAIT__SLC_CANTCHANGE = 1, PLAIT__SLC_VALUE = 2, PLAIT__SLC_DEFAULT = 3 };
enum { PLAIT__SLC_LEVEL = 3, PLAIT__SLC_FLUSHOUT = 32, PLAIT__SLC_FLUSHIN = 64, PLAIT__SLC_ACK = 128 };

struct plait__telnet_slc {
    uint8_t function;  /* SLC_SYNCH is 1 … SLC_EEOL 30; 0: all of them */
    uint8_t modifiers; /* a level and flags */
    uint8_t character;
};

bool plait__telnet_next_slc(struct plait_scan *rest, struct plait__telnet_slc *out);
void plait__telnet_put_slc_begin(struct plait_buf *payload);
void plait__telnet_put_slc(struct plait_buf *payload, const struct plait__telnet_slc *slc);

/* --- CHARSET (RFC 2066) ------------------------------------------------------------------------------------------- */

enum plait__charset_kind {
    PLAIT__CHARSET_REQUEST = 1,
    PLAIT__CHARSET_ACCEPTED = 2,
    PLAIT__CHARSET_REJECTED = 3,
    PLAIT__CHARSET_TTABLE_IS = 4,
    PLAIT__CHARSET_TTABLE_REJECTED = 5,
    PLAIT__CHARSET_TTABLE_ACK = 6,
    PLAIT__CHARSET_TTABLE_NAK = 7,
};

struct plait__telnet_charset {
    enum plait__charset_kind kind;
    plait_slice name;       /* of ACCEPTED */
    uint8_t separator;      /* of REQUEST */
    struct plait_scan rest; /* of REQUEST: the names */
};

/* A REQUEST's offer of a table is passed over. */
plait_err plait__telnet_parse_charset(plait_slice payload, struct plait__telnet_charset *out) PLAIT_MUST;
bool plait__telnet_next_charset(struct plait__telnet_charset *request, plait_slice *name);

/* REQUEST is begun and then gets its names, each of which has ';' before it. */
void plait__telnet_put_charset_request(struct plait_buf *payload);
void plait__telnet_put_charset_name(struct plait_buf *payload, plait_slice name);
void plait__telnet_put_charset_accepted(struct plait_buf *payload, plait_slice name);
void plait__telnet_put_charset_word(struct plait_buf *payload, enum plait__charset_kind kind); /* the others */

/* --- STATUS (RFC 859): what the peer takes the options to be ------------------------------------------------------ */

enum { PLAIT__STATUS_IS = 0, PLAIT__STATUS_SEND = 1 };

struct plait__telnet_status {
    uint8_t command; /* WILL or DO: an option that is on; SB: what was agreed on in one */
    uint8_t option;
    plait_slice bytes; /* of an SB, with SE doubled */
};

plait_err plait__telnet_parse_status(plait_slice payload, uint8_t *kind, struct plait_scan *rest) PLAIT_MUST;
bool plait__telnet_next_status(struct plait_scan *rest, struct plait__telnet_status *out);

/* --- what MUDs say ------------------------------------------------------------------------------------------------ */

/* MSSP: variables of a server, each with one value or more. One whose name comes again has another value. */
struct plait__telnet_mssp {
    plait_slice name;
    plait_slice value;
};

/* `entry` is all zeroes at first and keeps the name between calls. */
bool plait__telnet_next_mssp(struct plait_scan *rest, struct plait__telnet_mssp *entry);
void plait__telnet_put_mssp(struct plait_buf *payload, const struct plait__telnet_mssp *entry);

/* GMCP: the name of a package's message, and data, JSON, which may be empty. */
struct plait__telnet_gmcp {
    plait_slice name;
    plait_slice data;
};

plait_err plait__telnet_parse_gmcp(plait_slice payload, struct plait__telnet_gmcp *out) PLAIT_MUST;
void plait__telnet_put_gmcp(struct plait_buf *payload, const struct plait__telnet_gmcp *message);

#endif
