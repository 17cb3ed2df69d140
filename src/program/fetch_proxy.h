/* SPDX-License-Identifier: MIT
 *
 * Through which proxy plait fetch goes: the one that it was told, or those of the environment.
 */
#ifndef PLAIT_PROGRAM_FETCH_PROXY_H
#define PLAIT_PROGRAM_FETCH_PROXY_H

#include "program/program.h"

#include <plait/plait.h>

enum { PROXY_HTTP, PROXY_HTTPS, PROXY_KINDS };

struct proxies {
    struct plait_http_proxy *of[PROXY_KINDS]; /* by the URL's scheme; NULL: none */
    const char *except;                       /* hosts that are reached directly, or NULL */
};

/* Knows them; `given` is what --proxy said, "" for none at all, NULL when it was not there. Returns an exit status. */
int proxies_open(struct proxies *p, const struct command *command, struct plait_reactor *r, const char *given);
void proxies_close(struct proxies *p);

/* The one for a URL. Borrowed. */
struct plait_http_proxy *proxy_for(const struct proxies *p, const char *url);

#endif
