/* SPDX-License-Identifier: MIT
 *
 * Reading the words of a command line, and saying what is wrong with them. Options are --name VALUE or --name=VALUE,
 * some with one letter.
 *
 * Invariant: a word is taken only by what understood it.
 * Tests: tests/program/words.py and its neighbours.
 */
#include "program/program.h"

#include <string.h>

static void say(const struct command *command, const char *fmt, va_list args)
{
    fprintf(stderr, "plait %s: ", command->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

int wrong_usage(const struct command *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(command, fmt, args);
    va_end(args);
    return EXIT_USAGE;
}

int failed(const struct command *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(command, fmt, args);
    va_end(args);
    return EXIT_FAILED;
}

const char *next_word(struct words *words)
{
    return words->at < words->end ? *words->at++ : NULL;
}

static bool is_letter(const char *word, char letter)
{
    return letter && word[0] == '-' && word[1] == letter && word[2] == '\0';
}

bool take_option(struct words *words, const char *name, char letter, const char **value)
{
    if (words->at == words->end)
        return false;
    const char *word = *words->at;
    const size_t len = strlen(name);
    const bool is_long = strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0;
    if (is_long && word[2 + len] == '=') {
        words->at++;
        *value = word + 3 + len;
        return true;
    }
    if (!(is_long && word[2 + len] == '\0') && !is_letter(word, letter))
        return false;
    words->at++;
    *value = next_word(words);
    return true;
}

bool take_flag(struct words *words, const char *name, char letter)
{
    if (words->at == words->end)
        return false;
    const char *word = *words->at;
    if (!(strncmp(word, "--", 2) == 0 && strcmp(word + 2, name) == 0) && !is_letter(word, letter))
        return false;
    words->at++;
    return true;
}

bool asked_for_help(const struct command *command, struct words *words)
{
    bool asked = take_flag(words, "help", 'h');
    for (char **word = words->at; !asked && word < words->end; word++)
        asked = strcmp(*word, "--help") == 0;
    if (!asked)
        return false;
    printf("Usage: plait %s\n\n%s", command->usage, command->help);
    return true;
}
