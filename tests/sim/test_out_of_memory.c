/* SPDX-License-Identifier: MIT
 *
 * The simulated world without memory: stories are told again and again while the 1st, 2nd, … n-th allocation of the
 * world fails, alone or with all that follow. A call reports it or the run fails; nothing is left, nothing is freed
 * twice.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

#include <plait/listen.h>
#include <plait/testing.h>

#include <signal.h>

typedef void (*story_fn)(struct plait_sim *sim, struct plait_host *a, struct plait_host *b);

/* Tells a story on a heap whose k-th allocation fails, for k from 1 until none did. */
static void tell_with(story_fn story, bool all_later)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct test_heap heap;
        test_heap_init(&heap, k);
        heap.fail_after = all_later;
        struct plait_sim_options options = {.seed = 1, .allocator = &heap.allocator};
        struct plait_sim *sim = plait_sim_new_with(&options);
        struct plait_host *a = sim ? plait_sim_host(sim, "a") : NULL;
        struct plait_host *b = a ? plait_sim_host(sim, "b") : NULL;
        if (b)
            story(sim, a, b);
        failed = heap.calls >= k;
        if (!failed) /* a story that has all it needs ends well */
            assert_null(plait_sim_failure(sim));
        plait_sim_free(&sim);
        assert_int_equal(heap.live, 0);
        assert_true(k < 5000);
    }
}

static void tell(story_fn story)
{
    tell_with(story, false);
    tell_with(story, true);
}

/* A call that may have no memory, and nothing else. */
static int may_lack(int res)
{
    if (res < 0 && res != -ENOMEM && res != -ENOBUFS && res != -ENOSPC)
        fail_msg("a call failed with %s", strerrorname_np(-res));
    return res;
}

/* --- descriptors, files, variables -------------------------------------------------------------------------------- */

static void story_of_descriptors(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    sigset_t signals;
    struct epoll_event event = {.events = EPOLLIN};
    struct plait_sim_link link = {.latency = 1};
    int fds[2];
    sigemptyset(&signals);
    for (unsigned i = 0; i < 9; i++) {
        int ep = may_lack(CALL(sys, epoll_create1, 0));
        int counter = may_lack(CALL(sys, eventfd, 1, 0));
        if (ep >= 0 && counter >= 0)
            may_lack(CALL(sys, epoll_ctl, ep, EPOLL_CTL_ADD, counter, &event));
        if (may_lack(CALL(sys, pipe2, fds, 0)) == 0)
            may_lack((int)CALL(sys, write, fds[1], "x", 1));
        may_lack(CALL(sys, signalfd, -1, &signals, 0));
        may_lack(CALL(sys, socketpair, AF_UNIX, SOCK_STREAM, 0, fds));
        may_lack(CALL(sys, socket, AF_INET, SOCK_STREAM, 0));
    }
    if (plait_sim_set_link(sim, a, b, &link) == PLAIT_OK)
        assert_ok(plait_sim_set_link(sim, b, a, &link));
}

/* Pairs and pipes alone, so that it is they for which the table of descriptors grows. */
static void story_of_pairs(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    size_t open = 0;
    int fds[2];
    (void)sim;
    (void)b;
    for (unsigned i = 0; i < 10; i++) {
        if (may_lack(CALL(sys, socketpair, AF_UNIX, SOCK_DGRAM, 0, fds)) == 0)
            open += 2;
        assert_int_equal(plait_host_descriptors(a), open);
    }
}

static void story_of_pipes(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    size_t open = 0;
    int fds[2];
    (void)sim;
    (void)b;
    if (may_lack(CALL(sys, eventfd, 0, 0)) >= 0) /* an odd number: the table is full between the two ends */
        open++;
    for (unsigned i = 0; i < 10; i++) {
        if (may_lack(CALL(sys, pipe2, fds, 0)) == 0)
            open += 2;
        assert_int_equal(plait_host_descriptors(a), open);
    }
}

static void story_of_files(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    plait_err err = plait_host_write_file(a, "/srv/www/index.html", "text", 4);
    (void)sim;
    (void)b;
    assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    err = plait_host_set_env(a, "X", "1");
    assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    bool had = err == PLAIT_OK;
    err = plait_host_set_env(a, "X", "2");
    if (had) /* either the new one or the old one is there */
        assert_string_equal(CALL(sys, env, "X"), err ? "1" : "2");
    int fd = may_lack(CALL(sys, openat2, AT_FDCWD, "/tmp/f", O_RDWR | O_CREAT, 0644, 0));
    may_lack(CALL(sys, mkdirat, AT_FDCWD, "/tmp/d", 0755));
    if (fd < 0)
        return;
    static const char much[10000];
    may_lack((int)CALL(sys, write, fd, much, sizeof much));
    may_lack((int)CALL(sys, pwrite, fd, "x", 1, 40000));
    may_lack(CALL(sys, ftruncate, fd, 100000));
    may_lack(CALL(sys, renameat, AT_FDCWD, "/tmp/f", AT_FDCWD, "/tmp/g"));
}

/* --- the network -------------------------------------------------------------------------------------------------- */

static void story_of_tcp(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *here = plait_host_sys(a), *there = plait_host_sys(b);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)}, to = host_address(there, 80);
    static const char much[60000];
    int listener = may_lack(CALL(there, socket, AF_INET, SOCK_STREAM, 0));
    int fd = may_lack(CALL(here, socket, AF_INET, SOCK_STREAM, 0));
    if (listener < 0 || fd < 0 || may_lack(CALL(there, bind, listener, (struct sockaddr *)&at, sizeof at)) < 0)
        return;
    assert_int_equal(CALL(there, listen, listener, 5), 0);
    int res = CALL(here, connect, fd, (struct sockaddr *)&to, sizeof to);
    if (res != -EINPROGRESS)
        may_lack(res);
    plait_sim_run_for(sim, plait_seconds(5));
    int child = CALL(there, accept4, listener, NULL, NULL, 0);
    struct end end = {here, fd}, other = {there, child};
    (void)put(end, much, sizeof much);
    if (child >= 0)
        (void)put(other, "answer", 6);
    plait_sim_run_for(sim, plait_seconds(5));
    CALL(here, shutdown, fd, SHUT_WR);
    while (child >= 0 && take_raw(other) > 0)
        plait_sim_run_for(sim, plait_seconds(1));
    CALL(there, close, child);
    plait_sim_run_for(sim, plait_seconds(5));
    CALL(here, close, fd);
    CALL(there, close, listener);
}

/* On a link without latency everything arrives within the call that sends it. */
static void story_of_tcp_at_once(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    static const struct plait_sim_link at_once;
    assert_ok(plait_sim_set_link(sim, NULL, NULL, &at_once));
    story_of_tcp(sim, a, b);
}

/* Connections that nobody accepts: their ends meet resets. */
static void story_of_a_closing_listener(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *here = plait_host_sys(a), *there = plait_host_sys(b);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)}, to = host_address(there, 80);
    int listener = may_lack(CALL(there, socket, AF_INET, SOCK_STREAM, 0));
    if (listener < 0 || may_lack(CALL(there, bind, listener, (struct sockaddr *)&at, sizeof at)) < 0)
        return;
    assert_int_equal(CALL(there, listen, listener, 50), 0);
    for (unsigned i = 0; i < 40; i++) {
        int fd = may_lack(CALL(here, socket, AF_INET, SOCK_STREAM, 0));
        if (fd >= 0)
            (void)CALL(here, connect, fd, (struct sockaddr *)&to, sizeof to);
        if (i % 8 == 0)
            plait_sim_run_for(sim, plait_micros(101)); /* some have come half of the way */
    }
    CALL(there, close, listener);
    plait_sim_run_for(sim, plait_seconds(5));
}

static void story_of_udp(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *here = plait_host_sys(a), *there = plait_host_sys(b);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)}, to = host_address(there, 80);
    int in = may_lack(CALL(there, socket, AF_INET, SOCK_DGRAM, 0));
    int out = may_lack(CALL(here, socket, AF_INET, SOCK_DGRAM, 0));
    if (in < 0 || out < 0)
        return;
    int bound = may_lack(CALL(there, bind, in, (struct sockaddr *)&at, sizeof at));
    if (may_lack(CALL(here, connect, out, (struct sockaddr *)&to, sizeof to)) < 0)
        return;
    for (unsigned i = 0; i < 70; i++) {
        ssize_t res = put((struct end){here, out}, "text", 4);
        if (res != -ECONNREFUSED) /* it is not bound, or only now */
            may_lack((int)res);
        else
            assert_true(bound < 0);
    }
    plait_sim_run_for(sim, plait_seconds(1));
}

/* Links that must remember what waits, bytes that are sent again, datagrams that come twice, probes. */
static void story_of_a_bad_network(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    static const struct plait_sim_link bad = {.latency = 1, .bandwidth = 10000000, .loss = 200000, .duplicate = 500000};
    assert_ok(plait_sim_set_link(sim, NULL, NULL, &bad));
    story_of_tcp(sim, a, b);
    story_of_udp(sim, a, b);
    for (unsigned i = 0; i < 10; i++) {
        char name[8] = {'h', (char)('0' + i)};
        struct plait_host *other = plait_sim_host(sim, name);
        plait_err err = other ? plait_sim_partition(sim, a, other) : PLAIT_OK;
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    }
}

static void story_of_unix(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/s"};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec iov = {(void *)(uintptr_t) "text", 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    char text[10];
    int fds[2];
    (void)sim;
    (void)b;
    int listener = may_lack(CALL(sys, socket, AF_UNIX, SOCK_SEQPACKET, 0));
    int fd = may_lack(CALL(sys, socket, AF_UNIX, SOCK_SEQPACKET, 0));
    if (listener < 0 || fd < 0 || may_lack(CALL(sys, bind, listener, (struct sockaddr *)&un, sizeof un)) < 0)
        return;
    assert_int_equal(CALL(sys, listen, listener, 5), 0);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (may_lack(CALL(sys, connect, fd, (struct sockaddr *)&un, sizeof un)) == 0)
        may_lack((int)CALL(sys, sendmsg, fd, &msg, 0));
    for (unsigned type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        if (may_lack(CALL(sys, socketpair, AF_UNIX, (int)type, 0, fds)) < 0)
            continue;
        may_lack((int)CALL(sys, sendmsg, fds[0], &msg, 0));
        ssize_t n = CALL(sys, recv, fds[1], text, sizeof text, 0);
        assert_true(n == 4 || n == -EAGAIN);
    }
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static void story_of_a_process(struct plait_sim *sim, struct plait_host *a, struct plait_host *b)
{
    struct plait_sys *sys = plait_host_sys(a);
    const char *argv[] = {"cat", NULL}, *env[] = {"X=1", NULL};
    int in[2], out[2], pid, status;
    char text[10];
    (void)b;
    plait_err err = plait_host_add_program(a, "/bin/cat", plait_sim_program_cat(), NULL);
    assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
    if (err || may_lack(CALL(sys, pipe2, in, 0)) < 0 || may_lack(CALL(sys, pipe2, out, 0)) < 0)
        return;
    struct plait_sys_fd_map map[] = {{in[0], 0}, {out[1], 1}};
    struct plait_sys_spawn spawn = {.path = "/bin/cat", .argv = argv, .env = env, .map = map, .map_count = 2};
    int pidfd = may_lack(CALL(sys, spawn, &spawn, &pid));
    may_lack((int)CALL(sys, write, in[1], "text", 4));
    plait_sim_run_for(sim, plait_seconds(1));
    (void)CALL(sys, read, out[0], text, sizeof text);
    CALL(sys, close, in[1]);
    CALL(sys, close, in[0]);
    plait_sim_run_for(sim, plait_seconds(1));
    if (pidfd >= 0 && !plait_sim_failure(sim))
        assert_int_equal(CALL(sys, reap, pidfd, &status), 0);
}

/* --- a whole scenario --------------------------------------------------------------------------------------------- */

static size_t echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static void echo_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)rest;
    (void)self;
    plait_close(s);
}

static void hello_connected(struct plait_stream *s, void *self)
{
    (void)self;
    plait_write(s, PLAIT_LIT("hello"));
    plait_close_write(s);
}

static size_t hello_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    *(size_t *)self += in.len;
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = echo_data, .eof = echo_eof};
static const struct plait_protocol hello = {
    .name = "hello", .connected = hello_connected, .data = hello_data, .flags = PLAIT_HALF_CLOSE};

static void got_stream(struct plait_result *result, void *ctx)
{
    if (result->fault.err) {
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_value value = plait_result_take(result);
    plait_stream_attach(value.ptr, &hello, ctx);
}

static void run_hello(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_reactor *near = client ? plait_host_reactor(client) : NULL;
    struct plait_reactor *far = server ? plait_host_reactor(server) : NULL;
    struct plait_listener *listener = NULL;
    struct plait_address at;
    size_t received = 0;
    if (!near || !far)
        return;
    plait_host_address(server, PLAIT_ADDR_IP4, 7, &at);
    if (plait_listen(far, &at, NULL, plait_service_of(far, &echo, NULL), &listener))
        return;
    assert_ok(plait_then(plait_connect_host(near, PLAIT_LIT("server"), 7, NULL), got_stream, &received));
    plait_sim_run_for(sim, plait_seconds(100));
    plait_listener_close(&listener);
    plait_sim_log(sim, "%zu bytes came back", received);
}

/* Whatever call lacks memory, the engine gives everything back; only the world itself may say that it has failed. */
static void a_scenario_leaves_nothing_behind(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t k = 0; failed; k++) {
        struct test_heap heap;
        struct plait_scenario_result result;
        test_heap_init(&heap, k);
        struct plait_scenario scenario = {.name = "hello", .run = run_hello, .allocator = &heap.allocator};
        plait_scenario_run(&scenario, 1, &result, NULL, NULL);
        failed = k == 0 || heap.calls >= k;
        if (k == 1)
            assert_string_equal(result.failure, "no memory for the world");
        else if (result.failed)
            assert_string_equal(result.failure, "the world is out of memory");
        assert_true(k > 0 || !result.failed);
        assert_int_equal(heap.live, 0);
        assert_true(k < 2000);
    }
}

static void without_memory_there_is_no_testbed(void **state)
{
    (void)state;
    struct plait_testbed *bed = NULL;
    for (uint64_t k = 1; !bed; k++) {
        struct test_heap heap;
        test_heap_init(&heap, k);
        struct plait_sim_options options = {.allocator = &heap.allocator};
        bed = plait__testbed_new(&options);
        assert_true(bed || heap.live == 0);
        if (bed) {
            plait_testbed_free(&bed);
            assert_int_equal(heap.live, 0);
            assert_true(k > 1);
            return;
        }
    }
}

static void without_memory_a_host_has_no_reactor(void **state)
{
    (void)state;
    struct test_heap heap;
    struct plait_reactor_options options = {.allocator = &heap.allocator};
    struct world w = world_open();
    struct plait_host *a = plait_sim_host(w.sim, "a");
    test_heap_init(&heap, 1);
    plait_host_reactor_options(a, &options);
    assert_null(plait_host_reactor(a));
    assert_non_null(plait_host_reactor(a)); /* and later it has */
    plait_host_stop(a);
    assert_int_equal(heap.live, 0);
    world_close(&w);
}

#define STORY(name)                                                                                                    \
    static void name##_survives(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        tell(name);                                                                                                    \
    }
STORY(story_of_descriptors)
STORY(story_of_pairs)
STORY(story_of_pipes)
STORY(story_of_files)
STORY(story_of_tcp)
STORY(story_of_tcp_at_once)
STORY(story_of_a_closing_listener)
STORY(story_of_udp)
STORY(story_of_a_bad_network)
STORY(story_of_unix)
STORY(story_of_a_process)

TEST_MAIN(cmocka_unit_test(story_of_descriptors_survives), cmocka_unit_test(story_of_pairs_survives),
          cmocka_unit_test(story_of_pipes_survives), cmocka_unit_test(story_of_files_survives),
          cmocka_unit_test(story_of_tcp_survives), cmocka_unit_test(story_of_tcp_at_once_survives),
          cmocka_unit_test(story_of_a_closing_listener_survives), cmocka_unit_test(story_of_udp_survives),
          cmocka_unit_test(story_of_a_bad_network_survives), cmocka_unit_test(story_of_unix_survives),
          cmocka_unit_test(story_of_a_process_survives), cmocka_unit_test(a_scenario_leaves_nothing_behind),
          cmocka_unit_test(without_memory_there_is_no_testbed), cmocka_unit_test(without_memory_a_host_has_no_reactor))
