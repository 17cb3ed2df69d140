/* SPDX-License-Identifier: MIT
 *
 * Peer: echo over a bare epoll loop, the least a server can cost. Usage: echo_epoll PORT.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "0";
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    const int one = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int epfd = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = listener}};
    static char bytes[65536];
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&in, sizeof in) != 0 || listen(listener, 511) != 0)
        return 1;
    epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        struct epoll_event events[256];
        const int n = epoll_wait(epfd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                const int fresh = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fresh >= 0) {
                    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    ev = (struct epoll_event){.events = EPOLLIN, .data = {.fd = fresh}};
                    epoll_ctl(epfd, EPOLL_CTL_ADD, fresh, &ev);
                }
                continue;
            }
            const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
            if (got <= 0)
                close(fd);
            else if (send(fd, bytes, (size_t)got, MSG_NOSIGNAL) != got)
                close(fd);
        }
    }
}
