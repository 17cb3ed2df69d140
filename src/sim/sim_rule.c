/* SPDX-License-Identifier: MIT
 *
 * The gate that every call of a simulated host passes: rules that fail chosen calls, and errnos by chance. The table
 * below holds what Linux returns by its manual pages and what quirks.md saw, so far as the cause lies outside of the
 * program: descriptors, memory, disks, the network, and not a wrong argument.
 *
 * Invariant: a rule that strikes counts as having struck also when that strike is left out.
 * Tests: tests/sim/test_faults.c.
 */
#include "sim/sim_fault.h"

#include <string.h>

/* --- rules -------------------------------------------------------------------------------------------------------- */

plait_err plait_sim_add_rule(struct plait_sim *sim, const struct plait_sim_rule *rule)
{
    enum plait_sys_call call;
    if (!sim_call_by_name(rule->call, &call) || rule->os_errno <= 0 || (rule->chance_num && !rule->chance_den))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (sim->rule_count == SIM_RULES_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    struct sim_rule *own = &sim->rules[sim->rule_count++];
    *own = (struct sim_rule){.rule = *rule, .call = call};
    own->rule.call = sim_call_name(call);
    if (rule->nth && !rule->times)
        own->rule.times = 1;
    return PLAIT_OK;
}

void plait_sim_clear_rules(struct plait_sim *sim)
{
    sim->rule_count = 0;
}

static bool rule_strikes(struct plait_sim *sim, struct sim_rule *own, struct plait_host *host)
{
    const struct plait_sim_rule *rule = &own->rule;
    if (rule->host && rule->host != host)
        return false;
    own->seen++;
    if (rule->times && own->fired >= rule->times)
        return false;
    if (rule->nth && own->seen < rule->nth)
        return false;
    uint64_t drawn = sim_decide(sim, host, SIM_FAULT_KINDS, own->call, rule->chance_num ? rule->chance_den : 1);
    if (rule->chance_num && drawn >= rule->chance_num)
        return false;
    own->fired++;
    return true;
}

static int by_rule(struct plait_host *host, enum plait_sys_call call)
{
    struct plait_sim *sim = host->sim;
    for (size_t i = 0; i < sim->rule_count; i++) {
        struct sim_rule *own = &sim->rules[i];
        if (own->call != call || !rule_strikes(sim, own, host) || !sim_strike(sim, host, SIM_FAULT_KINDS, call))
            continue;
        sim_strike_tell(sim, "%s fails by rule: %s", own->rule.call, strerrorname_np(own->rule.os_errno));
        return -own->rule.os_errno;
    }
    return 0;
}

/* --- errnos by chance --------------------------------------------------------------------------------------------- */

#define ERRNOS_MAX 12

static const uint8_t errnos[PLAIT_SYS_CALL_COUNT][ERRNOS_MAX] = {
    [PLAIT_SYS_socket] = {EMFILE, ENFILE, ENOBUFS, ENOMEM},
    [PLAIT_SYS_socketpair] = {EMFILE, ENFILE, ENOBUFS, ENOMEM},
    [PLAIT_SYS_bind] = {EADDRINUSE, ENOMEM},
    [PLAIT_SYS_listen] = {EADDRINUSE},
    [PLAIT_SYS_accept4] = {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH,
                           ENETUNREACH, ETIMEDOUT},
    [PLAIT_SYS_connect] = {EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, ENOBUFS, EACCES, EPERM, EAGAIN},
    [PLAIT_SYS_getsockopt] = {ENOBUFS},
    [PLAIT_SYS_setsockopt] = {ENOBUFS, ENOMEM},
    [PLAIT_SYS_getsockname] = {ENOBUFS},
    [PLAIT_SYS_getpeername] = {ENOTCONN, ENOBUFS},
    [PLAIT_SYS_recv] = {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM},
    [PLAIT_SYS_recvmsg] = {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM},
    [PLAIT_SYS_sendmsg] = {EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOBUFS, ENOMEM, EPERM},
    [PLAIT_SYS_recvmmsg] = {ECONNREFUSED, EHOSTUNREACH, ENOMEM},
    [PLAIT_SYS_sendmmsg] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOBUFS, ENOMEM, EPERM},
    [PLAIT_SYS_read] = {EIO, ENOMEM},
    [PLAIT_SYS_write] = {EIO, ENOMEM},
    [PLAIT_SYS_writev] = {EIO, ENOMEM},
    [PLAIT_SYS_sendfile] = {EIO, ENOMEM},
    [PLAIT_SYS_close] = {EIO, ENOSPC, EDQUOT},
    [PLAIT_SYS_pipe2] = {EMFILE, ENFILE, ENOMEM},
    [PLAIT_SYS_eventfd] = {EMFILE, ENFILE, ENOMEM},
    [PLAIT_SYS_epoll_create1] = {EMFILE, ENFILE, ENOMEM},
    [PLAIT_SYS_epoll_ctl] = {ENOMEM, ENOSPC},
    [PLAIT_SYS_openat2] = {EMFILE, ENFILE, ENOMEM, EIO, EACCES},
    [PLAIT_SYS_fstat] = {EIO, ENOMEM},
    [PLAIT_SYS_fstatat] = {EIO, ENOMEM, EACCES},
    [PLAIT_SYS_pread] = {EIO},
    [PLAIT_SYS_pread_nowait] = {EAGAIN, EIO, EOPNOTSUPP},
    [PLAIT_SYS_pwrite] = {EIO, ENOSPC, EDQUOT, EFBIG},
    [PLAIT_SYS_ftruncate] = {EIO, ENOSPC},
    [PLAIT_SYS_fsync] = {EIO, ENOSPC, EDQUOT},
    [PLAIT_SYS_unlinkat] = {EIO, EBUSY, EACCES},
    [PLAIT_SYS_renameat] = {EIO, ENOSPC, EACCES},
    [PLAIT_SYS_mkdirat] = {EIO, ENOSPC, EACCES},
    [PLAIT_SYS_fchmodat] = {EIO, EPERM},
    [PLAIT_SYS_getdents] = {EIO, ENOMEM},
    [PLAIT_SYS_spawn] = {EAGAIN, ENOMEM},
    [PLAIT_SYS_signalfd] = {EMFILE, ENFILE, ENOMEM},
};

bool plait_sim_errno_possible(const char *name, int os_errno)
{
    enum plait_sys_call call;
    if (!sim_call_by_name(name, &call) || os_errno <= 0 || os_errno > UINT8_MAX)
        return false;
    return memchr(errnos[call], os_errno, ERRNOS_MAX) != NULL;
}

/* Counters and signals in memory know no disk and no peer. */
static bool only_memory(struct plait_host *host, enum plait_sys_call call, int64_t fd)
{
    if (call != PLAIT_SYS_read && call != PLAIT_SYS_write && call != PLAIT_SYS_close)
        return false;
    const struct sim_file *f = sim_fd_file(host, (int)fd);
    return f && (strcmp(f->ops->name, "eventfd") == 0 || strcmp(f->ops->name, "signalfd") == 0 || sim_is_epoll(f));
}

static int by_chance(struct plait_host *host, enum plait_sys_call call, int64_t fd)
{
    struct plait_sim *sim = host->sim;
    if (!(sim->faults & PLAIT_SIM_ERRNO) || !sim->stepping || !errnos[call][0] || only_memory(host, call, fd))
        return 0;
    if (!sim_strikes_at(sim, host, PLAIT_SIM_ERRNO, 64, call))
        return 0;
    size_t count = 0;
    while (count < ERRNOS_MAX && errnos[call][count])
        count++;
    int err = errnos[call][sim_fault_below(sim, count)];
    sim_strike_tell(sim, "%s fails: %s", sim_call_name(call), strerrorname_np(err));
    return -err;
}

int sim_gate(struct plait_host *host, enum plait_sys_call call, int64_t fd, bool may_fail)
{
    host->sim->calls++;
    host->calls[call]++;
    if (host->gone)
        return -EIO; /* of a program that was killed: nothing that it does comes to anything */
    int err = by_rule(host, call);
    return err || !may_fail ? err : by_chance(host, call, fd);
}
