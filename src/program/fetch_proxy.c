/* SPDX-License-Identifier: MIT
 *
 * Proxies from --proxy, or from the variables that curl and wget know: http_proxy (in lower case only: a CGI program's
 * HTTP_PROXY is a client's field, CVE-2016-5385), https_proxy, all_proxy and no_proxy.
 *
 * Test: tests/program/clients.py.
 */
#include "program/fetch_proxy.h"

#include <stdlib.h>
#include <string.h>

static const char *variable(const char *lower, const char *upper)
{
    const char *text = getenv(lower);
    if (!text && upper)
        text = getenv(upper);
    return text && text[0] ? text : NULL;
}

static int know(struct proxies *p, int kind, const struct command *command, struct plait_reactor *r, const char *text)
{
    char url[600];
    if (!text || !text[0])
        return EXIT_DONE;
    const int len = snprintf(url, sizeof url, "%s%s", strstr(text, "://") ? "" : "http://", text);
    const plait_err err = len < (int)sizeof url ? plait_http_proxy_new(r, url, NULL, &p->of[kind]) : PLAIT_EINVAL;
    if (err == PLAIT_OK)
        return EXIT_DONE;
    if (err == PLAIT_EUNSUPPORTED)
        return wrong_usage(command, "a proxy has a URL of http or https, as in http://proxy.example:3128");
    return wrong_usage(command, "the proxy's URL can't be used (%s); one looks like http://proxy.example:3128",
                       plait_err_text(err));
}

int proxies_open(struct proxies *p, const struct command *command, struct plait_reactor *r, const char *given)
{
    const char *http = given, *https = given;
    *p = (struct proxies){.except = NULL};
    if (!given) {
        const char *all = variable("all_proxy", "ALL_PROXY");
        http = variable("http_proxy", NULL);
        https = variable("https_proxy", "HTTPS_PROXY");
        http = http ? http : all;
        https = https ? https : all;
        p->except = variable("no_proxy", "NO_PROXY");
    }
    const int status = know(p, PROXY_HTTP, command, r, http);
    return status == EXIT_DONE ? know(p, PROXY_HTTPS, command, r, https) : status;
}

void proxies_close(struct proxies *p)
{
    for (int i = 0; i < PROXY_KINDS; i++)
        plait_http_proxy_unref(&p->of[i]);
}

/* "example.org" and ".example.org" are the host and all below it. */
static bool covers(plait_slice word, plait_slice host)
{
    if (plait_slice_equal(word, PLAIT_LIT("*")))
        return true;
    if (word.len > 0 && word.ptr[0] == '.')
        word = plait_slice_sub(word, 1, word.len);
    if (word.len == 0 || word.len > host.len)
        return false;
    const size_t from = host.len - word.len;
    return plait_slice_equal_nocase(plait_slice_sub(host, from, host.len), word) &&
           (from == 0 || host.ptr[from - 1] == '.');
}

static bool is_excepted(const char *list, plait_slice host)
{
    plait_slice rest = plait_slice_text(list ? list : "");
    while (rest.len > 0) {
        const size_t comma = plait_slice_find_byte(rest, ',', 0);
        plait_slice word = plait_slice_sub(rest, 0, comma);
        while (word.len > 0 && word.ptr[0] == ' ')
            word = plait_slice_sub(word, 1, word.len);
        if (covers(word, host))
            return true;
        rest = comma == SIZE_MAX ? plait_slice_of(NULL, 0) : plait_slice_sub(rest, comma + 1, rest.len);
    }
    return false;
}

struct plait_http_proxy *proxy_for(const struct proxies *p, const char *url)
{
    struct plait_url parsed;
    if (plait_url_parse(plait_slice_text(url), &parsed) != PLAIT_OK || is_excepted(p->except, parsed.host))
        return NULL;
    return p->of[plait_slice_equal_nocase(parsed.scheme, PLAIT_LIT("https")) ? PROXY_HTTPS : PROXY_HTTP];
}
