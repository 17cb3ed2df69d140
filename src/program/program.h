/* SPDX-License-Identifier: MIT
 *
 * What the subcommands share: the table that names them, reading options, saying what went wrong.
 */
#ifndef PLAIT_PROGRAM_PROGRAM_H
#define PLAIT_PROGRAM_PROGRAM_H

#include <plait/plait.h>

#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIGURATION = 78, WHY_BYTES = 320, DATAGRAMS_MAX = 32 };

/* The words of a command line, taken from the front. */
struct words {
    char **at;
    char **end;
};

/* One subcommand; a file each. `run` gets the words behind its name. */
struct command {
    const char *name;
    const char *usage; /* one line */
    const char *help;  /* the rest of --help */
    int (*run)(const struct command *command, struct words *words);
};

extern const struct command command_up;
extern const struct command command_serve;
extern const struct command command_fetch;
extern const struct command command_finger;
extern const struct command command_passwd;
extern const struct command command_supervise;
extern const struct command command_telnet;

/* Prints "plait NAME: …" on standard error and returns EXIT_USAGE, or EXIT_FAILED. */
int wrong_usage(const struct command *command, const char *fmt, ...) PLAIT_PRINTF(2, 3);
int failed(const struct command *command, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/* Takes the next word; NULL at the end. */
const char *next_word(struct words *words);

/* When the next word is `--name` or `--name=value` (or the one-letter form, may be 0), takes it with its value and
 * returns true. *value is NULL when none is left. */
bool take_option(struct words *words, const char *name, char letter, const char **value);

/* The same for an option without a value. */
bool take_flag(struct words *words, const char *name, char letter);

/* Takes --log FORM or --log-level LEVEL. Returns false when neither is next; *wrong tells that its value is none. */
bool take_log_option(struct words *words, struct plait_log_options *log, bool *wrong);
#define LOG_HELP                                                                                                       \
    "  --log FORM, --log-level LEVEL   text (the usual) or json; debug, info (the usual), notice, warn, error\n"
#define LOG_WRONG "--log wants text or json, --log-level one of debug, info, notice, warn, error"

/* Runs until a deferred fires, as plait_reactor_run_until does; `why` gets the fault in words, with what is known of
 * it. */
plait_err wait_for(struct plait_reactor *r, struct plait_deferred *deferred, plait_value *value, char why[WHY_BYTES]);

/* Whether one of the words is --help (or the first -h), as far as they are options; prints it. */
bool asked_for_help(const struct command *command, struct words *words);

/* --- services, shared by up and serve ----------------------------------------------------------------------------- */

enum { WEB_EACH_MAX = 16 };

/* An option that may come several times. */
struct several {
    const char *value[WEB_EACH_MAX];
    size_t count;
};

/* What the web server was told beside its folder; web.c. */
struct web_words {
    const char *access_log, *realm, *access_form, *hsts, *https, *rate, *in_flight, *users, *live_hosts, *cache, *front;
    struct several user, redirect, host, rewrite, error_page, cgi, fastcgi, proxy;
    bool compress, health, metrics, live;
    struct plait_access_log *log; /* opened by the first endpoint */
};

/* Takes one of these options: returns false when none is next. *value is NULL when its value lacks, *full is set when
 * there are too many of one. */
bool take_web_option(struct words *words, struct web_words *web, const char **value, bool *full);
#define WEB_HELP                                                                                                       \
    "  web also takes: --compress; --access-log FILE (- is standard output), --access-form combined|json;\n"           \
    "             --cache BYTES[/PERCENT]; --cgi PATH=DIR or PATH=PROGRAM;\n"                                          \
    "             --fastcgi *.SUFFIX=ENDPOINT (scripts of the folder) or PATH=ENDPOINT; --fastcgi-front SCRIPT;\n"     \
    "             --proxy PATH=URL[,URL...] (PATH / for everything);\n"                                                \
    "             --user NAME:PASSWORD, --users FILE, --realm NAME; --redirect PATH=URL; --host NAME=DIR;\n"           \
    "             --rewrite FROM=TO; --error-page STATUS=FILE; --health (/health/live, /health/ready);\n"              \
    "             --metrics (/metrics); --rate N[/BURST]; --in-flight N; --https PORT; --hsts SECONDS;\n"              \
    "             --live (the live page at /_plait/), --live-hosts NAMES (it may be asked for by)\n"

/* What the forward proxy was told; proxy.c. The users are those of `web`. */
struct proxy_words {
    const char *allow, *refuse, *ports;
    bool no_connect;
};
bool take_proxy_option(struct words *words, struct proxy_words *proxy, struct web_words *web, const char **value,
                       bool *full);

/* What forwarding was told; forward.c. */
struct forward_words {
    const char *to, *header, *idle;
};
bool take_forward_option(struct words *words, struct forward_words *forward, const char **value);

/* What was told of a program for each connection; run.c. */
struct run_words {
    const char *command, *at_once, *idle, *life, *kill_after;
    bool socket, pty;
};
bool take_run_option(struct words *words, struct run_words *run, const char **value);
struct service_words;
struct trouble;
struct plait_service *make_run(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble);
struct plait_service *make_forward(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble);
/* Lets only the users in that `web` names; `proxy`: as a proxy does. web.c. */
bool add_users(struct plait_reactor *r, struct plait_resource *root, const struct web_words *web, bool proxy,
               struct trouble *trouble);
struct plait_service *make_proxy(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble);

/* What a service was told on the command line. */
struct service_words {
    const char *root;  /* web: folder */
    const char *table; /* finger: file of people instead of accounts */
    const char *quote; /* qotd */
    bool no_listing;
    bool welcome;
    struct web_words *web; /* NULL: nothing more */
    struct proxy_words *proxy;
    struct forward_words *forward;
    struct run_words *run;
};

/* What keeps a service from starting, and the exit status that it means. */
struct trouble {
    int status;
    char why[WHY_BYTES];
};

/* A kind of service that the program knows. */
struct service_kind {
    const char *name;
    const char *endpoint; /* where `up` puts it */
    const char *help;
    struct plait_service *(*make)(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble);
    int small;  /* enum plait_small for a datagram form; -1: none */
    bool relay; /* it connects on behalf of others: `up` leaves it out */
};

struct plait_service *make_web(struct plait_reactor *r, const struct service_words *words, struct trouble *trouble);

/* Writes down what is wrong; returns false for the caller to pass on. */
bool told(struct trouble *trouble, int status, const char *fmt, ...) PLAIT_PRINTF(3, 4);

extern const struct service_kind service_kinds[];
extern const size_t service_kind_count;

const struct service_kind *find_service(const char *name);

/* A reactor and what the program keeps running on it. */
struct serving {
    const struct command *command;
    struct plait_reactor *r;
    bool quiet; /* prints no line for a service */
    size_t datagrams;
    struct plait_small_datagram *datagram[DATAGRAMS_MAX];
};

/* Makes the reactor. Returns EXIT_DONE, or says why not; serving_end undoes it in both cases. */
int serving_begin(struct serving *serving, const struct command *command, const struct plait_log_options *log);
void serving_end(struct serving *serving);

/* Starts a service and prints its line. Returns EXIT_DONE, or says why not. */
int start_service(struct serving *serving, const struct service_kind *kind, const char *endpoint,
                  const struct service_words *words);

/* Runs until the end; returns the exit status. */
int run_services(struct serving *serving);

#endif
