/* SPDX-License-Identifier: MIT
 *
 * Forms as application/x-www-form-urlencoded: pairs of a query or a body. The walk over what was sent is pure; decoded
 * names and values lie in memory of the request.
 *
 * Test: tests/web/test_web_forms.c.
 */
#include "base/try.h"
#include "web/http_core.h"
#include "web/web_wire.h"

bool plait__form_next(plait_slice *rest, plait_slice *name, plait_slice *value)
{
    while (rest->len) {
        size_t end = plait_slice_find_byte(*rest, '&', 0);
        const plait_slice pair = plait_slice_sub(*rest, 0, end);
        const size_t equals = plait_slice_find_byte(pair, '=', 0);
        *rest = plait_slice_sub(*rest, end == SIZE_MAX ? rest->len : end + 1, rest->len);
        *name = plait_slice_sub(pair, 0, equals);
        *value = plait_slice_sub(pair, equals == SIZE_MAX ? pair.len : equals + 1, pair.len);
        if (pair.len)
            return true;
    }
    return false;
}

static plait_err decode(struct plait_request *req, plait_slice *text)
{
    uint8_t *out = plait_request_memory(req, text->len + 1);
    size_t len;
    if (!out)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (text->len) {
        PLAIT_TRY(plait_percent_decode(*text, true, out, &len));
        *text = plait_slice_of(out, len);
    }
    return PLAIT_OK;
}

plait_err plait_form_next(struct plait_request *req, plait_slice *rest, plait_slice *name, plait_slice *value)
{
    if (!plait__form_next(rest, name, value))
        return PLAIT_FAIL(PLAIT_EEOF);
    PLAIT_TRY(decode(req, name));
    return decode(req, value);
}

bool plait_form_find(struct plait_request *req, plait_slice form, const char *name, plait_slice *value)
{
    plait_slice key;
    plait_err err;
    do {
        err = plait_form_next(req, &form, &key, value);
        if (err == PLAIT_OK && plait_slice_equal(key, plait_slice_text(name)))
            return true;
    } while (err == PLAIT_OK || err == PLAIT_ESYNTAX || err == PLAIT_EINVAL);
    return false;
}

bool plait__request_type_is(const struct plait_request *req, plait_slice type, plait_slice *params)
{
    const plait_slice field = plait_request_field(req, "content-type");
    const size_t semicolon = plait_slice_find_byte(field, ';', 0);
    *params = plait_slice_sub(field, semicolon == SIZE_MAX ? field.len : semicolon, field.len);
    return plait_slice_equal_nocase(plait_slice_trim(plait_slice_sub(field, 0, semicolon)), type);
}

plait_err plait_request_form(struct plait_request *req, size_t max, plait_collect_fn fn, void *ctx)
{
    plait_slice params;
    if (plait__request_type_is(req, PLAIT_LIT("application/x-www-form-urlencoded"), &params))
        return plait_request_collect(req, max, fn, ctx);
    plait_reply_error(req, 415, "This wants a form, application/x-www-form-urlencoded.");
    return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
}
