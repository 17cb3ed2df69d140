/* SPDX-License-Identifier: MIT
 *
 * What fastcgi.c (connections and what goes over them) and fastcgi_script.c (the resource, and which script a path
 * names) share.
 */
#ifndef PLAIT_WEB_FASTCGI_CORE_H
#define PLAIT_WEB_FASTCGI_CORE_H

#include "web/fcgi_wire.h"
#include "web/gateway_core.h"

/* What a resource was told. */
struct plait__fastcgi {
    size_t refs; /* the resource, its runs and connections */
    struct plait_reactor *reactor;
    struct plait_fastcgi_options options; /* filled; texts stand below */
    char *endpoint, *root, *suffix, *front;
    struct plait_buf env;        /* more variables, each with a NUL */
    struct plait__list line;     /* runs that wait */
    struct plait__list idle;     /* connections, used last first */
    size_t conns, waiting, kept; /* all connections; runs in line; connections in `idle` */
    bool closed;                 /* the resource is gone: nothing is kept */
};

struct plait__fcgi_conn {
    struct plait__list link; /* idle */
    struct plait__fastcgi *fcgi;
    struct plait__fcgi_run *run;       /* NULL: idle, or ending */
    struct plait_deferred *connecting; /* until there is a stream */
    struct plait_stream *stream;
    struct plait__fcgi_reader reader;
    struct plait_timer idle;
    bool used;     /* for a request before */
    bool answered; /* a byte came */
    bool said_all; /* the end of standard output came */
};

/* One request. */
struct plait__fcgi_run {
    struct plait__gateway gateway;
    struct plait__list link; /* in line */
    size_t holders; /* its request, and who has output told to the gateway */
    struct plait__fastcgi *fcgi;
    struct plait__fcgi_conn *conn;
    struct plait_buf head; /* what is sent first, and once more if need be */
    struct plait__cgi_facts facts;
    bool in_line;
    bool repeats;  /* may be sent twice */
    bool fresh;    /* only over a new connection */
    bool sent_all; /* also the end of standard input */
    char filename[];
};

/* Has the application answer a request. `filename` (empty: none) is copied, the others live as long as the request. */
void plait__fastcgi_run(struct plait__fastcgi *f, struct plait_request *req, plait_slice filename, plait_slice script,
                        plait_slice info);

/* Ends what is kept; nothing is from now on. */
void plait__fastcgi_close(struct plait__fastcgi *f);

/* fastcgi_script.c */
void plait__fastcgi_unref(struct plait__fastcgi *f);

#endif
