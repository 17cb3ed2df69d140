/* SPDX-License-Identifier: MIT
 *
 * WebSockets beyond single frames: pieces, parts, pings, the end from either side, deadlines, backpressure; and what a
 * client does otherwise.
 */
#include "tests/web/ws_world.h"

#include "engine/stream_core.h"

static struct ws_world t;

static void note_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)ws;
    ws_log(self, "%s %.*s;", kind == PLAIT_WEBSOCKET_TEXT ? "text" : "bytes", PLAIT_ARG(message));
}

static void note_pong(struct plait_websocket *ws, plait_slice payload, void *self)
{
    (void)ws;
    ws_log(self, "pong %.*s;", PLAIT_ARG(payload));
}

static void note_room(struct plait_websocket *ws, void *self)
{
    (void)ws;
    ws_log(self, "room;");
}

static const struct plait_websocket_handler notes = {.name = "notes",
                                                     .open = ws_on_open,
                                                     .message = note_message,
                                                     .pong = note_pong,
                                                     .room = note_room,
                                                     .closing = ws_on_closing,
                                                     .lost = ws_on_lost};

static void note_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                       void *self)
{
    (void)ws;
    if (piece.len > 40)
        ws_log(self, "#%zu%s", piece.len, end ? ";" : ",");
    else
        ws_log(self, "%d:%.*s%s", (int)kind, PLAIT_ARG(piece), end ? ";" : ",");
}

static void note_piece_and_pause(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece,
                                 bool end, void *self)
{
    note_piece(ws, kind, piece, end, self);
    plait_websocket_pause(ws);
}

static const struct plait_websocket_handler pieces = {
    .name = "pieces", .open = ws_on_open, .piece = note_piece, .closing = ws_on_closing, .lost = ws_on_lost};
static const struct plait_websocket_handler slow_pieces = {
    .name = "pieces", .open = ws_on_open, .piece = note_piece_and_pause, .lost = ws_on_lost};

static void begin_with(const struct plait_websocket_handler *handler, bool timed)
{
    const struct plait_websocket_options options = t.options;
    memset(&t, 0, sizeof t);
    t.options = options;
    t.handler = handler;
    if (timed)
        ws_open_timed(&t);
    else
        ws_open_world(&t);
    ws_connect(&t);
    memset(&t.options, 0, sizeof t.options);
}

static void begin(void)
{
    begin_with(&notes, false);
}

static void expect_log(const char *log)
{
    assert_string_equal(t.log, log);
    t.log[0] = 0;
}

static void end_with(plait_err err)
{
    peer_close(&t.w, &t.p);
    if (t.bed)
        plait_testbed_settle(t.bed);
    assert_int_equal(t.lost, 1);
    assert_err(t.fault.err, err);
    ws_close_world(&t);
}

/* --- messages in ------------------------------------------------------------------------------------------------- */

static void messages_come_in_pieces_to_who_asks_for_them(void **state)
{
    (void)state;
    begin_with(&pieces, false);
    ws_send(&t, "t:ab|P:ping|c|c:cd|C:e|B:x|T");
    expect_log("1:ab,1:cd,1:e;2:x;1:;");
    assert_came(&t, "O:ping");
    ws_send(&t, "B#40000");
    expect_log("#16376,#16384,#7240;");
    ws_send(&t, "t:\xc3|C:\xa4");
    expect_log("1:\xc3,1:\xa4;");
    ws_send(&t, "t:ok|C:\xc3");
    expect_log("1:ok,");
    end_with(PLAIT_EMALFORMED);
}

static void pieces_have_no_limit_together(void **state)
{
    (void)state;
    t.options.message_max = 100;
    begin_with(&pieces, false);
    ws_send(&t, "b#90|C#30");
    expect_log("#90,2:******************************;");
    end_with(PLAIT_ERESET);
}

static void a_pause_holds_pieces_back(void **state)
{
    (void)state;
    begin_with(&slow_pieces, false);
    ws_send(&t, "B#40000|T:x");
    expect_log("#16376,");
    for (const char *const *log = (const char *const[]){"#16384,", "#7240;", "1:x;", NULL}; *log; log++) {
        plait_websocket_resume(t.ws);
        spin(&t.w);
        expect_log(*log);
    }
    end_with(PLAIT_ERESET);
}

static void pause_in_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message,
                             void *self)
{
    note_message(ws, kind, message, self);
    plait_websocket_pause(ws);
}

static void a_pause_holds_messages_back(void **state)
{
    static const struct plait_websocket_handler handler = {
        .name = "pauses", .open = ws_on_open, .message = pause_in_message, .lost = ws_on_lost};
    (void)state;
    begin_with(&handler, false);
    ws_send(&t, "T:a|T:b|P");
    expect_log("text a;");
    plait_websocket_resume(t.ws);
    spin(&t.w);
    expect_log("text b;");
    assert_came(&t, "");
    plait_websocket_resume(t.ws);
    spin(&t.w);
    assert_came(&t, "O");
    end_with(PLAIT_ERESET);
}

static void a_handler_may_leave_everything_out(void **state)
{
    static const struct plait_websocket_handler nothing = {.name = "nothing"};
    (void)state;
    memset(&t, 0, sizeof t);
    t.handler = &nothing;
    ws_open_world(&t);
    peer_open(&t.w, &t.p);
    peer_send(&t.w, &t.p, WS_REQUEST("/"));
    ws_send(&t, "T:a|B|O|P:still here|X:1000");
    assert_came(&t, "O:still here|X:1000");
    ws_close_world(&t);
}

/* More at once than a pair ever lends. */
static void a_large_window_is_taken_in_pieces(void **state)
{
    struct plait_buf in;
    (void)state;
    begin_with(&pieces, false);
    plait_buf_init(&in, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_specs(&in, "B#40000", false);
    assert_int_equal(plait__ws_data(t.ws->stream, plait_buf_slice(&in), t.ws), in.len);
    plait_buf_deinit(&in);
    expect_log("#16384,#16384,#7232;");
    end_with(PLAIT_ERESET);
}

/* --- messages out ------------------------------------------------------------------------------------------------ */

static void messages_are_sent_as_they_are(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("text")));
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_BINARY, PLAIT_LIT("\xff")));
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(NULL, 0)));
    spin(&t.w);
    assert_came(&t, "T:text|B:\xff|T");
    end_with(PLAIT_ERESET);
}

static void a_message_is_sent_in_parts(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("a\xc3"), false));
    assert_err(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("b")), PLAIT_ESTATE);
    assert_err(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_BINARY, PLAIT_LIT("b"), false), PLAIT_EINVAL);
    assert_err(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("b"), false), PLAIT_EINVAL);
    assert_err(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT(""), true), PLAIT_EINVAL);
    assert_ok(plait_websocket_ping(t.ws, PLAIT_LIT("between")));
    assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("\xa4"), false));
    assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT(""), true));
    assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_BINARY, PLAIT_LIT("one"), true));
    spin(&t.w);
    assert_came(&t, "t:a\xc3|P:between|c:\xa4|C|B:one");
    end_with(PLAIT_ERESET);
}

static void what_may_not_be_sent_is_refused(void **state)
{
    uint8_t much[126] = {0};
    (void)state;
    begin();
    assert_err(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("\xff")), PLAIT_EINVAL);
    assert_err(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("\xc3")), PLAIT_EINVAL);
    assert_err(plait_websocket_send(t.ws, (enum plait_websocket_kind)8, PLAIT_LIT("x")), PLAIT_EINVAL);
    assert_err(plait_websocket_send_part(t.ws, (enum plait_websocket_kind)0, PLAIT_LIT("x"), true), PLAIT_EINVAL);
    assert_err(plait_websocket_ping(t.ws, plait_slice_of(much, sizeof much)), PLAIT_EINVAL);
    assert_ok(plait_websocket_ping(t.ws, plait_slice_of(much, 1)));
    spin(&t.w);
    assert_came(&t, "P:");
    end_with(PLAIT_ERESET);
}

static void pongs_are_told(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_ping(t.ws, PLAIT_LIT("hi")));
    ws_send(&t, "O:hi|O");
    expect_log("pong hi;pong ;");
    end_with(PLAIT_ERESET);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void the_own_side_asks_for_the_end(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_close(t.ws, 1000, PLAIT_LIT("good bye")));
    assert_ok(plait_websocket_close(t.ws, 1001, PLAIT_LIT("twice")));
    assert_err(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("late")), PLAIT_ESTATE);
    assert_err(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("late"), true), PLAIT_ESTATE);
    assert_err(plait_websocket_ping(t.ws, PLAIT_LIT("late")), PLAIT_ESTATE);
    spin(&t.w);
    assert_came(&t, "X:1000:good bye");
    assert_int_equal(t.lost, 0);
    ws_send(&t, "T:not heard any more|b:neither|P|O|C#5000");
    assert_int_equal(t.lost, 0);
    ws_send(&t, "X:1000:bye|T:behind");
    expect_log("closing 1000 bye;");
    assert_came(&t, "X:1000:good bye");
    end_with(PLAIT_OK);
}

static void the_end_needs_no_code(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_close(t.ws, 0, plait_slice_of(NULL, 0)));
    ws_send(&t, "X");
    assert_came(&t, "X");
    expect_log("closing 1005 ;");
    end_with(PLAIT_OK);
}

static void codes_and_reasons_that_may_not_be_sent_are_refused(void **state)
{
    uint8_t reason[124];
    static const unsigned codes[] = {1, 999, 1004, 1005, 1006, 1015, 2999, 5000};
    (void)state;
    begin();
    memset(reason, 'r', sizeof reason);
    for (size_t i = 0; i < TEST_COUNT(codes); i++)
        assert_err(plait_websocket_close(t.ws, codes[i], plait_slice_of(NULL, 0)), PLAIT_EINVAL);
    assert_err(plait_websocket_close(t.ws, 0, PLAIT_LIT("why")), PLAIT_EINVAL);
    assert_err(plait_websocket_close(t.ws, 1000, PLAIT_LIT("\xff")), PLAIT_EINVAL);
    assert_err(plait_websocket_close(t.ws, 1000, PLAIT_LIT("\xc3")), PLAIT_EINVAL);
    assert_err(plait_websocket_close(t.ws, 1000, plait_slice_of(reason, 124)), PLAIT_EINVAL);
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(reason, 123)));
    spin(&t.w);
    assert_int_equal(ws_came(&t.p).len, 127);
    end_with(PLAIT_ERESET);
}

static void a_paused_end_still_hears_the_answer(void **state)
{
    (void)state;
    begin();
    plait_websocket_pause(t.ws);
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(NULL, 0)));
    ws_send(&t, "X:1000");
    end_with(PLAIT_OK);
}

static void a_malformed_answer_to_the_end_is_told(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(NULL, 0)));
    ws_send(&t, "X:1006");
    assert_came(&t, "X:1000");
    end_with(PLAIT_EPROTOCOL);
}

static void a_connection_that_just_ends_was_cut(void **state)
{
    (void)state;
    begin();
    ws_send(&t, "t:begun");
    plait_close_write(t.p.stream);
    spin(&t.w);
    end_with(PLAIT_ETRUNCATED);
}

static void an_abort_says_nothing(void **state)
{
    (void)state;
    begin();
    plait_websocket_abort(t.ws);
    spin(&t.w);
    assert_came(&t, "");
    assert_true(t.p.lost);
    end_with(PLAIT_ECANCELLED);
}

static void abort_in_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                           void *self)
{
    note_piece(ws, kind, piece, end, self);
    plait_websocket_abort(ws);
}

static void close_in_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                           void *self)
{
    note_piece(ws, kind, piece, end, self);
    assert_ok(plait_websocket_close(ws, 1000, plait_slice_of(NULL, 0)));
}

static void after_the_end_no_message_comes(void **state)
{
    static const struct plait_websocket_handler aborts = {
        .name = "aborts", .open = ws_on_open, .piece = abort_in_piece, .lost = ws_on_lost};
    static const struct plait_websocket_handler closes = {
        .name = "closes", .open = ws_on_open, .piece = close_in_piece, .lost = ws_on_lost};
    (void)state;
    begin_with(&aborts, false);
    ws_send(&t, "T:a|T:b");
    expect_log("1:a;");
    end_with(PLAIT_ECANCELLED);
    begin_with(&closes, false);
    ws_send(&t, "T:a|T:b|X:1000");
    expect_log("1:a;");
    assert_came(&t, "X:1000");
    end_with(PLAIT_OK);
}

static void a_service_that_drains_says_good_bye(void **state)
{
    (void)state;
    begin();
    struct plait_stream *s = plait_websocket_stream(t.ws);
    s->protocol->drain(s, s->self);
    spin(&t.w);
    assert_came(&t, "X:1001:the server is stopping");
    ws_send(&t, "X:1001");
    end_with(PLAIT_OK);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void a_silent_peer_is_pinged(void **state)
{
    (void)state;
    begin_with(&notes, true);
    ws_wait(&t, plait_millis(29900));
    assert_came(&t, "");
    ws_wait(&t, plait_millis(200));
    assert_came(&t, "P");
    ws_send(&t, "O");
    ws_wait(&t, plait_millis(29900));
    assert_came(&t, "P");
    ws_send(&t, "T:a");
    ws_wait(&t, plait_seconds(29));
    assert_came(&t, "P");
    ws_wait(&t, plait_millis(1100));
    assert_came(&t, "P|P");
    end_with(PLAIT_ERESET);
}

static void who_does_not_answer_a_ping_is_lost(void **state)
{
    (void)state;
    t.options.ping_interval = plait_seconds(3);
    t.options.ping_timeout = plait_seconds(2);
    begin_with(&notes, true);
    ws_wait(&t, plait_millis(4900));
    assert_came(&t, "P");
    assert_int_equal(t.lost, 0);
    ws_wait(&t, plait_millis(200));
    assert_int_equal(t.lost, 1);
    end_with(PLAIT_ETIMEDOUT);
}

static void pings_can_be_turned_off(void **state)
{
    (void)state;
    t.options.ping_interval = PLAIT_NEVER;
    begin_with(&notes, true);
    ws_wait(&t, plait_seconds(3600));
    assert_came(&t, "");
    end_with(PLAIT_ERESET);
}

/* What we do not read can't be held against the peer. */
static void a_paused_peer_is_not_pinged(void **state)
{
    (void)state;
    begin_with(&notes, true);
    ws_wait(&t, plait_seconds(31));
    assert_came(&t, "P");
    plait_websocket_pause(t.ws);
    ws_send(&t, "O");
    ws_wait(&t, plait_seconds(45));
    assert_came(&t, "P");
    assert_int_equal(t.lost, 0);
    plait_websocket_resume(t.ws);
    ws_wait(&t, plait_seconds(1));
    expect_log("pong ;");
    ws_wait(&t, plait_seconds(31));
    assert_came(&t, "P|P");
    end_with(PLAIT_ERESET);
}

static void the_answer_to_an_end_has_a_deadline(void **state)
{
    (void)state;
    begin_with(&notes, true);
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(NULL, 0)));
    ws_wait(&t, plait_millis(4900));
    assert_false(t.p.ended);
    ws_wait(&t, plait_millis(200));
    assert_true(t.p.ended);
    end_with(PLAIT_ETIMEDOUT);
}

static void the_deadline_waits_for_our_own_words(void **state)
{
    static uint8_t much[200000];
    (void)state;
    t.options.close_timeout = plait_seconds(1);
    begin_with(&notes, true);
    plait_pause(t.p.stream);
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(much, sizeof much)));
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(NULL, 0)));
    ws_wait(&t, plait_seconds(20));
    assert_int_equal(t.lost, 0);
    assert_int_equal(t.ws->state, PLAIT__WS_CLOSING);
    plait_resume(t.p.stream);
    ws_wait(&t, plait_seconds(3));
    end_with(PLAIT_ETIMEDOUT);
}

/* --- backpressure ------------------------------------------------------------------------------------------------- */

static void what_the_peer_does_not_take_fills_up(void **state)
{
    static uint8_t block[4096];
    (void)state;
    begin();
    plait_pause(t.p.stream);
    assert_false(plait_websocket_is_full(t.ws));
    unsigned blocks = 0;
    for (; !plait_websocket_is_full(t.ws); blocks++)
        assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(block, sizeof block)));
    assert_in_range(blocks, 60, 70);
    spin(&t.w);
    expect_log("");
    plait_resume(t.p.stream);
    spin(&t.w);
    expect_log("room;");
    assert_false(plait_websocket_is_full(t.ws));
    end_with(PLAIT_ERESET);
}

/* Echoes of one window would be more than the output holds: the rest waits, and is answered when there is room. */
static void answers_that_are_not_taken_stop_the_reading(void **state)
{
    struct plait_buf in;
    (void)state;
    begin_with(&ws_echo, false);
    plait_stream_marks(plait_websocket_stream(t.ws), 4096, 1024);
    plait_buf_init(&in, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    for (int i = 0; i < 40; i++)
        ws_put_specs(&in, "B#1000", false);
    plait_pause(t.p.stream);
    ws_send_bytes(&t, plait_buf_slice(&in));
    plait_buf_deinit(&in);
    assert_in_range(plait_pending(plait_websocket_stream(t.ws)), 1, 6000);
    plait_resume(t.p.stream);
    for (int i = 0; i < 10; i++)
        spin(&t.w);
    assert_int_equal(ws_came(&t.p).len, 40 * 1004);
    end_with(PLAIT_ERESET);
}

static void a_full_peer_is_not_pinged(void **state)
{
    static uint8_t block[300000];
    (void)state;
    begin_with(&notes, true);
    plait_stream_stall(plait_websocket_stream(t.ws), plait_seconds(1000));
    plait_pause(t.p.stream);
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(block, sizeof block)));
    const size_t pending = plait_pending(plait_websocket_stream(t.ws));
    ws_wait(&t, plait_seconds(200));
    assert_int_equal(t.lost, 0);
    assert_true(plait_pending(plait_websocket_stream(t.ws)) <= pending);
    end_with(PLAIT_ERESET);
}

static void a_message_that_is_through_holds_no_memory(void **state)
{
    (void)state;
    begin();
    const size_t before = plait_stream_budget(plait_websocket_stream(t.ws))->used;
    ws_send(&t, "b#50000");
    assert_true(plait_stream_budget(plait_websocket_stream(t.ws))->used >= before + 50000);
    ws_send(&t, "C#50000");
    assert_int_equal(plait_stream_budget(plait_websocket_stream(t.ws))->used, before);
    end_with(PLAIT_ERESET);
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

static struct peer server;

/* A client over a pair, behind its handshake. */
static struct plait_websocket *begin_client(bool compress, bool timed)
{
    const struct plait__ws_agreed agreed = {.client = true,
                                            .deflate = {.on = compress, .server_bits = 15, .client_bits = 15}};
    struct plait_stream *s;
    memset(&t, 0, sizeof t);
    memset(&server, 0, sizeof server);
    if (timed)
        ws_open_timed(&t);
    else
        ws_open_world(&t);
    assert_ok(plait_pair_new(t.w.r, &s, &server.stream));
    plait_stream_attach(server.stream, &peer_protocol, &server);
    t.ws = plait__ws_new(s, &agreed, &notes, &t);
    assert_non_null(t.ws);
    spin(&t.w);
    assert_int_equal(t.opened, 1);
    return t.ws;
}

static void server_says(const char *specs)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
    ws_put_specs(&out, specs, true);
    plait_write_take(server.stream, &out);
    spin(&t.w);
}

static void server_heard(const char *specs)
{
    char got[8192];
    ws_describe(plait_slice_of(server.got, server.len), true, true, got, sizeof got);
    assert_string_equal(got, specs);
}

static void end_client(plait_err err)
{
    if (server.stream)
        plait_abort(server.stream);
    spin(&t.w);
    assert_int_equal(t.lost, 1);
    assert_err(t.fault.err, err);
    ws_close_world(&t);
}

static void a_client_masks_what_it_sends(void **state)
{
    static uint8_t much[10000];
    (void)state;
    begin_client(false, false);
    memset(much, '*', sizeof much);
    for (int i = 0; i < 10; i++)
        assert_ok(plait_websocket_ping(t.ws, PLAIT_LIT("p")));
    assert_ok(plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(much, sizeof much)));
    spin(&t.w);
    server_heard("P:p|P:p|P:p|P:p|P:p|P:p|P:p|P:p|P:p|P:p|T#10000");
    for (size_t i = 0; i < 9; i++) /* no mask twice */
        assert_memory_not_equal(server.got + i * 7 + 2, server.got + i * 7 + 9, 4);
    end_client(PLAIT_ERESET);
}

static void a_client_takes_frames_without_masks(void **state)
{
    (void)state;
    begin_client(false, false);
    server_says("T:a|t:b|c:c|C|B#3|P:x|O:y");
    expect_log("text a;text bc;bytes ***;pong y;");
    server_heard("O:x");
    server_says("T#20000");
    server_says("X:1000");
    server_heard("O:x|X:1000");
    end_client(PLAIT_EEOF);
}

static void a_masked_frame_of_a_server_is_refused(void **state)
{
    struct plait_buf out;
    (void)state;
    begin_client(false, false);
    plait_buf_init(&out, plait_reactor_budget(t.w.r), 100);
    ws_put_specs(&out, "T:a", false);
    plait_write_take(server.stream, &out);
    spin(&t.w);
    server_heard("X:1002:a masked frame of a server");
    end_client(PLAIT_EPROTOCOL);
}

/* RFC 6455 section 7.1.1 */
static void a_client_leaves_the_connections_end_to_the_server(void **state)
{
    (void)state;
    begin_client(false, true);
    server_says("X:1000|T:behind");
    assert_false(server.ended);
    plait_close(server.stream);
    spin(&t.w);
    end_client(PLAIT_EEOF);
    begin_client(false, true);
    assert_ok(plait_websocket_close(t.ws, 1000, plait_slice_of(NULL, 0)));
    server_says("X:1000");
    ws_wait(&t, plait_seconds(4));
    assert_false(server.ended);
    ws_wait(&t, plait_seconds(2)); /* but does not wait for ever */
    assert_true(server.ended);
    end_client(PLAIT_OK);
}

static void compressed_frames_need_no_mask_to_be_read(void **state)
{
    (void)state;
    begin_client(true, false);
    plait_write(server.stream, PLAIT_LIT("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"));
    spin(&t.w);
    expect_log("text Hello;");
    assert_ok(plait_websocket_send_part(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("Hello"), true));
    spin(&t.w);
    assert_int_equal((uint8_t)server.got[0], 0xc1);
    end_client(PLAIT_ERESET);
}

static ssize_t no_random(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    (void)buf;
    (void)len;
    return -EIO;
}

static void without_a_mask_nothing_is_sent(void **state)
{
    struct plait_sys_ops ops = *plait__sys_kernel()->ops;
    struct plait_sys sys = {.ops = &ops};
    (void)state;
    begin_client(false, false);
    struct plait_sys *kept = t.w.r->sys;
    ops.getrandom = no_random;
    t.w.r->sys = &sys;
    (void)plait_websocket_send(t.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("secret"));
    t.w.r->sys = kept;
    spin(&t.w);
    assert_int_equal(server.len, 0);
    end_client(PLAIT_EIO);
}

TEST_MAIN(cmocka_unit_test(messages_come_in_pieces_to_who_asks_for_them),
          cmocka_unit_test(a_large_window_is_taken_in_pieces), cmocka_unit_test(a_client_masks_what_it_sends),
          cmocka_unit_test(a_client_takes_frames_without_masks),
          cmocka_unit_test(a_masked_frame_of_a_server_is_refused),
          cmocka_unit_test(a_client_leaves_the_connections_end_to_the_server),
          cmocka_unit_test(compressed_frames_need_no_mask_to_be_read), cmocka_unit_test(without_a_mask_nothing_is_sent),
          cmocka_unit_test(pieces_have_no_limit_together), cmocka_unit_test(a_pause_holds_pieces_back),
          cmocka_unit_test(a_pause_holds_messages_back), cmocka_unit_test(a_handler_may_leave_everything_out),
          cmocka_unit_test(messages_are_sent_as_they_are), cmocka_unit_test(a_message_is_sent_in_parts),
          cmocka_unit_test(what_may_not_be_sent_is_refused), cmocka_unit_test(pongs_are_told),
          cmocka_unit_test(the_own_side_asks_for_the_end), cmocka_unit_test(the_end_needs_no_code),
          cmocka_unit_test(codes_and_reasons_that_may_not_be_sent_are_refused),
          cmocka_unit_test(a_paused_end_still_hears_the_answer),
          cmocka_unit_test(a_malformed_answer_to_the_end_is_told),
          cmocka_unit_test(a_connection_that_just_ends_was_cut), cmocka_unit_test(an_abort_says_nothing),
          cmocka_unit_test(after_the_end_no_message_comes), cmocka_unit_test(a_service_that_drains_says_good_bye),
          cmocka_unit_test(a_silent_peer_is_pinged), cmocka_unit_test(who_does_not_answer_a_ping_is_lost),
          cmocka_unit_test(pings_can_be_turned_off), cmocka_unit_test(a_paused_peer_is_not_pinged),
          cmocka_unit_test(the_answer_to_an_end_has_a_deadline), cmocka_unit_test(the_deadline_waits_for_our_own_words),
          cmocka_unit_test(what_the_peer_does_not_take_fills_up),
          cmocka_unit_test(answers_that_are_not_taken_stop_the_reading), cmocka_unit_test(a_full_peer_is_not_pinged),
          cmocka_unit_test(a_message_that_is_through_holds_no_memory))
