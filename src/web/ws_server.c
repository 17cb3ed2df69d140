/* SPDX-License-Identifier: MIT
 *
 * A request that becomes a WebSocket (RFC 6455 section 4.2): the handshake is judged, refused with the status that says
 * why, or answered with what both sides agree on.
 *
 * A browser sends its user's cookies to whoever a page names, so pages of other hosts are refused unless the options
 * name them (section 10.2). Invariant: when plait_websocket_accept returns, the request is over.
 * Test: tests/web/test_ws_server.c.
 */
#include "base/try.h"
#include "web/ws_core.h"

#define VERSION "13"

/* What a request asks for. */
struct offer {
    plait_slice key;
    const char *protocol;
    struct plait__ws_terms deflate;
    bool old_version;
};

/* --- judging: each gives 0 or the status to refuse with --------------------------------------------------------- */

/* The value of a field that may stand there once. */
static int only_value(const struct plait_request *req, const char *name, plait_slice *out)
{
    *out = plait_slice_of(NULL, 0);
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice n, value;
        plait_request_field_at(req, i, &n, &value);
        if (!plait_slice_equal_nocase(n, plait_slice_text(name)))
            continue;
        if (out->ptr)
            return 400;
        *out = value;
    }
    return 0;
}

static int judge_version(const struct plait_request *req, struct offer *offer)
{
    plait_slice version;
    if (only_value(req, "Sec-WebSocket-Version", &version))
        return 400;
    offer->old_version = !plait_slice_equal(version, PLAIT_LIT(VERSION));
    return offer->old_version ? 426 : 0;
}

static bool is_listed(const char *const *texts, plait_slice text)
{
    for (; *texts; texts++) {
        if (plait_slice_equal_nocase(plait_slice_text(*texts), text) || strcmp(*texts, "*") == 0)
            return true;
    }
    return false;
}

static int judge_origin(const struct plait_request *req, const struct plait_websocket_options *options)
{
    plait_slice origin;
    if (only_value(req, "Origin", &origin))
        return 400;
    if (!origin.ptr)
        return 0;
    const bool may = options && options->origins ? is_listed(options->origins, origin)
                                                 : plait__ws_origin_is_host(origin, plait_request_host(req));
    return may ? 0 : 403;
}

/* Subprotocols (RFC 6455 section 4.2.2): the first of ours that the client offers, where there is one. */
static int judge_protocols(const struct plait_request *req, const char *const *ours, const char **out)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value, token;
        bool bad = false;
        plait_request_field_at(req, i, &name, &value);
        if (!plait_slice_equal_nocase(name, PLAIT_LIT("Sec-WebSocket-Protocol")))
            continue;
        struct plait_scan list = plait_scan_of(value);
        while (plait__ws_next_token(&list, &token, &bad)) {
            for (size_t p = 0; ours && ours[p]; p++) {
                if (p < best && plait_slice_equal(token, plait_slice_text(ours[p])))
                    best = p;
            }
        }
        if (bad)
            return 400;
    }
    *out = best == SIZE_MAX ? NULL : ours[best];
    return 0;
}

static int judge_extensions(const struct plait_request *req, const struct plait_websocket_options *options,
                            struct plait__ws_terms *terms)
{
    const struct plait__ws_wish wish = plait__ws_wish_of(options);
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (plait_slice_equal_nocase(name, PLAIT_LIT("Sec-WebSocket-Extensions")) &&
            !plait__ws_judge_offers(value, options && options->no_deflate ? NULL : &wish, terms))
            return 400;
    }
    return 0;
}

static int judge(const struct plait_request *req, const struct plait_websocket_options *options, struct offer *offer)
{
    int status;
    if (!plait_slice_equal(plait_request_method(req), PLAIT_LIT("GET")))
        return 405;
    if (!plait_request_upgrade_offered(req, "websocket"))
        return 426;
    if ((status = judge_version(req, offer)) || (status = only_value(req, "Sec-WebSocket-Key", &offer->key)))
        return status;
    if (!plait__ws_key_is_right(offer->key))
        return 400;
    if ((status = judge_origin(req, options)) ||
        (status = judge_protocols(req, options ? options->protocols : NULL, &offer->protocol)))
        return status;
    return judge_extensions(req, options, &offer->deflate);
}

/* --- refusing --------------------------------------------------------------------------------------------------- */

static plait_err refuse(struct plait_request *req, int status, const struct offer *offer)
{
    const char *why = status == 426 && offer->old_version ? "This server speaks version " VERSION " of WebSocket."
                      : status == 426                     ? "Only a WebSocket can be opened here."
                      : status == 403                     ? "This page may not open a WebSocket here."
                                                          : NULL;
    if (status == 426) {
        plait__reply_offer_upgrade(req, "websocket");
        (void)plait_reply_field(req, "Sec-WebSocket-Version", PLAIT_LIT(VERSION));
    }
    if (status == 405)
        (void)plait_reply_field(req, "Allow", PLAIT_LIT("GET"));
    plait_reply_error(req, status, why);
    return status == 403 ? PLAIT_FAIL(PLAIT_EFORBIDDEN) : PLAIT_FAIL(PLAIT_EMALFORMED);
}

/* --- answering -------------------------------------------------------------------------------------------------- */

static plait_err add_fields(struct plait_request *req, const struct offer *offer)
{
    char accept[PLAIT__WS_ACCEPT];
    struct plait_buf extension;
    PLAIT_TRY(plait__ws_accept_of(offer->key, accept)); /* unseen: libcrypto knows SHA-1 */
    PLAIT_TRY(plait_reply_field(req, "Sec-WebSocket-Accept", plait_slice_of(accept, sizeof accept)));
    if (offer->protocol)
        PLAIT_TRY(plait_reply_field(req, "Sec-WebSocket-Protocol", plait_slice_text(offer->protocol)));
    if (!offer->deflate.on)
        return PLAIT_OK;
    plait_buf_init(&extension, plait_reactor_budget(plait_request_reactor(req)), 256);
    plait__ws_put_answer(&extension, &offer->deflate);
    const plait_err err =
        extension.err ? extension.err : plait_reply_field(req, "Sec-WebSocket-Extensions", plait_buf_slice(&extension));
    plait_buf_deinit(&extension);
    return err;
}

static plait_err upgrade(struct plait_request *req, const struct offer *offer, struct plait_stream **s)
{
    PLAIT_TRY(add_fields(req, offer));
    return plait_request_upgrade(req, "websocket", s);
}

/* Judges, answers, and makes the WebSocket. When it fails the request is over all the same. */
static plait_err accept_request(struct plait_request *req, const struct plait_websocket_options *options,
                                const struct plait_websocket_handler *handler, void *self, struct plait_websocket **out)
{
    struct offer offer = {.protocol = NULL};
    struct plait_stream *s;
    plait_err err = plait__ws_options_are_right(options) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EINVAL);
    const int status = judge(req, options, &offer);
    if (!err && status)
        return refuse(req, status, &offer);
    if (!err)
        err = upgrade(req, &offer, &s);
    if (err) {
        plait_reply_error(req, err == PLAIT_EINVAL ? 500 : 503, NULL);
        return err;
    }
    const struct plait__ws_agreed agreed = {.options = options, .protocol = offer.protocol, .deflate = offer.deflate};
    *out = plait__ws_new(s, &agreed, handler, self);
    return *out ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait_websocket_accept(struct plait_request *req, const struct plait_websocket_options *options,
                                 const struct plait_websocket_handler *handler, void *self,
                                 struct plait_websocket **out)
{
    struct plait_websocket *ws;
    PLAIT_TRY(accept_request(req, options, handler, self, &ws));
    if (out)
        *out = ws;
    return PLAIT_OK;
}

plait_err plait_websocket_accept_stream(struct plait_request *req, const struct plait_websocket_options *options,
                                        struct plait_stream **out)
{
    struct plait_websocket *ws;
    struct plait__ws_carrier *carrier = plait__ws_carrier_new(plait_request_reactor(req), false);
    if (!carrier) {
        plait_reply_error(req, 503, NULL);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    const plait_err err = accept_request(req, options, &plait__ws_carrier_handler, carrier, &ws);
    if (err)
        plait__ws_carrier_drop(carrier);
    else
        *out = plait__ws_carrier_stream(carrier, ws);
    return err;
}
