/* SPDX-License-Identifier: MIT
 *
 * Finger's codec: a query that is read and written again is the same query, a target's parts lie in it, an answer that
 * was made clean holds nothing that a terminal would obey and is not changed by cleaning what is clean.
 */
#include <plait/finger.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void check_query(plait_slice line, struct plait_buf *buf)
{
    struct plait_finger_query q;
    struct plait_finger_query again;
    if (plait_finger_parse(line, &q) != PLAIT_OK)
        return;
    plait_finger_put(buf, &q);
    must(buf->err == PLAIT_OK && buf->len >= 2);
    const plait_slice text = plait_slice_sub(plait_buf_slice(buf), 0, buf->len - 2);
    must(plait_slice_find_byte(text, '\r', 0) == SIZE_MAX && plait_slice_find_byte(text, '\n', 0) == SIZE_MAX);
    if (text.len > PLAIT_FINGER_LINE_MAX)
        return; /* "/W@host" is written with a space */
    must(plait_finger_parse(text, &again) == PLAIT_OK && again.whois == q.whois);
    must(plait_slice_equal(again.user, q.user) && plait_slice_equal(again.hosts, q.hosts));
}

static void check_target(plait_slice text)
{
    plait_slice query;
    plait_slice host;
    if (plait_finger_target(text, &query, &host) == PLAIT_OK)
        must(host.len > 0 && query.len <= text.len && plait_slice_find_byte(host, '@', 0) == SIZE_MAX);
}

static void check_clean(plait_slice answer, struct plait_buf *buf, struct plait_buf *again)
{
    plait_finger_put_clean(buf, answer);
    must(buf->err == PLAIT_OK);
    const plait_slice clean = plait_buf_slice(buf);
    for (size_t i = 0; i < clean.len; i++) {
        const uint8_t byte = clean.ptr[i];
        must(byte == '\n' || byte == '\t' || (byte >= 0x20 && byte != 0x7f));
        must(byte != 0xc2 || (i + 1 < clean.len && clean.ptr[i + 1] >= 0xa0)); /* no C1 control */
    }
    plait_finger_put_clean(again, clean);
    must(plait_slice_equal(plait_buf_slice(again), clean));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait_budget budget;
    struct plait_buf a;
    struct plait_buf b;
    const plait_slice in = plait_slice_of(data, size);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&a, &budget, size * 4 + 16);
    plait_buf_init(&b, &budget, size * 4 + 16);
    check_query(in, &a);
    plait_buf_clear(&a);
    check_target(in);
    check_clean(in, &a, &b);
    plait_buf_deinit(&a);
    plait_buf_deinit(&b);
    return 0;
}
