/* SPDX-License-Identifier: MIT
 *
 * A request whose answer a program makes: its body goes to the program as fast as that takes it, what the program says
 * is read up to its head, judged, and sent as the client takes it. A Location that is a path of ours has the request
 * answered by another resource, once its body has come.
 *
 * It isn't a transport: cgi.c has pipes, fastcgi.c connections. Invariant: `over` comes exactly once, whoever ends the
 * request first; until then g->req is the request, and afterwards nothing touches it. The request knows its gateway
 * through a link in the request's own memory, which outlives the gateway. Test: tests/web/test_cgi.c.
 */
#include "web/gateway_core.h"

#include "base/try.h"

#include <errno.h>
#include <fcntl.h>

enum { HALF_S = 5 };

struct plait__gateway_link {
    struct plait__gateway *gateway; /* NULL: it has let go of the request */
};

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Parts gateway and request. */
static struct plait_request *let_go(struct plait__gateway *g)
{
    struct plait_request *req = g->req;
    g->req = NULL;
    g->link->gateway = NULL;
    plait_timer_stop(&g->silence);
    plait_buf_deinit(&g->text);
    return req;
}

static void on_done(struct plait_request *req, void *ctx)
{
    struct plait__gateway *g = ((struct plait__gateway_link *)ctx)->gateway;
    (void)req;
    if (!g)
        return;
    (void)let_go(g);
    g->ops->over(g);
}

static const struct plait_filter watcher = {.done = on_done};

/* A client that closed its side may still read, or have left: only writing would tell. So it gets its answer if the
 * program is not silent for long. */
static void on_gone(struct plait_request *req, void *ctx)
{
    struct plait__gateway *g = ((struct plait__gateway_link *)ctx)->gateway;
    if (!req->carrier) {
        plait_request_drop(req);
        return;
    }
    plait_request_gone(req, on_gone, ctx);
    g->half = true;
    if (g->patience > plait_seconds(HALF_S))
        g->patience = plait_seconds(HALF_S);
    if (!g->waits)
        plait__gateway_touch(g);
}

void plait__gateway_fail(struct plait__gateway *g, int status, const char *why)
{
    if (!g->req)
        return;
    const struct plait_field fields[] = {
        plait_field_bytes("program", g->name), plait_field_text("reason", why), {.kind = PLAIT_FIELD_END}};
    plait_log_event(plait_reactor_log(g->reactor), PLAIT_LOG_WARN, "web", "gateway-failed",
                    "a program did not answer as it should", fields);
    const bool begun = g->phase == PLAIT__GW_BODY;
    struct plait_request *req = let_go(g);
    if (begun)
        plait_request_drop(req);
    else
        plait_reply_error(req, status, NULL);
    g->ops->over(g);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

void plait__gateway_touch(struct plait__gateway *g)
{
    if (g->req && g->patience != PLAIT_NEVER)
        plait_timer_arm(&g->silence, g->patience);
}

static void on_silence(void *ctx)
{
    struct plait__gateway *g = ctx;
    if (g->half)
        plait_request_drop(g->req);
    else
        plait__gateway_fail(g, 504, "it was silent for too long");
}

static void on_room(struct plait_request *req, void *ctx)
{
    struct plait__gateway *g = ((struct plait__gateway_link *)ctx)->gateway;
    const bool waits = g && g->waits;
    (void)req;
    if (waits) {
        g->waits = false;
        plait__gateway_touch(g);
        g->ops->resume(g);
    }
}

bool plait__gateway_is_full(struct plait__gateway *g)
{
    g->waits = g->req && g->phase == PLAIT__GW_BODY && plait_reply_is_full(g->req);
    if (g->waits)
        plait_timer_stop(&g->silence); /* it is the client who is slow: the server has limits for that */
    return g->waits;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

/* Another resource answers: the request goes through the tree again. */
static void go_local(struct plait__gateway *g)
{
    const plait_slice text = plait_buf_slice(&g->text);
    const plait_slice location = plait__cgi_head_value(&g->head, text.ptr, g->head.location);
    if (!plait__request_again(g->req, location)) {
        plait__gateway_fail(g, 502, "its Location is a path that no request can have");
        return;
    }
    g->whole = true;
    struct plait_request *req = let_go(g);
    g->ops->over(g);
    plait__resource_again(req);
}

static void send_head(struct plait__gateway *g)
{
    const struct plait__cgi_head *h = &g->head;
    const uint8_t *window = plait_buf_slice(&g->text).ptr;
    char *type = NULL;
    for (size_t i = 0; i < h->count; i++) {
        plait_slice name, value;
        if (plait__cgi_head_field(h, window, i, &name, &value) && plait__reply_put(g->req, name, value) != PLAIT_OK) {
            plait__gateway_fail(g, 502, "its fields are more than an answer can have");
            return;
        }
    }
    if (h->type) {
        const plait_slice value = plait__cgi_head_value(h, window, h->type);
        type = plait_request_memory(g->req, value.len + 1);
        if (!type) {
            plait__gateway_fail(g, 503, "there is no memory for its type");
            return;
        }
        memcpy(type, value.ptr, value.len);
        type[value.len] = '\0';
    }
    g->phase = PLAIT__GW_BODY;
    plait_reply_room(g->req, on_room, g->link);
    plait_reply_begin(g->req, h->status, type, h->has_length ? h->length : PLAIT_LENGTH_UNKNOWN);
}

static void act(struct plait__gateway *g)
{
    if (g->head.kind == PLAIT__CGI_DOCUMENT) {
        send_head(g);
        return;
    }
    g->phase = PLAIT__GW_LOCAL;
    if (g->input_done)
        go_local(g);
    else
        plait__gateway_hold(g, false);
}

/* Takes a piece into the head; returns what of it is behind that. */
static plait_slice take_head(struct plait__gateway *g, plait_slice piece)
{
    const size_t before = g->text.len;
    plait_buf_put(&g->text, plait_slice_sub(piece, 0, PLAIT__CGI_HEAD_MAX - before));
    if (g->text.err) {
        plait__gateway_fail(g, 503, "there is no memory for its header");
        return plait_slice_of(NULL, 0);
    }
    const enum plait__cgi_step step = plait__cgi_head_read(&g->head, plait_buf_slice(&g->text));
    if (step == PLAIT__CGI_BAD)
        plait__gateway_fail(g, 502, g->head.why);
    if (step != PLAIT__CGI_DONE)
        return plait_slice_of(NULL, 0);
    act(g);
    return plait_slice_sub(piece, g->head.at - before, piece.len);
}

void plait__gateway_output(struct plait__gateway *g, plait_slice piece)
{
    plait__gateway_touch(g);
    if (g->req && g->phase == PLAIT__GW_HEAD)
        piece = take_head(g, piece);
    if (!g->req || g->phase != PLAIT__GW_BODY)
        return;
    if (piece.len > g->output_max) {
        plait__gateway_fail(g, 502, "its answer is longer than allowed");
        return;
    }
    g->output_max -= piece.len;
    plait_reply_write(g->req, piece);
}

void plait__gateway_end(struct plait__gateway *g)
{
    if (!g->req || g->phase == PLAIT__GW_LOCAL)
        return;
    if (g->phase == PLAIT__GW_HEAD) {
        plait__gateway_fail(g, 502, "it ended before its header did");
        return;
    }
    g->whole = true;
    struct plait_request *req = let_go(g);
    plait_reply_end(req);
    g->ops->over(g);
}

/* --- its standard error ------------------------------------------------------------------------------------------- */

void plait__gateway_errors_end(struct plait__gateway *g)
{
    plait_slice line = plait_slice_of(g->line, g->line_len);
    g->line_len = 0;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        return;
    const struct plait_field fields[] = {
        plait_field_bytes("program", g->name), plait_field_bytes("line", line), {.kind = PLAIT_FIELD_END}};
    plait_log_event(plait_reactor_log(g->reactor), PLAIT_LOG_NOTICE, "web", "gateway-stderr", "a program says", fields);
}

/* Lines, and pieces of those that are too long. */
void plait__gateway_errors(struct plait__gateway *g, plait_slice piece)
{
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.ptr[i] != '\n')
            g->line[g->line_len++] = (char)piece.ptr[i];
        if (piece.ptr[i] == '\n' || g->line_len == PLAIT__GW_LINE)
            plait__gateway_errors_end(g);
    }
}

void plait__gateway_status(const struct plait__gateway *g, int64_t status)
{
    const struct plait_field fields[] = {
        plait_field_bytes("program", g->name), plait_field_i64("status", status), {.kind = PLAIT_FIELD_END}};
    plait_log_event(plait_reactor_log(g->reactor), PLAIT_LOG_WARN, "web", "gateway-status",
                    "a program ended with a status that is not 0, or by a signal", fields);
}

/* --- which program ------------------------------------------------------------------------------------------------ */

static int look_at(struct plait_sys *sys, const char *path)
{
    struct stat st;
    const int res = sys->ops->fstatat(sys, AT_FDCWD, path, &st, 0);
    if (res == -EACCES)
        return 403;
    if (res < 0)
        return res == -ENOENT || res == -ENOTDIR || res == -ELOOP || res == -ENAMETOOLONG ? 404 : 503;
    if (S_ISDIR(st.st_mode))
        return PLAIT__GW_FOLDER;
    if (!S_ISREG(st.st_mode))
        return 404;
    return st.st_mode & 0111 ? PLAIT__GW_PROGRAM : PLAIT__GW_FILE;
}

int plait__gateway_find(struct plait_sys *sys, plait_slice rest, char path[PLAIT__GW_PATH], size_t *used)
{
    size_t len = strlen(path);
    int found = PLAIT__GW_FOLDER;
    *used = 0;
    while (found == PLAIT__GW_FOLDER && *used < rest.len) {
        const size_t slash = plait_slice_find_byte(rest, '/', *used);
        const plait_slice name = plait_slice_sub(rest, *used, slash);
        if (name.len == 0 || name.ptr[0] == '.' || len + name.len + 2 > PLAIT__GW_PATH)
            return 404;
        path[len] = '/';
        memcpy(path + len + 1, name.ptr, name.len);
        len += name.len + 1;
        path[len] = '\0';
        *used += name.len;
        found = look_at(sys, path);
        *used += found == PLAIT__GW_FOLDER && slash != SIZE_MAX;
    }
    return found;
}

/* --- the request -------------------------------------------------------------------------------------------------- */

void plait__gateway_hold(struct plait__gateway *g, bool hold)
{
    if (!g->req)
        return;
    if (hold && g->phase != PLAIT__GW_LOCAL)
        plait_request_pause(g->req);
    else
        plait_request_resume(g->req);
}

static void take_body(struct plait__gateway *g, plait_slice piece, bool end)
{
    g->input_done |= end;
    plait__gateway_touch(g);
    if (g->phase != PLAIT__GW_LOCAL)
        g->ops->input(g, piece, end);
    else if (end)
        go_local(g);
}

/* What comes when the gateway has let go of the request is nobody's. */
static void on_body(struct plait_request *req, plait_slice piece, bool end, void *ctx)
{
    struct plait__gateway *g = ((struct plait__gateway_link *)ctx)->gateway;
    (void)req;
    if (g)
        take_body(g, piece, end);
}

static void take_gathered(struct plait__gateway *g, plait_slice body)
{
    g->input_done = true;
    g->ops->start(g, body.len, body);
}

static void on_gathered(struct plait_request *req, plait_slice body, void *ctx)
{
    struct plait__gateway *g = ((struct plait__gateway_link *)ctx)->gateway;
    (void)req;
    if (g)
        take_gathered(g, body);
}

plait_err plait__gateway_read(struct plait__gateway *g, size_t gather_max)
{
    const uint64_t length = plait_request_length(g->req);
    if (length == PLAIT_LENGTH_UNKNOWN)
        return plait_request_collect(g->req, gather_max, on_gathered, g->link);
    g->input_done = length == 0;
    if (length)
        PLAIT_TRY(plait_request_body(g->req, on_body, g->link));
    g->ops->start(g, length, plait_slice_of(NULL, 0));
    return PLAIT_OK;
}

plait_err plait__gateway_begin(struct plait__gateway *g, struct plait_request *req)
{
    struct plait__gateway_link *link = plait_request_memory(req, sizeof(*link));
    if (!link)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    PLAIT_TRY(plait_request_filter(req, &watcher, link));
    link->gateway = g;
    g->link = link;
    g->req = req;
    g->reactor = req->web->reactor;
    plait__cgi_head_init(&g->head);
    plait_buf_init(&g->text, plait_reactor_budget(g->reactor), PLAIT__CGI_HEAD_MAX);
    plait_timer_init(&g->silence, g->reactor, "gateway", on_silence, g);
    plait_request_gone(req, on_gone, link);
    plait__gateway_touch(g);
    return PLAIT_OK;
}
