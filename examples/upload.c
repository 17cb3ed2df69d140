/* SPDX-License-Identifier: MIT
 *
 * Takes uploads at an endpoint and saves them in the folder "uploads": `upload tcp:8080`. Open it in a browser, or send
 * a file with `curl -F file=@picture.jpg http://localhost:8080/`.
 */
#include <plait/plait.h>
#include <plait/web.h>

static const char page[] = "<!doctype html><title>Upload</title><form method=post enctype=multipart/form-data>"
                           "<input type=file name=file multiple> <button>Send</button></form>";

static void show_page(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/html; charset=utf-8", plait_slice_text(page));
}

static void say_what_came(struct plait_request *req, const struct plait_uploaded *file, plait_err err, void *ctx)
{
    struct plait_buf text;
    (void)ctx;
    if (err != PLAIT_OK) {
        plait_reply_refusal(req, err);
        return;
    }
    plait_buf_init(&text, plait_reactor_budget(plait_request_reactor(req)), 1 << 16);
    for (; file; file = file->next)
        plait_buf_printf(&text, "%.*s: %llu bytes\n", PLAIT_ARG(file->name), (unsigned long long)file->bytes);
    plait_reply_buf(req, 201, "text/plain; charset=utf-8", &text);
}

static void take_files(struct plait_request *req, void *ctx)
{
    plait_request_upload(req, "uploads", NULL, say_what_came, ctx);
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    struct plait_resource *root = plait_resource_new(r);
    plait_resource_get(root, "", show_page, NULL);
    plait_resource_on(root, "POST", "", take_files, NULL);
    plait_serve(r, argc > 1 ? argv[1] : "tcp:8080", plait_http(root));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
