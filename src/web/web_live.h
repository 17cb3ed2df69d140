/* SPDX-License-Identifier: MIT
 *
 * The inside of the live page: its files (embedded by the build), who may see it, and what it shows.
 */
#ifndef PLAIT_WEB_WEB_LIVE_H
#define PLAIT_WEB_WEB_LIVE_H

#include "base/list.h"

#include <plait/events.h>
#include <plait/live.h>
#include <plait/log.h>
#include <plait/reactor.h>

enum {
    PLAIT__LIVE_SAMPLES = 600,
    PLAIT__LIVE_LINES = 32,
    PLAIT__LIVE_LINE_BYTES = 2048, /* what a log's line has at most */
    PLAIT__LIVE_VIEWERS = 16,
    PLAIT__LIVE_HOSTS = 512,
};

/* A file of the page; plait__live_files is made of src/web/live/ and ends with a name of NULL. */
struct plait__live_file {
    const char *name; /* "" is the page itself */
    const char *type;
    const uint8_t *bytes;
    size_t len;
};
extern const struct plait__live_file plait__live_files[];

/* What one second was like. */
struct plait__live_sample {
    uint64_t received, sent, memory; /* bytes a second, bytes a second, bytes */
    uint64_t connections, requests;  /* open, a second */
    uint64_t lag_mean_us, lag_worst_us;
};

/* Counts at the last look, to tell what a second brought. */
struct plait__live_before {
    plait_time at;
    int64_t received, sent, requests;
    struct plait_histogram lag;
};

/* The last lines of the log, each an object in JSON without its line end. */
struct plait__live_lines {
    struct plait_log *log;
    struct plait_log_tap tap;
    struct plait_reactor *reactor;
    uint64_t total; /* so many came in all; the newest is in slot (total - 1) % PLAIT__LIVE_LINES */
    size_t len[PLAIT__LIVE_LINES];
    char text[PLAIT__LIVE_LINES][PLAIT__LIVE_LINE_BYTES];
};

struct plait__live {
    struct plait_reactor *reactor;
    struct plait_timer tick;
    struct plait__list viewers;
    size_t viewer_count;
    struct plait_buf text; /* an event being put together */
    plait_time started, next;
    struct plait__live_before before;
    size_t samples, newest; /* in the ring */
    struct plait__live_sample sample[PLAIT__LIVE_SAMPLES];
    uint64_t lines_sent;
    struct plait__live_lines lines;
    bool has_auth;
    char hosts[PLAIT__LIVE_HOSTS];
};

/* web_live_guard.c. What keeps a request out: a status and a sentence; 0: nothing does. */
int plait__live_refuses(const struct plait__live *live, const struct plait_request *req, const char **why);
/* Fields that every answer of the page has. */
void plait__live_fields(struct plait_request *req);

/* web_live_state.c. Looks at the reactor and notes what the time since the last look was like. */
void plait__live_look(struct plait__live *live);
/* Append a JSON value. Errors: in the buffer. */
void plait__live_put_state(const struct plait__live *live, struct plait_buf *out, bool with_lines);
void plait__live_put_history(const struct plait__live *live, struct plait_buf *out);
void plait__live_put_lines(const struct plait__live *live, struct plait_buf *out);
/* Begin and end keeping the lines of the reactor's log. Errors: PLAIT_ENOMEM. */
plait_err plait__live_lines_begin(struct plait__live_lines *lines, struct plait_reactor *reactor) PLAIT_MUST;
void plait__live_lines_end(struct plait__live_lines *lines);

#endif
