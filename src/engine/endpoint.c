/* SPDX-License-Identifier: MIT
 *
 * The parser of endpoint strings, in Twisted's syntax: "kind:argument:key=value", a backslash before ':', '=' and
 * itself where they stand for themselves. Beyond it, colons between brackets at a value's start do not separate, so
 * that "tcp:[::1]:80" can be written. It knows no kind; what is wrong is told in one sentence that says where and what
 * would be right.
 *
 * Invariant: texts lie in the endpoint's own storage, terminated; `count` of them are filled.
 * Tests: tests/engine/test_endpoint.c, fuzz/fuzz_endpoint.c.
 */
#include "base/text.h"
#include "base/try.h"
#include "engine/kinds.h"

#include <stdio.h>

enum { WHY = 200 };

static void sentence(char *why, const char *fmt, va_list args)
{
    char text[WHY];
    char *out = why ? why : text;
    vsnprintf(out, WHY, fmt, args);
    for (char *at = out; *at; at++) {
        if (!plait__is_printable((uint8_t)*at) && (uint8_t)*at < 0x80)
            *at = '?'; /* it is one line, whatever somebody wrote */
    }
}

plait_err plait_endpoint_wrong(struct plait_endpoint *endpoint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    sentence(endpoint->why, fmt, args);
    va_end(args);
    return PLAIT_FAIL(PLAIT_ESYNTAX);
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

struct parser {
    const char *at;
    const char *from;
    char *out; /* next free byte of the endpoint's storage */
    struct plait_endpoint *e;
};

static int column(const struct parser *p)
{
    return (int)(p->at - p->from) + 1;
}

/* Reads up to an unescaped ':' (which stays), or up to `stop` as well; false for a backslash before the end. */
static bool take_text(struct parser *p, char stop)
{
    bool bracket = *p->at == '[';
    while (*p->at != '\0' && (bracket || *p->at != ':') && (stop == '\0' || *p->at != stop)) {
        if (*p->at == ']')
            bracket = false;
        if (*p->at == '\\' && *++p->at == '\0')
            return false;
        *p->out++ = *p->at++;
    }
    *p->out++ = '\0';
    return true;
}

static plait_err bad_escape(struct parser *p)
{
    return plait_endpoint_wrong(p->e, "the backslash at the end, column %d, stands before nothing; write \\\\ for one",
                                column(p) - 1);
}

static plait_err check_key(struct parser *p, const char *key, int at)
{
    struct plait_endpoint *e = p->e;
    if (key[0] == '\0')
        return plait_endpoint_wrong(e, "column %d: there is no key before '='; write key=value, or \\= for the sign",
                                    at);
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->arg[i].key, key) == 0)
            return plait_endpoint_wrong(e, "column %d: \"%.40s=\" is there twice; give it once", at, key);
    }
    return PLAIT_OK;
}

/* One argument: a value, or key=value. */
static plait_err take_argument(struct parser *p)
{
    struct plait_endpoint *e = p->e;
    const int start = column(p);
    const char *first = p->out;
    if (e->count == PLAIT_ENDPOINT_ARGS_MAX)
        return plait_endpoint_wrong(e, "column %d: more than %d arguments", start, PLAIT_ENDPOINT_ARGS_MAX);
    if (!take_text(p, '='))
        return bad_escape(p);
    e->arg[e->count].key = "";
    e->arg[e->count].value = first;
    e->arg[e->count].used = false;
    if (*p->at == '=') {
        p->at++;
        PLAIT_TRY(check_key(p, first, start));
        e->arg[e->count].key = first;
        e->arg[e->count].value = p->out;
        if (!take_text(p, '\0'))
            return bad_escape(p);
    }
    e->count++;
    return PLAIT_OK;
}

static plait_err too_long(struct plait_endpoint *e)
{
    (void)!plait_endpoint_wrong(e, "an endpoint has at most %d bytes", (int)sizeof e->text - 1);
    return PLAIT_FAIL(PLAIT_ETOOLONG);
}

plait_err plait_endpoint_parse(const char *text, struct plait_endpoint *out, char *why)
{
    struct plait_endpoint *e = out;
    struct parser p = {.at = text, .from = text, .out = e->text, .e = e};
    e->reactor = NULL;
    e->kind = e->text;
    e->count = 0;
    e->why = why;
    if (strlen(text) >= sizeof e->text)
        return too_long(e); /* each separator becomes a terminator, and there is one at the end */
    if (!take_text(&p, '\0'))
        return bad_escape(&p);
    if (e->kind[0] == '\0')
        return plait_endpoint_wrong(e, "an endpoint begins with its kind, as in \"tcp:8080\"");
    if (p.at[0] == ':' && p.at[1] == '\0')
        return PLAIT_OK; /* "stdio:" */
    while (*p.at == ':') {
        p.at++;
        PLAIT_TRY(take_argument(&p));
    }
    return PLAIT_OK;
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

const char *plait_endpoint_arg(struct plait_endpoint *endpoint, const char *key, size_t position)
{
    for (size_t i = 0; i < endpoint->count; i++) {
        const bool positional = endpoint->arg[i].key[0] == '\0';
        if (key ? positional || strcmp(endpoint->arg[i].key, key) != 0 : !positional || position-- > 0)
            continue;
        endpoint->arg[i].used = true;
        return endpoint->arg[i].value;
    }
    return NULL;
}

static const char *help_of(const struct plait_endpoint *e)
{
    const struct plait_endpoint_kind *k = e->reactor ? plait_endpoint_kinds(e->reactor) : NULL;
    for (; k; k = k->next) {
        if (strcmp(k->name, e->kind) == 0)
            return k->help;
    }
    return NULL;
}

plait_err plait_endpoint_finish(struct plait_endpoint *endpoint)
{
    struct plait_endpoint *e = endpoint;
    const char *help = help_of(e);
    for (size_t i = 0; i < e->count; i++) {
        if (e->arg[i].used)
            continue;
        const bool positional = e->arg[i].key[0] == '\0';
        return plait_endpoint_wrong(e, "\"%s:\" takes no %s\"%.24s\"%s%.120s", e->kind, positional ? "further " : "",
                                    positional ? e->arg[i].value : e->arg[i].key, help ? "; it is " : "",
                                    help ? help : "");
    }
    return PLAIT_OK;
}

/* --- what was meant ----------------------------------------------------------------------------------------------- */

enum { WORD_MAX = 16 };

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool are_swapped(const char *a, const char *b, size_t i, size_t j)
{
    return i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
}

/* Edits between two short words, cut at WORD_MAX: letters put in, left out, changed, or swapped with their
 * neighbour. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strnlen(a, WORD_MAX);
    const size_t m = strnlen(b, WORD_MAX);
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least_of(least_of(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (are_swapped(a, b, i, j))
                d[i][j] = least_of(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

const char *plait__endpoint_guess(const struct plait_endpoint_kind *kinds, const char *name, bool listens)
{
    const char *best = NULL;
    size_t least = strlen(name) > 3 ? 3 : 2; /* fewer edits than this are a slip */
    for (const struct plait_endpoint_kind *k = kinds; k; k = k->next) {
        const size_t d = distance(name, k->name);
        if (d < least && (listens ? k->listen != NULL : k->connect != NULL)) {
            best = k->name;
            least = d;
        }
    }
    return best;
}
