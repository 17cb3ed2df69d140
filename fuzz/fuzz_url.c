/* SPDX-License-Identifier: MIT
 *
 * URLs, references against a base, paths, percent signs, ranges and lists: what is taken must stay inside its text,
 * and a resolved URL must be one.
 */
#include "web/http_core.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void resolve(const struct plait_url *reference)
{
    static const char *const bases[] = {"http://a/b/c/d;p?q", "https://u@[::1]:8", "http://h"};
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct plait_budget budget;
        struct plait_buf out;
        struct plait_url base, again;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&out, &budget, 1 << 20);
        must(plait_url_parse(plait_slice_text(bases[i]), &base) == PLAIT_OK);
        plait_url_resolve(&base, reference, &out);
        if (!out.err)
            must(plait_url_parse(plait_buf_slice(&out), &again) == PLAIT_OK);
        (void)plait_url_same_origin(&base, reference);
        plait_buf_deinit(&out);
    }
}

static void decode(plait_slice in)
{
    uint8_t *out = malloc(in.len + 1);
    size_t len = 0;
    if (!out)
        return;
    if (plait_percent_decode(in, true, out, &len) == PLAIT_OK) {
        must(len <= in.len);
        if (len && out[0] == '/') {
            size_t normal = plait_path_normalise(out, len);
            must(normal == SIZE_MAX || (normal > 0 && normal <= len && out[0] == '/'));
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    plait_slice in = plait_slice_of(data, size);
    struct plait__http_range range[PLAIT__HTTP_RANGES];
    struct plait_url url;
    if (plait_url_parse(in, &url) == PLAIT_OK)
        resolve(&url);
    decode(in);
    int count = plait__http_ranges(in, 1000, range);
    for (int i = 0; i < count; i++)
        must(range[i].bytes > 0 && range[i].from + range[i].bytes <= 1000);
    (void)plait__http1_list_has(in, PLAIT_LIT("close"));
    (void)plait__http1_is_host(in);
    (void)plait__http_mime(in);
    return 0;
}
