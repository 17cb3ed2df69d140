/* SPDX-License-Identifier: MIT
 *
 * plait passwd: makes, changes and takes out entries of a password file. The password is asked for without an echo, or
 * read from standard input: on a command line everybody on the machine could see it.
 *
 * Test: tests/program/passwd.py.
 */
#include "program/program.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_BYTES = 1024 };

struct how {
    const char *file, *user;
    enum plait_passwd_method method;
    bool removes;
};

/* Reads one line without its end. Returns whether there was one that fits. */
static bool read_line(char out[PASSWORD_BYTES])
{
    if (!fgets(out, PASSWORD_BYTES, stdin))
        return false;
    char *end = strpbrk(out, "\r\n");
    if (!end)
        return feof(stdin) != 0;
    *end = '\0';
    return true;
}

static bool ask_once(const char *prompt, char out[PASSWORD_BYTES])
{
    fputs(prompt, stderr);
    const bool got = read_line(out);
    fputc('\n', stderr);
    return got;
}

/* Asks twice on the terminal. */
static const char *ask(char out[PASSWORD_BYTES])
{
    char again[PASSWORD_BYTES];
    struct termios shown;
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return "the terminal can't be asked"; /* uncovered: isatty has just said that it is one */
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    const bool got = ask_once("New password: ", out) && ask_once("Again: ", again);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    const bool same = got && strcmp(out, again) == 0;
    plait_mem_wipe(again, sizeof again);
    if (!got)
        return "there is no password";
    return same ? NULL : "the two are not the same";
}

static const char *get_password(char out[PASSWORD_BYTES])
{
    const char *why = isatty(STDIN_FILENO) ? ask(out) : read_line(out) ? NULL : "there is no password";
    return why || out[0] ? why : "the password is empty";
}

static int change(const struct command *command, const struct how *how, const char *password)
{
    struct plait_reactor *r = plait_new();
    if (!r)
        return failed(command, "%s", plait_err_text(PLAIT_ENOMEM)); /* uncovered: no memory at the program's start */
    const plait_slice user = plait_slice_text(how->user);
    char why[WHY_BYTES];
    plait_value value = {.ptr = NULL};
    const plait_err err =
        wait_for(r,
                 how->removes ? plait_passwd_remove(r, how->file, user)
                              : plait_passwd_set(r, how->file, user, plait_slice_text(password), how->method),
                 &value, why);
    plait_reactor_free(&r);
    if (err == PLAIT_EBUSY)
        return failed(command, "%s.new exists: somebody is changing the file, or broke off", how->file);
    return err == PLAIT_OK ? EXIT_DONE : failed(command, "%s: %s", how->file, why);
}

static int run(const struct command *command, struct words *words)
{
    struct how how = {.method = PLAIT_PASSWD_YESCRYPT};
    char password[PASSWORD_BYTES] = "";
    while (words->at < words->end) {
        if (take_flag(words, "delete", 'd'))
            how.removes = true;
        else if (take_flag(words, "sha512", 0))
            how.method = PLAIT_PASSWD_SHA512;
        else if ((*words->at)[0] == '-' || how.user)
            return wrong_usage(command, "'%s' is not understood; `plait passwd --help` tells what is", *words->at);
        else if (how.file)
            how.user = next_word(words);
        else
            how.file = next_word(words);
    }
    if (!how.user)
        return wrong_usage(command, "which file, and who? as in `plait passwd users ann`");
    const char *why = how.removes ? NULL : get_password(password);
    const int status = why ? failed(command, "%s", why) : change(command, &how, password);
    plait_mem_wipe(password, sizeof password);
    return status;
}

const struct command command_passwd = {
    .name = "passwd",
    .usage = "passwd [--sha512] [-d] FILE USER",
    .help = "Sets a user's password in a password file, which is made when there is none. The password is asked\n"
            "for, or is the first line of standard input when that is no terminal.\n\n"
            "  -d, --delete   take the user out\n"
            "  --sha512       hash it by SHA-512 instead of yescrypt, for programs that know nothing newer\n",
    .run = run,
};
