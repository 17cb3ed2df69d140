/* SPDX-License-Identifier: MIT
 *
 * What may be tried again, and when: idempotent requests that met a broken connection, or an answer that says "not
 * now", and any request that its server has not looked at. The wait doubles each time and is jittered, so that many
 * clients don't come back at once; a server's Retry-After counts for more.
 *
 * Invariant: nothing is tried again of which the caller has seen an answer. Test: tests/web/test_http_retry.c.
 */
#include "base/timefmt.h"
#include "web/http_fetch_core.h"

enum { UNSEEN_MAX = 5 };

static bool may_retry(const struct plait__fetch *f)
{
    return f->retried < f->options.retries && !f->response && plait__fetch_text_idempotent(&f->text) &&
           !f->client->reactor->freeing;
}

/* Half of the wait is drawn, so that it lies between 50 and 100 % of what doubling gives. */
plait_span plait__retry_backoff(struct plait_reactor *reactor, const struct plait_fetch_options *o, unsigned retried)
{
    plait_span span = o->retry_first;
    for (unsigned i = 0; i < retried && span < o->retry_max; i++)
        span *= 2;
    if (span > o->retry_max)
        span = o->retry_max;
    const uint64_t half = (uint64_t)span / 2;
    return span - (plait_span)(half ? plait_random_u64(reactor) % half : 0);
}

bool plait__retry_helps(plait_err err)
{
    const enum plait_err_class kind = plait_err_class_of(err);
    return kind == PLAIT_CLASS_IO || kind == PLAIT_CLASS_TIMEOUT || err == PLAIT_ETRUNCATED || err == PLAIT_EREFUSED ||
           err == PLAIT_EPEERSTALLED;
}

/* A server that takes none is not asked for ever. */
bool plait__retry_unseen(struct plait__fetch *f)
{
    if (f->unseen == UNSEEN_MAX)
        return false;
    f->delay = f->unseen ? plait__retry_backoff(f->client->reactor, &f->options, f->unseen) : 0;
    f->unseen++;
    return true;
}

bool plait__retry_fault(struct plait__fetch *f, const struct plait_fault *fault)
{
    if (!plait__retry_helps(fault->err) || !may_retry(f))
        return false;
    f->delay = plait__retry_backoff(f->client->reactor, &f->options, f->retried);
    f->retried++;
    return true;
}

/* RFC 9110 section 10.2.3; negative when the field says nothing that can be read. */
static plait_span retry_after(const struct plait__fetch *f, plait_slice field)
{
    uint64_t span;
    int64_t now, at;
    uint32_t nanoseconds;
    if (plait_slice_to_u64(field, 1 << 30, &span) == PLAIT_OK)
        return plait_seconds((int64_t)span);
    plait_wall_clock(f->client->reactor, &now, &nanoseconds);
    if (plait__parse_http_date(field, now, &at) != PLAIT_OK)
        return -1;
    if (at <= now)
        return 0;
    return at - now < 1 << 30 ? plait_seconds(at - now) : PLAIT_NEVER;
}

bool plait__retry_answer(struct plait__fetch *f, const uint8_t *base)
{
    const int status = f->x.head.status;
    const bool later =
        status == 408 || status == 425 || status == 429 || status == 502 || status == 503 || status == 504;
    if (!later || !may_retry(f))
        return false;
    const plait_span asked = retry_after(f, plait__http1_head_field(&f->x.head, base, PLAIT_LIT("retry-after")));
    if (asked > f->options.retry_max)
        return false;
    f->delay = plait__retry_backoff(f->client->reactor, &f->options, f->retried);
    if (asked > f->delay)
        f->delay = asked;
    f->retried++;
    return true;
}
