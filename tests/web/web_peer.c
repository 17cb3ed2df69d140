/* SPDX-License-Identifier: MIT
 *
 * The two ends that tests/peers/http_peers.py talks to: a server with a few pages and a folder, and a client that
 * writes what it fetched. Through the public headers only.
 *
 * web_peer serve PORT FOLDER web_peer fetch URL
 */
#include <plait/http.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello, World!");
}

static void hand_back(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, body);
}

static void echo(struct plait_request *req, void *ctx)
{
    if (plait_request_collect(req, 1 << 20, hand_back, ctx) != PLAIT_OK)
        plait_reply_error(req, 500, NULL);
}

static plait_err serve(struct plait_reactor *r, const char *port, const char *folder)
{
    struct plait_resource *root = plait_resource_new(r), *files;
    struct plait_listener *listener;
    struct plait_address at;
    const struct plait_listen_options options = {0};
    plait_err err = plait_files_new(r, folder, NULL, &files);
    if (err)
        return err;
    plait_resource_mount(root, "files", files);
    plait_resource_get(root, "hello", hello, NULL);
    plait_resource_on(root, "POST", "echo", echo, NULL);
    err = plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), (uint16_t)strtoul(port, NULL, 10), &at);
    if (!err)
        err = plait_listen(r, &at, &options, plait_http(root), &listener);
    return err ? err : plait_reactor_run(r);
}

static plait_err fetch(struct plait_reactor *r, const char *url)
{
    plait_value value;
    const plait_err err = plait_reactor_run_until(r, plait_http_get(r, url, NULL), &value);
    if (err)
        return err;
    struct plait_response *response = value.ptr;
    plait_slice body = plait_response_body(response);
    fwrite(body.ptr, 1, body.len, stdout);
    if (plait_response_status(response) != 200)
        fprintf(stderr, "%d\n", plait_response_status(response));
    plait_response_free(&response);
    return PLAIT_OK;
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_reactor_new(NULL);
    plait_err err = r ? PLAIT_EINVAL : PLAIT_ENOMEM;
    if (r && argc == 4 && strcmp(argv[1], "serve") == 0)
        err = serve(r, argv[2], argv[3]);
    else if (r && argc == 3 && strcmp(argv[1], "fetch") == 0)
        err = fetch(r, argv[2]);
    if (err)
        fprintf(stderr, "web_peer: %s\n", plait_err_text(err));
    plait_reactor_free(&r);
    return err != PLAIT_OK;
}
