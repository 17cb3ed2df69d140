/* SPDX-License-Identifier: MIT
 *
 * Peer: echo over libevent's bufferevents. Usage: echo_event PORT.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>

static void came(struct bufferevent *b, void *ctx)
{
    (void)ctx;
    bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void event(struct bufferevent *b, short what, void *ctx)
{
    (void)ctx;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(b);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr, int len, void *ctx)
{
    const int one = 1;
    (void)listener;
    (void)addr;
    (void)len;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct bufferevent *b = bufferevent_socket_new(ctx, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(b, came, NULL, event, NULL);
    bufferevent_enable(b, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "0";
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((unsigned short)strtol(port, NULL, 10))};
    struct event_base *base = event_base_new();
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE;
    if (!evconnlistener_new_bind(base, accepted, base, flags, 511, (struct sockaddr *)&in, sizeof in))
        return 1;
    return event_base_dispatch(base);
}
