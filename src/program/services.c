/* SPDX-License-Identifier: MIT
 *
 * The services that the program knows: how each is made of its words, and how one is started at an endpoint.
 *
 * Invariant: a service that could not start has said why in one line.
 * Tests: tests/program/words.py and its neighbours.
 */
#include "program/program.h"

#include <errno.h>
#include <string.h>

enum { TABLE_BYTES = 64 * 1024, PEOPLE = 256 };

bool told(struct trouble *trouble, int status, const char *fmt, ...)
{
    va_list args;
    trouble->status = status;
    va_start(args, fmt);
    vsnprintf(trouble->why, sizeof trouble->why, fmt, args);
    va_end(args);
    return false;
}

static struct plait_service *make_small(struct plait_reactor *r, enum plait_small which,
                                        const struct service_words *words)
{
    const struct plait_small_options options = {.quote = words->quote};
    return plait_small_service(r, which, &options);
}

#define MAKE_SMALL(name, which)                                                                                        \
    static struct plait_service *make_##name(struct plait_reactor *r, const struct service_words *words,               \
                                             struct trouble *trouble)                                                  \
    {                                                                                                                  \
        (void)trouble;                                                                                                 \
        return make_small(r, which, words);                                                                            \
    }

MAKE_SMALL(echo, PLAIT_ECHO)
MAKE_SMALL(discard, PLAIT_DISCARD)
MAKE_SMALL(chargen, PLAIT_CHARGEN)
MAKE_SMALL(qotd, PLAIT_QOTD)
MAKE_SMALL(daytime, PLAIT_DAYTIME)
MAKE_SMALL(time, PLAIT_TIME)
MAKE_SMALL(netstring, PLAIT_NETSTRING_ECHO)

/* --- finger's table ----------------------------------------------------------------------------------------------- */

/* Cuts "user:name:plan" at its colons, in place. */
static bool cut_person(char *line, struct plait_finger_entry *out)
{
    char *name = strchr(line, ':');
    if (!name || name == line)
        return false;
    *name++ = '\0';
    char *plan = strchr(name, ':');
    if (plan)
        *plan++ = '\0';
    *out = (struct plait_finger_entry){.user = line, .name = name, .plan = plan ? plan : ""};
    return true;
}

/* Ends the line at `line` with a zero, without its CR. Returns the next one, NULL behind the last. */
static char *cut_line(char *line)
{
    char *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    if (end > line && end[-1] == '\r')
        end[-1] = '\0';
    return end + 1;
}

static bool cut_table(const char *path, char *text, struct plait_finger_entry *people, size_t *count,
                      struct trouble *trouble)
{
    size_t number = 0;
    char *next;
    for (char *line = text; line; line = next) {
        next = cut_line(line);
        number++;
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (*count == PEOPLE)
            return told(trouble, EXIT_CONFIGURATION, "%s:%zu: a table has at most %d people", path, number, PEOPLE);
        if (!cut_person(line, &people[(*count)++]))
            return told(trouble, EXIT_CONFIGURATION, "%s:%zu: '%.40s' is not of the form user:name:plan", path, number,
                        line);
    }
    return true;
}

static bool read_table(const char *path, char *text, struct trouble *trouble)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return told(trouble, EXIT_CONFIGURATION, "the table '%s' cannot be read: %s", path, strerror(errno));
    const size_t n = fread(text, 1, TABLE_BYTES, file);
    const bool whole = n < TABLE_BYTES && !ferror(file);
    fclose(file);
    if (!whole)
        return told(trouble, EXIT_CONFIGURATION, "the table '%s' cannot be read, or has 64 KiB and more", path);
    text[n] = '\0';
    return true;
}

static struct plait_service *make_finger(struct plait_reactor *r, const struct service_words *words,
                                         struct trouble *trouble)
{
    struct plait_finger_directory directory = plait_finger_accounts(r);
    char text[TABLE_BYTES + 1];
    struct plait_finger_entry people[PEOPLE];
    size_t count = 0;
    if (words->table) {
        if (!read_table(words->table, text, trouble) || !cut_table(words->table, text, people, &count, trouble))
            return NULL;
        if (plait_finger_table(r, people, count, &directory) != PLAIT_OK)
            return NULL;
    }
    return plait_finger_service(r, &directory, NULL);
}

const struct service_kind service_kinds[] = {
    {"web", "tcp:8080", "a folder over HTTP: --root DIR, --no-listing …", make_web, -1, false},
    {"finger", "tcp:7079", "people of this machine, or --table FILE of user:name:plan", make_finger, -1, false},
    {"echo", "tcp:7007", "what comes goes back", make_echo, PLAIT_ECHO, false},
    {"discard", "tcp:7009", "what comes is thrown away", make_discard, PLAIT_DISCARD, false},
    {"daytime", "tcp:7013", "the time, for people", make_daytime, PLAIT_DAYTIME, false},
    {"qotd", "tcp:7017", "the quote of the day: --quote TEXT", make_qotd, PLAIT_QOTD, false},
    {"chargen", "tcp:7019", "characters without end", make_chargen, PLAIT_CHARGEN, false},
    {"time", "tcp:7037", "the time, for machines", make_time, PLAIT_TIME, false},
    {"netstring", "tcp:7020", "each netstring goes back", make_netstring, -1, false},
    {"proxy", "tcp:3128", "HTTP proxy for clients: --allow LIST, --ports LIST, --user NAME:PASSWORD …", make_proxy, -1,
     true},
    {"forward", "tcp:7022", "carries connections on: --to ENDPOINT, --send-proxy v1|v2", make_forward, -1, true},
    {"program", "tcp:7098", "a program for each connection: --run COMMAND, --socket, --pty …", make_run, -1, true},
};
const size_t service_kind_count = sizeof service_kinds / sizeof service_kinds[0];

const struct service_kind *find_service(const char *name)
{
    for (size_t i = 0; i < service_kind_count; i++) {
        if (strcmp(service_kinds[i].name, name) == 0)
            return &service_kinds[i];
    }
    return NULL;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static void print_line(const struct serving *serving, const struct service_kind *kind, const char *carrier,
                       const struct plait_address *address)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    if (serving->quiet)
        return;
    plait_address_format(address, text);
    const bool is_url = strncmp(carrier, "http", 4) == 0;
    if (is_url)
        printf("%-10s %s://%s/\n", kind->name, carrier, text);
    else
        printf("%-10s %s%s%s\n", kind->name, carrier, carrier[0] ? " " : "", text);
    fflush(stdout);
}

/* What stands before an address: how to talk to it. */
static const char *carrier_of(const struct service_kind *kind, const char *endpoint,
                              const struct plait_address *address)
{
    const bool tls = strncmp(endpoint, "tls:", 4) == 0 || strncmp(endpoint, "ssl:", 4) == 0;
    if (address->kind == PLAIT_ADDR_UNIX)
        return ""; /* its text says so */
    if (strcmp(kind->name, "web") == 0 || strcmp(kind->name, "proxy") == 0)
        return tls ? "https" : "http";
    return tls ? "tls" : "tcp";
}

/* udp:PORT[:interface=ADDRESS] */
static plait_err udp_address(struct plait_endpoint *e, struct plait_address *out)
{
    uint64_t port;
    const char *text = plait_endpoint_arg(e, NULL, 0);
    const char *interface = plait_endpoint_arg(e, "interface", 0);
    if (!text || plait_slice_to_u64(plait_slice_text(text), 65535, &port) != PLAIT_OK)
        return plait_endpoint_wrong(e, "udp wants a port of 0 to 65535, as in udp:7007");
    if (interface && strcmp(interface, "*") == 0)
        interface = "0.0.0.0";
    if (plait_address_parse_ip(plait_slice_text(interface ? interface : "127.0.0.1"), (uint16_t)port, out) != PLAIT_OK)
        return plait_endpoint_wrong(e, "interface=%s is no IP address", interface);
    return plait_endpoint_finish(e);
}

static int start_datagram(struct serving *serving, const struct service_kind *kind, const char *endpoint,
                          const struct service_words *words)
{
    const struct command *command = serving->command;
    struct plait_endpoint e;
    struct plait_address address;
    char why[WHY_BYTES] = "";
    const struct plait_small_options options = {.quote = words->quote};
    if (kind->small < 0)
        return wrong_usage(command, "%s has no form over datagrams; tcp:PORT is right", kind->name);
    if (plait_endpoint_parse(endpoint, &e, why) != PLAIT_OK || udp_address(&e, &address) != PLAIT_OK)
        return wrong_usage(command, "%s", why);
    if (serving->datagrams == DATAGRAMS_MAX)
        return wrong_usage(command, "at most %d datagram endpoints", DATAGRAMS_MAX);
    struct plait_small_datagram **small = &serving->datagram[serving->datagrams];
    const plait_err err =
        plait_small_datagram_open(serving->r, (enum plait_small)kind->small, &address, &options, small);
    if (err != PLAIT_OK)
        return failed(command, "%s at %s: %s", kind->name, endpoint, plait_err_text(err));
    plait_small_datagram_address(*small, &address);
    serving->datagrams++;
    print_line(serving, kind, "udp", &address);
    return EXIT_DONE;
}

static void print_live(const struct serving *serving, const char *carrier, const struct plait_address *address)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    if (serving->quiet || address->kind == PLAIT_ADDR_UNIX)
        return;
    printf("%-10s %s://%s/_plait/\n", "live page", carrier, plait_address_format(address, text));
    fflush(stdout);
}

static int start_listener(struct serving *serving, const struct service_kind *kind, const char *endpoint,
                          struct plait_service *service, const struct service_words *words)
{
    char why[WHY_BYTES] = "";
    struct plait_listener *listener = NULL;
    struct plait_address address;
    const plait_err err = plait_serve_with(serving->r, endpoint, NULL, service, &listener, why);
    if (err == PLAIT_ESYNTAX)
        return wrong_usage(serving->command, "%s: %s", kind->name, why);
    if (err != PLAIT_OK)
        return failed(serving->command, "%s: %s", kind->name, why);
    if (listener) {
        plait_listener_address(listener, &address);
        print_line(serving, kind, carrier_of(kind, endpoint, &address), &address);
        if (strcmp(kind->name, "web") == 0 && words->web && words->web->live)
            print_live(serving, carrier_of(kind, endpoint, &address), &address);
    }
    return EXIT_DONE;
}

int start_service(struct serving *serving, const struct service_kind *kind, const char *endpoint,
                  const struct service_words *words)
{
    struct trouble trouble = {.status = EXIT_FAILED, .why = "out of memory"};
    if (strncmp(endpoint, "udp:", 4) == 0)
        return start_datagram(serving, kind, endpoint, words);
    struct plait_service *service = kind->make(serving->r, words, &trouble);
    if (service)
        return start_listener(serving, kind, endpoint, service, words);
    (void)failed(serving->command, "%s: %s", kind->name, trouble.why);
    return trouble.status;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

int serving_begin(struct serving *serving, const struct command *command, const struct plait_log_options *log)
{
    const struct plait_reactor_options options = {.log = log};
    *serving = (struct serving){.command = command, .r = plait_new_with(&options)};
    return serving->r ? EXIT_DONE : failed(command, "the reactor could not be made: %s", plait_err_text(PLAIT_ENOMEM));
}

int run_services(struct serving *serving)
{
    const plait_err err = plait_reactor_run(serving->r);
    return err == PLAIT_OK ? EXIT_DONE : failed(serving->command, "%s", plait_err_text(err));
}

void serving_end(struct serving *serving)
{
    for (size_t i = 0; i < serving->datagrams; i++)
        plait_small_datagram_close(&serving->datagram[i]);
    plait_reactor_free(&serving->r);
}
