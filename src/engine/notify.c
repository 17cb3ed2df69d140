/* SPDX-License-Identifier: MIT
 *
 * Words to the service manager by the sd_notify protocol: one datagram each to the UNIX socket that $NOTIFY_SOCKET
 * names, a path or an abstract name. No library, no state: without the variable nothing happens. The watchdog, where
 * the manager asks for one, is fed from the loop at half its time, so that a loop that hangs is noticed.
 *
 * Invariant: failing to tell never fails the service; plait__notify_* log and go on.
 * Test: tests/engine/test_notify.c. Source: sd_notify(3), sd_watchdog_enabled(3).
 */
#include "base/try.h"
#include "engine/core.h"

#include <errno.h>
#include <unistd.h>

struct watchdog {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_timer timer;
    plait_span every;
};

static plait_err send_state(struct plait_sys *sys, const struct plait_address *manager, const char *state)
{
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(manager, &ss);
    const int fd = sys->ops->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return PLAIT_FAIL(PLAIT_EIO);
    struct iovec iov = {.iov_base = (void *)(uintptr_t)state, .iov_len = strlen(state)};
    const struct msghdr msg = {.msg_name = &ss, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
    const ssize_t sent = sys->ops->sendmsg(sys, fd, &msg, MSG_NOSIGNAL);
    sys->ops->close(sys, fd);
    return sent < 0 ? PLAIT_FAIL(PLAIT_EIO) : PLAIT_OK;
}

plait_err plait_notify_manager(struct plait_reactor *reactor, const char *state)
{
    struct plait_sys *sys = reactor->sys;
    const char *socket = sys->ops->env(sys, "NOTIFY_SOCKET");
    struct plait_address manager;
    if (!socket || socket[0] == '\0')
        return PLAIT_OK;
    if ((socket[0] != '/' && socket[0] != '@') || plait_address_unix(plait_slice_text(socket), &manager) != PLAIT_OK)
        return PLAIT_FAIL(PLAIT_EIO);
    return send_state(sys, &manager, state);
}

static void tell(struct plait_reactor *r, const char *state)
{
    const plait_err err = plait_notify_manager(r, state);
    if (err == PLAIT_OK)
        return;
    const struct plait_fault fault = plait_fault_make(err, "notify");
    const struct plait_field fields[] = {plait_field_text("state", state), plait_field_fault(&fault),
                                         plait_field_end()};
    plait__warn(r, "notify-failed", "The service manager could not be told.", fields);
}

/* --- watchdog ----------------------------------------------------------------------------------------------------- */

static void feed(void *ctx)
{
    struct watchdog *w = ctx;
    tell(w->reactor, "WATCHDOG=1");
    plait_timer_arm(&w->timer, w->every);
}

static void release(struct plait__module *module)
{
    struct watchdog *w = plait__container(module, struct watchdog, module);
    plait_timer_stop(&w->timer);
    plait_mem_free(w);
}

static bool has_watchdog(const struct plait_reactor *r)
{
    for (struct plait__list *at = r->modules.next; at != &r->modules; at = at->next) {
        if (plait__container(at, struct plait__module, link)->release == release)
            return true;
    }
    return false;
}

static bool read_number(struct plait_reactor *r, const char *name, uint64_t max, uint64_t *out)
{
    const char *text = r->sys->ops->env(r->sys, name);
    return text && plait_slice_to_u64(plait_slice_text(text), max, out) == PLAIT_OK;
}

/* How often to feed: half of what the manager allows; 0 when it asks for nothing, or asks another process. */
static plait_span watchdog_span(struct plait_reactor *r)
{
    uint64_t micros = 0;
    uint64_t pid = 0;
    if (!read_number(r, "WATCHDOG_USEC", INT64_MAX / 1000, &micros))
        return 0;
    if (r->sys->ops->env(r->sys, "WATCHDOG_PID") &&
        (!read_number(r, "WATCHDOG_PID", INT32_MAX, &pid) || pid != (uint64_t)getpid()))
        return 0;
    return plait_micros((int64_t)micros) / 2;
}

static void start_watchdog(struct plait_reactor *r)
{
    const plait_span every = watchdog_span(r);
    if (every == 0 || has_watchdog(r))
        return;
    struct watchdog *w = plait_mem_new(&r->budget, sizeof *w);
    if (!w) {
        plait__warn(r, "watchdog-failed", "There is no memory for the watchdog's timer.", NULL);
        return;
    }
    w->reactor = r;
    w->every = every;
    w->module.release = release;
    plait_timer_init(&w->timer, r, "watchdog", feed, w);
    plait__module_add(r, &w->module);
    feed(w);
}

void plait__notify_ready(struct plait_reactor *r)
{
    if (!r->own_signals)
        return;
    tell(r, "READY=1");
    start_watchdog(r);
}

void plait__notify_stopping(struct plait_reactor *r)
{
    if (r->own_signals)
        tell(r, "STOPPING=1");
}
