/* SPDX-License-Identifier: MIT
 *
 * The log: events to lines, in text for a person or JSON for a machine. A line is built in the log's own memory, cut
 * when it is too long, and handed to the sink whole. What a peer sent is escaped in either form. Repeats of an event
 * within a second are held back and told of in one line.
 *
 * Invariant: logging never allocates and never fails; a line holds exactly one newline, at its end.
 * Test: tests/base/test_log.c.
 */
#include "base/text.h"
#include "base/timefmt.h"

#include <plait/log.h>

#include <inttypes.h>
#include <stdio.h>

enum {
    LINE_BYTES = 2048,
    CONTENT_BYTES = LINE_BYTES - 128, /* where values are cut; what is behind it is for the ends of the line */
    FIELD_BYTES = 32,                 /* what a field needs beside its key, a whole number included */
    EVENTS = 32,
    BURST = 20
};

/* How often an event of a name was told in the current second. */
struct repeat {
    const char *event;
    const char *room;
    enum plait_log_level level;
    unsigned told;
    uint64_t held_back;
};

struct plait_log {
    struct plait_log_options options;
    struct plait_log_tap *taps;
    int64_t second;
    struct repeat repeat[EVENTS];
    size_t len;
    bool cut; /* not everything fitted into the line */
    char line[LINE_BYTES];
};

struct plait_log *plait_log_new(struct plait_budget *budget, const struct plait_log_options *options)
{
    struct plait_log *log = plait_mem_new(budget, sizeof *log);
    if (!log)
        return NULL;
    log->options = *options;
    if (log->options.burst == 0)
        log->options.burst = BURST;
    return log;
}

void plait_log_set_level(struct plait_log *log, enum plait_log_level level)
{
    log->options.level = level;
}

bool plait_log_on(const struct plait_log *log, enum plait_log_level level)
{
    return level >= log->options.level && log->options.level != PLAIT_LOG_OFF;
}

void plait_log_tap_add(struct plait_log *log, struct plait_log_tap *tap)
{
    tap->next = log->taps;
    log->taps = tap;
}

void plait_log_tap_remove(struct plait_log *log, struct plait_log_tap *tap)
{
    for (struct plait_log_tap **at = &log->taps; *at; at = &(*at)->next) {
        if (*at == tap) {
            *at = tap->next;
            return;
        }
    }
}

/* --- building a line ---------------------------------------------------------------------------------------------- */

static void put(struct plait_log *log, const char *text, size_t len)
{
    const size_t room = LINE_BYTES - log->len;
    const size_t n = len < room ? len : room;
    memcpy(log->line + log->len, text, n);
    log->len += n;
}

static void put_text(struct plait_log *log, const char *text)
{
    put(log, text, strlen(text));
}

static bool json(const struct plait_log *log)
{
    return log->options.form == PLAIT_LOG_JSON;
}

static size_t escape(const struct plait_log *log, plait_slice bytes, size_t *at, bool in_quotes, char piece[8])
{
    if (json(log))
        return plait__escape_json(bytes, at, piece);
    if (!in_quotes || bytes.ptr[*at] != '"')
        return plait__escape_byte(bytes.ptr[*at], piece);
    memcpy(piece, "\\\"", 2);
    return 2;
}

/* Bytes of anybody: printable text stays, the rest is escaped in the way of the form. Cut where the line is full. */
static void put_escaped(struct plait_log *log, plait_slice bytes, bool in_quotes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char piece[8];
        const size_t n = escape(log, bytes, &i, in_quotes, piece);
        if (log->len + n > CONTENT_BYTES) {
            log->cut = true;
            return;
        }
        put(log, piece, n);
    }
}

static const char *level_name(enum plait_log_level level)
{
    static const char *const names[] = {"debug", "info", "notice", "warn", "error"};
    return names[level < PLAIT_LOG_OFF ? level : PLAIT_LOG_ERROR];
}

static const char *level_colour(enum plait_log_level level)
{
    static const char *const colours[] = {"\033[2m", "", "\033[1m", "\033[33m", "\033[31m"};
    return colours[level < PLAIT_LOG_OFF ? level : PLAIT_LOG_ERROR];
}

static void put_stamp(struct plait_log *log, int64_t seconds, uint32_t nanoseconds)
{
    char stamp[PLAIT__ISO8601_BYTES];
    plait__format_iso8601(seconds, nanoseconds, stamp);
    if (json(log))
        put_text(log, "\"time\":\"");
    put_text(log, stamp);
    put_text(log, json(log) ? "\"," : " ");
}

static void put_json_value(struct plait_log *log, const char *key, plait_slice value, bool quote)
{
    put_text(log, "\"");
    put_text(log, key);
    put_text(log, quote ? "\":\"" : "\":");
    put_escaped(log, value, quote);
    if (quote)
        put_text(log, "\"");
}

static void put_json_text(struct plait_log *log, const char *key, const char *text)
{
    put_json_value(log, key, plait_slice_text(text), true);
}

/* A value that could be taken for several, or for none, stands in quotes; a quote in it is escaped. */
static void put_plain_text(struct plait_log *log, const char *key, plait_slice value)
{
    bool quote = value.len == 0;
    for (size_t i = 0; i < value.len; i++)
        quote = quote || value.ptr[i] <= ' ' || value.ptr[i] == '"' || value.ptr[i] == '=';
    put_text(log, " ");
    put_text(log, key);
    put_text(log, quote ? "=\"" : "=");
    put_escaped(log, value, quote);
    if (quote)
        put_text(log, "\"");
}

static void put_field(struct plait_log *log, const struct plait_field *f)
{
    char text[256];
    plait_slice value = f->text;
    if (log->cut || log->len + strlen(f->key) + FIELD_BYTES > CONTENT_BYTES) {
        log->cut = true;
        return;
    }
    if (f->kind == PLAIT_FIELD_I64)
        value = plait_slice_of(text, (size_t)snprintf(text, sizeof text, "%" PRId64, f->num));
    if (f->kind == PLAIT_FIELD_FAULT) {
        plait_fault_format(f->fault, text, sizeof text);
        value = plait_slice_text(text);
    }
    if (!json(log)) {
        put_plain_text(log, f->key, value);
        return;
    }
    put_text(log, ",");
    put_json_value(log, f->key, value, f->kind != PLAIT_FIELD_I64);
}

static void put_head(struct plait_log *log, enum plait_log_level level, const char *room, const char *event,
                     const char *text)
{
    if (json(log)) {
        put_json_text(log, "level", level_name(level));
        put_text(log, ",");
        put_json_text(log, "room", room);
        put_text(log, ",");
        put_json_text(log, "event", event);
        put_text(log, ",");
        put_json_text(log, "text", text);
        return;
    }
    const bool colour = log->options.form == PLAIT_LOG_COLOUR;
    if (colour)
        put_text(log, level_colour(level));
    put_text(log, level_name(level));
    if (colour)
        put_text(log, "\033[0m");
    put_text(log, " ");
    put_escaped(log, plait_slice_text(room), false);
    put_text(log, ": ");
    put_escaped(log, plait_slice_text(text), false);
}

static void finish(struct plait_log *log, enum plait_log_level level)
{
    if (log->cut)
        put_text(log, json(log) ? ",\"cut\":true" : " ...");
    put_text(log, json(log) ? "}\n" : "\n");
    log->options.sink(level, plait_slice_of(log->line, log->len), log->options.ctx);
}

static void write_line(struct plait_log *log, enum plait_log_level level, const char *room, const char *event,
                       const char *text, const struct plait_field *fields)
{
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
    log->len = 0;
    log->cut = false;
    if (json(log))
        put_text(log, "{");
    if (log->options.clock) {
        log->options.clock(&seconds, &nanoseconds, log->options.ctx);
        put_stamp(log, seconds, nanoseconds);
    }
    put_head(log, level, room, event, text);
    for (const struct plait_field *f = fields; f && f->kind != PLAIT_FIELD_END; f++)
        put_field(log, f);
    finish(log, level);
    for (const struct plait_log_tap *tap = log->taps; tap; tap = tap->next) {
        if (level >= tap->level)
            tap->fn(level, room, event, text, fields, tap->ctx);
    }
}

/* --- repeats ------------------------------------------------------------------------------------------------------ */

static void tell_held_back(struct plait_log *log, struct repeat *r)
{
    if (r->held_back > 0) {
        const struct plait_field fields[] = {plait_field_text("event", r->event),
                                             plait_field_i64("times", (int64_t)r->held_back), plait_field_end()};
        write_line(log, r->level, r->room, "repeated", "the same again, not shown one by one", fields);
    }
    *r = (struct repeat){.event = NULL};
}

static void next_second(struct plait_log *log, int64_t second)
{
    log->second = second;
    for (size_t i = 0; i < EVENTS; i++) {
        if (log->repeat[i].event)
            tell_held_back(log, &log->repeat[i]);
    }
}

static struct repeat *repeat_of(struct plait_log *log, const char *event)
{
    for (size_t i = 0; i < EVENTS; i++) {
        struct repeat *r = &log->repeat[i];
        if (!r->event || strcmp(r->event, event) == 0)
            return r;
    }
    tell_held_back(log, &log->repeat[0]);
    return &log->repeat[0];
}

void plait_log_event(struct plait_log *log, enum plait_log_level level, const char *room, const char *event,
                     const char *text, const struct plait_field *fields)
{
    int64_t second = 0;
    uint32_t unused;
    if (!plait_log_on(log, level))
        return;
    if (log->options.clock)
        log->options.clock(&second, &unused, log->options.ctx);
    if (second != log->second)
        next_second(log, second);
    struct repeat *r = repeat_of(log, event);
    r->event = event;
    r->room = room;
    r->level = level;
    if (log->options.clock && r->told >= log->options.burst) {
        r->held_back++;
        return;
    }
    r->told++;
    write_line(log, level, room, event, text, fields);
}

void plait_log_free(struct plait_log **log)
{
    if (!*log)
        return;
    next_second(*log, 0);
    plait_mem_free(*log);
    *log = NULL;
}
