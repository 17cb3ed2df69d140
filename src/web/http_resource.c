/* SPDX-License-Identifier: MIT
 *
 * The tree of resources: children by path segment, methods with their handlers, and the way of a request through it.
 *
 * Invariant: the children of a resource are sorted by length and bytes, so that finding one is a binary search
 * whatever a client asks for. Test: tests/web/test_http_resource.c.
 */
#include "base/try.h"
#include "web/web_layer.h"

#include <stdlib.h>

enum { METHODS_MAX = 16, CHILDREN_MAX = 65536, LAYERS_MAX = 64, HOPS_MAX = 32 };

struct method {
    const char *name;
    size_t len;
    plait_request_fn fn;
    void *ctx;
};

struct child {
    char *name;
    size_t len;
    struct plait_resource *resource;
};

struct layer {
    const struct plait_layer *ops;
    void *ctx;
};

struct plait_resource {
    struct plait_reactor *reactor;
    size_t refs;
    struct child *child;
    size_t child_count, child_cap;
    struct method method[METHODS_MAX];
    size_t method_count;
    struct layer *layer; /* in the order in which requests pass them */
    size_t layer_count;
    plait_resource_child_fn dynamic;
    void *dynamic_ctx;
    void *own;
    plait_call_fn destroy;
    bool leaf;
    bool connects;
    bool failed; /* building it failed somewhere */
};

/* --- building -------------------------------------------------------------------------------------------------- */

struct plait_resource *plait_resource_new(struct plait_reactor *reactor)
{
    struct plait_resource *resource = plait_mem_new(plait_reactor_budget(reactor), sizeof(*resource));
    if (!resource)
        return NULL;
    resource->reactor = reactor;
    resource->refs = 1;
    return resource;
}

struct plait_resource *plait_resource_ref(struct plait_resource *resource)
{
    if (resource)
        resource->refs++;
    return resource;
}

void plait_resource_unref(struct plait_resource **resource)
{
    struct plait_resource *r = *resource;
    *resource = NULL;
    if (!r || --r->refs > 0)
        return;
    for (size_t i = 0; i < r->child_count; i++) {
        plait_mem_free(r->child[i].name);
        plait_resource_unref(&r->child[i].resource);
    }
    plait_mem_free(r->child);
    for (size_t i = r->layer_count; i > 0; i--) {
        if (r->layer[i - 1].ops->destroy)
            r->layer[i - 1].ops->destroy(r->layer[i - 1].ctx);
    }
    plait_mem_free(r->layer);
    if (r->destroy)
        r->destroy(r->own);
    plait_mem_free(r);
}

void plait__resource_connect(struct plait_resource *resource)
{
    resource->connects = true;
}

bool plait__resource_connects(const struct plait_resource *resource)
{
    return resource->connects;
}

struct plait_reactor *plait__resource_reactor(const struct plait_resource *resource)
{
    return resource->reactor;
}

bool plait__resource_failed(const struct plait_resource *resource)
{
    if (resource->failed)
        return true;
    for (size_t i = 0; i < resource->child_count; i++) {
        if (plait__resource_failed(resource->child[i].resource))
            return true;
    }
    return false;
}

void plait__resource_fail(struct plait_resource *resource)
{
    if (resource)
        resource->failed = true;
}

static int child_compare(plait_slice name, const struct child *c)
{
    if (name.len != c->len)
        return name.len < c->len ? -1 : 1;
    return memcmp(name.ptr, c->name, c->len);
}

/* Where a name stands or would stand. */
static size_t child_place(const struct plait_resource *r, plait_slice name, bool *found)
{
    size_t low = 0, high = r->child_count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = child_compare(name, &r->child[middle]);
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
        *found = order == 0;
    }
    return high;
}

static plait_err child_room(struct plait_resource *r)
{
    if (r->child_count < r->child_cap)
        return PLAIT_OK;
    size_t cap = r->child_cap ? r->child_cap * 2 : 4;
    if (cap > CHILDREN_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    struct child *more = plait_mem_resize(plait_reactor_budget(r->reactor), r->child, cap * sizeof(*more));
    if (!more)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    r->child = more;
    r->child_cap = cap;
    return PLAIT_OK;
}

/* Puts a child in, or in the place of another. The reference is taken when it succeeds. */
static plait_err child_put(struct plait_resource *r, plait_slice name, struct plait_resource *resource)
{
    bool found;
    size_t at = child_place(r, name, &found);
    if (found) {
        plait_resource_unref(&r->child[at].resource);
        r->child[at].resource = resource;
        return PLAIT_OK;
    }
    PLAIT_TRY(child_room(r));
    char *copy = plait_mem_text(plait_reactor_budget(r->reactor), (const char *)name.ptr, name.len);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memmove(&r->child[at + 1], &r->child[at], (r->child_count - at) * sizeof(*r->child));
    r->child[at] = (struct child){copy, name.len, resource};
    r->child_count++;
    return PLAIT_OK;
}

static bool segment_is_right(plait_slice s)
{
    return s.len > 0 && !plait_slice_equal(s, PLAIT_LIT(".")) && !plait_slice_equal(s, PLAIT_LIT(".."));
}

static plait_err child_make(struct plait_resource *r, plait_slice name, struct plait_resource **out)
{
    bool found;
    size_t at = child_place(r, name, &found);
    if (found) {
        *out = r->child[at].resource;
        return PLAIT_OK;
    }
    struct plait_resource *fresh = plait_resource_new(r->reactor);
    if (!fresh)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = child_put(r, name, fresh);
    *out = fresh;
    if (err)
        plait_resource_unref(&fresh);
    return err;
}

/* Walks a path of fixed segments, making what is missing. With `last`, stops before the last segment and gives it. */
static plait_err walk(struct plait_resource *r, const char *path, struct plait_resource **out, plait_slice *last)
{
    plait_slice rest = plait_slice_text(path);
    if (rest.len && rest.ptr[0] == '/')
        rest = plait_slice_sub(rest, 1, rest.len);
    *out = r;
    while (rest.len) {
        size_t slash = plait_slice_find_byte(rest, '/', 0);
        bool end = slash == SIZE_MAX;
        plait_slice segment = plait_slice_sub(rest, 0, end ? rest.len : slash);
        if (!segment_is_right(segment) || (!end && slash + 1 == rest.len))
            return PLAIT_FAIL(PLAIT_EINVAL);
        rest = end ? plait_slice_of(NULL, 0) : plait_slice_sub(rest, slash + 1, rest.len);
        if (end && last) {
            *last = segment;
            return PLAIT_OK;
        }
        PLAIT_TRY(child_make(*out, segment, out));
    }
    return last ? PLAIT_FAIL(PLAIT_EINVAL) : PLAIT_OK;
}

static plait_err method_put(struct plait_resource *r, const char *name, plait_request_fn fn, void *ctx)
{
    size_t i = 0;
    while (i < r->method_count && strcmp(r->method[i].name, name) != 0)
        i++;
    if (i == METHODS_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    r->method[i] = (struct method){name, strlen(name), fn, ctx};
    if (i == r->method_count)
        r->method_count++;
    return PLAIT_OK;
}

static plait_err resource_on(struct plait_resource *r, const char *method, const char *path, plait_request_fn fn,
                             void *ctx)
{
    struct plait_resource *at;
    if (!plait__http1_is_token(plait_slice_text(method)) || strlen(method) > PLAIT__HTTP1_METHOD_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(walk(r, path, &at, NULL));
    return method_put(at, method, fn, ctx);
}

plait_err plait_resource_on(struct plait_resource *resource, const char *method, const char *path, plait_request_fn fn,
                            void *ctx)
{
    if (!resource)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = resource_on(resource, method, path, fn, ctx);
    resource->failed |= err != PLAIT_OK;
    return err;
}

plait_err plait_resource_get(struct plait_resource *resource, const char *path, plait_request_fn fn, void *ctx)
{
    return plait_resource_on(resource, "GET", path, fn, ctx);
}

static plait_err resource_mount(struct plait_resource *r, const char *path, struct plait_resource *child)
{
    struct plait_resource *parent;
    plait_slice name;
    if (!child)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    PLAIT_TRY(walk(r, path, &parent, &name));
    return child_put(parent, name, child);
}

plait_err plait_resource_mount(struct plait_resource *resource, const char *path, struct plait_resource *child)
{
    const plait_err err = resource ? resource_mount(resource, path, child) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err)
        plait_resource_unref(&child);
    if (resource)
        resource->failed |= err != PLAIT_OK;
    return err;
}

void plait_resource_dynamic(struct plait_resource *resource, plait_resource_child_fn fn, void *ctx)
{
    if (!resource)
        return;
    resource->dynamic = fn;
    resource->dynamic_ctx = ctx;
}

void plait_resource_leaf(struct plait_resource *resource)
{
    if (resource)
        resource->leaf = true;
}

plait_err plait_resource_own(struct plait_resource *resource, void *ctx, plait_call_fn destroy)
{
    if (!resource || resource->destroy)
        return PLAIT_FAIL(PLAIT_ESTATE);
    resource->own = ctx;
    resource->destroy = destroy;
    return PLAIT_OK;
}

static plait_err resource_wrap(struct plait_resource *r, const struct plait_layer *ops, void *ctx)
{
    if (r->layer_count == LAYERS_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    struct layer *more =
        plait_mem_resize(plait_reactor_budget(r->reactor), r->layer, (r->layer_count + 1) * sizeof(*more));
    if (!more)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    r->layer = more;
    r->layer[r->layer_count++] = (struct layer){ops, ctx};
    return PLAIT_OK;
}

plait_err plait_resource_wrap(struct plait_resource *resource, const struct plait_layer *layer, void *ctx)
{
    const plait_err err = resource ? resource_wrap(resource, layer, ctx) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err && layer->destroy)
        layer->destroy(ctx);
    if (resource)
        resource->failed |= err != PLAIT_OK;
    return err;
}

void *plait__resource_layer(struct plait_resource *resource, const struct plait_layer *layer)
{
    for (size_t i = 0; resource && i < resource->layer_count; i++) {
        if (resource->layer[i].ops == layer)
            return resource->layer[i].ctx;
    }
    return NULL;
}

/* --- finding --------------------------------------------------------------------------------------------------- */

static struct plait_resource *find_child(struct plait_request *req, struct plait_resource *r, plait_slice segment)
{
    bool found;
    size_t at = child_place(r, segment, &found);
    if (found)
        return r->child[at].resource;
    if (!r->dynamic || segment.len == 0 || req->held_count == PLAIT__HR_HELD)
        return NULL;
    struct plait_resource *made = r->dynamic(req, segment, r->dynamic_ctx);
    if (made)
        req->held[req->held_count++] = made;
    return made;
}

/* One segment on; false where the path leads no further. */
static bool descend(struct plait_request *req)
{
    const plait_slice rest = req->rest;
    const size_t slash = plait_slice_find_byte(rest, '/', 0);
    struct plait_resource *next = rest.len ? find_child(req, req->resource, plait_slice_sub(rest, 0, slash)) : NULL;
    if (!next)
        return false;
    req->resource = next;
    req->layer = 0;
    req->bare_end = slash == SIZE_MAX;
    req->rest = plait_slice_sub(rest, slash == SIZE_MAX ? rest.len : slash + 1, rest.len);
    return true;
}

/* Whether the path ends here, or the resource takes what is left of it. */
static bool is_reached(const struct plait_request *req)
{
    if (req->resource->leaf)
        return true;
    return req->rest.len == 0 && req->bare_end; /* else a slash too many */
}

static const struct method *find_method(const struct plait_resource *r, plait_slice name)
{
    for (size_t i = 0; i < r->method_count; i++) {
        const struct method *m = &r->method[i];
        if (m->len == name.len && memcmp(m->name, name.ptr, name.len) == 0)
            return m;
    }
    return NULL;
}

/* RFC 9110 section 10.2.1 */
static void reply_allow(struct plait_request *req, const struct plait_resource *r)
{
    uint8_t text[METHODS_MAX * (PLAIT__HTTP1_METHOD_MAX + 2) + 16];
    size_t len = 0;
    for (size_t i = 0; r && i < r->method_count; i++) {
        size_t need = r->method[i].len + 2;
        memcpy(text + len, r->method[i].name, r->method[i].len);
        memcpy(text + len + need - 2, ", ", 2);
        len += need;
    }
    if (!r || (find_method(r, PLAIT_LIT("GET")) && !find_method(r, PLAIT_LIT("HEAD")))) {
        plait_slice common = r ? PLAIT_LIT("HEAD, ") : PLAIT_LIT("GET, HEAD, ");
        memcpy(text + len, common.ptr, common.len);
        len += common.len;
    }
    memcpy(text + len, "OPTIONS", 7);
    len += 7;
    (void)plait_reply_field(req, "Allow", plait_slice_of(text, len)); /* cannot fail: short, and the first */
}

static bool method_is_known(plait_slice method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (plait_slice_equal(method, plait_slice_text(known[i])))
            return true;
    }
    return false;
}

/* No handler: RFC 9110 sections 9.1, 9.3.7, 15.5.6 and 15.6.2. */
static void reply_without_handler(struct plait_request *req, const struct plait_resource *r)
{
    plait_slice method = plait_request_method(req);
    if (plait_slice_equal(method, PLAIT_LIT("OPTIONS"))) {
        reply_allow(req, r);
        plait_reply(req, 204, NULL, plait_slice_of(NULL, 0));
    } else if (!method_is_known(method)) {
        plait_reply_error(req, 501, "This server does not know the method.");
    } else {
        reply_allow(req, r);
        plait_reply_error(req, 405, NULL);
    }
}

/* The request has passed everything: its resource answers. */
static void answer(struct plait_request *req)
{
    const struct plait_resource *r = req->resource;
    if (req->path.ptr[0] == '*') {
        reply_without_handler(req, NULL);
        return;
    }
    if (!is_reached(req) || r->method_count == 0) {
        req->resource = NULL;
        plait_reply_error(req, 404, NULL);
        return;
    }
    const struct method *m = find_method(r, plait_request_method(req));
    if (!m && req->head_only)
        m = find_method(r, PLAIT_LIT("GET"));
    if (!m)
        m = find_method(r, PLAIT_LIT("*"));
    if (m)
        m->fn(req, m->ctx);
    else
        reply_without_handler(req, r);
}

void plait_request_pass(struct plait_request *req)
{
    if (req->phase != PLAIT__HR_OPEN)
        return;
    plait_request_gone(req, NULL, NULL); /* a layer's interest ends here */
    do {
        if (req->layer < req->resource->layer_count) {
            const struct layer *l = &req->resource->layer[req->layer++];
            l->ops->request(req, l->ctx);
            return;
        }
    } while (descend(req));
    answer(req);
}

void plait_request_pass_to(struct plait_request *req, struct plait_resource *resource)
{
    if (req->hops++ == HOPS_MAX) {
        plait_reply_error(req, 508, "The server's own resources lead in a circle.");
        return;
    }
    req->resource = resource;
    req->layer = 0;
    plait_request_pass(req);
}

plait_err plait_request_rewrite(struct plait_request *req, plait_slice rest)
{
    size_t before = req->path.len - req->rest.len;
    if (plait_slice_find_byte(rest, 0, 0) != SIZE_MAX || req->path.ptr[0] == '*')
        return PLAIT_FAIL(PLAIT_EINVAL);
    before -= req->path.ptr[before - 1] == '/';
    uint8_t *path = plait_request_memory(req, before + 1 + rest.len);
    if (!path)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    memcpy(path, req->path.ptr, before);
    path[before] = '/';
    if (rest.len)
        memcpy(path + before + 1, rest.ptr, rest.len);
    const size_t len = plait_path_normalise(path + before, rest.len + 1); /* never above what has been reached */
    if (len == SIZE_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    req->bare_end = len == 1;
    req->rewritten = true;
    req->path = plait_slice_of(path, before + (len == 1 && before ? 0 : len));
    req->rest = plait_slice_of(path + before + 1, len - 1);
    return PLAIT_OK;
}

void plait__resource_again(struct plait_request *req)
{
    plait__filters_renew(req); /* who stands around the tree sees it a second time */
    req->user = plait_slice_of(NULL, 0);
    plait_buf_clear(&req->fields);
    if (req->hops++ == HOPS_MAX)
        plait_reply_error(req, 508, "The server's own resources lead in a circle.");
    else
        plait__resource_dispatch(req);
}

void plait__resource_dispatch(struct plait_request *req)
{
    req->resource = req->service->root;
    req->bare_end = true;
    req->rest = plait_slice_sub(req->path, 1, req->path.len);
    plait_request_pass(req);
}
