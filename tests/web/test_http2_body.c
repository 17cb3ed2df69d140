/* SPDX-License-Identifier: MIT
 *
 * Bodies over HTTP/2, both ways, under flow control: collected, streamed, held back, given up; from memory and files.
 */
#include "tests/web/http2_peer.h"

static struct h2_peer p;

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello, World!");
}

static struct plait_request *kept[8];
static size_t kept_count, gone_count;

static void on_gone(struct plait_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    gone_count++;
}

static void keep(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_gone(req, on_gone, NULL);
    kept[kept_count++] = req;
}

static void echo_body(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", body);
}

static void collect(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 100, echo_body, ctx));
}

static size_t streamed, pieces, ends;

static void count_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)ctx;
    streamed += piece.len;
    pieces++;
    ends += end;
    if (end)
        plait_reply_text(req, 201, "stored");
}

static void store(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_body(req, count_piece, ctx));
}

static struct plait_request *reading;

static void count_and_pause(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    plait_request_pause(req);
    reading = end ? NULL : req;
    count_piece(req, piece, end, ctx);
}

static void store_slowly(struct plait_request *req, void *ctx)
{
    reading = req;
    assert_ok(plait_request_body(req, count_and_pause, ctx));
}

static size_t to_write, room_calls;

static void write_some(struct plait_request *req, void *ctx)
{
    static const char block[1000] = "block";
    (void)ctx;
    room_calls++;
    while (to_write && !plait_reply_is_full(req)) {
        plait_reply_write(req, plait_slice_of(block, sizeof block));
        to_write--;
    }
    if (to_write == 0)
        plait_reply_end(req);
}

static void stream_it(struct plait_request *req, void *ctx)
{
    plait_reply_begin(req, 200, "text/plain", to_write % 2 ? to_write * 1000 : PLAIT_LENGTH_UNKNOWN);
    plait_reply_room(req, write_some, ctx);
    write_some(req, ctx);
}

static void open_standard(struct world *w, const struct plait_http_options *options)
{
    kept_count = gone_count = streamed = pieces = ends = room_calls = 0;
    reading = NULL;
    world_open(w);
    assert_ok(plait_resource_get(w->root, "hello", hello, NULL));
    assert_ok(plait_resource_on(w->root, "*", "later", keep, NULL));
    assert_ok(plait_resource_get(w->root, "stream", stream_it, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "collect", collect, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "store", store, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "slowly", store_slowly, NULL));
    world_serve(w, options);
}

/* --- bodies of requests ------------------------------------------------------------------------------------------- */

static void a_body_is_collected_or_streamed(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/collect"));
    h2_data(&p, 0, 1, "one ");
    h2_data(&p, END, 1, "two");
    h2_headers(&p, OPEN, 3, POST_FIELDS("/store"));
    h2_data(&p, 0, 3, "12345");
    h2_data(&p, END, 3, "");
    h2_headers(&p, WHOLE, 5, POST_FIELDS("/collect"));
    h2_send(&w, &p);
    assert_string_equal(p.answer[0].body, "one two");
    assert_string_equal(p.answer[1].body, "stored");
    assert_int_equal(streamed, 5);
    assert_int_equal(ends, 1);
    assert_int_equal(p.answer[2].status, 200);
    assert_int_equal(p.answer[2].bytes, 0);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_trailer_section_ends_a_body(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/store"));
    h2_data(&p, 0, 1, "12345");
    h2_headers(&p, WHOLE, 1, "checksum 7\n");
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].status, 201);
    assert_int_equal(ends, 1);
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/later")); /* trailers of a request that has no handler any more */
    h2_headers(&p, OPEN, 5, POST_FIELDS("/hello"));
    h2_send(&w, &p);
    h2_headers(&p, WHOLE, 5, "checksum 7\n");
    h2_send(&w, &p);
    assert_int_equal(p.answer[2].status, 405);
    assert_int_equal(p.goaway, -1);
    h2_close(&w, &p);
    plait_request_drop(kept[0]);
    world_close(&w);
}

static void a_body_that_waits_opens_no_window(void **state)
{
    static uint8_t block[16384];
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    p.credit = 0;
    h2_headers(&p, OPEN, 1, POST_FIELDS("/slowly"));
    h2_send(&w, &p);
    const size_t widened = p.credit_stream; /* who reads gets a wider one */
    assert_int_equal(widened, 262144 - 65535);
    for (int i = 0; i < 10; i++) {
        h2_frame(&p, PLAIT__H2_DATA, 0, 1, block, sizeof block);
        h2_send(&w, &p);
    }
    assert_int_equal(pieces, 1); /* it paused in the first */
    assert_int_equal(p.credit_stream, widened);
    for (int i = 0; i < 3; i++) {
        plait_request_resume(reading);
        h2_spin(&w, &p);
    }
    assert_int_equal(streamed, 10 * sizeof block);
    assert_int_equal(p.credit_stream, widened + 9 * sizeof block + sizeof block);
    assert_int_equal(p.answer[0].status, 0);
    h2_data(&p, END, 1, "end");
    h2_send(&w, &p);
    plait_request_resume(reading);
    h2_spin(&w, &p);
    assert_int_equal(p.answer[0].status, 201);
    assert_int_equal(ends, 1);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_paused_body_that_is_complete_ends_when_it_goes_on(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/slowly"));
    h2_data(&p, 0, 1, "abc");
    h2_send(&w, &p);
    h2_data(&p, END, 1, "");
    h2_send(&w, &p);
    assert_int_equal(ends, 0);
    plait_request_resume(reading);
    h2_spin(&w, &p);
    assert_int_equal(ends, 1);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_body_that_nobody_reads_ends_with_the_answer(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/later"));
    h2_data(&p, 0, 1, "abc");
    h2_send(&w, &p);
    plait_reply_text(kept[0], 200, "early");
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "early");
    assert_true(p.answer[0].ended);
    h2_data(&p, END, 1, "more"); /* it had not heard of it yet */
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[1].status, 200);
    assert_int_equal(p.answer[0].reset, -1);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_waiting_body_is_dropped_with_its_answer(void **state)
{
    struct world w;
    (void)state;
    to_write = 201;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, ":method GET\n:scheme http\n:path /stream\n:authority x\n");
    h2_data(&p, 0, 1, "abc");
    h2_send(&w, &p); /* the answer waits for the client's window; so does the rest of the body, for nobody */
    h2_data(&p, END, 1, "def");
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].reset, -1);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, 201000);
    h2_close(&w, &p);
    world_close(&w);
}

static void a_client_that_waits_is_told_to_go_on(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/collect") "expect 100-continue\ncontent-length 3\n");
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].interim, 100);
    assert_int_equal(p.answer[0].status, 0);
    h2_data(&p, END, 1, "abc");
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].status, 200);
    h2_headers(&p, OPEN, 3, POST_FIELDS("/hello") "expect 100-continue\ncontent-length 3\n");
    h2_headers(&p, OPEN, 5, POST_FIELDS("/collect") "expect tea\n");
    h2_send(&w, &p);
    assert_int_equal(p.answer[1].interim, 0);
    assert_int_equal(p.answer[1].status, 405);
    assert_int_equal(p.answer[2].status, 417);
    h2_close(&w, &p);
    world_close(&w);
}

/* --- bodies of answers -------------------------------------------------------------------------------------------- */

static void an_answer_follows_the_clients_windows(void **state)
{
    struct world w;
    (void)state;
    to_write = 501;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/stream"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, 65535); /* RFC 9113 section 6.9.2 */
    assert_true(to_write > 300);                /* the handler waits */
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 100000);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1000);
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, 66535);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, 165535); /* the connection's window */
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, 501000);
    assert_true(p.answer[0].ended);
    assert_true(room_calls > 2);
    h2_close(&w, &p);
    world_close(&w);
}

static void an_answer_of_unknown_length_ends_by_itself(void **state)
{
    struct world w;
    (void)state;
    to_write = 2;
    open_standard(&w, NULL);
    h2_ask(&w, &p, GET_FIELDS("/stream"));
    assert_int_equal(p.answer[0].bytes, 2000);
    assert_true(p.answer[0].ended);
    assert_null(strstr(p.log, "content-length"));
    world_close(&w);
}

static void a_client_that_reads_nothing_holds_nothing_up_but_itself(void **state)
{
    struct world w;
    (void)state;
    to_write = 5001;
    open_standard(&w, NULL);
    h2_open(&w, &p);
    h2_setting(&p, 4, 1 << 30);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 30);
    h2_send(&w, &p);
    p.raw.deaf = true;
    plait_pause(p.raw.stream);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/stream"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello")); /* read all the same */
    h2_send(&w, &p);
    assert_true(to_write > 4000);
    p.raw.deaf = false;
    plait_resume(p.raw.stream);
    for (int i = 0; i < 100 && !p.answer[0].ended; i++)
        h2_spin(&w, &p);
    assert_int_equal(p.answer[0].bytes, 5001000);
    assert_string_equal(p.answer[1].body, "Hello, World!");
    h2_close(&w, &p);
    world_close(&w);
}

static void pieces_now_and_then(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    kept[kept_count++] = req;
}

static void pieces_are_sent_as_they_are_written(void **state)
{
    struct world w;
    (void)state;
    open_standard(&w, NULL);
    assert_ok(plait_resource_get(w.root, "pieces", pieces_now_and_then, NULL));
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/pieces"));
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].status, 200);
    plait_reply_write(kept[0], PLAIT_LIT("one"));
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "one");
    plait_reply_write(kept[0], PLAIT_LIT(" two"));
    plait_reply_write(kept[0], PLAIT_LIT(" three"));
    h2_spin(&w, &p);
    assert_string_equal(p.answer[0].body, "one two three");
    assert_false(p.answer[0].ended);
    plait_reply_end(kept[0]);
    h2_spin(&w, &p);
    assert_true(p.answer[0].ended);
    h2_close(&w, &p);
    world_close(&w);
}

static char large_text[50000];

static void large(struct plait_request *req, void *ctx)
{
    struct plait_buf out;
    (void)ctx;
    plait_buf_init(&out, plait_reactor_budget(plait_request_reactor(req)), 1 << 20);
    plait_buf_put(&out, plait_slice_of(large_text, sizeof large_text));
    plait_reply_buf(req, 200, "text/plain", &out);
}

static void a_large_buffer_goes_whole(void **state)
{
    struct world w;
    (void)state;
    memset(large_text, 'x', sizeof large_text);
    open_standard(&w, NULL);
    assert_ok(plait_resource_get(w.root, "large", large, NULL));
    h2_ask(&w, &p, GET_FIELDS("/large"));
    assert_int_equal(p.answer[0].bytes, sizeof large_text);
    assert_true(p.answer[0].ended);
    h2_ask(&w, &p, ":method HEAD\n:scheme http\n:path /large\n:authority x\n");
    assert_non_null(strstr(p.log, "content-length=50000; end"));
    assert_int_equal(p.answer[0].bytes, 0);
    world_close(&w);
}

static void files_go_through_both_windows(void **state)
{
    static char content[200000];
    char folder[TEST_PATH_BYTES];
    struct plait_resource *files;
    struct world w;
    (void)state;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)('a' + i % 26);
    test_folder_make(folder);
    test_file_write(folder, "a.txt", plait_slice_of(content, sizeof content));
    open_standard(&w, NULL);
    assert_ok(plait_files_new(w.r, folder, NULL, &files));
    assert_ok(plait_resource_mount(w.root, "f", files));
    h2_open(&w, &p);
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/f/a.txt"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/f/a.txt") "range bytes=1-40000,50000-90000\n");
    h2_headers(&p, WHOLE, 5, ":method HEAD\n:scheme http\n:path /f/a.txt\n:authority x\n");
    h2_send(&w, &p);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 1, 1 << 20);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 3, 1 << 20);
    h2_send(&w, &p);
    assert_int_equal(p.answer[0].bytes, sizeof content);
    assert_memory_equal(p.answer[0].body, content, 500);
    assert_true(p.answer[0].ended);
    assert_int_equal(p.answer[1].status, 206);
    assert_true(p.answer[1].ended);
    assert_non_null(strstr(p.answer[1].body, "Content-Range: bytes 1-40000/200000\r\n\r\nbcdef"));
    assert_int_equal(p.answer[2].bytes, 0);
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/f/a.txt")); /* and once more, given up half-way */
    h2_send(&w, &p);
    h2_number(&p, PLAIT__H2_RST_STREAM, 7, 8);
    h2_send(&w, &p);
    h2_close(&w, &p);
    world_close(&w);
    test_folder_remove(folder);
}

TEST_MAIN(cmocka_unit_test(a_body_is_collected_or_streamed), cmocka_unit_test(a_trailer_section_ends_a_body),
          cmocka_unit_test(a_body_that_waits_opens_no_window),
          cmocka_unit_test(a_paused_body_that_is_complete_ends_when_it_goes_on),
          cmocka_unit_test(a_body_that_nobody_reads_ends_with_the_answer),
          cmocka_unit_test(a_waiting_body_is_dropped_with_its_answer),
          cmocka_unit_test(a_client_that_waits_is_told_to_go_on),
          cmocka_unit_test(an_answer_follows_the_clients_windows),
          cmocka_unit_test(an_answer_of_unknown_length_ends_by_itself),
          cmocka_unit_test(a_client_that_reads_nothing_holds_nothing_up_but_itself),
          cmocka_unit_test(pieces_are_sent_as_they_are_written), cmocka_unit_test(a_large_buffer_goes_whole),
          cmocka_unit_test(files_go_through_both_windows))
