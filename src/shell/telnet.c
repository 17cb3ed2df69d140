/* SPDX-License-Identifier: MIT
 *
 * A telnet connection: the codec, the options' machine and what some options say, joined to a stream. Both sides are
 * the same; what differs is which options they ask for. It is no terminal: echo, lines and their editing are for those
 * who use it.
 *
 * A payload that is malformed, or of an option that is not on, is passed over: the flow goes on behind it. Invariant:
 * an answer is written only while output stands below the high-water mark, so a peer that asks and never reads makes
 * us hold one answer more than that and no more. Test: tests/shell/test_telnet.c, tests/sim/scenario_telnet.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"
#include "shell/telnet_options.h"
#include "shell/telnet_payload_wire.h"

enum { TYPES_MAX = 8 };

struct plait_telnet {
    struct plait_stream *s;
    const struct plait_telnet_handler *handler;
    void *self;
    struct plait_telnet_options want;
    struct plait__telnet_decoder decoder;
    struct plait__telnet_options options;
    struct plait_buf type; /* the last name of the peer's terminal, while more are asked for */
    unsigned types;        /* how many came */
};

static plait_slice terminal_of(const struct plait_telnet_options *want)
{
    return want->terminal ? plait_slice_text(want->terminal) : PLAIT_LIT("UNKNOWN");
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void send_negotiate(struct plait_telnet *t, uint8_t command, uint8_t option)
{
    const uint8_t bytes[] = {PLAIT_TELNET_IAC, command, option};
    plait_write(t->s, plait_slice_of(bytes, sizeof bytes));
}

/* Sends a payload and frees it. One that can't be said in a subnegotiation of the usual size is left out. */
static void send_sub(struct plait_telnet *t, uint8_t option, struct plait_buf *payload)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_stream_budget(t->s), 2 * payload->len + 5);
    if (payload->err == PLAIT_OK)
        plait__telnet_put_sub(&out, option, plait_buf_slice(payload));
    else if (payload->err == PLAIT_ENOMEM)
        out.err = PLAIT_ENOMEM;
    plait_buf_deinit(payload);
    plait_write_take(t->s, &out);
    plait_buf_deinit(&out);
}

static void payload_init(struct plait_telnet *t, struct plait_buf *payload)
{
    plait_buf_init(payload, plait_stream_budget(t->s), PLAIT__TELNET_SUB_MAX);
}

/* SEND, which asks for the name of a terminal, or for all variables. */
static void send_send(struct plait_telnet *t, uint8_t option)
{
    struct plait_buf payload;
    payload_init(t, &payload);
    plait__telnet_put_send(&payload); /* NEW-ENVIRON has the same byte for it */
    send_sub(t, option, &payload);
}

static void send_window(struct plait_telnet *t)
{
    const struct plait__telnet_window window = {t->want.columns, t->want.rows};
    struct plait_buf payload;
    payload_init(t, &payload);
    plait__telnet_put_window(&payload, &window);
    send_sub(t, PLAIT_TELNET_NAWS, &payload);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static bool is_on(const struct plait_telnet *t, enum plait_telnet_side side, uint8_t option)
{
    return plait__telnet_is_on(&t->options, side, option);
}

/* What goes with an option that went on. */
static void begin_option(struct plait_telnet *t, enum plait_telnet_side side, uint8_t option)
{
    const bool his = side == PLAIT_TELNET_HIM;
    if (his && (option == PLAIT_TELNET_TTYPE || option == PLAIT_TELNET_NEW_ENVIRON)) {
        t->types = 0;
        plait_buf_clear(&t->type);
        send_send(t, option);
    } else if (!his && option == PLAIT_TELNET_NAWS) {
        send_window(t);
    }
}

/* The one place where an option's change has its effects. */
static void take_turn(struct plait_telnet *t, struct plait__telnet_turn turn, uint8_t option)
{
    if (turn.send != 0)
        send_negotiate(t, turn.send, option);
    t->decoder.binary = is_on(t, PLAIT_TELNET_HIM, PLAIT_TELNET_BINARY);
    if (turn.change == PLAIT__TELNET_ON)
        begin_option(t, turn.side, option);
}

static bool may(const struct plait_telnet *t, enum plait_telnet_side side, uint8_t option)
{
    const unsigned flags =
        side == PLAIT_TELNET_US ? PLAIT_TELNET_WE_MAY | PLAIT_TELNET_WE_ASK : PLAIT_TELNET_HE_MAY | PLAIT_TELNET_HE_ASK;
    for (size_t i = 0; i < t->want.rule_count; i++) {
        if (t->want.rules[i].option == option && (t->want.rules[i].flags & flags) != 0)
            return true;
    }
    return false;
}

/* A TIMING-MARK is no state: each is answered when what came before it has been taken (RFC 860). */
static void mark(struct plait_telnet *t, uint8_t command)
{
    if (command == PLAIT_TELNET_DO)
        send_negotiate(t, PLAIT_TELNET_WILL, PLAIT_TELNET_TIMING_MARK);
}

static void heard(struct plait_telnet *t, uint8_t command, uint8_t option)
{
    const enum plait_telnet_side side = command == PLAIT_TELNET_WILL ? PLAIT_TELNET_HIM : PLAIT_TELNET_US;
    if (option == PLAIT_TELNET_TIMING_MARK) {
        mark(t, command);
        return;
    }
    const struct plait__telnet_turn turn = plait__telnet_heard(&t->options, command, option, may(t, side, option));
    take_turn(t, turn, option);
    if (turn.change != PLAIT__TELNET_SAME && t->handler->changed)
        t->handler->changed(t, turn.side, option, turn.change == PLAIT__TELNET_ON, t->self);
}

/* --- subnegotiations ---------------------------------------------------------------------------------------------- */

static void heard_window(struct plait_telnet *t, plait_slice payload)
{
    struct plait__telnet_window window;
    if (t->handler->window && plait__telnet_parse_window(payload, &window) == PLAIT_OK)
        t->handler->window(t, window.columns, window.rows, t->self);
}

/* The list of names ends with one that comes twice (RFC 1091). */
static void heard_type(struct plait_telnet *t, plait_slice name)
{
    if (t->types >= TYPES_MAX || plait_slice_equal(name, plait_buf_slice(&t->type))) {
        t->types = TYPES_MAX;
        plait_buf_deinit(&t->type);
        return;
    }
    plait_buf_clear(&t->type);
    plait_buf_put(&t->type, name);
    if (t->type.err != PLAIT_OK) {
        plait_abort_with(t->s, t->type.err, "no memory for a terminal's name");
        return;
    }
    if (++t->types < TYPES_MAX)
        send_send(t, PLAIT_TELNET_TTYPE);
    if (t->handler->terminal)
        t->handler->terminal(t, name, t->self);
}

static void heard_terminal(struct plait_telnet *t, plait_slice payload)
{
    plait_slice name;
    bool send;
    if (plait__telnet_parse_name(payload, &send, &name) != PLAIT_OK)
        return;
    if (send && is_on(t, PLAIT_TELNET_US, PLAIT_TELNET_TTYPE)) {
        struct plait_buf answer;
        payload_init(t, &answer);
        plait__telnet_put_name(&answer, terminal_of(&t->want));
        send_sub(t, PLAIT_TELNET_TTYPE, &answer);
    } else if (!send && is_on(t, PLAIT_TELNET_HIM, PLAIT_TELNET_TTYPE)) {
        heard_type(t, name);
    }
}

/* Whether the RFC knows a variable: the others are the user's. */
static bool is_known(const char *name)
{
    static const char *const known[] = {"USER", "JOB", "ACCT", "PRINTER", "SYSTEMTYPE", "DISPLAY"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], name) == 0)
            return true;
    }
    return false;
}

/* Appends those of our variables that were asked for: of a kind or of both, by name or all. */
static void put_variables(const struct plait_telnet *t, struct plait_buf *answer, bool both,
                          const struct plait__telnet_variable *asked)
{
    struct plait__telnet_variable out = {.defined = false};
    for (size_t i = 0; i < t->want.variable_count; i++) {
        const struct plait_telnet_variable *v = &t->want.variables[i];
        out.user = !is_known(v->name);
        out.name = plait_slice_text(v->name);
        out.value = plait_slice_text(v->value);
        if (!both && out.user != asked->user)
            continue;
        if (asked->name.len > 0 && !plait_slice_equal(asked->name, out.name))
            continue;
        out.defined = true;
        plait__telnet_put_variable(answer, &out);
    }
    if (!out.defined && asked->name.len > 0)
        plait__telnet_put_variable(answer, asked); /* there is none of that name */
}

static void answer_variables(struct plait_telnet *t, struct plait_scan *rest)
{
    struct plait__telnet_variable asked = {.defined = false};
    struct plait_buf answer;
    payload_init(t, &answer);
    plait__telnet_put_environ(&answer, PLAIT__ENVIRON_IS);
    if (plait_scan_done(rest))
        put_variables(t, &answer, true, &asked);
    while (answer.err == PLAIT_OK && plait__telnet_next_variable(rest, &asked))
        put_variables(t, &answer, false, &asked);
    send_sub(t, PLAIT_TELNET_NEW_ENVIRON, &answer);
}

static void heard_variable(struct plait_telnet *t, const struct plait__telnet_variable *v)
{
    struct plait_buf text;
    plait_buf_init(&text, plait_stream_budget(t->s), v->name.len + v->value.len);
    plait__telnet_put_unescaped(&text, v->name);
    const size_t len = text.len;
    plait__telnet_put_unescaped(&text, v->value);
    if (text.err == PLAIT_OK) {
        const plait_slice value = plait_slice_sub(plait_buf_slice(&text), len, text.len);
        t->handler->variable(t, plait_slice_sub(plait_buf_slice(&text), 0, len), v->defined ? &value : NULL, t->self);
    } else {
        plait_abort_with(t->s, text.err, "no memory for a variable");
    }
    plait_buf_deinit(&text);
}

static void heard_environ(struct plait_telnet *t, plait_slice payload)
{
    struct plait__telnet_variable v;
    struct plait_scan rest;
    uint8_t kind;
    if (plait__telnet_parse_environ(payload, &kind, &rest) != PLAIT_OK)
        return;
    if (kind == PLAIT__ENVIRON_SEND) {
        if (is_on(t, PLAIT_TELNET_US, PLAIT_TELNET_NEW_ENVIRON))
            answer_variables(t, &rest);
        return;
    }
    if (!is_on(t, PLAIT_TELNET_HIM, PLAIT_TELNET_NEW_ENVIRON) || !t->handler->variable)
        return;
    while (plait_is_open(t->s) && plait__telnet_next_variable(&rest, &v))
        heard_variable(t, &v);
}

static void hand_sub(struct plait_telnet *t, uint8_t option, plait_slice payload)
{
    const bool on = is_on(t, PLAIT_TELNET_US, option) || is_on(t, PLAIT_TELNET_HIM, option);
    if (on && t->handler->sub)
        t->handler->sub(t, option, payload, t->self);
}

static void heard_status(struct plait_telnet *t, plait_slice payload)
{
    struct plait_scan rest;
    struct plait_buf answer;
    uint8_t kind;
    if (plait__telnet_parse_status(payload, &kind, &rest) != PLAIT_OK)
        return;
    if (kind == PLAIT__STATUS_IS) {
        hand_sub(t, PLAIT_TELNET_STATUS, payload);
    } else if (is_on(t, PLAIT_TELNET_US, PLAIT_TELNET_STATUS)) {
        payload_init(t, &answer);
        plait__telnet_put_status(&answer, &t->options);
        send_sub(t, PLAIT_TELNET_STATUS, &answer);
    }
}

static void heard_sub(struct plait_telnet *t, uint8_t option, plait_slice payload)
{
    switch (option) {
    case PLAIT_TELNET_NAWS:
        if (is_on(t, PLAIT_TELNET_HIM, option))
            heard_window(t, payload);
        break;
    case PLAIT_TELNET_TTYPE:
        heard_terminal(t, payload);
        break;
    case PLAIT_TELNET_NEW_ENVIRON:
        heard_environ(t, payload);
        break;
    case PLAIT_TELNET_STATUS:
        heard_status(t, payload);
        break;
    default:
        hand_sub(t, option, payload);
    }
}

/* --- the stream's callbacks --------------------------------------------------------------------------------------- */

static void hand(struct plait_telnet *t, const struct plait__telnet_item *item)
{
    switch (item->event) {
    case PLAIT__TELNET_DATA:
        if (t->handler->data)
            t->handler->data(t, item->bytes, t->self);
        break;
    case PLAIT__TELNET_COMMAND:
        if (t->handler->command)
            t->handler->command(t, item->command, t->self);
        break;
    case PLAIT__TELNET_NEGOTIATE:
        heard(t, item->command, item->option);
        break;
    case PLAIT__TELNET_SUB:
        heard_sub(t, item->option, item->bytes);
        break;
    case PLAIT__TELNET_BAD:
        plait_abort_with(t->s, item->err, "subnegotiation");
        break;
    default:
        break;
    }
}

/* Whether more may be taken: the handler can close, pause, or start TLS in the midst of what came. */
static bool goes_on(const struct plait_telnet *t)
{
    if (plait_is_full(t->s))
        plait_need(t->s, 1); /* what is left is offered again when there is room */
    return plait_is_open(t->s) && !plait_is_full(t->s) && !(t->s->flags & (PLAIT__F_PAUSED | PLAIT__F_HANDSHAKE));
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_telnet *t = self;
    size_t total = 0;
    (void)s;
    while (total < in.len && goes_on(t)) {
        const struct plait__telnet_item item = plait__telnet_next(&t->decoder, plait_slice_sub(in, total, in.len));
        total += item.taken;
        hand(t, &item);
    }
    return total;
}

static void on_connected(struct plait_stream *s, void *self)
{
    struct plait_telnet *t = self;
    (void)s;
    if (t->handler->connected)
        t->handler->connected(t, t->self);
}

static void on_room(struct plait_stream *s, void *self)
{
    struct plait_telnet *t = self;
    (void)s;
    if (t->handler->room)
        t->handler->room(t, t->self);
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait_telnet *t = self;
    (void)s;
    (void)rest;
    if (t->handler->eof)
        t->handler->eof(t, t->self);
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait_telnet *t = self;
    (void)s;
    if (t->handler->lost)
        t->handler->lost(t, fault, t->self);
    plait__telnet_decoder_deinit(&t->decoder);
    plait_buf_deinit(&t->type);
    plait_mem_free(t);
}

static const struct plait_protocol telnet_protocol = {
    .name = "telnet", .connected = on_connected, .data = on_data, .room = on_room, .eof = on_eof, .lost = on_lost};

/* --- what a user calls -------------------------------------------------------------------------------------------- */

static void ask_all(struct plait_telnet *t)
{
    for (size_t i = 0; i < t->want.rule_count; i++) {
        const struct plait_telnet_rule *rule = &t->want.rules[i];
        if ((rule->flags & PLAIT_TELNET_WE_ASK) != 0)
            plait_telnet_ask(t, PLAIT_TELNET_US, rule->option, true);
        if ((rule->flags & PLAIT_TELNET_HE_ASK) != 0)
            plait_telnet_ask(t, PLAIT_TELNET_HIM, rule->option, true);
    }
}

plait_err plait_telnet_attach(struct plait_stream *s, const struct plait_telnet_options *options,
                              const struct plait_telnet_handler *handler, void *self, struct plait_telnet **out)
{
    static const struct plait_telnet_options none = {.rule_count = 0};
    struct plait_telnet *t;
    if (!plait__telnet_is_name(terminal_of(options ? options : &none)))
        return PLAIT_FAIL(PLAIT_EINVAL);
    t = plait_mem_new(plait_stream_budget(s), sizeof *t);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    t->s = s;
    t->handler = handler;
    t->self = self;
    t->want = options ? *options : none;
    plait__telnet_decoder_init(&t->decoder, plait_stream_budget(s), t->want.sub_max);
    plait_buf_init(&t->type, plait_stream_budget(s), PLAIT__TELNET_NAME_MAX);
    if (out)
        *out = t;
    plait_stream_attach(s, &telnet_protocol, t);
    ask_all(t);
    return PLAIT_OK;
}

void plait_telnet_write(struct plait_telnet *telnet, plait_slice data)
{
    const bool binary = is_on(telnet, PLAIT_TELNET_US, PLAIT_TELNET_BINARY);
    struct plait_buf out;
    plait_buf_init(&out, plait_stream_budget(telnet->s), 2 * data.len);
    plait__telnet_put_data(&out, data, binary);
    plait_write_take(telnet->s, &out);
    plait_buf_deinit(&out);
}

void plait_telnet_command(struct plait_telnet *telnet, uint8_t command)
{
    const uint8_t bytes[] = {PLAIT_TELNET_IAC, command};
    if (command >= PLAIT_TELNET_EOF && command <= PLAIT_TELNET_GA && command != PLAIT_TELNET_SE)
        plait_write(telnet->s, plait_slice_of(bytes, sizeof bytes));
}

void plait_telnet_ask(struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option, bool on)
{
    take_turn(telnet, plait__telnet_ask(&telnet->options, side, option, on), option);
}

bool plait_telnet_is_on(const struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option)
{
    return is_on(telnet, side, option);
}

plait_err plait_telnet_sub(struct plait_telnet *telnet, uint8_t option, plait_slice payload)
{
    struct plait_buf out;
    if (!is_on(telnet, PLAIT_TELNET_US, option) && !is_on(telnet, PLAIT_TELNET_HIM, option))
        return PLAIT_FAIL(PLAIT_ESTATE);
    plait_buf_init(&out, plait_stream_budget(telnet->s), 2 * payload.len + 5);
    plait__telnet_put_sub(&out, option, payload);
    plait_write_take(telnet->s, &out);
    plait_buf_deinit(&out);
    return PLAIT_OK;
}

void plait_telnet_window(struct plait_telnet *telnet, uint16_t columns, uint16_t rows)
{
    telnet->want.columns = columns;
    telnet->want.rows = rows;
    if (is_on(telnet, PLAIT_TELNET_US, PLAIT_TELNET_NAWS))
        send_window(telnet);
}

struct plait_stream *plait_telnet_stream(struct plait_telnet *telnet)
{
    return telnet->s;
}
