/* SPDX-License-Identifier: MIT
 *
 * Ways between simulated hosts: bandwidth and queues, loss, duplication, reordering, the size of packets, partitions;
 * what datagrams make of them. What TCP makes of them is in test_tcp_time.c.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

static struct pair udp_pair(const struct plait_sim_link *link)
{
    struct pair p = {.w = world_open()};
    struct sockaddr_in here = host_address(p.w.a, 1000), there = host_address(p.w.b, 2000);
    p.a = (struct end){p.w.a, CALL(p.w.a, socket, AF_INET, SOCK_DGRAM, 0)};
    p.b = (struct end){p.w.b, CALL(p.w.b, socket, AF_INET, SOCK_DGRAM, 0)};
    assert_int_equal(CALL(p.w.a, bind, p.a.fd, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(CALL(p.w.b, bind, p.b.fd, (struct sockaddr *)&there, sizeof there), 0);
    assert_int_equal(CALL(p.w.a, connect, p.a.fd, (struct sockaddr *)&there, sizeof there), 0);
    assert_int_equal(CALL(p.w.b, connect, p.b.fd, (struct sockaddr *)&here, sizeof here), 0);
    if (link)
        assert_ok(plait_sim_set_link(p.w.sim, plait_sim_host(p.w.sim, "b"), plait_sim_host(p.w.sim, "a"), link));
    return p;
}

static struct plait_host *host(struct pair *p, const char *name)
{
    return plait_sim_host(p->w.sim, name);
}

/* Sends numbers from a to b, one at a time, and says how many came; `order` and `twice` count those that came behind a
 * later one, and those that came before. */
static unsigned send_numbers(struct pair *p, unsigned count, unsigned *behind, unsigned *twice)
{
    unsigned char seen[1000] = {0};
    unsigned came = 0, last = 0, got;
    *behind = *twice = 0;
    for (unsigned i = 1; i <= count; i++) {
        assert_int_equal(put(p->a, &i, sizeof i), sizeof i);
        plait_sim_run_for(p->w.sim, i < count ? plait_micros(50) : plait_seconds(1));
        while (CALL(p->b.host, recv, p->b.fd, &got, sizeof got, 0) == sizeof got) {
            assert_true(got >= 1 && got <= count && got < sizeof seen);
            *twice += seen[got];
            seen[got] = 1;
            *behind += got < last;
            last = got > last ? got : last;
            came++;
        }
    }
    return came;
}

static void datagrams_are_lost_doubled_and_overtaken(void **state)
{
    (void)state;
    unsigned behind, twice;
    struct plait_sim_link plain = {.latency = plait_millis(1)}, loses = plain, doubles = plain, mixes = plain;
    loses.loss = 500000;
    doubles.duplicate = 1000000;
    mixes.reorder = 300000;
    struct pair p = udp_pair(&plain);
    assert_int_equal(send_numbers(&p, 500, &behind, &twice), 500);
    assert_int_equal(behind + twice, 0);
    pair_close(&p);
    p = udp_pair(&loses);
    unsigned came = send_numbers(&p, 500, &behind, &twice);
    assert_true(came > 150 && came < 350 && behind + twice == 0);
    pair_close(&p);
    p = udp_pair(&doubles);
    assert_int_equal(send_numbers(&p, 500, &behind, &twice), 1000);
    assert_int_equal(twice, 500);
    pair_close(&p);
    p = udp_pair(&mixes);
    assert_int_equal(send_numbers(&p, 500, &behind, &twice), 500);
    assert_true(behind > 50 && twice == 0);
    pair_close(&p);
}

static void faults_strike_datagrams_by_chance(void **state)
{
    (void)state;
    unsigned behind, twice;
    struct pair p = udp_pair(NULL);
    plait_sim_faults(p.w.sim, PLAIT_SIM_LOSS | PLAIT_SIM_DUPLICATE | PLAIT_SIM_REORDER);
    unsigned came = send_numbers(&p, 900, &behind, &twice);
    assert_true(behind > 0 && twice > 0 && came - twice < 900);
    assert_int_equal(plait_sim_fault_count(p.w.sim, PLAIT_SIM_DUPLICATE, "sendmsg"),
                     plait_sim_fault_count(p.w.sim, PLAIT_SIM_DUPLICATE, NULL));
    assert_true(plait_sim_fault_count(p.w.sim, PLAIT_SIM_LOSS, NULL) >= 900 - (came - twice));
    assert_true(plait_sim_fault_count(p.w.sim, PLAIT_SIM_REORDER, NULL) >= behind / 10);
    pair_close(&p);
}

static void the_loopback_loses_nothing(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_in at = host_address(w.a, 2000);
    struct plait_sim_link link = {.loss = 1000000, .bandwidth = 1, .mtu = 576};
    static char block[5000];
    assert_ok(plait_sim_set_link(w.sim, NULL, NULL, &link));
    assert_ok(plait_sim_partition(w.sim, NULL, NULL));
    plait_sim_faults(w.sim, PLAIT_SIM_LOSS | PLAIT_SIM_DUPLICATE | PLAIT_SIM_REORDER);
    int fd = CALL(w.a, socket, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&at, sizeof at), 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(put((struct end){w.a, fd}, block, sizeof block), sizeof block);
        assert_int_equal(take_raw((struct end){w.a, fd}), 4096);
        assert_int_equal(take_raw((struct end){w.a, fd}), -EAGAIN);
    }
    world_close(&w);
}

/* --- bandwidth ---------------------------------------------------------------------------------------------------- */

static unsigned count_at(struct pair *p)
{
    unsigned n = 0;
    while (take_raw(p->b) > 0)
        n++;
    return n;
}

static void a_link_passes_so_many_bytes_a_second(void **state)
{
    (void)state;
    static char block[972]; /* 1,000 with its headers */
    struct plait_sim_link link = {.latency = plait_millis(5), .bandwidth = 100000};
    struct pair p = udp_pair(&link);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put(p.a, block, sizeof block), sizeof block);
    plait_sim_run_for(p.w.sim, plait_millis(14));
    assert_int_equal(count_at(&p), 0);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(count_at(&p), 1);
    assert_int_equal(put(p.b, block, sizeof block), sizeof block); /* the other direction is free */
    plait_sim_run_for(p.w.sim, plait_millis(50));
    assert_int_equal(count_at(&p), 5);
    assert_int_equal(take_raw(p.a), sizeof block);
    plait_sim_run_for(p.w.sim, plait_millis(100));
    assert_int_equal(count_at(&p), 4);
    pair_close(&p);
}

static void what_finds_the_queue_full_is_lost(void **state)
{
    (void)state;
    static char block[972];
    struct plait_sim_link link = {.bandwidth = 100000, .queue = 3000};
    struct pair p = udp_pair(NULL);
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link)); /* as all links are */
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put(p.a, block, sizeof block), sizeof block);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    assert_int_equal(count_at(&p), 3);
    link.queue = 10; /* one packet at a time passes in any case */
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put(p.a, block, sizeof block), sizeof block);
    plait_sim_run_for(p.w.sim, plait_seconds(1));
    assert_int_equal(count_at(&p), 1);
    pair_close(&p);
}

static void tcp_gets_through_a_narrow_link(void **state)
{
    (void)state;
    static char block[60000];
    struct pair p = tcp_pair_open();
    struct plait_sim_link link = {.latency = plait_millis(10), .bandwidth = 1000000, .queue = 20000, .mtu = 1500};
    assert_ok(plait_sim_set_link(p.w.sim, NULL, NULL, &link));
    size_t came = 0;
    assert_int_equal(put(p.a, block, sizeof block), sizeof block);
    for (unsigned i = 0; i < 5000 && came < sizeof block; i++) {
        plait_sim_run_for(p.w.sim, plait_millis(10));
        for (ssize_t n; (n = take_raw(p.b)) > 0;)
            came += (size_t)n;
    }
    assert_int_equal(came, sizeof block);
    pair_close(&p);
}

static void a_link_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct plait_sim_link bad[] = {{.latency = -1},        {.jitter = -1},       {.loss = 1000001},
                                                {.duplicate = 1000001}, {.reorder = 1000001}, {.mtu = 575}};
    struct world w = world_open();
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait_sim_set_link(w.sim, NULL, NULL, &bad[i]), PLAIT_EINVAL);
    world_close(&w);
}

/* --- sizes -------------------------------------------------------------------------------------------------------- */

static void set(struct end end, int level, int name, int value)
{
    assert_int_equal(CALL(end.host, setsockopt, end.fd, level, name, &value, sizeof value), 0);
}

static void what_may_not_be_cut_is_refused(void **state)
{
    (void)state;
    static char block[1500];
    struct plait_sim_link link = {.mtu = 1400};
    struct pair p = udp_pair(&link);
    set(p.a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    assert_int_equal(put(p.a, block, 1373), -EMSGSIZE);
    assert_int_equal(put(p.a, block, 1372), 1372);
    set(p.a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    assert_int_equal(put(p.a, block, 1373), 1373);
    assert_int_equal(count_at(&p), 2);
    pair_close(&p);
}

static void who_probes_hears_of_it_from_the_network(void **state)
{
    (void)state;
    static char block[1500];
    struct plait_sim_link link = {.latency = plait_millis(1), .mtu = 1400};
    struct pair p = udp_pair(&link);
    set(p.a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    assert_int_equal(put(p.a, block, 1372), 1372);
    assert_int_equal(put(p.a, block, 1373), 1373);
    plait_sim_run_for(p.w.sim, plait_millis(10));
    assert_int_equal(ready(p.a.host, p.a.fd, EPOLLIN), EPOLLERR);
    assert_int_equal(put(p.a, block, 1), -EMSGSIZE);
    assert_int_equal(put(p.a, block, 1), 1);
    plait_sim_run_for(p.w.sim, plait_millis(10));
    assert_int_equal(count_at(&p), 2);
    pair_close(&p);
}

static void ipv6_has_options_of_its_own(void **state)
{
    (void)state;
    static char block[1500];
    struct plait_sim_link link = {.mtu = 1400};
    struct world w = world_open();
    struct sockaddr_storage to;
    socklen_t len = text_address("fd00::2", 2000, &to);
    struct end end = {w.a, CALL(w.a, socket, AF_INET6, SOCK_DGRAM, 0)};
    assert_ok(plait_sim_set_link(w.sim, NULL, NULL, &link));
    assert_int_equal(CALL(w.a, connect, end.fd, (struct sockaddr *)&to, len), 0);
    set(end, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
    assert_int_equal(put(end, block, 1353), -EMSGSIZE);
    set(end, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    assert_int_equal(put(end, block, 1353), 1353);
    assert_int_equal(sock_error(w.a, end.fd), ECONNREFUSED); /* it came, and nobody holds the port */
    set(end, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    assert_int_equal(put(end, block, 1353), -EMSGSIZE);
    assert_int_equal(put(end, block, 1352), 1352);
    world_close(&w);
}

/* A datagram in ten pieces over a link that loses one packet in ten comes seldom, and then whole. */
static void a_datagram_in_pieces_comes_whole_or_not_at_all(void **state)
{
    (void)state;
    static char block[5500];
    struct plait_sim_link link = {.loss = 100000, .mtu = 576};
    struct pair p = udp_pair(&link);
    unsigned came = 0;
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(put(p.a, block, sizeof block), sizeof block);
        ssize_t n = take_raw(p.b);
        assert_true(n == -EAGAIN || n == 4096); /* as much as take_raw has room for */
        came += n > 0;
    }
    assert_true(came > 80 && came < 200);
    pair_close(&p);
}

/* --- partitions --------------------------------------------------------------------------------------------------- */

/* Whether a datagram passes: 1 from a to b, 2 from b to a, 4 from a to the host c. */
static unsigned passing(struct pair *p)
{
    struct plait_sys *c = plait_host_sys(host(p, "c"));
    struct sockaddr_in at = host_address(c, 3000), here = host_address(p->w.a, 1001);
    int in = CALL(c, socket, AF_INET, SOCK_DGRAM, 0), out = CALL(p->w.a, socket, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(CALL(c, bind, in, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(CALL(p->w.a, bind, out, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(CALL(p->w.a, connect, out, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(put(p->a, "x", 1), 1);
    assert_int_equal(put(p->b, "x", 1), 1);
    assert_int_equal(put((struct end){p->w.a, out}, "x", 1), 1);
    plait_sim_run_for(p->w.sim, plait_millis(1));
    unsigned res = (take_raw(p->b) == 1) | (unsigned)(take_raw(p->a) == 1) << 1;
    res |= (unsigned)(take_raw((struct end){c, in}) == 1) << 2;
    CALL(c, close, in);
    CALL(p->w.a, close, out);
    return res;
}

static void ways_are_cut_and_healed_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        unsigned pass;
    } cases[] = {{"a", "b", 6},  {"b", "a", 5},   {"a", NULL, 2}, {NULL, "a", 5},
                 {NULL, "b", 6}, {NULL, NULL, 0}, {"c", "a", 7},  {"a", "c", 3}};
    struct pair p = udp_pair(NULL);
    assert_int_equal(passing(&p), 7);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_host *from = cases[i].from ? host(&p, cases[i].from) : NULL;
        struct plait_host *to = cases[i].to ? host(&p, cases[i].to) : NULL;
        assert_ok(plait_sim_partition(p.w.sim, from, to));
        assert_int_equal(passing(&p), cases[i].pass);
        plait_sim_heal(p.w.sim, from, to);
        assert_int_equal(passing(&p), 7);
    }
    pair_close(&p);
}

static void all_cuts_heal_at_once(void **state)
{
    (void)state;
    struct pair p = udp_pair(NULL);
    plait_sim_heal(p.w.sim, host(&p, "a"), host(&p, "b")); /* nothing to heal */
    assert_ok(plait_sim_partition(p.w.sim, host(&p, "a"), NULL));
    assert_ok(plait_sim_partition(p.w.sim, NULL, host(&p, "a")));
    assert_ok(plait_sim_partition(p.w.sim, host(&p, "a"), host(&p, "b")));
    assert_int_equal(passing(&p), 0);
    plait_sim_heal(p.w.sim, NULL, NULL);
    assert_int_equal(passing(&p), 7);
    pair_close(&p);
}

static void a_host_without_power_takes_nothing(void **state)
{
    (void)state;
    struct pair p = udp_pair(NULL);
    assert_int_equal(put(p.a, "x", 1), 1);
    host(&p, "b")->down = true;
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(put(p.a, "x", 1), 1);
    plait_sim_run_for(p.w.sim, plait_millis(1));
    assert_int_equal(take_raw(p.b), -EAGAIN);
    pair_close(&p);
}

static void every_pair_of_hosts_has_its_own_link(void **state)
{
    (void)state;
    char name[8];
    struct pair p = udp_pair(NULL);
    struct plait_sim_link slow = {.latency = plait_seconds(1)};
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "h%u", i);
        assert_ok(plait_sim_set_link(p.w.sim, host(&p, "a"), host(&p, name), &slow));
    }
    assert_int_equal(passing(&p), 7);
    assert_ok(plait_sim_set_link(p.w.sim, host(&p, "c"), host(&p, "a"), &slow));
    assert_int_equal(passing(&p), 3);
    pair_close(&p);
}

TEST_MAIN(cmocka_unit_test(datagrams_are_lost_doubled_and_overtaken),
          cmocka_unit_test(faults_strike_datagrams_by_chance), cmocka_unit_test(the_loopback_loses_nothing),
          cmocka_unit_test(a_link_passes_so_many_bytes_a_second), cmocka_unit_test(what_finds_the_queue_full_is_lost),
          cmocka_unit_test(tcp_gets_through_a_narrow_link), cmocka_unit_test(a_link_that_is_none_is_refused),
          cmocka_unit_test(what_may_not_be_cut_is_refused), cmocka_unit_test(who_probes_hears_of_it_from_the_network),
          cmocka_unit_test(ipv6_has_options_of_its_own),
          cmocka_unit_test(a_datagram_in_pieces_comes_whole_or_not_at_all),
          cmocka_unit_test(ways_are_cut_and_healed_one_by_one), cmocka_unit_test(all_cuts_heal_at_once),
          cmocka_unit_test(a_host_without_power_takes_nothing), cmocka_unit_test(every_pair_of_hosts_has_its_own_link))
