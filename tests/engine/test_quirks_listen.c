/* SPDX-License-Identifier: MIT
 *
 * What happens now and then to who accepts and who connects (docs/quirks.md), provoked on the real kernel where that
 * can be done, else by calls that fail. The files under test are listen.c, listen_accept.c, listen_unix.c, connect.c,
 * eyeballs.c and io_epoll.c.
 */
#include "tests/engine/connect_bed.h"

#include <plait/datagram.h>
#include <plait/process.h>

#include <sys/resource.h>
#include <sys/stat.h>

static const struct linger reset_at_close = {.l_onoff = 1, .l_linger = 0};

/* --- TQ-7, TQ-13, TQ-69: a peer that is gone already -------------------------------------------------------------- */

static uint16_t port_of(int fd)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

/* Linux accepts it all the same, and says so at the first read. */
static void a_peer_that_reset_before_it_was_accepted_has_an_address_and_a_fault(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    const int gone = plain_connect(p.at.port);
    const uint16_t port = port_of(gone);
    assert_int_equal(setsockopt(gone, SOL_SOCKET, SO_LINGER, &reset_at_close, sizeof reset_at_close), 0);
    close(gone);
    (void)usleep(1000);
    net_until(&p.n, p.v.lost == 1);
    assert_int_equal(p.v.connected, 1);
    assert_int_equal(p.v.peer.port, port); /* as accept told it: getpeername knows it no more */
    assert_int_equal(p.v.fault.os_errno, ECONNRESET);
    const int next = plain_connect(p.at.port);
    net_until(&p.n, p.v.connected == 2);
    close(next);
    place_close(&p);
}

static int refused_op; /* EPOLL_CTL_ADD, EPOLL_CTL_DEL: what the kernel knows nothing of; 0: nothing */
static int refusals;

static int forgetful_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys;
    if (op == refused_op) {
        refusals++;
        (void)plait__sys_kernel()->ops->epoll_ctl(plait__sys_kernel(), epfd, EPOLL_CTL_DEL, fd, NULL);
        return -ENOENT;
    }
    return plait__sys_kernel()->ops->epoll_ctl(plait__sys_kernel(), epfd, op, fd, event);
}

/* Seen elsewhere when a peer resets between accept and registration. It costs that connection and no other, and the
 * listener goes on. */
static void epolls_enoent_for_an_accepted_socket_costs_that_connection_only(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    p.n.b.ops.epoll_ctl = forgetful_epoll_ctl;
    refusals = 0;
    refused_op = EPOLL_CTL_ADD;
    const int first = plain_connect(p.at.port);
    net_until(&p.n, p.v.lost == 1);
    assert_int_equal(p.v.fault.os_errno, ENOENT);
    refused_op = 0;
    const int second = plain_connect(p.at.port);
    net_until(&p.n, p.v.connected == 2);
    net_idle(&p.n);
    assert_int_equal(p.v.lost, 1);
    refused_op = EPOLL_CTL_DEL; /* and at the end it is no fault at all */
    plait_close(p.v.s);
    close(second);
    net_until(&p.n, p.v.lost == 2);
    assert_int_equal(p.v.fault.err, PLAIT_OK);
    assert_int_equal(refusals, 2);
    refused_op = 0;
    close(first);
    place_close(&p);
}

/* --- TQ-1: no descriptor left, for real --------------------------------------------------------------------------- */

static void a_process_out_of_descriptors_keeps_clients_waiting_without_spinning(void **state)
{
    struct place p;
    struct rlimit was;
    char byte;
    (void)state;
    place_open(&p);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    const int fd = plain_connect(p.at.port);
    const int next = dup(2);
    close(next);
    const struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    net_idle(&p.n);
    const uint64_t calls = plait_injector_count(p.n.inj, "accept4", NULL);
    net_idle(&p.n);
    assert_int_equal(plait_injector_count(p.n.inj, "accept4", NULL), calls);
    assert_int_equal(p.v.connected, 0);
    assert_true(bed_logged(&p.n.b, "accept-exhausted"));
    for (int i = 0; i < 4; i++)
        bed_pass(&p.n.b, plait_millis(1001));
    (void)usleep(1000);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0); /* over the spare descriptor it was told to go */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    close(fd);
    const int then = plain_connect(p.at.port);
    bed_pass(&p.n.b, plait_millis(1001));
    net_until(&p.n, p.v.connected == 1);
    assert_true(p.n.r->spare_fd >= 0);
    close(then);
    place_close(&p);
}

/* TQ-10 */
static void batches_grow_while_they_are_saturated(void **state)
{
    enum { CLIENTS = 200 };
    struct place p;
    int fd[CLIENTS];
    (void)state;
    place_open(&p);
    const uint32_t usual = p.l->h.accept_max;
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = plain_connect(p.at.port);
    net_turn(&p.n);
    assert_in_range(p.v.opened, usual, CLIENTS - 1); /* others have their turn before the rest */
    assert_true(p.l->h.accept_max > usual);
    net_until(&p.n, p.v.opened == CLIENTS);
    net_turn(&p.n);
    const int last = plain_connect(p.at.port);
    net_until(&p.n, p.v.opened == CLIENTS + 1);
    net_turn(&p.n);
    assert_int_equal(p.l->h.accept_max, usual);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close(last);
    place_close(&p);
}

/* --- TQ-12: every descriptor is closed at exec, from its first moment --------------------------------------------- */

static struct {
    size_t made;
    bool leaks;
} made;

static void note_made(int res, bool cloexec)
{
    made.made += res >= 0;
    made.leaks |= res >= 0 && !cloexec;
}

#define REAL plait__sys_kernel()->ops

static int watched_socket(struct plait_sys *sys, int domain, int type, int protocol)
{
    (void)sys;
    const int res = REAL->socket(plait__sys_kernel(), domain, type, protocol);
    note_made(res, type & SOCK_CLOEXEC);
    return res;
}

static int watched_socketpair(struct plait_sys *sys, int domain, int type, int protocol, int fds[2])
{
    (void)sys;
    const int res = REAL->socketpair(plait__sys_kernel(), domain, type, protocol, fds);
    note_made(res, type & SOCK_CLOEXEC);
    return res;
}

static int watched_accept4(struct plait_sys *sys, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    (void)sys;
    const int res = REAL->accept4(plait__sys_kernel(), fd, addr, len, flags);
    note_made(res, flags & SOCK_CLOEXEC);
    return res;
}

static ssize_t watched_recvmsg(struct plait_sys *sys, int fd, struct msghdr *msg, int flags)
{
    (void)sys;
    const ssize_t res = REAL->recvmsg(plait__sys_kernel(), fd, msg, flags);
    if (res > 0 && CMSG_FIRSTHDR(msg))
        note_made(0, flags & MSG_CMSG_CLOEXEC);
    return res;
}

static int watched_pipe2(struct plait_sys *sys, int fds[2], int flags)
{
    (void)sys;
    const int res = REAL->pipe2(plait__sys_kernel(), fds, flags);
    note_made(res, flags & O_CLOEXEC);
    return res;
}

static int watched_fcntl(struct plait_sys *sys, int fd, int cmd, long arg)
{
    (void)sys;
    const int res = REAL->fcntl(plait__sys_kernel(), fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
        note_made(res, cmd == F_DUPFD_CLOEXEC);
    return res;
}

static int watched_eventfd(struct plait_sys *sys, unsigned value, int flags)
{
    (void)sys;
    const int res = REAL->eventfd(plait__sys_kernel(), value, flags);
    note_made(res, flags & 02000000 /* EFD_CLOEXEC */);
    return res;
}

static int watched_epoll_create1(struct plait_sys *sys, int flags)
{
    (void)sys;
    const int res = REAL->epoll_create1(plait__sys_kernel(), flags);
    note_made(res, flags & EPOLL_CLOEXEC);
    return res;
}

static int watched_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode,
                           uint64_t resolve)
{
    (void)sys;
    const int res = REAL->openat2(plait__sys_kernel(), dirfd, path, flags, mode, resolve);
    note_made(res, flags & O_CLOEXEC);
    return res;
}

static int watched_signalfd(struct plait_sys *sys, int fd, const sigset_t *set, int flags)
{
    (void)sys;
    const int res = REAL->signalfd(plait__sys_kernel(), fd, set, flags);
    note_made(res, flags & 02000000 /* SFD_CLOEXEC */);
    return res;
}

static void watch_what_is_made(struct plait_sys_ops *ops)
{
    ops->socket = watched_socket;
    ops->socketpair = watched_socketpair;
    ops->accept4 = watched_accept4;
    ops->recvmsg = watched_recvmsg;
    ops->pipe2 = watched_pipe2;
    ops->fcntl = watched_fcntl;
    ops->eventfd = watched_eventfd;
    ops->epoll_create1 = watched_epoll_create1;
    ops->openat2 = watched_openat2;
    ops->signalfd = watched_signalfd;
}

static void on_signal(int signo, void *ctx)
{
    (void)signo, (void)ctx;
}

static void make_one_of_each(struct net *n, struct client *c, struct srv *v, struct plait_listener **adopted)
{
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN},
                                    {.child_fd = 1, .kind = PLAIT_CHILD_SOCKET}};
    struct plait_spawn_options o = {.path = "/bin/true", .map = map, .map_count = 2};
    static const struct plait_datagram_handler deaf = {.packet = NULL};
    const struct plait_datagram_options d = {.bind = loopback(0)};
    struct plait_process *process;
    struct plait_datagram *datagram;
    struct plait_address at;
    uint16_t port;
    const int own = plain_listener(&port);
    assert_ok(plait_listen_fd(n->r, own, NULL, srv_service(n, v), adopted));
    close(own);
    at = loopback(port);
    client_start(c, plait_connect_address(n->r, &at, NULL));
    client_expect(n, c, PLAIT_OK);
    assert_ok(plait_spawn(n->r, &o, &process));
    assert_ok(plait_datagram_open(n->r, &d, &deaf, NULL, &datagram));
    assert_ok(plait_on_signal(n->r, SIGUSR1, on_signal, NULL));
    const int null = 0;
    struct plait_stream *s[2];
    int fd[2];
    struct peer *p = calloc(2, sizeof *p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(plait__fd_stream_new(n->r, PLAIT__FD_UNIX, fd[i], NULL, &s[i]), 0);
        peer_attach(&p[i], s[i], &peer_protocol);
    }
    assert_ok(plait_write_fds(s[0], PLAIT_LIT("x"), &null, 1));
    net_until(n, p[1].fds == 1);
    assert_int_equal(fcntl(p[1].fd[0], F_GETFD), FD_CLOEXEC);
    close(p[1].fd[0]);
    plait_abort(s[0]);
    plait_abort(s[1]);
    plait_process_free(&process);
    plait_datagram_close(&datagram);
    net_idle(n);
    for (int i = 0; i < 2; i++)
        plait__stream_discard(map[i].stream);
    net_idle(n);
    free(p);
}

static void every_descriptor_is_made_with_close_on_exec(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct client *c = client_new();
    struct plait_listener *adopted;
    (void)state;
    net_open_with(&n, (struct plait_reactor_options){.own_signals = true});
    watch_what_is_made(&n.b.ops);
    made.made = 0;
    made.leaks = false;
    const struct plait_reactor_options o = {.sys = &n.b.sys};
    struct plait_reactor *another = plait_reactor_new(&o);
    assert_non_null(another);
    plait_reactor_free(&another);
    assert_true(made.made >= 2); /* its epoll, and what wakes it */
    make_one_of_each(&n, c, &v, &adopted);
    assert_true(made.made >= 12);
    assert_false(made.leaks);
    net_close(&n);
    free(c);
}

/* --- TQ-17, TQ-22, TQ-108: options of listening sockets ----------------------------------------------------------- */

static void a_listener_starts_again_while_old_connections_time_out(void **state)
{
    struct place p;
    char byte;
    (void)state;
    place_open(&p);
    const int fd = plain_connect(p.at.port);
    net_until(&p.n, p.v.connected == 1);
    plait_close(p.v.s); /* who closes first has the port in TIME_WAIT */
    net_turn(&p.n);
    (void)usleep(1000);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    net_until(&p.n, p.v.lost == 1);
    plait_listener_close(&p.l);
    net_idle(&p.n);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(p.at.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(plain, (struct sockaddr *)&in, sizeof in), -1); /* without SO_REUSEADDR it is taken */
    close(plain);
    assert_ok(plait_listen(p.n.r, &p.at, NULL, srv_service(&p.n, &p.v), &p.l));
    place_close(&p);
}

/* Whatever the system's default is: the two families are told apart unless both are asked for. */
static void a_port_of_all_ipv6_addresses_leaves_that_of_all_ipv4_addresses_free(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_address six = {.kind = PLAIT_ADDR_IP6};
    struct plait_address four = {.kind = PLAIT_ADDR_IP4};
    struct plait_listener *l[3];
    const struct plait_listen_options both = {.dual_stack = true};
    (void)state;
    net_open(&n);
    assert_ok(plait_listen(n.r, &six, NULL, srv_service(&n, &v), &l[0]));
    four.port = net_port(l[0]);
    assert_ok(plait_listen(n.r, &four, NULL, srv_service(&n, &v), &l[1]));
    plait_listener_close(&l[0]);
    plait_listener_close(&l[1]);
    net_idle(&n);
    six.port = four.port;
    assert_ok(plait_listen(n.r, &six, &both, srv_service(&n, &v), &l[0]));
    assert_err(plait_listen(n.r, &four, NULL, srv_service(&n, &v), &l[2]), PLAIT_EADDRINUSE);
    const int fd = plain_connect(six.port);
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
}

static void a_system_without_shared_ports_says_so_to_who_asks_for_one(void **state)
{
    static const struct plait_datagram_handler deaf = {.packet = NULL};
    const struct plait_listen_options share = {.reuse_port = true};
    const struct plait_datagram_options d = {.bind = loopback(0), .reuse_port = true};
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_address at = loopback(0);
    struct plait_listener *l;
    struct plait_datagram *datagram;
    (void)state;
    net_open(&n);
    net_fail(&n, "setsockopt", 2, 1, ENOPROTOOPT); /* SO_REUSEADDR is the first */
    assert_true(plait_listen(n.r, &at, &share, srv_service(&n, &v), &l) != PLAIT_OK);
    net_fail(&n, "setsockopt", 2, 1, ENOPROTOOPT); /* IP_PKTINFO is the first */
    assert_true(plait_datagram_open(n.r, &d, &deaf, NULL, &datagram) != PLAIT_OK);
    assert_ok(plait_listen(n.r, &at, NULL, srv_service(&n, &v), &l)); /* who does not ask never meets it */
    net_close(&n);
}

/* --- TQ-116, TQ-122: UNIX sockets --------------------------------------------------------------------------------- */

struct unix_place {
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 8];
    struct plait_address at;
};

static void unix_place_make(struct unix_place *u)
{
    test_folder_make(u->folder);
    assert_true(snprintf(u->path, sizeof u->path, "%s/s", u->folder) < 100);
    assert_ok(plait_address_unix(plait_slice_text(u->path), &u->at));
}

static void the_file_of_a_passed_unix_socket_is_not_removed(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct unix_place u;
    struct stat st;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct plait_listener *l;
    (void)state;
    unix_place_make(&u);
    net_open(&n);
    const int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%.100s", u.path);
    assert_int_equal(bind(own, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(own, 5), 0);
    assert_ok(plait_listen_fd(n.r, own, NULL, srv_service(&n, &v), &l));
    plait_listener_close(&l);
    net_idle(&n);
    assert_int_equal(lstat(u.path, &st), 0);
    close(own);
    net_close(&n);
    test_folder_remove(u.folder);
}

/* Gone, in a folder that is gone, or not to be removed: closing takes it as it comes. */
static void a_socket_file_that_cannot_be_removed_does_not_hinder_the_end(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct net n;
        struct srv v = {.opened = 0};
        struct unix_place u;
        struct plait_listener *l;
        unix_place_make(&u);
        net_open(&n);
        assert_ok(plait_listen(n.r, &u.at, NULL, srv_service(&n, &v), &l));
        if (how == 0)
            assert_int_equal(unlink(u.path), 0);
        else if (how == 1)
            net_fail(&n, "unlinkat", 1, 1, EACCES);
        else
            test_folder_remove(u.folder);
        plait_listener_close(&l);
        net_idle(&n);
        assert_int_equal(v.freed, 1);
        net_close(&n);
        if (how < 2)
            test_folder_remove(u.folder);
    }
}

static size_t tcp_options;

static int noting_setsockopt(struct plait_sys *sys, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)sys;
    tcp_options += level == IPPROTO_TCP;
    return REAL->setsockopt(plait__sys_kernel(), fd, level, name, value, len);
}

static void unix_sockets_are_asked_for_no_option_of_tcp(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct unix_place u;
    struct client *c = client_new();
    struct plait_listener *l;
    (void)state;
    unix_place_make(&u);
    net_open(&n);
    n.b.ops.setsockopt = noting_setsockopt;
    tcp_options = 0;
    assert_ok(plait_listen(n.r, &u.at, NULL, srv_service(&n, &v), &l));
    client_start(c, plait_connect_address(n.r, &u.at, NULL));
    client_expect(&n, c, PLAIT_OK);
    net_until(&n, v.connected == 1);
    assert_err(plait_stream_nagle(c->p.s, true), PLAIT_EUNSUPPORTED);
    assert_int_equal(tcp_options, 0);
    plait_listener_close(&l);
    net_close(&n);
    test_folder_remove(u.folder);
    free(c);
}

/* --- TQ-21, TQ-28, TQ-36: ends inside callbacks ------------------------------------------------------------------- */

static plait_err open_and_stop(struct plait_stream *s, void *ctx)
{
    struct plait_listener **l = ctx;
    plait_stream_attach(s, &peer_protocol, calloc(1, sizeof(struct peer)));
    plait_listener_close(l);
    return PLAIT_OK;
}

static void a_listener_may_be_closed_while_it_accepts(void **state)
{
    static const struct plait_service_ops ops = {.name = "stops", .open = open_and_stop};
    struct net n;
    struct plait_listener *l;
    struct plait_address at = loopback(0);
    (void)state;
    net_open(&n);
    assert_ok(plait_listen(n.r, &at, NULL, plait_service_new(n.r, &ops, &l), &l));
    at.port = net_port(l);
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = plain_connect(at.port);
    net_until(&n, l == NULL);
    net_idle(&n);
    size_t ended = 0;
    for (int i = 0; i < 3; i++)
        ended += plain_ended(fd[i]);
    assert_int_equal(ended, 2); /* one was accepted and lives; who still waited was reset by the kernel */
    assert_int_equal(plain_connect_from(at.port, 0), -1);
    assert_int_equal(n.r->stream_count, 1);
    struct plait_stream *s = plait__container(n.r->streams.next, struct plait_stream, all);
    struct peer *p = s->self;
    plait_abort(s);
    net_idle(&n);
    free(p);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    net_close(&n);
}

struct stubborn {
    struct net *n;
    struct plait_address wrong, right;
    struct client *c;
    int refused;
};

static void try_again(struct plait_result *result, void *ctx)
{
    struct stubborn *s = ctx;
    assert_err(result->fault.err, PLAIT_EREFUSED);
    s->refused++;
    if (s->refused < 3)
        assert_ok(plait_then(plait_connect_address(s->n->r, &s->wrong, NULL), try_again, s));
    else
        client_start(s->c, plait_connect_address(s->n->r, &s->right, NULL));
}

static void who_failed_may_connect_again_inside_the_callback(void **state)
{
    struct place p;
    (void)state;
    place_open(&p);
    struct stubborn s = {.n = &p.n, .wrong = loopback(test_free_port()), .right = p.at, .c = p.c};
    assert_ok(plait_then(plait_connect_address(p.n.r, &s.wrong, NULL), try_again, &s));
    client_expect(&p.n, p.c, PLAIT_OK);
    assert_int_equal(s.refused, 3);
    net_idle(&p.n);
    assert_int_equal(p.c->seen.calls, 1);
    assert_int_equal(p.v.opened, 1);
    place_close(&p);
}

/* What connect says although the kernel has begun, or is done. */
static int says;

static int wordy_connect(struct plait_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)sys;
    const int res = REAL->connect(plait__sys_kernel(), fd, addr, len);
    assert_true(res == 0 || res == -EINPROGRESS);
    return -says;
}

static void a_connect_that_is_interrupted_or_done_already_goes_on(void **state)
{
    static const int words[] = {EINTR, EALREADY, EISCONN};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(words); i++) {
        struct place p;
        place_open(&p);
        p.n.b.ops.connect = wordy_connect;
        says = words[i];
        client_start(p.c, plait_connect_address(p.n.r, &p.at, NULL));
        client_expect(&p.n, p.c, PLAIT_OK);
        plait_write(p.c->p.s, PLAIT_LIT("hello"));
        net_until(&p.n, p.c->p.got_len == 5);
        place_close(&p);
    }
}

/* TQ-39: a socket may be dying while its options are set. */
static void an_option_that_only_speeds_up_does_not_fail_a_connection(void **state)
{
    const struct plait_connect_options o = {.fast_open = true};
    struct place p;
    (void)state;
    place_open(&p);
    net_fail(&p.n, "setsockopt", 1, 2, EINVAL);
    client_start(p.c, plait_connect_address(p.n.r, &p.at, &o));
    client_expect(&p.n, p.c, PLAIT_OK);
    net_until(&p.n, p.v.connected == 1);
    place_close(&p);
}

TEST_MAIN(cmocka_unit_test(a_peer_that_reset_before_it_was_accepted_has_an_address_and_a_fault),
          cmocka_unit_test(epolls_enoent_for_an_accepted_socket_costs_that_connection_only),
          cmocka_unit_test(a_process_out_of_descriptors_keeps_clients_waiting_without_spinning),
          cmocka_unit_test(batches_grow_while_they_are_saturated),
          cmocka_unit_test(every_descriptor_is_made_with_close_on_exec),
          cmocka_unit_test(a_listener_starts_again_while_old_connections_time_out),
          cmocka_unit_test(a_port_of_all_ipv6_addresses_leaves_that_of_all_ipv4_addresses_free),
          cmocka_unit_test(a_system_without_shared_ports_says_so_to_who_asks_for_one),
          cmocka_unit_test(the_file_of_a_passed_unix_socket_is_not_removed),
          cmocka_unit_test(a_socket_file_that_cannot_be_removed_does_not_hinder_the_end),
          cmocka_unit_test(unix_sockets_are_asked_for_no_option_of_tcp),
          cmocka_unit_test(a_listener_may_be_closed_while_it_accepts),
          cmocka_unit_test(who_failed_may_connect_again_inside_the_callback),
          cmocka_unit_test(a_connect_that_is_interrupted_or_done_already_goes_on),
          cmocka_unit_test(an_option_that_only_speeds_up_does_not_fail_a_connection))
