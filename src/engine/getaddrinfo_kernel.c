/* SPDX-License-Identifier: MIT
 *
 * The C library's look-up of names: nsswitch, DNS, mDNS, whatever the system is set up for, in the order of RFC 6724.
 * It blocks, so it runs in a pool thread and touches nothing but its arguments. This file is what our own DNS will take
 * the place of.
 *
 * Test: tests/engine/test_resolve.c.
 */
#include "base/try.h"
#include "engine/resolve_core.h"

#include <netdb.h>

plait_err plait__getaddrinfo_error(int code)
{
    switch (code) {
    case 0:
        return PLAIT_OK;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return PLAIT_ENAMENOTFOUND;
    case EAI_MEMORY:
        return PLAIT_ENOMEM;
    default:
        return PLAIT_ENAMEFAILED;
    }
}

plait_err plait__getaddrinfo(const char *name, enum plait_family family, struct plait_address *out, size_t max,
                             size_t *count)
{
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
    const struct addrinfo hints = {.ai_family = families[family], .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    *count = 0;
    const plait_err err = plait__getaddrinfo_error(getaddrinfo(name, NULL, &hints, &list));
    if (err != PLAIT_OK)
        return PLAIT_FAIL(err);
    for (const struct addrinfo *at = list; at && *count < max; at = at->ai_next) {
        plait__address_from_sockaddr(at->ai_addr, at->ai_addrlen, &out[*count]);
        *count += plait__family_has(family, &out[*count]);
    }
    freeaddrinfo(list);
    return *count > 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENAMENOTFOUND);
}
