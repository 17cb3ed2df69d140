/* SPDX-License-Identifier: MIT
 *
 * Downloads a URL to standard output, as a task: straight-line code that waits, while its loop does not.
 *
 * download URL
 */
#include <plait/plait.h>

#include <stdio.h>

static plait_err write_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    return fwrite(piece.ptr, 1, piece.len, ctx) == piece.len ? PLAIT_OK : PLAIT_ENOSPACE;
}

static plait_err download(struct plait_task *task, void *url)
{
    const struct plait_fetch_options options = {.data = write_piece, .ctx = stdout, .retries = 3};
    plait_value response;
    plait_err err = plait_await(task, plait_http_get(plait_task_reactor(task), url, &options), &response);
    if (err == PLAIT_OK)
        fprintf(stderr, "%d %s\n", plait_response_status(response.ptr), plait_response_url(response.ptr));
    return err;
}

int main(int argc, char **argv)
{
    struct plait_reactor *reactor = argc == 2 ? plait_new() : NULL;
    plait_err err = PLAIT_EINVAL;
    if (reactor)
        err = plait_reactor_run_until(reactor, plait_task_spawn(reactor, "download", 0, download, argv[1]), NULL);
    plait_reactor_free(&reactor);
    return plait_main_status(err);
}
