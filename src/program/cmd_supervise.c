/* SPDX-License-Identifier: MIT
 *
 * plait supervise: programs that are kept running.
 *
 * Test: tests/program/supervise.py.
 */
#include "program/program.h"

#include <signal.h>
#include <string.h>

enum { RUNS_MAX = 64, NAME_BYTES = 65, MANY_LINES = 1000000 };

/* A program of the command line. */
struct run {
    char name[NAME_BYTES];
    const char *argv[4]; /* of a shell; unused for the one whose words stand at the end */
};

struct ask {
    struct plait_supervisor_options options;
    struct plait_log_options log;
    struct run runs[RUNS_MAX];
    size_t count;
};

static bool read_seconds(const char *text, plait_span *out)
{
    uint64_t seconds;
    if (plait_slice_to_u64(plait_slice_text(text), 1000000000, &seconds) != PLAIT_OK || seconds == 0)
        return false;
    *out = plait_seconds((int64_t)seconds);
    return true;
}

/* MIN or MIN:MAX */
static bool read_delays(const char *text, struct plait_supervisor_options *o)
{
    const plait_slice all = plait_slice_text(text);
    const size_t colon = plait_slice_find_byte(all, ':', 0);
    char min[16];
    if (colon == SIZE_MAX)
        return read_seconds(text, &o->delay_min);
    if (colon >= sizeof min)
        return false;
    snprintf(min, sizeof min, "%.*s", (int)colon, text);
    return read_seconds(min, &o->delay_min) && read_seconds(text + colon + 1, &o->delay_max) &&
           o->delay_min <= o->delay_max;
}

/* NAME=COMMAND, which a shell runs, or becomes where it is a single one. */
static bool read_run(const char *text, struct run *run)
{
    const char *equals = strchr(text, '=');
    const size_t len = equals ? (size_t)(equals - text) : 0;
    if (len == 0 || len >= NAME_BYTES || equals[1] == '\0')
        return false;
    snprintf(run->name, sizeof run->name, "%.*s", (int)len, text);
    run->argv[0] = "/bin/sh";
    run->argv[1] = "-c";
    run->argv[2] = equals + 1;
    run->argv[3] = NULL;
    return true;
}

static int take_run(const struct command *command, const char *value, struct ask *ask)
{
    if (ask->count == RUNS_MAX)
        return wrong_usage(command, "at most %d programs", RUNS_MAX);
    if (!read_run(value, &ask->runs[ask->count]))
        return wrong_usage(command, "--run wants NAME=COMMAND, with a name of 1 to 64 bytes");
    ask->count++;
    return EXIT_DONE;
}

/* Takes one option. Returns EXIT_DONE, or says what is wrong with it. */
static int take_one(const struct command *command, struct words *words, struct ask *ask)
{
    const char *value = NULL;
    bool wrong = false;
    if (take_option(words, "run", 0, &value))
        return value ? take_run(command, value, ask) : wrong_usage(command, "--run wants NAME=COMMAND");
    if (take_option(words, "threshold", 0, &value))
        return value && read_seconds(value, &ask->options.threshold)
                   ? EXIT_DONE
                   : wrong_usage(command, "--threshold wants seconds, at least one");
    if (take_option(words, "kill-after", 0, &value))
        return value && read_seconds(value, &ask->options.kill_after)
                   ? EXIT_DONE
                   : wrong_usage(command, "--kill-after wants seconds, at least one");
    if (take_option(words, "delay", 0, &value))
        return value && read_delays(value, &ask->options)
                   ? EXIT_DONE
                   : wrong_usage(command, "--delay wants seconds, MIN or MIN:MAX, at least one");
    if (take_log_option(words, &ask->log, &wrong))
        return wrong ? wrong_usage(command, LOG_WRONG) : EXIT_DONE;
    return wrong_usage(command, "'%s' is not understood; `plait supervise --help` tells what is", *words->at);
}

static int take_options(const struct command *command, struct words *words, struct ask *ask)
{
    int status = EXIT_DONE;
    while (status == EXIT_DONE && words->at < words->end && (*words->at)[0] == '-') {
        if (take_flag(words, "", 0)) /* "--": a program comes */
            break;
        status = take_one(command, words, ask);
    }
    return status;
}

static plait_err add(struct plait_supervisor *s, const char *name, const char *const *argv)
{
    const struct plait_spawn_options o = {
        .path = argv[0], .argv = argv, .new_session = true, .group = true, .kill_with_parent = true};
    return plait_supervisor_add(s, name, &o);
}

/* The words at the end are one program; its name is that of its file. */
static plait_err add_words(struct plait_supervisor *s, const struct words *words)
{
    char name[NAME_BYTES];
    const char *slash = strrchr(words->at[0], '/');
    snprintf(name, sizeof name, "%s", slash && slash[1] ? slash + 1 : words->at[0]);
    return add(s, name, (const char *const *)words->at); /* main's words end with NULL */
}

static int say_added(const struct command *command, const char *name, plait_err err)
{
    if (err == PLAIT_EEXISTS)
        return wrong_usage(command, "two programs have the name of '%s'", name);
    return err == PLAIT_OK ? EXIT_DONE : failed(command, "%s: %s", name, plait_err_text(err));
}

static int add_all(const struct command *command, struct plait_supervisor *s, const struct ask *ask,
                   const struct words *words)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < ask->count && status == EXIT_DONE; i++)
        status = say_added(command, ask->runs[i].name, add(s, ask->runs[i].name, ask->runs[i].argv));
    if (status == EXIT_DONE && words->at < words->end)
        status = say_added(command, *words->at, add_words(s, words));
    return status;
}

static void on_hangup(int signo, void *ctx)
{
    (void)signo;
    (void)!plait_supervisor_restart(ctx, NULL); /* in a drain nothing starts any more */
}

static int run(const struct command *command, struct words *words)
{
    struct ask ask = {.log = {.level = PLAIT_LOG_INFO, .burst = MANY_LINES}};
    struct serving serving;
    struct plait_supervisor *s = NULL;
    int status = take_options(command, words, &ask);
    if (status != EXIT_DONE)
        return status;
    if (ask.count == 0 && words->at == words->end)
        return wrong_usage(command, "which program? --run NAME=COMMAND, or the words of one at the end");
    status = serving_begin(&serving, command, &ask.log);
    plait_err err = status == EXIT_DONE ? plait_supervisor_new(serving.r, &ask.options, &s) : PLAIT_OK;
    if (status == EXIT_DONE && err == PLAIT_OK)
        err = plait_on_signal(serving.r, SIGHUP, on_hangup, s);
    if (status == EXIT_DONE)
        status = err == PLAIT_OK ? add_all(command, s, &ask, words) : failed(command, "%s", plait_err_text(err));
    if (status == EXIT_DONE)
        status = run_services(&serving);
    plait_supervisor_free(&s);
    serving_end(&serving);
    return status;
}

const struct command command_supervise = {
    .name = "supervise",
    .usage = "supervise [OPTIONS] [--run NAME=COMMAND]… [[--] PROGRAM [WORD …]]",
    .help = "Keeps programs running: one that ends is started again, at once when it ran for a while, else after\n"
            "a delay that doubles. What they write goes to the log, line by line. SIGTERM and SIGINT stop them\n"
            "all (SIGTERM, then SIGKILL; 10 s at most), SIGHUP restarts them all.\n\n"
            "  --run NAME=COMMAND    a program under a name, as the shell understands it; up to 64 times\n"
            "  --threshold SECONDS   one that ran for less ended early; 1\n"
            "  --kill-after SECONDS  from SIGTERM to SIGKILL; 5\n"
            "  --delay MIN[:MAX]     seconds before the start that follows an early end; 1:3600\n" LOG_HELP,
    .run = run,
};
