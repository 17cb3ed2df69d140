/* SPDX-License-Identifier: MIT
 *
 * Multipart bodies: the codec whole, byte by byte and cut anywhere; parts of a request with their limits.
 */
#include "tests/web/http_world.h"

#include "web/web_wire.h"

static struct peer p;

/* --- the codec ---------------------------------------------------------------------------------------------------- */

struct body {
    const char *boundary, *bytes;
    const char *events; /* what comes of it; data that follows data is one */
};

#define HEAD "Content-Disposition: form-data; name=\"a\"\r\n"

static const struct body bodies[] = {
    {"b", "--b\r\n" HEAD "\r\nhello\r\n--b--\r\n", "part a -- / data hello over end "},
    {"b", "--b\r\n" HEAD "\r\n\r\n--b--", "part a -- / over end "},
    {"b", "--b\r\n" HEAD "\r\n--b--", "part a -- / over end "},
    {"b", "preamble\r\n--b \t\r\n" HEAD "\r\nx\r\n--b--\r\nepilogue --b\r\n--b\r\n", "part a -- / data x over end "},
    {"b",
     "--b\r\n" HEAD "\r\n1\r\n--b\r\nContent-Type: text/plain; x=y\r\ncontent-disposition:form-data; "
     "filename=\"x \\\"y\\\" \\z\"; other=1; name=b\r\nX-Other: \t\r\n\r\n\r\r\n-\r\n--\r\n--c\r\n--b--",
     "part a -- / data 1 over part b -x \"y\" \\z- text/plain; x=y/ data \r\r\n-\r\n--\r\n--c over end "},
    {"b", "--b\r\n" HEAD "\r\n\r\r\r\n\r\r\n--b--", "part a -- / data \r\r\r\n\r over end "},
    {"--", "------\r\nX: y\r\n" HEAD "\r\n\r\n--\r\n---\r\n----x\r\n------", "end "},
    {"a-b'()+_,./:=? c", "--a-b'()+_,./:=? c\r\n" HEAD "\r\n.\r\n--a-b'()+_,./:=? c--", "part a -- / data . over end "},
    {"b", "", ""},
    {"b", "--b--", "end "},
    {"b", "no delimiter\r\n-", ""},
    {"b", "--b\r\n" HEAD "\r\nhalf\r\n--", "part a -- / data half "},
    {"b", "--b\r\n\r\nx\r\n--b--", "bad EMALFORMED "}, /* no name */
    {"b", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD "no colon\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD ": x\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD "A B: x\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD "A: x\001\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD "A: x\177\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--b\r\n" HEAD "A: \ny\r\n\r\nx\r\n--b--", "bad EMALFORMED "},
    {"b", "--bc\r\n", "bad EMALFORMED "},
    {"b", "--b\n", "bad EMALFORMED "},
    {"b", "--b-\r\n", "bad EMALFORMED "},
    {"b", "--b - ", "bad EMALFORMED "},
    {"b", "--b\rx", "bad EMALFORMED "},
    {"b",
     "--b\r\nA: "
     "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "45678901234567890123456789012345678901234567890123456789\r\n",
     "bad ETOOLONG "},
};

struct events {
    char text[600];
    size_t len;
    bool in_data;
};

static void put(struct events *e, const char *text, size_t len)
{
    assert_true(e->len + len < sizeof(e->text));
    memcpy(e->text + e->len, text, len);
    e->len += len;
    e->text[e->len] = 0;
}

static void put_event(struct events *e, const struct plait__multipart *m, enum plait__multipart_event event,
                      plait_slice data)
{
    char text[200] = "";
    if (e->in_data && event != PLAIT__MULTIPART_DATA)
        put(e, " ", 1);
    if (event == PLAIT__MULTIPART_DATA && !e->in_data)
        put(e, "data ", 5);
    e->in_data = event == PLAIT__MULTIPART_DATA;
    if (event == PLAIT__MULTIPART_DATA)
        put(e, (const char *)data.ptr, data.len);
    else if (event == PLAIT__MULTIPART_PART)
        (void)snprintf(text, sizeof(text), "part %.*s -%.*s- %.*s/ ", PLAIT_ARG(m->name), PLAIT_ARG(m->filename),
                       PLAIT_ARG(m->type));
    else if (event == PLAIT__MULTIPART_BAD)
        (void)snprintf(text, sizeof(text), "bad %s ", plait_err_name(m->err));
    else
        (void)snprintf(text, sizeof(text), event == PLAIT__MULTIPART_OVER ? "over " : "end ");
    put(e, text, strlen(text));
}

static void run_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct body *b = ctx;
    struct plait_budget budget;
    struct plait__multipart m;
    struct events e = {.len = 0};
    size_t at = 0, len;
    plait_budget_init(&budget, NULL, NULL, 0);
    assert_ok(plait__multipart_init(&m, plait_slice_text(b->boundary), &budget, 160));
    while ((len = test_cut_next(cut)) > 0) {
        plait_slice in = plait_slice_of(input.ptr + at, len), data = {NULL, 0};
        at += len;
        for (;;) {
            const enum plait__multipart_event event = plait__multipart_next(&m, &in, &data);
            if (event == PLAIT__MULTIPART_MORE)
                break;
            put_event(&e, &m, event, data);
        }
        assert_int_equal(in.len, 0);
    }
    if (e.in_data)
        put(&e, " ", 1);
    assert_string_equal(e.text, b->events);
    plait__multipart_deinit(&m);
    assert_int_equal(budget.used, 0);
}

static void bodies_give_the_same_events_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bodies); i++) {
        struct body b = bodies[i];
        test_every_cut(plait_slice_text(b.bytes), 30, run_cut, &b);
    }
}

static void boundaries_are_judged(void **state)
{
    char text[72];
    struct plait_budget budget;
    struct plait__multipart m;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    memset(text, 'b', sizeof(text));
    assert_ok(plait__multipart_init(&m, plait_slice_of(text, 70), &budget, 10));
    assert_err(plait__multipart_init(&m, plait_slice_of(text, 71), &budget, 10), PLAIT_ESYNTAX);
    assert_err(plait__multipart_init(&m, PLAIT_LIT(""), &budget, 10), PLAIT_ESYNTAX);
    assert_err(plait__multipart_init(&m, PLAIT_LIT("a "), &budget, 10), PLAIT_ESYNTAX);
    assert_err(plait__multipart_init(&m, PLAIT_LIT("a\rb"), &budget, 10), PLAIT_ESYNTAX);
    assert_err(plait__multipart_init(&m, plait_slice_of("a\0b", 3), &budget, 10), PLAIT_ESYNTAX);
}

/* --- a request's parts -------------------------------------------------------------------------------------------- */

static char told[2000];
static plait_err begin_fails, data_fails, end_fails;

static void tell(const char *fmt, ...) PLAIT_PRINTF(1, 2);
static void tell(const char *fmt, ...)
{
    const size_t len = strlen(told);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(told + len, sizeof(told) - len, fmt, args);
    va_end(args);
}

static plait_err on_begin(struct plait_request *req, const struct plait_part *part, void *ctx)
{
    (void)req;
    (void)ctx;
    tell("%zu:%.*s ", part->index, PLAIT_ARG(part->name));
    return begin_fails;
}

static plait_err on_data(struct plait_request *req, const struct plait_part *part, plait_slice piece, void *ctx)
{
    (void)ctx;
    tell("%.*s(%llu) ", PLAIT_ARG(piece), (unsigned long long)part->bytes);
    plait_request_pause(req);
    plait_request_resume(req);
    return data_fails;
}

static plait_err on_end(struct plait_request *req, const struct plait_part *part, void *ctx)
{
    (void)req;
    (void)ctx;
    tell("end(%llu) ", (unsigned long long)part->bytes);
    return end_fails;
}

static void on_done(struct plait_request *req, plait_err err, void *ctx)
{
    (void)ctx;
    tell("%s", plait_err_name(err));
    if (err)
        plait_reply_refusal(req, err);
    else
        plait_reply_text(req, 200, told);
}

static const struct plait_parts_handler full = {.begin = on_begin, .data = on_data, .end = on_end, .done = on_done};
static const struct plait_parts_handler least = {.done = on_done};
static const struct plait_parts_handler *handler;
static struct plait_parts_limits limits;

static void take_parts(struct plait_request *req, void *ctx)
{
    (void)plait_request_parts(req, ctx ? &limits : NULL, handler, ctx);
}

static void post(struct world *w, const char *type, const char *body)
{
    static char text[4000];
    (void)snprintf(text, sizeof(text),
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
                   strlen(body), body);
    told[0] = 0;
    ask(w, &p, text);
}

#define FORM "multipart/form-data; boundary=b"
#define TWO "--b\r\n" HEAD "\r\n12345\r\n--b\r\n" HEAD "\r\n\r\n--b--\r\n"

static void parts_come_one_by_one(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_parts, NULL));
    world_serve(&w, NULL);
    handler = &full;
    post(&w, FORM, TWO);
    assert_string_equal(body_of(&p), "0:a 12345(5) end(5) 1:a end(0) OK");
    post(&w, "Multipart/Form-Data;charset=x;boundary=\"b\"", TWO);
    assert_int_equal(status_of(&p), 200);
    post(&w, FORM, "--b--");
    assert_string_equal(told, "OK");
    handler = &least;
    post(&w, FORM, TWO);
    assert_string_equal(told, "OK");
    post(&w, FORM, "--b\r\n" HEAD "\r\n12345\r\n--b");
    assert_string_equal(told, "ETRUNCATED");
    assert_int_equal(status_of(&p), 400);
    post(&w, FORM, "--b\r\n" HEAD "\r\n12345\r\n--bad, and more behind it");
    assert_string_equal(told, "EMALFORMED");
    assert_int_equal(status_of(&p), 400);
    post(&w, "multipart/form-data", TWO);
    assert_int_equal(status_of(&p), 400);
    post(&w, "multipart/form-data; boundary=\"\"", TWO);
    assert_int_equal(status_of(&p), 400);
    post(&w, "multipart/mixed; boundary=b", TWO);
    assert_int_equal(status_of(&p), 415);
    world_close(&w);
}

static void a_handler_may_end_it(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_parts, NULL));
    world_serve(&w, NULL);
    handler = &full;
    begin_fails = PLAIT_EEXISTS;
    post(&w, FORM, TWO);
    assert_string_equal(told, "0:a EEXISTS");
    assert_int_equal(status_of(&p), 409);
    begin_fails = PLAIT_OK;
    data_fails = PLAIT_ENOSPACE;
    post(&w, FORM, TWO);
    assert_string_equal(told, "0:a 12345(5) ENOSPACE");
    assert_int_equal(status_of(&p), 507);
    data_fails = PLAIT_OK;
    end_fails = PLAIT_EIO;
    post(&w, FORM, TWO);
    assert_string_equal(told, "0:a 12345(5) end(5) EIO");
    assert_int_equal(status_of(&p), 500);
    end_fails = PLAIT_OK;
    world_close(&w);
}

static void limits_are_hit_exactly_and_passed_by_one(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_parts, &w));
    world_serve(&w, NULL);
    handler = &least;
    limits = (struct plait_parts_limits){.parts = 2, .head = sizeof(HEAD "\r\n") - 1, .part = 5};
    post(&w, FORM, TWO);
    assert_string_equal(told, "OK");
    limits.parts = 1;
    post(&w, FORM, TWO);
    assert_string_equal(told, "ELIMIT");
    assert_int_equal(status_of(&p), 413);
    limits.parts = 2;
    limits.head--;
    post(&w, FORM, TWO);
    assert_string_equal(told, "ETOOLONG");
    limits.head++;
    limits.part = 4;
    post(&w, FORM, TWO);
    assert_string_equal(told, "ETOOLONG");
    world_close(&w);
}

static void exhaust(struct plait_request *req, void *ctx)
{
    struct world *w = ctx;
    static uint64_t k;
    assert_non_null(plait_request_memory(req, 512)); /* from now on all comes from the heap */
    w->heap.fail_at = w->heap.calls + 1 + k++ % 4;
    (void)plait_request_parts(req, NULL, &least, NULL);
}

static void memory_may_fail(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", exhaust, &w));
    world_serve(&w, NULL);
    for (int i = 0; i < 8; i++) {
        w.heap.fail_at = 0;
        post(&w, FORM, TWO);
        assert_true(status_of(&p) == 503 || status_of(&p) == 200);
    }
    world_close(&w);
}

static void answer_first(struct plait_request *req, void *ctx)
{
    plait_slice text = PLAIT_LIT("already");
    (void)ctx;
    plait_reply_begin(req, 200, NULL, text.len);
    plait_reply_write(req, text);
    (void)plait_request_parts(req, NULL, &least, NULL); /* ends it */
}

static struct plait_request *ended;

static void end_later(struct plait_request *req, plait_err err, void *ctx)
{
    (void)ctx;
    tell("%s ", plait_err_name(err));
    ended = req;
}

/* Who answers later is not told twice, whatever else comes. */
static void what_follows_the_end_is_not_told(void **state)
{
    static const struct plait_parts_handler late = {.done = end_later};
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_parts, NULL));
    world_serve(&w, NULL);
    handler = &late;
    told[0] = 0;
    peer_open(&w, &p);
    peer_send(&w, &p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: " FORM "\r\nContent-Length: 10\r\n\r\n--bad");
    peer_send(&w, &p, "12345");
    assert_string_equal(told, "EMALFORMED ");
    plait_reply_text(ended, 400, "late");
    spin(&w);
    assert_string_equal(body_of(&p), "late");
    peer_close(&w, &p);
    world_close(&w);
}

static void a_body_is_read_before_the_answer(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", answer_first, NULL));
    world_serve(&w, NULL);
    post(&w, FORM, TWO);
    assert_string_equal(body_of(&p), "already");
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(what_follows_the_end_is_not_told),
          cmocka_unit_test(bodies_give_the_same_events_however_they_are_cut), cmocka_unit_test(boundaries_are_judged),
          cmocka_unit_test(parts_come_one_by_one), cmocka_unit_test(a_handler_may_end_it),
          cmocka_unit_test(limits_are_hit_exactly_and_passed_by_one), cmocka_unit_test(memory_may_fail),
          cmocka_unit_test(a_body_is_read_before_the_answer))
