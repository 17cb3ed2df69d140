/* SPDX-License-Identifier: MIT
 *
 * Tests of src/small/supervise.c: programs of a simulated host that end early or late, or not at all; delays, orders,
 * drains, memory that runs out. At the end programs of the machine.
 */
#include "tests/small/child_world.h"

#include "tests/engine/process_bed.h"

#include <plait/supervise.h>

static struct cw w;
static struct plait_supervisor *s;

static void open_with(const struct plait_supervisor_options *o, struct script *script)
{
    cw_open(&w);
    assert_ok(plait_supervisor_new(w.r, o, &s));
    cw_add(&w, "/bin/p", script);
    const struct plait_spawn_options p = {.path = "/bin/p"};
    assert_ok(plait_supervisor_add(s, "p", &p));
}

static struct plait_supervised_view look(const char *name)
{
    struct plait_supervised_view view;
    assert_ok(plait_supervisor_look(s, name, &view));
    return view;
}

static void done(void)
{
    plait_supervisor_free(&s);
    assert_null(s);
    cw_pass_ms(&w, 10000);
    cw_close(&w);
}

/* --- delays ------------------------------------------------------------------------------------------------------- */

static void one_that_ends_early_starts_again_after_delays_that_double(void **state)
{
    struct script p = {.status = 3};
    (void)state;
    open_with(NULL, &p);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STARTING);
    cw_pass_ms(&w, 999);
    assert_int_equal(p.runs, 1);
    const struct plait_supervised_view view = look("p");
    assert_int_equal(view.state, PLAIT_SUPERVISED_WAITING);
    assert_int_equal(view.status, 3);
    assert_int_equal(view.starts, 1);
    assert_int_equal(view.pid, 0);
    assert_int_equal(view.delay, plait_seconds(1));
    cw_pass_ms(&w, 2); /* at one second */
    assert_int_equal(p.runs, 2);
    cw_pass_ms(&w, 1997);
    assert_int_equal(p.runs, 2);
    cw_pass_ms(&w, 3); /* and two more */
    assert_int_equal(p.runs, 3);
    cw_pass_ms(&w, 4003); /* and four */
    assert_int_equal(p.runs, 4);
    assert_int_equal(look("p").delay, plait_seconds(8));
    assert_true(cw_logged(&w, "supervised-ended"));
    assert_true(cw_logged(&w, "\"status\":3"));
    done();
}

static void delays_grow_to_an_hour(void **state)
{
    struct script p = {.status = 0};
    (void)state;
    open_with(NULL, &p);
    plait_sim_run_for(w.sim, plait_seconds(4095) + plait_millis(20)); /* 1 + 2 + … + 2048 */
    assert_int_equal(p.runs, 13);
    assert_int_equal(look("p").delay, plait_seconds(3600));
    plait_sim_run_for(w.sim, plait_seconds(3600) + plait_millis(20));
    assert_int_equal(p.runs, 14);
    assert_int_equal(look("p").delay, plait_seconds(3600));
    done();
}

static void delays_and_threshold_can_be_set(void **state)
{
    struct script p = {.stays = true};
    const struct plait_supervisor_options o = {
        .threshold = plait_seconds(10), .delay_min = plait_seconds(3), .delay_max = plait_seconds(4)};
    (void)state;
    open_with(&o, &p);
    cw_pass_ms(&w, 9000);
    plait_sim_process_exit(p.last, 1);
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").delay, plait_seconds(3));
    cw_pass_ms(&w, 3000);
    assert_int_equal(p.runs, 2);
    cw_pass_ms(&w, 9000);
    plait_sim_process_exit(p.last, 1);
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").delay, plait_seconds(4));
    cw_pass_ms(&w, 4000);
    assert_int_equal(p.runs, 3);
    cw_pass_ms(&w, 11000);
    plait_sim_process_exit(p.last, 1);
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 4); /* at once */
    cw_pass_ms(&w, 1000);
    plait_sim_process_exit(p.last, 1);
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").delay, plait_seconds(3)); /* anew */
    done();
}

static void a_longest_delay_below_the_shortest_is_the_shortest(void **state)
{
    struct script p = {.status = 1};
    const struct plait_supervisor_options o = {.delay_min = plait_seconds(20), .delay_max = plait_seconds(2)};
    (void)state;
    open_with(&o, &p);
    for (int i = 0; i < 3; i++) {
        cw_pass_ms(&w, 10);
        assert_int_equal(look("p").delay, plait_seconds(20));
        plait_sim_run_for(w.sim, plait_seconds(20));
    }
    done();
}

static void one_that_ran_for_a_second_starts_again_at_once(void **state)
{
    struct script p = {.stays = true};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 1001);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_RUNNING);
    assert_true(look("p").pid > 0);
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 1);
    assert_int_equal(p.runs, 2);
    cw_pass_ms(&w, 990);
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 500);
    assert_int_equal(p.runs, 2); /* that was early */
    done();
}

static void one_that_can_not_be_started_is_tried_again(void **state)
{
    struct script p = {.stays = true};
    const struct plait_spawn_options late = {.path = "/bin/late"};
    (void)state;
    open_with(NULL, &p);
    assert_ok(plait_supervisor_add(s, "late", &late));
    cw_pass_ms(&w, 10);
    assert_true(cw_logged(&w, "supervised-failed"));
    assert_int_equal(look("late").state, PLAIT_SUPERVISED_WAITING);
    assert_int_equal(look("late").starts, 0);
    struct script q = {.stays = true};
    cw_add(&w, "/bin/late", &q);
    cw_pass_ms(&w, 1000);
    assert_int_equal(look("late").state, PLAIT_SUPERVISED_RUNNING);
    assert_int_equal(q.runs, 1);
    done();
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

static void what_a_program_says_goes_to_the_log(void **state)
{
    struct script p = {.out = "first\nsec", .errors = "complaint\r\n", .stays = true};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_true(cw_logged(&w, "\"line\":\"first\""));
    assert_true(cw_logged(&w, "\"line\":\"complaint\""));
    assert_false(cw_logged(&w, "\"line\":\"sec\""));
    plait_sim_process_write(p.last, 1, PLAIT_LIT("ond\nlast"));
    cw_pass_ms(&w, 10);
    assert_true(cw_logged(&w, "\"line\":\"second\""));
    plait_sim_process_exit(p.last, 0);
    cw_pass_ms(&w, 10);
    assert_true(cw_logged(&w, "\"line\":\"last\""));
    done();
}

static char said[200];

static void keep_said(const char *name, int fd, plait_slice line, void *ctx)
{
    const size_t at = strlen(said);
    assert_ptr_equal(ctx, &w);
    (void)snprintf(said + at, sizeof said - at, "%s%d %.*s;", name, fd, PLAIT_ARG(line));
}

static void or_to_who_asks_for_it(void **state)
{
    struct script p = {.out = "one\ntwo\n", .errors = "three"};
    const struct plait_supervisor_options o = {.said = keep_said, .ctx = &w};
    (void)state;
    said[0] = '\0';
    open_with(&o, &p);
    cw_pass_ms(&w, 10);
    assert_string_equal(said, "p1 one;p1 two;p2 three;");
    assert_false(cw_logged(&w, "supervised-says"));
    done();
}

/* --- orders ------------------------------------------------------------------------------------------------------- */

static void one_that_is_stopped_stays_so(void **state)
{
    struct script p = {.stays = true};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_stop(s, "p"));
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPING);
    assert_ok(plait_supervisor_stop(s, "p")); /* once is enough */
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPED);
    assert_int_equal(look("p").status, 128 + SIGTERM);
    assert_int_equal(p.asked, 1);
    plait_sim_run_for(w.sim, plait_seconds(100));
    assert_int_equal(p.runs, 1);
    assert_false(cw_logged(&w, "supervised-killed"));
    assert_ok(plait_supervisor_start(s, "p"));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 2);
    assert_ok(plait_supervisor_start(s, "p")); /* it runs */
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 2);
    done();
}

static void one_that_waits_can_be_stopped_or_started(void **state)
{
    struct script p = {.status = 1};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_stop(s, "p"));
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPED);
    cw_pass_ms(&w, 5000);
    assert_int_equal(p.runs, 1);
    assert_ok(plait_supervisor_start(s, "p"));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 2);
    assert_int_equal(look("p").delay, plait_seconds(2));
    assert_ok(plait_supervisor_start(s, "p")); /* without the delay */
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 3);
    assert_int_equal(look("p").delay, plait_seconds(4));
    assert_ok(plait_supervisor_restart(s, "p")); /* and with delays that begin anew */
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 4);
    assert_int_equal(look("p").delay, plait_seconds(1));
    done();
}

static void a_deaf_one_is_killed_after_five_seconds(void **state)
{
    struct script p = {.stays = true, .stubborn = true};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_stop(s, "p"));
    cw_pass_ms(&w, 4990);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPING);
    cw_pass_ms(&w, 20);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPED);
    assert_int_equal(look("p").status, -SIGKILL);
    assert_true(cw_logged(&w, "supervised-killed"));
    done();
}

static void the_time_until_the_kill_can_be_set(void **state)
{
    struct script p = {.stays = true, .stubborn = true};
    const struct plait_supervisor_options o = {.kill_after = plait_millis(200)};
    (void)state;
    open_with(&o, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_stop(s, "p"));
    cw_pass_ms(&w, 190);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPING);
    cw_pass_ms(&w, 20);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPED);
    done();
}

static void a_restart_is_not_an_early_end(void **state)
{
    struct script p = {.stays = true};
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_restart(s, "p"));
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPING);
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_RUNNING);
    assert_int_equal(p.runs, 2);
    assert_ok(plait_supervisor_stop(s, "p"));
    assert_ok(plait_supervisor_start(s, "p")); /* while it is stopping */
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 3);
    done();
}

static void names(const struct plait_supervised_view *view, void *ctx)
{
    (void)snprintf((char *)ctx + strlen(ctx), 50, "%s %d,", view->name, (int)view->state);
}

static void orders_can_be_given_to_all(void **state)
{
    struct script p = {.stays = true};
    const struct plait_spawn_options o = {.path = "/bin/p"};
    char seen[200] = "";
    (void)state;
    open_with(NULL, &p);
    assert_ok(plait_supervisor_add(s, "q", &o));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 2);
    assert_ok(plait_supervisor_restart(s, NULL));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 4);
    assert_ok(plait_supervisor_stop(s, NULL));
    assert_ok(plait_supervisor_remove(s, "p"));
    plait_supervisor_each(s, names, seen); /* what is removed is not shown */
    assert_string_equal(seen, "q 3,");
    cw_pass_ms(&w, 10);
    assert_int_equal(look("q").state, PLAIT_SUPERVISED_STOPPED);
    assert_ok(plait_supervisor_start(s, NULL));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.runs, 5);
    done();
}

static void a_removed_one_ends_and_its_name_is_free(void **state)
{
    struct script p = {.stays = true}, q = {.stays = true};
    const struct plait_spawn_options o = {.path = "/bin/q"};
    (void)state;
    open_with(NULL, &p);
    cw_add(&w, "/bin/q", &q);
    assert_err(plait_supervisor_add(s, "p", &o), PLAIT_EEXISTS);
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_remove(s, "p"));
    assert_ok(plait_supervisor_add(s, "p", &o));
    cw_pass_ms(&w, 10);
    assert_int_equal(p.asked, 1);
    assert_int_equal(q.runs, 1);
    assert_ok(plait_supervisor_stop(s, "p"));
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_remove(s, "p")); /* it has ended */
    struct plait_supervised_view view;
    assert_err(plait_supervisor_look(s, "p", &view), PLAIT_ENOTFOUND);
    assert_err(plait_supervisor_remove(s, "p"), PLAIT_ENOTFOUND);
    assert_err(plait_supervisor_start(s, "p"), PLAIT_ENOTFOUND);
    assert_err(plait_supervisor_stop(s, "p"), PLAIT_ENOTFOUND);
    assert_err(plait_supervisor_restart(s, "p"), PLAIT_ENOTFOUND);
    done();
}

static void what_can_not_be_added_is_refused(void **state)
{
    struct script p = {.stays = true};
    struct plait_child_map map = {.kind = PLAIT_CHILD_NULL};
    struct plait_spawn_options o = {.path = "/bin/p"};
    char name[66];
    (void)state;
    open_with(NULL, &p);
    memset(name, 'n', 65);
    name[65] = '\0';
    assert_err(plait_supervisor_add(s, name, &o), PLAIT_EINVAL);
    assert_err(plait_supervisor_add(s, "", &o), PLAIT_EINVAL);
    o.map = &map;
    o.map_count = 1;
    assert_err(plait_supervisor_add(s, "x", &o), PLAIT_EINVAL);
    o.map_count = 0;
    o.path = NULL;
    assert_err(plait_supervisor_add(s, "x", &o), PLAIT_EINVAL);
    o.path = "/bin/none";
    assert_ok(plait_supervisor_add(s, name + 1, &o));
    for (int i = 2; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        assert_ok(plait_supervisor_add(s, name, &o));
    }
    assert_err(plait_supervisor_add(s, "x", &o), PLAIT_ELIMIT);
    done();
}

/* --- who is told -------------------------------------------------------------------------------------------------- */

static char changes[400];
static bool removes;

static void note_change(const struct plait_supervised_view *view, void *ctx)
{
    (void)ctx;
    (void)snprintf(changes + strlen(changes), 50, "%s %d %d,", view->name, (int)view->state, view->status);
    if (removes && view->state != PLAIT_SUPERVISED_RUNNING)
        plait_supervisor_free(&s);
}

static void changes_are_told(void **state)
{
    struct script p = {.status = 2};
    const struct plait_supervisor_options o = {.changed = note_change};
    const struct plait_spawn_options none = {.path = "/bin/none"};
    (void)state;
    changes[0] = '\0';
    removes = false;
    open_with(&o, &p);
    assert_string_equal(changes, ""); /* not inside the call */
    cw_pass_ms(&w, 10);
    assert_string_equal(changes, "p 2 0,p 4 2,");
    p.stays = true;
    changes[0] = '\0';
    assert_ok(plait_supervisor_restart(s, "p"));
    cw_pass_ms(&w, 10);
    assert_ok(plait_supervisor_stop(s, "p"));
    cw_pass_ms(&w, 10);
    assert_string_equal(changes, "p 2 2,p 0 143,");
    changes[0] = '\0';
    assert_ok(plait_supervisor_add(s, "q", &none));
    cw_pass_ms(&w, 10);
    assert_string_equal(changes, "q 4 0,");
    done();
}

static void who_is_told_may_end_it(void **state)
{
    struct script p = {.status = 2, .out = "last words"};
    const struct plait_supervisor_options o = {.changed = note_change, .said = keep_said, .ctx = &w};
    (void)state;
    for (int missing = 0; missing < 2; missing++) {
        changes[0] = said[0] = '\0';
        removes = true;
        p.runs = 0;
        if (missing) {
            const struct plait_spawn_options none = {.path = "/bin/none"};
            cw_open(&w);
            assert_ok(plait_supervisor_new(w.r, &o, &s));
            assert_ok(plait_supervisor_add(s, "p", &none));
        } else {
            open_with(&o, &p);
        }
        cw_pass_ms(&w, 10000);
        assert_null(s);
        assert_string_equal(changes, missing ? "p 4 0," : "p 2 0,p 4 2,");
        assert_int_equal(p.runs, missing ? 0 : 1);
        cw_close(&w);
    }
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void freeing_ends_all_in_good_order(void **state)
{
    struct script p = {.stays = true}, deaf = {.stays = true, .stubborn = true};
    const struct plait_spawn_options o = {.path = "/bin/deaf"};
    (void)state;
    open_with(NULL, &p);
    cw_add(&w, "/bin/deaf", &deaf);
    assert_ok(plait_supervisor_add(s, "deaf", &o));
    cw_pass_ms(&w, 10);
    plait_supervisor_free(&s);
    cw_pass_ms(&w, 100);
    assert_int_equal(p.asked, 1);
    assert_int_equal(deaf.asked, 1);
    assert_false(cw_logged(&w, "supervised-killed"));
    cw_pass_ms(&w, 5000);
    assert_true(cw_logged(&w, "supervised-killed"));
    struct plait_reactor_left left;
    plait_reactor_look(w.r, &left);
    assert_int_equal(left.streams, 0);
    assert_int_equal(left.timers, 0);
    plait_supervisor_free(&s); /* NULL */
    cw_close(&w);
}

static void drained(struct plait_result *result, void *ctx)
{
    *(int64_t *)ctx = result->value.num;
}

static void a_drain_stops_all_and_waits(void **state)
{
    struct script p = {.stays = true}, slow = {.stays = true, .stubborn = true}, early = {.status = 1};
    const struct plait_spawn_options o = {.path = "/bin/slow"}, e = {.path = "/bin/early"};
    int64_t aborted = -1;
    struct plait_supervisor *other;
    (void)state;
    open_with(NULL, &p);
    cw_add(&w, "/bin/slow", &slow);
    cw_add(&w, "/bin/early", &early);
    assert_ok(plait_supervisor_add(s, "slow", &o));
    assert_ok(plait_supervisor_add(s, "early", &e));
    cw_pass_ms(&w, 10);
    assert_ok(plait_then(plait_drain(w.r, plait_seconds(10)), drained, &aborted));
    assert_err(plait_supervisor_new(w.r, NULL, &other), PLAIT_EDRAINING);
    cw_pass_ms(&w, 10);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPED);
    assert_int_equal(look("slow").state, PLAIT_SUPERVISED_STOPPING);
    assert_int_equal(look("early").state, PLAIT_SUPERVISED_STOPPED);
    assert_err(plait_supervisor_add(s, "x", &o), PLAIT_EDRAINING);
    assert_err(plait_supervisor_start(s, "p"), PLAIT_EDRAINING);
    assert_err(plait_supervisor_restart(s, NULL), PLAIT_EDRAINING);
    assert_int_equal(aborted, -1);
    plait_sim_process_exit(slow.last, 0);
    cw_pass_ms(&w, 10);
    assert_int_equal(aborted, 0);
    done();
}

static void a_drain_with_nothing_to_wait_for_ends(void **state)
{
    int64_t aborted = -1;
    (void)state;
    cw_open(&w);
    assert_ok(plait_supervisor_new(w.r, NULL, &s));
    assert_ok(plait_then(plait_drain(w.r, plait_seconds(10)), drained, &aborted));
    cw_pass_ms(&w, 10);
    assert_int_equal(aborted, 0);
    plait_supervisor_free(&s);
    cw_close(&w);
}

static void a_drain_that_lasts_too_long_is_not_waited_for(void **state)
{
    struct script p = {.stays = true, .stubborn = true};
    int64_t aborted = -1;
    (void)state;
    open_with(NULL, &p);
    cw_pass_ms(&w, 10);
    assert_ok(plait_then(plait_drain(w.r, plait_seconds(2)), drained, &aborted));
    cw_pass_ms(&w, 2010);
    assert_true(aborted > 0);
    assert_int_equal(look("p").state, PLAIT_SUPERVISED_STOPPING);
    plait_supervisor_free(&s);
    cw_pass_ms(&w, 4000);
    assert_true(cw_logged(&w, "supervised-killed"));
    cw_close(&w);
}

static void the_reactors_end_is_the_end_of_all(void **state)
{
    struct script p = {.stays = true, .stubborn = true}, early = {.status = 1};
    const struct plait_spawn_options e = {.path = "/bin/early"};
    (void)state;
    open_with(NULL, &p);
    cw_add(&w, "/bin/early", &early);
    assert_ok(plait_supervisor_add(s, "early", &e));
    cw_pass_ms(&w, 10);
    cw_close(&w); /* it goes with the reactor, and so does what it runs */
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void without_memory_there_is_no_supervisor_and_no_child(void **state)
{
    struct script p = {.stays = true};
    bool made = false, added = false;
    (void)state;
    for (uint64_t k = 1; k < 60 && !added; k++) {
        const struct plait_spawn_options o = {.path = "/bin/p"};
        cw_open(&w);
        cw_add(&w, "/bin/p", &p);
        w.heap.fail_at = w.heap.calls + k;
        plait_err err = plait_supervisor_new(w.r, NULL, &s);
        made = err == PLAIT_OK;
        if (made)
            err = plait_supervisor_add(s, "p", &o);
        added = err == PLAIT_OK;
        assert_true(added || err == PLAIT_ENOMEM);
        w.heap.fail_at = 0;
        if (made)
            plait_supervisor_free(&s);
        cw_pass_ms(&w, 10000);
        cw_close(&w);
    }
    assert_true(added);
}

/* Whatever the start lacks memory for, it is tried again. */
static void a_start_without_memory_is_tried_again(void **state)
{
    unsigned failed = 0;
    (void)state;
    for (uint64_t k = 1; k < 30; k++) {
        struct script p = {.stays = true};
        open_with(NULL, &p);
        while (!plait__list_empty(&w.r->deferreds.open))
            assert_non_null(plait_deferred_new(w.r, "filler", NULL, NULL));
        w.heap.fail_at = w.heap.calls + k;
        w.heap.fail_after = true;
        cw_pass_ms(&w, 10);
        w.heap.fail_at = 0;
        w.heap.fail_after = false;
        failed += look("p").state == PLAIT_SUPERVISED_WAITING;
        cw_pass_ms(&w, 1000);
        assert_int_equal(look("p").state, PLAIT_SUPERVISED_RUNNING);
        done();
    }
    assert_true(failed >= 5);
}

/* --- on this machine ---------------------------------------------------------------------------------------------- */

static int ended, started;

static void count(const struct plait_supervised_view *view, void *ctx)
{
    (void)ctx;
    if (view->state == PLAIT_SUPERVISED_RUNNING)
        started++;
    else
        ended = 1;
}

static void keep_line(const char *name, int fd, plait_slice line, void *ctx)
{
    (void)name;
    (void)ctx;
    (void)snprintf(said + strlen(said), 100, "%d %.*s;", fd, PLAIT_ARG(line));
}

static void a_program_of_the_machine_is_kept_running(void **state)
{
    struct bed b;
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2; cat; exit 4", NULL};
    const struct plait_spawn_options o = {.path = "sh", .argv = argv};
    const struct plait_supervisor_options so = {.delay_min = plait_millis(10), .changed = count, .said = keep_line};
    struct plait_supervised_view view;
    const size_t before = open_bed(&b);
    (void)state;
    said[0] = '\0';
    ended = started = 0;
    assert_ok(plait_supervisor_new(b.r, &so, &s));
    assert_ok(plait_supervisor_add(s, "sh", &o));
    for (int n = 0; n < 1000 && started < 3; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_int_equal(started, 3);
    assert_ok(plait_supervisor_look(s, "sh", &view));
    assert_int_equal(view.status, 4);
    assert_non_null(strstr(said, "1 out;"));
    assert_non_null(strstr(said, "2 err;"));
    plait_supervisor_free(&s);
    while (b.r->stream_count > 0)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    close_bed(&b, before);
}

/* What descends from a child may keep its pipes: it is not waited for. */
static void a_grandchild_that_stays_holds_nothing_up(void **state)
{
    struct bed b;
    const char *const argv[] = {"sh", "-c", "sleep 20 & exec sleep 100", NULL};
    const struct plait_spawn_options o = {.path = "sh", .argv = argv, .new_session = true};
    const struct plait_supervisor_options so = {.changed = count};
    const size_t before = open_bed(&b);
    (void)state;
    ended = started = 0;
    assert_ok(plait_supervisor_new(b.r, &so, &s));
    assert_ok(plait_supervisor_add(s, "sh", &o));
    wait_for(&b, &started);
    struct plait_supervised_view view;
    assert_ok(plait_supervisor_look(s, "sh", &view));
    for (int n = 0; n < 20; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10))); /* it has children by now */
    plait_supervisor_free(&s);
    for (int n = 0; n < 1000 && b.r->stream_count > 0; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_int_equal(b.r->stream_count, 0);
    (void)kill(-view.pid, SIGKILL);
    close_bed(&b, before);
}

TEST_MAIN(cmocka_unit_test(one_that_ends_early_starts_again_after_delays_that_double),
          cmocka_unit_test(delays_grow_to_an_hour), cmocka_unit_test(delays_and_threshold_can_be_set),
          cmocka_unit_test(a_longest_delay_below_the_shortest_is_the_shortest),
          cmocka_unit_test(one_that_ran_for_a_second_starts_again_at_once),
          cmocka_unit_test(one_that_can_not_be_started_is_tried_again),
          cmocka_unit_test(what_a_program_says_goes_to_the_log), cmocka_unit_test(or_to_who_asks_for_it),
          cmocka_unit_test(one_that_is_stopped_stays_so), cmocka_unit_test(one_that_waits_can_be_stopped_or_started),
          cmocka_unit_test(a_deaf_one_is_killed_after_five_seconds),
          cmocka_unit_test(the_time_until_the_kill_can_be_set), cmocka_unit_test(a_restart_is_not_an_early_end),
          cmocka_unit_test(orders_can_be_given_to_all), cmocka_unit_test(a_removed_one_ends_and_its_name_is_free),
          cmocka_unit_test(what_can_not_be_added_is_refused), cmocka_unit_test(changes_are_told),
          cmocka_unit_test(who_is_told_may_end_it), cmocka_unit_test(freeing_ends_all_in_good_order),
          cmocka_unit_test(a_drain_stops_all_and_waits), cmocka_unit_test(a_drain_with_nothing_to_wait_for_ends),
          cmocka_unit_test(a_drain_that_lasts_too_long_is_not_waited_for),
          cmocka_unit_test(the_reactors_end_is_the_end_of_all),
          cmocka_unit_test(without_memory_there_is_no_supervisor_and_no_child),
          cmocka_unit_test(a_start_without_memory_is_tried_again),
          cmocka_unit_test(a_program_of_the_machine_is_kept_running),
          cmocka_unit_test(a_grandchild_that_stays_holds_nothing_up))
