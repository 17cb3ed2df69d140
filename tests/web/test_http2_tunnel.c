/* SPDX-License-Identifier: MIT
 *
 * Streams inside HTTP/2: WebSockets that an extended CONNECT opens (RFC 8441), tunnels of a CONNECT, their ends, their
 * windows, and what is no such request.
 */
#include "tests/web/http2_peer.h"
#include "tests/web/ws_world.h"

#include "engine/stream_core.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ASK_FIELDS(path) ":method CONNECT\n:protocol websocket\n:scheme https\n:path " path "\n:authority x\n"
#define WS(path) ASK_FIELDS(path) "sec-websocket-version 13\n"
#define PIPE ":method CONNECT\n:authority server:80\n"

static struct ws_world t;
static struct h2_peer p;

/* --- the server's side -------------------------------------------------------------------------------------------- */

static void page(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "a page");
}

static void stream_page(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(req, PLAIT_LIT("a page"));
    plait_reply_end(req);
}

static char shown[512];

/* What a handler sees of the handshake. */
static void show(struct plait_request *req, void *ctx)
{
    (void)ctx;
    snprintf(shown, sizeof shown, "%.*s %.*s upgrade=%.*s connection=%.*s key=%zu host=%.*s other=%d",
             PLAIT_ARG(plait_request_method(req)), PLAIT_ARG(plait_request_path(req)),
             PLAIT_ARG(plait_request_field(req, "Upgrade")), PLAIT_ARG(plait_request_field(req, "Connection")),
             plait_request_field(req, "Sec-WebSocket-Key").len, PLAIT_ARG(plait_request_host(req)),
             plait_request_upgrade_offered(req, "other"));
    plait_reply_error(req, 404, NULL);
}

static void open_world(void)
{
    t.handler = t.handler ? t.handler : &ws_echo;
    t.options.deflate_min = t.options.deflate_min ? t.options.deflate_min : 1;
    world_open(&t.w);
    assert_ok(plait_resource_get(t.w.root, "ws", ws_accept, &t));
    assert_ok(plait_resource_get(t.w.root, "page", page, NULL));
    assert_ok(plait_resource_get(t.w.root, "stream", stream_page, NULL));
    assert_ok(plait_resource_get(t.w.root, "show", show, NULL));
    world_serve(&t.w, NULL);
}

static void begin(void)
{
    memset(&t, 0, sizeof t);
    open_world();
    h2_open(&t.w, &p);
}

static void end(void)
{
    h2_close(&t.w, &p);
    world_close(&t.w);
    assert_int_equal(t.lost, t.opened);
}

/* --- the client's side -------------------------------------------------------------------------------------------- */

static void put_frames(unsigned flags, uint32_t id, const char *specs)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_specs(&out, specs, false);
    for (size_t at = 0; at < out.len; at += 16384) {
        const plait_slice piece = plait_slice_sub(plait_buf_slice(&out), at, at + 16384);
        h2_frame(&p, PLAIT__H2_DATA, at + piece.len == out.len ? flags : 0, id, piece.ptr, piece.len);
    }
    plait_buf_deinit(&out);
}

static void send_frames(unsigned flags, uint32_t id, const char *specs)
{
    put_frames(flags, id, specs);
    h2_send(&t.w, &p);
}

static void ask_for(uint32_t id, const char *fields)
{
    h2_headers(&p, OPEN, id, fields);
    h2_send(&t.w, &p);
}

#define assert_said(id, specs) check_said((id), (specs), __FILE__, __LINE__)
static void check_said(uint32_t id, const char *specs, const char *file, int line)
{
    const struct h2_answer *a = h2_answer(&p, id);
    char got[4096];
    ws_describe(plait_slice_of(a->body, a->bytes < sizeof a->body ? a->bytes : sizeof a->body - 1), false, true, got,
                sizeof got);
    if (strcmp(got, specs) != 0) {
        print_error("came      %s\nexpected  %s\n", got, specs);
        _fail(file, line);
    }
}

/* --- WebSockets --------------------------------------------------------------------------------------------------- */

static void the_setting_is_announced(void **state)
{
    (void)state;
    begin();
    const char *got = strstr(p.log, "SETTINGS 0 24");
    assert_non_null(got);
    end();
}

static void a_websocket_echoes_and_closes(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    assert_int_equal(p.answer[0].status, 200);
    assert_null(strstr(p.log, "sec-websocket-accept"));
    assert_false(p.answer[0].ended);
    send_frames(0, 1, "T:hello|B:\x01\x02|P:x");
    assert_said(1, "T:hello|B:\x01\x02|O:x");
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/page")); /* the connection is not the WebSocket's alone */
    h2_send(&t.w, &p);
    assert_string_equal(p.answer[1].body, "a page");
    send_frames(0, 1, "X:1000:bye");
    assert_said(1, "T:hello|B:\x01\x02|O:x|X:1000");
    assert_true(p.answer[0].ended);
    assert_int_equal(p.answer[0].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(t.lost, 1);
    assert_int_equal(t.fault.err, PLAIT_EEOF);
    assert_int_equal(p.goaway, -1);
    end();
}

static void the_client_may_end_its_side_with_the_close_frame(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    send_frames(END, 1, "T:hello|X:1000");
    assert_said(1, "T:hello|X:1000");
    assert_true(p.answer[0].ended);
    assert_int_equal(p.answer[0].reset, -1);
    assert_int_equal(t.lost, 1);
    end();
}

static void a_side_that_ends_without_a_close_frame_is_truncated(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    h2_data(&p, END, 1, "");
    h2_send(&t.w, &p);
    assert_int_equal(t.fault.err, PLAIT_ETRUNCATED);
    h2_headers(&p, WHOLE, 3, WS("/ws")); /* it never had one */
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[1].status, 200);
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.fault.err, PLAIT_ETRUNCATED);
    end();
}

static void permessage_deflate_and_subprotocols_are_agreed_on(void **state)
{
    static const char *const protocols[] = {"echo.1", NULL};
    (void)state;
    memset(&t, 0, sizeof t);
    t.options.protocols = protocols;
    open_world();
    h2_open(&t.w, &p);
    ask_for(1, WS("/ws") "sec-websocket-extensions permessage-deflate\nsec-websocket-protocol other, echo.1\n");
    assert_non_null(strstr(p.log, "sec-websocket-protocol=echo.1;"));
    assert_non_null(strstr(p.log, "sec-websocket-extensions=permessage-deflate"));
    send_frames(0, 1, "T:hello");
    assert_int_equal((uint8_t)p.answer[0].body[0], 0xc1); /* a whole text, compressed */
    end();
}

static void handlers_find_the_handshake_of_http1(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/show"));
    assert_string_equal(shown, "GET /show upgrade=websocket connection=Upgrade key=24 host=x other=0");
    assert_int_equal(p.answer[0].status, 404);
    ask_for(3, WS("/show") "sec-websocket-key own\n");
    assert_string_equal(shown, "GET /show upgrade=websocket connection=Upgrade key=3 host=x other=0");
    end();
}

static void what_opens_no_websocket_is_refused(void **state)
{
    static const struct {
        const char *why, *fields;
        int status;
    } rows[] = {
        {"another protocol", ":method CONNECT\n:protocol other\n:scheme https\n:path /ws\n:authority x\n", 501},
        {"no version", ASK_FIELDS("/ws"), 426},
        {"another version", ASK_FIELDS("/ws") "sec-websocket-version 8\n", 426},
        {"a page of another host", WS("/ws") "origin https://other\n", 403},
        {"a key that is none", WS("/ws") "sec-websocket-key own\n", 400},
        {"an extension that is none", WS("/ws") "sec-websocket-extensions ;\n", 400},
        {"nothing there", WS("/none"), 404},
        {"a page", WS("/page"), 501},
        {"a page in pieces", WS("/stream"), 501},
        {"no host's name", ":method CONNECT\n:protocol websocket\n:scheme https\n:path /ws\n:authority u@x\n", 400},
        {"an asterisk", ":method CONNECT\n:protocol websocket\n:scheme https\n:path *\n:authority x\n", 0},
        {"no path", ":method CONNECT\n:protocol websocket\n:scheme https\n:authority x\n", 0},
        {"no scheme", ":method CONNECT\n:protocol websocket\n:path /ws\n:authority x\n", 0},
        {"no authority", ":method CONNECT\n:protocol websocket\n:scheme https\n:path /ws\n", 0},
        {"another method", ":method GET\n:protocol websocket\n:scheme https\n:path /ws\n:authority x\n", 0},
        {"a tunnel", PIPE, 501},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const uint32_t id = (uint32_t)i * 2 + 1;
        ask_for(id, rows[i].fields);
        const struct h2_answer *a = h2_answer(&p, id);
        if (a->status != rows[i].status || (!rows[i].status && a->reset != NGHTTP2_PROTOCOL_ERROR))
            fail_msg("%s: %d, reset %d", rows[i].why, a->status, a->reset);
    }
    ask_for(99, WS("/ws")); /* the connection goes on */
    assert_int_equal(h2_answer(&p, 99)->status, 200);
    end();
}

static void a_handshake_has_only_so_many_fields(void **state)
{
    static char fields[8192];
    (void)state;
    size_t at = (size_t)snprintf(fields, sizeof fields, "%s", WS("/ws"));
    for (int i = 0; i < PLAIT__HTTP1_FIELDS_MAX - 3; i++)
        at += (size_t)snprintf(fields + at, sizeof fields - at, "x-%d y\n", i);
    begin();
    ask_for(1, fields);
    assert_int_equal(p.answer[0].status, 431);
    end();
}

static ssize_t no_random(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    (void)buf;
    (void)len;
    return -EIO;
}

static void without_random_bytes_there_is_no_handshake(void **state)
{
    (void)state;
    begin();
    struct plait_sys_ops ops = *plait__sys_kernel()->ops;
    struct plait_sys sys = {.ops = &ops}, *kept = t.w.r->sys;
    ops.getrandom = no_random;
    t.w.r->sys = &sys;
    ask_for(1, WS("/ws"));
    t.w.r->sys = kept;
    assert_int_equal(p.answer[0].status, 503);
    end();
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void a_reset_is_a_lost_connection(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    h2_number(&p, PLAIT__H2_RST_STREAM, 1, NGHTTP2_CANCEL);
    h2_send(&t.w, &p);
    assert_int_equal(t.lost, 1);
    assert_int_equal(t.fault.err, PLAIT_ERESET);
    ask_for(3, WS("/ws"));
    assert_int_equal(t.opened, 2);
    h2_close(&t.w, &p); /* and so is the end of the connection */
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.fault.err, PLAIT_ERESET);
    h2_open(&t.w, &p);
    end();
}

static void an_abort_resets_the_stream_alone(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    plait_websocket_abort(t.ws);
    h2_spin(&t.w, &p);
    assert_int_equal(p.answer[0].reset, NGHTTP2_CANCEL);
    assert_int_equal(t.lost, 1);
    h2_data(&p, 0, 1, "late"); /* what was under way */
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/page"));
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[1].status, 200);
    assert_int_equal(p.goaway, -1);
    end();
}

static void a_drain_closes_websockets_and_takes_no_more(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    struct plait_websocket *first = t.ws;
    h2_drain(&t.w);
    h2_spin(&t.w, &p);
    ask_for(3, WS("/ws"));
    assert_int_equal(p.answer[1].status, 503);
    assert_int_equal(t.accepted, PLAIT_EDRAINING);
    struct plait_stream *s = plait_websocket_stream(first);
    s->protocol->drain(s, s->self);
    h2_spin(&t.w, &p);
    assert_said(1, "X:1001:the server is stopping");
    send_frames(END, 1, "X:1001");
    assert_int_equal(t.lost, 1);
    assert_true(p.raw.ended || p.raw.lost || p.goaways > 0);
    end();
}

static void it_knows_its_connection(void **state)
{
    struct plait_address address;
    uint64_t in, out;
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    send_frames(0, 1, "T:hello");
    struct plait_stream *s = plait_websocket_stream(t.ws);
    plait_stream_peer(s, &address);
    plait_stream_local(s, &address);
    assert_null(plait_stream_tls(s));
    plait_stream_counts(s, &in, &out);
    assert_int_equal(in, 11);
    assert_int_equal(out, 7);
    end();
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static unsigned rooms;

static void on_room(struct plait_websocket *ws, void *self)
{
    (void)ws;
    (void)self;
    rooms++;
}

static const struct plait_websocket_handler with_room = {
    .name = "room", .open = ws_on_open, .message = ws_on_echo, .room = on_room, .lost = ws_on_lost};

static void output_waits_for_the_window(void **state)
{
    static uint8_t block[30000];
    size_t sent = 0;
    (void)state;
    memset(&t, 0, sizeof t);
    t.handler = &with_room;
    open_world();
    h2_open(&t.w, &p);
    ask_for(1, WS("/ws"));
    rooms = 0;
    for (; sent < 1000 && !plait_websocket_is_full(t.ws); sent++) {
        assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(block, sizeof block)));
        h2_spin(&t.w, &p);
    }
    assert_true(sent > 4 && sent < 20);
    assert_int_equal(p.answer[0].bytes, 65535);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].bytes, sent * (sizeof block + 4));
    assert_true(rooms > 0);
    end();
}

static void a_paused_websocket_does_not_open_its_window(void **state)
{
    (void)state;
    begin();
    ask_for(1, WS("/ws"));
    plait_websocket_pause(t.ws);
    const size_t before = p.credit_stream;
    send_frames(0, 1, "B#60000");
    send_frames(0, 1, "B#60000");
    assert_int_equal(p.credit_stream, before);
    plait_websocket_resume(t.ws);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].bytes, 2 * 60004);
    h2_send(&t.w, &p);
    send_frames(0, 1, "B#60000");
    send_frames(0, 1, "B#60000");
    assert_true(p.credit_stream > before);
    end();
}

/* --- tunnels of CONNECT ------------------------------------------------------------------------------------------- */

static struct plait_request *waiting;
static struct plait_stream *pipe_end;
static struct peer far;

static void hold_request(struct plait_request *req, void *ctx)
{
    (void)ctx;
    waiting = req;
}

static void open_pipe_world(void)
{
    memset(&t, 0, sizeof t);
    world_open(&t.w);
    plait_resource_leaf(t.w.root);
    plait__resource_connect(t.w.root);
    assert_ok(plait_resource_on(t.w.root, "*", "", hold_request, NULL));
    world_serve(&t.w, NULL);
    h2_open(&t.w, &p);
}

static void make_pipe(void)
{
    memset(&far, 0, sizeof far);
    assert_ok(plait__request_tunnel(waiting, &pipe_end));
    waiting = NULL;
    far.stream = pipe_end;
    static const struct plait_protocol half = {
        .name = "tunnel", .data = peer_data, .eof = peer_eof, .lost = peer_lost, .flags = PLAIT_HALF_CLOSE};
    plait_stream_attach(pipe_end, &half, &far);
    h2_spin(&t.w, &p);
}

static void a_tunnel_carries_bytes_both_ways(void **state)
{
    (void)state;
    open_pipe_world();
    ask_for(1, PIPE);
    assert_true(plait_slice_equal(plait_request_target(waiting), PLAIT_LIT("server:80")));
    h2_data(&p, 0, 1, "early ");
    h2_send(&t.w, &p);
    make_pipe();
    assert_int_equal(p.answer[0].status, 200);
    h2_data(&p, 0, 1, "late");
    h2_send(&t.w, &p);
    assert_string_equal(far.got, "early late");
    plait_write(pipe_end, PLAIT_LIT("back"));
    h2_data(&p, END, 1, "");
    h2_send(&t.w, &p);
    assert_true(far.ended);
    assert_false(p.answer[0].ended);
    plait_write(pipe_end, PLAIT_LIT(" again"));
    plait_close(pipe_end);
    h2_spin(&t.w, &p);
    assert_string_equal(p.answer[0].body, "back again");
    assert_true(p.answer[0].ended);
    assert_int_equal(p.answer[0].reset, -1);
    assert_true(far.lost);
    end();
}

static void our_side_of_a_tunnel_may_end_first(void **state)
{
    (void)state;
    open_pipe_world();
    ask_for(1, PIPE);
    make_pipe();
    plait_write(pipe_end, PLAIT_LIT("all"));
    plait_close_write(pipe_end);
    h2_spin(&t.w, &p);
    assert_true(p.answer[0].ended);
    assert_int_equal(p.answer[0].reset, -1); /* the other side goes on */
    h2_data(&p, 0, 1, "more");
    h2_send(&t.w, &p);
    assert_string_equal(far.got, "more");
    plait_close(pipe_end);
    h2_spin(&t.w, &p);
    assert_int_equal(p.answer[0].reset, NGHTTP2_NO_ERROR);
    end();
}

static void both_sides_may_end_before_all_is_read(void **state)
{
    (void)state;
    open_pipe_world();
    ask_for(1, PIPE);
    make_pipe();
    far.deaf = true;
    plait_pause(pipe_end);
    plait_close_write(pipe_end);
    h2_data(&p, END, 1, "the rest");
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].reset, -1);
    far.deaf = false;
    plait_resume(pipe_end);
    h2_spin(&t.w, &p);
    assert_string_equal(far.got, "the rest");
    assert_true(far.ended);
    struct plait_address address;
    plait_stream_peer(pipe_end, &address); /* there is no connection any more */
    plait_stream_local(pipe_end, &address);
    assert_null(plait_stream_tls(pipe_end));
    assert_int_equal(address.port, 0);
    plait_close(pipe_end);
    h2_spin(&t.w, &p);
    assert_true(far.lost);
    end();
}

static void what_is_sent_behind_a_reset_is_lost(void **state)
{
    (void)state;
    open_pipe_world();
    ask_for(1, PIPE);
    make_pipe();
    plait_abort(pipe_end);
    h2_spin(&t.w, &p);
    assert_int_equal(p.answer[0].reset, NGHTTP2_CONNECT_ERROR);
    assert_true(far.lost);
    ask_for(3, PIPE);
    h2_number(&p, PLAIT__H2_RST_STREAM, 3, NGHTTP2_CANCEL); /* before there is a tunnel */
    h2_send(&t.w, &p);
    assert_null(waiting->carrier);
    plait_request_drop(waiting);
    end();
}

static void a_client_that_never_reads_the_rest_is_let_go(void **state)
{
    (void)state;
    open_pipe_world();
    ask_for(1, PIPE);
    make_pipe();
    static uint8_t block[100000];
    plait_write(pipe_end, plait_slice_of(block, sizeof block));
    plait_close(pipe_end);
    h2_spin(&t.w, &p);
    assert_int_equal(p.answer[0].bytes, 65535);
    assert_true(far.lost);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_send(&t.w, &p);
    assert_int_equal(p.answer[0].bytes, sizeof block);
    assert_true(p.answer[0].ended);
    end();
}

static void a_long_authority_is_no_target(void **state)
{
    static char fields[PLAIT__HTTP1_TARGET_MAX + 100];
    (void)state;
    open_pipe_world();
    const size_t at = (size_t)snprintf(fields, sizeof fields, ":method CONNECT\n:authority ");
    memset(fields + at, 'a', PLAIT__HTTP1_TARGET_MAX);
    snprintf(fields + at + PLAIT__HTTP1_TARGET_MAX, 8, ":80\n");
    ask_for(1, fields);
    assert_int_equal(p.answer[0].status, 414);
    ask_for(3, ":method CONNECT\n:authority server\n");
    assert_int_equal(p.answer[1].status, 400);
    end();
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int file;

static void close_file(void *ctx)
{
    (void)ctx;
    close(file);
}

static void a_file_goes_too(void **state)
{
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 8];
    (void)state;
    test_folder_make(folder);
    test_file_write(folder, "file", PLAIT_LIT("content of a file"));
    snprintf(path, sizeof path, "%s/file", folder);
    file = open(path, O_RDONLY | O_CLOEXEC);
    open_pipe_world();
    ask_for(1, PIPE);
    make_pipe();
    plait_write(pipe_end, PLAIT_LIT("before, "));
    plait_write_file(pipe_end, file, 0, 17, close_file, NULL);
    plait_write(pipe_end, PLAIT_LIT(", after"));
    h2_spin(&t.w, &p);
    assert_string_equal(p.answer[0].body, "before, content of a file, after");
    end();
    test_folder_remove(folder);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* The k-th allocation fails, and the next connection is served as if nothing had been. */
static void fail_each(const char *fields)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        memset(&t, 0, sizeof t);
        open_world();
        h2_open(&t.w, &p);
        h2_headers(&p, OPEN, 1, fields);
        put_frames(0, 1, "B#60000|T:hello");
        const uint64_t at = t.w.heap.calls + k;
        t.w.heap.fail_at = at;
        h2_send(&t.w, &p);
        h2_headers(&p, WHOLE, 3, GET_FIELDS("/page"));
        h2_send(&t.w, &p);
        failed = t.w.heap.calls >= at;
        t.w.heap.fail_at = 0;
        h2_close(&t.w, &p);
        assert_int_equal(t.lost, t.opened);
        t.ws = NULL;
        h2_open(&t.w, &p);
        ask_for(1, WS("/ws"));
        send_frames(0, 1, "T:still here");
        assert_said(1, "T:still here");
        end();
    }
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    fail_each(WS("/ws"));
    fail_each(WS("/ws") "sec-websocket-extensions permessage-deflate\n");
}

/* What came before the tunnel, and the fields of the answer, need memory too; what fails can be tried again. */
static void a_tunnel_that_fails_is_none(void **state)
{
    plait_err err = PLAIT_ENOMEM;
    (void)state;
    for (uint64_t k = 1; err; k++) {
        open_pipe_world();
        ask_for(1, PIPE);
        h2_data(&p, 0, 1, "early");
        h2_send(&t.w, &p);
        for (int i = 0; i < 40; i++)
            assert_ok(plait_reply_field(waiting, "X-Some-Field-Of-The-Answer", PLAIT_LIT("some value of it")));
        t.w.heap.fail_at = t.w.heap.calls + k;
        err = plait__request_tunnel(waiting, &pipe_end);
        t.w.heap.fail_at = 0;
        if (err) {
            assert_int_equal(err, PLAIT_ENOMEM);
            assert_int_equal(p.answer[0].status, 0);
            make_pipe();
            h2_spin(&t.w, &p);
            assert_string_equal(far.got, "early");
        } else {
            plait_abort(pipe_end);
            waiting = NULL;
        }
        end();
        assert_true(k < 50);
    }
}

TEST_MAIN(cmocka_unit_test(the_setting_is_announced), cmocka_unit_test(a_websocket_echoes_and_closes),
          cmocka_unit_test(the_client_may_end_its_side_with_the_close_frame),
          cmocka_unit_test(a_side_that_ends_without_a_close_frame_is_truncated),
          cmocka_unit_test(permessage_deflate_and_subprotocols_are_agreed_on),
          cmocka_unit_test(handlers_find_the_handshake_of_http1), cmocka_unit_test(what_opens_no_websocket_is_refused),
          cmocka_unit_test(a_handshake_has_only_so_many_fields),
          cmocka_unit_test(without_random_bytes_there_is_no_handshake), cmocka_unit_test(a_reset_is_a_lost_connection),
          cmocka_unit_test(an_abort_resets_the_stream_alone),
          cmocka_unit_test(a_drain_closes_websockets_and_takes_no_more), cmocka_unit_test(it_knows_its_connection),
          cmocka_unit_test(output_waits_for_the_window), cmocka_unit_test(a_paused_websocket_does_not_open_its_window),
          cmocka_unit_test(a_tunnel_carries_bytes_both_ways), cmocka_unit_test(our_side_of_a_tunnel_may_end_first),
          cmocka_unit_test(both_sides_may_end_before_all_is_read),
          cmocka_unit_test(what_is_sent_behind_a_reset_is_lost),
          cmocka_unit_test(a_client_that_never_reads_the_rest_is_let_go),
          cmocka_unit_test(a_long_authority_is_no_target), cmocka_unit_test(a_file_goes_too),
          cmocka_unit_test(every_allocation_fails_once), cmocka_unit_test(a_tunnel_that_fails_is_none))
