/* SPDX-License-Identifier: MIT
 *
 * A web server: GET /hello answers "Hello, World!". Usage: hello ENDPOINT, such as tcp:8080.
 */
#include <plait/plait.h>

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello, World!");
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    struct plait_resource *root = plait_resource_new(r);
    plait_resource_get(root, "hello", hello, NULL);
    plait_serve(r, argc > 1 ? argv[1] : "tcp:8080", plait_http(root));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
