/* SPDX-License-Identifier: MIT
 *
 * The seldom ways through the HTTP server and client: answers begun twice, bodies asked for late, peers that take
 * nothing, cancelling at every step, names and lists that are too long.
 */
#include "tests/web/http_world.h"

#include <sys/stat.h>
#include <unistd.h>

static struct peer p;
static struct plait_request *held;

static void plain(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "plain");
}

static void hold(struct plait_request *req, void *ctx)
{
    (void)ctx;
    held = req;
}

static void open_world(struct world *w, const char *method, plait_request_fn fn,
                       const struct plait_http_options *options)
{
    world_open(w);
    assert_ok(plait_resource_on(w->root, method, "x", fn, NULL));
    world_serve(w, options);
}

static void a_target_without_an_end_is_414(void **state)
{
    static char request[20000];
    struct world w;
    (void)state;
    open_world(&w, "GET", plain, NULL);
    memset(request, 'a', sizeof request - 1);
    memcpy(request, "GET /", 5);
    ask(&w, &p, request);
    assert_int_equal(status_of(&p), 414);
    world_close(&w);
}

static uint64_t told_length;
static struct plait_address told_peer;

static void tell(struct plait_request *req, void *ctx)
{
    (void)ctx;
    told_length = plait_request_length(req);
    plait_request_peer(req, &told_peer);
    plait_reply(req, 200, "text/plain\r\nX-Evil: 1", PLAIT_LIT("body"));
}

static void a_handler_knows_length_and_peer_and_cannot_split_the_head(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, "POST", tell, NULL);
    ask(&w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(told_length, 3);
    assert_int_equal(told_peer.kind, PLAIT_ADDR_NONE);
    assert_int_equal(count_of(&p, "X-Evil"), 0);
    world_close(&w);
}

static void twice(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    plait_reply_text(req, 200, "again");
}

static void refuse_it(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_error(req, 400, NULL);
}

static void an_answer_that_has_begun_is_not_begun_again(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, "GET", twice, NULL);
    ask(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(count_of(&p, "HTTP/1.1 200"), 1);
    world_close(&w);
    open_world(&w, "GET", refuse_it, NULL);
    ask(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(&p), 400);
    world_close(&w);
}

static void a_limit_can_be_taken_off(void **state)
{
    struct world w;
    const struct plait_http_options options = {.limits = {.idle = PLAIT_NEVER, .head = PLAIT_NEVER}};
    (void)state;
    open_world(&w, "GET", plain, &options);
    ask(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(count_of(&p, "HTTP/1.1 200"), 2);
    world_close(&w);
}

static void answer(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", body);
}

static void a_body_may_be_asked_for_late(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, "POST", hold, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    (void)plait_request_collect(held, 100, answer, NULL);
    spin(&w);
    assert_string_equal(body_of(&p), "abc");
    peer_close(&w, &p);
    world_close(&w);
}

static void a_body_that_nobody_asks_for_is_not_read_without_bound(void **state)
{
    static char body[200000];
    struct world w;
    (void)state;
    open_world(&w, "POST", hold, NULL);
    memset(body, 'b', sizeof body - 1);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 199999\r\n\r\n");
    peer_send(&w, &p, body);
    assert_true(plait_pending(p.stream) > 0);
    plait_reply_text(held, 200, "enough");
    spin(&w);
    assert_int_equal(status_of(&p), 200);
    peer_close(&w, &p);
    world_close(&w);
}

static char large[300000];

static void send_large(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", plait_slice_of(large, sizeof large));
}

static void a_client_that_takes_nothing_gets_no_second_answer_until_it_does(void **state)
{
    struct world w;
    const struct plait_http_options options = {.limits = {.idle = plait_millis(20)}};
    (void)state;
    memset(large, 'l', sizeof large);
    open_world(&w, "GET", send_large, &options);
    peer_open(&w, &p);
    p.deaf = true;
    plait_pause(p.stream);
    for (int i = 0; i < 4; i++)
        peer_send(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        usleep(15000);
        spin(&w);
    }
    p.deaf = false;
    plait_resume(p.stream);
    spin(&w);
    assert_true(p.len > 0);
    peer_close(&w, &p);
    world_close(&w);
}

static void many_methods_give_an_allow_that_still_fits(void **state)
{
    struct world w;
    static char method[16][33];
    (void)state;
    world_open(&w);
    for (int i = 0; i < 16; i++) {
        snprintf(method[i], sizeof method[i], "METHOD-NUMBER-%02d-OF-SO-VERY-MANY", i);
        assert_ok(plait_resource_on(w.root, method[i], "x", plain, NULL));
    }
    world_serve(&w, NULL);
    ask(&w, &p, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(&p), 405);
    assert_int_equal(count_of(&p, "Allow: "), 1);
    assert_int_equal(count_of(&p, "OF-SO-VERY-MANY"), 16);
    world_close(&w);
}

static void a_method_that_is_too_long_or_one_too_many_fails_the_tree(void **state)
{
    static char method[16][3];
    struct world w;
    (void)state;
    for (int too_many = 0; too_many < 2; too_many++) {
        world_open(&w);
        for (int i = 0; i < 16; i++) {
            snprintf(method[i], sizeof method[i], "M%c", 'A' + i);
            assert_ok(plait_resource_on(w.root, method[i], "x", plain, NULL));
        }
        if (too_many)
            assert_err(plait_resource_on(w.root, "ONE-MORE", "x", plain, NULL), PLAIT_ELIMIT);
        else
            assert_err(plait_resource_on(w.root, "A-METHOD-OF-MORE-BYTES-THAN-32-IS", "y", plain, NULL), PLAIT_EINVAL);
        assert_null(plait__http_service_new(w.root, NULL));
        world_close(&w);
    }
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int status_for(struct world *w, const char *path)
{
    char request[1000];
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    ask(w, &p, request);
    return status_of(&p);
}

static void the_cache_of_files_forgets_what_changed_and_what_does_not_fit(void **state)
{
    struct world w;
    struct plait_resource *files;
    char folder[TEST_PATH_BYTES];
    char name[240];
    char path[TEST_PATH_BYTES + 260];
    char deep[TEST_PATH_BYTES + 760];
    (void)state;
    test_folder_make(folder);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    test_file_write(folder, name, PLAIT_LIT("long"));
    snprintf(deep, sizeof deep, "%s/%.230s", folder, name + 5);
    assert_int_equal(mkdir(deep, 0700), 0);
    snprintf(deep, sizeof deep, "%s/%.230s/%.230s", folder, name + 5, name + 5);
    assert_int_equal(mkdir(deep, 0700), 0);
    const size_t len = strlen(deep);
    snprintf(deep + len, sizeof deep - len, "/%s", name);
    FILE *out = fopen(deep, "wbe");
    assert_true(out && fputs("deep", out) >= 0 && fclose(out) == 0);
    for (int i = 0; i < 300; i++) {
        char small[16];
        snprintf(small, sizeof small, "f%d", i);
        test_file_write(folder, small, PLAIT_LIT("small"));
    }
    world_open(&w);
    assert_ok(plait_files_new(w.r, folder, NULL, &files));
    assert_ok(plait_resource_mount(w.root, "f", files));
    world_serve(&w, NULL);
    snprintf(path, sizeof path, "/f/%s", name);
    assert_int_equal(status_for(&w, path), 200);
    assert_int_equal(status_for(&w, path), 200);
    snprintf(deep, sizeof deep, "/f/%.230s/%.230s/%s", name + 5, name + 5, name);
    assert_int_equal(status_for(&w, deep), 200); /* longer than a name that is kept */
    assert_int_equal(status_for(&w, deep), 200);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/f/f%d", i);
        assert_int_equal(status_for(&w, path), 200);
    }
    snprintf(path, sizeof path, "%s/f299", folder);
    assert_int_equal(unlink(path), 0);
    usleep(1100000);
    assert_int_equal(status_for(&w, "/f/f299"), 404);
    world_close(&w);
    test_folder_remove(folder);
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static struct plait_deferred *fetching;

static void cancel_at_head(const struct plait_response *response, void *ctx)
{
    (void)response;
    (void)ctx;
    plait_deferred_cancel(fetching);
}

static void a_fetch_can_be_cancelled_at_any_step(void **state)
{
    (void)state;
    for (int steps = 0; steps < 12; steps++) {
        struct world w;
        struct plait_listener *listener;
        struct plait_address here;
        char url[64];
        const struct plait_fetch_options at_head = {.head = cancel_at_head};
        world_open(&w);
        assert_ok(plait_resource_get(w.root, "x", send_large, NULL));
        assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
        assert_ok(plait_listen(w.r, &here, NULL, plait_http(w.root), &listener));
        plait_listener_address(listener, &here);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/x", here.port);
        fetching = plait_http_get(w.r, url, steps == 11 ? &at_head : NULL);
        for (int i = 0; i < steps && steps < 11; i++)
            assert_ok(plait_reactor_step(w.r, 0));
        if (steps < 11)
            plait_deferred_cancel(fetching);
        const plait_err err = plait_reactor_run_until(w.r, fetching, NULL);
        assert_true(err == PLAIT_ECANCELLED || err == PLAIT_OK);
        plait_listener_close(&listener);
        world_close(&w);
    }
}

TEST_MAIN(cmocka_unit_test(a_target_without_an_end_is_414),
          cmocka_unit_test(a_handler_knows_length_and_peer_and_cannot_split_the_head),
          cmocka_unit_test(an_answer_that_has_begun_is_not_begun_again), cmocka_unit_test(a_limit_can_be_taken_off),
          cmocka_unit_test(a_body_may_be_asked_for_late),
          cmocka_unit_test(a_body_that_nobody_asks_for_is_not_read_without_bound),
          cmocka_unit_test(a_client_that_takes_nothing_gets_no_second_answer_until_it_does),
          cmocka_unit_test(many_methods_give_an_allow_that_still_fits),
          cmocka_unit_test(a_method_that_is_too_long_or_one_too_many_fails_the_tree),
          cmocka_unit_test(the_cache_of_files_forgets_what_changed_and_what_does_not_fit),
          cmocka_unit_test(a_fetch_can_be_cancelled_at_any_step))
