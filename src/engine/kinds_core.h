/* SPDX-License-Identifier: MIT
 *
 * What the files of the engine's endpoint kinds share: reading words, giving up.
 */
#ifndef PLAIT_ENGINE_KINDS_CORE_H
#define PLAIT_ENGINE_KINDS_CORE_H

#include "engine/kinds.h"

#include <plait/tls.h>

enum { PLAIT__KINDS = 10 };

/* Readers of words: an absent word leaves *out as it is; one that is wrong is PLAIT_ESYNTAX with a sentence. */
plait_err plait__word_number(struct plait_endpoint *e, const char *key, uint64_t max, uint64_t *out) PLAIT_MUST;
plait_err plait__word_bool(struct plait_endpoint *e, const char *key, bool *out) PLAIT_MUST;
plait_err plait__word_span(struct plait_endpoint *e, const char *key, plait_span *out) PLAIT_MUST;
plait_err plait__word_octal(struct plait_endpoint *e, const char *key, uint32_t *out) PLAIT_MUST;
/* The word of a key, else of the position. Wrong when it is absent or empty: `what` names it. */
plait_err plait__word_needed(struct plait_endpoint *e, const char *key, size_t position, const char *what,
                             const char **out) PLAIT_MUST;
plait_err plait__word_port(struct plait_endpoint *e, const char *text, uint16_t *out) PLAIT_MUST;

/* Words that every listener takes: backlog and limits. */
plait_err plait__words_listen(struct plait_endpoint *e, struct plait_listen_options *o) PLAIT_MUST;
/* Words that every TCP connection takes: timeout, bindAddress. */
plait_err plait__words_connect(struct plait_endpoint *e, struct plait_connect_options *o) PLAIT_MUST;

/* Gives up what a listen function of a kind has taken. Returns err. */
plait_err plait__kind_refuse(struct plait_listen_options *o, struct plait_service *service, plait_err err);

/* kinds_net.c, kinds_local.c: the kinds' functions. */
plait_err plait__kind_tcp_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                 struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_tcp6_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                  struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_tls_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                 struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_haproxy_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                     struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_unix_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                  struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_systemd_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                     struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_stdio_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                   struct plait_service *service, struct plait_listener **out);
plait_err plait__kind_fd_listen(struct plait_endpoint *e, struct plait_listen_options *o, struct plait_service *service,
                                struct plait_listener **out);
struct plait_deferred *plait__kind_tcp_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                               plait_err *err);
struct plait_deferred *plait__kind_tcp6_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err);
struct plait_deferred *plait__kind_tls_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                               plait_err *err);
struct plait_deferred *plait__kind_unix_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err);
struct plait_deferred *plait__kind_stdio_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                 plait_err *err);
struct plait_deferred *plait__kind_fd_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                              plait_err *err);
struct plait_deferred *plait__kind_exec_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err);

/* endpoint_kinds.c: the client context of a reactor's endpoints that ask for nothing special; made at the first use.
 * Borrowed. */
plait_err plait__kinds_tls_client(struct plait_reactor *r, struct plait_tls_client **out, char *why) PLAIT_MUST;

#endif
