/* SPDX-License-Identifier: MIT
 *
 * The story in words: what a host's calls mean to somebody who reads why a run failed. Calls that change nothing (an
 * empty look at a socket, options, waits) are left out; hosts and peers have their names and ports. Text is only made
 * while somebody listens, and never part of the hash.
 *
 * Tests: tests/sim/test_faults.c.
 */
#include "sim/sim_story.h"

#include "sim/sim_fault.h"
#include "sim/sim_socket.h"

#include <stdio.h>
#include <string.h>

/* --- names -------------------------------------------------------------------------------------------------------- */

static void unix_name(const struct plait_address *address, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%s%.*s", address->kind == PLAIT_ADDR_ABSTRACT ? "@" : "", (int)address->name_len,
                   address->name);
}

void sim_story_address(struct plait_host *host, const struct plait_address *address, char *out, size_t bytes)
{
    if (address->kind != PLAIT_ADDR_IP4 && address->kind != PLAIT_ADDR_IP6) {
        unix_name(address, out, bytes);
        return;
    }
    if (sim_address_wild(address)) {
        (void)snprintf(out, bytes, "*:%u", address->port);
        return;
    }
    const struct plait_host *there = sim_host_by_address(host, address);
    char text[PLAIT_ADDR_TEXT_MAX];
    if (there) {
        (void)snprintf(out, bytes, "%s:%u", there->name, address->port);
    } else {
        (void)snprintf(out, bytes, "%s", plait_address_format(address, text));
    }
}

static void socket_text(struct sim_sock *s, char *out, size_t bytes)
{
    struct plait_host *host = s->file.host;
    char name[80];
    bool listens = s->domain == AF_UNIX ? s->un.listening : s->type == SOCK_STREAM && s->tcp.state == SIM_TCP_LISTEN;
    if (listens) {
        sim_story_address(host, &s->local, name, sizeof name);
        (void)snprintf(out, bytes, "listener %s", name);
    } else if (s->peer_address.kind != PLAIT_ADDR_NONE) {
        sim_story_address(host, &s->peer_address, name, sizeof name);
        (void)snprintf(out, bytes, "%s %u to %s", s->type == SOCK_STREAM ? "port" : "udp port", s->local.port, name);
        if (s->domain == AF_UNIX)
            (void)snprintf(out, bytes, "unix to %s", name);
    } else if (s->local.kind != PLAIT_ADDR_NONE) {
        sim_story_address(host, &s->local, name, sizeof name);
        (void)snprintf(out, bytes, "%s", name);
    } else {
        (void)snprintf(out, bytes, "%s", s->domain == AF_UNIX ? "unix" : s->type == SOCK_STREAM ? "tcp" : "udp");
    }
}

void sim_story_fd(struct plait_host *host, int64_t fd, char out[SIM_STORY_FD])
{
    struct sim_file *f = sim_fd_file(host, (int)fd);
    char what[114];
    if (!f) {
        (void)snprintf(out, SIM_STORY_FD, "%d (not open)", (int)fd);
        return;
    }
    if (f->sock)
        socket_text(f->sock, what, sizeof what);
    else
        (void)snprintf(what, sizeof what, "%s", f->ops->name);
    (void)snprintf(out, SIM_STORY_FD, "%d (%s)", (int)fd, what);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

enum manner {
    SILENT,   /* told only when it fails */
    BARE,     /* verb */
    PLAIN,    /* verb, descriptor */
    COUNTED,  /* verb, bytes, descriptor */
    NUMBERED, /* verb, number: a descriptor that is new, or what else it gives */
    ACCEPTED, /* a connection */
};

static const struct {
    const char *verb;
    enum manner manner;
    bool waits; /* EAGAIN is nothing to tell */
} words[PLAIT_SYS_CALL_COUNT] = {
    [PLAIT_SYS_socketpair] = {"makes a pair of unix sockets", BARE, false},
    [PLAIT_SYS_bind] = {"binds", PLAIN, false},
    [PLAIT_SYS_listen] = {"listens on", PLAIN, false},
    [PLAIT_SYS_accept4] = {"accepts", ACCEPTED, true},
    [PLAIT_SYS_connect] = {"connects", PLAIN, false},
    [PLAIT_SYS_shutdown] = {"shuts a side of", PLAIN, false},
    [PLAIT_SYS_recv] = {"reads", COUNTED, true},
    [PLAIT_SYS_recvmsg] = {"reads", COUNTED, true},
    [PLAIT_SYS_sendmsg] = {"sends", COUNTED, false},
    [PLAIT_SYS_recvmmsg] = {"takes datagrams:", COUNTED, true},
    [PLAIT_SYS_sendmmsg] = {"sends datagrams:", COUNTED, false},
    [PLAIT_SYS_read] = {"reads", COUNTED, true},
    [PLAIT_SYS_write] = {"writes", COUNTED, false},
    [PLAIT_SYS_writev] = {"writes", COUNTED, false},
    [PLAIT_SYS_sendfile] = {"sends of a file", COUNTED, false},
    [PLAIT_SYS_pread_nowait] = {NULL, SILENT, true},
    [PLAIT_SYS_openat2] = {"opens a file as", NUMBERED, false},
    [PLAIT_SYS_ftruncate] = {"cuts", PLAIN, false},
    [PLAIT_SYS_fsync] = {"syncs", PLAIN, false},
    [PLAIT_SYS_pread] = {"reads", COUNTED, false},
    [PLAIT_SYS_pwrite] = {"writes", COUNTED, false},
    [PLAIT_SYS_unlinkat] = {"removes a file", BARE, false},
    [PLAIT_SYS_renameat] = {"renames a file", BARE, false},
    [PLAIT_SYS_mkdirat] = {"makes a folder", BARE, false},
    [PLAIT_SYS_spawn] = {"starts a process with pidfd", NUMBERED, false},
    [PLAIT_SYS_reap] = {"reaps", PLAIN, true},
    [PLAIT_SYS_pidfd_signal] = {"signals the process of", PLAIN, false},
    [PLAIT_SYS_group_signal] = {"signals the group of process", PLAIN, false},
};

static bool internal(struct plait_host *host, enum plait_sys_call call, int64_t on)
{
    if (call != PLAIT_SYS_read && call != PLAIT_SYS_write)
        return false;
    const struct sim_file *f = sim_fd_file(host, (int)on);
    return f && strcmp(f->ops->name, "eventfd") == 0;
}

static void tell_failure(struct plait_host *host, enum plait_sys_call call, int64_t on, int err)
{
    char fd[SIM_STORY_FD];
    if (words[call].manner == NUMBERED || words[call].manner == BARE || call == PLAIT_SYS_socket ||
        call == PLAIT_SYS_pipe2 || call == PLAIT_SYS_eventfd || call == PLAIT_SYS_fstatat) {
        sim_say(host->sim, "%s: %s fails: %s", host->name, sim_call_name(call), strerrorname_np(err));
        return;
    }
    sim_story_fd(host, on, fd);
    if (err == EAGAIN)
        sim_say(host->sim, "%s: %s on %s has no room", host->name, sim_call_name(call), fd);
    else if (err == EINPROGRESS)
        sim_say(host->sim, "%s: connects %s", host->name, fd);
    else
        sim_say(host->sim, "%s: %s on %s fails: %s", host->name, sim_call_name(call), fd, strerrorname_np(err));
}

static void tell_success(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res)
{
    char fd[SIM_STORY_FD];
    const char *verb = words[call].verb;
    sim_story_fd(host, words[call].manner == ACCEPTED ? (int64_t)res : on, fd);
    if (words[call].manner == BARE)
        sim_say(host->sim, "%s: %s", host->name, verb);
    else if (words[call].manner == NUMBERED)
        sim_say(host->sim, "%s: %s %zd", host->name, verb, res);
    else if (words[call].manner == COUNTED && res == 0 && words[call].waits)
        sim_say(host->sim, "%s: reads the end of %s", host->name, fd);
    else if (words[call].manner == COUNTED)
        sim_say(host->sim, "%s: %s %zd %s %s", host->name, verb, res,
                call == PLAIT_SYS_recvmmsg || call == PLAIT_SYS_sendmmsg ? "on" : "bytes on", fd);
    else
        sim_say(host->sim, "%s: %s %s", host->name, verb, fd);
}

void sim_story_call(struct plait_host *host, enum plait_sys_call call, int64_t on, ssize_t res)
{
    if (internal(host, call, on) || (res == -EAGAIN && words[call].waits))
        return;
    if (res < 0)
        tell_failure(host, call, on, (int)-res);
    else if (words[call].manner != SILENT)
        tell_success(host, call, on, res);
}
