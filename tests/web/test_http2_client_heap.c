/* SPDX-License-Identifier: MIT
 *
 * The client over HTTP/2 when memory fails, at the first allocation, the second, and so on: every fetch ends once,
 * whole or with an error, and the next one works.
 */
#include "tests/web/http2_farm.h"

static struct h2_farm f;

static void answer(struct h2_server *c, uint32_t id, bool ended)
{
    if (!ended)
        return;
    h2_headers(&f.out, OPEN, id, ":status 200\nx-field some value\nx-other some other value\n");
    h2_data(&f.out, 0, id, "a body ");
    h2_data(&f.out, 0, id, "in pieces");
    h2_headers(&f.out, WHOLE, id, "x-trailer 1\n");
    h2_say(c);
}

static void pour_room(struct plait_upload *upload, void *ctx)
{
    static const char block[3000];
    (void)ctx;
    plait_upload_write(upload, plait_slice_of(block, sizeof block));
    plait_upload_end(upload);
}

static plait_err pause_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)piece;
    *(const struct plait_response **)ctx = response;
    plait_response_pause(response);
    return PLAIT_OK;
}

static bool rewind_pour(void *ctx)
{
    (void)ctx;
    return true;
}

static void fetch_three(struct plait_http_client *client, uint64_t *fails)
{
    static struct plait_http_field fields[60];
    static const uint8_t bytes[1000];
    const plait_slice body = plait_slice_of(bytes, sizeof bytes);
    struct farm_end end[3];
    const struct plait_response *paused = NULL;
    const struct plait_upload_source source = {
        .length = PLAIT_LENGTH_UNKNOWN, .room = pour_room, .rewind = rewind_pour};
    for (size_t i = 0; i < TEST_COUNT(fields); i++)
        fields[i] = (struct plait_http_field){"X-Same", "value"};
    h2_farm_start(&f, client, "/a", &(struct plait_fetch_options){.fields = fields, .field_count = 60, .body = body},
                  &end[0]);
    h2_farm_start(&f, client, "/b", &(struct plait_fetch_options){.method = "PUT", .upload = &source}, &end[1]);
    h2_farm_start(&f, client, "/c", &(struct plait_fetch_options){.data = pause_piece, .ctx = &paused}, &end[2]);
    if (*fails)
        f.base.heap.fail_at = f.base.heap.calls + *fails;
    *fails = f.base.heap.calls + *fails;
    for (int i = 0; i < 100; i++) {
        h2_farm_run(&f, 20);
        if (paused && !end[2].ends)
            plait_response_resume(paused);
    }
    h2_farm_run(&f, 200000);
    f.base.heap.fail_at = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(end[i].ends, 1);
        if (end[i].response && i != 2)
            assert_slice(plait_response_body(end[i].response), "a body in pieces");
        if (end[i].response)
            assert_slice(plait_response_trailer(end[i].response, "x-trailer"), "1");
        plait_response_free(&end[i].response);
    }
}

static void every_allocation_may_fail_once(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed; k++) {
        uint64_t fails = k;
        h2_farm_open(&f, answer);
        struct plait_http_client *client = plait_http_client_new(f.base.r, NULL);
        assert_non_null(client);
        fetch_three(client, &fails);
        failed = f.base.heap.calls >= fails;
        fails = 0;
        fetch_three(client, &fails);
        plait_http_client_free(&client);
        h2_farm_close(&f);
        assert_true(k < 600);
    }
}

TEST_MAIN(cmocka_unit_test(every_allocation_may_fail_once))
