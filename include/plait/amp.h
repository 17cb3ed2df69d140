/* SPDX-License-Identifier: MIT
 *
 * AMP, the Asynchronous Messaging Protocol: both ends of a connection call commands of each other, as many at a time as
 * they like, and each call is a deferred. A command is declared once, as data, and used on both sides.
 *
 *     static const struct plait_amp_field sum_arguments[] = {
 *         PLAIT_AMP_FIELD("a", INTEGER), PLAIT_AMP_FIELD("b", INTEGER), PLAIT_AMP_END};
 *     static const struct plait_amp_field sum_response[] = {PLAIT_AMP_FIELD("total", INTEGER), PLAIT_AMP_END};
 *     static const struct plait_amp_command sum = {
 *         .name = "Sum", .arguments = sum_arguments, .response = sum_response};
 */
#ifndef PLAIT_AMP_H
#define PLAIT_AMP_H

#include <plait/listen.h>

PLAIT_BEGIN

struct plait_amp;
struct plait_amp_request;
struct plait_amp_box;
struct plait__amp_descriptors;

/* --- declaring ---------------------------------------------------------------------------------------------------- */

/* Types of values; the names of Twisted's classes stand behind them. */
enum plait_amp_type {
    PLAIT_AMP_INTEGER,     /* Integer that fits int64_t */
    PLAIT_AMP_BIG_INTEGER, /* Integer of any size: its decimal digits, perhaps behind a '-' */
    PLAIT_AMP_STRING,      /* String: bytes */
    PLAIT_AMP_UNICODE,     /* Unicode: UTF-8 */
    PLAIT_AMP_PATH,        /* Path: UTF-8, without NUL */
    PLAIT_AMP_BOOLEAN,     /* Boolean */
    PLAIT_AMP_FLOAT,       /* Float */
    PLAIT_AMP_DECIMAL,     /* Decimal */
    PLAIT_AMP_DATETIME,    /* DateTime, with its zone */
    PLAIT_AMP_LIST,        /* ListOf: elements of the type of `of` */
    PLAIT_AMP_BOXES,       /* AmpList: boxes with the fields `of` */
    PLAIT_AMP_DESCRIPTOR,  /* Descriptor: an open one, over UNIX sockets */
};

/* A field of a box. A list of fields ends with PLAIT_AMP_END; at most 63 fields. */
struct plait_amp_field {
    const char *name; /* on the wire, 1 to 255 bytes */
    enum plait_amp_type type;
    bool optional;
    const struct plait_amp_field *of; /* LIST: one field, whose name is of no interest; BOXES: a list of fields */
};

/* clang-format off */
#define PLAIT_AMP_FIELD(name, type) {(name), PLAIT_AMP_##type, false, NULL}
#define PLAIT_AMP_OPTIONAL(name, type) {(name), PLAIT_AMP_##type, true, NULL}
#define PLAIT_AMP_OF(name, type, of) {(name), PLAIT_AMP_##type, false, (of)}
#define PLAIT_AMP_END {NULL, PLAIT_AMP_INTEGER, false, NULL}
/* clang-format on */

/* An error that a command may answer with: its code on the wire, and the error that the caller's fault then has. A list
 * of them ends with a code of NULL. */
struct plait_amp_error {
    const char *code;
    plait_err err;
    bool fatal; /* the connection ends behind the answer */
};

struct plait_amp_command {
    const char *name;
    const struct plait_amp_field *arguments; /* NULL: none, as in all of these */
    const struct plait_amp_field *response;
    const struct plait_amp_error *errors;
    void *reserved[2];
};

/* --- reading values ----------------------------------------------------------------------------------------------- */

/* The values of a box, or one element of a list. They were checked against the declaration: what it demands is there
 * and well-formed. An optional field that is absent, or one that was not declared so, reads as 0, false or nothing.
 * Inside a list the name is NULL. Everything is borrowed from the box. */
struct plait_amp_values {
    const struct plait_amp_field *fields;
    plait_slice wire;
    struct plait__amp_descriptors *descriptors;
    bool element; /* `wire` is one value of the type fields[0] */
};

/** Whether an optional field is there. */
PLAIT_API bool plait_amp_has(const struct plait_amp_values *values, const char *name);

/** Value of an INTEGER. */
PLAIT_API int64_t plait_amp_integer(const struct plait_amp_values *values, const char *name);

/** Value of a STRING, UNICODE or PATH; a BIG_INTEGER or DECIMAL as its text. Ownership: borrowed from the box. */
PLAIT_API plait_slice plait_amp_bytes(const struct plait_amp_values *values, const char *name);

/** Value of a BOOLEAN. */
PLAIT_API bool plait_amp_boolean(const struct plait_amp_values *values, const char *name);

/** Value of a FLOAT. */
PLAIT_API double plait_amp_float(const struct plait_amp_values *values, const char *name);

/* A decimal number: coefficient * 10^exponent. */
struct plait_amp_decimal {
    int64_t coefficient;
    int32_t exponent;
};

/** Value of a DECIMAL. Returns false when it is infinite, no number, or too long for the structure; its text is there
 * all the same. */
PLAIT_API bool plait_amp_decimal(const struct plait_amp_values *values, const char *name,
                                 struct plait_amp_decimal *out);

/* A time of day on a date, in a zone. */
struct plait_amp_datetime {
    int year; /* 1 to 9999 */
    int month, day, hour, minute, second;
    int microsecond;
    int offset; /* minutes east of UTC */
};

/** Value of a DATETIME. Returns false, with zeroes, when it is absent. */
PLAIT_API bool plait_amp_datetime(const struct plait_amp_values *values, const char *name,
                                  struct plait_amp_datetime *out);

/** Value of a DESCRIPTOR; -1 when it is absent or was taken before. Ownership: the caller's; what nobody takes is
 * closed when the box is done with. */
PLAIT_API int plait_amp_take_descriptor(const struct plait_amp_values *values, const char *name);

/* Where a walk over a LIST or BOXES stands. */
struct plait_amp_items {
    const struct plait_amp_field *of;
    plait_slice rest;
    struct plait__amp_descriptors *descriptors;
    bool boxes;
};

/** Begins a walk over a LIST or BOXES. Ownership: borrowed from the box. */
PLAIT_API struct plait_amp_items plait_amp_items(const struct plait_amp_values *values, const char *name);

/** Takes the next element of a walk; false at its end. Ownership: borrowed from the box. */
PLAIT_API bool plait_amp_next(struct plait_amp_items *items, struct plait_amp_values *out);

/* --- writing values ----------------------------------------------------------------------------------------------- */

/* A box takes values in any order of names. Its error is sticky: it comes out where the box is sent. PLAIT_EINVAL: no
 * such field here, another type, twice, or one that is missing; PLAIT_ETOOLONG: over 65,535 bytes. Inside a list the
 * name is NULL. */

/** Puts an INTEGER. */
PLAIT_API void plait_amp_put_integer(struct plait_amp_box *box, const char *name, int64_t value);

/** Puts a STRING, UNICODE or PATH, or the text of a BIG_INTEGER or DECIMAL. */
PLAIT_API void plait_amp_put_bytes(struct plait_amp_box *box, const char *name, plait_slice value);

/** Puts a BOOLEAN. */
PLAIT_API void plait_amp_put_boolean(struct plait_amp_box *box, const char *name, bool value);

/** Puts a FLOAT. */
PLAIT_API void plait_amp_put_float(struct plait_amp_box *box, const char *name, double value);

/** Puts a DECIMAL. */
PLAIT_API void plait_amp_put_decimal(struct plait_amp_box *box, const char *name, struct plait_amp_decimal value);

/** Puts a DATETIME. */
PLAIT_API void plait_amp_put_datetime(struct plait_amp_box *box, const char *name,
                                      const struct plait_amp_datetime *value);

/** Puts a DESCRIPTOR, at most 16 a box. Ownership: it is taken, also on failure, and closed when it is sent. */
PLAIT_API void plait_amp_put_descriptor(struct plait_amp_box *box, const char *name, int fd);

/** Opens a LIST or BOXES, or with the name NULL the next box of BOXES; what is put from now on belongs to it. */
PLAIT_API void plait_amp_open(struct plait_amp_box *box, const char *name);

/** Closes what was opened last. */
PLAIT_API void plait_amp_close(struct plait_amp_box *box);

/* --- answering ---------------------------------------------------------------------------------------------------- */

/* A command came. The values are lent for the call; the request lives until it is answered, also when the connection is
 * lost before: the answer is then thrown away. */
typedef void (*plait_amp_fn)(struct plait_amp_request *req, const struct plait_amp_values *arguments, void *ctx);

/* What answers a command. A table of them ends with a command of NULL. */
struct plait_amp_responder {
    const struct plait_amp_command *command;
    plait_amp_fn fn;
};

/** Begins the answer to a request. Ownership: the box is the connection's; it is good until the next box of this
 * connection is begun. */
PLAIT_API struct plait_amp_box *plait_amp_response(struct plait_amp_request *req);

/** Sends the answer and ends the request. An answer that is not as declared goes out as the error UNKNOWN, and is
 * logged. */
PLAIT_API void plait_amp_reply(struct plait_amp_request *req);

/** Answers with an error and ends the request. Errors that the command declares fatal, and UNKNOWN, end the
 * connection. `description` is UTF-8 and may be NULL. */
PLAIT_API void plait_amp_reply_error(struct plait_amp_request *req, const char *code, const char *description);

/** Sends the answer and hands the connection over to another protocol, as Twisted's ProtocolSwitchCommand does: bytes
 * behind the request are the new protocol's. The connection's own calls fail with PLAIT_ECLOSED and its `lost` is
 * called with PLAIT_OK. Ownership: as plait_stream_attach. */
PLAIT_API void plait_amp_reply_switch(struct plait_amp_request *req, const struct plait_protocol *protocol, void *self);

/** Connection that a request came over; NULL when it is lost. Ownership: borrowed until its `lost`. */
PLAIT_API struct plait_amp *plait_amp_request_connection(struct plait_amp_request *req);

/* --- calling ------------------------------------------------------------------------------------------------------ */

/** Begins a call. Ownership: as plait_amp_response; a box that is not sent is forgotten. */
PLAIT_API struct plait_amp_box *plait_amp_begin(struct plait_amp *amp, const struct plait_amp_command *command);

/** Sends the call that was begun. Fires with the answer, struct plait_amp_values (value.ptr). Errors: what the command
 * declares for the code that came; PLAIT_EREPLY for other codes, with the code in fault.detail for UNHANDLED and
 * UNKNOWN; PLAIT_EMALFORMED (the answer is not as declared), PLAIT_ELIMIT (calls under way), PLAIT_EINVAL and
 * PLAIT_ETOOLONG (the box), PLAIT_ENOMEM, and the stream's. Cancelling forgets the call; the peer isn't told.
 * Ownership: as plait_deferred_new; the answer goes with its destructor. */
PLAIT_API struct plait_deferred *plait_amp_call(struct plait_amp_box *box) PLAIT_MUST;

/** Sends the call that was begun without asking for an answer. Errors: PLAIT_EINVAL, PLAIT_ETOOLONG, PLAIT_ENOMEM,
 * PLAIT_ECLOSED, PLAIT_EUNSUPPORTED (descriptors over another carrier). */
PLAIT_API plait_err plait_amp_tell(struct plait_amp_box *box);

/** As plait_amp_call, and when the answer is a success the connection is handed over to another protocol before it
 * fires; nothing more can be sent meanwhile. Errors: as plait_amp_call. Ownership: as plait_amp_call and
 * plait_stream_attach. */
PLAIT_API struct plait_deferred *plait_amp_call_switch(struct plait_amp_box *box, const struct plait_protocol *protocol,
                                                       void *self) PLAIT_MUST;

/** Asks for TLS (StartTLS): what is sent meanwhile waits for it. Fires when the handshake is done. A peer that refuses
 * ends the connection. Errors: PLAIT_ESTATE (TLS already, or no context for the own role), and as plait_amp_call.
 * Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_amp_starttls(struct plait_amp *amp) PLAIT_MUST;

/** Description that came with the newest error. Ownership: borrowed until the next error. */
PLAIT_API plait_slice plait_amp_description(const struct plait_amp *amp);

/* --- connections -------------------------------------------------------------------------------------------------- */

/* The zero value of every member is its default. */
struct plait_amp_options {
    const struct plait_amp_responder *responders;                                    /* static; NULL: none */
    void (*connected)(struct plait_amp *amp, void *ctx);                             /* may be NULL */
    void (*lost)(struct plait_amp *amp, const struct plait_fault *fault, void *ctx); /* last; may be NULL */
    void *ctx;                                                                       /* of all callbacks */
    size_t box_max;                                                                  /* bytes of a box; 1 MiB */
    size_t requests_max;                 /* of the peer, not answered yet; more wait. 1,000 */
    size_t calls_max;                    /* own, not answered yet; 65,536 */
    bool accepted;                       /* the peer connected to us: for the roles in TLS. Services set it */
    struct plait_tls_server *tls_server; /* StartTLS: for connections that were accepted; a reference is taken */
    struct plait_tls_client *tls_client; /* StartTLS: for connections that we made; a reference is taken */
    const char *tls_name;                /* name that the server's certificate must have; static */
    void *reserved[4];
};

/** Speaks AMP over a stream. Errors: PLAIT_ENOMEM. Ownership: the connection goes with its stream, after `lost`.
 * Callbacks: the options' and the responders', in later turns. */
PLAIT_API plait_err plait_amp_attach(struct plait_stream *s, const struct plait_amp_options *options,
                                     struct plait_amp **out) PLAIT_MUST;

/** Makes a service that speaks AMP. Returns NULL when there is no memory. Ownership: as plait_service_new; options are
 * copied. Source: Twisted's AMP, https://amp-protocol.net. */
PLAIT_API struct plait_service *plait_amp_service(struct plait_reactor *reactor,
                                                  const struct plait_amp_options *options) PLAIT_MUST;

/** Connects to an endpoint and speaks AMP. Fires with struct plait_amp (value.ptr). Errors: plait_connect's. Ownership:
 * as plait_deferred_new; the connection is the reactor's and its pointer good until `lost`, or as long as the value is
 * kept: calls over one that is lost fail with PLAIT_ECLOSED. */
PLAIT_API struct plait_deferred *plait_amp_connect(struct plait_reactor *reactor, const char *endpoint,
                                                   const struct plait_amp_options *options) PLAIT_MUST;

/** Stream under a connection; NULL when it is lost. Ownership: borrowed until `lost` returns. */
PLAIT_API struct plait_stream *plait_amp_stream(struct plait_amp *amp);

PLAIT_END
#endif
