/* SPDX-License-Identifier: MIT
 *
 * Cookies on the wire: what is read from a Set-Cookie stays inside its text and can end neither a field nor a line, and
 * a line of a file that was read is written as it was meant.
 */
#include "web/http_cookie_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void must_be_inside(plait_slice part, plait_slice whole)
{
    must(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
    for (size_t i = 0; i < part.len; i++)
        must(part.ptr[i] != '\n' && part.ptr[i] != '\r' && part.ptr[i] != 0);
}

static void read_cookie(plait_slice in)
{
    struct plait__cookie_text c;
    if (plait__cookie_read(in, &c) != PLAIT_OK)
        return;
    must(c.name.len > 0);
    must_be_inside(c.name, in);
    must_be_inside(c.value, in);
    must_be_inside(c.path, in);
    must_be_inside(c.domain, in);
    must(c.path.len == 0 || c.path.ptr[0] == '/');
    if (c.domain.len > 0)
        must(plait__cookie_domain_match(c.domain, c.domain));
    (void)plait__cookie_domain_match(PLAIT_LIT("www.example.org"), c.domain);
    (void)plait__cookie_domain_match(PLAIT_LIT("127.0.0.1"), c.domain);
    if (c.path.len > 0) {
        (void)plait__cookie_path_match(PLAIT_LIT("/a/b"), c.path);
        must(plait__cookie_path_match(c.path, c.path));
        must(plait__cookie_path_match(c.path, plait__cookie_default_path(c.path)));
    }
}

static void read_line(plait_slice in)
{
    struct plait__cookie_line line, again;
    struct plait_budget budget;
    struct plait_buf out;
    bool is_cookie;
    if (plait__cookie_line_read(in, &line, &is_cookie) != PLAIT_OK || !is_cookie)
        return;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 1 << 20);
    plait__cookie_line_write(&out, &line);
    const plait_slice text = plait_slice_sub(plait_buf_slice(&out), 0, out.len - 1);
    must(plait__cookie_line_read(text, &again, &is_cookie) == PLAIT_OK && is_cookie);
    must(plait_slice_equal(again.value, line.value) && again.expires == line.expires && again.secure == line.secure);
    plait_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const plait_slice in = plait_slice_of(data, size);
    int64_t at;
    read_cookie(in);
    read_line(in);
    (void)plait__cookie_date(in, &at);
    (void)plait__cookie_is_address(in);
    (void)plait__cookie_path_match(plait_slice_of(NULL, 0), PLAIT_LIT("/"));
    (void)plait__cookie_default_path(in);
    return 0;
}
