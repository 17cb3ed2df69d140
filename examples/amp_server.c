/* SPDX-License-Identifier: MIT
 *
 * Remote calls over AMP, also from Python's Twisted: Sum, Divide with an error, Echo, and Sleep, which answers later.
 * Usage: amp_server ENDPOINT, such as tcp:7030.
 */
#include "amp_calls.h"

static void on_sum(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)ctx;
    plait_amp_put_integer(plait_amp_response(req), "total", plait_amp_integer(v, "a") + plait_amp_integer(v, "b"));
    plait_amp_reply(req);
}

static void on_divide(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    const int64_t by = plait_amp_integer(v, "denominator");
    (void)ctx;
    if (by == 0) {
        plait_amp_reply_error(req, "ZERO_DIVISION", "division by zero");
        return;
    }
    plait_amp_put_float(plait_amp_response(req), "result", (double)plait_amp_integer(v, "numerator") / (double)by);
    plait_amp_reply(req);
}

static void on_echo(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)ctx;
    plait_amp_put_bytes(plait_amp_response(req), "data", plait_amp_bytes(v, "data"));
    plait_amp_reply(req);
}

static void awake(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)plait_amp_response(ctx);
    plait_amp_reply(ctx);
}

static void on_sleep(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    const int64_t ms = plait_amp_integer(v, "ms");
    if (ms < 0 || ms > 60000 || plait_then(plait_after(ctx, plait_millis(ms)), awake, req) != PLAIT_OK)
        plait_amp_reply_error(req, "CANNOT_SLEEP", "0 to 60,000 milliseconds");
}

int main(int argc, char **argv)
{
    static const struct plait_amp_responder responders[] = {
        {&sum, on_sum}, {&divide, on_divide}, {&echo, on_echo}, {&sleep_ms, on_sleep}, {NULL, NULL}};
    struct plait_reactor *r = plait_new();
    const struct plait_amp_options options = {.responders = responders, .ctx = r};
    plait_serve(r, argc > 1 ? argv[1] : "tcp:7030", plait_amp_service(r, &options));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
