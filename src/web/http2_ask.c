/* SPDX-License-Identifier: MIT
 *
 * WebSockets over the client's HTTP/2 (RFC 8441): an exchange that offers one asks by extended CONNECT, on a connection
 * whose server has announced that it takes that. Nobody may ask before the server's settings have come, so the exchange
 * waits for them in its stream; where they say no it fails, to be made once more by HTTP/1.1. Answered with success,
 * the stream becomes a tunnel (http2_tunnel.c), which is given away; another answer is one like any.
 *
 * Invariant: nghttp2 knows nothing of a stream that is EARLY; a tunnel's stream counts among the connection's exchanges
 * until nghttp2 closes it, so that the connection is neither idle nor over before. Test: tests/web/test_http2_ask.c.
 */
#include "web/http2_client.h"

/* --- asking ------------------------------------------------------------------------------------------------------- */

void plait__h2_ask(struct plait__h2_stream *st)
{
    st->flags |= PLAIT__HS_ASKS | PLAIT__HS_EARLY | PLAIT__HS_GONE;
    if (st->conn->flags & PLAIT__HX_TOLD)
        plait__h2_work(st, 0);
}

void plait__h2_settings_came(struct plait__h2_conn *conn)
{
    for (struct plait__list *at = conn->streams.next; at != &conn->streams; at = at->next) {
        struct plait__h2_stream *st = plait__container(at, struct plait__h2_stream, link);
        if (st->flags & PLAIT__HS_EARLY)
            plait__h2_work(st, 0);
    }
}

/* It has to be asked for elsewhere. */
static void turn_away(struct plait__h2_stream *st, enum plait__client_again again)
{
    struct plait__h2_conn *conn = st->conn;
    struct plait__client_exchange *x = plait__h2_part(st);
    struct plait_fault fault = plait_fault_make(PLAIT_EUNSUPPORTED, "http");
    fault.detail = "the server takes no WebSocket over HTTP/2";
    plait__h2_client_stream_free(st);
    x->ops->failed(x, &fault, again);
    plait__h2_released(conn);
}

void plait__h2_look_up(struct plait__h2_stream *st)
{
    struct plait__h2_conn *conn = st->conn;
    if (!conn->client->origin) { /* it ends */
        turn_away(st, PLAIT__AGAIN_UNSEEN);
        return;
    }
    if (!nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)) {
        turn_away(st, PLAIT__AGAIN_HTTP1);
        return;
    }
    if (plait__h2_request_submit(st) != PLAIT_OK)
        plait__h2_fail_exchange(st, PLAIT_ENOMEM, NULL);
    else
        st->flags &= ~(uint32_t)(PLAIT__HS_EARLY | PLAIT__HS_GONE);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

void plait__h2_grant(struct plait__h2_stream *st, const uint8_t *base)
{
    struct plait__client_conn *c = st->conn->client;
    struct plait__h2_tunnel *tunnel;
    if (plait__h2_tunnel_new(st, &tunnel) != PLAIT_OK) {
        plait__h2_fail_exchange(st, PLAIT_ENOMEM, NULL);
        return;
    }
    struct plait__client_exchange *x = plait__h2_part(st);
    c->running++;
    c->used = true;
    st->flags |= PLAIT__HS_TUNNEL | PLAIT__HS_WIDE;
    x->ops->upgraded(x, plait__h2_tunnel_begin(tunnel, st), base);
}

/* --- streams without an exchange ---------------------------------------------------------------------------------- */

void plait__h2_rest_work(struct plait__h2_stream *st)
{
    if (st->flags & PLAIT__HS_GONE) {
        plait__h2_client_stream_free(st);
    } else if ((st->flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW) {
        st->flags &= ~(uint32_t)PLAIT__HS_FULL;
        if (st->tunnel)
            plait__h2_tunnel_room(st->tunnel);
    }
}

void plait__h2_rest_lost(struct plait__h2_stream *st)
{
    if (st->flags & PLAIT__HS_TUNNEL)
        st->conn->client->running--;
    if (st->tunnel)
        plait__h2_tunnel_gone(st->tunnel);
    plait__h2_client_stream_free(st);
}

/* A server that has said all, and resets the stream without an error, only wants to hear no more (RFC 9113 section
 * 8.1): what it said counts. */
void plait__h2_rest_closed(struct plait__h2_stream *st, uint32_t code)
{
    struct plait__h2_conn *conn = st->conn;
    const bool held = st->flags & PLAIT__HS_TUNNEL;
    if ((st->flags & PLAIT__HS_ENDED) && code == NGHTTP2_NO_ERROR) {
        st->flags |= PLAIT__HS_FINAL;
        plait__chain_deinit(&st->out);
    }
    plait__h2_rest_lost(st);
    if (held)
        plait__h2_released(conn);
}
