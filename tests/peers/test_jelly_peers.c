/* SPDX-License-Identifier: MIT
 *
 * Jelly beside Twisted's: values that Twisted wrote are read, written again, and read by Twisted as what they were, in
 * both dialects. A Twisted that is missing is a failure.
 */
#include "tests/support/test.h"

#include "rpc/banana_wire.h"

#include <plait/jelly.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIRE_MAX = 2 << 20, VALUES = 15 };

static char folder[TEST_PATH_BYTES];

static bool accept_point(plait_slice name, void *ctx)
{
    (void)ctx;
    return plait_slice_equal(name, PLAIT_LIT("__main__.Point"));
}

/* Runs Twisted's side with one file of the folder as its input and another as its output. */
static void twisted(const char *role, const char *dialect, const char *from, const char *to)
{
    char in[TEST_PATH_BYTES + 16];
    char out[TEST_PATH_BYTES + 16];
    int status = -1;
    (void)snprintf(in, sizeof in, "%s/%s", folder, from);
    (void)snprintf(out, sizeof out, "%s/%s", folder, to);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const char *const argv[] = {"/usr/bin/python3", "tests/peers/twisted_jelly.py", role, dialect, NULL};
        dup2(open(in, O_RDONLY | O_CLOEXEC), 0);
        dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 1);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void slurp(const char *name, struct plait_buf *buf)
{
    char path[TEST_PATH_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    uint8_t *at = plait_buf_reserve(buf, WIRE_MAX);
    assert_non_null(file);
    assert_non_null(at);
    plait_buf_commit(buf, fread(at, 1, WIRE_MAX, file));
    assert_int_equal(fclose(file), 0);
}

/* Reads every value of `in` into a tree of its own and writes it to `out`. */
static size_t rewrite(plait_slice in, bool vocabulary, struct plait_buf *out)
{
    const struct plait_jelly_options options = {.accept = accept_point};
    struct plait__banana_decoder d = {.max = WIRE_MAX, .elements_max = 1000, .vocabulary = vocabulary};
    size_t count = 0;
    for (; in.len > 0; count++) {
        const struct plait_frame f = plait__banana_next(&d, in);
        plait_slice wire = f.payload;
        struct plait_jelly *j = plait_jelly_new(out->budget, &options);
        assert_int_equal(f.event, PLAIT_FRAME_WHOLE);
        assert_err(plait_jelly_read(j, &wire, vocabulary), PLAIT_OK);
        assert_err(plait_jelly_write(j, plait_jelly_top(j), out, vocabulary), PLAIT_OK);
        plait_jelly_free(&j);
        in = plait_slice_sub(in, f.taken, in.len);
    }
    return count;
}

static void seen(const char *what)
{
    const char *rows = getenv("PLAIT_PEERS_OUT");
    FILE *out = rows ? fopen(rows, "ae") : NULL;
    if (out) {
        (void)fprintf(out, "Twisted\tour codec\tjelly: %s\n", what);
        assert_int_equal(fclose(out), 0);
    }
}

/* What Twisted said of our values, line by line. */
static void judge(plait_slice said)
{
    struct plait_scan scan = plait_scan_of(said);
    plait_slice line;
    size_t good = 0;
    while (plait_scan_until(&scan, '\n', &line)) {
        char what[128];
        assert_true(plait_scan_byte(&scan, '\n'));
        (void)snprintf(what, sizeof what, "%.*s", PLAIT_ARG(line));
        if (strncmp(what, "ok ", 3) != 0)
            fail_msg("Twisted says: %s", what);
        seen(what + 3);
        good++;
    }
    assert_int_equal(good, VALUES);
}

static void both_ways(const char *dialect, bool vocabulary)
{
    struct plait_budget budget;
    struct plait_buf in;
    struct plait_buf out;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&in, &budget, WIRE_MAX);
    plait_buf_init(&out, &budget, WIRE_MAX);
    test_folder_make(folder);
    test_file_write(folder, "nothing", PLAIT_LIT(""));
    twisted("write", dialect, "nothing", "theirs");
    slurp("theirs", &in);
    assert_int_equal(rewrite(plait_buf_slice(&in), vocabulary, &out), VALUES);
    test_file_write(folder, "ours", plait_buf_slice(&out));
    twisted("check", dialect, "ours", "said");
    plait_buf_clear(&in);
    slurp("said", &in);
    judge(plait_buf_slice(&in));
    test_folder_remove(folder);
    plait_buf_deinit(&in);
    plait_buf_deinit(&out);
    assert_int_equal(budget.used, 0);
}

static void twisted_reads_what_we_make_of_its_values(void **state)
{
    (void)state;
    both_ways("pb", true);
}

static void so_it_does_in_the_dialect_without_words(void **state)
{
    (void)state;
    both_ways("none", false);
}

TEST_MAIN(cmocka_unit_test(twisted_reads_what_we_make_of_its_values),
          cmocka_unit_test(so_it_does_in_the_dialect_without_words))
