/* SPDX-License-Identifier: MIT
 *
 * The resource of a FastCGI application: its options, and which script a path names. Files are looked for here, as the
 * application will find them: a name that leads to no script never reaches it, and what is behind a script's name is
 * PATH_INFO only if the script is there.
 *
 * Invariant: SCRIPT_FILENAME is a file beneath the root, whose name ends in the suffix and has no hidden part. Test:
 * tests/web/test_fastcgi_script.c.
 */
#include "web/fastcgi_core.h"

#include "base/try.h"

#include <plait/listen.h>
#include <plait/web.h>

enum { CONNECTIONS = 64, WAITING = 256, CONNECT_S = 5, SILENCE_S = 60, IDLE_S = 30, GATHER_MAX = 1 << 20 };
enum { ENV_MAX = 1 << 17, SUFFIX_MAX = 100 };

static const uint64_t output_max_usual = 1 << 30;

/* --- scripts ------------------------------------------------------------------------------------------------------ */

/* Where a path led. */
struct found {
    char path[PLAIT__GW_PATH];
    size_t used; /* of what was left of the request's path; the rest is PATH_INFO */
};

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Follows `rest` beneath what was found. Returns as plait__gateway_find, PLAIT__GW_PROGRAM for a script. */
static int follow(const struct plait__fastcgi *f, plait_slice rest, struct found *found)
{
    const int kind = plait__gateway_find(f->reactor->sys, rest, found->path, &found->used);
    if (kind != PLAIT__GW_PROGRAM && kind != PLAIT__GW_FILE)
        return kind;
    return ends_with(found->path, f->suffix) ? PLAIT__GW_PROGRAM : PLAIT__GW_FILE;
}

static int follow_from_root(const struct plait__fastcgi *f, plait_slice rest, struct found *found)
{
    memcpy(found->path, f->root, strlen(f->root) + 1);
    return follow(f, rest, found);
}

static int find_script(const struct plait__fastcgi *f, const struct plait_request *req, struct found *found)
{
    char index[SUFFIX_MAX + 8] = "index";
    int kind = follow_from_root(f, req->rest, found);
    if (kind == PLAIT__GW_FOLDER && req->path.ptr[req->path.len - 1] == '/') {
        memcpy(index + 5, f->suffix, strlen(f->suffix) + 1);
        if (follow(f, plait_slice_text(index), found) == PLAIT__GW_PROGRAM)
            kind = PLAIT__GW_PROGRAM;
        found->used = req->rest.len;
    } else if (kind == 404 && f->front) {
        kind = follow_from_root(f, plait_slice_text(f->front), found);
        found->used = req->rest.len;
    }
    return kind;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void run_script(struct plait__fastcgi *f, struct plait_request *req, const struct found *found)
{
    const plait_slice path = req->path, name = plait_slice_text(found->path + strlen(f->root));
    const size_t reached = path.len - req->rest.len; /* the resource's own part of the path */
    const size_t before = reached - (path.ptr[reached - 1] == '/');
    char *script = plait_request_memory(req, before + name.len);
    if (!script) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    memcpy(script, path.ptr, before);
    memcpy(script + before, name.ptr, name.len);
    plait__fastcgi_run(f, req, plait_slice_text(found->path), plait_slice_of(script, before + name.len),
                       plait_slice_sub(path, reached + found->used, path.len));
}

static void answer(struct plait_request *req, void *ctx)
{
    struct plait__fastcgi *f = ctx;
    struct plait__cgi_facts facts;
    struct found found;
    if (!f->root) {
        plait__cgi_split(req, 0, &facts);
        plait__fastcgi_run(f, req, PLAIT_LIT(""), facts.script, facts.info);
        return;
    }
    const int kind = find_script(f, req, &found);
    if (kind == PLAIT__GW_PROGRAM)
        run_script(f, req, &found);
    else if (kind == 403 || kind == 503)
        plait_reply_error(req, kind, NULL);
    else if (f->options.others)
        plait_request_pass_to(req, f->options.others);
    else
        plait_reply_error(req, 404, NULL);
}

/* --- the resource ------------------------------------------------------------------------------------------------- */

void plait__fastcgi_unref(struct plait__fastcgi *f)
{
    if (--f->refs > 0)
        return;
    if (f->options.others)
        plait_resource_unref(&f->options.others);
    plait_buf_deinit(&f->env);
    plait_mem_free(f->endpoint);
    plait_mem_free(f->root);
    plait_mem_free(f->suffix);
    plait_mem_free(f->front);
    plait_mem_free(f);
}

static void destroy(void *ctx)
{
    plait__fastcgi_close(ctx);
    plait__fastcgi_unref(ctx);
}

static void fill(struct plait_fastcgi_options *o)
{
    o->connections = o->connections ? o->connections : CONNECTIONS;
    o->waiting = o->waiting ? o->waiting : WAITING;
    o->connect = o->connect ? o->connect : plait_seconds(CONNECT_S);
    o->silence = o->silence ? o->silence : plait_seconds(SILENCE_S);
    o->idle = o->idle ? o->idle : plait_seconds(IDLE_S);
    o->output_max = o->output_max ? o->output_max : output_max_usual;
    o->gather_max = o->gather_max ? o->gather_max : GATHER_MAX;
    o->suffix = o->suffix ? o->suffix : ".php";
}

/* Copies a text, without slashes at its end; NULL is one. */
static plait_err keep_text(struct plait__fastcgi *f, const char *text, char **out)
{
    size_t len = text ? strlen(text) : 0;
    while (len > 1 && text[len - 1] == '/')
        len--;
    *out = text ? plait_mem_text(plait_reactor_budget(f->reactor), text, len) : NULL;
    return *out || !text ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

static plait_err keep(struct plait__fastcgi *f, const char *endpoint)
{
    const struct plait_fastcgi_options *o = &f->options;
    if ((o->root && (o->root[0] != '/' || strlen(o->root) >= PLAIT__GW_PATH)) || strlen(o->suffix) > SUFFIX_MAX ||
        strchr(o->suffix, '/'))
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(plait__gateway_env(o->env, &f->env));
    PLAIT_TRY(keep_text(f, endpoint, &f->endpoint));
    PLAIT_TRY(keep_text(f, o->root, &f->root));
    PLAIT_TRY(keep_text(f, o->suffix, &f->suffix));
    return keep_text(f, o->front, &f->front);
}

static struct plait__fastcgi *fastcgi_new(struct plait_reactor *reactor, const struct plait_fastcgi_options *options)
{
    struct plait__fastcgi *f = plait_mem_new(plait_reactor_budget(reactor), sizeof *f);
    if (!f)
        return NULL;
    if (options)
        f->options = *options;
    fill(&f->options);
    f->refs = 1;
    f->reactor = reactor;
    f->options.others = f->options.others ? plait_resource_ref(f->options.others) : NULL;
    plait__list_init(&f->line);
    plait__list_init(&f->idle);
    plait_buf_init(&f->env, plait_reactor_budget(reactor), ENV_MAX);
    return f;
}

plait_err plait_fastcgi_new(struct plait_reactor *reactor, const char *endpoint,
                            const struct plait_fastcgi_options *options, struct plait_resource **out, char *why)
{
    PLAIT_TRY(plait_connect_check(reactor, endpoint, why));
    struct plait__fastcgi *f = fastcgi_new(reactor, options);
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const plait_err err = keep(f, endpoint);
    struct plait_resource *made = err ? NULL : plait_resource_new(reactor);
    if (!made) {
        destroy(f);
        return err ? err : PLAIT_FAIL(PLAIT_ENOMEM);
    }
    (void)plait_resource_on(made, "*", "", answer, f); /* cannot fail: it is the first */
    plait_resource_leaf(made);
    *out = made;
    return plait_resource_own(made, f, destroy); /* nor can this */
}
