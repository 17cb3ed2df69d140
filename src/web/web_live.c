/* SPDX-License-Identifier: MIT
 *
 * The live page as a resource: its files, its state, and the events that move it once a second. What is shown is
 * web_live_state.c, who may see it web_live_guard.c, the page itself src/web/live/.
 *
 * Invariant: a viewer is on the list exactly while its events go on; a drain ends them within a second, so that pages
 * which are open hold nothing up. Test: tests/web/test_web_live.c, tests/peers/live_peers.py.
 */
#include "web/web_live.h"

#include "base/try.h"
#include "web/web_layer.h"

enum { TEXT_MAX = 512 * 1024, RETRY_S = 2 };

/* A page that is open somewhere; in its request's memory. */
struct viewer {
    struct plait__list link;
    struct plait__live *live;
    struct plait_events *events;
};

/* --- events ------------------------------------------------------------------------------------------------------- */

static void viewer_leave(struct viewer *v)
{
    plait__list_remove(&v->link);
    v->live->viewer_count--;
}

static void on_gone(struct plait_events *events, void *ctx)
{
    (void)events;
    viewer_leave(ctx);
}

/* One that can't be sent ends the viewer by itself, in a later step. */
static void tell(struct viewer *v, const char *name, const struct plait_buf *data)
{
    const struct plait_event event = {.name = plait_slice_text(name), .data = plait_buf_slice(data)};
    if (!data->err)
        (void)plait_events_send(v->events, &event);
}

static void tell_all(struct plait__live *live, const char *name)
{
    for (struct plait__list *at = live->viewers.next; at != &live->viewers; at = at->next)
        tell(plait__container(at, struct viewer, link), name, &live->text);
}

static void end_viewers(struct plait__live *live)
{
    while (!plait__list_empty(&live->viewers)) {
        struct viewer *v = plait__container(live->viewers.next, struct viewer, link);
        viewer_leave(v);
        plait_events_end(&v->events);
    }
}

static void on_tick(void *ctx)
{
    struct plait__live *live = ctx;
    const plait_span late = plait_now(live->reactor) - live->next;
    plait__live_look(live);
    live->next += (late / plait_seconds(1) + 1) * plait_seconds(1); /* what was missed is not made up for */
    plait_timer_arm_at(&live->tick, live->next);
    if (live->viewer_count == 0)
        return;
    if (live->lines_sent != live->lines.total) {
        plait_buf_clear(&live->text);
        plait__live_put_lines(live, &live->text);
        tell_all(live, "log");
        live->lines_sent = live->lines.total;
    }
    plait_buf_clear(&live->text);
    plait__live_put_state(live, &live->text, false);
    tell_all(live, "state");
    if (plait_is_draining(live->reactor))
        end_viewers(live);
}

/* What a page wants to know before the first second is over. */
static void tell_beginning(struct viewer *v)
{
    struct plait__live *live = v->live;
    plait_buf_clear(&live->text);
    plait__live_put_history(live, &live->text);
    tell(v, "history", &live->text);
    plait_buf_clear(&live->text);
    plait__live_put_lines(live, &live->text);
    tell(v, "log", &live->text);
    plait_buf_clear(&live->text);
    plait__live_put_state(live, &live->text, false);
    tell(v, "first", &live->text);
}

static void events(struct plait_request *req, struct plait__live *live)
{
    struct viewer *v = live->viewer_count < PLAIT__LIVE_VIEWERS ? plait_request_memory(req, sizeof(*v)) : NULL;
    if (!v) {
        plait_reply_error(req, 503, "As many as may look are looking already.");
        return;
    }
    v->live = live;
    if (plait_events_begin(req, NULL, on_gone, v, &v->events) != PLAIT_OK)
        return;
    plait__list_add_tail(&live->viewers, &v->link);
    live->viewer_count++;
    (void)plait_events_send(v->events, &(struct plait_event){.retry = plait_seconds(RETRY_S)});
    tell_beginning(v);
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

static void state(struct plait_request *req, const struct plait__live *live)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_reactor_budget(live->reactor), TEXT_MAX);
    plait__live_put_state(live, &out, true);
    plait_reply_buf(req, 200, "application/json", &out);
}

/* Relative names in the page need the slash at its end. */
static void to_slash(struct plait_request *req)
{
    const plait_slice path = plait_request_path(req);
    struct plait_buf location;
    size_t last = path.len;
    while (path.ptr[last - 1] != '/')
        last--;
    plait_buf_init(&location, plait_reactor_budget(plait_request_reactor(req)), 16384);
    plait_buf_put_text(&location, "./");
    plait_percent_encode(&location, plait_slice_sub(path, last, path.len), NULL);
    plait_buf_put_u8(&location, '/');
    if (location.err)
        plait_reply_error(req, 503, NULL);
    else
        plait_reply_redirect(req, 308, plait_buf_slice(&location));
    plait_buf_deinit(&location);
}

static void file(struct plait_request *req, plait_slice name)
{
    const struct plait__live_file *f = plait__live_files;
    while (f->name && !plait_slice_equal(name, plait_slice_text(f->name)))
        f++;
    if (f->name)
        plait_reply(req, 200, f->type, plait_slice_of(f->bytes, f->len));
    else
        plait_reply_error(req, 404, NULL);
}

static void answer(struct plait_request *req, void *ctx)
{
    const plait_slice rest = plait_request_rest(req), path = plait_request_path(req);
    if (plait_slice_equal(rest, PLAIT_LIT("events"))) {
        events(req, ctx);
        return;
    }
    (void)plait_reply_field(req, "Cache-Control", PLAIT_LIT("no-store")); /* short: it fits */
    if (plait_slice_equal(rest, PLAIT_LIT("state")))
        state(req, ctx);
    else if (rest.len == 0 && path.ptr[path.len - 1] != '/')
        to_slash(req);
    else
        file(req, rest);
}

static void guard(struct plait_request *req, void *ctx)
{
    const char *why;
    plait__live_fields(req);
    const int status = plait__live_refuses(ctx, req, &why);
    if (status)
        plait_reply_error(req, status, why);
    else
        plait_request_pass(req);
}

static const struct plait_layer guard_layer = {.name = "live", .request = guard};

/* --- making it ---------------------------------------------------------------------------------------------------- */

static void live_free(void *ctx)
{
    struct plait__live *live = ctx;
    end_viewers(live);
    plait_timer_stop(&live->tick);
    plait__live_lines_end(&live->lines);
    plait_buf_deinit(&live->text);
    plait_mem_free(live);
}

static void live_init(struct plait__live *live, struct plait_reactor *reactor)
{
    live->reactor = reactor;
    live->started = live->before.at = plait_now(reactor);
    plait__list_init(&live->viewers);
    plait_buf_init(&live->text, plait_reactor_budget(reactor), TEXT_MAX);
    plait_timer_init(&live->tick, reactor, "live", on_tick, live);
    plait__live_look(live);
    live->next = live->started + plait_seconds(1);
    plait_timer_arm_at(&live->tick, live->next);
}

static plait_err set_options(struct plait__live *live, struct plait_resource *resource,
                             const struct plait_live_options *options)
{
    const char *hosts = options->hosts ? options->hosts : "";
    if (strlen(hosts) >= sizeof(live->hosts))
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    memcpy(live->hosts, hosts, strlen(hosts) + 1);
    live->has_auth = options->auth != NULL;
    PLAIT_TRY(plait_resource_wrap(resource, &guard_layer, live));
    return live->has_auth ? plait_auth_wrap(resource, options->auth) : PLAIT_OK;
}

struct plait_resource *plait_live_new(struct plait_reactor *reactor, const struct plait_live_options *options)
{
    static const struct plait_live_options defaults;
    struct plait_resource *resource = plait_resource_new(reactor);
    struct plait__live *live = resource ? plait_mem_new(plait_reactor_budget(reactor), sizeof(*live)) : NULL;
    if (!live || plait__live_lines_begin(&live->lines, reactor) != PLAIT_OK) {
        plait_mem_free(live);
        plait_resource_unref(&resource);
        return NULL;
    }
    live_init(live, reactor);
    const plait_err err = plait_resource_own(resource, live, live_free); /* a new resource has no other owner */
    plait_resource_leaf(resource);
    (void)plait_resource_get(resource, "", answer, live); /* failures are kept: plait_http says it */
    if (err != PLAIT_OK || set_options(live, resource, options ? options : &defaults) != PLAIT_OK)
        plait__resource_fail(resource);
    return resource;
}
