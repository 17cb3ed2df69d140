/* SPDX-License-Identifier: MIT
 *
 * Fields of an answer on its way: found, set anew, taken off, added to a list.
 */
#include "tests/web/http_world.h"

static struct peer p;

static void fields(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_null(plait_reply_field_of(req, "X-A").ptr);
    assert_ok(plait_reply_field(req, "X-A", PLAIT_LIT("1")));
    assert_ok(plait_reply_field(req, "X-B", PLAIT_LIT("2")));
    assert_ok(plait_reply_field(req, "x-a", PLAIT_LIT("3")));
    assert_slice(plait_reply_field_of(req, "x-a"), "1");
    assert_ok(plait_reply_field_set(req, "X-A", PLAIT_LIT("4")));
    assert_slice(plait_reply_field_of(req, "X-B"), "2");
    assert_err(plait_reply_field_set(req, "X-B", PLAIT_LIT("a\nb")), PLAIT_EINVAL);
    assert_ok(plait_reply_field_list(req, "Vary", PLAIT_LIT("Accept")));
    assert_ok(plait_reply_field_list(req, "vary", PLAIT_LIT("Cookie")));
    assert_ok(plait_reply_field_list(req, "Vary", PLAIT_LIT("accept")));
    assert_ok(plait_reply_field_set(req, "Star", PLAIT_LIT("*")));
    assert_ok(plait_reply_field_list(req, "Star", PLAIT_LIT("Accept")));
    plait_reply_text(req, 200, "");
}

static void fields_are_found_changed_and_taken_off(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", fields, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "X-A: 4\r\nVary: Accept\r\nvary: Cookie\r\nStar: *\r\n"), 1);
    assert_int_equal(count_of(&p, "X-B"), 0);
    assert_int_equal(count_of(&p, "x-a"), 0);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(fields_are_found_changed_and_taken_off))
