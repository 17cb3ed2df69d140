/* SPDX-License-Identifier: MIT
 *
 * The client's pool: connections to origins, who waits for them, and how many there may be. What makes two requests
 * share a connection is a key of everything that makes connections differ: scheme, host, port, TLS context and whether
 * its certificate is shown, rules for targets, the way there, family and source address. What flows over one is the
 * matter of its protocol.
 *
 * An exchange that waits has a connection made for it where the limits allow, and takes whichever is free first; a
 * connection that nobody waits for any more is given up. Invariants: an origin is known as long as it has a connection
 * or somebody waits there; nothing here calls a user back. Test: tests/web/test_http_pool.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "engine/core.h"
#include "web/http_client_core.h"

#include <plait/tls.h>

enum { KEY_MAX = 1024, PER_ORIGIN = 16, CONNECTIONS = 256, WAITING = 10000, STREAMS = 100 };

static void pump(struct plait__client_origin *o);

/* --- origins --------------------------------------------------------------------------------------------------- */

static void put_lower(struct plait_buf *key, plait_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        plait_buf_put_u8(key, plait__lower(text.ptr[i]));
    plait_buf_put_u8(key, 0);
}

/* Invariant: equal keys, interchangeable connections. TLS context and rules that are in a key are held by its origin,
 * so that no others can have their addresses. */
static void write_key(struct plait_buf *key, const struct plait_url *url, const struct plait_connect_options *c)
{
    put_lower(key, url->host);
    plait_buf_put_u16(key, plait_url_port(url));
    plait_buf_put(key, plait_slice_of(&c->tls, sizeof(c->tls)));
    plait_buf_put(key, plait_slice_of(&c->targets, sizeof(c->targets)));
    plait_buf_put(key, plait_slice_of(&c->via, sizeof(c->via)));
    plait_buf_put_u8(key, c->no_client_cert);
    plait_buf_put_u8(key, (uint8_t)c->family);
    plait_buf_put_u8(key, (uint8_t)c->source.kind);
    plait_buf_put_u16(key, c->source.port);
    plait_buf_put_u32(key, c->source.scope);
    plait_buf_put(key, plait_slice_of(c->source.ip, sizeof(c->source.ip)));
    plait_buf_put(key, plait_slice_of(c->source.name, c->source.name_len));
}

static struct plait__client_origin *origin_new(struct plait_http_client *client, plait_slice key,
                                               const struct plait_url *url, const struct plait_connect_options *connect,
                                               struct plait_http_proxy *proxy)
{
    struct plait_budget *budget = plait_reactor_budget(client->reactor);
    struct plait__client_origin *o = plait_mem_new(budget, sizeof(*o) + key.len + url->host.len);
    if (!o)
        return NULL;
    uint8_t *text = (uint8_t *)(o + 1);
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, url->host.ptr, url->host.len);
    o->key = plait_slice_of(text, key.len);
    o->host = plait_slice_of(text + key.len, url->host.len);
    o->port = plait_url_port(url);
    o->client = client;
    plait__list_init(&o->conns);
    plait__list_init(&o->ready);
    plait__list_init(&o->waiting);
    plait__list_init(&o->hungry_link);
    if (plait__table_insert(&client->origins, o->key, o) != PLAIT_OK) {
        plait_mem_free(o);
        return NULL;
    }
    o->tls = connect->tls ? plait_tls_client_ref(connect->tls) : NULL;
    o->proxy = proxy ? plait_http_proxy_ref(proxy) : NULL;
    o->targets = connect->targets ? plait_target_rules_ref(connect->targets) : NULL;
    return o;
}

static struct plait__client_origin *origin_of(struct plait_http_client *client, const struct plait_url *url,
                                              const struct plait_connect_options *connect,
                                              struct plait_http_proxy *proxy, enum plait_http_version version)
{
    struct plait_buf key;
    plait_buf_init(&key, plait_reactor_budget(client->reactor), KEY_MAX);
    plait_buf_put_u8(&key, (uint8_t)version);
    write_key(&key, url, connect);
    struct plait__client_origin *o = NULL;
    if (!key.err)
        o = plait__table_find(&client->origins, plait_buf_slice(&key));
    if (!key.err && !o)
        o = origin_new(client, plait_buf_slice(&key), url, connect, proxy);
    if (o)
        o->wants = version;
    plait_buf_deinit(&key);
    return o;
}

/* Forgets an origin that nobody needs. */
static void origin_trim(struct plait__client_origin *o)
{
    if (o->pins > 0 || !plait__list_empty(&o->conns) || !plait__list_empty(&o->waiting))
        return;
    plait__list_remove(&o->hungry_link);
    (void)plait__table_remove(&o->client->origins, o->key);
    plait_tls_client_unref(&o->tls);
    plait_target_rules_unref(&o->targets);
    plait_http_proxy_unref(&o->proxy);
    plait_mem_free(o);
}

/* Somewhere a connection ended: who waited for that may open one. */
static void feed_hungry(void *ctx)
{
    struct plait_http_client *client = ctx;
    while (!plait__list_empty(&client->hungry) && client->counts.open < client->options.connections) {
        struct plait__client_origin *o =
            plait__container(client->hungry.next, struct plait__client_origin, hungry_link);
        plait__list_remove(&o->hungry_link);
        pump(o);
    }
}

/* --- connections ----------------------------------------------------------------------------------------------- */

static void unwant(struct plait__client_conn *c)
{
    if (c->wanted)
        c->wanted->making = NULL;
    c->wanted = NULL;
}

/* Takes a connection off its origin's books. */
static void take_off(struct plait__client_conn *c)
{
    struct plait__client_origin *o = c->origin;
    c->origin = NULL;
    unwant(c);
    plait_timer_stop(&c->idle);
    plait__list_remove(&c->link);
    plait__list_remove(&c->ready_link);
    if (!plait__list_empty(&c->idle_link))
        o->client->counts.idle--;
    plait__list_remove(&c->idle_link);
    o->connecting -= c->connecting != NULL;
    o->open--;
    o->client->counts.open--;
    if (!plait__list_empty(&o->client->hungry))
        plait_soon_queue(&o->client->feed);
}

/* Ends a connection that carries nothing. */
static void end_unused(struct plait__client_conn *c)
{
    take_off(c);
    if (c->connecting)
        plait_deferred_cancel(c->connecting); /* which frees it, now or soon */
    else
        c->ops->close(c);
}

void plait__client_conn_retire(struct plait__client_conn *c)
{
    struct plait__client_origin *o = c->origin;
    if (!o)
        return;
    take_off(c);
    pump(o);
}

void plait__client_conn_free(struct plait__client_conn *c)
{
    plait__client_conn_retire(c);
    plait_mem_free(c);
}

static void too_long_idle(void *ctx)
{
    struct plait__client_conn *c = ctx;
    plait__client_conn_retire(c);
    c->ops->close(c);
}

/* Says where a connection stands among the others: with room, without, idle. */
static void file_conn(struct plait__client_conn *c)
{
    struct plait_http_client *client = c->origin->client;
    plait__list_remove(&c->ready_link);
    if (!plait__list_empty(&c->idle_link))
        client->counts.idle--;
    plait__list_remove(&c->idle_link);
    plait_timer_stop(&c->idle);
    if (c->room > 0)
        plait__list_add_head(&c->origin->ready, &c->ready_link);
    if (c->running > 0)
        return;
    plait__list_add_tail(&client->idle, &c->idle_link);
    client->counts.idle++;
    plait_timer_arm(&c->idle, client->options.idle);
}

void plait__client_conn_released(struct plait__client_conn *c)
{
    struct plait__client_origin *o = c->origin;
    file_conn(c);
    pump(o);
}

/* --- exchanges meet connections -------------------------------------------------------------------------------- */

/* The connection that was being made for an exchange is for the next who has none, or for nobody. */
static void pass_on(struct plait__client_exchange *x, struct plait__client_origin *o)
{
    struct plait__client_conn *c = x->making;
    if (!c)
        return;
    unwant(c);
    for (struct plait__list *at = o->waiting.next; at != &o->waiting; at = at->next) {
        struct plait__client_exchange *next = plait__container(at, struct plait__client_exchange, link);
        if (next->making)
            continue;
        c->wanted = next;
        next->making = c;
        return;
    }
    end_unused(c);
}

/* Takes an exchange out of its queue. */
static void stop_waiting(struct plait__client_exchange *x)
{
    struct plait__client_origin *o = x->origin;
    x->origin = NULL;
    o->client->waiting--;
    plait__list_remove(&x->link);
    pass_on(x, o);
}

/* Who fails here hears of it in a later step: whoever calls has lists in his hands. */
static void fail_waiting(struct plait__client_exchange *x, plait_err err)
{
    struct plait_http_client *client = x->origin->client;
    stop_waiting(x);
    x->err = err;
    plait__list_add_tail(&client->failing, &x->link);
    plait_soon_queue(&client->tell);
}

static void tell_failing(void *ctx)
{
    struct plait_http_client *client = ctx;
    if (plait__list_empty(&client->failing))
        return;
    struct plait__client_exchange *x = plait__container(client->failing.next, struct plait__client_exchange, link);
    const struct plait_fault fault = plait_fault_make(x->err, "connect");
    plait__list_remove(&x->link);
    plait_soon_queue(&client->tell);             /* for the next */
    x->ops->failed(x, &fault, PLAIT__AGAIN_NOT); /* which may be the client's end */
}

static void carry(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    struct plait_http_client *client = c->origin->client;
    if (x->making == c)
        unwant(c);
    const plait_err err = c->ops->start(c, x);
    if (err) {
        fail_waiting(x, err);
        return;
    }
    stop_waiting(x);
    x->conn = c;
    client->counts.reused += c->taken;
    file_conn(c);
    x->ops->taken(x);
    c->taken = true;
}

/* What is to be offered by ALPN. Who speaks HTTP/1.1 alone offers nothing, as ever. */
static plait_slice protocols(const struct plait__client_origin *o)
{
    if (!o->tls || o->wants == PLAIT_HTTP_1)
        return plait_slice_of(NULL, 0);
    return o->wants == PLAIT_HTTP_2 ? PLAIT_LIT("\x02h2") : PLAIT_LIT("\x02h2\x08http/1.1");
}

/* Speaks what the handshake or the origin says. Where that fails the stream is as it was. */
static plait_err begin_protocol(struct plait__client_conn *c, struct plait_stream *s)
{
    struct plait__client_origin *o = c->origin;
    const struct plait_tls_info *tls = plait_stream_tls(s);
    const bool chosen = tls && plait_slice_equal(tls->alpn, PLAIT_LIT("h2"));
    o->alone = o->wants == PLAIT_HTTP_1 || (o->wants == PLAIT_HTTP_ANY && !chosen);
    if (o->alone) {
        plait__client_conn_begin_http1(c, s);
        return PLAIT_OK;
    }
    if (tls && !chosen)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    return plait__client_conn_begin_http2(c, s);
}

/* There is no connection: who waits for it hears that, the others no longer wait for this one. */
static void not_connected(struct plait__client_conn *c, struct plait__client_exchange *x, struct plait_fault fault)
{
    unwant(c);
    if (c->origin) {
        c->origin->alone = true;
        stop_waiting(x);
    }
    plait__client_conn_free(c);
    if (x)
        x->ops->failed(x, &fault, PLAIT__AGAIN_NOT);
}

/* The connection is there: it goes to who had it made. */
static void on_connected(struct plait_result *result, void *ctx)
{
    struct plait__client_conn *c = ctx;
    struct plait__client_exchange *x = c->wanted;
    struct plait__client_origin *o = c->origin;
    struct plait_fault fault = result->fault;
    c->connecting = NULL;
    if (o)
        o->connecting--;
    if (o && !fault.err) {
        fault.err = begin_protocol(c, result->value.ptr);
        fault.detail = fault.err == PLAIT_EUNSUPPORTED ? "the server does not speak HTTP/2" : NULL;
    }
    if (!o || fault.err) {
        plait_result_set(result, plait_value_num(0)); /* a stream that nobody takes is aborted */
        not_connected(c, x, fault);
        return;
    }
    (void)plait_result_take(result);
    file_conn(c);
    carry(c, x);
    pump(o);
}

static void on_trace(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    const struct plait__client_conn *c = ctx;
    if (c->wanted && c->wanted->connect.trace)
        c->wanted->connect.trace(what, address, err, c->wanted->connect.trace_ctx);
}

/* Begins a connection for an exchange. */
static plait_err open_for(struct plait__client_origin *o, struct plait__client_exchange *x)
{
    struct plait_reactor *r = o->client->reactor;
    struct plait__client_conn *c = plait_mem_new(plait_reactor_budget(r), sizeof(*c));
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    struct plait_connect_options connect = x->connect;
    connect.trace = on_trace;
    connect.trace_ctx = c;
    connect.alpn = protocols(o);
    c->connecting = plait_connect_host(r, o->host, o->port, &connect);
    if (plait_then(c->connecting, on_connected, c) != PLAIT_OK) { /* there is none: one holds a callback at least */
        plait_mem_free(c);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    plait_timer_init(&c->idle, r, "http idle", too_long_idle, c);
    plait__list_add_tail(&o->conns, &c->link);
    plait__list_init(&c->ready_link);
    plait__list_init(&c->idle_link);
    c->origin = o;
    c->last = o->client->options.no_reuse;
    c->wanted = x;
    x->making = c;
    o->open++;
    o->connecting++;
    o->client->counts.open++;
    o->client->counts.made++;
    return PLAIT_OK;
}

/* Ends a connection that carries nothing, so that another can be made in its place. */
static bool evict(struct plait__client_conn *c, const struct plait__client_origin *for_whom)
{
    struct plait__client_origin *o = c->origin;
    end_unused(c);
    if (o != for_whom)
        origin_trim(o);
    return true;
}

/* Whether one more connection may be made, perhaps for one that is idle. */
static bool may_open(struct plait__client_origin *o)
{
    struct plait_http_client *client = o->client;
    if (o->open >= client->options.per_origin) {
        struct plait__client_conn *c = plait__container(o->ready.prev, struct plait__client_conn, ready_link);
        return !plait__list_empty(&o->ready) && c->running == 0 && evict(c, o);
    }
    if (client->counts.open < client->options.connections)
        return true;
    if (!plait__list_empty(&client->idle))
        return evict(plait__container(client->idle.next, struct plait__client_conn, idle_link), o);
    if (plait__list_empty(&o->hungry_link))
        plait__list_add_tail(&client->hungry, &o->hungry_link);
    return false;
}

static struct plait__client_conn *ready_for(struct plait__client_origin *o, const struct plait__client_exchange *x)
{
    for (struct plait__list *at = o->ready.next; at != &o->ready; at = at->next) {
        struct plait__client_conn *c = plait__container(at, struct plait__client_conn, ready_link);
        if (!x->fresh || !c->used)
            return c;
    }
    return NULL;
}

/* Whether a connection is being made that may turn out to take several at once: then nobody has one of his own made
 * before that is known. */
static bool may_join(const struct plait__client_origin *o)
{
    return o->connecting > 0 && o->wants != PLAIT_HTTP_1 && !o->alone;
}

/* Lets an exchange go on: to a connection, or at least to one that is being made. Returns false where others behind it
 * can't go on either. */
static bool serve(struct plait__client_origin *o, struct plait__client_exchange *x)
{
    struct plait__client_conn *c = ready_for(o, x);
    if (c) {
        carry(c, x);
        return true;
    }
    if (x->making || may_join(o))
        return true;
    if (!may_open(o))
        return !plait__list_empty(&o->ready);
    const plait_err err = open_for(o, x);
    if (err)
        fail_waiting(x, err);
    return true;
}

/* Goes through those that wait. The origin may be forgotten by it. */
static void pump(struct plait__client_origin *o)
{
    struct plait__list *at = o->waiting.next;
    while (at != &o->waiting && !o->client->ending) {
        struct plait__client_exchange *x = plait__container(at, struct plait__client_exchange, link);
        at = at->next;
        if (!serve(o, x))
            break;
    }
    origin_trim(o);
}

plait_err plait__pool_enter_at(struct plait__client_origin *o, struct plait__client_exchange *x)
{
    struct plait_http_client *client = o->client;
    if (client->waiting >= client->options.waiting)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    x->origin = o;
    x->conn = NULL;
    x->making = NULL;
    client->waiting++;
    plait__list_add_tail(&o->waiting, &x->link);
    pump(o);
    return PLAIT_OK;
}

plait_err plait__pool_enter(struct plait_http_client *client, struct plait__client_exchange *x,
                            const struct plait_url *url)
{
    enum plait_http_version version = x->version;
    if (version == PLAIT_HTTP_ANY && (!x->connect.tls || client->options.no_reuse))
        version = PLAIT_HTTP_1; /* there is nobody to choose, or nothing to share */
    struct plait__client_origin *o = origin_of(client, url, &x->connect, x->proxy, version);
    if (!o)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = plait__pool_enter_at(o, x);
    if (err)
        origin_trim(o);
    return err;
}

struct plait__client_origin *plait__pool_pin(struct plait_http_client *client, const struct plait_url *url,
                                             const struct plait_connect_options *connect)
{
    struct plait__client_origin *o = origin_of(client, url, connect, NULL, PLAIT_HTTP_1);
    if (o)
        o->pins++;
    return o;
}

void plait__pool_unpin(struct plait__client_origin **o)
{
    struct plait__client_origin *old = *o;
    *o = NULL;
    if (!old)
        return;
    old->pins--;
    origin_trim(old);
}

void plait__pool_leave(struct plait__client_exchange *x)
{
    struct plait__client_origin *o = x->origin;
    if (x->conn)
        x->conn->ops->leave(x->conn, x);
    if (!o) {
        plait__list_remove(&x->link); /* it may be failing */
        return;
    }
    stop_waiting(x);
    pump(o);
}

/* --- clients --------------------------------------------------------------------------------------------------- */

struct plait_http_client *plait_http_client_new(struct plait_reactor *reactor,
                                                const struct plait_http_client_options *options)
{
    static const struct plait_http_client_options defaults;
    struct plait_http_client *client = plait_mem_new(plait_reactor_budget(reactor), sizeof(*client));
    if (!client)
        return NULL;
    struct plait_http_client_options *o = &client->options;
    *o = options ? *options : defaults;
    o->per_origin = o->per_origin ? o->per_origin : PER_ORIGIN;
    o->connections = o->connections ? o->connections : CONNECTIONS;
    o->waiting = o->waiting ? o->waiting : WAITING;
    o->streams = o->streams ? o->streams : STREAMS;
    o->idle = o->idle ? o->idle : plait_seconds(60);
    client->reactor = reactor;
    plait__table_init(&client->origins, plait_reactor_budget(reactor), reactor->hash_key);
    plait__list_init(&client->idle);
    plait__list_init(&client->hungry);
    plait__list_init(&client->failing);
    plait__list_init(&client->fetches);
    plait__list_init(&client->dials);
    plait_soon_init(&client->tell, reactor, "http failures", tell_failing, client);
    plait_soon_init(&client->feed, reactor, "http connections", feed_hungry, client);
    return client;
}

static struct plait__client_origin *connected_origin(struct plait_http_client *client)
{
    struct plait__table_walk walk = {0};
    struct plait__client_origin *o;
    plait_slice key;
    do
        o = plait__table_next(&client->origins, &walk, &key);
    while (o && plait__list_empty(&o->conns));
    return o;
}

/* Nothing is under way any more; a connection may just be telling the end of its last exchange. */
static void end_connections(struct plait_http_client *client)
{
    struct plait__client_origin *o;
    while ((o = connected_origin(client))) {
        while (!plait__list_empty(&o->conns))
            end_unused(plait__container(o->conns.next, struct plait__client_conn, link));
        origin_trim(o);
    }
}

void plait_http_client_free(struct plait_http_client **client)
{
    struct plait_http_client *c = *client;
    *client = NULL;
    if (!c)
        return;
    c->ending = true;
    plait__fetches_cancel(c);
    plait__dials_cancel(c);
    end_connections(c);
    plait_soon_cancel(&c->feed);
    plait_soon_cancel(&c->tell);
    plait__table_deinit(&c->origins);
    plait_mem_free(c);
}

void plait_http_client_look(const struct plait_http_client *client, struct plait_http_client_counts *out)
{
    *out = client->counts;
    out->waiting = client->waiting;
}
