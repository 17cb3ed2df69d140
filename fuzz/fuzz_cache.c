/* SPDX-License-Identifier: MIT
 *
 * Cache-Control of any bytes: a line for an answer, one for a request, one for Age. What may not be kept or used is
 * not, whatever else stands beside it.
 */
#include "web/cache_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static bool is_time(int64_t time)
{
    return time >= -1 && time <= PLAIT__CACHE_SECONDS_MAX;
}

static plait_slice next_line(plait_slice *rest)
{
    const size_t end = plait_slice_find_byte(*rest, '\n', 0);
    const plait_slice line = plait_slice_sub(*rest, 0, end);
    *rest = end == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(*rest, end + 1, rest->len);
    return line;
}

static void judge(const struct plait__cache_control *answer, const struct plait__cache_control *request, int64_t age)
{
    static const int statuses[] = {200, 206, 304, 404, 299, 302, 403, 416, 431, 500, 503, 599};
    struct plait__cache_facts facts = {.cc = *answer, .date = 1000000000};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        facts.status = statuses[i];
        facts.has_expires = i % 3 == 0;
        facts.expires = facts.date + (i % 2 ? 100 : -100);
        facts.modified = i % 4 == 0 ? -1 : i % 4 == 1 ? facts.date : i % 4 == 2 ? facts.date - 5000 : 0;
        const int64_t lifetime = plait__cache_lifetime(&facts, 10);
        must(lifetime >= 0 && lifetime <= PLAIT__CACHE_SECONDS_MAX);
        must(!plait__cache_may_store(&facts, i % 2) || !answer->is_private);
        must(!plait__cache_may_store(&facts, true) || plait__cache_is_shared(answer));
        const bool does = plait__cache_suffices(answer, request, age, lifetime);
        must(!does || !(answer->no_cache || request->no_cache));
        must(!does || age < lifetime || plait__cache_may_be_stale(answer));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    plait_slice rest = plait_slice_of(data, size);
    struct plait__cache_control answer, request;
    int64_t age = 0;
    plait__cache_control_init(&answer);
    plait__cache_control_init(&request);
    (void)plait__cache_control_is_targeted(rest);
    plait__cache_control_add(&answer, next_line(&rest));
    plait__cache_control_add(&request, next_line(&rest));
    must(is_time(answer.max_age) && is_time(answer.s_maxage) && is_time(answer.max_stale));
    must(is_time(answer.stale_if_error) && is_time(answer.stale_while_revalidate) && is_time(answer.min_fresh));
    if (!plait__cache_age(next_line(&rest), &age))
        age = 50;
    must(is_time(age));
    judge(&answer, &request, age);
    return 0;
}
