/* SPDX-License-Identifier: MIT
 *
 * A fetch, for the files of the client that carry it out.
 */
#ifndef PLAIT_WEB_HTTP_FETCH_CORE_H
#define PLAIT_WEB_HTTP_FETCH_CORE_H

#include "web/http_client_core.h"
#include "web/http_core.h"
#include "web/http_decode.h"

/* The body of a request as its source writes it. */
struct plait_upload {
    struct plait__fetch *fetch;
    struct plait_upload_source source; /* room NULL: there is none */
    uint64_t left;                     /* bytes of the announced length */
    bool begun;                        /* the source was called since it was at its start */
    bool ended;
};

struct plait__fetch {
    struct plait__client_exchange x;
    struct plait__list link; /* client's fetches */
    struct plait_http_client *client;
    struct plait_deferred *deferred;    /* what the caller waits for */
    struct plait_fetch_options options; /* its borrowed texts are only good inside plait_http_fetch */
    struct plait__fetch_text text;
    struct plait_upload upload;
    struct plait__decoder *decoder;  /* of its body; NULL: it is given as it comes */
    struct plait_response *response; /* the one whose body is being read */
    struct plait_soon begin;         /* the next exchange */
    struct plait_soon pour;          /* the upload's source is to be called */
    struct plait_timer timer;        /* of the step that `waits` names */
    uint8_t waits;                   /* enum plait__fetch_wait */
    unsigned redirects, retried, unseen;
    size_t skipped;   /* bytes of a body that is read for the connection's sake only */
    plait_span delay; /* before the next exchange */
    bool only_http1;  /* the server asked for that */
    bool discards;    /* the response under way is not the one to give */
    bool calling;     /* inside a callback of the user's */
    bool over;
};

enum plait__fetch_wait {
    PLAIT__WAIT_BEGIN, /* for a connection */
    PLAIT__WAIT_GO,    /* for 100 (Continue) */
    PLAIT__WAIT_HEAD,  /* for the response */
    PLAIT__WAIT_BODY,  /* for more of it */
    PLAIT__WAIT_DELAY, /* for the next try */
};

static inline struct plait__fetch *plait__fetch_of(struct plait__client_exchange *x)
{
    return plait__container(x, struct plait__fetch, x);
}

/* http_fetch.c: ends a fetch; it is freed by this, or when the user's callback returns. */
void plait__fetch_fail(struct plait__fetch *f, struct plait_fault fault);
void plait__fetch_fail_with(struct plait__fetch *f, plait_err err, const char *detail);
/* Between these two the user is called; the second tells whether the fetch goes on, and frees one that does not. */
void plait__fetch_call(struct plait__fetch *f);
bool plait__fetch_called(struct plait__fetch *f);
/* Waits for a step, no longer than a span. */
void plait__fetch_wait(struct plait__fetch *f, enum plait__fetch_wait what, plait_span span);
/* The request is complete: the response is waited for. */
void plait__fetch_sent(struct plait__fetch *f);

/* http_upload.c: the connection is there, or the server asks for the body; there is room; the next exchange needs the
 * body from its start (false: it can't be had, and the fetch is over). */
void plait__upload_init(struct plait__fetch *f);
void plait__upload_go(struct plait__fetch *f);
bool plait__upload_rewind(struct plait__fetch *f);

/* http_retry.c: whether a request that no server has looked at, a failure, or an answer whose head stands at `base`, is
 * to be tried again; f->delay is set. */
bool plait__retry_unseen(struct plait__fetch *f);
bool plait__retry_fault(struct plait__fetch *f, const struct plait_fault *fault);
bool plait__retry_answer(struct plait__fetch *f, const uint8_t *base);
/* Whether trying again may help against an error; how long to wait before it. */
bool plait__retry_helps(plait_err err);
plait_span plait__retry_backoff(struct plait_reactor *reactor, const struct plait_fetch_options *o, unsigned retried);

/* http_fetch.c: puts the defaults in the place of zeros. */
void plait__fetch_defaults(struct plait_fetch_options *o);

#endif
