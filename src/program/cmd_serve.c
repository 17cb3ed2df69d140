/* SPDX-License-Identifier: MIT
 *
 * plait serve: the services that are named, each at its endpoints.
 *
 * Test: tests/program/serve.py.
 */
#include "program/program.h"

#include <string.h>

enum { LISTENS_MAX = 16 };

/* One service of the command line: its words, up to the next service's name. */
struct ask {
    const struct service_kind *kind;
    struct service_words words;
    struct web_words web;
    struct proxy_words proxy;
    struct forward_words forward;
    struct run_words run;
    const char *listen[LISTENS_MAX];
    size_t listens;
};

static int take_ask(const struct command *command, struct words *words, struct ask *ask)
{
    const bool is_web = strcmp(ask->kind->name, "web") == 0;
    const bool is_proxy = strcmp(ask->kind->name, "proxy") == 0;
    const bool is_forward = strcmp(ask->kind->name, "forward") == 0;
    const bool is_run = strcmp(ask->kind->name, "program") == 0;
    ask->words.web = &ask->web;
    ask->words.proxy = &ask->proxy;
    ask->words.forward = &ask->forward;
    ask->words.run = &ask->run;
    while (words->at < words->end && !find_service(*words->at)) {
        const char *value = "";
        bool full = false;
        if (take_option(words, "listen", 'l', &value)) {
            if (ask->listens == LISTENS_MAX)
                return wrong_usage(command, "%s: at most %d endpoints", ask->kind->name, LISTENS_MAX);
            ask->listen[ask->listens++] = value;
        } else if (take_option(words, "root", 0, &value)) {
            ask->words.root = value;
        } else if (take_option(words, "table", 0, &value)) {
            ask->words.table = value;
        } else if (take_option(words, "quote", 0, &value)) {
            ask->words.quote = value;
        } else if ((is_web && take_web_option(words, &ask->web, &value, &full)) ||
                   (is_proxy && take_proxy_option(words, &ask->proxy, &ask->web, &value, &full)) ||
                   (is_forward && take_forward_option(words, &ask->forward, &value)) ||
                   (is_run && take_run_option(words, &ask->run, &value))) {
            if (full)
                return wrong_usage(command, "%s: at most %d of one option", ask->kind->name, WEB_EACH_MAX);
        } else if (take_flag(words, "no-listing", 0)) {
            ask->words.no_listing = true;
        } else {
            return wrong_usage(command, "%s: '%s' is neither an option nor a service; `plait serve --help` lists them",
                               ask->kind->name, *words->at);
        }
        if (!value)
            return wrong_usage(command, "%s: the last option lacks its value", ask->kind->name);
    }
    return EXIT_DONE;
}

static int start_ask(struct serving *serving, const struct ask *ask)
{
    if (ask->listens == 0)
        return start_service(serving, ask->kind, ask->kind->endpoint, &ask->words);
    for (size_t i = 0; i < ask->listens; i++) {
        const int status = start_service(serving, ask->kind, ask->listen[i], &ask->words);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

static int start_named(struct serving *serving, struct words *words)
{
    const struct command *command = serving->command;
    const char *name = next_word(words);
    if (!name)
        return wrong_usage(command, "which service? `plait serve --help` lists them");
    for (; name; name = next_word(words)) {
        struct ask ask = {.kind = find_service(name)};
        if (!ask.kind)
            return wrong_usage(command, "there is no service '%s'; `plait serve --help` lists them", name);
        int status = take_ask(command, words, &ask);
        if (status == EXIT_DONE)
            status = start_ask(serving, &ask);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

static int run(const struct command *command, struct words *words)
{
    struct plait_log_options log = {.level = PLAIT_LOG_INFO};
    struct serving serving;
    bool wrong = false;
    while (!wrong && take_log_option(words, &log, &wrong))
        continue;
    if (wrong)
        return wrong_usage(command, LOG_WRONG);
    int status = serving_begin(&serving, command, &log);
    if (status == EXIT_DONE)
        status = start_named(&serving, words);
    if (status == EXIT_DONE)
        status = run_services(&serving);
    serving_end(&serving);
    return status;
}

const struct command command_serve = {
    .name = "serve",
    .usage = "serve [--log FORM] [--log-level LEVEL] SERVICE [--listen ENDPOINT]… [OPTIONS] [SERVICE …]",
    .help = "Serves one or several services in one process.\n\n"
            "  web        --root DIR, --no-listing           tcp:8080\n"
            "  proxy      an HTTP proxy for clients          tcp:3128\n"
            "             --allow LIST, --refuse LIST (networks; public, private, loopback …), --ports LIST;\n"
            "             --user NAME:PASSWORD, --realm NAME; --no-connect\n"
            "  forward    --to ENDPOINT: each connection is carried on   tcp:7022\n"
            "             --send-proxy v1|v2 (who it is for), --idle SECONDS (of silence; an hour)\n"
            "  program    --run COMMAND: for each connection, which is its input and output   tcp:7098\n"
            "             --socket (it gets the socket itself), --pty (a terminal), --at-once N (40),\n"
            "             --idle SECONDS (an hour), --life SECONDS, --kill-after SECONDS (from SIGTERM to SIGKILL; 5)\n"
            "  finger     --table FILE (user:name:plan)      tcp:7079\n"
            "  echo, discard, daytime, qotd (--quote TEXT), chargen, time, netstring\n\n" WEB_HELP "\n"
            "  -l, --listen ENDPOINT   tcp:PORT, tcp6:PORT, tls:PORT:cert=FILE:key=FILE, unix:PATH, systemd:index=0,\n"
            "                          fd:N, stdio:, haproxy:ENDPOINT; udp:PORT for the small services.\n"
            "                          tls: with ocsp=FILE staples that OCSP response while it holds.\n"
            "                          Without interface= it binds loopback only; interface=* is for all.\n" LOG_HELP,
    .run = run,
};
