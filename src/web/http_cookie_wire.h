/* SPDX-License-Identifier: MIT
 *
 * Cookies on the wire (RFC 6265): Set-Cookie read, dates, domains and paths matched. Pure: no jar, no clock.
 */
#ifndef PLAIT_WEB_HTTP_COOKIE_WIRE_H
#define PLAIT_WEB_HTTP_COOKIE_WIRE_H

#include <plait/bytes.h>

enum {
    PLAIT__COOKIE_MAX = 4096,      /* bytes of a cookie's name and value */
    PLAIT__COOKIE_ATTRIBUTE = 1024 /* bytes of an attribute's value; a longer one is ignored */
};

enum plait__same_site { PLAIT__SAME_SITE_UNSAID, PLAIT__SAME_SITE_NONE, PLAIT__SAME_SITE_LAX, PLAIT__SAME_SITE_STRICT };

/* What a Set-Cookie says. Slices borrow the text; an absent one is empty. */
struct plait__cookie_text {
    plait_slice name, value;
    plait_slice domain; /* without a leading dot; in the case in which it was sent */
    plait_slice path;   /* begins with '/' */
    bool has_max_age, has_expires;
    int64_t max_age; /* seconds from now; 0 or less: it is over */
    int64_t expires; /* seconds since 1970 */
    bool secure, http_only;
    enum plait__same_site same_site;
};

/* Reads a Set-Cookie. Errors: PLAIT_EMALFORMED (no name, a control character), PLAIT_ETOOLONG. */
plait_err plait__cookie_read(plait_slice text, struct plait__cookie_text *out) PLAIT_MUST;

/* RFC 6265 section 5.1.1. Errors: PLAIT_ESYNTAX. */
plait_err plait__cookie_date(plait_slice text, int64_t *out) PLAIT_MUST;

/* RFC 6265 section 5.1.3: whether a host is the domain or below it; letters compared without case. An IP address is
 * only itself. */
bool plait__cookie_domain_match(plait_slice host, plait_slice domain);

/* RFC 6265 section 5.1.4. */
bool plait__cookie_path_match(plait_slice path, plait_slice cookie_path);
plait_slice plait__cookie_default_path(plait_slice path);

/* Whether a host is an address and no name. */
bool plait__cookie_is_address(plait_slice host);

/* A line of a Netscape cookie file. Invariant: the slices hold no tab. */
struct plait__cookie_line {
    plait_slice domain, path, name, value;
    int64_t expires; /* 0: with the session */
    bool below;      /* hosts below the domain too */
    bool secure, http_only;
};

/* Reads a line without its end. Returns false for a comment or an empty line. Errors: PLAIT_EMALFORMED. */
plait_err plait__cookie_line_read(plait_slice line, struct plait__cookie_line *out, bool *is_cookie) PLAIT_MUST;
void plait__cookie_line_write(struct plait_buf *out, const struct plait__cookie_line *line);

#endif
