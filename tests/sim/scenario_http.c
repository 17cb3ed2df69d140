/* SPDX-License-Identifier: MIT
 *
 * HTTP, client against server: answers at once, in pieces and later, bodies both ways, redirects, fetches that wait for
 * a connection or are given up. Every fetch ends exactly once, whole or with an error, and no answer is given to
 * another request. `http_pipeline`: requests sent ahead on connections of their own, answered in their order.
 * `http_proxy`: the same fetches through our reverse proxy, which has two such servers behind it. `http2_client`: the
 * same over HTTP/2, where they share connections and some are read in pieces, with pauses.
 */
#include "tests/sim/scenarios.h"

#include <plait/http.h>
#include <plait/listen.h>
#include <plait/proxy.h>

#include <stdio.h>

enum { FETCHES = 16, LARGE = 40000, PIPELINES = 4, AHEAD = 24 };

static uint8_t byte_at(size_t key, size_t i)
{
    return (uint8_t)((i * 31 + key * 7 + i / 251) & 0xff);
}

/* --- the server ------------------------------------------------------------------------------------------------ */

struct piecewise {
    size_t key, sent;
};

static void send_more(struct plait_request *req, void *ctx)
{
    struct piecewise *p = ctx;
    uint8_t block[4096];
    while (p->sent < LARGE && !plait_reply_is_full(req)) {
        size_t len = LARGE - p->sent < sizeof(block) ? LARGE - p->sent : sizeof(block);
        for (size_t i = 0; i < len; i++)
            block[i] = byte_at(p->key, p->sent + i);
        plait_reply_write(req, plait_slice_of(block, len));
        p->sent += len;
    }
    if (p->sent == LARGE)
        plait_reply_end(req);
}

static size_t key_of(struct plait_request *req)
{
    plait_slice text;
    uint64_t key = 0;
    if (!plait_request_arg(req, "key", &text) || plait_slice_to_u64(text, 1000, &key) != PLAIT_OK)
        return 0;
    return (size_t)key;
}

static void leave(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_drop(req);
}

static void answer_large(struct plait_request *req, void *ctx)
{
    struct piecewise *p = plait_request_memory(req, sizeof(*p));
    if (!p) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    p->key = key_of(req);
    p->sent = 0;
    plait_request_gone(req, leave, NULL);
    plait_reply_begin(req, 200, "application/octet-stream", p->key % 2 ? LARGE : PLAIT_LENGTH_UNKNOWN);
    plait_reply_room(req, send_more, p);
    (void)ctx;
    send_more(req, p);
}

static void answer_small(struct plait_request *req, void *ctx)
{
    char text[32];
    (void)ctx;
    (void)snprintf(text, sizeof(text), "small %zu", key_of(req));
    plait_reply_text(req, 200, text);
}

static void echo(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, body);
}

static void answer_body(struct plait_request *req, void *ctx)
{
    if (plait_request_collect(req, LARGE, echo, ctx) != PLAIT_OK)
        plait_reply_error(req, 500, NULL);
}

/* A redirect whose answer comes later, by a timer in the request's own memory. */
struct later {
    struct plait_timer timer;
    struct plait_request *req;
};

static void later_now(void *ctx)
{
    struct later *l = ctx;
    char to[48];
    (void)snprintf(to, sizeof(to), "small?key=%zu", key_of(l->req));
    plait_reply_redirect(l->req, 302, plait_slice_text(to));
}

static void slow_now(void *ctx)
{
    struct later *l = ctx;
    char text[32];
    (void)snprintf(text, sizeof(text), "small %zu", key_of(l->req));
    plait_reply_text(l->req, 200, text);
}

static void later_gone(struct plait_request *req, void *ctx)
{
    struct later *l = ctx;
    plait_timer_stop(&l->timer);
    plait_request_drop(req);
}

static void answer_by(struct plait_request *req, plait_call_fn fn)
{
    struct later *l = plait_request_memory(req, sizeof(*l));
    if (!l) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    l->req = req;
    plait_timer_init(&l->timer, plait_request_reactor(req), "later", fn, l);
    plait_timer_arm(&l->timer, plait_millis(300));
    plait_request_gone(req, later_gone, l);
}

static void answer_later(struct plait_request *req, void *ctx)
{
    (void)ctx;
    answer_by(req, later_now);
}

static void answer_slowly(struct plait_request *req, void *ctx)
{
    (void)ctx;
    answer_by(req, slow_now);
}

static bool serve(struct plait_sim *sim, struct plait_host *host, struct plait_address *at)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_listener *listener;
    const struct plait_listen_options options = {0};
    (void)plait_resource_get(root, "large", answer_large, NULL);
    (void)plait_resource_get(root, "small", answer_small, NULL);
    (void)plait_resource_get(root, "later", answer_later, NULL);
    (void)plait_resource_get(root, "slow", answer_slowly, NULL);
    (void)plait_resource_on(root, "POST", "body", answer_body, NULL);
    plait_host_address(host, PLAIT_ADDR_IP4, 80, at);
    const plait_err err = plait_listen(r, at, &options, plait_http(root), &listener);
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the client ------------------------------------------------------------------------------------------------ */

struct one {
    struct plait_sim *sim;
    struct plait_timer start;
    struct plait_http_client *http;
    const char *host;
    bool proxied; /* an answer may say that there is none */
    size_t key;
    unsigned kind;
    unsigned ends;
    bool whole;
    enum plait_http_version version;
    struct plait_timer resume;
    const struct plait_response *paused;
    size_t read; /* bytes of a body that comes in pieces */
};

static const uint8_t posted[20000];

static bool body_is(const struct one *o, plait_slice body)
{
    char text[32];
    if (o->kind == 0) {
        for (size_t i = 0; i < body.len; i++) {
            if (body.ptr[i] != byte_at(o->key, i))
                return false;
        }
        return body.len == LARGE;
    }
    if (o->kind == 3)
        return plait_slice_equal(body, plait_slice_of(posted, sizeof(posted)));
    (void)snprintf(text, sizeof(text), "small %zu", o->key);
    return plait_slice_equal(body, plait_slice_text(text));
}

static void resume(void *ctx)
{
    const struct one *o = ctx;
    plait_response_resume(o->paused);
}

/* Takes a piece of a large body, and wants no more for some time. */
static plait_err take_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct one *o = ctx;
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.ptr[i] != byte_at(o->key, o->read + i))
            plait_sim_fail(o->sim, "fetch %zu got bytes of another body", o->key);
    }
    o->read += piece.len;
    o->paused = response;
    plait_response_pause(response);
    plait_timer_arm(&o->resume, plait_millis((int64_t)plait_sim_random(o->sim, 50)));
    return PLAIT_OK;
}

static bool is_right(const struct one *o, const struct plait_response *response)
{
    if (plait_response_status(response) != 200)
        return false;
    if (plait_response_version(response) != (o->version == PLAIT_HTTP_2 ? 20 : 11))
        return false;
    return o->read ? o->read == LARGE : body_is(o, plait_response_body(response));
}

static void ended(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    o->ends++;
    o->whole = result->fault.err == PLAIT_OK;
    plait_timer_stop(&o->resume);
    if (o->whole) {
        const struct plait_response *response = result->value.ptr;
        const int status = plait_response_status(response);
        if (o->proxied && status >= 502 && status <= 504)
            o->whole = false;
        else if (!is_right(o, response))
            plait_sim_fail(o->sim, "fetch %zu of kind %u got a wrong answer", o->key, o->kind);
    }
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    static const char *const paths[] = {"large", "small", "later", "body"};
    struct one *o = ctx;
    char url[64];
    struct plait_fetch_options options = {.idle = plait_seconds(20), .version = o->version};
    (void)snprintf(url, sizeof(url), "http://%s/%s?key=%zu", o->host, paths[o->kind], o->key);
    if (o->kind == 3) {
        options.method = "POST";
        options.body = plait_slice_of(posted, sizeof(posted));
    }
    if (o->version == PLAIT_HTTP_2 && o->kind == 0 && o->key % 4 == 0) {
        options.data = take_piece;
        options.ctx = o;
    }
    struct plait_deferred *d = plait_http_fetch(o->http, url, &options);
    if (plait_then(d, ended, o) != PLAIT_OK)
        plait_sim_fail(o->sim, "no memory for a fetch");
    if (o->key % 6 == 5)
        plait_deferred_deadline(d, plait_millis((int64_t)plait_sim_random(o->sim, 800)));
}

/* Fetches from a host, and looks at every end; then the proxy, if there is one, is to go. */
static void fetch_all(struct plait_sim *sim, const char *host, struct plait_listener *proxy,
                      enum plait_http_version version)
{
    struct plait_host *client = plait_sim_host(sim, "client");
    struct one fetches[FETCHES];
    size_t whole = 0;
    const struct plait_http_client_options options = {.per_origin = 1 + plait_sim_random(sim, 5)};
    struct plait_reactor *r = plait_host_reactor(client);
    struct plait_http_client *http = plait_http_client_new(r, &options);
    if (!http) {
        plait_sim_fail(sim, "there is no memory for a client");
        return;
    }
    for (size_t i = 0; i < FETCHES; i++) {
        fetches[i] = (struct one){.sim = sim, .http = http, .host = host, .proxied = proxy, .key = i};
        fetches[i].kind = (unsigned)plait_sim_random(sim, 4);
        fetches[i].version = version;
        plait_timer_init(&fetches[i].start, r, "start", start, &fetches[i]);
        plait_timer_init(&fetches[i].resume, r, "resume", resume, &fetches[i]);
        plait_timer_arm(&fetches[i].start, plait_millis((int64_t)plait_sim_random(sim, 2000)));
    }
    plait_sim_run_for(sim, plait_seconds(300));
    for (size_t i = 0; i < FETCHES; i++) {
        plait_timer_stop(&fetches[i].start);
        if (fetches[i].ends != 1)
            plait_sim_fail(sim, "fetch %zu of kind %u ended %u times", i, fetches[i].kind, fetches[i].ends);
        whole += fetches[i].whole;
    }
    /* a reset takes all that a connection carries */
    const bool shared = version == PLAIT_HTTP_2 && plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    if (whole < FETCHES / 4 && !shared)
        plait_sim_fail(sim, "only %zu of %d fetches were whole", whole, FETCHES);
    plait_http_client_free(&http);
    plait_listener_close(&proxy);
    plait_sim_run_for(sim, plait_seconds(5));
    plait_sim_check_end(sim); /* while what the fetches tell of stands */
}

static void scenario(struct plait_sim *sim)
{
    struct plait_address at;
    if (serve(sim, plait_sim_host(sim, "server"), &at))
        fetch_all(sim, "server", NULL, PLAIT_HTTP_ANY);
}

static void run_http2(struct plait_sim *sim)
{
    struct plait_address at;
    if (serve(sim, plait_sim_host(sim, "server"), &at))
        fetch_all(sim, "server", NULL, PLAIT_HTTP_2);
}

/* --- a proxy between them ----------------------------------------------------------------------------------------- */

static struct plait_listener *serve_proxy(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "proxy");
    struct plait_reactor *r = plait_host_reactor(host);
    const struct plait_reverse_proxy_options options = {.balance = plait_sim_random(sim, 2) ? PLAIT_LEAST_BUSY
                                                                                            : PLAIT_ROUND_ROBIN,
                                                        .health = plait_sim_random(sim, 2) ? "/small" : NULL,
                                                        .retries = 1 + (unsigned)plait_sim_random(sim, 2),
                                                        .times.first_byte = plait_seconds(20),
                                                        .pool = {.per_origin = 1 + plait_sim_random(sim, 5)}};
    struct plait_listener *listener = NULL;
    struct plait_resource *root;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    plait_err err = plait_reverse_proxy_new(r, "http://one,http://two", &options, &root);
    if (!err)
        err = plait_listen(r, &at, NULL, plait_http(root), &listener);
    if (err)
        plait_sim_fail(sim, "the proxy can't be had: %s", plait_err_name(err));
    return listener;
}

static void run_proxy(struct plait_sim *sim)
{
    struct plait_address at;
    if (!serve(sim, plait_sim_host(sim, "one"), &at) || !serve(sim, plait_sim_host(sim, "two"), &at))
        return;
    struct plait_listener *proxy = serve_proxy(sim);
    if (proxy)
        fetch_all(sim, "proxy", proxy, PLAIT_HTTP_ANY);
}

/* --- requests sent ahead ---------------------------------------------------------------------------------------- */

struct pipeline {
    struct plait_sim *sim;
    struct plait_stream *s;
    size_t number, answered;
    unsigned lost;
    struct plait_fault fault;
};

/* The text of the n-th answer: requests go by turns to what answers at once and what answers later. */
static size_t write_request(const struct pipeline *p, size_t n, char *out, size_t bytes)
{
    return (size_t)snprintf(out, bytes, "GET /%s?key=%zu HTTP/1.1\r\nHost: server\r\n\r\n",
                            n % 3 == 2 ? "slow" : "small", p->number * 100 + n);
}

static void send_ahead(struct plait_stream *s, void *self)
{
    struct pipeline *p = self;
    char text[100];
    p->s = s;
    for (size_t n = 0; n < AHEAD; n++)
        plait_write(s, plait_slice_of(text, write_request(p, n, text, sizeof text)));
}

static size_t take_answers(struct plait_stream *s, plait_slice in, void *self)
{
    struct pipeline *p = self;
    size_t used = 0;
    for (;;) {
        const plait_slice rest = plait_slice_sub(in, used, in.len);
        const size_t head = plait_slice_find(rest, PLAIT_LIT("\r\n\r\n"), 0);
        char text[32];
        const size_t len = (size_t)snprintf(text, sizeof text, "small %zu", p->number * 100 + p->answered);
        if (head == SIZE_MAX || rest.len < head + 4 + len)
            return used;
        if (!plait_slice_equal(plait_slice_sub(rest, head + 4, head + 4 + len), plait_slice_of(text, len)))
            plait_sim_fail(p->sim, "answer %zu of connection %zu is another's", p->answered, p->number);
        used += head + 4 + len;
        if (++p->answered == AHEAD)
            plait_close(s);
    }
}

static void pipeline_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct pipeline *p = self;
    (void)s;
    p->lost++;
    p->fault = *fault;
}

static const struct plait_protocol pipeline_protocol = {
    .name = "pipeline", .connected = send_ahead, .data = take_answers, .lost = pipeline_lost};

static void pipeline_connected(struct plait_result *result, void *ctx)
{
    struct pipeline *p = ctx;
    if (result->fault.err) {
        p->lost++;
        p->fault = result->fault;
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_stream_attach(plait_result_take(result).ptr, &pipeline_protocol, p);
}

static bool pipelines_run(void *ctx)
{
    const struct pipeline *p = ctx;
    for (size_t i = 0; i < PIPELINES; i++) {
        if (p[i].lost == 0)
            return true;
    }
    return false;
}

static void run_pipelines(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_address at;
    struct pipeline p[PIPELINES] = {{0}};
    if (!serve(sim, server, &at))
        return;
    for (size_t i = 0; i < PIPELINES; i++) {
        p[i] = (struct pipeline){.sim = sim, .number = i};
        if (plait_then(plait_connect_address(plait_host_reactor(client), &at, NULL), pipeline_connected, &p[i]))
            plait_sim_fail(sim, "no memory");
    }
    plait_sim_run_while(sim, plait_seconds(300), pipelines_run, p);
    plait_sim_run_for(sim, plait_seconds(70));
    for (size_t i = 0; i < PIPELINES; i++) {
        if (p[i].lost != 1)
            plait_sim_fail(sim, "connection %zu was lost %u times", i, p[i].lost);
        else if (p[i].answered < AHEAD && plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) == 0)
            plait_sim_fail(sim, "%zu of %d answers came: %s", p[i].answered, AHEAD, plait_err_name(p[i].fault.err));
    }
    plait_sim_check_end(sim); /* while what `lost` may still be told of stands */
}

const struct plait_scenario scenario_http = {.name = "http", .faults = PLAIT_SIM_ALL, .run = scenario};
const struct plait_scenario scenario_http2_client = {.name = "http2_client", .faults = PLAIT_SIM_ALL, .run = run_http2};
const struct plait_scenario scenario_http_proxy = {.name = "http_proxy", .faults = PLAIT_SIM_ALL, .run = run_proxy};
const struct plait_scenario scenario_http_pipeline = {
    .name = "http_pipeline", .faults = PLAIT_SIM_ALL, .run = run_pipelines};
