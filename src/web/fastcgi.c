/* SPDX-License-Identifier: MIT
 *
 * FastCGI's client, a responder's: requests go to an application that runs by itself, one at a time over each
 * connection; how many there are, and how many stay open in between, has limits. This file has the connections and what
 * goes over them. Which script a path names stands in fastcgi_script.c, records in fcgi_wire.c, the request's side in
 * gateway.c.
 *
 * Invariant: a run waits in line, or has a connection, made or being made, that has it; who lets go first clears both
 * pointers. A connection that has lost its run is used again only when the application ended the request, all of it had
 * been sent and nothing came behind. Test: tests/web/test_fastcgi.c.
 */
#include "web/fastcgi_core.h"

#include "base/try.h"
#include "engine/deferred_core.h"

#include <plait/listen.h>

enum { VARS_MAX = 1 << 18, INPUT_HIGH = 65536, OVERLOADED = 2 };

#define RUN_OF(g) plait__container((g), struct plait__fcgi_run, gateway)

static void serve_line(struct plait__fastcgi *f);

/* Parts a run and its connection. */
static struct plait__fcgi_run *part(struct plait__fcgi_conn *c)
{
    struct plait__fcgi_run *r = c->run;
    r->conn = NULL;
    c->run = NULL;
    return r;
}

static void run_unref(struct plait__fcgi_run *r)
{
    if (--r->holders > 0)
        return;
    plait_buf_deinit(&r->head);
    plait__fastcgi_unref(r->fcgi);
    plait_mem_free(r);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void conn_free(struct plait__fcgi_conn *c)
{
    struct plait__fastcgi *f = c->fcgi;
    plait_mem_free(c);
    f->conns--;
    serve_line(f);
    plait__fastcgi_unref(f);
}

static bool is_kept(const struct plait__fcgi_conn *c)
{
    return c->link.next != &c->link;
}

/* Out of those that are kept. */
static void wake(struct plait__fcgi_conn *c)
{
    plait__list_remove(&c->link);
    plait_timer_stop(&c->idle);
    c->fcgi->kept--;
}

static void on_idle(void *ctx)
{
    struct plait__fcgi_conn *c = ctx;
    wake(c);
    plait_close(c->stream);
}

/* The longest unused of those that are kept. */
static struct plait__fcgi_conn *last_idle(struct plait__fastcgi *f)
{
    return plait__container(f->idle.prev, struct plait__fcgi_conn, link);
}

/* A connection whose request is over: the next one in line may have it. */
static void keep(struct plait__fcgi_conn *c)
{
    struct plait__fastcgi *f = c->fcgi;
    c->used = true;
    plait__list_add_head(&f->idle, &c->link);
    f->kept++;
    plait_timer_arm(&c->idle, f->options.idle);
    serve_line(f);
    if (f->kept > f->options.keep)
        on_idle(last_idle(f));
}

void plait__fastcgi_close(struct plait__fastcgi *f)
{
    f->closed = true;
    while (!plait__list_empty(&f->idle))
        on_idle(last_idle(f));
}

/* --- what comes --------------------------------------------------------------------------------------------------- */

/* The application ended the request, with `rest` behind that. */
static void finish(struct plait__fcgi_conn *c, plait_slice rest)
{
    const struct plait__fastcgi *f = c->fcgi;
    struct plait__fcgi_reader *reader = &c->reader;
    const uint8_t status = reader->protocol_status;
    plait_slice piece;
    size_t used;
    struct plait__fcgi_run *r = part(c);
    const bool sent_all = r->sent_all;
    if (reader->app_status)
        plait__gateway_status(&r->gateway, reader->app_status);
    if (status)
        plait__gateway_fail(&r->gateway, status == OVERLOADED ? 503 : 502, "it refused the request");
    else
        plait__gateway_end(&r->gateway);
    const bool nothing_left = plait__fcgi_read(reader, rest, &used, &piece) == PLAIT__FCGI_MORE && reader->have == 0;
    if (sent_all && nothing_left && f->options.keep && !f->closed)
        keep(c);
    else if (sent_all)
        plait_close(c->stream);
    else
        plait_abort(c->stream);
}

static void take_piece(struct plait__fcgi_conn *c, plait_slice piece)
{
    struct plait__gateway *g = &c->run->gateway;
    if (c->reader.type == PLAIT__FCGI_STDERR)
        plait__gateway_errors(g, piece);
    else if (c->reader.type == PLAIT__FCGI_STDOUT && piece.len == 0)
        c->said_all = true;
    else if (c->reader.type == PLAIT__FCGI_STDOUT)
        plait__gateway_output(g, piece);
}

/* Takes what came for a request, up to its end. */
static void take(struct plait__fcgi_conn *c, plait_slice in)
{
    enum plait__fcgi_event event = PLAIT__FCGI_PIECE;
    plait_slice piece;
    size_t used;
    while (c->run && event == PLAIT__FCGI_PIECE) {
        event = plait__fcgi_read(&c->reader, in, &used, &piece);
        in = plait_slice_sub(in, used, in.len);
        if (event == PLAIT__FCGI_PIECE)
            take_piece(c, piece);
        else if (event == PLAIT__FCGI_OVER)
            finish(c, in);
        else if (event == PLAIT__FCGI_BAD)
            plait__gateway_fail(&c->run->gateway, 502, "it does not speak FastCGI");
    }
    if (event == PLAIT__FCGI_MORE && plait__gateway_is_full(&c->run->gateway))
        plait_pause(c->stream);
}

static size_t conn_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait__fcgi_conn *c = self;
    struct plait__fcgi_run *r = c->run;
    if (r) {
        c->answered = true;
        r->holders++;
        take(c, in);
        run_unref(r);
    } else { /* nobody asked for that */
        if (is_kept(c))
            wake(c);
        plait_abort(s);
    }
    return in.len;
}

static void conn_room(struct plait_stream *s, void *self)
{
    struct plait__fcgi_conn *c = self;
    (void)s;
    if (c->run)
        plait__gateway_hold(&c->run->gateway, false);
}

/* Whether what was lost with its connection is sent once more: the application had closed it already, most likely. */
static bool repeats(const struct plait__fcgi_conn *c)
{
    return c->used && !c->answered && c->run->repeats;
}

static void conn_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait__fcgi_conn *c = self;
    struct plait__fastcgi *f = c->fcgi;
    (void)s;
    (void)fault;
    if (is_kept(c))
        wake(c);
    if (c->run && repeats(c)) {
        struct plait__fcgi_run *r = part(c);
        r->fresh = r->in_line = true;
        plait__list_add_head(&f->line, &r->link);
        f->waiting++;
    } else if (c->run && c->said_all) {
        plait__gateway_end(&part(c)->gateway);
    } else if (c->run) {
        plait__gateway_fail(&part(c)->gateway, 502, "it closed the connection before its answer was complete");
    }
    conn_free(c);
}

static const struct plait_protocol conn_protocol = {
    .name = "fastcgi", .data = conn_data, .room = conn_room, .lost = conn_lost};

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static void send_head(struct plait__fcgi_conn *c)
{
    struct plait__fcgi_run *r = c->run;
    c->answered = c->said_all = false;
    memset(&c->reader, 0, sizeof c->reader);
    plait_write(c->stream, plait_buf_slice(&r->head));
    if (!r->sent_all)
        plait__gateway_hold(&r->gateway, false);
}

static void connected(struct plait_result *result, void *ctx)
{
    struct plait__fcgi_conn *c = ctx;
    const struct plait_fault *fault = &result->fault;
    const plait_err err = fault->err;
    c->connecting = NULL;
    if (c->run && err == PLAIT_OK) {
        c->stream = plait_result_take(result).ptr;
        plait_stream_attach(c->stream, &conn_protocol, c);
        plait_stream_stall(c->stream, c->fcgi->options.silence);
        plait_stream_marks(c->stream, INPUT_HIGH, INPUT_HIGH / 4);
        send_head(c);
        return;
    }
    if (c->run)
        plait__gateway_fail(&part(c)->gateway, err == PLAIT_ETIMEDOUT ? 504 : 502,
                            fault->detail ? fault->detail : plait_err_text(err));
    plait_result_set(result, plait_value_num(0));
    conn_free(c);
}

static void connect_for(struct plait__fcgi_run *r)
{
    struct plait__fastcgi *f = r->fcgi;
    const struct plait_connect_options o = {.timeout = f->options.connect};
    struct plait__fcgi_conn *c = plait_mem_new(plait_reactor_budget(f->reactor), sizeof *c);
    struct plait_deferred *d = c ? plait_connect(f->reactor, f->endpoint, &o) : NULL;
    if (plait_then(d, connected, c) != PLAIT_OK) {
        plait__deferred_drop(d);
        plait_mem_free(c);
        plait__gateway_fail(&r->gateway, 503, "there is no memory for a connection");
        return;
    }
    plait__list_init(&c->link);
    plait_timer_init(&c->idle, f->reactor, "fastcgi", on_idle, c);
    c->fcgi = f;
    f->refs++;
    f->conns++;
    c->connecting = d;
    c->run = r;
    r->conn = c;
}

static void leave_line(struct plait__fcgi_run *r)
{
    plait__list_remove(&r->link);
    r->in_line = false;
    r->fcgi->waiting--;
}

/* Gives connections to those who wait. */
static void serve_line(struct plait__fastcgi *f)
{
    while (!plait__list_empty(&f->line)) {
        struct plait__fcgi_run *r = plait__container(f->line.next, struct plait__fcgi_run, link);
        const bool kept = !plait__list_empty(&f->idle);
        if (kept && !r->fresh) {
            struct plait__fcgi_conn *c = plait__container(f->idle.next, struct plait__fcgi_conn, link);
            leave_line(r);
            wake(c);
            c->run = r;
            r->conn = c;
            send_head(c);
        } else if (f->conns < f->options.connections) {
            leave_line(r);
            connect_for(r);
        } else {
            return;
        }
    }
}

/* --- what the gateway asks ---------------------------------------------------------------------------------------- */

/* Parameters as names and values, of texts with a NUL behind each. */
static void put_pairs(struct plait_buf *out, plait_slice all)
{
    for (size_t at = 0; at < all.len;) {
        const size_t end = plait_slice_find_byte(all, 0, at), cut = plait_slice_find_byte(all, '=', at);
        plait__fcgi_pair(out, plait_slice_sub(all, at, cut), plait_slice_sub(all, cut + 1, end));
        at = end + 1;
    }
}

static void put_head(struct plait__fcgi_run *r, plait_slice gathered)
{
    struct plait__fastcgi *f = r->fcgi;
    struct plait_buf vars, pairs;
    plait_buf_init(&vars, plait_reactor_budget(f->reactor), VARS_MAX);
    plait_buf_init(&pairs, plait_reactor_budget(f->reactor), 2 * VARS_MAX);
    plait__cgi_vars(&vars, r->gateway.req, &r->facts);
    plait_buf_put(&vars, plait_buf_slice(&f->env));
    if (vars.err == PLAIT_OK) /* else the last one has no end */
        put_pairs(&pairs, plait_buf_slice(&vars));
    plait__fcgi_begin(&r->head, f->options.keep > 0);
    plait__fcgi_write(&r->head, PLAIT__FCGI_PARAMS, plait_buf_slice(&pairs));
    plait__fcgi_empty(&r->head, PLAIT__FCGI_PARAMS);
    plait__fcgi_write(&r->head, PLAIT__FCGI_STDIN, gathered);
    if (r->sent_all)
        plait__fcgi_empty(&r->head, PLAIT__FCGI_STDIN);
    r->head.err = vars.err ? vars.err : pairs.err ? pairs.err : r->head.err;
    plait_buf_deinit(&pairs);
    plait_buf_deinit(&vars);
}

static void run_start(struct plait__gateway *g, uint64_t length, plait_slice gathered)
{
    struct plait__fcgi_run *r = RUN_OF(g);
    struct plait__fastcgi *f = r->fcgi;
    r->facts.length = length;
    r->sent_all = length == gathered.len;
    r->repeats = length == 0 && plait__request_is_safe(g->req);
    put_head(r, gathered);
    if (r->head.err || f->waiting == f->options.waiting) {
        plait__gateway_fail(g, 503, r->head.err ? "there is no memory for its parameters" : "too many requests wait");
        return;
    }
    if (!r->sent_all)
        plait__gateway_hold(g, true);
    r->in_line = true;
    plait__list_add_tail(&f->line, &r->link);
    f->waiting++;
    serve_line(f);
}

/* The body is held back until there is a connection, and nobody's when it has gone. */
static void run_input(struct plait__gateway *g, plait_slice piece, bool end)
{
    struct plait__fcgi_run *r = RUN_OF(g);
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(r->fcgi->reactor), SIZE_MAX);
    plait__fcgi_write(&out, PLAIT__FCGI_STDIN, piece);
    if (end)
        plait__fcgi_empty(&out, PLAIT__FCGI_STDIN);
    r->sent_all = end;
    const plait_err err = out.err;
    if (err == PLAIT_OK)
        plait_write(r->conn->stream, plait_buf_slice(&out));
    plait_buf_deinit(&out);
    if (err)
        plait__gateway_fail(g, 503, "there is no memory for the request's body");
    else if (!end && plait_is_full(r->conn->stream))
        plait__gateway_hold(g, true);
}

static void run_resume(struct plait__gateway *g)
{
    struct plait__fcgi_run *r = RUN_OF(g);
    if (r->conn)
        plait_resume(r->conn->stream);
}

static void run_over(struct plait__gateway *g)
{
    struct plait__fcgi_run *r = RUN_OF(g);
    struct plait__fcgi_conn *c = r->conn;
    plait__gateway_errors_end(g);
    if (r->in_line)
        leave_line(r);
    if (c) {
        (void)part(c);
        if (c->connecting)
            plait_deferred_cancel(c->connecting);
        else
            plait_abort(c->stream);
    }
    run_unref(r);
}

static const struct plait__gateway_ops run_ops = {
    .start = run_start, .input = run_input, .resume = run_resume, .over = run_over};

/* --- requests ----------------------------------------------------------------------------------------------------- */

static struct plait__fcgi_run *run_new(struct plait__fastcgi *f, plait_slice filename)
{
    struct plait__fcgi_run *r = plait_mem_new(plait_reactor_budget(f->reactor), sizeof *r + filename.len);
    if (!r)
        return NULL;
    memcpy(r->filename, filename.ptr, filename.len);
    plait_buf_init(&r->head, plait_reactor_budget(f->reactor), SIZE_MAX);
    r->facts.filename = plait_slice_of(r->filename, filename.len);
    r->facts.root = plait_slice_text(f->root);
    r->facts.authorization = f->options.authorization;
    r->holders = 1;
    r->fcgi = f;
    f->refs++;
    r->gateway.ops = &run_ops;
    r->gateway.name = plait_slice_text(f->endpoint);
    r->gateway.patience = f->options.silence;
    r->gateway.output_max = f->options.output_max;
    return r;
}

void plait__fastcgi_run(struct plait__fastcgi *f, struct plait_request *req, plait_slice filename, plait_slice script,
                        plait_slice info)
{
    struct plait__fcgi_run *r = run_new(f, filename);
    if (!r || plait__gateway_begin(&r->gateway, req) != PLAIT_OK) {
        if (r)
            run_unref(r);
        plait_reply_error(req, 503, NULL);
        return;
    }
    r->facts.script = script;
    r->facts.info = info;
    if (plait__gateway_read(&r->gateway, f->options.gather_max) != PLAIT_OK)
        plait__gateway_fail(&r->gateway, 500, "the request's body is read already");
}
