/* SPDX-License-Identifier: MIT
 *
 * TLS, HTTP, finger and reconnecting clients while the heap fails.
 */
#include "tests/engine/heap_bed.h"
#include "tests/support/certs.h"

#include <plait/finger.h>
#include <plait/http.h>
#include <plait/tls.h>

static struct test_cert ca;
static struct test_cert cert;

static int make(void **state)
{
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&cert, &ca, &(struct test_cert_ask){.subject = "server", .san = "DNS:server"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_cert_end(&ca);
    test_cert_end(&cert);
    return 0;
}

/* Listens for a service unless round 0 did; the service reference is taken. */
static bool listens(struct heap_bed *b, uint16_t port, const struct plait_listen_options *options,
                    struct plait_service *service)
{
    struct plait_listener *listener;
    const struct plait_address at = heap_at(b->server_host, port);
    if (plait_listen(b->server, &at, options, service, &listener) == PLAIT_OK)
        b->kept[0] = listener;
    return b->kept[0];
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static uint8_t words[50000];

static bool tls_echo(struct heap_bed *b)
{
    const struct plait_tls_server_options so = {.cert_pem = cert.both_pem};
    const struct plait_tls_client_options co = {.ca_pem = ca.cert_pem};
    struct plait_tls_server *server = NULL;
    struct plait_tls_client *client = NULL;
    struct heap_end e = {.say = plait_slice_of(words, sizeof words)};
    if (!b->kept[0] && plait_tls_server_new(b->server, &so, &server, NULL) == PLAIT_OK) {
        const struct plait_listen_options listening = {.tls = server};
        listens(b, 443, &listening, plait_service_of(b->server, &heap_echo, NULL));
    }
    if (plait_tls_client_new(b->client, &co, &client, NULL) == PLAIT_OK) {
        const struct plait_connect_options connecting = {.tls = client};
        heap_end_await(&e, plait_connect_host(b->client, PLAIT_LIT("server"), 443, &connecting));
    }
    plait_tls_server_unref(&server);
    plait_tls_client_unref(&client);
    heap_bed_pass(b, 100);
    return heap_end_check(&e);
}
HEAP_BOTH_SIDES(tls_echo)

/* --- HTTP --------------------------------------------------------------------------------------------------------- */

struct fetch {
    unsigned asked, ended;
    plait_err err;
    int status;
    size_t body;
    bool wrong;
};

static void fetched(struct plait_result *result, void *ctx)
{
    struct fetch *f = ctx;
    f->ended++;
    f->err = result->fault.err;
    if (f->err == PLAIT_OK) {
        const struct plait_response *response = result->value.ptr;
        const plait_slice body = plait_response_body(response);
        f->status = plait_response_status(response);
        f->body = body.len;
        for (size_t i = 0; i < body.len; i++)
            f->wrong = f->wrong || (f->status == 200 && body.ptr[i] != 'x');
    }
    result->fault.err = PLAIT_OK;
}

static void small(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, "text/plain", PLAIT_LIT("xxx"));
}

static void chunked(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    for (int i = 0; i < 20; i++)
        plait_reply_write(req, plait_slice_of(words, 1000));
    plait_reply_end(req);
}

static void collected(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, body);
}

static void post(struct plait_request *req, void *ctx)
{
    const plait_err err = plait_request_collect(req, 100000, collected, ctx);
    if (err != PLAIT_OK)
        plait_reply_error(req, 500, NULL);
}

static struct plait_service *web(struct plait_reactor *r)
{
    struct plait_resource *root = plait_resource_new(r);
    struct plait_resource *files = NULL;
    (void)plait_resource_get(root, "small", small, NULL);
    (void)plait_resource_get(root, "chunked", chunked, NULL);
    (void)plait_resource_on(root, "POST", "post", post, NULL);
    if (plait_files_new(r, "/srv", NULL, &files) != PLAIT_OK)
        files = NULL;
    (void)plait_resource_mount(root, "files", files);
    return plait_http(root);
}

static void ask(struct heap_bed *b, struct fetch *f, const char *url, const struct plait_fetch_options *options)
{
    struct plait_deferred *d = plait_http_get(b->client, url, options);
    f->asked = plait_then(d, fetched, f) == PLAIT_OK;
    if (!f->asked)
        plait_deferred_cancel(d);
}

static bool whole(const struct fetch *f, size_t body)
{
    assert_int_equal(f->ended, f->asked);
    assert_false(f->wrong);
    if (f->err == PLAIT_OK && f->asked && f->status == 200)
        assert_int_equal(f->body, body);
    return f->asked && f->err == PLAIT_OK && f->status == 200;
}

static bool http(struct heap_bed *b)
{
    static const char *const urls[] = {"http://server/small", "http://server/chunked", "http://server/files/a.txt",
                                       "http://server/files/b/c.txt", "http://server/post"};
    static const size_t sizes[] = {3, 20000, 40000, 5, 30000};
    const struct plait_fetch_options posting = {.method = "POST", .body = plait_slice_of(words, 30000)};
    struct fetch f[5] = {{0}};
    bool well = true;
    memset(words, 'x', sizeof words);
    assert_ok(plait_host_write_file(b->server_host, "/srv/a.txt", words, 40000));
    assert_ok(plait_host_write_file(b->server_host, "/srv/b/c.txt", words, 5));
    if (!b->kept[0] && !listens(b, 80, NULL, web(b->server)))
        return false;
    for (size_t i = 0; i < TEST_COUNT(f); i++) {
        ask(b, &f[i], urls[i], i == 4 ? &posting : NULL);
        heap_bed_pass(b, 100);
        well = whole(&f[i], sizes[i]) && well;
    }
    return well;
}
HEAP_BOTH_SIDES(http)

/* --- finger ------------------------------------------------------------------------------------------------------- */

static const struct plait_finger_entry people[] = {{"ann", "Ann Example", "To rest\nand to sleep"}, {"bob", "Bob", ""}};

static void answered(struct plait_result *result, void *ctx)
{
    struct fetch *f = ctx;
    f->ended++;
    f->err = result->fault.err;
    if (f->err == PLAIT_OK) {
        const struct plait_finger_text *text = result->value.ptr;
        f->body = plait_buf_slice(&text->buf).len;
    }
    result->fault.err = PLAIT_OK;
}

static bool finger(struct heap_bed *b)
{
    struct plait_finger_directory directory;
    struct fetch f[2] = {{0}};
    static const char *const targets[] = {"ann@server", "@server"};
    if (!b->kept[0]) {
        if (plait_finger_table(b->server, people, 2, &directory) != PLAIT_OK ||
            !listens(b, 79, NULL, plait_finger_service(b->server, &directory, NULL)))
            return false;
    }
    for (size_t i = 0; i < TEST_COUNT(f); i++) {
        struct plait_deferred *d = plait_finger(b->client, plait_slice_text(targets[i]), NULL);
        f[i].asked = plait_then(d, answered, &f[i]) == PLAIT_OK;
        if (!f[i].asked)
            plait_deferred_cancel(d);
    }
    heap_bed_pass(b, 100);
    for (size_t i = 0; i < TEST_COUNT(f); i++)
        assert_int_equal(f[i].ended, f[i].asked);
    return f[0].asked && f[1].asked && f[0].err == PLAIT_OK && f[1].err == PLAIT_OK && f[0].body > 30 && f[1].body > 30;
}
HEAP_BOTH_SIDES(finger)

/* --- a client that stays connected -------------------------------------------------------------------------------- */

struct stayer {
    unsigned connected, lost;
};

static void stayer_connected(struct plait_stream *s, void *self)
{
    ((struct stayer *)self)->connected++;
    plait_write(s, PLAIT_LIT("hello"));
}

static size_t stayer_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)self;
    return in.len;
}

static void stayer_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    ((struct stayer *)self)->lost++;
}

static const struct plait_protocol stays = {
    .name = "stays", .connected = stayer_connected, .data = stayer_data, .lost = stayer_lost};

/* The server ends each connection at its first word. */
static size_t hang_up(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_close(s);
    return in.len;
}

static const struct plait_protocol hangs_up = {.name = "hangs up", .data = hang_up};

static bool reconnect(struct heap_bed *b)
{
    struct stayer stayer = {0};
    char endpoint[64];
    char ip[PLAIT_ADDR_TEXT_MAX];
    const struct plait_address at = heap_at(b->server_host, 1010);
    if (!b->kept[0] && !listens(b, 1010, NULL, plait_service_of(b->server, &hangs_up, NULL)))
        return false;
    (void)snprintf(endpoint, sizeof endpoint, "tcp:%s:1010", plait_address_format_host(&at, ip));
    const struct plait_reconnect_options options = {.max = plait_seconds(5)};
    struct plait_reconnect *c =
        plait_reconnect_start(b->client, endpoint, &options, plait_service_of(b->client, &stays, &stayer));
    const bool started = c != NULL;
    heap_bed_pass(b, 100);
    plait_reconnect_stop(&c);
    heap_bed_pass(b, 70);
    assert_int_equal(stayer.connected, stayer.lost);
    return started && stayer.connected > 5;
}
HEAP_BOTH_SIDES(reconnect)

TEST_MAIN_WITH(make, end, HEAP_TEST(tls_echo_at_the_server), HEAP_TEST(tls_echo_at_the_client),
               HEAP_TEST(http_at_the_server), HEAP_TEST(http_at_the_client), HEAP_TEST(finger_at_the_server),
               HEAP_TEST(finger_at_the_client), HEAP_TEST(reconnect_at_the_server), HEAP_TEST(reconnect_at_the_client))
