/* SPDX-License-Identifier: MIT
 *
 * A response as the caller of a fetch has it: its head, copied out of the connection's window in one allocation with
 * the offsets of its fields and the URL, and its body unless that is streamed.
 *
 * Invariant: nothing of it is borrowed from a connection. Test: tests/web/test_http_client.c.
 */
#include "web/http_client_core.h"

struct plait_response *plait__response_new(struct plait_budget *budget, const struct plait__http1_head *head,
                                           const uint8_t *base, plait_slice url)
{
    const size_t fields = head->count * sizeof(head->field[0]);
    struct plait_response *r = plait_mem_resize(budget, NULL, sizeof(*r) + fields + head->at + url.len + 1);
    if (!r)
        return NULL;
    memset(r, 0, sizeof(*r));
    uint8_t *at = (uint8_t *)(r + 1);
    r->field = (const struct plait__http1_field *)(const void *)at;
    memcpy(at, head->field, fields);
    at += fields;
    r->head = at;
    memcpy(at, base, head->at);
    at += head->at;
    r->url = (const char *)at;
    memcpy(at, url.ptr, url.len);
    at[url.len] = 0;
    r->count = head->count;
    r->status = head->status;
    r->length = head->has_length ? head->length : PLAIT_LENGTH_UNKNOWN;
    plait_buf_init(&r->body, budget, SIZE_MAX);
    plait_buf_init(&r->trailers, budget, SIZE_MAX);
    return r;
}

void plait_response_free(struct plait_response **response)
{
    struct plait_response *r = *response;
    *response = NULL;
    if (!r)
        return;
    plait_buf_deinit(&r->body);
    plait_buf_deinit(&r->trailers);
    plait_mem_free(r);
}

int plait_response_status(const struct plait_response *response)
{
    return response->status;
}

int plait_response_version(const struct plait_response *response)
{
    return response->version;
}

plait_slice plait_response_field(const struct plait_response *response, const char *name)
{
    for (size_t i = 0; i < response->count; i++) {
        plait_slice n, value;
        plait_response_field_at(response, i, &n, &value);
        if (plait_slice_equal_nocase(n, plait_slice_text(name)))
            return value;
    }
    return plait_slice_of(NULL, 0);
}

size_t plait_response_field_count(const struct plait_response *response)
{
    return response->count;
}

void plait_response_field_at(const struct plait_response *response, size_t i, plait_slice *name, plait_slice *value)
{
    *name = *value = plait_slice_of(NULL, 0);
    if (i >= response->count)
        return;
    const struct plait__http1_field *f = &response->field[i];
    *name = plait_slice_of(response->head + f->name, f->name_len);
    *value = plait_slice_of(response->head + f->value, f->value_len);
}

void plait_response_trailer_at(const struct plait_response *response, size_t i, plait_slice *name, plait_slice *value)
{
    *name = *value = plait_slice_of(NULL, 0);
    (void)plait__http1_line_at(plait_buf_slice(&response->trailers), i, name, value);
}

plait_slice plait_response_trailer(const struct plait_response *response, const char *name)
{
    plait_slice n, value;
    for (size_t i = 0; plait__http1_line_at(plait_buf_slice(&response->trailers), i, &n, &value); i++) {
        if (plait_slice_equal_nocase(n, plait_slice_text(name)))
            return value;
    }
    return plait_slice_of(NULL, 0);
}

plait_slice plait_response_body(const struct plait_response *response)
{
    return plait_buf_slice(&response->body);
}

uint64_t plait_response_length(const struct plait_response *response)
{
    return response->length;
}

const char *plait_response_url(const struct plait_response *response)
{
    return response->url;
}

static void set_paused(const struct plait_response *response, bool paused)
{
    struct plait__client_exchange *x = response->exchange;
    if (!x || x->paused == paused)
        return;
    x->paused = paused;
    if (x->conn)
        x->conn->ops->pause(x->conn, x);
}

void plait_response_pause(const struct plait_response *response)
{
    set_paused(response, true);
}

void plait_response_resume(const struct plait_response *response)
{
    set_paused(response, false);
}
