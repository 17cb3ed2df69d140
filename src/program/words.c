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

static bool read_level(const char *text, enum plait_log_level *out)
{
    static const char *const names[] = {"debug", "info", "notice", "warn", "error"};
    for (size_t i = 0; text && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum plait_log_level)i;
            return true;
        }
    }
    return false;
}

bool take_log_option(struct words *words, struct plait_log_options *log, bool *wrong)
{
    const char *value;
    if (take_option(words, "log-level", 0, &value)) {
        *wrong = !read_level(value, &log->level);
        return true;
    }
    if (!take_option(words, "log", 0, &value))
        return false;
    *wrong = !value || (strcmp(value, "json") != 0 && strcmp(value, "text") != 0);
    log->form = !*wrong && value[0] == 'j' ? PLAIT_LOG_JSON : PLAIT_LOG_TEXT;
    return true;
}

static void note_fault(struct plait_result *result, void *ctx)
{
    plait_fault_format(&result->fault, ctx, WHY_BYTES);
}

plait_err wait_for(struct plait_reactor *r, struct plait_deferred *deferred, plait_value *value, char why[WHY_BYTES])
{
    why[0] = '\0';
    const bool noted = plait_then_fault(deferred, note_fault, why) == PLAIT_OK;
    const plait_err err = plait_reactor_run_until(r, deferred, value);
    if (!noted || why[0] == '\0')
        snprintf(why, WHY_BYTES, "%s", plait_err_text(err));
    return err;
}

bool asked_for_help(const struct command *command, struct words *words)
{
    bool asked = take_flag(words, "help", 'h');
    for (char **word = words->at; !asked && word < words->end && strcmp(*word, "--") != 0; word++)
        asked = strcmp(*word, "--help") == 0;
    if (!asked)
        return false;
    printf("Usage: plait %s\n\n%s", command->usage, command->help);
    return true;
}
