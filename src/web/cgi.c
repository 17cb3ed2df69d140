/* SPDX-License-Identifier: MIT
 *
 * CGI (RFC 3875): a program for each request, with the request's body on its standard input, the answer on its standard
 * output, and what else it has to say in our log. The program has a session and a process group of its own, and nothing
 * of it outlives its request but what it does after its answer is complete, for as long as it may live at all.
 *
 * It isn't the place of the protocol: gateway.c has the request, cgi_wire.c the header. Invariant: a run is freed when
 * its process, its streams and its request have all let go of it; `running` counts processes. Test:
 * tests/web/test_cgi.c.
 */
#include "base/try.h"
#include "web/gateway_core.h"

#include <plait/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

enum { AT_ONCE = 32, SILENCE_S = 60, LIFE_S = 3600, GATHER_MAX = 16 << 20, GRACE_MS = 2000 };
enum { VARS_MAX = 1 << 18, INPUT_HIGH = 32768 };

static const uint64_t output_max_usual = 1 << 30;

/* What a resource was told. */
struct cgi {
    size_t refs; /* the resource and its runs */
    struct plait_reactor *reactor;
    struct plait_cgi_options options;
    bool folder;
    size_t running;
    char *path, *root;
    struct plait_buf env; /* more variables, each with a NUL */
};

/* One program for one request. */
struct run {
    struct plait__gateway gateway;
    struct cgi *cgi;
    size_t holders;
    struct plait_process *process;
    struct plait_stream *in, *out, *errors;
    struct plait_timer life; /* and then the grace */
    bool ending;
    struct plait__cgi_facts facts;
    char path[]; /* of the program */
};

#define RUN_OF(g) plait__container((g), struct run, gateway)

static void cgi_unref(void *ctx)
{
    struct cgi *c = ctx;
    if (--c->refs > 0)
        return;
    plait_buf_deinit(&c->env);
    plait_mem_free(c->root);
    plait_mem_free(c->path);
    plait_mem_free(c);
}

static void run_unref(struct run *r)
{
    if (--r->holders > 0)
        return;
    plait_timer_stop(&r->life);
    cgi_unref(r->cgi);
    plait_mem_free(r);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static void on_exit(struct plait_result *result, void *ctx)
{
    struct run *r = ctx;
    if (result->fault.err == PLAIT_OK && result->value.num != 0 && !r->ending)
        plait__gateway_status(&r->gateway, result->value.num);
    plait_result_set(result, plait_value_num(0));
    plait_process_free(&r->process);
    plait_timer_stop(&r->life);
    r->cgi->running--;
    run_unref(r);
}

/* Asks the group to end, and sees to it a little later. */
static void end_process(struct run *r)
{
    if (!r->process || r->ending)
        return;
    r->ending = true;
    if (plait_process_signal(r->process, SIGTERM) == PLAIT_OK) /* else it is dead, and its end is told */
        plait_timer_arm(&r->life, plait_millis(GRACE_MS));
}

static void on_life(void *ctx)
{
    struct run *r = ctx;
    if (r->ending) {
        plait_process_free(&r->process); /* kills the group; its end is told */
        return;
    }
    plait__gateway_fail(&r->gateway, 504, "it ran for longer than it may");
    end_process(r);
}

/* --- its streams -------------------------------------------------------------------------------------------------- */

static void in_room(struct plait_stream *s, void *self)
{
    struct run *r = self;
    (void)s;
    plait__gateway_hold(&r->gateway, false);
}

/* A program need not read all: what comes then is thrown away. */
static void in_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct run *r = self;
    (void)s;
    (void)fault;
    r->in = NULL;
    plait__gateway_hold(&r->gateway, false);
    run_unref(r);
}

static const struct plait_protocol in_protocol = {.name = "cgi input", .room = in_room, .lost = in_lost};

static size_t out_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct run *r = self;
    plait__gateway_output(&r->gateway, in);
    if (plait__gateway_is_full(&r->gateway))
        plait_pause(s);
    return in.len;
}

static void out_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct run *r = self;
    (void)s;
    r->out = NULL;
    if (fault->err == PLAIT_EEOF)
        plait__gateway_end(&r->gateway);
    else
        plait__gateway_fail(&r->gateway, 502, "its output could not be read");
    run_unref(r);
}

static const struct plait_protocol out_protocol = {.name = "cgi output", .data = out_data, .lost = out_lost};

static size_t errors_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct run *r = self;
    (void)s;
    plait__gateway_errors(&r->gateway, in);
    return in.len;
}

static void errors_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct run *r = self;
    (void)s;
    (void)fault;
    plait__gateway_errors_end(&r->gateway);
    r->errors = NULL;
    run_unref(r);
}

static const struct plait_protocol errors_protocol = {.name = "cgi errors", .data = errors_data, .lost = errors_lost};

static void take_stream(struct run *r, struct plait_stream **place, struct plait_stream *s,
                        const struct plait_protocol *protocol)
{
    *place = s;
    r->holders++;
    plait_stream_attach(s, protocol, r);
}

/* --- what the gateway asks ---------------------------------------------------------------------------------------- */

static void feed(struct run *r, plait_slice piece, bool end)
{
    plait_write(r->in, piece);
    if (end)
        plait_close(r->in);
    else if (plait_is_full(r->in))
        plait__gateway_hold(&r->gateway, true);
}

/* What comes for a program that reads no more is thrown away. */
static void run_input(struct plait__gateway *g, plait_slice piece, bool end)
{
    struct run *r = RUN_OF(g);
    if (r->in)
        feed(r, piece, end);
}

static void run_resume(struct plait__gateway *g)
{
    struct run *r = RUN_OF(g);
    if (r->out)
        plait_resume(r->out);
}

static void run_over(struct plait__gateway *g)
{
    struct run *r = RUN_OF(g);
    if (r->in)
        plait_abort(r->in);
    if (r->out)
        plait_abort(r->out);
    if (!g->whole)
        end_process(r);
    run_unref(r);
}

/* The environment as execve wants it: pointers, then their texts. Returns NULL without memory. */
static const char **make_env(const struct run *r, struct plait_buf *text)
{
    const struct cgi *c = r->cgi;
    const char *path = c->reactor->sys->ops->env(c->reactor->sys, "PATH");
    size_t count = 0, n = 0;
    plait_buf_put_text(text, "PATH=");
    plait_buf_put_text(text, path ? path : "/usr/local/bin:/usr/bin:/bin");
    plait_buf_put_u8(text, 0);
    plait__cgi_vars(text, r->gateway.req, &r->facts);
    plait_buf_put(text, plait_buf_slice(&c->env));
    const plait_slice all = plait_buf_slice(text);
    for (size_t i = 0; i < all.len; i++)
        count += all.ptr[i] == 0;
    const char **env =
        text->err ? NULL : plait_mem_new(plait_reactor_budget(c->reactor), (count + 1) * sizeof(const char *));
    for (size_t at = 0; env && at < all.len; at = plait_slice_find_byte(all, 0, at) + 1)
        env[n++] = (const char *)all.ptr + at;
    return env;
}

static plait_err spawn(struct run *r, bool has_input, struct plait_child_map map[3])
{
    const char *slash = strrchr(r->path, '/');
    struct plait_buf text;
    plait_buf_init(&text, plait_reactor_budget(r->cgi->reactor), VARS_MAX);
    const char **env = make_env(r, &text);
    char *cwd = plait_mem_text(plait_reactor_budget(r->cgi->reactor), r->path,
                               slash == r->path ? 1 : (size_t)(slash - r->path));
    map[0] = (struct plait_child_map){.child_fd = 0, .kind = has_input ? PLAIT_CHILD_PIPE_IN : PLAIT_CHILD_NULL};
    map[1] = (struct plait_child_map){.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT};
    map[2] = (struct plait_child_map){.child_fd = 2, .kind = PLAIT_CHILD_PIPE_OUT};
    struct plait_spawn_options options = {.path = r->path,
                                          .env = env,
                                          .cwd = cwd,
                                          .map = map,
                                          .map_count = 3,
                                          .new_session = true,
                                          .group = true,
                                          .kill_with_parent = true};
    const plait_err err = env && cwd ? plait_spawn(r->cgi->reactor, &options, &r->process) : PLAIT_FAIL(PLAIT_ENOMEM);
    plait_mem_free(cwd);
    plait_mem_free(env);
    plait_buf_deinit(&text);
    return err;
}

static void run_start(struct plait__gateway *g, uint64_t length, plait_slice gathered)
{
    struct run *r = RUN_OF(g);
    struct plait_child_map map[3];
    r->facts.length = length;
    const plait_err err = spawn(r, length > 0, map);
    if (err != PLAIT_OK) {
        const bool later = err == PLAIT_ENOMEM || err == PLAIT_EDESCRIPTORS || err == PLAIT_EAGAIN;
        plait__gateway_fail(g, later ? 503 : 500, plait_err_text(err));
        return;
    }
    r->cgi->running++;
    r->holders += 2; /* the process, and this call */
    if (map[0].stream) {
        take_stream(r, &r->in, map[0].stream, &in_protocol);
        plait_stream_stall(r->in, r->gateway.patience);
        plait_stream_marks(r->in, INPUT_HIGH, INPUT_HIGH / 4);
    }
    take_stream(r, &r->out, map[1].stream, &out_protocol);
    take_stream(r, &r->errors, map[2].stream, &errors_protocol);
    if (r->cgi->options.life != PLAIT_NEVER)
        plait_timer_arm(&r->life, r->cgi->options.life);
    if (plait_then(plait_process_exit(r->process), on_exit, r) != PLAIT_OK) {
        plait_process_free(&r->process);
        r->cgi->running--;
        r->holders--;
        plait__gateway_fail(g, 503, "there is no memory to wait for its end");
    } else if (gathered.len) {
        run_input(g, gathered, true);
    }
    run_unref(r);
}

static const struct plait__gateway_ops run_ops = {
    .start = run_start, .input = run_input, .resume = run_resume, .over = run_over};

/* --- which program ------------------------------------------------------------------------------------------------ */

static struct run *run_new(struct cgi *c, const char *path)
{
    const size_t len = strlen(path) + 1;
    struct run *r = plait_mem_new(plait_reactor_budget(c->reactor), sizeof(*r) + len);
    if (!r)
        return NULL;
    memcpy(r->path, path, len);
    r->holders = 1; /* the request */
    r->cgi = c;
    c->refs++;
    r->gateway.ops = &run_ops;
    r->gateway.name = plait_slice_text(r->path);
    r->gateway.patience = c->options.silence;
    r->gateway.output_max = c->options.output_max;
    r->facts.filename = r->gateway.name;
    r->facts.root = plait_slice_text(c->root);
    r->facts.authorization = c->options.authorization;
    plait_timer_init(&r->life, c->reactor, "cgi", on_life, r);
    return r;
}

static void answer(struct plait_request *req, void *ctx)
{
    struct cgi *c = ctx;
    char path[PLAIT__GW_PATH];
    size_t used = 0;
    memcpy(path, c->path, strlen(c->path) + 1);
    const int found = c->folder ? plait__gateway_find(c->reactor->sys, req->rest, path, &used) : PLAIT__GW_PROGRAM;
    if (found != PLAIT__GW_PROGRAM) {
        plait_reply_error(req, found == PLAIT__GW_FOLDER ? 404 : found == PLAIT__GW_FILE ? 403 : found, NULL);
        return;
    }
    struct run *r = c->running < c->options.at_once ? run_new(c, path) : NULL;
    if (!r || plait__gateway_begin(&r->gateway, req) != PLAIT_OK) {
        if (r)
            run_unref(r);
        (void)plait_reply_field(req, "Retry-After", PLAIT_LIT("1"));
        plait_reply_error(req, 503, NULL);
        return;
    }
    plait__cgi_split(req, used, &r->facts);
    if (plait__gateway_read(&r->gateway, c->options.gather_max) != PLAIT_OK)
        plait__gateway_fail(&r->gateway, 500, "the request's body is read already");
}

/* --- resources ---------------------------------------------------------------------------------------------------- */

static plait_err copy_options(struct cgi *c, const char *path, const struct plait_cgi_options *options)
{
    struct plait_budget *budget = plait_reactor_budget(c->reactor);
    struct plait_cgi_options *o = &c->options;
    if (options)
        *o = *options;
    o->at_once = o->at_once ? o->at_once : AT_ONCE;
    o->silence = o->silence ? o->silence : plait_seconds(SILENCE_S);
    o->life = o->life ? o->life : plait_seconds(LIFE_S);
    o->output_max = o->output_max ? o->output_max : output_max_usual;
    o->gather_max = o->gather_max ? o->gather_max : GATHER_MAX;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    plait_buf_init(&c->env, budget, VARS_MAX / 2);
    PLAIT_TRY(plait__gateway_env(o->env, &c->env));
    c->path = plait_mem_text(budget, path, len);
    c->root = o->root ? plait_mem_text(budget, o->root, strlen(o->root)) : NULL;
    return c->path && (c->root || !o->root) ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

/* Whether a path is what a resource wants: a program, or a folder. */
static plait_err check_path(struct plait_reactor *r, const char *path, bool folder)
{
    struct stat st;
    if (path[0] != '/' || strlen(path) >= PLAIT__GW_PATH)
        return PLAIT_FAIL(PLAIT_EINVAL);
    const int res = r->sys->ops->fstatat(r->sys, AT_FDCWD, path, &st, 0);
    if (res < 0)
        return PLAIT_FAIL(plait_err_from_errno(-res));
    if (folder)
        return S_ISDIR(st.st_mode) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EINVAL);
    return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? PLAIT_OK : PLAIT_FAIL(PLAIT_EACCESS);
}

static plait_err cgi_new(struct plait_reactor *reactor, const char *path, bool folder,
                         const struct plait_cgi_options *options, struct plait_resource **out)
{
    PLAIT_TRY(check_path(reactor, path, folder));
    struct cgi *c = plait_mem_new(plait_reactor_budget(reactor), sizeof(*c));
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    c->refs = 1;
    c->reactor = reactor;
    c->folder = folder;
    plait_err err = copy_options(c, path, options);
    struct plait_resource *made = err ? NULL : plait_resource_new(reactor);
    if (!made) {
        cgi_unref(c);
        return err ? err : PLAIT_FAIL(PLAIT_ENOMEM);
    }
    (void)plait_resource_on(made, "*", "", answer, c); /* cannot fail: it is the first */
    plait_resource_leaf(made);
    *out = made;
    return plait_resource_own(made, c, cgi_unref); /* nor can this */
}

plait_err plait_cgi_new(struct plait_reactor *reactor, const char *program, const struct plait_cgi_options *options,
                        struct plait_resource **out)
{
    return cgi_new(reactor, program, false, options, out);
}

plait_err plait_cgi_folder_new(struct plait_reactor *reactor, const char *folder,
                               const struct plait_cgi_options *options, struct plait_resource **out)
{
    return cgi_new(reactor, folder, true, options, out);
}
