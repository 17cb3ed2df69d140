/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate: both flows against zlib itself, what a peer can send to harm, pauses, memory.
 */
#include "tests/web/ws_world.h"

#include "engine/stream_core.h"

#define ZLIB_CONST
#include <zlib.h>

static struct ws_world t;
static z_stream squeezer, reader; /* the peer's */

/* --- the peer's side ---------------------------------------------------------------------------------------------- */

static const struct plait_websocket_handler pieces;

static void begin_with(const char *offer, const struct plait_websocket_handler *handler)
{
    char request[512];
    const struct plait_websocket_options options = t.options;
    memset(&t, 0, sizeof t);
    t.options = options;
    t.handler = handler;
    ws_open_world(&t);
    peer_open(&t.w, &t.p);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\n%sSec-WebSocket-Extensions: permessage-deflate%s\r\n\r\n",
             WS_FIELDS, offer);
    peer_send(&t.w, &t.p, request);
    assert_int_equal(status_of(&t.p), 101);
    memset(&t.options, 0, sizeof t.options);
    memset(&squeezer, 0, sizeof squeezer);
    memset(&reader, 0, sizeof reader);
    assert_int_equal(deflateInit2(&squeezer, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(inflateInit2(&reader, -15), Z_OK);
}

static void begin(void)
{
    begin_with("", &ws_echo);
}

static void end_with(plait_err err)
{
    deflateEnd(&squeezer);
    inflateEnd(&reader);
    peer_close(&t.w, &t.p);
    assert_err(t.fault.err, err);
    ws_close_world(&t);
}

/* A message as RFC 7692 section 7.2.1 has it. `flush` Z_FINISH ends with a final block (section 7.2.3.5). */
static size_t squeeze(plait_slice message, int flush, uint8_t *out, size_t bytes)
{
    squeezer.next_in = message.ptr;
    squeezer.avail_in = (uInt)message.len;
    squeezer.next_out = out;
    squeezer.avail_out = (uInt)bytes;
    deflate(&squeezer, flush);
    assert_int_equal(squeezer.avail_in, 0);
    const size_t len = bytes - squeezer.avail_out;
    if (flush == Z_FINISH) {
        out[len] = 0;
        deflateReset(&squeezer);
        return len + 1;
    }
    if (len == 0) { /* nothing since the last flush */
        out[0] = 0;
        return 1;
    }
    assert_memory_equal(out + len - 4, "\x00\x00\xff\xff", 4);
    return len - 4;
}

static uint8_t room[4 << 20];

/* Sends a compressed message as one frame. */
static void send_squeezed(plait_slice message, int flush)
{
    struct plait_buf out;
    const size_t len = squeeze(message, flush, room, sizeof room);
    plait_buf_init(&out, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_frame(&out, 0xc1, plait_slice_of(room, len), false);
    ws_send_bytes(&t, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

static void send_frame(uint8_t first, plait_slice payload)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_frame(&out, first, payload, false);
    ws_send_bytes(&t, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

static size_t seen; /* bytes of what came, already read */

/* Reads the next message that came, decompressed where it says so. Returns how long its frames were. */
static size_t read_message(struct plait_buf *message)
{
    struct plait__ws_reader frames = {.may_compress = true};
    const plait_slice came = ws_came(&t.p);
    bool last = false, compressed = false;
    size_t wire = 0;
    plait_buf_clear(message);
    while (!last) {
        const struct plait__ws_view v = plait__ws_look(&frames, plait_slice_sub(came, seen, came.len));
        if (v.step != PLAIT__WS_PIECE)
            fail_msg("what came is no message: %s", plait_err_name(t.fault.err));
        compressed |= v.compressed;
        static uint8_t payload[140000];
        assert_true(v.payload.len + 4 <= sizeof payload);
        memcpy(payload, v.payload.ptr, v.payload.len);
        last = v.last;
        wire += v.payload.len;
        plait__ws_take(&frames, &v, v.payload.len);
        seen += v.head + v.payload.len;
        if (!compressed) {
            plait_buf_put(message, v.payload);
            continue;
        }
        memcpy(payload + v.payload.len, "\x00\x00\xff\xff", 4);
        reader.next_in = payload;
        reader.avail_in = (uInt)(v.payload.len + (last ? 4 : 0));
        do {
            uint8_t *at = plait_buf_reserve(message, 65536);
            reader.next_out = at;
            reader.avail_out = 65536;
            const int result = inflate(&reader, Z_SYNC_FLUSH);
            assert_true(result == Z_OK || result == Z_BUF_ERROR);
            plait_buf_commit(message, 65536 - reader.avail_out);
        } while (reader.avail_out == 0);
        assert_int_equal(reader.avail_in, 0);
    }
    return wire;
}

static size_t expect_message(plait_slice expected)
{
    struct plait_buf message;
    plait_buf_init(&message, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    const size_t wire = read_message(&message);
    assert_int_equal(message.len, expected.len);
    assert_memory_equal(plait_buf_slice(&message).ptr ? plait_buf_slice(&message).ptr : (const uint8_t *)"",
                        expected.ptr ? expected.ptr : (const uint8_t *)"", expected.len);
    plait_buf_deinit(&message);
    return wire;
}

static plait_slice text_of(size_t len)
{
    static char text[2 << 20];
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + (i * i / 7 + i / 1000) % 26);
    return plait_slice_of(text, len);
}

/* --- both ways ---------------------------------------------------------------------------------------------------- */

/* RFC 7692 section 7.2.3 */
static void the_examples_of_the_rfc_are_read(void **state)
{
    (void)state;
    begin();
    seen = 0;
    send_frame(0xc1, PLAIT_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0x41, PLAIT_LIT("\xf2\x48\xcd"));
    send_frame(0x80, PLAIT_LIT("\xc9\xc9\x07\x00"));
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0xc1, PLAIT_LIT("\xf2\x00\x11\x00\x00")); /* with the window of the last */
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0xc1, PLAIT_LIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"));
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0xc1, PLAIT_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")); /* a final block */
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0xc1, PLAIT_LIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"));
    expect_message(PLAIT_LIT("Hello"));
    send_frame(0xc1, PLAIT_LIT("\x00"));
    expect_message(plait_slice_of(NULL, 0));
    send_frame(0xc2, PLAIT_LIT("\x02\x00"));
    expect_message(plait_slice_of(NULL, 0));
    send_frame(0x81, PLAIT_LIT("in the clear"));
    expect_message(PLAIT_LIT("in the clear"));
    end_with(PLAIT_ERESET);
}

/* 12.*: messages of every length and 13.*: with every window. */
static void messages_of_all_lengths_go_both_ways(void **state)
{
    static const char *const offers[] = {
        "",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_no_context_takeover; client_no_context_takeover",
        "; server_max_window_bits=8",
        "; server_max_window_bits=9",
        "; server_max_window_bits=15",
        "; server_max_window_bits=9; server_no_context_takeover; client_no_context_takeover",
    };
    static const size_t lengths[] = {0, 1, 16, 64, 127, 128, 129, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(offers); i++) {
        begin_with(offers[i], &ws_echo);
        const bool forgets = strstr(offers[i], "client_no") != NULL;
        seen = 0;
        for (int again = 0; again < 2; again++) {
            for (size_t l = 0; l < TEST_COUNT(lengths); l++) {
                t.p.len -= ws_came(&t.p).len; /* only what comes now */
                seen = 0;
                const plait_slice message = text_of(lengths[l]);
                if (forgets)
                    deflateReset(&squeezer);
                send_squeezed(message, l % 3 == 1 ? Z_FINISH : Z_SYNC_FLUSH);
                const size_t wire = expect_message(message);
                if (lengths[l] >= 1024)
                    assert_true(wire < lengths[l]);
            }
        }
        end_with(PLAIT_ERESET);
    }
}

static void small_messages_are_not_compressed(void **state)
{
    (void)state;
    t.options.deflate_min = 10;
    begin();
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("*********")));
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("**********")));
    spin(&t.w);
    assert_memory_equal(ws_came(&t.p).ptr, "\x81\x09*********\xc1", 12);
    end_with(PLAIT_ERESET);
}

static void parts_are_compressed_too(void **state)
{
    (void)state;
    begin();
    seen = 0;
    for (int i = 0; i < 3; i++) {
        assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, text_of(1000), false));
        assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(NULL, 0), false));
        assert_ok(
            plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_sub(text_of(1500), 1000, 1500), i == 1));
        if (i != 1)
            assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(NULL, 0), true));
        spin(&t.w);
        expect_message(text_of(1500));
    }
    end_with(PLAIT_ERESET);
}

static void a_message_in_fragments_is_one(void **state)
{
    (void)state;
    begin();
    seen = 0;
    const size_t len = squeeze(text_of(50000), Z_SYNC_FLUSH, room, sizeof room);
    for (size_t at = 0; at < len; at += 100) {
        const plait_slice part = plait_slice_of(room + at, len - at < 100 ? len - at : 100);
        send_frame((uint8_t)((at == 0 ? 0x41 : 0) | (at + 100 >= len ? 0x80 : 0)), part);
    }
    expect_message(text_of(50000));
    end_with(PLAIT_ERESET);
}

/* --- what a peer may not do --------------------------------------------------------------------------------------- */

static void a_bomb_does_no_harm(void **state)
{
    static uint8_t zeroes[3 << 20];
    (void)state;
    begin();
    const size_t before = plait_reactor_budget(t.w.r)->used;
    send_squeezed(plait_slice_of(zeroes, sizeof zeroes), Z_SYNC_FLUSH);
    assert_true(t.p.ended);
    assert_true(plait_reactor_budget(t.w.r)->used < before + (3 << 20));
    end_with(PLAIT_ETOOLONG);
}

static void the_limit_is_of_what_comes_out(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        t.options.message_max = 50000;
        begin();
        seen = 0;
        send_squeezed(text_of(50000 + over), Z_SYNC_FLUSH);
        if (over) {
            assert_memory_equal(ws_came(&t.p).ptr + 2, "\x03\xf1", 2);
            end_with(PLAIT_ETOOLONG);
        } else {
            expect_message(text_of(50000));
            end_with(PLAIT_ERESET);
        }
    }
}

/* Blocks without content can be sent for ever. */
static void the_compressed_bytes_have_a_limit_too(void **state)
{
    static uint8_t nothing[2 * (1000 + 1024) + 2];
    (void)state;
    for (size_t i = 0; i + 5 <= sizeof nothing; i += 5)
        memcpy(nothing + i, "\x00\x00\x00\xff\xff", 5);
    for (size_t over = 0; over < 2; over++) {
        const size_t most = 4045 + over * 5; /* the limit is 4048 or 4049 */
        t.options.message_max = 1000;
        begin();
        send_frame(0x41, plait_slice_of(nothing, 2000));
        send_frame(0x00, plait_slice_of(nothing, most - 2000));
        assert_int_equal(t.p.ended, over);
        end_with(over ? PLAIT_ETOOLONG : PLAIT_ERESET);
    }
    t.options.message_max = 1000;
    begin();
    send_frame(0x41, plait_slice_of(nothing, 2000));
    ws_send_bytes(&t, plait_slice_of("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14));
    end_with(PLAIT_ETOOLONG);
}

static void a_message_that_is_not_compressed_as_agreed_fails(void **state)
{
    static const struct {
        const char *payload;
        size_t len;
    } cases[] = {
        {"\x06", 1},                         /* a block of a type that there is not */
        {"\xff\xff\xff", 3},                 /* the same */
        {"\x00\x05\x00\x00\x00", 5},         /* a stored block whose length is not its own */
        {"\x00\x0a\x00\xf5\xff\x48", 6},     /* a stored block that is cut */
        {"\xf2\x48\xcd\xc9", 4},             /* a message without its end */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00", 7}, /* a final block, and no byte behind it */
        {"\x4a\x04\x83\x00", 4},             /* it looks back further than there is anything */
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        send_frame(0xc2, plait_slice_of(cases[i].payload, cases[i].len));
        assert_memory_equal(ws_came(&t.p).ptr + 2, "\x03\xef", 2);
        end_with(PLAIT_EMALFORMED);
    }
}

static void ignore_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                         void *self)
{
    (void)ws;
    (void)kind;
    (void)piece;
    (void)self;
    assert_false(end);
}

static const struct plait_websocket_handler heedless = {
    .name = "heedless", .open = ws_on_open, .piece = ignore_piece, .lost = ws_on_lost};

static void compressed_text_is_checked(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        begin();
        send_squeezed(cut ? PLAIT_LIT("good \xc3") : PLAIT_LIT("bad \xff text"), Z_SYNC_FLUSH);
        assert_memory_equal(ws_came(&t.p).ptr + 2, "\x03\xef", 2);
        end_with(PLAIT_EMALFORMED);
        begin_with("", &heedless);
        send_squeezed(cut ? PLAIT_LIT("good \xc3") : PLAIT_LIT("bad \xff text"), Z_SYNC_FLUSH);
        end_with(PLAIT_EMALFORMED);
    }
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static size_t given, largest;
static unsigned ended, calls;
static bool pausing, closing;

static void take_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                       void *self)
{
    (void)kind;
    (void)self;
    assert_memory_equal(text_of(given + piece.len).ptr + given, piece.len ? piece.ptr : (const uint8_t *)"", piece.len);
    given += piece.len;
    largest = piece.len > largest ? piece.len : largest;
    ended += end;
    calls++;
    if (pausing)
        plait_websocket_pause(ws);
    if (closing)
        assert_ok(plait_websocket_close(ws, 1000, plait_slice_of(NULL, 0)));
}

static const struct plait_websocket_handler pieces = {
    .name = "pieces", .open = ws_on_open, .piece = take_piece, .lost = ws_on_lost};

static void begin_pieces(void)
{
    given = largest = ended = calls = 0;
    pausing = closing = false;
    begin_with("", &pieces);
}

static void pieces_come_decompressed(void **state)
{
    (void)state;
    begin_pieces();
    send_squeezed(text_of(100000), Z_SYNC_FLUSH);
    assert_int_equal(given, 100000);
    assert_int_equal(ended, 1);
    assert_true(largest <= 4096);
    given = ended = 0;
    send_squeezed(plait_slice_of(NULL, 0), Z_SYNC_FLUSH);
    assert_int_equal(ended, 1);
    end_with(PLAIT_ERESET);
}

/* However much a few bytes may become, a piece at a time is handed on. */
static void a_pause_stops_the_decompressing(void **state)
{
    (void)state;
    begin_pieces();
    pausing = true;
    send_squeezed(text_of(300000), Z_SYNC_FLUSH);
    assert_int_equal(calls, 1);
    while (!ended) {
        const unsigned before = calls;
        plait_websocket_resume(t.ws);
        spin(&t.w);
        assert_int_equal(calls, before + 1);
        assert_true(calls < 1000);
    }
    assert_int_equal(given, 300000);
    assert_int_equal(plait__ws_look(&t.ws->reader, plait_slice_of(NULL, 0)).need, 1);
    end_with(PLAIT_ERESET);
}

/* The last frame is empty: there is nothing of it to leave, but its head. */
static void a_pause_before_an_empty_last_frame_holds(void **state)
{
    (void)state;
    begin_pieces();
    pausing = true;
    const size_t len = squeeze(text_of(5000), Z_SYNC_FLUSH, room, sizeof room);
    send_frame(0x41, plait_slice_of(room, len));
    send_frame(0x80, plait_slice_of(NULL, 0));
    for (int i = 0; i < 10; i++) {
        plait_websocket_resume(t.ws);
        spin(&t.w);
    }
    assert_int_equal(given, 5000);
    assert_int_equal(ended, 1);
    end_with(PLAIT_ERESET);
}

static void after_the_own_end_nothing_is_decompressed(void **state)
{
    (void)state;
    begin_pieces();
    closing = true;
    send_squeezed(text_of(100000), Z_SYNC_FLUSH);
    send_squeezed(text_of(1000), Z_SYNC_FLUSH);
    assert_int_equal(calls, 1);
    send_frame(0x88, PLAIT_LIT("\x03\xe8"));
    end_with(PLAIT_OK);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void an_idle_connection_that_forgets_holds_nothing(void **state)
{
    (void)state;
    t.options.deflate_forget = true;
    begin();
    seen = 0;
    const struct plait_budget *budget = plait_stream_budget(plait_websocket_stream(t.ws));
    const size_t before = budget->used;
    send_squeezed(text_of(10000), Z_SYNC_FLUSH);
    expect_message(text_of(10000));
    assert_int_equal(budget->used, before);
    end_with(PLAIT_ERESET);
}

static void what_zlib_needs_is_counted(void **state)
{
    (void)state;
    t.options.deflate_bits = 15;
    begin();
    const struct plait_budget *budget = plait_stream_budget(plait_websocket_stream(t.ws));
    const size_t before = budget->used;
    send_squeezed(text_of(100000), Z_SYNC_FLUSH);
    assert_in_range(budget->used - before, 280000, 330000);
    end_with(PLAIT_ERESET);
}

TEST_MAIN(cmocka_unit_test(the_examples_of_the_rfc_are_read), cmocka_unit_test(messages_of_all_lengths_go_both_ways),
          cmocka_unit_test(small_messages_are_not_compressed), cmocka_unit_test(parts_are_compressed_too),
          cmocka_unit_test(a_message_in_fragments_is_one), cmocka_unit_test(a_bomb_does_no_harm),
          cmocka_unit_test(the_limit_is_of_what_comes_out), cmocka_unit_test(the_compressed_bytes_have_a_limit_too),
          cmocka_unit_test(a_message_that_is_not_compressed_as_agreed_fails),
          cmocka_unit_test(compressed_text_is_checked), cmocka_unit_test(pieces_come_decompressed),
          cmocka_unit_test(a_pause_stops_the_decompressing), cmocka_unit_test(a_pause_before_an_empty_last_frame_holds),
          cmocka_unit_test(after_the_own_end_nothing_is_decompressed),
          cmocka_unit_test(an_idle_connection_that_forgets_holds_nothing), cmocka_unit_test(what_zlib_needs_is_counted))
