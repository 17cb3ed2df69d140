/* SPDX-License-Identifier: MIT
 *
 * Port forwarding in the program: where to, and what the target is told.
 *
 * Test: tests/program/forward.py.
 */
#include "program/program.h"

#include <plait/forward.h>

#include <string.h>

bool take_forward_option(struct words *words, struct forward_words *forward, const char **value)
{
    if (take_option(words, "to", 0, value))
        forward->to = *value;
    else if (take_option(words, "send-proxy", 0, value))
        forward->header = *value;
    else if (take_option(words, "idle", 0, value))
        forward->idle = *value;
    else
        return false;
    return true;
}

static bool read_words(const struct forward_words *words, struct plait_forward_options *o, struct trouble *trouble)
{
    uint64_t seconds = 0;
    if (!words->to)
        return told(trouble, EXIT_USAGE, "where to? --to ENDPOINT, as in --to tcp:10.0.0.1:80");
    if (words->header && strcmp(words->header, "v1") == 0)
        o->header = PLAIT_FORWARD_PROXY_V1;
    else if (words->header && strcmp(words->header, "v2") == 0)
        o->header = PLAIT_FORWARD_PROXY_V2;
    else if (words->header)
        return told(trouble, EXIT_USAGE, "--send-proxy wants v1 or v2");
    if (words->idle &&
        (plait_slice_to_u64(plait_slice_text(words->idle), 1000000000, &seconds) != PLAIT_OK || !seconds))
        return told(trouble, EXIT_USAGE, "--idle wants seconds, at least one");
    o->idle = plait_seconds((int64_t)seconds);
    return true;
}

struct plait_service *make_forward(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble)
{
    struct plait_forward_options options = {.idle = 0};
    struct plait_service *service = NULL;
    char why[WHY_BYTES] = "";
    if (!read_words(words->forward, &options, trouble))
        return NULL;
    if (plait_forward_new(r, words->forward->to, &options, &service, why) != PLAIT_OK && why[0])
        (void)told(trouble, EXIT_USAGE, "--to: %s", why);
    return service;
}
