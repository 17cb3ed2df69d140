/* SPDX-License-Identifier: MIT
 *
 * AMP beside Twisted's, in both roles: each type of argument, each kind of error, calls back, descriptors, switches of
 * protocols, StartTLS. A Twisted that is missing is a failure.
 */
#include "tests/engine/tls_bed.h"

#include <plait/amp.h>

#include "engine/kinds.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

static struct tls_certs certs;
static char folder[TEST_PATH_BYTES];
static char path[4][TEST_PATH_BYTES + 16]; /* socket, ca, server's certificate, client's */

static const struct plait_amp_field pair[] = {PLAIT_AMP_FIELD("x", INTEGER), PLAIT_AMP_OPTIONAL("y", UNICODE),
                                              PLAIT_AMP_END};
static const struct plait_amp_field one_integer[] = {PLAIT_AMP_FIELD("", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field everything_fields[] = {PLAIT_AMP_FIELD("integer", INTEGER),
                                                           PLAIT_AMP_FIELD("big", BIG_INTEGER),
                                                           PLAIT_AMP_FIELD("string", STRING),
                                                           PLAIT_AMP_FIELD("unicode", UNICODE),
                                                           PLAIT_AMP_FIELD("path", PATH),
                                                           PLAIT_AMP_FIELD("boolean", BOOLEAN),
                                                           PLAIT_AMP_FIELD("float", FLOAT),
                                                           PLAIT_AMP_FIELD("decimal", DECIMAL),
                                                           PLAIT_AMP_FIELD("datetime", DATETIME),
                                                           PLAIT_AMP_OF("list", LIST, one_integer),
                                                           PLAIT_AMP_OF("boxes", BOXES, pair),
                                                           PLAIT_AMP_OPTIONAL("maybe", INTEGER),
                                                           PLAIT_AMP_END};
static const struct plait_amp_field two[] = {PLAIT_AMP_FIELD("a", INTEGER), PLAIT_AMP_FIELD("b", INTEGER),
                                             PLAIT_AMP_END};
static const struct plait_amp_field total[] = {PLAIT_AMP_FIELD("total", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field fraction[] = {PLAIT_AMP_FIELD("numerator", INTEGER),
                                                  PLAIT_AMP_FIELD("denominator", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field quotient[] = {PLAIT_AMP_FIELD("result", FLOAT), PLAIT_AMP_END};
static const struct plait_amp_field fd_field[] = {PLAIT_AMP_FIELD("fd", DESCRIPTOR), PLAIT_AMP_END};
static const struct plait_amp_error divide_errors[] = {
    {"ZERO_DIVISION", PLAIT_EINVAL, false}, {"FATAL", PLAIT_EFORBIDDEN, true}, {NULL, PLAIT_OK, false}};
static const struct plait_amp_command sum = {.name = "Sum", .arguments = two, .response = total};
static const struct plait_amp_command back = {.name = "Back", .arguments = two, .response = total};
static const struct plait_amp_command tell = {.name = "Tell", .arguments = two};
static const struct plait_amp_command nope = {.name = "Nope"};
static const struct plait_amp_command switching = {.name = "Switch"};
static const struct plait_amp_command divide = {
    .name = "Divide", .arguments = fraction, .response = quotient, .errors = divide_errors};
static const struct plait_amp_command everything = {
    .name = "Everything", .arguments = everything_fields, .response = everything_fields};
static const struct plait_amp_command pass = {.name = "Pass", .arguments = fd_field, .response = fd_field};

static void put_two(struct plait_amp_box *box, int64_t a, int64_t b)
{
    plait_amp_put_integer(box, "a", a);
    plait_amp_put_integer(box, "b", b);
}

static void put_fraction(struct plait_amp_box *box, int64_t numerator, int64_t denominator)
{
    plait_amp_put_integer(box, "numerator", numerator);
    plait_amp_put_integer(box, "denominator", denominator);
}

/* The same values as in twisted_amp.py. */
static void put_everything(struct plait_amp_box *box)
{
    const struct plait_amp_datetime t = {2020, 1, 2, 3, 4, 5, 6, -90};
    plait_amp_put_integer(box, "integer", -7);
    plait_amp_put_bytes(box, "big", PLAIT_LIT("-123456789012345678901234567890"));
    plait_amp_put_bytes(box, "string", PLAIT_LIT("\0\377"));
    plait_amp_put_bytes(box, "unicode", PLAIT_LIT("\303\251\342\202\254"));
    plait_amp_put_bytes(box, "path", PLAIT_LIT("/tmp/x"));
    plait_amp_put_boolean(box, "boolean", true);
    plait_amp_put_float(box, "float", 0.1);
    plait_amp_put_decimal(box, "decimal", (struct plait_amp_decimal){-150, 5});
    plait_amp_put_datetime(box, "datetime", &t);
    plait_amp_open(box, "list");
    plait_amp_put_integer(box, NULL, 3);
    plait_amp_put_integer(box, NULL, -7);
    plait_amp_close(box);
    plait_amp_open(box, "boxes");
    for (int i = 1; i <= 2; i++) {
        plait_amp_open(box, NULL);
        plait_amp_put_integer(box, "x", i);
        if (i == 2)
            plait_amp_put_bytes(box, "y", PLAIT_LIT("two"));
        plait_amp_close(box);
    }
    plait_amp_close(box);
}

static bool is_everything(const struct plait_amp_values *v)
{
    struct plait_amp_decimal decimal;
    struct plait_amp_datetime t;
    struct plait_amp_values one;
    struct plait_amp_items items = plait_amp_items(v, "list");
    int64_t sum_of_list = 0;
    while (plait_amp_next(&items, &one))
        sum_of_list = sum_of_list * 10 + plait_amp_integer(&one, NULL);
    items = plait_amp_items(v, "boxes");
    const bool boxes = plait_amp_next(&items, &one) && plait_amp_integer(&one, "x") == 1 && !plait_amp_has(&one, "y") &&
                       plait_amp_next(&items, &one) &&
                       plait_slice_equal(plait_amp_bytes(&one, "y"), PLAIT_LIT("two")) && !plait_amp_next(&items, &one);
    return boxes && sum_of_list == 23 && plait_amp_integer(v, "integer") == -7 &&
           plait_slice_equal(plait_amp_bytes(v, "big"), PLAIT_LIT("-123456789012345678901234567890")) &&
           plait_slice_equal(plait_amp_bytes(v, "string"), PLAIT_LIT("\0\377")) &&
           plait_slice_equal(plait_amp_bytes(v, "unicode"), PLAIT_LIT("\303\251\342\202\254")) &&
           plait_slice_equal(plait_amp_bytes(v, "path"), PLAIT_LIT("/tmp/x")) && plait_amp_boolean(v, "boolean") &&
           fabs(plait_amp_float(v, "float") - 0.1) == 0 && plait_amp_decimal(v, "decimal", &decimal) &&
           decimal.coefficient == -150 && decimal.exponent == 5 && plait_amp_datetime(v, "datetime", &t) &&
           t.hour == 3 && t.microsecond == 6 && t.offset == -90 && !plait_amp_has(v, "maybe");
}

/* --- what we serve ------------------------------------------------------------------------------------------------ */

static void on_sum(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)ctx;
    plait_amp_put_integer(plait_amp_response(req), "total", plait_amp_integer(v, "a") + plait_amp_integer(v, "b"));
    plait_amp_reply(req);
}

static void on_divide(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    const int64_t by = plait_amp_integer(v, "denominator");
    (void)ctx;
    if (by == 0) {
        plait_amp_reply_error(req, "ZERO_DIVISION", "by nothing");
    } else if (by == -1) {
        plait_amp_reply_error(req, "FATAL", "too much");
    } else {
        plait_amp_put_float(plait_amp_response(req), "result", (double)plait_amp_integer(v, "numerator") / (double)by);
        plait_amp_reply(req);
    }
}

static void on_everything(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)ctx;
    if (!is_everything(v)) {
        plait_amp_reply_error(req, "UNKNOWN", "other values came");
        return;
    }
    put_everything(plait_amp_response(req));
    plait_amp_reply(req);
}

static void came_back(struct plait_result *result, void *ctx)
{
    struct plait_amp_request *req = ctx;
    if (result->fault.err == PLAIT_OK)
        plait_amp_put_integer(plait_amp_response(req), "total", plait_amp_integer(result->value.ptr, "total"));
    else
        (void)plait_amp_response(req);
    result->fault.err = PLAIT_OK;
    plait_amp_reply(req);
}

static void on_back(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    struct plait_amp_box *box = plait_amp_begin(plait_amp_request_connection(req), &sum);
    (void)ctx;
    put_two(box, plait_amp_integer(v, "a"), plait_amp_integer(v, "b"));
    assert_ok(plait_then(plait_amp_call(box), came_back, req));
}

static void on_tell(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)v;
    (void)ctx;
    (void)plait_amp_response(req);
    plait_amp_reply(req);
}

static void on_pass(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)ctx;
    plait_amp_put_descriptor(plait_amp_response(req), "fd", plait_amp_take_descriptor(v, "fd"));
    plait_amp_reply(req);
}

static size_t upper_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    for (size_t i = 0; i < in.len; i++) {
        const uint8_t c = in.ptr[i] >= 'a' && in.ptr[i] <= 'z' ? (uint8_t)(in.ptr[i] - 32) : in.ptr[i];
        plait_write(s, plait_slice_of(&c, 1));
    }
    return in.len;
}

static const struct plait_protocol upper = {.name = "upper", .data = upper_data};

static void on_switch(struct plait_amp_request *req, const struct plait_amp_values *v, void *ctx)
{
    (void)v;
    (void)ctx;
    (void)plait_amp_response(req);
    plait_amp_reply_switch(req, &upper, NULL);
}

static const struct plait_amp_responder responders[] = {
    {&sum, on_sum},   {&divide, on_divide}, {&everything, on_everything}, {&back, on_back},
    {&tell, on_tell}, {&pass, on_pass},     {&switching, on_switch},      {NULL, NULL}};

/* --- Twisted ------------------------------------------------------------------------------------------------------ */

static int make(void **state)
{
    static const char *const names[] = {"socket", "ca.pem", "server.pem", "client.pem"};
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    tls_certs_make(&certs);
    test_folder_make(folder);
    for (size_t i = 0; i < TEST_COUNT(names); i++)
        (void)snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    test_file_write(folder, "ca.pem", certs.ca.cert_pem);
    test_file_write(folder, "server.pem", certs.server.both_pem);
    test_file_write(folder, "client.pem", certs.client.both_pem);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    test_folder_remove(folder);
    return 0;
}

/* Starts Twisted; *out gets the reading end of what it prints. */
static pid_t start(const char *role, const char *second, const char *third, int *out)
{
    int fd[2];
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const char *const argv[] = {
            "/usr/bin/python3", "tests/peers/twisted_amp.py", role, path[0], second, third, NULL};
        dup2(fd[1], 1);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fd[1]);
    *out = fd[0];
    return pid;
}

static void seen(const char *side, const char *what)
{
    const char *rows = getenv("PLAIT_PEERS_OUT");
    FILE *out = rows ? fopen(rows, "ae") : NULL;
    if (out) {
        (void)fprintf(out, "Twisted\t%s\t%s\n", side, what);
        assert_int_equal(fclose(out), 0);
    }
}

/* What Twisted said of our server, line by line. */
static void judge(char *text)
{
    size_t good = 0;
    for (char *line = text, *end = strchr(line, '\n'); end; line = end + 1, end = strchr(line, '\n')) {
        *end = '\0';
        if (strncmp(line, "ok ", 3) != 0)
            fail_msg("Twisted says: %s %s", line, end + 1);
        seen("our server", line + 3);
        good++;
    }
    assert_int_equal(good, 11);
}

static void twisted_asks_our_server(void **state)
{
    static char said[16384];
    struct tls_bed t;
    struct plait_listener *listener = NULL;
    char endpoint[TEST_PATH_BYTES + 32];
    size_t len = 0;
    int out;
    (void)state;
    memset(&t, 0, sizeof t);
    bed_open_real(&t.b);
    assert_ok(plait__endpoint_kinds_register(t.b.r));
    const struct plait_tls_server_options so = {.cert_pem = certs.server.cert_pem, .key_pem = certs.server.key_pem};
    assert_ok(plait_tls_server_new(t.b.r, &so, &t.server, t.why));
    const struct plait_amp_options options = {.responders = responders, .tls_server = t.server};
    (void)snprintf(endpoint, sizeof endpoint, "unix:%s", path[0]);
    assert_ok(plait_serve_with(t.b.r, endpoint, NULL, plait_amp_service(t.b.r, &options), &listener, NULL));
    const pid_t pid = start("ask", path[1], path[3], &out);
    assert_int_equal(fcntl(out, F_SETFL, O_NONBLOCK), 0);
    for (ssize_t got = -1; got != 0;) {
        assert_ok(plait_reactor_step(t.b.r, plait_millis(5)));
        got = read(out, said + len, sizeof said - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(out);
    said[len] = '\0';
    judge(said);
    plait_tls_server_unref(&t.server);
    plait_listener_close(&listener);
    bed_close(&t.b);
}

/* --- we ask ------------------------------------------------------------------------------------------------------- */

struct answer {
    bool done;
    plait_err err;
    int64_t total;
    double result;
    bool everything;
    int fd;
};

static void note(struct plait_result *result, void *ctx)
{
    struct answer *a = ctx;
    const struct plait_amp_values *v = result->value.ptr;
    *a = (struct answer){.done = true, .err = result->fault.err, .fd = -1};
    result->fault.err = PLAIT_OK;
    if (a->err != PLAIT_OK || !v)
        return;
    a->total = plait_amp_integer(v, "total");
    a->result = plait_amp_float(v, "result");
    a->everything = v->fields == everything_fields && is_everything(v);
    a->fd = plait_amp_take_descriptor(v, "fd");
}

static struct answer wait_for(struct bed *b, struct plait_deferred *d)
{
    struct answer a = {.done = false};
    assert_ok(plait_then(d, note, &a));
    for (int i = 0; i < 4000 && !a.done; i++)
        assert_ok(plait_reactor_step(b->r, plait_millis(5)));
    assert_true(a.done);
    return a;
}

static void keep_amp(struct plait_result *result, void *ctx)
{
    assert_err(result->fault.err, PLAIT_OK);
    *(struct plait_amp **)ctx = result->value.ptr;
}

static struct plait_amp *connect_to(struct tls_bed *t)
{
    struct plait_amp *amp = NULL;
    char endpoint[TEST_PATH_BYTES + 32];
    const struct plait_amp_options options = {
        .responders = responders, .tls_client = t->client, .tls_name = "a.example"};
    (void)snprintf(endpoint, sizeof endpoint, "unix:%s", path[0]);
    assert_ok(plait_then(plait_amp_connect(t->b.r, endpoint, &options), keep_amp, &amp));
    for (int i = 0; i < 4000 && !amp; i++)
        assert_ok(plait_reactor_step(t->b.r, plait_millis(5)));
    assert_non_null(amp);
    return amp;
}

static struct answer ask_two(struct bed *b, struct plait_amp *amp, const struct plait_amp_command *command, int64_t x,
                             int64_t y)
{
    struct plait_amp_box *box = plait_amp_begin(amp, command);
    if (command == &divide)
        put_fraction(box, x, y);
    else
        put_two(box, x, y);
    return wait_for(b, plait_amp_call(box));
}

static void ask_for_values(struct bed *b, struct plait_amp *amp)
{
    assert_int_equal(ask_two(b, amp, &sum, 13, 81).total, 94);
    seen("our client", "AMP: calls");
    struct plait_amp_box *box = plait_amp_begin(amp, &everything);
    put_everything(box);
    assert_true(wait_for(b, plait_amp_call(box)).everything);
    seen("our client", "AMP: each type of argument");
    assert_int_equal(ask_two(b, amp, &back, 3, 4).total, 7);
    seen("our client", "AMP: the other side calls back");
    box = plait_amp_begin(amp, &tell);
    put_two(box, 1, 2);
    assert_ok(plait_amp_tell(box));
    assert_int_equal(ask_two(b, amp, &sum, 1, 1).total, 2);
    seen("our client", "AMP: a command without an answer");
}

static void ask_for_errors(struct bed *b, struct plait_amp *amp)
{
    assert_true(ask_two(b, amp, &divide, 1, 2).result == 0.5);
    assert_err(ask_two(b, amp, &divide, 1, 0).err, PLAIT_EINVAL);
    assert_slice(plait_amp_description(amp), "by nothing");
    seen("our client", "AMP: a declared error");
    assert_err(wait_for(b, plait_amp_call(plait_amp_begin(amp, &nope))).err, PLAIT_EREPLY);
    seen("our client", "AMP: an unknown command");
    assert_err(ask_two(b, amp, &divide, 1, -1).err, PLAIT_EFORBIDDEN);
    seen("our client", "AMP: a fatal error");
}

static void ask_for_descriptors(struct bed *b, struct plait_amp *amp)
{
    int fd[2];
    char byte = 0;
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    struct plait_amp_box *box = plait_amp_begin(amp, &pass);
    plait_amp_put_descriptor(box, "fd", fd[0]);
    const struct answer a = wait_for(b, plait_amp_call(box));
    assert_true(a.fd >= 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    assert_int_equal(read(a.fd, &byte, 1), 1);
    close(a.fd);
    close(fd[1]);
    seen("our client", "AMP: descriptors");
}

static void ask_for_a_switch(struct tls_bed *t)
{
    struct peer *p = calloc(1, sizeof *p);
    struct plait_amp *amp = connect_to(t);
    assert_non_null(p);
    p->s = plait_amp_stream(amp);
    const struct answer a = wait_for(&t->b, plait_amp_call_switch(plait_amp_begin(amp, &switching), &peer_protocol, p));
    assert_err(a.err, PLAIT_OK);
    plait_write(p->s, PLAIT_LIT("hello"));
    for (int i = 0; i < 2000 && p->got_len < 5; i++)
        assert_ok(plait_reactor_step(t->b.r, plait_millis(5)));
    assert_slice(plait_slice_of(p->got, p->got_len), "HELLO");
    plait_abort(p->s);
    bed_settle(&t->b);
    free(p);
    seen("our client", "AMP: a switch of protocols");
}

static void we_ask_twisted(void **state)
{
    struct tls_bed t;
    char ready[16] = "";
    int out;
    (void)state;
    memset(&t, 0, sizeof t);
    bed_open_real(&t.b);
    assert_ok(plait__endpoint_kinds_register(t.b.r));
    const struct plait_tls_client_options co = {.ca_pem = certs.ca.cert_pem};
    assert_ok(plait_tls_client_new(t.b.r, &co, &t.client, t.why));
    const pid_t pid = start("serve", path[2], NULL, &out);
    for (size_t len = 0; !strchr(ready, '\n'); len++)
        assert_int_equal(read(out, ready + len, 1), 1);
    struct plait_amp *amp = connect_to(&t);
    ask_for_values(&t.b, amp);
    ask_for_descriptors(&t.b, amp);
    ask_for_errors(&t.b, amp);
    ask_for_a_switch(&t);
    amp = connect_to(&t);
    assert_err(wait_for(&t.b, plait_amp_starttls(amp)).err, PLAIT_OK);
    assert_int_equal(ask_two(&t.b, amp, &sum, 20, 22).total, 42);
    assert_non_null(plait_stream_tls(plait_amp_stream(amp)));
    seen("our client", "AMP: StartTLS");
    plait_tls_client_unref(&t.client);
    bed_close(&t.b);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(out);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(twisted_asks_our_server), cmocka_unit_test(we_ask_twisted))
