/* SPDX-License-Identifier: MIT
 *
 * The servers of the benchmarks that need more than the examples: limits for 19,000 connections, and a count of every
 * allocation of the process, the C library's own ones included. It prints the count when SIGUSR1 comes. What is
 * compared in speed is the examples themselves.
 *
 * usage: serve echo|hello ENDPOINT
 */
#include <plait/plait.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);

static uint64_t allocations;

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *ptr, size_t bytes)
{
    allocations++;
    return __libc_realloc(ptr, bytes);
}

static void tell(int signo, void *ctx)
{
    (void)signo;
    (void)ctx;
    printf("allocations %" PRIu64 "\n", allocations);
    (void)fflush(stdout);
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = on_data};

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello, World!");
}

int main(int argc, char **argv)
{
    static char out[256];
    (void)setvbuf(stdout, out, _IOFBF, sizeof out); /* else the first count would be one of its own */
    const struct plait_reactor_options options = {.connections_max = 30000, .memory_max = (size_t)4 << 30};
    struct plait_reactor *r = plait_new_with(&options);
    if (argc != 3 || !r) {
        (void)fprintf(stderr, "usage: serve echo|hello ENDPOINT\n");
        return 2;
    }
    if (strcmp(argv[1], "hello") == 0) {
        struct plait_resource *root = plait_resource_new(r);
        plait_resource_get(root, "hello", hello, NULL);
        plait_serve(r, argv[2], plait_http(root));
    } else {
        plait_serve(r, argv[2], plait_service_of(r, &echo, NULL));
    }
    plait_err err = plait_on_signal(r, SIGUSR1, tell, NULL);
    if (err == PLAIT_OK)
        err = plait_reactor_run(r);
    const int status = plait_main_status(err);
    plait_reactor_free(&r);
    return status;
}
