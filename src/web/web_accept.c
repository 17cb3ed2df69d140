/* SPDX-License-Identifier: MIT
 *
 * Content negotiation (RFC 9110 section 12): lists with weights, and which of several things a client would rather
 * have. An element that can't be read is left out, as if it had not been sent.
 *
 * Test: tests/web/test_web_forms.c.
 */
#include "web/http_core.h"
#include "web/web_wire.h"

#include "base/text.h"

/* "0.5", "1", "1.000" (section 12.4.2) in thousandths. */
static bool read_weight(plait_slice text, unsigned *out)
{
    unsigned value = 0, digits = 0;
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return false;
    if (text.len > 1 && text.ptr[1] != '.')
        return false;
    for (size_t i = 2; i < text.len; i++, digits++) {
        if (!plait__is_digit(text.ptr[i]))
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    for (; digits < 3; digits++)
        value *= 10;
    *out = text.ptr[0] == '1' ? 1000 : value;
    return text.ptr[0] == '0' || value == 0;
}

/* Cuts the weight off an element. */
static bool cut_weight(plait_slice *element, unsigned *weight)
{
    plait_slice rest = *element, name, value;
    bool escaped;
    size_t at = plait_slice_find_byte(rest, ';', 0);
    *weight = 1000;
    while (at != SIZE_MAX) {
        rest = plait_slice_sub(*element, at, element->len);
        if (!plait__param_next(&rest, &name, &value, &escaped))
            return false;
        if (plait_slice_equal_nocase(name, PLAIT_LIT("q"))) {
            *element = plait_slice_trim(plait_slice_sub(*element, 0, at));
            return read_weight(value, weight);
        }
        at = rest.len ? element->len - rest.len : SIZE_MAX;
    }
    return true;
}

/* Up to the next comma that is not inside quotes. */
static plait_slice cut_element(struct plait_scan *list)
{
    const uint8_t *from = list->at;
    bool quoted = false;
    while (list->at < list->end && (quoted || *list->at != ',')) {
        if (*list->at == '\\' && quoted && list->at + 1 < list->end)
            list->at++;
        else if (*list->at == '"')
            quoted = !quoted;
        list->at++;
    }
    const plait_slice element = plait_slice_trim(plait_slice_of(from, (size_t)(list->at - from)));
    list->at += list->at < list->end;
    return element;
}

bool plait__accept_next(struct plait_scan *list, plait_slice *element, unsigned *weight)
{
    while (!plait_scan_done(list)) {
        *element = cut_element(list);
        if (element->len && cut_weight(element, weight) && element->len)
            return true;
    }
    return false;
}

unsigned plait__accept_fits(plait_slice element, plait_slice type)
{
    const size_t semicolon = plait_slice_find_byte(element, ';', 0);
    const plait_slice range = plait_slice_trim(plait_slice_sub(element, 0, semicolon));
    const size_t other = plait_slice_find_byte(type, ';', 0);
    const plait_slice plain = plait_slice_trim(plait_slice_sub(type, 0, other));
    if (semicolon != SIZE_MAX)
        return plait_slice_equal_nocase(element, type) ? 4 : 0;
    if (plait_slice_equal_nocase(range, plain))
        return 3;
    if (plait_slice_equal(range, PLAIT_LIT("*")) || plait_slice_equal(range, PLAIT_LIT("*/*")))
        return 1;
    const size_t slash = plait_slice_find_byte(range, '/', 0);
    const bool any = slash != SIZE_MAX && slash + 2 == range.len && range.ptr[slash + 1] == '*';
    return any && plain.len > slash &&
                   plait_slice_equal_nocase(plait_slice_sub(range, 0, slash + 1), plait_slice_sub(plain, 0, slash + 1))
               ? 2
               : 0;
}

unsigned plait_request_weight(const struct plait_request *req, const char *field, plait_slice what)
{
    unsigned best = 0, result = 0, weight;
    bool there = false;
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value, element;
        plait_request_field_at(req, i, &name, &value);
        if (!plait_slice_equal_nocase(name, plait_slice_text(field)))
            continue;
        struct plait_scan list = plait_scan_of(value);
        there = true;
        while (plait__accept_next(&list, &element, &weight)) {
            const unsigned fits = plait__accept_fits(element, what);
            if (fits > best) {
                best = fits;
                result = weight;
            }
        }
    }
    if (!there || (best == 0 && plait_slice_equal_nocase(what, PLAIT_LIT("identity"))))
        return 1000; /* sections 12.5.1 and 12.5.3 */
    return result;
}

size_t plait_request_choose(const struct plait_request *req, const char *field, const char *const *choice, size_t count)
{
    size_t best = SIZE_MAX;
    unsigned most = 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned weight = plait_request_weight(req, field, plait_slice_text(choice[i]));
        if (weight > most) {
            most = weight;
            best = i;
        }
    }
    return best;
}
