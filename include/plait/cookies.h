/* SPDX-License-Identifier: MIT
 *
 * A jar of cookies for the HTTP client: keeps what servers set, and gives what belongs to a URL. A jar may be shared by
 * clients of one reactor. Source: RFC 6265, and draft-ietf-httpbis-rfc6265bis for SameSite and the name prefixes.
 */
#ifndef PLAIT_COOKIES_H
#define PLAIT_COOKIES_H

#include <plait/reactor.h>
#include <plait/url.h>

PLAIT_BEGIN

struct plait_cookies;

/** Makes an empty jar: at most 3,000 cookies of 4 KiB, 50 a domain; the ones used least recently go first. Returns NULL
 * when there is no memory. Ownership: one reference, the caller's, to be given up before the reactor is freed. */
PLAIT_API struct plait_cookies *plait_cookies_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_cookies *plait_cookies_ref(struct plait_cookies *cookies);

/** Gives a reference up. Takes NULL and leaves NULL. */
PLAIT_API void plait_cookies_unref(struct plait_cookies **cookies);

/** Takes the value of a Set-Cookie field that came with an answer to `url`. A cookie for a public suffix ("co.uk"), for
 * another site, or that breaks the rules of its name's prefix is refused. Errors: PLAIT_EMALFORMED, PLAIT_EFORBIDDEN,
 * PLAIT_ETOOLONG, PLAIT_ENOMEM. Source: RFC 6265 sections 5.2 and 5.3. */
PLAIT_API plait_err plait_cookies_take(struct plait_cookies *cookies, const struct plait_url *url, plait_slice value);

/* How a request came about, for SameSite. */
enum plait_cookies_request {
    PLAIT_COOKIES_SAME_SITE,
    PLAIT_COOKIES_CROSS_SITE,        /* another site sent us there, with a safe method: SameSite=Strict stays */
    PLAIT_COOKIES_CROSS_SITE_UNSAFE, /* with another method: SameSite=Lax stays too */
};

/** Appends the value of the Cookie field for a request, "a=b; c=d"; nothing when there is none. At most 8 KiB. Errors:
 * in the buffer. Source: RFC 6265 section 5.4. */
PLAIT_API void plait_cookies_give(struct plait_cookies *cookies, const struct plait_url *url,
                                  enum plait_cookies_request how, struct plait_buf *out);

/** Cookies in a jar. */
PLAIT_API size_t plait_cookies_count(const struct plait_cookies *cookies);

/** Empties a jar; with `session` only of cookies that end with the session. */
PLAIT_API void plait_cookies_clear(struct plait_cookies *cookies, bool session);

/** Writes all cookies as a Netscape cookie file, as curl and wget read it; SameSite is lost. Errors: in the buffer. */
PLAIT_API void plait_cookies_write(struct plait_cookies *cookies, struct plait_buf *out);

/** Reads a Netscape cookie file. Errors: PLAIT_EMALFORMED (a line that is none; what stood before it is taken),
 * PLAIT_ENOMEM. */
PLAIT_API plait_err plait_cookies_read(struct plait_cookies *cookies, plait_slice text);

/** Writes a jar to a file that only its owner may read, whole or not at all. Blocks while it writes. Errors:
 * PLAIT_EACCESS, PLAIT_ENOTFOUND, PLAIT_ENOSPACE, PLAIT_EIO, PLAIT_ENOMEM. */
PLAIT_API plait_err plait_cookies_save(struct plait_cookies *cookies, const char *path) PLAIT_MUST;

/** Reads a file into a jar, at most 16 MiB. Blocks while it reads. Errors: as plait_cookies_read; PLAIT_ENOTFOUND,
 * PLAIT_EACCESS, PLAIT_EIO, PLAIT_ETOOLONG. */
PLAIT_API plait_err plait_cookies_load(struct plait_cookies *cookies, const char *path) PLAIT_MUST;

PLAIT_END
#endif
