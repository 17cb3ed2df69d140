/* SPDX-License-Identifier: MIT
 *
 * A telnet connection over pairs and sockets: against bytes of the test's own, and against another one.
 */
#include "tests/engine/peer.h"

#include <plait/telnet.h>

#define SLICE(literal) plait_slice_of((literal), sizeof(literal) - 1)

/* A user of telnet that writes down what it is told. */
struct user {
    struct plait_telnet *telnet;
    struct bed *bed;
    char story[4096];
    size_t len;
    struct plait_fault fault;
    void (*on_data)(struct user *u);
    void (*on_variable)(struct user *u);
};

static void told(struct user *u, const char *fmt, ...) PLAIT_PRINTF(2, 3);
static void told(struct user *u, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    u->len += (size_t)vsnprintf(u->story + u->len, sizeof u->story - u->len, fmt, args);
    va_end(args);
    assert_true(u->len < sizeof u->story);
}

static void user_connected(struct plait_telnet *telnet, void *self)
{
    struct user *u = self;
    assert_ptr_equal(telnet, u->telnet);
    told(u, "connected\n");
}

static void user_data(struct plait_telnet *telnet, plait_slice data, void *self)
{
    struct user *u = self;
    (void)telnet;
    told(u, "data ");
    assert_true(u->len + data.len < sizeof u->story);
    memcpy(u->story + u->len, data.ptr, data.len); /* NUL, too */
    u->len += data.len;
    told(u, "\n");
    if (u->on_data)
        u->on_data(u);
}

static void user_command(struct plait_telnet *telnet, uint8_t command, void *self)
{
    (void)telnet;
    told(self, "command %u\n", command);
}

static void user_changed(struct plait_telnet *telnet, enum plait_telnet_side side, uint8_t option, bool on, void *self)
{
    assert_int_equal(plait_telnet_is_on(telnet, side, option), on);
    told(self, "%s %u %s\n", side == PLAIT_TELNET_US ? "us" : "him", option, on ? "on" : "off");
}

static void user_window(struct plait_telnet *telnet, unsigned columns, unsigned rows, void *self)
{
    (void)telnet;
    told(self, "window %u x %u\n", columns, rows);
}

static void user_terminal(struct plait_telnet *telnet, plait_slice name, void *self)
{
    (void)telnet;
    told(self, "terminal %.*s\n", PLAIT_ARG(name));
}

static void user_variable(struct plait_telnet *telnet, plait_slice name, const plait_slice *value, void *self)
{
    struct user *u = self;
    (void)telnet;
    told(u, "variable %.*s", PLAIT_ARG(name));
    if (value)
        told(u, "=%.*s", PLAIT_ARG(*value));
    told(u, "\n");
    if (u->on_variable)
        u->on_variable(u);
}

static void user_sub(struct plait_telnet *telnet, uint8_t option, plait_slice payload, void *self)
{
    (void)telnet;
    told(self, "sub %u %.*s\n", option, PLAIT_ARG(payload));
}

static void user_room(struct plait_telnet *telnet, void *self)
{
    (void)telnet;
    told(self, "room\n");
}

static void user_eof(struct plait_telnet *telnet, void *self)
{
    (void)telnet;
    told(self, "eof\n");
}

static void user_lost(struct plait_telnet *telnet, const struct plait_fault *fault, void *self)
{
    struct user *u = self;
    (void)telnet;
    told(u, "lost\n");
    u->fault = *fault;
    u->telnet = NULL;
}

static const struct plait_telnet_handler handler = {.name = "user",
                                                    .connected = user_connected,
                                                    .data = user_data,
                                                    .command = user_command,
                                                    .changed = user_changed,
                                                    .window = user_window,
                                                    .terminal = user_terminal,
                                                    .variable = user_variable,
                                                    .sub = user_sub,
                                                    .room = user_room,
                                                    .eof = user_eof,
                                                    .lost = user_lost};
static const struct plait_telnet_handler silent = {.name = "silent"};

/* What may be on, of nearly everything. */
enum { BOTH = PLAIT_TELNET_WE_MAY | PLAIT_TELNET_HE_MAY };
static const struct plait_telnet_rule rules[] = {
    {PLAIT_TELNET_BINARY, BOTH}, {PLAIT_TELNET_ECHO, PLAIT_TELNET_WE_MAY},
    {PLAIT_TELNET_SGA, BOTH},    {PLAIT_TELNET_STATUS, BOTH},
    {PLAIT_TELNET_TTYPE, BOTH},  {PLAIT_TELNET_NAWS, BOTH},
    {PLAIT_TELNET_GMCP, BOTH},   {PLAIT_TELNET_NEW_ENVIRON, BOTH},
};
static const struct plait_telnet_variable variables[] = {{"USER", "ann"}, {"LANG", "C.UTF-8"}, {"EMPTY", ""}};
static const struct plait_telnet_options usual = {.rules = rules,
                                                  .rule_count = sizeof rules / sizeof rules[0],
                                                  .terminal = "XTERM-256COLOR",
                                                  .columns = 80,
                                                  .rows = 24,
                                                  .variables = variables,
                                                  .variable_count = sizeof variables / sizeof variables[0]};

/* A telnet end joined to a recording one. */
struct table {
    struct bed b;
    struct user u;
    struct peer p;
};

static struct table *sit_with(enum joint joint, const struct plait_telnet_options *options,
                              const struct plait_telnet_handler *what)
{
    struct table *t = calloc(1, sizeof *t);
    struct plait_stream *x;
    struct plait_stream *y;
    assert_non_null(t);
    bed_open(&t->b);
    t->u.bed = &t->b;
    join(&t->b, joint, &x, &y);
    assert_ok(plait_telnet_attach(x, options, what, &t->u, &t->u.telnet));
    assert_ptr_equal(plait_telnet_stream(t->u.telnet), x);
    peer_attach(&t->p, y, &peer_half_protocol);
    bed_settle(&t->b);
    return t;
}

static struct table *sit(void)
{
    return sit_with(JOINT_PAIR, &usual, &handler);
}

static void rise(struct table *t)
{
    bed_close(&t->b);
    free(t);
}

static void say(struct table *t, plait_slice bytes)
{
    plait_write(t->p.s, bytes);
    bed_settle(&t->b);
}

/* What the peer got since it was asked last. */
static plait_slice got(struct table *t)
{
    const plait_slice all = plait_slice_of(t->p.got, t->p.got_len);
    t->p.got_len = 0;
    return all;
}

/* What was told since; "connected" is left out. */
static const char *story(struct table *t)
{
    static const char begin[] = "connected\n";
    const size_t skip = strncmp(t->u.story, begin, sizeof begin - 1) == 0 ? sizeof begin - 1 : 0;
    t->u.len = 0;
    return t->u.story + skip;
}

/* --- data and commands -------------------------------------------------------------------------------------------- */

static void data_and_commands_go_both_ways_over_every_carrier(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct table *t = sit_with((enum joint)joint, &usual, &handler);
        assert_string_equal(t->u.story, "connected\n");
        say(t, SLICE("hello\377\366"));
        assert_string_equal(story(t), "data hello\ncommand 246\n");
        plait_telnet_write(t->u.telnet, SLICE("a\rb\r\n\377"));
        plait_telnet_command(t->u.telnet, PLAIT_TELNET_GA);
        bed_settle(&t->b);
        assert_slice_is(got(t), SLICE("a\r\0b\r\n\377\377\377\371"));
        plait_close(t->p.s);
        bed_settle(&t->b);
        assert_string_equal(story(t), "eof\nlost\n");
        assert_err(t->u.fault.err, PLAIT_EEOF);
        rise(t);
    }
}

static void what_is_no_command_is_not_sent(void **state)
{
    (void)state;
    static const uint8_t none[] = {0, PLAIT_TELNET_EOF - 1, PLAIT_TELNET_SE, PLAIT_TELNET_SB, PLAIT_TELNET_IAC};
    struct table *t = sit();
    for (size_t i = 0; i < TEST_COUNT(none); i++)
        plait_telnet_command(t->u.telnet, none[i]);
    plait_telnet_command(t->u.telnet, PLAIT_TELNET_EOF);
    bed_settle(&t->b);
    assert_slice_is(got(t), SLICE("\377\354"));
    rise(t);
}

static void pause_user(struct user *u)
{
    plait_pause(plait_telnet_stream(u->telnet));
}

static void what_stands_behind_a_pause_comes_later(void **state)
{
    (void)state;
    struct table *t = sit();
    t->u.on_data = pause_user;
    say(t, SLICE("a\377\361b\377\361"));
    assert_string_equal(story(t), "data a\n");
    t->u.on_data = NULL;
    plait_resume(plait_telnet_stream(t->u.telnet));
    bed_settle(&t->b);
    assert_string_equal(story(t), "command 241\ndata b\ncommand 241\n");
    rise(t);
}

static void close_user(struct user *u)
{
    plait_close(plait_telnet_stream(u->telnet));
}

static void nothing_comes_behind_a_close(void **state)
{
    (void)state;
    struct table *t = sit();
    t->u.on_data = close_user;
    say(t, SLICE("a\377\361b"));
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_string_equal(story(t), "data a\nlost\n");
    rise(t);
}

static void a_handler_of_nothing_throws_everything_away(void **state)
{
    (void)state;
    struct table *t = sit_with(JOINT_PAIR, &usual, &silent);
    say(t, SLICE("a\377\361\377\373\037\377\373\030\377\373\047\377\373\311"));
    say(t, SLICE("\377\372\037\0\120\0\030\377\360\377\372\030\0X\377\360"));
    say(t, SLICE("\377\372\047\0\0A\1b\377\360\377\372\311Core.Ping\377\360"));
    (void)got(t);
    plait_close(t->p.s);
    bed_settle(&t->b);
    assert_int_equal(t->u.len, 0);
    rise(t);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static void options_are_agreed_to_by_the_rules(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\375\001\377\373\001\377\373\003\377\375\042\377\376\001"));
    assert_slice_is(got(t), SLICE("\377\373\001\377\376\001\377\375\003\377\374\042\377\374\001"));
    assert_string_equal(story(t), "us 1 on\nhim 3 on\nus 1 off\n");
    rise(t);
}

static void without_options_everything_is_refused(void **state)
{
    (void)state;
    struct table *t = sit_with(JOINT_PAIR, NULL, &handler);
    say(t, SLICE("\377\375\001\377\373\030"));
    assert_slice_is(got(t), SLICE("\377\374\001\377\376\030"));
    assert_string_equal(story(t), "");
    rise(t);
}

static void what_is_to_be_asked_for_is_asked_for(void **state)
{
    (void)state;
    static const struct plait_telnet_rule asking[] = {
        {PLAIT_TELNET_ECHO, PLAIT_TELNET_WE_ASK},
        {PLAIT_TELNET_SGA, PLAIT_TELNET_WE_ASK | PLAIT_TELNET_HE_ASK},
        {PLAIT_TELNET_NAWS, PLAIT_TELNET_HE_ASK},
    };
    const struct plait_telnet_options options = {.rules = asking, .rule_count = TEST_COUNT(asking)};
    struct table *t = sit_with(JOINT_PAIR, &options, &handler);
    assert_slice_is(got(t), SLICE("\377\373\001\377\373\003\377\375\003\377\375\037"));
    say(t, SLICE("\377\375\001\377\376\003\377\373\003\377\374\037"));
    assert_string_equal(story(t), "us 1 on\nus 3 off\nhim 3 on\nhim 31 off\n");
    plait_telnet_ask(t->u.telnet, PLAIT_TELNET_US, PLAIT_TELNET_ECHO, false);
    assert_false(plait_telnet_is_on(t->u.telnet, PLAIT_TELNET_US, PLAIT_TELNET_ECHO));
    say(t, SLICE("\377\376\001\377\375\001")); /* agreed, and asked for again by the peer */
    assert_slice_is(got(t), SLICE("\377\374\001\377\373\001"));
    assert_string_equal(story(t), "us 1 on\n");
    rise(t);
}

static void a_timing_mark_is_answered_each_time(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\375\006x\377\375\006\377\373\006\377\374\006\377\376\006"));
    assert_slice_is(got(t), SLICE("\377\373\006\377\373\006"));
    assert_string_equal(story(t), "data x\n");
    rise(t);
}

static void binary_is_for_each_direction_by_itself(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\r\0\377\373\000\r\0\377\374\000\r\0"));
    assert_slice_is(plait_slice_of(t->u.story + 10, t->u.len - 10),
                    SLICE("data \r\nhim 0 on\ndata \r\0\nhim 0 off\ndata \r\n"));
    (void)got(t);
    plait_telnet_write(t->u.telnet, SLICE("\r"));
    say(t, SLICE("\377\375\000"));
    plait_telnet_write(t->u.telnet, SLICE("\r"));
    bed_settle(&t->b);
    assert_slice_is(got(t), SLICE("\r\0\377\373\000\r"));
    rise(t);
}

/* --- what the peer says of his terminal --------------------------------------------------------------------------- */

static void a_window_is_told(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\037\0\120\0\030\377\360")); /* not agreed on */
    say(t, SLICE("\377\373\037\377\372\037\0\120\0\030\377\360\377\372\037\0\120\377\360"));
    assert_string_equal(story(t), "him 31 on\nwindow 80 x 24\n");
    rise(t);
}

static void names_of_a_terminal_are_asked_for_until_one_comes_twice(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\030\0EARLY\377\360")); /* not agreed on */
    say(t, SLICE("\377\373\030"));
    assert_slice_is(got(t), SLICE("\377\375\030\377\372\030\1\377\360"));
    say(t, SLICE("\377\372\030\0MUDLET\377\360"));
    say(t, SLICE("\377\372\030\0\033[2J\377\360")); /* malformed */
    say(t, SLICE("\377\372\030\0XTERM\377\360"));
    assert_slice_is(got(t), SLICE("\377\372\030\1\377\360\377\372\030\1\377\360"));
    say(t, SLICE("\377\372\030\0XTERM\377\360\377\372\030\0VT100\377\360\377\372\030\1\377\360"));
    assert_slice_is(got(t), SLICE(""));
    assert_string_equal(story(t), "him 24 on\nterminal MUDLET\nterminal XTERM\n");
    rise(t);
}

static void there_is_an_end_to_asking_for_names(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\373\030"));
    for (char c = 'A'; c <= 'Z'; c++) {
        const char sub[] = {'\377', '\372', '\030', '\0', c, '\377', '\360'};
        say(t, plait_slice_of(sub, sizeof sub));
    }
    assert_int_equal(got(t).len, 3 + 8 * 6);
    assert_non_null(strstr(t->u.story, "terminal H\n"));
    assert_null(strstr(t->u.story, "terminal I\n"));
    rise(t);
}

static void variables_are_told(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\047\0\0EARLY\1x\377\360\377\373\047"));
    assert_slice_is(got(t), SLICE("\377\375\047\377\372\047\1\377\360"));
    say(t, SLICE("\377\372\047\0\0USER\1ann\3A\3B\1\3C\2\2\1\2\3\377\360\377\372\047\2\0USER\1bob\377\360"));
    say(t, SLICE("\377\372\047\0\0GOOD\1\1BAD\377\360\377\372\047\4\377\360\377\372\047\1\377\360"));
    assert_string_equal(story(t), "him 39 on\nvariable USER=ann\nvariable A\nvariable B=\nvariable C\2=\3\n"
                                  "variable USER=bob\nvariable GOOD=\n");
    assert_slice_is(got(t), SLICE(""));
    t->u.on_variable = close_user;
    say(t, SLICE("\377\372\047\0\0A\1a\0B\1b\377\360"));
    assert_string_equal(story(t), "variable A=a\nlost\n");
    rise(t);
}

static void other_subnegotiations_are_the_handlers(void **state)
{
    (void)state;
    struct table *t = sit();
    assert_err(plait_telnet_sub(t->u.telnet, PLAIT_TELNET_GMCP, SLICE("x")), PLAIT_ESTATE);
    say(t, SLICE("\377\372\311early\377\360\377\373\311\377\372\311Core.Ping\377\360"));
    say(t, SLICE("\377\374\311\377\375\311\377\372\311Core.Ping\377\360"));
    assert_string_equal(story(t), "him 201 on\nsub 201 Core.Ping\nhim 201 off\nus 201 on\nsub 201 Core.Ping\n");
    (void)got(t);
    assert_ok(plait_telnet_sub(t->u.telnet, PLAIT_TELNET_GMCP, SLICE("a\377")));
    bed_settle(&t->b);
    assert_slice_is(got(t), SLICE("\377\372\311a\377\377\377\360"));
    rise(t);
}

static void a_long_subnegotiation_ends_the_connection(void **state)
{
    (void)state;
    struct plait_telnet_options options = usual;
    options.sub_max = 4;
    struct table *t = sit_with(JOINT_PAIR, &options, &handler);
    say(t, SLICE("\377\373\311\377\372\311abcd\377\360\377\372\311abcde"));
    assert_string_equal(story(t), "him 201 on\nsub 201 abcd\nlost\n");
    assert_err(t->u.fault.err, PLAIT_ETOOLONG);
    rise(t);
}

/* --- what we say of ours ------------------------------------------------------------------------------------------ */

static void our_window_is_said_and_said_again(void **state)
{
    (void)state;
    struct table *t = sit();
    plait_telnet_window(t->u.telnet, 132, 43); /* not agreed on */
    say(t, SLICE("\377\375\037"));
    plait_telnet_window(t->u.telnet, 255, 50);
    bed_settle(&t->b);
    assert_slice_is(got(t), SLICE("\377\373\037\377\372\037\0\204\0\053\377\360\377\372\037\0\377\377\0\062\377\360"));
    rise(t);
}

static void our_terminal_is_named(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\030\1\377\360\377\375\030\377\372\030\1\377\360"));
    assert_slice_is(got(t), SLICE("\377\373\030\377\372\030\0XTERM-256COLOR\377\360"));
    rise(t);
    struct plait_telnet_options options = usual;
    options.terminal = NULL;
    t = sit_with(JOINT_PAIR, &options, &handler);
    say(t, SLICE("\377\375\030\377\372\030\1\377\360"));
    assert_slice_is(got(t), SLICE("\377\373\030\377\372\030\0UNKNOWN\377\360"));
    rise(t);
}

static void a_terminal_without_a_name_is_no_option(void **state)
{
    (void)state;
    struct plait_telnet_options options = usual;
    struct plait_stream *x;
    struct plait_stream *y;
    struct bed b;
    bed_open(&b);
    join(&b, JOINT_PAIR, &x, &y);
    options.terminal = "";
    assert_err(plait_telnet_attach(x, &options, &silent, NULL, NULL), PLAIT_EINVAL);
    options.terminal = "VT\n";
    assert_err(plait_telnet_attach(x, &options, &silent, NULL, NULL), PLAIT_EINVAL);
    bed_close(&b);
}

static const struct {
    plait_slice ask, answer;
} asked[] = {
#define ROW(ask, answer)                                                                                               \
    {                                                                                                                  \
        {(const uint8_t *)(ask), sizeof(ask) - 1},                                                                     \
        {                                                                                                              \
            (const uint8_t *)(answer), sizeof(answer) - 1                                                              \
        }                                                                                                              \
    }
    ROW("", "\0USER\1ann\3LANG\1C.UTF-8\3EMPTY\1"),
    ROW("\0", "\0USER\1ann"),
    ROW("\3", "\3LANG\1C.UTF-8\3EMPTY\1"),
    ROW("\0USER", "\0USER\1ann"),
    ROW("\3LANG\0USER", "\3LANG\1C.UTF-8\0USER\1ann"),
    ROW("\0LANG", "\0LANG"), /* it is the user's */
    ROW("\3HOME\0DISPLAY", "\3HOME\0DISPLAY"),
};

static void our_variables_are_said_as_asked(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\047\1\377\360\377\375\047"));
    assert_slice_is(got(t), SLICE("\377\373\047"));
    for (size_t i = 0; i < TEST_COUNT(asked); i++) {
        plait_write(t->p.s, SLICE("\377\372\047\1"));
        plait_write(t->p.s, asked[i].ask);
        say(t, SLICE("\377\360"));
        const plait_slice answer = got(t);
        assert_slice_is(plait_slice_sub(answer, 0, 4), SLICE("\377\372\047\0"));
        assert_slice_is(plait_slice_sub(answer, 4, answer.len - 2), asked[i].answer);
    }
    rise(t);
}

static void an_answer_over_the_limit_is_not_sent(void **state)
{
    (void)state;
    struct table *t = sit();
    uint8_t ask[4000];
    memset(ask, 3, sizeof ask); /* everything, thousands of times */
    say(t, SLICE("\377\375\047\377\372\047\1"));
    say(t, plait_slice_of(ask, sizeof ask));
    say(t, SLICE("\377\360\377\372\047\1\0\377\360"));
    assert_slice_is(got(t), SLICE("\377\373\047\377\372\047\0\0USER\1ann\377\360"));
    rise(t);
}

static void the_status_of_options_is_said(void **state)
{
    (void)state;
    struct table *t = sit();
    say(t, SLICE("\377\372\005\1\377\360\377\375\005\377\375\001\377\373\003"));
    say(t, SLICE("\377\372\005\1\377\360\377\372\005\7\377\360\377\372\005\0\373\001\377\360"));
    assert_slice_is(got(t),
                    SLICE("\377\373\005\377\373\001\377\375\003\377\372\005\0\373\001\375\003\373\005\377\360"));
    assert_non_null(strstr(story(t), "sub 5 "));
    rise(t);
}

/* --- a peer that does not read, and memory that fails ------------------------------------------------------------- */

/* Asks for our variables thousands of times at once, and reads nothing until it is told to. */
static void answers_wait_for_a_peer_that_does_not_read(void **state)
{
    (void)state;
    enum { TIMES = 8000, ANSWER = 35 };
    static const char ask[] = "\377\372\047\1\377\360";
    struct table *t = sit_with(JOINT_UNIX, &usual, &handler);
    struct plait_stream *s = plait_telnet_stream(t->u.telnet);
    plait_stream_marks(s, 4096, 1024);
    say(t, SLICE("\377\375\047"));
    plait_pause(t->p.s);
    for (int i = 0; i < TIMES; i++)
        plait_write(t->p.s, plait_slice_of(ask, sizeof ask - 1));
    for (int i = 0; i < 50; i++) {
        bed_settle(&t->b);
        assert_true(plait_pending(s) <= 4096 + ANSWER);
    }
    assert_true(plait_is_full(s));
    (void)got(t);
    plait_resume(t->p.s);
    for (int i = 0; i < 400; i++)
        bed_settle(&t->b);
    assert_int_equal(t->p.got_len, TIMES * ANSWER);
    assert_non_null(strstr(story(t), "room\n"));
    rise(t);
}

static void a_lack_of_memory_is_told_when_attaching(void **state)
{
    (void)state;
    struct bed b;
    struct plait_stream *x;
    struct plait_stream *y;
    bed_open(&b);
    join(&b, JOINT_PAIR, &x, &y);
    bed_fail(&b, 1);
    assert_err(plait_telnet_attach(x, &usual, &silent, NULL, NULL), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_ok(plait_telnet_attach(x, &usual, &silent, NULL, NULL));
    bed_close(&b);
}

/* Whatever allocation fails: the stream ends with that, or nothing is missing. */
static void a_lack_of_memory_later_ends_the_stream_only(void **state)
{
    (void)state;
    static const plait_slice talks[] = {
        {(const uint8_t *)"\377\373\030\377\372\030\0XTERM\377\360", 14},
        {(const uint8_t *)"\377\373\047\377\372\047\0\0A\1b\377\360", 13},
        {(const uint8_t *)"\377\375\047\377\372\047\1\377\360", 9},
        {(const uint8_t *)"\377\375\005\377\372\005\1\377\360", 9},
        {(const uint8_t *)"\377\375\037", 3},
    };
    for (size_t i = 0; i < TEST_COUNT(talks); i++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            struct table *t = sit();
            bed_settle(&t->b);
            plait_write(t->p.s, talks[i]);
            bed_fail(&t->b, k);
            bed_settle(&t->b);
            failed = t->b.heap.calls >= t->b.heap.fail_at;
            bed_heal(&t->b);
            bed_settle(&t->b);
            if (!t->u.telnet)
                assert_err(t->u.fault.err, PLAIT_ENOMEM);
            assert_true(k < 100);
            rise(t);
        }
    }
}

/* --- against another one ------------------------------------------------------------------------------------------ */

static void a_client_and_a_server_find_each_other(void **state)
{
    (void)state;
    static const struct plait_telnet_rule serve[] = {
        {PLAIT_TELNET_ECHO, PLAIT_TELNET_WE_ASK},   {PLAIT_TELNET_SGA, PLAIT_TELNET_WE_ASK | PLAIT_TELNET_HE_MAY},
        {PLAIT_TELNET_TTYPE, PLAIT_TELNET_HE_ASK},  {PLAIT_TELNET_NAWS, PLAIT_TELNET_HE_ASK},
        {PLAIT_TELNET_BINARY, PLAIT_TELNET_HE_ASK}, {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_HE_ASK},
    };
    static const struct plait_telnet_rule call[] = {
        {PLAIT_TELNET_ECHO, PLAIT_TELNET_HE_MAY},        {PLAIT_TELNET_SGA, PLAIT_TELNET_HE_MAY | PLAIT_TELNET_WE_ASK},
        {PLAIT_TELNET_TTYPE, PLAIT_TELNET_WE_MAY},       {PLAIT_TELNET_NAWS, PLAIT_TELNET_WE_MAY},
        {PLAIT_TELNET_NEW_ENVIRON, PLAIT_TELNET_WE_MAY},
    };
    const struct plait_telnet_options server = {.rules = serve, .rule_count = TEST_COUNT(serve)};
    struct plait_telnet_options client = usual;
    struct user ends[2] = {{.telnet = NULL}, {.telnet = NULL}};
    struct plait_stream *x;
    struct plait_stream *y;
    struct bed b;
    client.rules = call;
    client.rule_count = TEST_COUNT(call);
    bed_open(&b);
    join(&b, JOINT_PAIR, &x, &y);
    assert_ok(plait_telnet_attach(x, &server, &handler, &ends[0], &ends[0].telnet));
    assert_ok(plait_telnet_attach(y, &client, &handler, &ends[1], &ends[1].telnet));
    bed_settle(&b);
    assert_string_equal(ends[0].story, "connected\nhim 3 on\nus 1 on\nus 3 on\nhim 24 on\nhim 31 on\n"
                                       "window 80 x 24\nhim 0 off\nhim 39 on\nterminal XTERM-256COLOR\n"
                                       "variable USER=ann\nvariable LANG=C.UTF-8\nvariable EMPTY=\n");
    assert_string_equal(ends[1].story, "connected\nhim 1 on\nhim 3 on\nus 24 on\nus 31 on\nus 39 on\nus 3 on\n");
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(data_and_commands_go_both_ways_over_every_carrier),
          cmocka_unit_test(what_is_no_command_is_not_sent), cmocka_unit_test(what_stands_behind_a_pause_comes_later),
          cmocka_unit_test(nothing_comes_behind_a_close), cmocka_unit_test(a_handler_of_nothing_throws_everything_away),
          cmocka_unit_test(options_are_agreed_to_by_the_rules), cmocka_unit_test(without_options_everything_is_refused),
          cmocka_unit_test(what_is_to_be_asked_for_is_asked_for), cmocka_unit_test(a_timing_mark_is_answered_each_time),
          cmocka_unit_test(binary_is_for_each_direction_by_itself), cmocka_unit_test(a_window_is_told),
          cmocka_unit_test(names_of_a_terminal_are_asked_for_until_one_comes_twice),
          cmocka_unit_test(there_is_an_end_to_asking_for_names), cmocka_unit_test(variables_are_told),
          cmocka_unit_test(other_subnegotiations_are_the_handlers),
          cmocka_unit_test(a_long_subnegotiation_ends_the_connection),
          cmocka_unit_test(our_window_is_said_and_said_again), cmocka_unit_test(our_terminal_is_named),
          cmocka_unit_test(a_terminal_without_a_name_is_no_option), cmocka_unit_test(our_variables_are_said_as_asked),
          cmocka_unit_test(an_answer_over_the_limit_is_not_sent), cmocka_unit_test(the_status_of_options_is_said),
          cmocka_unit_test(answers_wait_for_a_peer_that_does_not_read),
          cmocka_unit_test(a_lack_of_memory_is_told_when_attaching),
          cmocka_unit_test(a_lack_of_memory_later_ends_the_stream_only),
          cmocka_unit_test(a_client_and_a_server_find_each_other))
