/* SPDX-License-Identifier: MIT
 *
 * A WebSocket as a stream: what a protocol sees of it, and what leaves as frames.
 */
#include "tests/web/ws_world.h"

#include "engine/stream_core.h"

#include <fcntl.h>
#include <unistd.h>

static struct ws_world t;
static struct plait_stream *given;

/* What the protocol on the stream was told. */
static struct {
    char got[200000];
    size_t len, takes; /* takes at most so many bytes a call; 0: all */
    unsigned connected, eofs, rooms, lost;
    struct plait_fault fault;
    bool half, writes_at_end;
} up;

static void up_connected(struct plait_stream *s, void *self)
{
    (void)s;
    (void)self;
    up.connected++;
}

static size_t up_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)self;
    if (up.takes && in.len > up.takes)
        in.len = up.takes;
    assert_true(in.len <= sizeof up.got - up.len);
    memcpy(up.got + up.len, in.ptr, in.len);
    up.len += in.len;
    return in.len;
}

static void up_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)self;
    assert_int_equal(rest, 0);
    up.eofs++;
    if (up.writes_at_end)
        plait_write(s, PLAIT_LIT("too late"));
}

static void up_room(struct plait_stream *s, void *self)
{
    (void)s;
    (void)self;
    up.rooms++;
}

static void up_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)self;
    up.lost++;
    up.fault = *fault;
    given = NULL;
}

static const struct plait_protocol upper = {
    .name = "upper", .connected = up_connected, .data = up_data, .eof = up_eof, .room = up_room, .lost = up_lost};
static const struct plait_protocol upper_half = {.name = "upper",
                                                 .connected = up_connected,
                                                 .data = up_data,
                                                 .eof = up_eof,
                                                 .room = up_room,
                                                 .lost = up_lost,
                                                 .flags = PLAIT_HALF_CLOSE};

static void accept_stream(struct plait_request *req, void *ctx)
{
    (void)ctx;
    t.accepted = plait_websocket_accept_stream(req, &t.options, &given);
    if (t.accepted == PLAIT_OK)
        plait_stream_attach(given, up.half ? &upper_half : &upper, NULL);
}

static void begin_with(bool half)
{
    memset(&t, 0, sizeof t);
    memset(&up, 0, sizeof up);
    up.half = half;
    given = NULL;
    t.options.no_deflate = true;
    world_open(&t.w);
    assert_ok(plait_resource_get(t.w.root, "", accept_stream, NULL));
    world_serve(&t.w, NULL);
    peer_open(&t.w, &t.p);
    peer_send(&t.w, &t.p, WS_REQUEST("/"));
    assert_int_equal(status_of(&t.p), 101);
    assert_int_equal(up.connected, 1);
}

static void begin(void)
{
    begin_with(false);
}

static void end_with(plait_err err)
{
    peer_close(&t.w, &t.p);
    assert_int_equal(up.lost, 1);
    assert_err(up.fault.err, err);
    world_close(&t.w);
}

static const struct plait_protocol swallows = {.name = "swallows", .lost = peer_lost};

static void messages_are_one_flow(void **state)
{
    (void)state;
    begin();
    ws_send(&t, "B:one |t:two |P:ping|c|C:three |B|B:four");
    assert_string_equal(up.got, "one two three four");
    plait_write(given, PLAIT_LIT("answer"));
    plait_flush(given);
    plait_write(given, PLAIT_LIT(" and more"));
    spin(&t.w);
    assert_came(&t, "O:ping|B:answer|B: and more");
    uint64_t in, out;
    plait_stream_counts(given, &in, &out);
    assert_int_equal(in, 18);
    assert_int_equal(out, 15);
    end_with(PLAIT_ERESET);
}

static void it_has_the_connections_addresses(void **state)
{
    struct plait_address at;
    (void)state;
    begin();
    plait_stream_peer(given, &at);
    assert_int_equal(at.kind, PLAIT_ADDR_NONE);
    plait_stream_local(given, &at);
    assert_int_equal(at.kind, PLAIT_ADDR_NONE);
    assert_null(plait_stream_tls(given));
    end_with(PLAIT_ERESET);
}

static void the_peers_close_frame_ends_the_input(void **state)
{
    (void)state;
    begin();
    ws_send(&t, "B:last|X:1000");
    assert_string_equal(up.got, "last");
    assert_int_equal(up.eofs, 1);
    assert_came(&t, "X:1000");
    assert_int_equal(up.lost, 1);
    end_with(PLAIT_EEOF);
}

static void closing_the_stream_says_good_bye(void **state)
{
    (void)state;
    begin();
    plait_write(given, PLAIT_LIT("last"));
    plait_close(given);
    spin(&t.w);
    assert_came(&t, "B:last|X:1000");
    assert_int_equal(up.lost, 1);
    assert_false(t.p.ended); /* the handshake goes on without the stream */
    ws_send(&t, "B:late|X:1000");
    assert_true(t.p.ended);
    end_with(PLAIT_OK);
}

static void the_own_end_still_hears_the_peer(void **state)
{
    (void)state;
    begin_with(true);
    plait_close_write(given);
    spin(&t.w);
    assert_came(&t, "X:1000");
    ws_send(&t, "B:still |B:here|X:1000");
    assert_string_equal(up.got, "still here");
    assert_int_equal(up.eofs, 1);
    assert_int_equal(up.lost, 0);
    plait_close(given);
    spin(&t.w);
    end_with(PLAIT_OK);
}

static void what_is_written_behind_the_peers_end_fails(void **state)
{
    (void)state;
    begin_with(true);
    ws_send(&t, "X:1000");
    assert_int_equal(up.eofs, 1);
    struct plait_address at;
    plait_stream_peer(given, &at);
    plait_stream_local(given, &at);
    assert_null(plait_stream_tls(given));
    plait_write(given, PLAIT_LIT("late"));
    spin(&t.w);
    end_with(PLAIT_EPIPE);
}

/* The close frame is answered, and the connection not yet gone. */
static void what_is_written_at_the_peers_end_fails_too(void **state)
{
    (void)state;
    begin_with(true);
    up.writes_at_end = true;
    ws_send(&t, "X:1000");
    assert_came(&t, "X:1000");
    end_with(PLAIT_EPIPE);
}

/* The service drains, and says so to the peer: what the stream writes then can't be sent any more. */
static void what_is_written_behind_a_drain_fails(void **state)
{
    (void)state;
    begin();
    for (struct plait__list *at = t.w.r->streams.next; at != &t.w.r->streams; at = at->next) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        if (strcmp(s->protocol->name, "websocket") == 0)
            s->protocol->drain(s, s->self);
    }
    plait_write(given, PLAIT_LIT("late"));
    spin(&t.w);
    end_with(PLAIT_EPIPE);
}

/* All of the output went as the WebSocket became full: nothing waits for its room. */
static void output_that_just_fits_waits_for_nothing(void **state)
{
    static uint8_t block[262144];
    (void)state;
    begin();
    plait_pause(t.p.stream);
    spin(&t.w);
    plait_write(given, plait_slice_of(block, sizeof block));
    spin(&t.w);
    assert_int_equal(plait_pending(given), 0);
    plait_stream_attach(t.p.stream, &swallows, &t.p);
    plait_resume(t.p.stream);
    spin(&t.w);
    plait_write(given, PLAIT_LIT("more"));
    spin(&t.w);
    assert_int_equal(plait_pending(given), 0);
    end_with(PLAIT_ERESET);
}

static void an_abort_resets(void **state)
{
    (void)state;
    begin();
    plait_abort(given);
    spin(&t.w);
    assert_true(t.p.lost);
    assert_came(&t, "");
    end_with(PLAIT_ECANCELLED);
}

static void a_connection_that_breaks_is_told(void **state)
{
    (void)state;
    begin();
    plait_close_write(t.p.stream);
    spin(&t.w);
    end_with(PLAIT_ETRUNCATED);
    begin();
    ws_send(&t, "B7:x");
    end_with(PLAIT_EPROTOCOL);
}

static void input_that_is_not_wanted_waits(void **state)
{
    (void)state;
    begin();
    plait_pause(given);
    spin(&t.w);
    for (int i = 0; i < 10; i++)
        ws_send(&t, "B#10000");
    assert_int_equal(up.len, 0);
    plait_resume(given);
    for (int i = 0; i < 10; i++)
        spin(&t.w);
    assert_int_equal(up.len, 100000);
    end_with(PLAIT_ERESET);
}

static void the_end_waits_for_the_input_before_it(void **state)
{
    (void)state;
    begin();
    plait_pause(given);
    ws_send(&t, "B:first|X:1000");
    assert_int_equal(up.eofs, 0);
    plait_resume(given);
    spin(&t.w);
    assert_string_equal(up.got, "first");
    assert_int_equal(up.eofs, 1);
    end_with(PLAIT_EEOF);
}

static void output_that_is_not_taken_waits(void **state)
{
    static uint8_t block[100000];
    (void)state;
    begin();
    plait_pause(t.p.stream);
    spin(&t.w);
    for (int i = 0; i < 10; i++) {
        plait_write(given, plait_slice_of(block, sizeof block));
        spin(&t.w);
    }
    assert_true(plait_is_full(given));
    assert_true(plait_pending(given) > 500000);
    plait_stream_attach(t.p.stream, &swallows, &t.p); /* it is more than a peer keeps */
    plait_resume(t.p.stream);
    for (int i = 0; i < 20; i++)
        spin(&t.w);
    assert_int_equal(up.rooms, 1);
    assert_int_equal(plait_pending(given), 0);
    end_with(PLAIT_ERESET);
}

static void output_that_waits_when_it_ends_is_lost(void **state)
{
    static uint8_t block[600000];
    (void)state;
    begin();
    plait_pause(t.p.stream);
    plait_write(given, plait_slice_of(block, sizeof block));
    spin(&t.w);
    plait_write(given, plait_slice_of(block, sizeof block));
    spin(&t.w);
    peer_close(&t.w, &t.p);
    end_with(PLAIT_ERESET);
}

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
    begin();
    plait_write(given, PLAIT_LIT("before"));
    plait_write_file(given, file, 0, 17, close_file, NULL);
    spin(&t.w);
    assert_came(&t, "B:before|B:content of a file");
    end_with(PLAIT_ERESET);
    test_folder_remove(folder);
}

static void a_refusal_leaves_nothing(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    world_open(&t.w);
    assert_ok(plait_resource_get(t.w.root, "", accept_stream, NULL));
    world_serve(&t.w, NULL);
    ask(&t.w, &t.p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&t.p), 426);
    assert_err(t.accepted, PLAIT_EMALFORMED);
    world_close(&t.w);
}

static void every_allocation_fails_once(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        memset(&t, 0, sizeof t);
        memset(&up, 0, sizeof up);
        given = NULL;
        world_open(&t.w);
        assert_ok(plait_resource_get(t.w.root, "", accept_stream, NULL));
        world_serve(&t.w, NULL);
        peer_open(&t.w, &t.p);
        struct plait_buf frames;
        plait_buf_init(&frames, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
        ws_put_specs(&frames, "B#3000|B#100", false);
        const uint64_t at = t.w.heap.calls + k;
        t.w.heap.fail_at = at;
        peer_send(&t.w, &t.p, WS_REQUEST("/"));
        if (given)
            plait_pause(given);
        ws_send_bytes(&t, plait_buf_slice(&frames));
        plait_buf_deinit(&frames);
        if (given) {
            plait_write(given, PLAIT_LIT("x"));
            plait_resume(given);
        }
        spin(&t.w);
        failed = t.w.heap.calls >= at;
        t.w.heap.fail_at = 0;
        peer_close(&t.w, &t.p);
        assert_int_equal(up.lost, t.accepted == PLAIT_OK && up.connected + up.lost ? 1 : up.lost);
        world_close(&t.w);
        assert_true(k < 200);
    }
}

TEST_MAIN(cmocka_unit_test(messages_are_one_flow), cmocka_unit_test(it_has_the_connections_addresses),
          cmocka_unit_test(the_peers_close_frame_ends_the_input), cmocka_unit_test(closing_the_stream_says_good_bye),
          cmocka_unit_test(the_own_end_still_hears_the_peer),
          cmocka_unit_test(what_is_written_behind_the_peers_end_fails),
          cmocka_unit_test(what_is_written_at_the_peers_end_fails_too),
          cmocka_unit_test(what_is_written_behind_a_drain_fails),
          cmocka_unit_test(output_that_just_fits_waits_for_nothing), cmocka_unit_test(an_abort_resets),
          cmocka_unit_test(a_connection_that_breaks_is_told), cmocka_unit_test(input_that_is_not_wanted_waits),
          cmocka_unit_test(the_end_waits_for_the_input_before_it), cmocka_unit_test(output_that_is_not_taken_waits),
          cmocka_unit_test(output_that_waits_when_it_ends_is_lost), cmocka_unit_test(a_file_goes_too),
          cmocka_unit_test(a_refusal_leaves_nothing), cmocka_unit_test(every_allocation_fails_once))
