/* SPDX-License-Identifier: MIT
 *
 * How exchanges and connections of the client end over HTTP/2: by a cancel, a reset, GOAWAY, a broken rule, a limit or
 * silence. Every fetch ends once, and what the server has not looked at is asked for again.
 */
#include "tests/web/http2_farm.h"

#include "web/http2_client.h"

static struct h2_farm f;

static const struct plait_fetch_options post = {.method = "POST", .body = {(const uint8_t *)"body", 4}};

static void answer(struct h2_server *c, uint32_t id, bool ended)
{
    if (ended && !h2_asked(c, "/hold"))
        h2_answer_path(c, id);
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

static void works_on(struct plait_http_client *client, size_t connections)
{
    struct farm_end end;
    assert_ok(h2_farm_get(&f, client, "/next", NULL, &end));
    h2_end_is(&end, "/next");
    assert_int_equal(f.conns, connections);
}

/* --- the client's own ends ------------------------------------------------------------------------------------- */

static void a_cancel_resets_its_stream_alone(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end, other;
    (void)state;
    struct plait_deferred *d = h2_farm_start(&f, client, "/hold", NULL, &end);
    h2_farm_start(&f, client, "/hold", NULL, &other);
    h2_farm_run(&f, 100);
    plait_deferred_cancel(d);
    h2_farm_run(&f, 100);
    assert_int_equal(end.fault.err, PLAIT_ECANCELLED);
    assert_non_null(strstr(f.log, "RST_STREAM 1 4 code=8"));
    h2_answer_with(f.conn[0], 1, ":status 200\n", "nobody's"); /* it crosses the reset */
    h2_answer_with(f.conn[0], 3, ":status 200\n", "the other's");
    h2_farm_run(&f, 100);
    h2_end_is(&other, "the other's");
    works_on(client, 1);
    close_all(client);
}

static void note_and_free(struct plait_result *result, void *ctx)
{
    struct plait_http_client **client = ctx;
    plait_result_set(result, plait_value_num(0));
    plait_http_client_free(client);
}

static void a_client_may_end_inside_a_callback(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        const struct plait_fetch_options two = {.version = way == 2 ? PLAIT_HTTP_1 : PLAIT_HTTP_2};
        h2_farm_start(&f, client, "/hold", NULL, &end);
        h2_farm_run(&f, 100);
        const char *url = way == 0 ? "http://server:90/x" : "http://server:91/x"; /* where nobody listens */
        assert_ok(plait_then(plait_http_fetch(client, url, &two), note_and_free, &client));
        h2_farm_run(&f, 1000);
        assert_null(client);
        assert_int_equal(end.fault.err, PLAIT_ECANCELLED);
        close_all(client);
    }
}

static void an_idle_connection_is_closed_with_a_word(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    (void)state;
    works_on(client, 1);
    h2_farm_run(&f, 70000);
    assert_int_equal(f.conn[0]->goaway, 0);
    assert_int_equal(f.open, 0);
    works_on(client, 2);
    close_all(client);
}

static void note_drained(struct plait_result *result, void *ctx)
{
    *(bool *)ctx = true;
    plait_result_set(result, plait_value_num(0));
}

static void a_drain_brings_to_an_end_what_is_under_way(void **state)
{
    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end = {0};
        bool drained = false;
        works_on(client, 1);
        if (busy)
            h2_farm_start(&f, client, "/hold", NULL, &end);
        h2_farm_run(&f, 100);
        assert_ok(plait_then(plait_drain(f.base.r, plait_seconds(20)), note_drained, &drained));
        h2_farm_run(&f, 100);
        if (busy) {
            assert_int_equal(f.open, 1);
            h2_answer_with(f.conn[0], 3, ":status 200\n", "late");
            h2_farm_run(&f, 100);
            h2_end_is(&end, "late");
        }
        assert_int_equal(f.conn[0]->goaway, 0);
        assert_int_equal(f.open, 0);
        close_all(client);
    }
}

/* --- room ------------------------------------------------------------------------------------------------------ */

static void greet_two(struct h2_server *c)
{
    h2_setting(&c->farm->out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    h2_say(c);
}

static void as_many_as_the_server_takes_go_over_a_connection(void **state)
{
    struct farm_end end[5];
    (void)state;
    for (size_t per_origin = 1; per_origin <= 2; per_origin++) {
        struct plait_http_client *client =
            open_with(answer, &(struct plait_http_client_options){.per_origin = per_origin});
        f.greet = greet_two;
        works_on(client, 1); /* so that it is known */
        for (size_t i = 0; i < 5; i++)
            h2_farm_start(&f, client, "/hold", NULL, &end[i]);
        h2_farm_run(&f, 500);
        assert_int_equal(f.conns, per_origin);
        assert_int_equal(f.conn[0]->requests, 3);
        if (per_origin == 2)
            assert_int_equal(f.conn[1]->requests, 2);
        h2_setting(&f.out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5); /* there is more room now */
        h2_say(f.conn[0]);
        h2_farm_run(&f, 500);
        assert_int_equal(f.conn[0]->requests + (per_origin == 2 ? f.conn[1]->requests : 0), 6);
        close_all(client);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(end[i].ends, 1);
    }
}

static void the_clients_own_limit_holds(void **state)
{
    struct plait_http_client *client =
        open_with(answer, &(struct plait_http_client_options){.per_origin = 1, .streams = 3});
    struct farm_end end[5];
    struct plait_deferred *first = NULL;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct plait_deferred *d = h2_farm_start(&f, client, "/hold", NULL, &end[i]);
        first = first ? first : d;
    }
    h2_farm_run(&f, 500);
    assert_int_equal(f.conn[0]->requests, 3);
    plait_deferred_cancel(first); /* its place goes to another */
    h2_farm_run(&f, 500);
    assert_int_equal(f.conn[0]->requests, 4);
    close_all(client);
}

static void a_connection_a_request_where_none_is_to_be_kept(void **state)
{
    struct plait_http_client *client = open_with(answer, &(struct plait_http_client_options){.no_reuse = true});
    struct farm_end end[2];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        h2_farm_start(&f, client, "/one", NULL, &end[i]);
    h2_farm_run(&f, 500);
    for (size_t i = 0; i < 2; i++)
        h2_end_is(&end[i], "/one");
    assert_int_equal(f.conns, 2);
    assert_int_equal(f.open, 0);
    close_all(client);
}

/* The client's only connection. */
static struct plait__h2_conn *session_of(struct plait_http_client *client)
{
    struct plait__table_walk walk = {0};
    plait_slice key;
    const struct plait__client_origin *o = plait__table_next(&client->origins, &walk, &key);
    return plait__container(o->conns.next, struct plait__client_conn, link)->h2;
}

static void a_connection_that_is_closing_is_left_at_once(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    struct plait_deferred *d = h2_farm_start(&f, client, "/hold", NULL, &end);
    h2_farm_run(&f, 100);
    plait__h2_abort(session_of(client), PLAIT_ERESET, "as a test wants it");
    plait_deferred_cancel(d);
    h2_farm_run(&f, 100);
    assert_int_equal(end.fault.err, PLAIT_ECANCELLED);
    works_on(client, 2);
    close_all(client);
}

static plait_err pause_first(const struct plait_response *response, plait_slice piece, void *ctx)
{
    const struct plait_response **paused = ctx;
    (void)piece;
    if (!*paused)
        plait_response_pause(response);
    *paused = response;
    return PLAIT_OK;
}

struct resumer {
    const struct plait_response *paused;
    unsigned ends;
};

static void resume_the_other(struct plait_result *result, void *ctx)
{
    struct resumer *r = ctx;
    r->ends++;
    plait_response_resume(r->paused);
    plait_result_set(result, plait_value_num(0));
}

/* One fetch hears of the loss, and lets the other go on, whose response has come. */
static void what_is_resumed_when_the_connection_is_lost_comes(void **state)
{
    struct resumer r = {0};
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end, none;
    (void)state;
    assert_ok(plait_then(h2_farm_start(&f, client, "/hold", &post, &none), resume_the_other, &r));
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.data = pause_first, .ctx = &r.paused}, &end);
    h2_farm_run(&f, 100);
    h2_headers(&f.out, OPEN, 3, ":status 200\n");
    h2_data(&f.out, 0, 3, "some");
    h2_data(&f.out, END, 3, "more");
    h2_say(f.conn[0]);
    h2_farm_run(&f, 100);
    plait_abort(f.conn[0]->stream);
    h2_farm_run(&f, 100);
    assert_int_equal(r.ends, 1);
    assert_int_equal(end.ends, 1);
    assert_ok(end.fault.err);
    plait_response_free(&end.response);
    close_all(client);
}

/* A server that reads nothing goes away: what did not fit into the connection's output was never sent. */
static void what_was_never_written_goes_elsewhere(void **state)
{
    static char value[7000];
    static struct farm_end end[100];
    struct plait_http_client *client = open_with(answer, NULL);
    size_t whole = 0;
    memset(value, 'x', sizeof value - 1);
    const struct plait_http_field fields[] = {{"X-Long", value}, {"X-Longer", value}};
    const struct plait_fetch_options options = {.method = "POST", .fields = fields, .field_count = 2};
    (void)state;
    works_on(client, 1);
    plait_pause(f.conn[0]->stream);
    for (size_t i = 0; i < TEST_COUNT(end); i++)
        h2_farm_start(&f, client, "/post", &options, &end[i]);
    h2_farm_run(&f, 1000);
    plait_abort(f.conn[0]->stream);
    h2_farm_run(&f, 5000);
    for (size_t i = 0; i < TEST_COUNT(end); i++) {
        assert_int_equal(end[i].ends, 1);
        whole += end[i].fault.err == PLAIT_OK;
        plait_response_free(&end[i].response);
    }
    assert_true(whole > 10 && whole < 90);
    assert_int_equal(f.conn[1]->requests, whole);
    assert_int_equal(f.conns, 2);
    close_all(client);
}

static void a_connection_whose_streams_run_out_is_replaced(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    (void)state;
    works_on(client, 1);
    assert_int_equal(nghttp2_session_set_next_stream_id(session_of(client)->session, (1 << 30) + 1), 0);
    works_on(client, 1);
    assert_int_equal(f.open, 0);
    works_on(client, 2);
    close_all(client);
}

/* --- what the server has not looked at ------------------------------------------------------------------------- */

static void what_lies_behind_goaway_goes_elsewhere(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end[3];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        h2_farm_start(&f, client, "/hold", &post, &end[i]);
    h2_farm_run(&f, 100);
    h2_goaway(f.conn[0], 3, 0);
    h2_farm_run(&f, 100);
    assert_int_equal(f.conns, 2);
    assert_int_equal(f.conn[1]->requests, 1);
    h2_answer_with(f.conn[0], 1, ":status 200\n", "one");
    h2_answer_with(f.conn[0], 3, ":status 200\n", "two");
    h2_answer_with(f.conn[1], 1, ":status 200\n", "three");
    h2_farm_run(&f, 100);
    h2_end_is(&end[0], "one");
    h2_end_is(&end[1], "two");
    h2_end_is(&end[2], "three");
    assert_int_equal(f.open, 1); /* the first has closed */
    close_all(client);
}

static void answer_refused(struct h2_server *c, uint32_t id, bool ended)
{
    (void)ended;
    if (h2_asked(c, "/never") || (h2_asked(c, "/second") && c->requests == 1))
        h2_give_up_stream(c, id, NGHTTP2_REFUSED_STREAM);
    else
        h2_answer_path(c, id);
}

static void a_refused_request_is_sent_again_for_some_time(void **state)
{
    struct plait_http_client *client = open_with(answer_refused, NULL);
    struct farm_end end;
    (void)state;
    assert_ok(h2_farm_get(&f, client, "/second", &post, &end));
    h2_end_is(&end, "/second");
    assert_int_equal(f.conn[0]->requests, 2);
    assert_int_equal(h2_farm_get(&f, client, "/never", &post, &end), PLAIT_ERESET);
    assert_int_equal(f.conn[0]->requests, 8);
    assert_int_equal(f.conns, 1);
    close_all(client);
}

static void a_reset_ends_the_fetch(void **state)
{
    static const uint32_t codes[] = {NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR,
                                     NGHTTP2_HTTP_1_1_REQUIRED};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(codes); i++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        h2_farm_start(&f, client, "/hold", NULL, &end);
        h2_farm_run(&f, 100);
        h2_headers(&f.out, OPEN, 1, ":status 200\n");
        if (codes[i] == NGHTTP2_HTTP_1_1_REQUIRED)
            f.out.out_len = 0; /* no answer before */
        h2_give_up_stream(f.conn[0], 1, codes[i]);
        h2_farm_run(&f, 100);
        assert_int_equal(end.ends, 1);
        assert_int_equal(end.fault.err, PLAIT_ERESET);
        works_on(client, 1);
        close_all(client);
    }
}

/* A connection that had been used breaks: what may be repeated is. */
static void a_lost_connection_is_replaced_for_what_may_be_repeated(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end get[3], posted;
    (void)state;
    works_on(client, 1);
    for (size_t i = 0; i < 3; i++)
        h2_farm_start(&f, client, "/hold", NULL, &get[i]);
    h2_farm_start(&f, client, "/hold", &post, &posted);
    h2_farm_run(&f, 100);
    plait_abort(f.conn[0]->stream);
    h2_farm_run(&f, 100);
    assert_int_equal(posted.ends, 1);
    assert_true(posted.fault.err != PLAIT_OK);
    assert_int_equal(f.conns, 2); /* one for all three */
    assert_int_equal(f.conn[1]->requests, 3);
    for (uint32_t i = 0; i < 3; i++)
        h2_answer_with(f.conn[1], 2 * i + 1, ":status 200\n", "again");
    h2_farm_run(&f, 100);
    for (size_t i = 0; i < 3; i++)
        h2_end_is(&get[i], "again");
    close_all(client);
}

static void a_server_that_closes_is_left(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    (void)state;
    works_on(client, 1);
    plait_close(f.conn[0]->stream);
    h2_farm_run(&f, 100);
    works_on(client, 2);
    close_all(client);
}

/* --- rules ----------------------------------------------------------------------------------------------------- */

static void say_frames(struct h2_server *c, const char *what)
{
    struct h2_peer *out = &c->farm->out;
    char line[200];
    if (strcmp(what, "data first") == 0) {
        h2_data(out, 0, 1, "body");
    } else if (strcmp(what, "length") == 0) {
        h2_headers(out, OPEN, 1, ":status 200\ncontent-length 10\n");
        h2_data(out, END, 1, "body");
    } else if (strcmp(what, "open trailers") == 0) {
        h2_headers(out, OPEN, 1, ":status 200\n");
        h2_headers(out, OPEN, 1, "x-trailer 1\n");
    } else if (strcmp(what, "pseudo trailers") == 0) {
        h2_headers(out, OPEN, 1, ":status 200\n");
        h2_headers(out, WHOLE, 1, ":status 200\n");
    } else if (strcmp(what, "long trailers") == 0) {
        h2_headers(out, OPEN, 1, ":status 200\n");
        static char many[10000];
        (void)snprintf(many, sizeof many, "x-long %08500d\n", 1);
        h2_headers(out, WHOLE, 1, many);
    } else if (strcmp(what, "many fields") == 0) {
        static char many[4000];
        size_t len = (size_t)snprintf(many, sizeof many, ":status 200\n");
        for (int i = 0; i < 101; i++)
            len += (size_t)snprintf(many + len, sizeof many - len, "x-%d v\n", i);
        h2_headers(out, WHOLE, 1, many);
    } else if (strcmp(what, "long head") == 0) {
        static char many[20000];
        (void)snprintf(many, sizeof many, ":status 200\nx-long %016300d\nx-more %0500d\n", 1, 1);
        h2_headers(out, WHOLE, 1, many);
    } else if (strcmp(what, "interims") == 0) {
        for (int i = 0; i < 17; i++)
            h2_headers(out, OPEN, 1, ":status 103\n");
    } else if (strcmp(what, "push") == 0) {
        (void)snprintf(line, sizeof line, "%s", GET_FIELDS("/pushed"));
        uint8_t block[200] = {0, 0, 0, 2};
        const size_t len = 4 + h2_block(line, block + 4, sizeof block - 4);
        h2_frame(out, PLAIT__H2_PUSH_PROMISE, PLAIT__H2_END_HEADERS, 1, block, len);
    } else {
        h2_headers(out, OPEN, 1, what);
    }
    h2_say(c);
}

static void a_broken_rule_ends_its_fetch_or_its_connection(void **state)
{
    static const struct {
        const char *what;
        plait_err err;
        bool all; /* the connection ends */
    } rows[] = {
        {"x-none 1\n", PLAIT_EMALFORMED, false},
        {":status 20\n", PLAIT_EMALFORMED, false},
        {":status 101\n", PLAIT_EMALFORMED, false},
        {":status 200\nX-Upper 1\n", PLAIT_EMALFORMED, false},
        {":status 200\nconnection close\n", PLAIT_EMALFORMED, false},
        {":status 200\ntransfer-encoding chunked\n", PLAIT_EMALFORMED, false},
        {":status 200\nx-control a\x01"
         "b\n",
         PLAIT_EMALFORMED, false},
        {":status 200\nx y\n:status 200\n", PLAIT_EMALFORMED, false},
        {":status 200\ncontent-length 1x\n", PLAIT_EMALFORMED, false},
        {"length", PLAIT_EMALFORMED, false},
        {"open trailers", PLAIT_EMALFORMED, false},
        {"pseudo trailers", PLAIT_EMALFORMED, false},
        {"long trailers", PLAIT_ETOOLONG, false},
        {"many fields", PLAIT_ETOOLONG, false},
        {"long head", PLAIT_ETOOLONG, false},
        {"interims", PLAIT_EPROTOCOL, false},
        {"data first", PLAIT_EPROTOCOL, true},
        {"push", PLAIT_EPROTOCOL, true},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        h2_farm_start(&f, client, "/hold", NULL, &end);
        h2_farm_run(&f, 100);
        say_frames(f.conn[0], rows[i].what);
        h2_farm_run(&f, 100);
        if (end.ends != 1 || end.fault.err != rows[i].err)
            fail_msg("%s: %u ends, %s", rows[i].what, end.ends, plait_err_name(end.fault.err));
        if (!rows[i].all)
            assert_int_equal(f.conn[0]->resets, 1);
        works_on(client, rows[i].all ? 2 : 1);
        close_all(client);
    }
}

static void a_server_of_http1_is_told_apart(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    h2_farm_start(&f, client, "/hold", NULL, &end);
    h2_farm_run(&f, 10);
    plait_write(f.conn[0]->stream, PLAIT_LIT("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    h2_farm_run(&f, 100);
    assert_int_equal(end.ends, 1);
    assert_true(end.fault.err != PLAIT_OK);
    assert_int_equal(f.open, 0);
    close_all(client);
}

/* --- limits ---------------------------------------------------------------------------------------------------- */

static void say_many(struct h2_server *c, int what, int count)
{
    struct h2_peer *out = &c->farm->out;
    for (int i = 0; i < count; i++) {
        if (what == 0)
            h2_ping(out, 0);
        else if (what == 1)
            h2_frame(out, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
        else if (what == 2)
            h2_frame(out, PLAIT__H2_DATA, 0, 1, NULL, 0);
        else
            h2_number(out, PLAIT__H2_WINDOW_UPDATE, 0, 1);
        h2_say(c);
    }
}

static void floods_end_the_connection(void **state)
{
    (void)state;
    for (int what = 0; what < 4; what++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        h2_farm_start(&f, client, "/hold", NULL, &end);
        h2_farm_run(&f, 100);
        h2_headers(&f.out, OPEN, 1, ":status 200\n");
        h2_say(f.conn[0]);
        for (int i = 0; i < 9; i++) {
            say_many(f.conn[0], what, 100);
            h2_farm_run(&f, 1);
        }
        h2_farm_run(&f, 100);
        assert_int_equal(end.ends, 0);
        say_many(f.conn[0], what, 200);
        h2_farm_run(&f, 100);
        assert_int_equal(end.ends, 1);
        assert_int_equal(end.fault.err, PLAIT_ELIMIT);
        assert_int_equal(f.conn[0]->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
        works_on(client, 2);
        close_all(client);
    }
}

static void a_silent_server_is_asked_whether_it_is_there(void **state)
{
    const struct plait_fetch_options patient = {.times = {.first_byte = PLAIT_NEVER}};
    (void)state;
    for (int mute = 0; mute < 2; mute++) {
        struct plait_http_client *client = open_with(answer, NULL);
        struct farm_end end;
        f.mute = mute;
        h2_farm_start(&f, client, "/hold", &patient, &end);
        h2_farm_run(&f, 300000);
        assert_int_equal(end.ends, mute);
        if (mute) {
            assert_int_equal(end.fault.err, PLAIT_ETIMEDOUT);
            assert_int_equal(f.conn[0]->pings, 1);
        } else {
            assert_true(f.conn[0]->pings > 5);
        }
        close_all(client);
    }
}

static void a_frame_that_does_not_come_whole_ends_the_connection(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    h2_farm_start(&f, client, "/hold", &(struct plait_fetch_options){.times = {.first_byte = PLAIT_NEVER}}, &end);
    h2_farm_run(&f, 100);
    plait_write(f.conn[0]->stream, PLAIT_LIT("\0\0\x10\1"));
    h2_farm_run(&f, 31000);
    assert_int_equal(end.ends, 1);
    assert_int_equal(end.fault.err, PLAIT_ETIMEDOUT);
    close_all(client);
}

static void a_late_answer_is_given_up(void **state)
{
    struct plait_http_client *client = open_with(answer, NULL);
    struct farm_end end;
    (void)state;
    assert_int_equal(h2_farm_get(&f, client, "/hold", NULL, &end), PLAIT_ETIMEDOUT);
    h2_farm_run(&f, 100);
    assert_non_null(strstr(f.log, "RST_STREAM 1 4 code=8"));
    works_on(client, 1);
    close_all(client);
}

TEST_MAIN(
    cmocka_unit_test(a_cancel_resets_its_stream_alone), cmocka_unit_test(a_client_may_end_inside_a_callback),
    cmocka_unit_test(an_idle_connection_is_closed_with_a_word),
    cmocka_unit_test(a_drain_brings_to_an_end_what_is_under_way),
    cmocka_unit_test(as_many_as_the_server_takes_go_over_a_connection), cmocka_unit_test(the_clients_own_limit_holds),
    cmocka_unit_test(a_connection_a_request_where_none_is_to_be_kept),
    cmocka_unit_test(a_connection_whose_streams_run_out_is_replaced),
    cmocka_unit_test(a_connection_that_is_closing_is_left_at_once),
    cmocka_unit_test(what_is_resumed_when_the_connection_is_lost_comes),
    cmocka_unit_test(what_was_never_written_goes_elsewhere), cmocka_unit_test(what_lies_behind_goaway_goes_elsewhere),
    cmocka_unit_test(a_refused_request_is_sent_again_for_some_time), cmocka_unit_test(a_reset_ends_the_fetch),
    cmocka_unit_test(a_lost_connection_is_replaced_for_what_may_be_repeated),
    cmocka_unit_test(a_server_that_closes_is_left), cmocka_unit_test(a_broken_rule_ends_its_fetch_or_its_connection),
    cmocka_unit_test(a_server_of_http1_is_told_apart), cmocka_unit_test(floods_end_the_connection),
    cmocka_unit_test(a_silent_server_is_asked_whether_it_is_there),
    cmocka_unit_test(a_frame_that_does_not_come_whole_ends_the_connection), cmocka_unit_test(a_late_answer_is_given_up))
