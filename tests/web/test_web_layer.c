/* SPDX-License-Identifier: MIT
 *
 * Layers and filters: the order in which requests and answers pass them, requests that wait, go elsewhere or change
 * their path; bodies that filters change, in bounded pieces and as fast as the client takes them.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static struct peer p;
static char seen[512];
static int destroyed;

static void note(const char *word)
{
    const size_t len = strlen(seen);
    (void)snprintf(seen + len, sizeof(seen) - len, "%s ", word);
}

static void hello(struct plait_request *req, void *ctx)
{
    note("handler");
    plait_reply_text(req, 200, ctx ? ctx : "hello");
}

static void tell_path(struct plait_request *req, void *ctx)
{
    char text[256];
    (void)ctx;
    (void)snprintf(text, sizeof(text), "%.*s|%.*s", PLAIT_ARG(plait_request_path(req)),
                   PLAIT_ARG(plait_request_rest(req)));
    plait_reply_text(req, 200, text);
}

static void count_destroyed(void *ctx)
{
    (void)ctx;
    destroyed++;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

static bool noted_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    (void)req;
    (void)head;
    note(ctx);
    return true; /* has no function for bodies: they pass as they are */
}

static void noted_done(struct plait_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    note("done");
}

static const struct plait_filter noted_filter = {.head = noted_head, .done = noted_done};

static void noted(struct plait_request *req, void *ctx)
{
    note(ctx);
    assert_ok(plait_request_filter(req, &noted_filter, ctx));
    plait_request_pass(req);
}

static const struct plait_layer noted_layer = {.name = "noted", .request = noted, .destroy = count_destroyed};

static void requests_pass_inwards_and_answers_outwards(void **state)
{
    static char one[] = "1", two[] = "2", three[] = "3";
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *below = plait_resource_new(w.r);
    assert_ok(plait_resource_get(below, "leaf", hello, NULL));
    assert_ok(plait_resource_wrap(below, &noted_layer, three));
    assert_ok(plait_resource_mount(w.root, "a/b", below));
    assert_ok(plait_resource_wrap(w.root, &noted_layer, one));
    assert_ok(plait_resource_wrap(w.root, &noted_layer, two));
    destroyed = 0;
    world_serve(&w, NULL);
    seen[0] = 0;
    ask(&w, &p, "GET /a/b/leaf HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "hello");
    assert_string_equal(seen, "1 2 3 handler 3 2 1 done done done ");
    seen[0] = 0;
    ask(&w, &p, "GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 404);
    assert_string_equal(seen, "1 2 2 1 done done ");
    seen[0] = 0;
    ask(&w, &p, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 204);
    assert_string_equal(seen, "1 2 2 1 done done ");
    world_close(&w);
    assert_int_equal(destroyed, 3);
}

static void pass(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_pass(req);
}

static const struct plait_layer pass_layer = {.name = "pass", .request = pass, .destroy = count_destroyed};
static const struct plait_layer bare_layer = {.name = "bare", .request = pass};

static void a_resource_has_at_most_64_layers(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", hello, NULL));
    for (int i = 0; i < 63; i++)
        assert_ok(plait_resource_wrap(w.root, &pass_layer, NULL));
    assert_ok(plait_resource_wrap(w.root, &bare_layer, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, GET);
    assert_string_equal(body_of(&p), "hello");
    destroyed = 0;
    assert_err(plait_resource_wrap(w.root, &pass_layer, NULL), PLAIT_ELIMIT);
    assert_int_equal(destroyed, 1);
    assert_err(plait_resource_wrap(NULL, &bare_layer, NULL), PLAIT_ENOMEM);
    w.heap.fail_at = w.heap.calls + 1;
    struct plait_resource *other = NULL;
    other = plait_resource_new(w.r);
    assert_null(other);
    other = plait_resource_new(w.r);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_resource_wrap(other, &pass_layer, NULL), PLAIT_ENOMEM);
    assert_null(plait_http(other));
    world_close(&w);
}

/* --- ways --------------------------------------------------------------------------------------------------------- */

static struct plait_request *waiting;

static void wait_here(struct plait_request *req, void *ctx)
{
    (void)ctx;
    waiting = req;
}

static void left(struct plait_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    note("left");
}

static void wait_and_listen(struct plait_request *req, void *ctx)
{
    wait_here(req, ctx);
    plait_request_gone(req, left, NULL);
}

static const struct plait_layer wait_layer = {.name = "wait", .request = wait_here};
static const struct plait_layer listen_layer = {.name = "listen", .request = wait_and_listen};

static void a_layer_may_pass_a_request_on_later(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", hello, NULL));
    assert_ok(plait_resource_wrap(w.root, &wait_layer, NULL));
    assert_ok(plait_resource_wrap(w.root, &listen_layer, NULL));
    world_serve(&w, NULL);
    peer_open(&w, &p);
    peer_send(&w, &p, GET);
    assert_int_equal(p.len, 0);
    plait_request_pass(waiting);
    spin(&w);
    assert_int_equal(p.len, 0);
    plait_request_pass(waiting);
    spin(&w);
    assert_string_equal(body_of(&p), "hello");
    /* the client leaves while it waits: the second layer hears of it, and the handler answers into the air */
    peer_send(&w, &p, GET);
    plait_request_pass(waiting);
    seen[0] = 0;
    peer_close(&w, &p);
    plait_request_pass(waiting);
    assert_string_equal(seen, "left handler ");
    world_close(&w);
}

static void go_elsewhere(struct plait_request *req, void *ctx)
{
    plait_request_pass_to(req, ctx);
}

static const struct plait_layer elsewhere_layer = {.name = "elsewhere", .request = go_elsewhere};

static void a_layer_may_pass_a_request_elsewhere(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *other = plait_resource_new(w.r), *circle = plait_resource_new(w.r);
    assert_ok(plait_resource_get(other, "x/y", tell_path, NULL));
    struct plait_resource *gate = plait_resource_new(w.r);
    assert_ok(plait_resource_wrap(gate, &elsewhere_layer, other));
    assert_ok(plait_resource_mount(w.root, "gate", gate));
    assert_ok(plait_resource_wrap(circle, &elsewhere_layer, circle));
    assert_ok(plait_resource_mount(w.root, "circle", circle));
    world_serve(&w, NULL);
    ask(&w, &p, "GET /gate/x/y HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "/gate/x/y|");
    ask(&w, &p, "GET /gate/x/z HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 404);
    ask(&w, &p, "GET /circle HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 508);
    plait_resource_unref(&other);
    world_close(&w);
}

static plait_err rewritten;

static void rewrite(struct plait_request *req, void *ctx)
{
    const plait_slice *to = ctx;
    rewritten = plait_request_rewrite(req, *to);
    plait_request_pass(req);
}

static const struct plait_layer rewrite_layer = {.name = "rewrite", .request = rewrite};

static const char *rewritten_to(struct world *w, plait_slice *to, plait_slice text, const char *target)
{
    static char request[200];
    *to = text;
    (void)snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    ask(w, &p, request);
    return body_of(&p);
}

static void a_layer_may_change_the_rest_of_the_path(void **state)
{
    plait_slice at_root, at_a;
    struct world w;
    (void)state;
    world_open(&w);
    struct plait_resource *a = plait_resource_new(w.r);
    assert_ok(plait_resource_get(a, "", tell_path, NULL));
    assert_ok(plait_resource_get(a, "b", tell_path, NULL));
    assert_ok(plait_resource_wrap(a, &rewrite_layer, &at_a));
    assert_ok(plait_resource_mount(w.root, "a", a));
    struct plait_resource *r = plait_resource_new(w.r);
    plait_resource_leaf(r);
    assert_ok(plait_resource_get(r, "", tell_path, NULL));
    assert_ok(plait_resource_wrap(r, &rewrite_layer, &at_root));
    assert_ok(plait_resource_mount(w.root, "r", r));
    world_serve(&w, NULL);
    assert_string_equal(rewritten_to(&w, &at_a, PLAIT_LIT("b"), "GET /a"), "/a/b|");
    assert_string_equal(rewritten_to(&w, &at_a, PLAIT_LIT("c/../b"), "GET /a/z/y"), "/a/b|");
    assert_string_equal(rewritten_to(&w, &at_a, PLAIT_LIT(""), "GET /a/z"), "/a|");
    assert_string_equal(rewritten_to(&w, &at_root, PLAIT_LIT("x/y/"), "GET /r/q"), "/r/x/y/|x/y/");
    assert_ok(rewritten);
    assert_string_equal(rewritten_to(&w, &at_root, PLAIT_LIT("../../a"), "GET /r/q"), "/r/q|q");
    assert_err(rewritten, PLAIT_EINVAL);
    (void)rewritten_to(&w, &at_root, plait_slice_of("x\0y", 3), "GET /r/q");
    assert_err(rewritten, PLAIT_EINVAL);
    static char much[600];
    memset(much, 'm', sizeof(much));
    peer_open(&w, &p);
    peer_send(&w, &p, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); /* what a request takes is there */
    w.heap.fail_at = w.heap.calls + 1;
    at_root = plait_slice_of(much, sizeof(much));
    peer_send(&w, &p, "GET /r HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_err(rewritten, PLAIT_ENOMEM);
    peer_close(&w, &p);
    world_close(&w);
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

struct shout {
    uint64_t length; /* said in the head; 0: the same */
    bool fails;
    size_t most, pieces;
};

static bool shout_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    const struct shout *s = ctx;
    assert_int_equal(plait_request_status(req), 0);
    if (s->length)
        head->length = s->length;
    return true;
}

static void shout_body(struct plait_request *req, plait_slice piece, void *ctx)
{
    struct shout *s = ctx;
    uint8_t loud[32768];
    assert_in_range(piece.len, 1, sizeof(loud));
    for (size_t i = 0; i < piece.len; i++)
        loud[i] = (uint8_t)(piece.ptr[i] >= 'a' && piece.ptr[i] <= 'z' ? piece.ptr[i] - 32 : piece.ptr[i]);
    s->most = piece.len > s->most ? piece.len : s->most;
    s->pieces++;
    if (s->fails)
        plait_filter_fail(req, PLAIT_EIO, "no voice");
    plait_filter_write(req, plait_slice_of(loud, piece.len));
    plait_filter_write(req, plait_slice_of(NULL, 0));
}

static void shout_end(struct plait_request *req, void *ctx)
{
    const struct shout *s = ctx;
    if (s->length == PLAIT_LENGTH_UNKNOWN)
        plait_filter_write(req, PLAIT_LIT("!"));
    if (s->fails)
        plait_filter_fail(req, PLAIT_EIO, "once is enough");
}

static const struct plait_filter shout_filter = {.head = shout_head, .body = shout_body, .end = shout_end};
static const struct plait_filter endless_filter = {.head = shout_head, .body = shout_body, .done = noted_done};
static const struct plait_filter plain_filter = {.done = noted_done};

static void shout_all(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_filter(req, &endless_filter, ctx)); /* twice, with one between that takes nothing */
    assert_ok(plait_request_filter(req, &plain_filter, NULL));
    assert_ok(plait_request_filter(req, &shout_filter, ctx));
    plait_request_pass(req);
}

static const struct plait_layer shout_layer = {.name = "shout", .request = shout_all};

static void in_pieces(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    assert_err(plait_request_filter(req, &plain_filter, NULL), PLAIT_ESTATE);
    plait_filter_write(req, PLAIT_LIT("no filter is at work"));
    plait_reply_write(req, PLAIT_LIT("one "));
    plait_reply_write(req, PLAIT_LIT("two"));
    plait_reply_end(req);
}

static char large[300000];

static void reply_large(struct plait_request *req, void *ctx)
{
    struct plait_buf body;
    (void)ctx;
    plait_buf_init(&body, plait_reactor_budget(plait_request_reactor(req)), sizeof(large));
    plait_buf_put(&body, plait_slice_of(large, sizeof(large)));
    plait_reply_buf(req, 200, "text/plain", &body);
}

/* A world whose root shouts. */
static void shouting_open(struct world *w, struct shout *s, plait_request_fn fn, void *ctx)
{
    world_open(w);
    memset(large, 'x', sizeof(large));
    memset(s, 0, sizeof(*s));
    seen[0] = 0;
    assert_ok(plait_resource_get(w->root, "", fn, ctx));
    assert_ok(plait_resource_wrap(w->root, &shout_layer, s));
    world_serve(w, NULL);
}

static void filters_change_bodies(void **state)
{
    struct shout s;
    struct world w;
    (void)state;
    shouting_open(&w, &s, hello, NULL);
    ask(&w, &p, GET);
    assert_string_equal(body_of(&p), "HELLO");
    assert_int_equal(count_of(&p, "Content-Length: 5\r\n"), 1);
    s.length = PLAIT_LENGTH_UNKNOWN;
    ask(&w, &p, GET);
    assert_int_equal(count_of(&p, "5\r\nHELLO\r\n"), 1);
    assert_int_equal(count_of(&p, "\r\n0\r\n\r\n"), 1);
    ask(&w, &p, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "");
    /* a length that the body does not have, and a filter that fails */
    for (uint64_t wrong = 4; wrong < 7; wrong += 2) {
        s.length = wrong;
        ask(&w, &p, GET);
        assert_true(p.lost);
        assert_int_equal(count_of(&p, "HELLO"), 0);
    }
    s = (struct shout){.fails = true};
    ask(&w, &p, GET);
    assert_true(p.lost);
    world_close(&w);
    shouting_open(&w, &s, in_pieces, NULL);
    ask(&w, &p, GET);
    assert_int_equal(count_of(&p, "4\r\nONE \r\n3\r\nTWO\r\n0\r\n\r\n"), 1);
    assert_string_equal(seen, "done done ");
    world_close(&w);
}

static void large_bodies_pass_in_pieces(void **state)
{
    struct shout s;
    struct world w;
    (void)state;
    shouting_open(&w, &s, reply_large, NULL);
    ask(&w, &p, GET);
    assert_int_equal(strspn(body_of(&p), "X"), p.len - (size_t)(body_of(&p) - p.got));
    assert_true(s.most <= 32768 && s.pieces > 18);
    world_close(&w);
}

/* A client that takes nothing: what waits is not filtered before there is room, and goes when the client does. */
static void a_slow_client_holds_the_feed(void **state)
{
    struct shout s;
    struct world w;
    (void)state;
    shouting_open(&w, &s, reply_large, NULL);
    peer_open(&w, &p);
    p.deaf = true;
    plait_pause(p.stream);
    plait_write(p.stream, PLAIT_LIT(GET));
    spin(&w);
    const size_t before = s.pieces;
    assert_true(before > 2 && before < 20);
    spin(&w);
    assert_int_equal(s.pieces, before);
    p.deaf = false;
    plait_resume(p.stream);
    spin(&w);
    assert_true(s.pieces >= 20);
    /* and one that leaves */
    p.deaf = true;
    p.len = 0;
    plait_pause(p.stream);
    plait_write(p.stream, PLAIT_LIT(GET));
    spin(&w);
    seen[0] = 0;
    peer_close(&w, &p);
    assert_string_equal(seen, "done done ");
    /* and one that only closes its side still gets it all */
    peer_open(&w, &p);
    plait_pause(p.stream);
    plait_write(p.stream, PLAIT_LIT(GET));
    spin(&w);
    plait_close_write(p.stream);
    spin(&w);
    plait_resume(p.stream);
    spin(&w);
    assert_true(p.ended);
    assert_true(p.len > 200000);
    peer_close(&w, &p);
    world_close(&w);
}

static struct plait_request *streaming;
static size_t rooms;

static void on_room(struct plait_request *req, void *ctx)
{
    (void)ctx;
    rooms++;
    assert_false(plait_reply_is_full(req));
    if (rooms == 2)
        plait_reply_end(req);
    else if (rooms == 1)
        plait_reply_write(req, plait_slice_of(large, 40000));
}

static void stream_large(struct plait_request *req, void *ctx)
{
    streaming = req;
    plait_reply_begin(req, 200, NULL, PLAIT_LENGTH_UNKNOWN);
    if (!ctx)
        plait_reply_room(req, on_room, NULL);
    plait_reply_write(req, plait_slice_of(large, 33000));
    assert_true(plait_reply_is_full(req));
    plait_reply_write(req, PLAIT_LIT("behind"));
    if (ctx)
        plait_reply_room(req, on_room, NULL);
}

static void a_handler_waits_for_the_feed(void **state)
{
    struct shout s;
    struct world w;
    (void)state;
    for (int late = 0; late < 2; late++) {
        rooms = 0;
        shouting_open(&w, &s, stream_large, late ? &s : NULL);
        ask(&w, &p, GET);
        assert_int_equal(rooms, 2);
        assert_int_equal(count_of(&p, "BEHIND"), 1);
        assert_int_equal(count_of(&p, "0\r\n\r\n"), 1);
        world_close(&w);
    }
    /* without a function for room it simply waits; the client leaves and the handler drops it */
    shouting_open(&w, &s, stream_large, NULL);
    peer_open(&w, &p);
    plait_pause(p.stream);
    plait_write(p.stream, PLAIT_LIT(GET));
    rooms = 7;
    plait_reactor_step(w.r, 0) == PLAIT_OK ? (void)0 : abort();
    plait_reactor_step(w.r, 0) == PLAIT_OK ? (void)0 : abort();
    if (p.stream)
        plait_abort(p.stream);
    spin(&w);
    plait_reply_write(streaming, PLAIT_LIT("into the air"));
    plait_request_drop(streaming);
    world_close(&w);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

struct a_file {
    char folder[TEST_PATH_BYTES];
    struct plait_resource *files;
};

static void site_open(struct world *w, struct shout *s, struct a_file *f, const struct plait_reactor_options *options)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    memset(s, 0, sizeof(*s));
    test_folder_make(f->folder);
    memset(large, 'x', sizeof(large));
    test_file_write(f->folder, "large.txt", plait_slice_of(large, 100000));
    test_heap_init(&w->heap, 0);
    struct plait_reactor_options all = options ? *options : (struct plait_reactor_options){0};
    all.allocator = &w->heap.allocator;
    all.log = &quiet;
    w->r = plait_reactor_new(&all);
    assert_non_null(w->r);
    w->root = plait_resource_new(w->r);
    assert_ok(plait_files_new(w->r, f->folder, NULL, &f->files));
    assert_ok(plait_resource_wrap(f->files, &shout_layer, s));
    assert_ok(plait_resource_mount(w->root, "f", f->files));
    world_serve(w, NULL);
}

static void site_close(struct world *w, const struct a_file *f)
{
    world_close(w);
    test_folder_remove(f->folder);
}

#define GET_LARGE "GET /f/large.txt HTTP/1.1\r\nHost: x\r\n\r\n"

static void files_pass_through_filters(void **state)
{
    struct a_file f;
    struct shout s;
    struct world w;
    (void)state;
    site_open(&w, &s, &f, NULL);
    ask(&w, &p, GET_LARGE);
    assert_int_equal(strspn(body_of(&p), "X"), 100000);
    assert_int_equal(count_of(&p, "Content-Length: 100000\r\n"), 1);
    ask(&w, &p, "GET /f/large.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-2,99998-\r\n\r\n");
    assert_int_equal(count_of(&p, "\r\n\r\nXXX\r\n"), 1);
    assert_int_equal(count_of(&p, "\r\n\r\nXX\r\n"), 1);
    /* one that shrinks on its way ends the connection */
    peer_open(&w, &p);
    plait_pause(p.stream);
    char path[TEST_PATH_BYTES + 16];
    (void)snprintf(path, sizeof(path), "%s/large.txt", f.folder);
    plait_write(p.stream, PLAIT_LIT(GET_LARGE));
    plait_resume(p.stream);
    for (int i = 0; i < 3 && s.pieces < 13; i++)
        assert_ok(plait_reactor_step(w.r, 0));
    assert_int_equal(truncate(path, 100), 0);
    spin(&w);
    peer_close(&w, &p);
    site_close(&w, &f);
}

static void memory_fails_anywhere(void **state)
{
    struct a_file f;
    struct shout s;
    struct world w;
    (void)state;
    for (uint64_t k = 1; k < 12; k++) {
        site_open(&w, &s, &f, NULL);
        peer_open(&w, &p);
        w.heap.fail_at = w.heap.calls + k;
        peer_send(&w, &p, GET_LARGE);
        peer_close(&w, &p);
        ask(&w, &p, GET_LARGE);
        assert_int_equal(strspn(body_of(&p), "X"), 100000);
        site_close(&w, &f);
    }
}

/* --- files that are not in memory --------------------------------------------------------------------------------- */

struct cold {
    struct plait_sys sys;
    struct plait_sys_ops ops;
    ssize_t answer; /* of a read that must not wait */
    int looks;      /* reads that are answered before that */
    bool no_descriptor, no_read;
    int64_t delay;
};

static ssize_t cold_read_nowait(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    struct cold *c = (struct cold *)sys;
    if (c->looks-- > 0)
        return plait__sys_kernel()->ops->pread_nowait(plait__sys_kernel(), fd, buf, len, offset);
    return c->answer;
}

static ssize_t cold_read(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    if (((struct cold *)sys)->no_read)
        return -EIO;
    return plait__sys_kernel()->ops->pread(plait__sys_kernel(), fd, buf, len, offset);
}

static int cold_fcntl(struct plait_sys *sys, int fd, int cmd, long arg)
{
    if (((struct cold *)sys)->no_descriptor && cmd == F_DUPFD_CLOEXEC)
        return -EMFILE;
    return plait__sys_kernel()->ops->fcntl(plait__sys_kernel(), fd, cmd, arg);
}

static int64_t cold_delay(struct plait_sys *sys)
{
    return ((struct cold *)sys)->delay;
}

static void cold_open(struct cold *c, struct world *w, struct shout *s, struct a_file *f)
{
    memset(c, 0, sizeof(*c));
    c->ops = *plait__sys_kernel()->ops;
    c->sys.ops = &c->ops;
    c->ops.pread_nowait = cold_read_nowait;
    c->ops.pread = cold_read;
    c->ops.fcntl = cold_fcntl;
    c->ops.job_delay = cold_delay;
    c->answer = -EAGAIN;
    c->delay = 1;
    const struct plait_reactor_options options = {.sys = &c->sys};
    site_open(w, s, f, &options);
}

/* As ask, with time for the pool. */
static void ask_slowly(struct world *w)
{
    peer_open(w, &p);
    peer_send(w, &p, GET_LARGE);
    for (int i = 0; i < 2000 && !p.lost && p.len < 100000; i++)
        assert_ok(plait_reactor_step(w->r, plait_millis(1)));
    peer_close(w, &p);
}

static void what_is_not_in_memory_is_read_by_the_pool(void **state)
{
    struct a_file f;
    struct shout s;
    struct world w;
    struct cold c;
    (void)state;
    cold_open(&c, &w, &s, &f);
    ask_slowly(&w);
    assert_int_equal(strspn(body_of(&p), "X"), 100000);
    /* where that can't begin it is read all the same, and where nobody can tell too */
    c.no_descriptor = true;
    ask_slowly(&w);
    assert_int_equal(strspn(body_of(&p), "X"), 100000);
    c.no_descriptor = false;
    c.answer = -EOPNOTSUPP;
    ask_slowly(&w);
    assert_int_equal(strspn(body_of(&p), "X"), 100000);
    /* a disk that fails, in the thread and in the loop */
    c.no_read = true;
    ask_slowly(&w);
    assert_true(p.lost);
    c.answer = -EAGAIN;
    ask_slowly(&w);
    assert_true(p.lost);
    site_close(&w, &f);
    for (uint64_t k = 1; k < 8; k++) {
        cold_open(&c, &w, &s, &f);
        peer_open(&w, &p);
        c.looks = 1;
        peer_send(&w, &p, "GET /f/ HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int i = 0; i < 1 + (k > 4); i++) {
            w.heap.fail_at = w.heap.calls + k;
            peer_send(&w, &p, GET_LARGE);
        }
        peer_close(&w, &p);
        site_close(&w, &f);
    }
}

/* The client leaves, or the handler's world ends, while a thread reads. */
static void a_read_under_way_outlives_its_request(void **state)
{
    struct a_file f;
    struct shout s;
    struct world w;
    struct cold c;
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        cold_open(&c, &w, &s, &f);
        c.delay = plait_millis(ends ? 100000 : 20);
        peer_open(&w, &p);
        peer_send(&w, &p, GET_LARGE);
        if (ends == 0) {
            peer_close(&w, &p);
            for (int i = 0; i < 50; i++)
                assert_ok(plait_reactor_step(w.r, plait_millis(1)));
        }
        site_close(&w, &f);
    }
}

/* --- what handlers and filters may and may not do ----------------------------------------------------------------- */

static void meddle(struct plait_request *req, void *ctx)
{
    plait_err err = PLAIT_OK;
    (void)ctx;
    for (int i = 0; i < 40 && err == PLAIT_OK; i++)
        err = plait_request_filter(req, &plain_filter, NULL);
    assert_err(err, PLAIT_ENOMEM);
    plait_reply_begin(req, 200, NULL, PLAIT_LENGTH_UNKNOWN);
    assert_int_equal(plait_request_status(req), 200);
    plait_request_pass(req); /* too late: nothing happens */
    plait_reply_field_remove(req, "A");
    assert_slice(plait_reply_field_of(req, "A"), "1");
    plait_reply_end(req);
}

static void meddle_first(struct plait_request *req, void *ctx)
{
    struct world *w = ctx;
    assert_ok(plait_reply_field(req, "A", PLAIT_LIT("1")));
    w->heap.fail_at = w->heap.calls + 1;
    meddle(req, NULL);
}

static void limits_of_filters(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", meddle_first, &w));
    world_serve(&w, NULL);
    seen[0] = 0;
    ask(&w, &p, GET);
    assert_int_equal(status_of(&p), 200);
    assert_true(strlen(seen) >= 5 * 10);
    world_close(&w);
}

/* A handler that gives up while what it wrote waits, and one for which there is no memory to wait. */
static void write_and_drop(struct plait_request *req, void *ctx)
{
    struct world *w = ctx;
    assert_non_null(plait_request_memory(req, 512 - 6 * 32));
    plait_reply_begin(req, 200, NULL, PLAIT_LENGTH_UNKNOWN);
    if (w)
        w->heap.fail_at = w->heap.calls + 1;
    plait_reply_write(req, plait_slice_of(large, 33000));
    plait_request_drop(req);
}

static void what_waits_goes_with_the_request(void **state)
{
    struct shout s;
    struct world w;
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        shouting_open(&w, &s, write_and_drop, fails ? &w : NULL);
        ask(&w, &p, GET);
        assert_true(p.lost);
        assert_int_equal(p.len, 0);
        world_close(&w);
    }
}

TEST_MAIN(cmocka_unit_test(limits_of_filters), cmocka_unit_test(what_waits_goes_with_the_request),
          cmocka_unit_test(requests_pass_inwards_and_answers_outwards),
          cmocka_unit_test(a_resource_has_at_most_64_layers), cmocka_unit_test(a_layer_may_pass_a_request_on_later),
          cmocka_unit_test(a_layer_may_pass_a_request_elsewhere),
          cmocka_unit_test(a_layer_may_change_the_rest_of_the_path), cmocka_unit_test(filters_change_bodies),
          cmocka_unit_test(large_bodies_pass_in_pieces), cmocka_unit_test(a_slow_client_holds_the_feed),
          cmocka_unit_test(a_handler_waits_for_the_feed), cmocka_unit_test(files_pass_through_filters),
          cmocka_unit_test(memory_fails_anywhere), cmocka_unit_test(what_is_not_in_memory_is_read_by_the_pool),
          cmocka_unit_test(a_read_under_way_outlives_its_request))
