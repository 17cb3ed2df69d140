/* SPDX-License-Identifier: MIT
 *
 * Frames instead of bytes: each goes back as it came. Usage: framed ENDPOINT lines|netstrings|int8|int16|int32.
 */
#include <plait/plait.h>

static void on_frame(struct plait_framed *framed, plait_slice payload, void *self)
{
    (void)self;
    plait_framed_send(framed, payload);
}

static const struct plait_framed_handler echo = {.name = "framed-echo", .frame = on_frame};

/* `ctx` is the framing. */
static plait_err on_open(struct plait_stream *s, void *ctx)
{
    return plait_framed_attach(s, *(const enum plait_framing *)ctx, 0, &echo, NULL, NULL);
}

static const struct plait_service_ops service = {.name = "framed-echo", .open = on_open};

int main(int argc, char **argv)
{
    static const char *const names[] = {"lines", "netstrings", "int8", "int16", "int32"};
    enum plait_framing framing = PLAIT_LINES;
    for (int i = PLAIT_LINES; argc > 2 && i <= PLAIT_PREFIX32; i++) {
        if (strcmp(argv[2], names[i]) == 0)
            framing = (enum plait_framing)i;
    }
    struct plait_reactor *r = plait_new();
    plait_serve(r, argc > 1 ? argv[1] : "tcp:7020", plait_service_new(r, &service, &framing));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
