/* SPDX-License-Identifier: MIT
 *
 * The client over HTTP/2: fetches that share a connection, bodies both ways, windows, and what a request looks like.
 */
#include "tests/web/http2_farm.h"

static struct h2_farm f;

static void answer(struct h2_server *c, uint32_t id, bool ended)
{
    if (h2_asked(c, "/hold"))
        return;
    if (h2_asked(c, "/many"))
        h2_answer_with(c, id, ":status 203\nx-one 1\nx-two 2\n", "fields");
    else if (h2_asked(c, "/none"))
        h2_answer_with(c, id, ":status 204\n", NULL);
    else if (h2_asked(c, "/head"))
        h2_answer_with(c, id, ":status 200\ncontent-length 77\n", NULL);
    else if (h2_asked(c, "/known"))
        h2_answer_with(c, id, ":status 200\ncontent-length 5\n", "known");
    else if (h2_asked(c, "/away"))
        h2_answer_with(c, id, ":status 302\nlocation /there\n", "away");
    else if (ended)
        h2_answer_path(c, id);
}

/* Answers when the request is complete, with its size. */
static void answer_body(struct h2_server *c, uint32_t id, bool ended)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%zu", c->body);
    if (ended)
        h2_answer_with(c, id, ":status 200\n", text);
}

static struct plait_http_client *open_with(h2_farm_fn asked, const struct plait_http_client_options *options)
{
    h2_farm_open(&f, asked);
    return plait_http_client_new(f.base.r, options);
}

static void close_all(struct plait_http_client *client)
{
    plait_http_client_free(&client);
    h2_farm_close(&f);
}

static void fetches_at_once_share_a_connection(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end[50];
    struct plait_http_client_counts counts;
    char path[16];
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(path, sizeof path, "/%zu", i);
        h2_farm_start(&f, client, path, NULL, &end[i]);
    }
    h2_farm_run(&f, 2000);
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(path, sizeof path, "/%zu", i);
        h2_end_is(&end[i], path);
    }
    plait_http_client_look(client, &counts);
    assert_int_equal(f.conns, 1);
    assert_int_equal(counts.made, 1);
    assert_int_equal(counts.reused, 49);
    assert_int_equal(counts.idle, 1);
    close_all(client);
}

static void a_request_has_its_fields_in_order_and_none_of_http1(void **state)
{
    static const struct plait_http_field fields[] = {
        {"X-Mine", "yes"}, {"Authorization", "Bearer x"}, {"Keep-Alive", "5"}, {"Cookie", "a=1; b=2"}};
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    assert_ok(h2_farm_get(&f, client, "/a?b=c",
                          &(struct plait_fetch_options){.fields = fields, .field_count = TEST_COUNT(fields)}, &end));
    h2_end_is(&end, "/a?b=c");
    assert_non_null(strstr(f.log, " :method=GET; :scheme=http; :authority=server:90; :path=/a?b=c; user-agent=plait/"));
    assert_non_null(strstr(f.log, " x-mine=yes; authorization=Bearer x;! cookie=a=1; b=2;! end\n"));
    assert_null(strstr(f.log, "host="));
    assert_null(strstr(f.log, "keep-alive"));
    assert_non_null(strstr(f.log, "SETTINGS 0 18 2=0 4=1048576 6=16384\n"));
    close_all(client);
}

static void many_fields_fit(void **state)
{
    struct plait_http_field fields[60];
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(fields); i++)
        fields[i] = (struct plait_http_field){"X-Same", "value"};
    assert_ok(h2_farm_get(&f, client, "/x",
                          &(struct plait_fetch_options){.fields = fields, .field_count = TEST_COUNT(fields)}, &end));
    h2_end_is(&end, "/x");
    close_all(client);
}

static void responses_are_read_as_those_of_http1(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    assert_ok(h2_farm_get(&f, client, "/many", NULL, &end));
    assert_int_equal(plait_response_status(end.response), 203);
    assert_int_equal(plait_response_field_count(end.response), 2);
    assert_slice(plait_response_field(end.response, "X-Two"), "2");
    assert_int_equal(plait_response_length(end.response), PLAIT_LENGTH_UNKNOWN);
    plait_response_free(&end.response);
    assert_ok(h2_farm_get(&f, client, "/none", NULL, &end));
    assert_int_equal(plait_response_status(end.response), 204);
    assert_int_equal(plait_response_field_count(end.response), 0);
    plait_response_free(&end.response);
    assert_ok(h2_farm_get(&f, client, "/head", &(struct plait_fetch_options){.method = "HEAD"}, &end));
    assert_int_equal(plait_response_length(end.response), 77);
    plait_response_free(&end.response);
    assert_ok(h2_farm_get(&f, client, "/known", NULL, &end));
    assert_int_equal(plait_response_length(end.response), 5);
    h2_end_is(&end, "known");
    assert_ok(h2_farm_get(&f, client, "/away", NULL, &end));
    h2_end_is(&end, "/there");
    assert_int_equal(f.conns, 1);
    close_all(client);
}

/* --- bodies of requests ---------------------------------------------------------------------------------------- */

struct pour {
    size_t left, calls;
    bool rewinds;
};

static void pour_room(struct plait_upload *upload, void *ctx)
{
    static const char block[10000];
    struct pour *p = ctx;
    p->calls++;
    while (p->left > 0 && !plait_upload_is_full(upload)) {
        const size_t len = p->left < sizeof block ? p->left : sizeof block;
        p->left -= len;
        plait_upload_write(upload, plait_slice_of(block, len));
    }
    if (p->left == 0)
        plait_upload_end(upload);
}

static void bodies_go_out_as_the_windows_let_them(void **state)
{
    static char block[3000];
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    struct pour pour = {.left = 200000};
    const struct plait_upload_source source = {.length = PLAIT_LENGTH_UNKNOWN, .room = pour_room, .ctx = &pour};
    (void)state;
    f.body = answer_body;
    const struct plait_fetch_options posts = {.method = "POST", .body = plait_slice_of(block, sizeof block)};
    assert_ok(h2_farm_get(&f, client, "/post", &posts, &end));
    h2_end_is(&end, "3000");
    assert_non_null(strstr(f.log, "content-length=3000"));
    struct h2_server *c = f.conn[0];
    c->body = 0;
    h2_farm_start(&f, client, "/pour", &(struct plait_fetch_options){.method = "PUT", .upload = &source}, &end);
    h2_farm_run(&f, 1000);
    assert_int_equal(c->body, 65535 - 3000); /* the connection's window */
    assert_true(pour.left > 0);
    assert_null(strstr(f.log, "transfer-encoding"));
    for (int i = 0; i < 4; i++) {
        h2_number(&f.out, PLAIT__H2_WINDOW_UPDATE, 0, 50000);
        h2_number(&f.out, PLAIT__H2_WINDOW_UPDATE, c->id, 50000);
        h2_say(c);
        h2_farm_run(&f, 1000);
    }
    assert_true(pour.calls > 1);
    h2_end_is(&end, "200000");
    close_all(client);
}

static void a_window_that_stays_shut_ends_the_fetch(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end, other;
    struct pour pour = {.left = 200000};
    const struct plait_upload_source source = {.length = PLAIT_LENGTH_UNKNOWN, .room = pour_room, .ctx = &pour};
    (void)state;
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.times = {.first_byte = PLAIT_NEVER}}, &other);
    const plait_err err =
        h2_farm_get(&f, client, "/pour", &(struct plait_fetch_options){.method = "PUT", .upload = &source}, &end);
    assert_int_equal(err, PLAIT_EPEERSTALLED);
    assert_non_null(strstr(f.log, "RST_STREAM 3 4 code=8"));
    assert_int_equal(other.ends, 0);
    h2_answer_path(f.conn[0], 1);
    h2_farm_run(&f, 100);
    h2_end_is(&other, "/pour"); /* the last path that came; the stream is the first one's */
    close_all(client);
}

static void an_early_answer_is_whole_and_stops_the_body(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    struct pour pour = {.left = 200000};
    const struct plait_upload_source source = {.length = PLAIT_LENGTH_UNKNOWN, .room = pour_room, .ctx = &pour};
    (void)state;
    h2_farm_start(&f, client, "/pour", &(struct plait_fetch_options){.method = "PUT", .upload = &source}, &end);
    h2_farm_run(&f, 500);
    h2_answer_with(f.conn[0], 1, ":status 413\n", "no more");
    h2_farm_run(&f, 500);
    assert_int_equal(plait_response_status(end.response), 413);
    h2_end_is(&end, "no more");
    assert_non_null(strstr(f.log, "RST_STREAM 1 4 code=8"));
    assert_ok(h2_farm_get(&f, client, "/next", NULL, &end));
    h2_end_is(&end, "/next");
    assert_int_equal(f.conns, 1);
    close_all(client);
}

static void a_body_waits_until_the_server_asks_for_it(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    const struct plait_fetch_options options = {.method = "POST", .body = PLAIT_LIT("body"), .expect_continue = true};
    (void)state;
    f.body = answer_body;
    h2_farm_start(&f, client, "/post", &options, &end);
    h2_farm_run(&f, 500);
    assert_int_equal(f.conn[0]->body, 0);
    assert_non_null(strstr(f.log, "expect=100-continue"));
    h2_headers(&f.out, OPEN, 1, ":status 100\n");
    h2_say(f.conn[0]);
    h2_farm_run(&f, 400);
    h2_end_is(&end, "4");
    close_all(client);
}

/* --- bodies of responses --------------------------------------------------------------------------------------- */

struct reader {
    const struct plait_response *response;
    size_t bytes, pause_at, fail_at;
    bool pauses_each;
    struct plait_deferred *other; /* to be cancelled */
};

static plait_err read_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct reader *r = ctx;
    r->response = response;
    r->bytes += piece.len;
    if (r->other)
        plait_deferred_cancel(r->other);
    r->other = NULL;
    if (r->fail_at && r->bytes >= r->fail_at)
        return PLAIT_ENOSPACE;
    if (r->pauses_each || (r->pause_at && r->bytes >= r->pause_at)) {
        plait_response_pause(response);
        r->pause_at = 0;
    }
    return PLAIT_OK;
}

/* Sends up to `bytes` of DATA. */
static void send_data(struct h2_server *c, uint32_t id, size_t bytes, unsigned flags)
{
    static char block[16384];
    while (bytes > 0) {
        const size_t len = bytes < sizeof block ? bytes : sizeof block;
        bytes -= len;
        h2_frame(&f.out, PLAIT__H2_DATA, bytes == 0 ? flags : 0, id, block, len);
        h2_say(c);
    }
}

static void a_fetch_that_is_paused_holds_its_window_and_no_others(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end slow, quick;
    struct reader r = {.pause_at = 1};
    (void)state;
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = read_piece, .ctx = &r}, &slow);
    h2_farm_run(&f, 100);
    struct h2_server *c = f.conn[0];
    h2_headers(&f.out, OPEN, 1, ":status 200\n");
    send_data(c, 1, 1 << 20, 0);
    h2_farm_run(&f, 1000);
    assert_true(r.bytes < 1 << 15);
    assert_int_equal(c->credit_stream, 0);
    assert_ok(h2_farm_get(&f, client, "/quick", NULL, &quick));
    h2_end_is(&quick, "/quick");
    plait_response_resume(r.response);
    h2_farm_run(&f, 1000);
    assert_int_equal(r.bytes, 1 << 20);
    assert_true(c->credit_stream >= 1 << 19);
    send_data(c, 1, 100, END);
    h2_farm_run(&f, 1000);
    assert_int_equal(slow.ends, 1);
    assert_int_equal(r.bytes, (1 << 20) + 100);
    plait_response_free(&slow.response);
    close_all(client);
}

static void what_has_come_outlives_its_connection(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end slow, other;
    struct reader r = {.pauses_each = true};
    (void)state;
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = read_piece, .ctx = &r}, &slow);
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.method = "POST"}, &other);
    h2_farm_run(&f, 100);
    struct h2_server *c = f.conn[0];
    h2_headers(&f.out, OPEN, 1, ":status 200\n");
    send_data(c, 1, 300000, END);
    h2_farm_run(&f, 1000);
    plait_close(c->stream);
    h2_farm_run(&f, 1000);
    assert_int_equal(other.ends, 1);
    assert_int_equal(other.fault.err, PLAIT_ETRUNCATED);
    assert_int_equal(slow.ends, 0);
    for (int i = 0; i < 100 && slow.ends == 0; i++) {
        plait_response_resume(r.response);
        h2_farm_run(&f, 10);
    }
    assert_int_equal(slow.ends, 1);
    assert_ok(slow.fault.err);
    assert_int_equal(r.bytes, 300000);
    plait_response_free(&slow.response);
    close_all(client);
}

/* The same, and nobody wants it any more; or the stream alone is over. */
static void what_has_come_may_be_left(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        struct reader r = {.pauses_each = true};
        struct plait_deferred *d =
            h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = read_piece, .ctx = &r}, &end);
        h2_farm_run(&f, 100);
        h2_headers(&f.out, OPEN, 1, ":status 200\n");
        send_data(f.conn[0], 1, 50000, END);
        h2_farm_run(&f, 1000);
        if (way == 1)
            plait_close(f.conn[0]->stream);
        h2_farm_run(&f, 1000);
        if (way >= 2) {
            r.pauses_each = false;
            r.fail_at = way == 3 ? r.bytes + 1 : 0;
            plait_response_resume(r.response);
        } else {
            plait_deferred_cancel(d);
        }
        h2_farm_run(&f, 1000);
        assert_int_equal(end.ends, 1);
        assert_int_equal(end.fault.err, way == 2 ? PLAIT_OK : way == 3 ? PLAIT_ENOSPACE : PLAIT_ECANCELLED);
        plait_response_free(&end.response);
        assert_ok(h2_farm_get(&f, client, "/next", NULL, &end));
        h2_end_is(&end, "/next");
        close_all(client);
    }
}

/* One that is cancelled by what came before it in the same piece of input. */
static void nothing_comes_of_what_was_just_cancelled(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end[4];
    struct reader r = {.bytes = 0}, none = {.bytes = 0};
    (void)state;
    for (int way = 0; way < 3; way++) {
        const uint32_t id = (uint32_t)way * 4 + 1;
        h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = read_piece, .ctx = &r}, &end[0]);
        r.other = h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = read_piece, .ctx = &none},
                                &end[1]);
        h2_farm_run(&f, 100);
        if (way > 0)
            h2_headers(&f.out, OPEN, id + 2, ":status 200\n");
        h2_headers(&f.out, OPEN, id, ":status 200\n");
        h2_data(&f.out, END, id, "body");
        if (way == 0)
            h2_headers(&f.out, OPEN, id + 2, ":status 200\nx-field 1\n");
        if (way < 2)
            h2_data(&f.out, 0, id + 2, "nobody's");
        h2_headers(&f.out, WHOLE, id + 2, "x-trailer 1\n");
        h2_say(f.conn[0]);
        h2_farm_run(&f, 100);
        assert_ok(end[0].fault.err);
        assert_int_equal(end[1].fault.err, PLAIT_ECANCELLED);
        assert_int_equal(none.bytes, 0);
        plait_response_free(&end[0].response);
    }
    assert_int_equal(f.conns, 1);
    close_all(client);
}

static void keep_upload(struct plait_upload *upload, void *ctx)
{
    *(struct plait_upload **)ctx = upload;
}

static void note_release(void *ctx)
{
    ++*(int *)ctx;
}

/* The response has come whole, and waits; the server has closed the stream. */
static void a_body_that_nobody_wants_goes_nowhere(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct plait_upload *upload = NULL;
    struct reader r = {.pauses_each = true};
    struct farm_end end;
    int released = 0;
    const struct plait_upload_source source = {.length = PLAIT_LENGTH_UNKNOWN, .room = keep_upload, .ctx = &upload};
    const struct plait_fetch_options options = {.method = "PUT", .upload = &source, .data = read_piece, .ctx = &r};
    (void)state;
    h2_farm_start(&f, client, "/put", &options, &end);
    h2_farm_run(&f, 100);
    h2_headers(&f.out, OPEN, 1, ":status 200\n");
    send_data(f.conn[0], 1, 20000, END);
    h2_give_up_stream(f.conn[0], 1, NGHTTP2_NO_ERROR);
    h2_farm_run(&f, 100);
    assert_true(plait_upload_is_full(upload));
    plait_upload_write(upload, PLAIT_LIT("more"));
    plait_upload_file(upload, 0, 0, 10, note_release, &released);
    assert_int_equal(released, 1);
    plait_upload_end(upload);
    h2_farm_run(&f, 65000); /* the first byte is not waited for any more */
    r.pauses_each = false;
    plait_response_resume(r.response);
    h2_farm_run(&f, 100);
    assert_ok(end.fault.err);
    assert_int_equal(end.ends, 1);
    assert_int_equal(r.bytes, 20000);
    assert_int_equal(f.conn[0]->body, 0);
    plait_response_free(&end.response);
    close_all(client);
}

static void trailers_are_kept(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    plait_slice name, value;
    (void)state;
    h2_farm_start(&f, client, "/hold", NULL, &end);
    h2_farm_run(&f, 100);
    h2_headers(&f.out, OPEN, 1, ":status 200\n");
    h2_data(&f.out, 0, 1, "body");
    h2_headers(&f.out, WHOLE, 1, "x-sum 17\nx-more \n");
    h2_say(f.conn[0]);
    h2_farm_run(&f, 100);
    assert_slice(plait_response_trailer(end.response, "X-Sum"), "17");
    assert_int_equal(plait_response_trailer(end.response, "X-More").len, 0);
    assert_null(plait_response_trailer(end.response, "X-None").ptr);
    plait_response_trailer_at(end.response, 1, &name, &value);
    assert_slice(name, "x-more");
    plait_response_trailer_at(end.response, 2, &name, &value);
    assert_null(name.ptr);
    h2_end_is(&end, "body");
    close_all(client);
}

TEST_MAIN(cmocka_unit_test(fetches_at_once_share_a_connection),
          cmocka_unit_test(a_request_has_its_fields_in_order_and_none_of_http1), cmocka_unit_test(many_fields_fit),
          cmocka_unit_test(responses_are_read_as_those_of_http1),
          cmocka_unit_test(bodies_go_out_as_the_windows_let_them),
          cmocka_unit_test(a_window_that_stays_shut_ends_the_fetch),
          cmocka_unit_test(an_early_answer_is_whole_and_stops_the_body),
          cmocka_unit_test(a_body_waits_until_the_server_asks_for_it),
          cmocka_unit_test(a_fetch_that_is_paused_holds_its_window_and_no_others),
          cmocka_unit_test(what_has_come_outlives_its_connection), cmocka_unit_test(what_has_come_may_be_left),
          cmocka_unit_test(nothing_comes_of_what_was_just_cancelled),
          cmocka_unit_test(a_body_that_nobody_wants_goes_nowhere), cmocka_unit_test(trailers_are_kept))
