/* SPDX-License-Identifier: MIT
 *
 * Endpoint strings, "kind:argument:key=value", with a backslash before ':', '=' and itself where they are meant as
 * themselves. A reactor holds the kinds it knows; rooms register theirs.
 */
#ifndef PLAIT_ENDPOINT_H
#define PLAIT_ENDPOINT_H

#include <plait/listen.h>

PLAIT_BEGIN

#define PLAIT_ENDPOINT_ARGS_MAX 24

/* A parsed endpoint string. Positional arguments have an empty key. Texts are unescaped and terminated. */
struct plait_endpoint {
    struct plait_reactor *reactor;
    const char *kind;
    size_t count;
    struct {
        const char *key;
        const char *value;
        bool used;
    } arg[PLAIT_ENDPOINT_ARGS_MAX];
    char *why;       /* where a kind writes its sentence, 200 bytes */
    char text[1024]; /* storage */
};

/** Parses an endpoint string. `why` (200 bytes) gets one line that says what is wrong and what would be right.
 * Errors: PLAIT_ESYNTAX, PLAIT_ETOOLONG. Ownership: `out` is the caller's memory; `why` is borrowed by it. */
PLAIT_API plait_err plait_endpoint_parse(const char *text, struct plait_endpoint *out, char *why) PLAIT_MUST;

/** Value of a key, or of the position when `key` is NULL; marks it used. Ownership: borrowed from the endpoint; NULL
 * when absent. */
PLAIT_API const char *plait_endpoint_arg(struct plait_endpoint *endpoint, const char *key, size_t position);

/** Fails when an argument was not used, naming it. Errors: PLAIT_ESYNTAX. */
PLAIT_API plait_err plait_endpoint_finish(struct plait_endpoint *endpoint) PLAIT_MUST;

/** Writes the sentence into endpoint->why and returns the error. Errors: PLAIT_ESYNTAX, always. */
PLAIT_API plait_err plait_endpoint_wrong(struct plait_endpoint *endpoint, const char *fmt, ...) PLAIT_PRINTF(2, 3)
    PLAIT_MUST;

/* A kind of endpoint. Either function may be NULL: the kind then can't do that. A kind embeds this and keeps it while
 * registered. */
struct plait_endpoint_kind {
    const char *name;
    plait_err (*listen)(struct plait_endpoint *endpoint, struct plait_listen_options *options,
                        struct plait_service *service, struct plait_listener **out); /* takes the service reference */
    struct plait_deferred *(*connect)(struct plait_endpoint *endpoint, struct plait_connect_options *options,
                                      plait_err *err);
    const char *help; /* one line for --help: "tcp:PORT[:interface=ADDR][:backlog=N]" */
    struct plait_endpoint_kind *next;
};

/** Registers a kind in a reactor; a later one of the same name wins. Ownership: borrowed for the reactor's life. */
PLAIT_API void plait_endpoint_register(struct plait_reactor *reactor, struct plait_endpoint_kind *kind);

/** First registered kind, for listing; follow `next`. Ownership: borrowed. */
PLAIT_API const struct plait_endpoint_kind *plait_endpoint_kinds(const struct plait_reactor *reactor);

PLAIT_END
#endif
