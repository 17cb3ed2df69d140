/* SPDX-License-Identifier: MIT
 *
 * Fetching: one connection a request, redirects followed by fetching again. The text of the request is made by
 * http_client_text.c; what comes is read by the codec that the server uses, as strictly.
 *
 * A stream that is done with is given a protocol that does nothing before it is closed, so that a fetch never waits
 * for the end of a connection. Invariant: a fetch is connecting, or has a stream, or is over; it fires exactly once.
 * Tests: tests/web/test_http_client.c.
 */
#include "base/try.h"
#include "web/http_client_core.h"
#include "web/http_core.h"

#include <plait/task.h>
#include <plait/tls.h>

enum { BODY_MAX = 16 << 20, REDIRECTS = 10, INTERIM_MAX = 16 };

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct plait_response {
    int status;
    size_t count;
    struct plait__http1_field *field;
    uint8_t *head;
    uint64_t length;
    char *url;
    struct plait_buf body;
};

struct fetch {
    struct plait_reactor *reactor;
    struct plait_deferred *deferred;   /* what the caller waits for */
    struct plait_deferred *connecting; /* NULL once there is a stream */
    struct plait_stream *stream;
    struct plait_fetch_options options; /* its borrowed texts are only good inside plait_http_get */
    struct plait__fetch_text text;
    struct plait_response *response; /* the one whose body is being read */
    struct plait_timer idle;
    unsigned redirects, interim;
    bool in_head, cancelled;
    uint8_t body_kind;
    uint64_t body_left;
    struct plait__http1_chunks chunks;
    struct plait__http1_head head;
};

static void fetch_connect(struct fetch *f);

/* --- the response ---------------------------------------------------------------------------------------------- */

void plait_response_free(struct plait_response **response)
{
    struct plait_response *r = *response;
    *response = NULL;
    if (!r)
        return;
    plait_mem_free(r->field);
    plait_mem_free(r->head);
    plait_mem_free(r->url);
    plait_buf_deinit(&r->body);
    plait_mem_free(r);
}

static void response_destroy(void *ptr)
{
    struct plait_response *r = ptr;
    plait_response_free(&r);
}

/* Keeps a head beyond the stream's window. */
static struct plait_response *response_new(struct fetch *f, const uint8_t *head)
{
    struct plait_budget *budget = plait_reactor_budget(f->reactor);
    struct plait_response *r = plait_mem_new(budget, sizeof(*r));
    if (!r)
        return NULL;
    size_t fields = f->head.count * sizeof(*r->field);
    plait_buf_init(&r->body, budget, f->options.body_max);
    r->field = plait_mem_new(budget, fields + 1);
    r->head = plait_mem_new(budget, f->head.at);
    r->url = plait_mem_text(budget, (const char *)f->text.url.ptr, f->text.url.len);
    if (!r->field || !r->head || !r->url) {
        plait_response_free(&r);
        return NULL;
    }
    memcpy(r->field, f->head.field, fields);
    memcpy(r->head, head, f->head.at);
    r->count = f->head.count;
    r->status = f->head.status;
    r->length = f->head.has_length ? f->head.length : PLAIT_LENGTH_UNKNOWN;
    return r;
}

int plait_response_status(const struct plait_response *response)
{
    return response->status;
}

plait_slice plait_response_field(const struct plait_response *response, const char *name)
{
    for (size_t i = 0; i < response->count; i++) {
        plait_slice n, value;
        plait_response_field_at(response, i, &n, &value);
        if (plait_slice_equal_nocase(n, plait_slice_text(name)))
            return value;
    }
    return plait_slice_of(NULL, 0);
}

size_t plait_response_field_count(const struct plait_response *response)
{
    return response->count;
}

void plait_response_field_at(const struct plait_response *response, size_t i, plait_slice *name, plait_slice *value)
{
    *name = *value = plait_slice_of(NULL, 0);
    if (i >= response->count)
        return;
    const struct plait__http1_field *f = &response->field[i];
    *name = plait_slice_of(response->head + f->name, f->name_len);
    *value = plait_slice_of(response->head + f->value, f->value_len);
}

plait_slice plait_response_body(const struct plait_response *response)
{
    return plait_buf_slice(&response->body);
}

uint64_t plait_response_length(const struct plait_response *response)
{
    return response->length;
}

const char *plait_response_url(const struct plait_response *response)
{
    return response->url;
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static const struct plait_protocol done_protocol = {.name = "http fetch, done"};

/* Lets go of the stream: it ends by itself. */
static void let_go(struct fetch *f, bool abort)
{
    struct plait_stream *s = f->stream;
    f->stream = NULL;
    plait_timer_stop(&f->idle);
    if (!s)
        return;
    plait_stream_attach(s, &done_protocol, NULL);
    if (abort)
        plait_abort(s);
    else
        plait_close(s);
}

static void fetch_free(struct fetch *f)
{
    plait_timer_stop(&f->idle);
    plait_response_free(&f->response);
    plait__fetch_text_deinit(&f->text);
    plait_tls_client_unref(&f->options.connect.tls);
    plait_mem_free(f);
}

static void fetch_fail(struct fetch *f, struct plait_fault fault)
{
    fault.peer = NULL; /* it goes with the connection */
    let_go(f, true);
    plait_fire_fault(f->deferred, fault);
    fetch_free(f);
}

static void fetch_fail_with(struct fetch *f, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "http");
    fault.detail = detail;
    fetch_fail(f, fault);
}

static void fetch_done(struct fetch *f)
{
    struct plait_response *response = f->response;
    f->response = NULL;
    let_go(f, false);
    plait_fire(f->deferred, plait_value_ptr(response, response_destroy));
    fetch_free(f);
}

/* --- reading: each of these may end the fetch, and says so by returning false ---------------------------------- */

static bool take_piece(struct fetch *f, plait_slice piece)
{
    if (piece.len == 0)
        return true;
    if (f->options.data) {
        plait_err err = f->options.data(f->response, piece, f->options.ctx);
        if (err)
            fetch_fail_with(f, err, NULL);
        return !err && !f->cancelled;
    }
    plait_buf_put(&f->response->body, piece);
    if (!f->response->body.err)
        return true;
    fetch_fail_with(f, f->response->body.err, "the body is longer than allowed");
    return false;
}

/* RFC 9112 section 6.3 */
static void choose_body(struct fetch *f)
{
    int status = f->head.status;
    f->body_left = f->head.length;
    memset(&f->chunks, 0, sizeof(f->chunks));
    if (f->text.is_head || status == 204 || status == 304)
        f->body_kind = BODY_NONE;
    else if (f->head.chunked)
        f->body_kind = BODY_CHUNKED;
    else if (f->head.has_length)
        f->body_kind = f->head.length ? BODY_LENGTH : BODY_NONE;
    else
        f->body_kind = BODY_UNTIL_CLOSE;
}

/* RFC 9110 section 15.4: whether the response sends us elsewhere; then that has begun. */
static bool follow(struct fetch *f, const uint8_t *head)
{
    int status = f->head.status;
    plait_slice location = plait__http1_head_field(&f->head, head, PLAIT_LIT("location"));
    bool redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirects || f->options.no_redirects || location.len == 0)
        return false;
    if (f->redirects++ == f->options.redirects_max) {
        fetch_fail_with(f, PLAIT_ELIMIT, "too many redirects");
        return true;
    }
    plait_err err = plait__fetch_text_redirect(&f->text, status, location);
    if (err) {
        fetch_fail_with(f, err, "the redirect leads nowhere");
        return true;
    }
    let_go(f, false);
    fetch_connect(f);
    return true;
}

static bool begin_response(struct fetch *f, const uint8_t *head)
{
    if (f->head.status < 200) {
        if (f->head.status == 101 || f->interim++ == INTERIM_MAX) {
            fetch_fail_with(f, PLAIT_EPROTOCOL, "an interim response that nobody asked for");
            return false;
        }
        plait__http1_head_init(&f->head, true);
        return true;
    }
    if (follow(f, head))
        return false;
    f->response = response_new(f, head);
    if (!f->response) {
        fetch_fail_with(f, PLAIT_ENOMEM, NULL);
        return false;
    }
    f->in_head = false;
    choose_body(f);
    if (f->options.head)
        f->options.head(f->response, f->options.ctx);
    if (f->cancelled)
        return false;
    if (f->body_kind != BODY_NONE)
        return true;
    fetch_done(f);
    return false;
}

/* A head; `*used` is 0 when it is not complete. */
static bool take_head(struct fetch *f, plait_slice in, size_t *used)
{
    enum plait__http1_step step = plait__http1_head_read(&f->head, in);
    if (step == PLAIT__HTTP1_MORE)
        return true;
    if (step == PLAIT__HTTP1_BAD) {
        fetch_fail_with(f, f->head.status == 431 ? PLAIT_ETOOLONG : PLAIT_EMALFORMED, "the response is malformed");
        return false;
    }
    *used = f->head.at;
    return begin_response(f, in.ptr);
}

static bool take_chunks(struct fetch *f, plait_slice in, size_t *used)
{
    plait_slice piece = {NULL, 0};
    enum plait__http1_step step = plait__http1_chunks_read(&f->chunks, in, used, &piece);
    if (step == PLAIT__HTTP1_BAD) {
        fetch_fail_with(f, PLAIT_EMALFORMED, "the response's chunks are malformed");
        return false;
    }
    if (step == PLAIT__HTTP1_DONE) {
        fetch_done(f);
        return false;
    }
    return take_piece(f, piece);
}

static bool take_length(struct fetch *f, plait_slice in, size_t *used)
{
    *used = in.len < f->body_left ? in.len : (size_t)f->body_left;
    f->body_left -= *used;
    if (!take_piece(f, plait_slice_sub(in, 0, *used)))
        return false;
    if (f->body_left)
        return true;
    fetch_done(f);
    return false;
}

static bool take(struct fetch *f, plait_slice in, size_t *used)
{
    *used = 0;
    if (f->in_head)
        return take_head(f, in, used);
    if (f->body_kind == BODY_CHUNKED)
        return take_chunks(f, in, used);
    if (f->body_kind == BODY_LENGTH)
        return take_length(f, in, used);
    *used = in.len;
    return take_piece(f, in);
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct fetch *f = self;
    size_t at = 0;
    (void)s;
    plait_timer_arm(&f->idle, f->options.idle);
    while (at < in.len) {
        size_t used;
        if (!take(f, plait_slice_of(in.ptr + at, in.len - at), &used))
            return in.len;
        if (used == 0)
            break;
        at += used;
    }
    return at;
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct fetch *f = self;
    (void)s;
    (void)rest;
    if (!f->in_head && f->body_kind == BODY_UNTIL_CLOSE)
        fetch_done(f);
    else
        fetch_fail_with(f, PLAIT_ETRUNCATED,
                        f->in_head ? "the server closed without a response" : "the response broke off");
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct fetch *f = self;
    struct plait_fault copy = *fault;
    (void)s;
    f->stream = NULL;
    if (copy.err == PLAIT_OK || copy.err == PLAIT_EEOF)
        copy.err = PLAIT_ETRUNCATED; /* our side closed it: a drain */
    fetch_fail(f, copy);
}

static const struct plait_protocol fetch_protocol = {
    .name = "http fetch", .data = on_data, .eof = on_eof, .lost = on_lost};

static void on_idle(void *ctx)
{
    struct fetch *f = ctx;
    fetch_fail_with(f, PLAIT_ETIMEDOUT, "the server was silent for too long");
}

/* --- connecting ------------------------------------------------------------------------------------------------ */

static void fetch_cancel(struct plait_deferred *deferred, void *ctx)
{
    struct fetch *f = ctx;
    (void)deferred;
    f->cancelled = true;
    if (f->connecting)
        plait_deferred_cancel(f->connecting);
    else if (f->stream)
        plait_abort_with(f->stream, PLAIT_ECANCELLED, NULL);
}

static void on_connected(struct plait_result *result, void *ctx)
{
    struct fetch *f = ctx;
    f->connecting = NULL;
    if (result->fault.err) {
        struct plait_fault fault = result->fault;
        plait_result_set(result, plait_value_num(0));
        fetch_fail(f, fault);
        return;
    }
    f->stream = plait_result_take(result).ptr;
    f->in_head = true;
    plait__http1_head_init(&f->head, true);
    plait_stream_attach(f->stream, &fetch_protocol, f);
    plait_write(f->stream, plait_buf_slice(&f->text.head));
    plait_write(f->stream, f->text.body);
    plait_timer_arm(&f->idle, f->options.idle);
}

/* The TLS context of fetches that brought none: one a reactor. */
static plait_err default_tls(struct fetch *f, struct plait_tls_client **out)
{
    static const struct plait_tls_client_options defaults;
    struct plait__web *web = plait__web_of(f->reactor);
    if (!web)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (!web->tls)
        PLAIT_TRY(plait_tls_client_new(f->reactor, &defaults, &web->tls, NULL));
    *out = web->tls;
    return PLAIT_OK;
}

static plait_err connect_url(struct fetch *f)
{
    struct plait_connect_options connect = f->options.connect;
    const struct plait_url *url = &f->text.parsed;
    PLAIT_TRY(plait__fetch_text_write(&f->text));
    connect.no_client_cert |= f->text.strayed;
    if (!f->text.secure)
        connect.tls = NULL;
    else if (!connect.tls)
        PLAIT_TRY(default_tls(f, &connect.tls));
    f->connecting = plait_connect_host(f->reactor, url->host, plait_url_port(url), &connect);
    PLAIT_TRY(plait_then(f->connecting, on_connected, f));
    return PLAIT_OK;
}

/* Failing here calls nobody back: firing only queues. */
static void fetch_connect(struct fetch *f)
{
    const plait_err err = connect_url(f);
    if (err)
        fetch_fail_with(f, err, NULL); /* no connecting began: what there is of a deferred holds one callback */
}

/* --- what callers use ------------------------------------------------------------------------------------------ */

static void keep_options(struct fetch *f, const struct plait_fetch_options *options)
{
    struct plait_fetch_options *o = &f->options;
    *o = *options;
    o->body_max = o->body_max ? o->body_max : BODY_MAX;
    o->redirects_max = o->redirects_max ? o->redirects_max : REDIRECTS;
    o->idle = o->idle ? o->idle : plait_seconds(60);
    o->connect.server_name = NULL; /* each host its own name */
    o->connect.alpn = plait_slice_of(NULL, 0);
    if (o->connect.tls)
        o->connect.tls = plait_tls_client_ref(o->connect.tls);
}

static struct plait_deferred *fetch_start(struct fetch *f, const char *url)
{
    struct plait_reactor *reactor = f->reactor;
    const plait_err err = plait__fetch_text_init(&f->text, plait_reactor_budget(reactor), url, &f->options);
    if (err) {
        struct plait_fault fault = plait_fault_make(err, "http");
        fault.detail = f->text.why;
        fetch_free(f);
        return plait_deferred_fail(reactor, fault);
    }
    f->deferred = plait_deferred_new(reactor, "http fetch", fetch_cancel, f);
    if (!f->deferred) {
        fetch_free(f);
        return NULL;
    }
    struct plait_deferred *deferred = f->deferred;
    fetch_connect(f);
    return deferred;
}

struct plait_deferred *plait_http_get(struct plait_reactor *reactor, const char *url,
                                      const struct plait_fetch_options *options)
{
    static const struct plait_fetch_options defaults;
    struct fetch *f = plait_mem_new(plait_reactor_budget(reactor), sizeof(*f));
    if (!f)
        return NULL;
    f->reactor = reactor;
    plait_timer_init(&f->idle, reactor, "http fetch", on_idle, f);
    keep_options(f, options ? options : &defaults);
    return fetch_start(f, url);
}

plait_err plait_http_get_await(struct plait_task *task, const char *url, struct plait_response **out)
{
    plait_value value;
    PLAIT_TRY(plait_await(task, plait_http_get(plait_task_reactor(task), url, NULL), &value));
    *out = value.ptr;
    return PLAIT_OK;
}
