/* SPDX-License-Identifier: MIT
 *
 * The values of a WebSocket's opening handshake (RFC 6455 section 4) and of permessage-deflate's (RFC 7692 section
 * 7.1). An offer that asks for what we can't do is passed over for the next one; an answer that says what was not
 * offered fails the connection.
 *
 * Invariant: a window of 8 bits is agreed on only where the own side compresses, and then without looking back.
 * Tests: tests/web/test_ws_handshake.c, fuzz/fuzz_websocket.c.
 */
#include "web/ws_handshake.h"
#include "base/text.h"
#include "base/try.h"

#include <plait/url.h>

#include <openssl/evp.h>

enum { BITS_MIN = 8, BITS_MAX = 15, SHA1_BYTES = 20 };

/* --- keys ------------------------------------------------------------------------------------------------------ */

bool plait__ws_key_is_right(plait_slice key)
{
    if (key.len != PLAIT__WS_KEY || key.ptr[22] != '=' || key.ptr[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        if (!plait__is_alnum(key.ptr[i]) && key.ptr[i] != '+' && key.ptr[i] != '/')
            return false;
    }
    return true;
}

plait_err plait__ws_accept_of(plait_slice key, char out[PLAIT__WS_ACCEPT])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[PLAIT__WS_KEY + sizeof guid], digest[SHA1_BYTES], coded[PLAIT__WS_ACCEPT + 1];
    const size_t len = key.len < PLAIT__WS_KEY ? key.len : PLAIT__WS_KEY;
    memcpy(text, key.ptr, len);
    memcpy(text + len, guid, sizeof guid - 1);
    if (EVP_Digest(text, len + sizeof guid - 1, digest, NULL, EVP_sha1(), NULL) != 1)
        return PLAIT_FAIL(PLAIT_EIO); /* unseen: libcrypto has SHA-1 */ /* uncovered: as above */
    EVP_EncodeBlock(coded, digest, SHA1_BYTES);
    memcpy(out, coded, PLAIT__WS_ACCEPT);
    return PLAIT_OK;
}

/* --- origins --------------------------------------------------------------------------------------------------- */

bool plait__ws_origin_is_host(plait_slice origin, plait_slice host)
{
    struct plait_url page, here;
    char text[300];
    const int len = snprintf(text, sizeof text, "//%.*s", PLAIT_ARG(host));
    if (host.len == 0 || len >= (int)sizeof text || plait_url_parse(plait_slice_of(text, (size_t)len), &here) ||
        plait_url_parse(origin, &page) || !page.has_authority)
        return false;
    here.scheme = page.scheme;
    return plait_url_same_origin(&page, &here);
}

/* --- lists ----------------------------------------------------------------------------------------------------- */

bool plait__ws_next_token(struct plait_scan *list, plait_slice *token, bool *bad)
{
    *bad = false;
    do
        plait_scan_blank(list);
    while (plait_scan_byte(list, ','));
    if (plait_scan_done(list))
        return false;
    *bad = !plait_scan_while(list, plait__is_token, token);
    plait_scan_blank(list);
    *bad |= !plait_scan_done(list) && !plait_scan_byte(list, ',');
    return !*bad;
}

/* The parameters of one permessage-deflate. */
struct params {
    bool server_no_takeover, client_no_takeover, server_bits_there, client_bits_there;
    uint8_t server_bits, client_bits; /* 0: without a value */
    bool unfit;                       /* unknown, twice, or with a value that it can't have */
};

/* A token or the same in quotes (RFC 6455 section 9.1). */
static bool take_value(struct plait_scan *scan, plait_slice *value)
{
    if (!plait_scan_byte(scan, '"'))
        return plait_scan_while(scan, plait__is_token, value);
    return plait_scan_while(scan, plait__is_token, value) && plait_scan_byte(scan, '"');
}

static void take_flag(struct params *p, bool *flag, plait_slice value)
{
    p->unfit |= *flag || value.ptr;
    *flag = true;
}

/* RFC 7692 section 7.1.2: 8 to 15, without leading zeroes. */
static void take_bits(struct params *p, bool *there, uint8_t *bits, plait_slice value)
{
    uint64_t number = 0;
    p->unfit |= *there;
    *there = true;
    if (!value.ptr)
        return;
    if (plait_slice_to_u64(value, BITS_MAX, &number) || number < BITS_MIN || value.ptr[0] == '0')
        p->unfit = true;
    *bits = (uint8_t)number;
}

static void take_param(struct params *p, plait_slice name, plait_slice value)
{
    if (plait_slice_equal(name, PLAIT_LIT("server_no_context_takeover")))
        take_flag(p, &p->server_no_takeover, value);
    else if (plait_slice_equal(name, PLAIT_LIT("client_no_context_takeover")))
        take_flag(p, &p->client_no_takeover, value);
    else if (plait_slice_equal(name, PLAIT_LIT("server_max_window_bits")))
        take_bits(p, &p->server_bits_there, &p->server_bits, value);
    else if (plait_slice_equal(name, PLAIT_LIT("client_max_window_bits")))
        take_bits(p, &p->client_bits_there, &p->client_bits, value);
    else
        p->unfit = true;
    p->unfit |= p->server_bits_there && !p->server_bits;
}

/* Takes one extension with its parameters. False: no such thing stands there. */
static bool take_extension(struct plait_scan *scan, plait_slice *name, struct params *p)
{
    *p = (struct params){0};
    if (!plait_scan_while(scan, plait__is_token, name))
        return false;
    for (plait_scan_blank(scan); plait_scan_byte(scan, ';'); plait_scan_blank(scan)) {
        plait_slice param, value = {NULL, 0};
        plait_scan_blank(scan);
        if (!plait_scan_while(scan, plait__is_token, &param))
            return false;
        if (plait_scan_byte(scan, '=') && !take_value(scan, &value))
            return false;
        take_param(p, param, value);
    }
    return plait_scan_done(scan) || plait_scan_byte(scan, ',');
}

/* --- permessage-deflate ---------------------------------------------------------------------------------------- */

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static bool is_ours(plait_slice name)
{
    return plait_slice_equal(name, PLAIT_LIT("permessage-deflate"));
}

static void accept_offer(const struct params *p, const struct plait__ws_wish *wish, struct plait__ws_terms *terms)
{
    const uint8_t client = least(p->client_bits ? p->client_bits : BITS_MAX, wish->bits);
    *terms = (struct plait__ws_terms){.on = true,
                                      .server_no_takeover = p->server_no_takeover || wish->no_takeover,
                                      .client_no_takeover = p->client_no_takeover || wish->no_takeover,
                                      .tells_server_bits = p->server_bits_there,
                                      .tells_client = p->client_bits_there && client < BITS_MAX};
    terms->server_bits = p->server_bits ? least(p->server_bits, wish->bits) : wish->bits;
    terms->client_bits = terms->tells_client ? client : BITS_MAX;
}

bool plait__ws_judge_offers(plait_slice value, const struct plait__ws_wish *wish, struct plait__ws_terms *terms)
{
    struct plait_scan scan = plait_scan_of(value);
    for (;;) {
        plait_slice name;
        struct params p;
        do
            plait_scan_blank(&scan);
        while (plait_scan_byte(&scan, ','));
        if (plait_scan_done(&scan))
            return true;
        if (!take_extension(&scan, &name, &p))
            return false;
        if (wish && !terms->on && is_ours(name) && !p.unfit)
            accept_offer(&p, wish, terms);
    }
}

bool plait__ws_judge_answer(plait_slice value, const struct plait__ws_wish *wish, struct plait__ws_terms *terms)
{
    struct plait_scan scan = plait_scan_of(value);
    plait_slice name;
    struct params p;
    plait_scan_blank(&scan);
    if (plait_scan_done(&scan))
        return true;
    if (!wish || terms->on || !take_extension(&scan, &name, &p) || !plait_scan_done(&scan) || !is_ours(name) ||
        p.unfit || (p.client_bits_there && !p.client_bits))
        return false;
    if (wish->no_takeover && !p.server_no_takeover)
        return false;
    if (wish->bits < BITS_MAX && (!p.server_bits || p.server_bits > wish->bits))
        return false;
    *terms = (struct plait__ws_terms){.on = true,
                                      .server_no_takeover = p.server_no_takeover,
                                      .client_no_takeover = p.client_no_takeover || wish->no_takeover,
                                      .server_bits = p.server_bits ? p.server_bits : BITS_MAX};
    terms->client_bits = least(p.client_bits ? p.client_bits : BITS_MAX, wish->bits);
    return true;
}

static void put_bits(struct plait_buf *out, const char *name, uint8_t bits)
{
    plait_buf_put_text(out, name);
    plait_buf_put_u64_text(out, bits);
}

void plait__ws_put_offer(struct plait_buf *out, const struct plait__ws_wish *wish)
{
    plait_buf_put_text(out, "permessage-deflate; client_max_window_bits");
    if (wish->bits < BITS_MAX)
        put_bits(out, "; server_max_window_bits=", wish->bits);
    if (wish->no_takeover)
        plait_buf_put_text(out, "; server_no_context_takeover; client_no_context_takeover");
}

void plait__ws_put_answer(struct plait_buf *out, const struct plait__ws_terms *terms)
{
    plait_buf_put_text(out, "permessage-deflate");
    if (terms->server_no_takeover)
        plait_buf_put_text(out, "; server_no_context_takeover");
    if (terms->client_no_takeover)
        plait_buf_put_text(out, "; client_no_context_takeover");
    if (terms->tells_server_bits)
        put_bits(out, "; server_max_window_bits=", terms->server_bits);
    if (terms->tells_client)
        put_bits(out, "; client_max_window_bits=", terms->client_bits);
}
