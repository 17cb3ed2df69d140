/* SPDX-License-Identifier: MIT
 *
 * The endpoint kinds of this machine: UNIX sockets, descriptors that somebody left us (systemd's socket activation, fd,
 * stdio), and programs that are run (exec).
 *
 * Invariant: descriptors 0, 1 and those of a service manager stay open: what we serve on is a duplicate.
 * Test: tests/engine/test_endpoint.c, test_serve.c.
 */
#include "base/try.h"
#include "engine/connect_core.h"
#include "engine/kinds_core.h"
#include "engine/listen_core.h"

#include <plait/process.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FIRST_PASSED = 3, PASSED_MAX = 1024, EXEC_ARGS = PLAIT_ENDPOINT_ARGS_MAX + 1 };

/* --- unix --------------------------------------------------------------------------------------------------------- */

static plait_err read_path(struct plait_endpoint *e, const char *key, struct plait_address *a)
{
    const char *path;
    PLAIT_TRY(plait__word_needed(e, key, 0, "a path or an abstract @name", &path));
    if (plait_address_unix(plait_slice_text(path), a) != PLAIT_OK)
        return plait_endpoint_wrong(e, "the path is longer than %d bytes, which is all that a UNIX socket's name has",
                                    PLAIT_ADDR_NAME_MAX);
    return PLAIT_OK;
}

static plait_err read_unix(struct plait_endpoint *e, struct plait_listen_options *o, struct plait_address *a)
{
    bool lockfile = true; /* Twisted's way against stale files; ours needs none */
    PLAIT_TRY(read_path(e, "address", a));
    PLAIT_TRY(plait__word_octal(e, "mode", &o->unix_mode));
    PLAIT_TRY(plait__word_bool(e, "lockfile", &lockfile));
    PLAIT_TRY(plait__words_listen(e, o));
    return plait_endpoint_finish(e);
}

plait_err plait__kind_unix_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                  struct plait_service *service, struct plait_listener **out)
{
    struct plait_address a;
    const plait_err err = read_unix(e, o, &a);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    return plait_listen(e->reactor, &a, o, service, out);
}

struct plait_deferred *plait__kind_unix_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err)
{
    struct plait_address a;
    bool lockfile = false;
    *err = read_path(e, "path", &a);
    if (*err == PLAIT_OK)
        *err = plait__word_bool(e, "lockfile", &lockfile);
    if (*err == PLAIT_OK)
        *err = plait__word_span(e, "timeout", &o->timeout);
    if (*err == PLAIT_OK)
        *err = plait_endpoint_finish(e);
    return *err == PLAIT_OK ? plait_connect_address(e->reactor, &a, o) : NULL;
}

/* --- systemd ------------------------------------------------------------------------------------------------------ */

static uint64_t env_number(struct plait_reactor *r, const char *name)
{
    uint64_t value = 0;
    const char *text = r->sys->ops->env(r->sys, name);
    if (!text || plait_slice_to_u64(plait_slice_text(text), UINT32_MAX, &value) != PLAIT_OK)
        return 0;
    return value;
}

/* How many descriptors a service manager passed to this very process (sd_listen_fds(3)). */
static uint64_t passed_count(struct plait_reactor *r)
{
    const uint64_t count = env_number(r, "LISTEN_FDS");
    return env_number(r, "LISTEN_PID") == (uint64_t)getpid() && count < PASSED_MAX ? count : 0;
}

/* Index of a name in LISTEN_FDNAMES, or UINT64_MAX. */
static uint64_t find_name(struct plait_reactor *r, const char *name, uint64_t count)
{
    plait_slice rest = plait_slice_text(r->sys->ops->env(r->sys, "LISTEN_FDNAMES"));
    for (uint64_t i = 0; i < count; i++) {
        const size_t colon = plait_slice_find_byte(rest, ':', 0);
        if (plait_slice_equal(plait_slice_sub(rest, 0, colon), plait_slice_text(name)))
            return i;
        rest = plait_slice_sub(rest, colon == SIZE_MAX ? rest.len : colon + 1, rest.len);
    }
    return UINT64_MAX;
}

static plait_err find_passed(struct plait_endpoint *e, int *fd)
{
    uint64_t index = UINT64_MAX;
    const uint64_t count = passed_count(e->reactor);
    const char *name = plait_endpoint_arg(e, "name", 0);
    PLAIT_TRY(plait__word_number(e, "index", PASSED_MAX, &index));
    if ((name != NULL) == (index != UINT64_MAX))
        return plait_endpoint_wrong(e, "\"systemd:\" needs index=N or name=NAME, one of them");
    if (name)
        index = find_name(e->reactor, name, count);
    if (count == 0)
        return plait_endpoint_wrong(e, "no descriptor was passed to this process by a service manager (LISTEN_FDS)");
    if (name && index == UINT64_MAX)
        return plait_endpoint_wrong(e, "no descriptor of the name \"%.60s\" was passed (LISTEN_FDNAMES)", name);
    if (index >= count)
        return plait_endpoint_wrong(e, "there is no descriptor %llu; %llu were passed, counted from 0",
                                    (unsigned long long)index, (unsigned long long)count);
    *fd = FIRST_PASSED + (int)index;
    return PLAIT_OK;
}

static plait_err read_domain(struct plait_endpoint *e, int *kind)
{
    static const char *const names[] = {
        [PLAIT_ADDR_IP4] = "INET", [PLAIT_ADDR_IP6] = "INET6", [PLAIT_ADDR_UNIX] = "UNIX"};
    const char *text = plait_endpoint_arg(e, "domain", 0);
    *kind = PLAIT_ADDR_NONE;
    if (!text)
        return PLAIT_OK;
    for (int k = PLAIT_ADDR_IP4; k <= PLAIT_ADDR_UNIX; k++) {
        if (strcmp(text, names[k]) == 0)
            *kind = k;
    }
    if (*kind == PLAIT_ADDR_NONE)
        return plait_endpoint_wrong(e, "domain=%.20s is none of INET, INET6, UNIX", text);
    return PLAIT_OK;
}

static plait_err check_domain(struct plait_endpoint *e, int fd, int kind)
{
    struct plait_sys *sys = e->reactor->sys;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct plait_address a = {.kind = PLAIT_ADDR_NONE};
    if (sys->ops->getsockname(sys, fd, (struct sockaddr *)&ss, &len) == 0)
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, &a);
    const bool local = kind == PLAIT_ADDR_UNIX && a.kind == PLAIT_ADDR_ABSTRACT;
    if (kind != PLAIT_ADDR_NONE && (int)a.kind != kind && !local)
        return plait_endpoint_wrong(e, "the descriptor that was passed is of another domain");
    return PLAIT_OK;
}

static plait_err read_systemd(struct plait_endpoint *e, struct plait_listen_options *o, int *fd)
{
    int kind;
    PLAIT_TRY(read_domain(e, &kind));
    PLAIT_TRY(plait__words_listen(e, o));
    PLAIT_TRY(find_passed(e, fd));
    PLAIT_TRY(plait_endpoint_finish(e));
    return check_domain(e, *fd, kind);
}

static plait_err listen_fd(struct plait_endpoint *e, int fd, struct plait_listen_options *o,
                           struct plait_service *service, struct plait_listener **out)
{
    struct plait_sys *sys = e->reactor->sys;
    (void)sys->ops->fcntl(sys, fd, F_SETFD, FD_CLOEXEC); /* children have no use for it (TQ-12) */
    const plait_err err = plait_listen_fd(e->reactor, fd, o, service, out);
    if (err == PLAIT_EINVAL)
        (void)!plait_endpoint_wrong(e, "descriptor %d is not a listening stream socket", fd);
    return err;
}

plait_err plait__kind_systemd_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                     struct plait_service *service, struct plait_listener **out)
{
    int fd = -1;
    const plait_err err = read_systemd(e, o, &fd);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    return listen_fd(e, fd, o, service, out);
}

/* --- fd ----------------------------------------------------------------------------------------------------------- */

static plait_err read_fd(struct plait_endpoint *e, int *fd)
{
    const char *text;
    uint64_t number = 0;
    PLAIT_TRY(plait__word_needed(e, "fileno", 0, "a descriptor's number, as in \"fd:3\"", &text));
    if (plait_slice_to_u64(plait_slice_text(text), 1 << 20, &number) != PLAIT_OK)
        return plait_endpoint_wrong(e, "\"%.40s\" is no descriptor's number", text);
    *fd = (int)number;
    return PLAIT_OK;
}

plait_err plait__kind_fd_listen(struct plait_endpoint *e, struct plait_listen_options *o, struct plait_service *service,
                                struct plait_listener **out)
{
    int fd = -1;
    plait_err err = read_fd(e, &fd);
    if (err == PLAIT_OK)
        err = plait__words_listen(e, o);
    if (err == PLAIT_OK)
        err = plait_endpoint_finish(e);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    return listen_fd(e, fd, o, service, out);
}

/* A stream over duplicates of descriptors; one that is a socket is one for both ways. */
static plait_err stream_of(struct plait_reactor *r, int in, int out, struct plait_stream **s)
{
    struct plait_sys *sys = r->sys;
    struct stat st;
    const int a = sys->ops->fcntl(sys, in, F_DUPFD_CLOEXEC, FIRST_PASSED);
    if (a < 0)
        return PLAIT_FAIL(plait_err_from_errno(-a));
    const bool socket = sys->ops->fstat(sys, a, &st) == 0 && S_ISSOCK(st.st_mode);
    if (socket) {
        struct plait_address peer = {.kind = PLAIT_ADDR_NONE};
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        if (sys->ops->getpeername(sys, a, (struct sockaddr *)&ss, &len) == 0)
            plait__address_from_sockaddr((struct sockaddr *)&ss, len, &peer);
        const bool ip = peer.kind == PLAIT_ADDR_IP4 || peer.kind == PLAIT_ADDR_IP6;
        const int res = plait__fd_stream_new(r, ip ? PLAIT__FD_TCP : PLAIT__FD_UNIX, a, &peer, s);
        if (res < 0)
            sys->ops->close(sys, a);
        return plait_err_from_errno(-res);
    }
    const int b = in == out ? a : sys->ops->fcntl(sys, out, F_DUPFD_CLOEXEC, FIRST_PASSED);
    const plait_err err = b < 0 ? plait_err_from_errno(-b) : plait_stream_of_fds(r, a, b, s);
    if (err != PLAIT_OK && b >= 0 && b != a)
        sys->ops->close(sys, b);
    if (err != PLAIT_OK)
        sys->ops->close(sys, a);
    return err;
}

static struct plait_deferred *offer_fds(struct plait_endpoint *e, int in, int out, plait_err *err)
{
    struct plait_stream *s;
    *err = plait_endpoint_finish(e);
    if (*err != PLAIT_OK)
        return NULL;
    *err = stream_of(e->reactor, in, out, &s);
    if (*err == PLAIT_OK)
        return plait__offer_stream(e->reactor, s);
    (void)!plait_endpoint_wrong(e, "descriptor %d cannot be used: %s", in, plait_err_text(*err));
    return NULL;
}

struct plait_deferred *plait__kind_fd_connect(struct plait_endpoint *e, struct plait_connect_options *o, plait_err *err)
{
    int fd = -1;
    (void)o;
    *err = read_fd(e, &fd);
    return *err == PLAIT_OK ? offer_fds(e, fd, fd, err) : NULL;
}

/* --- stdio -------------------------------------------------------------------------------------------------------- */

/* With its one connection over, and no listener, the program has nothing left to serve. */
static void stdio_gone(struct plait_reactor *r)
{
    if (plait__list_empty(&r->listeners))
        plait_reactor_stop(r);
}

plait_err plait__kind_stdio_listen(struct plait_endpoint *e, struct plait_listen_options *o,
                                   struct plait_service *service, struct plait_listener **out)
{
    struct plait_stream *s;
    *out = NULL;
    plait_err err = plait_endpoint_finish(e);
    if (err == PLAIT_OK)
        err = stream_of(e->reactor, 0, 1, &s);
    if (err != PLAIT_OK)
        return plait__kind_refuse(o, service, err);
    plait__proxy_trust_free(&o->proxy);
    return plait__service_open_alone(service, s, stdio_gone);
}

struct plait_deferred *plait__kind_stdio_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                 plait_err *err)
{
    (void)o;
    return offer_fds(e, 0, 1, err);
}

/* --- exec --------------------------------------------------------------------------------------------------------- */

/* The program goes when the stream does. */
struct child {
    struct plait__peer books;
    struct plait_process *process;
};

static void forget_child(struct plait__peer *books, struct plait_stream *s)
{
    struct child *c = plait__container(books, struct child, books);
    (void)s;
    plait_process_free(&c->process);
    plait_mem_free(c);
}

/* Starts the program with one end of a socket pair as its standard input and output. */
static plait_err start_child(struct plait_reactor *r, const char *const *argv, int end, struct plait_process **out)
{
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_FD, .parent_fd = end},
                                    {.child_fd = 1, .kind = PLAIT_CHILD_FD, .parent_fd = end},
                                    {.child_fd = 2, .kind = PLAIT_CHILD_FD, .parent_fd = 2}};
    struct plait_spawn_options o = {.path = argv[0], .argv = argv, .map = map, .map_count = 3};
    return plait_spawn(r, &o, out);
}

static plait_err run(struct plait_reactor *r, const char *const *argv, struct plait_stream **s)
{
    struct plait_sys *sys = r->sys;
    int fd[2];
    struct child *c = plait_mem_new(&r->budget, sizeof *c);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    int res = sys->ops->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
    if (res < 0) {
        plait_mem_free(c);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    plait_err err = start_child(r, argv, fd[1], &c->process);
    sys->ops->close(sys, fd[1]);
    res = err == PLAIT_OK ? plait__fd_stream_new(r, PLAIT__FD_UNIX, fd[0], NULL, s) : 0;
    if (res < 0)
        err = PLAIT_FAIL(plait_err_from_errno(-res));
    if (err != PLAIT_OK) {
        sys->ops->close(sys, fd[0]);
        plait_process_free(&c->process);
        plait_mem_free(c);
        return err;
    }
    c->books.forget = forget_child;
    (*s)->peer = &c->books;
    (*s)->flags |= PLAIT__F_ADOPTED;
    return PLAIT_OK;
}

struct plait_deferred *plait__kind_exec_connect(struct plait_endpoint *e, struct plait_connect_options *o,
                                                plait_err *err)
{
    const char *argv[EXEC_ARGS] = {NULL};
    struct plait_stream *s;
    (void)o;
    *err = plait__word_needed(e, NULL, 0, "a program, as in \"exec:/bin/cat\"", &argv[0]);
    for (size_t i = 1; *err == PLAIT_OK && i < EXEC_ARGS - 1; i++)
        argv[i] = plait_endpoint_arg(e, NULL, i);
    if (*err == PLAIT_OK)
        *err = plait_endpoint_finish(e);
    if (*err != PLAIT_OK)
        return NULL;
    *err = run(e->reactor, argv, &s);
    if (*err == PLAIT_OK)
        return plait__offer_stream(e->reactor, s);
    (void)!plait_endpoint_wrong(e, "cannot run \"%.90s\": %s", argv[0], plait_err_text(*err));
    return NULL;
}
