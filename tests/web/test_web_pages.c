/* SPDX-License-Identifier: MIT
 *
 * Pages for those who run a site: errors of its own, health, metrics.
 */
#include "tests/web/http_world.h"

#include <plait/site.h>

static struct peer p;

static void fail_with(struct plait_request *req, void *ctx)
{
    plait_reply_error(req, *(int *)ctx, NULL);
}

static void own_text(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 404, "a handler's own");
}

static void error_pages_take_the_place_of_ours_only(void **state)
{
    static int five = 500, three = 403;
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "five", fail_with, &five));
    assert_ok(plait_resource_get(w.root, "three", fail_with, &three));
    assert_ok(plait_resource_get(w.root, "own", own_text, NULL));
    assert_ok(plait_error_page(w.root, 404, "text/html", PLAIT_LIT("<h1>lost</h1>")));
    assert_ok(plait_error_page(w.root, 403, NULL, PLAIT_LIT("")));
    assert_ok(plait_error_page(w.root, 500, "text/plain", PLAIT_LIT("sorry")));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "<h1>lost</h1>");
    assert_int_equal(count_of(&p, "Content-Length: 13\r\n"), 1);
    assert_int_equal(count_of(&p, "Content-Type: text/html\r\n"), 1);
    ask(&w, &p, "HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "Content-Length: 13\r\n"), 1);
    assert_string_equal(body_of(&p), "");
    ask(&w, &p, "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 403);
    assert_string_equal(body_of(&p), "");
    ask(&w, &p, "GET /own HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "a handler's own");
    ask(&w, &p, "PUT /own HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "<h1><small>405</small>"), 1);
    assert_ok(plait_error_page(w.root, 0, "text/plain", PLAIT_LIT("any")));
    ask(&w, &p, "PUT /own HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "any");
    ask(&w, &p, "GET /five HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "sorry");
    world_close(&w);
}

static void crowd(struct plait_request *req, void *ctx)
{
    struct world *w = ctx;
    assert_non_null(plait_request_memory(req, 512));
    w->heap.fail_at = w->heap.calls + 1;
    plait_request_pass(req);
}

static void wrong_pages_are_kept_as_failures(void **state)
{
    static const struct plait_layer crowding = {.name = "crowd", .request = crowd};
    struct world w;
    (void)state;
    world_open(&w);
    static const int wrong[] = {399, 600, -1, 200};
    struct plait_resource *other = plait_resource_new(w.r);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++)
        assert_err(plait_error_page(other, wrong[i], "text/plain", PLAIT_LIT("x")), PLAIT_EINVAL);
    assert_err(plait_error_page(other, 404, "a\nb", PLAIT_LIT("x")), PLAIT_EINVAL);
    assert_null(plait_http(other));
    assert_err(plait_error_page(NULL, 404, "text/plain", PLAIT_LIT("x")), PLAIT_ENOMEM);
    for (uint64_t k = 1; k < 4; k++) {
        other = plait_resource_new(w.r);
        w.heap.fail_at = w.heap.calls + k;
        assert_err(plait_error_page(other, 404, "text/plain", PLAIT_LIT("x")), PLAIT_ENOMEM);
        plait_resource_unref(&other);
    }
    assert_ok(plait_resource_wrap(w.root, &crowding, &w));
    assert_ok(plait_error_page(w.root, 404, "text/plain", PLAIT_LIT("x")));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); /* without memory it is the usual page */
    assert_int_equal(count_of(&p, "<h1><small>404</small>"), 1);
    world_close(&w);
}

static int last_status;

static void note_status(const struct plait_http_access *access, void *ctx)
{
    (void)ctx;
    last_status = access->status;
}

static void health_and_metrics_are_shown(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_mount(w.root, "health", plait_health_new(w.r)));
    assert_ok(plait_resource_mount(w.root, "metrics", plait_metrics_page_new(w.r)));
    const struct plait_http_options options = {.log = note_status};
    world_serve(&w, &options);
    ask(&w, &p, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "live\n");
    ask(&w, &p, "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "ready\n");
    ask(&w, &p, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "ready\n");
    ask(&w, &p, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"), 1);
    assert_int_equal(count_of(&p, "plait_http_requests_total 3"), 1);
    assert_int_equal(count_of(&p, "# EOF"), 1);
    /* a drain closes the test's own end of a connection: the request is made by hand */
    static const char head[] = "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n";
    plait_deferred_ignore(plait_drain(w.r, plait_seconds(10)));
    struct plait_request *req = plait__request_new(w.service);
    assert_int_equal(plait__http1_head_read(&req->head, plait_slice_text(head)), PLAIT__HTTP1_DONE);
    assert_int_equal(plait__request_begin(req, (const uint8_t *)head), 0);
    plait__resource_dispatch(req);
    assert_int_equal(last_status, 503);
    spin(&w);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(error_pages_take_the_place_of_ours_only), cmocka_unit_test(wrong_pages_are_kept_as_failures),
          cmocka_unit_test(health_and_metrics_are_shown))
