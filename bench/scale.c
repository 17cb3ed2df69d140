/* SPDX-License-Identifier: MIT
 *
 * How far the simulated world reaches. `scale idle N` has one reactor hold N idle TCP connections that 40 other hosts
 * made; `scale gossip N` has N hosts tell each other a rumour by datagrams until all know it. One line a figure.
 *
 * The bytes are what the server's reactor allocated, the world's own (the simulated kernel's) not counted: what stands
 * beside them in bench/RESULTS.md is a real process's growth.
 */
#include <plait/datagram.h>
#include <plait/listen.h>
#include <plait/sim.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "scale: %s\n", what);
    exit(1);
}

/* --- a million idle connections ----------------------------------------------------------------------------------- */

#define CALLERS 40

static const struct plait_protocol silent = {.name = "silent"};

struct caller {
    struct plait_reactor *reactor;
    struct plait_address to;
    size_t left;
    size_t *open;
};

static void next_call(struct caller *c);

static void called(struct plait_result *result, void *ctx)
{
    struct caller *c = ctx;
    must(result->fault.err == PLAIT_OK, plait_err_name(result->fault.err));
    plait_stream_attach(plait_result_take(result).ptr, &silent, NULL);
    ++*c->open;
    next_call(c);
}

static void next_call(struct caller *c)
{
    if (c->left == 0)
        return;
    c->left--;
    must(plait_then(plait_connect_address(c->reactor, &c->to, NULL), called, c) == PLAIT_OK, "no memory");
}

static bool calls_are_left(void *ctx)
{
    const struct caller *c = ctx;
    for (size_t i = 0; i < CALLERS; i++) {
        if (c[i].left > 0)
            return true;
    }
    return false;
}

static const struct plait_reactor_options no_limits = {.memory_max = SIZE_MAX, .connections_max = SIZE_MAX};
static const struct plait_listen_options any_number = {.limits = {.connections = SIZE_MAX,
                                                                  .connections_per_peer = SIZE_MAX,
                                                                  .accepts_per_second = SIZE_MAX,
                                                                  .memory = SIZE_MAX,
                                                                  .memory_per_peer = SIZE_MAX}};

static struct plait_reactor *large_host(struct plait_sim *sim, const char *name, size_t descriptors)
{
    struct plait_host *host = plait_sim_host(sim, name);
    must(host, "no host");
    plait_host_set_descriptors_max(host, descriptors);
    plait_host_reactor_options(host, &no_limits);
    struct plait_reactor *r = plait_host_reactor(host);
    must(r, "no reactor");
    return r;
}

static void idle(size_t count)
{
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct caller callers[CALLERS];
    struct plait_address at;
    size_t open = 0;
    must(sim, "no memory");
    struct plait_reactor *server = large_host(sim, "server", count + 100);
    plait_host_address(plait_sim_host(sim, "server"), PLAIT_ADDR_IP4, 7, &at);
    must(plait_listen(server, &at, &any_number, plait_service_of(server, &silent, NULL), NULL) == PLAIT_OK, "listen");
    const size_t before = plait_reactor_budget(server)->used;
    for (size_t i = 0; i < CALLERS; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "caller%zu", i);
        callers[i] = (struct caller){.reactor = large_host(sim, name, count), .to = at, .open = &open};
        callers[i].left = count / CALLERS + (i < count % CALLERS);
        for (int k = 0; k < 8; k++)
            next_call(&callers[i]);
    }
    const double from = cpu_s();
    must(plait_sim_run_while(sim, plait_seconds(3600), calls_are_left, callers), "the calls took too long");
    plait_sim_run_for(sim, plait_seconds(1));
    must(open == count, "not all connections stand");
    const size_t held = plait_reactor_budget(server)->used - before;
    (void)printf("connections %zu\nbytes %.0f\ncpu_s %.1f\n", open, (double)held / (double)open, cpu_s() - from);
    plait_sim_free(&sim);
}

/* --- hosts that gossip -------------------------------------------------------------------------------------------- */

struct teller {
    struct plait_sim *sim;
    struct plait_datagram *d;
    struct plait_timer again;
    struct plait_address *everybody;
    size_t count;
    size_t *knowing;
    unsigned told;
    bool knows;
};

/* Tells it to two hosts drawn from all, eight times over. */
static void tell(void *ctx)
{
    struct teller *t = ctx;
    for (int i = 0; i < 2; i++) {
        const size_t to = (size_t)plait_sim_random(t->sim, t->count);
        must(plait_send(t->d, &t->everybody[to], PLAIT_LIT("have you heard?")) == PLAIT_OK, "send");
    }
    if (++t->told < 8)
        plait_timer_arm(&t->again, plait_millis(100));
}

static void hear(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    struct teller *t = self;
    (void)d;
    (void)packet;
    if (t->knows)
        return;
    t->knows = true;
    ++*t->knowing;
    tell(t);
}

static const struct plait_datagram_handler ear = {.name = "ear", .packet = hear};

static void start_teller(struct teller *t, size_t i)
{
    char name[24];
    (void)snprintf(name, sizeof name, "host%zu", i);
    struct plait_host *host = plait_sim_host(t->sim, name);
    must(host, "no host");
    struct plait_reactor *r = plait_host_reactor(host);
    must(r, "no reactor");
    plait_host_address(host, PLAIT_ADDR_IP4, 9, &t->everybody[i]);
    const struct plait_datagram_options options = {.bind = t->everybody[i], .bytes_max = 64};
    must(plait_datagram_open(r, &options, &ear, t, &t->d) == PLAIT_OK, "datagram");
    plait_timer_init(&t->again, r, "again", tell, t);
}

static bool somebody_is_left(void *ctx)
{
    const struct teller *t = ctx;
    return *t->knowing < t->count;
}

static void gossip(size_t count)
{
    struct plait_sim *sim = plait_sim_new(1, PLAIT_SIM_DELAY);
    struct teller *tellers = calloc(count, sizeof *tellers);
    struct plait_address *everybody = calloc(count, sizeof *everybody);
    size_t knowing = 0;
    must(sim && tellers && everybody, "no memory");
    const double from = cpu_s();
    for (size_t i = 0; i < count; i++) {
        tellers[i] = (struct teller){.sim = sim, .everybody = everybody, .count = count, .knowing = &knowing};
        start_teller(&tellers[i], i);
    }
    const double made = cpu_s();
    const plait_time began = plait_sim_now(sim);
    hear(NULL, NULL, &tellers[0]);
    must(plait_sim_run_while(sim, plait_seconds(60), somebody_is_left, tellers), "somebody never heard");
    (void)printf("hosts %zu\ncalls %" PRIu64 "\nvirtual_ms %.0f\nmake_s %.1f\ncpu_s %.1f\n", knowing,
                 plait_sim_call_count(sim, NULL), (double)(plait_sim_now(sim) - began) / 1e6, made - from,
                 cpu_s() - made);
    plait_sim_free(&sim);
    free(tellers);
    free(everybody);
}

int main(int argc, char **argv)
{
    const size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (count && strcmp(argv[1], "idle") == 0)
        idle(count);
    else if (count && strcmp(argv[1], "gossip") == 0)
        gossip(count);
    else
        (void)fprintf(stderr, "usage: scale idle|gossip COUNT\n");
    return count ? 0 : 2;
}
