/* SPDX-License-Identifier: MIT
 *
 * A reverse proxy: `reverse_proxy tcp:8080 http://127.0.0.1:3000` hands everything on to that server, or to several in
 * turn with commas between them.
 */
#include <plait/plait.h>

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    struct plait_resource *root;
    plait_err err = plait_reverse_proxy_new(r, argc > 2 ? argv[2] : "http://127.0.0.1:3000", NULL, &root);
    if (err == PLAIT_OK)
        plait_serve(r, argc > 1 ? argv[1] : "tcp:8080", plait_http(root));
    int status = plait_main_status(err == PLAIT_OK ? plait_reactor_run(r) : err);
    plait_reactor_free(&r);
    return status;
}
