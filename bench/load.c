/* SPDX-License-Identifier: MIT
 *
 * The load of the benchmarks: keeps N connections busy for a time over a bare epoll loop and prints how many operations
 * it saw. It uses nothing of Plait.
 *
 * usage: load echo|hello|churn|websocket|websocket16|amp|amp16|frames|frames16 PORT CONNECTIONS SECONDS, or: load idle
 * PORT CONNECTIONS SECONDS [hello] (opens, asks once if hello, holds).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <netinet/tcp.h>
#include <unistd.h>

static const char echo_request[64] = "0123456789012345678901234567890123456789012345678901234567890.\r\n";
static const char hello_request[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
static const char churn_request[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

static const char upgrade_request[] =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/* 64 bytes in one binary frame, masked with "mask"; what comes back has no mask. */
static const char frame_request[] = "\x82\xc0maskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmaskmask";

/* An AMP call, and a string with a prefix of 16 bits that is as long. */
static const char amp_request[] = "\0\4_ask\0\1"
                                  "1\0\10_command\0\3Sum\0\1a\0\1"
                                  "2\0\1b\0\1"
                                  "3\0\0";
static const char framed_request[] = "\0\47"
                                     "012345678901234567890123456789012345678";

enum work { ECHO, HELLO, CHURN, IDLE, WEBSOCKET, AMP, FRAMES };
enum { FRAME = sizeof frame_request - 1, AHEAD_MAX = 16, REQUEST_MAX = 256 };

/* `ahead` requests go out together, and the next when all their answers are there. */
static const struct kind {
    const char *name;
    enum work work;
    const char *request;
    size_t len, ahead;
    size_t answer; /* bytes of one; 0: what comes first is one */
} kinds[] = {{"echo", ECHO, echo_request, sizeof echo_request, 1, sizeof echo_request},
             {"hello", HELLO, hello_request, sizeof hello_request - 1, 1, 0},
             {"churn", CHURN, churn_request, sizeof churn_request - 1, 1, 0},
             {"idle", IDLE, hello_request, sizeof hello_request - 1, 1, 0},
             {"websocket", WEBSOCKET, frame_request, FRAME, 1, FRAME - 4},
             {"websocket16", WEBSOCKET, frame_request, FRAME, 16, FRAME - 4},
             {"amp", AMP, amp_request, sizeof amp_request - 1, 1, 24},
             {"amp16", AMP, amp_request, sizeof amp_request - 1, 16, 24},
             {"frames", FRAMES, framed_request, sizeof framed_request - 1, 1, sizeof framed_request - 1},
             {"frames16", FRAMES, framed_request, sizeof framed_request - 1, 16, sizeof framed_request - 1}};

struct load {
    enum work work;
    const char *request;
    size_t request_len;
    struct sockaddr_in to;
    int epfd;
    uint64_t operations, failures;
    size_t *seen; /* bytes of the current answer, by descriptor */
    size_t answer_len;
    size_t ahead;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void ask(struct load *l, int fd)
{
    l->seen[fd] = 0;
    if (send(fd, l->request, l->request_len, MSG_NOSIGNAL) != (ssize_t)l->request_len)
        l->failures++;
}

/* The opening handshake, waited for. */
static bool upgrade(int fd)
{
    char head[1024];
    size_t len = 0;
    if (send(fd, upgrade_request, sizeof upgrade_request - 1, MSG_NOSIGNAL) < 0)
        return false;
    while (len < sizeof head - 1) {
        const ssize_t n = recv(fd, head + len, sizeof head - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        head[len] = 0;
        if (strstr(head, "\r\n\r\n"))
            return strncmp(head, "HTTP/1.1 101", 12) == 0;
    }
    return false;
}

static int dial(struct load *l)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&l->to, sizeof l->to) != 0) {
        if (fd >= 0)
            close(fd);
        l->failures++;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (l->work == WEBSOCKET && !upgrade(fd)) {
        close(fd);
        l->failures++;
        return -1;
    }
    struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev);
    return fd;
}

static void answered(struct load *l, int fd)
{
    l->operations += l->ahead;
    ask(l, fd);
}

/* The first answer of a connection tells how long answers are: its head's end and what follows at once. */
static void got(struct load *l, int fd, const char *bytes, size_t n)
{
    l->seen[fd] += n;
    if (l->work == CHURN || l->work == IDLE)
        return;
    if (l->answer_len == 0)
        l->answer_len = n;
    (void)bytes;
    while (l->seen[fd] >= l->answer_len) {
        l->seen[fd] -= l->answer_len;
        answered(l, fd);
    }
}

static void ended(struct load *l, int fd)
{
    close(fd);
    if (l->work == CHURN && l->seen[fd] > 0)
        l->operations++;
    else
        l->failures++;
    const int fresh = dial(l);
    if (fresh >= 0)
        ask(l, fresh);
}

static void readable(struct load *l, int fd)
{
    char bytes[65536];
    const ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        got(l, fd, bytes, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        ended(l, fd);
}

static bool read_words(struct load *l, int argc, char **argv)
{
    static char requests[AHEAD_MAX * REQUEST_MAX];
    const struct kind *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && argc >= 5; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0)
            kind = &kinds[i];
    }
    if (!kind)
        return false;
    for (size_t i = 0; i < kind->ahead; i++)
        memcpy(requests + i * kind->len, kind->request, kind->len);
    l->work = kind->work;
    l->ahead = kind->ahead;
    l->request = requests;
    l->request_len = kind->ahead * kind->len;
    l->answer_len = kind->ahead * kind->answer;
    l->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(argv[2], NULL, 10))};
    l->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return true;
}

int main(int argc, char **argv)
{
    struct load l = {.epfd = epoll_create1(0)};
    struct rlimit files;
    if (!read_words(&l, argc, argv)) {
        fprintf(stderr, "usage: load WORK PORT CONNECTIONS SECONDS [hello]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    l.seen = calloc(files.rlim_max, sizeof *l.seen);
    const long connections = strtol(argv[3], NULL, 10);
    for (long i = 0; i < connections; i++) {
        const int fd = dial(&l);
        if (fd >= 0 && (l.work != IDLE || argc > 5))
            ask(&l, fd);
        if (l.work == IDLE && i % 100 == 99)
            usleep(10000); /* a full backlog would cost a second */
    }
    printf("open %lld\n", (long long)(connections - (long)l.failures));
    fflush(stdout);
    const int64_t end = now_ms() + strtol(argv[4], NULL, 10) * 1000;
    while (now_ms() < end) {
        struct epoll_event events[256];
        const int n = epoll_wait(l.epfd, events, 256, 50);
        for (int i = 0; i < n; i++)
            readable(&l, events[i].data.fd);
    }
    printf("operations %llu failures %llu\n", (unsigned long long)l.operations, (unsigned long long)l.failures);
    return 0;
}
