/* SPDX-License-Identifier: MIT
 *
 * Downloads: fetches whose body goes to a file, at the disk's speed. What breaks off stays as PATH.part, and the next
 * download of the path goes on from its end (RFC 9110 section 14), unless the answer says that it is of something
 * newer; then it begins anew. Within one download the validator of the first answer goes with the question (If-Range).
 *
 * Invariant: one fetch, one wait or one end of the file is under way, whose deferred is `step`; the caller's fires
 * once. Test: tests/web/test_http_download.c.
 */
#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"
#include "engine/deferred_core.h"
#include "web/http_fetch_core.h"

#include <stdio.h>

#include <plait/tls.h>
#include <plait/web.h>

enum { VALIDATOR_MAX = 256, OUR_FIELDS = 2 };

struct download {
    struct plait_http_client *client;
    struct plait_deferred *deferred, *step;
    struct plait_save *save;
    struct plait_fetch_options options; /* its texts lie behind this struct */
    struct plait_fetch_options user;    /* whose callbacks and context are called */
    const char *url;
    struct plait_http_field *field; /* the user's and ours */
    struct plait_response *response;
    const struct plait_response *paused;
    struct plait_timer wait;
    uint64_t have, had, total; /* bytes: written, before this answer, of the whole */
    int64_t changed;           /* when the part that was there was; 0: it is of this download */
    unsigned tried;
    bool discards;  /* the answer is not what the file wants */
    bool anew;      /* the part is of something else */
    bool satisfied; /* there is nothing behind the part */
    char range[40], validator[VALIDATOR_MAX];
};

static void ask(struct download *d);

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void on_fetched(struct plait_result *result, void *ctx);
static void on_saved(struct plait_result *result, void *ctx);

static struct plait_deferred *end(struct download *d)
{
    struct plait_deferred *deferred = d->deferred;
    struct plait_deferred *step = d->step;
    d->step = NULL;
    if (step) {
        plait__deferred_forget(step, on_fetched, d);
        plait__deferred_forget(step, on_saved, d);
        plait__deferred_drop(step);
    }
    plait_timer_stop(&d->wait);
    plait_save_abort(&d->save); /* what there is stays as a part */
    plait_response_free(&d->response);
    plait_tls_client_unref(&d->options.connect.tls);
    plait_target_rules_unref(&d->options.connect.targets);
    plait_cookies_unref(&d->options.cookies);
    plait_http_proxy_unref(&d->options.proxy);
    plait_mem_free(d);
    return deferred;
}

static void fail(struct download *d, struct plait_fault fault)
{
    fault.peer = NULL;
    plait_fire_fault(end(d), fault);
}

static void fail_with(struct download *d, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "download");
    fault.detail = detail;
    fail(d, fault);
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    fail_with(ctx, PLAIT_ECANCELLED, NULL);
}

static void destroy_response(void *ptr)
{
    struct plait_response *response = ptr;
    plait_response_free(&response);
}

static void succeed(struct download *d)
{
    struct plait_response *response = d->response;
    d->response = NULL;
    plait_fire(end(d), plait_value_ptr(response, destroy_response));
}

/* --- what the fetch tells ----------------------------------------------------------------------------------------- */

static void note_trace(const struct plait_fetch_step *step, void *ctx)
{
    const struct download *d = ctx;
    d->user.trace(step, d->user.ctx);
}

/* Whether a part of the whole is the one that was asked for, of what the rest is of. */
static bool fits(struct download *d, const struct plait_response *response)
{
    struct plait__http_range range;
    int64_t now, modified;
    uint32_t nanoseconds;
    if (!plait__http_content_range(plait_response_field(response, "content-range"), &range, &d->total) ||
        range.from != d->have || range.bytes == 0)
        return false;
    plait_wall_clock(d->client->reactor, &now, &nanoseconds);
    return !d->changed ||
           plait__parse_http_date(plait_response_field(response, "last-modified"), now, &modified) != PLAIT_OK ||
           modified <= d->changed;
}

/* Keeps a strong entity tag, or else the date, for If-Range. */
static void keep_validator(struct download *d, const struct plait_response *response)
{
    plait_slice text = plait_response_field(response, "etag");
    if (text.len == 0 || text.ptr[0] != '"')
        text = plait_response_field(response, "last-modified");
    d->validator[0] = 0;
    if (text.len < VALIDATOR_MAX)
        (void)snprintf(d->validator, sizeof(d->validator), "%.*s", PLAIT_ARG(text));
}

static void on_head(const struct plait_response *response, void *ctx)
{
    struct download *d = ctx;
    const int status = plait_response_status(response);
    struct plait__http_range range;
    d->total = PLAIT_LENGTH_UNKNOWN;
    d->discards = d->satisfied = false;
    if (status == 206 && d->have > 0) {
        d->anew = !fits(d, response);
    } else if (status == 416 && d->have > 0) {
        d->satisfied = plait__http_content_range(plait_response_field(response, "content-range"), &range, &d->total) &&
                       d->total == d->have;
        d->anew = !d->satisfied;
        d->discards = true;
    } else if (status >= 200 && status < 300 && status != 206) {
        d->have = 0;
        plait__save_restart(d->save);
        d->total = plait_response_length(response);
    } else {
        d->discards = true;
    }
    d->discards |= d->anew;
    if (!d->discards) {
        d->changed = 0;
        keep_validator(d, response);
    }
    if (!d->anew && d->user.head)
        d->user.head(response, d->user.ctx);
}

static void on_room(void *ctx)
{
    struct download *d = ctx;
    const struct plait_response *response = d->paused;
    d->paused = NULL;
    if (response)
        plait_response_resume(response);
}

static plait_err on_data(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct download *d = ctx;
    if (d->discards)
        return d->anew ? PLAIT_ECANCELLED : PLAIT_OK;
    PLAIT_TRY(plait__save_err(d->save));
    plait_save_write(d->save, piece);
    d->have += piece.len;
    if (plait_save_is_full(d->save)) {
        d->paused = response;
        plait_response_pause(response);
    }
    return d->user.data ? d->user.data(response, piece, d->user.ctx) : PLAIT_OK;
}

/* --- what comes next ---------------------------------------------------------------------------------------------- */

static void on_saved(struct plait_result *result, void *ctx)
{
    struct download *d = ctx;
    const struct plait_fault fault = result->fault;
    plait_result_set(result, plait_value_num(0));
    d->step = NULL;
    if (fault.err != PLAIT_OK)
        fail(d, fault);
    else
        succeed(d);
}

/* Makes a deferred the step that is under way. */
static void wait_for(struct download *d, struct plait_deferred *step, plait_result_fn fn)
{
    if (plait_then(step, fn, d) == PLAIT_OK) {
        d->step = step;
        return;
    }
    plait__deferred_drop(step);
    fail_with(d, PLAIT_ENOMEM, NULL);
}

static void begin_anew(struct download *d)
{
    d->anew = false;
    d->have = 0;
    d->changed = 0;
    d->validator[0] = 0;
    plait__save_restart(d->save);
    ask(d);
}

static void wait_over(void *ctx)
{
    ask(ctx);
}

/* A whole answer. */
static void judge(struct download *d)
{
    const int status = plait_response_status(d->response);
    if (d->anew)
        begin_anew(d);
    else if (d->discards && (status == 206 || status == 416) && !d->satisfied)
        fail_with(d, PLAIT_EPROTOCOL, "the server speaks of a part that nobody asked for");
    else if (d->discards && !d->satisfied)
        succeed(d); /* it is as it is */
    else if (d->total == PLAIT_LENGTH_UNKNOWN || d->have >= d->total)
        wait_for(d, plait_save_end(&d->save), on_saved);
    else if (d->have > d->had)
        ask(d); /* a server may give less than it was asked for */
    else
        fail_with(d, PLAIT_EPROTOCOL, "the server gives nothing of what it has");
}

static void on_fetched(struct plait_result *result, void *ctx)
{
    struct download *d = ctx;
    const struct plait_fault fault = result->fault;
    d->step = NULL;
    d->paused = NULL;
    plait_response_free(&d->response);
    if (fault.err == PLAIT_OK)
        d->response = plait_result_take(result).ptr;
    plait_result_set(result, plait_value_num(0));
    if (d->response) {
        judge(d);
    } else if (d->anew) {
        begin_anew(d);
    } else if (plait__retry_helps(fault.err) && d->tried < d->options.retries) {
        plait_timer_arm(&d->wait, plait__retry_backoff(d->client->reactor, &d->options, d->tried++));
    } else {
        fail(d, fault);
    }
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Fields beside the user's: what is there already need not come again. */
static size_t put_range(struct download *d)
{
    struct plait_http_field *field = d->field + d->user.field_count;
    if (d->have == 0)
        return 0;
    (void)snprintf(d->range, sizeof(d->range), "bytes=%llu-", (unsigned long long)d->have);
    field[0] = (struct plait_http_field){"Range", d->range};
    field[1] = (struct plait_http_field){"If-Range", d->validator};
    return d->validator[0] ? 2 : 1;
}

static void ask(struct download *d)
{
    d->had = d->have;
    d->options.field_count = d->user.field_count + put_range(d);
    wait_for(d, plait_http_fetch(d->client, d->url, &d->options), on_fetched);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

/* Copies a text behind the struct; NULL stays. */
static const char *copy(char **at, const char *text)
{
    char *copied = *at;
    if (!text)
        return NULL;
    const size_t bytes = strlen(text) + 1;
    memcpy(copied, text, bytes);
    *at += bytes;
    return copied;
}

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t texts_of(const char *url, const struct plait_fetch_options *o)
{
    size_t bytes = bytes_of(url) + bytes_of(o->user) + bytes_of(o->password) + bytes_of(o->bearer);
    for (size_t i = 0; i < o->field_count; i++)
        bytes += bytes_of(o->fields[i].name) + bytes_of(o->fields[i].value);
    return bytes + (o->field_count + OUR_FIELDS) * sizeof(*o->fields);
}

static void copy_texts(struct download *d, const char *url)
{
    struct plait_fetch_options *o = &d->options;
    d->field = (struct plait_http_field *)(d + 1);
    char *at = (char *)(d->field + o->field_count + OUR_FIELDS);
    for (size_t i = 0; i < o->field_count; i++)
        d->field[i] = (struct plait_http_field){copy(&at, o->fields[i].name), copy(&at, o->fields[i].value)};
    d->url = copy(&at, url);
    o->user = copy(&at, o->user);
    o->password = copy(&at, o->password);
    o->bearer = copy(&at, o->bearer);
    o->fields = d->field;
}

/* The user's options, changed to ours. */
static void fill(struct download *d, const char *url, const struct plait_fetch_options *options)
{
    struct plait_fetch_options *o = &d->options;
    d->user = *options;
    *o = *options;
    plait__fetch_defaults(o);
    copy_texts(d, url);
    o->method = NULL;
    o->body = plait_slice_of(NULL, 0);
    o->upload = NULL;
    o->expect_continue = false;
    o->no_decoding = true;
    o->head = on_head;
    o->data = on_data;
    o->trace = options->trace ? note_trace : NULL;
    o->ctx = d;
    o->connect.tls = o->connect.tls ? plait_tls_client_ref(o->connect.tls) : NULL;
    o->connect.targets = o->connect.targets ? plait_target_rules_ref(o->connect.targets) : NULL;
    o->cookies = o->cookies ? plait_cookies_ref(o->cookies) : NULL;
    o->proxy = o->proxy ? plait_http_proxy_ref(o->proxy) : NULL;
}

static struct plait_deferred *refuse(struct download *d, plait_err err)
{
    struct plait_reactor *reactor = d->client->reactor;
    struct plait_fault fault = plait_fault_make(err, "download");
    fault.detail = err == PLAIT_EINVAL ? "the file's name can't be used" : NULL;
    (void)end(d);
    return plait_deferred_fail(reactor, fault);
}

struct plait_deferred *plait_http_download(struct plait_http_client *client, const char *url, const char *path,
                                           const struct plait_fetch_options *options)
{
    static const struct plait_fetch_options defaults;
    struct plait_budget *budget = plait_reactor_budget(client->reactor);
    const struct plait_fetch_options *o = options ? options : &defaults;
    struct download *d = plait_mem_new(budget, sizeof(*d) + texts_of(url, o));
    if (!d)
        return NULL;
    d->client = client;
    plait_timer_init(&d->wait, client->reactor, "download", wait_over, d);
    fill(d, url, o);
    const plait_err err =
        plait__save_continue(client->reactor, plait_slice_text(path), &d->save, &d->have, &d->changed);
    if (err != PLAIT_OK)
        return refuse(d, err);
    plait_save_room(d->save, on_room, d);
    d->deferred = plait_deferred_new(client->reactor, "download", cancel, d);
    if (!d->deferred) {
        (void)end(d);
        return NULL;
    }
    struct plait_deferred *deferred = d->deferred;
    ask(d);
    return deferred;
}
