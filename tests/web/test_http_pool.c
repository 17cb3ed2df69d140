/* SPDX-License-Identifier: MIT
 *
 * The client's connections: used again, limited, waited for, closed when nobody wants them, and never given a request
 * whose answer could be another's.
 */
#include "tests/web/client_world.h"

#include "web/http_client_core.h"

#include <plait/tls.h>

/* Answers by path: most with the path itself. */
static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    if (farm_asked(head, "/hold"))
        return 0;
    if (farm_asked(head, "/shut") || (farm_asked(head, "/second") && c->requests == 2)) {
        plait_close(c->stream);
        return 0;
    }
    if (farm_asked(head, "/partly") && c->requests == 2) {
        farm_say(c, "HTTP/1.1 2");
        plait_close(c->stream);
        return 0;
    }
    if (farm_asked(head, "/ten"))
        farm_say(c, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nten");
    else if (farm_asked(head, "/ten-last"))
        farm_say(c, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nten");
    else if (farm_asked(head, "/last"))
        farm_say(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast");
    else if (farm_asked(head, "/more"))
        farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmoreHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    else if (farm_asked(head, "/chunked"))
        farm_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nchunked\r\n0\r\n\r\n");
    else if (farm_asked(head, "/away"))
        farm_say(c, "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 4\r\n\r\naway");
    else if (farm_asked(head, "/away-open"))
        farm_say(c, "HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\nendless");
    else if (farm_asked(head, "/away-broken"))
        farm_say(c, "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 9\r\n\r\nbro");
    else if (farm_asked(head, "/away-long"))
        farm_say(c, "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 99999999\r\n\r\n");
    else if (!farm_asked(head, "/silence"))
        farm_echo(c, head);
    if (farm_asked(head, "/away-broken"))
        plait_close(c->stream);
    return 0;
}

static void expect(struct farm *farm, struct plait_http_client *client, const char *path, const char *body)
{
    char url[100];
    struct plait_response *response;
    (void)snprintf(url, sizeof url, "http://server%s", path);
    assert_ok(farm_get(farm, client, url, NULL, &response));
    assert_slice(plait_response_body(response), body);
    plait_response_free(&response);
}

static struct plait_http_client_counts look(const struct plait_http_client *client)
{
    struct plait_http_client_counts counts;
    plait_http_client_look(client, &counts);
    return counts;
}

static void a_connection_is_used_again_and_closed_when_idle(void **state)
{
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    expect(&farm, client, "/a", "/a");
    expect(&farm, client, "/chunked", "chunked");
    expect(&farm, client, "/ten", "ten");
    expect(&farm, client, "/b", "/b");
    assert_int_equal(farm.connections, 1);
    assert_int_equal(look(client).open, 1);
    assert_int_equal(look(client).idle, 1);
    assert_int_equal(look(client).reused, 3);
    plait_sim_run_for(farm.sim, plait_seconds(59));
    assert_int_equal(farm.ended, 0);
    plait_sim_run_for(farm.sim, plait_seconds(2));
    assert_int_equal(farm.ended, 1);
    assert_int_equal(look(client).open, 0);
    plait_http_client_free(&client);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void the_server_decides_how_long_a_connection_lives(void **state)
{
    static const char *const paths[] = {"/last", "/ten-last", "/more"};
    static const char *const bodies[] = {"last", "ten", "more"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        struct farm farm;
        farm_open(&farm, answer);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        expect(&farm, client, paths[i], bodies[i]);
        assert_int_equal(look(client).open, 0);
        expect(&farm, client, "/next", "/next"); /* and not what came unasked for */
        assert_int_equal(farm.connections, 2);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void a_client_may_use_each_connection_once(void **state)
{
    const struct plait_http_client_options once = {.no_reuse = true};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &once);
    expect(&farm, client, "/a", "/a");
    assert_non_null(strstr(farm.last, "Connection: close\r\n"));
    assert_int_equal(look(client).idle, 0);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static struct plait_stream *held_stream;

static size_t hold_stream(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    held_stream = c->stream;
    return answer(c, head, rest);
}

static void what_comes_unasked_for_ends_an_idle_connection(void **state)
{
    struct farm farm;
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        farm_open(&farm, hold_stream);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        expect(&farm, client, "/a", "/a");
        plait_write(held_stream, PLAIT_LIT("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
        if (closes)
            plait_close(held_stream);
        plait_sim_run_for(farm.sim, plait_seconds(1));
        assert_int_equal(look(client).open, 0);
        expect(&farm, client, "/b", "/b");
        plait_close(held_stream);
        plait_sim_run_for(farm.sim, plait_seconds(1));
        assert_int_equal(look(client).open, 0);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void a_closed_connection_is_replaced_for_idempotent_requests_only(void **state)
{
    static const struct {
        const char *method, *path;
        plait_err err;
        size_t requests;
    } cases[] = {
        {"GET", "/second", PLAIT_OK, 3},          {"HEAD", "/second", PLAIT_OK, 3},
        {"PUT", "/second", PLAIT_OK, 3},          {"DELETE", "/second", PLAIT_OK, 3},
        {"POST", "/second", PLAIT_ETRUNCATED, 2}, {"PATCH", "/second", PLAIT_ETRUNCATED, 2},
        {"GET", "/partly", PLAIT_ETRUNCATED, 2}, /* an answer had begun */
        {"GET", "/shut", PLAIT_ETRUNCATED, 3},   /* a fresh connection fails for good */
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        char url[64];
        const struct plait_fetch_options options = {.method = cases[i].method};
        farm_open(&farm, answer);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        expect(&farm, client, "/first", "/first");
        (void)snprintf(url, sizeof url, "http://server%s", cases[i].path);
        assert_err(farm_get(&farm, client, url, &options, NULL), cases[i].err);
        assert_int_equal(farm.requests, cases[i].requests);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void a_fresh_connection_takes_the_place_of_an_idle_one(void **state)
{
    const struct plait_http_client_options two = {.per_origin = 2};
    struct farm_end ends[2] = {{0}, {0}};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &two);
    for (int i = 0; i < 2; i++)
        farm_start(client, "http://server/a", NULL, &ends[i]);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    for (int i = 0; i < 2; i++)
        plait_response_free(&ends[i].response);
    assert_int_equal(look(client).idle, 2);
    expect(&farm, client, "/second", "/second");
    assert_int_equal(look(client).made, 3);
    assert_int_equal(look(client).open, 2);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void connections_are_limited_and_waited_for(void **state)
{
    enum { MANY = 40 };
    const struct plait_http_client_options few = {.per_origin = 3};
    struct farm_end ends[MANY] = {{0}};
    struct farm farm;
    char url[64];
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &few);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(url, sizeof url, "http://server/%d", i);
        farm_start(client, url, NULL, &ends[i]);
    }
    plait_sim_run_for(farm.sim, plait_seconds(10));
    assert_int_equal(farm.most, 3);
    assert_int_equal(farm.requests, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ends[i].ends, 1);
        (void)snprintf(url, sizeof url, "/%d", i);
        assert_slice(plait_response_body(ends[i].response), url);
        plait_response_free(&ends[i].response);
    }
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void origins_share_the_limit_of_all_connections(void **state)
{
    const struct plait_http_client_options one = {.connections = 1, .waiting = 3};
    struct farm_end held = {0}, ends[3] = {{0}}, over = {0};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &one);
    struct plait_deferred *d = farm_start(client, "http://server/hold", NULL, &held);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    for (int i = 0; i < 3; i++)
        farm_start(client, i == 1 ? "http://server:81/x" : "http://SERVER:81/x", NULL, &ends[i]);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(look(client).waiting, 3);
    farm_start(client, "http://server/over", NULL, &over);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(over.fault.err, PLAIT_ELIMIT);
    plait_deferred_cancel(d);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ends[i].ends, 1);
        assert_ok(ends[i].fault.err);
        plait_response_free(&ends[i].response);
    }
    assert_int_equal(look(client).made, 2);
    expect(&farm, client, "/y", "/y"); /* the idle connection to the other origin goes */
    assert_int_equal(look(client).made, 3);
    assert_int_equal(farm.most, 1);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_connection_that_is_being_made_is_passed_on_or_given_up(void **state)
{
    struct farm_end a = {0}, b = {0}, c = {0};
    const struct plait_http_client_options one = {.per_origin = 1};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &one);
    struct plait_deferred *first = farm_start(client, "http://server/a", NULL, &a);
    struct plait_deferred *second = farm_start(client, "http://server/b", NULL, &b);
    plait_sim_run_for(farm.sim, plait_micros(10));
    assert_int_equal(look(client).open, 1);
    plait_deferred_cancel(first);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(a.fault.err, PLAIT_ECANCELLED);
    assert_ok(b.fault.err);
    assert_int_equal(look(client).made, 1);
    plait_response_free(&b.response);
    plait_sim_run_for(farm.sim, plait_seconds(70));
    second = farm_start(client, "http://server/c", NULL, &c);
    plait_sim_run_for(farm.sim, plait_micros(10));
    plait_deferred_cancel(second);
    assert_int_equal(look(client).open, 0);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(farm.connections, 1);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_connection_that_becomes_free_is_taken_before_a_new_one(void **state)
{
    struct farm_end a = {0}, b = {0};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    farm_start(client, "http://server/a", NULL, &a);
    while (farm.requests == 0)
        plait_sim_run_for(farm.sim, plait_micros(10));
    farm_start(client, "http://server/b", NULL, &b); /* the answer to the first is on its way */
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(look(client).made, 2);
    assert_int_equal(look(client).open, 1);
    assert_int_equal(look(client).reused, 1);
    assert_slice(plait_response_body(b.response), "/b");
    plait_response_free(&a.response);
    plait_response_free(&b.response);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void who_waits_hears_why_no_connection_comes(void **state)
{
    enum { MANY = 5 };
    const struct plait_http_client_options two = {.per_origin = 2};
    struct farm_end ends[MANY] = {{0}};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &two);
    for (int i = 0; i < MANY; i++)
        farm_start(client, "http://server:9/", NULL, &ends[i]);
    plait_sim_run_for(farm.sim, plait_seconds(10));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ends[i].ends, 1);
        assert_int_equal(ends[i].fault.err, PLAIT_EREFUSED);
    }
    assert_int_equal(look(client).open, 0);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_client_that_ends_takes_everything_with_it(void **state)
{
    const struct plait_http_client_options two = {.per_origin = 2};
    struct farm_end ends[6] = {{0}};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, &two);
    expect(&farm, client, "/idle", "/idle");
    for (int i = 0; i < 4; i++)
        farm_start(client, "http://server/hold", NULL, &ends[i]);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    farm_start(client, "http://server:81/new", NULL, &ends[4]);
    plait_sim_run_for(farm.sim, plait_micros(10));
    farm_start(client, "http://server:81/new", NULL, &ends[5]);
    plait_http_client_free(&client);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ends[i].ends, 1);
        assert_int_equal(ends[i].fault.err, PLAIT_ECANCELLED);
    }
    assert_int_equal(farm.open, 0);
    farm_close(&farm);
}

static void end_client(const struct plait_response *response, void *ctx)
{
    (void)response;
    plait_http_client_free(ctx);
}

static plait_err end_client_at_data(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    (void)piece;
    plait_http_client_free(ctx);
    return PLAIT_EIO;
}

static void a_client_may_end_inside_its_own_callback(void **state)
{
    (void)state;
    for (int at_data = 0; at_data < 2; at_data++) {
        struct farm farm;
        struct farm_end end = {0}, other = {0};
        farm_open(&farm, answer);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        const struct plait_fetch_options options = {
            .head = at_data ? NULL : end_client, .data = at_data ? end_client_at_data : NULL, .ctx = &client};
        farm_start(client, "http://server/a", &options, &end);
        farm_start(client, "http://server/hold", NULL, &other);
        plait_sim_run_for(farm.sim, plait_seconds(1));
        assert_int_equal(end.fault.err, PLAIT_ECANCELLED);
        assert_int_equal(other.fault.err, PLAIT_ECANCELLED);
        farm_close(&farm);
    }
}

static void redirects_keep_the_connection_where_their_body_is_short(void **state)
{
    static const struct {
        const char *path;
        size_t connections;
    } cases[] = {{"/away", 1}, {"/away-open", 2}, {"/away-broken", 2}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        farm_open(&farm, answer);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        expect(&farm, client, cases[i].path, "/there");
        assert_int_equal(farm.connections, cases[i].connections);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static size_t answer_endlessly(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    static const uint8_t zeroes[100000];
    const size_t taken = answer(c, head, rest);
    if (farm_asked(head, "/away-long"))
        plait_write(c->stream, plait_slice_of(zeroes, sizeof zeroes));
    return taken;
}

static void a_redirects_endless_body_is_not_read(void **state)
{
    struct farm farm;
    (void)state;
    farm_open(&farm, answer_endlessly);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    expect(&farm, client, "/away-long", "/there");
    assert_int_equal(farm.connections, 2);
    plait_http_client_free(&client);
    farm_close(&farm);
}

/* --- streamed with pauses ----------------------------------------------------------------------------------------- */

enum { LONG = 300000 };

static size_t answer_at_length(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    static uint8_t body[LONG];
    if (!farm_asked(head, "/long"))
        return answer(c, head, rest);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    plait_printf(c->stream, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LONG);
    plait_write(c->stream, plait_slice_of(body, sizeof body));
    return 0;
}

struct slow_reader {
    struct plait_timer timer;
    const struct plait_response *response;
    size_t got, pieces;
};

static void read_on(void *ctx)
{
    struct slow_reader *reader = ctx;
    plait_response_resume(reader->response);
    plait_response_resume(reader->response);
}

static plait_err read_slowly(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct slow_reader *reader = ctx;
    for (size_t i = 0; i < piece.len; i++) {
        const size_t at = reader->got + i;
        assert_int_equal(piece.ptr[i], (uint8_t)(at * 7 + at / 251));
    }
    reader->got += piece.len;
    reader->pieces++;
    reader->response = response;
    plait_response_pause(response);
    plait_timer_arm(&reader->timer, plait_millis(100));
    return PLAIT_OK;
}

static void a_body_waits_for_its_reader(void **state)
{
    struct farm farm;
    struct farm_end end = {0};
    struct slow_reader reader = {.got = 0};
    const struct plait_fetch_options options = {.data = read_slowly, .ctx = &reader};
    (void)state;
    farm_open(&farm, answer_at_length);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    plait_timer_init(&reader.timer, farm.r, "reader", read_on, &reader);
    farm_start(client, "http://server/long", &options, &end);
    plait_sim_run_for(farm.sim, plait_millis(90));
    assert_true(reader.got < LONG);
    assert_int_equal(reader.pieces, 1);
    plait_sim_run_for(farm.sim, plait_seconds(30));
    assert_int_equal(end.ends, 1);
    assert_int_equal(reader.got, LONG);
    plait_timer_stop(&reader.timer);
    plait_response_resume(end.response); /* it is over: nothing happens */
    plait_response_free(&end.response);
    expect(&farm, client, "/after", "/after"); /* the connection goes on */
    assert_int_equal(farm.connections, 1);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_drain_lets_idle_connections_go_and_others_finish(void **state)
{
    struct farm farm;
    struct farm_end end = {0};
    (void)state;
    farm_open(&farm, answer_at_length);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    expect(&farm, client, "/a", "/a");
    farm_start(client, "http://server:81/long", NULL, &end);
    while (farm.requests < 2)
        plait_sim_run_for(farm.sim, plait_micros(10));
    plait_deferred_ignore(plait_drain(farm.r, plait_seconds(5)));
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_ok(end.fault.err);
    assert_int_equal(plait_response_body(end.response).len, LONG);
    assert_int_equal(look(client).open, 0);
    plait_response_free(&end.response);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void an_early_answer_ends_the_connection(void **state)
{
    static const uint8_t body[1 << 20];
    const struct plait_fetch_options post = {.method = "POST", .body = {body, sizeof body}};
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    assert_ok(farm_get(&farm, client, "http://server/a", &post, NULL));
    assert_int_equal(look(client).open, 0);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void note_step(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    char *told = ctx;
    const size_t len = strlen(told);
    (void)err;
    assert_int_equal(address->port, 80);
    (void)snprintf(told + len, 100 - len, "%s ", what);
}

static void connecting_is_told_to_who_waits_for_it(void **state)
{
    char told[100] = "";
    struct farm farm;
    const struct plait_fetch_options options = {
        .connect = {.family = PLAIT_ONLY_IP4, .trace = note_step, .trace_ctx = told}};
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    for (int i = 0; i < 2; i++) /* the second time there is nothing to tell */
        assert_ok(farm_get(&farm, client, "http://server/a", &options, NULL));
    assert_string_equal(told, "attempt connected ");
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_connection_is_one_tls_contexts(void **state)
{
    struct plait_url url;
    struct plait_connect_options connect = {.family = PLAIT_ANY_FAMILY};
    struct plait_tls_client *tls[2];
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    struct plait__client_exchange x[5] = {{.origin = NULL}};
    assert_ok(plait_url_parse(PLAIT_LIT("https://server/"), &url));
    for (int i = 0; i < 2; i++)
        assert_ok(plait_tls_client_new(farm.r, NULL, &tls[i], NULL));
    for (int i = 0; i < 5; i++) {
        x[i].connect = connect;
        x[i].connect.tls = tls[i == 1];
        x[i].connect.no_client_cert = i == 2;
        x[i].connect.family = i == 3 ? PLAIT_ONLY_IP4 : PLAIT_ANY_FAMILY;
        plait__list_init(&x[i].link);
        assert_ok(plait__pool_enter(client, &x[i], &url));
    }
    for (int i = 1; i < 4; i++)
        assert_ptr_not_equal(x[i].origin, x[0].origin);
    assert_ptr_equal(x[4].origin, x[0].origin);
    for (int i = 0; i < 5; i++)
        plait__pool_leave(&x[i]);
    for (int i = 0; i < 2; i++)
        plait_tls_client_unref(&tls[i]);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_lack_of_memory_fails_fetches_and_nothing_else(void **state)
{
    bool fine = false;
    (void)state;
    for (uint64_t k = 1; k < 300 && !fine; k++) {
        struct farm farm;
        struct farm_end ends[3] = {{0}};
        farm_open(&farm, answer);
        farm.heap.fail_at = farm.heap.calls + k;
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        for (int i = 0; i < 3 && client; i++) {
            struct plait_deferred *d = plait_http_fetch(client, "http://server/a", NULL);
            if (plait_then(d, farm_note_end, &ends[i]) != PLAIT_OK)
                ends[i].ends = 1;
        }
        plait_sim_run_for(farm.sim, plait_seconds(100));
        fine = farm.heap.calls < farm.heap.fail_at;
        farm.heap.fail_at = 0;
        for (int i = 0; i < 3 && client; i++) {
            assert_int_equal(ends[i].ends, 1);
            plait_response_free(&ends[i].response);
        }
        plait_http_client_free(&client);
        farm_close(&farm);
    }
    assert_true(fine);
}

TEST_MAIN(cmocka_unit_test(a_connection_is_used_again_and_closed_when_idle),
          cmocka_unit_test(the_server_decides_how_long_a_connection_lives),
          cmocka_unit_test(a_client_may_use_each_connection_once),
          cmocka_unit_test(what_comes_unasked_for_ends_an_idle_connection),
          cmocka_unit_test(a_closed_connection_is_replaced_for_idempotent_requests_only),
          cmocka_unit_test(a_fresh_connection_takes_the_place_of_an_idle_one),
          cmocka_unit_test(connections_are_limited_and_waited_for),
          cmocka_unit_test(origins_share_the_limit_of_all_connections),
          cmocka_unit_test(a_connection_that_is_being_made_is_passed_on_or_given_up),
          cmocka_unit_test(a_connection_that_becomes_free_is_taken_before_a_new_one),
          cmocka_unit_test(who_waits_hears_why_no_connection_comes),
          cmocka_unit_test(a_client_that_ends_takes_everything_with_it),
          cmocka_unit_test(a_client_may_end_inside_its_own_callback),
          cmocka_unit_test(redirects_keep_the_connection_where_their_body_is_short),
          cmocka_unit_test(a_redirects_endless_body_is_not_read), cmocka_unit_test(a_body_waits_for_its_reader),
          cmocka_unit_test(a_drain_lets_idle_connections_go_and_others_finish),
          cmocka_unit_test(an_early_answer_ends_the_connection),
          cmocka_unit_test(connecting_is_told_to_who_waits_for_it), cmocka_unit_test(a_connection_is_one_tls_contexts),
          cmocka_unit_test(a_lack_of_memory_fails_fetches_and_nothing_else))
