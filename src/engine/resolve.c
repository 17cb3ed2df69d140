/* SPDX-License-Identifier: MIT
 *
 * Names to addresses, as callers ask for it: literals and localhost are answered here, all else goes to the resolver
 * that the reactor holds. What is neither a literal nor a host name is refused before anybody is asked, so that "127.1"
 * or "0x7f000001" never become addresses behind somebody's back.
 *
 * Test: tests/engine/test_resolve.c. Source: RFC 1123 section 2.1, RFC 6761 section 6.3.
 */
#include "engine/resolve_core.h"

#include "base/try.h"

void plait_reactor_set_resolver(struct plait_reactor *reactor, struct plait_resolver resolver)
{
    if (reactor->resolver.free)
        reactor->resolver.free(reactor->resolver.ctx);
    reactor->resolver = resolver;
}

plait_err plait_addresses_new(struct plait_reactor *reactor, const struct plait_address *from, size_t count,
                              plait_value *out)
{
    struct plait_addresses *a = NULL;
    if (count <= (SIZE_MAX - sizeof *a) / sizeof *from)
        a = plait_mem_new(&reactor->budget, sizeof *a + count * sizeof *from);
    if (!a)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    a->count = count;
    a->address = (struct plait_address *)(void *)(a + 1);
    if (count > 0)
        memcpy(a->address, from, count * sizeof *from);
    *out = plait_value_ptr(a, plait_mem_free);
    return PLAIT_OK;
}

struct plait_deferred *plait__addresses_fire(struct plait_reactor *r, const struct plait_address *from, size_t count)
{
    plait_value value;
    if (plait_addresses_new(r, from, count, &value) != PLAIT_OK)
        return NULL;
    return plait_deferred_succeed(r, value);
}

bool plait__family_has(enum plait_family family, const struct plait_address *address)
{
    const bool six = address->kind == PLAIT_ADDR_IP6;
    if (!six && address->kind != PLAIT_ADDR_IP4)
        return false;
    return family == PLAIT_ANY_FAMILY || six == (family == PLAIT_ONLY_IP6);
}

static struct plait_deferred *fail(struct plait_reactor *r, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "resolve");
    fault.detail = detail;
    return plait_deferred_fail(r, fault);
}

static struct plait_deferred *resolve_local(struct plait_reactor *r, enum plait_family family)
{
    static const struct plait_address both[] = {
        {.kind = PLAIT_ADDR_IP6, .ip = {[15] = 1}},
        {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 1}},
    };
    if (family == PLAIT_ANY_FAMILY)
        return plait__addresses_fire(r, both, 2);
    return plait__addresses_fire(r, &both[family == PLAIT_ONLY_IP6 ? 0 : 1], 1);
}

struct plait_deferred *plait_resolve(struct plait_reactor *reactor, plait_slice name, enum plait_family family)
{
    struct plait_reactor *r = reactor;
    struct plait_address literal;
    if (plait_address_parse_ip(name, 0, &literal) == PLAIT_OK) {
        if (!plait__family_has(family, &literal))
            return fail(r, PLAIT_ENAMENOTFOUND, "the address is of the other family");
        return plait__addresses_fire(r, &literal, 1);
    }
    if (!plait__host_name_ok(name))
        return fail(r, PLAIT_EINVAL, "it is no host name");
    if (plait__host_name_is_local(name))
        return resolve_local(r, family);
    if (!r->resolver.resolve)
        return fail(r, PLAIT_ENAMEFAILED, "this reactor has no resolver");
    return r->resolver.resolve(r, name, family, r->resolver.ctx);
}
