/* SPDX-License-Identifier: MIT
 *
 * The world itself: its clock, hosts, links, the story and its hash, and the checks at the end.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

#include <plait/deferred.h>
#include <plait/log.h>
#include <plait/resolve.h>
#include <plait/stream.h>
#include <plait/task.h>
#include <plait/thread.h>

static void note(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void the_clock_jumps_to_the_next_timer(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_timer timer;
    unsigned fired = 0;
    plait_time began = plait_sim_now(w.sim);
    plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "test", note, &fired);
    plait_timer_arm(&timer, plait_seconds(3600));
    assert_true(plait_sim_run_until_idle(w.sim, plait_seconds(7200)));
    assert_int_equal(fired, 1);
    assert_true(plait_sim_now(w.sim) - began >= plait_seconds(3600));
    assert_true(plait_sim_now(w.sim) - began <= plait_seconds(3600) + plait_millis(1));
    plait_sim_run_for(w.sim, plait_seconds(1));
    world_close(&w);
}

static void run_for_ends_exactly(void **state)
{
    (void)state;
    struct world w = world_open();
    plait_time began = plait_sim_now(w.sim);
    plait_sim_run_for(w.sim, 12345);
    assert_int_equal(plait_sim_now(w.sim) - began, 12345);
    assert_int_equal(w.a->ops->clock(w.a, PLAIT_SYS_MONOTONIC), plait_sim_now(w.sim));
    int64_t wall = w.a->ops->clock(w.a, PLAIT_SYS_REALTIME);
    plait_host_shift_wall_clock(plait_sim_host(w.sim, "a"), plait_seconds(-5));
    assert_int_equal(w.a->ops->clock(w.a, PLAIT_SYS_REALTIME), wall - plait_seconds(5));
    world_close(&w);
}

static void links_have_latency_of_their_own(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_link far = {.latency = plait_millis(40)};
    struct sockaddr_in to = host_address(w.b, 80);
    assert_ok(plait_sim_set_link(w.sim, plait_sim_host(w.sim, "b"), plait_sim_host(w.sim, "a"), &far));
    tcp_listen_on(w.b, 80, 5);
    int fd = tcp_socket(w.a);
    CALL(w.a, connect, fd, (struct sockaddr *)&to, sizeof to);
    plait_sim_run_for(w.sim, plait_millis(79));
    assert_int_equal(ready(w.a, fd, EPOLLOUT), 0);
    plait_sim_run_for(w.sim, plait_millis(1));
    assert_int_equal(ready(w.a, fd, EPOLLOUT), EPOLLOUT);
    world_close(&w);
}

static void hosts_have_names_addresses_and_variables(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    struct plait_address at, other = {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 7}}, none = {0};
    assert_string_equal(plait_host_name(a), "a");
    plait_host_address(a, PLAIT_ADDR_IP6, 80, &at);
    assert_int_equal(at.port, 80);
    assert_int_equal(at.ip[0], 0xfd);
    assert_ok(plait_host_set_addresses(a, &other, 1));
    assert_err(plait_host_set_addresses(a, &none, 1), PLAIT_EINVAL);
    assert_err(plait_host_set_addresses(a, &other, 5), PLAIT_ELIMIT);
    plait_host_address(a, PLAIT_ADDR_IP6, 80, &at);
    assert_int_equal(at.kind, PLAIT_ADDR_NONE);
    assert_ok(plait_host_set_env(a, "X", "1"));
    assert_string_equal(w.a->ops->env(w.a, "X"), "1");
    assert_null(w.b->ops->env(w.b, "X"));
    w.a->ops->unsetenv(w.a, "X");
    assert_null(w.a->ops->env(w.a, "X"));
    assert_err(plait_host_write_file(a, "relative", "", 0), PLAIT_EINVAL);
    assert_err(plait_host_write_file(a, "/tmp", "", 0), PLAIT_EEXISTS);
    world_close(&w);
}

static uint64_t hash_of(uint64_t seed)
{
    struct plait_sim *sim = plait_sim_new(seed, PLAIT_SIM_ALL);
    struct plait_sys *sys = plait_host_sys(plait_sim_host(sim, "a"));
    uint8_t bytes[16];
    uint64_t word;
    CALL(sys, getrandom, bytes, sizeof bytes);
    memcpy(&word, bytes, sizeof word);
    plait_sim_log(sim, "drew %" PRIu64, word);
    uint64_t hash = plait_sim_hash(sim);
    plait_sim_free(&sim);
    return hash;
}

static void the_same_seed_gives_the_same_hash(void **state)
{
    (void)state;
    assert_true(hash_of(1) == hash_of(1));
    assert_true(hash_of(1) != hash_of(2));
}

static void first_line(plait_time now, const char *line, void *ctx)
{
    char *out = ctx;
    (void)now;
    if (!*out)
        (void)snprintf(out, 100, "%s", line);
}

static void the_story_is_told_in_lines(void **state)
{
    (void)state;
    char line[100] = "";
    struct world w = world_open();
    plait_sim_explain(w.sim, first_line, line);
    CALL(w.a, close, 5);
    assert_string_equal(line, "a: close on 5 (not open) fails: EBADF");
    world_close(&w);
}

static void a_descriptor_that_is_left_fails_the_run(void **state)
{
    (void)state;
    struct world w = world_open();
    plait_sim_check_end(w.sim);
    assert_null(plait_sim_failure(w.sim));
    CALL(w.b, eventfd, 0, 0);
    plait_sim_check_end(w.sim);
    assert_string_equal(plait_sim_failure(w.sim), "host b left descriptor 0 open (eventfd), 1 in all");
    plait_sim_fail(w.sim, "another");
    assert_string_equal(plait_sim_failure(w.sim), "host b left descriptor 0 open (eventfd), 1 in all");
    world_close(&w);
}

static void ignore(struct plait_watch *watch, unsigned events, void *ctx)
{
    (void)watch;
    (void)events;
    ++*(unsigned *)ctx;
}

static void a_world_that_runs_in_circles_fails(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(w.sim, "a"));
    struct plait_watch *watch = NULL;
    unsigned calls = 0;
    int fd = CALL(w.a, eventfd, 1, 0);
    assert_ok(plait_watch_new(r, fd, PLAIT_READABLE, ignore, &calls, &watch));
    plait_sim_run_for(w.sim, plait_seconds(1)); /* readable for ever, and nobody reads */
    assert_non_null(plait_sim_failure(w.sim));
    assert_true(calls > 1000);
    plait_watch_free(&watch);
    CALL(w.a, close, fd);
    world_close(&w);
}

static void fails_at_three(struct plait_sim *sim)
{
    static const uint64_t bad = 3;
    uint64_t seed = plait_sim_hash(sim); /* before anything happened, the hash is the seed */
    if (seed == bad)
        plait_sim_fail(sim, "three is no good");
}

static void a_failed_seed_is_named_with_its_command(void **state)
{
    (void)state;
    struct plait_scenario scenario = {.name = "three", .run = fails_at_three};
    struct plait_scenario_result result;
    char text[400];
    assert_int_equal(plait_scenario_run_seeds(&scenario, 1, 2, NULL), UINT64_MAX);
    assert_int_equal(plait_scenario_run_seeds(&scenario, 1, 10, &result), 3);
    plait_scenario_describe(&scenario, 3, &result, text, sizeof text);
    assert_string_equal(text, "scenario three failed with seed 3: three is no good\n"
                              "again: build/plait-sim --scenario three --seed 3 --explain");
}

static void a_scenario_draws_numbers_of_its_own(void **state)
{
    (void)state;
    struct world w = world_open();
    unsigned seen = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t drawn = plait_sim_random(w.sim, 6);
        assert_true(drawn < 6);
        seen |= 1u << drawn;
    }
    assert_int_equal(seen, 63);
    assert_int_equal(plait_sim_random(w.sim, 1), 0);
    assert_int_equal(plait_sim_random(w.sim, 0), 0);
    world_close(&w);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static bool not_yet(void *ctx)
{
    return *(unsigned *)ctx == 0;
}

static void queue(void *ctx)
{
    plait_soon_queue(ctx);
}

static void a_world_runs_while_it_is_told_to(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_timer timer;
    unsigned fired = 0;
    plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "test", note, &fired);
    plait_timer_arm(&timer, plait_seconds(10));
    assert_false(plait_sim_run_while(w.sim, plait_seconds(5), not_yet, &fired));
    assert_int_equal(fired, 0);
    assert_true(plait_sim_run_while(w.sim, plait_seconds(20), not_yet, &fired));
    assert_int_equal(fired, 1);
    while (plait_sim_step(w.sim))
        continue;
    world_close(&w);
}

static void a_reactor_that_stops_fails_the_run(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule rule = {.call = "epoll_wait", .os_errno = EBADF};
    struct plait_timer timer;
    unsigned fired = 0;
    plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "test", note, &fired);
    plait_timer_arm(&timer, plait_seconds(1));
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    plait_sim_run_for(w.sim, plait_seconds(2));
    assert_non_null(plait_sim_failure(w.sim));
    assert_non_null(strstr(plait_sim_failure(w.sim), "the reactor of host a stopped"));
    world_close(&w);
}

static void memory_that_a_reactor_leaves_fails_the_run(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    assert_non_null(plait_host_reactor(a));
    void *left = a->heap.resize(NULL, 10, a->heap.ctx);
    assert_non_null(left);
    plait_sim_check_end(w.sim);
    assert_string_equal(plait_sim_failure(w.sim), "the reactor of host a left 1 blocks of memory");
    assert_null(a->heap.resize(left, 0, a->heap.ctx));
    world_close(&w);
}

/* --- what is left in a reactor ------------------------------------------------------------------------------------ */

static void leave_timer(struct world *w, struct plait_reactor *r)
{
    static struct plait_timer timer;
    (void)w;
    plait_timer_init(&timer, r, "forgotten", note, NULL);
    plait_timer_arm(&timer, plait_seconds(1));
}

static void leave_deferred(struct world *w, struct plait_reactor *r)
{
    (void)w;
    assert_non_null(plait_deferred_new(r, "forgotten", NULL, NULL));
}

static plait_err sleep_long(struct plait_task *task, void *arg)
{
    (void)arg;
    return plait_task_sleep(task, plait_seconds(100));
}

static void leave_task(struct world *w, struct plait_reactor *r)
{
    plait_deferred_ignore(plait_task_spawn(r, "forgotten", 0, sleep_long, NULL));
    plait_sim_run_for(w->sim, plait_millis(1));
}

static plait_err work(plait_value *out, void *arg)
{
    (void)arg;
    (void)out;
    return PLAIT_OK;
}

static void leave_job(struct world *w, struct plait_reactor *r)
{
    (void)w;
    plait_deferred_ignore(plait_in_thread(r, PLAIT_LANE_OTHER, work, NULL, NULL));
}

static void leave_stream(struct world *w, struct plait_reactor *r)
{
    static const struct plait_protocol silent = {.name = "silent"};
    struct plait_stream *stream = NULL;
    int sv[2];
    CALL(w->a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    assert_ok(plait_stream_of_fds(r, sv[0], sv[0], &stream));
    plait_stream_attach(stream, &silent, NULL);
    CALL(w->a, close, sv[1]);
}

static void what_a_reactor_still_does_fails_the_run(void **state)
{
    (void)state;
    static const struct {
        void (*leave)(struct world *w, struct plait_reactor *r);
        const char *failure;
    } rows[] = {
        {leave_timer, "host a left 1 timers, one of them 'forgotten'"},
        {leave_deferred, "host a left 1 deferreds"},
        {leave_task, "host a left 1 tasks"},
        {leave_job, "host a left 1 jobs of the pool"},
        {leave_stream, "host a left 1 streams"},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct world w = world_open();
        w.sim->strict = true;
        rows[i].leave(&w, plait_host_reactor(plait_sim_host(w.sim, "a")));
        plait_sim_check_end(w.sim);
        assert_non_null(plait_sim_failure(w.sim));
        assert_string_equal(plait_sim_failure(w.sim), rows[i].failure);
        world_close(&w);
    }
}

static void what_a_reactor_keeps_for_itself_is_not_left(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_timer timer;
    w.sim->strict = true;
    plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "tls-ticket-key", note, NULL);
    plait_timer_arm(&timer, plait_seconds(1));
    plait_sim_check_end(w.sim);
    assert_null(plait_sim_failure(w.sim));
    world_close(&w);
}

static void what_was_stopped_is_not_left(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    w.sim->strict = true;
    leave_timer(&w, plait_host_reactor(a));
    plait_host_stop(a); /* a scenario that ends a host in the middle of things says so */
    plait_sim_check_end(w.sim);
    assert_null(plait_sim_failure(w.sim));
    world_close(&w);
}

static void what_is_done_and_logged_is_told(void **state)
{
    (void)state;
    char line[100] = "";
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    struct plait_reactor *r = plait_host_reactor(a);
    plait_sim_explain(w.sim, first_line, line);
    assert_int_equal(CALL(w.b, eventfd, 0, 0), 0);
    assert_string_equal(line, "");
    assert_int_equal(CALL(w.b, close, 0), 0);
    assert_string_equal(line, "b: closes 0 (eventfd)");
    line[0] = 0;
    plait_log_event(plait_reactor_log(r), PLAIT_LOG_INFO, "test", "hello", "Somebody said hello.", NULL);
    assert_non_null(strstr(line, "host a logs: "));
    assert_non_null(strstr(line, "hello"));
    world_close(&w);
}

static void there_are_many_hosts_and_an_end_of_them(void **state)
{
    (void)state;
    char name[65] = "", text[PLAIT_ADDR_TEXT_MAX];
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_address at;
    memset(name, 'n', 64);
    assert_null(plait_sim_host(sim, ""));
    assert_null(plait_sim_host(sim, name)); /* too long */
    for (unsigned i = 1; i <= 1000; i++) {
        (void)snprintf(name, sizeof name, "host%u", i);
        assert_non_null(plait_sim_host(sim, name));
    }
    struct plait_host *host = plait_sim_host(sim, "host256");
    plait_host_address(host, PLAIT_ADDR_IP4, 0, &at);
    assert_string_equal(plait_address_format_host(&at, text), "10.0.1.0");
    assert_ptr_equal(sim_host_by_address(host, &at), host);
    plait_host_address(host, PLAIT_ADDR_IP6, 0, &at);
    assert_string_equal(plait_address_format_host(&at, text), "fd00::100");
    assert_ptr_equal(sim_host_by_address(plait_sim_host(sim, "host1"), &at), host);
    assert_ptr_not_equal(plait_sim_host(sim, "HOST256"), host); /* another name; both resolve to the first */
    assert_int_equal(sim->host_count, 1001);
    sim->host_count = SIM_HOSTS_MAX;
    assert_null(plait_sim_host(sim, "another"));
    sim->host_count = 1001;
    plait_sim_free(&sim);
    plait_sim_free(&sim);
}

/* Of several hosts with an address, the one that was made first has it. */
static void an_address_may_move(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a"), *b = plait_sim_host(w.sim, "b");
    struct plait_address shared = {.kind = PLAIT_ADDR_IP4, .ip = {192, 0, 2, 7}};
    assert_null(sim_host_by_address(a, &shared));
    assert_ok(plait_host_set_addresses(b, &shared, 1));
    assert_ptr_equal(sim_host_by_address(a, &shared), b);
    assert_ok(plait_host_set_addresses(a, &shared, 1));
    assert_ptr_equal(sim_host_by_address(b, &shared), a);
    assert_ok(plait_host_set_addresses(a, NULL, 0));
    assert_ptr_equal(sim_host_by_address(a, &shared), b);
    world_close(&w);
}

/* What one host's callback does to another host's reactor is seen at once. */
static void a_reactor_may_be_given_work_from_outside(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_soon soon;
    struct plait_timer timer;
    unsigned fired = 0;
    plait_soon_init(&soon, plait_host_reactor(plait_sim_host(w.sim, "b")), "test", note, &fired);
    plait_timer_init(&timer, plait_host_reactor(plait_sim_host(w.sim, "a")), "test", queue, &soon);
    plait_sim_run_for(w.sim, plait_seconds(1));
    plait_timer_arm(&timer, plait_seconds(1));
    plait_sim_run_for(w.sim, plait_seconds(2));
    assert_int_equal(fired, 1);
    assert_true(plait_sim_run_until_idle(w.sim, 0));
    plait_soon_queue(&soon);
    assert_false(plait_sim_run_while(w.sim, 0, not_yet, &(unsigned){0}));
    assert_int_equal(fired, 2);
    world_close(&w);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct answer {
    unsigned calls;
    plait_err err;
    size_t count;
    enum plait_address_kind first;
};

static void got_answer(struct plait_result *result, void *ctx)
{
    struct answer *answer = ctx;
    answer->calls++;
    answer->err = result->fault.err;
    result->fault.err = PLAIT_OK;
    if (answer->err)
        return;
    const struct plait_addresses *found = result->value.ptr;
    answer->count = found->count;
    answer->first = found->address[0].kind;
}

static struct answer ask(struct plait_sim *sim, const char *name, enum plait_family family)
{
    struct answer answer = {0};
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "a"));
    plait_err err = plait_then(plait_resolve(r, plait_slice_text(name), family), got_answer, &answer);
    plait_sim_run_for(sim, plait_seconds(1));
    assert_int_equal(answer.calls, err ? 0 : 1);
    if (err)
        answer.err = err;
    return answer;
}

static void names_of_hosts_resolve_everywhere(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum plait_family family;
        plait_err err;
        size_t count;
        enum plait_address_kind first;
    } cases[] = {
        {"b", PLAIT_ANY_FAMILY, PLAIT_OK, 2, PLAIT_ADDR_IP6},
        {"B", PLAIT_ONLY_IP4, PLAIT_OK, 1, PLAIT_ADDR_IP4},
        {"b", PLAIT_ONLY_IP6, PLAIT_OK, 1, PLAIT_ADDR_IP6},
        {"localhost", PLAIT_ANY_FAMILY, PLAIT_OK, 2, PLAIT_ADDR_IP6},
        {"localhost", PLAIT_ONLY_IP4, PLAIT_OK, 1, PLAIT_ADDR_IP4},
        {"localhost", PLAIT_ONLY_IP6, PLAIT_OK, 1, PLAIT_ADDR_IP6},
        {"nobody", PLAIT_ANY_FAMILY, PLAIT_ENAMENOTFOUND, 0, PLAIT_ADDR_NONE},
    };
    struct world w = world_open();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct answer answer = ask(w.sim, cases[i].name, cases[i].family);
        assert_err(answer.err, cases[i].err);
        assert_int_equal(answer.count, cases[i].count);
        assert_int_equal(answer.first, cases[i].first);
    }
    world_close(&w);
}

/* Whatever allocation fails, there is one answer: the addresses or that there is no memory. */
static void a_name_may_not_resolve_for_want_of_memory(void **state)
{
    (void)state;
    bool lacked = false, failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct test_heap heap;
        struct world w = world_open();
        struct plait_reactor_options options = {.allocator = &heap.allocator};
        test_heap_init(&heap, 0);
        plait_host_reactor_options(plait_sim_host(w.sim, "a"), &options);
        assert_non_null(plait_host_reactor(plait_sim_host(w.sim, "a")));
        heap.fail_at = heap.calls + k;
        struct answer answer = ask(w.sim, "b", PLAIT_ANY_FAMILY);
        failed = heap.calls >= heap.fail_at;
        assert_true(answer.err == PLAIT_OK || answer.err == PLAIT_ENOMEM);
        lacked = lacked || answer.err == PLAIT_ENOMEM;
        world_close(&w);
        assert_int_equal(heap.live, 0);
        assert_true(k < 100);
    }
    assert_true(lacked);
}

TEST_MAIN(cmocka_unit_test(the_clock_jumps_to_the_next_timer), cmocka_unit_test(run_for_ends_exactly),
          cmocka_unit_test(links_have_latency_of_their_own), cmocka_unit_test(hosts_have_names_addresses_and_variables),
          cmocka_unit_test(the_same_seed_gives_the_same_hash), cmocka_unit_test(the_story_is_told_in_lines),
          cmocka_unit_test(a_descriptor_that_is_left_fails_the_run),
          cmocka_unit_test(a_world_that_runs_in_circles_fails),
          cmocka_unit_test(a_failed_seed_is_named_with_its_command),
          cmocka_unit_test(a_scenario_draws_numbers_of_its_own), cmocka_unit_test(a_world_runs_while_it_is_told_to),
          cmocka_unit_test(a_reactor_that_stops_fails_the_run),
          cmocka_unit_test(memory_that_a_reactor_leaves_fails_the_run),
          cmocka_unit_test(what_a_reactor_still_does_fails_the_run), cmocka_unit_test(what_was_stopped_is_not_left),
          cmocka_unit_test(what_a_reactor_keeps_for_itself_is_not_left),
          cmocka_unit_test(what_is_done_and_logged_is_told), cmocka_unit_test(there_are_many_hosts_and_an_end_of_them),
          cmocka_unit_test(an_address_may_move), cmocka_unit_test(a_reactor_may_be_given_work_from_outside),
          cmocka_unit_test(names_of_hosts_resolve_everywhere),
          cmocka_unit_test(a_name_may_not_resolve_for_want_of_memory))
