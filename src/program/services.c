/* SPDX-License-Identifier: MIT
 *
 * The services that the program knows: how each is made of its words, and how one is started at an endpoint.
 *
 * Invariant: a service that could not start has said why in one line.
 * Test: tests/program/.
 */
#include "program/program.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_BYTES = 64 * 1024, PEOPLE = 256 };

static struct plait_service *make_web(struct plait_reactor *r, const struct service_words *words, char *why)
{
    struct plait_resource *root = NULL;
    const struct plait_files_options options = {.no_listing = words->no_listing, .welcome = words->welcome};
    const char *folder = words->root ? words->root : ".";
    const plait_err err = plait_files_new(r, folder, &options, &root);
    if (err != PLAIT_OK) {
        snprintf(why, WHY_BYTES, "the folder '%s' cannot be served: %s", folder, plait_err_text(err));
        return NULL;
    }
    return plait_http(root);
}

static struct plait_service *make_small(struct plait_reactor *r, enum plait_small which, const struct service_words *words)
{
    const struct plait_small_options options = {.quote = words->quote};
    return plait_small_service(r, which, &options);
}

#define MAKE_SMALL(name, which)                                                                                       \
    static struct plait_service *make_##name(struct plait_reactor *r, const struct service_words *words, char *why)   \
    {                                                                                                                 \
        (void)why;                                                                                                    \
        return make_small(r, which, words);                                                                           \
    }

MAKE_SMALL(echo, PLAIT_ECHO)
MAKE_SMALL(discard, PLAIT_DISCARD)
MAKE_SMALL(chargen, PLAIT_CHARGEN)
MAKE_SMALL(qotd, PLAIT_QOTD)
MAKE_SMALL(daytime, PLAIT_DAYTIME)
MAKE_SMALL(time, PLAIT_TIME)
MAKE_SMALL(netstring, PLAIT_NETSTRING_ECHO)

/* --- finger's table --------------------------------------------------------------------------------------------------------- */

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

static bool cut_table(char *text, struct plait_finger_entry *people, size_t *count, char *why)
{
    size_t line_number = 0;
    for (char *line = text; line && *line; line_number++) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            if (*count == PEOPLE || !cut_person(line, &people[*count])) {
                snprintf(why, WHY_BYTES, "line %zu of the table is not user:name:plan, or is one too many", line_number + 1);
                return false;
            }
            ++*count;
        }
        line = end;
    }
    return true;
}

static bool read_table(const char *path, char *text, char *why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, TABLE_BYTES) : -1;
    if (fd >= 0)
        close(fd);
    if (n < 0 || n == TABLE_BYTES) {
        snprintf(why, WHY_BYTES, n < 0 ? "the table '%s' cannot be read" : "the table '%s' is larger than 64 KiB", path);
        return false;
    }
    text[n] = '\0';
    return true;
}

static struct plait_service *make_finger(struct plait_reactor *r, const struct service_words *words, char *why)
{
    struct plait_finger_directory directory = plait_finger_accounts(r);
    char text[TABLE_BYTES + 1];
    struct plait_finger_entry people[PEOPLE];
    size_t count = 0;
    if (words->table) {
        if (!read_table(words->table, text, why) || !cut_table(text, people, &count, why))
            return NULL;
        if (plait_finger_table(r, people, count, &directory) != PLAIT_OK)
            return NULL;
    }
    return plait_finger_service(r, &directory, NULL);
}

const struct service_kind service_kinds[] = {
    {"web", "tcp:8080", "a folder over HTTP: --root DIR, --no-listing", make_web, -1},
    {"finger", "tcp:7079", "people of this machine, or --table FILE of user:name:plan", make_finger, -1},
    {"echo", "tcp:7007", "what comes goes back", make_echo, PLAIT_ECHO},
    {"discard", "tcp:7009", "what comes is thrown away", make_discard, PLAIT_DISCARD},
    {"daytime", "tcp:7013", "the time, for people", make_daytime, PLAIT_DAYTIME},
    {"qotd", "tcp:7017", "the quote of the day: --quote TEXT", make_qotd, PLAIT_QOTD},
    {"chargen", "tcp:7019", "characters without end", make_chargen, PLAIT_CHARGEN},
    {"time", "tcp:7037", "the time, for machines", make_time, PLAIT_TIME},
    {"netstring", "tcp:7020", "each netstring goes back", make_netstring, -1},
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

/* --- starting ----------------------------------------------------------------------------------------------------------------- */

static void print_line(const struct service_kind *kind, const char *carrier, const struct plait_address *address)
{
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_address_format(address, text);
    if (strcmp(kind->name, "web") == 0 && address->kind != PLAIT_ADDR_UNIX)
        printf("%-10s http://%s/\n", kind->name, text);
    else
        printf("%-10s %s %s\n", kind->name, carrier, text);
    fflush(stdout);
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

static int start_datagram(const struct command *command, struct plait_reactor *r, const struct service_kind *kind, const char *endpoint,
                          const struct service_words *words)
{
    struct plait_endpoint e;
    struct plait_address address;
    struct plait_small_datagram *small;
    char why[WHY_BYTES] = "";
    const struct plait_small_options options = {.quote = words->quote};
    if (kind->small < 0)
        return wrong_usage(command, "%s has no form over datagrams", kind->name);
    if (plait_endpoint_parse(endpoint, &e, why) != PLAIT_OK || udp_address(&e, &address) != PLAIT_OK)
        return wrong_usage(command, "%s", why);
    const plait_err err = plait_small_datagram_open(r, (enum plait_small)kind->small, &address, &options, &small);
    if (err != PLAIT_OK)
        return failed(command, "%s at %s: %s", kind->name, endpoint, plait_err_text(err));
    plait_small_datagram_address(small, &address);
    print_line(kind, "udp", &address);
    return EXIT_DONE; /* it is the reactor's memory, and goes with the process */
}

int start_service(const struct command *command, struct plait_reactor *r, const struct service_kind *kind, const char *endpoint,
                  const struct service_words *words)
{
    char why[WHY_BYTES] = "";
    struct plait_listener *listener = NULL;
    struct plait_address address;
    if (strncmp(endpoint, "udp:", 4) == 0)
        return start_datagram(command, r, kind, endpoint, words);
    struct plait_service *service = kind->make(r, words, why);
    if (!service)
        return failed(command, "%s: %s", kind->name, why[0] ? why : plait_err_text(PLAIT_ENOMEM));
    const plait_err err = plait_serve_with(r, endpoint, NULL, service, &listener, why);
    if (err == PLAIT_ESYNTAX)
        return wrong_usage(command, "%s", why);
    if (err != PLAIT_OK)
        return failed(command, "%s at %s: %s", kind->name, endpoint, why[0] ? why : plait_err_text(err));
    if (listener) {
        plait_listener_address(listener, &address);
        print_line(kind, address.kind == PLAIT_ADDR_UNIX ? "" : "tcp", &address);
    }
    return EXIT_DONE;
}

int run_services(const struct command *command, struct plait_reactor **r)
{
    const plait_err err = plait_reactor_run(*r);
    plait_reactor_free(r);
    return err == PLAIT_OK ? EXIT_DONE : failed(command, "%s", plait_err_text(err));
}
