/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the PROXY protocol's header. Beyond not crashing: a header that is read whole is PLAIT_EAGAIN for every
 * shorter beginning, and what is written of it reads back as the same.
 */
#include "engine/proxy_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_prefixes(plait_slice in, size_t used)
{
    struct plait__proxy_header h;
    size_t none;
    for (size_t len = 0; len < used; len++)
        require(plait__proxy_parse(plait_slice_sub(in, 0, len), &h, &none) == PLAIT_EAGAIN);
}

static void check_round_trip(const struct plait__proxy_header *h)
{
    struct plait__proxy_header back;
    struct plait_budget budget;
    struct plait_buf buf;
    size_t used;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 4096);
    plait__proxy_put_v2(&buf, h);
    require(plait__proxy_parse(plait_buf_slice(&buf), &back, &used) == PLAIT_OK);
    require(used == buf.len && back.told == h->told);
    require(!h->told || plait_address_equal(&back.source, &h->source));
    plait_buf_clear(&buf);
    plait__proxy_put_v1(&buf, h);
    require(buf.len <= PLAIT__PROXY_V1_MAX);
    require(plait__proxy_parse(plait_buf_slice(&buf), &back, &used) == PLAIT_OK);
    plait_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const plait_slice in = plait_slice_of(data, size);
    struct plait__proxy_header h;
    size_t used;
    if (plait__proxy_parse(in, &h, &used) != PLAIT_OK)
        return 0;
    require(used <= size);
    check_prefixes(in, used);
    check_round_trip(&h);
    return 0;
}
