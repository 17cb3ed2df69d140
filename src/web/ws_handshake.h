/* SPDX-License-Identifier: MIT
 *
 * The values of a WebSocket's opening handshake: keys, origins, and what permessage-deflate is agreed on. Pure.
 */
#ifndef PLAIT_WEB_WS_HANDSHAKE_H
#define PLAIT_WEB_WS_HANDSHAKE_H

#include <plait/bytes.h>

enum { PLAIT__WS_KEY = 24, PLAIT__WS_ACCEPT = 28, PLAIT__WS_NONCE = 16 };

/* Whether text may be a Sec-WebSocket-Key: sixteen bytes in base64 (RFC 6455 section 4.1). */
bool plait__ws_key_is_right(plait_slice key);

/* Writes the Sec-WebSocket-Accept that answers a key (RFC 6455 section 4.2.2). Errors: PLAIT_EIO. */
plait_err plait__ws_accept_of(plait_slice key, char out[PLAIT__WS_ACCEPT]) PLAIT_MUST;

/* Whether an Origin is the page of a host: "https://a.example:8443" of "a.example:8443", where the scheme's own port
 * need not be written (RFC 6454 section 6.2). */
bool plait__ws_origin_is_host(plait_slice origin, plait_slice host);

/* Takes the next element off a list of tokens (RFC 9110 section 5.6.1). False at the end, and with `*bad` at what is no
 * token. */
bool plait__ws_next_token(struct plait_scan *list, plait_slice *token, bool *bad);

/* What an own side wants of permessage-deflate. */
struct plait__ws_wish {
    uint8_t bits;     /* largest window, 9 to 15 */
    bool no_takeover; /* each message is compressed for itself */
};

/* What both sides agreed on (RFC 7692 section 7.1). */
struct plait__ws_terms {
    bool on;
    bool server_no_takeover, client_no_takeover;
    uint8_t server_bits, client_bits;     /* windows that each side compresses with at most */
    bool tells_server_bits, tells_client; /* the answer says so */
};

/* Looks through one Sec-WebSocket-Extensions of a request for an offer to take, unless there is one already. False: the
 * value is no list of extensions. */
bool plait__ws_judge_offers(plait_slice value, const struct plait__ws_wish *wish, struct plait__ws_terms *terms);

/* Reads what a server answered to the offer of plait__ws_put_offer (NULL: none was made). False: it may not say so. */
bool plait__ws_judge_answer(plait_slice value, const struct plait__ws_wish *wish, struct plait__ws_terms *terms);

void plait__ws_put_offer(struct plait_buf *out, const struct plait__ws_wish *wish);
void plait__ws_put_answer(struct plait_buf *out, const struct plait__ws_terms *terms);

#endif
