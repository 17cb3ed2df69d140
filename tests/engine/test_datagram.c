/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/datagram.c and datagram_in.c, on the kernel and in the simulated world.
 */
#include "tests/engine/datagram_end.h"

#include <linux/errqueue.h>

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void a_datagram_tells_its_sender_and_its_destination(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(hosts); i++) {
        struct bed b;
        struct end x;
        struct end y;
        bed_open(&b);
        open_at(&b, &x, hosts[i]);
        open_at(&b, &y, hosts[i]);
        const struct plait_address to = address_of(&y);
        const struct plait_address from = address_of(&x);
        assert_ok(plait_send(x.d, &to, PLAIT_LIT("hello")));
        assert_int_equal(y.packets, 0);
        settle(&b);
        assert_int_equal(y.packets, 1);
        assert_slice(plait_slice_of(y.got, y.got_len), "hello");
        assert_true(plait_address_equal(&y.from, &from));
        assert_true(plait_address_equal(&y.to, &to));
        assert_int_equal(y.interface_index, 1);
        assert_false(y.truncated);
        plait_datagram_close(&x.d);
        plait_datagram_close(&y.d);
        plait_datagram_close(&y.d);
        bed_close(&b);
    }
}

static void the_destination_of_a_socket_on_all_addresses_can_be_answered_from(void **state)
{
    static const char *const any[] = {"0.0.0.0", "::"};
    static const char *const own[] = {"127.0.0.2", "::1"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bed b;
        struct end server;
        struct end client;
        bed_open(&b);
        open_at(&b, &server, any[i]);
        open_at(&b, &client, i == 0 ? "127.0.0.1" : "::1");
        const struct plait_address to = ip4(own[i], address_of(&server).port);
        assert_ok(plait_send(client.d, &to, PLAIT_LIT("q")));
        settle(&b);
        assert_true(plait_address_equal(&server.to, &to));
        assert_ok(plait_send_from(server.d, &server.to, &server.from, PLAIT_LIT("a")));
        settle(&b);
        assert_int_equal(client.packets, 1);
        assert_true(plait_address_equal(&client.from, &to));
        plait_datagram_close(&server.d);
        plait_datagram_close(&client.d);
        bed_close(&b);
    }
}

static void a_source_that_is_a_group_is_left_to_the_kernel(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_address group = ip4("239.1.2.3", 9);
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send_from(x.d, &group, &self, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x.packets, 1);
    assert_true(plait_address_equal(&x.from, &self));
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void what_is_larger_than_asked_for_is_reported_as_cut(void **state)
{
    struct bed b;
    struct end x;
    uint64_t received = 0;
    uint64_t sent = 0;
    uint64_t lost = 0;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .bytes_max = 8};
    (void)state;
    bed_open(&b);
    assert_ok(open_with(&b, &x, &o));
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("exactly8")));
    settle(&b);
    assert_false(x.truncated);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("more than 8")));
    settle(&b);
    assert_true(x.truncated);
    assert_slice(plait_slice_of(x.got, x.got_len), "more tha");
    plait_datagram_counts(x.d, &received, &sent, &lost);
    assert_int_equal(received, 2);
    assert_int_equal(sent, 2);
    assert_int_equal(lost, 1);
    plait_datagram_counts(x.d, NULL, NULL, NULL);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void an_empty_datagram_is_one(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send(x.d, &self, plait_slice_of(NULL, 0)));
    settle(&b);
    assert_int_equal(x.packets, 1);
    assert_int_equal(x.got_len, 0);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_busy_socket_lets_others_have_their_turn(void **state)
{
    struct bed b;
    struct end busy;
    struct end other;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .budget = 4096};
    (void)state;
    bed_open(&b);
    assert_ok(open_with(&b, &busy, &o));
    open_at(&b, &other, "127.0.0.1");
    const struct plait_address to_busy = address_of(&busy);
    const struct plait_address to_other = address_of(&other);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_storage ss;
    socklen_t len = plait__address_to_sockaddr(&to_busy, &ss);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&ss, len), 1);
    len = plait__address_to_sockaddr(&to_other, &ss);
    assert_int_equal(sendto(fd, "y", 1, 0, (struct sockaddr *)&ss, len), 1);
    assert_ok(plait_reactor_step(b.r, plait_millis(100)));
    assert_in_range(busy.packets, 8, 99);
    assert_int_equal(other.packets, 1);
    settle(&b);
    assert_int_equal(busy.packets, 100);
    close(fd);
    plait_datagram_close(&busy.d);
    plait_datagram_close(&other.d);
    bed_close(&b);
}

/* What stands in for the kernel's word about where a datagram was sent to. */
static struct {
    uint8_t ip[2]; /* the address begins so */
    int level, type;
    size_t less; /* bytes that are missing */
} destination;

static int elsewhere_recvmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    const struct in6_pktinfo info = {.ipi6_addr = {{{destination.ip[0], destination.ip[1], [15] = 1}}},
                                     .ipi6_ifindex = 7};
    const int got = plait__sys_kernel()->ops->recvmmsg(plait__sys_kernel(), fd, msgs, count, flags);
    (void)sys;
    for (int i = 0; i < got; i++) {
        struct cmsghdr *c = CMSG_FIRSTHDR(&msgs[i].msg_hdr);
        if (!c)
            return -EIO;
        memcpy(CMSG_DATA(c), &info, sizeof info);
        c->cmsg_level = destination.level;
        c->cmsg_type = destination.type;
        c->cmsg_len -= destination.less;
    }
    return got;
}

/* Receives one datagram with what `destination` says. */
static void receive_elsewhere(struct end *x)
{
    struct bed b;
    bed_open(&b);
    b.ops.recvmmsg = elsewhere_recvmmsg;
    open_at(&b, x, "::1");
    const struct plait_address self = address_of(x);
    assert_ok(plait_send(x->d, &self, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x->packets, 1);
    plait_datagram_close(&x->d);
    bed_close(&b);
}

static void only_a_link_local_destination_has_a_scope(void **state)
{
    static const struct {
        uint8_t ip[2];
        const char *text;
    } row[] = {{{0xfe, 0x80}, "fe80::1%7"}, {{0xfe, 0xbf}, "febf::1%7"}, {{0xff, 0x02}, "ff02::1%7"},
               {{0xff, 0x12}, "ff12::1%7"}, {{0xfe, 0xc0}, "fec0::1"},   {{0xff, 0x05}, "ff05::1"},
               {{0x20, 0x02}, "2002::1"},   {{0x20, 0x80}, "2080::1"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct end x;
        char text[PLAIT_ADDR_TEXT_MAX];
        memset(&destination, 0, sizeof destination);
        memcpy(destination.ip, row[i].ip, 2);
        destination.level = IPPROTO_IPV6;
        destination.type = IPV6_PKTINFO;
        receive_elsewhere(&x);
        assert_string_equal(plait_address_format_host(&x.to, text), row[i].text);
        assert_int_equal(x.interface_index, 7);
    }
}

static void another_control_message_is_no_destination(void **state)
{
    static const struct {
        int level, type;
        size_t less;
    } row[] = {{IPPROTO_IP, IP_TTL, 0},
               {SOL_SOCKET, IP_PKTINFO, 0},
               {IPPROTO_IPV6, IPV6_HOPLIMIT, 0},
               {SOL_SOCKET, IPV6_PKTINFO, 0},
               {IPPROTO_IPV6, IPV6_PKTINFO, 1}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        struct end x;
        memset(&destination, 0, sizeof destination);
        destination.level = row[i].level;
        destination.type = row[i].type;
        destination.less = row[i].less;
        receive_elsewhere(&x);
        assert_int_equal(x.to.kind, PLAIT_ADDR_NONE);
        assert_int_equal(x.interface_index, 0);
    }
}

/* --- ICMP --------------------------------------------------------------------------------------------------------- */

static void a_connected_socket_is_told_of_refusal(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(hosts); i++) {
        struct bed b;
        struct end x;
        bed_open(&b);
        const struct plait_address nobody = dead_address(&b, hosts[i]);
        open_to(&b, &x, &nobody);
        assert_ok(plait_send(x.d, NULL, PLAIT_LIT("anyone?")));
        settle(&b);
        assert_int_equal(x.errors, 1);
        assert_err(x.fault.err, PLAIT_EREFUSED);
        assert_int_equal(x.fault.os_errno, ECONNREFUSED);
        plait_datagram_close(&x.d);
        bed_close(&b);
    }
}

static void refusal_met_while_sending_costs_no_datagram(void **state)
{
    struct bed b;
    struct end x;
    uint64_t sent = 0;
    uint64_t lost = 0;
    (void)state;
    bed_open(&b);
    const struct plait_address nobody = dead_address(&b, "127.0.0.1");
    open_to(&b, &x, &nobody);
    assert_int_equal(send(x.d->h.fd, "1", 1, 0), 1); /* its refusal is there before the next one is sent */
    assert_ok(plait_send(x.d, NULL, PLAIT_LIT("2")));
    plait__datagram_flush(x.d);
    plait__datagram_tell(x.d);
    plait_datagram_counts(x.d, NULL, &sent, &lost);
    assert_int_equal(sent, 1);
    assert_int_equal(lost, 0);
    settle(&b);
    assert_in_range(x.errors, 1, 2);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void an_unconnected_socket_swallows_refusal(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    const struct plait_address nobody = dead_address(&b, "127.0.0.1");
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send(x.d, &nobody, PLAIT_LIT("anyone?")));
    settle(&b);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("still here")));
    settle(&b);
    assert_int_equal(x.errors, 0);
    assert_int_equal(x.packets, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static ssize_t no_more_errors(struct plait_sys *sys, int fd, struct msghdr *msg, int flags)
{
    static const struct cmsghdr foreign = {.cmsg_len = CMSG_LEN(0), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    (void)sys, (void)fd, (void)flags;
    memcpy(msg->msg_control, &foreign, sizeof foreign);
    msg->msg_controllen = CMSG_SPACE(0);
    return 0;
}

static void what_is_no_network_error_in_the_queue_is_not_told(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    const struct plait_address nobody = dead_address(&b, "127.0.0.1");
    open_to(&b, &x, &nobody);
    b.ops.recvmsg = no_more_errors;
    plait__datagram_error(x.d, 0);
    assert_int_equal(x.errors, 0);
    plait__datagram_error(x.d, EHOSTUNREACH); /* what the call itself said is told then */
    assert_int_equal(x.errors, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

/* A queue with a message that is no error, one of another level and one of another type that are none, and an error
 * with nothing behind it. */
static ssize_t one_error(struct plait_sys *sys, int fd, struct msghdr *msg, int flags)
{
    static const int level[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_IP};
    static const int type[] = {IP_RECVERR, IP_TTL, IPV6_HOPLIMIT, IP_RECVERR};
    const struct sock_extended_err e = {.ee_errno = EHOSTUNREACH, .ee_origin = SO_EE_ORIGIN_ICMP};
    int *taken = &((struct bed *)sys)->user;
    (void)fd, (void)flags;
    if (*taken == 4)
        return -EAGAIN;
    struct cmsghdr *c = msg->msg_control;
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof e), .cmsg_level = level[*taken], .cmsg_type = type[*taken]};
    memcpy(CMSG_DATA(c), &e, sizeof e);
    msg->msg_controllen = CMSG_SPACE(sizeof e);
    ++*taken;
    return 0;
}

static void an_error_behind_other_messages_is_told_once(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    const struct plait_address nobody = dead_address(&b, "127.0.0.1");
    open_to(&b, &x, &nobody);
    b.ops.recvmsg = one_error;
    plait__datagram_error(x.d, 0);
    assert_int_equal(x.errors, 1);
    assert_err(x.fault.err, PLAIT_EUNREACHABLE);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void an_unconnected_socket_is_told_of_no_error(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    plait__datagram_error(x.d, EHOSTUNREACH);
    assert_int_equal(x.errors, 0);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static void wrong_targets_are_refused_before_the_kernel_sees_them(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    const struct plait_address six = ip4("::1", 9);
    const struct plait_address four = ip4("127.0.0.1", 9);
    const struct plait_address no_port = ip4("127.0.0.1", 0);
    struct plait_address path;
    (void)state;
    bed_open(&b);
    assert_ok(plait_address_unix(PLAIT_LIT("@plait-nobody"), &path));
    open_at(&b, &x, "127.0.0.1");
    open_to(&b, &y, &four);
    assert_err(plait_send(x.d, &six, PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_send(x.d, &path, PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_send(x.d, &no_port, PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_send(x.d, NULL, PLAIT_LIT("a")), PLAIT_EINVAL);
    assert_err(plait_send(y.d, &four, PLAIT_LIT("a")), PLAIT_EINVAL);
    char large[65508] = {0};
    assert_err(plait_send(x.d, &four, plait_slice_of(large, sizeof large)), PLAIT_EMSGSIZE);
    plait_datagram_close(&x.d);
    open_at(&b, &x, "::1"); /* V6ONLY is set on purpose */
    assert_err(plait_send(x.d, &four, PLAIT_LIT("a")), PLAIT_EINVAL);
    plait_datagram_close(&x.d);
    plait_datagram_close(&y.d);
    bed_close(&b);
}

static void a_dual_stack_socket_speaks_both(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    const struct plait_datagram_options o = {.bind = ip4("::", 0), .dual_stack = true};
    (void)state;
    bed_open(&b);
    assert_ok(open_with(&b, &x, &o));
    open_at(&b, &y, "127.0.0.1");
    const struct plait_address to = address_of(&y);
    assert_ok(plait_send(x.d, &to, PLAIT_LIT("mapped")));
    settle(&b);
    assert_int_equal(y.packets, 1);
    assert_ok(plait_send(y.d, &y.from, PLAIT_LIT("back")));
    settle(&b);
    assert_int_equal(x.packets, 1);
    assert_true(plait_address_is_loopback(&x.from));
    assert_ok(plait_send_from(x.d, &x.to, &x.from, PLAIT_LIT("again")));
    settle(&b);
    assert_int_equal(y.packets, 2);
    plait_datagram_close(&x.d);
    plait_datagram_close(&y.d);
    bed_close(&b);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options none = {.budget = 1};
    const struct plait_datagram_options mixed = {.bind = ip4("127.0.0.1", 0), .connect = ip4("::1", 9)};
    const struct plait_datagram_options huge = {.bind = ip4("127.0.0.1", 0), .bytes_max = PLAIT__DATAGRAM_MAX + 1};
    (void)state;
    bed_open(&b);
    assert_err(open_with(&b, &x, &none), PLAIT_EINVAL);
    assert_err(open_with(&b, &x, &mixed), PLAIT_EINVAL);
    assert_err(open_with(&b, &x, &huge), PLAIT_EINVAL);
    bed_close(&b);
}

static void two_sockets_share_a_port_only_when_asked(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .reuse_port = true, .broadcast = true};
    (void)state;
    bed_open(&b);
    assert_ok(open_with(&b, &x, &o));
    o.bind = address_of(&x);
    assert_ok(open_with(&b, &y, &o));
    plait_datagram_close(&y.d);
    o.reuse_port = false;
    assert_err(open_with(&b, &y, &o), PLAIT_EADDRINUSE);
    o.bind = ip4("192.0.2.77", 0);
    assert_err(open_with(&b, &y, &o), PLAIT_EADDRNOTAVAIL);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void groups_are_joined_and_left(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    const struct plait_address group = ip4("239.255.7.7", 0);
    const struct plait_address group6 = ip4("ff01::7", 0);
    const struct plait_address single = ip4("127.0.0.1", 0);
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "0.0.0.0");
    open_at(&b, &y, "::");
    assert_ok(plait_datagram_group(x.d, &group, 1, true));
    assert_err(plait_datagram_group(x.d, &group, 1, true), PLAIT_EIO);
    assert_ok(plait_datagram_group(x.d, &group, 1, false));
    assert_err(plait_datagram_group(x.d, &group, 1, false), PLAIT_EIO);
    assert_ok(plait_datagram_group(y.d, &group6, 1, true));
    assert_ok(plait_datagram_group(y.d, &group6, 1, false));
    assert_err(plait_datagram_group(x.d, &group6, 1, true), PLAIT_EINVAL);
    assert_err(plait_datagram_group(x.d, &single, 1, true), PLAIT_EINVAL);
    plait_datagram_close(&x.d);
    plait_datagram_close(&y.d);
    bed_close(&b);
}

/* --- UNIX --------------------------------------------------------------------------------------------------------- */

static void a_unix_socket_has_its_mode_and_takes_its_file_along(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    struct stat st;
    char folder[TEST_PATH_BYTES];
    (void)state;
    bed_open(&b);
    test_folder_make(folder);
    const struct plait_datagram_options ox = {.bind = path_in(folder, "x"), .unix_mode = 0640};
    const struct plait_datagram_options oy = {.bind = path_in(folder, "y")};
    assert_ok(open_with(&b, &x, &ox));
    assert_ok(open_with(&b, &y, &oy));
    assert_int_equal(stat(ox.bind.name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(stat(oy.bind.name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_ok(plait_send(x.d, &oy.bind, PLAIT_LIT("over a file")));
    settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "over a file");
    assert_true(plait_address_equal(&y.from, &ox.bind));
    assert_true(plait_address_equal(&y.to, &oy.bind));
    plait_datagram_close(&x.d);
    assert_int_equal(stat(ox.bind.name, &st), -1);
    assert_int_equal(rename(oy.bind.name, ox.bind.name), 0);
    test_file_write(folder, "y", PLAIT_LIT("somebody else's"));
    plait_datagram_close(&y.d);
    assert_int_equal(stat(oy.bind.name, &st), 0); /* it was not ours any more */
    test_folder_remove(folder);
    bed_close(&b);
}

static void a_stale_socket_file_is_replaced_and_a_living_one_is_not(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    char folder[TEST_PATH_BYTES];
    struct sockaddr_storage ss;
    (void)state;
    bed_open(&b);
    test_folder_make(folder);
    const struct plait_datagram_options o = {.bind = path_in(folder, "s")};
    const socklen_t len = plait__address_to_sockaddr(&o.bind, &ss);
    const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    close(fd); /* and leaves the file */
    assert_ok(open_with(&b, &x, &o));
    assert_err(open_with(&b, &y, &o), PLAIT_EADDRINUSE);
    plait_datagram_close(&x.d);
    test_file_write(folder, "s", PLAIT_LIT("no socket"));
    assert_err(open_with(&b, &y, &o), PLAIT_EADDRINUSE);
    test_folder_remove(folder);
    bed_close(&b);
}

static void abstract_names_and_connected_unix_sockets_work(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    (void)state;
    bed_open(&b);
    struct plait_datagram_options o = {.reuse_port = false};
    assert_ok(plait_address_unix(PLAIT_LIT("@plait-test-datagram"), &o.bind));
    assert_ok(open_with(&b, &x, &o));
    open_to(&b, &y, &o.bind);
    assert_ok(plait_send(y.d, NULL, PLAIT_LIT("no name")));
    settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "no name");
    assert_int_equal(x.from.kind, PLAIT_ADDR_NONE);
    plait_datagram_close(&x.d);
    bed_run(&b);
    assert_ok(plait_send(y.d, NULL, PLAIT_LIT("gone")));
    settle(&b);
    assert_int_equal(y.errors, 1);
    assert_err(y.fault.err, PLAIT_EREFUSED);
    plait_datagram_close(&y.d);
    bed_close(&b);
}

static void a_full_unix_receiver_is_waited_for(void **state)
{
    struct bed b;
    struct end x;
    const int pair_size = 400;
    struct plait_address name;
    struct sockaddr_storage ss;
    char bytes[64];
    int got = 0;
    (void)state;
    bed_open(&b);
    assert_ok(plait_address_unix(PLAIT_LIT("@plait-test-slow"), &name));
    const socklen_t len = plait__address_to_sockaddr(&name, &ss);
    const int slow = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(slow, (struct sockaddr *)&ss, len), 0);
    struct plait_datagram_options o = {.reuse_port = false};
    assert_ok(plait_address_unix(PLAIT_LIT("@plait-test-quick"), &o.bind));
    assert_ok(open_with(&b, &x, &o));
    for (int i = 0; i < pair_size; i++)
        assert_ok(plait_send(x.d, &name, PLAIT_LIT("more than the receiver's queue holds")));
    settle(&b);
    assert_true(x.d->blocked);
    for (int n = 0; n < 1000 && got < pair_size; n++) {
        while (recv(slow, bytes, sizeof bytes, 0) > 0)
            got++;
        bed_pass(&b, plait_millis(11));
    }
    assert_int_equal(got, pair_size);
    close(slow);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_stale_file_that_cannot_be_judged_is_left(void **state)
{
    struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
    const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
    struct plait_reactor *r = plait_reactor_new(&ro);
    struct plait_datagram *d = NULL;
    char folder[TEST_PATH_BYTES];
    struct sockaddr_storage ss;
    (void)state;
    test_folder_make(folder);
    const struct plait_datagram_options o = {.bind = path_in(folder, "s")};
    const socklen_t len = plait__address_to_sockaddr(&o.bind, &ss);
    const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    close(fd);
    assert_ok(plait_injector_fail(injector, "socket", 2, 1, EMFILE));
    assert_err(plait_datagram_open(r, &o, &handler, NULL, &d), PLAIT_EADDRINUSE);
    assert_ok(plait_injector_fail(injector, "fstatat", 2, 1, EIO));
    assert_err(plait_datagram_open(r, &o, &handler, NULL, &d), PLAIT_EADDRINUSE);
    plait_reactor_free(&r);
    plait_injector_free(&injector);
    test_folder_remove(folder);
}

static void a_stale_file_that_changed_meanwhile_is_left(void **state)
{
    (void)state;
    for (int field = 0; field < 4; field++) {
        struct bed b;
        struct end x;
        char folder[TEST_PATH_BYTES];
        struct sockaddr_storage ss;
        struct stat st;
        bed_open(&b);
        test_folder_make(folder);
        const struct plait_datagram_options o = {.bind = path_in(folder, "s")};
        const socklen_t len = plait__address_to_sockaddr(&o.bind, &ss);
        const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
        close(fd);
        b.ops.fstatat = bed_changed_fstatat;
        b.user = field;
        assert_err(open_with(&b, &x, &o), PLAIT_EADDRINUSE);
        assert_int_equal(stat(o.bind.name, &st), 0);
        test_folder_remove(folder);
        bed_close(&b);
    }
}

static int no_fchmodat(struct plait_sys *sys, int dir, const char *path, mode_t mode)
{
    (void)sys, (void)dir, (void)path, (void)mode;
    return -EPERM;
}

static void a_socket_that_cannot_be_made_leaves_no_file(void **state)
{
    struct bed b;
    struct end x;
    char folder[TEST_PATH_BYTES];
    struct stat st;
    (void)state;
    bed_open(&b);
    test_folder_make(folder);
    b.ops.fchmodat = no_fchmodat;
    const struct plait_datagram_options o = {.bind = path_in(folder, "s")};
    assert_err(open_with(&b, &x, &o), PLAIT_EACCESS);
    assert_int_equal(stat(o.bind.name, &st), -1);
    test_folder_remove(folder);
    bed_close(&b);
}

/* --- in the simulated world --------------------------------------------------------------------------------------- */

static void the_simulated_world_cuts_and_refuses_the_same(void **state)
{
    struct plait_sim *sim = plait_sim_new(test_seed(), 0);
    struct plait_host *a = plait_sim_host(sim, "a");
    struct plait_host *c = plait_sim_host(sim, "c");
    struct end x = {.packets = 0};
    struct end y = {.packets = 0};
    struct plait_datagram_options oy = {.bytes_max = 4};
    struct plait_datagram_options ox = {.bytes_max = 0};
    (void)state;
    plait_host_address(c, PLAIT_ADDR_IP4, 4000, &oy.bind);
    ox.connect = oy.bind;
    assert_ok(plait_datagram_open(plait_host_reactor(c), &oy, &handler, &y, &y.d));
    assert_ok(plait_datagram_open(plait_host_reactor(a), &ox, &handler, &x, &x.d));
    assert_ok(plait_send(x.d, NULL, PLAIT_LIT("truncated")));
    plait_sim_run_for(sim, plait_millis(10));
    assert_int_equal(y.packets, 1);
    assert_true(y.truncated);
    assert_slice(plait_slice_of(y.got, y.got_len), "trun");
    assert_true(plait_address_equal(&y.to, &oy.bind));
    assert_ok(plait_send(y.d, &y.from, PLAIT_LIT("answer")));
    plait_sim_run_for(sim, plait_millis(10));
    assert_slice(plait_slice_of(x.got, x.got_len), "answer");
    plait_datagram_close(&y.d);
    plait_sim_run_for(sim, plait_millis(10));
    assert_ok(plait_send(x.d, NULL, PLAIT_LIT("nobody there")));
    plait_sim_run_for(sim, plait_millis(10));
    assert_int_equal(x.errors, 1);
    assert_err(x.fault.err, PLAIT_EREFUSED);
    plait_datagram_close(&x.d);
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

TEST_MAIN(cmocka_unit_test(a_datagram_tells_its_sender_and_its_destination),
          cmocka_unit_test(the_destination_of_a_socket_on_all_addresses_can_be_answered_from),
          cmocka_unit_test(a_source_that_is_a_group_is_left_to_the_kernel),
          cmocka_unit_test(what_is_larger_than_asked_for_is_reported_as_cut),
          cmocka_unit_test(an_empty_datagram_is_one), cmocka_unit_test(a_busy_socket_lets_others_have_their_turn),
          cmocka_unit_test(only_a_link_local_destination_has_a_scope),
          cmocka_unit_test(a_connected_socket_is_told_of_refusal),
          cmocka_unit_test(refusal_met_while_sending_costs_no_datagram),
          cmocka_unit_test(an_unconnected_socket_swallows_refusal),
          cmocka_unit_test(what_is_no_network_error_in_the_queue_is_not_told),
          cmocka_unit_test(wrong_targets_are_refused_before_the_kernel_sees_them),
          cmocka_unit_test(a_dual_stack_socket_speaks_both), cmocka_unit_test(options_that_make_no_sense_are_refused),
          cmocka_unit_test(two_sockets_share_a_port_only_when_asked), cmocka_unit_test(groups_are_joined_and_left),
          cmocka_unit_test(a_unix_socket_has_its_mode_and_takes_its_file_along),
          cmocka_unit_test(a_stale_socket_file_is_replaced_and_a_living_one_is_not),
          cmocka_unit_test(abstract_names_and_connected_unix_sockets_work),
          cmocka_unit_test(a_full_unix_receiver_is_waited_for),
          cmocka_unit_test(a_stale_file_that_cannot_be_judged_is_left),
          cmocka_unit_test(another_control_message_is_no_destination),
          cmocka_unit_test(an_error_behind_other_messages_is_told_once),
          cmocka_unit_test(an_unconnected_socket_is_told_of_no_error),
          cmocka_unit_test(a_stale_file_that_changed_meanwhile_is_left),
          cmocka_unit_test(a_socket_that_cannot_be_made_leaves_no_file),
          cmocka_unit_test(the_simulated_world_cuts_and_refuses_the_same))
