/* SPDX-License-Identifier: MIT
 *
 * The opening handshake of a WebSocket server: what is answered, and what is refused with which status.
 */
#include "tests/web/ws_world.h"

static struct ws_world t;

static void begin(void)
{
    memset(&t, 0, sizeof t);
    ws_open_world(&t);
}

/* Sends a request with nothing behind it. */
static void ask_for(const char *request)
{
    peer_open(&t.w, &t.p);
    peer_send(&t.w, &t.p, request);
}

/* RFC 6455 section 1.3 */
static void a_handshake_is_answered(void **state)
{
    (void)state;
    begin();
    ask_for(WS_REQUEST("/"));
    assert_non_null(strstr(t.p.got, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(t.p.got, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
    assert_non_null(t.ws);
    assert_null(plait_websocket_protocol(t.ws));
    assert_int_equal(plait_websocket_code(t.ws), 1006);
    assert_non_null(plait_websocket_stream(t.ws));
    assert_int_equal(t.opened, 1);
    assert_string_equal(body_of(&t.p), "");
    ws_close_world(&t);
    assert_int_equal(t.lost, 1);
}

static void frames_right_behind_the_request_are_read(void **state)
{
    struct plait_buf in;
    (void)state;
    begin();
    peer_open(&t.w, &t.p);
    plait_buf_init(&in, plait_reactor_budget(t.w.r), 4096);
    plait_buf_put_text(&in, WS_REQUEST("/"));
    ws_put_specs(&in, "T:early|P:bird", false);
    ws_send_bytes(&t, plait_buf_slice(&in));
    plait_buf_deinit(&in);
    assert_int_equal(t.opened, 1);
    assert_came(&t, "T:early|O:bird");
    ws_close_world(&t);
}

#define BASE "Host: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define REQUEST(fields) "GET / HTTP/1.1\r\n" fields "\r\n"

static void what_is_no_handshake_is_refused(void **state)
{
    static const struct {
        const char *request;
        int status;
        plait_err err;
    } cases[] = {
        {"POST / HTTP/1.1\r\nContent-Length: 0\r\n" WS_FIELDS "\r\n", 405, PLAIT_EMALFORMED},
        {"HEAD / HTTP/1.1\r\n" WS_FIELDS "\r\n", 405, PLAIT_EMALFORMED},
        {"GET / HTTP/1.0\r\n" WS_FIELDS "\r\n", 426, PLAIT_EMALFORMED},
        {REQUEST("Host: here\r\n"), 426, PLAIT_EMALFORMED},
        {REQUEST("Host: here\r\nUpgrade: websocket\r\n" WS_KEY V13), 426, PLAIT_EMALFORMED},
        {REQUEST("Host: here\r\nConnection: Upgrade\r\n" WS_KEY V13), 426, PLAIT_EMALFORMED},
        {REQUEST("Host: here\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" WS_KEY V13), 426, PLAIT_EMALFORMED},
        {REQUEST(BASE WS_KEY), 426, PLAIT_EMALFORMED},
        {REQUEST(BASE WS_KEY "Sec-WebSocket-Version: 8\r\n"), 426, PLAIT_EMALFORMED},
        {REQUEST(BASE WS_KEY "Sec-WebSocket-Version: 013\r\n"), 426, PLAIT_EMALFORMED},
        {REQUEST(BASE WS_KEY V13 V13), 400, PLAIT_EMALFORMED},
        {REQUEST(BASE V13), 400, PLAIT_EMALFORMED},
        {REQUEST(BASE V13 WS_KEY WS_KEY), 400, PLAIT_EMALFORMED},
        {REQUEST(BASE V13 "Sec-WebSocket-Key: c2hvcnQ=\r\n"), 400, PLAIT_EMALFORMED},
        {REQUEST(WS_FIELDS "Sec-WebSocket-Protocol: a b\r\n"), 400, PLAIT_EMALFORMED},
        {REQUEST(WS_FIELDS "Sec-WebSocket-Extensions: a; \r\n"), 400, PLAIT_EMALFORMED},
        {REQUEST(WS_FIELDS "Origin: http://here\r\nOrigin: http://here\r\n"), 400, PLAIT_EMALFORMED},
        {REQUEST(WS_FIELDS "Origin: http://there\r\n"), 403, PLAIT_EFORBIDDEN},
        {REQUEST(WS_FIELDS "Origin: null\r\n"), 403, PLAIT_EFORBIDDEN},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        ask_for(cases[i].request);
        if (status_of(&t.p) != cases[i].status || t.accepted != cases[i].err)
            fail_msg("%s gave %d, %s", cases[i].request, status_of(&t.p), plait_err_name(t.accepted));
        const bool upgrade = strstr(t.p.got, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n") != NULL;
        assert_int_equal(upgrade && strstr(t.p.got, "\r\nSec-WebSocket-Version: 13\r\n"), cases[i].status == 426);
        assert_int_equal(strstr(t.p.got, "\r\nAllow: GET\r\n") != NULL, cases[i].status == 405);
        assert_int_equal(t.opened, 0);
        ws_close_world(&t);
    }
}

static void handshakes_are_read_as_lists_without_case(void **state)
{
    static const char *const requests[] = {
        REQUEST("Host: here\r\nupgrade: h2c, WebSocket\r\nCONNECTION: keep-alive, upgrade\r\n" WS_KEY V13),
        REQUEST("Host: here\r\nUpgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n"
                "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"),
        REQUEST(WS_FIELDS "Origin: http://here\r\n"),
        REQUEST(WS_FIELDS "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: x-other; a=b\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(requests); i++) {
        begin();
        ask_for(requests[i]);
        if (status_of(&t.p) != 101)
            fail_msg("%s gave %s", requests[i], t.p.got);
        assert_null(strstr(t.p.got, "Sec-WebSocket-Protocol"));
        assert_null(strstr(t.p.got, "Sec-WebSocket-Extensions"));
        ws_close_world(&t);
    }
}

/* RFC 6455 section 10.2 */
static void pages_of_listed_origins_may_connect(void **state)
{
    static const char *const listed[] = {"https://a.example", "null", NULL}, *const any[] = {"*", NULL},
                             *const none[] = {NULL};
    static const struct {
        const char *const *origins;
        const char *request;
        int status;
    } cases[] = {
        {listed, REQUEST(WS_FIELDS "Origin: https://A.example\r\n"), 101},
        {listed, REQUEST(WS_FIELDS "Origin: null\r\n"), 101},
        {listed, REQUEST(WS_FIELDS "Origin: http://a.example\r\n"), 403},
        {listed, REQUEST(WS_FIELDS "Origin: http://here\r\n"), 403},
        {listed, REQUEST(WS_FIELDS), 101},
        {any, REQUEST(WS_FIELDS "Origin: http://there\r\n"), 101},
        {none, REQUEST(WS_FIELDS "Origin: http://here\r\n"), 403},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        t.options.origins = cases[i].origins;
        ask_for(cases[i].request);
        assert_int_equal(status_of(&t.p), cases[i].status);
        ws_close_world(&t);
    }
}

static void the_best_subprotocol_is_chosen(void **state)
{
    static const char *const ours[] = {"chat.2", "chat.1", NULL};
    static const struct {
        const char *request, *chosen;
    } cases[] = {
        {REQUEST(WS_FIELDS "Sec-WebSocket-Protocol: chat.1, chat.2\r\n"), "chat.2"},
        {REQUEST(WS_FIELDS "Sec-WebSocket-Protocol: chat.1\r\nSec-WebSocket-Protocol: other\r\n"), "chat.1"},
        {REQUEST(WS_FIELDS "Sec-WebSocket-Protocol: Chat.1\r\n"), NULL},
        {REQUEST(WS_FIELDS), NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char line[64];
        begin();
        t.options.protocols = ours;
        ask_for(cases[i].request);
        assert_int_equal(status_of(&t.p), 101);
        snprintf(line, sizeof line, "\r\nSec-WebSocket-Protocol: %s\r\n", cases[i].chosen ? cases[i].chosen : "");
        assert_int_equal(strstr(t.p.got, line) != NULL, cases[i].chosen != NULL);
        if (cases[i].chosen)
            assert_string_equal(plait_websocket_protocol(t.ws), cases[i].chosen);
        else
            assert_null(plait_websocket_protocol(t.ws));
        ws_close_world(&t);
    }
}

#define OFFER(text) REQUEST(WS_FIELDS "Sec-WebSocket-Extensions: " text "\r\n")

static void compression_is_agreed_on(void **state)
{
    static const struct {
        bool no_deflate;
        const char *request, *answer;
    } cases[] = {
        {false, OFFER("permessage-deflate"), "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"},
        {false, OFFER("permessage-deflate; client_max_window_bits"),
         "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n"},
        {false, OFFER("permessage-deflate; x\r\nSec-WebSocket-Extensions: permessage-deflate"),
         "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"},
        {false, OFFER("permessage-deflate; x"), NULL},
        {true, OFFER("permessage-deflate"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        t.options.no_deflate = cases[i].no_deflate;
        ask_for(cases[i].request);
        assert_int_equal(status_of(&t.p), 101);
        assert_int_equal(strstr(t.p.got, cases[i].answer ? cases[i].answer : "Sec-WebSocket-Extensions") != NULL,
                         cases[i].answer != NULL);
        ws_close_world(&t);
    }
}

static void options_that_make_no_sense_are_an_error_of_ours(void **state)
{
    static const char *const bad[] = {"a b", NULL};
    static const struct plait_websocket_options cases[] = {
        {.protocols = bad}, {.deflate_bits = 8}, {.deflate_bits = 16}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        t.options = cases[i];
        ask_for(WS_REQUEST("/"));
        assert_int_equal(status_of(&t.p), 500);
        assert_err(t.accepted, PLAIT_EINVAL);
        ws_close_world(&t);
    }
}

static struct plait_request *kept;

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept = req;
}

static void open_kept(void)
{
    begin();
    assert_ok(plait_resource_get(t.w.root, "kept", keep, NULL));
    ask_for(
        "GET /kept HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: p\r\n" WS_FIELDS
        "\r\n");
}

static void a_client_that_left_before_is_told(void **state)
{
    (void)state;
    open_kept();
    plait_close_write(t.p.stream);
    spin(&t.w);
    assert_err(plait_websocket_accept(kept, NULL, &ws_echo, &t, NULL), PLAIT_ECLOSED);
    spin(&t.w);
    assert_int_equal(status_of(&t.p), 503);
    ws_close_world(&t);
}

/* An answer that has 16 KiB of fields already has no room for ours. */
static void a_handshake_needs_room_for_its_fields(void **state)
{
    static const char *const protocols[] = {"p", NULL};
    static const struct plait_websocket_options options = {.protocols = protocols};
    char value[1000];
    (void)state;
    memset(value, 'v', sizeof value);
    for (size_t left = 0; left < 140; left += 20) {
        open_kept();
        while (plait_reply_field(kept, "X", plait_slice_of(value, sizeof value)) == PLAIT_OK)
            continue;
        const size_t room = (size_t)PLAIT__HR_FIELDS - kept->fields.len;
        assert_ok(plait_reply_field(kept, "X", plait_slice_of(value, room - left - 5)));
        assert_err(plait_websocket_accept(kept, &options, &ws_echo, &t, NULL), PLAIT_ELIMIT);
        spin(&t.w);
        assert_int_equal(status_of(&t.p), 503);
        ws_close_world(&t);
    }
}

TEST_MAIN(cmocka_unit_test(a_handshake_is_answered), cmocka_unit_test(frames_right_behind_the_request_are_read),
          cmocka_unit_test(what_is_no_handshake_is_refused),
          cmocka_unit_test(handshakes_are_read_as_lists_without_case),
          cmocka_unit_test(pages_of_listed_origins_may_connect), cmocka_unit_test(the_best_subprotocol_is_chosen),
          cmocka_unit_test(compression_is_agreed_on), cmocka_unit_test(options_that_make_no_sense_are_an_error_of_ours),
          cmocka_unit_test(a_client_that_left_before_is_told), cmocka_unit_test(a_handshake_needs_room_for_its_fields))
