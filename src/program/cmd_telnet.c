/* SPDX-License-Identifier: MIT
 *
 * plait telnet: a telnet client between a connection and the terminal, or whatever else standard input and output are.
 * While the server echoes, the terminal gives each key as it is typed; else it edits lines by itself.
 *
 * Invariant: whatever way the call ends, the terminal is given back as it was found: that is done behind the loop, in
 * one place, and signals end the loop like everything else. Test: tests/program/telnet.py.
 */
#include "program/program.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { PORT = 23, ESCAPE = 0x1d, NAME_BYTES = 64 };

struct call {
    const struct command *command;
    struct plait_reactor *r;     /* NULL: the loop is over, and what is still lost is lost by our own end */
    struct plait_telnet *telnet; /* NULL: not yet, or over */
    struct plait_stream *screen; /* standard input and output; NULL: not yet, or over */
    const char *endpoint, *host;
    uint16_t port;
    char terminal[NAME_BYTES];
    struct plait_telnet_variable user;
    bool is_terminal, raw;
    struct termios found; /* the terminal as it was */
    int status;
};

/* --- the terminal ------------------------------------------------------------------------------------------------- */

/* Each key as it is typed, or lines that the terminal lets people edit. */
static void set_raw(struct call *c, bool raw)
{
    struct termios how = c->found;
    if (!c->is_terminal || c->raw == raw)
        return;
    c->raw = raw;
    if (raw) {
        how.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
        how.c_oflag &= ~(tcflag_t)OPOST;
        how.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
    }
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &how);
}

static void tell_window(int signo, void *ctx)
{
    struct call *c = ctx;
    struct winsize size;
    (void)signo;
    if (c->telnet && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        plait_telnet_window(c->telnet, size.ws_col, size.ws_row);
}

/* The registry's names of terminals are in capitals. */
static void name_terminal(struct call *c)
{
    const char *name = getenv("TERM");
    size_t len = 0;
    for (; name && name[len] > ' ' && name[len] < 0x7f && len + 1 < NAME_BYTES; len++)
        c->terminal[len] = (char)toupper((unsigned char)name[len]);
}

/* --- the two ends ------------------------------------------------------------------------------------------------- */

/* One end is over: the other one follows, and when both are, the loop ends. */
static void hang_up(struct call *c)
{
    if (c->telnet)
        plait_close(plait_telnet_stream(c->telnet));
    if (c->screen)
        plait_close(c->screen);
    if (!c->telnet && !c->screen && c->r)
        plait_reactor_stop(c->r);
}

static void on_signal(int signo, void *ctx)
{
    const struct call *c = ctx;
    (void)signo;
    plait_reactor_stop(c->r);
}

/* Lines go out with CR LF; what a terminal gives key by key goes out as it is. */
static void send_keys(struct call *c, plait_slice keys)
{
    for (size_t at = 0; at < keys.len;) {
        const size_t lf = c->raw ? SIZE_MAX : plait_slice_find_byte(keys, '\n', at);
        const size_t end = lf < keys.len ? lf : keys.len;
        plait_telnet_write(c->telnet, plait_slice_sub(keys, at, end));
        if (lf < keys.len)
            plait_telnet_write(c->telnet, PLAIT_LIT("\r\n"));
        at = end + (lf < keys.len);
    }
}

static size_t screen_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct call *c = self;
    const size_t escape = c->is_terminal ? plait_slice_find_byte(in, ESCAPE, 0) : SIZE_MAX;
    if (c->telnet)
        send_keys(c, plait_slice_sub(in, 0, escape));
    if (escape != SIZE_MAX)
        hang_up(c);
    else if (c->telnet && plait_is_full(plait_telnet_stream(c->telnet)))
        plait_pause(s); /* until the connection has room */
    return in.len;
}

static void screen_room(struct plait_stream *s, void *self)
{
    const struct call *c = self;
    (void)s;
    if (c->telnet)
        plait_resume(plait_telnet_stream(c->telnet));
}

/* Our side ends with the input; what the server still says is shown. */
static void screen_eof(struct plait_stream *s, size_t rest, void *self)
{
    const struct call *c = self;
    (void)s;
    (void)rest;
    if (c->telnet)
        plait_close_write(plait_telnet_stream(c->telnet));
}

static void screen_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct call *c = self;
    (void)s;
    c->screen = NULL;
    if (plait_err_class_of(fault->err) == PLAIT_CLASS_IO && c->r)
        c->status = failed(c->command, "standard output: %s", plait_err_text(fault->err));
    hang_up(c);
}

static const struct plait_protocol screen_protocol = {.name = "screen",
                                                      .data = screen_data,
                                                      .room = screen_room,
                                                      .eof = screen_eof,
                                                      .lost = screen_lost,
                                                      .flags = PLAIT_HALF_CLOSE};

static void telnet_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    const struct call *c = self;
    plait_write(c->screen, data); /* it is there: when it is lost, this connection is closed, and no data comes */
    if (plait_is_full(c->screen))
        plait_pause(plait_telnet_stream(telnet)); /* until the screen has room */
}

static void telnet_changed(struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option, bool on,
                           void *self)
{
    (void)telnet;
    if (side == PLAIT_TELNET_HIM && option == PLAIT_TELNET_ECHO)
        set_raw(self, on);
}

static void telnet_room(struct plait_telnet *telnet, void *self)
{
    const struct call *c = self;
    (void)telnet;
    if (c->screen)
        plait_resume(c->screen);
}

static void telnet_lost(struct plait_telnet *telnet, const struct plait_fault *fault, void *self)
{
    struct call *c = self;
    char text[WHY_BYTES];
    (void)telnet;
    c->telnet = NULL;
    set_raw(c, false);
    if (fault->err != PLAIT_OK && fault->err != PLAIT_EEOF && c->screen && c->r) {
        (void)plait_fault_format(fault, text, sizeof text);
        c->status = failed(c->command, "%s", text);
    }
    hang_up(c);
}

static const struct plait_telnet_handler telnet_handler = {
    .name = "telnet", .data = telnet_data, .changed = telnet_changed, .room = telnet_room, .lost = telnet_lost};

/* --- a call ------------------------------------------------------------------------------------------------------- */

static plait_err begin(struct call *c, struct plait_stream *s)
{
    static const struct plait_telnet_rule rules[] = {
        {PLAIT_TELNET_ECHO, PLAIT_TELNET_HE_MAY},
        {PLAIT_TELNET_SGA, PLAIT_TELNET_HE_MAY | PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_BINARY, PLAIT_TELNET_HE_MAY | PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_STATUS, PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_WE_MAY},
        /* What there is only with a terminal: */
        {PLAIT_TELNET_TTYPE, PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_NAWS, PLAIT_TELNET_WE_MAY},
    };
    const size_t count = sizeof rules / sizeof rules[0];
    const struct plait_telnet_options options = {.rules = rules,
                                                 .rule_count = c->is_terminal ? count : count - 2,
                                                 .terminal = c->terminal[0] ? c->terminal : NULL,
                                                 .variables = &c->user,
                                                 .variable_count = c->user.value ? 1 : 0};
    plait_err err = plait_telnet_attach(s, &options, &telnet_handler, c, &c->telnet);
    const int in = dup(STDIN_FILENO);
    const int out = dup(STDOUT_FILENO);
    if (err == PLAIT_OK)
        err = plait_stream_of_fds(c->r, in, out, &c->screen);
    if (err == PLAIT_OK)
        plait_stream_attach(c->screen, &screen_protocol, c);
    tell_window(SIGWINCH, c);
    return err;
}

static void connected(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    struct plait_fault fault = result->fault;
    char text[WHY_BYTES];
    result->fault.err = PLAIT_OK;
    if (fault.err == PLAIT_OK)
        fault = plait_fault_make(begin(c, plait_result_take(result).ptr), "terminal");
    if (fault.err != PLAIT_OK) {
        (void)plait_fault_format(&fault, text, sizeof text);
        c->status = failed(c->command, "%s: %s", c->host ? c->host : c->endpoint, text);
        hang_up(c);
    } else if (c->is_terminal) {
        fputs("Connected. ^] ends the call.\n", stderr);
    }
}

static int run_call(struct call *c)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    c->r = plait_new();
    if (!c->r)
        return failed(c->command, "%s", plait_err_text(PLAIT_ENOMEM)); /* uncovered: no memory at the program's start */
    c->is_terminal = tcgetattr(STDIN_FILENO, &c->found) == 0;
    name_terminal(c);
    plait_err err = plait_on_signal(c->r, SIGWINCH, tell_window, c);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0] && err == PLAIT_OK; i++)
        err = plait_on_signal(c->r, ends[i], on_signal, c);
    if (err == PLAIT_OK)
        err = plait_then(c->endpoint ? plait_connect(c->r, c->endpoint, NULL)
                                     : plait_connect_host(c->r, plait_slice_text(c->host), c->port, NULL),
                         connected, c);
    if (err == PLAIT_OK)
        err = plait_reactor_run(c->r);
    struct plait_reactor *r = c->r;
    c->r = NULL;
    plait_reactor_free(&r);
    set_raw(c, false);
    return err == PLAIT_OK ? c->status : failed(c->command, "%s", plait_err_text(err));
}

static const char *take_word(struct call *c, const char *word)
{
    uint64_t port;
    if (word[0] == '-' || c->port > 0 || (c->endpoint && !c->host))
        return "";
    if (!c->host) {
        c->host = word;
        return NULL;
    }
    if (plait_slice_to_u64(plait_slice_text(word), 65535, &port) != PLAIT_OK || port == 0)
        return "a port is a number of 1 to 65535";
    c->port = (uint16_t)port;
    return NULL;
}

static int run(const struct command *command, struct words *words)
{
    struct call c = {.command = command, .user = {.name = "USER"}};
    while (words->at < words->end) {
        const char *word = *words->at;
        const char *wrong = NULL;
        if (take_option(words, "user", 'l', &c.user.value))
            wrong = c.user.value ? NULL : "--user wants a name";
        else if (take_option(words, "endpoint", 'e', &c.endpoint))
            wrong = c.endpoint ? NULL : "--endpoint wants an endpoint, such as tls:HOST:992";
        else
            wrong = take_word(&c, next_word(words));
        if (wrong && !wrong[0])
            return wrong_usage(command, "'%s' is not understood; `plait telnet --help` tells what is", word);
        if (wrong)
            return wrong_usage(command, "%s", wrong);
    }
    if (!c.host == !c.endpoint)
        return wrong_usage(command, "whom to call? as in `plait telnet HOST`");
    c.port = c.port > 0 ? c.port : PORT;
    return run_call(&c);
}

const struct command command_telnet = {
    .name = "telnet",
    .usage = "telnet [-l USER] HOST [PORT]",
    .help = "Calls a telnet server (RFC 854). On a terminal ^] ends the call. Without one, lines of standard input\n"
            "are sent, and what comes is printed until the server ends.\n\n"
            "  PORT                      23 by default\n"
            "  -e, --endpoint ENDPOINT   instead of HOST and PORT: \"tls:HOST:992\", \"unix:/run/x\" …\n"
            "  -l, --user USER           tell the server who you are (NEW-ENVIRON), if it asks\n",
    .run = run,
};
