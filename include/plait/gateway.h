/* SPDX-License-Identifier: MIT
 *
 * Gateways: resources that have programs answer. A CGI program is started for each request; a FastCGI application runs
 * by itself and is spoken to over connections that are kept.
 */
#ifndef PLAIT_GATEWAY_H
#define PLAIT_GATEWAY_H

#include <plait/http.h>

PLAIT_BEGIN

/* The zero value of a member is its default; PLAIT_NEVER and SIZE_MAX take a limit off. Everything is copied. */
struct plait_cgi_options {
    size_t at_once;         /* programs that may run; 32. More requests are 503 */
    plait_span silence;     /* a program that neither takes nor gives bytes; 60 s. Before its header came that is 504 */
    plait_span life;        /* of a program, however busy; 1 h */
    uint64_t output_max;    /* bytes of an answer's body; 1 GiB */
    size_t gather_max;      /* bytes of a request's body without length, which is gathered first; 16 MiB */
    const char *const *env; /* "NAME=VALUE", NULL-terminated: more variables. Of ours only PATH is inherited */
    const char *root;       /* value of DOCUMENT_ROOT; NULL: none */
    bool authorization;     /* programs see Authorization, and with it passwords */
    void *reserved[4];
};

/** Makes a resource that runs one program for each request at it and below: what is left of the path is PATH_INFO.
 * What the program writes to its standard error goes to the log line by line. It runs in its own folder, session and
 * process group, and ends with the request: when the client leaves, the group gets SIGTERM, and SIGKILL two seconds
 * later. Errors: PLAIT_EINVAL (the path does not begin with '/', a variable without '='), PLAIT_ENOTFOUND,
 * PLAIT_EACCESS (not a file that can be executed), PLAIT_ENOMEM. Ownership: one reference, the caller's. Source:
 * RFC 3875. */
PLAIT_API plait_err plait_cgi_new(struct plait_reactor *reactor, const char *program,
                                  const struct plait_cgi_options *options, struct plait_resource **out) PLAIT_MUST;

/** As plait_cgi_new for all programs in a folder and below: the path names one, and what is left behind its name is
 * PATH_INFO. Hidden names are 404, as are names that are none; a file that can't be executed is 403. Symbolic links are
 * followed. Errors: as plait_cgi_new, for the folder. Ownership: as there. */
PLAIT_API plait_err plait_cgi_folder_new(struct plait_reactor *reactor, const char *folder,
                                         const struct plait_cgi_options *options, struct plait_resource **out)
    PLAIT_MUST;

/* As plait_cgi_options. */
struct plait_fastcgi_options {
    size_t connections;  /* to the application at once; 64. More requests wait */
    size_t waiting;      /* requests; 256. More are 503 */
    size_t keep;         /* connections that stay open between requests; 0. Some applications, PHP's among them, have a
                         * worker wait at each: keep no more than can be spared */
    plait_span connect;  /* until a connection stands; 5 s */
    plait_span silence;  /* an application that neither takes nor gives bytes, and a wait for a connection; 60 s */
    plait_span idle;     /* of a kept connection; 30 s */
    uint64_t output_max; /* 1 GiB */
    size_t gather_max;   /* 1 MiB */
    const char *const *env; /* more variables */
    const char *root;       /* the folder of the scripts, and DOCUMENT_ROOT. NULL: all requests go to the application,
                             * which knows itself what to do with a path */
    const char *suffix;     /* of a script's name; ".php". "": any file is one */
    const char *front;      /* a script beneath `root` that gets what names no file at all; NULL: none */
    bool authorization;     /* the application sees Authorization, and with it passwords */
    struct plait_resource *others; /* answers what names no script, and no folder with an index; NULL: nobody, 404. A
                                    * reference is taken */
    void *reserved[4];
};

/** Makes a resource whose requests a FastCGI application answers that runs by itself, at an endpoint such as
 * "unix:/run/php/php-fpm.sock" or "tcp:127.0.0.1:9000". With a `root` the path names a script below it, up to the first
 * file, and what is left is PATH_INFO; a folder stands for the index in it ("index" and the suffix). Files are looked
 * for here: an application on another host has the same ones. A request that was sent over a kept connection and lost
 * with it before an answer came is sent once more, if it is safe and has no body. An application that can't be reached
 * is 502, one that is too slow 504. What it writes to its standard error goes to the log line by line. Errors:
 * PLAIT_ESYNTAX (`endpoint`; `why`, NULL or at least 200 bytes, gets the sentence), PLAIT_EINVAL (a variable without
 * '='), PLAIT_ENOMEM. Ownership: one reference, the caller's. Source: FastCGI Specification 1.0. */
PLAIT_API plait_err plait_fastcgi_new(struct plait_reactor *reactor, const char *endpoint,
                                      const struct plait_fastcgi_options *options, struct plait_resource **out,
                                      char *why) PLAIT_MUST;

PLAIT_END
#endif
