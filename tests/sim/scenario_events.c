/* SPDX-License-Identifier: MIT
 *
 * Server-sent events to several pages, over HTTP/1.1 and HTTP/2: streams that the server ends, that break off, that a
 * page reads slowly or not at all for a while. A page asks again and tells what it saw last; it gets every event once
 * and in order until it has all.
 */
#include "tests/sim/scenarios.h"

#include <plait/events.h>
#include <plait/http_client.h>

#include <stdio.h>

enum { PAGES = 5, EVENTS = 120, TEXT = 300 };

/* --- the server --------------------------------------------------------------------------------------------------- */

struct feed {
    struct plait_sim *sim;
    struct plait_request *req;
    struct plait_events *events;
    struct plait_timer timer;
    uint64_t number;
    size_t left; /* events after which it ends by itself */
};

/* The text of an event: its number, and as much more as its number says. */
static size_t text_of(uint64_t number, char out[TEXT])
{
    const size_t len = (size_t)snprintf(out, TEXT, "%llu ", (unsigned long long)number);
    const size_t more = (size_t)(number * 37 % (TEXT - 30));
    memset(out + len, 'a' + (int)(number % 26), more);
    return len + more;
}

static void tick(void *ctx)
{
    struct feed *f = ctx;
    char text[TEXT], id[24];
    f->number++;
    const struct plait_event event = {
        .id = plait_slice_of(id, (size_t)snprintf(id, sizeof id, "%llu", (unsigned long long)f->number)),
        .data = plait_slice_of(text, text_of(f->number, text))};
    if (plait_events_send(f->events, &event) != PLAIT_OK)
        return; /* `gone` comes */
    if (f->left-- > 0)
        plait_timer_arm(&f->timer, plait_millis((int64_t)plait_sim_random(f->sim, 40)));
    else
        plait_events_end(&f->events);
}

static void gone(struct plait_events *events, void *ctx)
{
    struct feed *f = ctx;
    (void)events;
    plait_timer_stop(&f->timer);
}

static void open_feed(struct plait_request *req, void *ctx)
{
    struct plait_sim *sim = ctx;
    const struct plait_events_options options = {.waiting_max = 2000 + plait_sim_random(sim, 20000),
                                                 .keepalive = plait_millis(200)};
    struct feed *f = plait_request_memory(req, sizeof *f);
    if (!f) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    *f = (struct feed){.sim = sim, .left = plait_sim_random(sim, EVENTS)};
    if (plait_slice_to_u64(plait_events_last_id(req), UINT32_MAX, &f->number) != PLAIT_OK)
        f->number = 0;
    plait_timer_init(&f->timer, plait_request_reactor(req), "tick", tick, f);
    if (plait_events_begin(req, &options, gone, f, &f->events) == PLAIT_OK)
        tick(f);
}

static bool serve(struct plait_sim *sim, struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_address at;
    (void)plait_resource_get(root, "", open_feed, sim); /* listening tells of failures */
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    const plait_err err = plait_listen(r, &at, NULL, plait_http(root), NULL);
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the pages ---------------------------------------------------------------------------------------------------- */

struct page {
    struct plait_sim *sim;
    struct plait_http_client *http;
    struct plait_deferred *fetch; /* NULL: none is under way */
    struct plait_timer again, resume;
    const struct plait_response *paused;
    enum plait_http_version version;
    size_t number, asked, line_len;
    uint64_t seen; /* the last event */
    bool whole;    /* its text came, and only its end is missing */
    char line[2 * TEXT];
};

static void take_line(struct page *p)
{
    char text[TEXT];
    const plait_slice line = plait_slice_of(p->line, p->line_len);
    if (line.len == 0) {
        p->seen += p->whole;
        p->whole = false;
        return;
    }
    if (!plait_slice_starts(line, PLAIT_LIT("data: ")))
        return; /* an id or a comment */
    const plait_slice data = plait_slice_sub(line, 6, line.len);
    if (!plait_slice_equal(data, plait_slice_of(text, text_of(p->seen + 1, text))))
        plait_sim_fail(p->sim, "page %zu got another event than %llu", p->number, (unsigned long long)p->seen + 1);
    p->whole = true;
}

static void resume(void *ctx)
{
    const struct page *p = ctx;
    plait_response_resume(p->paused);
}

static plait_err take(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct page *p = ctx;
    if (plait_response_status(response) != 200)
        return PLAIT_OK; /* no memory, no room: it asks again */
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.ptr[i] == '\n') {
            take_line(p);
            p->line_len = 0;
        } else if (p->line_len < sizeof p->line) {
            p->line[p->line_len++] = (char)piece.ptr[i];
        }
    }
    if (plait_sim_random(p->sim, 60) == 0) {
        p->paused = response;
        plait_response_pause(response);
        plait_timer_arm(&p->resume, plait_millis((int64_t)plait_sim_random(p->sim, 3000)));
    }
    return PLAIT_OK;
}

static void ended(struct plait_result *result, void *ctx)
{
    struct page *p = ctx;
    p->fetch = NULL;
    plait_timer_stop(&p->resume);
    if (p->seen < EVENTS)
        plait_timer_arm(&p->again, plait_millis(100 + (int64_t)plait_sim_random(p->sim, 400)));
    plait_result_set(result, plait_value_num(0));
}

static void ask(void *ctx)
{
    struct page *p = ctx;
    char last[24];
    (void)snprintf(last, sizeof last, "%llu", (unsigned long long)p->seen);
    const struct plait_http_field field = {"Last-Event-ID", last};
    const struct plait_fetch_options options = {
        .fields = &field, .field_count = 1, .version = p->version, .data = take, .ctx = p, .idle = plait_seconds(20)};
    p->line_len = 0;
    p->whole = false;
    p->asked++;
    p->fetch = plait_http_fetch(p->http, "http://server/", &options);
    if (plait_then(p->fetch, ended, p) != PLAIT_OK)
        plait_sim_fail(p->sim, "no memory for a fetch");
}

static bool any_waits(void *ctx)
{
    const struct page *pages = ctx;
    for (size_t i = 0; i < PAGES; i++) {
        if (pages[i].seen < EVENTS)
            return true;
    }
    return false;
}

static void run(struct plait_sim *sim)
{
    struct page pages[PAGES];
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "client"));
    struct plait_http_client *http = plait_http_client_new(r, NULL);
    if (!http || !serve(sim, plait_sim_host(sim, "server")))
        plait_sim_fail(sim, "there is no memory for a client");
    for (size_t i = 0; i < PAGES; i++) {
        struct page *p = &pages[i];
        *p = (struct page){.sim = sim, .http = http, .number = i};
        p->version = plait_sim_random(sim, 2) ? PLAIT_HTTP_2 : PLAIT_HTTP_1;
        plait_timer_init(&p->again, r, "again", ask, p);
        plait_timer_init(&p->resume, r, "resume", resume, p);
        plait_timer_arm(&p->again, plait_millis((int64_t)plait_sim_random(sim, 500)));
    }
    plait_sim_run_while(sim, plait_seconds(900), any_waits, pages);
    for (size_t i = 0; i < PAGES; i++) {
        if (pages[i].seen < EVENTS)
            plait_sim_fail(sim, "page %zu has seen %llu events and asked %zu times", i,
                           (unsigned long long)pages[i].seen, pages[i].asked);
        plait_timer_stop(&pages[i].again);
        if (pages[i].fetch)
            plait_deferred_cancel(pages[i].fetch);
        plait_timer_stop(&pages[i].resume);
    }
    plait_sim_run_for(sim, plait_seconds(2));
    for (size_t i = 0; i < PAGES; i++)
        plait_timer_stop(&pages[i].again);
    plait_http_client_free(&http);
    plait_sim_run_for(sim, plait_seconds(150)); /* whoever was not told of the end finds it out */
    plait_sim_check_end(sim);                   /* while the pages still stand */
}

const struct plait_scenario scenario_events = {.name = "events", .faults = PLAIT_SIM_ALL, .run = run};
