/* SPDX-License-Identifier: MIT
 *
 * Sessions: found again by their cookie, over in time, bounded in number, renamed when somebody logs in.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"

#include <plait/testing.h>

static struct peer p;
static struct plait_sessions *sessions;
static int destroyed;
static char cookie[100];

static void count_destroyed(void *ptr)
{
    (void)ptr;
    destroyed++;
}

static void act(struct plait_request *req, void *ctx)
{
    struct plait_session *s = plait_session_find(sessions, req);
    plait_slice what = plait_request_rest(req);
    plait_err err = PLAIT_OK;
    (void)ctx;
    if (plait_slice_equal(what, PLAIT_LIT("start"))) {
        err = plait_session_start(sessions, req, &s);
        if (err == PLAIT_OK)
            plait_session_set(s, plait_value_ptr(&destroyed, count_destroyed));
    } else if (plait_slice_equal(what, PLAIT_LIT("renew"))) {
        err = plait_session_renew(s, req);
    } else if (plait_slice_equal(what, PLAIT_LIT("set"))) {
        plait_session_set(s, plait_value_ptr(cookie, NULL));
    } else if (plait_slice_equal(what, PLAIT_LIT("end"))) {
        plait_session_end(&s, req);
        plait_session_end(&s, req);
    }
    plait_reply_text(req, 200,
                     err                                ? plait_err_name(err)
                     : !s                               ? "none"
                     : plait_session_value(s) == cookie ? "set"
                                                        : "there");
}

static const char *go(struct world *w, const char *what)
{
    char text[300];
    (void)snprintf(text, sizeof(text), "GET /%s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", what, cookie);
    ask(w, &p, text);
    const char *set = strstr(p.got, "Set-Cookie: ");
    if (set) {
        const size_t len = strcspn(set + 12, ";");
        memcpy(cookie, set + 12, len);
        cookie[len] = 0;
    }
    return body_of(&p);
}

static struct plait_testbed *bed;

static void store_open(struct world *w, const struct plait_sessions_options *options)
{
    memset(w, 0, sizeof(*w));
    bed = plait_testbed_new(1);
    w->r = plait_testbed_reactor(bed);
    w->root = plait_resource_new(w->r);
    plait_resource_leaf(w->root);
    assert_ok(plait_resource_get(w->root, "", act, NULL));
    sessions = plait_sessions_new(w->r, options);
    assert_non_null(sessions);
    world_serve(w, NULL);
    destroyed = 0;
    cookie[0] = 0;
}

static void store_close(struct world *w)
{
    plait_sessions_free(&sessions);
    assert_null(sessions);
    plait_sessions_free(&sessions);
    plait__http_service_unref(w->service);
    plait_sim_check_end(plait_testbed_sim(bed));
    assert_null(plait_sim_failure(plait_testbed_sim(bed)));
    plait_testbed_free(&bed);
}

static void a_session_is_found_again(void **state)
{
    char before[100];
    struct world w;
    (void)state;
    store_open(&w, NULL);
    assert_string_equal(go(&w, "look"), "none");
    assert_string_equal(go(&w, "start"), "there");
    assert_int_equal(count_of(&p, "; Path=/; Secure; HttpOnly; SameSite=Lax\r\n"), 1);
    assert_int_equal(strlen(cookie), sizeof("__Host-session=") - 1 + 32);
    assert_string_equal(go(&w, "look"), "there");
    assert_string_equal(go(&w, "set"), "set");
    assert_int_equal(destroyed, 1);
    assert_string_equal(go(&w, "look"), "set");
    memcpy(before, cookie, sizeof(before));
    assert_string_equal(go(&w, "renew"), "set");
    assert_string_not_equal(before, cookie);
    assert_string_equal(go(&w, "look"), "set");
    assert_int_equal(plait_sessions_count(sessions), 1);
    memcpy(cookie, before, sizeof(before));
    assert_string_equal(go(&w, "look"), "none");
    (void)go(&w, "start");
    assert_string_equal(go(&w, "end"), "none");
    assert_int_equal(count_of(&p, "__Host-session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; "), 1);
    assert_int_equal(destroyed, 2);
    assert_int_equal(plait_sessions_count(sessions), 1);
    cookie[0] = 0;
    (void)snprintf(cookie, sizeof(cookie), "__Host-session=short");
    assert_string_equal(go(&w, "look"), "none");
    store_close(&w);
}

static void a_session_ends_in_time(void **state)
{
    struct world w;
    const struct plait_sessions_options options = {
        .idle = plait_seconds(10), .life = plait_seconds(25), .in_the_clear = true};
    (void)state;
    store_open(&w, &options);
    (void)go(&w, "start");
    assert_int_equal(count_of(&p, "Secure"), 0);
    assert_int_equal(strncmp(cookie, "session=", 8), 0);
    for (int i = 0; i < 2; i++) {
        plait_testbed_advance(bed, plait_seconds(10) - 1);
        assert_string_equal(go(&w, "look"), "there");
    }
    plait_testbed_advance(bed, plait_seconds(6)); /* it lived for too long */
    assert_int_equal(plait_sessions_count(sessions), 1);
    assert_string_equal(go(&w, "look"), "none");
    assert_int_equal(destroyed, 1);
    /* idle ones go by themselves */
    (void)go(&w, "start");
    plait_testbed_advance(bed, plait_seconds(5));
    cookie[0] = 0;
    (void)go(&w, "start");
    plait_testbed_advance(bed, plait_seconds(6));
    assert_int_equal(plait_sessions_count(sessions), 1);
    plait_testbed_advance(bed, plait_seconds(6));
    assert_int_equal(plait_sessions_count(sessions), 0);
    store_close(&w);
    const struct plait_sessions_options for_ever = {.idle = PLAIT_NEVER, .life = PLAIT_NEVER};
    store_open(&w, &for_ever);
    (void)go(&w, "start");
    plait_testbed_advance(bed, plait_seconds(100000000));
    assert_int_equal(plait_sessions_count(sessions), 1);
    store_close(&w);
}

static void there_are_not_too_many(void **state)
{
    char kept[100];
    struct world w;
    const struct plait_sessions_options options = {.most = 3, .cookie = "s", .in_the_clear = true};
    (void)state;
    store_open(&w, &options);
    (void)go(&w, "start");
    memcpy(kept, cookie, sizeof(kept));
    (void)go(&w, "start");
    (void)go(&w, "start");
    assert_int_equal(destroyed, 0);
    memcpy(cookie, kept, sizeof(kept));
    assert_string_equal(go(&w, "look"), "there"); /* now the second was used longest ago */
    (void)go(&w, "start");
    assert_int_equal(destroyed, 1);
    assert_int_equal(plait_sessions_count(sessions), 3);
    memcpy(cookie, kept, sizeof(kept));
    assert_string_equal(go(&w, "look"), "there");
    store_close(&w);
}

/* --- what fails --------------------------------------------------------------------------------------------------- */

static bool no_random;

static ssize_t maybe_random(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    return no_random ? -EIO : plait__sys_kernel()->ops->getrandom(plait__sys_kernel(), buf, len);
}

static void nothing_is_started_by_half(void **state)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    static struct plait_sys_ops ops;
    struct plait_sys sys = {.ops = &ops};
    struct world w;
    (void)state;
    ops = *plait__sys_kernel()->ops;
    ops.getrandom = maybe_random;
    test_heap_init(&w.heap, 0);
    const struct plait_reactor_options options = {.sys = &sys, .allocator = &w.heap.allocator, .log = &quiet};
    const struct plait_sessions_options wrong = {.cookie = "no name", .in_the_clear = true};
    w.r = plait_reactor_new(&options);
    w.root = plait_resource_new(w.r);
    plait_resource_leaf(w.root);
    assert_ok(plait_resource_get(w.root, "", act, NULL));
    w.heap.fail_at = w.heap.calls + 1;
    assert_null(plait_sessions_new(w.r, NULL));
    sessions = plait_sessions_new(w.r, NULL);
    world_serve(&w, NULL);
    cookie[0] = 0;
    no_random = true;
    assert_string_equal(go(&w, "start"), "EIO");
    no_random = false;
    struct plait_request *req = plait__request_new(w.service);
    struct plait_session *s;
    for (uint64_t k = 1; k < 4; k++) {
        w.heap.fail_at = w.heap.calls + k;
        assert_err(plait_session_start(sessions, req, &s), PLAIT_ENOMEM);
        assert_null(s);
    }
    plait__request_free(req);
    assert_int_equal(plait_sessions_count(sessions), 0);
    (void)go(&w, "start");
    no_random = true;
    assert_string_equal(go(&w, "renew"), "EIO");
    no_random = false;
    plait_sessions_free(&sessions);
    sessions = plait_sessions_new(w.r, &wrong);
    assert_string_equal(go(&w, "start"), "EINVAL");
    assert_int_equal(plait_sessions_count(sessions), 0);
    plait_sessions_free(&sessions);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_session_is_found_again), cmocka_unit_test(a_session_ends_in_time),
          cmocka_unit_test(there_are_not_too_many), cmocka_unit_test(nothing_is_started_by_half))
