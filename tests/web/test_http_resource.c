/* SPDX-License-Identifier: MIT
 *
 * The tree of resources: building it, finding the way in it, methods, and what requests tell their handlers.
 */
#include "tests/web/http_world.h"

#define GET(path) "GET " path " HTTP/1.0\r\n\r\n"

static void say(struct plait_request *req, void *ctx)
{
    plait_reply_text(req, 200, ctx);
}

static void say_rest(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, plait_request_rest(req));
}

static char one[] = "one", two[] = "two", three[] = "three", any[] = "any";

static void expect(struct world *w, const char *request, int status, const char *body)
{
    struct peer p;
    ask(w, &p, request);
    if (status_of(&p) != status || (body && strcmp(body_of(&p), body) != 0))
        fail_msg("%s gave %s", request, p.got);
}

static void paths_lead_to_resources(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *leaf = plait_resource_new(w.r);
    plait_resource_leaf(leaf);
    assert_ok(plait_resource_get(leaf, "", say_rest, NULL));
    assert_ok(plait_resource_get(leaf, "fixed", say, two));
    assert_ok(plait_resource_get(w.root, "", say, one));
    assert_ok(plait_resource_get(w.root, "/a/b", say, two));
    assert_ok(plait_resource_get(w.root, "a", say, three));
    assert_ok(plait_resource_mount(w.root, "files/all", leaf));
    world_serve(&w, NULL);
    expect(&w, GET("/"), 200, "one");
    expect(&w, GET("/?x"), 200, "one");
    expect(&w, GET("/a"), 200, "three");
    expect(&w, GET("/a/b"), 200, "two");
    expect(&w, GET("/a/%62"), 200, "two");
    expect(&w, GET("/x/../a/./b?q"), 200, "two");
    expect(&w, GET("http://h/a/b"), 200, "two");
    expect(&w, GET("HTTPS://h"), 200, "one");
    expect(&w, GET("http://h?q"), 200, "one");
    expect(&w, GET("/a/"), 404, NULL);
    expect(&w, GET("//a"), 404, NULL);
    expect(&w, GET("/a/b/c"), 404, NULL);
    expect(&w, GET("/b"), 404, NULL);
    expect(&w, GET("/files"), 404, NULL);
    expect(&w, GET("/files/all"), 200, "");
    expect(&w, GET("/files/all/"), 200, "");
    expect(&w, GET("/files/all/x/y%20z/"), 200, "x/y z/");
    expect(&w, GET("/files/all/fixed"), 200, "two");
    world_close(&w);
}

static void methods_have_handlers(void **state)
{
    struct world w;
    struct peer p;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "a", say, one));
    assert_ok(plait_resource_on(w.root, "PUT", "a", say, two));
    assert_ok(plait_resource_on(w.root, "HEAD", "h", say, one));
    assert_ok(plait_resource_on(w.root, "*", "any", say, any));
    world_serve(&w, NULL);
    expect(&w, "PUT /a HTTP/1.0\r\n\r\n", 200, "two");
    expect(&w, "DELETE /a HTTP/1.0\r\n\r\n", 405, NULL);
    expect(&w, "BREW /a HTTP/1.0\r\n\r\n", 501, NULL);
    expect(&w, "BREW /any HTTP/1.0\r\n\r\n", 200, "any");
    expect(&w, "GET /h HTTP/1.0\r\n\r\n", 405, NULL);
    ask(&w, &p, "DELETE /a HTTP/1.0\r\n\r\n");
    assert_int_equal(count_of(&p, "Allow: GET, PUT, HEAD, OPTIONS\r\n"), 1);
    ask(&w, &p, "OPTIONS /h HTTP/1.0\r\n\r\n");
    assert_int_equal(status_of(&p), 204);
    assert_int_equal(count_of(&p, "Allow: HEAD, OPTIONS\r\n"), 1);
    assert_int_equal(count_of(&p, "Content-Length"), 0);
    ask(&w, &p, "OPTIONS * HTTP/1.0\r\n\r\n");
    assert_int_equal(status_of(&p), 204);
    assert_int_equal(count_of(&p, "Allow: GET, HEAD, OPTIONS\r\n"), 1);
    world_close(&w);
}

static struct plait_resource *make_child(struct plait_request *req, plait_slice segment, void *ctx)
{
    (void)ctx;
    if (segment.len > 3)
        return NULL;
    struct plait_resource *child = plait_resource_new(plait_request_reactor(req));
    plait_resource_dynamic(child, make_child, NULL);
    assert_ok(plait_resource_get(child, "", say, two));
    return child;
}

static void children_can_be_made_as_they_are_asked_for(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    plait_resource_dynamic(w.root, make_child, NULL);
    assert_ok(plait_resource_get(w.root, "fix", say, one));
    world_serve(&w, NULL);
    expect(&w, GET("/fix"), 200, "one");
    expect(&w, GET("/a"), 200, "two");
    expect(&w, GET("/a/b/c/d/e/f/g/h"), 200, "two");
    expect(&w, GET("/a/b/c/d/e/f/g/h/i"), 404, NULL);
    expect(&w, GET("/abcd"), 404, NULL);
    world_close(&w);
}

static void a_mounted_resource_takes_the_place_of_another(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "a/b", say, one));
    struct plait_resource *fresh = plait_resource_new(w.r);
    assert_ok(plait_resource_get(fresh, "", say, two));
    assert_ok(plait_resource_mount(w.root, "a", fresh));
    assert_ok(plait_resource_get(w.root, "m", say, one));
    assert_ok(plait_resource_get(w.root, "m", say, three));
    for (int i = 0; i < 40; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_ok(plait_resource_get(w.root, name, say, one));
    }
    world_serve(&w, NULL);
    expect(&w, GET("/a"), 200, "two");
    expect(&w, GET("/a/b"), 404, NULL);
    expect(&w, GET("/m"), 200, "three");
    expect(&w, GET("/n0"), 200, "one");
    expect(&w, GET("/n39"), 200, "one");
    world_close(&w);
}

static void freed(void *ctx)
{
    ++*(int *)ctx;
}

static void a_resource_owns_one_object(void **state)
{
    struct world w;
    int count = 0;
    (void)state;
    world_open(&w);
    struct plait_resource *other = plait_resource_ref(w.root);
    assert_ok(plait_resource_own(w.root, &count, freed));
    assert_err(plait_resource_own(w.root, &count, freed), PLAIT_ESTATE);
    plait_resource_unref(&w.root);
    assert_int_equal(count, 0);
    plait_resource_unref(&other);
    assert_null(other);
    assert_int_equal(count, 1);
    world_close(&w);
}

static void failures_of_building_are_kept(void **state)
{
    static const char *const paths[] = {"a//b", "a/", "/", "..", "a/./b", "//"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        struct world w;
        world_open(&w);
        assert_ok(plait_resource_get(w.root, "ok", say, one));
        if (strcmp(paths[i], "/") != 0)
            assert_err(plait_resource_get(w.root, paths[i], say, one), PLAIT_EINVAL);
        assert_err(plait_resource_mount(w.root, paths[i], plait_resource_new(w.r)), PLAIT_EINVAL);
        assert_null(plait_http(w.root));
        world_close(&w);
    }
    struct world w;
    world_open(&w);
    assert_err(plait_resource_on(w.root, "G T", "a", say, one), PLAIT_EINVAL);
    assert_err(plait_resource_mount(w.root, "a", NULL), PLAIT_ENOMEM);
    assert_err(plait_resource_mount(w.root, "", plait_resource_new(w.r)), PLAIT_EINVAL);
    assert_err(plait_resource_get(NULL, "a", say, one), PLAIT_ENOMEM);
    assert_err(plait_resource_mount(NULL, "a", plait_resource_new(w.r)), PLAIT_ENOMEM);
    plait_resource_leaf(NULL);
    plait_resource_dynamic(NULL, make_child, NULL);
    assert_null(plait_resource_ref(NULL));
    assert_null(plait_http(NULL));
    plait_resource_unref(&w.root);
    world_close(&w);
}

static void a_failed_child_fails_the_whole(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *child = plait_resource_new(w.r);
    assert_err(plait_resource_get(child, "..", say, one), PLAIT_EINVAL);
    assert_ok(plait_resource_mount(w.root, "a", child));
    assert_null(plait_http(w.root));
    world_close(&w);
}

static void too_many_methods_are_refused(void **state)
{
    static const char *const names[] = {"A", "B", "C", "D", "E", "F", "G", "H", "I",
                                        "J", "K", "L", "M", "N", "O", "P", "Q"};
    struct world w;
    (void)state;
    world_open(&w);
    for (size_t i = 0; i < TEST_COUNT(names); i++)
        assert_err(plait_resource_on(w.root, names[i], "", say, one), i < 16 ? PLAIT_OK : PLAIT_ELIMIT);
    plait_resource_unref(&w.root);
    world_close(&w);
}

static void a_tree_survives_any_lack_of_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct world w;
        world_open(&w);
        w.heap.fail_at = w.heap.calls + n;
        plait_err err = plait_resource_get(w.root, "a/b/c", say, one);
        if (!err)
            err = plait_resource_mount(w.root, "d/e", plait_resource_new(w.r));
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        plait_resource_unref(&w.root);
        world_close(&w);
    }
}

static void check_request(struct plait_request *req, void *ctx)
{
    plait_slice name, value;
    assert_slice(plait_request_method(req), "GET");
    assert_slice(plait_request_target(req), "/a%62c/x?k=1&n%61me=v+1%21&bad=%zz&long=y&k=2");
    assert_slice(plait_request_path(req), "/abc/x");
    assert_slice(plait_request_rest(req), "x");
    assert_slice(plait_request_query(req), "k=1&n%61me=v+1%21&bad=%zz&long=y&k=2");
    assert_slice(plait_request_host(req), "h:80");
    assert_slice(plait_request_field(req, "accept"), "*/*");
    assert_null(plait_request_field(req, "nothing").ptr);
    assert_int_equal(plait_request_field_count(req), 3);
    plait_request_field_at(req, 1, &name, &value);
    assert_slice(name, "ACCEPT");
    assert_slice(value, "*/*");
    plait_request_field_at(req, 3, &name, &value);
    assert_null(name.ptr);
    assert_int_equal(plait_request_version(req), 11);
    assert_int_equal(plait_request_length(req), 0);
    assert_null(plait_request_tls(req));
    assert_true(plait_request_arg(req, "k", &value));
    assert_slice(value, "1");
    assert_true(plait_request_arg(req, "name", &value));
    assert_slice(value, "v 1!");
    assert_false(plait_request_arg(req, "bad", &value));
    assert_false(plait_request_arg(req, "absent", &value));
    uint8_t *small = plait_request_memory(req, 10), *big = plait_request_memory(req, 100000);
    assert_non_null(small);
    assert_non_null(big);
    assert_null(plait_request_memory(req, SIZE_MAX - 1));
    memset(big, 1, 100000);
    ++*(int *)ctx;
    plait_reply_text(req, 200, "");
}

static void a_request_tells_all_about_itself(void **state)
{
    struct world w;
    struct peer p;
    int count = 0;
    (void)state;
    world_open(&w);
    struct plait_resource *leaf = plait_resource_new(w.r);
    plait_resource_leaf(leaf);
    assert_ok(plait_resource_get(leaf, "", check_request, &count));
    assert_ok(plait_resource_mount(w.root, "abc", leaf));
    world_serve(&w, NULL);
    ask(&w, &p,
        "GET /a%62c/x?k=1&n%61me=v+1%21&bad=%zz&long=y&k=2 HTTP/1.1\r\nHost: h:80\r\nACCEPT: */*\r\nB: c\r\n\r\n");
    assert_int_equal(count, 1);
    world_close(&w);
}

static void a_long_head_is_kept_too(void **state)
{
    struct world w;
    struct peer p;
    static char text[12000];
    (void)state;
    world_open(&w);
    struct plait_resource *leaf = plait_resource_new(w.r);
    plait_resource_leaf(leaf);
    assert_ok(plait_resource_get(leaf, "", say_rest, NULL));
    assert_ok(plait_resource_mount(w.root, "l", leaf));
    world_serve(&w, NULL);
    (void)snprintf(text, sizeof(text), "GET /l/%%61%07000d HTTP/1.0\r\nA: %04000d\r\n\r\n", 1, 2);
    ask(&w, &p, text);
    assert_int_equal(status_of(&p), 200);
    assert_int_equal(strlen(body_of(&p)), 7001);
    assert_memory_equal(body_of(&p), "a000", 4);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(paths_lead_to_resources), cmocka_unit_test(methods_have_handlers),
          cmocka_unit_test(children_can_be_made_as_they_are_asked_for),
          cmocka_unit_test(a_mounted_resource_takes_the_place_of_another), cmocka_unit_test(a_resource_owns_one_object),
          cmocka_unit_test(failures_of_building_are_kept), cmocka_unit_test(a_failed_child_fails_the_whole),
          cmocka_unit_test(too_many_methods_are_refused), cmocka_unit_test(a_tree_survives_any_lack_of_memory),
          cmocka_unit_test(a_request_tells_all_about_itself), cmocka_unit_test(a_long_head_is_kept_too))
