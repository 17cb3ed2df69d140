/* SPDX-License-Identifier: MIT
 *
 * URLs: parsing by parts, references resolved against a base, percent-encoding. Nothing is allocated.
 */
#ifndef PLAIT_URL_H
#define PLAIT_URL_H

#include <plait/bytes.h>

PLAIT_BEGIN

/* The parts of a URL, as written: nothing is decoded. An absent part has ptr NULL, an empty one has not. */
struct plait_url {
    plait_slice scheme;   /* "http" */
    plait_slice userinfo; /* "user:password" */
    plait_slice host;     /* without the brackets of an IPv6 address */
    plait_slice path;     /* "/a/b"; empty for none */
    plait_slice query;    /* without '?' */
    plait_slice fragment; /* without '#' */
    uint16_t port;        /* 0: none was written */
    bool has_authority;
    bool host_is_ip6;
};

/** Splits a URL or a relative reference. Control characters, spaces and bytes over 0x7e are refused everywhere, as are
 * backslashes. Errors: PLAIT_ESYNTAX. Ownership: `out` borrows the text. Source: RFC 3986 sections 3 and 4. */
PLAIT_API plait_err plait_url_parse(plait_slice text, struct plait_url *out) PLAIT_MUST;

/** Port of a URL: the one written, else its scheme's (http 80, https 443), else 0. */
PLAIT_API uint16_t plait_url_port(const struct plait_url *url);

/** Whether two URLs have the same origin: scheme, host and port. Source: RFC 6454 section 5. */
PLAIT_API bool plait_url_same_origin(const struct plait_url *a, const struct plait_url *b);

/** Appends the URL that a reference means on a page at `base`; dot segments are removed. Errors: in the buffer.
 * Source: RFC 3986 section 5.2. */
PLAIT_API void plait_url_resolve(const struct plait_url *base, const struct plait_url *reference,
                                 struct plait_buf *out);

/** Decodes "%41"; `plus` turns '+' into a space, as forms need. `out` has room for text.len bytes. Errors:
 * PLAIT_ESYNTAX (a percent sign without two hexadecimal digits), PLAIT_EINVAL (a decoded NUL). Source: RFC 3986
 * section 2.1. */
PLAIT_API plait_err plait_percent_decode(plait_slice text, bool plus, uint8_t *out, size_t *out_len) PLAIT_MUST;

/** Appends text with everything but unreserved characters and those of `keep` (may be NULL) percent-encoded.
 * Errors: in the buffer. Source: RFC 3986 section 2.3. */
PLAIT_API void plait_percent_encode(struct plait_buf *out, plait_slice text, const char *keep);

/** Removes "." and ".." segments from an absolute path in place. Returns the new length, or SIZE_MAX where ".." would
 * leave the root. Source: RFC 3986 section 5.2.4. */
PLAIT_API size_t plait_path_normalise(uint8_t *path, size_t len);

PLAIT_END
#endif
