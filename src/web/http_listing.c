/* SPDX-License-Identifier: MIT
 *
 * The page that lists a folder: folders first, then files, each by name; sizes and dates as people read them. Names
 * are anybody's bytes: escaped for HTML where they are shown, percent-encoded where they are linked.
 *
 * Test: tests/web/test_http_files.c.
 */
#include "base/timefmt.h"
#include "web/http_core.h"

/* "812 B", "1.4 KB", "23 MB": units of 1024, a digit behind the point below ten. */
static void put_size(struct plait_buf *out, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    size_t unit = 0;
    uint64_t tenths = bytes * 10;
    if (bytes < 1024) {
        plait_buf_printf(out, "%u B", (unsigned)bytes);
        return;
    }
    if (bytes > UINT64_MAX / 16) {
        tenths = bytes / 1024 * 10;
        unit++;
    }
    while (tenths >= 10240) {
        tenths /= 1024;
        unit++;
    }
    if (tenths < 100)
        plait_buf_printf(out, "%u.%u %cB", (unsigned)(tenths / 10), (unsigned)(tenths % 10), units[unit]);
    else
        plait_buf_printf(out, "%u %cB", (unsigned)(tenths / 10), units[unit]);
}

static void put_date(struct plait_buf *out, int64_t seconds)
{
    struct plait__civil c;
    plait__civil_from_seconds(seconds, &c);
    plait_buf_printf(out, "%04d-%02u-%02u %02u:%02u", (int)c.year, c.month, c.day, c.hour, c.minute);
}

static void put_entry(struct plait_buf *out, const struct plait__http_entry *entry)
{
    plait_slice name = plait_slice_text(entry->name);
    plait_buf_put(out, PLAIT_LIT("<tr><td><a href=\"./"));
    plait_percent_encode(out, name, NULL);
    plait_buf_put_text(out, entry->folder ? "/\">" : "\">");
    plait_html_escape(out, name);
    plait_buf_put_text(out, entry->folder ? "/</a></td><td class=\"n\">" : "</a></td><td class=\"n\">");
    if (!entry->folder)
        put_size(out, entry->size);
    plait_buf_put(out, PLAIT_LIT("</td><td class=\"n d\">"));
    put_date(out, entry->modified);
    plait_buf_put(out, PLAIT_LIT("</td></tr>\n"));
}

void plait__http_table(struct plait_buf *out, plait_slice path, const struct plait__http_entry *entries, size_t count)
{
    plait_buf_put(out, PLAIT_LIT("<div class=\"card\"><table><thead><tr><th>Name</th><th class=\"n\">Size</th>"
                                 "<th class=\"n d\">Changed (UTC)</th></tr></thead><tbody>\n"));
    if (path.len > 1)
        plait_buf_put(out, PLAIT_LIT("<tr><td><a href=\"../\">../</a></td><td></td><td class=\"d\"></td></tr>\n"));
    for (size_t i = 0; i < count; i++)
        put_entry(out, &entries[i]);
    if (count == 0)
        plait_buf_put(out, PLAIT_LIT("<tr><td>Nothing here.</td><td></td><td class=\"d\"></td></tr>\n"));
    plait_buf_put(out, PLAIT_LIT("</tbody></table></div>\n"));
}

void plait__http_listing(struct plait_buf *out, plait_slice path, const struct plait__http_entry *entries, size_t count)
{
    plait_buf_put(out, PLAIT_LIT("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>"));
    plait_html_escape(out, path);
    plait_buf_put(out, PLAIT_LIT("</title>\n<meta name=\"viewport\" content=\"width=device-width\"><style>"));
    plait_buf_put_text(out, plait__http_style);
    plait_buf_put(out, PLAIT_LIT("</style></head>\n<body><main><h1>"));
    plait_html_escape(out, path);
    plait_buf_put(out, PLAIT_LIT("</h1>\n"));
    plait__http_table(out, path, entries, count);
    plait_buf_put(out, PLAIT_LIT("</main></body></html>\n"));
}
