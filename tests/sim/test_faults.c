/* SPDX-License-Identifier: MIT
 *
 * Faults by rule and by chance, and their counters; the injector in front of both kernels.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

static void a_rule_strikes_at_the_nth_call(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule rule = {.call = "eventfd", .host = plait_sim_host(w.sim, "a"), .os_errno = ENFILE, .nth = 2};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_true(CALL(w.b, eventfd, 0, 0) >= 0);
    assert_true(CALL(w.a, eventfd, 0, 0) >= 0);
    assert_int_equal(CALL(w.a, eventfd, 0, 0), -ENFILE);
    assert_true(CALL(w.a, eventfd, 0, 0) >= 0);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, "eventfd"), 1);
    assert_int_equal(plait_sim_call_count(w.sim, "eventfd"), 4);
    world_close(&w);
}

static void a_rule_strikes_by_chance(void **state)
{
    (void)state;
    struct world w = world_open();
    unsigned failed = 0;
    struct plait_sim_rule rule = {.call = "epoll_create1", .os_errno = ENOMEM, .chance_num = 1, .chance_den = 4};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    for (unsigned i = 0; i < 400; i++) {
        int fd = CALL(w.a, epoll_create1, 0);
        failed += fd == -ENOMEM;
        if (fd >= 0)
            CALL(w.a, close, fd);
    }
    assert_true(failed > 60 && failed < 140);
    plait_sim_clear_rules(w.sim);
    assert_true(CALL(w.a, epoll_create1, 0) >= 0);
    world_close(&w);
}

static void a_wrong_rule_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule none = {.call = "none", .os_errno = 1}, no_errno = {.call = "read"};
    struct plait_sim_rule good = {.call = "read", .os_errno = 1, .nth = 1};
    assert_err(plait_sim_add_rule(w.sim, &none), PLAIT_EINVAL);
    assert_err(plait_sim_add_rule(w.sim, &no_errno), PLAIT_EINVAL);
    for (unsigned i = 0; i < 64; i++)
        assert_ok(plait_sim_add_rule(w.sim, &good));
    assert_err(plait_sim_add_rule(w.sim, &good), PLAIT_ELIMIT);
    world_close(&w);
}

static void a_close_that_fails_closes_all_the_same(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule rule = {.call = "close", .os_errno = EIO, .nth = 1};
    int fd = CALL(w.a, eventfd, 0, 0);
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_int_equal(CALL(w.a, close, fd), -EIO);
    assert_int_equal(CALL(w.a, close, fd), -EBADF);
    world_close(&w);
}

static void a_short_read_is_followed_by_an_edge(void **state)
{
    (void)state;
    char got[100];
    struct world w = world_open();
    int sv[2], ep = CALL(w.a, epoll_create1, 0), reads = 0;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, out;
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    CALL(w.a, epoll_ctl, ep, EPOLL_CTL_ADD, sv[1], &ev);
    plait_sim_faults(w.sim, PLAIT_SIM_SHORT);
    for (int round = 0; round < 50; round++) {
        size_t left = 0;
        ssize_t sent = put((struct end){w.a, sv[0]}, "0123456789", 10);
        assert_true(sent > 0);
        left = (size_t)sent;
        /* One read an edge: what a reader does that takes a short read for the end. */
        while (CALL(w.a, epoll_wait, ep, &out, 1, 0) == 1) {
            ssize_t n = CALL(w.a, recv, sv[1], got, sizeof got, 0);
            left -= n > 0 ? (size_t)n : 0;
            reads++;
        }
        assert_int_equal(left, 0);
    }
    assert_true(reads > 50);
    assert_true(plait_sim_fault_count(w.sim, PLAIT_SIM_SHORT, NULL) > 0);
    world_close(&w);
}

static void calls_are_counted(void **state)
{
    (void)state;
    struct world w = world_open();
    CALL(w.a, eventfd, 0, 0);
    CALL(w.b, eventfd, 0, 0);
    CALL(w.b, epoll_create1, 0);
    assert_int_equal(plait_sim_call_count(w.sim, "eventfd"), 2);
    assert_int_equal(plait_sim_call_count(w.sim, "none"), 0);
    assert_int_equal(plait_sim_call_count(w.sim, NULL), 3);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, "none"), 0);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, NULL), 0);
    world_close(&w);
}

/* --- strikes left out --------------------------------------------------------------------------------------------- */

#define TRIES 400

struct strikes {
    uint64_t number[TRIES];
    size_t count;
    char last[120];
};

static void note_strike(const struct plait_sim_strike *strike, void *ctx)
{
    struct strikes *s = ctx;
    s->number[s->count++] = strike->number;
    assert_string_equal(strike->host, "a");
    assert_string_equal(strike->call, "eventfd");
    (void)snprintf(s->last, sizeof s->last, "%s", strike->text);
}

/* Which of many calls fail, when each fails by a chance of one in eight. */
static void try_calls(const struct plait_sim_choice *choice, struct strikes *s, bool failed[TRIES])
{
    const struct plait_sim_options options = {.seed = 5, .choice = choice, .strike = note_strike, .strike_ctx = s};
    struct plait_sim_rule rule = {.call = "eventfd", .os_errno = ENFILE, .chance_num = 1, .chance_den = 8};
    struct plait_sim *sim = plait_sim_new_with(&options);
    struct plait_sys *sys = plait_host_sys(plait_sim_host(sim, "a"));
    assert_ok(plait_sim_add_rule(sim, &rule));
    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < TRIES; i++) {
        int fd = CALL(sys, eventfd, 0, 0);
        failed[i] = fd < 0;
        if (fd >= 0)
            CALL(sys, close, fd);
    }
    assert_int_equal(plait_sim_fault_count(sim, 0, "eventfd"), s->count);
    plait_sim_free(&sim);
}

static void a_strike_that_is_left_out_changes_nothing_else(void **state)
{
    (void)state;
    bool all[TRIES], some[TRIES];
    struct strikes whole, part;
    try_calls(NULL, &whole, all);
    const uint64_t numbers[] = {whole.number[1], whole.number[2], whole.number[19]};
    struct plait_sim_choice choice = {.numbers = numbers, .count = 3};
    assert_true(whole.count > 25);
    assert_string_equal(whole.last, "eventfd fails by rule: ENFILE");
    for (int without = 0; without < 2; without++) {
        uint64_t number = 0;
        choice.without = without;
        try_calls(&choice, &part, some);
        assert_int_equal(part.count, without ? whole.count - 3 : 3);
        for (unsigned i = 0; i < TRIES; i++) {
            number += all[i];
            bool named = number == 2 || number == 3 || number == 20;
            assert_int_equal(some[i], all[i] && named != choice.without);
        }
    }
}

/* --- the shrinker ------------------------------------------------------------------------------------------------- */

/* Many calls fail; it goes wrong when the tenth and the hundred and first both do. */
static void needs_two(struct plait_sim *sim)
{
    struct plait_sys *sys = plait_host_sys(plait_sim_host(sim, "a"));
    struct plait_sim_rule rule = {.call = "eventfd", .os_errno = ENFILE, .chance_num = 1, .chance_den = 2};
    struct plait_sim_rule more = {.call = "epoll_create1", .os_errno = ENOMEM, .chance_num = 1, .chance_den = 2};
    bool failed[TRIES];
    assert_ok(plait_sim_add_rule(sim, &rule));
    assert_ok(plait_sim_add_rule(sim, &more));
    plait_sim_faults(sim, PLAIT_SIM_INTERRUPT);
    for (unsigned i = 0; i < TRIES; i++) {
        int fd = CALL(sys, eventfd, 0, 0), ep = CALL(sys, epoll_create1, 0);
        failed[i] = fd < 0;
        if (fd >= 0)
            CALL(sys, close, fd);
        if (ep >= 0)
            CALL(sys, close, ep);
    }
    if (failed[10] && failed[101])
        plait_sim_fail(sim, "seen %" PRIu64 " calls, and two of them were too much", plait_sim_call_count(sim, NULL));
    else if (failed[200] && failed[201])
        plait_sim_fail(sim, "another failure");
}

static const struct plait_scenario two = {.name = "two", .run = needs_two};

static uint64_t seed_of_two(uint64_t from)
{
    struct plait_scenario_result result;
    for (uint64_t seed = from;; seed++) {
        plait_scenario_run(&two, seed, &result, NULL, NULL);
        if (strncmp(result.failure, "seen", 4) == 0)
            return seed;
    }
}

/* Shrinks the failure of a seed, and looks whether each of the two that are left is needed. */
static void shrink_to_two(uint64_t seed)
{
    const struct plait_scenario_options options = {.seed = seed};
    struct plait_scenario_plan plan;
    struct plait_scenario_result result;
    assert_true(plait_scenario_shrink(&two, &options, 0, &plan));
    assert_true(plan.fails && plan.minimal);
    assert_true(plan.struck > 300);
    assert_int_equal(plan.count, 2);
    assert_true(plan.number[0] < plan.number[1]);
    assert_int_equal(plan.result.faults, 2);
    for (size_t without = 0; without <= 2; without++) {
        const uint64_t one = plan.number[without == 0];
        const struct plait_sim_choice choice = {.numbers = without == 2 ? plan.number : &one,
                                                .count = without == 2 ? 2 : 1};
        struct plait_scenario_options again = options;
        again.choice = &choice;
        plait_scenario_run_with(&two, &again, &result);
        assert_int_equal(result.failed, without == 2);
    }
    plait_scenario_plan_deinit(&plan);
    assert_null(plan.number);
}

static void the_shrinker_finds_the_two_strikes_of_many(void **state)
{
    (void)state;
    uint64_t seed = 0;
    for (unsigned i = 0; i < 6; i++) {
        seed = seed_of_two(seed + 1);
        shrink_to_two(seed);
    }
}

static void the_shrinker_stops_when_it_is_told_to(void **state)
{
    (void)state;
    const struct plait_scenario_options options = {.seed = seed_of_two(1)};
    for (uint64_t runs = 2; runs < 14; runs++) {
        struct plait_scenario_plan plan;
        assert_true(plait_scenario_shrink(&two, &options, runs, &plan));
        assert_false(plan.minimal);
        assert_int_equal(plan.runs, runs);
        assert_true(plan.count > 2);
        plait_scenario_plan_deinit(&plan);
    }
}

/* Two strikes give one failure, the first of them alone another. */
static void fails_in_two_ways(struct plait_sim *sim)
{
    struct plait_sys *sys = plait_host_sys(plait_sim_host(sim, "a"));
    struct plait_sim_rule rule = {.call = "eventfd", .os_errno = ENFILE, .chance_num = 1, .chance_den = 1, .times = 2};
    assert_ok(plait_sim_add_rule(sim, &rule));
    bool first = CALL(sys, eventfd, 0, 0) < 0, second = CALL(sys, eventfd, 0, 0) < 0;
    if (first)
        plait_sim_fail(sim, second ? "both" : "the first alone");
    for (int fd = 0; fd < 2; fd++)
        CALL(sys, close, fd);
}

static void another_failure_does_not_count(void **state)
{
    (void)state;
    const struct plait_scenario scenario = {.name = "ways", .run = fails_in_two_ways};
    const struct plait_scenario_options options = {.seed = 1};
    struct plait_scenario_plan plan;
    assert_true(plait_scenario_shrink(&scenario, &options, 0, &plan));
    assert_true(plan.minimal);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.result.failure, "both");
    plait_scenario_plan_deinit(&plan);
}

static void fails_always(struct plait_sim *sim)
{
    struct plait_sys *sys = plait_host_sys(plait_sim_host(sim, "a"));
    struct plait_sim_rule rule = {.call = "eventfd", .os_errno = ENFILE, .nth = 1};
    assert_ok(plait_sim_add_rule(sim, &rule));
    CALL(sys, eventfd, 0, 0);
    plait_sim_fail(sim, "always");
}

static void fails_never(struct plait_sim *sim)
{
    (void)sim;
}

static void a_failure_may_need_no_fault_at_all(void **state)
{
    (void)state;
    const struct plait_scenario always = {.name = "always", .run = fails_always};
    const struct plait_scenario never = {.name = "never", .run = fails_never};
    const struct plait_scenario_options options = {.seed = 1};
    struct plait_scenario_plan plan;
    assert_true(plait_scenario_shrink(&always, &options, 0, &plan));
    assert_true(plan.minimal);
    assert_int_equal(plan.count, 0);
    assert_int_equal(plan.struck, 1);
    plait_scenario_plan_deinit(&plan);
    assert_false(plait_scenario_shrink(&never, &options, 0, &plan));
    plait_scenario_plan_deinit(&plan);
}

static void the_shrinker_survives_a_heap_that_fails(void **state)
{
    (void)state;
    const struct plait_scenario_options options = {.seed = seed_of_two(1)};
    bool whole = false;
    for (uint64_t k = 1; !whole; k++) {
        struct test_heap heap;
        struct plait_scenario_plan plan;
        test_heap_init(&heap, k);
        assert_true(plait__scenario_shrink(&two, &options, 0, &plan, &heap.allocator));
        whole = plan.minimal;
        plait__scenario_plan_deinit(&plan, &heap.allocator);
        assert_int_equal(heap.live, 0);
        assert_true(k < 20);
    }
}

/* --- signals and errnos ------------------------------------------------------------------------------------------- */

static void a_signal_interrupts_what_waits(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_in to = host_address(w.b, 80);
    struct epoll_event ev = {.events = EPOLLIN}, out;
    unsigned connects = 0, closes = 0, waits = 0, row = 0, longest = 0;
    tcp_listen_on(w.b, 80, 4096);
    int fd = CALL(w.a, eventfd, 1, 0), ep = CALL(w.a, epoll_create1, 0);
    CALL(w.a, epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev);
    plait_sim_faults(w.sim, PLAIT_SIM_INTERRUPT);
    for (unsigned i = 0; i < 2000; i++) {
        int s = tcp_socket(w.a), n = CALL(w.a, epoll_wait, ep, &out, 1, 0);
        connects += CALL(w.a, connect, s, (struct sockaddr *)&to, sizeof to) == -EINTR;
        closes += CALL(w.a, close, s) == -EINTR;
        row = n == 0 ? row + 1 : 0;
        longest = row > longest ? row : longest;
        waits += n == 0;
    }
    assert_true(connects > 50 && closes > 50 && waits > 100);
    assert_true(longest > 5);
    assert_int_equal(plait_host_descriptors(plait_sim_host(w.sim, "a")), 2);
    assert_true(plait_sim_fault_count(w.sim, PLAIT_SIM_INTERRUPT, "connect") > 50);
    world_close(&w);
}

struct caller {
    struct plait_sys *sys;
    struct plait_timer timer;
    int fd;
    unsigned calls, failed;
};

static void call_more(void *ctx)
{
    struct caller *c = ctx;
    int ep = CALL(c->sys, epoll_create1, EPOLL_CLOEXEC);
    uint64_t one = 1;
    if (ep < 0)
        assert_true(plait_sim_errno_possible("epoll_create1", -ep));
    else
        CALL(c->sys, close, ep);
    c->failed += ep < 0;
    assert_int_equal(CALL(c->sys, write, c->fd, &one, sizeof one), sizeof one);
    if (++c->calls < 2000)
        plait_timer_arm(&c->timer, plait_millis(1));
}

static void errnos_strike_while_the_world_runs(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(w.sim, "a"));
    struct caller c = {.sys = w.a, .fd = CALL(w.a, eventfd, 0, 0)};
    plait_sim_faults(w.sim, PLAIT_SIM_ERRNO);
    for (unsigned i = 0; i < 500; i++) {
        int fd = CALL(w.a, eventfd, 0, 0); /* not inside of a step */
        assert_true(fd >= 0);
        assert_int_equal(CALL(w.a, close, fd), 0);
    }
    plait_timer_init(&c.timer, r, "test", call_more, &c);
    plait_timer_arm(&c.timer, 0);
    plait_sim_run_for(w.sim, plait_seconds(10));
    assert_int_equal(c.calls, 2000);
    assert_true(c.failed > 10);
    assert_int_equal(plait_sim_fault_count(w.sim, PLAIT_SIM_ERRNO, "epoll_create1"), c.failed);
    CALL(w.a, close, c.fd);
    world_close(&w);
}

static void what_can_be_struck_has_names(void **state)
{
    (void)state;
    assert_true(plait_sim_errno_possible("accept4", EMFILE));
    assert_false(plait_sim_errno_possible("accept4", EBADF));
    assert_false(plait_sim_errno_possible("accept4", 0));
    assert_false(plait_sim_errno_possible("accept4", 1000));
    assert_false(plait_sim_errno_possible("none", EMFILE));
    assert_string_equal(plait_sim_fault_name(PLAIT_SIM_SHORT), "short");
    assert_string_equal(plait_sim_fault_name(0), "rule");
    assert_null(plait_sim_fault_name(1u << 31));
    assert_string_equal(plait_sim_call_name(0), "socket");
    assert_null(plait_sim_call_name(1000));
}

/* --- what the story says ------------------------------------------------------------------------------------------ */

struct story {
    char text[60000];
    size_t len;
};

static void tell(plait_time now, const char *line, void *ctx)
{
    struct story *story = ctx;
    (void)now;
    story->len += (size_t)snprintf(story->text + story->len, sizeof story->text - story->len, "%s\n", line);
    assert_true(story->len < sizeof story->text);
}

static void the_story_is_told_in_words(void **state)
{
    (void)state;
    struct story story = {.len = 0};
    struct pair p = tcp_pair_open();
    char block[10];
    plait_sim_explain(p.w.sim, tell, &story);
    put(p.a, "hello", 5);
    CALL(p.b.host, recv, p.b.fd, block, sizeof block, 0);
    CALL(p.b.host, recv, p.b.fd, block, sizeof block, 0);
    CALL(p.a.host, shutdown, p.a.fd, SHUT_WR);
    CALL(p.b.host, recv, p.b.fd, block, sizeof block, 0);
    plait_sim_faults(p.w.sim, PLAIT_SIM_RESET);
    while (put(p.b, "again", 5) == 5)
        (void)take_raw(p.a);
    const char *lines[] = {
        "a: sends 5 bytes on 0 (port ",
        " to b:80)\nb: reads 5 bytes on 1 (port 80 to a:",
        "a: shuts a side of 0 (port",
        "b: reads the end of 1 (port 80 to a:",
        "\n** fault ",
        ": b: the connection of port 80 to a:",
        "is reset on its way, with 5 bytes\n",
        "b: sendmsg on 1 (port 80 to a:",
        ") fails: E",
    };
    const char *at = story.text;
    for (size_t i = 0; i < TEST_COUNT(lines); i++) {
        const char *found = strstr(at, lines[i]);
        if (!found)
            print_error("'%s' is not in:\n%s", lines[i], at);
        assert_non_null(found);
        at = found;
    }
    pair_close(&p);
}

static void a_full_socket_has_no_room(void **state)
{
    (void)state;
    static const char block[4096];
    struct world w = world_open();
    struct story story = {.len = 0};
    int sv[2];
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    plait_sim_explain(w.sim, tell, &story);
    while (put((struct end){w.a, sv[0]}, block, sizeof block) > 0)
        story.len = 0;
    assert_string_equal(story.text, "a: sendmsg on 0 (unix) has no room\n");
    world_close(&w);
}

/* Each call, and the line that it makes. */
static void descriptors_are_told_by_what_they_are(void **state)
{
    (void)state;
    struct world w = world_open();
    struct story story = {.len = 0};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = {0, 'x'}};
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(53)}, far = port;
    const socklen_t len = offsetof(struct sockaddr_un, sun_path) + 2;
    int sv[2];
    far.sin_addr.s_addr = htonl(0xc0000207);
    plait_sim_explain(w.sim, tell, &story);
    int udp = CALL(w.a, socket, AF_INET, SOCK_DGRAM, 0);
    CALL(w.a, bind, udp, (struct sockaddr *)&port, sizeof port);
    CALL(w.a, connect, udp, (struct sockaddr *)&far, sizeof far);
    int l = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    CALL(w.a, bind, l, (struct sockaddr *)&abstract, len);
    CALL(w.a, listen, l, 1);
    int s = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    CALL(w.a, connect, s, (struct sockaddr *)&abstract, len);
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM, 0, sv);
    CALL(w.a, close, sv[0]);
    CALL(w.a, close, CALL(w.a, socket, AF_INET, SOCK_STREAM, 0));
    CALL(w.a, openat2, AT_FDCWD, "/none", O_RDONLY, 0, 0);
    CALL(w.a, openat2, AT_FDCWD, "/tmp/new", O_CREAT | O_WRONLY, 0600, 0);
    CALL(w.a, listen, udp, 1);
    const char *lines[] = {
        "a: binds 0 (*:53)\n",
        "a: connects 0 (udp port 53 to 192.0.2.7:53)\n",
        "a: binds 1 (@x)\n",
        "a: listens on 1 (listener @x)\n",
        "a: connects 2 (unix to @x)\n",
        "a: makes a pair of unix sockets\n",
        "a: closes 3 (unix",
        "a: closes 3 (tcp)\n",
        "a: openat2 fails: ENOENT\n",
        "a: opens a file as 3\n",
        "a: listen on 0 (udp port 53 to 192.0.2.7:53) fails: EOPNOTSUPP\n",
    };
    for (size_t i = 0; i < TEST_COUNT(lines); i++) {
        if (!strstr(story.text, lines[i]))
            print_error("'%s' is not in:\n%s", lines[i], story.text);
        assert_non_null(strstr(story.text, lines[i]));
    }
    world_close(&w);
}

static void a_strike_that_says_nothing_is_told_by_its_name(void **state)
{
    (void)state;
    struct world w = world_open();
    struct story story = {.len = 0};
    plait_sim_explain(w.sim, tell, &story);
    plait_sim_faults(w.sim, PLAIT_SIM_DELAY);
    assert_true(sim_strikes_at(w.sim, NULL, PLAIT_SIM_DELAY, 1, PLAIT_SYS_sendmsg));
    plait_sim_log(w.sim, "next");
    assert_non_null(strstr(story.text, ": delay (sendmsg)\nnext\n"));
    world_close(&w);
}

static void a_descriptor_that_is_not_open_fails_the_run(void **state)
{
    (void)state;
    struct world w = world_open();
    CALL(w.a, close, 9);
    assert_null(plait_sim_failure(w.sim)); /* no engine runs there: a test may try what it likes */
    assert_non_null(plait_host_reactor(plait_sim_host(w.sim, "a")));
    CALL(w.a, close, 9);
    assert_string_equal(plait_sim_failure(w.sim), "host a called close with descriptor 9, which is not open");
    world_close(&w);
}

static void fails_in_words(struct plait_sim *sim)
{
    plait_sim_fail(sim, "nothing came");
}

static void ended(const struct plait_sim *sim, void *ctx)
{
    assert_null(plait_sim_failure(sim));
    ++*(unsigned *)ctx;
}

static void a_run_may_look_at_invariants_only(void **state)
{
    (void)state;
    unsigned ends = 0;
    struct story story = {.len = 0};
    const struct plait_scenario scenario = {.name = "words", .run = fails_in_words};
    const struct plait_scenario_options options = {
        .invariants_only = true, .ended = ended, .ended_ctx = &ends, .explain = tell, .explain_ctx = &story};
    struct plait_scenario_result result;
    plait_scenario_run_with(&scenario, &options, &result);
    assert_false(result.failed);
    assert_int_equal(ends, 1);
    assert_string_equal(story.text, "nothing came\n");
}

TEST_MAIN(cmocka_unit_test(a_rule_strikes_at_the_nth_call), cmocka_unit_test(a_rule_strikes_by_chance),
          cmocka_unit_test(a_wrong_rule_is_refused), cmocka_unit_test(a_close_that_fails_closes_all_the_same),
          cmocka_unit_test(a_short_read_is_followed_by_an_edge), cmocka_unit_test(calls_are_counted),
          cmocka_unit_test(a_strike_that_is_left_out_changes_nothing_else),
          cmocka_unit_test(the_shrinker_finds_the_two_strikes_of_many),
          cmocka_unit_test(the_shrinker_stops_when_it_is_told_to), cmocka_unit_test(another_failure_does_not_count),
          cmocka_unit_test(a_failure_may_need_no_fault_at_all),
          cmocka_unit_test(the_shrinker_survives_a_heap_that_fails), cmocka_unit_test(a_signal_interrupts_what_waits),
          cmocka_unit_test(errnos_strike_while_the_world_runs), cmocka_unit_test(what_can_be_struck_has_names),
          cmocka_unit_test(a_strike_that_says_nothing_is_told_by_its_name),
          cmocka_unit_test(the_story_is_told_in_words), cmocka_unit_test(a_full_socket_has_no_room),
          cmocka_unit_test(descriptors_are_told_by_what_they_are),
          cmocka_unit_test(a_descriptor_that_is_not_open_fails_the_run),
          cmocka_unit_test(a_run_may_look_at_invariants_only))
