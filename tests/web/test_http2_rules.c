/* SPDX-License-Identifier: MIT
 *
 * RFC 9113 sections 3 to 8, rule by rule: what a client must not send, and what the server does about it. Each row is a
 * connection of its own with stream 1 in a known state.
 */
#include "tests/web/http2_peer.h"

static struct h2_peer p;

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "hello");
}

static struct plait_request *kept[64];
static size_t kept_count;

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept[kept_count++] = req;
}

static void take_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)piece;
    (void)ctx;
    if (end)
        plait_reply_text(req, 200, "taken");
}

static void take(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, take_piece, ctx));
}

static void open_world(struct world *w)
{
    kept_count = 0;
    world_open(w);
    assert_ok(plait_resource_get(w->root, "hello", hello, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "take", take, NULL));
    assert_ok(plait_resource_on(w->root, "*", "keep", keep, NULL));
    world_serve(w, NULL);
}

static void close_world(struct world *w)
{
    h2_close(w, &p);
    while (kept_count)
        plait_request_drop(kept[--kept_count]);
    world_close(w);
}

/* --- fields (section 8) ------------------------------------------------------------------------------------------- */

/* `status` 0: the stream is reset as malformed. */
static void malformed_heads_are_refused(void **state)
{
    static const struct {
        const char *section, *fields;
        int status;
    } rows[] = {
        {"8.2.1 upper case", GET_FIELDS("/hello") "X-Upper a\n", 0},
        {"8.2.1 a name with a space", GET_FIELDS("/hello") "x\x01y a\n", 0},
        {"8.2.1 a value with CR", GET_FIELDS("/hello") "x a\rb\n", 0},
        {"8.2.1 a value that begins with a blank", GET_FIELDS("/hello") "x  a\n", 0},
        {"8.2.1 a value that ends with a blank", GET_FIELDS("/hello") "x a \n", 0},
        {"8.2.2 connection", GET_FIELDS("/hello") "connection close\n", 0},
        {"8.2.2 keep-alive", GET_FIELDS("/hello") "keep-alive 1\n", 0},
        {"8.2.2 proxy-connection", GET_FIELDS("/hello") "proxy-connection close\n", 0},
        {"8.2.2 transfer-encoding", GET_FIELDS("/hello") "transfer-encoding chunked\n", 0},
        {"8.2.2 upgrade", GET_FIELDS("/hello") "upgrade h2c\n", 0},
        {"8.2.2 te", GET_FIELDS("/hello") "te gzip\n", 0},
        {"8.3 an unknown pseudo-header", GET_FIELDS("/hello") ":unknown a\n", 0},
        {"8.3 a response's pseudo-header", GET_FIELDS("/hello") ":status 200\n", 0},
        {"8.3 behind a field", ":method GET\n:scheme http\nx y\n:path /hello\n:authority x\n", 0},
        {"8.3 twice: method", ":method GET\n:method GET\n:scheme http\n:path /hello\n:authority x\n", 0},
        {"8.3 twice: path", ":method GET\n:scheme http\n:path /hello\n:path /hello\n:authority x\n", 0},
        {"8.3 twice: scheme", ":method GET\n:scheme http\n:scheme http\n:path /hello\n:authority x\n", 0},
        {"8.3 twice: authority", GET_FIELDS("/hello") ":authority x\n", 0},
        {"8.3.1 no method", ":scheme http\n:path /hello\n:authority x\n", 0},
        {"8.3.1 no scheme", ":method GET\n:path /hello\n:authority x\n", 0},
        {"8.3.1 no path", ":method GET\n:scheme http\n:authority x\n", 0},
        {"8.3.1 an empty path", ":method GET\n:scheme http\n:path \n:authority x\n", 0},
        {"8.3.1 a path without a slash", ":method GET\n:scheme http\n:path hello\n:authority x\n", 0},
        {"8.3.1 an asterisk for GET", ":method GET\n:scheme http\n:path *\n:authority x\n", 0},
        {"8.3.1 no authority", ":method GET\n:scheme http\n:path /hello\n", 0},
        {"8.3.1 another host", GET_FIELDS("/hello") "host y\n", 0},
        {"8.3.1 no host's name", ":method GET\n:scheme http\n:path /hello\n:authority a b\n", 0},
        {"8.3.1 user information", ":method GET\n:scheme http\n:path /hello\n:authority u@h\n", 400},
        {"8.3.1 an empty authority", ":method GET\n:scheme http\n:path /hello\n:authority \n", 0},
        {"8.3.1 another scheme", ":method GET\n:scheme ftp\n:path /hello\n:authority x\n", 400},
        {"8.3.1 a path with a quote", GET_FIELDS("/hello\"") "x y\n", 400},
        {"8.3.1 a path that leaves the root", GET_FIELDS("/../x"), 400},
        {"8.3.1 a bad escape", GET_FIELDS("/%zz"), 400},
        {"8.3.1 a fragment", GET_FIELDS("/hello#x"), 400},
        {"8.5 CONNECT with a path", ":method CONNECT\n:path /\n:authority x:1\n", 0},
        {"8.5 CONNECT without an authority", ":method CONNECT\n", 0},
        {"8441 4 :protocol without a path",
         ":method CONNECT\n:protocol websocket\n:scheme http\n"
         ":authority x\n",
         0},
        {"8441 4 a page in a WebSocket's place",
         ":method CONNECT\n:protocol websocket\n:scheme http\n:path /hello\n"
         ":authority x\n",
         501},
        {"8.1.1 a length that is no number", GET_FIELDS("/hello") "content-length x\n", 0},
        {"8.1.1 a length with a sign", GET_FIELDS("/hello") "content-length +0\n", 0},
        {"8.1.1 two lengths", GET_FIELDS("/hello") "content-length 0\ncontent-length 0\n", 0},
        {"8.1.1 a length without a body", POST_FIELDS("/keep") "content-length 1\n", 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        open_world(&w);
        h2_open(&w, &p);
        h2_headers(&p, WHOLE, 1, rows[i].fields);
        h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello"));
        h2_send(&w, &p);
        if (p.answer[0].status != rows[i].status || (!rows[i].status && p.answer[0].reset != NGHTTP2_PROTOCOL_ERROR))
            fail_msg("%s: %d, reset %d", rows[i].section, p.answer[0].status, p.answer[0].reset);
        assert_int_equal(p.answer[1].status, 200); /* the connection goes on */
        close_world(&w);
    }
}

static void bodies_keep_to_their_length(void **state)
{
    static const struct {
        const char *length, *first, *second;
    } rows[] = {
        {"content-length 3\n", "ab", ""},
        {"content-length 3\n", "abcd", ""},
        {"content-length 0\n", "a", ""},
        {"content-length 3\n", "ab", "cd"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        char fields[200];
        open_world(&w);
        h2_open(&w, &p);
        (void)snprintf(fields, sizeof fields, "%s%s", POST_FIELDS("/take"), rows[i].length);
        h2_headers(&p, OPEN, 1, fields);
        h2_data(&p, 0, 1, rows[i].first);
        h2_data(&p, END, 1, rows[i].second);
        h2_send(&w, &p);
        assert_int_equal(p.answer[0].status, 0);
        assert_int_equal(p.answer[0].reset, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(p.goaway, -1);
        close_world(&w);
    }
}

static void trailer_sections_keep_to_the_rules(void **state)
{
    static const struct {
        unsigned flags;
        const char *fields;
    } rows[] = {{WHOLE, ":method GET\n"}, {WHOLE, "X y\n"}, {OPEN, "x y\n"}, {WHOLE, "connection close\n"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        open_world(&w);
        h2_open(&w, &p);
        h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
        h2_data(&p, 0, 1, "abc");
        h2_headers(&p, rows[i].flags, 1, rows[i].fields);
        h2_send(&w, &p);
        assert_int_equal(p.answer[0].status, 0);
        assert_int_equal(p.answer[0].reset, NGHTTP2_PROTOCOL_ERROR);
        close_world(&w);
    }
}

/* --- frames (sections 4 to 6) ------------------------------------------------------------------------------------- */

/* What stream 1 is when the frame comes. */
enum before {
    IDLE,   /* nothing was sent */
    OPENED, /* a request without its end */
    HALF,   /* a whole request that is not answered */
    DONE,   /* a whole request, answered */
    GIVEN_UP,
    IN_BLOCK, /* a HEADERS frame without END_HEADERS */
};

static void bring_about(struct world *w, enum before before)
{
    if (before == OPENED || before == GIVEN_UP)
        h2_headers(&p, OPEN, 1, POST_FIELDS("/keep"));
    if (before == HALF)
        h2_headers(&p, WHOLE, 1, GET_FIELDS("/keep"));
    if (before == DONE)
        h2_headers(&p, WHOLE, 1, GET_FIELDS("/hello"));
    if (before == IN_BLOCK)
        h2_headers(&p, END, 1, GET_FIELDS("/hello"));
    if (before == GIVEN_UP)
        h2_number(&p, PLAIT__H2_RST_STREAM, 1, 8);
    h2_send(w, &p);
}

struct row {
    const char *section;
    enum before before;
    unsigned type, flags;
    uint32_t stream;
    const char *bytes;
    size_t len;
    int goaway; /* code, or -1 */
    int reset;  /* of stream 1, or -1 */
};

#define BYTES(text) text, sizeof(text) - 1
enum {
    P = NGHTTP2_PROTOCOL_ERROR,
    C = NGHTTP2_STREAM_CLOSED,
    S = NGHTTP2_FRAME_SIZE_ERROR,
    F = NGHTTP2_FLOW_CONTROL_ERROR
};

static const struct row rows[] = {
    {"4.1 an unknown type", OPENED, 99, 255, 1, BYTES("xx"), -1, -1},
    {"4.1 unknown flags", OPENED, 6, 0xfe, 0, BYTES("12345678"), -1, -1},
    {"4.1 the reserved bit", OPENED, 6, 0, 0x80000000, BYTES("12345678"), -1, -1},
    {"4.2 a frame inside a block", IN_BLOCK, 6, 0, 0, BYTES("12345678"), P, -1},
    {"4.3 a block that can't be decoded", IDLE, 1, 5, 1, BYTES("\xff\xff\xff\xff\xff\xff"), NGHTTP2_COMPRESSION_ERROR,
     -1},
    {"4.3 a block that ends early", IDLE, 1, 5, 1, BYTES("\x40\x05x"), NGHTTP2_COMPRESSION_ERROR, -1},
    {"5.1 idle: DATA", IDLE, 0, 0, 1, BYTES("x"), P, -1},
    {"5.1 idle: RST_STREAM", IDLE, 3, 0, 1, BYTES("\0\0\0\0"), P, -1},
    {"5.1 idle: WINDOW_UPDATE", IDLE, 8, 0, 1, BYTES("\0\0\0\1"), P, -1},
    {"5.1 idle: CONTINUATION", IDLE, 9, 4, 1, BYTES(""), P, -1},
    {"5.1 idle: PRIORITY is right", IDLE, 2, 0, 1, BYTES("\0\0\0\0\0"), -1, -1},
    {"5.1 half closed: DATA", HALF, 0, 0, 1, BYTES("x"), C, -1},
    {"5.1 half closed: HEADERS", HALF, 1, 5, 1, BYTES("\x82"), C, -1},
    {"5.1 half closed: CONTINUATION", HALF, 9, 4, 1, BYTES("\x82"), P, -1},
    {"5.1 half closed: WINDOW_UPDATE is right", HALF, 8, 0, 1, BYTES("\0\0\0\1"), -1, -1},
    {"5.1 closed: DATA", DONE, 0, 0, 1, BYTES("x"), C, -1},
    {"5.1 closed: HEADERS", DONE, 1, 5, 1, BYTES("\x82"), C, -1},
    {"5.1 closed: CONTINUATION", DONE, 9, 4, 1, BYTES("\x82"), P, -1},
    {"5.1 closed: WINDOW_UPDATE is right", DONE, 8, 0, 1, BYTES("\0\0\0\1"), -1, -1},
    {"5.1 closed: RST_STREAM is right", DONE, 3, 0, 1, BYTES("\0\0\0\0"), -1, -1},
    {"5.1 given up: DATA", GIVEN_UP, 0, 0, 1, BYTES("x"), C, -1},
    {"5.1 given up: HEADERS", GIVEN_UP, 1, 5, 1, BYTES("\x82"), C, -1},
    {"5.1.1 an even stream", IDLE, 1, 5, 2, BYTES("\x82\x86\x84\x41\x01x"), P, -1},
    {"5.3.1 a stream that depends on itself", IDLE, 1, 0x25, 1, BYTES("\0\0\0\1\0\x82\x86\x84\x41\x01x"), P, -1},
    {"6.1 DATA on stream 0", OPENED, 0, 0, 0, BYTES("x"), P, -1},
    {"6.1 padding as long as the payload", OPENED, 0, 8, 1, BYTES("\4xxx"), P, -1},
    {"6.1 padded and empty", OPENED, 0, 8, 1, BYTES(""), P, -1},
    {"6.1 all padding is right", OPENED, 0, 8, 1, BYTES("\3xxx"), -1, -1},
    {"6.2 HEADERS on stream 0", IDLE, 1, 5, 0, BYTES("\x82"), P, -1},
    {"6.2 padding too long", IDLE, 1, 0xd, 1, BYTES("\x8\x82\x86"), P, -1},
    {"6.3 PRIORITY on stream 0", IDLE, 2, 0, 0, BYTES("\0\0\0\0\0"), P, -1},
    {"6.3 PRIORITY of another length", OPENED, 2, 0, 1, BYTES("\0\0\0\0"), S, -1},
    {"6.4 RST_STREAM on stream 0", OPENED, 3, 0, 0, BYTES("\0\0\0\0"), P, -1},
    {"6.4 RST_STREAM of another length", OPENED, 3, 0, 1, BYTES("\0\0\0"), S, -1},
    {"6.5 SETTINGS on a stream", OPENED, 4, 0, 1, BYTES(""), P, -1},
    {"6.5 SETTINGS of another length", OPENED, 4, 0, 0, BYTES("\0\0\0"), S, -1},
    {"6.5 an acknowledgement with a payload", OPENED, 4, 1, 0, BYTES("\0\1\0\0\0\0"), S, -1},
    {"6.5.2 ENABLE_PUSH 2", OPENED, 4, 0, 0, BYTES("\0\2\0\0\0\2"), P, -1},
    {"6.5.2 a window of 2^31", OPENED, 4, 0, 0, BYTES("\0\4\x80\0\0\0"), F, -1},
    {"6.5.2 frames of 16,383", OPENED, 4, 0, 0, BYTES("\0\5\0\0\x3f\xff"), P, -1},
    {"6.5.2 frames of 2^24", OPENED, 4, 0, 0, BYTES("\0\5\1\0\0\0"), P, -1},
    {"6.5.2 an unknown setting", OPENED, 4, 0, 0, BYTES("\xaa\xaa\0\0\0\0"), -1, -1},
    {"6.6 PUSH_PROMISE from a client", OPENED, 5, 4, 1, BYTES("\0\0\0\2\x82"), P, -1},
    {"6.7 PING on a stream", OPENED, 6, 0, 1, BYTES("12345678"), P, -1},
    {"6.7 PING of another length", OPENED, 6, 0, 0, BYTES("1234567"), S, -1},
    {"6.8 GOAWAY on a stream", OPENED, 7, 0, 1, BYTES("\0\0\0\0\0\0\0\0"), P, -1},
    {"6.8 GOAWAY of another length", OPENED, 7, 0, 0, BYTES("\0\0\0\0\0\0\0"), S, -1},
    {"6.9 WINDOW_UPDATE of 0 on a stream", OPENED, 8, 0, 1, BYTES("\0\0\0\0"), P, -1},
    {"6.9 WINDOW_UPDATE of 0", OPENED, 8, 0, 0, BYTES("\0\0\0\0"), P, -1},
    {"6.9 WINDOW_UPDATE of another length", OPENED, 8, 0, 1, BYTES("\0\0\1"), S, -1},
    {"6.9.1 a window beyond 2^31 - 1", OPENED, 8, 0, 0, BYTES("\x7f\xff\xff\xff"), F, -1},
    {"6.9.1 a stream's window beyond it", OPENED, 8, 0, 1, BYTES("\x7f\xff\xff\xff"), -1, F},
    {"6.10 CONTINUATION on stream 0", IN_BLOCK, 9, 4, 0, BYTES(""), P, -1},
    {"6.10 CONTINUATION of another stream", IN_BLOCK, 9, 4, 3, BYTES(""), P, -1},
    {"6.10 CONTINUATION behind a whole block", HALF, 9, 4, 1, BYTES(""), P, -1},
    {"9218 7.1 PRIORITY_UPDATE on a stream", OPENED, 16, 0, 1, BYTES("\0\0\0\1u=1"), P, -1},
    {"9218 7.1 PRIORITY_UPDATE that is no priority", OPENED, 16, 0, 0, BYTES("\0\0\0\1???"), -1, -1},
};

static void frames_keep_to_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w;
        open_world(&w);
        h2_open(&w, &p);
        bring_about(&w, rows[i].before);
        h2_frame(&p, rows[i].type, rows[i].flags, rows[i].stream, rows[i].bytes, rows[i].len);
        if (rows[i].before != IN_BLOCK)
            h2_headers(&p, WHOLE, 7, GET_FIELDS("/hello"));
        h2_send(&w, &p);
        const bool ended = p.raw.ended || p.raw.lost;
        if (p.goaway != rows[i].goaway || p.answer[0].reset != rows[i].reset || ended != (rows[i].goaway >= 0))
            fail_msg("%s: goaway %d, reset %d, %s", rows[i].section, p.goaway, p.answer[0].reset, p.log);
        if (!ended && rows[i].before != IN_BLOCK)
            assert_int_equal(p.answer[3].status, 200);
        close_world(&w);
    }
}

static void a_frame_may_be_as_long_as_the_setting(void **state)
{
    static uint8_t block[16385];
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct world w;
        open_world(&w);
        h2_open(&w, &p);
        h2_headers(&p, OPEN, 1, POST_FIELDS("/take"));
        h2_frame(&p, PLAIT__H2_DATA, END, 1, block, 16384 + over);
        h2_send(&w, &p);
        assert_int_equal(p.answer[0].status, over ? 0 : 200);
        assert_int_equal(p.goaway, over ? S : -1);
        close_world(&w);
    }
}

static void a_stream_has_a_higher_number_than_the_last(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/hello"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello"));
    h2_send(&w, &p);
    assert_int_equal(p.goaway, P);
    close_world(&w);
}

/* --- the beginning (section 3.4) ---------------------------------------------------------------------------------- */

static void a_connection_begins_with_settings(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    h2_open_bare(&w, &p);
    h2_bytes(&p, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
    h2_ping(&p, 0);
    h2_send(&w, &p);
    assert_int_equal(p.goaway, P);
    assert_true(p.raw.ended);
    close_world(&w);
}

TEST_MAIN(cmocka_unit_test(malformed_heads_are_refused), cmocka_unit_test(bodies_keep_to_their_length),
          cmocka_unit_test(trailer_sections_keep_to_the_rules), cmocka_unit_test(frames_keep_to_the_rules),
          cmocka_unit_test(a_frame_may_be_as_long_as_the_setting),
          cmocka_unit_test(a_stream_has_a_higher_number_than_the_last),
          cmocka_unit_test(a_connection_begins_with_settings))
