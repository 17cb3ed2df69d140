/* SPDX-License-Identifier: MIT
 *
 * The forward proxy of the program: where its clients may go, and who may come.
 *
 * Test: tests/program/proxy.py.
 */
#include "program/program.h"

#include <plait/proxy.h>

bool take_proxy_option(struct words *words, struct proxy_words *proxy, struct web_words *web, const char **value,
                       bool *full)
{
    if (take_option(words, "allow", 0, value)) {
        proxy->allow = *value;
    } else if (take_option(words, "refuse", 0, value)) {
        proxy->refuse = *value;
    } else if (take_option(words, "ports", 0, value)) {
        proxy->ports = *value;
    } else if (take_option(words, "realm", 0, value)) {
        web->realm = *value;
    } else if (take_option(words, "user", 0, value)) {
        *full = web->user.count == WEB_EACH_MAX;
        if (!*full)
            web->user.value[web->user.count++] = *value;
    } else if (take_option(words, "users", 0, value)) {
        web->users = *value;
    } else if (take_flag(words, "no-connect", 0)) {
        proxy->no_connect = true;
    } else {
        return false;
    }
    return true;
}

struct plait_service *make_proxy(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble)
{
    const struct proxy_words *proxy = words->proxy;
    const struct plait_forward_proxy_options options = {
        .targets = {.allow = proxy->allow, .refuse = proxy->refuse, .ports = proxy->ports},
        .no_connect = proxy->no_connect};
    struct plait_resource *root;
    const plait_err err = plait_forward_proxy_new(r, &options, &root);
    if (err != PLAIT_OK) {
        told(trouble, EXIT_USAGE,
             "--allow, --refuse or --ports is no list, as in private,10.1.0.0/16 or 80,8000-8999 (%s)",
             plait_err_text(err));
        return NULL;
    }
    if (add_users(r, root, words->web, true, trouble))
        return plait_http(root);
    plait_resource_unref(&root);
    return NULL;
}
