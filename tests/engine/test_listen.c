/* SPDX-License-Identifier: MIT
 *
 * Services and listeners: what they take and give back, how accept's errors are lived through, UNIX sockets and their
 * files.
 */
#include "tests/engine/net.h"

#include <sys/stat.h>

static void an_accepted_connection_reaches_the_service(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    char text[16];
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    plain_send(fd, PLAIT_LIT("hello"));
    net_until(&n, v.got_len == 5);
    assert_int_equal(plait_listener_count(l), 1);
    assert_int_equal(v.peer.kind, PLAIT_ADDR_IP4);
    assert_int_equal(v.local.port, net_port(l));
    assert_int_equal(plain_receive(fd, text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(fd);
    net_until(&n, v.lost == 1);
    assert_int_equal(plait_listener_count(l), 0);
    plait_listener_close(&l);
    assert_null(l);
    net_until(&n, v.freed == 1);
    net_close(&n);
}

static void nagle_is_off_on_accepted_connections(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    assert_err(plait_stream_nagle(v.s, false), PLAIT_OK);
    int on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(l->h.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    close(fd);
    net_close(&n);
}

static void a_service_lives_until_its_last_connection_is_gone(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    plait_listener_close(&l);
    net_idle(&n);
    assert_int_equal(v.freed, 0);
    close(fd);
    net_until(&n, v.freed == 1);
    net_close(&n);
}

static void a_listener_needs_no_name(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address any = loopback(0);
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const struct plait_address taken = loopback(net_port(l));
    assert_ok(plait_listen(n.r, &any, NULL, srv_service(&n, &v), NULL));
    assert_ok(plait_listen_fd(n.r, l->h.fd, NULL, srv_service(&n, &v), NULL));
    assert_err(plait_listen(n.r, &taken, NULL, srv_service(&n, &v), NULL), PLAIT_EADDRINUSE);
    net_close(&n);
    assert_int_equal(v.freed, 4);
}

static void one_service_can_have_two_listeners(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(0);
    struct plait_listener *l[2];
    (void)state;
    net_open(&n);
    struct plait_service *service = srv_service(&n, &v);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_listen(n.r, &a, NULL, plait_service_ref(service), &l[i]));
    plait_service_unref(&service);
    assert_null(service);
    plait_service_unref(&service);
    const int x = plain_connect(net_port(l[0]));
    const int y = plain_connect(net_port(l[1]));
    net_until(&n, v.connected == 2);
    plait_listener_close(&l[0]);
    close(x);
    close(y);
    net_until(&n, v.lost == 2);
    net_idle(&n);
    assert_int_equal(v.freed, 0);
    plait_listener_close(&l[1]);
    net_until(&n, v.freed == 1);
    net_close(&n);
}

static void a_protocol_without_state_is_a_service(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(0);
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    assert_ok(plait_listen(n.r, &a, NULL, plait_service_of(n.r, &srv_protocol, &v), &l));
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
    assert_int_equal(v.lost, 1);
}

static void a_service_that_refuses_closes_the_connection(void **state)
{
    struct net n;
    struct srv v = {.refuse = PLAIT_EFORBIDDEN};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    int fd = plain_connect(net_port(l));
    net_until(&n, plain_ended(fd));
    assert_true(bed_logged(&n.b, "open-failed"));
    close(fd);
    v.refuse = PLAIT_OK;
    v.attach_nothing = true;
    fd = plain_connect(net_port(l));
    net_until(&n, plain_ended(fd));
    assert_int_equal(v.opened, 2);
    net_until(&n, plait_listener_count(l) == 0);
    close(fd);
    net_close(&n);
}

static void no_memory_for_a_service_frees_its_context(void **state)
{
    static const struct plait_service_ops ops = {.name = "srv", .free = srv_free};
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(0);
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    bed_fail(&n.b, 1);
    assert_null(plait_service_new(n.r, &ops, &v));
    assert_null(plait_service_of(n.r, &srv_protocol, &v));
    bed_heal(&n.b);
    assert_int_equal(v.freed, 1);
    assert_err(plait_listen(n.r, &a, NULL, NULL, &l), PLAIT_ENOMEM);
    net_close(&n);
}

/* --- what listening can fail of ----------------------------------------------------------------------------------- */

static void listening_fails_with_the_reason(void **state)
{
    static const struct {
        const char *call;
        int os_errno;
        plait_err err;
    } row[] = {
        {"socket", EMFILE, PLAIT_EDESCRIPTORS}, {"setsockopt", ENOPROTOOPT, PLAIT_EIO},
        {"bind", EADDRINUSE, PLAIT_EADDRINUSE}, {"bind", EADDRNOTAVAIL, PLAIT_EADDRNOTAVAIL},
        {"bind", EACCES, PLAIT_EACCESS},        {"listen", EADDRINUSE, PLAIT_EADDRINUSE},
        {"epoll_ctl", ENOSPC, PLAIT_ENOSPACE},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        const struct plait_address a = loopback(0);
        struct plait_listener *l;
        net_open(&n);
        net_fail(&n, row[i].call, 1, 1, row[i].os_errno);
        const plait_err err = plait_listen(n.r, &a, NULL, srv_service(&n, &v), &l);
        if (err == PLAIT_OK)
            fail_msg("%s", row[i].call);
        if (strcmp(row[i].call, "setsockopt") != 0)
            assert_err(err, row[i].err);
        assert_null(l);
        assert_int_equal(v.freed, 1);
        net_close(&n);
    }
}

static void listening_fails_without_memory_and_leaves_nothing(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = loopback(0);
    (void)state;
    net_open(&n);
    for (uint64_t k = 1; k < 3; k++) {
        struct plait_listener *l;
        struct plait_service *service = srv_service(&n, &v);
        bed_fail(&n.b, k);
        const plait_err err = plait_listen(n.r, &a, NULL, service, &l);
        bed_heal(&n.b);
        if (err == PLAIT_OK)
            break;
        assert_err(err, PLAIT_ENOMEM);
        assert_int_equal(v.freed, k);
    }
    net_close(&n);
}

static void no_address_is_invalid(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address a = {.kind = PLAIT_ADDR_NONE};
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    assert_err(plait_listen(n.r, &a, NULL, srv_service(&n, &v), &l), PLAIT_EINVAL);
    net_close(&n);
}

static void a_port_in_use_says_so(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const struct plait_address a = loopback(net_port(l));
    struct plait_listener *other;
    assert_err(plait_listen(n.r, &a, NULL, srv_service(&n, &v), &other), PLAIT_EADDRINUSE);
    net_close(&n);
    assert_int_equal(v.freed, 2);
}

static void two_can_share_a_port_when_both_ask(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.reuse_port = true, .fast_open = true, .defer_accept = true};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, &o);
    const struct plait_address a = loopback(net_port(l));
    struct plait_listener *other;
    assert_ok(plait_listen(n.r, &a, &o, srv_service(&n, &v), &other));
    net_close(&n);
}

static void an_option_that_only_speeds_up_may_be_refused(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_listen_options o = {.fast_open = true};
    (void)state;
    net_open(&n);
    net_fail(&n, "setsockopt", 3, 1, ENOPROTOOPT);
    (void)net_listen(&n, &v, &o);
    assert_true(bed_logged(&n.b, "option-refused"));
    net_close(&n);
}

static void ipv6_listens_for_ipv6_only_unless_asked(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    const struct plait_address any = {.kind = PLAIT_ADDR_IP6};
    const struct plait_listen_options dual = {.dual_stack = true};
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    assert_ok(plait_listen(n.r, &any, NULL, srv_service(&n, &v), &l));
    assert_int_equal(plain_connect_from(net_port(l), 0), -1);
    plait_listener_close(&l);
    assert_ok(plait_listen(n.r, &any, &dual, srv_service(&n, &v), &l));
    const int fd = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    assert_int_equal(v.peer.kind, PLAIT_ADDR_IP6);
    close(fd);
    net_close(&n);
}

/* --- accept's errors ---------------------------------------------------------------------------------------------- */

/* TQ-6, TQ-8: errors of one connection. */
static void an_error_of_one_connection_is_skipped(void **state)
{
    static const int errors[] = {ECONNABORTED, EPERM, EPROTO, ENETDOWN, EHOSTUNREACH, ENONET, EOPNOTSUPP, ETIMEDOUT};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(errors); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        net_open(&n);
        struct plait_listener *l = net_listen(&n, &v, NULL);
        net_fail(&n, "accept4", 1, 1, errors[i]);
        const int fd = plain_connect(net_port(l));
        net_until(&n, v.connected == 1);
        assert_int_equal(n.r->counts.accept_errors.value, 1);
        close(fd);
        net_close(&n);
    }
}

static void errors_without_end_do_not_spin(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    net_fail(&n, "accept4", 1, 0, EPERM);
    const int fd = plain_connect(net_port(l));
    net_until(&n, l->pauses != 0);
    assert_true(bed_logged(&n.b, "one connection after another"));
    net_idle(&n);
    const uint64_t calls = plait_injector_count(n.inj, "accept4", NULL);
    net_idle(&n);
    assert_int_equal(plait_injector_count(n.inj, "accept4", NULL), calls);
    net_fail(&n, "accept4", 1, 0, 0);
    bed_pass(&n.b, plait_millis(150));
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
}

/* TQ-5 */
static void trouble_of_the_kernel_pauses_for_a_moment(void **state)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EINVAL};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(errors); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        net_open(&n);
        struct plait_listener *l = net_listen(&n, &v, NULL);
        net_fail(&n, "accept4", 1, 1, errors[i]);
        const int fd = plain_connect(net_port(l));
        net_until(&n, l->pauses == PLAIT__PAUSE_BRIEF);
        net_idle(&n);
        assert_int_equal(v.connected, 0);
        bed_pass(&n.b, plait_millis(1010));
        net_until(&n, v.connected == 1);
        close(fd);
        net_close(&n);
    }
}

/* TQ-1 */
static void out_of_descriptors_clients_wait_until_one_is_closed(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    const int first = plain_connect(net_port(l));
    net_until(&n, v.connected == 1);
    net_fail(&n, "accept4", 1, 0, EMFILE);
    const int second = plain_connect(net_port(l));
    net_until(&n, l->pauses == PLAIT__PAUSE_DESCRIPTORS);
    assert_true(bed_logged(&n.b, "accept-exhausted"));
    net_idle(&n);
    const uint64_t calls = plait_injector_count(n.inj, "accept4", NULL);
    net_idle(&n);
    assert_int_equal(plait_injector_count(n.inj, "accept4", NULL), calls);
    net_fail(&n, "accept4", 1, 0, 0);
    close(first);
    net_until(&n, v.connected == 2); /* the clock stands still: it was the close that did it */
    close(second);
    net_close(&n);
}

static void out_of_descriptors_is_looked_at_again_after_a_second(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    net_fail(&n, "accept4", 1, 1, ENFILE);
    const int fd = plain_connect(net_port(l));
    net_until(&n, l->pauses == PLAIT__PAUSE_DESCRIPTORS);
    bed_pass(&n.b, plait_millis(1010));
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
}

/* A client is not kept hanging for ever: over the spare descriptor it is accepted and closed. */
static void long_exhaustion_sheds_who_waits(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    assert_true(n.r->spare_fd >= 0);
    const int fd = plain_connect(net_port(l));
    net_fail(&n, "accept4", 1, 1, EMFILE);
    for (int second = 0; second < 4; second++) {
        net_idle(&n);
        assert_int_equal(v.connected, 0);
        assert_int_equal(plain_ended(fd), second == 3);
        net_fail(&n, "accept4", 1, 1, EMFILE);
        bed_pass(&n.b, plait_millis(1001));
    }
    assert_true(n.r->spare_fd >= 0);
    assert_true(fcntl(n.r->spare_fd, F_GETFD) >= 0);
    assert_int_equal(n.r->counts.refused_limit.value, 1);
    close(fd);
    net_close(&n);
}

static void without_a_spare_descriptor_it_tries_to_get_one(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    net_fail(&n, "eventfd", 1, 1, EMFILE);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    assert_int_equal(n.r->spare_fd, -1);
    const int fd = plain_connect(net_port(l));
    net_fail(&n, "eventfd", 1, 1, EMFILE);
    net_fail(&n, "accept4", 1, 0, EMFILE);
    for (int second = 0; second < 5; second++) {
        net_idle(&n);
        bed_pass(&n.b, plait_millis(1001));
    }
    assert_true(n.r->spare_fd >= 0);
    close(fd);
    net_close(&n);
}

static void exhaustion_is_logged_once_a_second_at_most(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    size_t lines = 0;
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    net_fail(&n, "accept4", 1, 0, EMFILE);
    const int fd = plain_connect(net_port(l));
    for (int i = 0; i < 30; i++) {
        net_turn(&n);
        plait__listeners_retry(n.r);
        bed_pass(&n.b, plait_millis(100));
    }
    for (const char *at = n.b.log; (at = strstr(at, "accept-exhausted")) != NULL; at++)
        lines++;
    assert_in_range(lines, 2, 4);
    close(fd);
    net_close(&n);
}

static void no_memory_for_a_stream_closes_the_connection(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    (void)state;
    net_open(&n);
    struct plait_listener *l = net_listen(&n, &v, NULL);
    for (uint64_t k = 1; k <= 4; k++) {
        const int fd = plain_connect(net_port(l));
        bed_fail(&n.b, k);
        for (int i = 0; i < 3; i++)
            net_turn(&n);
        bed_heal(&n.b);
        net_idle(&n);
        assert_true(plain_ended(fd) || v.connected > 0);
        close(fd);
        net_until(&n, plait_listener_count(l) == 0);
    }
    assert_true(n.r->counts.refused_limit.value > 0);
    net_close(&n);
}

/* --- sockets of others -------------------------------------------------------------------------------------------- */

static int plain_listener(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

/* TQ-20 */
static void a_passed_socket_is_duplicated_and_not_shut_down(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    uint16_t port;
    struct plait_listener *l;
    (void)state;
    net_open(&n);
    const int own = plain_listener(&port);
    assert_ok(plait_listen_fd(n.r, own, NULL, srv_service(&n, &v), &l));
    assert_int_equal(net_port(l), port);
    const int fd = plain_connect(port);
    net_until(&n, v.connected == 1);
    plait_listener_close(&l);
    net_idle(&n);
    const int second = plain_connect(port); /* the other holder still listens */
    close(second);
    close(fd);
    close(own);
    net_close(&n);
}

static void what_does_not_listen_is_refused(void **state)
{
    static const struct {
        const char *call;
        uint64_t k;
        int os_errno;
    } row[] = {{"getsockopt", 1, EBADF}, {"getsockopt", 2, EBADF}, {"fcntl", 1, EMFILE},
               {"fcntl", 2, EIO},        {"fcntl", 3, EIO},        {"epoll_ctl", 1, ENOMEM}};
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_listener *l;
    uint16_t port;
    (void)state;
    net_open(&n);
    const int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_err(plait_listen_fd(n.r, plain, NULL, srv_service(&n, &v), &l), PLAIT_EINVAL);
    assert_err(plait_listen_fd(n.r, 999999, NULL, srv_service(&n, &v), &l), PLAIT_EINVAL);
    assert_err(plait_listen_fd(n.r, plain, NULL, NULL, &l), PLAIT_ENOMEM);
    close(plain);
    const int own = plain_listener(&port);
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        net_fail(&n, row[i].call, row[i].k, 1, row[i].os_errno);
        assert_true(plait_listen_fd(n.r, own, NULL, srv_service(&n, &v), &l) != PLAIT_OK);
    }
    close(own);
    net_close(&n);
    assert_int_equal(v.freed, 2 + TEST_COUNT(row));
}

/* --- UNIX sockets ------------------------------------------------------------------------------------------------- */

struct folder {
    char path[TEST_PATH_BYTES];
    char socket[TEST_PATH_BYTES + 8];
    struct plait_address address;
};

static void folder_make(struct folder *f)
{
    test_folder_make(f->path);
    assert_true(snprintf(f->socket, sizeof f->socket, "%s/s", f->path) < PLAIT_ADDR_NAME_MAX);
    assert_ok(plait_address_unix(plait_slice_text(f->socket), &f->address));
}

static plait_err listen_unix(struct net *n, struct srv *v, const struct folder *f, const struct plait_listen_options *o,
                             struct plait_listener **l)
{
    return plait_listen(n->r, &f->address, o, srv_service(n, v), l);
}

static bool exists(const struct folder *f)
{
    struct stat st;
    return lstat(f->socket, &st) == 0;
}

/* TQ-114, TQ-116 */
static void a_unix_socket_has_the_mode_asked_for_and_goes_at_close(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct stat st;
    const struct plait_listen_options o = {.unix_mode = 0620};
    struct plait_listener *l;
    (void)state;
    folder_make(&f);
    net_open(&n);
    assert_ok(listen_unix(&n, &v, &f, &o, &l));
    assert_int_equal(lstat(f.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0620);
    const int fd = plain_connect_unix(f.socket);
    plain_send(fd, PLAIT_LIT("x"));
    net_until(&n, v.got_len == 1);
    assert_int_equal(v.peer.kind, PLAIT_ADDR_NONE);
    plait_listener_close(&l);
    assert_false(exists(&f));
    close(fd);
    net_close(&n);
    test_folder_remove(f.path);
}

/* Leaves a socket file on which nobody listens. */
static void leave_stale(const struct folder *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%.100s", f->socket);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    assert_true(exists(f));
}

/* TQ-111 */
static void a_stale_socket_file_is_replaced(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct plait_listener *l;
    (void)state;
    folder_make(&f);
    leave_stale(&f);
    net_open(&n);
    const struct plait_listen_options keep = {.keep_stale = true};
    assert_err(listen_unix(&n, &v, &f, &keep, &l), PLAIT_EADDRINUSE);
    assert_ok(listen_unix(&n, &v, &f, NULL, &l));
    assert_true(bed_logged(&n.b, "stale-socket"));
    const int fd = plain_connect_unix(f.socket);
    net_until(&n, v.connected == 1);
    close(fd);
    net_close(&n);
    assert_false(exists(&f));
    test_folder_remove(f.path);
}

static void a_socket_that_somebody_listens_on_stays(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct plait_listener *l;
    struct plait_listener *other;
    (void)state;
    folder_make(&f);
    net_open(&n);
    assert_ok(listen_unix(&n, &v, &f, NULL, &l));
    assert_err(listen_unix(&n, &v, &f, NULL, &other), PLAIT_EADDRINUSE);
    assert_int_equal(plait_injector_count(n.inj, "bind", NULL), 2); /* one each */
    assert_true(exists(&f));
    net_close(&n);
    test_folder_remove(f.path);
}

static void a_file_that_is_no_socket_stays(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct plait_listener *l;
    (void)state;
    folder_make(&f);
    test_file_write(f.path, "s", PLAIT_LIT("precious"));
    net_open(&n);
    assert_err(listen_unix(&n, &v, &f, NULL, &l), PLAIT_EADDRINUSE);
    assert_int_equal(plait_injector_count(n.inj, "bind", NULL), 1);
    assert_true(exists(&f));
    net_close(&n);
    test_folder_remove(f.path);
}

static void doubt_about_a_stale_file_leaves_it(void **state)
{
    static const struct {
        const char *call;
        uint64_t k;
        int os_errno;
    } row[] = {{"fstatat", 1, EACCES},
               {"fstatat", 2, EIO},
               {"socket", 2, EMFILE},
               {"connect", 1, EAGAIN},
               {"unlinkat", 1, EACCES}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct net n;
        struct srv v = {.opened = 0};
        struct folder f;
        struct plait_listener *l;
        folder_make(&f);
        leave_stale(&f);
        net_open(&n);
        net_fail(&n, row[i].call, row[i].k, 1, row[i].os_errno);
        assert_err(listen_unix(&n, &v, &f, NULL, &l), PLAIT_EADDRINUSE);
        assert_true(exists(&f));
        assert_int_equal(plait_injector_count(n.inj, "bind", NULL), 1); /* there is nothing to try again */
        net_close(&n);
        test_folder_remove(f.path);
    }
}

static void permissions_that_cannot_be_set_fail_the_listener(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct plait_listener *l;
    (void)state;
    folder_make(&f);
    net_open(&n);
    net_fail(&n, "fchmodat", 1, 1, EPERM);
    assert_err(listen_unix(&n, &v, &f, NULL, &l), PLAIT_EACCESS);
    assert_false(exists(&f));
    net_close(&n);
    test_folder_remove(f.path);
}

static void a_file_that_is_somebody_elses_by_now_is_not_removed(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct folder f;
    struct plait_listener *l;
    (void)state;
    folder_make(&f);
    net_open(&n);
    assert_ok(listen_unix(&n, &v, &f, NULL, &l));
    char aside[TEST_PATH_BYTES + 16];
    (void)snprintf(aside, sizeof aside, "%s/old", f.path);
    assert_int_equal(rename(f.socket, aside), 0);
    test_file_write(f.path, "s", PLAIT_LIT("another"));
    plait_listener_close(&l);
    assert_true(exists(&f));
    assert_ok(plait_reactor_step(n.r, 0));
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(unlink(f.socket), 0);
    assert_ok(listen_unix(&n, &v, &f, NULL, &l));
    assert_int_equal(unlink(f.socket), 0);
    plait_listener_close(&l); /* TQ-116: gone already */
    net_close(&n);
    test_folder_remove(f.path);
}

/* TQ-115 */
static void an_abstract_name_needs_no_file(void **state)
{
    struct net n;
    struct srv v = {.opened = 0};
    struct plait_address a;
    struct plait_listener *l;
    struct plait_listener *other;
    char name[40];
    (void)state;
    net_open(&n);
    (void)snprintf(name, sizeof name, "@plait-test-%d", (int)getpid());
    assert_ok(plait_address_unix(plait_slice_text(name), &a));
    assert_ok(plait_listen(n.r, &a, NULL, srv_service(&n, &v), &l));
    assert_err(plait_listen(n.r, &a, NULL, srv_service(&n, &v), &other), PLAIT_EADDRINUSE);
    net_close(&n);
}

TEST_MAIN(
    cmocka_unit_test(an_accepted_connection_reaches_the_service),
    cmocka_unit_test(nagle_is_off_on_accepted_connections),
    cmocka_unit_test(a_service_lives_until_its_last_connection_is_gone), cmocka_unit_test(a_listener_needs_no_name),
    cmocka_unit_test(one_service_can_have_two_listeners), cmocka_unit_test(a_protocol_without_state_is_a_service),
    cmocka_unit_test(a_service_that_refuses_closes_the_connection),
    cmocka_unit_test(no_memory_for_a_service_frees_its_context), cmocka_unit_test(listening_fails_with_the_reason),
    cmocka_unit_test(listening_fails_without_memory_and_leaves_nothing), cmocka_unit_test(no_address_is_invalid),
    cmocka_unit_test(a_port_in_use_says_so), cmocka_unit_test(two_can_share_a_port_when_both_ask),
    cmocka_unit_test(an_option_that_only_speeds_up_may_be_refused),
    cmocka_unit_test(ipv6_listens_for_ipv6_only_unless_asked), cmocka_unit_test(an_error_of_one_connection_is_skipped),
    cmocka_unit_test(errors_without_end_do_not_spin), cmocka_unit_test(trouble_of_the_kernel_pauses_for_a_moment),
    cmocka_unit_test(out_of_descriptors_clients_wait_until_one_is_closed),
    cmocka_unit_test(out_of_descriptors_is_looked_at_again_after_a_second),
    cmocka_unit_test(long_exhaustion_sheds_who_waits), cmocka_unit_test(without_a_spare_descriptor_it_tries_to_get_one),
    cmocka_unit_test(exhaustion_is_logged_once_a_second_at_most),
    cmocka_unit_test(no_memory_for_a_stream_closes_the_connection),
    cmocka_unit_test(a_passed_socket_is_duplicated_and_not_shut_down),
    cmocka_unit_test(what_does_not_listen_is_refused),
    cmocka_unit_test(a_unix_socket_has_the_mode_asked_for_and_goes_at_close),
    cmocka_unit_test(a_stale_socket_file_is_replaced), cmocka_unit_test(a_socket_that_somebody_listens_on_stays),
    cmocka_unit_test(a_file_that_is_no_socket_stays), cmocka_unit_test(doubt_about_a_stale_file_leaves_it),

    cmocka_unit_test(permissions_that_cannot_be_set_fail_the_listener),
    cmocka_unit_test(a_file_that_is_somebody_elses_by_now_is_not_removed),
    cmocka_unit_test(an_abstract_name_needs_no_file))
