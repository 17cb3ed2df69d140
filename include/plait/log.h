/* SPDX-License-Identifier: MIT
 *
 * The log: one line an event, with a level, a room, a sentence and fields. A log is an object that belongs to a reactor
 * (or to a test). Bytes of a peer are always escaped. The same event repeated is limited: after `burst` lines in a
 * second the rest are counted and told of in one line.
 */
#ifndef PLAIT_LOG_H
#define PLAIT_LOG_H

#include <plait/bytes.h>
#include <plait/time.h>

PLAIT_BEGIN

enum plait_log_level {
    PLAIT_LOG_DEBUG,
    PLAIT_LOG_INFO,
    PLAIT_LOG_NOTICE,
    PLAIT_LOG_WARN,
    PLAIT_LOG_ERROR,
    PLAIT_LOG_OFF
};
enum plait_log_form { PLAIT_LOG_TEXT, PLAIT_LOG_COLOUR, PLAIT_LOG_JSON };

enum plait_field_kind { PLAIT_FIELD_END, PLAIT_FIELD_TEXT, PLAIT_FIELD_BYTES, PLAIT_FIELD_I64, PLAIT_FIELD_FAULT };

/* One field of an event. A list ends with PLAIT_FIELD_END; use the PLAIT_F_ macros. */
struct plait_field {
    enum plait_field_kind kind;
    const char *key;
    plait_slice text; /* TEXT and BYTES: both are escaped when written */
    int64_t num;
    const struct plait_fault *fault;
};

struct plait_log;

/* Where lines go. `line` ends with a newline and is borrowed for the call. Must not call back into the log. */
typedef void (*plait_log_sink_fn)(enum plait_log_level level, plait_slice line, void *ctx);

/* Seconds and nanoseconds since 1970 for the stamp; NULL leaves stamps out. */
typedef void (*plait_log_clock_fn)(int64_t *seconds, uint32_t *nanoseconds, void *ctx);

struct plait_log_options {
    /* lines below it are dropped; PLAIT_LOG_DEBUG is zero: pass PLAIT_LOG_INFO for the usual */
    enum plait_log_level level;
    enum plait_log_form form;
    plait_log_sink_fn sink;
    plait_log_clock_fn clock;
    void *ctx;      /* for sink and clock */
    unsigned burst; /* lines a second and event name before repeats are counted only; 0 means 20 */
    void *reserved[4];
};

/** Makes a log. Returns NULL when there is no memory. Ownership: the caller's, ended with plait_log_free.
 * Callbacks: the sink and the clock run inside calls that log, never later. */
PLAIT_API struct plait_log *plait_log_new(struct plait_budget *budget, const struct plait_log_options *options)
    PLAIT_MUST;

/** Ends a log, telling of repeats that were held back; takes NULL and leaves NULL. */
PLAIT_API void plait_log_free(struct plait_log **log);

/** Changes the level below which lines are dropped. */
PLAIT_API void plait_log_set_level(struct plait_log *log, enum plait_log_level level);

/** Whether a line of this level would be written. */
PLAIT_API bool plait_log_on(const struct plait_log *log, enum plait_log_level level);

/* Who also gets the events that a log writes; embedded in its owner, who fills fn, ctx and level. */
struct plait_log_tap {
    /* Everything is borrowed for the call. Must not call back into the log, nor take a tap off. */
    void (*fn)(enum plait_log_level level, const char *room, const char *event, const char *text,
               const struct plait_field *fields, void *ctx);
    void *ctx;
    enum plait_log_level level; /* events below it are not shown; nor is what the log itself drops or holds back */
    struct plait_log_tap *next;
};

/** Shows a log's events to one more. Ownership: the tap stays its owner's, who takes it off before it goes. Callbacks:
 * `fn` inside calls that log, never later. */
PLAIT_API void plait_log_tap_add(struct plait_log *log, struct plait_log_tap *tap);

/** Takes a tap off; one that is not there is left alone. */
PLAIT_API void plait_log_tap_remove(struct plait_log *log, struct plait_log_tap *tap);

/** Writes one event: `event` is a stable lower-case name such as "accept-failed" and is what repeats are counted by,
 * `text` a sentence for a person. `fields` ends with PLAIT_FIELD_END and may be NULL. Never allocates, never fails. */
PLAIT_API void plait_log_event(struct plait_log *log, enum plait_log_level level, const char *room, const char *event,
                               const char *text, const struct plait_field *fields);

/** Field that holds a text. Ownership: borrows the text. */
static inline struct plait_field plait_field_text(const char *key, const char *text)
{
    struct plait_field f = {PLAIT_FIELD_TEXT, key, plait_slice_text(text), 0, NULL};
    return f;
}

/** Field that holds bytes of anybody. Ownership: borrows the bytes. */
static inline struct plait_field plait_field_bytes(const char *key, plait_slice bytes)
{
    struct plait_field f = {PLAIT_FIELD_BYTES, key, bytes, 0, NULL};
    return f;
}

/** Field that holds a number. */
static inline struct plait_field plait_field_i64(const char *key, int64_t num)
{
    struct plait_field f = {PLAIT_FIELD_I64, key, {NULL, 0}, num, NULL};
    return f;
}

/** Field that holds a fault. Ownership: borrows the fault. */
static inline struct plait_field plait_field_fault(const struct plait_fault *fault)
{
    struct plait_field f = {PLAIT_FIELD_FAULT, "fault", {NULL, 0}, 0, fault};
    return f;
}

/** The end of a list of fields. */
static inline struct plait_field plait_field_end(void)
{
    struct plait_field f = {PLAIT_FIELD_END, NULL, {NULL, 0}, 0, NULL};
    return f;
}

PLAIT_END
#endif
