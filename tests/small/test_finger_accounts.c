/* SPDX-License-Identifier: MIT
 *
 * The machine's accounts as a finger directory; the account database is this file's own.
 */
#include "tests/engine/bed.h"

#include <plait/finger.h>
#include <plait/sim.h>

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

/* The account database of this test: what the C library's function would say. */
static struct {
    char name[32], gecos[2048], home[TEST_PATH_BYTES], shell[16];
    uid_t uid;
    int res;
} account;

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t bytes, struct passwd **found)
{
    (void)buf;
    (void)bytes;
    *found = NULL;
    if (account.res != 0)
        return account.res;
    if (strcmp(name, account.name) != 0)
        return 0;
    *pw = (struct passwd){.pw_name = account.name,
                          .pw_gecos = account.gecos,
                          .pw_dir = account.home,
                          .pw_shell = account.shell,
                          .pw_uid = account.uid};
    *found = pw;
    return 0;
}

struct table {
    struct bed b;
    char home[TEST_PATH_BYTES];
    char text[20000];
    plait_err err;
};

static void sit(struct table *t)
{
    bed_open_real(&t->b);
    test_folder_make(t->home);
    memset(&account, 0, sizeof account);
    (void)snprintf(account.name, sizeof account.name, "ann");
    (void)snprintf(account.gecos, sizeof account.gecos, "Ann Example,Room 7,,");
    (void)snprintf(account.home, sizeof account.home, "%s", t->home);
    (void)snprintf(account.shell, sizeof account.shell, "/bin/sh");
    account.uid = getuid();
}

static void rise(struct table *t)
{
    test_folder_remove(t->home);
    bed_close(&t->b);
}

static plait_err look_up(struct table *t, const char *user, bool whois)
{
    const struct plait_finger_directory d = plait_finger_accounts(t->b.r);
    plait_value value = {.ptr = NULL};
    const plait_err err = plait_reactor_run_until(t->b.r, d.find(t->b.r, plait_slice_text(user), whois, d.ctx), &value);
    t->text[0] = '\0';
    if (err == PLAIT_OK) {
        const struct plait_finger_text *text = value.ptr;
        (void)snprintf(t->text, sizeof t->text, "%.*s", PLAIT_ARG(plait_buf_slice(&text->buf)));
        value.destroy(value.ptr);
    }
    return err;
}

static void keep_text(struct plait_result *result, void *ctx)
{
    struct table *t = ctx;
    t->err = result->fault.err;
    if (t->err == PLAIT_OK) {
        const struct plait_finger_text *text = result->value.ptr;
        (void)snprintf(t->text, sizeof t->text, "%.*s", PLAIT_ARG(plait_buf_slice(&text->buf)));
    }
    plait_result_set(result, plait_value_num(0));
}

/* The same where the world runs the reactor. */
static plait_err look_up_in(struct plait_sim *sim, struct table *t, const char *user)
{
    const struct plait_finger_directory d = plait_finger_accounts(t->b.r);
    t->text[0] = '\0';
    t->err = PLAIT_EAGAIN;
    assert_ok(plait_then(d.find(t->b.r, plait_slice_text(user), false, d.ctx), keep_text, t));
    plait_sim_run_for(sim, plait_seconds(1));
    return t->err;
}

static void an_account_is_described(void **state)
{
    (void)state;
    struct table t;
    char expected[TEST_PATH_BYTES + 128];
    sit(&t);
    assert_ok(look_up(&t, "ann", false));
    assert_string_equal(t.text, "Login: ann\nName: Ann Example\nNo plan.\n");
    assert_ok(look_up(&t, "ann", true));
    (void)snprintf(expected, sizeof expected,
                   "Login: ann\nName: Ann Example\nDirectory: %s\nShell: /bin/sh\nNo plan.\n", t.home);
    assert_string_equal(t.text, expected);
    rise(&t);
}

static void project_and_plan_are_read_beneath_the_home(void **state)
{
    (void)state;
    struct table t;
    sit(&t);
    test_file_write(t.home, ".project", PLAIT_LIT("Plait\nand more of it\n"));
    test_file_write(t.home, ".plan", PLAIT_LIT("Rest\nand sleep\n"));
    assert_ok(look_up(&t, "ann", false));
    assert_string_equal(t.text, "Login: ann\nName: Ann Example\nProject: Plait\nPlan:\nRest\nand sleep\n");
    rise(&t);
}

static void no_more_than_8_kib_of_a_file_are_read(void **state)
{
    (void)state;
    static char much[10000];
    struct table t;
    sit(&t);
    memset(much, 'p', sizeof much);
    test_file_write(t.home, ".project", plait_slice_of(much, sizeof much));
    test_file_write(t.home, ".plan", plait_slice_of(much, sizeof much));
    assert_ok(look_up(&t, "ann", false));
    assert_int_equal(strlen(t.text), strlen("Login: ann\nName: Ann Example\nProject: \nPlan:\n") + 2 * 8192);
    rise(&t);
}

static void a_link_a_folder_a_pipe_and_a_strangers_file_are_not_shown(void **state)
{
    (void)state;
    struct table t;
    char plan[TEST_PATH_BYTES + 16];
    sit(&t);
    (void)snprintf(plan, sizeof plan, "%s/.plan", t.home);
    test_file_write(t.home, "secret", PLAIT_LIT("secret"));
    assert_int_equal(symlink("secret", plan), 0);
    assert_ok(look_up(&t, "ann", false));
    assert_string_equal(t.text, "Login: ann\nName: Ann Example\nNo plan.\n");
    assert_int_equal(unlink(plan), 0);
    assert_int_equal(mkdir(plan, 0700), 0);
    assert_ok(look_up(&t, "ann", false));
    assert_non_null(strstr(t.text, "No plan."));
    assert_int_equal(rmdir(plan), 0);
    assert_int_equal(mkfifo(plan, 0600), 0);
    assert_ok(look_up(&t, "ann", false));
    assert_non_null(strstr(t.text, "No plan."));
    assert_int_equal(unlink(plan), 0);
    test_file_write(t.home, ".plan", PLAIT_LIT("not yours"));
    account.uid = getuid() + 1;
    assert_ok(look_up(&t, "ann", false));
    assert_non_null(strstr(t.text, "No plan."));
    account.uid = getuid();
    assert_int_equal(chmod(plan, 0), 0);
    assert_ok(look_up(&t, "ann", false));
    assert_non_null(strstr(t.text, "No plan."));
    rise(&t);
}

static void a_home_that_is_not_there_has_no_plan(void **state)
{
    (void)state;
    struct table t;
    sit(&t);
    (void)snprintf(account.home, sizeof account.home, "/nonexistent");
    assert_ok(look_up(&t, "ann", false));
    assert_non_null(strstr(t.text, "No plan."));
    rise(&t);
}

static void who_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct table t;
    char name[80];
    sit(&t);
    assert_err(look_up(&t, "bob", false), PLAIT_ENOTFOUND);
    memset(name, 'u', sizeof name);
    name[65] = '\0';
    assert_err(look_up(&t, name, false), PLAIT_ENOTFOUND);
    name[64] = '\0';
    memcpy(account.name, name, sizeof account.name - 1);
    assert_err(look_up(&t, name, false), PLAIT_ENOTFOUND);
    account.res = EIO;
    assert_err(look_up(&t, "ann", false), PLAIT_EIO);
    rise(&t);
}

/* The answer has room for both files and an account of the usual size; what does not fit is cut. */
static void an_answer_that_is_too_long_is_cut(void **state)
{
    (void)state;
    static char much[8192];
    struct table t;
    sit(&t);
    memset(much, 'p', sizeof much);
    memset(account.gecos, 'g', 2000);
    account.gecos[2000] = '\0';
    test_file_write(t.home, ".project", plait_slice_of(much, sizeof much));
    test_file_write(t.home, ".plan", plait_slice_of(much, sizeof much));
    assert_ok(look_up(&t, "ann", false));
    assert_int_equal(strlen(t.text), 2 * 8192 + 1024);
    assert_non_null(strstr(t.text, "\nPlan:\npppp"));
    rise(&t);
}

/* The files are read through the reactor's table, so a host of the world has a home too. */
static void in_the_simulated_world_plans_come_from_the_hosts_files(void **state)
{
    (void)state;
    const struct plait_sim_rule short_of_descriptors = {.call = "openat2", .os_errno = EMFILE};
    const struct plait_sim_rule broken = {.call = "pread", .os_errno = EIO, .nth = 2};
    struct plait_sim *sim = plait_sim_new(1, PLAIT_SIM_SHORT);
    struct plait_host *host = plait_sim_host(sim, "host");
    struct table t = {.b.r = plait_host_reactor(host)};
    memset(&account, 0, sizeof account);
    (void)snprintf(account.name, sizeof account.name, "ann");
    (void)snprintf(account.gecos, sizeof account.gecos, "Ann Example");
    (void)snprintf(account.home, sizeof account.home, "/home/ann");
    account.uid = 1000; /* whom files of the world belong to */
    assert_ok(plait_host_write_file(host, "/home/ann/.project", "Plait\n", 6));
    assert_ok(plait_host_write_file(host, "/home/ann/.plan", "Rest\n", 5));
    assert_ok(look_up_in(sim, &t, "ann"));
    assert_string_equal(t.text, "Login: ann\nName: Ann Example\nProject: Plait\nPlan:\nRest\n");
    account.uid = 1001;
    assert_ok(look_up_in(sim, &t, "ann"));
    assert_string_equal(t.text, "Login: ann\nName: Ann Example\nNo plan.\n");
    account.uid = 1000;
    assert_ok(plait_sim_add_rule(sim, &broken));
    assert_ok(look_up_in(sim, &t, "ann"));
    assert_non_null(strstr(t.text, "Project: Plait\n"));
    plait_sim_clear_rules(sim);
    assert_ok(plait_sim_add_rule(sim, &short_of_descriptors));
    assert_ok(look_up_in(sim, &t, "ann"));
    assert_non_null(strstr(t.text, "No plan.\n"));
    plait_sim_clear_rules(sim);
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

static void users_cannot_be_listed(void **state)
{
    (void)state;
    struct bed b;
    bed_open(&b);
    assert_null(plait_finger_accounts(b.r).list);
    bed_close(&b);
}

static void a_look_up_can_be_cancelled(void **state)
{
    (void)state;
    struct table t;
    struct seen seen;
    sit(&t);
    const struct plait_finger_directory d = plait_finger_accounts(t.b.r);
    struct plait_deferred *found = d.find(t.b.r, PLAIT_LIT("ann"), false, d.ctx);
    watch_result(found, &seen);
    plait_deferred_cancel(found);
    for (int i = 0; i < 100 && seen.calls == 0; i++)
        assert_ok(plait_reactor_step(t.b.r, plait_millis(10)));
    assert_err(seen.err, PLAIT_ECANCELLED);
    rise(&t);
}

static void whichever_allocation_fails_the_look_up_fails(void **state)
{
    (void)state;
    plait_err err = PLAIT_ENOMEM;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        struct table t;
        sit(&t);
        const struct plait_finger_directory d = plait_finger_accounts(t.b.r);
        plait_value value = {.ptr = NULL};
        t.b.heap.fail_at = t.b.heap.calls + n;
        struct plait_deferred *found = d.find(t.b.r, PLAIT_LIT("ann"), false, d.ctx);
        err = plait_reactor_run_until(t.b.r, found, &value);
        if (err == PLAIT_OK)
            value.destroy(value.ptr);
        rise(&t);
        assert_true(n < 50);
    }
}

TEST_MAIN(cmocka_unit_test(an_account_is_described), cmocka_unit_test(project_and_plan_are_read_beneath_the_home),
          cmocka_unit_test(no_more_than_8_kib_of_a_file_are_read),
          cmocka_unit_test(a_link_a_folder_a_pipe_and_a_strangers_file_are_not_shown),
          cmocka_unit_test(a_home_that_is_not_there_has_no_plan), cmocka_unit_test(who_is_not_there_is_not_found),
          cmocka_unit_test(an_answer_that_is_too_long_is_cut),
          cmocka_unit_test(in_the_simulated_world_plans_come_from_the_hosts_files),
          cmocka_unit_test(users_cannot_be_listed), cmocka_unit_test(a_look_up_can_be_cancelled),
          cmocka_unit_test(whichever_allocation_fails_the_look_up_fails))
