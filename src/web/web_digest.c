/* SPDX-License-Identifier: MIT
 *
 * Digest (RFC 7616): SHA-256, MD5 only where it is asked for, qop "auth" always. A nonce holds the time of its making
 * and a mark that only we can make, so that giving one out costs nothing; only those with which somebody has proved a
 * password are remembered, with the counts that came, in a table of fixed size.
 *
 * Invariant: a count of a nonce is good once. Where the table had to forget a nonce, all nonces as old are stale. Test:
 * tests/web/test_web_auth.c.
 */
#include "web/web_auth.h"

#include "base/text.h"
#include "web/web_wire.h"

#include <stdio.h>

enum { NONCES = 1024, WINDOW = 64, MARKED = 24 };

/* --- nonces ------------------------------------------------------------------------------------------------------- */

/* Sixteen bytes of SHA-256 over key, nonce and key. */
static bool mark(const struct plait__auth *auth, const uint8_t bytes[PLAIT__NONCE_BYTES], uint8_t out[16])
{
    struct plait__hash hash = {.len = 0};
    const plait_slice part[] = {plait_slice_of(auth->key, sizeof(auth->key)), plait_slice_of(bytes, MARKED),
                                plait_slice_of(auth->key, sizeof(auth->key))};
    const bool fine = plait__hash(&hash, PLAIT__SHA256, part, 3);
    memcpy(out, hash.bytes, 16);
    return fine;
}

static bool make_nonce(struct plait__auth *auth, char out[PLAIT__NONCE_TEXT + 1])
{
    uint8_t bytes[PLAIT__NONCE_BYTES];
    const int64_t now = plait_now(auth->reactor);
    memcpy(bytes, &now, 8);
    if (plait_random_bytes(auth->reactor, bytes + 8, 16) != PLAIT_OK || !mark(auth, bytes, bytes + MARKED))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static bool read_nonce(plait_slice text, uint8_t out[PLAIT__NONCE_BYTES])
{
    if (text.len != PLAIT__NONCE_TEXT)
        return false;
    for (size_t i = 0; i < PLAIT__NONCE_BYTES; i++) {
        const int high = plait__hex_value(text.ptr[2 * i]), low = plait__hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static plait_time made_at(const uint8_t bytes[PLAIT__NONCE_BYTES])
{
    int64_t at;
    memcpy(&at, bytes, 8);
    return at;
}

static struct plait__nonce *find_nonce(const struct plait__auth *auth, const uint8_t bytes[PLAIT__NONCE_BYTES])
{
    for (size_t i = 0; i < NONCES; i++) {
        if (auth->nonce[i].highest && memcmp(auth->nonce[i].bytes, bytes, PLAIT__NONCE_BYTES) == 0)
            return &auth->nonce[i];
    }
    return NULL;
}

/* Whether a count is new for its nonce. */
static bool count_is_new(const struct plait__nonce *n, uint64_t count)
{
    if (!n || count > n->highest)
        return true;
    const uint64_t back = n->highest - count;
    return back < WINDOW && !(n->seen >> back & 1);
}

static bool nonce_is_good(struct plait__auth *auth, const struct plait__digest *d)
{
    uint8_t bytes[PLAIT__NONCE_BYTES], right[16];
    if (!read_nonce(d->nonce, bytes) || !mark(auth, bytes, right) ||
        !plait_slice_equal_secret(plait_slice_of(right, 16), plait_slice_of(bytes + MARKED, 16)))
        return false;
    const plait_time at = made_at(bytes);
    const struct plait__nonce *n = find_nonce(auth, bytes);
    if (plait_now(auth->reactor) - at > auth->options.nonce_age || (!n && at <= auth->given_up))
        return false;
    return count_is_new(n, d->count);
}

/* Somebody proved a password: the count is spent. */
static void note_count(struct plait__auth *auth, const struct plait__digest *d)
{
    uint8_t bytes[PLAIT__NONCE_BYTES];
    (void)read_nonce(d->nonce, bytes);
    struct plait__nonce *n = find_nonce(auth, bytes);
    if (!n) {
        n = &auth->nonce[auth->next++ % NONCES];
        if (n->highest && made_at(n->bytes) > auth->given_up)
            auth->given_up = made_at(n->bytes);
        memcpy(n->bytes, bytes, sizeof(n->bytes));
        n->highest = d->count;
        n->seen = 1;
        return;
    }
    if (d->count <= n->highest) {
        n->seen |= (uint64_t)1 << (n->highest - d->count);
        return;
    }
    const uint64_t on = d->count - n->highest;
    n->seen = on < WINDOW ? n->seen << on | 1 : 1;
    n->highest = d->count;
}

/* --- what a client sends ------------------------------------------------------------------------------------------ */

static bool read_count(plait_slice text, uint64_t *out)
{
    struct plait_scan scan = plait_scan_of(text);
    return text.len == 8 && plait_scan_hex64(&scan, UINT32_MAX, out) && plait_scan_done(&scan) && *out > 0;
}

/* A value that was escaped lies in memory of the request without its backslashes. */
static bool keep(struct plait_request *req, plait_slice *value, bool escaped)
{
    if (!escaped)
        return true;
    uint8_t *copy = plait_request_memory(req, value->len);
    if (!copy)
        return false;
    memcpy(copy, value->ptr, value->len);
    *value = plait_slice_of(copy, plait__param_unescape(copy, value->len));
    return true;
}

struct seen {
    plait_slice algorithm, qop, hashed;
};

static plait_slice *place_of(struct plait__digest *d, struct seen *seen, plait_slice name)
{
    const struct {
        plait_slice name;
        plait_slice *place;
    } table[] = {{PLAIT_LIT("username"), &d->user},
                 {PLAIT_LIT("realm"), &d->realm},
                 {PLAIT_LIT("nonce"), &d->nonce},
                 {PLAIT_LIT("uri"), &d->uri},
                 {PLAIT_LIT("response"), &d->response},
                 {PLAIT_LIT("cnonce"), &d->cnonce},
                 {PLAIT_LIT("nc"), &d->count_text},
                 {PLAIT_LIT("qop"), &seen->qop},
                 {PLAIT_LIT("algorithm"), &seen->algorithm},
                 {PLAIT_LIT("userhash"), &seen->hashed}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (plait_slice_equal_nocase(name, table[i].name))
            return table[i].place;
    }
    return NULL;
}

/* A parameter that comes twice is refused, and so is another scheme. */
static bool read_params(struct plait_request *req, plait_slice text, struct plait__digest *d, struct seen *seen)
{
    struct plait_scan list = plait_scan_of(text);
    plait_slice name, value;
    bool escaped;
    while (plait__auth_next(&list, &name, &value, &escaped)) {
        plait_slice *place = place_of(d, seen, name);
        if (!value.ptr || (place && (place->ptr || !keep(req, &value, escaped))))
            return false;
        if (place)
            *place = value;
    }
    return plait_scan_done(&list);
}

/* RFC 7616 section 3.4.6. Before a proxy clients sign the target as the origin is to see it. */
static bool uri_is_right(const struct plait_request *req, const struct plait__auth *auth, plait_slice uri)
{
    const plait_slice target = plait_request_target(req);
    if (plait_slice_equal(uri, target))
        return true;
    const bool behind = req->host.ptr > target.ptr && req->host.ptr + req->host.len <= target.ptr + target.len;
    const size_t from = behind ? (size_t)(req->host.ptr + req->host.len - target.ptr) : target.len;
    return auth->options.proxy && behind && plait_slice_equal(uri, plait_slice_sub(target, from, target.len));
}

bool plait__digest_read(struct plait_request *req, struct plait__auth *auth, plait_slice params,
                        struct plait__digest *out, bool *stale)
{
    struct seen seen = {0};
    if (!read_params(req, params, out, &seen) || !read_count(out->count_text, &out->count))
        return false;
    out->md5 = !plait_slice_equal_nocase(seen.algorithm, PLAIT_LIT("SHA-256"));
    if (out->md5 &&
        !(auth->options.md5 && (!seen.algorithm.ptr || plait_slice_equal_nocase(seen.algorithm, PLAIT_LIT("MD5")))))
        return false;
    if (!plait_slice_equal(seen.qop, PLAIT_LIT("auth")) || plait_slice_equal_nocase(seen.hashed, PLAIT_LIT("true")) ||
        !plait_slice_equal(out->realm, plait_slice_text(auth->realm)) || !out->cnonce.len ||
        !uri_is_right(req, auth, out->uri))
        return false;
    *stale = !nonce_is_good(auth, out);
    return !*stale;
}

/* Section 3.4.1. */
static bool expected(struct plait_request *req, const struct plait__digest *d, plait_slice password,
                     struct plait__hash *out)
{
    const enum plait__hash_kind kind = d->md5 ? PLAIT__MD5 : PLAIT__SHA256;
    const plait_slice colon = PLAIT_LIT(":");
    struct plait__hash one = {.len = 0}, two = {.len = 0};
    const plait_slice first[] = {d->user, colon, d->realm, colon, password};
    const plait_slice second[] = {plait_request_method(req), colon, d->uri};
    const bool begun = plait__hash(&one, kind, first, 5) && plait__hash(&two, kind, second, 3);
    const plait_slice all[] = {plait_slice_of(one.text, 2 * one.len),
                               colon,
                               d->nonce,
                               colon,
                               d->count_text,
                               colon,
                               d->cnonce,
                               colon,
                               PLAIT_LIT("auth"),
                               colon,
                               plait_slice_of(two.text, 2 * two.len)};
    const bool fine = begun && plait__hash(out, kind, all, 11);
    plait_mem_wipe(&one, sizeof(one));
    return fine;
}

bool plait__digest_holds(struct plait_request *req, struct plait__auth *auth, const struct plait__digest *d,
                         plait_slice password)
{
    struct plait__hash right;
    if (!expected(req, d, password, &right) ||
        !plait_slice_equal_secret(d->response, plait_slice_of(right.text, 2 * right.len)))
        return false;
    if (!nonce_is_good(auth, d))
        return false; /* the same came meanwhile on another connection */
    note_count(auth, d);
    return true;
}

void plait__digest_challenge(struct plait_request *req, struct plait__auth *auth, bool stale)
{
    char nonce[PLAIT__NONCE_TEXT + 1], text[512];
    if (!make_nonce(auth, nonce))
        return;
    for (int md5 = 0; md5 < 1 + auth->options.md5; md5++) {
        (void)snprintf(text, sizeof(text), "Digest realm=\"%s\", qop=\"auth\", algorithm=%s, nonce=\"%s\"%s",
                       auth->realm, md5 ? "MD5" : "SHA-256", nonce, stale ? ", stale=true" : "");
        (void)plait_reply_field(req, plait__auth_field(auth), plait_slice_text(text));
    }
}
