/* SPDX-License-Identifier: MIT
 *
 * Server-sent events: what a page gets to read, keeping alive, clients that leave or take nothing.
 */
#include "tests/web/http_world.h"

#include <plait/events.h>
#include <plait/testing.h>

static struct world w;
static struct plait_testbed *bed;
static struct peer p;
static struct plait_events *events;
static struct plait_events_options options;
static plait_err begun;
static unsigned gone;
static char last_id[64];
static bool answers_first;

static void on_gone(struct plait_events *e, void *ctx)
{
    assert_ptr_equal(ctx, &gone);
    assert_ptr_equal(e, events);
    gone++;
    events = NULL;
}

static void open_events(struct plait_request *req, void *ctx)
{
    (void)ctx;
    snprintf(last_id, sizeof last_id, "%.*s", PLAIT_ARG(plait_events_last_id(req)));
    if (answers_first)
        plait_reply_begin(req, 200, NULL, 0);
    begun = plait_events_begin(req, &options, on_gone, &gone, &events);
}

static struct plait_request *kept;

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept = req;
}

static void begin_without_request(bool timed)
{
    events = NULL;
    gone = 0;
    if (timed) {
        test_heap_init(&w.heap, 0);
        bed = plait_testbed_new(1);
        w.r = plait_testbed_reactor(bed);
        w.root = plait_resource_new(w.r);
    } else {
        world_open(&w);
    }
    assert_ok(plait_resource_get(w.root, "", open_events, NULL));
    assert_ok(plait_resource_get(w.root, "kept", keep, NULL));
    world_serve(&w, NULL);
}

static void begin_with(bool timed)
{
    begin_without_request(timed);
    peer_open(&w, &p);
    peer_send(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 7\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
    assert_ok(begun);
}

static void begin(void)
{
    begin_with(false);
}

static void end(void)
{
    peer_close(&w, &p);
    memset(&options, 0, sizeof options);
    if (bed) {
        plait__http_service_unref(w.service);
        plait_testbed_free(&bed);
    } else {
        world_close(&w);
    }
}

/* The body that came, without its chunks' lines. */
static const char *body(void)
{
    static char text[1 << 18];
    size_t len = 0;
    const char *at = body_of(&p);
    text[0] = 0;
    while (*at) {
        char *data;
        const size_t size = strtoul(at, &data, 16);
        if (size == 0)
            break;
        memcpy(text + len, data + 2, size);
        len += size;
        text[len] = 0;
        at = data + 2 + size + 2;
    }
    return text;
}

static void an_answer_of_events_begins(void **state)
{
    (void)state;
    begin();
    assert_string_equal(last_id, "7");
    assert_non_null(strstr(p.got, "\r\nContent-Type: text/event-stream\r\n"));
    assert_non_null(strstr(p.got, "\r\nCache-Control: no-store\r\n"));
    assert_false(plait_events_is_full(events));
    end();
    assert_int_equal(gone, 1);
}

/* HTML Living Standard, section 9.2.6 */
static void events_are_written_as_pages_read_them(void **state)
{
    static const struct {
        struct plait_event event;
        const char *text;
    } cases[] = {
        {{.data = {(const uint8_t *)"one", 3}}, "data: one\n\n"},
        {{.data = {(const uint8_t *)"a\nb\r\nc\rd", 8}}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
        {{.data = {(const uint8_t *)"a\n\nb\n", 5}}, "data: a\ndata:\ndata: b\ndata:\n\n"},
        {{.data = {(const uint8_t *)"x\r", 2}}, "data: x\ndata:\n\n"},
        {{.data = {(const uint8_t *)" x", 2}}, "data:  x\n\n"},
        {{.data = {(const uint8_t *)"", 0}}, "data:\n\n"},
        {{.data = {(const uint8_t *)"d", 1}, .name = {(const uint8_t *)"n", 1}, .id = {(const uint8_t *)"i", 1}},
         "id: i\nevent: n\ndata: d\n\n"},
        {{.id = {(const uint8_t *)"", 0}}, "id:\n\n"},
        {{.retry = 1500000000}, "retry: 1500\n\n"},
        {{.data = {(const uint8_t *)"\xc3\xa9", 2}}, "data: \xc3\xa9\n\n"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        assert_ok(plait_events_send(events, &cases[i].event));
        spin(&w);
        assert_string_equal(body(), cases[i].text);
        end();
    }
}

static void comments_are_written(void **state)
{
    (void)state;
    begin();
    assert_ok(plait_events_comment(events, PLAIT_LIT("two\nlines")));
    assert_ok(plait_events_comment(events, plait_slice_of(NULL, 0)));
    assert_err(plait_events_comment(events, PLAIT_LIT("\xff")), PLAIT_EINVAL);
    spin(&w);
    assert_string_equal(body(), ": two\n: lines\n\n:\n\n");
    end();
}

static void what_would_begin_another_field_is_refused(void **state)
{
    static const struct plait_event cases[] = {
        {.name = {(const uint8_t *)"a\nb", 3}}, {.name = {(const uint8_t *)"a\rb", 3}},
        {.id = {(const uint8_t *)"a\nb", 3}},   {.id = {(const uint8_t *)"a\0b", 3}},
        {.data = {(const uint8_t *)"\xff", 1}}, {.data = {(const uint8_t *)"\xc3", 1}},
        {.name = {(const uint8_t *)"\xc3", 1}},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_err(plait_events_send(events, &cases[i]), PLAIT_EINVAL);
    spin(&w);
    assert_string_equal(body(), "");
    end();
}

static void the_own_side_ends_it(void **state)
{
    (void)state;
    begin();
    plait_events_comment(events, PLAIT_LIT("bye"));
    plait_events_end(&events);
    assert_null(events);
    plait_events_end(&events);
    spin(&w);
    assert_string_equal(body_of(&p), "7\r\n: bye\n\n\r\n0\r\n\r\n");
    peer_send(&w, &p, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection goes on */
    plait_reply_text(kept, 200, "next");
    end();
    assert_int_equal(gone, 0);
}

static void a_client_that_leaves_is_told(void **state)
{
    (void)state;
    begin();
    plait_close_write(p.stream);
    spin(&w);
    assert_int_equal(gone, 1);
    end();
    assert_int_equal(gone, 1);
}

static void who_does_not_care_needs_no_function(void **state)
{
    (void)state;
    begin_without_request(false);
    peer_open(&w, &p);
    peer_send(&w, &p, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_ok(plait_events_begin(kept, NULL, NULL, NULL, &events));
    end();
}

static void silence_is_broken_by_comments(void **state)
{
    (void)state;
    begin_with(true);
    plait_testbed_advance(bed, plait_seconds(14));
    assert_string_equal(body(), "");
    plait_testbed_advance(bed, plait_millis(1100));
    assert_string_equal(body(), ":\n\n");
    plait_testbed_advance(bed, plait_seconds(10));
    assert_ok(plait_events_comment(events, PLAIT_LIT("x")));
    plait_testbed_advance(bed, plait_seconds(14));
    assert_string_equal(body(), ":\n\n: x\n\n");
    plait_testbed_advance(bed, plait_millis(1100));
    assert_string_equal(body(), ":\n\n: x\n\n:\n\n");
    end();
}

static void comments_can_be_turned_off(void **state)
{
    (void)state;
    options.keepalive = PLAIT_NEVER;
    begin_with(true);
    plait_testbed_advance(bed, plait_seconds(1000));
    assert_string_equal(body(), "");
    end();
}

static void fill(void)
{
    static uint8_t block[8000];
    memset(block, '*', sizeof block);
    plait_pause(p.stream);
    spin(&w);
    while (!plait_events_is_full(events))
        assert_ok(plait_events_send(events, &(struct plait_event){.data = plait_slice_of(block, sizeof block)}));
}

static void a_client_that_takes_nothing_is_given_up(void **state)
{
    static const struct plait_event event = {.data = {(const uint8_t *)"12345678", 8}}; /* 16 bytes */
    (void)state;
    options.waiting_max = 100;
    begin();
    fill();
    for (int i = 0; i < 6; i++)
        assert_ok(plait_events_send(events, &event));
    assert_err(plait_events_send(events, &event), PLAIT_ELIMIT);
    assert_err(plait_events_send(events, &event), PLAIT_ESTATE);
    assert_err(plait_events_comment(events, PLAIT_LIT("x")), PLAIT_ESTATE);
    assert_int_equal(gone, 0);
    spin(&w);
    assert_int_equal(gone, 1);
    assert_true(p.lost);
    end();
}

static void the_limit_is_hit_exactly(void **state)
{
    static const struct plait_event event = {.data = {(const uint8_t *)"12345678", 8}};
    (void)state;
    options.waiting_max = 96;
    begin();
    fill();
    for (int i = 0; i < 6; i++)
        assert_ok(plait_events_send(events, &event));
    assert_err(plait_events_send(events, &event), PLAIT_ELIMIT);
    plait_events_end(&events); /* the own end comes before */
    spin(&w);
    assert_int_equal(gone, 0);
    end();
}

static const struct plait_protocol swallows = {.name = "swallows", .lost = peer_lost};

static void room_begins_the_count_anew(void **state)
{
    static const struct plait_event event = {.data = {(const uint8_t *)"12345678", 8}};
    (void)state;
    options.waiting_max = 32;
    begin();
    for (int round = 0; round < 3; round++) {
        fill();
        assert_ok(plait_events_send(events, &event));
        assert_ok(plait_events_send(events, &event));
        plait_stream_attach(p.stream, &swallows, &p);
        plait_resume(p.stream);
        spin(&w);
    }
    assert_int_equal(gone, 0);
    end();
}

static void a_full_client_gets_no_comments(void **state)
{
    (void)state;
    begin_with(true);
    fill();
    const size_t before = p.len;
    plait_testbed_advance(bed, plait_seconds(50));
    assert_int_equal(gone, 0);
    assert_int_equal(p.len, before);
    end();
}

static void who_asks_for_the_head_gets_no_events(void **state)
{
    (void)state;
    begin_without_request(false);
    ask(&w, &p, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
    assert_err(begun, PLAIT_ECLOSED);
    end();
}

static void who_left_before_gets_no_events(void **state)
{
    (void)state;
    begin_without_request(false);
    ask(&w, &p, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_err(plait_events_begin(kept, NULL, NULL, NULL, &events), PLAIT_ECLOSED);
    end();
}

static void an_answer_that_began_is_no_answer_of_events(void **state)
{
    (void)state;
    answers_first = true;
    begin_without_request(false);
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_err(begun, PLAIT_ESTATE);
    answers_first = false;
    end();
}

static void fields_that_find_no_room_are_an_error(void **state)
{
    char value[1000];
    (void)state;
    memset(value, 'v', sizeof value);
    for (size_t left = 0; left < 60; left += 30) {
        begin_without_request(false);
        peer_open(&w, &p);
        peer_send(&w, &p, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
        while (plait_reply_field(kept, "X", plait_slice_of(value, sizeof value)) == PLAIT_OK)
            continue;
        const size_t room = (size_t)PLAIT__HR_FIELDS - kept->fields.len;
        assert_ok(plait_reply_field(kept, "X", plait_slice_of(value, room - left - 5)));
        assert_err(plait_events_begin(kept, NULL, NULL, NULL, &events), PLAIT_ELIMIT);
        spin(&w);
        assert_int_equal(status_of(&p), 500);
        end();
    }
}

/* A request that has used its own memory up. */
static void without_memory_there_are_no_events(void **state)
{
    (void)state;
    begin_without_request(false);
    peer_open(&w, &p);
    peer_send(&w, &p, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(plait_request_memory(kept, PLAIT__HR_SMALL - 100));
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_events_begin(kept, NULL, NULL, NULL, &events), PLAIT_ENOMEM);
    w.heap.fail_at = 0;
    spin(&w);
    assert_int_equal(status_of(&p), 500);
    end();
}

static void every_allocation_fails_once(void **state)
{
    static uint8_t block[10000];
    bool failed = true;
    (void)state;
    memset(block, '*', sizeof block);
    for (uint64_t k = 1; failed; k++) {
        begin_without_request(false);
        peer_open(&w, &p);
        peer_send(&w, &p, "");
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        peer_send(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        if (events)
            (void)plait_events_send(events, &(struct plait_event){.data = plait_slice_of(block, sizeof block)});
        spin(&w);
        if (events)
            (void)plait_events_comment(events, PLAIT_LIT("x"));
        spin(&w);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        end();
        assert_true(k < 100);
    }
}

TEST_MAIN(cmocka_unit_test(an_answer_of_events_begins), cmocka_unit_test(events_are_written_as_pages_read_them),
          cmocka_unit_test(comments_are_written), cmocka_unit_test(what_would_begin_another_field_is_refused),
          cmocka_unit_test(the_own_side_ends_it), cmocka_unit_test(a_client_that_leaves_is_told),
          cmocka_unit_test(who_does_not_care_needs_no_function), cmocka_unit_test(silence_is_broken_by_comments),
          cmocka_unit_test(comments_can_be_turned_off), cmocka_unit_test(a_client_that_takes_nothing_is_given_up),
          cmocka_unit_test(the_limit_is_hit_exactly), cmocka_unit_test(room_begins_the_count_anew),
          cmocka_unit_test(a_full_client_gets_no_comments), cmocka_unit_test(who_asks_for_the_head_gets_no_events),
          cmocka_unit_test(who_left_before_gets_no_events),
          cmocka_unit_test(an_answer_that_began_is_no_answer_of_events),
          cmocka_unit_test(fields_that_find_no_room_are_an_error), cmocka_unit_test(without_memory_there_are_no_events),
          cmocka_unit_test(every_allocation_fails_once))
