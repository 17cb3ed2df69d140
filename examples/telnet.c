/* SPDX-License-Identifier: MIT
 *
 * Telnet, both sides. Usage: telnet ENDPOINT, which tells visitors what it learns of their terminals and repeats their
 * lines until one is "bye"; or telnet ENDPOINT LINE, which says a line to such a server and prints what it hears.
 */
#include <plait/plait.h>
#include <stdio.h>

/* --- the server --------------------------------------------------------------------------------------------------- */

struct visitor {
    char line[200];
    size_t len;
};

static void say(struct plait_telnet *telnet, const char *what, plait_slice which)
{
    plait_telnet_write(telnet, plait_slice_text(what));
    plait_telnet_write(telnet, which);
    plait_telnet_write(telnet, PLAIT_LIT("\r\n"));
}

static void visitor_line(struct plait_telnet *telnet, plait_slice line)
{
    if (plait_slice_equal(line, PLAIT_LIT("bye"))) {
        plait_telnet_write(telnet, PLAIT_LIT("good bye\r\n"));
        plait_close(plait_telnet_stream(telnet));
    } else {
        say(telnet, "you said: ", line);
    }
}

/* Lines end with CR LF, or with CR alone where the client sends each character as it is typed. */
static void visitor_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    struct visitor *v = self;
    for (size_t i = 0; i < data.len && plait_is_open(plait_telnet_stream(telnet)); i++) {
        const char byte = (char)data.ptr[i];
        if (byte != '\r' && byte != '\n') {
            v->line[v->len] = byte;
            v->len += v->len + 1 < sizeof v->line;
        } else if (v->len > 0) {
            visitor_line(telnet, plait_slice_of(v->line, v->len));
            v->len = 0;
        }
    }
}

static void visitor_command(struct plait_telnet *telnet, uint8_t command, void *self)
{
    (void)self;
    if (command == PLAIT_TELNET_AYT)
        plait_telnet_write(telnet, PLAIT_LIT("yes, I am here\r\n"));
}

static void visitor_window(struct plait_telnet *telnet, unsigned columns, unsigned rows, void *self)
{
    char text[32];
    (void)self;
    (void)snprintf(text, sizeof text, "%u x %u", columns, rows);
    say(telnet, "window: ", plait_slice_text(text));
}

static void visitor_terminal(struct plait_telnet *telnet, plait_slice name, void *self)
{
    (void)self;
    say(telnet, "terminal: ", name);
}

static void visitor_variable(struct plait_telnet *telnet, plait_slice name, const plait_slice *value, void *self)
{
    (void)self;
    if (plait_slice_equal(name, PLAIT_LIT("USER")) && value)
        say(telnet, "user: ", *value);
}

static void visitor_lost(struct plait_telnet *telnet, const struct plait_fault *fault, void *self)
{
    (void)telnet;
    (void)fault;
    plait_mem_free(self);
}

static const struct plait_telnet_handler visitor = {.name = "telnet",
                                                    .data = visitor_data,
                                                    .command = visitor_command,
                                                    .window = visitor_window,
                                                    .terminal = visitor_terminal,
                                                    .variable = visitor_variable,
                                                    .lost = visitor_lost};

static plait_err on_open(struct plait_stream *s, void *ctx)
{
    static const struct plait_telnet_rule rules[] = {
        {PLAIT_TELNET_TTYPE, PLAIT_TELNET_HE_ASK},       {PLAIT_TELNET_NAWS, PLAIT_TELNET_HE_ASK},
        {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_HE_ASK}, {PLAIT_TELNET_SGA, PLAIT_TELNET_WE_MAY | PLAIT_TELNET_HE_MAY},
        {PLAIT_TELNET_STATUS, PLAIT_TELNET_WE_MAY},
    };
    static const struct plait_telnet_options options = {.rules = rules, .rule_count = sizeof rules / sizeof rules[0]};
    struct visitor *v = plait_mem_new(plait_stream_budget(s), sizeof *v);
    plait_err err = v ? plait_telnet_attach(s, &options, &visitor, v, NULL) : PLAIT_ENOMEM;
    (void)ctx;
    if (err != PLAIT_OK)
        plait_mem_free(v);
    return err;
}

static const struct plait_service_ops service = {.name = "telnet", .open = on_open};

/* --- the client --------------------------------------------------------------------------------------------------- */

struct guest {
    struct plait_reactor *r;
    const char *line;
};

static void guest_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    (void)telnet;
    (void)self;
    (void)fwrite(data.ptr, 1, data.len, stdout);
}

static void guest_lost(struct plait_telnet *telnet, const struct plait_fault *fault, void *self)
{
    (void)telnet;
    (void)fault;
    plait_reactor_stop(((struct guest *)self)->r);
}

static const struct plait_telnet_handler guest_handler = {.name = "guest", .data = guest_data, .lost = guest_lost};

static void connected(struct plait_result *result, void *ctx)
{
    static const struct plait_telnet_rule rules[] = {
        {PLAIT_TELNET_TTYPE, PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_NAWS, PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_ECHO, PLAIT_TELNET_HE_MAY},
        {PLAIT_TELNET_SGA, PLAIT_TELNET_HE_MAY | PLAIT_TELNET_WE_MAY},
    };
    static const struct plait_telnet_options options = {
        .rules = rules, .rule_count = sizeof rules / sizeof rules[0], .terminal = "DUMB", .columns = 80, .rows = 24};
    struct guest *guest = ctx;
    struct plait_telnet *telnet;
    if (result->fault.err == PLAIT_OK &&
        plait_telnet_attach(plait_result_take(result).ptr, &options, &guest_handler, guest, &telnet) == PLAIT_OK)
        say(telnet, guest->line, PLAIT_LIT(""));
    else
        plait_reactor_stop(guest->r);
}

int main(int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp:7023";
    struct plait_reactor *r = plait_new();
    struct guest guest = {.r = r, .line = argc > 2 ? argv[2] : NULL};
    if (guest.line) {
        if (plait_then(plait_connect(r, endpoint, NULL), connected, &guest) != PLAIT_OK)
            return 1;
    } else {
        plait_serve(r, endpoint, plait_service_new(r, &service, NULL));
    }
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
