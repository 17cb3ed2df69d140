/* SPDX-License-Identifier: MIT
 *
 * Small codecs of the web, pure: weighted lists, cookies, forms, parameters of fields, multipart bodies.
 */
#ifndef PLAIT_WEB_WEB_WIRE_H
#define PLAIT_WEB_WEB_WIRE_H

#include <plait/bytes.h>

/* web_accept.c: RFC 9110 section 12. */
/* The next element of a list such as "gzip;q=0.5, *", its parameters but q included, and its weight in thousandths.
 * Returns false at the end; what is malformed is skipped. */
bool plait__accept_next(struct plait_scan *list, plait_slice *element, unsigned *weight);
/* How well an element of Accept fits a type: 0 not at all, 1 by "*", 2 by "text" with a star, 3 exactly, one more with
 * parameters. */
unsigned plait__accept_fits(plait_slice element, plait_slice type);

/* web_cookie.c: RFC 6265 section 4.2. The next pair of a Cookie field, without quotes; false at the end. */
bool plait__cookie_next(plait_slice *rest, plait_slice *name, plait_slice *value);

/* web_form.c: the next pair of a form (application/x-www-form-urlencoded), not decoded; false at the end. */
bool plait__form_next(plait_slice *rest, plait_slice *name, plait_slice *value);

/* web_param.c: the next parameter of a field such as `form-data; name="a b"`, whose first ';' is in front. A quoted
 * value is given without its quotes, with `*escaped` when it holds backslashes to take out. False at the end or where
 * it is malformed (then `rest` is not empty). */
bool plait__param_next(plait_slice *rest, plait_slice *name, plait_slice *value, bool *escaped);
/* The next part of what is said for authentication, such as `Basic realm="a", Digest realm="b", nonce=c`: a scheme
 * (`value` has ptr NULL), or a parameter as above. A token68 behind a scheme is passed over. False at the end or where
 * it is malformed (then `list` is not done). */
bool plait__auth_next(struct plait_scan *list, plait_slice *name, plait_slice *value, bool *escaped);
/* Takes the backslashes out of a quoted value in place; returns the new length. */
size_t plait__param_unescape(uint8_t *text, size_t len);

/* web_multipart.c: RFC 2046 section 5.1, RFC 7578. */
enum plait__multipart_event {
    PLAIT__MULTIPART_MORE, /* all of the input is taken */
    PLAIT__MULTIPART_PART, /* a part begins: `name` and its kin */
    PLAIT__MULTIPART_DATA, /* a piece of its body */
    PLAIT__MULTIPART_OVER, /* it is complete */
    PLAIT__MULTIPART_END,  /* so is the whole; what comes behind is thrown away */
    PLAIT__MULTIPART_BAD,  /* `err` says why; nothing else follows */
};

#define PLAIT__BOUNDARY_MAX 70

struct plait__multipart {
    uint8_t state;
    uint8_t len;     /* of the delimiter */
    uint8_t matched; /* bytes of it that stand at the end of what came */
    bool told;       /* matched bytes were no delimiter: they are data */
    plait_err err;
    uint8_t delimiter[PLAIT__BOUNDARY_MAX + 4]; /* CR LF -- boundary */
    struct plait_buf head;
    plait_slice name, filename, type; /* of the part; ptr NULL when absent */
};

/* Makes a reader; heads of parts may have `head_max` bytes. Errors: PLAIT_ESYNTAX (no boundary). */
plait_err plait__multipart_init(struct plait__multipart *m, plait_slice boundary, struct plait_budget *budget,
                                size_t head_max) PLAIT_MUST;
void plait__multipart_deinit(struct plait__multipart *m);
/* Reads on; `in` is shortened by what was taken. */
enum plait__multipart_event plait__multipart_next(struct plait__multipart *m, plait_slice *in, plait_slice *data);

#endif
