/* SPDX-License-Identifier: MIT
 *
 * Straight-line code that blocks nothing: a task fetches each URL within one deadline and prints how long the page is.
 * Usage: titles URL...
 */
#include <plait/plait.h>

#include <stdio.h>

static plait_err fetch_all(struct plait_task *t, void *arg)
{
    plait_task_deadline(t, plait_seconds(30));
    for (char **url = arg; *url; url++) {
        struct plait_response *page = NULL;
        plait_err err = plait_http_get_await(t, *url, &page);
        if (err != PLAIT_OK)
            return err;
        printf("%s: %d, %zu bytes\n", *url, plait_response_status(page), plait_response_body(page).len);
    }
    return PLAIT_OK;
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    plait_err err = plait_reactor_run_until(r, plait_task_spawn(r, "titles", 0, fetch_all, argv + (argc > 0)), NULL);
    plait_reactor_free(&r);
    return plait_main_status(err);
}
