/* SPDX-License-Identifier: MIT
 *
 * Between the kernel's socket addresses and ours. The only place that knows their layout.
 *
 * Invariant: an address that goes there and back is the same, scope and abstract name included (TQ-14, TQ-115).
 * Test: tests/engine/test_listen.c, test_datagram.c.
 */
#include "engine/io.h"

#include <netinet/in.h>
#include <sys/un.h>

static void from_unix(const struct sockaddr *sa, socklen_t len, struct plait_address *out)
{
    const struct sockaddr_un *un = (const void *)sa;
    const size_t path_at = offsetof(struct sockaddr_un, sun_path);
    if (len <= path_at)
        return; /* unnamed: TQ-121 */
    size_t n = len - path_at;
    const char *name = un->sun_path;
    out->kind = PLAIT_ADDR_UNIX;
    if (name[0] == '\0') {
        out->kind = PLAIT_ADDR_ABSTRACT;
        name++;
        n--;
    } else {
        n = strnlen(name, n);
    }
    if (n > PLAIT_ADDR_NAME_MAX)
        n = PLAIT_ADDR_NAME_MAX;
    out->name_len = (uint8_t)n;
    memcpy(out->name, name, n);
}

void plait__address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct plait_address *out)
{
    *out = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    if (len < sizeof(sa_family_t))
        return;
    if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const void *)sa;
        out->kind = PLAIT_ADDR_IP4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *in = (const void *)sa;
        out->kind = PLAIT_ADDR_IP6;
        out->port = ntohs(in->sin6_port);
        out->scope = in->sin6_scope_id;
        memcpy(out->ip, &in->sin6_addr, 16);
    } else if (sa->sa_family == AF_UNIX) {
        from_unix(sa, len, out);
    }
}

static socklen_t to_unix(const struct plait_address *addr, struct sockaddr_storage *out)
{
    struct sockaddr_un *un = (void *)out;
    const size_t lead = addr->kind == PLAIT_ADDR_ABSTRACT ? 1 : 0;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + lead, addr->name, addr->name_len);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + addr->name_len + 1);
}

socklen_t plait__address_to_sockaddr(const struct plait_address *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    switch (addr->kind) {
    case PLAIT_ADDR_IP4: {
        struct sockaddr_in *in = (void *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip, 4);
        return sizeof *in;
    }
    case PLAIT_ADDR_IP6: {
        struct sockaddr_in6 *in = (void *)out;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(addr->port);
        in->sin6_scope_id = addr->scope;
        memcpy(&in->sin6_addr, addr->ip, 16);
        return sizeof *in;
    }
    case PLAIT_ADDR_UNIX:
    case PLAIT_ADDR_ABSTRACT:
        return to_unix(addr, out);
    case PLAIT_ADDR_NONE:
        break;
    }
    return 0;
}
