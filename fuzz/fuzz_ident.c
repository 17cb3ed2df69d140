/* SPDX-License-Identifier: MIT
 *
 * Ident's codec: a query or reply that is read and written again says the same, and what is written is one line.
 */
#include <plait/ident.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* What was written, without the end of its line. */
static plait_slice one_line(const struct plait_buf *buf)
{
    must(buf->err == PLAIT_OK && buf->len >= 2);
    const plait_slice text = plait_slice_sub(plait_buf_slice(buf), 0, buf->len - 2);
    must(plait_slice_find_byte(text, '\r', 0) == SIZE_MAX && plait_slice_find_byte(text, '\n', 0) == SIZE_MAX);
    return text;
}

static void check_query(plait_slice in, struct plait_buf *buf)
{
    struct plait_ident_query q;
    struct plait_ident_query again;
    const plait_err err = plait_ident_parse_query(in, &q);
    if (err != PLAIT_OK && err != PLAIT_EINVAL)
        return;
    plait_ident_put_query(buf, &q);
    must(plait_ident_parse_query(one_line(buf), &again) == err);
    must(again.server_port == q.server_port && again.client_port == q.client_port);
}

static void check_reply(plait_slice in, struct plait_buf *buf)
{
    struct plait_ident_reply r;
    struct plait_ident_reply again;
    if (plait_ident_parse_reply(in, &r) != PLAIT_OK)
        return;
    plait_ident_put_reply(buf, &r);
    if (r.user.len > PLAIT_IDENT_USER_MAX) {
        must(buf->err == PLAIT_EINVAL);
        return;
    }
    must(plait_ident_parse_reply(one_line(buf), &again) == PLAIT_OK && again.answer == r.answer);
    must(plait_slice_equal(again.system, r.system) && plait_slice_equal(again.charset, r.charset));
    must(plait_slice_equal(again.user, r.user) && plait_slice_equal(again.token, r.token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const plait_slice in = plait_slice_of(data, size);
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, size + 64);
    check_query(in, &buf);
    plait_buf_clear(&buf);
    check_reply(in, &buf);
    plait_buf_deinit(&buf);
    return 0;
}
