/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/stream_load.c: files that are not in memory are fetched by the pool, and the loop never waits for
 * the disk unless nobody else can.
 */
#include "tests/engine/peer.h"

#include <plait/thread.h>

#include <stdatomic.h>

enum { FILE_BYTES = 200000, FROM = 1000, SENT = FILE_BYTES - FROM, LANE_MAX = 1024 };

static struct peer x;
static struct peer y;
static uint8_t big[FILE_BYTES];
static int released;
static int looks, reads; /* at what is in memory; at the disk */
static int read_errno;   /* of the disk */
static atomic_bool gate; /* the disk waits until it is open */
static atomic_int waiting;

static ssize_t never_in_memory(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    looks++;
    return -EAGAIN;
}

static ssize_t count_read(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    reads++;
    return read_errno ? -read_errno : plait__sys_kernel()->ops->pread(plait__sys_kernel(), fd, buf, len, offset);
}

static ssize_t wait_and_read(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    atomic_fetch_add(&waiting, 1);
    while (!atomic_load(&gate))
        usleep(100);
    return plait__sys_kernel()->ops->pread(plait__sys_kernel(), fd, buf, len, offset);
}

static int no_duplicates(struct plait_sys *sys, int fd, int cmd, long arg)
{
    (void)sys;
    return cmd == F_DUPFD_CLOEXEC ? -EMFILE : plait__sys_kernel()->ops->fcntl(plait__sys_kernel(), fd, cmd, arg);
}

static void count_release(void *ctx)
{
    (void)ctx;
    released++;
}

static int make_file(void)
{
    const int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(pwrite(fd, big, sizeof big, 0), (ssize_t)sizeof big);
    return fd;
}

/* Two ends, and a disk of which nothing is in memory. */
static void open_cold(struct bed *b, enum joint joint)
{
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    released = looks = reads = read_errno = 0;
    bed_open(b);
    b->job_delay = plait_millis(1);
    join_peers(b, joint, &x, &y);
    bed_settle(b);
    b->ops.pread_nowait = never_in_memory;
    b->ops.pread = count_read;
}

static void send_file(int fd)
{
    plait_write(x.s, PLAIT_LIT("<"));
    plait_write_file(x.s, fd, FROM, SENT, count_release, NULL);
    plait_write(x.s, PLAIT_LIT(">"));
    plait_close(x.s);
}

static void pass(struct bed *b)
{
    for (int i = 0; i < 200 && y.s; i++) {
        b->clock += plait_millis(2);
        bed_settle(b);
    }
}

static void assert_arrived(void)
{
    assert_int_equal(y.got_len, SENT + 2);
    assert_int_equal(y.got[0], '<');
    assert_slice_is(plait_slice_of(y.got + 1, SENT), plait_slice_of(big + FROM, SENT));
    assert_int_equal(y.got[SENT + 1], '>');
    assert_int_equal(x.fault.err, PLAIT_OK);
    assert_int_equal(released, 1);
}

static void the_pool_fetches_what_is_not_in_memory(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        const size_t before = test_open_descriptors();
        open_cold(&b, (enum joint)joint);
        const int fd = make_file();
        send_file(fd);
        bed_settle(&b);
        assert_int_equal(looks, 1);
        assert_int_equal(reads, 0); /* the loop itself read nothing */
        assert_true(y.got_len <= 1);
        pass(&b);
        assert_arrived();
        assert_true(reads >= 4);
        close(fd);
        bed_close(&b);
        assert_int_equal(test_open_descriptors(), before);
    }
}

static void what_cannot_be_fetched_is_read_in_the_loop(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        open_cold(&b, (enum joint)joint);
        b.ops.fcntl = no_duplicates;
        const int fd = make_file();
        send_file(fd);
        for (int i = 0; i < 200 && y.s; i++)
            bed_settle(&b); /* no time passes: no job of the pool could run */
        assert_arrived();
        close(fd);
        bed_close(&b);
    }
}

static plait_err nothing(plait_value *value, void *arg)
{
    (void)value;
    (void)arg;
    return PLAIT_OK;
}

static void a_full_lane_lets_the_loop_read(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        open_cold(&b, (enum joint)joint);
        b.job_delay = plait_seconds(1000);
        for (int i = 0; i < LANE_MAX; i++)
            plait_deferred_ignore(plait_in_thread(b.r, PLAIT_LANE_FILES, nothing, NULL, NULL));
        const int fd = make_file();
        send_file(fd);
        for (int i = 0; i < 200 && y.s; i++)
            bed_settle(&b);
        assert_arrived();
        assert_false(bed_logged(&b, "unhandled-fault"));
        close(fd);
        bed_close(&b);
    }
}

static void a_broken_disk_and_a_short_file_end_the_stream(void **state)
{
    (void)state;
    struct bed b;
    open_cold(&b, JOINT_PAIR);
    const int fd = make_file();
    read_errno = EIO;
    send_file(fd);
    pass(&b);
    assert_int_equal(x.fault.err, PLAIT_EIO);
    assert_int_equal(released, 1);
    bed_close(&b);
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_cold(&b, (enum joint)joint);
        plait_write_file(x.s, fd, FILE_BYTES - 10, 20, count_release, NULL);
        pass(&b);
        assert_int_equal(x.fault.err, PLAIT_ETRUNCATED);
        assert_int_equal(y.got_len, 10);
        assert_int_equal(released, 1);
        bed_close(&b);
    }
    close(fd);
}

static void a_stream_that_ends_meanwhile_lets_go_of_the_file(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        open_cold(&b, (enum joint)joint);
        const int fd = make_file();
        send_file(fd);
        bed_settle(&b);
        plait_abort(x.s);
        assert_int_equal(released, 1);
        close(fd);
        pass(&b);
        assert_int_equal(reads, 0);
        bed_close(&b);
    }
}

static void a_reactor_that_ends_meanwhile_waits_for_nothing(void **state)
{
    (void)state;
    struct bed b;
    open_cold(&b, JOINT_TCP);
    const int fd = make_file();
    send_file(fd);
    bed_settle(&b);
    bed_close(&b);
    assert_int_equal(released, 1);
    close(fd);
}

/* The file comes, or the connection ends for want of memory; nothing stays. */
static void whichever_allocation_fails_nothing_is_left(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        for (uint64_t n = 1; n <= 12; n++) {
            struct bed b;
            open_cold(&b, (enum joint)joint);
            const int fd = make_file();
            plait_write(x.s, PLAIT_LIT("<"));
            plait_write_file(x.s, fd, FROM, SENT, count_release, NULL);
            plait_write(x.s, PLAIT_LIT(">"));
            b.heap.fail_at = b.heap.calls + n;
            plait_close(x.s);
            pass(&b);
            assert_int_equal(released, 1);
            if (x.fault.err == PLAIT_OK && y.fault.err == PLAIT_OK)
                assert_arrived();
            close(fd);
            bed_close(&b);
        }
    }
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static void open_threads(struct bed *b)
{
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    released = looks = 0;
    atomic_store(&gate, false);
    atomic_store(&waiting, 0);
    bed_open_real(b);
    join_peers(b, JOINT_PAIR, &x, &y);
    bed_settle(b);
    b->ops.pread_nowait = never_in_memory;
    b->ops.pread = wait_and_read;
}

static void the_loop_goes_on_while_a_thread_reads(void **state)
{
    (void)state;
    struct bed b;
    open_threads(&b);
    const int fd = make_file();
    send_file(fd);
    while (atomic_load(&waiting) == 0)
        bed_settle(&b);
    bed_settle(&b); /* turns pass while the disk is at work */
    assert_true(y.got_len <= 1);
    assert_int_equal(released, 0);
    atomic_store(&gate, true);
    while (y.s)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_arrived();
    close(fd);
    bed_close(&b);
}

static void a_thread_that_reads_outlives_its_stream(void **state)
{
    (void)state;
    struct bed b;
    open_threads(&b);
    const int fd = make_file();
    send_file(fd);
    while (atomic_load(&waiting) == 0)
        bed_settle(&b);
    plait_abort(x.s);
    assert_int_equal(released, 1);
    close(fd);
    bed_settle(&b);
    assert_null(x.s);
    atomic_store(&gate, true);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(the_pool_fetches_what_is_not_in_memory),
          cmocka_unit_test(what_cannot_be_fetched_is_read_in_the_loop),
          cmocka_unit_test(a_full_lane_lets_the_loop_read),
          cmocka_unit_test(a_broken_disk_and_a_short_file_end_the_stream),
          cmocka_unit_test(a_stream_that_ends_meanwhile_lets_go_of_the_file),
          cmocka_unit_test(a_reactor_that_ends_meanwhile_waits_for_nothing),
          cmocka_unit_test(whichever_allocation_fails_nothing_is_left),
          cmocka_unit_test(the_loop_goes_on_while_a_thread_reads),
          cmocka_unit_test(a_thread_that_reads_outlives_its_stream))
