/* SPDX-License-Identifier: MIT
 *
 * The plait program: finds the subcommand and hands the rest of the words to it.
 *
 * Invariant: 0 done, 1 failed and said why in one line on standard error, 2 the command line was wrong, 78 the
 * configuration was. Tests: tests/program/words.py and its neighbours.
 */
#include "program/program.h"

#include <string.h>

static const struct command *const commands[] = {&command_up,     &command_serve,     &command_fetch, &command_finger,
                                                 &command_passwd, &command_supervise, &command_telnet};

static void print_help(FILE *out)
{
    fputs("plait: classic internet services and clients, event-driven\n\nUsage:\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  plait %s\n", commands[i]->usage);
    fputs("  plait --version\n\n`plait COMMAND --help` tells more of each.\n"
          "Exit status: 0 done, 1 failed, 2 wrong command line, 78 wrong configuration.\n",
          out);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct words words = {.at = argv + (argc > 0), .end = argv + argc};
    const char *name = next_word(&words);
    if (!name) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("plait %s\n", PLAIT_VERSION);
        return EXIT_DONE;
    }
    const struct command *command = find(name);
    if (!command) {
        fprintf(stderr, "plait: there is no command '%s'; `plait --help` lists them\n", name);
        return EXIT_USAGE;
    }
    if (asked_for_help(command, &words))
        return EXIT_DONE;
    return command->run(command, &words);
}
