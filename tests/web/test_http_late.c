/* SPDX-License-Identifier: MIT
 *
 * What comes late to the HTTP server or never: bodies that crawl or break off under an answer, clients that end behind
 * a part of a request, pauses, deadlines, files that a slow disk holds. The clock is the test's own.
 */
#include "tests/web/http_world.h"

#include <plait/listen.h>
#include <plait/testing.h>

struct timed {
    struct world w;
    struct plait_testbed *bed;
};

static struct peer p;
static struct plait_request *held[4];
static size_t held_count, pieces, ends, gone;

static void timed_open(struct timed *t, const char *method, plait_request_fn fn,
                       const struct plait_http_options *options)
{
    memset(t, 0, sizeof *t);
    held_count = pieces = ends = gone = 0;
    t->bed = plait_testbed_new(1);
    assert_non_null(t->bed);
    t->w.r = plait_testbed_reactor(t->bed);
    t->w.root = plait_resource_new(t->w.r);
    assert_ok(plait_resource_on(t->w.root, method, "x", fn, NULL));
    world_serve(&t->w, options);
}

static void timed_close(struct timed *t)
{
    peer_close(&t->w, &p);
    plait__http_service_unref(t->w.service);
    plait_sim_check_end(plait_testbed_sim(t->bed));
    assert_null(plait_sim_failure(plait_testbed_sim(t->bed)));
    plait_testbed_free(&t->bed);
}

static void count_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)req;
    (void)piece;
    (void)ctx;
    pieces++;
    ends += end;
}

static void note_gone(struct plait_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    gone++;
}

static void begin_under_the_body(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_ok(plait_request_body(req, count_piece, NULL));
    plait_request_gone(req, note_gone, NULL);
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
}

static void a_body_that_is_malformed_under_a_begun_answer_ends_the_connection(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "POST", begin_under_the_body, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_int_equal(pieces, 1);
    assert_int_equal(status_of(&p), 200);
    peer_send(&t.w, &p, "zz\r\n");
    plait_testbed_settle(t.bed);
    assert_true(p.lost);
    assert_int_equal(p.err, PLAIT_ERESET);
    assert_int_equal(gone, 1);
    assert_int_equal(ends, 0);
    timed_close(&t);
}

/* The answer begins with the first piece, and nobody asked to be told of the client's end. */
static void answer_with_the_body(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    count_piece(req, piece, end, ctx);
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(req, piece);
    if (end)
        plait_reply_end(req);
}

static void echo_the_body(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_ok(plait_request_body(req, answer_with_the_body, NULL));
}

static void a_malformed_chunk_behind_others_ends_an_answer_that_streams(void **state)
{
    static const char head[] = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char *const bodies[][2] = {{"3\r\nabc\r\nzz\r\n", ""}, {"3\r\nabc\r\n", "zz\r\n"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bodies); i++) {
        struct timed t;
        char first[128];
        timed_open(&t, "POST", echo_the_body, NULL);
        peer_open(&t.w, &p);
        (void)snprintf(first, sizeof first, "%s%s", head, bodies[i][0]);
        peer_send(&t.w, &p, first);
        assert_int_equal(pieces, 1);
        peer_send(&t.w, &p, bodies[i][1]);
        plait_testbed_settle(t.bed);
        assert_true(p.lost);
        assert_int_equal(p.err, PLAIT_ERESET);
        assert_int_equal(ends, 0);
        assert_int_equal(count_of(&p, "0\r\n\r\n"), 0); /* what the client got is no whole answer */
        timed_close(&t);
    }
}

static void a_body_that_crawls_under_its_answer_ends_the_connection(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "POST", echo_the_body, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (int second = 0; second < 30 && !p.lost; second++) {
        peer_send(&t.w, &p, "a");
        plait_testbed_advance(t.bed, plait_seconds(1));
    }
    assert_true(p.lost);
    assert_in_range(pieces, 10, 15);
    timed_close(&t);
}

static void read_it(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_ok(plait_request_body(req, count_piece, NULL));
}

static void a_body_that_crawls_is_408(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "POST", read_it, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (int second = 0; second < 30 && !p.ended; second++) {
        peer_send(&t.w, &p, "a");
        plait_testbed_advance(t.bed, plait_seconds(1));
    }
    assert_int_equal(status_of(&p), 408);
    assert_in_range(pieces, 10, 15);
    timed_close(&t);
}

static void a_body_that_stops_is_408(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "POST", read_it, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    peer_send(&t.w, &p, "a");
    plait_testbed_advance(t.bed, plait_seconds(60));
    assert_int_equal(status_of(&p), 408); /* silence has its own deadline */
    timed_close(&t);
}

static void resume_it(void *ctx)
{
    plait_request_resume(ctx);
}

static struct plait_timer later;

static void pause_what_is_whole(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_pause(req);
    assert_ok(plait_request_body(req, count_piece, NULL));
    plait_timer_init(&later, plait_request_reactor(req), "later", resume_it, req);
    plait_timer_arm(&later, plait_seconds(100));
    held[0] = req;
}

static void a_pause_keeps_the_end_of_an_empty_body_back(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "POST", pause_what_is_whole, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    plait_testbed_advance(t.bed, plait_seconds(99));
    assert_int_equal(ends, 0);
    plait_testbed_advance(t.bed, plait_seconds(2));
    assert_int_equal(ends, 1);
    plait_reply_text(held[0], 200, "done");
    spin(&t.w);
    assert_int_equal(status_of(&p), 200);
    timed_close(&t);
}

static void hold(struct plait_request *req, void *ctx)
{
    (void)ctx;
    held[held_count++] = req;
}

/* The second request is answered after the client ended its side, and nothing comes behind it. */
static void the_last_of_two_answers_to_a_client_that_ended_closes(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "GET", hold, NULL);
    peer_open(&t.w, &p);
    plait_write(p.stream, PLAIT_LIT("GET /x HTTP/1.1\r\nHost: h\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    plait_close_write(p.stream);
    spin(&t.w);
    assert_int_equal(held_count, 1);
    plait_reply_text(held[0], 200, "one");
    spin(&t.w);
    assert_int_equal(held_count, 2);
    assert_false(p.ended);
    plait_reply_text(held[1], 200, "two");
    spin(&t.w);
    assert_int_equal(count_of(&p, "HTTP/1.1 200"), 2);
    assert_true(p.ended);
    timed_close(&t);
}

static void a_part_of_a_head_behind_the_end_gets_no_answer(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "GET", hold, NULL);
    peer_open(&t.w, &p);
    plait_write(p.stream, PLAIT_LIT("GET /x HTTP/1.1\r\nHost: h\r\n\r\nGET /x HT"));
    plait_close_write(p.stream);
    spin(&t.w);
    plait_reply_text(held[0], 200, "one");
    spin(&t.w);
    assert_int_equal(count_of(&p, "HTTP/1.1 "), 1);
    assert_true(p.ended);
    timed_close(&t);
}

static void begin_oddly(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain\r\nX-Evil: 1", 4);
    plait_reply_write(req, PLAIT_LIT("body"));
    plait_reply_end(req);
}

static void a_type_cannot_split_the_head_of_an_answer_in_pieces(void **state)
{
    struct timed t;
    (void)state;
    timed_open(&t, "GET", begin_oddly, NULL);
    peer_open(&t.w, &p);
    peer_send(&t.w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
    assert_string_equal(body_of(&p), "body");
    assert_int_equal(count_of(&p, "X-Evil"), 0);
    assert_int_equal(count_of(&p, "Content-Type"), 0);
    timed_close(&t);
}

/* --- a client whose reactor drains -------------------------------------------------------------------------------- */

static plait_err fetched;

static void note_fetched(struct plait_result *result, void *ctx)
{
    (void)ctx;
    fetched = result->fault.err;
    result->fault.err = PLAIT_OK;
}

static void a_fetch_under_way_is_cut_when_a_drain_has_waited(void **state)
{
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_host *near = plait_sim_host(sim, "near"), *far = plait_sim_host(sim, "far");
    struct plait_reactor *r = plait_host_reactor(far);
    struct plait_address at;
    (void)state;
    held_count = 0;
    fetched = PLAIT_OK;
    plait_host_address(far, PLAIT_ADDR_IP4, 80, &at);
    struct plait_resource *root = plait_resource_new(r);
    assert_ok(plait_resource_get(root, "x", hold, NULL));
    assert_ok(plait_listen(r, &at, NULL, plait_http(root), NULL));
    assert_ok(plait_then(plait_http_get(plait_host_reactor(near), "http://far/x", NULL), note_fetched, NULL));
    plait_sim_run_for(sim, plait_seconds(1));
    assert_int_equal(held_count, 1);
    plait_deferred_ignore(plait_drain(plait_host_reactor(near), plait_seconds(5)));
    plait_sim_run_for(sim, plait_seconds(4));
    assert_int_equal(fetched, PLAIT_OK); /* nothing came yet */
    plait_sim_run_for(sim, plait_seconds(20));
    assert_int_equal(fetched, PLAIT_EDRAINING);
    plait_reply_text(held[0], 200, "too late");
    plait_sim_run_for(sim, plait_seconds(20));
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

/* --- a slow disk -------------------------------------------------------------------------------------------------- */

struct fetched {
    plait_err err;
    char body[70000];
    size_t len;
    bool over;
    plait_time at;
    struct plait_reactor *r;
};

static void note_body(struct plait_result *result, void *ctx)
{
    struct fetched *f = ctx;
    f->err = result->fault.err;
    f->over = true;
    f->at = plait_now(f->r);
    if (f->err == PLAIT_OK) {
        const plait_slice body = plait_response_body(result->value.ptr);
        assert_in_range(body.len, 0, sizeof f->body);
        memcpy(f->body, body.ptr, body.len);
        f->len = body.len;
    }
    plait_result_set(result, plait_value_num(0));
}

/* Fetches a path, and says how long that took. */
static plait_span fetch_from(struct plait_sim *sim, struct plait_reactor *r, const char *path, struct fetched *f)
{
    char url[64];
    const plait_time began = plait_now(r);
    (void)snprintf(url, sizeof url, "http://far/%s", path);
    memset(f, 0, sizeof *f);
    f->r = r;
    assert_ok(plait_then(plait_http_get(r, url, NULL), note_body, f));
    plait_sim_run_for(sim, plait_seconds(20));
    assert_true(f->over);
    assert_ok(f->err);
    return f->at - began;
}

static void serve_folder(struct plait_host *far)
{
    static char large[60000];
    struct plait_reactor *r = plait_host_reactor(far);
    struct plait_resource *files;
    struct plait_address at;
    memset(large, 'l', sizeof large);
    assert_ok(plait_host_write_file(far, "/www/small", "small", 5));
    assert_ok(plait_host_write_file(far, "/www/large", large, sizeof large));
    assert_ok(plait_files_new(r, "/www", NULL, &files));
    plait_host_address(far, PLAIT_ADDR_IP4, 80, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_http(files), NULL));
}

/* A read in a job of the pool takes the disk's time, one in the loop would take none. */
static void what_is_not_in_memory_is_fetched_by_the_pool(void **state)
{
    static struct fetched f;
    const struct plait_sim_rule cold = {.call = "pread_nowait", .os_errno = EAGAIN};
    const struct plait_sim_disk slow = {.read = plait_millis(300)};
    (void)state;
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_host *near = plait_sim_host(sim, "near"), *far = plait_sim_host(sim, "far");
    struct plait_reactor *r = plait_host_reactor(near);
    serve_folder(far);
    plait_host_set_disk(far, &slow);
    assert_ok(plait_sim_add_rule(sim, &cold));
    assert_in_range(fetch_from(sim, r, "small", &f), plait_millis(300), plait_seconds(2));
    assert_slice(plait_slice_of(f.body, f.len), "small");
    assert_in_range(fetch_from(sim, r, "large", &f), plait_millis(300), plait_seconds(2));
    assert_int_equal(f.len, 60000);
    assert_int_equal(f.body[59999], 'l');
    plait_sim_clear_rules(sim); /* now it is all in memory */
    assert_in_range(fetch_from(sim, r, "small", &f), 0, plait_millis(100));
    assert_slice(plait_slice_of(f.body, f.len), "small");
    assert_in_range(fetch_from(sim, r, "large", &f), 0, plait_millis(100));
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

TEST_MAIN(cmocka_unit_test(a_body_that_is_malformed_under_a_begun_answer_ends_the_connection),
          cmocka_unit_test(a_malformed_chunk_behind_others_ends_an_answer_that_streams),
          cmocka_unit_test(a_body_that_crawls_under_its_answer_ends_the_connection),
          cmocka_unit_test(a_body_that_crawls_is_408), cmocka_unit_test(a_body_that_stops_is_408),
          cmocka_unit_test(a_pause_keeps_the_end_of_an_empty_body_back),
          cmocka_unit_test(the_last_of_two_answers_to_a_client_that_ended_closes),
          cmocka_unit_test(a_part_of_a_head_behind_the_end_gets_no_answer),
          cmocka_unit_test(a_type_cannot_split_the_head_of_an_answer_in_pieces),
          cmocka_unit_test(a_fetch_under_way_is_cut_when_a_drain_has_waited),
          cmocka_unit_test(what_is_not_in_memory_is_fetched_by_the_pool))
