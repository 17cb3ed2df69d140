/* SPDX-License-Identifier: MIT
 *
 * Calls amp_server in a task: a sum, a division that works and one that doesn't.
 * Usage: amp_client ENDPOINT, such as tcp:127.0.0.1:7030.
 */
#include "amp_calls.h"

#include <inttypes.h>
#include <stdio.h>

static plait_err ask_divide(struct plait_task *t, struct plait_amp *amp, int64_t numerator, int64_t denominator)
{
    plait_value answer;
    struct plait_amp_box *box = plait_amp_begin(amp, &divide);
    plait_amp_put_integer(box, "numerator", numerator);
    plait_amp_put_integer(box, "denominator", denominator);
    plait_err err = plait_await(t, plait_amp_call(box), &answer);
    if (err == PLAIT_OK)
        printf("%" PRId64 " / %" PRId64 " = %g\n", numerator, denominator, plait_amp_float(answer.ptr, "result"));
    else
        printf("%" PRId64 " / %" PRId64 ": %s (%s)\n", numerator, denominator, plait_err_text(err),
               plait_task_fault(t)->detail ? plait_task_fault(t)->detail : "no answer");
    return err;
}

static plait_err calls(struct plait_task *t, void *endpoint)
{
    plait_value amp;
    plait_value answer;
    plait_err err = plait_await(t, plait_amp_connect(plait_task_reactor(t), endpoint, NULL), &amp);
    if (err != PLAIT_OK)
        return err;
    struct plait_amp_box *box = plait_amp_begin(amp.ptr, &sum);
    plait_amp_put_integer(box, "a", 13);
    plait_amp_put_integer(box, "b", 81);
    err = plait_await(t, plait_amp_call(box), &answer);
    if (err != PLAIT_OK)
        return err;
    printf("13 + 81 = %" PRId64 "\n", plait_amp_integer(answer.ptr, "total"));
    err = ask_divide(t, amp.ptr, 1, 8);
    (void)ask_divide(t, amp.ptr, 1, 0);
    return err;
}

int main(int argc, char **argv)
{
    static char usual[] = "tcp:127.0.0.1:7030";
    struct plait_reactor *r = plait_new();
    char *endpoint = argc > 1 ? argv[1] : usual;
    plait_err err = plait_reactor_run_until(r, plait_task_spawn(r, "calls", 0, calls, endpoint), NULL);
    if (err != PLAIT_OK)
        fprintf(stderr, "amp_client: %s\n", plait_err_text(err));
    plait_reactor_free(&r);
    return plait_main_status(err);
}
