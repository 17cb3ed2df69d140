/* SPDX-License-Identifier: MIT
 *
 * Limits on requests: how many a client may send in a time, how many may be under way. A client is an IPv4 address or
 * an IPv6 network of 64 bits; it has a bucket that fills at the rate and holds a burst. Peers without an IP address
 * (UNIX sockets) are not limited.
 *
 * Invariant: the table of clients is bounded; when it is full the one that asked longest ago is forgotten, who has the
 * fullest bucket of all that ask as often. Test: tests/web/test_web_limit.c.
 */
#include "base/table.h"
#include "base/try.h"
#include "web/web_layer.h"

#include <stdio.h>

/* --- requests in a time ------------------------------------------------------------------------------------------- */

struct client {
    struct plait__list link;
    plait_time full_at; /* when its bucket is full again */
    uint8_t key[17];
    uint8_t key_len;
};

struct rate {
    struct plait_reactor *reactor;
    plait_span each; /* what one request costs */
    plait_span room; /* what a full bucket holds */
    size_t most;
    struct plait__table table;
    struct plait__list list; /* asked longest ago first */
};

static size_t client_key(const struct plait_request *req, uint8_t out[17])
{
    struct plait_address peer;
    plait_request_peer(req, &peer);
    if (peer.kind != PLAIT_ADDR_IP4 && peer.kind != PLAIT_ADDR_IP6)
        return 0;
    const size_t len = peer.kind == PLAIT_ADDR_IP4 ? 4 : 8;
    memcpy(out, peer.ip, len);
    return len;
}

static void client_forget(struct rate *r, struct client *c)
{
    (void)plait__table_remove(&r->table, plait_slice_of(c->key, c->key_len));
    plait__list_remove(&c->link);
    plait_mem_free(c);
}

/* The client's bucket, made where there is none; NULL without memory: then it is not limited. */
static struct client *client_of(struct rate *r, plait_slice key)
{
    struct client *c = plait__table_find(&r->table, key);
    if (c) {
        plait__list_remove(&c->link);
        plait__list_add_tail(&r->list, &c->link);
        return c;
    }
    if (r->table.count == r->most)
        client_forget(r, plait__container(r->list.next, struct client, link));
    c = plait_mem_new(plait_reactor_budget(r->reactor), sizeof(*c));
    if (!c)
        return NULL;
    memcpy(c->key, key.ptr, key.len);
    c->key_len = (uint8_t)key.len;
    if (plait__table_insert(&r->table, key, c) != PLAIT_OK) {
        plait_mem_free(c);
        return NULL;
    }
    plait__list_add_tail(&r->list, &c->link);
    return c;
}

/* Takes a request out of the bucket: 0, or how long to wait for the next. */
static plait_span spend(const struct rate *r, struct client *c)
{
    const plait_time now = plait_now(r->reactor);
    const plait_time from = c->full_at > now ? c->full_at : now;
    if (from + r->each - now > r->room)
        return from + r->each - now - r->room;
    c->full_at = from + r->each;
    return 0;
}

static void refuse(struct plait_request *req, int status, plait_span wait)
{
    char text[24];
    const int len = snprintf(text, sizeof(text), "%lld", (long long)((wait + plait_seconds(1) - 1) / plait_seconds(1)));
    (void)plait_reply_field(req, "Retry-After", plait_slice_of(text, (size_t)len));
    plait_reply_error(req, status, status == 429 ? "That was too much at once. Please wait a little." : NULL);
}

static void rate_request(struct plait_request *req, void *ctx)
{
    struct rate *r = ctx;
    uint8_t key[17];
    const size_t len = client_key(req, key);
    struct client *c = len ? client_of(r, plait_slice_of(key, len)) : NULL;
    const plait_span wait = c ? spend(r, c) : 0;
    if (wait)
        refuse(req, 429, wait);
    else
        plait_request_pass(req);
}

static void rate_destroy(void *ctx)
{
    struct rate *r = ctx;
    while (!plait__list_empty(&r->list))
        client_forget(r, plait__container(r->list.next, struct client, link));
    plait__table_deinit(&r->table);
    plait_mem_free(r);
}

static const struct plait_layer rate_layer = {.name = "rate", .request = rate_request, .destroy = rate_destroy};

static void *layer_new(struct plait_resource *resource, size_t bytes)
{
    void *made = resource ? plait_mem_new(plait_reactor_budget(plait__resource_reactor(resource)), bytes) : NULL;
    if (!made)
        plait__resource_fail(resource);
    return made;
}

plait_err plait_rate_wrap(struct plait_resource *resource, const struct plait_rate_options *options)
{
    const double rate = options->rate, burst = options->burst ? (double)options->burst : rate < 1 ? 1 : rate;
    if (!(rate > 0.0001 && rate <= 1e6) || burst > 1e6) {
        plait__resource_fail(resource);
        return PLAIT_FAIL(PLAIT_EINVAL);
    }
    struct rate *r = layer_new(resource, sizeof(*r));
    if (!r)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    r->reactor = plait__resource_reactor(resource);
    r->each = (plait_span)(1e9 / rate);
    r->room = (plait_span)(1e9 / rate * burst);
    r->most = options->clients ? options->clients : 10000;
    plait__table_init(&r->table, plait_reactor_budget(r->reactor), r->reactor->hash_key);
    plait__list_init(&r->list);
    return plait_resource_wrap(resource, &rate_layer, r);
}

/* --- requests under way ------------------------------------------------------------------------------------------- */

struct flight {
    size_t refs; /* the layer, and each request under way */
    size_t count, most;
};

static void flight_unref(void *ctx)
{
    struct flight *f = ctx;
    if (--f->refs == 0)
        plait_mem_free(f);
}

static void flight_done(struct plait_request *req, void *ctx)
{
    struct flight *f = ctx;
    (void)req;
    f->count--;
    flight_unref(f);
}

static const struct plait_filter flight_filter = {.done = flight_done};

static void flight_request(struct plait_request *req, void *ctx)
{
    struct flight *f = ctx;
    if (f->count == f->most || plait_request_filter(req, &flight_filter, f) != PLAIT_OK) {
        refuse(req, 503, plait_seconds(1));
        return;
    }
    f->count++;
    f->refs++;
    plait_request_pass(req);
}

static const struct plait_layer flight_layer = {
    .name = "in flight", .request = flight_request, .destroy = flight_unref};

plait_err plait_in_flight_wrap(struct plait_resource *resource, size_t most)
{
    struct flight *f = layer_new(resource, sizeof(*f));
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    f->refs = 1;
    f->most = most;
    return plait_resource_wrap(resource, &flight_layer, f);
}
