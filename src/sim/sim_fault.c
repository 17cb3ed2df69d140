/* SPDX-License-Identifier: MIT
 *
 * Faults: by chance from the seed, or by rule. Every strike is counted by its kind and the call that it hit, so that a
 * test can show that none was never used.
 *
 * Invariant: chance draws come from a stream of random numbers of their own, one draw a decision.
 * Tests: tests/sim/test_faults.c.
 */
#include "sim/sim_fault.h"

#include <string.h>

static const char *const call_names[] = {
#define SIM_CALL_TEXT(name) #name,
    PLAIT_SYS_CALLS(SIM_CALL_TEXT)
#undef SIM_CALL_TEXT
};

const char *sim_call_name(enum plait_sys_call call)
{
    return call_names[call];
}

bool sim_call_by_name(const char *name, enum plait_sys_call *out)
{
    for (unsigned i = 0; name && i < PLAIT_SYS_CALL_COUNT; i++) {
        if (strcmp(call_names[i], name) == 0) {
            *out = (enum plait_sys_call)i;
            return true;
        }
    }
    return false;
}

void plait_sim_faults(struct plait_sim *sim, unsigned faults)
{
    sim->faults = faults;
}

static unsigned kind_of(unsigned flag)
{
    unsigned kind = 0;
    for (; kind < SIM_FAULT_KINDS && !(flag & (1u << kind)); kind++)
        continue;
    return kind; /* SIM_FAULT_KINDS: an errno by rule */
}

bool sim_strikes(struct plait_sim *sim, unsigned flag, uint64_t of, enum plait_sys_call call)
{
    if (!(sim->faults & flag))
        return false;
    if (sim_fault_below(sim, of) != 0)
        return false;
    sim->used[kind_of(flag)][call]++;
    return true;
}

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

static bool rule_strikes(struct plait_sim *sim, struct sim_rule *own, const struct plait_host *host)
{
    const struct plait_sim_rule *rule = &own->rule;
    if (rule->host && rule->host != host)
        return false;
    own->seen++;
    if (rule->times && own->fired >= rule->times)
        return false;
    if (rule->nth && own->seen < rule->nth)
        return false;
    if (rule->chance_num && sim_fault_below(sim, rule->chance_den) >= rule->chance_num)
        return false;
    own->fired++;
    return true;
}

int sim_gate(struct plait_host *host, enum plait_sys_call call)
{
    struct plait_sim *sim = host->sim;
    sim->calls++;
    host->calls[call]++;
    for (size_t i = 0; i < sim->rule_count; i++) {
        struct sim_rule *own = &sim->rules[i];
        if (own->call == call && rule_strikes(sim, own, host)) {
            sim->used[SIM_FAULT_KINDS][call]++;
            return -own->rule.os_errno;
        }
    }
    return 0;
}

uint64_t plait_sim_fault_count(const struct plait_sim *sim, unsigned fault, const char *name)
{
    enum plait_sys_call call;
    unsigned kind = kind_of(fault);
    uint64_t sum = 0;
    if (name)
        return sim_call_by_name(name, &call) ? sim->used[kind][call] : 0;
    for (unsigned i = 0; i < PLAIT_SYS_CALL_COUNT; i++)
        sum += sim->used[kind][i];
    return sum;
}

uint64_t plait_sim_call_count(const struct plait_sim *sim, const char *name)
{
    enum plait_sys_call call;
    uint64_t sum = 0;
    if (!name)
        return sim->calls;
    if (!sim_call_by_name(name, &call))
        return 0;
    for (size_t i = 0; i < sim->host_count; i++)
        sum += sim->hosts[i]->calls[call];
    return sum;
}
