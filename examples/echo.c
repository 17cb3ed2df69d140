/* SPDX-License-Identifier: MIT
 *
 * A protocol of one's own: everything that comes goes back. Usage: echo ENDPOINT, such as tcp:7007.
 */
#include <plait/plait.h>

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = on_data};

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    plait_serve(r, argc > 1 ? argv[1] : "tcp:7007", plait_service_of(r, &echo, NULL));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
