/* SPDX-License-Identifier: MIT
 *
 * What the tests of CGI share: programs of a simulated host, and a site that runs them.
 */
#ifndef PLAIT_TESTS_WEB_CGI_SITE_H
#define PLAIT_TESTS_WEB_CGI_SITE_H

#include "tests/web/gateway_world.h"

/* --- programs ----------------------------------------------------------------------------------------------------- */

/* A program that says what it is made with. */
struct script {
    const char *text;
    const char *errors; /* on its standard error */
    int status;
    bool stays;    /* does not end */
    bool stubborn; /* not even when asked to */
    size_t flood;  /* bytes behind the text */
    unsigned runs, asked;
};

static void script_start(struct plait_sim_process *p, void *ctx)
{
    static uint8_t block[4096];
    struct script *s = ctx;
    s->runs++;
    if (s->errors)
        plait_sim_process_write(p, 2, plait_slice_text(s->errors));
    if (s->text)
        plait_sim_process_write(p, 1, plait_slice_text(s->text));
    memset(block, 'x', sizeof block);
    for (size_t n = 0; n < s->flood; n += sizeof block)
        plait_sim_process_write(p, 1, plait_slice_of(block, sizeof block));
    if (!s->stays)
        plait_sim_process_exit(p, s->status);
}

static void script_signal(struct plait_sim_process *p, int signo, void *ctx)
{
    struct script *s = ctx;
    s->asked++;
    if (!s->stubborn)
        plait_sim_process_exit(p, 128 + signo);
}

static const struct plait_sim_program script_program = {.start = script_start, .signal = script_signal};

/* Gives its input back. */
static void echo_start(struct plait_sim_process *p, void *ctx)
{
    (void)ctx;
    plait_sim_process_write(p, 1, PLAIT_LIT("Content-Type: text/plain\n\n"));
    if (!plait_sim_process_env(p, "CONTENT_LENGTH"))
        plait_sim_process_exit(p, 0);
}

static void echo_input(struct plait_sim_process *p, int fd, plait_slice bytes, void *ctx)
{
    (void)ctx;
    if (fd != 0)
        return;
    plait_sim_process_write(p, 1, bytes);
    if (bytes.len == 0)
        plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program echo_program = {.start = echo_start, .input = echo_input};

/* Tells its variables, those that are set, one a line. */
static void vars_start(struct plait_sim_process *p, void *ctx)
{
    static const char *const names[] = {"AUTH_TYPE",
                                        "CONTENT_LENGTH",
                                        "CONTENT_TYPE",
                                        "DOCUMENT_ROOT",
                                        "GATEWAY_INTERFACE",
                                        "HTTPS",
                                        "HTTP_AUTHORIZATION",
                                        "HTTP_COOKIE",
                                        "HTTP_HOST",
                                        "HTTP_PROXY",
                                        "HTTP_X_A",
                                        "MORE",
                                        "PATH",
                                        "PATH_INFO",
                                        "PATH_TRANSLATED",
                                        "QUERY_STRING",
                                        "REDIRECT_STATUS",
                                        "REMOTE_ADDR",
                                        "REMOTE_USER",
                                        "REQUEST_METHOD",
                                        "REQUEST_SCHEME",
                                        "REQUEST_URI",
                                        "SCRIPT_NAME",
                                        "SCRIPT_FILENAME",
                                        "SERVER_ADDR",
                                        "SERVER_NAME",
                                        "SERVER_PORT",
                                        "SERVER_PROTOCOL",
                                        "SERVER_SOFTWARE"};
    (void)ctx;
    plait_sim_process_write(p, 1, PLAIT_LIT("Content-Type: text/plain\n\n"));
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        char line[400];
        const char *value = plait_sim_process_env(p, names[i]);
        const int len = value ? snprintf(line, sizeof line, "%s=%s\n", names[i], value) : 0;
        plait_sim_process_write(p, 1, plait_slice_of(line, (size_t)len));
    }
    plait_sim_process_exit(p, 0);
}

static const struct plait_sim_program vars_program = {.start = vars_start};

/* --- the site ----------------------------------------------------------------------------------------------------- */

static struct gw w;
static struct visitor v;

static void add(const char *path, const struct plait_sim_program *program, struct script *script)
{
    assert_ok(plait_host_add_program(w.server, path, program, script));
}

static void mount(const char *at, const char *path, const struct plait_cgi_options *options)
{
    struct plait_resource *made;
    plait_err err = plait_cgi_folder_new(w.r, path, options, &made);
    if (err == PLAIT_EINVAL)
        err = plait_cgi_new(w.r, path, options, &made);
    assert_ok(err);
    assert_ok(plait_resource_mount(w.root, at, made));
}

/* A world whose /c is a folder with one script. */
static void open_with(struct script *script, const struct plait_cgi_options *options)
{
    gw_open(&w);
    add("/srv/cgi/s", &script_program, script);
    mount("c", "/srv/cgi", options);
    gw_serve(&w);
}

/* The server's next call of a kind fails. */
static plait_err fail_call(const char *call, int os_errno)
{
    const struct plait_sim_rule rule = {.host = w.server, .call = call, .nth = 1, .os_errno = os_errno};
    return plait_sim_add_rule(w.sim, &rule);
}

#define GET(path) "GET " path " HTTP/1.0\r\nHost: h.example:81\r\n\r\n"

#define MANY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CHUNKED "POST /c/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

#endif
