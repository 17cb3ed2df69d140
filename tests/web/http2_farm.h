/* SPDX-License-Identifier: MIT
 *
 * A server of HTTP/2 for tests of the client, in a simulated world: it writes frames one by one, right or wrong, and
 * keeps what comes as text, a line a frame. It shares nothing with the client but nghttp2's inflater.
 */
#ifndef PLAIT_TESTS_WEB_HTTP2_FARM_H
#define PLAIT_TESTS_WEB_HTTP2_FARM_H

#include "tests/web/http2_farm_conn.h"

/* --- the farm ---------------------------------------------------------------------------------------------------- */

static inline plait_err h2_farm_accept(struct plait_stream *s, void *ctx)
{
    struct h2_farm *f = ctx;
    struct h2_server *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_true(f->conns < H2_FARM_CONNS);
    assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
    c->farm = f;
    c->stream = s;
    c->goaway = -1;
    f->conn[f->conns++] = c;
    f->open++;
    plait_stream_attach(s, &h2_farm_protocol, c);
    if (f->greet) {
        f->greet(c);
    } else {
        h2_frame(&f->out, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
        h2_say(c);
    }
    return PLAIT_OK;
}

static const struct plait_service_ops h2_farm_ops = {.name = "http2 farm", .open = h2_farm_accept};

static inline void h2_farm_open(struct h2_farm *f, h2_farm_fn asked)
{
    struct plait_address at;
    memset(f, 0, sizeof *f);
    farm_open(&f->base, NULL);
    f->asked = asked;
    struct plait_reactor *r = plait_host_reactor(f->base.server);
    plait_host_address(f->base.server, PLAIT_ADDR_IP4, H2_FARM_PORT, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &h2_farm_ops, f), NULL));
}

static inline void h2_farm_close(struct h2_farm *f)
{
    farm_close(&f->base);
    for (size_t i = 0; i < f->conns; i++) {
        nghttp2_hd_inflate_del(f->conn[i]->inflater);
        free(f->conn[i]);
    }
}

static inline void h2_farm_run(struct h2_farm *f, int64_t ms)
{
    plait_sim_run_for(f->base.sim, plait_millis(ms));
}

/* Begins a fetch of a path by HTTP/2. */
static inline struct plait_deferred *h2_farm_start(struct h2_farm *f, struct plait_http_client *client,
                                                   const char *path, const struct plait_fetch_options *options,
                                                   struct farm_end *end)
{
    char url[128];
    struct plait_fetch_options o = {0};
    if (options)
        o = *options;
    o.version = PLAIT_HTTP_2;
    (void)f;
    memset(end, 0, sizeof *end);
    (void)snprintf(url, sizeof url, "http://server:%d%s", H2_FARM_PORT, path);
    return farm_start(client, url, &o, end);
}

/* Fetches a path and waits for the end. */
static inline plait_err h2_farm_get(struct h2_farm *f, struct plait_http_client *client, const char *path,
                                    const struct plait_fetch_options *options, struct farm_end *end)
{
    h2_farm_start(f, client, path, options, end);
    for (int i = 0; i < 60000 && end->ends == 0; i++)
        h2_farm_run(f, 10);
    assert_int_equal(end->ends, 1);
    return end->fault.err;
}

static inline void h2_end_is(struct farm_end *end, const char *body)
{
    assert_int_equal(end->ends, 1);
    assert_ok(end->fault.err);
    assert_int_equal(plait_response_version(end->response), 20);
    assert_slice(plait_response_body(end->response), body);
    plait_response_free(&end->response);
}

#endif
