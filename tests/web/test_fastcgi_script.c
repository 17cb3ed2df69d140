/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/fastcgi_script.c: which script a path names, and who answers where it names none.
 */
#include "tests/web/fcgi_site.h"

#include <plait/web.h>

#include <errno.h>

/* Says which file it is asked for, under which name, and what is left. */
static void tell_script(struct app_conn *c, bool input)
{
    if (!input)
        return;
    app_say(c, PLAIT_LIT("Content-Type: text/plain\n\n"));
    app_say(c, app_var(c, "SCRIPT_FILENAME"));
    app_say(c, PLAIT_LIT(" "));
    app_say(c, app_var(c, "SCRIPT_NAME"));
    app_say(c, PLAIT_LIT(" "));
    app_say(c, app_var(c, "PATH_INFO"));
    app_end(c, 0, 0);
}

static void file(const char *path)
{
    assert_ok(plait_host_write_file(w.server, path, "text", 4));
}

/* A site of scripts at the root and at /f. */
static void open_site(const struct plait_fastcgi_options *options)
{
    struct plait_fastcgi_options o = *options;
    struct plait_resource *files;
    open_world();
    app_start(tell_script, NULL);
    file("/srv/index.php");
    file("/srv/page.php");
    file("/srv/plain.txt");
    file("/srv/.hidden.php");
    file("/srv/sub/page.php");
    file("/srv/sub/evil.jpg");
    file("/srv/full/index.php");
    file("/srv/odd.php/inside.php");
    o.root = "/srv/";
    mount("f", &o);
    assert_ok(plait_files_new(w.r, "/srv", NULL, &files));
    o.others = files;
    mount("g", &o);
    plait_resource_unref(&files);
    gw_serve(&w);
}

struct path_case {
    const char *request;
    int status;
    const char *told;
};

static void each_is(const struct path_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ask(&w, &v, cases[i].request) != cases[i].status)
            fail_msg("%s: %d", cases[i].request, status_of(&v));
        if (cases[i].told && strcmp(body_of(&v), cases[i].told) != 0)
            fail_msg("%s: %s", cases[i].request, body_of(&v));
    }
}

static void a_path_names_a_script(void **state)
{
    static const struct path_case cases[] = {
        {GET("/f/page.php"), 200, "/srv/page.php /f/page.php "},
        {GET("/f/page.php/"), 200, "/srv/page.php /f/page.php /"},
        {GET("/f/page.php/a/b.php"), 200, "/srv/page.php /f/page.php /a/b.php"},
        {GET("/f/sub/page.php?x=y"), 200, "/srv/sub/page.php /f/sub/page.php "},
        {GET("/f/"), 200, "/srv/index.php /f/index.php "},
        {GET("/f/full/"), 200, "/srv/full/index.php /f/full/index.php "},
        {GET("/f/odd.php/inside.php"), 200, "/srv/odd.php/inside.php /f/odd.php/inside.php "},
        {GET("/f/sub/../page.php"), 200, "/srv/page.php /f/page.php "},
        {GET("/f"), 404, NULL},
        {GET("/f/full"), 404, NULL},
        {GET("/f/sub/"), 404, NULL},
        {GET("/f/none.php"), 404, NULL},
        {GET("/f/plain.txt"), 404, NULL},
        {GET("/f/.hidden.php"), 404, NULL},
        {GET("/f/sub/evil.jpg/x.php"), 404, NULL},
        {GET("/f/sub//page.php"), 404, NULL},
        {GET("/f/page.php%00.jpg"), 400, NULL},
    };
    static const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_site(&options);
    each_is(cases, TEST_COUNT(cases));
    gw_close(&w);
}

static void what_names_no_script_is_for_others(void **state)
{
    static const struct path_case cases[] = {
        {GET("/g/page.php"), 200, "/srv/page.php /g/page.php "},
        {GET("/g/"), 200, "/srv/index.php /g/index.php "},
        {GET("/g/plain.txt"), 200, "text"},
        {GET("/g/none.php"), 404, NULL},
        {GET("/g/.hidden.php"), 404, NULL},
        {GET("/g/full"), 301, NULL},
        {GET("/g/sub/evil.jpg/x.php"), 404, NULL},
    };
    static const struct plait_fastcgi_options options = {.keep = 1};
    (void)state;
    open_site(&options);
    each_is(cases, TEST_COUNT(cases));
    gw_close(&w);
}

static void a_front_script_gets_what_names_nothing(void **state)
{
    static const struct path_case cases[] = {
        {GET("/g/article/7"), 200, "/srv/page.php /g/page.php "},
        {GET("/g/.hidden.php"), 200, "/srv/page.php /g/page.php "},
        {GET("/g/plain.txt"), 200, "text"},
        {GET("/g/sub/page.php"), 200, "/srv/sub/page.php /g/sub/page.php "},
        {GET("/g/"), 200, "/srv/index.php /g/index.php "},
    };
    static const struct plait_fastcgi_options options = {.front = "page.php"}, none = {.front = "none.php"};
    (void)state;
    open_site(&options);
    each_is(cases, TEST_COUNT(cases));
    gw_close(&w);
    open_site(&none);
    assert_int_equal(ask(&w, &v, GET("/f/article/7")), 404);
    gw_close(&w);
}

static void any_file_may_be_a_script(void **state)
{
    static const struct plait_fastcgi_options options = {.suffix = ""};
    (void)state;
    open_site(&options);
    assert_int_equal(ask(&w, &v, GET("/f/plain.txt/more")), 200);
    assert_string_equal(body_of(&v), "/srv/plain.txt /f/plain.txt /more");
    gw_close(&w);
}

static void what_can_not_be_looked_at_is_told_apart(void **state)
{
    static const struct plait_fastcgi_options options = {.keep = 1};
    struct plait_sim_rule rule = {.call = "fstatat", .nth = 1, .os_errno = EACCES};
    (void)state;
    open_site(&options);
    rule.host = w.server;
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_int_equal(ask(&w, &v, GET("/g/page.php")), 403);
    rule.os_errno = EIO;
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_int_equal(ask(&w, &v, GET("/g/page.php")), 503);
    gw_close(&w);
}

/* Leaves a request no memory of its own. */
static void eat(struct plait_request *req, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 8; i++)
        (void)!plait_request_memory(req, 64);
    plait_request_pass(req);
}

static const struct plait_layer eater = {.name = "eater", .request = eat};

static void a_request_without_memory_is_503(void **state)
{
    static const struct plait_fastcgi_options options = {.keep = 1};
    static const char *const requests[] = {GET("/f/page.php"), GET("/a/x")};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(requests); i++) {
        int status = 0;
        for (uint64_t k = 1; status != 200; k++) {
            open_site(&options);
            mount("a", NULL);
            assert_ok(plait_resource_wrap(w.root, &eater, NULL));
            visit(&w, &v, requests[i]);
            w.heap.fail_at = w.heap.calls + k;
            plait_sim_run_while(w.sim, plait_seconds(100), visitor_waits, &v);
            w.heap.fail_at = 0;
            status = status_of(&v);
            assert_true(status == 200 || status == 503 || status == 0);
            if (v.stream)
                plait_abort(v.stream);
            gw_close(&w);
            assert_true(k < 300);
        }
    }
}

TEST_MAIN(cmocka_unit_test(a_path_names_a_script), cmocka_unit_test(what_names_no_script_is_for_others),
          cmocka_unit_test(a_front_script_gets_what_names_nothing), cmocka_unit_test(any_file_may_be_a_script),
          cmocka_unit_test(what_can_not_be_looked_at_is_told_apart), cmocka_unit_test(a_request_without_memory_is_503))
