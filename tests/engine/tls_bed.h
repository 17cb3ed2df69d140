/* SPDX-License-Identifier: MIT
 *
 * What the tests of TLS stand on: two peers with TLS between them, certificates that are made once a run, and a carrier
 * to put below TLS that lets through as few bytes at a time as a test wants.
 */
#ifndef PLAIT_TESTS_ENGINE_TLS_BED_H
#define PLAIT_TESTS_ENGINE_TLS_BED_H

#include "tests/engine/peer.h"
#include "tests/support/certs.h"

#include "engine/tls_core.h"

/* --- a narrow carrier --------------------------------------------------------------------------------------------- */

struct narrow {
    struct plait__carrier c;
    struct plait__carrier *lower;
    struct plait_stream *s;
    size_t in_max, out_max; /* bytes at a time; 0: all */
    bool stuck, refused;    /* takes no output; some was offered */
    bool broken;            /* fails when it is offered some */
    int wants;              /* how often it was told what is wanted */
    struct plait__chain bits;
    struct plait_soon soon;
};

static inline struct narrow *narrow_of(struct plait__carrier *c)
{
    return plait__container(c, struct narrow, c);
}

static inline void narrow_room(void *ctx)
{
    struct narrow *n = ctx;
    if (n->refused && !n->stuck && plait__chain_empty(&n->bits)) {
        n->refused = false;
        n->c.up_ops->writable(n->c.up);
    }
}

static inline void narrow_want(struct plait__carrier *c, size_t max)
{
    struct narrow *n = narrow_of(c);
    n->wants++;
    n->lower->ops->want_input(n->lower, n->in_max && max > n->in_max ? n->in_max : max);
}

static inline plait_err narrow_output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct narrow *n = narrow_of(c);
    struct iovec iov;
    if (n->broken) {
        const struct plait_fault fault = plait_fault_os(EPIPE, "send");
        n->c.up_ops->failed(n->c.up, &fault);
        return PLAIT_EIO;
    }
    if (!n->stuck && plait__chain_empty(&n->bits) && plait__chain_gather(chain, &iov, 1) == 1) {
        const size_t len = n->out_max && iov.iov_len > n->out_max ? n->out_max : iov.iov_len;
        assert_ok(plait__chain_put(&n->bits, plait_slice_of(iov.iov_base, len)));
        plait__chain_consume(chain, len);
        const plait_err err = n->lower->ops->output(n->lower, &n->bits);
        if (err != PLAIT_OK)
            return err;
    }
    if (!plait__chain_empty(chain)) {
        n->refused = true;
        plait_soon_queue(&n->soon);
    }
    return PLAIT_OK;
}

static inline void narrow_shut(struct plait__carrier *c)
{
    narrow_of(c)->lower->ops->shut(narrow_of(c)->lower);
}

static inline void narrow_close(struct plait__carrier *c, bool abort)
{
    struct narrow *n = narrow_of(c);
    plait__chain_deinit(&n->bits);
    plait_soon_cancel(&n->soon);
    n->lower->ops->close(n->lower, abort);
}

static inline void narrow_peer(struct plait__carrier *c, struct plait_address *out)
{
    narrow_of(c)->lower->ops->peer(narrow_of(c)->lower, out);
}

static inline void narrow_local(struct plait__carrier *c, struct plait_address *out)
{
    narrow_of(c)->lower->ops->local(narrow_of(c)->lower, out);
}

static inline bool narrow_lingers(struct plait__carrier *c)
{
    (void)c;
    return true;
}

static inline void narrow_counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    narrow_of(c)->lower->ops->counts(narrow_of(c)->lower, in, out);
}

static inline void narrow_up_input(void *up, uint8_t *bytes, size_t len)
{
    struct narrow *n = up;
    n->c.up_ops->input(n->c.up, bytes, len);
}

static inline void narrow_up_end(void *up)
{
    struct narrow *n = up;
    n->c.up_ops->input_end(n->c.up);
}

static inline void narrow_up_fds(void *up, const int *fds, size_t count)
{
    struct narrow *n = up;
    n->c.up_ops->input_fds(n->c.up, fds, count);
}

static inline void narrow_up_writable(void *up)
{
    struct narrow *n = up;
    if (n->lower->ops->output(n->lower, &n->bits) == PLAIT_OK)
        narrow_room(n);
}

static inline void narrow_up_secured(void *up)
{
    (void)up;
}

static inline void narrow_up_failed(void *up, const struct plait_fault *fault)
{
    struct narrow *n = up;
    n->c.up_ops->failed(n->c.up, fault);
}

static inline void narrow_up_closed(void *up)
{
    struct narrow *n = up;
    n->c.up_ops->closed(n->c.up);
}

static const struct plait__carrier_ops narrow_ops = {
    .name = "narrow",
    .want_input = narrow_want,
    .output = narrow_output,
    .shut = narrow_shut,
    .close = narrow_close,
    .peer = narrow_peer,
    .local = narrow_local,
    .lingers = narrow_lingers,
    .counts = narrow_counts,
};

static const struct plait__up_ops narrow_up = {
    .input = narrow_up_input,
    .input_end = narrow_up_end,
    .input_fds = narrow_up_fds,
    .writable = narrow_up_writable,
    .secured = narrow_up_secured,
    .failed = narrow_up_failed,
    .closed = narrow_up_closed,
};

/* Puts it between a stream and its carrier. */
static inline void narrow_put(struct narrow *n, struct plait_stream *s, size_t in_max, size_t out_max)
{
    *n = (struct narrow){.c = {.ops = &narrow_ops, .up_ops = s->carrier->up_ops, .up = s->carrier->up},
                         .lower = s->carrier,
                         .s = s,
                         .in_max = in_max,
                         .out_max = out_max};
    plait__chain_init(&n->bits, &s->budget);
    plait_soon_init(&n->soon, s->reactor, "narrow", narrow_room, n);
    n->lower->up_ops = &narrow_up;
    n->lower->up = n;
    s->carrier = &n->c;
}

/* --- certificates, made once -------------------------------------------------------------------------------------- */

struct tls_certs {
    struct test_cert ca, server, client;
};

static inline void tls_certs_make(struct tls_certs *certs)
{
    test_cert_make(&certs->ca, NULL, &(struct test_cert_ask){.subject = "Test root", .is_ca = true});
    test_cert_make(
        &certs->server, &certs->ca,
        &(struct test_cert_ask){.subject = "server", .san = "DNS:a.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1"});
    test_cert_make(&certs->client, &certs->ca, &(struct test_cert_ask){.subject = "Alice", .for_clients = true});
}

static inline void tls_certs_end(struct tls_certs *certs)
{
    test_cert_end(&certs->ca);
    test_cert_end(&certs->server);
    test_cert_end(&certs->client);
}

/* --- two peers with TLS between them ------------------------------------------------------------------------------ */

struct tls_bed {
    struct bed b;
    struct peer c, s; /* client and server */
    struct plait_tls_client *client;
    struct plait_tls_server *server;
    struct narrow nc, ns;
    size_t in_max, out_max; /* a narrow carrier on both sides, when one is set */
    int version;            /* TLS1_2_VERSION: at most that */
    enum joint joint;
    const char *name; /* NULL: a.example */
    plait_slice alpn;
    char why[200];
};

static inline struct plait__tls *tls_of(struct plait_stream *s)
{
    assert_string_equal(s->carrier->ops->name, "tls");
    return plait__container(s->carrier, struct plait__tls, c);
}

/* Opens it with a server and a client that trust each other as usual. */
static inline void tls_bed_open(struct tls_bed *t, const struct tls_certs *certs)
{
    memset(t, 0, sizeof *t);
    bed_open(&t->b);
    const struct plait_tls_server_options so = {.cert_pem = certs->server.cert_pem, .key_pem = certs->server.key_pem};
    const struct plait_tls_client_options co = {.ca_pem = certs->ca.cert_pem};
    assert_ok(plait_tls_server_new(t->b.r, &so, &t->server, t->why));
    assert_ok(plait_tls_client_new(t->b.r, &co, &t->client, t->why));
}

static inline void tls_bed_server(struct tls_bed *t, const struct plait_tls_server_options *options)
{
    plait_tls_server_unref(&t->server);
    assert_ok(plait_tls_server_new(t->b.r, options, &t->server, t->why));
}

static inline void tls_bed_client(struct tls_bed *t, const struct plait_tls_client_options *options)
{
    plait_tls_client_unref(&t->client);
    assert_ok(plait_tls_client_new(t->b.r, options, &t->client, t->why));
}

static inline void peer_reset(struct peer *p)
{
    p->told = p->got_len = p->data_calls = 0;
    memset(p->story, 0, sizeof p->story);
    p->fault = (struct plait_fault){.err = PLAIT_OK};
}

/* Joins two streams and starts TLS on both, without running anything. */
static inline void tls_bed_start(struct tls_bed *t, const struct plait_protocol *protocol)
{
    const char *name = t->name ? t->name : "a.example";
    struct plait_stream *c;
    struct plait_stream *s;
    peer_reset(&t->c);
    peer_reset(&t->s);
    join(&t->b, t->joint, &c, &s);
    if (t->in_max || t->out_max) {
        narrow_put(&t->nc, c, t->in_max, t->out_max);
        narrow_put(&t->ns, s, t->in_max, t->out_max);
    }
    peer_attach(&t->c, c, protocol);
    peer_attach(&t->s, s, protocol);
    assert_ok(plait_starttls_client(c, t->client, *name ? name : NULL, t->alpn));
    assert_ok(plait_starttls_server(s, t->server));
    if (t->version)
        SSL_set_max_proto_version(tls_of(c)->ssl, t->version);
}

static inline void tls_bed_join(struct tls_bed *t, const struct plait_protocol *protocol)
{
    tls_bed_start(t, protocol);
    bed_settle(&t->b);
}

static inline void tls_bed_close(struct tls_bed *t)
{
    if (t->c.s)
        plait_abort(t->c.s);
    if (t->s.s)
        plait_abort(t->s.s);
    bed_settle(&t->b);
    plait_tls_server_unref(&t->server);
    plait_tls_client_unref(&t->client);
    bed_close(&t->b);
}

#endif
