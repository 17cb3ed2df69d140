/* SPDX-License-Identifier: MIT
 *
 * What the live page shows: the reactor's own metrics, listeners, memory and log as JSON, and how they moved in the
 * last ten minutes. Numbers come from the metrics, so that /metrics tells the same; nothing is counted for the page
 * alone. Units stand at the ends of names.
 *
 * Invariant: looking allocates nothing, and neither does keeping the log's lines, which are complete JSON objects.
 * Test: tests/web/test_web_live.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "web/web_live.h"

#include <plait/listen.h>

#include <inttypes.h>
#include <limits.h>

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static int64_t count(const struct plait__live *live, const char *name)
{
    const struct plait_metric *m = plait_metrics_find(plait_reactor_metrics(live->reactor), name, "");
    return m ? m->value : 0;
}

static const struct plait_histogram *lag(const struct plait__live *live)
{
    return plait_metrics_find(plait_reactor_metrics(live->reactor), "plait_loop_lag_seconds", "")->histogram;
}

static void add_listener(const struct plait_listener *listener, void *ctx)
{
    *(uint64_t *)ctx += plait_listener_count(listener);
}

static uint64_t connections(const struct plait__live *live)
{
    uint64_t sum = 0;
    plait_reactor_listeners(live->reactor, add_listener, &sum);
    return sum;
}

static uint64_t per_second(int64_t now, int64_t before, plait_span took)
{
    return took > 0 && now > before ? (uint64_t)((double)(now - before) * 1e9 / (double)took) : 0;
}

/* What was counted since the last look. */
static void look_at_lag(struct plait__live *live, struct plait__live_sample *s)
{
    const struct plait_histogram *now = lag(live);
    struct plait_histogram *before = &live->before.lag;
    struct plait_histogram since = {
        .count = now->count - before->count, .sum = now->sum - before->sum, .max = now->max};
    for (size_t i = 0; i < PLAIT_HISTOGRAM_BUCKETS; i++)
        since.bucket[i] = now->bucket[i] - before->bucket[i];
    s->lag_mean_us = since.count ? since.sum / since.count / 1000 : 0;
    s->lag_worst_us = plait_histogram_quantile(&since, 1000) / 1000;
    *before = *now;
}

void plait__live_look(struct plait__live *live)
{
    struct plait__live_before *b = &live->before;
    const plait_time now = plait_now(live->reactor);
    const int64_t received = count(live, "plait_received_bytes"), sent = count(live, "plait_sent_bytes"),
                  requests = count(live, "plait_http_requests");
    live->newest = (live->newest + 1) % PLAIT__LIVE_SAMPLES;
    live->samples += live->samples < PLAIT__LIVE_SAMPLES;
    struct plait__live_sample *s = &live->sample[live->newest];
    *s = (struct plait__live_sample){.received = per_second(received, b->received, now - b->at),
                                     .sent = per_second(sent, b->sent, now - b->at),
                                     .requests = per_second(requests, b->requests, now - b->at),
                                     .memory = plait_reactor_budget(live->reactor)->used,
                                     .connections = connections(live)};
    look_at_lag(live, s);
    b->at = now;
    b->received = received;
    b->sent = sent;
    b->requests = requests;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void put_text(struct plait_buf *out, const char *key, const char *text)
{
    const plait_slice bytes = plait_slice_text(text);
    char piece[8];
    plait_buf_printf(out, "\"%s\":\"", key);
    for (size_t i = 0; i < bytes.len; i++) {
        const size_t len = plait__escape_json(bytes, &i, piece);
        plait_buf_put(out, plait_slice_of(piece, len));
    }
    plait_buf_put_u8(out, '"');
}

static void put_count(const struct plait__live *live, struct plait_buf *out, const char *key, const char *metric)
{
    plait_buf_printf(out, ",\"%s\":%" PRId64, key, count(live, metric));
}

/* Closes a list or an object, whose elements all have a comma behind them. */
static void put_end(struct plait_buf *out, const char *end)
{
    if (out->len && out->ptr[out->at + out->len - 1] == ',')
        out->len--;
    plait_buf_put_text(out, end);
}

static void put_listener(const struct plait_listener *listener, void *ctx)
{
    static const char *const states[] = {"open", "full", "no memory", "no descriptors", "slowed", "closed"};
    struct plait_listener_view view;
    struct plait_address address;
    struct plait_buf *out = ctx;
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_listener_look(listener, &view);
    plait_listener_address(listener, &address);
    plait_buf_put_u8(out, '{');
    put_text(out, "name", view.service);
    plait_buf_put_u8(out, ',');
    put_text(out, "address", plait_address_format(&address, text));
    plait_buf_printf(out,
                     ",\"tls\":%s,\"state\":\"%s\",\"connections\":%zu,\"connections_max\":%zu,"
                     "\"memory_bytes\":%zu},",
                     view.tls ? "true" : "false", states[view.state], view.connections, view.connections_max,
                     view.memory->used);
}

static void put_connections(const struct plait__live *live, struct plait_buf *out)
{
    const int64_t two = count(live, "plait_http2_connections");
    plait_buf_printf(out, ",\"connections\":{\"open\":%" PRIu64, connections(live));
    plait_buf_printf(out, ",\"http1\":%" PRId64 ",\"http2\":%" PRId64, count(live, "plait_http_connections") - two,
                     two);
    put_count(live, out, "websocket", "plait_websockets");
    put_count(live, out, "streams", "plait_streams");
    put_count(live, out, "accepted", "plait_accepted");
    put_count(live, out, "refused", "plait_refused");
    put_count(live, out, "accept_errors", "plait_accept_errors");
    plait_buf_put_u8(out, '}');
}

static void put_numbers(const struct plait__live *live, struct plait_buf *out)
{
    const struct plait__live_sample *s = &live->sample[live->newest];
    const struct plait_budget *memory = plait_reactor_budget(live->reactor);
    plait_buf_printf(out, ",\"traffic\":{\"received_per_s\":%" PRIu64 ",\"sent_per_s\":%" PRIu64, s->received, s->sent);
    put_count(live, out, "received_bytes", "plait_received_bytes");
    put_count(live, out, "sent_bytes", "plait_sent_bytes");
    plait_buf_printf(out, "},\"http\":{\"requests_per_s\":%" PRIu64, s->requests);
    put_count(live, out, "requests", "plait_http_requests");
    put_count(live, out, "refused", "plait_http_refused");
    plait_buf_printf(out, "},\"loop\":{\"lag_mean_us\":%" PRIu64 ",\"lag_worst_us\":%" PRIu64, s->lag_mean_us,
                     s->lag_worst_us);
    put_count(live, out, "turns", "plait_loop_turns");
    put_count(live, out, "callbacks", "plait_loop_callbacks");
    put_count(live, out, "slow_callbacks", "plait_loop_slow_callbacks");
    plait_buf_printf(out, "},\"memory\":{\"used_bytes\":%zu,\"max_bytes\":%zu}", memory->used, memory->max);
}

void plait__live_put_state(const struct plait__live *live, struct plait_buf *out, bool with_lines)
{
    int64_t seconds;
    uint32_t nanoseconds;
    plait_wall_clock(live->reactor, &seconds, &nanoseconds);
    plait_buf_printf(out, "{\"version\":\"" PLAIT_VERSION "\",\"time_ms\":%" PRId64 ",\"uptime_ms\":%" PRId64,
                     seconds * 1000 + nanoseconds / 1000000, (plait_now(live->reactor) - live->started) / 1000000);
    plait_buf_printf(out, ",\"draining\":%s,\"services\":[", plait_is_draining(live->reactor) ? "true" : "false");
    plait_reactor_listeners(live->reactor, put_listener, out);
    put_end(out, "]");
    put_connections(live, out);
    put_numbers(live, out);
    if (with_lines) {
        plait_buf_put_text(out, ",\"log\":");
        plait__live_put_lines(live, out);
    }
    plait_buf_put_u8(out, '}');
}

/* One number of each sample, oldest first; `at` is where it stands in a sample. */
static void put_series(const struct plait__live *live, struct plait_buf *out, const char *key, size_t at)
{
    plait_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = live->samples; i > 0; i--) {
        const struct plait__live_sample *s =
            &live->sample[(live->newest + 1 + PLAIT__LIVE_SAMPLES - i) % PLAIT__LIVE_SAMPLES];
        uint64_t value;
        memcpy(&value, (const uint8_t *)s + at, sizeof value);
        plait_buf_put_u64_text(out, value);
        plait_buf_put_u8(out, ',');
    }
    put_end(out, "]");
}

void plait__live_put_history(const struct plait__live *live, struct plait_buf *out)
{
    static const struct {
        const char *key;
        size_t at;
    } series[] = {{"received_per_s", offsetof(struct plait__live_sample, received)},
                  {"sent_per_s", offsetof(struct plait__live_sample, sent)},
                  {"connections", offsetof(struct plait__live_sample, connections)},
                  {"requests_per_s", offsetof(struct plait__live_sample, requests)},
                  {"lag_worst_us", offsetof(struct plait__live_sample, lag_worst_us)},
                  {"memory_bytes", offsetof(struct plait__live_sample, memory)}};
    plait_buf_put_text(out, "{\"step_ms\":1000");
    for (size_t i = 0; i < sizeof series / sizeof series[0]; i++)
        put_series(live, out, series[i].key, series[i].at);
    plait_buf_put_u8(out, '}');
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

void plait__live_put_lines(const struct plait__live *live, struct plait_buf *out)
{
    const struct plait__live_lines *l = &live->lines;
    plait_buf_printf(out, "{\"total\":%" PRIu64 ",\"lines\":[", l->total);
    for (uint64_t i = l->total; i > 0 && i + PLAIT__LIVE_LINES > l->total; i--) {
        const size_t slot = (i - 1) % PLAIT__LIVE_LINES;
        plait_buf_put(out, plait_slice_of(l->text[slot], l->len[slot]));
        plait_buf_put_u8(out, ',');
    }
    put_end(out, "]}");
}

static void keep_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct plait__live_lines *l = ctx;
    const size_t slot = l->total++ % PLAIT__LIVE_LINES;
    (void)level;
    l->len[slot] = line.len - 1; /* without its line end */
    memcpy(l->text[slot], line.ptr, line.len - 1);
}

static void wall_clock(int64_t *seconds, uint32_t *nanoseconds, void *ctx)
{
    const struct plait__live_lines *l = ctx;
    plait_wall_clock(l->reactor, seconds, nanoseconds);
}

/* What the reactor's log wrote is written once more, as JSON. */
static void on_event(enum plait_log_level level, const char *room, const char *event, const char *text,
                     const struct plait_field *fields, void *ctx)
{
    const struct plait__live_lines *l = ctx;
    plait_log_event(l->log, level, room, event, text, fields);
}

plait_err plait__live_lines_begin(struct plait__live_lines *lines, struct plait_reactor *reactor)
{
    const struct plait_log_options options = {.level = PLAIT_LOG_WARN,
                                              .form = PLAIT_LOG_JSON,
                                              .sink = keep_line,
                                              .clock = wall_clock,
                                              .ctx = lines,
                                              .burst = UINT_MAX}; /* the reactor's log holds repeats back already */
    lines->reactor = reactor;
    lines->log = plait_log_new(plait_reactor_budget(reactor), &options);
    if (!lines->log)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    lines->tap = (struct plait_log_tap){.fn = on_event, .ctx = lines, .level = PLAIT_LOG_WARN};
    plait_log_tap_add(plait_reactor_log(reactor), &lines->tap);
    return PLAIT_OK;
}

void plait__live_lines_end(struct plait__live_lines *lines)
{
    if (lines->log)
        plait_log_tap_remove(plait_reactor_log(lines->reactor), &lines->tap);
    plait_log_free(&lines->log);
}
