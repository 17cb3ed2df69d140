/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/tls_start.c: TLS that begins in the middle of a stream, and bytes in the clear where none may be
 * (RFC 3207 section 4.2; CVE-2011-0411 and its kin).
 */
#include "tests/engine/tls_bed.h"

static struct tls_certs certs;
static struct tls_bed t;

static int make(void **state)
{
    (void)state;
    tls_certs_make(&certs);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_certs_end(&certs);
    return 0;
}

static void join_clear(void)
{
    peer_reset(&t.c);
    peer_reset(&t.s);
    join_peers(&t.b, t.joint, &t.c, &t.s);
}

/* The server's side: a command, an answer in the clear, TLS. */
static void serve_command(struct peer *p)
{
    p->on_data = NULL;
    plait_write(p->s, PLAIT_LIT("220 go ahead\r\n"));
    assert_ok(plait_starttls_server(p->s, t.server));
    plait_write(p->s, PLAIT_LIT("for your eyes only"));
}

static void take_answer(struct peer *p)
{
    p->on_data = NULL;
    assert_ok(plait_starttls_client(p->s, t.client, "a.example", plait_slice_of(NULL, 0)));
    plait_write(p->s, PLAIT_LIT("and for yours"));
}

static void run_starttls(size_t narrow)
{
    join_clear();
    if (narrow) {
        narrow_put(&t.nc, t.c.s, 0, narrow);
        narrow_put(&t.ns, t.s.s, 0, narrow);
        /* both must be whole before they are answered */
    }
    t.s.on_data = serve_command;
    t.c.on_data = narrow ? NULL : take_answer;
    plait_write(t.c.s, PLAIT_LIT("S"));
    if (narrow) {
        bed_settle(&t.b);
        for (int i = 0; i < 40 && t.c.got_len < 14; i++)
            bed_settle(&t.b);
        assert_slice(plait_slice_of(t.c.got, t.c.got_len), "220 go ahead\r\n");
        take_answer(&t.c);
    }
    for (int i = 0; i < 200; i++)
        bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "220 go ahead\r\nfor your eyes only");
    assert_slice(plait_slice_of(t.s.got, t.s.got_len), "Sand for yours");
    assert_string_equal(t.s.story, "cdsd");
    assert_non_null(plait_stream_tls(t.c.s));
}

static void tls_can_begin_in_the_middle_of_a_stream(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        run_starttls(0);
        tls_bed_close(&t);
    }
}

static void what_was_written_before_leaves_in_the_clear_however_slowly(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    run_starttls(1);
    tls_bed_close(&t);
}

enum { FILE_BYTES = 100000 };

static int clear_file;

static ssize_t never_in_memory(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    return -EAGAIN;
}

/* A file in the clear that is not in memory; TLS begins while a thread is to fetch it. */
static void serve_file(struct peer *p)
{
    p->on_data = NULL;
    plait_write_file(p->s, clear_file, 0, FILE_BYTES, NULL, NULL);
    plait_flush(p->s);
    assert_non_null(p->s->out->load);
    assert_ok(plait_starttls_server(p->s, t.server));
    plait_write(p->s, PLAIT_LIT("for your eyes only"));
}

static void take_file(struct peer *p)
{
    if (p->got_len >= FILE_BYTES)
        take_answer(p);
}

static void a_file_of_before_leaves_in_the_clear_though_it_is_not_in_memory(void **state)
{
    static uint8_t bytes[FILE_BYTES];
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        t.b.job_delay = plait_seconds(10);
        t.b.ops.pread_nowait = never_in_memory;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(i >> 8);
        clear_file = memfd_create("file", MFD_CLOEXEC);
        assert_int_equal(pwrite(clear_file, bytes, sizeof bytes, 0), FILE_BYTES);
        join_clear();
        t.s.on_data = serve_file;
        t.c.on_data = take_file;
        plait_write(t.c.s, PLAIT_LIT("S"));
        plait_pause(t.c.s);
        bed_settle(&t.b);
        bed_pass(&t.b, plait_seconds(11)); /* what the thread would fetch comes too late */
        plait_resume(t.c.s);
        for (int i = 0; i < 200; i++)
            bed_settle(&t.b);
        assert_int_equal(t.c.got_len, FILE_BYTES + 18);
        assert_memory_equal(t.c.got, bytes, FILE_BYTES);
        assert_slice(plait_slice_of(t.c.got + FILE_BYTES, 18), "for your eyes only");
        assert_slice(plait_slice_of(t.s.got, t.s.got_len), "Sand for yours");
        close(clear_file);
        tls_bed_close(&t);
    }
}

static void secured_comes_before_data(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_UNIX;
    join_clear();
    bed_settle(&t.b);
    assert_ok(plait_starttls_server(t.s.s, t.server));
    assert_ok(plait_starttls_client(t.c.s, t.client, "a.example", t.alpn));
    plait_write(t.c.s, PLAIT_LIT("at once")); /* arrives with the handshake's last flight */
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "csd");
    tls_bed_close(&t);
}

/* --- bytes in the clear behind the command ------------------------------------------------------------------------ */

static size_t take_one(struct plait_stream *s, plait_slice in, void *self)
{
    struct peer *p = self;
    (void)in;
    peer_tell(p, 'd');
    if (p == &t.s)
        assert_ok(plait_starttls_server(s, t.server));
    else
        assert_ok(plait_starttls_client(s, t.client, "a.example", t.alpn));
    return 1;
}

static const struct plait_protocol one_byte = {.name = "one", .data = take_one, .lost = peer_lost};

static void run_injection(struct peer *victim, struct peer *other)
{
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        join_clear();
        plait_stream_attach(victim->s, &one_byte, victim);
        plait_write(other->s, PLAIT_LIT("SRSET\r\nMAIL FROM:<mallory>\r\n"));
        bed_settle(&t.b);
        assert_string_equal(victim->story, "dl");
        assert_int_equal(victim->fault.err, PLAIT_ECLEARTEXT);
        assert_string_equal(victim->fault.step, "starttls");
        tls_bed_close(&t);
    }
}

static void bytes_behind_the_command_end_the_server(void **state)
{
    (void)state;
    run_injection(&t.s, &t.c);
}

static void bytes_behind_the_answer_end_the_client(void **state)
{
    (void)state;
    run_injection(&t.c, &t.s);
}

static void bytes_kept_from_before_end_the_stream(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    t.s.take_nothing = true;
    plait_write(t.c.s, PLAIT_LIT("kept"));
    bed_settle(&t.b);
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    assert_string_equal(t.s.story, "cdl");
    assert_int_equal(t.s.fault.err, PLAIT_ECLEARTEXT);
    tls_bed_close(&t);
}

/* --- output in the clear that is in the way ----------------------------------------------------------------------- */

static char folder[TEST_PATH_BYTES];

static int open_file(size_t bytes)
{
    static uint8_t content[100000];
    char path[TEST_PATH_BYTES + 8];
    memset(content, 'f', sizeof content);
    test_folder_make(folder);
    test_file_write(folder, "f", plait_slice_of(content, bytes));
    (void)snprintf(path, sizeof path, "%s/f", folder);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    return fd;
}

static void close_file(int fd)
{
    close(fd);
    test_folder_remove(folder);
}

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

static void a_file_in_the_clear_goes_first(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        int released = 0;
        tls_bed_open(&t, &certs);
        t.joint = (enum joint)joint;
        join_clear();
        const int fd = open_file(100000);
        plait_write(t.s.s, PLAIT_LIT("<"));
        plait_write_file(t.s.s, fd, 0, 100000, count_call, &released);
        plait_write(t.s.s, PLAIT_LIT(">"));
        assert_ok(plait_starttls_server(t.s.s, t.server));
        for (int i = 0; i < 20; i++)
            bed_settle(&t.b);
        assert_int_equal(t.c.got_len, 100002);
        assert_int_equal(t.c.got[100001], '>');
        assert_int_equal(released, 1);
        take_answer(&t.c);
        bed_settle(&t.b);
        assert_slice(plait_slice_of(t.s.got, t.s.got_len), "and for yours");
        close_file(fd);
        tls_bed_close(&t);
    }
}

static void a_file_in_the_clear_that_ends_early_ends_the_stream(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    const int fd = open_file(10);
    plait_pause(t.c.s);
    bed_settle(&t.b);
    plait_write(t.s.s, PLAIT_LIT("<"));
    plait_write_file(t.s.s, fd, 0, 1000, NULL, NULL);
    assert_ok(plait_starttls_server(t.s.s, t.server));
    plait_resume(t.c.s);
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_ETRUNCATED);
    close_file(fd);
    tls_bed_close(&t);
}

static void closing_sends_what_was_written_in_the_clear(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    plait_write(t.s.s, PLAIT_LIT("454 not available\r\n"));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    plait_close(t.s.s);
    bed_settle(&t.b);
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "454 not available\r\n");
    assert_string_equal(t.s.story, "l");
    assert_int_equal(t.s.fault.err, PLAIT_OK);
    tls_bed_close(&t);
}

static void closing_gives_up_when_the_file_in_the_clear_fails(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.out_max = 4;
    join_clear();
    narrow_put(&t.ns, t.s.s, 0, 0);
    const int fd = open_file(10);
    plait_write(t.s.s, PLAIT_LIT("<"));
    plait_write_file(t.s.s, fd, 0, 1000, NULL, NULL);
    t.ns.stuck = true;
    assert_ok(plait_starttls_server(t.s.s, t.server));
    plait_close(t.s.s);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    assert_non_null(t.s.s);
    t.ns.stuck = false;
    narrow_room(&t.ns);
    bed_settle(&t.b);
    bed_pass(&t.b, plait_seconds(3));
    assert_null(t.s.s);
    close_file(fd);
    tls_bed_close(&t);
}

/* Nobody reads before TLS has begun, but a carrier may tell of the end all the same. */
static void an_end_before_all_in_the_clear_has_left_is_one_of_the_handshake(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    narrow_put(&t.ns, t.s.s, 0, 0);
    t.ns.stuck = true;
    plait_write(t.s.s, PLAIT_LIT("220 go ahead\r\n"));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    plait__tls_up.input_end(tls_of(t.s.s));
    bed_settle(&t.b);
    assert_non_null(t.s.s);
    t.ns.stuck = false;
    narrow_room(&t.ns);
    bed_settle(&t.b);
    assert_null(t.s.s);
    assert_int_equal(t.s.fault.err, PLAIT_ETLS);
    assert_string_equal(t.s.fault.detail, "the peer hung up during the handshake");
    tls_bed_close(&t);
}

static void abort_the_other(struct peer *p)
{
    p->on_data = NULL;
    plait_abort(t.s.s);
}

static void a_stream_may_be_aborted_while_what_it_wrote_in_the_clear_arrives(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    t.c.on_data = abort_the_other;
    plait_write(t.s.s, PLAIT_LIT("220 go ahead\r\n"));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    assert_null(t.c.on_data);
    assert_string_equal(t.s.story, "cl");
    assert_int_equal(t.s.fault.err, PLAIT_ECANCELLED);
    tls_bed_close(&t);
}

static void aborting_drops_what_was_written_in_the_clear(void **state)
{
    (void)state;
    int released = 0;
    tls_bed_open(&t, &certs);
    join_clear();
    const int fd = open_file(10);
    plait_pause(t.c.s);
    bed_settle(&t.b);
    plait_write_file(t.s.s, fd, 0, 10, count_call, &released);
    plait_write(t.s.s, PLAIT_LIT("."));
    plait_write_file(t.s.s, fd, 0, 10, count_call, &released);
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    assert_false(plait__chain_empty(&tls_of(t.s.s)->clear->loaded)); /* of the first file */
    plait_abort(t.s.s);
    assert_int_equal(released, 2);
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_ECANCELLED);
    close_file(fd);
    tls_bed_close(&t);
}

static void a_peer_that_takes_nothing_in_the_clear_is_left(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    plait_pause(t.c.s);
    bed_settle(&t.b);
    plait_write(t.s.s, PLAIT_LIT("220 go ahead\r\n"));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_pass(&t.b, plait_seconds(61));
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_EPEERSTALLED);
    tls_bed_close(&t);
}

/* The patience of before TLS is over when TLS begins; from then on every byte that leaves renews it. */
static void a_peer_that_takes_little_in_the_clear_is_not_left(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    narrow_put(&t.ns, t.s.s, 0, 1);
    t.ns.stuck = true;
    plait_write(t.s.s, PLAIT_LIT("220\r\n"));
    bed_settle(&t.b);
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    for (int i = 0; i < 3; i++) {
        bed_pass(&t.b, plait_seconds(40));
        assert_non_null(t.s.s);
        t.ns.stuck = false;
        narrow_room(&t.ns);
        t.ns.stuck = true;
        bed_settle(&t.b);
    }
    assert_slice(plait_slice_of(t.c.got, t.c.got_len), "220");
    bed_pass(&t.b, plait_seconds(61));
    assert_null(t.s.s);
    assert_int_equal(t.s.fault.err, PLAIT_EPEERSTALLED);
    tls_bed_close(&t);
}

static void a_stream_that_was_full_has_room_when_tls_takes_its_output(void **state)
{
    static uint8_t much[300000];
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    plait_pause(t.c.s);
    bed_settle(&t.b);
    plait_write(t.s.s, plait_slice_of(much, sizeof much));
    bed_settle(&t.b);
    assert_true(plait_is_full(t.s.s));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    assert_false(plait_is_full(t.s.s));
    assert_string_equal(t.s.story, "cr");
    tls_bed_close(&t);
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

static void a_stream_that_ends_starts_no_tls(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    join_clear();
    plait_close_write(t.c.s);
    assert_err(plait_starttls_client(t.c.s, t.client, "a.example", t.alpn), PLAIT_ESTATE);
    plait_close(t.s.s);
    assert_err(plait_starttls_server(t.s.s, t.server), PLAIT_ESTATE);
    tls_bed_close(&t);
}

static void a_stream_whose_flush_fails_is_lost_and_that_is_all(void **state)
{
    (void)state;
    tls_bed_open(&t, &certs);
    t.joint = JOINT_UNIX;
    join_clear();
    bed_settle(&t.b);
    plait_pause(t.s.s);
    bed_settle(&t.b);
    plait_abort(t.c.s);
    bed_settle(&t.b);
    plait_write(t.s.s, PLAIT_LIT("to nobody"));
    assert_ok(plait_starttls_server(t.s.s, t.server));
    bed_settle(&t.b);
    assert_null(t.s.s);
    tls_bed_close(&t);
}

/* A protocol that read ahead gives TLS what it took too much. */
static void ciphertext_that_was_read_ahead_is_fed_to_tls(void **state)
{
    uint8_t none[1] = {0};
    (void)state;
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    plait__tls_feed(t.c.s, plait_slice_of(none, 0));
    assert_true(plait_is_open(t.c.s));
    assert_null(tls_of(t.c.s)->held);
    plait__tls_feed(t.s.s, PLAIT_LIT("GET "));
    assert_int_equal(tls_of(t.s.s)->in_len, 4);
    bed_settle(&t.b);
    assert_int_equal(t.s.fault.err, PLAIT_ETLS); /* which is no record */
    tls_bed_close(&t);
    tls_bed_open(&t, &certs);
    tls_bed_start(&t, &peer_protocol);
    bed_fail(&t.b, 1);
    plait__tls_feed(t.c.s, PLAIT_LIT("x"));
    bed_heal(&t.b);
    bed_settle(&t.b);
    assert_int_equal(t.c.fault.err, PLAIT_ENOMEM);
    tls_bed_close(&t);
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(tls_can_begin_in_the_middle_of_a_stream),
               cmocka_unit_test(what_was_written_before_leaves_in_the_clear_however_slowly),
               cmocka_unit_test(a_file_of_before_leaves_in_the_clear_though_it_is_not_in_memory),
               cmocka_unit_test(secured_comes_before_data), cmocka_unit_test(bytes_behind_the_command_end_the_server),
               cmocka_unit_test(bytes_behind_the_answer_end_the_client),
               cmocka_unit_test(bytes_kept_from_before_end_the_stream),
               cmocka_unit_test(a_file_in_the_clear_goes_first),
               cmocka_unit_test(a_file_in_the_clear_that_ends_early_ends_the_stream),
               cmocka_unit_test(closing_sends_what_was_written_in_the_clear),
               cmocka_unit_test(closing_gives_up_when_the_file_in_the_clear_fails),
               cmocka_unit_test(an_end_before_all_in_the_clear_has_left_is_one_of_the_handshake),
               cmocka_unit_test(a_stream_may_be_aborted_while_what_it_wrote_in_the_clear_arrives),
               cmocka_unit_test(aborting_drops_what_was_written_in_the_clear),
               cmocka_unit_test(a_peer_that_takes_nothing_in_the_clear_is_left),
               cmocka_unit_test(a_peer_that_takes_little_in_the_clear_is_not_left),
               cmocka_unit_test(a_stream_that_was_full_has_room_when_tls_takes_its_output),
               cmocka_unit_test(a_stream_that_ends_starts_no_tls),
               cmocka_unit_test(a_stream_whose_flush_fails_is_lost_and_that_is_all),
               cmocka_unit_test(ciphertext_that_was_read_ahead_is_fed_to_tls))
