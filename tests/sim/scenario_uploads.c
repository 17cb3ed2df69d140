/* SPDX-License-Identifier: MIT
 *
 * Uploads of files in multipart forms: several clients at once, names that are taken, hidden or outside, bodies that
 * break off, clients that leave, and now and then a server that loses its power. A file that stands is whole and one
 * client's; one that was answered with 201 stands, also after the power came back.
 */
#include "tests/sim/scenarios.h"

#include <plait/http_client.h>
#include <plait/web.h>

#include <stdio.h>

enum { UPLOADS = 14, NAMES = 10, LARGEST = 60000, HEAD = 400 };

enum kind {
    WHOLE,
    BROKEN_OFF, /* ends before the last boundary */
    HIDDEN,     /* a name that begins with a dot */
    OUTSIDE,    /* a name with a path in front: it counts as its last part */
    KINDS,
};

struct world;

struct one {
    struct world *w;
    struct plait_timer start;
    size_t key, name, bytes, at, end;
    enum kind kind;
    unsigned ends;
    int status; /* of the upload, 0 for none */
    bool seen;  /* the file was looked at */
    char *text; /* the body */
};

struct world {
    struct plait_sim *sim;
    struct plait_host *server;
    struct plait_http_client *http;
    bool overwrite, crashed;
    struct one up[UPLOADS];
};

static char byte_at(size_t key, size_t i)
{
    return (char)('a' + (i * 7 + key * 3 + i / 97) % 26);
}

/* --- the server --------------------------------------------------------------------------------------------------- */

static void uploaded(struct plait_request *req, const struct plait_uploaded *file, plait_err err, void *ctx)
{
    (void)ctx;
    if (err != PLAIT_OK)
        plait_reply_refusal(req, err);
    else
        plait_reply(req, 201, "text/plain", file->name);
}

static void take(struct plait_request *req, void *ctx)
{
    const struct world *w = ctx;
    const struct plait_upload_options options = {.overwrite = w->overwrite};
    (void)plait_request_upload(req, "/saved", &options, uploaded, ctx); /* a failure was answered */
}

static bool serve(struct world *w)
{
    struct plait_reactor *r = plait_host_reactor(w->server);
    struct plait_resource *root = plait_resource_new(r), *files;
    struct plait_address at;
    plait_host_address(w->server, PLAIT_ADDR_IP4, 80, &at);
    plait_err err = plait_files_new(r, "/saved", NULL, &files);
    if (!err) {
        (void)plait_resource_on(root, "POST", "up", take, w); /* listening tells of failures */
        (void)plait_resource_mount(root, "saved", files);
        err = plait_listen(r, &at, NULL, plait_http(root), NULL);
    }
    if (err)
        plait_sim_fail(w->sim, "serving failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the clients -------------------------------------------------------------------------------------------------- */

static void write_body(struct one *o)
{
    static const char *const before[KINDS] = {"", "", ".", "../../etc/"};
    char name[40];
    (void)snprintf(name, sizeof name, "%sf%zu", before[o->kind], o->name);
    o->end = (size_t)snprintf(
        o->text, HEAD, "--cut\r\nContent-Disposition: form-data; name=\"f\"; filename=\"%s\"\r\n\r\n%04zu:", name,
        o->key);
    for (size_t i = 0; i < o->bytes; i++)
        o->text[o->end++] = byte_at(o->key, i);
    if (o->kind != BROKEN_OFF)
        o->end += (size_t)snprintf(o->text + o->end, HEAD, "\r\n--cut--\r\n");
}

static void more(struct plait_upload *upload, void *ctx)
{
    struct one *o = ctx;
    while (o->at < o->end && !plait_upload_is_full(upload)) {
        const size_t piece = o->end - o->at < 3000 ? o->end - o->at : 3000;
        plait_upload_write(upload, plait_slice_of(o->text + o->at, piece));
        o->at += piece;
    }
    if (o->at == o->end)
        plait_upload_end(upload);
}

static void answered(struct plait_result *result, void *ctx)
{
    static const int refusal[KINDS] = {409, 400, 400, 409};
    struct one *o = ctx;
    o->ends++;
    o->status = result->fault.err ? 0 : plait_response_status(result->value.ptr);
    const bool refused = o->status == refusal[o->kind] && !(o->status == 409 && o->w->overwrite);
    if (o->status == 201 ? o->kind == HIDDEN || o->kind == BROKEN_OFF : o->status != 0 && !refused)
        plait_sim_fail(o->w->sim, "upload %zu of kind %d got %d", o->key, (int)o->kind, o->status);
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    struct one *o = ctx;
    const struct plait_upload_source source = {
        .length = o->key % 2 ? o->end : PLAIT_LENGTH_UNKNOWN, .room = more, .ctx = o};
    const struct plait_http_field type = {"Content-Type", "multipart/form-data; boundary=cut"};
    const struct plait_fetch_options options = {
        .method = "POST", .fields = &type, .field_count = 1, .upload = &source, .expect_continue = o->key % 3 == 0};
    struct plait_deferred *d = plait_http_fetch(o->w->http, "http://server/up", &options);
    if (plait_then(d, answered, o) != PLAIT_OK)
        plait_sim_fail(o->w->sim, "no memory for a fetch");
    if (o->key % 5 == 4)
        plait_deferred_deadline(d, plait_millis((int64_t)plait_sim_random(o->w->sim, 400)));
}

static bool plan(struct world *w, struct plait_reactor *r, struct plait_budget *budget)
{
    for (size_t i = 0; i < UPLOADS; i++) {
        struct one *o = &w->up[i];
        o->w = w;
        o->key = i;
        o->name = plait_sim_random(w->sim, NAMES);
        o->bytes = plait_sim_random(w->sim, LARGEST);
        o->kind = plait_sim_random(w->sim, 4) ? WHOLE : (enum kind)plait_sim_random(w->sim, KINDS);
        o->text = plait_mem_new(budget, o->bytes + 2 * (size_t)HEAD);
        if (!o->text)
            return false;
        write_body(o);
        plait_timer_init(&o->start, r, "start", start, o);
        plait_timer_arm(&o->start, plait_millis((int64_t)plait_sim_random(w->sim, 3000)));
    }
    return true;
}

/* --- what stands afterwards --------------------------------------------------------------------------------------- */

/* The upload that a file's bytes are whole of, or NULL. */
static struct one *owner_of(struct world *w, size_t name, plait_slice file)
{
    uint64_t key;
    if (file.len < 5 || plait_slice_to_u64(plait_slice_sub(file, 0, 4), UPLOADS - 1, &key) != PLAIT_OK)
        return NULL;
    struct one *o = &w->up[key];
    const size_t head = o->end - o->bytes - 5 - strlen("\r\n--cut--\r\n");
    if (o->kind == BROKEN_OFF || o->name != name || file.len != o->bytes + 5)
        return NULL;
    return plait_slice_equal(file, plait_slice_of(o->text + head, o->bytes + 5)) ? o : NULL;
}

struct look {
    struct world *w;
    size_t name;
    unsigned ends;
};

static void looked(struct plait_result *result, void *ctx)
{
    struct look *l = ctx;
    struct world *w = l->w;
    const int status = result->fault.err ? 0 : plait_response_status(result->value.ptr);
    l->ends++;
    struct one *owner = status == 200 ? owner_of(w, l->name, plait_response_body(result->value.ptr)) : NULL;
    if (status != 200 && status != 404)
        plait_sim_fail(w->sim, "file %zu can't be had: %d, %s", l->name, status, plait_err_name(result->fault.err));
    if (status == 200 && !owner)
        plait_sim_fail(w->sim, "file %zu is not what anybody sent", l->name);
    for (size_t i = 0; i < UPLOADS; i++) {
        const struct one *o = &w->up[i];
        const bool stands = owner && (owner == o || w->overwrite);
        if (o->name == l->name && o->status == 201 && !stands)
            plait_sim_fail(w->sim, "upload %zu was answered 201, and file %zu is another", i, l->name);
    }
    plait_result_set(result, plait_value_num(0));
}

/* Every file is fetched over a network without faults. */
static void look_at_files(struct world *w)
{
    struct look look[NAMES];
    char url[40];
    plait_sim_faults(w->sim, 0);
    for (size_t i = 0; i < NAMES; i++) {
        look[i] = (struct look){.w = w, .name = i};
        (void)snprintf(url, sizeof url, "http://server/saved/f%zu", i);
        const struct plait_fetch_options options = {.retries = 3};
        if (plait_then(plait_http_fetch(w->http, url, &options), looked, &look[i]) != PLAIT_OK)
            plait_sim_fail(w->sim, "no memory for a fetch");
    }
    plait_sim_run_for(w->sim, plait_seconds(120));
    for (size_t i = 0; i < NAMES; i++) {
        if (look[i].ends != 1)
            plait_sim_fail(w->sim, "file %zu was told of %u times", i, look[i].ends);
    }
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static void check_ends(const struct world *w)
{
    unsigned saved = 0;
    for (size_t i = 0; i < UPLOADS; i++) {
        if (w->up[i].ends != 1)
            plait_sim_fail(w->sim, "upload %zu ended %u times", i, w->up[i].ends);
        saved += w->up[i].status == 201;
    }
    if (saved == 0 && !w->crashed)
        plait_sim_fail(w->sim, "nothing was saved");
}

static void upload_all(struct world *w)
{
    if (plait_sim_random(w->sim, 3) == 0) {
        plait_sim_run_for(w->sim, plait_millis(200 + (int64_t)plait_sim_random(w->sim, 4000)));
        w->crashed = true;
        plait_host_crash(w->server);
        plait_sim_run_for(w->sim, plait_seconds(2));
        plait_host_restart(w->server);
        if (!serve(w))
            return;
    }
    plait_sim_run_for(w->sim, plait_seconds(400));
    check_ends(w);
    look_at_files(w);
}

static void run_in(struct plait_sim *sim, struct plait_budget *budget, struct world *w)
{
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(sim, "client"));
    w->sim = sim;
    w->server = plait_sim_host(sim, "server");
    w->overwrite = plait_sim_random(sim, 2);
    w->http = plait_http_client_new(r, NULL);
    if (!w->http || plait_host_write_file(w->server, "/saved/.keep", "", 0) != PLAIT_OK || !plan(w, r, budget))
        plait_sim_fail(sim, "there is no memory");
    else if (serve(w))
        upload_all(w);
    for (size_t i = 0; i < UPLOADS; i++)
        plait_timer_stop(&w->up[i].start);
    plait_http_client_free(&w->http);
    plait_sim_check_end(sim); /* while what the fetches tell of stands */
    for (size_t i = 0; i < UPLOADS; i++)
        plait_mem_free(w->up[i].text);
}

static void run(struct plait_sim *sim)
{
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    struct world *w = plait_mem_new(&budget, sizeof *w);
    if (w)
        run_in(sim, &budget, w);
    else
        plait_sim_fail(sim, "there is no memory");
    plait_mem_free(w);
}

const struct plait_scenario scenario_uploads = {.name = "uploads", .faults = PLAIT_SIM_ALL, .run = run};
