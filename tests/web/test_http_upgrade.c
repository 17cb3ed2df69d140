/* SPDX-License-Identifier: MIT
 *
 * Another protocol on a request's connection: the answer 101, what came behind the request, and everything that keeps
 * it from happening.
 */
#include "tests/web/http_world.h"

static struct world w;
static struct peer p;
static struct plait_request *kept;
static struct plait_stream *given;
static char heard[70000];
static size_t heard_len;
static unsigned lost;
static int logged;

#define UPGRADE "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: other, shout/1\r\n\r\n"
#define ASK "GET /now HTTP/1.1\r\n" UPGRADE
#define OLD "GET /later HTTP/1.0\r\n" UPGRADE

static size_t shout_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    assert_true(in.len <= sizeof heard - heard_len);
    memcpy(heard + heard_len, in.ptr, in.len);
    heard_len += in.len;
    plait_write(s, PLAIT_LIT("!"));
    return in.len;
}

static void shout_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    (void)self;
    lost++;
}

static const struct plait_protocol shout = {.name = "shout", .data = shout_data, .lost = shout_lost};

static void upgrade(struct plait_request *req)
{
    assert_true(plait_request_upgrade_offered(req, "shout/1"));
    assert_ok(plait_reply_field(req, "X-Mood", PLAIT_LIT("loud")));
    assert_ok(plait_request_upgrade(req, "shout/1", &given));
    plait_stream_attach(given, &shout, NULL);
}

static void now(struct plait_request *req, void *ctx)
{
    (void)ctx;
    upgrade(req);
}

static void later(struct plait_request *req, void *ctx)
{
    (void)ctx;
    kept = req;
}

static void whole_body(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    assert_slice(body, "body");
    upgrade(req);
}

static void after_body(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_err(plait_request_upgrade(req, "shout/1", &given), PLAIT_ESTATE);
    assert_ok(plait_request_collect(req, 100, whole_body, NULL));
}

static void note(const struct plait_http_access *access, void *ctx)
{
    (void)ctx;
    logged = access->complete ? access->status : 0;
}

static void begin(void)
{
    static const struct plait_http_options options = {.log = note};
    kept = NULL;
    given = NULL;
    heard_len = 0;
    lost = 0;
    logged = 0;
    memset(heard, 0, sizeof heard);
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "now", now, NULL));
    assert_ok(plait_resource_get(w.root, "later", later, NULL));
    assert_ok(plait_resource_on(w.root, "POST", "body", after_body, NULL));
    world_serve(&w, &options);
    peer_open(&w, &p);
}

static void end(void)
{
    peer_close(&w, &p);
    world_close(&w);
}

static void a_connection_goes_on_in_another_protocol(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, ASK);
    assert_memory_equal(p.got, "HTTP/1.1 101 Switching Protocols\r\nServer: plait\r\nDate: ", 55);
    assert_non_null(strstr(p.got, " GMT\r\nConnection: Upgrade\r\nUpgrade: shout/1\r\nX-Mood: loud\r\n\r\n"));
    assert_int_equal(logged, 101);
    assert_int_equal(w.service->refs, 1); /* the connection's object is gone */
    peer_send(&w, &p, "hey");
    assert_string_equal(heard, "hey");
    assert_string_equal(body_of(&p), "!");
    end();
    assert_int_equal(lost, 1);
}

static void what_came_behind_the_request_is_the_streams(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, ASK "hey you");
    assert_string_equal(heard, "hey you");
    end();
    begin();
    for (const char *c = ASK "hey"; *c; c++) {
        const char one[2] = {*c, 0};
        peer_send(&w, &p, one);
    }
    assert_string_equal(heard, "hey");
    end();
}

static void a_handler_may_upgrade_later(void **state)
{
    static char much[60000];
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    memset(much, 'x', sizeof much - 1);
    peer_send(&w, &p, much); /* so much that the connection is not read any more */
    assert_non_null(kept);
    upgrade(kept);
    spin(&w);
    assert_int_equal(heard_len, sizeof much - 1);
    end();
}

static void a_body_must_be_read_before(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "POST /body HTTP/1.1\r\nContent-Length: 4\r\n" UPGRADE "bodyhey");
    assert_int_equal(status_of(&p), 101);
    assert_string_equal(heard, "hey");
    end();
}

/* What comes before there is a protocol waits for it. */
static void a_protocol_may_come_late(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    assert_ok(plait_request_upgrade(kept, "shout/1", &given));
    peer_send(&w, &p, "hey");
    plait_stream_attach(given, &shout, NULL);
    spin(&w);
    assert_string_equal(heard, "hey");
    end();
}

static void it_takes_an_offer(void **state)
{
    static const char *const asked[] = {
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: x\r\nUpgrade: shout/1\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n",
        OLD,
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(asked); i++) {
        begin();
        peer_send(&w, &p, asked[i]);
        assert_false(plait_request_upgrade_offered(kept, "shout/1"));
        assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_EINVAL);
        plait_reply_text(kept, 200, "as it was");
        spin(&w);
        assert_int_equal(status_of(&p), 200);
        assert_string_equal(body_of(&p), "as it was");
        end();
    }
}

static void an_answer_that_began_can_not_be_upgraded(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    plait_reply_begin(kept, 200, NULL, 0);
    assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_ESTATE);
    plait_reply_end(kept);
    end();
}

static void a_client_that_left_can_not_be_upgraded(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    plait_close_write(p.stream);
    spin(&w);
    assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_ECLOSED);
    peer_close(&w, &p);
    assert_false(plait_request_upgrade_offered(kept, "shout/1"));
    assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_ECLOSED);
    plait_request_drop(kept);
    world_close(&w);
}

static void a_service_that_drains_does_not_upgrade(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    ((struct plait__http_conn *)kept->carrier)->flags |= PLAIT__HC_DRAINING;
    assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_EDRAINING);
    plait_reply_text(kept, 503, "later");
    end();
}

static void without_memory_a_request_is_as_it_was(void **state)
{
    (void)state;
    begin();
    peer_send(&w, &p, "GET /later HTTP/1.1\r\n" UPGRADE);
    plait_buf_deinit(&w.service->web->scratch);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_request_upgrade(kept, "shout/1", &given), PLAIT_ENOMEM);
    w.heap.fail_at = 0;
    upgrade(kept);
    spin(&w);
    assert_int_equal(status_of(&p), 101);
    end();
}

TEST_MAIN(cmocka_unit_test(a_connection_goes_on_in_another_protocol),
          cmocka_unit_test(what_came_behind_the_request_is_the_streams), cmocka_unit_test(a_handler_may_upgrade_later),
          cmocka_unit_test(a_body_must_be_read_before), cmocka_unit_test(a_protocol_may_come_late),
          cmocka_unit_test(it_takes_an_offer), cmocka_unit_test(an_answer_that_began_can_not_be_upgraded),
          cmocka_unit_test(a_client_that_left_can_not_be_upgraded),
          cmocka_unit_test(a_service_that_drains_does_not_upgrade),
          cmocka_unit_test(without_memory_a_request_is_as_it_was))
