/* SPDX-License-Identifier: MIT
 *
 * plait finger: asks who somebody is, and prints the answer with everything unprintable escaped.
 *
 * Test: tests/program/clients.py.
 */
#include "program/program.h"

static int print_answer(const struct command *command, struct plait_reactor *r, const struct plait_finger_text *answer)
{
    struct plait_buf clean;
    plait_buf_init(&clean, plait_reactor_budget(r), answer->buf.len * 4 + 1);
    plait_finger_put_clean(&clean, plait_buf_slice(&answer->buf));
    const plait_slice text = plait_buf_slice(&clean);
    const bool written =
        clean.err == PLAIT_OK && fwrite(text.ptr ? text.ptr : (const uint8_t *)"", 1, text.len, stdout) == text.len;
    plait_buf_deinit(&clean);
    return written ? EXIT_DONE : failed(command, "the answer could not be printed");
}

static int ask(const struct command *command, const char *target, const struct plait_finger_client_options *options)
{
    struct plait_reactor *r = plait_new();
    if (!r)
        return failed(command, "%s", plait_err_text(PLAIT_ENOMEM));
    plait_value value = {.ptr = NULL};
    char why[WHY_BYTES];
    const plait_err err = wait_for(r, plait_finger(r, plait_slice_text(target), options), &value, why);
    int status;
    if (err == PLAIT_OK) {
        status = print_answer(command, r, value.ptr);
        value.destroy(value.ptr);
    } else {
        status = failed(command, "%s: %s", target, why);
    }
    plait_reactor_free(&r);
    return status;
}

static int run(const struct command *command, struct words *words)
{
    struct plait_finger_client_options options = {.whois = false};
    const char *target = NULL;
    while (words->at < words->end) {
        const char *value = "";
        uint64_t port = 0;
        if (take_flag(words, "long", 'l')) {
            options.whois = true;
        } else if (take_option(words, "port", 'p', &value)) {
            if (!value || plait_slice_to_u64(plait_slice_text(value), 65535, &port) != PLAIT_OK || port == 0)
                return wrong_usage(command, "--port wants a number of 1 to 65535");
            options.port = (uint16_t)port;
        } else if ((*words->at)[0] == '-' || target) {
            return wrong_usage(command, "'%s' is not understood; `plait finger --help` tells what is", *words->at);
        } else {
            target = next_word(words);
        }
    }
    if (!target)
        return wrong_usage(command, "whom? as in `plait finger user@host`");
    return ask(command, target, &options);
}

const struct command command_finger = {
    .name = "finger",
    .usage = "finger [-l] [--port N] [USER][@HOST]",
    .help = "Asks a finger server (RFC 1288) and prints what it says.\n\n"
            "  -l, --long     ask for more (/W)\n"
            "  -p, --port N   port 79 by default\n",
    .run = run,
};
