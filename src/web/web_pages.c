/* SPDX-License-Identifier: MIT
 *
 * Pages for those who run a site: error pages of its own, whether it lives and is ready, the reactor's metrics.
 *
 * Invariant: an error page takes only the place of our own; what a handler wrote itself stays. Test:
 * tests/web/test_web_pages.c.
 */
#include "base/try.h"
#include "web/web_layer.h"

/* --- error pages -------------------------------------------------------------------------------------------------- */

struct page {
    struct page *next;
    int status; /* 0: any other */
    plait_slice type, body;
    uint8_t bytes[];
};

struct pages {
    struct plait_reactor *reactor;
    struct page *first;
};

/* What one request gets instead. */
static const struct page *find_page(const struct pages *pages, int status)
{
    const struct page *any = NULL;
    for (const struct page *p = pages->first; p; p = p->next) {
        if (p->status == status)
            return p;
        if (p->status == 0)
            any = p;
    }
    return any;
}

struct swap {
    const struct pages *pages;
    const struct page *page;
};

static bool on_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    struct swap *s = ctx;
    (void)req;
    s->page = head->error_page ? find_page(s->pages, head->status) : NULL;
    if (!s->page)
        return false;
    head->type = s->page->type;
    head->length = s->page->body.len;
    return true;
}

static void on_body(struct plait_request *req, plait_slice piece, void *ctx)
{
    (void)req; /* our page comes at the end */
    (void)piece;
    (void)ctx;
}

static void on_end(struct plait_request *req, void *ctx)
{
    const struct swap *s = ctx;
    plait_filter_write(req, s->page->body);
}

static const struct plait_filter pages_filter = {.head = on_head, .body = on_body, .end = on_end};

static void pages_request(struct plait_request *req, void *ctx)
{
    struct swap *s = plait_request_memory(req, sizeof(*s));
    if (s)
        *s = (struct swap){.pages = ctx};
    const plait_err err = s ? plait_request_filter(req, &pages_filter, s) : PLAIT_ENOMEM;
    (void)err; /* without memory the usual page is shown */
    plait_request_pass(req);
}

static void pages_destroy(void *ctx)
{
    struct pages *pages = ctx;
    while (pages->first) {
        struct page *p = pages->first;
        pages->first = p->next;
        plait_mem_free(p);
    }
    plait_mem_free(pages);
}

static const struct plait_layer pages_layer = {
    .name = "error pages", .request = pages_request, .destroy = pages_destroy};

static plait_err pages_of(struct plait_resource *resource, struct pages **out)
{
    *out = plait__resource_layer(resource, &pages_layer);
    if (*out)
        return PLAIT_OK;
    struct plait_reactor *reactor = resource ? plait__resource_reactor(resource) : NULL;
    *out = reactor ? plait_mem_new(plait_reactor_budget(reactor), sizeof(**out)) : NULL;
    if (!*out)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    (*out)->reactor = reactor;
    return plait_resource_wrap(resource, &pages_layer, *out);
}

static plait_err page_put(struct plait_resource *resource, int status, plait_slice type, plait_slice body)
{
    struct pages *pages;
    if ((status && (status < 400 || status > 599)) || !plait__http1_is_value(type))
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(pages_of(resource, &pages));
    struct page *p = plait_mem_new(plait_reactor_budget(pages->reactor), sizeof(*p) + type.len + body.len);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->status = status;
    p->type = plait_slice_of(p->bytes, type.len);
    p->body = plait_slice_of(p->bytes + type.len, body.len);
    if (type.len)
        memcpy(p->bytes, type.ptr, type.len);
    if (body.len)
        memcpy(p->bytes + type.len, body.ptr, body.len);
    p->next = pages->first;
    pages->first = p;
    return PLAIT_OK;
}

plait_err plait_error_page(struct plait_resource *resource, int status, const char *type, plait_slice body)
{
    const plait_err err = page_put(resource, status, plait_slice_text(type), body);
    if (err != PLAIT_OK)
        plait__resource_fail(resource);
    return err;
}

/* --- health ------------------------------------------------------------------------------------------------------- */

static void live(struct plait_request *req, void *ctx)
{
    (void)ctx;
    (void)plait_reply_field(req, "Cache-Control", PLAIT_LIT("no-store"));
    plait_reply_text(req, 200, "live\n");
}

static void ready(struct plait_request *req, void *ctx)
{
    const bool drains = plait_is_draining(req->web->reactor);
    (void)ctx;
    (void)plait_reply_field(req, "Cache-Control", PLAIT_LIT("no-store"));
    plait_reply_text(req, drains ? 503 : 200, drains ? "draining\n" : "ready\n");
}

struct plait_resource *plait_health_new(struct plait_reactor *reactor)
{
    struct plait_resource *resource = plait_resource_new(reactor);
    (void)plait_resource_get(resource, "live", live, NULL); /* a failure is kept: plait_http says it */
    (void)plait_resource_get(resource, "ready", ready, NULL);
    (void)plait_resource_get(resource, "", ready, NULL);
    return resource;
}

/* --- metrics ------------------------------------------------------------------------------------------------------ */

static void metrics(struct plait_request *req, void *ctx)
{
    struct plait_buf text;
    (void)ctx;
    plait_buf_init(&text, plait_reactor_budget(req->web->reactor), 4 << 20);
    plait_metrics_write(plait_reactor_metrics(req->web->reactor), &text);
    plait_reply_buf(req, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &text);
}

struct plait_resource *plait_metrics_page_new(struct plait_reactor *reactor)
{
    struct plait_resource *resource = plait_resource_new(reactor);
    (void)plait_resource_get(resource, "", metrics, NULL);
    return resource;
}
