/* SPDX-License-Identifier: MIT
 *
 * What the tests of the HTTP client share: a simulated world with a client and a server that says what its tests want,
 * by the path that it is asked for.
 */
#ifndef PLAIT_TESTS_WEB_CLIENT_WORLD_H
#define PLAIT_TESTS_WEB_CLIENT_WORLD_H

#include "tests/support/test.h"

#include <plait/http.h>
#include <plait/sim.h>

struct farm;

/* A connection at the server. */
struct farm_conn {
    struct farm *farm;
    struct plait_stream *stream;
    size_t requests; /* on this connection */
};

/* Answers a request; `head` is all of it up to its empty line, with the bytes behind it in `rest`. Returns how many of
 * these it took. */
typedef size_t (*farm_fn)(struct farm_conn *c, plait_slice head, plait_slice rest);

struct farm {
    struct test_heap heap; /* of the client's reactor */
    struct plait_reactor_options reactor_options;
    struct plait_log_options quiet;
    struct plait_sim *sim;
    struct plait_host *server, *client;
    struct plait_reactor *r; /* the client's */
    farm_fn answer;
    struct farm_conn *newest; /* connection; NULL when it has ended */
    size_t requests, connections, open, most; /* seen by the server */
    size_t ended;                             /* connections */
    char last[2048];                          /* the last request's head */
};

static size_t farm_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct farm_conn *c = self;
    size_t at = 0;
    while (plait_is_open(s)) {
        const size_t end = plait_slice_find(in, PLAIT_LIT("\r\n\r\n"), at);
        if (end == SIZE_MAX)
            break;
        const plait_slice head = plait_slice_sub(in, at, end + 4);
        c->requests++;
        c->farm->requests++;
        const size_t len = head.len < sizeof(c->farm->last) - 1 ? head.len : sizeof(c->farm->last) - 1;
        memcpy(c->farm->last, head.ptr, len);
        c->farm->last[len] = 0;
        at = end + 4;
        at += c->farm->answer(c, head, plait_slice_sub(in, at, in.len));
    }
    return at;
}

static void farm_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct farm_conn *c = self;
    (void)s;
    (void)fault;
    c->farm->open--;
    c->farm->ended++;
    if (c->farm->newest == c)
        c->farm->newest = NULL;
    free(c);
}

static const struct plait_protocol farm_protocol = {
    .name = "farm", .data = farm_data, .lost = farm_lost, .input_max = 1 << 20};

static plait_err farm_accept(struct plait_stream *s, void *ctx)
{
    struct farm *farm = ctx;
    struct farm_conn *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->farm = farm;
    c->stream = s;
    farm->newest = c;
    farm->connections++;
    farm->open++;
    farm->most = farm->open > farm->most ? farm->open : farm->most;
    plait_stream_attach(s, &farm_protocol, c);
    return PLAIT_OK;
}

static const struct plait_service_ops farm_ops = {.name = "farm", .open = farm_accept};

static inline void farm_listen(struct farm *farm, uint16_t port)
{
    struct plait_address at;
    struct plait_reactor *r = plait_host_reactor(farm->server);
    plait_host_address(farm->server, PLAIT_ADDR_IP4, port, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &farm_ops, farm), NULL));
}

static inline void farm_open(struct farm *farm, farm_fn answer)
{
    memset(farm, 0, sizeof *farm);
    test_heap_init(&farm->heap, 0);
    farm->quiet.level = PLAIT_LOG_OFF;
    farm->reactor_options.allocator = &farm->heap.allocator;
    farm->reactor_options.log = &farm->quiet;
    farm->sim = plait_sim_new(1, 0);
    farm->server = plait_sim_host(farm->sim, "server");
    farm->client = plait_sim_host(farm->sim, "client");
    plait_host_reactor_options(farm->client, &farm->reactor_options);
    farm->r = plait_host_reactor(farm->client);
    farm->answer = answer;
    farm_listen(farm, 80);
    farm_listen(farm, 81);
}

static inline void farm_close(struct farm *farm)
{
    plait_sim_run_for(farm->sim, plait_seconds(120)); /* idle connections end */
    plait_sim_check_end(farm->sim);
    if (plait_sim_failure(farm->sim))
        fail_msg("%s", plait_sim_failure(farm->sim));
    assert_int_equal(farm->heap.live, 0);
    plait_sim_free(&farm->sim);
}

/* How a fetch ended. */
struct farm_end {
    unsigned ends;
    struct plait_fault fault;
    struct plait_response *response;
};

static void farm_note_end(struct plait_result *result, void *ctx)
{
    struct farm_end *end = ctx;
    end->ends++;
    end->fault = result->fault;
    result->fault.err = PLAIT_OK;
    end->response = end->fault.err ? NULL : plait_result_take(result).ptr;
}

static inline struct plait_deferred *farm_start(struct plait_http_client *client, const char *url,
                                                const struct plait_fetch_options *options, struct farm_end *end)
{
    struct plait_deferred *d = plait_http_fetch(client, url, options);
    assert_ok(plait_then(d, farm_note_end, end));
    return d;
}

/* Fetches, and waits for the end at most ten minutes of the world's time. */
static inline plait_err farm_get(struct farm *farm, struct plait_http_client *client, const char *url,
                                 const struct plait_fetch_options *options, struct plait_response **response)
{
    struct farm_end end = {0};
    *(response ? response : &end.response) = NULL;
    if (plait_then(plait_http_fetch(client, url, options), farm_note_end, &end) != PLAIT_OK)
        return PLAIT_ENOMEM;
    for (int i = 0; i < 600000 && end.ends == 0; i++)
        plait_sim_run_for(farm->sim, plait_millis(1));
    assert_int_equal(end.ends, 1);
    if (response)
        *response = end.response;
    else
        plait_response_free(&end.response);
    return end.fault.err;
}

/* The second word of a request. */
static inline plait_slice farm_path(plait_slice head)
{
    const size_t from = plait_slice_find_byte(head, ' ', 0);
    return plait_slice_sub(head, from + 1, plait_slice_find_byte(head, ' ', from + 1));
}

static inline void farm_say(struct farm_conn *c, const char *text)
{
    plait_write(c->stream, plait_slice_text(text));
}

/* Answers with the path as body. */
static inline void farm_echo(struct farm_conn *c, plait_slice head)
{
    const plait_slice path = farm_path(head);
    plait_printf(c->stream, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", path.len, PLAIT_ARG(path));
}

static inline bool farm_asked(plait_slice head, const char *path)
{
    return plait_slice_equal(farm_path(head), plait_slice_text(path));
}

#endif
