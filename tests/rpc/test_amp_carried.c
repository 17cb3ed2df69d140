/* SPDX-License-Identifier: MIT
 *
 * What AMP connections carry beside boxes: descriptors over UNIX sockets, and in the end another protocol.
 */
#include "tests/rpc/amp_bed.h"

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static struct plait_deferred *send_fd(struct side *side, int fd, const char *text, struct outcome *o)
{
    struct plait_amp_box *box = plait_amp_begin(side->amp, &pass);
    *o = (struct outcome){.fd = -1};
    plait_amp_put_descriptor(box, "fd", fd);
    if (text)
        plait_amp_put_bytes(box, "text", plait_slice_text(text));
    struct plait_deferred *d = plait_amp_call(box);
    assert_ok(plait_then(d, note, o));
    return d;
}

static void descriptors_go_over_unix_sockets(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_UNIX);
    const size_t before = test_open_descriptors();
    struct outcome o;
    for (int i = 0; i < 3; i++) {
        const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        (void)send_fd(&t->x, fd, "mine", &o);
        bed_settle(&t->b);
        expect(&o, PLAIT_OK, 0);
        assert_string_equal(o.text, "mine");
        assert_true(o.fd >= 0);
        close(o.fd);
    }
    (void)send_fd(&t->x, open("/dev/null", O_RDONLY | O_CLOEXEC), NULL, &o); /* nobody takes it */
    bed_settle(&t->b);
    expect(&o, PLAIT_EREPLY, 0);
    assert_int_equal(test_open_descriptors(), before);
    amp_bed_free(t);
}

static void descriptors_wait_for_what_is_written_before_them(void **state)
{
    enum { BIG = 60000, TEXTS = 10, PASSED = 8 };
    static char text[BIG + 1];
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_UNIX);
    struct outcome texts[TEXTS] = {{.calls = 0}};
    struct outcome passed[PASSED];
    struct outcome last;
    memset(text, 't', BIG);
    for (int i = 0; i < TEXTS; i++) {
        struct plait_amp_box *box = plait_amp_begin(t->x.amp, &echo);
        plait_amp_put_bytes(box, "text", plait_slice_of(text, BIG));
        assert_ok(plait_then(plait_amp_call(box), note, &texts[i]));
    }
    for (int i = 0; i < PASSED; i++)
        (void)send_fd(&t->x, open("/dev/null", O_RDONLY | O_CLOEXEC), text, &passed[i]);
    assert_false(plait__list_empty(&t->x.amp->waiting));
    (void)add(&t->x, &sum, 1, 2, &last);
    bed_fail(&t->b, 1);
    assert_err(plait_amp_tell(plait_amp_begin(t->x.amp, &nothing)), PLAIT_ENOMEM);
    bed_heal(&t->b);
    for (int i = 0; i < 200; i++)
        bed_settle(&t->b);
    for (int i = 0; i < PASSED; i++) {
        expect(&passed[i], PLAIT_OK, 0);
        close(passed[i].fd);
    }
    expect(&last, PLAIT_OK, 3);
    amp_bed_free(t);
}

static void descriptors_that_cannot_be_sent_are_closed(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    const size_t before = test_open_descriptors();
    struct outcome o;
    (void)send_fd(&t->x, open("/dev/null", O_RDONLY | O_CLOEXEC), "x", &o);
    bed_settle(&t->b);
    expect(&o, PLAIT_EUNSUPPORTED, 0);
    struct plait_amp_box *box = plait_amp_begin(t->x.amp, &pass);
    for (int i = 0; i < 17; i++)
        plait_amp_put_descriptor(box, "fd", open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_err(box->err, PLAIT_EINVAL);
    (void)plait_amp_begin(t->x.amp, &nothing);
    assert_int_equal(test_open_descriptors(), before);
    amp_bed_free(t);
}

static void descriptors_that_no_box_names_have_a_limit(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[16];
    for (int i = 0; i < 16; i++)
        fds[i] = fd;
    assert_ok(plait_write_fds(t->p.s, PLAIT_LIT("\0\10_command\0\7Nothing\0\0"), fds, 16));
    bed_settle(&t->b);
    assert_int_equal(t->x.amp->in.count, 16);
    assert_ok(plait_write_fds(t->p.s, PLAIT_LIT("\0\10_command\0\7Nothing\0\0"), fds, 1));
    bed_settle(&t->b);
    assert_err(t->x.fault.err, PLAIT_ELIMIT);
    close(fd);
    amp_bed_free(t);
}

static void a_descriptor_is_named_once(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_ok(plait_write_fds(t->p.s, PLAIT_LIT("\0\10_command\0\4Pass\0\4_ask\0\0017\0\2fd\0\0010\0\0"), &fd, 1));
    bed_settle(&t->b);
    assert_non_null(memmem(t->p.got, t->p.got_len, "KEPT", 4));
    t->p.got_len = 0;
    say(t, PLAIT_LIT("\0\10_command\0\4Pass\0\4_ask\0\0018\0\2fd\0\0010\0\0"));
    assert_non_null(memmem(t->p.got, t->p.got_len, "a descriptor did not come", 25));
    struct outcome o;
    (void)send_fd(&t->x, fd, "x", &o);
    bed_settle(&t->b);
    say(t, PLAIT_LIT("\0\7_answer\0\0011\0\2fd\0\0019\0\0"));
    expect(&o, PLAIT_EMALFORMED, 0);
    close(t->p.fd[0]);
    amp_bed_free(t);
}

/* --- another protocol --------------------------------------------------------------------------------------------- */

static struct plait_deferred *ask_switch(struct side *side, int64_t a, struct outcome *o)
{
    struct plait_amp_box *box = plait_amp_begin(side->amp, &switching);
    *o = (struct outcome){.fd = -1};
    plait_amp_put_integer(box, "a", a);
    plait_amp_put_integer(box, "b", 0);
    struct plait_deferred *d = plait_amp_call_switch(box, &peer_protocol, &side->after);
    assert_ok(plait_then(d, note, o));
    return d;
}

static void both_sides_switch_to_another_protocol(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct amp_bed *t = amp_bed_new((enum joint)joint);
        struct outcome o;
        struct outcome behind;
        t->x.after.s = plait_amp_stream(t->x.amp);
        (void)ask_switch(&t->x, 1, &o);
        (void)add(&t->x, &sum, 1, 2, &behind); /* waits, and is not sent any more */
        bed_settle(&t->b);
        expect(&o, PLAIT_OK, 0);
        expect(&behind, PLAIT_ECLOSED, 0);
        assert_int_equal(t->x.lost + t->y.lost, 2);
        assert_err(t->x.fault.err, PLAIT_OK);
        plait_write(t->x.after.s, PLAIT_LIT("hello"));
        plait_write(t->y.after.s, PLAIT_LIT("world"));
        bed_settle(&t->b);
        assert_slice(plait_slice_of(t->y.after.got, t->y.after.got_len), "hello");
        assert_slice(plait_slice_of(t->x.after.got, t->x.after.got_len), "world");
        amp_bed_free(t);
    }
}

static void bytes_behind_a_switch_are_the_other_protocols(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    say(t, PLAIT_LIT("\0\10_command\0\6Switch\0\4_ask\0\0017\0\1b\0\0012\0\1a\0\0011\0\0\1\2three"));
    assert_slice_is(plait_slice_of(t->x.after.got, t->x.after.got_len), PLAIT_LIT("\1\2three"));
    amp_bed_free(t);
}

static void a_switch_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_new(JOINT_PAIR);
    struct outcome o;
    struct outcome behind;
    (void)ask_switch(&t->x, 0, &o);
    (void)add(&t->x, &sum, 1, 2, &behind);
    bed_settle(&t->b);
    expect(&o, PLAIT_EREPLY, 0);
    expect(&behind, PLAIT_OK, 3);
    (void)add(&t->x, &sum, 2, 2, &behind);
    bed_settle(&t->b);
    expect(&behind, PLAIT_OK, 4);
    amp_bed_free(t);
}

/* One that is not read for its many requests is read again by who comes after. */
static void a_connection_that_is_paused_can_be_handed_over(void **state)
{
    (void)state;
    struct amp_bed *t = amp_bed_scripted(JOINT_UNIX);
    t->x.amp->o.requests_max = 1;
    say(t, PLAIT_LIT("\0\10_command\0\4Keep\0\4_ask\0\0017\0\1b\0\0012\0\1a\0\0011\0\0rest"));
    assert_int_equal(t->x.kept_count, 1);
    t->x.after.s = plait_amp_stream(t->x.amp);
    plait_amp_put_integer(plait_amp_response(t->x.kept[0]), "total", 3);
    plait_amp_reply_switch(t->x.kept[0], &peer_protocol, &t->x.after);
    bed_settle(&t->b);
    assert_slice(plait_slice_of(t->x.after.got, t->x.after.got_len), "rest");
    amp_bed_free(t);
}

TEST_MAIN(cmocka_unit_test(descriptors_go_over_unix_sockets),
          cmocka_unit_test(descriptors_wait_for_what_is_written_before_them),
          cmocka_unit_test(descriptors_that_cannot_be_sent_are_closed),
          cmocka_unit_test(descriptors_that_no_box_names_have_a_limit), cmocka_unit_test(a_descriptor_is_named_once),
          cmocka_unit_test(both_sides_switch_to_another_protocol),
          cmocka_unit_test(bytes_behind_a_switch_are_the_other_protocols),
          cmocka_unit_test(a_switch_that_is_refused_changes_nothing),
          cmocka_unit_test(a_connection_that_is_paused_can_be_handed_over))
