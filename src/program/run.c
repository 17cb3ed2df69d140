/* SPDX-License-Identifier: MIT
 *
 * A program for each connection: what is run, and what holds for it.
 *
 * Test: tests/program/run.py.
 */
#include "program/program.h"

#include <string.h>
#include <unistd.h>

bool take_run_option(struct words *words, struct run_words *run, const char **value)
{
    if (take_option(words, "run", 0, value))
        run->command = *value;
    else if (take_option(words, "at-once", 0, value))
        run->at_once = *value;
    else if (take_option(words, "idle", 0, value))
        run->idle = *value;
    else if (take_option(words, "life", 0, value))
        run->life = *value;
    else if (take_option(words, "kill-after", 0, value))
        run->kill_after = *value;
    else if (take_flag(words, "socket", 0))
        run->socket = true;
    else if (take_flag(words, "pty", 0))
        run->pty = true;
    else
        return false;
    return true;
}

static bool read_number(const char *name, const char *text, uint64_t *out, struct trouble *trouble)
{
    *out = 0;
    if (text && (plait_slice_to_u64(plait_slice_text(text), 1000000000, out) != PLAIT_OK || *out == 0))
        return told(trouble, EXIT_USAGE, "--%s wants a number, at least one", name);
    return true;
}

static bool read_span(const char *name, const char *text, plait_span *out, struct trouble *trouble)
{
    uint64_t seconds;
    if (!read_number(name, text, &seconds, trouble))
        return false;
    *out = plait_seconds((int64_t)seconds);
    return true;
}

struct plait_service *make_run(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble)
{
    const struct run_words *run = words->run;
    const char *const argv[] = {"/bin/sh", "-c", run->command, NULL};
    struct plait_program_options o = {
        .spawn = {.path = argv[0], .argv = argv, .env = (const char *const *)environ, .kill_with_parent = true},
        .link = run->socket ? PLAIT_PROGRAM_SOCKET
                : run->pty  ? PLAIT_PROGRAM_PTY
                            : PLAIT_PROGRAM_PIPES};
    struct plait_service *service = NULL;
    uint64_t at_once;
    if (!run->command || !run->command[0]) {
        (void)told(trouble, EXIT_USAGE, "which program? --run COMMAND, as in --run 'exec cat'");
        return NULL;
    }
    if (run->socket && run->pty) {
        (void)told(trouble, EXIT_USAGE, "--socket and --pty don't go together");
        return NULL;
    }
    if (!read_number("at-once", run->at_once, &at_once, trouble) || !read_span("idle", run->idle, &o.idle, trouble) ||
        !read_span("life", run->life, &o.life, trouble) ||
        !read_span("kill-after", run->kill_after, &o.kill_after, trouble))
        return NULL;
    o.at_once = at_once;
    const plait_err err = plait_program_new(r, &o, &service);
    return err == PLAIT_OK ? service : NULL; /* there is no memory then */
}
