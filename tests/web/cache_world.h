/* SPDX-License-Identifier: MIT
 *
 * What the tests of the cache share: a simulated server with a cache before an origin that answers as the test says,
 * and stories: what is asked, what the origin would say, and whether it is asked.
 */
#ifndef PLAIT_TESTS_WEB_CACHE_WORLD_H
#define PLAIT_TESTS_WEB_CACHE_WORLD_H

#include "tests/web/gateway_world.h"

#include <plait/cache.h>

static struct gw w;
static struct visitor v;

/* What the origin says next, and what it saw. */
static struct origin {
    const char *fields; /* lines of its answer, "a: b\n" each */
    int status;         /* 0: 200 */
    const char *body;   /* NULL: "answer N" */
    size_t flood;       /* bytes more, in pieces */
    bool unknown;       /* states no length */
    bool mute;          /* does not answer yet */
    bool breaks;        /* leaves in the middle of the body */
    bool drops;         /* does not answer at all */
    unsigned asked, gone;
    char saw[4096]; /* the last request's fields */
    struct plait_request *waiting[16];
    size_t waits;
} origin;

static void origin_fields(struct plait_request *req, const char *lines)
{
    for (const char *at = lines; at && *at;) {
        char name[64];
        const char *colon = strchr(at, ':'), *end = strchr(at, '\n');
        const size_t len = (size_t)(colon - at);
        memcpy(name, at, len);
        name[len] = '\0';
        const plait_slice value = plait_slice_trim(plait_slice_of(colon + 1, (size_t)(end - colon - 1)));
        const plait_err err = plait_reply_field(req, name, value);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        at = end + 1;
    }
}

static void origin_flood(struct plait_request *req, void *ctx)
{
    static uint8_t block[4096];
    (void)ctx;
    memset(block, 'x', sizeof block);
    while (origin.flood && !plait_reply_is_full(req)) {
        const size_t len = origin.flood < sizeof block ? origin.flood : sizeof block;
        origin.flood -= len;
        plait_reply_write(req, plait_slice_of(block, len));
    }
    if (origin.flood)
        return;
    if (origin.breaks)
        plait_request_drop(req);
    else
        plait_reply_end(req);
}

static void origin_gone(struct plait_request *req, void *ctx)
{
    (void)ctx;
    origin.gone++;
    for (size_t i = 0; i < origin.waits; i++) {
        if (origin.waiting[i] == req)
            origin.waiting[i] = NULL;
    }
    plait_request_drop(req);
}

static void origin_say(struct plait_request *req)
{
    char body[64];
    (void)snprintf(body, sizeof body, "answer %u", origin.asked);
    const plait_slice text = plait_slice_text(origin.body ? origin.body : body);
    const uint64_t length = origin.unknown ? PLAIT_LENGTH_UNKNOWN : text.len + origin.flood;
    origin_fields(req, origin.fields);
    if (origin.drops) {
        plait_request_drop(req);
        return;
    }
    plait_request_gone(req, origin_gone, NULL);
    plait_reply_room(req, origin_flood, NULL);
    plait_reply_begin(req, origin.status ? origin.status : 200, "text/plain", length);
    plait_reply_write(req, text);
    origin_flood(req, NULL);
}

static void origin_answer(struct plait_request *req, void *ctx)
{
    size_t len = 0;
    (void)ctx;
    origin.asked++;
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        len += (size_t)snprintf(origin.saw + len, sizeof origin.saw - len, "%.*s: %.*s\n", PLAIT_ARG(name),
                                PLAIT_ARG(value));
    }
    if (!origin.mute) {
        origin_say(req);
        return;
    }
    plait_request_gone(req, origin_gone, NULL);
    origin.waiting[origin.waits++] = req;
}

/* Answers what waits. */
static inline void origin_goes_on(void)
{
    origin.mute = false;
    for (size_t i = 0; i < origin.waits; i++) {
        if (origin.waiting[i])
            origin_say(origin.waiting[i]);
    }
    origin.waits = 0;
}

static inline void cache_open(const struct plait_cache_options *options)
{
    memset(&origin, 0, sizeof origin);
    gw_open(&w);
    assert_ok(plait_cache_wrap(w.root, options));
    assert_ok(plait_resource_on(w.root, "*", "a", origin_answer, NULL));
    assert_ok(plait_resource_on(w.root, "*", "b", origin_answer, NULL));
    gw_serve(&w);
}

static inline void cache_close(void)
{
    gw_close(&w);
}

/* Asks for a path with fields ("a: b\n" each); returns the status. */
static inline int fetch_as(struct visitor *who, const char *method, const char *path, const char *fields)
{
    static char text[4096];
    size_t len =
        (size_t)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", method, path);
    for (const char *at = fields; at && *at; at++)
        len += (size_t)snprintf(text + len, sizeof text - len, *at == '\n' ? "\r\n" : "%c", *at);
    (void)snprintf(text + len, sizeof text - len, "\r\n");
    visit(&w, who, text);
    visit_ends(&w, who);
    return status_of(who);
}

static inline int fetch(const char *path, const char *fields)
{
    return fetch_as(&v, "GET", path, fields);
}

static inline void wait_s(int64_t seconds)
{
    plait_sim_run_for(w.sim, plait_seconds(seconds));
}

static inline bool got(const char *what)
{
    return strstr(v.got, what) != NULL;
}

/* --- stories ------------------------------------------------------------------------------------------------------ */

/* One request of a story. */
struct step {
    int wait;          /* seconds before it */
    const char *ask;   /* fields of the request */
    const char *say;   /* fields of the origin's answer; NULL: as before */
    int said;          /* its status; 0: 200 */
    bool forwarded;    /* whether the origin is asked */
    int status;        /* of the answer; 0: 200 */
    const char *has;   /* what stands in it; NULL: anything */
    const char *lacks; /* what does not */
};

struct story {
    const char *name;
    struct step step[6];
    int count;
};

static inline void tell(const struct story *s)
{
    const char *say = NULL;
    for (int i = 0; i < s->count; i++) {
        const struct step *at = &s->step[i];
        const unsigned before = origin.asked;
        say = at->say ? at->say : say;
        origin.fields = say;
        origin.status = at->said;
        wait_s(at->wait);
        const int status = fetch("/a", at->ask);
        if ((origin.asked != before) != at->forwarded)
            fail_msg("%s, step %d: the origin was %sasked", s->name, i + 1, at->forwarded ? "not " : "");
        if (status != (at->status ? at->status : 200))
            fail_msg("%s, step %d: %d", s->name, i + 1, status);
        if (at->has && !strstr(v.got, at->has))
            fail_msg("%s, step %d: no '%s' in %s", s->name, i + 1, at->has, v.got);
        if (at->lacks && strstr(v.got, at->lacks))
            fail_msg("%s, step %d: '%s' in %s", s->name, i + 1, at->lacks, v.got);
    }
}

static inline void tell_all(const struct story *stories, size_t count, const struct plait_cache_options *options)
{
    for (size_t i = 0; i < count; i++) {
        cache_open(options);
        tell(&stories[i]);
        cache_close();
    }
}

#define FORWARDED .forwarded = true
#define STORY(name, n, ...)                                                                                            \
    {                                                                                                                  \
        name, {__VA_ARGS__}, n                                                                                         \
    }

#endif
