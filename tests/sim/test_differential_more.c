/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel tells the truth about UDP sockets that talk to whom they like, UNIX sockets with names,
 * descriptors and credentials that pass, TCP listeners with short queues and connections that end badly, options, and
 * two epolls that watch the same. duel.h says how.
 */
#include "tests/sim/duel.h"

#include <netinet/tcp.h>

static int64_t name_of(struct side *s, int slot)
{
    s->at_len[slot] = sizeof s->at[slot];
    return s->sys->ops->getsockname(s->sys, s->fd[slot], (struct sockaddr *)&s->at[slot], &s->at_len[slot]);
}

/* The slot that has, or had, an address: ports and names differ between the two kernels. */
static int slot_of(const struct side *s, const struct sockaddr_storage *at, socklen_t len)
{
    for (int i = 0; i < SLOTS && len >= sizeof(sa_family_t); i++) {
        const struct sockaddr_in *own = (const struct sockaddr_in *)&s->at[i], *in = (const struct sockaddr_in *)at;
        bool same_port = at->ss_family == AF_INET && own->sin_family == AF_INET && own->sin_port == in->sin_port;
        bool same_name = at->ss_family == AF_UNIX && s->at_len[i] == len && memcmp(at, &s->at[i], len) == 0;
        if (same_port || same_name)
            return i;
    }
    return len ? SLOTS : SLOTS + 1;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static size_t some_length(struct duel *d)
{
    switch (draw(d, 12)) {
    case 0:
        return 0;
    case 1:
        return 1000 + draw(d, 3000);
    default:
        return 1 + draw(d, BYTES_MAX);
    }
}

static int64_t send_to(struct side *s, int slot, int to, size_t len, unsigned seed)
{
    static uint8_t bytes[70000];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 7);
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (to >= 0) {
        msg.msg_name = &s->at[to];
        msg.msg_namelen = s->at_len[to];
    }
    return s->sys->ops->sendmsg(s->sys, s->fd[slot], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Length, flags, sender and a hash of the bytes in one number. */
static int64_t recv_from(struct side *s, int slot, size_t len, int flags)
{
    uint8_t bytes[8192];
    struct sockaddr_storage from;
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    ssize_t res = s->sys->ops->recvmsg(s->sys, s->fd[slot], &msg, flags | MSG_DONTWAIT);
    if (res < 0)
        return res;
    return mixed(res, bytes, len, msg.msg_flags) ^ ((int64_t)slot_of(s, &from, msg.msg_namelen) << 56);
}

static int64_t send_many(struct side *s, int slot, int to, unsigned count)
{
    uint8_t bytes[3][40];
    struct iovec iov[3];
    struct mmsghdr msgs[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        memset(bytes[i], (int)(i + 'a'), sizeof bytes[i]);
        iov[i] = (struct iovec){bytes[i], 10 + 10 * i};
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
        if (to >= 0) {
            msgs[i].msg_hdr.msg_name = &s->at[to];
            msgs[i].msg_hdr.msg_namelen = s->at_len[to];
        }
    }
    int res = s->sys->ops->sendmmsg(s->sys, s->fd[slot], msgs, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    int64_t sum = res;
    for (int i = 0; i < res; i++)
        sum = sum * 100 + msgs[i].msg_len;
    return sum;
}

static int64_t recv_many(struct side *s, int slot, unsigned count)
{
    uint8_t bytes[4][25];
    struct sockaddr_storage from[4];
    struct iovec iov[4];
    struct mmsghdr msgs[4] = {0};
    for (unsigned i = 0; i < 4; i++) {
        iov[i] = (struct iovec){bytes[i], sizeof bytes[i]};
        msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof from[i]};
    }
    int res = s->sys->ops->recvmmsg(s->sys, s->fd[slot], msgs, count, MSG_DONTWAIT);
    int64_t sum = res;
    for (int i = 0; i < res; i++) {
        unsigned len = msgs[i].msg_len;
        sum = sum * 131 + len + (len ? bytes[i][0] : 0u) + (unsigned)(msgs[i].msg_hdr.msg_flags & MSG_TRUNC) +
              7 * (unsigned)slot_of(s, &from[i], msgs[i].msg_hdr.msg_namelen);
    }
    return sum;
}

static int64_t peer_of(struct side *s, int slot)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    int res = s->sys->ops->getpeername(s->sys, s->fd[slot], (struct sockaddr *)&at, &len);
    return res ? res : slot_of(s, &at, len);
}

static int64_t connect_to(struct side *s, int slot, int to)
{
    return s->sys->ops->connect(s->sys, s->fd[slot], (struct sockaddr *)&s->at[to], s->at_len[to]);
}

static int64_t no_peer(struct side *s, int slot)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return s->sys->ops->connect(s->sys, s->fd[slot], &nobody, sizeof nobody);
}

static int64_t number(struct side *s, int slot, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    int res = s->sys->ops->getsockopt(s->sys, s->fd[slot], level, name, &value, &len);
    return res ? res : ((int64_t)len << 40) + value;
}

static int64_t set_number(struct side *s, int slot, int level, int name, int value)
{
    return s->sys->ops->setsockopt(s->sys, s->fd[slot], level, name, &value, sizeof value);
}

static int64_t shut(struct side *s, int slot, int how)
{
    return s->sys->ops->shutdown(s->sys, s->fd[slot], how);
}

/* --- UDP ---------------------------------------------------------------------------------------------------------- */

static int64_t open_udp(struct side *s, int slot, bool bound)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = s->sys->ops->socket(s->sys, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int64_t res = keep(s, slot, fd);
    if (res == 0 && bound)
        res = s->sys->ops->bind(s->sys, fd, (struct sockaddr *)&at, sizeof at);
    return res ? res : bound ? name_of(s, slot) : 0;
}

static void new_udp(struct duel *d)
{
    int slot = free_slot(d);
    bool bound = draw(d, 4);
    if (slot < 0)
        return;
    BOTH(d, bound ? "bound udp" : "udp", slot, 0, open_udp(side, slot, bound));
    if (draw(d, 4))
        add(d, slot);
}

static void udp_begin(struct duel *d)
{
    for (int i = 0; i < 3; i++)
        new_udp(d);
}

/* A slot that has an address on both sides, or had one. */
static int addressed(struct duel *d)
{
    int found[SLOTS], count = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (d->side[0].at_len[i] && d->side[1].at_len[i])
            found[count++] = i;
    }
    return count ? found[draw(d, (uint64_t)count)] : -1;
}

static void udp_move(struct duel *d, int slot)
{
    int to = addressed(d);
    bool named = to >= 0 && draw(d, 3);
    size_t len = draw(d, 40) ? some_length(d) : 65508;
    unsigned seed = (unsigned)draw(d, 256), count = 1 + (unsigned)draw(d, 3);
    switch (draw(d, 8)) {
    case 0:
        BOTH(d, "sendmmsg", slot, named ? to : -1, send_many(side, slot, named ? to : -1, count));
        break;
    case 1:
        BOTH(d, "recvmmsg", slot, count, recv_many(side, slot, count));
        break;
    case 2:
        BOTH(d, "recv peek", slot, len, recv_from(side, slot, len % 8192, MSG_PEEK));
        break;
    case 3:
        BOTH(d, "recv trunc", slot, len, recv_from(side, slot, len % 8192, MSG_TRUNC));
        break;
    case 4:
    case 5:
        BOTH(d, "recv", slot, len, recv_from(side, slot, len % 8192, 0));
        break;
    default:
        BOTH(d, named ? "send to" : "send", slot, named ? to : -1, send_to(side, slot, named ? to : -1, len, seed));
        break;
    }
}

static void udp_rare(struct duel *d, int slot)
{
    int to = addressed(d), how = (int)draw(d, 3);
    switch (draw(d, 9)) {
    case 0:
        if (to >= 0)
            BOTH(d, "connect", slot, to, connect_to(side, slot, to));
        break;
    case 1:
        BOTH(d, "disconnect", slot, 0, no_peer(side, slot));
        break;
    case 2:
        BOTH(d, "shutdown", slot, how, shut(side, slot, how));
        break;
    case 3:
        BOTH(d, "SO_ERROR", slot, 0, do_error(side, slot));
        break;
    case 4:
        BOTH(d, "getpeername", slot, 0, peer_of(side, slot));
        break;
    case 5:
        BOTH(d, "getsockname", slot, 0, name_of(side, slot));
        break;
    case 6:
        BOTH(d, "close", slot, 0, do_close(side, slot));
        break;
    case 7:
        BOTH(d, "listen", slot, 0, side->sys->ops->listen(side->sys, side->fd[slot], 5));
        break;
    default:
        modify(d, slot);
        break;
    }
}

static void udp_step(struct duel *d)
{
    int slot = pick(d);
    uint64_t kind = draw(d, 20);
    if (slot < 0 || kind < 2)
        new_udp(d);
    else if (kind < 12)
        udp_move(d, slot);
    else if (kind < 16)
        udp_rare(d, slot);
    else
        look(d);
}

/* --- UNIX sockets with names -------------------------------------------------------------------------------------- */

static int64_t open_unix(struct side *s, int slot, int type)
{
    return keep(s, slot, s->sys->ops->socket(s->sys, AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static int64_t bind_abstract(struct side *s, int slot, uint64_t salt)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "plait-duel-%d-%d-%" PRIu64, (int)getpid(), slot, salt);
    socklen_t at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    int res = s->sys->ops->bind(s->sys, s->fd[slot], (struct sockaddr *)&at, at_len);
    return res ? res : name_of(s, slot);
}

/* A name of the kernel's choice: five hexadecimal digits, which differ. */
static int64_t bind_any(struct side *s, int slot)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int res = s->sys->ops->bind(s->sys, s->fd[slot], (struct sockaddr *)&at, sizeof(sa_family_t));
    return res ? res : name_of(s, slot);
}

static void new_unix(struct duel *d)
{
    static const int types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    int slot = free_slot(d), type = types[draw(d, 4)];
    if (slot < 0)
        return;
    d->kind[slot] = type;
    BOTH(d, "unix", slot, type, open_unix(side, slot, type));
    if (draw(d, 2)) {
        uint64_t salt = draw(d, 3);
        BOTH(d, "bind", slot, salt, bind_abstract(side, slot, salt));
        if (draw(d, 2)) {
            int backlog = (int)draw(d, 4);
            BOTH(d, "listen", slot, backlog, side->sys->ops->listen(side->sys, side->fd[slot], backlog));
        }
    }
    if (draw(d, 3))
        add(d, slot);
}

static void unix_begin(struct duel *d)
{
    for (int i = 0; i < 4; i++)
        new_unix(d);
}

static int64_t accept_unix(struct side *s, int from, int slot)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    int fd = s->sys->ops->accept4(s->sys, s->fd[from], (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int64_t res = keep(s, slot, fd);
    if (res)
        return res;
    s->at_len[slot] = 0;
    return 1000 + slot_of(s, &at, len);
}

static int64_t credentials(struct side *s, int slot)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    int res = s->sys->ops->getsockopt(s->sys, s->fd[slot], SOL_SOCKET, SO_PEERCRED, &cred, &len);
    return res ? res : (int64_t)len * 4 + (cred.pid != 0) * 2 + (cred.uid != (uid_t)-1);
}

static void unix_join(struct duel *d, int slot)
{
    int to = addressed(d), fresh = free_slot(d);
    if (draw(d, 2) && fresh >= 0) {
        BOTH(d, "accept", slot, fresh, accept_unix(side, slot, fresh));
        if (d->side[0].fd[fresh] >= 0 && !d->differs) {
            d->kind[fresh] = d->kind[slot];
            add(d, fresh);
        }
    } else if (to >= 0) {
        BOTH(d, "connect", slot, to, connect_to(side, slot, to));
    }
}

static void unix_move(struct duel *d, int slot)
{
    int to = addressed(d);
    bool named = to >= 0 && draw(d, 3) == 0;
    size_t len = 1 + draw(d, BYTES_MAX);
    unsigned seed = (unsigned)draw(d, 256);
    int flags = draw(d, 5) ? 0 : MSG_PEEK;
    if (draw(d, 2))
        BOTH(d, named ? "send to" : "send", slot, named ? to : -1, send_to(side, slot, named ? to : -1, len, seed));
    else
        BOTH(d, "recv", slot, len, recv_from(side, slot, len, flags));
}

static void unix_rare(struct duel *d, int slot)
{
    int how = (int)draw(d, 3);
    switch (draw(d, 9)) {
    case 0:
        BOTH(d, "shutdown", slot, how, shut(side, slot, how));
        break;
    case 1:
        BOTH(d, "SO_PEERCRED", slot, 0, credentials(side, slot));
        break;
    case 2:
        BOTH(d, "SO_ERROR", slot, 0, do_error(side, slot));
        break;
    case 3:
        BOTH(d, "getpeername", slot, 0, peer_of(side, slot));
        break;
    case 4:
    case 5:
        BOTH(d, "close", slot, 0, do_close(side, slot));
        break;
    case 6:
        BOTH(d, "SO_ACCEPTCONN", slot, 0, number(side, slot, SOL_SOCKET, SO_ACCEPTCONN));
        break;
    case 7:
        BOTH(d, "bind any", slot, 0, bind_any(side, slot));
        break;
    default:
        modify(d, slot);
        break;
    }
}

static void unix_step(struct duel *d)
{
    int slot = pick(d);
    uint64_t kind = draw(d, 20);
    if (slot < 0 || kind < 2)
        new_unix(d);
    else if (kind < 7)
        unix_join(d, slot);
    else if (kind < 12)
        unix_move(d, slot);
    else if (kind < 16)
        unix_rare(d, slot);
    else
        look(d);
}

/* --- descriptors that pass ---------------------------------------------------------------------------------------- */

#define PASSED_MAX 3

static void passing_begin(struct duel *d)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int type = types[draw(d, 3)] | SOCK_NONBLOCK | SOCK_CLOEXEC;
    d->kind[0] = d->kind[1] = 1; /* carries */
    BOTH(d, "socketpair", 0, type, side->sys->ops->socketpair(side->sys, AF_UNIX, type, 0, side->fd));
    BOTH(d, "pipe", 2, 0, side->sys->ops->pipe2(side->sys, side->fd + 2, O_NONBLOCK | O_CLOEXEC));
    for (int slot = 0; slot < 4; slot++)
        add(d, slot);
}

static int64_t pass(struct side *s, int slot, const int *slots, size_t count, size_t len)
{
    uint8_t bytes[64] = {7};
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(PASSED_MAX * sizeof(int))] = {0};
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    struct cmsghdr *head = (struct cmsghdr *)(void *)control;
    msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET};
    head->cmsg_type = SCM_RIGHTS;
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(head) + i * sizeof(int), &s->fd[slots[i]], sizeof(int));
    return s->sys->ops->sendmsg(s->sys, s->fd[slot], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What came goes into free slots, in order. */
static int64_t take_passed(struct side *s, int slot, size_t room, size_t len, int flags)
{
    uint8_t bytes[64];
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(PASSED_MAX * sizeof(int))] = {0};
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    msg.msg_controllen = room ? CMSG_SPACE(room * sizeof(int)) : 0;
    ssize_t res = s->sys->ops->recvmsg(s->sys, s->fd[slot], &msg, flags | MSG_DONTWAIT);
    if (res < 0)
        return res;
    struct cmsghdr *head = (struct cmsghdr *)(void *)control;
    size_t count = msg.msg_controllen >= sizeof *head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    for (size_t i = 0, free = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
        while (free < SLOTS && s->fd[free] >= 0)
            free++;
        if (free < SLOTS)
            s->fd[free] = fd;
        else
            s->sys->ops->close(s->sys, fd);
    }
    return res + 1000 * (int64_t)count + 100000 * (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC));
}

static void passing_step(struct duel *d)
{
    int slot = pick(d), slots[PASSED_MAX], carrier = (int)draw(d, 2);
    size_t count = 1 + draw(d, PASSED_MAX), len = 1 + draw(d, 20), room = draw(d, PASSED_MAX + 1);
    if (slot < 0)
        return;
    /* Never the carriers: the simulated kernel does not collect sockets that hold each other. */
    for (size_t i = 0; i < PASSED_MAX; i++) {
        int one = pick(d);
        slots[i] = one > 1 ? one : slot;
        count = slots[i] > 1 ? count : 0;
    }
    switch (draw(d, 10)) {
    case 0:
    case 1:
        if (count)
            BOTH(d, "pass", carrier, count, pass(side, carrier, slots, count, len));
        break;
    case 2:
    case 3:
        BOTH(d, "take", carrier, room, take_passed(side, carrier, room, len, 0));
        break;
    case 4:
        BOTH(d, "read", slot, len, do_read(side, slot, len));
        break;
    case 5:
        BOTH(d, "write", slot, len, do_write(side, slot, len, 3));
        break;
    case 6:
        if (slot >= 2 || draw(d, 4) == 0)
            BOTH(d, "close", slot, 0, do_close(side, slot));
        break;
    default:
        look(d);
        break;
    }
}

/* --- TCP listeners and bad ends ----------------------------------------------------------------------------------- */

static int64_t open_tcp(struct side *s, int slot, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1, fd = s->sys->ops->socket(s->sys, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int64_t res = keep(s, slot, fd);
    s->sys->ops->setsockopt(s->sys, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (res || backlog < 0)
        return res;
    res = s->sys->ops->bind(s->sys, fd, (struct sockaddr *)&at, sizeof at);
    if (res == 0)
        res = s->sys->ops->listen(s->sys, fd, backlog);
    return res ? res : name_of(s, slot);
}

static void new_tcp(struct duel *d, int backlog)
{
    int slot = free_slot(d);
    if (slot < 0)
        return;
    d->kind[slot] = backlog >= 0;
    BOTH(d, backlog < 0 ? "tcp" : "listener", slot, backlog, open_tcp(side, slot, backlog));
    if (draw(d, 4))
        add(d, slot);
}

static void tcp_begin(struct duel *d)
{
    new_tcp(d, 1 + (int)draw(d, 4));
    new_tcp(d, -1);
}

static int64_t no_linger(struct side *s, int slot)
{
    struct linger now = {.l_onoff = 1};
    return s->sys->ops->setsockopt(s->sys, s->fd[slot], SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static int64_t accept_tcp(struct side *s, int from, int slot)
{
    int fd = s->sys->ops->accept4(s->sys, s->fd[from], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return keep(s, slot, fd);
}

static void tcp_join(struct duel *d, int slot)
{
    int to = addressed(d), fresh = free_slot(d);
    if (draw(d, 2) && fresh >= 0) {
        BOTH(d, "accept", slot, fresh, accept_tcp(side, slot, fresh));
        if (d->side[0].fd[fresh] >= 0 && !d->differs) {
            d->kind[fresh] = 0;
            add(d, fresh);
        }
    } else if (to >= 0) {
        BOTH(d, "connect", slot, to, connect_to(side, slot, to));
    } else {
        new_tcp(d, -1);
    }
}

static void tcp_rare(struct duel *d, int slot)
{
    int how = (int)draw(d, 3);
    switch (draw(d, 9)) {
    case 0:
    case 1:
        BOTH(d, "shutdown", slot, how, shut(side, slot, how));
        break;
    case 2:
        BOTH(d, "linger 0", slot, 0, no_linger(side, slot));
        break;
    case 3:
        BOTH(d, "SO_ERROR", slot, 0, do_error(side, slot));
        break;
    case 4:
    case 5:
        BOTH(d, "close", slot, 0, do_close(side, slot));
        break;
    case 6:
        BOTH(d, "SO_ACCEPTCONN", slot, 0, number(side, slot, SOL_SOCKET, SO_ACCEPTCONN));
        break;
    case 7:
        BOTH(d, "getpeername", slot, 0, do_peer(side, slot));
        break;
    default:
        modify(d, slot);
        break;
    }
}

static void tcp_step(struct duel *d)
{
    int slot = pick(d);
    uint64_t kind = draw(d, 24);
    size_t len = 1 + draw(d, BYTES_MAX);
    unsigned seed = (unsigned)draw(d, 256);
    int flags = draw(d, 6) ? 0 : MSG_PEEK;
    if (slot < 0 || kind < 3)
        new_tcp(d, -1);
    else if (kind < 8)
        tcp_join(d, slot);
    else if (kind < 11)
        BOTH(d, "send", slot, len, do_send(side, slot, len, seed));
    else if (kind < 14)
        BOTH(d, "recv", slot, len, do_recv(side, slot, len, flags));
    else if (kind < 19)
        tcp_rare(d, slot);
    else
        look(d);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

#define KINDS 7

static const int option_kinds[KINDS][2] = {{AF_INET, SOCK_STREAM},   {AF_INET6, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},
                                           {AF_INET6, SOCK_DGRAM},   {AF_UNIX, SOCK_STREAM},  {AF_UNIX, SOCK_DGRAM},
                                           {AF_UNIX, SOCK_SEQPACKET}};

static const struct {
    const char *text;
    int level, name;
    int most; /* values below it are set; 0: only asked for */
} options[] = {
    {"SO_TYPE", SOL_SOCKET, SO_TYPE, 0},
    {"SO_DOMAIN", SOL_SOCKET, SO_DOMAIN, 0},
    {"SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL, 0},
    {"SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN, 0},
    {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 3},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 3},
    {"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 3},
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 100000},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 100000},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 3},
    {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 100},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 100},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 100},
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 100000},
    {"IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 2},
    {"IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 2},
    {"IP_TTL", IPPROTO_IP, IP_TTL, 200},
    {"IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 2},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 2},
    {"none", SOL_SOCKET, 9999, 2},
    {"none of TCP's", IPPROTO_TCP, 9999, 2},
};

static int64_t open_kind(struct side *s, int slot, int kind)
{
    int type = option_kinds[kind][1] | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return keep(s, slot, s->sys->ops->socket(s->sys, option_kinds[kind][0], type, 0));
}

static void options_begin(struct duel *d)
{
    for (int kind = 0; kind < KINDS; kind++)
        BOTH(d, "socket", kind, kind, open_kind(side, kind, kind));
    for (int kind = 0; kind < KINDS; kind++) { /* what they are at first is the machine's setting */
        BOTH(d, "SO_SNDBUF", kind, 50000, set_number(side, kind, SOL_SOCKET, SO_SNDBUF, 50000));
        BOTH(d, "SO_RCVBUF", kind, 50000, set_number(side, kind, SOL_SOCKET, SO_RCVBUF, 50000));
    }
}

static int64_t bind_kind(struct side *s, int slot)
{
    struct sockaddr_storage at = {.ss_family = (sa_family_t)option_kinds[slot][0]};
    socklen_t len = at.ss_family == AF_UNIX   ? sizeof(sa_family_t)
                    : at.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                              : sizeof(struct sockaddr_in6);
    return s->sys->ops->bind(s->sys, s->fd[slot], (struct sockaddr *)&at, len);
}

static void options_step(struct duel *d)
{
    int slot = (int)draw(d, KINDS);
    size_t which = draw(d, TEST_COUNT(options));
    int level = options[which].level, name = options[which].name;
    int value = options[which].most ? (int)draw(d, (uint64_t)options[which].most) : 0;
    if (draw(d, 30) == 0)
        BOTH(d, "bind", slot, 0, bind_kind(side, slot));
    else if (draw(d, 30) == 0)
        BOTH(d, "listen", slot, 0, side->sys->ops->listen(side->sys, side->fd[slot], 1));
    else if (options[which].most && draw(d, 2))
        BOTH(d, options[which].text, slot, value, set_number(side, slot, level, name, value));
    else
        BOTH(d, options[which].text, slot, -1, number(side, slot, level, name));
}

/* --- two epolls --------------------------------------------------------------------------------------------------- */

static int64_t second(struct side *s)
{
    s->ep2 = s->sys->ops->epoll_create1(s->sys, EPOLL_CLOEXEC);
    return s->ep2 < 0 ? s->ep2 : 0;
}

static void epolls_begin(struct duel *d)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    BOTH(d, "epoll", 0, 0, second(side));
    BOTH(d, "socketpair", 0, type, side->sys->ops->socketpair(side->sys, AF_UNIX, type, 0, side->fd));
    BOTH(d, "pipe", 2, 0, side->sys->ops->pipe2(side->sys, side->fd + 2, O_NONBLOCK | O_CLOEXEC));
    BOTH(d, "eventfd", 4, 0, keep(side, 4, side->sys->ops->eventfd(side->sys, 0, EFD_NONBLOCK | EFD_CLOEXEC)));
}

static int64_t control(struct side *s, int ep, int op, int slot, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.u32 = (uint32_t)slot};
    int fd = slot == SLOTS ? s->ep2 : s->fd[slot];
    return s->sys->ops->epoll_ctl(s->sys, ep ? s->ep2 : s->ep, op, fd, &ev);
}

/* All that an epoll says, level-triggered: which slots, and what of them. */
static int64_t wait_now(struct side *s, int ep)
{
    struct epoll_event events[SLOTS + 1];
    uint64_t sum = 0;
    int n = s->sys->ops->epoll_wait(s->sys, ep ? s->ep2 : s->ep, events, SLOTS + 1, 0);
    for (int i = 0; i < n; i++)
        sum += ((uint64_t)events[i].data.u32 + 1) * 1000003 * (events[i].events + 1);
    return n < 0 ? n : (int64_t)(sum & INT64_MAX);
}

static void epolls_control(struct duel *d)
{
    static const unsigned more[] = {0, 0, EPOLLONESHOT, EPOLLRDHUP, EPOLLPRI, EPOLLEXCLUSIVE};
    static const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    int ep = (int)draw(d, 2), op = ops[draw(d, 4)], slot = draw(d, 12) ? pick(d) : SLOTS;
    unsigned events = (draw(d, 2) ? EPOLLIN : 0) | (draw(d, 2) ? EPOLLOUT : 0) | more[draw(d, TEST_COUNT(more))];
    if (slot >= 0)
        BOTH(d,
             op == EPOLL_CTL_ADD   ? "add"
             : op == EPOLL_CTL_MOD ? "mod"
                                   : "del",
             slot, ep * 0x1000000 + (int)events, control(side, ep, op, slot, events));
}

static void epolls_step(struct duel *d)
{
    int slot = pick(d), ep = (int)draw(d, 2), fresh = free_slot(d);
    size_t len = 8; /* newer kernels refuse any other of an eventfd */
    uint64_t kind = draw(d, 20);
    if (kind < 6) {
        epolls_control(d);
    } else if (slot >= 0 && kind < 9) {
        BOTH(d, "write", slot, len, do_write(side, slot, len, 1));
    } else if (slot >= 0 && kind < 12) {
        BOTH(d, "read", slot, len, do_read(side, slot, len));
    } else if (slot >= 0 && kind == 12) {
        BOTH(d, "close", slot, 0, do_close(side, slot));
    } else if (slot >= 0 && fresh >= 0 && kind == 13) {
        BOTH(d, "dup", slot, fresh,
             keep(side, fresh, side->sys->ops->fcntl(side->sys, side->fd[slot], F_DUPFD_CLOEXEC, 0)));
    } else {
        BOTH(d, "wait", ep, 0, wait_now(side, ep));
    }
}

/* --- the tests ---------------------------------------------------------------------------------------------------- */

#define AGREE(test, text, begin, step)                                                                                 \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        static const struct family family = {text, begin, step, NULL};                                                 \
        (void)state;                                                                                                   \
        duel(&family);                                                                                                 \
    }
AGREE(udp_sockets_agree, "udp sockets", udp_begin, udp_step)
AGREE(unix_sockets_agree, "unix sockets", unix_begin, unix_step)
AGREE(passed_descriptors_agree, "passed descriptors", passing_begin, passing_step)
AGREE(tcp_listeners_agree, "tcp listeners", tcp_begin, tcp_step)
AGREE(options_agree, "options", options_begin, options_step)
AGREE(epolls_agree, "two epolls", epolls_begin, epolls_step)

TEST_MAIN_WITH(ignore_sigpipe, NULL, cmocka_unit_test(udp_sockets_agree), cmocka_unit_test(unix_sockets_agree),
               cmocka_unit_test(passed_descriptors_agree), cmocka_unit_test(tcp_listeners_agree),
               cmocka_unit_test(options_agree), cmocka_unit_test(epolls_agree))
