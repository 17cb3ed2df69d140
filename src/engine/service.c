/* SPDX-License-Identifier: MIT
 *
 * Services: what is done for each connection, counted by references. A service knows nothing of listeners; who opens it
 * on a stream holds a reference until that stream is gone.
 *
 * Invariant: ops->free is called once, when no reference and so no connection is left.
 * Test: tests/engine/test_listen.c.
 */
#include "base/try.h"
#include "engine/listen_core.h"

#include <stdio.h>

static plait_err open_protocol(struct plait_stream *s, void *ctx)
{
    const struct plait_service *service = ctx;
    plait_stream_attach(s, service->protocol, service->ctx);
    return PLAIT_OK;
}

/* service="NAME", without what a label can't hold as it is (OpenMetrics 1.0.0, section 4.1.1). */
static void write_labels(char *out, size_t bytes, const char *name)
{
    (void)snprintf(out, bytes, "service=\"%.48s\"", name ? name : "");
    for (char *at = out + sizeof "service=\"" - 1; at[1]; at++) {
        if (*at == '"' || *at == '\\' || *at == '\n')
            *at = '_';
    }
}

static struct plait__tally *tally_of(struct plait_reactor *r, const char *name)
{
    char labels[sizeof(((struct plait__tally *)NULL)->labels)];
    write_labels(labels, sizeof labels, name);
    for (struct plait__list *at = r->tallies.next; at != &r->tallies; at = at->next) {
        struct plait__tally *tally = plait__container(at, struct plait__tally, link);
        if (strcmp(tally->labels, labels) == 0)
            return tally;
    }
    struct plait__tally *tally = plait_mem_new(&r->budget, sizeof *tally);
    if (!tally)
        return NULL;
    memcpy(tally->labels, labels, sizeof labels);
    tally->connections = (struct plait_metric){.kind = PLAIT_GAUGE,
                                               .name = "plait_connections",
                                               .help = "Connections that services have.",
                                               .unit = "",
                                               .labels = tally->labels};
    plait_metrics_add(r->metrics, &tally->connections);
    plait__list_add_tail(&r->tallies, &tally->link);
    return tally;
}

static void tally_leave(struct plait__tally *tally)
{
    if (--tally->services > 0)
        return;
    plait_metrics_remove(&tally->connections);
    plait__list_remove(&tally->link);
    plait_mem_free(tally);
}

struct plait_service *plait_service_new(struct plait_reactor *reactor, const struct plait_service_ops *ops, void *ctx)
{
    struct plait_service *service = plait_mem_new(&reactor->budget, sizeof *service);
    struct plait__tally *tally = service ? tally_of(reactor, ops->name) : NULL;
    if (!tally) {
        plait_mem_free(service);
        if (ops->free)
            ops->free(ctx);
        return NULL;
    }
    tally->services++;
    service->tally = tally;
    service->reactor = reactor;
    service->ops = *ops;
    service->ctx = ctx;
    service->refs = 1;
    return service;
}

struct plait_service *plait_service_of(struct plait_reactor *reactor, const struct plait_protocol *protocol, void *self)
{
    const struct plait_service_ops ops = {.name = protocol->name};
    struct plait_service *service = plait_service_new(reactor, &ops, self);
    if (service)
        service->protocol = protocol;
    return service;
}

struct plait_service *plait_service_ref(struct plait_service *service)
{
    service->refs++;
    return service;
}

void plait_service_unref(struct plait_service **service)
{
    struct plait_service *s = *service;
    *service = NULL;
    if (!s || --s->refs > 0)
        return;
    if (s->ops.free)
        s->ops.free(s->ctx);
    tally_leave(s->tally);
    plait_mem_free(s);
}

static void log_refused(struct plait_service *service, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, "open");
    const struct plait_field fields[] = {plait_field_text("service", service->ops.name), plait_field_fault(&fault),
                                         plait_field_end()};
    plait__warn(service->reactor, "open-failed", "a service did not take a connection", fields);
}

bool plait__service_open(struct plait_service *service, struct plait_stream *s)
{
    s->protocol = NULL; /* one that only shook hands is over */
    s->self = NULL;
    const plait_err err = service->protocol ? open_protocol(s, service) : service->ops.open(s, service->ctx);
    if (err != PLAIT_OK)
        log_refused(service, err);
    if (s->protocol && err == PLAIT_OK)
        return true;
    plait__stream_discard(s);
    return false;
}

/* The books of a stream that has a service and no listener. */
struct alone {
    struct plait__peer books;
    struct plait_service *service;
    void (*gone)(struct plait_reactor *r);
};

static void forget_alone(struct plait__peer *books, struct plait_stream *s)
{
    struct alone *a = plait__container(books, struct alone, books);
    struct plait_reactor *r = s->reactor;
    void (*gone)(struct plait_reactor *) = a->gone;
    plait_metric_add(&a->service->tally->connections, -1);
    plait_service_unref(&a->service);
    plait_mem_free(a);
    if (gone)
        gone(r);
}

plait_err plait__service_open_alone(struct plait_service *service, struct plait_stream *s,
                                    void (*gone)(struct plait_reactor *r))
{
    struct alone *a = plait_mem_new(&s->reactor->budget, sizeof *a);
    if (!a) {
        plait__stream_discard(s);
        plait_service_unref(&service);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    a->books.forget = forget_alone;
    a->service = service;
    a->gone = gone;
    plait_metric_add(&service->tally->connections, 1);
    s->peer = &a->books;
    s->flags |= PLAIT__F_ADOPTED;
    (void)plait__service_open(service, s); /* one that failed is told of in the log, and its end ends the books */
    return PLAIT_OK;
}

void plait__service_drain(struct plait_service *service)
{
    if (service->drain_told)
        return;
    service->drain_told = true;
    if (service->ops.drain)
        service->ops.drain(service->ctx);
}
