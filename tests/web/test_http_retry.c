/* SPDX-License-Identifier: MIT
 *
 * What the client tries again and what it does not, and how long each step of a fetch may take.
 */
#include "tests/web/client_world.h"

static unsigned bad_answers;
static const char *bad_answer;

/* Answers badly for a while, then well. */
static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    if (bad_answers > 0) {
        bad_answers--;
        farm_say(c, bad_answer);
        if (bad_answer[0] == 0)
            plait_close(c->stream);
        return 0;
    }
    farm_echo(c, head);
    return 0;
}

#define LATER(fields) "HTTP/1.1 503 Later\r\n" fields "Content-Length: 0\r\n\r\n"

static void what_may_be_tried_again_is(void **state)
{
    static const struct {
        const char *method, *answer;
        unsigned bad, retries;
        plait_err err;
        int status;
        int64_t least, most; /* milliseconds */
    } cases[] = {
        {"GET", LATER(""), 2, 2, PLAIT_OK, 200, 750, 1600},
        {"GET", LATER(""), 3, 2, PLAIT_OK, 503, 750, 1600},
        {"GET", LATER(""), 1, 0, PLAIT_OK, 503, 0, 10},
        {"POST", LATER(""), 1, 2, PLAIT_OK, 503, 0, 10},
        {"GET", LATER("Retry-After: 7\r\n"), 1, 2, PLAIT_OK, 200, 7000, 7100},
        {"GET", LATER("Retry-After: 31\r\n"), 1, 2, PLAIT_OK, 503, 0, 10},
        {"GET", LATER("Retry-After: soon\r\n"), 1, 2, PLAIT_OK, 200, 250, 510},
        {"GET", LATER("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 1, 2, PLAIT_OK, 200, 250, 510},
        {"GET", LATER("Retry-After: Sun, 06 Nov 9994 08:49:37 GMT\r\n"), 1, 2, PLAIT_OK, 503, 0, 10},
        {"GET", "HTTP/1.1 429 Slower\r\nContent-Length: 0\r\n\r\n", 1, 1, PLAIT_OK, 200, 250, 510},
        {"GET", "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", 1, 1, PLAIT_OK, 500, 0, 10},
        {"GET", "", 3, 5, PLAIT_OK, 200, 1700, 3510},
        {"GET", "", 3, 2, PLAIT_ETRUNCATED, 0, 750, 1600},
        {"POST", "", 1, 2, PLAIT_ETRUNCATED, 0, 0, 10},
        {"GET", "SSH-2.0-OpenSSH_9.2\r\n", 1, 2, PLAIT_EMALFORMED, 0, 0, 10},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct plait_response *response;
        const struct plait_fetch_options options = {.method = cases[i].method, .retries = cases[i].retries};
        farm_open(&farm, answer);
        bad_answers = cases[i].bad;
        bad_answer = cases[i].answer;
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        const plait_time began = plait_sim_now(farm.sim);
        const plait_err err = farm_get(&farm, client, "http://server/x", &options, &response);
        const int64_t took = (plait_sim_now(farm.sim) - began) / 1000000;
        if (err != cases[i].err || (response && plait_response_status(response) != cases[i].status) ||
            took < cases[i].least || took > cases[i].most)
            fail_msg("case %zu: %s after %lld ms", i, plait_err_name(err), (long long)took);
        plait_response_free(&response);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void a_server_that_is_not_there_yet_is_tried_again(void **state)
{
    struct farm farm;
    struct farm_end end = {0};
    const struct plait_fetch_options options = {
        .retries = 9, .retry_max = PLAIT_NEVER, .connect = {.family = PLAIT_ONLY_IP4}};
    (void)state;
    farm_open(&farm, answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    farm_start(client, "http://server:82/x", &options, &end);
    plait_sim_run_for(farm.sim, plait_seconds(10));
    assert_int_equal(end.ends, 0);
    farm_listen(&farm, 82);
    plait_sim_run_for(farm.sim, plait_seconds(60));
    assert_ok(end.fault.err);
    plait_response_free(&end.response);
    plait_http_client_free(&client);
    farm_close(&farm);
}

/* --- times -------------------------------------------------------------------------------------------------------- */

static size_t stay_silent(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    if (farm_asked(head, "/processing"))
        farm_say(c, "HTTP/1.1 102 Processing\r\n\r\n");
    if (farm_asked(head, "/deaf"))
        plait_pause(c->stream);
    if (farm_asked(head, "/half"))
        farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    return 0;
}

static void each_step_has_its_time(void **state)
{
    static const uint8_t much[1 << 20];
    static const struct {
        const char *url;
        struct plait_fetch_options options;
        plait_err err;
        int64_t ms;
    } cases[] = {
        {"http://server/silent", {.times = {.first_byte = 3000000000}}, PLAIT_ETIMEDOUT, 3000},
        {"http://server/silent", {.times = {.total = 4000000000}}, PLAIT_ETIMEDOUT, 4000},
        {"http://server/silent", {.times = {.first_byte = PLAIT_NEVER, .total = 9000000000}}, PLAIT_ETIMEDOUT, 9000},
        {"http://server/silent",
         {.times = {.first_byte = 1000000000}, .retries = 1, .retry_max = 2},
         PLAIT_ETIMEDOUT,
         2000},
        {"http://server/half", {.idle = 5000000000}, PLAIT_ETIMEDOUT, 5000},
        {"http://nowhere/", {.times = {.wait = 6000000000}}, PLAIT_ETIMEDOUT, 6000},
        {"http://nowhere/", {.connect = {.timeout = 2000000000}}, PLAIT_ETIMEDOUT, 2000},
        {"https://server:80/", {.connect = {.timeout = PLAIT_NEVER, .handshake = 3000000000}}, PLAIT_ETIMEDOUT, 3000},
        {"http://server/deaf",
         {.body = {much, sizeof much}, .method = "PUT", .times = {.send = 8000000000, .first_byte = 1000000000}},
         PLAIT_EPEERSTALLED,
         8000},
    };
    struct farm farm;
    (void)state;
    farm_open(&farm, stay_silent);
    const struct plait_address nowhere = {.kind = PLAIT_ADDR_IP4, .ip = {10, 99, 99, 99}};
    assert_ok(plait_host_set_addresses(plait_sim_host(farm.sim, "nowhere"), &nowhere, 1));
    plait_host_crash(plait_sim_host(farm.sim, "nowhere"));
    plait_host_set_buffers(farm.server, 4096, 4096);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        const plait_time began = plait_sim_now(farm.sim);
        const plait_err err = farm_get(&farm, client, cases[i].url, &cases[i].options, NULL);
        const int64_t took = (plait_sim_now(farm.sim) - began) / 1000000;
        if (err != cases[i].err || took < cases[i].ms || took > cases[i].ms + 1000)
            fail_msg("case %zu: %s after %lld ms", i, plait_err_name(err), (long long)took);
        plait_http_client_free(&client);
    }
    farm_close(&farm);
}

static void never_cancelled(struct plait_deferred *deferred, void *ctx)
{
    (void)ctx;
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "resolve"));
}

static struct plait_deferred *never_resolve(struct plait_reactor *reactor, plait_slice name, enum plait_family family,
                                            void *ctx)
{
    (void)name;
    (void)family;
    return plait_deferred_new(reactor, "never", never_cancelled, ctx);
}

static void names_have_their_time(void **state)
{
    struct farm farm;
    const struct plait_fetch_options options = {.connect = {.timeout = PLAIT_NEVER, .names = plait_seconds(3)}};
    (void)state;
    farm_open(&farm, stay_silent);
    plait_reactor_set_resolver(farm.r, (struct plait_resolver){.resolve = never_resolve});
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    struct farm_end end = {0};
    farm_start(client, "http://server/", &options, &end);
    plait_sim_run_for(farm.sim, plait_millis(2900));
    assert_int_equal(end.ends, 0);
    plait_sim_run_for(farm.sim, plait_millis(200));
    assert_int_equal(end.fault.err, PLAIT_ETIMEDOUT);
    assert_string_equal(end.fault.step, "resolve");
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void a_server_that_works_on_it_has_more_time(void **state)
{
    struct farm farm;
    struct farm_end end = {0};
    const struct plait_fetch_options options = {.times = {.first_byte = plait_seconds(3)}};
    (void)state;
    farm_open(&farm, stay_silent);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    farm_start(client, "http://server/processing", &options, &end);
    plait_sim_run_for(farm.sim, plait_millis(2900));
    assert_int_equal(end.ends, 0);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(end.fault.err, PLAIT_ETIMEDOUT);
    plait_http_client_free(&client);
    farm_close(&farm);
}

static plait_err pause_it(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)piece;
    *(const struct plait_response **)ctx = response;
    plait_response_pause(response);
    return PLAIT_OK;
}

static void a_pause_is_not_the_servers_silence(void **state)
{
    struct farm farm;
    struct farm_end end = {0};
    const struct plait_response *paused = NULL;
    const struct plait_fetch_options options = {.idle = plait_seconds(2), .data = pause_it, .ctx = &paused};
    (void)state;
    farm_open(&farm, stay_silent);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    farm_start(client, "http://server/half", &options, &end);
    plait_sim_run_for(farm.sim, plait_seconds(60));
    assert_int_equal(end.ends, 0);
    plait_response_resume(paused);
    plait_sim_run_for(farm.sim, plait_seconds(5));
    assert_int_equal(end.fault.err, PLAIT_ETIMEDOUT);
    plait_http_client_free(&client);
    farm_close(&farm);
}

TEST_MAIN(cmocka_unit_test(what_may_be_tried_again_is), cmocka_unit_test(a_server_that_is_not_there_yet_is_tried_again),
          cmocka_unit_test(each_step_has_its_time), cmocka_unit_test(names_have_their_time),
          cmocka_unit_test(a_server_that_works_on_it_has_more_time),
          cmocka_unit_test(a_pause_is_not_the_servers_silence))
