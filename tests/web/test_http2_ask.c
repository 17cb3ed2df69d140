/* SPDX-License-Identifier: MIT
 *
 * WebSockets over the client's HTTP/2 (RFC 8441), beside a server that writes its frames by hand: when one is asked
 * for, what the question looks like, every answer, both sides' ends, and memory that fails.
 */
#include "tests/web/http2_farm.h"

#include <plait/websocket.h>

#define YES ":status 200\n"

static struct h2_farm f;
static struct plait_http_client *client;

/* --- the server --------------------------------------------------------------------------------------------------- */

static const char *said; /* the answer's fields; NULL: none comes */
static uint32_t window;  /* SETTINGS_INITIAL_WINDOW_SIZE; 0: not said */

static void greet(struct h2_server *c)
{
    c->held = false;
    const uint8_t settings[12] = {0, 8, 0, 0, 0, 1, 0, 4, 0, 0, (uint8_t)(window >> 8), (uint8_t)window};
    h2_frame(&f.out, PLAIT__H2_SETTINGS, 0, 0, settings, window ? 12 : 6);
    h2_say(c);
}

/* Says nothing yet: settings come first. */
static void greet_later(struct h2_server *c)
{
    c->held = true;
}

static void greet_without(struct h2_server *c)
{
    h2_frame(&f.out, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
    h2_say(c);
}

static void answer(struct h2_server *c, uint32_t id, bool ended)
{
    if (ended) /* a fetch */
        h2_answer_path(c, id);
    else if (said) {
        h2_headers(&f.out, OPEN, id, said);
        h2_say(c);
    }
}

static void say_data(uint32_t id, unsigned flags, const char *text, size_t len)
{
    h2_frame(&f.out, PLAIT__H2_DATA, flags, id, text, len);
    h2_say(f.conn[f.conns - 1]);
}

#define SAY(id, flags, text) say_data((id), (flags), (text), sizeof(text) - 1)

/* --- the client --------------------------------------------------------------------------------------------------- */

struct near {
    unsigned ends, opened, lost, room;
    struct plait_fault dialled, fault;
    struct plait_websocket *ws;
    char log[512];
};

static void on_open(struct plait_websocket *ws, void *self)
{
    struct near *n = self;
    n->opened++;
    n->ws = ws;
}

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    struct near *n = self;
    const size_t at = strlen(n->log);
    (void)ws;
    (void)kind;
    snprintf(n->log + at, sizeof n->log - at, "%.*s;", PLAIT_ARG(message));
}

static void on_room(struct plait_websocket *ws, void *self)
{
    (void)ws;
    ((struct near *)self)->room++;
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct near *n = self;
    (void)ws;
    n->lost++;
    n->fault = *fault;
    n->ws = NULL;
}

static const struct plait_websocket_handler handler = {
    .name = "near", .open = on_open, .message = on_message, .room = on_room, .lost = on_lost};

static void dialled(struct plait_result *result, void *ctx)
{
    struct near *n = ctx;
    n->ends++;
    n->dialled = result->fault;
    plait_result_set(result, plait_value_num(0));
}

static struct plait_deferred *dial_with(struct near *n, struct plait_websocket_options o)
{
    memset(n, 0, sizeof *n);
    o.client = client;
    o.version = PLAIT_HTTP_2;
    struct plait_deferred *d = plait_websocket_connect(f.base.r, "ws://server:90/chat", &o, &handler, n);
    assert_ok(plait_then(d, dialled, n));
    return d;
}

static struct plait_deferred *dial(struct near *n)
{
    return dial_with(n, (struct plait_websocket_options){.no_deflate = true});
}

static void begin_with(void (*greeting)(struct h2_server *c), const char *fields)
{
    h2_farm_open(&f, answer);
    f.greet = greeting;
    said = fields;
    window = 0;
    client = plait_http_client_new(f.base.r, NULL);
}

static void end(void)
{
    plait_http_client_free(&client);
    h2_farm_close(&f);
}

/* A WebSocket that is open. */
static void begin_open(struct near *n)
{
    begin_with(greet, YES);
    dial(n);
    h2_farm_run(&f, 100);
    assert_int_equal(n->opened, 1);
}

static void works_on(size_t connections)
{
    struct farm_end fetch;
    assert_ok(h2_farm_get(&f, client, "/next", NULL, &fetch));
    h2_end_is(&fetch, "/next");
    assert_int_equal(f.conns, connections);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void a_websocket_is_asked_for_by_extended_connect(void **state)
{
    static const char *const protocols[] = {"one", "two", NULL};
    static const struct plait_http_field fields[] = {{"Origin", "http://page"}};
    struct near n;
    (void)state;
    begin_with(greet, ":status 200\nsec-websocket-protocol two\nsec-websocket-extensions "
                      "permessage-deflate; server_max_window_bits=12\n");
    dial_with(&n, (struct plait_websocket_options){.protocols = protocols, .fields = fields, .field_count = 1});
    h2_farm_run(&f, 100);
    assert_int_equal(n.opened, 1);
    assert_string_equal(plait_websocket_protocol(n.ws), "two");
    assert_non_null(strstr(f.log, " :method=CONNECT; :scheme=http; :authority=server:90; :path=/chat; "
                                  ":protocol=websocket; "));
    assert_non_null(strstr(f.log, " origin=http://page;"));
    assert_non_null(strstr(f.log, " sec-websocket-version=13; sec-websocket-protocol=one, two; "
                                  "sec-websocket-extensions=permessage-deflate"));
    assert_null(strstr(f.log, "sec-websocket-key"));
    assert_null(strstr(f.log, "upgrade"));
    assert_null(strstr(f.log, "connection="));
    assert_null(strstr(f.log, "host="));
    end();
    assert_int_equal(n.lost, 1);
}

static void messages_go_both_ways_and_the_end_is_agreed_on(void **state)
{
    struct near n;
    (void)state;
    begin_open(&n);
    SAY(1, 0, "\x81\x05hello\x81");
    SAY(1, 0, "\x02yo");
    h2_farm_run(&f, 100);
    assert_string_equal(n.log, "hello;yo;");
    assert_ok(plait_websocket_send(n.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("here")));
    h2_farm_run(&f, 100);
    assert_int_equal(f.conn[0]->body, 2 + 4 + 4); /* masked */
    works_on(1);                                  /* the connection is not the WebSocket's alone */
    assert_ok(plait_websocket_close(n.ws, 1000, PLAIT_LIT("")));
    h2_farm_run(&f, 100);
    SAY(1, END, "\x88\x02\x03\xe8");
    h2_farm_run(&f, 100);
    assert_int_equal(n.lost, 1);
    assert_ok(n.fault.err);
    assert_non_null(strstr(f.log, "DATA 1 0 end\n"));
    assert_null(strstr(f.log, "RST_STREAM"));
    works_on(1);
    end();
}

static void several_share_a_connection_which_is_not_idle_under_them(void **state)
{
    struct plait_http_client_counts counts;
    struct near n[3];
    (void)state;
    begin_open(&n[0]);
    for (size_t i = 1; i < 3; i++)
        dial(&n[i]);
    h2_farm_run(&f, 100);
    plait_http_client_look(client, &counts);
    assert_int_equal(counts.made, 1);
    assert_int_equal(counts.idle, 0);
    SAY(1, 0, "\x81\x03one");
    SAY(3, 0, "\x81\x03two");
    SAY(5, 0, "\x81\x05three");
    h2_farm_run(&f, 100);
    assert_string_equal(n[0].log, "one;");
    assert_string_equal(n[1].log, "two;");
    assert_string_equal(n[2].log, "three;");
    for (size_t i = 0; i < 3; i++)
        plait_websocket_abort(n[i].ws);
    h2_farm_run(&f, 100);
    plait_http_client_look(client, &counts);
    assert_int_equal(counts.idle, 1);
    assert_int_equal(counts.open, 1);
    assert_non_null(strstr(f.log, "RST_STREAM 3 4 code=8"));
    end();
}

static void nobody_asks_before_the_settings(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet_later, YES);
    dial(&n);
    h2_farm_run(&f, 5000);
    assert_null(strstr(f.log, "HEADERS"));
    greet(f.conn[0]);
    h2_farm_run(&f, 100);
    assert_int_equal(n.opened, 1);
    end();
}

static void a_server_that_announces_nothing_is_not_asked(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct near n;
        begin_with(greet_without, YES);
        if (known)
            works_on(1);
        dial(&n);
        h2_farm_run(&f, 100);
        assert_int_equal(n.dialled.err, PLAIT_EUNSUPPORTED);
        assert_string_equal(n.dialled.detail, "the server takes no WebSocket over HTTP/2");
        assert_null(strstr(f.log, "CONNECT"));
        works_on(1);
        end();
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void an_answer_that_is_no_websocket_fails_it(void **state)
{
    static const struct {
        const char *fields;
        plait_err err;
        const char *detail;
    } rows[] = {
        {":status 404\n", PLAIT_EREPLY, "Not Found"},
        {":status 302\nlocation /there\n", PLAIT_EREPLY, "Found"},
        {":status 200\nsec-websocket-protocol x\n", PLAIT_EPROTOCOL,
         "the server chose a subprotocol that was not offered"},
        {":status 200\nsec-websocket-extensions x\n", PLAIT_EPROTOCOL,
         "the server chose an extension that was not offered"},
        {":status 2\n", PLAIT_EMALFORMED, "the response is malformed"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct near n;
        begin_with(greet, rows[i].fields);
        dial(&n);
        h2_farm_run(&f, 100);
        assert_int_equal(n.ends, 1);
        assert_int_equal(n.dialled.err, rows[i].err);
        assert_string_equal(n.dialled.detail, rows[i].detail);
        assert_int_equal(n.opened, 0);
        assert_non_null(strstr(f.log, "RST_STREAM 1 4 code="));
        works_on(1);
        end();
    }
}

static void interim_responses_are_passed_over(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, NULL);
    dial(&n);
    h2_farm_run(&f, 100);
    h2_headers(&f.out, OPEN, 1, ":status 103\nlink x\n");
    h2_headers(&f.out, OPEN, 1, YES);
    h2_say(f.conn[0]);
    h2_farm_run(&f, 100);
    assert_int_equal(n.opened, 1);
    end();
}

/* What has not been looked at is asked for again, by a new connection where the old one ends; not for ever. */
static void what_the_server_has_not_looked_at_is_asked_again(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, NULL);
    dial(&n);
    h2_farm_run(&f, 100);
    for (uint32_t id = 1; id <= 11; id += 2) {
        assert_int_equal(n.ends, 0);
        h2_give_up_stream(f.conn[0], id, 7);
        h2_farm_run(&f, 100);
    }
    assert_int_equal(n.dialled.err, PLAIT_ERESET);
    said = YES;
    dial(&n);
    h2_farm_run(&f, 100);
    assert_int_equal(n.opened, 1);
    end();
}

static void a_connection_that_ends_first_is_replaced(void **state)
{
    struct near n;
    (void)state;
    for (int way = 0; way < 2; way++) {
        begin_with(greet_later, YES);
        dial(&n);
        h2_farm_run(&f, 100);
        f.greet = greet;
        if (way) {
            h2_setting(&f.out, 8, 1);
            h2_goaway(f.conn[0], 0, 0);
        } else {
            plait_abort(f.conn[0]->stream);
        }
        h2_farm_run(&f, 1000);
        assert_int_equal(n.opened, 1);
        assert_int_equal(f.conns, 2);
        end();
    }
}

static void a_used_connection_that_breaks_is_replaced(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, NULL);
    works_on(1);
    dial(&n);
    h2_farm_run(&f, 100);
    said = YES;
    plait_abort(f.conn[0]->stream);
    h2_farm_run(&f, 1000);
    assert_int_equal(n.opened, 1);
    assert_int_equal(f.conns, 2);
    end();
}

/* --- giving up ---------------------------------------------------------------------------------------------------- */

enum { CANCEL, TIME, FREE, ENDS };

static void who_waits_may_give_up(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        for (int way = 0; way < ENDS; way++) {
            struct near n;
            begin_with(early ? greet_later : greet, NULL);
            struct plait_deferred *d = dial_with(&n, (struct plait_websocket_options){.timeout = plait_seconds(2)});
            h2_farm_run(&f, 500);
            if (way == CANCEL)
                plait_deferred_cancel(d);
            else if (way == FREE)
                plait_http_client_free(&client);
            h2_farm_run(&f, way == TIME ? 2000 : 200);
            assert_int_equal(n.ends, 1);
            assert_int_equal(n.dialled.err, way == TIME ? PLAIT_ETIMEDOUT : PLAIT_ECANCELLED);
            if (way != FREE)
                assert_int_equal(strstr(f.log, "RST_STREAM 1 4 code=8") != NULL, !early);
            end();
        }
    }
}

static void one_that_has_not_begun_may_be_cancelled(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, YES);
    plait_deferred_cancel(dial(&n));
    h2_farm_run(&f, 100);
    assert_int_equal(n.dialled.err, PLAIT_ECANCELLED);
    assert_int_equal(f.conns, 0);
    end();
}

static void more_than_may_wait_fail(void **state)
{
    struct near n[2];
    const struct plait_http_client_options few = {.waiting = 1};
    (void)state;
    begin_with(greet, YES);
    plait_http_client_free(&client);
    client = plait_http_client_new(f.base.r, &few);
    dial(&n[0]);
    dial(&n[1]);
    h2_farm_run(&f, 100);
    assert_int_equal(n[0].opened, 1);
    assert_int_equal(n[1].dialled.err, PLAIT_ELIMIT);
    assert_string_equal(n[1].dialled.detail, "too many fetches wait for a connection");
    end();
}

static void http2_alone_needs_a_client(void **state)
{
    struct near n = {0};
    const struct plait_websocket_options o = {.version = PLAIT_HTTP_2};
    (void)state;
    begin_with(greet, YES);
    struct plait_deferred *d = plait_websocket_connect(f.base.r, "ws://server:90/", &o, &handler, &n);
    assert_ok(plait_then(d, dialled, &n));
    h2_farm_run(&f, 10);
    assert_int_equal(n.dialled.err, PLAIT_EINVAL);
    end();
}

/* --- ends of one that is open ------------------------------------------------------------------------------------- */

static void ends_of_the_far_side_are_told(void **state)
{
    static const plait_err errs[] = {PLAIT_ERESET, PLAIT_ERESET, PLAIT_ETRUNCATED, PLAIT_ERESET};
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct near n;
        begin_open(&n);
        if (way == 0)
            h2_give_up_stream(f.conn[0], 1, 8);
        else if (way == 1)
            plait_abort(f.conn[0]->stream);
        else if (way == 2)
            SAY(1, END, "");
        else
            plait_http_client_free(&client);
        h2_farm_run(&f, 100);
        assert_int_equal(n.lost, 1);
        assert_int_equal(n.fault.err, errs[way]);
        if (client)
            works_on(way == 1 ? 2 : 1);
        end();
    }
}

static void a_yes_that_ends_at_once_is_a_websocket_that_broke_off(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, NULL);
    dial(&n);
    h2_farm_run(&f, 100);
    h2_headers(&f.out, WHOLE, 1, YES);
    h2_say(f.conn[0]);
    h2_farm_run(&f, 100);
    assert_int_equal(n.ends, 1);
    assert_ok(n.dialled.err);
    assert_int_equal(n.lost, 1);
    assert_int_equal(n.fault.err, PLAIT_ETRUNCATED);
    works_on(1);
    end();
}

static void a_trailer_section_ends_the_far_side(void **state)
{
    struct near n;
    (void)state;
    begin_open(&n);
    h2_headers(&f.out, WHOLE, 1, "x-late 1\n");
    h2_say(f.conn[0]);
    h2_farm_run(&f, 100);
    assert_int_equal(n.fault.err, PLAIT_ETRUNCATED);
    works_on(1);
    end();
}

/* RFC 9113 section 8.1: such a reset takes nothing back, and what the own side still says is of no use to anybody. */
static void a_far_side_that_has_said_all_may_want_to_hear_no_more(void **state)
{
    static char much[600000];
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct near n;
        begin_open(&n);
        if (way == 1)
            assert_ok(plait_websocket_send(n.ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(much, sizeof much)));
        if (way == 2)
            assert_ok(plait_websocket_close(n.ws, 1000, PLAIT_LIT("")));
        h2_farm_run(&f, 100);
        h2_data(&f.out, 0, 1, "\x81\x04last");
        h2_frame(&f.out, PLAIT__H2_DATA, END, 1, "\x88\x02\x03\xe8", 4);
        h2_number(&f.out, PLAIT__H2_RST_STREAM, 1, 0);
        h2_say(f.conn[0]);
        h2_farm_run(&f, 100);
        assert_int_equal(n.lost, 1);
        assert_int_equal(n.fault.err, way == 2 ? PLAIT_OK : PLAIT_EEOF);
        assert_string_equal(n.log, way == 2 ? "" : "last;");
        end();
    }
}

/* A server that breaks a rule and goes on sending hears that nobody listens. */
static void a_far_side_that_goes_on_is_told_that_nobody_listens(void **state)
{
    struct near n;
    (void)state;
    begin_open(&n);
    SAY(1, 0, "\x81\x80xxxx"); /* a server's frames have no mask */
    h2_farm_run(&f, 30000);
    assert_int_equal(n.fault.err, PLAIT_EPROTOCOL);
    assert_non_null(strstr(f.log, " end\nRST_STREAM 1 4 code=0"));
    SAY(1, 0, "more");
    works_on(1);
    end();
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static void output_waits_for_the_window(void **state)
{
    static char much[600000];
    struct near n;
    (void)state;
    begin_open(&n);
    memset(much, 'x', sizeof much);
    assert_ok(plait_websocket_send(n.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(much, sizeof much)));
    assert_true(plait_websocket_is_full(n.ws));
    h2_farm_run(&f, 1000);
    assert_int_equal(f.conn[0]->body, 65535);
    assert_int_equal(n.room, 0);
    h2_number(&f.out, PLAIT__H2_WINDOW_UPDATE, 0, 1000000);
    h2_number(&f.out, PLAIT__H2_WINDOW_UPDATE, 1, 1000000);
    h2_say(f.conn[0]);
    h2_farm_run(&f, 1000);
    assert_int_equal(f.conn[0]->body, sizeof much + 14);
    assert_int_equal(n.room, 1);
    end();
}

static void the_window_opens_as_messages_are_taken(void **state)
{
    static char frame[10004] = "\x82\x7e\x27\x10";
    struct near n;
    (void)state;
    begin_open(&n);
    plait_websocket_pause(n.ws);
    for (int i = 0; i < 100; i++)
        say_data(1, 0, frame, sizeof frame);
    h2_farm_run(&f, 1000);
    assert_true(f.conn[0]->credit_stream < 200000);
    plait_websocket_resume(n.ws);
    h2_farm_run(&f, 1000);
    assert_true(f.conn[0]->credit_stream > 500000);
    assert_int_equal(n.lost, 0);
    end();
}

/* What was left behind for a window that stays shut does not keep the stream for ever. */
static void what_is_left_behind_is_given_up(void **state)
{
    static char much[3000];
    struct near n;
    (void)state;
    begin_with(greet, YES);
    window = 1;
    dial(&n);
    h2_farm_run(&f, 100);
    memset(much, 'x', sizeof much);
    assert_ok(plait_websocket_send(n.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(much, sizeof much)));
    SAY(1, 0, "\x81\x80xxxx");
    h2_farm_run(&f, 40000);
    assert_int_equal(n.lost, 1);
    assert_int_equal(f.conn[0]->body, 1);
    assert_null(strstr(f.log, "RST_STREAM"));
    h2_farm_run(&f, 80000);
    assert_non_null(strstr(f.log, "RST_STREAM 1 4 code=8"));
    end();
}

/* A server that vanished is found out although the WebSocket itself pings nobody. */
static void silence_is_looked_into(void **state)
{
    struct near n;
    (void)state;
    begin_with(greet, YES);
    f.mute = true;
    dial_with(&n, (struct plait_websocket_options){.ping_interval = PLAIT_NEVER});
    h2_farm_run(&f, 100000);
    assert_int_equal(f.conn[0]->pings, 1);
    assert_int_equal(n.lost, 1);
    end();
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void talk(void)
{
    static struct plait_http_field fields[60];
    struct near n;
    const struct plait_websocket_options o = {
        .client = client, .version = PLAIT_HTTP_2, .no_deflate = true, .fields = fields, .field_count = 60};
    for (size_t i = 0; i < TEST_COUNT(fields); i++)
        fields[i] = (struct plait_http_field){"X-Same", "value"};
    memset(&n, 0, sizeof n);
    struct plait_deferred *d = plait_websocket_connect(f.base.r, "ws://server:90/chat", &o, &handler, &n);
    if (plait_then(d, dialled, &n) != PLAIT_OK)
        return;
    h2_farm_run(&f, 200);
    if (n.ws) {
        SAY(f.conn[f.conns - 1]->id, 0, "\x81\x05hello");
        (void)plait_websocket_send(n.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("here"));
        h2_farm_run(&f, 200);
    }
    if (n.ws)
        plait_websocket_abort(n.ws);
    h2_farm_run(&f, 60000);
    assert_int_equal(n.ends, 1);
    assert_true(n.lost == n.opened || n.dialled.err == PLAIT_OK);
}

static void every_allocation_may_fail_once(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        begin_with(greet, YES);
        if (k % 2)
            works_on(1); /* the settings are known already */
        const uint64_t fails = f.base.heap.calls + (k + 1) / 2;
        f.base.heap.fail_at = fails;
        talk();
        failed = f.base.heap.calls >= fails;
        f.base.heap.fail_at = 0;
        talk();
        end();
        assert_true(k < 600);
    }
}

/* The context of a client that names none. */
static void the_way_there_may_find_no_memory(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        struct near n = {0};
        begin_with(greet, YES);
        const struct plait_websocket_options o = {.client = client};
        const uint64_t fails = f.base.heap.calls + k;
        f.base.heap.fail_at = fails;
        struct plait_deferred *d = plait_websocket_connect(f.base.r, "wss://server:91/", &o, &handler, &n);
        if (plait_then(d, dialled, &n) == PLAIT_OK) {
            h2_farm_run(&f, 10);
            plait_http_client_free(&client);
            assert_int_equal(n.ends, 1);
            assert_int_not_equal(n.dialled.err, PLAIT_OK);
        }
        failed = f.base.heap.calls >= fails;
        f.base.heap.fail_at = 0;
        end();
        assert_true(k < 100);
    }
}

TEST_MAIN(cmocka_unit_test(a_websocket_is_asked_for_by_extended_connect),
          cmocka_unit_test(messages_go_both_ways_and_the_end_is_agreed_on),
          cmocka_unit_test(several_share_a_connection_which_is_not_idle_under_them),
          cmocka_unit_test(nobody_asks_before_the_settings),
          cmocka_unit_test(a_server_that_announces_nothing_is_not_asked),
          cmocka_unit_test(an_answer_that_is_no_websocket_fails_it),
          cmocka_unit_test(interim_responses_are_passed_over),
          cmocka_unit_test(what_the_server_has_not_looked_at_is_asked_again),
          cmocka_unit_test(a_connection_that_ends_first_is_replaced),
          cmocka_unit_test(a_used_connection_that_breaks_is_replaced), cmocka_unit_test(who_waits_may_give_up),
          cmocka_unit_test(one_that_has_not_begun_may_be_cancelled), cmocka_unit_test(more_than_may_wait_fail),
          cmocka_unit_test(http2_alone_needs_a_client), cmocka_unit_test(ends_of_the_far_side_are_told),
          cmocka_unit_test(a_yes_that_ends_at_once_is_a_websocket_that_broke_off),
          cmocka_unit_test(a_trailer_section_ends_the_far_side),
          cmocka_unit_test(a_far_side_that_goes_on_is_told_that_nobody_listens),
          cmocka_unit_test(a_far_side_that_has_said_all_may_want_to_hear_no_more),
          cmocka_unit_test(output_waits_for_the_window), cmocka_unit_test(the_window_opens_as_messages_are_taken),
          cmocka_unit_test(what_is_left_behind_is_given_up), cmocka_unit_test(silence_is_looked_into),
          cmocka_unit_test(every_allocation_may_fail_once), cmocka_unit_test(the_way_there_may_find_no_memory))
