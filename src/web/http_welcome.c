/* SPDX-License-Identifier: MIT
 *
 * Plait's own pages as data: the style that error pages, listings and the welcome page share, and the welcome page.
 * They need nothing else: no script, no picture, no font from elsewhere. Light or dark as the reader's system is.
 *
 * Test: tests/web/test_http_files.c.
 */
#include "web/http_core.h"

const char plait__http_style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#5d6b7c;--paper:#f6f7f9;--card:#fff;--line:#dfe4ea;--mark:#0f766e;"
    "--wash:#eef6f5}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#93a1b3;--paper:#12161c;--card:#1a2029;--line:#"
    "2b3441;"
    "--mark:#5eead4;--wash:#16282a}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe "
    "UI',sans-serif}"
    "main{max-width:52rem;margin:0 auto;padding:3rem 1.25rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .75rem;overflow-wrap:anywhere}"
    "h1 small{color:var(--mark);font-weight:600;margin-right:.4rem}"
    "h2{font-size:1.05rem;margin:2rem 0 .5rem}"
    "p{margin:.5rem 0;color:var(--soft)}"
    "a{color:var(--mark);text-decoration:none}a:hover,a:focus{text-decoration:underline}"
    "code,pre{font:14px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,monospace}"
    "pre{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;overflow-x:auto}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.8rem;overflow:hidden}"
    "table{width:100%;border-collapse:collapse}"
    "th{text-align:left;font-size:.8rem;font-weight:600;color:var(--soft);padding:.6rem 1rem;border-bottom:1px solid "
    "var(--line)}"
    "td{padding:.45rem 1rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}"
    "tr:last-child td{border-bottom:0}tbody tr:hover{background:var(--wash)}"
    ".n{text-align:right;white-space:nowrap;color:var(--soft);font-variant-numeric:tabular-nums}"
    "@media(max-width:34rem){.d{display:none}main{padding:1.5rem .8rem}}";

static const char begin[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Welcome to Plait</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><style>";

static const char middle[] =
    "svg{display:block;width:3.2rem;height:3.2rem;margin-bottom:1rem;color:var(--mark)}</style></head>\n<body><main>\n"
    "<svg viewBox=\"0 0 48 48\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"4\" stroke-linecap=\"round\" "
    "aria-hidden=\"true\"><path d=\"M12 4c0 10 24 10 24 20s-24 10-24 20\"/><path d=\"M36 4c0 10-24 10-24 20s24 10 24 "
    "20\" "
    "opacity=\".55\"/><path d=\"M24 4v4m0 14v4m0 14v4\" opacity=\".8\"/></svg>\n"
    "<h1>Plait is running</h1>\n"
    "<p>This page comes from the web server of <strong>Plait</strong>, a networking engine in C. There is no "
    "<code>index.html</code> in the folder that it serves; put one there, and it takes this page's place.</p>\n"
    "<h2>Serve a folder</h2>\n<pre>plait serve web --root DIR --listen tcp:8080</pre>\n"
    "<h2>Fetch something</h2>\n<pre>plait fetch http://localhost:8080/</pre>\n"
    "<h2>Answer requests from C</h2>\n<pre>"
    "static void hello(struct plait_request *req, void *ctx)\n{\n"
    "    plait_reply_text(req, 200, \"Hello, World!\");\n}\n\n"
    "plait_resource_get(root, \"hello\", hello, NULL);\nplait_serve(reactor, \"tcp:8080\", plait_http(root));</pre>\n";

void plait__http_welcome(struct plait_buf *out, plait_slice listing)
{
    plait_buf_put_text(out, begin);
    plait_buf_put_text(out, plait__http_style);
    plait_buf_put_text(out, middle);
    if (listing.len) {
        plait_buf_put(out, PLAIT_LIT("<h2>In this folder</h2>\n"));
        plait_buf_put(out, listing);
    }
    plait_buf_put(out, PLAIT_LIT("</main></body></html>\n"));
}

static void reply_welcome(struct plait_request *req, void *ctx)
{
    struct plait_buf page;
    (void)ctx;
    plait_buf_init(&page, plait_reactor_budget(plait_request_reactor(req)), 65536);
    plait__http_welcome(&page, plait_slice_of(NULL, 0));
    plait_reply_buf(req, 200, "text/html; charset=utf-8", &page);
}

struct plait_resource *plait_welcome_new(struct plait_reactor *reactor)
{
    struct plait_resource *resource = plait_resource_new(reactor);
    (void)plait_resource_get(resource, "", reply_welcome, NULL); /* a failure is kept: plait_http says it */
    return resource;
}
