/* SPDX-License-Identifier: MIT
 *
 * Trailers: fields behind a body, by a handler to clients of both versions, and read by ours.
 */
#include "tests/web/client_world.h"
#include "tests/web/http2_peer.h"

static struct h2_peer two;
static struct peer p;

static void piecewise(struct plait_request *req, void *ctx)
{
    const uint64_t *length = ctx;
    assert_ok(plait_reply_trailer(req, "X-First", PLAIT_LIT("1")));
    plait_reply_begin(req, 200, "text/plain", *length);
    plait_reply_write(req, PLAIT_LIT("body"));
    assert_ok(plait_reply_trailer(req, "X-Second", PLAIT_LIT("two words")));
    plait_reply_end(req);
}

static void whole(struct plait_request *req, void *ctx)
{
    assert_ok(plait_reply_trailer(req, "X-First", PLAIT_LIT("1")));
    plait_reply(req, 200, NULL, plait_slice_text(ctx));
}

static void site_open(struct world *w)
{
    static uint64_t known = 4, unknown = PLAIT_LENGTH_UNKNOWN;
    static char body[] = "whole", none[] = "";
    world_open(w);
    assert_ok(plait_resource_get(w->root, "known", piecewise, &known));
    assert_ok(plait_resource_get(w->root, "unknown", piecewise, &unknown));
    assert_ok(plait_resource_get(w->root, "whole", whole, body));
    assert_ok(plait_resource_get(w->root, "empty", whole, none));
    world_serve(w, NULL);
}

static void they_go_behind_the_chunks_of_http1(void **state)
{
    struct world w;
    (void)state;
    site_open(&w);
    ask(&w, &p, "GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "4\r\nbody\r\n0\r\nX-First: 1\r\nX-Second: two words\r\n\r\n");
    ask(&w, &p, "GET /known HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "body");
    ask(&w, &p, "GET /whole HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "whole");
    ask(&w, &p, "GET /unknown HTTP/1.0\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "body");
    ask(&w, &p, "HEAD /unknown HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "");
    ask(&w, &p, "GET /unknown HTTP/1.1\r\nHost: x\r\n\r\nGET /unknown HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "X-First: 1\r\nX-Second: two words\r\n\r\n"), 2); /* each answer its own */
    world_close(&w);
}

static void they_end_the_stream_of_http2(void **state)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {GET_FIELDS("/unknown"), "DATA 1 4\nHEADERS 1 25 x-first=1; x-second=two words; end\n"},
        {GET_FIELDS("/known"), "DATA 1 4\nHEADERS 1 25 x-first=1; x-second=two words; end\n"},
        {GET_FIELDS("/whole"), "DATA 1 5\nHEADERS 1 9 x-first=1; end\n"},
        {GET_FIELDS("/empty"), "content-length=0;\nHEADERS 1 9 x-first=1; end\n"},
        {":method HEAD\n:scheme http\n:path /unknown\n:authority x\n", "content-type=text/plain; end\n"},
    };
    struct world w;
    (void)state;
    site_open(&w);
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        h2_ask(&w, &two, rows[i].request);
        if (!strstr(two.log, rows[i].answer))
            fail_msg("%s", two.log);
        assert_true(two.answer[0].ended);
    }
    world_close(&w);
}

static void try_names(struct plait_request *req, void *ctx)
{
    static const char *const never[] = {"Content-Length", "transfer-encoding", "Content-Type", "Host",
                                        "Trailer",        "Set-Cookie",        "no name",      ""};
    static const char large[8000];
    static char spaces[8000];
    (void)ctx;
    memset(spaces, 'x', sizeof spaces);
    for (size_t i = 0; i < TEST_COUNT(never); i++)
        assert_int_equal(plait_reply_trailer(req, never[i], PLAIT_LIT("1")), PLAIT_EINVAL);
    assert_int_equal(plait_reply_trailer(req, "X-A", PLAIT_LIT("a\r\nX-B: b")), PLAIT_EINVAL);
    assert_int_equal(plait_reply_trailer(req, "X-A", plait_slice_of(large, sizeof large)), PLAIT_EINVAL);
    assert_ok(plait_reply_trailer(req, "X-A", plait_slice_of(spaces, sizeof spaces)));
    assert_int_equal(plait_reply_trailer(req, "X-A", plait_slice_of(spaces, 200)), PLAIT_ELIMIT);
    plait_reply_text(req, 200, "tried");
}

static void what_may_not_stand_there_is_refused(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "try", try_names, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /try HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "tried");
    world_close(&w);
}

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    farm_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n");
    if (farm_asked(head, "/some"))
        farm_say(c, "X-First:1\r\nX-Second: \t two words \r\nX-Third:\r\n");
    farm_say(c, "\r\n");
    return 0;
}

static void the_client_keeps_them(void **state)
{
    struct farm farm;
    struct plait_response *response;
    plait_slice name, value;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    assert_ok(farm_get(&farm, client, "http://server/some", NULL, &response));
    assert_int_equal(plait_response_version(response), 11);
    assert_slice(plait_response_body(response), "body");
    assert_slice(plait_response_trailer(response, "x-first"), "1");
    assert_slice(plait_response_trailer(response, "X-SECOND"), "two words");
    plait_response_trailer_at(response, 2, &name, &value);
    assert_slice(name, "X-Third");
    assert_int_equal(value.len, 0);
    plait_response_trailer_at(response, 3, &name, &value);
    assert_null(name.ptr);
    plait_response_free(&response);
    assert_ok(farm_get(&farm, client, "http://server/none", NULL, &response));
    plait_response_trailer_at(response, 0, &name, &value);
    assert_null(name.ptr);
    plait_response_free(&response);
    assert_int_equal(farm.connections, 1);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void without_memory_for_them_there_is_no_response(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        struct farm farm;
        struct farm_end end = {0};
        farm_open(&farm, answer);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        struct plait_deferred *d = plait_http_fetch(client, "http://server/some", NULL);
        assert_ok(plait_then(d, farm_note_end, &end));
        const uint64_t fails = farm.heap.calls + k;
        farm.heap.fail_at = fails;
        plait_sim_run_for(farm.sim, plait_seconds(100));
        farm.heap.fail_at = 0;
        failed = farm.heap.calls >= fails;
        assert_int_equal(end.ends, 1);
        if (end.response)
            assert_slice(plait_response_trailer(end.response, "X-Second"), "two words");
        plait_response_free(&end.response);
        plait_http_client_free(&client);
        farm_close(&farm);
        assert_true(k < 200);
    }
}

TEST_MAIN(cmocka_unit_test(they_go_behind_the_chunks_of_http1), cmocka_unit_test(they_end_the_stream_of_http2),
          cmocka_unit_test(what_may_not_stand_there_is_refused), cmocka_unit_test(the_client_keeps_them),
          cmocka_unit_test(without_memory_for_them_there_is_no_response))
