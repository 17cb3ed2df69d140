/* SPDX-License-Identifier: MIT
 *
 * What the tests of FastCGI share: a site in the simulated world before an application on another host.
 */
#ifndef PLAIT_TESTS_WEB_FCGI_SITE_H
#define PLAIT_TESTS_WEB_FCGI_SITE_H

#include "tests/web/fcgi_app.h"
#include "tests/web/gateway_world.h"

#include "engine/kinds.h"

static struct gw w;
static struct visitor v;
static struct app app;
static struct plait_host *app_host;

/* A world with a host for the application. */
static void open_world(void)
{
    gw_open(&w);
    assert_ok(plait__endpoint_kinds_register(w.r));
    app_host = plait_sim_host(w.sim, "application");
}

/* The application listens; all that it was is forgotten. */
static void app_start(app_fn answer, const char *text)
{
    struct plait_address at;
    app = (struct app){.answer = answer, .text = text};
    plait_host_address(app_host, PLAIT_ADDR_IP4, 9000, &at);
    struct plait_reactor *r = plait_host_reactor(app_host);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &app_ops, &app), NULL));
}

static void mount(const char *at, const struct plait_fastcgi_options *options)
{
    struct plait_resource *made;
    assert_ok(plait_fastcgi_new(w.r, "tcp:application:9000", options, &made, NULL));
    assert_ok(plait_resource_mount(w.root, at, made));
}

/* A world whose /f is an application. */
static inline void open_with(app_fn answer, const char *text, const struct plait_fastcgi_options *options)
{
    open_world();
    app_start(answer, text);
    mount("f", options);
    gw_serve(&w);
}

#define GET(path) "GET " path " HTTP/1.0\r\nHost: h.example:81\r\n\r\n"
#define HELLO "Content-Type: text/plain\n\nhello"

#endif
