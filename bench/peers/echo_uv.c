/* SPDX-License-Identifier: MIT
 *
 * Peer: echo over libuv, with uv_try_write as its users do it. Usage: echo_uv PORT.
 */
#include <stdlib.h>
#include <uv.h>

static void give(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char bytes[65536];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void gone(uv_handle_t *handle)
{
    free(handle);
}

static void came(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0) {
        uv_close((uv_handle_t *)s, gone);
        return;
    }
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);
    if (n > 0 && uv_try_write(s, &out, 1) != (int)n)
        uv_close((uv_handle_t *)s, gone);
}

static void accepted(uv_stream_t *listener, int status)
{
    uv_tcp_t *s = malloc(sizeof *s);
    if (status < 0 || uv_tcp_init(listener->loop, s) != 0 || uv_accept(listener, (uv_stream_t *)s) != 0) {
        free(s);
        return;
    }
    uv_tcp_nodelay(s, 1);
    uv_read_start((uv_stream_t *)s, give, came);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in in;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_init(loop, &listener);
    uv_ip4_addr("127.0.0.1", (int)strtol(argc > 1 ? argv[1] : "0", NULL, 10), &in);
    uv_tcp_bind(&listener, (struct sockaddr *)&in, 0);
    if (uv_listen((uv_stream_t *)&listener, 511, accepted) != 0)
        return 1;
    return uv_run(loop, UV_RUN_DEFAULT);
}
