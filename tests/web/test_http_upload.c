/* SPDX-License-Identifier: MIT
 *
 * Bodies of requests: written as they go, in chunks or with a length, asked for by the server first, sent again.
 */
#include "tests/web/client_world.h"

#include <fcntl.h>
#include <unistd.h>

enum { MUCH = 300000 };

/* --- a server of our own that hands bodies back ------------------------------------------------------------------- */

static void hand_back(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    char length[32];
    (void)snprintf(length, sizeof length, "%lld",
                   plait_request_length(req) == PLAIT_LENGTH_UNKNOWN ? -1LL : (long long)plait_request_length(req));
    assert_ok(plait_reply_field(req, "X-Length", plait_slice_text(length)));
    plait_reply(req, 200, NULL, body);
}

static void take(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 1 << 20, hand_back, ctx));
}

static void elsewhere(struct plait_request *req, void *ctx)
{
    plait_reply_redirect(req, *(const int *)ctx, PLAIT_LIT("take"));
}

static void refuse(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 403, "no");
}

static void serve(struct farm *farm)
{
    static const int keep = 307, get = 303;
    struct plait_reactor *r = plait_host_reactor(farm->server);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_address at;
    assert_ok(plait_resource_on(root, "*", "take", take, NULL));
    assert_ok(plait_resource_on(root, "*", "keep", elsewhere, (void *)(uintptr_t)&keep));
    assert_ok(plait_resource_on(root, "*", "get", elsewhere, (void *)(uintptr_t)&get));
    assert_ok(plait_resource_on(root, "*", "refuse", refuse, NULL));
    plait_host_address(farm->server, PLAIT_ADDR_IP4, 8080, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_http(root), NULL));
}

static size_t no_answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)c;
    (void)head;
    (void)rest;
    return 0;
}

/* --- a source ----------------------------------------------------------------------------------------------------- */

struct source {
    struct plait_upload_source source;
    struct plait_timer timer;
    struct plait_upload *upload;
    struct plait_deferred *cancel; /* when called */
    size_t total, written, rooms, rewinds;
    size_t most; /* bytes that stood back at once */
    bool can_rewind, late;
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 11 + i / 253);
}

static void write_piece(struct source *src)
{
    uint8_t piece[5000];
    const size_t left = src->total - src->written;
    const size_t len = left < sizeof piece ? left : sizeof piece;
    for (size_t i = 0; i < len; i++)
        piece[i] = byte_at(src->written + i);
    src->written += len;
    plait_upload_write(src->upload, plait_slice_of(piece, len));
}

static void pour(struct plait_upload *upload, void *ctx)
{
    struct source *src = ctx;
    src->upload = upload;
    src->rooms++;
    if (src->cancel) {
        plait_deferred_cancel(src->cancel);
        return;
    }
    if (src->late) {
        plait_timer_arm(&src->timer, plait_millis(100));
        return;
    }
    while (src->written < src->total && !plait_upload_is_full(upload))
        write_piece(src);
    plait_upload_write(upload, plait_slice_of(NULL, 0));
    if (src->written == src->total) {
        plait_upload_end(upload);
        plait_upload_end(upload); /* once is enough */
    }
}

static void write_later(void *ctx)
{
    struct source *src = ctx;
    if (src->written < src->total) {
        write_piece(src);
        plait_timer_arm(&src->timer, plait_millis(100));
    } else if (src->source.length == PLAIT_LENGTH_UNKNOWN) {
        plait_upload_end(src->upload);
    }
}

static bool rewind_it(void *ctx)
{
    struct source *src = ctx;
    src->rewinds++;
    src->written = 0;
    if (src->cancel)
        plait_deferred_cancel(src->cancel);
    return src->can_rewind;
}

static void source_init(struct source *src, struct farm *farm, uint64_t length)
{
    memset(src, 0, sizeof *src);
    src->source = (struct plait_upload_source){.length = length, .room = pour, .rewind = rewind_it, .ctx = src};
    src->total = MUCH;
    plait_timer_init(&src->timer, farm->r, "source", write_later, src);
}

static void assert_echo(struct plait_response *response, size_t total, const char *length)
{
    const plait_slice body = plait_response_body(response);
    assert_slice(plait_response_field(response, "X-Length"), length);
    assert_int_equal(body.len, total);
    for (size_t i = 0; i < body.len; i++)
        assert_int_equal(body.ptr[i], byte_at(i));
    plait_response_free(&response);
}

static void bodies_are_written_as_they_go(void **state)
{
    static const struct {
        uint64_t length;
        bool late;
        const char *told;
    } cases[] = {{MUCH, false, "300000"},
                 {PLAIT_LENGTH_UNKNOWN, false, "-1"},
                 {20000, true, "20000"},
                 {PLAIT_LENGTH_UNKNOWN, true, "-1"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct source src;
        struct plait_response *response;
        farm_open(&farm, no_answer);
        serve(&farm);
        source_init(&src, &farm, cases[i].length);
        src.late = cases[i].late;
        src.total = cases[i].late ? 20000 : MUCH;
        const struct plait_fetch_options options = {
            .method = "POST", .upload = &src.source, .times = {.first_byte = plait_millis(50)}};
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        assert_ok(farm_get(&farm, client, "http://server:8080/take", &options, &response));
        assert_echo(response, src.total, cases[i].told);
        if (!src.late)
            assert_true(src.rooms > 1); /* it had to wait */
        struct plait_http_client_counts counts;
        plait_http_client_look(client, &counts);
        assert_int_equal(counts.idle, 1);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void the_announced_length_is_kept(void **state)
{
    static const struct {
        size_t length, total;
        plait_err err;
    } cases[] = {{MUCH - 1, MUCH, PLAIT_EINVAL}, {MUCH + 1, MUCH, PLAIT_EINVAL}, {0, 0, PLAIT_OK}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct source src;
        farm_open(&farm, no_answer);
        serve(&farm);
        source_init(&src, &farm, cases[i].length);
        src.total = cases[i].total;
        const struct plait_fetch_options options = {.method = "POST", .upload = &src.source, .expect_continue = true};
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        assert_err(farm_get(&farm, client, "http://server:8080/take", &options, NULL), cases[i].err);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void give_up(struct plait_upload *upload, void *ctx)
{
    (void)ctx;
    plait_upload_fail(upload, PLAIT_ENOTFOUND, "the file is gone");
    plait_upload_write(upload, PLAIT_LIT("more")); /* nothing hears it */
    plait_upload_fail(upload, PLAIT_EIO, NULL);
}

static void a_source_can_give_up(void **state)
{
    struct farm farm;
    const struct plait_upload_source source = {.length = 5, .room = give_up};
    const struct plait_fetch_options options = {.method = "POST", .upload = &source};
    struct farm_end end = {0};
    (void)state;
    farm_open(&farm, no_answer);
    struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
    farm_start(client, "http://server/x", &options, &end);
    plait_sim_run_for(farm.sim, plait_seconds(1));
    assert_int_equal(end.fault.err, PLAIT_ENOTFOUND);
    assert_string_equal(end.fault.detail, "the file is gone");
    plait_http_client_free(&client);
    farm_close(&farm);
}

static void bodies_are_sent_again_where_they_can_be(void **state)
{
    static const struct {
        const char *path;
        bool can;
        plait_err err;
        const char *told;
        size_t rewinds;
    } cases[] = {
        {"keep", true, PLAIT_OK, "20000", 1}, {"keep", false, PLAIT_ESTATE, NULL, 1}, {"get", false, PLAIT_OK, "0", 0}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct farm farm;
        struct source src;
        struct plait_response *response;
        char url[64];
        farm_open(&farm, no_answer);
        serve(&farm);
        source_init(&src, &farm, 20000);
        src.total = 20000;
        src.can_rewind = cases[i].can;
        const struct plait_fetch_options options = {.method = "POST", .upload = &src.source};
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        (void)snprintf(url, sizeof url, "http://server:8080/%s", cases[i].path);
        assert_err(farm_get(&farm, client, url, &options, &response), cases[i].err);
        assert_int_equal(src.rewinds, cases[i].rewinds);
        if (response)
            assert_echo(response, cases[i].can ? 20000 : 0, cases[i].told);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void a_fetch_may_be_cancelled_by_its_source(void **state)
{
    (void)state;
    for (int at_rewind = 0; at_rewind < 2; at_rewind++) {
        struct farm farm;
        struct source src;
        struct farm_end end = {0};
        farm_open(&farm, no_answer);
        serve(&farm);
        source_init(&src, &farm, 20000);
        src.total = 20000;
        const struct plait_fetch_options options = {.method = "POST", .upload = &src.source};
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        struct plait_deferred *d = farm_start(client, "http://server:8080/keep", &options, &end);
        if (!at_rewind)
            src.cancel = d;
        while (at_rewind && src.rooms == 0)
            plait_sim_run_for(farm.sim, plait_micros(10));
        src.cancel = d;
        plait_sim_run_for(farm.sim, plait_seconds(1));
        assert_int_equal(end.fault.err, PLAIT_ECANCELLED);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

/* --- asking first ------------------------------------------------------------------------------------------------- */

static bool fails_expectations, never_answers;

static size_t answer_expectations(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    const bool expects = plait_slice_find(head, PLAIT_LIT("Expect: 100-continue\r\n"), 0) != SIZE_MAX;
    if (expects && fails_expectations) {
        farm_say(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        return 0;
    }
    if (!never_answers || rest.len >= 4)
        farm_echo(c, head);
    return rest.len;
}

static void a_body_waits_until_it_is_asked_for(void **state)
{
    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        struct farm farm;
        struct source src;
        struct plait_response *response;
        farm_open(&farm, no_answer);
        serve(&farm);
        source_init(&src, &farm, 20000);
        src.total = 20000;
        static uint8_t body[20000];
        for (size_t i = 0; i < sizeof body; i++)
            body[i] = byte_at(i);
        struct plait_fetch_options options = {.method = "POST", .expect_continue = true};
        if (streamed)
            options.upload = &src.source;
        else
            options.body = plait_slice_of(body, sizeof body);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        assert_ok(farm_get(&farm, client, "http://server:8080/take", &options, &response));
        assert_echo(response, 20000, "20000");
        assert_ok(farm_get(&farm, client, "http://server:8080/refuse", &options, &response));
        assert_int_equal(plait_response_status(response), 403);
        assert_int_equal(src.rooms, streamed); /* that one was never sent */
        plait_response_free(&response);
        struct plait_http_client_counts counts;
        plait_http_client_look(client, &counts);
        assert_int_equal(counts.open, 0);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

static void servers_that_know_no_expectations_get_the_body(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct farm farm;
        const struct plait_fetch_options options = {
            .method = "POST", .body = PLAIT_LIT("body"), .expect_continue = true};
        fails_expectations = fails;
        never_answers = true;
        farm_open(&farm, answer_expectations);
        struct plait_http_client *client = plait_http_client_new(farm.r, NULL);
        struct farm_end end = {0};
        farm_start(client, "http://server/x", &options, &end);
        plait_sim_run_for(farm.sim, plait_millis(fails ? 100 : 900));
        assert_int_equal(farm.requests, fails ? 2 : 1);
        plait_sim_run_for(farm.sim, plait_seconds(2));
        assert_int_equal(end.ends, fails); /* with 417 the second request had its body at once */
        if (!fails)
            plait_http_client_free(&client);
        plait_sim_run_for(farm.sim, plait_seconds(1));
        plait_response_free(&end.response);
        plait_http_client_free(&client);
        farm_close(&farm);
    }
}

/* --- files -------------------------------------------------------------------------------------------------------- */

struct file_source {
    int fd;
    unsigned released;
    bool twice; /* more than announced */
};

static void released(void *ctx)
{
    ((struct file_source *)ctx)->released++;
}

static void send_file(struct plait_upload *upload, void *ctx)
{
    struct file_source *file = ctx;
    plait_upload_file(upload, file->fd, 10, 1000, released, file);
    if (file->twice)
        plait_upload_file(upload, file->fd, 0, 1, released, file);
    else
        plait_upload_end(upload);
}

static void ranges_of_files_are_sent(void **state)
{
    static const struct {
        uint64_t length;
        bool twice;
        plait_err err;
    } cases[] = {{1000, false, PLAIT_OK}, {PLAIT_LENGTH_UNKNOWN, false, PLAIT_OK}, {1000, true, PLAIT_EINVAL}};
    uint8_t content[2000];
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 16];
    (void)state;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = byte_at(i);
    test_folder_make(folder);
    test_file_write(folder, "file", plait_slice_of(content, sizeof content));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    for (size_t n = 0; n < 2 * TEST_COUNT(cases); n++) {
        const size_t i = n / 2;
        struct test_heap heap;
        test_heap_init(&heap, 0);
        const struct plait_reactor_options options = {.allocator = &heap.allocator};
        struct plait_reactor *r = plait_reactor_new(&options);
        struct plait_resource *root = plait_resource_new(r);
        struct plait_listener *listener;
        struct plait_address here;
        plait_value value;
        char url[64];
        assert_ok(plait_resource_on(root, "POST", "take", take, NULL));
        assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
        assert_ok(plait_listen(r, &here, NULL, plait_http(root), &listener));
        plait_listener_address(listener, &here);
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/take", here.port);
        struct file_source file = {.fd = open(path, O_RDONLY | O_CLOEXEC), .twice = cases[i].twice};
        const struct plait_upload_source source = {.length = cases[i].length, .room = send_file, .ctx = &file};
        const struct plait_fetch_options post = {
            .method = "POST", .upload = &source, .version = n % 2 ? PLAIT_HTTP_2 : PLAIT_HTTP_1};
        const plait_err err = plait_reactor_run_until(r, plait_http_get(r, url, &post), &value);
        assert_err(err, cases[i].err);
        if (err == PLAIT_OK) {
            struct plait_response *response = value.ptr;
            assert_slice_is(plait_response_body(response), plait_slice_of(content + 10, 1000));
            plait_response_free(&response);
        }
        assert_int_equal(file.released, 1 + file.twice);
        close(file.fd);
        plait_listener_close(&listener);
        plait_reactor_free(&r);
        assert_int_equal(heap.live, 0);
    }
    test_folder_remove(folder);
}

TEST_MAIN(cmocka_unit_test(bodies_are_written_as_they_go), cmocka_unit_test(the_announced_length_is_kept),
          cmocka_unit_test(a_source_can_give_up), cmocka_unit_test(bodies_are_sent_again_where_they_can_be),
          cmocka_unit_test(a_fetch_may_be_cancelled_by_its_source),
          cmocka_unit_test(a_body_waits_until_it_is_asked_for),
          cmocka_unit_test(servers_that_know_no_expectations_get_the_body), cmocka_unit_test(ranges_of_files_are_sent))
