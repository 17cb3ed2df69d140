/* SPDX-License-Identifier: MIT
 *
 * Sessions in memory: something of the program's own, found again by a random cookie of 128 bits. A session ends when
 * it was idle, or has lived, for too long, or when there are too many and it was used longest ago.
 *
 * Invariant: the list is ordered by use, so that the first is the next to be idle for too long. Test:
 * tests/web/test_web_session.c.
 */
#include "base/table.h"
#include "base/try.h"
#include "web/http_core.h"

#include <stdio.h>

enum { ID_TEXT = 32 };

struct plait_session {
    struct plait__list link;
    struct plait_sessions *owner;
    plait_time began, used;
    plait_value value;
    char id[ID_TEXT + 1];
};

struct plait_sessions {
    struct plait_reactor *reactor;
    struct plait_sessions_options options;
    struct plait__table table;
    struct plait__list list; /* used longest ago first */
    struct plait_timer timer;
};

static void session_free(struct plait_session *s)
{
    struct plait_sessions *all = s->owner;
    (void)plait__table_remove(&all->table, plait_slice_of(s->id, ID_TEXT));
    plait__list_remove(&s->link);
    if (s->value.destroy)
        s->value.destroy(s->value.ptr);
    plait_mem_wipe(s->id, sizeof(s->id));
    plait_mem_free(s);
}

static bool is_over(const struct plait_session *s, plait_time now)
{
    const struct plait_sessions_options *o = &s->owner->options;
    return now - s->used >= o->idle || now - s->began >= o->life;
}

static struct plait_session *oldest(const struct plait_sessions *all)
{
    return plait__list_empty(&all->list) ? NULL : plait__container(all->list.next, struct plait_session, link);
}

/* What was idle for too long goes; what only lived too long goes when it is asked for, or becomes idle. */
static void sweep(void *ctx)
{
    struct plait_sessions *all = ctx;
    const plait_time now = plait_now(all->reactor);
    struct plait_session *s;
    while ((s = oldest(all)) && is_over(s, now))
        session_free(s);
    if (s)
        plait_timer_arm_at(&all->timer, plait__later(s->used, all->options.idle));
}

struct plait_sessions *plait_sessions_new(struct plait_reactor *reactor, const struct plait_sessions_options *options)
{
    struct plait_sessions *all = plait_mem_new(plait_reactor_budget(reactor), sizeof(*all));
    if (!all)
        return NULL;
    all->reactor = reactor;
    if (options)
        all->options = *options;
    struct plait_sessions_options *o = &all->options;
    o->idle = o->idle ? o->idle : plait_seconds(15 * 60);
    o->life = o->life ? o->life : plait_seconds(24 * 60 * 60);
    o->most = o->most ? o->most : 10000;
    o->cookie = o->cookie ? o->cookie : o->in_the_clear ? "session" : "__Host-session";
    plait__table_init(&all->table, plait_reactor_budget(reactor), reactor->hash_key);
    plait__list_init(&all->list);
    plait_timer_init(&all->timer, reactor, "sessions", sweep, all);
    return all;
}

void plait_sessions_free(struct plait_sessions **sessions)
{
    struct plait_sessions *all = *sessions;
    *sessions = NULL;
    if (!all)
        return;
    plait_timer_stop(&all->timer);
    for (struct plait_session *s = oldest(all); s; s = oldest(all))
        session_free(s);
    plait__table_deinit(&all->table);
    plait_mem_free(all);
}

size_t plait_sessions_count(const struct plait_sessions *sessions)
{
    return sessions->table.count;
}

struct plait_session *plait_session_find(struct plait_sessions *sessions, const struct plait_request *req)
{
    const plait_time now = plait_now(sessions->reactor);
    plait_slice id;
    if (!plait_request_cookie(req, sessions->options.cookie, &id) || id.len != ID_TEXT)
        return NULL;
    struct plait_session *s = plait__table_find(&sessions->table, id);
    if (!s)
        return NULL;
    if (is_over(s, now)) {
        session_free(s);
        return NULL;
    }
    s->used = now;
    plait__list_remove(&s->link);
    plait__list_add_tail(&sessions->list, &s->link);
    return s;
}

static plait_err set_cookie(const struct plait_sessions *all, struct plait_request *req, const char *id)
{
    const struct plait_cookie cookie = {.name = all->options.cookie,
                                        .value = plait_slice_text(id),
                                        .path = "/",
                                        .max_age = *id ? 0 : -1,
                                        .secure = !all->options.in_the_clear};
    return plait_reply_cookie(req, &cookie);
}

/* Gives a session an id that nobody can know before. */
static plait_err name_session(struct plait_session *s)
{
    uint8_t bytes[ID_TEXT / 2];
    PLAIT_TRY(plait_random_bytes(s->owner->reactor, bytes, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(s->id + 2 * i, 3, "%02x", bytes[i]);
    return plait__table_insert(&s->owner->table, plait_slice_of(s->id, ID_TEXT), s);
}

plait_err plait_session_start(struct plait_sessions *sessions, struct plait_request *req, struct plait_session **out)
{
    *out = NULL;
    while (sessions->table.count >= sessions->options.most)
        session_free(oldest(sessions));
    struct plait_session *s = plait_mem_new(plait_reactor_budget(sessions->reactor), sizeof(*s));
    if (!s)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    s->owner = sessions;
    s->began = s->used = plait_now(sessions->reactor);
    plait__list_add_tail(&sessions->list, &s->link);
    plait_err err = name_session(s);
    if (err == PLAIT_OK)
        err = set_cookie(sessions, req, s->id);
    if (err != PLAIT_OK) {
        session_free(s);
        return err;
    }
    if (!plait_timer_runs(&sessions->timer))
        plait_timer_arm(&sessions->timer, sessions->options.idle);
    *out = s;
    return PLAIT_OK;
}

plait_err plait_session_renew(struct plait_session *session, struct plait_request *req)
{
    (void)plait__table_remove(&session->owner->table, plait_slice_of(session->id, ID_TEXT));
    PLAIT_TRY(name_session(session));
    return set_cookie(session->owner, req, session->id);
}

void plait_session_end(struct plait_session **session, struct plait_request *req)
{
    struct plait_session *s = *session;
    *session = NULL;
    if (!s)
        return;
    (void)set_cookie(s->owner, req, ""); /* the session is gone, whether the browser forgets it or not */
    session_free(s);
}

void *plait_session_value(const struct plait_session *session)
{
    return session->value.ptr;
}

void plait_session_set(struct plait_session *session, plait_value value)
{
    if (session->value.destroy)
        session->value.destroy(session->value.ptr);
    session->value = value;
}
