/* SPDX-License-Identifier: MIT
 *
 * What a CGI program writes, of any bytes: its head is read the same however it is cut, and what is told of it lies
 * inside it.
 */
#include "web/cgi_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void look(const struct plait__cgi_head *h, plait_slice in)
{
    uint8_t room[512];
    struct plait_budget budget;
    struct plait_buf out;
    plait_slice name, value;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, sizeof room);
    must(h->at <= in.len && h->at <= PLAIT__CGI_HEAD_MAX && h->status >= 200 && h->status <= 599);
    must(h->type || h->location || h->has_status);
    must(plait__cgi_head_value(h, in.ptr, 0).len == 0);
    for (size_t i = 0; i < h->count; i++) {
        (void)plait__cgi_head_field(h, in.ptr, i, &name, &value);
        must(name.ptr >= in.ptr && value.ptr + value.len <= in.ptr + h->at && value.len > 0);
        must(plait__cgi_variable(&out, name) == (out.len > 0 || out.err != PLAIT_OK));
        (void)plait__cgi_is_credential(name);
        plait_buf_clear(&out);
    }
    plait_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait__cgi_head whole, cut;
    enum plait__cgi_step step = PLAIT__CGI_MORE;
    plait__cgi_head_init(&whole);
    plait__cgi_head_init(&cut);
    const enum plait__cgi_step once = plait__cgi_head_read(&whole, plait_slice_of(data, size));
    for (size_t n = 1; n <= size && step == PLAIT__CGI_MORE; n++)
        step = plait__cgi_head_read(&cut, plait_slice_of(data, n));
    must(once == step || size == 0);
    must(once != PLAIT__CGI_BAD || (whole.why && whole.why == cut.why));
    if (once == PLAIT__CGI_DONE) {
        must(whole.at == cut.at && whole.status == cut.status && whole.count == cut.count);
        look(&whole, plait_slice_of(data, size));
    }
    return 0;
}
