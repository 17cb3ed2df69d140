/* SPDX-License-Identifier: MIT
 *
 * The race of addresses (RFC 8305), in the simulated world, where connecting takes as long as the test says; and on the
 * whole over many seeds under faults.
 */
#include "tests/support/test.h"

#include <plait/listen.h>
#include <plait/sim.h>

/* --- a world with a far host that has several addresses ----------------------------------------------------------- */

struct story {
    char text[2048];
    size_t len;
};

struct race {
    struct plait_sim *sim;
    struct plait_host *near, *far;
    struct plait_reactor *r;
    struct plait_address known[8];
    size_t count;
    struct story story;
    int calls;
    struct plait_fault fault;
    struct plait_address winner;
    plait_time began, ended;
    size_t lost, accepted;
};

static void tell(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    struct race *race = ctx;
    char text[PLAIT_ADDR_TEXT_MAX];
    struct story *s = &race->story;
    (void)err;
    const int n = snprintf(s->text + s->len, sizeof s->text - s->len, "%lld %s %s\n",
                           (long long)((plait_sim_now(race->sim) - race->began) / 1000000), what,
                           plait_address_format_host(address, text));
    s->len += n > 0 && (size_t)n < sizeof s->text - s->len ? (size_t)n : 0;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    ((struct race *)self)->lost++;
}

static void accepted(struct plait_stream *s, void *self)
{
    (void)s;
    ((struct race *)self)->accepted++;
}

static const struct plait_protocol near_protocol = {.name = "near", .lost = lost};
static const struct plait_protocol far_protocol = {.name = "far", .connected = accepted};

static struct plait_deferred *resolve(struct plait_reactor *r, plait_slice name, enum plait_family family, void *ctx)
{
    struct race *race = ctx;
    struct plait_address found[8];
    size_t count = 0;
    plait_value value;
    (void)name;
    for (size_t i = 0; i < race->count; i++) {
        if ((race->known[i].kind == PLAIT_ADDR_IP6) == (family == PLAIT_ONLY_IP6))
            found[count++] = race->known[i];
    }
    if (count == 0)
        return plait_deferred_fail(r, plait_fault_make(PLAIT_ENAMENOTFOUND, "resolve"));
    assert_ok(plait_addresses_new(r, found, count, &value));
    return plait_deferred_succeed(r, value);
}

static void race_open(struct race *race, uint64_t seed, unsigned faults)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF};
    static const struct plait_reactor_options options = {.log = &quiet};
    memset(race, 0, sizeof *race);
    race->sim = plait_sim_new(seed, faults);
    assert_non_null(race->sim);
    race->near = plait_sim_host(race->sim, "near");
    race->far = plait_sim_host(race->sim, "far");
    plait_host_reactor_options(race->near, &options);
    plait_host_reactor_options(race->far, &options);
    race->r = plait_host_reactor(race->near);
    plait_reactor_set_resolver(race->r, (struct plait_resolver){.resolve = resolve, .ctx = race});
}

static void race_listen(struct race *race, const char *ip)
{
    struct plait_address a;
    struct plait_listener *l;
    struct plait_reactor *r = plait_host_reactor(race->far);
    assert_ok(plait_address_parse_ip(plait_slice_text(ip), 80, &a));
    assert_ok(plait_listen(r, &a, NULL, plait_service_of(r, &far_protocol, race), &l));
}

static void race_knows(struct race *race, const char *ip)
{
    assert_ok(plait_address_parse_ip(plait_slice_text(ip), 0, &race->known[race->count++]));
}

static void race_latency(struct race *race, int64_t ms)
{
    const struct plait_sim_link link = {.latency = plait_millis(ms)};
    assert_ok(plait_sim_set_link(race->sim, race->near, race->far, &link));
}

static void done(struct plait_result *result, void *ctx)
{
    struct race *race = ctx;
    race->calls++;
    race->fault = result->fault;
    race->ended = plait_sim_now(race->sim);
    if (result->fault.err != PLAIT_OK)
        return;
    plait_stream_peer(result->value.ptr, &race->winner);
    plait_stream_attach(result->value.ptr, &near_protocol, race);
}

static void race_start(struct race *race, plait_span timeout)
{
    race->began = plait_sim_now(race->sim);
    const struct plait_connect_options o = {.timeout = timeout, .trace = tell, .trace_ctx = race};
    assert_ok(plait_then(plait_connect_host(race->r, PLAIT_LIT("far.example"), 80, &o), done, race));
}

static void race_run(struct race *race)
{
    race_start(race, plait_seconds(30));
    plait_sim_run_for(race->sim, plait_seconds(40));
    assert_int_equal(race->calls, 1);
}

static void race_close(struct race *race)
{
    plait_sim_check_end(race->sim);
    assert_null(plait_sim_failure(race->sim));
    plait_sim_free(&race->sim);
}

static void assert_winner(const struct race *race, const char *ip)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    assert_err(race->fault.err, PLAIT_OK);
    assert_string_equal(plait_address_format_host(&race->winner, text), ip);
}

/* --- who wins ----------------------------------------------------------------------------------------------------- */

static void a_fast_first_address_needs_no_second(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_listen(&race, "::");
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    race_run(&race);
    assert_winner(&race, "fd00::2");
    assert_int_equal(race.accepted, 1);
    assert_null(strstr(race.story.text, "10.0.0.2"));
    race_close(&race);
}

/* RFC 8305 section 5: attempts start a delay apart, families in turn, and the earlier ones stay alive. */
static void earlier_attempts_stay_alive_and_can_win(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_listen(&race, "::");
    race_listen(&race, "0.0.0.0");
    race_latency(&race, 300); /* connecting takes 600 ms: two more attempts begin meanwhile */
    race_knows(&race, "fd00::2");
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    race_run(&race);
    assert_winner(&race, "fd00::2");
    assert_string_equal(race.story.text, "0 attempt fd00::2\n250 attempt 10.0.0.2\n500 attempt fd00::2\n"
                                         "600 connected fd00::2\n600 stopped 10.0.0.2\n600 stopped fd00::2\n");
    race_close(&race);
}

static void a_refused_attempt_starts_the_next_at_once(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_listen(&race, "0.0.0.0");
    race_latency(&race, 10);
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    race_run(&race);
    assert_winner(&race, "10.0.0.2");
    assert_non_null(strstr(race.story.text, "failed fd00::2"));
    assert_true(race.ended - race.began < plait_millis(50)); /* the delay was not waited for */
    race_close(&race);
}

static void addresses_that_fail_at_once_are_passed_over(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_listen(&race, "0.0.0.0");
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    const struct plait_sim_rule rule = {.call = "connect", .os_errno = ENETUNREACH, .nth = 1};
    assert_ok(plait_sim_add_rule(race.sim, &rule));
    race_run(&race);
    assert_winner(&race, "10.0.0.2");
    race_close(&race);
}

static void when_all_fail_the_most_telling_is_told(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    const struct plait_sim_rule rule = {.call = "connect", .os_errno = ENETUNREACH, .nth = 2};
    assert_ok(plait_sim_add_rule(race.sim, &rule));
    race_run(&race);
    assert_err(race.fault.err, PLAIT_EREFUSED);
    race_close(&race);
}

static void the_timeout_ends_all_attempts(void **state)
{
    struct race race;
    (void)state;
    race_open(&race, 1, 0);
    race_listen(&race, "::");
    race_latency(&race, 60000);
    race_knows(&race, "fd00::2");
    race_knows(&race, "10.0.0.2");
    race_start(&race, plait_seconds(2));
    plait_sim_run_for(race.sim, plait_seconds(3));
    assert_int_equal(race.calls, 1);
    assert_err(race.fault.err, PLAIT_ETIMEDOUT);
    assert_non_null(strstr(race.story.text, "stopped fd00::2"));
    assert_non_null(strstr(race.story.text, "stopped 10.0.0.2"));
    race_close(&race);
}

/* --- many seeds --------------------------------------------------------------------------------------------------- */

/* Ten races against a host that listens on some addresses, while bytes are delayed, connections reset, and calls fail:
 * each ends exactly once, and nothing is left. */
static void run_under_faults(struct plait_sim *sim)
{
    static const char *const ip[] = {"fd00::2", "10.0.0.2"};
    static const char *const calls[] = {"socket", "connect", "accept4", "epoll_ctl", "getsockopt"};
    static const int errors[] = {EMFILE, ENETUNREACH, EMFILE, ENOMEM, EIO};
    struct race race = {.sim = sim};
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF};
    static const struct plait_reactor_options options = {.log = &quiet};
    race.near = plait_sim_host(sim, "near");
    race.far = plait_sim_host(sim, "far");
    plait_host_reactor_options(race.near, &options);
    plait_host_reactor_options(race.far, &options);
    race.r = plait_host_reactor(race.near);
    plait_reactor_set_resolver(race.r, (struct plait_resolver){.resolve = resolve, .ctx = &race});
    race_listen(&race, plait_sim_random(sim, 2) ? "::" : "0.0.0.0");
    for (int i = 0; i < 2; i++)
        race_knows(&race, ip[i]);
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        const struct plait_sim_rule rule = {
            .call = calls[i], .os_errno = errors[i], .chance_num = 1, .chance_den = 10, .times = 4};
        assert_ok(plait_sim_add_rule(sim, &rule));
    }
    for (int i = 0; i < 10; i++) {
        race_start(&race, plait_seconds(5));
        plait_sim_run_for(sim, plait_millis(1 + (int64_t)plait_sim_random(sim, 400)));
    }
    plait_sim_run_for(sim, plait_seconds(10));
    if (race.calls != 10)
        plait_sim_fail(sim, "%d of 10 attempts ended", race.calls);
    plait_host_stop(race.near);
    plait_host_stop(race.far);
}

static void races_under_faults_end_once_and_leave_nothing(void **state)
{
    const struct plait_scenario scenario = {
        .name = "connect_race", .faults = PLAIT_SIM_SPLIT | PLAIT_SIM_DELAY | PLAIT_SIM_RESET, .run = run_under_faults};
    struct plait_scenario_result result;
    (void)state;
    const uint64_t seed = plait_scenario_run_seeds(&scenario, 1, 200, &result);
    if (seed != UINT64_MAX)
        fail_msg("seed %llu: %s", (unsigned long long)seed, result.failure);
}

TEST_MAIN(cmocka_unit_test(a_fast_first_address_needs_no_second),
          cmocka_unit_test(earlier_attempts_stay_alive_and_can_win),
          cmocka_unit_test(a_refused_attempt_starts_the_next_at_once),
          cmocka_unit_test(addresses_that_fail_at_once_are_passed_over),
          cmocka_unit_test(when_all_fail_the_most_telling_is_told), cmocka_unit_test(the_timeout_ends_all_attempts),
          cmocka_unit_test(races_under_faults_end_once_and_leave_nothing))
