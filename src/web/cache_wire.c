/* SPDX-License-Identifier: MIT
 *
 * Cache-Control read as senders write it, and the rules that follow: what may be kept, for how long it is fresh, and
 * what it does for. Directives with a list of fields ("no-cache=Set-Cookie", "private=…") count as without it, which is
 * stricter and allowed.
 *
 * Invariant: what can't be understood makes an answer less fresh, never more. Test: tests/web/test_cache_wire.c,
 * fuzz/fuzz_cache.c.
 */
#include "web/cache_wire.h"

#include "base/text.h"

void plait__cache_control_init(struct plait__cache_control *cc)
{
    *cc = (struct plait__cache_control){.max_age = -1,
                                        .s_maxage = -1,
                                        .min_fresh = -1,
                                        .max_stale = -1,
                                        .stale_while_revalidate = -1,
                                        .stale_if_error = -1};
}

/* Digits and nothing else; what is too long is the longest. */
static bool read_seconds(plait_slice text, int64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!plait__is_digit(text.ptr[i]))
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
        value = value > PLAIT__CACHE_SECONDS_MAX ? PLAIT__CACHE_SECONDS_MAX : value;
    }
    *out = (int64_t)value;
    return text.len > 0;
}

static void set_time(int64_t *place, plait_slice value)
{
    if (*place < 0 && !read_seconds(value, place))
        *place = 0;
}

static void take_directive(struct plait__cache_control *cc, plait_slice name, plait_slice value)
{
    const struct {
        const char *name;
        bool *flag;
        int64_t *time;
    } known[] = {{"no-store", &cc->no_store, NULL},
                 {"no-cache", &cc->no_cache, NULL},
                 {"private", &cc->is_private, NULL},
                 {"public", &cc->is_public, NULL},
                 {"must-revalidate", &cc->must_revalidate, NULL},
                 {"proxy-revalidate", &cc->proxy_revalidate, NULL},
                 {"must-understand", &cc->must_understand, NULL},
                 {"only-if-cached", &cc->only_if_cached, NULL},
                 {"max-age", NULL, &cc->max_age},
                 {"s-maxage", NULL, &cc->s_maxage},
                 {"min-fresh", NULL, &cc->min_fresh},
                 {"stale-while-revalidate", NULL, &cc->stale_while_revalidate},
                 {"stale-if-error", NULL, &cc->stale_if_error}};
    if (plait_slice_equal_nocase(name, PLAIT_LIT("max-stale")) && !value.ptr)
        cc->max_stale = PLAIT__CACHE_SECONDS_MAX; /* however stale */
    else if (plait_slice_equal_nocase(name, PLAIT_LIT("max-stale")))
        set_time(&cc->max_stale, value);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!plait_slice_equal_nocase(name, plait_slice_text(known[i].name)))
            continue;
        if (known[i].flag)
            *known[i].flag = true;
        else
            set_time(known[i].time, value);
    }
}

/* Takes one element of a list, up to a comma that no quotes hold. */
static plait_slice next_element(struct plait_scan *scan)
{
    const uint8_t *from = scan->at;
    bool quoted = false;
    for (; scan->at < scan->end && (quoted || *scan->at != ','); scan->at++) {
        if (*scan->at == '"')
            quoted = !quoted;
        else if (quoted && *scan->at == '\\' && scan->end - scan->at > 1)
            scan->at++;
    }
    const plait_slice element = plait_slice_of(from, (size_t)(scan->at - from));
    (void)plait_scan_byte(scan, ',');
    return plait_slice_trim(element);
}

void plait__cache_control_add(struct plait__cache_control *cc, plait_slice value)
{
    struct plait_scan scan = plait_scan_of(value);
    cc->any = true;
    while (!plait_scan_done(&scan)) {
        const plait_slice element = next_element(&scan);
        const size_t equals = plait_slice_find_byte(element, '=', 0);
        plait_slice argument = {NULL, 0};
        if (equals != SIZE_MAX)
            argument = plait_slice_sub(element, equals + 1, element.len);
        if (argument.len >= 2 && argument.ptr[0] == '"' && argument.ptr[argument.len - 1] == '"')
            argument = plait_slice_sub(argument, 1, argument.len - 1);
        take_directive(cc, plait_slice_sub(element, 0, equals), argument);
    }
}

/* A key of a dictionary (RFC 8941 section 3.1.2). */
static bool is_key(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        const bool begins = (c >= 'a' && c <= 'z') || c == '*';
        if (!begins && (i == 0 || (!plait__is_digit(c) && c != '_' && c != '-' && c != '.')))
            return false;
    }
    return text.len > 0;
}

/* A member of a dictionary whose values are all that directives have: an integer, or true, which need not stand
 * there. */
static bool is_member(plait_slice element)
{
    const plait_slice member = plait_slice_trim(plait_slice_sub(element, 0, plait_slice_find_byte(element, ';', 0)));
    const size_t equals = plait_slice_find_byte(member, '=', 0);
    int64_t number;
    if (!is_key(plait_slice_sub(member, 0, equals)))
        return false;
    const plait_slice value = equals == SIZE_MAX ? PLAIT_LIT("?1") : plait_slice_sub(member, equals + 1, member.len);
    return plait_slice_equal(value, PLAIT_LIT("?1")) || read_seconds(value, &number);
}

bool plait__cache_control_is_targeted(plait_slice value)
{
    struct plait_scan scan = plait_scan_of(value);
    while (!plait_scan_done(&scan)) {
        if (!is_member(next_element(&scan)))
            return false;
    }
    return true;
}

bool plait__cache_age(plait_slice value, int64_t *out)
{
    return read_seconds(plait_slice_trim(plait_slice_sub(value, 0, plait_slice_find_byte(value, ',', 0))), out);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* RFC 9110 section 15.1, but for 206, which is a part. */
static bool is_heuristic(int status)
{
    static const int list[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i] == status)
            return true;
    }
    return false;
}

/* Statuses whose meaning for a cache is known here: a status that says nothing of its own. */
static bool is_understood(int status)
{
    return is_heuristic(status) || status == 201 || status == 202 || status == 302 || status == 303 || status == 307 ||
           (status >= 400 && status <= 431 && status != 416) || (status >= 500 && status <= 504);
}

bool plait__cache_is_shared(const struct plait__cache_control *cc)
{
    return cc->is_public || cc->must_revalidate || cc->s_maxage >= 0;
}

bool plait__cache_may_store(const struct plait__cache_facts *facts, bool authorized)
{
    const struct plait__cache_control *cc = &facts->cc;
    const bool stated = cc->is_public || cc->max_age >= 0 || cc->s_maxage >= 0 || facts->has_expires;
    if (facts->status == 206 || facts->status == 304 || cc->is_private)
        return false;
    if (cc->must_understand ? !is_understood(facts->status) : cc->no_store)
        return false;
    if (authorized && !plait__cache_is_shared(cc))
        return false;
    return stated || is_heuristic(facts->status);
}

int64_t plait__cache_lifetime(const struct plait__cache_facts *facts, unsigned percent)
{
    const struct plait__cache_control *cc = &facts->cc;
    if (cc->s_maxage >= 0)
        return cc->s_maxage;
    if (cc->max_age >= 0)
        return cc->max_age;
    if (facts->has_expires)
        return facts->expires > facts->date ? facts->expires - facts->date : 0;
    if (!(is_heuristic(facts->status) || cc->is_public) || facts->modified < 0 || facts->modified >= facts->date)
        return 0;
    const int64_t part = (facts->date - facts->modified) / 100 * percent;
    return part < 86400 ? part : 86400;
}

bool plait__cache_may_be_stale(const struct plait__cache_control *cc)
{
    return !(cc->no_cache || cc->must_revalidate || cc->proxy_revalidate || cc->s_maxage >= 0);
}

bool plait__cache_suffices(const struct plait__cache_control *answer, const struct plait__cache_control *request,
                           int64_t age, int64_t lifetime)
{
    const int64_t least = request->min_fresh > 0 ? request->min_fresh : 0;
    if (answer->no_cache || request->no_cache || (request->max_age >= 0 && age > request->max_age))
        return false;
    if (lifetime > age && lifetime - age >= least)
        return true;
    return request->max_stale >= 0 && least == 0 && plait__cache_may_be_stale(answer) &&
           age - lifetime <= request->max_stale;
}
