/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 when memory fails, at the first allocation, the second, and so on: the stream or the connection concerned
 * ends, and the next connection is served as if nothing had been.
 */
#include "tests/web/http2_peer.h"

static struct h2_peer p;
static struct plait_request *held;
static char folder[TEST_PATH_BYTES];

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "hello");
}

static void hand_back(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", body);
}

static void collect(struct plait_request *req, void *ctx)
{
    (void)plait_request_collect(req, 100000, hand_back, ctx);
}

static void count_piece(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    (void)piece;
    (void)ctx;
    if (!end)
        return;
    held = NULL;
    plait_reply_text(req, 200, "taken");
}

static void forget(struct plait_request *req, void *ctx)
{
    (void)ctx;
    held = NULL;
    plait_request_drop(req);
}

/* Reads the body when it has come already. */
static void late(struct plait_request *req, void *ctx)
{
    (void)ctx;
    held = req;
    plait_request_gone(req, forget, NULL);
}

static void with_fields(struct plait_request *req, void *ctx)
{
    char link[700];
    (void)ctx;
    memset(link, 'x', sizeof link);
    (void)plait_reply_early_hints(req, plait_slice_of(link, sizeof link));
    for (int i = 0; i < 60; i++)
        (void)plait_reply_field(req, "X-Field", PLAIT_LIT("some value that takes room in the block of fields"));
    plait_reply_text(req, 200, "fields");
}

static void large(struct plait_request *req, void *ctx)
{
    static const char block[30000];
    struct plait_buf out;
    (void)ctx;
    plait_buf_init(&out, plait_reactor_budget(plait_request_reactor(req)), 1 << 20);
    plait_buf_put(&out, plait_slice_of(block, sizeof block));
    plait_reply_buf(req, 200, "text/plain", &out);
}

static void pieces(struct plait_request *req, void *ctx)
{
    static const char block[3000];
    (void)ctx;
    for (int i = 0; i < 40; i++)
        (void)plait_reply_field(req, "X-Field", PLAIT_LIT("a value"));
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    for (int i = 0; i < 5; i++)
        plait_reply_write(req, plait_slice_of(block, sizeof block));
    if (plait_reply_trailer(req, "X-Trailer", PLAIT_LIT("1")) != PLAIT_OK) {
        plait_request_drop(req);
        return;
    }
    plait_reply_end(req);
}

static void site_open(struct world *w)
{
    static char content[40000];
    struct plait_resource *files;
    held = NULL;
    test_folder_make(folder);
    test_file_write(folder, "a.txt", plait_slice_of(content, sizeof content));
    world_open(w);
    assert_ok(plait_files_new(w->r, folder, NULL, &files));
    assert_ok(plait_resource_mount(w->root, "f", files));
    assert_ok(plait_resource_get(w->root, "hello", hello, NULL));
    assert_ok(plait_resource_get(w->root, "fields", with_fields, NULL));
    assert_ok(plait_resource_get(w->root, "large", large, NULL));
    assert_ok(plait_resource_get(w->root, "pieces", pieces, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "collect", collect, NULL));
    assert_ok(plait_resource_on(w->root, "POST", "late", late, NULL));
    world_serve(w, NULL);
}

static void site_close(struct world *w)
{
    world_close(w);
    test_folder_remove(folder);
}

typedef void (*talk_fn)(struct world *w);

static void ask_all(struct world *w)
{
    static char block[10000];
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/hello"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/fields"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/f/a.txt"));
    h2_headers(&p, WHOLE, 7, GET_FIELDS("/f/a.txt") "range bytes=1-2000,4000-20000\n");
    h2_headers(&p, OPEN, 9, POST_FIELDS("/collect") "expect 100-continue\ncontent-length 20000\n");
    h2_frame(&p, PLAIT__H2_DATA, 0, 9, block, sizeof block);
    h2_send(w, &p);
    h2_frame(&p, PLAIT__H2_DATA, END, 9, block, sizeof block);
    h2_headers(&p, WHOLE, 11, GET_FIELDS("/nothing"));
    h2_headers(&p, WHOLE, 13, ":method GET\n:scheme ftp\n:path /hello\n:authority x\n");
    h2_send(w, &p);
}

static void ask_more(struct world *w)
{
    static char block[10000], cookies[4000];
    size_t len = (size_t)snprintf(cookies, sizeof cookies, "%s", GET_FIELDS("/hello"));
    while (len < 3000)
        len += (size_t)snprintf(cookies + len, sizeof cookies - len, "cookie %0200d\n", 1);
    h2_headers(&p, WHOLE, 1, cookies);
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/large"));
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/pieces"));
    h2_headers(&p, OPEN, 7, POST_FIELDS("/late"));
    h2_frame(&p, PLAIT__H2_DATA, 0, 7, block, sizeof block);
    h2_send(w, &p);
    if (held)
        (void)plait_request_body(held, count_piece, NULL);
    h2_frame(&p, PLAIT__H2_DATA, END, 7, block, sizeof block);
    h2_number(&p, PLAIT__H2_WINDOW_UPDATE, 0, 1 << 20);
    h2_send(w, &p);
}

static void end_early(struct world *w)
{
    h2_headers(&p, OPEN, 1, POST_FIELDS("/late"));
    h2_headers(&p, WHOLE, 3, GET_FIELDS("/hello") "connection close\n");
    h2_send(w, &p);
    h2_drain(w);
    h2_spin(w, &p);
    h2_ping(&p, PLAIT__H2_ACK);
    h2_headers(&p, WHOLE, 5, GET_FIELDS("/hello"));
    h2_send(w, &p);
    if (held)
        plait_reply_text(held, 200, "early");
    held = NULL;
    h2_spin(w, &p);
}

static void drain_idle(struct world *w)
{
    h2_drain(w);
    h2_spin(w, &p);
}

static void break_rules(struct world *w)
{
    h2_headers(&p, WHOLE, 1, GET_FIELDS("/hello"));
    h2_data(&p, 0, 1, "x");
    h2_send(w, &p);
}

static void every_allocation_fails_once(talk_fn talk)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct world w;
        site_open(&w);
        h2_open_bare(&w, &p);
        w.heap.fail_at = w.heap.calls + k;
        const uint64_t fails = w.heap.fail_at;
        h2_bytes(&p, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
        h2_frame(&p, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
        h2_send(&w, &p);
        if (p.raw.stream)
            talk(&w);
        p.out_len = 0;
        failed = w.heap.calls >= fails;
        w.heap.fail_at = 0;
        h2_close(&w, &p);
        if (held)
            plait_request_drop(held);
        h2_ask(&w, &p, GET_FIELDS("/hello"));
        assert_int_equal(p.answer[0].status, 200);
        site_close(&w);
        assert_true(k < 400);
    }
}

static void requests_outlive_every_failing_allocation(void **state)
{
    (void)state;
    every_allocation_fails_once(ask_all);
    every_allocation_fails_once(ask_more);
}

static void ends_outlive_every_failing_allocation(void **state)
{
    (void)state;
    every_allocation_fails_once(end_early);
    every_allocation_fails_once(drain_idle);
    every_allocation_fails_once(break_rules);
}

/* The connection's budget, not the heap, is what fails. */
static void bodies_that_wait_are_counted(void **state)
{
    static char block[16384];
    struct world w;
    (void)state;
    site_open(&w);
    h2_open(&w, &p);
    h2_headers(&p, OPEN, 1, POST_FIELDS("/late"));
    h2_frame(&p, PLAIT__H2_DATA, 0, 1, block, sizeof block);
    h2_send(&w, &p);
    w.heap.fail_at = w.heap.calls + 1;
    w.heap.fail_after = true;
    h2_frame(&p, PLAIT__H2_DATA, 0, 1, block, sizeof block);
    h2_send(&w, &p);
    w.heap.fail_after = false;
    w.heap.fail_at = 0;
    h2_spin(&w, &p);
    assert_null(held); /* told that its client is as good as gone */
    h2_close(&w, &p);
    site_close(&w);
}

/* nghttp2 finds no memory for what it is told: the connection ends, for the stream would hang. */
static void what_cannot_be_submitted_ends_the_connection(void **state)
{
    struct plait_request *many[90];
    struct world w;
    (void)state;
    site_open(&w);
    h2_open(&w, &p);
    for (uint32_t i = 0; i < 90; i++) {
        h2_headers(&p, WHOLE, 2 * i + 1, POST_FIELDS("/late"));
        h2_send(&w, &p);
        many[i] = held;
    }
    w.heap.fail_at = w.heap.calls + 1;
    w.heap.fail_after = true;
    for (size_t i = 0; i < 90; i++)
        plait_request_drop(many[i]);
    w.heap.fail_after = false;
    w.heap.fail_at = 0;
    h2_spin(&w, &p);
    assert_true(p.raw.lost);
    h2_close(&w, &p);
    site_close(&w);
}

TEST_MAIN(cmocka_unit_test(requests_outlive_every_failing_allocation),
          cmocka_unit_test(ends_outlive_every_failing_allocation), cmocka_unit_test(bodies_that_wait_are_counted),
          cmocka_unit_test(what_cannot_be_submitted_ends_the_connection))
