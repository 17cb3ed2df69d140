/* SPDX-License-Identifier: MIT
 *
 * Tests of src/small/program.c: programs of a simulated host that answer, end early, stay, fall silent; guests that
 * end a half, leave, or are too many; memory that runs out. At the end programs of the machine, with pipes and with the
 * socket itself.
 */
#include "tests/small/child_world.h"

#include "tests/engine/connect_bed.h"
#include "tests/engine/process_bed.h"

#include "engine/listen_core.h"

#include <plait/program.h>

/* --- guests ------------------------------------------------------------------------------------------------------- */

struct guest {
    struct plait_stream *s; /* NULL: lost, or not there yet */
    const char *says;
    bool shuts; /* its half, behind what it says */
    bool eof, lost;
    struct plait_fault fault;
    char got[1 << 16];
    size_t len;
};

static size_t guest_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct guest *g = self;
    (void)s;
    const size_t kept = g->len < sizeof g->got - 1 ? g->len : sizeof g->got - 1;
    const size_t room = sizeof g->got - 1 - kept, n = in.len < room ? in.len : room;
    memcpy(g->got + kept, in.ptr, n);
    g->got[kept + n] = '\0';
    g->len += in.len;
    return in.len;
}

static void guest_eof(struct plait_stream *s, size_t rest, void *self)
{
    (void)s;
    (void)rest;
    ((struct guest *)self)->eof = true;
}

static void guest_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct guest *g = self;
    (void)s;
    g->s = NULL;
    g->lost = true;
    g->fault = *fault;
}

static const struct plait_protocol guest_protocol = {.name = "guest",
                                                     .data = guest_data,
                                                     .eof = guest_eof,
                                                     .lost = guest_lost,
                                                     .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

static void guest_connected(struct plait_result *result, void *ctx)
{
    struct guest *g = ctx;
    assert_ok(result->fault.err);
    g->s = plait_result_take(result).ptr;
    plait_stream_attach(g->s, &guest_protocol, g);
    plait_write(g->s, plait_slice_text(g->says));
    if (g->shuts)
        plait_close_write(g->s);
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static struct cw w;
static struct plait_host *there; /* where guests come from */
static struct guest g, h;

static void open_world(struct plait_program_options *o)
{
    struct plait_service *service;
    struct plait_address at;
    cw_open(&w);
    there = plait_sim_host(w.sim, "there");
    assert_ok(plait_host_add_program(w.host, "/bin/cat", plait_sim_program_cat(), NULL));
    if (!o->spawn.path)
        o->spawn.path = "/bin/p";
    assert_ok(plait_program_new(w.r, o, &service));
    plait_host_address(w.host, PLAIT_ADDR_IP4, 79, &at);
    assert_ok(plait_listen(w.r, &at, NULL, service, NULL));
}

static void comes(struct guest *guest, const char *says, bool shuts)
{
    struct plait_address at;
    memset(guest, 0, sizeof *guest);
    guest->says = says;
    guest->shuts = shuts;
    plait_host_address(w.host, PLAIT_ADDR_IP4, 79, &at);
    assert_ok(plait_then(plait_connect_address(plait_host_reactor(there), &at, NULL), guest_connected, guest));
    cw_pass_ms(&w, 100);
}

/* --- bytes and halves --------------------------------------------------------------------------------------------- */

static void what_a_guest_says_comes_back_from_cat(void **state)
{
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}};
    (void)state;
    open_world(&o);
    comes(&g, "hello", false);
    assert_string_equal(g.got, "hello");
    plait_write(g.s, PLAIT_LIT(" again"));
    cw_pass_ms(&w, 100);
    assert_string_equal(g.got, "hello again");
    plait_close_write(g.s);
    cw_pass_ms(&w, 100);
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    assert_true(g.lost);
    assert_ok(g.fault.err);
    assert_string_equal(w.log, "");
    cw_close(&w);
}

static void much_goes_through_as_fast_as_it_is_taken(void **state)
{
    enum { MUCH = 3 << 20 };
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}};
    static uint8_t much[MUCH];
    (void)state;
    open_world(&o);
    comes(&g, "", false);
    plait_pause(g.s);
    plait_write(g.s, plait_slice_of(much, sizeof much));
    plait_close_write(g.s);
    cw_pass_ms(&w, 20000);
    assert_true(plait_reactor_budget(w.r)->used < MUCH / 2); /* nothing gathers */
    plait_resume(g.s);
    cw_pass_ms(&w, 20000);
    assert_int_equal(g.len, MUCH);
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void the_end_of_a_program_ends_the_connection(void **state)
{
    struct script p = {.out = "go away\n"};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "I have much to say", false);
    assert_string_equal(g.got, "go away\n");
    assert_true(g.eof);
    cw_pass_ms(&w, 3000);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    assert_true(g.lost);
    assert_string_equal(w.log, "");
    cw_close(&w);
}

static void one_half_may_end_before_the_other(void **state)
{
    struct script p = {.out = "said", .stays = true};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    plait_sim_process_close(p.last, 1);
    cw_pass_ms(&w, 100);
    assert_string_equal(g.got, "said");
    assert_true(g.eof);
    assert_false(g.lost);
    plait_write(g.s, PLAIT_LIT("still heard"));
    cw_pass_ms(&w, 3000);
    assert_int_equal(p.asked, 0);
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 100);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    assert_true(g.lost);
    cw_close(&w);
}

/* What a program does not read is thrown away, and its answer comes all the same. */
static void a_program_need_not_read(void **state)
{
    static char much[300000];
    struct script p = {.stays = true};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    memset(much, 'x', sizeof much - 1);
    comes(&g, much, false);
    cw_pass_ms(&w, 61000); /* nor at all soon */
    assert_false(g.lost);
    plait_sim_process_close(p.last, 0);
    cw_pass_ms(&w, 5000);
    assert_int_equal(plait_pending(g.s), 0);
    plait_sim_process_write(p.last, 1, PLAIT_LIT("answer"));
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 100);
    assert_string_equal(g.got, "answer");
    assert_true(g.eof);
    plait_abort(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void complaints_and_bad_ends_are_logged(void **state)
{
    struct script p = {.errors = "one thing\nand another", .status = 3};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", true);
    assert_true(cw_logged(&w, "\"line\":\"one thing\""));
    assert_true(cw_logged(&w, "\"line\":\"and another\""));
    assert_true(cw_logged(&w, "program-status"));
    assert_true(cw_logged(&w, "\"status\":3"));
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void tell_env(struct plait_sim_process *p, void *ctx)
{
    static const char *const names[] = {"PATH", "PROTO", "TCPREMOTEIP", "TCPLOCALPORT", "A", "B"};
    (void)ctx;
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        const char *value = plait_sim_process_env(p, names[i]);
        plait_sim_process_write(p, 1, plait_slice_text(value ? value : "-"));
        plait_sim_process_write(p, 1, PLAIT_LIT(";"));
    }
    const char *arg = plait_sim_process_arg(p, 1);
    plait_sim_process_write(p, 1, plait_slice_text(arg ? arg : "-"));
    plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program env_program = {.start = tell_env};

static void a_program_is_told_of_its_connection(void **state)
{
    char var[] = "A=b", word[] = "word";
    const char *env[] = {var, "TCPREMOTEIP=evil", NULL}, *argv[] = {"p", word, NULL};
    static const char *const want[] = {"-;TCP;10.0.0.2;79;b;-;word",
                                       "/usr/local/bin:/usr/bin:/bin;TCP;10.0.0.2;79;-;-;-"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(want); i++) {
        struct plait_program_options o = {.spawn = {.path = "/bin/p", .env = env, .argv = argv}};
        if (i == 1)
            o.spawn.env = o.spawn.argv = NULL;
        var[0] = 'A';
        word[0] = 'w';
        open_world(&o);
        var[0] = word[0] = '?'; /* they were copied */
        assert_ok(plait_host_add_program(w.host, "/bin/p", &env_program, NULL));
        comes(&g, "", true);
        assert_string_equal(g.got, want[i]);
        plait_close(g.s);
        cw_pass_ms(&w, 3000);
        cw_close(&w);
    }
}

/* --- limits and ends ---------------------------------------------------------------------------------------------- */

static void a_lost_guest_ends_its_program(void **state)
{
    struct script p = {.stays = true};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    plait_abort(g.s);
    cw_pass_ms(&w, 100);
    assert_int_equal(p.asked, 1);
    cw_pass_ms(&w, 3000);
    assert_string_equal(w.log, ""); /* it was told to */
    struct plait_reactor_left left;
    plait_reactor_look(w.r, &left);
    assert_int_equal(left.streams, 0);
    assert_int_equal(left.timers, 0);
    cw_close(&w);
}

static void a_deaf_program_is_killed(void **state)
{
    struct script p = {.stays = true, .stubborn = true, .errors = "I stay\n"};
    struct plait_program_options o = {.kill_after = plait_seconds(3), .at_once = 1};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    plait_abort(g.s);
    cw_pass_ms(&w, 2950);
    assert_int_equal(p.asked, 1);
    comes(&h, "", false); /* there is still one */
    assert_true(h.lost || h.eof);
    assert_true(cw_logged(&w, "too many connections"));
    if (h.s)
        plait_close(h.s);
    cw_pass_ms(&w, 3000);
    comes(&h, "", false);
    assert_int_equal(p.runs, 2);
    plait_abort(h.s);
    cw_pass_ms(&w, 4000);
    cw_close(&w);
}

static void silence_ends_a_connection(void **state)
{
    struct script p = {.stays = true};
    struct plait_program_options o = {.idle = plait_seconds(10)};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "x", false);
    cw_pass_ms(&w, 8000);
    plait_write(g.s, PLAIT_LIT("y")); /* counts */
    cw_pass_ms(&w, 8000);
    plait_sim_process_write(p.last, 1, PLAIT_LIT("z")); /* and so does this */
    cw_pass_ms(&w, 9900);
    assert_false(g.lost);
    cw_pass_ms(&w, 200);
    assert_true(g.lost);
    assert_int_equal(p.asked, 1);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void silence_is_allowed_for_an_hour_or_for_ever(void **state)
{
    (void)state;
    for (int ever = 0; ever < 2; ever++) {
        struct script p = {.stays = true};
        struct plait_program_options o = {.idle = ever ? PLAIT_NEVER : 0};
        open_world(&o);
        cw_add(&w, "/bin/p", &p);
        comes(&g, "x", false);
        plait_sim_run_for(w.sim, plait_seconds(3599));
        assert_false(g.lost);
        plait_sim_run_for(w.sim, plait_seconds(3));
        assert_int_equal(g.lost, !ever);
        if (g.s)
            plait_abort(g.s);
        cw_pass_ms(&w, 3000);
        cw_close(&w);
    }
}

static void a_life_may_have_an_end(void **state)
{
    struct script p = {.stays = true, .stubborn = true};
    struct plait_program_options o = {.life = plait_seconds(20)};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    cw_pass_ms(&w, 19800);
    assert_int_equal(p.asked, 0);
    cw_pass_ms(&w, 300);
    assert_int_equal(p.asked, 1);
    assert_true(cw_logged(&w, "program-life"));
    assert_false(g.eof);
    cw_pass_ms(&w, 4500);
    assert_false(g.eof);
    cw_pass_ms(&w, 600); /* five seconds after it was asked */
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void drained(struct plait_result *result, void *ctx)
{
    *(int64_t *)ctx = result->value.num;
}

static void a_drain_asks_programs_to_end(void **state)
{
    struct script p = {.stays = true};
    struct plait_program_options o = {.idle = 0};
    int64_t aborted = -1;
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    assert_ok(plait_then(plait_drain(w.r, plait_seconds(10)), drained, &aborted));
    cw_pass_ms(&w, 100);
    assert_int_equal(p.asked, 1);
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    assert_int_equal(aborted, 0);
    cw_close(&w);
}

static void the_reactors_end_is_the_end_of_all(void **state)
{
    struct script p = {.stays = true, .stubborn = true};
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    cw_close(&w);
}

static void a_program_that_is_not_there_is_told_in_the_log(void **state)
{
    struct plait_program_options o = {.idle = 0};
    (void)state;
    open_world(&o);
    comes(&g, "", true);
    assert_true(g.lost || g.eof);
    assert_true(cw_logged(&w, "open-failed"));
    assert_true(cw_logged(&w, "it does not exist"));
    if (g.s)
        plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct plait_child_map map = {.kind = PLAIT_CHILD_NULL};
    struct plait_program_options o = {.idle = 0};
    struct plait_service *service;
    (void)state;
    cw_open(&w);
    assert_err(plait_program_new(w.r, &o, &service), PLAIT_EINVAL);
    o.spawn.path = "/bin/p";
    o.link = (enum plait_program_link)9;
    assert_err(plait_program_new(w.r, &o, &service), PLAIT_EINVAL);
    o.link = PLAIT_PROGRAM_SOCKET;
    o.spawn.map = &map;
    o.spawn.map_count = 1;
    assert_err(plait_program_new(w.r, &o, &service), PLAIT_EINVAL);
    cw_close(&w);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void without_memory_there_is_no_service(void **state)
{
    bool made = false;
    (void)state;
    for (uint64_t k = 1; k < 20 && !made; k++) {
        const struct plait_program_options o = {.spawn = {.path = "/bin/p"}};
        struct plait_service *service = NULL;
        cw_open(&w);
        w.heap.fail_at = w.heap.calls + k;
        const plait_err err = plait_program_new(w.r, &o, &service);
        made = err == PLAIT_OK;
        assert_true(made || err == PLAIT_ENOMEM);
        plait_service_unref(&service);
        cw_close(&w);
    }
    assert_true(made);
}

/* Whatever lacks memory, the guest is answered or sent away, and nothing is left. */
static void without_memory_a_guest_is_sent_away(void **state)
{
    size_t sent_away = 0;
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 60 && !worked; k++) {
        struct plait_program_options o = {.spawn = {.path = "/bin/cat"}};
        open_world(&o);
        w.r->fd_streams.per_page = 1;
        while (!plait__list_empty(&w.r->deferreds.open))
            assert_non_null(plait_deferred_new(w.r, "filler", NULL, NULL));
        w.heap.fail_at = w.heap.calls + k;
        w.heap.fail_after = false;
        comes(&g, "hello", true);
        worked = w.heap.fail_at > w.heap.calls;
        w.heap.fail_at = 0;
        cw_pass_ms(&w, 3000);
        assert_true(g.eof || g.lost);
        if (strcmp(g.got, "hello") != 0)
            sent_away++;
        if (g.s)
            plait_close(g.s);
        cw_pass_ms(&w, 10000);
        cw_close(&w);
    }
    assert_true(worked);
    assert_true(sent_away >= 8);
}

/* --- the socket itself -------------------------------------------------------------------------------------------- */

static void a_program_may_have_the_socket_itself(void **state)
{
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}, .link = PLAIT_PROGRAM_SOCKET};
    (void)state;
    open_world(&o);
    comes(&g, "hello", true);
    assert_string_equal(g.got, "hello");
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    assert_true(g.lost);
    assert_string_equal(w.log, "");
    cw_close(&w);
}

static void its_flag_can_fail_to_be_changed(void **state)
{
    const struct plait_sim_rule rule = {.call = "fcntl", .os_errno = EINVAL};
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}, .link = PLAIT_PROGRAM_SOCKET};
    (void)state;
    open_world(&o);
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    comes(&g, "hello", true);
    assert_string_equal(g.got, "");
    assert_true(cw_logged(&w, "open-failed"));
    if (g.s)
        plait_close(g.s);
    plait_sim_clear_rules(w.sim);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void where_there_are_no_terminals_a_guest_is_told_nothing_else(void **state)
{
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}, .link = PLAIT_PROGRAM_PTY};
    (void)state;
    open_world(&o);
    comes(&g, "hello", true);
    assert_string_equal(g.got, "");
    assert_true(cw_logged(&w, "it is not supported here"));
    if (g.s)
        plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

static void silence_with_the_socket_is_the_programs_own(void **state)
{
    struct script p = {.stays = true};
    struct plait_program_options o = {.link = PLAIT_PROGRAM_SOCKET, .idle = plait_seconds(1)};
    (void)state;
    open_world(&o);
    cw_add(&w, "/bin/p", &p);
    comes(&g, "", false);
    cw_pass_ms(&w, 5000);
    assert_false(g.lost);
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 100);
    assert_true(g.eof);
    plait_close(g.s);
    cw_pass_ms(&w, 3000);
    cw_close(&w);
}

/* A stream that is no socket, and one of which something was read already. */
static void not_every_stream_has_one(void **state)
{
    struct bed b;
    struct plait_program_options o = {.spawn = {.path = "/bin/cat"}, .link = PLAIT_PROGRAM_SOCKET};
    struct plait_service *service;
    struct plait_stream *x, *y;
    struct peer p = {.s = NULL};
    (void)state;
    const size_t before = open_bed(&b);
    assert_ok(plait_program_new(b.r, &o, &service));
    assert_ok(plait_pair_new(b.r, &x, &y));
    peer_attach(&p, x, &peer_protocol);
    assert_ok(plait__service_open_alone(plait_service_ref(service), y, NULL));
    run_until_idle(&b);
    assert_null(p.s);
    assert_true(bed_logged(&b, "it is not supported here"));
    b.log[b.log_len = 0] = '\0';
    memset(&p, 0, sizeof p);
    join(&b, JOINT_UNIX, &x, &y);
    peer_attach(&p, x, &peer_protocol);
    plait_write(x, PLAIT_LIT("early"));
    static struct peer early;
    memset(&early, 0, sizeof early);
    early.take_nothing = true;
    peer_attach(&early, y, &peer_protocol);
    run_until_idle(&b);
    assert_ok(plait__service_open_alone(plait_service_ref(service), y, NULL));
    run_until_idle(&b);
    assert_true(bed_logged(&b, "it is not supported here"));
    plait_service_unref(&service);
    for (int n = 0; n < 300 && b.r->stream_count > 0; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    close_bed(&b, before);
}

/* --- on this machine ---------------------------------------------------------------------------------------------- */

static void run_real(enum plait_program_link link, const char *script, const char *says, const char *want)
{
    struct bed b;
    struct plait_listener *l;
    struct plait_service *service;
    const struct plait_address a = loopback(0);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    const struct plait_program_options o = {.spawn = {.path = "sh", .argv = argv, .env = env}, .link = link};
    char got[400] = "";
    size_t len = 0;
    const size_t before = open_bed(&b);
    assert_ok(plait_program_new(b.r, &o, &service));
    assert_ok(plait_listen(b.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    plain_send(fd, plait_slice_text(says));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n != 0; i++) {
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
        n = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(n, 0);
    const size_t echoed = len > strlen(want) && link == PLAIT_PROGRAM_PTY ? len - strlen(want) : 0;
    assert_string_equal(got + echoed, want);
    close(fd);
    while (b.r->stream_count > 0)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    close_bed(&b, before);
}

static void programs_of_the_machine_answer(void **state)
{
    (void)state;
    run_real(PLAIT_PROGRAM_PIPES, "read x; echo \"$PROTO $x\"; cat", "one\ntwo\n", "TCP one\ntwo\n");
    run_real(PLAIT_PROGRAM_SOCKET, "read x; echo \"$PROTO $x\"; cat", "one\ntwo\n", "TCP one\ntwo\n");
}

/* The end of what the guest says is a Ctrl-D, and the end of the program the end of all. */
static void a_program_may_have_a_terminal(void **state)
{
    (void)state;
    run_real(PLAIT_PROGRAM_PTY, "stty -echo; test -t 0 && test -t 2 && read x && echo \"$PROTO $x\"; stty size; cat",
             "one\ntwo\n", "TCP one\r\n24 80\r\ntwo\r\n");
}

static void a_guest_that_hangs_up_ends_who_is_at_the_terminal(void **state)
{
    struct bed b;
    struct plait_listener *l;
    struct plait_service *service;
    const struct plait_address a = loopback(0);
    const char *const argv[] = {"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done", NULL};
    const struct plait_program_options o = {.spawn = {.path = "sh", .argv = argv}, .link = PLAIT_PROGRAM_PTY};
    char got[10];
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_program_new(b.r, &o, &service));
    assert_ok(plait_listen(b.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n < 0; i++) {
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
        n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    }
    assert_int_equal(n, 4);
    assert_memory_equal(got, "up\r\n", 4);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    const plait_time began = plait_now(b.r);
    struct plait_reactor_left left = {.timers = 1};
    for (int i = 0; i < 1000 && left.timers > 0; i++) {
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
        plait_reactor_look(b.r, &left);
    }
    assert_true(plait_now(b.r) - began < plait_seconds(3)); /* not the kill: the hang-up */
    close_bed(&b, before);
}

/* A grandchild with a session of its own keeps the pipes: it is not waited for once the guest is gone. */
static void who_escapes_is_not_waited_for(void **state)
{
    struct bed b;
    struct plait_listener *l;
    struct plait_service *service;
    const struct plait_address a = loopback(0);
    const char *const argv[] = {"sh", "-c", "setsid sleep 3 & sleep 0.1; echo up; sleep 60", NULL};
    const struct plait_program_options o = {.spawn = {.path = "sh", .argv = argv}};
    char got[10];
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_program_new(b.r, &o, &service));
    assert_ok(plait_listen(b.r, &a, NULL, service, &l));
    const int fd = plain_connect(net_port(l));
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n < 0; i++) {
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
        n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    }
    assert_int_equal(n, 3);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    const plait_time began = plait_now(b.r);
    for (int i = 0; i < 1000 && b.r->stream_count > 0; i++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_int_equal(b.r->stream_count, 0);
    assert_true(plait_now(b.r) - began < plait_millis(2500));
    close_bed(&b, before);
}

TEST_MAIN(cmocka_unit_test(what_a_guest_says_comes_back_from_cat),
          cmocka_unit_test(much_goes_through_as_fast_as_it_is_taken),
          cmocka_unit_test(the_end_of_a_program_ends_the_connection),
          cmocka_unit_test(one_half_may_end_before_the_other), cmocka_unit_test(a_program_need_not_read),
          cmocka_unit_test(complaints_and_bad_ends_are_logged), cmocka_unit_test(a_program_is_told_of_its_connection),
          cmocka_unit_test(a_lost_guest_ends_its_program), cmocka_unit_test(a_deaf_program_is_killed),
          cmocka_unit_test(silence_ends_a_connection), cmocka_unit_test(silence_is_allowed_for_an_hour_or_for_ever),
          cmocka_unit_test(a_life_may_have_an_end), cmocka_unit_test(a_drain_asks_programs_to_end),
          cmocka_unit_test(the_reactors_end_is_the_end_of_all),
          cmocka_unit_test(a_program_that_is_not_there_is_told_in_the_log),
          cmocka_unit_test(options_that_make_no_sense_are_refused),
          cmocka_unit_test(without_memory_there_is_no_service), cmocka_unit_test(without_memory_a_guest_is_sent_away),
          cmocka_unit_test(a_program_may_have_the_socket_itself), cmocka_unit_test(its_flag_can_fail_to_be_changed),
          cmocka_unit_test(where_there_are_no_terminals_a_guest_is_told_nothing_else),
          cmocka_unit_test(silence_with_the_socket_is_the_programs_own), cmocka_unit_test(not_every_stream_has_one),
          cmocka_unit_test(programs_of_the_machine_answer), cmocka_unit_test(a_program_may_have_a_terminal),
          cmocka_unit_test(a_guest_that_hangs_up_ends_who_is_at_the_terminal),
          cmocka_unit_test(who_escapes_is_not_waited_for))
