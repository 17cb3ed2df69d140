/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/datagram_out.c, of closing, and of everything that can fail around a datagram socket.
 */
#include "tests/engine/datagram_end.h"

static const struct plait_datagram_handler deaf = {.name = "deaf"};

/* --- calls that fail ---------------------------------------------------------------------------------------------- */

/* The tests run one after the other, each with its own bed; what a replaced system call does is said here. */
static struct {
    int sendmmsg_errno, recvmmsg_errno;
    int times; /* how often; 0: always */
    int calls;
} script;

static int strike(int err)
{
    script.calls++;
    if (err == 0)
        return 0;
    if (script.times > 0 && --script.times == 0)
        script.sendmmsg_errno = script.recvmmsg_errno = 0;
    return -err;
}

static int scripted_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    const int err = strike(script.sendmmsg_errno);
    (void)sys;
    return err ? err : plait__sys_kernel()->ops->sendmmsg(plait__sys_kernel(), fd, msgs, count, flags);
}

static int scripted_recvmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    const int err = strike(script.recvmmsg_errno);
    (void)sys;
    return err ? err : plait__sys_kernel()->ops->recvmmsg(plait__sys_kernel(), fd, msgs, count, flags);
}

static void open_scripted(struct bed *b, struct end *e, const struct plait_datagram_options *o)
{
    memset(&script, 0, sizeof script);
    bed_open(b);
    b->ops.sendmmsg = scripted_sendmmsg;
    b->ops.recvmmsg = scripted_recvmmsg;
    assert_ok(open_with(b, e, o));
    settle(b);
}

static void a_full_queue_says_so_and_tells_when_there_is_room(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .queue_max = 1000};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.sendmmsg_errno = EAGAIN;
    char bytes[300] = {0};
    int taken = 0;
    while (plait_send(x.d, &self, plait_slice_of(bytes, sizeof bytes)) == PLAIT_OK)
        taken++;
    assert_int_equal(taken, 2);
    bed_run(&b);
    assert_err(plait_send(x.d, &self, plait_slice_of(bytes, sizeof bytes)), PLAIT_EAGAIN);
    assert_int_equal(x.rooms, 0);
    script.sendmmsg_errno = 0;
    plait__io_again(b.r->io, &x.d->h); /* as a writable edge does */
    settle(&b);
    assert_int_equal(x.rooms, 1);
    assert_int_equal(x.packets, 2);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_full_queue_is_first_offered_to_the_socket(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .queue_max = 1000};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    char bytes[300] = {0};
    for (int i = 0; i < 50; i++)
        assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, sizeof bytes)));
    settle(&b);
    assert_int_equal(x.packets, 50);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void an_empty_queue_takes_anything(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .queue_max = 10};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    char bytes[60000] = {0};
    assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, sizeof bytes)));
    settle(&b);
    assert_int_equal(x.got_len, sizeof bytes);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_kernel_out_of_buffers_is_asked_again_after_a_while(void **state)
{
    static const int errnos[] = {ENOBUFS, ENOMEM};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(errnos); i++) {
        struct bed b;
        struct end x;
        const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
        open_scripted(&b, &x, &o);
        const struct plait_address self = address_of(&x);
        script.sendmmsg_errno = errnos[i];
        script.times = 1;
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("later")));
        settle(&b);
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("after it")));
        settle(&b);
        assert_int_equal(x.packets, 0);
        bed_pass(&b, plait_millis(11));
        settle(&b);
        assert_int_equal(x.packets, 2);
        plait_datagram_close(&x.d);
        bed_close(&b);
    }
}

static void receiving_without_memory_is_tried_again_after_a_while(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.recvmmsg_errno = ENOMEM;
    script.times = 1;
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("later")));
    settle(&b);
    assert_int_equal(x.packets, 0);
    assert_int_equal(x.errors, 0);
    bed_pass(&b, plait_millis(11));
    settle(&b);
    assert_int_equal(x.packets, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_datagram_that_the_network_refuses_is_lost_alone(void **state)
{
    static const int errnos[] = {EMSGSIZE, EPERM, EACCES, EHOSTUNREACH, ECONNREFUSED};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(errnos); i++) {
        struct bed b;
        struct end x;
        uint64_t lost = 0;
        const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
        open_scripted(&b, &x, &o);
        const struct plait_address self = address_of(&x);
        script.sendmmsg_errno = errnos[i];
        script.times = 1;
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("refused")));
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("passes")));
        settle(&b);
        plait_datagram_counts(x.d, NULL, NULL, &lost);
        assert_int_equal(lost, 1);
        assert_int_equal(x.packets, 1);
        assert_slice(plait_slice_of(x.got, x.got_len), "passes");
        assert_int_equal(x.errors, 0);
        plait_datagram_close(&x.d);
        bed_close(&b);
    }
}

static void a_connected_socket_that_cannot_send_loses_after_the_second_try(void **state)
{
    struct bed b;
    struct end x;
    uint64_t lost = 0;
    const struct plait_datagram_options o = {.connect = ip4("127.0.0.1", 9)};
    (void)state;
    open_scripted(&b, &x, &o);
    script.sendmmsg_errno = EHOSTUNREACH;
    script.times = 2;
    assert_ok(plait_send(x.d, NULL, PLAIT_LIT("nowhere")));
    bed_run(&b);
    plait_datagram_counts(x.d, NULL, NULL, &lost);
    assert_int_equal(lost, 1);
    assert_int_equal(x.errors, 1);
    assert_err(x.fault.err, PLAIT_EUNREACHABLE);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

static void close_self(struct end *e)
{
    plait_datagram_close(&e->d);
}

static void a_socket_may_be_closed_inside_any_callback(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    x.on_packet = close_self;
    for (int i = 0; i < 5; i++)
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x.packets, 1);
    assert_null(x.d);

    const struct plait_address nobody = dead_address(&b, "127.0.0.1");
    open_to(&b, &x, &nobody);
    x.on_error = close_self;
    assert_ok(plait_send(x.d, NULL, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x.errors, 1);
    assert_null(x.d);
    bed_close(&b);
}

static void a_socket_may_be_closed_inside_room(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .queue_max = 10};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    x.on_room = close_self;
    script.sendmmsg_errno = ENOBUFS;
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("a")));
    assert_err(plait_send(x.d, &self, PLAIT_LIT("b")), PLAIT_EAGAIN);
    bed_run(&b);
    script.sendmmsg_errno = 0;
    bed_pass(&b, plait_millis(11));
    assert_int_equal(x.rooms, 1);
    assert_null(x.d);
    bed_close(&b);
}

static void what_is_queued_is_tried_once_at_close(void **state)
{
    struct bed b;
    struct end x;
    struct end y;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    open_at(&b, &y, "127.0.0.1");
    const struct plait_address to = address_of(&y);
    assert_ok(plait_send(x.d, &to, PLAIT_LIT("last words")));
    plait_datagram_close(&x.d);
    settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "last words");
    plait_datagram_close(&y.d);
    bed_close(&b);
}

static void a_socket_that_is_left_open_ends_with_its_reactor(void **state)
{
    struct bed b;
    struct end x;
    const size_t before = test_open_descriptors();
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("never told")));
    bed_close(&b);
    assert_int_equal(x.packets, 0);
    assert_int_equal(test_open_descriptors(), before);
}

static void a_handler_may_leave_everything_out(void **state)
{
    struct bed b;
    struct end x;
    struct plait_datagram *d;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    assert_ok(plait_datagram_open(b.r, &o, &deaf, NULL, &d));
    struct plait_address to;
    plait_datagram_address(d, &to);
    d->queue_max = 10;
    script.sendmmsg_errno = ENOBUFS;
    script.times = 1;
    assert_ok(plait_send(d, &to, PLAIT_LIT("to itself")));
    assert_err(plait_send(d, &to, PLAIT_LIT("too much")), PLAIT_EAGAIN);
    settle(&b);
    bed_pass(&b, plait_millis(11));
    settle(&b);
    plait_datagram_close(&d);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static int limited_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    (void)sys;
    if (script.calls <= 0)
        return -EAGAIN;
    const unsigned most = count < (unsigned)script.calls ? count : (unsigned)script.calls;
    const int sent = plait__sys_kernel()->ops->sendmmsg(plait__sys_kernel(), fd, msgs, most, flags);
    script.calls -= sent;
    return sent;
}

static void the_network_refusing_one_datagram_costs_that_one(void **state)
{
    static const int refusal[] = {EMSGSIZE, EACCES};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(refusal); i++) {
        struct bed b;
        struct end x;
        struct end y;
        uint64_t lost = 0;
        const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
        open_scripted(&b, &y, &o);
        const struct plait_address to = address_of(&y);
        open_to(&b, &x, &to);
        script.sendmmsg_errno = refusal[i];
        script.times = 1;
        assert_ok(plait_send(x.d, NULL, PLAIT_LIT("too large")));
        settle(&b);
        plait_datagram_counts(x.d, NULL, NULL, &lost);
        assert_int_equal(lost, 1);
        assert_int_equal(x.errors, 0);
        assert_int_equal(y.packets, 0);
        plait_datagram_close(&x.d);
        plait_datagram_close(&y.d);
        bed_close(&b);
    }
}

static void what_came_behind_an_error_is_read_at_once(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.recvmmsg_errno = ECONNREFUSED;
    script.times = 1;
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x.packets, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_socket_closed_while_it_waits_for_buffers_is_over(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.sendmmsg_errno = ENOBUFS;
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("a")));
    bed_run(&b);
    assert_true(plait_timer_runs(&x.d->retry));
    script.sendmmsg_errno = EIO; /* the last try fails for good and arms nothing */
    plait_datagram_close(&x.d);
    bed_run(&b);
    bed_pass(&b, plait_seconds(1));
    bed_close(&b);
}

static void limits_of_sending_hold_at_their_edges(void **state)
{
    static char bytes[65528];
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    static const size_t most[] = {65507, 65527};
    struct bed b;
    struct end x;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct plait_datagram_options o = {.bind = ip4(hosts[i], 0)};
        open_scripted(&b, &x, &o);
        const struct plait_address self = address_of(&x);
        assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, most[i])));
        assert_err(plait_send(x.d, &self, plait_slice_of(bytes, most[i] + 1)), PLAIT_EMSGSIZE);
        plait_datagram_close(&x.d);
        bed_close(&b);
    }
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0), .queue_max = 1000};
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.sendmmsg_errno = EAGAIN;
    assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, 436))); /* each counts for 64 bytes more */
    assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, 436)));
    assert_err(plait_send(x.d, &self, plait_slice_of(bytes, 0)), PLAIT_EAGAIN);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

/* Counts the datagrams that say which of our IPv6 addresses they are to come from. */
static int source_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    for (unsigned i = 0; i < count; i++) {
        const struct cmsghdr *c = CMSG_FIRSTHDR(&msgs[i].msg_hdr);
        ((struct bed *)sys)->user += c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO;
    }
    return plait__sys_kernel()->ops->sendmmsg(plait__sys_kernel(), fd, msgs, count, flags);
}

static void an_ipv6_source_is_told_to_the_kernel(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    b.ops.sendmmsg = source_sendmmsg;
    open_at(&b, &x, "::1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send_from(x.d, &self, &self, PLAIT_LIT("a")));
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("b")));
    settle(&b);
    assert_int_equal(x.packets, 2);
    assert_int_equal(b.user, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void expect_in_order(struct end *e)
{
    uint32_t number;
    memcpy(&number, e->got, sizeof number);
    assert_int_equal(number, e->packets - 1);
}

/* Sends ten words, of which the first counts. */
static void send_next(struct end *x, const struct plait_address *to, uint32_t *words)
{
    assert_ok(plait_send(x->d, to, plait_slice_of(words, 40)));
    words[0]++;
}

static void a_block_that_is_half_used_up_is_moved_together(void **state)
{
    struct bed b;
    struct end x;
    uint32_t bytes[10] = {0};
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    b.ops.sendmmsg = limited_sendmmsg;
    x.on_packet = expect_in_order;
    const struct plait_address self = address_of(&x);
    while (x.d->queue.end + 200 < x.d->queue.cap || x.d->queue.cap == 0)
        send_next(&x, &self, bytes);
    const size_t cap = x.d->queue.cap;
    const int queued = (int)x.d->queue.count;
    script.calls = queued - 5;
    bed_run(&b);
    assert_true(x.d->queue.at > cap / 2);
    for (int i = 0; i < 10; i++)
        send_next(&x, &self, bytes);
    assert_int_equal(x.d->queue.cap, cap);
    script.calls = 1000;
    plait__io_again(b.r->io, &x.d->h);
    settle(&b);
    settle(&b);
    assert_int_equal(x.packets, queued + 10);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

struct owner {
    struct plait__module module;
    struct end end;
    plait_err err;
};

static void owner_stop(struct plait__module *module)
{
    struct owner *o = plait__container(module, struct owner, module);
    o->err = plait_send(o->end.d, NULL, PLAIT_LIT("too late"));
    plait_datagram_close(&o->end.d);
}

static void owner_release(struct plait__module *module)
{
    (void)module;
}

static void an_owner_that_closes_while_the_reactor_ends_meets_a_closed_socket(void **state)
{
    struct bed b;
    struct owner o = {.module = {.stop = owner_stop, .release = owner_release}};
    const struct plait_address peer = ip4("127.0.0.1", 9);
    (void)state;
    bed_open(&b);
    plait__module_add(b.r, &o.module);
    open_to(&b, &o.end, &peer);
    bed_close(&b);
    assert_err(o.err, PLAIT_ESTATE);
    assert_null(o.end.d);
}

/* --- nothing is left behind --------------------------------------------------------------------------------------- */

static void every_call_may_fail_while_opening(void **state)
{
    static const char *const calls[] = {"socket",      "setsockopt", "bind",    "connect",
                                        "getsockname", "epoll_ctl",  "fstatat", "fchmodat"};
    char folder[TEST_PATH_BYTES];
    (void)state;
    test_folder_make(folder);
    const struct plait_datagram_options options[] = {
        {.bind = ip4("::1", 0), .connect = ip4("::1", 9), .reuse_port = true, .broadcast = true},
        {.bind = path_in(folder, "s")},
    };
    const size_t before = test_open_descriptors();
    for (size_t i = 0; i < TEST_COUNT(calls) * 2; i++) {
        struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
        const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
        struct plait_reactor *r = plait_reactor_new(&ro);
        struct plait_datagram *d = NULL;
        uint64_t failed = 0;
        for (uint64_t k = 1;; k++) {
            assert_ok(plait_injector_fail(injector, calls[i / 2], k, 1, EMFILE));
            const plait_err err = plait_datagram_open(r, &options[i % 2], &handler, NULL, &d);
            plait_injector_count(injector, calls[i / 2], &failed);
            plait_datagram_close(&d);
            assert_ok(plait_reactor_step(r, 0));
            if (failed < k)
                break;
            if (strcmp(calls[i / 2], "fstatat") == 0)
                assert_true(err == PLAIT_EDESCRIPTORS || err == PLAIT_EADDRINUSE); /* in doubt about a stale file */
            else if (strcmp(calls[i / 2], "setsockopt") != 0)
                assert_err(err, PLAIT_EDESCRIPTORS); /* the error queue is only a wish */
        }
        plait_reactor_free(&r);
        plait_injector_free(&injector);
        assert_int_equal(test_open_descriptors(), before);
    }
    struct stat st;
    assert_int_equal(stat(options[1].bind.name, &st), -1);
    test_folder_remove(folder);
}

static void every_allocation_may_fail(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    bed_open(&b);
    for (uint64_t n = 1; n <= 3; n++) {
        bed_fail(&b, n);
        assert_err(open_with(&b, &x, &o), PLAIT_ENOMEM);
        bed_heal(&b);
    }
    assert_ok(open_with(&b, &x, &o));
    const struct plait_address self = address_of(&x);
    bed_fail(&b, 1);
    assert_err(plait_send(x.d, &self, PLAIT_LIT("a")), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("a")));
    settle(&b);
    assert_int_equal(x.packets, 1);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void nothing_is_allocated_for_a_datagram(void **state)
{
    struct bed b;
    struct end x;
    (void)state;
    bed_open(&b);
    open_at(&b, &x, "127.0.0.1");
    const struct plait_address self = address_of(&x);
    assert_ok(plait_send(x.d, &self, PLAIT_LIT("warm")));
    settle(&b);
    const uint64_t calls = b.heap.calls;
    for (int i = 0; i < 1000; i++) {
        assert_ok(plait_send(x.d, &self, PLAIT_LIT("steady")));
        bed_run(&b);
    }
    settle(&b);
    assert_int_equal(x.packets, 1001);
    assert_int_equal(b.heap.calls, calls);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static void a_block_that_grew_large_is_given_back(void **state)
{
    struct bed b;
    struct end x;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    char bytes[1000] = {0};
    (void)state;
    open_scripted(&b, &x, &o);
    const struct plait_address self = address_of(&x);
    script.sendmmsg_errno = ENOBUFS;
    for (int i = 0; i < 200; i++)
        assert_ok(plait_send(x.d, &self, plait_slice_of(bytes, sizeof bytes)));
    bed_run(&b);
    assert_true(x.d->queue.cap >= 200000);
    script.sendmmsg_errno = 0;
    bed_pass(&b, plait_millis(11));
    settle(&b);
    assert_int_equal(x.d->queue.cap, 0);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

static int short_sendmmsg(struct plait_sys *sys, int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    (void)sys;
    (void)count;
    return script.calls++ % 40 == 39 ? -EAGAIN
                                     : plait__sys_kernel()->ops->sendmmsg(plait__sys_kernel(), fd, msgs, 1, flags);
}

static void the_order_stays_when_the_kernel_takes_one_by_one(void **state)
{
    struct bed b;
    struct end x;
    char text[16];
    int queued = 0;
    const struct plait_datagram_options o = {.bind = ip4("127.0.0.1", 0)};
    (void)state;
    open_scripted(&b, &x, &o);
    b.ops.sendmmsg = short_sendmmsg;
    const struct plait_address self = address_of(&x);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 7; i++) {
            snprintf(text, sizeof text, "%d", queued++);
            assert_ok(plait_send(x.d, &self, plait_slice_text(text)));
        }
        bed_run(&b);
        if (round % 5 == 4)
            plait__io_again(b.r->io, &x.d->h);
    }
    for (int n = 0; n < 10; n++) {
        plait__io_again(b.r->io, &x.d->h);
        settle(&b);
    }
    assert_int_equal(x.packets, queued);
    snprintf(text, sizeof text, "%d", queued - 1);
    assert_slice(plait_slice_of(x.got, x.got_len), text);
    plait_datagram_close(&x.d);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(the_network_refusing_one_datagram_costs_that_one),
          cmocka_unit_test(what_came_behind_an_error_is_read_at_once),
          cmocka_unit_test(a_socket_closed_while_it_waits_for_buffers_is_over),
          cmocka_unit_test(limits_of_sending_hold_at_their_edges),
          cmocka_unit_test(an_ipv6_source_is_told_to_the_kernel),
          cmocka_unit_test(a_full_queue_says_so_and_tells_when_there_is_room),
          cmocka_unit_test(a_full_queue_is_first_offered_to_the_socket),
          cmocka_unit_test(an_empty_queue_takes_anything),
          cmocka_unit_test(a_kernel_out_of_buffers_is_asked_again_after_a_while),
          cmocka_unit_test(receiving_without_memory_is_tried_again_after_a_while),
          cmocka_unit_test(a_datagram_that_the_network_refuses_is_lost_alone),
          cmocka_unit_test(a_connected_socket_that_cannot_send_loses_after_the_second_try),
          cmocka_unit_test(a_socket_may_be_closed_inside_any_callback),
          cmocka_unit_test(a_socket_may_be_closed_inside_room), cmocka_unit_test(what_is_queued_is_tried_once_at_close),
          cmocka_unit_test(a_socket_that_is_left_open_ends_with_its_reactor),
          cmocka_unit_test(a_handler_may_leave_everything_out),
          cmocka_unit_test(a_block_that_is_half_used_up_is_moved_together),
          cmocka_unit_test(an_owner_that_closes_while_the_reactor_ends_meets_a_closed_socket),
          cmocka_unit_test(every_call_may_fail_while_opening), cmocka_unit_test(every_allocation_may_fail),
          cmocka_unit_test(nothing_is_allocated_for_a_datagram),
          cmocka_unit_test(a_block_that_grew_large_is_given_back),
          cmocka_unit_test(the_order_stays_when_the_kernel_takes_one_by_one))
