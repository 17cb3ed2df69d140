/* SPDX-License-Identifier: MIT
 *
 * plait up: every harmless service there is, on loopback and high ports.
 *
 * Test: tests/program/serve.py.
 */
#include "program/program.h"

#include <string.h>

static int start_all(struct serving *serving, const char *web, const struct service_words *words)
{
    for (size_t i = 0; i < service_kind_count; i++) {
        const struct service_kind *kind = &service_kinds[i];
        if (kind->relay)
            continue;
        const char *endpoint = web && strcmp(kind->name, "web") == 0 ? web : kind->endpoint;
        const int status = start_service(serving, kind, endpoint, words);
        if (status != EXIT_DONE)
            return status;
    }
    printf("Listening on loopback only (interface=* in an endpoint is for all). Ctrl-C stops.\n");
    fflush(stdout);
    return EXIT_DONE;
}

static int run(const struct command *command, struct words *words)
{
    struct web_words around = {.live = true};
    struct service_words told = {.welcome = true, .web = &around};
    struct plait_log_options log = {.level = PLAIT_LOG_INFO};
    bool wrong = false, full = false;
    const char *web = NULL;
    while (words->at < words->end) {
        const char *value = "";
        if (take_option(words, "root", 0, &value))
            told.root = value;
        else if (take_option(words, "web", 0, &value))
            web = value;
        else if (take_flag(words, "no-listing", 0))
            told.no_listing = true;
        else if (take_flag(words, "no-live", 0))
            around.live = false;
        else if (!take_web_option(words, &around, &value, &full) && !take_log_option(words, &log, &wrong))
            return wrong_usage(command, "'%s' is not understood; `plait up --help` tells what is", *words->at);
        if (wrong)
            return wrong_usage(command, LOG_WRONG);
        if (full)
            return wrong_usage(command, "web: at most %d of one option", WEB_EACH_MAX);
        if (!value)
            return wrong_usage(command, "an option at the end lacks its value");
    }
    struct serving serving;
    int status = serving_begin(&serving, command, &log);
    if (status == EXIT_DONE)
        status = start_all(&serving, web, &told);
    if (status == EXIT_DONE)
        status = run_services(&serving);
    serving_end(&serving);
    return status;
}

const struct command command_up = {
    .name = "up",
    .usage = "up [--root DIR] [--web ENDPOINT] [--no-listing] [--no-live] [OPTIONS]",
    .help = "Starts every harmless service on loopback and prints a line for each. SIGINT and SIGTERM\n"
            "stop accepting, let what is under way finish (10 s), and end; a second one ends at once.\n"
            "The live page at /_plait/ of the web server shows what goes on: to this machine only,\n"
            "or with --user to who knows the password.\n\n"
            "  --root DIR      folder that the web server shows; the current one by default\n"
            "  --web ENDPOINT  where the web server listens; tcp:8080 by default\n"
            "  --no-listing    folders without an index.html are not listed\n"
            "  --no-live       no live page\n" LOG_HELP "\n" WEB_HELP,
    .run = run,
};
